/* pickle.h - a pickle as a tree of plain nodes, for reading what torch.save wrote.
 *
 * A pickle is a program for a stack machine, and Python runs it: it may name any function and call it. Here nothing that it names is ever
 * looked up, called or made: an object is a node with the name of what would make it and the arguments that this would be given. Dicts, in
 * which state dicts come, are dicts. Time and memory are a constant times the bytes of the pickle, within limits (pickle.c). */
#ifndef NS_PICKLE_H
#define NS_PICKLE_H

#include "core/core.h"

typedef uint32_t ns_ref;       /* of a node; 0 is None */

typedef enum ns_pickle_kind {
    NS_PICKLE_NONE = 0, NS_PICKLE_BOOL, NS_PICKLE_INT, NS_PICKLE_LONG, NS_PICKLE_FLOAT, NS_PICKLE_TEXT, NS_PICKLE_BYTES,
    NS_PICKLE_TUPLE, NS_PICKLE_LIST, NS_PICKLE_SET, NS_PICKLE_DICT,
    NS_PICKLE_GLOBAL,          /* a name: module and name are texts */
    NS_PICKLE_OBJECT,          /* what the global `of` would make when it is called with `with` */
    NS_PICKLE_PERSISTENT,      /* what torch.load finds outside the pickle by the id `with`: a storage */
} ns_pickle_kind;

typedef struct ns_pickle_node {
    ns_pickle_kind kind;
    uint32_t       n;          /* bytes of a text (as it stands, no NUL), bytes or long; items of a list; pairs of a dict */
    union {
        int64_t     integer;   /* BOOL, INT */
        double      number;
        const char *text;      /* TEXT, BYTES, LONG (little-endian, two's complement, beyond 64 bits): in the data that was read */
        struct { uint32_t first, last; };      /* cells of a TUPLE, LIST, SET, DICT; 0: none */
        struct { ns_ref of, with; };           /* GLOBAL: module, name; OBJECT: what makes it, its arguments; PERSISTENT: with */
    };
} ns_pickle_node;

typedef struct ns_pickle_cell { uint32_t next; ns_ref key, value; } ns_pickle_cell;        /* key: of a dict */

typedef struct ns_pickle {
    ns_pickle_node *nodes;
    ns_pickle_cell *cells;
    int64_t         n_nodes, n_cells, nodes_capacity, cells_capacity;
    ns_ref          root;
    size_t          used;      /* bytes up to its end */
    bool            cut;       /* of a pickle that could not be read: the data ended before it did */
} ns_pickle;

/* data is borrowed as long as the nodes are used. label: FILE, for messages. Free with ns_pickle_free, also after an error. */
int  ns_pickle_read(ns_pickle *out, const uint8_t *data, size_t n, const char *label, ns_error *);
void ns_pickle_free(ns_pickle *);

/* Bytes of a text that a message shows. */
static inline int ns_pickle_shown(const ns_pickle_node *text) { return text->n < 64 ? (int)text->n : 64; }
static inline const ns_pickle_node *ns_pickle_at(const ns_pickle *p, ns_ref ref) { return &p->nodes[ref]; }
static inline bool ns_pickle_is(const ns_pickle *p, ns_ref ref, ns_pickle_kind kind) { return p->nodes[ref].kind == kind; }
bool   ns_pickle_text_is(const ns_pickle *, ns_ref, const char *text);
bool   ns_pickle_global_is(const ns_pickle *, ns_ref, const char *module, const char *name);
ns_ref ns_pickle_nth(const ns_pickle *, ns_ref sequence, uint32_t i);       /* None where there is no such item */
ns_ref ns_pickle_get(const ns_pickle *, ns_ref dict, const char *key);      /* the last of that name; None where it is absent */
/* "module.name" of a global, or of what would make an object, for messages: cut to fit, control characters replaced. */
void   ns_pickle_name(const ns_pickle *, ns_ref, char *out, size_t size);

#endif
