/* test_experts.c - mixtures of experts: who is chosen and how much it weighs, against the definition in f64; what edits of the choice do;
 * experts that no row chose are not touched. Their outputs are held by transformers (tests/golden). */
#include "tiny.h"
#include "core/core.h"
#include "model/branch/branch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum { T = 70, MOST = 16, D_MOST = 64 };

static ns_error err;

static void ok(int rc)
{
    if (rc != NS_OK)
        fail_msg("%d: %s", rc, err.message);
}

/* What one layer showed. */
typedef struct shown {
    float   router[T][MOST], id[T][MOST], weight[T][MOST], out[T][D_MOST];
    int64_t rows[3];
    void  (*edit)(float *id, float *weight, int64_t k);
} shown;

static int see(void *user, const ns_site *site, const ns_view *v, ns_error *e)
{
    (void)e;
    shown *const s = user;
    const int which = site->point == NS_POINT_ROUTER ? 0 : site->point == NS_POINT_EXPERTS ? 1 : 2;
    for (int64_t r = 0; r < site->n_rows; r++) {
        const int64_t row = site->row0 + r;
        if (which == 1) {
            memcpy(s->id[row], ns_at(v, r, 0, 0), (size_t)v->shape[2] * sizeof(float));
            memcpy(s->weight[row], ns_at(v, r, 1, 0), (size_t)v->shape[2] * sizeof(float));
        } else {
            memcpy(which ? s->out[row] : s->router[row], ns_at(v, r, 0, 0), (size_t)v->shape[1] * sizeof(float));
        }
    }
    s->rows[which] += site->n_rows;
    return NS_OK;
}

static int change(void *user, const ns_site *site, ns_view *v, ns_error *e)
{
    (void)e;
    const shown *const s = user;
    for (int64_t r = 0; r < site->n_rows && s->edit; r++)
        s->edit((float *)ns_at(v, r, 0, 0), (float *)ns_at(v, r, 1, 0), v->shape[2]);
    return NS_OK;
}

static int pass(const tiny *t, int64_t layer, int64_t n, shown *s)
{
    int32_t tokens[T];
    ns_session *session;
    ns_hooks *hooks;
    char router[64], experts[64], out[64];
    ns_point_format(NS_POINT_ROUTER, layer, router, sizeof router);
    ns_point_format(NS_POINT_EXPERTS, layer, experts, sizeof experts);
    ns_point_format(NS_POINT_MLP_OUT, layer, out, sizeof out);
    const ns_hook list[] = {{.size = sizeof *list, .at = router, .read = see, .user = s},
                            {.size = sizeof *list, .at = experts, .read = see, .user = s},
                            {.size = sizeof *list, .at = out, .read = see, .user = s},
                            {.size = sizeof *list, .at = experts, .edit = change, .user = s}};
    tiny_tokens(tokens, T, t->arch->vocab, 5);
    ok(ns_hooks_new(&hooks, t->arch, list, s->edit ? 4 : 3, &err));
    ok(ns_session_new(&session, t->model, NULL, &err));
    ok(ns_session_append(session, tokens, n, &err));
    const int rc = ns_forward(t->model, &session, 1, hooks, NULL, &err);
    ns_session_free(session);
    ns_hooks_free(hooks);
    return rc;
}

/* ---- the choice, by its definition ---- */

static void softmax(double *x, int n)
{
    double sum = 0, most = -INFINITY;
    for (int i = 0; i < n; i++)
        most = fmax(most, x[i]);
    for (int i = 0; i < n; i++)
        sum += x[i] = exp(x[i] - most);
    for (int i = 0; i < n; i++)
        x[i] /= sum;
}

static int best(const double *x, int n)
{
    int at = 0;
    for (int i = 1; i < n; i++)
        at = x[i] > x[at] ? i : at;
    return at;
}

