/* layer.c - one layer: bands of rows through norm -> class -> add. A band is rows of one session, or all new rows of several that have few
 * (forks, decoding): the matrices are then read once for all of them.
 *
 * for each band:  for each stage:  out_b = out_norm(class_b(in_scale_b in_norm(x)))  for all b, then  x += sum of out_scale_b out_b
 * In the last layer only the rows that somebody reads go beyond their keys and values, and no further than they are read. */
#include "model/internal.h"

#include <string.h>

enum { BLOCK_ROWS = 32, BOTH = NS_PART_STATE | NS_PART_ROWS };     /* BLOCK_ROWS: of what is read in the last layer */

typedef struct run {
    ns_pass        *p;
    int64_t         index;                     /* of the layer */
    const ns_layer *layer;
    const ns_layer_weights *weights;
} run;

/* ---- a band ---- */

/* Empty when nothing of it is needed. normed: the input of the branch before, which a branch may share. */
static ns_cols run_branch(ns_band *b, const ns_branch *branch, const ns_branch_weights *weights, ns_cols *normed)
{
    b->branch = branch;
    b->weights = weights;
    b->factor = b->written = (ns_cols){0};
    b->bent = false;
    if (!branch->shares_norm)
        *normed = ns_band_in_norm(b);
    ns_cols out = branch->class_->forward(b, branch->params, ns_band_in_scale(b, *normed));
    if (!out.sheet)
        return out;
    ns_band_before_norm(b, out);
    out = ns_band_out_norm(b, out);
    ns_band_show(b, branch->class_->out_point, out, 0);
    return out;
}

/* Is the next branch another mixer of the layer? It has points, and a state, as deep as those of this one. */
static bool beside(const ns_stage *stage, int i)
{
    return i + 1 < stage->n_branches && stage->branches[i].class_->out_point == stage->branches[i + 1].class_->out_point;
}

/* false: nothing after it is needed. */
static bool run_stage(const run *r, ns_band *b, int s)
{
    const ns_stage *const stage = &r->layer->stages[s];
    const bool last = s + 1 == r->layer->n_stages;
    const ns_point point = last ? NS_POINT_RESID_POST : NS_POINT_RESID_MID;
    ns_cols out[2], normed = {0};
    bool ends = false;
    b->used = b->tape ? b->used : 0;           /* what is read on the way back stays */
    for (int i = 0; i < stage->n_branches; i++) {
        const ns_branch *const branch = &stage->branches[i];
        out[i] = run_branch(b, branch, &r->weights->branch[s][i], &normed);
        const bool more = !last || i + 1 < stage->n_branches;
        ends |= !out[i].sheet || (more && !ns_band_past(b, branch->class_->out_point));
        if (ends && !beside(stage, i))
            return false;
    }
    ns_band_add(b, stage, normed, out, point);
    ns_band_show(b, point, ns_band_x(b), 0);
    return ns_band_past(b, point);
}

static int run_band(const run *r, ns_band *b)
{
    b->p = r->p;
    b->layer = r->index;
    b->expert = -1;
    b->rc = NS_OK;
    b->p->band = b;
    if (ns_band_asks(b, NS_PART_STATE))
        ns_band_show(b, NS_POINT_RESID_PRE, ns_band_x(b), 0);
    for (int s = 0; s < r->layer->n_stages && b->rc == NS_OK && run_stage(r, b, s); s++)
        ;
    b->p->band = NULL;
    return b->rc;
}

int ns_layer_band(ns_pass *p, ns_band *b, int64_t layer, const ns_layer_weights *weights)
{
    const run r = {p, layer, &p->arch->layers[layer], weights};
    return run_band(&r, b);
}

/* ---- rows of one session ---- */

static int run_rows(const run *r, ns_member m, int parts, ns_point deepest)
{
    const int64_t end = m.end;
    int rc = NS_OK;
    for (; m.begin < end && rc == NS_OK; m.begin = m.end) {
        m.end = (m.begin / NS_BAND_ROWS + 1) * NS_BAND_ROWS < end ? (m.begin / NS_BAND_ROWS + 1) * NS_BAND_ROWS : end;
        const int64_t D = r->p->arch->d_model;
        ns_sheet x = {.data = m.s->x + (m.begin - m.s->base) * D, .ld = D};
        ns_band b = {.members = &m, .n_members = 1, .rows = m.end - m.begin, .deepest = deepest, .parts = parts, .x = &x};
        rc = run_band(r, &b);
    }
    return rc;
}

static int64_t next_block(int64_t row, int64_t last)
{
    const int64_t end = (row / BLOCK_ROWS + 1) * BLOCK_ROWS;
    return end < last ? end : last;
}

