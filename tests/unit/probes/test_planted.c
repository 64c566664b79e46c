/* test_planted.c - the whole way on heads that are known: plant, make cases, run, score. The planted heads score 0.99 or more, every
 * other head less than half, and the model answers every case. */
#include "harness.h"

static char folder[] = "/tmp/ns-planted-XXXXXX";

static const float *score(const ns_scores *s, const char *name)
{
    for (int i = 0; i < ns_scores_count(s); i++)
        if (strcmp(ns_scores_def(s, i)->name, name) == 0)
            return ns_scores_values(s, i);
    fail_msg("no score '%s'", name);
    return NULL;
}

static bool among(const ns_head *heads, int n, int64_t layer, int64_t head)
{
    for (int i = 0; i < n; i++)
        if (heads[i].layer == layer && heads[i].head == head)
            return true;
    return false;
}

/* The named heads have at least 0.99, all others less than `others`. */
static void expect(const ns_scores *s, const char *name, const ns_head *heads, int n, float others)
{
    const float *const values = score(s, name);
    const int64_t L = ns_scores_layers(s), H = ns_scores_heads(s);
    for (int64_t l = 0; l < L; l++) {
        for (int64_t h = 0; h < H; h++) {
            const float value = values[l * H + h];
            if (among(heads, n, l, h) ? !(value >= 0.99f) : !(value < others))
                fail_msg("%s of head %d.%d is %g", name, (int)l, (int)h, value);
        }
    }
}

static void check(const ns_plant_params *p, const ns_head *heads, int n, const int64_t *lengths, int n_lengths)
{
    ns_error err = {0};
    ns_cases cases = {0};
    ns_scores *scores = NULL;
    const char *const names[] = {"retrieval_find", "retrieval_mass", "induction", "previous_token", "previous_at_needle"};
    const ns_score_params params = {.size = sizeof params, .probes = names, .n_probes = 5};
    OK(ns_plant(folder, p, &err));
    loaded m = load(folder, 2, NULL, 0);
    needle_cases(&cases, lengths, n_lengths, 2, 11);
    OK(ns_score_run(&scores, m.model, &cases, &params, &err));
    assert_int_equal(ns_scores_cases(scores), cases.n);
    assert_int_equal(ns_scores_answered(scores), cases.n);
    assert_true(ns_scores_token_accuracy(scores, true) == 1 && ns_scores_token_accuracy(scores, false) == 1);
    static const char *const retrieval[] = {"retrieval_find", "retrieval_continue",  "retrieval_copy",       "copy_any",
                                            "retrieval_mass", "retrieval_mass_last", "retrieval_mass_first", "induction"};
    for (size_t i = 0; i < sizeof retrieval / sizeof *retrieval; i++)
        expect(scores, retrieval[i], heads, n, 0.5f);
    expect(scores, "previous_token", &p->previous_token, 1, 0.5f);
    expect(scores, "previous_at_needle", &p->previous_token, 1, 0.5f);
    ns_head top[8];
    for (int i = 0; i < ns_scores_count(scores); i++) {
        if (strcmp(ns_scores_def(scores, i)->name, "retrieval_find") != 0)
            continue;
        assert_int_equal(ns_scores_top(scores, i, n, top).n, n);
        for (int k = 0; k < n; k++)
            assert_true(among(heads, n, top[k].layer, top[k].head));
    }
    ns_scores_free(scores);
    ns_cases_clear(&cases);
    unload(&m);
}

static void test_default(void **state)
{
    (void)state;
    static const ns_head heads[] = {{3, 1}, {4, 6}};
    static const int64_t lengths[] = {40, 300};
    check(&(ns_plant_params){.size = sizeof(ns_plant_params)}, heads, 2, lengths, 2);
}

