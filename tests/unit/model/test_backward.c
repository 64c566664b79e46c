/* test_backward.c - gradients by activations of a model of every class against central differences of the pass, the same bits however it is
 * run, and what is refused. */
#include <needlescope/backward.h>

#include "../../unit.h"
#include "../../compare.h"
#include "tiny.h"
#include "core/core.h"
#include "model/branch/branch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SHORT = 41, LONG = 203 };       /* more than two blocks of 16 rows; more than three of the states that a scan keeps on its way */
static int T = SHORT, SEEDED = 29;

static ns_error err;

static void ok(int rc)
{
    if (rc != NS_OK)
        fail_msg("%d: %s", rc, err.message);
}

/* ---- J = the sum of weight * logits of row SEEDED, with what enters layer 0 moved along a direction ---- */

typedef struct move { const float *along; double by; int64_t D; } move;
typedef struct sum { const float *weight; double J; int64_t V; } sum;

static int add_move(void *user, const ns_site *site, ns_view *v, ns_error *e)
{
    (void)e;
    const move *const m = user;
    for (int64_t r = 0; r < site->n_rows; r++)
        for (int64_t i = 0; i < m->D; i++)
            *(float *)ns_at(v, r, i, 0) += (float)(m->by * (double)m->along[(site->row0 + r) * m->D + i]);
    return NS_OK;
}

static int take_sum(void *user, const ns_site *site, const ns_view *v, ns_error *e)
{
    (void)e;
    sum *const s = user;
    for (int64_t r = 0; r < site->n_rows; r++)
        for (int64_t i = 0; i < s->V && site->row0 + r == SEEDED; i++)
            s->J += (double)s->weight[i] * (double)*(const float *)ns_at(v, r, i, 0);
    return NS_OK;
}

static ns_session *session_of(const tiny *t, const int32_t *tokens)
{
    ns_session *s;
    ok(ns_session_new(&s, t->model, NULL, &err));
    ok(ns_session_append(s, tokens, T, &err));
    return s;
}

static double J_of(const tiny *t, const int32_t *tokens, const float *weight, move m)
{
    sum s = {weight, 0, t->arch->vocab};
    const ns_hook list[] = {{.size = sizeof *list, .at = "blocks.0.hook_resid_pre", .edit = add_move, .user = &m},
                            {.size = sizeof *list, .at = "hook_logits", .read = take_sum, .user = &s}};
    ns_hooks *hooks;
    ns_session *const session = session_of(t, tokens);
    ok(ns_hooks_new(&hooks, t->arch, list, 2, &err));
    ok(ns_forward(t->model, &session, 1, hooks, NULL, &err));
    ns_hooks_free(hooks);
    ns_session_free(session);
    return s.J;
}

/* ---- dJ by what enters layer 0 ---- */

static int take_gradient(void *user, const ns_site *site, const ns_view *v, ns_error *e)
{
    (void)e;
    float *const out = user;
    for (int64_t r = 0; r < site->n_rows; r++)
        for (int64_t i = 0; i < v->shape[1]; i++)
            out[(site->row0 + r) * v->shape[1] + i] = *(const float *)ns_at(v, r, i, 0);
    return NS_OK;
}

/* Adds up the bits of what is read, each by its place. */
static int take_bits(void *user, const ns_site *site, const ns_view *v, ns_error *e)
{
    (void)e;
    uint64_t *const bits = user;
    for (int64_t r = 0; r < site->n_rows; r++)
        for (int64_t i = 0; i < v->shape[1]; i++) {
            uint32_t one;
            memcpy(&one, ns_at(v, r, i, 0), sizeof one);
            *bits += (uint64_t)one * (uint64_t)(2 * ((site->layer * 8 + site->point) * T * 4096 + (site->row0 + r) * 4096 + i) + 1);
        }
    return NS_OK;
}

/* [T, D], and behind them the bits of all that the residual stream was read as. */
static float *gradient_of(const tiny *t, const int32_t *tokens, const float *weight, ns_walker *walker)
{
    float *const out = calloc((size_t)(T * t->arch->d_model) + 2, sizeof *out);
    uint64_t bits = 0;
    const ns_seed seed = {.size = sizeof seed, .at = "hook_logits", .row0 = SEEDED, .n_rows = 1, .width = t->arch->vocab, .values = weight};
    const ns_hook list[] = {{.size = sizeof *list, .at = "blocks.0.hook_resid_pre", .read = take_gradient, .user = out},
                            {.size = sizeof *list, .at = "blocks.*.hook_resid_*", .read = take_bits, .user = &bits}};
    const ns_backward_params params = {.size = sizeof params, .walker = walker};
    ns_hooks *hooks;
    ns_session *const session = session_of(t, tokens);
    ok(ns_hooks_new(&hooks, t->arch, list, 2, &err));
    ok(ns_backward(t->model, session, &seed, 1, hooks, &params, &err));
    ns_hooks_free(hooks);
    ns_session_free(session);
    memcpy(out + T * t->arch->d_model, &bits, sizeof bits);
    return out;
}

