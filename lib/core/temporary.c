/* temporary.c - files and folders on their way: TARGET.tmp.HOST.PID.RANDOM beside the target, TARGET cut where that is too long, made
 * anew (never through a link that somebody put there), under a name that nobody can guess, and locked while their process lives. What a
 * killed process left is swept by whoever writes the same target next. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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

#define MARK ".tmp."
enum { HOST_DIGITS = 8, PID_DIGITS = 10, RANDOM_DIGITS = 16, DAY = 24 * 60 * 60 };
enum { MOST_KEPT = NAME_MAX - (int)sizeof MARK - HOST_DIGITS - 1 - PID_DIGITS - 1 - RANDOM_DIGITS };     /* bytes of the target's name */

/* FNV-1a of the node's name: short, whatever it is called. */
static uint32_t this_host(void)
{
    struct utsname name;
    uint32_t hash = 2166136261u;
    if (uname(&name) != 0)
        return 0;
    for (const char *c = name.nodename; *c; c++)
        hash = (hash ^ (uint8_t)*c) * 16777619u;
    return hash;
}

/* Bytes of a target's name that its temporaries have, whole characters of UTF-8: every name that can be written has temporaries. */
static size_t kept(const char *base)
{
    size_t n = strlen(base);
    if (n <= MOST_KEPT)
        return n;
    for (n = MOST_KEPT; n > 0 && ((uint8_t)base[n] & 0xC0) == 0x80; n--)
        ;
    return n;
}

bool ns_temporary_is(const char *name)
{
    return strstr(name, MARK) != NULL;
}

char *ns_temporary_name(const char *target)
{
    uint64_t random;
    const char *const base = ns_path_base(target);
    return getrandom(&random, sizeof random, 0) != sizeof random
               ? NULL
               : ns_printf_alloc("%.*s" MARK "%0*x.%ld.%0*llx", (int)((size_t)(base - target) + kept(base)), target, HOST_DIGITS,
                                 (unsigned)this_host(), (long)getpid(), RANDOM_DIGITS, (unsigned long long)random);
}

/* A filesystem without locks is no reason to fail: the process's id says as much, but across hosts. */
static int locked(int fd)
{
    if (fd >= 0)
        (void)flock(fd, LOCK_EX | LOCK_NB);
    return fd;
}

int ns_temporary_file(const char *name)
{
    return locked(open(name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666));
}

int ns_temporary_folder(const char *name)
{
    return mkdir(name, 0777) == 0 ? locked(open(name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) : -1;
}

/* ---- what is left over ---- */

/* "BASE.tmp.HOST.PID.RANDOM"; base NULL: any. */
static bool parse(const char *name, const char *base, uint32_t *host, long *pid)
{
    const char *mark = NULL;
    char *end;
    for (const char *at = name; (at = strstr(at, MARK)); at++)
        mark = at;
    if (!mark || (base && (kept(base) != (size_t)(mark - name) || strncmp(name, base, kept(base)) != 0)))
        return false;
    *host = (uint32_t)strtoul(mark + strlen(MARK), &end, 16);
    if (end != mark + strlen(MARK) + HOST_DIGITS || *end != '.')
        return false;
    *pid = strtol(end + 1, &end, 10);
    return *pid > 0 && *end == '.' && strspn(end + 1, "0123456789abcdef") == RANDOM_DIGITS;
}

/* Also one that is dead and that nobody has waited for: in a container the first process may never do. */
static bool is_gone(long pid)
{
    char path[64], *text = NULL;
    if (kill((pid_t)pid, 0) != 0)
        return errno == ESRCH;
    snprintf(path, sizeof path, "/proc/%ld/stat", pid);
    const bool read = ns_file_read(path, 1 << 16, &text, NULL, NULL) == NS_OK;
    const char *const state = read ? strrchr(text, ')') : NULL;          /* "PID (NAME) STATE ..." */
    const bool dead = state && (ns_starts(state, ") Z") || ns_starts(state, ") X"));
    free(text);
    return dead;
}

/* The children of a process that was killed hold its lock until they have died of it (child.c), which they do within a moment. */
static bool is_unlocked(int fd, bool soon)
{
    static const struct timespec moment = {.tv_nsec = 10000000};
    bool unlocked = flock(fd, LOCK_SH | LOCK_NB) == 0;
    for (int i = 0; !unlocked && soon && i < 200; i++) {
        nanosleep(&moment, NULL);
        unlocked = flock(fd, LOCK_SH | LOCK_NB) == 0;
    }
    return unlocked;
}

/* Its process is gone: nobody holds the lock, and the process is not there; on another host, whose processes cannot be asked, nothing was
 * written for a day. */
static bool left_over(int fd, uint32_t host, long pid)
{
    struct stat st;
    const bool here = host == this_host(), gone = here && is_gone(pid);
    if (!is_unlocked(fd, gone) || fstat(fd, &st) != 0 || !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
        return false;
    return here ? gone : time(NULL) - st.st_mtime > DAY;
}

/* A file, or a folder of files: a checkpoint half written. */
void ns_temporary_remove(const char *path)
{
    char **names = NULL;
    int64_t n = 0;
    if (unlink(path) == 0 || (errno != EISDIR && errno != EPERM) || ns_folder_list(&names, &n, path, NULL) < 0)
        return;
    for (int64_t i = 0; i < n; i++) {
        char *const inner = ns_path_join(path, names[i]);
        if (inner)
            unlink(inner);
        free(inner);
    }
    ns_free_strings(names, n);
    rmdir(path);
}

void ns_temporaries_sweep(const char *folder, const char *base)
{
    char **names;
    int64_t n;
    uint32_t host;
    long pid;
    if (ns_folder_list(&names, &n, folder, NULL) < 0)
        return;
    for (int64_t i = 0; i < n; i++) {
        char *const path = parse(names[i], base, &host, &pid) ? ns_path_join(folder, names[i]) : NULL;
        const int fd = path ? open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) : -1;
        if (fd >= 0 && left_over(fd, host, pid))
            ns_temporary_remove(path);
        if (fd >= 0)
            close(fd);
        free(path);
    }
    ns_free_strings(names, n);
}
