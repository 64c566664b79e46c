/* linear_fit.c - the readers of a layer-wise probing: for every layer and fold one that learns from the other folds, of the labels as they
 * are and of shuffled ones; the same of the twins without needle. Features of a fold are standardised over what is learned from. */
#include "linear.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/math.h"

static const double ROUNDING = 1e-6;

typedef struct readers {
    const ns_fit      *f;
    ns_linear_params   p;
    ns_linear_classes  k;
    int64_t           *fold;           /* [n] */
    int64_t           *shuffled;       /* [shuffles, n] */
    float             *worth;          /* [shuffles, n] of a hit: 1 / (the label's share of the cases at the distance . classes there) */
    /* of the fold in hand */
    int64_t            rows, D;
    int64_t           *at;             /* [rows] cases that are learned from */
    double            *x;              /* [rows, D] standardised */
    double            *mean, *size;    /* [D] */
    double            *w, *b;          /* [D, K], [K] of the reader in hand */
    int64_t           *y;              /* [rows] */
    ns_row_basis       basis;
    ns_error          *err;
} readers;

static const ns_linear_state *state_of(const readers *r, int64_t i)
{
    return ns_fit_state(r->f, i);
}

/* ---- labels ---- */

/* Labels of the cases at one distance change places; twins without needle keep theirs, and are not learned from here. */
static void shuffle(const readers *r, ns_rng *rng, int64_t distance, int64_t *label)
{
    for (int64_t i = r->k.n - 1; i >= 0; i--) {
        int64_t pick, n = 0;
        if (r->k.bare[i] || r->k.distance[i] != distance)
            continue;
        for (int64_t j = 0; j <= i; j++)
            n += !r->k.bare[j] && r->k.distance[j] == distance;
        pick = ns_rng_below(rng, n);
        for (int64_t j = 0; j <= i; j++) {
            if (r->k.bare[j] || r->k.distance[j] != distance || pick--)
                continue;
            const int64_t other = label[j];
            label[j] = label[i];
            label[i] = other;
            break;
        }
    }
}

static bool first_of_distance(const readers *r, int64_t i)
{
    for (int64_t j = 0; j < i; j++)
        if (!r->k.bare[j] && r->k.distance[j] == r->k.distance[i])
            return false;
    return !r->k.bare[i];
}

/* Over the cases with needle at the distance of case i. */
static float worth_of(const readers *r, const int64_t *label, int64_t i, int64_t *of_class)
{
    int64_t n = 0, classes = 0;
    memset(of_class, 0, (size_t)r->k.K * sizeof *of_class);
    for (int64_t j = 0; j < r->k.n; j++)
        if (!r->k.bare[j] && r->k.distance[j] == r->k.distance[i]) {
            n++;
            classes += !of_class[label[j]]++;
        }
    return (float)((double)n / (double)(classes * of_class[label[i]]));
}

static int draw_labels(readers *r)
{
    const int64_t n = r->k.n, draws = r->p.shuffles > 0 ? r->p.shuffles : 0;
    int64_t *const of_class = ns_alloc_array((size_t)r->k.K, sizeof *of_class);
    r->shuffled = ns_alloc_array((size_t)(draws * n), sizeof *r->shuffled);
    r->worth = ns_alloc_array((size_t)(draws * n), sizeof *r->worth);
    int rc = of_class && r->shuffled && r->worth ? NS_OK : ns_oom(r->err, "shuffled labels");
    for (int64_t s = 0; s < draws && rc == NS_OK; s++) {
        ns_rng rng = ns_rng_seed(r->p.seed, (uint64_t)s + 1);
        int64_t *const label = r->shuffled + s * n;
        memcpy(label, r->k.of, (size_t)n * sizeof *label);
        for (int64_t i = 0; i < n; i++)
            if (first_of_distance(r, i))
                shuffle(r, &rng, r->k.distance[i], label);
        for (int64_t i = 0; i < n; i++)
            r->worth[s * n + i] = r->k.bare[i] ? 0 : worth_of(r, label, i, of_class);
    }
    free(of_class);
    return rc;
}

/* Classes within distances: every fold gets its part of each. */
static int deal(readers *r)
{
    const int64_t n = r->k.n;
    int64_t *const stratum = ns_alloc_array((size_t)n, sizeof *stratum), far = 0;
    r->fold = ns_alloc_array((size_t)n, sizeof *r->fold);
    int rc = stratum && r->fold ? NS_OK : ns_oom(r->err, "folds");
    for (int64_t i = 0; i < n && rc == NS_OK; i++)
        far = r->k.distance[i] > far ? r->k.distance[i] : far;
    for (int64_t i = 0; i < n && rc == NS_OK; i++)
        stratum[i] = r->k.of[i] * (far + 2) + r->k.distance[i] + 1;
    rc = rc != NS_OK ? rc : ns_fit_folds(r->f, r->p.folds, r->p.seed, stratum, r->fold, r->err);
    free(stratum);
    return rc;
}

