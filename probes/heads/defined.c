/* defined.c - a definition becomes a probe: what its hook asks for, its outputs and its score. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pattern.h"

unsigned ns_pattern_accepts(const ns_pattern *p)
{
    const bool normalises = p->stat == NS_PS_ENTROPY || p->stat == NS_PS_ENTROPY_NORM ||
                            ((p->stat == NS_PS_MASS || p->stat == NS_PS_MEAN) && (p->exclude.n > 0 || p->exclude_special));
    return normalises ? NS_ACCEPTS_SOFTMAX : NS_ACCEPTS_SOFTMAX | NS_ACCEPTS_UNROLLED;
}

/* Rows from the prompt's end are those before the answer's first row, T - 1: NS_ROWS_PROBE with so many before it. */
ns_rows ns_pattern_hook_rows(const ns_pattern *p, const ns_pattern_list **list)
{
    int64_t back = p->rows == NS_PR_LAST ? p->last : 0, forward = 0;
    for (int i = 0; i < p->row_list.n; i++) {
        back = -p->row_list.at[i] > back ? -p->row_list.at[i] : back;
        forward += p->row_list.at[i] >= 0;
    }
    *list = &p->row_list;
    switch (p->rows) {
    case NS_PR_ANSWER: case NS_PR_FIRST:
        return (ns_rows){.kind = NS_ROWS_ANSWER};
    case NS_PR_BEFORE:
        return (ns_rows){.kind = NS_ROWS_PROBE};
    case NS_PR_SPAN:
        return (ns_rows){.kind = NS_ROWS_SPAN, .span = p->row_span};
    case NS_PR_LAST:
        return back == 1 ? (ns_rows){.kind = NS_ROWS_ANSWER} : (ns_rows){.kind = NS_ROWS_PROBE, .n = back - 1};
    case NS_PR_LIST:
        if (forward == p->row_list.n)
            return (ns_rows){.kind = NS_ROWS_LIST, .n = p->row_list.n, .positions = p->row_list.at};
        if (forward == 0)
            return back == 1 ? (ns_rows){.kind = NS_ROWS_ANSWER} : (ns_rows){.kind = NS_ROWS_PROBE, .n = back - 1};
        break;
    case NS_PR_ALL:
        break;
    }
    return (ns_rows){.kind = NS_ROWS_ALL};
}

typedef struct defined {       /* a user's probe and all it points to */
    ns_probe   probe;
    ns_output  outputs[2];
    ns_score   score;
    ns_pattern pattern;
    char      *json, *summary, *from;
    char       of[NS_PATTERN_NAME + 8], over[NS_PATTERN_NAME + 8];
} defined;

static int copy_texts(defined *d, size_t n, const char *label, ns_error *err)
{
    cJSON *object = NULL;
    const char *summary, *from;
    int rc = ns_json_parse(&object, d->json, n, NS_PATTERN_DEPTH, label, err);
    if (rc == NS_OK)
        rc = ns_json_str(object, "summary", &summary, label, err);
    if (rc == NS_OK)
        rc = ns_json_str(object, "from", &from, label, err);
    if (rc == NS_OK) {
        d->summary = summary ? ns_strdup(summary) : ns_printf_alloc("%s, as defined in %s", d->pattern.name, label);
        d->from = ns_strdup(from ? from : "a definition of the user's");
        rc = d->summary && d->from ? NS_OK : ns_oom(err, "a probe's definition");
    }
    cJSON_Delete(object);
    return rc;
}

static int fill(defined *d, size_t n, const char *label, ns_error *err)
{
    const int rc = copy_texts(d, n, label, err);
    if (rc != NS_OK)
        return rc;
    const bool hits = d->pattern.stat == NS_PS_ARGMAX_HIT;
    const ns_pattern_list *list;
    snprintf(d->of, sizeof d->of, hits ? "%s_hits" : "case_%s", d->pattern.name);
    snprintf(d->over, sizeof d->over, "%s_events", d->pattern.name);
    d->outputs[0] = (ns_output){.name = d->of, .dtype = hits ? NS_U8 : NS_F32, .summary = d->summary};
    d->outputs[1] = (ns_output){.name = d->over, .dtype = NS_U8, .summary = "rows that were judged"};
    d->score = (ns_score){.name = d->pattern.name, .of = d->of, .over = hits ? d->over : NULL, .summary = d->summary, .paper = d->from,
                          .best = d->pattern.best, .chance = (double)NAN};
    d->score.lo = d->pattern.stat == NS_PS_RANK;
    d->score.hi = d->pattern.stat == NS_PS_RANK || d->pattern.stat == NS_PS_ENTROPY ? (double)INFINITY : 1;
    d->probe = (ns_probe){
        .name = d->pattern.name, .summary = d->summary, .paper = d->from, .at = "blocks.*.attn.hook_pattern",
        .rows = ns_pattern_hook_rows(&d->pattern, &list),
        .accepts = ns_pattern_accepts(&d->pattern), .state_size = NS_PATTERN_STATE, .outputs = d->outputs, .n_outputs = hits ? 2 : 1,
        .scores = &d->score, .n_scores = 1, .rejects = ns_pattern_rejects, .begin = ns_pattern_begin, .see = ns_pattern_see,
        .end = ns_pattern_end,
        .definition = d->json,
    };
    return NS_OK;
}

int ns_probe_from_json(ns_probe **out, const char *json, size_t n, const char *label, ns_error *err)
{
    defined *const d = ns_alloc_array(1, sizeof *d);
    *out = NULL;
    if (d)
        d->json = ns_alloc_array(n + 1, 1);
    int rc = d && d->json ? NS_OK : ns_oom(err, "a probe's definition");
    if (rc == NS_OK) {
        memcpy(d->json, json, n);
        rc = ns_pattern_parse(&d->pattern, json, n, label, err);
    }
    if (rc == NS_OK)
        rc = fill(d, n, label, err);
    if (rc != NS_OK)
        ns_probe_free(d ? &d->probe : NULL);
    else
        *out = &d->probe;
    return rc;
}

void ns_probe_free(ns_probe *probe)
{
    defined *const d = (defined *)probe;       /* its first member */
    if (!d)
        return;
    free(d->json);
    free(d->summary);
    free(d->from);
    free(d);
}
