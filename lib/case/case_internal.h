/* case_internal.h - limits that the reader and the checks share. Internal. */
#ifndef NS_CASE_INTERNAL_H
#define NS_CASE_INTERNAL_H

#include <needlescope/case.h>

#include "core/core.h"

enum {
    NS_CASE_JSON_DEPTH = 16,
    NS_CASE_MAX_SPANS = 4096,          /* span names are compared pairwise */
    NS_CASE_MAX_LINE = 1 << 29,        /* bytes of a line: a hundred million ids */
    NS_CASE_MAX_REST = 1 << 24,        /* bytes of a line without its ids: they become a tree of JSON */
};

/* The lists of a line, cut out of it: its tokens and its answer. */
enum { NS_CASE_TOKENS, NS_CASE_ANSWER, NS_CASE_N_IDS };
typedef struct ns_case_ids { int32_t *list; int64_t n; bool bad; } ns_case_ids;      /* bad: element n is no id */
/* The line is valid JSON and ends with a NUL at *n; *n becomes its length without the ids. */
int  ns_case_cut_ids(char *line, size_t *n, ns_case_ids[NS_CASE_N_IDS], const char *label, ns_error *);
void ns_case_ids_clear(ns_case_ids[NS_CASE_N_IDS]);

/* Spans that are in the prompt: do any two count the same tokens (two mentions of one role; the needle and a distractor or placebo), and
 * is every mention of the answer as long as the first? */
int  ns_case_check_roles(const ns_case *, ns_error *);

#endif
