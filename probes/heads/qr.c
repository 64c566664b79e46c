/* qr.c - query-focused retrieval heads (QRHead, arXiv 2506.09944, attn_retriever.score_docs and detect_qrhead_lme): how much more do the
 * rows from the question to the prompt's end look at the gold passage than the same rows of a null query do?
 *     a[k] = mean over those rows of A[q, k];   c = a(query) - a(null)
 *     s(passage) = sum of its c[k] > mean - 2 std (of the passage, n - 1);   qr = sum of s(gold)
 * A case has a span `question`, the gold passage in `gold` (or gold.0 ...; without any, `needle`), the others in passage.N (or
 * distractor.N), and a twin that asks nothing: another case with twin_of = its id and "twin": "null" in its meta, equal up to the
 * question. The twin itself gets no value. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "heads.h"

enum { QR, MARGIN, N_OUTPUTS };

static const ns_output outputs[N_OUTPUTS] = {
    [QR] = {"case_qr", NS_F32, "calibrated attention of the question's rows to the gold passages"},
    [MARGIN] = {"case_qr_margin", NS_F32, "that to the gold passages minus the largest to any other passage"},
};
static const ns_score scores[] = {
    {"qr", "case_qr", NULL, "attention of the question's rows to the gold passages, minus a null query's", "QRHead, arXiv 2506.09944",
     .lo = -INFINITY, .hi = INFINITY},
    {"qr_margin", "case_qr_margin", NULL, "the same minus that to the best other passage", "needlescope", .lo = -INFINITY, .hi = INFINITY,
     .minor = true},
};

typedef struct state {
    const ns_case *c;
    struct state  *null;       /* of the twin; NULL for a twin */
    bool           claimed;    /* a twin whose memory its case frees */
    int64_t        n_layers, n_heads, from, to, question;      /* keys [from, to) are kept: all before the question */
    double        *sum;        /* [L, H, to - from] */
    int64_t       *rows;       /* [L] */
    float         *out[N_OUTPUTS];
} state;

/* ---- passages ---- */

typedef enum passage { NO_PASSAGE, GOLD, OTHER } passage;

static passage kind_of(const ns_case *c, const char *name)
{
    const bool marked = ns_case_span(c, "gold") || ns_case_span(c, "gold.0");
    if (strcmp(name, marked ? "gold" : "needle") == 0 || ns_starts(name, marked ? "gold." : "needle."))
        return GOLD;
    return ns_starts(name, "passage.") || (!marked && ns_starts(name, "distractor.")) ? OTHER : NO_PASSAGE;
}

static int count_passages(const ns_case *c, passage kind)
{
    int n = 0;
    for (int i = 0; i < c->n_spans; i++)
        n += kind_of(c, c->spans[i].name) == kind && c->spans[i].end > c->spans[i].begin;
    return n;
}

static bool same_before(const ns_case *a, const ns_case *b, int64_t n)
{
    return a->n_tokens > n && b->n_tokens > n && memcmp(a->tokens, b->tokens, (size_t)n * sizeof *a->tokens) == 0;
}

static const char *rejects(const ns_probe_context *ctx, char reason[NS_REASON])
{
    (void)reason;
    const ns_case *const c = ctx->c;
    const ns_span *const question = ns_case_span(c, "question");
    if (!question)
        return "no question span";
    if (ctx->is_null)
        return NULL;
    if (!count_passages(c, GOLD))
        return "no gold passage (spans gold, or needle)";
    for (int i = 0; i < c->n_spans; i++)
        if (kind_of(c, c->spans[i].name) != NO_PASSAGE && c->spans[i].end > question->begin)
            return "a passage that does not end before the question";
    if (!ctx->null_twin)
        return "no null twin (twin_of this case, meta \"twin\": \"null\")";
    const ns_span *const asks = ns_case_span(ctx->null_twin, "question");
    if (!asks || asks->begin != question->begin || !same_before(c, ctx->null_twin, question->begin))
        return "a null twin that differs before the question";
    return NULL;
}

/* ---- rows ---- */

