/* test_invariance.c - the rule: hooks, batching, forking, threads, kernels, waves, streaming, decoding, following and how equal weights are
 * stored never change a bit. */
#include "../../unit.h"
#include "tiny.h"
#include "core/core.h"
#include "model/branch/branch.h"

#include <stdlib.h>
#include <string.h>

enum { T = 590, V_MAX = 101 };         /* crosses pages of 256 and bands of 512 */

static ns_error err;

static void ok(int rc)
{
    if (rc != NS_OK)
        fail_msg("%d: %s", rc, err.message);
}

typedef struct rows_seen { float *logits; int64_t vocab, n; } rows_seen;

static int copy_rows(void *user, const ns_site *site, const ns_view *v, ns_error *e)
{
    (void)e;
    rows_seen *s = user;
    for (int64_t r = 0; r < site->n_rows; r++)
        memcpy(s->logits + (site->row0 + r) * s->vocab, ns_at(v, r, 0, 0), (size_t)s->vocab * sizeof(float));
    s->n += site->n_rows;
    return NS_OK;
}

/* Logits of every row of one fresh session over n tokens. */
static float *all_logits(const tiny *t, const int32_t *tokens, int64_t n)
{
    rows_seen seen = {calloc((size_t)(n * t->arch->vocab), sizeof(float)), t->arch->vocab, 0};
    ns_hook hook = {.size = sizeof hook, .at = "hook_logits", .read = copy_rows, .user = &seen};
    ns_hooks *hooks;
    ns_session *s;
    ok(ns_hooks_new(&hooks, t->arch, &hook, 1, &err));
    ok(ns_session_new(&s, t->model, NULL, &err));
    ok(ns_session_append(s, tokens, n, &err));
    ok(ns_forward(t->model, &s, 1, hooks, NULL, &err));
    assert_int_equal(seen.n, n);
    assert_memory_equal(ns_session_logits(s), seen.logits + (n - 1) * seen.vocab, (size_t)seen.vocab * sizeof(float));
    ns_session_free(s);
    ns_hooks_free(hooks);
    return seen.logits;
}

static void same_row(const tiny *t, const ns_session *s, const float *logits, int64_t row)
{
    const float *a = ns_session_logits(s), *b = logits + row * t->arch->vocab;
    for (int64_t i = 0; i < t->arch->vocab; i++)
        if (memcmp(a + i, b + i, sizeof *a))
            fail_msg("row %lld, logit %lld: %.9g here, %.9g in the reference", (long long)row, (long long)i, (double)a[i], (double)b[i]);
}

static ns_session *fresh(const tiny *t, const int32_t *tokens, int64_t n, bool decode)
{
    ns_session *s;
    ns_session_params p = {.size = sizeof p, .decode = decode};
    ok(ns_session_new(&s, t->model, &p, &err));
    ok(ns_session_append(s, tokens, n, &err));
    return s;
}

static void check_lengths(const tiny *t, const int32_t *tokens, const float *want)
{
    const int64_t lengths[] = {1, 2, 31, 32, 33, 255, 256, 257, 511, 512, 513, T};
    enum { N = sizeof lengths / sizeof *lengths };
    ns_session *batch[N];
    for (int i = 0; i < N; i++)
        batch[i] = fresh(t, tokens, lengths[i], false);
    ok(ns_forward(t->model, batch, N, NULL, NULL, &err));
    for (int i = 0; i < N; i++) {
        same_row(t, batch[i], want, lengths[i] - 1);
        ns_session_free(batch[i]);
    }
}

static void check_forks(const tiny *t, const int32_t *tokens, const float *want)
{
    const int64_t at[] = {1, 31, 32, 100, 256, 300, 512};
    enum { N = sizeof at / sizeof *at };
    ns_session *list[N + 2];
    int32_t other[T];
    tiny_tokens(other, T, t->arch->vocab, 99);
    list[0] = fresh(t, tokens, 520, false);
    for (int i = 0; i < N; i++) {
        ok(ns_session_fork(&list[i + 1], list[0], at[i], &err));
        ok(ns_session_append(list[i + 1], i == 2 ? other : tokens + at[i], T - at[i], &err));   /* child 3 goes another way */
    }
    ok(ns_session_fork(&list[N + 1], list[4], 400, &err));                                      /* a grandchild */
    ok(ns_session_append(list[N + 1], tokens + 400, 150, &err));
    ok(ns_forward(t->model, list, N + 2, NULL, NULL, &err));
    for (int i = 0; i < N; i++)
        if (i != 2)
            same_row(t, list[i + 1], want, T - 1);
    same_row(t, list[0], want, 519);
    same_row(t, list[N + 1], want, 549);
    for (int i = N + 1; i >= 0; i--)
        ns_session_free(list[i]);
}

