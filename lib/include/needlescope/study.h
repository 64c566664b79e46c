/* study.h - hits and scores over (run, step, case, layer, head): what analysis reads. Written by ns_merge; layout: lib/record/schema.md.
 *
 * R runs, P steps (the union over the runs), C cases, L layers, H heads (the largest of any run: a study may be ragged). */
#ifndef NEEDLESCOPE_STUDY_H
#define NEEDLESCOPE_STUDY_H

#include <needlescope/error.h>

NS_BEGIN

typedef struct ns_study ns_study;
typedef struct ns_study_shape { int64_t R, P, C, L, H; } ns_study_shape;
enum { NS_STUDY_MISSING = 0, NS_STUDY_DONE = 1, NS_STUDY_FAILED = 2 };

NS_API NS_MUST_CHECK int ns_study_open(ns_study **out, const char *path, ns_error *);
NS_API void ns_study_close(ns_study *);
NS_API ns_study_shape ns_study_size(const ns_study *);

NS_API const char *ns_study_run_name(const ns_study *, int64_t run);
/* Coordinates of a run, as its run.json gave them: window, seed, pattern, arm ... */
NS_API double      ns_study_run_number(const ns_study *, int64_t run, const char *coord, double otherwise);
NS_API const char *ns_study_run_text(const ns_study *, int64_t run, const char *coord);       /* NULL where there is none */

NS_API const int64_t *ns_study_steps(const ns_study *);           /* [P] ascending */
NS_API const int64_t *ns_study_tokens(const ns_study *);          /* [R, P]; -1 = not known */
NS_API const uint8_t *ns_study_status(const ns_study *);          /* [R, P] NS_STUDY_... */
NS_API const char *ns_study_layer_kind(const ns_study *, int64_t run, int64_t layer);         /* "full", "swa", "recurrent"; "" = no such layer */
NS_API bool    ns_study_head_valid(const ns_study *, int64_t run, int64_t layer, int64_t head);
NS_API int64_t ns_study_head_window(const ns_study *, int64_t run, int64_t layer, int64_t head);   /* 0 = all keys */

/* Borrowed, read on first use; NaN where a checkpoint is missing or has no such head. NS_E_ARG names what the study has instead. */
NS_API NS_MUST_CHECK int ns_study_score(ns_study *, const char *name, const float **out, ns_error *);     /* [R, P, L, H] */
NS_API NS_MUST_CHECK int ns_study_series(ns_study *, const char *name, const float **out, ns_error *);    /* [R, P]: accuracy, loss, recall_in_window ... */
NS_API bool ns_study_has(const ns_study *, const char *name);
/* Per case: an output as out[C, L, H]; a value of the cases as out[C]. */
NS_API NS_MUST_CHECK int ns_study_counts(const ns_study *, const char *name, int64_t run, int64_t step, float *out, ns_error *);
/* A coordinate of the cases (n_tokens, depth ...) as out[C]. */
NS_API NS_MUST_CHECK int ns_study_case_numbers(const ns_study *, const char *name, float *out, ns_error *);
NS_API NS_MUST_CHECK int ns_study_case_series(const ns_study *, const char *name, int64_t run, int64_t step, float *out, ns_error *);

NS_END
#endif
