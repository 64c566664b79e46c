/* positions.c - the operations of band.h that go by the position of a row: each session's rows at their own. */
#include "model/tape.h"

#include <math.h>

/* ---- rope ---- */

typedef struct rope_job {
    const ns_math *math;
    const ns_rope *rope;
    const float *cos, *sin;
    ns_cols x;
    int64_t heads, row, position;          /* row: the session's first in the band */
} rope_job;

static void rope_row(const void *job, int64_t row)
{
    const rope_job *const j = job;
    const int64_t at = (j->position + row) * (j->rope->rotary_dim / 2), d = j->x.n / j->heads;
    float *const x = ns_cols_at(j->x, j->row + row);
    for (int64_t h = 0; h < j->heads; h++)
        j->math->rope(x + h * d, j->rope->rotary_dim, j->cos + at, j->sin + at, j->rope->layout == NS_ROPE_INTERLEAVED);
}

static ns_rope_table *table_of(const ns_band *b, const ns_session *s, int rope)
{
    const int64_t length = s->final_length > s->n_tokens ? s->final_length : s->n_tokens;
    return ns_pass_rope(b->p, rope, ns_arch_rope_class(b->p->arch, length), s->n_tokens, length);
}

void ns_rope_rows(ns_band *b, ns_cols x, int64_t heads, int rope, bool back)
{
    for (int i = 0; i < b->n_members && b->rc == NS_OK; i++) {
        const ns_member *const m = &b->members[i];
        ns_rope_table *const table = table_of(b, m->s, rope);
        const float *const sin = !table ? NULL : back ? ns_rope_unsin(table, &b->p->arch->ropes[rope], b->p->err) : table->sin;
        if (!sin) {
            b->rc = NS_E_MEMORY;
            return;
        }
        const rope_job j = {b->p->math, &b->p->arch->ropes[rope], table->cos, sin, x, heads, m->row, m->begin};
        ns_each_row(b, m->end - m->begin, rope_row, &j);
    }
}

ns_cols ns_band_rope(ns_band *b, ns_cols x, int64_t heads, int rope)
{
    if (rope < 0 || b->rc != NS_OK)
        return x;
    ns_rope_rows(b, x, heads, rope, false);
    ns_tape_rope(b, x, heads, rope);
    return x;
}

/* ---- temperature of q ---- */

typedef struct temper_job { const ns_math *math; const ns_temper *temper; float *x; int64_t ld, n, position; } temper_job;

/* floor and division in f32, as transformers has them. */
static float temper_at(const ns_temper *t, int64_t position)
{
    if (t->kind == NS_TEMPER_LOG)
        return (float)(ns_log((double)(position + t->length)) / ns_log((double)t->length));
    const float steps = floorf((float)(position + t->first) / (float)t->length);
    return (float)(1 + (double)t->beta * ns_log(1 + (double)steps));
}

static void temper_row(const void *job, int64_t row)
{
    const temper_job *const j = job;
    j->math->scale(j->x + row * j->ld, j->n, temper_at(j->temper, j->position + row));
}

/* q, or its derivative: rows at x. */
static void temper_rows(const ns_band *b, const ns_temper *temper, ns_cols q, float *x)
{
    for (int i = 0; i < b->n_members; i++) {
        const ns_member *const m = &b->members[i];
        const temper_job j = {b->p->math, temper, x + m->row * q.sheet->ld, q.sheet->ld, q.n, m->begin};
        ns_each_row(b, m->end - m->begin, temper_row, &j);
    }
}

static void temper_back(ns_band *b, const ns_taped *s)
{
    temper_rows(b, &s->attn->temper, s->x, ns_grad_of(b, s->out));
}

ns_cols ns_band_temper(ns_band *b, const ns_attn *a, ns_cols q)
{
    if (a->temper.kind == NS_TEMPER_NONE || b->rc != NS_OK)
        return q;
    temper_rows(b, &a->temper, q, ns_cols_at(q, 0));
    ns_tape_note(b, (ns_taped){.back = temper_back, .x = q, .out = q, .attn = a});
    return q;
}
