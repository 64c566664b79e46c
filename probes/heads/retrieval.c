/* retrieval.c - does the row that is about to say answer token j look most at that very token in the needle?
 * find = the first content token (the needle has to be found), continue = the others (mostly induction), copy = both.
 * Hit: argmax key = the aligned source, ns_case_source(j). Lead tokens (a space before the value) have no event. */
#include "heads.h"

enum { FIND_HITS, FIND_EVENTS, CONTINUE_HITS, CONTINUE_EVENTS, COPY_HITS, COPY_EVENTS, ANY_HITS, FIND_MARGIN, N_OUTPUTS };

static const ns_output outputs[N_OUTPUTS] = {
    [FIND_HITS] = {"find_hits", NS_U8, "1 where the row of the first content token has its largest weight on the aligned source"},
    [FIND_EVENTS] = {"find_events", NS_U8, "1 where that row exists"},
    [CONTINUE_HITS] = {"continue_hits", NS_U8, "the same, over the remaining answer tokens"},
    [CONTINUE_EVENTS] = {"continue_events", NS_U8, "number of remaining answer tokens"},
    [COPY_HITS] = {"copy_hits", NS_U8, "the same, over all content tokens of the answer"},
    [COPY_EVENTS] = {"copy_events", NS_U8, "number of content tokens of the answer"},
    [ANY_HITS] = {"any_hits", NS_U8, "rows with their largest weight on any occurrence of the token about to be said"},
    [FIND_MARGIN] = {"find_margin", NS_F32, "largest minus second largest weight of the row of the first content token"},
};

static const ns_score scores[] = {
    {"retrieval_find", "find_hits", "find_events", "largest weight on the aligned source, at the first content token of the answer", "needlescope"},
    {"retrieval_continue", "continue_hits", "continue_events", "largest weight on the aligned source, at the remaining answer tokens", "needlescope"},
    {"retrieval_copy", "copy_hits", "copy_events", "largest weight on the aligned source, at all answer tokens", "teacher-forced form of Wu et al. 2024, arXiv 2404.15574"},
    {"copy_any", "any_hits", "copy_events", "largest weight on any occurrence of the token about to be said", "needlescope"},
};

typedef struct state {
    const ns_case *c;
    int64_t        n_heads;
    float         *out[N_OUTPUTS];
} state;

static const char *rejects(const ns_probe_context *ctx)
{
    if (ctx->c->n_answer == 0)
        return "no answer";
    if (!ns_case_span(ctx->c, "needle_answer"))
        return "no needle_answer span";
    return ctx->c->n_answer - ctx->c->n_lead > 255 ? "an answer of more than 255 tokens" : NULL;
}

static int begin(void *user, const ns_probe_context *ctx, float *const *out, ns_error *err)
{
    (void)err;
    state *const s = user;
    s->c = ctx->c;
    s->n_heads = ctx->n_heads;
    for (int i = 0; i < N_OUTPUTS; i++)
        s->out[i] = out[i];
    return NS_OK;
}

static void judge(const state *s, const ns_site *site, const float *row, int64_t j, int64_t at)
{
    float margin;
    const int64_t best = ns_row_argmax(row, site->n_keys, &margin), key = best + site->key0;
    const bool first = j == s->c->n_lead, hit = best >= 0 && key == ns_case_source(s->c, j);
    s->out[first ? FIND_EVENTS : CONTINUE_EVENTS][at]++;
    s->out[first ? FIND_HITS : CONTINUE_HITS][at] += hit;
    s->out[COPY_EVENTS][at]++;
    s->out[COPY_HITS][at] += hit;
    s->out[ANY_HITS][at] += best >= 0 && ns_case_token(s->c, key) == s->c->answer[j];
    if (first)
        s->out[FIND_MARGIN][at] = margin;
}

static int see(void *user, const ns_site *site, const ns_view *pattern, ns_error *err)
{
    (void)err;
    const state *const s = user;
    for (int64_t r = 0; r < site->n_rows; r++) {
        const int64_t j = site->row0 + r - (s->c->n_tokens - 1);
        if (j < s->c->n_lead || j >= s->c->n_answer)
            continue;
        for (int64_t h = 0; h < site->n_heads; h++)
            judge(s, site, ns_at(pattern, h, r, 0), j, site->layer * s->n_heads + h);
    }
    return NS_OK;
}

const ns_probe ns_probe_retrieval = {
    .name = "retrieval", .summary = "does the row that says an answer token look most at its source in the needle", .paper = "needlescope; arXiv 2404.15574",
    .at = "blocks.*.attn.hook_pattern", .rows = {.kind = NS_ROWS_ANSWER}, .accepts = NS_ACCEPTS_SOFTMAX | NS_ACCEPTS_UNROLLED,
    .state_size = sizeof(state), .outputs = outputs, .n_outputs = N_OUTPUTS, .scores = scores, .n_scores = sizeof scores / sizeof *scores,
    .rejects = rejects, .begin = begin, .see = see,
};
