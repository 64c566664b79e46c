/* study.h - what the figures of a study share: its figures, and its runs as groups in the order of figures. A figure is one function in one
 * file and one line of ns_study_figures (studies.c). */
#ifndef NS_FIGURE_STUDY_H
#define NS_FIGURE_STUDY_H

#include "figure/files.h"

ns_study_draw ns_study_laziness, ns_study_strip, ns_study_curves, ns_study_births, ns_study_pairs, ns_study_loss;

/* Adds how many runs the figure has nothing of. */
void ns_note_runs(char *note, size_t size, const ns_study_view *);

/* Times, up to the horizon, at which a run's architecture changes (run < 0: any run's): malloc'd, *out = NULL where there are none. */
int  ns_change_times(const ns_emergence *, int64_t run, double **out, int *n, ns_error *);

/* ---- arms.c: groups of runs in the order of figures ---- */
/* Windows ("swa", or no arm at all) ascending, then controls; in each the runs by birth, censored ones last. */
typedef struct ns_arm_rows {
    char    *name, *note;                /* "SSFS W=4 NoPE"; births in steps, "240 (180-300), 3/3" */
    int64_t *run, n;                     /* run owned */
} ns_arm_rows;
typedef struct ns_arms { ns_arm_rows *list; int n, n_controls; } ns_arms;
/* Those that `look` orders stand first, windows and controls apart. */
int  ns_arms_make(ns_arms *, const ns_emergence *, const ns_figure_params *look, ns_error *);
void ns_arms_clear(ns_arms *);

/* Where a series of a run was born and died, for bands: birth = (after, at], (limit, INFINITY) when censored, NaN when there is nothing to
 * say; death NaN = none. */
int  ns_series_marks(const ns_emergence *, int64_t run, const double *series, double birth[2], double *death, ns_error *);

#endif
