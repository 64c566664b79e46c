/* claim.c - work that several processes share, on one node or on many: whoever makes the file PATH (O_EXCL) has the work in hand, and says
 * in it who that is: its node, the node's boot, its process.
 *
 * A claim is stale when its process is gone. On the same boot of the same machine the kernel knows: the file is locked as long as its
 * process lives, also across containers. Of another machine only the claim itself speaks: its time is renewed every minute, and one that
 * was not renewed for five is stale. One that does not say whose it is was left by a process that was killed between making and writing it,
 * and is stale after some seconds. Times are those of the file system, so that clocks of nodes need not agree. A stale claim is taken
 * over in place: by its lock, which only one can have. (A file system without locks across nodes leaves a moment in which two take one
 * over: the last to write has it. Twice done is the same file twice.) */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "core/core.h"

enum { RENEW = 60, STALE = 300, SILENT = 15, TEXT = 512, TRIES = 8 };       /* seconds, seconds, seconds, bytes, tries */

typedef struct owner { char host[256], boot[64]; long pid; } owner;

struct ns_claim {
    char           *path, text[TEXT];
    int             fd;
    pthread_t       thread;
    pthread_mutex_t mutex;
    pthread_cond_t  ended;
    pid_t           process;           /* whose thread it is: a fork() of it has none */
    bool            renews, over;
};

/* Of another kernel than Linux "-": such a machine is always another one. */
static void this_boot(char out[64])
{
    char *text = NULL;
    const bool known = ns_file_read("/proc/sys/kernel/random/boot_id", 4096, &text, NULL, NULL) == NS_OK;
    snprintf(out, 64, "%.40s", known ? text : "-");
    out[strcspn(out, "\n")] = '\0';
    free(text);
}

static bool describe(char text[TEXT])
{
    struct utsname name;
    uint64_t random;
    char boot[64];
    this_boot(boot);
    if (uname(&name) != 0 || getrandom(&random, sizeof random, 0) != sizeof random)
        return false;
    return snprintf(text, TEXT, "host %s boot %s pid %ld token %016llx\n", name.nodename, boot, (long)getpid(),
                    (unsigned long long)random) < TEXT;
}

