/* test_contract.c - what hooks.h promises of callbacks: their order, their rows, what an edit reaches, that nothing stays behind, errors,
 * a pass inside one. */
#include "../../unit.h"
#include "../model/tiny.h"
#include "core/core.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { FEW = 12, SHORT = 40, LONG = 1000, VOCAB = 101, MAX_CALLS = 16384, PATIENCE = 120 };

static ns_error err;

static void ok(int rc)
{
    if (rc != NS_OK)
        fail_msg("%d: %s", rc, err.message);
}

/* A pass over n sessions of T tokens each; the last row's logits of the first go to out [V], where it is not NULL. */
static int pass(const tiny *t, int n, int64_t T, const ns_case *c, const ns_hook *list, int n_hooks, float *out)
{
    ns_hooks *hooks = NULL;
    ns_session *s[4] = {0};
    int32_t *const tokens = ns_alloc_array((size_t)T, sizeof *tokens);
    for (int i = 0; i < n; i++) {
        tiny_tokens(tokens, T, t->arch->vocab, 11 + (uint64_t)i);
        ok(ns_session_new(&s[i], t->model, NULL, &err));
        ok(ns_session_append(s[i], tokens, T, &err));
        if (c)
            ok(ns_session_add_case(s[i], c, i, &err));
    }
    if (n_hooks)
        ok(ns_hooks_new(&hooks, t->arch, list, n_hooks, &err));
    const int rc = ns_forward(t->model, s, n, hooks, NULL, &err);
    if (out && rc == NS_OK)
        memcpy(out, ns_session_logits(s[0]), (size_t)t->arch->vocab * sizeof *out);
    for (int i = 0; i < n; i++)
        ns_session_free(s[i]);
    ns_hooks_free(hooks);
    free(tokens);
    return rc;
}

/* ---- order: layer, band, point, session, row ---- */

typedef struct call { int64_t layer, point, session, row0, n_rows; } call;
typedef struct calls { call list[MAX_CALLS]; int n; } calls;

static int note(void *user, const ns_site *site, const ns_view *v, ns_error *e)
{
    (void)v;
    (void)e;
    calls *const c = user;
    if (c->n == MAX_CALLS)
        return ns_fail(e, NS_E_ARG, "more than %d calls", MAX_CALLS);
    c->list[c->n++] = (call){site->layer, site->point, site->session, site->row0, site->n_rows};
    return NS_OK;
}

/* What is outside the blocks stands before the first layer or behind the last. */
static int64_t place(const call *c, int64_t n_layers)
{
    return c->layer >= 0 ? c->layer : c->point <= NS_POINT_POS_EMBED ? -1 : n_layers;
}

static bool comes_before(const call *a, const call *b, const ns_arch *arch)
{
    const int64_t n_layers = arch->n_layers;
    const call *const two[] = {a, b};
    const int64_t at[] = {place(a, n_layers), place(b, n_layers)};
    int64_t key[2][6];
    if (at[0] == at[1] && at[0] == n_layers - 1 && ns_arch_row_kind(arch, at[0]) == NS_ROW_SOFTMAX)
        return a->point <= NS_POINT_ROT_K || b->point > NS_POINT_ROT_K;    /* it may take smaller bands, once it has all keys and values */
    if (at[0] == at[1] && at[0] == n_layers)
        return true;
    for (int i = 0; i < 2; i++) {
        const bool scored = two[i]->point == NS_POINT_PATTERN && ns_point_exists(arch, NS_POINT_SCORES, two[i]->layer);
        const int64_t together = scored ? NS_POINT_SCORES : two[i]->point;
        const int64_t parts[] = {at[i], two[i]->row0 / NS_BAND_ROWS, together, two[i]->session, two[i]->point, two[i]->row0};
        memcpy(key[i], parts, sizeof parts);
    }
    int k = 0;
    while (k < 5 && key[0][k] == key[1][k])
        k++;
    return key[0][k] < key[1][k];
}

