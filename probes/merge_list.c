/* merge_list.c - the files of a scan by their names, held against what the scans found: shards and failures, what is missing, what is
 * gone. */
#include <stdlib.h>
#include <string.h>

#include "merge.h"

static int add_shard(ns_merge_job *m, const char *run, const char *folder, const char *file, ns_scan_key key, bool failed, ns_error *err)
{
    if (!ns_grow(&m->shards, &m->shards_capacity, m->n_shards + 1, sizeof *m->shards))
        return ns_oom(err, folder);
    ns_shard *const s = &m->shards[m->n_shards++];
    *s = (ns_shard){.run_name = ns_strdup(run), .path = ns_path_join(folder, file), .failed = failed, .key = key,
                    .step = key.step, .tokens = -1};
    return s->run_name && s->path ? NS_OK : ns_oom(err, folder);
}

/* What a scan keeps beside a shard. */
static bool is_beside(const char *ending)
{
    return strcmp(ending, ".seen") == 0 || strcmp(ending, ".claim") == 0;
}

/* Of step000120.h5 or step000120.failed. */
static bool is_shard(const char *ending, bool *failed)
{
    *failed = strcmp(ending, ".failed") == 0;
    return *failed || strcmp(ending, ".h5") == 0;
}

static int list_run(ns_merge_job *m, const char *shards, const char *run, ns_error *err)
{
    char *const folder = ns_path_join(shards, run);
    char **names = NULL;
    int64_t n = 0;
    int rc = folder ? ns_folder_list(&names, &n, folder, err) : ns_oom(err, shards);
    for (int64_t i = 0; rc == NS_OK && i < n; i++) {
        bool failed;
        ns_scan_key key;
        const char *const ending = ns_scan_key_read(names[i], &key);
        if (is_shard(ending, &failed))
            rc = add_shard(m, run, folder, names[i], key, failed, err);
        else
            m->passed_over += !ns_temporary_is(names[i]) && !is_beside(ending) && strcmp(names[i], "metrics.h5") != 0;
    }
    ns_free_strings(names, n);
    free(folder);
    return rc;
}

/* Each folder in it is a run's. */
static int list_runs(ns_merge_job *m, const char *shards, ns_error *err)
{
    char **runs = NULL;
    int64_t n = 0;
    int rc = ns_folder_list(&runs, &n, shards, err);
    for (int64_t i = 0; rc == NS_OK && i < n; i++) {
        char *const folder = ns_path_join(shards, runs[i]);
        const bool is_run = folder && ns_path_is_dir(folder);
        rc = !folder ? ns_oom(err, shards) : is_run ? list_run(m, shards, runs[i], err) : NS_OK;
        m->passed_over += !is_run;
        free(folder);
    }
    ns_free_strings(runs, n);
    return rc;
}

/* The folder itself is what was named: not what a scan would have in it. */
static int check_folder(const char *out, ns_error *err)
{
    static const char *const wanted = "a scan folder (needlescope scan -o makes one)";
    if (!ns_path_exists(out))
        return ns_fail(err, NS_E_MISSING, "%s: there is no such folder, and %s is wanted", out, wanted);
    char *const shards = ns_path_join(out, "shards");
    int rc = !shards ? ns_oom(err, out)
           : ns_path_is_dir(shards) ? NS_OK
                                    : ns_fail(err, NS_E_MISSING, "%s: holds no shards: it is not %s", out, wanted);
    if (rc == NS_E_MISSING && !ns_path_is_dir(out))
        rc = ns_fail(err, rc, "%s: is no folder, and %s is wanted", out, wanted);
    free(shards);
    return ns_kind_fail(err, rc, out, NS_KINDS(NS_KIND_SCAN), wanted);
}

static int add_missing(ns_merge_job *m, const char *run, const ns_scan_entry *e, ns_error *err)
{
    if (!ns_grow(&m->shards, &m->shards_capacity, m->n_shards + 1, sizeof *m->shards))
        return ns_oom(err, run);
    ns_shard *const s = &m->shards[m->n_shards++];
    *s = (ns_shard){.run_name = ns_strdup(run), .label = ns_strdup(e->label), .missing = true, .key = e->key,
                    .step = e->step, .tokens = e->tokens};
    return s->run_name && s->label ? NS_OK : ns_oom(err, run);
}

/* Of the run's shards: those of checkpoints that are there. has[i]: the index's i-th has one. */
static int keep_found(ns_merge_job *m, const ns_scan_index *x, const char *run, bool *has, ns_error *err)
{
    int64_t kept = 0;
    bool room = true;
    for (int64_t i = 0; i < m->n_shards; i++) {
        ns_shard s = m->shards[i];
        const bool ours = strcmp(s.run_name, run) == 0;
        const ns_scan_entry *const e = ours ? ns_scan_index_find(x, s.key) : NULL;
        if (ours && (!e || e->gone) && !m->gone_too) {
            m->gone++;
            ns_shard_clear(&s);
            continue;
        }
        s.step = e ? e->step : s.step;
        s.tokens = e ? e->tokens : s.tokens;
        if (e && !e->gone) {
            has[e - x->list] = true;
            room &= s.failed || (s.expected = ns_strdup(e->label));
        }
        m->shards[kept++] = s;
    }
    m->n_shards = kept;
    return room ? NS_OK : ns_oom(err, run);
}

/* What the scan took of the run, and has no shard of. */
static int miss_run(ns_merge_job *m, const char *out, const char *run, ns_error *err)
{
    ns_scan_index x;
    int rc = ns_scan_index_read(&x, out, run, err);
    bool *const has = ns_alloc_array((size_t)x.n + 1, sizeof *has);
    rc = rc == NS_OK && !has ? ns_oom(err, run) : rc;
    rc = rc != NS_OK ? rc : ns_merge_leave(m, run, &x, err);
    rc = rc != NS_OK ? rc : keep_found(m, &x, run, has, err);
    for (int64_t i = 0; rc == NS_OK && i < x.n; i++) {
        const ns_scan_entry *const e = &x.list[i];
        if (has[i] || e->gone)
            continue;
        m->not_taken += !e->taken;
        rc = e->taken ? add_missing(m, run, e, err) : NS_OK;
    }
    free(has);
    ns_scan_index_clear(&x);
    return rc;
}

/* A scan of an older version left no index: then nothing is known to be missing. */
static int miss_shards(ns_merge_job *m, const char *out, ns_error *err)
{
    char *const folder = ns_path_join(out, "index");
    char **names = NULL;
    int64_t n = 0;
    int rc = !folder ? ns_oom(err, out) : ns_path_is_dir(folder) ? ns_folder_list(&names, &n, folder, err) : NS_OK;
    for (int64_t i = 0; rc == NS_OK && i < n; i++) {
        if (!ns_ends(names[i], ".json"))
            continue;
        names[i][strlen(names[i]) - strlen(".json")] = '\0';
        rc = miss_run(m, out, names[i], err);
    }
    ns_free_strings(names, n);
    free(folder);
    return rc;
}

int ns_merge_list(ns_merge_job *m, const char *out, const char *shards, ns_error *err)
{
    int rc = check_folder(out, err);
    rc = rc != NS_OK ? rc : list_runs(m, shards, err);
    return rc != NS_OK ? rc : miss_shards(m, out, err);
}
