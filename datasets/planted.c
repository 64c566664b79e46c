/* planted.c - a smollm3 checkpoint by construction: heads whose job, and so whose score, is known.
 *
 * Every token has a unit code c(t). The residual stream has room for four things: the current token's code, the previous token's
 * code, the output, and a constant 1.
 *   previous-token head (RoPE): q and k are constants, rotated against each other by one position, so that every rotary pair of
 *       the score peaks at offset -1; it writes the code found there into `previous`. Row 0 falls on itself.
 *   retrieval heads (NoPE, so exact at any distance): score(i, j) = beta (2 c(t_i) . c(t_{j-1}) + c(t_{i-1}) . c(t_{j-1})), that is
 *       the token after an earlier copy of the current token, or, with half the weight, of the previous one; they write c(t_j) to the
 *       output. A BOS key scores 1.5 beta: a row without a copy looks there. The ANSWER marker has no code, cannot be found, and
 *       does not see the BOS score: its row falls back to the previous token, the KEY.
 * Codes are Kerdock words, |c . c'| <= rho = 1 / sqrt(n) <= 1/8, so the margins hold for every prompt:
 *       copy 2 - rho  against half match 1 + 2 rho: 1 - 3 rho;  against BOS 1.5: 0.5 - rho;  fallback 1 against noise rho: 1 - rho.
 * A head of strength X < 1 serves a share X of the tokens, drawn by the seed; the same ones and more at a larger X. A key whose previous
 * token is not served gets -4 beta, so that any score over keys drawn at random has the expectation X, at every length.
 * beta and the rotary amplitude are the least that leave the sum of all other keys below e^-7 (0.1 %) at max_positions.
 * MLPs and the outputs of all other heads are zero, so every norm is known and the gains of RMSNorm are divided out exactly. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/math.h"
#include "planted.h"

static const double SHARPNESS = 7;
enum { MAX_STRENGTHS = 64 };
static const ns_head default_retrieval[] = {{3, 1}, {4, 6}};

int ns_plan_head(const ns_plan *p, int64_t layer, int64_t head)
{
    for (int i = 0; i < p->n_retrieval; i++)
        if (p->retrieval[i].layer == layer && p->retrieval[i].head == head)
            return i;
    return -1;
}

bool ns_plan_retrieves(const ns_plan *p, int64_t layer, int64_t head)
{
    for (int i = 0; i < p->n_retrieval; i++)
        if (p->retrieval[i].layer == layer && (head < 0 || p->retrieval[i].head == head))
            return true;
    return false;
}

/* |x|^2 = 1 (constant) + |code|^2 (1 (current) + 1 (previous, once written) + (share of the output that is written)^2). */
double ns_plan_gain(const ns_plan *p, int64_t layer)
{
    double written = 0;
    if (p->zoo)
        return 1 / sqrt((1 + (1 + (double)p->F) * (1 + (layer > 0)) + ns_zoo_written(p, layer)) / (double)p->D + 1e-6);
    for (int i = 0; i < p->n_retrieval; i++)
        written += p->retrieval[i].layer < layer;
    written /= p->n_retrieval;
    const double code = 1 + (double)p->F, square = 1 + code * (1 + (layer > p->previous.layer) + written * written);
    return 1 / sqrt(square / (double)p->D + 1e-6);
}

static int check_head(ns_head head, const ns_plan *p, const char *kind, ns_error *err)
{
    if (head.layer < 0 || head.layer >= p->L)
        return ns_fail(err, NS_E_ARG, "plant: %s head %lld.%lld: the model has layers 0 to %lld", kind, (long long)head.layer,
                       (long long)head.head, (long long)p->L - 1);
    if (head.head < 0 || head.head >= p->H)
        return ns_fail(err, NS_E_ARG, "plant: %s head %lld.%lld: a layer has heads 0 to %lld", kind, (long long)head.layer,
                       (long long)head.head, (long long)p->H - 1);
    return NS_OK;
}

static int check_heads(const ns_plan *p, ns_error *err)
{
    int rc = check_head(p->previous, p, "previous-token", err);
    for (int i = 0; i < p->n_retrieval && rc == NS_OK; i++) {
        const ns_head head = p->retrieval[i];
        rc = check_head(head, p, "retrieval", err);
        if (rc == NS_OK && head.layer <= p->previous.layer)
            rc = ns_fail(err, NS_E_ARG,
                         "plant: retrieval head %lld.%lld needs what the previous-token head %lld.%lld writes: choose a layer above %lld",
                         (long long)head.layer, (long long)head.head, (long long)p->previous.layer, (long long)p->previous.head,
                         (long long)p->previous.layer);
        for (int j = 0; j < i && rc == NS_OK; j++)
            if (ns_head_is(head, p->retrieval[j]))
                rc = ns_fail(err, NS_E_ARG, "plant: retrieval head %lld.%lld is named twice", (long long)head.layer, (long long)head.head);
    }
    return rc;
}

