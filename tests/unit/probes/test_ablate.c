/* test_ablate.c - interventions on heads that are known: silencing the planted heads takes the answer away, others do not; noop is no
 * edit to the last bit; threads, scope by forks and whole runs agree where they must; what cannot be silenced is refused. */
#include "harness.h"

#include <needlescope/ablate.h>

static char folder[] = "/tmp/ns-ablate-XXXXXX";
static const ns_head heads[] = {{3, 1}, {4, 6}};
enum { ALL_MODES = 1u << NS_EDIT_ZERO_Z | 1u << NS_EDIT_MEAN_Z | 1u << NS_EDIT_UNIFORM_ATTN | 1u << NS_EDIT_KNOCKOUT };

static ns_ablation *run(int threads, ns_edit_scope scope, unsigned modes)
{
    ns_error err = {0};
    ns_cases cases = {0};
    ns_ablation *a = NULL;
    static const int64_t lengths[] = {40, 70};
    loaded m = load(folder, threads, NULL, 0);
    needle_cases(&cases, lengths, 2, 1, 3);
    const ns_ablate_params params = {.size = sizeof params, .heads = heads, .n_heads = 2, .modes = modes, .scope = scope, .draws = 3,
                                     .loss_cases = 2};
    OK(ns_ablate(&a, m.model, &cases, &params, &err));
    ns_cases_clear(&cases);
    unload(&m);
    return a;
}

/* The head nearest in norm to the planted ones is the previous-token head, of twice their norm: without it nothing is found either, and
 * no control is called matched. Controls that are alike: test_controls.c. */
static void planted_heads_matter(void **state)
{
    (void)state;
    ns_ablation *const a = run(2, NS_SCOPE_ALL, ALL_MODES);
    assert_int_equal(a->n, 2 + 4 * 4);
    assert_false(ns_match_holds(&a->controls.match));
    for (int k = 0; k < a->n; k++) {
        const ns_condition *const c = &a->list[k];
        const bool others = c->kind == NS_CONDITION_CONTROL && c->mode != NS_EDIT_KNOCKOUT_OTHERS;
        if (c->first != (c->kind == NS_CONDITION_TARGET || others ? 0 : 1))
            fail_msg("condition %d (%s, kind %d): first token right in %g of the cases", k, ns_edit_mode_name(c->mode), (int)c->kind,
                     c->first);
        if (others) {
            assert_true(!c->matched && (ns_head_is(c->heads[0], (ns_head){0, 0}) || ns_head_is(c->heads[1], (ns_head){0, 0})));
            assert_true(!ns_head_is(c->heads[0], heads[0]) && !ns_head_is(c->heads[1], heads[1]));
        }
    }
    assert_memory_equal(a->margin, a->margin + a->n_cases, (size_t)a->n_cases * sizeof *a->margin);        /* none, noop */
    assert_true(a->list[0].loss == a->list[1].loss);
    ns_ablation_free(a);
}

static void same_bits(const ns_ablation *a, const ns_ablation *b)
{
    assert_int_equal(a->n, b->n);
    assert_memory_equal(a->margin, b->margin, (size_t)(a->n * a->n_cases) * sizeof *a->margin);
    assert_memory_equal(a->content_right, b->content_right, (size_t)(a->n * a->n_cases) * sizeof *a->content_right);
}

static void threads_change_no_bit(void **state)
{
    (void)state;
    for (ns_edit_scope scope = NS_SCOPE_ALL; scope <= NS_SCOPE_DECODE; scope++) {
        const unsigned modes = scope == NS_SCOPE_PREFILL ? ALL_MODES & ~(1u << NS_EDIT_KNOCKOUT) : ALL_MODES;
        ns_ablation *const a = run(1, scope, modes), *const b = run(3, scope, modes);
        same_bits(a, b);
        ns_ablation_free(a);
        ns_ablation_free(b);
    }
}

/* Knockouts edit answer rows alone: with others they run whole, by themselves they fork from one prompt; the bits are the same. */
static void forks_change_no_bit(void **state)
{
    (void)state;
    ns_ablation *const whole = run(2, NS_SCOPE_ALL, 1u << NS_EDIT_ZERO_Z | 1u << NS_EDIT_KNOCKOUT),
        *const forked = run(2, NS_SCOPE_ALL, 1u << NS_EDIT_KNOCKOUT);
    const int64_t C = whole->n_cases, skip = 4;                   /* zero_z and its three controls */
    for (int k = 2; k < forked->n; k++)
        assert_memory_equal(forked->margin + k * C, whole->margin + (k + skip) * C, (size_t)C * sizeof(float));
    ns_ablation_free(whole);
    ns_ablation_free(forked);
}

