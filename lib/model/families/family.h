/* family.h - inside of lib/model/families: the table row of a family, the config reader, and the walk over an arch's weights.
 *
 * config.json --(config.c, config_rope.c, config_keys.c: defaults, ranges, unknown keys)--> ns_facts --(build.c)--> ns_arch
 * --(names.c)--> names of the file --(arch_check.c)--> agreed with the checkpoint. */
#ifndef NS_FAMILY_H
#define NS_FAMILY_H

#include <needlescope/arch.h>
#include "core/core.h"
#include "model/branch/branch.h"

enum { NS_MAX_LAYERS = 4096, NS_MAX_JSON = 64 << 20, NS_MAX_JSON_DEPTH = 32 };

/* ---- the row of a family ---- */
typedef enum ns_block { NS_BLOCK_PRE, NS_BLOCK_POST, NS_BLOCK_SANDWICH, NS_BLOCK_PARALLEL, NS_BLOCK_PARALLEL_SHARED } ns_block;
/* KEY: attention_bias | mlp_bias, with its default */
typedef enum ns_bias { NS_BIAS_NONE, NS_BIAS_QKV, NS_BIAS_KEY_FALSE, NS_BIAS_KEY_TRUE, NS_BIAS_ALWAYS } ns_bias;
/* qkv rows: q | k | v; or (q k v) inside each head. GATED: the rows of q are (q gate) inside each head */
typedef enum ns_fuse { NS_FUSE_NONE, NS_FUSE_CONCAT, NS_FUSE_PER_HEAD, NS_FUSE_GATED } ns_fuse;

/* Which layers slide, when layer_types does not say. */
typedef enum ns_window_rule {
    NS_WINDOW_NONE,
    NS_WINDOW_ALL,          /* every layer, when sliding_window is not null */
    NS_WINDOW_SWITCHED,     /* every layer, when use_sliding_window */
    NS_WINDOW_ABOVE,        /* layers >= max_window_layers, when use_sliding_window */
    NS_WINDOW_PATTERN,      /* all but every n-th (sliding_window_pattern) */
    NS_WINDOW_NOPE,         /* the NoPE layers, when use_sliding_window */
    NS_WINDOW_CHUNKS,       /* the layers that rotate see runs of attention_chunk_size positions (llama4) */
} ns_window_rule;
/* Which layers rotate, and by which frequencies. */
typedef enum ns_rope_rule {
    NS_ROPES_NONE,          /* learned positions */
    NS_ROPES_ALL,
    NS_ROPES_SLIDING,       /* full layers are NoPE */
    NS_ROPES_HYBRID,        /* full layers are NoPE where sliding_window is set */
    NS_ROPES_LIST,          /* no_rope_layers: 1 = rotate (the key says the opposite of its name) */
    NS_ROPES_LOCAL,         /* sliding layers by rope_local_base_freq, unscaled */
    NS_ROPES_NAMED,         /* all where position_embedding_type is "rope", else none */
    NS_ROPES_READ,          /* those that the mixer's read says */
    NS_ROPES_STATED,        /* all where the config says a rope_theta, else none */
    NS_ROPES_UNSCALED,      /* sliding layers with the same theta, unscaled (olmo3) */
} ns_rope_rule;

/* Keys that multiply the embedding, what a branch adds, q.k and the logits. */
typedef enum ns_multipliers {
    NS_MULTIPLIERS_NONE,
    NS_MULTIPLIERS_GRANITE, /* embedding_multiplier, residual_multiplier, attention_multiplier (in place of d^-1/2), 1 / logits_scaling */
    NS_MULTIPLIERS_MINICPM, /* scale_emb, scale_depth / sqrt(layers), -, dim_model_base / hidden_size */
} ns_multipliers;

/* Tensor names: trunk names follow the prefix, layer names "<prefix><layers>N.". NULL = the family has no such weight. */
typedef struct ns_names {
    const char *prefixes[3];          /* first that holds the embedding, alone or in a wrapper; the first one without a checkpoint */
    const char *embed, *positions, *final_norm, *layers;
    const char *head;                 /* without the prefix */
    const char *attn_in_norm, *attn_out_norm, *ffn_in_norm, *ffn_out_norm;
    const char *q, *k, *v, *o, *qkv, *q_norm, *k_norm;
    const char *sinks;                /* in full */
    const char *z_gate;               /* of the output of softmax attention; a matrix of its own, which facts.attn_gate says is there */
    const char *gate, *up, *down, *gate_up;
    const char *act;                  /* in front of the parameters of xIELU */
    bool        transposed;           /* Conv1D: [in, out] */
} ns_names;

