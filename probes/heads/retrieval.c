/* retrieval.c - does the row that is about to say answer token j look most at that very token in the needle?
 * find = the first content token (the needle has to be found), continue = the others (mostly induction), copy = both.
 * Hit: argmax key = the aligned source, in whichever mention of the needle (ns_case_is_source). Lead tokens (a space before the value) have
 * no event. Beside it: the same without the sinks; the aligned place in the placebo (chance) and in any distractor (selectivity). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "heads.h"

enum {
    FIND_HITS, FIND_EVENTS, CONTINUE_HITS, CONTINUE_EVENTS, COPY_HITS, COPY_EVENTS, ANY_HITS,
    FIND_NOSINK, CONTINUE_NOSINK, COPY_NOSINK, ANY_NOSINK,
    FIND_PLACEBO, FIND_PLACEBO_EVENTS, CONTINUE_PLACEBO, CONTINUE_PLACEBO_EVENTS, COPY_PLACEBO, COPY_PLACEBO_EVENTS,
    FIND_DISTRACTOR, COPY_DISTRACTOR, SELECTIVITY, COPY_SELECTIVITY, FIND_MARGIN, COPY_MARGIN, ANSWER_HITS, N_OUTPUTS
};

static const ns_output outputs[N_OUTPUTS] = {
    [FIND_HITS] = {"find_hits", NS_U8, "1 where the row of the first content token has its largest weight on the aligned source"},
    [FIND_EVENTS] = {"find_events", NS_U8, "1 where that row exists"},
    [CONTINUE_HITS] = {"continue_hits", NS_U8, "the same, over the remaining answer tokens"},
    [CONTINUE_EVENTS] = {"continue_events", NS_U8, "number of remaining answer tokens"},
    [COPY_HITS] = {"copy_hits", NS_U8, "the same, over all content tokens of the answer"},
    [COPY_EVENTS] = {"copy_events", NS_U8, "number of content tokens of the answer"},
    [ANY_HITS] = {"any_hits", NS_U8, "rows with their largest weight on any occurrence of the token about to be said"},
    [FIND_NOSINK] = {"find_nosink_hits", NS_U8, "find_hits, position 0 and special tokens left out"},
    [CONTINUE_NOSINK] = {"continue_nosink_hits", NS_U8, "continue_hits, position 0 and special tokens left out"},
    [COPY_NOSINK] = {"copy_nosink_hits", NS_U8, "copy_hits, position 0 and special tokens left out"},
    [ANY_NOSINK] = {"any_nosink_hits", NS_U8, "any_hits, position 0 and special tokens left out"},
    [FIND_PLACEBO] = {"find_placebo_hits", NS_U8,
                      "1 where the row of the first content token has its largest weight on the aligned place in the placebo"},
    [FIND_PLACEBO_EVENTS] = {"find_placebo_events", NS_U8, "1 where that row and that place exist"},
    [CONTINUE_PLACEBO] = {"continue_placebo_hits", NS_U8, "the same, over the remaining answer tokens"},
    [CONTINUE_PLACEBO_EVENTS] = {"continue_placebo_events", NS_U8, "number of remaining answer tokens that have a place in the placebo"},
    [COPY_PLACEBO] = {"copy_placebo_hits", NS_U8, "the same, over all content tokens of the answer"},
    [COPY_PLACEBO_EVENTS] = {"copy_placebo_events", NS_U8, "number of content tokens that have a place in the placebo"},
    [FIND_DISTRACTOR] = {"find_distractor_hits", NS_U8,
                         "1 where the row of the first content token has its largest weight on the aligned place in a distractor's answer"},
    [COPY_DISTRACTOR] = {"copy_distractor_hits", NS_U8, "the same, over all content tokens of the answer"},
    [SELECTIVITY] = {"case_selectivity", NS_F32, "find_hits - find_distractor_hits; NaN for a case without distractors"},
    [COPY_SELECTIVITY] = {"case_copy_selectivity", NS_F32,
                          "(copy_hits - copy_distractor_hits) / copy_events; NaN for a case without distractors"},
    [FIND_MARGIN] = {"find_margin", NS_F32, "largest minus second largest weight of the row of the first content token"},
    [COPY_MARGIN] = {"copy_margin", NS_F32, "the smallest such margin over all content tokens"},
    [ANSWER_HITS] = {"answer_hits", NS_U8, "1 hit, 0 miss, for each content token of the answer; 255 beyond its end",
                     "case answer layer head"},
};

#define WU "teacher-forced form of Wu et al. 2024, arXiv 2404.15574"
static const ns_score scores[] = {
    {"retrieval_find", "find_hits", "find_events", "largest weight on the aligned source, at the first content token of the answer",
     "needlescope", "find_placebo_hits", "find_placebo_events", NS_SHARE, .distractor_of = "find_distractor_hits"},
    {"retrieval_continue", "continue_hits", "continue_events", "largest weight on the aligned source, at the remaining answer tokens",
     "needlescope", "continue_placebo_hits", "continue_placebo_events", NS_SHARE},
    {"retrieval_copy", "copy_hits", "copy_events", "largest weight on the aligned source, at all answer tokens", WU, "copy_placebo_hits",
     "copy_placebo_events", NS_SHARE, .distractor_of = "copy_distractor_hits"},
    {"copy_any", "any_hits", "copy_events", "largest weight on any occurrence of the token about to be said", "needlescope", NS_SHARE,
     .minor = true},
    {"retrieval_find_nosink", "find_nosink_hits", "find_events", "retrieval_find, position 0 and special tokens left out", "needlescope",
     NS_SHARE, .minor = true},
    {"retrieval_continue_nosink", "continue_nosink_hits", "continue_events", "retrieval_continue, position 0 and special tokens left out",
     "needlescope", NS_SHARE, .minor = true},
    {"retrieval_copy_nosink", "copy_nosink_hits", "copy_events", "retrieval_copy, position 0 and special tokens left out", "needlescope",
     NS_SHARE, .minor = true},
    {"copy_any_nosink", "any_nosink_hits", "copy_events", "copy_any, position 0 and special tokens left out", "needlescope", NS_SHARE,
     .minor = true},
    {"retrieval_selectivity", "case_selectivity", NULL, "retrieval_find minus the same towards any distractor's answer", "needlescope",
     NS_DIFFERENCE},
    {"copy_selectivity", "case_copy_selectivity", NULL, "retrieval_copy minus the same towards any distractor's answer", "needlescope",
     NS_DIFFERENCE, .minor = true},
};
#undef WU

enum { MAX_DISTRACTORS = 64 };

typedef struct state {
    const ns_case *c;
    const ns_span *distractors[MAX_DISTRACTORS];
    int            n_distractors;
    bool           placebo;                     /* does it say what chance is? */
    int64_t        n_layers, n_heads;
    ns_sinks       sinks;
    float         *out[N_OUTPUTS];
} state;

