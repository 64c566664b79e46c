/* copies.c - where a prompt's tokens occurred before. */
#include <stdlib.h>

#include "pattern.h"

typedef struct token_at { int32_t token, at; } token_at;

static int by_token(const void *a, const void *b)
{
    const token_at *const x = a, *const y = b;
    if (x->token != y->token)
        return x->token < y->token ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* Sorting by (token, position) puts every copy behind the one before it. *repeated: does any token have an earlier copy? */
int32_t *ns_copies_link(const ns_case *c, bool *repeated)
{
    int32_t *const before = ns_alloc_array((size_t)c->n_tokens, sizeof *before);
    token_at *const sorted = ns_alloc_array((size_t)c->n_tokens, sizeof *sorted);
    const bool good = before && sorted;
    *repeated = false;
    for (int64_t i = 0; good && i < c->n_tokens; i++)
        sorted[i] = (token_at){c->tokens[i], (int32_t)i};
    if (good)
        qsort(sorted, (size_t)c->n_tokens, sizeof *sorted, by_token);
    for (int64_t i = 0; good && i < c->n_tokens; i++) {
        const bool copy = i > 0 && sorted[i].token == sorted[i - 1].token;
        before[sorted[i].at] = copy ? sorted[i - 1].at : -1;
        *repeated |= copy;
    }
    free(sorted);
    if (!good)
        free(before);
    return good ? before : NULL;
}