/* Every row of every point comes once, and the rows of a point in order: sessions, then positions. */
static void check_rows(const tiny *t, int sessions, int64_t T, const calls *c)
{
    for (int64_t layer = -1; layer < t->arch->n_layers; layer++)
        for (int p = 0; p < NS_N_POINTS; p++) {
            int64_t next = 0;
            for (int i = 0; i < c->n; i++)
                if (c->list[i].layer == layer && c->list[i].point == p) {
                    assert_int_equal(c->list[i].session * T + c->list[i].row0, next);
                    next += c->list[i].n_rows;
                }
            assert_int_equal(next, ns_point_exists(t->arch, (ns_point)p, layer) ? sessions * T : 0);
        }
}

static void check_order(const tiny *t, int sessions, int64_t T, const calls *c)
{
    check_rows(t, sessions, T, c);
    for (int i = 1; i < c->n; i++)
        if (!comes_before(&c->list[i - 1], &c->list[i], t->arch))
            fail_msg("call %d (layer %lld, point %lld, session %lld, row %lld) should not come before the next", i - 1,
                     (long long)c->list[i - 1].layer, (long long)c->list[i - 1].point, (long long)c->list[i - 1].session,
                     (long long)c->list[i - 1].row0);
}

static void order(void **state)
{
    (void)state;
    static calls seen;
    const ns_hook all = {.size = sizeof all, .at = "*", .read = note, .user = &seen};
    const char *const configs[] = {tiny_llama, tiny_mistral, tiny_gpt_neox, tiny_minimax, tiny_experts, tiny_gated, tiny_delta, tiny_mamba2,
                                   tiny_recurrences, tiny_lfm2, tiny_lfm2_tap, tiny_hgrn2, tiny_jamba, tiny_griffin, tiny_nemotron};
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        tiny t;
        tiny_open(&t, configs[i], 2, NULL, 0);
        seen.n = 0;
        ok(pass(&t, 1, LONG, NULL, &all, 1, NULL));              /* two bands */
        check_order(&t, 1, LONG, &seen);
        seen.n = 0;
        ok(pass(&t, 3, FEW, NULL, &all, 1, NULL));               /* sessions that share a band */
        check_order(&t, 3, FEW, &seen);
        tiny_close(&t);
    }
}

/* ---- rows ---- */

typedef struct tally { int times[SHORT]; } tally;

static int count_rows(void *user, const ns_site *site, const ns_view *v, ns_error *e)
{
    (void)e;
    tally *const t = user;
    assert_int_equal(v->shape[0], site->n_rows);
    for (int64_t i = 0; i < site->n_rows; i++)
        t->times[site->row0 + i]++;
    return NS_OK;
}

