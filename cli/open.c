/* open.c - path and options -> checkpoint -> arch -> engine -> model. The one place where NEEDLESCOPE_CPU is read and where OpenBLAS's
 * process-wide thread count is touched. */
#include <stdlib.h>
#include <string.h>

#include "cli/open.h"
#include "math/math.h"

#define FIELD(name) offsetof(cli_model_settings, name)
const cli_option cli_model_options[] = {
    {"arch", 0, CLI_FILE, FIELD(arch), "FILE", "read the architecture from this JSON (see inspect --arch-out) instead of config.json"},
    {"names", 0, CLI_FILE, FIELD(names), "FILE", "JSON that maps tensor names of the description to names in the file (globs)"},
    {"revision", 0, CLI_TEXT, FIELD(revision), "REV", "revision of a Hugging Face cache folder (default main)"},
    {"tokenizer", 0, CLI_FILE, FIELD(tokenizer), "PATH", "tokenizer.json or its folder, when the model's folder has none"},
    {"olmo3-rope", 0, CLI_TEXT, FIELD(olmo3_rope), "WHERE",
     "layers that yarn scales in olmo3: full-layers (as transformers 4.57, default) or all-layers (as 5.x)"},
    {"no-hash", 0, CLI_FLAG, FIELD(no_hash), NULL, "leave the SHA-256 of the weights out of the provenance (loads a little faster)"},
    {0},
};
#undef FIELD

/* models--ORG--NAME/snapshots/HASH and models--ORG--NAME -> ORG/NAME. */
char *cli_model_name(const char *path)
{
    char *const whole = realpath(path, NULL);
    char *const copy = whole ? whole : ns_strdup(path);
    if (!copy)
        return NULL;
    char *name = strstr(copy, "models--");
    if (name && (name == copy || name[-1] == '/')) {
        name += strlen("models--");
        name[strcspn(name, "/")] = '\0';
        char *const dashes = strstr(name, "--");
        if (dashes) {
            *dashes = '/';
            memmove(dashes + 1, dashes + 2, strlen(dashes + 2) + 1);
        }
    } else {
        size_t n = strlen(copy);
        while (n > 1 && copy[n - 1] == '/')
            copy[--n] = '\0';
        name = (char *)(uintptr_t)ns_path_base(copy);
    }
    char *const out = ns_strdup(*name ? name : path);
    free(copy);
    return out;
}

static int arch_from_file(ns_arch **out, const char *path, const ns_arch_params *params, ns_error *err)
{
    enum { LARGEST = 64 << 20 };
    char *json;
    size_t n;
    int rc = ns_file_read(path, LARGEST, &json, &n, err);
    if (rc < 0)
        return rc;
    rc = ns_arch_from_json(out, json, n, path, params, err);
    free(json);
    return rc;
}

int cli_open_arch(cli *app, cli_model *m, const char *path, const cli_model_settings *settings)
{
    m->name = cli_model_name(path);
    if (!m->name)
        return ns_oom(&app->err, path);
    const ns_checkpoint_params where = {.size = sizeof where, .revision = settings->revision};
    int rc = ns_checkpoint_open(&m->checkpoint, path, &where, &app->err);
    if (rc < 0)
        return rc;
    const ns_arch_params how = {.size = sizeof how, .names_path = settings->names, .olmo3_rope = settings->olmo3_rope, .warn = cli_warn,
                                .user = app};
    return settings->arch ? arch_from_file(&m->arch, settings->arch, &how, &app->err)
                          : ns_arch_from_checkpoint(&m->arch, m->checkpoint, &how, &app->err);
}

