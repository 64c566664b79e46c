/* mass.c - attention mass on the needle's answer tokens: at the paper's row T - 2 (arXiv 2606.15378), at the last prompt row T - 1,
 * and at the row that says the answer's first content token. */
#include "heads.h"

enum { MASS, MASS_LAST, MASS_FIRST, LIFT, N_OUTPUTS };

static const ns_output outputs[N_OUTPUTS] = {
    [MASS] = {"case_mass", NS_F32, "attention mass on the needle's answer tokens at row T - 2"},
    [MASS_LAST] = {"case_mass_last", NS_F32, "the same at row T - 1"},
    [MASS_FIRST] = {"case_mass_first", NS_F32, "the same at the row of the answer's first content token"},
    [LIFT] = {"case_mass_lift", NS_F32, "mass at row q = T - 2 times (q + 1) / m, m tokens of answer: 1 for uniform attention"},
};

static const ns_score scores[] = {
    {"retrieval_mass", "case_mass", NULL, "mean attention mass on the needle's answer tokens at row T - 2", "arXiv 2606.15378, find_retrieval_heads"},
    {"retrieval_mass_last", "case_mass_last", NULL, "the same at row T - 1", "needlescope"},
    {"retrieval_mass_first", "case_mass_first", NULL, "the same at the row of the answer's first content token", "needlescope"},
    {"mass_lift", "case_mass_lift", NULL, "mass at row T - 2 relative to uniform attention", "needlescope"},
};

typedef struct state {
    const ns_case *c;
    const ns_span *span;
    int64_t        n_heads;
    float         *out[N_OUTPUTS];
} state;

static const char *rejects(const ns_probe_context *ctx)
{
    if (ctx->c->n_tokens < 2)
        return "a prompt of one token";
    return ns_case_span(ctx->c, "needle_answer") ? NULL : "no needle_answer span";
}

static int begin(void *user, const ns_probe_context *ctx, float *const *out, ns_error *err)
{
    (void)err;
    state *const s = user;
    s->c = ctx->c;
    s->span = ns_case_span(ctx->c, "needle_answer");
    s->n_heads = ctx->n_heads;
    for (int i = 0; i < N_OUTPUTS; i++)
        s->out[i] = out[i];
    return NS_OK;
}

static int see(void *user, const ns_site *site, const ns_view *pattern, ns_error *err)
{
    (void)err;
    const state *const s = user;
    const int64_t T = s->c->n_tokens, m = s->span->end - s->span->begin;
    for (int64_t r = 0; r < site->n_rows; r++) {
        const int64_t q = site->row0 + r;
        if (q != T - 2 && q != T - 1 && q != T - 1 + s->c->n_lead)
            continue;
        for (int64_t h = 0; h < site->n_heads; h++) {
            const int64_t at = site->layer * s->n_heads + h;
            const double mass = ns_row_mass(site, ns_at(pattern, h, r, 0), s->span->begin, s->span->end);
            if (q == T - 2) {
                s->out[MASS][at] = (float)mass;
                s->out[LIFT][at] = (float)(mass * (double)(q + 1) / (double)m);
            }
            if (q == T - 1)
                s->out[MASS_LAST][at] = (float)mass;
            if (q == T - 1 + s->c->n_lead)
                s->out[MASS_FIRST][at] = (float)mass;
        }
    }
    return NS_OK;
}

const ns_probe ns_probe_mass = {
    .name = "mass", .summary = "attention mass on the needle's answer tokens, at the rows where it is asked for", .paper = "arXiv 2606.15378",
    .at = "blocks.*.attn.hook_pattern", .rows = {.kind = NS_ROWS_PROBE}, .accepts = NS_ACCEPTS_SOFTMAX | NS_ACCEPTS_UNROLLED,
    .state_size = sizeof(state), .outputs = outputs, .n_outputs = N_OUTPUTS, .scores = scores, .n_scores = sizeof scores / sizeof *scores,
    .rejects = rejects, .begin = begin, .see = see,
};
