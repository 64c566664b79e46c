/* tape.h - the way back through a band. On a band with a tape every operation notes what it read and what it gave; walked from the last to
 * the first, each hands the derivative of what it gave on to what it read, and adds to the gradients of its weights. So a class of a branch
 * has no code for the way back: its operations have.
 *
 * A taped band holds whole sequences, each from position 0 on, and is asked for everything of every row. Its operations overwrite nothing
 * that is read on the way back. Sums run in an order that no thread changes. */
#ifndef NS_TAPE_H
#define NS_TAPE_H

#include "model/internal.h"

enum { NS_ROW_BLOCK = 16, NS_GRADIENT_KB = 256 };     /* rows of attention at a time; the chains of sums over rows */

/* The derivative by the numbers of a sheet, with its stride. Taken when the first operation puts something there, given back when the one
 * that made the sheet is done. */
typedef struct ns_grad {
    ns_buffer numbers;
    uint8_t  *written;                     /* [columns] is there a number yet? */
    int64_t   capacity;
} ns_grad;

typedef struct ns_kept { ns_buffer pattern; int64_t *at, capacity; } ns_kept;      /* of one attention: [members][H] patterns */
/* A scan, and its states before every so many rows; q scaled, decays as factors. */
typedef struct ns_kept_scan { ns_scan scan; ns_cols q, a; ns_buffer states; } ns_kept_scan;

typedef struct ns_share { int64_t row; float weight; } ns_share;       /* a row that an expert has, and by how much */

enum { NS_OF_X = 1, NS_OF_Y = 2, NS_OF_Z = 4, NS_OF_OUT = 8 };

/* An operation as it ran. */
typedef struct ns_taped ns_taped;
typedef void (*ns_back_fn)(ns_band *, const ns_taped *);
struct ns_taped {
    ns_back_fn back;
    ns_cols    x, y, z, out;               /* what it read, y and z where it read more; what it gave: in place when the sheet is x's */
    int64_t    rows;
    int64_t    n;                          /* groups, heads, slots; a scan of the tape, or its channels */
    int        kind;                       /* an ns_act; a rope; taps; an attention of the tape */
    float      factor;
    double     sign, low, high;            /* of a softplus; sign: a constant rate of decay */
    bool       always;                     /* walked back also where no derivative has come */
    bool       more;                       /* the operation before it gave a part of the same sheet */
    unsigned   unread;                     /* NS_OF_...: whose numbers the way back does not look at */
    const ns_weight *weight;
    const ns_norm   *norm;
    const ns_gains  *gains;
    const ns_attn   *attn;
    const ns_router *router;
    const ns_share  *shares;               /* [rows] */
    const ns_branch *branch;
    const ns_branch_weights *weights;
    const int       *slots;                /* of it, whose tables a convolution joins; gains are then the branch's */
};

/* Derivatives that are put in at points (backward.h); hooks of the pass read theirs. */
typedef struct ns_placed_seed { const struct ns_seed *seed; ns_point point; int64_t layer; bool used; } ns_placed_seed;
typedef struct ns_watch {
    ns_placed_seed *seeds;
    int64_t         n_seeds, last;         /* last: where the last seed stands (ns_pass_place); no seed depends on a point behind it */
} ns_watch;
/* Points stand in the order of the pass. */
int64_t ns_pass_place(const ns_arch *, ns_point, int64_t layer);

typedef struct ns_tape {
    ns_watch *watch;                       /* NULL: nobody looks at points */
    ns_taped *steps;
    int64_t   n_steps, capacity;
    ns_grad **grads;                       /* all; the first n_free are nobody's */
    int64_t   n_grads, n_free, grads_capacity;
    ns_kept  *kept;                        /* of the attentions, in their order */
    int64_t   n_attends, kept_capacity;
    ns_kept_scan *scans;
    int64_t   n_scans, scans_capacity;
    ns_channels *channels;                 /* of recurrences of channels */
    int64_t   n_channels, channels_capacity;
    ns_share **shares;                     /* of experts */
    int64_t   n_shares, shares_capacity;
    ns_buffer *spare;                      /* of sheets that the way back does not look at, of a pass of so many rows */
    int64_t   n_spare, spare_capacity, spare_rows;
    bool      passes;                      /* its numbers are read once: it is for a pass, not for the steps of a training run */
    bool      keeps;                       /* patterns; else they are computed anew on the way back */
} ns_tape;

