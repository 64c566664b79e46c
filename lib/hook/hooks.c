/* hooks.c - globs become a table (layer, point) -> hooks, once per arch; rows become runs, once per session.
 *
 * ns_hooks_new: copy the list -> match every glob against every existing point -> counting sort by slot, edits first. */
#include "hook/hook.h"
#include "core/core.h"

#include <stdlib.h>
#include <string.h>

static int64_t slot_of(ns_point p, int64_t layer)
{
    return (layer + 1) * NS_N_POINTS + p;
}

const int *ns_hooks_at(const ns_hooks *h, ns_point p, int64_t layer, int *n)
{
    *n = 0;
    if (!h || layer >= h->n_layers)
        return NULL;
    const int *first = h->first + slot_of(p, layer);
    *n = first[1] - first[0];
    return h->index + first[0];
}

bool ns_hooks_any(const ns_hooks *h, ns_point p, int64_t layer)
{
    int n;
    ns_hooks_at(h, p, layer, &n);
    return n > 0;
}

bool ns_hooks_edit(const ns_hooks *h, ns_point p, int64_t layer)
{
    int n;
    const int *at = ns_hooks_at(h, p, layer, &n);
    return n > 0 && h->list[at[0]].edit;      /* edits come first */
}

/* ---- the nearest name, for the error of a glob that matches nothing ---- */

enum { NAME_MAX_BYTES = 64 };

/* Why the first point that the glob would match is absent from the first layer; NULL: it would match none. */
static const char *why_absent(const ns_arch *arch, const char *glob)
{
    char name[NAME_MAX_BYTES];
    for (int p = 0; p < NS_N_POINTS; p++) {
        ns_point_format(p, 0, name, sizeof name);
        if (ns_glob(glob, name) && !ns_point_exists(arch, p, -1))
            return ns_point_absent(arch, p, 0);
    }
    return NULL;
}

static int no_match(const ns_arch *arch, const char *glob, ns_error *err)
{
    const char *const why = why_absent(arch, glob);
    if (why)
        return ns_fail(err, NS_E_ARG, "hook '%s' matches no point of this %s model: in layer 0 %s (`inspect --points` lists all)", glob,
                       arch->family, why);
    char name[2 * NS_N_POINTS][NAME_MAX_BYTES];
    const char *names[2 * NS_N_POINTS];
    int n = 0;
    for (int64_t layer = -1; layer < arch->n_layers && layer < 1; layer++)
        for (int p = 0; p < NS_N_POINTS; p++) {
            if (!ns_point_exists(arch, p, layer))
                continue;
            ns_point_format(p, layer, name[n], sizeof name[n]);
            names[n] = name[n];
            n++;
        }
    const char *const near = ns_nearest_word(glob, names, n);
    return ns_fail(err, NS_E_ARG, "hook '%s' matches no point of this %s model of %lld layers%s%s%s (`inspect --points` lists all)", glob,
                   arch->family, (long long)arch->n_layers, near ? "; the nearest is '" : "", near ? near : "", near ? "'" : "");
}

/* ---- resolution ---- */

typedef struct matches { int *hook, *slot; int64_t n, capacity; } matches;

static bool match_add(matches *m, int hook, int64_t slot)
{
    int64_t cap = m->capacity;
    if (!ns_grow(&m->hook, &cap, m->n + 1, sizeof *m->hook))
        return false;
    cap = m->capacity;
    if (!ns_grow(&m->slot, &cap, m->n + 1, sizeof *m->slot))
        return false;
    m->capacity = cap;
    m->hook[m->n] = hook;
    m->slot[m->n++] = (int)slot;
    return true;
}

static int match_glob(matches *m, const ns_arch *arch, const ns_hook *hook, int number, ns_error *err)
{
    char name[NAME_MAX_BYTES];
    int64_t before = m->n;
    for (int64_t layer = -1; layer < arch->n_layers; layer++)
        for (int p = 0; p < NS_N_POINTS; p++) {
            if (!ns_point_exists(arch, p, layer))
                continue;
            ns_point_format(p, layer, name, sizeof name);
            if (hook->edit && p == NS_POINT_SSM_STATE && ns_glob(hook->at, name))
                return ns_fail(err, NS_E_ARG, "hook '%s': %s is read, not edited (hook_v, hook_beta and hook_log_decay are)", hook->at,
                               name);
            if (ns_glob(hook->at, name) && !match_add(m, number, slot_of(p, layer)))
                return ns_oom(err, "hooks");
        }
    return m->n > before ? NS_OK : no_match(arch, hook->at, err);
}

