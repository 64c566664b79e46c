/* score.h - a score run's insides: cases as they are scored, batches of sessions that share prefixes, results. Internal. */
#ifndef NS_SCORE_H
#define NS_SCORE_H

#include <needlescope/probe.h>

#include "core/core.h"
#include "dropped.h"
#include "weights_sample.h"

/* ---- batch.c: sessions for a list of cases, parents first ---- */
typedef struct ns_batch { ns_session **list; int64_t n, capacity; } ns_batch;
/* Case i of the list is delivered with index[i]. share: cases that begin alike share a trunk session. */
int  ns_batch_build(ns_batch *out, const ns_model *, const ns_case *const *cases, const int64_t *index, int64_t n, bool share, ns_error *);
void ns_batch_clear(ns_batch *);
/* A case with the positions that it goes through; in order, those that begin alike are neighbours: none shares more with one than with the
 * case before it or behind it. */
typedef struct ns_batch_case { const ns_case *c; int64_t index, length, rope_class; } ns_batch_case;
void    ns_batch_sort(ns_batch_case *, int64_t n);
int64_t ns_batch_common(const ns_batch_case *, const ns_batch_case *);      /* positions that they begin with alike */
/* Into params->rows, where it is asked for. */
void    ns_count_rows(const ns_score_params *, const ns_session *, int64_t positions);
/* Runs the cases, all at once or one at a time. NS_STOP when cancelled. */
int ns_run_list(const ns_model *, const ns_case *const *cases, const int64_t *index, int64_t n, const ns_hooks *, const ns_score_params *,
                ns_error *);
/* NS_E_ARG for a hook of the caller's whose rows none of the cases has; params->note is told where some lack one. */
int ns_check_hook_rows(const ns_hook *list, int n, const ns_case *const *cases, int64_t n_cases, const ns_score_params *, ns_error *);

/* ---- decode.c ---- */
typedef struct ns_decoding {
    const ns_hooks *hooks;
    int (*token)(void *user, int64_t case_index, int64_t position, int32_t token);       /* NS_STOP ends the case */
    void *user;
} ns_decoding;
int ns_decode_list(const ns_model *, const ns_case *const *cases, int64_t n, const ns_decoding *, const ns_score_params *, ns_error *);

/* ---- results ---- */
typedef struct ns_case_result {
    char   *id, *value_type, *template_name, *twin_of;    /* twin_of "": of none */
    int64_t length, n_tokens, n_answer, n_lead;
    int64_t n_mentions, n_distractors;       /* needle_answer spans, distractor_answer spans */
    int64_t prompt;            /* which prompt: the number that a case shares with its twins */
    double  depth, distance;   /* NaN: none */
    int32_t query_token;       /* at row T - 2, the paper's; -1 for a prompt of one token */
    int64_t content_right;     /* content tokens of the answer that greedy decoding would say, given the true ones before */
    bool    first_right;       /* the first content token */
} ns_case_result;

/* The whole value: greedy decoding would say it once the lead is there. */
static inline bool ns_case_answered(const ns_case_result *c) { return c->n_answer > 0 && c->content_right == c->n_answer - c->n_lead; }

/* resample.c: numbers the prompts of cases that are sorted by id; a case and its twins share a number, also where the case they are twins
 * of is not here. */
void ns_number_prompts(ns_case_result *out, const ns_case *const *cases, int64_t n);

/* ---- ranking.c ---- */
typedef struct ns_case_group { int64_t first, n; } ns_case_group;      /* cases of one value type and template; the first of them */
typedef struct ns_ranking {
    int64_t        resamples, n_groups, n_prompts, n_strata, n_pooled;
    uint64_t       seed;
    ns_case_group *groups;
    int64_t       *group_of, *stratum_of;                               /* [C] */
    float *low, *high, *top4, *top10, *chance, *answered, *missed;      /* [S, L, H] */
    float *jaccard4, *jaccard10;                                        /* [S] */
    float *spearman, *overlap;                                          /* [S, S] */
    float *by_group;                                                    /* [groups, S, L, H] */
    float *kind_low, *kind_high;                                        /* [S, NS_LAYER_MLP] */
} ns_ranking;
void ns_ranking_free(ns_ranking *);

/* ---- kinds.c ---- */
#define NS_STRONG 0.1f         /* and more: a retrieval head (Wu et al. 2024) */
/* 95 % interval of the share of strong heads that layers of each kind have, low and high [NS_LAYER_MLP], over values[resamples, L, H]; NaN
 * where no resample has any. */
int ns_rank_kinds(const ns_scores *, const float *values, int64_t resamples, double tail, float *low, float *high, ns_error *);
/* *p: how often `chosen` of the units, drawn without replacement, carry `least` or more of weight[units]. Exact: weights of 1 and 0 give
 * the hypergeometric tail. */
int ns_dealt_p(const int64_t *weight, int64_t units, int64_t chosen, int64_t least, double *p, ns_error *);

int ns_ranks(const float *values, int64_t n, double *out, ns_error *err);     /* from 0, ties averaged; no NaN */
int ns_spearman(const float *a, const float *b, int64_t n, double *out, ns_error *);      /* ties averaged, NaN pairs left out */

