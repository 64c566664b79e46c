/* weights.c - tensors of the checkpoint become packed weights: read rows -> widen -> check finite -> pack -> narrow again, a panel a task.
 *
 * A packed weight may be several trefs stacked by rows (q, k, v; gate, up), so that one product serves them all. What the checkpoint
 * stores in 16 bits is kept in 16 bits: half the memory, and the same numbers, for widening is exact. */
#include "model/weights.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* first: output row of the stack; whole: all elements of a transposed matrix, whose rows are spread over the file, or NULL. */
typedef struct part { const ns_tref *ref; ns_source from; int64_t first; float *whole; } part;

typedef struct pack_job {
    const ns_model *model;
    part     parts[NS_STACK_MOST];
    int      n_parts;
    ns_weight *w;
    ns_buffer *rows;           /* [workers]: 32 rows of K, then a panel of them */
    int      *failed;          /* [panels] code of the panel */
} pack_job;

/* How a stack is kept: as its tensors are stored when that is one 16-bit type, else in f32. */
ns_dtype ns_stack_dtype(const ns_checkpoint *c, const ns_stack *s)
{
    ns_dtype kept = NS_F32;
#ifndef NS_GEMM_OPENBLAS
    for (int i = 0; i < s->n; i++) {
        ns_source from;
        const bool found = ns_tref_source(s->ref[i], c, s->expert, &from, NULL) == NS_OK;
        const ns_dtype stored = found ? ns_source_view(&from).dtype : NS_F32;
        if ((stored != NS_BF16 && stored != NS_F16) || (i > 0 && stored != kept))
            return NS_F32;
        kept = stored;
    }
#else
    (void)c;
    (void)s;
#endif
    return kept;
}

static int64_t source_row(const ns_tref *r, int64_t o)
{
    return r->start + o / r->group * r->stride + o % r->group;
}

/* How many rows from o on lie one behind the other in the file. */
static int64_t run_of_rows(const ns_tref *r, int64_t o, int64_t n)
{
    int64_t run = 1;
    while (run < n && source_row(r, o + run) == source_row(r, o) + run)
        run++;
    return run;
}

/* Rows [o, o + n) of a tref into out (row stride K). */
static int read_rows(const part *p, int64_t o, int64_t n, float *out, ns_error *err)
{
    const ns_tref *r = p->ref;
    int rc = NS_OK;
    for (int64_t i = 0, run; !p->whole && i < n && rc == NS_OK; i += run) {
        run = run_of_rows(r, o + i, n - i);
        rc = ns_source_read(&p->from, source_row(r, o + i) * r->n_in, run * r->n_in, out + i * r->n_in, err);
    }
    for (int64_t k = 0; p->whole && k < r->n_in; k++)
        for (int64_t i = 0; i < n; i++)
            out[i * r->n_in + k] = p->whole[k * (p->from.n / r->n_in) + source_row(r, o + i)];
    return rc;
}

static int non_finite(const part *p, int64_t o, const float *row, ns_error *err)
{
    int64_t at = source_row(p->ref, o);
    const ns_tensor *const t = ns_source_at(&p->from, &at);
    for (int64_t k = 0; k < p->ref->n_in; k++)
        if (!isfinite(row[k]))
            return ns_fail(err, NS_E_NUMERIC,
                           "%s: tensor '%s': value %g at row %lld, column %lld; the checkpoint is damaged or training diverged",
                           t->file, t->name, (double)row[k], (long long)at, (long long)k);
    return NS_OK;
}

