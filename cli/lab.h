/* lab.h - lab laziness: the protocol, the runs it asks for, and the folder they live in:
 *     DIR/protocol.json  cases/LENGTH.jsonl  configs/RUN.json  runs/RUN/  scan/  study.h5  lengths/RUN-STEP.h5  ablate/RUN.h5
 *     figures/  summary.json  summary.txt  log/ */
#ifndef NS_CLI_LAB_H
#define NS_CLI_LAB_H

#include <needlescope/training.h>

#include "cli/jobs.h"

typedef struct cli_lab_run {
    char   *name;                        /* "SSFS-W4-s100", "SSFS-W4-nope-s100" */
    const char *arm, *pattern;           /* borrowed from the protocol */
    int64_t window, seed;                /* window of a pattern without S: the training length */
    bool    nope;
} cli_lab_run;

/* ---- what was found, one a run ---- */
typedef struct cli_lab_birth { int64_t before, at; } cli_lab_birth;       /* steps: born in (before, at]; at < 0: not up to `before`, the last
                                                                             checkpoint at which a birth could be confirmed; before =
                                                                             CLI_LAB_NO_HEAD: there is none to be born */
enum { CLI_LAB_NO_HEAD = -2 };
enum { CLI_LAB_HEADS = 64, CLI_LAB_DRAWS = 64 };
typedef struct cli_lab_result {
    bool    measured, ablated;           /* its study rows are complete; its ablation ran */
    cli_lab_birth find, previous, solved;     /* best head of the full layers; best previous-token head below them; needle accuracy >= theta */
    cli_lab_birth sweep[NS_SWEEP];       /* of the best head, at other thresholds */
    double  low, high;                   /* steps: 95 % of the median over seeds of such runs; INFINITY: beyond the horizon; NaN below 5 seeds */
    double  null_p;                      /* of the best head's score at its birth, against needle and placebo exchanged; NaN: not born */
    ns_head heads[CLI_LAB_HEADS];     /* (layer, head) with find >= theta at the horizon */
    int     n_heads;
    ns_head previous_head;               /* the best previous-token head below them, at the horizon; layer -1: none */
    bool    whole_layer;                 /* those are all heads of their layers: nothing to match layers with */
    double  accuracy[8], swap;           /* at the horizon, by length; on the swapped cases */
    double  loss, loss_filler, loss_near, loss_mid, loss_far, in_window;
    double  intact, knocked, silenced;   /* accuracy: none, edges to the needle cut in those heads, those heads' output zeroed */
    double  others[CLI_LAB_DRAWS];       /* the same heads, other keys cut, of as much weight at most */
    int     n_others;
    double  draws[CLI_LAB_DRAWS];        /* as many heads of like norm zeroed */
    bool    hits_previous[CLI_LAB_DRAWS];        /* the draw holds the previous-token head */
    int     n_draws;
} cli_lab_result;

typedef struct cli_lab {
    cli        *app;
    const char *dir;
    cJSON      *protocol;
    const char *size;                    /* "quick", "default", "full" */
    bool        own_protocol, own_choice;        /* --protocol; --seeds or --windows */
    int64_t     seeds, first_seed, steps, every, batch, length, draws;
    int64_t     lengths[8];
    int         n_lengths;               /* of the cases; the first is the training length */
    cli_lab_run *runs;
    int64_t     n_runs, capacity;
    cli_lab_result *results;             /* [n_runs] */
    int         cores, failures;         /* failed jobs so far */
    int         lock;                    /* of DIR/lock, inherited by the children */
} cli_lab;

/* ---- lab_protocol.c ---- */
extern const char *const cli_lab_protocol[];             /* the committed protocol's lines, NULL at the end: made by protocol.sed */
char *cli_lab_protocol_text(void);                       /* malloc'd: the committed protocol */
typedef struct cli_lab_choice {
    const char *protocol, *size;         /* protocol NULL: the committed one */
    int64_t     seeds;                   /* 0: the size's */
    cli_ints    windows;
} cli_lab_choice;
int  cli_lab_plan(cli_lab *, const cli_lab_choice *, ns_error *);
void cli_lab_clear(cli_lab *);
char *cli_lab_path(const cli_lab *, const char *fmt, ...) NS_PRINTF(2, 3);     /* DIR/..., malloc'd */
int  cli_lab_write_configs(const cli_lab *, ns_error *);

/* ---- lab_stages.c: what is done, in order; ends with name = NULL ---- */
typedef struct cli_lab_stage { const char *name; int (*run)(cli_lab *); } cli_lab_stage;
extern const cli_lab_stage cli_lab_stages[];

/* ---- lab_results.c: study.h5, lengths/, ablate/ -> results ---- */
/* study.h5 and what `emergence` finds in it by the protocol's rule and horizon; runs that do not reach it are left out. Both NULL when there is no study. */
int  cli_lab_open_births(const cli_lab *, ns_study **, ns_emergence **, ns_error *);
int  cli_lab_read_results(cli_lab *, ns_error *);
int  cli_lab_read_ablations(cli_lab *, ns_error *);

/* ---- lab_figures.c: study.h5 -> figures/ ---- */
int  cli_lab_draw(cli_lab *);

/* ---- lab_summary.c: results -> summary.json, summary.txt ---- */
/* Both malloc'd. */
int  cli_lab_summarise(const cli_lab *, cJSON **json, char **text, ns_error *);

#endif
