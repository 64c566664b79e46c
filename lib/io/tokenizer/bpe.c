/* bpe.c - byte pair encoding: characters become symbols, then the pair of neighbours with the lowest rank (the leftmost among equals)
 * is merged until no pair is in the table. A heap holds candidate pairs by (rank, position); entries that a merge has made stale
 * are recognised when they come up. n log n, also for a text that no pre-tokenizer cut. Words are kept for the rest of the call. */
#include <stdlib.h>
#include <string.h>

#include "io/tokenizer/tok.h"

enum { CACHE = 1 << 14, CACHED_WORD = 64, CACHED_SYMBOLS = 1 << 22, FEW = 64 };

static const ns_tok_merge *find_merge(const ns_tok_merges *merges, int32_t left, int32_t right)
{
    const uint64_t mask = (uint64_t)merges->slots - 1;
    uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9E3779B97F4A7C15u;
    h ^= h >> 29;
    const ns_tok_merge *slot = &merges->slot[h & mask];
    while (slot->rank >= 0 && (slot->left != (uint32_t)left || slot->right != (uint32_t)right))
        slot = &merges->slot[++h & mask];
    return slot;   /* rank < 0: absent, and the place where it would go */
}

void ns_tok_merge_put(ns_tok_merges *merges, ns_tok_merge merge)
{
    merges->slot[find_merge(merges, (int32_t)merge.left, (int32_t)merge.right) - merges->slot] = merge;
}

/* ---- the heap ---- */

static void sift_down(ns_tok_pair *heap, int64_t n, int64_t at)
{
    const ns_tok_pair pair = heap[at];
    for (int64_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && heap[child + 1].key < heap[child].key)
            child++;
        if (pair.key <= heap[child].key)
            break;
        heap[at] = heap[child];
    }
    heap[at] = pair;
}

static ns_tok_pair heap_pop(ns_tok_work *w)
{
    const ns_tok_pair top = w->heap[0];
    w->heap[0] = w->heap[--w->heap_n];
    if (w->heap_n > 0)
        sift_down(w->heap, w->heap_n, 0);
    return top;
}

static void heap_push(ns_tok_work *w, ns_tok_pair pair)
{
    int64_t at = w->heap_n++;
    for (; at > 0 && pair.key < w->heap[(at - 1) / 2].key; at = (at - 1) / 2)
        w->heap[at] = w->heap[(at - 1) / 2];
    w->heap[at] = pair;
}

static bool candidate(const ns_tok_work *w, int32_t position, ns_tok_pair *out)
{
    const ns_tok_symbol *const s = &w->symbols[position];
    if (s->next < 0)
        return false;
    const ns_tok_merge *const merge = find_merge(&w->tok->bpe.merges, s->id, w->symbols[s->next].id);
    *out = (ns_tok_pair){(uint64_t)(uint32_t)merge->rank << 32 | (uint32_t)position, merge->id};
    return merge->rank >= 0;
}

/* Every merge takes one symbol away and adds at most two pairs, so the heap never holds more than 2 n. */
static int merge_all(ns_tok_work *w)
{
    const int32_t n = (int32_t)w->symbols_n;
    if (!ns_grow(&w->heap, &w->heap_capacity, 2 * (int64_t)n, sizeof *w->heap))
        return ns_oom(w->err, "the merges of a word");
    ns_tok_pair pair;
    w->heap_n = 0;
    for (int32_t i = 0; i + 1 < n; i++)
        if (candidate(w, i, &pair))
            w->heap[w->heap_n++] = pair;
    for (int64_t i = w->heap_n / 2 - 1; i >= 0; i--)
        sift_down(w->heap, w->heap_n, i);
    while (w->heap_n > 0) {
        const ns_tok_pair top = heap_pop(w);
        const int32_t position = (int32_t)(top.key & 0xFFFFFFFFu);
        ns_tok_symbol *const left = &w->symbols[position];
        if (left->n == 0 || !candidate(w, position, &pair) || pair.id != top.id)
            continue;   /* one of the two has changed since */
        ns_tok_symbol *const right = &w->symbols[left->next];
        left->id = top.id;
        left->n += right->n;
        left->next = right->next;
        right->n = 0;   /* gone */
        if (left->next >= 0)
            w->symbols[left->next].prev = position;
        if (left->prev >= 0 && candidate(w, left->prev, &pair))
            heap_push(w, pair);
        if (candidate(w, position, &pair))
            heap_push(w, pair);
    }
    int64_t kept = 0;
    for (int32_t i = 0; i < n; i++)
        if (w->symbols[i].n > 0)
            w->symbols[kept++] = w->symbols[i];
    w->symbols_n = kept;
    return NS_OK;
}

