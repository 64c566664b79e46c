/* folder.c - what a folder holds, sorted by bytes; a new folder; a folder of files that is whole or absent. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/core.h"

enum { MAX_ENTRIES = 1 << 20 };

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int ns_folder_list(char ***out, int64_t *n, const char *folder, ns_error *err)
{
    char **list = NULL;
    int64_t count = 0, capacity = 0;
    int rc = NS_OK;
    *out = NULL;
    *n = 0;
    DIR *const dir = opendir(folder);
    if (!dir)
        return ns_fail_errno(err, NS_E_MISSING, folder, "cannot be opened");
    for (const struct dirent *entry; rc == NS_OK && (entry = readdir(dir));) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        if (count == MAX_ENTRIES)
            rc = ns_fail(err, NS_E_ARG, "%s: more than %d entries", folder, MAX_ENTRIES);
        else if (!ns_grow(&list, &capacity, count + 1, sizeof *list) || !(list[count] = ns_strdup(entry->d_name)))
            rc = ns_oom(err, folder);
        else
            count++;
    }
    closedir(dir);
    if (rc != NS_OK) {
        ns_free_strings(list, count);
        return rc;
    }
    if (count)
        qsort(list, (size_t)count, sizeof *list, by_text);
    *out = list;
    *n = count;
    return NS_OK;
}

int ns_folder_make(const char *folder, ns_error *err)
{
    if (mkdir(folder, 0777) == 0 || errno == EEXIST)
        return NS_OK;
    if (errno != ENOENT)
        return ns_fail_errno(err, NS_E_CREATE, folder, "the folder cannot be made");
    return ns_fail(err, NS_E_CREATE, "%s: the folder cannot be made: the one it shall lie in is missing (mkdir -p makes it)", folder);
}

/* Filesystems that cannot sync say EINVAL: not an error of ours. */
int ns_sync(int fd)
{
    return fsync(fd) != 0 && errno != EINVAL && errno != EROFS ? -1 : 0;
}

int ns_folder_sync(const char *folder)
{
    const int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC), rc = fd >= 0 ? ns_sync(fd) : -1, reason = errno;
    if (fd >= 0)
        close(fd);
    errno = reason;
    return rc;
}

/* An older folder of this name steps aside first: rename does not replace one that is not empty. */
static int put_in_place(const char *made, const char *final, ns_error *err)
{
    char *const aside = ns_temporary_name(made);
    int rc = aside ? NS_OK : ns_oom(err, final);
    const bool replaces = rc == NS_OK && rename(final, aside) == 0;
    if (rc == NS_OK && rename(made, final) != 0)
        rc = ns_fail_errno(err, NS_E_CREATE, final, "cannot be put in place");
    if (rc != NS_OK && replaces && rename(aside, final) != 0)
        rc = ns_fail(err, NS_E_IO, "%s: cannot be put back from %s: %s", final, aside, strerror(errno));
    else if (replaces)
        ns_temporary_remove(aside);
    free(aside);
    return rc;
}

int ns_folder_write(const char *parent, const char *name, ns_folder_fill fill, void *user, ns_error *err)
{
    char *const hidden = ns_printf_alloc("%s/.%s", parent, name), *const made = hidden ? ns_temporary_name(hidden) : NULL;
    char *const final = ns_path_join(parent, name);
    int rc = made && final ? ns_folder_make(parent, err) : ns_oom(err, parent);
    const int lock = rc == NS_OK ? ns_temporary_folder(made) : -1;
    if (rc == NS_OK && lock < 0)
        rc = ns_fail_errno(err, NS_E_CREATE, made, "the folder cannot be made");
    rc = rc != NS_OK ? rc : fill(user, made, err);
    rc = rc != NS_OK ? rc : put_in_place(made, final, err);
    if (rc == NS_OK && ns_folder_sync(parent) != 0)
        rc = ns_fail_errno(err, NS_E_IO, parent, "the folder could not be synced");
    else if (rc != NS_OK && lock >= 0)
        ns_temporary_remove(made);
    if (lock >= 0)
        close(lock);
    free(hidden);
    free(made);
    free(final);
    return rc;
}
