/* list.h - what readers and writers of head lists share. Internal. */
#ifndef NS_HEADS_LIST_H
#define NS_HEADS_LIST_H

#include <needlescope/head_list.h>

#include "core/core.h"

typedef struct ns_list_maker {
    ns_head_list *list;
    int64_t       capacity, trials_capacity;
    const char   *label;
    ns_error     *err;
} ns_list_maker;

/* "13-18" or "13.18", the whole text; false: it is no head. */
int  ns_compare_heads(const void *a, const void *b);                 /* of two ns_head: by layer, then by head */
bool ns_head_of_text(const char *text, ns_head *out);
/* A head behind those that are there. NS_E_FORMAT for a layer or head that is none. */
int  ns_list_add(ns_list_maker *, double layer, double head, double score, bool chosen);
/* The same, of the trials [n] that stand at the end of the list's; their mean is the score. */
int  ns_list_add_trial(ns_list_maker *, double value);
int  ns_list_add_mean(ns_list_maker *, ns_head, int64_t n);

/* list_json.c: NS_E_FORMAT for JSON that is none of the lists. */
int ns_list_parse_json(ns_list_maker *, const char *text, size_t n);
/* list_text.c: names, and the table of duo. */
int ns_list_parse_names(ns_list_maker *, const char *text);
int ns_list_parse_table(ns_list_maker *, const char *text);

#endif
