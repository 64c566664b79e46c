/* lab_corpus.c - batches for training and validation, of the laboratory's language or of a file of token ids.
 * (seed, batch) -> B sequences of T tokens; a file gives B stretches from anywhere in its part (training: the first 19/20, validation: the
 * rest). */
#include <stdlib.h>
#include <string.h>

#include "lab.h"

struct ns_corpus {
    ns_lab_language language;
    ns_corpus_params p;
    char   *label;
    ns_input in;                     /* a file, held open */
    int64_t first, n;                /* the part: ids [first, first + n) */
};

static int open_file(ns_corpus *c, ns_error *err)
{
    if (c->p.width != 2 && c->p.width != 4)
        return ns_fail(err, NS_E_ARG, "%s: ids of %d bytes (2 or 4)", c->label, c->p.width);
    if (c->p.vocab < 1 || c->p.vocab > INT32_MAX)
        return ns_fail(err, NS_E_ARG, "%s: a vocabulary of %lld ids", c->label, (long long)c->p.vocab);
    const int rc = ns_input_open(&c->in, c->label, err);
    if (rc != NS_OK)
        return rc;
    if (c->in.size % c->p.width)
        return ns_fail(err, NS_E_FORMAT, "%s: %lld bytes are no whole number of %d-byte ids", c->label, (long long)c->in.size, c->p.width);
    const int64_t all = c->in.size / c->p.width, kept = all / 20;
    c->first = c->p.validation ? all - kept : 0;
    c->n = c->p.validation ? kept : all - kept;
    return NS_OK;
}

int ns_corpus_open(ns_corpus **out, const ns_corpus_params *p, ns_error *err)
{
    *out = NULL;
    ns_corpus_params params;
    int rc = ns_sized_copy(&params, sizeof params, p, "ns_corpus_params", err);
    if (rc != NS_OK)
        return rc;
    p = &params;
    ns_corpus *const c = ns_alloc_array(1, sizeof *c);
    if (!c)
        return ns_oom(err, "a corpus");
    c->p = params;
    c->label = ns_strdup(p->file ? p->file : "the laboratory's language");
    ns_lab_language_make(&c->language);
    rc = !c->label ? ns_oom(err, "a corpus") : p->file ? open_file(c, err) : NS_OK;
    if (rc != NS_OK) {
        ns_corpus_close(c);
        return rc;
    }
    *out = c;
    return NS_OK;
}

void ns_corpus_close(ns_corpus *c)
{
    if (!c)
        return;
    ns_input_close(&c->in);
    free(c->label);
    free(c);
}

int64_t ns_corpus_vocab(const ns_corpus *c)
{
    return c->p.file ? c->p.vocab : NS_LAB_VOCAB;
}

bool ns_corpus_has_distances(const ns_corpus *c)
{
    return !c->p.file;
}

/* The ids are read into the places that they are widened in, from the last to the first. */
static int read_stretch(const ns_corpus *c, ns_rng *rng, int64_t T, int32_t *tokens, ns_error *err)
{
    const int64_t at = c->first + ns_rng_below(rng, c->n - T + 1);
    const int rc = ns_input_read(&c->in, at * c->p.width, tokens, (size_t)(T * c->p.width), c->label, err);
    for (int64_t t = T - 1; t >= 0 && rc == NS_OK && c->p.width == 2; t--) {
        uint16_t narrow;
        memcpy(&narrow, (const uint8_t *)tokens + 2 * t, 2);
        tokens[t] = narrow;
    }
    for (int64_t t = 0; t < T && rc == NS_OK; t++)
        if ((uint32_t)tokens[t] >= c->p.vocab)
            return ns_fail(err, NS_E_FORMAT, "%s: id %lld at place %lld, but the vocabulary has %lld (other width? larger vocab?)",
                           c->label, (long long)(uint32_t)tokens[t], (long long)(at + t), (long long)c->p.vocab);
    return rc;
}

int ns_corpus_batch(const ns_corpus *c, int64_t index, int64_t B, int64_t T, int32_t *tokens, int32_t *distance, ns_error *err)
{
    int64_t need;
    if (index < 0 || B < 1 || T < 2 || !ns_mul_i64(B, T, &need))
        return ns_fail(err, NS_E_ARG, "%s: no batch %lld of %lld sequences of %lld tokens", c->label, (long long)index, (long long)B,
                       (long long)T);
    if (c->p.file && (c->n < T || (!c->p.validation && c->n < need)))
        return ns_fail(err, NS_E_ARG, "%s: its %s part has %lld tokens, shorter than %s of %lld (a smaller batch or length, or more text)",
                       c->label, c->p.validation ? "validation" : "training", (long long)c->n, c->p.validation ? "a sequence" : "a batch",
                       (long long)(c->p.validation ? T : need));
    int rc = NS_OK;
    for (int64_t b = 0; b < B && rc == NS_OK; b++) {
        ns_rng rng = ns_lab_stream(c->p.seed, c->p.validation ? NS_LAB_VALIDATION : NS_LAB_TRAINING, index * B + b);
        ns_lab_sequence s = {.T = T, .tokens = tokens + b * T, .distance = distance ? distance + b * T : NULL, .reserved_at = -1};
        if (!c->p.file)
            ns_lab_write(&c->language, &rng, &s);
        else
            rc = read_stretch(c, &rng, T, s.tokens, err);
        for (int64_t t = 0; c->p.file && distance && t < T; t++)
            s.distance[t] = NS_LAB_NEW;
    }
    return rc;
}
