/* test_patch.c - patching on heads that are known: nothing changes nothing, everything is the source to the last bit, the planted heads
 * carry the answer and their matched others do not; directions mirror each other; threads and whole runs give the same bits; what cannot
 * be patched is refused, and what an attribution cannot be held against, before any pass. */
#include "harness.h"

#include <needlescope/attribute.h>
#include <needlescope/patch.h>

#include "../../unit.h"

static char folder[] = "/tmp/ns-patch-XXXXXX";
static const ns_head heads[] = {{3, 1}, {4, 6}};

static void twins(ns_cases *cases, int64_t length)
{
    static const double depths[] = {0, 0.4, 1};
    ns_error err = {0};
    const ns_needle_params p = {.size = sizeof p, .lengths = &length, .n_lengths = 1, .depths = depths, .n_depths = 3, .count = 2,
                                .seed = 3, .vocab = 512,
                                .twins = NS_TWIN_SWAP};
    OK(ns_needle_cases(cases, &p, &err));
}

static ns_patching *run(int threads, const ns_patch_params *params)
{
    ns_error err = {0};
    ns_cases cases = {0};
    ns_patching *p = NULL;
    loaded m = load(folder, threads, NULL, 0);
    twins(&cases, 60);
    OK(ns_patch(&p, m.model, &cases, params, &err));
    ns_cases_clear(&cases);
    unload(&m);
    return p;
}

static const ns_patch_condition *of_head(const ns_patching *p, int64_t layer, int64_t head)
{
    for (int k = p->n - p->n_map; k < p->n; k++)
        if (p->list[k].heads[0].layer == layer && p->list[k].heads[0].head == head)
            return &p->list[k];
    fail_msg("%lld.%lld is not in the map", (long long)layer, (long long)head);
    return NULL;
}

static void planted_heads_carry(void **state)
{
    (void)state;
    ns_patching *const p = run(2, &(ns_patch_params){.size = sizeof(ns_patch_params), .heads = heads, .n_heads = 2, .draws = 5});
    assert_int_equal(p->n, 3 + 5 + p->n_map);
    assert_int_equal(p->n_map, p->L * 8);
    assert_true(p->list[0].recovery.value == 0 && p->list[0].flipped == 0);
    assert_memory_equal(p->difference + p->C, p->source_difference, (size_t)p->C * sizeof(float));       /* everything: the source itself */
    assert_true(p->list[1].recovery.value == 1 && p->list[1].recovery.low == 1 && p->list[1].flipped == 1);
    assert_true(p->list[2].kind == NS_PATCH_TARGET && p->list[2].recovery.value > .99 && p->list[2].flipped == 1);
    /* no other head has their norm; the nearest is the previous-token head, which carries the question's key */
    for (int k = 3; k < 8; k++)
        assert_true(p->list[k].kind == NS_PATCH_CONTROL && !p->list[k].matched && p->list[k].recovery.value > .99);
    assert_true(of_head(p, 3, 1)->recovery.value > .3 && of_head(p, 4, 6)->recovery.value > .3);        /* two copiers share the answer */
    assert_true(fabs(of_head(p, 3, 2)->recovery.value) < .01 && fabs(of_head(p, 5, 0)->recovery.value) < .01);
    for (int64_t i = 0; i < p->C; i++)
        assert_true(p->source_right[i] == 1 && strstr(p->case_id[i], "-swap") && !strstr(p->source_id[i], "-swap"));
    ns_patching_free(p);
}

