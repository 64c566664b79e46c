/* test_controls.c - controls of like norm, where there are any: planted models in which like heads lie in the layer, in the next ones,
 * farther, nowhere; draws are at random among the like ones, never twice, the same for a seed whatever the order in which the set was
 * named; "matched" is said only where it is true; what a file says is what was drawn. */
#include "harness.h"

#include <sys/stat.h>

#include <needlescope/ablate.h>

#include "draws.h"

/* ---- planted: the retrieval heads of a model all have one norm, the previous-token head twice as much or more, the others none ---- */

typedef struct planting { const ns_head *heads; int n; bool holds; ns_control_tier tier; const double *strength; } planting;

static char folder[] = "/tmp/ns-controls-XXXXXX";

static ns_ablation *ablate(const planting *p, int64_t n_layers, int n_targets, int threads)
{
    ns_error err = {0};
    ns_cases cases = {0};
    ns_ablation *a = NULL;
    static const int64_t lengths[] = {40};
    OK(ns_plant(folder, &(ns_plant_params){.size = sizeof(ns_plant_params), .n_layers = n_layers, .retrieval = p->heads,
                                           .n_retrieval = p->n,
                                                 .strength = p->strength}, &err));
    loaded m = load(folder, threads, NULL, 0);
    needle_cases(&cases, lengths, 1, 1, 3);
    const ns_ablate_params params = {.size = sizeof params, .heads = p->heads, .n_heads = n_targets,
                                     .modes = 1u << NS_EDIT_ZERO_Z | 1u << NS_EDIT_MEAN_Z,
                                     .draws = 12, .loss_cases = -1};
    OK(ns_ablate(&a, m.model, &cases, &params, &err));
    ns_cases_clear(&cases);
    unload(&m);
    return a;
}

static void as_near_as_there_are(void **state)
{
    (void)state;
    static const ns_head layer[] = {{3, 0}, {3, 1}, {3, 2}, {3, 4}, {3, 5}, {7, 0}}, near[] = {{3, 0}, {4, 1}, {4, 2}, {5, 2}, {5, 4}, {9,
            0}},
                         far[] = {{1, 0}, {7, 1}, {8, 2}, {8, 3}, {9, 0}}, nowhere[] = {{3, 0}, {8, 1}};
    static const planting all[] = {{layer, 6, true, NS_TIER_LAYER, NULL}, {near, 6, true, NS_TIER_NEIGHBOURS, NULL},
                                   {far, 5, true, NS_TIER_MODEL, NULL},
                                   {nowhere, 2, false, NS_TIER_MODEL, NULL}};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        ns_ablation *const a = ablate(&all[i], 10, all[i].holds ? 1 : 2, 1);
        const ns_match *const m = &a->controls.match;
        char text[NS_MATCH_TEXT];
        ns_match_text(m, text);
        assert_int_equal(m->n, 12 * (all[i].holds ? 1 : 2));
        assert_true(ns_match_holds(m) == all[i].holds);
        assert_true((strstr(text, "matched") != NULL) == all[i].holds && (strstr(ns_match_name(m), "matched") != NULL) == all[i].holds);
        if (all[i].holds) {
            assert_int_equal(m->from[all[i].tier], 12);
            assert_int_equal(m->within[0], 12);
            assert_true(m->candidates_min == 4 && m->candidates_max == 4 && m->n_distinct > 1);
            assert_true(m->ratio_min > .99 && m->ratio_max < 1.01);
        } else {
            assert_non_null(strstr(text, "no head of like norm exists"));
            assert_int_equal(m->n_matched, 0);
            assert_true(m->ratio_max > 1.5);
        }
        ns_ablation_free(a);
        remove_plant(folder);
        assert_int_equal(mkdir(folder, 0700), 0);
    }
}

