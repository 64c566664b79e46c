/* headmaps.h - a score of every head at one checkpoint of a study or a score file, as a map to be drawn. */
#ifndef NS_FIGURE_HEADMAPS_H
#define NS_FIGURE_HEADMAPS_H

#include "figure/files.h"

/* What figure points at is the map's own; name: of the score, "" until it is given. */
typedef struct ns_head_map {
    float   *score;
    ns_head *marks;
    int     *kind;
    int64_t *window, *layer;
    char    *name, *model;
    ns_heads_figure figure;
} ns_head_map;

/* Run and step of the study by their index. Ends with ns_head_map_clear, after an error too. */
int  ns_head_map_read(ns_head_map *, ns_study *, const char *score, int64_t run, int64_t step, ns_error *);
/* Takes the name: malloc'd, NULL is out of memory. */
int  ns_head_map_name(ns_head_map *, char *name, ns_error *);
/* The layers that look->layers names, in place of all; *hidden grows by the marks in others. */
int  ns_head_map_keep(ns_head_map *, const ns_figure_params *look, int64_t *hidden, ns_error *);
void ns_head_map_clear(ns_head_map *);

/* One scale for n maps: all of them are told what numbers there are. */
void ns_head_maps_share_range(ns_head_map *, int n);

#endif
