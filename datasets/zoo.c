/* zoo.c - a smollm3 checkpoint of decoys: heads that an attention score may take for retrieval heads, each with what every score must say.
 *
 * Beside planted.c's codes the residual has `previous2`, the code two tokens back (a second previous-token head copies it), one flag for
 * each token (+1: a key or value by its id, -1: filler or marker), and w, which the primary head sets when it found something.
 * From layer 2 on (NoPE) every head is a row of one table, in units of beta; n-dimensional code products are 1 or at most 1/8:
 *     score(i, j) = (current c(t_i) + previous c(t_{i-1})) . (key0 c(t_j) + key1 c(t_{j-1}) + key2 c(t_{j-2}))
 *                 + value (flag_j + flag_{j-1} - flag_{j-2} / 2) / 2 + BOS_j (bos + marker ANSWER_i + found w_i) - 4 ANSWER_j
 * The sink's .6 against .4 is exp(SINK) : 1 where previous matches once, without noise: no code product enters either score. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "planted.h"

enum { LAYERS = 6, HEADS = 8, KV_HEADS = 4, VOCAB = 512, POSITIONS = 512 };
static const double SINK = 0.40546510810816438;        /* ln 1.5 */
static const double FLAG = 0.3;            /* the size of w */

/* Cases as planted.json's keys name them: needle cases, the same with null twins (qr), repeats. */
typedef enum set { NEEDLES, WITH_NULL, REPEATS, SETS } set;
static const char *const set_names[SETS] = {"expected", "expected_with_null", "expected_on_repeats"};

enum {
    FIND, CONTINUE, COPY, ANY, FIND_NOSINK, CONTINUE_NOSINK, COPY_NOSINK, ANY_NOSINK, SELECTIVITY, COPY_SELECTIVITY, WU,
    MASS, MASS_LAST, MASS_FIRST, MASS_NOSINK, LAST_NOSINK, FIRST_NOSINK, NEEDLE_MASS, PREVIOUS, PREVIOUS_AT, OV, QR, QR_MARGIN,
    INDUCTION, DUPLICATE, LIFT, LIFT_LAST, LIFT_FIRST, SINK_MASS, LOCAL, ENTROPY, ENTROPY_NORM, ECHO,
    RETRIEVAL_LOGIT, DLA, WRITE_NORM, WRITE_SHARE, CONTRIBUTION, SCORES
};
static const struct { const char *name; set set; } scores[SCORES] = {
    [FIND] = {"retrieval_find", NEEDLES}, [CONTINUE] = {"retrieval_continue", NEEDLES}, [COPY] = {"retrieval_copy", NEEDLES},
    [ANY] = {"copy_any", NEEDLES},
    [FIND_NOSINK] = {"retrieval_find_nosink", NEEDLES}, [CONTINUE_NOSINK] = {"retrieval_continue_nosink", NEEDLES},
    [COPY_NOSINK] = {"retrieval_copy_nosink", NEEDLES}, [ANY_NOSINK] = {"copy_any_nosink", NEEDLES},
    [SELECTIVITY] = {"retrieval_selectivity", NEEDLES}, [COPY_SELECTIVITY] = {"copy_selectivity", NEEDLES},
    [WU] = {"retrieval_wu", NEEDLES},
    [MASS] = {"retrieval_mass", NEEDLES}, [MASS_LAST] = {"retrieval_mass_last", NEEDLES}, [MASS_FIRST] = {"retrieval_mass_first", NEEDLES},
    [MASS_NOSINK] = {"retrieval_mass_nosink", NEEDLES}, [LAST_NOSINK] = {"retrieval_mass_last_nosink", NEEDLES},
    [FIRST_NOSINK] = {"retrieval_mass_first_nosink", NEEDLES}, [NEEDLE_MASS] = {"needle_mass", NEEDLES},
    [PREVIOUS] = {"previous_token", NEEDLES},
    [PREVIOUS_AT] = {"previous_at_needle", NEEDLES}, [OV] = {"ov_copying", NEEDLES}, [QR] = {"qr", WITH_NULL},
    [QR_MARGIN] = {"qr_margin", WITH_NULL},
    [INDUCTION] = {"induction", REPEATS}, [DUPLICATE] = {"duplicate_token", REPEATS}, [LIFT] = {"mass_lift", NEEDLES},
    [LIFT_LAST] = {"mass_lift_last", NEEDLES}, [LIFT_FIRST] = {"mass_lift_first", NEEDLES}, [SINK_MASS] = {"sink_mass", NEEDLES},
    [LOCAL] = {"local_mass", NEEDLES}, [ENTROPY] = {"entropy", NEEDLES}, [ENTROPY_NORM] = {"entropy_norm", NEEDLES},
    [ECHO] = {"echo", REPEATS},
    [RETRIEVAL_LOGIT] = {"retrieval_logit", NEEDLES}, [DLA] = {"dla", NEEDLES}, [WRITE_NORM] = {"write_norm", NEEDLES},
    [WRITE_SHARE] = {"write_share", NEEDLES}, [CONTRIBUTION] = {"contribution", NEEDLES},
};

