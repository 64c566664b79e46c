/* linear.c - layer-wise probing as a probe of a score run: one row of each case is kept at one point of every layer, and behind the last
 * case a reader of each layer learns from them (linear_fit.c). */
#include "linear.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heads/heads.h"

const ns_output ns_linear_outputs[NS_LINEAR_OUTPUTS] = {
    [NS_LINEAR_CLASS] = {"probe_class", NS_F32, "class of the case, by the order of their names", "case"},
    [NS_LINEAR_BARE] = {"probe_without_needle", NS_F32, "1 of a twin without needle, 0 of all else", "case"},
    [NS_LINEAR_PROMPT] = {"probe_prompt", NS_F32, "prompt of the case, which its twins share", "case"},
    [NS_LINEAR_DISTANCE] = {"probe_distance", NS_F32, "distance that it is counted at; NaN where too few cases have its own", "case"},
    [NS_LINEAR_FOLD] = {"probe_fold", NS_F32, "fold of the case: it is judged by a reader of the others", "case"},
    [NS_LINEAR_SAID] = {"probe_said", NS_F32, "class that the layer's reader tells, which learned from other folds; twins without needle: "
                                              "from such twins", "case layer"},
    [NS_LINEAR_SHUFFLED] = {"probe_shuffled", NS_F32, "share of draws in which a shuffled label is told, over its class's share of "
                                                      "the cases at the distance times the number of classes there", "case layer"},
    [NS_LINEAR_ACCURACY] = {"probe_accuracy", NS_F32, "balanced accuracy of the layer's readers on folds that they did not learn from",
                            "layer"},
    [NS_LINEAR_LOW] = {"probe_accuracy_low", NS_F32, "95 % interval over test prompts (Wilson): from", "layer"},
    [NS_LINEAR_HIGH] = {"probe_accuracy_high", NS_F32, "to", "layer"},
    [NS_LINEAR_OF_SHUFFLED] = {"probe_accuracy_shuffled", NS_F32, "the same of readers that learn shuffled labels, mean of the draws",
                               "layer"},
    [NS_LINEAR_OF_BARE] = {"probe_accuracy_without_needle", NS_F32, "the same of twins without needle, learned from them", "layer"},
    [NS_LINEAR_WEIGHTS] = {"probe_weights", NS_F32, "what a class's logit takes of each standardised feature, learned from all cases",
                           "layer position class"},
    [NS_LINEAR_INTERCEPTS] = {"probe_intercepts", NS_F32, "and what it has without any", "layer class"},
    [NS_LINEAR_MEAN] = {"probe_mean", NS_F32, "of a feature over all cases: (x - mean) / size is what is read", "layer position"},
    [NS_LINEAR_SIZE] = {"probe_size", NS_F32, "its standard deviation; 1 of one that does not vary", "layer position"},
};

/* ---- settings ---- */

static const char default_at[] = "blocks.*.hook_resid_post";

/* A probe of the caller's: the probe is its first member. */
typedef struct linear {
    ns_probe         probe;
    ns_linear_params params;
    char            *at, *rows, *classes;
} linear;

static ns_linear_params filled(const ns_linear_params *given)
{
    ns_linear_params p = *given;
    p.at = p.at ? p.at : default_at;
    p.c = p.c > 0 ? p.c : .1;
    p.folds = p.folds ? p.folds : 5;
    p.shuffles = p.shuffles ? p.shuffles : 5;
    return p;
}

ns_linear_params ns_linear_params_of(const ns_probe *probe)
{
    const ns_linear_params none = {.size = sizeof none};
    return filled(probe == &ns_probe_linear_probe ? &none : &((const linear *)probe)->params);
}

static bool of_answer(const ns_linear_params *p) { return !p->rows || strcmp(p->rows, "answer") == 0; }
static bool of_span(const ns_linear_params *p)   { return !of_answer(p) && strcmp(p->rows, "last") != 0; }

