/* back_scan.c - the scan of a linear recurrence on a tape, forward and back.
 *
 * A state [key, 32] of one head and panel goes through the rows of a sequence alone. What it was before every 64th row is kept; on the way
 * back the states between are computed anew, 64 at a time. Heads that share q, k or v add to their gradients in order: one task. */
#include "model/tape.h"

#include <string.h>

enum { STRETCH = 64 };                     /* rows between states that are kept */

typedef struct scan_job {
    ns_band       *b;
    const ns_kept_scan *kept;
    ns_cols        z;
    int64_t        panels, groups;         /* of a state; of heads that share nothing */
    float         *dz, *dq, *dk, *dv, *ddecay, *dwrite;
    ns_buffer     *worker;
} scan_job;

static int64_t common_divisor(int64_t a, int64_t b)
{
    return b == 0 ? a : common_divisor(b, a % b);
}

static int64_t stretches_of(const ns_member *m)
{
    return (m->end + STRETCH - 1) / STRETCH;
}

static int64_t state_floats(const scan_job *j)
{
    return j->kept->scan.key * NS_PANEL;
}

/* Kept states lie as [member][head][panel][stretch]. */
static float *kept_at(const scan_job *j, int64_t member, int64_t head, int64_t panel)
{
    int64_t before = 0;
    for (int64_t m = 0; m < member; m++)
        before += stretches_of(&j->b->members[m]);
    const int64_t own = head * j->panels + panel;
    return j->kept->states.data +
           (before * j->kept->scan.heads * j->panels + own * stretches_of(&j->b->members[member])) * state_floats(j);
}

/* The columns that head h reads of `heads` heads. */
static int64_t first_of(const ns_scan *s, ns_cols x, int64_t heads, int64_t h)
{
    return h / (s->heads / heads) * (x.n / heads);
}

/* Numbers of each row of a sequence: those of its first, and how far rows lie apart. NULL: there are none. */
typedef struct strand { float *at; int64_t ld; } strand;

static float *of_row(strand s, int64_t t)
{
    return s.at + t * s.ld;
}

/* One head and panel of a sequence. */
typedef struct lane {
    const scan_job *j;
    int64_t rows, n;                       /* of the sequence; columns of the panel */
    float  *kept;
    strand  q, k, v, a, write, z, dz, dq, dk, dv, ddecay, dwrite;
} lane;

static strand strand_of(ns_cols x, int64_t row, int64_t first)
{
    return x.sheet ? (strand){ns_cols_at(x, row) + first, x.sheet->ld} : (strand){0};
}

/* The same columns of its derivative, whose rows lie `ld` apart. */
static strand beside(float *grad, int64_t ld, int64_t row, int64_t first)
{
    return grad ? (strand){grad + row * ld + first, ld} : (strand){0};
}

static lane lane_of(const scan_job *j, int64_t m, int64_t h, int64_t panel)
{
    const ns_kept_scan *const p = j->kept;
    const ns_scan *const s = &p->scan;
    const int64_t row = j->b->members[m].row, at = panel * NS_PANEL, each = p->a.n / s->heads;
    const int64_t q = first_of(s, p->q, s->q_heads, h), k = first_of(s, s->k, s->k_heads, h), v = first_of(s, s->v, s->v_heads, h) + at;
    return (lane){
        .j = j, .rows = j->b->members[m].end, .n = s->value - at < NS_PANEL ? s->value - at : NS_PANEL, .kept = kept_at(j, m, h, panel),
        .q = strand_of(p->q, row, q), .k = strand_of(s->k, row, k), .v = strand_of(s->v, row, v), .a = strand_of(p->a, row, h * each),
        .write = strand_of(s->write, row, h), .z = strand_of(j->z, row, h * s->value + at),
        .dz = beside(j->dz, j->z.sheet->ld, row, h * s->value + at), .dq = beside(j->dq, p->q.n, row, q),
        .dk = beside(j->dk, s->k.sheet->ld, row, k), .dv = beside(j->dv, s->v.sheet->ld, row, v),
        .ddecay = beside(j->ddecay, p->a.n, row, h * each), .dwrite = beside(j->dwrite, s->heads, row, h)};
}

