/* trend.h - are births later the larger the window? Page's L with seeds as blocks, and a log-rank trend that knows of censoring. */
#ifndef NS_CLI_TREND_H
#define NS_CLI_TREND_H

#include <needlescope/training.h>

/* S seeds, W windows in the order that is claimed (earliest first). */
typedef struct cli_birth_grid {
    int64_t S, W;
    double *time;                        /* [S, W] INFINITY: censored; NaN: no such run */
    double *limit;                       /* [S, W] of a censored one: the last that could have been confirmed */
} cli_birth_grid;
bool cli_birth_grid_new(cli_birth_grid *, int64_t S, int64_t W);      /* all NaN; false without memory */
void cli_birth_grid_clear(cli_birth_grid *);

/* p-values, NaN where the test cannot be made (fewer than 2 windows, more than 8). n_seeds: with all windows, what Page's L uses. */
typedef struct cli_trend { double page, logrank; int n_seeds; } cli_trend;
cli_trend cli_trend_of(const cli_birth_grid *);

/* Column a before column b: in how many seeds earlier, later, at the same checkpoint (or both censored), of n that have both. */
typedef struct cli_order { int earlier, later, same, n; } cli_order;
cli_order cli_order_in(const cli_birth_grid *, int64_t a, int64_t b);
const char *cli_order_verdict(cli_order);
/* Exact one-sided p of that order: Page's L of the two columns. */
double cli_pair_p(const cli_birth_grid *, int64_t a, int64_t b);

#endif
