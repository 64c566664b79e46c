/* test_summary.c - the summary says what the results say: directions for each seed, censored births as ">" and never averaged, refuted
 * claims as refuted, runs that were not measured as such. */
#include "../../unit.h"
#include <stdlib.h>
#include <string.h>

#include "lab/page.h"

typedef struct lab {
    ns_error   err;
    laboratory lab;
    ns_laboratory_params params;
} lab;

/* The committed protocol, size default: 6 runs a seed, 3 seeds, or so many. */
static void plan_seeds(lab *l, int64_t seeds)
{
    *l = (lab){.params = {.size = sizeof l->params, .folder = ".", .seeds = seeds}};
    assert_int_equal(ns_laboratory_plan(&l->lab, &l->params, &l->err), NS_OK);
    assert_int_equal(l->lab.n_runs, 6 * l->lab.seeds);
}

static void plan(lab *l)
{
    plan_seeds(l, 0);
    assert_int_equal(l->lab.seeds, 3);
}

static lab_result *result(lab *l, const char *name)
{
    for (int64_t i = 0; i < l->lab.n_runs; i++)
        if (strcmp(l->lab.runs[i].name, name) == 0)
            return &l->lab.results[i];
    fail_msg("no run %s", name);
    return NULL;
}

static ns_event event(const lab *l, int64_t born)
{
    const double limit = (double)(l->lab.steps - 2 * l->lab.every);       /* the last one that could be confirmed */
    return born < 0 ? (ns_event){limit, INFINITY, -1, -1, 0} : (ns_event){(double)(born - 20), (double)born, born, 0, 0};
}

/* born < 0: not up to the horizon. */
static void measure(lab *l, const char *name, int64_t born)
{
    *result(l, name) = (lab_result){.measured = true,
                                    .find = event(l, born),
                                    .previous = event(l, born < 0 ? born : born - 20),
                                    .low = (double)NAN,
                                    .high = (double)NAN,
                                    .null_p = born < 0 ? (double)NAN : .001,
                                    .solved = event(l, born < 0 ? born : born + 20),
                                    .accuracy = {1, .5, .4},
                                    .swap = 1,
                                    .loss_filler = 2.4};
    for (int i = 0; i < NS_SWEEP; i++)
        result(l, name)->sweep[i] = event(l, born < 0 || i < 2 ? born : born + 20);
}

static void measure_all(lab *l)
{
    static const struct { const char *name; int64_t born; } births[] = {
        {"SSFS-W4", 120}, {"SSFS-W16", 240}, {"SSFS-W32", 400}, {"FFFF", 420}, {"sSFS-W32", 140}, {"SSFS-W4-nope", 100},
    };
    for (size_t i = 0; i < sizeof births / sizeof *births; i++) {
        for (int seed = 100; seed < 100 + l->lab.seeds; seed++) {
            char name[40];
            snprintf(name, sizeof name, "%s-s%d", births[i].name, seed);
            measure(l, name, births[i].born);
            if (strstr(name, "nope"))
                result(l, name)->accuracy[2] = .95;
        }
    }
}

static void summarise(lab *l, cJSON **json, char **text)
{
    assert_int_equal(ns_laboratory_summarise(&l->lab, json, text, &l->err), NS_OK);
    char *const printed = ns_json_print(*json, true);          /* our own reader takes it: no key stands twice */
    cJSON *again = NULL;
    assert_non_null(printed);
    if (ns_json_parse(&again, printed, strlen(printed), 16, "summary.json", &l->err) != NS_OK)
        fail_msg("%s", l->err.message);
    cJSON_Delete(again);
    free(printed);
}

static const char *verdict(const cJSON *json, const char *claim)
{
    const cJSON *const object = cJSON_GetObjectItem(cJSON_GetObjectItem(json, "claims"), claim);
    assert_non_null(object);
    return cJSON_GetStringValue(cJSON_GetObjectItem(object, "verdict"));
}

