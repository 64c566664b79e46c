/* output.c - outputs: replaced atomically (written beside its place as a temporary (temporary.c), fsynced, renamed over PATH, and the
 * folder fsynced; so a reader sees the old file or the new one), or, for text, sent straight down a stream; and never one of the inputs. */
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/core.h"

static char *folder_of(const char *path)
{
    char *const copy = ns_strdup(path);
    char *const folder = copy ? ns_strdup(dirname(copy)) : NULL;
    free(copy);
    return folder;
}

/* "12"; -1 for all that the system would not call a descriptor: "abc", "1x", "01", numbers above an int. */
static int descriptor_of(const char *digits)
{
    const size_t n = strlen(digits);
    const bool number = n > 0 && n <= 10 && strspn(digits, "0123456789") == n && (digits[0] != '0' || n == 1);
    const long long value = number ? strtoll(digits, NULL, 10) : -1;
    return value <= INT_MAX ? (int)value : -1;
}

int ns_path_stream(const char *path)
{
    static const char *const names[] = {"/dev/stdin", "/dev/stdout", "/dev/stderr"};
    static const char *const folders[] = {"/dev/fd/", "/proc/self/fd/"};
    for (int i = 0; i < 3; i++)
        if (strcmp(path, names[i]) == 0)
            return i;
    for (int i = 0; i < 2; i++)
        if (ns_starts(path, folders[i]))
            return descriptor_of(path + strlen(folders[i]));
    return -1;
}

bool ns_path_is_stdout(const char *path)
{
    return ns_path_stream(path) == STDOUT_FILENO;
}

/* Where the bytes shall end up: through a symbolic link to its target, so that the link survives. */
static int resolve_target(char **target, const char *path, ns_error *err)
{
    struct stat st;
    *target = NULL;
    if (ns_path_stream(path) >= 0 || ns_path_is_stream(path))
        return ns_fail(err, NS_E_CREATE, "%s: a stream cannot hold this kind of file (name a file)", path);
    const bool exists = lstat(path, &st) == 0;
    if (exists && S_ISLNK(st.st_mode)) {
        *target = ns_path_whole(path);
        if (!*target)
            return ns_oom(err, path);
        if (stat(*target, &st) != 0)
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
    if (rc != NS_OK)
        goto fail;
    file->tmp = ns_temporary_name(file->path);
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

int ns_atomic_begin_text(ns_atomic_file *file, const char *path, ns_error *err)
{
    const int number = ns_path_stream(path), flags = number >= 0 ? fcntl(number, F_GETFL) : O_WRONLY;
    if (number < 0 && !ns_path_is_stream(path))
        return ns_atomic_begin(file, path, err);
    *file = (ns_atomic_file){0};
    if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY)
        return ns_fail(err, NS_E_CREATE, "%s: cannot be written: the stream is %s (name another file)", path,
                       flags < 0 ? "not open" : "open for reading only");
    *file = (ns_atomic_file){.path = ns_strdup(path), .stream = true};
    return file->path ? NS_OK : ns_oom(err, path);
}

int ns_output_check(const char *path, ns_kinds same, bool text, ns_error *err)
{
    ns_atomic_file file;
    int rc = ns_kind_check_output(path, same, err);
    rc = rc != NS_OK ? rc : text ? ns_atomic_begin_text(&file, path, err) : ns_atomic_begin(&file, path, err);
    if (rc == NS_OK)
        ns_atomic_abort(&file);
    return rc;
}

/* The file's own descriptor holds the lock until the end; the caller's is another one of the same file. */
static int make_temporary(ns_atomic_file *file, ns_error *err)
{
    char *const folder = folder_of(file->path);
    if (!folder)
        return ns_oom(err, file->path);
    ns_temporaries_sweep(folder, ns_path_base(file->path));
    free(folder);
    file->fd = ns_temporary_file(file->tmp);
    file->made = file->fd >= 0;
    return file->made ? NS_OK : ns_fail_errno(err, NS_E_CREATE, file->path, "cannot be created");
}

/* A pipe's other end may be about to be opened: it is waited for, but not for ever. Once it is there, writing waits for it as usual. */
static int open_stream(const char *path, ns_error *err)
{
    enum { TRIES = 40 };
    static const struct timespec pause = {.tv_nsec = 50000000};
    int fd = -1;
    for (int i = 0; i < TRIES && fd < 0; i++) {
        if (i)
            nanosleep(&pause, NULL);
        fd = open(path, O_WRONLY | O_APPEND | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd < 0 && errno != ENXIO && errno != EINTR)
            break;
    }
    if (fd < 0 && errno == ENXIO)
        return ns_fail(err, NS_E_CREATE, "%s: %s that nobody reads (start what reads it first, or name a file)", path, ns_path_kind(path));
    if (fd < 0 || fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK) == 0)
        return fd >= 0 ? fd : ns_fail_errno(err, NS_E_CREATE, path, "cannot be written");
    close(fd);
    return ns_fail_errno(err, NS_E_CREATE, path, "cannot be written");
}

