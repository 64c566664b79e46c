/* recorded.h - a case of a recording, and what it keeps of the attention of its heads: each list and each number checked against the
 * others. Internal: figures and pages read it. */
#ifndef NS_FIGURE_RECORDED_H
#define NS_FIGURE_RECORDED_H

#include <needlescope/figure.h>
#include <needlescope/record.h>

/* How a case's attention lies in the file; NONE: statistics alone, or no pattern at all. */
typedef enum ns_recorded_maps { NS_RECORDED_NONE, NS_RECORDED_DENSE, NS_RECORDED_ROWS, NS_RECORDED_TOPK,
                                NS_RECORDED_POOLED } ns_recorded_maps;

typedef struct ns_recorded {
    const ns_file   *f;                   /* borrowed */
    char            *group, *id;
    ns_recorded_maps maps;
    char            *map;                 /* "/case0000/attn", pool_max, topk_value */
    int64_t         *layers, n_layers;    /* those that the map has, ascending */
    int64_t          n_heads, n_keys;
    int64_t         *rows, n_rows;        /* query positions; rows NULL: 0, 1, 2 ... Of pooled maps the first position of each block */
    int64_t          k;                   /* of top-k: cells of a row */
    ns_figure_span  *spans;  int64_t n_spans;
    char           **span_names;
} ns_recorded;

/* The ids and groups of the cases: each malloc'd, of malloc'd texts. */
int  ns_recorded_cases(const ns_file *, char ***ids, char ***groups, int64_t *n, ns_error *);
/* The case with its axes; the kinds of maps that are wanted (bits 1 << ns_recorded_maps) are looked for in the order dense, rows, topk,
 * pooled. NS_E_FORMAT where lists contradict each other. Ends with ns_recorded_clear, after an error too. */
int  ns_recorded_open(ns_recorded *, const ns_file *, const char *id, const char *group, unsigned wanted, ns_error *);
int  ns_recorded_read_spans(ns_recorded *, ns_error *);
void ns_recorded_clear(ns_recorded *);

/* Place of a layer among those recorded; -1: it is none of them. */
int64_t ns_recorded_layer(const ns_recorded *, int64_t layer);
/* The rows [from, from + n) of a head of dense maps or of rows: out[n, n_keys]. layer: the model's own number. NS_E_FORMAT where a weight
 * is none that such a layer can have. */
int  ns_recorded_part(const ns_recorded *, int64_t layer, int64_t head, int64_t from, int64_t n, float *out, ns_error *);
/* All rows of it: malloc'd; of pooled maps value[n_rows, n_rows], NaN where no row of the block sees a key of it. */
int  ns_recorded_map(const ns_recorded *, int64_t layer, int64_t head, float **out, ns_error *);
/* Of top-k: keys and cells [n_rows, k], malloc'd; -1 and 0: there is none. */
int  ns_recorded_topk(const ns_recorded *, int64_t layer, int64_t head, int64_t **keys, float **cells, ns_error *);
/* Keys that a row of the head sees; 0 = all, or the recording does not say. */
int  ns_recorded_window(const ns_file *, int64_t layer, int64_t head, int64_t *out, ns_error *);
/* A list of whole numbers of the case's group; *n: how many there must be, or NS_ANY. malloc'd. */
int  ns_recorded_numbers(const ns_recorded *, const char *name, int64_t *n, int64_t **out, ns_error *);
/* NS_E_FORMAT where a row of map[n_rows, n_keys] has weight on a key behind it or before its window. */
int  ns_recorded_check_seen(const ns_recorded *, const float *map, int64_t window, ns_error *);

#endif
