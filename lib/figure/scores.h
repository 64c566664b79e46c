/* scores.h - what the figures of score files share. */
#ifndef NS_FIGURE_SCORES_H
#define NS_FIGURE_SCORES_H

#include "figure/files.h"

/* The scores of one checkpoint, one at least. NS_E_ARG: a study of many. */
int  ns_plot_open_scores(ns_study **out, const char *path, ns_error *);
/* The index of a step of a run that was scored. NS_E_ARG names those near it. */
int  ns_plot_find_step(const ns_study *, int64_t run, int64_t step, int64_t *at, ns_error *);
/* "step 240", or "983k tokens" on an axis of tokens: malloc'd. NS_E_ARG: its tokens are not known. */
int  ns_plot_step_name(const ns_study *, int64_t run, int64_t at, int x_axis, char **out, ns_error *);
/* What the numbers of a score mean; adds to the note where the file is too old to say. NS_E_ARG: no head is the best by it. */
int  ns_plot_ranks(const ns_study *, const char *score, ns_score_meaning *, char *note, size_t size, ns_error *);
/* Adds what a reader of the k best must know: that they are fewer, or cut through a tie. */
void ns_plot_note_cut(char *note, size_t size, const char *name, const ns_best_cut *, int64_t k);

#endif
