/* open_study.h - an open study, for study.c and study_values.c. Internal. */
#ifndef NS_OPEN_STUDY_H
#define NS_OPEN_STUDY_H

#include <needlescope/study.h>

#include "core/core.h"

typedef struct ns_study_cached { char *name; float *values; } ns_study_cached;

struct ns_study {
    const ns_file  *file;
    ns_file        *own;                        /* the same, where this opened it */
    char           *path;
    bool            one;                        /* the scores of one checkpoint */
    ns_study_shape  n;
    ns_extent       extent;
    char          **run_name, **layer_kind;      /* [R], [R, L] */
    char          **arch_change, **weights;      /* [R, P]; NULL = the file has none */
    int64_t        *steps, *tokens, *valid, *windows;
    uint8_t        *status;
    int64_t         not_taken, passed_over, unsealed;
    ns_study_left  *left_out;                    /* its texts are those of left_text: runs, names, reasons */
    char          **left_text[3];
    int64_t         n_left_out;
    ns_study_coord *coord;                       /* of the runs */
    int64_t         n_coords, coords_capacity;
    char          **score;                       /* names, by bytes */
    ns_score_meaning *meaning;                   /* [n_scores] */
    int64_t         n_scores;
    char          **output;                      /* names, in the file's order, and their axes behind (run, step) */
    ns_axes        *output_axes;
    int64_t         n_outputs;
    ns_study_cached *cache;
    int64_t         n_cache, cache_capacity;
};

#define NS_STUDY_KINDS \
    (NS_KINDS(NS_KIND_STUDY) | NS_KINDS(NS_KIND_SCORES) | NS_KINDS(NS_KIND_PATCHING) | NS_KINDS(NS_KIND_ATTRIBUTION))
/* study.c: of a file of such a kind that has layer_kind; it must outlive the study. */
int  ns_study_of(ns_study **out, const ns_file *, const char *path, ns_error *);
/* study_values.c: finds the scores; frees what it and the readers of values made. */
int  ns_study_find_scores(ns_study *, ns_error *);
void ns_study_forget(ns_study *);
/* study_outputs.c: keeps the dataset in mind if it is an output (there is room for it); frees what is kept. */
int  ns_study_take_output(ns_study *, const char *name, const char *axes, ns_dtype, ns_error *);
void ns_study_forget_outputs(ns_study *);
/* study_view.c: is the name one of an output in the place of a score ("answer_hits@answer=0")? Its values [R, P, L, H], malloc'd. */
bool ns_study_is_view(const char *name);
int  ns_study_view_meaning(const ns_study *, const char *name, ns_score_meaning *out, ns_error *);
int  ns_study_view(const ns_study *, const char *name, float **out, ns_error *);
/* check_recording.c: the values of a whole recording. */
int  ns_recording_check(const ns_file *, ns_error *);
/* study_defined.c: NS_E_FORMAT where what says that it is a score has lost the names of its axes; where a value of (run, step) is NaN
 * though cases were counted for it. */
int  ns_study_check_lost(const ns_study *, const char *name, const char *axes, const char *wanted, ns_error *);
int  ns_study_check_defined(const ns_study *, const ns_head_values *, int64_t run, int64_t step, ns_error *);

#endif
