/* zip.c - end record (zip64 where numbers do not fit) -> directory -> entries by name; the local header of an entry when it is asked for.
 *
 * Only the directory says what there is and how large it is: torch.save leaves the sizes of local headers empty. Every number is compared
 * with the file before anything is taken for it. */
#include "io/zip.h"

#include <stdlib.h>
#include <string.h>

enum {
    END_BYTES = 22, END64_BYTES = 56, LOCATOR_BYTES = 20, ENTRY_BYTES = 46, LOCAL_BYTES = 30,      /* before names and comments */
    MAX_COMMENT = 65535, MAX_NAME = 4096, MAX_DIRECTORY = 256 << 20, ZIP64_FIELD = 1, ENCRYPTED = 1,
};
#define SIGNATURE(a, b) (0x4b50u | (uint32_t)(a) << 16 | (uint32_t)(b) << 24)
#define FULL16 ((uint64_t)UINT16_MAX)       /* the number is in a zip64 field */
#define FULL32 ((uint64_t)UINT32_MAX)

/* Where the directory lies, and how many entries it says it has. */
typedef struct place { uint64_t at, bytes, n, before; } place;

static uint64_t number(const uint8_t *p, int bytes)
{
    uint64_t v = 0;
    for (int i = bytes - 1; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

static int broken(const ns_zip *z, ns_error *err, const char *what)
{
    return ns_fail(err, NS_E_FORMAT, "%s: a zip archive %s (copy or download it again)", z->path, what);
}

/* ---- the end record ---- */

/* It is the last thing in the file but for a comment, whose length must fit. */
static int find_end(const ns_zip *z, uint8_t end[END_BYTES], uint64_t *at, ns_error *err)
{
    const int64_t size = z->in->size, n = size < END_BYTES + MAX_COMMENT ? size : END_BYTES + MAX_COMMENT;
    uint8_t *const tail = malloc((size_t)n + 1);
    int rc = tail ? ns_input_read(z->in, size - n, tail, (size_t)n, z->path, err) : ns_oom(err, z->path);
    int64_t i = n - END_BYTES;
    while (rc == NS_OK && i >= 0 && !(number(tail + i, 4) == SIGNATURE(5, 6) && (int64_t)number(tail + i + 20, 2) == n - i - END_BYTES))
        i--;
    if (rc == NS_OK && i < 0)
        rc = broken(z, err, "whose end is missing: it was cut");
    if (rc == NS_OK) {
        memcpy(end, tail + i, END_BYTES);
        *at = (uint64_t)(size - n + i);
    }
    free(tail);
    return rc;
}

/* The larger record stands before the end record, behind a locator that says where. */
static int read_end64(const ns_zip *z, uint64_t end_at, place *out, ns_error *err)
{
    uint8_t locator[LOCATOR_BYTES], end[END64_BYTES];
    if (end_at < LOCATOR_BYTES + END64_BYTES)
        return broken(z, err, "without the zip64 record that it speaks of");
    int rc = ns_input_read(z->in, (int64_t)end_at - LOCATOR_BYTES, locator, sizeof locator, z->path, err);
    if (rc != NS_OK)
        return rc;
    const uint64_t at = number(locator + 8, 8);
    if (number(locator, 4) != SIGNATURE(6, 7) || at > end_at - LOCATOR_BYTES - END64_BYTES)
        return broken(z, err, "without the zip64 record that it speaks of");
    rc = ns_input_read(z->in, (int64_t)at, end, sizeof end, z->path, err);
    if (rc != NS_OK)
        return rc;
    if (number(end, 4) != SIGNATURE(6, 6) || number(end + 16, 4) != 0 || number(end + 20, 4) != 0)
        return broken(z, err, "whose zip64 record is none, or of several disks");
    *out = (place){number(end + 48, 8), number(end + 40, 8), number(end + 32, 8), at};
    return NS_OK;
}

static int find_directory(const ns_zip *z, place *out, ns_error *err)
{
    uint8_t end[END_BYTES];
    uint64_t at;
    int rc = find_end(z, end, &at, err);
    if (rc != NS_OK)
        return rc;
    *out = (place){number(end + 16, 4), number(end + 12, 4), number(end + 10, 2), at};
    if (number(end + 4, 2) != 0 || number(end + 6, 2) != 0)
        return broken(z, err, "of several disks");
    if (out->n == FULL16 || out->bytes == FULL32 || out->at == FULL32)
        rc = read_end64(z, at, out, err);
    if (rc != NS_OK)
        return rc;
    if (out->at > out->before || out->bytes > out->before - out->at)
        return broken(z, err, "whose directory does not lie in the file");
    if (out->bytes > MAX_DIRECTORY || out->n > out->bytes / ENTRY_BYTES)
        return ns_fail(err, NS_E_FORMAT, "%s: a zip archive whose directory has %llu entries in %llu bytes (at most %d bytes)", z->path,
                       (unsigned long long)out->n, (unsigned long long)out->bytes, MAX_DIRECTORY);
    return NS_OK;
}

/* ---- entries ---- */

/* Numbers that did not fit stand in the zip64 field, in this order, only those that did not. */
static bool read_zip64(const uint8_t *extra, size_t n, uint64_t *const wanted[3])
{
    bool missing[3];
    for (int i = 0; i < 3; i++)
        missing[i] = *wanted[i] == FULL32;
    while (n >= 4) {
        const size_t id = (size_t)number(extra, 2), length = (size_t)number(extra + 2, 2);
        extra += 4, n -= 4;
        if (length > n)
            return false;
        for (size_t i = 0, used = 0; id == ZIP64_FIELD && i < 3; i++) {
            if (!missing[i] || used + 8 > length)
                continue;
            *wanted[i] = number(extra + used, 8);
            missing[i] = false;
            used += 8;
        }
        extra += length, n -= length;
    }
    return !missing[0] && !missing[1] && !missing[2];
}

static bool plain_text(const uint8_t *name, size_t n)
{
    size_t bad;
    bool plain = n > 0 && n <= MAX_NAME && ns_utf8_valid((const char *)name, n, &bad);
    for (size_t i = 0; i < n && plain; i++)
        plain = name[i] >= 0x20 && name[i] != 0x7f;
    return plain;
}

/* The entry at *at of the directory; *names is where its name goes. */
static int read_entry(ns_zip *z, size_t *at, char **names, ns_error *err)
{
    const uint8_t *const p = z->directory + *at;
    const size_t left = z->n_directory - *at;
    if (left < ENTRY_BYTES || number(p, 4) != SIGNATURE(1, 2))
        return broken(z, err, "whose directory ends early");
    const size_t n_name = (size_t)number(p + 28, 2), n_extra = (size_t)number(p + 30, 2);
    const size_t whole = ENTRY_BYTES + n_name + n_extra + (size_t)number(p + 32, 2);
    uint64_t packed = number(p + 20, 4), size = number(p + 24, 4), header = number(p + 42, 4);
    if (whole > left)
        return broken(z, err, "whose directory ends early");
    if (!plain_text(p + ENTRY_BYTES, n_name))
        return broken(z, err, "with a name that is no plain text");
    if (!read_zip64(p + ENTRY_BYTES + n_name, n_extra, (uint64_t *const[]){&size, &packed, &header}))
        return broken(z, err, "with an entry whose zip64 field is missing or too short");
    const int method = (int)number(p + 10, 2);
    if ((int64_t)size < 0 || header >= (uint64_t)z->in->size || (method == 0 && packed != size))
        return broken(z, err, "with an entry that does not lie in the file");
    if (number(p + 8, 2) & ENCRYPTED)
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: a zip archive with a password (save the checkpoint again with torch.save)", z->path);
    memcpy(*names, p + ENTRY_BYTES, n_name);
    (*names)[n_name] = '\0';
    z->list[z->n++] = (ns_zip_entry){*names, (int64_t)header, 0, (int64_t)size, method};
    *names += n_name + 1;
    *at += whole;
    return NS_OK;
}

static int by_place(const void *a, const void *b)
{
    const ns_zip_entry *const x = a, *const y = b;
    return x->header < y->header ? -1 : x->header > y->header;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const ns_zip_entry *)a)->name, ((const ns_zip_entry *)b)->name);
}

