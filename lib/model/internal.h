/* internal.h - what the files of lib/model share: engine, packed weights, KV pages, sessions, bands, delivery to hooks. */
#ifndef NS_MODEL_INTERNAL_H
#define NS_MODEL_INTERNAL_H

#include <needlescope/model.h>
#include "core/core.h"
#include "hook/hook.h"
#include "math/math.h"
#include "model/branch/band.h"
#include "model/branch/branch.h"

#include <pthread.h>

/* ---- engine: threads and kernels ---- */

struct ns_engine {
    ns_pool       *pool;
    const ns_math *math;
    char           kernel_class[64];
};

/* Runs tasks in the pool, each under the library's own floating-point environment. */
void ns_engine_run(ns_engine *, int64_t n_tasks, ns_task_fn, void *user);

/* ---- weights ---- */

/* y = W x (+ bias); W [n, k] packed in panels (math.h), as 16 bits where the checkpoint has them; or row-major f32 with -Dgemm=openblas. */
typedef struct ns_weight {
    void    *packed;
    float   *bias;             /* [n] or NULL */
    ns_dtype dtype;            /* NS_F32, NS_BF16, NS_F16 */
    int64_t  n, k, n_experts;
    struct ns_weight *experts; /* [n_experts] one for each, of a weight that experts have, instead of all that is here; or NULL */
    void    *turned;           /* W^T, packed the same way, of the same dtype; NULL where nobody goes back */
    float   *grad, *bias_grad; /* [n, k], [n] += on the way back; or NULL. Another's */
    int64_t  at;               /* where the trainer keeps W */
} ns_weight;

/* Of a norm; NULL where the checkpoint has none. Of a vector or a table its numbers, row-major, as `gain`. */
typedef struct ns_gains { float *gain, *bias, *gain_grad, *bias_grad; } ns_gains;

/* As the slots of the branch's class want them. */
typedef struct ns_branch_weights {
    ns_weight *packed;         /* [n_packed] by ns_slot.weight; empty where no tensor is named */
    ns_gains  *gains;          /* [n_slots] of the norms, vectors and tables */
    int        n_packed, n_slots;
    ns_gains   in_norm, out_norm;
} ns_branch_weights;

typedef struct ns_layer_weights {
    ns_branch_weights branch[2][2];   /* [stage][branch] */
    bool packed;
} ns_layer_weights;

struct ns_model {
    ns_engine           *engine;
    const ns_checkpoint *checkpoint;
    const ns_arch       *arch;
    ns_layer_weights    *layers;      /* [L]; with `streamed`, packed for one pass of a layer and freed */
    ns_weight            head;
    ns_gains             final;       /* of the norm before the head */
    int64_t              memory, weight_bytes;
    int64_t              room;        /* of the memory, for the sessions of a wave */
    bool                 streamed;
    bool                 ahead, drops;     /* advise.c: reads the next layer ahead; leaves nothing in the page cache */
    char                 sha256[65];
    char                *name, *tokenizer, *arch_path, *names_path;
    pthread_mutex_t      lock;        /* one streamed pass at a time */
    ns_at_fork           at_fork;     /* makes the lock anew */
    bool               (*cancelled)(void *user);    /* while it is loaded; or NULL */
    void                *user;
};

/* advise.c: chooses by the largest layer or head; the layer (n_layers: the head) is read soon, it was read. */
void ns_advise_plan(ns_model *, int64_t largest);
void ns_advise_soon(const ns_model *, int64_t layer);
void ns_advise_done(const ns_model *, int64_t layer);

int  ns_weights_layer(const ns_model *, int64_t layer, ns_layer_weights *out, ns_error *);
void ns_weights_layer_free(ns_layer_weights *);
/* What is not packed yet of an expert, of a branch of a layer of a streamed model. */
int  ns_weights_expert(const ns_model *, const ns_branch *, const ns_branch_weights *, int64_t expert, ns_error *);
int  ns_weights_head(const ns_model *, ns_weight *out, ns_error *);
void ns_weight_free(ns_weight *);
/* W [n, k] into the packed form of f32, and into that of W^T where there is room for one. */
void ns_weight_fill(ns_weight *, const float *W);
void ns_weight_turn(ns_engine *, ns_weight *);                 /* out of what is packed into W^T, which has room */
/* turned.c: w->turned of one weight. ns_weights_own: *w, a copy of the model's, gets lists of its own, given back by ns_weights_disown,
 * after an error too; ns_weights_turn and _unturn fill and empty them (what is turned already stays). */
