/* test_bounds.c - values of shards and score files outside of what they can be: merge and the reader of studies refuse them, naming file,
 * dataset and value; what is at an end, negative where a difference may be, NaN, or of a recurrent layer is read. */
#include "../../unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <needlescope/plot.h>
#include <needlescope/scan.h>
#include <needlescope/study.h>
#include <needlescope/training.h>

enum { C = 2, L = 2, H = 1 };
static char folder[] = "/tmp/ns-bounds-XXXXXX", shard[96], study_path[64];

/* What a shard says; each test plants its value. */
typedef struct contents {
    uint8_t answered[C], hits[C * L * H], events[C * L * H];
    float share[L * H], chance[L * H], difference[L * H], unbounded[L * H];
    const char *kinds[L];
    float found[L * H], low[L * H], high[L * H];         /* retrieval_find and its intervals */
    double depth[C];
    int64_t right[C], answer[C];
    const char *step, *window, *first;                   /* of the run's coordinates, and the first case's id */
    const char *more;                                    /* another dataset of numbers, over these axes: "case" or "layer" */
    bool        no_depth;
} contents;
static const contents sound = {{0, 1}, {0, 1, 1, 0}, {1, 1, 1, 1}, {0, 1.0000001f}, {.5f, NAN}, {-1, NAN}, {-7, 85}, {"full", "swa"},
                               {.5f, 1}, {.5f, NAN}, {.75f, NAN}, {0, NAN}, {3, 0}, {3, 1}, "1", "4", "a"};

static void put(ns_table_writer *t, const char *name, const char *axes, const void *data, ns_dtype dtype, int rank, const int64_t *shape)
{
    const ns_view view = ns_view_of((void *)data, dtype, rank, shape);
    assert_int_equal(ns_table_array(t, name, axes, &view, NULL, NULL), NS_OK);
}

static void put_score(ns_table_writer *t, const char *name, const float *values, double lo, double hi)
{
    const ns_score_meaning meaning = {.lo = lo, .hi = hi, .chance = (double)NAN};
    put(t, name, "layer head", values, NS_F32, 2, (int64_t[]){L, H});
    assert_int_equal(ns_table_meaning(t, name, &meaning, NULL), NS_OK);
}

static void write_shard(const contents *c)
{
    const ns_fact facts[] = {{"kind", "scores", false}, {"run", "run", false}, {"step", c->step, false}, {"tokens", "1", false},
                             {"cases_sha256", "x", false}, {"scan_cases_sha256", "x", false}, {"scan_probes", "x", false},
                             {"probes", "x", false}, {"kernel_class", "x", false}, {"checkpoint", "1", false},
                             {"run.seed", "0", false}, {"run.window", c->window, false}};
    const int n_facts = (int)(sizeof facts / sizeof *facts) - !c->window;
    static const uint8_t valid[L * H] = {1, 1};
    static const int64_t window[L * H] = {0, 0};
    const char *const ids[C] = {c->first, "b"};
    const int64_t heads[] = {L, H}, cells[] = {C, L, H}, cases[] = {C};
    ns_table_writer *t;
    assert_int_equal(ns_table_create(&t, shard, facts, n_facts, NULL), NS_OK);
    assert_int_equal(ns_table_count(t, "case", C, NULL), NS_OK);
    assert_int_equal(ns_table_count(t, "layer", L, NULL), NS_OK);
    assert_int_equal(ns_table_count(t, "head", H, NULL), NS_OK);
    assert_int_equal(ns_table_strings(t, "case_id", "case", ids, C, NULL), NS_OK);
    assert_int_equal(ns_table_strings(t, "layer_kind", "layer", c->kinds, L, NULL), NS_OK);
    put(t, "window", "layer head", window, NS_I64, 2, heads);
    put(t, "head_valid", "layer head", valid, NS_U8, 2, heads);
    put(t, "answered", "case", c->answered, NS_U8, 1, cases);
    put(t, "find_hits", "case layer head", c->hits, NS_U8, 3, cells);
    put(t, "find_events", "case layer head", c->events, NS_U8, 3, cells);
    if (!c->no_depth)
        put(t, "depth", "case", c->depth, NS_F64, 1, cases);
    if (c->more)
        put(t, "more", c->more, c->depth, NS_F64, 1, strcmp(c->more, "case") ? (int64_t[]){L} : cases);
    put(t, "content_right", "case", c->right, NS_I64, 1, cases);
    put(t, "n_answer", "case", c->answer, NS_I64, 1, cases);
    put_score(t, "retrieval_find", c->found, 0, 1);
    assert_int_equal(ns_table_count(t, "score", 1, NULL), NS_OK);
    assert_int_equal(ns_table_strings(t, "score_name", "score", (const char *const[]){"retrieval_find"}, 1, NULL), NS_OK);
    put(t, "score_low", "score layer head", c->low, NS_F32, 3, (int64_t[]){1, L, H});
    put(t, "score_high", "score layer head", c->high, NS_F32, 3, (int64_t[]){1, L, H});
    put_score(t, "share", c->share, 0, 1);
    put(t, "share_chance", "layer head", c->chance, NS_F32, 2, heads);
    put_score(t, "difference", c->difference, -1, 1);
    put_score(t, "unbounded", c->unbounded, -INFINITY, INFINITY);
    assert_int_equal(ns_table_commit(t, NULL), NS_OK);
}

