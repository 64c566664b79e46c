/* test_points.c - every hook point holds what its formula says: the identities of the field. */
#include "tiny.h"
#include "core/core.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { T = 70, MAX_TENSORS = 256 };

static ns_error err;

static void ok(int rc)
{
    if (rc != NS_OK)
        fail_msg("%d: %s", rc, err.message);
}

/* Everything a pass delivers, as dense arrays by name. Attention points become [H, T, T]; the rest [T, width]. */
typedef struct seen { char name[64]; float *data; int64_t width; } seen;
typedef struct album { seen list[MAX_TENSORS]; int n; } album;

static seen *find(album *a, const char *name)
{
    for (int i = 0; i < a->n; i++)
        if (strcmp(a->list[i].name, name) == 0)
            return &a->list[i];
    return NULL;
}

static seen *make(album *a, const char *name, int64_t count, int64_t width)
{
    assert_true(a->n < MAX_TENSORS);
    seen *s = &a->list[a->n++];
    snprintf(s->name, sizeof s->name, "%s", name);
    s->data = calloc((size_t)count, sizeof *s->data);
    s->width = width;
    return s;
}

static int collect(void *user, const ns_site *site, const ns_view *v, ns_error *e)
{
    (void)e;
    album *a = user;
    char name[64];
    ns_point_format(site->point, site->layer, name, sizeof name);
    bool attention = site->point == NS_POINT_SCORES || site->point == NS_POINT_PATTERN;
    int64_t width = attention ? T : v->rank == 3 ? v->shape[1] * v->shape[2] : v->shape[1];
    seen *s = find(a, name);
    if (!s)
        s = make(a, name, attention ? v->shape[0] * T * T : T * width, width);
    for (int64_t r = 0; r < site->n_rows; r++) {
        if (attention) {
            assert_int_equal(site->key0 + v->shape[2], site->row0 + site->n_rows);
            for (int64_t h = 0; h < v->shape[0]; h++)
                for (int64_t k = 0; k < v->shape[2]; k++)
                    s->data[(h * T + site->row0 + r) * T + site->key0 + k] = *ns_at(v, h, r, k);
            continue;
        }
        for (int64_t i = 0; i < v->shape[1]; i++)
            for (int64_t j = 0; j < (v->rank == 3 ? v->shape[2] : 1); j++)
                s->data[(site->row0 + r) * width + i * (v->rank == 3 ? v->shape[2] : 1) + j] = *ns_at(v, r, i, j);
    }
    return NS_OK;
}

static void album_clear(album *a)
{
    for (int i = 0; i < a->n; i++)
        free(a->list[i].data);
    a->n = 0;
}

static const float *of(album *a, int64_t layer, const char *point)
{
    char name[64];
    if (layer < 0)
        snprintf(name, sizeof name, "%s", point);
    else
        snprintf(name, sizeof name, "blocks.%lld.%s", (long long)layer, point);
    seen *s = find(a, name);
    if (!s)
        fail_msg("%s was not delivered", name);
    return s->data;
}

static void run(const tiny *t, const int32_t *tokens, const ns_hook *list, int n)
{
    ns_hooks *hooks;
    ns_session *s;
    ok(ns_hooks_new(&hooks, t->arch, list, n, &err));
    ok(ns_session_new(&s, t->model, NULL, &err));
    ok(ns_session_append(s, tokens, T, &err));
    ok(ns_forward(t->model, &s, 1, hooks, NULL, &err));
    ns_session_free(s);
    ns_hooks_free(hooks);
}

static void near(double a, double b, double tolerance, const char *what)
{
    if (!(fabs(a - b) <= tolerance))
        fail_msg("%s: %.9g against %.9g", what, a, b);
}