/* Key spellings; NULL = the usual one. */
typedef struct ns_keys {
    const char *const *blocks;        /* lists, or strings of a letter each, that have an entry a layer: the first there counts them */
    const char *d_model, *d_ff, *layers, *heads, *positions, *eps, *act, *theta, *partial, *attn_bias, *ffn_bias;
} ns_keys;

/* Which layers have experts; the others have an MLP. */
typedef enum ns_sparse_rule {
    NS_SPARSE_ALL,          /* every layer */
    NS_SPARSE_ANY,          /* every layer where there is an expert */
    NS_SPARSE_SEVERAL,      /* every layer where there is more than one expert */
    NS_SPARSE_STEP,         /* every decoder_sparse_step-th, but for mlp_only_layers */
    NS_SPARSE_AFTER,        /* from first_k_dense_replace on */
    NS_SPARSE_LIST,         /* moe_layers, or every interleave_moe_layer_step-th */
    NS_SPARSE_SET,          /* as the family's own reader has set it */
    NS_SPARSE_PERIOD,       /* expert_layer_offset in every expert_layer_period, where there is more than one expert */
} ns_sparse_rule;

/* Layers with experts: keys and their defaults (NULL: no such key, the default holds), and names in a layer in full, {} for the number of
 * an expert; without it the tensor is of all experts. Where there is no gate_up, gate and up are apart, and nothing is transposed. */
typedef struct ns_mixture {
    /* n_5: n as transformers 5 writes it, if otherwise. d_ff NULL: that of an MLP. d_shared: of the shared expert. limit NULL: it is in the
     * code; alpha: of the gate's sigmoid */
    struct { const char *n, *n_5, *d_ff, *d_shared, *normalise, *limit, *alpha; } keys;
    struct { int64_t n, top_k, d_ff, d_shared; bool normalise; } defaults;
    ns_sparse_rule sparse;
    ns_routing     routing;
    bool           mxfp4;             /* may be stored so: then the rows of gate_up and down are their outputs, not transposed */
    bool           scaled_groups;     /* reads routed_scaling_factor, n_group, topk_group; n_shared_experts times d_ff are shared */
    bool           shared;            /* a shared expert as wide as one of the others */
    bool           weigh_input, interleaved, transposed;      /* gate_up: rows of gate and up by turns, else halves */
    float          limit, up_offset;
    const ns_act  *act;               /* NULL: that of the MLPs */
    const char    *router, *router_bias, *choice_bias, *gate, *up, *gate_bias, *up_bias, *gate_up, *gate_up_bias, *down, *down_bias;
    const char    *shared_gate, *shared_up, *shared_gate_up, *shared_down, *shared_switch;     /* gate_up: one below the other */
} ns_mixture;

/* Layers of another mixer than softmax attention: without rope and window. */
typedef struct ns_builder ns_builder;
typedef struct ns_config ns_config;
typedef struct ns_facts ns_facts;
typedef struct ns_recurrent {
    const char *type;                 /* what layer_types or layer_kinds call them */
    const char *mixer;                /* their class, as in an arch's JSON */
    const char *others;               /* what they call the softmax layers; NULL: full_attention */
    const ns_names *names;            /* of the norms of such layers, where the block is another; NULL: the family's */
    bool        beside;               /* one is in every layer, next to its attention */
    bool        odd;                  /* every other layer is one when layer_types does not say */
    int       (*read)(ns_facts *, ns_config *, ns_error *);     /* more of the config: facts.mixer, and which layers are such when
                                                                 * layer_types does not say; NULL: there is no more */
    void      (*build)(ns_builder *, ns_branch *);   /* sets the parameters, which are zeroed */
} ns_recurrent;

