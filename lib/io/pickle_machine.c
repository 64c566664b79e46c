/* pickle_machine.c - what opcodes are made of: bytes taken from the data, nodes, the stack, marks, the memo. */
#include "io/pickle_machine.h"

#include <string.h>

enum { MAX_MEMO = 1 << 22, MAX_STACK = 1 << 20, MAX_MARKS = 1 << 16, MAX_NODES = 1 << 24, MAX_CELLS = 1 << 24 };

int ns_pm_bad(const ns_pm *m, const char *what)
{
    return ns_fail(m->err, NS_E_FORMAT, "%s: byte %zu of its pickle: %s (copy or download it again)", m->label, m->opcode_at, what);
}

int ns_pm_take(ns_pm *m, size_t n, const uint8_t **out)
{
    if (n > m->n - m->at) {
        m->out->cut = true;
        return ns_pm_bad(m, "it ends early");
    }
    *out = m->data + m->at;
    m->at += n;
    return NS_OK;
}

int ns_pm_take_number(ns_pm *m, int bytes, uint64_t *out)
{
    const uint8_t *p = NULL;
    const int rc = ns_pm_take(m, (size_t)bytes, &p);
    *out = 0;
    for (int i = bytes - 1; rc == NS_OK && i >= 0; i--)
        *out = *out << 8 | p[i];
    return rc;
}

int ns_pm_new_node(ns_pm *m, ns_pickle_node node, ns_ref *out)
{
    ns_pickle *const p = m->out;
    if (p->n_nodes == MAX_NODES)
        return ns_pm_bad(m, "it makes more than 16777216 things");
    if (!ns_grow(&p->nodes, &p->nodes_capacity, p->n_nodes + 1, sizeof *p->nodes))
        return ns_oom(m->err, m->label);
    p->nodes[p->n_nodes] = node;
    *out = (ns_ref)p->n_nodes++;
    return NS_OK;
}

int ns_pm_push(ns_pm *m, ns_ref ref)
{
    if (m->height == MAX_STACK)
        return ns_pm_bad(m, "its stack is too deep");
    if (!ns_grow(&m->stack, &m->stack_capacity, m->height + 1, sizeof *m->stack))
        return ns_oom(m->err, m->label);
    m->stack[m->height++] = ref;
    return NS_OK;
}

int ns_pm_push_node(ns_pm *m, ns_pickle_node node)
{
    ns_ref ref = 0;
    const int rc = ns_pm_new_node(m, node, &ref);
    return rc != NS_OK ? rc : ns_pm_push(m, ref);
}

int64_t ns_pm_floor(const ns_pm *m)
{
    return m->n_marks ? m->marks[m->n_marks - 1] : 0;
}

int ns_pm_pop(ns_pm *m, ns_ref *out)
{
    if (m->height <= ns_pm_floor(m))
        return ns_pm_bad(m, "it takes more from its stack than there is");
    *out = m->stack[--m->height];
    return NS_OK;
}

int ns_pm_top(ns_pm *m, ns_ref *out)
{
    const int rc = ns_pm_pop(m, out);
    m->height += rc == NS_OK;
    return rc;
}

int ns_pm_pop_mark(ns_pm *m, int64_t *height)
{
    if (m->n_marks == 0)
        return ns_pm_bad(m, "it takes a mark from its stack where there is none");
    *height = m->marks[--m->n_marks];
    return NS_OK;
}

int ns_pm_add_cell(ns_pm *m, ns_ref container, ns_ref key, ns_ref value)
{
    ns_pickle *const p = m->out;
    if (p->n_cells == MAX_CELLS)
        return ns_pm_bad(m, "its containers hold more than 16777216 things");
    if (!ns_grow(&p->cells, &p->cells_capacity, p->n_cells + 1, sizeof *p->cells))
        return ns_oom(m->err, m->label);
    const uint32_t cell = (uint32_t)p->n_cells++;
    ns_pickle_node *const node = &p->nodes[container];
    p->cells[cell] = (ns_pickle_cell){0, key, value};
    if (node->n++)
        p->cells[node->last].next = cell;
    else
        node->first = cell;
    node->last = cell;
    return NS_OK;
}

