/* linear.h - inside of layer-wise probing: what the probe gathers, and what it learns from it. Internal. */
#ifndef NS_LINEAR_INTERNAL_H
#define NS_LINEAR_INTERNAL_H

#include <needlescope/linear.h>

#include "score.h"

enum {
    NS_LINEAR_CLASS, NS_LINEAR_BARE, NS_LINEAR_PROMPT, NS_LINEAR_DISTANCE, NS_LINEAR_FOLD, NS_LINEAR_SAID, NS_LINEAR_SHUFFLED,
    NS_LINEAR_ACCURACY, NS_LINEAR_LOW, NS_LINEAR_HIGH, NS_LINEAR_OF_SHUFFLED, NS_LINEAR_OF_BARE, NS_LINEAR_PLAIN,
    NS_LINEAR_WEIGHTS = NS_LINEAR_PLAIN, NS_LINEAR_INTERCEPTS, NS_LINEAR_MEAN, NS_LINEAR_SIZE, NS_LINEAR_OUTPUTS
};
extern const ns_output ns_linear_outputs[NS_LINEAR_OUTPUTS];       /* from NS_LINEAR_PLAIN on where weights are asked for */

/* One case: its row's activations, layer by layer; [L] of lists of width[L], NULL where the layer has no such point. */
typedef struct ns_linear_state { int64_t row, L; float **x; int64_t *width; } ns_linear_state;

/* With defaults filled in: those of the table's own probe, or of ns_linear_probe_new. */
ns_linear_params ns_linear_params_of(const ns_probe *);

/* ---- linear_classes.c ---- */
typedef struct ns_linear_classes {
    int64_t  n, K;
    int64_t *of;               /* [n] class of each case */
    bool    *bare;             /* [n] a twin without needle */
    int64_t *distance;         /* [n] of the needle; of a twin without needle what its line says; -1: none, or one that few cases have */
    int64_t *prompt;           /* [n] */
} ns_linear_classes;
/* NULL, or why the case has none. */
const char *ns_linear_rejects(const ns_linear_params *, const ns_case *, char reason[NS_REASON]);
/* NS_E_ARG for fewer than two classes, and for one with fewer prompts than `folds`. */
int  ns_linear_classes_find(ns_linear_classes *, const ns_case *const *cases, int64_t n, const ns_linear_params *, ns_error *);
void ns_linear_classes_free(ns_linear_classes *);

/* ---- linear_fit.c ---- */
int ns_linear_fit(const ns_fit *, ns_error *);

/* ---- linear_result.c ---- */
int ns_linear_at(const ns_scores *);               /* index of the probe in the run; -1: it is not among its probes */
typedef struct ns_linear_seen {
    int64_t C, L;
    const float *class_, *bare, *prompt;       /* [C] NaN: not of this probe */
    const float *said, *shuffled;              /* [C, L] */
    const float *distance;                     /* [C] NaN: none of its own */
} ns_linear_seen;
int ns_linear_reduce(const ns_linear_seen *, double distance, ns_linear_value *value, ns_error *);      /* value[L]; distance NaN: of all */

#endif
