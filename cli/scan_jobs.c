/* scan_jobs.c - scan --jobs J: J processes of this program, each with its own share of the checkpoints, threads and memory; what they say
 * goes on to stderr line by line, and their answers are added up. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/scan_jobs.h"

enum { WORDS = 9, LARGEST = 1 << 20 };

/* Its answer comes into a file without a name. */
typedef struct job { pid_t pid; int answer; } job;

/* The command line of this call, and in front of a "--" what is another's in a job: the last word counts. */
static char **job_words(const cli *app, char own[WORDS][40])
{
    char **const argv = ns_alloc_array((size_t)(app->argc + WORDS + 1), sizeof *argv);
    int n = 0, i = 0;
    for (; argv && i < app->argc && strcmp(app->argv[i], "--") != 0; i++)
        argv[n++] = app->argv[i];
    for (int k = 0; argv && k < WORDS; k++)
        argv[n++] = own[k];
    for (; argv && i < app->argc; i++)
        argv[n++] = app->argv[i];
    return argv;
}

/* From fork to exec only what is safe there. A job ends with its parent. */
static _Noreturn void become(char **argv, const job *j, int talk, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent || dup2(j->answer, STDOUT_FILENO) < 0 || dup2(talk, STDERR_FILENO) < 0)
        _exit(1);
    execv("/proc/self/exe", argv);
    _exit(127);
}

static int start(const cli *app, job *j, const cli_scan_share *share, int64_t k, int talk, ns_error *err)
{
    char own[WORDS][40];
    snprintf(own[0], sizeof *own, "--jobs");
    snprintf(own[1], sizeof *own, "1");
    snprintf(own[2], sizeof *own, "--shard");         /* those of this call's own shard, dealt out in turn */
    snprintf(own[3], sizeof *own, "%lld/%lld", (long long)(share->shard + k * share->n_shards), (long long)(share->n_shards * share->jobs));
    snprintf(own[4], sizeof *own, "--threads");
    snprintf(own[5], sizeof *own, "%lld", (long long)(app->resources.threads > share->jobs ? app->resources.threads / share->jobs : 1));
    snprintf(own[6], sizeof *own, "--memory");
    snprintf(own[7], sizeof *own, "%lldB", (long long)(app->resources.memory / share->jobs));
    snprintf(own[8], sizeof *own, "--json");
    char **const argv = job_words(app, own);
    const pid_t parent = getpid();
    j->answer = argv ? memfd_create("answer", MFD_CLOEXEC) : -1;
    j->pid = j->answer >= 0 ? fork() : -1;
    if (j->pid == 0)
        become(argv, j, talk, parent);
    free(argv);
    return j->pid > 0 ? NS_OK : ns_fail_errno(err, NS_E_MEMORY, "scan --jobs", "a process cannot be started");
}

/* Until the last job has closed its end. */
static void pass_on(int from, const job *list, int64_t n)
{
    char text[4096];
    ssize_t got = 1;
    bool told = false;
    while (got != 0) {
        struct pollfd ready = {.fd = from, .events = POLLIN};
        if (poll(&ready, 1, 100) > 0)
            got = read(from, text, sizeof text);
        else
            got = -1;
        if (got > 0 && write(STDERR_FILENO, text, (size_t)got) < 0)
            break;                                       /* nobody is there to read it */
        for (int64_t i = 0; i < n && cli_signal_seen() && !told; i++)
            kill(list[i].pid, cli_signal_seen());
        told = cli_signal_seen();
    }
}

static int64_t number_of(const cJSON *root, const char *key)
{
    const cJSON *const item = cJSON_GetObjectItemCaseSensitive(root, key);
    return cJSON_IsNumber(item) ? (int64_t)item->valuedouble : 0;
}

static void add_answer(const job *j, ns_scan_counts *sum)
{
    char *const text = ns_alloc_array(LARGEST, 1);
    const ssize_t n = text ? pread(j->answer, text, LARGEST - 1, 0) : -1;
    cJSON *root = NULL;
    if (n > 0 && ns_json_parse(&root, text, (size_t)n, 4, "a job's answer", NULL) == NS_OK) {
        sum->scored += number_of(root, "scored");
        sum->failed += number_of(root, "failed");
        sum->replaced += number_of(root, "replaced");
        sum->unread += number_of(root, "unread");
    }
    cJSON_Delete(root);
    free(text);
}

static void reap(const job *j)
{
    while (j->pid > 0 && waitpid(j->pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

int cli_scan_jobs(cli *app, const cli_scan_share *share, ns_scan_counts *sum)
{
    job *const list = ns_alloc_array((size_t)share->jobs, sizeof *list);
    int talk[2], rc = NS_OK;
    if (!list)
        return ns_oom(&app->err, "scan --jobs");
    if (pipe2(talk, O_CLOEXEC) != 0) {
        free(list);
        return ns_fail_errno(&app->err, NS_E_MEMORY, "scan --jobs", "no pipe can be made");
    }
    int64_t n = 0;
    for (; n < share->jobs && rc == NS_OK; n++)
        rc = start(app, &list[n], share, n, talk[1], &app->err);
    close(talk[1]);
    for (int64_t i = 0; rc != NS_OK && i < n; i++)
        if (list[i].pid > 0)
            kill(list[i].pid, SIGTERM);
    pass_on(talk[0], list, n);
    for (int64_t i = 0; i < n; i++) {
        reap(&list[i]);
        add_answer(&list[i], sum);
        if (list[i].answer >= 0)
            close(list[i].answer);
    }
    close(talk[0]);
    free(list);
    return rc;
}