/* One panel: up to 32 rows, which may span two parts. */
static int read_panel(const pack_job *j, int64_t panel, float *rows, ns_error *err)
{
    int64_t n0 = panel * NS_PANEL, n1 = n0 + NS_PANEL < j->w->n ? n0 + NS_PANEL : j->w->n;
    for (int i = 0; i < j->n_parts; i++) {
        const part *p = &j->parts[i];
        int64_t a = n0 > p->first ? n0 : p->first, b = p->first + p->ref->n_out;
        b = b < n1 ? b : n1;
        if (a >= b)
            continue;
        float *at = rows + (a - n0) * j->w->k;
        int rc = read_rows(p, a - p->first, b - a, at, err);
        for (int64_t o = a; o < b && rc == NS_OK; o++)
            if (!j->model->engine->math->all_finite(at + (o - a) * j->w->k, j->w->k))
                rc = non_finite(p, o - p->first, at + (o - a) * j->w->k, err);
        if (rc != NS_OK)
            return rc;
    }
    return NS_OK;
}

static void pack_panel(void *user, int64_t panel, int worker)
{
    pack_job *j = user;
    float *rows = j->rows[worker].data;
    j->failed[panel] = read_panel(j, panel, rows, NULL);
    if (j->failed[panel])
        return;
    int64_t n = j->w->n - panel * NS_PANEL < NS_PANEL ? j->w->n - panel * NS_PANEL : NS_PANEL;
    const int64_t floats = NS_PANEL * j->w->k;
    const ns_math *const math = j->model->engine->math;
#ifdef NS_GEMM_OPENBLAS
    (void)math;
    memcpy((float *)j->w->packed + panel * floats, rows, (size_t)(n * j->w->k) * sizeof *rows);
#else
    float *const out = j->w->dtype == NS_F32 ? (float *)j->w->packed + panel * floats : rows + floats;
    ns_pack_rows(out, rows, n, j->w->k, j->w->k);
    if (j->w->dtype == NS_BF16)
        math->f32_to_bf16((uint16_t *)j->w->packed + panel * floats, out, floats);
    else if (j->w->dtype == NS_F16)
        math->f32_to_f16((uint16_t *)j->w->packed + panel * floats, out, floats);
#endif
}

static int pack_job_run(pack_job *j, ns_error *err)
{
    ns_engine *e = j->model->engine;
    int64_t panels = (j->w->n + NS_PANEL - 1) / NS_PANEL;
    int workers = ns_pool_size(e->pool), rc = NS_OK;
    j->failed = ns_alloc_array((size_t)panels, sizeof *j->failed);
    j->rows = ns_alloc_array((size_t)workers, sizeof *j->rows);
    j->w->packed = ns_alloc_aligned((size_t)(panels * NS_PANEL * j->w->k) * ns_dtype_size(j->w->dtype));
    if (!j->failed || !j->rows || !j->w->packed)
        rc = ns_oom(err, "packed weights");
    for (int i = 0; i < workers && rc == NS_OK; i++)
        if (!ns_buffer_need(&j->rows[i], 2 * NS_PANEL * j->w->k, err))
            rc = NS_E_MEMORY;
    if (rc == NS_OK) {
        ns_engine_run(e, panels, pack_panel, j);
        for (int64_t p = 0; p < panels && rc == NS_OK; p++)
            if (j->failed[p])
                rc = read_panel(j, p, j->rows[0].data, err);
    }
    for (int i = 0; i < workers && j->rows; i++)
        free(j->rows[i].data);
    free(j->rows);
    free(j->failed);
    return rc;
}

#ifdef NS_GEMM_OPENBLAS
static void fill_turned(ns_weight *w, const float *W)
{
    for (int64_t i = 0; i < w->n * w->k; i++)
        ((float *)w->turned)[i % w->k * w->n + i / w->k] = W[i];
}

static void pack_whole(ns_weight *w, const float *W)
{
    memcpy(w->packed, W, (size_t)(w->n * w->k) * sizeof *W);
}

void ns_weight_turn(ns_engine *e, ns_weight *w)
{
    (void)e;
    fill_turned(w, w->packed);
}
#else
static void fill_turned(ns_weight *w, const float *W)
{
    ns_pack_cols(w->turned, W, w->n, w->k, w->k);
}

