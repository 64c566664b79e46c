/* pool.c - persistent threads that share out the tasks of one job. A job is published by raising `generation`; every thread
 * (the caller is worker 0) takes task numbers from one atomic counter until they run out, then checks out. Which worker runs
 * a task is left to chance: results must not depend on it. Waiting spins for a few microseconds before it sleeps, because the
 * forward pass publishes thousands of short jobs a second.
 * A child of fork() has the pool's memory and none of its threads: the pool is made as new there, and its first job starts them. */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/core.h"

enum { SPINS = 2000, STACK_BYTES = 4 << 20 };

typedef struct worker {
    ns_pool  *pool;
    pthread_t thread;
    int       index;
} worker;

struct ns_pool {
    int             size, n_started;
    bool            forked;                  /* its threads are those of a parent process */
    ns_at_fork      at_fork;
    worker         *workers;                 /* [size]; workers[0] is the caller and has no thread */
    pthread_mutex_t turn;                    /* held for a job: callers on several threads take turns */
    pthread_mutex_t lock;
    pthread_cond_t  published, finished;
    atomic_uint     generation;
    atomic_int      n_busy;                  /* threads that have not checked out of this generation */
    atomic_bool     quit;
    _Alignas(64) atomic_llong next_task;
    int64_t         n_tasks;                 /* of the job; written before generation is raised */
    ns_task_fn      task;
    void           *user;
};

static inline void relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
}

static void work(ns_pool *pool, int index)
{
    for (;;) {
        const long long task = atomic_fetch_add_explicit(&pool->next_task, 1, memory_order_relaxed);
        if (task >= pool->n_tasks)
            return;
        pool->task(pool->user, task, index);
    }
}

/* Returns the new generation once it differs from `seen`. */
static unsigned wait_for_job(ns_pool *pool, unsigned seen)
{
    for (int i = 0; i < SPINS; i++) {
        const unsigned now = atomic_load_explicit(&pool->generation, memory_order_acquire);
        if (now != seen)
            return now;
        relax();
    }
    pthread_mutex_lock(&pool->lock);
    while (atomic_load(&pool->generation) == seen)
        pthread_cond_wait(&pool->published, &pool->lock);
    const unsigned now = atomic_load(&pool->generation);
    pthread_mutex_unlock(&pool->lock);
    return now;
}

static void *thread_main(void *argument)
{
    worker *const me = argument;
    ns_pool *const pool = me->pool;
    unsigned seen = 0;
    for (;;) {
        seen = wait_for_job(pool, seen);
        if (atomic_load(&pool->quit))
            return NULL;
        work(pool, me->index);
        if (atomic_fetch_sub_explicit(&pool->n_busy, 1, memory_order_acq_rel) == 1) {
            pthread_mutex_lock(&pool->lock);
            pthread_cond_signal(&pool->finished);
            pthread_mutex_unlock(&pool->lock);
        }
    }
}

static void publish(ns_pool *pool)
{
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add_explicit(&pool->generation, 1, memory_order_release);
    pthread_cond_broadcast(&pool->published);
    pthread_mutex_unlock(&pool->lock);
}

static void wait_for_the_others(ns_pool *pool)
{
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(&pool->n_busy, memory_order_acquire) == 0)
            return;
        relax();
    }
    pthread_mutex_lock(&pool->lock);
    while (atomic_load_explicit(&pool->n_busy, memory_order_acquire) > 0)
        pthread_cond_wait(&pool->finished, &pool->lock);
    pthread_mutex_unlock(&pool->lock);
}

static void init_waiting(ns_pool *pool)
{
    pthread_mutex_init(&pool->turn, NULL);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->published, NULL);
    pthread_cond_init(&pool->finished, NULL);
    atomic_init(&pool->generation, 0);
    atomic_init(&pool->n_busy, 0);
}

/* Whatever state another thread's job left the locks in, that thread and its job are not here. */
static void in_child(void *user)
{
    ns_pool *const pool = user;
    init_waiting(pool);
    pool->n_started = 0;
    pool->forked = true;
}

/* Threads take no signals: the host's handlers run on the host's threads. */
static int start_threads(ns_pool *pool)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_attr_t attributes;
    int failure = pthread_attr_init(&attributes);
    if (!failure) {
        pthread_attr_setstacksize(&attributes, STACK_BYTES);
        for (int i = 1; i < pool->size && !failure; i++) {
            pool->workers[i] = (worker){.pool = pool, .index = i};
            failure = pthread_create(&pool->workers[i].thread, &attributes, thread_main, &pool->workers[i]);
            if (!failure)
                pool->n_started++;
        }
        pthread_attr_destroy(&attributes);
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failure;
}

int ns_pool_new(ns_pool **out, int threads, ns_error *err)
{
    *out = NULL;
    if (threads < 1 || threads > 4096)
        return ns_fail(err, NS_E_ARG, "%d threads: between 1 and 4096 are possible", threads);
    ns_pool *const pool = ns_alloc_aligned(sizeof *pool);
    if (!pool)
        return ns_oom(err, "a thread pool");
    memset(pool, 0, sizeof *pool);
    init_waiting(pool);
    pool->size = threads;
    pool->at_fork = (ns_at_fork){.in_child = in_child, .user = pool};
    ns_at_fork_add(&pool->at_fork);
    pool->workers = ns_alloc_array((size_t)threads, sizeof *pool->workers);
    if (!pool->workers) {
        ns_pool_free(pool);
        return ns_oom(err, "a thread pool");
    }
    const int failure = start_threads(pool);
    if (failure) {
        const int started = pool->n_started + 1;
        ns_pool_free(pool);
        return ns_fail(err, NS_E_MEMORY, "thread %d of %d could not be started: %s (use fewer threads, raise ulimit -u or ulimit -v)",
                       started + 1, threads, strerror(failure));
    }
    *out = pool;
    return NS_OK;
}

void ns_pool_free(ns_pool *pool)
{
    if (!pool)
        return;
    ns_at_fork_remove(&pool->at_fork);
    atomic_store(&pool->quit, true);
    publish(pool);
    for (int i = 1; i <= pool->n_started; i++)
        pthread_join(pool->workers[i].thread, NULL);
    pthread_cond_destroy(&pool->finished);
    pthread_cond_destroy(&pool->published);
    pthread_mutex_destroy(&pool->lock);
    pthread_mutex_destroy(&pool->turn);
    free(pool->workers);
    free(pool);
}

int ns_pool_size(const ns_pool *pool)
{
    return pool->size;
}

void ns_pool_run(ns_pool *pool, int64_t n_tasks, ns_task_fn task, void *user)
{
    if (pool->size == 1 || n_tasks <= 1) {
        for (int64_t i = 0; i < n_tasks; i++)
            task(user, i, 0);
        return;
    }
    pthread_mutex_lock(&pool->turn);
    if (pool->forked) {
        pool->forked = false;
        start_threads(pool);   /* fewer do the same work: no failure */
    }
    pool->task = task;
    pool->user = user;
    pool->n_tasks = n_tasks;
    atomic_store_explicit(&pool->next_task, 0, memory_order_relaxed);
    atomic_store_explicit(&pool->n_busy, pool->n_started, memory_order_relaxed);
    publish(pool);
    work(pool, 0);
    wait_for_the_others(pool);
    pthread_mutex_unlock(&pool->turn);
}
