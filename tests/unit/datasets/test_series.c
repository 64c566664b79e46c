/* test_series.c - planted strengths are what the scores measure, and a series' heads live as planned. */
#include "../probes/harness.h"
#include <sys/stat.h>

#include "core/core.h"

static char folder[] = "/tmp/ns-series-XXXXXX";

/* retrieval_find of the head over `cases`, at a checkpoint. */
static void find_scores(const char *path, const ns_cases *cases, const ns_head *heads, int n, double *out)
{
    static const char *const name = "retrieval_find";
    ns_error err = {0};
    ns_scores *scores = NULL;
    loaded m = load(path, 1, NULL, 0);
    OK(ns_score_run(&scores, m.model, cases, &(ns_score_params){.size = sizeof(ns_score_params), .probes = &name, .n_probes = 1}, &err));
    int i = 0;
    while (strcmp(ns_scores_def(scores, i)->name, name) != 0)
        i++;
    for (int k = 0; k < n; k++)
        out[k] = (double)ns_scores_values(scores, i)[heads[k].layer * ns_scores_heads(scores) + heads[k].head];
    ns_scores_free(scores);
    unload(&m);
}

static void make_cases(ns_cases *cases, int count)
{
    static const int64_t length = 40;
    static const double depth = 0.5;
    ns_error err = {0};
    OK(ns_needle_cases(cases, &(ns_needle_params){.size = sizeof(ns_needle_params), .lengths = &length, .n_lengths = 1, .depths = &depth,
                                                  .n_depths = 1,
                                                  .count = count, .seed = 5, .vocab = 512, .answer_tokens = 1}, &err));
}

/* Within 4 standard deviations of a binomial share; 0 and 1 exactly. More strength never loses a case. */
static void test_strength(void **state)
{
    (void)state;
    enum { N = 300, K = 4 };
    static const ns_head heads[K] = {{1, 0}, {1, 1}, {1, 3}, {2, 2}};
    static const double low[K] = {0, 0.25, 0.5, 1}, high[K] = {0.1, 0.6, 0.5, 1};
    double first[K], second[K];
    ns_error err = {0};
    ns_cases cases = {0};
    make_cases(&cases, N);
    ns_plant_params p =
        {.size = sizeof p, .n_layers = 3, .n_heads = 4, .n_kv_heads = 2, .retrieval = heads, .n_retrieval = K, .strength = low};
    OK(ns_plant(folder, &p, &err));
    find_scores(folder, &cases, heads, K, first);
    p.strength = high;
    OK(ns_plant(folder, &p, &err));
    find_scores(folder, &cases, heads, K, second);
    for (int k = 0; k < K; k++) {
        /* A head that finds nothing hits the needle by chance: one position of 36. */
        const double allowed = 4 * sqrt(low[k] * (1 - low[k]) / N) + (low[k] < 1 ? 0.05 : 0);
        if (!(fabs(first[k] - low[k]) <= allowed))
            fail_msg("head %d: %g, planted %g", k, first[k], low[k]);
    }
    assert_true(first[3] == 1 && second[3] == 1);
    assert_true(second[0] > 0.03 && second[1] > first[1] + 0.2 && fabs(second[2] - first[2]) < 0.02);
    ns_cases_clear(&cases);
    remove_plant(folder);
    assert_int_equal(mkdir(folder, 0700), 0);
}

static double number(const cJSON *list, int i)
{
    const cJSON *const item = cJSON_GetArrayItem(list, i);
    return item ? item->valuedouble : -1;
}

static void test_series(void **state)
{
    (void)state;
    enum { P = 5, K = 3 };
    static const ns_head heads[K] = {{1, 0}, {1, 1}, {1, 3}};
    static const int64_t early[] = {7}, again[] = {10, 20, 40};
    const ns_plant_life lives[K] = {{early, 1}, {again, 3}, {NULL, 0}};
    ns_plant_series_params p = {.size = sizeof p, .n_checkpoints = P, .lives = lives, .n_lives = K,
                                .plant = {.n_layers = 2, .n_heads = 4, .n_kv_heads = 2, .retrieval = heads, .n_retrieval = K, .seed = 3}};
    char path[128];
    ns_error err = {0};
    ns_cases cases = {0};
    cJSON *truth = NULL;
    OK(ns_plant_series(folder, &p, &err));
    assert_int_equal(ns_plant_series(folder, &p, &err), NS_E_CREATE);          /* never over a run */
    snprintf(path, sizeof path, "%s/planted.json", folder);
    OK(ns_json_read(&truth, path, 1 << 20, 8, &err));
    make_cases(&cases, 40);
    for (int i = 0; i < P; i++) {
        double seen[K];
        snprintf(path, sizeof path, "%s/step%06d", folder, 10 * i);
        find_scores(path, &cases, heads, K, seen);
        for (int k = 0; k < K; k++) {
            const cJSON *const head = cJSON_GetArrayItem(cJSON_GetObjectItem(truth, "heads"), k);
            const double planned = number(cJSON_GetObjectItem(head, "strength"), i);
            const bool alive = (k == 0 && i >= 1) || (k == 1 && (i == 1 || i == 4));
            assert_true(planned == (alive ? 1 : 0));
            assert_true(alive ? seen[k] == 1 : seen[k] < 0.2);
            assert_true(number(cJSON_GetObjectItem(head, "births"), 0) == (k == 2 ? -1 : 10));
            assert_true(number(cJSON_GetObjectItem(head, "births"), 1) == (k == 1 ? 40 : -1));
            assert_true(number(cJSON_GetObjectItem(head, "deaths"), 0) == (k == 1 ? 20 : -1));
        }
        remove_plant(path);
    }
    snprintf(path, sizeof path, "%s/run.json", folder);
    assert_int_equal(unlink(path), 0);
    cJSON_Delete(truth);
    ns_cases_clear(&cases);
}

static void expect(ns_plant_series_params p, const char *message)
{
    ns_error err = {0};
    p.size = sizeof p;
    assert_int_equal(ns_plant_series("/tmp/ns-never-made", &p, &err), NS_E_ARG);
    if (!strstr(err.message, message))
        fail_msg("%s\n  not ...%s...", err.message, message);
    assert_int_not_equal(access("/tmp/ns-never-made", F_OK), 0);
}

static void test_errors(void **state)
{
    (void)state;
    static const ns_head heads[] = {{1, 0}};
    static const int64_t falling[] = {20, 10};
    const ns_plant_life life = {falling, 2}, fine = {falling, 1};
    ns_plant_params plant = {.n_layers = 2, .n_heads = 2, .n_kv_heads = 1, .retrieval = heads, .n_retrieval = 1};
    expect((ns_plant_series_params){.plant = plant, .lives = &life, .n_lives = 1}, "steps above 0 that ascend");
    expect((ns_plant_series_params){.plant = plant}, "births (--births) of 0 heads, and 1 retrieval heads (--retrieval)");
    expect((ns_plant_series_params){.plant = plant, .lives = &fine, .n_lives = 1, .jitter = 2}, "jitter 2");
    expect((ns_plant_series_params){.plant = plant, .lives = &fine, .n_lives = 1, .n_checkpoints = 1}, "1 checkpoints");
    const double above = 1.5;
    ns_error err = {0};
    plant.size = sizeof plant;
    plant.strength = &above;
    assert_int_equal(ns_plant("/tmp/ns-never-made", &plant, &err), NS_E_ARG);
    assert_non_null(strstr(err.message, "strength 1.5 is outside 0"));
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_strength), cmocka_unit_test(test_series), cmocka_unit_test(test_errors)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
