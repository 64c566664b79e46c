/* test_order.c - the order in which cases are given changes nothing of a file of ablate or patch, not even what is said of the cases
 * that were dropped; losses are taken over cases of every kind. */
#include "harness.h"

#include <needlescope/ablate.h>
#include <needlescope/patch.h>

static char folder[] = "/tmp/ns-order-XXXXXX";
enum { ORDERS = 4 };

/* Needles and their twins, of three kinds that do not lie beside each other by id; three that cannot be used, for two reasons. */
static void mixed_cases(ns_cases *cases)
{
    static const double depths[] = {0, .5, 1};
    static const int64_t lengths[] = {40};
    static const char *const kinds[] = {"{\"value_type\": \"digits\", \"template\": \"noise\"}",
                                        "{\"value_type\": \"words\", \"template\": \"noise\"}",
                                        "{\"value_type\": \"words\", \"template\": \"essay\"}"};
    ns_error err = {0};
    const ns_needle_params p = {.size = sizeof p, .lengths = lengths, .n_lengths = 1, .depths = depths, .n_depths = 3, .count = 4,
                                .seed = 3, .vocab = 512,
                                .twins = NS_TWIN_SWAP};
    OK(ns_needle_cases(cases, &p, &err));
    for (int64_t i = 0; i < cases->n; i++) {
        free(cases->list[i].meta);
        cases->list[i].meta = strdup(kinds[i < cases->n / 2 ? 0 : i % 3]);
    }
    cases->list[3].n_answer = 0;
    cases->list[9].tokens[0] = 600;
    cases->list[14].n_answer = 0;
}

/* The same cases: as they are, turned round, and in steps of 5 and 7, which reach each of the 24 once. */
static void reorder(ns_cases *cases, int order)
{
    static const int64_t steps[ORDERS] = {1, -1, 5, 7};
    ns_case *const copy = malloc((size_t)cases->n * sizeof *copy);
    memcpy(copy, cases->list, (size_t)cases->n * sizeof *copy);
    assert_int_equal(cases->n, 24);
    for (int64_t i = 0; i < cases->n; i++)
        cases->list[i] = copy[((i * steps[order]) % cases->n + cases->n) % cases->n];
    free(copy);
}

typedef void write_fn(const ns_model *, const ns_cases *, const char *path);

static const ns_head heads[] = {{3, 1}, {4, 6}};

static void write_ablation(const ns_model *m, const ns_cases *cases, const char *path)
{
    ns_error err = {0};
    ns_ablation *a;
    const ns_ablate_params params = {.size = sizeof params, .heads = heads, .n_heads = 2,
                                     .modes = 1u << NS_EDIT_ZERO_Z | 1u << NS_EDIT_KNOCKOUT, .draws = 2,
                                     .loss_cases = 6};
    OK(ns_ablate(&a, m, cases, &params, &err));
    assert_int_equal(a->n_cases, 21);
    assert_int_equal(a->n_reasons, 2);
    OK(ns_ablation_write(a, path, NULL, &err));
    ns_ablation_free(a);
}

static void patch_to(const ns_model *m, const ns_cases *cases, const char *path, bool noising)
{
    ns_error err = {0};
    ns_patching *p;
    const ns_patch_params params = {.size = sizeof params, .heads = heads, .n_heads = 2, .draws = 2, .no_map = true, .noising = noising,
                                    .resamples = 20};
    OK(ns_patch(&p, m, cases, &params, &err));
    if (p->C < 9 || p->n_reasons != 2)
        fail_msg("%lld pairs, %d reasons", (long long)p->C, p->n_reasons);
    OK(ns_patching_write(p, path, NULL, &err));
    ns_patching_free(p);
}

static void write_denoising(const ns_model *m, const ns_cases *cases, const char *path) { patch_to(m, cases, path, false); }
static void write_noising(const ns_model *m, const ns_cases *cases, const char *path)   { patch_to(m, cases, path, true); }

static void hash_of(write_fn *write, int order, bool all_of_one, char hash[80])
{
    ns_error err = {0};
    ns_cases cases = {0};
    ns_file *f;
    char path[64];
    snprintf(path, sizeof path, "%s/scores.h5", folder);
    loaded m = load(folder, 1 + order % 2, NULL, 0);
    mixed_cases(&cases);
    /* every twin is of the case called first: noising, they share a destination */
    for (int64_t i = 0; i < cases.n && all_of_one; i++)
        if (cases.list[i].twin_of) {
            free(cases.list[i].twin_of);
            cases.list[i].twin_of = strdup(cases.list[0].id);
        }
    reorder(&cases, order);
    write(m.model, &cases, path);
    OK(ns_file_open(&f, path, &err));
    snprintf(hash, 80, "%s", ns_file_fact(f, "content_sha256"));
    ns_file_close(f);
    assert_int_equal(unlink(path), 0);       /* the next may be of another kind */
    ns_cases_clear(&cases);
    unload(&m);
}

static void order_changes_no_hash(void **state)
{
    (void)state;
    static const struct { write_fn *write; bool all_of_one; } all[] = {{write_ablation, false}, {write_denoising, false},
                                                                       {write_noising, false}, {write_noising, true}};
    for (size_t k = 0; k < sizeof all / sizeof *all; k++) {
        char first[80], again[80];
        hash_of(all[k].write, 0, all[k].all_of_one, first);
        assert_int_equal(strlen(first), 64);
        for (int order = 1; order < ORDERS; order++) {
            hash_of(all[k].write, order, all[k].all_of_one, again);
            if (strcmp(first, again) != 0)
                fail_msg("file %d: order %d has another hash", (int)k, order);
        }
    }
}

/* Of 21 cases, 10 of the first kind by id: six for the losses are two of each kind, and not all at the beginning of it. */
static void losses_are_of_every_kind(void **state)
{
    (void)state;
    ns_error err = {0};
    ns_cases cases = {0};
    ns_ablation *a;
    int64_t per_kind[3] = {0}, last = 0;
    loaded m = load(folder, 2, NULL, 0);
    mixed_cases(&cases);
    const ns_ablate_params params = {.size = sizeof params, .heads = heads, .n_heads = 2, .modes = 1u << NS_EDIT_ZERO_Z, .draws = 1,
                                     .loss_cases = 6};
    OK(ns_ablate(&a, m.model, &cases, &params, &err));
    assert_true(a->n_loss == 6 && a->n_loss_kinds == 3);
    for (int64_t i = 0; i < a->n_cases; i++)
        for (int64_t k = 0; k < cases.n && a->in_loss[i]; k++)
            if (strcmp(cases.list[k].id, a->case_id[i]) == 0) {
                per_kind[strstr(cases.list[k].meta, "digits") ? 0 : strstr(cases.list[k].meta, "essay") ? 1 : 2]++;
                last = i;
            }
    assert_true(per_kind[0] == 2 && per_kind[1] == 2 && per_kind[2] == 2);
    assert_true(last > a->n_cases / 2 && isfinite(a->list[2].loss));
    ns_ablation_free(a);
    ns_cases_clear(&cases);
    unload(&m);
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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(order_changes_no_hash), cmocka_unit_test(losses_are_of_every_kind)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
