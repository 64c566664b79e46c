/* show_heads.c - which of two mixers side by side (falcon_h1) has the heads of a layer. Nothing else changes. */
#include "core/core.h"
#include "model/branch/branch.h"

#include <string.h>

/* The number of the branch whose rows are of this kind, or -1. */
static int branch_with(const ns_stage *s, ns_row_kind rows)
{
    for (int b = 0; b < s->n_branches; b++)
        if (s->branches[b].class_->heads && s->branches[b].class_->rows == rows)
            return b;
    return -1;
}

int ns_arch_show_heads(ns_arch *arch, const char *mixer, ns_error *err)
{
    const bool recurrence = strcmp(mixer, "recurrence") == 0;
    int64_t n = 0;
    if (!recurrence && strcmp(mixer, "attention") != 0)
        return ns_fail(err, NS_E_ARG, "heads of '%.40s': it is attention or recurrence", mixer);
    for (int64_t l = 0; l < arch->n_layers; l++) {
        ns_stage *const s = &arch->layers[l].stages[0];
        const int attention = branch_with(s, NS_ROW_SOFTMAX), other = branch_with(s, NS_ROW_UNROLLED);
        if (attention < 0 || other < 0)
            continue;
        s->points_of = recurrence ? other : attention;
        n++;
    }
    if (n)
        return NS_OK;
    return ns_fail(err, NS_E_ARG, "heads of '%s': no layer of %s has attention and a recurrence side by side: its heads are those of the "
                   "one mixer that there is", mixer, arch->family);
}
