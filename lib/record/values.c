/* values.c - activations: (layer, row, ...) without filters (activations hardly compress), written as they come. */
#include "record/sink.h"

#include <stdlib.h>
#include <string.h>

enum { PART_BYTES = 4 << 20 };

typedef struct values {
    ns_sink sink;
    ns_out_spec spec;
    hid_t dataset;
    int64_t dims[NS_MAX_RANK], cells; /* of one row */
    int n_dims;
    ns_sha256 sha;
} values;

static int open_values(ns_sink *s, ns_error *err)
{
    values *const v = (values *)s;
    const ns_plan *const p = &s->rec->plan;
    char axes[160], *const formula = ns_track_formula(p, s->track);
    if (!formula)
        return ns_oom(err, "the words for a point");
    v->n_dims = ns_plan_dims(p, s->track, s->c, v->dims);
    v->cells = 1;
    v->spec = (ns_out_spec){
        .group = s->c->group,
        .name = s->track->name,
        .axes = ns_sink_axes(s, ns_track_axes(p, s->track), axes, sizeof axes),
        .summary = formula,
        .dtype = p->params.dtype,
    };
    if (s->track->layer_axis[0])
        v->spec.shape[v->spec.rank++] = s->track->n_layers;
    v->spec.shape[v->spec.rank++] = s->n_rows;
    for (int i = 0; i < v->n_dims; i++) {
        v->spec.shape[v->spec.rank++] = v->dims[i];
        v->cells *= v->dims[i];
    }
    ns_sha256_begin(&v->sha);
    const int rc = ns_out_dataset(s->rec->out, &v->spec, &v->dataset, err);
    v->spec.axes = v->spec.summary = NULL;
    free(formula);
    return rc;
}

/* One row into out[cells]; layers with fewer heads or features than the widest one leave 0. */
static void pack_row(const values *v, const ns_view *view, int64_t row, float *out)
{
    const float *const x = (const float *)view->data + row * view->stride[0];
    const bool same = view->rank == 2 || (view->shape[1] == v->dims[0] && view->shape[2] == v->dims[1] && view->stride[1] == v->dims[1]);
    if (same && view->shape[view->rank - 1] == v->dims[v->n_dims - 1]) {
        memcpy(out, x, (size_t)v->cells * sizeof *out);
        return;
    }
    memset(out, 0, (size_t)v->cells * sizeof *out);
    if (view->rank == 2)
        memcpy(out, x, (size_t)view->shape[1] * sizeof *out);
    for (int64_t i = 0; view->rank == 3 && i < view->shape[1]; i++)
        memcpy(out + i * v->dims[1], x + i * view->stride[1], (size_t)view->shape[2] * sizeof *out);
}

static int write_part(values *v, const float *cells, int64_t row, int64_t n, void *half, ns_error *err)
{
    const ns_recording *const r = v->sink.rec;
    int64_t start[NS_MAX_RANK] = {0}, count[NS_MAX_RANK];
    memcpy(count, v->spec.shape, sizeof count);
    const int at = v->spec.rank - 1 - v->n_dims; /* the row axis */
    if (at == 1) {
        start[0] = v->sink.layer;
        count[0] = 1;
    }
    start[at] = row;
    count[at] = n;
    const void *data = cells;
    if (r->plan.params.dtype == NS_F16) {
        ns_sink_convert(r, half, cells, n * v->cells);
        data = half;
    }
    ns_sha256_add(&v->sha, data, (size_t)(n * v->cells) * ns_dtype_size(r->plan.params.dtype));
    return ns_sink_write(v->sink.rec, v->dataset, r->plan.params.dtype, v->spec.rank, start, count, data, v->spec.name, err);
}

static int rows_to_values(ns_sink *s, const ns_site *site, const ns_view *view, int64_t first, int64_t n, ns_error *err)
{
    values *const v = (values *)s;
    (void)site;
    bool fits = view->rank == v->n_dims + 1 && view->stride[view->rank - 1] == 1;
    for (int i = 0; fits && i < v->n_dims; i++)
        fits = view->shape[i + 1] <= v->dims[i];
    if (!fits)
        return ns_fail(err, NS_E_INTERNAL, "recording: '%s' came with another shape than the plan's", v->spec.name);
    const int64_t most = PART_BYTES / (v->cells * 4) > 0 ? PART_BYTES / (v->cells * 4) : 1, part = n < most ? n : most;
    float *const cells = ns_alloc_aligned((size_t)(part * v->cells) * sizeof *cells);
    void *const half = ns_alloc_aligned((size_t)(part * v->cells) * 2);
    int rc = cells && half ? NS_OK : ns_oom(err, "activations");
    for (int64_t done = 0; done < n && rc == NS_OK; done += part) {
        const int64_t m = part < n - done ? part : n - done;
        for (int64_t i = 0; i < m; i++)
            pack_row(v, view, first + done + i, cells + i * v->cells);
        rc = write_part(v, cells, s->row + done, m, half, err);
    }
    free(cells);
    free(half);
    return rc;
}

static int close_values(ns_sink *s, ns_error *err)
{
    values *const v = (values *)s;
    char hex[65];
    ns_sha256_end(&v->sha, hex);
    return ns_out_digest(s->rec->out, &v->spec, hex, err);
}

const ns_sink_class ns_sink_values = {.size = sizeof(values), .open = open_values, .rows = rows_to_values, .close = close_values};
