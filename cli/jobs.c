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

#include <needlescope/hooks.h>

#include "cli/jobs.h"

extern char **environ;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

cli_job *cli_jobs_add(cli_jobs *jobs, const char *folder, const char *name, int64_t after, double weight)
{
    if (!ns_grow(&jobs->list, &jobs->capacity, jobs->n + 1, sizeof *jobs->list))
        return NULL;
    cli_job *const job = &jobs->list[jobs->n];
    *job = (cli_job){.name = ns_strdup(name), .out = ns_printf_alloc("%s/%s.json", folder, name), .log = ns_printf_alloc("%s/%s.log", folder, name),
                     .after = after, .weight = weight};
    jobs->n++;
    return job->name && job->out && job->log ? job : NULL;
}

bool cli_job_words(cli_job *job, const char *const *words, int n)
{
    for (int i = 0; i < n; i++) {
        char *const copy = job->n_words < CLI_JOB_WORDS - 1 ? ns_strdup(words[i]) : NULL;
        if (!copy)
            return false;
        job->words[job->n_words++] = copy;
    }
    return true;
}

void cli_jobs_clear(cli_jobs *jobs)
{
    for (int64_t i = 0; i < jobs->n; i++) {
        cli_job *const job = &jobs->list[i];
        for (int k = 0; k < job->n_words; k++)
            free(job->words[k]);
        free(job->name);
        free(job->out);
        free(job->log);
    }
    free(jobs->list);
    *jobs = (cli_jobs){0};
}

/* ---- one child ---- */

static int start(cli_job *job, const char *program, ns_error *err)
{
    char *argv[CLI_JOB_WORDS + 1] = {(char *)"needlescope"};
    posix_spawn_file_actions_t files;
    memcpy(argv + 1, job->words, (size_t)job->n_words * sizeof *argv);
    if (posix_spawn_file_actions_init(&files) != 0)
        return ns_oom(err, job->name);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, job->out, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    posix_spawn_file_actions_addopen(&files, STDERR_FILENO, job->log, O_WRONLY | O_CREAT | O_TRUNC, 0666);
    const int failed = posix_spawn(&job->pid, program, &files, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&files);
    if (failed)
        return ns_fail(err, NS_E_MEMORY, "%s: no process can be started: %s", job->name, strerror(failed));
    job->state = CLI_JOB_RUNS;
    job->started = now();
    return NS_OK;
}

static bool reap(cli_job *job, bool wait)
{
    int status;
    pid_t pid;
    do
        pid = waitpid(job->pid, &status, wait ? 0 : WNOHANG);
    while (pid < 0 && errno == EINTR);
    if (pid == 0)
        return false;
    job->seconds = now() - job->started;
    const int code = pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    job->state = code == 0 || (code == 1 && job->lenient) ? CLI_JOB_DONE : CLI_JOB_FAILED;
    return true;
}

char *cli_job_complaint(const cli_job *job)
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
    cli_jobs *jobs;
    const cli_jobs_watch *watch;
    cli_progress *bar;
    int running, failed;
} crew;

/* The next job whose predecessor is done; NULL when all that wait must wait on. Jobs after a failed one are skipped. */
static cli_job *next_job(crew *c)
{
    for (int64_t i = 0; i < c->jobs->n; i++) {
        cli_job *const job = &c->jobs->list[i];
        if (job->state != CLI_JOB_WAITS)
            continue;
        const cli_job *const before = job->after >= 0 ? &c->jobs->list[job->after] : NULL;
        if (!before || before->state == CLI_JOB_DONE)
            return job;
        if (before->state == CLI_JOB_FAILED || before->state == CLI_JOB_SKIPPED)
            job->state = CLI_JOB_SKIPPED;
    }
    return NULL;
}

static void collect(crew *c)
{
    for (int64_t i = 0; i < c->jobs->n; i++) {
        cli_job *const job = &c->jobs->list[i];
        if (job->state != CLI_JOB_RUNS || !reap(job, false))
            continue;
        c->running--;
        c->failed += job->state == CLI_JOB_FAILED && !job->optional;
        cli_progress_end(c->bar);     /* a line over the bar */
        if (c->watch->finished)
            c->watch->finished(c->watch->user, job);
    }
}

static double fraction(const crew *c)
{
    double done = 0, all = 0;
    for (int64_t i = 0; i < c->jobs->n; i++) {
        const cli_job *const job = &c->jobs->list[i];
        all += job->weight;
        if (job->state == CLI_JOB_RUNS)
            done += c->watch->progress ? job->weight * c->watch->progress(c->watch->user, job) : 0;
        else if (job->state != CLI_JOB_WAITS)
            done += job->weight;
    }
    return all > 0 ? done / all : 0;
}

static void end_all(crew *c)
{
    for (int64_t i = 0; i < c->jobs->n; i++)
        if (c->jobs->list[i].state == CLI_JOB_RUNS)
            kill(c->jobs->list[i].pid, SIGTERM);
    for (int64_t i = 0; i < c->jobs->n; i++)
        if (c->jobs->list[i].state == CLI_JOB_RUNS)
            reap(&c->jobs->list[i], true);
}

/* This program's own file. */
static char *own_path(ns_error *err)
{
    char path[4096];
    const ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    if (n <= 0) {
        ns_fail(err, NS_E_UNSUPPORTED, "the program's own file is not known: /proc/self/exe: %s", strerror(errno));
        return NULL;
    }
    path[n] = '\0';
    return ns_strdup(path);
}

int cli_jobs_run(cli *app, cli_jobs *jobs, int cores, const char *what, const cli_jobs_watch *watch)
{
    char *const program = own_path(&app->err);
    if (!program)
        return NS_E_UNSUPPORTED;
    static const struct timespec moment = {.tv_nsec = 20000000};
    cli_progress progress = cli_progress_begin(app, what);
    crew c = {.jobs = jobs, .watch = watch, .bar = &progress};
    int rc = NS_OK;
    for (cli_job *job = next_job(&c); (job || c.running) && rc == NS_OK; job = next_job(&c)) {
        if (cli_cancelled(NULL)) {
            rc = ns_fail(&app->err, NS_E_IO, "stopped; the same command goes on from here");
        } else if (job && c.running < cores) {
            rc = start(job, program, &app->err);
            c.running += rc == NS_OK;
        } else {
            nanosleep(&moment, NULL);
            cli_progress_update(&progress, fraction(&c));
        }
        collect(&c);
    }
    if (rc < 0)
        end_all(&c);
    cli_progress_end(&progress);
    free(program);
    return rc == NS_OK && c.failed ? NS_STOP : rc;
}
