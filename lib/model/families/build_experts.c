/* build_experts.c - a mixture of experts by a family's row: its sizes, how it chooses, and where its tensors are. */
#include "model/families/family.h"

#include <string.h>

/* Part 0 gate, 1 up of a tensor of both: rows of either by turns, or one below the other. */
static void narrow(const ns_mixture *m, ns_tref *t, int part, int64_t width)
{
    t->start = m->interleaved ? part : part * width;
    t->group = m->interleaved ? 1 : t->group;
    t->stride = m->interleaved ? 2 : t->stride;
}

/* Gate and up in one tensor. Of two forms it is the one that is there; where neither is, since the model is yet to be made or its file has
 * codes, each expert's own as transformers 4 writes it, else one tensor: only a GGUF has gate and up of all experts apart. */
static bool is_fused(ns_builder *b, const ns_mixture *m)
{
    if (!m->gate || !m->gate_up)
        return m->gate_up;
    return ns_build_holds(b, m->gate_up) || (!strstr(m->gate, "{}") && !ns_build_holds(b, m->gate));
}

static void build_parts(ns_builder *b, ns_branch *branch)
{
    static const char *const roles[] = {"ffn.gate", "ffn.up"};
    const ns_mixture *const m = b->row->mixture;
    const char *const apart[] = {m->gate, m->up}, *const biases[] = {m->gate_bias, m->up_bias};
    const bool fused = is_fused(b, m), transposed = m->transposed && fused && !b->f->mxfp4;
    for (int i = m->gate_up || m->gate ? 0 : 1; i < 2; i++) {
        ns_tref *const t = ns_build_tensor(b, branch, roles[i], fused ? m->gate_up : apart[i]);
        t->transposed = transposed;
        if (fused)
            narrow(m, t, i, b->f->d_expert);
        if (fused && m->gate_up_bias)
            narrow(m, ns_build_bias(b, branch, roles[i], m->gate_up_bias), i, b->f->d_expert);
        else if (!fused && biases[i])
            ns_build_bias(b, branch, roles[i], biases[i]);
    }
    ns_build_tensor(b, branch, "ffn.down", m->down)->transposed = transposed;
    if (m->down_bias)
        ns_build_bias(b, branch, "ffn.down", m->down_bias);
}

static void build_shared(ns_builder *b, ns_branch *branch)
{
    const ns_mixture *const m = b->row->mixture;
    if (m->shared_gate_up || m->shared_gate)
        ns_build_tensor(b, branch, "ffn.shared_gate", m->shared_gate_up ? m->shared_gate_up : m->shared_gate);
    ns_build_tensor(b, branch, "ffn.shared_up", m->shared_gate_up ? m->shared_gate_up : m->shared_up)->start =
        m->shared_gate_up ? b->f->d_shared : 0;
    ns_build_tensor(b, branch, "ffn.shared_down", m->shared_down);
    if (m->shared_switch)
        ns_build_tensor(b, branch, "ffn.shared_switch", m->shared_switch);
}

static void build_numbers(ns_builder *b, ns_branch *branch)
{
    const ns_mixture *const m = b->row->mixture;
    const ns_router *const r = &b->f->router;
    const struct { const char *key; double value; } numbers[] = {
        {"n_experts", (double)r->n_experts}, {"top_k", (double)r->top_k}, {"routing", r->routing}, {"normalise", r->normalise},
        {"scale", (double)r->scale}, {"groups", (double)r->groups}, {"group_top_k", (double)r->group_top_k},
        {"group_best", (double)r->group_best}, {"weigh_input", m->weigh_input}, {"d_ff", (double)b->f->d_expert},
        {"d_shared", (double)b->f->d_shared}, {"act", m->act ? *m->act : b->f->act}, {"limit", b->f->limit},
        {"up_offset", (double)m->up_offset},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        ns_build_number(b, branch, numbers[i].key, numbers[i].value);
}

void ns_build_experts(ns_builder *b, ns_branch *branch)
{
    const ns_mixture *const m = b->row->mixture;
    build_numbers(b, branch);
    ns_build_tensor(b, branch, "ffn.router", m->router);
    if (m->router_bias)
        ns_build_bias(b, branch, "ffn.router", m->router_bias);
    if (m->choice_bias)
        ns_build_tensor(b, branch, "ffn.choice_bias", m->choice_bias);
    build_parts(b, branch);
    if (b->f->d_shared)
        build_shared(b, branch);
}