typedef struct range { double least, most; } range;
#define ZERO  {0, 0.01}
#define NONE  {-0.01, 0.01}
#define ONE   {0.99, 1}
#define SMALL {0, 0.15}
#define THIRD {0.32, 0.34}
#define TWO_THIRDS {0.65, 0.68}
#define OPEN  {-1, 1}
/* Masses times (q + 1) / 3 over cases of 64 and of 128 tokens. */
#define LIFTED {31, 33}
#define FLAT   {0, 0.35}
/* Of the last four prompt rows, filler QUERY KEY ANS, two rest at position 0 and two look at the needle, which is near in some cases. */
#define HALF_AT_REST {0.45, 0.55}, {0.1, 0.3}, ZERO, ZERO

typedef struct zoo_head {
    int         layer, head;
    const char *kind;
    double      current, previous, key0, key1, key2, value, bos, marker, found;
    double      writes;                /* share of the code found, to the output */
    bool        tells;                 /* sets w */
    range       expected[SCORES];
} zoo_head;

/* What is written, by retrieval_logit, dla, write_norm, write_share and contribution: three heads write a third of the code each, which is
 * a logit of 24.3 altogether, so .02 of it is .49; each of a pair is half of its layer's output. */
#define WRITES_NOTHING NONE, NONE, ZERO, ZERO, NONE
#define WRITES_A_THIRD {7.9, 8.3}, {7.6, 8.4}, {0.45, 0.57}, ONE, {0.49, 1}
/* Of QUERY KEY ANS, the rows that qr averages, the last two look at the needle. */
#define LOOKS_RIGHT ONE, ONE, ONE, ONE, ONE, ONE, ONE, ONE, ONE, ONE, ONE, ONE, ONE, ONE, ONE, ONE, ONE, ONE, SMALL, ZERO
#define LOOKS_ONLY LIFTED, LIFTED, LIFTED, HALF_AT_REST, SMALL
#define RETRIEVES {LOOKS_RIGHT, ONE, TWO_THIRDS, TWO_THIRDS, ONE, SMALL, LOOKS_ONLY, WRITES_A_THIRD}
static const zoo_head zoo[] = {
    {2, 0, "finds, but writes nothing", 2, 1, 0, 1, 0, 0, 1.5, -1.5, 0, 0, false,
     {LOOKS_RIGHT, OPEN, TWO_THIRDS, TWO_THIRDS, ONE, SMALL, LOOKS_ONLY, WRITES_NOTHING}},
    {2, 2, "any value, whatever the key", 0, 0, 0, 0, 0, 1, 0.5, 0, 0, 0.02, false,
     {   /* the first tokens of four values alike: rounding settles which is largest. Once the answer is said its own first token is a fifth
          * */
      {0, 0.6}, ZERO, {0, 0.2}, {0, 0.2}, {0, 0.6}, ZERO, {0, 0.2}, {0, 0.2}, {-1, 0.2}, {-0.34, 0.2}, {0, 0.2},
      {0.24, 0.26}, {0.24, 0.26}, {0.24, 0.26}, {0.24, 0.26}, {0.24, 0.26}, {0.24, 0.26}, {0.19, 0.26}, SMALL, OPEN, ONE, NONE, NONE, SMALL,
      SMALL,
      {7.7, 8.3}, {7.7, 8.3}, {7.7, 8.3}, ZERO, {0.2, 0.5}, {1.38, 1.39}, {0.28, 0.34}, SMALL,                  /* ln 4 */
      {0.02, 0.08}, {-0.05, 0.05}, {0.006, 0.0075}, {0.25, 0.33}, {0.05, 0.09}}},      /* of four values as much of each */
    {2, 4, "continues, but never finds", 2, 0, 0, 1, 0, 0, 1.5, 0, 0, 0.02, false,
     {   /* the row of the key, T - 2, does look at the needle */
      ZERO, ONE, TWO_THIRDS, TWO_THIRDS, OPEN, ONE, {0.65, 1}, {0.65, 1}, ZERO, TWO_THIRDS, TWO_THIRDS,
      ONE, ZERO, ZERO, ONE, OPEN, OPEN, TWO_THIRDS, SMALL, ZERO, ONE, THIRD, THIRD, ONE, SMALL,
      LIFTED, FLAT, FLAT, {0.7, 0.8}, {0.05, 0.15}, ZERO, ZERO, SMALL,
      {0.3, 0.35}, {0.3, 0.35}, {0.018, 0.02}, TWO_THIRDS, {0.34, 0.39}}},             /* two of three tokens */
    {2, 6, "sink .6, needle .4", 0, 1, 0, 1, 0, 0, 1, 0, 0, 0.02, false,                /* bos + SINK / beta */
     {   /* needle_mass: .4 at the first row, none, 1 of 1.5 + 1 + 1 where the answer's own token matches too */
      ZERO, ZERO, ZERO, ZERO, ONE, OPEN, {0.32, 1}, {0.32, 1}, ZERO, ZERO, ZERO,
      ZERO, {0.395, 0.405}, {0.395, 0.405}, OPEN, ONE, ONE, {0.22, 0.235}, SMALL, ZERO, ONE, {0.12, 0.14}, {0.12, 0.14}, SMALL, {0.2, 0.31},
      /* rows that ask nothing see themselves, and filler that stands behind the same */
      FLAT, {12.6, 13}, {12.6, 13}, {0.5, 0.605}, {0.3, 0.4}, {0.665, 0.85}, {0.13, 0.2}, {0.15, 0.31},
      /* its largest weight is never on the needle, and yet it writes: .4 of its .02 where it asks */
      {0.05, 0.08}, {0.05, 0.08}, {0.006, 0.007}, {0.42, 0.45}, {0.05, 0.075}}},
    {3, 0, "retrieves (primary)", 2, 1, 0, 1, 0, 0, 1.5, -1.5, 0, 1.0 / 3, true, RETRIEVES},
    {3, 2, "off by one", 2, 1, 0, 0, 1, 0, 1.5, -1.5, 0, 0.02, false,
     {   /* of the three tokens after those it should look at, the last is behind the needle */
      ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO,
      ONE, ONE, ONE, ONE, ONE, ONE, TWO_THIRDS, SMALL, ZERO, ONE, {0.6, 0.68}, {0.6, 0.68}, SMALL, SMALL, LOOKS_ONLY,
      {-0.03, 0.03}, {-0.03, 0.03}, {0.018, 0.02}, TWO_THIRDS, {0.01, 0.02}}},         /* it writes of the needle, but another token */
    {3, 4, "induction on repeats only", 1, 1, 0, 1, 1, 0, 1.5, 0, 0, 0.02, false,
     {   /* two tokens must match, so the third of three is all it finds */
      ZERO, {0.49, 0.51}, THIRD, THIRD, OPEN, {0.49, 1}, {0.32, 1}, {0.32, 1}, ZERO, THIRD, THIRD,
      ZERO, ZERO, ZERO, OPEN, OPEN, OPEN, THIRD, SMALL, ZERO, ONE, NONE, NONE, {0.8, 1}, SMALL,
      FLAT, FLAT, FLAT, {0.98, 1}, ZERO, {0, 0.05}, ZERO, SMALL,
      {0.15, 0.175}, {0.15, 0.175}, {0.009, 0.0098}, THIRD, {0.01, 0.017}}},
    {3, 6, "duplicate token, and itself", 1, 0, 1, 0, 0, 0, 0, 0, 0, 0.02, false,
     {   /* ANS cannot see itself and looks everywhere (a lift of 1); KEY and the answer's own tokens have half on the needle; k copies have
          * k / (k + 1) */
      ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO,
      ZERO, {0.03, 0.04}, {0.03, 0.04}, ZERO, {0.03, 0.04}, {0.03, 0.04}, {0.34, 0.36}, SMALL, ZERO, ONE, {0.16, 0.17}, {0.16, 0.17}, SMALL,
      {0.5, 0.58},
      FLAT, {0.98, 1.04}, {0.98, 1.04}, ZERO, {0.7, 0.85}, {1.28, 1.32}, {0.28, 0.3}, {0.42, 0.5},
      {-0.02, 0.02}, {-0.02, 0.02}, {0.009, 0.0105}, {0.34, 0.38}, {0.005, 0.011}}},
    {4, 0, "backup of the primary", 2, 1, 0, 1, 0, 0, 1.5, -1.5, 2, 1.0 / 3, false,
     {   /* the primary has found: w holds it to the sink, and without the sink it retrieves */
      ZERO, ZERO, ZERO, ZERO, ONE, ONE, ONE, ONE, ZERO, ZERO, ZERO,
      ZERO, ZERO, ZERO, ONE, ONE, ONE, ZERO, SMALL, ZERO, ONE, NONE, NONE, SMALL, SMALL,
      FLAT, FLAT, FLAT, ONE, ZERO, ZERO, ZERO, SMALL, WRITES_NOTHING}},
    {4, 2, "redundant pair", 2, 1, 0, 1, 0, 0, 1.5, -1.5, 0, 1.0 / 3, false, RETRIEVES},
    {4, 3, "redundant pair", 2, 1, 0, 1, 0, 0, 1.5, -1.5, 0, 1.0 / 3, false, RETRIEVES},
};
enum { N_ZOO = sizeof zoo / sizeof *zoo };

