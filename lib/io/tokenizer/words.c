/* words.c - the pieces that are left go through the model, word by word, and become tokens of the text. Words are kept for the rest of the
 * call. */
#include <stdlib.h>
#include <string.h>

#include "io/tokenizer/tok.h"

enum { CACHE = 1 << 14, CACHED_WORD = 64, CACHED_CUTS = 1 << 22, FEW = 64 };

int ns_tok_cut_put(ns_tok_work *w, int32_t id, int64_t begin, int64_t end)
{
    if (!ns_tok_grow(&w->cuts, &w->cuts_capacity, w->cuts_n + 1, sizeof *w->cuts))
        return ns_oom(w->err, "the tokens of a word");
    w->cuts[w->cuts_n++] = (ns_tok_cut){id, (uint32_t)begin, (uint32_t)end};
    return NS_OK;
}

static int add_tokens(ns_tok_work *w, ns_tok_piece piece, const ns_tok_cut *cuts, int64_t count)
{
    if (!ns_tok_grow(&w->tokens, &w->tokens_capacity, w->n + count, sizeof *w->tokens))
        return ns_oom(w->err, "the tokens of a text");
    const ns_tok_span *const from = w->text.from + piece.begin;
    for (int64_t i = 0; i < count; i++)
        w->tokens[w->n++] = (ns_tok_token){cuts[i].id, -1, -1, from[cuts[i].begin].begin, from[cuts[i].end - 1].end};
    return NS_OK;
}

static uint64_t hash_word(const char *s, int64_t n)
{
    uint64_t h = (uint64_t)n;
    for (int64_t i = 0; i < n; i++)
        h = (h ^ (uint8_t)s[i]) * 0x100000001B3u;
    return h ^ h >> 29;
}

static void remember(ns_tok_work *w, ns_tok_cached *slot, ns_tok_cached word)
{
    const int64_t need = w->cached_n + w->cuts_n;
    if (w->cuts_n == 0 || need > CACHED_CUTS || !ns_tok_grow(&w->cached, &w->cached_capacity, need, sizeof *w->cached))
        return;   /* only slower, and a word that nothing is known of is no work */
    memcpy(w->cached + w->cached_n, w->cuts, (size_t)w->cuts_n * sizeof *w->cached);
    word.first = (uint32_t)w->cached_n;
    word.count = (uint32_t)w->cuts_n;
    w->cached_n += w->cuts_n;
    *slot = word;
}

static int cut_word(ns_tok_work *w, const char *s, int64_t n)
{
    w->cuts_n = 0;
    return w->tok->model.kind->encode(w, s, n);
}

static int encode_piece(ns_tok_work *w, ns_tok_piece piece)
{
    const char *const s = w->text.s + piece.begin;
    const int64_t n = (int64_t)piece.end - piece.begin;
    if (!w->cache || n > CACHED_WORD) {
        const int rc = cut_word(w, s, n);
        return rc != NS_OK ? rc : add_tokens(w, piece, w->cuts, w->cuts_n);
    }
    const uint64_t hash = hash_word(s, n);
    ns_tok_cached *const slot = &w->cache[hash & (uint64_t)(w->cache_n - 1)];
    if (slot->n == n && slot->hash == hash && memcmp(w->text.s + slot->begin, s, (size_t)n) == 0)
        return add_tokens(w, piece, w->cached + slot->first, slot->count);
    const int rc = cut_word(w, s, n);
    if (rc != NS_OK)
        return rc;
    remember(w, slot, (ns_tok_cached){.hash = hash, .begin = piece.begin, .n = (uint32_t)n});
    return add_tokens(w, piece, w->cuts, w->cuts_n);
}

static int add_added(ns_tok_work *w, ns_tok_piece piece)
{
    if (!ns_tok_grow(&w->tokens, &w->tokens_capacity, w->n + 1, sizeof *w->tokens))
        return ns_oom(w->err, "the tokens of a text");
    const char *const s = w->text.s + piece.begin;
    const int64_t n = (int64_t)piece.end - piece.begin;
    ns_tok_token *const token = &w->tokens[w->n++];
    *token = (ns_tok_token){.id = piece.id, .begin = w->text.from[piece.begin].begin, .end = w->text.from[piece.end - 1].end};
    ns_tok_count_white(s, n, &token->lead, &token->trail);
    return NS_OK;
}

/* Two slots a piece: a short text does not clear what a long one needs. Without the cache it is only slower. */
static void make_cache(ns_tok_work *w)
{
    for (w->cache_n = FEW; w->cache_n < CACHE && w->cache_n < 2 * w->pieces.n; )
        w->cache_n *= 2;
    w->cache = ns_alloc_array((size_t)w->cache_n, sizeof *w->cache);
}

int ns_tok_words_run(ns_tok_work *w)
{
    if (w->pieces.n > FEW)
        make_cache(w);
    int rc = NS_OK;
    for (int64_t i = 0; i < w->pieces.n && rc == NS_OK; i++)
        rc = w->pieces.item[i].id >= 0 ? add_added(w, w->pieces.item[i]) : encode_piece(w, w->pieces.item[i]);
    return rc;
}