static void pack_whole(ns_weight *w, const float *W)
{
    ns_pack_rows(w->packed, W, w->n, w->k, w->k);
}

/* to [outputs, 32] = from [inputs, 32]^T, filled up with 0 */
static void turn_square_16(uint16_t *to, const uint16_t *from, int64_t outputs, int64_t inputs)
{
    for (int64_t i = 0; i < outputs; i++)
        for (int64_t j = 0; j < NS_PANEL; j++)
            to[i * NS_PANEL + j] = j < inputs ? from[j * NS_PANEL + i] : 0;
}

static void turn_square_32(float *to, const float *from, int64_t outputs, int64_t inputs)
{
    for (int64_t i = 0; i < outputs; i++)
        for (int64_t j = 0; j < NS_PANEL; j++)
            to[i * NS_PANEL + j] = j < inputs ? from[j * NS_PANEL + i] : 0;
}

/* A panel of W^T has 32 inputs of W, which stand as squares of 32 x 32 numbers in the panels of W. */
static void turn_panel(void *user, int64_t panel, int worker)
{
    (void)worker;
    const ns_weight *const w = user;
    const int64_t k0 = panel * NS_PANEL, inputs = w->k - k0 < NS_PANEL ? w->k - k0 : NS_PANEL;
    for (int64_t n = 0; n < w->n; n += NS_PANEL) {
        const int64_t outputs = w->n - n < NS_PANEL ? w->n - n : NS_PANEL;
        const int64_t from = n * w->k + k0 * NS_PANEL, to = (panel * w->n + n) * NS_PANEL;
        if (w->dtype == NS_F32)
            turn_square_32((float *)w->turned + to, (const float *)w->packed + from, outputs, inputs);
        else
            turn_square_16((uint16_t *)w->turned + to, (const uint16_t *)w->packed + from, outputs, inputs);
    }
}

void ns_weight_turn(ns_engine *e, ns_weight *w)
{
    ns_engine_run(e, (w->k + NS_PANEL - 1) / NS_PANEL, turn_panel, w);
}
#endif

void ns_weight_fill(ns_weight *w, const float *W)
{
    pack_whole(w, W);
    if (w->turned)
        fill_turned(w, W);
}

static int vector_non_finite(const ns_source *from, int64_t row, float value, ns_error *err)
{
    const ns_tensor *const t = ns_source_at(from, &row);
    return ns_fail(err, NS_E_NUMERIC, "%s: tensor '%s': value %g at element %lld; the checkpoint is damaged or training diverged",
                   t->file, t->name, (double)value, (long long)row);
}

/* *out = NULL for an absent tref. */
static int read_vector(const ns_model *m, const ns_tref *ref, int64_t expert, float **out, ns_error *err)
{
    ns_source from;
    *out = NULL;
    if (!ref->name)
        return NS_OK;
    int rc = ns_tref_source(ref, m->checkpoint, expert, &from, err);
    float *const v = rc == NS_OK ? ns_alloc_array((size_t)ref->n_out, sizeof *v) : NULL;
    if (!v)
        return rc != NS_OK ? rc : ns_oom(err, ref->name);
    for (int64_t o = 0; o < ref->n_out && rc == NS_OK; o += ref->group)
        rc = ns_source_read(&from, source_row(ref, o), ref->group < ref->n_out - o ? ref->group : ref->n_out - o,
                                v + o, err);
    for (int64_t o = 0; o < ref->n_out && rc == NS_OK; o++)
        if (!isfinite(v[o]))
            rc = vector_non_finite(&from, source_row(ref, o), v[o], err);
    if (rc != NS_OK)
        free(v);
    else
        *out = v;
    return rc;
}

