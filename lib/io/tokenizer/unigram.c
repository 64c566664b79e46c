/* unigram.c - Unigram: of all ways to cut a word into entries the one whose scores add up highest (Viterbi, from the left; of two equal
 * ways the one found first). A character that no entry of its own has may be unknown, for less than any entry; unknown characters in a row
 * are one token. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/tokenizer/tok.h"

#define UNKNOWN_PENALTY 10.0

/* The best way to an end: the token that ends it, and where that begins. next: where the token that begins here ends, on the way chosen. */
typedef struct ns_tok_best { double score; int32_t id; uint32_t begin, next; bool reached; } ns_tok_best;

static void offer(ns_tok_best *to, double score, int32_t id, int64_t begin)
{
    if (!to->reached || score > to->score)
        *to = (ns_tok_best){.score = score, .id = id, .begin = (uint32_t)begin, .reached = true};
}

/* All entries that begin at `at`, whose first character has so many bytes. */
static int offer_from(ns_tok_work *w, const char *s, int64_t n, int64_t at, int size)
{
    const ns_tok_model *const model = &w->tok->model;
    const double before = w->best[at].score;
    bool single = false;
    int64_t end = at;
    for (uint32_t node = 0; end < n && (node = ns_tok_lexicon_child(&model->lexicon, node, (uint8_t)s[end])) != 0; ) {
        const int32_t id = model->lexicon.id[node];
        end++;
        if (id < 0)
            continue;
        offer(&w->best[end], model->score[id] + before, id, at);
        single |= end - at == size;
    }
    w->steps -= end - at;
    if (w->steps < 0)
        return ns_fail(w->err, NS_E_UNSUPPORTED, "%s: its entries overlap so much that the steps that a text has were used up (tokenize "
                       "this text elsewhere and give ids)", w->tok->path);
    if (single)
        return NS_OK;
    if (model->unk < 0)
        return ns_tok_no_unknown(w, s + at, size);
    offer(&w->best[at + size], model->unknown_score + before, model->unk, at);
    return NS_OK;
}

static int find_best(ns_tok_work *w, const char *s, int64_t n)
{
    if (!ns_tok_grow(&w->best, &w->best_capacity, n + 1, sizeof *w->best))
        return ns_oom(w->err, "the best cut of a word");
    for (int64_t i = 0; i <= n; i++)
        w->best[i] = (ns_tok_best){.reached = false};
    int rc = NS_OK;
    for (int64_t at = 0; at < n && rc == NS_OK; ) {
        uint32_t code;
        const int size = ns_tok_next(s + at, &code);
        rc = offer_from(w, s, n, at, size);
        at += size;
    }
    for (int64_t end = n; end > 0 && rc == NS_OK; end = w->best[end].begin)
        w->best[w->best[end].begin].next = (uint32_t)end;
    return rc;
}

/* Characters [begin, end) without an entry: their bytes, else the unknown token. */
static int put_unknown(ns_tok_work *w, const char *s, int64_t begin, int64_t end)
{
    const ns_tok_model *const model = &w->tok->model;
    const size_t n = (size_t)(end - begin);
    const int32_t id = ns_tok_vocab_find(&model->vocab, s + begin, n);
    if (id >= 0)
        return ns_tok_cut_put(w, id, begin, end);
    if (!model->byte_fallback || !ns_tok_bytes_known(model, s + begin, n))
        return ns_tok_cut_put(w, model->unk, begin, end);
    int rc = NS_OK;
    for (int64_t i = begin; i < end && rc == NS_OK; i++)
        rc = ns_tok_cut_put(w, model->byte_id[(uint8_t)s[i]], begin, end);
    return rc;
}

static int encode(ns_tok_work *w, const char *s, int64_t n)
{
    const int32_t unk = w->tok->model.unk;
    int rc = find_best(w, s, n);
    for (int64_t at = 0, end; at < n && rc == NS_OK; at = end) {
        end = w->best[at].next;
        const int32_t id = w->best[end].id;
        while (id == unk && end < n && w->best[w->best[end].next].id == unk)
            end = w->best[end].next;
        rc = id == unk ? put_unknown(w, s, at, end) : ns_tok_cut_put(w, id, at, end);
    }
    return rc;
}

