/* fuzz_words.h - opens what was put and uses it on a text. */
#ifndef FUZZ_WORDS_H
#define FUZZ_WORDS_H

#include "fuzz.h"

#include <needlescope/tokenizer.h>

static inline void fuzz_words_use(const ns_tokenizer *tok, const char *text, size_t n)
{
    ns_encoding e;
    ns_error err = {""};
    char *back = NULL;
    const int rc = ns_encode(tok, text, n, true, &e, &err);
    fuzz_check_outcome(rc, rc == NS_OK ? &e : NULL, &err);
    if (rc != NS_OK)
        return;
    for (int64_t i = 0; i < e.n; i++)
        fuzz_check(e.ids[i] >= 0 && e.ids[i] < ns_tokenizer_size(tok) && ns_token_text(tok, e.ids[i]) && e.begin[i] >= 0 &&
                   e.begin[i] <= e.end[i] && e.end[i] <= (int64_t)n, "ids are in the vocabulary, offsets in the text");
    const int rc2 = ns_decode(tok, e.ids, e.n, false, &back, &err);
    fuzz_check_outcome(rc2, back, &err);
    free(back);
    ns_encoding_clear(&e);
}

static inline void fuzz_words_open(const char *path, const char *text, size_t n)
{
    ns_tokenizer *tok = NULL;
    ns_error err = {""};
    const int rc = ns_tokenizer_open(&tok, path, &err);
    fuzz_check_outcome(rc, tok, &err);
    if (tok)
        fuzz_words_use(tok, text, n);
    ns_tokenizer_free(tok);
}

#endif
