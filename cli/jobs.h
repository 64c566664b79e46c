/* jobs.h - child processes of this very program, a core each: how `lab laziness` uses all cores. posix_spawn, never a bare fork. */
#ifndef NS_CLI_JOBS_H
#define NS_CLI_JOBS_H

#include <sys/types.h>

#include "cli/cli.h"

enum { CLI_JOB_WORDS = 40 };
typedef struct cli_job {
    char  *name;                     /* what a line about it says */
    char  *words[CLI_JOB_WORDS];     /* arguments of the program, owned; ends with NULL */
    int    n_words;
    char  *out, *log;                /* files for its stdout and stderr */
    int64_t after;                   /* index of the job that must have succeeded before; -1 = none */
    double weight;                   /* its share of the work */
    bool   optional;                 /* its failure is no failure of the whole */
    bool   lenient;                  /* exit 1 (finished, but a check failed) is as good as 0 */
    /* set while they run */
    enum { CLI_JOB_WAITS, CLI_JOB_RUNS, CLI_JOB_DONE, CLI_JOB_FAILED, CLI_JOB_SKIPPED } state;
    pid_t  pid;
    double seconds, started;
} cli_job;

typedef struct cli_jobs { cli_job *list; int64_t n, capacity; } cli_jobs;

/* A new job whose output and log go to FOLDER/NAME.json and .log; the pointer holds until the next call. NULL: memory is out. */
cli_job *cli_jobs_add(cli_jobs *, const char *folder, const char *name, int64_t after, double weight);
/* Appends arguments, copied; false: memory is out, or too many. */
bool cli_job_words(cli_job *, const char *const *words, int n);
void cli_jobs_clear(cli_jobs *);

typedef struct cli_jobs_watch {
    double (*progress)(void *user, const cli_job *);      /* of a running job, 0 .. 1; NULL = nothing known */
    void   (*finished)(void *user, const cli_job *);
    void   *user;
} cli_jobs_watch;
/* Runs them, `cores` at a time, in the order of the list. A failed job fails those after it only. NS_STOP when one failed, NS_E_IO when interrupted
 * (the children are ended and waited for). */
int  cli_jobs_run(cli *, cli_jobs *, int cores, const char *what, const cli_jobs_watch *);
/* The last line of a job's log, malloc'd; NULL when it is empty. */
char *cli_job_complaint(const cli_job *);

#endif
