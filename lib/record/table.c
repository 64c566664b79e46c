/* table.c - the public writer of named arrays with named axes: views become row-major, small arrays stay contiguous,
 * larger ones are chunked, shuffled and deflated. */
#include "record/h5.h"

#include <stdlib.h>
#include <string.h>

#ifndef NS_VERSION
#error "NS_VERSION comes from meson.build"
#endif

struct ns_table_writer {
    ns_out *out;
};

enum { CONTIGUOUS_BYTES = 16 << 10, CHUNK_BYTES = 256 << 10 };

int ns_table_create(ns_table_writer **out, const char *path, const ns_fact *facts, int n_facts, ns_error *err)
{
    *out = NULL;
    ns_table_writer *const t = ns_alloc_array(1, sizeof *t);
    if (!t)
        return ns_oom(err, path);
    const ns_h5_quiet quiet = ns_h5_enter();
    int rc = ns_out_create(&t->out, path, facts, n_facts, err);
    if (rc == NS_OK)
        rc = ns_out_volatile(t->out, "needlescope_version", NS_VERSION, err);
    if (rc == NS_OK) {
        *out = t;
    } else {
        ns_out_abort(t->out);
        free(t);
    }
    return ns_h5_end(quiet, rc, path, err);
}

int ns_table_create_by(ns_table_writer **out, const char *path, const ns_fact_list *facts, const ns_provenance *by, ns_error *err)
{
    ns_fact_list all = {0};
    *out = NULL;
    int rc = ns_provenance_check_output(facts, path, err);
    rc = rc != NS_OK ? rc : ns_fact_list_join(&all, facts, err);
    rc = rc != NS_OK ? rc : ns_provenance_of_run(&all, by, err);
    rc = rc != NS_OK ? rc : ns_table_create(out, path, all.list, (int)all.n, err);
    ns_fact_list_clear(&all);
    return rc;
}

static bool is_number(ns_dtype dtype)
{
    return dtype == NS_I32 || dtype == NS_I64 || dtype == NS_F32 || dtype == NS_F64;
}

/* Copies a strided view into row-major order; *owned is NULL when the view is row-major already. NULL = out of memory. */
static const void *row_major(const ns_view *v, void **owned)
{
    const size_t size = ns_dtype_size(v->dtype);
    int64_t step = 1, n = 1;
    bool dense = true;
    *owned = NULL;
    for (int i = v->rank - 1; i >= 0; i--) {
        dense = dense && (v->shape[i] == 1 || v->stride[i] == step);
        step *= v->shape[i];
        n *= v->shape[i];
    }
    if (dense || n == 0)
        return v->data ? v->data : "";
    char *const copy = *owned = ns_alloc_array((size_t)n, size);
    int64_t at[NS_MAX_RANK] = {0};
    for (int64_t i = 0; copy && i < n; i++) {
        int64_t offset = 0;
        for (int d = 0; d < v->rank; d++)
            offset += at[d] * v->stride[d];
        memcpy(copy + (size_t)i * size, (const char *)v->data + offset * (int64_t)size, size);
        for (int d = v->rank - 1; d >= 0 && ++at[d] == v->shape[d]; d--)
            at[d] = 0;
    }
    return copy;
}

static int check_view(const ns_out *o, const char *name, const ns_view *v, ns_error *err)
{
    int64_t n = 1;
    if (!v || v->rank < 0 || v->rank > NS_MAX_RANK)
        return ns_fail(err, NS_E_ARG, "%s: array '%s' has no view or a rank beyond %d", ns_out_label(o), name ? name : "", NS_MAX_RANK);
    for (int i = 0; i < v->rank; i++)
        if (v->shape[i] < 0 || !ns_mul_i64(n, v->shape[i], &n))
            return ns_fail(err, NS_E_ARG, "%s: array '%s' has an impossible shape", ns_out_label(o), name ? name : "");
    if (n > 0 && !v->data)
        return ns_fail(err, NS_E_ARG, "%s: array '%s' has no data", ns_out_label(o), name ? name : "");
    return NS_OK;
}

int ns_table_axis(ns_table_writer *t, const char *name, const ns_view *values, ns_error *err)
{
    int rc = check_view(t->out, name, values, err);
    if (rc != NS_OK)
        return rc;
    if (values->rank != 1 || !is_number(values->dtype))
        return ns_fail(err, NS_E_ARG, "%s: axis '%s' must be a list of i32, i64, f32 or f64 numbers", ns_out_label(t->out),
                       name ? name : "");
    void *owned;
    const void *const data = row_major(values, &owned);
    if (!data)
        return ns_oom(err, ns_out_label(t->out));
    const ns_h5_quiet quiet = ns_h5_enter();
    rc = ns_h5_end(quiet, ns_out_scale(t->out, "", name, values->dtype, values->shape[0], data, NULL, err), ns_out_label(t->out), err);
    free(owned);
    return rc;
}

