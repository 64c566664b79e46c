/* hooks.h - read and edit the forward pass at TransformerLens-named points.
 *
 * Globs are resolved once against an arch, so the same hooks serve every checkpoint of that arch. Callbacks are serial, on the
 * caller's thread, in (layer, band, point, session, row) order, points in the order of the table below. A band is a run of at
 * most NS_BAND_ROWS consecutive rows of a session that goes through the whole layer before the next one starts (keys and values of later
 * rows cannot reach it), or all new rows of neighbouring sessions that have few; scores and pattern come session by session, in blocks of
 * 32 rows inside their band. Where later rows alone are read (the last layer), keys and values of all bands come first. Session i precedes
 * session j at every point of every layer, so patching a point from one session into a later one is a single pass. Edits run before reads.
 * Reading never changes a bit of the result.
 *
 * Recurrent layers have the same points but for hook_attn_scores: hook_q and hook_k are as projected (behind the short convolution where
 * there is one), hook_rot_q, hook_rot_k and hook_v after the activation, hook_pattern is the unrolled row W[t,s] (signed, not normalised,
 * kind NS_ROW_UNROLLED), hook_z = W v before norm and gate, hook_result after them. A row whose pattern was edited is multiplied as
 * any other; what the state hands on to later rows stays as it was. */
#ifndef NEEDLESCOPE_HOOKS_H
#define NEEDLESCOPE_HOOKS_H

#include <needlescope/arch.h>
#include <needlescope/case.h>
#include <needlescope/view.h>

NS_BEGIN

enum { NS_BAND_ROWS = 512 };

/* X(id, name under "blocks.N." or alone, axes of the view, formula). One row per point, in the order of the pass. */
#define NS_POINTS(X)                                                                                                   \
    X(EMBED,       "hook_embed",               "row d_model",       "embed[token] * embed_scale")                       \
    X(POS_EMBED,   "hook_pos_embed",           "row d_model",       "positions[row] (learned positions only)")          \
    X(RESID_PRE,   "blocks.%.hook_resid_pre",  "row d_model",       "x entering the layer")                             \
    X(LN1,         "blocks.%.ln1.hook_normalized", "row d_model",   "x normalised, before gain and bias")               \
    X(Q_PRE_CONV,  "blocks.%.attn.hook_q_pre_conv", "row q_head d_key", "W_Q x + b_Q, before the short convolution")     \
    X(K_PRE_CONV,  "blocks.%.attn.hook_k_pre_conv", "row k_head d_key", "W_K x + b_K, before the short convolution")     \
    X(V_PRE_CONV,  "blocks.%.attn.hook_v_pre_conv", "row kv_head d_head", "W_V x + b_V, before the convolution; gated") \
    X(K,           "blocks.%.attn.hook_k",     "row kv_head d_head","W_K x + b_K, before QK-norm and rope")             \
    X(V,           "blocks.%.attn.hook_v",     "row kv_head d_head","W_V x + b_V")                                      \
    X(BETA,        "blocks.%.attn.hook_beta",  "row head",          "what a recurrence's write is multiplied by")       \
    X(LOG_DECAY,   "blocks.%.attn.hook_log_decay", "row head d_key",   "log of what a state is multiplied by: one, or one a key channel") \
    X(ROT_K,       "blocks.%.attn.hook_rot_k", "row kv_head d_head","k after QK-norm and rope, times its multiplier")   \
    X(Q,           "blocks.%.attn.hook_q",     "row head d_head",   "W_Q x + b_Q, before QK-norm and rope")             \
    X(ROT_Q,       "blocks.%.attn.hook_rot_q", "row head d_head",   "q after QK-norm and rope, times its temperature")  \
    X(SCORES,      "blocks.%.attn.hook_attn_scores", "head row key","scale * rot_q . rot_k, soft-capped, -inf where masked") \
    X(SSM_STATE,   "blocks.%.attn.hook_ssm_state", "row head d_state", "a recurrence's state behind the row: [key, value]; not edited") \
    X(PATTERN,     "blocks.%.attn.hook_pattern","head row key",     "softmax of the scores over keys; 0 where masked")  \
    X(Z,           "blocks.%.attn.hook_z",     "row head d_head",   "pattern . v")                                      \
    X(RECURRENCE_OUT, "blocks.%.attn.hook_recurrence_out", "row head d_head", "z and the skip D v: goes to norm and gate") \
    X(RESULT,      "blocks.%.attn.hook_result","row head d_model",  "z W_O of one head, without the bias")              \
    X(ATTN_OUT,    "blocks.%.hook_attn_out",   "row d_model",       "what attention adds to the residual (after its post-norm and scale)") \
    X(RESID_MID,   "blocks.%.hook_resid_mid",  "row d_model",       "resid_pre + attn_out (not in parallel blocks)")    \
    X(LN2,         "blocks.%.ln2.hook_normalized", "row d_model",   "the MLP's input normalised, before gain and bias") \
    X(ROUTER,      "blocks.%.mlp.hook_router", "row expert",        "W_R x + b_R of a mixture of experts, before any softmax or sigmoid") \
    X(EXPERTS,     "blocks.%.mlp.hook_experts","row id_weight choice", "the row's experts, the best first: their numbers; their weights") \
    X(MLP_POST,    "blocks.%.mlp.hook_post",   "row d_ff",          "act(gate x) * up x, or act(up x)")                 \
    X(MLP_OUT,     "blocks.%.hook_mlp_out",    "row d_model",       "what the MLP adds to the residual (after its post-norm and scale)") \
    X(RESID_POST,  "blocks.%.hook_resid_post", "row d_model",       "x leaving the layer")                              \
    X(LN_FINAL,    "ln_final.hook_normalized", "row d_model",       "x normalised, before gain and bias")               \
    X(LOGITS,      "hook_logits",              "row d_vocab",       "W_U x * logit_scale, soft-capped")

