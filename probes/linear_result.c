/* linear_result.c - accuracies of a layer-wise probing, by layer and distance, out of what was told of each case: those of a run, of a
 * score file and of a checkpoint of a study. */
#include "linear.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "resample.h"
#include "training/telling.h"

/* ---- one layer at one distance ---- */

static bool counts(const ns_linear_seen *s, int64_t i, double distance, bool bare)
{
    const bool here = isnan(distance) || (double)s->distance[i] == distance;
    return here && !isnan(s->class_[i]) && (s->bare[i] > 0) == bare;
}

typedef struct tally { int64_t K, *n, *hits, *prompts; uint8_t *seen; } tally;      /* [K] each; seen[K, C]: prompts */

/* The mean over classes of the share told right; `worth` (or NULL): prompts of equal classes that it is worth, K^2 / sum of 1 / prompts. */
static float balanced(const ns_linear_seen *s, int64_t layer, double distance, bool bare, tally *t, double *worth)
{
    double sum = 0, inverse = 0;
    int64_t classes = 0;
    memset(t->n, 0, (size_t)t->K * sizeof *t->n);
    memset(t->hits, 0, (size_t)t->K * sizeof *t->hits);
    memset(t->prompts, 0, (size_t)t->K * sizeof *t->prompts);
    memset(t->seen, 0, (size_t)(t->K * s->C));
    for (int64_t i = 0; i < s->C; i++) {
        if (!counts(s, i, distance, bare) || isnan(s->said[i * s->L + layer]))
            continue;
        const int64_t k = (int64_t)s->class_[i];
        t->n[k]++;
        t->hits[k] += s->said[i * s->L + layer] == s->class_[i];
        t->prompts[k] += !t->seen[k * s->C + (int64_t)s->prompt[i]]++;
    }
    for (int64_t k = 0; k < t->K; k++) {
        if (!t->n[k])
            continue;
        classes++;
        sum += (double)t->hits[k] / (double)t->n[k];
        inverse += 1 / (double)t->prompts[k];
    }
    if (worth)
        *worth = classes ? (double)(classes * classes) / inverse : 0;
    return classes ? (float)(sum / (double)classes) : NAN;
}

static float mean_shuffled(const ns_linear_seen *s, int64_t layer, double distance)
{
    double sum = 0;
    int64_t n = 0;
    for (int64_t i = 0; i < s->C; i++)
        if (counts(s, i, distance, false)) {
            sum += (double)s->shuffled[i * s->L + layer];
            n++;
        }
    return n ? (float)(sum / (double)n) : NAN;
}

static int64_t classes_of(const ns_linear_seen *s)
{
    float most = -1;
    for (int64_t i = 0; i < s->C; i++)
        most = s->class_[i] > most ? s->class_[i] : most;
    return (int64_t)most + 1;
}

int ns_linear_reduce(const ns_linear_seen *s, double distance, ns_linear_value *value, ns_error *err)
{
    tally t = {.K = classes_of(s)};
    int64_t *const room = ns_alloc_array((size_t)t.K, 3 * sizeof *room);
    t.seen = ns_alloc_array((size_t)t.K, (size_t)s->C);
    const int rc = room && t.seen ? NS_OK : ns_oom(err, "accuracies");
    t.n = room, t.hits = room + t.K, t.prompts = room + 2 * t.K;
    for (int64_t l = 0; l < s->L && rc == NS_OK; l++) {
        double worth, low = (double)NAN, high = (double)NAN;
        const float accuracy = balanced(s, l, distance, false, &t, &worth);
        if (worth > 0)
            ns_rate_interval((double)accuracy * worth, worth, &low, &high);
        value[l] = (ns_linear_value){.accuracy = accuracy, .low = (float)low, .high = (float)high,
                                     .shuffled = mean_shuffled(s, l, distance), .without = balanced(s, l, distance, true, &t, NULL)};
    }
    free(room);
    free(t.seen);
    return rc;
}

/* ---- all layers and distances ---- */

void ns_linear_free(ns_linear *r)
{
    if (!r)
        return;
    free(r->distance);
    free(r->cases);
    free(r->bare);
    free(r->said);
    free(r->value);
    free(r->kind);
    free(r->window);
    free(r);
}