/* ---- features ---- */

/* Cases of the kind outside the fold (-1: all), standardised. A feature that varies by no more than f32 rounds it stays as it lies about
 * its mean: there is nothing to be enlarged. */
static int gather(readers *r, int64_t layer, bool bare, int64_t fold)
{
    r->rows = 0;
    for (int64_t i = 0; i < r->k.n; i++)
        if (r->k.bare[i] == bare && r->fold[i] != fold)
            r->at[r->rows++] = i;
    for (int64_t d = 0; d < r->D; d++) {
        double mean = 0, square = 0;
        for (int64_t i = 0; i < r->rows; i++)
            mean += (double)state_of(r, r->at[i])->x[layer][d];
        mean /= (double)r->rows;
        for (int64_t i = 0; i < r->rows; i++) {
            const double apart = (double)state_of(r, r->at[i])->x[layer][d] - mean;
            square += apart * apart;
        }
        const double size = sqrt(square / (double)r->rows);
        r->mean[d] = mean;
        r->size[d] = size > ROUNDING * fabs(mean) ? size : 1;
        for (int64_t i = 0; i < r->rows; i++)
            r->x[i * r->D + d] = ((double)state_of(r, r->at[i])->x[layer][d] - mean) / r->size[d];
        if (!isfinite(size))
            return ns_fail(r->err, NS_E_ARG, "probe: the activations of layer %lld are not finite", (long long)layer);
    }
    ns_row_basis_free(&r->basis);
    return ns_row_basis_make(&r->basis, r->x, r->rows, r->D, r->err);
}

static int learn(readers *r, const int64_t *label)
{
    for (int64_t i = 0; i < r->rows; i++)
        r->y[i] = label[r->at[i]];
    return ns_logistic_fit(&r->basis, r->y, r->k.K, r->p.c, r->w, r->b, r->err);
}

/* The class that the reader tells of case i; of equals the first. */
static int64_t tell(const readers *r, int64_t layer, int64_t i)
{
    const float *const x = state_of(r, i)->x[layer];
    double best = -INFINITY;
    int64_t said = 0;
    for (int64_t k = 0; k < r->k.K; k++) {
        double sum = r->b[k];
        for (int64_t d = 0; d < r->D; d++)
            sum += ((double)x[d] - r->mean[d]) / r->size[d] * r->w[d * r->k.K + k];
        said = sum > best ? k : said;
        best = fmax(best, sum);
    }
    return said;
}

/* ---- a layer ---- */

/* Cases of the fold, by readers that learned from the others. */
static int judge_fold(readers *r, int64_t layer, bool bare, int64_t fold)
{
    const int64_t n = r->k.n, L = r->f->run->n_layers, draws = bare || r->p.shuffles < 0 ? 0 : r->p.shuffles;
    float *const said = r->f->outputs[NS_LINEAR_SAID], *const shuffled = r->f->outputs[NS_LINEAR_SHUFFLED];
    int rc = gather(r, layer, bare, fold);
    rc = rc != NS_OK ? rc : learn(r, r->k.of);
    for (int64_t i = 0; i < n && rc == NS_OK; i++)
        if (r->k.bare[i] == bare && r->fold[i] == fold) {
            said[i * L + layer] = (float)tell(r, layer, i);
            shuffled[i * L + layer] = draws ? 0 : NAN;
        }
    for (int64_t s = 0; s < draws && rc == NS_OK; s++) {
        rc = learn(r, r->shuffled + s * n);
        for (int64_t i = 0; i < n && rc == NS_OK; i++)
            if (!r->k.bare[i] && r->fold[i] == fold && tell(r, layer, i) == r->shuffled[s * n + i])
                shuffled[i * L + layer] += r->worth[s * n + i] / (float)draws;
    }
    return rc;
}

/* What reads, learned from all cases. */
static int keep_weights(readers *r, int64_t layer)
{
    const int64_t K = r->k.K, most = r->f->run->extent->n[NS_AXIS_POSITION], all = r->f->run->extent->n[NS_AXIS_CLASS];
    float *const *const out = r->f->outputs;
    int rc = gather(r, layer, false, -1);
    rc = rc != NS_OK ? rc : learn(r, r->k.of);
    for (int64_t d = 0; d < r->D && rc == NS_OK; d++) {
        out[NS_LINEAR_MEAN][layer * most + d] = (float)r->mean[d];
        out[NS_LINEAR_SIZE][layer * most + d] = (float)r->size[d];
        for (int64_t k = 0; k < K; k++)
            out[NS_LINEAR_WEIGHTS][(layer * most + d) * all + k] = (float)r->w[d * K + k];
    }
    for (int64_t k = 0; k < K && rc == NS_OK; k++)
        out[NS_LINEAR_INTERCEPTS][layer * all + k] = (float)r->b[k];
    return rc;
}

