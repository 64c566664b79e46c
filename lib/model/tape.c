/* tape.c - what operations note, the derivatives on their way, and the walk back. */
#include "model/tape.h"

#include <stdlib.h>
#include <string.h>

void ns_tape_note(ns_band *b, ns_taped step)
{
    ns_tape *const t = b->tape;
    if (!t || b->rc != NS_OK)
        return;
    step.rows = b->rows;
    const ns_cols *const of[] = {&step.x, &step.y, &step.z, &step.out};
    for (int i = 0; i < 4; i++)
        if (!(step.unread & 1u << i))
            ns_tape_reads(*of[i]);
    if (ns_grow(&t->steps, &t->capacity, t->n_steps + 1, sizeof *t->steps))
        t->steps[t->n_steps++] = step;
    else
        b->rc = ns_oom(b->p->err, "the tape");
}

void ns_tape_reads(ns_cols c)
{
    if (c.sheet)
        c.sheet->read = true;
}

void ns_tape_thin(ns_band *b, int first)
{
    ns_tape *const t = b->tape;
    for (int i = first; i < b->used; i++) {
        ns_sheet *const s = b->p->scratch->sheets[i];
        if (s->read || s == b->x || !s->buffer.data || !ns_grow(&t->spare, &t->spare_capacity, t->n_spare + 1, sizeof *t->spare))
            continue;
        t->spare[t->n_spare++] = s->buffer;
        s->buffer = (ns_buffer){0};
        s->data = NULL;
    }
}

/* No more than a quarter of it may be lost. */
static ns_buffer spare_of(ns_tape *t, int64_t n)
{
    for (int64_t i = t->n_spare - 1; i >= 0; i--)
        if ((int64_t)t->spare[i].n >= n && (int64_t)t->spare[i].n / 5 * 4 <= n) {
            const ns_buffer found = t->spare[i];
            t->spare[i] = t->spare[--t->n_spare];
            return found;
        }
    return (ns_buffer){0};
}

static void free_spare(ns_tape *t)
{
    for (int64_t i = 0; i < t->n_spare; i++)
        free(t->spare[i].data);
    t->n_spare = 0;
}

/* Small pages for a pass: huge ones pay where memory is read again and again, and filling them in takes longer under some hypervisors (2 s
 * a GB against .8). */
float *ns_tape_room(ns_tape *t, ns_buffer *b, int64_t n, ns_error *err)
{
    if (!t->passes || (int64_t)b->n >= n)
        return ns_buffer_need(b, n, err);
    free(b->data);
    *b = spare_of(t, n);
    if (!b->data && (b->data = ns_alloc_lines((size_t)(n + NS_PANEL) * sizeof *b->data)))
        b->n = (size_t)n;
    if (!b->data)
        (void)ns_fail(err, NS_E_MEMORY, "no memory for a buffer of %lld bytes; lower --memory or use shorter texts", (long long)n * 4);
    return b->data;
}

void ns_tape_lacks(ns_band *b, const char *what)
{
    if (b->tape && b->rc == NS_OK)
        b->rc = ns_fail(b->p->err, NS_E_UNSUPPORTED, "layer %lld: %s cannot be walked back: no gradients of such a model, and no training",
                        (long long)b->layer, what);
}

ns_cols ns_taped_out(ns_band *b, ns_cols x)
{
    return b->tape && x.sheet ? ns_band_new(b, x.n) : x;
}

/* ---- derivatives ---- */

static ns_grad *new_grad(ns_tape *t)
{
    ns_grad *const g = ns_alloc_array(1, sizeof *g);
    if (!g || !ns_grow(&t->grads, &t->grads_capacity, t->n_grads + 1, sizeof(ns_grad *))) {
        free(g);
        return NULL;
    }
    t->grads[t->n_grads++] = t->grads[t->n_free];
    t->grads[t->n_free++] = g;
    return g;
}

static bool fit(ns_grad *g, int64_t columns)
{
    if (!ns_grow(&g->written, &g->capacity, columns, 1))
        return false;
    memset(g->written, 0, (size_t)columns);
    return true;
}

/* The last that was given back is the first that is taken: it is in the cache. */
static bool take(ns_band *b, ns_sheet *s)
{
    ns_tape *const t = b->tape;
    if (s->grad)
        return true;
    if (t->n_free == 0 && !new_grad(t)) {
        b->rc = ns_oom(b->p->err, "gradients");
        return false;
    }
    ns_grad *const g = t->grads[t->n_free - 1];
    if (!ns_tape_room(t, &g->numbers, s->rows * s->ld, b->p->err) || !fit(g, s->ld)) {
        b->rc = ns_oom(b->p->err, "gradients");
        return false;
    }
    t->n_free--;
    s->grad = g;
    return true;
}

