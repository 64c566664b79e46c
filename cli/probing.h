/* probing.h - which probes a command runs: names that must exist, definitions of the user's own, and the special tokens they leave out. */
#ifndef NS_CLI_PROBING_H
#define NS_CLI_PROBING_H

#include <needlescope/export.h>
#include <needlescope/probe.h>

#include "cli/open.h"
#include "cli/out.h"

typedef struct cli_probing {
    ns_probe **definitions;  int n_definitions;
    int32_t   *special;      int64_t n_special;
    ns_row_count rows;
} cli_probing;

/* Every name must be a probe or a score; one that is neither is answered with the nearest. */
int  cli_check_probes(cli *, const cli_words *asked);
int  cli_read_definitions(cli *, cli_probing *, const cli_words *paths);
/* The special tokens of the model's tokenizer, which is opened for it, be the cases text or ids: what the `_nosink` scores leave out beside
 * position 0. A tokenizer that is not supported is said, and has none. */
int  cli_find_special(cli *, cli_probing *, ns_opened *);
void cli_probing_clear(cli_probing *);

/* The score with what it is counted of, as its probe says. */
ns_export_score cli_export_score(const char *name);

/* A table of what was left out and why; in JSON always, in text where there is any. */
void cli_say_dropped(cli_out *, const ns_dropped *list, int n);
/* What the cases would cost each by itself, and what was computed. Nothing where no case ran. */
void cli_say_rows(cli_out *, const ns_row_count *);

#endif
