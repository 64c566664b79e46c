/* test_rows.c - every version of every row kernel equals the scalar definition bit for bit, on all lengths, offsets and kinds of float. */
#include "kernel.h"

#include <needlescope/arch.h>

#include <math.h>

enum { MOST = 300, OFFSETS = 3, ROUNDS = 2 };

typedef struct row { float *a, *b, *out; uint16_t *half; int64_t n; } row;
typedef double (*row_fn)(const ns_math *, row *);    /* leaves its result in out (or half); returns a number to compare too */

static double run_scale(const ns_math *m, row *r) { memcpy(r->out, r->a, (size_t)r->n * 4); m->scale(r->out, r->n, 1.7f); return 0; }
static double run_softcap(const ns_math *m, row *r) { memcpy(r->out, r->a, (size_t)r->n * 4); m->softcap(r->out, r->n, 30.0f); return 0; }
static double run_exp(const ns_math *m, row *r) { m->exp(r->out, r->a, r->n); return 0; }
static double run_rms(const ns_math *m, row *r) { m->rms_norm(r->out, r->a, r->n, 1e-5f, r->b, 1); return 0; }
static double run_rms_plain(const ns_math *m, row *r) { m->rms_norm(r->out, r->a, r->n, 1e-6f, NULL, 0); return 0; }
static double run_layer(const ns_math *m, row *r) { m->layer_norm(r->out, r->a, r->n, 1e-5f, r->b, 0, r->a); return 0; }
static double run_layer_plain(const ns_math *m, row *r) { m->layer_norm(r->out, r->a, r->n, 1e-5f, NULL, 0, NULL); return 0; }
static double run_affine(const ns_math *m, row *r) { m->affine(r->out, r->a, r->n, r->b, 1, r->a); return 0; }
static double run_silu(const ns_math *m, row *r) { m->act(r->out, r->a, r->n, NS_ACT_SILU); return 0; }
static double run_gelu(const ns_math *m, row *r) { m->act(r->out, r->a, r->n, NS_ACT_GELU); return 0; }
static double run_gelu_tanh(const ns_math *m, row *r) { m->act(r->out, r->a, r->n, NS_ACT_GELU_TANH); return 0; }
static double run_sigmoid(const ns_math *m, row *r) { m->sigmoid(r->out, r->a, r->n); return 0; }
static double run_relu(const ns_math *m, row *r) { m->act(r->out, r->a, r->n, NS_ACT_RELU); return 0; }
static double run_quick_gelu(const ns_math *m, row *r) { m->act(r->out, r->a, r->n, NS_ACT_QUICK_GELU); return 0; }
static double run_relu2(const ns_math *m, row *r) { m->act(r->out, r->a, r->n, NS_ACT_RELU2); return 0; }
static double run_mul(const ns_math *m, row *r) { m->mul(r->out, r->a, r->b, r->n); return 0; }
static double run_add(const ns_math *m, row *r) { m->add(r->out, r->a, r->b, r->n); return 0; }
static double run_axpy(const ns_math *m, row *r) { memcpy(r->out, r->b, (size_t)r->n * 4); m->axpy(r->out, r->a, r->n, -0.3f); return 0; }
static double run_max(const ns_math *m, row *r) { return r->n ? m->max(r->a, r->n) : 0; }
static double run_argmax(const ns_math *m, row *r) { return (double)m->argmax(r->a, r->n); }
static double run_finite(const ns_math *m, row *r) { return m->all_finite(r->a, r->n); }
static double run_rope(const ns_math *m, row *r) { memcpy(r->out, r->a, (size_t)r->n * 4); m->rope(r->out, r->n / 2 * 2, r->b, r->a,
                                                                                                   false); return 0; }
static double run_rope_pairs(const ns_math *m, row *r) { memcpy(r->out, r->a, (size_t)r->n * 4); m->rope(r->out, r->n / 2 * 2, r->b, r->a,
                                                                                                         true); return 0; }
