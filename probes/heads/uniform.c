/* uniform.c - what a head that spreads its attention evenly over the keys it sees scores by a definition, where that follows from the row
 * alone: of keys at a fixed distance, and of the nearest ones. A row at position q of a head with window W sees min(q + 1, W) keys. */
#include <string.h>

#include "pattern.h"

static bool follows(const ns_pattern *p)
{
    const bool share = p->stat == NS_PS_MASS || p->stat == NS_PS_MEAN || p->stat == NS_PS_ARGMAX_HIT;
    return share && (p->keys == NS_PK_OFFSET || p->keys == NS_PK_LOCAL);
}

static double of_row(const ns_pattern *p, double q, double window)
{
    const double seen = window > 0 ? fmin(q + 1, window) : q + 1, number = (double)p->number;
    if (p->keys == NS_PK_OFFSET)
        return -number < seen ? 1 / seen : 0;
    const double share = fmin(number, seen) / seen;
    return p->stat == NS_PS_MEAN ? share / fmin(number, q + 1) : share;
}

/* Rows of spans and of lists lie anywhere in the prompt: all its rows stand for them. */
static double first_row(const ns_pattern *p, double n)
{
    switch (p->rows) {
    case NS_PR_LAST:   return fmax(n - (double)p->last, 0);
    case NS_PR_BEFORE: return fmax(n - 2, 0);
    case NS_PR_FIRST: case NS_PR_ANSWER: return n - 1;
    default:           return 0;
    }
}

int ns_probe_chance(const ns_probe *probe, double n_tokens, double window, double *out, ns_error *err)
{
    ns_pattern p;
    const char *const text = probe ? probe->definition : NULL;
    const int rc = text ? ns_pattern_parse(&p, text, strlen(text), probe->name, err) : NS_OK;
    *out = NAN;
    if (!text || rc != NS_OK || !follows(&p))
        return rc == NS_E_MEMORY ? rc : NS_OK;
    const double last = p.rows == NS_PR_BEFORE ? n_tokens - 2 : n_tokens - 1, before = p.keys == NS_PK_OFFSET ? -(double)p.number : 0;
    double sum = 0, rows = 0;
    for (double q = fmax(first_row(&p, n_tokens), before); q <= last; q++, rows++)      /* rows before have no such key */
        sum += of_row(&p, q, window);
    *out = rows > 0 ? sum / rows : 0;
    return NS_OK;
}
