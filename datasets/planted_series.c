/* planted_series.c - a run folder of planted checkpoints whose heads are born, die and stay away at known steps:
 *     turns of each head -> its strength at every checkpoint (+ jitter, dips) -> stepNNNNNN/ by ns_plant -> planted.json, run.json
 * The strength crosses 1/2 between the checkpoint before a turn and the first one at or after it, and takes `rise` checkpoints from 0 to
 * 1. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "planted.h"

typedef struct series {
    const ns_plant_series_params *p;
    ns_plant_params plant;
    int64_t   P;               /* checkpoints */
    int64_t   every, tokens, rise;
    double   *strength;        /* [K, P], K = plant.n_retrieval */
} series;

static const ns_head default_heads[] = {{1, 1}, {1, 2}, {2, 0}, {2, 3}};

/* First checkpoint at or after a step; P where none is. */
static int64_t checkpoint_of(const series *s, int64_t step)
{
    const int64_t i = (step + s->every - 1) / s->every;
    return i < s->P ? i : s->P;
}

/* Share of a turn at `step` that is done at checkpoint i. */
static double turned(const series *s, int64_t step, int64_t i)
{
    const double done = 0.5 + ((double)(i - (step + s->every - 1) / s->every) + 0.5) / (double)s->rise;
    return done < 0 ? 0 : done > 1 ? 1 : done;
}

/* Turns alternate: birth, death, birth ... */
static double planned(const series *s, int64_t head, int64_t i)
{
    const ns_plant_life *const life = &s->p->lives[head];
    double sum = 0;
    for (int t = 0; t < life->n_turns; t++)
        sum += (t % 2 ? -1 : 1) * turned(s, life->turns[t], i);
    return sum < 0 ? 0 : sum > 1 ? 1 : sum;
}

/* A dip lasts one checkpoint and stands alone: full strength is planned for three checkpoints before it and one after. */
static bool may_dip(const series *s, int64_t head, int64_t i)
{
    bool full = i >= 3 && i + 1 < s->P;
    for (int64_t j = i - 3; full && j <= i + 1; j++)
        full = planned(s, head, j) >= 1 && (j >= i || s->strength[head * s->P + j] > 0.5);
    return full;
}

static void plan_strengths(series *s)
{
    for (int64_t k = 0; k < s->plant.n_retrieval; k++) {
        ns_rng rng = ns_rng_seed(s->plant.seed, 2000000 + (uint64_t)k);
        for (int64_t i = 0; i < s->P; i++) {
            const double noise = ns_rng_normal(&rng), chance = ns_rng_uniform(&rng);
            double x = planned(s, k, i) + s->p->jitter * noise;
            if (chance < s->p->dips && may_dip(s, k, i))
                x = 0.2;
            s->strength[k * s->P + i] = x < 0 ? 0 : x > 1 ? 1 : x;
        }
    }
}

static int check_lives(const series *s, ns_error *err)
{
    if (s->p->n_lives != s->plant.n_retrieval)
        return ns_fail(err, NS_E_ARG, "plant series: births (--births) of %d heads, and %d retrieval heads (--retrieval): one life for "
                       "each", s->p->n_lives, s->plant.n_retrieval);
    for (int k = 0; k < s->p->n_lives; k++)
        for (int t = 0; t < s->p->lives[k].n_turns; t++)
            if (s->p->lives[k].turns[t] < 1 || (t > 0 && s->p->lives[k].turns[t] <= s->p->lives[k].turns[t - 1]))
                return ns_fail(err, NS_E_ARG, "plant series: head %d: births and deaths are steps above 0 that ascend", k);
    return NS_OK;
}

