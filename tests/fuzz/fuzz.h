/* fuzz.h - what a target may use. A target is one file that defines LLVMFuzzerTestOneInput; see README.md. */
#ifndef FUZZ_H
#define FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
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

/* A file in memory for a parser that wants a path. */
typedef struct fuzz_file { int fd; char path[64]; } fuzz_file;

static inline fuzz_file fuzz_file_make(const uint8_t *data, size_t n)
{
    fuzz_file f = { .fd = memfd_create("fuzz", MFD_CLOEXEC) };
    fuzz_check(f.fd >= 0, "memfd_create");
    for (size_t done = 0; done < n;) {
        const ssize_t put = write(f.fd, data + done, n - done);
        fuzz_check(put > 0, "write to a memfd");
        done += (size_t)put;
    }
    snprintf(f.path, sizeof f.path, "/proc/self/fd/%d", f.fd);
    return f;
}

static inline void fuzz_file_close(fuzz_file *f)
{
    close(f->fd);
}

#endif
