/* test_ranking.c - intervals, P(in the top k), parts of the cases and agreement, on scores whose truth is known. */
#include "../../unit.h"
#include "harness.h"

#include "resample.h"

enum { LAYERS = 4, HEADS = 8, N = LAYERS * HEADS, CASES = 60 };

static const ns_output outputs[] = {{"hits", NS_U8, ""}, {"events", NS_U8, ""}, {"case_mass", NS_F32, ""}};
static const ns_score score_defs[] = {{"rate", "hits", "events", "", "", .chance = NAN},
                                      {"mean", "case_mass", NULL, "", "", .chance = 2},
                                      {"worst_first", "case_mass", NULL, "", "", .best = NS_BEST_SMALLEST},
                                      {"describes", "case_mass", NULL, "", "", .best = NS_BEST_NONE}};
static const ns_probe probe = {.name = "made", .at = "x", .outputs = outputs, .n_outputs = 3, .scores = score_defs, .n_scores = 4};

/* Head h of N hits with probability (h + 1) / (N + 1) in kind "a" and never in "b"; its mass is h in every case. */
static ns_scores *make(uint64_t seed)
{
    ns_scores *const s = ns_alloc_array(1, sizeof *s);
    ns_rng rng = ns_rng_seed(seed, 0);
    *s = (ns_scores){.L = LAYERS, .H = HEADS, .n_probes = 1, .n_scores = 4, .n_cases = CASES};
    s->probes[0] = &probe;
    s->kinds = ns_alloc_array(LAYERS, sizeof *s->kinds);
    s->windows = ns_alloc_array(N, sizeof *s->windows);
    s->valid = ns_alloc_array(N, 1);
    s->group = ns_alloc_array(LAYERS, sizeof *s->group);
    s->scratch = ns_alloc_array(2 * N, sizeof *s->scratch);
    s->cases = ns_alloc_array(CASES, sizeof *s->cases);
    for (int o = 0; o < 3; o++)
        s->outputs[0][o] = ns_alloc_array(CASES * N, sizeof(float));
    for (int64_t i = 0; i < CASES; i++) {
        s->cases[i] = (ns_case_result){.id = ns_printf_alloc("case-%d", (int)i), .value_type = ns_strdup(i % 3 ? "a" : "b"),
                                       .template_name = ns_strdup("t"),
                                       .n_answer = 1, .content_right = i < 20, .prompt = i};
        for (int64_t h = 0; h < N; h++) {
            s->outputs[0][0][i * N + h] = i % 3 && ns_rng_uniform(&rng) < (double)(h + 1) / (N + 1);
            s->outputs[0][1][i * N + h] = 1;
            s->outputs[0][2][i * N + h] = (float)h;
        }
    }
    memset(s->valid, 1, N);
    for (int l = 0; l < LAYERS; l++)
        s->kinds[l] = l ? "swa" : "full";
    for (int k = 0; k < 4; k++) {
        s->defs[k] = &score_defs[k];
        s->values[k] = ns_alloc_array(N, sizeof(float));
        ns_scores_weigh(s, k, NULL, s->values[k]);
    }
    return s;
}

static void test_intervals(void **state)
{
    (void)state;
    ns_error err = {0};
    int covered = 0, total = 0;
    for (uint64_t seed = 0; seed < 20; seed++) {
        ns_scores *const s = make(seed);
        OK(ns_scores_rank(s, &(ns_ranking_params){.size = sizeof(ns_ranking_params), .resamples = 400, .seed = seed}, &err));
        for (int64_t h = 4; h < N - 4; h++, total++) {
            ns_head_stats st;
            assert_true(ns_scores_head(s, 0, h / HEADS, h % HEADS, &st));
            const double truth = (double)(h + 1) / (N + 1) * 2 / 3;
            assert_true(st.low <= st.value && st.value <= st.high && isnan(st.chance));
            covered += truth >= (double)st.low && truth <= (double)st.high;
            assert_true(ns_scores_head(s, 1, h / HEADS, h % HEADS, &st));
            assert_true(st.low == (float)h && st.high == (float)h && st.chance == 2);
        }
        ns_scores_free(s);
    }
    /* Nominal 95 %; the percentile interval of 40 yes-or-no cases is a little short. */
    if (covered < total * 0.89 || covered > total * 0.98)
        fail_msg("%d of %d intervals hold the truth", covered, total);
}