static int check(const series *s, ns_error *err)
{
    const ns_plant_series_params *const p = s->p;
    if (s->P < 2 || s->P > 100000 || s->every < 1 || s->every > 1000000000 || s->rise < 1 || s->tokens < 1)
        return ns_fail(err, NS_E_ARG, "plant series: %lld checkpoints every %lld steps, rising over %lld (2 or more, 1 or more, 1 or more)",
                       (long long)s->P, (long long)s->every, (long long)s->rise);
    if (!(p->jitter >= 0 && p->jitter <= 1) || !(p->dips >= 0 && p->dips <= 1))
        return ns_fail(err, NS_E_ARG, "plant series: jitter %g or dips %g is outside 0 to 1", p->jitter, p->dips);
    return check_lives(s, err);
}

static int prepare(const char *folder, ns_error *err)
{
    static const char *const others[] = {"run.json", "planted.json", "config.json", "model.safetensors", "model.safetensors.index.json",
                                         NULL};
    const int made = ns_folder_make(folder, err);
    if (made < 0)
        return made;
    if (!ns_path_is_dir(folder))
        return ns_fail(err, NS_E_CREATE, "%s: exists and is not a folder (choose another name)", folder);
    return !ns_folder_holds(folder, others) ? NS_OK
                                            : ns_fail(err, NS_E_CREATE, "%s: holds a run or a checkpoint (choose another folder)", folder);
}

static cJSON *head_json(bool *good, const series *s, int64_t k)
{
    const ns_plant_life *const life = &s->p->lives[k];
    cJSON *const head = cJSON_CreateObject();
    ns_put(good, head, "layer", cJSON_CreateNumber((double)s->plant.retrieval[k].layer));
    ns_put(good, head, "head", cJSON_CreateNumber((double)s->plant.retrieval[k].head));
    ns_put(good, head, "kind", cJSON_CreateString("retrieval"));
    cJSON *const lists[2] = {ns_put(good, head, "births", cJSON_CreateArray()), ns_put(good, head, "deaths", cJSON_CreateArray())};
    for (int t = 0; t < life->n_turns; t++) {
        const int64_t i = checkpoint_of(s, life->turns[t]);
        if (i < s->P)
            ns_put(good, lists[t % 2], NULL, cJSON_CreateNumber((double)(i * s->every)));
    }
    ns_put(good, head, "strength", cJSON_CreateDoubleArray(s->strength + k * s->P, (int)s->P));
    return head;
}

/* births and deaths: the first checkpoint's step at which the planned strength is above (below) 1/2; beyond the last one: left out. */
static cJSON *truth_json(bool *good, const series *s)
{
    cJSON *const root = cJSON_CreateObject();
    ns_put(good, root, "schema", cJSON_CreateNumber(1));
    ns_put(good, root, "kind", cJSON_CreateString("series"));
    ns_put(good, root, "seed", cJSON_CreateNumber((double)s->plant.seed));
    ns_put(good, root, "rise", cJSON_CreateNumber((double)s->rise));
    ns_put(good, root, "jitter", cJSON_CreateNumber(s->p->jitter));
    ns_put(good, root, "dips", cJSON_CreateNumber(s->p->dips));
    cJSON *const steps = ns_put(good, root, "steps", cJSON_CreateArray());
    for (int64_t i = 0; i < s->P; i++)
        ns_put(good, steps, NULL, cJSON_CreateNumber((double)(i * s->every)));
    cJSON *const heads = ns_put(good, root, "heads", cJSON_CreateArray());
    for (int64_t k = 0; k < s->plant.n_retrieval; k++)
        ns_put(good, heads, NULL, head_json(good, s, k));
    return root;
}

static cJSON *run_json(bool *good, const series *s, const char *folder, const char *truth)
{
    char hex[65];
    ns_sha256 hash;
    ns_sha256_begin(&hash);
    ns_sha256_add(&hash, truth, strlen(truth));
    ns_sha256_end(&hash, hex);
    cJSON *const root = cJSON_CreateObject();
    ns_put(good, root, "schema", cJSON_CreateNumber(1));
    ns_put(good, root, "name", cJSON_CreateString(ns_path_base(folder)));
    ns_put(good, root, "tokens_per_step", cJSON_CreateNumber((double)s->tokens));
    cJSON *const coords = ns_put(good, root, "coords", cJSON_CreateObject());
    ns_put(good, coords, "window", cJSON_CreateNumber((double)s->plant.window));
    ns_put(good, coords, "seed", cJSON_CreateNumber((double)s->plant.seed));
    ns_put(good, coords, "arm", cJSON_CreateString("planted"));
    ns_put(good, root, "config_sha256", cJSON_CreateString(hex));
    return root;
}

