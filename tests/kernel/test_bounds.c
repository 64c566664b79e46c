/* test_bounds.c - how far the elementary functions are from libm in double precision: the bounds that the headers state. */
#include "../compare.h"
#include "kernel.h"
#include "math/half.h"

#include <fenv.h>
#include <needlescope/arch.h>

enum { N = 1 << 16 };

static double ulp(float y)
{
    return y == 0 ? 1.4e-45 : fabs((double)nextafterf(y, INFINITY) - y);
}

static void spread(float *x, double low, double high)
{
    for (int64_t i = 0; i < N; i++)
        x[i] = (float)(low + (high - low) * (double)i / (N - 1));
}

static void exp_bound(void **state)
{
    (void)state;
    enum { STRIDE = 211 };                               /* over the bit patterns; with STRIDE 1, run by hand: 1.013 ulp */
    const float last[2] = {88.72283f, -87.3f};
    float x[1024], y[1024];
    ns_worst worst = {0};
    for (int sign = 0; sign < 2; sign++)
        for (uint32_t bits = 0, top = ns_bits_of(last[sign]) & 0x7fffffff; bits <= top;) {
            int64_t n = 0;
            for (; n < 1024 && bits <= top; bits += STRIDE)
                x[n++] = ns_float_of(bits | (uint32_t)sign << 31);
            ns_math_select(NULL)->exp(y, x, n);
            for (int64_t i = 0; i < n; i++)
                ns_worst_add(&worst, fabs(y[i] - exp(x[i])) / ulp(y[i]));
        }
    print_message("exp: %.3f ulp\n", worst.most);
    assert_true(ns_worst_within(&worst, 1.02, 10000000));
    const float edge[] = {-87.4f, -INFINITY, 88.73f, INFINITY, NAN, 0.0f};
    ns_math_select(NULL)->exp(y, edge, 6);
    assert_true(y[0] == 0 && y[1] == 0 && isinf(y[2]) && isinf(y[3]) && isnan(y[4]) && y[5] == 1);
}

static double gelu_exact(double x) { return 0.5 * x * (1 + erf(x * M_SQRT1_2)); }
static double gelu_tanh_exact(double x) { return 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); }
static double silu_exact(double x) { return x / (1 + exp(-x)); }

static void act_bounds(void **state)
{
    (void)state;
    const struct { const char *name; ns_act act; double (*exact)(double); } acts[] = {
        { "gelu", NS_ACT_GELU, gelu_exact }, {"gelu_tanh", NS_ACT_GELU_TANH, gelu_tanh_exact}, {"silu", NS_ACT_SILU, silu_exact} };
    float *x = floats(N), *y = floats(N);
    spread(x, -12, 12);
    for (int a = 0; a < 3; a++) {
        ns_worst worst = {0};
        ns_math_select(NULL)->act(y, x, N, (int)acts[a].act);
        for (int64_t i = 0; i < N; i++)
            ns_worst_add(&worst, fabs(y[i] - acts[a].exact(x[i])) / (1 + fabs((double)x[i])));
        print_message("%s: %.2e of 1 + |x|\n", acts[a].name, worst.most);
        assert_true(ns_worst_within(&worst, 2e-7, N));
    }
    memcpy(y, x, N * 4);
    ns_worst worst = {0};
    ns_math_select(NULL)->softcap(y, N, 5);
    for (int64_t i = 0; i < N; i++)
        ns_worst_add(&worst, fabs(y[i] - 5 * tanh(x[i] / 5.0)));
    print_message("softcap: %.2e\n", worst.most);
    assert_true(ns_worst_within(&worst, 1e-6, N));
    free(x);
    free(y);
}

