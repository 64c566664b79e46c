/* series_stamp.c - whether a run's folder still holds the series that was found in it, without a look at its checkpoints: the same entries,
 * and all that is no checkpoint untouched. */
#include "io/series.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct known { const char **names; int64_t n; } known;

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool has(const known *k, const char *name)
{
    return k->n && bsearch(&name, k->names, (size_t)k->n, sizeof *k->names, by_text);
}

/* [0]: checkpoints, [1]: what was left out. */
static bool collect(known k[2], const ns_series *s)
{
    k[0] = (known){ns_alloc_array((size_t)s->n + 1, sizeof *k->names), s->n};
    k[1] = (known){ns_alloc_array((size_t)s->n_left_out + 1, sizeof *k->names), s->n_left_out};
    for (int64_t i = 0; k[0].names && i < s->n; i++)
        k[0].names[i] = s->list[i].label;
    for (int64_t i = 0; k[1].names && i < s->n_left_out; i++)
        k[1].names[i] = s->left_out[i].name;
    for (int i = 0; i < 2; i++)
        if (k[i].names)
            qsort(k[i].names, (size_t)k[i].n, sizeof *k[i].names, by_text);
    return k[0].names && k[1].names;
}

/* Its mode: 0 where there is none. */
static mode_t add_status(ns_sha256 *sha, const char *path, const char *label)
{
    struct stat st;
    const bool there = stat(path, &st) == 0;
    const int64_t numbers[] = {there, there ? (int64_t)st.st_size : 0, there ? (int64_t)st.st_ino : 0,
                               there ? (int64_t)st.st_mtim.tv_sec : 0, there ? (int64_t)st.st_mtim.tv_nsec : 0};
    ns_sha256_add(sha, label, strlen(label) + 1);
    ns_sha256_add(sha, numbers, sizeof numbers);
    return there ? st.st_mode : 0;
}

static int add_entries(ns_sha256 *, const known k[2], const char *folder, const char *under, bool *sure, ns_error *);

static int add_entry(ns_sha256 *sha, const known k[2], const char *folder, const char *under, const char *name, bool *sure, ns_error *err)
{
    char *const path = ns_path_join(folder, name), *const label = *under ? ns_path_join(under, name) : ns_strdup(name);
    int rc = path && label ? NS_OK : ns_oom(err, folder);
    if (rc == NS_OK && has(&k[0], label)) {
        ns_sha256_add(sha, label, strlen(label) + 1);
    } else if (rc == NS_OK && name[0] != '.') {
        const bool is_folder = S_ISDIR(add_status(sha, path, label));
        if (is_folder && !*under && ns_series_is_nest(name))
            rc = add_entries(sha, k, path, name, sure, err);
        else
            *sure &= !is_folder || has(&k[1], label);        /* else it came while the others were looked at */
    }
    free(label);
    free(path);
    return rc;
}

static int add_entries(ns_sha256 *sha, const known k[2], const char *folder, const char *under, bool *sure, ns_error *err)
{
    char **names = NULL;
    int64_t n = 0;
    int rc = ns_folder_list(&names, &n, folder, err);
    for (int64_t i = 0; i < n && rc == NS_OK; i++)
        rc = add_entry(sha, k, folder, under, names[i], sure, err);
    ns_free_strings(names, n);
    return rc;
}

int ns_series_stamp(const ns_series *s, const char *folder, char hex[65], ns_error *err)
{
    known k[2] = {{NULL, 0}, {NULL, 0}};
    ns_sha256 sha;
    bool sure = true;
    char *const snapshots = ns_path_join(folder, "snapshots");
    int rc = collect(k, s) && snapshots ? NS_OK : ns_oom(err, folder);
    ns_sha256_begin(&sha);
    if (rc == NS_OK) {
        sure = !ns_path_exists(snapshots);                   /* of a cache a revision may be another without a trace there */
        add_status(&sha, folder, "");
        rc = add_entries(&sha, k, folder, "", &sure, err);
    }
    ns_sha256_end(&sha, hex);
    if (!sure)
        hex[0] = '\0';
    free(snapshots);
    free(k[0].names);
    free(k[1].names);
    return rc;
}
