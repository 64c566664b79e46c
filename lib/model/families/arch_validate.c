/* arch_validate.c - is a description sound? Applied to what a family built and, as strictly, to a file that somebody edited.
 *
 * After it every size is in range, every index points somewhere, every product of sizes fits int64, and every weight that the
 * forward pass needs is named with the shape its layer wants. */
#include "model/branch/tref.h"
#include "model/families/family.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* A number of another scaling, which nobody would read. NULL: there is none. */
static const char *unread(const ns_rope *r)
{
    const ns_rope_scaling s = r->scaling;
    const struct { const char *key; bool there, read; } all[] = {
        {"factor", r->factor != 0 && r->factor != 1, s != NS_ROPE_DEFAULT},
        {"original_max_positions", r->original_max_positions != 0, s != NS_ROPE_DEFAULT},
        {"low_freq_factor", r->low_freq_factor != 0, s == NS_ROPE_LLAMA3},
        {"high_freq_factor", r->high_freq_factor != 0, s == NS_ROPE_LLAMA3},
        {"beta_fast", r->beta_fast != 0, s == NS_ROPE_YARN},
        {"beta_slow", r->beta_slow != 0, s == NS_ROPE_YARN},
        {"mscale", r->mscale != 0, s == NS_ROPE_YARN},
        {"mscale_all_dim", r->mscale_all_dim != 0, s == NS_ROPE_YARN},
        {"short_factor", r->short_factor != NULL, s == NS_ROPE_LONGROPE},
        {"long_factor", r->long_factor != NULL, s == NS_ROPE_LONGROPE},
    };
    size_t i = 0;
    while (i < sizeof all / sizeof *all && (!all[i].there || all[i].read))
        i++;
    return i < sizeof all / sizeof *all ? all[i].key : NULL;
}

static int check_unread(const ns_checker *c, const ns_rope *r)
{
    const char *const key = unread(r);
    char why[128];
    if (!key)
        return NS_OK;
    snprintf(why, sizeof why, "%s is not read by scaling %s: take it out, or name the scaling that it is of", key,
             ns_word_name(ns_words_scaling, (int)r->scaling));
    return ns_check_refuse(c, why);
}

static int check_rope(ns_checker *c, const ns_rope *r, int index)
{
    int rc;
    snprintf(c->where, sizeof c->where, "ropes[%d]: ", index);
    if ((rc = ns_check_at_least(c, "theta", r->theta, 1 + 1e-9)) != NS_OK ||
        (rc = ns_check_range(c, "rotary_dim", r->rotary_dim, 2, 65536)) != NS_OK)
        return rc;
    if (r->rotary_dim % 2)
        return ns_check_refuse(c, "rotary_dim must be even");
    if ((rc = check_unread(c, r)) != NS_OK)
        return rc;
    if (r->scaling != NS_ROPE_DEFAULT && (rc = ns_check_at_least(c, "factor", r->factor, 1e-3)) != NS_OK)
        return rc;
    if ((rc = ns_check_at_least(c, "attention_factor", r->attention_factor, 0)) != NS_OK ||
        (rc = ns_check_range(c, "original_max_positions", r->original_max_positions, 0, NS_MAX_DIM)) != NS_OK)
        return rc;
    if (r->scaling == NS_ROPE_LLAMA3 &&
        !(r->low_freq_factor > 0 && r->high_freq_factor > r->low_freq_factor && isfinite(r->high_freq_factor)))
        return ns_check_refuse(c, "llama3 needs 0 < low_freq_factor < high_freq_factor");
    if (r->scaling == NS_ROPE_YARN && !(r->beta_fast > 0 && isfinite(r->beta_fast) && r->beta_slow > 0 && isfinite(r->beta_slow) &&
                                        r->mscale >= 0 && isfinite(r->mscale) && r->mscale_all_dim >= 0 && isfinite(r->mscale_all_dim)))
        return ns_check_refuse(c, "yarn needs beta_fast and beta_slow above 0, mscale and mscale_all_dim not below");
    if (r->scaling == NS_ROPE_DYNAMIC && r->rotary_dim < 4)
        return ns_check_refuse(c, "dynamic needs a rotary_dim of at least 4");
    if (r->scaling != NS_ROPE_DEFAULT && r->scaling != NS_ROPE_LINEAR && r->original_max_positions == 0 && c->a->max_positions == 0)
        return ns_check_refuse(c, "the scaling needs original_max_positions");
    if (r->scaling == NS_ROPE_LONGROPE && (!r->short_factor || !r->long_factor))
        return ns_check_refuse(c, "longrope needs short_factor and long_factor");
    for (int64_t i = 0; r->scaling == NS_ROPE_LONGROPE && i < r->rotary_dim / 2; i++)
        if (!(r->short_factor[i] > 0 && isfinite(r->short_factor[i]) && r->long_factor[i] > 0 && isfinite(r->long_factor[i])))
            return ns_check_refuse(c, "short_factor and long_factor must be above 0");
    return NS_OK;
}

