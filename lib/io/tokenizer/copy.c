/* copy.c - a tokenizer's files, taken along to another folder. */
#include <stdlib.h>
#include <string.h>

#include "io/tokenizer/sources.h"

enum { LARGEST_FILE = 64 << 20 };

/* The other half of a pair, and what says how a tokenizer is used. */
static const char *const beside[] = {"merges.txt", "added_tokens.json", "tokenizer_config.json", "special_tokens_map.json",
                                     "chat_template.jinja", "generation_config.json"};
enum { N_BESIDE = sizeof beside / sizeof *beside };

bool ns_tokenizer_is_file(const char *path)
{
    bool is = false;
    for (int i = 0; ns_tok_source_name(i); i++)
        is |= strcmp(ns_path_base(path), ns_tok_source_name(i)) == 0;
    return is;
}

/* Where it is there. */
static int copy_file(const char *tokenizer, const char *name, const char *folder, ns_error *err)
{
    char *const from = ns_printf_alloc("%.*s%s", (int)(ns_path_base(tokenizer) - tokenizer), tokenizer, name);
    char *const to = ns_path_join(folder, name);
    char *bytes = NULL;
    size_t n = 0;
    int rc = from && to ? NS_OK : ns_oom(err, folder);
    if (rc == NS_OK && ns_path_exists(from) && (rc = ns_file_read(from, LARGEST_FILE, &bytes, &n, err)) == NS_OK)
        rc = ns_file_write(to, bytes, n, err);
    free(bytes);
    free(from);
    free(to);
    return rc;
}

int ns_tokenizer_copy(const char *path, const char *folder, ns_error *err)
{
    int rc = NS_OK;
    for (int i = 0; rc == NS_OK && ns_tok_source_name(i); i++)
        rc = copy_file(path, ns_tok_source_name(i), folder, err);
    for (int i = 0; rc == NS_OK && i < N_BESIDE; i++)
        rc = copy_file(path, beside[i], folder, err);
    return rc;
}