typedef enum ns_point {
#define X(id, name, axes, formula) NS_POINT_##id,
    NS_POINTS(X)
#undef X
    NS_N_POINTS
} ns_point;

/* Which query positions a hook wants. Spans and answer rows are resolved against the session's case. */
typedef enum ns_rows_kind {
    NS_ROWS_ALL = 0,
    NS_ROWS_LAST,              /* the last n rows of the session's tokens */
    NS_ROWS_LIST,              /* positions[n]; negative counts from the end */
    NS_ROWS_SPAN,              /* the rows of the case's span called `span` */
    NS_ROWS_ANSWER,            /* the rows that predict the answer's tokens: n_tokens - 1 + j */
    NS_ROWS_PROBE,             /* the answer rows and the n rows before them (0 = 1: n_tokens - 2) */
} ns_rows_kind;
typedef struct ns_rows {
    ns_rows_kind   kind;
    int64_t        n;
    const int64_t *positions;  /* copied by ns_hooks_new */
    const char    *span;       /* copied by ns_hooks_new */
} ns_rows;
/* How many of the cases lack a row that is asked for: the span, or one of the listed positions. NS_E_ARG, with the nearest span's name,
 * when no case has any such row. *lacking may be NULL. */
NS_API NS_MUST_CHECK int ns_rows_check(const ns_rows *, const ns_cases *, int64_t *lacking, ns_error *);

/* Where a view comes from. Rows are consecutive positions row0 .. row0 + n_rows; several calls may serve one hook. */
typedef struct ns_site {
    size_t         size;
    ns_point       point;
    int64_t        layer;      /* -1 outside the blocks */
    int64_t        session;    /* index in the call's list */
    int64_t        case_index; /* as given to ns_session_add_case; -1 without a case */
    const ns_case *c;          /* or NULL */
    int64_t        row0, n_rows;
    int64_t        key0, n_keys;   /* attention points: key column 0 is position key0 */
    int64_t        n_heads, n_kv_heads;   /* KV head of head h = h / (n_heads / n_kv_heads) */
    ns_row_kind    kind;
    const ns_attn *attn;       /* the layer's attention, NULL outside attention points */
    const struct ns_band *band;    /* what is being computed: for ns_site_write; NULL outside the blocks */
} ns_site;

