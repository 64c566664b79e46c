/* study_figure.h - figures of a study, for `figure laziness|births|pairs|curves|strip|loss` and for the laboratory. A figure is one function and one line of
 * cli_study_figures (study_figures.c). */
#ifndef NS_CLI_STUDY_FIGURE_H
#define NS_CLI_STUDY_FIGURE_H

#include <needlescope/figure.h>
#include <needlescope/training.h>

#include "cli/cli.h"

typedef struct cli_study_view {
    ns_study           *study;
    const ns_emergence *births;          /* of that study */
    const char         *name;            /* of the study, for the figure */
    int64_t             run;             /* of `strip`; -1 where none was chosen */
} cli_study_view;

typedef int cli_study_draw(const cli_study_view *, const char *path, const ns_figure_params *, ns_error *);
typedef struct cli_study_figure { const char *name, *summary; bool of_a_run; cli_study_draw *draw; } cli_study_figure;
extern const cli_study_figure cli_study_figures[];       /* ends with name = NULL */

cli_study_draw cli_draw_laziness, cli_draw_strip, cli_draw_curves, cli_draw_births, cli_draw_pairs, cli_draw_loss;

/* ---- study_arms.c: groups of runs in the order of figures ---- */
/* Windows ("swa", or no arm at all) ascending, then controls; in each the runs by birth, censored ones last. */
typedef struct cli_arm_rows {
    char    *name, *note;                /* "SSFS W=4 NoPE"; births in steps, "240 (180-300), 3/3" */
    int64_t *run, n;                     /* run owned */
} cli_arm_rows;
typedef struct cli_arms { cli_arm_rows *list; int n, n_controls; } cli_arms;
int  cli_arms_make(cli_arms *, const ns_emergence *, ns_error *);
void cli_arms_clear(cli_arms *);

/* Where a series of a run was born and died, for bands: birth = (after, at], (limit, INFINITY) when censored, NaN when there is nothing to say;
 * death NaN = none. */
int  cli_series_marks(const ns_emergence *, int64_t run, const double *series, double birth[2], double *death, ns_error *);

#endif
