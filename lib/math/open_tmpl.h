/* open_tmpl.h - products of matrices as they lie, for the trainer: C = A B and C = A^T B without packing. Included after gemm_tmpl.h.
 *
 * The same rule and the same chains as gemm: an element is one FMA chain per K-block, blocks are added in order. B may be read up to
 * NS_PANEL - 1 floats past the end of its last row: the caller's buffers have that slack. */

/* C[rows, regs * REG] (+)= op(A) B; element (i, k) of op(A) at A[i * down + k * along], one of which is the literal 1. */
NS_INLINE void open_tile(const int rows, const int regs, int64_t K, const float *A, int64_t down, int64_t along, const float *B,
                         int64_t ldb, float *C, int64_t ldc, bool add)
{
    reg sum[TILE_ROWS][TILE_REGS];
    NS_UNROLL for (int i = 0; i < rows; i++)
        NS_UNROLL for (int j = 0; j < regs; j++)
            sum[i][j] = reg_set(0);
    for (int64_t k = 0; k < K; k++, B += ldb) {
        reg b[TILE_REGS];
        NS_UNROLL for (int j = 0; j < regs; j++)
            b[j] = reg_load(B + j * REG);
        NS_UNROLL for (int i = 0; i < rows; i++) {
            const reg a = reg_set(A[i * down + k * along]);
            NS_UNROLL for (int j = 0; j < regs; j++)
                sum[i][j] = reg_fma(a, b[j], sum[i][j]);
        }
    }
    NS_UNROLL for (int i = 0; i < rows; i++)
        NS_UNROLL for (int j = 0; j < regs; j++) {
            float *const c = C + i * ldc + j * REG;
            reg_store(c, add ? reg_add(reg_load(c), sum[i][j]) : sum[i][j]);
        }
}

typedef void (*open_fn)(int64_t K, const float *A, int64_t lda, const float *B, int64_t ldb, float *C, int64_t ldc, bool add);

#define OPEN_TILE(name, rows, regs, down, along) \
    static void name(int64_t K, const float *A, int64_t lda, const float *B, int64_t ldb, float *C, int64_t ldc, bool add) \
    { \
        (void)lda; \
        open_tile(rows, regs, K, A, down, along, B, ldb, C, ldc, add); \
    }
#define OPEN_TILES(rows) \
    OPEN_TILE(nn_##rows, rows, TILE_REGS, lda, 1) \
    OPEN_TILE(nn_half_##rows, rows, TILE_REGS / 2, lda, 1) \
    OPEN_TILE(tn_##rows, rows, TILE_REGS, 1, lda) \
    OPEN_TILE(tn_half_##rows, rows, TILE_REGS / 2, 1, lda)
#if TILE_ROWS >= 12
OPEN_TILES(12)
OPEN_TILES(8)
#elif TILE_ROWS >= 6
OPEN_TILES(6)
#endif
#if TILE_ROWS > 1
OPEN_TILES(4)
OPEN_TILES(2)
#endif
OPEN_TILES(1)

/* Largest first. [transposed][half] */
#define OPEN_ROW(rows) { rows, {{nn_##rows, nn_half_##rows}, {tn_##rows, tn_half_##rows}} }
static const struct { int rows; open_fn fn[2][2]; } open_tiles[] = {
#if TILE_ROWS >= 12
    OPEN_ROW(12), OPEN_ROW(8),
#elif TILE_ROWS >= 6
    OPEN_ROW(6),
#endif
#if TILE_ROWS > 1
    OPEN_ROW(4), OPEN_ROW(2),
#endif
    OPEN_ROW(1),
};

/* Columns that do not fill a tile's registers go through a buffer: nothing right of them is touched in C. */
static void open_edge(open_fn fn, int rows, int64_t columns, int64_t K, const float *A, int64_t lda, const float *B, int64_t ldb, float *C,
                      int64_t ldc, bool add)
{
    float edge[TILE_ROWS * TILE_COLS];
    fn(K, A, lda, B, ldb, edge, TILE_COLS, false);
    for (int i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j += 16) {
            const int64_t n = columns - j < 16 ? columns - j : 16;
            float *const c = C + i * ldc + j;
            const vf sum = vf_load_n(edge + i * TILE_COLS + j, n);
            vf_store_n(c, add ? vf_add(vf_load_n(c, n), sum) : sum, n);
        }
}

static void open_strip(bool transposed, int64_t M, int64_t columns, int64_t K, const float *A, int64_t lda, const float *B, int64_t ldb,
                       float *C, int64_t ldc, bool add)
{
    const bool half = columns <= TILE_COLS / 2, whole = columns == (half ? TILE_COLS / 2 : TILE_COLS);
    const int64_t step = transposed ? 1 : lda;
    int64_t m = 0;
    for (size_t t = 0; m < M; t++) {
        const int rows = open_tiles[t].rows;
        const open_fn fn = open_tiles[t].fn[transposed][half];
        for (; M - m >= rows; m += rows)
            if (whole)
                fn(K, A + m * step, lda, B, ldb, C + m * ldc, ldc, add);
            else
                open_edge(fn, rows, columns, K, A + m * step, lda, B, ldb, C + m * ldc, ldc, add);
    }
}

static void open_gemm(bool transposed, int64_t M, int64_t N, int64_t K, const float *A, int64_t lda, const float *B, int64_t ldb, float *C,
                      int64_t ldc, int64_t k_block, bool accumulate)
{
    for (int64_t k = 0; k < K; k += k_block) {
        const int64_t depth = K - k < k_block ? K - k : k_block;
        const float *const a = A + (transposed ? k * lda : k);
        for (int64_t n = 0; n < N; n += TILE_COLS)
            open_strip(transposed, M, N - n < TILE_COLS ? N - n : TILE_COLS, depth, a, lda, B + k * ldb + n, ldb, C + n, ldc,
                       accumulate || k > 0);
    }
}

static void gemm_nn(int64_t M, int64_t N, int64_t K, const float *A, int64_t lda, const float *B, int64_t ldb, float *C, int64_t ldc,
                    int64_t k_block, bool accumulate)
{
    open_gemm(false, M, N, K, A, lda, B, ldb, C, ldc, k_block, accumulate);
}

static void gemm_tn(int64_t M, int64_t N, int64_t K, const float *A, int64_t lda, const float *B, int64_t ldb, float *C, int64_t ldc,
                    int64_t k_block, bool accumulate)
{
    open_gemm(true, M, N, K, A, lda, B, ldb, C, ldc, k_block, accumulate);
}