/* ---- the points ---- */

/* A glob may match one point of a layer. */
static int check_points(const ns_arch *arch, const char *glob, int64_t *widest, ns_error *err)
{
    char name[2][64];
    bool any = false;
    *widest = 0;
    for (int64_t l = 0; l < arch->n_layers; l++) {
        int found = 0;
        for (ns_point p = 0; p < NS_N_POINTS; p++) {
            ns_point_format(p, l, name[found], sizeof name[0]);
            if (!ns_point_exists(arch, p, l) || !ns_glob(glob, name[found]))
                continue;
            if (!ns_starts(ns_point_axes_at(arch, p, l), "row "))
                return ns_fail(err, NS_E_ARG, "probe: '%s' has the axes %s, and a reader needs one list of numbers a row", name[found],
                               ns_point_axes_at(arch, p, l));
            if (found++)
                return ns_fail(err, NS_E_ARG, "probe: '%s' matches two points of layer %lld (%s, %s): one probe reads one of them", glob,
                               (long long)l, name[0], name[1]);
            any = true;
            int64_t width = 1;
            char axis[32];
            for (const char *at = ns_point_axes_at(arch, p, l) + 4; sscanf(at, "%31s", axis) == 1; at = strstr(at, axis) + strlen(axis))
                width *= ns_point_axis(arch, p, l, axis);
            *widest = width > *widest ? width : *widest;
        }
    }
    return any ? NS_OK : ns_fail(err, NS_E_ARG, "probe: '%s' matches no point of a layer (`inspect --points` lists all)", glob);
}

static int extent(const ns_probe_context *run, const ns_case *const *cases, int64_t n, ns_extent *e, ns_error *err)
{
    const ns_linear_params p = ns_linear_params_of(run->probe);
    ns_linear_classes classes;
    int rc = check_points(run->arch, p.at, &e->n[NS_AXIS_POSITION], err);
    rc = rc != NS_OK ? rc : ns_linear_classes_find(&classes, cases, n, &p, err);
    if (rc == NS_OK) {
        e->n[NS_AXIS_CLASS] = classes.K;
        ns_linear_classes_free(&classes);
    }
    return rc;
}

/* ---- cases ---- */

static const char *rejects(const ns_probe_context *ctx, char reason[NS_REASON])
{
    const ns_linear_params p = ns_linear_params_of(ctx->probe);
    const ns_span *const span = of_span(&p) ? ns_case_span(ctx->c, p.rows) : NULL;
    const char *const why = ns_linear_rejects(&p, ctx->c, reason);
    if (why)
        return why;
    if (of_span(&p) && (!span || span->end <= span->begin)) {
        snprintf(reason, NS_REASON, "no span %.60s", p.rows);
        return ns_utf8_whole(reason);
    }
    return NULL;
}

static int begin(void *user, const ns_probe_context *ctx, float *const *outputs, ns_error *err)
{
    (void)outputs;
    ns_linear_state *const s = user;
    const ns_linear_params p = ns_linear_params_of(ctx->probe);
    const ns_case *const c = ctx->c;
    s->row = of_span(&p) ? ns_case_span(c, p.rows)->end - 1
           : c->n_tokens - 1 + (of_answer(&p) && c->n_answer > c->n_lead ? c->n_lead : 0);
    s->L = ctx->n_layers;
    s->x = ns_alloc_array((size_t)s->L, sizeof *s->x);
    s->width = ns_alloc_array((size_t)s->L, sizeof *s->width);
    return s->x && s->width ? NS_OK : ns_oom(err, "activations to probe");
}

