/* pickle.c - one row per opcode of protocols 1 to 5, as far as checkpoints have them; the others are refused by name.
 *
 * An opcode makes at most one node, so that memory is a constant times the pickle's bytes; a loop, a recursion or a jump there is none. A
 * pickle may tie knots (a list in itself), so who walks its nodes counts. */
#include "io/pickle_machine.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_STEPS = 1 << 24, LAST_PROTOCOL = 5, LONG_BYTES = 8 };

/* ---- what they do; arg is of the table below ---- */

static int op_protocol(ns_pm *m, int arg)
{
    uint64_t v;
    (void)arg;
    const int rc = ns_pm_take_number(m, 1, &v);
    return rc == NS_OK && v > LAST_PROTOCOL ? ns_pm_bad(m, "a protocol that is not known") : rc;
}

static int op_skip(ns_pm *m, int bytes)
{
    const uint8_t *unused;
    return ns_pm_take(m, (size_t)bytes, &unused);
}

static int op_stop(ns_pm *m, int arg)
{
    (void)arg;
    m->done = true;
    return ns_pm_pop(m, &m->out->root);
}

static int op_mark(ns_pm *m, int arg)
{
    (void)arg;
    return ns_pm_push_mark(m);
}

static int op_pop(ns_pm *m, int arg)
{
    ns_ref unused;
    int64_t height;
    (void)arg;
    return m->n_marks && m->height == ns_pm_floor(m) ? ns_pm_pop_mark(m, &height) : ns_pm_pop(m, &unused);
}

static int op_pop_mark(ns_pm *m, int arg)
{
    int64_t height = 0;
    (void)arg;
    const int rc = ns_pm_pop_mark(m, &height);
    if (rc == NS_OK)
        m->height = height;
    return rc;
}

static int op_dup(ns_pm *m, int arg)
{
    ns_ref ref = 0;
    (void)arg;
    const int rc = ns_pm_top(m, &ref);
    return rc != NS_OK ? rc : ns_pm_push(m, ref);
}

static int op_none(ns_pm *m, int arg)
{
    (void)arg;
    return ns_pm_push(m, 0);
}

static int op_bool(ns_pm *m, int value)
{
    return ns_pm_push_node(m, (ns_pickle_node){.kind = NS_PICKLE_BOOL, .integer = value});
}

/* Four bytes have a sign, fewer have none. */
static int op_int(ns_pm *m, int bytes)
{
    uint64_t v;
    const int rc = ns_pm_take_number(m, bytes, &v);
    const int64_t value = bytes == 4 ? (int32_t)(uint32_t)v : (int64_t)v;
    return rc != NS_OK ? rc : ns_pm_push_node(m, (ns_pickle_node){.kind = NS_PICKLE_INT, .integer = value});
}

static int op_float(ns_pm *m, int arg)
{
    const uint8_t *p;
    uint64_t bits = 0;
    ns_pickle_node node = {.kind = NS_PICKLE_FLOAT};
    (void)arg;
    const int rc = ns_pm_take(m, 8, &p);
    for (int i = 0; rc == NS_OK && i < 8; i++)
        bits = bits << 8 | p[i];
    memcpy(&node.number, &bits, sizeof bits);
    return rc != NS_OK ? rc : ns_pm_push_node(m, node);
}

static int op_text(ns_pm *m, int bytes)
{
    ns_pickle_node node = {.kind = NS_PICKLE_TEXT};
    const int rc = ns_pm_take_counted(m, bytes, &node);
    return rc != NS_OK ? rc : ns_pm_push_node(m, node);
}

static int op_bytes(ns_pm *m, int bytes)
{
    ns_pickle_node node = {.kind = NS_PICKLE_BYTES};
    const int rc = ns_pm_take_counted(m, bytes, &node);
    return rc != NS_OK ? rc : ns_pm_push_node(m, node);
}

