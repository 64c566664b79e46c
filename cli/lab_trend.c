/* lab_trend.c - are births later the larger the window? Page's L over the laboratory's births (needlescope/training.h), seeds as blocks. */
#include <needlescope/training.h>

#include "cli/lab_page.h"

enum { MOST_WINDOWS = 8 };      /* of the exact test */

static double time_of(cli_lab_birth b)
{
    return b.at < 0 ? (double)INFINITY : (double)b.at;
}

/* NaN where the seed has no such run: it is then no block. */
static double birth_time(const cli_lab *lab, int64_t window, int64_t seed, cli_birth_of *of)
{
    const cli_lab_result *const r = cli_lab_result_of(lab, "swa", window, seed);
    return r ? time_of(of(r)) : (double)NAN;
}

double cli_lab_trend(const cli_lab *lab, const int64_t *windows, int n_windows, cli_birth_of *of, int *n_seeds)
{
    ns_trend trend;
    *n_seeds = 0;
    if (n_windows < 2 || n_windows > MOST_WINDOWS)
        return NAN;
    double *const time = ns_alloc_array((size_t)(lab->seeds * n_windows), sizeof *time);
    for (int64_t s = 0; time && s < lab->seeds; s++)
        for (int j = 0; j < n_windows; j++)
            time[s * n_windows + j] = birth_time(lab, windows[j], lab->first_seed + s, of);
    const bool known = time && ns_page_trend(time, lab->seeds, n_windows, &trend, NULL) == NS_OK;
    free(time);
    *n_seeds = known ? (int)trend.B : 0;
    return known ? trend.p_exact : (double)NAN;
}
