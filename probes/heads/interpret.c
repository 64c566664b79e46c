/* interpret.c - the interpreter of definitions.
 * case -> the definition and what it needs of the case (begin) -> for each row its keys as runs of positions, once for all heads -> a
 * number for each head -> hits and events, or the mean over the rows (end). Rows without such keys (no earlier copy) do not count; keys
 * that a window hides weigh 0. Chance is what the same rows and keys give a head that weighs all keys it sees alike. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pattern.h"
#include "math/math.h"

typedef struct run { int64_t begin, end; } run;

typedef struct state {
    ns_pattern     def;
    const ns_case *c;
    int64_t        n_heads;
    int32_t       *before;     /* [n_tokens] the last earlier position of the same token, -1; for the keys that need it */
    run           *runs;
    ns_sinks       without;
    bool           excludes;
    ns_row_mean    mean;
    float         *out[2];
} state;

_Static_assert(sizeof(state) <= NS_PATTERN_STATE, "the state of a definition has outgrown its room");

/* ---- begin ---- */

static int exclude(state *s, const ns_probe_context *ctx, ns_error *err)
{
    const ns_pattern *const p = &s->def;
    const ns_case *const c = s->c;
    s->excludes = p->exclude.n > 0 || p->exclude_special;
    s->without.at = ns_alloc_array((size_t)(c->n_tokens + c->n_answer), sizeof *s->without.at);
    if (!s->without.at)
        return ns_oom(err, "a probe's exclusions");
    for (int64_t at = 0; s->excludes && at < c->n_tokens + c->n_answer; at++) {
        bool out = false;
        for (int i = 0; i < p->exclude.n && !out; i++)
            out = p->exclude.at[i] == at;
        for (int64_t k = 0; p->exclude_special && k < ctx->n_special && !out; k++)
            out = ctx->special[k] == ns_case_token(c, at);
        if (out)
            s->without.at[s->without.n++] = at;
    }
    return NS_OK;
}

int ns_pattern_begin(void *user, const ns_probe_context *ctx, float *const *out, ns_error *err)
{
    state *const s = user;
    int rc = ns_pattern_parse(&s->def, ctx->probe->definition, strlen(ctx->probe->definition), ctx->probe->name, err);
    if (rc != NS_OK)
        return rc;
    bool repeated;
    s->c = ctx->c;
    s->n_heads = ctx->n_heads;
    s->out[0] = out[0];
    s->out[1] = s->def.stat == NS_PS_ARGMAX_HIT ? out[1] : NULL;
    s->runs = ns_alloc_array((size_t)(ns_pattern_needs_copies(&s->def) ? ctx->c->n_tokens + 1 : NS_PATTERN_LIST + ctx->c->n_spans),
                             sizeof *s->runs);
    s->before = ns_pattern_needs_copies(&s->def) ? ns_copies_link(ctx->c, &repeated) : NULL;
    if (!s->runs || (ns_pattern_needs_copies(&s->def) && !s->before))
        return ns_oom(err, "a probe of attention rows");
    rc = exclude(s, ctx, err);
    return rc == NS_OK && !s->out[1] ? ns_row_mean_begin(&s->mean, ctx, err) : rc;
}

/* ---- which rows, which keys ---- */

static bool mentioned(const ns_case *c, const char *name, int64_t position)
{
    int at = 0;
    bool in = false;
    for (const ns_span *span; (span = ns_case_mention(c, name, &at));)
        in |= position >= span->begin && position < span->end;
    return in;
}

static bool wants_row(const state *s, int64_t q)
{
    const int64_t T = s->c->n_tokens, j = q - (T - 1);
    switch (s->def.rows) {
    case NS_PR_ALL:    return q < T;
    case NS_PR_ANSWER: return j >= s->c->n_lead && j < s->c->n_answer;
    case NS_PR_FIRST:  return j == s->c->n_lead;
    case NS_PR_BEFORE: return q == T - 2;
    case NS_PR_LAST:   return q < T && q >= T - s->def.last;
    case NS_PR_SPAN:   return mentioned(s->c, s->def.row_span, q);
    case NS_PR_LIST:   break;
    }
    bool listed = false;
    for (int i = 0; i < s->def.row_list.n; i++)
        listed |= q < T && (s->def.row_list.at[i] < 0 ? T + s->def.row_list.at[i] : s->def.row_list.at[i]) == q;
    return listed;
}

