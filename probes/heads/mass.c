/* mass.c - attention mass on the needle's answer tokens: at the paper's row T - 2 (arXiv 2606.15378), at the last prompt row T - 1,
 * and at the row that says the answer's first content token; beside each the placebo's, and without the sinks. */
#include <math.h>
#include <stdio.h>

#include "heads.h"

enum { MASS, NOSINK, PLACEBO, LIFT, PER_ROW };              /* outputs of one row */
enum { AT_ASKED, AT_LAST, AT_FIRST, N_ROWS, N_OUTPUTS = N_ROWS * PER_ROW };

#define OUTPUTS(row, suffix, where)                                                                                                        \
    [row * PER_ROW + MASS] = {"case_mass" suffix, NS_F32, "attention mass on the needle's answer tokens at " where},                       \
    [row * PER_ROW + NOSINK] = {"case_mass" suffix "_nosink", NS_F32, "the same over the row without position 0 and special tokens"},      \
    [row * PER_ROW + PLACEBO] = {"case_mass" suffix "_placebo", NS_F32, "mass on the placebo span at " where},                             \
    [row * PER_ROW + LIFT] = {"case_mass" suffix "_lift", NS_F32,                                                                          \
                              "mass times (q + 1) / m, row q, m tokens of answer: 1 for uniform attention"}
static const ns_output outputs[N_OUTPUTS] = {
    OUTPUTS(AT_ASKED, "", "row T - 2"),
    OUTPUTS(AT_LAST, "_last", "row T - 1"),
    OUTPUTS(AT_FIRST, "_first", "the row of the answer's first content token"),
};
#undef OUTPUTS

#define SCORES(suffix, where, paper)                                                                                                       \
    {"retrieval_mass" suffix, "case_mass" suffix, NULL, "mean attention mass on the needle's answer tokens at " where, paper,              \
     "case_mass" suffix "_placebo", NS_SHARE},                                                                                             \
    {"retrieval_mass" suffix "_nosink", "case_mass" suffix "_nosink", NULL,                                                                \
     "the same over the row without position 0 and special tokens", "needlescope", NS_SHARE, .minor = true},                               \
    {"mass_lift" suffix, "case_mass" suffix "_lift", NULL, "mass at " where " relative to uniform attention", "needlescope",               \
     .hi = INFINITY, .chance = 1, .minor = true}
static const ns_score scores[] = {
    SCORES("", "row T - 2", "arXiv 2606.15378, find_retrieval_heads"), SCORES("_last", "row T - 1", "needlescope"),
    SCORES("_first", "the row of the answer's first content token", "needlescope"),
};
#undef SCORES

typedef struct state {
    const ns_case *c;
    int64_t        answer;                      /* tokens of all mentions */
    bool           placebo;                     /* does it say what chance is? */
    int64_t        n_heads;
    ns_sinks       sinks;
    float         *out[N_OUTPUTS];
} state;

static const char *rejects(const ns_probe_context *ctx, char reason[NS_REASON])
{
    (void)reason;
    if (ctx->c->n_tokens < 2)
        return "a prompt of one token";
    return ns_case_span(ctx->c, "needle_answer") ? NULL : "no needle_answer span";
}

static int begin(void *user, const ns_probe_context *ctx, float *const *out, ns_error *err)
{
    state *const s = user;
    s->c = ctx->c;
    s->answer = ns_case_mentioned(ctx->c, "needle_answer");
    s->placebo = ns_placebo_stands(ctx->c);
    s->n_heads = ctx->n_heads;
    for (int i = 0; i < N_OUTPUTS; i++)
        s->out[i] = out[i];
    return ns_sinks_find(&s->sinks, ctx, err);
}

/* On all mentions; without the sinks where they are given. */
static double mass_of(const state *s, const ns_site *site, const float *row, const char *what, const ns_sinks *sinks)
{
    double sum = 0;
    int at = 0;
    for (const ns_span *span; (span = ns_case_mention(s->c, what, &at));)
        sum += sinks ? ns_row_mass_without(site, row, sinks, span->begin, span->end) : ns_row_mass(site, row, span->begin, span->end);
    return sum;
}

/* A signed row has no total that could be 1 again: no value without sinks. */
static void judge(const state *s, const ns_site *site, const float *row, int64_t q, int64_t at, float *const *out)
{
    const double mass = mass_of(s, site, row, "needle_answer", NULL);
    out[MASS][at] = (float)mass;
    out[LIFT][at] = (float)(mass * (double)(q + 1) / (double)s->answer);
    if (site->kind == NS_ROW_SOFTMAX) {
        const double total = ns_row_total_without(site, row, &s->sinks);
        out[NOSINK][at] = total > 0 ? (float)(mass_of(s, site, row, "needle_answer", &s->sinks) / total) : NAN;
    }
    if (s->placebo)
        out[PLACEBO][at] = (float)mass_of(s, site, row, "placebo", NULL);
}

static int see(void *user, const ns_site *site, const ns_view *pattern, ns_error *err)
{
    (void)err;
    const state *const s = user;
    const int64_t T = s->c->n_tokens, rows[N_ROWS] = {[AT_ASKED] = T - 2, [AT_LAST] = T - 1, [AT_FIRST] = T - 1 + s->c->n_lead};
    for (int64_t r = 0; r < site->n_rows; r++)
        for (int row = 0; row < N_ROWS; row++)
            for (int64_t h = 0; h < site->n_heads && rows[row] == site->row0 + r; h++)
                judge(s, site, ns_at(pattern, h, r, 0), rows[row], site->layer * s->n_heads + h, s->out + row * PER_ROW);
    return NS_OK;
}

static int end(void *user, ns_error *err)
{
    (void)err;
    ns_sinks_free(&((state *)user)->sinks);
    return NS_OK;
}

const ns_probe ns_probe_mass = {
    .name = "mass", .summary = "attention mass on the needle's answer tokens, at the rows where it is asked for",
    .paper = "arXiv 2606.15378",
    .at = "blocks.*.attn.hook_pattern", .rows = {.kind = NS_ROWS_PROBE}, .accepts = NS_ACCEPTS_SOFTMAX | NS_ACCEPTS_UNROLLED,
    .state_size = sizeof(state), .outputs = outputs, .n_outputs = N_OUTPUTS, .scores = scores, .n_scores = sizeof scores / sizeof *scores,
    .rejects = rejects, .begin = begin, .see = see, .end = end,
};
