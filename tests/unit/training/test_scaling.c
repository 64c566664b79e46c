/* test_scaling.c - minima that are known (Rosenbrock's valley in boxes), scaling laws that tables without noise were made by, and gaps that
 * cross, converge and stay. */
#include "../../unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <needlescope/scaling.h>

#include "math/math.h"

/* ---- the descent ---- */

static double rosenbrock(void *user, const double *x, double *g)
{
    (void)user;
    double sum = 0;
    for (int i = 0; i < 4; i++)
        g[i] = 0;
    for (int i = 0; i < 3; i++) {
        const double a = 1 - x[i], b = x[i + 1] - x[i] * x[i];
        sum += a * a + 100 * b * b;
        g[i] += -2 * a - 400 * b * x[i];
        g[i + 1] += 200 * b;
    }
    return sum;
}

static double corners(void *user, const double *x, double *g)        /* |x0 - 2| + |x1 + 1| + x2^2, held at corners by nothing smooth */
{
    (void)user;
    g[0] = x[0] > 2 ? 1 : -1;
    g[1] = x[1] > -1 ? 1 : -1;
    g[2] = 2 * x[2];
    return fabs(x[0] - 2) + fabs(x[1] + 1) + x[2] * x[2];
}

static void test_minima(void **state)
{
    (void)state;
    const double free_[4] = {-INFINITY, -INFINITY, -INFINITY, -INFINITY}, top[4] = {INFINITY, INFINITY, INFINITY, INFINITY};
    double x[4] = {-1.2, 1, .5, -2};
    assert_near(ns_minimize_from(&(ns_minimize){4, rosenbrock, NULL, free_, top}, x), 0, 1e-20);
    for (int i = 0; i < 4; i++)
        assert_near(x[i], 1, 1e-9);
    const double low[4] = {-2, -2, 0, 0}, high[4] = {.5, 2, 0, 0};
    double y[4] = {-1.2, 1, 5, 5};                       /* the last two are put into a box of one point */
    double least = INFINITY, g[4];
    for (int i = 0; i <= 500; i++)
        for (int k = 0; k <= 800; k++)
            least = fmin(least, rosenbrock(NULL, (double[]){-2 + .005 * i, -2 + .005 * k, 0, 0}, g));
    const double got = ns_minimize_from(&(ns_minimize){4, rosenbrock, NULL, low, high}, y);
    assert_true(y[2] == 0 && y[3] == 0 && y[0] <= .5 && got <= least && got > least - .01);
    double z[3] = {-7, 9, 3};
    assert_near(ns_minimize_from(&(ns_minimize){3, corners, NULL, free_, top}, z), 0, 1e-6);
    double w[3] = {-7, 9, 3};
    const double held[3] = {-INFINITY, 0, 1}, until[3] = {1, 10, 4};
    assert_near(ns_minimize_from(&(ns_minimize){3, corners, NULL, held, until}, w), 1 + 1 + 1, 1e-9);
    assert_true(w[0] == 1 && w[1] == 0 && w[2] == 1);
}

/* ---- tables ---- */

typedef struct law { double b, c, alpha, beta; } law;

/* 4 sizes x 5 budgets by the law, y = LongPPL's logarithm; noise: so much of y, up and down in turn. */
static char *write_table(const law *l, double noise)
{
    static const double n[4] = {1.5e7, 3e7, 6e7, 1e8}, times[5] = {100, 200, 400, 700, 1000};
    char path[] = "/tmp/needlescope-scaling-XXXXXX";
    FILE *const f = fdopen(mkstemp(path), "w");
    assert_non_null(f);
    fprintf(f, "loss\tn\tnote\tmodel_size\ttoken_multiplier\r\n");          /* columns go by name */
    for (int i = 0; i < 20; i++) {
        const double d = times[i % 5] * n[i / 5], y = l->b / pow(n[i / 5], l->alpha) + l->c / pow(d, l->beta);
        fprintf(f, "%.17g\t%.0f\t-\tS%d\t%gn\r\n", exp(y * (1 + noise * (i * 7 % 5 - 2))), n[i / 5], i / 5 + 1, times[i % 5]);
    }
    fclose(f);
    char *const copy = malloc(sizeof path);
    memcpy(copy, path, sizeof path);
    return copy;
}

static ns_scaling_report *report_of(char **paths, int n, bool hold_largest)
{
    ns_error err = {0};
    ns_scaling_report *r;
    const ns_scaling_params p = {.size = sizeof p, .longppl = true, .hold_largest = hold_largest, .resamples = 20, .seed = 3};
    if (ns_scaling_of_files(&r, (const char *const *)paths, n, &p, &err) != NS_OK)
        fail_msg("%s", err.message);
    for (int i = 0; i < n; i++) {
        unlink(paths[i]);
        free(paths[i]);
    }
    return r;
}