/* -inf in the groups that are left out. */
static void leave_groups(double *rank, int E, int groups, int keep)
{
    double sum[MOST];
    bool stays[MOST] = {false};
    const int each = E / groups;
    for (int g = 0; g < groups; g++) {
        double *const x = rank + g * each, first = x[best(x, each)];
        double second = -INFINITY;
        for (int i = 0; i < each; i++)
            second = i != best(x, each) ? fmax(second, x[i]) : second;
        sum[g] = first + second;
    }
    for (int i = 0; i < keep; i++) {
        const int g = best(sum, groups);
        stays[g] = true;
        sum[g] = -INFINITY;
    }
    for (int e = 0; e < E; e++)
        rank[e] = stays[e / each] ? rank[e] : -INFINITY;
}

typedef struct choice { int E, k, groups, keep; bool sigmoid, after, normalise; double scale; const float *bias; } choice;

static void check_row(const choice *c, const shown *s, int row)
{
    double score[MOST], rank[MOST], chosen[MOST], sum = 0;
    for (int e = 0; e < c->E; e++)
        score[e] = c->sigmoid ? 1 / (1 + exp(-(double)s->router[row][e])) : (double)s->router[row][e];
    if (!c->sigmoid && !c->after)
        softmax(score, c->E);
    for (int e = 0; e < c->E; e++)
        rank[e] = score[e] + (c->bias ? (double)c->bias[e] : 0);
    if (c->groups)
        leave_groups(rank, c->E, c->groups, c->keep);
    for (int i = 0; i < c->k; i++) {
        const int e = best(rank, c->E);
        assert_int_equal((int)s->id[row][i], e);
        chosen[i] = score[e];
        rank[e] = -INFINITY;
    }
    if (c->after)
        softmax(chosen, c->k);
    for (int i = 0; i < c->k; i++)
        sum += chosen[i];
    for (int i = 0; i < c->k; i++) {
        const double want = chosen[i] / (c->normalise ? sum : 1) * c->scale;
        if (!(fabs((double)s->weight[row][i] - want) < 1e-6))
            fail_msg("row %d, choice %d weighs %.9g, not %.9g", row, i, (double)s->weight[row][i], want);
    }
}

static void check_choice(const char *config, int64_t layer, choice c, const char *bias)
{
    tiny t;
    shown s = {.rows = {0}};
    float numbers[MOST];
    tiny_open(&t, config, 2, NULL, 0);
    if (bias) {
        const ns_tensor *const tensor = ns_checkpoint_find(t.checkpoint, bias);
        assert_non_null(tensor);
        ok(ns_tensor_read_f32(tensor, 0, c.E, numbers, &err));
        c.bias = numbers;
    }
    ok(pass(&t, layer, T, &s));
    assert_true(s.rows[0] == T && s.rows[1] == T && s.rows[2] == T);
    for (int row = 0; row < T; row++)
        check_row(&c, &s, row);
    tiny_close(&t);
}

static void choices(void **state)
{
    (void)state;
    check_choice(tiny_experts, 1, (choice){.E = 12, .k = 3, .groups = 3, .keep = 2, .sigmoid = true, .normalise = true, .scale = 1.5},
                 "model.layers.1.mlp.gate.e_score_correction_bias");
    check_choice(tiny_gpt_oss, 0, (choice){.E = 6, .k = 2, .after = true, .scale = 1}, NULL);
    check_choice(tiny_llama4, 2, (choice){.E = 3, .k = 1, .sigmoid = true, .scale = 1}, NULL);
    check_choice(tiny_gated, 0, (choice){.E = 4, .k = 2, .normalise = true, .scale = 1}, NULL);
}

/* ---- edits ---- */

static void turn_round(float *id, float *weight, int64_t k)
{
    for (int64_t i = 0; i < k / 2; i++) {
        const float a = id[i], b = weight[i];
        id[i] = id[k - 1 - i];
        weight[i] = weight[k - 1 - i];
        id[k - 1 - i] = a;
        weight[k - 1 - i] = b;
    }
}

static void only_first(float *id, float *weight, int64_t k)
{
    (void)id;
    for (int64_t i = 1; i < k; i++)
        weight[i] = 0;
}

