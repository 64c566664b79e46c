/* file.c - reading whole files, mapping them, and what a path is. */
#include <errno.h>
#include <libgen.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/core.h"

static int fail_open(ns_error *err, const char *path)
{
    const int reason = errno;
    const char *const remedy = reason == ENOENT ? "check the path" : reason == EMFILE ? "raise ulimit -n" : "check its permissions";
    return ns_fail(err, NS_E_MISSING, "%s: cannot be read: %s (%s)", path, strerror(reason), remedy);
}

int ns_map_open(ns_map *out, const char *path, ns_error *err)
{
    *out = (ns_map){0};
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail_open(err, path);
    struct stat st;
    int rc = NS_OK;
    if (fstat(fd, &st) != 0) {
        rc = fail_open(err, path);
    } else if (!S_ISREG(st.st_mode)) {
        rc = ns_fail(err, NS_E_MISSING, "%s: %s, not a file (name a file)", path, S_ISDIR(st.st_mode) ? "a folder" : "a device or pipe");
    } else {
        out->mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec;
        if (st.st_size > 0) {
            void *const data = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
            if (data == MAP_FAILED)
                rc = ns_fail(err, errno == ENOMEM ? NS_E_MEMORY : NS_E_IO, "%s: %lld bytes cannot be mapped: %s (raise ulimit -v)", path,
                             (long long)st.st_size, strerror(errno));
            else
                *out = (ns_map){.data = data, .size = (size_t)st.st_size, .mtime_ns = out->mtime_ns};
        }
    }
    close(fd);
    return rc;
}

void ns_map_close(ns_map *map)
{
    if (map && map->copied)
        free((void *)(uintptr_t)map->data);
    else if (map && map->data)
        munmap((void *)(uintptr_t)map->data, map->size);
    if (map)
        *map = (ns_map){0};
}

/* Reads to the end or to limit + 1 bytes; pipes have no size to trust. */
static int read_all(int fd, const char *path, size_t limit, char **out, size_t *n, ns_error *err)
{
    char *data = NULL;
    int64_t capacity = 0, used = 0;
    for (;;) {
        if (!ns_grow(&data, &capacity, used + 65536, 1)) {
            free(data);
            return ns_oom(err, path);
        }
        const ssize_t got = read(fd, data + used, (size_t)(capacity - used - 1));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            const bool folder = errno == EISDIR;
            free(data);
            return folder ? ns_fail(err, NS_E_MISSING, "%s: a folder, not a file (name a file)", path)
                          : ns_fail(err, NS_E_IO, "%s: reading failed after %lld bytes: %s", path, (long long)used, strerror(errno));
        }
        if (got == 0)
            break;
        used += got;
        if ((uint64_t)used > limit) {
            free(data);
            return ns_fail(err, NS_E_FORMAT, "%s: larger than %zu bytes, the limit for this kind of file", path, limit);
        }
    }
    data[used] = '\0';
    *out = data;
    *n = (size_t)used;
    return NS_OK;
}

int ns_file_read(const char *path, size_t limit, char **out, size_t *n, ns_error *err)
{
    *out = NULL;
    size_t unused;
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return fail_open(err, path);
    const int rc = read_all(fd, path, limit, out, n ? n : &unused, err);
    close(fd);
    return rc;
}

int ns_map_text(ns_map *out, const char *path, ns_error *err)
{
    static const size_t largest = (size_t)1 << 36;
    char *text;
    size_t n;
    if (!ns_path_is_stream(path))
        return ns_map_open(out, path, err);
    *out = (ns_map){0};
    const int rc = ns_file_read(path, largest, &text, &n, err);
    if (rc == NS_OK)
        *out = (ns_map){.data = (const uint8_t *)text, .size = n, .copied = true};
    return rc;
}

bool ns_path_is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The whole path of the nearest folder above that is there. */
static char *nearest_path(const char *path)
{
    char *const copy = ns_strdup(path), *at = copy, *whole = NULL;
    while (at && !(whole = realpath(at, NULL)) && strcmp(at, ".") != 0 && strcmp(at, "/") != 0)
        at = dirname(at);
    free(copy);
    return whole;
}

bool ns_path_inside(const char *path, const char *folder)
{
    char *const outer = realpath(folder, NULL), *const inner = nearest_path(path);
    const size_t n = outer ? strlen(outer) : 0;
    const bool inside = outer && inner && ns_starts(inner, outer) && (inner[n] == '/' || !inner[n]);
    free(outer);
    free(inner);
    return inside;
}

const char *ns_folder_holds(const char *folder, const char *const *names)
{
    for (; *names; names++) {
        char *const path = ns_path_join(folder, *names);
        const bool found = path && ns_path_exists(path);
        free(path);
        if (found)
            return *names;
    }
    return NULL;
}

bool ns_path_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

bool ns_path_is_stream(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode);
}

char *ns_path_join(const char *dir, const char *name)
{
    if (name[0] == '/' || !dir[0])
        return ns_strdup(name);
    return ns_printf_alloc("%s%s%s", dir, ns_ends(dir, "/") ? "" : "/", name);
}

const char *ns_path_base(const char *path)
{
    const char *const slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}
