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
int ns_vet(const char *path, const ns_identity *as, ns_error *err)
{
    looked_at file = {path, as};
    static const ns_child_limits limits = {.cpu_seconds = 4, .patience = 60, .bytes_beside = 1 << 30, .hold = ns_file_hold};
    return ns_in_child(walk, &file, path, &limits, err);
}