static const range previous_expected[SCORES] = {
    ZERO, ZERO, ZERO, OPEN, ZERO, ZERO, ZERO,  OPEN, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO, ZERO,  ZERO,
    ZERO, ONE,  ONE,  OPEN, NONE, NONE, SMALL, OPEN, FLAT, FLAT, FLAT, ZERO, ONE,  ZERO, ZERO, SMALL, WRITES_NOTHING,
};

double ns_zoo_written(const ns_plan *p, int64_t layer)
{
    const double code = 1 + (double)p->F, share = layer > 4 ? 1 : layer > 3 ? 1.0 / 9 : 0;
    return (layer > 1) * code + share * code;
}

/* Layers 0 and 1: the token before goes to `previous`, and its own previous one to `previous2`. */
static void fill_previous(const ns_plan *p, int64_t layer, const ns_plan_attention *a, double gain)
{
    const int64_t from = layer * p->N, to = layer ? 3 * p->N : p->N;
    ns_plan_previous(p, a->q, a->k, gain);
    for (int64_t i = 0; i < p->N; i++) {
        a->v[i * p->D + from + i] = (float)(1 / gain);
        a->o[(to + i) * p->H * p->d + i] = 1;
    }
}

static void fill_query(const ns_plan *p, const zoo_head *z, float *q, double size)
{
    const double bos = z->bos + (z->kind[0] == 's' ? SINK / p->beta : 0);
    for (int64_t i = 0; i < p->n; i++) {
        q[i * p->D + i] = (float)(z->current * size);
        q[i * p->D + p->N + i] = (float)(z->previous * size);
    }
    float *const at_bos = q + p->n * p->D;
    at_bos[p->one] = (float)(bos * size);
    at_bos[p->n + 1] = (float)(z->marker * size);
    at_bos[p->one + 1] = (float)(z->found / FLAG * size);
    q[(p->n + 1) * p->D + p->one] = (float)(-4 * size);
    q[(p->n + 2) * p->D + p->one] = (float)(z->value * size);
}