/* The copies of row q's token, the last one first; those before the window end the walk (but count in a mean). Without any copy: -1. */
static int64_t copy_runs(const state *s, int64_t q, int64_t key0)
{
    const int64_t shift = s->def.keys == NS_PK_AFTER_SAME;
    int64_t n = 0;
    if (q >= s->c->n_tokens || s->before[q] < 0)
        return -1;
    for (int64_t p = s->before[q]; p >= 0 && (p + shift >= key0 || s->def.stat == NS_PS_MEAN); p = s->before[p])
        s->runs[n++] = (run){p + shift, p + shift + 1};
    return n;
}

/* All mentions of the keys' span, or of its i-th token; those that are too short for it have none. */
static int64_t mention_runs(const state *s, int64_t i)
{
    const bool aligned = s->def.keys == NS_PK_ALIGNED;
    int64_t n = 0;
    int at = 0;
    for (const ns_span *span; (span = ns_case_mention(s->c, s->def.key_span, &at));) {
        if (aligned && (i < 0 || span->begin + i >= span->end))
            continue;
        s->runs[n++] = aligned ? (run){span->begin + i, span->begin + i + 1} : (run){span->begin, span->end};
    }
    return n ? n : -1;
}

/* Row q's keys into s->runs; how many runs, -1: the row has no such keys and does not count. */
static int64_t find_runs(const state *s, int64_t q, int64_t key0)
{
    const ns_pattern *const p = &s->def;
    const int64_t i = q - (s->c->n_tokens - 1) - s->c->n_lead;
    run one = {0, 0};
    switch (p->keys) {
    case NS_PK_ALL:        return 0;
    case NS_PK_SAME: case NS_PK_AFTER_SAME: return copy_runs(s, q, key0);
    case NS_PK_SPAN: case NS_PK_ALIGNED: return mention_runs(s, i);
    case NS_PK_OFFSET:     one = (run){q + p->number, q + p->number + 1}; break;
    case NS_PK_LOCAL:      one = (run){q - p->number + 1 > 0 ? q - p->number + 1 : 0, q + 1}; break;
    case NS_PK_LIST:
        for (int k = 0; k < p->key_list.n; k++)
            s->runs[k] = (run){p->key_list.at[k], p->key_list.at[k] + 1};
        return p->key_list.n;
    }
    s->runs[0] = one;
    return one.begin < 0 || one.begin >= one.end ? -1 : 1;
}

/* ---- what of them ---- */

static double plain_mass(const state *s, const ns_site *site, const float *row, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++) {
        const int64_t k = s->runs[i].begin - site->key0;
        if (s->runs[i].end == s->runs[i].begin + 1)            /* most runs: a copy, the token before */
            sum += k >= 0 && k < site->n_keys ? (double)row[k] : 0;
        else
            sum += ns_row_mass(site, row, s->runs[i].begin, s->runs[i].end);
    }
    return sum;
}

static double mass(const state *s, const ns_site *site, const float *row, int64_t n)
{
    double sum = 0;
    if (!s->excludes)
        return plain_mass(s, site, row, n);
    for (int64_t i = 0; i < n; i++)
        sum += ns_row_mass_without(site, row, &s->without, s->runs[i].begin, s->runs[i].end);
    const double total = ns_row_total_without(site, row, &s->without);
    return total > 0 ? sum / total : 0;
}

static double keys_in(const state *s, int64_t n)
{
    int64_t keys = 0;
    for (int64_t i = 0; i < n; i++)
        keys += s->runs[i].end - s->runs[i].begin;
    return keys ? (double)keys : 1;
}

static bool within(const run *runs, int64_t n, int64_t key)
{
    bool in = false;
    for (int64_t i = 0; i < n; i++)
        in |= key >= runs[i].begin && key < runs[i].end;
    return in;
}

static double hit(const state *s, const ns_site *site, const float *row, int64_t n)
{
    const int64_t column = s->excludes ? -1 : ns_row_argmax(row, site->n_keys, NULL);
    const int64_t best = s->excludes ? ns_row_argmax_without(site, row, &s->without) : column < 0 ? -1 : site->key0 + column;
    return best >= 0 && within(s->runs, n, best);
}

