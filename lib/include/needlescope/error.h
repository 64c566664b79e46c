/* error.h - a code to act on, a message to read.
 *
 * Every fallible function returns NS_OK or a negative code and, when err is not NULL, writes one line
 * (no newline) that names the file, the item, the value and the remedy. err may always be NULL. */
#ifndef NEEDLESCOPE_ERROR_H
#define NEEDLESCOPE_ERROR_H

#include <needlescope/api.h>

NS_BEGIN

enum ns_code {
    NS_OK = 0,
    NS_E_ARG = -1,         /* the caller asked for something that makes no sense           CLI exit 2  */
    NS_E_FORMAT = -2,      /* a file's content is malformed or contradicts itself          65          */
    NS_E_MISSING = -3,     /* an input does not exist or cannot be read                    66          */
    NS_E_CREATE = -4,      /* an output cannot be created                                  73          */
    NS_E_IO = -5,          /* reading or writing failed half way (disk full, short read)   74          */
    NS_E_MEMORY = -6,      /* memory, address space or file descriptors ran out            75, retry   */
    NS_E_UNSUPPORTED = -7, /* valid, but needlescope cannot do it (the message says what)  65          */
    NS_E_NUMERIC = -8,     /* NaN or Inf in weights or activations                         65          */
    NS_E_INTERNAL = -9,    /* a bug in needlescope                                         70          */
};

/* Plain data of the caller's; message is "" or one line. */
typedef struct ns_error {
    char message[1024];
} ns_error;

/* Formats the message into err (may be NULL) and returns code, so that failing is one statement:
 *     return ns_fail(err, NS_E_FORMAT, "%s: tensor '%s': ...", path, name);
 * An argument may point into err->message itself (to prefix an inner message). */
NS_API int ns_fail(ns_error *err, int code, const char *fmt, ...) NS_PRINTF(3, 4);

/* "PATH: WHAT: what errno says (its remedy)": what the system refused, said the same everywhere. The code is `usual`, but NS_E_MEMORY, try
 * again, where memory or descriptors ran out. */
NS_API int ns_fail_errno(ns_error *err, int usual, const char *path, const char *what);

/* The word that was likely meant, NULL when none is near: one that begins with it, else by edit distance; up to a colon ("aligned:SPAN").
 * Ties go to the first. Borrowed from words. */
NS_API const char *ns_nearest_word(const char *word, const char *const *words, int64_t n);

NS_END
#endif
