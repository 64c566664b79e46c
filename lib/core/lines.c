/* lines.c - a text line by line, from a file or a stream that is open already: one line is in memory, whatever the text holds. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/core.h"

enum { CHUNK = 1 << 16 };

int ns_lines_open(ns_lines *lines, const char *path, ns_error *err)
{
    *lines = (ns_lines){.path = path};
    const int fd = ns_text_open(path, err);
    lines->fd = fd < 0 ? 0 : fd;
    lines->open = fd >= 0;
    return fd < 0 ? fd : NS_OK;
}

void ns_lines_close(ns_lines *lines)
{
    if (lines->open)
        close(lines->fd);
    free(lines->data);
    *lines = (ns_lines){0};
}

/* More bytes behind those that are there; those that were given out go first. */
static int fill(ns_lines *l, ns_error *err)
{
    l->n -= l->at;
    if (l->at)
        memmove(l->data, l->data + l->at, (size_t)l->n);
    l->at = 0;
    if (!ns_grow(&l->data, &l->capacity, l->n + CHUNK, 1))
        return ns_oom(err, l->path);
    ssize_t got;
    do
        got = read(l->fd, l->data + l->n, (size_t)(l->capacity - l->n - 1));
    while (got < 0 && errno == EINTR);
    if (got < 0)
        return ns_fail_errno(err, NS_E_IO, l->path, "reading failed");
    l->n += got;
    l->ended = got == 0;
    return NS_OK;
}

int ns_lines_next(ns_lines *l, size_t longest, char **line, size_t *n, ns_error *err)
{
    int rc = NS_OK;
    int64_t seen = 0;
    char *newline = NULL;
    while (rc == NS_OK && !(newline = l->n > l->at + seen ? memchr(l->data + l->at + seen, '\n', (size_t)(l->n - l->at - seen)) : NULL) &&
           !l->ended) {
        seen = l->n - l->at;
        rc = (size_t)seen > longest ? ns_fail(err, NS_E_FORMAT, "%s: line %lld: longer than %zu bytes, the limit of a line of this kind",
                                              l->path, (long long)l->number + 1, longest)
                                    : fill(l, err);
    }
    if (rc != NS_OK || l->at == l->n)
        return rc;
    char *const end = newline ? newline : l->data + l->n;
    *line = l->data + l->at;
    *n = (size_t)(end - *line);
    *end = '\0';
    l->at += (int64_t)*n + (newline != NULL);
    l->number++;
    return 1;
}