int cli_open_engine(cli *app, ns_engine **out, const char *cpu)
{
    const ns_engine_params params = {.size = sizeof params, .threads = (int)app->globals.threads,
                                     .cpu = cpu ? cpu : getenv("NEEDLESCOPE_CPU")};
    const int rc = ns_engine_new(out, &params, &app->err);
    if (rc < 0 || !ns_starts(ns_engine_kernel_class(*out), "openblas"))
        return rc;   /* the forward pass does without OpenBLAS: it is not even loaded */
    if (!ns_blas_can_start()) {
        ns_engine_free(*out);
        *out = NULL;
        return ns_fail(&app->err, NS_E_MEMORY, "OpenBLAS cannot be loaded: not installed, or too little address space (raise ulimit -v)");
    }
    ns_blas_set_threads(1);   /* our own pool shares out the work */
    return NS_OK;
}

int cli_load_weights(cli *app, cli_model *m, const cli_model_settings *settings)
{
    int rc = m->engine ? NS_OK : cli_open_engine(app, &m->engine, NULL);
    if (rc < 0)
        return rc;
    const ns_model_params params = {.size = sizeof params, .memory = app->globals.memory, .hash = !settings->no_hash};
    rc = ns_model_load(&m->model, m->engine, m->checkpoint, m->arch, &params, &app->err);
    if (rc == NS_OK)
        cli_detail(app, "%s: %s, kernels %s, %d threads", m->name, m->arch->family, ns_engine_cpu(m->engine), ns_engine_threads(m->engine));
    return rc;
}

int cli_open_tokenizer(cli *app, cli_model *m, const cli_model_settings *settings)
{
    const char *const path = settings->tokenizer ? settings->tokenizer : m->checkpoint ? ns_checkpoint_tokenizer_path(m->checkpoint) : NULL;
    return !path || m->tokenizer ? NS_OK : ns_tokenizer_open(&m->tokenizer, path, &app->err);
}

int cli_open_cases(cli *app, cli_model *m, const cli_model_settings *settings, const cli_words *paths, ns_cases *out)
{
    *out = (ns_cases){0};
    if (paths->n == 0)
        return ns_fail(&app->err, NS_E_ARG, "--cases FILE is missing (make one: needlescope cases needle)");
    int rc = NS_OK;
    for (int64_t i = 0; i < paths->n && rc == NS_OK; i++) {
        const int64_t before = out->n;
        rc = ns_cases_read(out, paths->list[i], m->tokenizer, &app->err);
        if (rc == NS_E_ARG && !m->tokenizer) {   /* lines of text: now the tokenizer is worth its loading time */
            const ns_error first = app->err;
            rc = cli_open_tokenizer(app, m, settings);
            if (rc == NS_OK && m->tokenizer) {
                rc = ns_cases_read(out, paths->list[i], m->tokenizer, &app->err);
            } else if (rc == NS_OK) {
                app->err = first;
                rc = NS_E_ARG;
            }
        }
        if (rc == NS_OK && out->n == before)
            rc = ns_fail(&app->err, NS_E_FORMAT, "%s: holds no case", paths->list[i]);
    }
    if (rc < 0)
        ns_cases_clear(out);
    return rc;
}

int cli_check_output(cli *app, const char *path)
{
    ns_atomic_file file;
    const int rc = path ? ns_atomic_begin(&file, path, &app->err) : NS_OK;
    if (path && rc == NS_OK)
        ns_atomic_abort(&file);
    return rc;
}

void cli_close(cli_model *m)
{
    ns_tokenizer_free(m->tokenizer);
    ns_model_free(m->model);
    ns_engine_free(m->engine);
    ns_arch_free(m->arch);
    ns_checkpoint_free(m->checkpoint);
    free(m->name);
    *m = (cli_model){0};
}

void cli_layer_label(const ns_arch *arch, int64_t layer, char *out, size_t n)
{
    const ns_attn *const attn = ns_arch_attn(arch, layer);
    const ns_layer_kind kind = ns_arch_layer_kind(arch, layer);
    if (kind == NS_LAYER_SWA && attn && !attn->head_window)
        snprintf(out, n, "swa %lld", (long long)attn->window);
    else
        snprintf(out, n, "%s", ns_layer_kind_name(kind));
}
