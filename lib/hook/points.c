/* points.c - the hook points: one row of NS_POINTS each; which of them exist where in an arch. */
#include "hook/hook.h"
#include "core/core.h"

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

const char *ns_point_formula(ns_point p)
{
    return points[p].formula;
}

static bool in_block(ns_point p)
{
    return strchr(points[p].name, '%') != NULL;
}

bool ns_point_exists(const ns_arch *arch, ns_point p, int64_t layer)
{
    if ((layer >= 0) != in_block(p) || layer >= arch->n_layers)
        return false;
    switch (p) {
    case NS_POINT_POS_EMBED:
        return arch->positions.name != NULL;
    case NS_POINT_SCORES: {
        const ns_attn *const attn = ns_arch_attn(arch, layer);
        return attn && attn->mixer == NS_MIXER_SOFTMAX;
    }
    case NS_POINT_RESID_MID:
        return arch->layers[layer].n_stages > 1;
    case NS_POINT_LN1:
    case NS_POINT_LN2: {
        bool attn = p == NS_POINT_LN1;
        const ns_layer *l = &arch->layers[layer];
        for (int s = 0; s < l->n_stages; s++)
            for (int b = 0; b < l->stages[s].n_branches; b++) {
                const ns_branch *br = &l->stages[s].branches[b];
                if ((br->kind == NS_BRANCH_ATTN) == attn)
                    return br->in_norm.type != NS_NORM_NONE && !br->shares_norm;
            }
        return false;
    }
    default:
        return true;
    }
}

void ns_point_format(ns_point p, int64_t layer, char *buf, size_t n)
{
    const char *name = points[p].name, *percent = strchr(name, '%');
    if (!percent)
        snprintf(buf, n, "%s", name);
    else
        snprintf(buf, n, "%.*s%lld%s", (int)(percent - name), name, (long long)layer, percent + 1);
}
