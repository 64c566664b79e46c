/* test_generate.c - what hooks and listeners see while a gold answer is verified is what they see when every token has a pass of its own,
 * wherever the answer is wrong, whoever stops; and a timeline that goes on from another one's beginning sees it too. */
#include "../../unit.h"
#include "tiny.h"

#include <stdlib.h>
#include <string.h>

enum { PROMPT = 70, N = 12, LAYERS = 8, ROWS = PROMPT + N, SUM = 4 };

static ns_error err;

static void ok(int rc)
{
    if (rc != NS_OK)
        fail_msg("%d: %s", rc, err.message);
}

/* A pattern row's own numbers, in a few sums that no two rows share; and how often each was shown. */
typedef struct watch {
    double  sum[SUM][LAYERS][ROWS];
    int     seen[SUM][LAYERS][ROWS];
    int32_t said[N];
    int64_t n_said, stop_after, length;
    int     hook;
} watch;
typedef struct reader { watch *w; int hook; } reader;

static int see_pattern(void *user, const ns_site *site, const ns_view *v, ns_error *e)
{
    (void)e;
    const reader *const r = user;
    for (int64_t row = 0; row < site->n_rows; row++)
        for (int64_t h = 0; h < site->n_heads; h++)
            for (int64_t k = 0; k <= site->row0 + row - site->key0; k++)
                r->w->sum[r->hook][site->layer][site->row0 + row] +=
                    (double)*ns_at(v, h, row, k) * (double)((h + 1) * 1000 + site->key0 + k);
    for (int64_t row = 0; row < site->n_rows; row++)
        r->w->seen[r->hook][site->layer][site->row0 + row]++;
    return NS_OK;
}

static int hear(void *user, int64_t position, int32_t token)
{
    watch *const w = user;
    assert_int_equal(position, PROMPT + w->n_said);
    w->said[w->n_said++] = token;
    return w->n_said == w->stop_after ? NS_STOP : NS_OK;
}

typedef struct asked { const int32_t *gold, *stop; int64_t n_gold, stop_after; float *factor; } asked;

static int scale_rows(void *user, const ns_site *site, ns_view *v, ns_error *e)
{
    (void)site, (void)e;
    const float *const factor = user;
    for (int64_t r = 0; r < v->shape[0]; r++)
        for (int64_t i = 0; i < v->shape[1]; i++)
            *ns_at(v, r, i, 0) *= i % 2 ? *factor : 1;
    return NS_OK;
}

static ns_hooks *watching(const tiny *t, watch *w, reader *readers, float *factor)
{
    static const int64_t from_end[] = {3, -1}, before_last[] = {-2};
    const ns_rows rows[SUM] = {{.kind = NS_ROWS_LAST, .n = 1}, {.kind = NS_ROWS_LAST, .n = 3},
                               {.kind = NS_ROWS_LIST, .n = 2, .positions = from_end},
                               {.kind = NS_ROWS_LIST, .n = 1, .positions = before_last}};
    ns_hook list[SUM + 1];
    ns_hooks *hooks;
    for (int i = 0; i < SUM; i++) {
        readers[i] = (reader){w, i};
        list[i] = (ns_hook){.size = sizeof *list, .at = "blocks.*.attn.hook_pattern", .rows = rows[i], .read = see_pattern,
                            .user = &readers[i]};
    }
    list[SUM] = (ns_hook){.size = sizeof *list, .at = "blocks.0.hook_resid_post", .edit = scale_rows, .user = factor};
    ok(ns_hooks_new(&hooks, t->arch, list, factor ? SUM + 1 : SUM, &err));
    return hooks;
}

/* The session is new, or goes on from another one's first rows. */
static void run_session(const tiny *t, ns_session *s, const asked *how, watch *w)
{
    int32_t out[N];
    int64_t n;
    reader readers[SUM];
    memset(w, 0, sizeof *w);
    w->stop_after = how->stop_after;
    ns_hooks *const hooks = watching(t, w, readers, how->factor);
    const ns_generate_params gp = {.size = sizeof gp, .hooks = hooks, .gold = how->gold, .n_gold = how->n_gold, .accepted = hear, .user = w,
                                   .stop = how->stop, .n_stop = how->stop != NULL};
    const int rc = ns_generate(t->model, s, N, &gp, out, &n, &err);
    assert_int_equal(rc, how->stop_after ? NS_STOP : NS_OK);
    assert_int_equal(n, w->n_said);
    assert_memory_equal(out, w->said, (size_t)n * sizeof *out);
    w->length = ns_session_length(s);
    ns_hooks_free(hooks);
}

static void run(const tiny *t, const asked *how, watch *w)
{
    int32_t prompt[PROMPT];
    ns_session *s;
    tiny_tokens(prompt, PROMPT, t->arch->vocab, 4);
    ok(ns_session_new(&s, t->model, &(ns_session_params){.size = sizeof(ns_session_params), .decode = true}, &err));
    ok(ns_session_append(s, prompt, PROMPT, &err));
    run_session(t, s, how, w);
    ns_session_free(s);
}

/* The rows that say the accepted tokens; a listener that stops may have seen those of the answer that come after. */
static void compare(const watch *got, const watch *want, int64_t layers)
{
    assert_int_equal(got->n_said, want->n_said);
    assert_memory_equal(got->said, want->said, sizeof got->said);
    assert_int_equal(got->length, want->length);
    for (int hook = 0; hook < SUM; hook++)
        for (int64_t l = 0; l < layers; l++)
            for (int64_t row = 0; row < PROMPT - 1 + want->n_said; row++) {
                assert_int_equal(got->seen[hook][l][row], want->seen[hook][l][row]);
                assert_memory_equal(&got->sum[hook][l][row], &want->sum[hook][l][row], sizeof(double));
            }
}