static void rows(void **state)
{
    (void)state;
    static const int64_t listed[] = {-1, 5, 5, 0, -40};
    static int32_t answer[] = {3, 4, 5};
    ns_span spans[] = {{"needle", 7, 10}};
    const ns_case c = {.n_tokens = SHORT - 2, .answer = answer, .n_answer = 3, .spans = spans, .n_spans = 1};
    /* want: a letter a position, x where it is asked for */
    const struct { const char *what; ns_rows rows; const char *want; } kinds[] = {
        {"all", {.kind = NS_ROWS_ALL}, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
        {"last 3", {.kind = NS_ROWS_LAST, .n = 3}, ".....................................xxx"},
        {"last 99", {.kind = NS_ROWS_LAST, .n = 99}, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"},
        {"a list", {.kind = NS_ROWS_LIST, .n = 5, .positions = listed}, "x....x.................................x"},
        {"a span", {.kind = NS_ROWS_SPAN, .span = "needle"}, ".......xxx.............................."},
        {"the answer", {.kind = NS_ROWS_ANSWER}, ".....................................xxx"},
        {"probe rows", {.kind = NS_ROWS_PROBE}, "....................................xxxx"},
    };
    tiny t;
    tiny_open(&t, tiny_llama, 2, NULL, 0);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        tally counted = {{0}};
        const ns_hook hook = {.size = sizeof hook, .at = "blocks.1.hook_resid_post", .rows = kinds[i].rows, .read = count_rows,
                              .user = &counted};
        ok(pass(&t, 1, SHORT, &c, &hook, 1, NULL));
        for (int k = 0; k < SHORT; k++)
            if (counted.times[k] != (kinds[i].want[k] == 'x'))
                fail_msg("%s: row %d came %d times", kinds[i].what, k, counted.times[k]);
    }
    tiny_close(&t);
}

/* ---- edits ---- */

typedef struct change { float times, plus; } change;

static int change_all(void *user, const ns_site *site, ns_view *v, ns_error *e)
{
    (void)site;
    (void)e;
    const change *const c = user;
    for (int64_t r = 0; r < v->shape[0]; r++)
        for (int64_t i = 0; i < v->shape[1]; i++)
            *ns_at(v, r, i, 0) = *ns_at(v, r, i, 0) * c->times + c->plus;
    return NS_OK;
}

typedef struct holds { float value; int64_t cells; bool all; } holds;

static int all_are(void *user, const ns_site *site, const ns_view *v, ns_error *e)
{
    (void)site;
    (void)e;
    holds *const h = user;
    for (int64_t r = 0; r < v->shape[0]; r++)
        for (int64_t i = 0; i < v->shape[1]; i++, h->cells++)
            h->all &= *ns_at(v, r, i, 0) == h->value;
    return NS_OK;
}

/* Edits run before reads, among themselves as they were given; what they leave goes on; they reach this pass alone. */
static void edits(void **state)
{
    (void)state;
    change set = {0, 1}, twice = {2, 0}, nothing = {1, 0};
    holds here = {.value = 2, .all = true}, next = {.value = 2, .all = true}, other = {.value = 1, .all = true};
    const ns_hook list[] = {
        {.size = sizeof *list, .at = "blocks.0.hook_resid_post", .read = all_are, .user = &here},             /* given first, run last */
        {.size = sizeof *list, .at = "blocks.0.hook_resid_post", .edit = change_all, .user = &set},
        {.size = sizeof *list, .at = "blocks.0.hook_resid_post", .edit = change_all, .user = &twice},   /* (x 0 + 1) 2, not (2 x) 0 + 1 */
        {.size = sizeof *list, .at = "blocks.1.hook_resid_pre", .read = all_are, .user = &next},
    };
    const ns_hook backwards[] = {list[2], list[1],
                                 {.size = sizeof *list, .at = "blocks.1.hook_resid_pre", .read = all_are, .user = &other}};
    const ns_hook same[] = {{.size = sizeof *same, .at = "blocks.*.hook_resid_post", .edit = change_all, .user = &nothing}};
    float before[VOCAB], edited[VOCAB], after[VOCAB], unchanged[VOCAB];
    tiny t;
    tiny_open(&t, tiny_llama, 2, NULL, 0);
    ok(pass(&t, 1, SHORT, NULL, NULL, 0, before));
    ok(pass(&t, 1, SHORT, NULL, list, 4, edited));
    ok(pass(&t, 1, SHORT, NULL, backwards, 3, NULL));
    ok(pass(&t, 1, SHORT, NULL, same, 1, unchanged));
    ok(pass(&t, 1, SHORT, NULL, NULL, 0, after));
    assert_true(here.all && next.all && other.all);
    assert_true(here.cells == SHORT * t.arch->d_model && next.cells == here.cells && other.cells == here.cells);
    assert_memory_not_equal(edited, before, sizeof before);
    tiny_same(unchanged, before, VOCAB);
    assert_memory_equal(after, before, sizeof before);                        /* nothing stays behind */
    tiny_close(&t);
}

/* ---- errors ---- */

typedef struct failing { int64_t at, calls; int code; } failing;

static int fail_at(void *user, const ns_site *site, const ns_view *v, ns_error *e)
{
    (void)v;
    failing *const f = user;
    f->calls++;
    return site->layer == f->at ? ns_fail(e, f->code, "mine, in layer %lld", (long long)site->layer) : NS_OK;
}

static int fail_edit(void *user, const ns_site *site, ns_view *v, ns_error *e)
{
    return fail_at(user, site, v, e);
}

/* A negative code ends the pass there, and is what it returns, with the callback's message; the model is as it was. */
static void errors(void **state)
{
    (void)state;
    static const int codes[] = {NS_E_ARG, NS_E_MEMORY, NS_E_NUMERIC};
    float before[VOCAB], after[VOCAB];
    tiny t;
    tiny_open(&t, tiny_llama, 2, NULL, 0);
    ok(pass(&t, 1, SHORT, NULL, NULL, 0, before));
    for (int i = 0; i < 6; i++) {
        failing f = {.at = 1, .code = codes[i / 2]};
        const ns_hook hook = {.size = sizeof hook, .at = "blocks.*.hook_resid_post", .read = i % 2 ? NULL : fail_at,
                              .edit = i % 2 ? fail_edit : NULL, .user = &f};
        assert_int_equal(pass(&t, 1, SHORT, NULL, &hook, 1, NULL), codes[i / 2]);
        assert_string_equal(err.message, "mine, in layer 1");
        assert_int_equal(f.calls, 2);                                          /* of layers 0 and 1: nothing later was computed */
        ok(pass(&t, 1, SHORT, NULL, NULL, 0, after));
        assert_memory_equal(after, before, sizeof before);
    }
    tiny_close(&t);
}

/* ---- a pass inside a hook ---- */

typedef struct nest { const tiny *t; float inner[VOCAB]; int passes; } nest;

static int pass_inside(void *user, const ns_site *site, const ns_view *v, ns_error *e)
{
    (void)site;
    (void)v;
    (void)e;
    nest *const n = user;
    n->passes++;
    return pass(n->t, 1, SHORT, NULL, NULL, 0, n->inner);
}

/* A callback may run passes of its own on the same model: both have the bits that they have alone. */
static void nesting(void **state)
{
    (void)state;
    for (int64_t memory = 0; memory < 2; memory++) {      /* weights kept, and streamed through the scratch of the pass */
        float alone[VOCAB], outer[VOCAB];
        tiny t;
        tiny_open(&t, tiny_llama, 2, NULL, memory);
        nest n = {.t = &t};
        const ns_hook hook = {.size = sizeof hook, .at = "blocks.*.hook_resid_mid", .rows = {.kind = NS_ROWS_LAST, .n = 1},
                              .read = pass_inside, .user = &n};
        alarm(PATIENCE);                                                       /* one that waits for itself fails */
        ok(pass(&t, 1, SHORT, NULL, NULL, 0, alone));
        ok(pass(&t, 1, SHORT, NULL, &hook, 1, outer));
        alarm(0);
        assert_int_equal(n.passes, t.arch->n_layers);
        assert_memory_equal(n.inner, alone, sizeof alone);
        assert_memory_equal(outer, alone, sizeof alone);
        tiny_close(&t);
    }
}

/* ---- what is not a hook ---- */

static int read_nothing(void *user, const ns_site *site, const ns_view *v, ns_error *e)
{
    (void)user;
    (void)site;
    (void)v;
    (void)e;
    return NS_OK;
}

static void refusals(void **state)
{
    (void)state;
    const struct { ns_hook hook; const char *says; } bad[] = {
        {{.at = "blocks.*.hook_resid_post", .size = sizeof(ns_hook)}, "exactly one of read and edit"},
        {{.at = "blocks.*.hook_resid_post", .size = sizeof(ns_hook), .read = read_nothing, .edit = fail_edit},
         "exactly one of read and edit"},
        {{.at = NULL, .size = sizeof(ns_hook), .read = read_nothing}, "give a glob"},
        {{.at = "blocks.9.hook_resid_post", .size = sizeof(ns_hook), .read = read_nothing}, "matches no point"},
        {{.at = "blocks.*.hook_resid_pots", .size = sizeof(ns_hook), .read = read_nothing}, "the nearest is 'blocks.0.hook_resid_post'"},
    };
    tiny t;
    tiny_open(&t, tiny_llama, 1, NULL, 0);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const ns_hook list[] = {{.size = sizeof *list, .at = "hook_embed", .read = read_nothing}, bad[i].hook};
        ns_hooks *hooks = (ns_hooks *)&t;
        assert_int_equal(ns_hooks_new(&hooks, t.arch, list, 2, &err), NS_E_ARG);
        assert_null(hooks);
        if (!strstr(err.message, bad[i].says))
            fail_msg("'%s' is not in: %s", bad[i].says, err.message);
    }
    ns_hooks_free(NULL);
    tiny_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(order), cmocka_unit_test(rows), cmocka_unit_test(edits), cmocka_unit_test(errors),
                                       cmocka_unit_test(nesting), cmocka_unit_test(refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