/* One set of draws serves all modes; threads do not enter. */
static void every_mode_and_any_threads(void **state)
{
    (void)state;
    static const ns_head heads[] = {{3, 0}, {3, 1}, {3, 2}, {4, 4}, {4, 5}, {5, 0}, {5, 1}};
    const planting p = {heads, 7, true, NS_TIER_NEIGHBOURS, NULL};
    ns_ablation *const a = ablate(&p, 8, 2, 1);
    remove_plant(folder);
    assert_int_equal(mkdir(folder, 0700), 0);
    ns_ablation *const b = ablate(&p, 8, 2, 3);
    assert_int_equal(a->n, b->n);
    for (int k = 0; k < a->n; k++)
        assert_memory_equal(a->list[k].heads, b->list[k].heads, (size_t)a->list[k].n_heads * sizeof(ns_head));
    for (int i = 0; i < 12; i++)
        assert_memory_equal(a->list[3 + i].heads, a->list[3 + 13 + i].heads, 2 * sizeof(ns_head));
    ns_ablation_free(a);
    ns_ablation_free(b);
    remove_plant(folder);
    assert_int_equal(mkdir(folder, 0700), 0);
}

/* Heads of strength 0 write as much as the retrieval heads, but never the answer: silencing them helps it, silencing the others takes it
 * away. */
static void like_heads_that_retrieve_nothing(void **state)
{
    (void)state;
    static const ns_head heads[] = {{3, 1}, {4, 6}, {3, 2}, {3, 3}, {3, 4}, {3, 5}, {4, 0}, {4, 1}, {4, 2}, {4, 3}};
    static const double strength[] = {1, 1, 0, 0, 0, 0, 0, 0, 0, 0};
    ns_ablation *const a = ablate(&(planting){heads, 10, true, NS_TIER_LAYER, strength}, 6, 2, 2);
    assert_true(ns_match_holds(&a->controls.match) && a->controls.match.from[NS_TIER_LAYER] == 24 && a->controls.match.n_distinct > 4);
    for (int k = 1; k < a->n; k++) {
        const ns_condition *const c = &a->list[k];
        if (c->kind == NS_CONDITION_CONTROL)
            assert_true(c->matched && c->layer_matched && c->margin > a->list[0].margin);
        if (c->kind == NS_CONDITION_TARGET)
            assert_true(c->margin < a->list[0].margin - 3);
    }
    ns_ablation_free(a);
    remove_plant(folder);
    assert_int_equal(mkdir(folder, 0700), 0);
}

/* ---- drawn from norms that are made up ---- */

enum { L = 4, H = 8 };

/* The arch of a planted model with L layers of H heads. */
static ns_controls draw(const float *norm, const ns_head *set, int n, int draws, uint64_t seed)
{
    ns_error err = {0};
    ns_controls out;
    static const ns_head any = {2, 1};
    OK(ns_plant(folder, &(ns_plant_params){.size = sizeof(ns_plant_params), .n_layers = L, .retrieval = &any, .n_retrieval = 1}, &err));
    loaded m = load(folder, 1, NULL, 0);
    const ns_matching matching = {m.arch, norm, L, H, set, n};
    OK(ns_controls_draw(&out, &matching, draws, seed, &err));
    unload(&m);
    remove_plant(folder);
    assert_int_equal(mkdir(folder, 0700), 0);
    return out;
}

static void at_random_within_the_caliper(void **state)
{
    (void)state;
    float norm[L * H] = {0};
    /* of head 1.0: five are alike, the last two are not */
    static const float layer1[H] = {1, 1.f / 1.2f, .97f, 1, 1.04f, 1.19f, 1.26f, .79f};
    const ns_head set = {1, 0};
    int seen[H] = {0};
    memcpy(norm + H, layer1, sizeof layer1);
    norm[0] = 1;                                  /* 0.0 is as like as any, but the layer has enough */
    ns_controls c = draw(norm, &set, 1, 200, 1);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(c.list[i].head.layer, 1);
        assert_true(c.list[i].candidates == 5 && c.list[i].caliper == 1.25 && c.list[i].tier == NS_TIER_LAYER);
        seen[c.list[i].head.head]++;
    }
    for (int h = 1; h < 6; h++)
        assert_in_range(seen[h], 20, 65);         /* of 200, 40 expected: 3.5 standard deviations */
    assert_true(seen[0] == 0 && seen[6] == 0 && seen[7] == 0);
    ns_controls_clear(&c);
}

