/* bpe_scores.c - "scores" in place of "merges": a BPE as SentencePiece has it (and so GGUF). The neighbours that are joined are those whose
 * piece has the highest score, the leftmost among equals. That is a table of merges: every piece in every way in which it falls into two
 * others, at the rank of its score, equal scores at one rank.
 *
 * "longest_first": the converters of transformers (generate_merges) give every way a rank of its own instead. */
#include <stdlib.h>
#include <string.h>

#include "io/tokenizer/tok.h"

#define STEPS ((int64_t)1 << 30)         /* bytes squared: of 256,000 pieces of 64 bytes, where real ones have seven */

typedef struct ranked { double score; int32_t id; } ranked;

static int by_score(const void *a, const void *b)
{
    const ranked *const x = a, *const y = b;
    return x->score != y->score ? (x->score < y->score) - (x->score > y->score) : (x->id > y->id) - (x->id < y->id);
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

/* A way in which a piece falls into two others. */
typedef struct way { double score; int32_t id, left, right; uint32_t left_chars, right_chars; } way;
typedef struct way_list { way *item; int64_t n, capacity, steps; } way_list;      /* steps: bytes that may still be looked at */

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

static int add_ways(way_list *list, const ns_tok_vocab *vocab, ranked piece, const char *path, ns_error *err)
{
    const char *const text = ns_tok_vocab_text(vocab, piece.id);
    const int64_t n = vocab->length[piece.id];
    uint32_t code;
    list->steps -= n * n;
    if (list->steps < 0)
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: its pieces are so long that to look for their parts takes more than the %lld steps that "
                       "a file has: those of piece %d are %lld (is the file damaged?)", path, (long long)STEPS, piece.id,
                       (long long)(n * n));
    for (int64_t at = text && n ? ns_tok_next(text, &code) : n; at < n; at += ns_tok_next(text + at, &code)) {
        const int32_t left = ns_tok_vocab_find(vocab, text, (size_t)at);
        const int32_t right = left < 0 ? -1 : ns_tok_vocab_find(vocab, text + at, (size_t)(n - at));
        if (left < 0 || right < 0)
            continue;
        if (list->n == TOK_MOST)
            return ns_fail(err, NS_E_UNSUPPORTED, "%s: its pieces fall into others in more than %d ways (is the file damaged?)", path,
                           TOK_MOST);
        if (!ns_grow(&list->item, &list->capacity, list->n + 1, sizeof *list->item))
            return ns_oom(err, path);
        list->item[list->n++] = (way){piece.score, piece.id, left, right, characters(text, at), characters(text + at, n - at)};
    }
    return NS_OK;
}

/* Best first: equal scores have one rank, or (each) every way its own. */
static void put_ways(ns_tok_merges *merges, const way_list *list, bool each)
{
    int32_t rank = 0;
    for (int64_t i = 0; i < list->n; i++) {
        const way *const w = &list->item[i];
        rank += i && (each || w->score != w[-1].score);
        ns_tok_merge_put(merges, (ns_tok_merge){(uint32_t)w->left, (uint32_t)w->right, rank, w->id});
    }
}

int ns_tok_scores_read(ns_tok_model *model, const cJSON *scores, bool longest_first, const char *path, ns_error *err)
{
    const ns_tok_vocab *const vocab = &model->vocab;
    ranked *const pieces = ns_alloc_array((size_t)vocab->ids, sizeof *pieces);
    way_list list = {.steps = STEPS};
    int64_t n = 0;
    int rc = pieces ? rank_pieces(vocab, scores, pieces, &n, path, err) : ns_oom(err, path);
    for (int64_t i = 0; i < n && rc == NS_OK; i++)
        rc = add_ways(&list, vocab, pieces[i], path, err);
    if (rc == NS_OK && longest_first && list.n)
        qsort(list.item, (size_t)list.n, sizeof *list.item, by_way);
    rc = rc != NS_OK ? rc : ns_tok_merges_init(&model->merges, list.n, path, err);
    if (rc == NS_OK)
        put_ways(&model->merges, &list, longest_first);
    free(list.item);
    free(pieces);
    return rc;
}
