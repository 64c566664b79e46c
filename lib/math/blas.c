/* blas.c - the only door to cblas.h: the referee of the kernel tests, and the forward GEMM with -Dgemm=openblas. */
#include "math/math.h"

#include <cblas.h>
#include <stdio.h>
#include <sys/resource.h>

void ns_blas_gemm_nt(int64_t M, int64_t N, int64_t K, const float *A, int64_t lda, const float *W, int64_t ldw, float *C, int64_t ldc)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)M, (blasint)N, (blasint)K, 1.0f, A, (blasint)lda, W, (blasint)ldw, 0.0f, C, (blasint)ldc);
}

const char *ns_blas_core(void)
{
    return openblas_get_corename();
}

void ns_blas_set_threads(int n)
{
    openblas_set_num_threads(n);
}

static int64_t address_space_used(void)
{
    long pages = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    if (f) {
        if (fscanf(f, "%ld", &pages) != 1)
            pages = 0;
        fclose(f);
    }
    return (int64_t)pages * 4096;
}

bool ns_blas_can_start(void)
{
    enum { BUFFERS = 192 << 20 };             /* OpenBLAS maps 32 MiB a buffer and retries for ever when it cannot */
    struct rlimit limit;
    if (getrlimit(RLIMIT_AS, &limit) || limit.rlim_cur == RLIM_INFINITY)
        return true;
    return (int64_t)limit.rlim_cur - address_space_used() > BUFFERS;
}
