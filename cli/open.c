/* open.c - the options that say which model -> ns_open. The one place where NEEDLESCOPE_CPU is read and where OpenBLAS's process-wide
 * thread count is touched. */
#include <stdlib.h>
#include <string.h>

#include "cli/open.h"
#include "math/math.h"

#define FIELD(name) offsetof(cli_model_settings, name)
#define ARCH \
    {"arch", 0, CLI_FILE, FIELD(arch), "FILE", "read the architecture from this JSON (see inspect --arch-out) instead of config.json"}
#define NAMES {"names", 0, CLI_FILE, FIELD(names), "FILE", "JSON that maps tensor names of the description to names in the file (globs)"}
#define REVISION {"revision", 0, CLI_TEXT, FIELD(revision), "REV", "revision of a Hugging Face cache folder (default main)"}
#define TOKENIZER {"tokenizer", 0, CLI_FILE, FIELD(tokenizer), "PATH", "tokenizer.json or its folder, in place of the model's own"}
#define OLMO3_ROPE \
    {"olmo3-rope", 0, CLI_TEXT, FIELD(olmo3_rope), "WHERE", \
     "layers that yarn scales in olmo3: full-layers (as transformers 4.57, default) or all-layers (as 5.x)"}
#define HEADS_OF \
    {"heads-of", 0, CLI_TEXT, FIELD(heads_of), "MIXER", \
     "whose heads are looked at in layers of two mixers side by side (falcon_h1): attention (default) or recurrence"}
#define NO_HASH \
    {"no-hash", 0, CLI_FLAG, FIELD(no_hash), NULL, "leave the SHA-256 of the weights out of the provenance (loads a little faster)"}
#define CONSTRAIN \
    {"constrain", 0, CLI_WORDS, FIELD(constrain), "KIND=W[+S]", \
     "rows see their last W keys and the first S positions, in layers of the KIND full, swa or recurrent, or in those that are listed " \
     "(0,4-7=512)", .again = true}
const cli_option cli_model_options[] = {ARCH, NAMES, REVISION, TOKENIZER, OLMO3_ROPE, HEADS_OF, NO_HASH, CONSTRAIN, {0}};
const cli_option cli_scan_model_options[] = {ARCH, NAMES, TOKENIZER, OLMO3_ROPE, HEADS_OF, NO_HASH, CONSTRAIN, {0}};
const cli_option cli_arch_options[] = {ARCH, NAMES, REVISION, OLMO3_ROPE, HEADS_OF, {0}};
const cli_option cli_vocabulary_options[] = {ARCH, REVISION, {0}};
const cli_option cli_text_options[] = {REVISION, TOKENIZER, {0}};
const cli_option cli_needle_model_options[] = {ARCH, REVISION, TOKENIZER, {0}};
#undef FIELD

ns_open_params cli_open_params(cli *app, const char *path, const cli_model_settings *s)
{
    return (ns_open_params){.size = sizeof(ns_open_params), .path = path, .revision = s->revision, .arch = s->arch, .names = s->names,
                            .olmo3_rope = s->olmo3_rope, .heads_of = s->heads_of, .constrain = s->constrain.list,
                            .n_constrain = s->constrain.n, .tokenizer = s->tokenizer, .no_hash = s->no_hash,
                            .memory = app->resources.memory,
                            .threads = (int)app->resources.threads, .cpu = getenv("NEEDLESCOPE_CPU"), .warn = cli_warn, .user = app};
}

/* Our own pool shares out the work. The usual engine does without OpenBLAS: it is not even loaded. */
static void tame_blas(const ns_engine *engine)
{
    if (engine && ns_starts(ns_engine_kernel_class(engine), "openblas"))
        ns_blas_set_threads(1);
}

int cli_open(cli *app, ns_opened **out, const char *path, const cli_model_settings *settings, unsigned want, ns_error *err)
{
    ns_open_params how = cli_open_params(app, path, settings);
    how.want = want;
    const int rc = ns_open(out, &how, err);
    tame_blas(rc == NS_OK ? (*out)->engine : NULL);
    return rc;
}

int cli_open_engine(cli *app, ns_engine **out)
{
    const ns_engine_params how = {.size = sizeof how, .threads = (int)app->resources.threads, .cpu = getenv("NEEDLESCOPE_CPU")};
    const int rc = ns_engine_new(out, &how, &app->err);
    tame_blas(rc == NS_OK ? *out : NULL);
    return rc;
}

void cli_tell_resources(const cli *app, const ns_opened *m, const ns_engine *engine)
{
    ns_cost cost;
    if (ns_model_cost(m->arch, m->checkpoint, app->resources.memory, &(int64_t){1}, 1, &cost, NULL) == NS_OK)
        cli_detail(app, "%s: %s, kernels %s, %d thread%s, weights %s", m->name, m->arch->family, ns_engine_cpu(engine),
                   ns_engine_threads(engine), ns_plural(ns_engine_threads(engine)), cost.streamed ? "streamed" : "resident");
}

int cli_open_weights(cli *app, ns_opened *m)
{
    const int rc = ns_open_more(m, NS_OPEN_WEIGHTS, &app->err);
    if (rc != NS_OK)
        return rc;
    tame_blas(m->engine);
    cli_tell_resources(app, m, m->engine);
    return NS_OK;
}

int cli_open_cases(cli *app, ns_opened *m, const cli_words *paths, ns_cases *out)
{
    *out = (ns_cases){0};
    return paths->n ? ns_open_cases(m, paths->list, paths->n, out, &app->err)
                    : ns_fail(&app->err, NS_E_ARG, "--cases FILE is missing (make one: needlescope cases needle)");
}

int cli_check_model_given(cli *app, const char *model, const cli_model_settings *s)
{
    const char *const name = s->revision   ? "revision" : s->arch     ? "arch" : s->names ? "names"
                             : s->olmo3_rope ? "olmo3-rope" : s->heads_of ? "heads-of" : NULL;
    return model || !name ? NS_OK : ns_fail(&app->err, NS_E_ARG, "--%s is of a model, and none is given (--model MODEL)", name);
}