typedef struct ns_family {
    const char     *type;             /* model_type */
    const ns_names *names;
    ns_keys         keys;
    struct {                          /* of the transformers config class */
        int64_t     vocab, d_model, d_ff, layers, heads;
        int64_t     kv_heads;         /* of an absent key; 0 = heads. null means heads */
        int64_t     head_dim;         /* 0 = d_model / heads */
        int64_t     positions, original, window, pattern, above;   /* original: original_max_position_embeddings (phi3); above:
                                                                    * max_window_layers */
        double      eps, theta, partial, logit_scale, attn_softcap, logit_softcap;
        const char *act;
        const char *rope_scaling;     /* JSON, of a config that says nothing of it */
        double      scale_emb, scale_depth, dim_model_base;    /* 0: 1 */
        bool        tied, qk_norm;    /* qk_norm: use_qk_norm */
    } defaults;
    ns_block        block;
    ns_norm_type    norm;
    float           norm_offset;
    bool            norm_plain, norm_bias;    /* plain: no gain at all (olmo); bias: gain and bias */
    bool            eps_fixed;
    ns_qk_norm      qk_norm;
    ns_bias         attn_bias, ffn_bias;
    ns_fuse         fuse;
    bool            no_gqa, fixed_head_dim;   /* heads = kv_heads; head_dim = d_model / heads whatever the config says */
    ns_window_rule  window;
    const ns_recurrent *recurrent;            /* its layers that are not softmax attention; NULL: it has none. own_layers: a list, of
                                               * which the last has no type */
    const ns_mixture *mixture;                /* its layers with experts; NULL: it has none */
    ns_multipliers  multipliers;
    bool            clip_after_norm;          /* q and k are clipped behind their norm */
    bool            qk_norm_key;              /* use_qk_norm says whether there is any */
    bool            qk_norm_rotated;          /* without weights, after rope, on layers that rotate */
    bool            temper_keys;              /* NoPE layers: attn_temperature_tuning, attn_scale, floor_scale */
    bool            fixed_pattern;            /* the period of NS_WINDOW_PATTERN is in the code */
    bool            alone;                    /* a layer is one branch: facts.mlp says which */
    bool            parallel_shares;          /* a parallel block has one norm */
    bool            o_plain;                  /* the output projection has no bias, whatever q, k, v have */
    bool            normed_residual;          /* reads *_alpha_factor, *_beta_factor (minimax) */
    bool            layer_types;              /* layer_types overrides the rule; else it must agree with it */
    bool            layer_types_5;            /* it does in transformers 5 and not in 4: it must agree, too */
    ns_rope_rule    rope;
    ns_rope_layout  layout;
    bool            mrope;                    /* rope_type mrope: three positions a token (Qwen-VL) */
    bool            embed_sqrt;               /* embedding * sqrt(D) */
    bool            parallel_key;             /* use_parallel_residual false = NS_BLOCK_PRE */
    bool            own_layers;               /* layer_kinds, windows, nope, mlp: needlescope.c */
    bool            inverse_layer_key;        /* scale_attn_weights, scale_attn_by_inverse_layer_idx */
    bool            scalar_key, clip_key, attn_softcap_key, logit_softcap_key, logit_scale_key;   /* reads query_pre_attn_scalar ... */
    const char *const *harmless;              /* its keys that cannot change the result (NULL-terminated) or NULL */
    const char *const *ignored;               /* tensors that are buffers, or parts of a wrapper that text does not use */
} ns_family;

#define ENTRY(name) extern const ns_family ns_family_##name;
#include "model/families/family_list.h"
#undef ENTRY
extern const ns_family *const ns_families[];  /* NULL-terminated */
const ns_family *ns_family_find(const char *type);
extern const ns_names ns_names_llama;         /* the names most families share */

/* ---- config.json, with every key that was read marked ---- */
struct ns_config {
    cJSON      *object;
    const char *label;                /* file name for messages */
    bool       *used;                 /* [number of keys] */
    const ns_arch_params *params;
};
bool ns_config_open(ns_config *, cJSON *object, const char *label, const ns_arch_params *);
void ns_config_close(ns_config *);
cJSON *ns_config_get(ns_config *, const char *key);   /* NULL when absent; JSON null is returned as such */
/* Checked getters: absent -> otherwise; null -> otherwise, but for a switch that is on where it is absent. Out of [low, high] is an error;
 * *out is otherwise then, too. */
