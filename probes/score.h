/* score.h - a score run's insides: cases as they are scored, batches of sessions that share prefixes, results. Internal. */
#ifndef NS_SCORE_H
#define NS_SCORE_H

#include <needlescope/probe.h>

#include "core/core.h"

/* ---- batch.c: sessions for a list of cases, parents first ---- */
typedef struct ns_batch { ns_session **list; int64_t n, capacity; } ns_batch;
/* Case i of the list is delivered with index[i]. share: cases that begin alike share a trunk session. */
int  ns_batch_build(ns_batch *out, const ns_model *, const ns_case *const *cases, const int64_t *index, int64_t n, bool share, ns_error *);
void ns_batch_clear(ns_batch *);
/* Positions that a case takes: the prompt and all of the answer but its last token, which no row needs. */
int64_t ns_case_length(const ns_case *);
/* Runs the cases, all at once or one at a time. NS_STOP when cancelled. */
int ns_run_list(const ns_model *, const ns_case *const *cases, const int64_t *index, int64_t n, const ns_hooks *, const ns_score_params *, ns_error *);

/* ---- results ---- */
typedef struct ns_case_result {
    char   *id, *value_type, *template_name;
    int64_t length, n_tokens, n_answer, n_lead;
    double  depth;             /* NaN: none */
    int32_t query_token;       /* at row T - 2, the paper's; -1 for a prompt of one token */
    int64_t content_right;     /* content tokens of the answer that greedy decoding would say, given the true ones before */
    bool    first_right;       /* the first content token */
} ns_case_result;

/* The whole value: greedy decoding would say it once the lead is there. */
static inline bool ns_case_answered(const ns_case_result *c) { return c->n_answer > 0 && c->content_right == c->n_answer - c->n_lead; }

enum { NS_MAX_PROBES = 64, NS_MAX_OUTPUTS = 32, NS_MAX_SCORES = 256 };     /* of one run; more is an error */

struct ns_scores {
    int64_t         L, H;
    const ns_probe *probes[NS_MAX_PROBES];
    int             n_probes;
    const ns_score *defs[NS_MAX_SCORES];
    float          *values[NS_MAX_SCORES];        /* [L * H] */
    int             n_scores;
    float          *outputs[NS_MAX_PROBES][NS_MAX_OUTPUTS];   /* probe, output: [n_cases, L, H] */
    int64_t         n_cases, A;        /* A: most content tokens of an answer */
    ns_case_result *cases;             /* by id */
    ns_dropped     *dropped;
    char          **reasons;           /* what dropped[].reason points to */
    int             n_dropped;
    const char    **kinds;             /* [L] */
    int64_t        *windows;           /* [L * H]; 0 = full */
    uint8_t        *valid;             /* [L * H] */
    char            cases_sha256[65], weights_sha256[65], kernel_class[64];
};

/* new -> drop (each case that is left out) -> take_cases (the rest, sorted) -> the pass -> reduce. *out is set on failure too. */
int ns_scores_new(ns_scores **out, const ns_model *, const ns_probe *const *probes, int n_probes, ns_error *);
int ns_scores_drop(ns_scores *, const char *reason, const char *id, ns_error *);
int ns_scores_take_cases(ns_scores *, const ns_case *const *cases, int64_t n, ns_error *);
int ns_scores_reduce(ns_scores *, const ns_model *, ns_error *);
static inline int64_t ns_scores_size(const ns_scores *s) { return s->L * s->H; }
static inline int64_t ns_output_size(const ns_scores *s, const ns_output *o) { return (o->by_answer ? s->A : 1) * s->L * s->H; }   /* of one case */

#endif
