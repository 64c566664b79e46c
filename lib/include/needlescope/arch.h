/* arch.h - the declarative description of a model: layers -> stages -> branches (plain data, no weights).
 *
 *     x <- base + sum over branches b of  out_scale_b * out_norm_b( branch_b( in_scale_b * in_norm_b(x) ) )
 *     base = x, or alpha * in_norm_0(x) (minimax)
 *
 * One executor covers pre-norm (llama), post-norm (olmo2), sandwich (gemma2) and parallel (gpt_neox, cohere2) blocks.
 * A family table maps config.json to it; it can be written as JSON, edited, and read back. */
#ifndef NEEDLESCOPE_ARCH_H
#define NEEDLESCOPE_ARCH_H

#include <needlescope/error.h>
#include <needlescope/checkpoint.h>
#include <needlescope/head.h>

NS_BEGIN

/* A weight, as rows of a tensor of the checkpoint. The wanted matrix is W[n_out, n_in] (y = W x); output row o lies in the
 * source at row  start + (o / group) * stride + o % group  (group = stride = n_out for a plain slice: fused QKV of phi3;
 * group = d, stride = 3 d for gpt_neox). `transposed` sources are [n_in, n_total] (gpt2's Conv1D). A weight that each of E experts
 * has: `name` has {} where the number of an expert stands, or names one tensor [E, ...] of all. A list in braces, "a.{q,k,v}.b", joins
 * tensors by rows: start counts from the first row of the first of them. */
typedef struct ns_tref {
    char   *name;              /* full tensor name; NULL = absent */
    int64_t start, group, stride;
    bool    transposed;
    int64_t n_out, n_in;       /* n_in = 1 also for vectors (biases, norm gains), which are stored as [n_out] */
} ns_tref;

/* L2: x / sqrt(sum of squares + eps), without weights. */
typedef enum ns_norm_type { NS_NORM_NONE, NS_NORM_RMS, NS_NORM_LAYER, NS_NORM_L2 } ns_norm_type;
typedef struct ns_norm {
    ns_norm_type type;
    float        eps;
    float        offset;       /* the gain is offset + weight (gemma: 1) */
    ns_tref      weight, bias; /* absent weight = gain 1 (olmo) */
} ns_norm;

typedef enum ns_rope_layout { NS_ROPE_HALF, NS_ROPE_INTERLEAVED } ns_rope_layout;
typedef enum ns_rope_scaling { NS_ROPE_DEFAULT, NS_ROPE_LINEAR, NS_ROPE_DYNAMIC, NS_ROPE_LLAMA3, NS_ROPE_YARN,
                              NS_ROPE_LONGROPE } ns_rope_scaling;
typedef struct ns_rope {
    double          theta;
    int64_t         rotary_dim;                  /* first dims of the head that rotate */
    ns_rope_layout  layout;
    ns_rope_scaling scaling;
    double          factor, low_freq_factor, high_freq_factor, beta_fast, beta_slow, mscale, mscale_all_dim;
    double          attention_factor;            /* multiplies cos and sin; 0 = derived */
    bool            truncate;                    /* yarn: floor/ceil the correction range */
    int64_t         original_max_positions;
    double         *short_factor, *long_factor;  /* [rotary_dim / 2], longrope */
} ns_rope;

typedef enum ns_qk_norm { NS_QK_NONE, NS_QK_PER_HEAD, NS_QK_FULL } ns_qk_norm;   /* weights [d] or [H*d] / [G*d] */
typedef enum ns_act { NS_ACT_SILU, NS_ACT_GELU, NS_ACT_GELU_TANH, NS_ACT_RELU, NS_ACT_RELU2,
              NS_ACT_QUICK_GELU, NS_ACT_XIELU } ns_act;         /* quick gelu: x sigmoid(1.702 x); xIELU has parameters (Apertus) */

/* What q is multiplied by at position t, after rope: 1; 1 + beta ln(1 + floor((t + first) / length)) (llama4: first 1; ministral3: 0);
 * ln(t + length) / ln(length). */
