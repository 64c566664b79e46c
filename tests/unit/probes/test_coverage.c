/* test_coverage.c - do 95 % intervals hold the truth 95 times in a hundred? Simulated over sizes, kinds, twins and rates, through
 * ns_scores_rank itself: each head is one experiment. And what intervals are made of: Wilson's and Student's published values. */
#include "../../unit.h"
#include "harness.h"

#include "gradient.h"
#include "patch.h"
#include "resample.h"

enum { RATES = 5, TRIALS = 600, N = RATES * TRIALS, TWINS = 3 };
static const double rates[RATES] = {.02, .1, .5, .9, 1}, alike_rates[RATES] = {.1, .5, .8, .9, .95};

static const ns_output outputs[] = {{"hits", NS_U8, "", false}, {"events", NS_U8, "", false}};
static const ns_score defs[] = {{.name = "rate", .of = "hits", .over = "events", .hi = 1, .chance = (double)NAN}};
static const ns_probe probe = {.name = "made", .at = "x", .outputs = outputs, .n_outputs = 2, .scores = defs, .n_scores = 1};

typedef struct setting { int64_t prompts, kinds; bool twins; } setting;

/* The kinds differ: odd ones are easier, even ones harder, by half of what there is room for. */
static double rate_of(const setting *g, int64_t layer, int64_t prompt)
{
    const double room = fmin(rates[layer], 1 - rates[layer]) / 2;
    return g->kinds == 1 ? rates[layer] : rates[layer] + (prompt % g->kinds % 2 ? room : -room);
}

static double truth_of(const setting *g, int64_t layer)
{
    double sum = 0;
    for (int64_t p = 0; p < g->prompts; p++)
        sum += rate_of(g, layer, p);
    return sum / (double)g->prompts;
}

/* Half of the twins do what their prompt's first case did, the others draw anew. */
static void draw_hits(ns_scores *s, const setting *g, ns_rng *rng)
{
    const int64_t each = g->twins ? TWINS : 1;
    for (int64_t i = 0; i < s->n_cases; i++)
        for (int64_t h = 0; h < N; h++) {
            const bool anew = ns_rng_uniform(rng) < rate_of(g, h / TRIALS, i / each), same = i % each && ns_rng_below(rng, 2);
            s->outputs[0][0][i * N + h] = same ? s->outputs[0][0][(i - i % each) * N + h] : (float)anew;
            s->outputs[0][1][i * N + h] = 1;
        }
}

static ns_scores *make(const setting *g, ns_rng *rng)
{
    const int64_t each = g->twins ? TWINS : 1, C = g->prompts * each;
    ns_scores *const s = ns_alloc_array(1, sizeof *s);
    *s = (ns_scores){.L = RATES, .H = TRIALS, .n_probes = 1, .n_scores = 1, .n_cases = C, .probes = {&probe}, .defs = {&defs[0]}};
    s->kinds = ns_alloc_array(RATES, sizeof *s->kinds);
    s->windows = ns_alloc_array(N, sizeof *s->windows);
    s->valid = ns_alloc_array(N, 1);
    s->group = ns_alloc_array(RATES, sizeof *s->group);
    s->scratch = ns_alloc_array(2 * N, sizeof *s->scratch);
    s->cases = ns_alloc_array((size_t)C, sizeof *s->cases);
    s->values[0] = ns_alloc_array(N, sizeof(float));
    for (int o = 0; o < 2; o++)
        s->outputs[0][o] = ns_alloc_array((size_t)(C * N), sizeof(float));
    memset(s->valid, 1, N);
    for (int l = 0; l < RATES; l++)
        s->kinds[l] = ns_layer_kind_name(NS_LAYER_FULL);
    for (int64_t i = 0; i < C; i++)
        s->cases[i] = (ns_case_result){.id = ns_printf_alloc("%d", (int)i), .value_type = ns_printf_alloc("%d", (int)(i / each % g->kinds)),
                                       .template_name = ns_strdup("t"),
                                       .n_answer = 1, .prompt = i / each};
    draw_hits(s, g, rng);
    ns_scores_weigh(s, 0, NULL, s->values[0]);
    return s;
}

static double coverage(const ns_scores *s, int64_t layer, double truth)
{
    int64_t held = 0;
    for (int64_t h = 0; h < TRIALS; h++) {
        ns_head_stats st;
        assert_true(ns_scores_head(s, 0, layer, h, &st));
        assert_true(st.low <= st.value && st.value <= st.high && st.low >= 0 && st.high <= 1);
        held += (double)st.low <= truth + 1e-6 && truth <= (double)st.high + 1e-6;
    }
    return (double)held / TRIALS;
}

