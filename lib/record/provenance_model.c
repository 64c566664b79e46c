/* provenance_model.c - what files say of the model behind their numbers. */
#include <needlescope/provenance.h>
#include <needlescope/tokenizer.h>

#include <stdlib.h>
#include <string.h>

#include "core/core.h"

/* The hash of a text under one name, and the text itself under another where that is not NULL. */
static int add_text(ns_fact_list *f, const char *hash, const char *whole, const char *text, ns_error *err)
{
    char hex[65];
    ns_sha256_of(text, strlen(text), hex);
    const int rc = ns_fact_list_add(f, hash, hex, false, err);
    return rc != NS_OK || !whole ? rc : ns_fact_list_add(f, whole, text, false, err);
}

static int add_config(ns_fact_list *f, const ns_checkpoint *c, ns_error *err)
{
    char *text = NULL;
    int rc = ns_checkpoint_config_path(c) ? ns_checkpoint_config(c, &text, NULL, err) : NS_OK;
    rc = rc == NS_E_UNSUPPORTED ? NS_OK : rc;                  /* a file that does not say, opened by a description */
    if (text)
        rc = add_text(f, "model_config_sha256", "model_config_json", text, err);
    free(text);
    return rc;
}

static int add_arch(ns_fact_list *f, const ns_arch *arch, ns_error *err)
{
    char *text = NULL;
    int rc = ns_arch_to_json(arch, &text, err);
    if (rc == NS_OK)
        rc = add_text(f, "arch_sha256", "arch_json", text, err);
    free(text);
    return rc;
}

static int add_constraints(ns_fact_list *f, const ns_arch *arch, ns_error *err)
{
    char *text;
    int rc = ns_arch_constraints(arch, &text, err);
    if (rc == NS_OK && *text)
        rc = ns_fact_list_add(f, "constrain", text, false, err);
    free(text);
    return rc;
}

int ns_provenance_of_arch(ns_fact_list *f, const ns_arch *arch, const ns_checkpoint *c, ns_error *err)
{
    int rc = add_config(f, c, err);
    rc = rc != NS_OK ? rc : add_arch(f, arch, err);
    return rc != NS_OK ? rc : add_constraints(f, arch, err);
}

/* "full,swa 128,full". */
static int add_kinds(ns_fact_list *f, const ns_arch *arch, ns_error *err)
{
    enum { ONE = 40 };
    char *const text = ns_alloc_array((size_t)arch->n_layers + 1, ONE);
    if (!text)
        return ns_oom(err, "the provenance");
    size_t n = 0;
    for (int64_t l = 0; l < arch->n_layers; l++) {
        if (l)
            text[n++] = ',';
        ns_arch_layer_label(arch, l, text + n, ONE - 1);
        n += strlen(text + n);
    }
    const int rc = ns_fact_list_add(f, "layer_kinds", text, false, err);
    free(text);
    return rc;
}

/* The tokenizer need not be opened for cases of ids. */
static int add_tokenizer(ns_fact_list *f, const char *given, ns_error *err)
{
    char *path = NULL, hex[65];
    if (!given)
        return NS_OK;
    int rc = ns_path_is_dir(given) ? ns_tokenizer_in(&path, given, err) : (path = ns_strdup(given)) ? NS_OK : ns_oom(err, given);
    if (rc == NS_OK && !path)
        rc = ns_fail(err, NS_E_MISSING, "%s: holds no tokenizer", given);
    rc = rc != NS_OK ? rc : ns_tokenizer_file_sha256(path, hex, err);
    rc = rc != NS_OK ? rc : ns_fact_list_add(f, "tokenizer_sha256", hex, false, err);
    free(path);
    return rc;
}

/* The commit, where the weights lie in a Hugging Face cache: snapshots/COMMIT. It only informs: a copy of the weights elsewhere is as
 * good. */