/* One cell at a time, from the least normal number to 1; and a row, wherever zeros before it make it begin. */
static void p_ln_p_bound(void **state)
{
    (void)state;
    enum { CELLS = 300 };
    const ns_math *const m = ns_math_select(NULL);
    float row[16 + CELLS] = {0}, *const cells = row + 16;
    ns_worst worst = {0};
    double sum = 0;
    for (uint32_t bits = 0x00800000; bits <= 0x3f800000; bits += 10007) {
        const float p = ns_float_of(bits);
        ns_worst_add(&worst, (m->p_ln_p(&p, 1, 5) - p * log(p)) / (fabs(p * log(p)) + 1e-40));
    }
    print_message("p ln p: %.2e\n", worst.most);
    assert_true(ns_worst_within(&worst, 3e-7, 100000));
    for (int i = 0; i < CELLS; i++) {
        cells[i] = 1.0f / (float)(i + 2);
        sum += cells[i] * log(cells[i]);
    }
    const double whole = m->p_ln_p(cells, CELLS, 39);
    assert_true(fabs(whole / sum - 1) < 1e-7);
    for (int ahead = 1; ahead <= 16; ahead++)
        assert_true(m->p_ln_p(cells - ahead, CELLS + ahead, 39 - ahead) == whole);
}

/* Relative errors against libm's long double versions; the angles include f32 neighbours of the multiples of pi/2, where the reduction
 * cancels. */
static void double_bounds(void **state)
{
    (void)state;
    if (emulated())
        SKIP("valgrind has no long double and no control word");
    ns_rng rng = ns_rng_seed(5, 5);
    ns_worst sine = {0}, cosine = {0}, logarithm = {0}, power = {0}, exponential = {0};
    for (int i = 0; i < 400000; i++) {
        const double near = (double)(float)(M_PI_2 * (double)ns_rng_below(&rng, 600000)),
                     wide = (ns_rng_uniform(&rng) - 0.5) * (i % 4 < 2 ? 2e6 : 20);
        const double x = i % 2 ? near : wide;
        double s, c;
        ns_sincos(x, &s, &c);
        if (x != 0)
            ns_worst_add(&sine, (double)((s - sinl(x)) / sinl(x)));
        ns_worst_add(&cosine, (double)((c - cosl(x)) / cosl(x)));
        const double y = i % 2 ? exp((ns_rng_uniform(&rng) - 0.5) * 1400) : 1 + 1e-3 * ns_rng_normal(&rng);
        ns_worst_add(&logarithm, (double)((ns_log(y) - logl(y)) / logl(y)));
        const double z = (ns_rng_uniform(&rng) - 0.5) * (i % 2 ? 1400 : 2);
        ns_worst_add(&exponential, (double)((ns_exp(z) - expl(z)) / expl(z)));
        const double base = 1 + 1e7 * ns_rng_uniform(&rng), exponent = (ns_rng_uniform(&rng) - 0.5) * 40;
        ns_worst_add(&power, (double)((ns_pow(base, exponent) - powl(base, exponent)) / powl(base, exponent)));
    }
    print_message("relative: sin %.2e, cos %.2e, log %.2e, pow %.2e, exp %.2e\n", sine.most, cosine.most, logarithm.most, power.most,
                  exponential.most);
    const double bound = sizeof(long double) > sizeof(double) ? 1.5e-16 : 4e-16;
    assert_true(ns_worst_within(&sine, bound, 390000) && ns_worst_within(&cosine, bound, 400000) &&
                ns_worst_within(&logarithm, bound, 400000) && ns_worst_within(&power, bound, 400000) &&
                ns_worst_within(&exponential, bound, 400000));
}

static void double_special_values(void **state)
{
    (void)state;
    double s, c;
    ns_sincos(0, &s, &c);
    assert_true(s == 0 && c == 1);
    ns_sincos(INFINITY, &s, &c);
    assert_true(isnan(s) && isnan(c));
    assert_true(ns_log(0) == -INFINITY && isnan(ns_log(-1)) && ns_log(INFINITY) == INFINITY && isnan(ns_log(NAN)) && ns_log(1) == 0);
    assert_true(fabs(ns_log(5e-324) - log(5e-324)) < 1e-12);
    assert_true(ns_exp(0) == 1 && ns_exp(-INFINITY) == 0 && ns_exp(INFINITY) == INFINITY && isnan(ns_exp(NAN)) && ns_exp(710) == INFINITY &&
                ns_exp(-800) == 0 && ns_exp(-744) > 0);
    assert_true(ns_pow(7, 0) == 1 && ns_pow(2, 10) == 1024 && ns_pow(2, 2000) == INFINITY && ns_pow(2, -2000) == 0 &&
                ns_pow(2, -1074) == 5e-324);
}

