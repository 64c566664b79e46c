/* engine.c - threads and kernels, chosen once by the caller. */
#include <needlescope/machine.h>

#include "model/internal.h"
#include "model/threads.h"

#include <stdio.h>
#include <stdlib.h>

int ns_engine_new(ns_engine **out, const ns_engine_params *params, ns_error *err)
{
    *out = NULL;
    int threads = params && params->threads > 0 ? params->threads : ns_machine_cpus();
    const char *cap = params ? params->cpu : NULL;
    const ns_math *math = ns_math_select(cap);
#ifdef NS_GEMM_OPENBLAS
    if (!ns_blas_can_start())
        return ns_fail(err, NS_E_MEMORY, "OpenBLAS cannot be loaded: not installed, or too little address space (raise ulimit -v)");
#endif
    if (!math)
        return ns_fail(err, NS_E_ARG, "cpu '%s': unknown kernels; use scalar, avx2 or avx512", cap ? cap : "");
    ns_engine *e = ns_alloc_array(1, sizeof *e);
    if (!e)
        return ns_oom(err, "engine");
    e->math = math;
#ifdef NS_GEMM_OPENBLAS
    snprintf(e->kernel_class, sizeof e->kernel_class, "openblas-%s", ns_blas_core());
#else
    snprintf(e->kernel_class, sizeof e->kernel_class, "invariant-1");
#endif
    int rc = ns_pool_new(&e->pool, threads, err);
    if (rc != NS_OK)
        ns_engine_free(e);
    else
        *out = e;
    return rc;
}

void ns_engine_free(ns_engine *e)
{
    if (!e)
        return;
    ns_pool_free(e->pool);
    free(e);
}

const char *ns_engine_cpu(const ns_engine *e)
{
    return e->math->name;
}

const char *ns_engine_kernel_class(const ns_engine *e)
{
    return e->kernel_class;
}

ns_pool *ns_engine_pool(const ns_engine *e)
{
    return e->pool;
}

int ns_engine_threads(const ns_engine *e)
{
    return ns_pool_size(e->pool);
}

typedef struct guarded { ns_task_fn fn; void *user; } guarded;

static void guarded_task(void *user, int64_t task, int worker)
{
    guarded *g = user;
    ns_fpenv env = ns_fpenv_set();
    g->fn(g->user, task, worker);
    ns_fpenv_restore(env);
}

void ns_engine_run(ns_engine *e, int64_t n_tasks, ns_task_fn fn, void *user)
{
    guarded g = {fn, user};
    ns_pool_run(e->pool, n_tasks, guarded_task, &g);
}