static int check_sizes(const ns_plan *p, const double *strength, ns_error *err)
{
    if (p->L < 2 || p->L > 256 || p->H < 1 || p->H > 256)
        return ns_fail(err, NS_E_ARG, "plant: %lld layer%s of %lld head%s (2 to 256 layers, 1 to 256 heads)", (long long)p->L,
                       ns_plural(p->L), (long long)p->H, ns_plural(p->H));
    if (p->G < 1 || p->G > p->H || p->H % p->G)
        return ns_fail(err, NS_E_ARG, "plant: %lld heads cannot share %lld key/value heads evenly", (long long)p->H, (long long)p->G);
    if (p->V < 8 || p->V > 256 * 256 / 2 + 2)
        return ns_fail(err, NS_E_ARG, "plant: vocabulary of %lld (8 to %d)", (long long)p->V, 256 * 256 / 2 + 2);
    if (p->max_positions < 8 || p->max_positions > 1 << 20)
        return ns_fail(err, NS_E_ARG, "plant: %lld positions (8 to %d)", (long long)p->max_positions, 1 << 20);
    if (p->window < 0 || p->window == 1)
        return ns_fail(err, NS_E_ARG, "plant: window %lld: the previous token must be visible (2 or more; 0 = no window)",
                       (long long)p->window);
    for (int i = 0; i < p->n_retrieval && strength; i++)
        if (!(strength[i] >= 0 && strength[i] <= 1))
            return ns_fail(err, NS_E_ARG, "plant: strength %g is outside 0 (never retrieves) to 1 (always)", strength[i]);
    if (strength && p->n_retrieval > MAX_STRENGTHS)
        return ns_fail(err, NS_E_ARG, "plant: %d retrieval heads with strengths (at most %d)", p->n_retrieval, MAX_STRENGTHS);
    if (p->n_retrieval < 1 || p->n_retrieval > p->L * p->H)
        return ns_fail(err, NS_E_ARG, "plant: %d retrieval heads", p->n_retrieval);
    return NS_OK;
}

/* min over offsets m of sum_k (1 - cos(m w_k)), w_k = theta^(-2k/d): by how much amplitude 1 tells offset -1 from every other. */
static int least_gap(const ns_plan *p, double *out, ns_error *err)
{
    double *const w = ns_alloc_array((size_t)p->d / 2, sizeof *w);
    if (!w)
        return ns_oom(err, "a plan");
    for (int64_t k = 0; k < p->d / 2; k++)
        w[k] = ns_pow(p->theta, -2.0 * (double)k / (double)p->d);
    *out = (double)p->d;
    for (int64_t m = 1; m < p->max_positions; m++) {
        double gap = 0, s, c;
        for (int64_t k = 0; k < p->d / 2; k++) {
            ns_sincos((double)m * w[k], &s, &c);
            gap += 1 - c;
        }
        *out = gap < *out ? gap : *out;
    }
    free(w);
    return NS_OK;
}

/* Ranks [n] in random order: a random permutation of 0 .. n - 1. */
static void shuffle(int64_t *ranks, int64_t n, ns_rng *rng)
{
    for (int64_t i = 0; i < n; i++)
        ranks[i] = i;
    for (int64_t i = 0; i < n; i++) {
        const int64_t j = i + ns_rng_below(rng, n - i), rank = ranks[j];
        ranks[j] = ranks[i];
        ranks[i] = rank;
    }
}

/* Which tokens each head serves: the share is exact in the half of filler tokens and in that of keys and values. Markers are served. */
static int make_flags(ns_plan *p, ns_error *err)
{
    const int64_t first = 3, middle = first + (p->V - first) / 2;
    int64_t *const ranks = ns_alloc_array((size_t)p->V, sizeof *ranks);
    if (!ranks)
        return ns_oom(err, "a plan");
    for (int64_t t = 0; p->zoo && t < p->V; t++)       /* its one flag: a key or value by its id */
        p->codes[t * p->N + p->n + 2] = t < middle ? -1 : 1;
    for (int64_t f = 0; f < p->F && !p->zoo; f++) {
        ns_rng rng = ns_rng_seed(p->seed, 1000000 + (uint64_t)f);
        shuffle(ranks + first, middle - first, &rng);
        shuffle(ranks + middle, p->V - middle, &rng);
        for (int64_t t = 0; t < p->V; t++) {
            const int64_t size = t < middle ? middle - first : p->V - middle;
            p->codes[t * p->N + p->n + 2 + f] = t < first || (double)ranks[t] < p->strength[f] * (double)size ? 1 : -1;
        }
    }
    free(ranks);
    return NS_OK;
}

static int make_codes(ns_plan *p, ns_error *err)
{
    p->codes = ns_alloc_array((size_t)(p->V * p->N), sizeof *p->codes);
    float *const words = ns_alloc_array((size_t)((p->V - 2) * p->N), sizeof *words);
    ns_rng rng = ns_rng_seed(p->seed, 1);
    int rc = p->codes && words ? ns_codes(words, p->N, p->n, p->V - 2, &rng, err) : ns_oom(err, "token codes");
    for (int64_t t = 0, word = 0; rc == NS_OK && t < p->V; t++) {
        float *const code = p->codes + t * p->N;
        if (t == NS_PLANT_BOS || t == NS_PLANT_ANSWER)
            code[p->n + (t == NS_PLANT_ANSWER)] = 1;
        else
            memcpy(code, words + word++ * p->N, (size_t)p->n * sizeof *code);
    }
    free(words);
    return rc == NS_OK ? make_flags(p, err) : rc;
}

