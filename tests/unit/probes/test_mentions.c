/* test_mentions.c - a needle that is mentioned one to four times: every score counts the same mentions, and the placebos are as many. */
#include "../../unit.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/probe.h>

enum { T = 80, STEP = 10, MOST = 4, ANSWER = 3 };

typedef struct made { ns_case c; int32_t tokens[T], answer[ANSWER]; ns_span spans[3 * MOST]; char names[3 * MOST][24]; } made;

static void add_span(made *m, const char *name, int number, int64_t begin, int64_t end)
{
    char *const to = m->names[m->c.n_spans];
    snprintf(to, sizeof m->names[0], number < 0 ? "%s" : "%s.%d", name, number);
    m->spans[m->c.n_spans++] = (ns_span){to, begin, end};
}

/* Mention k stands at 10 k: key, three tokens of value; its placebo five behind. The first one has no number. */
static void make(made *m, int mentions)
{
    memset(m, 0, sizeof *m);
    m->c = (ns_case){.id = (char *)"c", .tokens = m->tokens, .n_tokens = T, .answer = m->answer, .n_answer = ANSWER, .spans = m->spans};
    for (int i = 0; i < T; i++)
        m->tokens[i] = 1000 + i;
    for (int i = 0; i < ANSWER; i++)
        m->answer[i] = 5 + i;
    for (int k = 0; k < mentions; k++) {
        const int64_t at = k * STEP;
        for (int i = 0; i < ANSWER; i++)
            m->tokens[at + 1 + i] = 5 + i;
        add_span(m, "needle", k - 1, at, at + 1 + ANSWER);
        add_span(m, "needle_answer", k - 1, at + 1, at + 1 + ANSWER);
        add_span(m, "placebo", k - 1, at + 5, at + 5 + ANSWER);
    }
}

/* What head 0 of a model of one head gives in the case: at the row that says answer token j it has .96 on the token's places in all
 * mentions (.03 on those of the placebos), and it favours the last mention by a hair. */
static double value(const ns_probe *probe, const made *m, int mentions, const char *name)
{
    static float pattern[T + ANSWER];
    float *outputs[32];
    double out = (double)NAN;
    void *const state = calloc(1, probe->state_size);
    const ns_probe_context ctx = {.c = &m->c, .probe = probe, .n_layers = 1, .n_heads = 1};
    for (int o = 0; o < probe->n_outputs; o++) {
        outputs[o] = calloc(ANSWER, sizeof(float));
        outputs[o][0] = probe->outputs[o].dtype == NS_F32 ? NAN : 0;
    }
    assert_int_equal(probe->begin(state, &ctx, outputs, NULL), NS_OK);
    for (int j = 0; j < ANSWER; j++) {
        memset(pattern, 0, sizeof pattern);
        for (int k = 0; k < mentions; k++) {
            pattern[k * STEP + 1 + j] = (float)(.96 / mentions + (k == mentions - 1 ? 1e-6 : -1e-6 / (mentions - 1)));
            pattern[k * STEP + 5 + j] = (float)(.03 / mentions);
        }
        const ns_site site = {.size = sizeof site, .point = NS_POINT_PATTERN, .c = &m->c, .row0 = T - 1 + j, .n_rows = 1, .n_keys = T + j,
                              .n_heads = 1, .n_kv_heads = 1};
        const ns_view view = {.data = pattern, .dtype = NS_F32, .rank = 3, .shape = {1, 1, T + j}, .stride = {T, T, 1}};
        assert_int_equal(probe->see(state, &site, &view, NULL), NS_OK);
        if (probe->token)
            assert_true(probe->token(state, T + j, m->answer[j], NULL) >= 0);
    }
    if (probe->end)
        assert_int_equal(probe->end(state, NULL), NS_OK);
    for (int o = 0; o < probe->n_outputs; o++) {
        out = strcmp(probe->outputs[o].name, name) == 0 ? (double)outputs[o][0] : out;
        free(outputs[o]);
    }
    free(state);
    return out;
}

