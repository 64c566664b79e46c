/* nll.h - what a model loses on texts: log p of every token, in the whole text or in windows of it; and LongPPL (arXiv 2410.23771), the
 * perplexity of the tokens that need a long context. Definitions: docs/losses.md.
 *
 * A token's place in its text counts from 0; token 0 is not predicted. Windows: the first K tokens see all before them; behind, window w
 * has the tokens [w S, w S + K + S), and its last S are scored: they see K to K + S - 1 tokens. */
#ifndef NEEDLESCOPE_NLL_H
#define NEEDLESCOPE_NLL_H

#include <needlescope/answer.h>
#include <needlescope/kind.h>
#include <needlescope/model.h>
#include <needlescope/provenance.h>
#include <needlescope/tokenizer.h>

NS_BEGIN

typedef struct ns_nll_params {
    size_t      size;
    int64_t     context;          /* K of the pass; 0 = the whole text */
    int64_t     stride;           /* S of all windows; 0 = 1024 */
    int64_t     short_context;    /* K of a second pass, whose losses stand beside; 0 = none (4096 with make_keys) */
    const char *keys;             /* file of key intervals, a line a text: their texts are tokenised without special tokens. NULL = none */
    const char *make_keys;        /* this model is the evaluator: the file to write the tokens to that both passes say; NULL = none */
    const ns_tokenizer *tokenizer;        /* that the texts were tokenised with; of keys and make_keys alone */
    void      (*progress)(void *user, double fraction);
    bool      (*cancelled)(void *user);
    void       *user;
} ns_nll_params;

typedef struct ns_nll_text {
    const ns_case *c;             /* borrowed: the cases must outlive this */
    int32_t *tokens;  int64_t n;  /* the prompt, and the answer behind it */
    int64_t  shift;               /* so many tokens of the case (a BOS) are not among them */
    float   *log_p;               /* [n] NaN: token 0 */
    float   *log_p_short;         /* [n] in the short context; NULL = not asked for */
    int64_t *distance;            /* [n] ns_nll_distances */
    uint8_t *key;                 /* [n] it is a key token; NULL = not asked for */
    int64_t *begin, *end;         /* [n] characters of the text; NULL without keys */
} ns_nll_text;

typedef struct ns_nll {
    ns_nll_text *list;  int64_t n;
    int64_t      context, stride, short_context;       /* as they were used; context 0 = the whole text */
    bool         keys_read, keys_found;
    char         cases_sha256[65], keys_sha256[65];    /* of the file of keys; "" = none, or of a stream */
    ns_fact_list made_with;       /* what is said of the model */
} ns_nll;
/* NS_E_FORMAT: a file of keys that has other lines than texts, or an interval beyond its text; NS_E_ARG: no text that is longer than the
 * short context, or one that is not where keys are to be found; a text whose characters are not known where keys are read or found.
 * NS_STOP when cancelled. */
NS_API bool ns_nll_characters(const ns_nll_params *);      /* is a tokenizer needed? */
NS_API NS_MUST_CHECK int ns_nll_run(ns_nll **out, const ns_model *, const ns_cases *, const ns_nll_params *, ns_error *);
NS_API void ns_nll_free(ns_nll *);

/* exp(sum of the losses of key tokens / their number); NaN without any. n_keys may be NULL. */
NS_API double ns_nll_longppl(const ns_nll *, int64_t *n_keys);
/* Kinds of file that a file of keys may pass for, by its first character. */
#define NS_NLL_KEYS (NS_KINDS(NS_KIND_TEXT) | NS_KINDS(NS_KIND_JSON))
/* "[a, b];[c, d]" a text: key tokens as intervals of characters, adjacent ones merged, as LongPPL's code reads them. */
NS_API NS_MUST_CHECK int ns_nll_write_keys(const ns_nll *, const char *path, ns_error *);
/* The tokens back from token i to where it and the token before it stand together last before; 0: nowhere. distance[n]. */
NS_API NS_MUST_CHECK int ns_nll_distances(const int32_t *tokens, int64_t n, int64_t *distance, ns_error *);
/* Losses over all texts, by text, by position, by distance and by span; LongPPL. per_token: and token by token. */
NS_API void ns_nll_tell(const ns_nll *, bool per_token, const ns_answer *);
/* nll.h5: axes text, token; lib/record/schema.md. */
NS_API NS_MUST_CHECK int ns_nll_write(const ns_nll *, const char *path, const ns_provenance *by, ns_error *);

NS_END
#endif
