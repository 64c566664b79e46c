/* paper.h - between the parts of the paper's page: runs (runs.c), what is computed on them (plan.c), what was measured (measures.c), which
 * verdict that earns (rules.c), the claims (claims.c), figures (figures.c) and the page (page.c). Internal. */
#ifndef NS_PAPER_INTERNAL_H
#define NS_PAPER_INTERNAL_H

#include <needlescope/paper.h>

#include "lab/jobs.h"
#include "lab/laboratory.h"

/* ---- rules.c: the verdict of a claim, by numbers alone ---- */

typedef enum paper_word { PAPER_NOT_TESTABLE, PAPER_SUPPORTED, PAPER_REFUTED, PAPER_UNDECIDED, PAPER_WORDS } paper_word;
const char *ns_paper_word(paper_word);               /* "supported" ... */

typedef struct paper_verdict {
    paper_word  word;
    bool        few;                     /* undecided, since no p of so many seeds can be alpha or less */
    ns_evidence evidence, control;       /* effect > 0; effect > control (n = 0: the claim has none) */
    double      against, control_against;         /* p of the contrary */
    double      median, low, high, level;         /* of the effect; [low, high] covers its median over seeds with this probability; NaN: one
                                                   * seed has none */
    double      control_median;
    double      same;                    /* share of redrawn seeds that earn the same word */
} paper_verdict;
/* effect[n], control[n] (NULL: none) by seed, NaN: not measured. Supported: every test that the claim has gives p <= alpha, exact sign
 * tests over seeds, of effect > 0 and of effect > control. Refuted: one gives p <= alpha the other way. No number at all: not testable. */
double ns_paper_by_chance(int64_t n, double alpha);  /* how often a sign test of n fair coins gives p <= alpha */
paper_verdict ns_paper_judge(const double *effect, const double *control, int64_t n, double alpha);

/* ---- measures.c: one number of a run ---- */

typedef enum paper_measure {
    PAPER_SHORT_EARLY, PAPER_SHORT_LATE, PAPER_LONG_EARLY, PAPER_LONG_LATE,
    PAPER_BIRTH, PAPER_PREVIOUS, PAPER_FULL_SHARE, PAPER_ACCURACY, PAPER_LONGER, PAPER_LONGEST, PAPER_RECALL,
    PAPER_WRITES, PAPER_WRITES_OTHERS,
    PAPER_INTACT, PAPER_CUT, PAPER_CUT_OTHERS,
    PAPER_FAR, PAPER_FAR_FULL, PAPER_FAR_EFFICIENT,
    PAPER_GAIN_FULL, PAPER_GAIN_EFFICIENT, PAPER_GAIN_SHUFFLED,
    PAPER_INFLUENCE, PAPER_INFLUENCE_SHUFFLED,
    PAPER_ENTROPY, PAPER_ENTROPY_STEP, PAPER_ENTROPY_OTHERS, PAPER_DISTANCE, PAPER_DISTANCE_STEP, PAPER_DISTANCE_OTHERS,
    PAPER_MEASURES
} paper_measure;
typedef struct paper_measure_row { const char *name, *file, *what; } paper_measure_row;      /* file: "score/RUN.h5", where it was read */
extern const paper_measure_row ns_paper_measures[PAPER_MEASURES];

/* ---- runs.c ---- */

/* What a pattern is: F alone; windows beside F; a recurrence beside F; windows in half of the heads; any of them with full layers that do
 * not rotate. */
typedef enum paper_kind { PAPER_FULL, PAPER_WINDOW, PAPER_RECURRENT, PAPER_HEADS, PAPER_NOPE } paper_kind;
typedef struct paper_run {
    char   *name, *folder, *pattern;
    int64_t window, seed, last;          /* its newest checkpoint */
    bool    nope;
    int64_t arm;                         /* index into paper.arms */
    int64_t n_layers, n_heads, d_model, vocab, tokens_per_step;
    lab_result result;                   /* lengths and ablation, as the laboratory reads them; heads: those that find */
    double  value[PAPER_MEASURES];       /* NaN: not measured; INFINITY: not born */
} paper_run;
typedef struct paper_arm { const char *pattern; int64_t window; paper_kind kind; char text[80]; } paper_arm;   /* "SFSF W=4" */

enum { PAPER_FIGURES = 8 };
typedef struct paper_figure { const char *file; char words[200]; } paper_figure;       /* figures/FILE.png, and what it shows */

typedef struct paper {
    const ns_paper_params *params;
    ns_laboratory_params lab_params;
    laboratory  lab;                     /* the protocol, the folder, its lock and its jobs; results in it are not used */
    paper_run  *runs; int64_t n_runs, capacity;
    paper_arm  *arms; int64_t n_arms;    /* full, windows ascending, recurrences by pattern, the rest */
    int64_t    *seeds, n_seeds;          /* ascending */
    int64_t     step;                    /* the last that all runs have: what "final" means */
    bool        trained;                 /* here, by the committed protocol */
    ns_stream  *plan;                    /* of a dry run, */
    cJSON      *plan_json;               /* and the same for --json */
    int64_t     strangers;               /* runs in study.h5 that were not named: figures of it show them, numbers are not of them */
    paper_figure figures[PAPER_FIGURES]; int n_figures;      /* that were drawn in this call */
} paper;

extern const char ns_paper_title[];      /* the first line of paper.md */
#define PAPER_SCHEMA "needlescope.paper/1"
#define PAPER_PLAN_SCHEMA "needlescope.paper-plan/1"

int  ns_paper_find_runs(paper *, ns_error *);
void ns_paper_clear(paper *);
/* NULL: there is none, or it has no number. */
const paper_run *ns_paper_run_of(const paper *, int64_t arm, int64_t seed);
double ns_paper_value(const paper *, int64_t arm, int64_t seed, paper_measure);
/* An arm of the kind with the smallest or the largest window; -1: none. */
int64_t ns_paper_arm(const paper *, paper_kind, bool largest);

/* ---- plan.c: what is computed; measures.c: what is read ---- */
int ns_paper_compute(paper *, ns_error *);
int ns_paper_read_heads(paper *, ns_error *);        /* score/RUN.h5 -> result.heads */
int ns_paper_measure(paper *, ns_error *);
extern const char *const ns_paper_folders[];         /* that files of runs lie in; ends with NULL */
/* A constraint is 1 / 8 of the context, as 2,048 of 16,384. */
enum { PAPER_KEYS = 8, PAPER_LAST = 4, PAPER_TEXTS = 128, PAPER_CLASSES = 4 };

/* ---- claims.c ---- */
typedef struct paper_claim {
    const char *id, *says, *source;      /* where the paper says it */
    const char *rule;                    /* effect and control in words: fixed before the runs */
    const char *compared;                /* what is held beside what, and how alike they are otherwise */
    double    (*effect)(const paper *, int64_t seed), (*control)(const paper *, int64_t seed);    /* NULL: nothing to measure; no control */
    const char *needs;                   /* why nothing was measured, where nothing was; of what our scale cannot test: why */
    const char *mind;                    /* what speaks against reading too much into it, or how else it could have come out */
    paper_measure shown[4]; int n_shown; /* the table by architecture */
} paper_claim;
extern const paper_claim ns_paper_claims[], ns_paper_untested[];         /* end with id = NULL */
paper_verdict ns_paper_judge_claim(const paper *, const paper_claim *, double *effect, double *control);    /* [n_seeds] each */

/* ---- figures.c, page.c ---- */
int ns_paper_draw(paper *, ns_error *);
int ns_paper_write(paper *, ns_paper_report *, ns_error *);

#endif
