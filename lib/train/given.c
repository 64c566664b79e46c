/* given.c - a model to train that is no pattern of letters: a description, a config.json, or a checkpoint whose weights are the first
 * values. */
#include "train/internal.h"

#include <stdlib.h>
#include <string.h>

enum { LARGEST_FILE = 64 << 20 };

/* What a tokenizer is made of, and what stands beside it. */
static const char *const copied[] = {
    "tokenizer.json", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "vocab.json", "merges.txt", "vocab.txt",
    "added_tokens.json", "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja", "generation_config.json",
};
enum { N_COPIED = sizeof copied / sizeof *copied };

static bool is_copied(const char *path)
{
    for (int i = 0; i < N_COPIED; i++)
        if (strcmp(ns_path_base(path), copied[i]) == 0)
            return true;
    return false;
}

/* Each step is to be as complete as what the run went on from: a tokenizer is a file that is copied into it. */
static int check_tokenizer(const ns_described *of, ns_error *err)
{
    const char *const tokenizer = of->checkpoint ? ns_checkpoint_tokenizer_path(of->checkpoint) : NULL;
    return !tokenizer || is_copied(tokenizer)
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

/* Where the text begins that is the value of this key, quotes around both; NULL: `at` is no such key, or its value no plain text. */
static const char *value_of(const char *at, const char *key)
{
    static const char space[] = " \t\r\n";
    const size_t n = strlen(key);
    if (strncmp(at, key, n) != 0)
        return NULL;
    at += n + strspn(at + n, space);
    if (*at++ != ':')
        return NULL;
    at += strspn(at, space);
    return *at == '"' && at[1 + strcspn(at + 1, "\"\\")] == '"' ? at + 1 : NULL;
}

/* The weights are of 32 bits now, and every dtype says so, that of a wrapper's text model too. Quotes in a text are escaped: `"dtype"`
 * with a colon behind it is a key. Every other byte stays. */
static char *with_dtype(char *text)
{
    static const char of_32_bits[] = "float32";
    char *const out = text ? ns_alloc_array(2 * strlen(text) + 1, 1) : NULL;      /* `"dtype":""` is 10, and grows by 7 */
    size_t n = 0;
    for (const char *at = text; out && *at;) {
        const char *value = value_of(at, "\"dtype\"");
        value = value ? value : value_of(at, "\"torch_dtype\"");
        for (; at < value; at++)
            out[n++] = *at;
        if (value) {
            memcpy(out + n, of_32_bits, sizeof of_32_bits - 1);
            n += sizeof of_32_bits - 1;
            at += strcspn(at, "\"");
        } else {
            out[n++] = *at++;
        }
    }
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

static int copy_file(const char *from, const char *to, ns_error *err)
{
    char *bytes = NULL;
    size_t n = 0;
    int rc = ns_file_read(from, LARGEST_FILE, &bytes, &n, err);
    if (rc == NS_OK)
        rc = ns_file_write(to, bytes, n, err);
    free(bytes);
    return rc;
}

/* What stands beside the tokenizer of the checkpoint that training went on from, so that each step is as complete as that was. */
int ns_train_given_files(const ns_trainer *t, const char *folder, ns_error *err)
{
    const char *const tokenizer = t->given && t->given->of.checkpoint ? ns_checkpoint_tokenizer_path(t->given->of.checkpoint) : NULL;
    int rc = NS_OK;
    for (int i = 0; tokenizer && i < N_COPIED && rc == NS_OK; i++) {
        char *const from = ns_printf_alloc("%.*s%s", (int)(ns_path_base(tokenizer) - tokenizer), tokenizer, copied[i]);
        char *const to = ns_path_join(folder, copied[i]);
        rc = !from || !to ? ns_oom(err, folder) : ns_path_exists(from) ? copy_file(from, to, err) : NS_OK;
        free(from);
        free(to);
    }
    return rc;
}
