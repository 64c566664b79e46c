/* test_outputs.c - a probe whose outputs lie on every axis there is, and that learns over all cases: through the run, its score file, a
 * scan, the merged study and their one reader. */
#include "harness.h"

#include <needlescope/scan.h>
#include <needlescope/study.h>

enum { POSITIONS = 3, CLASSES = 2 };

/* ---- the probe ---- */

enum { OF_CASE, BY_ANSWER, BY_GROUP, BY_CLASS, OF_LAYER, N_OUTPUTS };
static const ns_output outputs[N_OUTPUTS] = {
    [OF_CASE] = {"of_case", NS_F32, "tokens of the prompt", "case"},
    [BY_ANSWER] = {"by_answer", NS_U8, "place of the answer's token + 1", "case answer"},
    [BY_GROUP] = {"by_group", NS_F32, "1000 layer + 10 KV head + position", "case layer kv_head position"},
    [BY_CLASS] = {"by_class", NS_F32, "cases of the fold", "layer class"},
    [OF_LAYER] = {"of_layer", NS_F32, "rows that all cases saw at the layer", "layer"},
};
static const ns_score scores[] = {{"learnt", NULL, NULL, "given by fit", "", .lo = -INFINITY, .hi = INFINITY, .chance = NAN}};

typedef struct state { const ns_case *c; int64_t rows[16]; bool fitted, ended; } state;

static int extent(const ns_probe_context *run, const ns_case *const *cases, int64_t n, ns_extent *e, ns_error *err)
{
    (void)err;
    assert_true(n > 0 && cases[0] && run->arch && !run->c && !run->extent);
    e->n[NS_AXIS_POSITION] = POSITIONS;
    e->n[NS_AXIS_CLASS] = CLASSES;
    return NS_OK;
}

static int begin(void *user, const ns_probe_context *ctx, float *const *out, ns_error *err)
{
    (void)err;
    state *const s = user;
    const int64_t K = ctx->extent->n[NS_AXIS_KV_HEAD];
    s->c = ctx->c;
    assert_true(isnan(out[OF_CASE][0]) && out[BY_ANSWER][0] == 255 && isnan(out[BY_GROUP][0]) && isnan(out[BY_CLASS][0]));
    out[OF_CASE][0] = (float)ctx->c->n_tokens;
    for (int64_t j = 0; j < ctx->c->n_answer - ctx->c->n_lead; j++)
        out[BY_ANSWER][j] = (float)(j + 1);
    for (int64_t i = 0; i < ctx->n_layers * K * POSITIONS; i++)
        out[BY_GROUP][i] = (float)(1000 * (i / POSITIONS / K) + 10 * (i / POSITIONS % K) + i % POSITIONS);
    return NS_OK;
}

static int see(void *user, const ns_site *site, const ns_view *view, ns_error *err)
{
    (void)view;
    (void)err;
    ((state *)user)->rows[site->layer] += site->n_rows;
    return NS_OK;
}

static int fit(const ns_fit *f, ns_error *err)
{
    int64_t fold[64];
    const int64_t L = f->run->n_layers, H = f->run->n_heads;
    const int rc = ns_fit_folds(f, CLASSES, 1, NULL, fold, err);
    for (int64_t l = 0; l < L; l++) {
        float *const classes = f->outputs[BY_CLASS] + l * CLASSES;
        classes[0] = classes[1] = f->outputs[OF_LAYER][l] = 0;
        for (int64_t i = 0; i < f->n && rc == NS_OK; i++) {
            state *const s = ns_fit_state(f, i);
            assert_true(s->c == f->cases[i] && !s->ended && s->rows[l] == s->c->n_answer);
            s->fitted = true;
            f->outputs[OF_LAYER][l] += (float)s->rows[l];
            classes[fold[i]]++;
        }
    }
    for (int64_t i = 0; i < L * H; i++)
        f->values[0][i] = (float)i;
    return rc;
}

