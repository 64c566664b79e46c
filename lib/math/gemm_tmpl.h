/* gemm_tmpl.h - C = A B with the invariance rule, for one instruction set. Included after a lanes header.
 *
 * rows of A that fit in L2 > panels of B > K-blocks > strips of columns > tiles of rows. In a tile every element of C is one FMA chain
 * in a register over the K-block; which tile it falls in changes nothing. */

enum { TILE_COLS = TILE_REGS * REG, CHUNK_FLOATS = 98304 };

/* Rows of B fetched ahead by the tall tiles, into L1 and into L2: where B comes from memory (M = 12, N = 49152, Zen 4) 93 -> 112 GF/s with
 * AVX-512 and 45 -> 102 with AVX2. A constant distance costs no register; one that knew the panel's end spilled (-4 % everywhere), and low
 * tiles, which are bound by loads, lose by it. Past the end of B a prefetch does nothing. */
enum { NEAR = 16 * NS_PANEL, FAR = 128 * NS_PANEL, TALL = 6 };

/* A[rows, K] B[K, 32], the first regs * REG columns; rows and regs are literals wherever this is inlined. */
NS_INLINE void tile_sums(const int rows, const int regs, int64_t K, const float *A, int64_t lda, const float *B, int64_t near,
                         int64_t far, reg sum[TILE_ROWS][TILE_REGS])
{
    NS_UNROLL for (int i = 0; i < rows; i++)
        NS_UNROLL for (int j = 0; j < regs; j++)
            sum[i][j] = reg_set(0);
    for (int64_t k = 0; k < K; k++, B += NS_PANEL) {
        reg b[TILE_REGS];
        NS_UNROLL for (int j = 0; j < regs; j++)
            b[j] = reg_load(B + j * REG);
        for (int line = 0; near && line < regs * REG; line += 16) {
            if (far)
                __builtin_prefetch(B + line + far, 0, 2);
            __builtin_prefetch(B + line + near);
        }
        NS_UNROLL for (int i = 0; i < rows; i++) {
            const reg a = reg_set(A[i * lda + k]);
            NS_UNROLL for (int j = 0; j < regs; j++)
                sum[i][j] = reg_fma(a, b[j], sum[i][j]);
        }
    }
}

/* C[rows, regs * REG] (+)= A[rows, K] B[K, 32] */
NS_INLINE void tile(const int rows, const int regs, int64_t K, const float *A, int64_t lda, const float *B, float *C, int64_t ldc, bool add)
{
    reg sum[TILE_ROWS][TILE_REGS];
    tile_sums(rows, regs, K, A, lda, B, rows >= TALL ? NEAR : 0, rows >= TALL ? FAR : 0, sum);
    NS_UNROLL for (int i = 0; i < rows; i++)
        NS_UNROLL for (int j = 0; j < regs; j++) {
            float *const c = C + i * ldc + j * REG;
            reg_store(c, add ? reg_add(reg_load(c), sum[i][j]) : sum[i][j]);
        }
}

typedef void (*tile_fn)(int64_t K, const float *A, int64_t lda, const float *B, float *C, int64_t ldc, bool add);

#define TILE(rows) \
    static void tile_##rows(int64_t K, const float *A, int64_t lda, const float *B, float *C, int64_t ldc, bool add) \
    { \
        tile(rows, TILE_REGS, K, A, lda, B, C, ldc, add); \
    } \
    static void half_tile_##rows(int64_t K, const float *A, int64_t lda, const float *B, float *C, int64_t ldc, bool add) \
    { \
        tile(rows, TILE_REGS / 2, K, A, lda, B, C, ldc, add); \
    }
#if TILE_ROWS >= 12
TILE(12)
TILE(8)
#elif TILE_ROWS >= 6
TILE(6)
#endif
#if TILE_ROWS > 1
TILE(4)
TILE(2)
#endif
TILE(1)

