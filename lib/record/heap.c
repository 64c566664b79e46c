/* heap.c - texts of any length and lists of axes lie in global heaps; what has them keeps references: length, address of a heap, number of
 * an object there. HDF5 1.10 believes them: an object that is gone is read as no text or as the text before it, one that is longer than its
 * reference says is written beyond HDF5's buffer. So each reference is held to the heap before it is followed, in the child that vets. */
#include "record/heap.h"

#include <stdlib.h>
#include <string.h>

enum { HEAD = 16, REFERENCE = 16, OBJECTS = 1 << 16, GONE = -1 };      /* bytes of a heap's and of an object's head; numbers are 16 bits */

struct ns_heaps {
    const ns_file *f;
    hid_t text, as_stored;
    uint64_t base, at;                     /* where addresses count from; the heap that was read last, 0 = none */
    int64_t sizes[OBJECTS];                /* of its objects, GONE where there is none */
};

/* A conversion that HDF5 has none of: from a text or list to the bytes that the file has for it. */
static herr_t keep(hid_t from, hid_t to, H5T_cdata_t *how, size_t n, size_t stride, size_t other, void *values, void *back, hid_t list)
{
    (void)n, (void)stride, (void)other, (void)values, (void)back, (void)list;
    if (how->command != H5T_CONV_INIT)
        return 0;
    how->need_bkg = H5T_BKG_NO;
    return H5Tget_size(from) == REFERENCE && H5Tget_size(to) == REFERENCE ? 0 : -1;
}

int ns_heaps_open(ns_heaps **out, const ns_file *f, ns_error *err)
{
    ns_heaps *const h = *out = ns_alloc_array(1, sizeof *h);
    hsize_t base = 0;
    if (!h)
        return ns_oom(err, f->path);
    h->f = f;
    h->text = ns_h5_string();
    h->as_stored = H5Tcreate(H5T_OPAQUE, REFERENCE);
    const hid_t list = H5Fget_create_plist(f->id);
    const bool ok = H5Pget_userblock(list, &base) >= 0 && H5Tregister(H5T_PERS_SOFT, "as stored", h->text, h->as_stored, keep) >= 0;
    H5Pclose(list);
    h->base = base;
    return ok ? NS_OK : ns_h5_fail(err, NS_E_FORMAT, f->path, "its heaps cannot be read");
}

void ns_heaps_close(ns_heaps *h)
{
    if (!h)
        return;
    H5Tunregister(H5T_PERS_SOFT, "as stored", h->text, h->as_stored, keep);
    H5Tclose(h->as_stored);
    H5Tclose(h->text);
    free(h);
}

/* Objects: the number of each (0 = the rest is free), 6 bytes that do not matter here, its size, its bytes filled up to a multiple of 8. */
static bool list_objects(int64_t *sizes, const uint8_t *bytes, uint64_t n)
{
    for (uint64_t at = HEAD; n - at >= HEAD;) {
        uint16_t number;
        uint64_t size;
        memcpy(&number, bytes + at, sizeof number);
        memcpy(&size, bytes + at + 8, sizeof size);
        if (number == 0)
            return size == n - at;
        if (sizes[number] != GONE || size > n - at - HEAD || HEAD + (size + 7) / 8 * 8 > n - at)
            return false;
        sizes[number] = (int64_t)size;
        at += HEAD + (size + 7) / 8 * 8;
    }
    return true;
}

static bool read_heap(ns_heaps *h, uint64_t at)
{
    static const uint8_t magic[8] = {'G', 'C', 'O', 'L', 1};
    uint8_t head[HEAD];
    uint64_t n;
    h->at = 0;
    memset(h->sizes, 0xff, sizeof h->sizes);                     /* GONE */
    if (at > INT64_MAX - h->base || !ns_file_bytes(h->f, head, HEAD, h->base + at))
        return false;
    memcpy(&n, head + 8, sizeof n);
    if (memcmp(head, magic, sizeof magic) != 0 || n < HEAD || n > (uint64_t)h->f->as.size)
        return false;
    uint8_t *const bytes = ns_alloc_array((size_t)n, 1);
    const bool whole = bytes && ns_file_bytes(h->f, bytes, (size_t)n, h->base + at) && list_objects(h->sizes, bytes, n);
    free(bytes);
    h->at = whole ? at : 0;
    return whole;
}

