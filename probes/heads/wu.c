/* wu.c - the retrieval score of Wu et al. 2024 (arXiv 2404.15574), taken while the model answers by itself: at each step, is the key with
 * the largest weight inside the needle's answer, and does it hold the very token that is being said?
 *     retrieval_wu      |g_h and k| / |k|, as the paper defines it: k the needle's answer, g_h the places in it that head h copied from,
 *                       over as many steps as the answer has tokens
 *     retrieval_wu2024  as its published code counts (--compat wu2024): every copy adds 1 / |k|, so repetition goes beyond 1; up to 50
 *                       steps, or to token 144 or a stop token; k is the first window whose set of tokens holds more than 0.9 of the
 *                       answer's, which may begin early
 * Both count only cases whose words hold more than half of the answer's (ROUGE-1 recall, here over tokens and unstemmed); the others are
 * NaN, not 0. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "heads.h"

enum { HITS, SCORE, N_OUTPUTS, MAX_STEPS = 50, LLAMA_NEWLINE_PAIR = 144 };

typedef struct state {
    const ns_case *c;
    const int32_t *stop;
    int64_t        n_stop, n_layers, n_heads, begin, end, most, steps, said[MAX_STEPS];       /* most: steps */
    bool           compat, done;
    int64_t       *looked;     /* [most, L, H] where the row that says a token looks most; NULL before the first is seen and when done */
    uint8_t       *found;      /* [L, H, end - begin] */
    float         *out[N_OUTPUTS];
} state;

static const char *rejects(const ns_probe_context *ctx, char reason[NS_REASON])
{
    (void)reason;
    const ns_span *const span = ns_case_span(ctx->c, "needle_answer");
    if (ctx->c->n_answer == 0)
        return "no answer";
    if (!span || span->begin == span->end)
        return "no needle_answer span";
    return ctx->c->n_answer > MAX_STEPS ? "an answer of more than 50 tokens" : NULL;
}

static bool contains(const int32_t *list, int64_t n, int32_t token)
{
    bool in = false;
    for (int64_t i = 0; i < n; i++)
        in |= list[i] == token;
    return in;
}

/* The published search: the first window of the answer's length that shares more than 0.9 of the answer's distinct tokens. */
static void find_window(state *s)
{
    const int32_t *const needle = s->c->tokens + s->begin;
    const int64_t m = s->end - s->begin;
    for (int64_t at = 0; at + m <= s->c->n_tokens; at++) {
        int64_t distinct = 0, shared = 0;
        for (int64_t i = 0; i < m; i++)
            if (!contains(needle, i, needle[i])) {
                distinct++;
                shared += contains(s->c->tokens + at, m, needle[i]);
            }
        if ((double)shared / (double)distinct > 0.9) {
            s->begin = at;
            s->end = at + m;
            return;
        }
    }
}

static int begin(void *user, const ns_probe_context *ctx, float *const *out, ns_error *err)
{
    state *const s = user;
    const ns_span *const span = ns_case_span(ctx->c, "needle_answer");
    s->c = ctx->c;
    s->stop = ctx->stop;
    s->n_stop = ctx->n_stop;
    s->n_layers = ctx->n_layers;
    s->n_heads = ctx->n_heads;
    s->begin = span->begin;
    s->end = span->end;
    s->compat = ctx->probe == &ns_probe_wu2024;
    s->most = s->compat ? MAX_STEPS : ctx->c->n_answer;
    if (s->compat)
        find_window(s);
    for (int i = 0; i < N_OUTPUTS; i++)
        s->out[i] = out[i];
    s->found = ns_alloc_array((size_t)(s->n_layers * s->n_heads * (s->end - s->begin)), 1);
    return s->found ? NS_OK : ns_oom(err, "the decoding probe");
}

/* Of the case that is being decoded alone: one has room for all its steps at a time. */
static int need_rows(state *s, ns_error *err)
{
    const size_t n = (size_t)(s->most * s->n_layers * s->n_heads);
    if (s->looked || s->done)
        return NS_OK;
    s->looked = ns_alloc_array(n, sizeof *s->looked);
    for (size_t i = 0; s->looked && i < n; i++)
        s->looked[i] = -1;
    return s->looked ? NS_OK : ns_oom(err, "the decoding probe");
}

