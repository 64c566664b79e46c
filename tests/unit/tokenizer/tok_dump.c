/* tok_dump.c - the C side of referee.py:  tok_dump TOKENIZER.json < texts > answers
 * A text is a native 32-bit length and its bytes. An answer is one line of four fields: tokens "id:begin:end" with special tokens
 * added, the same without, and the two decodings of the former (special tokens kept, skipped) in hexadecimal. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/core.h"
#include <needlescope/tokenizer.h>

static void print_tokens(const ns_encoding *e)
{
    for (int64_t i = 0; i < e->n; i++)
        printf("%s%d:%lld:%lld", i ? " " : "", e->ids[i], (long long)e->begin[i], (long long)e->end[i]);
    putchar('\t');
}

static int print_decoded(const ns_tokenizer *tok, const ns_encoding *e, bool skip_special, ns_error *err)
{
    char *text;
    const int rc = ns_decode(tok, e->ids, e->n, skip_special, &text, err);
    if (rc != NS_OK)
        return rc;
    for (const char *s = text; *s; s++)
        printf("%02x", (unsigned char)*s);
    free(text);
    putchar(skip_special ? '\n' : '\t');
    return NS_OK;
}

static int answer(const ns_tokenizer *tok, const char *text, size_t n, ns_error *err)
{
    ns_encoding with = {0}, without = {0};
    int rc = ns_encode(tok, text, n, true, &with, err);
    if (rc == NS_OK)
        rc = ns_encode(tok, text, n, false, &without, err);
    if (rc == NS_OK) {
        print_tokens(&with);
        print_tokens(&without);
        rc = print_decoded(tok, &with, false, err);
    }
    if (rc == NS_OK)
        rc = print_decoded(tok, &with, true, err);
    ns_encoding_clear(&with);
    ns_encoding_clear(&without);
    return rc;
}

int main(int argc, char **argv)
{
    ns_error err = {0};
    ns_tokenizer *tok = NULL;
    int rc = argc == 2 ? ns_tokenizer_open(&tok, argv[1], &err) : ns_fail(&err, NS_E_ARG, "usage: tok_dump TOKENIZER.json < texts");
    uint32_t n;
    while (rc == NS_OK && fread(&n, sizeof n, 1, stdin) == 1) {
        char *const text = malloc((size_t)n + 1);
        rc = text && fread(text, 1, n, stdin) == n ? answer(tok, text, n, &err) : ns_fail(&err, NS_E_IO, "a text is cut short");
        free(text);
    }
    ns_tokenizer_free(tok);
    if (rc != NS_OK)
        fprintf(stderr, "tok_dump: %s\n", err.message);
    return rc != NS_OK;
}