int ns_table_count(ns_table_writer *t, const char *name, int64_t n, ns_error *err)
{
    int64_t *const index = ns_alloc_array((size_t)n, sizeof *index);
    if (!index)
        return ns_oom(err, name);
    for (int64_t i = 0; i < n; i++)
        index[i] = i;
    const ns_view view = ns_view_of(index, NS_I64, 1, &n);
    const int rc = ns_table_axis(t, name, &view, err);
    free(index);
    return rc;
}

/* Chunks of about CHUNK_BYTES: whole inner axes as long as they fit, then a part of the next one. */
static void choose_chunks(ns_out_spec *s)
{
    int64_t room = CHUNK_BYTES / (int64_t)ns_dtype_size(s->dtype), bytes = (int64_t)ns_dtype_size(s->dtype);
    for (int i = 0; i < s->rank; i++)
        bytes *= s->shape[i];
    if (bytes < CONTIGUOUS_BYTES || s->rank == 0)
        return;
    for (int i = s->rank - 1; i >= 0; i--) {
        s->chunk[i] = s->shape[i] < room ? s->shape[i] : room;
        room = s->chunk[i] ? room / s->chunk[i] : 1;
        room = room < 1 ? 1 : room;
    }
    s->deflate = true;
}

int ns_table_array(ns_table_writer *t, const char *name, const char *axes, const ns_view *v, const char *summary, ns_error *err)
{
    int rc = check_view(t->out, name, v, err);
    if (rc != NS_OK)
        return rc;
    ns_out_spec spec = {
        .group = "", .name = name, .axes = axes, .summary = summary, .dtype = v->dtype == NS_BOOL ? NS_U8 : v->dtype, .rank = v->rank};
    memcpy(spec.shape, v->shape, sizeof spec.shape);
    choose_chunks(&spec);
    void *owned;
    const void *const data = row_major(v, &owned);
    if (!data)
        return ns_oom(err, ns_out_label(t->out));
    const ns_h5_quiet quiet = ns_h5_enter();
    rc = ns_h5_end(quiet, ns_out_array(t->out, &spec, data, err), ns_out_label(t->out), err);
    free(owned);
    return rc;
}

/* ---- an array that is written from front to back ---- */

struct ns_table_part {
    ns_table_writer *table;
    ns_out_spec spec;            /* its texts are the struct's own */
    char       *name, *axes, *summary;
    hid_t       dataset;
    int         lead;            /* leading axes that count the cells */
    int64_t     next, n_cells;   /* next: the first that is not written */
    int64_t     n_held, room;    /* cells that wait to be written together */
    uint8_t    *held;
    size_t      cell_bytes;
    ns_sha256   sha;
};

static int begin_part(ns_table_part *p, ns_error *err)
{
    ns_out *const o = p->table->out;
    int64_t n = 1;
    for (int i = 0; i < p->spec.rank; i++)
        if (p->spec.shape[i] < 0 || !ns_mul_i64(n, p->spec.shape[i], &n))
            return ns_fail(err, NS_E_ARG, "%s: array '%s' has an impossible shape", ns_out_label(o), p->spec.name);
    p->n_cells = 1;
    for (int i = 0; i < p->lead; i++)
        p->n_cells *= p->spec.shape[i];
    p->cell_bytes = p->n_cells ? (size_t)(n / p->n_cells) * ns_dtype_size(p->spec.dtype) : 0;
    choose_chunks(&p->spec);
    p->room = p->cell_bytes && p->cell_bytes < CHUNK_BYTES ? (int64_t)(CHUNK_BYTES / p->cell_bytes) : 1;
    p->room = p->room < p->n_cells ? p->room : p->n_cells;
    p->held = ns_alloc_array((size_t)p->room * p->cell_bytes + 1, 1);
    ns_sha256_begin(&p->sha);
    if (!p->held)
        return ns_oom(err, p->spec.name);
    const ns_h5_quiet quiet = ns_h5_enter();
    return ns_h5_end(quiet, ns_out_dataset(o, &p->spec, &p->dataset, err), ns_out_label(o), err);
}

int ns_table_begin(ns_table_writer *t, ns_table_part **out, const char *axes, const ns_view *shape, int lead, const char *name,
                   const char *summary, ns_error *err)
{
    *out = NULL;
    ns_table_part *const p = ns_alloc_array(1, sizeof *p);
    if (!p)
        return ns_oom(err, name);
    *p = (ns_table_part){.table = t, .name = ns_strdup(name), .axes = ns_strdup(axes), .summary = summary ? ns_strdup(summary) : NULL,
                         .dataset = H5I_INVALID_HID, .lead = lead};
    p->spec = (ns_out_spec){.group = "", .name = p->name, .axes = p->axes, .summary = p->summary, .dtype = shape->dtype,
                            .rank = shape->rank};
    memcpy(p->spec.shape, shape->shape, sizeof p->spec.shape);
    const int rc = p->name && p->axes && (p->summary || !summary) ? begin_part(p, err) : ns_oom(err, name);
    if (rc == NS_OK)
        *out = p;
    else
        ns_table_part_drop(p);
    return rc;
}

