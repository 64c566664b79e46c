/* test_model_errors.c - what goes wrong says so; generation is greedy whatever the draft. */
#include "tiny.h"
#include "core/core.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static ns_error err;

static void ok(int rc)
{
    if (rc != NS_OK)
        fail_msg("%d: %s", rc, err.message);
}

static void refused(int rc, int code, const char *part)
{
    if (rc != code || !strstr(err.message, part))
        fail_msg("code %d, wanted %d; \"%s\" should say \"%s\"", rc, code, err.message, part);
}

static void tokens_and_positions(void **state)
{
    (void)state;
    tiny t;
    tiny_open(&t, tiny_llama, 1, NULL, 0);
    ns_session *s;
    ok(ns_session_new(&s, t.model, NULL, &err));
    refused(ns_session_append(s, (int32_t[]) { 3, 101 }, 2, &err), NS_E_ARG, "101");
    refused(ns_session_append(s, (int32_t[]) { -1 }, 1, &err), NS_E_ARG, "vocabulary");
    int32_t *many = calloc(1025, sizeof *many);
    refused(ns_session_append(s, many, 1025, &err), NS_E_ARG, "1024 positions");
    refused(ns_forward(t.model, &s, 1, NULL, NULL, &err), NS_E_ARG, "no tokens");
    ok(ns_session_append(s, many, 3, &err));
    ok(ns_forward(t.model, &s, 1, NULL, NULL, &err));
    refused(ns_session_append(s, many, 1, &err), NS_E_ARG, "decode");
    ns_session_free(s);
    int64_t said;
    ok(ns_session_new(&s, t.model, &(ns_session_params){.size = sizeof(ns_session_params), .decode = true}, &err));
    ok(ns_session_append(s, many, 3, &err));
    refused(ns_generate(t.model, s, 1023, NULL, many, &said, &err), NS_E_ARG, "1024 positions: it can say 1022");
    ok(ns_generate(t.model, s, 2, NULL, many, &said, &err));
    free(many);
    ns_session_free(s);
    tiny_close(&t);
}

static int no_early_rows(void *user, const ns_site *site, const ns_view *v, ns_error *e)
{
    (void)v;
    (void)e;
    ++*(int64_t *)user;
    assert_true(site->session == 0 || site->layer >= 2);
    return NS_OK;
}

static void followers(void **state)
{
    (void)state;
    tiny t;
    tiny_open(&t, tiny_llama, 1, NULL, 0);
    ns_session *s[3];
    ns_hooks *hooks;
    int64_t calls = 0;
    const ns_session_params keeps = {.size = sizeof keeps, .decode = true};
    const ns_hook reader = {.size = sizeof reader, .at = "blocks.*.hook_resid_post", .read = no_early_rows, .user = &calls};
    for (int i = 0; i < 3; i++)
        ok(ns_session_new(&s[i], t.model, i == 2 ? &keeps : NULL, &err));
    for (int i = 0; i < 3; i++)
        ok(ns_session_append(s[i], (int32_t[]) { 3, 4, 5 + i }, 3, &err));
    refused(ns_session_follow(s[1], s[0], 3, &err), NS_E_ARG, "layer 3 of 3");
    refused(ns_session_follow(s[0], s[0], 1, &err), NS_E_ARG, "follows another");
    refused(ns_session_follow(s[1], s[2], 1, &err), NS_E_ARG, "keeps no keys");
    ok(ns_session_follow(s[1], s[0], 2, &err));
    refused(ns_session_follow(s[0], s[1], 1, &err), NS_E_ARG, "follows nobody");
    refused(ns_forward(t.model, s, 2, NULL, NULL, &err), NS_E_ARG, "other tokens");
    refused(ns_forward(t.model, s + 1, 1, NULL, NULL, &err), NS_E_ARG, "before it");
    ok(ns_session_truncate(s[1], 2, &err));
    ok(ns_session_append(s[1], (int32_t[]) { 5 }, 1, &err));
    ns_session *child;
    ok(ns_session_fork(&child, s[1], 2, &err));
    ok(ns_session_append(child, (int32_t[]) { 5 }, 1, &err));
    refused(ns_forward(t.model, (ns_session *[]) { s[0], s[1], child }, 3, NULL, NULL, &err), NS_E_ARG, "no keys to share");
    ns_session_free(child);
    ok(ns_hooks_new(&hooks, t.arch, &reader, 1, &err));
    ok(ns_forward(t.model, s, 2, hooks, NULL, &err));
    assert_int_equal(calls, 3 + 1);
    assert_memory_equal(ns_session_logits(s[0]), ns_session_logits(s[1]), (size_t)t.arch->vocab * sizeof(float));
    ns_hooks_free(hooks);
    for (int i = 0; i < 3; i++)
        ns_session_free(s[i]);
    tiny_close(&t);
}