static void refusals(void **state)
{
    (void)state;
    ns_error err = {0};
    ns_cases cases = {0};
    ns_ablation *a = NULL;
    static const int64_t lengths[] = {40};
    static const ns_head nowhere[] = {{3, 99}}, twice[] = {{3, 1}, {3, 1}};
    loaded m = load(folder, 1, NULL, 0);
    needle_cases(&cases, lengths, 1, 1, 3);
    ns_ablate_params params = {.size = sizeof params, .heads = nowhere, .n_heads = 1, .modes = ALL_MODES};
    assert_int_equal(ns_ablate(&a, m.model, &cases, &params, &err), NS_E_ARG);
    assert_non_null(strstr(err.message, "layer 3 has heads 0 to 7"));
    params.heads = twice;
    params.n_heads = 2;
    assert_int_equal(ns_ablate(&a, m.model, &cases, &params, &err), NS_E_ARG);
    assert_non_null(strstr(err.message, "named twice"));
    params.heads = heads;
    params.scope = NS_SCOPE_PREFILL;
    assert_int_equal(ns_ablate(&a, m.model, &cases, &params, &err), NS_E_ARG);
    assert_non_null(strstr(err.message, "knockout with scope prefill"));
    params.scope = NS_SCOPE_ALL;
    ns_cases none = {0};
    assert_int_equal(ns_ablate(&a, m.model, &none, &params, &err), NS_E_ARG);
    assert_null(a);
    ns_cases_clear(&cases);
    unload(&m);
}

typedef struct found { int64_t first_right, n_cases; int n_axes, n_texts, n_arrays; } found;

static int look(void *user, const ns_array *a, ns_error *err)
{
    (void)err;
    found *const f = user;
    f->n_axes += !a->text && strcmp(a->name, a->axes) == 0;
    f->n_texts += a->text != NULL;
    f->n_arrays++;
    if (strcmp(a->name, "case_id") == 0)
        f->n_cases = a->view.shape[0];
    for (int64_t i = 0; strcmp(a->name, "first_right") == 0 && i < a->view.shape[0]; i++)
        f->first_right += ((const uint8_t *)a->view.data)[i];
    return NS_OK;
}

static int stop_at_case_id(void *user, const ns_array *a, ns_error *err)
{
    ++*(int *)user;
    return strcmp(a->name, "case_id") ? NS_OK : ns_fail(err, NS_E_IO, "enough");
}

/* A score run takes edits: with the planted heads at their mean z the answer is gone, as in the ablation; with noop nothing is. */
static void scores_under_edits(void **state)
{
    (void)state;
    ns_error err = {0};
    ns_cases cases = {0};
    static const int64_t lengths[] = {40, 70};
    static const char *const probes[] = {"retrieval_find"};
    loaded m = load(folder, 2, NULL, 0);
    needle_cases(&cases, lengths, 2, 1, 3);
    const int64_t H = ns_arch_max_heads(m.arch), d = ns_arch_max_head_dim(m.arch);
    float *const means = calloc((size_t)(m.arch->n_layers * H * d), sizeof *means), *const mean = calloc((size_t)(2 * d), sizeof *mean);
    OK(ns_mean_z(m.model, &cases, NS_SCOPE_ALL, means, &err));
    for (int i = 0; i < 2; i++)
        memcpy(mean + i * d, means + (heads[i].layer * H + heads[i].head) * d, (size_t)d * sizeof *mean);
    for (ns_edit_mode mode = NS_EDIT_NOOP; mode <= NS_EDIT_MEAN_Z; mode++) {
        const ns_edit edit = {.size = sizeof edit, .mode = mode, .heads = heads, .n_heads = 2, .mean = mean};
        ns_score_params params = {.size = sizeof params, .probes = probes, .n_probes = 1};
        ns_edits *edits;
        ns_scores *scores;
        found f = {0};
        int seen = 0;
        OK(ns_edits_new(&edits, m.arch, &edit, 1, NULL, NULL, &err));
        params.hooks = ns_edits_hooks(edits, &params.n_hooks);
        OK(ns_score_run(&scores, m.model, &cases, &params, &err));
        OK(ns_scores_each(scores, look, &f, &err));
        assert_int_equal(f.n_cases, cases.n);
        assert_int_equal(f.first_right, mode == NS_EDIT_NOOP ? cases.n : 0);
        assert_int_equal(f.n_axes, 4);                        /* case, answer, layer, head */
        assert_int_equal(f.n_texts, 6);                       /* ids, value types, templates, twins, layer kinds, scalings of RoPE */
        assert_true(f.n_arrays > 20);
        assert_int_equal(ns_scores_each(scores, stop_at_case_id, &seen, &err), NS_E_IO);
        assert_int_equal(seen, 5);
        ns_scores_free(scores);
        ns_edits_free(edits);
    }
    free(means);
    free(mean);
    ns_cases_clear(&cases);
    unload(&m);
}

static int setup(void **state)
{
    (void)state;
    ns_error err = {0};
    if (!mkdtemp(folder))
        return -1;
    return ns_plant(folder, &(ns_plant_params){.size = sizeof(ns_plant_params), .window = 24}, &err);
}

static int teardown(void **state)
{
    (void)state;
    remove_plant(folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(planted_heads_matter), cmocka_unit_test(threads_change_no_bit),
                                       cmocka_unit_test(forks_change_no_bit),
                                       cmocka_unit_test(refusals), cmocka_unit_test(scores_under_edits)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
