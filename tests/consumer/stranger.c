/* stranger.c MODEL CASES - a program of somebody else's, built against the installed library alone: scores a model's heads, names the three
 * best, and shows by a hook where the best one looks. */
#include <needlescope/open.h>
#include <needlescope/probe.h>
#include <stdio.h>

typedef struct look { ns_head head; int64_t key; float weight; } look;

/* Gets the attention of one layer, a block of rows at a time, view [heads, rows, keys]; keeps the first row, which says the answer. */
static int see(void *user, const ns_site *site, const ns_view *view, ns_error *err)
{
    look *const l = user;
    (void)err;
    if (site->layer != l->head.layer || l->key >= 0)
        return NS_OK;
    for (int64_t k = 0; k < site->n_keys; k++) {
        const float weight = *ns_at(view, l->head.head, 0, k);
        if (weight > l->weight)
            *l = (look){l->head, site->key0 + k, weight};
    }
    return NS_OK;
}

static int show(const ns_opened *m, const ns_scores *scores, const ns_cases *cases, ns_error *err)
{
    ns_head best[3];
    const ns_best_cut cut = ns_scores_top(scores, 0, 3, best);
    for (int64_t i = 0; i < cut.n; i++)
        printf("%lld.%lld %.3f\n", (long long)best[i].layer, (long long)best[i].head,
               ns_scores_values(scores, 0)[best[i].layer * ns_scores_heads(scores) + best[i].head]);
    if (cut.n == 0)
        return ns_fail(err, NS_E_ARG, "no head scores anything");

    look l = {.head = best[0], .key = -1};
    const ns_hook hook = {.size = sizeof hook, .at = "blocks.*.attn.hook_pattern", .rows = {.kind = NS_ROWS_ANSWER}, .read = see,
                          .user = &l};
    const ns_score_params params = {.size = sizeof params, .probes = (const char *const[]){"sink_mass"}, .n_probes = 1, .hooks = &hook,
                                    .n_hooks = 1};
    const ns_cases one = {.list = cases->list, .n = 1};
    ns_scores *again = NULL;
    const int rc = ns_score_run(&again, m->model, &one, &params, err);
    ns_scores_free(again);
    if (rc == NS_OK)
        printf("%s: %lld.%lld looks most at position %lld, with %.3f\n", one.list[0].id, (long long)l.head.layer, (long long)l.head.head,
               (long long)l.key, l.weight);
    return rc;
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: stranger MODEL CASES\n");
        return 2;
    }
    ns_error err = {""};
    ns_opened *m = NULL;
    ns_cases cases = {0};
    ns_scores *scores = NULL;
    const ns_score_params params = {.size = sizeof params, .probes = (const char *const[]){"retrieval_find"}, .n_probes = 1};
    int rc = ns_open(&m, &(ns_open_params){.size = sizeof(ns_open_params), .path = argv[1]}, &err);
    if (rc == NS_OK)
        rc = ns_open_cases(m, (const char *const[]){argv[2]}, 1, &cases, &err);
    if (rc == NS_OK)
        rc = ns_score_run(&scores, m->model, &cases, &params, &err);
    if (rc == NS_OK)
        rc = show(m, scores, &cases, &err);
    if (rc != NS_OK)
        fprintf(stderr, "%s\n", err.message);
    ns_scores_free(scores);
    ns_cases_clear(&cases);
    ns_close(m);
    return rc == NS_OK ? 0 : 1;
}