static void give_back(ns_tape *t, ns_sheet *s)
{
    if (!s->grad)
        return;
    int64_t at = t->n_free;
    while (t->grads[at] != s->grad)
        at++;
    t->grads[at] = t->grads[t->n_free];
    t->grads[t->n_free++] = s->grad;
    s->grad = NULL;
}

static void zero(ns_cols c)
{
    for (int64_t r = 0; r < c.sheet->rows; r++)
        memset(c.sheet->grad->numbers.data + r * c.sheet->ld + c.first, 0, (size_t)c.n * sizeof(float));
}

/* Columns that nobody wrote to become 0, and all are written. false: they were all unwritten, and are left so when `fresh` may be. */
static bool settle(ns_cols c, bool fresh)
{
    uint8_t *const written = c.sheet->grad->written + c.first;
    const bool none = !memchr(written, 1, (size_t)c.n);
    for (int64_t i = 0, n; i < c.n && !(none && fresh); i += n) {
        for (n = 0; i + n < c.n && !written[i + n];)
            n++;
        if (n)
            zero(ns_columns(c, i, n));
        n += n == 0;
    }
    memset(written, 1, (size_t)c.n);
    return !none;
}

float *ns_grad_of(ns_band *b, ns_cols c)
{
    (void)b;
    settle(c, false);
    return c.sheet->grad->numbers.data + c.first;
}

float *ns_grad_into(ns_band *b, ns_cols c, bool *fresh)
{
    *fresh = false;
    if (b->rc != NS_OK || !take(b, c.sheet))
        return NULL;
    *fresh = !settle(c, true);
    return c.sheet->grad->numbers.data + c.first;
}

float *ns_grad_onto(ns_band *b, ns_cols c)
{
    if (b->rc != NS_OK || !take(b, c.sheet))
        return NULL;
    return ns_grad_of(b, c);
}

/* ---- the walk ---- */

static bool any_written(ns_cols c)
{
    return c.sheet->grad && memchr(c.sheet->grad->written + c.first, 1, (size_t)c.n);
}

int ns_tape_back(ns_band *b, int64_t first)
{
    ns_tape *const t = b->tape;
    const int64_t rows = b->rows;
    while (t->n_steps > first && b->rc == NS_OK) {
        const ns_taped *const s = &t->steps[--t->n_steps];
        b->rows = s->rows;                     /* of an expert: its own */
        if (s->always || any_written(s->out))
            s->back(b, s);
        if (s->out.sheet != s->x.sheet && !s->more)
            give_back(t, s->out.sheet);
    }
    b->rows = rows;
    return b->rc;
}

static void forget_shares(ns_tape *t)
{
    for (int64_t i = 0; i < t->n_shares; i++)
        free(t->shares[i]);
    t->n_shares = 0;
}

ns_share *ns_tape_shares(ns_band *b, const ns_share *list, int64_t n)
{
    ns_tape *const t = b->tape;
    ns_share *const own = ns_alloc_array((size_t)n, sizeof *own);
    if (!own || !ns_grow(&t->shares, &t->shares_capacity, t->n_shares + 1, sizeof(ns_share *))) {
        free(own);
        b->rc = ns_oom(b->p->err, "the tape");
        return NULL;
    }
    memcpy(own, list, (size_t)n * sizeof *own);
    t->shares[t->n_shares++] = own;
    return own;
}

int ns_tape_begin(ns_band *b, ns_pass *p, ns_tape *t, const ns_member *members, int n_members)
{
    for (int i = 0; i < p->scratch->n_sheets; i++)
        p->scratch->sheets[i]->grad = NULL;
    t->n_free = t->n_grads;
    forget_shares(t);
    t->n_steps = t->n_attends = t->n_scans = t->n_channels = 0;
    *b = (ns_band){.p = p, .tape = t, .members = members, .n_members = n_members, .deepest = NS_POINT_RESID_POST,
                   .parts = NS_PART_STATE | NS_PART_ROWS};
    for (int i = 0; i < n_members; i++)
        b->rows += members[i].end - members[i].begin;
    if (t->spare_rows != b->rows)
        free_spare(t);
    t->spare_rows = b->rows;
    b->x = ns_band_new(b, p->arch->d_model).sheet;
    return b->rc;
}

void ns_tape_free(ns_tape *t)
{
    for (int64_t i = 0; i < t->n_grads; i++) {
        free(t->grads[i]->numbers.data);
        free(t->grads[i]->written);
        free(t->grads[i]);
    }
    for (int64_t i = 0; i < t->kept_capacity; i++) {
        free(t->kept[i].pattern.data);
        free(t->kept[i].at);
    }
    for (int64_t i = 0; i < t->scans_capacity; i++)
        free(t->scans[i].states.data);
    free(t->scans);
    free(t->channels);
    forget_shares(t);
    free(t->shares);
    free_spare(t);
    free(t->spare);
    free(t->grads);
    free(t->kept);
    free(t->steps);
    *t = (ns_tape){0};
}