/* false: it says nothing yet, or was cut. */
static bool read_claim(int fd, char text[TEXT], owner *who)
{
    char token[17];
    const ssize_t n = pread(fd, text, TEXT - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    *who = (owner){.host = "?"};
    return sscanf(text, "host %255s boot %63s pid %ld token %16[0-9a-f]\n", who->host, who->boot, &who->pid, token) == 4 &&
           ns_ends(text, "\n");
}

/* Now, as the file system that the claim lies on has it; where nothing can be written there, as this node has it. */
static time_t time_beside(const char *path)
{
    struct stat st;
    char *const name = ns_temporary_name(path);
    const int fd = name ? ns_temporary_file(name) : -1;
    const bool known = fd >= 0 && write(fd, "", 1) == 1 && fstat(fd, &st) == 0;
    if (fd >= 0) {
        unlink(name);
        close(fd);
    }
    free(name);
    return known ? st.st_mtime : time(NULL);
}

/* how: LOCK_EX for who would take it over (and has the lock then), LOCK_SH for who looks. */
static bool is_live(int fd, const char *path, int how, char text[TEXT], owner *who)
{
    struct stat st;
    char boot[64];
    this_boot(boot);
    const bool known = read_claim(fd, text, who), here = known && strcmp(who->boot, "-") != 0 && strcmp(who->boot, boot) == 0;
    if (!here && fstat(fd, &st) == 0 && llabs((long long)(time_beside(path) - st.st_mtime)) < (known ? STALE : SILENT))
        return true;                                     /* a time that lies far ahead is of a clock that was put back since */
    if (flock(fd, how | LOCK_NB) == 0)
        return false;
    return errno == EWOULDBLOCK || (here && (kill((pid_t)who->pid, 0) == 0 || errno != ESRCH));
}

static void say_holder(char holder[NS_CLAIM_HOLDER], const owner *who)
{
    if (who->pid)
        snprintf(holder, NS_CLAIM_HOLDER, "process %ld on %.200s", who->pid, who->host);
    else
        snprintf(holder, NS_CLAIM_HOLDER, "a process that has not said yet which it is");
}

static bool is_at(int fd, const char *path)
{
    struct stat a, b;
    return fstat(fd, &a) == 0 && stat(path, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static bool has_text(const char *path, const char *text)
{
    char now[TEXT];
    owner who;
    const int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    const bool has = fd >= 0 && read_claim(fd, now, &who) && strcmp(now, text) == 0;
    if (fd >= 0)
        close(fd);
    return has;
}

/* ---- renewed as long as the work goes on ---- */

static void *renew(void *of)
{
    ns_claim *const claim = of;
    struct timespec next;
    pthread_mutex_lock(&claim->mutex);
    while (!claim->over) {
        (void)futimens(claim->fd, NULL);
        clock_gettime(CLOCK_MONOTONIC, &next);
        next.tv_sec += RENEW;
        pthread_cond_timedwait(&claim->ended, &claim->mutex, &next);
    }
    pthread_mutex_unlock(&claim->mutex);
    return NULL;
}

/* Signals are the host's threads' to take. Without a thread the claim holds all the same, but for other machines only a while. A clock that
 * is put back meanwhile holds up nothing. */
static void begin_to_renew(ns_claim *claim)
{
    sigset_t all, before;
    pthread_condattr_t steady;
    sigfillset(&all);
    pthread_mutex_init(&claim->mutex, NULL);
    pthread_condattr_init(&steady);
    pthread_condattr_setclock(&steady, CLOCK_MONOTONIC);
    pthread_cond_init(&claim->ended, &steady);
    pthread_condattr_destroy(&steady);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    claim->process = getpid();
    claim->renews = pthread_create(&claim->thread, NULL, renew, claim) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void end_to_renew(ns_claim *claim)
{
    if (claim->process != getpid())
        return;
    pthread_mutex_lock(&claim->mutex);
    claim->over = true;
    pthread_cond_signal(&claim->ended);
    pthread_mutex_unlock(&claim->mutex);
    if (claim->renews)
        pthread_join(claim->thread, NULL);
    pthread_cond_destroy(&claim->ended);
    pthread_mutex_destroy(&claim->mutex);
}

/* ---- taken and released ---- */

static int write_text(ns_claim *claim, ns_error *err)
{
    const size_t n = strlen(claim->text);
    if (ftruncate(claim->fd, 0) != 0 || pwrite(claim->fd, claim->text, n, 0) != (ssize_t)n)
        return ns_fail_errno(err, NS_E_IO, claim->path, "writing failed");
    return NS_OK;
}

enum { GONE, OURS, HELD };                               /* of a try; below 0 an error */

/* GONE: somebody else has made it. */
static int make(ns_claim *claim, ns_error *err)
{
    claim->fd = open(claim->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (claim->fd < 0)
        return errno == EEXIST ? GONE : ns_fail_errno(err, NS_E_CREATE, claim->path, "cannot be created");
    (void)flock(claim->fd, LOCK_EX | LOCK_NB);
    const int rc = write_text(claim, err);
    if (rc != NS_OK)
        (void)unlink(claim->path);
    return rc != NS_OK ? rc : OURS;
}

/* GONE: it is, or it is another's since. */
static int take_over(ns_claim *claim, char holder[NS_CLAIM_HOLDER], ns_error *err)
{
    static const struct timespec moment = {.tv_nsec = 200000000};
    char text[TEXT], boot[64];
    owner who;
    claim->fd = open(claim->path, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (claim->fd < 0)
        return errno == ENOENT ? GONE : ns_fail_errno(err, NS_E_CREATE, claim->path, "cannot be opened");
    if (is_live(claim->fd, claim->path, LOCK_EX, text, &who)) {
        say_holder(holder, &who);
        return HELD;
    }
    if (!is_at(claim->fd, claim->path))
        return GONE;
    const int rc = write_text(claim, err);
    this_boot(boot);
    if (rc == NS_OK && strcmp(who.boot, boot) != 0)      /* who else may take it has no lock that we see */
        nanosleep(&moment, NULL);
    return rc != NS_OK ? rc : has_text(claim->path, claim->text) ? OURS : GONE;
}

static void drop(ns_claim *claim)
{
    if (claim->fd >= 0)
        close(claim->fd);
    claim->fd = -1;
}

int ns_claim_take(ns_claim **out, const char *path, char holder[NS_CLAIM_HOLDER], ns_error *err)
{
    *out = NULL;
    ns_claim *const claim = ns_alloc_array(1, sizeof *claim);
    if (!claim)
        return ns_oom(err, path);
    claim->fd = -1;
    claim->path = ns_strdup(path);
    int rc = !claim->path ? ns_oom(err, path) : describe(claim->text) ? GONE : ns_fail_errno(err, NS_E_IO, path, "who claims is not known");
    for (int i = 0; rc == GONE && i < TRIES; i++) {
        rc = make(claim, err);
        if (rc == GONE)
            rc = take_over(claim, holder, err);
        if (rc == GONE)
            drop(claim);
    }
    if (rc == OURS) {
        begin_to_renew(claim);
        *out = claim;
        return NS_OK;
    }
    drop(claim);
    free(claim->path);
    free(claim);
    if (rc == GONE)                                      /* it changed hands under ours, again and again */
        snprintf(holder, NS_CLAIM_HOLDER, "another process");
    return rc == GONE || rc == HELD ? NS_OK : rc;
}

void ns_claim_release(ns_claim *claim)
{
    if (!claim)
        return;
    end_to_renew(claim);
    if (has_text(claim->path, claim->text))
        (void)unlink(claim->path);
    drop(claim);
    free(claim->path);
    free(claim);
}

bool ns_claim_held(const char *path, char holder[NS_CLAIM_HOLDER])
{
    char text[TEXT];
    owner who;
    const int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    const bool held = fd >= 0 && is_live(fd, path, LOCK_SH, text, &who);
    if (fd >= 0)
        close(fd);
    if (held)
        say_holder(holder, &who);
    return held;
}