typedef enum ns_temper_kind { NS_TEMPER_NONE, NS_TEMPER_STEPS, NS_TEMPER_LOG } ns_temper_kind;
typedef struct ns_temper { ns_temper_kind kind; float beta; int64_t length, first; } ns_temper;

/* What the parameters of every branch with heads begin with; softmax attention and recurrences add their own behind it. */
typedef struct ns_attn {
    int64_t    n_heads, n_kv_heads, head_dim;    /* H, G, d */
    float      scale;                            /* q.k is multiplied by it */
    ns_tref    q, k, v, o, q_bias, k_bias, v_bias, o_bias;
    ns_qk_norm qk_norm;
    ns_norm    q_norm, k_norm;                   /* before rope, or after it (llama4) */
    bool       norm_after_rope, clip_after_norm; /* clip_after_norm: of q and k, as OLMoE has it */
    float      clip_qkv;                         /* 0 = none */
    float      k_scale;                          /* k is multiplied by it (falcon_h1); 0 = not */
    ns_temper  temper;
    float      softcap;                          /* of the scores, before the mask; 0 = none */
    ns_tref    sinks;                            /* [H] a logit a head that no key has (gpt_oss): rows sum to less than 1; or absent */
    int        rope;                             /* index into ns_arch.ropes; -1 = NoPE */
    int64_t    window;                           /* keys visible to a row, itself included; 0 = all (full attention) */
    int64_t   *head_window;                      /* [H] where heads differ (0 = all), or NULL */
    int64_t    chunk;                            /* a row sees the keys of its own run of so many positions (llama4); 0 = no runs */
    int64_t    cut, kept;                        /* ns_arch_constrain's, no part of the model: of those keys a row sees its last `cut` (0 =
                                                  * all) and those of the first `kept` positions */
} ns_attn;

typedef struct ns_ffn {
    int64_t d_ff;                                /* F */
    ns_act  act;
    float   gate_factor;                         /* gate x is multiplied by it (falcon_h1); 0 = not */
    ns_tref gate, up, down, gate_bias, up_bias, down_bias;   /* no gate: down(act(up x)); else down(act(gate x) * up x) */
    ns_tref alpha_p, alpha_n, beta, eps;         /* [1] each, of xIELU */
} ns_ffn;

/* What a branch computes is its class: softmax attention, a recurrence, an MLP. ns_arch_attn and ns_arch_ffn give what is asked of it. */
typedef struct ns_branch_class ns_branch_class;
typedef struct ns_branch {
    const ns_branch_class *class_;
    void                  *params;               /* as the class has them; of the arch, freed with it */
    ns_norm                in_norm, out_norm;
    bool                   shares_norm;          /* uses the first branch's normed input (cohere2) */
    float                  in_scale, out_scale;  /* 1 unless the family scales its branches */
} ns_branch;

/* normed_scale != 0: the stage starts from normed_scale * (normed input of branch 0) instead of from x (minimax).
 * points_of: the branch that is asked first for points: of two mixers side by side it has the heads. */
typedef struct ns_stage { ns_branch branches[2]; int n_branches; float normed_scale; int points_of; } ns_stage;
typedef enum ns_layer_kind { NS_LAYER_FULL, NS_LAYER_SWA, NS_LAYER_RECURRENT, NS_LAYER_MLP } ns_layer_kind;     /* MLP: no more */
typedef struct ns_layer { ns_stage stages[2]; int n_stages; } ns_layer;

typedef struct ns_arch {
    char     family[32];                         /* model_type */
    int64_t  n_layers, d_model, vocab, max_positions;   /* L D V; max_positions 0 = unlimited */
    ns_tref  embed, positions;                   /* [V, D]; learned positions [n, D] or absent */
    int64_t  position_offset;
    float    embed_scale;                        /* 1 unless gemma */
    ns_rope *ropes;
    int      n_ropes;
    ns_layer *layers;                            /* [L] */
    ns_norm  final_norm;
    ns_tref  head, head_bias;                    /* head.name == embed.name when tied */
    float    logit_scale, logit_softcap;         /* 1 and 0 unless the family says otherwise */
    char   **ignored;                            /* tensor-name globs: known buffers, towers and projectors of a wrapper */
    int      n_ignored;
    char    *described;                          /* the file that was read as a description, for messages; NULL: config.json was */
} ns_arch;