static int see(void *user, const ns_site *site, const ns_view *pattern, ns_error *err)
{
    state *const s = user;
    const int64_t first = site->row0 - (s->c->n_tokens - 1);
    const int rc = need_rows(s, err);
    for (int64_t r = 0; r < site->n_rows && rc == NS_OK && s->looked; r++) {
        const int64_t step = first + r, keys = site->n_keys - (site->n_rows - 1 - r);
        for (int64_t h = 0; h < site->n_heads && step >= 0 && step < s->most; h++) {
            const int64_t best = ns_row_argmax(ns_at(pattern, h, r, 0), keys, NULL);
            s->looked[(step * s->n_layers + site->layer) * s->n_heads + h] = best < 0 ? -1 : site->key0 + best;
        }
    }
    return rc;
}

/* Which token of the answer position k is, in whichever mention; the published code knows its one window. -1: none. */
static int64_t place_in(const state *s, int64_t k)
{
    const int64_t m = s->end - s->begin;
    int at = 0;
    if (k >= s->begin && k < s->end)
        return k - s->begin;
    for (const ns_span *span; !s->compat && (span = ns_case_mention(s->c, "needle_answer", &at));)
        if (k >= span->begin && k < span->end && k - span->begin < m)
            return k - span->begin;
    return -1;
}

static int token(void *user, int64_t position, int32_t token, ns_error *err)
{
    (void)position;
    (void)err;
    state *const s = user;
    const int64_t m = s->end - s->begin, *const looked = s->looked ? s->looked + s->steps * s->n_layers * s->n_heads : NULL;
    if (s->done)
        return NS_STOP;
    s->said[s->steps++] = token;
    for (int64_t at = 0; looked && at < s->n_layers * s->n_heads; at++) {
        const int64_t k = looked[at], i = place_in(s, k);
        if (i < 0 || s->c->tokens[k] != token)
            continue;
        s->out[HITS][at] += s->compat || !s->found[at * m + i];
        s->found[at * m + i] = 1;
    }
    s->done = s->compat && (token == LLAMA_NEWLINE_PAIR || contains(s->stop, s->n_stop, token));
    s->done |= s->steps == s->most;
    if (s->done) {
        free(s->looked);
        s->looked = NULL;
    }
    return s->done ? NS_STOP : NS_OK;
}

/* Tokens of the answer that were said, each as often as it is in both, over its length. */
static double recall(const state *s)
{
    const ns_span *const span = ns_case_span(s->c, "needle_answer");
    const int64_t m = span->end - span->begin;
    bool used[MAX_STEPS] = {false};
    int64_t shared = 0;
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < s->steps; j++)
            if (!used[j] && s->said[j] == s->c->tokens[span->begin + i]) {
                used[j] = true;
                shared++;
                break;
            }
    return (double)shared / (double)m;
}

static int end(void *user, ns_error *err)
{
    (void)err;
    state *const s = user;
    for (int64_t at = 0; s->found && recall(s) > 0.5 && at < s->n_layers * s->n_heads; at++)
        s->out[SCORE][at] = s->out[HITS][at] / (float)(s->end - s->begin);
    free(s->looked);
    free(s->found);
    return NS_OK;
}

#define PAPER "Wu et al. 2024, arXiv 2404.15574"
#define WU(NAME, SUMMARY, FROM, MOST)                                                                                                      \
    static const ns_output NAME##_outputs[N_OUTPUTS] = {                                                                                   \
        [HITS] = {#NAME "_hits", NS_U8, "copies from the needle's answer while decoding"},                                                 \
        [SCORE] = {"case_" #NAME, NS_F32, "the same over the answer's length; NaN where less than half of the answer was said"},           \
    };                                                                                                                                     \
    static const ns_score NAME##_scores[] = {                                                                                              \
        {"retrieval_" #NAME, "case_" #NAME, NULL, SUMMARY, FROM, .hi = MOST, .chance = (double)NAN},                                       \
    };                                                                                                                                     \
    const ns_probe ns_probe_##NAME = {                                                                                                     \
        .name = #NAME, .summary = SUMMARY, .paper = FROM, .at = "blocks.*.attn.hook_pattern", .rows = {.kind = NS_ROWS_LAST, .n = 1},      \
        .accepts = NS_ACCEPTS_SOFTMAX | NS_ACCEPTS_UNROLLED, .state_size = sizeof(state),                                                  \
        .outputs = NAME##_outputs, .n_outputs = N_OUTPUTS, .scores = NAME##_scores, .n_scores = 1,                                         \
        .rejects = rejects, .begin = begin, .see = see, .token = token, .end = end, .on_request = true,                                    \
    }
WU(wu, "share of the needle's answer that the head copies while the model answers", PAPER ", the paper's definition", 1);
WU(wu2024, "copies from the needle's answer while the model answers, over its length, as the published code counts them",
   PAPER ", retrieval_head_detection.py", INFINITY);
