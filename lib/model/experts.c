/* experts.c - the operations of mixtures of experts: which experts a row chooses, and the rows of each through it.
 *
 * A choice depends on the row's own logits; an expert's products on its own rows; a row's sum runs over its experts in the order of their
 * numbers. So what else is in the band changes nothing, and an expert that no row chose is not touched. */
#include "model/tape.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- the choice ---- */

typedef struct route_job {
    const ns_math   *math;
    const ns_router *r;
    const float     *bias;             /* [n_experts] or NULL */
    ns_cols          logits, out, score, rank;     /* score: the weights before they are chosen; rank: what is chosen by */
} route_job;

static double sum_of(const float *x, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += (double)x[i];
    return sum;
}

static void softmax(const ns_math *math, float *x, int64_t n)
{
    const float max = math->max(x, n);
    for (int64_t i = 0; i < n; i++)
        x[i] -= max;
    math->exp(x, x, n);
    math->scale(x, n, (float)(1.0 / sum_of(x, n)));
}

/* The largest of x that is not taken; -inf takes a number out. The first where all are out or NaN. */
static int64_t best_of(const ns_math *math, const float *x, int64_t n)
{
    const int64_t at = math->argmax(x, n);
    return at < 0 ? 0 : at;
}

/* The best of a group, or the sum of its best two. */
static float group_score(const float *x, int64_t n, int64_t best)
{
    float first = -INFINITY, second = -INFINITY;
    for (int64_t i = 0; i < n; i++) {
        second = x[i] > first ? first : x[i] > second ? x[i] : second;
        first = x[i] > first ? x[i] : first;
    }
    return best == 1 ? first : first + second;
}

/* Only the experts of the best groups can be chosen. */
static void leave_groups(const route_job *j, float *rank)
{
    const ns_router *const r = j->r;
    const int64_t n = r->n_experts / r->groups;
    float score[NS_MAX_GROUPS];
    for (int64_t g = 0; g < r->groups; g++)
        score[g] = group_score(rank + g * n, n, r->group_best);
    for (int64_t i = 0; i < r->group_top_k; i++)
        score[best_of(j->math, score, r->groups)] = -INFINITY;
    for (int64_t g = 0; g < r->groups; g++)
        for (int64_t e = 0; e < n && score[g] != -INFINITY; e++)
            rank[g * n + e] = -INFINITY;
}

/* score [E] <- weights before they are chosen; rank [E] <- what is chosen by. */
static void prepare(const route_job *j, const float *logits, float *score, float *rank)
{
    const ns_router *const r = j->r;
    const int64_t E = r->n_experts;
    memcpy(score, logits, (size_t)E * sizeof *score);
    if (r->routing == NS_ROUTING_SOFTMAX)
        softmax(j->math, score, E);
    else if (r->routing == NS_ROUTING_SIGMOID)
        j->math->sigmoid(score, score, E);
    memcpy(rank, j->bias || r->groups ? score : logits, (size_t)E * sizeof *rank);
    if (j->bias)
        j->math->add(rank, rank, j->bias, E);
    if (r->groups)
        leave_groups(j, rank);
}

static void route_row(const void *job, int64_t row)
{
    const route_job *const j = job;
    const ns_router *const r = j->r;
    float *const score = ns_cols_at(j->score, row), *const rank = ns_cols_at(j->rank, row);
    float *const id = ns_cols_at(j->out, row), *const weight = id + r->top_k;
    prepare(j, ns_cols_at(j->logits, row), score, rank);
    for (int64_t i = 0; i < r->top_k; i++) {
        const int64_t e = best_of(j->math, rank, r->n_experts);
        id[i] = (float)e;
        weight[i] = score[e];
        rank[e] = -INFINITY;
    }
    if (r->routing == NS_ROUTING_SOFTMAX_CHOSEN)
        softmax(j->math, weight, r->top_k);
    if (r->normalise)
        j->math->scale(weight, r->top_k, (float)(1.0 / sum_of(weight, r->top_k)));
    if (r->scale != 1.0f)
        j->math->scale(weight, r->top_k, r->scale);
}

