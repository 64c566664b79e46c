/* sink.c - what every sink needs: axes, conversion, slabs. */
#include "record/sink.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

const char *ns_sink_axes(const ns_sink *s, const char *rest, char *buf, size_t n)
{
    snprintf(buf, n, "%s%s%s", s->track->layer_axis, s->track->layer_axis[0] ? " " : "", rest);
    return buf;
}

void ns_sink_convert(const ns_recording *r, void *out, const float *x, int64_t n)
{
    if (n <= 0)
        return;
    if (r->plan.params.dtype == NS_F16)
        r->math->f32_to_f16(out, x, n);
    else
        memcpy(out, x, (size_t)n * sizeof *x);
}

void ns_sink_narrow(const ns_recording *r, float *x, int64_t n)
{
    uint16_t half[256];
    for (int64_t i = 0; i < n; i += 256) {
        const int64_t m = n - i < 256 ? n - i : 256;
        r->math->f32_to_f16(half, x + i, m);
        memcpy((char *)x + (size_t)i * sizeof *half, half, (size_t)m * sizeof *half);
    }
}

/* The first of n cells that is finite and rounds to no finite half; n if there is none. */
static int64_t beyond_half(const float *x, int64_t n)
{
    const float least = 65520; /* half a step above the largest half, 65504 */
    int64_t i = 0;
    while (i < n && !(fabsf(x[i]) >= least && fabsf(x[i]) <= FLT_MAX))
        i++;
    return i;
}

int ns_sink_fits_half(const ns_sink *s, const ns_site *site, const ns_view *view, int64_t first, int64_t n, ns_error *err)
{
    const bool map = s->track->kind != NS_SINK_VALUES, headed = map || view->rank == 3;
    const int64_t heads = !headed ? 1 : view->shape[map ? 0 : 1], by_head = !headed ? 0 : view->stride[map ? 0 : 1];
    const int64_t by_row = view->stride[map ? 1 : 0], cells = view->shape[view->rank - 1];
    char name[96], head[32] = "";
    for (int64_t i = 0; i < heads * n; i++) {
        const int64_t h = i / n, row = first + i % n;
        const float *const x = (const float *)view->data + h * by_head + row * by_row;
        const int64_t at = beyond_half(x, cells);
        if (at == cells)
            continue;
        ns_point_format(site->point, site->layer, name, sizeof name);
        if (headed)
            snprintf(head, sizeof head, " head %lld", (long long)h);
        return ns_fail(err, NS_E_NUMERIC, "recording: case '%s': %s%s row %lld holds %g, which float16 (up to 65504) cannot: record "
                       "float32 (--dtype f32)", s->c->c->id ? s->c->c->id : s->c->group, name, head,
                       (long long)(site->row0 + row), (double)x[at]);
    }
    return NS_OK;
}

int ns_sink_write(ns_recording *r, hid_t dataset, ns_dtype dtype, int rank, const int64_t *start, const int64_t *count, const void *data,
                  const char *name, ns_error *err)
{
    hsize_t from[NS_MAX_RANK], n[NS_MAX_RANK];
    for (int i = 0; i < rank; i++) {
        from[i] = (hsize_t)start[i];
        n[i] = (hsize_t)count[i];
    }
    const hid_t file = H5Dget_space(dataset), memory = H5Screate_simple(rank, n, NULL), type = ns_h5_type(dtype);
    int status = H5Sselect_hyperslab(file, H5S_SELECT_SET, from, NULL, n, NULL);
    if (status >= 0)
        status = H5Dwrite(dataset, type, memory, file, H5P_DEFAULT, data);
    H5Tclose(type);
    H5Sclose(memory);
    H5Sclose(file);
    return ns_out_check(r->out, status, name, err);
}