/* All that the reader of studies reads of it. */
static int read_all(const char *path, ns_error *err)
{
    static const char *const scores[] = {"share", "difference", "unbounded", "retrieval_find"};
    ns_study *s;
    const float *values;
    float cases[C], cells[C * L * H];
    int rc = ns_study_open(&s, path, err);
    assert_int_equal(rc, NS_OK);
    for (int i = 0; i < 4 && rc == NS_OK; i++)
        rc = ns_study_score(s, scores[i], &values, err);
    rc = rc != NS_OK ? rc : ns_study_chance(s, "share", &values, err);
    rc = rc != NS_OK ? rc : ns_study_case_series(s, "answered", 0, 0, cases, err);
    rc = rc != NS_OK ? rc : ns_study_case_series(s, "content_right", 0, 0, cases, err);
    rc = rc != NS_OK ? rc : ns_study_case_numbers(s, "depth", cases, err);
    rc = rc != NS_OK ? rc : ns_study_ranked(s, "score_low", "retrieval_find", &values, err);
    rc = rc != NS_OK ? rc : ns_study_ranked(s, "score_high", "retrieval_find", &values, err);
    rc = rc != NS_OK ? rc : ns_study_counts(s, "find_hits", 0, 0, cells, err);
    ns_study_close(s);
    return rc;
}

/* As Python's read() does. */
static int check_whole(const char *path, ns_error *err)
{
    ns_file *f;
    int rc = ns_file_open(&f, path, err);
    assert_int_equal(rc, NS_OK);
    rc = ns_file_check_values(f, err);
    ns_file_close(f);
    return rc;
}

static void expect_read(const contents *c)
{
    ns_error err = {""};
    write_shard(c);
    if (read_all(shard, &err) != NS_OK || check_whole(shard, &err) != NS_OK || ns_merge(folder, study_path, NULL, &err) != NS_OK ||
        read_all(study_path, &err) != NS_OK || check_whole(study_path, &err) != NS_OK)
        fail_msg("%s", err.message);
}

static void expect_said(const ns_error *err, int rc, const char *says)
{
    if (rc != NS_E_FORMAT || !strstr(err->message, says) || !strstr(err->message, shard))
        fail_msg("code %d, '%s', not '%s'", rc, err->message, says);
}

static void expect_refused(const contents *c, bool merged, const char *says)
{
    ns_error read = {""}, merge = {""}, whole = {""};
    write_shard(c);
    expect_said(&read, read_all(shard, &read), says);
    expect_said(&whole, check_whole(shard, &whole), says);
    const int rc = ns_merge(folder, study_path, NULL, &merge);
    if (!merged)
        expect_said(&merge, rc, says);
}