/* Half along the gradient (its length), half anywhere (its direction). */
static void make_direction(float *u, const float *g, int64_t n)
{
    ns_rng rng = ns_rng_seed(3, 3);
    double of_g = 1e-30, of_u = 1e-30;
    for (int64_t i = 0; i < n; i++) {
        u[i] = (float)ns_rng_normal(&rng);
        of_g += (double)g[i] * (double)g[i];
        of_u += (double)u[i] * (double)u[i];
    }
    for (int64_t i = 0; i < n; i++)
        u[i] = (float)(0.7 * (double)g[i] / sqrt(of_g) + 0.7 * (double)u[i] / sqrt(of_u));
}

/* A walker's third pass runs the layers once and keeps them all, where there is memory: the bits are those of the first. */
static void walk_again(const tiny *t, const char *name, const int32_t *tokens, const float *weight, const float *g, int64_t n)
{
    ns_walker *walker;
    ok(ns_walker_new(&walker, t->model, &err));
    for (int i = 0; i < 4; i++) {
        float *const again = gradient_of(t, tokens, weight, walker);
        if (memcmp(again, g, (size_t)n * sizeof *g))
            fail_msg("%s: pass %d of a walker gives other bits", name, i);
        free(again);
    }
    ns_walker_free(walker);
}

/* ---- every class ---- */

static const struct { const char *name, *const *config; } models[] = {
    {"llama", &tiny_llama}, {"mistral", &tiny_mistral}, {"gemma2", &tiny_gemma2}, {"gpt_neox", &tiny_gpt_neox}, {"minimax", &tiny_minimax},
    {"experts", &tiny_experts}, {"gpt_oss", &tiny_gpt_oss}, {"llama4", &tiny_llama4}, {"gated", &tiny_gated}, {"delta", &tiny_delta},
    {"mamba2", &tiny_mamba2}, {"recurrences", &tiny_recurrences}, {"lfm2", &tiny_lfm2}, {"lfm2_tap", &tiny_lfm2_tap},
    {"hgrn2", &tiny_hgrn2},
    {"bounds", &tiny_bounds}, {"limits", &tiny_limits},
    {"jamba", &tiny_jamba}, {"griffin", &tiny_griffin}, {"falcon", &tiny_falcon},
    {"falcon_rows", &tiny_falcon_rows},
    {"nemotron", &tiny_nemotron},
};
enum { N_MODELS = sizeof models / sizeof *models };

static void mark_classes(const ns_arch *arch, bool *seen)
{
    for (int64_t l = 0; l < arch->n_layers; l++)
        for (int s = 0; s < arch->layers[l].n_stages; s++)
            for (int b = 0; b < arch->layers[l].stages[s].n_branches; b++)
                for (int c = 0; ns_branch_classes[c]; c++)
                    seen[c] |= ns_branch_classes[c] == arch->layers[l].stages[s].branches[b].class_;
}

/* J along a direction, by the gradient and by central differences. */
static void check_slope(const tiny *t, const char *name, const int32_t *tokens, const float *weight, const float *g)
{
    const int64_t n = T * t->arch->d_model;
    float *const u = malloc((size_t)n * sizeof *u);
    make_direction(u, g, n);
    double analytic = 0;
    for (int64_t i = 0; i < n; i++)
        analytic += (double)u[i] * (double)g[i];
    const double step = 0.05 / (fabs(analytic) + 1);      /* so that curvature and rounding are both small beside what J moves by */
    const double numeric = (J_of(t, tokens, weight, (move){u, step, t->arch->d_model}) -
                            J_of(t, tokens, weight, (move){u, -step, t->arch->d_model})) / (2 * step);
    if (!(fabs(numeric - analytic) <= 1e-2 * fabs(analytic) + 1e-4))
        fail_msg("%s, %d rows: J rises by %.8g, the gradient says %.8g", name, T, numeric, analytic);
    free(u);
}

