/* math.h - the kernels under the forward pass, and the invariance rule they keep (design: an output element depends only on its
 * own row of A, its own column of B, and K). Every function exists as a scalar fmaf definition (kernels "scalar"), AVX2 and AVX-512;
 * all give the same bits. Internal.
 *
 * Reductions run over 16 fixed lanes (lane = index mod 16) and end in the tree +8, +4, +2, +1. Products are explicit FMAs;
 * everything is compiled with -ffp-contract=off. */
#ifndef NS_MATH_H
#define NS_MATH_H

#include "core/core.h"

enum {
    NS_GEMM_KB = 384,       /* one FMA chain per K-block of this length; blocks are added in order */
    NS_PANEL = 32,          /* packed B: panel p holds columns 32 p .. 32 p + 31 as [K][32]; missing columns are 0 */
    NS_PAGE = 256,          /* keys per KV page = K-block of the pattern.v product */
};

/* One set of kernels. Fields are const after ns_math_select. */
/* Steps back of 32 vectors p [n][32], the last position first; their products with k (unroll_rows.c). At position s
 *     p <- diag(decay_(s+1)) p, but at the last;  column s - first (if it is 0 or more) <- x_s, times -write_s with `written`;
 *     o_s = p^T k_s, o [steps][32], of the columns that have begun;  with delta  p <- p - write_s k_s o_s^T.
 * p begins as 0. decay [n] with `each`, else one number. The next position's k, decay and write lie `stride` on, its x `ldx`. */
typedef struct ns_unscan {
    int64_t      n, steps, first;
    const float *k, *decay, *write, *x;
    int64_t      stride, ldx;
    bool         each, delta, written;
} ns_unscan;

/* Vectors p [rows][n] go back over a block of 32 positions at once:  o = p K, K [n][32];  cells[r] = write o[r], ld apart;
 * p <- all p (+ o T, T [32][n] in packed panels; NULL: none).  all NULL: p is done with, and left. rows <= 32.
 * What the next step reads lies `next` from this one's, and is fetched. */
typedef struct ns_unroll_step {
    int64_t      rows, n;
    const float *K, *T, *write, *all;
    int64_t      next;
} ns_unroll_step;