/* Heads of one KV group, of the same layer, in the last layer; a window below; a previous-token head that is not 0.0. */
static void test_named(void **state)
{
    (void)state;
    static const ns_head heads[] = {{2, 4}, {2, 5}, {2, 0}, {4, 2}};
    static const int64_t lengths[] = {64, 500};
    check(&(ns_plant_params){.size = sizeof(ns_plant_params), .n_layers = 5, .n_heads = 6, .n_kv_heads = 3, .max_positions = 600,
                             .previous_token = {1, 5},
                             .retrieval = heads, .n_retrieval = 4, .window = 16, .seed = 5}, heads, 4, lengths, 2);
}

/* At the model's last position the heads are as sharp as promised. */
static void test_full_length(void **state)
{
    (void)state;
    static const ns_head heads[] = {{1, 0}};
    static const int64_t lengths[] = {4094};
    check(&(ns_plant_params){.size = sizeof(ns_plant_params), .n_layers = 2, .n_heads = 2, .n_kv_heads = 1, .retrieval = heads,
                             .n_retrieval = 1, .seed = 9,
                             .previous_token = {0, 1}}, heads, 1, lengths, 1);
}

static void test_repeats(void **state)
{
    (void)state;
    static const ns_head heads[] = {{3, 1}, {4, 6}}, previous[] = {{0, 0}};
    const char *const names[] = {"induction", "previous_token"};
    const ns_score_params params = {.size = sizeof params, .probes = names, .n_probes = 2};
    const ns_repeat_params repeat = {.size = sizeof repeat, .length = 201, .count = 4, .seed = 2, .vocab = 512, .first_id = 3, .bos = 0};
    ns_error err = {0};
    ns_cases cases = {0};
    ns_scores *scores = NULL;
    OK(ns_plant(folder, &(ns_plant_params){.size = sizeof(ns_plant_params)}, &err));
    loaded m = load(folder, 1, NULL, 0);
    OK(ns_repeat_cases(&cases, &repeat, &err));
    OK(ns_score_run(&scores, m.model, &cases, &params, &err));
    expect(scores, "induction", heads, 2, 0.5f);
    expect(scores, "previous_token", previous, 1, 0.5f);
    assert_int_equal(ns_scores_answered(scores), 0);
    assert_true(isnan(ns_scores_token_accuracy(scores, true)));
    ns_scores_free(scores);
    ns_cases_clear(&cases);
    unload(&m);
}

/* Cases that cannot be scored are counted with their reasons; none left is an error that says why. */
static void test_dropped(void **state)
{
    (void)state;
    static const int64_t lengths[] = {100}, too_long[] = {200};
    const char *const names[] = {"retrieval_find"}, *const wrong[] = {"retrieval_fnid"};
    ns_score_params params = {.size = sizeof params, .probes = names, .n_probes = 1};
    ns_error err = {0};
    ns_cases cases = {0};
    ns_scores *scores = NULL;
    const ns_dropped *dropped;
    OK(ns_plant(folder, &(ns_plant_params){.size = sizeof(ns_plant_params), .max_positions = 150, .vocab = 512}, &err));
    loaded m = load(folder, 1, NULL, 0);
    needle_cases(&cases, too_long, 1, 1, 1);
    assert_int_equal(ns_score_run(&scores, m.model, &cases, &params, &err), NS_E_ARG);
    assert_null(scores);
    assert_non_null(strstr(err.message, "no case left; dropped 3 longer than the model's 150 positions (first: 'needle-s1-200-0-0')"));
    needle_cases(&cases, lengths, 1, 1, 1);
    ns_repeat_params repeat = {.size = sizeof repeat, .length = 21, .count = 2, .vocab = 512, .first_id = 3, .bos = 0};
    OK(ns_repeat_cases(&cases, &repeat, &err));
    repeat.length = 23;
    repeat.count = 1;
    repeat.bos = 512;
    repeat.vocab = 513;
    OK(ns_repeat_cases(&cases, &repeat, &err));
    OK(ns_score_run(&scores, m.model, &cases, &params, &err));
    assert_int_equal(ns_scores_cases(scores), 3);
    assert_int_equal(ns_scores_dropped(scores, &dropped), 3);
    for (int i = 0; i < 3; i++) {
        const bool beyond = strstr(dropped[i].reason, "vocabulary of 512"), answerless = strcmp(dropped[i].reason, "no answer") == 0;
        assert_int_equal(dropped[i].n, beyond ? 1 : answerless ? 2 : 3);
    }
    ns_scores_free(scores);
    params.probes = wrong;
    assert_int_equal(ns_score_run(&scores, m.model, &cases, &params, &err), NS_E_ARG);
    assert_non_null(strstr(err.message, "retrieval_fnid: no such probe or score (did you mean retrieval_find?)"));
    ns_cases_clear(&cases);
    assert_int_equal(ns_score_run(&scores, m.model, &cases, &(ns_score_params){.size = sizeof params, .probes = names, .n_probes = 1},
                                  &err),
                     NS_E_ARG);
    unload(&m);
}

