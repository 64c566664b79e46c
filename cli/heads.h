/* heads.h - which heads an intervention is of: named, or the best of a score file. */
#ifndef NS_CLI_HEADS_H
#define NS_CLI_HEADS_H

#include <needlescope/control.h>
#include <needlescope/study.h>

#include "cli/out.h"

typedef struct cli_choice_of_heads { cli_heads heads; const char *scores, *by; int64_t top; int kind; } cli_choice_of_heads;
static inline bool cli_names_heads(const cli_choice_of_heads *s) { return s->heads.n || s->scores || s->by || s->kind; }
extern const cli_option cli_heads_options[];
typedef struct cli_chosen {
    ns_head *list;  int64_t n;           /* free(list) */
    bool     by_scores;
    char     scores_sha256[65];          /* the weights whose scores chose them; "" = that file does not say */
    char     scores_arch[65];            /* and the arch */
} cli_chosen;
/* NS_E_ARG for options that do not go together. */
int cli_check_choice(cli *, const cli_choice_of_heads *);
/* n = 0: none were asked for. NS_E_ARG also for a score that the file lacks, for scores of another shape than the model's, and for a kind
 * of layer that the model has not. */
int cli_choose_heads(cli *, const cli_choice_of_heads *, const ns_arch *, cli_chosen *out);
/* What an intervention is told of the choice; NULL where heads were named. */
static inline const char *cli_scores_sha256(const cli_chosen *c) { return c->by_scores ? c->scores_sha256 : NULL; }
/* Scores of other weights can be meant: a note, and facts of the answer. are_of as ns_scores_are_of; NULL says nothing. */
void cli_say_scores(cli *, cli_out *, const cli_choice_of_heads *, const char *scores_sha256, const char *are_of,
                    const char *weights_sha256);
/* How like the controls are: a sentence, and its numbers in JSON; nothing where none was drawn. */
void cli_say_controls(cli_out *, const ns_match *);

/* Which end of a score is best, for a list of heads; a file that does not say is a note. */
int cli_ranks(cli *, const ns_study *, const char *score, ns_score_meaning *);

#endif
