/* linear_write.c - probe.h5: a score file that also says what the probe was told. */
#include <stdio.h>

#include "linear.h"

int ns_linear_write(const ns_scores *s, const ns_linear_params *given, const char *path, const ns_provenance *by, ns_error *err)
{
    const int p = ns_linear_at(s);
    const ns_linear_params own = {.size = sizeof own}, *const g = given ? given : &own;
    ns_fact_list facts = {0};
    char c[32], folds[16], shuffles[16], seed[24];
    if (p < 0)
        return ns_fail(err, NS_E_ARG, "%s: linear_probe is not among these scores' probes", path);
    snprintf(c, sizeof c, "%.17g", g->c > 0 ? g->c : .1);
    snprintf(folds, sizeof folds, "%d", g->folds ? g->folds : 5);
    snprintf(shuffles, sizeof shuffles, "%d", g->shuffles < 0 ? 0 : g->shuffles ? g->shuffles : 5);
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)g->seed);
    const ns_fact said[] = {{"probe_at", s->probes[p]->at, false}, {"probe_rows", g->rows ? g->rows : "answer", false},
                            {"probe_classes", g->classes ? g->classes : "answer", false}, {"probe_c", c, false},
                            {"probe_folds", folds, false}, {"probe_shuffles", shuffles, false}, {"probe_seed", seed, false}};
    int rc = ns_fact_list_add_all(&facts, said, (int)(sizeof said / sizeof *said), err);
    rc = rc != NS_OK ? rc : ns_scores_write_as(s, path, &facts, by, err);
    ns_fact_list_clear(&facts);
    return rc;
}
