/* lexicon.c - all beginnings of a vocabulary's entries, to be walked byte by byte: a trie in three arrays, whose nodes are numbered level
 * by level, so that the children of a node lie side by side. */
#include <stdlib.h>
#include <string.h>

#include "io/tokenizer/tok.h"

/* The entries [begin, end) of the sorted list begin with the node's bytes. */
typedef struct range { uint32_t begin, end, depth; } range;

typedef struct building {
    ns_tok_lexicon     *out;
    const ns_tok_vocab *vocab;
    int32_t            *sorted;
    range              *ranges;          /* by node */
    int64_t             ranges_capacity, label_capacity, first_capacity, id_capacity;
} building;

static int by_text(const void *a, const void *b, void *user)
{
    const ns_tok_vocab *const v = user;
    const int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    const size_t n = v->length[x] < v->length[y] ? v->length[x] : v->length[y];
    const int order = memcmp(v->pool + v->offset[x], v->pool + v->offset[y], n);
    if (order)
        return order;
    return v->length[x] != v->length[y] ? (v->length[x] > v->length[y]) - (v->length[x] < v->length[y]) : (x > y) - (x < y);
}

static bool add_node(building *b, uint8_t label, range r)
{
    ns_tok_lexicon *const out = b->out;
    const int64_t n = out->n;
    if (n == INT32_MAX || !ns_grow(&out->label, &b->label_capacity, n + 1, sizeof *out->label) ||
        !ns_grow(&out->first, &b->first_capacity, n + 2, sizeof *out->first) ||
        !ns_grow(&out->id, &b->id_capacity, n + 1, sizeof *out->id) || !ns_grow(&b->ranges, &b->ranges_capacity, n + 1, sizeof *b->ranges))
        return false;
    out->label[n] = label;
    out->id[n] = -1;
    b->ranges[n] = r;
    out->n++;
    return true;
}

/* Entries that end here come first; of equal ones the last counts, as in `tokenizers`. Then one child for each byte that follows. */
static bool add_children(building *b, int64_t node)
{
    const range r = b->ranges[node];
    uint32_t i = r.begin;
    for (; i < r.end && b->vocab->length[b->sorted[i]] == r.depth; i++)
        b->out->id[node] = b->sorted[i];
    b->out->first[node] = (uint32_t)b->out->n;
    while (i < r.end) {
        const uint32_t begin = i;
        const char byte = b->vocab->pool[b->vocab->offset[b->sorted[i]] + r.depth];
        while (i < r.end && b->vocab->pool[b->vocab->offset[b->sorted[i]] + r.depth] == byte)
            i++;
        if (!add_node(b, (uint8_t)byte, (range){begin, i, r.depth + 1}))
            return false;
    }
    return true;
}

static uint32_t sort_entries(building *b)
{
    uint32_t n = 0;
    for (int64_t id = 0; id < b->vocab->ids; id++)
        if (b->vocab->offset[id])
            b->sorted[n++] = (int32_t)id;
    qsort_r(b->sorted, n, sizeof *b->sorted, by_text, (void *)(uintptr_t)b->vocab);
    return n;
}

int ns_tok_lexicon_build(ns_tok_lexicon *out, const ns_tok_vocab *vocab, const char *path, ns_error *err)
{
    building b = {.out = out, .vocab = vocab, .sorted = ns_alloc_array((size_t)vocab->ids + 1, sizeof *b.sorted)};
    bool good = b.sorted && add_node(&b, 0, (range){0, sort_entries(&b), 0});
    for (int64_t node = 0; good && node < out->n; node++)
        good = add_children(&b, node);
    if (good)
        out->first[out->n] = (uint32_t)out->n;
    free(b.sorted);
    free(b.ranges);
    return good ? NS_OK : ns_oom(err, path);
}

void ns_tok_lexicon_free(ns_tok_lexicon *l)
{
    free(l->label);
    free(l->first);
    free(l->id);
}
