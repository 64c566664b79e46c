/* bench_gemm.c - ns_gemm against OpenBLAS and against the core's FMA peak, one thread, in one run; GF/s, best of many.
 * Shapes of a 135M model (y = x W^T, weights packed beforehand) and of its attention. */
#include "math/math.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

typedef struct shape { int64_t M, N, K; const float *A, *B, *W; float *C; int64_t k_block; } shape;
typedef void (*work_fn)(const shape *);

static const ns_math *math;

static void ours(const shape *s)
{
    math->gemm(s->M, s->N, s->K, s->A, s->K, s->B, s->K * NS_PANEL, s->C, s->N, s->k_block, false);
}

static void blas(const shape *s)
{
    ns_blas_gemm_nt(s->M, s->N, s->K, s->A, s->K, s->W, s->K, s->C, s->N);
}

static double gflops(work_fn work, const shape *s)
{
    double best = 1e9;
    for (int round = 0; round < 7; round++) {
        int n = 0;
        double t0 = now(), t;
        do {
            work(s);
            n++;
            t = now() - t0;
        } while (t < 0.03);
        best = t / n < best ? t / n : best;
    }
    return 2.0 * (double)s->M * (double)s->N * (double)s->K / best / 1e9;
}

/* ---- the peak: FMAs on 24 registers and nothing else ---- */

enum { CHAINS = 24, PEAK_STEPS = 1 << 16 };

#if defined(__x86_64__)
#include <immintrin.h>

__attribute__((target("avx512f"))) static float chains_avx512(float x)
{
    __m512 sum[CHAINS], a = _mm512_set1_ps(x), total = _mm512_setzero_ps();
    for (int i = 0; i < CHAINS; i++)
        sum[i] = _mm512_set1_ps((float)i);
    for (int k = 0; k < PEAK_STEPS; k++)
        _Pragma("GCC unroll 24") for (int i = 0; i < CHAINS; i++)
            sum[i] = _mm512_fmadd_ps(sum[i], a, a);
    for (int i = 0; i < CHAINS; i++)
        total = _mm512_add_ps(total, sum[i]);
    return _mm512_reduce_add_ps(total);
}

__attribute__((target("avx2,fma"))) static float chains_avx2(float x)
{
    enum { REGISTERS = 12 };
    __m256 sum[REGISTERS], a = _mm256_set1_ps(x), total = _mm256_setzero_ps();
    for (int i = 0; i < REGISTERS; i++)
        sum[i] = _mm256_set1_ps((float)i);
    for (int k = 0; k < 4 * PEAK_STEPS; k++)
        _Pragma("GCC unroll 12") for (int i = 0; i < REGISTERS; i++)
            sum[i] = _mm256_fmadd_ps(sum[i], a, a);
    for (int i = 0; i < REGISTERS; i++)
        total = _mm256_add_ps(total, sum[i]);
    float out[8];
    _mm256_storeu_ps(out, total);
    return out[0];
}

static double peak(void)
{
    static volatile float sink;
    double best = 1e9;
    bool wide = strcmp(math->name, "avx512") == 0;
    for (int round = 0; round < 40; round++) {
        double t0 = now();
        sink = wide ? chains_avx512(0.5f) : chains_avx2(0.5f);
        double t = now() - t0;
        best = t < best ? t : best;
    }
    (void)sink;
    return 2.0 * 16 * CHAINS * PEAK_STEPS / best / 1e9;
}
#else
static double peak(void)
{
    return 0;                                  /* not known here: the percentages are then meaningless and the ratios stand */
}
#endif

static void line(const char *what, shape s, double top)
{
    double a = gflops(ours, &s), b = gflops(blas, &s);
    printf("%-26s M %5lld N %6lld K %5lld   ours %6.1f GF/s (%3.0f %% of peak)   OpenBLAS %6.1f   ratio %4.2f\n", what, (long long)s.M,
           (long long)s.N, (long long)s.K, a, 100 * a / top, b, a / b);
}

int main(int argc, char **argv)
{
    static const int64_t linear[][2] = {{576, 576}, {192, 576}, {3072, 576}, {576, 1536}, {49152, 576}}, rows[] = {1, 12, 48, 512};
    const int64_t most = 49152 * 576;
    float *A = ns_alloc_aligned(512 * 16384 * 4), *W = ns_alloc_aligned((size_t)most * 4), *B = ns_alloc_aligned((size_t)most * 4),
          *C = ns_alloc_aligned(512ul * 49152 * 4);
    math = ns_math_select(argc > 1 ? argv[1] : NULL);
    if (!A || !W || !B || !C || !math)
        return 1;
    ns_blas_set_threads(1);
    for (int64_t i = 0; i < most; i++)
        W[i] = B[i] = (float)(i % 97) * 0.01f - 0.5f;
    for (int64_t i = 0; i < 512 * 16384; i++)
        A[i] = (float)(i % 89) * 0.01f - 0.4f;
    double top = peak();
    printf("kernels %s, OpenBLAS %s, peak on registers %.1f GF/s\n", math->name, ns_blas_core(), top);
    for (size_t i = 0; i < sizeof linear / sizeof *linear; i++)
        for (size_t m = 0; m < sizeof rows / sizeof *rows; m++)
            line("linear", (shape) { rows[m], linear[i][0], linear[i][1], A, B, W, C, NS_GEMM_KB }, top);
    for (int64_t S = 512; S <= 16384; S *= 4) {
        line("scores, q k^T", (shape) { 96, S, 64, A, B, W, C, NS_GEMM_KB }, top);
        line("pattern times v", (shape) { 96, 64, S, A, B, W, C, NS_PAGE }, top);
    }
    free(A);
    free(W);
    free(B);
    free(C);
    return 0;
}
