/* laboratory.h - what the files of the laboratory share: the protocol, the runs it asks for, what was found, and the folder they live in:
 *     DIR/protocol.json  cases/LENGTH.jsonl  configs/RUN.json  runs/RUN/  scan/  study.h5  lengths/RUN-STEP.h5  ablate/RUN.h5
 *     figures/  summary.json  summary.txt  log/ */
#ifndef NS_LAB_LABORATORY_H
#define NS_LAB_LABORATORY_H

#include <needlescope/control.h>
#include <needlescope/head.h>
#include <needlescope/laboratory.h>
#include <needlescope/training.h>

#include "core/core.h"

typedef struct lab_run {
    char   *name;                        /* "SSFS-W4-s100", "SSFS-W4-nope-s100" */
    const char *arm, *pattern;           /* borrowed from the protocol */
    int64_t window, seed;                /* window of a pattern without S: the training length */
    bool    nope;
} lab_run;

/* What the protocol's `claims` fixes. Shares are of the intact accuracy (P1) or of the accuracy at the trained length (P4). */
typedef struct lab_thresholds {
    double alpha;                        /* a claim holds with a p of at most this */
    double edges_cut, others_cut;        /* P1: less than this is left, this and more is left */
    double recall;                       /* Competition: recall in the window above it */
    double answers;                      /* P3: needle accuracy of a run that answers */
    double kept;                         /* P4 */
    double swap_answers;                 /* the runs whose swapped cases are spoken of */
} lab_thresholds;

/* ---- what was found, one a run; events in steps ---- */
enum { LAB_HEADS = 64, LAB_DRAWS = 64, LAB_LENGTHS = 8 };
typedef struct lab_result {
    bool     measured, ablated;          /* its study rows are complete; its ablation ran */
    ns_event find, previous, solved;     /* best head of the full layers; best previous-token head below them; needle accuracy >= theta */
    ns_event sweep[NS_SWEEP];            /* of the best head, at other thresholds */
    double   low, high;                  /* 95 % of the median over seeds of such runs; INFINITY: beyond the horizon; NaN below 5 seeds */
    double   null_p;                     /* of the best head's score at its birth, needle and control exchanged; NaN: not born */
    ns_head  heads[LAB_HEADS];           /* with find >= theta at the horizon */
    int      n_heads;
    ns_head  previous_head;              /* the best previous-token head below them, at the horizon; layer -1: none */
    bool     whole_layer;                /* those are all heads of their layers: nothing to match layers with */
    double   accuracy[LAB_LENGTHS], swap;         /* at the horizon, by length; on the swapped cases */
    double   loss, loss_filler, loss_near, loss_mid, loss_far, in_window;
    double   intact, knocked, silenced;  /* accuracy: none, edges to the needle cut in those heads, those heads' output zeroed */
    double   others[LAB_DRAWS];          /* the same heads, other keys cut, of as much weight at most */
    int      n_others;
    double   others_weight;              /* of the needle's weight that was hidden with them, mean of the draws; NaN: not known */
    double   draws[LAB_DRAWS];           /* as many other heads zeroed */
    ns_match match;                      /* how like they are in norm */
    bool     hits_previous[LAB_DRAWS];   /* the draw holds the previous-token head */
    int      n_draws;
} lab_result;

/* A question, asked by a committed protocol: an array of lines that ends with NULL (protocol.sed.in). */
typedef struct lab_study { const char *name, *title; const char *const *protocol; } lab_study;

typedef struct laboratory {
    const ns_laboratory_params *params;
    const lab_study *study;
    const char *dir;
    cJSON      *protocol;
    const char *scale;
    bool        own_protocol, own_choice;         /* not the committed one; seeds or windows of the caller's */
    int64_t     seeds, first_seed, steps, every, batch, length, draws, validation_seed, case_seed, n_cases;
    int64_t     lengths[LAB_LENGTHS];
    int         n_lengths;               /* of the cases; the first is the training length */
    const char *score;                   /* whose births are meant; borrowed from the protocol */
    ns_birth_params birth;
    double      sweep[NS_SWEEP];
    int64_t     resamples;               /* of seeds behind the births' intervals; 0 = as many as `emergence` takes */
    lab_thresholds claims;
    lab_run    *runs;
    int64_t     n_runs, capacity;
    lab_result *results;                 /* [n_runs] */
    const char *null_control;            /* what the needle was exchanged with; NULL: nothing was born */
    int         cores;
    int64_t     failures;                /* failed jobs so far */
    int         lock;                    /* of DIR/lock, inherited by the children */
    char       *text, *json;             /* the summary, from its stage on */
} laboratory;

