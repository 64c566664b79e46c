/* linear_recurrence_check.c - whether the settings of a linear recurrence fit each other: what needs or excludes what. */
#include "model/branch/linear_recurrence.h"

static int check_numbers(const ns_checker *c, const ns_recurrence *x)
{
    const struct { const char *name; float value; } all[] = {{"q_factor", x->q_factor}, {"k_factor", x->k_factor},
        {"v_factor", x->v_factor}, {"gate_factor", x->gate_factor}, {"step_factor", x->step_factor}};
    int rc = NS_OK;
    for (size_t i = 0; i < sizeof all / sizeof *all && rc == NS_OK; i++)
        rc = ns_check_at_least(c, all[i].name, (double)all[i].value, -1e30);
    for (int64_t h = 0; x->slope && h < x->heads.n_heads && rc == NS_OK; h++)
        rc = x->slope[h] > 0 && x->slope[h] < 1e30 ? NS_OK : ns_check_refuse(c, "a slope must be above 0 (decay \"none\" forgets nothing)");
    return rc;
}

static int check_own_sizes(const ns_checker *c, const ns_recurrence *x)
{
    const ns_attn *const a = &x->heads;
    const ns_scan s = ns_recurrence_sizes(x);
    int rc;
    if ((rc = ns_check_range(c, "q_heads", s.q_heads, 1, 65536)) != NS_OK ||
        (rc = ns_check_range(c, "k_heads", s.k_heads, 1, 65536)) != NS_OK ||
        (rc = ns_check_range(c, "key_dim", s.key, 1, 65536)) != NS_OK ||
        (rc = ns_check_range(c, "conv_taps", x->taps, 0, 1024)) != NS_OK ||
        (rc = ns_check_range(c, "z_norm_groups", x->z_norm_groups, 0, a->n_heads * a->head_dim)) != NS_OK ||
        (rc = ns_check_at_least(c, "step_min", x->step_min, 0)) != NS_OK ||
        (rc = ns_check_at_least(c, "step_max", x->step_max, 0)) != NS_OK || (rc = ns_check_at_least(c, "divisor", x->divisor, 0)) != NS_OK)
        return rc;
    if (a->n_heads % s.q_heads || a->n_heads % s.k_heads)
        return ns_check_refuse(c, "n_heads is not a multiple of q_heads and of k_heads");
    if (x->z_norm_groups && (a->n_heads * a->head_dim) % x->z_norm_groups)
        return ns_check_refuse(c, "n_heads x head_dim is not a multiple of z_norm_groups");
    return NS_OK;
}

/* Thin products: their rank, and both of them, in place of the one. */
static int check_ranks(const ns_checker *c, const ns_recurrence *x)
{
    int rc;
    if ((rc = ns_check_range(c, "step_rank", x->step_rank, 0, 65536)) != NS_OK ||
        (rc = ns_check_range(c, "gate_rank", x->gate_rank, 0, 65536)) != NS_OK)
        return rc;
    if ((x->step_rank > 0) != (x->step_in.name != NULL) || (x->step_rank > 0) != (x->step_out.name != NULL))
        return ns_check_refuse(c, "step_rank, step_in and step_out need each other");
    if ((x->gate_rank > 0) != (x->gate_in.name != NULL) || (x->gate_rank > 0) != (x->gate_out.name != NULL))
        return ns_check_refuse(c, "gate_rank, gate_in and gate_out need each other");
    if ((x->step_rank && x->step_factor != 0) || (x->gate_rank && x->gate_factor != 0))
        return ns_check_refuse(c, "step_factor and gate_factor are of one product, not of two thin ones");
    return (x->step.name && x->step_rank) || (x->z_gate.name && x->gate_rank)
               ? ns_check_refuse(c, "step and z_gate are one product or two thin ones, not both") : NS_OK;
}

static int check_settings(const ns_checker *c, const ns_recurrence *x)
{
    const ns_attn *const a = &x->heads;
    const bool steps = x->decay == DECAY_SOFTPLUS || x->decay == DECAY_LOGSIGMOID;
    if (a->window || a->head_window || a->softcap > 0 || a->clip_qkv > 0)
        return ns_check_refuse(c, "a recurrence has no window, softcap or clip_qkv");
    if ((x->decay == DECAY_SLOPE) != (x->slope != NULL))
        return ns_check_refuse(c, "decay slope and slope, one number a head, need each other");
    if (steps != (x->step.name || x->step_rank) || (x->rate.name && x->decay != DECAY_SOFTPLUS) || (x->step_bias.name && !steps))
        return ns_check_refuse(c, "decays softplus and logsigmoid need step, rate is of softplus, step_bias of both");
    if ((x->beta == BETA_SIGMOID || x->beta == BETA_TWICE_SIGMOID) != (x->write.name != NULL) ||
        (x->beta == BETA_STEP && (!steps || x->each)))
        return ns_check_refuse(c, "beta sigmoid and twice_sigmoid need write, step needs a decay that has one for each head");
    if (x->write.name && x->rule == RULE_UNSAID)
        return ns_check_refuse(c, "beta sigmoid and twice_sigmoid are of either rule: rule must be add or delta");
    if (x->decay == DECAY_NONE && x->rule == RULE_UNSAID)       /* nothing that it says is of one rule */
        return ns_check_refuse(c, "a state without decay is of either rule: rule must be add or delta (or give the decay)");
    if ((x->taps > 0) != (x->q_conv.name && x->k_conv.name && x->v_conv.name))
        return ns_check_refuse(c, "conv_taps and the tables q_conv, k_conv, v_conv need each other");
    if (x->each && !steps)
        return ns_check_refuse(c, "decay_of key_channel needs a decay softplus or logsigmoid");
    return NS_OK;
}

int ns_recurrence_check(const ns_checker *c, const void *params)
{
    const ns_recurrence *const x = params;
    int rc = ns_heads_check(c, &x->heads);
    rc = rc != NS_OK ? rc : check_own_sizes(c, x);
    rc = rc != NS_OK ? rc : check_ranks(c, x);
    rc = rc != NS_OK ? rc : check_settings(c, x);
    rc = rc != NS_OK ? rc : check_numbers(c, x);
    return rc != NS_OK ? rc : ns_check_norm(c, "z_norm", &x->z_norm);
}
