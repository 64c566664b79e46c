/* tref.c - where the numbers of a weight are. */
#include "model/branch/tref.h"

#include <stdio.h>
#include <string.h>

static const char braces[] = "{}";

bool ns_tref_split(const ns_tref *t)
{
    return t->name && strstr(t->name, braces);
}

void ns_tref_name(const ns_tref *t, int64_t expert, char out[NS_TENSOR_NAME])
{
    const char *const at = expert >= 0 ? strstr(t->name, braces) : NULL;
    if (at)
        snprintf(out, NS_TENSOR_NAME, "%.*s%lld%s", (int)(at - t->name), t->name, (long long)expert, at + strlen(braces));
    else
        snprintf(out, NS_TENSOR_NAME, "%s", t->name);
}

int ns_tref_source(const ns_tref *t, const ns_checkpoint *c, int64_t expert, ns_source *out, ns_error *err)
{
    char name[NS_TENSOR_NAME];
    ns_tref_name(t, expert, name);
    const ns_tensor *const tensor = ns_checkpoint_find(c, name);
    if (!tensor)
        return ns_fail(err, NS_E_FORMAT, "%s: tensor '%s' is missing", ns_checkpoint_dir(c), name);
    const int64_t n = ns_view_count(&tensor->view);
    *out = (ns_source){tensor, 0, n};
    if (expert >= 0 && !ns_tref_split(t) && tensor->view.rank > 0 && tensor->view.shape[0] > expert) {
        out->n = n / tensor->view.shape[0];
        out->at = expert * out->n;
    }
    return NS_OK;
}
