/* series.h - inside lib/io: the list of a run's checkpoints while it is being made. */
#ifndef NS_IO_SERIES_H
#define NS_IO_SERIES_H

#include <needlescope/series.h>

#include "io/reader.h"

int ns_series_append(ns_series *, const char *path, const char *revision, const char *label, const ns_series_item *parsed, ns_error *);
int ns_series_leave(ns_series *, const char *name, bool no_checkpoint, ns_error *, const char *fmt, ...) NS_PRINTF(5, 6);
int ns_series_settle(ns_series *, const char *folder, ns_error *);       /* sorts, leaves out twins and branches, numbers the steps */

#endif