enum { NS_MAX_PROBES = 64, NS_MAX_OUTPUTS = 32, NS_MAX_SCORES = 256, NS_MAX_HOOKS = 256 };     /* of one run; more is an error */

struct ns_scores {
    int64_t         L, H;
    const ns_probe *probes[NS_MAX_PROBES];
    int             n_probes;
    const ns_score *defs[NS_MAX_SCORES];
    float          *values[NS_MAX_SCORES];        /* [L * H] */
    double         *known_chance[NS_MAX_SCORES];  /* [L * H] of even attention, else NULL */
    double          chance_level[NS_MAX_SCORES];  /* mean over heads; NaN: none */
    int             n_scores;
    float          *outputs[NS_MAX_PROBES][NS_MAX_OUTPUTS];   /* probe, output: over all of its axes */
    int64_t         n_cases;
    ns_extent       extent;            /* of its outputs' axes; the answer's: most content tokens of one */
    ns_case_result *cases;             /* by id */
    ns_drops        drops;
    ns_ranking     *ranking;           /* NULL before ns_scores_rank */
    int64_t        *group;             /* [L] query heads of a KV head; 0 = no attention */
    double         *scratch;           /* [2, L, H] of a reduction */
    const char    **kinds;             /* [L] */
    int64_t        *windows;           /* [L * H]; 0 = full */
    double         *thetas;            /* [L] as ns_arch_rope_theta */
    char          **scalings;          /* [L] as ns_arch_scaling_label */
    float           sample[NS_SAMPLE]; /* of the weights */
    char            sample_of[65];     /* hash of the tensors that it is of */
    uint8_t        *valid;             /* [L * H] */
    char           *special;           /* ids of the special tokens, "0,1,2"; "" for none */
    char            cases_sha256[65];
    ns_fact_list    made_with;         /* what is said of the model */
    bool            edited;            /* by hooks of the caller's: not the scores of the model that made_with names */
};

/* new -> drops (each case that is left out) -> take_cases (the rest, sorted) -> the pass -> reduce. *out is set on failure too. */
int ns_scores_new(ns_scores **out, const ns_model *, const ns_probe *const *probes, int n_probes, ns_error *);
typedef struct ns_scoring ns_scoring;
int ns_scores_take_cases(const ns_scoring *);
int ns_scores_reduce(ns_scores *, ns_error *);
/* Is score k made of the outputs of the cases (true), or given by its probe? */
bool ns_scores_by_case(const ns_scores *, int k);
/* Score k [L, H] with case i counted weights[i] times (NULL: once each). Sums run in f64 in the order of the cases. */
void ns_scores_weigh(const ns_scores *, int k, const uint16_t *weights, float *out);
/* The outputs [C, L, H] that a score is a quotient of; NULL: it has none. */
const float *ns_scores_of(const ns_scores *, int k);
const float *ns_scores_over(const ns_scores *, int k);
/* The same where there is nothing to find; NaN when the score has no such control. */
void ns_scores_chance(const ns_scores *, int k, float *out);
/* The mean of that over the heads that have one. */
double ns_scores_chance_level(const ns_scores *, int k);
/* ns_scores_write with facts that go before the model's. */
int  ns_scores_write_as(const ns_scores *, const char *path, const ns_fact_list *facts, const ns_provenance *by, ns_error *);
static inline int64_t ns_scores_size(const ns_scores *s) { return s->L * s->H; }
/* The parsed axes of an output, which are good since ns_scores_new; cells of one case, or of all where it has no such axis. */
ns_axes ns_output_layout(const ns_output *);
int64_t ns_output_size(const ns_scores *, const ns_output *);
int    ns_scores_probe(const ns_scores *, int k);                        /* index of the probe of score k */

/* ---- chance.c ---- */
/* Of a head of score k, where it is not measured: a constant, or of even attention; NaN: not known. */
double ns_scores_known_chance(const ns_scores *, int k, int64_t head);

/* ---- one run ---- */
struct ns_scoring {
    const ns_model *model;
    const ns_score_params *params;
    const ns_cases *given;
    ns_scores      *scores;
    const ns_case **cases;             /* sorted, then those that stay */
    int64_t        *index;
    int64_t         n_cases;
    char           *states[NS_MAX_PROBES];      /* [n_cases * state_size] */
    int64_t         begun[NS_MAX_PROBES];       /* cases whose begin has run */
    bool            measured;                   /* the scores' extent stands */
    ns_error       *err;
};
/* choose.c: into out[NS_MAX_PROBES]; into r->cases, r->index and r->n_cases (those that are dropped are counted in the scores). */
int ns_choose_probes(const ns_score_params *, const ns_probe **out, int *n, ns_error *);
int ns_choose_cases(ns_scoring *, const ns_cases *);
int ns_fit_probes(ns_scoring *);                    /* fit.c: those that learn */
int ns_scoring_context(const ns_scoring *, const ns_probe *, const ns_case *, ns_probe_context *out);
int ns_scoring_chance(const ns_scoring *);          /* chance.c: what is known of every score's before a placebo is looked at */

#endif
