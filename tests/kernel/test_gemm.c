/* test_gemm.c - the invariance rule of ns_gemm, and its agreement with OpenBLAS and with a double-precision sum.
 *
 * A row's bits are the same for every M in 1..600, every place in the call and every version; the error is within the bound of
 * K FMAs: K eps sum |a b|, eps = 2^-24. */
#include "kernel.h"

static const int64_t shapes[][2] = {{1, 1}, {7, 16}, {17, 17}, {383, 31}, {384, 32}, {385, 33}, {1000, 100}, {64, 256}, {100, 7}};
enum { N_SHAPES = sizeof shapes / sizeof *shapes };

typedef struct problem { int64_t K, N, most; float *A, *B, *packed, *C, *row; } problem;

static problem make(int64_t K, int64_t N, int64_t most, uint64_t seed)
{
    ns_rng rng = ns_rng_seed(seed, 7);
    problem p = {K, N, most, floats(most * K), floats(K * N), floats(ns_packed_floats(N, K)), floats(most * (N + 3)), floats(N)};
    fill(&rng, p.A, most * K, TAME);
    fill(&rng, p.B, K * N, TAME);
    ns_pack_cols(p.packed, p.B, K, N, N);
    return p;
}

static void clear(problem *p)
{
    float *all[] = {p->A, p->B, p->packed, p->C, p->row};
    for (int i = 0; i < 5; i++)
        free(all[i]);
}

static void rows_are_invariant(void **state)
{
    (void)state;
    enum { M_MAX = 600 };
    const ns_math *list[NS_MATH_MAX];
    int n_versions = versions(list);
    for (int s = 0; s < N_SHAPES; s++) {
        problem p = make(shapes[s][0], shapes[s][1], M_MAX, (uint64_t)s);
        const int64_t ldc = p.N + 3;
        float *want = floats(M_MAX * p.N);
        for (int64_t r = 0; r < M_MAX; r++)                     /* the definition: one row at a time, scalar */
            list[0]->gemm(1, p.N, p.K, p.A + r * p.K, p.K, p.packed, p.K * NS_PANEL, want + r * p.N, p.N, NS_GEMM_KB, false);
        for (int v = 0; v < n_versions; v++)
            for (int64_t M = 1; M <= M_MAX; M += v ? 1 : 97) {
                const int64_t first = M * 7919 % (M_MAX - M + 1);
                list[v]->gemm(M, p.N, p.K, p.A + first * p.K, p.K, p.packed, p.K * NS_PANEL, p.C, ldc, NS_GEMM_KB, false);
                for (int64_t r = 0; r < M; r += M < 40 ? 1 : 13)
                    same_bits(p.C + r * ldc, want + (first + r) * p.N, p.N, list[v]->name, "gemm");
            }
        free(want);
        clear(&p);
    }
    SKIP_SCALAR_ONLY(n_versions);
}

/* Columns may be computed panel by panel, K in two calls with accumulate: the same bits. */
static void splits_are_invariant(void **state)
{
    (void)state;
    const ns_math *list[NS_MATH_MAX];
    int n_versions = versions(list);
    problem p = make(2 * NS_PAGE + 40, 100, 37, 3);
    float *whole = floats(37 * 100);
    for (int v = 0; v < n_versions; v++) {
        list[v]->gemm(37, 100, p.K, p.A, p.K, p.packed, p.K * NS_PANEL, whole, 100, NS_PAGE, false);
        for (int64_t k = 0; k < p.K; k += NS_PAGE) {
            int64_t depth = p.K - k < NS_PAGE ? p.K - k : NS_PAGE;
            for (int64_t n = 0; n < 100; n += NS_PANEL)
                list[v]->gemm(37, 100 - n < NS_PANEL ? 100 - n : NS_PANEL, depth, p.A + k, p.K, p.packed + n * p.K + k * NS_PANEL,
                              p.K * NS_PANEL, p.C + n, 103, NS_PAGE, k > 0);
        }
        for (int64_t r = 0; r < 37; r++)
            same_bits(p.C + r * 103, whole + r * 100, 100, list[v]->name, "gemm in pieces");
    }
    free(whole);
    clear(&p);
}

