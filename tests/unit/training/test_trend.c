/* test_trend.c - the tests against published tables and worked examples: of scipy's documentation, of what lifelines prints. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include <needlescope/training.h>

static ns_trend page(const double *time, int64_t B, int64_t W)
{
    ns_error err = {0};
    ns_trend t;
    assert_int_equal(ns_page_trend(time, B, W, &t, &err), NS_OK);
    return t;
}

/* P(L >= l) for B blocks of W columns without ties, from orders with that very L. */
static double p_at(int B, int W, int l)
{
    double time[64];
    int L = 0;
    for (int i = 0; i < B * W; i++) {
        time[i] = i % W;
        L += (i % W + 1) * (i % W + 1);
    }
    for (int b = 0; b < B && L > l; b++) {                        /* 2 3 1: 3 less; 2 1: 1 less */
        const int less = L - l >= 3 ? 3 : L - l >= 2 && W > 3 ? 2 : 1;
        static const double orders[3][5] = {{1, 0, 2, 3, 4}, {1, 0, 3, 2, 4}, {1, 2, 0, 3, 4}};
        for (int j = 0; j < W; j++)
            time[b * W + j] = orders[less - 1][j];
        L -= less;
    }
    const ns_trend t = page(time, B, W);
    assert_true(t.L == l && t.B == B);
    return t.p_exact;
}

