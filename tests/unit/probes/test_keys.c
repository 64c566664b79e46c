/* test_keys.c - the control of a knockout hides other keys of as much weight at most; how much it was is measured beside the library:
 * weights out of an untouched pass, hidden keys out of an edited one. A head that looks at the needle alone has next to nothing else to
 * hide, and the answer says so. */
#include "harness.h"

#include <needlescope/ablate.h>

static char folder[] = "/tmp/ns-keys-XXXXXX";
enum { MOST_ROWS = 8, MOST_KEYS = 160 };

typedef struct watching {
    ns_head head;
    double  weight[MOST_ROWS][MOST_KEYS];        /* of the untouched pass, by row of the answer */
    bool    hidden[MOST_ROWS][MOST_KEYS];
} watching;

static int see_weights(void *user, const ns_site *site, const ns_view *v, ns_error *err)
{
    (void)err;
    watching *const w = user;
    for (int64_t r = 0; r < site->n_rows; r++)
        for (int64_t k = 0; k < site->n_keys; k++)
            w->weight[site->row0 + r - (site->c->n_tokens - 1)][site->key0 + k] = (double)*ns_at(v, w->head.head, r, k);
    return NS_OK;
}

static int see_scores(void *user, const ns_site *site, const ns_view *v, ns_error *err)
{
    (void)err;
    watching *const w = user;
    for (int64_t r = 0; r < site->n_rows; r++)
        for (int64_t k = 0; k < site->n_keys; k++)
            w->hidden[site->row0 + r - (site->c->n_tokens - 1)][site->key0 + k] = isinf(*ns_at(v, w->head.head, r, k));
    return NS_OK;
}

static void pass(const loaded *m, const ns_case *c, const ns_edit *edit, watching *w)
{
    ns_error err = {0};
    char at[64];
    ns_edits *edits = NULL;
    ns_hooks *hooks;
    const ns_cases one = {.list = (ns_case *)c, .n = 1};
    snprintf(at, sizeof at, "blocks.%d.attn.%s", (int)w->head.layer, edit ? "hook_attn_scores" : "hook_pattern");
    ns_hook list[8] = {{.size = sizeof(ns_hook), .at = at, .rows.kind = NS_ROWS_ANSWER, .read = edit ? see_scores : see_weights,
                        .user = w}};
    int n = 0;
    if (edit) {
        OK(ns_edits_new(&edits, m->arch, edit, 1, NULL, NULL, &err));
        const ns_hook *const own = ns_edits_hooks(edits, &n);
        memcpy(list + 1, own, (size_t)n * sizeof *list);
    }
    OK(ns_hooks_new(&hooks, m->arch, list, n + 1, &err));
    OK(ns_run_cases(m->model, &one, hooks, NULL, &err));
    ns_hooks_free(hooks);
    ns_edits_free(edits);
}

static bool in_needle(const ns_case *c, int64_t key)
{
    for (int i = 0; i < c->n_spans; i++)
        if (strcmp(c->spans[i].name, "needle") == 0 && key >= c->spans[i].begin && key < c->spans[i].end)
            return true;
    return false;
}

/* Hidden weight / the needle's, over all rows of all cases, for draw 0 of seed 0. */
static double measured(const loaded *m, const ns_cases *cases, ns_head head)
{
    double hidden = 0, needle = 0;
    const ns_edit edit = {.size = sizeof edit, .mode = NS_EDIT_KNOCKOUT_OTHERS, .heads = &head, .n_heads = 1, .seed = 1};
    for (int64_t i = 0; i < cases->n; i++) {
        static watching w;
        const ns_case *const c = &cases->list[i];
        memset(&w, 0, sizeof w);
        w.head = head;
        pass(m, c, NULL, &w);
        pass(m, c, &edit, &w);
        for (int64_t r = 0; r < c->n_answer; r++)
            for (int64_t k = 0; k < c->n_tokens + r; k++) {
                assert_false(w.hidden[r][k] && in_needle(c, k));
                hidden += w.hidden[r][k] ? w.weight[r][k] : 0;
                needle += in_needle(c, k) ? w.weight[r][k] : 0;
            }
    }
    return hidden / needle;
}

static void as_much_weight_at_most(void **state)
{
    (void)state;
    ns_error err = {0};
    ns_cases cases = {0};
    static const int64_t lengths[] = {100};
    static const ns_head heads[] = {{2, 2}, {3, 6}, {3, 0}};      /* any value; the same token, and itself; the needle alone */
    static const double least[] = {.2, .2, 0}, most[] = {1, 1, 1e-6};
    loaded m = load(folder, 2, NULL, 0);
    needle_cases(&cases, lengths, 1, 2, 3);
    for (int i = 0; i < 3; i++) {
        ns_ablation *a;
        const ns_ablate_params params = {.size = sizeof params, .heads = &heads[i], .n_heads = 1,
                                         .modes = 1u << NS_EDIT_KNOCKOUT | 1u << NS_EDIT_ZERO_Z, .draws = 2,
                                         .loss_cases = -1};
        OK(ns_ablate(&a, m.model, &cases, &params, &err));
        for (int k = 0; k < a->n; k++)
            if (a->list[k].mode == NS_EDIT_KNOCKOUT_OTHERS)
                assert_true(a->list[k].hidden >= least[i] && a->list[k].hidden <= most[i]);
            else
                assert_true(isnan(a->list[k].hidden));
        const double want = measured(&m, &cases, heads[i]), got = a->list[a->n - 2].hidden;
        if (!(fabs(got - want) < 1e-5))
            fail_msg("head %d: %g of the needle's weight hidden, %g said", i, want, got);
        ns_ablation_free(a);
    }
    ns_cases_clear(&cases);
    unload(&m);
}

static int setup(void **state)
{
    (void)state;
    ns_error err = {0};
    return mkdtemp(folder) ? ns_plant_zoo(folder, 0, &err) : -1;
}

static int teardown(void **state)
{
    (void)state;
    remove_plant(folder);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_much_weight_at_most)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
