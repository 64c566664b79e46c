/* circuits.c - what the weights alone say of a head.
 *
 * OV circuit: eig(U' W_O W_V' E^T) [V, V] = eig(W_V' (E^T U') W_O) [d, d], since AB and BA have the same eigenvalues but for zeros.
 * G = U'^T E [D, D] is common to all heads: blocks of tokens -> G; a layer's rows of W_V' -> X = W_V' G^T [G d, D]; a head's X W_O [d, d]
 * -> LAPACK. U' = W_U with the final norm folded in, W_V' = W_V with the layer's input norm. Products are the engine's: the same bits
 * everywhere. */
#include "model/internal.h"

#include <math.h>
#include <stdlib.h>

enum { TOKENS = NS_GEMM_KB, TILE = 96 };

static int no_head(const ns_model *m, int64_t layer, int64_t head, ns_error *err)
{
    return ns_fail(err, NS_E_ARG, "head %lld.%lld: this model has layers 0 to %lld and up to %lld attention heads in one", (long long)layer,
                   (long long)head, (long long)m->arch->n_layers - 1, (long long)ns_arch_max_heads(m->arch));
}

int ns_model_head_weight(const ns_model *m, int64_t layer, int64_t head, ns_head_part part, float *out, ns_error *err)
{
    const ns_attn *const a = layer >= 0 && layer < m->arch->n_layers ? ns_arch_attn(m->arch, layer) : NULL;
    if (!a || head < 0 || head >= a->n_heads)
        return no_head(m, layer, head, err);
    const ns_tref *const ref = part == NS_HEAD_Q ? &a->q : part == NS_HEAD_K ? &a->k : &a->v;
    const ns_point p = part == NS_HEAD_Q ? NS_POINT_Q : part == NS_HEAD_K ? NS_POINT_K : NS_POINT_V;
    const int64_t at = head / (a->n_heads / ns_point_heads(m->arch, p, layer)), width = ns_point_width(m->arch, p, layer);
    return ns_weights_rows(m, ref, at * width, width, out, err);
}

/* W[n, k] <- W diag(gain), and minus each row's mean where the norm takes the mean away from what it is given. */
static void fold_norm(const ns_norm *norm, const float *gain, float *w, int64_t n, int64_t k)
{
    for (int64_t i = 0; i < n; i++, w += k) {
        double mean = 0;
        for (int64_t j = 0; j < k && gain; j++)
            w[j] *= norm->offset + gain[j];
        for (int64_t j = 0; j < k && norm->type == NS_NORM_LAYER; j++)
            mean += (double)w[j] / (double)k;
        for (int64_t j = 0; j < k && norm->type == NS_NORM_LAYER; j++)
            w[j] -= (float)mean;
    }
}

/* C[M,N] (+)= A[M,K] B[K,N], B packed, in tiles of rows over the pool. */
typedef struct product { const ns_math *math; int64_t M, N, K; const float *A, *B; float *C; bool add; } product;

static void product_tile(void *user, int64_t task, int worker)
{
    (void)worker;
    const product *const p = user;
    const int64_t r0 = task * TILE, r1 = r0 + TILE < p->M ? r0 + TILE : p->M;
    p->math->gemm(r1 - r0, p->N, p->K, p->A + r0 * p->K, p->K, p->B, p->K * NS_PANEL, p->C + r0 * p->N, p->N, NS_GEMM_KB, p->add);
}

static void multiply(ns_engine *e, product p)
{
    p.math = e->math;
    ns_engine_run(e, (p.M + TILE - 1) / TILE, product_tile, &p);
}

typedef struct circuit {
    const ns_model *m;
    int64_t D;
    float  *G, *packed;        /* [D, D] U'^T E; packed as B = G^T */
    float  *a, *b, *x, *y;     /* scratch */
    double *matrix;            /* [d, d], then re, im [d], then LAPACK's work */
} circuit;

static int64_t longest(const ns_arch *arch, int64_t (*of)(const ns_attn *))
{
    int64_t most = 1;
    for (int64_t l = 0; l < arch->n_layers; l++) {
        const ns_attn *const a = ns_arch_attn(arch, l);
        most = a && of(a) > most ? of(a) : most;
    }
    return most;
}

static int64_t head_dim(const ns_attn *a)   { return a->head_dim; }
static int64_t all_heads(const ns_attn *a)  { return a->n_heads * a->head_dim; }

/* Room for a block of tokens and for a layer's weights: all within `rows` rows of D. */
static int allocate(circuit *c, ns_error *err)
{
    const int64_t D = c->D, d = longest(c->m->arch, head_dim), heads = longest(c->m->arch, all_heads),
                  rows = heads > TOKENS ? heads : TOKENS;
    const size_t floats = (size_t)(D + NS_PANEL) * (size_t)(rows + NS_PANEL) * sizeof(float);
    c->G = ns_alloc_array((size_t)(D * D), sizeof *c->G);
    c->packed = ns_alloc_aligned((size_t)ns_packed_floats(D, D) * sizeof(float));
    c->a = ns_alloc_aligned(floats);
    c->b = ns_alloc_aligned(floats);
    c->x = ns_alloc_aligned(floats);
    c->y = ns_alloc_aligned((size_t)(d * d) * sizeof(float));
    c->matrix = ns_alloc_array((size_t)(d * (d + 2 + NS_EIGEN_WORK)), sizeof *c->matrix);
    return c->G && c->packed && c->a && c->b && c->x && c->y && c->matrix ? NS_OK : ns_oom(err, "the OV circuits");
}