/* A file of an ablation, or of a patching, whose third condition says so. */
static void write_intervention(const char *kind, const char *dataset, float value)
{
    enum { N = 3 };
    static const char *const kinds[N] = {"none", "target", "control"}, *const modes[N] = {"none", "zero_z", "zero_z"};
    static const char *const names[] = {"first_accuracy", "rest_accuracy", "margin_mean", "loss", "set_recovery", "set_flipped",
                                        "answered_share", "hidden_share", "matched", "layer_matched", "flipped", "control_caliper"};
    const ns_fact facts[] = {{"kind", kind, false}};
    ns_table_writer *t;
    unlink(shard);                                       /* another kind of file replaces none */
    assert_int_equal(ns_table_create(&t, shard, facts, 1, NULL), NS_OK);
    assert_int_equal(ns_table_count(t, "condition", N, NULL), NS_OK);
    assert_int_equal(ns_table_strings(t, "kind", "condition", kinds, N, NULL), NS_OK);
    assert_int_equal(ns_table_strings(t, "mode", "condition", modes, N, NULL), NS_OK);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const float values[N] = {1, .5f, strcmp(names[i], dataset) == 0 ? value : .25f};
        put(t, names[i], "condition", values, NS_F32, 1, (int64_t[]){N});
    }
    assert_int_equal(ns_table_commit(t, NULL), NS_OK);
}

static int draw(const char *kind, const char *dataset, float value, ns_error *err)
{
    char picture[96];
    write_intervention(kind, dataset, value);
    snprintf(picture, sizeof picture, "%s/drawn.png", folder);
    const int rc = ns_plot_ablation(picture, (const char *const[]){shard}, 1, NULL, NULL, err);
    unlink(picture);
    return rc;
}

static void test_interventions(void **state)
{
    (void)state;
    static const struct { const char *kind, *dataset; float bad, good; } shares[] = {
        {"ablation", "first_accuracy", 7, 1},   {"ablation", "first_accuracy", -3, 0}, {"ablation", "rest_accuracy", 7, NAN},
        {"ablation", "loss", -1e30f, 1e30f},    {"patching", "set_flipped", 1.5f, 1},  {"ablation", "margin_mean", INFINITY, -7},
        {"patching", "set_recovery", -INFINITY, -7},
    };
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        ns_error err = {""};
        char says[64];
        if (draw(shares[i].kind, shares[i].dataset, shares[i].good, &err) != NS_OK)
            fail_msg("%s", err.message);
        snprintf(says, sizeof says, "dataset '%s' holds %.9g (value 2)", shares[i].dataset, (double)shares[i].bad);
        expect_said(&err, draw(shares[i].kind, shares[i].dataset, shares[i].bad, &err), says);
        expect_said(&err, check_whole(shard, &err), says);
    }
    unlink(shard);
}

/* What no figure draws is held all the same. */
static void test_whole_interventions(void **state)
{
    (void)state;
    static const struct { const char *kind, *dataset; float bad, good; } shares[] = {
        {"ablation", "answered_share", 1.5f, 1},      {"ablation", "hidden_share", 1.5f, NAN}, {"ablation", "matched", 2, NAN},
        {"patching", "layer_matched", -1, NAN},       {"patching", "flipped", 1.25f, 0},       {"ablation", "loss", -1, -1e-6f},
        {"patching", "control_caliper", -1, INFINITY},
    };
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) {
        ns_error err = {""};
        char says[64];
        write_intervention(shares[i].kind, shares[i].dataset, shares[i].good);
        if (check_whole(shard, &err) != NS_OK)
            fail_msg("%s", err.message);
        write_intervention(shares[i].kind, shares[i].dataset, shares[i].bad);
        snprintf(says, sizeof says, "dataset '%s' holds %.9g (value 2)", shares[i].dataset, (double)shares[i].bad);
        expect_said(&err, check_whole(shard, &err), says);
    }
    unlink(shard);
}

/* As numpy and h5py write numbers by default. */
static void test_types(void **state)
{
    (void)state;
    static const double wide[L * H] = {.5, 1};
    static const int32_t whole[L * H] = {0, 1};
    static const struct { const char *name; const void *values; ns_dtype dtype; const char *says; } others[] = {
        {"wide", wide, NS_F64, "score 'wide' is float64, where float32 is expected"},
        {"whole", whole, NS_I32, "score 'whole' is int32, where float32 is expected"},
        {"z_norm_chance", wide, NS_F64, NULL},           /* no score */
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        const ns_fact kind = {"kind", "scores", false};
        ns_table_writer *t;
        ns_study *s;
        ns_error err = {""};
        assert_int_equal(ns_table_create(&t, shard, &kind, 1, NULL), NS_OK);
        assert_int_equal(ns_table_count(t, "case", C, NULL), NS_OK);
        assert_int_equal(ns_table_count(t, "layer", L, NULL), NS_OK);
        assert_int_equal(ns_table_count(t, "head", H, NULL), NS_OK);
        assert_int_equal(ns_table_strings(t, "layer_kind", "layer", sound.kinds, L, NULL), NS_OK);
        put(t, "window", "layer head", (int64_t[L * H]){0}, NS_I64, 2, (int64_t[]){L, H});
        put(t, "head_valid", "layer head", (uint8_t[L * H]){1, 1}, NS_U8, 2, (int64_t[]){L, H});
        put_score(t, "share", sound.share, 0, 1);
        put(t, others[i].name, "layer head", others[i].values, others[i].dtype, 2, (int64_t[]){L, H});
        assert_int_equal(ns_table_commit(t, NULL), NS_OK);
        const int rc = ns_study_open(&s, shard, &err);
        ns_study_close(s);
        if (others[i].says)
            expect_said(&err, rc, others[i].says);
        else
            assert_int_equal(rc, NS_OK);
    }
}