int  ns_weight_turned(const ns_model *, ns_weight *, ns_error *);
int  ns_weights_own(const ns_model *, int64_t layer, ns_layer_weights *w, ns_error *);
void ns_weights_disown(const ns_model *, int64_t layer, ns_layer_weights *own);
int  ns_weights_turn(const ns_model *, int64_t layer, ns_layer_weights *own, ns_error *);
void ns_weights_unturn(const ns_model *, int64_t layer, ns_layer_weights *own);
int  ns_weights_vector(const ns_model *, const ns_tref *, float **out, ns_error *);    /* *out = NULL for an absent tref */
/* rows [first, first + n) of W[n_out, n_in], checked finite */
int  ns_weights_rows(const ns_model *, const ns_tref *, int64_t first, int64_t n, float *out, ns_error *);
int  ns_weights_hash(const ns_model *, char hex[65], ns_error *);
/* Of packed matrices: the numbers that a row is multiplied by, filled up to whole panels; the bytes that all of them are kept in. */
typedef struct ns_bytes { int64_t numbers, bytes; } ns_bytes;
ns_bytes ns_weights_layer_size(const ns_arch *, const ns_checkpoint *, int64_t layer);
ns_bytes ns_weights_head_size(const ns_arch *, const ns_checkpoint *);

/* C[M, c1 - c0] = A[M,K] W[c0..c1)^T (+ bias); c0 is rounded down to a panel (the column it starts at is returned): C column 0 is
 * that column. Columns are output rows of W. */
int64_t ns_linear(ns_engine *, int64_t M, const float *A, int64_t lda, const ns_weight *, int64_t c0, int64_t c1, float *C, int64_t ldc);
/* C[M,n] = A[M,k1-k0] W[:, k0..k1)^T : one head's share of W_O. */
void ns_linear_slice(ns_engine *, int64_t M, const float *A, int64_t lda, const ns_weight *, int64_t k0, int64_t k1, float *C, int64_t ldc);

/* ---- keys and values: pages of NS_PAGE positions, shared by forks, copied on write ---- */

typedef struct ns_page {
    int    refs;
    int64_t filled;            /* positions that were written or are 0, whole panels of 32; nobody reads the others */
    float *k;                  /* [G][NS_PAGE / 32][d][32]: packed columns of K^T */
    float *v;                  /* [G][ceil(d / 32)][NS_PAGE][32]: packed V */
} ns_page;
typedef struct ns_kv { ns_page **pages; int64_t n, capacity; bool ready; } ns_kv;

static inline int64_t ns_kv_k_floats(const ns_attn *a)
{
    return a->head_dim * NS_PAGE;
}
static inline int64_t ns_kv_v_floats(const ns_attn *a)
{
    return (a->head_dim + NS_PANEL - 1) / NS_PANEL * NS_PANEL * NS_PAGE;
}
ns_keeps ns_layer_keeps(const ns_arch *, int64_t layer);       /* what a session keeps of a layer */
int64_t ns_kv_page_floats(const ns_keeps *);
bool ns_kv_writable(ns_kv *, const ns_keeps *, int64_t begin, int64_t end);
/* last: the parent forgets its pages next, and the one that both would write to is the child's. */
bool ns_kv_fork(ns_kv *child, const ns_kv *parent, const ns_keeps *, int64_t at, bool last);
void ns_kv_truncate(ns_kv *, int64_t positions);
void ns_kv_free(ns_kv *);
void ns_kv_store(ns_kv *, const ns_attn *, int64_t position, int64_t g, const float *k, const float *v);

/* ---- states of recurrences, and what their rows are made of ---- */