static double run_from_f16(const ns_math *m, row *r) { m->f16_to_f32(r->out, (const uint16_t *)r->a, r->n); return 0; }
static double run_from_bf16(const ns_math *m, row *r) { m->bf16_to_f32(r->out, (const uint16_t *)r->a, r->n); return 0; }
static double run_to_f16(const ns_math *m, row *r) { m->f32_to_f16(r->half, r->a, r->n); return 0; }
static double run_to_bf16(const ns_math *m, row *r) { m->f32_to_bf16(r->half, r->a, r->n); return 0; }

static double run_relu_back(const ns_math *m, row *r) { memcpy(r->out, r->a, (size_t)r->n * 4); m->relu_back(r->out, r->b,
                                                                                                             r->n); return 0; }
static double run_silu_back(const ns_math *m, row *r) { memcpy(r->out, r->a, (size_t)r->n * 4); m->silu_back(r->out, r->b,
                                                                                                             r->n); return 0; }

/* out: what x gets (half of it), then what the gain gets. */
static double run_rms_back(const ns_math *m, row *r)
{
    const int64_t n = r->n / 2;
    memset(r->out, 0, (size_t)r->n * 4);
    if (n)
        m->rms_norm_back(r->out, r->out + n, r->a, r->b, n, 1e-5f, r->a + n);
    return 0;
}

/* Two rows of scores whose window ends inside the second half. */
static double run_softmax(const ns_math *m, row *r)
{
    const int64_t n = r->n / 32 * 16;
    memcpy(r->out, r->a, (size_t)r->n * 4);
    if (n)
        m->softmax(r->out, n, 2, 64 + n - 2, 64, n, 9);
    return 0;
}

static double run_softmax_back(const ns_math *m, row *r)
{
    const int64_t n = r->n / 16 * 16;
    memcpy(r->out, r->a, (size_t)r->n * 4);
    if (n)
        m->softmax_back(r->out, r->b, 1, n);
    return 0;
}

/* The state [n][32] into out, with room for o behind it; q, k, decay [8] and v [32] from b. Returns n, 0 where there is no room. */
static int64_t state_of(row *r, float in[56])
{
    const int64_t n = r->n / 32 - 1;
    memcpy(r->out, r->a, (size_t)r->n * 4);
    for (int64_t i = 0; i < r->n; i++)
        r->out[i] = isfinite(r->out[i]) ? r->out[i] : 1;
    for (int i = 0; i < 56; i++)
        in[i] = isfinite(r->b[i]) ? r->b[i] : 0.5f;
    return n < 1 ? 0 : n < 8 ? n : 7;
}

static double nan_is_nan(row *r)
{
    for (int64_t i = 0; i < r->n; i++)
        r->out[i] = isnan(r->out[i]) ? NAN : r->out[i];           /* inf - inf: a NaN of either sign */
    return 0;
}

static double scan_with(const ns_math *m, row *r, bool each, bool half, bool delta)
{
    float in[56];
    const int64_t n = state_of(r, in);
    if (n)
        m->scan(r->out, r->out, n, in, in + 8, in + 24, in + 16, each, half, 0.7f, delta, r->out + 32 * n);
    return nan_is_nan(r);
}
static double run_scan(const ns_math *m, row *r) { return scan_with(m, r, false, false, false); }
static double run_scan_half(const ns_math *m, row *r) { return scan_with(m, r, true, true, true); }
static double run_scan_delta(const ns_math *m, row *r) { return scan_with(m, r, true, false, true); }

/* Three rows, apart. */
static double mul_rows_with(const ns_math *m, row *r, bool factors)
{
    const int64_t n = r->n / 3;
    memcpy(r->out, r->a, (size_t)r->n * 4);
    if (n)
        m->mul_rows(r->out, n, r->b, n - n / 4, 3, n - n / 4, r->a, factors ? r->b : NULL);
    return nan_is_nan(r);
}
static double run_mul_rows(const ns_math *m, row *r) { return mul_rows_with(m, r, false); }
static double run_mul_rows_factors(const ns_math *m, row *r) { return mul_rows_with(m, r, true); }