int ns_config_i64(ns_config *, const char *key, int64_t otherwise, int64_t low, int64_t high, int64_t *out, ns_error *);
int ns_config_f64(ns_config *, const char *key, double otherwise, double low, double high, double *out, ns_error *);
int ns_config_bool(ns_config *, const char *key, bool otherwise, bool *out, ns_error *);
int ns_config_str(ns_config *, const char *key, const char *otherwise, const char **out, ns_error *);
/* An entry of a list of names; the number of the entry is for the message. */
int ns_config_name_at(const ns_config *, const char *key, const cJSON *entry, int64_t index, const char **out, ns_error *);
void ns_config_warn(const ns_config *, const char *fmt, ...) NS_PRINTF(2, 3);
/* hidden_act is silu, or NS_E_UNSUPPORTED says why it must be. */
int ns_facts_silu(const ns_facts *, ns_config *, const char *why, ns_error *);
/* Every key that nobody read: harmless, neutral, unknown (a warning) or an error. */
int ns_config_unread(ns_config *, const ns_family *, ns_error *);
/* The same for a rope object: keys in `known` were read. */
int ns_rope_unread(const ns_config *, const cJSON *object, const char *type, const char *const *known, ns_error *);

/* ---- what the config says ---- */
/* Of the layers of another mixer. */
typedef struct ns_mixer_facts {
    int64_t heads, groups, key_dim, value_dim, taps;      /* states; heads of q and k */
    int64_t channels, rank;                               /* of Mamba-1: its width, the rank of its steps */
    double  step_min, step_max, norm_eps, scale, divisor;
    int     rope;                                         /* of q and k; -1: none */
    bool    bias, conv_bias, negative;                    /* negative: beta up to 2, so that eigenvalues may be below 0 */
    bool    own_o_bias, o_bias, no_norm, norm_first;      /* of Mamba-2: o_bias in place of bias; no norm of z; before the gate */
    int64_t norm_groups;                                  /* 0: 1 */
    bool    beta, gate, sigmoid, qk_norm, bounds, silu;   /* there is one; sigmoid: of the gate, for SiLU; bounds: of gates; silu: of qkv */
} ns_mixer_facts;

/* Multipliers of the parts of a layer (falcon_h1). */
typedef struct ns_factors {
    bool   given;
    double attn_in, attn_out, key, ssm_in, ssm_out, ssm[5], gate, down;       /* ssm: z_gate, v, k, q, step */
} ns_factors;

struct ns_facts {
    int64_t vocab, d_model, d_ff, layers, heads, kv_heads, head_dim, positions;
    int64_t longest;                  /* prompt that is computed as the model does; 0: any */
    double  embed_scale, branch_scale;
    ns_qk_norm qk_norm;
    double  eps, logit_scale, attn_softcap, logit_softcap, clip, scale;
    ns_act  act;
    bool    ungated;                  /* the MLP has no gate although the family's names have one */
    bool    attn_gate;                /* softmax layers have names.z_gate */
    bool    tied, attn_bias, o_bias, ffn_bias, parallel, shares_norm, scale_by_layer;
    ns_temper temper;                 /* of NoPE layers */
    int64_t *window;                  /* [layers] 0 = full */
    bool    *half;                    /* [layers] of the first half of the heads alone */
    bool     mxfp4;                   /* the experts are stored so */
    int     *recurrent;               /* [layers] 0: softmax attention; 1: the family's recurrent layer, or number 1, 2 ... of its list */
    bool    *sparse;                  /* [layers] has experts */
    bool    *mlp;                     /* [layers] of a family whose layers are one branch each: an MLP or experts, else a mixer */
    ns_router router;                 /* of those layers, and the widths of one and of the shared one */
    int64_t  d_expert, d_shared;
    double   limit;                   /* of gate and up in an expert; 0: none */
    double   alpha[3], beta[3];       /* full attention, recurrence, MLP; alpha 0: residuals start from x */
    int     *rope;                    /* [layers] index into ropes; -1 = NoPE */
    ns_rope *ropes;
    int      n_ropes;
    ns_mixer_facts mixer;
    ns_factors factors;
};
int  ns_facts_read(ns_facts *out, ns_config *, const ns_family *, ns_error *);
int  ns_facts_own_layers(ns_facts *, ns_config *, ns_error *);    /* needlescope.c */
/* config_layers.c; in this order: no_rope_layers for NS_ROPES_LIST, windows, ropes. */
/* One of `period` layers, number `offset`, is attention, the others are not: keys and their defaults. */
typedef struct ns_period { const char *period, *offset; int64_t n, at; } ns_period;
int  ns_config_period(ns_config *, const ns_period *, int64_t *period, int64_t *offset, ns_error *);
/* The layers of the list are attention, the others are not; without a list (absent, null) all are, or none (otherwise). */
int  ns_facts_listed_layers(ns_facts *, ns_config *, const char *key, bool otherwise, ns_error *);
int  ns_facts_no_rope_layers(ns_facts *, ns_config *, ns_error *);
int  ns_facts_windows(ns_facts *, ns_config *, const ns_family *, ns_error *);
int  ns_facts_ropes(ns_facts *, ns_config *, const ns_family *, ns_error *);
int  ns_facts_experts(ns_facts *, ns_config *, const ns_mixture *, ns_error *);   /* config_experts.c */
void ns_facts_clear(ns_facts *);
/* A rope set for layers of one type ("full_attention", "sliding_attention"). unscaled: rope_scaling is not for these layers; own_theta:
 * nor is its rope_theta. positions may grow to the scaled length. */
