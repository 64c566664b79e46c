/* stamp.c - what the folder says of a checkpoint's files without reading them: which they are, how large, when they were last written. */
#include "io/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* The time of the last change (of content, name or mode) cannot be set by hand: cp -p and touch -d do not hide what they did. Devices are
 * left out: a network file system has another number on each node. */
static void add_file(ns_sha256 *sha, const char *path)
{
    struct stat st;
    const bool there = stat(path, &st) == 0;
    const int64_t numbers[] = {there, there ? (int64_t)st.st_size : 0, there ? (int64_t)st.st_ino : 0,
                               there ? (int64_t)st.st_mtim.tv_sec : 0, there ? (int64_t)st.st_mtim.tv_nsec : 0,
                               there ? (int64_t)st.st_ctim.tv_sec : 0, there ? (int64_t)st.st_ctim.tv_nsec : 0};
    const char *const name = ns_path_base(path);
    ns_sha256_add(sha, name, strlen(name) + 1);
    ns_sha256_add(sha, numbers, sizeof numbers);
}

static int add_named(ns_sha256 *sha, const char *dir, const char *name, ns_error *err)
{
    char *const path = ns_path_join(dir, name);
    if (path)
        add_file(sha, path);
    free(path);
    return path ? NS_OK : ns_oom(err, dir);
}

/* No weights could be found: whatever there is may be why. */
static int add_all(ns_sha256 *sha, const char *path, ns_error *err)
{
    char **names = NULL;
    int64_t n = 0;
    int rc = ns_path_is_dir(path) ? ns_folder_list(&names, &n, path, NULL) : NS_OK;
    add_file(sha, path);
    rc = rc == NS_E_MEMORY ? ns_oom(err, path) : NS_OK;
    for (int64_t i = 0; i < n && rc == NS_OK; i++)
        rc = add_named(sha, path, names[i], err);
    ns_free_strings(names, n);
    return rc;
}

int ns_checkpoint_stamp(const char *path, const char *revision, char hex[65], ns_error *err)
{
    ns_location at;
    ns_sha256 sha;
    ns_sha256_begin(&sha);
    int rc = ns_locate(&at, path, revision, NULL);
    if (rc == NS_E_MEMORY)
        return ns_oom(err, path);
    const bool found = rc == NS_OK;
    rc = found ? add_named(&sha, at.dir, "config.json", err) : add_all(&sha, path, err);
    for (int64_t i = 0; found && i < at.n_files; i++)
        add_file(&sha, at.files[i]);
    if (found && at.index_path)
        add_file(&sha, at.index_path);
    ns_sha256_end(&sha, hex);
    ns_location_free(&at);
    return rc;
}
