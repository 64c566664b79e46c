/* file.c - inputs, held open or read whole, files written in their place, and what a path is. No file is ever mapped: touching a page
 * behind the end of a file that shrank kills the process (SIGBUS), Python and all; a read that comes back short is an error that names the
 * file. */
#include <errno.h>
#include <libgen.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/core.h"

static int fail_open(ns_error *err, const char *path)
{
    return ns_fail_errno(err, NS_E_MISSING, path, "cannot be read");
}

static const char *kind_of(mode_t mode)
{
    return S_ISDIR(mode) ? "a folder" : S_ISFIFO(mode) ? "a FIFO" : S_ISSOCK(mode) ? "a socket" : S_ISREG(mode) ? "a file"
           : S_ISLNK(mode) ? "a symbolic link" : "a device";
}

const char *ns_path_kind(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? kind_of(st.st_mode) : "nothing";
}

int ns_input_refuse(const char *path, mode_t mode, ns_error *err)
{
    return ns_fail(err, NS_E_MISSING, "%s: %s, not a file (name a file)", path, kind_of(mode));
}

/* O_NONBLOCK: a FIFO without a writer, or a device, would keep open() waiting before its kind is known. */
int ns_input_open(ns_input *in, const char *path, ns_error *err)
{
    struct stat st;
    *in = (ns_input){0};
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))       /* a socket cannot be opened at all */
        return ns_input_refuse(path, st.st_mode, err);
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return fail_open(err, path);
    const int rc = fstat(fd, &st) != 0 ? fail_open(err, path) : S_ISREG(st.st_mode) ? NS_OK : ns_input_refuse(path, st.st_mode, err);
    if (rc != NS_OK) {
        close(fd);
        return rc;
    }
    *in = (ns_input){.fd = fd, .open = true, .size = st.st_size, .mtime_ns = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec};
    return NS_OK;
}

/* What stands there is told by its kind, whether it was opened (a FIFO that somebody reads) or could not be. */
int ns_place_open(const char *path, int flags, ns_error *err)
{
    struct stat st;
    const int fd = open(path, flags | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0666), why = errno;
    const bool known = fd >= 0 ? fstat(fd, &st) == 0 : lstat(path, &st) == 0;
    if (fd >= 0 && known && S_ISREG(st.st_mode))
        return fd;
    if (fd >= 0)
        close(fd);
    errno = why;
    if (!known || S_ISREG(st.st_mode))
        return ns_fail_errno(err, NS_E_CREATE, path, "cannot be written");
    return ns_fail(err, NS_E_CREATE, "%s: exists and is %s, not a file (remove it)", path, kind_of(st.st_mode));
}

static int fail_short(const ns_input *in, const char *path, ns_error *err)
{
    struct stat now = {0};
    (void)fstat(in->fd, &now);
    return ns_fail(err, NS_E_IO, "%s: has %lld bytes, where it had %lld when it was opened: it was cut or written anew while it was read "
                   "(wait until it is complete, then start again)", path, (long long)now.st_size, (long long)in->size);
}