/* Heads of strength 0 write as much as the planted ones, and nothing of the answer; but they share the residual stream's norm with it. */
static void matched_others_carry_nothing(void **state)
{
    (void)state;
    ns_error err = {0};
    ns_cases cases = {0};
    ns_patching *p = NULL;
    char other[] = "/tmp/ns-patch-like-XXXXXX";
    static const ns_head all[] = {{3, 1}, {4, 6}, {3, 2}, {3, 3}, {3, 4}, {3, 5}, {4, 0}, {4, 1}, {4, 2}, {4, 3}};
    static const double strength[] = {1, 1, 0, 0, 0, 0, 0, 0, 0, 0};
    assert_non_null(mkdtemp(other));
    OK(ns_plant(other, &(ns_plant_params){.size = sizeof(ns_plant_params), .retrieval = all, .n_retrieval = 10, .strength = strength},
                &err));
    loaded m = load(other, 2, NULL, 0);
    twins(&cases, 60);
    OK(ns_patch(&p, m.model, &cases, &(ns_patch_params){.size = sizeof(ns_patch_params), .heads = heads, .n_heads = 2, .draws = 6,
                                                        .no_map = true}, &err));
    assert_true(ns_match_holds(&p->controls.match) && p->controls.match.from[NS_TIER_LAYER] == 12);
    assert_true(p->list[2].recovery.value > .8);
    for (int k = 3; k < p->n; k++)
        assert_true(p->list[k].matched && p->list[k].layer_matched && fabs(p->list[k].recovery.value) < .05);
    ns_patching_free(p);
    ns_cases_clear(&cases);
    unload(&m);
    remove_plant(other);
}

/* The planted heads look for the key that the question names: with the queries of the other question they look at the other needle. What
 * they might look at does not depend on the question, so keys and values before it are the same in both. */
static void queries_carry_and_keys_do_not(void **state)
{
    (void)state;
    static const double expected[NS_PATCH_SITES] = {1, 1, 0, 0};
    for (int site = NS_PATCH_Z; site < NS_PATCH_SITES; site++) {
        ns_patching *const p = run(2, &(ns_patch_params){.size = sizeof(ns_patch_params), .heads = heads, .n_heads = 2, .draws = 1,
                                                         .no_map = true, .site = (ns_patch_site)site});
        assert_true(p->site == (ns_patch_site)site && fabs(p->list[2].recovery.value - expected[site]) < .01);
        ns_patching_free(p);
    }
}

/* d changes its sign with the direction, so the untouched runs of one direction are the sources of the other. */
static void directions_mirror(void **state)
{
    (void)state;
    ns_patching *const a = run(2, &(ns_patch_params){.size = sizeof(ns_patch_params), .heads = heads, .n_heads = 2, .draws = 1,
                                                     .no_map = true});
    ns_patching *const b = run(2, &(ns_patch_params){.size = sizeof(ns_patch_params), .heads = heads, .n_heads = 2, .draws = 1,
                                                     .no_map = true, .noising = true});
    assert_int_equal(a->n_map, 0);
    for (int64_t i = 0; i < a->C; i++) {
        assert_string_equal(a->case_id[i], b->source_id[i]);
        assert_true(a->difference[i] == -b->source_difference[i] && b->difference[i] == -a->source_difference[i]);
    }
    ns_patching_free(a);
    ns_patching_free(b);
}

static void threads_change_no_bit(void **state)
{
    (void)state;
    const ns_patch_params params = {.size = sizeof params, .heads = heads, .n_heads = 2, .draws = 3};
    ns_patching *const a = run(1, &params), *const b = run(3, &params);
    assert_memory_equal(a->difference, b->difference, (size_t)(a->n * a->C) * sizeof(float));
    for (int k = 0; k < a->n; k++)
        assert_memory_equal(&a->list[k].recovery, &b->list[k].recovery, sizeof a->list[k].recovery);
    ns_patching_free(a);
    ns_patching_free(b);
}

/* Pair by pair the sources run twice; the bits are the same. */
static void keeping_less_changes_no_bit(void **state)
{
    (void)state;
    ns_patch_params params = {.size = sizeof params, .heads = heads, .n_heads = 2, .draws = 2, .no_map = true};
    ns_patching *const a = run(2, &params);
    params.keep = 1;
    ns_patching *const b = run(2, &params);
    assert_memory_equal(a->difference, b->difference, (size_t)(a->n * a->C) * sizeof(float));
    assert_memory_equal(a->norm, b->norm, (size_t)(a->L * a->H) * sizeof(float));
    ns_patching_free(a);
    ns_patching_free(b);
}

/* With all rows the prompt is patched too: everything is still the source, nothing still nothing, and each head carries at least what it
 * does alone. */
