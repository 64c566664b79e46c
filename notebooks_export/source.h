/* source.h - the study at hand, as the writers see it. Internal. */
#ifndef NS_EXPORT_SOURCE_H
#define NS_EXPORT_SOURCE_H

#include <needlescope/export.h>

#include "core/core.h"

typedef struct ns_source {                  /* all borrowed from the study */
    ns_study      *study;
    const ns_file *file;
    const char    *path;
    bool           is_study;                /* of checkpoints; else the scores of one */
    int64_t        R, P, L, H, C;
    const int64_t *step, *tokens;           /* [P], [R, P]; -1 = not known */
    const uint8_t *status;                  /* [R, P] */
    const ns_study_coord *coord;
    int64_t        n_coords;
    int64_t        run;                     /* params->run as an index; -1 = none was named */
} ns_source;

enum { NS_EXPORT_TOP = 10 };

/* The study with checked parameters. NS_E_ARG: a score or a run that the file does not have, an output that is the input.
 * NS_E_CREATE: one that would replace what is not `makes`, or cannot be written. */
int ns_source_begin(ns_source *, ns_study *, const char *path, ns_kind makes, const ns_export_params *given, ns_export_params *out,
                    ns_error *);

/* The provenance of what is exported. */
int ns_source_facts(const ns_source *, const ns_provenance *by, ns_fact_list *, ns_error *);

#endif