/* After the positions before `at`. data: states [states][ceil(value / 32)][key][32], then the tail. */
typedef struct ns_snapshot { int64_t at; float *data; } ns_snapshot;
typedef struct ns_state {
    ns_snapshot  now;                  /* runs along; data NULL: nothing was computed */
    ns_snapshot *list;                 /* [n] by `at`; those beyond now.at wait to be filled */
    int64_t      n, capacity, stride;  /* stride: of the absolute grid of those that are kept */
    int64_t      rows, values;         /* positions whose k and v are kept for rows */
    ns_kv        k, v;
} ns_state;
int64_t ns_state_floats(const ns_keeps *);
bool ns_state_begin(ns_state *, const ns_keeps *);
/* Marks where [begin, end) is to leave snapshots: at its begin and on the grid, which widens so that they stay few. */
bool ns_state_plan(ns_state *, const ns_keeps *, int64_t begin, int64_t end);
bool ns_state_mark(ns_state *, const ns_keeps *, int64_t at);          /* at >= now.at */
int64_t ns_state_nearest(const ns_state *, int64_t at);                /* the last position at or before `at` to go back to; 0: the start */
/* at: one of the parent's positions, or 0; last: as of ns_kv_fork */
bool ns_state_fork(ns_state *child, const ns_state *parent, const ns_keeps *, int64_t at, bool last);
void ns_state_rewind(ns_state *, const ns_keeps *, int64_t at);        /* to one of its positions, or 0 */
void ns_state_free(ns_state *);
/* The two kinds of pages of a recurrence's rows: k, and v. */
ns_keeps ns_state_k(const ns_keeps *);
ns_keeps ns_state_v(const ns_keeps *);

/* ---- sessions ---- */

typedef struct ns_served { const ns_case *c; int64_t case_index; int64_t total; } ns_served;

struct ns_session {
    const ns_model *model;
    ns_session     *parent;         /* of a fork whose prefix is still pending in the parent */
    int64_t         fork_at;
    ns_session     *leader;         /* whose rows it takes over at first_layer; NULL: first_layer is 0 */
    int64_t         first_layer;
    int64_t         shown;          /* rows that run again and that readers have seen; edits still apply to them */
    int64_t         computed;       /* positions whose pass is done (or that the parent computes) */
    int64_t         rows_run;       /* by its passes; those that ran again count again */
    int32_t        *tokens;         /* [n_tokens] all of them, computed and pending */
    int64_t         n_tokens, capacity;
    int64_t         final_length;
    bool            decode, failed, ran;
    ns_served      *served;
    int64_t         n_served, served_capacity;
    ns_kv          *kv;             /* [L] */
    ns_state       *states;         /* [L] */
    float          *logits;         /* [V] of the last row */
    int32_t         argmax;

    /* one pass */
    float          *x;              /* [pending, D] the residual stream */
    int64_t         base;           /* position of x row 0 */
    int64_t         layers;         /* whose keys are there */
    int64_t         ahead;          /* rows behind those of the pass that hooks count as the session's */
    bool            one_by_one;     /* hooks see each row of the pass as the last of a pass of its own */
    int64_t         children_left;  /* children of this pass that still need the layer's pages */
    ns_runs        *rows;           /* [n_hooks * max(1, n_served)] resolved rows */
};

/* Goes on from position `at` <= computed, or as near before it as there is a way back to: rows from there to `at` run again, unseen. */
void ns_session_rewind(ns_session *, int64_t at);

static inline bool ns_session_runs(const ns_session *s, int64_t layer)
{
    return s->n_tokens > s->computed && layer >= s->first_layer;
}

/* ---- the pass ---- */

typedef struct ns_rope_table {
    int      rope;
    int64_t  class_, n;             /* rope class (ns_arch_rope_class); positions */
    float   *cos, *sin;             /* [n, rotary_dim / 2] */
    float   *unsin;                 /* -sin, the turn back; NULL until somebody needs it */
} ns_rope_table;

typedef struct ns_pass {
    const ns_model  *model;
    const ns_arch   *arch;
    const ns_hooks  *hooks;
    ns_engine       *engine;
    const ns_math   *math;
    ns_session *const *sessions;
    int64_t          n_sessions;
    int64_t          last_layer;    /* deepest layer that is computed */
    ns_point         last_point;    /* deepest point wanted in it; NS_POINT_RESID_POST when logits follow */
    bool             logits;        /* the last row's */
    bool             wants_final;   /* LN_FINAL or LOGITS rows are read */
    const struct ns_band *band;     /* that runs; NULL: none */
    ns_rope_table   *ropes;
    int              n_ropes, ropes_capacity;
    struct ns_scratch *scratch;
    ns_error        *err;
} ns_pass;

