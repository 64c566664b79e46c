/* backward.h - gradients by activations: the pass of a session walked back, by the same classes that ran it.
 *
 *     J = sum over seeds of <values, activation at the seed's point and rows>;   hooks read dJ / d(activation) at theirs
 *
 * as torch.autograd.grad(J, activation) gives it: whatever follows from the activation moves with it, softmax, norms and windows too. A
 * seed of one 1 at hook_logits gives the derivative of that logit. Of the last layers what the way back looks at is kept, as far as the
 * model's memory (ns_model_params) goes; of each layer before them its input (tokens x d_model numbers), and it runs again on its way back.
 * Same bits for any threads, CPU, --memory and pass. */
#ifndef NEEDLESCOPE_BACKWARD_H
#define NEEDLESCOPE_BACKWARD_H

#include <needlescope/model.h>

NS_BEGIN

typedef struct ns_seed {
    size_t       size;               /* sizeof(ns_seed) */
    const char  *at;                 /* the point's name: "blocks.3.hook_resid_post", "hook_logits" */
    /* Rows row0 .. row0 + n_rows - 1; numbers a row, heads one behind the other. Of hook_pattern and hook_attn_scores: of each head as many
     * as the session has tokens; those of masked keys count for nothing. */
    int64_t      row0, n_rows, width;
    const float *values;             /* [n_rows, width] */
} ns_seed;

/* What passes over several sessions, one after the other, share: room, and the turned weights as far as memory goes. Not for two threads at
 * once; the model must outlive it. */
typedef struct ns_walker ns_walker;
NS_API NS_MUST_CHECK int ns_walker_new(ns_walker **out, const ns_model *, ns_error *);
NS_API void ns_walker_free(ns_walker *);

typedef struct ns_backward_params {
    size_t size;
    bool (*cancelled)(void *user);   /* asked before each layer: true ends the pass with NS_STOP; or NULL */
    void  *user;
    ns_walker *walker;               /* NULL: one of this call's own */
    const float *stream;             /* [tokens, d_model] what enters the first layer, in place of what the tokens give; NULL: that */
} ns_backward_params;

/* The session is a new one with its tokens appended, not a fork; it is spent. wanted: hooks that read; they are called as ns_forward calls
 * them, with gradients for activations, the deepest layer first; of the keys of hook_pattern and hook_attn_scores in blocks of 16 rows, 0
 * where a key is masked. A recurrence's hook_pattern has the gradient by the W of z = W v, whatever made W.
 * NS_E_ARG: a seed or a hook at hook_result, hook_experts or hook_ssm_state (what goes through them is not walked back by itself), a seed
 * at a recurrence's hook_pattern (hook_z takes it), a row or width that is not there, an edit, a hook whose points all lie behind the
 * seeds: a seed depends on nothing behind it, and hooks are not called there. NS_E_NUMERIC: NaN or Inf in params->stream.
 * NS_E_UNSUPPORTED: a class of branches without a way back, by its name. params may be NULL. */
NS_API NS_MUST_CHECK int ns_backward(const ns_model *, ns_session *, const ns_seed *seeds, int64_t n_seeds, const ns_hooks *wanted,
                                     const ns_backward_params *params, ns_error *);

/* What to seed for a sum of logits: d(sum of weights * logits of a row) / d(what the head is given at that row, normalised), which is the
 * same for every row and needs no product of the vocabulary's width. Before a soft-cap: where there is one, a weight is that logit's own
 * share, 1 - (logit / cap)^2. */
typedef struct ns_logit_seed {
    const int32_t *tokens;  int64_t n;           /* NULL, 0: all of the vocabulary, once each */
    const float   *weights;                      /* [n]; NULL: 1 */
    float         *values;                       /* out: [d_model] */
    char           at[64];                       /* out: the point */
} ns_logit_seed;
NS_API NS_MUST_CHECK int ns_model_logit_seed(const ns_model *, ns_logit_seed *, ns_error *);

NS_END
#endif
