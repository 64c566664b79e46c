/* rows.c - reading one attention row: where it looks most, how much lies on a span, and means over rows. */
#include <stdlib.h>

#include "heads.h"

int64_t ns_row_argmax(const float *row, int64_t n, float *margin)
{
    int64_t best = -1;
    float largest = 0, second = 0;
    for (int64_t k = 0; k < n; k++) {
        if (row[k] > largest) {
            second = largest;
            largest = row[k];
            best = k;
        } else if (row[k] > second) {
            second = row[k];
        }
    }
    if (margin)
        *margin = largest - second;
    return best;
}

double ns_row_mass(const ns_site *site, const float *row, int64_t begin, int64_t end)
{
    const int64_t first = begin > site->key0 ? begin - site->key0 : 0,
                  last = end < site->key0 + site->n_keys ? end - site->key0 : site->n_keys;
    double sum = 0;
    for (int64_t k = first; k < last; k++)
        sum += (double)row[k];
    return sum;
}

/* How many mentions there are of something, if each has `length` tokens; -1 if one has not. */
static int64_t mentions_of_length(const ns_case *c, const char *what, int64_t length)
{
    int at = 0;
    int64_t n = 0;
    for (const ns_span *span; (span = ns_case_mention(c, what, &at)); n++)
        if (span->end - span->begin != length)
            return -1;
    return n;
}

bool ns_placebo_stands(const ns_case *c)
{
    int at = 0;
    const ns_span *const answer = ns_case_mention(c, "needle_answer", &at);
    const int64_t length = answer ? answer->end - answer->begin : 0, n = mentions_of_length(c, "placebo", length);
    return n > 0 && n == mentions_of_length(c, "needle_answer", length);
}

int32_t ns_case_token(const ns_case *c, int64_t position)
{
    return position < c->n_tokens ? c->tokens[position] : c->answer[position - c->n_tokens];
}

int ns_sinks_find(ns_sinks *s, const ns_probe_context *ctx, ns_error *err)
{
    const ns_case *const c = ctx->c;
    const int64_t n = c->n_tokens + c->n_answer;
    *s = (ns_sinks){.at = ns_alloc_array((size_t)n, sizeof *s->at)};
    for (int64_t p = 0; s->at && p < n; p++) {
        bool sink = p == 0;
        for (int64_t k = 0; k < ctx->n_special && !sink; k++)
            sink = ctx->special[k] == ns_case_token(c, p);
        if (sink)
            s->at[s->n++] = p;
    }
    return s->at ? NS_OK : ns_oom(err, "the sinks of a case");
}

void ns_sinks_free(ns_sinks *s)
{
    free(s->at);
    *s = (ns_sinks){0};
}

/* The next run [*begin, *end) of positions in [*end, stop) without a sink; *k: the first sink not yet passed. */
static bool next_run(const ns_sinks *s, int64_t *k, int64_t *begin, int64_t *end, int64_t stop)
{
    *begin = *end;
    while (*k < s->n && s->at[*k] <= *begin)
        *begin = s->at[(*k)++] == *begin ? *begin + 1 : *begin;
    *end = *k < s->n && s->at[*k] < stop ? s->at[*k] : stop;
    return *begin < *end;
}

int64_t ns_row_argmax_without(const ns_site *site, const float *row, const ns_sinks *s)
{
    int64_t best = -1, k = 0, begin, end = site->key0;
    while (next_run(s, &k, &begin, &end, site->key0 + site->n_keys)) {
        const int64_t at = ns_row_argmax(row + (begin - site->key0), end - begin, NULL);
        if (at >= 0 && (best < 0 || row[begin + at - site->key0] > row[best - site->key0]))
            best = begin + at;
    }
    return best;
}

double ns_row_total_without(const ns_site *site, const float *row, const ns_sinks *s)
{
    return ns_row_mass_without(site, row, s, site->key0, site->key0 + site->n_keys);
}

double ns_row_mass_without(const ns_site *site, const float *row, const ns_sinks *s, int64_t from, int64_t to)
{
    int64_t k = 0, begin, end = from > site->key0 ? from : site->key0;
    double sum = 0;
    to = to < site->key0 + site->n_keys ? to : site->key0 + site->n_keys;
    while (end < to && next_run(s, &k, &begin, &end, to))
        sum += ns_row_mass(site, row, begin, end);
    return sum;
}

int ns_row_mean_begin(ns_row_mean *m, const ns_probe_context *ctx, ns_error *err)
{
    *m = (ns_row_mean){.n_layers = ctx->n_layers, .n_heads = ctx->n_heads};
    m->sum = ns_alloc_array((size_t)(m->n_layers * m->n_heads), sizeof *m->sum);
    m->rows = ns_alloc_array((size_t)(m->n_layers * m->n_heads), sizeof *m->rows);
    return m->sum && m->rows ? NS_OK : ns_oom(err, "sums of a probe");
}

void ns_row_mean_end(ns_row_mean *m, float *out)
{
    for (int64_t i = 0; out && m->sum && m->rows && i < m->n_layers * m->n_heads; i++)
        if (m->rows[i] > 0)
            out[i] = (float)(m->sum[i] / (double)m->rows[i]);
    free(m->sum);
    free(m->rows);
    *m = (ns_row_mean){0};
}