typedef struct ns_math {
    const char *name;       /* "scalar", "avx2", "avx512", "vector" (elsewhere) */

    /* C[M,N] = A[M,K] B[K,N], or C += with accumulate (the block sums are added to C in order, as if K went on).
     * A row-major lda; B packed: ceil(N/32) panels, panel p at B + p * panel_stride, row k of it at + k * 32; C row-major ldc >= N.
     * k_block: length of the FMA chains (NS_GEMM_KB for weights, NS_PAGE for pattern.v). */
    void (*gemm)(int64_t M, int64_t N, int64_t K, const float *A, int64_t lda, const float *B, int64_t panel_stride,
                 float *C, int64_t ldc, int64_t k_block, bool accumulate);

    /* x[n] <- exp(x - max) for n a multiple of 16 from an absolute key index that is a multiple of 32; returns the sum: per NS_PAGE keys
     * 16 f32 lanes, pages added in f64. exp of anything below -87.3 (and of -inf) is +0. The array starts at absolute key `key0`
     * (multiple of 32), so that pages fall on absolute boundaries. */
    double (*exp_sum)(float *x, int64_t n, int64_t key0, float max);
    float  (*max)(const float *x, int64_t n);                              /* n >= 1; order-free; NaN propagates */
    void   (*scale)(float *x, int64_t n, float a);                         /* x *= a */
    void   (*softcap)(float *x, int64_t n, float cap);                     /* cap * tanh(x / cap) */
    void   (*exp)(float *out, const float *x, int64_t n);                  /* whole f32 range, 1.02 ulp */

    /* Norms of one row. out[i] = (x[i] - mean) * rsqrt; sums in f64 over 16 lanes. gain NULL: no affine step.
     * affine: out = x_hat * (offset + gain[i]) (+ bias[i] by fma). out may alias x. */
    void (*rms_norm)(float *out, const float *x, int64_t n, float eps, const float *gain, float offset);
    void (*layer_norm)(float *out, const float *x, int64_t n, float eps, const float *gain, float offset, const float *bias);
    /* the last step alone; the same bits */
    void (*affine)(float *out, const float *x, int64_t n, const float *gain, float offset, const float *bias);

    /* Rotation of one head's first r dims by the row's cos/sin [r/2]; x in place. interleaved: pairs (2k, 2k+1), else (k, k + r/2). */
    void (*rope)(float *x, int64_t r, const float *cos, const float *sin, bool interleaved);

    /* Activations, elementwise; x and out may alias. act is ns_act of arch.h: silu, gelu (erf), gelu tanh, relu, relu^2, quick gelu. */
    void (*act)(float *out, const float *x, int64_t n, int act);
    void (*sigmoid)(float *out, const float *x, int64_t n);                /* 1 / (1 + e^-x) */
    void (*mul)(float *out, const float *a, const float *b, int64_t n);
    /* out[r, i] = y[i] f[r] x[r, i]; f NULL: 1. out may be x */
    void (*mul_rows)(float *out, int64_t ldo, const float *x, int64_t ldx, int64_t rows, int64_t n, const float *y, const float *f);
    void (*add)(float *out, const float *a, const float *b, int64_t n);
    void (*axpy)(float *out, const float *x, int64_t n, float a);          /* out = fma(a, x, out) */
    bool (*all_finite)(const float *x, int64_t n);
    int64_t (*argmax)(const float *x, int64_t n);                          /* lowest index among equals; -1 if n = 0; NaN never wins */
    /* Sum of p ln p (0 at 0) over n >= 1 cells >= 0 in f64, in 16 lanes by (key0 + i) mod 16: cells of 0 around them change nothing. */
    double (*p_ln_p)(const float *p, int64_t n, int64_t key0);
    /* One step of a linear recurrence on 32 columns of its state S [n][32]:  S <- diag(decay) S;  u = write (v - S^T k) with delta, else
     * write v;  S <- S + k u^T;  o = S^T q.  q, k [n]; v, o [32]; decay [n] with `each`, else one number. before: S before the step,
     * which may be S itself. half: of the first 16 columns, with the same bits; the others are left as they are. */
    void (*scan)(float *S, const float *before, int64_t n, const float *q, const float *k, const float *v, const float *decay, bool each,
                 bool half, float write, bool delta, float *o);
    void (*unscan)(const ns_unscan *, float *p, float *o);
    void (*unroll)(const ns_unroll_step *, float *p, float *cells, int64_t ld);
    /* The same step back. S: the state before it. dS: derivative by the state after it, becomes that by the state before; dz [32]: by o.
     * dq, dk [n], ddecay and dwrite are added to; dv [32] is set. */
    void (*scan_back)(float *dS, const float *S, int64_t n, const float *q, const float *k, const float *v, const float *decay, bool each,
                      bool half, float write, bool delta, const float *dz, float *dq, float *dk, float *dv, float *ddecay, float *dwrite);

    void (*f16_to_f32)(float *out, const uint16_t *x, int64_t n);          /* x may be unaligned */
    void (*bf16_to_f32)(float *out, const uint16_t *x, int64_t n);
    void (*f32_to_f16)(uint16_t *out, const float *x, int64_t n);          /* round to nearest even; overflow to inf */
    void (*f32_to_bf16)(uint16_t *out, const float *x, int64_t n);

    /* The trainer's: matrices as they lie. C[M,N] (+)= A[M,K] B[K,N] and C[M,N] (+)= A[K,M]^T B[K,N], the chains of gemm; B may be read up
     * to NS_PANEL - 1 floats past the end of its last row. */
    void (*gemm_nn)(int64_t M, int64_t N, int64_t K, const float *A, int64_t lda, const float *B, int64_t ldb, float *C, int64_t ldc,
                    int64_t k_block, bool accumulate);
    void (*gemm_tn)(int64_t M, int64_t N, int64_t K, const float *A, int64_t lda, const float *B, int64_t ldb, float *C, int64_t ldc,
                    int64_t k_block, bool accumulate);
    /* Rows of scores at positions `position`.. over keys key0 .. key0 + n (multiples of 16) -> softmax over the `window` (0 = all) keys up
     * to the row's own position, 0 elsewhere: the bits of max, exp_sum and scale. */
    void (*softmax)(float *s, int64_t ld, int64_t rows, int64_t position, int64_t key0, int64_t n, int64_t window);
    /* dp [rows, n] <- p (dp - sum p dp); n a multiple of 16 */
    void (*softmax_back)(float *dp, const float *p, int64_t rows, int64_t n);
    /* Of rms_norm with offset 0, one row: dx += , dgain += */
    void (*rms_norm_back)(float *dx, float *dgain, const float *x, const float *dy, int64_t n, float eps, const float *gain);
    void (*relu_back)(float *dy, const float *y, int64_t n);               /* dy <- dy where y > 0, else 0 */
    void (*silu_back)(float *dy, const float *x, int64_t n);               /* dy <- dy silu'(x) */
} ns_math;

