/* weights.c - tensors of the checkpoint become packed weights: read rows -> widen -> check finite -> pack -> narrow again, a panel a task.
 *
 * A packed weight may be several trefs stacked by rows (q, k, v; gate, up), so that one product serves them all. What the checkpoint
 * stores in 16 bits is kept in 16 bits: half the memory, and the same numbers, for widening is exact. */
#include "model/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The trefs of a packed weight that are there, top to bottom; a bias is NULL where the slot can have none. */
enum { MAX_PARTS = NS_SLOTS_A_WEIGHT };
typedef struct stack { const ns_tref *ref[MAX_PARTS], *bias[MAX_PARTS]; int n; int64_t expert; } stack;    /* expert -1: of no expert */

/* first: output row of the stack; whole: all elements of a transposed matrix, whose rows are spread over the file, or NULL. */
typedef struct part { const ns_tref *ref; ns_source from; int64_t first; float *whole; } part;

typedef struct pack_job {
    const ns_model *model;
    part     parts[MAX_PARTS];
    int      n_parts;
    ns_weight *w;
    ns_buffer *rows;           /* [workers]: 32 rows of K, then a panel of them */
    int      *failed;          /* [panels] code of the panel */
} pack_job;

static void stack_add(stack *s, const ns_tref *ref, const ns_tref *bias)
{
    if (!ref->name)
        return;
    s->ref[s->n] = ref;
    s->bias[s->n++] = bias;
}

/* Packed weight number `weight` of a branch: the slots that join it, in the order of the class's table. */
static stack branch_stack(const ns_branch *b, int weight, int64_t expert)
{
    stack s = {.expert = expert};
    for (const ns_slot *slot = b->class_->slots; slot->role; slot++)
        if (slot->kind == NS_SLOT_MATRIX && slot->weight == weight)
            stack_add(&s, ns_slot_tref(b, slot), ns_slot_bias(b, slot));
    return s;
}

static stack head_stack(const ns_arch *arch)
{
    stack s = {.expert = -1};
    stack_add(&s, &arch->head, &arch->head_bias);
    return s;
}

/* How a stack is kept: as its tensors are stored when that is one 16-bit type, else in f32. */
static ns_dtype kept_as(const ns_checkpoint *c, const stack *s)
{
    ns_dtype kept = NS_F32;
#ifndef NS_GEMM_OPENBLAS
    for (int i = 0; i < s->n; i++) {
        ns_source from;
        const bool found = ns_tref_source(s->ref[i], c, s->expert, &from, NULL) == NS_OK;
        const ns_dtype stored = found ? from.tensor->view.dtype : NS_F32;
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
        rc = ns_tensor_read_f32(p->from.tensor, p->from.at + source_row(r, o + i) * r->n_in, run * r->n_in, out + i * r->n_in, err);
    }
    for (int64_t k = 0; p->whole && k < r->n_in; k++)
        for (int64_t i = 0; i < n; i++)
            out[i * r->n_in + k] = p->whole[k * (p->from.n / r->n_in) + source_row(r, o + i)];
    return rc;
}

static int non_finite(const part *p, int64_t o, const float *row, ns_error *err)
{
    for (int64_t k = 0; k < p->ref->n_in; k++)
        if (!isfinite(row[k]))
            return ns_fail(err, NS_E_NUMERIC,
                           "%s: tensor '%s': value %g at row %lld, column %lld; the checkpoint is damaged or training diverged",
                           p->from.tensor->file, p->from.tensor->name, (double)row[k], (long long)source_row(p->ref, o), (long long)k);
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

/* ---- public to lib/model ---- */

#ifdef NS_GEMM_OPENBLAS
void ns_weight_fill(ns_weight *w, const float *W)
{
    memcpy(w->packed, W, (size_t)(w->n * w->k) * sizeof *W);
    for (int64_t i = 0; w->turned && i < w->n * w->k; i++)
        w->turned[i % w->k * w->n + i / w->k] = W[i];
}
#else
void ns_weight_fill(ns_weight *w, const float *W)
{
    ns_pack_rows(w->packed, W, w->n, w->k, w->k);
    if (w->turned)
        ns_pack_cols(w->turned, W, w->n, w->k, w->k);
}
#endif

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
        rc = ns_tensor_read_f32(from.tensor, from.at + source_row(ref, o), ref->group < ref->n_out - o ? ref->group : ref->n_out - o,
                                v + o, err);
    for (int64_t o = 0; o < ref->n_out && rc == NS_OK; o++)
        if (!isfinite(v[o]))
            rc = ns_fail(err, NS_E_NUMERIC, "%s: tensor '%s': value %g at element %lld; the checkpoint is damaged or training diverged",
                         from.tensor->file, from.tensor->name, (double)v[o], (long long)source_row(ref, o));
    if (rc != NS_OK)
        free(v);
    else
        *out = v;
    return rc;
}

