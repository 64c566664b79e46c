/* test_writes.c FIXTURES - what heads write, on rows of every kind: by the values and weights of all keys a head writes all that it writes,
 * by parts of them its parts, through windows at absolute positions, norms behind attention and the norms and gates of recurrences; and the
 * parts of the file sum up to the logit. */
#include "../../unit.h"
#include "harness.h"

enum { T = 14, CUT = 6 };
static const char *fixtures;

static const float *output(const ns_scores *s, const char *name, const ns_score **def)
{
    for (int i = 0; i < ns_scores_count(s); i++)
        if (strcmp(ns_scores_def(s, i)->name, name) == 0) {
            *def = ns_scores_def(s, i);
            return ns_scores_values(s, i);
        }
    fail_msg("no score '%s'", name);
    return NULL;
}

static int32_t tokens[T] = {3, 14, 15, 9, 26, 5, 35, 8, 9, 7, 9, 32, 3, 8};
static int32_t answer[] = {9};

/* The scores of one case whose needle is [begin, end). */
static ns_scores *run(const ns_model *m, int64_t begin, int64_t end)
{
    ns_error err = {0};
    static const char *const names[] = {"retrieval_logit"};
    ns_span spans[] = {{.name = "needle_answer", .begin = begin, .end = end}};
    ns_case c = {.id = "a", .tokens = tokens, .n_tokens = T, .answer = answer, .n_answer = 1, .spans = spans, .n_spans = 1};
    const ns_cases cases = {.list = &c, .n = 1};
    ns_scores *s = NULL;
    OK(ns_score_run(&s, m, &cases, &(ns_score_params){.size = sizeof(ns_score_params), .probes = names, .n_probes = 1}, &err));
    return s;
}

static int64_t check(const char *name, bool skip)
{
    char folder[512];
    const ns_score *def;
    int64_t heads = 0;
    snprintf(folder, sizeof folder, "%s/%s", fixtures, name);
    loaded m = load(folder, 1, NULL, 0);
    ns_scores *const whole = run(m.model, 0, T), *const first = run(m.model, 0, CUT), *const second = run(m.model, CUT, T);
    const float *const all = output(whole, "needle_logit", &def), *const own = output(whole, "dla_plain", &def);
    const float *const a = output(first, "needle_logit", &def), *const b = output(second, "needle_logit", &def);
    const float *const share = output(whole, "write_share", &def), *const none = output(whole, "retrieval_logit", &def);
    double most = 1e-3;
    for (int64_t i = 0; i < ns_scores_layers(whole) * ns_scores_heads(whole); i++)
        most = isnan(own[i]) ? most : fmax(most, fabs((double)own[i]));
    for (int64_t i = 0; i < ns_scores_layers(whole) * ns_scores_heads(whole); i++) {
        const bool there = !isnan(own[i]);
        assert_true(isnan(none[i]) && there == !isnan(all[i]));        /* without a placebo there is no contrast */
        heads += there;
        if (there && !skip && (!ns_is_near((double)all[i], (double)own[i], 2e-5 * most) || !ns_is_near((double)share[i], 1, 1e-4)))
            fail_msg("%s: head %d writes %g, by all keys %g (share %g)", name, (int)i, (double)own[i], (double)all[i], (double)share[i]);
        if (there && !ns_is_near((double)a[i] + (double)b[i], (double)all[i], 2e-5 * most))
            fail_msg("%s: head %d: %g and %g, together %g", name, (int)i, (double)a[i], (double)b[i], (double)all[i]);
    }
    ns_scores_free(whole);
    ns_scores_free(first);
    ns_scores_free(second);
    unload(&m);
    return heads;
}

/* Softmax, with windows, norms behind attention, gates, sinks, LayerNorm; recurrences of each rule, with and without norm and gate. */
static void test_rows(void **state)
{
    (void)state;
    static const char *const names[] = {"llama", "gemma2", "gemma3", "olmo2", "olmo3-yarn", "gpt2", "gpt_neox-parallel", "cohere2",
                                        "gpt_oss", "qwen3_next-full", "qwen3_next", "minimax", "gla", "hgrn2", "kda", "delta_net",
                                        "gated_deltanet", "retnet", "linear-llama", "olmo_hybrid", "hypenet"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_true(check(names[i], false) > 0);
}

/* A recurrence's skip is of its own row: what it writes is more than its rows say. */
static void test_skip(void **state)
{
    (void)state;
    static const char *const names[] = {"mamba2", "nemotron_h", "falcon_h1"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        assert_true(check(names[i], true) > 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows), cmocka_unit_test(test_skip)};
    fixtures = argc > 1 ? argv[1] : ".";
    return cmocka_run_group_tests(tests, NULL, NULL);
}