static void globs(void **state)
{
    (void)state;
    tiny t;
    tiny_open(&t, tiny_llama, 1, NULL, 0);
    ns_hooks *hooks;
    ns_hook none = {.size = sizeof none, .at = "blocks.*.attn.hook_paternn", .read = (ns_read_fn)abort};
    refused(ns_hooks_new(&hooks, t.arch, &none, 1, &err), NS_E_ARG, "blocks.0.attn.hook_pattern");
    assert_null(hooks);
    ns_hook both = {.size = sizeof both, .at = "*"};
    refused(ns_hooks_new(&hooks, t.arch, &both, 1, &err), NS_E_ARG, "exactly one");
    tiny_close(&t);
}

static void poisoned_weights(void **state)
{
    (void)state;
    const struct { const char *tensor; float value; } bad[] = {{"model.layers.1.self_attn.v_proj.weight", NAN},
                                                               {"model.layers.2.mlp.down_proj.weight", INFINITY},
                                                                {"model.layers.0.input_layernorm.weight", -INFINITY},
                                                                { "lm_head.weight", NAN } };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        tiny t;
        ns_model *m;
        tiny_open(&t, tiny_llama, 2, NULL, 0);
        ns_checkpoint_free(t.checkpoint);
        ok(tiny_write(t.dir, t.arch, bad[i].tensor, bad[i].value, &err));
        ok(ns_checkpoint_open(&t.checkpoint, t.dir, NULL, &err));
        refused(ns_model_load(&m, t.engine, t.checkpoint, t.arch, NULL, &err), NS_E_NUMERIC, bad[i].tensor);
        assert_null(m);
        tiny_close(&t);
    }
}

static int blow_up(void *user, const ns_site *site, ns_view *v, ns_error *e)
{
    (void)user;
    (void)site;
    (void)e;
    *ns_at(v, 0, 0, 0) = INFINITY;
    return NS_OK;
}

static void non_finite_activation_names_its_point(void **state)
{
    (void)state;
    tiny t;
    tiny_open(&t, tiny_llama, 2, NULL, 0);
    ns_hook hook = {.size = sizeof hook, .at = "blocks.1.hook_mlp_out", .edit = blow_up};
    ns_hooks *hooks;
    ns_session *s;
    ok(ns_hooks_new(&hooks, t.arch, &hook, 1, &err));
    ok(ns_session_new(&s, t.model, NULL, &err));
    ok(ns_session_append(s, (int32_t[]) { 1, 2, 3 }, 3, &err));
    refused(ns_forward(t.model, &s, 1, hooks, NULL, &err), NS_E_NUMERIC, "blocks.1.hook_resid_post");
    ns_session_free(s);
    ns_hooks_free(hooks);
    tiny_close(&t);
}

enum { N = 24 };

static void greedy_n(const tiny *t, int64_t asked, const int32_t *gold, int64_t n_gold, const ns_hooks *hooks, int32_t *out)
{
    int32_t prompt[40];
    int64_t n;
    ns_session *s;
    ns_session_params sp = {.size = sizeof sp, .decode = true};
    ns_generate_params gp = {.size = sizeof gp, .gold = gold, .n_gold = n_gold, .hooks = hooks};
    tiny_tokens(prompt, 40, t->arch->vocab, 4);
    ok(ns_session_new(&s, t->model, &sp, &err));
    ok(ns_session_append(s, prompt, 40, &err));
    ok(ns_generate(t->model, s, asked, &gp, out, &n, &err));
    assert_int_equal(n, asked);
    ns_session_free(s);
}

