/* test_births.c - series whose births and deaths are known, and the coverage of the interval over seeds. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/training.h>

#include "core/core.h"

static const double nan_ = (double)NAN;

/* Digits are tenths, '*' = 1, '.' = not measured. */
static int64_t read_series(const char *text, double *out)
{
    int64_t n = 0;
    for (; text[n]; n++)
        out[n] = text[n] == '.' ? nan_ : text[n] == '*' ? 1 : (text[n] - '0') / 10.0;
    return n;
}

static ns_life *lives_of(const char *text, const ns_birth_params *params, int64_t *n)
{
    double series[64];
    ns_life *lives;
    ns_error err = {0};
    const int64_t P = read_series(text, series);
    assert_int_equal(ns_lives(series, P, params, &lives, n, &err), NS_OK);
    const ns_life first = ns_first_birth(series, P, params);
    assert_int_equal(first.at, *n ? lives[0].at : NS_NEVER);
    return lives;
}

static void expect_lives(const char *text, const int64_t (*want)[4], int64_t n_want)
{
    int64_t n;
    ns_life *const lives = lives_of(text, NULL, &n);
    assert_int_equal(n, n_want);
    for (int64_t i = 0; i < n; i++) {
        const int64_t got[4] = {lives[i].after, lives[i].at, lives[i].died_after, lives[i].died};
        for (int k = 0; k < 4; k++)
            if (got[k] != want[i][k])
                fail_msg("%s: life %d: (%d, %d] died (%d, %d]", text, (int)i, (int)got[0], (int)got[1], (int)got[2], (int)got[3]);
    }
    free(lives);
}

static void test_known_series(void **state)
{
    (void)state;
    expect_lives("000005****", (const int64_t[][4]){{4, 5, -1, -1}}, 1);            /* theta itself is alive */
    expect_lives("*****", (const int64_t[][4]){{-1, 0, -1, -1}}, 1);                /* before the first checkpoint */
    expect_lives("0011223344", NULL, 0);
    expect_lives("00*0**0**00", NULL, 0);                                           /* never three in a row */
    expect_lives("0000000**", NULL, 0);                                             /* cut short by the horizon: censored */
    expect_lives("000****0**0**00**", (const int64_t[][4]){{2, 3, -1, -1}}, 1);     /* dips kill nobody */
    expect_lives("0***000", (const int64_t[][4]){{0, 1, 3, 4}}, 1);
    expect_lives("0***0004567800", (const int64_t[][4]){{0, 1, 3, 4}, {7, 8, -1, -1}}, 2);
    expect_lives("", NULL, 0);
    expect_lives("......", NULL, 0);
    expect_lives("00..*.**", (const int64_t[][4]){{1, 4, -1, -1}}, 1);              /* missing widens the interval, and breaks no row */
    expect_lives("..***", (const int64_t[][4]){{-1, 2, -1, -1}}, 1);
}

static void test_parameters(void **state)
{
    (void)state;
    int64_t n;
    ns_life *lives = lives_of("0002446668", &(ns_birth_params){sizeof(ns_birth_params), .7, 1}, &n);
    assert_true(n == 1 && lives[0].at == 9 && lives[0].after == 8);
    free(lives);
    lives = lives_of("0002446668", &(ns_birth_params){sizeof(ns_birth_params), .3, 0}, &n);
    assert_true(n == 1 && lives[0].at == 4 && lives[0].gap == 0);
    free(lives);
    lives = lives_of("00..***", NULL, &n);
    assert_true(n == 1 && lives[0].gap == 2);
    free(lives);
    double series[8];
    int64_t P = read_series("0000000.", series);
    assert_int_equal(ns_birth_limit(series, P, NULL), 4);
    assert_int_equal(ns_birth_limit(series, 2, NULL), NS_NEVER);
    const int64_t steps[] = {0, 20, 40, 60};
    assert_int_equal(ns_horizon_cut(steps, 4, 40), 3);
    assert_int_equal(ns_horizon_cut(steps, 4, -1), 0);
}

