/* train.h - trains hybrids, from letters or any description whose classes go back, to the same bits for any CPU and threads.
 *
 * tokens [B, T] -> loss, gradients -> clip -> Muon (hidden matrices) and AdamW (the rest) -> checkpoints that ns_model_load and, where a
 * class exists, transformers read. The forward pass gives the bits of ns_forward; nothing depends on the CPU, and a resumed run gives the
 * bits of one that was never interrupted. Runs side by side are processes. */
#ifndef NEEDLESCOPE_TRAIN_H
#define NEEDLESCOPE_TRAIN_H

#include <needlescope/arch.h>
#include <needlescope/error.h>
#include <needlescope/view.h>

NS_BEGIN

enum { NS_TRAIN_MAX_LAYERS = 64 };

typedef enum ns_train_mlp { NS_MLP_RELU, NS_MLP_SWIGLU } ns_train_mlp;        /* down(relu(up x)); down(silu(gate x) * up x) */
typedef enum ns_train_schedule { NS_LR_CONSTANT, NS_LR_COSINE, NS_LR_LINEAR } ns_train_schedule;
typedef enum ns_train_optimizer { NS_OPTIMIZER_MUON, NS_OPTIMIZER_ADAMW } ns_train_optimizer;

/* A model that is no pattern of letters. path: a description (arch.h's JSON) or a config.json, whose weights begin anew; or a checkpoint,
 * from whose weights training goes on. NS_E_MISSING, NS_E_FORMAT, NS_E_UNSUPPORTED: path and key are named. */
typedef struct ns_train_model ns_train_model;
NS_API NS_MUST_CHECK int ns_train_model_open(ns_train_model **out, const char *path, ns_error *);
NS_API void ns_train_model_free(ns_train_model *);
NS_API const ns_arch *ns_train_model_arch(const ns_train_model *);        /* borrowed */
NS_API int64_t ns_train_model_positions(const ns_train_model *);          /* at most in a sequence; INT32_MAX: no bound */

/* Model, optimiser and batch of one run. In JSON every field is a key of the same name (pattern, window, d_model, ...; mlp "relu" |
 * "swiglu", schedule "constant" | "cosine" | "linear", optimizer "muon" | "adamw"); an absent key has the default, an unknown key
 * is an error. The defaults are the recipe's: SSFS, W = 4, 138,816 parameters. */
typedef struct ns_train_config {
    size_t  size;
    /* One letter a layer: S window W, s window 4, F full attention; without rope, with H heads of q, k and v and a state of d x d a head,
     * recurrent ones: G decays by a constant of the head, M is Mamba-2, m the same with one q and k for all heads, D Gated DeltaNet, d
     * the same without its convolution, L GLA, l the same with its decay through 16 numbers */
    char    pattern[NS_TRAIN_MAX_LAYERS + 1];
    int64_t window;                             /* W: a row sees W positions, itself included */
    bool    nope;                               /* the full layers do not rotate */
    char    nope_layers[NS_TRAIN_MAX_LAYERS + 1];         /* one digit a layer, '1' = it does not rotate; "" = as `nope` says */
    int64_t d_model, heads, kv_heads, head_dim, d_ff;     /* D H G d F; kv_heads 0 = heads, head_dim 0 = D / H */
    ns_train_mlp mlp;
    bool    tied;                               /* the head is the embedding */
    double  rope_theta, rms_eps;
    int64_t vocab, max_positions;               /* V; longest sequence of any pass */
    double  init_embed, init_head, init_in, init_out;     /* sd; 0 of in: fan_in^-1/2, of out (W_O, down): (2 L fan_in)^-1/2 */
    int64_t batch, length;                      /* B, T: tokens of a step; T - 1 targets a sequence */
    int64_t steps, warmup;
    ns_train_schedule schedule;
    int64_t decay_steps;                        /* linear: the last so many steps; cosine: 0 = all after the warm-up */
    double  lr_end;                             /* fraction of the rate that cosine and linear end at */
    double  clip;                               /* global gradient norm; 0 = none */
    ns_train_optimizer optimizer;
    double  lr, beta1, beta2, adam_eps, weight_decay;     /* AdamW; no decay on gains. weight_decay is Muon's too */
    double  muon_lr, muon_momentum;             /* Nesterov; 5 Newton-Schulz steps; q, k and v apart; no shape factor */
    int64_t seed;
    char    model[65];                          /* 64 hex digits over a given model; pattern is then "". Set by ns_train_config_give */
} ns_train_config;

/* Does `window` mean anything to a pattern: has it a layer S, or H, half of whose heads has a window? */
NS_API bool ns_train_windowed(const char *pattern);
NS_API void ns_train_config_default(ns_train_config *);
/* Reads an object's text over the defaults and checks it; a key that changes nothing (window without a layer S, lr_end under a constant
 * rate) is NS_E_ARG, unless it has its default. label names the file in messages. */
NS_API NS_MUST_CHECK int ns_train_config_from_json(ns_train_config *out, const char *json, size_t n, const char *label, ns_error *);
/* The config trains this model instead of a pattern. A key of the pattern's shape that is not the default's would change nothing:
 * NS_E_ARG. */