/* A panel of a row, or half of one where the kernel reads no more: where it stands, if it is whole. */
static const float *panel_of(const lane *l, strand from, int64_t t, float room[NS_PANEL])
{
    if (l->n == NS_PANEL || 2 * l->n == NS_PANEL)
        return of_row(from, t);
    memset(room, 0, NS_PANEL * sizeof *room);
    memcpy(room, of_row(from, t), (size_t)l->n * sizeof *room);
    return room;
}

static float write_of(const lane *l, int64_t t)
{
    return l->write.at ? *of_row(l->write, t) : 1;
}

static void step_forward(const lane *l, int64_t t, float *S, const float *before, float *out)
{
    const ns_kept_scan *const p = l->j->kept;
    float room[NS_PANEL];
    const float *const v = panel_of(l, l->v, t, room);
    l->j->b->p->math->scan(S, before, p->scan.key, of_row(l->q, t), of_row(l->k, t), v, of_row(l->a, t), p->a.n > p->scan.heads,
                           2 * l->n <= NS_PANEL, write_of(l, t), p->scan.delta, out);
}

static void panel_forward(const lane *l, float *S)
{
    const int64_t floats = state_floats(l->j);
    float *kept = l->kept, out[NS_PANEL];
    memset(S, 0, (size_t)floats * sizeof *S);
    for (int64_t t = 0; t < l->rows; t++) {
        if (t % STRETCH == 0) {
            memcpy(kept, S, (size_t)floats * sizeof *S);
            kept += floats;
        }
        step_forward(l, t, S, S, out);
        memcpy(of_row(l->z, t), out, (size_t)l->n * sizeof *out);
    }
}

static void step_back(const lane *l, int64_t t, float *dS, const float *S)
{
    const ns_kept_scan *const p = l->j->kept;
    float rooms[2][NS_PANEL], dv[NS_PANEL], *const to = of_row(l->dv, t);
    const float *const v = panel_of(l, l->v, t, rooms[0]), *const dz = panel_of(l, l->dz, t, rooms[1]);
    l->j->b->p->math->scan_back(dS, S, p->scan.key, of_row(l->q, t), of_row(l->k, t), v, of_row(l->a, t), p->a.n > p->scan.heads,
                                2 * l->n <= NS_PANEL, write_of(l, t), p->scan.delta, dz, of_row(l->dq, t), of_row(l->dk, t), dv,
                                of_row(l->ddecay, t), of_row(l->dwrite, t));
    for (int64_t i = 0; i < l->n; i++)
        to[i] += dv[i];
}

/* room: dS, then the states before each row of a stretch. */
static void panel_back(const lane *l, float *room)
{
    const int64_t floats = state_floats(l->j);
    float *const states = room + floats, out[NS_PANEL];
    memset(room, 0, (size_t)floats * sizeof *room);
    for (int64_t begin = (l->rows - 1) / STRETCH * STRETCH; begin >= 0; begin -= STRETCH) {
        const int64_t n = l->rows - begin < STRETCH ? l->rows - begin : STRETCH;
        memcpy(states, l->kept + begin / STRETCH * floats, (size_t)floats * sizeof *states);
        for (int64_t i = 0; i + 1 < n; i++)
            step_forward(l, begin + i, states + (i + 1) * floats, states + i * floats, out);
        for (int64_t i = n - 1; i >= 0; i--)
            step_back(l, begin + i, room, states + i * floats);
    }
}

static void scan_task(void *user, int64_t task, int worker)
{
    const scan_job *const j = user;
    const int64_t each = j->kept->scan.heads / j->groups, m = task / j->groups, first = task % j->groups * each;
    for (int64_t h = first; h < first + each; h++)
        for (int64_t panel = 0; panel < j->panels; panel++) {
            const lane l = lane_of(j, m, h, panel);
            (j->dz ? panel_back : panel_forward)(&l, j->worker[worker].data);
        }
}

static int run(scan_job *j)
{
    ns_band *const b = j->b;
    const ns_scan *const s = &j->kept->scan;
    j->worker = b->p->scratch->worker;
    j->panels = (s->value + NS_PANEL - 1) / NS_PANEL;
    j->groups = common_divisor(common_divisor(s->q_heads, s->k_heads), s->v_heads);
    if (ns_band_rooms(b, (STRETCH + 1) * state_floats(j)))
        ns_engine_run(b->p->engine, b->n_members * j->groups, scan_task, j);
    return b->rc;
}

