/* draws.c - heads that stand for others in a control. */
#include "draws.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/ablate.h>

enum { NEAREST = 8 };

typedef struct candidate { int64_t layer, head; double distance; } candidate;

static int by_distance(const void *a, const void *b)
{
    const candidate *const x = a, *const y = b;
    if (x->distance != y->distance)
        return x->distance < y->distance ? -1 : 1;
    return x->layer != y->layer ? (x->layer < y->layer ? -1 : 1) : x->head < y->head ? -1 : 1;
}

static bool is_in(const ns_head *heads, int n, int64_t layer, int64_t head)
{
    for (int i = 0; i < n; i++)
        if (heads[i].layer == layer && heads[i].head == head)
            return true;
    return false;
}

/* Heads that may stand for a target head: of its layer, or of all; those drawn already and the target set are left out. */
static int candidates(const ns_matching *m, ns_head *drawn, int n, ns_head target, bool same_layer, candidate *list)
{
    const double norm = (double)m->norm[target.layer * m->H + target.head];
    int found = 0;
    for (int64_t l = same_layer ? target.layer : 0; l < (same_layer ? target.layer + 1 : m->L); l++) {
        const ns_attn *const attn = ns_arch_attn(m->arch, l);
        for (int64_t h = 0; attn && h < attn->n_heads; h++)
            if (!is_in(m->target, m->n, l, h) && !is_in(drawn, n, l, h))
                list[found++] = (candidate){l, h, fabs((double)m->norm[l * m->H + h] - norm)};
    }
    qsort(list, (size_t)found, sizeof *list, by_distance);
    return found;
}

int ns_draw_matched(const ns_matching *m, ns_rng *rng, ns_head *out, bool *layer_matched, ns_error *err)
{
    candidate *const list = ns_alloc_array((size_t)(m->L * m->H), sizeof *list);
    int rc = list ? NS_OK : ns_oom(err, "controls");
    *layer_matched = true;
    for (int i = 0; i < m->n && rc == NS_OK; i++) {
        int n = candidates(m, out, i, m->target[i], true, list);
        if (n < NS_ABLATE_LAYER_OTHERS) {
            n = candidates(m, out, i, m->target[i], false, list);
            *layer_matched = false;
        }
        if (n == 0) {
            rc = ns_fail(err, NS_E_ARG, "the %d heads leave no others to compare with", m->n);
        } else {
            const candidate *const one = &list[ns_rng_below(rng, n < NEAREST ? n : NEAREST)];
            out[i] = (ns_head){one->layer, one->head};
        }
    }
    free(list);
    return rc;
}

void ns_add_norms(double *sum, int64_t H, const ns_site *site, const ns_view *v)
{
    for (int64_t r = 0; r < site->n_rows; r++)
        for (int64_t h = 0; h < site->n_heads; h++) {
            const float *const x = ns_at(v, r, h, 0);
            double squares = 0;
            for (int64_t i = 0; i < v->shape[2]; i++)
                squares += (double)x[i] * (double)x[i];
            sum[site->layer * H + h] += sqrt(squares);
        }
}