/* One case a prompt with some events, whose hits are beta-binomial: any two have the correlation icc. After h hits in e events the next is
 * one with ((1 - icc) rate + icc h) / (1 - icc + icc e) (Polya's urn). */
static void draw_alike(ns_scores *s, int64_t events, double icc, ns_rng *rng)
{
    for (int64_t i = 0; i < s->n_cases * N; i++) {
        const double rate = alike_rates[i % N / TRIALS];
        int64_t hits = 0;
        for (int64_t e = 0; e < events; e++)
            hits += ns_rng_uniform(rng) < ((1 - icc) * rate + icc * (double)hits) / (1 - icc + icc * (double)e);
        s->outputs[0][0][i] = (float)hits;
        s->outputs[0][1][i] = (float)events;
    }
    ns_scores_weigh(s, 0, NULL, s->values[0]);
}

/* Several events a prompt. The table of docs/measures.md has the least of the five rates; SAY_COVERAGE prints them all. */
static void test_alike(void **state)
{
    (void)state;
    static const int64_t sizes[] = {6, 12, 24, 72}, events[] = {1, 6, 12};
    static const double icc[] = {0, .3, .7};
    ns_error err = {0};
    ns_rng rng = ns_rng_seed(13, 0);
    double sum = 0;
    for (int z = 0; z < 4; z++)
        for (int e = 0; e < 3; e++)
            for (int c = 0; c < 3; c++) {
                const setting g = {sizes[z], 1, false};
                ns_scores *const s = make(&g, &rng);
                draw_alike(s, events[e], icc[c], &rng);
                OK(ns_scores_rank(s, &(ns_ranking_params){.size = sizeof(ns_ranking_params), .resamples = 200, .seed = 1}, &err));
                for (int64_t l = 0; l < RATES; l++) {
                    const double held = coverage(s, l, alike_rates[l]);
                    if (!(held >= .9))
                        fail_msg("%d prompts of %d events with correlation %.1f, rate %.2f: %.3f of the intervals hold the truth",
                                 (int)sizes[z], (int)events[e], icc[c], alike_rates[l], held);
                    sum += held / (4 * 3 * 3 * RATES);
                    if (getenv("SAY_COVERAGE"))
                        print_message("%2d %2d %.1f %.2f %.3f\n", (int)sizes[z], (int)events[e], icc[c], alike_rates[l], held);
                }
                ns_scores_free(s);
            }
    if (!(sum > .94 && sum < .985))
        fail_msg("%.3f of the intervals hold the truth", sum);
}

/* Four prompts, of 3, 3, 2 and 2 events; all hit in two, some in one, none in one. By hand: (sum m)^2 / sum m^2 = 100 / 26; two of the
 * prompts have a miss; 1 / n = (2 / 8 + 26 / 100) / 3. */
static void test_events(void **state)
{
    (void)state;
    ns_case_result cases[5] = {{.prompt = 0}, {.prompt = 1}, {.prompt = 2}, {.prompt = 3}, {.prompt = 3}};   /* the last is a twin */
    const float hits[5] = {3, 3, 1, 0, 0}, events[5] = {3, 3, 2, 1, 1}, ones[5] = {1, 1, 1, 1, 0};
    double scratch[4];
    const ns_units u = {.n_cases = 5, .n_prompts = 4, .cases = cases};
    assert_near(ns_units_events(&u, hits, events, 1, 8, scratch), 3 / (2 / 8. + .26), 1e-12);
    assert_near(ns_units_events(&u, events, events, 1, 8, scratch), 100. / 26, 1e-12);       /* no prompt tells */
    assert_near(ns_units_events(&u, hits, events, 1, 0, scratch), 100. / 26, 1e-12);         /* they do not vary */
    assert_true(ns_units_events(&u, hits, events, 1, 3, scratch) == 3);
    assert_true(ns_units_events(&u, (const float[]){1, 1, 0, 0, 0}, ones, 1, 3.7, scratch) == 3.7);
    assert_true(ns_units_events(&u, ones, ones, 1, 0, scratch) == 4);
}