static void test_read(void **state)
{
    (void)state;
    expect_read(&sound);
    contents c = sound;
    c.share[0] = NAN;
    c.difference[0] = 1;
    expect_read(&c);
    c = sound;
    c.kinds[0] = "recurrent";                            /* signed weights that do not sum to 1 */
    c.share[0] = -3;
    expect_read(&c);
    c = sound;
    c.low[0] = .50001f;                                  /* a mean's last digits */
    expect_read(&c);
}

static void test_refused(void **state)
{
    (void)state;
    contents c = sound;
    c.answered[1] = 255;
    expect_refused(&c, false, "dataset 'answered' holds 255 (value 1), where 0 to 1 can be");
    c = sound;
    c.hits[2] = 2;
    expect_refused(&c, false, "dataset 'find_hits' holds 2 (value 2), of 1 in 'find_events'");
    c = sound;
    c.kinds[0] = "recurrent";
    c.hits[3] = 2;
    expect_refused(&c, false, "dataset 'find_hits' holds 2 (value 3), of 1 in 'find_events'");
    c = sound;
    c.kinds[0] = "recurrent";                            /* a head of the other layer, and a share of hits */
    c.share[1] = 1.5f;
    expect_refused(&c, false, "dataset 'share' holds 1.5 (value 1)");
    c = sound;
    c.kinds[0] = "recurrent";
    c.found[0] = -.25f;
    expect_refused(&c, false, "dataset 'retrieval_find' holds -0.25 (value 0)");
    c = sound;
    c.depth[0] = 1.5;
    expect_refused(&c, false, "dataset 'depth' holds 1.5 (value 0), where 0 to 1 can be");
    c = sound;
    c.right[1] = 2;
    expect_refused(&c, false, "dataset 'content_right' holds 2 (value 1), of 1 in 'n_answer'");
    c = sound;
    c.share[1] = 1.5f;
    expect_refused(&c, false, "dataset 'share' holds 1.5 (value 1)");
    c.share[1] = -.5f;
    expect_refused(&c, false, "dataset 'share' holds -0.5 (value 1)");
    c = sound;
    c.difference[0] = -1.5f;
    expect_refused(&c, false, "dataset 'difference' holds -1.5 (value 0)");
    c = sound;
    c.unbounded[0] = INFINITY;
    expect_refused(&c, false, "dataset 'unbounded' holds inf (value 0)");
    c = sound;
    c.chance[0] = 85;
    expect_refused(&c, true, "dataset 'share_chance' holds 85 (value 0)");
}

/* A score without a number is one of which nothing was counted: in no case has the head an event. */
static void test_undefined(void **state)
{
    (void)state;
    contents c = sound;
    c.found[0] = c.low[0] = c.high[0] = NAN;
    expect_refused(&c, false, "dataset 'retrieval_find' holds nan of head 0.0 (value 0), though 'find_events' counts 2 cases for it");
    c.events[0] = 0;
    expect_refused(&c, false, "though 'find_events' counts 1 case for it");
    c.events[2] = c.hits[2] = 0;
    expect_read(&c);
}

