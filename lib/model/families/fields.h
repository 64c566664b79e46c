/* fields.h - the JSON form of an arch as tables: the writer (arch_write.c) and the reader (arch_read.c) walk the same rows,
 * so that nothing can be written that is not read back. */
#ifndef NS_ARCH_FIELDS_H
#define NS_ARCH_FIELDS_H

#include "model/families/family.h"

enum { NS_ARCH_JSON_VERSION = 1 };

extern const ns_field ns_fields_arch[], ns_fields_rope[], ns_fields_norm[], ns_fields_stage[], ns_fields_branch[];

/* The shortest decimal that reads back as the same float: 1e-05, not 9.9999997473787516e-06. */
double ns_readable(float value);

#endif
