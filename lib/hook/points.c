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
    const ns_branch *const b = layer >= 0 && layer < arch->n_layers ? ns_layer_mixer(&arch->layers[layer]) : NULL;
    const char *const own = b && b->class_->axes ? b->class_->axes(b->params, p) : NULL;
    return own ? own : ns_point_axes(p);
}

const char *ns_point_formula(ns_point p)
{
    return points[p].formula;
}

static bool in_block(ns_point p)
{
    return strchr(points[p].name, '%') != NULL;
}

/* Points of a branch: what its norm gives, when it has one of its own; what it adds; what its class shows. */
static bool branch_has(const ns_branch *b, ns_point p)
{
    if (p == b->class_->in_point)
        return b->in_norm.type != NS_NORM_NONE && !b->shares_norm;
    return p == b->class_->out_point || ns_branch_has(b, p);
}

bool ns_point_exists(const ns_arch *arch, ns_point p, int64_t layer)
{
    if ((layer >= 0) != in_block(p) || layer >= arch->n_layers)
        return false;
    if (layer < 0)
        return p != NS_POINT_POS_EMBED || arch->positions.name;
    const ns_layer *const l = &arch->layers[layer];
    if (p == NS_POINT_RESID_PRE || p == NS_POINT_RESID_POST)
        return true;
    if (p == NS_POINT_RESID_MID)
        return l->n_stages > 1;
    for (int s = 0; s < l->n_stages; s++)
        for (int b = 0; b < l->stages[s].n_branches; b++)
            if (branch_has(&l->stages[s].branches[b], p))
                return true;
    return false;
}

void ns_point_format(ns_point p, int64_t layer, char *buf, size_t n)
{
    const char *name = points[p].name, *percent = strchr(name, '%');
    if (!percent)
        snprintf(buf, n, "%s", name);
    else
        snprintf(buf, n, "%.*s%lld%s", (int)(percent - name), name, (long long)layer, percent + 1);
}
