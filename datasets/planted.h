/* planted.h - the plan of a constructed checkpoint, shared by the checks, the weights and the descriptions. Internal. */
#ifndef NS_PLANTED_H
#define NS_PLANTED_H

#include <needlescope/dataset.h>

#include "core/core.h"

/* Special tokens: BOS is what idle heads look at, QUERY an ordinary token by use, ANSWER a marker that is nobody's key. */
enum { NS_PLANT_BOS = 0, NS_PLANT_QUERY = 1, NS_PLANT_ANSWER = 2 };

typedef struct ns_plan {
    int64_t L, H, G, d, D, mlp, V;
    int64_t max_positions, window;
    int64_t n;                 /* length of a code: 64 or 256; |code . code'| <= 1 / sqrt(n) */
    int64_t F;                 /* serving flags: one per retrieval head where any strength is below 1, else 0 */
    int64_t N;                 /* n + 2 + F: code, BOS flag, ANSWER flag, serving flags; the residual is [current N | previous N | output N | 1 | unused] */
    int64_t previous[2];
    int64_t (*retrieval)[2];   /* [n_retrieval] */
    int     n_retrieval;
    int64_t first_retrieval;   /* layer */
    double  theta;
    double  peak;              /* amplitude of every rotary pair of the previous-token head */
    double  beta;              /* score of a weight-1 match in a retrieval head */
    double *strength;          /* [n_retrieval] share of the tokens that the head serves */
    float  *codes;             /* [V, N] unit vectors, and the serving flags +1 (served) or -1 */
    uint64_t seed;
} ns_plan;

/* codes.c: count Kerdock codewords of length n = 64 or 256 (n^2 / 2 exist), unit vectors, shuffled by the rng; out[count, stride]. */
int ns_codes(float *out, int64_t stride, int64_t n, int64_t count, ns_rng *, ns_error *);
/* 1 / |x| * sqrt(D): what RMSNorm multiplies the residual with, at the input of a layer (L = the final norm). */
double ns_plan_gain(const ns_plan *, int64_t layer);
/* Index of a retrieval head, -1 for another. */
int ns_plan_head(const ns_plan *, int64_t layer, int64_t head);
bool ns_plan_retrieves(const ns_plan *, int64_t layer, int64_t head);      /* head < 0: any head of the layer */
int ns_plan_weights(const ns_plan *, const char *path, ns_error *);
int ns_plan_describe(const ns_plan *, const char *folder, ns_error *);     /* planted.json, then config.json */

#endif
