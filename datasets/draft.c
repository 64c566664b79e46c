/* draft.c - a prompt being written, with the byte spans seen so far. */
#include <string.h>

#include "needle_internal.h"

void ns_draft_put_bytes(ns_draft *d, const char *text, size_t n)
{
    if (d->failed || !ns_grow(&d->text, &d->capacity, d->n + (int64_t)n + 1, 1)) {
        d->failed = true;
        return;
    }
    memcpy(d->text + d->n, text, n);
    d->n += (int64_t)n;
    d->text[d->n] = 0;
}

void ns_draft_put(ns_draft *d, const char *text)
{
    ns_draft_put_bytes(d, text, strlen(text));
}

void ns_draft_mark(ns_draft *d, const char *name, int64_t begin)
{
    d->spans[d->n_spans++] = (ns_text_span){name, (size_t)begin, (size_t)d->n};
}
