/* source.h - a study or a score file, read in one way: a score file has one run and one step. Internal. */
#ifndef NS_EXPORT_SOURCE_H
#define NS_EXPORT_SOURCE_H

#include <needlescope/export.h>
#include <needlescope/record.h>

#include "core/core.h"

typedef struct ns_export_coord { char *name; double *number; char **text; } ns_export_coord;     /* [R]: one of the two */

struct ns_export {
    char      *path;
    ns_file   *file;
    bool       is_study;
    int64_t    R, P, L, H, C;
    char     **score;                       /* [n_scores] */
    int64_t    n_scores;
    char     **run_name, **kind;            /* [R], [R, L] */
    int64_t   *step, *tokens, *status;      /* [P], [R, P], [R, P]; -1 = not known */
    int64_t   *valid, *window;              /* [R, L, H] */
    ns_export_coord *coord;
    int64_t    n_coords, coords_capacity;
};

enum { NS_EXPORT_DONE = 1, NS_EXPORT_TOP = 10 };

/* Checked parameters, NS_E_ARG: a score or a run that the file does not have, an output that is the input. */
int ns_export_check(const ns_export *, const char *path, const ns_export_params *given, ns_export_params *out, ns_error *);
int64_t ns_export_run(const ns_export *, const char *name);                                    /* -1 = none */
int64_t ns_export_last(const ns_export *, int64_t run);                                        /* last step that was scored, -1 */
int ns_export_values(const ns_export *, const char *score, float **out, ns_error *);           /* [R, P, L, H], malloc'd */
/* [L, H] of score_low or score_high; NULL where the file has none. */
int ns_export_bound(const ns_export *, const char *which, const char *score, float **out, ns_error *);

#endif
