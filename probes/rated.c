/* rated.c - a score file or a list of heads as numbers over a model's heads. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/head_list.h>

#include "compare.h"

const ns_score_meaning ns_list_meaning = {.best = NS_BEST_LARGEST, .lo = -INFINITY, .hi = INFINITY, .chance = (double)NAN};

void ns_rated_clear(ns_rated *r)
{
    free(r->values);
    *r = (ns_rated){0};
}

static int read_list(ns_rated *out, const char *path, const char *by, ns_error *err)
{
    ns_head_list list;
    if (by)
        return ns_fail(err, NS_E_ARG, "%s: a list of heads has one number a head, and no score '%.40s' (leave the score's name out)", path,
                       by);
    int rc = ns_head_list_read(&list, path, err);
    rc = rc != NS_OK ? rc : ns_head_list_values(&list, path, out->L, out->H, out->values, err);
    ns_head_list_clear(&list);
    out->meaning = ns_list_meaning;
    out->is_list = true;
    return rc;
}

/* One checkpoint, of as many layers and heads as the model: its heads are the model's. */
static int check_study(const ns_rated *out, const ns_study *study, ns_error *err)
{
    const ns_study_shape size = ns_study_size(study);
    const char *const path = ns_study_path(study);
    if (!ns_study_is_one(study))
        return ns_fail(err, NS_E_ARG, "%s: a study of many checkpoints; the file of one is meant (needlescope score -o)", path);
    if (size.L != out->L || size.H != out->H)
        return ns_fail(err, NS_E_ARG, "%s: of a model of %lld layer%s and %lld head%s; this one has %lld and %lld", path, (long long)size.L,
                       ns_plural(size.L), (long long)size.H, ns_plural(size.H), (long long)out->L, (long long)out->H);
    return NS_OK;
}

static void take_fact(char out[65], const ns_study *study, const char *name)
{
    const char *const value = ns_file_fact(ns_study_file(study), name);
    snprintf(out, 65, "%s", value ? value : "");
}

static int read_study(ns_rated *out, const char *path, const char *by, ns_error *err)
{
    ns_study *study;
    const float *values;
    const char *const score = by ? by : "retrieval_find";
    int rc = ns_study_open(&study, path, err);
    if (rc != NS_OK)
        return rc;
    rc = check_study(out, study, err);
    rc = rc != NS_OK ? rc : ns_study_ranks(study, score, &out->meaning, err);
    rc = rc != NS_OK ? rc : ns_study_score(study, score, &values, err);
    if (rc == NS_OK) {
        memcpy(out->values, values, (size_t)(out->L * out->H) * sizeof *values);
        take_fact(out->weights_sha256, study, "weights_sha256");
        take_fact(out->arch_sha256, study, "arch_sha256");
    }
    ns_study_close(study);
    return rc;
}

int ns_rated_read(ns_rated *out, const char *path, const char *by, int64_t L, int64_t H, ns_error *err)
{
    *out = (ns_rated){.L = L, .H = H, .values = ns_alloc_array((size_t)(L * H), sizeof *out->values)};
    const int rc = !out->values                  ? ns_oom(err, path)
                   : ns_head_list_may_be(path) ? read_list(out, path, by, err)
                                                 : read_study(out, path, by, err);
    if (rc != NS_OK)
        ns_rated_clear(out);
    return rc;
}
