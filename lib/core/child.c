/* child.c - work that may crash, hang or take all memory is done in a child process: what kills the child is a line of error here.
 *
 * The child is forked, not started anew: the library has no program of its own. It takes no lock but those of the work, which no other
 * thread has at that moment (limits->hold), and malloc's, which fork() sees to; leaves by _exit, and ends with its parent. An allocator
 * that fork() knows nothing of (that of gcc 12's sanitizers, a host's own) may be locked by another thread:
 * such a child waits for ever and does nothing, so it is given up soon and another one made. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/core.h"

enum { SHARED = 1024, ANSWER = 1100 };

/* Of a child: what it is busy with, in memory that its parent reads. NULL elsewhere. One for the process, as the child is. */
static struct { char *busy; ns_child_limits limits; int patience; double worked; } this_child;

static double seconds_of_work(void)
{
    struct timespec t = {0};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* Patience is with one that does nothing: on a machine with much else to do, work that has its seconds left takes its time. */
static void look_again(int signal_)
{
    static const double some_work = 1e-3;
    const double now = seconds_of_work();
    if (now - this_child.worked < some_work) {
        signal(signal_, SIG_DFL);
        raise(signal_);
        return;
    }
    this_child.worked = now;
    alarm((unsigned)this_child.patience);
}

static void allow(int cpu_seconds, int patience)
{
    const struct itimerval time = {.it_value.tv_sec = cpu_seconds};
    this_child.patience = patience;
    this_child.worked = seconds_of_work();
    signal(SIGALRM, look_again);
    setitimer(ITIMER_PROF, &time, NULL);
    alarm((unsigned)patience);
}

void ns_child_busy(const char *with)
{
    if (!this_child.busy)
        return;
    if (with)
        snprintf(this_child.busy, SHARED, "%s", with);
    allow(with ? this_child.limits.cpu_seconds : 0, with ? this_child.limits.patience : 0);
}

/* false: without a descriptor nobody can say what the process holds, and there would be no limit; errno says why. */
static bool limit_memory(int64_t bytes_beside)
{
    struct rlimit space;
    long pages = 0;
    FILE *const f = fopen("/proc/self/statm", "r");
    if (!f && (errno == EMFILE || errno == ENFILE))
        return false;
    if (f && fscanf(f, "%ld", &pages) == 1 && getrlimit(RLIMIT_AS, &space) == 0) {
        const rlim_t most = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + (rlim_t)bytes_beside;
        if (space.rlim_cur == RLIM_INFINITY || space.rlim_cur > most)
            space.rlim_cur = most;
        setrlimit(RLIMIT_AS, &space);
    }
    if (f)
        fclose(f);
    return true;
}

bool ns_memory_left(int64_t bytes)
{
    void *const room = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (room == MAP_FAILED)
        return false;
    munmap(room, (size_t)bytes);
    return true;
}

bool ns_descriptors_left(int n)
{
    enum { MOST = 16 };
    int list[MOST], had = 0;
    while (had < n && had < MOST && (list[had] = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) >= 0)
        had++;
    const int why = errno;
    const bool left = had == n || had == MOST || (why != EMFILE && why != ENFILE);
    while (had > 0)
        close(list[--had]);
    errno = why;
    return left;
}

/* Signals as a new program has them: a handler of the caller's must not run here. */
static void reset_signals(void)
{
    static const int deadly[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGALRM, SIGPROF, SIGXCPU, SIGINT, SIGTERM};
    for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++)
        signal(deadly[i], SIG_DFL);
}

/* Nobody waits for what the child of a dead process finds, and locks of its parent are its own as long as it lives. */
static void die_with(pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)                             /* it was dead before */
        _exit(1);
}

/* The answer: one letter, 'a' = NS_OK, 'b' = -1 ..., and the message. */
static _Noreturn void child(ns_child_work work, void *user, const char *label, const ns_child_limits *limits, int to)
{
    ns_error err = {""};
    const struct rlimit none = {0, 0};
    char answer[ANSWER];
    setrlimit(RLIMIT_CORE, &none);
    const bool limited = !limits->bytes_beside || limit_memory(limits->bytes_beside);
    const int rc = limited ? work(user, &err) : ns_fail_errno(&err, NS_E_MEMORY, label, "no room to read it in");
    const int n = snprintf(answer, sizeof answer, "%c%s", 'a' - (rc < 0 ? rc : 0), rc < 0 ? err.message : "");
    _exit(write(to, answer, (size_t)n) == n ? 0 : 1);
}