/* Per pass; grows, never shrinks. */
typedef struct ns_buffer { float *data; size_t n; } ns_buffer;
/* Blocks of positions of a session's layer as the rows of a recurrence go back through them: the first `room` stay, n of them are there. */
typedef struct ns_prepared { ns_buffer buffer; const ns_session *session; int64_t layer, room, n; } ns_prepared;
struct ns_sheet {                   /* of band.h: row r at data + r * ld */
    ns_buffer       buffer;
    float          *data;
    int64_t         ld, rows;
    struct ns_grad *grad;           /* of a taped band on its way back (tape.h) */
    bool            read;           /* on that way its numbers are looked at */
};
typedef struct ns_scratch {
    ns_sheet **sheets;              /* [n_sheets] of one band's stage */
    int        n_sheets;
    ns_buffer  positions, result, final, logits;
    ns_buffer  writes;              /* [n, H d] of what ns_site_write is given */
    ns_buffer  group;               /* [NS_BAND_ROWS, D] residual rows of sessions that go together */
    ns_buffer  tables;              /* of a convolution, joined; the rates of channels */
    ns_buffer  staged;              /* [H, 32, keys] of blocks that hooks look at */
    ns_buffer  carried;             /* of rows of a recurrence that go back (unroll_rows.c) */
    ns_prepared prepared;
    ns_buffer *worker;              /* [workers] */
    int        n_workers;
} ns_scratch;
float *ns_buffer_need(ns_buffer *, int64_t n, ns_error *);     /* NULL with an error when memory is out */
void   ns_scratch_free(ns_scratch *);          /* what it holds */
/* Rows of all heads that are made before somebody looks at them, at least a block of them: few, so that they are still in a cache. */
int64_t ns_pass_shown_floats(const ns_pass *);

ns_rope_table *ns_pass_rope(ns_pass *, int rope, int64_t rope_class, int64_t positions, int64_t final_length);
int            ns_pass_embed(ns_pass *, int64_t session);      /* new rows of the session's x */
void           ns_pass_finish(ns_pass *, int rc);             /* of its sessions: rows and x are freed, the tokens are computed */
void           ns_pass_free_ropes(ns_pass *);
void           ns_pass_free(ns_pass *);          /* its rope tables and scratch */
const float   *ns_rope_unsin(ns_rope_table *, const ns_rope *, ns_error *);      /* NULL: no memory */

/* Delivers rows [row0, row0 + view->shape[row axis]) of a view to the hooks of a point: edits, then reads; NS_OK, NS_STOP or an error. The
 * branch is the one whose heads the view has; NULL: it has none. */
int ns_deliver(ns_pass *, int64_t session, ns_point, int64_t layer, int64_t row0, const ns_view *, const ns_branch *, int64_t key0);
/* Does a hook want a row of [begin, end) at the point? */
bool ns_wanted(const ns_pass *, const ns_session *, ns_point, int64_t layer, int64_t begin, int64_t end);
/* Narrows [*begin, *end) to the rows from the first to the last that a hook wants at one point or the other. false: none is wanted. */
bool ns_wanted_rows(const ns_pass *, const ns_session *, int64_t layer, ns_point, ns_point, int64_t *begin, int64_t *end);
int ns_pass_rows(ns_pass *);                                   /* resolves every session's rows */

/* Rows [begin, end) of a session, which are rows `row` ... of the band. */
typedef struct ns_member { ns_session *s; int64_t session, begin, end, row; } ns_member;

