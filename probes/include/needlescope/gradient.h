/* gradient.h - influence by distance: how strongly the end of a text hangs on each token before it.
 *
 *     score of a token = |d target / d E|_2,   E what the token's embedding gives (hook_embed), distance 0 = the last token
 * target: of the logits averaged over the text's last rows, the sum over the vocabulary, or the largest. Means over texts, each cut at a
 * length; beside them the same of each text with its tokens shuffled (all but the first), and the norm relative to the mean beyond the
 * window. A gradient says what a small change would do, not what the model uses: the shuffled text says how much of the curve is of the
 * architecture alone.
 *
 * C texts (by id), N distances, B bins of them: 1 wide at first, then four an octave. */
#ifndef NEEDLESCOPE_GRADIENT_H
#define NEEDLESCOPE_GRADIENT_H

#include <needlescope/answer.h>
#include <needlescope/model.h>
#include <needlescope/provenance.h>
#include <needlescope/record.h>

NS_BEGIN

typedef enum ns_gradient_target { NS_TARGET_LOGIT_SUM, NS_TARGET_LOGIT_MAX } ns_gradient_target;
NS_API const char *ns_gradient_target_name(ns_gradient_target);          /* "logit_sum", "logit_max" */

typedef struct ns_gradient_params {
    size_t             size;
    ns_gradient_target target;
    int64_t            last;                 /* rows that are averaged; 0 = 20 */
    int64_t            length;               /* tokens of a text; 0 = 8192 */
    int64_t            window;               /* beyond which the mean is taken; 0 = the model's widest sliding window, and none where it
                                              * has none; -1 = none */
    bool               no_baseline;          /* leave the shuffled texts out: half the work */
    int                resamples;            /* of texts, for the intervals; 0 = 1000 */
    uint64_t           seed;                 /* of shuffles and resamples */
    void             (*progress)(void *user, double fraction);
    bool             (*cancelled)(void *user);
    void              *user;
} ns_gradient_params;

/* 95 % by percentiles over resampled texts, expanded (Hesterberg 2015); NaN of fewer than NS_INTERVAL_FEWEST (probe.h) that reach there. */
typedef struct ns_gradient_value { double value, low, high; } ns_gradient_value;

typedef struct ns_gradient_curve {           /* of the texts, or of the shuffled ones */
    float   *norm;                           /* [C, N]; NaN beyond the text */
    double  *sum, *mean;                     /* [N] over the texts that are as long */
    double  *relative;                       /* [N] mean / beyond; NULL without a window */
    ns_gradient_value *binned, *binned_relative;      /* [B] mean of all cells of the bin; the second NULL without a window */
    ns_gradient_value beyond, ratio;         /* mean of all cells at distances >= window; mean of those before, over that */
} ns_gradient_curve;

typedef struct ns_gradient {
    ns_gradient_target target;
    int64_t   last, length, window, C, N, B;          /* window 0: none */
    int64_t  *windows, n_windows;                     /* the sliding windows that the model's heads have, ascending */
    bool      has_baseline;
    uint64_t  seed;
    char    **text_id;  int64_t *text_tokens;         /* [C] tokens that were taken */
    int64_t  *count;                                  /* [N] texts that are so long */
    int64_t  *bin;                                    /* [B + 1] first distance of each bin, and N */
    ns_gradient_curve text, shuffled;
    char      texts_sha256[65];
    ns_fact_list made_with;
} ns_gradient;

/* texts: their prompts' tokens. NS_E_ARG: a text is not longer than the rows that are averaged, or than the window; NS_E_UNSUPPORTED: a
 * class of branches without a way back. */
NS_API NS_MUST_CHECK int ns_gradient_of(ns_gradient **out, const ns_model *, const ns_cases *texts, const ns_gradient_params *, ns_error *);
NS_API void ns_gradient_free(ns_gradient *);
NS_API void ns_gradient_tell(const ns_gradient *, const ns_answer *);
/* gradient.h5; lib/record/schema.md. */
NS_API NS_MUST_CHECK int ns_gradient_write(const ns_gradient *, const char *path, const ns_provenance *by, ns_error *);

NS_END
#endif
