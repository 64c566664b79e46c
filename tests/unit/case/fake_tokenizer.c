/* fake_tokenizer.c - a tokenizer simple enough to know by heart, behind the public interface: a token is a run of letters with the
 * space before it, one digit, or one other byte; a BOS (id 1) when special tokens are asked for, or for the byte 2. Ids are hashes of the
 * bytes. */
#include <ctype.h>
#include <stdlib.h>

#include <needlescope/tokenizer.h>

#include "core/core.h"

static size_t token_length(const char *text, size_t n)
{
    const size_t lead = n > 1 && text[0] == ' ' && isalpha((unsigned char)text[1]);
    size_t used = lead;
    while (used < n && isalpha((unsigned char)text[used]))
        used++;
    return used > 0 ? used : 1;
}

static int32_t token_hash(const char *text, size_t n)
{
    if (n == 1 && text[0] == 2)
        return 1;
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < n; i++)
        hash = (hash ^ (uint8_t)text[i]) * 16777619u;
    return (int32_t)(hash % 50000) + 2;
}

int ns_encode(const ns_tokenizer *t, const char *text, size_t n, bool add_special, ns_encoding *out, ns_error *err)
{
    (void)t;
    *out = (ns_encoding){0};
    out->ids = ns_alloc_array(n + 1, sizeof *out->ids);
    out->begin = ns_alloc_array(n + 1, sizeof *out->begin);
    out->end = ns_alloc_array(n + 1, sizeof *out->end);
    if (!out->ids || !out->begin || !out->end)
        return ns_oom(err, "encoding");
    if (add_special)
        out->ids[out->n++] = 1;
    for (size_t at = 0, used; at < n; at += used, out->n++) {
        used = token_length(text + at, n - at);
        out->ids[out->n] = token_hash(text + at, used);
        out->begin[out->n] = (int64_t)at;
        out->end[out->n] = (int64_t)(at + used);
    }
    return NS_OK;
}

void ns_encoding_clear(ns_encoding *e)
{
    free(e->ids);
    free(e->begin);
    free(e->end);
    *e = (ns_encoding){0};
}

/* It is in no file. */
int ns_tokenizer_chat_template(char **out, const char *path, ns_error *err)
{
    (void)path;
    (void)err;
    *out = NULL;
    return NS_OK;
}

int32_t ns_token_id(const ns_tokenizer *t, const char *token)
{
    (void)t;
    (void)token;
    return -1;
}

const char *ns_tokenizer_sha256(const ns_tokenizer *t)
{
    (void)t;
    return "fake";
}