static int end(void *user, ns_error *err)
{
    state *const s = user;
    s->ended = true;
    assert_true(s->fitted || !err || err->message[0]);
    return NS_OK;
}

static const ns_probe everything = {
    .name = "everything", .summary = "", .paper = "", .at = "blocks.*.attn.hook_pattern", .rows = {.kind = NS_ROWS_ANSWER},
    .accepts = NS_ACCEPTS_SOFTMAX, .state_size = sizeof(state), .outputs = outputs, .n_outputs = N_OUTPUTS, .scores = scores, .n_scores = 1,
    .extent = extent, .begin = begin, .see = see, .fit = fit, .end = end,
};
static const ns_probe *const list[] = {&everything};

/* ---- what a file says of it ---- */

static float *read_at(const ns_study *s, const char *name, const char *axes, int64_t step, int64_t n_want)
{
    ns_error err = {0};
    float *values;
    int64_t n;
    ns_axes own;
    char text[NS_AXES_TEXT];
    OK(ns_study_axes(s, name, &own, &err));
    assert_string_equal(ns_axes_text(&own, text), axes);
    OK(ns_study_values(s, name, 0, step, &values, &n, &err));
    assert_int_equal(n, n_want);
    return values;
}

static const float *score(ns_study *s, const char *name)
{
    ns_error err = {0};
    const float *values;
    OK(ns_study_score(s, name, &values, &err));
    return values;
}

/* Outputs by a name in the place of a score, held against the scores that they must equal. */
static void check_views(ns_study *s)
{
    static const char *const pairs[][2] = {{"answer_hits@mean", "retrieval_copy"}, {"answer_hits@answer=0", "retrieval_find"}};
    static const struct { const char *name, *says; } wrong[] = {
        {"by_answer@mean", "'by_answer' lies on case answer: no score"}, {"by_group@mean", "no score over layers and heads"},
        {"answer_hits@answer=9", "has the places 0 to"}, {"answer_hits@layer=1", "'layer=1' is neither mean nor"},
        {"answer_hits@answer=0x", "has the places"}, {"answer_hit@mean", "did you mean answer_hits?"}};
    const ns_study_shape n = ns_study_size(s);
    ns_score_meaning meaning;
    ns_error err = {0};
    int64_t seen = 0;
    for (size_t k = 0; k < 2; k++) {
        const float *const got = score(s, pairs[k][0]), *const want = score(s, pairs[k][1]);
        for (int64_t i = 0; i < n.R * n.P * n.L * n.H; i++) {
            assert_true(got[i] == want[i]);
            seen += got[i] > 0;
        }
    }
    assert_true(seen > 0);
    const float *const classes = score(s, "by_class@class=1");
    float *const whole = read_at(s, "by_class", "layer class", 0, n.L * CLASSES);
    for (int64_t i = 0; i < n.L * n.H; i++)
        assert_true(classes[i] == whole[i / n.H * CLASSES + 1]);
    free(whole);
    for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++) {
        assert_int_equal(ns_study_meaning(s, wrong[k].name, &meaning, &err), NS_E_ARG);
        if (!strstr(err.message, wrong[k].says))
            fail_msg("%s: %s", wrong[k].name, err.message);
    }
}

