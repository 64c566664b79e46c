/* vet.c - a file of unknown origin is opened and walked over in a child process first: HDF5 1.10 can be made to crash, to loop and to take
 * all memory by a few bytes of metadata. What the child survives, the same code survives in this process. */
#include "record/seal.h"

typedef struct looked_at { const char *path; const ns_identity *as; } looked_at;

static int walk(void *user, ns_error *err)
{
    const looked_at *const file = user;
    return ns_walk(file->path, file->as, err);
}

/* So many seconds of work, and a gigabyte beside what the process holds: a study is read in pieces. */
static const ns_child_limits limits = {.cpu_seconds = 4, .patience = 60, .bytes_beside = 1 << 30, .hold = ns_file_hold};

/* A child without memory says nothing of the file, but that two of them had not enough where there is enough: what is listed, named and
 * described in a file takes no more than some times its length. */
int ns_vet(const char *path, const ns_identity *as, ns_error *err)
{
    enum { TIMES = 8 };
    looked_at file = {path, as};
    int rc = NS_E_MEMORY;
    for (int i = 0; i < 2 && rc == NS_E_MEMORY; i++)
        rc = ns_in_child(walk, &file, path, &limits, err);
    return rc == NS_E_MEMORY && as->size < limits.bytes_beside / TIMES && ns_memory_left(limits.bytes_beside)
               ? ns_fail(err, NS_E_FORMAT, "%s: damaged, or made to do harm: to read its %lld bytes takes more than a gigabyte of memory",
                         path, (long long)as->size)
               : rc;
}