void ns_tape_free(ns_tape *);
/* A new sheet for an operation on a tape, x itself otherwise. */
ns_cols ns_taped_out(ns_band *, ns_cols x);
void ns_tape_note(ns_band *, ns_taped);    /* nothing on a band without a tape */
void ns_tape_reads(ns_cols);               /* what a step looks at on its way back beside its x, y, z and out */
/* Sheets from number `first` on that nobody looks at on the way back hand their room on to those that follow, but for the band's x. */
void ns_tape_thin(ns_band *, int first);
/* Room of a sheet or a derivative: what it has, what was handed on, or new. NULL with an error when memory is out. */
float  *ns_tape_room(ns_tape *, ns_buffer *, int64_t n, ns_error *);
/* An operation that cannot be walked back: on a tape the band fails with NS_E_UNSUPPORTED, by its name. */
void ns_tape_lacks(ns_band *, const char *what);

/* ---- derivatives, by columns; the stride is the sheet's ---- */
/* Of what an operation gave: 0 where nobody put a number. */
float *ns_grad_of(ns_band *, ns_cols);
/* Where an operation puts its share. *fresh: nothing is there, it overwrites; else it adds. NULL with b->rc: no memory. */
float *ns_grad_into(ns_band *, ns_cols, bool *fresh);
float *ns_grad_onto(ns_band *, ns_cols);   /* where it adds in any case */

/* ---- the operations on a tape ---- */
void    ns_tape_norm(ns_band *, ns_cols x, ns_cols out, int64_t groups, const ns_norm *, const ns_gains *);
/* A norm whose x_hat is a point; nothing else than ns_band_normed where nobody looks. */
ns_cols ns_tape_hat(ns_band *, ns_cols x, const ns_norm *, const ns_gains *, ns_point);
/* On the way back the seeds of the point are added, and the hooks of the pass read. */
void    ns_tape_show(ns_band *, ns_point, ns_cols x, int64_t heads);
bool    ns_tape_wants(const ns_band *, ns_point);      /* Does a hook read the point of the layer? */
bool    ns_tape_watches(const ns_band *, ns_point);    /* Does one, or is there a seed? */
/* Points of rows and keys (back_keys.c), of a whole sequence. Adds what seeds have for keys lo .. hi of a row of a head. */
void    ns_seed_keys(const ns_band *, ns_point, int64_t head, int64_t row, int64_t lo, int64_t hi, float *to);
/* Hooks read [heads][row1 - row0][row1 - key0] numbers, which `make` puts where they stand: 0 before. Seeds of the point are looked at
 * first: [heads][keys] numbers a row, or NS_E_ARG. */
