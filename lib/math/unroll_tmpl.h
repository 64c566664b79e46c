/* unroll_tmpl.h - vectors that go back over 32 positions at once (ns_unroll_step). Included after gemm_tmpl.h and rows_tmpl.h.
 *
 * What a tile of rows reads stays in registers: the cells are made of it, and what is taken away. */

/* o = p K of some rows, and the cells. */
NS_INLINE void read_tile(const int rows, const ns_unroll_step *u, const float *p, float *o, float *cells, int64_t ld)
{
    for (int i = 0; i < rows; i++) {                    /* far away by then */
        __builtin_prefetch(cells + i * ld, 1, 2);
        __builtin_prefetch(cells + i * ld + 16, 1, 2);
    }
    for (int j = 0; j < NS_PANEL; j += TILE_COLS) {
        reg sum[TILE_ROWS][TILE_REGS];
        tile_sums(rows, TILE_REGS, u->n, p, u->n, u->K + j, u->next, 0, sum);
        NS_UNROLL for (int i = 0; i < rows; i++)
            NS_UNROLL for (int r = 0; r < TILE_REGS; r++) {
                const int at = j + r * REG;
                reg_store(o + i * NS_PANEL + at, sum[i][r]);
                reg_store(cells + i * ld + at, reg_mul(reg_load(u->write + at), sum[i][r]));
            }
    }
}

/* p <- all p + o T of some rows; n a multiple of 32. */
NS_INLINE void take_tile(const int rows, const ns_unroll_step *u, float *p, const float *o)
{
    for (int64_t c = 0; c < u->n; c += TILE_COLS) {
        reg sum[TILE_ROWS][TILE_REGS];
        tile_sums(rows, TILE_REGS, NS_PANEL, o, NS_PANEL, u->T + c / NS_PANEL * NS_PANEL * NS_PANEL + c % NS_PANEL,
                  u->next, 0, sum);
        NS_UNROLL for (int i = 0; i < rows; i++)
            NS_UNROLL for (int r = 0; r < TILE_REGS; r++) {
                float *const at = p + i * u->n + c + r * REG;
                reg_store(at, reg_add(reg_mul(reg_load(u->all + c + r * REG), reg_load(at)), sum[i][r]));
            }
    }
}

typedef void (*unroll_fn)(const ns_unroll_step *, float *p, float *cells, int64_t ld);

#define UNROLL(rows) \
    static void unroll_##rows(const ns_unroll_step *u, float *p, float *cells, int64_t ld) \
    { \
        float o[rows * NS_PANEL]; \
        read_tile(rows, u, p, o, cells, ld); \
        if (u->all) \
            take_tile(rows, u, p, o); \
    }
#if TILE_ROWS >= 12
UNROLL(12)
UNROLL(8)
#elif TILE_ROWS >= 6
UNROLL(6)
#endif
#if TILE_ROWS > 1
UNROLL(2)
#endif
UNROLL(1)

static const struct {
    int rows;
    unroll_fn fn;
} unrolls[] = {
#if TILE_ROWS >= 12
    {12, unroll_12},
    {8, unroll_8},
#elif TILE_ROWS >= 6
    {6, unroll_6},
#endif
#if TILE_ROWS > 1
    {2, unroll_2},
#endif
    {1, unroll_1},
};

/* The same, an operation after the other. */
static void unroll_plain(const ns_unroll_step *u, float *p, float *cells, int64_t ld)
{
    float o[NS_PANEL * NS_PANEL];
    gemm(u->rows, NS_PANEL, u->n, p, u->n, u->K, 0, o, NS_PANEL, NS_GEMM_KB, false);
    mul_rows(cells, ld, o, NS_PANEL, u->rows, NS_PANEL, u->write, NULL);
    if (!u->all)
        return;
    mul_rows(p, u->n, p, u->n, u->rows, u->n, u->all, NULL);
    if (u->T)
        gemm(u->rows, u->n, NS_PANEL, o, NS_PANEL, u->T, NS_PANEL * NS_PANEL, p, u->n, NS_GEMM_KB, true);
}

static void unroll(const ns_unroll_step *u, float *p, float *cells, int64_t ld)
{
    if (!u->T || u->n % NS_PANEL || u->n > NS_GEMM_KB) {
        unroll_plain(u, p, cells, ld);
        return;
    }
    int64_t r = 0;
    for (size_t t = 0; r < u->rows; t++)
        for (; u->rows - r >= unrolls[t].rows; r += unrolls[t].rows)
            unrolls[t].fn(u, p + r * u->n, cells + r * ld, ld);
}
