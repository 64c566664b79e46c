/* pickle_tree.c - asking the nodes of a pickle. */
#include "io/pickle.h"

#include <string.h>

bool ns_pickle_text_is(const ns_pickle *p, ns_ref ref, const char *text)
{
    const ns_pickle_node *const node = &p->nodes[ref];
    return node->kind == NS_PICKLE_TEXT && node->n == strlen(text) && memcmp(node->text, text, node->n) == 0;
}

bool ns_pickle_global_is(const ns_pickle *p, ns_ref ref, const char *module, const char *name)
{
    const ns_pickle_node *const node = &p->nodes[ref];
    return node->kind == NS_PICKLE_GLOBAL && ns_pickle_text_is(p, node->of, module) && ns_pickle_text_is(p, node->with, name);
}

ns_ref ns_pickle_nth(const ns_pickle *p, ns_ref sequence, uint32_t i)
{
    const ns_pickle_node *const node = &p->nodes[sequence];
    if ((node->kind != NS_PICKLE_TUPLE && node->kind != NS_PICKLE_LIST) || i >= node->n)
        return 0;
    uint32_t cell = node->first;
    for (; i > 0; i--)
        cell = p->cells[cell].next;
    return p->cells[cell].value;
}

ns_ref ns_pickle_get(const ns_pickle *p, ns_ref dict, const char *key)
{
    ns_ref found = 0;
    if (!ns_pickle_is(p, dict, NS_PICKLE_DICT))
        return 0;
    for (uint32_t cell = p->nodes[dict].first; cell; cell = p->cells[cell].next)
        if (ns_pickle_text_is(p, p->cells[cell].key, key))
            found = p->cells[cell].value;
    return found;
}

void ns_pickle_name(const ns_pickle *p, ns_ref ref, char *out, size_t size)
{
    const ns_pickle_node *node = &p->nodes[ref];
    if (node->kind == NS_PICKLE_OBJECT)
        node = &p->nodes[node->of];
    if (node->kind == NS_PICKLE_PERSISTENT)                         /* of legacy files: ('module', class, source file, source) */
        node = &p->nodes[ns_pickle_nth(p, node->with, 1)];
    if (node->kind != NS_PICKLE_GLOBAL) {
        snprintf(out, size, "an object of no known name");
        return;
    }
    const ns_pickle_node *const module = &p->nodes[node->of], *const name = &p->nodes[node->with];
    snprintf(out, size, "%.*s.%.*s", ns_pickle_shown(module), module->text, ns_pickle_shown(name), name->text);
    ns_one_line(out);
}