static void check_file(const char *path, const ns_cases *cases, int64_t steps)
{
    ns_error err = {0};
    ns_study *s;
    OK(ns_study_open(&s, path, &err));
    const ns_study_shape size = ns_study_size(s);
    const ns_extent *const e = ns_study_extent(s);
    const int64_t C = cases->n, L = size.L, H = size.H, K = e->n[NS_AXIS_KV_HEAD], A = e->n[NS_AXIS_ANSWER];
    assert_true(size.P == steps && size.C == C && K >= 1 && e->n[NS_AXIS_POSITION] == POSITIONS && e->n[NS_AXIS_CLASS] == CLASSES);
    for (int64_t p = 0; p < steps; p++) {
        float *const tokens = read_at(s, "of_case", "case", p, C), *const answer = read_at(s, "by_answer", "case answer", p, C * A);
        float *const group = read_at(s, "by_group", "case layer kv_head position", p, C * L * K * POSITIONS);
        float *const classes = read_at(s, "by_class", "layer class", p, L * CLASSES), *const layer = read_at(s, "of_layer", "layer", p, L);
        float *const learnt = read_at(s, "learnt", "layer head", p, L * H);
        for (int64_t i = 0; i < C; i++)
            assert_true(tokens[i] == (float)cases->list[i].n_tokens && answer[i * A] == 1 &&
                        answer[i * A + A - 1] == (cases->list[i].n_answer - cases->list[i].n_lead == A ? (float)A : 255));
        const int64_t last = C * L * K * POSITIONS - 1;
        assert_true(group[0] == 0 && group[last] == (float)(1000 * (L - 1) + 10 * (K - 1) + POSITIONS - 1));
        assert_true(classes[0] + classes[1] == (float)C && fabsf(classes[0] - classes[1]) <= 1 && layer[L - 1] >= (float)C);
        assert_true(learnt[L * H - 1] == (float)(L * H - 1));
        float *const all[] = {tokens, answer, group, classes, layer, learnt};
        for (size_t i = 0; i < sizeof all / sizeof *all; i++)
            free(all[i]);
    }
    int64_t n, found = 0;
    const char *const *const names = ns_study_outputs(s, &n);
    for (int64_t i = 0; i < n; i++)
        for (int o = 0; o < N_OUTPUTS; o++)
            found += strcmp(names[i], outputs[o].name) == 0;
    assert_true(found == N_OUTPUTS && n > N_OUTPUTS);
    check_views(s);
    ns_axes own;
    assert_int_equal(ns_study_axes(s, "by_clas", &own, &err), NS_E_ARG);
    assert_non_null(strstr(err.message, "did you mean by_class?"));
    ns_study_close(s);
    ns_file *f;
    OK(ns_file_open(&f, path, &err));
    OK(ns_file_check_values(f, &err));
    ns_file_close(f);
}

/* ---- the ways there ---- */

static char folder[] = "/tmp/ns-outputs-XXXXXX";

static void path_of(const char *name, char out[128])
{
    snprintf(out, 128, "%s/%s", folder, name);
}

static void remove_all(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
}

static const char *const names[] = {"retrieval"};
static const int64_t lengths[] = {40, 60};

static void test_score_file(void **unused)
{
    (void)unused;
    ns_error err = {0};
    ns_cases cases = {0};
    ns_scores *s = NULL;
    char plant[128], file[128];
    assert_non_null(mkdtemp(folder));
    path_of("model", plant);
    path_of("scores.h5", file);
    OK(ns_plant(plant, &(ns_plant_params){.size = sizeof(ns_plant_params)}, &err));
    loaded m = load(plant, 1, NULL, 0);
    needle_cases(&cases, lengths, 2, 2, 3);
    const ns_score_params params = {.size = sizeof params, .definitions = list, .n_definitions = 1, .probes = names, .n_probes = 1};
    OK(ns_score_run(&s, m.model, &cases, &params, &err));
    const int last = ns_scores_count(s) - 1;
    assert_true(ns_scores_values(s, last)[1] == 1);
    OK(ns_scores_rank(s, NULL, &err));                   /* what fit gave is not resampled */
    ns_head_stats st;
    assert_true(ns_scores_head(s, last, 0, 1, &st) && st.value == 1 && isnan(st.low));
    OK(ns_scores_write(s, file, NULL, &err));
    check_file(file, &cases, 1);
    ns_scores_free(s);
    ns_cases_clear(&cases);
    unload(&m);
    remove_all();
}