static void first_twice(float *id, float *weight, int64_t k)
{
    (void)k;
    id[1] = id[0];
    weight[0] = weight[1] = weight[0] / 2;
}

static void none(float *id, float *weight, int64_t k)
{
    (void)id;
    for (int64_t i = 0; i < k; i++)
        weight[i] = 0;
}

static void strange(float *id, float *weight, int64_t k)
{
    (void)weight;
    (void)k;
    id[0] = 6;
}

static void broken(float *id, float *weight, int64_t k)
{
    (void)weight;
    (void)k;
    id[0] = NAN;
}

static void edited(const tiny *t, void (*edit)(float *, float *, int64_t), shown *s)
{
    *s = (shown){.edit = edit};
    ok(pass(t, 0, T, s));
}

static void edits(void **state)
{
    (void)state;
    tiny t;
    shown plain, other, twice;
    tiny_open(&t, tiny_gpt_oss, 2, NULL, 0);
    edited(&t, NULL, &plain);
    edited(&t, turn_round, &other);
    assert_memory_equal(plain.out, other.out, sizeof plain.out);           /* the sum runs by the experts' numbers */
    edited(&t, only_first, &other);
    assert_memory_not_equal(plain.out, other.out, sizeof plain.out);
    edited(&t, first_twice, &twice);
    tiny_same(twice.out[0], other.out[0], sizeof plain.out / sizeof(float));
    edited(&t, none, &other);
    for (int row = 0; row < T; row++)
        for (int i = 0; i < 32; i++)
            assert_true(other.out[row][i] == 0);
    for (int i = 0; i < 2; i++) {
        shown s = {.edit = i ? broken : strange};
        assert_int_equal(pass(&t, 0, T, &s), NS_E_ARG);
        assert_non_null(strstr(err.message, "blocks.0.mlp.hook_experts: an edit chose expert"));
    }
    tiny_close(&t);
}

/* ---- only what a row chose is read of a streamed model ---- */

/* An expert that the first row chose, or one that it did not. */
static int64_t expert_of(const shown *s, bool chosen)
{
    for (int64_t e = 0; e < 12; e++) {
        bool is = false;
        for (int i = 0; i < 3; i++)
            is |= s->id[0][i] == (float)e;
        if (is == chosen)
            return e;
    }
    return -1;
}

static void poison(tiny *t, int64_t expert)
{
    char name[128];
    snprintf(name, sizeof name, "model.layers.2.mlp.experts.%lld.up_proj.weight", (long long)expert);
    ns_model_free(t->model);
    ns_checkpoint_free(t->checkpoint);
    t->model = NULL;
    ok(tiny_write(t->dir, t->arch, name, NAN, &err));
    ok(ns_checkpoint_open(&t->checkpoint, t->dir, NULL, &err));
}

static void untouched(void **state)
{
    (void)state;
    tiny t;
    shown plain = {.rows = {0}}, again = {.rows = {0}};
    tiny_open(&t, tiny_experts, 2, NULL, 1);
    ok(pass(&t, 2, 1, &plain));
    poison(&t, expert_of(&plain, false));
    const ns_model_params kept = {.size = sizeof kept};
    assert_int_equal(ns_model_load(&t.model, t.engine, t.checkpoint, t.arch, &kept, &err), NS_E_NUMERIC);
    assert_non_null(strstr(err.message, "experts."));
    tiny_reopen(&t, 2, NULL, 1);
    ok(pass(&t, 2, 1, &again));
    assert_memory_equal(plain.out[0], again.out[0], sizeof plain.out[0]);
    poison(&t, expert_of(&plain, true));
    tiny_reopen(&t, 2, NULL, 1);
    assert_int_equal(pass(&t, 2, 1, &again), NS_E_NUMERIC);
    assert_non_null(strstr(err.message, ".up_proj.weight': value nan"));
    tiny_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(choices), cmocka_unit_test(edits), cmocka_unit_test(untouched)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