static int stack_biases(const ns_model *m, const stack *s, ns_weight *w, ns_error *err)
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
                     ? ns_tensor_read_f32(p->from.tensor, p->from.at, n, p->whole, err)
                     : ns_oom(err, p->ref->name);
    }
    return rc;
}

static int pack(const ns_model *m, const stack *s, ns_weight *w, ns_error *err)
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
    w->dtype = kept_as(m->checkpoint, s);
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
    for (int64_t o = first; o < first + n && rc == NS_OK; o++, out += ref->n_in) {
        rc = read_rows(&p, o, 1, out, err);
        if (rc == NS_OK && !m->engine->math->all_finite(out, ref->n_in))
            rc = non_finite(&p, o, out, err);
    }
    return rc;
}

static int read_gains(const ns_model *m, const ns_norm *norm, ns_gains *out, ns_error *err)
{
    const int rc = ns_weights_vector(m, &norm->weight, &out->gain, err);
    return rc != NS_OK ? rc : ns_weights_vector(m, &norm->bias, &out->bias, err);
}

/* The first slot that joins a packed weight. */
static const ns_slot *slot_of(const ns_branch *br, int weight)
{
    const ns_slot *slot = br->class_->slots;
    while (slot->kind != NS_SLOT_MATRIX || slot->weight != weight)
        slot++;
    return slot;
}

int ns_weights_expert(const ns_model *m, const ns_branch *br, const ns_branch_weights *w, int64_t expert, ns_error *err)
{
    int rc = NS_OK;
    for (int i = 0; i < w->n_packed && rc == NS_OK; i++) {
        const stack s = branch_stack(br, i, expert);
        if (w->packed[i].experts && !w->packed[i].experts[expert].packed && s.n)
            rc = pack(m, &s, &w->packed[i].experts[expert], err);
    }
    return rc;
}

/* One weight; of experts, room for each: those of a model that is kept are packed now, of one that is streamed when a row wants them. */
static int pack_weight(const ns_model *m, const ns_branch *br, int weight, ns_weight *out, ns_error *err)
{
    out->n_experts = ns_slot_copies(br, slot_of(br, weight));
    const stack s = branch_stack(br, weight, -1);
    if (!out->n_experts)
        return s.n ? pack(m, &s, out, err) : NS_OK;
    out->experts = ns_alloc_array((size_t)out->n_experts, sizeof *out->experts);
    return out->experts ? NS_OK : ns_oom(err, "packed weights");
}

static int pack_experts(const ns_model *m, const ns_branch *br, const ns_branch_weights *w, ns_error *err)
{
    int64_t n = 0;
    int rc = NS_OK;
    for (int i = 0; i < w->n_packed; i++)
        n = w->packed[i].n_experts > n ? w->packed[i].n_experts : n;
    for (int64_t e = 0; e < n && !m->streamed && rc == NS_OK; e++)
        rc = ns_weights_expert(m, br, w, e, err);
    return rc;
}

static int read_table(const ns_model *m, const ns_branch *br, const ns_slot *s, ns_gains *out, ns_error *err)
{
    const ns_tref *const t = ns_slot_tref(br, s), *const bias = ns_slot_bias(br, s);
    if (!t->name)
        return NS_OK;
    out->gain = ns_alloc_array((size_t)(t->n_out * t->n_in), sizeof *out->gain);
    const int rc = out->gain ? ns_weights_rows(m, t, 0, t->n_out, out->gain, err) : ns_oom(err, t->name);
    return rc != NS_OK || !bias ? rc : ns_weights_vector(m, bias, &out->bias, err);
}

static int read_numbers(const ns_model *m, const ns_branch *br, const ns_slot *slot, ns_gains *out, ns_error *err)
{
    return slot->kind == NS_SLOT_NORM     ? read_gains(m, ns_slot_norm(br, slot), out, err)
           : slot->kind == NS_SLOT_VECTOR ? ns_weights_vector(m, ns_slot_tref(br, slot), &out->gain, err)
           : slot->kind == NS_SLOT_TABLE  ? read_table(m, br, slot, out, err)
                                          : NS_OK;
}

