/* patch_summary.c - what a patching comes to: its controls as three conditions, its heads by recovery. */
#include "patch.h"

#include <math.h>
#include <stdio.h>

static void take(double value, int n, double *sum, double *least, double *most)
{
    *sum += value;
    *least = n && *least < value ? *least : value;
    *most = n && *most > value ? *most : value;
}

int ns_patching_spread(const ns_patching *p, ns_patch_condition *mean, ns_patch_condition *least, ns_patch_condition *most)
{
    const double none = (double)NAN;
    int n = 0;
    *mean = *least = *most = (ns_patch_condition){.kind = NS_PATCH_CONTROL, .draw = -1, .recovery = {0, none, none}};
    for (int k = 0; k < p->n - p->n_map; k++) {
        const ns_patch_condition *const c = &p->list[k];
        if (c->kind != NS_PATCH_CONTROL)
            continue;
        take(c->recovery.value, n, &mean->recovery.value, &least->recovery.value, &most->recovery.value);
        take(c->flipped, n, &mean->flipped, &least->flipped, &most->flipped);
        n++;
    }
    mean->recovery.value = n ? mean->recovery.value / n : none;
    mean->flipped = n ? mean->flipped / n : none;
    return n;
}

/* NaN is below all numbers. */
static bool better(const ns_patching *p, int a, int b)
{
    const double x = p->list[a].recovery.value, y = p->list[b].recovery.value;
    return isnan(y) ? !isnan(x) : x > y;
}

void ns_patching_rank(const ns_patching *p, int *order)
{
    for (int i = 0; i < p->n_map; i++) {
        const int one = p->n - p->n_map + i;
        int at = i;
        for (; at > 0 && better(p, one, order[at - 1]); at--)
            order[at] = order[at - 1];
        order[at] = one;
    }
}

void ns_patch_condition_name(const ns_patch_condition *c, char out[NS_PATH_TEXT])
{
    static const char *const names[] = {[NS_PATCH_NONE] = "nothing", [NS_PATCH_EVERYTHING] = "all heads", [NS_PATCH_TARGET] = "these",
                                        [NS_PATCH_CONTROL] = "other heads", [NS_PATCH_SENDERS] = "all of the senders"};
    if (c->kind == NS_PATCH_PATH)
        ns_path_format(c->paths, out);
    else if (c->kind == NS_PATCH_HEAD)
        snprintf(out, NS_PATH_TEXT, "%lld.%lld", (long long)c->heads[0].layer, (long long)c->heads[0].head);
    else
        snprintf(out, NS_PATH_TEXT, "%s", names[c->kind]);
}

double ns_patching_source_share(const ns_patching *p)
{
    int64_t right = 0;
    for (int64_t i = 0; i < p->C; i++)
        right += p->source_right[i];
    return (double)right / (double)p->C;
}
