/* linear.c - y = W x (+ b) over the pool: tiles of rows x panels. Which tile an element falls in never changes its bits. */
#include "model/internal.h"

enum { TILE_ROWS = 384, TILE_PANELS = 6 };

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

static void linear_tile(void *user, int64_t task, int worker)
{
    (void)worker;
    const linear_job *j = user;
    int64_t r0 = task % j->row_tiles * TILE_ROWS, r1 = r0 + TILE_ROWS < j->M ? r0 + TILE_ROWS : j->M;
    int64_t c0 = j->c0 + task / j->row_tiles * TILE_PANELS * NS_PANEL;
    int64_t c1 = c0 + TILE_PANELS * NS_PANEL < j->c1 ? c0 + TILE_PANELS * NS_PANEL : j->c1;
    const ns_weight *w = j->w;
    float *C = j->C + r0 * j->ldc + (c0 - j->c0);
#ifdef NS_GEMM_OPENBLAS
    ns_blas_gemm_nt(r1 - r0, c1 - c0, w->k, j->A + r0 * j->lda, j->lda, w->packed + c0 * w->k, w->k, C, j->ldc);
#else
    j->math->gemm(r1 - r0, c1 - c0, w->k, j->A + r0 * j->lda, j->lda, w->packed + c0 * w->k, w->k * NS_PANEL, C, j->ldc, NS_GEMM_KB, false);
#endif
    if (j->bias)
        add_bias(j->math, j->bias + c0, C, j->ldc, r1 - r0, c1 - c0);
}

int64_t ns_linear(ns_engine *e, int64_t M, const float *A, int64_t lda, const ns_weight *w, int64_t c0, int64_t c1, float *C, int64_t ldc)
{
    c0 = c0 / NS_PANEL * NS_PANEL;
    linear_job j = { e->math, A, w->bias, w, C, M, lda, ldc, c0, c1, (M + TILE_ROWS - 1) / TILE_ROWS };
    int64_t column_tiles = (c1 - c0 + TILE_PANELS * NS_PANEL - 1) / (TILE_PANELS * NS_PANEL);
    ns_engine_run(e, j.row_tiles * column_tiles, linear_tile, &j);
    return c0;
}

void ns_linear_slice(ns_engine *e, int64_t M, const float *A, int64_t lda, const ns_weight *w, int64_t k0, int64_t k1, float *C, int64_t ldc)
{
    ns_fpenv env = ns_fpenv_set();
#ifdef NS_GEMM_OPENBLAS
    ns_blas_gemm_nt(M, w->n, k1 - k0, A, lda, w->packed + k0, w->k, C, ldc);
#else
    e->math->gemm(M, w->n, k1 - k0, A, lda, w->packed + k0 * NS_PANEL, w->k * NS_PANEL, C, ldc, NS_GEMM_KB, false);
#endif
    (void)e;
    ns_fpenv_restore(env);
}
