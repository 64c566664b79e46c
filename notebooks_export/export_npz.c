/* export_npz.c - influence by distance as NumPy's archive of arrays: a zip whose members, NAME.npy, are stored as they are. The same file
 * gives the same bytes: no time, no compression. */
#include <stdlib.h>
#include <string.h>

#include <libdeflate.h>

#include <needlescope/export.h>
#include <needlescope/kind.h>

#include "core/core.h"

enum { MEMBERS = 8, HEAD = 30, ENTRY = 46, NPY = 128 };

/* An array as it goes into the archive; n = -1: a scalar. */
typedef struct member {
    const char *name, *type;           /* "<i8"; "<U" of a text */
    int64_t     n;
    void       *data;                  /* malloc'd */
    size_t      bytes;
} member;

typedef struct archive { member list[MEMBERS]; int n; } archive;

static int put(archive *a, const char *name, const char *type, int64_t n, void *data, size_t bytes, ns_error *err)
{
    if (!data)
        return ns_oom(err, name);
    a->list[a->n++] = (member){name, type, n, data, bytes};
    return NS_OK;
}

/* ---- what is in it ---- */

static int put_column(archive *a, const ns_file *f, const char *dataset, const char *name, ns_dtype type, int64_t *n, ns_error *err)
{
    void *data = NULL;
    ns_expected w = {.size = sizeof w, .name = dataset, .type = type, .rank = 1, .shape = {*n}, .range = ns_any_number()};
    const int rc = ns_file_array(f, &w, &data, err);
    *n = rc == NS_OK ? w.shape[0] : *n;
    return rc != NS_OK ? rc : put(a, name, type == NS_I64 ? "<i8" : "<f8", *n, data, (size_t)*n * 8, err);
}

static int put_whole(archive *a, const ns_file *f, const char *name, ns_error *err)
{
    int64_t *const value = malloc(sizeof *value);
    int rc = value ? ns_file_whole(f, name, 0, (int64_t)1 << 50, 0, value, err) : NS_OK;
    rc = rc != NS_OK ? rc : put(a, name, "<i8", -1, value, sizeof *value, err);
    if (rc != NS_OK && value)
        free(value);
    return rc;
}

/* UTF-8 -> code points of four bytes each. */
static int put_text(archive *a, const ns_file *f, const char *name, ns_error *err)
{
    const char *const said = ns_file_fact(f, name), *const text = said ? said : "";
    const size_t room = strlen(text);
    uint32_t *const out = ns_alloc_array(room + 1, sizeof *out);
    size_t n = 0;
    for (const uint8_t *at = (const uint8_t *)text; out && *at; n++) {
        const int more = *at >= 0xF0 ? 3 : *at >= 0xE0 ? 2 : *at >= 0xC0 ? 1 : 0;
        uint32_t code = *at++ & (more == 3 ? 0x07u : more == 2 ? 0x0Fu : more == 1 ? 0x1Fu : 0x7Fu);
        for (int i = 0; i < more && *at; i++)
            code = code << 6 | (*at++ & 0x3Fu);
        out[n] = code;
    }
    return put(a, name, "<U", -1, out, (n ? n : 1) * sizeof *out, err);
}

static int fill(archive *a, const ns_file *f, bool shuffled, ns_error *err)
{
    int64_t n = NS_ANY;
    int rc = put_column(a, f, "distance", "distance", NS_I64, &n, err);
    rc = rc != NS_OK ? rc : put_column(a, f, shuffled ? "shuffled_mean_grad_norm" : "mean_grad_norm", "mean_grad_norm", NS_F64, &n, err);
    rc = rc != NS_OK ? rc : put_column(a, f, shuffled ? "shuffled_sum_grad_norm" : "sum_grad_norm", "sum_grad_norm", NS_F64, &n, err);
    rc = rc != NS_OK ? rc : put_column(a, f, "sample_count", "sample_count", NS_I64, &n, err);
    rc = rc != NS_OK ? rc : put_text(a, f, "model_name", err);
    rc = rc != NS_OK ? rc : put_whole(a, f, "context_len", err);
    rc = rc != NS_OK ? rc : put_text(a, f, "target", err);
    return rc != NS_OK ? rc : put_whole(a, f, "target_last_n_tokens", err);
}

/* ---- the bytes ---- */

static void little(uint8_t *at, uint64_t value, int n)
{
    for (int i = 0; i < n; i++)
        at[i] = (uint8_t)(value >> 8 * i);
}

/* The 128 bytes before an array's own (NPY 1.0). */
static void npy_head(const member *m, char out[NPY + 1])
{
    char type[24], shape[32] = "()";
    snprintf(type, sizeof type, "%s", m->type);
    if (m->type[1] == 'U')
        snprintf(type + 2, sizeof type - 2, "%llu", (unsigned long long)(m->bytes / 4));
    if (m->n >= 0)
        snprintf(shape, sizeof shape, "(%lld,)", (long long)m->n);
    memcpy(out, "\223NUMPY\1\0\166\0", 10);
    const int n = snprintf(out + 10, NPY - 10, "{'descr': '%s', 'fortran_order': False, 'shape': %s, }", type, shape);
    memset(out + 10 + n, ' ', (size_t)(NPY - 10 - n));
    out[NPY - 1] = '\n';
}