static void check_attention(album *a, const ns_arch *arch, int64_t l)
{
    const ns_attn *at = ns_arch_attn(arch, l);
    const int64_t H = at->n_heads, G = at->n_kv_heads, d = at->head_dim;
    const float *q = of(a, l, "attn.hook_rot_q"), *k = of(a, l, "attn.hook_rot_k"), *v = of(a, l, "attn.hook_v");
    const float *scores = of(a, l, "attn.hook_attn_scores"), *pattern = of(a, l, "attn.hook_pattern"), *z = of(a, l, "attn.hook_z");
    for (int64_t h = 0; h < H; h++)
        for (int64_t r = 0; r < T; r++) {
            double sum = 0, mixed[64] = {0};
            for (int64_t c = 0; c < T; c++) {
                double s = 0, p = pattern[(h * T + r) * T + c];
                bool visible = c <= r && (!at->window || c > r - at->window);
                for (int64_t i = 0; i < d; i++)
                    s += (double)q[(r * H + h) * d + i] * k[(c * G + h / (H / G)) * d + i];
                s *= at->scale;
                if (at->softcap > 0)
                    s = at->softcap * tanh(s / at->softcap);
                if (visible)
                    near(scores[(h * T + r) * T + c], s, 2e-5 * (1 + fabs(s)), "score");
                else
                    assert_true(p == 0);
                sum += p;
                for (int64_t i = 0; i < d; i++)
                    mixed[i] += p * v[(c * G + h / (H / G)) * d + i];
            }
            near(sum, 1, 1e-5, "row sum");
            for (int64_t i = 0; i < d; i++)
                near(z[(r * H + h) * d + i], mixed[i], 2e-5, "z");
        }
}

static void check_residual(album *a, const ns_arch *arch, int64_t l)
{
    const int64_t D = arch->d_model, H = ns_arch_attn(arch, l)->n_heads;
    const float *pre = of(a, l, "hook_resid_pre"), *attn = of(a, l, "hook_attn_out"), *mlp = of(a, l, "hook_mlp_out"),
                *post = of(a, l, "hook_resid_post");
    const float *result = of(a, l, "attn.hook_result");
    bool mid = ns_point_exists(arch, NS_POINT_RESID_MID, l), plain = arch->layers[l].stages[0].branches[0].out_norm.type == NS_NORM_NONE;
    bool biased = ns_arch_attn(arch, l)->o_bias.name != NULL;
    for (int64_t i = 0; i < T * D; i++) {
        near(post[i], (double)pre[i] + attn[i] + mlp[i], 1e-4, "resid_post");
        if (mid)
            near(of(a, l, "hook_resid_mid")[i], (double)pre[i] + attn[i], 1e-4, "resid_mid");
        double sum = 0;
        for (int64_t h = 0; h < H; h++)
            sum += result[(i / D * H + h) * D + i % D];
        if (plain && !biased)
            near(attn[i], sum, 1e-4, "sum of results");
        if (l)
            assert_true(of(a, l - 1, "hook_resid_post")[i] == pre[i]);
    }
}

static void identities(const char *config)
{
    tiny t;
    static album a;
    int32_t tokens[T];
    tiny_open(&t, config, 2, NULL, 0);
    tiny_tokens(tokens, T, t.arch->vocab, 11);
    ns_hook all = {.size = sizeof all, .at = "*", .read = collect, .user = &a};
    run(&t, tokens, &all, 1);
    for (int64_t l = 0; l < t.arch->n_layers; l++) {
        check_attention(&a, t.arch, l);
        check_residual(&a, t.arch, l);
    }
    album_clear(&a);
    tiny_close(&t);
}

static void llama(void **state)
{
    (void)state;
    identities(tiny_llama);
}

static void sliding_window(void **state)
{
    (void)state;
    identities(tiny_mistral);
}

static void sandwich_and_softcaps(void **state)
{
    (void)state;
    identities(tiny_gemma2);
}

static void parallel_blocks(void **state)
{
    (void)state;
    identities(tiny_gpt_neox);
}

/* transformers' minimax, get_slope_rate. */
static double slope_of(int64_t h, int64_t H, int64_t l, int64_t L)
{
    return pow(2, -8.0 * (double)(h + 1) / (double)H) * (1 - (double)l / ((double)L - 1 + 1e-5) + 1e-5);
}

/* The recurrence S_t = e^-slope S_(t-1) + k_t v_t^T, z_t = S_t^T q_t in f64 against hook_z; the rows against e^(-slope (t - s)) q_t .
 * k_s. */