static void test_same_mentions(void **state)
{
    (void)state;
    static const struct { const char *probe, *output; double want; } table[] = {
        {"retrieval", "find_hits", 1}, {"retrieval", "copy_hits", 3}, {"retrieval", "find_placebo_hits", 0},
        {"retrieval", "find_placebo_events", 1},
        {"mass", "case_mass_first", .96}, {"mass", "case_mass_first_placebo", .03}, {"mass", "case_mass_first_nosink", .96 / .99},
        {"needle_mass", "case_needle_mass", .96},
        {"wu", "case_wu", 1},
    };
    for (int mentions = 1; mentions <= MOST; mentions++) {
        made m;
        make(&m, mentions);
        for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
            const double got = value(ns_probe_find(table[i].probe), &m, mentions, table[i].output);
            if (!(fabs(got - table[i].want) < 1e-5))
                fail_msg("%s of a needle mentioned %d times is %.4f, not %.4f", table[i].output, mentions, got, table[i].want);
        }
        /* Uniform attention has (tokens of all mentions) / (row + 1): lift 1. */
        assert_near(value(ns_probe_find("mass"), &m, mentions, "case_mass_first_lift"), .96 * T / (ANSWER * mentions), 1e-3);
    }
}

/* Fewer placebos than mentions, more, longer or shorter ones: they do not say what chance is, and count for nothing. */
static void test_placebos(void **state)
{
    (void)state;
    for (int way = 0; way < 4; way++) {
        made m;
        make(&m, 2);
        ns_span *const last = &m.spans[m.c.n_spans - 1];
        m.c.n_spans -= way == 0;
        if (way == 1)
            add_span(&m, "placebo", 1, 25, 25 + ANSWER);
        last->end += way == 2 ? 1 : way == 3 ? -1 : 0;
        assert_near(value(ns_probe_find("retrieval"), &m, 2, "find_placebo_events"), 0, 0);
        assert_near(value(ns_probe_find("retrieval"), &m, 2, "find_hits"), 1, 0);
        assert_true(isnan(value(ns_probe_find("mass"), &m, 2, "case_mass_first_placebo")));
    }
}

static double own(const made *m, int mentions, const char *json, const char *output)
{
    ns_probe *probe;
    ns_error err = {0};
    if (ns_probe_from_json(&probe, json, strlen(json), "own", &err))
        fail_msg("%s", err.message);
    const double got = value(probe, m, mentions, output);
    ns_probe_free(probe);
    return got;
}

/* A definition of one's own, too. */
static void test_own(void **state)
{
    (void)state;
    made m;
    make(&m, 3);
    assert_near(own(&m, 3, "{\"name\": \"own\", \"rows\": \"first\", \"keys\": \"needle_answer\", \"stat\": \"mass\"}", "case_own"), .96,
                1e-5);
    assert_near(own(&m, 3, "{\"name\": \"own\", \"rows\": \"answer\", \"keys\": \"aligned:needle_answer\", \"stat\": \"argmax_hit\"}",
                    "own_hits"),
                3, 0);
    assert_near(own(&m, 3, "{\"name\": \"own\", \"rows\": \"first\", \"keys\": \"needle_answer\", \"stat\": \"rank\"}", "case_own"), 1, 0);
}

/* With all it looks at left out a row looks nowhere: no hit, no rank, though all keys are equal there. */
static void test_nowhere(void **state)
{
    (void)state;
    made m;
    make(&m, 1);
    assert_near(own(&m, 1, "{\"name\": \"own\", \"rows\": \"first\", \"keys\": [70], \"stat\": \"argmax_hit\", \"exclude\": [1, 5]}",
                    "own_hits"),
                0, 0);
    assert_true(
        isnan(own(&m, 1, "{\"name\": \"own\", \"rows\": \"first\", \"keys\": [70], \"stat\": \"rank\", \"exclude\": [1, 5]}", "case_own")));
    assert_near(own(&m, 1, "{\"name\": \"own\", \"rows\": \"first\", \"keys\": [70], \"stat\": \"rank\", \"exclude\": [1]}", "case_own"),
                T - 1, 0);
    /* The first key of all that are 0 is not what it looks at. */
    assert_near(own(&m, 1, "{\"name\": \"own\", \"rows\": \"first\", \"keys\": [0], \"stat\": \"argmax_hit\", \"exclude\": [1, 5]}",
                    "own_hits"),
                0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_mentions), cmocka_unit_test(test_placebos), cmocka_unit_test(test_own),
                                       cmocka_unit_test(test_nowhere)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