static void norm_bounds(void **state)
{
    (void)state;
    enum { WIDTH = 1000 };
    ns_rng rng = ns_rng_seed(6, 6);
    float x[WIDTH], y[WIDTH], gain[WIDTH], bias[WIDTH];
    fill(&rng, x, WIDTH, TAME);
    fill(&rng, gain, WIDTH, TAME);
    fill(&rng, bias, WIDTH, TAME);
    double square = 0, mean = 0, variance = 0;
    for (int i = 0; i < WIDTH; i++) {
        square += (double)x[i] * x[i] / WIDTH;
        mean += (double)x[i] / WIDTH;
    }
    for (int i = 0; i < WIDTH; i++)
        variance += (x[i] - mean) * (x[i] - mean) / WIDTH;
    ns_math_select(NULL)->rms_norm(y, x, WIDTH, 1e-5f, gain, 1);
    for (int i = 0; i < WIDTH; i++)
        assert_true(fabs(y[i] - x[i] / sqrt(square + 1e-5f) * (1.0 + gain[i])) < 1e-6 * (1 + fabs((double)y[i])));
    ns_math_select(NULL)->layer_norm(y, x, WIDTH, 1e-5f, gain, 0, bias);
    for (int i = 0; i < WIDTH; i++)
        assert_true(fabs(y[i] - ((x[i] - mean) / sqrt(variance + 1e-5f) * gain[i] + bias[i])) < 1e-6 * (1 + fabs((double)y[i])));
}

/* Every half value comes back; every rounding is to the nearest, ties to even. */
static void halves(void **state)
{
    (void)state;
    const ns_math *m = ns_math_select(NULL);
    for (uint32_t bits = 0; bits < 65536; bits++) {
        uint16_t h = (uint16_t)bits, back;
        float x;
        m->f16_to_f32(&x, &h, 1);
        m->f32_to_f16(&back, &x, 1);
        assert_true(isnan(x) ? (back & 0x7c00) == 0x7c00 && (back & 0x3ff) : back == h);
        m->bf16_to_f32(&x, &h, 1);
        m->f32_to_bf16(&back, &x, 1);
        assert_true(isnan(x) ? (back & 0x7f80) == 0x7f80 && (back & 0x7f) : back == h);
    }
    const struct { float x; uint16_t f16; } ties[] = {{1.00048828125f, 0x3c00}, {1.00146484375f, 0x3c02}, {65519.996f, 0x7bff},
                                                      {65520.0f, 0x7c00},
                                                       { 0x1p-25f, 0x0000 }, {0x1.000002p-25f, 0x0001}, {-0x1p-24f, 0x8001} };
    for (size_t i = 0; i < sizeof ties / sizeof *ties; i++) {
        uint16_t h;
        m->f32_to_f16(&h, &ties[i].x, 1);
        assert_int_equal(h, ties[i].f16);
    }
}

/* A host may round upward or flush denormals: not within a task of ours, and still so afterwards. */
static void environment(void **state)
{
    (void)state;
    if (emulated())
        SKIP("valgrind has no long double and no control word");
    volatile float one = 1, small = 0x1p-30f, least = 0x1p-126f;
    fesetround(FE_UPWARD);
#ifdef __SSE2__
    __builtin_ia32_ldmxcsr(__builtin_ia32_stmxcsr() | 0x8040);
#endif
    const ns_fpenv found = ns_fpenv_set();
    volatile float sum = one + small, half = least * 0.5f;          /* volatile: computed here, not after the next line */
    ns_fpenv_restore(found);
    volatile float after = one + small;
    fesetenv(FE_DFL_ENV);
    assert_true(sum == 1 && half > 0 && after > 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(exp_bound),     cmocka_unit_test(act_bounds),
                                       cmocka_unit_test(double_bounds), cmocka_unit_test(double_special_values),
                                       cmocka_unit_test(norm_bounds),   cmocka_unit_test(halves),
                                       cmocka_unit_test(p_ln_p_bound),
                                       cmocka_unit_test(environment)};
    return ns_exit_code(cmocka_run_group_tests(tests, NULL, NULL));
}
