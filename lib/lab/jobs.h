/* jobs.h - a list of calls of the needlescope program, a child process and a core each: how the laboratory uses all cores. posix_spawn,
 * never a bare fork. */
#ifndef NS_LAB_JOBS_H
#define NS_LAB_JOBS_H

#include <sys/types.h>

#include <needlescope/hooks.h>

#include "core/core.h"

enum { NS_JOB_WORDS = 40 };
typedef struct ns_job {
    char  *name;                     /* what a line about it says */
    char  *words[NS_JOB_WORDS];     /* arguments of the program, owned; ends with NULL */
    int    n_words;
    char  *out, *log;                /* files for its stdout and stderr */
    int64_t after;                   /* index of the job that must have succeeded before; -1 = none */
    double weight;                   /* its share of the work */
    bool   lenient;                  /* exit 1 (finished, but a check failed) is as good as 0 */
    /* set while they run */
    enum { NS_JOB_WAITS, NS_JOB_RUNS, NS_JOB_DONE, NS_JOB_FAILED, NS_JOB_SKIPPED } state;
    pid_t  pid;
    double seconds, started;
} ns_job;

typedef struct ns_jobs { ns_job *list; int64_t n, capacity; } ns_jobs;

/* A new job whose output and log go to FOLDER/NAME.json and .log; the pointer holds until the next call. NULL: memory is out. */
ns_job *ns_jobs_add(ns_jobs *, const char *folder, const char *name, int64_t after, double weight);
/* Appends arguments, copied; false: memory is out, or too many. */
bool ns_job_words(ns_job *, const char *const *words, int n);
void ns_jobs_drop_last(ns_jobs *);               /* of one that turned out to be done */
void ns_jobs_clear(ns_jobs *);
double ns_jobs_clock(void);                       /* seconds that only go on */

typedef struct ns_jobs_watch {
    double (*progress)(void *user, const ns_job *);      /* of a running job, 0 .. 1; NULL = nothing known */
    void   (*finished)(void *user, const ns_job *);
    void   (*fraction)(void *user, double);               /* of all of them, some times a second; or NULL */
    bool   (*cancelled)(void *user);                      /* or NULL */
    void   *user;
} ns_jobs_watch;
/* Runs them, `cores` at a time, in the order of the list. program: its file, or a name that is looked for on the PATH. A failed job fails
 * those after it only. NS_STOP when one failed; NS_E_IO when cancelled, NS_E_CREATE where what stands in the place of an output or a log is
 * no file (the children are ended and waited for). */
int  ns_jobs_run(ns_jobs *, const char *program, int cores, const ns_jobs_watch *, ns_error *);
/* The last line of a job's log, malloc'd; NULL when it is empty. */
char *ns_job_complaint(const ns_job *);

#endif