/* Shards of the same run and cases say the same of them. */
static void expect_apart(const contents *c, const char *says)
{
    char first[sizeof shard], second[sizeof shard];
    ns_error err = {""};
    write_shard(&sound);
    strcpy(first, shard);
    strcpy(second, shard);
    second[strlen(second) - strlen("1.h5")] = '2';
    strcpy(shard, second);
    write_shard(c);
    const int rc = ns_merge(folder, study_path, NULL, &err);
    unlink(second);
    strcpy(shard, first);
    if (says ? rc != NS_E_FORMAT || !strstr(err.message, says) || !strstr(err.message, second) || !strstr(err.message, first) : rc != NS_OK)
        fail_msg("code %d, '%s', not '%s'", rc, err.message, says ? says : "");
}

static void test_shards_of_one_run(void **state)
{
    (void)state;
    contents c = sound;
    c.step = "2";
    c.found[0] = .25f;                                   /* what was measured may differ */
    c.low[0] = .25f;
    c.answered[0] = 1;
    expect_apart(&c, NULL);
    c.depth[0] = .5;
    expect_apart(&c, "dataset 'depth' says something else of the same cases than");
    c = sound;
    c.step = "2";
    c.answer[0] = 4;
    expect_apart(&c, "dataset 'n_answer' says something else of the same cases than");
    c = sound;
    c.step = "2";
    c.first = "c";
    expect_apart(&c, "dataset 'case_id' says something else of the same cases than");
    c = sound;
    c.step = "2";
    c.more = "layer";
    expect_apart(&c, NULL);
    c.more = "case";
    expect_apart(&c, "dataset 'more' says more of the same cases than");
    c.more = NULL;
    c.no_depth = true;
    expect_apart(&c, "has no dataset 'depth', which");
    c = sound;
    c.step = "2";
    c.window = "8";
    expect_apart(&c, "says of run 'run' window=8, and");
    c.window = NULL;
    expect_apart(&c, "says of run 'run' nothing, and");
}

/* Intervals of a ranking are shown by tables and figures; a merge leaves them out. */
static void test_intervals(void **state)
{
    (void)state;
    contents c = sound;
    c.low[0] = .8f;
    expect_refused(&c, true, "dataset 'score_low' holds an interval of 0.8 to 0.75 about 0.5 ('retrieval_find' of head 0.0)");
    c = sound;
    c.high[0] = .4f;
    c.low[0] = .3f;
    expect_refused(&c, true, "an interval of 0.3 to 0.4 about 0.5");
    c = sound;
    c.low[0] = .6f;
    expect_refused(&c, true, "an interval of 0.6 to 0.75 about 0.5");
    c = sound;
    c.low[1] = .5f;
    expect_refused(&c, true, "an interval of 0.5 to nan about 1 ('retrieval_find' of head 1.0)");
}

/* ---- a study, and metrics on their way into one ---- */

enum { P = 3 };

/* What merge says of metrics beside the sound shard; NULL: it takes them. */
static void expect_metrics(const int64_t steps[2], const char *name, float value, const char *says)
{
    static const ns_fact facts[] = {{"kind", "metrics", false}};
    const float values[2] = {.5f, value};
    const ns_view at = ns_view_of((void *)steps, NS_I64, 1, (int64_t[]){2});
    char path[128];
    ns_table_writer *t;
    ns_error err = {""};
    snprintf(path, sizeof path, "%s/shards/run/metrics.h5", folder);
    assert_int_equal(ns_table_create(&t, path, facts, 1, NULL), NS_OK);
    assert_int_equal(ns_table_axis(t, "step", &at, NULL), NS_OK);
    put(t, name, "step", values, NS_F32, 1, (int64_t[]){2});
    assert_int_equal(ns_table_commit(t, NULL), NS_OK);
    const int rc = ns_merge(folder, study_path, NULL, &err);
    if (says ? rc != NS_E_FORMAT || !strstr(err.message, says) || !strstr(err.message, path) : rc != NS_OK)
        fail_msg("code %d, '%s', not '%s'", rc, err.message, says ? says : "");
    if (!says) {
        ns_study *s;
        assert_int_equal(ns_study_open(&s, study_path, &err), NS_OK);
        assert_int_equal(ns_study_passed_over(s), 0);        /* they are no stray file among the shards */
        ns_study_close(s);
    }
    unlink(path);
}