static void test_known_law(void **state)
{
    (void)state;
    const law l = {120, 4000, .24, .33};
    ns_scaling_report *const r = report_of((char *[]){write_table(&l, 0)}, 1, true);
    const ns_scaling *const s = r->fits[0];
    assert_near(s->fit.law.alpha, l.alpha, 1e-5);
    assert_near(s->fit.law.beta, l.beta, 1e-5);
    assert_near(exp(s->fit.law.ln_b), l.b, 1e-2);
    assert_near(exp(s->fit.law.ln_c), l.c, 1);
    assert_string_equal(s->fit.held_out, "S4");
    assert_true(s->fit.fitted.n == 15 && s->fit.held.n == 5 && s->n_without == 4);
    assert_near(s->fit.held.r2, 1, 1e-8);
    assert_true(s->alpha.low <= s->fit.law.alpha && s->fit.law.alpha <= s->alpha.high);
    ns_scaling_report_free(r);
}

/* Noise: the profile intervals hold the law, and are no points. */
static void test_interval(void **state)
{
    (void)state;
    const law l = {120, 4000, .25, .33};
    ns_scaling_report *const r = report_of((char *[]){write_table(&l, .01)}, 1, false);
    const ns_scaling *const s = r->fits[0];
    assert_true(s->fit.held_out == NULL && s->fit.held.n == 0 && isnan(s->fit.held.rmse));
    assert_true(s->beta.low < .33 && .33 < s->beta.high && s->beta.high - s->beta.low > 1e-3 && s->beta.high < 8 && !s->beta.high_open);
    assert_true(s->alpha.low >= .2 && s->alpha.high <= .3 && s->alpha.low < s->alpha.high);
    ns_scaling_report_free(r);
}

static void test_gaps(void **state)
{
    (void)state;
    const law l = {100, 4000, .25, .33}, steep = {100, 4000 * 81, .25, .52}, above = {140, 5600, .25, .33};
    ns_scaling_report *const r = report_of((char *[]){write_table(&l, .001), write_table(&steep, .001), write_table(&above, .001),
                                                      write_table(&l, .001)}, 4, false);
    const ns_scaling_difference *const d = r->differences;        /* 01 02 03 12 13 23 */
    for (int i = 0; i < 6; i++) {
        assert_true(d[i].small.low <= d[i].small.high && d[i].large.low <= d[i].large.high);
        assert_near(d[i].large.tokens, 1e11, 1);
        assert_near(d[i].small.tokens, 1.5e9, 1);
    }
    const double at_small = exp(log(4000 * 81) - .52 * log(1.5e9)) - exp(log(4000) - .33 * log(1.5e9));
    assert_near(d[0].small.gap, -at_small, .05);
    assert_int_equal(d[0].relation, NS_SCALING_CROSS);            /* -1.7 at the smallest, .3 at the largest */
    assert_int_equal(d[1].relation, NS_SCALING_CONVERGE);         /* a factor: the gap falls with the curves */
    assert_true(d[1].large.high < 0);
    assert_int_equal(d[2].relation, NS_SCALING_UNDECIDED);        /* the same table twice */
    assert_true(d[2].large.gap == 0);
    ns_scaling_report_free(r);
}

static void test_crossing(void **state)
{
    (void)state;
    const law flat = {100, 60, .25, .15}, steep = {100, 60 * 120, .25, .35};       /* equal where D^.2 = 120: 2.5e10 */
    ns_scaling_report *const r = report_of((char *[]){write_table(&flat, .0005), write_table(&steep, .0005)}, 2, false);
    assert_int_equal(r->differences->relation, NS_SCALING_CROSS);
    assert_true(r->differences->small.gap < 0 && r->differences->large.gap > 0 && r->differences->crossed == 1);
    ns_scaling_report_free(r);
}

/* The same bits twice; another seed draws others. */
static void test_seeded(void **state)
{
    (void)state;
    const law l = {120, 4000, .25, .33}, m = {121, 4000, .25, .33};
    ns_scaling_difference d[3];
    ns_scaling_report *const r = report_of((char *[]){write_table(&l, .01), write_table(&m, .02)}, 2, false);
    for (int i = 0; i < 3; i++)
        assert_int_equal(ns_scaling_compare(&d[i], r->fits[0], r->fits[1], 20, i == 2 ? 4 : 3, NULL), NS_OK);
    assert_true(d[0].large.low == d[1].large.low && d[0].large.high == d[1].large.high && d[0].large.low != d[2].large.low);
    ns_scaling_report_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_minima),   cmocka_unit_test(test_known_law), cmocka_unit_test(test_interval),
        cmocka_unit_test(test_gaps),     cmocka_unit_test(test_crossing),  cmocka_unit_test(test_seeded),
    };
    return ns_exit_code(cmocka_run_group_tests(tests, NULL, NULL));
}