static int op_long(ns_pm *m, int bytes)
{
    ns_pickle_node node = {.kind = NS_PICKLE_LONG};
    const int rc = ns_pm_take_counted(m, bytes, &node);
    if (rc != NS_OK || node.n > LONG_BYTES)
        return rc != NS_OK ? rc : ns_pm_push_node(m, node);
    uint64_t v = node.n && (uint8_t)node.text[node.n - 1] & 0x80 ? UINT64_MAX : 0;
    for (int64_t i = (int64_t)node.n - 1; i >= 0; i--)
        v = v << 8 | (uint8_t)node.text[i];
    return ns_pm_push_node(m, (ns_pickle_node){.kind = NS_PICKLE_INT, .integer = (int64_t)v});
}

static int op_empty(ns_pm *m, int kind)
{
    return ns_pm_push_node(m, (ns_pickle_node){.kind = (ns_pickle_kind)kind});
}

/* A container of all above the mark. */
static int op_marked(ns_pm *m, int kind)
{
    int64_t from = 0;
    ns_ref ref = 0;
    int rc = ns_pm_pop_mark(m, &from);
    if (rc == NS_OK)
        rc = ns_pm_new_node(m, (ns_pickle_node){.kind = (ns_pickle_kind)kind}, &ref);
    if (rc == NS_OK)
        rc = ns_pm_collect(m, ref, from, kind == NS_PICKLE_DICT);
    return rc != NS_OK ? rc : ns_pm_push(m, ref);
}

static int op_tuple(ns_pm *m, int n)
{
    ns_ref ref = 0;
    if (m->height - n < ns_pm_floor(m))
        return ns_pm_bad(m, "it takes more from its stack than there is");
    int rc = ns_pm_new_node(m, (ns_pickle_node){.kind = NS_PICKLE_TUPLE}, &ref);
    if (rc == NS_OK)
        rc = ns_pm_collect(m, ref, m->height - n, false);
    return rc != NS_OK ? rc : ns_pm_push(m, ref);
}

/* One item, or key and value, into the container below. */
static int op_add(ns_pm *m, int n)
{
    if (m->height - n - 1 < ns_pm_floor(m))
        return ns_pm_bad(m, "it takes more from its stack than there is");
    return ns_pm_collect(m, m->stack[m->height - n - 1], m->height - n, n == 2);
}

/* All above the mark into the container below it. */
static int op_add_marked(ns_pm *m, int pairs)
{
    int64_t from = 0;
    const int rc = ns_pm_pop_mark(m, &from);
    if (rc != NS_OK)
        return rc;
    if (from <= ns_pm_floor(m))
        return ns_pm_bad(m, "items without a container");
    return ns_pm_collect(m, m->stack[from - 1], from, pairs);
}

static int op_global(ns_pm *m, int arg)
{
    ns_ref module = 0, name = 0;
    (void)arg;
    int rc = ns_pm_take_line(m, &module);
    if (rc == NS_OK)
        rc = ns_pm_take_line(m, &name);
    return rc != NS_OK ? rc : ns_pm_push_node(m, (ns_pickle_node){.kind = NS_PICKLE_GLOBAL, .of = module, .with = name});
}

static int op_stack_global(ns_pm *m, int arg)
{
    ns_ref module = 0, name = 0;
    (void)arg;
    int rc = ns_pm_pop(m, &name);
    if (rc == NS_OK)
        rc = ns_pm_pop(m, &module);
    if (rc != NS_OK)
        return rc;
    if (!ns_pickle_is(m->out, module, NS_PICKLE_TEXT) || !ns_pickle_is(m->out, name, NS_PICKLE_TEXT))
        return ns_pm_bad(m, "the name of a global is no text");
    return ns_pm_push_node(m, (ns_pickle_node){.kind = NS_PICKLE_GLOBAL, .of = module, .with = name});
}

static bool is_dict_class(const ns_pm *m, ns_ref ref)
{
    static const char *const classes[][2] = {
        {"collections", "OrderedDict"}, {"collections", "defaultdict"}, {"builtins", "dict"}, {"__builtin__", "dict"},
    };
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (ns_pickle_global_is(m->out, ref, classes[i][0], classes[i][1]))
            return true;
    return false;
}

