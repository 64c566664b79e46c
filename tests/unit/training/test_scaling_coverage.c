/* test_scaling_coverage.c [EXPERIMENTS RESAMPLES] - intervals of gaps between two scaling laws that are known hold the truth as often as
 * they say, and a verdict is false as rarely: tables as people have them, of errors that are independent. docs/scaling.md has what 150
 * experiments and 200 resamples print. */
#include "../../unit.h"

#include <stdlib.h>

#include <needlescope/scaling.h>

#include "../../../probes/training/scaling.h"

enum { MOST_POINTS = 32, SHAPES = 3, NOISES = 2 };
static int experiments = 24, resamples = 100;      /* so few resamples make intervals a little too narrow: a hundredth less hold */
static const struct { int sizes, each; } shapes[SHAPES] = {{5, 6}, {4, 4}, {3, 10}};
static const double noises[NOISES] = {.002, .01}, LEAST_N = 1.5e7, TIMES_N = 7, LEAST_D = 100, TIMES_D = 10;
static char *const names[] = {"S1", "S2", "S3", "S4", "S5"};

typedef struct law { double b, c, alpha, beta; } law;

typedef struct drawn {
    ns_scaling_table table;
    ns_scaling_point points[MOST_POINTS];
    double start[SCALING_VARIABLES];
    ns_scaling s;
} drawn;

static double law_at(const law *l, double n, double tokens)
{
    return l->b / pow(n, l->alpha) + l->c / pow(tokens, l->beta);
}

/* A table of the law with errors of ln y, and its fit: a descent from the law itself, where the grid's best one ends as well. */
static void draw(drawn *t, const law *l, int shape, double noise, ns_rng *rng)
{
    ns_error err = {0};
    ns_scaling_data data;
    *t = (drawn){.table = {.path = "drawn", .points = t->points, .n = shapes[shape].sizes * shapes[shape].each}};
    for (int64_t i = 0; i < t->table.n; i++) {
        const int64_t size = i / shapes[shape].each, budget = i % shapes[shape].each;
        const double n = LEAST_N * pow(TIMES_N, (double)size / (shapes[shape].sizes - 1));
        const double tokens = n * LEAST_D * pow(TIMES_D, (double)budget / (shapes[shape].each - 1));
        t->points[i] = (ns_scaling_point){names[size], n, tokens, law_at(l, n, tokens) * exp(noise * ns_rng_normal(rng))};
    }
    assert_int_equal(ns_scaling_data_make(&data, &t->table, NULL, &err), NS_OK);
    const double from[] = {log(l->b) - l->alpha * data.middle_n, log(l->c) - l->beta * data.middle_d, l->alpha, l->beta};
    ns_scaling_descend(&data, from, 1, t->start);
    t->s = (ns_scaling){.table = &t->table, .fit.law = ns_scaling_law_of(&data, t->start), .starts = t->start, .n_starts = 1};
    ns_scaling_data_clear(&data);
}

typedef struct count { int held, gaps, verdicts[NS_SCALING_APART + 1]; } count;

static void count_gap(count *c, const ns_scaling_gap *g, double truth)
{
    c->held += g->low <= truth && truth <= g->high;
    c->gaps++;
}

static void experiment(count *c, const law *a, const law *b, int shape, double noise, ns_rng *rng)
{
    drawn x, y;
    ns_error err = {0};
    ns_scaling_difference d;
    draw(&x, a, shape, noise, rng);
    draw(&y, b, shape, noise, rng);
    assert_int_equal(ns_scaling_compare(&d, &x.s, &y.s, resamples, (uint64_t)c->gaps, &err), NS_OK);
    count_gap(c, &d.small, law_at(a, d.small.n, d.small.tokens) - law_at(b, d.small.n, d.small.tokens));
    count_gap(c, &d.large, law_at(a, d.large.n, d.large.tokens) - law_at(b, d.large.n, d.large.tokens));
    c->verdicts[d.relation]++;
}

/* least: the share of a table's intervals that must hold. */
static count all_of(const law *a, const law *b, int n, uint64_t seed, double least)
{
    count all = {0};
    for (int shape = 0; shape < SHAPES; shape++)
        for (int noise = 0; noise < NOISES; noise++) {
            ns_rng rng = ns_rng_seed(seed, (uint64_t)(10 * shape + noise));
            count c = {0};
            for (int i = 0; i < n; i++)
                experiment(&c, a, b, shape, noises[noise], &rng);
            print_message("%d sizes x %d, noise %g: %d of %d hold; undecided %d, cross %d, converge %d, part %d, apart %d\n",
                          shapes[shape].sizes, shapes[shape].each, noises[noise], c.held, c.gaps, c.verdicts[NS_SCALING_UNDECIDED],
                          c.verdicts[NS_SCALING_CROSS], c.verdicts[NS_SCALING_CONVERGE], c.verdicts[NS_SCALING_DIVERGE],
                          c.verdicts[NS_SCALING_APART]);
            assert_true(c.held >= least * c.gaps);
            all.held += c.held;
            all.gaps += c.gaps;
            for (int v = 0; v <= NS_SCALING_APART; v++)
                all.verdicts[v] += c.verdicts[v];
        }
    return all;
}

static const law one = {100, 3600, .25, .36}, above = {100, 3600 * 1.04, .25, .36};

/* Whatever is said of two tables of one law is false, but "undecided". */
static void test_same_law(void **state)
{
    (void)state;
    const count c = all_of(&one, &one, experiments, 16, .8);
    const int false_ = c.gaps / 2 - c.verdicts[NS_SCALING_UNDECIDED];
    assert_true(c.held >= .92 * c.gaps && c.held <= .99 * c.gaps);
    assert_true(false_ <= .1 * c.gaps / 2);
}

/* A gap that falls with the curves: they neither cross nor part. */
static void test_one_above(void **state)
{
    (void)state;
    const count c = all_of(&one, &above, experiments / 3, 17, .7);
    assert_true(c.verdicts[NS_SCALING_CROSS] + c.verdicts[NS_SCALING_DIVERGE] <= .02 * c.gaps / 2);
    assert_true(c.verdicts[NS_SCALING_CONVERGE] >= c.gaps / 2 / 2);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_law), cmocka_unit_test(test_one_above)};
    if (argc == 3) {
        experiments = atoi(argv[1]);
        resamples = atoi(argv[2]);
    }
    return ns_exit_code(cmocka_run_group_tests(tests, NULL, NULL));
}