static void test_lists(void **state)
{
    (void)state;
    ns_error err = {0};
    ns_scores *const s = make(1);
    ns_head_stats st;
    OK(ns_scores_rank(s, NULL, &err));
    for (int64_t h = 0; h < N; h++) {          /* masses never vary: the lists are certain, and opposite */
        ns_scores_head(s, 1, h / HEADS, h % HEADS, &st);
        /* head 0 scores nothing */
        assert_true(h ? st.p_top4 == (h >= N - 4) && st.p_top10 == (h >= N - 10) : isnan(st.p_top4) && isnan(st.p_top10));
        ns_scores_head(s, 2, h / HEADS, h % HEADS, &st);
        assert_true(st.p_top4 == (h < 4));
    }
    assert_near(ns_scores_split_half(s, 1, 4), 1, 0);
    assert_true(ns_scores_split_half(s, 0, 10) > 0.3 && ns_scores_split_half(s, 0, 10) < 1);
    assert_near(ns_scores_agreement(s, 1, 2, true), 1, 1e-9);
    assert_near(ns_scores_agreement(s, 1, 2, false), 0, 0);
    assert_near(ns_scores_agreement(s, 1, 1, false), 1, 0);
    assert_true(isnan(ns_scores_agreement(s, 1, 3, false)) && isnan(ns_scores_agreement(s, 3, 3, false)));        /* it ranks no head */
    assert_near(ns_scores_agreement(s, 1, 3, true), 1, 1e-9);
    assert_true(ns_scores_agreement(s, 0, 1, true) > 0.9);
    assert_int_equal(s->ranking->n_groups, 2);
    ns_scores_head(s, 0, 3, 7, &st);
    double sum[2] = {0, 0};
    for (int64_t i = 0; i < CASES; i++)
        sum[i < 20] += (double)s->outputs[0][0][i * N + N - 1];
    assert_near(st.answered, sum[1] / 20, 1e-6);
    assert_near(st.missed, sum[0] / 40, 1e-6);
    assert_near(s->ranking->by_group[(0 * 4 + 0) * N + N - 1], (sum[0] + sum[1]) / 40, 1e-6);     /* "a/t" */
    assert_near(s->ranking->by_group[(1 * 4 + 0) * N + N - 1], 0, 0);
    ns_scores_free(s);
}

/* Spearman with ties, against pandas' rank().corr(). */
static void test_spearman(void **state)
{
    (void)state;
    const float a[] = {1, 2, 2, 3, 5, NAN, 4}, b[] = {2, 1, 4, 4, 6, 9, 3};
    double rho;
    assert_int_equal(ns_spearman(a, b, 7, &rho, NULL), NS_OK);
    assert_near(rho, 0.6617647058823529, 1e-12);
    assert_int_equal(ns_spearman(a, a, 7, &rho, NULL), NS_OK);
    assert_near(rho, 1, 1e-12);
}

/* Retrieval_Head's published lists (github.com/nightdessert/Retrieval_Head, head_score of seven models; figure 3 of arXiv 2404.15574): how
 * many heads, the best of them, how many have .1 and more, shares rounded to three places. The lists themselves are not at hand: heads
 * beyond the published ones are filled in by the shares, and what must come out is the count that was published beside them. */
typedef struct published { const char *model; int64_t n; double best[7]; int64_t tenth; double zero, weak, middle, strong; } published;
static const published lists[] = {
    {"llama-2-7b-80k", 1024, {.9426, .9201, .7995, .6178, .6135, .5574, .4586}, 33, .702, .266, .026, .006},
    {"llama-2-13b-64k", 1600, {.9048, .8707, .6496, .6263, .5962}, 33, .732, .247, .017, .004},
    {"Mistral-7B-v0.2", 1024, {.9427, .9277, .7744, .7427, .6034}, 43, .650, .308, .037, .005},
    {"Mixtral-8x7B-v0.1", 1024, {.9455, .9260, .9230, .8469, .6511}, 63, .576, .362, .055, .007},
    {"Qwen1.5-14B", 1600, {1.0028, .9999, .9234, .8861, .7896}, 61, .534, .427, .032, .006},
    {"Qwen1.5-14B-Chat", 1600, {.5249, .4216, .4127, .4055}, 68, .711, .246, .042, .001},
    {"Yi-6B-200K", 1024, {.7780, .7603, .7562, .6952, .6585}, 53, .494, .454, .045, .007},
};

