/* wordpiece.c - WordPiece: from the left the longest entry that goes on, where entries within a word carry a prefix ("##"); a word that
 * cannot be cut to its end is unknown as a whole. And WordLevel, whose entries are words. */
#include <stdlib.h>
#include <string.h>

#include "io/tokenizer/tok.h"

/* A word that the vocabulary does not have: every id of a model that needs the token and lacks it would be wrong. */
static int put_unknown(ns_tok_work *w, const char *s, int64_t n)
{
    const int32_t unk = w->tok->model.unk;
    w->cuts_n = 0;
    return unk >= 0 ? ns_tok_cut_put(w, unk, 0, n) : ns_tok_no_unknown(w, s, n);
}

static bool is_too_long(const char *s, int64_t n, int64_t characters)
{
    uint32_t code;
    int64_t at = 0;
    for (; at < n && characters > 0; characters--)
        at += ns_tok_next(s + at, &code);
    return at < n;
}

/* The end of the longest entry from begin on; begin: there is none. */
static int64_t longest_from(const ns_tok_model *model, const char *s, int64_t n, int64_t begin, int32_t *id)
{
    uint32_t node = begin ? model->inner : 0;
    int64_t end = begin;
    const bool none = begin && !node && model->prefix;
    for (int64_t at = begin; at < n && !none && (node = ns_tok_lexicon_child(&model->lexicon, node, (uint8_t)s[at])) != 0; at++)
        if (model->lexicon.id[node] >= 0) {
            *id = model->lexicon.id[node];
            end = at + 1;
        }
    return end;
}

static int encode(ns_tok_work *w, const char *s, int64_t n)
{
    const ns_tok_model *const model = &w->tok->model;
    if (is_too_long(s, n, model->longest_word))
        return put_unknown(w, s, n);
    int rc = NS_OK;
    for (int64_t at = 0; at < n && rc == NS_OK; ) {
        int32_t id = -1;
        const int64_t end = longest_from(model, s, n, at, &id);
        if (end == at)
            return put_unknown(w, s, n);
        w->steps -= end - at;
        rc = ns_tok_cut_put(w, id, at, end);
        at = end;
    }
    return rc;
}

static uint32_t node_behind(const ns_tok_lexicon *l, const char *prefix)
{
    uint32_t node = 0;
    for (const char *p = prefix; p && *p; p++)
        if ((node = ns_tok_lexicon_child(l, node, (uint8_t)*p)) == 0)
            return 0;
    return node;
}

static int read(ns_tok_model *model, const cJSON *json, const char *path, ns_error *err)
{
    int rc = ns_tok_read_affix(&model->prefix, json, "continuing_subword_prefix", path, err);
    if (rc == NS_OK)
        rc = ns_json_i64(json, "max_input_chars_per_word", 100, &model->longest_word, path, err);
    if (rc == NS_OK)
        rc = ns_tok_read_unknown(model, json, path, err);
    if (rc == NS_OK)
        rc = ns_tok_lexicon_build(&model->lexicon, &model->vocab, path, err);
    if (rc == NS_OK)
        model->inner = node_behind(&model->lexicon, model->prefix);
    return rc;
}

const ns_tok_model_kind ns_tok_wordpiece = {"WordPiece", ns_tok_read_vocab, read, encode};

static int encode_word(ns_tok_work *w, const char *s, int64_t n)
{
    const int32_t id = ns_tok_vocab_find(&w->tok->model.vocab, s, (size_t)n);
    return id >= 0 ? ns_tok_cut_put(w, id, 0, n) : put_unknown(w, s, n);
}

const ns_tok_model_kind ns_tok_wordlevel = {"WordLevel", ns_tok_read_vocab, ns_tok_read_unknown, encode_word};