ns_cols ns_band_route(ns_band *b, const ns_router *r, ns_cols logits, int bias)
{
    const route_job j = {.math = b->p->math, .r = r, .bias = b->weights->gains[bias].gain, .logits = logits,
                         .out = ns_band_new(b, 2 * r->top_k), .score = ns_band_new(b, r->n_experts), .rank = ns_band_new(b, r->n_experts)};
    if (b->rc != NS_OK)
        return (ns_cols){0};
    ns_each_row(b, b->rows, route_row, &j);
    ns_tape_route(b, r, logits, j.score, j.out);
    return j.out;
}

/* ---- rows of an expert ---- */

typedef struct share_job { const ns_math *math; const ns_share *list; ns_cols from, to, scaled; bool weigh; } share_job;

static void gather_row(const void *job, int64_t row)
{
    const share_job *const j = job;
    float *const x = ns_cols_at(j->to, row);
    memcpy(x, ns_cols_at(j->from, j->list[row].row), (size_t)j->to.n * sizeof *x);
    if (j->weigh)
        j->math->scale(x, j->to.n, j->list[row].weight);
}

/* Rows of one expert are different rows of the band. */
static void scatter_row(const void *job, int64_t row)
{
    const share_job *const j = job;
    float *const x = ns_cols_at(j->scaled, row), *const out = ns_cols_at(j->to, j->list[row].row);
    if (j->scaled.sheet != j->from.sheet)
        memcpy(x, ns_cols_at(j->from, row), (size_t)j->from.n * sizeof *x);
    if (j->weigh)
        j->math->scale(x, j->from.n, j->list[row].weight);
    j->math->add(out, out, x, j->to.n);
}

/* The rows that chose the expert, and by how much; an edit may have named it twice. */
static int64_t shares_of(const ns_band *b, const ns_router *r, ns_cols choices, int64_t expert, ns_share *list)
{
    int64_t n = 0;
    for (int64_t row = 0; row < b->rows; row++) {
        const float *const id = ns_cols_at(choices, row), *const weight = id + r->top_k;
        bool chosen = false;
        float sum = 0;
        for (int64_t i = 0; i < r->top_k; i++)
            if (id[i] == (float)expert) {
                sum += weight[i];
                chosen = true;
            }
        if (chosen)
            list[n++] = (ns_share){row, sum};
    }
    return n;
}

typedef struct experts_job {
    const ns_router *r;
    ns_cols          in, out, choices;
    bool             weigh_input;
    ns_expert_fn     fn;
    const void      *params;
    ns_share        *list;
} experts_job;

/* The expert's rows, through it. */
static int run_rows(ns_band *own, const experts_job *j)
{
    const ns_math *const math = own->p->math;
    const ns_share *const list = own->tape ? ns_tape_shares(own, j->list, own->rows) : j->list;
    share_job s = {.math = math, .list = list, .from = j->in, .to = ns_band_new(own, j->in.n), .weigh = j->weigh_input};
    if (own->rc != NS_OK)
        return own->rc;
    ns_each_row(own, own->rows, gather_row, &s);
    ns_tape_gather(own, j->in, s.to, j->choices, j->r, own->expert, list, j->weigh_input);
    s.from = j->fn(own, j->params, s.to);
    s.scaled = ns_taped_out(own, s.from);
    s.to = j->out;
    s.weigh = !j->weigh_input;
    if (own->rc != NS_OK)
        return own->rc;
    ns_each_row(own, own->rows, scatter_row, &s);
    ns_tape_scatter(own, s.from, j->out, j->choices, j->r, own->expert, list, s.weigh);
    return own->rc;
}

/* One expert: its rows in a band of their own, whose sheets are free again afterwards, but for those that a tape keeps. */
static int run_expert(ns_band *b, const experts_job *j, int64_t expert)
{
    ns_band own = *b;
    own.rows = shares_of(b, j->r, j->choices, expert, j->list);
    own.n_members = 0;
    own.expert = expert;
    if (own.rows == 0)
        return NS_OK;
    own.rc = ns_weights_expert(b->p->model, b->branch, b->weights, expert, b->p->err);
    const int rc = own.rc != NS_OK ? own.rc : run_rows(&own, j);
    b->used = b->tape ? own.used : b->used;
    return rc;
}

