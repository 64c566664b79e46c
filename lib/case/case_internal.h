/* case_internal.h - limits that the reader and the checks share. Internal. */
#ifndef NS_CASE_INTERNAL_H
#define NS_CASE_INTERNAL_H

#include "core/core.h"

enum {
    NS_CASE_JSON_DEPTH = 16,
    NS_CASE_MAX_SPANS = 4096,          /* span names are compared pairwise */
};

#endif
