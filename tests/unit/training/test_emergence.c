/* test_emergence.c - births of a small study whose scores are made here: chance of a window of two, the previous-token head of a run that
 * never retrieves, what has no births, horizons that leave nothing. */
#include "../../unit.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <needlescope/training.h>

#include "core/core.h"

enum { R = 2, P = 6, C = 4, L = 4, H = 2, K = L * H };
static const char path[] = "test_emergence_study.h5";
/* Run 0 retrieves in layer 3 from step 20 on, run 1 never does: its largest score, .1, lies in layer 3. */
static float find[R][P][K], previous[R][P][K], entropy[R][P][K], by_chance[R * P * K];

static void fill(void)
{
    memset(find, 0, sizeof find);
    memset(previous, 0, sizeof previous);
    for (int p = 0; p < P; p++) {
        find[0][p][3 * H] = p >= 2 ? 1 : 0;
        find[0][p][3 * H + 1] = 1;                             /* finds from the beginning on, in its window: no head of full attention */
        find[1][p][3 * H] = .1f;
        for (int r = 0; r < R; r++) {
            previous[r][p][0 * H] = p >= 3 ? .8f : .58f;       /* layer 0 has a window of 2: uniform attention gives .5 */
            previous[r][p][2 * H + 1] = .45f;                  /* layer 2, full */
            entropy[r][p][0] = 1.5f;
        }
    }
}

static void put(ns_table_writer *w, const char *name, const char *axes, void *data, ns_dtype dtype, int rank, const int64_t *shape)
{
    const ns_view view = ns_view_of(data, dtype, rank, shape);
    assert_int_equal(ns_table_array(w, name, axes, &view, NULL, NULL), NS_OK);
}

static void write_study(bool says)
{
    static const ns_fact facts[] = {{"kind", "study", false}};
    static const char *const kinds[R * L] = {"swa", "full", "full", "full", "swa", "full", "full", "full"}, *const names[R] = {"finds",
                                                                                                                               "never"};
    const int64_t sizes[] = {R, C, L, H}, steps = P, grid[] = {R, P}, heads[] = {R, L, H}, cells[] = {R, P, L, H}, cases[] = {C};
    int64_t step[P], tokens[R * P], status[R * P], window[R * K], valid[R * K], n_tokens[C];
    const char *const axes[] = {"run", "case", "layer", "head"};
    ns_table_writer *w;
    for (int i = 0; i < R * P; i++) {
        step[i % P] = tokens[i] = 10 * (i % P);
        status[i] = 1;
    }
    for (int i = 0; i < R * K; i++) {
        window[i] = i % K / H == 0 ? 2 : i % K == 3 * H + 1 ? 12 : 0;
        valid[i] = 1;
    }
    for (int i = 0; i < C; i++)
        n_tokens[i] = 60;
    for (int i = 0; i < R * P * K; i++)
        by_chance[i] = i % K / H == 0 ? .5f : .05f;
    fill();
    assert_int_equal(ns_table_create(&w, path, facts, 1, NULL), NS_OK);
    for (int i = 0; i < 4; i++)
        assert_int_equal(ns_table_count(w, axes[i], sizes[i], NULL), NS_OK);
    const ns_view of_steps = ns_view_of(step, NS_I64, 1, &steps);
    assert_int_equal(ns_table_axis(w, "step", &of_steps, NULL), NS_OK);
    assert_int_equal(ns_table_strings(w, "run_name", "run", names, R, NULL), NS_OK);
    assert_int_equal(ns_table_strings(w, "layer_kind", "run layer", kinds, R * L, NULL), NS_OK);
    put(w, "tokens", "run step", tokens, NS_I64, 2, grid);
    put(w, "status", "run step", status, NS_I64, 2, grid);
    put(w, "head_window", "run layer head", window, NS_I64, 3, heads);
    put(w, "head_valid", "run layer head", valid, NS_I64, 3, heads);
    put(w, "n_tokens", "case", n_tokens, NS_I64, 1, cases);
    put(w, "retrieval_find", "run step layer head", find, NS_F32, 4, cells);
    put(w, "previous_token", "run step layer head", previous, NS_F32, 4, cells);
    put(w, "previous_token_chance", "run step layer head", by_chance, NS_F32, 4, cells);
    put(w, "entropy", "run step layer head", entropy, NS_F32, 4, cells);
    put(w, "entropy_norm", "run step layer head", find, NS_F32, 4, cells);
    put(w, "my_rank", "run step layer head", find, NS_F32, 4, cells);
    const ns_score_meaning share = {NS_BEST_LARGEST, 0, 1, (double)NAN, false}, none = {NS_BEST_NONE, 0, 1, (double)NAN, false},
                           nats = {NS_BEST_NONE, 0, INFINITY, (double)NAN, false},
                           rank = {NS_BEST_SMALLEST, 0, INFINITY, (double)NAN, false};
    const struct {
        const char *name;
        const ns_score_meaning *is;
    } meanings[] = {
        {"retrieval_find", &share}, {"previous_token", &share}, {"entropy", &nats}, {"entropy_norm", &none}, {"my_rank", &rank}};
    for (int i = 0; i < 5 && says; i++)
        assert_int_equal(ns_table_meaning(w, meanings[i].name, meanings[i].is, NULL), NS_OK);
    assert_int_equal(ns_table_commit(w, NULL), NS_OK);
}

static int births(ns_study **study, ns_emergence **e, ns_emergence_params params, ns_error *err)
{
    params.size = sizeof params;
    assert_int_equal(ns_study_open(study, path, err), NS_OK);
    return ns_emergence_run(e, *study, &params, err);
}

