/* test_pool.c - every task once, scratch never shared, many short jobs, and failure to start. */
#include "../../unit.h"
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"

typedef struct job {
    atomic_int done[1000];
    atomic_int inside[16];     /* tasks now running under this worker index */
    int        size;
    atomic_int faults;
} job;

static void one_task(void *user, int64_t task, int worker)
{
    job *const j = user;
    if (worker < 0 || worker >= j->size || atomic_fetch_add(&j->inside[worker], 1) != 0)
        atomic_fetch_add(&j->faults, 1);
    atomic_fetch_add(&j->done[task], 1);
    atomic_fetch_sub(&j->inside[worker], 1);
}

static void every_task_once(void **state)
{
    (void)state;
    static const int sizes[] = {1, 2, 3, 8}, counts[] = {0, 1, 2, 7, 1000};
    for (size_t s = 0; s < 4; s++) {
        ns_error err;
        ns_pool *pool;
        assert_int_equal(ns_pool_new(&pool, sizes[s], &err), NS_OK);
        assert_int_equal(ns_pool_size(pool), sizes[s]);
        for (size_t c = 0; c < 5; c++) {
            job j = {.size = sizes[s]};
            ns_pool_run(pool, counts[c], one_task, &j);
            for (int i = 0; i < 1000; i++)
                assert_int_equal(j.done[i], i < counts[c]);
            assert_int_equal(j.faults, 0);
        }
        ns_pool_free(pool);
    }
}

static void add_one(void *user, int64_t task, int worker)
{
    (void)worker;
    ((int64_t *)user)[task]++;   /* plain memory: the pool must order it between jobs */
}

static void jobs_follow_each_other(void **state)
{
    (void)state;
    ns_error err;
    ns_pool *pool;
    assert_int_equal(ns_pool_new(&pool, 4, &err), NS_OK);
    int64_t sums[5] = {0};
    for (int i = 0; i < 3000; i++)
        ns_pool_run(pool, 5, add_one, sums);
    for (int i = 0; i < 5; i++)
        assert_int_equal(sums[i], 3000);
    ns_pool_free(pool);
    ns_pool_free(NULL);
}

static void *many_jobs(void *user)
{
    int64_t sums[5] = {0};                     /* one's own: no other caller's task may run in one's job */
    for (int i = 0; i < 3000; i++) {
        ns_pool_run(user, 5, add_one, sums);
        for (int k = 0; k < 5; k++)
            if (sums[k] != i + 1)
                return user;
    }
    return NULL;
}

/* A model is shared by threads, and with it the engine's pool. */
static void callers_take_turns(void **state)
{
    (void)state;
    ns_error err;
    ns_pool *pool;
    pthread_t callers[4];
    assert_int_equal(ns_pool_new(&pool, 3, &err), NS_OK);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&callers[i], NULL, many_jobs, pool), 0);
    for (int i = 0; i < 4; i++) {
        void *fault;
        assert_int_equal(pthread_join(callers[i], &fault), 0);
        assert_null(fault);
    }
    ns_pool_free(pool);
}

static void note_blocked(void *user, int64_t task, int worker)
{
    (void)task;
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    if (worker > 0 && !sigismember(&blocked, SIGINT))
        atomic_fetch_add((atomic_int *)user, 1);
    usleep(2000);
}

static void workers_take_no_signals(void **state)
{
    (void)state;
    ns_error err;
    ns_pool *pool;
    atomic_int open_workers = 0;
    assert_int_equal(ns_pool_new(&pool, 3, &err), NS_OK);
    ns_pool_run(pool, 20, note_blocked, &open_workers);
    assert_int_equal(open_workers, 0);
    ns_pool_free(pool);
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, NULL, &blocked);
    assert_false(sigismember(&blocked, SIGINT));
}

static void bad_sizes(void **state)
{
    (void)state;
    ns_error err;
    ns_pool *pool = (ns_pool *)&err;
    assert_int_equal(ns_pool_new(&pool, 0, &err), NS_E_ARG);
    assert_null(pool);
    assert_int_equal(ns_pool_new(&pool, 100000, &err), NS_E_ARG);
}

/* 4000 stacks do not fit in this much address space. In a child, because the limit cannot be raised again everywhere. */
static void threads_that_cannot_start(void **state)
{
    (void)state;
#ifdef NS_SANITIZED
    SKIP("the sanitizer's own maps do not fit either");
#endif
    const pid_t child = fork();
    if (child == 0) {
        const struct rlimit limit = {1u << 30, 1u << 30};
        ns_error err;
        ns_pool *pool;
        if (setrlimit(RLIMIT_AS, &limit) != 0)
            _exit(77);
        _exit(ns_pool_new(&pool, 4000, &err) == NS_E_MEMORY && !pool && strstr(err.message, "of 4000") ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_task_once),    cmocka_unit_test(jobs_follow_each_other),
        cmocka_unit_test(callers_take_turns), cmocka_unit_test(workers_take_no_signals),
        cmocka_unit_test(bad_sizes),          cmocka_unit_test(threads_that_cannot_start),
    };
    return ns_exit_code(cmocka_run_group_tests(tests, NULL, NULL));
}
