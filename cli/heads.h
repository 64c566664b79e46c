/* heads.h - which heads an intervention is of: named, or the best of a score file. */
#ifndef NS_CLI_HEADS_H
#define NS_CLI_HEADS_H

#include <needlescope/control.h>
#include <needlescope/study.h>

#include "cli/out.h"

typedef struct cli_choice_of_heads { cli_heads heads; const char *scores, *by; int64_t top; } cli_choice_of_heads;
#define CLI_CHOICE_OF_HEADS {.by = "retrieval_find", .top = 4}
extern const cli_option cli_heads_options[];
/* free(out->list); none when neither was asked for. NS_E_ARG when both were, and for a score that the file lacks. */
int cli_choose_heads(cli *, const cli_choice_of_heads *, cli_heads *out);
/* How like the controls are: a sentence, and its numbers in JSON; nothing where none was drawn. */
void cli_say_controls(cli_out *, const ns_match *);

/* Which end of a score is best, for a list of heads; a file that does not say is a note. */
int cli_ranks(cli *, const ns_study *, const char *score, ns_score_meaning *);

#endif
