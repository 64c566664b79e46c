/* arch_validate.c - is a description sound? Applied to what a family built and, as strictly, to a file that somebody edited.
 *
 * After it every size is in range, every index points somewhere, every product of sizes fits int64, and every weight that the
 * forward pass needs is named with the shape its layer wants. */
#include "model/families/family.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct checker { const ns_arch *a; const char *label; ns_error *err; char where[64]; } checker;

static int range(const checker *c, const char *what, int64_t value, int64_t low, int64_t high)
{
    if (value >= low && value <= high)
        return NS_OK;
    return ns_fail(c->err, NS_E_FORMAT, "%s: %s%s is %lld, outside %lld to %lld", c->label, c->where, what, (long long)value,
                   (long long)low, (long long)high);
}

static int finite_at_least(const checker *c, const char *what, double value, double low)
{
    if (isfinite(value) && value >= low)
        return NS_OK;
    return ns_fail(c->err, NS_E_FORMAT, "%s: %s%s is %g: a finite number of at least %g is needed", c->label, c->where, what, value, low);
}

static int refuse(const checker *c, const char *why)
{
    return ns_fail(c->err, NS_E_FORMAT, "%s: %s%s", c->label, c->where, why);
}

static int check_norm(const checker *c, const char *what, const ns_norm *n, ns_norm_type worst)
{
    if (n->type > worst)
        return refuse(c, "the QK-norm must be rms or layer");
    if (n->type == NS_NORM_NONE)
        return n->weight.name || n->bias.name ? refuse(c, "a norm of type none has weights") : NS_OK;
    char key[32];
    snprintf(key, sizeof key, "%s: eps", what);
    const int rc = finite_at_least(c, key, n->eps, 0);
    snprintf(key, sizeof key, "%s: offset", what);
    return rc ? rc : finite_at_least(c, key, n->offset, -1e6);
}

static int check_rope(checker *c, const ns_rope *r, int index)
{
    int rc;
    snprintf(c->where, sizeof c->where, "ropes[%d]: ", index);
    if ((rc = finite_at_least(c, "theta", r->theta, 1 + 1e-9)) || (rc = range(c, "rotary_dim", r->rotary_dim, 2, 65536)))
        return rc;
    if (r->rotary_dim % 2)
        return refuse(c, "rotary_dim must be even");
    if (r->scaling != NS_ROPE_DEFAULT && (rc = finite_at_least(c, "factor", r->factor, 1e-3)))
        return rc;
    if ((rc = finite_at_least(c, "attention_factor", r->attention_factor, 0)) ||
        (rc = range(c, "original_max_positions", r->original_max_positions, 0, NS_MAX_DIM)))
        return rc;
    if (r->scaling == NS_ROPE_LLAMA3 &&
        !(r->low_freq_factor > 0 && r->high_freq_factor > r->low_freq_factor && isfinite(r->high_freq_factor)))
        return refuse(c, "llama3 needs 0 < low_freq_factor < high_freq_factor");
    if (r->scaling == NS_ROPE_YARN && !(r->beta_fast > 0 && isfinite(r->beta_fast) && r->beta_slow > 0 && isfinite(r->beta_slow) &&
                                        r->mscale >= 0 && isfinite(r->mscale) && r->mscale_all_dim >= 0 && isfinite(r->mscale_all_dim)))
        return refuse(c, "yarn needs beta_fast and beta_slow above 0, mscale and mscale_all_dim not below");
    if (r->scaling == NS_ROPE_DYNAMIC && r->rotary_dim < 4)
        return refuse(c, "dynamic needs a rotary_dim of at least 4");
    if (r->scaling != NS_ROPE_DEFAULT && r->scaling != NS_ROPE_LINEAR && r->original_max_positions == 0 && c->a->max_positions == 0)
        return refuse(c, "the scaling needs original_max_positions");
    if (r->scaling == NS_ROPE_LONGROPE && (!r->short_factor || !r->long_factor))
        return refuse(c, "longrope needs short_factor and long_factor");
    for (int64_t i = 0; r->scaling == NS_ROPE_LONGROPE && i < r->rotary_dim / 2; i++)
        if (!(r->short_factor[i] > 0 && isfinite(r->short_factor[i]) && r->long_factor[i] > 0 && isfinite(r->long_factor[i])))
            return refuse(c, "short_factor and long_factor must be above 0");
    return NS_OK;
}

