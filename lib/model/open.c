/* open.c - path and what is said of it -> checkpoint -> arch -> (tokenizer) -> engine -> model. Nobody else puts a model together. */
#include <needlescope/open.h>

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/internal.h"

enum { LARGEST_ARCH = 64 << 20, CONFIG_DEPTH = 32 };

/* What the caller sees, and what opening the rest takes. */
typedef struct opening {
    ns_opened  seen;           /* first: an ns_opened * is an opening * */
    ns_engine *own;            /* made here */
    char      *tokenizer, *cpu, *arch, *names;
    int64_t    memory;
    int        threads;
    bool       no_hash;
    void     (*warn)(void *user, const char *line);
    void      *user;
    bool     (*cancelled)(void *user);
} opening;

/* models--ORG--NAME/snapshots/HASH and models--ORG--NAME -> ORG/NAME. */
static char *name_of(const char *path)
{
    char *const copy = ns_path_whole(path);
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

static int arch_from_file(ns_arch **out, const char *path, const ns_arch_params *how, ns_error *err)
{
    char *json;
    size_t n;
    int rc = ns_file_read(path, LARGEST_ARCH, &json, &n, err);
    if (rc == NS_OK)
        rc = ns_arch_from_json(out, json, n, path, how, err);
    free(json);
    return ns_json_fail(err, rc, path, NS_KIND_ARCH);
}

/* What it says of another family would change nothing. */
static int check_olmo3(const ns_open_params *p, const ns_arch *arch, ns_error *err)
{
    if (!p->olmo3_rope || (!p->arch && strcmp(arch->family, "olmo3") == 0))
        return NS_OK;
    return p->arch ? ns_fail(err, NS_E_ARG, "olmo3-rope is of config.json, and %s is read in its place", p->arch)
                   : ns_fail(err, NS_E_ARG, "olmo3-rope is of olmo3 models, and %s is of the family %s", p->path, arch->family);
}

static int open_arch(ns_opened *m, const ns_open_params *p, ns_error *err)
{
    const ns_checkpoint_params where = {.size = sizeof where, .revision = p->revision};
    const ns_arch_params how = {.size = sizeof how, .names_path = p->names, .olmo3_rope = p->olmo3_rope, .warn = p->warn, .user = p->user};
    int rc = ns_checkpoint_open(&m->checkpoint, p->path, &where, err);
    if (rc != NS_OK)
        return rc;
    for (int64_t i = 0; p->warn && ns_checkpoint_note(m->checkpoint, i); i++)
        p->warn(p->user, ns_checkpoint_note(m->checkpoint, i));
    rc = p->arch ? arch_from_file(&m->arch, p->arch, &how, err) : ns_arch_from_checkpoint(&m->arch, m->checkpoint, &how, err);
    rc = rc != NS_OK ? rc : check_olmo3(p, m->arch, err);
    rc = rc != NS_OK || !p->heads_of ? rc : ns_arch_show_heads(m->arch, p->heads_of, err);
    return rc != NS_OK ? rc : ns_arch_constrain(m->arch, p->constrain, p->n_constrain, p->warn, p->user, err);
}

/* For a tokenizer alone: a tokenizer.json or its like, a folder that holds one, or a checkpoint that knows where its own is. */
static int find_tokenizer(opening *o, const ns_open_params *p, ns_error *err)
{
    char *inside = NULL;
    const int found = ns_path_is_dir(p->path) ? ns_tokenizer_in(&inside, p->path, err) : NS_OK;
    if (found != NS_OK)
        return found;
    static const ns_kinds weights = NS_KINDS(NS_KIND_SAFETENSORS) | NS_KINDS(NS_KIND_TORCH) | NS_KINDS(NS_KIND_INDEX);
    /* llama2.c's weights and tokenizers are binary files, both; none: there was no memory to look */
    static const ns_kinds unsure = NS_KINDS(NS_KIND_BINARY) | NS_KINDS(NS_KIND_NONE);
    const ns_kinds kind = ns_path_is_dir(p->path) ? 0 : NS_KINDS(ns_kind_of(p->path));
    /* a revision is of a cache's folder, which has its tokenizer further in: anything else is refused with it */
    const bool direct = !p->revision && (kind ? !(kind & weights) : inside != NULL), either = !p->revision && kind & unsure;
    free(inside);
    if (!direct || either) {
        const ns_checkpoint_params where = {.size = sizeof where, .revision = p->revision};
        const int rc = ns_checkpoint_open(&o->seen.checkpoint, p->path, &where, either ? NULL : err);
        if (rc == NS_OK || rc == NS_E_MEMORY || !either)
            return rc == NS_E_MEMORY ? ns_oom(err, p->path) : rc;
    }
    o->tokenizer = ns_strdup(p->path);
    return o->tokenizer ? NS_OK : ns_oom(err, p->path);
}

static void NS_PRINTF(2, 3) warn(const opening *o, const char *fmt, ...)
{
    char line[1024];
    va_list args;
    if (!o->warn)
        return;
    va_start(args, fmt);
    ns_line_args(line, sizeof line, fmt, args);
    va_end(args);
    o->warn(o->user, line);
}

static int open_tokenizer(opening *o, ns_error *err)
{
    ns_opened *const m = &o->seen;
    const char *const path = o->tokenizer ? o->tokenizer : m->checkpoint ? ns_checkpoint_tokenizer_path(m->checkpoint) : NULL;
    const int rc = path ? ns_tokenizer_open(&m->tokenizer, path, err) : NS_OK;
    for (int i = 0; rc == NS_OK && m->tokenizer && ns_tokenizer_note(m->tokenizer, i); i++)
        warn(o, "%s: %s", path, ns_tokenizer_note(m->tokenizer, i));
    const int64_t ids = rc == NS_OK && m->tokenizer ? ns_tokenizer_size(m->tokenizer) : 0;
    if (m->arch && ids > m->arch->vocab)
        warn(o,
             "%s has token ids up to %lld, the model a vocabulary of %lld: it is another model's, or has tokens that this one cannot read",
             path, (long long)ids - 1, (long long)m->arch->vocab);
    return rc;
}

static int open_weights(opening *o, ns_error *err)
{
    ns_opened *const m = &o->seen;
    const ns_engine_params with = {.size = sizeof with, .threads = o->threads, .cpu = o->cpu};
    const ns_model_params how = {.size = sizeof how, .memory = o->memory, .hash = !o->no_hash, .name = m->name, .tokenizer = o->tokenizer,
                                 .arch_path = o->arch, .names_path = o->names, .cancelled = o->cancelled, .user = o->user};
    if (!m->arch)
        return ns_fail(err, NS_E_ARG, "weights are wanted of a model whose arch was not");
    const int rc = m->engine ? NS_OK : ns_engine_new(&o->own, &with, err);
    if (rc != NS_OK)
        return rc;
    m->engine = m->engine ? m->engine : o->own;
    return ns_model_load(&m->model, m->engine, m->checkpoint, m->arch, &how, err);
}

int ns_open_more(ns_opened *m, unsigned want, ns_error *err)
{
    opening *const o = (opening *)m;
    int rc = NS_OK;
    if (want & NS_OPEN_TOKENIZER && !m->tokenizer)
        rc = open_tokenizer(o, err);
    if (rc == NS_OK && want & NS_OPEN_WEIGHTS && !m->model)
        rc = open_weights(o, err);
    return rc;
}

static int begin(opening *o, const ns_open_params *p, ns_error *err)
{
    const char *const path = p->path ? p->path : p->tokenizer;
    *o = (opening){.seen.engine = p->engine, .memory = p->memory, .threads = p->threads, .no_hash = p->no_hash, .warn = p->warn,
                   .user = p->user, .cancelled = p->cancelled};
    o->seen.name = path ? name_of(path) : NULL;
    if (!path)
        return ns_fail(err, NS_E_ARG, "no path says what is to be opened");
    return o->seen.name && ns_copy_text(&o->tokenizer, p->tokenizer) && ns_copy_text(&o->cpu, p->cpu) && ns_copy_text(&o->arch, p->arch) &&
                   ns_copy_text(&o->names, p->names)
               ? NS_OK
               : ns_oom(err, path);
}

int ns_open(ns_opened **out, const ns_open_params *given, ns_error *err)
{
    ns_open_params p;
    *out = NULL;
    int rc = ns_sized_copy(&p, sizeof p, given, "ns_open_params", err);
    if (rc != NS_OK)
        return rc;
    p.want = p.want ? p.want : NS_OPEN_WEIGHTS;
    opening *const o = ns_alloc_array(1, sizeof *o);
    rc = o ? begin(o, &p, err) : ns_oom(err, p.path);
    if (rc == NS_OK && p.want & (NS_OPEN_ARCH | NS_OPEN_WEIGHTS))
        rc = p.path ? open_arch(&o->seen, &p, err) : ns_fail(err, NS_E_ARG, "%s: a tokenizer alone is no model", p.tokenizer);
    else if (rc == NS_OK && !p.tokenizer)
        rc = find_tokenizer(o, &p, err);
    if (rc == NS_OK)
        rc = ns_open_more(&o->seen, p.want, err);
    if (rc == NS_OK)
        *out = &o->seen;
    else if (o)
        ns_close(&o->seen);
    return rc;
}

/* Lines of text without a tokenizer are NS_E_ARG: only then is one worth its loading time. A pipe is read once, so it is there before. */
static int read_cases(ns_opened *m, const char *given, ns_cases *out, ns_error *err)
{
    const char *const path = strcmp(given, "-") ? given : "/dev/stdin";
    const int64_t before = out->n;
    ns_error why = {""};
    int rc = m && ns_path_is_stream(path) ? ns_open_more(m, NS_OPEN_TOKENIZER, &why) : NS_OK;
    rc = rc != NS_OK ? rc : ns_cases_read(out, path, m ? m->tokenizer : NULL, &why);
    if (rc == NS_E_ARG && m && !m->tokenizer) {
        const int opened = ns_open_more(m, NS_OPEN_TOKENIZER, &why);
        if (opened != NS_OK || m->tokenizer)
            rc = opened != NS_OK ? opened : ns_cases_read(out, path, m->tokenizer, &why);
    }
    if (rc != NS_OK)
        return ns_fail(err, rc, "%s", why.message);
    return out->n > before ? NS_OK : ns_fail(err, NS_E_FORMAT, "%s: holds no case", path);
}

/* The token that begins a text: the tokenizer's, or config.json's bos_token_id where none was opened; -1: not known. */
static int first_token(const ns_opened *m, int64_t *bos, ns_error *err)
{
    cJSON *config = NULL;
    char *text = NULL;
    size_t n = 0;
    *bos = m->tokenizer ? ns_tokenizer_bos(m->tokenizer) : -1;
    if (m->tokenizer || !m->checkpoint || !ns_checkpoint_config_path(m->checkpoint))
        return NS_OK;
    int rc = ns_checkpoint_config(m->checkpoint, &text, &n, err);
    if (rc == NS_E_UNSUPPORTED)                    /* a file that does not say, opened by a description */
        return NS_OK;
    rc = rc != NS_OK ? rc : ns_json_parse_python(&config, text, n, CONFIG_DEPTH, ns_checkpoint_config_path(m->checkpoint), err);
    const cJSON *const id = cJSON_GetObjectItemCaseSensitive(config, "bos_token_id");
    if (cJSON_IsNumber(id))
        *bos = (int64_t)id->valuedouble;
    cJSON_Delete(config);
    free(text);
    return rc;
}

static int note_double_bos(ns_opened *m, const ns_cases *cases, ns_error *err)
{
    int64_t bos, twice = 0;
    const int rc = first_token(m, &bos, err);
    for (int64_t i = 0; rc == NS_OK && i < cases->n; i++) {
        const ns_case *const c = &cases->list[i];
        twice += c->n_tokens > 1 && c->tokens[0] == bos && c->tokens[1] == bos;
    }
    if (twice)
        warn((opening *)m, "%lld of %lld cases begin with two BOS (token %lld): a text that has one already and a tokenizer that adds one",
             (long long)twice,
             (long long)cases->n, (long long)bos);
    return rc;
}

int ns_open_check_cases(ns_opened *m, const ns_cases *cases, ns_error *err)
{
    ns_error why = {""};
    bool text;
    int rc = ns_cases_know_text(cases, &text, err);
    if (rc != NS_OK || !text)
        return rc;
    rc = ns_open_more(m, NS_OPEN_TOKENIZER, &why);
    if (rc == NS_E_UNSUPPORTED) {
        warn((opening *)m, "whether the cases are of this model's tokenizer cannot be checked: %s", why.message);
        return NS_OK;
    }
    if (rc != NS_OK)
        return ns_fail(err, rc, "%s", why.message);
    if (!m->tokenizer)
        warn((opening *)m, "whether the cases are of this model's tokenizer cannot be checked: %s has no tokenizer", m->name);
    return m->tokenizer ? ns_cases_check_tokenizer(cases, m->tokenizer, err) : NS_OK;
}

int ns_open_special(ns_opened *m, int32_t **out, int64_t *n, ns_error *err)
{
    int64_t capacity = 0;
    *out = NULL;
    *n = 0;
    const int rc = ns_open_more(m, NS_OPEN_TOKENIZER, err);
    const ns_tokenizer *const t = rc == NS_OK ? m->tokenizer : NULL;
    for (int64_t id = 0; t && id < ns_tokenizer_size(t); id++) {
        if (!ns_token_is_special(t, (int32_t)id))
            continue;
        if (!ns_grow(out, &capacity, *n + 1, sizeof **out)) {
            free(*out);
            *out = NULL;
            return ns_oom(err, "special tokens");
        }
        (*out)[(*n)++] = (int32_t)id;
    }
    return rc;
}

/* Said before a file is read: standard input would be empty the second time. */
static int given_twice(const char *const *paths, int64_t n, ns_error *err)
{
    for (int64_t i = 1; i < n; i++)
        for (int64_t k = 0; k < i; k++)
            if (strcmp(paths[i], paths[k]) == 0)
                return ns_fail(err, NS_E_ARG, "%s: these cases are given twice", strcmp(paths[i], "-") ? paths[i] : "- (standard input)");
    return NS_OK;
}

int ns_open_cases(ns_opened *m, const char *const *paths, int64_t n, ns_cases *out, ns_error *err)
{
    int64_t *const first = ns_alloc_array((size_t)n, sizeof *first);
    int rc = first ? given_twice(paths, n, err) : ns_oom(err, "cases");
    *out = (ns_cases){0};
    for (int64_t i = 0; i < n && rc == NS_OK; i++) {
        const int64_t before = first[i] = out->n;
        ns_error why = {""};
        rc = read_cases(m, paths[i], out, err);
        if (rc == NS_OK && m && (rc = ns_open_check_cases(m, &(ns_cases){.list = out->list + before, .n = out->n - before}, &why)) != NS_OK)
            rc = ns_fail(err, rc, "%s: %s", paths[i], why.message);
    }
    if (rc == NS_OK && n > 1)
        rc = ns_cases_check_unique(out, paths, first, n, err);
    if (rc == NS_OK)
        rc = m && ((opening *)m)->warn ? note_double_bos(m, out, err) : NS_OK;
    if (rc != NS_OK)
        ns_cases_clear(out);
    free(first);
    return rc;
}

void ns_close(ns_opened *m)
{
    opening *const o = (opening *)m;
    if (!m)
        return;
    ns_tokenizer_free(m->tokenizer);
    ns_model_free(m->model);
    ns_engine_free(o->own);
    ns_arch_free(m->arch);
    ns_checkpoint_free(m->checkpoint);
    free(m->name);
    free(o->tokenizer);
    free(o->cpu);
    free(o->arch);
    free(o->names);
    free(o);
}