static void test_metrics(void **state)
{
    (void)state;
    static const int64_t up[2] = {0, 1}, twice[2] = {1, 1};
    write_shard(&sound);
    expect_metrics(up, "loss", -7, NULL);                /* of a trainer's own kind */
    expect_metrics(up, "lr", NAN, NULL);
    expect_metrics(up, "recall_in_window", 1, NULL);
    expect_metrics(up, "lr", INFINITY, "dataset 'lr' holds inf (value 1)");
    expect_metrics(up, "recall_in_window", 7, "dataset 'recall_in_window' holds 7 (value 1)");
    expect_metrics(up, "recall_beyond_window", -1, "dataset 'recall_beyond_window' holds -1 (value 1)");
    expect_metrics(twice, "lr", 1, "dataset 'step' holds 1 behind 1");
}

static void write_study(const int64_t tokens[P], double window, int64_t head_window)
{
    static const ns_fact facts[] = {{"kind", "study", false}};
    static const int64_t steps[P] = {1, 2, 3};
    static const uint8_t status[P] = {1, 1, 1}, valid[L * H] = {1, 1};
    const int64_t windows[L * H] = {0, head_window};
    const ns_view at = ns_view_of((void *)steps, NS_I64, 1, (int64_t[]){P});
    ns_table_writer *t;
    assert_int_equal(ns_table_create(&t, study_path, facts, 1, NULL), NS_OK);
    assert_int_equal(ns_table_count(t, "run", 1, NULL), NS_OK);
    assert_int_equal(ns_table_axis(t, "step", &at, NULL), NS_OK);
    assert_int_equal(ns_table_count(t, "case", C, NULL), NS_OK);
    assert_int_equal(ns_table_count(t, "layer", L, NULL), NS_OK);
    assert_int_equal(ns_table_count(t, "head", H, NULL), NS_OK);
    assert_int_equal(ns_table_strings(t, "run_name", "run", (const char *const[]){"a"}, 1, NULL), NS_OK);
    assert_int_equal(ns_table_strings(t, "layer_kind", "run layer", sound.kinds, L, NULL), NS_OK);
    put(t, "tokens", "run step", tokens, NS_I64, 2, (int64_t[]){1, P});
    put(t, "status", "run step", status, NS_U8, 2, (int64_t[]){1, P});
    put(t, "head_window", "run layer head", windows, NS_I64, 3, (int64_t[]){1, L, H});
    put(t, "head_valid", "run layer head", valid, NS_U8, 3, (int64_t[]){1, L, H});
    put(t, "window", "run", &window, NS_F64, 1, (int64_t[]){1});
    assert_int_equal(ns_table_commit(t, NULL), NS_OK);
}

static void expect_study(const int64_t tokens[P], double window, int64_t head_window, const char *says)
{
    ns_study *s;
    ns_error err = {""};
    write_study(tokens, window, head_window);
    const int rc = ns_study_open(&s, study_path, &err);
    ns_study_close(s);
    assert_int_equal(check_whole(study_path, NULL), rc);
    if (!says && rc != NS_OK)
        fail_msg("%s", err.message);
    if (says && (rc != NS_E_FORMAT || !strstr(err.message, says) || !strstr(err.message, study_path)))
        fail_msg("code %d, '%s', not '%s'", rc, err.message, says);
}

/* An error of what a file lacks has its name, though those who find it do not know it. */
static void test_names(void **state)
{
    (void)state;
    static const int64_t up[P] = {10, 20, 30};
    ns_study *s;
    ns_emergence *e;
    ns_error err = {""};
    write_study(up, 4, 4);
    assert_int_equal(ns_study_open(&s, study_path, &err), NS_OK);
    for (int i = 0; i < 2; i++) {                        /* of no score; of a threshold that is none */
        const ns_emergence_params how = {.size = sizeof how, .birth = {.size = sizeof how.birth, .theta = i ? 2 : 0}};
        assert_int_equal(ns_emergence_run(&e, s, &how, &err), NS_E_ARG);
        assert_non_null(strstr(err.message, study_path));
    }
    ns_study_close(s);
    contents c = sound;
    c.share[0] = c.share[1] = NAN;
    write_shard(&c);
    const char *const files[] = {shard}, *const scores[] = {"share", "difference"};
    ns_heads_plot plot = {.size = sizeof plot, .files = files, .n_files = 1, .scores = scores, .n_scores = 1};
    for (; plot.n_scores <= 2; plot.n_scores++) {
        assert_int_equal(ns_plot_heads("/tmp/ns-bounds-none.svg", &plot, NULL, NULL, &err), NS_E_ARG);
        if (!strstr(err.message, shard) || !strstr(err.message, "has no number"))
            fail_msg("%s", err.message);
    }
}