/* unit: bytes of an element. Nothing has no address. */
static bool leads_to_its_own(ns_heaps *h, const uint8_t *reference, size_t unit)
{
    uint32_t length, number;
    uint64_t at;
    memcpy(&length, reference, sizeof length);
    memcpy(&at, reference + 4, sizeof at);
    memcpy(&number, reference + 12, sizeof number);
    if (at == 0)
        return length == 0;
    return (at == h->at || read_heap(h, at)) && number < OBJECTS && h->sizes[number] == (int64_t)(length * (uint64_t)unit);
}

/* Bytes of an element of what lies in heaps; 0 for what does not. */
static size_t unit_of(hid_t type)
{
    if (H5Tis_variable_str(type) > 0)
        return 1;
    const hid_t element = H5Tget_class(type) == H5T_VLEN ? H5Tget_super(type) : H5I_INVALID_HID;
    const size_t n = element >= 0 ? H5Tget_size(element) : 0;
    if (element >= 0)
        H5Tclose(element);
    return n;
}

/* All references of a dataset or attribute, which is what `object` is, with n values of this type. */
static int check(ns_heaps *h, hid_t object, hid_t type, hssize_t n, const char *what, ns_error *err)
{
    const size_t unit = unit_of(type);
    if (unit == 0 || n <= 0)
        return NS_OK;
    uint8_t *const references = ns_alloc_array((size_t)n, REFERENCE);
    if (!references)
        return ns_oom(err, h->f->path);
    bool whole = (H5Iget_type(object) == H5I_ATTR ? H5Aread(object, h->as_stored, references)
                                                  : H5Dread(object, h->as_stored, H5S_ALL, H5S_ALL, H5P_DEFAULT, references)) >= 0;
    for (hssize_t i = 0; i < n && whole; i++)
        whole = leads_to_its_own(h, references + i * REFERENCE, unit);
    free(references);
    return whole ? NS_OK : ns_text_is_gone(h->f, what, err);
}

int ns_heaps_check_texts(ns_heaps *h, const ns_dset *d, const char *name, ns_error *err)
{
    return check(h, d->id, d->type, d->count, name, err);
}

typedef struct attributes { ns_heaps *heaps; int rc; ns_error *err; } attributes;

static herr_t check_attribute(hid_t object, const char *name, const H5A_info_t *info, void *user)
{
    attributes *const a = user;
    const hid_t attribute = H5Aopen(object, name, H5P_DEFAULT), type = H5Aget_type(attribute), space = H5Aget_space(attribute);
    (void)info;
    if (type >= 0 && space >= 0)
        a->rc = check(a->heaps, attribute, type, H5Sget_simple_extent_npoints(space), name, a->err);
    else
        a->rc = ns_h5_fail(a->err, NS_E_FORMAT, a->heaps->f->path, name);
    H5Sclose(space);
    H5Tclose(type);
    H5Aclose(attribute);
    return a->rc != NS_OK;
}

int ns_heaps_check_attributes(ns_heaps *h, hid_t object, const char *name, ns_error *err)
{
    hsize_t n;
    attributes a = {h, ns_attributes_count(h->f, object, &n, err), err};
    if (a.rc != NS_OK)
        return a.rc;
    if (H5Aiterate2(object, H5_INDEX_NAME, H5_ITER_INC, NULL, check_attribute, &a) >= 0 || a.rc != NS_OK)
        return a.rc;
    return ns_h5_fail(err, NS_E_FORMAT, h->f->path, name);
}
