/* kept.c - what an open file keeps of its datasets: those that were opened, so that each is opened once; and, for who verifies a file and
 * then reads it (a merge), their numbers. HDF5 takes some 7 us to open a dataset, and a merge opens as many as 65,000 that one scan wrote,
 * each shard like the one before it. So a file that follows another takes over what that one's headers said: a header of the same bytes (a
 * checksum is among them) says the same type, shape, attributes and place. Whether the numbers that lie there are this file's, its content
 * hash says. */
#include "record/file.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_KEPT = 256, MOST_HEADER = 2048, MOST_BYTES = 64 << 20, MOST_IMAGE = 1 << 20 };

/* To its readers a file is const; never a const object: ns_file_open made it. */
static ns_file *own(const ns_file *f)
{
    return (ns_file *)(uintptr_t)f;
}

static const char *bare(const char *name)
{
    return name + (name[0] == '/');
}

/* Datasets are asked for in the order of the list as a rule. */
static ns_kept *search(ns_kept_list *all, const char *name)
{
    for (int64_t i = 0; i < all->n; i++) {
        const int64_t at = (all->next + i) % all->n;
        if (strcmp(all->list[at].path, bare(name)) == 0) {
            all->next = at + 1;
            return &all->list[at];
        }
    }
    return NULL;
}

ns_kept *ns_kept_find(const ns_file *f, const char *name)
{
    return name ? search(&own(f)->kept, name) : NULL;
}

/* Room for one more; NULL where there is none. */
static ns_kept *place_for(ns_file *f, const char *name)
{
    ns_kept *const known = search(&f->kept, name);
    char *const path = known || f->kept.n == MOST_KEPT ? NULL : ns_strdup(bare(name));
    if (known || !path || !ns_grow(&f->kept.list, &f->kept.capacity, f->kept.n + 1, sizeof *f->kept.list)) {
        free(path);
        return known;
    }
    ns_kept *const k = &f->kept.list[f->kept.n++];
    *k = (ns_kept){.path = path, .d = {.id = H5I_INVALID_HID, .type = H5I_INVALID_HID}};
    return k;
}

/* What lies in chunks would hold a cache of them as long as it is open. */
void ns_kept_add(const ns_file *f, const char *name, ns_dset *d)
{
    ns_kept *const k = d->at == HADDR_UNDEF ? NULL : place_for(own(f), name);
    if (!k || k->d.id >= 0)
        return;
    d->shared = true;
    d->bytes = k->bytes;
    k->d = *d;
}

void ns_kept_numbers(const ns_file *f, const char *name, const ns_dset *d, void *bytes, int64_t n)
{
    ns_kept *const k = f->keeps && n <= MOST_BYTES - f->kept.bytes ? place_for(own(f), name) : NULL;
    if (!k || k->bytes) {
        free(bytes);
        return;
    }
    if (k->d.id < 0) {
        k->d = *d;
        k->d.id = k->d.type = H5I_INVALID_HID;
    }
    k->d.shared = true;
    k->d.bytes = k->bytes = bytes;
    own(f)->kept.bytes += n;
}

void ns_kept_header(const ns_file *f, const char *name, const H5O_info_t *info)
{
    ns_kept *const k = f->keeps ? ns_kept_find(f, name) : NULL;
    uint8_t bytes[MOST_HEADER];
    const int64_t n = k && !k->header && k->d.dtype != NS_N_DTYPES && !k->d.tiled ? ns_header_bytes(f, info->addr, bytes, MOST_HEADER) : 0;
    if (n != (int64_t)info->hdr.space.total || !(k->header = malloc((size_t)n)))
        return;
    memcpy(k->header, bytes, (size_t)n);
    k->header_bytes = n;
}

/* The header of the file before, if the same bytes lie here. */
static bool has_header(const ns_file *f, const ns_kept *k, haddr_t at)
{
    uint8_t bytes[MOST_HEADER];
    return k && k->header && ns_header_bytes(f, at, bytes, k->header_bytes) == k->header_bytes &&
           memcmp(bytes, k->header, (size_t)k->header_bytes) == 0;
}

bool ns_kept_recall(const ns_file *f, const char *name, haddr_t header)
{
    ns_kept *const old = search(&own(f)->before, name);
    if (!has_header(f, old, header))
        return false;
    const size_t n = (size_t)old->d.count * old->d.unit;
    void *const bytes = (int64_t)n <= MOST_BYTES - f->kept.bytes ? malloc(n + 1) : NULL;
    ns_kept *const k = bytes && ns_file_bytes(f, bytes, n, old->d.at) ? place_for(own(f), name) : NULL;
    if (!k) {
        free(bytes);
        return false;
    }
    *k = (ns_kept){.path = k->path, .d = old->d, .bytes = bytes, .header = old->header, .header_bytes = old->header_bytes,
                   .has_meaning = old->has_meaning, .meaning = old->meaning};
    k->d.bytes = bytes;
    own(f)->kept.bytes += (int64_t)n;
    old->header = NULL;
    return true;
}

static void close_object(ns_kept *k)
{
    k->d.shared = false;
    ns_dset_close(&k->d);
}

static void clear(ns_kept_list *all)
{
    for (int64_t i = 0; i < all->n; i++) {
        close_object(&all->list[i]);
        free(all->list[i].bytes);
        free(all->list[i].header);
        free(all->list[i].path);
    }
    free(all->list);
    *all = (ns_kept_list){0};
}

void ns_kept_clear(ns_file *f)
{
    clear(&f->kept);
    clear(&f->before);
}

/* Small ones at once: to ask the system for each header and each list of numbers takes longer. */
static void take_image(ns_file *f)
{
    const size_t n = (size_t)f->as.size;
    uint8_t *const image = f->image || n > MOST_IMAGE ? NULL : malloc(n);
    if (image && ns_file_bytes(f, image, n, 0))
        f->image = image;
    else
        free(image);
}

void ns_file_keep(ns_file *f, ns_file *before)
{
    static const char magic[] = "\211HDF\r\n\032\n";
    char head[sizeof magic - 1];
    f->keeps = true;
    clear(&f->before);
    take_image(f);
    if (!before || !ns_file_bytes(f, head, sizeof head, 0) || memcmp(head, magic, sizeof head) != 0)
        return;                                          /* addresses do not count from its first byte */
    f->before = before->kept;
    before->kept = (ns_kept_list){0};
    for (int64_t i = 0; i < f->before.n; i++) {
        ns_kept *const k = &f->before.list[i];
        close_object(k);
        free(k->bytes);
        k->d.bytes = k->bytes = NULL;
        k->d.shared = true;
    }
}
