/* json_scan.h - is this text exactly one JSON value? Internal to lib/core. */
#ifndef NS_CORE_JSON_SCAN_H
#define NS_CORE_JSON_SCAN_H

#include "core/core.h"

/* text must be valid UTF-8. NS_E_FORMAT names label, line and byte of the first fault; nothing is allocated, nothing recurses. */
int ns_json_scan(const char *text, size_t n, int max_depth, const char *label, ns_error *err);

#endif