/* The deepest point from the queries of the last layer on at which a row of [begin, end) is read; one before the queries when none is. */
static ns_point deepest_read(const run *r, const ns_session *s, int64_t begin, int64_t end)
{
    int point = NS_POINT_RESID_POST;
    if ((r->p->logits && end == s->n_tokens) || ns_wanted(r->p, s, NS_POINT_LN_FINAL, -1, begin, end) ||
        ns_wanted(r->p, s, NS_POINT_LOGITS, -1, begin, end))
        return point;
    while (point > NS_LAST_STATE_POINT && !ns_wanted(r->p, s, point, r->index, begin, end))
        point--;
    return point;
}

/* States of all rows, then runs of those blocks of 32 rows that are read equally deep. */
static int run_read_rows(const run *r, ns_member m)
{
    const int64_t last = m.end;
    int rc = run_rows(r, m, NS_PART_STATE, NS_POINT_RESID_POST);
    for (m.begin = m.s->base; m.begin < last && rc == NS_OK; m.begin = m.end) {
        m.end = next_block(m.begin, last);
        const ns_point deepest = deepest_read(r, m.s, m.begin, m.end);
        while (m.end < last && deepest_read(r, m.s, m.end, next_block(m.end, last)) == deepest)
            m.end = next_block(m.end, last);
        if (deepest > NS_LAST_STATE_POINT)
            rc = run_rows(r, m, NS_PART_ROWS, deepest);
    }
    return rc;
}

/* ---- what a session keeps ---- */

static void forget(const run *r, ns_session *s)
{
    ns_kv_free(&s->kv[r->index]);
    ns_state_free(&s->states[r->index]);
}

/* Does c fork, at whatever remove, from s? */
static bool descends(const ns_session *c, const ns_session *s)
{
    while (c && c != s)
        c = c->parent;
    return c;
}

/* Forks whose prefix is pending: their states are left where they part; those that part before s began are handed on from its parent. */
static bool mark_forks(const run *r, ns_session *s, const ns_keeps *keeps)
{
    ns_state *const own = &s->states[r->index];
    bool ok = true;
    for (int64_t i = 0; i < r->p->n_sessions && ok; i++) {
        const ns_session *const c = r->p->sessions[i];
        if (c != s && c->parent && c->fork_at >= s->base && descends(c, s))
            ok = ns_state_mark(own, keeps, c->fork_at);
    }
    return ok;
}

/* What s has of the layer before its first new row: its parent's, its own of the pass before, or nothing. */
static int ready_prefix(const run *r, ns_session *s, const ns_keeps *keeps)
{
    ns_kv *const kv = &s->kv[r->index];
    ns_state *const state = &s->states[r->index];
    const bool recurrent = keeps->kind & NS_STATE_SNAPSHOT;
    if (s->parent && !kv->ready) {
        ns_session *const parent = s->parent;
        const bool last = parent->children_left == 1 && !parent->decode;
        if (!ns_kv_fork(kv, &parent->kv[r->index], keeps, keeps->kind & NS_STATE_PAGES ? s->fork_at : 0, last) ||
            (recurrent && !ns_state_fork(state, &parent->states[r->index], keeps, s->fork_at, last)))
            return ns_oom(r->p->err, "forked keys and values");
        parent->children_left--;
        if (last)
            forget(r, parent);
    }
    return !recurrent || state->now.data || ns_state_begin(state, keeps) ? NS_OK : ns_oom(r->p->err, "the state of a recurrence");
}

static int ready_session(const run *r, ns_session *s)
{
    const ns_keeps keeps = ns_layer_keeps(r->p->arch, r->index);
    ns_state *const state = &s->states[r->index];
    if (keeps.kind == NS_STATE_NONE)
        return NS_OK;
    const int rc = ready_prefix(r, s, &keeps);
    if (rc != NS_OK)
        return rc;
    const bool rows = keeps.rows_k && ns_pass_unrolls(r->p, r->index), values = rows && ns_pass_changes_rows(r->p, r->index);
    const ns_keeps k = ns_state_k(&keeps), v = ns_state_v(&keeps);
    if (keeps.kind & NS_STATE_PAGES && !ns_kv_writable(&s->kv[r->index], &keeps, s->base, s->n_tokens))
        return ns_oom(r->p->err, "keys and values");
    if (!(keeps.kind & NS_STATE_SNAPSHOT))
        return NS_OK;
    if ((s->decode && !ns_state_plan(state, &keeps, s->base, s->n_tokens)) || !mark_forks(r, s, &keeps) ||
        (rows && !ns_kv_writable(&state->k, &k, s->base, s->n_tokens)) ||
        (values && !ns_kv_writable(&state->v, &v, s->base, s->n_tokens)))
        return ns_oom(r->p->err, "the states of a recurrence");
    return NS_OK;
}