void  ns_laboratory_say(const laboratory *, ns_laboratory_line, const char *fmt, ...) NS_PRINTF(3, 4);
char *ns_laboratory_path(const laboratory *, const char *fmt, ...) NS_PRINTF(2, 3);     /* DIR/..., malloc'd */

/* ---- laboratory.c ---- */
/* DIR/lock, waited for; DIR/protocol.json, NS_E_ARG where it is another one. */
int  ns_laboratory_lock(laboratory *, ns_error *);
int  ns_laboratory_keep_protocol(const laboratory *, ns_error *);
int  ns_laboratory_find_protocol(const laboratory *, bool *there, ns_error *);      /* the same, and nothing is written */

/* ---- protocol.c, rules.c ---- */
extern const char *const ns_protocol_laziness[], *const ns_protocol_mixers[], *const ns_protocol_paper[];
int  ns_laboratory_plan(laboratory *, const ns_laboratory_params *, ns_error *);
void ns_laboratory_clear(laboratory *);
int  ns_laboratory_write_configs(const laboratory *, ns_error *);
/* The pattern of the protocol's first arm of that name, whatever the size; NULL: it has none. */
const char *ns_laboratory_pattern(const laboratory *, const char *arm);
/* Every key is known, every key is there: NS_E_FORMAT names the one that is not and the nearest that is known. */
int  ns_laboratory_check_protocol(const cJSON *protocol, const char *label, ns_error *);
/* emergence, claims -> birth, sweep, score, claims */
int  ns_laboratory_read_rules(laboratory *, const char *label, ns_error *);

/* ---- stages.c: what is done, in order; ends with name = NULL ---- */
typedef struct lab_stage { const char *name; int (*run)(laboratory *, ns_error *); } lab_stage;
extern const lab_stage ns_laboratory_stages[];
/* Its parts, for who else works in such a folder: cases and configs; training of one run; scan/ -> study.h5. */
int  ns_laboratory_prepare(laboratory *, ns_error *);
struct ns_jobs;
int  ns_laboratory_add_training(laboratory *, struct ns_jobs *, const lab_run *, ns_error *);
int  ns_laboratory_merge(laboratory *, ns_error *);
/* Runs and clears them; each that fails is a warning, and counted. */
int  ns_laboratory_run_jobs(laboratory *, struct ns_jobs *, const char *what, ns_error *);
extern const char ns_laboratory_probes[];                 /* what every checkpoint is scored by: "retrieval_find,..." */

/* ---- results.c: study.h5, lengths/, ablate/ -> results ---- */
/* study.h5 and what `emergence` finds in it by the protocol's rule and horizon; runs that do not reach it are left out. Both NULL when
 * there is no study. */
int  ns_laboratory_open_births(const laboratory *, ns_study **, ns_emergence **, ns_error *);
int  ns_laboratory_read_results(laboratory *, ns_error *);
/* What one such file holds, into out; nothing where it is not there. */
int  ns_laboratory_read_lengths(const laboratory *, const char *path, lab_result *out, ns_error *);
int  ns_laboratory_read_ablation(const laboratory *, const char *path, lab_result *out, ns_error *);
int  ns_laboratory_read_ablations(laboratory *, ns_error *);

/* ---- figures.c: study.h5 -> figures/ ---- */
int  ns_laboratory_draw(laboratory *, ns_error *);

/* ---- summary.c: results -> summary.json, summary.txt ---- */
/* Both malloc'd. */
int  ns_laboratory_summarise(const laboratory *, cJSON **json, char **text, ns_error *);

#endif