static void all_rows(void **state)
{
    (void)state;
    ns_patching *const p = run(2, &(ns_patch_params){.size = sizeof(ns_patch_params), .heads = heads, .n_heads = 2, .draws = 2,
                                                     .no_map = true, .all_rows = true});
    assert_true(p->list[0].recovery.value == 0 && p->list[1].recovery.value > .999 && p->list[1].recovery.value < 1.001);
    assert_true(p->list[2].recovery.value > .99);
    ns_patching_free(p);
}

static ns_patching *run_on(const ns_cases *cases, const ns_patch_params *params)
{
    ns_error err = {0};
    ns_patching *p = NULL;
    loaded m = load(folder, 2, NULL, 0);
    OK(ns_patch(&p, m.model, cases, params, &err));
    unload(&m);
    return p;
}

/* Twins of one prompt are one draw: every twin once more, under another id, makes no interval narrower. */
static void a_prompt_is_one_draw(void **state)
{
    (void)state;
    ns_cases cases = {0}, more = {0};
    const ns_patch_params params = {.size = sizeof params};
    static char ids[64][80];
    twins(&cases, 60);
    assert_true(cases.n <= 64);
    more.list = calloc((size_t)(2 * cases.n), sizeof *more.list);
    for (int64_t i = 0; i < cases.n; i++) {
        more.list[more.n++] = cases.list[i];
        if (cases.list[i].twin_of) {
            more.list[more.n] = cases.list[i];
            snprintf(ids[i], sizeof ids[i], "%s-again", cases.list[i].id);
            more.list[more.n++].id = ids[i];
        }
    }
    ns_patching *const a = run_on(&cases, &params), *const b = run_on(&more, &params);
    assert_int_equal(b->C, 2 * a->C);
    int wide = 0;
    for (int k = 0; k < a->n; k++) {
        const ns_recovery x = a->list[k].recovery, y = b->list[k].recovery;
        assert_near(y.low, x.low, 1e-12);
        assert_near(y.high, x.high, 1e-12);
        assert_near(y.value, x.value, 1e-12);
        wide += x.high > x.low;
    }
    assert_true(wide > 0);
    free(more.list);
    ns_cases_clear(&cases);
    ns_patching_free(a);
    ns_patching_free(b);
}

/* Keys and values are of KV groups, here of heads 2 g and 2 g + 1: none of the set's groups is drawn, and none twice. */
static void groups_are_one(void **state)
{
    (void)state;
    enum { DRAWS = 40 };
    for (ns_patch_site site = NS_PATCH_K; site <= NS_PATCH_V; site++) {
        ns_patching *const p = run(2, &(ns_patch_params){.size = sizeof(ns_patch_params), .heads = heads, .n_heads = 2, .draws = DRAWS,
                                                         .site = site, .no_map = true});
        for (int k = 3; k < 3 + DRAWS; k++) {
            const ns_head a = p->list[k].heads[0], b = p->list[k].heads[1];
            const ns_head all[] = {heads[0], heads[1], a, b};
            for (int i = 2; i < 4; i++)
                for (int j = 0; j < i; j++)
                    assert_false(all[i].layer == all[j].layer && all[i].head / 2 == all[j].head / 2);
        }
        assert_int_equal(p->controls.match.n, 2 * DRAWS);
        ns_patching_free(p);
    }
}

/* ---- a recurrence: three of Mamba-2's six heads have one q and one k, which are wider than z ---- */

static const char *fixtures;

static loaded load_recurrent(void)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/mamba2", fixtures);
    return load(path, 2, NULL, 0);
}

static ns_case recurrent_case(bool twin)
{
    static int32_t tokens[2][24], answers[2];
    static ns_span span = {.name = "needle", .begin = 2, .end = 4};
    for (int i = 0; i < 24; i++)
        tokens[twin][i] = 3 + (7 * i + (twin && i == 3 ? 11 : 0)) % 60;
    answers[twin] = tokens[twin][3];
    return (ns_case){.id = twin ? "one-twin" : "one", .tokens = tokens[twin], .n_tokens = 24, .answer = &answers[twin], .n_answer = 1,
                     .spans = &span, .n_spans = 1, .twin_of = twin ? "one" : NULL};
}

