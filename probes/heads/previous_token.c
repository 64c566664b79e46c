/* previous_token.c - attention to the token just before: mean of A[i, i - 1] over the prompt rows i >= 1, on any case. */
#include "heads.h"

static const ns_output outputs[] = {{"case_previous_token", NS_F32, "mean attention to the previous token over the prompt's rows"}};
static const ns_score scores[] = {{"previous_token", "case_previous_token", NULL, "mean attention to the previous token",
                                   "Elhage et al. 2021; the mean of TransformerLens' previous-token diagonal"}};

typedef struct state {
    int64_t     n_tokens;
    ns_row_mean mean;
    float      *out;
} state;

static const char *rejects(const ns_probe_context *ctx)
{
    return ctx->c->n_tokens < 2 ? "a prompt of one token" : NULL;
}

static int begin(void *user, const ns_probe_context *ctx, float *const *out, ns_error *err)
{
    state *const s = user;
    s->n_tokens = ctx->c->n_tokens;
    s->out = out[0];
    return ns_row_mean_begin(&s->mean, ctx, err);
}

static int see(void *user, const ns_site *site, const ns_view *pattern, ns_error *err)
{
    (void)err;
    state *const s = user;
    for (int64_t r = 0; r < site->n_rows; r++) {
        const int64_t i = site->row0 + r;
        if (i < 1 || i >= s->n_tokens)
            continue;
        s->mean.rows[site->layer]++;
        for (int64_t h = 0; h < site->n_heads; h++)
            s->mean.sum[site->layer * s->mean.n_heads + h] += ns_row_mass(site, ns_at(pattern, h, r, 0), i - 1, i);
    }
    return NS_OK;
}

static int end(void *user, ns_error *err)
{
    (void)err;
    state *const s = user;
    ns_row_mean_end(&s->mean, s->out);
    return NS_OK;
}

const ns_probe ns_probe_previous_token = {
    .name = "previous_token", .summary = "attention to the token just before", .paper = "transformer-circuits.pub/2021/framework",
    .at = "blocks.*.attn.hook_pattern", .rows = {.kind = NS_ROWS_ALL}, .accepts = NS_ACCEPTS_SOFTMAX, .state_size = sizeof(state),
    .outputs = outputs, .n_outputs = 1, .scores = scores, .n_scores = 1, .rejects = rejects, .begin = begin, .see = see, .end = end,
};
