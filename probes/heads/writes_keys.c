/* writes_keys.c - the keys of a case whose values the probe of what heads write adds up, and the directions of its tokens' logits. */
#include <stdlib.h>
#include <string.h>

#include "writes.h"

/* ---- keys ---- */

static ns_write_key *key_at(ns_write_keys *s, int64_t position)
{
    int64_t i = s->n;
    for (int64_t k = 0; k < s->n; k++)
        if (s->list[k].position == position)
            return &s->list[k];
    for (; i > 0 && s->list[i - 1].position > position; i--)
        s->list[i] = s->list[i - 1];
    s->list[i] = (ns_write_key){.position = position};
    s->n++;
    return &s->list[i];
}

static void add_spans(ns_write_keys *s, const ns_case *c, const char *name, int set, float times)
{
    int at = 0;
    for (const ns_span *span; (span = ns_case_mention(c, name, &at));)
        for (int64_t p = span->begin; p < span->end; p++)
            key_at(s, p)->in[set] += times;
}

int ns_write_keys_find(ns_write_keys *s, const ns_case *c, bool placebo, ns_error *err)
{
    int at = 0;
    const int64_t most = ns_case_mentioned(c, "needle_answer") + ns_case_mentioned(c, "placebo") +
                         ns_case_mentioned(c, "distractor_answer");
    *s = (ns_write_keys){.list = ns_alloc_array((size_t)most, sizeof *s->list)};
    if (!s->list)
        return ns_oom(err, "keys of a case");
    while (ns_case_mention(c, "distractor_answer", &at))
        s->distractors++;
    add_spans(s, c, "needle_answer", NS_ON_NEEDLE, 1);
    if (placebo)
        add_spans(s, c, "placebo", NS_ON_PLACEBO, 1);
    if (s->distractors)
        add_spans(s, c, "distractor_answer", NS_ON_DISTRACTOR, 1 / (float)s->distractors);
    return NS_OK;
}

/* ---- directions ---- */

/* From u[D] the mean direction of the distractors' tokens in the place of content token i; NaN where none has one. */
static int take_distractors(const ns_model *m, const ns_case *c, int64_t i, float *u, ns_error *err)
{
    const int64_t D = ns_model_arch(m)->d_model;
    double constant, n = 0;
    int at = 0, rc = NS_OK;
    float *const other = ns_alloc_array((size_t)D, sizeof *other), *const sum = ns_alloc_array((size_t)D, sizeof *sum);
    if (!other || !sum)
        rc = ns_oom(err, "directions of tokens");
    for (const ns_span *span; rc == NS_OK && (span = ns_case_mention(c, "distractor_answer", &at));) {
        if (span->begin + i >= span->end)
            continue;
        const int32_t token = ns_case_token(c, span->begin + i);
        rc = ns_model_logit_directions(m, &token, 1, other, &constant, err);
        n++;
        for (int64_t k = 0; k < D; k++)
            sum[k] += other[k];
    }
    for (int64_t k = 0; k < D && rc == NS_OK; k++)
        u[k] = n > 0 ? (float)((double)u[k] - (double)sum[k] / n) : NAN;
    free(other);
    free(sum);
    return rc;
}

int ns_write_directions(const ns_model *m, const ns_case *c, float *u, double *constant, ns_error *err)
{
    const int64_t D = ns_model_arch(m)->d_model, rows = c->n_answer - c->n_lead;
    int rc = NS_OK;
    for (int64_t i = 0; i < rows && rc == NS_OK; i++, u += 2 * D) {
        rc = ns_model_logit_directions(m, &c->answer[c->n_lead + i], 1, u, &constant[i], err);
        if (rc == NS_OK) {
            memcpy(u + D, u, (size_t)D * sizeof *u);
            rc = take_distractors(m, c, i, u + D, err);
        }
    }
    return rc;
}
