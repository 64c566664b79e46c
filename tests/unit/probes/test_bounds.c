/* test_bounds.c - values of shards and score files outside of what they can be: merge and the reader of studies refuse them, naming file,
 * dataset and value; what is at an end, negative where a difference may be, NaN, or of a recurrent layer is read. */
#include "../../unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <needlescope/scan.h>
#include <needlescope/study.h>

enum { C = 2, L = 2, H = 1 };
static char folder[] = "/tmp/ns-bounds-XXXXXX", shard[96], study_path[64];

/* What a shard says; each test plants its value. */
typedef struct contents {
    uint8_t answered[C], hits[C * L * H], events[C * L * H];
    float share[L * H], chance[L * H], difference[L * H], unbounded[L * H];
    const char *kinds[L];
} contents;
static const contents sound = {{0, 1}, {0, 1, 1, 0}, {1, 1, 1, 1}, {0, 1.0000001f}, {.5f, NAN}, {-1, NAN}, {-7, 85}, {"full", "swa"}};

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
    static const ns_fact facts[] = {{"kind", "scores", false}, {"run", "run", false}, {"step", "1", false}, {"tokens", "1", false},
                                    {"cases_sha256", "x", false}, {"scan_cases_sha256", "x", false}, {"scan_probes", "x", false},
                                    {"probes", "x", false}, {"kernel_class", "x", false}, {"checkpoint", "1", false}};
    static const uint8_t valid[L * H] = {1, 1};
    static const int64_t window[L * H] = {0, 0};
    static const char *const ids[C] = {"a", "b"};
    const int64_t heads[] = {L, H}, cells[] = {C, L, H}, cases[] = {C};
    ns_table_writer *t;
    assert_int_equal(ns_table_create(&t, shard, facts, sizeof facts / sizeof *facts, NULL), NS_OK);
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
    put_score(t, "share", c->share, 0, 1);
    put(t, "share_chance", "layer head", c->chance, NS_F32, 2, heads);
    put_score(t, "difference", c->difference, -1, 1);
    put_score(t, "unbounded", c->unbounded, -INFINITY, INFINITY);
    assert_int_equal(ns_table_commit(t, NULL), NS_OK);
}

/* All that the reader of studies reads of it. */
static int read_all(const char *path, ns_error *err)
{
    static const char *const scores[] = {"share", "difference", "unbounded"};
    ns_study *s;
    const float *values;
    float cases[C], cells[C * L * H];
    int rc = ns_study_open(&s, path, err);
    assert_int_equal(rc, NS_OK);
    for (int i = 0; i < 3 && rc == NS_OK; i++)
        rc = ns_study_score(s, scores[i], &values, err);
    rc = rc != NS_OK ? rc : ns_study_chance(s, "share", &values, err);
    rc = rc != NS_OK ? rc : ns_study_case_series(s, "answered", 0, 0, cases, err);
    rc = rc != NS_OK ? rc : ns_study_counts(s, "find_hits", 0, 0, cells, err);
    ns_study_close(s);
    return rc;
}

static void expect_read(const contents *c)
{
    ns_error err = {""};
    write_shard(c);
    if (read_all(shard, &err) != NS_OK || ns_merge(folder, study_path, NULL, &err) != NS_OK || read_all(study_path, &err) != NS_OK)
        fail_msg("%s", err.message);
}

static void expect_said(const ns_error *err, int rc, const char *says)
{
    if (rc != NS_E_FORMAT || !strstr(err->message, says) || !strstr(err->message, shard))
        fail_msg("code %d, '%s', not '%s'", rc, err->message, says);
}

static void expect_refused(const contents *c, bool merged, const char *says)
{
    ns_error read = {""}, merge = {""};
    write_shard(c);
    expect_said(&read, read_all(shard, &read), says);
    const int rc = ns_merge(folder, study_path, NULL, &merge);
    if (!merged)
        expect_said(&merge, rc, says);
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
                if (!hits[k] || !of[k])
                    continue;
                assert_non_null(ns_hits_of(hits[k]));
                assert_string_equal(ns_hits_of(hits[k]), of[k]);
                n++;
            }
        }
    assert_int_equal(n, 13);
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_read), cmocka_unit_test(test_refused), cmocka_unit_test(test_probes)};
    return cmocka_run_group_tests(tests, begin, end);
}