/* Each must end before the next begins, the last before the directory. */
static int settle(ns_zip *z, int64_t directory, ns_error *err)
{
    if (z->n == 0)
        return broken(z, err, "without an entry");
    qsort(z->list, (size_t)z->n, sizeof *z->list, by_place);
    for (int64_t i = 0; i < z->n; i++) {
        ns_zip_entry *const e = &z->list[i];
        e->limit = i + 1 < z->n ? e[1].header : directory;
        if (e->limit <= e->header)
            return ns_fail(err, NS_E_FORMAT, "%s: '%s' lies in the place of another entry of the zip archive", z->path, e->name);
    }
    qsort(z->list, (size_t)z->n, sizeof *z->list, by_name);
    for (int64_t i = 1; i < z->n; i++)
        if (strcmp(z->list[i - 1].name, z->list[i].name) == 0)
            return ns_fail(err, NS_E_FORMAT, "%s: '%s' is twice in the zip archive", z->path, z->list[i].name);
    return NS_OK;
}

int ns_zip_open(ns_zip *out, const ns_input *in, const char *path, ns_error *err)
{
    place where;
    *out = (ns_zip){.in = in, .path = path};
    int rc = find_directory(out, &where, err);
    if (rc != NS_OK)
        return rc;
    out->n_directory = (size_t)where.bytes;
    out->directory = malloc(out->n_directory + 1);
    out->names = malloc(out->n_directory + 1);                      /* a NUL in place of 46 bytes */
    const bool good = out->directory && out->names && ns_grow(&out->list, &out->capacity, (int64_t)where.n + 1, sizeof *out->list);
    rc = good ? ns_input_read(in, (int64_t)where.at, out->directory, out->n_directory, path, err) : ns_oom(err, path);
    char *names = out->names;
    for (size_t at = 0; rc == NS_OK && out->n < (int64_t)where.n;)
        rc = read_entry(out, &at, &names, err);
    if (rc == NS_OK)
        rc = settle(out, (int64_t)where.at, err);
    if (rc != NS_OK)
        ns_zip_free(out);
    return rc;
}