static void greedy(const tiny *t, const int32_t *gold, int64_t n_gold, int32_t *out)
{
    greedy_n(t, N, gold, n_gold, NULL, out);
}

static void drafts_do_not_change_greedy(void **state)
{
    (void)state;
    tiny t;
    int32_t want[N], got[N], draft[N + 5];
    tiny_open(&t, tiny_llama, 2, NULL, 0);
    greedy(&t, NULL, 0, want);
    int distinct = 0;                                          /* a model that says one thing for ever would agree with anything */
    for (int i = 0; i < N; i++)
        for (int j = 0; j <= i; j++)
            if (want[j] == want[i]) {
                distinct += j == i;
                break;
            }
    assert_true(distinct >= N / 3);
    for (int64_t right = 0; right <= N; right += 6) {          /* a draft that agrees on its first `right` tokens */
        for (int64_t i = 0; i < N + 5; i++)
            draft[i] = i < right ? want[i] : (want[i % N] + 1) % (int32_t)t.arch->vocab;
        greedy(&t, draft, N + 5, got);
        assert_memory_equal(got, want, sizeof want);
        greedy(&t, draft, right, got);
        assert_memory_equal(got, want, sizeof want);
    }
    tiny_close(&t);
}

/* longrope (phi3 runs again where it outgrows the short factors, llama does not) and dynamic rope, original length 44: the 40-token prompt
 * crosses it. */
static const char *const lengthy[] = {
    "{\"model_type\":\"phi3\",\"hidden_size\":48,\"intermediate_size\":80,\"num_hidden_layers\":3,\"num_attention_heads\":6,\"num_key_"
    "value_heads\":2,\"vocab_size\":101,"
    "\"max_position_embeddings\":200,\"original_max_position_embeddings\":44,\"sliding_window\":null,\"rope_scaling\":{\"type\":"
    "\"longrope\","
    "\"short_factor\":[1,1.5,2,3],\"long_factor\":[20,90,50,99]}}",
    "{\"model_type\":\"llama\",\"hidden_size\":48,\"intermediate_size\":80,\"num_hidden_layers\":3,\"num_attention_heads\":6,\"num_key_"
    "value_heads\":2,\"vocab_size\":101,"
    "\"max_position_embeddings\":200,\"rope_scaling\":{\"rope_type\":\"longrope\",\"original_max_position_embeddings\":44,\"factor\":4,"
    "\"short_factor\":[1,1.5,2,3],\"long_factor\":[20,90,50,99]}}",
    "{\"model_type\":\"llama\",\"hidden_size\":48,\"intermediate_size\":80,\"num_hidden_layers\":3,\"num_attention_heads\":6,\"num_key_"
    "value_heads\":2,\"vocab_size\":101,"
    "\"max_position_embeddings\":44,\"rope_scaling\":{\"rope_type\":\"dynamic\",\"factor\":400}}",
};

/* What n tokens begin with does not depend on n, nor on a draft. */
static void fewer_tokens_are_the_first_of_more(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lengthy / sizeof *lengthy; i++) {
        tiny t;
        int32_t want[N], got[N];
        tiny_open(&t, lengthy[i], 2, NULL, 0);
        greedy_n(&t, N, NULL, 0, NULL, want);
        for (int64_t n = 1; n < N; n += 3) {
            greedy_n(&t, n, NULL, 0, NULL, got);
            assert_memory_equal(got, want, (size_t)n * sizeof *want);
            greedy_n(&t, N, want, n, NULL, got);
            assert_memory_equal(got, want, sizeof want);
        }
        tiny_close(&t);
    }
}

typedef struct rows_seen { int64_t row[256]; int64_t n; } rows_seen;

static int count_rows(void *user, const ns_site *site, const ns_view *v, ns_error *e)
{
    (void)v, (void)e;
    rows_seen *const seen = user;
    for (int64_t r = 0; r < site->n_rows && seen->n < 256; r++)
        seen->row[seen->n++] = site->row0 + r;
    return NS_OK;
}