static int index_matches(ns_hooks *h, const matches *m, ns_error *err)
{
    int64_t slots = (h->n_layers + 1) * NS_N_POINTS;
    h->first = ns_alloc_array((size_t)slots + 1, sizeof *h->first);
    h->index = ns_alloc_array((size_t)m->n + 1, sizeof *h->index);
    if (!h->first || !h->index)
        return ns_oom(err, "hooks");
    for (int64_t i = 0; i < m->n; i++)
        h->first[m->slot[i] + 1]++;
    for (int64_t s = 0; s < slots; s++)
        h->first[s + 1] += h->first[s];
    int *fill = ns_alloc_array((size_t)slots + 1, sizeof *fill);
    if (!fill)
        return ns_oom(err, "hooks");
    memcpy(fill, h->first, (size_t)slots * sizeof *fill);
    for (int edits = 1; edits >= 0; edits--)
        for (int64_t i = 0; i < m->n; i++)
            if ((h->list[m->hook[i]].edit != NULL) == edits)
                h->index[fill[m->slot[i]]++] = m->hook[i];
    free(fill);
    return NS_OK;
}

static int copy_hook(ns_hook *to, const ns_hook *from, ns_error *err)
{
    if (!from->at || (from->read != NULL) == (from->edit != NULL))
        return ns_fail(err, NS_E_ARG, "hook '%s': give a glob and exactly one of read and edit", from->at ? from->at : "");
    *to = *from;
    to->at = ns_strdup(from->at);
    to->rows.positions = NULL;
    to->rows.span = from->rows.span ? ns_strdup(from->rows.span) : NULL;
    if (!to->at || (from->rows.span && !to->rows.span))
        return ns_oom(err, "hooks");
    if (from->rows.kind == NS_ROWS_LIST) {
        int64_t *copy = ns_alloc_array((size_t)from->rows.n, sizeof *copy);
        if (!copy)
            return ns_oom(err, "hooks");
        memcpy(copy, from->rows.positions, (size_t)from->rows.n * sizeof *copy);
        to->rows.positions = copy;
    }
    return NS_OK;
}

int ns_hooks_new(ns_hooks **out, const ns_arch *arch, const ns_hook *list, int n, ns_error *err)
{
    *out = NULL;
    matches m = {0};
    ns_hooks *h = ns_alloc_array(1, sizeof *h);
    int rc = h ? NS_OK : ns_oom(err, "hooks");
    if (rc == NS_OK) {
        h->n_layers = arch->n_layers;
        h->list = ns_alloc_array((size_t)n, sizeof *h->list);
        rc = h->list ? NS_OK : ns_oom(err, "hooks");
    }
    for (int i = 0; i < n && rc == NS_OK; i++) {
        h->n = i + 1;
        rc = copy_hook(&h->list[i], &list[i], err);
        if (rc == NS_OK)
            rc = match_glob(&m, arch, &h->list[i], i, err);
    }
    if (rc == NS_OK)
        rc = index_matches(h, &m, err);
    free(m.hook);
    free(m.slot);
    if (rc != NS_OK)
        ns_hooks_free(h);
    else
        *out = h;
    return rc;
}

const ns_hook *ns_hooks_list(const ns_hooks *hooks, int *n)
{
    *n = hooks ? hooks->n : 0;
    return hooks ? hooks->list : NULL;
}

bool ns_hooks_edits(const ns_hooks *hooks)
{
    bool any = false;
    for (int i = 0; hooks && i < hooks->n; i++)
        any |= hooks->list[i].edit != NULL;
    return any;
}

void ns_hooks_free(ns_hooks *h)
{
    if (!h)
        return;
    for (int i = 0; i < h->n; i++) {
        free((void *)h->list[i].at);
        free((void *)h->list[i].rows.positions);
        free((void *)h->list[i].rows.span);
    }
    free(h->list);
    free(h->first);
    free(h->index);
    free(h);
}