/* Lightning: a slope a head, every key, no rope, no score of a softmax; what only Lightning has is absent elsewhere. */
static int check_mixer(checker *c, const ns_attn *a)
{
    int rc;
    if (a->mixer == NS_MIXER_SOFTMAX)
        return a->slope || a->z_gate.name || a->z_norm.type != NS_NORM_NONE
                   ? refuse(c, "slope, z_norm and z_gate belong to the mixer lightning")
                   : NS_OK;
    if (!a->slope)
        return refuse(c, "the mixer lightning needs slope, one number a head");
    if (a->window || a->head_window || a->rope >= 0 || a->softcap > 0)
        return refuse(c, "the mixer lightning has no window, rope or softcap");
    for (int64_t h = 0; h < a->n_heads; h++)
        if ((rc = finite_at_least(c, "slope", a->slope[h], 0)))
            return rc;
    return check_norm(c, "z_norm", &a->z_norm, NS_NORM_LAYER);
}

static int check_attn(checker *c, const ns_attn *a)
{
    int rc;
    if ((rc = range(c, "n_heads", a->n_heads, 1, 65536)) || (rc = range(c, "n_kv_heads", a->n_kv_heads, 1, 65536)) ||
        (rc = range(c, "head_dim", a->head_dim, 1, 65536)) ||
        (rc = range(c, "n_heads x head_dim", a->n_heads * a->head_dim, 1, NS_MAX_DIM)) ||
        (rc = range(c, "rope", a->rope, -1, c->a->n_ropes - 1)) || (rc = range(c, "window", a->window, 0, NS_MAX_DIM)) ||
        (rc = finite_at_least(c, "scale", a->scale, -1e30)) || (rc = finite_at_least(c, "clip_qkv", a->clip_qkv, 0)) ||
        (rc = finite_at_least(c, "softcap", a->softcap, 0)))
        return rc;
    if (a->n_heads % a->n_kv_heads)
        return refuse(c, "n_heads is not a multiple of n_kv_heads");
    if (a->rope >= 0 && c->a->ropes[a->rope].rotary_dim > a->head_dim)
        return refuse(c, "the rope's rotary_dim is larger than head_dim");
    if (a->qk_norm != NS_QK_NONE && (a->q_norm.type == NS_NORM_NONE || a->k_norm.type == NS_NORM_NONE))
        return refuse(c, "qk_norm needs q_norm and k_norm");
    if (a->qk_norm == NS_QK_NONE && (a->q_norm.type != NS_NORM_NONE || a->k_norm.type != NS_NORM_NONE))
        return refuse(c, "q_norm and k_norm are given, but qk_norm is none");
    if ((rc = check_mixer(c, a)))
        return rc;
    for (int64_t h = 0; a->head_window && h < a->n_heads; h++)
        if ((rc = range(c, "head_window", a->head_window[h], 0, NS_MAX_DIM)))
            return rc;
    if ((rc = check_norm(c, "q_norm", &a->q_norm, NS_NORM_LAYER)))
        return rc;
    return check_norm(c, "k_norm", &a->k_norm, NS_NORM_LAYER);
}

static int check_ffn(checker *c, const ns_ffn *f)
{
    if (f->gate_bias.name && !f->gate.name)
        return refuse(c, "gate_bias without gate");
    return range(c, "d_ff", f->d_ff, 1, NS_MAX_DIM);
}

/* Attention first, then the FFN if there is one: in two stages, or as two branches of one. */
static int check_layer(checker *c, const ns_layer *layer, int64_t index)
{
    int n = 0, rc;
    snprintf(c->where, sizeof c->where, "layer %lld: ", (long long)index);
    if ((rc = range(c, "number of stages", layer->n_stages, 1, 2)))
        return rc;
    for (int s = 0; s < layer->n_stages; s++) {
        if ((rc = range(c, "number of branches", layer->stages[s].n_branches, 1, 2)) ||
            (rc = finite_at_least(c, "normed_scale", layer->stages[s].normed_scale, -1e30)))
            return rc;
        if (layer->stages[s].normed_scale != 0 &&
            (layer->stages[s].n_branches > 1 || layer->stages[s].branches[0].in_norm.type == NS_NORM_NONE))
            return refuse(c, "normed_scale needs a stage of one branch with an in_norm");
        for (int i = 0; i < layer->stages[s].n_branches; i++, n++) {
            const ns_branch *const b = &layer->stages[s].branches[i];
            if (n > 1 || b->kind != (n == 0 ? NS_BRANCH_ATTN : NS_BRANCH_FFN))
                return refuse(c, "a layer is one attention branch, then at most one ffn branch");
            if (b->shares_norm && i == 0)
                return refuse(c, "the first branch of a stage cannot share a norm");
            if (b->shares_norm && b->in_norm.type != NS_NORM_NONE)
                return refuse(c, "a branch that shares the norm has an in_norm of its own");
            if ((rc = finite_at_least(c, "out_scale", b->out_scale, -1e30)) ||
                (rc = check_norm(c, "in_norm", &b->in_norm, NS_NORM_LAYER)) ||
                (rc = check_norm(c, "out_norm", &b->out_norm, NS_NORM_LAYER)))
                return rc;
            if ((rc = b->kind == NS_BRANCH_ATTN ? check_attn(c, &b->attn) : check_ffn(c, &b->ffn)))
                return rc;
        }
    }
    return NS_OK;
}

