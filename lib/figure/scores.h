/* scores.h - what the figures of score files share. */
#ifndef NS_FIGURE_SCORES_H
#define NS_FIGURE_SCORES_H

#include "figure/files.h"

/* The scores of one checkpoint, one at least. NS_E_ARG: a study of many. */
int  ns_plot_open_scores(ns_study **out, const char *path, ns_error *);
/* What the numbers of a score mean; adds to the note where the file is too old to say. NS_E_ARG: no head is the best by it. */
int  ns_plot_ranks(const ns_study *, const char *score, ns_score_meaning *, char *note, size_t size, ns_error *);
/* Adds what a reader of the k best must know: that they are fewer, or cut through a tie. */
void ns_plot_note_cut(char *note, size_t size, const char *name, const ns_best_cut *, int64_t k);

#endif