static double run_p_ln_p(const ns_math *m, row *r)
{
    for (int64_t i = 0; i < r->n; i++)
        r->out[i] = isfinite(r->a[i]) ? fabsf(r->a[i]) : 0.25f;
    return r->n ? m->p_ln_p(r->out, r->n, 32 + r->n % 16) : 0;
}

static double run_exp_sum(const ns_math *m, row *r)
{
    int64_t n = r->n / 32 * 32;
    memcpy(r->out, r->a, (size_t)r->n * 4);
    for (int64_t i = 0; i < n; i++)
        r->out[i] = r->out[i] > 3 ? 3 : r->out[i];
    return n ? m->exp_sum(r->out, n, 96, 3) : 0;
}

static const struct { const char *name; row_fn run; } kernels[] = {
    {"scale", run_scale}, {"softcap", run_softcap}, {"sigmoid", run_sigmoid}, {"exp", run_exp}, {"rms_norm", run_rms},
    {"rms_norm without gain", run_rms_plain},
    {"layer_norm", run_layer}, {"layer_norm without gain", run_layer_plain}, {"affine", run_affine}, {"silu", run_silu},
    {"gelu", run_gelu},
    {"gelu_tanh", run_gelu_tanh}, {"relu", run_relu}, {"relu2", run_relu2}, {"quick_gelu", run_quick_gelu},
    {"mul", run_mul}, {"add", run_add},
    {"axpy", run_axpy},
    {"max", run_max}, {"argmax", run_argmax}, {"all_finite", run_finite}, {"rope", run_rope},
    {"rope interleaved", run_rope_pairs},
    {"f16_to_f32", run_from_f16}, {"bf16_to_f32", run_from_bf16}, {"f32_to_f16", run_to_f16}, {"f32_to_bf16", run_to_bf16},
    {"exp_sum", run_exp_sum}, {"relu_back", run_relu_back}, {"silu_back", run_silu_back}, {"rms_norm_back", run_rms_back},
    {"softmax", run_softmax}, {"scan", run_scan}, {"scan by the delta rule", run_scan_delta}, {"scan of half the columns", run_scan_half},
    {"mul_rows", run_mul_rows},
    {"mul_rows with factors", run_mul_rows_factors}, {"p_ln_p", run_p_ln_p},
    {"softmax_back", run_softmax_back},
};

static void compare(const ns_math *m, const ns_math *scalar, size_t k, row *got, row *want)
{
    float a, b;
    memset(got->out, 0x55, (size_t)MOST * 4);
    memset(want->out, 0x55, (size_t)MOST * 4);
    memset(got->half, 0x55, (size_t)MOST * 2);
    memset(want->half, 0x55, (size_t)MOST * 2);
    a = (float)kernels[k].run(m, got);
    b = (float)kernels[k].run(scalar, want);
    same_bits(&a, &b, 1, m->name, kernels[k].name);
    same_bits(got->out, want->out, MOST, m->name, kernels[k].name);              /* beyond n too: nothing else is touched */
    if (memcmp(got->half, want->half, (size_t)MOST * 2))
        fail_msg("%s of %s differs from the scalar definition at n = %lld", kernels[k].name, m->name, (long long)got->n);
}

static void versions_agree(void **state)
{
    (void)state;
    const ns_math *list[NS_MATH_MAX];
    int n_versions = versions(list);
    SKIP_SCALAR_ONLY(n_versions);
    ns_rng rng = ns_rng_seed(1, 0);
    float *a = floats(MOST + OFFSETS), *b = floats(MOST + OFFSETS), *out[2] = {floats(MOST), floats(MOST)};
    uint16_t half[2][MOST];
    for (int64_t n = 0; n <= MOST; n += n < 70 ? 1 : 23)
        for (int round = 0; round < 2 * ROUNDS; round++) {
            int64_t shift = ns_rng_below(&rng, OFFSETS);
            fill(&rng, a, MOST + OFFSETS, round % 2 ? WILD : TAME);
            fill(&rng, b, MOST + OFFSETS, round % 2 ? WILD : TAME);
            row got = {a + shift, b + shift, out[0], half[0], n}, want = {a + shift, b + shift, out[1], half[1], n};
            for (int v = 1; v < n_versions; v++)
                for (size_t k = 0; k < sizeof kernels / sizeof *kernels; k++)
                    compare(list[v], list[0], k, &got, &want);
        }
    free(a);
    free(b);
    free(out[0]);
    free(out[1]);
}