/* A factor 1.25 anywhere comes before 1.5; where that is not enough either, the larger is used; where nothing is left, the nearest. */
static void wider_where_it_must_be(void **state)
{
    (void)state;
    float norm[L * H] = {0};
    const ns_head set = {0, 0};
    norm[0] = 1;
    norm[1] = 1.4f;                               /* 0.1 */
    norm[2] = 1.45f;
    norm[3 * H] = .7f;                            /* 3.0 */
    norm[3 * H + 1] = 1.1f;
    ns_controls c = draw(norm, &set, 1, 100, 1);
    assert_true(ns_match_holds(&c.match) && c.match.candidates_min == 4 && c.match.candidates_max == 4);
    assert_true(c.match.within[0] > 0 && c.match.within[1] > 0 && c.match.within[0] + c.match.within[1] == 100 &&
                c.match.from[NS_TIER_MODEL] > 0);
    ns_controls_clear(&c);
    norm[1] = norm[2] = norm[3 * H] = norm[3 * H + 1] = .5f;
    norm[2 * H + 5] = 1.6f;
    c = draw(norm, &set, 1, 5, 1);
    for (int i = 0; i < 5; i++)
        assert_true(ns_head_is(c.list[i].head, (ns_head){2, 5}) && isinf(c.list[i].caliper) && c.list[i].candidates == 0 &&
                    c.list[i].ratio == (double)1.6f);
    assert_true(!ns_match_holds(&c.match) && c.match.n_distinct == 1);
    ns_controls_clear(&c);
}

/* None twice in a draw, none of the set; the largest are drawn for first, whatever the order of the set. */
static void without_replacement(void **state)
{
    (void)state;
    float norm[L * H];
    const ns_head set[] = {{0, 0}, {1, 1}, {1, 2}, {3, 7}}, turned[] = {{3, 7}, {1, 2}, {0, 0}, {1, 1}};
    static const int place[] = {2, 3, 1, 0};      /* of set[k] in turned */
    for (int i = 0; i < L * H; i++)
        norm[i] = 1 + .01f * (float)i;
    ns_controls a = draw(norm, set, 4, 50, 7), b = draw(norm, turned, 4, 50, 7), other = draw(norm, set, 4, 50, 8);
    int same = 0;
    for (int i = 0; i < 50; i++)
        for (int k = 0; k < 4; k++) {
            const ns_head one = a.list[i * 4 + k].head;
            assert_true(ns_head_is(one, b.list[i * 4 + place[k]].head));
            same += ns_head_is(one, other.list[i * 4 + k].head);
            for (int j = 0; j < 4; j++)
                assert_true(!ns_head_is(one, set[j]) && (j == k || !ns_head_is(one, a.list[i * 4 + j].head)));
        }
    assert_true(same < 200);
    ns_controls_clear(&a);
    ns_controls_clear(&b);
    ns_controls_clear(&other);
}

/* ---- in the file ---- */

static void file_says_what_was_drawn(void **state)
{
    (void)state;
    ns_error err = {0};
    static const ns_head heads[] = {{3, 0}, {3, 1}, {4, 2}, {4, 4}, {5, 2}, {5, 0}};
    const planting p = {heads, 6, true, NS_TIER_NEIGHBOURS, NULL};
    ns_ablation *const a = ablate(&p, 8, 2, 1);
    char path[64];
    ns_file *f;
    ns_match read;
    snprintf(path, sizeof path, "%s/scores.h5", folder);
    OK(ns_ablation_write(a, path, NULL, &err));
    OK(ns_file_open(&f, path, &err));
    OK(ns_match_read(&read, f, &err));
    ns_file_close(f);
    assert_true(read.n == a->controls.match.n && read.n == 24 && fabs(read.ratio_median - a->controls.match.ratio_median) < 1e-6);
    assert_memory_equal(read.from, a->controls.match.from, sizeof read.from);
    assert_memory_equal(read.within, a->controls.match.within, sizeof read.within);
    assert_int_equal(read.n_distinct, a->controls.match.n_distinct);
    ns_ablation_free(a);
    remove_plant(folder);
    assert_int_equal(mkdir(folder, 0700), 0);
}

static int setup(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_near_as_there_are), cmocka_unit_test(every_mode_and_any_threads),
                                       cmocka_unit_test(like_heads_that_retrieve_nothing), cmocka_unit_test(at_random_within_the_caliper),
                                       cmocka_unit_test(wider_where_it_must_be), cmocka_unit_test(without_replacement),
                                           cmocka_unit_test(file_says_what_was_drawn)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