static int stack_biases(const ns_model *m, const ns_stack *s, ns_weight *w, ns_error *err)
{
    int rc = NS_OK;
    w->bias = ns_alloc_array((size_t)w->n, sizeof *w->bias);
    if (!w->bias)
        return ns_oom(err, "biases");
    float *at = w->bias;
    for (int i = 0; i < s->n && rc == NS_OK; at += s->ref[i++]->n_out) {
        float *v = NULL;
        rc = s->bias[i] ? read_vector(m, s->bias[i], s->expert, &v, err) : NS_OK;
        if (v)
            memcpy(at, v, (size_t)s->ref[i]->n_out * sizeof *v);
        free(v);
    }
    return rc;
}

/* Neighbours that are parts of one tensor (q, k and v of GPT-2) share it. */
static int read_transposed(pack_job *j, ns_error *err)
{
    int rc = NS_OK;
    for (int i = 0; i < j->n_parts && rc == NS_OK; i++) {
        part *const p = &j->parts[i];
        const int64_t n = p->from.n;
        if (!p->ref->transposed)
            continue;
        if (i > 0 && j->parts[i - 1].from.tensor == p->from.tensor)
            p->whole = j->parts[i - 1].whole;
        else
            rc = (p->whole = ns_alloc_array((size_t)n, sizeof *p->whole))
                     ? ns_source_read(&p->from, 0, n, p->whole, err)
                     : ns_oom(err, p->ref->name);
    }
    return rc;
}

int ns_stack_pack(const ns_model *m, const ns_stack *s, ns_weight *w, ns_error *err)
{
    pack_job j = {.model = m, .w = w};
    bool biased = false;
    for (int i = 0; i < s->n; i++) {
        const ns_tref *const ref = s->ref[i];
        part *const p = &j.parts[j.n_parts++];
        *p = (part){.ref = ref, .first = w->n};
        const int rc = ns_tref_source(ref, m->checkpoint, s->expert, &p->from, err);
        if (rc != NS_OK)
            return rc;
        w->n += ref->n_out;
        w->k = ref->n_in;
        biased |= s->bias[i] && s->bias[i]->name;
    }
    w->dtype = ns_stack_dtype(m->checkpoint, s);
    int rc = read_transposed(&j, err);
    rc = rc != NS_OK ? rc : pack_job_run(&j, err);
    if (rc == NS_OK && biased)
        rc = stack_biases(m, s, w, err);
    for (int i = 0; i < j.n_parts; i++)
        if (i == 0 || j.parts[i].whole != j.parts[i - 1].whole)
            free(j.parts[i].whole);
    return rc;
}

int ns_weights_vector(const ns_model *m, const ns_tref *ref, float **out, ns_error *err)
{
    return read_vector(m, ref, -1, out, err);
}

int ns_weights_rows(const ns_model *m, const ns_tref *ref, int64_t first, int64_t n, float *out, ns_error *err)
{
    part p = {.ref = ref};
    int rc = ref->name ? ns_tref_source(ref, m->checkpoint, -1, &p.from, err)
                       : ns_fail(err, NS_E_FORMAT, "%s: tensor '(none)' is missing", ns_checkpoint_dir(m->checkpoint));
    float *const whole = rc == NS_OK && ref->transposed ? ns_alloc_array((size_t)p.from.n, sizeof *whole) : NULL;
    if (rc == NS_OK && ref->transposed)
        rc = whole ? ns_source_read(&p.from, 0, p.from.n, whole, err) : ns_oom(err, ref->name);
    p.whole = whole;
    for (int64_t o = first; o < first + n && rc == NS_OK; o++, out += ref->n_in) {
        rc = read_rows(&p, o, 1, out, err);
        if (rc == NS_OK && !m->engine->math->all_finite(out, ref->n_in))
            rc = non_finite(&p, o, out, err);
    }
    free(whole);
    return rc;
}

void ns_weight_free(ns_weight *w)
{
    for (int64_t e = 0; w->experts && e < w->n_experts; e++)
        ns_weight_free(&w->experts[e]);
    free(w->experts);
    free(w->packed);
    free(w->bias);
    *w = (ns_weight) { 0 };
}
