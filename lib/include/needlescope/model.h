/* model.h - immutable packed weights (model), one sequence's timeline (session), and the pass over a batch of sessions.
 *
 * The rule everything here keeps: an output element depends only on its own row, its own column and the inner size. So hooks,
 * batching, forking, threads, waves and the CPU's vector width never change a bit.
 *
 * fork(): a child may use and free the models of its parent, whether or not a pass is under way in another thread, and in a hook; it starts
 * threads of its own with its first pass. A session that another thread was running, and files that were open for writing (recorders, table
 * writers: HDF5's buffers are copied), belong to the parent alone. */
#ifndef NEEDLESCOPE_MODEL_H
#define NEEDLESCOPE_MODEL_H

#include <needlescope/hooks.h>

NS_BEGIN

typedef struct ns_engine ns_engine;      /* threads + selected kernels; shared by models, not a global */
typedef struct ns_engine_params {
    size_t      size;
    int         threads;                 /* 0 = one per CPU that this process may use (machine.h) */
    const char *cpu;                     /* cap the kernels: "scalar", "avx2", "avx512"; NULL = best */
} ns_engine_params;
NS_API NS_MUST_CHECK int ns_engine_new(ns_engine **out, const ns_engine_params *, ns_error *);
NS_API void ns_engine_free(ns_engine *);
NS_API const char *ns_engine_cpu(const ns_engine *);            /* name of the kernels in use: "avx512" */
NS_API const char *ns_engine_kernel_class(const ns_engine *);   /* results of one class are equal bit for bit: "invariant-1" or
                                                                 * "openblas-NAME" */
NS_API int ns_engine_threads(const ns_engine *);

typedef struct ns_model ns_model;
typedef struct ns_model_params {
    size_t  size;
    int64_t memory;                      /* bytes for weights and activations; 0 = half of what this process may use (machine.h). Less than
                                          * the packed weights: they stream through, once per wave */
    bool    hash;                        /* take the SHA-256 of every tensor while packing */
    const char *name, *tokenizer;        /* what files say of it: its name, and the tokenizer.json whose hash they give; NULL = the
                                          * checkpoint's folder, and its own */
    const char *arch_path, *names_path;  /* the files that described it, where config.json did not; or NULL */
    bool  (*cancelled)(void *user);      /* asked in the caller's thread while weights are hashed and packed: true = NS_STOP; may be NULL */
    void   *user;
} ns_model_params;

/* Reads, checks and packs the weights. The checkpoint and the arch must outlive the model; the engine too. */
NS_API NS_MUST_CHECK int ns_model_load(ns_model **out, ns_engine *, const ns_checkpoint *, const ns_arch *, const ns_model_params *,
                                       ns_error *);
NS_API void ns_model_free(ns_model *);
NS_API const ns_arch *ns_model_arch(const ns_model *);
NS_API ns_engine *ns_model_engine(const ns_model *);
NS_API const ns_checkpoint *ns_model_checkpoint(const ns_model *);
NS_API const char *ns_model_name(const ns_model *);
/* Path of the tokenizer.json that goes with it; NULL where there is none. */
NS_API const char *ns_model_tokenizer_path(const ns_model *);
NS_API const char *ns_model_arch_path(const ns_model *);         /* as ns_model_params gave them */
NS_API const char *ns_model_names_path(const ns_model *);
/* 64 hex digits over all weights (hash = true and all layers packed at least once), else NULL. */
NS_API const char *ns_model_weights_sha256(const ns_model *);
/* The same of weights that are no model yet: every tensor is read once. */
NS_API NS_MUST_CHECK int ns_checkpoint_weights_sha256(const ns_checkpoint *, ns_engine *, char hex[65], ns_error *);

/* The cost of a pass, computed before it runs; weights are kept as the checkpoint stores them, in 16 bits or in f32. */
typedef struct ns_cost { int64_t weight_bytes, activation_bytes, kv_bytes, waves; double flops; bool streamed; } ns_cost;
NS_API NS_MUST_CHECK int ns_model_cost(const ns_arch *, const ns_checkpoint *, int64_t memory, const int64_t *lengths, int64_t n,
                                       ns_cost *out, ns_error *);

typedef struct ns_session ns_session;
typedef struct ns_session_params {
    size_t  size;
    int64_t final_length;                /* longrope and dynamic choose their frequencies by it; 0 = by the length of each pass, as
                                          * transformers generates */
    bool    decode;                      /* keep keys and values after the pass, to go on with more tokens */
} ns_session_params;
NS_API NS_MUST_CHECK int ns_session_new(ns_session **out, const ns_model *, const ns_session_params *, ns_error *);
NS_API void ns_session_free(ns_session *);
/* Tokens to be fed by the next pass. Ids beyond the vocabulary and positions beyond the model's are errors. */
NS_API NS_MUST_CHECK int ns_session_append(ns_session *, const int32_t *tokens, int64_t n, ns_error *);
/* A child that shares the parent's first `at` tokens: computed once, in the parent. Both go into the same call of ns_forward,
 * parent first, and the parent outlives the child; or the parent ran and kept its keys and values (decode = true): then the child has its
 * own share of them, and the parent may go. */