/* Critical values of Page 1963, table 2 (n, k, .05, .01, .001). */
static void test_published_table(void **state)
{
    (void)state;
    static const struct { int B, W, l; double alpha;
    } rows[] = {
        {2, 3, 28, .05}, {3, 3, 41, .05}, {3, 3, 42, .01},  {2, 4, 58, .05},  {2, 4, 60, .01},
        {3, 4, 84, .05}, {3, 4, 87, .01}, {3, 4, 89, .001}, {2, 5, 106, .01}, {2, 5, 109, .001},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (p_at(rows[i].B, rows[i].W, rows[i].l) > rows[i].alpha ||
            (rows[i].l - 1 >= 0 && p_at(rows[i].B, rows[i].W, rows[i].l - 1) <= rows[i].alpha))
            fail_msg("n = %d, k = %d: L = %d is not the critical value at %g", rows[i].B, rows[i].W, rows[i].l, rows[i].alpha);
}

static void test_page(void **state)
{
    (void)state;
    const double inf = (double)INFINITY, nan_ = (double)NAN;
    /* scipy.stats.page_trend_test's documented example: L = 133.5 */
    const double tutorials[] = {3, 4, 3, 2, 2, 4, 3, 3, 5, 1, 3, 2, 2, 3, 2, 2, 4, 5, 1, 2, 4, 3, 4, 4, 2, 4, 5, 1, 3, 4};
    const ns_trend t = page(tutorials, 10, 3);
    assert_true(t.L == 133.5 && t.mean == 120 && t.p_exact < .0019 && t.p_normal < .0013);
    /* three seeds in order: 1 / 6^3; two windows: 1 / 2^3 */
    assert_true(fabs(page((double[]){1, 2, 3, 1, 5, inf, 4, 5, 6}, 3, 3).p_exact - 1.0 / 216) < 1e-12);
    assert_true(fabs(page((double[]){1, 2, 3, 4, 5, inf}, 3, 2).p_exact - .125) < 1e-12);
    /* censored alike is a tie: nothing is learnt from such a block, and of the null it takes none of the weight */
    assert_true(fabs(page((double[]){1, 2, 3, 4, inf, inf}, 3, 2).p_exact - .25) < 1e-12);
    assert_true(page((double[]){1, nan_, 3, 4}, 2, 2).B == 1);
    assert_true(isnan(page((double[]){inf, inf}, 1, 2).z) && page((double[]){inf, inf}, 1, 2).p_exact == 1);
    ns_error err = {0};
    ns_trend none;
    assert_int_equal(ns_page_trend(tutorials, 3, 1, &none, &err), NS_E_ARG);
}

/* Freireich et al. 1963: weeks of remission, 6-MP (21, 12 censored) and placebo (21): log-rank chi square 16.79. */
enum { N = 21 };
static const double treated[N] = {6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35};
static const bool relapsed[N] = {1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0};
static const double placebo[N] = {1, 1, 2, 2, 3, 4, 4, 5, 5, 8, 8, 8, 8, 11, 11, 12, 12, 15, 17, 22, 23};

static void test_logrank(void **state)
{
    (void)state;
    double time[2 * N], dose[2 * N];
    bool dead[2 * N];
    ns_error err = {0};
    ns_logrank s;
    for (int i = 0; i < N; i++) {
        time[i] = treated[i];
        dead[i] = relapsed[i];
        dose[i] = 1;
        time[N + i] = placebo[i];
        dead[N + i] = true;
        dose[N + i] = 0;
    }
    assert_int_equal(ns_logrank_trend(time, dead, dose, NULL, 2 * N, 999, 1, &s, &err), NS_OK);
    assert_true(fabs(s.z * s.z - 16.793) < .001 && s.z > 0 && s.events == 30);
    assert_true(s.p_permuted == .001 && s.p_normal < 1e-4);
    /* in blocks of one dose each nothing can be permuted */
    int64_t block[2 * N];
    for (int i = 0; i < 2 * N; i++)
        block[i] = i < N;
    assert_int_equal(ns_logrank_trend(time, dead, dose, block, 2 * N, 99, 1, &s, &err), NS_OK);
    assert_true(s.p_permuted == 1);
    /* three seeds in order over three windows: 1 of 6^3 orders is as large */
    const double t3[] = {1, 4, 7, 2, 5, 8, 3, 6, 9}, d3[] = {1, 2, 3, 1, 2, 3, 1, 2, 3};
    const bool all[] = {1, 1, 1, 1, 1, 1, 1, 1, 0};
    const int64_t b3[] = {0, 0, 0, 1, 1, 1, 2, 2, 2};
    assert_int_equal(ns_logrank_trend(t3, all, d3, b3, 9, 20000, 1, &s, &err), NS_OK);
    assert_true(fabs(s.p_permuted - 1.0 / 216) < .0015);
}

static void test_kaplan_meier(void **state)
{
    (void)state;
    ns_error err = {0};
    ns_km_point *points;
    int64_t n;
    assert_int_equal(ns_kaplan_meier(treated, relapsed, N, &points, &n, &err), NS_OK);
    static const struct {
        double time, survival;
    } want[] = {{6, .8571}, {7, .8067}, {10, .7529}, {13, .6902}, {16, .6275}, {22, .5378}, {23, .4482}};
    int found = 0;
    for (int64_t i = 0; i < n; i++)
        for (int k = 0; k < 7; k++)
            if (points[i].time == want[k].time)
                found += fabs(points[i].survival - want[k].survival) < 5e-5 && points[i].low < points[i].survival &&
                         points[i].survival < points[i].high;
    assert_int_equal(found, 7);
    assert_true(points[0].at_risk == 21 && points[0].events == 3 && points[0].censored == 1 && points[n - 1].time == 35);
    /* log(-log S), as lifelines prints it */
    assert_true(fabs(points[0].low - .6197) < .0005 && fabs(points[0].high - .9516) < .0005);
    free(points);
}

/* P(chi2_r >= x) of Friedman's test, k columns and n blocks: Hollander & Wolfe, Nonparametric Statistical Methods, table A.15. */
static void test_friedman(void **state)
{
    (void)state;
    const double inf = (double)INFINITY, nan_ = (double)NAN;
    static const struct { int B, W; double time[12], p;
    } rows[] = {
        {3, 3, {1, 2, 3, 1, 2, 3, 1, 2, 3}, .028},                /* chi2 = 6 */
        {3, 3, {1, 2, 3, 1, 2, 3, 2, 1, 3}, .194},                /* 4.667 */
        {4, 3, {1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3}, .005},       /* 8 */
        {4, 3, {1, 2, 3, 1, 2, 3, 1, 2, 3, 2, 1, 3}, .042},       /* 6.5 */
        {4, 3, {3, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2}, .005},       /* of whatever order */
    };
    ns_error err = {0};
    ns_difference d;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(ns_friedman(rows[i].time, rows[i].B, rows[i].W, 99999, &d, &err), NS_OK);
        if (d.B != rows[i].B || !(fabs(d.p - rows[i].p) < .003))
            fail_msg("row %zu: p = %g, the table has %g", i, d.p, rows[i].p);
    }
    const double censored[] = {1, inf, inf, 1, inf, inf, 1, 2, nan_};       /* the third block is incomplete */
    assert_int_equal(ns_friedman(censored, 3, 3, 99999, &d, &err), NS_OK);
    assert_true(d.B == 2 && fabs(d.p - 1 / 3.) < .01);            /* of 3 x 3 places of the early one 3 agree */
    assert_int_equal(ns_friedman(censored, 1, 3, 99, &d, &err), NS_OK);
    assert_true(d.B == 1 && isnan(d.p));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_published_table), cmocka_unit_test(test_page), cmocka_unit_test(test_logrank),
                                       cmocka_unit_test(test_kaplan_meier), cmocka_unit_test(test_friedman)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
