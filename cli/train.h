/* train.h - one training run: its config file, its folder, its metrics. Between cmd_train.c, train_config.c and train_metrics.c. */
#ifndef NS_CLI_TRAIN_H
#define NS_CLI_TRAIN_H

#include <needlescope/lab.h>
#include <needlescope/record.h>
#include <needlescope/train.h>

#include "cli/cli.h"

/* ---- train_config.c: CONFIG.json and RUN_DIR/run.json ---- */
typedef struct cli_run {
    ns_train_config train;
    char   *name, *corpus_file;          /* corpus_file NULL = the laboratory's language */
    int     corpus_width;
    int64_t checkpoint_every, validation_sequences, validation_seed;
    cJSON  *coords;                      /* numbers and texts */
    char    sha256[65];                  /* over whatever decides the run's bits */
    int     lock;                        /* of RUN_DIR, -1 = not taken */
} cli_run;
/* Reads the file; seed and steps < 0 leave the file's. name: what a run without a name is called. */
int  cli_run_read(cli_run *, const char *path, const char *name, int64_t seed, int64_t steps, ns_error *);
void cli_run_clear(cli_run *);
int  cli_run_open_corpus(const cli_run *, bool validation, ns_corpus **, ns_error *);
/* Makes RUN_DIR and keeps other processes out of it until cli_run_clear; removes what a killed one left half written. */
int  cli_run_lock(cli_run *, const char *run_dir, ns_error *);
/* Writes run.json; one that is there must be of this very run, and resume must be asked for. */
int  cli_run_claim(const cli_run *, const char *run_dir, bool resume, ns_error *);

/* ---- train_metrics.c: RUN_DIR/metrics.h5, one row a checkpoint ---- */
typedef struct cli_metrics cli_metrics;
enum { CLI_METRIC_LR = 7, CLI_METRIC_GRAD_NORM, CLI_METRIC_TRAIN_LOSS, CLI_METRICS };
int  cli_metrics_open(cli_metrics **, const cli_run *, const char *run_dir, ns_error *);
void cli_metrics_close(cli_metrics *);
/* Takes over the rows that the file holds of steps <= last: what a resumed run goes on from. */
int  cli_metrics_resume(cli_metrics *, int64_t last, ns_error *);
/* Measures the trainer on the validation batch and writes the file anew. result NULL: before the first step. */
int  cli_metrics_add(cli_metrics *, ns_trainer *, const ns_train_result *result, ns_error *);
double cli_metrics_loss(const cli_metrics *);            /* of the last row */

#endif
