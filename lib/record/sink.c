/* sink.c - what every sink needs: axes, conversion, slabs. */
#include "record/sink.h"

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
