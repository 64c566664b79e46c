/* delta_net.c - DeltaNet (arXiv 2406.06484) and Gated DeltaNet (arXiv 2412.06464) as several families have them: q and k of length 1, a
 * decay for each head or none, beta from the input, a norm of each head's output before its gate. */
#include "model/families/family.h"
#include <math.h>

static void set_sizes(ns_builder *b, ns_branch *branch, int64_t taps)
{
    ns_attn *const a = branch->params;
    ns_build_recurrence(b, branch, 1 / sqrt((double)b->f->mixer.key_dim));
    ns_build_keys(b, branch, taps);
    ns_build_word(b, branch, "rule", "delta");
    ns_build_word(b, branch, "z_norm_of", "head");
    a->qk_norm = NS_QK_PER_HEAD;
    a->q_norm = a->k_norm = (ns_norm){.type = NS_NORM_L2, .eps = 1e-6f};
}

/* Rows start .. of each group of heads in a tensor that holds them side by side. */
static void part(ns_tref *t, int64_t start, int64_t rows, int64_t unit)
{
    t->start = start;
    t->group = rows;
    t->stride = unit;
}

static void build_fused(ns_builder *b, ns_branch *branch, const ns_delta_names *in)
{
    const ns_mixer_facts *const m = &b->f->mixer;
    const int64_t each = m->heads / m->groups, dk = m->key_dim, v = each * m->value_dim, unit = 2 * (dk + v);
    part(ns_build_matrix(b, branch, "attn.q", in->qkvz), 0, dk, unit);
    part(ns_build_matrix(b, branch, "attn.k", in->qkvz), dk, dk, unit);
    part(ns_build_matrix(b, branch, "attn.v", in->qkvz), 2 * dk, v, unit);
    part(ns_build_matrix(b, branch, "attn.z_gate", in->qkvz), 2 * dk + v, v, unit);
    part(ns_build_matrix(b, branch, "attn.write", in->ba), 0, each, 2 * each);
    part(ns_build_matrix(b, branch, "attn.step", in->ba), each, each, 2 * each);
}

static void build_apart(ns_builder *b, ns_branch *branch, const ns_delta_names *in)
{
    const int64_t k = b->f->mixer.groups * b->f->mixer.key_dim;
    ns_build_matrix(b, branch, "attn.q", in->qkv ? in->qkv : in->q);
    ns_build_matrix(b, branch, "attn.k", in->qkv ? in->qkv : in->k)->start = in->qkv ? k : 0;
    ns_build_matrix(b, branch, "attn.v", in->qkv ? in->qkv : in->v)->start = in->qkv ? 2 * k : 0;
    if (in->z)
        ns_build_matrix(b, branch, "attn.z_gate", in->z);
    if (in->write)
        ns_build_matrix(b, branch, "attn.write", in->write);
    if (in->step)
        ns_build_matrix(b, branch, "attn.step", in->step);
}

/* transformers cuts the one table into three equal parts, and joins what it reads: the rows of a tensor need not be those of its name. */
static bool cut_evenly(ns_builder *b, const ns_delta_names *in)
{
    const ns_mixer_facts *const m = &b->f->mixer;
    const int64_t q = m->groups * m->key_dim, v = m->heads * m->value_dim;
    const int64_t rows[] = {ns_build_rows(b, in->q_conv), ns_build_rows(b, in->k_conv), ns_build_rows(b, in->v_conv)};
    return rows[0] > 0 && rows[1] > 0 && rows[2] > 0 && (rows[0] != q || rows[1] != q) && rows[0] + rows[1] + rows[2] == 2 * q + v;
}

/* One table of all channels q | k | v, or a table each. */
static void build_convolution(ns_builder *b, ns_branch *branch, const ns_delta_names *in)
{
    static const char *const roles[] = {"attn.q_conv", "attn.k_conv", "attn.v_conv"};
    const char *const apart[] = {in->q_conv, in->k_conv, in->v_conv};
    const char *const whole = in->cut_conv && cut_evenly(b, in)                     ? in->cut_conv
                              : in->conv && !(in->q_conv && ns_build_holds(b, in->q_conv)) ? in->conv
                                                                                           : NULL;
    for (int i = 0; i < 3; i++)
        ns_build_tensor(b, branch, roles[i], whole ? whole : apart[i])->start = whole ? i * b->f->mixer.groups * b->f->mixer.key_dim : 0;
}

ns_norm *ns_build_gated_deltanet(ns_builder *b, ns_branch *branch, const ns_delta_names *in)
{
    const ns_mixer_facts *const m = &b->f->mixer;
    const bool step = in->step || in->ba, write = in->write || in->ba;
    const int64_t taps = in->conv || in->q_conv ? m->taps : 0;
    b->module = in->module;
    set_sizes(b, branch, taps);
    ns_build_word(b, branch, "decay", step ? "softplus" : "none");
    ns_build_word(b, branch, "beta", !write ? "one" : m->negative ? "twice_sigmoid" : "sigmoid");
    if (in->qkvz)
        build_fused(b, branch, in);
    else
        build_apart(b, branch, in);
    ns_build_matrix(b, branch, "attn.o", in->o);
    if (taps)
        build_convolution(b, branch, in);
    if (step) {
        ns_build_tensor(b, branch, "attn.step_bias", in->step_bias);
        ns_build_tensor(b, branch, "attn.rate", in->rate);
    }
    ns_norm *const norm = ns_build_norm(b, branch, "attn.z_norm", in->norm);
    b->module = NULL;
    return norm;
}