static const char *rejects(const ns_probe_context *ctx, char reason[NS_REASON])
{
    (void)reason;
    if (ctx->c->n_answer == 0)
        return "no answer";
    if (!ns_case_span(ctx->c, "needle_answer"))
        return "no needle_answer span";
    return ctx->c->n_answer - ctx->c->n_lead > 255 ? "an answer of more than 255 tokens" : NULL;
}

static int begin(void *user, const ns_probe_context *ctx, float *const *out, ns_error *err)
{
    state *const s = user;
    s->c = ctx->c;
    s->placebo = ns_placebo_stands(ctx->c);
    s->n_layers = ctx->n_layers;
    s->n_heads = ctx->n_heads;
    for (int i = 0; i < N_OUTPUTS; i++)
        s->out[i] = out[i];
    for (int i = 0; i < ctx->c->n_spans; i++) {
        const ns_span *const span = &ctx->c->spans[i];
        if (!ns_starts(span->name, "distractor_answer."))
            continue;
        if (s->n_distractors == MAX_DISTRACTORS)
            return ns_fail(err, NS_E_UNSUPPORTED, "case '%.100s': more than %d distractors", ctx->c->id, MAX_DISTRACTORS);
        s->distractors[s->n_distractors++] = span;
    }
    return ns_sinks_find(&s->sinks, ctx, err);
}

/* The place of content token i in a span that stands for an answer; -1 beyond its end. */
static int64_t place(const ns_span *span, int64_t i)
{
    return span && span->begin + i < span->end ? span->begin + i : -1;
}

