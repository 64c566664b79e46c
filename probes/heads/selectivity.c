/* selectivity.c - how much more a head attends to a target than to other positions (arXiv 2606.02378): at the last prompt row the first
 * token, the token before, the row itself, the last earlier copy of the row's token, and the token behind that copy, each over the mean of
 * 50 random other keys that the head sees. From 30 on a head is of the target's class, from 50 on of its circuit. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "heads.h"

enum { FIRST, PREVIOUS, SELF, DUPLICATE, INDUCTION, N_CLASSES, DRAWS = 50 };

#define OUTPUTS(class, name, where) \
    [2 * class] = {"case_target_" name, NS_F32, "attention of the last prompt row to " where "; 0 without one"}, \
    [2 * class + 1] = {"case_other_" name, NS_F32, "mean attention to 50 random other keys that the head sees; 0 without such a target"}
static const ns_output outputs[2 * N_CLASSES] = {
    OUTPUTS(FIRST, "first", "position 0"), OUTPUTS(PREVIOUS, "previous", "the token before it"), OUTPUTS(SELF, "self", "itself"),
    OUTPUTS(DUPLICATE, "duplicate", "the last earlier copy of its token"),
    OUTPUTS(INDUCTION, "induction", "the token behind that copy"),
};
#undef OUTPUTS

#define SCORE(name, where) \
    {"selectivity_" name, "case_target_" name, "case_other_" name, "attention to " where " over that to 50 random other keys", \
     "arXiv 2606.02378", .hi = INFINITY, .chance = 1}
static const ns_score scores[] = {
    SCORE("first", "position 0"), SCORE("previous", "the token before"), SCORE("self", "the row itself"),
    SCORE("duplicate", "the last earlier copy of the row's token"), SCORE("induction", "the token behind that copy"),
};
#undef SCORE

typedef struct state {
    const ns_case *c;
    const ns_arch *arch;
    int64_t        n_heads, target[N_CLASSES];   /* -1: the prompt has none */
    double         draw[DRAWS];                  /* in [0, 1): places among the keys that a head sees */
    float         *out[2 * N_CLASSES];
} state;

static const char *rejects(const ns_probe_context *ctx, char reason[NS_REASON])
{
    (void)reason;
    return ctx->c->n_tokens < 3 ? "a prompt of fewer than three tokens" : NULL;
}

/* The same for a case wherever it stands, and whatever else is scored. */
static uint64_t stream_of(const ns_case *c)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (int64_t i = 0; i < c->n_tokens; i++)
        hash = (hash ^ (uint64_t)(uint32_t)c->tokens[i]) * 0x100000001b3u;
    return hash;
}

static void find_targets(state *s)
{
    const int64_t q = s->c->n_tokens - 1;
    int64_t copy = q - 1;
    while (copy >= 0 && s->c->tokens[copy] != s->c->tokens[q])
        copy--;
    s->target[FIRST] = 0;
    s->target[PREVIOUS] = q - 1;
    s->target[SELF] = q;
    s->target[DUPLICATE] = copy;
    s->target[INDUCTION] = copy >= 0 ? copy + 1 : -1;
}

static int begin(void *user, const ns_probe_context *ctx, float *const *out, ns_error *err)
{
    (void)err;
    state *const s = user;
    ns_rng rng = ns_rng_seed(50, stream_of(ctx->c));
    s->c = ctx->c;
    s->arch = ctx->arch;
    s->n_heads = ctx->n_heads;
    for (int i = 0; i < DRAWS; i++)
        s->draw[i] = ns_rng_uniform(&rng);
    memcpy(s->out, out, sizeof s->out);
    find_targets(s);
    return NS_OK;
}

static bool is_target(const state *s, int64_t key)
{
    bool is = false;
    for (int i = 0; i < N_CLASSES; i++)
        is |= s->target[i] == key;
    return is;
}

/* Seen keys up to q that are no target: all of them where they are few, else those that were drawn. */
static double others(const state *s, const float *row, int64_t key0, ns_seen_keys keys)
{
    const int64_t before = keys.gap - keys.first, n = s->c->n_tokens - keys.after + before;
    double sum = 0;
    int64_t counted = 0;
    for (int64_t i = 0; i < (n <= DRAWS ? n : DRAWS); i++) {
        const int64_t at = n <= DRAWS ? i : (int64_t)(s->draw[i] * (double)n);
        const int64_t key = at < before ? keys.first + at : keys.after + at - before;
        if (is_target(s, key))
            continue;
        sum += (double)row[key - key0];
        counted++;
    }
    return counted ? sum / (double)counted : (double)NAN;
}

static void judge(const state *s, const float *row, int64_t key0, ns_seen_keys keys, int64_t at)
{
    const double other = others(s, row, key0, keys);
    for (int i = 0; i < N_CLASSES; i++) {
        const int64_t target = s->target[i];
        const bool there = target >= 0 && !isnan(other);
        s->out[2 * i][at] = there && target >= keys.first ? row[target - key0] : 0;
        s->out[2 * i + 1][at] = there ? (float)other : 0;
    }
}

static int see(void *user, const ns_site *site, const ns_view *pattern, ns_error *err)
{
    (void)err;
    const state *const s = user;
    const int64_t q = s->c->n_tokens - 1, r = q - site->row0;
    const ns_attn *const attn = ns_arch_attn(s->arch, site->layer);
    for (int64_t h = 0; h < site->n_heads && r >= 0 && r < site->n_rows && attn; h++)
        judge(s, ns_at(pattern, h, r, 0), site->key0, ns_attn_seen_keys(attn, h, q), site->layer * s->n_heads + h);
    return NS_OK;
}

const ns_probe ns_probe_selectivity = {
    .name = "selectivity",
    .summary = "attention to the first token, the one before, the row itself, a copy and what follows it, over that to others",
    .paper = "arXiv 2606.02378", .at = "blocks.*.attn.hook_pattern", .rows = {.kind = NS_ROWS_PROBE}, .accepts = NS_ACCEPTS_SOFTMAX,
    .state_size = sizeof(state), .outputs = outputs, .n_outputs = 2 * N_CLASSES, .scores = scores,
    .n_scores = sizeof scores / sizeof *scores, .rejects = rejects, .begin = begin, .see = see, .on_request = true,
};
