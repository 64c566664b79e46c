/* test_batch.c - sharing prefixes, on random cases that branch often: the sessions that serve a case hold each of its positions exactly
 * once, with its tokens; parents come first; rows are saved where cases begin alike; groups fit a wave. On a grid of one needle, 10 lengths
 * and 10 depths, what a run counts is what the tree of its prompts has, teacher-forced and decoded. */
#include "harness.h"

#include "model/internal.h"
#include "score.h"

static char folder[] = "/tmp/ns-batch-XXXXXX";

/* n cases over two letters that copy the case before them for a while; some are equal, some are prefixes of others. */
static void branching(ns_cases *cases, int n, int64_t longest, ns_rng *rng)
{
    for (int i = 0; i < n; i++) {
        ns_case c = {.id = ns_printf_alloc("case-%d", i), .n_tokens = 1 + ns_rng_below(rng, longest), .n_answer = ns_rng_below(rng, 4)};
        c.tokens = ns_alloc_array((size_t)c.n_tokens, sizeof *c.tokens);
        c.answer = ns_alloc_array((size_t)c.n_answer, sizeof *c.answer);
        const ns_case *const before = i > 0 ? &cases->list[i - 1] : NULL;
        const int64_t same = before ? ns_rng_below(rng, before->n_tokens + 1) : 0;
        for (int64_t t = 0; t < c.n_tokens; t++)
            c.tokens[t] = before && t < same ? before->tokens[t] : (int32_t)ns_rng_below(rng, 2);
        for (int64_t t = 0; t < c.n_answer; t++)
            c.answer[t] = (int32_t)ns_rng_below(rng, 2);
        assert_int_equal(ns_cases_add(cases, &c, NULL), NS_OK);
    }
}

static int32_t token_of(const ns_case *c, int64_t i)
{
    return i < c->n_tokens ? c->tokens[i] : c->answer[i - c->n_tokens];
}

/* The sessions of one case, in list order, tile [0, length). */
static void check_case(const ns_batch *batch, const ns_case *c, int64_t index)
{
    int64_t at = 0;
    for (int64_t i = 0; i < batch->n; i++) {
        const ns_session *const s = batch->list[i];
        for (int64_t k = 0; k < s->n_served; k++) {
            if (s->served[k].case_index != index)
                continue;
            assert_ptr_equal(s->served[k].c, c);
            assert_int_equal(s->fork_at, at);
            for (; at < s->n_tokens; at++)
                assert_int_equal(s->tokens[at], token_of(c, at));
        }
    }
    assert_int_equal(at, ns_case_length(c));
}

static int64_t check_batch(const ns_model *model, const ns_cases *cases, bool share)
{
    ns_batch batch;
    ns_error err = {0};
    const ns_case **const list = ns_alloc_array((size_t)cases->n, sizeof *list);
    int64_t *const index = ns_alloc_array((size_t)cases->n, sizeof *index), rows = 0;
    for (int64_t i = 0; i < cases->n; i++) {
        list[i] = &cases->list[i];
        index[i] = 1000 + i;
    }
    OK(ns_batch_build(&batch, model, list, index, cases->n, share, &err));
    for (int64_t i = 0; i < cases->n; i++)
        check_case(&batch, list[i], index[i]);
    for (int64_t i = 0; i < batch.n; i++) {
        const ns_session *const s = batch.list[i];
        bool found = !s->parent;
        for (int64_t j = 0; j < i && !found; j++)
            found = batch.list[j] == s->parent;
        assert_true(found);
        assert_true(s->n_tokens > s->fork_at);
        rows += s->n_tokens - s->fork_at;
    }
    ns_batch_clear(&batch);
    free(list);
    free(index);
    return rows;
}

static void test_random(void **state)
{
    (void)state;
    loaded m = load(folder, 1, NULL, 0);
    ns_rng rng = ns_rng_seed(1, 1);
    int64_t shared = 0, plain = 0;
    for (int round = 0; round < 40; round++) {
        ns_cases cases = {0};
        branching(&cases, 1 + (int)ns_rng_below(&rng, 30), round % 2 ? 200 : 5, &rng);
        const int64_t with = check_batch(m.model, &cases, true), without = check_batch(m.model, &cases, false);
        assert_true(with <= without);
        shared += with;
        plain += without;
        ns_cases_clear(&cases);
    }
    assert_true(shared * 5 < plain * 4);
    unload(&m);
}