static float *make_weight(int64_t V)
{
    float *const weight = malloc((size_t)V * sizeof *weight);
    ns_rng rng = ns_rng_seed(9, 1);
    for (int64_t i = 0; i < V; i++)
        weight[i] = (float)ns_rng_normal(&rng);
    return weight;
}

static void check_model(const char *name, const char *config, bool *seen)
{
    tiny t, other;
    int32_t tokens[LONG];
    tiny_open(&t, config, 1, NULL, 0);
    mark_classes(t.arch, seen);
    tiny_tokens(tokens, T, t.arch->vocab, 5);
    const int64_t n = T * t.arch->d_model;
    float *const weight = make_weight(t.arch->vocab), *const g = gradient_of(&t, tokens, weight, NULL);
    walk_again(&t, name, tokens, weight, g, n + 2);
    check_slope(&t, name, tokens, weight, g);
    const struct { int threads; const char *cpu; int64_t memory; } ways[] = {{3, NULL, 0}, {1, "scalar", 0}, {2, NULL, 1 << 16}};
    for (int i = 0; i < 3; i++) {
        tiny_open(&other, config, ways[i].threads, ways[i].cpu, ways[i].memory);
        float *const again = gradient_of(&other, tokens, weight, NULL);
        if (memcmp(again, g, (size_t)(n + 2) * sizeof *g))
            fail_msg("%s: way %d gives other bits", name, i);
        free(again);
        walk_again(&other, name, tokens, weight, g, n + 2);
        tiny_close(&other);
    }
    free(g);
    free(weight);
    tiny_close(&t);
}

static void classes(void **state)
{
    (void)state;
    bool seen[64] = {false};
    for (int i = 0; i < N_MODELS; i++)
        check_model(models[i].name, *models[i].config, seen);
    for (int c = 0; ns_branch_classes[c]; c++)
        if (!seen[c])
            fail_msg("class %s: no model here has it", ns_branch_classes[c]->name);
}

/* Recurrences of many rows: the way back goes through states that were kept on the way there. */
static void long_recurrences(void **state)
{
    static const struct { const char *name, *const *config; } list[] = {
        {"minimax", &tiny_minimax}, {"delta", &tiny_delta}, {"mamba2", &tiny_mamba2}, {"recurrences", &tiny_recurrences},
        {"hgrn2", &tiny_hgrn2}, {"lfm2", &tiny_lfm2}, {"jamba", &tiny_jamba}, {"griffin", &tiny_griffin}};
    (void)state;
    T = LONG;
    SEEDED = LONG - 2;
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        tiny t;
        int32_t tokens[LONG];
        tiny_open(&t, *list[i].config, 1, NULL, 0);
        tiny_tokens(tokens, T, t.arch->vocab, 5);
        float *const weight = make_weight(t.arch->vocab), *const g = gradient_of(&t, tokens, weight, NULL);
        check_slope(&t, list[i].name, tokens, weight, g);
        free(g);
        free(weight);
        tiny_close(&t);
    }
    T = SHORT;
    SEEDED = 29;
}

/* ---- rows and keys: dJ by the pattern and the scores against differences of a pass that edits them ---- */

typedef struct keys { float *data; int64_t H; } keys;         /* [H][T][T] */
typedef struct bump { const keys *along; double by; } bump;

static float *of_key(const keys *k, int64_t head, int64_t row, int64_t key)
{
    return k->data + (head * T + row) * T + key;
}

static int take_keys(void *user, const ns_site *site, const ns_view *v, ns_error *e)
{
    (void)e;
    const keys *const k = user;
    for (int64_t h = 0; h < k->H; h++)
        for (int64_t r = 0; r < site->n_rows; r++)
            for (int64_t i = 0; i < v->shape[2]; i++)
                *of_key(k, h, site->row0 + r, site->key0 + i) = *(const float *)ns_at(v, h, r, i);
    return NS_OK;
}

/* What is masked stays so. */
static int bump_keys(void *user, const ns_site *site, ns_view *v, ns_error *e)
{
    (void)e;
    const bump *const m = user;
    for (int64_t h = 0; h < m->along->H; h++)
        for (int64_t r = 0; r < site->n_rows; r++)
            for (int64_t i = 0; i < v->shape[2]; i++)
                *(float *)ns_at(v, h, r, i) += (float)(m->by * (double)*of_key(m->along, h, site->row0 + r, site->key0 + i));
    return NS_OK;
}