/* ---- characters to symbols ---- */

static int add_symbol(ns_tok_work *w, int32_t id, uint32_t n)
{
    if (!ns_grow(&w->symbols, &w->symbols_capacity, w->symbols_n + 1, sizeof *w->symbols))
        return ns_oom(w->err, "the symbols of a word");
    const int32_t at = (int32_t)w->symbols_n++;
    if (at > 0)
        w->symbols[at - 1].next = at;
    w->symbols[at] = (ns_tok_symbol){id, at - 1, -1, n};
    return NS_OK;
}

/* The character as the vocabulary writes it inside or at the end of a word: its id and its bytes, in buffer where it is decorated. */
static int32_t char_id(const ns_tok_bpe *bpe, const char **s, size_t *n, bool first, bool last, char *buffer)
{
    uint32_t code;
    if (!bpe->prefix && !bpe->suffix) {
        ns_tok_next(*s, &code);
        return code < TOK_DIRECT ? bpe->direct[code] : ns_tok_vocab_find(&bpe->vocab, *s, *n);
    }
    const char *const prefix = !first && bpe->prefix ? bpe->prefix : "", *const suffix = last && bpe->suffix ? bpe->suffix : "";
    const size_t before = strlen(prefix), after = strlen(suffix);
    memcpy(buffer, prefix, before);
    memcpy(buffer + before, *s, *n);
    memcpy(buffer + before + *n, suffix, after);
    *s = buffer;
    *n += before + after;
    return ns_tok_vocab_find(&bpe->vocab, *s, *n);
}

static bool bytes_known(const ns_tok_bpe *bpe, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (bpe->byte_id[(uint8_t)s[i]] < 0)
            return false;
    return true;
}

/* Unknown characters wait in *unknown, so that fuse_unk can join them. Bytes of a fallback overtake a waiting unknown, as they do in
 * `tokenizers`. */
static int add_char(ns_tok_work *w, const char *s, int size, bool first, bool last, uint32_t *unknown, char *buffer)
{
    const ns_tok_bpe *const bpe = &w->tok->bpe;
    size_t n = (size_t)size;
    const int32_t id = char_id(bpe, &s, &n, first, last, buffer);
    int rc = NS_OK;
    if (id >= 0) {
        if (*unknown)
            rc = add_symbol(w, bpe->unk, *unknown);
        *unknown = 0;
        return rc != NS_OK ? rc : add_symbol(w, id, (uint32_t)size);
    }
    if (bpe->byte_fallback && bytes_known(bpe, s, n)) {
        for (size_t i = 0; i < n && rc == NS_OK; i++)
            rc = add_symbol(w, bpe->byte_id[(uint8_t)s[i]], 1);
        return rc;
    }
    if (bpe->unk_missing)
        return ns_fail(w->err, NS_E_FORMAT, "%s: the text has '%.*s', which only unk_token could encode, and that is not in the vocabulary",
                       w->tok->path, size, s);
    if (bpe->unk < 0)   /* without an unknown token the character leaves no trace */
        return NS_OK;
    if (*unknown && !bpe->fuse_unk) {
        rc = add_symbol(w, bpe->unk, *unknown);
        *unknown = 0;
    }
    *unknown += (uint32_t)size;
    return rc;
}