static void test_coverage(void **state)
{
    (void)state;
    static const int64_t sizes[] = {6, 12, 24, 72}, kinds[] = {1, 2, 6};
    ns_error err = {0};
    ns_rng rng = ns_rng_seed(12, 0);
    double sum = 0;
    int cells = 0;
    for (int z = 0; z < 4; z++)
        for (int k = 0; k < 3; k++)
            for (int twins = 0; twins < 2; twins++) {
                const setting g = {sizes[z], kinds[k], twins};
                ns_scores *const s = make(&g, &rng);
                OK(ns_scores_rank(s, &(ns_ranking_params){.size = sizeof(ns_ranking_params), .resamples = 300, .seed = 1}, &err));
                for (int64_t l = 0; l < RATES; l++) {
                    const double held = coverage(s, l, truth_of(&g, l));
                    if (held < .9)
                        fail_msg("%d prompts%s of %d kinds, rate %.2f: %.3f of the intervals hold the truth", (int)g.prompts,
                                 twins ? " with twins" : "", (int)g.kinds, rates[l], held);
                    sum += rates[l] < 1 ? held : 0;
                    cells += rates[l] < 1;
                    if (getenv("SAY_COVERAGE"))
                        print_message("%2d %d %d %.2f %.3f\n", (int)g.prompts, (int)g.kinds, twins, rates[l], held);
                }
                ns_scores_free(s);
            }
    /* Counts are whole, so that a single cell may hold the truth always (0 of 12 does for every rate below .24); on the whole intervals are
     * not too wide. */
    if (!(sum / cells > .94 && sum / cells < .985))
        fail_msg("%.3f of the intervals hold the truth", sum / cells);
}

/* Newcombe 1998 (Statistics in Medicine 17, 857-872), table I, method 3. */
static void test_wilson(void **state)
{
    (void)state;
    static const struct { double hits, n, low, high; } table[] = {
        {81, 263, .2553, .3662}, {15, 148, .0624, .1605}, {0, 20, .0000, .1611}, {1, 29, .0061, .1718},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        double low, high;
        ns_wilson(table[i].hits, table[i].n, &low, &high);
        assert_near(low, table[i].low, 5.1e-5);
        assert_near(high, table[i].high, 5.1e-5);
    }
}

/* Brown, Cai and DasGupta 2001, Statistical Science 16, 101-133, section 4.1.1: the lower end of 1 hit is -log(.95) / n. */
static void test_few_hits(void **state)
{
    (void)state;
    double low, high;
    ns_rate_interval(1, 6, &low, &high);
    assert_near(low, -log(.95) / 6, 1e-9);
    ns_rate_interval(5, 6, &low, &high);
    assert_near(high, 1 + log(.95) / 6, 1e-9);
    ns_rate_interval(10, 20, &low, &high);               /* elsewhere it is Wilson's; scipy 1.17.1: binomtest(10,
                                                          * 20).proportion_ci(method="wilson") */
    assert_near(low, .29929801, 1e-8);
    assert_near(high, .70070199, 1e-8);
}