static void test_best_and_median(void **state)
{
    (void)state;
    const float score[] = {.1f, .9f, .9f, (float)NAN, .2f, .3f, (float)NAN, (float)NAN, (float)NAN};
    const bool use[] = {true, false, true};
    double best[3];
    int64_t who[3];
    ns_best_series(score, 3, 3, NULL, 0, best, who);
    assert_true(best[0] == (double).9f && who[0] == 1 && who[1] == 2 && isnan(best[2]) && who[2] == -1);
    ns_best_series(score, 3, 3, NULL, 1, best, who);
    assert_true(best[0] == (double).9f && who[0] == 2 && who[1] == 1);
    ns_best_series(score, 3, 3, use, 1, best, who);
    assert_true(who[0] == 0 && isnan(best[1]));
    const double inf = (double)INFINITY;
    assert_true(ns_median_censored((double[]){3, inf, 1}, 3) == 3);
    assert_true(ns_median_censored((double[]){3, inf, 1, inf}, 4) == inf);
    assert_true(ns_median_censored((double[]){3, 5, 1, inf}, 4) == 4);
    assert_true(isnan(ns_median_censored(NULL, 0)));
}

static const char *flaw_of_fit(const int64_t *tokens, const double *score, int64_t P)
{
    ns_midpoint m;
    assert_int_equal(ns_fit_midpoint(tokens, score, P, &m, NULL), NS_OK);
    return m.flaw;
}

static void test_midpoint(void **state)
{
    (void)state;
    int64_t tokens[60];
    double score[60];
    for (int p = 0; p < 60; p++) {
        tokens[p] = (int64_t)40960 * p;
        score[p] = .12 + .86 / (1 + exp(-(log1p((double)tokens[p]) - log1p(700000.0)) / .08));
    }
    score[20] = nan_;
    ns_midpoint m;
    assert_int_equal(ns_fit_midpoint(tokens, score, 60, &m, NULL), NS_OK);
    assert_null(m.flaw);
    assert_true(fabs(m.tokens / 700000 - 1) < 1e-4 && fabs(m.low - .12) < 1e-4 && fabs(m.high - .98) < 1e-4 && fabs(m.width - .08) < 1e-3);
    for (int p = 40; p < 60; p++)
        score[p] = .1;
    assert_string_equal(flaw_of_fit(tokens, score, 60), "falls again");
    for (int p = 0; p < 60; p++)
        score[p] = .1 + .01 * (p % 3);
    assert_string_equal(flaw_of_fit(tokens, score, 60), "flat");
    assert_non_null(flaw_of_fit(tokens, score, 5));
}

/* ---- planted strengths: jitter, dips, seeds ---- */

enum { P = 40, C = 32, K = 2, MOST_R = 9 };
static const double every = 20, middle = 250, spread = .35, rise = .06;

static double time_of[P];

/* A head that crosses .5 at `birth`, from .15 to .95 (its other twin never does); logit jitter, and one checkpoint in twelve dips. */
static void simulate(double birth, float *hits, ns_rng *rng)
{
    const double mid = log(birth) - rise * log(.4375 / .5625);
    for (int p = 0; p < P; p++) {
        const double x = (log(time_of[p] + 1e-9) - mid) / rise + .3 * ns_rng_normal(rng), dip = ns_rng_below(rng, 12) == 0 ? .3 : 0;
        const double strength = fmax(.15 + .8 / (1 + exp(-x)) - dip, 0);
        for (int c = 0; c < C; c++) {
            hits[(p * C + c) * K] = ns_rng_uniform(rng) < strength;
            hits[(p * C + c) * K + 1] = ns_rng_uniform(rng) < .15;
        }
    }
}

