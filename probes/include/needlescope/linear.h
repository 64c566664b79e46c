/* linear.h - layer-wise probing: how well can a linear reader tell the answer from what one row holds at a layer?
 *
 * A case has a class: its answer, or a text or number of its meta. For each layer a logistic regression (all classes at once, L2,
 * intercepts free, in f64) learns the class from the activations of one row of each case, every feature standardised over the cases it
 * learns from. Cases are dealt into folds by a hash of their tokens, within classes and distances, prompts with their twins; each is
 * judged by a reader that learned from the other folds. Accuracy is balanced: the mean over the classes of the share that is told right;
 * chance is 1 / classes. Two controls, of the same making: labels shuffled within distances, and the prompts' twins without needle
 * (twin_of, no span needle_answer; cases needle --twins without), in which there is nothing to tell.
 *
 * L layers, K classes, N places: all cases, and where their needles lie at two distances or more each of these. */
#ifndef NEEDLESCOPE_LINEAR_H
#define NEEDLESCOPE_LINEAR_H

#include <needlescope/answer.h>
#include <needlescope/probe.h>
#include <needlescope/study.h>

NS_BEGIN

/* Zeros are the defaults, and those of the probe `linear_probe` by its name. */
typedef struct ns_linear_params {
    size_t      size;
    const char *at;              /* glob over points, one in each layer that has it; NULL = "blocks.*.hook_resid_post" */
    const char *rows;            /* NULL or "answer": the row that says the answer's first content token; "last": the prompt's last; else a
                                  * span: the row of its last token */
    const char *classes;         /* NULL = the answer; else a key of meta */
    double      c;               /* inverse strength of the penalty, as scikit-learn's C; 0 = .1 */
    int         folds;           /* 0 = 5 */
    int         shuffles;        /* draws of labels; 0 = 5, -1 = none */
    uint64_t    seed;            /* of folds and shuffles */
    bool        weights;         /* also what reads, learned from all cases: probe_weights and probe_intercepts of features standardised by
                                  * probe_mean and probe_size */
} ns_linear_params;
/* A probe for ns_score_params.definitions, called linear_probe; it refuses (NS_E_ARG, before the pass) a glob that matches two points of a
 * layer, fewer than two classes, and a class with fewer cases than folds. Free with ns_linear_probe_free, after the scores. */
NS_API NS_MUST_CHECK int ns_linear_probe_new(ns_probe **out, const ns_linear_params *, ns_error *);
NS_API void ns_linear_probe_free(ns_probe *);

typedef struct ns_linear_value { float accuracy, low, high, shuffled, without; } ns_linear_value;      /* NaN: there is none */
typedef struct ns_linear {
    int64_t  L, K, N;
    double   chance;                     /* 1 / K */
    double  *distance;                   /* [N] tokens; NaN: all cases */
    int64_t *cases, *bare;               /* [N] with needle; without */
    float   *said;                       /* [N] share of the cases with needle whose first content token is what the model says */
    ns_linear_value *value;              /* [N, L] low, high: 95 % of the test prompts (Wilson), not of what was learned from */
    int     *kind;  int64_t *window;     /* [L] as ns_study_layers */
} ns_linear;
/* NS_E_ARG where linear_probe was not among the probes. */
NS_API NS_MUST_CHECK int ns_linear_of_scores(ns_linear **out, const ns_scores *, ns_error *);
/* The same out of a file; step is an index. All NaN where the checkpoint is missing. */
NS_API NS_MUST_CHECK int ns_linear_of_study(ns_linear **out, const ns_study *, int64_t run, int64_t step, ns_error *);
NS_API void ns_linear_free(ns_linear *);
NS_API void ns_linear_tell(const ns_linear *, const ns_answer *);
/* probe.h5: a score file that also says what the probe was told (NULL: the defaults). */
NS_API NS_MUST_CHECK int ns_linear_write(const ns_scores *, const ns_linear_params *, const char *path, const ns_provenance *by,
                                         ns_error *);

NS_END
#endif
