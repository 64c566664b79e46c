/* test_definitions.c - probes from JSON: our own are what their C rows say; what is wrong is named with the nearest word; stats on rows
 * written by hand. */
#include "../../unit.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/probe.h>

static ns_probe *read_good(const char *json)
{
    ns_probe *probe;
    ns_error err = {0};
    if (ns_probe_from_json(&probe, json, strlen(json), "own.json", &err) != NS_OK)
        fail_msg("%s\n  %s", json, err.message);
    return probe;
}

/* A definition read as a user's gives the probe that is compiled in. */
static void test_own(void **state)
{
    (void)state;
    int n = 0;
    for (const ns_probe *const *own = ns_probes(); *own; own++) {
        if (!(*own)->definition)
            continue;
        ns_probe *const probe = read_good((*own)->definition);
        assert_string_equal(probe->name, (*own)->name);
        assert_int_equal(probe->rows.kind, (*own)->rows.kind);
        assert_int_equal(probe->rows.n, (*own)->rows.n);
        if ((*own)->rows.span)
            assert_string_equal(probe->rows.span, (*own)->rows.span);
        assert_int_equal(probe->accepts, (*own)->accepts);
        assert_int_equal(probe->state_size, (*own)->state_size);
        assert_int_equal(probe->n_outputs, (*own)->n_outputs);
        assert_string_equal(probe->outputs[0].name, (*own)->outputs[0].name);
        assert_string_equal(probe->scores[0].of, (*own)->scores[0].of);
        ns_probe_free(probe);
        n++;
    }
    assert_true(n >= 9);
}

static void expect_refused(const char *json, const char *message)
{
    ns_probe *probe;
    ns_error err = {0};
    assert_int_equal(ns_probe_from_json(&probe, json, strlen(json), "own.json", &err), NS_E_FORMAT);
    assert_null(probe);
    if (!strstr(err.message, message) || !strstr(err.message, "own.json"))
        fail_msg("%s\n  %s\n  not ...%s...", json, err.message, message);
}

static void test_refused(void **state)
{
    (void)state;
    expect_refused("[]", "is an object");
    expect_refused("{\"name\": \"x\", \"rows\": \"all\", \"keys\": [1, 4, 1], \"stat\": \"mass\"}", "\"keys\" names position 1 twice");
    expect_refused("{\"name\": \"x\", \"rows\": [-1, 3, -1], \"keys\": [1], \"stat\": \"mass\"}", "\"rows\" names position -1 twice");
    expect_refused("{\"name\": \"x\", \"rows\": \"all\", \"keys\": [1], \"stat\": \"mass\", \"exclude\": [2, 2]}",
                   "\"exclude\" names position 2 twice");
    expect_refused("{\"name\": \"x\", \"rows\": \"all\", \"keys\": [1, 4], \"stat\": \"mass\", \"exclude\": [4, 1]}",
                   "\"exclude\" leaves none of the \"keys\"");
    expect_refused("{\"name\": \"x\", \"rows\": \"all\", \"keys\": \"needle\"}", "\"stat\" is missing");
    expect_refused("{\"name\": \"x\", \"rows\": \"all\", \"stat\": \"mass\"}", "\"keys\" are missing");
    expect_refused("{\"name\": \"x\", \"keys\": \"needle\", \"stat\": \"mass\"}", "\"rows\" is missing");
    expect_refused("{\"rows\": \"all\", \"keys\": \"needle\", \"stat\": \"mass\"}", "\"name\" is missing");
    expect_refused("{\"name\": \"No\", \"rows\": \"all\", \"keys\": \"needle\", \"stat\": \"mass\"}", "\"name\"");
    expect_refused("{\"name\": \"x\", \"rows\": \"answers\", \"keys\": \"needle\", \"stat\": \"mass\"}", "did you mean answer?");
    expect_refused("{\"name\": \"x\", \"rows\": \"all\", \"keys\": \"needle\", \"stat\": \"argmaxhit\"}", "did you mean argmax_hit?");
    expect_refused("{\"name\": \"x\", \"rows\": \"all\", \"keys\": \"needle\", \"stat\": \"zzzzzzzz\"}", "one of: argmax_hit, mass");
    expect_refused("{\"name\": \"x\", \"rows\": \"all\", \"key\": \"needle\", \"stat\": \"mass\"}", "did you mean keys?");
    expect_refused("{\"name\": \"x\", \"rows\": \"all\", \"keys\": \"algined:needle\", \"stat\": \"mass\"}", "did you mean aligned:SPAN?");
    expect_refused("{\"name\": \"x\", \"rows\": \"all\", \"keys\": \"aligned:needle\", \"stat\": \"mass\"}", "need \"rows\" of the answer");
    expect_refused("{\"name\": \"x\", \"rows\": \"all\", \"keys\": \"offset:1\", \"stat\": \"mass\"}", "not a number from");
    expect_refused("{\"name\": \"x\", \"rows\": \"last:0\", \"keys\": \"needle\", \"stat\": \"mass\"}", "not a number from 1");
    expect_refused("{\"name\": \"x\", \"rows\": \"all\", \"keys\": [-1], \"stat\": \"mass\"}", "not a position");
    expect_refused("{\"name\": \"x\", \"rows\": [1.5], \"keys\": [1], \"stat\": \"mass\"}", "not a position");
    expect_refused("{\"name\": \"x\", \"rows\": \"all\", \"keys\": [1], \"stat\": \"mass\", \"exclude\": [\"speical\"]}",
                   "not a position (or \"special\")");
    expect_refused("{\"name\": \"x\", \"rows\": \"all\", \"keys\": \"needle\", \"stat\": \"entropy\"}", "leave them out");
}