/* From the decay's factors to its log, from the scaled q to q. */
static void hand_on(ns_band *b, const ns_kept_scan *p, const float *dq, const float *ddecay, const float *dwrite)
{
    const ns_scan *const s = &p->scan;
    float *const to_q = ns_grad_onto(b, s->q), *const to_decay = s->log_decay.sheet ? ns_grad_onto(b, s->log_decay) : NULL;
    float *const to_write = s->write.sheet ? ns_grad_onto(b, s->write) : NULL;
    for (int64_t r = 0; r < b->rows && b->rc == NS_OK; r++) {
        b->p->math->axpy(to_q + r * s->q.sheet->ld, dq + r * s->q.n, s->q.n, s->scale);
        for (int64_t i = 0; to_decay && i < p->a.n; i++)
            to_decay[r * s->log_decay.sheet->ld + i] += ddecay[r * p->a.n + i] * ns_cols_at(p->a, r)[i];
        if (to_write)
            b->p->math->add(to_write + r * s->write.sheet->ld, to_write + r * s->write.sheet->ld, dwrite + r * s->heads, s->heads);
    }
}

static void scan_back(ns_band *b, const ns_taped *t)
{
    const ns_kept_scan *const p = &b->tape->scans[t->n];
    const int64_t each = p->q.n + p->a.n + p->scan.heads;
    float *const dz = ns_grad_onto(b, t->out);
    if (t->branch && b->rc == NS_OK)
        ns_show_unrolled(b, t->branch, &p->scan, dz, t->out.sheet->ld);
    float *const room = ns_buffer_need(&b->p->scratch->staged, b->rows * each, b->p->err);
    scan_job j = {.b = b, .kept = p, .z = t->out, .dz = dz, .dk = ns_grad_onto(b, p->scan.k),
                  .dv = ns_grad_onto(b, p->scan.v)};
    b->rc = b->rc == NS_OK && !room ? NS_E_MEMORY : b->rc;
    if (b->rc != NS_OK)
        return;
    memset(room, 0, (size_t)(b->rows * each) * sizeof *room);
    j.dq = room;
    j.ddecay = j.dq + b->rows * p->q.n;
    j.dwrite = j.ddecay + b->rows * p->a.n;
    if (run(&j) == NS_OK)
        hand_on(b, p, j.dq, j.ddecay, j.dwrite);
}

static ns_kept_scan *new_kept(ns_band *b)
{
    ns_tape *const t = b->tape;
    const int64_t was = t->scans_capacity;
    if (!ns_grow(&t->scans, &t->scans_capacity, t->n_scans + 1, sizeof *t->scans)) {
        b->rc = ns_oom(b->p->err, "the tape");
        return NULL;
    }
    memset(t->scans + was, 0, (size_t)(t->scans_capacity - was) * sizeof *t->scans);
    return &t->scans[t->n_scans];
}

void ns_tape_scan(ns_band *b, const ns_scan *s, ns_cols q, ns_cols a, ns_cols z)
{
    ns_kept_scan *const kept = new_kept(b);
    int64_t floats = 0;
    for (int i = 0; i < b->n_members; i++)
        floats += stretches_of(&b->members[i]);
    floats *= s->heads * ((s->value + NS_PANEL - 1) / NS_PANEL) * s->key * NS_PANEL;
    if (kept && !ns_buffer_need(&kept->states, floats, b->p->err))
        b->rc = NS_E_MEMORY;
    if (b->rc != NS_OK)
        return;
    kept->scan = *s;
    kept->q = q;
    kept->a = a;
    const ns_cols looked_at[] = {q, a, s->q, s->k, s->v, s->log_decay, s->write};
    for (size_t i = 0; i < sizeof looked_at / sizeof *looked_at; i++)
        ns_tape_reads(looked_at[i]);
    scan_job j = {.b = b, .kept = kept, .z = z};
    const bool watched = ns_band_shows(b, NS_POINT_PATTERN) && ns_tape_watches(b, NS_POINT_PATTERN);
    if (run(&j) == NS_OK)
        ns_tape_note(b, (ns_taped){.back = scan_back, .x = s->q, .out = z, .n = b->tape->n_scans++,
                                   .branch = watched ? b->branch : NULL, .always = watched});
}
