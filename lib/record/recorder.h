/* recorder.h - a recorder for an arch, without a model: what recorder_model.c wraps and tests drive by hand. Internal. */
#ifndef NS_RECORDER_H
#define NS_RECORDER_H

#include "record/sink.h"

int ns_recorder_new_for(ns_recorder **out, const ns_arch *, int threads, const ns_cases *, const char *path, const ns_recorder_params *,
                        const ns_fact *facts, int n_facts, ns_error *);
/* The same with the threads of another, who outlives it: a callback comes where they are idle. */
int ns_recorder_new_in(ns_recorder **out, const ns_arch *, ns_pool *, const ns_cases *, const char *path, const ns_recorder_params *,
                       const ns_fact *facts, int n_facts, ns_error *);
/* The read callback; user is the recorder. */
int ns_recorder_see(void *user, const ns_site *, const ns_view *, ns_error *);
/* One more stable fact, learnt late. */
int ns_recorder_fact(ns_recorder *, const char *name, const char *value, ns_error *);
/* commit, and the weights' hash beforehand: set by recorder_model.c. */
void ns_recorder_set_model(ns_recorder *, const ns_model *, const char *(*weights_sha256)(const ns_model *));

#endif