/* ---- values ---- */

enum { T = 8, N_ANSWER = 2, ROWS = T + N_ANSWER - 1 };
static int32_t prompt[T] = {9, 7, 3, 4, 5, 7, 3, 2}, answer[N_ANSWER] = {4, 5};
static ns_span spans[] = {{(char *)"needle", 2, 5}, {(char *)"needle_answer", 3, 5}};
static const ns_case the_case =
    {.id = (char *)"c", .tokens = prompt, .n_tokens = T, .answer = answer, .n_answer = N_ANSWER, .spans = spans, .n_spans = 2};

/* Row q of the only head: weight 1 / 2 on position 0, 1 / 4 on position 3, the rest of 1 / 4 evenly on the others of q >= 4; or minus that,
 * as an unrolled row may be. */
static float sign = 1;
static void one_row(float *row, int64_t q)
{
    for (int64_t k = 0; k <= q; k++)
        row[k] = sign * (k == 0 ? 0.5f : k == 3 ? 0.25f : 0.25f / (float)(q - 1));
}

/* Output 0 (and 1) of a definition over rows [4, ROWS), the window's first key at key0. */
static float value_of(const char *json, int64_t key0, float *second)
{
    static const int32_t special[] = {7};
    ns_probe *const probe = read_good(json);
    const ns_probe_context ctx = {.c = &the_case, .probe = probe, .n_layers = 1, .n_heads = 1, .special = special, .n_special = 1};
    char reason[NS_REASON];
    float first = probe->n_outputs == 2 ? 0 : NAN, events = 0, row[ROWS], *out[2] = {&first, &events};
    void *const state = calloc(1, probe->state_size);
    ns_error err = {0};
    assert_null(probe->rejects(&ctx, reason));
    assert_int_equal(probe->begin(state, &ctx, out, &err), NS_OK);
    for (int64_t q = 4; q < ROWS; q++) {
        one_row(row, q);
        const ns_site site = {.size = sizeof site, .point = NS_POINT_PATTERN, .c = &the_case, .row0 = q, .n_rows = 1, .key0 = key0,
                              .n_keys = q + 1 - key0,
                              .n_heads = 1, .n_kv_heads = 1};
        const ns_view view = {.data = row + key0, .dtype = NS_F32, .rank = 3, .shape = {1, 1, site.n_keys}, .stride = {ROWS, ROWS, 1}};
        assert_int_equal(probe->see(state, &site, &view, &err), NS_OK);
    }
    assert_int_equal(probe->end(state, &err), NS_OK);
    free(state);
    ns_probe_free(probe);
    if (second)
        *second = events;
    return first;
}

/* A prompt of n tokens that come back every `period`, an answer of two. */
static double probe_chance_in(const ns_probe *probe, int64_t n, int64_t period, int64_t window, int64_t *rows)
{
    static int32_t tokens[64];
    static ns_span long_spans[] = {{(char *)"needle", 1, 29}, {(char *)"needle_answer", 2, 4}};
    static const int32_t special[] = {1};
    for (int64_t i = 0; i < n; i++)
        tokens[i] = (int32_t)(i % period);
    const ns_case c = {.id = (char *)"c", .tokens = tokens, .n_tokens = n, .answer = answer, .n_answer = N_ANSWER, .spans = long_spans,
                       .n_spans = 2};
    const ns_probe_context ctx = {.c = &c, .probe = probe, .n_layers = 1, .n_heads = 1, .special = special, .n_special = 1};
    /* a window below 0: chunks of so many */
    const ns_attn attn = {.n_heads = 1, .window = window > 0 ? window : 0, .chunk = window < 0 ? -window : 0};
    double got;
    assert_int_equal(ns_probe_chance(&ctx, &attn, 0, &got, rows, NULL), NS_OK);
    return got;
}