static double J_bumped(const tiny *t, const int32_t *tokens, const float *weight, const char *at, bump m)
{
    sum s = {weight, 0, t->arch->vocab};
    const ns_hook list[] = {{.size = sizeof *list, .at = at, .edit = bump_keys, .user = &m},
                            {.size = sizeof *list, .at = "hook_logits", .read = take_sum, .user = &s}};
    ns_hooks *hooks;
    ns_session *const session = session_of(t, tokens);
    ok(ns_hooks_new(&hooks, t->arch, list, 2, &err));
    ok(ns_forward(t->model, &session, 1, hooks, NULL, &err));
    ns_hooks_free(hooks);
    ns_session_free(session);
    return s.J;
}

static void take_gradient_of(const tiny *t, const int32_t *tokens, const ns_seed *seed, const char *at, keys *out)
{
    const ns_hook hook = {.size = sizeof hook, .at = at, .read = take_keys, .user = out};
    ns_hooks *hooks;
    ns_session *const session = session_of(t, tokens);
    ok(ns_hooks_new(&hooks, t->arch, &hook, 1, &err));
    ok(ns_backward(t->model, session, seed, 1, hooks, NULL, &err));
    ns_hooks_free(hooks);
    ns_session_free(session);
}

/* Along a direction that is the gradient's in part, at the keys that have one: a masked key has none. */
static void check_keys(const tiny *t, const char *name, const int32_t *tokens, const ns_seed *seed, ns_point point, int64_t layer)
{
    char at[64];
    const int64_t H = ns_arch_attn(t->arch, layer)->n_heads, n = H * T * T;
    keys g = {calloc((size_t)n, sizeof(float)), H}, u = {calloc((size_t)n, sizeof(float)), H};
    ns_point_format(point, layer, at, sizeof at);
    take_gradient_of(t, tokens, seed, at, &g);
    make_direction(u.data, g.data, n);
    double analytic = 0;
    for (int64_t i = 0; i < n; i++) {
        u.data[i] = g.data[i] != 0 ? u.data[i] : 0;
        analytic += (double)u.data[i] * (double)g.data[i];
    }
    for (int64_t h = 0; h < H; h++)
        for (int64_t r = 0; r < T; r++)
            for (int64_t k = r + 1; k < T; k++)
                assert_true(*of_key(&g, h, r, k) == 0);
    const double step = 0.05 / (fabs(analytic) + 1);
    const double numeric = (J_bumped(t, tokens, seed->values, at, (bump){&u, step}) -
                            J_bumped(t, tokens, seed->values, at, (bump){&u, -step})) / (2 * step);
    if (!(fabs(numeric - analytic) <= 1e-2 * fabs(analytic) + 1e-4) || !(fabs(analytic) > 1e-3))
        fail_msg("%s: %s: J rises by %.8g, the gradient says %.8g", name, at, numeric, analytic);
    free(g.data);
    free(u.data);
}

static void rows_and_keys(void **state)
{
    (void)state;
    static const ns_point points[] = {NS_POINT_PATTERN, NS_POINT_SCORES};
    for (int i = 0; i < N_MODELS; i++) {
        tiny t;
        int32_t tokens[LONG];
        float weight[512];
        tiny_open(&t, *models[i].config, 2, NULL, 0);
        tiny_tokens(tokens, T, t.arch->vocab, 5);
        ns_rng rng = ns_rng_seed(9, 1);
        for (int64_t k = 0; k < t.arch->vocab; k++)
            weight[k] = (float)ns_rng_normal(&rng);
        const ns_seed seed = {.size = sizeof seed, .at = "hook_logits", .row0 = SEEDED, .n_rows = 1, .width = t.arch->vocab,
                              .values = weight};
        for (int64_t l = 0; l < t.arch->n_layers; l++)
            for (int p = 0; p < 2; p++)
                if (ns_point_exists(t.arch, points[p], l))
                    check_keys(&t, models[i].name, tokens, &seed, points[p], l);
        tiny_close(&t);
    }
}

/* ---- a seed of logits without the head's product: the gradient is that of the logits themselves ---- */

static void walk_from(const tiny *t, const int32_t *tokens, const ns_seed *seed, float *out)
{
    const ns_hook hook = {.size = sizeof hook, .at = "blocks.0.hook_resid_pre", .read = take_gradient, .user = out};
    ns_hooks *hooks;
    ns_session *const session = session_of(t, tokens);
    ok(ns_hooks_new(&hooks, t->arch, &hook, 1, &err));
    ok(ns_backward(t->model, session, seed, 1, hooks, NULL, &err));
    ns_hooks_free(hooks);
    ns_session_free(session);
}