/* Equal prompts cost one; nested prefixes deeper than the builder shares still come out whole. */
static void test_shapes(void **state)
{
    (void)state;
    loaded m = load(folder, 1, NULL, 0);
    ns_cases equal = {0}, nested = {0};
    for (int i = 0; i < 100; i++) {
        ns_case c = {.id = ns_printf_alloc("equal-%d", i), .n_tokens = 50, .tokens = ns_alloc_array(50, sizeof(int32_t))};
        assert_int_equal(ns_cases_add(&equal, &c, NULL), NS_OK);
        c = (ns_case){.id = ns_printf_alloc("nested-%d", i),
                      .n_tokens = 40 * (i + 1),
                      .tokens = ns_alloc_array((size_t)(40 * (i + 1)), sizeof(int32_t))};
        assert_int_equal(ns_cases_add(&nested, &c, NULL), NS_OK);
    }
    assert_int_equal(check_batch(m.model, &equal, true), 50);
    assert_true(check_batch(m.model, &nested, true) < check_batch(m.model, &nested, false));
    ns_cases_clear(&equal);
    ns_cases_clear(&nested);
    unload(&m);
}

/* [10 lengths, 10 depths] of one needle each. */
static void grid(ns_cases *cases)
{
    static const int64_t lengths[] = {40, 80, 120, 160, 200, 240, 280, 320, 360, 400};
    static const double depths[] = {0, 1 / 9., 2 / 9., 3 / 9., 4 / 9., 5 / 9., 6 / 9., 7 / 9., 8 / 9., 1};
    ns_error err = {0};
    OK(ns_needle_cases(cases, &(ns_needle_params){.size = sizeof(ns_needle_params), .lengths = lengths, .n_lengths = 10, .depths = depths,
                                                  .n_depths = 10, .count = 1, .keys = 1, .seed = 3, .vocab = 512}, &err));
    assert_int_equal(cases->n, 100);
}

/* Nodes of the tree of prompts and answers[:-1], and all their tokens: each with the longest beginning that one before it has. */
static ns_row_count tree_of(const ns_cases *cases, bool answers)
{
    ns_row_count out = {0};
    for (int64_t i = 0; i < cases->n; i++) {
        const ns_case *const c = &cases->list[i];
        const int64_t n = c->n_tokens + (answers ? c->n_answer - 1 : 0);
        int64_t longest = 0;
        for (int64_t j = 0; j < i; j++) {
            int64_t same = 0;
            while (same < n && same < cases->list[j].n_tokens && token_of(c, same) == token_of(&cases->list[j], same))
                same++;
            longest = same > longest ? same : longest;
        }
        out.of_cases += n;
        out.run += n - longest;
    }
    return out;
}

static ns_row_count rows_of(const ns_cases *cases, const char *probe, bool no_sharing, float **values)
{
    ns_error err = {0};
    ns_scores *scores;
    ns_row_count rows = {0};
    loaded m = load(folder, 2, NULL, 0);
    OK(ns_score_run(&scores, m.model, cases, &(ns_score_params){.size = sizeof(ns_score_params), .probes = &probe, .n_probes = 1,
                                                                .no_sharing = no_sharing, .rows = &rows}, &err));
    const size_t n = (size_t)(ns_scores_layers(scores) * ns_scores_heads(scores)) * sizeof **values;
    *values = malloc(n);
    memcpy(*values, ns_scores_values(scores, 0), n);
    assert_int_equal(ns_scores_answered(scores), cases->n);
    ns_scores_free(scores);
    unload(&m);
    return rows;
}

/* A trunk of less than 32 rows is not worth a session: a few rows more than the tree. */
static void test_grid(void **state)
{
    (void)state;
    ns_cases cases = {0};
    float *shared, *plain;
    grid(&cases);
    const ns_row_count tree = tree_of(&cases, true), run = rows_of(&cases, "retrieval", false, &shared),
                       alone = rows_of(&cases, "retrieval", true, &plain);
    assert_int_equal(run.of_cases, tree.of_cases);
    assert_int_equal(alone.of_cases, tree.of_cases);
    assert_int_equal(alone.run, tree.of_cases);
    assert_true(run.run >= tree.run && run.run < tree.run + tree.run / 20);
    assert_true((double)run.run <= .65 * (double)run.of_cases);
    assert_memory_equal(shared, plain, 4 * sizeof *shared);
    free(shared);
    free(plain);
    ns_cases_clear(&cases);
}

/* Beside the rows of the pass for the accuracy: the tree of the prompts, whose last rows are each case's own, and the answer's rows (m
 * tokens: row T - 1 and m - 1 behind it), once unseen with the draft's last token and once seen. */