static double probe_chance(const ns_probe *probe, int64_t n, int64_t window)
{
    int64_t rows;
    const double got = probe_chance_in(probe, n, 64, window, &rows);
    assert_true(isnan(got) == (rows == 0));
    return got;
}

static double chance_of(const char *json, int64_t n, int64_t window)
{
    ns_probe *const probe = read_good(json);
    const double got = probe_chance(probe, n, window);
    ns_probe_free(probe);
    return got;
}

#define RULE(rows, keys, stat, more) "{\"name\": \"x\", \"rows\": " rows ", \"keys\": " keys ", \"stat\": \"" stat "\"" more "}"

/* What even attention gives, counted by hand: keys of the set that the row sees / keys that it sees, mean over the rows that are judged. */
static void test_chance(void **state)
{
    (void)state;
    assert_near(probe_chance(ns_probe_find("previous_token"), 40, 2), .5, 1e-12);
    assert_near(probe_chance(ns_probe_find("previous_token"), 4, 0), (1. / 2 + 1. / 3 + 1. / 4) / 3, 1e-12);
    assert_near(probe_chance(ns_probe_find("local_mass"), 64, 0), (32. / 61 + 32. / 62 + 32. / 63 + 32. / 64) / 4, 1e-12);
    assert_near(probe_chance(ns_probe_find("local_mass"), 64, 2), 1, 0);
    assert_near(probe_chance(ns_probe_find("local_mass"), 30, 0), 1, 0);
    assert_near(probe_chance(ns_probe_find("local_mass"), 3, 0), 1, 0);
    assert_near(chance_of(RULE("\"first\"", "\"offset:-3\"", "argmax_hit", ""), 10, 4), .25, 1e-12);
    assert_near(chance_of(RULE("\"first\"", "\"offset:-3\"", "mass", ""), 10, 3), 0, 0);
    assert_near(chance_of(RULE("\"all\"", "\"offset:-3\"", "mass", ""), 5, 0), (1. / 4 + 1. / 5) / 2, 1e-12);
    assert_near(chance_of(RULE("\"answer-1\"", "\"local:4\"", "mean", ""), 9, 0), 1. / 8, 1e-12);
    assert_true(isnan(chance_of(RULE("\"all\"", "\"offset:-1\"", "rank", ""), 9, 0)));
    assert_true(isnan(probe_chance(ns_probe_find("retrieval_find"), 40, 0)) && isnan(probe_chance(ns_probe_find("entropy"), 40, 0)));
}

/* Rows of spans and lists, keys of spans and lists, what is excluded, copies: each counted where it stands. */
static void test_chance_of_places(void **state)
{
    (void)state;
    int64_t rows;
    assert_near(chance_of(RULE("[1, 2]", "\"offset:-1\"", "mass", ""), 40, 0), (1. / 2 + 1. / 3) / 2, 1e-12);
    assert_near(probe_chance(ns_probe_find("previous_at_needle"), 40, 0), (1. / 3 + 1. / 4) / 2, 1e-12);
    assert_near(probe_chance(ns_probe_find("needle_mass"), 40, 0), (28. / 40 + 28. / 41) / 2, 1e-12);
    assert_near(probe_chance(ns_probe_find("needle_mass"), 40, 20), (9. / 20 + 8. / 20) / 2, 1e-12);
    assert_near(probe_chance(ns_probe_find("needle_mass"), 40, 5), 0, 0);
    /* runs of positions: the row that begins one sees itself alone */
    assert_near(probe_chance(ns_probe_find("previous_token"), 9, -4), 2 * (1. / 2 + 1. / 3 + 1. / 4) / 8, 1e-12);
    assert_near(probe_chance(ns_probe_find("needle_mass"), 40, -20), (9. / 20 + 0) / 2, 1e-12);
    assert_near(chance_of(RULE("\"last:4\"", "[0, 1, 2, 50]", "mass", ""), 40, 0), (3. / 37 + 3. / 38 + 3. / 39 + 3. / 40) / 4, 1e-12);
    assert_near(chance_of(RULE("\"first\"", "[3, 4]", "mass", ", \"exclude\": [0, 4]"), 40, 0), 1. / 38, 1e-12);
    assert_near(chance_of(RULE("\"first\"", "[3, 4]", "argmax_hit", ", \"exclude\": [0, \"special\"]"), 40, 0), 2. / 38, 1e-12);
    assert_near(chance_of(RULE("\"answer\"", "\"aligned:needle_answer\"", "argmax_hit", ""), 40, 0), (1. / 40 + 1. / 41) / 2, 1e-12);
    assert_near(probe_chance_in(ns_probe_find("induction"), 6, 3, 0, &rows), (1. / 4 + 1. / 5 + 1. / 6) / 3, 1e-12);
    assert_int_equal(rows, 3);
    assert_true(isnan(probe_chance(ns_probe_find("induction"), 6, 0)));          /* no token comes back: no row */
}

