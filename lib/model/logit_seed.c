/* logit_seed.c - the derivative of a sum of logits by what the head is given, out of the head's rows alone. */
#include <needlescope/backward.h>

#include "model/internal.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK = 256 };

/* sum[D] += weight W_U[token], of `n` tokens from the first on, `weights` NULL: 1 each. */
static int add_rows(const ns_model *m, int64_t first, int64_t n, const float *weights, float *rows, double *sum, ns_error *err)
{
    const int64_t D = m->arch->d_model;
    const int rc = ns_weights_rows(m, &m->arch->head, first, n, rows, err);
    for (int64_t t = 0; t < n && rc == NS_OK; t++)
        for (int64_t i = 0; i < D; i++)
            sum[i] += (weights ? (double)weights[t] : 1.0) * (double)rows[t * D + i];
    return rc;
}

static int add_all(const ns_model *m, const ns_logit_seed *s, float *rows, double *sum, ns_error *err)
{
    const int64_t V = m->arch->vocab;
    int rc = NS_OK;
    for (int64_t i = 0; i < s->n && rc == NS_OK; i++)
        rc = s->tokens[i] < 0 || s->tokens[i] >= V
                 ? ns_fail(err, NS_E_ARG, "token %lld: the vocabulary has %lld", (long long)s->tokens[i], (long long)V)
                 : add_rows(m, s->tokens[i], 1, s->weights ? &s->weights[i] : NULL, rows, sum, err);
    for (int64_t t = 0; t < V && !s->tokens && rc == NS_OK; t += BLOCK)
        rc = add_rows(m, t, V - t < BLOCK ? V - t : BLOCK, NULL, rows, sum, err);
    return rc;
}

int ns_model_logit_seed(const ns_model *m, ns_logit_seed *s, ns_error *err)
{
    const int64_t D = m->arch->d_model;
    const ns_norm *const norm = &m->arch->final_norm;
    double *const sum = ns_alloc_array((size_t)D, sizeof *sum);
    float *const rows = ns_alloc_array((size_t)(BLOCK * D), sizeof *rows);
    int rc = sum && rows ? add_all(m, s, rows, sum, err) : ns_oom(err, "rows of the head");
    for (int64_t i = 0; i < D && rc == NS_OK; i++) {
        const double gain = m->final.gain ? (double)norm->offset + (double)m->final.gain[i] : 1;
        s->values[i] = (float)(sum[i] * gain * (double)m->arch->logit_scale);
    }
    if (ns_point_exists(m->arch, NS_POINT_LN_FINAL, -1))
        ns_point_format(NS_POINT_LN_FINAL, -1, s->at, sizeof s->at);
    else
        ns_point_format(NS_POINT_RESID_POST, m->arch->n_layers - 1, s->at, sizeof s->at);
    free(sum);
    free(rows);
    return rc;
}
