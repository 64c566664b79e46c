/* points.c - the hook points: one row of NS_POINTS each; which of them exist where in an arch. */
#include "hook/hook.h"
#include "core/core.h"
#include "model/branch/branch.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *name, *axes, *formula;
} points[NS_N_POINTS] = {
#define X(id, name, axes, formula) { name, axes, formula },
    NS_POINTS(X)
#undef X
};

const char *ns_point_name(ns_point p)
{
    return points[p].name;
}

const char *ns_point_axes(ns_point p)
{
    return points[p].axes;
}

const char *ns_point_axes_at(const ns_arch *arch, ns_point p, int64_t layer)
{
    const ns_branch *const b = layer >= 0 && layer < arch->n_layers ? ns_layer_shows(&arch->layers[layer], p) : NULL;
    const char *const own = b && b->class_->axes ? b->class_->axes(b->params, p) : NULL;
    return own ? own : ns_point_axes(p);
}

int64_t ns_point_axis(const ns_arch *arch, ns_point p, int64_t layer, const char *axis)
{
    const ns_branch *const b = layer >= 0 && layer < arch->n_layers ? ns_layer_shows(&arch->layers[layer], p) : NULL;
    const int64_t own = b ? ns_branch_axis(b, axis) : 0;
    return own ? own : ns_arch_axis(arch, layer, axis);
}

/* Axis number `at` behind the rows. */
static int64_t size_at(const ns_arch *arch, ns_point p, int64_t layer, int at)
{
    char axis[16];
    const char *axes = ns_point_axes_at(arch, p, layer);
    if (!ns_starts(axes, "row ") || !ns_point_exists(arch, p, layer))
        return 0;
    for (; at > 0; at--)
        axes += strcspn(axes, " ") + (strchr(axes, ' ') != NULL);
    snprintf(axis, sizeof axis, "%.*s", (int)strcspn(axes, " "), axes);
    return ns_point_axis(arch, p, layer, axis);
}

int64_t ns_point_heads(const ns_arch *arch, ns_point p, int64_t layer)
{
    return size_at(arch, p, layer, 1);
}

int64_t ns_point_width(const ns_arch *arch, ns_point p, int64_t layer)
{
    return size_at(arch, p, layer, 2);
}

const char *ns_point_formula(ns_point p)
{
    return points[p].formula;
}

const char *ns_point_formula_at(const ns_arch *arch, ns_point p, int64_t layer)
{
    const ns_branch *const b = layer >= 0 && layer < arch->n_layers ? ns_layer_shows(&arch->layers[layer], p) : NULL;
    const char *const own = b && b->class_->formula ? b->class_->formula(b->params, p) : NULL;
    return own ? own
           : b && p == NS_POINT_PATTERN && b->class_->rows == NS_ROW_UNROLLED
               ? "W[t, s] of the unrolled recurrence, z_t = sum over s <= t of W[t, s] v_s: signed, not normalised"
               : ns_point_formula(p);
}

static bool in_block(ns_point p)
{
    return strchr(points[p].name, '%') != NULL;
}

/* The first branch of a layer whose points lie around p: its mixer or its MLP. */
static const ns_branch *around(const ns_layer *l, ns_point p)
{
    for (int s = 0; s < l->n_stages; s++)
        for (int b = 0; b < l->stages[s].n_branches; b++) {
            const ns_branch_class *const c = ns_stage_asked(&l->stages[s], b)->class_;
            if (c->in_point <= p && p <= c->out_point)
                return ns_stage_asked(&l->stages[s], b);
        }
    return NULL;
}

static const char *absent_in_layer(const ns_layer *l, ns_point p)
{
    if (p == NS_POINT_RESID_PRE || p == NS_POINT_RESID_POST || ns_layer_shows(l, p))
        return NULL;
    if (p == NS_POINT_RESID_MID)
        return l->n_stages > 1 ? NULL : "all branches of the layer read the same stream";
    const ns_branch *const b = around(l, p);
    return b ? ns_branch_absent(b, p) : p > NS_POINT_RESID_MID ? "the layer has no MLP" : "the layer has no mixer";
}

const char *ns_point_absent(const ns_arch *arch, ns_point p, int64_t layer)
{
    if ((layer >= 0) != in_block(p) || layer >= arch->n_layers)
        return layer < 0 ? "it is a point of layers" : layer < arch->n_layers ? "it lies outside the layers" : "there is no such layer";
    if (layer < 0)
        return p == NS_POINT_POS_EMBED && !arch->positions.name ? "positions are not learned" : NULL;
    return absent_in_layer(&arch->layers[layer], p);
}

const char *ns_point_beside(const ns_arch *arch, ns_point p, int64_t layer)
{
    if (layer < 0 || layer >= arch->n_layers || !in_block(p))
        return NULL;
    const ns_stage *const s = &arch->layers[layer].stages[0];
    if (s->n_branches < 2 || !ns_class_is_mixer(s->branches[1].class_))
        return NULL;
    if (p == NS_POINT_ATTN_OUT)
        return "what the mixer with the heads adds: hook_resid_mid has what both add";
    if (p == NS_POINT_LN1 || ns_branch_absent(&s->branches[0], p) || ns_branch_absent(&s->branches[1], p))
        return NULL;
    return "of one of two mixers side by side: --heads-of says of which";
}

bool ns_point_exists(const ns_arch *arch, ns_point p, int64_t layer)
{
    return !ns_point_absent(arch, p, layer);
}

void ns_point_format(ns_point p, int64_t layer, char *buf, size_t n)
{
    const char *name = points[p].name, *percent = strchr(name, '%');
    if (!percent)
        snprintf(buf, n, "%s", name);
    else
        snprintf(buf, n, "%.*s%lld%s", (int)(percent - name), name, (long long)layer, percent + 1);
}
