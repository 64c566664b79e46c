/* vet.c - a file of unknown origin is opened and walked over in a child process first: HDF5 1.10 can be made to crash, to loop and to take
 * all memory by a few bytes of metadata. What kills the child is a line of error here; what the child survives, the same code survives in
 * this process.
 *
 * The child is forked, not started anew: the library has no program of its own. It takes no lock but HDF5's and malloc's, leaves by _exit,
 * and an alarm ends it should another thread have held one of them. */
#include "record/seal.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SECONDS = 20, BYTES_BESIDE = 1 << 30, MESSAGE = 900 };

/* So many seconds of work, and a gigabyte beside what the process holds: a study is read in pieces. */
static void set_limits(void)
{
    const struct rlimit time = {SECONDS, SECONDS + 1}, none = {0, 0};
    struct rlimit space = {0, 0};
    long pages = 0;
    FILE *const f = fopen("/proc/self/statm", "r");
    if (f && fscanf(f, "%ld", &pages) == 1 && getrlimit(RLIMIT_AS, &space) == 0) {
        const rlim_t most = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + BYTES_BESIDE;
        if (space.rlim_cur == RLIM_INFINITY || space.rlim_cur > most)
            space.rlim_cur = most;
        setrlimit(RLIMIT_AS, &space);
    }
    if (f)
        fclose(f);
    setrlimit(RLIMIT_CPU, &time);
    setrlimit(RLIMIT_CORE, &none);
    alarm(3 * SECONDS);
}

/* Signals as a new program has them: a handler of the caller's must not run here. */
static void reset_signals(void)
{
    static const int deadly[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGALRM, SIGXCPU, SIGINT, SIGTERM};
    for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++)
        signal(deadly[i], SIG_DFL);
}

static _Noreturn void child(const char *path, int to)
{
    ns_error err = {""};
    reset_signals();
    set_limits();
    const int rc = ns_walk(path, &err);
    if (rc < 0 && write(to, err.message, strlen(err.message)) < 0)
        _exit(125);
    _exit(rc < 0 ? -rc : 0);
}

static void read_message(int from, char text[MESSAGE])
{
    size_t n = 0;
    for (ssize_t got = 1; got && n < MESSAGE - 1; n += got > 0 ? (size_t)got : 0) {
        got = read(from, text + n, MESSAGE - 1 - n);
        if (got < 0 && errno != EINTR)
            break;
    }
    text[n] = '\0';
}

static int judge(int status, const char *text, const char *path, ns_error *err)
{
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return NS_OK;
    if (WIFEXITED(status) && text[0])
        return ns_fail(err, -WEXITSTATUS(status), "%s", text);
    const int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    return ns_fail(err, NS_E_FORMAT, "%s: damaged, or made to do harm: HDF5 %s on it (in a process of its own; nothing else was touched)",
                   path, signal == SIGXCPU || signal == SIGALRM || signal == SIGKILL ? "did not come to an end" : "crashes");
}

int ns_vet(const char *path, ns_error *err)
{
    int pipes[2], status = 0;
    char text[MESSAGE];
    if (pipe(pipes) != 0)
        return ns_fail(err, NS_E_MEMORY, "%s: no pipe to check it through: %s", path, strerror(errno));
    const pid_t pid = fork();
    if (pid == 0)
        child(path, pipes[1]);
    const int why = errno;
    close(pipes[1]);
    if (pid > 0)
        read_message(pipes[0], text);
    close(pipes[0]);
    if (pid < 0)
        return ns_fail(err, NS_E_MEMORY, "%s: no process to check it in: %s", path, strerror(why));
    while (waitpid(pid, &status, 0) < 0)
        if (errno != EINTR)              /* ECHILD: a host that ignores SIGCHLD reaps for us; the message is all there is */
            return text[0] ? ns_fail(err, NS_E_FORMAT, "%s", text) : NS_OK;
    return judge(status, text, path, err);
}
