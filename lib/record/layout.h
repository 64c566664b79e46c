/* layout.h - the parts of a recording that are known before the pass: axes, tokens, spans, layers, facts. Internal. */
#ifndef NS_LAYOUT_H
#define NS_LAYOUT_H

#include "record/sink.h"

int ns_layout_root(ns_recording *, ns_error *);
int ns_layout_case(ns_recording *, const ns_plan_case *, ns_error *);
/* The caller's facts and those that define the recording: *out is malloc'd, its strings are in *text (free both). */
int ns_layout_facts(const ns_plan *, const ns_fact *facts, int n_facts, ns_fact **out, int *n, char ***text, ns_error *);

#endif
