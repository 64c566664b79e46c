/* rope.c - tables of cos and sin, made when a pass first needs them. */
#include "model/internal.h"

#include <stdlib.h>

typedef struct rope_job { ns_rope_table *t; const float *inv_freq; float factor; int64_t half; } rope_job;

enum { ROPE_TASK = 256 };

static void rope_task(void *user, int64_t task, int worker)
{
    (void)worker;
    const rope_job *j = user;
    for (int64_t p = task * ROPE_TASK; p < j->t->n && p < (task + 1) * ROPE_TASK; p++)
        for (int64_t i = 0; i < j->half; i++) {
            double s, c;
            float angle = (float)p * j->inv_freq[i];           /* f32, as transformers computes it */
            ns_sincos((double)angle, &s, &c);
            j->t->cos[p * j->half + i] = (float)c * j->factor;
            j->t->sin[p * j->half + i] = (float)s * j->factor;
        }
}

static int build_rope(ns_pass *p, ns_rope_table *t, int64_t final_length)
{
    const ns_rope *rope = &p->arch->ropes[t->rope];
    int64_t half = rope->rotary_dim / 2;
    float *inv_freq = ns_alloc_array((size_t)half, sizeof *inv_freq), factor;
    t->cos = ns_alloc_aligned((size_t)(t->n * half) * sizeof(float));
    t->sin = ns_alloc_aligned((size_t)(t->n * half) * sizeof(float));
    int rc = inv_freq && t->cos && t->sin ? ns_rope_frequencies(rope, p->arch->max_positions, final_length, inv_freq, &factor, p->err)
                                          : ns_oom(p->err, "rope");
    if (rc == NS_OK) {
        rope_job j = {t, inv_freq, factor, half};
        ns_engine_run(p->engine, (t->n + ROPE_TASK - 1) / ROPE_TASK, rope_task, &j);
    }
    free(inv_freq);
    return rc;
}

const float *ns_rope_unsin(ns_rope_table *t, const ns_rope *rope, ns_error *err)
{
    const int64_t n = t->n * (rope->rotary_dim / 2);
    if (t->unsin)
        return t->unsin;
    t->unsin = ns_alloc_aligned((size_t)n * sizeof *t->unsin);
    if (!t->unsin)
        ns_oom(err, "rope");
    for (int64_t i = 0; i < n && t->unsin; i++)
        t->unsin[i] = -t->sin[i];
    return t->unsin;
}

static void rope_table_free(ns_rope_table *t)
{
    free(t->unsin);
    free(t->cos);
    free(t->sin);
}

ns_rope_table *ns_pass_rope(ns_pass *p, int rope, int64_t rope_class, int64_t positions, int64_t final_length)
{
    for (int i = 0; i < p->n_ropes; i++)
        if (p->ropes[i].rope == rope && p->ropes[i].class_ == rope_class && p->ropes[i].n >= positions)
            return &p->ropes[i];
    for (int64_t i = 0; i < p->n_sessions; i++)
        positions = p->sessions[i]->n_tokens > positions ? p->sessions[i]->n_tokens : positions;
    ns_rope_table t = {.rope = rope, .class_ = rope_class, .n = positions};
    int64_t capacity = p->ropes_capacity;
    if (!ns_grow(&p->ropes, &capacity, p->n_ropes + 1, sizeof *p->ropes)) {
        ns_oom(p->err, "rope");
        return NULL;
    }
    p->ropes_capacity = (int)capacity;
    if (build_rope(p, &t, final_length)) {
        rope_table_free(&t);
        return NULL;
    }
    p->ropes[p->n_ropes] = t;
    return &p->ropes[p->n_ropes++];
}

void ns_pass_free_ropes(ns_pass *p)
{
    for (int i = 0; i < p->n_ropes; i++)
        rope_table_free(&p->ropes[i]);
    free(p->ropes);
}
