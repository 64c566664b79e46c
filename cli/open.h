/* open.h - the options that say which model and which cases, and the things they open. */
#ifndef NS_CLI_OPEN_H
#define NS_CLI_OPEN_H

#include <needlescope/open.h>

#include "cli/cli.h"

typedef struct cli_model_settings {
    const char *arch, *names, *revision, *olmo3_rope, *heads_of, *tokenizer;
    bool        no_hash;
    cli_words   constrain;
} cli_model_settings;
/* Of commands that run one model; of a scan, whose series says the revisions; that read the arch alone; the vocabulary's size alone; a
 * tokenizer alone; a tokenizer or the vocabulary's size. A command offers what has an effect. */
extern const cli_option cli_model_options[], cli_scan_model_options[], cli_arch_options[], cli_vocabulary_options[], cli_text_options[],
cli_needle_model_options[];

/* What ns_open is told for this path; its strings are borrowed from the settings. */
ns_open_params cli_open_params(cli *, const char *path, const cli_model_settings *);
int  cli_open(cli *, ns_opened **out, const char *path, const cli_model_settings *, unsigned want, ns_error *);
/* Engine and packed weights of what cli_open opened. */
int  cli_open_weights(cli *, ns_opened *);
int  cli_open_engine(cli *, ns_engine **out);
/* With --verbose: what runs it, and what became of --threads and --memory. */
void cli_tell_resources(const cli *, const ns_opened *, const ns_engine *);
/* What is said of a model (--revision, --arch ...; not --tokenizer, which stands alone) is NS_E_ARG where none is given. */
int cli_check_model_given(cli *, const char *model, const cli_model_settings *);
/* ns_open_cases; at least one case. */
int  cli_open_cases(cli *, ns_opened *, const cli_words *paths, ns_cases *out);


#endif