static void fill_key(const ns_plan *p, const zoo_head *z, float *k, double size)
{
    for (int64_t i = 0; i < p->n; i++) {
        k[i * p->D + i] = (float)(z->key0 * size);
        k[i * p->D + p->N + i] = (float)(z->key1 * size);
        k[i * p->D + 3 * p->N + i] = (float)(z->key2 * size);
    }
    k[p->n * p->D + p->n] = (float)size;
    k[(p->n + 1) * p->D + p->n + 1] = (float)size;
    float *const at_value = k + (p->n + 2) * p->D;
    at_value[p->n + 2] = at_value[p->N + p->n + 2] = (float)(size / 2);
    at_value[3 * p->N + p->n + 2] = (float)(-size / 4);
}

static void fill_value(const ns_plan *p, const zoo_head *z, float *v, float *o, double gain)
{
    for (int64_t i = 0; i < p->N; i++) {
        v[i * p->D + i] = (float)(1 / gain);
        o[(2 * p->N + i) * p->H * p->d + z->head * p->d + i] = (float)z->writes;
    }
    v[p->N * p->D + p->one] = (float)(1 / gain);           /* 1 at every key but BOS */
    v[p->N * p->D + p->n] = (float)(-1 / gain);
    if (z->tells)
        o[(p->one + 1) * p->H * p->d + z->head * p->d + p->N] = (float)FLAG;
}

