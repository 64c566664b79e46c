/* linear.c - y = W x (+ b) over the pool: tiles of rows x panels. Which tile an element falls in never changes its bits. */
#include "model/internal.h"

enum { TILE_ROWS = 264, TILE_PANELS = 6, STEP_ROWS = 12, LINE = 32 };       /* STEP_ROWS: of the tallest tile; LINE: 16-bit numbers of a
                                                                             * cache line */

typedef struct linear_job {
    const ns_math *math;
    const float   *A, *bias;
    const ns_weight *w;
    float         *C;
    int64_t        M, lda, ldc, c0, c1, row_tiles;
} linear_job;

static void add_bias(const ns_math *math, const float *bias, float *C, int64_t ldc, int64_t rows, int64_t n)
{
    for (int64_t i = 0; i < rows; i++)
        math->add(C + i * ldc, C + i * ldc, bias, n);
}

typedef struct slice { int64_t c0, c1, k0, k1; } slice;         /* of W: output rows c0 (a panel's first) .. c1, inputs k0 .. k1 */

#ifdef NS_GEMM_OPENBLAS
static void multiply(const ns_math *math, int64_t M, const float *A, int64_t lda, const ns_weight *w, slice s, float *C, int64_t ldc)
{
    (void)math;
    ns_blas_gemm_nt(M, s.c1 - s.c0, s.k1 - s.k0, A, lda, (const float *)w->packed + s.c0 * w->k + s.k0, w->k, C, ldc);
}
#else
typedef struct block { const uint16_t *numbers; int64_t n; } block;         /* a K-block of a panel */

static block block_at(const ns_weight *w, slice s, int64_t k, int64_t c)
{
    const int64_t depth = s.k1 - k < NS_GEMM_KB ? s.k1 - k : NS_GEMM_KB;
    return (block) { (const uint16_t *)w->packed + c * w->k + k * NS_PANEL, depth * NS_PANEL };
}

/* The one that is multiplied after it: the next panel's, then the first panel's next; none at the end. */
static block block_after(const ns_weight *w, slice s, int64_t k, int64_t c)
{
    if (c + NS_PANEL < s.c1)
        return block_at(w, s, k, c + NS_PANEL);
    return k + NS_GEMM_KB < s.k1 ? block_at(w, s, k + NS_GEMM_KB, s.c0) : (block) { .n = 0 };
}

/* C[M, columns] (+)= A wide, while `next` comes from memory, a share of it with each step of rows. */
static void multiply_block(const ns_math *math, int64_t M, int64_t columns, const float *A, int64_t lda, const float *wide, int64_t depth,
                           block next, float *C, int64_t ldc, bool add)
{
    const int64_t share = (next.n * STEP_ROWS / M + LINE - 1) / LINE * LINE;
    for (int64_t m = 0, at = 0; m < M; m += STEP_ROWS) {
        for (const int64_t end = at + share < next.n ? at + share : next.n; at < end; at += LINE)
            __builtin_prefetch(next.numbers + at, 0, 2);
        math->gemm(M - m < STEP_ROWS ? M - m : STEP_ROWS, columns, depth, A + m * lda, lda, wide, depth * NS_PANEL, C + m * ldc, ldc,
                   NS_GEMM_KB, add);
    }
}

/* A block at a time is widened into L1: the chains are those of a gemm over f32. */
static void multiply_narrow(const ns_math *math, int64_t M, const float *A, int64_t lda, const ns_weight *w, slice s, float *C, int64_t ldc)
{
    _Alignas(64) float wide[NS_GEMM_KB * NS_PANEL];
    for (int64_t k = s.k0; k < s.k1; k += NS_GEMM_KB)
        for (int64_t c = s.c0; c < s.c1; c += NS_PANEL) {
            const block b = block_at(w, s, k, c), next = block_after(w, s, k, c);
            (w->dtype == NS_BF16 ? math->bf16_to_f32 : math->f16_to_f32)(wide, b.numbers, b.n);
            multiply_block(math, M, s.c1 - c < NS_PANEL ? s.c1 - c : NS_PANEL, A + (k - s.k0), lda, wide, b.n / NS_PANEL, next,
                           C + (c - s.c0), ldc, k > s.k0);
        }
}

static void multiply(const ns_math *math, int64_t M, const float *A, int64_t lda, const ns_weight *w, slice s, float *C, int64_t ldc)
{
    if (w->dtype != NS_F32)
        multiply_narrow(math, M, A, lda, w, s, C, ldc);
    else
        math->gemm(M, s.c1 - s.c0, s.k1 - s.k0, A, lda, (const float *)w->packed + s.c0 * w->k + s.k0 * NS_PANEL, w->k * NS_PANEL, C, ldc,
                   NS_GEMM_KB, false);
}
#endif

static void linear_tile(void *user, int64_t task, int worker)
{
    (void)worker;
    const linear_job *j = user;
    int64_t r0 = task % j->row_tiles * TILE_ROWS, r1 = r0 + TILE_ROWS < j->M ? r0 + TILE_ROWS : j->M;
    int64_t c0 = j->c0 + task / j->row_tiles * TILE_PANELS * NS_PANEL;
    int64_t c1 = c0 + TILE_PANELS * NS_PANEL < j->c1 ? c0 + TILE_PANELS * NS_PANEL : j->c1;
    float *C = j->C + r0 * j->ldc + (c0 - j->c0);
    multiply(j->math, r1 - r0, j->A + r0 * j->lda, j->lda, j->w, (slice) { c0, c1, 0, j->w->k }, C, j->ldc);
    if (j->bias)
        add_bias(j->math, j->bias + c0, C, j->ldc, r1 - r0, c1 - c0);
}

int64_t ns_linear(ns_engine *e, int64_t M, const float *A, int64_t lda, const ns_weight *w, int64_t c0, int64_t c1, float *C, int64_t ldc)
{
    c0 = c0 / NS_PANEL * NS_PANEL;
    linear_job j = {e->math, A, w->bias, w, C, M, lda, ldc, c0, c1, (M + TILE_ROWS - 1) / TILE_ROWS};
    int64_t column_tiles = (c1 - c0 + TILE_PANELS * NS_PANEL - 1) / (TILE_PANELS * NS_PANEL);
    ns_engine_run(e, j.row_tiles * column_tiles, linear_tile, &j);
    return c0;
}

void ns_linear_slice(ns_engine *e, int64_t M, const float *A, int64_t lda, const ns_weight *w, int64_t k0, int64_t k1, float *C,
                     int64_t ldc)
{
    ns_fpenv env = ns_fpenv_set();
    multiply(e->math, M, A, lda, w, (slice) { 0, w->n, k0, k1 }, C, ldc);
    ns_fpenv_restore(env);
}