/* So many cells from the next place on, which lie side by side along the last leading axis, whole behind it. */
static int write_cells(const ns_table_part *p, const void *cells, int64_t n_cells)
{
    hsize_t from[NS_MAX_RANK] = {0}, n[NS_MAX_RANK];
    for (int i = 0; i < p->spec.rank; i++)
        n[i] = i < p->lead ? 1 : (hsize_t)p->spec.shape[i];
    if (p->lead)
        n[p->lead - 1] = (hsize_t)n_cells;
    int64_t rest = p->next;
    for (int i = p->lead - 1; i >= 0; i--) {
        from[i] = (hsize_t)(rest % p->spec.shape[i]);
        rest /= p->spec.shape[i];
    }
    const hid_t type = ns_h5_type(p->spec.dtype), space = H5Dget_space(p->dataset), memory = H5Screate_simple(p->spec.rank, n, NULL);
    int status = memory < 0 ? -1 : H5Sselect_hyperslab(space, H5S_SELECT_SET, from, NULL, n, NULL);
    if (status >= 0)
        status = H5Dwrite(p->dataset, type, memory, space, H5P_DEFAULT, cells);
    H5Sclose(memory);
    H5Sclose(space);
    H5Tclose(type);
    return status;
}

/* What waits. A chunk that is not full yet stays in HDF5's memory. */
static int write_held(ns_table_part *p, ns_error *err)
{
    ns_out *const o = p->table->out;
    const ns_h5_quiet quiet = ns_h5_enter();
    const int rc = ns_out_check(o, p->cell_bytes && p->n_held ? write_cells(p, p->held, p->n_held) : 0, p->name, err);
    ns_sha256_add(&p->sha, p->held, (size_t)p->n_held * p->cell_bytes);
    p->next += p->n_held;
    p->n_held = 0;
    return ns_h5_end(quiet, rc, ns_out_label(o), err);
}

int ns_table_add(ns_table_part *p, const void *cell, ns_error *err)
{
    if (p->next + p->n_held == p->n_cells)
        return ns_fail(err, NS_E_INTERNAL, "%s: array '%s' has more cells than its shape", ns_out_label(p->table->out), p->name);
    if (p->cell_bytes)
        memcpy(p->held + (size_t)p->n_held * p->cell_bytes, cell, p->cell_bytes);
    p->n_held++;
    const int64_t along = p->lead ? p->spec.shape[p->lead - 1] : 1, left = along - p->next % along;
    return p->n_held == p->room || p->n_held == left ? write_held(p, err) : NS_OK;
}

void ns_table_part_drop(ns_table_part *p)
{
    if (!p)
        return;
    if (p->dataset >= 0)
        H5Dclose(p->dataset);
    free(p->name);
    free(p->axes);
    free(p->summary);
    free(p->held);
    free(p);
}

int ns_table_finish(ns_table_part *p, ns_error *err)
{
    ns_out *const o = p->table->out;
    char hex[65];
    ns_sha256_end(&p->sha, hex);                         /* the last cell of all ends a row, so none waits */
    int rc = p->next == p->n_cells ? NS_OK : ns_fail(err, NS_E_INTERNAL, "%s: array '%s' lacks cells", ns_out_label(o), p->name);
    const ns_h5_quiet quiet = ns_h5_enter();
    const int closed = H5Dclose(p->dataset);
    p->dataset = H5I_INVALID_HID;
    rc = rc != NS_OK ? rc : ns_out_check(o, closed, p->name, err);
    rc = rc != NS_OK ? rc : ns_out_digest(o, &p->spec, hex, err);
    rc = ns_h5_end(quiet, rc, ns_out_label(o), err);
    ns_table_part_drop(p);
    return rc;
}

int ns_table_strings(ns_table_writer *t, const char *name, const char *axes, const char *const *values, int64_t n, ns_error *err)
{
    const ns_h5_quiet quiet = ns_h5_enter();
    ns_out_spec spec = {.group = "", .name = name, .axes = axes};
    int rc = ns_out_shape(t->out, &spec, n, err);
    if (rc == NS_OK)
        rc = ns_out_strings(t->out, &spec, values, err);
    return ns_h5_end(quiet, rc, ns_out_label(t->out), err);
}

int ns_table_meaning(ns_table_writer *t, const char *name, const ns_score_meaning *meaning, ns_error *err)
{
    const ns_h5_quiet quiet = ns_h5_enter();
    return ns_h5_end(quiet, ns_out_meaning(t->out, name, meaning, err), ns_out_label(t->out), err);
}

int ns_table_commit(ns_table_writer *t, ns_error *err)
{
    const ns_h5_quiet quiet = ns_h5_enter();
    const int rc = ns_h5_end(quiet, ns_out_commit(t->out, err), "an HDF5 file", err);
    free(t);
    return rc;
}

void ns_table_abort(ns_table_writer *t)
{
    if (!t)
        return;
    const ns_h5_quiet quiet = ns_h5_enter();
    ns_out_abort(t->out);
    ns_h5_leave(quiet);
    free(t);
}

int ns_table_end(ns_table_writer *t, int rc, ns_error *err)
{
    if (rc == NS_OK)
        return ns_table_commit(t, err);
    ns_table_abort(t);
    return rc;
}