static void check_recurrence(album *a, const ns_attn *at, int64_t l, int64_t L)
{
    const int64_t H = at->n_heads, d = at->head_dim;
    const float *q = of(a, l, "attn.hook_rot_q"), *k = of(a, l, "attn.hook_rot_k"), *v = of(a, l, "attn.hook_v");
    const float *pattern = of(a, l, "attn.hook_pattern"), *z = of(a, l, "attn.hook_z");
    for (int64_t h = 0; h < H; h++) {
        const double slope = slope_of(h, H, l, L);
        double S[12][12] = {0};
        for (int64_t t = 0; t < T; t++) {
            const float *qt = q + (t * H + h) * d, *kt = k + (t * H + h) * d, *vt = v + (t * H + h) * d;
            for (int64_t i = 0; i < d; i++)
                for (int64_t j = 0; j < d; j++)
                    S[i][j] = exp(-slope) * S[i][j] + (double)kt[i] * vt[j];
            for (int64_t j = 0; j < d; j++) {
                double sum = 0;
                for (int64_t i = 0; i < d; i++)
                    sum += S[i][j] * qt[i];
                near(z[(t * H + h) * d + j], sum, 1e-4 * (1 + fabs(sum)), "z of the recurrence");
            }
            for (int64_t s = 0; s < T; s++) {
                double dot = 0;
                for (int64_t i = 0; i < d; i++)
                    dot += (double)qt[i] * k[(s * H + h) * d + i];
                const double want = s <= t ? exp(-slope * (double)(t - s)) * dot : 0;
                near(pattern[(h * T + t) * T + s], want, 2e-5 * (1 + fabs(dot)), "unrolled row");
            }
        }
    }
}

static void recurrent(void **state)
{
    (void)state;
    tiny t;
    static album a;
    int32_t tokens[T];
    tiny_open(&t, tiny_minimax, 2, NULL, 0);
    tiny_tokens(tokens, T, t.arch->vocab, 11);
    ns_hook all = {.size = sizeof all, .at = "*", .read = collect, .user = &a};
    run(&t, tokens, &all, 1);
    for (int64_t l = 0; l < t.arch->n_layers; l++) {
        assert_int_equal(ns_arch_layer_kind(t.arch, l), l == 1 ? NS_LAYER_FULL : NS_LAYER_RECURRENT);
        assert_true(ns_point_exists(t.arch, NS_POINT_SCORES, l) == (l == 1));
        if (l == 1)
            check_attention(&a, t.arch, l);
        else
            check_recurrence(&a, ns_arch_attn(t.arch, l), l, t.arch->n_layers);
    }
    album_clear(&a);
    tiny_close(&t);
}

/* ---- edits ---- */

static int silence_head(void *user, const ns_site *site, ns_view *v, ns_error *e)
{
    (void)e;
    int64_t h = *(int64_t *)user;
    for (int64_t r = 0; r < site->n_rows; r++)
        memset(ns_at(v, r, h, 0), 0, (size_t)v->shape[2] * sizeof(float));
    return NS_OK;
}

static int silence_result(void *user, const ns_site *site, ns_view *v, ns_error *e)
{
    return silence_head(user, site, v, e);
}

static int hide_first_keys(void *user, const ns_site *site, ns_view *v, ns_error *e)
{
    (void)user;
    (void)e;
    for (int64_t h = 0; h < v->shape[0]; h++)
        for (int64_t r = 0; r < site->n_rows; r++)
            for (int64_t k = site->key0; k < 20; k++)
                *ns_at(v, h, r, k - site->key0) = -INFINITY;
    return NS_OK;
}

static void silencing_z_and_result_agree(void **state)
{
    (void)state;
    tiny t;
    static album a, b;
    int32_t tokens[T];
    int64_t head = 2;
    tiny_open(&t, tiny_llama, 2, NULL, 0);
    tiny_tokens(tokens, T, t.arch->vocab, 11);
    ns_hook by_z[] = {{.size = sizeof *by_z, .at = "blocks.1.attn.hook_z", .edit = silence_head, .user = &head},
                       { .size = sizeof *by_z, .at = "hook_logits", .read = collect, .user = &a } };
    ns_hook by_result[] = {{.size = sizeof *by_z, .at = "blocks.1.attn.hook_result", .edit = silence_result, .user = &head},
                            { .size = sizeof *by_z, .at = "hook_logits", .read = collect, .user = &b } };
    run(&t, tokens, by_z, 2);
    run(&t, tokens, by_result, 2);
    for (int64_t i = 0; i < T * t.arch->vocab; i++)
        near(of(&a, -1, "hook_logits")[i], of(&b, -1, "hook_logits")[i], 1e-4, "logits");
    album_clear(&a);
    album_clear(&b);
    tiny_close(&t);
}