static bool stop(void *user)
{
    return ++*(int *)user > 2;
}

static void test_cancelled(void **state)
{
    (void)state;
    static const int64_t lengths[] = {100};
    const char *const names[] = {"retrieval_find", "induction"};
    int asked = 0;
    const ns_score_params params = {.size = sizeof params, .probes = names, .n_probes = 2, .cancelled = stop, .user = &asked};
    ns_error err = {0};
    ns_cases cases = {0};
    ns_scores *scores = NULL;
    OK(ns_plant(folder, &(ns_plant_params){.size = sizeof(ns_plant_params)}, &err));
    loaded m = load(folder, 1, NULL, 0);
    needle_cases(&cases, lengths, 1, 1, 1);
    assert_int_equal(ns_score_run(&scores, m.model, &cases, &params, &err), NS_STOP);
    assert_null(scores);
    assert_int_equal(asked, 3);
    ns_cases_clear(&cases);
    unload(&m);
}

static void expect_refused(ns_plant_params p, const char *message)
{
    ns_error err = {0};
    p.size = sizeof p;
    assert_int_equal(ns_plant("/tmp/ns-never-made", &p, &err), NS_E_ARG);
    if (!strstr(err.message, message))
        fail_msg("%s\n  not ...%s...", err.message, message);
    assert_int_not_equal(access("/tmp/ns-never-made", F_OK), 0);
}

static void test_conflicts(void **state)
{
    (void)state;
    static const ns_head low[] = {{0, 1}}, wide[] = {{3, 8}}, deep[] = {{6, 0}}, twice[] = {{3, 1}, {3, 1}};
    expect_refused((ns_plant_params){.retrieval = low, .n_retrieval = 1}, "choose a layer above 0");
    expect_refused((ns_plant_params){.retrieval = wide, .n_retrieval = 1}, "retrieval head 3.8: a layer has heads 0 to 7");
    expect_refused((ns_plant_params){.retrieval = deep, .n_retrieval = 1}, "retrieval head 6.0: the model has layers 0 to 5");
    expect_refused((ns_plant_params){.retrieval = twice, .n_retrieval = 2}, "named twice");
    expect_refused((ns_plant_params){.previous_token = {3, 0}}, "choose a layer above 3");
    expect_refused((ns_plant_params){.n_heads = 6, .n_kv_heads = 4}, "evenly");
    expect_refused((ns_plant_params){.window = 1}, "must be visible");
    expect_refused((ns_plant_params){.vocab = 40000}, "vocabulary of 40000");
    ns_error err = {0};
    char config[64];
    snprintf(config, sizeof config, "%s/planted.json", folder);
    unlink(config);                            /* now it is somebody's checkpoint */
    assert_int_equal(ns_plant(folder, &(ns_plant_params){.size = sizeof(ns_plant_params)}, &err), NS_E_CREATE);
    assert_int_equal(ns_plant("/nowhere/at/all", &(ns_plant_params){.size = sizeof(ns_plant_params)}, &err), NS_E_CREATE);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    remove_plant(folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default), cmocka_unit_test(test_named), cmocka_unit_test(test_full_length), cmocka_unit_test(test_repeats),
        cmocka_unit_test(test_dropped), cmocka_unit_test(test_cancelled), cmocka_unit_test(test_conflicts),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
