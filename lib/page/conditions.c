/* conditions.c - interventions: what was silenced or patched, and what came of it, beside the controls. Of an ablation the heads' map is
 * the norm that its controls were matched on. */
#include "page/page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int numbers(ns_web *p, cJSON *out, const ns_file *f, const char *name, int64_t n, ns_error *err)
{
    ns_expected w = {sizeof w, name, NS_F32, 1, {n}, ns_intervention_range(name)};
    float *values;
    if (!ns_file_has(f, name))
        return NS_OK;
    int rc = ns_file_array(f, &w, &values, err);
    if (rc != NS_OK)
        return rc;
    cJSON *const one = ns_web_object(p, out, NULL);
    ns_web_text(p, one, "name", name);
    rc = ns_web_floats(p, one, "values", values, n, NS_WEB_NEEDED, err);
    free(values);
    return rc;
}

int ns_web_conditions(ns_web *p, cJSON *file, const ns_file *f, ns_error *err)
{
    static const char *const measures[] = {"first_accuracy", "rest_accuracy", "answered_share", "margin_mean", "margin_first_mean", "loss",
                                           "set_recovery", "set_flipped"};
    ns_expected axis = {sizeof axis, "condition", NS_I64, 1, {NS_ANY}, ns_between(0, 0x1p31)};
    if (!ns_file_has(f, axis.name))
        return NS_OK;
    int rc = ns_file_expect(f, &axis, err);
    const int64_t n = axis.shape[0];
    cJSON *const out = ns_web_object(p, file, "conditions"), *const list = ns_web_list(p, out, "measures");
    ns_web_number(p, out, "n", (double)n);
    rc = rc != NS_OK ? rc : ns_web_texts(p, out, f, "kind", n, err);
    rc = rc != NS_OK ? rc : ns_web_texts(p, out, f, "mode", n, err);
    rc = rc != NS_OK ? rc : ns_web_texts(p, out, f, "heads", n, err);
    for (size_t i = 0; i < sizeof measures / sizeof *measures && rc == NS_OK; i++)
        rc = numbers(p, list, f, measures[i], n, err);
    return rc;
}

/* "full,swa 16,chunk 64" -> kinds, and windows over [L, H]; what is missing is full. A head without a norm is not there. */
static int kinds(ns_web *p, cJSON *run, const char *fact, const float *norms, int64_t L, int64_t H, ns_error *err)
{
    cJSON *const list = ns_web_list(p, run, "kinds");
    int64_t *const windows = ns_alloc_array((size_t)(L * H), sizeof *windows);
    const char *at = fact ? fact : "";
    if (!windows)
        return ns_oom(err, "the page");
    for (int64_t l = 0; l < L; l++) {
        char kind[16] = "full";
        long long window = 0;
        sscanf(at, "%15[^, ]%lld", kind, &window);
        ns_web_text(p, list, NULL, strcmp(kind, "chunk") == 0 ? "swa" : kind);
        for (int64_t h = 0; h < H; h++)
            windows[l * H + h] = isnan(norms[l * H + h]) ? -1 : window;
        at += strcspn(at, ",");
        at += *at == ',';
    }
    const int rc = ns_web_wholes(p, run, "windows", windows, L * H, NS_WEB_NEEDED, err);
    free(windows);
    return rc;
}

static int one_run(ns_web *p, cJSON *file, const ns_file *f, const float *norms, int64_t L, int64_t H, ns_error *err)
{
    const int64_t none = -1;
    cJSON *const run = ns_web_object(p, ns_web_list(p, file, "runs"), NULL);
    ns_web_text(p, run, "name", ns_file_fact(f, "model_name") ? ns_file_fact(f, "model_name") : "");
    ns_web_number(p, file, "layers", (double)L);
    ns_web_number(p, file, "heads", (double)H);
    ns_web_numbers(p, file, "steps", &none, 1);
    ns_web_numbers(p, file, "tokens", &none, 1);
    ns_web_numbers(p, file, "status", &(int64_t){NS_STUDY_DONE}, 1);
    return kinds(p, run, ns_file_fact(f, "layer_kinds"), norms, L, H, err);
}

/* A layer without heads, and a head that is not there, has no norm. */
int ns_web_ablation(ns_web *p, cJSON *file, const ns_file *f, ns_error *err)
{
    ns_expected w = {sizeof w, "z_norm", NS_F32, 2, {NS_ANY, NS_ANY}, ns_intervention_range("z_norm"), "layer head"};
    float *norms;
    int rc = ns_file_array(f, &w, &norms, err);
    if (rc != NS_OK)
        return rc;
    rc = one_run(p, file, f, norms, w.shape[0], w.shape[1], err);
    cJSON *const score = ns_web_object(p, ns_web_list(p, file, "scores"), NULL);
    ns_web_text(p, score, "name", "z_norm");
    ns_web_text(p, score, "best", ns_best_end_name(NS_BEST_NONE));
    rc = rc != NS_OK ? rc : ns_web_floats(p, score, "values", norms, w.shape[0] * w.shape[1], NS_WEB_NEEDED, err);
    free(norms);
    return rc != NS_OK ? rc : ns_web_conditions(p, file, f, err);
}
