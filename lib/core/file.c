/* file.c - reading whole files, mapping them, and replacing them atomically: an output is written beside its place as
 * PATH.tmp.PID, fsynced, renamed over PATH, and the folder fsynced; so a reader sees the old file or the new one. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
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
    if (map && map->data)
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

bool ns_path_is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

bool ns_path_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
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

static char *folder_of(const char *path)
{
    char *const copy = ns_strdup(path);
    char *const folder = copy ? ns_strdup(dirname(copy)) : NULL;
    free(copy);
    return folder;
}

/* Where the bytes shall end up: through a symbolic link to its target, so that the link survives. */
static int resolve_target(char **target, const char *path, ns_error *err)
{
    struct stat st;
    *target = NULL;
    const bool exists = lstat(path, &st) == 0;
    if (exists && S_ISLNK(st.st_mode)) {
        *target = realpath(path, NULL);
        if (!*target || stat(*target, &st) != 0)
            return ns_fail(err, NS_E_CREATE, "%s: a symbolic link that leads nowhere (remove it or choose another name)", path);
    }
    if (exists && !S_ISREG(st.st_mode))
        return ns_fail(err, NS_E_CREATE, "%s: exists and is %s (choose a file name)", path,
                       S_ISDIR(st.st_mode) ? "a folder" : "not a file");
    if (!*target)
        *target = ns_strdup(path);
    return *target ? NS_OK : ns_oom(err, path);
}

int ns_atomic_begin(ns_atomic_file *file, const char *path, ns_error *err)
{
    *file = (ns_atomic_file){0};
    char *folder = NULL;
    int rc = NS_OK;
    if (!path[0] || ns_ends(path, "/"))
        return ns_fail(err, NS_E_CREATE, "'%s': not a file name", path);
    rc = resolve_target(&file->path, path, err);
    if (rc < 0)
        goto fail;
    file->tmp = ns_printf_alloc("%s.tmp.%ld", file->path, (long)getpid());
    folder = folder_of(file->path);
    if (!file->tmp || !folder) {
        rc = ns_oom(err, path);
        goto fail;
    }
    if (access(folder, W_OK | X_OK) != 0) {
        rc = ns_fail(err, NS_E_CREATE, "%s: cannot be written: folder '%s': %s (%s)", path, folder, strerror(errno),
                     errno == ENOENT ? "make the folder" : "choose another folder");
        goto fail;
    }
    free(folder);
    return NS_OK;
fail:
    free(folder);
    ns_atomic_abort(file);
    return rc;
}

/* fsync of a file or folder by name. Filesystems that cannot sync folders say EINVAL: not an error of ours. */
static int sync_path(const char *path, int flags)
{
    const int fd = open(path, flags | O_CLOEXEC);
    if (fd < 0)
        return -1;
    int rc = fsync(fd);
    if (rc != 0 && (errno == EINVAL || errno == EROFS))
        rc = 0;
    const int reason = errno;
    close(fd);
    errno = reason;
    return rc;
}

int ns_atomic_commit(ns_atomic_file *file, ns_error *err)
{
    char *const folder = folder_of(file->path);
    int rc = NS_OK;
    if (!folder)
        rc = ns_oom(err, file->path);
    else if (sync_path(file->tmp, O_RDONLY) != 0)
        rc = ns_fail(err, NS_E_IO, "%s: writing failed: %s (is the disk full?)", file->tmp, strerror(errno));
    else if (rename(file->tmp, file->path) != 0)
        rc = ns_fail(err, NS_E_CREATE, "%s: cannot be put in place: %s", file->path, strerror(errno));
    else if (sync_path(folder, O_RDONLY | O_DIRECTORY) != 0)
        rc = ns_fail(err, NS_E_IO, "%s: the folder could not be synced: %s", folder, strerror(errno));
    free(folder);
    ns_atomic_abort(file);   /* after the rename there is no temporary left to remove */
    return rc;
}

void ns_atomic_abort(ns_atomic_file *file)
{
    if (!file)
        return;
    if (file->tmp)
        unlink(file->tmp);
    free(file->tmp);
    free(file->path);
    *file = (ns_atomic_file){0};
}

static int write_all(int fd, const char *data, size_t n)
{
    while (n > 0) {
        const ssize_t put = write(fd, data, n);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return -1;
        data += put;
        n -= (size_t)put;
    }
    return 0;
}

int ns_file_write(const char *path, const void *data, size_t n, ns_error *err)
{
    ns_atomic_file file;
    int rc = ns_atomic_begin(&file, path, err);
    if (rc < 0)
        return rc;
    const int fd = open(file.tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        rc = ns_fail(err, NS_E_CREATE, "%s: cannot be created: %s", path, strerror(errno));
    else if (write_all(fd, data, n) != 0)
        rc = ns_fail(err, NS_E_IO, "%s: writing failed: %s", path, strerror(errno));
    if (fd >= 0 && close(fd) != 0 && rc == NS_OK)
        rc = ns_fail(err, NS_E_IO, "%s: writing failed: %s", path, strerror(errno));
    if (rc < 0) {
        ns_atomic_abort(&file);
        return rc;
    }
    return ns_atomic_commit(&file, err);
}
