/* bench_open.c [SHARDS] - what it costs a merge to look at the seals of its shards: so many shards are written, then each is opened twice,
 * with the look and without, in turn, and all are merged. Prints CPU seconds, and the look as a share of the merge (a merge opens each
 * shard twice). By hand. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <needlescope/scan.h>

#include "core/core.h"
#include "record/file.h"

enum { CASES = 24, LAYERS = 6, HEADS = 8, OUTPUTS = 16, SCORES = 12 };

/* CPU seconds of this process and of its children that ended: other programs of the machine do not count. */
static double now(void)
{
    struct rusage own, children;
    getrusage(RUSAGE_SELF, &own);
    getrusage(RUSAGE_CHILDREN, &children);
    const struct timeval all[] = {own.ru_utime, own.ru_stime, children.ru_utime, children.ru_stime};
    double seconds = 0;
    for (int i = 0; i < 4; i++)
        seconds += (double)all[i].tv_sec + 1e-6 * (double)all[i].tv_usec;
    return seconds;
}

static int write_arrays(ns_table_writer *t, ns_error *err)
{
    static uint8_t hits[CASES * LAYERS * HEADS], valid[LAYERS * HEADS];
    static float score[LAYERS * HEADS];
    static int64_t window[LAYERS * HEADS];
    static const char *ids[CASES], *kinds[LAYERS];
    const ns_view over_cases = ns_view_of(hits, NS_U8, 3, (int64_t[]){CASES, LAYERS, HEADS}),
                  scores = ns_view_of(score, NS_F32, 2, (int64_t[]){LAYERS, HEADS}),
                  windows = ns_view_of(window, NS_I64, 2, (int64_t[]){LAYERS, HEADS}),
                  valids = ns_view_of(valid, NS_U8, 2, (int64_t[]){LAYERS, HEADS});
    char name[32];
    memset(valid, 1, sizeof valid);
    for (int i = 0; i < CASES; i++)
        ids[i] = "needle-s0-48-0.5-number";
    for (int i = 0; i < LAYERS; i++)
        kinds[i] = "full";
    int rc = ns_table_count(t, "case", CASES, err);
    rc = rc != NS_OK ? rc : ns_table_count(t, "layer", LAYERS, err);
    rc = rc != NS_OK ? rc : ns_table_count(t, "head", HEADS, err);
    rc = rc != NS_OK ? rc : ns_table_strings(t, "case_id", "case", ids, CASES, err);
    rc = rc != NS_OK ? rc : ns_table_strings(t, "layer_kind", "layer", kinds, LAYERS, err);
    rc = rc != NS_OK ? rc : ns_table_array(t, "window", "layer head", &windows, NULL, err);
    rc = rc != NS_OK ? rc : ns_table_array(t, "head_valid", "layer head", &valids, NULL, err);
    for (int i = 0; rc == NS_OK && i < OUTPUTS + SCORES; i++) {
        snprintf(name, sizeof name, i < OUTPUTS ? "output_%d" : "score_%d", i);
        rc = i < OUTPUTS ? ns_table_array(t, name, "case layer head", &over_cases, NULL, err)
                         : ns_table_array(t, name, "layer head", &scores, NULL, err);
    }
    return rc;
}

static int write_shard(const char *path, int step, ns_error *err)
{
    char number[16];
    snprintf(number, sizeof number, "%d", step);
    const ns_fact facts[] = {{"run", "run", false}, {"step", number, false}, {"tokens", number, false}, {"scan_cases_sha256", "x", false},
                             {"scan_probes", "x", false}, {"kernel_class", "x", false}, {"checkpoint", number, false}};
    ns_table_writer *t;
    const int rc = ns_table_create(&t, path, facts, sizeof facts / sizeof *facts, err);
    return rc != NS_OK ? rc : ns_table_end(t, write_arrays(t, err), err);
}

static int open_bare(ns_file **out, const char *path, ns_error *err)
{
    return ns_file_open_bare(out, path, NULL, err);
}

static double seconds_of(int (*open_it)(ns_file **, const char *, ns_error *), const char *path, ns_error *err)
{
    ns_file *f;
    const double start = now();
    if (open_it(&f, path, err) < 0)
        return -1e9;
    ns_file_close(f);
    return now() - start;
}

int main(int argc, char **argv)
{
    const int n = argc > 1 ? atoi(argv[1]) : 1000;
    char folder[] = "/tmp/ns-open-XXXXXX", path[200], study[100];
    ns_error err = {""};
    double look = 0, bare = 0;
    if (!mkdtemp(folder))
        return 1;
    for (const char *const *sub = (const char *const[]){"/shards", "/shards/run", NULL}; *sub; sub++) {
        snprintf(path, sizeof path, "%s%s", folder, *sub);
        mkdir(path, 0700);
    }
    int rc = NS_OK;
    for (int i = 0; rc == NS_OK && i < n; i++) {
        snprintf(path, sizeof path, "%s/shards/run/step%06d.h5", folder, i);
        rc = write_shard(path, i, &err);
    }
    for (int i = 0; rc == NS_OK && i < n; i++) {
        snprintf(path, sizeof path, "%s/shards/run/step%06d.h5", folder, i);
        seconds_of(open_bare, path, &err);                       /* warm */
        for (int k = 0; k < 2; k++)
            if ((i + k) % 2)
                look += seconds_of(ns_file_open_own, path, &err);
            else
                bare += seconds_of(open_bare, path, &err);
    }
    snprintf(study, sizeof study, "%s/study.h5", folder);
    const double start = now();
    rc = rc != NS_OK ? rc : ns_merge(folder, study, NULL, &err);
    const double merge = now() - start;
    if (rc != NS_OK)
        fprintf(stderr, "%s\n", err.message);
    else
        printf("%d shards: opened without a look %.3f s, with one %.3f s; merge %.3f s; the look is %.2f %% of it\n", n, bare, look, merge,
               200 * (look - bare) / merge);
    snprintf(path, sizeof path, "rm -r %s", folder);
    return system(path) || rc != NS_OK;
}