static int encode_word(ns_tok_work *w, const char *s, int64_t n)
{
    const ns_tok_bpe *const bpe = &w->tok->bpe;
    w->symbols_n = 0;
    if (bpe->ignore_merges) {
        const int32_t id = ns_tok_vocab_find(&bpe->vocab, s, (size_t)n);
        if (id >= 0)
            return add_symbol(w, id, (uint32_t)n);
    }
    char buffer[2 * TOK_AFFIX + 4];
    uint32_t unknown = 0;
    int rc = NS_OK;
    for (int64_t at = 0; at < n && rc == NS_OK; ) {
        uint32_t code;
        const int size = ns_tok_next(s + at, &code);
        rc = add_char(w, s + at, size, at == 0, at + size == n, &unknown, buffer);
        at += size;
    }
    if (rc == NS_OK && unknown)
        rc = add_symbol(w, bpe->unk, unknown);
    return rc != NS_OK ? rc : merge_all(w);
}

/* ---- words and tokens ---- */

static int add_tokens(ns_tok_work *w, ns_tok_piece piece, const ns_tok_symbol *symbols, int64_t count)
{
    if (!ns_grow(&w->tokens, &w->tokens_capacity, w->n + count, sizeof *w->tokens))
        return ns_oom(w->err, "the tokens of a text");
    const ns_tok_span *const from = w->text.from + piece.begin;
    const int64_t n = (int64_t)piece.end - piece.begin;
    int64_t at = 0;
    for (int64_t i = 0; i < count; i++) {
        /* Affixes that fell back to bytes can claim more bytes than the word has. */
        const int64_t begin = at < n ? at : n - 1, end = at + symbols[i].n < n ? at + symbols[i].n : n;
        w->tokens[w->n++] = (ns_tok_token){symbols[i].id, -1, -1, from[begin].begin, from[end - 1].end};
        at += symbols[i].n;
    }
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
    const int64_t need = w->cached_n + w->symbols_n;
    if (w->symbols_n == 0 || need > CACHED_SYMBOLS || !ns_grow(&w->cached, &w->cached_capacity, need, sizeof *w->cached))
        return;   /* only slower, and a word that nothing is known of is no work */
    memcpy(w->cached + w->cached_n, w->symbols, (size_t)w->symbols_n * sizeof *w->cached);
    word.first = (uint32_t)w->cached_n;
    word.count = (uint32_t)w->symbols_n;
    w->cached_n += w->symbols_n;
    *slot = word;
}

static int encode_piece(ns_tok_work *w, ns_tok_piece piece)
{
    const char *const s = w->text.s + piece.begin;
    const int64_t n = (int64_t)piece.end - piece.begin;
    if (!w->cache || n > CACHED_WORD) {
        const int rc = encode_word(w, s, n);
        return rc != NS_OK ? rc : add_tokens(w, piece, w->symbols, w->symbols_n);
    }
    const uint64_t hash = hash_word(s, n);
    ns_tok_cached *const slot = &w->cache[hash & (uint64_t)(w->cache_n - 1)];
    if (slot->n == n && slot->hash == hash && memcmp(w->text.s + slot->begin, s, (size_t)n) == 0)
        return add_tokens(w, piece, w->cached + slot->first, slot->count);
    const int rc = encode_word(w, s, n);
    if (rc != NS_OK)
        return rc;
    remember(w, slot, (ns_tok_cached){.hash = hash, .begin = piece.begin, .n = (uint32_t)n});
    return add_tokens(w, piece, w->symbols, w->symbols_n);
}

static int add_added(ns_tok_work *w, ns_tok_piece piece)
{
    if (!ns_grow(&w->tokens, &w->tokens_capacity, w->n + 1, sizeof *w->tokens))
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

int ns_tok_bpe_run(ns_tok_work *w)
{
    if (w->pieces.n > FEW)
        make_cache(w);
    int rc = NS_OK;
    for (int64_t i = 0; i < w->pieces.n && rc == NS_OK; i++)
        rc = w->pieces.item[i].id >= 0 ? add_added(w, w->pieces.item[i]) : encode_piece(w, w->pieces.item[i]);
    return rc;
}
