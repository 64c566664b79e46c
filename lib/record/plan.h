/* plan.h - what a recording will hold: which points at which layers, as which kind of dataset, for which rows of which case. Internal. */
#ifndef NS_PLAN_H
#define NS_PLAN_H

#include <needlescope/record.h>
#include "core/core.h"

/* How a point is stored. */
typedef enum ns_sink_kind { NS_SINK_VALUES, NS_SINK_BANDS, NS_SINK_TOPK, NS_SINK_POOLED, NS_SINK_STATS, NS_N_SINKS } ns_sink_kind;

enum { NS_CHUNK_ROWS = 256, NS_CHUNK_CELLS = 65536, NS_STAT_BINS = 64, NS_POOL_BINS = 128 };

typedef struct ns_plan_track {
    ns_point point;
    ns_sink_kind kind;
    bool all_rows;             /* every position of the timeline, else the rows asked for */
    char name[48];             /* of the dataset: "attn", "rows_attn", "hook_resid_post" */
    char layer_axis[56];       /* "" outside the blocks */
    int64_t *layers, n_layers; /* ascending; { -1 } outside the blocks */
} ns_plan_track;

typedef struct ns_plan_case {
    const ns_case *c;
    int64_t index;
    char group[24];        /* "case0000" */
    int64_t n;             /* T: positions of the timeline, prompt and answer but its last token */
    int64_t *rows, n_rows; /* positions asked for, ascending */
    int64_t block;         /* of pooled maps */
} ns_plan_case;

typedef struct ns_plan {
    const ns_arch *arch;
    const ns_cases *cases;
    ns_recorder_params params; /* defaults filled in; rows.positions and rows.span are ours */
    ns_plan_track *tracks;
    int n_tracks;
    ns_plan_case *list;                          /* one per case */
    int64_t *layers, n_layers;                   /* union over the tracks */
    int64_t n_heads;                           /* largest over layers */
    int64_t bin;                                 /* positions per bin of the stats */
} ns_plan;

int ns_plan_make(ns_plan *, const ns_arch *, const ns_cases *, const ns_recorder_params *, ns_error *);
void ns_plan_clear(ns_plan *);
int64_t ns_plan_bytes(const ns_plan *); /* saturates at INT64_MAX */

int64_t ns_track_rows(const ns_plan_track *, const ns_plan_case *); /* how many rows the case has in the track */
int64_t ns_track_position(const ns_plan_track *, const ns_plan_case *, int64_t row);
/* Index of the first row of the track at or after a position. */
int64_t ns_track_seek(const ns_plan_track *, const ns_plan_case *, int64_t position);
int64_t ns_track_layer(const ns_plan_track *, int64_t layer); /* index, -1 when the track has none */
const char *ns_track_row_axis(const ns_plan_track *);         /* "query" for dense maps, else "row" */
/* ns_point_axes; where no layer of the track has heads, and all have the same axes, those. */
const char *ns_track_axes(const ns_plan *, const ns_plan_track *);
/* What the track's point is, in words; where its layers differ, of each: "layers 0-2,4: ...; layer 3: ...". malloc'd; NULL: no memory. */
char *ns_track_formula(const ns_plan *, const ns_plan_track *);
/* Length of an axis of ns_track_axes within a case. */
int64_t ns_plan_axis(const ns_plan *, const ns_plan_track *, const ns_plan_case *, const char *axis, size_t n);
/* Axes of the track's values after layer and row, as lengths; returns how many. */
int ns_plan_dims(const ns_plan *, const ns_plan_track *, const ns_plan_case *, int64_t dims[NS_MAX_RANK]);
/* Chunk of a map: rows x keys. */
void ns_plan_chunk(const ns_plan_track *, const ns_plan_case *, int64_t *rows, int64_t *keys);
/* Key chunks [lo, hi) that rows [first, last] of the track can see at this layer. */
void ns_plan_key_chunks(const ns_plan *, const ns_plan_track *, const ns_plan_case *, int64_t layer, int64_t first, int64_t last,
                        int64_t *lo, int64_t *hi);

#endif