static void test_published_lists(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof lists / sizeof *lists; k++) {
        const published *const p = &lists[k];
        float *const score = ns_alloc_array((size_t)p->n + 1, sizeof *score);
        int64_t at = 0, below = 0;
        for (int i = 0; i < 7 && p->best[i] > 0; i++) {
            score[at++] = (float)p->best[i];
            below += p->best[i] < .5;
        }
        /* a list that goes on below .5 says exactly how many are above */
        const int64_t weak = llround(p->weak * (double)p->n), middle = llround(p->middle * (double)p->n), above = at - below;
        for (int64_t i = above; !below && i < llround(p->strong * (double)p->n); i++)
            score[at++] = .5f;                     /* the edges belong to the upper class */
        for (int64_t i = below; i < middle; i++)
            score[at++] = .1f;
        for (int64_t i = 0; i < weak; i++)
            score[at++] = .0999f;
        score[p->n] = NAN;                         /* no such head: not counted */
        const ns_score_shares s = ns_score_spread(score, p->n + 1);
        if (s.n != p->n || s.tenth != p->tenth)
            fail_msg("%s: %lld of %lld heads have .1 and more, published are %lld of %lld", p->model, (long long)s.tenth, (long long)s.n,
                     (long long)p->tenth, (long long)p->n);
        assert_near(s.zero, p->zero, .0011);
        assert_near(s.weak, p->weak, .0006);
        assert_near(s.middle, p->middle, .0006);
        assert_near(s.strong, p->strong, .0006);
        free(score);
    }
}

/* Layer 0 is full, three have windows. A head at .1 is a retrieval head, one just below is none. */
static void test_kinds(void **state)
{
    (void)state;
    ns_scores *const s = make(1);
    ns_kind_share full, swa, none;
    ns_error err = {0};
    int64_t strong[2] = {0, 0};
    for (int64_t h = 0; h < N; h++)
        strong[h >= HEADS] += s->values[0][h] >= .1f;
    assert_true(strong[0] > 2 && strong[0] < HEADS && strong[1] == N - HEADS);
    assert_int_equal(ns_scores_kind_share(s, 0, NS_LAYER_FULL, &full, &err), NS_OK);
    assert_int_equal(ns_scores_kind_share(s, 0, NS_LAYER_SWA, &swa, &err), NS_OK);
    assert_true(full.strong == strong[0] && swa.strong == strong[1] && full.all_strong == strong[0] + strong[1]);
    assert_true(full.heads == HEADS && swa.heads == N - HEADS && full.all_heads == N);
    assert_true(isnan(full.low) && isnan(full.high));
    assert_near(full.p_layers, 1, 1e-12);                       /* every layer has as many or more */
    assert_near(swa.p_layers, .25, 1e-12);                      /* of four layers one would be left out, and it is the poorest */
    assert_true(full.p_heads > .9 && swa.p_heads < .1);
    assert_int_equal(ns_scores_rank(s, NULL, &err), NS_OK);
    assert_int_equal(ns_scores_kind_share(s, 0, NS_LAYER_FULL, &full, &err), NS_OK);
    const double share = (double)full.strong / (double)full.all_strong;
    assert_true(full.low > 0 && full.low < share && full.high > share && full.high - full.low < .2);
    for (int64_t h = 0; h < N; h++)
        s->values[0][h] = h == 0 ? .1f : .0999f;
    assert_int_equal(ns_scores_kind_share(s, 0, NS_LAYER_FULL, &full, &err), NS_OK);
    assert_true(full.strong == 1 && full.all_strong == 1);
    assert_near(full.p_heads, (double)HEADS / N, 1e-12);
    assert_near(full.p_layers, .25, 1e-12);
    assert_int_equal(ns_scores_kind_share(s, 0, NS_LAYER_RECURRENT, &none, &err), NS_OK);
    assert_true(none.heads == 0 && none.strong == 0 && none.p_heads >= 1 && none.p_layers >= 1);
    assert_int_equal(ns_scores_kind_share(s, 0, NS_LAYER_MLP, &none, &err), NS_E_ARG);
    assert_int_equal(ns_scores_kind_share(s, 4, NS_LAYER_FULL, &none, &err), NS_E_ARG);
    ns_scores_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_intervals), cmocka_unit_test(test_lists), cmocka_unit_test(test_spearman),
                                       cmocka_unit_test(test_published_lists), cmocka_unit_test(test_kinds)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