/* What Python 2 gave an OrderedDict: [[key, value], ...]. */
static int add_pairs(ns_pm *m, ns_ref dict, ns_ref list)
{
    const ns_pickle *const p = m->out;
    int rc = NS_OK;
    if (!ns_pickle_is(p, list, NS_PICKLE_LIST))
        return NS_OK;
    for (uint32_t c = p->nodes[list].first, n = p->nodes[list].n; n > 0 && rc == NS_OK; n--, c = p->cells[c].next) {
        const ns_ref pair = p->cells[c].value;
        rc = ns_pm_add_cell(m, dict, ns_pickle_nth(p, pair, 0), ns_pickle_nth(p, pair, 1));
    }
    return rc;
}

/* REDUCE and NEWOBJ: a callable and its arguments. A dict is one; all else is kept as it stands. extra: of keyword arguments. */
static int op_make(ns_pm *m, int extra)
{
    ns_ref callable = 0, arguments = 0, ref = 0, unused;
    int rc = extra ? ns_pm_pop(m, &unused) : NS_OK;
    if (rc == NS_OK)
        rc = ns_pm_pop(m, &arguments);
    if (rc == NS_OK)
        rc = ns_pm_pop(m, &callable);
    if (rc != NS_OK)
        return rc;
    const bool dict = is_dict_class(m, callable);
    const ns_pickle_node made = {.kind = NS_PICKLE_OBJECT, .of = callable, .with = arguments};
    rc = ns_pm_new_node(m, dict ? (ns_pickle_node){.kind = NS_PICKLE_DICT} : made, &ref);
    if (rc == NS_OK && dict)
        rc = add_pairs(m, ref, ns_pickle_nth(m->out, arguments, 0));
    return rc != NS_OK ? rc : ns_pm_push(m, ref);
}

/* BUILD gives an object its attributes: a state dict's _metadata, what we know nothing of. */
static int op_build(ns_pm *m, int arg)
{
    ns_ref state;
    (void)arg;
    int rc = ns_pm_pop(m, &state);
    return rc != NS_OK ? rc : ns_pm_top(m, &state);
}

static int op_persistent(ns_pm *m, int arg)
{
    ns_ref id = 0;
    (void)arg;
    const int rc = ns_pm_pop(m, &id);
    return rc != NS_OK ? rc : ns_pm_push_node(m, (ns_pickle_node){.kind = NS_PICKLE_PERSISTENT, .with = id});
}

static int op_put(ns_pm *m, int bytes)
{
    uint64_t i;
    const int rc = ns_pm_take_number(m, bytes, &i);
    return rc != NS_OK ? rc : ns_pm_memoize(m, i);
}

static int op_memoize(ns_pm *m, int arg)
{
    (void)arg;
    return ns_pm_memoize(m, (uint64_t)m->memoized);
}

static int op_get(ns_pm *m, int bytes)
{
    uint64_t i;
    ns_ref ref = 0;
    int rc = ns_pm_take_number(m, bytes, &i);
    if (rc == NS_OK)
        rc = ns_pm_recall(m, i, &ref);
    return rc != NS_OK ? rc : ns_pm_push(m, ref);
}