/* Numbers that an edit has put there. */
static int check_choices(const ns_band *b, const ns_router *r, ns_cols choices)
{
    for (int64_t row = 0; row < b->rows; row++)
        for (int64_t i = 0; i < r->top_k; i++) {
            const float id = ns_cols_at(choices, row)[i];
            if (!(id >= 0 && id < (float)r->n_experts) || id != floorf(id))
                return ns_fail(b->p->err, NS_E_ARG,
                               "blocks.%lld.mlp.hook_experts: an edit chose expert %g: a whole number from 0 to %lld is needed",
                               (long long)b->layer, (double)id, (long long)r->n_experts - 1);
        }
    return NS_OK;
}

ns_cols ns_band_experts(ns_band *b, const ns_router *r, ns_cols in, ns_cols choices, bool weigh_input, ns_expert_fn expert,
                        const void *params)
{
    experts_job j = {r, in, ns_band_new(b, in.n), choices, weigh_input, expert, params, NULL};
    if (b->rc != NS_OK)
        return (ns_cols){0};
    j.list = ns_alloc_array((size_t)b->rows, sizeof *j.list);
    b->rc = j.list ? check_choices(b, r, choices) : ns_oom(b->p->err, "the rows of experts");
    memset(ns_cols_at(j.out, 0), 0, (size_t)(b->rows * j.out.n) * sizeof(float));
    for (int64_t e = 0; e < r->n_experts && b->rc == NS_OK; e++)
        b->rc = run_expert(b, &j, e);
    free(j.list);
    return b->rc == NS_OK ? j.out : (ns_cols){0};
}

/* ---- bounds of a gated MLP ---- */

typedef struct bound_job { ns_cols gate, up; float limit, offset; } bound_job;

static void bound_row(const void *job, int64_t row)
{
    const bound_job *const j = job;
    float *const gate = ns_cols_at(j->gate, row), *const up = ns_cols_at(j->up, row);
    for (int64_t i = 0; i < j->gate.n && j->limit > 0; i++) {
        gate[i] = gate[i] > j->limit ? j->limit : gate[i];
        up[i] = up[i] > j->limit ? j->limit : up[i] < -j->limit ? -j->limit : up[i];
    }
    for (int64_t i = 0; i < j->up.n; i++)
        up[i] += j->offset;
}

void ns_band_bound(ns_band *b, ns_cols gate, ns_cols up, float limit, float offset)
{
    const bound_job j = {gate, up, limit, offset};
    if (b->rc != NS_OK || (limit == 0 && offset == 0))
        return;
    ns_each_row(b, b->rows, bound_row, &j);
    ns_tape_bound(b, gate, up, limit, offset);
}

/* ---- sums ---- */

typedef struct plus_job { const ns_math *math; ns_cols x, y; bool weigh; } plus_job;

static void plus_row(const void *job, int64_t row)
{
    const plus_job *const j = job;
    float *const x = ns_cols_at(j->x, row);
    if (j->weigh)
        j->math->scale(x, j->x.n, *ns_cols_at(j->y, row));
    else
        j->math->add(x, x, ns_cols_at(j->y, row), j->x.n);
}

ns_cols ns_band_plus(ns_band *b, ns_cols x, ns_cols y)
{
    const plus_job j = {b->p->math, x, y, false};
    if (b->rc == NS_OK)
        ns_each_row(b, b->rows, plus_row, &j);
    ns_tape_share(b, y, x, 1, true);           /* what x gives back it had anyway */
    return x;
}

ns_cols ns_band_switch(ns_band *b, ns_cols x, ns_cols y)
{
    const plus_job j = {b->p->math, x, y, true};
    for (int64_t row = 0; row < b->rows && b->rc == NS_OK; row++)
        b->p->math->sigmoid(ns_cols_at(y, row), ns_cols_at(y, row), 1);
    if (b->rc == NS_OK)
        ns_each_row(b, b->rows, plus_row, &j);
    ns_tape_switch(b, x, y);
    return x;
}