typedef struct ns_rope_source { const char *type; double theta, partial; bool unscaled, own_theta; } ns_rope_source;
int  ns_config_rope(ns_rope *out, ns_config *, const ns_family *, const ns_rope_source *, int64_t head_dim, int64_t *positions, ns_error *);

/* ---- the text model of a wrapper (wrapper.c) ---- */
typedef struct ns_text_config {
    cJSON           *object;          /* the root, or text_config ... in it; borrowed */
    const ns_family *row;
    const char      *wrapper;         /* model_type around it, or NULL */
    char             label[512];      /* for messages: "config.json: text_config" */
} ns_text_config;
int  ns_text_config_find(ns_text_config *out, cJSON *root, const char *label, ns_error *);
/* What stands before the names of the trunk and of the head in this checkpoint (NULL: what the family writes). */
typedef struct ns_prefixes {
    char trunk[64], head[64];
    bool wrapped, has_head;
    const ns_checkpoint *checkpoint;  /* NULL: none */
} ns_prefixes;
void ns_settle_tie(const ns_text_config *, const cJSON *root, const ns_prefixes *);
void ns_find_prefixes(ns_prefixes *out, const ns_family *, const ns_checkpoint *);
int  ns_leave_towers(ns_arch *, ns_error *);      /* vision_tower.* and the like join the ignored tensors */

/* ---- what a family's own build function has to hand (build_parts.c) ----
 * Parameters go by the keys of the class's fields and the roles of its slots; no memory shows at the end. */
struct ns_builder {
    const ns_family *row;
    const ns_facts  *f;
    const ns_checkpoint *checkpoint;  /* NULL: none */
    const char      *prefix;
    int64_t          layer;
    const char      *module;          /* "mixer.": stands before the names in the layer, while a build function says so; NULL: nothing */
    bool             oom;
};
void ns_build_number(ns_builder *, ns_branch *, const char *key, double value);       /* sizes first: shapes follow from them */
double *ns_build_list(ns_builder *, ns_branch *, const char *key);                    /* to be filled; NULL: no memory */
void ns_build_word(ns_builder *, ns_branch *, const char *key, const char *word);
/* Has the checkpoint a tensor of this name in the layer? {}: the first expert's. */
bool ns_build_holds(ns_builder *, const char *name);
int64_t ns_build_rows(ns_builder *, const char *name);      /* its first axis; -1: it is not there, or has none */
/* A matrix, its bias or a norm by its name in a layer, without ".weight" or ".bias"; "now|before" is what the checkpoint holds, without
 * one the first. The ns_tref is there to be narrowed: rows of a fused tensor. */
ns_tref *ns_build_bias_of(ns_builder *, ns_branch *, const char *role, const char *name);
ns_tref *ns_build_matrix(ns_builder *, ns_branch *, const char *role, const char *name);
ns_norm *ns_build_norm(ns_builder *, ns_branch *, const char *role, const char *name);
/* A linear recurrence of H heads with the slopes of minimax (minimax.c); fused: q, k and v of each head in one tensor of this name. Gives
 * the norm of its output. */
typedef struct ns_linear_names { const char *q, *k, *v, *fused, *o, *norm, *gate; } ns_linear_names;
ns_norm *ns_build_linear(ns_builder *, ns_branch *, const ns_linear_names *, ns_act);

/* What linear recurrences share: states and values of facts.mixer, no rope, a gate by SiLU. And what those share that have their own heads
 * of q and k (facts.mixer.groups): their sizes, the convolution, the activation of the config, a decay by softplus. */
