/* error.c - one line of message, one code. The line is formatted aside first, so that arguments may point into the old message. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/core.h"

/* Cuts a UTF-8 sequence that the size of the buffer broke off. */
static void trim_broken_tail(char *line, size_t n)
{
    size_t start = n;
    while (start > 0 && n - start < 3 && ((uint8_t)line[start - 1] & 0xC0) == 0x80)
        start--;
    if (start == 0 || (uint8_t)line[start - 1] < 0xC0)
        return;
    uint32_t code;
    if (ns_utf8_next(line + start - 1, n - start + 1, &code) < 0)
        line[start - 1] = '\0';
}

int ns_fail(ns_error *err, int code, const char *fmt, ...)
{
    if (!err)
        return code;
    char line[sizeof err->message];
    va_list args;
    va_start(args, fmt);
    const int wanted = vsnprintf(line, sizeof line, fmt, args);
    va_end(args);
    if (wanted < 0)
        snprintf(line, sizeof line, "an error whose message could not be formatted: %.200s", fmt);
    if (wanted >= (int)sizeof line)
        trim_broken_tail(line, sizeof line - 1);
    ns_one_line(line);              /* names out of hostile files must not break the line or steer a terminal */
    memcpy(err->message, line, sizeof line);
    return code;
}

int ns_fail_of(ns_error *err, int rc, const char *path)
{
    const bool of_it = rc == NS_E_ARG || rc == NS_E_FORMAT || rc == NS_E_MISSING || rc == NS_E_NUMERIC;
    return of_it && err && path && !strstr(err->message, path) ? ns_fail(err, rc, "%s: %s", path, err->message) : rc;
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