static void within_the_bound(void **state)
{
    (void)state;
    for (int s = 0; s < N_SHAPES; s++) {
        problem p = make(shapes[s][0], shapes[s][1], 29, 40 + (uint64_t)s);
        float *W = floats(p.N * p.K), *blas = floats(29 * p.N);
        for (int64_t n = 0; n < p.N; n++)
            for (int64_t k = 0; k < p.K; k++)
                W[n * p.K + k] = p.B[k * p.N + n];
        ns_math_select(NULL)->gemm(29, p.N, p.K, p.A, p.K, p.packed, p.K * NS_PANEL, p.C, p.N, NS_GEMM_KB, false);
        ns_blas_gemm_nt(29, p.N, p.K, p.A, p.K, W, p.K, blas, p.N);
        for (int64_t r = 0; r < 29; r++)
            for (int64_t n = 0; n < p.N; n++) {
                double exact = 0, size = 0;
                for (int64_t k = 0; k < p.K; k++) {
                    exact += (double)p.A[r * p.K + k] * W[n * p.K + k];
                    size += fabs((double)p.A[r * p.K + k] * W[n * p.K + k]);
                }
                double bound = (double)p.K * 0x1p-24 * size + 1e-30;
                assert_true(fabs(p.C[r * p.N + n] - exact) <= bound);
                assert_true(fabs((double)p.C[r * p.N + n] - blas[r * p.N + n]) <= 2 * bound);
            }
        free(W);
        free(blas);
        clear(&p);
    }
}

/* Products of matrices as they lie have the bits of gemm over packed ones, whole, accumulated, and with A transposed. */
static void open_products_agree(void **state)
{
    (void)state;
    enum { M = 29 };
    const ns_math *list[NS_MATH_MAX];
    int n_versions = versions(list);
    for (int s = 0; s < N_SHAPES; s++) {
        problem p = make(shapes[s][0], shapes[s][1], M, 70 + (uint64_t)s);
        const int64_t K = p.K, N = p.N, ld = N + 3;
        float *B = floats(K * N + NS_PANEL), *T = floats(K * M), *want = floats(M * ld);
        memset(B + K * N, 0x7f, NS_PANEL * sizeof *B);          /* read and thrown away */
        memcpy(B, p.B, (size_t)(K * N) * sizeof *B);
        for (int64_t i = 0; i < M * K; i++)
            T[i % K * M + i / K] = p.A[i];
        for (int v = 0; v < n_versions; v++)
            for (int add = 0; add < 2; add++) {
                list[0]->gemm(M, N, K, p.A, K, p.packed, K * NS_PANEL, want, ld, NS_PAGE, add);
                list[v]->gemm_nn(M, N, K, p.A, K, B, N, p.C, ld, NS_PAGE, add);
                for (int64_t r = 0; r < M; r++)
                    same_bits(p.C + r * ld, want + r * ld, N, list[v]->name, "gemm_nn");
                if (add)
                    continue;
                list[v]->gemm_tn(M, N, K, T, M, B, N, p.C, ld, NS_PAGE, false);
                for (int64_t r = 0; r < M; r++)
                    same_bits(p.C + r * ld, want + r * ld, N, list[v]->name, "gemm_tn");
            }
        free(B);
        free(T);
        free(want);
        clear(&p);
    }
}

static void packing_agrees(void **state)
{
    (void)state;
    problem p = make(45, 77, 1, 9);
    float *W = floats(77 * 45), *rows = floats(ns_packed_floats(77, 45));
    for (int64_t n = 0; n < 77; n++)
        for (int64_t k = 0; k < 45; k++)
            W[n * 45 + k] = p.B[k * 77 + n];
    ns_pack_rows(rows, W, 77, 45, 45);
    assert_memory_equal(rows, p.packed, (size_t)ns_packed_floats(77, 45) * 4);
    free(W);
    free(rows);
    clear(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(rows_are_invariant), cmocka_unit_test(splits_are_invariant),
                                       cmocka_unit_test(within_the_bound), cmocka_unit_test(packing_agrees),
                                       cmocka_unit_test(open_products_agree)};
    ns_blas_set_threads(1);
    return ns_exit_code(cmocka_run_group_tests(tests, NULL, NULL));
}