static void test_study(void **unused)
{
    (void)unused;
    ns_error err = {0};
    ns_cases cases = {0};
    ns_scan_run run;
    ns_scan_counts counts;
    char plant[128], out[128], study[128];
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    assert_non_null(mkdtemp(folder));
    path_of("run", plant);
    path_of("scan", out);
    path_of("study.h5", study);
    OK(ns_plant_series(plant, &(ns_plant_series_params){.size = sizeof(ns_plant_series_params), .n_checkpoints = 2}, &err));
    needle_cases(&cases, lengths, 2, 1, 3);
    OK(ns_scan_run_open(&run, plant, NULL, &err));
    ns_scan_params p = {.size = sizeof p, .out = out, .cases = &cases,
                        .score = {.size = sizeof p.score, .definitions = list, .n_definitions = 1, .probes = names, .n_probes = 1},
                        .open = {.size = sizeof p.open}};
    OK(ns_engine_new(&p.open.engine, &(ns_engine_params){.size = sizeof(ns_engine_params), .threads = 1}, &err));
    OK(ns_scan(&run, 1, &p, &counts, &err));
    assert_int_equal(counts.scored, 2);
    OK(ns_merge(out, study, NULL, &err));
    check_file(study, &cases, 2);
    ns_engine_free(p.open.engine);
    ns_scan_run_close(&run);
    ns_cases_clear(&cases);
    remove_all();
}

/* ---- folds ---- */

static void test_folds(void **unused)
{
    (void)unused;
    enum { N = 11 };
    ns_error err = {0};
    int32_t tokens[N][2];
    ns_case cases[N] = {0};
    const ns_case *sorted[N];
    char ids[N][16];
    int64_t fold[N], again[N], size[3] = {0};
    ns_probe_context run = {.probe = &everything};
    const ns_fit f = {.size = sizeof f, .run = &run, .cases = sorted, .n = N};
    for (int i = 0; i < N; i++) {
        snprintf(ids[i], sizeof ids[i], "c%02d", i);
        tokens[i][0] = 7;
        tokens[i][1] = i == 9 ? 4 : i;                   /* 9 has the tokens of 4 */
        cases[i] = (ns_case){.id = ids[i], .tokens = tokens[i], .n_tokens = 2, .twin_of = i == 10 ? ids[2] : NULL};
        sorted[i] = &cases[i];
    }
    OK(ns_fit_folds(&f, 3, 5, NULL, fold, &err));
    for (int i = 0; i < 9; i++)
        size[fold[i]]++;
    assert_true(size[0] == 3 && size[1] == 3 && size[2] == 3);
    assert_true(fold[9] == fold[4] && fold[10] == fold[2]);
    for (int i = 0; i < 9; i++)                          /* other names, the other way round */
        snprintf(ids[i], sizeof ids[i], "d%02d", 8 - i);
    for (int i = 0; i < 9; i++)
        sorted[i] = &cases[8 - i];
    sorted[9] = &cases[9], sorted[10] = &cases[10];
    cases[9].id = "e9", cases[10].id = "f0";
    OK(ns_fit_folds(&f, 3, 5, NULL, again, &err));
    for (int i = 0; i < 9; i++)
        assert_int_equal(again[i], fold[8 - i]);
    int64_t stratum[N], of[3][3] = {{0}};                /* every fold gets its part of each stratum */
    for (int i = 0; i < N; i++)
        stratum[i] = (i == 9 ? 4 : i) % 3;
    OK(ns_fit_folds(&f, 3, 5, stratum, fold, &err));
    for (int i = 0; i < 9; i++)
        of[stratum[i]][fold[i]]++;
    for (int i = 0; i < 9; i++)
        assert_int_equal(of[i / 3][i % 3], 1);
    assert_int_equal(ns_fit_folds(&f, 10, 5, NULL, fold, &err), NS_E_ARG);
    assert_non_null(strstr(err.message, "9 different prompts cannot be split into 10 folds"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_score_file), cmocka_unit_test(test_study), cmocka_unit_test(test_folds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