typedef struct ns_arch_params {
    size_t      size;
    const char *names_path;    /* JSON {"glob or name in the description": "name in the file"} ; * carries over; or NULL */
    const char *olmo3_rope;    /* "full-layers" (default: transformers 4.57) or "all-layers" (5.x) */
    void      (*warn)(void *user, const char *line);   /* told of unknown config keys that cannot change the result; may be NULL */
    void       *user;
} ns_arch_params;

/* From a checkpoint's config.json. An unknown family, or a key that would change the result, is NS_E_UNSUPPORTED. */
NS_API NS_MUST_CHECK int ns_arch_from_checkpoint(ns_arch **out, const ns_checkpoint *, const ns_arch_params *, ns_error *);
NS_API NS_MUST_CHECK int ns_arch_from_config(ns_arch **out, const char *json, size_t n, const char *label, const ns_arch_params *,
                                             ns_error *);
/* The description as JSON and back. ns_arch_to_json gives a malloc'd string. */
NS_API NS_MUST_CHECK int ns_arch_to_json(const ns_arch *, char **out, ns_error *);
NS_API NS_MUST_CHECK int ns_arch_from_json(ns_arch **out, const char *json, size_t n, const char *label, const ns_arch_params *,
                                           ns_error *);
/* Every tref resolves with the right shape; every tensor of the file is consumed or ignored. */
NS_API NS_MUST_CHECK int ns_arch_check(const ns_arch *, const ns_checkpoint *, ns_error *);
/* Do both compute the same from tensors of the same sizes, whatever these are called and of whatever they are parts? If not, where [n] gets
 * the first thing that differs and both its values ("layer 2: mlp.gate is none here and a tensor there"). */
NS_API bool ns_arch_same(const ns_arch *here, const ns_arch *there, char *where, size_t n);
/* A description as a class of another program has it, which computes the same: the text of its config.json, and the description by its
 * names. What loads it: "transformers" or "flash-linear-attention". Both are freed by ns_layout_clear, which takes an empty one. */
typedef struct ns_layout {
    const char *type, *of;     /* model_type */
    char       *config;
    ns_arch    *arch;
} ns_layout;
/* type: of that class; NULL: of the first that holds the model. config stays NULL (NS_OK) where none does, and why [n] gets what kept the
 * model out of the class that has its layers. */
NS_API NS_MUST_CHECK int ns_layout_find(ns_layout *out, const ns_arch *, const char *type, char *why, size_t n, ns_error *);
NS_API void ns_layout_clear(ns_layout *);
NS_API bool ns_arch_ignores(const ns_arch *, const char *tensor);   /* a buffer, or a part of a wrapper that text does not use */
NS_API void ns_arch_free(ns_arch *);

/* The heads of a layer, of attention or of a recurrence, and its MLP; borrowed, NULL where it has none. */
NS_API const ns_attn *ns_arch_attn(const ns_arch *, int64_t layer);
NS_API const ns_ffn  *ns_arch_ffn(const ns_arch *, int64_t layer);
/* What hook_pattern of a layer's heads shows: weights that sum to 1; or how a recurrence weighs the values, signed and not normalised. */
typedef enum ns_row_kind { NS_ROW_SOFTMAX, NS_ROW_UNROLLED } ns_row_kind;
NS_API ns_row_kind    ns_arch_row_kind(const ns_arch *, int64_t layer);
NS_API ns_layer_kind  ns_arch_layer_kind(const ns_arch *, int64_t layer);
NS_API const char    *ns_layer_kind_name(ns_layer_kind);            /* "full", "swa", "recurrent", "mlp" */
/* The heads of all layers of a kind, by layer and head, into out (room for n_layers x ns_arch_max_heads; NULL: none); returns how many. */
NS_API int64_t        ns_arch_heads_of(const ns_arch *, ns_layer_kind, ns_head *out);
/* A layer in words: "full", "swa 128"; "swa" where its heads' windows differ. */
NS_API void ns_arch_layer_label(const ns_arch *, int64_t layer, char *out, size_t n);
/* The base of a layer's rotation: 0 = it does not rotate (NoPE), NaN = it has no heads. Its scaling in words: "yarn 8", "linear 4"; "" =
 * none. */
