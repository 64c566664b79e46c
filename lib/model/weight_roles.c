/* weight_roles.c - a weight by its role: where the arch has it, and its numbers. */
#include "branch/tref.h"
#include "model/internal.h"

static const char *const names[NS_WEIGHT_N_ROLES] = {
    "embedding", "positions", "unembedding", "unembedding bias", "W_Q", "W_K", "W_V", "W_O", "b_Q", "b_K", "b_V", "b_O", "gate", "up",
    "down", "gate bias", "up bias", "down bias"};

static const ns_tref *of_trunk(const ns_arch *a, ns_weight_role role)
{
    return role == NS_WEIGHT_EMBED       ? &a->embed
           : role == NS_WEIGHT_POSITIONS ? &a->positions
           : role == NS_WEIGHT_UNEMBED   ? &a->head
                                         : &a->head_bias;
}

static const ns_tref *of_heads(const ns_attn *a, ns_weight_role role)
{
    const ns_tref *const refs[] = {&a->q, &a->k, &a->v, &a->o, &a->q_bias, &a->k_bias, &a->v_bias, &a->o_bias};
    return refs[role - NS_WEIGHT_Q];
}

static const ns_tref *of_mlp(const ns_ffn *f, ns_weight_role role)
{
    const ns_tref *const refs[] = {&f->gate, &f->up, &f->down, &f->gate_bias, &f->up_bias, &f->down_bias};
    return refs[role - NS_WEIGHT_GATE];
}

/* *out: NULL where the model has none. */
static int find(const ns_model *m, int64_t layer, ns_weight_role role, const ns_tref **out, ns_error *err)
{
    static const ns_tref absent;
    const ns_arch *const a = m->arch;
    if (role < 0 || role >= NS_WEIGHT_N_ROLES)
        return ns_fail(err, NS_E_ARG, "weight role %d: there are %d", (int)role, NS_WEIGHT_N_ROLES);
    if (role >= NS_WEIGHT_Q && (layer < 0 || layer >= a->n_layers))
        return ns_fail(err, NS_E_ARG, "layer %lld: the model has layers 0 to %lld", (long long)layer, (long long)a->n_layers - 1);
    const ns_attn *const heads = role >= NS_WEIGHT_Q && role < NS_WEIGHT_GATE ? ns_arch_attn(a, layer) : NULL;
    const ns_ffn *const mlp = role >= NS_WEIGHT_GATE ? ns_arch_ffn(a, layer) : NULL;
    const ns_tref *const ref = role < NS_WEIGHT_Q ? of_trunk(a, role) : heads ? of_heads(heads, role) : mlp ? of_mlp(mlp, role) : &absent;
    if (ref->name && ns_tref_split(ref))
        return ns_fail(err, NS_E_UNSUPPORTED, "%s of layer %lld: '%s' is of experts, each of which has one", names[role], (long long)layer,
                       ref->name);
    *out = ref->name ? ref : NULL;
    return NS_OK;
}

int ns_model_weight_shape(const ns_model *m, int64_t layer, ns_weight_role role, int64_t shape[2], ns_error *err)
{
    const ns_tref *ref = NULL;
    const int rc = find(m, layer, role, &ref, err);
    shape[0] = ref ? ref->n_out : 0;
    shape[1] = ref ? ref->n_in : 0;
    return rc;
}

int ns_model_weight(const ns_model *m, int64_t layer, ns_weight_role role, float *out, ns_error *err)
{
    const ns_tref *ref = NULL;
    int rc = find(m, layer, role, &ref, err);
    if (rc == NS_OK && !ref)
        rc = role < NS_WEIGHT_Q ? ns_fail(err, NS_E_ARG, "this model has no %s", names[role])
                                : ns_fail(err, NS_E_ARG, "layer %lld has no %s", (long long)layer, names[role]);
    return rc != NS_OK ? rc : ns_weights_rows(m, ref, 0, ref->n_out, out, err);
}