static void end_session(const run *r, ns_session *s)
{
    s->layers = r->index + 1;
    if (!s->decode && s->children_left == 0)
        forget(r, s);
}

/* Of a row of the layer, when all rows are taken alike. */
static ns_point deepest_needed(const run *r)
{
    return r->index < r->p->last_layer ? NS_POINT_RESID_POST : r->p->last_point;
}

static int run_session(const run *r, int64_t session)
{
    ns_session *const s = r->p->sessions[session];
    const ns_branch_class *const first = r->layer->stages[0].branches[0].class_;
    const ns_member m = {.s = s, .session = session, .begin = s->base, .end = s->n_tokens};
    const bool some_rows = r->index == r->p->last_layer && ns_layer_keeps(r->p->arch, r->index).kind == NS_STATE_PAGES &&
                           !ns_hooks_edit(r->p->hooks, first->in_point, r->index);
    int rc = ready_session(r, s);
    if (rc == NS_OK)
        rc = some_rows ? run_read_rows(r, m) : run_rows(r, m, BOTH, deepest_needed(r));
    end_session(r, s);
    return rc;
}

/* ---- groups: sessions with few new rows ---- */

enum { FEW_ROWS = 16 };

static int64_t new_rows(const ns_session *s)
{
    return s->n_tokens - s->base;
}

/* Sessions from `first` on that go together: few rows each, no more than a band, none whose parent is among them (its keys are not there
 * yet). Those that begin in a later layer are passed over. */
static int64_t group_end(const run *r, int64_t first, int64_t last)
{
    int64_t rows = 0, at = first;
    for (; at < last; at++) {
        const ns_session *const s = r->p->sessions[at];
        if (s->n_tokens <= s->computed)
            break;
        if (!ns_session_runs(s, r->index))
            continue;
        rows += new_rows(s);
        if (new_rows(s) > FEW_ROWS || rows > NS_BAND_ROWS || (s->parent && s->parent->layers <= r->index))
            break;
    }
    return at;
}

static void copy_rows(const ns_band *b, bool back)
{
    for (int i = 0; i < b->n_members; i++) {
        const ns_member *const m = &b->members[i];
        float *const own = m->s->x, *const shared = b->x->data + m->row * b->x->ld;
        memcpy(back ? own : shared, back ? shared : own, (size_t)((m->end - m->begin) * b->x->ld) * sizeof *own);
    }
}

/* The residual rows of all members, next to each other. */
static int run_together(const run *r, ns_band *b)
{
    const int64_t D = r->p->arch->d_model;
    ns_sheet x = {.data = ns_buffer_need(&r->p->scratch->group, NS_BAND_ROWS * D, r->p->err), .ld = D};
    if (!x.data)
        return NS_E_MEMORY;
    b->x = &x;
    copy_rows(b, false);
    const int rc = run_band(r, b);
    copy_rows(b, true);
    return rc;
}

static int run_group(const run *r, int64_t first, int64_t last)
{
    ns_member members[NS_BAND_ROWS];
    ns_band b = {.members = members, .deepest = deepest_needed(r), .parts = BOTH};
    int rc = NS_OK;
    for (int64_t i = first; i < last && rc == NS_OK; i++) {
        ns_session *const s = r->p->sessions[i];
        if (!ns_session_runs(s, r->index))
            continue;
        members[b.n_members++] = (ns_member){.s = s, .session = i, .begin = s->base, .end = s->n_tokens, .row = b.rows};
        b.rows += new_rows(s);
        rc = ready_session(r, s);
    }
    if (rc == NS_OK && b.n_members)            /* none: all of them begin later */
        rc = run_together(r, &b);
    for (int i = 0; i < b.n_members; i++)
        end_session(r, members[i].s);
    return rc;
}

int ns_layer_run(ns_pass *p, int64_t first, int64_t last, int64_t layer, const ns_layer_weights *weights)
{
    const run r = {p, layer, &p->arch->layers[layer], weights};
    int rc = NS_OK;
    for (int64_t i = first, end; i < last && rc == NS_OK; i = end) {
        end = group_end(&r, i, last);
        if (end > i + 1) {
            rc = run_group(&r, i, end);
            continue;
        }
        end = i + 1;
        if (ns_session_runs(p->sessions[i], layer))
            rc = run_session(&r, i);
    }
    return rc;
}