static int write_truth(const series *s, const char *folder, char **text, ns_error *err)
{
    bool good = true;
    cJSON *const tree = truth_json(&good, s);
    return ns_write_tree(tree, good, folder, "planted.json", text, err);
}

static int write_run(const series *s, const char *folder, const char *truth, ns_error *err)
{
    bool good = true;
    cJSON *const tree = run_json(&good, s, folder, truth);
    return ns_write_tree(tree, good, folder, "run.json", NULL, err);
}

static int write_checkpoint(const series *s, const char *folder, int64_t i, double *strength, ns_error *err)
{
    char *const step = ns_printf_alloc("%s/step%06lld", folder, (long long)(i * s->every));
    ns_plant_params plant = s->plant;
    for (int64_t k = 0; k < plant.n_retrieval; k++)
        strength[k] = s->strength[k * s->P + i];
    plant.strength = strength;
    const int rc = step ? ns_plant(step, &plant, err) : ns_oom(err, folder);
    free(step);
    return rc;
}

static int write_series(const series *s, const char *folder, double *strength, ns_error *err)
{
    char *truth = NULL;
    int rc = prepare(folder, err);
    for (int64_t i = 0; i < s->P && rc == NS_OK; i++)
        rc = write_checkpoint(s, folder, i, strength, err);
    rc = rc != NS_OK ? rc : write_truth(s, folder, &truth, err);
    rc = rc != NS_OK ? rc : write_run(s, folder, truth, err);
    free(truth);
    return rc;
}

int ns_plant_series(const char *folder, const ns_plant_series_params *p, ns_error *err)
{
    ns_plant_series_params params;
    int rc = ns_sized_copy(&params, sizeof params, p, "ns_plant_series_params", err);
    if (rc != NS_OK)
        return rc;
    p = &params;
    series s = {.p = p, .plant = p->plant, .P = p->n_checkpoints ? p->n_checkpoints : 20, .every = p->every ? p->every : 10,
                .tokens = p->tokens_per_step ? p->tokens_per_step : 2048, .rise = p->rise ? p->rise : 1};
    s.plant.size = sizeof s.plant;
    if (!s.plant.retrieval) {
        s.plant.retrieval = default_heads;
        s.plant.n_retrieval = 4;
        s.plant.n_layers = s.plant.n_layers ? s.plant.n_layers : 3;
        s.plant.n_heads = s.plant.n_heads ? s.plant.n_heads : 4;
        s.plant.n_kv_heads = s.plant.n_kv_heads ? s.plant.n_kv_heads : 2;
    }
    const int64_t last = (s.P - 1) * s.every;
    const int64_t turns[][2] = {{last / 5}, {last * 7 / 10}, {last * 3 / 10, last * 6 / 10}};
    const ns_plant_life lives[] = {{turns[0], 1}, {turns[1], 1}, {turns[2], 2}, {NULL, 0}};    /* early, late, dying again, never */
    ns_plant_series_params own = *p;
    if (!p->lives && s.plant.retrieval == default_heads) {
        own.lives = lives;
        own.n_lives = 4;
        s.p = &own;
    }
    rc = check(&s, err);
    if (rc != NS_OK)
        return rc;
    double *const strength = ns_alloc_array((size_t)s.plant.n_retrieval, sizeof *strength);
    s.strength = ns_alloc_array((size_t)(s.plant.n_retrieval * s.P), sizeof *s.strength);
    if (strength && s.strength) {
        plan_strengths(&s);
        rc = write_series(&s, folder, strength, err);
    } else {
        rc = ns_oom(err, "a series");
    }
    free(s.strength);
    free(strength);
    return rc;
}
