/* field.h - members of a struct as rows of a table: their keys in the JSON of an arch. The reader, the writer, the builder of families and
 * whoever frees walk the same rows, so that nothing can be written that is not read back, nor read and not freed. */
#ifndef NS_FIELD_H
#define NS_FIELD_H

#include <needlescope/arch.h>

enum { NS_MAX_ROPES = 16 };
#define NS_MAX_DIM INT32_MAX

/* ---- names of enum values, both ways ---- */
typedef struct ns_word { const char *name; int value; } ns_word;       /* name NULL ends a table */
extern const ns_word ns_words_norm[], ns_words_qk_norm[], ns_words_act[];
const char *ns_word_name(const ns_word *, int value);
bool ns_word_find(const ns_word *, const char *name, int *value);

typedef enum ns_field_kind {
    NS_FIELD_I64, NS_FIELD_INT, NS_FIELD_F32, NS_FIELD_F64, NS_FIELD_BOOL, NS_FIELD_WORD,
    NS_FIELD_FIXED,         /* no member: the first of `words` is written, any of them is read */
    NS_FIELD_IMPLIES,       /* the same; and the word that is read gives its value to the member at `offset`, whose own row stands below */
    NS_FIELD_TREF,          /* a name, or an object {name, start, group, stride, transposed} */
    NS_FIELD_NORM,          /* absent where the type is none */
    NS_FIELD_I64S, NS_FIELD_F64S,   /* a list whose length is the i64 at `count`, over `over`; the struct owns it */
} ns_field_kind;

typedef struct ns_field {
    const char    *key;     /* NULL ends a table */
    ns_field_kind  kind;
    size_t         offset;
    bool           required;
    double         otherwise;   /* of an absent key */
    const ns_word *words;
    size_t         count;
    int64_t        over;
    bool           sparse;      /* a number, switch or word that is written only where it is not `otherwise`; FIXED: never */
} ns_field;

const ns_field *ns_field_find(const ns_field *, const char *key);      /* NULL: no such row */
/* Frees the lists of a struct; its weights are freed by the walk over slots. */
void ns_fields_clear(const ns_field *, void *base);

#endif
