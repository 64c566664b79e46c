/* run.h - one training run: its config file, its folder, its metrics. Between run_train.c, run_config.c and run_metrics.c. */
#ifndef NS_LAB_RUN_H
#define NS_LAB_RUN_H

#include <needlescope/lab.h>
#include <needlescope/record.h>
#include <needlescope/run.h>
#include <needlescope/train.h>

#include "core/core.h"

/* ---- run_config.c: CONFIG.json and FOLDER/run.json ---- */
typedef struct ns_run {
    ns_train_config train;
    ns_train_model *model;               /* NULL: the pattern of `train` */
    char   *name, *corpus_file;          /* corpus_file NULL = the laboratory's language */
    int     corpus_width;
    int64_t checkpoint_every, validation_sequences, validation_seed;
    cJSON  *coords;                      /* numbers and texts */
    char    sha256[65];                  /* over whatever decides the run's bits */
    int     lock;                        /* of the folder, -1 = not taken */
} ns_run;
/* A run without a name is called as its folder. */
int  ns_run_read(ns_run *, const ns_run_params *, ns_error *);
void ns_run_clear(ns_run *);
int  ns_run_open_corpus(const ns_run *, bool validation, ns_corpus **, ns_error *);
/* Makes the folder and keeps other processes out of it until ns_run_clear; removes what a killed one left half written. */
int  ns_run_lock(ns_run *, const char *run_dir, ns_error *);
/* Writes run.json; one that is there must be of this very run, and resume must be asked for. */
int  ns_run_claim(const ns_run *, const char *run_dir, bool resume, ns_error *);

/* ---- run_metrics.c: FOLDER/metrics.h5, one row a checkpoint ---- */
typedef struct ns_metrics ns_metrics;
enum { NS_METRIC_LR = 7, NS_METRIC_GRAD_NORM, NS_METRIC_TRAIN_LOSS, NS_METRICS };
int  ns_metrics_open(ns_metrics **, const ns_run *, const char *run_dir, const ns_provenance *by, ns_error *);
void ns_metrics_close(ns_metrics *);
/* Takes over the rows that the file holds of steps <= last: what a resumed run goes on from. */
int  ns_metrics_resume(ns_metrics *, int64_t last, ns_error *);
/* Measures the trainer on the validation batch and writes the file anew. result NULL: before the first step. */
int  ns_metrics_add(ns_metrics *, ns_trainer *, const ns_train_result *result, ns_error *);
double ns_metrics_loss(const ns_metrics *);              /* of the last row */

#endif