struct ns_band {
    ns_pass         *p;
    int64_t          layer, rows;
    const ns_member *members;           /* one behind the other */
    int              n_members;
    ns_sheet        *x;                 /* the residual stream of its rows */
    ns_point         broken;            /* the point that held a number that is not finite */
    ns_cols          k, v;              /* that were kept last */
    ns_cols          factor, written;   /* writes.c: what z was multiplied by on its way to W_O (empty: 1), and came to there */
    ns_cols          before;            /* what the norm behind the branch was given */
    bool             bent;              /* a factor is not all that was done to z */
    struct ns_tape  *tape;              /* tape.h; NULL: nobody goes back */
    ns_point         deepest;           /* the last point of the layer that its rows are needed at; nothing after it is computed */
    int              parts;             /* NS_PART_... */
    int64_t          expert;            /* whose rows these are; -1: of the branch */
    const ns_branch *branch;            /* that runs, and its weights */
    const ns_branch_weights *weights;
    int              used;              /* sheets of this stage */
    int              rc;                /* NS_OK, NS_STOP or the error that was first */
};
ns_cols ns_band_new(ns_band *, int64_t n);                     /* of a sheet that nobody has */
float  *ns_cols_at(ns_cols, int64_t row);
typedef void (*ns_row_fn)(const void *job, int64_t row);
void    ns_each_row(const ns_band *, int64_t rows, ns_row_fn, const void *job);
/* What band.h does by a branch's slots, by the weights themselves: output rows from .. to of W (from: a panel's first); a norm of equal
 * parts of x into out. */
ns_cols ns_band_product(ns_band *, ns_cols x, const ns_weight *, int64_t from, int64_t to);
ns_cols ns_band_normed(ns_band *, ns_cols x, ns_cols out, int64_t groups, const ns_norm *, const ns_gains *);
/* Is the point, at the branch that runs, the layer's? Of two mixers in a layer the first that has it shows it. */
bool    ns_band_shows(const ns_band *, ns_point);
/* NS_E_NUMERIC of a number in a pass: names the checkpoint, where it is, the session's case (its number where it has none), what it is,
 * and what to do. */
int     ns_pass_broken(const ns_pass *, int64_t session, const char *where, const char *what);
/* The same of the first value of x that is not as it must be: its layer, head or channel (unit), and row. */
int     ns_band_broken(const ns_band *, ns_cols x, int64_t units, const char *unit, bool (*good)(float), const char *what);
double  ns_softplus(double);
/* Of the softmax of n numbers, `stride` apart, what those from first to last have: below 1. */
double  ns_softmax_share(const float *, int64_t n, int64_t stride, int64_t first, int64_t last);
bool    ns_band_rooms(ns_band *, int64_t floats);                      /* of every worker; false: b->rc */
ns_cols ns_band_softcap(ns_band *, ns_cols x, float cap);              /* in place; 0: nothing */
/* In place, at the rows' positions; back: the other way round. */
void    ns_rope_rows(ns_band *, ns_cols x, int64_t heads, int rope, bool back);
/* fn for each row of a member, with `floats` numbers of its state of the layer, from number `first` on; what they are behind a row that
 * somebody goes back to is left there. */
typedef void (*ns_state_row_fn)(const void *job, int64_t row, float *S);
void    ns_state_rows(const ns_member *, int64_t layer, int64_t first, int64_t floats, ns_state_row_fn, const void *job);
/* writes.c: keeps what the norm behind the branch is given, where somebody may ask what heads write; the size that a norm divides by. */
void    ns_band_before_norm(ns_band *, ns_cols out);
double  ns_norm_size(const ns_norm *, const float *x, int64_t n);
/* layer.c: the band through a layer. */
int     ns_layer_band(ns_pass *, ns_band *, int64_t layer, const ns_layer_weights *);
/* unroll.c: what the rows of a scan are made of joins the sessions' pages; those that somebody looks at are shown, and where one was
 * edited z is its row times v. a: the decays themselves, [rows, heads] or [rows, heads key]. */
void ns_band_unroll(ns_band *, const ns_scan *, ns_cols a, ns_cols z);
/* Are rows of the layer's recurrence made, because somebody looks at them or they are constrained; and are they multiplied anew? */
bool ns_pass_constrains(const ns_pass *, int64_t layer);
bool ns_pass_unrolls(const ns_pass *, int64_t layer);
bool ns_pass_changes_rows(const ns_pass *, int64_t layer);

/* layer.c: one layer of the sessions [first, last) that have new rows, parents before their forks. */
int ns_layer_run(ns_pass *, int64_t first, int64_t last, int64_t layer, const ns_layer_weights *);
/* head.c: final norm and logits of the wanted rows of the sessions [first, last) that have new ones. */
int ns_final_run(ns_pass *, int64_t first, int64_t last);

#endif