static int begin(void *user, const ns_probe_context *ctx, float *const *out, ns_error *err)
{
    state *const s = user;
    const ns_span *const question = ns_case_span(ctx->c, "question");
    s->c = ctx->c;
    s->n_layers = ctx->n_layers;
    s->n_heads = ctx->n_heads;
    s->question = question ? question->begin : 0;
    s->from = 0;
    s->to = s->question;
    for (int i = 0; i < N_OUTPUTS; i++)
        s->out[i] = out[i];
    s->null = ctx->null_state;
    if (s->null)
        s->null->claimed = true;
    size_t n;
    const bool fits = ns_mul_size((size_t)(s->n_layers * s->n_heads), (size_t)(s->to - s->from), &n);
    s->sum = fits ? ns_alloc_array(n, sizeof *s->sum) : NULL;
    s->rows = ns_alloc_array((size_t)s->n_layers, sizeof *s->rows);
    return s->sum && s->rows ? NS_OK : ns_oom(err, "the question's attention to the passages (use fewer cases)");
}

static int see(void *user, const ns_site *site, const ns_view *pattern, ns_error *err)
{
    (void)err;
    state *const s = user;
    const int64_t width = s->to - s->from;
    for (int64_t r = 0; r < site->n_rows; r++) {
        if (site->row0 + r < s->question || site->row0 + r >= s->c->n_tokens)
            continue;
        s->rows[site->layer]++;
        for (int64_t h = 0; h < site->n_heads; h++) {
            const float *const row = ns_at(pattern, h, r, 0);
            double *const sum = s->sum + (site->layer * s->n_heads + h) * width;
            for (int64_t k = s->from > site->key0 ? s->from : site->key0; k < s->to; k++)
                sum[k - s->from] += (double)row[k - site->key0];
        }
    }
    return NS_OK;
}

/* ---- the score ---- */

static double calibrated(const state *s, int64_t layer, int64_t at, int64_t k)
{
    const int64_t width = s->to - s->from;
    return s->sum[at * width + k] / (double)s->rows[layer] - s->null->sum[at * width + k] / (double)s->null->rows[layer];
}

static double passage_score(const state *s, const ns_span *span, int64_t layer, int64_t at)
{
    const int64_t n = span->end - span->begin;
    double mean = 0, square = 0, sum = 0;
    for (int64_t k = span->begin; k < span->end; k++)
        mean += calibrated(s, layer, at, k - s->from) / (double)n;
    for (int64_t k = span->begin; k < span->end; k++) {
        const double apart = calibrated(s, layer, at, k - s->from) - mean;
        square += apart * apart;
    }
    const double floor = n > 1 ? mean - 2 * sqrt(square / (double)(n - 1)) : -INFINITY;
    for (int64_t k = span->begin; k < span->end; k++) {
        const double value = calibrated(s, layer, at, k - s->from);
        sum += value > floor ? value : 0;
    }
    return sum;
}

static void judge(const state *s, int64_t layer, int64_t at)
{
    double gold = 0, other = -INFINITY;
    for (int i = 0; i < s->c->n_spans; i++) {
        const ns_span *const span = &s->c->spans[i];
        const passage kind = span->end > span->begin ? kind_of(s->c, span->name) : NO_PASSAGE;
        const double score = kind == NO_PASSAGE ? 0 : passage_score(s, span, layer, at);
        gold += kind == GOLD ? score : 0;
        other = kind == OTHER && score > other ? score : other;
    }
    s->out[QR][at] = (float)gold;
    s->out[MARGIN][at] = isfinite(other) ? (float)(gold - other) : NAN;
}

static void release(state *s)
{
    free(s->sum);
    free(s->rows);
    s->sum = NULL;
    s->rows = NULL;
}

static int end(void *user, ns_error *err)
{
    (void)err;
    state *const s = user;
    const bool whole = s->null && s->sum && s->rows && s->null->sum && s->null->rows && s->null->to == s->to;
    for (int64_t l = 0; whole && l < s->n_layers; l++)
        for (int64_t h = 0; h < s->n_heads && s->rows[l] > 0 && s->null->rows[l] > 0; h++)
            judge(s, l, l * s->n_heads + h);
    if (s->null)
        release(s->null);
    if (!s->claimed)
        release(s);
    return NS_OK;
}

const ns_probe ns_probe_qr = {
    .name = "qr", .summary = "does the question look at the passage that answers it, more than a null query does",
    .paper = "arXiv 2506.09944",
    .at = "blocks.*.attn.hook_pattern", .rows = {.kind = NS_ROWS_ALL}, .accepts = NS_ACCEPTS_SOFTMAX, .state_size = sizeof(state),
    .outputs = outputs, .n_outputs = N_OUTPUTS, .scores = scores, .n_scores = sizeof scores / sizeof *scores,
    .rejects = rejects, .begin = begin, .see = see, .end = end, .on_request = true, .wants_null = true,
};