static int check_branch(ns_checker *c, const ns_branch *b, bool first)
{
    int rc;
    if (b->shares_norm && first)
        return ns_check_refuse(c, "the first branch of a stage cannot share a norm");
    if (b->shares_norm && b->in_norm.type != NS_NORM_NONE)
        return ns_check_refuse(c, "a branch that shares the norm has an in_norm of its own");
    if ((rc = ns_check_at_least(c, "in_scale", b->in_scale, -1e30)) != NS_OK ||
        (rc = ns_check_at_least(c, "out_scale", b->out_scale, -1e30)) != NS_OK ||
        (rc = ns_check_norm(c, "in_norm", &b->in_norm)) != NS_OK || (rc = ns_check_norm(c, "out_norm", &b->out_norm)) != NS_OK)
        return rc;
    return b->class_->check(c, b->params);
}

static int check_stage(ns_checker *c, const ns_stage *stage)
{
    int rc;
    if ((rc = ns_check_range(c, "number of branches", stage->n_branches, 1, 2)) != NS_OK ||
        (rc = ns_check_at_least(c, "normed_scale", stage->normed_scale, -1e30)) != NS_OK)
        return rc;
    if (stage->normed_scale != 0 && (stage->n_branches > 1 || stage->branches[0].in_norm.type == NS_NORM_NONE))
        return ns_check_refuse(c, "normed_scale needs a stage of one branch with an in_norm");
    if ((rc = ns_check_range(c, "points_of", stage->points_of, 0, stage->n_branches - 1)) != NS_OK)
        return rc;
    if (stage->points_of && !stage->branches[stage->points_of].class_->heads)
        return ns_check_refuse(c, "points_of must be the number of a branch that has heads");
    for (int i = 0; i < stage->n_branches && rc == NS_OK; i++)
        rc = check_branch(c, &stage->branches[i], i == 0);
    return rc;
}

/* Mixers and MLPs of a layer, and those that keep pages or a state: in the order of the pass, of which the points have one. */
static int check_order(const ns_checker *c, const ns_layer *layer)
{
    int mixers = 0, mlps = 0, pages = 0, states = 0;
    bool ordered = true;
    for (int s = 0; s < layer->n_stages; s++)
        for (int i = 0; i < layer->stages[s].n_branches; i++) {
            const ns_branch *const b = &layer->stages[s].branches[i];
            const int kind = ns_branch_keeps(b).kind;
            ordered &= !ns_class_is_mixer(b->class_) || (s == 0 && !mlps);
            mixers += ns_class_is_mixer(b->class_);
            mlps += !ns_class_is_mixer(b->class_);
            pages += kind == NS_STATE_PAGES;
            states += kind == NS_STATE_SNAPSHOT;
        }
    if (!ordered || mlps > 1)
        return ns_check_refuse(c, "a layer is an attn branch, or two side by side, then at most one ffn branch");
    if (mixers > 1 && (pages > 1 || states > 1))
        return ns_check_refuse(c, "of two attn branches side by side one keeps keys and values, the other a state");
    if (mixers > 1 && pages && ns_branch_keeps(&layer->stages[0].branches[0]).kind != NS_STATE_PAGES)
        return ns_check_refuse(c, "of two attn branches side by side the first is the one that keeps keys and values");
    return NS_OK;
}