NS_API NS_MUST_CHECK int ns_train_config_give(ns_train_config *, const ns_train_model *, const char *label, ns_error *);
/* All keys, defaults too, in a fixed order; malloc'd. Read back, it gives an equal config. */
NS_API NS_MUST_CHECK int ns_train_config_to_json(const ns_train_config *, char **out, ns_error *);
NS_API NS_MUST_CHECK int ns_train_config_check(const ns_train_config *, const char *label, ns_error *);
/* 64 hex digits over whatever decides the bits of a run: all keys, but steps under a constant rate. */
NS_API NS_MUST_CHECK int ns_train_config_sha256(const ns_train_config *, char hex[65], ns_error *);

typedef struct ns_trainer ns_trainer;
typedef struct ns_trainer_params {
    size_t      size;
    const char *cpu;                            /* cap the kernels: "scalar", "avx2", "avx512"; NULL = best. The bits are the same */
    int         threads;                        /* 0 = 1. The bits are the same */
    const ns_train_model *model;                /* that the config was given, borrowed; NULL: it has a pattern */
} ns_trainer_params;
/* Initialised by the config's seed; params may be NULL. */
NS_API NS_MUST_CHECK int ns_trainer_new(ns_trainer **out, const ns_train_config *, const ns_trainer_params *, ns_error *);
NS_API void ns_trainer_free(ns_trainer *);
NS_API const ns_train_config *ns_trainer_config(const ns_trainer *);
/* How its checkpoints are written: their model_type. *of: what loads them, "transformers", "flash-linear-attention" or "needlescope", which
 * loads all (NULL: whatever loads the given model). *why: what keeps a model of letters out of the class that has its layers, or NULL. */
NS_API const char *ns_trainer_layout(const ns_trainer *, const char **of, const char **why);
NS_API int64_t ns_trainer_steps_done(const ns_trainer *);        /* the next batch is the one of this number, from 0 */
NS_API int64_t ns_trainer_n_layers(const ns_trainer *);

/* What one step gave; the arrays are borrowed until the next call. */
typedef struct ns_train_result {
    int64_t       step;                         /* steps done, this one included */
    double        loss;                         /* mean cross-entropy in nats over all targets, before the update */
    double        lr;                           /* AdamW's rate in this step */
    double        grad_norm;                    /* over all parameters, before clipping */
    const double *grad_norm_layer;              /* [L] */
    const float  *target_loss;                  /* [B, T - 1] */
} ns_train_result;
/* One optimiser step on tokens [B, T]. NS_E_NUMERIC (a loss or gradient that is not finite: the message names step and layer) and every
 * other error leave the parameters as they were before the step. */
NS_API NS_MUST_CHECK int ns_trainer_step(ns_trainer *, const int32_t *tokens, ns_train_result *out, ns_error *);
/* The same without the update: gradients stay readable with ns_trainer_tensor. */
NS_API NS_MUST_CHECK int ns_trainer_gradient(ns_trainer *, const int32_t *tokens, ns_train_result *out, ns_error *);
/* Forward only, n sequences of T tokens (T <= max_positions): cross-entropy and whether argmax is right, per target; loss and right
 * [n, T - 1], each may be NULL. */
NS_API NS_MUST_CHECK int ns_trainer_losses(ns_trainer *, const int32_t *tokens, int64_t n, int64_t T, float *loss, uint8_t *right,
                                           ns_error *);
/* Logits [n, T, V] of n sequences. */
NS_API NS_MUST_CHECK int ns_trainer_logits(ns_trainer *, const int32_t *tokens, int64_t n, int64_t T, float *logits, ns_error *);

/* Parameters by the names they have in model.safetensors ("model.layers.0.self_attn.q_proj.weight"). */
typedef enum ns_trainer_array { NS_TRAIN_PARAMETER, NS_TRAIN_GRADIENT } ns_trainer_array;
NS_API int64_t ns_trainer_count(const ns_trainer *);
NS_API const char *ns_trainer_name(const ns_trainer *, int64_t i);
/* A view that may be written to until the next pass (ask again before another write); false for an unknown name. Gradients are those of the
 * last step or ns_trainer_gradient. */
NS_API bool ns_trainer_tensor(ns_trainer *, const char *name, ns_trainer_array, ns_view *out);

/* Writes RUN_DIR/stepNNNNNN (made if need be): config.json, model.safetensors and, with `state`, what ns_trainer_resume needs
 * (trainer.safetensors, trainer.json). Written aside, fsynced, renamed: the folder is whole or absent. path (may be NULL) gets its malloc'd
 * name. */
NS_API NS_MUST_CHECK int ns_trainer_save(const ns_trainer *, const char *run_dir, bool state, char **path, ns_error *);
/* The gradients of the last step or of ns_trainer_gradient as a safetensors file, by the names of model.safetensors. */
NS_API NS_MUST_CHECK int ns_trainer_save_gradients(const ns_trainer *, const char *path, ns_error *);
/* Goes on from a folder saved with state. Another config than the saved one (config may be NULL: take the saved) is NS_E_ARG, naming the
 * key. */
NS_API NS_MUST_CHECK int ns_trainer_resume(ns_trainer **out, const char *step_dir, const ns_train_config *config, const ns_trainer_params *,
                                           ns_error *);
/* The newest stepNNNNNN of a run folder that holds a state, malloc'd; *out = NULL when there is none (NS_OK). */
NS_API NS_MUST_CHECK int ns_trainer_find(char **out, const char *run_dir, ns_error *);

NS_END
#endif
