/* edit.h - interventions as data: each edit becomes hooks (hooks.h), so an edited pass is an ordinary pass.
 *
 * Rows: a case's prompt has T tokens; its answer rows T - 1 + j are the decode rows (the row T - 1 says the first token), all rows before
 * them are prefill. A head edit is of one query head; a head that is named in a layer that has no such head is an error. */
#ifndef NEEDLESCOPE_EDIT_H
#define NEEDLESCOPE_EDIT_H

#include <needlescope/head.h>
#include <needlescope/hooks.h>

NS_BEGIN

typedef enum ns_edit_mode {
    NS_EDIT_NOOP,              /* touches nothing: the same bits as no edit */
    NS_EDIT_ZERO_Z,            /* z of the head = 0 */
    NS_EDIT_MEAN_Z,            /* z of the head = mean[] */
    NS_EDIT_UNIFORM_ATTN,      /* weight 1 / n on each of the n visible keys (Wu et al. 2024 in effect: logits set to 0 after the mask) */
    NS_EDIT_KNOCKOUT,          /* decode rows cannot see the needle: -inf before the softmax, so the rest is renormalised (Geva et al.
                                * 2023); of a recurrence the needle's terms are left out of the row's sum */
    NS_EDIT_KNOCKOUT_OTHERS,   /* its control: the same head and rows, other keys drawn at random, with as much weight as the needle at most
                                * */
    NS_EDIT_N_MODES
} ns_edit_mode;
typedef enum ns_edit_scope { NS_SCOPE_ALL, NS_SCOPE_PREFILL, NS_SCOPE_DECODE } ns_edit_scope;
NS_API const char *ns_edit_mode_name(ns_edit_mode);        /* "zero_z" */

typedef struct ns_edit {
    size_t         size;
    ns_edit_mode   mode;
    ns_edit_scope  scope;      /* knockouts: decode rows; NS_SCOPE_PREFILL is refused, since none of them is in it */
    const ns_head *heads; int n_heads;                /* (layer, head), copied */
    const float   *mean;       /* NS_EDIT_MEAN_Z: [n_heads, d], d the largest head_dim; copied */
    const char    *span;       /* knockouts: spans called so, or so with a number behind (needle, needle.1); NULL = "needle" */
    uint64_t       seed;       /* NS_EDIT_KNOCKOUT_OTHERS: the draw, by (seed, case, layer, head, row) */
    /* NS_EDIT_KNOCKOUT_OTHERS, may be NULL: told of every row what share of its weight was hidden, and what share the needle has; user is
     * that of ns_edits_new. */
    void         (*hid)(void *user, const ns_site *, double hidden, double needle);
} ns_edit;

/* Several edits, one for each condition of a pass: a session is edited by number which(user, site); negative: not at all. which NULL: all
 * edits apply to every session. NS_E_ARG names a head that is not there, or pattern edits of a recurrent layer. */
typedef struct ns_edits ns_edits;
NS_API NS_MUST_CHECK int ns_edits_new(ns_edits **out, const ns_arch *, const ns_edit *list, int n,
                                      int (*which)(void *user, const ns_site *), void *user, ns_error *);
NS_API void ns_edits_free(ns_edits *);
/* Rows for ns_hooks_new, borrowed; only the layers that an edit touches are hooked. */
NS_API const ns_hook *ns_edits_hooks(const ns_edits *, int *n);

NS_END
#endif