/* Groups without a decoy get noise; so do queries of the other head of a decoy's group. */
void ns_zoo_fill(const ns_plan *p, int64_t layer, const ns_plan_attention *a, ns_rng *rng)
{
    const double gain = ns_plan_gain(p, layer), size = sqrt(p->beta * sqrt((double)p->d)) / gain, root = sqrt((double)p->D);
    const int64_t floats = p->d * p->D, per_group = p->H / p->G;
    bool filled[HEADS] = {layer < 2};
    if (layer < 2)
        fill_previous(p, layer, a, gain);
    for (int i = 0; i < N_ZOO; i++) {
        const zoo_head *const z = &zoo[i];
        if (z->layer != layer)
            continue;
        filled[z->head] = true;
        fill_query(p, z, a->q + z->head * floats, size);
        fill_key(p, z, a->k + z->head / per_group * floats, size);
        fill_value(p, z, a->v + z->head / per_group * floats, a->o, gain);
    }
    for (int64_t h = 0; h < p->H; h++) {
        bool group = false;
        for (int64_t i = h / per_group * per_group; i < (h / per_group + 1) * per_group; i++)
            group |= filled[i];
        if (!filled[h])
            ns_plan_noise(p, a->q + h * floats, floats, 1 / (root * (group ? size * gain : sqrt((double)p->d))), rng);
        if (!group && h % per_group == 0) {
            ns_plan_noise(p, a->k + h / per_group * floats, floats, 2 / (root * sqrt((double)p->d)), rng);
            ns_plan_noise(p, a->v + h / per_group * floats, floats, 2 / (root * sqrt((double)p->d)), rng);
        }
    }
}

