/* test_batch.c - sharing prefixes, on random cases that branch often: the sessions that serve a case hold each of its positions exactly
 * once, with its tokens; parents come first; and rows are saved where cases begin alike. */
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_random), cmocka_unit_test(test_shapes)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
