/* head.h - which attention head: the one pair that scores, edits, figures and lists speak of. */
#ifndef NEEDLESCOPE_HEAD_H
#define NEEDLESCOPE_HEAD_H

#include <needlescope/api.h>

NS_BEGIN

typedef struct ns_head { int64_t layer, head; } ns_head;     /* both from 0; head = a query head of the layer */

static inline bool ns_head_is(ns_head a, ns_head b) { return a.layer == b.layer && a.head == b.head; }

NS_END
#endif
