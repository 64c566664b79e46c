/* jobs.c - a list of child processes -> at most so many at once -> done, failed or skipped, each with its own output and log.
 * Children hold the lock that their parent took, so that a call that was killed and called again waits for those still at work. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "jobs.h"

extern char **environ;      /* for the children, who get what this process has; nothing here looks into it */

double ns_jobs_clock(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

ns_job *ns_jobs_add(ns_jobs *jobs, const char *folder, const char *name, int64_t after, double weight)
{
    if (!ns_grow(&jobs->list, &jobs->capacity, jobs->n + 1, sizeof *jobs->list))
        return NULL;
    ns_job *const job = &jobs->list[jobs->n];
    *job = (ns_job){.name = ns_strdup(name),
                    .out = ns_printf_alloc("%s/%s.json", folder, name),
                    .log = ns_printf_alloc("%s/%s.log", folder, name),
                    .after = after,
                    .weight = weight};
    jobs->n++;
    return job->name && job->out && job->log ? job : NULL;
}

bool ns_job_words(ns_job *job, const char *const *words, int n)
{
    for (int i = 0; i < n; i++) {
        char *const copy = job->n_words < NS_JOB_WORDS - 1 ? ns_strdup(words[i]) : NULL;
        if (!copy)
            return false;
        job->words[job->n_words++] = copy;
    }
    return true;
}

static void free_job(ns_job *job)
{
    for (int k = 0; k < job->n_words; k++)
        free(job->words[k]);
    free(job->name);
    free(job->out);
    free(job->log);
}

void ns_jobs_drop_last(ns_jobs *jobs)
{
    free_job(&jobs->list[--jobs->n]);
}

void ns_jobs_clear(ns_jobs *jobs)
{
    for (int64_t i = 0; i < jobs->n; i++)
        free_job(&jobs->list[i]);
    free(jobs->list);
    *jobs = (ns_jobs){0};
}

/* ---- one child ---- */

/* Standard input comes last: a descriptor that is copied may be 0, in a process that has none. */
static int spawn(ns_job *job, const char *program, int out, int log, ns_error *err)
{
    char *argv[NS_JOB_WORDS + 1] = {(char *)"needlescope"};
    posix_spawn_file_actions_t files;
    memcpy(argv + 1, job->words, (size_t)job->n_words * sizeof *argv);
    if (posix_spawn_file_actions_init(&files) != 0)
        return ns_oom(err, job->name);
    posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&files, log, STDERR_FILENO);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    const int failed = posix_spawnp(&job->pid, program, &files, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    if (failed)
        return ns_fail(err, NS_E_MEMORY, "%s: no process can be started: %s", job->name, strerror(failed));
    job->state = NS_JOB_RUNS;
    job->started = ns_jobs_clock();
    return NS_OK;
}

/* Its files are opened here, where it can be said what stands in their place. */
static int start(ns_job *job, const char *program, ns_error *err)
{
    const int out = ns_place_open(job->out, O_WRONLY | O_TRUNC, err);
    if (out < 0)
        return out;
    const int log = ns_place_open(job->log, O_WRONLY | O_TRUNC, err);
    const int rc = log < 0 ? log : spawn(job, program, out, log, err);
    if (log >= 0)
        close(log);
    close(out);
    return rc;
}

static bool reap(ns_job *job, bool wait)
{
    int status;
    pid_t pid;
    do
        pid = waitpid(job->pid, &status, wait ? 0 : WNOHANG);
    while (pid < 0 && errno == EINTR);
    if (pid == 0)
        return false;
    job->seconds = ns_jobs_clock() - job->started;
    const int code = pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    job->state = code == 0 || (code == 1 && job->lenient) ? NS_JOB_DONE : NS_JOB_FAILED;
    return true;
}

char *ns_job_complaint(const ns_job *job)
{
    enum { LARGEST = 1 << 22 };
    char *text;
    if (ns_file_read(job->log, LARGEST, &text, NULL, NULL) < 0)
        return NULL;
    size_t n = strlen(text);
    while (n && (text[n - 1] == '\n' || text[n - 1] == '\r'))
        text[--n] = '\0';
    const char *const last = strrchr(text, '\n');
    char *const line = n ? ns_strdup(last ? last + 1 : text) : NULL;
    free(text);
    return line;
}

/* ---- all of them ---- */

typedef struct crew {
    ns_jobs *jobs;
    const ns_jobs_watch *watch;
    int running, failed;
} crew;

/* The next job whose predecessor is done; NULL when all that wait must wait on. Jobs after a failed one are skipped. */
static ns_job *next_job(crew *c)
{
    for (int64_t i = 0; i < c->jobs->n; i++) {
        ns_job *const job = &c->jobs->list[i];
        if (job->state != NS_JOB_WAITS)
            continue;
        const ns_job *const before = job->after >= 0 ? &c->jobs->list[job->after] : NULL;
        if (!before || before->state == NS_JOB_DONE)
            return job;
        if (before->state == NS_JOB_FAILED || before->state == NS_JOB_SKIPPED)
            job->state = NS_JOB_SKIPPED;
    }
    return NULL;
}

static void collect(crew *c)
{
    for (int64_t i = 0; i < c->jobs->n; i++) {
        ns_job *const job = &c->jobs->list[i];
        if (job->state != NS_JOB_RUNS || !reap(job, false))
            continue;
        c->running--;
        c->failed += job->state == NS_JOB_FAILED;
        if (c->watch->finished)
            c->watch->finished(c->watch->user, job);
    }
}

static double fraction(const crew *c)
{
    double done = 0, all = 0;
    for (int64_t i = 0; i < c->jobs->n; i++) {
        const ns_job *const job = &c->jobs->list[i];
        all += job->weight;
        if (job->state == NS_JOB_RUNS)
            done += c->watch->progress ? job->weight * c->watch->progress(c->watch->user, job) : 0;
        else if (job->state != NS_JOB_WAITS)
            done += job->weight;
    }
    return all > 0 ? done / all : 0;
}

static void end_all(crew *c)
{
    for (int64_t i = 0; i < c->jobs->n; i++)
        if (c->jobs->list[i].state == NS_JOB_RUNS)
            kill(c->jobs->list[i].pid, SIGTERM);
    for (int64_t i = 0; i < c->jobs->n; i++)
        if (c->jobs->list[i].state == NS_JOB_RUNS)
            reap(&c->jobs->list[i], true);
}

int ns_jobs_run(ns_jobs *jobs, const char *program, int cores, const ns_jobs_watch *watch, ns_error *err)
{
    static const struct timespec moment = {.tv_nsec = 20000000};
    crew c = {.jobs = jobs, .watch = watch};
    int rc = NS_OK;
    for (ns_job *job = next_job(&c); (job || c.running) && rc == NS_OK; job = next_job(&c)) {
        if (watch->cancelled && watch->cancelled(watch->user)) {
            rc = ns_fail(err, NS_E_IO, "stopped; the same command goes on from here");
        } else if (job && c.running < cores) {
            rc = start(job, program, err);
            c.running += rc == NS_OK;
        } else {
            nanosleep(&moment, NULL);
            if (watch->fraction)
                watch->fraction(watch->user, fraction(&c));
        }
        collect(&c);
    }
    if (rc != NS_OK)
        end_all(&c);
    return rc == NS_OK && c.failed ? NS_STOP : rc;
}