static void read_answer(int from, char text[ANSWER])
{
    size_t n = 0;
    for (ssize_t got = 1; got && n < ANSWER - 1; n += got > 0 ? (size_t)got : 0) {
        got = read(from, text + n, ANSWER - 1 - n);
        if (got < 0 && errno != EINTR)
            break;
    }
    text[n] = '\0';
}

/* A host that ignores SIGCHLD reaps for us: then only the answer is known. */
static int reap(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)
            return 0;
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/* What a child does to itself, or its own limit of work; any other signal somebody sent it (the kernel too, where memory is out), and it
 * says nothing of the file. */
static bool is_late(int signal)
{
    return signal == SIGPROF || signal == SIGXCPU;
}

static bool is_crash(int signal)
{
    static const int own[] = {0, SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
    bool is = false;
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        is |= signal == own[i];
    return is;
}

static bool is_sent(int signal)
{
    return signal != SIGALRM && !is_late(signal) && !is_crash(signal);
}

static int judge(const char *answer, int signal, const char *busy, const ns_child_limits *limits, ns_error *err)
{
    if (answer[0])
        return answer[0] == 'a' ? NS_OK : ns_fail(err, 'a' - answer[0], "%s", answer + 1);
    if (signal == SIGALRM)
        return ns_fail(err, NS_E_IO, "%s: reading it waited for %d seconds (a file system that does not answer? try again)", busy,
                       limits->patience);
    if (is_sent(signal))
        return ns_fail(err, NS_E_IO, "%s: the process that read it was killed by signal %d (%s; try again)", busy, signal,
                       signal == SIGKILL ? "by somebody, or for want of memory" : strsignal(signal));
    if (is_late(signal))
        return ns_fail(err, NS_E_FORMAT, "%s: reading it does not come to an end in %d s of work: it holds more than needlescope reads, or "
                       "is damaged or made to do harm (in a process of its own; nothing else was touched)", busy, limits->cpu_seconds);
    return ns_fail(err, NS_E_FORMAT, "%s: damaged, or made to do harm: reading it crashes (in a process of its own; nothing else was "
                   "touched)", busy);
}

typedef struct forked { pid_t pid, parent; int why; char *busy; const char *label; const ns_child_limits *limits; } forked;

/* The child's patience begins here, before it gives back what is held: that may find a lock that another thread was about to have. */
static void fork_now(void *out)
{
    forked *const f = out;
    f->pid = fork();
    f->why = errno;
    if (f->pid != 0)
        return;
    die_with(f->parent);
    reset_signals();
    this_child.busy = f->busy;
    this_child.limits = *f->limits;
    ns_child_busy(f->label);
}

static int try_child(ns_child_work work, void *user, const char *label, const ns_child_limits *limits, int *signal, ns_error *err)
{
    int pipes[2];
    char answer[ANSWER] = "";
    char *const busy = mmap(NULL, SHARED, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    forked f = {-1, getpid(), ENOMEM, busy, label, limits};      /* as long as it is not made */
    if (busy == MAP_FAILED)
        return ns_oom(err, label);
    if (pipe(pipes) != 0) {
        munmap(busy, SHARED);
        return ns_fail_errno(err, NS_E_MEMORY, label, "no pipe to read it through");
    }
    snprintf(busy, SHARED, "%s", label);
    if (limits->hold)
        limits->hold(fork_now, &f);
    else
        fork_now(&f);
    if (f.pid == 0) {
        close(pipes[0]);
        child(work, user, label, limits, pipes[1]);
    }
    close(pipes[1]);
    if (f.pid > 0)
        read_answer(pipes[0], answer);
    close(pipes[0]);
    *signal = f.pid > 0 ? reap(f.pid) : 0;
    const int rc = f.pid < 0 ? ns_fail(err, NS_E_MEMORY, "%s: no process to read it in: %s", label, strerror(f.why))
                             : judge(answer, *signal, busy, limits, err);
    munmap(busy, SHARED);
    return rc;
}

int ns_in_child(ns_child_work work, void *user, const char *label, const ns_child_limits *limits, ns_error *err)
{
    ns_child_limits first = *limits;
    int signal = 0;
    first.patience = limits->first_patience ? limits->first_patience : limits->patience;
    int rc = try_child(work, user, label, &first, &signal, err);
    if ((signal == SIGALRM && limits->first_patience) || is_sent(signal))
        rc = try_child(work, user, label, limits, &signal, err);
    if (rc == NS_OK && err)
        err->message[0] = '\0';                          /* of the first, or of a call before */
    return rc;
}
