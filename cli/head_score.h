/* head_score.h - the head lists of Wu et al.'s repository: {"LAYER-HEAD": [a score for every case that counts]}. */
#ifndef NS_CLI_HEAD_SCORE_H
#define NS_CLI_HEAD_SCORE_H

#include <needlescope/probe.h>

/* Writes the run's retrieval_wu2024, else its retrieval_wu, case by case. NS_E_ARG where the run has neither, or no case counts (the
 * published scripts cannot take the mean of an empty list). */
NS_MUST_CHECK int cli_write_head_score(const ns_scores *, const char *path, ns_error *);

#endif