static bool left_out(const state *s, int64_t key)
{
    bool out = false;
    for (int64_t i = 0; i < s->without.n; i++)
        out |= s->without.at[i] == key;
    return out;
}

/* Column of the heaviest key of the set, ties to the lowest; -1 where the row sees none of them. */
static int64_t heaviest(const state *s, const ns_site *site, const float *row, int64_t n)
{
    const int64_t first = site->key0, last = site->key0 + site->n_keys;
    int64_t best = -1;
    for (int64_t i = 0; i < n; i++)
        for (int64_t k = s->runs[i].begin > first ? s->runs[i].begin : first; k < s->runs[i].end && k < last; k++) {
            const int64_t at = k - first;
            if (!left_out(s, k) && (best < 0 || row[at] > row[best] || (row[at] == row[best] && at < best)))
                best = at;
        }
    return best;
}

/* Keys up to the row's own that are not left out: whatever a window hides is not looked at, as a key of weight 0 is not. */
static int64_t keys_before(const state *s, int64_t q)
{
    int64_t keys = q + 1;
    for (int64_t i = 0; i < s->without.n; i++)
        keys -= s->without.at[i] <= q;
    return keys;
}

/* 1 + the keys that come before the heaviest of the set: those of more weight, and equals at lower positions, so 1 is a hit of the largest
 * weight. Without a weight above 0 it comes last of all keys, wherever a window ends. NaN: a row that looks nowhere ranks nothing. */
static double rank_of(const state *s, const ns_site *site, const float *row, int64_t q, int64_t n)
{
    const int64_t best = heaviest(s, site, row, n);
    int64_t rank = 1;
    bool looks = false;
    for (int64_t at = 0; at < site->n_keys; at++) {
        const bool seen = !(s->excludes && left_out(s, site->key0 + at));
        looks |= seen && row[at] > 0;
        rank += seen && best >= 0 && (row[at] > row[best] || (row[at] == row[best] && at < best));
    }
    if (!looks)
        return NAN;
    return (double)(best >= 0 && row[best] > 0 ? rank : keys_before(s, q));
}

/* a ln a for a in [0, 1], 0 for 0: a = m 2^e, m in [sqrt(1/2), sqrt(2)), ln m = 2 (z + z^3/3 + ... + z^15/15), z = (m - 1) / (m + 1),
 * |z| < .172: what is cut off is below 1.2e-14. Only +, -, * and /, so the same bits everywhere, and four times as fast as ns_log. */
static double a_log_a(float weight)
{
    union { double value; uint64_t bits; } a = {(double)weight};
    const int64_t e = (int64_t)(a.bits - 0x3fe6a09e667f3bcdu) >> 52;
    a.bits -= (uint64_t)e << 52;
    const double z = (a.value - 1) / (a.value + 1), w = z * z;
    const double series = 1 +
                          w * (1.0 / 3 + w * (1.0 / 5 + w * (1.0 / 7 + w * (1.0 / 9 + w * (1.0 / 11 + w * (1.0 / 13 + w * (1.0 / 15)))))));
    return weight > 0 ? (double)weight * (2 * z * series + (double)e * 0.693147180559945309417) : 0;
}

/* -sum p ln p in nats, p = A / S, S = the sum: ln S - (sum A ln A) / S. */
static double entropy(const state *s, const ns_site *site, const float *row)
{
    double total = 0, sum = 0;
    for (int64_t k = 0; k < site->n_keys; k++) {
        if (s->excludes && left_out(s, site->key0 + k))
            continue;
        total += (double)row[k];
        sum += a_log_a(row[k]);
    }
    return total > 0 ? ns_log(total) - sum / total : 0;
}

static double value(const state *s, const ns_site *site, const float *row, int64_t q, int64_t n)
{
    switch (s->def.stat) {
    case NS_PS_ARGMAX_HIT:   return hit(s, site, row, n);
    case NS_PS_MASS:         return mass(s, site, row, n);
    case NS_PS_MEAN:         return mass(s, site, row, n) / keys_in(s, n);
    case NS_PS_RANK:         return rank_of(s, site, row, q, n);
    case NS_PS_ENTROPY:      return entropy(s, site, row);
    case NS_PS_ENTROPY_NORM: return entropy(s, site, row) / ns_log((double)(q + 1));
    }
    return NAN;
}

