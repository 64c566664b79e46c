/* scan.h - every checkpoint of every run scored into a shard of its own, and the shards merged into a study.
 *
 * OUT/shards/RUN/step000120.h5 (stage2-step000120.h5 of a later stage, by the step within it) is a score file with the facts run, stage,
 * step, tokens, run.KEY and scan_sha256, written aside and renamed: it is done when it opens, its scan_sha256 says what is asked now (run,
 * step, probes, cases, arch, kernel class) and it is of these weights: by the same files, or by their hash. A checkpoint that fails leaves
 * step000120.failed with the reason, which holds as long as its files and what is asked stay as they are. So a scan that was killed loses
 * the checkpoint in hand, and a second call does what is missing.
 *
 * Any number of scans, on any number of nodes, may work on one folder: step000120.claim says which of them has the checkpoint in hand.
 * step000120.seen remembers that a shard is done, so that nobody need open it again. */
#ifndef NEEDLESCOPE_SCAN_H
#define NEEDLESCOPE_SCAN_H

#include <needlescope/open.h>
#include <needlescope/probe.h>
#include <needlescope/series.h>

NS_BEGIN

typedef enum ns_scan_outcome { NS_SCAN_SCORED, NS_SCAN_PRESENT, NS_SCAN_FAILED_NOW, NS_SCAN_FAILED_BEFORE } ns_scan_outcome;

/* A run: its folder, and its run.json when there is one. */
typedef struct ns_scan_run {
    char     *folder, *name;
    char     *coords;            /* JSON object as text, "{}" without a run.json */
    char     *unread;            /* keys of the run.json that nobody reads, as such an object; NULL = none. A scan's open.warn is told */
    int64_t   tokens_per_step;   /* 0 = not known */
    char      stamp[65];         /* ns_series_stamp of the folder; "" = not known, and with a manifest */
    ns_series series;
} ns_scan_run;
/* manifest: NULL = names decide */
NS_API NS_MUST_CHECK int ns_scan_run_open(ns_scan_run *out, const char *folder, const char *manifest, ns_error *);
/* The same without a manifest, for one task of many: where an earlier scan into `scan` has looked at all of the run's checkpoints, and its
 * folder is what it was, they are not looked at again. */
NS_API NS_MUST_CHECK int ns_scan_run_open_known(ns_scan_run *out, const char *folder, const char *scan, ns_error *);
NS_API void ns_scan_run_close(ns_scan_run *);

/* The first checkpoint, in the order of runs and steps, that opens: what cases are read with. None does: the error is the very first one's.
 * Of `how` path and revision are not looked at. */
NS_API NS_MUST_CHECK int ns_scan_open_first(ns_opened **out, const ns_scan_run *runs, int64_t n_runs, const ns_open_params *how,
                                            ns_error *);

typedef struct ns_scan_params {
    size_t  size;
    const char *out;                              /* folder of the scan; made if need be */
    const ns_cases *cases;                        /* of text: a run with another tokenizer reads their files again with its own */
    ns_score_params score;                        /* probes, definitions, special tokens; its reference is each run's last checkpoint */
    ns_open_params open;                          /* how each checkpoint is opened; its path, revision and want are the scan's, its engine
                                                   * serves all */
    int64_t shard, n_shards;                      /* does checkpoints whose number % n_shards == shard; 0, 0 = all */
    const int64_t *steps;                         /* [2]: first and last step, both included; NULL = all */
    bool    force;                                /* score what is done, too */
    bool    retry_failed;                         /* try again what failed before */
    const ns_provenance *by;                      /* who scans, for every shard; NULL = not said */
    /* after each checkpoint */
    void  (*told)(void *user, const ns_scan_run *, const ns_series_item *, ns_scan_outcome, const char *message);
    void   *user;
} ns_scan_params;
typedef struct ns_scan_counts {
    int64_t scored, present, failed;              /* of this call's checkpoints; failed now or before */
    int64_t replaced;                             /* of the scored: had a shard of another checkpoint, kernel class or (by force) request */
    int64_t own, found, left_out;                 /* checkpoints of this call, of all runs, and those of other steps than asked for */
    int64_t empty_runs;                           /* runs that have none of the steps */
    int64_t unsealed;                             /* of the present: shards without a seal (ns_file_is_unsealed) */
    int64_t unread;                               /* of the scored: their own tokenizer cannot be read, so that the cases may not be of it;
                                                   * open.warn is told why, and the shard's fact tokenizer_unread says it */
} ns_scan_counts;
/* Refuses (NS_E_ARG) steps that no run has, two runs of one name (in one call, or the folder's from before); (NS_E_FORMAT) to replace a
 * shard of other cases or probes, or of the same checkpoint read by another arch, without force, and cases of another tokenizer than a
 * run's; (NS_E_UNSUPPORTED) shards of a newer version. A checkpoint whose own tokenizer makes other tokens of the cases than the run's
 * first did is one that failed.
 * OUT/index/RUN.json says which checkpoints were found and which taken, so that a merge misses those without a shard.
 * NS_OK also when some checkpoints failed (counts say so); NS_STOP when cancelled (params->score.cancelled). */