static ns_patching *patch_recurrent(const ns_patch_params *params, int expected, ns_error *err)
{
    ns_case two[] = {recurrent_case(false), recurrent_case(true)};
    const ns_cases cases = {.list = two, .n = 2};
    ns_patching *p = NULL;
    loaded m = load_recurrent();
    const int rc = ns_patch(&p, m.model, &cases, params, err);
    if (rc != expected)
        fail_msg("%d: %s", rc, err->message);
    unload(&m);
    return p;
}

/* At the answer's row both have the same tokens as far as a convolution reaches, so the first layer's q and k there are those of the other:
 * what is carried over is whole, and nothing changes. Heads that share them have the same patch. */
static void wide_queries_are_carried_whole(void **state)
{
    (void)state;
    ns_error err = {0};
    for (ns_patch_site site = NS_PATCH_Q; site <= NS_PATCH_K; site++) {
        ns_patching *const p = patch_recurrent(&(ns_patch_params){.size = sizeof(ns_patch_params), .site = site}, NS_OK, &err);
        int changed = 0;
        assert_int_equal(p->n_map, p->L * 6);
        for (int64_t h = 0; h < 6; h++) {
            assert_true(p->difference[of_head(p, 0, h) - p->list] == p->difference[0]);
            for (int64_t l = 1; l < p->L; l++) {
                const float d = p->difference[of_head(p, l, h) - p->list];
                assert_true(isfinite(d) && d == p->difference[of_head(p, l, h / 3 * 3) - p->list]);
                changed += d != p->difference[0];
            }
        }
        assert_true(changed > 0);
        ns_patching_free(p);
    }
}

static void heads_of_one_query_are_one(void **state)
{
    (void)state;
    enum { DRAWS = 40 };
    ns_error err = {0};
    static const ns_head one[] = {{1, 4}}, two[] = {{1, 3}, {1, 5}};
    for (ns_patch_site site = NS_PATCH_Q; site <= NS_PATCH_K; site++) {
        ns_patching *const p = patch_recurrent(&(ns_patch_params){.size = sizeof(ns_patch_params), .heads = one, .n_heads = 1,
                                                                  .draws = DRAWS, .site = site, .no_map = true}, NS_OK, &err);
        for (int k = 3; k < 3 + DRAWS; k++)
            assert_false(p->list[k].heads[0].layer == 1 && p->list[k].heads[0].head >= 3);
        ns_patching_free(p);
        const ns_patch_params both = {.size = sizeof both, .heads = two, .n_heads = 2, .draws = 1, .site = site};
        assert_null(patch_recurrent(&both, NS_E_ARG, &err));
        assert_non_null(strstr(err.message, "1.3 and 1.5 are of one group"));
    }
}

static void refused(const ns_cases *cases, const ns_patch_params *params, const char *why)
{
    ns_error err = {0};
    ns_patching *p = NULL;
    loaded m = load(folder, 1, NULL, 0);
    assert_int_equal(ns_patch(&p, m.model, cases, params, &err), NS_E_ARG);
    if (!strstr(err.message, why))
        fail_msg("'%s' lacks '%s'", err.message, why);
    assert_null(p);
    unload(&m);
}

static void refusals(void **state)
{
    (void)state;
    static const int64_t lengths[] = {40};
    static const ns_head nowhere[] = {{3, 99}}, twice[] = {{3, 1}, {3, 1}}, deep[] = {{6, 0}}, group[] = {{3, 0}, {3, 1}};
    ns_cases cases = {0}, plain = {0};
    twins(&cases, 40);
    needle_cases(&plain, lengths, 1, 1, 3);
    refused(&cases, &(ns_patch_params){.size = sizeof(ns_patch_params), .heads = nowhere, .n_heads = 1}, "layer 3 has heads 0 to 7");
    refused(&cases, &(ns_patch_params){.size = sizeof(ns_patch_params), .heads = deep, .n_heads = 1}, "layers 0 to 5");
    refused(&cases, &(ns_patch_params){.size = sizeof(ns_patch_params), .heads = twice, .n_heads = 2}, "named twice");
    refused(&cases, &(ns_patch_params){.size = sizeof(ns_patch_params), .heads = group, .n_heads = 2, .site = NS_PATCH_V},
            "3.0 and 3.1 are of one KV group");
    refused(&cases, &(ns_patch_params){.size = sizeof(ns_patch_params), .draws = 4}, "there is no set");
    refused(&cases, &(ns_patch_params){.size = sizeof(ns_patch_params), .no_map = true}, "nothing to patch");
    refused(&plain, &(ns_patch_params){.size = sizeof(ns_patch_params)}, "twin_of");
    for (int64_t i = 0; i < cases.n; i++)
        cases.list[i].n_tokens -= cases.list[i].twin_of != NULL;
    refused(&cases, &(ns_patch_params){.size = sizeof(ns_patch_params), .all_rows = true}, "another length than its twin");
    for (int64_t i = 0; i < cases.n; i++)                  /* the same first token: nothing tells the two answers apart */
        cases.list[i].answer[cases.list[i].n_lead] = 7;
    refused(&cases, &(ns_patch_params){.size = sizeof(ns_patch_params)}, "first answer token of its twin");
    ns_cases_clear(&cases);
    ns_cases_clear(&plain);
}