static const struct opcode { int (*run)(ns_pm *, int arg); int arg; } opcodes[256] = {
    [0x80] = {op_protocol, 0}, [0x95] = {op_skip, 8}, ['.'] = {op_stop, 0},                      /* PROTO FRAME STOP */
    ['('] = {op_mark, 0}, ['0'] = {op_pop, 0}, ['1'] = {op_pop_mark, 0}, ['2'] = {op_dup, 0},   /* MARK POP POP_MARK DUP */
    ['N'] = {op_none, 0}, [0x88] = {op_bool, 1}, [0x89] = {op_bool, 0},                         /* NONE NEWTRUE NEWFALSE */
    ['K'] = {op_int, 1}, ['M'] = {op_int, 2}, ['J'] = {op_int, 4}, ['G'] = {op_float, 0},       /* BININT1 BININT2 BININT BINFLOAT */
    [0x8a] = {op_long, 1}, [0x8b] = {op_long, 4},                                               /* LONG1 LONG4 */
    [0x8c] = {op_text, 1}, ['X'] = {op_text, 4}, [0x8d] = {op_text, 8},                      /* SHORT_BINUNICODE BINUNICODE BINUNICODE8 */
    ['U'] = {op_text, 1}, ['T'] = {op_text, 4},                                                 /* SHORT_BINSTRING BINSTRING: Python 2's */
    ['C'] = {op_bytes, 1}, ['B'] = {op_bytes, 4}, [0x8e] = {op_bytes, 8},                     /* SHORT_BINBYTES BINBYTES BINBYTES8 */
    [0x96] = {op_bytes, 8},                                                                     /* BYTEARRAY8 */
    [')'] = {op_empty, NS_PICKLE_TUPLE}, [']'] = {op_empty, NS_PICKLE_LIST},                    /* EMPTY_TUPLE EMPTY_LIST */
    ['}'] = {op_empty, NS_PICKLE_DICT}, [0x8f] = {op_empty, NS_PICKLE_SET},                     /* EMPTY_DICT EMPTY_SET */
    ['t'] = {op_marked, NS_PICKLE_TUPLE}, ['l'] = {op_marked, NS_PICKLE_LIST},                  /* TUPLE LIST */
    ['d'] = {op_marked, NS_PICKLE_DICT}, [0x91] = {op_marked, NS_PICKLE_SET},                   /* DICT FROZENSET */
    [0x85] = {op_tuple, 1}, [0x86] = {op_tuple, 2}, [0x87] = {op_tuple, 3},                     /* TUPLE1 TUPLE2 TUPLE3 */
    ['a'] = {op_add, 1}, ['s'] = {op_add, 2},                                                   /* APPEND SETITEM */
    ['e'] = {op_add_marked, 0}, ['u'] = {op_add_marked, 1}, [0x90] = {op_add_marked, 0},        /* APPENDS SETITEMS ADDITEMS */
    ['c'] = {op_global, 0}, [0x93] = {op_stack_global, 0},                                      /* GLOBAL STACK_GLOBAL */
    ['R'] = {op_make, 0}, [0x81] = {op_make, 0}, [0x92] = {op_make, 1}, ['b'] = {op_build, 0},  /* REDUCE NEWOBJ NEWOBJ_EX BUILD */
    ['Q'] = {op_persistent, 0},                                                                 /* BINPERSID */
    ['q'] = {op_put, 1}, ['r'] = {op_put, 4}, [0x94] = {op_memoize, 0},                         /* BINPUT LONG_BINPUT MEMOIZE */
    ['h'] = {op_get, 1}, ['j'] = {op_get, 4},                                                   /* BINGET LONG_BINGET */
};

static int step(ns_pm *m)
{
    const uint8_t *code = NULL;
    m->opcode_at = m->at;
    const int rc = ns_pm_take(m, 1, &code);
    if (rc != NS_OK)
        return rc;
    if (!opcodes[*code].run)
        return ns_fail(m->err, NS_E_UNSUPPORTED, "%s: byte %zu of its pickle: the opcode 0x%02x, which no checkpoint needs (save it "
                       "again with torch.save and its default pickle_protocol)", m->label, m->opcode_at, *code);
    return opcodes[*code].run(m, opcodes[*code].arg);
}

int ns_pickle_read(ns_pickle *out, const uint8_t *data, size_t n, const char *label, ns_error *err)
{
    ns_pm m = {.data = data, .n = n, .out = out, .label = label, .err = err};
    *out = (ns_pickle){.n_cells = 1};      /* cell 0 is none, node 0 is None */
    ns_ref none;
    int rc = ns_pm_new_node(&m, (ns_pickle_node){.kind = NS_PICKLE_NONE}, &none);
    for (int64_t steps = 0; rc == NS_OK && !m.done; steps++)
        rc = steps < MAX_STEPS ? step(&m) : ns_pm_bad(&m, "it has more than 16777216 opcodes");
    out->used = m.at;
    free(m.stack);
    free(m.memo);
    free(m.marks);
    return rc;
}

void ns_pickle_free(ns_pickle *p)
{
    free(p->nodes);
    free(p->cells);
    *p = (ns_pickle){0};
}