/* The tref's own geometry, and its shape as the arch wants it. */
static int check_slot(void *user, const ns_slot *slot, ns_error *err)
{
    const checker *const c = user;
    const ns_tref *const t = slot->tref;
    char where[48] = "";
    if (slot->layer >= 0)
        snprintf(where, sizeof where, "layer %lld: ", (long long)slot->layer);
    if (!t->name)
        return slot->required ? ns_fail(err, NS_E_FORMAT, "%s: %s%s names no tensor", c->label, where, slot->role) : NS_OK;
    if (!t->name[0] || strlen(t->name) > 4096)
        return ns_fail(err, NS_E_FORMAT, "%s: %s%s: a tensor name has 1 to 4096 bytes", c->label, where, slot->role);
    if (t->n_out != slot->n_out || t->n_in != slot->n_in)
        return ns_fail(err, NS_E_FORMAT, "%s: %s%s is [%lld, %lld], but the sizes want [%lld, %lld]", c->label, where, slot->role,
                       (long long)t->n_out, (long long)t->n_in, (long long)slot->n_out, (long long)slot->n_in);
    int64_t last;
    if (t->start < 0 || t->start > NS_MAX_DIM || t->group < 1 || t->group > t->n_out || t->stride < t->group || t->stride > NS_MAX_DIM ||
        !ns_mul_i64((t->n_out - 1) / t->group, t->stride, &last) || (t->transposed && slot->vector))
        return ns_fail(err, NS_E_FORMAT, "%s: %s%s: start %lld, group %lld, stride %lld do not select rows", c->label, where, slot->role,
                       (long long)t->start, (long long)t->group, (long long)t->stride);
    return NS_OK;
}

int ns_arch_validate(const ns_arch *a, const char *label, ns_error *err)
{
    checker c = {.a = a, .label = label, .err = err};
    int rc;
    if ((rc = range(&c, "n_layers", a->n_layers, 1, NS_MAX_LAYERS)) || (rc = range(&c, "d_model", a->d_model, 1, NS_MAX_DIM)) ||
        (rc = range(&c, "vocab", a->vocab, 1, NS_MAX_DIM)) || (rc = range(&c, "max_positions", a->max_positions, 0, NS_MAX_DIM)) ||
        (rc = range(&c, "position_offset", a->position_offset, 0, 65536)) ||
        (rc = range(&c, "number of ropes", a->n_ropes, 0, NS_MAX_ROPES)) ||
        (rc = finite_at_least(&c, "embed_scale", a->embed_scale, -1e30)) ||
        (rc = finite_at_least(&c, "logit_scale", a->logit_scale, -1e30)) ||
        (rc = finite_at_least(&c, "logit_softcap", a->logit_softcap, 0)) ||
        (rc = check_norm(&c, "final_norm", &a->final_norm, NS_NORM_LAYER)))
        return rc;
    if (a->positions.name && a->max_positions == 0)
        return refuse(&c, "learned positions need max_positions");
    for (int i = 0; i < a->n_ropes; i++)
        if ((rc = check_rope(&c, &a->ropes[i], i)))
            return rc;
    for (int64_t i = 0; i < a->n_layers; i++)
        if ((rc = check_layer(&c, &a->layers[i], i)))
            return rc;
    c.where[0] = 0;
    return ns_arch_each((ns_arch *)a, check_slot, &c, err);   /* the walk hands out pointers; check_slot only reads */
}