static int check_layer(ns_checker *c, const ns_layer *layer, int64_t index)
{
    snprintf(c->where, sizeof c->where, "layer %lld: ", (long long)index);
    int rc = ns_check_range(c, "number of stages", layer->n_stages, 1, 2);
    for (int s = 0; s < layer->n_stages && rc == NS_OK; s++)
        rc = check_stage(c, &layer->stages[s]);
    return rc != NS_OK ? rc : check_order(c, layer);
}

bool ns_visit_joins_ill(const ns_visit *slot)
{
    const int n = ns_joined_count(slot->tref->name);
    return n > NS_JOINED_MOST || (n > 1 && (slot->layer < 0 || slot->copies || slot->tref->transposed));
}

/* The tref's own geometry, and its shape as the arch wants it. */
static int check_slot(void *user, const ns_visit *slot, ns_error *err)
{
    const ns_checker *const c = user;
    const ns_tref *const t = slot->tref;
    char where[48] = "";
    if (slot->layer >= 0)
        snprintf(where, sizeof where, "layer %lld: ", (long long)slot->layer);
    if (!t->name)
        return slot->required ? ns_fail(err, NS_E_FORMAT, "%s: %s%s names no tensor", c->label, where, slot->role) : NS_OK;
    if (!t->name[0] || strlen(t->name) > 4096)
        return ns_fail(err, NS_E_FORMAT, "%s: %s%s: a tensor name has 1 to 4096 bytes", c->label, where, slot->role);
    if (ns_visit_joins_ill(slot))
        return ns_fail(err, NS_E_FORMAT, "%s: %s%s: '%.200s' " NS_JOINS_ILL, c->label, where, slot->role, t->name);
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
    ns_checker c = {.a = a, .label = label, .err = err};
    int rc;
    if ((rc = ns_check_range(&c, "n_layers", a->n_layers, 1, NS_MAX_LAYERS)) != NS_OK ||
        (rc = ns_check_range(&c, "d_model", a->d_model, 1, NS_MAX_DIM)) != NS_OK ||
        (rc = ns_check_range(&c, "vocab", a->vocab, 1, NS_MAX_DIM)) != NS_OK ||
        (rc = ns_check_range(&c, "max_positions", a->max_positions, 0, NS_MAX_DIM)) != NS_OK ||
        (rc = ns_check_range(&c, "position_offset", a->position_offset, 0, 65536)) != NS_OK ||
        (rc = ns_check_range(&c, "number of ropes", a->n_ropes, 0, NS_MAX_ROPES)) != NS_OK ||
        (rc = ns_check_at_least(&c, "embed_scale", a->embed_scale, -1e30)) != NS_OK ||
        (rc = ns_check_at_least(&c, "logit_scale", a->logit_scale, -1e30)) != NS_OK ||
        (rc = ns_check_at_least(&c, "logit_softcap", a->logit_softcap, 0)) != NS_OK ||
        (rc = ns_check_norm(&c, "final_norm", &a->final_norm)) != NS_OK)
        return rc;
    if (a->positions.name && a->max_positions == 0)
        return ns_check_refuse(&c, "learned positions need max_positions");
    for (int i = 0; i < a->n_ropes; i++)
        if ((rc = check_rope(&c, &a->ropes[i], i)) != NS_OK)
            return rc;
    for (int64_t i = 0; i < a->n_layers; i++)
        if ((rc = check_layer(&c, &a->layers[i], i)) != NS_OK)
            return rc;
    c.where[0] = 0;
    return ns_arch_each((ns_arch *)a, check_slot, &c, err);   /* the walk hands out pointers; check_slot only reads */
}
