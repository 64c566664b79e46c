/* induction.c - attention to the token after an earlier copy of the current token.
 * Rows: every prompt row i whose token occurs at some p < i. Per row: sum over all such p of A[i, p + 1] (p + 1 = i counts: a
 * token repeated at once). Any case with a repeated token is accepted: BOS r r, or a needle prompt. */
#include <stdlib.h>

#include "heads.h"

static const ns_output outputs[] = {{"case_induction", NS_F32, "mean attention to the token after an earlier copy of the row's token, over rows that have one"}};
static const ns_score scores[] = {{"induction", "case_induction", NULL, "mean attention to the token after an earlier copy of the current one",
                                   "Olsson et al. 2022, arXiv 2209.11895 (prefix matching), over all rows that have a copy"}};

typedef struct state {
    int64_t     n_tokens;
    int64_t    *before;        /* [n_tokens] the last earlier position of the same token, -1 */
    ns_row_mean mean;
    float      *out;
} state;

typedef struct token_at { int32_t token; int64_t at; } token_at;

static int by_token(const void *a, const void *b)
{
    const token_at *const x = a, *const y = b;
    if (x->token != y->token)
        return x->token < y->token ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

/* Sorting by (token, position) puts every copy behind the one before it. *repeated: does any token have an earlier copy? */
static int64_t *link_copies(const ns_case *c, bool *repeated)
{
    int64_t *const before = ns_alloc_array((size_t)c->n_tokens, sizeof *before);
    token_at *const sorted = ns_alloc_array((size_t)c->n_tokens, sizeof *sorted);
    *repeated = false;
    for (int64_t i = 0; before && sorted && i < c->n_tokens; i++)
        sorted[i] = (token_at){c->tokens[i], i};
    if (before && sorted)
        qsort(sorted, (size_t)c->n_tokens, sizeof *sorted, by_token);
    for (int64_t i = 0; before && sorted && i < c->n_tokens; i++) {
        const bool copy = i > 0 && sorted[i].token == sorted[i - 1].token;
        before[sorted[i].at] = copy ? sorted[i - 1].at : -1;
        *repeated |= copy;
    }
    const bool good = before && sorted;
    free(sorted);
    if (!good)
        free(before);
    return good ? before : NULL;
}

/* Out of memory is not a reason to drop a case: begin meets it again and says so. */
static const char *rejects(const ns_probe_context *ctx)
{
    bool repeated;
    int64_t *const before = link_copies(ctx->c, &repeated);
    const bool drop = before && !repeated;
    free(before);
    return drop ? "no token occurs twice" : NULL;
}

static int begin(void *user, const ns_probe_context *ctx, float *const *out, ns_error *err)
{
    state *const s = user;
    bool repeated;
    s->n_tokens = ctx->c->n_tokens;
    s->out = out[0];
    s->before = link_copies(ctx->c, &repeated);
    return s->before ? ns_row_mean_begin(&s->mean, ctx, err) : ns_oom(err, "the induction probe");
}

/* Copies are visited from the last to the first, so a window ends the walk. */
static double mass_after_copies(const state *s, const ns_site *site, const float *row, int64_t i)
{
    double sum = 0;
    for (int64_t p = s->before[i]; p >= 0 && p + 1 >= site->key0; p = s->before[p])
        sum += p + 1 < site->key0 + site->n_keys ? (double)row[p + 1 - site->key0] : 0;
    return sum;
}

static int see(void *user, const ns_site *site, const ns_view *pattern, ns_error *err)
{
    (void)err;
    state *const s = user;
    for (int64_t r = 0; r < site->n_rows; r++) {
        const int64_t i = site->row0 + r;
        if (i >= s->n_tokens || s->before[i] < 0)
            continue;
        s->mean.rows[site->layer]++;
        for (int64_t h = 0; h < site->n_heads; h++)
            s->mean.sum[site->layer * s->mean.n_heads + h] += mass_after_copies(s, site, ns_at(pattern, h, r, 0), i);
    }
    return NS_OK;
}

static int end(void *user, ns_error *err)
{
    (void)err;
    state *const s = user;
    ns_row_mean_end(&s->mean, s->out);
    free(s->before);
    return NS_OK;
}

const ns_probe ns_probe_induction = {
    .name = "induction", .summary = "attention to the token after an earlier copy of the current one", .paper = "arXiv 2209.11895",
    .at = "blocks.*.attn.hook_pattern", .rows = {.kind = NS_ROWS_ALL}, .accepts = NS_ACCEPTS_SOFTMAX, .state_size = sizeof(state),
    .outputs = outputs, .n_outputs = 1, .scores = scores, .n_scores = 1, .rejects = rejects, .begin = begin, .see = see, .end = end,
};
