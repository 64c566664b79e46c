/* bpe_scores.c - "scores" in place of "merges": a BPE as SentencePiece has it (and so GGUF). The neighbours that are joined are those whose
 * piece has the highest score, the leftmost among equals. That is a table of merges: every piece in every way in which it falls into two
 * others, at the rank of its score, equal scores at one rank.
 *
 * "longest_first": the converters of transformers (generate_merges) give every way a rank of its own instead. */
#include <stdlib.h>
#include <string.h>

#include "io/tokenizer/tok.h"

typedef struct ranked { double score; int32_t id; } ranked;

static int by_score(const void *a, const void *b)
{
    const ranked *const x = a, *const y = b;
    return x->score != y->score ? (x->score < y->score) - (x->score > y->score) : (x->id > y->id) - (x->id < y->id);
}

/* Calls put_pair's table, or only counts where it is NULL: the ways in which piece id falls into two others. */
static int64_t split_piece(const ns_tok_vocab *vocab, const int32_t *rank_of, int32_t id, ns_tok_merges *into)
{
    const char *const text = ns_tok_vocab_text(vocab, id);
    const int64_t n = vocab->length[id];
    int64_t ways = 0;
    uint32_t code;
    for (int64_t at = text && n ? ns_tok_next(text, &code) : n; at < n; at += ns_tok_next(text + at, &code)) {
        const int32_t left = ns_tok_vocab_find(vocab, text, (size_t)at);
        const int32_t right = left < 0 ? -1 : ns_tok_vocab_find(vocab, text + at, (size_t)(n - at));
        if (left < 0 || right < 0)
            continue;
        ways++;
        if (into)
            ns_tok_merge_put(into, (ns_tok_merge){(uint32_t)left, (uint32_t)right, rank_of[id], id});
    }
    return ways;
}

/* The pieces with scores, best first; NULL and *n = 0 where there is none. */
static int rank_pieces(const ns_tok_vocab *vocab, const cJSON *scores, ranked *list, int64_t *n, const char *path, ns_error *err)
{
    int64_t id = 0;
    *n = 0;
    for (const cJSON *item = scores->child; item; item = item->next, id++) {
        if (id >= vocab->ids || (!cJSON_IsNumber(item) && !cJSON_IsNull(item)))
            return ns_fail(err, NS_E_FORMAT, "%s: 'scores' is not a number or null for each of %lld ids", path, (long long)vocab->ids);
        if (cJSON_IsNumber(item))
            list[(*n)++] = (ranked){item->valuedouble, (int32_t)id};
    }
    if (id != vocab->ids)
        return ns_fail(err, NS_E_FORMAT, "%s: %lld scores for %lld ids", path, (long long)id, (long long)vocab->ids);
    qsort(list, (size_t)*n, sizeof *list, by_score);
    return NS_OK;
}

/* ---- as transformers makes merges of scores ---- */

/* A way in which a piece falls into two. */
typedef struct way { double score; int32_t id, left, right; uint32_t left_chars, right_chars; } way;
typedef struct way_list { way *item; int64_t n, capacity; } way_list;

/* By score, best first, then by how long the left and the right part are, longest first, then by ids. */
static int by_way(const void *a, const void *b)
{
    const way *const x = a, *const y = b;
    if (x->score != y->score)
        return (x->score < y->score) - (x->score > y->score);
    if (x->left_chars != y->left_chars)
        return (x->left_chars < y->left_chars) - (x->left_chars > y->left_chars);
    if (x->right_chars != y->right_chars)
        return (x->right_chars < y->right_chars) - (x->right_chars > y->right_chars);
    if (x->id != y->id)
        return (x->id > y->id) - (x->id < y->id);
    return x->left != y->left ? (x->left > y->left) - (x->left < y->left) : (x->right > y->right) - (x->right < y->right);
}

static uint32_t characters(const char *s, int64_t n)
{
    uint32_t count = 0;
    for (int64_t i = 0; i < n; i++)
        count += ((uint8_t)s[i] & 0xC0) != 0x80;
    return count;
}

static bool add_ways(way_list *list, const ns_tok_vocab *vocab, ranked piece)
{
    const char *const text = ns_tok_vocab_text(vocab, piece.id);
    const int64_t n = vocab->length[piece.id];
    uint32_t code;
    for (int64_t at = text && n ? ns_tok_next(text, &code) : n; at < n; at += ns_tok_next(text + at, &code)) {
        const int32_t left = ns_tok_vocab_find(vocab, text, (size_t)at);
        const int32_t right = left < 0 ? -1 : ns_tok_vocab_find(vocab, text + at, (size_t)(n - at));
        if (left < 0 || right < 0)
            continue;
        if (!ns_grow(&list->item, &list->capacity, list->n + 1, sizeof *list->item))
            return false;
        list->item[list->n++] = (way){piece.score, piece.id, left, right, characters(text, at), characters(text + at, n - at)};
    }
    return true;
}

/* Every way has a rank of its own. */
static int rank_ways(ns_tok_model *model, const ranked *pieces, int64_t n, const char *path, ns_error *err)
{
    way_list list = {0};
    bool good = true;
    for (int64_t i = 0; i < n && good; i++)
        good = add_ways(&list, &model->vocab, pieces[i]);
    if (list.n)
        qsort(list.item, (size_t)list.n, sizeof *list.item, by_way);
    const int rc = good && list.n < INT32_MAX ? ns_tok_merges_init(&model->merges, list.n, path, err) : ns_oom(err, path);
    for (int64_t i = 0; i < list.n && rc == NS_OK; i++)
        ns_tok_merge_put(&model->merges, (ns_tok_merge){(uint32_t)list.item[i].left, (uint32_t)list.item[i].right, (int32_t)i,
                                                        list.item[i].id});
    free(list.item);
    return rc;
}

int ns_tok_scores_read(ns_tok_model *model, const cJSON *scores, bool longest_first, const char *path, ns_error *err)
{
    const ns_tok_vocab *const vocab = &model->vocab;
    ranked *const list = ns_alloc_array((size_t)vocab->ids, sizeof *list);
    int32_t *const rank_of = ns_alloc_array((size_t)vocab->ids, sizeof *rank_of);
    int64_t n = 0, ways = 0;
    int rc = list && rank_of ? rank_pieces(vocab, scores, list, &n, path, err) : ns_oom(err, path);
    if (rc == NS_OK && longest_first)
        rc = rank_ways(model, list, n, path, err);
    for (int64_t i = 0; i < n && rc == NS_OK && !longest_first; i++) {
        rank_of[list[i].id] = i == 0 ? 0 : rank_of[list[i - 1].id] + (list[i].score != list[i - 1].score);
        ways += split_piece(vocab, rank_of, list[i].id, NULL);
    }
    rc = rc != NS_OK || longest_first ? rc : ns_tok_merges_init(&model->merges, ways, path, err);
    for (int64_t i = 0; i < n && rc == NS_OK && !longest_first; i++)
        split_piece(vocab, rank_of, list[i].id, &model->merges);
    free(rank_of);
    free(list);
    return rc;
}