static void test_studies(void **state)
{
    (void)state;
    static const int64_t up[P] = {10, 20, 30}, rounded[P] = {10, 10, 30}, unknown[P] = {10, -1, 30}, down[P] = {10, 30, 20},
                         hidden[P] = {10, -1, 9};
    expect_study(up, 4, 4, NULL);
    expect_study(rounded, NAN, 0, NULL);
    expect_study(unknown, 0, 0, NULL);
    expect_study(down, 4, 4, "dataset 'tokens': 20 at step 3 of run 'a', behind 30: they never become fewer");
    expect_study(hidden, 4, 4, "dataset 'tokens': 9 at step 3 of run 'a', behind 10");
    expect_study(up, -4, 4, "dataset 'window' holds -4 (value 0)");
    expect_study(up, 4, -4, "dataset 'head_window' holds -4 (value 1)");
}

static bool ends(const char *text, const char *suffix)
{
    const size_t n = strlen(text), m = strlen(suffix);
    return n >= m && strcmp(text + n - m, suffix) == 0;
}

/* What the reader holds hits to is what the probes divide them by. */
static void test_probes(void **state)
{
    (void)state;
    int n = 0;
    for (const ns_probe *const *p = ns_probes(); *p; p++)
        for (int i = 0; i < (*p)->n_scores; i++) {
            const ns_score *const s = &(*p)->scores[i];
            const char *const hits[] = {s->of, s->chance_of, s->distractor_of}, *const of[] = {s->over, s->chance_over, s->over};
            for (int k = 0; k < 3; k++) {
                if (!hits[k] || !of[k] || !ends(hits[k], "_hits"))      /* selectivity_bos and its like divide attention by attention */
                    continue;
                assert_non_null(ns_hits_of(hits[k]));
                assert_string_equal(ns_hits_of(hits[k]), of[k]);
                n++;
            }
        }
    assert_int_equal(n, 13);
}

/* Scores whose range holds in recurrent layers: those that count hits, and those that look at no case's rows. */
static void test_any_rows(void **state)
{
    (void)state;
    int n = 0;
    for (const ns_probe *const *p = ns_probes(); *p; p++)
        for (int i = 0; i < (*p)->n_scores; i++) {
            const ns_score *const s = &(*p)->scores[i];
            const bool events = s->over && ends(s->over, "_events"), differs = ends(s->name, "_selectivity") && s->hi <= 1;
            const bool counts = events || differs || strncmp(s->name, "retrieval_wu", 12) == 0, weights = !(*p)->at;
            char of[NS_CHANCE_NAME];
            if ((*p)->at && (events || !s->over))
                assert_string_equal(ns_score_counted_of(s->name, of), s->over ? s->over : s->of);
            if (ns_score_of_any_rows(s->name) != (counts || weights))
                fail_msg("%s: %d", s->name, ns_score_of_any_rows(s->name));
            n += counts || weights;
        }
    assert_int_equal(n, 16);
}

static int begin(void **state)
{
    (void)state;
    char path[64];
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/shards", folder);
    mkdir(path, 0700);
    snprintf(path, sizeof path, "%s/shards/run", folder);
    mkdir(path, 0700);
    snprintf(shard, sizeof shard, "%s/step000001.h5", path);
    snprintf(study_path, sizeof study_path, "%s/study.h5", folder);
    return 0;
}

static int end(void **state)
{
    (void)state;
    char path[64];
    unlink(shard);
    unlink(study_path);
    snprintf(path, sizeof path, "%s/shards/run", folder);
    rmdir(path);
    snprintf(path, sizeof path, "%s/shards", folder);
    rmdir(path);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_read), cmocka_unit_test(test_refused), cmocka_unit_test(test_intervals),
                                       cmocka_unit_test(test_undefined), cmocka_unit_test(test_shards_of_one_run),
                                       cmocka_unit_test(test_metrics),
                                       cmocka_unit_test(test_studies), cmocka_unit_test(test_names),
                                       cmocka_unit_test(test_probes), cmocka_unit_test(test_any_rows),
                                       cmocka_unit_test(test_types), cmocka_unit_test(test_interventions),
                                       cmocka_unit_test(test_whole_interventions)};
    return cmocka_run_group_tests(tests, begin, end);
}