/* A softmax row's sum does not depend on where its buffer begins, only on absolute positions. */
static void exp_sum_knows_absolute_pages(void **state)
{
    (void)state;
    const ns_math *list[NS_MATH_MAX];
    int n_versions = versions(list);
    ns_rng rng = ns_rng_seed(2, 0);
    float *x = floats(1024), *y = floats(1024);
    for (int v = 0; v < n_versions; v++) {
        fill(&rng, x, 1024, TAME);
        for (int64_t i = 0; i < 96; i++)
            x[i] = -INFINITY;
        memcpy(y, x, 1024 * 4);
        double whole = list[v]->exp_sum(x, 1024, 0, 4), part = list[v]->exp_sum(y + 96, 1024 - 96, 96, 4);
        assert_true(whole == part);
        assert_memory_equal(x + 96, y + 96, (1024 - 96) * 4);
    }
    free(x);
    free(y);
}

/* The trainer's softmax is the engine's: max, exp_sum and scale over any range that holds the row's keys. */
static void softmax_is_exp_sum(void **state)
{
    (void)state;
    enum { N = 320, ROW = 300, WINDOW = 70 };
    const ns_math *const m = ns_math_select(NULL);
    ns_rng rng = ns_rng_seed(8, 0);
    float *x = floats(N), *y = floats(N);
    fill(&rng, x, N, TAME);
    memcpy(y, x, N * sizeof *y);
    m->softmax(x, N, 1, ROW, 0, N, WINDOW);
    for (int64_t i = 0; i < N; i++)
        y[i] = i > ROW - WINDOW && i <= ROW ? y[i] : -INFINITY;
    m->scale(y, N, (float)(1 / m->exp_sum(y, N, 0, m->max(y, N))));
    same_bits(x, y, N, m->name, "softmax");
    free(x);
    free(y);
}

/* Long rows are looked at in parts: the first of equals wins in whichever it lies, a NaN never, and -infinity where nothing is above it. */
static void argmax_of_long_rows(void **state)
{
    (void)state;
    enum { N = 2500 };
    static const int64_t places[] = {0, 1023, 1024, 1500, 2047, 2048, N - 1};
    const ns_math *list[NS_MATH_MAX];
    const int n_versions = versions(list);
    float *const x = floats(N);
    for (int v = 0; v < n_versions; v++)
        for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
            for (int64_t k = 0; k < N; k++)
                x[k] = k % 100 == 7 ? NAN : -INFINITY;
            assert_int_equal(list[v]->argmax(x, N), 0);
            x[N - 1] = x[places[i]] = 2;
            assert_int_equal(list[v]->argmax(x, N), places[i]);
            x[2] = 1;                                       /* what is above what came before, but not the largest */
            assert_int_equal(list[v]->argmax(x, N), places[i]);
        }
    free(x);
}

static void selection(void **state)
{
    (void)state;
    assert_string_equal(ns_math_select("scalar")->name, "scalar");
    assert_null(ns_math_select("sse9"));
    const ns_math *list[NS_MATH_MAX];
    int n = ns_math_available(list);
    assert_ptr_equal(ns_math_select(NULL), list[n - 1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(versions_agree), cmocka_unit_test(exp_sum_knows_absolute_pages),
                                       cmocka_unit_test(selection), cmocka_unit_test(softmax_is_exp_sum),
                                       cmocka_unit_test(argmax_of_long_rows)};
    return ns_exit_code(cmocka_run_group_tests(tests, NULL, NULL));
}