static void check_logit_seed(const tiny *t, const char *name, const int32_t *list, const float *weights, int64_t n)
{
    const int64_t V = t->arch->vocab, D = t->arch->d_model;
    int32_t tokens[LONG];
    float *const dense = calloc((size_t)V, sizeof *dense), *const values = calloc((size_t)D, sizeof *values);
    float *const want = calloc((size_t)(T * D), sizeof *want), *const got = calloc((size_t)(T * D), sizeof *got);
    tiny_tokens(tokens, T, V, 5);
    for (int64_t i = 0; i < (list ? n : V); i++)
        dense[list ? list[i] : i] += list && weights ? weights[i] : 1;
    ns_logit_seed s = {.tokens = list, .n = n, .weights = weights, .values = values};
    ok(ns_model_logit_seed(t->model, &s, &err));
    walk_from(t, tokens, &(ns_seed){.size = sizeof(ns_seed), .at = "hook_logits", .row0 = SEEDED, .n_rows = 1, .width = V, .values = dense},
              want);
    walk_from(t, tokens, &(ns_seed){.size = sizeof(ns_seed), .at = s.at, .row0 = SEEDED, .n_rows = 1, .width = D, .values = values}, got);
    ns_worst most = {0}, off = {0};
    for (int64_t i = 0; i < T * D; i++) {
        ns_worst_add(&most, (double)want[i]);
        ns_worst_add(&off, (double)want[i] - (double)got[i]);
    }
    if (!ns_worst_within(&off, 1e-5 * most.most, T * D) || !(most.most > 0))
        fail_msg("%s: off by %g of %g", name, off.most, most.most);
    free(dense);
    free(values);
    free(want);
    free(got);
}

static void logit_seeds(void **state)
{
    (void)state;
    static const int32_t two[] = {3, 7}, beyond[] = {1 << 20};
    static const float weights[] = {1, -.5f};
    for (int i = 0; i < N_MODELS; i++) {
        tiny t;
        float values[4096];
        tiny_open(&t, *models[i].config, 1, NULL, 0);
        if (t.arch->logit_softcap == 0) {
            check_logit_seed(&t, models[i].name, two, weights, 2);
            check_logit_seed(&t, models[i].name, NULL, NULL, 0);
        }
        assert_int_equal(ns_model_logit_seed(t.model, &(ns_logit_seed){.tokens = beyond, .n = 1, .values = values}, &err), NS_E_ARG);
        tiny_close(&t);
    }
}

/* ---- refusals ---- */

static int edits_nothing(void *user, const ns_site *site, ns_view *v, ns_error *e)
{
    (void)user, (void)site, (void)v, (void)e;
    return NS_OK;
}

static int keep_stream(void *user, const ns_site *site, const ns_view *v, ns_error *e)
{
    (void)e;
    for (int64_t r = 0; r < site->n_rows; r++)
        memcpy((float *)user + (site->row0 + r) * v->shape[1], ns_at(v, r, 0, 0), (size_t)v->shape[1] * sizeof(float));
    return NS_OK;
}

/* What enters the first layer of these tokens. */
static float *stream_of(const tiny *t, const int32_t *tokens)
{
    float *const out = calloc((size_t)(T * t->arch->d_model), sizeof *out);
    const ns_hook list = {.size = sizeof list, .at = "blocks.0.hook_resid_pre", .read = keep_stream, .user = out};
    ns_hooks *hooks;
    ns_session *session = session_of(t, tokens);
    ok(ns_hooks_new(&hooks, t->arch, &list, 1, &err));
    ok(ns_forward(t->model, &session, 1, hooks, NULL, &err));
    ns_hooks_free(hooks);
    ns_session_free(session);
    return out;
}

static int walk_with(const tiny *t, const int32_t *tokens, const float *stream, float *out)
{
    float one[512] = {1};
    const ns_seed seed = {.size = sizeof seed, .at = "hook_logits", .row0 = SEEDED, .n_rows = 1, .width = t->arch->vocab, .values = one};
    const ns_hook list = {.size = sizeof list, .at = "hook_embed", .read = keep_stream, .user = out};
    const ns_backward_params params = {.size = sizeof params, .stream = stream};
    ns_hooks *hooks;
    ns_session *const session = session_of(t, tokens);
    ok(ns_hooks_new(&hooks, t->arch, &list, 1, &err));
    const int rc = ns_backward(t->model, session, &seed, 1, hooks, &params, &err);
    ns_hooks_free(hooks);
    ns_session_free(session);
    return rc;
}