static void check(const tiny *t, float *factor)
{
    static watch want, got;
    int32_t draft[N + 3];
    run(t, &(asked){.factor = factor}, &want);
    assert_int_equal(want.n_said, N);
    int64_t rows = 0;
    for (int64_t l = 0; l < t->arch->n_layers; l++)
        rows += want.seen[0][l][PROMPT];
    assert_true(rows > 0);                              /* a layer with rows */
    for (int64_t right = 0; right <= N; right++) {
        for (int64_t i = 0; i < N + 3; i++)
            draft[i] = i < right ? want.said[i] : (want.said[i % N] + 1) % (int32_t)t->arch->vocab;
        run(t, &(asked){.gold = draft, .n_gold = right < 3 ? 3 : N, .factor = factor}, &got);
        compare(&got, &want, t->arch->n_layers);
    }
    for (int64_t after = 1; after < N; after += 2) {
        static watch stopped;
        run(t, &(asked){.stop_after = after, .factor = factor}, &stopped);
        run(t, &(asked){.gold = want.said, .n_gold = 7, .stop_after = after, .factor = factor}, &got);
        compare(&got, &stopped, t->arch->n_layers);
        run(t, &(asked){.stop = &want.said[after], .factor = factor}, &stopped);
        run(t, &(asked){.gold = want.said, .n_gold = 7, .stop = &want.said[after], .factor = factor}, &got);
        compare(&got, &stopped, t->arch->n_layers);
    }
}

/* What the model says that nobody edits is no draft of what it says edited: of its last rows, where its prompt is edited all along. */
static void edited_rows_settle_nothing(void **state)
{
    (void)state;
    static watch want, got, plain;
    tiny t;
    float factor = -2;
    tiny_open(&t, tiny_llama, 2, NULL, 0);
    run(&t, &(asked){.factor = &factor}, &want);
    ns_session *s;
    int32_t prompt[PROMPT], out[N];
    int64_t n;
    tiny_tokens(prompt, PROMPT, t.arch->vocab, 4);
    ok(ns_session_new(&s, t.model, &(ns_session_params){.size = sizeof(ns_session_params), .decode = true}, &err));
    ok(ns_session_append(s, prompt, PROMPT - 1, &err));
    reader readers[SUM];
    ns_hooks *const hooks = watching(&t, &plain, readers, &factor);
    ok(ns_forward(t.model, &s, 1, hooks, NULL, &err));
    ok(ns_session_append(s, prompt + PROMPT - 1, 1, &err));
    ok(ns_generate(t.model, s, N, NULL, out, &n, &err));
    assert_int_not_equal(out[0], want.said[0]);
    run(&t, &(asked){.gold = out, .n_gold = N, .factor = &factor}, &got);
    compare(&got, &want, t.arch->n_layers);
    ns_hooks_free(hooks);
    ns_session_free(s);
    tiny_close(&t);
}

static void answers_are_verified_unseen(void **state)
{
    (void)state;
    const char *const configs[] = {tiny_llama, tiny_gemma2, tiny_recurrences, tiny_jamba, tiny_griffin};
    float factor = -2;
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        tiny t;
        tiny_open(&t, configs[i], 2, NULL, 0);
        assert_true(t.arch->n_layers <= LAYERS);
        check(&t, NULL);
        if (i == 0)
            check(&t, &factor);
        tiny_close(&t);
    }
}

/* Fork where two prompts part, let the parent go: as if the child had been first. */
static void a_child_outlives_its_parent(void **state)
{
    (void)state;
    const char *const configs[] = {tiny_llama, tiny_recurrences, tiny_jamba};
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++)
        for (int64_t at = 1; at < PROMPT; at += 17) {
            static watch want, got;
            tiny t;
            int32_t prompt[PROMPT], other[PROMPT + 40];
            ns_session *parent, *child;
            tiny_open(&t, configs[i], 2, NULL, 0);
            run(&t, &(asked){.gold = NULL}, &want);
            tiny_tokens(prompt, PROMPT, t.arch->vocab, 4);
            tiny_tokens(other, PROMPT + 40, t.arch->vocab, 5);
            memcpy(other, prompt, (size_t)at * sizeof *other);
            ok(ns_session_new(&parent, t.model, &(ns_session_params){.size = sizeof(ns_session_params), .decode = true}, &err));
            ok(ns_session_append(parent, other, PROMPT + 40, &err));
            ok(ns_forward(t.model, &parent, 1, NULL, NULL, &err));
            ok(ns_session_fork(&child, parent, at, &err));
            assert_int_equal(ns_session_rows_run(parent), PROMPT + 40);
            ns_session_free(parent);
            ok(ns_session_append(child, prompt + at, PROMPT - at, &err));
            run_session(&t, child, &(asked){.gold = NULL}, &got);
            assert_true(ns_session_rows_run(child) >= PROMPT - at + N - 1);
            if (i == 0)
                assert_int_equal(ns_session_rows_run(child), PROMPT - at + N - 1);
            for (int hook = 0; hook < SUM; hook++)      /* the shared rows are its parent's */
                for (int64_t l = 0; l < t.arch->n_layers; l++)
                    for (int64_t row = 0; row < at; row++)
                        want.seen[hook][l][row] = 0, want.sum[hook][l][row] = 0;
            compare(&got, &want, t.arch->n_layers);
            ns_session_free(child);
            tiny_close(&t);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(answers_are_verified_unseen), cmocka_unit_test(edited_rows_settle_nothing),
                                       cmocka_unit_test(a_child_outlives_its_parent)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
