/* error.c - one line of message, one code. The line is formatted aside first, so that arguments may point into the old message, and made to
 * fit in the middle of its paths: its end is the reason and the remedy. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/core.h"

#define GAP "\xe2\x80\xa6"         /* ... */

/* The longest stretch of a line that is folders, both slashes counted: up to what can stand behind a path in a message. 0: none. */
static size_t longest_folders(const char *line, const char **at)
{
    size_t longest = 0;
    const char *first = NULL;
    for (; *line; line++) {
        if (ns_starts(line, ": ") || ns_starts(line, "' ") || ns_starts(line, ", ") || ns_starts(line, " ("))
            first = NULL;
        else if (*line == '/' && !first)
            first = line;
        if (*line == '/' && first && (size_t)(line - first) >= longest) {
            longest = (size_t)(line - first) + 1;
            *at = first;
        }
    }
    return longest;
}

/* Takes n bytes, or as many more as its characters need, out of the middle of a stretch, and says so. */
static void cut_middle(char *stretch, size_t length, size_t n)
{
    char *from = stretch + (length - n) / 2, *to = from + n;
    while (from > stretch && ((uint8_t)*from & 0xC0) == 0x80)
        from--;
    while (((uint8_t)*to & 0xC0) == 0x80)
        to++;
    memmove(from + strlen(GAP), to, strlen(to) + 1);
    memcpy(from, GAP, strlen(GAP));
}

/* Makes a line fit: its paths give up folders first, since a file's own name, the reason and the remedy are what a reader acts on. */
static void shorten(char *line, size_t size)
{
    enum { LEFT = 16 };                             /* folders that are worth to be cut have more */
    for (size_t length; (length = strlen(line)) >= size;) {
        const char *at = line;
        const size_t folders = longest_folders(line, &at), over = length - (size - 1) + strlen(GAP);
        if (folders > LEFT)
            cut_middle(line + (at - line), folders, over < folders - LEFT / 2 ? over : folders - LEFT / 2);
        else
            cut_middle(line, length, over);
    }
}

void ns_line_args(char *out, size_t size, const char *fmt, va_list args)
{
    enum { ROOM = 16384 };                          /* more than two of the longest paths: no memory is asked for to say so of memory */
    char room[ROOM];
    va_list again;
    va_copy(again, args);
    const int wanted = vsnprintf(room, sizeof room, fmt, args);
    char *const longer = wanted >= ROOM ? malloc((size_t)wanted + 1) : NULL, *const line = longer ? longer : room;
    if (longer)
        vsnprintf(longer, (size_t)wanted + 1, fmt, again);
    va_end(again);
    if (wanted < 0)
        snprintf(room, sizeof room, "an error whose message could not be formatted: %.200s", fmt);
    if (strstr(fmt, "%."))
        ns_utf8_whole(line);        /* names cut to so many bytes */
    ns_one_line(line);              /* names out of hostile files must not break the line or steer a terminal */
    shorten(line, size);
    strcpy(out, line);
    free(longer);
}

void ns_line(char *out, size_t size, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    ns_line_args(out, size, fmt, args);
    va_end(args);
}

int ns_fail(ns_error *err, int code, const char *fmt, ...)
{
    if (!err)
        return code;
    va_list args;
    va_start(args, fmt);
    ns_line_args(err->message, sizeof err->message, fmt, args);
    va_end(args);
    return code;
}

/* Also where the message was too long for all of its path. */
static bool names(const char *message, const char *path)
{
    return strstr(message, path) || (strstr(message, GAP) && strstr(message, ns_path_base(path)));
}

int ns_fail_of(ns_error *err, int rc, const char *path)
{
    const bool of_it = rc == NS_E_ARG || rc == NS_E_FORMAT || rc == NS_E_MISSING || rc == NS_E_NUMERIC;
    return of_it && err && path && !names(err->message, path) ? ns_fail(err, rc, "%s: %s", path, err->message) : rc;
}

int ns_fail_default(ns_error *err, int rc, bool chosen, const char *option)
{
    return rc == NS_E_ARG && !chosen && err ? ns_fail(err, rc, "%s; choose with %s", err->message, option) : rc;
}

/* The one place that knows what to do about what the system says. */
static const char *remedy_of(int reason)
{
    switch (reason) {
    case ENOMEM:
        return "free memory, or raise ulimit -v";
    case EMFILE:
        return "raise ulimit -n";
    case ENFILE:
        return "the whole machine has too many: try again later";
    case ENOENT:
    case ENOTDIR:
        return "check the path";
    case EACCES:
    case EPERM:
        return "check its permissions";
    case EROFS:
    case EEXIST:
        return "choose another folder";
    case EFBIG:
        return "raise ulimit -f";
    case ENOSPC:
    case EDQUOT:
        return "free some space or write elsewhere";
    case EIO:
    case ESTALE:
        return "is its disk still there?";
    default:
        return NULL;
    }
}

int ns_fail_errno(ns_error *err, int usual, const char *path, const char *what)
{
    const int reason = errno;
    const bool ran_out = reason == ENOMEM || reason == EMFILE || reason == ENFILE;
    const char *const remedy = remedy_of(reason);
    return ns_fail(err, ran_out ? NS_E_MEMORY : usual, "%s: %s: %s%s%s%s", path, what, strerror(reason), remedy ? " (" : "",
                   remedy ? remedy : "", remedy ? ")" : "");
}

int ns_oom(ns_error *err, const char *what)
{
    return ns_fail(err, NS_E_MEMORY, "out of memory: %s (free memory, raise ulimit -v, or use smaller inputs)", what);
}
