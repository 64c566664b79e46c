/* vocab.c - strings <-> ids: one pool of NUL-terminated strings, two arrays by id, one open-addressed table at most half full. */
#include <stdlib.h>
#include <string.h>

#include "io/tokenizer/tok.h"

static uint64_t hash_text(const char *text, size_t n)
{
    uint64_t h = 0x9E3779B97F4A7C15u ^ n;
    for (; n >= 8; n -= 8, text += 8) {
        uint64_t word;
        memcpy(&word, text, 8);
        h = (h ^ word) * 0xD6E8FEB86659FD93u;
        h ^= h >> 32;
    }
    uint64_t tail = 0;
    memcpy(&tail, text, n);
    h = (h ^ tail) * 0xD6E8FEB86659FD93u;
    return h ^ h >> 32;
}

static int64_t power_above(int64_t n)
{
    int64_t p = 8;
    while (p < n)
        p *= 2;
    return p;
}

int ns_tok_vocab_init(ns_tok_vocab *v, int64_t count, int64_t ids, const char *label, ns_error *err)
{
    v->ids = ids;
    v->slots = power_above(count * 2);
    v->offset = ns_alloc_array((size_t)v->ids, sizeof *v->offset);
    v->length = ns_alloc_array((size_t)v->ids, sizeof *v->length);
    v->slot = ns_alloc_array((size_t)v->slots, sizeof *v->slot);
    if (!v->offset || !v->length || !v->slot || !ns_grow(&v->pool, &v->pool_capacity, 64, 1))
        return ns_oom(err, label);
    memset(v->slot, 0xFF, (size_t)v->slots * sizeof *v->slot);
    v->pool_n = 1;   /* offset 0 says absent */
    return NS_OK;
}

static bool same(const ns_tok_vocab *v, int32_t id, const char *text, size_t n)
{
    return v->length[id] == n && memcmp(v->pool + v->offset[id], text, n) == 0;
}

int ns_tok_vocab_add(ns_tok_vocab *v, const char *text, size_t n, int32_t id, const char *label, ns_error *err)
{
    if (v->offset[id])
        return ns_fail(err, NS_E_FORMAT, "%s: '%.100s' and '%.100s' share the id %d", label, v->pool + v->offset[id], text, id);
    if (n > TOK_LONGEST)
        return ns_fail(err, NS_E_FORMAT, "%s: the token of id %d has %zu bytes, more than %d", label, id, n, TOK_LONGEST);
    if (v->pool_n + (int64_t)n + 1 > UINT32_MAX)
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: more than 4 GiB of vocabulary", label);
    if (!ns_grow(&v->pool, &v->pool_capacity, v->pool_n + (int64_t)n + 1, 1))
        return ns_oom(err, label);
    uint64_t at = hash_text(text, n) & (uint64_t)(v->slots - 1);
    while (v->slot[at] >= 0)
        at = (at + 1) & (uint64_t)(v->slots - 1);
    v->slot[at] = id;
    v->offset[id] = (uint32_t)v->pool_n;
    v->length[id] = (uint32_t)n;
    memcpy(v->pool + v->pool_n, text, n);
    v->pool[v->pool_n + (int64_t)n] = '\0';
    v->pool_n += (int64_t)n + 1;
    v->count++;
    return NS_OK;
}

int32_t ns_tok_vocab_find(const ns_tok_vocab *v, const char *text, size_t n)
{
    if (!v->slots)
        return -1;
    uint64_t at = hash_text(text, n) & (uint64_t)(v->slots - 1);
    while (v->slot[at] >= 0 && !same(v, v->slot[at], text, n))
        at = (at + 1) & (uint64_t)(v->slots - 1);
    return v->slot[at];
}

const char *ns_tok_vocab_text(const ns_tok_vocab *v, int64_t id)
{
    return id >= 0 && id < v->ids && v->offset[id] ? v->pool + v->offset[id] : NULL;
}

void ns_tok_vocab_free(ns_tok_vocab *v)
{
    free(v->pool);
    free(v->offset);
    free(v->length);
    free(v->slot);
}
