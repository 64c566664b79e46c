/* weights_hash.c - the hash of all weights: SHA-256 of each tensor's raw bytes, a tensor a task; then of "name hex\n" in name order. */
#include "model/internal.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

typedef struct hash_job {
    const ns_checkpoint *c;
    char     (*hex)[65];
    int       *failed;
    bool       ahead, drops;
    bool     (*cancelled)(void *user);
    void      *user;
    atomic_bool stopped;
} hash_job;

/* The caller (worker 0) asks, at every MiB; the others see what it was told. */
static bool is_stopped(hash_job *j, int worker, int64_t at)
{
    if (worker == 0 && j->cancelled && at % (1 << 20) == 0 && j->cancelled(j->user))
        atomic_store(&j->stopped, true);
    return atomic_load(&j->stopped);
}

static int hash_tensor(hash_job *j, int worker, const ns_tensor *t, char hex[65], ns_error *err)
{
    enum { CHUNK = 1 << 16 };
    uint8_t bytes[CHUNK];
    int rc = NS_OK;
    ns_sha256 sha;
    ns_sha256_begin(&sha);
    for (int64_t at = 0, n; at < t->n_bytes && rc == NS_OK; at += n) {
        n = t->n_bytes - at < CHUNK ? t->n_bytes - at : CHUNK;
        rc = is_stopped(j, worker, at) ? NS_STOP : ns_tensor_read(t, at, n, bytes, err);
        if (rc == NS_OK)
            ns_sha256_add(&sha, bytes, (size_t)n);
    }
    ns_sha256_end(&sha, hex);
    return rc;
}

static void hash_task(void *user, int64_t task, int worker)
{
    hash_job *const j = user;
    const ns_tensor *const t = ns_checkpoint_tensor(j->c, task);
    if (is_stopped(j, worker, 0))
        return;
    if (j->ahead && task + 1 < ns_checkpoint_count(j->c))
        ns_tensor_soon(ns_checkpoint_tensor(j->c, task + 1));
    j->failed[task] = hash_tensor(j, worker, t, j->hex[task], NULL);
    if (j->drops)
        ns_tensor_done(t);
}

/* The first that failed is read again, for its message. */
static int hash_all(const ns_model *m, hash_job *j, int64_t n, ns_error *err)
{
    if (!is_stopped(j, 0, 0))               /* the caller may come too late for any task of its own */
        ns_engine_run(m->engine, n, hash_task, j);
    int rc = atomic_load(&j->stopped) ? NS_STOP : NS_OK;
    for (int64_t i = 0; i < n && rc == NS_OK; i++)
        if (j->failed[i])
            rc = hash_tensor(j, 0, ns_checkpoint_tensor(j->c, i), j->hex[i], err);
    return rc;
}

int ns_checkpoint_weights_sha256(const ns_checkpoint *c, ns_engine *engine, char hex[65], ns_error *err)
{
    return ns_weights_hash(&(ns_model){.engine = engine, .checkpoint = (ns_checkpoint *)(uintptr_t)c}, hex, err);
}

int ns_weights_hash(const ns_model *m, char hex[65], ns_error *err)
{
    int64_t n = ns_checkpoint_count(m->checkpoint);
    hash_job j = {m->checkpoint, ns_alloc_array((size_t)n, sizeof *j.hex), ns_alloc_array((size_t)n, sizeof *j.failed),
                  m->ahead, m->drops, m->cancelled, m->user, false};
    const int rc = j.hex && j.failed ? hash_all(m, &j, n, err) : ns_oom(err, "tensor hashes");
    ns_sha256 sha;
    ns_sha256_begin(&sha);
    for (int64_t i = 0; i < n && rc == NS_OK; i++) {
        const char *name = ns_checkpoint_tensor(m->checkpoint, i)->name;
        ns_sha256_add(&sha, name, strlen(name));
        ns_sha256_add(&sha, " ", 1);
        ns_sha256_add(&sha, j.hex[i], 64);
        ns_sha256_add(&sha, "\n", 1);
    }
    ns_sha256_end(&sha, hex);
    free(j.failed);
    free(j.hex);
    return rc;
}