static void test_values(void **state)
{
    (void)state;
    float events;
    assert_near(value_of("{\"name\": \"x\", \"rows\": \"last:4\", \"keys\": [0], \"stat\": \"mass\"}", 0, NULL), 0.5, 1e-7);
    assert_near(value_of("{\"name\": \"x\", \"rows\": \"answer\", \"keys\": \"needle_answer\", \"stat\": \"mass\"}", 0, NULL),
                       0.25 + (0.25 / 6 + 0.25 / 7) / 2, 1e-7);
    /* without position 0 the key 3 holds half of what is left */
    assert_near(value_of("{\"name\": \"x\", \"rows\": \"first\", \"keys\": [3], \"stat\": \"mass\", \"exclude\": [0]}", 0, NULL), 0.5,
                1e-7);
    assert_near(value_of("{\"name\": \"x\", \"rows\": \"first\", \"keys\": \"aligned:needle_answer\", \"stat\": \"argmax_hit\"}", 0,
                         &events),
                0, 0);
    assert_true(events == 1);
    assert_near(
        value_of("{\"name\": \"x\", \"rows\": \"answer\", \"keys\": \"aligned:needle_answer\", \"stat\": \"argmax_hit\", \"exclude\": [0]}",
                 0, &events),
        1, 0);
    assert_true(events == 2);
    assert_near(value_of("{\"name\": \"x\", \"rows\": [-1], \"keys\": [3], \"stat\": \"rank\"}", 0, NULL), 2, 0);
    assert_near(value_of("{\"name\": \"x\", \"rows\": [-1], \"keys\": [3], \"stat\": \"rank\", \"exclude\": [0]}", 0, NULL), 1, 0);
    /* hidden by a window: behind all eight keys, not the six that the window leaves */
    assert_near(value_of("{\"name\": \"x\", \"rows\": [-1], \"keys\": [0], \"stat\": \"rank\"}", 2, NULL), 8, 0);
    sign = -1;                                                 /* nothing above 0: the row looks nowhere; a mass is what it is */
    for (int key = 0; key < 8; key++) {
        char json[100];
        snprintf(json, sizeof json, "{\"name\": \"x\", \"rows\": [-1], \"keys\": [%d], \"stat\": \"argmax_hit\"}", key);
        assert_near(value_of(json, 0, &events), 0, 0);
        assert_true(events == 1);
    }
    assert_true(isnan(value_of("{\"name\": \"x\", \"rows\": [-1], \"keys\": [3], \"stat\": \"rank\"}", 0, NULL)));
    assert_near(value_of("{\"name\": \"x\", \"rows\": \"last:4\", \"keys\": [0], \"stat\": \"mass\"}", 0, NULL), -0.5, 1e-7);
    sign = 1;
    for (int key = 1; key < 8; key++) {                        /* equals by position: 1, 2, 4 to 7 hold 1/24 each, behind 0 and 3 */
        char json[100];
        snprintf(json, sizeof json, "{\"name\": \"x\", \"rows\": [-1], \"keys\": [%d], \"stat\": \"rank\"}", key);
        assert_near(value_of(json, 0, NULL), key == 3 ? 2 : key < 3 ? key + 2 : key + 1, 0);
    }
    assert_near(value_of("{\"name\": \"x\", \"rows\": [5, 6], \"keys\": \"after_same_token\", \"stat\": \"mass\"}", 0, NULL),
                       /* row 5 -> key 2, row 6 -> key 3 */
                       (0.25 / 4 + 0.25) / 2, 1e-7);
    assert_near(value_of("{\"name\": \"x\", \"rows\": [5, 6, 7], \"keys\": \"same_token\", \"stat\": \"mean\"}", 0, NULL),
                (0.25 / 4 + 0.25 / 5) / 2, 1e-7);
    assert_near(value_of("{\"name\": \"x\", \"rows\": [7], \"stat\": \"entropy\"}", 0, NULL),
                       0.5 * log(2) + 0.25 * log(4) + 0.25 * log(24), 1e-6);
    assert_near(value_of("{\"name\": \"x\", \"rows\": [7], \"stat\": \"entropy_norm\", \"exclude\": [0, \"special\"]}", 0, NULL),
                       /* key 3: 1/4, the four others 1/24 each, of 5/12 */
                       (6.0 / 10 * log(10.0 / 6) + 4.0 / 10 * log(10)) / log(8), 1e-6);
}

