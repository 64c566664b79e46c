/* open.h - the options that say which model and which cases, and the things they open. */
#ifndef NS_CLI_OPEN_H
#define NS_CLI_OPEN_H

#include <needlescope/case.h>
#include <needlescope/model.h>
#include <needlescope/tokenizer.h>

#include "cli/cli.h"

typedef struct cli_model_settings {
    const char *arch, *names, *revision, *olmo3_rope, *tokenizer;
    bool        no_hash;
} cli_model_settings;
extern const cli_option cli_model_options[];

/* All of it zero until opened; closed in reverse order by cli_close. */
typedef struct cli_model {
    ns_checkpoint *checkpoint;
    ns_arch       *arch;
    ns_engine     *engine;
    ns_model      *model;
    ns_tokenizer  *tokenizer;
    char          *name;               /* "ORG/NAME" of a Hugging Face cache, else the folder's name */
} cli_model;

/* checkpoint + arch + name. */
int  cli_open_arch(cli *, cli_model *, const char *path, const cli_model_settings *);
/* What cli_open_arch opened -> engine and packed weights. */
int  cli_load_weights(cli *, cli_model *, const cli_model_settings *);
/* + tokenizer, where there is one (NULL and NS_OK where there is none). */
int  cli_open_tokenizer(cli *, cli_model *, const cli_model_settings *);
int  cli_open_engine(cli *, ns_engine **out, const char *cpu);
/* Cases of one or more files, with the model's tokenizer opened on the way. At least one case. */
int  cli_open_cases(cli *, cli_model *, const cli_model_settings *, const cli_words *paths, ns_cases *out);
/* An output that cannot be written is better known before an hour of work than after. NULL is fine. */
int  cli_check_output(cli *, const char *path);
void cli_close(cli_model *);
char *cli_model_name(const char *path);

/* What kind of layer, in words: "full", "swa 128". */
void cli_layer_label(const ns_arch *, int64_t layer, char *out, size_t n);

#endif
