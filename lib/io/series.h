/* series.h - inside lib/io: the list of a run's checkpoints while it is being made. */
#ifndef NS_IO_SERIES_H
#define NS_IO_SERIES_H

#include <needlescope/series.h>

#include "io/reader.h"

int ns_series_append(ns_series *, const char *path, const char *revision, const char *label, const ns_series_item *parsed, ns_error *);
int ns_series_leave(ns_series *, const char *name, bool no_checkpoint, ns_error *, const char *fmt, ...) NS_PRINTF(5, 6);
/* By its trainer's own account: *found becomes true and *item that step, or both stay. What cannot be read says none; NS_E_MEMORY alone is
 * an error. */
int ns_series_step_inside(const char *path, ns_series_item *item, bool *found, ns_error *);
/* Of one whose name says the step: does its trainer_state.json say another? Then item->other. NS_E_MEMORY alone is an error. */
int ns_series_compare_step(const char *path, ns_series_item *item, ns_error *);
/* The revisions of a Hugging Face cache; refs: there is a folder of their names. */
int ns_series_add_cache(ns_series *, const char *path, bool refs, ns_error *);
bool ns_series_is_nest(const char *name);      /* a folder of a run's checkpoints: "checkpoints", ... */
#define NS_SERIES_NO_STEP "no step in its name: give it one in a --manifest (JSONL lines {\"path\": ..., \"step\": N})"
void ns_series_item_free(ns_series_item *);
void ns_series_left_free(ns_series_left *);
/* Those that are the same as another, or were trained beside one, move from the list, which is in order, to what is left out. */
int ns_series_drop_same(ns_series *, ns_error *);
int ns_series_settle(ns_series *, const char *folder, ns_error *);       /* sorts; leaves out twins, branches, what has no step */

#endif