static void test_window_of_two(void **state)
{
    (void)state;
    ns_error err = {0};
    ns_study *study;
    ns_emergence *e;
    write_study(true);
    if (births(&study, &e, (ns_emergence_params){0}, &err))
        fail_msg("%s", err.message);
    const ns_run_emergence *const run = &e->runs[0];
    assert_true(run->best.at == 20 && run->best.head == 3 * H && run->theta == .5 && run->chance < .02);
    assert_true(run->previous.at == 30 && run->previous.after == 20 && run->previous.head == 0);         /* .58 is no birth, */
    assert_true(run->previous_chance == .5 && run->previous_theta == .75);
    assert_true(run->previous_head[0] == 2 * H + 1 && run->previous_head[5] == 0); /* and .45 of a full head is more above chance */
    assert_near(run->previous_score[5], .8, 1e-6);                                                 /* as measured */
    for (int64_t i = 0; i < e->n_lives; i++)
        assert_true(e->lives[i].layer == 3 ? (e->lives[i].run == 0) == isfinite(e->lives[i].born.at)
                                                                    : isinf(e->lives[i].born.at));
    ns_emergence_free(e);
    ns_study_close(study);
    unlink(path);
}

/* Below the first full layer, not below the layer that happens to hold the largest of nothing. */
static void test_never_retrieves(void **state)
{
    (void)state;
    ns_error err = {0};
    ns_study *study;
    ns_emergence *e;
    write_study(true);
    assert_int_equal(births(&study, &e, (ns_emergence_params){0}, &err), NS_OK);
    assert_true(isinf(e->runs[1].best.at));
    for (int p = 0; p < P; p++)
        assert_true(e->runs[1].previous_head[p] < H);
    assert_true(e->runs[1].previous.at == 30);
    ns_emergence_free(e);
    ns_study_close(study);
    unlink(path);
}

static void refuses(ns_emergence_params params, const char *why)
{
    ns_error err = {0};
    ns_study *study;
    ns_emergence *e;
    assert_int_equal(births(&study, &e, params, &err), NS_E_ARG);
    if (!strstr(err.message, why))
        fail_msg("no '%s' in: %s", why, err.message);
    ns_study_close(study);
}

static void test_refusals(void **state)
{
    (void)state;
    for (int says = 0; says < 2; says++) {         /* a file that says what its scores mean, and one of before that */
        write_study(says);
        refuses((ns_emergence_params){.score = "entropy"}, "births of 'entropy'");
        refuses((ns_emergence_params){.score = "entropy_norm"}, "births of 'entropy_norm'");
        refuses((ns_emergence_params){.previous = "entropy"}, "births of 'entropy'");
        refuses((ns_emergence_params){.score = "n_tokens"}, "n_tokens");
        refuses((ns_emergence_params){.horizon = -1}, "horizon -1");
        refuses((ns_emergence_params){.horizon = 60}, "ends at 50");
        refuses((ns_emergence_params){.horizon = 60, .leave_short = true}, "no scored checkpoint");
        refuses((ns_emergence_params){.birth = {.theta = 1.5}}, "theta 1.5");
        refuses((ns_emergence_params){.birth = {.theta = .001}}, "theta 0.001: heads that know nothing have");
        refuses((ns_emergence_params){.sweep = {.001, .5, .7}}, "theta 0.001: heads that know nothing have");
        if (says)
            refuses((ns_emergence_params){.score = "my_rank"}, "births of 'my_rank'");
    }
    unlink(path);
}

/* The answer as JSON: births in words and in numbers, the thresholds of the sweep by their names; laziness of runs without windows is
 * refused. */
static void test_json(void **state)
{
    (void)state;
    ns_error err = {0};
    ns_study *study;
    ns_emergence *e;
    ns_laziness *l;
    char *text;
    write_study(true);
    assert_int_equal(births(&study, &e, (ns_emergence_params){.sweep = {.2, .5, .9}}, &err), NS_OK);
    assert_int_equal(ns_emergence_json(e, &text, &err), NS_OK);
    cJSON *const json = cJSON_Parse(text), *const runs = cJSON_GetObjectItem(json, "runs");
    const cJSON *const finds = cJSON_GetArrayItem(runs, 0), *const never = cJSON_GetArrayItem(runs, 1);
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(json, "schema")), "needlescope.emergence/1");
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(finds, "born")), "(10, 20]");
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(finds, "born_theta_0.9")), "(10, 20]");
    assert_true(cJSON_GetNumberValue(cJSON_GetObjectItem(finds, "born_after")) == 10 &&
                cJSON_GetNumberValue(cJSON_GetObjectItem(finds, "born_at")) == 20);
    assert_true(cJSON_IsNull(cJSON_GetObjectItem(never, "born_at")) &&
                cJSON_GetNumberValue(cJSON_GetObjectItem(never, "born_after")) == 30);
    assert_true(
        cJSON_GetNumberValue(cJSON_GetObjectItem(cJSON_GetArrayItem(cJSON_GetObjectItem(json, "thresholds"), 0), "previous_theta")) == .75);
    assert_int_equal(ns_laziness_of(&l, e, NULL, &err), NS_E_ARG);
    assert_non_null(strstr(err.message, "windows to compare"));
    cJSON_Delete(json);
    free(text);
    ns_emergence_free(e);
    ns_study_close(study);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_window_of_two), cmocka_unit_test(test_never_retrieves),
                                       cmocka_unit_test(test_refusals),
                                       cmocka_unit_test(test_json)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