static int setup(void **state)
{
    (void)state;
    ns_error err = {0};
    return mkdtemp(folder) ? ns_plant(folder, &(ns_plant_params){.size = sizeof(ns_plant_params), .window = 24}, &err) : -1;
}

static int teardown(void **state)
{
    (void)state;
    remove_plant(folder);
    return 0;
}

/* ---- an attribution beside a patching ---- */

static void count_pass(void *passes, double fraction)
{
    (void)fraction;
    ++*(int *)passes;
}

/* How many passes back were told of: one a pair. */
static int attribute_against(const char *path, ns_patch_site site, int64_t length, int expected, const char *why)
{
    ns_error err = {0};
    ns_cases cases = {0};
    ns_attribution *a = NULL;
    int passes = 0;
    loaded m = load(folder, 2, NULL, 0);
    twins(&cases, length);
    const ns_attribute_params params = {.size = sizeof params, .site = site, .against = path, .progress = count_pass, .user = &passes};
    const int rc = ns_attribute(&a, m.model, &cases, &params, &err);
    if (rc != expected || !strstr(err.message, why))
        fail_msg("%d: %s", rc, err.message);
    assert_true(rc != NS_OK || (a->check.n == a->estimate->n_map && passes == a->estimate->C));
    ns_attribution_free(a);
    ns_cases_clear(&cases);
    unload(&m);
    return passes;
}

/* What a patching cannot be held against is said before any pass. */
static void against_others_is_refused_first(void **state)
{
    (void)state;
    ns_error err = {0};
    char path[] = "/tmp/ns-patching-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    ns_patching *const p = run(2, &(ns_patch_params){.size = sizeof(ns_patch_params)});
    OK(ns_patching_write(p, path, NULL, &err));
    assert_true(attribute_against(path, NS_PATCH_Z, 60, NS_OK, "") > 0);
    assert_int_equal(attribute_against(path, NS_PATCH_Q, 60, NS_E_ARG, "has site z, this attribution q"), 0);
    assert_int_equal(attribute_against(path, NS_PATCH_Z, 70, NS_E_ARG, "has cases_sha256"), 0);
    assert_int_equal(attribute_against("/tmp/ns-patching-absent", NS_PATCH_Z, 60, NS_E_MISSING, "absent"), 0);
    ns_patching_free(p);
    unlink(path);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(planted_heads_carry), cmocka_unit_test(matched_others_carry_nothing),
                                       cmocka_unit_test(queries_carry_and_keys_do_not), cmocka_unit_test(directions_mirror),
                                           cmocka_unit_test(threads_change_no_bit), cmocka_unit_test(keeping_less_changes_no_bit),
                                       cmocka_unit_test(all_rows), cmocka_unit_test(a_prompt_is_one_draw),
                                       cmocka_unit_test(groups_are_one), cmocka_unit_test(wide_queries_are_carried_whole),
                                       cmocka_unit_test(heads_of_one_query_are_one), cmocka_unit_test(refusals),
                                       cmocka_unit_test(against_others_is_refused_first)};
    fixtures = argc > 1 ? argv[1] : ".";
    return cmocka_run_group_tests(tests, setup, teardown);
}
