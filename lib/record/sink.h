/* sink.h - a sink fills the datasets of one track of one case, in the order (layer, row). Internal.
 *
 * The recorder cuts what a hook delivers into runs of rows that the track wants, checks that they come in order, and gives
 * them to `rows`; after the last row of a layer it calls `layer_end`, after the last layer `close`. */
#ifndef NS_SINK_H
#define NS_SINK_H

#include "record/h5.h"
#include "record/plan.h"
#include "record/press.h"
#include "math/math.h"

enum { NS_N_STATS = 10 };

typedef struct ns_stats_file ns_stats_file; /* the datasets that all cases share (stats.c) */

/* What all sinks of a recording share. */
typedef struct ns_recording {
    ns_plan plan;
    ns_out *out;
    ns_pool *pool, *own_pool; /* the engine's, which is idle while hooks are called; without a model our own */
    const ns_math *math;
    ns_press **press; /* one per worker */
    int n_press;
    uint8_t *spare;   /* a band's memory, kept for the next band */
    size_t spare_bytes;
    ns_stats_file *stats;
} ns_recording;

typedef struct ns_sink ns_sink;
typedef struct ns_sink_class {
    size_t size;
    int (*open)(ns_sink *, ns_error *);
    /* Rows [first, first + n) of the view are the track's rows row .. row + n. */
    int (*rows)(ns_sink *, const ns_site *, const ns_view *, int64_t first, int64_t n, ns_error *);
    int (*layer_end)(ns_sink *, ns_error *); /* may be NULL */
    int (*close)(ns_sink *, ns_error *);
    void (*free)(ns_sink *);
} ns_sink_class;

struct ns_sink {
    const ns_sink_class *class;
    ns_recording *rec;
    const ns_plan_track *track;
    const ns_plan_case *c;
    int64_t n_rows;
    int64_t layer, row; /* the next that is expected; layer counts in track->layers */
};

extern const ns_sink_class ns_sink_values, ns_sink_bands, ns_sink_topk, ns_sink_pooled, ns_sink_stats;

int ns_stats_open(ns_recording *, ns_error *);
int ns_stats_close(ns_recording *, ns_error *);
void ns_stats_free(ns_stats_file *);

/* Writes a slab of `dtype` cells. */
int ns_sink_write(ns_recording *, hid_t dataset, ns_dtype, int rank, const int64_t *start, const int64_t *count, const void *data,
                  const char *name, ns_error *);
/* "layer head row key" of the track: its layer axis, then `rest`. */
const char *ns_sink_axes(const ns_sink *, const char *rest, char *buf, size_t n);
/* NS_E_NUMERIC if one of rows [first, first + n) of the view holds a finite number that would be infinite as a half. */
int ns_sink_fits_half(const ns_sink *, const ns_site *, const ns_view *, int64_t first, int64_t n, ns_error *);
/* Converts to the recording's dtype; out has room for n cells of it. */
void ns_sink_convert(const ns_recording *, void *out, const float *x, int64_t n);
/* In place to halves: the first 2 n bytes of x. */
void ns_sink_narrow(const ns_recording *, float *x, int64_t n);

#endif