/* With the stream of other tokens the gradients are those tokens'. */
static void another_stream(void **state)
{
    (void)state;
    tiny t;
    int32_t tokens[LONG], others[LONG];
    tiny_open(&t, tiny_llama, 1, NULL, 0);
    tiny_tokens(tokens, T, t.arch->vocab, 5);
    tiny_tokens(others, T, t.arch->vocab, 6);
    const size_t n = (size_t)(T * t.arch->d_model);
    float *const stream = stream_of(&t, others), *const own = calloc(n, sizeof *own), *const by_stream = calloc(n, sizeof *by_stream);
    ok(walk_with(&t, others, NULL, own));
    ok(walk_with(&t, tokens, stream, by_stream));
    assert_memory_equal(own, by_stream, n * sizeof *own);
    ok(walk_with(&t, tokens, NULL, own));
    assert_memory_not_equal(own, by_stream, n * sizeof *own);
    stream[n - 1] = NAN;
    assert_int_equal(walk_with(&t, tokens, stream, own), NS_E_NUMERIC);
    free(stream);
    free(own);
    free(by_stream);
    tiny_close(&t);
}

static void expect(const tiny *t, const ns_seed *seed, const ns_hook *hook, const char *words)
{
    int32_t tokens[LONG];
    ns_hooks *hooks = NULL;
    tiny_tokens(tokens, T, t->arch->vocab, 5);
    ns_session *const session = session_of(t, tokens);
    if (hook)
        ok(ns_hooks_new(&hooks, t->arch, hook, 1, &err));
    assert_int_equal(ns_backward(t->model, session, seed, seed ? 1 : 0, hooks, NULL, &err), NS_E_ARG);
    if (!strstr(err.message, words))
        fail_msg("'%s' does not say '%s'", err.message, words);
    ns_hooks_free(hooks);
    ns_session_free(session);
}

static void refusals(void **state)
{
    (void)state;
    tiny t;
    tiny_open(&t, tiny_llama, 1, NULL, 0);
    float one[512] = {1};
    const ns_seed good = {.size = sizeof good, .at = "hook_logits", .n_rows = 1, .width = t.arch->vocab, .values = one};
    ns_seed bad = good;
    expect(&t, NULL, NULL, "no seed");
    bad.at = "blocks.0.hook_nothing";
    expect(&t, &bad, NULL, "no such point");
    bad.at = "blocks.0.attn.hook_result";
    expect(&t, &bad, NULL, "not walked back by itself: take hook_z, which it is made of");
    bad.at = "blocks.0.attn.hook_pattern";
    expect(&t, &bad, NULL, "numbers a row, the point has");
    bad = good;
    bad.row0 = T;
    expect(&t, &bad, NULL, "rows 41 to 41");
    bad = good;
    bad.width = 3;
    expect(&t, &bad, NULL, "3 numbers a row");
    bad = good;
    bad.at = "blocks.0.hook_resid_mid";
    bad.width = t.arch->d_model;
    expect(&t, &bad, &(ns_hook){.size = sizeof(ns_hook), .at = "blocks.0.hook_resid_post", .read = take_gradient},
           "lies behind the seed at blocks.0.hook_resid_mid");
    expect(&t, &good, &(ns_hook){.size = sizeof(ns_hook), .at = "hook_embed", .edit = edits_nothing}, "edits");
    expect(&t, &good, &(ns_hook){.size = sizeof(ns_hook), .at = "blocks.*.attn.hook_result", .read = take_gradient},
           "blocks.0.attn.hook_result: this point is not walked back");
    tiny_close(&t);
    tiny_open(&t, tiny_minimax, 1, NULL, 0);
    bad.at = "blocks.0.attn.hook_pattern";
    expect(&t, &bad, NULL, "rows of a recurrence have gradients and take no seed: seed hook_z");
    expect(&t, &good, &(ns_hook){.size = sizeof(ns_hook), .at = "blocks.0.attn.hook_ssm_state", .read = take_gradient},
           "blocks.0.attn.hook_ssm_state: this point is not walked back by itself: take hook_recurrence_out");
    tiny_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(classes), cmocka_unit_test(long_recurrences), cmocka_unit_test(rows_and_keys),
                                       cmocka_unit_test(logit_seeds),
                                       cmocka_unit_test(another_stream), cmocka_unit_test(refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