static int count_covered(int R, int *births_near)
{
    ns_error err = {0};
    int covered = 0;
    ns_rng rng = ns_rng_seed(5, (uint64_t)R);
    float *const hits = ns_alloc_array(MOST_R * P * C * K, sizeof *hits);
    *births_near = 0;
    for (int series = 0; series < 200; series++) {
        ns_seed_counts runs[MOST_R];
        for (int r = 0; r < R; r++) {
            float *const own = hits + r * P * C * K;
            const double birth = middle * exp(spread * ns_rng_normal(&rng));
            simulate(birth, own, &rng);
            runs[r] = (ns_seed_counts){own, NULL, time_of, P, C, K, NULL, NULL};
            ns_birth_interval one;
            assert_int_equal(ns_birth_bootstrap(&runs[r], 1, NULL, NULL, &one, &err), NS_OK);
            assert_true(isnan(one.low) && isnan(one.high));                   /* one seed is a point */
            *births_near += fabs(one.median - birth) <= 2 * every;            /* its interval, or the one beside it */
        }
        ns_birth_interval out;
        const ns_bootstrap_params how = {sizeof how, 300, (uint64_t)series, 0, 0};
        assert_int_equal(ns_birth_bootstrap(runs, R, NULL, &how, &out, &err), NS_OK);
        covered += out.low <= middle && middle <= out.high;
        assert_true(out.low <= out.median && out.median <= out.high);
    }
    free(hits);
    return covered;
}

static void test_coverage(void **state)
{
    (void)state;
    for (int p = 0; p < P; p++)
        time_of[p] = every * p;
    for (int R = 5; R <= 9; R += 2) {
        int near;
        const int covered = count_covered(R, &near);
        print_message("%d seeds: %d of 200 intervals hold the median; %d of %d births found within a checkpoint\n", R, covered, near,
                      200 * R);
        if (covered < 180 || covered > 196)
            fail_msg("%d of 200 intervals of %d seeds hold the truth", covered, R);
        assert_true(near > 200 * R * 9 / 10);
    }
}

/* Twins that do what their prompt does tell nothing new: the interval is that of the prompts alone; counted as cases of their own they make
 * it another. */
static void test_twins(void **state)
{
    (void)state;
    enum { R = 5, PROMPTS = 4, TWINS = C / PROMPTS };
    ns_error err = {0};
    ns_rng rng = ns_rng_seed(9, 0);
    ns_seed_counts alone[R], twins[R];
    float *const few = ns_alloc_array(R * P * PROMPTS * K, sizeof *few), *const many = ns_alloc_array(R * P * C * K, sizeof *many),
                 prompt[C];
    for (int p = 0; p < P; p++)
        time_of[p] = every * p;
    for (int c = 0; c < C; c++)
        prompt[c] = (float)(c / TWINS);
    for (int r = 0; r < R; r++) {
        float *const own = few + r * P * PROMPTS * K, *const all = many + r * P * C * K;
        simulate(middle, all, &rng);
        for (int p = 0; p < P; p++)
            for (int i = 0; i < C * K; i++) {
                const int at = (p * PROMPTS + i / K / TWINS) * K + i % K;
                own[at] = i / K % TWINS ? own[at] : all[p * C * K + i];
                all[p * C * K + i] = own[at];
            }
        alone[r] = (ns_seed_counts){own, NULL, time_of, P, PROMPTS, K, NULL, NULL};
        twins[r] = (ns_seed_counts){all, NULL, time_of, P, C, K, NULL, prompt};
    }
    ns_birth_interval want, got, apart;
    assert_int_equal(ns_birth_bootstrap(alone, R, NULL, NULL, &want, &err), NS_OK);
    assert_int_equal(ns_birth_bootstrap(twins, R, NULL, NULL, &got, &err), NS_OK);
    assert_true(got.low == want.low && got.high == want.high && got.median == want.median && got.born == want.born);
    for (int r = 0; r < R; r++)
        twins[r].prompt = NULL;
    assert_int_equal(ns_birth_bootstrap(twins, R, NULL, NULL, &apart, &err), NS_OK);
    assert_true(apart.low != want.low || apart.high != want.high);
    free(few);
    free(many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_known_series),    cmocka_unit_test(test_parameters),
                                       cmocka_unit_test(test_best_and_median), cmocka_unit_test(test_midpoint),
                                       cmocka_unit_test(test_coverage),        cmocka_unit_test(test_twins)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
