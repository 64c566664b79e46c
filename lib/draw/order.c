/* order.c - the order of panels, groups, rows and columns. */
#include "draw/order.h"
#include "core/core.h"

#include <string.h>

ns_order ns_order_begin(const ns_figure_params *p)
{
    return (ns_order){.wanted = p->order, .n_wanted = p->n_order < NS_ORDER_NAMES ? p->n_order : NS_ORDER_NAMES};
}

static bool is(const char *name, const char *wanted)
{
    return name && strcmp(name, wanted) == 0;
}

static bool is_wanted(const ns_order *o, const char *name)
{
    for (int k = 0; k < o->n_wanted; k++)
        if (is(name, o->wanted[k]))
            return true;
    return false;
}

void ns_order_apply(ns_order *o, const char *const *names, int n, int *index)
{
    int place = 0;
    for (int k = 0; k < o->n_wanted; k++)
        for (int i = 0; i < n; i++)
            if (is(names[i], o->wanted[k])) {
                index[place++] = i;
                o->used |= (uint64_t)1 << k;
            }
    for (int i = 0; i < n; i++) {
        if (!is_wanted(o, names[i]))
            index[place++] = i;
        if (names[i] && o->n_seen < NS_ORDER_NAMES)
            o->seen[o->n_seen++] = names[i];
    }
}

void ns_order_names(ns_order *o, const char *const *names, int n, const char **ordered, int *place)
{
    int index[NS_ORDER_NAMES];
    ns_order_apply(o, names, n, index);
    for (int i = 0; i < n; i++) {
        place[index[i]] = i;
        ordered[i] = names[index[i]];
    }
}

int ns_order_check(const ns_order *o, ns_error *err)
{
    for (int k = 0; k < o->n_wanted; k++) {
        if (o->used >> k & 1)
            continue;
        const char *const near = ns_nearest_word(o->wanted[k], o->seen, o->n_seen);
        char list[200] = "";
        for (int i = 0; i < o->n_seen && strlen(list) < 150; i++) {
            const size_t used = strlen(list);
            snprintf(list + used, sizeof list - used, "%s%.40s", i ? ", " : "", o->seen[i]);
        }
        return ns_fail(err, NS_E_ARG, "order '%s': the figure has nothing of that name%s%s%s; it has %s", o->wanted[k],
                       near ? " (did you mean " : "", near ? near : "", near ? "?)" : "", *list ? ns_utf8_whole(list) : "no names");
    }
    return NS_OK;
}