void ns_zip_free(ns_zip *z)
{
    free(z->directory);
    free(z->names);
    free(z->list);
    *z = (ns_zip){0};
}

const ns_zip_entry *ns_zip_find(const ns_zip *z, const char *name)
{
    const ns_zip_entry key = {.name = name};
    return z->n ? bsearch(&key, z->list, (size_t)z->n, sizeof key, by_name) : NULL;
}

int ns_zip_at(const ns_zip *z, const ns_zip_entry *e, int64_t *at, ns_error *err)
{
    uint8_t local[LOCAL_BYTES];
    if (e->method != 0)
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: '%s' is compressed (method %d), and tensors are read where they lie: load the file with "
                       "torch.load and save it again with torch.save, or pack it anew with zip -0", z->path, e->name, e->method);
    const int rc = e->limit - e->header >= LOCAL_BYTES ? ns_input_read(z->in, e->header, local, sizeof local, z->path, err)
                                                       : broken(z, err, "with an entry shorter than its header");
    if (rc != NS_OK)
        return rc;
    if (number(local, 4) != SIGNATURE(3, 4))
        return broken(z, err, "with an entry that is not where the directory says");
    *at = e->header + LOCAL_BYTES + (int64_t)number(local + 26, 2) + (int64_t)number(local + 28, 2);
    if (*at > e->limit || e->size > e->limit - *at)
        return ns_fail(err, NS_E_FORMAT, "%s: '%s' should have %lld bytes, which reach beyond its place in the zip archive (copy or "
                       "download it again)", z->path, e->name, (long long)e->size);
    return NS_OK;
}
