/* planted.h - the plan of a constructed checkpoint, shared by the checks, the weights and the descriptions. Internal. */
#ifndef NS_PLANTED_H
#define NS_PLANTED_H

#include <needlescope/dataset.h>

#include "core/core.h"

/* Special tokens: BOS is what idle heads look at, QUERY an ordinary token by use, ANSWER a marker that is nobody's key. */
enum { NS_PLANT_BOS = 0, NS_PLANT_QUERY = 1, NS_PLANT_ANSWER = 2 };

typedef struct ns_plan ns_plan;
/* The four matrices of a layer, zeroed: q [H d, D], k and v [G d, D], o [D, H d]. */
typedef struct ns_plan_attention { float *q, *k, *v, *o; } ns_plan_attention;

struct ns_plan {
    int64_t L, H, G, d, D, mlp, V;
    int64_t max_positions, window;
    int64_t n;                 /* length of a code: 64 or 256; |code . code'| <= 1 / sqrt(n) */
    int64_t F;                 /* serving flags: one per retrieval head where any strength is below 1, else 0 */
    int64_t N;                 /* n + 2 + F: code, BOS flag, ANSWER flag, serving flags; the residual is [current N | previous N | output N
                                * | 1 | unused] */
    ns_head previous;
    ns_head *retrieval;   /* [n_retrieval] */
    int     n_retrieval;
    int64_t first_retrieval;   /* layer */
    double  theta;
    double  peak;              /* amplitude of every rotary pair of the previous-token head */
    double  beta;              /* score of a weight-1 match in a retrieval head */
    double *strength;          /* [n_retrieval] share of the tokens that the head serves */
    float  *codes;             /* [V, N] unit vectors, and the serving flags +1 (served) or -1 */
    uint64_t seed;
    bool    zoo;               /* zoo.c: a fourth code (two tokens back) between output and 1, and decoys instead of retrieval heads */
    int64_t one;               /* place of the constant 1 */
};

/* codes.c: count Kerdock codewords of length n = 64 or 256 (n^2 / 2 exist), unit vectors, shuffled by the rng; out[count, stride]. */
int ns_codes(float *out, int64_t stride, int64_t n, int64_t count, ns_rng *, ns_error *);
/* 1 / |x| * sqrt(D): what RMSNorm multiplies the residual with, at the input of a layer (L = the final norm). */
double ns_plan_gain(const ns_plan *, int64_t layer);
/* Index of a retrieval head, -1 for another. */
int ns_plan_head(const ns_plan *, int64_t layer, int64_t head);
bool ns_plan_retrieves(const ns_plan *, int64_t layer, int64_t head);      /* head < 0: any head of the layer */
/* The pieces that zoo.c shares. Rows of one head: q, k, v [d, D], o with the head's columns. */
int    ns_plan_finish(ns_plan *, const double *strength, ns_error *);      /* sizes given, the rest of the plan */
int    ns_plan_write(const ns_plan *, const char *folder, ns_error *);
void   ns_plan_free(ns_plan *);
void   ns_plan_previous(const ns_plan *, float *q, float *k, double gain);  /* attends to the token before */
void   ns_plan_noise(const ns_plan *, float *w, int64_t n, double sigma, ns_rng *);
void   ns_zoo_fill(const ns_plan *, int64_t layer, const ns_plan_attention *, ns_rng *);
double ns_zoo_written(const ns_plan *, int64_t layer);     /* |x|^2 beyond current, previous and 1 */
cJSON *ns_zoo_json(bool *good, const ns_plan *);

/* ---- what is written of it (planted_describe.c) ---- */
/* item into an object (key) or a list (NULL) -> item. Where memory is out, of in and item too: *good = false, NULL, and nothing leaks. */
cJSON *ns_put(bool *good, cJSON *in, const char *key, cJSON *item);
/* Takes the tree; one that is not good is NS_E_MEMORY. *text, if wanted, is what was written: free(). */
int    ns_write_tree(cJSON *, bool good, const char *folder, const char *name, char **text, ns_error *);
int ns_plan_weights(const ns_plan *, const char *path, ns_error *);
int ns_plan_describe(const ns_plan *, const char *folder, ns_error *);     /* planted.json, then config.json */

#endif
