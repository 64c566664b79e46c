/* trainable_pass.c - the pass over whole sequences and the way back: embed -> layers -> logits. */
#include "model/trainable.h"

#include <stdlib.h>
#include <string.h>

static int ready(ns_trainable *t, int64_t sequences, int64_t n, ns_error *err)
{
    if (sequences > t->n_members) {
        free(t->members);
        t->n_members = 0;
        t->members = ns_alloc_array((size_t)sequences, sizeof *t->members);
        if (!t->members)
            return ns_oom(err, "sequences");
        t->n_members = sequences;
    }
    t->sequence.n_tokens = n;
    for (int64_t s = 0; s < sequences; s++)
        t->members[s] = (ns_member){.s = &t->sequence, .session = s, .end = n, .row = s * n};
    t->pass.err = err;
    return ns_tape_begin(&t->band, &t->pass, &t->tape, t->members, (int)sequences);
}

typedef void (*row_fn)(ns_trainable *, float *x, int32_t token, int64_t position);

static void each_row(ns_trainable *t, ns_cols x, float *data, const int32_t *tokens, int64_t T, row_fn fn)
{
    for (int64_t r = 0; r < t->band.rows; r++) {
        const int64_t n = t->sequence.n_tokens;
        fn(t, data + r * x.sheet->ld, tokens[r / n * T + r % n], r % n);
    }
}

static float *row_of(const ns_trainable *t, float *arena, const ns_param *p, int64_t row)
{
    return arena + p->at + row * t->model.arch->d_model;
}

static void embed(ns_trainable *t, float *x, int32_t token, int64_t position)
{
    const int64_t D = t->model.arch->d_model;
    memcpy(x, row_of(t, t->w, t->embed, token), (size_t)D * sizeof *x);
    if (t->model.arch->embed_scale != 1.0f)
        t->pass.math->scale(x, D, t->model.arch->embed_scale);
    if (t->positions)
        t->pass.math->add(x, x, row_of(t, t->w, t->positions, position + t->model.arch->position_offset), D);
}

static void embed_back(ns_trainable *t, float *dx, int32_t token, int64_t position)
{
    const int64_t D = t->model.arch->d_model;
    float *const row = row_of(t, t->g, t->embed, token);
    if (t->positions) {
        float *const at = row_of(t, t->g, t->positions, position + t->model.arch->position_offset);
        t->pass.math->add(at, at, dx, D);
    }
    if (t->model.arch->embed_scale != 1.0f)
        t->pass.math->scale(dx, D, t->model.arch->embed_scale);
    t->pass.math->add(row, row, dx, D);
}

int ns_trainable_forward(ns_trainable *t, const int32_t *tokens, int64_t sequences, int64_t T, int64_t n, bool goes_back, ns_error *err)
{
    t->tape.keeps = goes_back;
    int rc = ready(t, sequences, n, err);
    if (rc != NS_OK)
        return rc;
    t->begin = ns_band_x(&t->band);
    each_row(t, t->begin, ns_cols_at(t->begin, 0), tokens, T, embed);
    for (int64_t l = 0; l < t->model.arch->n_layers && rc == NS_OK; l++)
        rc = ns_tape_layer(&t->band, l, &t->model.layers[l]);
    t->logits = rc == NS_OK ? ns_tape_logits(&t->band, &t->model.head) : (ns_cols){0};
    return t->band.rc;
}

int ns_trainable_back(ns_trainable *t, const int32_t *tokens, int64_t T, ns_error *err)
{
    t->pass.err = err;
    const int rc = ns_tape_back(&t->band, 0);
    if (rc == NS_OK)
        each_row(t, t->begin, ns_grad_of(&t->band, t->begin), tokens, T, embed_back);
    return rc;
}