int ns_input_read(const ns_input *in, int64_t at, void *out, size_t n, const char *path, ns_error *err)
{
    for (char *to = out; n > 0;) {
        const ssize_t got = pread(in->fd, to, n, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return ns_fail_errno(err, NS_E_IO, path, "reading failed");
        if (got == 0)
            return fail_short(in, path, err);
        to += got, at += got, n -= (size_t)got;
    }
    return NS_OK;
}

#ifdef POSIX_FADV_WILLNEED
void ns_input_soon(const ns_input *in, int64_t at, int64_t n)
{
    (void)posix_fadvise(in->fd, (off_t)at, (off_t)n, POSIX_FADV_WILLNEED);
}

void ns_input_done(const ns_input *in, int64_t at, int64_t n)
{
    (void)posix_fadvise(in->fd, (off_t)at, (off_t)n, POSIX_FADV_DONTNEED);
}
#else
void ns_input_soon(const ns_input *in, int64_t at, int64_t n)
{
    (void)in, (void)at, (void)n;
}

void ns_input_done(const ns_input *in, int64_t at, int64_t n)
{
    (void)in, (void)at, (void)n;
}
#endif

static bool identity(int failed, const struct stat *st, ns_identity *out)
{
    *out = (ns_identity){0};
    if (failed)
        return false;
    const int64_t ns = (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
    *out = (ns_identity){(uint64_t)st->st_dev, (uint64_t)st->st_ino, (int64_t)st->st_size, ns};
    return true;
}

bool ns_identity_of(int fd, ns_identity *out)
{
    struct stat st;
    return identity(fstat(fd, &st), &st, out);
}

bool ns_identity_at(const char *path, ns_identity *out)
{
    struct stat st;
    return identity(stat(path, &st), &st, out);
}

bool ns_identity_same(const ns_identity *a, const ns_identity *b)
{
    return a->device == b->device && a->inode == b->inode && a->size == b->size && a->mtime_ns == b->mtime_ns;
}

int ns_identity_fail(const char *path, ns_error *err)
{
    return ns_fail(err, NS_E_IO, "%s: was cut, replaced or written anew while it was read (wait until it is complete, then start again)",
                   path);
}

void ns_input_close(ns_input *in)
{
    if (in && in->open)
        close(in->fd);
    if (in)
        *in = (ns_input){0};
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
            const int rc = ns_fail_errno(err, NS_E_IO, path, "reading failed");
            free(data);
            return rc;
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

int ns_text_open(const char *path, ns_error *err)
{
    ns_input in;
    const int number = ns_path_is_stream(path) ? ns_path_stream(path) : -1;
    if (number >= 0) {
        const int fd = fcntl(number, F_DUPFD_CLOEXEC, 3);
        return fd >= 0 ? fd : fail_open(err, path);
    }
    const int rc = ns_input_open(&in, path, err);
    return rc != NS_OK ? rc : in.fd;
}

int ns_file_read(const char *path, size_t limit, char **out, size_t *n, ns_error *err)
{
    *out = NULL;
    size_t unused;
    const int fd = ns_text_open(path, err);
    if (fd < 0)
        return fd;
    const int rc = read_all(fd, path, limit, out, n ? n : &unused, err);
    close(fd);
    return rc;
}

bool ns_path_is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The whole path of the nearest folder above that is there. */
static bool nearest_path(const char *path, char whole[PATH_MAX])
{
    char copy[PATH_MAX], *at = copy;
    if (strlen(path) >= sizeof copy)
        return false;
    strcpy(copy, path);
    while (!realpath(at, whole)) {
        if (strcmp(at, ".") == 0 || strcmp(at, "/") == 0)
            return false;
        at = dirname(at);
    }
    return true;
}

/* What answers yes or no asks for no memory: refused, it would say no of what is there. */
bool ns_path_inside(const char *path, const char *folder)
{
    char outer[PATH_MAX], inner[PATH_MAX];
    if (!realpath(folder, outer) || !nearest_path(path, inner))
        return false;
    const size_t n = strlen(outer);
    return ns_starts(inner, outer) && (inner[n] == '/' || !inner[n]);
}

const char *ns_folder_holds(const char *folder, const char *const *names)
{
    char path[PATH_MAX];                                         /* the longest that can be there */
    for (; *names; names++)
        if ((size_t)snprintf(path, sizeof path, "%s/%s", folder[0] ? folder : ".", *names) < sizeof path && ns_path_exists(path))
            return *names;
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

char *ns_path_whole(const char *path)
{
    errno = 0;
    char *const whole = realpath(path, NULL);
    return whole || errno == ENOMEM ? whole : ns_strdup(path);
}

const char *ns_path_base(const char *path)
{
    const char *const slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}
