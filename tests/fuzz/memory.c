/* memory.c - the files below /fuzz are in memory, for what the library reads of them: no system call, and an exact copy each time, so that
 * the sanitizers see the first byte beyond it. The linker puts these in the place of the library's own (--wrap in meson.build). */
#include "fuzz.h"
#include "core/core.h"

#include <errno.h>
#include <sys/stat.h>

enum { MOST_FILES = 16 };
static struct {
    const char *path;
    const uint8_t *data;
    size_t n;
} files[MOST_FILES];
static int n_files;

/* __typeof__: a declaration that changes there must change here. */
#define WRAPPED(name) __typeof__(name) __real_##name, __wrap_##name
WRAPPED(ns_file_read);
WRAPPED(ns_input_open);
WRAPPED(ns_input_read);
WRAPPED(ns_lines_open);
WRAPPED(ns_folder_list);
WRAPPED(ns_kind_fail);
WRAPPED(stat);

static bool here(const char *path)
{
    return ns_starts(path, FUZZ_ROOT);
}

static int find(const char *path)
{
    int i = 0;
    while (i < n_files && strcmp(files[i].path, path) != 0)
        i++;
    return i;
}

void fuzz_put(const char *path, const void *data, size_t n)
{
    const int i = find(path);
    fuzz_check(i < MOST_FILES && here(path), "a few files below /fuzz");
    files[i].path = path;
    files[i].data = data;
    files[i].n = n;
    n_files += i == n_files;
}

void fuzz_drop(const char *path)
{
    const int i = find(path);
    if (i < n_files)
        files[i] = files[--n_files];
}

static int missing(const char *path, ns_error *err)
{
    return ns_fail(err, NS_E_MISSING, "%s: cannot be read: there is no such file (check the path)", path);
}

int __wrap_ns_file_read(const char *path, size_t limit, char **out, size_t *n, ns_error *err)
{
    if (!here(path))
        return __real_ns_file_read(path, limit, out, n, err);
    const int i = find(path);
    *out = NULL;
    if (i == n_files)
        return missing(path, err);
    if (files[i].n > limit)
        return ns_fail(err, NS_E_FORMAT, "%s: larger than %zu bytes, the limit for this kind of file", path, limit);
    char *const copy = malloc(files[i].n + 1);
    fuzz_check(copy != NULL, "memory");
    memcpy(copy, files[i].data, files[i].n);
    copy[files[i].n] = '\0';
    *out = copy;
    if (n)
        *n = files[i].n;
    return NS_OK;
}

/* No descriptor, nothing to close: the file's number below 0 in its place. */
int __wrap_ns_input_open(ns_input *in, const char *path, ns_error *err)
{
    if (!here(path))
        return __real_ns_input_open(in, path, err);
    const int i = find(path);
    *in = (ns_input){0};
    if (i == n_files)
        return missing(path, err);
    *in = (ns_input){.fd = -1 - i, .size = (int64_t)files[i].n};
    return NS_OK;
}

int __wrap_ns_input_read(const ns_input *in, int64_t at, void *out, size_t n, const char *path, ns_error *err)
{
    if (in->fd >= 0)
        return __real_ns_input_read(in, at, out, n, path, err);
    const int i = -1 - in->fd;
    fuzz_check(at >= 0 && (uint64_t)at <= files[i].n && n <= files[i].n - (size_t)at, "what is read was checked to be there");
    if (n)
        memcpy(out, files[i].data + at, n);
    return NS_OK;
}

/* All lines are in memory from the start; the last one needs room for its NUL. */
int __wrap_ns_lines_open(ns_lines *lines, const char *path, ns_error *err)
{
    size_t n;
    if (!here(path))
        return __real_ns_lines_open(lines, path, err);
    *lines = (ns_lines){.path = path, .ended = true};
    const int rc = __wrap_ns_file_read(path, SIZE_MAX, &lines->data, &n, err);
    lines->n = rc == NS_OK ? (int64_t)n : 0;
    lines->capacity = lines->n + 1;
    return rc;
}

/* A folder is what a file lies in. */
static bool is_folder(const char *path)
{
    const size_t n = strlen(path);
    for (int i = 0; i < n_files; i++)
        if (ns_starts(files[i].path, path) && (files[i].path[n] == '/' || ns_ends(path, "/")))
            return true;
    return false;
}

int __wrap_stat(const char *path, struct stat *out)
{
    if (!here(path))
        return __real_stat(path, out);
    const int i = find(path);
    *out = (struct stat){
        .st_mode = i < n_files ? S_IFREG | 0644 : S_IFDIR | 0755, .st_size = i < n_files ? (off_t)files[i].n : 0, .st_ino = (ino_t)i + 1};
    errno = ENOENT;
    return i < n_files || is_folder(path) ? 0 : -1;
}

/* By which of its two names it is called is for the size of off_t to say. */
__typeof__(stat) __wrap_stat64 __attribute__((alias("__wrap_stat")));

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int __wrap_ns_folder_list(char ***out, int64_t *n, const char *folder, ns_error *err)
{
    if (!here(folder))
        return __real_ns_folder_list(out, n, folder, err);
    const size_t skip = strlen(folder) + !ns_ends(folder, "/");
    *out = NULL;
    *n = 0;
    if (!is_folder(folder))
        return missing(folder, err);
    char **const list = ns_alloc_array(MOST_FILES, sizeof *list);
    fuzz_check(list != NULL, "memory");
    for (int i = 0; i < n_files; i++) {
        if (!ns_starts(files[i].path, folder) || strlen(files[i].path) <= skip)
            continue;
        const char *const name = files[i].path + skip;
        char *const entry = ns_printf_alloc("%.*s", (int)strcspn(name, "/"), name);
        bool known = false;
        for (int64_t k = 0; k < *n && !known; k++)
            known = strcmp(list[k], entry) == 0;
        if (known)
            free(entry);
        else
            list[(*n)++] = entry;
    }
    qsort(list, (size_t)*n, sizeof *list, by_text);
    *out = list;
    return NS_OK;
}

/* What kind of file it is instead: fuzz_kind.c asks. */
int __wrap_ns_kind_fail(ns_error *err, int rc, const char *path, ns_kinds fine, const char *wanted)
{
    return here(path) ? rc : __real_ns_kind_fail(err, rc, path, fine, wanted);
}