static int edit_some(void *user, const ns_site *site, ns_view *v, ns_error *e)
{
    (void)site, (void)e;
    for (int64_t r = 0; r < v->shape[0]; r++)
        *ns_at(v, r, 0, 0) *= *(const float *)user;
    return NS_OK;
}

/* phi3 runs its rows again at position 44: readers see every row once, edits reach them both times. */
static void rows_that_run_again_are_shown_once(void **state)
{
    (void)state;
    tiny t;
    rows_seen seen = {.n = 0};
    float one = 1, other = -3;
    int32_t plain[N], same[N], edited[N], first[N];
    ns_hooks *hooks;
    ns_hook list[2] = {{.size = sizeof *list, .at = "blocks.1.hook_resid_pre", .edit = edit_some, .user = &one},
                        { .size = sizeof *list, .at = "blocks.1.hook_resid_post", .read = count_rows, .user = &seen } };
    tiny_open(&t, lengthy[0], 2, NULL, 0);
    greedy_n(&t, N, NULL, 0, NULL, plain);
    ok(ns_hooks_new(&hooks, t.arch, list, 2, &err));
    greedy_n(&t, N, NULL, 0, hooks, same);
    ns_hooks_free(hooks);
    assert_memory_equal(same, plain, sizeof plain);
    assert_int_equal(seen.n, 40 + N - 1);
    for (int64_t i = 0; i < seen.n; i++)
        assert_int_equal(seen.row[i], i);
    list[0].user = &other;
    ok(ns_hooks_new(&hooks, t.arch, list, 2, &err));
    greedy_n(&t, N, NULL, 0, hooks, edited);
    greedy_n(&t, 5, NULL, 0, hooks, first);
    ns_hooks_free(hooks);
    assert_memory_equal(first, edited, 5 * sizeof *first);
    assert_memory_not_equal(edited, plain, sizeof plain);
    tiny_close(&t);
}

typedef struct patience { int asked, most; } patience;

static bool out_of_patience(void *user)
{
    patience *const p = user;
    return ++p->asked > p->most;
}

/* Hashing and packing both ask; to stop is no error, and leaves nothing. */
static void loading_stops(void **state)
{
    (void)state;
    tiny t;
    ns_model *m;
    patience p = {.most = INT32_MAX};
    ns_model_params how = {.size = sizeof how, .hash = true, .cancelled = out_of_patience, .user = &p};
    tiny_open(&t, tiny_llama, 2, NULL, 0);
    ok(ns_model_load(&m, t.engine, t.checkpoint, t.arch, &how, &err));
    ns_model_free(m);
    const int all = p.asked;
    how.hash = false;
    p.asked = 0;
    ok(ns_model_load(&m, t.engine, t.checkpoint, t.arch, &how, &err));
    ns_model_free(m);
    const int packing = p.asked;
    assert_true(packing > t.arch->n_layers && all > packing);
    for (int most = 0; most < packing; most++) {
        p = (patience){.most = most};
        assert_int_equal(ns_model_load(&m, t.engine, t.checkpoint, t.arch, &how, &err), NS_STOP);
        assert_null(m);
        assert_int_equal(p.asked, most + 1);
    }
    how.hash = true;
    p = (patience){.most = 0};
    assert_int_equal(ns_model_load(&m, t.engine, t.checkpoint, t.arch, &how, &err), NS_STOP);
    assert_null(m);
    assert_int_equal(p.asked, 1);
    tiny_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(loading_stops),
                                       cmocka_unit_test(tokens_and_positions), cmocka_unit_test(followers), cmocka_unit_test(globs),
                                       cmocka_unit_test(poisoned_weights),
                                        cmocka_unit_test(non_finite_activation_names_its_point),
                                        cmocka_unit_test(drafts_do_not_change_greedy),
                                        cmocka_unit_test(fewer_tokens_are_the_first_of_more),
                                        cmocka_unit_test(rows_that_run_again_are_shown_once) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
