/* lab_trend.c - the laboratory's births as a grid of seeds and windows. */
#include "cli/lab_page.h"

cli_trend cli_lab_trend(const cli_lab *lab, const int64_t *windows, int n_windows, cli_birth_of *of)
{
    cli_trend out = {(double)NAN, (double)NAN, 0};
    cli_birth_grid g;
    if (cli_birth_grid_new(&g, lab->seeds, n_windows)) {
        for (int64_t i = 0; i < g.S * g.W; i++) {
            const cli_lab_result *const r = cli_lab_result_of(lab, "swa", windows[i % g.W], lab->first_seed + i / g.W);
            const cli_lab_birth birth = r ? of(r) : (cli_lab_birth){CLI_LAB_NO_HEAD, -1};
            if (birth.at < 0 && birth.before == CLI_LAB_NO_HEAD)
                continue;
            g.time[i] = birth.at < 0 ? (double)INFINITY : (double)birth.at;
            g.limit[i] = (double)birth.before;
        }
        out = cli_trend_of(&g);
    }
    cli_birth_grid_clear(&g);
    return out;
}