/* Largest first. [1]: strips of at most TILE_COLS / 2 columns. */
static const struct {
    int rows;
    tile_fn fn[2];
} tiles[] = {
#if TILE_ROWS >= 12
    {12, {tile_12, half_tile_12}},
    {8, {tile_8, half_tile_8}},
#elif TILE_ROWS >= 6
    {6, {tile_6, half_tile_6}},
#endif
#if TILE_ROWS > 1
    {4, {tile_4, half_tile_4}},
    {2, {tile_2, half_tile_2}},
#endif
    {1, {tile_1, half_tile_1}},
};

/* A tile whose columns do not fill its registers goes through a buffer: nothing right of `columns` is touched in C. */
static void edge_tile(tile_fn fn, int rows, int64_t columns, int64_t K, const float *A, int64_t lda, const float *B, float *C, int64_t ldc,
                      bool add)
{
    float edge[TILE_ROWS * TILE_COLS];
    fn(K, A, lda, B, edge, TILE_COLS, false);
    for (int i = 0; i < rows; i++)
        for (int64_t j = 0; j < columns; j += 16) {
            const int64_t n = columns - j < 16 ? columns - j : 16;
            float *const c = C + i * ldc + j;
            const vf sum = vf_load_n(edge + i * TILE_COLS + j, n);
            vf_store_n(c, add ? vf_add(vf_load_n(c, n), sum) : sum, n);
        }
}

/* C[M, columns] (+)= A[M, K] B[K, 32], columns <= TILE_COLS */
static void strip(int64_t M, int64_t columns, int64_t K, const float *A, int64_t lda, const float *B, float *C, int64_t ldc, bool add)
{
    const bool half = columns <= TILE_COLS / 2, whole = columns == (half ? TILE_COLS / 2 : TILE_COLS);
    int64_t m = 0;
    for (size_t t = 0; m < M; t++) {
        const int rows = tiles[t].rows;
        const tile_fn fn = tiles[t].fn[half];
        for (; M - m >= rows; m += rows)
            if (whole)
                fn(K, A + m * lda, lda, B, C + m * ldc, ldc, add);
            else
                edge_tile(fn, rows, columns, K, A + m * lda, lda, B, C + m * ldc, ldc, add);
    }
}

/* Rows of A walked per panel: about 384 KiB of A, in equal parts, so that the chunk stays in L2 while B streams past it. */
static int64_t chunk_rows(int64_t M, int64_t K)
{
    const int64_t fit = CHUNK_FLOATS / (K > 0 ? K : 1), most = fit < 8 * TILE_ROWS ? 8 * TILE_ROWS : fit;
    const int64_t chunks = (M + most - 1) / most, rows = (M + chunks - 1) / chunks;
    return (rows + TILE_ROWS - 1) / TILE_ROWS * TILE_ROWS;
}

static void gemm(int64_t M, int64_t N, int64_t K, const float *A, int64_t lda, const float *B, int64_t panel_stride,
                 float *C, int64_t ldc, int64_t k_block, bool accumulate)
{
    if (M <= 0 || N <= 0)
        return;
    if (K <= 0 && !accumulate)
        for (int64_t m = 0; m < M; m++)
            memset(C + m * ldc, 0, (size_t)N * sizeof *C);
    const int64_t chunk = chunk_rows(M, K);
    for (int64_t m = 0; m < M; m += chunk) {
        const int64_t rows = M - m < chunk ? M - m : chunk;
        for (int64_t n = 0; n < N; n += NS_PANEL)
            for (int64_t k = 0; k < K; k += k_block) {
                const int64_t depth = K - k < k_block ? K - k : k_block, width = N - n < NS_PANEL ? N - n : NS_PANEL;
                const float *const b = B + n / NS_PANEL * panel_stride + k * NS_PANEL;
                for (int64_t j = 0; j < width; j += TILE_COLS)
                    strip(rows, width - j < TILE_COLS ? width - j : TILE_COLS, depth, A + m * lda + k, lda, b + j, C + m * ldc + n + j, ldc,
                          accumulate || k > 0);
            }
    }
}