static void add_ranges(bool *good, cJSON *head, const range *expected)
{
    cJSON *sets[SETS];
    for (int k = 0; k < SETS; k++)
        sets[k] = ns_put(good, head, set_names[k], cJSON_CreateObject());
    for (int i = 0; i < SCORES; i++)
        if (expected[i].least != -1 || expected[i].most != 1)
            ns_put(good, sets[scores[i].set], scores[i].name,
                   cJSON_CreateDoubleArray((const double[]){expected[i].least, expected[i].most}, 2));
}

static cJSON *head_json(bool *good, int64_t layer, int64_t head, const char *kind, const range *expected)
{
    cJSON *const out = cJSON_CreateObject();
    ns_put(good, out, "layer", cJSON_CreateNumber((double)layer));
    ns_put(good, out, "head", cJSON_CreateNumber((double)head));
    ns_put(good, out, "kind", cJSON_CreateString(kind));
    add_ranges(good, out, expected);
    return out;
}

/* Sets of heads whose silencing (zero_z) leaves the answers right, or does not. */
static void add_ablations(bool *good, cJSON *root)
{
    static const struct { int n, heads[4][2]; bool answered; } sets[] = {
        {1, {{3, 0}}, true}, {2, {{4, 2}, {4, 3}}, true}, {3, {{3, 0}, {4, 2}, {4, 3}}, true}, {4, {{3, 0}, {4, 0}, {4, 2}, {4, 3}}, false},
        {3, {{3, 0}, {4, 0}, {4, 2}}, true},
    };
    cJSON *const list = ns_put(good, root, "silenced", cJSON_CreateArray());
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++) {
        cJSON *const entry = cJSON_CreateObject(), *const heads = ns_put(good, entry, "heads", cJSON_CreateArray());
        for (int k = 0; k < sets[i].n; k++)
            ns_put(good, heads, NULL, cJSON_CreateIntArray(sets[i].heads[k], 2));
        ns_put(good, entry, "answered", cJSON_CreateNumber(sets[i].answered));
        ns_put(good, list, NULL, entry);
    }
}

cJSON *ns_zoo_json(bool *good, const ns_plan *p)
{
    cJSON *const root = cJSON_CreateObject();
    ns_put(good, root, "schema", cJSON_CreateNumber(1));
    ns_put(good, root, "kind", cJSON_CreateString("zoo"));
    ns_put(good, root, "seed", cJSON_CreateNumber((double)p->seed));
    cJSON *const cases = ns_put(good, root, "cases", cJSON_CreateObject());
    ns_put(good, cases, "vocab", cJSON_CreateNumber(VOCAB));
    ns_put(good, cases, "first_id", cJSON_CreateNumber(0));
    ns_put(good, cases, "keys", cJSON_CreateNumber(4));
    ns_put(good, cases, "answer_tokens", cJSON_CreateNumber(3));
    ns_put(good, cases, "lengths", cJSON_CreateIntArray((const int[]){64, 128}, 2));
    cJSON *const heads = ns_put(good, root, "heads", cJSON_CreateArray());
    ns_put(good, heads, NULL, head_json(good, 0, 0, "previous token", previous_expected));
    ns_put(good, heads, NULL, head_json(good, 1, 0, "previous token, of what it found", previous_expected));
    for (int i = 0; i < N_ZOO; i++)
        ns_put(good, heads, NULL, head_json(good, zoo[i].layer, zoo[i].head, zoo[i].kind, zoo[i].expected));
    add_ablations(good, root);
    return root;
}

int ns_plant_zoo(const char *folder, uint64_t seed, ns_error *err)
{
    ns_plan p = {.L = LAYERS, .H = HEADS, .G = KV_HEADS, .V = VOCAB, .max_positions = POSITIONS, .seed = seed, .mlp = 64, .theta = 100,
                 .zoo = true,
                 .n_retrieval = 1};
    int rc = ns_plan_finish(&p, NULL, err);
    if (rc == NS_OK)
        rc = ns_plan_write(&p, folder, err);
    ns_plan_free(&p);
    return rc;
}