int ns_atomic_open(ns_atomic_file *file, ns_error *err)
{
    const int rc = file->stream || file->made ? NS_OK : make_temporary(file, err);
    if (rc != NS_OK)
        return rc;
    const int number = file->stream ? ns_path_stream(file->path) : file->fd;
    if (number < 0)
        return open_stream(file->path, err);
    const int fd = fcntl(number, F_DUPFD_CLOEXEC, 3);
    return fd >= 0 ? fd : ns_fail_errno(err, NS_E_CREATE, file->path, "cannot be created");
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

/* stdio says at the end that something failed, and no more why. */
static ssize_t put(void *cookie, const char *data, size_t n)
{
    ns_atomic_file *const file = cookie;
    if (!file->reason && write_all(file->out, data, n) != 0)
        file->reason = errno;
    return file->reason ? 0 : (ssize_t)n;
}

static int shut(void *cookie)
{
    ns_atomic_file *const file = cookie;
    const int failed = close(file->out);
    file->reason = file->reason || !failed ? file->reason : errno;
    return failed;
}

FILE *ns_atomic_stream(ns_atomic_file *file, int *rc, ns_error *err)
{
    const int fd = file->out = ns_atomic_open(file, err);
    file->buffer = fd >= 0 ? ns_alloc_array(1, NS_STREAM_BYTES) : NULL;     /* libc's own comes later, and text is lost without it */
    FILE *const f = file->buffer ? fopencookie(file, "wb", (cookie_io_functions_t){.write = put, .close = shut}) : NULL;
    *rc = f ? NS_OK : fd < 0 ? fd : ns_oom(err, file->path);
    if (f)
        setvbuf(f, file->buffer, _IOFBF, NS_STREAM_BYTES);
    if (fd >= 0 && !f)
        close(fd);
    return f;
}

static int write_failed(const ns_atomic_file *file, int reason, ns_error *err)
{
    errno = reason;
    return ns_fail_errno(err, NS_E_IO, file->path, "writing failed");
}

int ns_atomic_end(ns_atomic_file *file, FILE *f, int rc, ns_error *err)
{
    if (f) {
        const bool failed = fflush(f) != 0 || ferror(f);
        if ((fclose(f) != 0 || failed) && rc == NS_OK)
            rc = write_failed(file, file->reason ? file->reason : EIO, err);
    }
    if (rc == NS_OK)
        return ns_atomic_commit(file, err);
    ns_atomic_abort(file);
    return rc;
}

int ns_atomic_commit(ns_atomic_file *file, ns_error *err)
{
    if (file->stream) {
        ns_atomic_abort(file);
        return NS_OK;
    }
    char *const folder = folder_of(file->path);
    int rc = NS_OK;
    if (!folder)
        rc = ns_oom(err, file->path);
    else if (!file->made)
        rc = ns_fail(err, NS_E_INTERNAL, "%s: nothing was written", file->path);
    else if (ns_sync(file->fd) != 0)
        rc = write_failed(file, errno, err);
    else if (rename(file->tmp, file->path) != 0)
        rc = ns_fail_errno(err, NS_E_CREATE, file->path, "cannot be put in place");
    else if (ns_folder_sync(folder) != 0)
        rc = ns_fail_errno(err, NS_E_IO, folder, "the folder could not be synced");
    free(folder);
    ns_atomic_abort(file);   /* after the rename there is no temporary left to remove */
    return rc;
}

void ns_atomic_abort(ns_atomic_file *file)
{
    if (!file)
        return;
    if (file->made) {
        unlink(file->tmp);
        close(file->fd);     /* last: as long as it is there it is locked */
    }
    free(file->tmp);
    free(file->path);
    free(file->buffer);
    *file = (ns_atomic_file){0};
}

int ns_file_write(const char *path, const void *data, size_t n, ns_error *err)
{
    ns_atomic_file file;
    int rc = ns_atomic_begin_text(&file, path, err);
    if (rc != NS_OK)
        return rc;
    const int fd = ns_atomic_open(&file, err);
    if (fd < 0)
        rc = fd;
    else if (write_all(fd, data, n) != 0)
        rc = write_failed(&file, errno, err);
    if (fd >= 0 && close(fd) != 0 && rc == NS_OK)
        rc = write_failed(&file, errno, err);
    return ns_atomic_end(&file, NULL, rc, err);
}

/* ---- is the output one of the inputs, or another output? ---- */

static bool is_same_file(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

bool ns_path_is_same(const char *a, const char *b)
{
    struct stat of_a, of_b;
    const bool there = stat(a, &of_a) == 0;
    if (there != (stat(b, &of_b) == 0))
        return false;
    if (there)
        return is_same_file(&of_a, &of_b);
    char *const folder_a = folder_of(a), *const folder_b = folder_of(b);
    const bool same = folder_a && folder_b && strcmp(ns_path_base(a), ns_path_base(b)) == 0 && stat(folder_a, &of_a) == 0
                      && stat(folder_b, &of_b) == 0 && is_same_file(&of_a, &of_b);
    free(folder_a);
    free(folder_b);
    return same;
}

enum { INPUT_DEPTH = 3 };       /* runs of checkpoints, and scans: OUT/shards/RUN/stepN.h5 */

/* Where a file of an input lies: refs are the names of revisions in a Hugging Face cache folder. */
typedef enum place { IN_FOLDER, IN_SCAN, IN_REFS } place;

static place place_of(const char *folder, place above)
{
    return above != IN_FOLDER ? above : strcmp(folder, "shards") == 0 || strcmp(folder, "index") == 0 ? IN_SCAN
           : strcmp(folder, "refs") == 0 ? IN_REFS : IN_FOLDER;
}

/* What a folder is read for: other files in it may be written again. */
static bool is_read(const char *name, place where)
{
    static const char *const names[] = {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json",
                                        "special_tokens_map.json",
                                        "model.safetensors.index.json", "pytorch_model.bin.index.json", "run.json", "vocab.json",
                                        "merges.txt", "chat_template.jinja",
                                        "tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "vocab.txt", "added_tokens.json"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i]) == 0)
            return true;
    static const char *const weights[] = {".safetensors", ".bin", ".pt", ".pth", ".ckpt"};
    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++)
        if (ns_ends(name, weights[i]))
            return true;
    return where == IN_REFS || (where == IN_SCAN && (ns_ends(name, ".h5") || ns_ends(name, ".json")));
}

/* What cannot be listed is not read; NS_E_MEMORY alone is an error. */
static int folder_reads(const char *folder, const struct stat *output, place where, int depth, bool *found, ns_error *err)
{
    char **names;
    int64_t n;
    int rc = ns_folder_list(&names, &n, folder, err);
    if (rc != NS_OK)
        return rc == NS_E_MEMORY ? rc : NS_OK;
    for (int64_t i = 0; i < n && rc == NS_OK && !*found; i++) {
        struct stat st;
        char *const path = ns_path_join(folder, names[i]);
        if (!path)
            rc = ns_oom(err, folder);
        else if (stat(path, &st) == 0 && !S_ISDIR(st.st_mode))
            *found = is_same_file(&st, output) && is_read(names[i], where);
        else if (depth > 0 && ns_path_is_dir(path))
            rc = folder_reads(path, output, place_of(names[i], where), depth - 1, found, err);
        free(path);
    }
    ns_free_strings(names, n);
    return rc;
}

/* What a stream is open on, or the file of that name. dash: the descriptor that "-" stands for. */
static bool stat_of(const char *path, int dash, struct stat *st)
{
    const int number = strcmp(path, "-") == 0 ? dash : ns_path_stream(path);
    return (number >= 0 ? fstat(number, st) : stat(path, st)) == 0;
}

int ns_check_not_input(const char *output, const char *const *inputs, int64_t n, ns_error *err)
{
    struct stat out, in;
    if (!stat_of(output, STDOUT_FILENO, &out) || !S_ISREG(out.st_mode))
        return NS_OK;
    for (int64_t i = 0; i < n; i++) {
        if (!stat_of(inputs[i], STDIN_FILENO, &in))
            continue;
        bool read = !S_ISDIR(in.st_mode) && is_same_file(&in, &out);
        const int rc = S_ISDIR(in.st_mode) ? folder_reads(inputs[i], &out, IN_FOLDER, INPUT_DEPTH, &read, err) : NS_OK;
        if (rc != NS_OK)
            return rc;
        if (read)
            return ns_fail(err, NS_E_ARG, "%s: the output is %s the input %s (name another file)", output,
                           S_ISDIR(in.st_mode) ? "part of" : "also", inputs[i]);
    }
    return NS_OK;
}