static int see(void *user, const ns_site *site, const ns_view *view, ns_error *err)
{
    ns_linear_state *const s = user;
    const int64_t r = s->row - site->row0, n = view->rank > 2 ? view->shape[1] : 1, width = view->shape[view->rank - 1];
    if (r < 0 || r >= site->n_rows || site->layer < 0 || s->x[site->layer])
        return NS_OK;
    float *const x = s->x[site->layer] = ns_alloc_array((size_t)(n * width), sizeof *x);
    if (!x)
        return ns_oom(err, "activations to probe (use fewer cases)");
    for (int64_t i = 0; i < n * width; i++)
        x[i] = view->rank > 2 ? *ns_at(view, r, i / width, i % width) : *ns_at(view, r, i, 0);
    s->width[site->layer] = n * width;
    return NS_OK;
}

static int end(void *user, ns_error *err)
{
    (void)err;
    ns_linear_state *const s = user;
    for (int64_t l = 0; l < s->L && s->x; l++)
        free(s->x[l]);
    free(s->x);
    free(s->width);
    return NS_OK;
}

#define LINEAR(at_, rows_, n_) \
    .name = "linear_probe", .summary = "how well a linear reader tells the answer at each layer", \
    .paper = "layer-wise probing, arXiv 2606.15378", .at = at_, .rows = rows_, .accepts = NS_ACCEPTS_SOFTMAX | NS_ACCEPTS_UNROLLED, \
    .state_size = sizeof(ns_linear_state), .outputs = ns_linear_outputs, .n_outputs = n_, .rejects = rejects, .extent = extent, \
    .begin = begin, .see = see, .fit = ns_linear_fit, .end = end, .on_request = true
const ns_probe ns_probe_linear_probe = {LINEAR(default_at, {.kind = NS_ROWS_ANSWER}, NS_LINEAR_PLAIN)};

/* ---- of the caller's ---- */

static int check(const ns_linear_params *p, ns_error *err)
{
    if (p->folds < 0 || p->folds == 1)
        return ns_fail(err, NS_E_ARG, "probe: %d folds (2 or more: one to learn from, one to be judged by)", p->folds);
    if (!(p->c >= 0 && p->c < INFINITY))
        return ns_fail(err, NS_E_ARG, "probe: C = %g is no inverse strength of a penalty (above 0)", p->c);
    if (p->shuffles < -1)
        return ns_fail(err, NS_E_ARG, "probe: %d shuffles", p->shuffles);
    return NS_OK;
}

/* A text that the caller may free; NULL stays. */
static int keep(char **own, const char **text, ns_error *err)
{
    *own = *text ? ns_strdup(*text) : NULL;
    const int rc = *text && !*own ? ns_oom(err, "a probe") : NS_OK;
    *text = *own;
    return rc;
}

int ns_linear_probe_new(ns_probe **out, const ns_linear_params *given, ns_error *err)
{
    linear *const p = ns_alloc_array(1, sizeof *p);
    *out = NULL;
    if (!p)
        return ns_oom(err, "a probe");
    int rc = ns_sized_copy(&p->params, sizeof p->params, given, "ns_linear_params", err);
    rc = rc != NS_OK ? rc : check(&p->params, err);
    rc = rc != NS_OK ? rc : keep(&p->at, &p->params.at, err);
    rc = rc != NS_OK ? rc : keep(&p->rows, &p->params.rows, err);
    rc = rc != NS_OK ? rc : keep(&p->classes, &p->params.classes, err);
    if (rc != NS_OK) {
        ns_linear_probe_free(&p->probe);
        return rc;
    }
    const ns_rows rows = of_span(&p->params) ? (ns_rows){.kind = NS_ROWS_SPAN, .span = p->rows} : (ns_rows){.kind = NS_ROWS_ANSWER};
    p->probe = (ns_probe){LINEAR(p->at ? p->at : default_at, rows, p->params.weights ? NS_LINEAR_OUTPUTS : NS_LINEAR_PLAIN)};
    *out = &p->probe;
    return NS_OK;
}

void ns_linear_probe_free(ns_probe *probe)
{
    linear *const p = (linear *)probe;
    if (!p)
        return;
    free(p->at);
    free(p->rows);
    free(p->classes);
    free(p);
}