static void done(lab *l, cJSON *json, char *text)
{
    cJSON_Delete(json);
    free(text);
    ns_laboratory_clear(&l->lab);
}

#define FEW "in all 3 seeds; too few for a p below 0.05"

static void test_all_agree(void **state)
{
    (void)state;
    lab l;
    cJSON *json;
    char *text;
    plan(&l);
    measure_all(&l);
    summarise(&l, &json, &text);
    assert_string_equal(verdict(json, "P2"), "holds");
    assert_string_equal(verdict(json, "Cause"), FEW);        /* three seeds of a sign test: 1/8 at least */
    assert_string_equal(verdict(json, "P3"), FEW);
    assert_string_equal(verdict(json, "P4"), FEW);
    assert_string_equal(verdict(json, "P1"), "not run");
    assert_non_null(strstr(text, "retrieval      W=16 before W=32: 3 of 3 seeds, p = 0.12\n"));
    assert_null(strstr(text, "not measured"));
    assert_non_null(strstr(text, "retrieval      trend over all windows: p = 0.0046 (Page's L, exact, 3 seeds as blocks), 0.00"));
    assert_non_null(strstr(text, "\n  SSFS-W4              120     120     140\n"));
    assert_non_null(strstr(text, "In the 18 runs with a birth"));
    assert_null(cJSON_GetObjectItem(cJSON_GetObjectItem(json, "claims"), "P5"));       /* not in this size, so not claimed */
    done(&l, json, text);
}

/* With five seeds a sign test can say 1/32, and what all of them show holds; with one it is said to be one. */
static void test_seeds_decide(void **state)
{
    (void)state;
    static const char *const claims[] = {"P2", "Cause", "P3", "P4"};
    for (int64_t seeds = 1; seeds <= 5; seeds += 4) {
        lab l;
        cJSON *json;
        char *text;
        plan_seeds(&l, seeds);
        measure_all(&l);
        summarise(&l, &json, &text);
        for (size_t i = 0; i < sizeof claims / sizeof *claims; i++)
            assert_string_equal(verdict(json, claims[i]), seeds == 5 ? "holds" : "in the one seed; too few for a p below 0.05");
        done(&l, json, text);
    }
}

/* ---- the protocol decides ---- */