NS_API NS_MUST_CHECK int ns_session_fork(ns_session **out, ns_session *parent, int64_t at, ns_error *);
/* For interventions that leave the first layers alone: below `layer` nothing of s is computed or delivered, and there its rows are taken
 * over from the leader, which holds the same tokens (and forks at the same place, if it does), comes before it in the same call of
 * ns_forward and must outlive that. Neither keeps keys and values, the leader follows nobody, nobody forks from s. Layer 0: s is computed
 * as ever. */
NS_API NS_MUST_CHECK int ns_session_follow(ns_session *s, ns_session *leader, int64_t layer, ns_error *err);
/* The case(s) this timeline serves: rows are resolved and delivered for each of them. A parent that only carries a shared
 * prefix serves all cases of its children. The case must outlive the session. */
NS_API NS_MUST_CHECK int ns_session_add_case(ns_session *, const ns_case *, int64_t case_index, ns_error *);
/* Timelines may share a prefix only where their rope frequencies agree: equal class = equal frequencies (longrope and dynamic
 * choose them by the final length; 0 for everything else). */
NS_API int64_t ns_arch_rope_class(const ns_arch *, int64_t final_length);
NS_API int64_t ns_session_length(const ns_session *);                     /* positions computed + pending */
/* Rows that its passes ran, each as often as it ran; what a parent computed is the parent's. */
NS_API int64_t ns_session_rows_run(const ns_session *);
/* Rows that the sessions of one wave may have within the model's memory; 0: not one. */
NS_API int64_t ns_model_wave_rows(const ns_model *);
/* Drops positions >= n (a rejected draft). Only with decode = true. */
NS_API NS_MUST_CHECK int ns_session_truncate(ns_session *, int64_t n, ns_error *);
/* Logits [V] and argmax of the last row, after a pass with logits = true; borrowed until the next pass. */
NS_API const float *ns_session_logits(const ns_session *);
NS_API int32_t ns_session_argmax(const ns_session *);

typedef struct ns_forward_params {
    size_t size;
    bool   no_logits;                    /* do not compute the last row's logits of every session */
    bool (*cancelled)(void *user);       /* asked between layers; true = stop with NS_STOP */
    void  (*progress)(void *user, double fraction);
    void  *user;
} ns_forward_params;

/* Runs all pending tokens of the sessions, layer by layer; parents before their children in the list. Stops after the deepest
 * wanted point when no logits are wanted. Returns NS_OK, NS_STOP (a callback or `cancelled` said so), or an error: the sessions
 * are then unusable but for ns_session_free. NS_E_NUMERIC names layer and point of the first non-finite activation. */
NS_API NS_MUST_CHECK int ns_forward(const ns_model *, ns_session *const *sessions, int64_t n, const ns_hooks *, const ns_forward_params *,
                                    ns_error *);

/* Greedy continuation of one session (decode = true) whose pending or computed tokens end the prompt: up to n tokens into out, stops
 * after a token in stop[]. With `gold` (n_gold tokens) the gold answer is verified in one pass and greedy decoding starts
 * at the first disagreement: the tokens are exactly those of plain greedy decoding, and hooks see the rows that they would see there, those
 * of all gold tokens that agree before accepted is called for the first. accepted(pos, token) is called as each is settled. Where a hook
 * edits, no gold answer is verified.
 * NS_E_ARG before any pass: the last of n would lie beyond the model's positions.
 * The first tokens of n are the tokens of fewer, whatever the rope (unless the session was opened with a final_length). */
typedef struct ns_generate_params {
    size_t         size;
    const int32_t *stop;  int n_stop;
    const int32_t *gold;  int64_t n_gold;
    const ns_hooks *hooks;
    int          (*accepted)(void *user, int64_t position, int32_t token);
    void          *user;
} ns_generate_params;
NS_API NS_MUST_CHECK int ns_generate(const ns_model *, ns_session *, int64_t n, const ns_generate_params *, int32_t *out, int64_t *n_out,
                                     ns_error *);

/* ---- what heads write, with norms frozen ---- */
/* Inside a read of blocks.N.hook_attn_out, of a layer with heads. n vectors z[n, H, d] in the place of hook_z at `positions` of the call's
 * rows, each through all that lies behind z just as the pass did it at that very row: gate and norm of a recurrence, W_O, the norm behind
 * attention with the size it had, the branch's scale. All this is linear in z. out[n, H, D]: what each head adds to the residual stream.
 * z = NULL: of each position what its heads did write (a recurrence's skip from its own row included). NS_E_UNSUPPORTED: a LayerNorm
 * between z and W_O. */