/* Return NS_OK to go on, NS_STOP to end the pass without an error (nothing later is computed), a negative code to fail it. */
enum { NS_STOP = 1 };
typedef int (*ns_read_fn)(void *user, const ns_site *, const ns_view *, ns_error *);
typedef int (*ns_edit_fn)(void *user, const ns_site *, ns_view *, ns_error *);

typedef struct ns_hook {       /* exactly one of read and edit */
    size_t      size;          /* sizeof(ns_hook) */
    const char *at;            /* glob over point names: "blocks.*.attn.hook_pattern" */
    ns_rows     rows;
    ns_read_fn  read;
    ns_edit_fn  edit;
    void       *user;
} ns_hook;

typedef struct ns_hooks ns_hooks;
/* A glob that matches no point of this arch is an error that names it and the nearest names. */
NS_API NS_MUST_CHECK int ns_hooks_new(ns_hooks **out, const ns_arch *, const ns_hook *list, int n, ns_error *);
NS_API void ns_hooks_free(ns_hooks *);
NS_API const ns_hook *ns_hooks_list(const ns_hooks *, int *n);          /* as they were given; borrowed */
NS_API bool ns_hooks_edits(const ns_hooks *);                           /* Does one of them edit? NULL: no */
/* ns_rows_check of each: NS_E_ARG names a hook whose rows no case has; *lacking (may be NULL): how many cases lack a row that one of them
 * asks for. */
NS_API NS_MUST_CHECK int ns_hooks_check_rows(const ns_hook *list, int n, const ns_cases *, int64_t *lacking, ns_error *);

NS_API const char *ns_point_name(ns_point);       /* with % for the layer number */
NS_API const char *ns_point_axes(ns_point);
/* The same at a layer: a recurrence has its own heads of q and k, and their own width. */
NS_API const char *ns_point_axes_at(const ns_arch *, ns_point, int64_t layer);
NS_API int64_t     ns_point_axis(const ns_arch *, ns_point, int64_t layer, const char *axis);       /* as ns_arch_axis, of one point */
/* Of a point of heads at a layer: how many it has, and how wide each is; 0: the layer lacks the point. Heads may have one between them,
 * those of a KV group as those of a recurrence that share a q or k: head h has number h / (n_heads / ns_point_heads). */
NS_API int64_t     ns_point_heads(const ns_arch *, ns_point, int64_t layer);
NS_API int64_t     ns_point_width(const ns_arch *, ns_point, int64_t layer);
NS_API const char *ns_point_formula(ns_point);
/* What the layer's own mixer computes there: rows of a recurrence are no softmax, its q and k have no QK-norm. */
NS_API const char *ns_point_formula_at(const ns_arch *, ns_point, int64_t layer);
/* Does the point exist at this layer (-1: outside the blocks) of this arch? ns_point_absent: why not, in words; NULL: it does. Where a
 * layer has two mixers side by side, points of heads are those of one of them (ns_arch_show_heads). */
NS_API const char *ns_point_absent(const ns_arch *, ns_point, int64_t layer);
/* What the point is of there, in words, where the layer has two mixers side by side and it is not what its name says; NULL: it is. */
NS_API const char *ns_point_beside(const ns_arch *, ns_point, int64_t layer);
NS_API bool ns_point_exists(const ns_arch *, ns_point, int64_t layer);
/* "blocks.3.attn.hook_q" into buf. */
NS_API void ns_point_format(ns_point, int64_t layer, char *buf, size_t n);

NS_END
#endif
