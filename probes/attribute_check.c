/* attribute_check.c - an attribution beside the patching that it estimates: the same pairs, rows, site and weights, or none. */
#include "attribute.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "score.h"

static const char *fact_of(const ns_fact_list *l, const char *name)
{
    for (int64_t i = 0; i < (int64_t)l->n; i++)
        if (strcmp(l->list[i].name, name) == 0)
            return l->list[i].value;
    return NULL;
}

static int same_fact(const ns_file *f, const char *path, const char *name, const char *ours, ns_error *err)
{
    const char *const theirs = ns_file_fact(f, name);
    if (!ours || !theirs || strcmp(ours, theirs) == 0)
        return NS_OK;
    return ns_fail(err, NS_E_ARG, "%s: it has %s %.64s, this attribution %.64s: only the same can be held against each other", path, name,
                   theirs, ours);
}

static int check_same(const ns_patching *o, const ns_file *f, const char *path, ns_error *err)
{
    const char *const ours[][2] = {{"site", ns_patch_site_name(o->site)}, {"rows", o->all_rows ? "all" : "answer"},
                                   {"direction", o->noising ? "noising" : "denoising"}, {"cases_sha256", o->cases_sha256},
                                   {"weights_sha256", fact_of(&o->made_with, "weights_sha256")}};
    int rc = NS_OK;
    for (size_t i = 0; i < sizeof ours / sizeof *ours && rc == NS_OK; i++)
        rc = same_fact(f, path, ours[i][0], ours[i][1], err);
    if (rc == NS_OK && !ns_file_has(f, "recovery"))
        rc = ns_fail(err, NS_E_ARG, "%s: it has no map of heads (patch without --no-map and --path makes one)", path);
    return rc;
}

static void fill(const ns_patching *o, int first, float *out)
{
    for (int64_t i = 0; i < o->L * o->H; i++)
        out[i] = NAN;
    for (int k = first; k < first + o->n_map; k++)
        out[o->list[k].heads[0].layer * o->H + o->list[k].heads[0].head] = (float)o->list[k].recovery.value;
}

int ns_attribution_correlate(ns_attribution *a, ns_error *err)
{
    const ns_patching *const o = a->estimate;
    const int64_t n = o->L * o->H;
    float *const own = ns_alloc_array((size_t)n, sizeof *own);
    int rc = own ? NS_OK : ns_oom(err, "heads");
    a->check = (ns_attribution_check){.recomputed_spearman = (double)NAN};
    if (rc == NS_OK && a->recomputed) {
        fill(o, o->n - 2 * o->n_map, own);
        rc = ns_spearman(own, a->patched, n, &a->check.recomputed_spearman, err);
    }
    if (rc == NS_OK) {
        fill(o, o->n - o->n_map, own);
        rc = ns_spearman(own, a->patched, n, &a->check.spearman, err);
    }
    for (int64_t i = 0; i < n && rc == NS_OK; i++)
        if (!isnan(own[i]) && !isnan(a->patched[i])) {
            const double off = fabs((double)own[i] - (double)a->patched[i]);
            a->check.most = off > a->check.most ? off : a->check.most;
            a->check.n++;
        }
    free(own);
    return rc;
}

int ns_attribution_read_patched(ns_attribution *a, const char *path, ns_error *err)
{
    const ns_patching *const o = a->estimate;
    ns_file *f = NULL;
    ns_expected map = {.size = sizeof map, .name = "recovery", .type = NS_F32, .rank = 2, .shape = {o->L, o->H},
                       .range = ns_any_number()};
    int rc = ns_file_open_as(&f, path, NS_KINDS(NS_KIND_PATCHING), "a patching (needlescope patch makes one)", err);
    rc = rc != NS_OK ? rc : check_same(o, f, path, err);
    rc = rc != NS_OK ? rc : ns_file_array(f, &map, &a->patched, err);
    ns_file_close(f);
    return rc;
}