/* Quantiles as every table of Student's t has them. */
static void test_student(void **state)
{
    (void)state;
    static const struct { int64_t freedom; double t; } table[] = {{1, 12.706}, {2, 4.303}, {3, 3.182}, {5, 2.571}, {11, 2.201}, {30, 2.042},
                                                                  {60, 2.000}, {120, 1.980}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        assert_near(ns_student(table[i].freedom), table[i].t, 5.1e-4);
    assert_true(ns_expanded_tail(6, 6) < 0);
    assert_near(ns_expanded_tail(1000000, 1), .025, 1e-5);
    assert_near(ns_expanded_tail(6, 1), .0024318, 6e-7);        /* scipy 1.17.1: norm.cdf(-(6 / 5) ** .5 * t.ppf(.975, 5)) */
}

/* ---- recoveries, and influence by distance ---- */

enum { EXPERIMENTS = 1500, MOST_PROMPTS = 24, EACH = 2 };       /* EACH: pairs of a prompt */

/* What a pair's source is ahead by, and what of it a patch brings back: .5 of it on the whole. Pairs of a prompt are equal. */
static void draw_pairs(ns_patching *o, ns_rng *rng, bool skewed)
{
    for (int64_t i = 0; i < o->C; i++) {
        const double worth = skewed ? -6 * log(1 - ns_rng_uniform(rng)) : 8 + 3 * ns_rng_normal(rng);
        const double part = skewed ? ns_rng_uniform(rng) * worth : .5 * worth + 3 * ns_rng_normal(rng);
        const bool same = i % EACH;
        o->difference[i] = -1;
        o->source_difference[i] = same ? o->source_difference[i - 1] : (float)worth - 1;
        o->difference[o->C + i] = same ? o->difference[o->C + i - 1] : (float)part - 1;
    }
}

static double recovery_coverage(int64_t prompts, bool skewed, ns_rng *rng)
{
    const ns_patch_params p = {.size = sizeof p, .resamples = 1000};
    float difference[2 * EACH * MOST_PROMPTS], source[EACH * MOST_PROMPTS];
    uint8_t says[2 * EACH * MOST_PROMPTS] = {0};
    ns_patch_pair pairs[EACH * MOST_PROMPTS] = {0};
    ns_patch_condition list[2] = {0};
    ns_error err = {0};
    ns_patching o = {.list = list, .n = 2, .C = EACH * prompts, .difference = difference, .source_difference = source, .says_source = says};
    ns_patch_run r = {.p = &p, .pairs = pairs, .out = &o, .err = &err};
    int held = 0;
    for (int64_t i = 0; i < o.C; i++)
        pairs[i].prompt = i / EACH;
    for (int k = 0; k < EXPERIMENTS; k++) {
        draw_pairs(&o, rng, skewed);
        OK(ns_patch_reduce(&r));
        assert_int_equal(o.n_prompts, prompts);
        const ns_recovery found = list[1].recovery;
        assert_true(isnan(found.low) == (prompts < NS_INTERVAL_FEWEST) && !isnan(found.value));
        held += found.low <= .5 && .5 <= found.high;
    }
    return (double)held / EXPERIMENTS;
}

/* Plain quantiles held .82 for 5 prompts, .87 for 6 and .90 for 12. */
static void test_recovery(void **state)
{
    (void)state;
    static const struct { int64_t prompts; double least, most; } want[] = {{4, 0, 0}, {5, .90, .97}, {6, .90, .97},
                                                                           {12, .91, .98}, {24, .92, .98}};
    ns_rng rng = ns_rng_seed(16, 0);
    for (size_t i = 0; i < sizeof want / sizeof *want; i++)
        for (int skewed = 0; skewed < 2; skewed++) {
            const double held = recovery_coverage(want[i].prompts, skewed, &rng);
            if (!(held >= want[i].least && held <= want[i].most))
                fail_msg("%d prompts%s: %.3f of the intervals hold the truth", (int)want[i].prompts, skewed ? ", skewed" : "", held);
        }
}

/* Six texts, of which two reach the last bin and one the last but one: each bin's interval is of the texts that reach it. */
static void test_bins(void **state)
{
    (void)state;
    enum { TEXTS = 6, LENGTH = 6 };
    int64_t count[LENGTH], tokens[TEXTS] = {6, 6, 5, 4, 4, 4}, bin[] = {0, 2, 4, 5, 6};
    float norm[TEXTS * LENGTH];
    ns_rng rng = ns_rng_seed(17, 0);
    ns_error err = {0};
    ns_gradient_value binned[4], relative[4];
    double sum[LENGTH], mean[LENGTH], beyond[LENGTH];
    ns_gradient g = {.C = TEXTS, .N = LENGTH, .B = 4, .window = 3, .bin = bin, .count = count, .text_tokens = tokens};
    ns_gradient_curve c = {.norm = norm, .sum = sum, .mean = mean, .relative = beyond, .binned = binned, .binned_relative = relative};
    for (int i = 0; i < TEXTS * LENGTH; i++)
        norm[i] = (float)(1 + ns_rng_uniform(&rng));
    OK(ns_gradient_reduce(&g, &c, 1000, &err));
    for (int b = 0; b < 4; b++) {
        assert_true(isnan(binned[b].low) == (b > 1) && isnan(binned[b].high) == (b > 1) && binned[b].value > 1);
        assert_true(isnan(relative[b].low) == (b > 1) && relative[b].value > 0);
    }
    assert_true(binned[0].low < binned[0].value && binned[0].value < binned[0].high && c.beyond.low < c.beyond.value && c.ratio.low > 0);
}

/* 12 of 12 is not [1, 1]; nor is 0 of 12 [0, 0]. */
static void test_all_agree(void **state)
{
    (void)state;
    const setting g = {12, 1, false};
    ns_rng rng = ns_rng_seed(1, 0);
    ns_error err = {0};
    ns_scores *const s = make(&g, &rng);
    ns_head_stats st;
    for (int64_t i = 0; i < 12; i++)
        s->outputs[0][0][i * N] = 0;
    ns_scores_weigh(s, 0, NULL, s->values[0]);
    OK(ns_scores_rank(s, NULL, &err));
    assert_true(ns_scores_head(s, 0, 4, 0, &st) && st.value == 1 && st.high == 1);
    assert_near(st.low, .75750599, 1e-7);          /* scipy 1.17.1: binomtest(12, 12).proportion_ci(method="wilson") */
    assert_true(ns_scores_head(s, 0, 0, 0, &st) && st.value == 0 && st.low == 0 && isnan(st.p_top4));
    assert_near(st.high, .24249401, 1e-7);
    ns_scores_free(s);
}

/* Kinds of 11, 4 and 3 prompts: the small ones are one stratum, which is too small and takes the third in; of 11, 6 and 6 they are one of
 * 12. */
static void test_pooling(void **state)
{
    (void)state;
    ns_error err = {0};
    ns_units u;
    ns_case_result cases[40] = {0};
    int64_t kind[40];
    ns_scores s = {.cases = cases, .n_cases = 18};
    for (int64_t i = 0; i < 40; i++)
        cases[i].prompt = i;
    for (int64_t i = 0; i < 18; i++)
        kind[i] = i < 11 ? 0 : i < 15 ? 1 : 2;
    OK(ns_units_find(&u, &s, kind, 3, &err));
    assert_true(u.n_prompts == 18 && u.n_strata == 1 && u.n_pooled == 3 && u.size[0] == 18);
    ns_units_free(&u);
    s.n_cases = 23;
    for (int64_t i = 0; i < 23; i++)
        kind[i] = i < 11 ? 0 : i < 17 ? 1 : 2;
    OK(ns_units_find(&u, &s, kind, 3, &err));
    assert_true(u.n_strata == 2 && u.n_pooled == 2 && u.size[0] == 11 && u.size[1] == 12);
    ns_units_free(&u);
    for (int64_t i = 0; i < 23; i++)              /* nor do twins make a kind large: 23 cases, 8 prompts */
        cases[i].prompt = i / 3;
    OK(ns_units_find(&u, &s, kind, 3, &err));
    assert_true(u.n_prompts == 8 && u.n_strata == 1);
    ns_units_free(&u);
    for (int64_t i = 0; i < 40; i++) { /* 20 prompts of two kinds, their twins of two others, which have no prompts */
        cases[i].prompt = i / 2;
        kind[i] = i / 20 + (i % 2 ? 2 : 0);
    }
    s.n_cases = 40;
    OK(ns_units_find(&u, &s, kind, 4, &err));
    assert_true(u.n_prompts == 20 && u.n_strata == 2 && u.n_pooled == 0 && u.size[0] == 10 && u.size[1] == 10);
    ns_units_free(&u);
}

static void expect_prompts(const char *const twin_of[6], const int64_t want[6])
{
    static const char *const ids[] = {"a", "b", "c", "d", "e", "f"};
    ns_case list[6];
    const ns_case *cases[6];
    ns_case_result out[6] = {0};
    for (int i = 0; i < 6; i++) {
        list[i] = (ns_case){.id = (char *)ids[i], .twin_of = (char *)twin_of[i]};
        cases[i] = &list[i];
    }
    ns_number_prompts(out, cases, 6);
    for (int i = 0; i < 6; i++)
        assert_int_equal(out[i].prompt, want[i]);
}

/* A twin of a twin is of the same prompt, and so are twins of a case that is not here; wherever their ids lie, and named in a ring. */
static void test_prompts(void **state)
{
    (void)state;
    expect_prompts((const char *[]){NULL, "gone", "d", "a", "gone", NULL}, (int64_t[]){0, 1, 0, 0, 1, 2});
    expect_prompts((const char *[]){"b", "c", NULL, "e", NULL, "e"}, (int64_t[]){0, 0, 0, 1, 1, 1});
    expect_prompts((const char *[]){"b", "a", "c", "e", "f", "d"}, (int64_t[]){0, 0, 1, 2, 2, 2});
    expect_prompts((const char *[]){"f", "gone", "f", "gone2", NULL, NULL}, (int64_t[]){0, 1, 0, 2, 3, 0});
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_wilson),    cmocka_unit_test(test_few_hits), cmocka_unit_test(test_student),
                                       cmocka_unit_test(test_all_agree), cmocka_unit_test(test_pooling),  cmocka_unit_test(test_prompts),
                                       cmocka_unit_test(test_events),    cmocka_unit_test(test_coverage), cmocka_unit_test(test_alike),
                                       cmocka_unit_test(test_recovery),  cmocka_unit_test(test_bins)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