static void check_decode(const tiny *t, const int32_t *tokens, const float *want)
{
    ns_session *s = fresh(t, tokens, 250, true), *child;
    ok(ns_forward(t->model, &s, 1, NULL, NULL, &err));
    for (int64_t n = 250; n < 264; n++) {
        same_row(t, s, want, n - 1);
        ok(ns_session_append(s, tokens + n, 1, &err));
        ok(ns_forward(t->model, &s, 1, NULL, NULL, &err));
    }
    ok(ns_session_fork(&child, s, 257, &err));
    int32_t wrong[7] = {1, 2, 3, 4, 5, 6, 7};
    ok(ns_session_append(s, wrong, 7, &err));
    ok(ns_forward(t->model, &s, 1, NULL, NULL, &err));
    ok(ns_session_truncate(s, 255, &err));
    ok(ns_session_append(s, tokens + 255, 20, &err));
    ok(ns_session_append(child, tokens + 257, 3, &err));
    ns_session *both[] = {s, child};
    ok(ns_forward(t->model, both, 2, NULL, NULL, &err));
    same_row(t, s, want, 274);
    same_row(t, child, want, 259);
    ns_session_free(child);
    ns_session_free(s);
}

/* Whole sessions and forks that take over a leader's rows at each layer, among others that do not. */
static void check_followers(const tiny *t, const int32_t *tokens, const float *want)
{
    const int64_t L = t->arch->n_layers;
    ns_session *list[16];
    int n = 0;
    list[n++] = fresh(t, tokens, 300, false);
    ok(ns_session_fork(&list[n], list[0], 299, &err));      /* who leads may be forked too */
    ok(ns_session_append(list[n++], tokens + 299, 1, &err));
    for (int64_t l = 1; l < L; l++) {
        list[n] = fresh(t, tokens, 300, false);
        ok(ns_session_follow(list[n++], list[0], l, &err));
    }
    const int trunk = n;
    list[n++] = fresh(t, tokens, 500, false);
    for (int64_t l = 0; l < 2 * L - 1; l++) {               /* the last layers first: groups have gaps at either end */
        ok(ns_session_fork(&list[n], list[trunk], 499, &err));
        ok(ns_session_append(list[n++], tokens + 499, 3, &err));
        if (l)
            ok(ns_session_follow(list[n - 1], list[trunk + 1], l < L ? L - l : l - L + 1, &err));
    }
    ok(ns_forward(t->model, list, n, NULL, NULL, &err));
    for (int i = 0; i < n; i++)
        same_row(t, list[i], want, i < trunk ? 299 : i == trunk ? 499 : 501);
    while (n > 0)
        ns_session_free(list[--n]);
}

static int look(void *user, const ns_site *site, const ns_view *v, ns_error *e)
{
    (void)v;
    (void)e;
    ++*(int64_t *)user;
    assert_true(site->n_rows > 0);
    return NS_OK;
}

static int edit_nothing(void *user, const ns_site *site, ns_view *v, ns_error *e)
{
    (void)v;
    return look(user, site, v, e);
}

static void check_hooks(const tiny *t, const int32_t *tokens, const float *want)
{
    bool scores = false;
    for (int64_t l = 0; l < t->arch->n_layers; l++)
        scores |= ns_point_exists(t->arch, NS_POINT_SCORES, l);
    int64_t calls = 0;
    int64_t some[] = {0, 7, -1, 300, 301, 302, 511};
    ns_hook list[] = {{.size = sizeof *list, .at = "*", .rows = {.kind = NS_ROWS_LIST, .n = 7, .positions = some}, .read = look,
                        .user = &calls },
                       {.size = sizeof *list, .at = "blocks.*.attn.hook_pattern", .read = look, .user = &calls},
                       {.size = sizeof *list, .at = "blocks.*.attn.hook_pattern", .edit = edit_nothing, .user = &calls},
                       { .size = sizeof *list, .at = scores ? "*hook_attn_scores" : "*hook_rot_k", .rows = {.kind = NS_ROWS_LAST, .n = 40},
                        .edit = edit_nothing, .user = &calls },
                       {.size = sizeof *list, .at = "blocks.*.ln?.hook_normalized", .edit = edit_nothing, .user = &calls},
                       { .size = sizeof *list, .at = "blocks.*.hook_resid_*", .edit = edit_nothing, .user = &calls } };
    for (int n = 1; n <= 6; n++) {
        ns_hooks *hooks;
        ns_session *s = fresh(t, tokens, T, false);
        ok(ns_hooks_new(&hooks, t->arch, list, n, &err));
        ok(ns_forward(t->model, &s, 1, hooks, NULL, &err));
        same_row(t, s, want, T - 1);
        ns_session_free(s);
        ns_hooks_free(hooks);
    }
    assert_true(calls > 100);
}

/* The classes that the models below are made of. */
static const ns_branch_class *walked[NS_N_BRANCH_CLASSES];

static void note_classes(const ns_arch *a)
{
    for (int i = 0; i < NS_N_BRANCH_CLASSES; i++)
        for (int64_t l = 0; l < a->n_layers; l++)
            for (int s = 0; s < a->layers[l].n_stages; s++)
                for (int b = 0; b < a->layers[l].stages[s].n_branches; b++)
                    if (a->layers[l].stages[s].branches[b].class_ == ns_branch_classes[i])
                        walked[i] = ns_branch_classes[i];
}