NS_API NS_MUST_CHECK int ns_scan(const ns_scan_run *runs, int64_t n_runs, const ns_scan_params *, ns_scan_counts *, ns_error *);

/* What such a call would do, refused as that is: its checkpoints, of them those whose shard is there (not scored again) and those that
 * failed before or do not open as the run's, the first for `why` (what the numbers of weights alone say, the scan finds); the bytes of
 * weights and the operations of the others (an upper bound: cases share beginnings); and how long it takes on this machine, by the rates
 * at which one layer of `first` (ns_scan_open_first) was read and run: the probes' own work is not in it. All 0 where nothing is left to
 * do. */
typedef struct ns_scan_prediction {
    int64_t checkpoints, present, failing, bytes;
    double  flops, bytes_per_second, flops_per_second, seconds;
    char    why[1200];                            /* "" where none would fail */
} ns_scan_prediction;
/* Writes nothing; params->out may be NULL. params->open.engine is needed. */
NS_API NS_MUST_CHECK int ns_scan_predict(const ns_scan_run *runs, int64_t n_runs, const ns_scan_params *, const ns_opened *first,
                                         ns_scan_prediction *, ns_error *);

/* Every checkpoint that scans into OUT have found, and every name that they left out: by OUT/index and the names, sizes and first bytes of
 * the files beside it, so also while scans run, on any machine. A shard that was cut waits: the next scan makes it again. */
typedef enum ns_scan_state { NS_SCAN_DONE, NS_SCAN_FAILED, NS_SCAN_IN_HAND, NS_SCAN_WAITS, NS_SCAN_NOT_TAKEN, NS_SCAN_GONE,
                             NS_SCAN_LEFT_OUT, NS_SCAN_NO_CHECKPOINT, NS_SCAN_N_STATES } ns_scan_state;
                             /* the last: a name without weights, as of a folder of logs; no study counts it */
typedef struct ns_scan_one {
    char   *run, *label;
    int64_t step;                                 /* -1: of a name that was left out */
    ns_scan_state state;
    char   *why;                                  /* failed, left out, cut: why; in hand: of which process; done: why its tokenizer could
                                                   * not be read; else NULL */
} ns_scan_one;
typedef struct ns_scan_status {
    ns_scan_one *list;
    int64_t n, capacity, n_runs, count[NS_SCAN_N_STATES];
    int64_t unread;                               /* of the done: their own tokenizer could not be read when they were scored */
} ns_scan_status;
NS_API NS_MUST_CHECK int ns_scan_status_read(ns_scan_status *, const char *out, ns_error *);
NS_API void ns_scan_status_clear(ns_scan_status *);

/* ---- Slurm ---- */
typedef struct ns_sbatch_params {
    size_t      size;
    const char *program, *out;                    /* the program's path; the scan's folder */
    const char *const *words;                     /* what follows `scan` on its command line, without -o and --shard */
    int64_t     n_words;
    int64_t     tasks, at_once;                   /* of the array; 0: all at once */
    int64_t     cpus;                             /* of a task: its threads */
    const char *memory, *time, *partition, *account;      /* as sbatch takes them; NULL: not said */
} ns_sbatch_params;
/* *out: a script for bash that submits the array and the merge behind it; malloc'd. Every task has its share of checkpoints by --shard
 * I/N, gets SIGTERM before its time is over, and goes back into the queue when it says 75; the merge runs whatever became of the tasks. */
NS_API NS_MUST_CHECK int ns_sbatch_script(char **out, const ns_sbatch_params *, ns_error *);

typedef struct ns_merge_params {
    size_t size;
    bool   mixed_kernels;                         /* allow shards of different kernel classes */
    bool   gone_too;                              /* also shards of checkpoints that the last scan did not find any more, and of others than
                                                   * it found in their place */
    const ns_provenance *by;                      /* who merges; NULL = not said */
} ns_merge_params;
/* The study of the shards below OUT, whatever their order, of the checkpoints that the last scan of each run found (OUT/index); refuses
 * shards that were asked for different things, naming two of them. */
NS_API NS_MUST_CHECK int ns_merge(const char *out, const char *study, const ns_merge_params *, ns_error *);

NS_END
#endif
