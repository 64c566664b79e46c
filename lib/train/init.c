/* init.c - first values: of normal distributions, each parameter from a stream of random numbers of its own. */
#include "train/internal.h"

#include <math.h>
#include <string.h>

/* Random streams of the roles that letters of a pattern have; 64 a layer. */
static const struct { const char *role; int stream; } streams[] = {
    {"attn.q", 1}, {"attn.k", 2}, {"attn.v", 3}, {"attn.z_gate", 4}, {"attn.o", 5}, {"ffn.gate", 8}, {"ffn.up", 9}, {"ffn.down", 10},
    {"embed", 11}, {"head", 13},
};

/* What one holds does not depend on the others' sizes. */
static uint64_t stream_of(const char *role, int64_t layer, const char *name)
{
    for (size_t i = 0; i < sizeof streams / sizeof *streams; i++)
        if (strcmp(streams[i].role, role) == 0)
            return (uint64_t)((layer + 1) * 64 + streams[i].stream);
    uint64_t hash = UINT64_C(14695981039346656037);          /* FNV-1a, above all of those numbers */
    for (; *name; name++)
        hash = (hash ^ (uint8_t)*name) * UINT64_C(1099511628211);
    return hash | UINT64_C(1) << 63;
}

static uint64_t stream_for(const ns_trainer *t, const ns_param *p)
{
    return stream_of(t->given ? "" : p->role, p->layer, p->name) + (p->expert > 0 ? (uint64_t)p->expert << 32 : 0);
}

/* What writes into the residual stream is smaller with depth. */
static double sd_of(const ns_trainer *t, const ns_param *p)
{
    const ns_train_config *const c = &t->config;
    if (p->layer < 0)
        return strcmp(p->role, "head") == 0 ? c->init_head : c->init_embed;
    const double given = p->out ? c->init_out : c->init_in;
    return given > 0 ? given : 1 / sqrt((double)(p->out ? p->cols * 2 * t->arch->n_layers : p->cols));
}

/* One of the first values. Rates of decay and steps as Mamba-2 begins them: a rate e^table of 1 to 16, a step softplus(bias) of .001 to
 * .1; taps within 1 / taps^1/2, as PyTorch's convolution. */
static float first_value(const ns_param *p, double sd, ns_rng *rng)
{
    const double u = p->init ? ns_rng_uniform(rng) : 0;
    switch (p->init) {
    case NS_INIT_ONE: return 1;
    case NS_INIT_RATE: return (float)ns_log(1 + 15 * u);
    case NS_INIT_STEP: return (float)ns_log(ns_exp(0.001 * ns_pow(100, u)) - 1);
    case NS_INIT_TAPS: return (float)((2 * u - 1) / sqrt((double)p->cols));
    case NS_INIT_USUAL: break;
    }
    return p->kind == NS_PARAM_MATRIX ? (float)(sd * ns_rng_normal(rng)) : p->start;
}

void ns_train_init(ns_trainer *t)
{
    for (int64_t i = 0; i < t->model.n_params; i++) {
        const ns_param *const p = &t->model.params[i];
        const double sd = sd_of(t, p);
        ns_rng rng = ns_rng_seed((uint64_t)t->config.seed, stream_for(t, p));
        for (int64_t j = 0; j < p->rows * p->cols; j++)
            t->model.w[p->at + j] = first_value(p, sd, &rng);
    }
    t->model.stale = true;
}