int ns_pattern_see(void *user, const ns_site *site, const ns_view *pattern, ns_error *err)
{
    (void)err;
    state *const s = user;
    for (int64_t r = 0; r < site->n_rows; r++) {
        const int64_t q = site->row0 + r, n = wants_row(s, q) ? find_runs(s, q, site->key0) : -1, at = site->layer * s->n_heads;
        if (n < 0 || (q == 0 && s->def.stat == NS_PS_ENTROPY_NORM))
            continue;
        for (int64_t h = 0; h < site->n_heads; h++) {
            const double v = value(s, site, ns_at(pattern, h, r, 0), q, n);
            if (s->out[1]) {
                s->out[0][at + h] += (float)v;
                s->out[1][at + h]++;
            } else if (s->def.stat != NS_PS_RANK || !isnan(v)) {
                s->mean.sum[at + h] += v;
                s->mean.rows[at + h]++;
            }
        }
    }
    return NS_OK;
}

/* ---- even attention ---- */

/* Of a row whose `seen` keys weigh 1 each, how much lies on the n runs of keys. */
static double even_share(const state *s, const ns_site *site, const float *weights, int64_t seen, int64_t n)
{
    const double on = mass(s, site, weights, n) / (s->excludes ? 1 : (double)seen);        /* with exclusions it is a share */
    return s->def.stat == NS_PS_MEAN ? on / keys_in(s, n) : on;
}

static double even_mean(const state *s, float *weights, const ns_attn *attn, int64_t head, int64_t *rows)
{
    double sum = 0;
    for (int64_t q = 0; q < s->c->n_tokens + s->c->n_answer; q++) {
        const ns_seen_keys keys = ns_attn_seen_keys(attn, head, q);
        const int64_t n = wants_row(s, q) ? find_runs(s, q, keys.first) : -1;
        const ns_site site = {.size = sizeof site, .key0 = keys.first, .n_keys = q + 1 - keys.first};
        if (n < 0)
            continue;
        for (int64_t k = 0; k < site.n_keys; k++)
            weights[k] = keys.first + k >= keys.gap && keys.first + k < keys.after ? 0 : 1;
        sum += even_share(s, &site, weights, site.n_keys - (keys.after - keys.gap), n);
        ++*rows;
    }
    return *rows ? sum / (double)*rows : (double)NAN;
}

/* The keys hold a share of the row; a rank or an entropy of even weights says nothing. */
static bool is_share(const ns_pattern *p)
{
    return p->keys != NS_PK_ALL && (p->stat == NS_PS_MASS || p->stat == NS_PS_MEAN || p->stat == NS_PS_ARGMAX_HIT);
}

int ns_probe_chance(const ns_probe_context *ctx, const ns_attn *attn, int64_t head, double *out, int64_t *rows, ns_error *err)
{
    state s = {0};
    float *const no_output[2] = {NULL, NULL}, *weights = NULL;
    *out = (double)NAN;
    *rows = 0;
    if (!ctx->probe->definition)
        return NS_OK;
    int rc = ns_pattern_begin(&s, ctx, no_output, err);
    const int64_t n = rc == NS_OK ? s.c->n_tokens + s.c->n_answer : 0;
    if (rc == NS_OK && is_share(&s.def)) {
        weights = ns_alloc_array((size_t)n, sizeof *weights);
        rc = weights ? NS_OK : ns_oom(err, "even attention");
    }
    if (weights)
        *out = even_mean(&s, weights, attn, head, rows);
    free(weights);
    const int ended = ns_pattern_end(&s, err);
    return rc != NS_OK ? rc : ended;
}

int ns_pattern_end(void *user, ns_error *err)
{
    (void)err;
    state *const s = user;
    if (!s->out[1])
        ns_row_mean_end(&s->mean, s->out[0]);
    free(s->before);
    free(s->runs);
    ns_sinks_free(&s->without);
    return NS_OK;
}
