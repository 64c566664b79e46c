/* bpe.c - byte pair encoding: characters become symbols, then the pair of neighbours with the lowest rank (the leftmost among equals)
 * is merged until no pair is in the table. A heap holds candidate pairs by (rank, position); entries that a merge has made stale
 * are recognised when they come up. n log n, also for a text that no pre-tokenizer cut. */
#include <stdlib.h>
#include <string.h>

#include "io/tokenizer/tok.h"

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
    const ns_tok_merge *const merge = find_merge(&w->tok->model.merges, s->id, w->symbols[s->next].id);
    *out = (ns_tok_pair){(uint64_t)(uint32_t)merge->rank << 32 | (uint32_t)position, merge->id};
    return merge->rank >= 0;
}

/* What is left of the symbols. */
static int put_symbols(ns_tok_work *w)
{
    int64_t at = 0;
    int rc = NS_OK;
    for (int64_t i = 0; i < w->symbols_n && rc == NS_OK; at += w->symbols[i++].n)
        if (w->symbols[i].n > 0)
            rc = ns_tok_cut_put(w, w->symbols[i].id, at, at + w->symbols[i].n);
    return rc;
}

/* Every merge takes one symbol away and adds at most two pairs, so the heap never holds more than 2 n. */
static int merge_all(ns_tok_work *w)
{
    const int32_t n = (int32_t)w->symbols_n;
    if (!ns_tok_grow(&w->heap, &w->heap_capacity, 2 * (int64_t)n, sizeof *w->heap))
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
    return put_symbols(w);
}

/* ---- characters to symbols ---- */

static int add_symbol(ns_tok_work *w, int32_t id, uint32_t n)
{
    if (!ns_tok_grow(&w->symbols, &w->symbols_capacity, w->symbols_n + 1, sizeof *w->symbols))
        return ns_oom(w->err, "the symbols of a word");
    const int32_t at = (int32_t)w->symbols_n++;
    if (at > 0)
        w->symbols[at - 1].next = at;
    w->symbols[at] = (ns_tok_symbol){id, at - 1, -1, n};
    return NS_OK;
}

/* The character as the vocabulary writes it inside or at the end of a word: its id and its bytes, in buffer where it is decorated. */
static int32_t char_id(const ns_tok_model *model, const char **s, size_t *n, bool first, bool last, char *buffer)
{
    uint32_t code;
    if (!model->prefix && !model->suffix) {
        ns_tok_next(*s, &code);
        return code < TOK_DIRECT ? model->direct[code] : ns_tok_vocab_find(&model->vocab, *s, *n);
    }
    const char *const prefix = !first && model->prefix ? model->prefix : "", *const suffix = last && model->suffix ? model->suffix : "";
    const size_t before = strlen(prefix), after = strlen(suffix);
    memcpy(buffer, prefix, before);
    memcpy(buffer + before, *s, *n);
    memcpy(buffer + before + *n, suffix, after);
    *s = buffer;
    *n += before + after;
    return ns_tok_vocab_find(&model->vocab, *s, *n);
}

/* Unknown characters wait in *unknown, so that fuse_unk can join them. Bytes of a fallback overtake a waiting unknown, as they do in
 * `tokenizers`. */
static int add_char(ns_tok_work *w, const char *s, int size, bool first, bool last, uint32_t *unknown, char *buffer)
{
    const ns_tok_model *const model = &w->tok->model;
    size_t n = (size_t)size;
    const int32_t id = char_id(model, &s, &n, first, last, buffer);
    int rc = NS_OK;
    if (id >= 0) {
        if (*unknown)
            rc = add_symbol(w, model->unk, *unknown);
        *unknown = 0;
        return rc != NS_OK ? rc : add_symbol(w, id, (uint32_t)size);
    }
    if (model->byte_fallback && ns_tok_bytes_known(model, s, n)) {
        for (size_t i = 0; i < n && rc == NS_OK; i++)
            rc = add_symbol(w, model->byte_id[(uint8_t)s[i]], 1);
        return rc;
    }
    if (model->unk_missing)
        return ns_tok_no_unknown(w, s, size);
    if (model->unk < 0)   /* without an unknown token the character leaves no trace */
        return NS_OK;
    if (*unknown && !model->fuse_unk) {
        rc = add_symbol(w, model->unk, *unknown);
        *unknown = 0;
    }
    *unknown += (uint32_t)size;
    return rc;
}

static int encode(ns_tok_work *w, const char *s, int64_t n)
{
    const ns_tok_model *const model = &w->tok->model;
    w->symbols_n = 0;
    if (model->ignore_merges) {
        const int32_t id = ns_tok_vocab_find(&model->vocab, s, (size_t)n);
        if (id >= 0)
            return ns_tok_cut_put(w, id, 0, n);
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
        rc = add_symbol(w, model->unk, unknown);
    return rc != NS_OK ? rc : merge_all(w);
}

const ns_tok_model_kind ns_tok_bpe = {"BPE", ns_tok_read_vocab, ns_tok_bpe_read, encode};