NS_API NS_MUST_CHECK int ns_site_write(const ns_site *, const int64_t *positions, int64_t n, const float *z, float *out, ns_error *);
/* out[D]: what no head writes, the biases behind them. With what the heads did write it sums up to hook_attn_out. */
NS_API NS_MUST_CHECK int ns_site_write_rest(const ns_site *, int64_t position, float *out, ns_error *);
/* out[n, D] and constant[n]: the logit of each token, before soft-cap, is constant + out . x / ns_model_final_size(x) at a row that leaves
 * the last layer as x[D]: W_U with the gain of the final norm (and, of a LayerNorm, the mean's way out) and the scale of logits in it.
 * Linear in x with the size frozen: for a part c of x the part of the logit is out . c / size. */
NS_API NS_MUST_CHECK int ns_model_logit_directions(const ns_model *, const int32_t *tokens, int64_t n, float *out, double *constant,
                                                   ns_error *);
NS_API double ns_model_final_size(const ns_model *, const float *x);

/* ---- weights by themselves ---- */

typedef enum ns_head_part { NS_HEAD_Q, NS_HEAD_K, NS_HEAD_V } ns_head_part;
/* One query head's rows [d, D] of W_Q, or of its KV head's W_K or W_V, as the checkpoint has them, widened to f32; no norm gain in them. d
 * is ns_point_width of hook_q, hook_k or hook_v there: q and k of a recurrence have a width of their own, and heads that share them. */
NS_API NS_MUST_CHECK int ns_model_head_weight(const ns_model *, int64_t layer, int64_t head, ns_head_part, float *out, ns_error *);

/* A matrix or vector of the model by its role, of a layer or (EMBED to UNEMBED_BIAS, layer ignored) of the trunk. As the checkpoint has it
 * (no norm folded in, nothing centered), widened to f32, y = W x: shape {n_out, n_in}; vectors {n, 1}.
 *     EMBED [V, D]  POSITIONS [n, D]  UNEMBED [V, D]
 *     Q [H d, D]  K, V [G d, D]  O [D, H d]: of softmax attention and of recurrences with heads (Q, K: ns_point_heads, ns_point_width)
 *     GATE, UP [F, D]  DOWN [D, F]: of an MLP without experts */
typedef enum ns_weight_role {
    NS_WEIGHT_EMBED, NS_WEIGHT_POSITIONS, NS_WEIGHT_UNEMBED, NS_WEIGHT_UNEMBED_BIAS, NS_WEIGHT_Q, NS_WEIGHT_K, NS_WEIGHT_V, NS_WEIGHT_O,
    NS_WEIGHT_Q_BIAS, NS_WEIGHT_K_BIAS, NS_WEIGHT_V_BIAS, NS_WEIGHT_O_BIAS, NS_WEIGHT_GATE, NS_WEIGHT_UP, NS_WEIGHT_DOWN,
    NS_WEIGHT_GATE_BIAS, NS_WEIGHT_UP_BIAS, NS_WEIGHT_DOWN_BIAS, NS_WEIGHT_N_ROLES
} ns_weight_role;
/* NS_E_ARG: a layer that is not there. A weight that the model does not have: shape {0, 0}, no error. NS_E_UNSUPPORTED: of experts. */
NS_API NS_MUST_CHECK int ns_model_weight_shape(const ns_model *, int64_t layer, ns_weight_role, int64_t shape[2], ns_error *);
/* All of it into out [n_out, n_in]; NS_E_ARG: the model does not have it. */
NS_API NS_MUST_CHECK int ns_model_weight(const ns_model *, int64_t layer, ns_weight_role, float *out, ns_error *);

/* The d eigenvalues that are not 0 of every head's token-to-token circuit W_U N_f W_O W_V N_l W_E^T [V, V] (Elhage et al. 2021), N: the
 * gains of the final and of the layer's input norm, and for LayerNorm the subtraction of the mean. Biases, MLPs and the norms' division are
 * left out. Heads in (layer, head) order; LAPACK finds them, so the last bits depend on it: NS_E_UNSUPPORTED where OpenBLAS cannot be
 * loaded. Layers without attention are passed over. */
typedef int (*ns_eigenvalues_fn)(void *user, int64_t layer, int64_t head, int64_t d, const double *re, const double *im);
NS_API NS_MUST_CHECK int ns_model_ov_eigenvalues(const ns_model *, ns_eigenvalues_fn, void *user, ns_error *);

NS_END
#endif