static void every_class(void **state)
{
    (void)state;
    for (int i = 0; i < NS_N_BRANCH_CLASSES; i++)
        if (!walked[i])
            fail_msg("no model of this test has a branch of class %s", ns_branch_classes[i]->name);
}

static void invariance(const char *config)
{
    tiny t;
    int32_t tokens[T];
    tiny_open(&t, config, 1, "scalar", 0);
    note_classes(t.arch);
    tiny_tokens(tokens, T, t.arch->vocab, 5);
    float *want = all_logits(&t, tokens, T);
    check_lengths(&t, tokens, want);
    const struct { int threads; const char *cpu; int64_t memory; ns_dtype even, odd;
    } ways[] = {
        {2, NULL, 0, NS_F32, NS_F32},  {4, "avx2", 0, NS_BF16, NS_BF16},  {1, NULL, 200000, NS_F16, NS_F16},
        {3, NULL, 1, NS_F16, NS_BF16}, {2, "scalar", 0, NS_BF16, NS_F32},
    };
    const size_t sample = getenv("NS_SAMPLE") != NULL;      /* of the ways, under sanitizers: every other one */
    for (size_t i = sample; i < sizeof ways / sizeof *ways; i += 1 + sample) {
        tiny_store(&t, ways[i].even, ways[i].odd);
        tiny_reopen(&t, ways[i].threads, ways[i].cpu, ways[i].memory);
        float *got = all_logits(&t, tokens, T);
        assert_memory_equal(got, want, (size_t)(T * t.arch->vocab) * sizeof *want);
        free(got);
        check_lengths(&t, tokens, want);
        check_forks(&t, tokens, want);
        check_followers(&t, tokens, want);
        check_decode(&t, tokens, want);
        check_hooks(&t, tokens, want);
    }
    free(want);
    tiny_close(&t);
}

static void llama(void **state)
{
    (void)state;
    invariance(tiny_llama);
}

static void sliding_window(void **state)
{
    (void)state;
    invariance(tiny_mistral);
}

static void sandwich_and_softcaps(void **state)
{
    (void)state;
    invariance(tiny_gemma2);
}

static void parallel_blocks(void **state)
{
    (void)state;
    invariance(tiny_gpt_neox);
}

static void recurrent(void **state)
{
    (void)state;
    invariance(tiny_minimax);
}

static void delta_rule(void **state)
{
    (void)state;
    invariance(tiny_delta);
}

static void short_convolutions(void **state)
{
    (void)state;
    invariance(tiny_lfm2);
    invariance(tiny_lfm2_tap);
}

static void channels(void **state)
{
    (void)state;
    invariance(tiny_jamba);
}

static void gated_channels(void **state)
{
    (void)state;
    invariance(tiny_griffin);
}

static void side_by_side(void **state)
{
    (void)state;
    invariance(tiny_falcon);
    invariance(tiny_falcon_rows);
}

static void one_branch_a_layer(void **state)
{
    (void)state;
    invariance(tiny_nemotron);
}

static void recurrences(void **state)
{
    (void)state;
    invariance(tiny_recurrences);
}

static void forget_gates(void **state)
{
    (void)state;
    invariance(tiny_hgrn2);
    invariance(tiny_bounds);
}

static void state_space(void **state)
{
    (void)state;
    invariance(tiny_mamba2);
}

static void experts(void **state)
{
    (void)state;
    invariance(tiny_experts);
}

static void sinks(void **state)
{
    (void)state;
    invariance(tiny_gpt_oss);
}

static void chunks(void **state)
{
    (void)state;
    invariance(tiny_llama4);
}

static void gated(void **state)
{
    (void)state;
    invariance(tiny_gated);
}

/* A cap on the kernels changes nothing where there is one version: said, for the ways above were compared with themselves. */
static void kernels(void **state)
{
    (void)state;
    tiny t;
    tiny_open(&t, tiny_llama, 1, NULL, 0);
    const bool scalar = strcmp(ns_engine_cpu(t.engine), "scalar") == 0;
    tiny_close(&t);
    if (scalar)
        SKIP("this CPU has no version beside the scalar definition");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(llama), cmocka_unit_test(sliding_window), cmocka_unit_test(sandwich_and_softcaps),
                                       cmocka_unit_test(parallel_blocks), cmocka_unit_test(recurrent), cmocka_unit_test(experts),
                                       cmocka_unit_test(sinks), cmocka_unit_test(chunks), cmocka_unit_test(gated),
                                       cmocka_unit_test(delta_rule), cmocka_unit_test(short_convolutions),
                                       cmocka_unit_test(channels), cmocka_unit_test(gated_channels), cmocka_unit_test(side_by_side),
                                       cmocka_unit_test(one_branch_a_layer),
                                       cmocka_unit_test(state_space),
                                       cmocka_unit_test(recurrences), cmocka_unit_test(forget_gates), cmocka_unit_test(kernels),
                                       cmocka_unit_test(every_class)};
    return ns_exit_code(cmocka_run_group_tests(tests, NULL, NULL));
}
