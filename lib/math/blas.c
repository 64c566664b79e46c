/* blas.c - OpenBLAS, loaded on first use: the only file that includes cblas.h.
 *
 * Not linked, because its constructor starts a thread per CPU and maps a buffer for each, and tries for ever when a mapping fails
 * (measured on 0.3.21 under ulimit -v: 40 MiB for the libraries, then 136 MiB a thread, the first one's at its first call).
 * So the address space is probed before dlopen, and a program that never multiplies by OpenBLAS never pays for it. */
#include "math/math.h"

#include <cblas.h>
#include <dlfcn.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>

enum { MIB = 1 << 20, LIBRARIES_MIB = 64, THREAD_MIB = 144 };

/* LAPACK's interface is Fortran's: everything by address, and the lengths of the two texts at the end. */
typedef void dgeev_fn(const char *jobvl, const char *jobvr, const blasint *n, double *a, const blasint *lda, double *wr, double *wi,
                      double *vl, const blasint *ldvl, double *vr, const blasint *ldvr, double *work, const blasint *lwork, blasint *info,
                      size_t, size_t);

/* OpenBLAS is one for the process, with or without us: this is the library's only global state. */
static struct {
    pthread_once_t once;
    __typeof__(&cblas_sgemm) sgemm;
    __typeof__(&openblas_get_corename) corename;
    __typeof__(&openblas_set_num_threads) set_threads;
    dgeev_fn *dgeev;
    bool ready;
} openblas = {.once = PTHREAD_ONCE_INIT};

static const char *const libraries[] = {
    "libopenblas.so.0", NS_BLAS_DIR "/libopenblas.so.0", "libopenblas.so", NS_BLAS_DIR "/libopenblas.so",
};

/* Asks the kernel itself, so every limit counts (RLIMIT_AS, RLIMIT_DATA, strict overcommit). */
static bool can_map(size_t bytes)
{
    void *const p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return false;
    munmap(p, bytes);
    return true;
}

static size_t bytes_needed(void)
{
    cpu_set_t set;
    const int cpus = sched_getaffinity(0, sizeof set, &set) ? 1 : CPU_COUNT(&set);
    return ((size_t)LIBRARIES_MIB + (size_t)cpus * THREAD_MIB) * MIB;
}

/* ISO C has no conversion between pointers to objects and to functions; POSIX says that they are alike. */
static void find(void *function, void *library, const char *name)
{
    void *const address = dlsym(library, name);
    memcpy(function, &address, sizeof address);
}

static void load(void)
{
    void *library = NULL;
    if (!can_map(bytes_needed()))
        return;
    for (size_t i = 0; !library && i < sizeof libraries / sizeof *libraries; i++)
        library = dlopen(libraries[i], RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return;
    find(&openblas.sgemm, library, "cblas_sgemm");
    find(&openblas.corename, library, "openblas_get_corename");
    find(&openblas.set_threads, library, "openblas_set_num_threads");
    find(&openblas.dgeev, library, "dgeev_");
    openblas.ready = openblas.sgemm && openblas.corename && openblas.set_threads;
}

bool ns_blas_can_start(void)
{
    pthread_once(&openblas.once, load);
    return openblas.ready;
}

const char *ns_blas_core(void)
{
    return ns_blas_can_start() ? openblas.corename() : "none";
}

void ns_blas_set_threads(int n)
{
    if (ns_blas_can_start())
        openblas.set_threads(n);
}

/* What is computed where OpenBLAS could not start: right, and slow. */
static void plain_gemm_nt(int64_t M, int64_t N, int64_t K, const float *A, int64_t lda, const float *W, int64_t ldw, float *C, int64_t ldc)
{
    for (int64_t m = 0; m < M; m++)
        for (int64_t n = 0; n < N; n++) {
            double sum = 0;
            for (int64_t k = 0; k < K; k++)
                sum += (double)A[m * lda + k] * (double)W[n * ldw + k];
            C[m * ldc + n] = (float)sum;
        }
}

void ns_blas_gemm_nt(int64_t M, int64_t N, int64_t K, const float *A, int64_t lda, const float *W, int64_t ldw, float *C, int64_t ldc)
{
    if (M <= 0 || N <= 0)
        return;
    if (ns_blas_can_start())
        openblas.sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (blasint)M, (blasint)N, (blasint)K, 1, A, (blasint)lda, W, (blasint)ldw, 0,
                       C, (blasint)ldc);
    else
        plain_gemm_nt(M, N, K, A, lda, W, ldw, C, ldc);
}

bool ns_blas_eigenvalues(int64_t n, double *A, double *re, double *im, double *work)
{
    const blasint N = (blasint)n, one = 1, lwork = NS_EIGEN_WORK * N;
    blasint info = -1;
    if (ns_blas_can_start() && openblas.dgeev)
        openblas.dgeev("N", "N", &N, A, &N, re, im, NULL, &one, NULL, &one, work, &lwork, &info, 1, 1);
    return info == 0;
}
