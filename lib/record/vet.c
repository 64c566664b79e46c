/* vet.c - a file of unknown origin is opened and walked over in a child process first: HDF5 1.10 can be made to crash, to loop and to take
 * all memory by a few bytes of metadata. What the child survives, the same code survives in this process. What HDF5 1.10 would read as
 * nothing, or as something else, without a word is damage too: texts and axes that are gone (heap.c), chunks that it does not find. */
#include <stdlib.h>

#include "record/heap.h"
#include "record/seal.h"

/* ---- every link, attribute, scale, text and chunk ---- */

static bool next_chunk(const ns_dset *d, const hsize_t *chunk, hsize_t *at)
{
    for (int i = d->rank - 1; i >= 0; i--) {
        if ((at[i] += chunk[i]) < (hsize_t)d->shape[i])
            return true;
        at[i] = 0;
    }
    return false;
}

/* HDF5 looks in the index where a chunk should be, and takes one that is not found there for one never written: so what the index has must
 * be found. */
static int walk_chunks(const ns_file *f, const ns_dset *d, const char *path, ns_error *err)
{
    hsize_t stored, found = 0, chunk[NS_MAX_RANK], at[NS_MAX_RANK] = {0};
    if (!d->chunked || d->stored == 0 || d->count == 0)
        return NS_OK;
    const bool known = ns_dset_chunks(d, chunk, &stored);
    if (known && stored > 0)
        do
            found += ns_dset_has_chunk(d, at);
        while (found < stored && next_chunk(d, chunk, at));
    return known && found == stored ? NS_OK
                                    : ns_fail(err, NS_E_FORMAT, "%s: damaged: dataset '%s' has parts that are not found", f->path, path);
}

static int walk_texts(const ns_file *f, ns_heaps *heaps, const ns_dset *d, const char *path, ns_error *err)
{
    char **texts = NULL;
    int rc = ns_heaps_check_texts(heaps, d, path, err);
    rc = rc != NS_OK ? rc : ns_dset_texts(f, d, path, &texts, err);
    ns_dset_free_texts(texts, texts ? d->count : 0);
    return rc;
}

static int walk_dataset(ns_file *f, ns_heaps *heaps, const char *path, ns_error *err)
{
    ns_dset d;
    char *axes = NULL;
    int rc = ns_dset_open(f, path, &d, err);
    if (rc != NS_OK)
        return rc;
    rc = ns_heaps_check_attributes(heaps, d.id, path, err);
    rc = rc != NS_OK ? rc : ns_dset_axes(f, &d, path, &axes, err);
    rc = rc != NS_OK ? rc : ns_load_attributes(f, d.id, err);
    rc = rc != NS_OK ? rc : walk_chunks(f, &d, path, err);
    if (rc == NS_OK && d.dtype == NS_N_DTYPES && !d.foreign)
        rc = walk_texts(f, heaps, &d, path, err);
    free(axes);
    ns_dset_close(&d);
    return rc;
}

/* The groups whose attributes are read. */
static int walk_facts(const ns_file *f, ns_heaps *heaps, ns_error *err)
{
    int rc = ns_heaps_check_attributes(heaps, f->id, "/", err);
    if (rc != NS_OK || H5Lexists(f->id, "provenance", H5P_DEFAULT) == 0)
        return rc;
    const hid_t group = H5Gopen2(f->id, "provenance", H5P_DEFAULT);
    rc = ns_heaps_check_attributes(heaps, group, "provenance", err);
    H5Gclose(group);
    return rc;
}

static int walk_all(ns_file *f, ns_error *err)
{
    ns_heaps *heaps;
    char **paths = NULL;
    int64_t n = 0;
    int rc = ns_heaps_open(&heaps, f, err);
    rc = rc != NS_OK ? rc : walk_facts(f, heaps, err);
    rc = rc != NS_OK ? rc : ns_file_list(f, &paths, &n, err);
    for (int64_t i = 0; i < n && rc == NS_OK; i++)
        rc = walk_dataset(f, heaps, paths[i], err);
    ns_free_strings(paths, n);
    ns_heaps_close(heaps);
    return rc;
}

int ns_walk(const char *path, const ns_identity *as, ns_error *err)
{
    ns_file *f;
    int rc = ns_file_open_bare(&f, path, as, err);
    if (rc != NS_OK)
        return rc;
    const ns_h5_quiet quiet = ns_h5_enter();
    rc = walk_all(f, err);
    ns_kept_clear(f);
    if (rc == NS_OK && H5Fclose(f->id) < 0)              /* what cannot be closed would stay in this process, and HDF5 print at its end */
        rc = ns_h5_fail(err, NS_E_FORMAT, path, "cannot be closed");
    f->id = rc == NS_OK ? H5I_INVALID_HID : f->id;
    rc = ns_h5_end(quiet, rc, f->path, err);
    ns_file_close(f);
    return rc;
}

/* ---- in a child ---- */

typedef struct looked_at { const char *path; const ns_identity *as; } looked_at;

static int walk(void *user, ns_error *err)
{
    const looked_at *const file = user;
    return ns_walk(file->path, file->as, err);
}

/* So many seconds of work, and a gigabyte beside what the process holds: a study is read in pieces. */
static const ns_child_limits limits = {.cpu_seconds = 3, .patience = 60, .first_patience = 5, .bytes_beside = 1 << 30,
                                       .hold = ns_file_hold};

/* A child without memory or descriptors says nothing of the file, but that two of them had not enough where there is enough: what is
 * listed, named and described in a file takes no more than some times its length. */
int ns_vet(const char *path, const ns_identity *as, ns_error *err)
{
    enum { TIMES = 8, DESCRIPTORS = 4 };
    looked_at file = {path, as};
    int rc = NS_E_MEMORY;
    for (int i = 0; i < 2 && rc == NS_E_MEMORY; i++)
        rc = ns_in_child(walk, &file, path, &limits, err);
    if (rc == NS_E_MEMORY && as->size < limits.bytes_beside / TIMES && ns_h5_is_whole() && ns_memory_left(limits.bytes_beside) &&
        ns_descriptors_left(DESCRIPTORS))
        rc = ns_fail(err, NS_E_FORMAT, "%s: damaged, or made to do harm: to read its %lld bytes takes more than a gigabyte of memory", path,
                     (long long)as->size);
    return rc;
}
