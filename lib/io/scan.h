/* scan.h - a cursor over strict JSON in memory: no allocation, no recursion, whole 64-bit integers. A tree of cJSON would need 40 times
 * the header (up to 100 MB of it) and would pass offsets through a double. */
#ifndef NS_SCAN_H
#define NS_SCAN_H

#include "core/core.h"

typedef struct ns_scan {
    const char *text;
    size_t      n, at;
    const char *label;     /* "FILE: header" */
    ns_error   *err;
} ns_scan;

int  ns_scan_fail(const ns_scan *, const char *what);        /* NS_E_FORMAT with the byte offset */
bool ns_scan_next(ns_scan *, char c);                        /* skips spaces; takes c if it is next */
int  ns_scan_expect(ns_scan *, char c);
bool ns_scan_done(ns_scan *);                                /* nothing but spaces is left */
/* Decodes a string with its escapes into out, NUL-terminated. It never needs more room than its source has bytes (two quotes for one
 * NUL). */
int  ns_scan_string(ns_scan *, char *out, size_t *n);
int  ns_scan_u64(ns_scan *, uint64_t *out);                  /* digits only: no sign, fraction or exponent */

#endif