static void test_decoding(void **state)
{
    (void)state;
    ns_cases cases = {0};
    float *shared, *plain;
    grid(&cases);
    const int64_t m = cases.list[0].n_answer;
    const ns_row_count tree = tree_of(&cases, false), forced = rows_of(&cases, "retrieval", false, &shared);
    free(shared);
    const ns_row_count run = rows_of(&cases, "wu2024", false, &shared), alone = rows_of(&cases, "wu2024", true, &plain);
    assert_memory_equal(shared, plain, 4 * sizeof *shared);
    assert_int_equal(alone.run, alone.of_cases);
    assert_int_equal(run.of_cases, alone.of_cases);
    const int64_t after = run.of_cases - forced.of_cases - tree.of_cases;         /* rows that say more than a first token */
    assert_true(after > 100 * (m - 1));                                          /* wu2024 goes on behind the answer */
    assert_int_equal(run.run - forced.run, tree.run + after + 100 * (m + 1));
    assert_true(shared[2] > .9f);                                                /* 1.0: the planted head */
    free(shared);
    free(plain);
    ns_cases_clear(&cases);
}

/* Parents and children run in one wave, so a group is no larger than a wave is, but for trunks that are not worth a session; or it is one
 * case. */
static void test_waves(void **state)
{
    (void)state;
    ns_error err = {0};
    ns_cases cases = {0};
    ns_batch batch;
    grid(&cases);
    const ns_case *list[100];
    int64_t index[100], last = 0;
    for (int64_t i = 0; i < 100; i++) {
        list[i] = &cases.list[i];
        index[i] = i;
    }
    for (int64_t memory = 64 << 10; memory <= 8 << 20; memory *= 2) {
        loaded m = load(folder, 1, NULL, memory);
        const int64_t wave = ns_model_wave_rows(m.model);
        int64_t group = 0, rows = 0, largest = 0;
        OK(ns_batch_build(&batch, m.model, list, index, 100, true, &err));
        for (int64_t i = 0; i < batch.n; i++) {
            const ns_session *const s = batch.list[i];
            group = (s->parent ? group : 0) + s->n_tokens - s->fork_at;
            largest = s->parent && group > largest ? group : largest;
            rows += s->n_tokens - s->fork_at;
        }
        assert_true(wave >= 0 && largest <= (wave > 450 ? wave : 450) * 5 / 4);
        last = rows;
        ns_batch_clear(&batch);
        unload(&m);
    }
    assert_true((double)last <= .65 * (double)tree_of(&cases, true).of_cases);
    ns_cases_clear(&cases);
}

static int scale_span(void *user, const ns_site *site, ns_view *v, ns_error *err)
{
    (void)user;
    (void)err;
    for (int64_t r = 0; r < site->n_rows; r++)
        for (int64_t i = 0; i < v->shape[1]; i++)
            *ns_at(v, r, i, 0) *= i % 2 ? 1.5f : -1;
    return NS_OK;
}

/* Rows of one case that another begins with are not edited with it, nor once for each of them. */
static void test_edits(void **state)
{
    (void)state;
    ns_error err = {0};
    ns_cases cases = {0};
    const char *const probe = "entropy";
    float values[2][4];
    ns_hook hook = {.size = sizeof hook, .at = "hook_embed", .rows = {.kind = NS_ROWS_SPAN, .span = "needle"}, .edit = scale_span};
    grid(&cases);
    for (int spans = 0; spans < 2; spans++, hook.rows = (ns_rows){.kind = NS_ROWS_ALL}) {
        for (int alone = 0; alone < 2; alone++) {
            ns_scores *scores;
            loaded m = load(folder, 2, NULL, 0);
            OK(ns_score_run(&scores, m.model, &cases, &(ns_score_params){.size = sizeof(ns_score_params), .probes = &probe, .n_probes = 1,
                                                                         .one_at_a_time = alone, .hooks = &hook, .n_hooks = 1}, &err));
            memcpy(values[alone], ns_scores_values(scores, 0), sizeof values[alone]);
            ns_scores_free(scores);
            unload(&m);
        }
        assert_memory_equal(values[0], values[1], sizeof values[0]);
    }
    ns_cases_clear(&cases);
}

static int make_folder(void **state)
{
    (void)state;
    static const ns_head heads[] = {{1, 0}};
    const ns_plant_params p = {.size = sizeof p, .n_layers = 2, .n_heads = 2, .n_kv_heads = 1, .retrieval = heads, .n_retrieval = 1};
    return mkdtemp(folder) && ns_plant(folder, &p, NULL) == NS_OK ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    remove_plant(folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random), cmocka_unit_test(test_shapes), cmocka_unit_test(test_grid),
                                       cmocka_unit_test(test_decoding), cmocka_unit_test(test_waves), cmocka_unit_test(test_edits)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
