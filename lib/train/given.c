/* given.c - a model to train that is no pattern of letters: a description, a config.json, or a checkpoint whose weights are the first
 * values. */
#include "train/internal.h"
#include <needlescope/tokenizer.h>

#include <stdlib.h>

/* Each step is to be as complete as what the run went on from: a tokenizer is a file that is copied into it. */
static int check_tokenizer(const ns_described *of, ns_error *err)
{
    const char *const tokenizer = of->checkpoint ? ns_checkpoint_tokenizer_path(of->checkpoint) : NULL;
    return !tokenizer || ns_tokenizer_is_file(tokenizer)
               ? NS_OK
               : ns_fail(err, NS_E_UNSUPPORTED, "%s: its tokenizer is inside it, and the steps of a run would be without: go on from a "
                         "folder with a tokenizer.json (load the file in transformers with gguf_file= and save_pretrained it)", of->path);
}

int ns_train_model_open(ns_train_model **out, const char *path, ns_error *err)
{
    ns_train_model *const m = ns_alloc_array(1, sizeof *m);
    int rc = m ? ns_described_open(&m->of, path, err) : ns_oom(err, path);
    if (rc == NS_OK && (rc = check_tokenizer(&m->of, err)) != NS_OK)
        ns_described_clear(&m->of);
    *out = rc == NS_OK ? m : NULL;
    if (rc != NS_OK)
        free(m);
    return rc;
}

void ns_train_model_free(ns_train_model *m)
{
    if (m)
        ns_described_clear(&m->of);
    free(m);
}

const ns_arch *ns_train_model_arch(const ns_train_model *m)
{
    return m->of.arch;
}

int64_t ns_train_model_positions(const ns_train_model *m)
{
    return m->of.arch->max_positions ? m->of.arch->max_positions : INT32_MAX;
}

/* ---- the files of a checkpoint ---- */

/* The weights are of 32 bits now, and every dtype says so, that of a wrapper's text model too. */
static char *with_dtype(char *text)
{
    char *const old = text ? ns_json_with_values(text, "torch_dtype", "float32") : NULL;
    char *const out = old ? ns_json_with_values(old, "dtype", "float32") : NULL;
    free(old);
    free(text);
    return out;
}

int ns_train_config_text(const ns_trainer *t, char **out, ns_error *err)
{
    const char *const text = t->given ? t->given->of.config : t->layout.config ? t->layout.config : t->own_config;
    char hex[65];
    const int rc = ns_train_config_sha256(&t->config, hex, err);
    if (rc != NS_OK)
        return rc;
    *out = with_dtype(ns_json_with_string(text, "train_config_sha256", hex));        /* in place of the run's that it was taken from */
    return *out ? NS_OK : ns_oom(err, "config.json");
}

int ns_train_given_files(const ns_trainer *t, const char *folder, ns_error *err)
{
    const char *const tokenizer = t->given && t->given->of.checkpoint ? ns_checkpoint_tokenizer_path(t->given->of.checkpoint) : NULL;
    return tokenizer ? ns_tokenizer_copy(tokenizer, folder, err) : NS_OK;
}