typedef struct ns_keys_back { ns_point point; int64_t heads, row0, row1, key0; float *data; } ns_keys_back;
typedef void (*ns_keys_fn)(ns_band *, void *job, const ns_keys_back *);
typedef int64_t (*ns_first_key_fn)(const void *job, int64_t row);      /* of a block that begins with the row, of any head; NULL: 0 */
void    ns_show_keys(ns_band *, const ns_branch *, ns_point, int64_t heads, ns_first_key_fn, ns_keys_fn make, void *job);
/* hook_pattern of a recurrence: dW[t, s] = dz_t . v_s. */
void    ns_show_unrolled(ns_band *, const ns_branch *, const ns_scan *, const float *dz, int64_t ld);
int     ns_seed_add(const ns_pass *, ns_placed_seed *, float *grad, int64_t ld, int64_t width, int64_t row0);      /* row0: of grad */
void    ns_tape_linear(ns_band *, ns_cols x, ns_cols out, const ns_weight *, bool more);       /* more: as below */
void    ns_tape_act(ns_band *, ns_cols x, ns_cols out, ns_act, ns_cols up);
void    ns_tape_times(ns_band *, ns_cols x, ns_cols y, ns_cols out);
void    ns_tape_gate(ns_band *, ns_cols x, ns_cols out, ns_cols gate);
void    ns_tape_clip(ns_band *, ns_cols x, ns_cols out, float limit);
void    ns_tape_rope(ns_band *, ns_cols x, int64_t heads, int rope);
void    ns_tape_scale(ns_band *, ns_cols x, float factor);
void    ns_tape_softcap(ns_band *, ns_cols x, float cap);
void    ns_tape_share(ns_band *, ns_cols x, ns_cols out, float factor, bool more);
/* factor x is a part of the sum `out`; more: another part is noted already */
void    ns_tape_conv(ns_band *, ns_cols x, ns_cols out, const int *slots, int n_slots, int64_t taps);
void    ns_tape_softplus(ns_band *, ns_cols x, ns_cols out, const ns_gains *bias, double sign, double low, double high);
void    ns_tape_log_decay(ns_band *, ns_cols step, ns_cols out, int64_t heads, const ns_gains *table, double rate);
void    ns_tape_lower_bound(ns_band *, ns_cols x, ns_cols out, const ns_gains *table, int64_t depths, int64_t depth);
void    ns_tape_sigmoid(ns_band *, ns_cols x, ns_cols out, float times);
void    ns_tape_route(ns_band *, const ns_router *, ns_cols logits, ns_cols score, ns_cols choices);
/* From the band's rows to those of an expert, times their weights or not; and from the expert's to the sum over experts. */
void    ns_tape_gather(ns_band *expert, ns_cols from, ns_cols to, ns_cols choices, const ns_router *, int64_t number,
                       const ns_share *, bool weigh);
void    ns_tape_scatter(ns_band *expert, ns_cols from, ns_cols to, ns_cols choices, const ns_router *, int64_t number,
                       const ns_share *, bool weigh);
ns_share *ns_tape_shares(ns_band *, const ns_share *, int64_t n);      /* a copy that the tape keeps; NULL with b->rc: no memory */
void    ns_tape_bound(ns_band *, ns_cols gate, ns_cols up, float limit, float offset);
void    ns_tape_switch(ns_band *, ns_cols x, ns_cols y);
void    ns_tape_skip(ns_band *, ns_cols z, ns_cols v, ns_cols out, int64_t heads, const ns_gains *D);
/* These two compute what they give: z of whole sequences, whose states begin at 0; a scan by its scaled q and its decays' factors. */
void    ns_tape_scan(ns_band *, const ns_scan *, ns_cols q, ns_cols a, ns_cols z);
void    ns_tape_soft_decay(ns_band *, ns_cols gate, ns_cols out, const ns_gains *table, double rate);
void    ns_tape_keep_norm(ns_band *, ns_cols log_decay, ns_cols out);
void    ns_tape_channels(ns_band *, const ns_channels *, ns_cols out);
ns_cols ns_tape_attend(ns_band *, const ns_attn *, ns_cols q, const ns_gains *sinks);

/* ---- a pass over whole sequences ---- */
/* A band of `rows` rows without numbers; its sheets and gradients are those of the pass and the tape, again and again. */
int     ns_tape_begin(ns_band *, ns_pass *, ns_tape *, const ns_member *, int n_members);
int     ns_tape_layer(ns_band *, int64_t layer, const ns_layer_weights *);
ns_cols ns_tape_logits(ns_band *, const ns_weight *head);      /* [rows, V] of the residual stream; [rows, D] normalised without a head */
/* From the derivatives that ns_grad_into was given to those of the first sheet and of the weights, over the steps from number `first` on,
 * which are then taken off the tape. */
int     ns_tape_back(ns_band *, int64_t first);

#endif