static int by_number(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Behind "all": the distances of the cases with needle, where they are two or more. */
static int64_t find_places(const ns_linear_seen *s, double *place)
{
    int64_t n = 0, different = 0;
    for (int64_t i = 0; i < s->C; i++)
        if (counts(s, i, (double)NAN, false) && !isnan(s->distance[i]))
            place[1 + n++] = (double)s->distance[i];
    place[0] = (double)NAN;
    qsort(place + 1, (size_t)n, sizeof *place, by_number);
    for (int64_t i = 1; i <= n; i++)
        if (different == 0 || place[i] != place[different])
            place[++different] = place[i];
    return different > 1 ? 1 + different : 1;
}

/* right[C]: is the first content token what the model says? NULL: not known. */
static int reduce(ns_linear **out, const ns_linear_seen *s, const float *right, ns_error *err)
{
    ns_linear *const r = *out = ns_alloc_array(1, sizeof *r);
    if (!r)
        return ns_oom(err, "accuracies");
    r->L = s->L;
    r->K = classes_of(s);
    r->chance = r->K > 0 ? 1 / (double)r->K : (double)NAN;
    r->distance = ns_alloc_array((size_t)s->C + 1, sizeof *r->distance);
    r->N = r->distance ? find_places(s, r->distance) : 0;
    r->cases = ns_alloc_array((size_t)r->N, sizeof *r->cases);
    r->bare = ns_alloc_array((size_t)r->N, sizeof *r->bare);
    r->said = ns_alloc_array((size_t)r->N, sizeof *r->said);
    r->value = ns_alloc_array((size_t)(r->N * r->L), sizeof *r->value);
    r->kind = ns_alloc_array((size_t)r->L, sizeof *r->kind);
    r->window = ns_alloc_array((size_t)r->L, sizeof *r->window);
    int rc = r->distance && r->cases && r->bare && r->said && r->value && r->kind && r->window ? NS_OK : ns_oom(err, "accuracies");
    for (int64_t p = 0; p < r->N && rc == NS_OK; p++) {
        int64_t hits = 0;
        for (int64_t i = 0; i < s->C; i++) {
            const bool with = counts(s, i, r->distance[p], false);
            r->cases[p] += with;
            r->bare[p] += counts(s, i, r->distance[p], true);
            hits += with && right && right[i] > 0;
        }
        r->said[p] = right && r->cases[p] ? (float)((double)hits / (double)r->cases[p]) : NAN;
        rc = ns_linear_reduce(s, r->distance[p], r->value + p * r->L, err);
    }
    return rc;
}

/* ---- of a run ---- */

int ns_linear_at(const ns_scores *s)
{
    for (int p = 0; p < s->n_probes; p++)
        if (s->probes[p]->outputs == ns_linear_outputs)
            return p;
    return -1;
}

int ns_linear_of_scores(ns_linear **out, const ns_scores *s, ns_error *err)
{
    const int p = ns_linear_at(s);
    *out = NULL;
    if (p < 0)
        return ns_fail(err, NS_E_ARG, "linear_probe is not among these scores' probes");
    float *const *const of = s->outputs[p];
    float *const right = ns_alloc_array((size_t)s->n_cases, sizeof *right);
    int rc = right ? NS_OK : ns_oom(err, "accuracies");
    for (int64_t i = 0; i < s->n_cases && rc == NS_OK; i++)
        right[i] = s->cases[i].first_right;
    const ns_linear_seen seen = {.C = s->n_cases, .L = s->L, .class_ = of[NS_LINEAR_CLASS], .bare = of[NS_LINEAR_BARE],
                                 .prompt = of[NS_LINEAR_PROMPT], .said = of[NS_LINEAR_SAID], .shuffled = of[NS_LINEAR_SHUFFLED],
                                 .distance = of[NS_LINEAR_DISTANCE]};
    rc = rc != NS_OK ? rc : reduce(out, &seen, right, err);
    for (int64_t l = 0; l < s->L && rc == NS_OK; l++) {
        for (ns_layer_kind k = NS_LAYER_FULL; k <= NS_LAYER_MLP; k++)
            (*out)->kind[l] = strcmp(s->kinds[l], ns_layer_kind_name(k)) == 0 ? (int)k : (*out)->kind[l];
        for (int64_t h = 0; h < s->H; h++)
            (*out)->window[l] = s->windows[l * s->H + h] > (*out)->window[l] ? s->windows[l * s->H + h] : (*out)->window[l];
    }
    free(right);
    if (rc != NS_OK) {
        ns_linear_free(*out);
        *out = NULL;
    }
    return rc;
}

/* ---- of a file ---- */

/* What a file says can be anything: classes must be small whole numbers, and what was told too. */
static int check(const ns_linear_seen *s, const char *path, ns_error *err)
{
    for (int64_t i = 0; i < s->C; i++) {
        const float k = s->class_[i];
        bool good = isnan(k) || (k >= 0 && k < (float)s->C && k == floorf(k) && (s->bare[i] == 0 || s->bare[i] == 1) && s->prompt[i] >= 0 &&
                              s->prompt[i] < (float)s->C);
        for (int64_t l = 0; l < s->L && good; l++)
            good = !(s->said[i * s->L + l] < 0) && !(s->shuffled[i * s->L + l] < 0);
        if (!good)
            return ns_fail(err, NS_E_FORMAT, "%s: case %lld of its layer-wise probing has no class and answers of %lld cases", path,
                           (long long)i, (long long)s->C);
    }
    return NS_OK;
}

int ns_linear_of_study(ns_linear **out, const ns_study *study, int64_t run, int64_t step, ns_error *err)
{
    static const int which[] = {NS_LINEAR_CLASS, NS_LINEAR_BARE, NS_LINEAR_PROMPT, NS_LINEAR_DISTANCE, NS_LINEAR_SAID,
                                NS_LINEAR_SHUFFLED};
    enum { N = sizeof which / sizeof *which };
    const ns_study_shape size = ns_study_size(study);
    float *of[N] = {0}, *const right = ns_alloc_array((size_t)size.C, sizeof *right);
    int rc = right ? NS_OK : ns_oom(err, "accuracies");
    *out = NULL;
    if (rc == NS_OK && !ns_study_has(study, ns_linear_outputs[NS_LINEAR_SAID].name))
        rc = ns_fail(err, NS_E_ARG, "%s: holds no layer-wise probing (needlescope probe makes one, scan --probe linear_probe over "
                     "checkpoints)", ns_study_path(study));
    for (int k = 0; k < N && rc == NS_OK; k++) {
        int64_t n;
        rc = ns_study_values(study, ns_linear_outputs[which[k]].name, run, step, &of[k], &n, err);
    }
    rc = rc != NS_OK ? rc : ns_study_case_series(study, "first_right", run, step, right, err);
    const ns_linear_seen seen = {.C = size.C, .L = size.L, .class_ = of[0], .bare = of[1], .prompt = of[2], .distance = of[3],
                                 .said = of[4], .shuffled = of[5]};
    rc = rc != NS_OK ? rc : check(&seen, ns_study_path(study), err);
    rc = rc != NS_OK ? rc : reduce(out, &seen, right, err);
    if (rc == NS_OK)
        ns_study_layers(study, run, (*out)->kind, (*out)->window);
    for (int k = 0; k < N; k++)
        free(of[k]);
    free(right);
    if (rc != NS_OK) {
        ns_linear_free(*out);
        *out = NULL;
    }
    return rc;
}

/* ---- in words ---- */

static const char *kind_text(const ns_linear *r, int64_t l, char out[32])
{
    snprintf(out, 32, "%s", ns_layer_kind_name((ns_layer_kind)r->kind[l]));
    if (r->window[l] > 0)
        snprintf(out + strlen(out), 32 - strlen(out), " %lld", (long long)r->window[l]);
    return out;
}

static int64_t best_of(const ns_linear *r, int64_t place)
{
    int64_t best = -1;
    for (int64_t l = 0; l < r->L; l++)
        if (!isnan(r->value[place * r->L + l].accuracy) &&
            (best < 0 || r->value[place * r->L + l].accuracy > r->value[place * r->L + best].accuracy))
            best = l;
    return best;
}

static void tell_value(const ns_answer *a, const ns_linear_value *v)
{
    tell_number(a, (double)v->accuracy);
    tell_number(a, (double)v->low);
    tell_number(a, (double)v->high);
    tell_number(a, (double)v->shuffled);
    tell_number(a, (double)v->without);
}

#define VALUES {"accuracy", "accuracy", NS_CELL_NUMBER}, {"low", "95% from", NS_CELL_NUMBER}, {"high", "to", NS_CELL_NUMBER}, \
               {"shuffled", "shuffled", NS_CELL_NUMBER}, {"without_needle", "no needle", NS_CELL_NUMBER}

static void tell_places(const ns_linear *r, const ns_answer *a)
{
    static const ns_column columns[] = {{"distance", "distance", NS_CELL_NUMBER}, {"n_cases", "cases", NS_CELL_INT},
                                        {"model_says", "model says", NS_CELL_NUMBER}, {"layer", "best layer", NS_CELL_INT}, VALUES};
    TELL_TABLE(a, "places", "By distance", columns);
    for (int64_t p = r->N > 1; p < r->N; p++) {
        const int64_t best = best_of(r, p);
        const ns_linear_value none = {NAN, NAN, NAN, NAN, NAN};
        tell_number(a, r->distance[p]);
        tell_integer(a, r->cases[p]);
        tell_number(a, (double)r->said[p]);
        tell_integer(a, best);
        tell_value(a, best < 0 ? &none : &r->value[p * r->L + best]);
    }
    a->end(a->user);
}

static void tell_layers(const ns_linear *r, const ns_answer *a)
{
    static const ns_column columns[] = {{"layer", "layer", NS_CELL_INT}, {"kind", "kind", NS_CELL_TEXT},
                                        {"distance", "distance", NS_CELL_NUMBER}, VALUES};
    TELL_TABLE(a, "layers", "By layer", columns);
    for (int64_t p = 0; p < (a->brief ? 1 : r->N); p++)
        for (int64_t l = 0; l < r->L; l++) {
            char kind[32];
            tell_integer(a, l);
            tell_text(a, kind_text(r, l, kind));
            tell_number(a, r->distance[p]);
            tell_value(a, &r->value[p * r->L + l]);
        }
    a->end(a->user);
}

void ns_linear_tell(const ns_linear *r, const ns_answer *a)
{
    tell_fact_integer(a, "n_cases", "cases with needle", r->cases[0]);
    tell_fact_integer(a, "n_without", "twins without needle", r->bare[0]);
    tell_fact_integer(a, "n_classes", "classes", r->K);
    tell_fact_number(a, "chance", "chance", r->chance);
    tell_fact_number(a, "model_says", "the model says the first token", (double)r->said[0]);
    tell_layers(r, a);
    if (r->N > 1 || !a->brief)
        tell_places(r, a);
}