static void test_rejected(void **state)
{
    (void)state;
    char reason[NS_REASON];
    ns_probe *const probe = read_good("{\"name\": \"x\", \"rows\": \"answer\", \"keys\": \"needel\", \"stat\": \"mass\"}");
    const ns_probe_context ctx = {.c = &the_case, .probe = probe, .n_layers = 1, .n_heads = 1};
    assert_string_equal(probe->rejects(&ctx, reason), "no needel span (did you mean needle?)");
    ns_probe_free(probe);
}

/* A name that is cut is cut between characters: "a" and 23 of two bytes each. */
static void test_cut_name(void **state)
{
    (void)state;
    char reason[NS_REASON], name[64] = "a", json[256];
    for (int i = 0; i < 23; i++)
        strcat(name, "\xc3\xa9");
    snprintf(json, sizeof json, "{\"name\": \"x\", \"rows\": \"answer\", \"keys\": \"%s\", \"stat\": \"mass\"}", name);
    ns_probe *const probe = read_good(json);
    const ns_probe_context ctx = {.c = &the_case, .probe = probe, .n_layers = 1, .n_heads = 1};
    const char *const why = probe->rejects(&ctx, reason);
    assert_true(strncmp(why, "no ", 3) == 0 && strlen(name) > 40);
    assert_int_equal(strlen(why), strlen("no  span") + 39);      /* of 40 bytes the last is half a character */
    assert_memory_equal(why + 3, name, 39);
    ns_probe_free(probe);
}

/* ---- names ---- */

static const char *schema;

/* A name of the schema, NAME in it being x, at *text between back quotes; false at the end of the line. */
static bool next_name(const char **text, char out[64])
{
    size_t n = 0;
    const char *const end = strchr(*text, '|');
    const char *at = strchr(*text, '`');
    if (!at || (end && end < at))
        return false;
    for (at++; *at && *at != '`' && n < 60; at++)
        out[n++] = strncmp(at, "NAME", 4) == 0 ? (at += 3, 'x') : *at;
    out[n] = '\0';
    *text = *at ? at + 1 : at;
    return true;
}

/* Every name in the first column of a table of score files, studies and root attributes. */
static void test_names(void **state)
{
    (void)state;
    char line[4096], name[64], json[200];
    bool within = false;
    int n = 0;
    FILE *const f = fopen(schema, "r");
    assert_non_null(f);
    while (fgets(line, sizeof line, f)) {
        if (line[0] == '#')
            within = strstr(line, "Root attributes") || strstr(line, "Score files") || strstr(line, "Studies");
        for (const char *at = line + 1; within && line[0] == '|' && next_name(&at, name); n++) {
            if (ns_probe_find(name) || name[0] < 'a' || strlen(name) < 2)       /* a score, Conventions, x */
                continue;
            snprintf(json, sizeof json, "{\"name\": \"%s\", \"rows\": \"all\", \"keys\": [0], \"stat\": \"mass\"}", name);
            expect_refused(json, "which score files give to something else");
        }
    }
    fclose(f);
    assert_in_range(n, 60, 200);
    expect_refused("{\"name\": \"id\", \"rows\": \"all\", \"keys\": [0], \"stat\": \"mass\"}", "'id'");      /* case_id */
    ns_probe_free(read_good("{\"name\": \"ids\", \"rows\": \"all\", \"keys\": [0], \"stat\": \"mass\"}"));
}

int main(int argc, char **argv)
{
    schema = argc > 1 ? argv[1] : "";
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_own), cmocka_unit_test(test_refused), cmocka_unit_test(test_values),
                                       cmocka_unit_test(test_chance), cmocka_unit_test(test_chance_of_places),
                                       cmocka_unit_test(test_rejected), cmocka_unit_test(test_cut_name), cmocka_unit_test(test_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
