/* ablate.h - do these heads matter? The cases under every condition: untouched, the heads silenced or blinded, and controls, all draws
 * kept.
 *
 * Controls of the z and pattern modes are as many other heads of like norm (control.h: how like they are is part of the answer). The
 * control of knockout hides other keys, of as much weight at most (a head that looks at little else has no more), from the same heads in
 * the same rows. measures.md §2. */
#ifndef NEEDLESCOPE_ABLATE_H
#define NEEDLESCOPE_ABLATE_H

#include <needlescope/control.h>
#include <needlescope/edit.h>
#include <needlescope/model.h>
#include <needlescope/probe.h>
#include <needlescope/record.h>

NS_BEGIN

typedef struct ns_ablate_params {
    size_t         size;
    const ns_head *heads; int n_heads;       /* the target set: (layer, head) */
    const char    *scores_sha256;                 /* weights_sha256 of the scores that chose them, "" = not known; NULL = no scores did */
    const char    *scores_arch_sha256;            /* and their arch_sha256; "" or NULL = not known */
    unsigned       modes;                         /* 1u << NS_EDIT_ZERO_Z | ...; zero_z, mean_z, uniform_attn, knockout */
    ns_edit_scope  scope;
    int            draws;                         /* controls a mode; 0 = 20 */
    uint64_t       seed;
    /* cases behind the short-context loss, spread over their kinds; 0 = 16, negative = none */
    int            loss_cases;
    void         (*progress)(void *user, double fraction);
    bool         (*cancelled)(void *user);
    void          *user;
} ns_ablate_params;

typedef enum ns_condition_kind { NS_CONDITION_NONE, NS_CONDITION_NOOP, NS_CONDITION_TARGET, NS_CONDITION_CONTROL } ns_condition_kind;
typedef struct ns_condition {
    ns_condition_kind kind;
    ns_edit_mode      mode;
    int               draw;                       /* of a control; -1 otherwise */
    ns_head *heads; int n_heads;
    /* of a control: every head lies in the layer of the one it stands for; within the caliper of its norm */
    bool              layer_matched, matched;
    /* accuracy of the first content token, of the others (NaN: one-token answers), of whole answers */
    double            first, rest, answered;
    double            margin;                     /* mean over content tokens of gold logit - best other logit */
    double            margin_first;
    /* of knockout_others: the weight that it hid / the needle's, over rows, heads and cases; NaN otherwise */
    double            hidden;
    /* nats: next-token loss on prompt rows outside needle, answer and question, edit at all rows; NaN: not taken */
    double            loss;
} ns_condition;

typedef struct ns_ablation {
    ns_condition *list;  int n;                   /* none, noop, then for each mode the target and its controls */
    int64_t       n_cases;
    char        **case_id;                        /* [C] */
    uint8_t      *first_right;                    /* [n, C] */
    int64_t      *content_right, *content;        /* [n, C], [C] */
    float        *margin, *margin_first;          /* [n, C] */
    float        *norm;                           /* [L, H] mean |z W_O| over the answer rows */
    int64_t       L, H;
    ns_controls   controls;                       /* of all modes but knockout */
    uint8_t      *in_loss;                        /* [C] 1: behind the losses; spread over the kinds of cases, value type x template */
    int64_t       n_loss, n_loss_kinds;
    ns_dropped   *dropped;  int n_reasons;        /* cases that were left out, by reason */
    ns_edit_scope scope;
    uint64_t      seed;
    char          scores_sha256[65];  const char *scores_are_of;      /* ns_scores_are_of */
    char          cases_sha256[65];
    ns_fact_list  made_with;                      /* what is said of the model */
} ns_ablation;

/* NS_E_ARG when no case has an answer and the span needle_answer, or a head is not there; NS_STOP when cancelled. */
NS_API NS_MUST_CHECK int ns_ablate(ns_ablation **out, const ns_model *, const ns_cases *, const ns_ablate_params *, ns_error *);
NS_API void ns_ablation_free(ns_ablation *);
/* Mean, least and most of each measure over the controls of the target condition; returns how many there are. Their heads and draws are
 * none. */
NS_API int ns_ablation_spread(const ns_ablation *, int target, ns_condition *mean, ns_condition *least, ns_condition *most);
/* ablation.h5: axes condition, case; mode, kind, draw, heads of each condition; what each case gave. */
NS_API NS_MUST_CHECK int ns_ablation_write(const ns_ablation *, const char *path, const ns_provenance *by, ns_error *);

/* Mean z of every head over the rows in scope of the cases, for NS_EDIT_MEAN_Z: mean[L, H, d], H and d the largest of any layer; 0 where
 * there is no such head. An untouched, teacher-forced pass. Unlike ns_ablate it asks for no answer and no needle; cases too long for the
 * model are NS_E_ARG. */
NS_API NS_MUST_CHECK int ns_mean_z(const ns_model *, const ns_cases *, ns_edit_scope, float *mean, ns_error *);

NS_END
#endif