static void clear(circuit *c)
{
    free(c->G);
    free(c->packed);
    free(c->a);
    free(c->b);
    free(c->x);
    free(c->y);
    free(c->matrix);
}

/* G = U'^T E, a block of tokens after the other. */
static int token_product(circuit *c, ns_error *err)
{
    const ns_arch *const arch = c->m->arch;
    const int64_t D = c->D;
    for (int64_t t = 0; t < arch->vocab; t += TOKENS) {
        const int64_t n = t + TOKENS < arch->vocab ? TOKENS : arch->vocab - t;
        int rc = ns_weights_rows(c->m, &arch->head, t, n, c->x, err);
        fold_norm(&arch->final_norm, c->m->final.gain, c->x, rc != NS_OK ? 0 : n, D);
        for (int64_t i = 0; i < n && rc == NS_OK; i++)
            for (int64_t j = 0; j < D; j++)
                c->a[j * n + i] = c->x[i * D + j];
        if (rc == NS_OK)
            rc = ns_weights_rows(c->m, &arch->embed, t, n, c->x, err);
        if (rc != NS_OK)
            return rc;
        ns_pack_cols(c->b, c->x, n, D, D);
        multiply(c->m->engine, (product) { .M = D, .N = D, .K = n, .A = c->a, .B = c->b, .C = c->G, .add = true });
    }
    ns_pack_rows(c->packed, c->G, D, D, D);
    return NS_OK;
}

static const ns_branch *heads_of(const ns_arch *arch, int64_t layer, const ns_norm **in_norm)
{
    const ns_layer *const l = &arch->layers[layer];
    const ns_branch *const branch = ns_layer_mixer(l);
    if (branch)
        *in_norm = branch->shares_norm ? &l->stages[0].branches[0].in_norm : &branch->in_norm;
    return branch;
}

/* x = W_V' G^T [G d, D]; a = W_O [D, H d], the gain of a norm behind attention folded in. */
static int layer_products(circuit *c, const ns_branch *branch, const ns_norm *in_norm, ns_error *err)
{
    const ns_attn *const a = branch->params;
    float *in_gain = NULL, *out_gain = NULL;
    int rc = ns_weights_vector(c->m, &in_norm->weight, &in_gain, err);
    if (rc == NS_OK)
        rc = ns_weights_vector(c->m, &branch->out_norm.weight, &out_gain, err);
    if (rc == NS_OK)
        rc = ns_weights_rows(c->m, &a->v, 0, a->n_kv_heads * a->head_dim, c->b, err);
    if (rc == NS_OK) {
        fold_norm(in_norm, in_gain, c->b, a->n_kv_heads * a->head_dim, c->D);
        multiply(c->m->engine, (product) { .M = a->n_kv_heads * a->head_dim, .N = c->D, .K = c->D, .A = c->b, .B = c->packed, .C = c->x });
        rc = ns_weights_rows(c->m, &a->o, 0, c->D, c->a, err);
    }
    for (int64_t i = 0; i < c->D && rc == NS_OK && out_gain; i++)
        for (int64_t j = 0; j < a->n_heads * a->head_dim; j++)
            c->a[i * a->n_heads * a->head_dim + j] *= branch->out_norm.offset + out_gain[i];
    free(in_gain);
    free(out_gain);
    return rc;
}

static int head_eigenvalues(circuit *c, const ns_attn *a, int64_t layer, int64_t head, ns_eigenvalues_fn see, void *user, ns_error *err)
{
    const int64_t d = a->head_dim, kv = head / (a->n_heads / a->n_kv_heads);
    double *const re = c->matrix + d * d, *const im = re + d;
    ns_pack_cols(c->b, c->a + head * d, c->D, d, a->n_heads * d);
    multiply(c->m->engine, (product) { .M = d, .N = d, .K = c->D, .A = c->x + kv * d * c->D, .B = c->b, .C = c->y });
    for (int64_t i = 0; i < d * d; i++)
        c->matrix[i] = (double)c->y[i];
    if (!ns_blas_can_start())
        return ns_fail(err, NS_E_UNSUPPORTED, "eigenvalues of heads need OpenBLAS, which cannot be loaded: not installed (on Debian and "
                       "Ubuntu: apt-get install libopenblas0), or too little address space (raise ulimit -v)");
    if (!ns_blas_eigenvalues(d, c->matrix, re, im, im + d))
        return ns_fail(err, NS_E_MEMORY, "head %lld.%lld: no eigenvalues: LAPACK (OpenBLAS) did not converge, or is not in it",
                       (long long)layer, (long long)head);
    return see(user, layer, head, d, re, im);
}

int ns_model_ov_eigenvalues(const ns_model *m, ns_eigenvalues_fn see, void *user, ns_error *err)
{
    circuit c = {.m = m, .D = m->arch->d_model};
    int rc = allocate(&c, err);
    if (rc == NS_OK)
        rc = token_product(&c, err);
    for (int64_t l = 0; l < m->arch->n_layers && rc == NS_OK; l++) {
        const ns_norm *in_norm = NULL;
        const ns_branch *const branch = heads_of(m->arch, l, &in_norm);
        if (branch)
            rc = layer_products(&c, branch, in_norm, err);
        const ns_attn *const a = branch ? branch->params : NULL;
        for (int64_t h = 0; a && h < a->n_heads && rc == NS_OK; h++)
            rc = head_eigenvalues(&c, a, l, h, see, user, err);
    }
    clear(&c);
    return rc;
}