static int add_revision(ns_fact_list *f, const ns_model *m, ns_error *err)
{
    static const char within[] = "/snapshots/";
    const char *const dir = ns_checkpoint_dir(ns_model_checkpoint(m));
    char *const folder = ns_path_whole(dir);
    if (!folder)
        return ns_oom(err, dir);
    const char *const commit = ns_path_base(folder);
    const size_t n = sizeof within - 1;
    const bool cached = (size_t)(commit - folder) >= n && memcmp(commit - n, within, n) == 0;
    const int rc = cached ? ns_fact_list_add(f, "model_revision", commit, true, err) : NS_OK;
    free(folder);
    return rc;
}

/* The one file that all weights lie in, else their folder: what opens them again. */
static const char *weights_path(const ns_checkpoint *c)
{
    const char *const first = ns_checkpoint_count(c) ? ns_checkpoint_tensor(c, 0)->file : NULL;
    bool one = first != NULL;
    for (int64_t i = 1; i < ns_checkpoint_count(c) && one; i++)
        one = strcmp(ns_checkpoint_tensor(c, i)->file, first) == 0;
    return one ? first : ns_checkpoint_dir(c);
}

static int name_file(ns_fact_list *f, const char *what, const char *path, ns_error *err)
{
    char hex[65];
    const bool there = path && ns_file_bytes_sha256(path, hex, NULL) == NS_OK;
    return ns_fact_list_name_input(f, what, there ? hex : NULL, path, err);
}

/* A tokenizer was looked for by a file's or a folder's name, and its hash is in the facts. */
static int add_inputs(ns_fact_list *f, const ns_model *m, ns_error *err)
{
    const ns_checkpoint *const c = ns_model_checkpoint(m);
    int rc = ns_fact_list_add_input(f, ns_checkpoint_dir(c), err);
    rc = rc != NS_OK ? rc : ns_fact_list_name_input(f, "weights", ns_model_weights_sha256(m), weights_path(c), err);
    rc = rc != NS_OK ? rc : ns_fact_list_name_input(f, "config", ns_fact_list_find(f, "model_config_sha256"), weights_path(c), err);
    rc = rc != NS_OK ? rc : ns_fact_list_name_input(f, "tokenizer", ns_fact_list_find(f, "tokenizer_sha256"),
                                                    ns_model_tokenizer_path(m), err);
    rc = rc != NS_OK ? rc : name_file(f, "arch", ns_model_arch_path(m), err);
    return rc != NS_OK ? rc : name_file(f, "names", ns_model_names_path(m), err);
}

int ns_provenance_of_model(ns_fact_list *f, const ns_model *m, ns_error *err)
{
    char threads[24];
    const ns_engine *const engine = ns_model_engine(m);
    const ns_arch *const arch = ns_model_arch(m);
    const char *const weights = ns_model_weights_sha256(m);
    snprintf(threads, sizeof threads, "%d", ns_engine_threads(engine));
    int rc = ns_fact_list_add(f, "model_name", ns_model_name(m), true, err);
    rc = rc != NS_OK ? rc : add_revision(f, m, err);
    rc = rc != NS_OK ? rc : ns_fact_list_add(f, "model_family", arch->family, false, err);
    rc = rc != NS_OK ? rc : add_kinds(f, arch, err);
    rc = rc != NS_OK ? rc : ns_fact_list_add(f, "weights_sha256", weights, false, err);
    /* The identity knows mtimes. Where the weights are hashed a copy is as good, so it only informs. */
    if (rc == NS_OK)
        rc = ns_fact_list_add(f, "checkpoint_identity", ns_checkpoint_identity(ns_model_checkpoint(m)), weights != NULL, err);
    rc = rc != NS_OK ? rc : ns_provenance_of_arch(f, arch, ns_model_checkpoint(m), err);
    rc = rc != NS_OK ? rc : add_tokenizer(f, ns_model_tokenizer_path(m), err);
    rc = rc != NS_OK ? rc : add_inputs(f, m, err);
    rc = rc != NS_OK ? rc : ns_fact_list_add(f, "kernel_class", ns_engine_kernel_class(engine), false, err);
    rc = rc != NS_OK ? rc : ns_fact_list_add(f, "cpu_kernels", ns_engine_cpu(engine), true, err);
    return rc != NS_OK ? rc : ns_fact_list_add(f, "threads", threads, true, err);
}