/* Objects that we know nothing of keep nothing. */
static bool holds(const ns_pm *m, ns_ref container, bool pairs)
{
    const ns_pickle_kind kind = m->out->nodes[container].kind;
    return pairs ? kind == NS_PICKLE_DICT : kind == NS_PICKLE_LIST || kind == NS_PICKLE_SET || kind == NS_PICKLE_TUPLE;
}

int ns_pm_collect(ns_pm *m, ns_ref container, int64_t from, bool pairs)
{
    int rc = NS_OK;
    if (pairs && (m->height - from) % 2)
        return ns_pm_bad(m, "a key without a value");
    for (int64_t i = from; rc == NS_OK && holds(m, container, pairs) && i < m->height; i += pairs ? 2 : 1)
        rc = pairs ? ns_pm_add_cell(m, container, m->stack[i], m->stack[i + 1]) : ns_pm_add_cell(m, container, 0, m->stack[i]);
    m->height = from;
    return rc;
}

int ns_pm_take_counted(ns_pm *m, int bytes, ns_pickle_node *out)
{
    uint64_t n;
    const uint8_t *p = NULL;
    int rc = ns_pm_take_number(m, bytes, &n);
    if (rc == NS_OK && n > UINT32_MAX)
        rc = ns_pm_bad(m, "a text of more bytes than a pickle may have");
    if (rc == NS_OK)
        rc = ns_pm_take(m, (size_t)n, &p);
    out->n = (uint32_t)n;
    out->text = (const char *)p;
    return rc;
}

int ns_pm_take_line(ns_pm *m, ns_ref *out)
{
    const uint8_t *const begin = m->data + m->at, *const end = memchr(begin, '\n', m->n - m->at);
    if (!end) {
        m->out->cut = true;
        return ns_pm_bad(m, "it ends early");
    }
    m->at += (size_t)(end - begin) + 1;
    if (end - begin > UINT16_MAX)
        return ns_pm_bad(m, "a name of more than 65535 bytes");
    return ns_pm_new_node(m, (ns_pickle_node){.kind = NS_PICKLE_TEXT, .n = (uint32_t)(end - begin), .text = (const char *)begin}, out);
}

int ns_pm_memoize(ns_pm *m, uint64_t i)
{
    ns_ref ref = 0;
    const int rc = ns_pm_top(m, &ref);
    if (rc != NS_OK)
        return rc;
    if (i >= MAX_MEMO)
        return ns_pm_bad(m, "it remembers more than 4194304 things");
    if (!ns_grow(&m->memo, &m->memo_capacity, (int64_t)i + 1, sizeof *m->memo))
        return ns_oom(m->err, m->label);
    for (; m->n_memo <= (int64_t)i; m->n_memo++)
        m->memo[m->n_memo] = 0;
    m->memoized += m->memo[i] == 0;
    m->memo[i] = ref + 1;
    return NS_OK;
}

int ns_pm_push_mark(ns_pm *m)
{
    if (m->n_marks == MAX_MARKS)
        return ns_pm_bad(m, "its stack is too deep");
    if (!ns_grow(&m->marks, &m->marks_capacity, m->n_marks + 1, sizeof *m->marks))
        return ns_oom(m->err, m->label);
    m->marks[m->n_marks++] = m->height;
    return NS_OK;
}

int ns_pm_recall(ns_pm *m, uint64_t i, ns_ref *out)
{
    if (i >= (uint64_t)m->n_memo || m->memo[i] == 0)
        return ns_pm_bad(m, "it asks for what it has not remembered");
    *out = m->memo[i] - 1;
    return NS_OK;
}