/* A member's own head (fields: at 4, 30 bytes) and its entry in the list at the end (at 6, 46 bytes) say the same. */
static void say(const member *m, uint8_t *at, uint32_t crc)
{
    const uint64_t size = NPY + m->bytes;
    little(at, 20, 2);                                   /* of the format, 2.0 */
    little(at + 8, 0x00210000u, 4);                      /* 1 January 1980, the first day there is */
    little(at + 10, crc, 4);
    little(at + 14, size, 4);
    little(at + 18, size, 4);
    little(at + 22, strlen(m->name) + 4, 2);
}

static uint64_t write_member(FILE *f, const member *m, uint32_t *crc)
{
    char head[NPY + 1];
    uint8_t zip[HEAD] = "PK\3\4";
    npy_head(m, head);
    *crc = libdeflate_crc32(libdeflate_crc32(0, head, NPY), m->data, m->bytes);
    say(m, zip + 4, *crc);
    fwrite(zip, 1, HEAD, f);
    fprintf(f, "%s.npy", m->name);
    fwrite(head, 1, NPY, f);
    fwrite(m->data, 1, m->bytes, f);
    return HEAD + strlen(m->name) + 4 + NPY + m->bytes;
}

static void write_archive(FILE *f, const archive *a)
{
    uint64_t at = 0, begin[MEMBERS], listed = 0;
    uint32_t crc[MEMBERS];
    for (int i = 0; i < a->n; i++) {
        begin[i] = at;
        at += write_member(f, &a->list[i], &crc[i]);
    }
    for (int i = 0; i < a->n; i++) {
        uint8_t entry[ENTRY] = "PK\1\2";
        little(entry + 4, 20, 2);
        say(&a->list[i], entry + 6, crc[i]);
        little(entry + 42, begin[i], 4);
        fwrite(entry, 1, ENTRY, f);
        fprintf(f, "%s.npy", a->list[i].name);
        listed += ENTRY + strlen(a->list[i].name) + 4;
    }
    uint8_t end[22] = "PK\5\6";
    little(end + 8, (uint64_t)a->n, 2);
    little(end + 10, (uint64_t)a->n, 2);
    little(end + 12, listed, 4);
    little(end + 16, at, 4);
    fwrite(end, 1, sizeof end, f);
}

static int write_file(const archive *a, const char *path, ns_error *err)
{
    ns_atomic_file file;
    int rc = ns_atomic_begin_text(&file, path, err);
    if (rc != NS_OK)
        return rc;
    FILE *const f = ns_atomic_stream(&file, &rc, err);
    if (rc == NS_OK)
        write_archive(f, a);
    return ns_atomic_end(&file, f, rc, err);
}

static int small_enough(const archive *a, const char *path, ns_error *err)
{
    uint64_t bytes = 0;
    for (int i = 0; i < a->n; i++)
        bytes += a->list[i].bytes + NPY + 2 * (HEAD + ENTRY);
    return bytes <= UINT32_MAX ? NS_OK : ns_fail(err, NS_E_UNSUPPORTED, "%s: an NPZ of more than 4 GiB", path);
}

int ns_export_npz(const char *gradient, const char *path, bool shuffled, const ns_provenance *by, ns_error *err)
{
    ns_file *f = NULL;
    archive a = {0};
    ns_fact_list facts = {0};
    int rc = ns_check_not_input(path, &gradient, 1, err);
    rc = rc != NS_OK ? rc : ns_output_check(path, NS_KINDS(NS_KIND_NPZ), true, err);
    rc = rc != NS_OK ? rc : ns_file_open_as(&f, gradient, NS_KINDS(NS_KIND_GRADIENT),
                                            "a gradient influence (needlescope gradient -o makes one)", err);
    if (rc == NS_OK && shuffled && !ns_file_has(f, "shuffled_mean_grad_norm"))
        rc = ns_fail(err, NS_E_ARG, "%s: was made without shuffled texts (--no-baseline)", gradient);
    rc = rc != NS_OK ? rc : fill(&a, f, shuffled, err);
    rc = rc != NS_OK ? rc : small_enough(&a, path, err);
    rc = rc != NS_OK ? rc : ns_provenance_of_export(&facts, by, err);
    rc = rc != NS_OK ? rc : ns_provenance_of_file(&facts, gradient, 1, err);
    rc = rc != NS_OK ? rc : ns_provenance_check_table(&facts, path, err);
    rc = rc != NS_OK ? rc : write_file(&a, path, err);
    rc = rc != NS_OK ? rc : ns_provenance_beside(path, &facts, err);
    for (int i = 0; i < a.n; i++)
        free(a.list[i].data);
    ns_fact_list_clear(&facts);
    ns_file_close(f);
    return rc;
}