static void scores_edit_reaches_the_pattern(void **state)
{
    (void)state;
    tiny t;
    static album a;
    int32_t tokens[T];
    tiny_open(&t, tiny_llama, 2, NULL, 0);
    tiny_tokens(tokens, T, t.arch->vocab, 11);
    ns_hook list[] =
        {{.size = sizeof *list, .at = "blocks.0.attn.hook_attn_scores", .rows = {.kind = NS_ROWS_LAST, .n = 30}, .edit = hide_first_keys},
         {.size = sizeof *list, .at = "blocks.0.attn.hook_pattern", .read = collect, .user = &a}};
    run(&t, tokens, list, 2);
    const float *p = of(&a, 0, "attn.hook_pattern");
    double hidden = 0, seen_mass = 0, before = 0;
    for (int64_t k = 0; k < T; k++) {
        hidden += k < 20 ? p[50 * T + k] : 0;
        seen_mass += k < 20 ? 0 : p[50 * T + k];
        before += k < 20 ? p[39 * T + k] : 0;
    }
    assert_true(hidden == 0 && before > 0);
    near(seen_mass, 1, 1e-5, "the rest of the row");
    album_clear(&a);
    tiny_close(&t);
}

static int stop_here(void *user, const ns_site *site, const ns_view *v, ns_error *e)
{
    (void)v;
    (void)e;
    *(int64_t *)user = site->layer;
    return NS_STOP;
}

static void stop_is_not_an_error(void **state)
{
    (void)state;
    tiny t;
    int32_t tokens[T];
    int64_t layer = -1;
    tiny_open(&t, tiny_llama, 2, NULL, 0);
    tiny_tokens(tokens, T, t.arch->vocab, 11);
    ns_hook stop = {.size = sizeof stop, .at = "blocks.*.hook_resid_mid", .read = stop_here, .user = &layer};
    ns_hooks *hooks;
    ns_session *s;
    ok(ns_hooks_new(&hooks, t.arch, &stop, 1, &err));
    ok(ns_session_new(&s, t.model, NULL, &err));
    ok(ns_session_append(s, tokens, T, &err));
    assert_int_equal(ns_forward(t.model, &s, 1, hooks, NULL, &err), NS_STOP);
    assert_int_equal(layer, 0);
    ns_session_free(s);
    ns_hooks_free(hooks);
    tiny_close(&t);
}

/* ---- a prefix that serves two cases ---- */

typedef struct tally { int64_t rows[2]; int64_t next[2]; } tally;

static int tally_rows(void *user, const ns_site *site, const ns_view *v, ns_error *e)
{
    (void)v;
    (void)e;
    tally *t = user;
    assert_true(site->case_index == 0 || site->case_index == 1);
    assert_true(site->row0 >= t->next[site->case_index]);
    t->next[site->case_index] = site->row0 + site->n_rows;
    t->rows[site->case_index] += site->n_rows;
    return NS_OK;
}

static void shared_rows_reach_each_case_in_order(void **state)
{
    (void)state;
    tiny t;
    int32_t tokens[T];
    tiny_open(&t, tiny_llama, 2, NULL, 0);
    tiny_tokens(tokens, T, t.arch->vocab, 11);
    ns_case cases[2] = {{.n_tokens = 60}, {.n_tokens = 66}};
    ns_session *list[3];
    ok(ns_session_new(&list[0], t.model, NULL, &err));
    ok(ns_session_append(list[0], tokens, 50, &err));
    for (int i = 0; i < 2; i++) {
        ok(ns_session_fork(&list[i + 1], list[0], 50, &err));
        ok(ns_session_append(list[i + 1], tokens + 3 * i, cases[i].n_tokens - 50, &err));
        ok(ns_session_add_case(list[0], &cases[i], i, &err));
        ok(ns_session_add_case(list[i + 1], &cases[i], i, &err));
    }
    tally counted = {0};
    ns_hook hook = {.size = sizeof hook, .at = "blocks.0.attn.hook_pattern", .rows = {.kind = NS_ROWS_LAST, .n = 30}, .read = tally_rows,
                    .user = &counted };
    ns_hooks *hooks;
    ok(ns_hooks_new(&hooks, t.arch, &hook, 1, &err));
    ns_forward_params params = {.size = sizeof params, .no_logits = true};
    ok(ns_forward(t.model, list, 3, hooks, &params, &err));
    assert_int_equal(counted.rows[0], 30);
    assert_int_equal(counted.rows[1], 30);
    for (int i = 2; i >= 0; i--)
        ns_session_free(list[i]);
    ns_hooks_free(hooks);
    tiny_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(llama), cmocka_unit_test(sliding_window), cmocka_unit_test(sandwich_and_softcaps),
        cmocka_unit_test(parallel_blocks),
        cmocka_unit_test(recurrent), cmocka_unit_test(silencing_z_and_result_agree), cmocka_unit_test(scores_edit_reaches_the_pattern),
        cmocka_unit_test(stop_is_not_an_error),
        cmocka_unit_test(shared_rows_reach_each_case_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
