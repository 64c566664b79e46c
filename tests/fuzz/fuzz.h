/* fuzz.h - what a target may use. A target is one file that defines LLVMFuzzerTestOneInput; see README.md. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <needlescope/error.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* Not assert: it must hold in every build. */
static inline void fuzz_check(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "fuzz: broken promise: %s\n", what);
        abort();
    }
}

/* The promise of error.h: NS_OK and a result, or a negative code, no result and one line. */
static inline void fuzz_check_outcome(int code, const void *result, const ns_error *err)
{
    fuzz_check(code <= 0 && code >= NS_E_INTERNAL, "the code is one of ns_code");
    fuzz_check(code != NS_E_INTERNAL, "no input is an internal error");
    fuzz_check((code == NS_OK) == (result != NULL), "a result exactly when NS_OK");
    fuzz_check(code == NS_OK || (*err->message && !strchr(err->message, '\n')), "a failure has one line of message");
}

/* ---- files for a parser that wants a path (memory.c) ---- */
#define FUZZ_ROOT "/fuzz/"
#define FUZZ_FILE FUZZ_ROOT "input"
/* What is read of `path`, which begins with FUZZ_ROOT; both are borrowed, until the path is put again or dropped. */
void fuzz_put(const char *path, const void *data, size_t n);
void fuzz_drop(const char *path);

/* The bytes up to the next 0x1E (a record separator, which no text holds), and the data and count moved behind it: an input of several
 * texts. */
static inline size_t fuzz_part(const uint8_t **data, size_t *n, const uint8_t **part)
{
    const uint8_t *const cut = *n ? memchr(*data, 0x1E, *n) : NULL;
    const size_t length = cut ? (size_t)(cut - *data) : *n;
    *part = *data;
    *n -= length + (cut != NULL);
    *data += length + (cut != NULL);
    return length;
}

/* The next part as a string; free(). */
static inline char *fuzz_part_text(const uint8_t **data, size_t *n)
{
    const uint8_t *part;
    const size_t length = fuzz_part(data, n, &part);
    char *const text = malloc(length + 1);
    fuzz_check(text != NULL, "memory");
    if (length)
        memcpy(text, part, length);
    text[length] = '\0';
    return text;
}

#endif
