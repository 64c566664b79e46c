/* test_bounds.c - how far the elementary functions are from libm in double precision: the bounds that the headers state. */
#include "kernel.h"

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
    float *x = floats(N), *y = floats(N);
    double worst = 0;
    spread(x, -87.3, 88.72);
    ns_math_select(NULL)->exp(y, x, N);
    for (int64_t i = 0; i < N; i++)
        worst = fmax(worst, fabs(y[i] - exp(x[i])) / ulp(y[i]));
    print_message("exp: %.3f ulp\n", worst);
    assert_true(worst <= 1.0);
    const float edge[] = { -87.4f, -INFINITY, 88.73f, INFINITY, NAN, 0.0f };
    ns_math_select(NULL)->exp(y, edge, 6);
    assert_true(y[0] == 0 && y[1] == 0 && isinf(y[2]) && isinf(y[3]) && isnan(y[4]) && y[5] == 1);
    free(x);
    free(y);
}

static double gelu_exact(double x) { return 0.5 * x * (1 + erf(x * M_SQRT1_2)); }
static double gelu_tanh_exact(double x) { return 0.5 * x * (1 + tanh(sqrt(2 / M_PI) * (x + 0.044715 * x * x * x))); }
static double silu_exact(double x) { return x / (1 + exp(-x)); }

static void act_bounds(void **state)
{
    (void)state;
    const struct { const char *name; ns_act act; double (*exact)(double); } acts[] = {
        { "gelu", NS_ACT_GELU, gelu_exact }, { "gelu_tanh", NS_ACT_GELU_TANH, gelu_tanh_exact }, { "silu", NS_ACT_SILU, silu_exact } };
    float *x = floats(N), *y = floats(N);
    spread(x, -12, 12);
    for (int a = 0; a < 3; a++) {
        double worst = 0;
        ns_math_select(NULL)->act(y, x, N, (int)acts[a].act);
        for (int64_t i = 0; i < N; i++)
            worst = fmax(worst, fabs(y[i] - acts[a].exact(x[i])) / (1 + fabs((double)x[i])));
        print_message("%s: %.2e of 1 + |x|\n", acts[a].name, worst);
        assert_true(worst < 2e-7);
    }
    memcpy(y, x, N * 4);
    double worst = 0;
    ns_math_select(NULL)->softcap(y, N, 5);
    for (int64_t i = 0; i < N; i++)
        worst = fmax(worst, fabs(y[i] - 5 * tanh(x[i] / 5.0)));
    print_message("softcap: %.2e\n", worst);
    assert_true(worst < 1e-6);
    free(x);
    free(y);
}

static void double_bounds(void **state)
{
    (void)state;
    ns_rng rng = ns_rng_seed(5, 5);
    double angle = 0, logarithm = 0, power = 0;
    for (int i = 0; i < 400000; i++) {
        double x = (float)((ns_rng_uniform(&rng) - 0.5) * (i % 2 ? 2e6 : 20)), s, c;
        ns_sincos(x, &s, &c);
        angle = fmax(angle, fmax(fabs(s - sin(x)), fabs(c - cos(x))));
        double y = exp((ns_rng_uniform(&rng) - 0.5) * 200), b = 1 + 1e6 * ns_rng_uniform(&rng), e = -ns_rng_uniform(&rng);
        logarithm = fmax(logarithm, fabs(ns_log(y) / log(y) - 1));
        power = fmax(power, fabs(ns_pow(b, e) / pow(b, e) - 1));
    }
    print_message("sincos %.1e absolute, log %.1e, pow %.1e relative\n", angle, logarithm, power);
    assert_true(angle < 4e-16 && logarithm < 1e-15 && power < 1e-14);
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
    const struct { float x; uint16_t f16; } ties[] = { { 1.00048828125f, 0x3c00 }, { 1.00146484375f, 0x3c02 }, { 65519.996f, 0x7bff }, { 65520.0f, 0x7c00 },
                                                       { 0x1p-25f, 0x0000 }, { 0x1.000002p-25f, 0x0001 }, { -0x1p-24f, 0x8001 } };
    for (size_t i = 0; i < sizeof ties / sizeof *ties; i++) {
        uint16_t h;
        m->f32_to_f16(&h, &ties[i].x, 1);
        assert_int_equal(h, ties[i].f16);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(exp_bound), cmocka_unit_test(act_bounds), cmocka_unit_test(double_bounds),
                                        cmocka_unit_test(norm_bounds), cmocka_unit_test(halves) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
