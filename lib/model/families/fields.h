/* fields.h - the JSON form of an arch as tables: the writer (arch_write.c) and the reader (arch_read.c) walk the same rows,
 * so that nothing can be written that is not read back. */
#ifndef NS_ARCH_FIELDS_H
#define NS_ARCH_FIELDS_H

#include "model/families/family.h"

enum { NS_ARCH_JSON_VERSION = 1 };

typedef enum ns_field_kind {
    NS_FIELD_I64, NS_FIELD_INT, NS_FIELD_F32, NS_FIELD_F64, NS_FIELD_BOOL, NS_FIELD_WORD,
    NS_FIELD_TREF,          /* a name, or an object {name, start, group, stride, transposed} */
    NS_FIELD_NORM,          /* absent where the type is none */
    NS_FIELD_I64S, NS_FIELD_F64S,   /* a list whose length is the i64 at `count`, over `over` */
} ns_field_kind;

typedef struct ns_field {
    const char    *key;     /* NULL ends a table */
    ns_field_kind  kind;
    size_t         offset;
    bool           required;
    double         otherwise;
    const ns_word *words;
    size_t         count;
    int64_t        over;
} ns_field;

extern const ns_field ns_fields_arch[], ns_fields_rope[], ns_fields_norm[], ns_fields_stage[], ns_fields_branch[], ns_fields_attn[],
ns_fields_ffn[];

#endif