int ns_plan_finish(ns_plan *p, const double *strength, ns_error *err)
{
    double gap = 1;
    int rc;
    p->n = p->V <= 64 * 64 / 2 + 2 ? 64 : 256;
    p->F = p->zoo ? 1 : strength ? p->n_retrieval : 0;
    p->N = p->n + 2 + p->F;
    p->d = (p->N + 1 + 15) / 16 * 16;
    p->one = (3 + p->zoo) * p->N;
    p->D = (p->one + 1 + p->zoo + 31) / 32 * 32;
    const double wanted = ns_log((double)p->max_positions) + SHARPNESS, rho = 1 / sqrt((double)p->n);
    if ((rc = least_gap(p, &gap, err)) != NS_OK)
        return rc;
    p->peak = wanted / gap;
    p->beta = wanted / (1 - 3 * rho) * (p->zoo ? 2 : 1);
    return make_codes(p, err);
}

static int make_plan(ns_plan *p, const ns_plant_params *params, ns_error *err)
{
    const ns_head *const heads = params->retrieval ? params->retrieval : default_retrieval;
    *p = (ns_plan){
        .L = params->n_layers ? params->n_layers : 6, .H = params->n_heads ? params->n_heads : 8,
        .G = params->n_kv_heads ? params->n_kv_heads : 4,
        .V = params->vocab ? params->vocab : 512, .max_positions = params->max_positions ? params->max_positions : 4096,
        .window = params->window, .seed = params->seed, .mlp = 64, .theta = 100,
        .previous = params->previous_token,
        .n_retrieval = params->retrieval ? params->n_retrieval : (int)(sizeof default_retrieval / sizeof *default_retrieval),
    };
    int rc = check_sizes(p, params->strength, err);
    if (rc != NS_OK)
        return rc;
    p->retrieval = ns_alloc_array((size_t)p->n_retrieval, sizeof *p->retrieval);
    p->strength = ns_alloc_array((size_t)p->n_retrieval, sizeof *p->strength);
    if (!p->retrieval || !p->strength)
        return ns_oom(err, "a plan");
    memcpy(p->retrieval, heads, (size_t)p->n_retrieval * sizeof *p->retrieval);
    for (int i = 0; i < p->n_retrieval; i++)
        p->strength[i] = params->strength ? params->strength[i] : 1;
    if ((rc = check_heads(p, err)) != NS_OK)
        return rc;
    p->first_retrieval = p->L;
    for (int i = 0; i < p->n_retrieval; i++)
        p->first_retrieval = p->retrieval[i].layer < p->first_retrieval ? p->retrieval[i].layer : p->first_retrieval;
    return ns_plan_finish(p, params->strength, err);
}

/* A folder of our own: new, empty of checkpoints, or planted before. */
static int prepare_folder(const char *folder, ns_error *err)
{
    static const char *const run[] = {"run.json", NULL}, *const ours[] = {"planted.json", NULL};
    static const char *const model[] = {"config.json", "model.safetensors", "model.safetensors.index.json", NULL};
    const int made = ns_folder_make(folder, err);
    if (made < 0)
        return made;
    if (!ns_path_is_dir(folder))
        return ns_fail(err, NS_E_CREATE, "%s: exists and is not a folder (choose another name)", folder);
    if (ns_folder_holds(folder, run))
        return ns_fail(err, NS_E_CREATE, "%s: holds a run (choose another folder)", folder);
    if (ns_folder_holds(folder, model) && !ns_folder_holds(folder, ours))
        return ns_fail(err, NS_E_CREATE, "%s: holds a checkpoint that was not planted (choose another folder)", folder);
    return NS_OK;
}

void ns_plan_free(ns_plan *p)
{
    free(p->codes);
    free(p->retrieval);
    free(p->strength);
}

int ns_plan_write(const ns_plan *p, const char *folder, ns_error *err)
{
    char *weights = NULL;
    int rc = prepare_folder(folder, err);
    if (rc == NS_OK && !(weights = ns_path_join(folder, "model.safetensors")))
        rc = ns_oom(err, folder);
    if (rc == NS_OK)
        rc = ns_plan_weights(p, weights, err);
    if (rc == NS_OK)
        rc = ns_plan_describe(p, folder, err);
    free(weights);
    return rc;
}

int ns_plant(const char *folder, const ns_plant_params *params, ns_error *err)
{
    ns_plan plan = {0};
    int rc = params->size == sizeof *params ? NS_OK
           : ns_fail(err, NS_E_ARG, "plant: params.size is %zu, expected %zu (set it to sizeof)", params->size, sizeof *params);
    if (rc == NS_OK)
        rc = make_plan(&plan, params, err);
    if (rc == NS_OK)
        rc = ns_plan_write(&plan, folder, err);
    ns_plan_free(&plan);
    return rc;
}