static bool any_bare(const readers *r)
{
    for (int64_t i = 0; i < r->k.n; i++)
        if (r->k.bare[i])
            return true;
    return false;
}

static int make_room(readers *r, int64_t D)
{
    const size_t n = (size_t)r->k.n, K = (size_t)r->k.K, d = (size_t)D;
    r->at = ns_alloc_array(n, sizeof *r->at);
    r->y = ns_alloc_array(n, sizeof *r->y);
    r->x = ns_alloc_array(n, d * sizeof *r->x);
    r->mean = ns_alloc_array(d, sizeof *r->mean);
    r->size = ns_alloc_array(d, sizeof *r->size);
    r->w = ns_alloc_array(d, K * sizeof *r->w);
    r->b = ns_alloc_array(K, sizeof *r->b);
    return r->at && r->y && r->x && r->mean && r->size && r->w && r->b ? NS_OK : ns_oom(r->err, "activations to probe (use fewer cases)");
}

static int fit_layer(readers *r, int64_t layer)
{
    int rc = NS_OK;
    r->D = state_of(r, 0)->width[layer];
    for (int64_t i = 0; i < r->k.n; i++)
        if (!state_of(r, i)->x[layer])                   /* the layer has no such point */
            return NS_OK;
    for (int bare = 0; bare <= any_bare(r) && rc == NS_OK; bare++)
        for (int64_t fold = 0; fold < r->p.folds && rc == NS_OK; fold++)
            rc = judge_fold(r, layer, bare, fold);
    return rc != NS_OK || !r->p.weights ? rc : keep_weights(r, layer);
}

/* ---- all of it ---- */

static int sum_up(const readers *r)
{
    const int64_t L = r->f->run->n_layers;
    float *const *const out = r->f->outputs;
    ns_linear_value *const value = ns_alloc_array((size_t)L, sizeof *value);
    const ns_linear_seen seen = {.C = r->k.n, .L = L, .class_ = out[NS_LINEAR_CLASS], .bare = out[NS_LINEAR_BARE],
                                 .prompt = out[NS_LINEAR_PROMPT], .distance = out[NS_LINEAR_DISTANCE],
                                 .said = out[NS_LINEAR_SAID], .shuffled = out[NS_LINEAR_SHUFFLED]};
    const int rc = value ? ns_linear_reduce(&seen, (double)NAN, value, r->err) : ns_oom(r->err, "accuracies");
    for (int64_t l = 0; l < L && rc == NS_OK; l++) {
        out[NS_LINEAR_ACCURACY][l] = value[l].accuracy;
        out[NS_LINEAR_LOW][l] = value[l].low;
        out[NS_LINEAR_HIGH][l] = value[l].high;
        out[NS_LINEAR_OF_SHUFFLED][l] = value[l].shuffled;
        out[NS_LINEAR_OF_BARE][l] = value[l].without;
    }
    free(value);
    return rc;
}

static void say_classes(const readers *r)
{
    for (int64_t i = 0; i < r->k.n; i++) {
        r->f->outputs[NS_LINEAR_CLASS][i] = (float)r->k.of[i];
        r->f->outputs[NS_LINEAR_BARE][i] = r->k.bare[i];
        r->f->outputs[NS_LINEAR_PROMPT][i] = (float)r->k.prompt[i];
        r->f->outputs[NS_LINEAR_FOLD][i] = (float)r->fold[i];
        r->f->outputs[NS_LINEAR_DISTANCE][i] = r->k.distance[i] < 0 ? NAN : (float)r->k.distance[i];
    }
}

static void clear(readers *r)
{
    ns_row_basis_free(&r->basis);
    ns_linear_classes_free(&r->k);
    void *const all[] = {r->fold, r->shuffled, r->worth, r->at, r->x, r->mean, r->size, r->w, r->b, r->y};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
}

int ns_linear_fit(const ns_fit *f, ns_error *err)
{
    readers r = {.f = f, .p = ns_linear_params_of(f->run->probe), .err = err};
    int64_t widest = 0;
    int rc = ns_linear_classes_find(&r.k, f->cases, f->n, &r.p, err);
    rc = rc != NS_OK ? rc : deal(&r);
    rc = rc != NS_OK ? rc : draw_labels(&r);
    for (int64_t l = 0; l < f->run->n_layers && rc == NS_OK; l++)
        widest = state_of(&r, 0)->width[l] > widest ? state_of(&r, 0)->width[l] : widest;
    rc = rc != NS_OK ? rc : make_room(&r, widest);
    if (rc == NS_OK)
        say_classes(&r);
    for (int64_t l = 0; l < f->run->n_layers && rc == NS_OK; l++)
        rc = f->cancelled && f->cancelled(f->user) ? NS_STOP : fit_layer(&r, l);
    rc = rc != NS_OK ? rc : sum_up(&r);
    clear(&r);
    return rc;
}