/* Best kernels of this CPU, capped by name ("scalar", "avx2", "avx512"; NULL = no cap). NULL for an unknown name. Never reads the
 * environment. */
const ns_math *ns_math_select(const char *cap);
/* All kernels that this CPU can run, scalar first; returns how many. For tests, benches and `doctor`. */
enum { NS_MATH_MAX = 4 };
int ns_math_available(const ns_math *out[NS_MATH_MAX]);

/* out[i][r] = x[r][i] of rows and columns. */
void ns_turn(float *out, int64_t ldo, const float *x, int64_t ldx, int64_t rows, int64_t cols);
/* Packs rows of W[N,K] (row n at W + n * ldw, f32) into panels: out[p][k][j] = W[32 p + j][k]; out has ceil(N/32) * K * 32 floats. */
void ns_pack_rows(float *out, const float *W, int64_t N, int64_t K, int64_t ldw);
/* The same, from W already [K,N] row-major. */
void ns_pack_cols(float *out, const float *B, int64_t K, int64_t N, int64_t ldb);
int64_t ns_packed_floats(int64_t N, int64_t K);

/* Deterministic double-precision helpers (fixed polynomials and explicit fma; the same bits on every machine). */
double ns_pow(double base, double exponent);             /* base > 0 */
double ns_exp(double x);
double ns_log(double x);
void   ns_sincos(double x, double *sin, double *cos);    /* |x| < 2^30 */

/* ---- minimize.c: a smooth function of a few variables in a box ---- */
enum { NS_MINIMIZE_MOST = 8 };
typedef struct ns_minimize {
    int     n;                                           /* variables, at most NS_MINIMIZE_MOST */
    double (*value)(void *user, const double *x, double *gradient);      /* both [n]; x lies in the box */
    void   *user;
    const double *low, *high;                            /* [n] infinite: no bound; equal: the variable is held */
} ns_minimize;
/* From x[n], put into the box first, downhill to a local minimum: x is it, and its value is given back; not finite where x's is not. */
double ns_minimize_from(const ns_minimize *, double *x);

/* ---- logistic.c: multinomial logistic regression with an L2 penalty ---- */
/* Rows x[n, D], borrowed, in coordinates of their own span: z[n, most], of which `rank` are used, with z z^T = x x^T. One serves any number
 * of fits to the same rows. */
typedef struct ns_row_basis {
    int64_t       n, D, most, rank;
    const double *x;
    double       *z;
    int64_t      *pivot;                                 /* [rank] the row that brought each coordinate */
} ns_row_basis;
int  ns_row_basis_make(ns_row_basis *, const double *x, int64_t n, int64_t D, ns_error *);
void ns_row_basis_free(ns_row_basis *);
/* w[D, K], intercept[K]: the minimum of  c . sum over rows of -log softmax(x w + intercept)[y] + |w|^2 / 2,  to a gradient of 1e-9. */
int  ns_logistic_fit(const ns_row_basis *, const int64_t *y, int64_t K, double c, double *w, double *intercept, ns_error *);

/* The floating-point environment of a task: round to nearest, denormals on; restores what it found. */
typedef struct ns_fpenv { unsigned mxcsr; } ns_fpenv;
ns_fpenv ns_fpenv_set(void);
void ns_fpenv_restore(ns_fpenv);

/* cblas behind the only door: the referee of kernel tests, and -Dgemm=openblas. C[M,N] = A[M,K] W[N,K]^T, row-major. */
void ns_blas_gemm_nt(int64_t M, int64_t N, int64_t K, const float *A, int64_t lda, const float *W, int64_t ldw, float *C, int64_t ldc);
/* LAPACK's dgeev: eigenvalues of A[n,n] (either order; overwritten) into re[n], im[n]; work[NS_EIGEN_WORK * n]. false: OpenBLAS could not
 * start, comes without LAPACK, or the iteration did not end. */
enum { NS_EIGEN_WORK = 40 };
bool ns_blas_eigenvalues(int64_t n, double *A, double *re, double *im, double *work);
const char *ns_blas_core(void);
void ns_blas_set_threads(int n);
/* OpenBLAS spins for ever when its buffers cannot be mapped: true when enough address space is left. */
bool ns_blas_can_start(void);

#endif