NS_API double  ns_arch_rope_theta(const ns_arch *, int64_t layer);
NS_API void    ns_arch_scaling_label(const ns_arch *, int64_t layer, char *out, size_t n);
/* The branches of a layer that mix rows: attention, recurrences. */
NS_API int     ns_arch_mixers(const ns_arch *, int64_t layer);
NS_API int64_t ns_arch_max_heads(const ns_arch *);                  /* max over layers of H */
NS_API int64_t ns_arch_max_head_dim(const ns_arch *);               /* max over layers of d */
/* The length of an axis of the points at a layer (-1: outside the blocks), by its name in ns_point_axes: "head", "d_ff", "expert"; of two
 * mixers side by side the larger (ns_point_axis: that of a point); 0: no point has it there, or it is of rows and keys. */
NS_API int64_t ns_arch_axis(const ns_arch *, int64_t layer, const char *axis);
/* How many keys a row of head h sees at most: 0 = all before it. */
NS_API int64_t ns_attn_window(const ns_attn *, int64_t head);
/* The first key that a row (a position) of head h sees; and all of them: [first, gap) and [after, row]. No gap: gap and after are first. */
NS_API int64_t ns_attn_first_key(const ns_attn *, int64_t head, int64_t row);
typedef struct ns_seen_keys { int64_t first, gap, after; } ns_seen_keys;
NS_API ns_seen_keys ns_attn_seen_keys(const ns_attn *, int64_t head, int64_t row);
/* In layers of two mixers side by side the heads, and all points of heads, are the attention's; with "recurrence" they are the recurrence's
 * ("attention" undoes it). NS_E_ARG, with nothing changed: another word, or no layer has two. */
NS_API NS_MUST_CHECK int ns_arch_show_heads(ns_arch *, const char *mixer, ns_error *);
/* Constraints on what rows see (the masks; weights, positions and everything said of the model stay): each word is W, W+S behind
 * "KIND=" (full, swa, recurrent: all layers of the kind) or behind "LAYERS=" (2, 0-3; layers before the last in words of their own: "0",
 * "3", "5=512+4"). A row sees its last W keys, itself included, and those of the first S positions, as far as the model's own mask shows
 * them. Of a recurrence: of its unrolled rows all other weights are dropped, and what it gives is the row times v. NS_E_ARG, and nothing
 * changed: what is no constraint, a kind that no layer has, a layer twice, one that has no mask. warn (or NULL) is told of layers where
 * another mixer stands beside, which stays as it is. */
NS_API NS_MUST_CHECK int ns_arch_constrain(ns_arch *, const char *const *words, int64_t n, void (*warn)(void *user, const char *line),
                                           void *user, ns_error *);
/* What they came to, by layers: "5,11=512+4,0,1=64", which is read as they are; malloc'd, "" where there are none. */
NS_API NS_MUST_CHECK int ns_arch_constraints(const ns_arch *, char **out, ns_error *);
/* inv_freq[rotary_dim/2] in f32 as transformers computes them, and the factor on cos and sin, for a sequence of n positions. */
NS_API NS_MUST_CHECK int ns_rope_frequencies(const ns_rope *, int64_t max_positions, int64_t n, float *inv_freq, float *attention_factor,
                                             ns_error *);

NS_END
#endif