/* ---- reading ---- */

/* A number of a JSON text as serde_json, and so `tokenizers`, reads it: its digits divided by a power of ten, which can miss the nearest
 * double by one. Equal ways to cut a word are told apart by such bits. */
static double as_serde(double value)
{
    char text[32];
    int digits = 1;
    do
        snprintf(text, sizeof text, "%.*e", digits - 1, value);
    while (strtod(text, NULL) != value && digits++ < 17);
    char *const e = strchr(text, 'e');
    if (!e)
        return value;
    const int exponent = (int)strtol(e + 1, NULL, 10) - (digits - 1);
    uint64_t significand = 0;
    for (const char *c = text; c < e; c++)
        if (*c >= '0' && *c <= '9')
            significand = significand * 10 + (uint64_t)(*c - '0');
    if (exponent < -300 || exponent > 300)
        return value;
    snprintf(text, sizeof text, "1e%d", abs(exponent));
    const double power = strtod(text, NULL), made = exponent < 0 ? (double)significand / power : (double)significand * power;
    return value < 0 ? -made : made;
}

static int read_entry(const cJSON *item, int64_t id, const char **text, double *score, const char *path, ns_error *err)
{
    const cJSON *const name = cJSON_IsArray(item) ? item->child : NULL, *const number = name ? name->next : NULL;
    if (!cJSON_IsString(name) || !cJSON_IsNumber(number) || number->next || !isfinite(number->valuedouble))
        return ns_fail(err, NS_E_FORMAT, "%s: entry %lld of the Unigram vocabulary is not [text, score]", path, (long long)id);
    *text = name->valuestring;
    *score = number->valuedouble;
    return NS_OK;
}

/* From the end: of equal entries the last is the one that a text finds. */
static int read_vocab(ns_tok_model *model, const cJSON *json, const char *path, ns_error *err)
{
    const cJSON *const list = cJSON_GetObjectItemCaseSensitive(json, "vocab");
    const bool exact = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(json, "exact_scores"));
    if (!cJSON_IsArray(list) || !list->child)
        return ns_fail(err, NS_E_FORMAT, "%s: the Unigram model has no list 'vocab'", path);
    const int64_t n = cJSON_GetArraySize(list);
    model->score = ns_alloc_array((size_t)n, sizeof *model->score);
    model->unknown_score = INFINITY;
    int rc = model->score ? ns_tok_vocab_init(&model->vocab, n, n, path, err) : ns_oom(err, path);
    int64_t id = n - 1;
    for (const cJSON *item = list->child->prev; id >= 0 && rc == NS_OK; item = item->prev, id--) {
        const char *text = NULL;
        rc = read_entry(item, id, &text, &model->score[id], path, err);
        if (rc == NS_OK)
            rc = ns_tok_vocab_add(&model->vocab, text, strlen(text), (int32_t)id, path, err);
        if (!exact)
            model->score[id] = as_serde(model->score[id]);
        model->unknown_score = fmin(model->unknown_score, model->score[id]);
    }
    model->unknown_score -= UNKNOWN_PENALTY;
    return rc;
}

static int read(ns_tok_model *model, const cJSON *json, const char *path, ns_error *err)
{
    int64_t unk;
    int rc = ns_json_i64(json, "unk_id", -1, &unk, path, err);
    if (rc == NS_OK)
        rc = ns_json_bool(json, "byte_fallback", false, &model->byte_fallback, path, err);
    if (rc == NS_OK && unk >= model->vocab.ids)
        return ns_fail(err, NS_E_FORMAT, "%s: unk_id is %lld, and the vocabulary has %lld entries", path, (long long)unk,
                       (long long)model->vocab.ids);
    model->unk = rc == NS_OK && unk >= 0 ? (int32_t)unk : -1;
    ns_tok_index_bytes(model);
    return rc != NS_OK ? rc : ns_tok_lexicon_build(&model->lexicon, &model->vocab, path, err);
}

const ns_tok_model_kind ns_tok_unigram = {"Unigram", read_vocab, read, encode};