/* The committed protocol with one text in place of another, as a file. */
static void plan_with(lab *l, const char *scale, const char *from, const char *to)
{
    char *const text = ns_laboratory_protocol(NULL), *const at = strstr(text, from);
    assert_non_null(at);
    char *const changed = ns_printf_alloc("%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    ns_error err = {0};
    assert_int_equal(ns_file_write("test_summary_protocol.json", changed, strlen(changed), &err), NS_OK);
    *l = (lab){.params = {.size = sizeof l->params, .folder = ".", .scale = scale, .protocol = "test_summary_protocol.json"}};
    if (ns_laboratory_plan(&l->lab, &l->params, &l->err) != NS_OK)
        fail_msg("%s", l->err.message);
    remove("test_summary_protocol.json");
    free(changed);
    free(text);
}

/* Results in which every number that a threshold is compared with lies a little on the good side of it. */
static void measure_near(lab *l)
{
    for (int64_t i = 0; i < l->lab.n_runs; i++) {
        const lab_run *const run = &l->lab.runs[i];
        const bool lazy = ns_starts(run->arm, "competition"), nope = strcmp(run->arm, "nope") == 0;
        measure(l, run->name, lazy ? -1 : 100 + 20 * run->window);
        lab_result *const r = &l->lab.results[i];
        r->in_window = .95;
        r->accuracy[0] = .95;
        r->accuracy[2] = nope ? .95 * .95 : .4;
        r->ablated = strcmp(run->arm, "swa") == 0;
        r->intact = 1;
        r->knocked = .4;
        r->n_others = 20;
        r->others_weight = (double)NAN;
        for (int k = 0; k < 20; k++)
            r->others[k] = .92;
    }
}

static void test_thresholds(void **state)
{
    (void)state;
    static const struct { const char *claim, *from, *to; bool changes; } cases[] = {
        {"P1", "\"edges_cut_below\": 0.5", "\"edges_cut_below\": 0.45", false},
        {"P1", "\"edges_cut_below\": 0.5", "\"edges_cut_below\": 0.35", true},
        {"P1", "\"other_edges_cut_from\": 0.9", "\"other_edges_cut_from\": 0.91", false},
        {"P1", "\"other_edges_cut_from\": 0.9", "\"other_edges_cut_from\": 0.93", true},
        {"Competition", "above\": 0.9", "above\": 0.94", false},
        {"Competition", "above\": 0.9", "above\": 0.96", true},
        {"P3", "\"P3\": {\"accuracy_from\": 0.9", "\"P3\": {\"accuracy_from\": 0.94", false},
        {"P3", "\"P3\": {\"accuracy_from\": 0.9", "\"P3\": {\"accuracy_from\": 0.96", true},
        {"P4", "\"kept_from\": 0.9", "\"kept_from\": 0.94", false},
        {"P4", "\"kept_from\": 0.9", "\"kept_from\": 0.96", true},
        {"P2", "\"alpha\": 0.05", "\"alpha\": 0.01", false},
        {"P2", "\"alpha\": 0.05", "\"alpha\": 1e-12", true},
        {"P3", "\"alpha\": 0.05", "\"alpha\": 0.04", false},
        {"P3", "\"alpha\": 0.05", "\"alpha\": 0.03", true}, /* 1/32 */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lab l;
        cJSON *json;
        char *text;
        plan_with(&l, "full", cases[i].from, cases[i].to);
        measure_near(&l);
        summarise(&l, &json, &text);
        if ((strcmp(verdict(json, cases[i].claim), "holds") != 0) != cases[i].changes)
            fail_msg("%s with %s: %s", cases[i].claim, cases[i].to, verdict(json, cases[i].claim));
        done(&l, json, text);
    }
}

static void test_printed_thresholds(void **state)
{
    (void)state;
    static const struct { const char *from, *to, *shows; } cases[] = {
        {"[0.3, 0.5, 0.7]", "[0.2, 0.5, 0.9]", "with a threshold of 0.2, 0.5, 0.9"},
        {"\"theta\": 0.5", "\"theta\": 0.6", "95 % of the median at 0.6"},
        {"\"swap\": {\"accuracy_from\": 0.9", "\"swap\": {\"accuracy_from\": 0.8", "needle accuracy 0.8 and more"},
        {"\"kept_from\": 0.9", "\"kept_from\": 0.7", "keeps 0.7 of its accuracy"},
        {"\"alpha\": 0.05", "\"alpha\": 0.01", "p <= 0.01"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lab l;
        cJSON *json;
        char *text;
        plan_with(&l, "full", cases[i].from, cases[i].to);
        measure_near(&l);
        summarise(&l, &json, &text);
        if (!strstr(text, cases[i].shows))
            fail_msg("no '%s' in %s", cases[i].shows, text);
        if (i == 0)
            assert_non_null(cJSON_GetObjectItem(cJSON_GetObjectItem(json, "runs")->child, "retrieval_theta_0.2"));
        done(&l, json, text);
    }
}

/* Jobs that failed are counted, those of recurrent arms as others. */
static void test_failures(void **state)
{
    (void)state;
    lab l;
    cJSON *json;
    char *text;
    plan_with(&l, "full", "laziness", "laziness");
    measure_near(&l);
    l.lab.failures = 2;
    for (int64_t i = 0; i < l.lab.n_runs; i++)
        if (strcmp(l.lab.runs[i].arm, "recurrent") == 0)
            l.lab.results[i].measured = false;
    summarise(&l, &json, &text);
    assert_string_equal(verdict(json, "P5"), "not measured");
    assert_non_null(strstr(text, "2 jobs failed"));
    assert_non_null(strstr(text, "not measured: GGFG-s104"));
    assert_true(cJSON_GetObjectItem(json, "failures")->valuedouble == 2);
    done(&l, json, text);
}

/* As early, as late, and neither born, which says nothing. */
static void test_recurrent(void **state)
{
    (void)state;
    static const struct {
        int64_t mixer, window;
        const char *words;
    } cases[] = {{100, 100, "undecided: all births at the same step"}, {80, 100, "holds"}, {-1, -1, "undecided"},
                 {120, 100, "does not hold"}, {-1, 100, "does not hold"}, {100, -1, "holds"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        lab l;
        cJSON *json;
        char *text;
        plan_with(&l, "full", "laziness", "laziness");
        for (int64_t k = 0; k < l.lab.n_runs; k++)
            measure(&l, l.lab.runs[k].name, strcmp(l.lab.runs[k].arm, "recurrent") == 0 ? cases[i].mixer : cases[i].window);
        summarise(&l, &json, &text);
        assert_string_equal(verdict(json, "P5"), cases[i].words);
        const cJSON *const claim = cJSON_GetObjectItem(cJSON_GetObjectItem(json, "claims"), "P5");
        assert_true(cJSON_GetObjectItem(claim, "seeds_together")->valuedouble == (i == 0 ? 5 : 0));
        assert_true(cJSON_GetObjectItem(claim, "seeds_for")->valuedouble == (strcmp(cases[i].words, "holds") == 0 ? 5 : 0));
        done(&l, json, text);
    }
}

static void measure_mixers(lab *l, int64_t seeds, bool alike)
{
    static const struct { const char *name; int64_t born; } births[] = {
        {"FFFF", 500}, {"SFSF-W4", 100}, {"SFSF-W16", 200}, {"SFSF-W32", 300},
        {"GFGF", 600}, {"MFMF", 120},    {"DFDF", 80},      {"dFdF", 100},
    };
    *l = (lab){.params = {.size = sizeof l->params, .folder = ".", .seeds = seeds, .study = "mixers"}};
    assert_int_equal(ns_laboratory_plan(&l->lab, &l->params, &l->err), NS_OK);
    assert_int_equal(l->lab.n_runs, 8 * seeds);
    for (size_t i = 0; i < sizeof births / sizeof *births; i++)
        for (int64_t s = 0; s < seeds; s++) {
            char name[40];
            snprintf(name, sizeof name, "%s-s%d", births[i].name, (int)(100 + s));
            measure(l, name, alike ? 100 : births[i].born);
        }
}

static void mixers_say(lab *l, const char *whether, const char *when, const char *plain)
{
    cJSON *json;
    char *text;
    summarise(l, &json, &text);
    assert_string_equal(verdict(json, "Whether"), whether);
    assert_string_equal(verdict(json, "When"), when);
    assert_string_equal(verdict(json, "P5 gated_deltanet_plain"), plain);
    assert_null(cJSON_GetObjectItem(cJSON_GetObjectItem(json, "claims"), "P4"));
    assert_string_equal(cJSON_GetStringValue(cJSON_GetObjectItem(json, "schema")), "needlescope.mixers/1");
    done(l, json, text);
}

static void test_mixers(void **state)
{
    (void)state;
    static const char together[] = "undecided: all births at the same step";
    lab l;
    measure_mixers(&l, 3, false);
    mixers_say(&l, FEW, "holds", together);
    measure_mixers(&l, 1, false);
    mixers_say(&l, "in the one seed; too few for a p below 0.05", "one seed has all arms: nothing to hold it against", together);
    measure_mixers(&l, 5, true);
    mixers_say(&l, "holds", "not shown: 5 seeds differ as much", together);
    measure_mixers(&l, 5, false);
    for (int s = 0; s < 5; s++)
        measure(&l, (const char *const[]){"GFGF-s100", "GFGF-s101", "GFGF-s102", "GFGF-s103", "GFGF-s104"}[s], -1);
    result(&l, "dFdF-s101")->find = event(&l, 80);
    mixers_say(&l, "does not hold", "holds", "in the 1 of 5 seeds that decide, but p = 0.5");
    l = (lab){.params = {.size = sizeof l.params, .study = "mixer"}};
    assert_int_equal(ns_laboratory_plan(&l.lab, &l.params, &l.err), NS_E_ARG);
    assert_non_null(strstr(l.err.message, "did you mean 'mixers'"));
}

/* One seed the other way round is said, and the claim does not hold in every seed. */
static void test_one_seed_reversed(void **state)
{
    (void)state;
    lab l;
    cJSON *json;
    char *text;
    plan(&l);
    measure_all(&l);
    measure(&l, "SSFS-W16-s101", 100);
    summarise(&l, &json, &text);
    assert_string_equal(verdict(json, "P2"), "mixed; not for every pair in every seed, but over all windows p = 0.032");      /* L = 41 */
    assert_non_null(strstr(text, "W=4 before W=16: 2 of 3 seeds (reversed 1, undecided 0)"));
    done(&l, json, text);
}

/* The controls refute the cause: FFFF is early, and a short first window does not help. */
static void test_refuted(void **state)
{
    (void)state;
    lab l;
    cJSON *json;
    char *text;
    plan(&l);
    measure_all(&l);
    for (int seed = 100; seed < 103; seed++) {
        char name[40];
        snprintf(name, sizeof name, "FFFF-s%d", seed);
        measure(&l, name, 60);
        snprintf(name, sizeof name, "sSFS-W32-s%d", seed);
        measure(&l, name, -1);
        snprintf(name, sizeof name, "SSFS-W4-nope-s%d", seed);
        measure(&l, name, 100);            /* no better than its twin at length 4 x */
    }
    summarise(&l, &json, &text);
    assert_string_equal(verdict(json, "Cause"), "does not hold");
    assert_string_equal(verdict(json, "P4"), "mixed");
    assert_non_null(strstr(text, "SSFS W=4 before FFFF (no window at all): 0 of 3 seeds (reversed 3, undecided 0)"));
    done(&l, json, text);
}

/* Two censored births are undecided, one is later; a median that falls on one is a bound. */
static void test_censored(void **state)
{
    (void)state;
    lab l;
    cJSON *json;
    char *text;
    plan(&l);
    measure_all(&l);
    measure(&l, "SSFS-W32-s100", -1);
    measure(&l, "SSFS-W32-s101", -1);
    measure(&l, "SSFS-W16-s101", -1);
    summarise(&l, &json, &text);
    assert_string_equal(verdict(json, "P2"), "holds where births differ");
    assert_non_null(strstr(text, "W=16 before W=32: 2 of 3 seeds (reversed 0, undecided 1)"));
    char row[160], bound[24];
    snprintf(bound, sizeof bound, ">%lld", (long long)(l.lab.steps - 2 * l.lab.every));
    snprintf(row, sizeof row, "SSFS-W32         %6s  1 of 3: %5s %5s   400 ", bound, bound, bound);
    assert_non_null(strstr(text, row));
    const cJSON *const runs = cJSON_GetObjectItem(json, "runs");
    int censored = 0;
    for (const cJSON *run = runs->child; run; run = run->next)
        censored += cJSON_IsTrue(cJSON_GetObjectItem(cJSON_GetObjectItem(run, "retrieval"), "censored"));
    assert_int_equal(censored, 3);
    done(&l, json, text);
}

static void test_not_measured(void **state)
{
    (void)state;
    lab l;
    cJSON *json;
    char *text;
    plan(&l);
    summarise(&l, &json, &text);
    assert_string_equal(verdict(json, "P2"), "not run");
    assert_string_equal(verdict(json, "P3"), "not run");
    assert_non_null(strstr(text, "not measured: FFFF-s102 (log/FFFF-s102.log)"));
    done(&l, json, text);
}

static void test_heads(void **state)
{
    (void)state;
    lab l;
    cJSON *json;
    char *text;
    plan(&l);
    measure_all(&l);
    for (int w = 0; w < 2; w++) {
        lab_result *const r = result(&l, w ? "SSFS-W16-s100" : "SSFS-W4-s100");
        *r = (lab_result){.measured = true, .ablated = true, .find = r->find, .previous = r->previous, .n_heads = 4, .whole_layer = w == 1,
                              .intact = 1, .knocked = .1, .silenced = .05, .others = {1, w ? .3 : .95}, .n_others = 2, .others_weight = .25,
                              .low = (double)NAN, .high = (double)NAN, .draws = {.9, .05, 1}, .hits_previous = {[1] = true},
                              .n_draws = 3, .match = {.n = 3, .n_matched = 1, .n_draws = 3, .n_distinct = 2, .ratio_min = .25,
                                                      .ratio_median = .5, .ratio_max = 1}};
    }
    summarise(&l, &json, &text);
    /* In W16 other edges matter as well. */
    assert_string_equal(verdict(json, "P1"), "mixed against lighter edges (0.25 of the needle's weight); none as heavy could be drawn");
    assert_non_null(strstr(text, "in every draw: 1 of 2 runs"));
    assert_non_null(strstr(text, "SSFS-W16-s100       4 heads (a whole layer)"));
    assert_non_null(strstr(text, "draws: other heads, 1 of 3 within a factor 1.5, no head of like norm exists for the rest: norms 0.25 to "
                                 "1 of theirs (median 0.5)"));
    assert_non_null(strstr(text, "other edges cut (0.25 of their weight) "));
    assert_non_null(strstr(text, "(rank among the draws of lighter edges, summed over seeds, exact; "));
    assert_non_null(strstr(text, "\n      0.90 0.05* 1.00\n"));
    done(&l, json, text);
}

static ns_grid_trend trend(lab *l)
{
    page p = {.lab = &l->lab};
    return ns_page_window_trend(&p, ns_birth_find);
}

/* Page's table for 3 treatments and 3 blocks: L = 42 is significant at .01, 41 at .05, 40 is not. */
static void test_trend(void **state)
{
    (void)state;
    static const int64_t windows[] = {4, 16, 32};
    lab l;
    plan(&l);
    measure_all(&l);
    assert_near(trend(&l).page, 1.0 / 216, 1e-12);
    assert_near(trend(&l).least, 1.0 / 216, 1e-12);
    assert_int_equal(trend(&l).n_seeds, 3);
    const double logrank = trend(&l).logrank;
    assert_true(logrank > 1e-4 && logrank < .01);         /* 1 of 216 permutations */
    measure(&l, "SSFS-W16-s100", 500);                    /* 1 3 2: L = 41 */
    assert_near(trend(&l).page, 7.0 / 216, 1e-12);
    measure(&l, "SSFS-W16-s101", 500);                    /* L = 40 */
    assert_near(trend(&l).page, 19.0 / 216, 1e-12);
    result(&l, "SSFS-W4-s102")->measured = false;         /* a seed that lacks a window is no block */
    assert_int_equal(trend(&l).n_seeds, 2);
    for (int seed = 100; seed < 103; seed++) {
        for (int k = 0; k < 3; k++) {
            char name[40];
            snprintf(name, sizeof name, "SSFS-W%lld-s%d", (long long)windows[k], seed);
            measure(&l, name, -1);
        }
    }
    assert_near(trend(&l).page, 1, 1e-12);         /* all censored: nothing can be said */
    assert_true(isnan(trend(&l).logrank));
    ns_laboratory_clear(&l.lab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_agree),          cmocka_unit_test(test_seeds_decide), cmocka_unit_test(test_thresholds),
        cmocka_unit_test(test_printed_thresholds), cmocka_unit_test(test_failures),     cmocka_unit_test(test_recurrent),
        cmocka_unit_test(test_one_seed_reversed),  cmocka_unit_test(test_refuted),      cmocka_unit_test(test_censored),
        cmocka_unit_test(test_not_measured),       cmocka_unit_test(test_heads),        cmocka_unit_test(test_trend),
        cmocka_unit_test(test_mixers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
