/* head.c - final norm and logits, for the rows that are read: at most 32 at a time, of as many sessions as have them. */
#include "model/internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { HEAD_ROWS = 32 };

static int deliver_final(ns_pass *p, int64_t session, ns_point point, int64_t row0, int64_t rows, float *data, int64_t width)
{
    ns_view v = ns_view_of(data, NS_F32, 2, (int64_t[]) { rows, width });
    return ns_deliver(p, session, point, -1, row0, &v, NULL, 0);
}

static void final_norm(const ns_pass *p, const float *x, float *out, int64_t rows)
{
    const int64_t D = p->arch->d_model;
    const ns_norm *n = &p->arch->final_norm;
    for (int64_t r = 0; r < rows; r++)
        if (n->type == NS_NORM_RMS)
            p->math->rms_norm(out + r * D, x + r * D, D, n->eps, NULL, n->offset);
        else if (n->type == NS_NORM_LAYER)
            p->math->layer_norm(out + r * D, x + r * D, D, n->eps, NULL, n->offset, NULL);
        else
            memcpy(out + r * D, x + r * D, (size_t)D * sizeof *out);
}

static void final_affine(const ns_pass *p, float *x, int64_t rows)
{
    const ns_model *m = p->model;
    const int64_t D = p->arch->d_model;
    for (int64_t r = 0; r < rows && (m->final.gain || m->final.bias); r++)
        p->math->affine(x + r * D, x + r * D, D, m->final.gain, p->arch->final_norm.offset, m->final.bias);
}

static void finish_logits(const ns_pass *p, float *logits, int64_t rows)
{
    const int64_t n = rows * p->arch->vocab;
    if (p->arch->logit_scale != 1.0f)
        p->math->scale(logits, n, p->arch->logit_scale);
    if (p->arch->logit_softcap > 0)
        p->math->softcap(logits, n, p->arch->logit_softcap);
}

static int keep_last(ns_pass *p, ns_session *s, const float *logits)
{
    const int64_t V = p->arch->vocab;
    if (!s->logits && !(s->logits = ns_alloc_array((size_t)V, sizeof *s->logits)))
        return ns_oom(p->err, "logits");
    memcpy(s->logits, logits, (size_t)V * sizeof *logits);
    s->argmax = (int32_t)p->math->argmax(logits, V);
    return NS_OK;
}

/* ---- rows of many sessions in one product ---- */

typedef struct segment { int64_t session, row0, rows; } segment;         /* rows of one session, next to each other */
typedef struct gathered { segment list[HEAD_ROWS]; int n; int64_t rows; } gathered;

static bool wants_logits(const ns_pass *p, const ns_session *s, int64_t row0, int64_t row1)
{
    return (p->logits && row1 == s->n_tokens) || ns_wanted(p, s, NS_POINT_LOGITS, -1, row0, row1);
}

/* The head's matrix is read once for all rows that were gathered. */
static int finish(ns_pass *p, gathered *g)
{
    const int64_t D = p->arch->d_model, V = p->arch->vocab;
    float *const x = p->scratch->final.data, *logits = p->scratch->logits.data;
    int rc = NS_OK;
    if (g->rows) {
        final_affine(p, x, g->rows);
        ns_linear(p->engine, g->rows, x, D, &p->model->head, 0, V, logits, V);
        finish_logits(p, logits, g->rows);
    }
    for (int i = 0; i < g->n && rc == NS_OK; logits += g->list[i++].rows * V) {
        const segment *const part = &g->list[i];
        ns_session *const s = p->sessions[part->session];
        rc = deliver_final(p, part->session, NS_POINT_LOGITS, part->row0, part->rows, logits, V);
        if (rc == NS_OK && p->logits && part->row0 + part->rows == s->n_tokens)
            rc = keep_last(p, s, logits + (part->rows - 1) * V);
    }
    g->n = 0;
    g->rows = 0;
    return rc;
}

/* Rows [row0, row1) of a session, at most HEAD_ROWS: normalised, delivered, and gathered where their logits are wanted. */
static int add_rows(ns_pass *p, gathered *g, int64_t session, int64_t row0, int64_t row1)
{
    const ns_session *const s = p->sessions[session];
    const int64_t D = p->arch->d_model, rows = row1 - row0;
    int rc = g->rows + rows > HEAD_ROWS ? finish(p, g) : NS_OK;
    float *const x = (float *)p->scratch->final.data + g->rows * D;
    if (rc != NS_OK)
        return rc;
    final_norm(p, s->x + (row0 - s->base) * D, x, rows);
    rc = deliver_final(p, session, NS_POINT_LN_FINAL, row0, rows, x, D);
    if (rc == NS_OK && wants_logits(p, s, row0, row1)) {
        g->list[g->n++] = (segment){session, row0, rows};
        g->rows += rows;
    }
    return rc;
}

static bool row_read(const ns_pass *p, const ns_session *s, int64_t row)
{
    return (p->logits && row + 1 == s->n_tokens) || ns_wanted(p, s, NS_POINT_LN_FINAL, -1, row, row + 1)
           || ns_wanted(p, s, NS_POINT_LOGITS, -1, row, row + 1);
}

static int add_session(ns_pass *p, gathered *g, int64_t session)
{
    const ns_session *const s = p->sessions[session];
    int rc = NS_OK;
    int64_t run = -1;
    for (int64_t r = s->base; r <= s->n_tokens && rc == NS_OK; r++) {
        bool read = r < s->n_tokens && row_read(p, s, r);
        if (run >= 0 && (!read || r - run == HEAD_ROWS)) {
            rc = add_rows(p, g, session, run, r);
            run = -1;
        }
        if (read && run < 0)
            run = r;
    }
    return rc;
}

int ns_final_run(ns_pass *p, int64_t first, int64_t last)
{
    gathered g = {.n = 0};
    if (!ns_buffer_need(&p->scratch->final, HEAD_ROWS * p->arch->d_model, p->err)
        || !ns_buffer_need(&p->scratch->logits, HEAD_ROWS * p->arch->vocab, p->err))
        return NS_E_MEMORY;
    int rc = NS_OK;
    const ns_fpenv env = ns_fpenv_set();
    for (int64_t i = first; i < last && rc == NS_OK; i++)
        if (p->sessions[i]->n_tokens > p->sessions[i]->computed)
            rc = add_session(p, &g, i);
    if (rc == NS_OK)
        rc = finish(p, &g);
    ns_fpenv_restore(env);
    return rc;
}