static bool on_distractor(const state *s, int64_t key, int64_t i)
{
    bool hit = false;
    for (int d = 0; d < s->n_distractors; d++)
        hit |= place(s->distractors[d], i) == key;
    return hit;
}

/* The same place of any placebo: as many of them as the needle has mentions. */
static bool on_placebo(const state *s, int64_t key, int64_t i)
{
    int at = 0;
    bool hit = false;
    for (const ns_span *span; s->placebo && (span = ns_case_mention(s->c, "placebo", &at));)
        hit |= place(span, i) == key;
    return hit;
}

/* One row of one head, about to say content token i, answer token j = n_lead + i. */
static void judge(const state *s, const ns_site *site, const float *row, int64_t i, int64_t at)
{
    const int64_t j = s->c->n_lead + i;
    float margin;
    const int64_t best = ns_row_argmax(row, site->n_keys, &margin), key = best < 0 ? -2 : best + site->key0;
    const int64_t calm = ns_row_argmax_without(site, row, &s->sinks);
    const bool by_chance = on_placebo(s, key, i);
    const bool first = i == 0, hit = ns_case_is_source(s->c, j, key), any = key >= 0 && ns_case_token(s->c, key) == s->c->answer[j];
    s->out[first ? FIND_HITS : CONTINUE_HITS][at] += hit;
    s->out[first ? FIND_EVENTS : CONTINUE_EVENTS][at]++;
    s->out[COPY_HITS][at] += hit;
    s->out[COPY_EVENTS][at]++;
    s->out[ANY_HITS][at] += any;
    s->out[first ? FIND_NOSINK : CONTINUE_NOSINK][at] += ns_case_is_source(s->c, j, calm);
    s->out[COPY_NOSINK][at] += ns_case_is_source(s->c, j, calm);
    s->out[ANY_NOSINK][at] += calm >= 0 && ns_case_token(s->c, calm) == s->c->answer[j];
    s->out[first ? FIND_PLACEBO : CONTINUE_PLACEBO][at] += by_chance;
    s->out[first ? FIND_PLACEBO_EVENTS : CONTINUE_PLACEBO_EVENTS][at] += s->placebo;
    s->out[COPY_PLACEBO][at] += by_chance;
    s->out[COPY_PLACEBO_EVENTS][at] += s->placebo;
    s->out[COPY_DISTRACTOR][at] += on_distractor(s, key, i);
    s->out[ANSWER_HITS][i * s->n_layers * s->n_heads + at] = hit;
    if (first)
        s->out[FIND_DISTRACTOR][at] = on_distractor(s, key, i);
    if (first)
        s->out[FIND_MARGIN][at] = margin;
    if (!(s->out[COPY_MARGIN][at] <= margin))
        s->out[COPY_MARGIN][at] = margin;
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
            judge(s, site, ns_at(pattern, h, r, 0), j - s->c->n_lead, site->layer * s->n_heads + h);
    }
    return NS_OK;
}

static int end(void *user, ns_error *err)
{
    (void)err;
    state *const s = user;
    for (int64_t at = 0; s->n_distractors && at < s->n_layers * s->n_heads; at++) {
        if (s->out[COPY_EVENTS][at] == 0)
            continue;
        s->out[SELECTIVITY][at] = s->out[FIND_HITS][at] - s->out[FIND_DISTRACTOR][at];
        s->out[COPY_SELECTIVITY][at] = (s->out[COPY_HITS][at] - s->out[COPY_DISTRACTOR][at]) / s->out[COPY_EVENTS][at];
    }
    ns_sinks_free(&s->sinks);
    return NS_OK;
}

const ns_probe ns_probe_retrieval = {
    .name = "retrieval", .summary = "does the row that says an answer token look most at its source in the needle",
    .paper = "needlescope; arXiv 2404.15574",
    .at = "blocks.*.attn.hook_pattern", .rows = {.kind = NS_ROWS_ANSWER}, .accepts = NS_ACCEPTS_SOFTMAX | NS_ACCEPTS_UNROLLED,
    .state_size = sizeof(state), .outputs = outputs, .n_outputs = N_OUTPUTS, .scores = scores, .n_scores = sizeof scores / sizeof *scores,
    .rejects = rejects, .begin = begin, .see = see, .end = end,
};
