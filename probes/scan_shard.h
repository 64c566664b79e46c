/* scan_shard.h - inside of a scan: a checkpoint at work, what its shard is asked for, and whether it may be written. Internal. */
#ifndef NS_SCAN_SHARD_H
#define NS_SCAN_SHARD_H

#include <needlescope/scan.h>

#include "core/core.h"
#include "scan_index.h"

/* Of a run with another tokenizer than the caller's: cases.n is 0 of the others. */
typedef struct ns_own_cases { ns_cases cases; int32_t *special; int64_t n_special; } ns_own_cases;

/* A scan at the checkpoint `item` of `run`. */
typedef struct ns_scan_pass {
    const ns_scan_params *p;
    const ns_scan_run    *run;
    const ns_series_item *item;
    ns_own_cases         *own;                /* of `run` */
    const ns_cases       *cases;              /* of `run`, as all of these */
    const int32_t        *special;
    int64_t               n_special;
    char                  cases_sha256[65];
    char                 *probes;
    ns_scan_counts       *counts;
    ns_opened            *reference;          /* of `run`; loaded when a probe of weights is asked for */
    char                  reference_stamp[65];        /* of its files; "" where none is asked for */
    ns_opened            *first;              /* of `run`: its first checkpoint that opens; the others have its heads */
    const char           *first_label;
    ns_fact_list          first_facts;        /* of its arch and config */
    bool                  noted;              /* what the cases lack was told; all checkpoints have the same cases */
    bool                  told;               /* what is odd about the configs was told while the runs were looked at */
    bool                  none_opens;         /* of `run`: every one fails in its own turn */
    char                 *question;           /* what all checkpoints are asked */
    int64_t               number;             /* of `item`, among those that are asked for over all runs */
    bool                 *settled;            /* by number: has an outcome in this call */
    char                  unread[400];        /* why the tokenizer of the checkpoint in hand cannot be read; "" where it can, or need not */
    bool                  writing;            /* the shard in hand is being written: what fails now is the machine's fault */
    int64_t               waiting;            /* checkpoints that other scans have in hand, and one of those scans */
    char                  holder[NS_CLAIM_HOLDER];
    int                 (*visit)(struct ns_scan_pass *, const char *folder);   /* what is done with each checkpoint */
    void                 *user;               /* of `visit` */
    ns_error             *err;
} ns_scan_pass;

/* A checkpoint's files below OUT/shards/RUN, what it is asked, and what its own files look like (ns_checkpoint_stamp). */
typedef struct ns_scan_place { char *shard, *failed, *seen, *claim; char asked[65], stamp[65]; } ns_scan_place;
int  ns_scan_place_of(const ns_scan_pass *, const char *folder, ns_scan_place *, ns_error *);
void ns_scan_place_clear(ns_scan_place *);

/* ---- scan_seen.c ---- */
int  ns_scan_question(ns_scan_pass *);
bool ns_scan_seen(const ns_scan_pass *, const ns_scan_place *);          /* the shard is known to be what is asked now */
void ns_scan_see(const ns_scan_pass *, const ns_scan_place *);           /* and is remembered to be */
char *ns_scan_seen_unread(const char *path);                              /* of stepN.seen, for people; NULL: its tokenizer was read */
bool ns_scan_seen_as(const char *shard, const char *label);               /* a scan found its checkpoint under this name */
enum { NS_SCAN_WHY = 1200 };
bool ns_scan_failed(const ns_scan_place *, char why[NS_SCAN_WHY]);       /* what is asked now failed on these very files */
int  ns_scan_note_failure(const ns_scan_place *, const char *why, ns_error *);

/* ---- scan_cases.c ---- */
int  ns_scan_read_cases(ns_scan_pass *);                                 /* checks those of `run`, or reads them with its tokenizer */
void ns_scan_use_cases(ns_scan_pass *);
void ns_scan_cases_clear(ns_own_cases *);

/* ---- scan_reference.c ---- */
int  ns_scan_find_reference(ns_scan_pass *);                             /* of `run`, for reference_stamp */
int  ns_scan_load_reference(ns_scan_pass *, ns_error *);
int  ns_scan_same_reference(ns_scan_pass *, const ns_file *shard, bool *same, ns_error *);

/* ---- scan_work.c, scan.c ---- */
int  ns_scan_checkpoint(ns_scan_pass *, const char *folder);             /* the item: settled, or another scan has it in hand */
int  ns_scan_open_run(ns_scan_pass *);                                   /* the run's first checkpoint that opens, once */
int  ns_scan_look(ns_scan_pass *, const ns_scan_place *, ns_opened **, ns_fact_list *, bool *done, ns_error *);
/* A scan up to its first write, then visit(pass, folder of the run's shards) for each checkpoint. out = NULL: no shard is there. */
int  ns_scan_walk(const ns_scan_run *, int64_t n_runs, const ns_scan_params *, int (*visit)(ns_scan_pass *, const char *folder), void *user,
                  ns_error *);

/* Its architecture. What is odd about a config is told once a run. */
int   ns_scan_open(ns_opened **, const ns_scan_pass *, const ns_series_item *, ns_error *);
char *ns_shard_path(const ns_scan_pass *, const char *folder, const char *ending);
/* What the shard is asked for, scan_sha256 too. */
int   ns_shard_facts(const ns_scan_pass *, const ns_opened *, const char *stamp, ns_fact_list *, char scan_sha256[65], ns_error *);
/* May open the checkpoint's weights, for their hash. */
int   ns_scan_is_done(ns_scan_pass *, const ns_scan_place *, const char *scan_sha256, ns_opened *, bool *out, ns_error *);
int   ns_shard_check(const ns_scan_pass *, const char *path);

#endif
