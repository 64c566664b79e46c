/* test_invariance.c - the same model and cases give the same content_sha256, whatever the threads, the CPU's kernels, the order of the
 * cases, sharing of prefixes, batching, or memory; and another model or other cases give another. */
#include "../../unit.h"
#include "harness.h"

static char folder[] = "/tmp/ns-invariance-XXXXXX";
static const char *const all_probes[] = {"retrieval", "mass", "induction", "previous_token", "echo", "entropy", "local_mass", "writes",
                                         "ov_copying"};
enum { N_PROBES = 9 };

typedef struct setting {
    const char *name;
    int         threads;
    const char *cpu;
    int64_t     memory;
    bool        reversed, one_at_a_time, no_sharing;
} setting;

static void reverse(ns_cases *cases)
{
    for (int64_t i = 0, j = cases->n - 1; i < j; i++, j--) {
        const ns_case c = cases->list[i];
        cases->list[i] = cases->list[j];
        cases->list[j] = c;
    }
}

/* content_sha256 of the scores file made under a setting. */
static void hash_of(const char *model_folder, const setting *how, int n_probes, uint64_t seed, char hex[65])
{
    static const int64_t lengths[] = {60, 90, 290};            /* below and beyond a page of keys */
    char path[64];
    ns_error err = {0};
    ns_cases cases = {0};
    ns_scores *scores = NULL;
    ns_file *file = NULL;
    loaded m = load(model_folder, how->threads, how->cpu, how->memory);
    needle_cases(&cases, lengths, 3, 1, seed);
    if (how->reversed)
        reverse(&cases);
    const ns_score_params params = {.size = sizeof params, .probes = all_probes, .n_probes = n_probes, .no_sharing = how->no_sharing,
                                    .one_at_a_time = how->one_at_a_time};
    const ns_provenance by = {.size = sizeof by, .caller = how->name};
    snprintf(path, sizeof path, "%s/scores.h5", folder);
    OK(ns_score_run(&scores, m.model, &cases, &params, &err));
    OK(ns_scores_rank(scores, &(ns_ranking_params){.size = sizeof(ns_ranking_params), .resamples = 20}, &err));
    OK(ns_scores_write(scores, path, &by, &err));
    OK(ns_file_open(&file, path, &err));
    const char *const hash = ns_file_fact(file, "content_sha256");
    assert_non_null(hash);
    assert_int_equal(strlen(hash), 64);
    memcpy(hex, hash, 65);
    ns_file_close(file);
    ns_scores_free(scores);
    ns_cases_clear(&cases);
    unload(&m);
}

static void check_model(const char *model_folder)
{
    static const setting base = {.name = "one thread", .threads = 1}, settings[] = {
        {.name = "two threads", .threads = 2},
        {.name = "four threads", .threads = 4},
        {.name = "scalar", .threads = 2, .cpu = "scalar"},
        {.name = "avx2", .threads = 2, .cpu = "avx2"},
        {.name = "avx512", .threads = 2, .cpu = "avx512"},
        {.name = "reversed", .threads = 2, .reversed = true},
        {.name = "one at a time", .threads = 2, .one_at_a_time = true},
        {.name = "no sharing", .threads = 2, .no_sharing = true},
        {.name = "no sharing, reversed", .threads = 2, .no_sharing = true, .reversed = true},
        {.name = "waves", .threads = 2, .memory = 16 << 20},
        {.name = "weights streamed", .threads = 2, .memory = 1 << 20},
    };
    char expected[65], got[65];
    hash_of(model_folder, &base, N_PROBES, 3, expected);
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++) {
        hash_of(model_folder, &settings[i], N_PROBES, 3, got);
        if (strcmp(got, expected) != 0)
            fail_msg("%s: content_sha256 %s, with one thread %s", settings[i].name, got, expected);
    }
    hash_of(model_folder, &base, N_PROBES, 4, got);
    assert_string_not_equal(got, expected);
    hash_of(model_folder, &base, N_PROBES - 1, 3, got);
    assert_string_not_equal(got, expected);
    loaded m = load(model_folder, 1, NULL, 0);
    const bool scalar = strcmp(ns_engine_cpu(m.engine), "scalar") == 0;
    unload(&m);
    if (scalar)
        SKIP("this CPU has no version beside the scalar definition");
}

static void test_planted(void **state)
{
    (void)state;
    check_model(folder);
}

static char *stories;

/* Trained weights: rows that are not nearly one-hot. */
static void test_stories(void **state)
{
    (void)state;
    if (access(stories, R_OK) != 0)
        SKIP("the shared data folder is not beside the checkout");
    check_model(stories);
}

/* A probe's values do not depend on which other probes look on. */
static void test_alone(void **state)
{
    (void)state;
    static const int64_t lengths[] = {90, 290};
    ns_error err = {0};
    ns_cases cases = {0};
    ns_scores *together = NULL, *alone = NULL;
    loaded m = load(folder, 2, NULL, 0);
    needle_cases(&cases, lengths, 2, 1, 5);
    OK(ns_score_run(&together, m.model, &cases,
                    &(ns_score_params){.size = sizeof(ns_score_params), .probes = all_probes, .n_probes = N_PROBES}, &err));
    OK(ns_score_run(&alone, m.model, &cases, &(ns_score_params){.size = sizeof(ns_score_params), .probes = all_probes + 1, .n_probes = 1},
                    &err));
    const size_t bytes = (size_t)(ns_scores_layers(alone) * ns_scores_heads(alone)) * sizeof(float);
    int found = 0;
    for (int i = 0; i < ns_scores_count(together); i++)
        for (int j = 0; j < ns_scores_count(alone); j++)
            if (ns_scores_def(together, i) == ns_scores_def(alone, j)) {
                assert_memory_equal(ns_scores_values(together, i), ns_scores_values(alone, j), bytes);
                found++;
            }
    assert_int_equal(found, ns_scores_count(alone));
    ns_scores_free(together);
    ns_scores_free(alone);
    ns_cases_clear(&cases);
    unload(&m);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) && ns_plant(folder, &(ns_plant_params){.size = sizeof(ns_plant_params), .window = 50}, NULL) == NS_OK ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    remove_plant(folder);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_planted), cmocka_unit_test(test_stories), cmocka_unit_test(test_alone)};
    stories = argc > 1 ? argv[1] : (char *)"";
    return ns_exit_code(cmocka_run_group_tests(tests, make_folder, remove_folder));
}
