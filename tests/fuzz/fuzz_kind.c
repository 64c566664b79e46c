/* fuzz_kind.c - the input as a file of which it is to be said what it is. It is a real file: how one is opened is part of it. */
#include "fuzz.h"

#include <needlescope/kind.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static int fd = -1;
    static char path[64];
    if (fd < 0) {
        fd = memfd_create("fuzz", MFD_CLOEXEC);
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    }
    fuzz_check(fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, data, n, 0) == (ssize_t)n, "a file in memory");
    const ns_kind kind = ns_kind_of(path);
    fuzz_check(ns_kind_name(kind) != NULL, "a file is of a kind");
    fuzz_check((n == 0) == (kind == NS_KIND_EMPTY), "a file that holds nothing is empty");
    return 0;
}
