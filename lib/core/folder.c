/* folder.c - what a folder holds, sorted by bytes; a new folder. */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

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
        return ns_fail(err, ns_errno_code(NS_E_MISSING), "%s: cannot be opened: %s", folder, strerror(errno));
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
    return ns_fail(err, NS_E_CREATE, "%s: the folder cannot be made: %s", folder,
                   errno == ENOENT ? "the one it shall lie in is missing (mkdir -p makes it)" : strerror(errno));
}