static int pack_branch(const ns_model *m, const ns_branch *br, ns_branch_weights *w, ns_error *err)
{
    const int slots = ns_branch_n_slots(br->class_);
    w->n_packed = ns_branch_n_weights(br->class_);
    w->n_slots = slots;
    w->packed = ns_alloc_array((size_t)w->n_packed, sizeof *w->packed);
    w->gains = ns_alloc_array((size_t)slots, sizeof *w->gains);
    int rc = w->packed && w->gains ? NS_OK : ns_oom(err, "packed weights");
    for (int i = 0; i < w->n_packed && rc == NS_OK; i++)
        rc = pack_weight(m, br, i, &w->packed[i], err);
    rc = rc != NS_OK ? rc : pack_experts(m, br, w, err);
    for (int i = 0; i < slots && rc == NS_OK; i++)
        rc = read_numbers(m, br, &br->class_->slots[i], &w->gains[i], err);
    rc = rc != NS_OK ? rc : read_gains(m, &br->in_norm, &w->in_norm, err);
    return rc != NS_OK ? rc : read_gains(m, &br->out_norm, &w->out_norm, err);
}

int ns_weights_layer(const ns_model *m, int64_t layer, ns_layer_weights *out, ns_error *err)
{
    const ns_layer *l = &m->arch->layers[layer];
    memset(out, 0, sizeof *out);
    int rc = NS_OK;
    for (int s = 0; s < l->n_stages; s++)
        for (int b = 0; b < l->stages[s].n_branches && rc == NS_OK; b++)
            rc = pack_branch(m, &l->stages[s].branches[b], &out->branch[s][b], err);
    out->packed = rc == NS_OK;
    if (rc != NS_OK)
        ns_weights_layer_free(out);
    return rc;
}

int ns_weights_head(const ns_model *m, ns_weight *out, ns_error *err)
{
    const stack s = head_stack(m->arch);
    memset(out, 0, sizeof *out);
    int rc = pack(m, &s, out, err);
    if (rc != NS_OK)
        ns_weight_free(out);
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

static void gains_free(ns_gains *g)
{
    free(g->gain);
    free(g->bias);
}

static void branch_free(ns_branch_weights *w)
{
    for (int i = 0; w->packed && i < w->n_packed; i++)
        ns_weight_free(&w->packed[i]);
    for (int i = 0; w->gains && i < w->n_slots; i++)
        gains_free(&w->gains[i]);
    gains_free(&w->in_norm);
    gains_free(&w->out_norm);
    free(w->packed);
    free(w->gains);
}

void ns_weights_layer_free(ns_layer_weights *l)
{
    for (int s = 0; s < 2; s++)
        for (int b = 0; b < 2; b++)
            branch_free(&l->branch[s][b]);
    memset(l, 0, sizeof *l);
}

/* ---- sizes, for the plan ---- */

/* Of copies of the stack, `used` of which a row is multiplied by. */
static void add_size(ns_bytes *sum, const ns_checkpoint *c, const stack *s, int64_t copies, int64_t used)
{
    int64_t n = 0;
    for (int i = 0; i < s->n; i++)
        n += s->ref[i]->n_out;
    const int64_t numbers = s->n ? (n + NS_PANEL - 1) / NS_PANEL * NS_PANEL * s->ref[0]->n_in : 0;
    sum->numbers += numbers * used;
    sum->bytes += numbers * copies * (int64_t)ns_dtype_size(kept_as(c, s));
}

static void add_branch_size(ns_bytes *sum, const ns_checkpoint *c, const ns_branch *br)
{
    for (int i = 0; i < ns_branch_n_weights(br->class_); i++) {
        const ns_slot *const slot = slot_of(br, i);
        const int64_t copies = ns_slot_copies(br, slot);
        const stack s = branch_stack(br, i, copies ? 0 : -1);
        add_size(sum, c, &s, copies ? copies : 1, ns_slot_used(br, slot));
    }
}

ns_bytes ns_weights_layer_size(const ns_arch *arch, const ns_checkpoint *c, int64_t layer)
{
    ns_bytes sum = {0, 0};
    const ns_layer *l = &arch->layers[layer];
    for (int s = 0; s < l->n_stages; s++)
        for (int b = 0; b < l->stages[s].n_branches; b++)
            add_branch_size(&sum, c, &l->stages[s].branches[b]);
    return sum;
}

ns_bytes ns_weights_head_size(const ns_arch *arch, const ns_checkpoint *c)
{
    const stack s = head_stack(arch);
    ns_bytes sum = {0, 0};
    add_size(&sum, c, &s, 1, 1);
    return sum;
}