void ns_build_recurrence(ns_builder *, ns_branch *, double scale);
void ns_build_keys(ns_builder *, ns_branch *, int64_t taps);
int  ns_facts_step_limit(ns_mixer_facts *, ns_config *, const char *key, ns_error *);      /* [low, high] of the steps */
/* Its sizes and switches by keys that begin with mamba_ (mamba.c), which make a width of `inner`. */
int  ns_facts_mamba2(ns_facts *, ns_config *, int64_t inner, const char *inner_key, ns_error *);
/* Mamba-2 by the names of its mixer's tensors, which follow `module` (mamba.c); sizes: facts.mixer. */
void ns_build_mamba2(ns_builder *, ns_branch *, const char *module);
/* Gated DeltaNet (delta_net.c); sizes: facts.mixer. Names behind `module`, without ".weight", but for those of tables and vectors, in full.
 * Gives the norm of its output. NULL: there is none, no gate, no beta, no decay, no convolution. */
typedef struct ns_delta_names {
    const char *module;
    const char *qkvz, *ba;                      /* q, k, v, gate of each group of heads; write and step of it */
    const char *qkv, *q, *k, *v, *z, *write, *step;
    const char *conv, *q_conv, *k_conv, *v_conv;      /* conv: of q, k and v; both are named: what the checkpoint holds */
    const char *cut_conv;                       /* the three of them joined; NULL: each has the rows of its name */
    const char *o, *step_bias, *rate, *norm;
} ns_delta_names;
ns_norm *ns_build_gated_deltanet(ns_builder *, ns_branch *, const ns_delta_names *);
#define NS_SHORT_CONV_ACT                                                                                                              \
    "its short convolutions would have it too, which is not supported (silu is; or describe the model with --arch)"
#define NS_DELTA_NEXT_PLAIN       /* qwen3_next without its convolution */                                                            \
    .module = "linear_attn.", .qkvz = "in_proj_qkvz", .ba = "in_proj_ba", .o = "out_proj", .step_bias = "dt_bias", .rate = "A_log",    \
    .norm = "norm"
#define NS_DELTA_NEXT NS_DELTA_NEXT_PLAIN, .conv = "conv1d.weight"

/* A tensor by its name in a layer in full. */
ns_tref *ns_build_tensor(ns_builder *, ns_branch *, const char *role, const char *name);
ns_tref *ns_build_bias(ns_builder *, ns_branch *, const char *role, const char *name);
ns_tref  ns_build_trunk(ns_builder *, const char *name, int64_t n_out, int64_t n_in);      /* outside the layers */
/* The norm of this name, without ".weight": in the layer, or in the trunk. NULL: none. */
ns_norm  ns_build_norm_of(ns_builder *, const char *name, int64_t n);
void     ns_build_experts(ns_builder *, ns_branch *);                  /* build_experts.c */
int ns_arch_build(ns_arch **out, const ns_family *, const ns_facts *, const ns_prefixes *, ns_error *);

/* ---- the walk over every weight of an arch, in the order of the pass ---- */
typedef struct ns_visit {
    ns_tref    *tref;
    const char *role;                 /* "attn.q"; as `sizes`, for the call only */
    const char *sizes;                /* the config keys its shape comes from */
    int64_t     layer;                /* -1 outside the layers */
    int64_t     n_out, n_in;          /* as the sizes of the arch want it */
    bool        vector;               /* a bias or a gain, stored as [n_out]; a matrix with one input is [n_out, 1] */
    bool        table;                /* stored with sizes of one anywhere: taps of a convolution [n_out, 1, n_in] */
    bool        required, shared;     /* shared: one tensor of all layers that name it */
    int64_t     copies;               /* one of each of so many experts; 0: one */
} ns_visit;
typedef int (*ns_visit_fn)(void *user, const ns_visit *, ns_error *);
int  ns_arch_each(ns_arch *, ns_visit_fn, void *user, ns_error *);
/* Its name joins tensors where that cannot be, or too many. */
bool ns_visit_joins_ill(const ns_visit *);
#define NS_JOINS_ILL "joins tensors: up to four may be, in layers, and neither transposed nor of experts"
void ns_tref_clear(ns_tref *);
void ns_rope_clear(ns_rope *);
/* Sizes, ranges, structure and the shapes of all trefs; label begins the message. */
int  ns_arch_validate(const ns_arch *, const char *label, ns_error *);
int  ns_arch_apply_names(ns_arch *, const char *path, ns_error *);
/* What config.json's list of layers says of one, for a message: "layer_types[3] is 'mamba'"; "" where there is no such list. */
void ns_layer_said(const ns_checkpoint *, int64_t layer, char *out, size_t n);

extern const ns_word ns_words_layout[], ns_words_scaling[];

#endif
