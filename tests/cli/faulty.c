/* faulty.c - an LD_PRELOAD shim: what the machine refuses. NS_FAULT=quota: beyond the first 8 KiB that a file takes, EDQUOT.
 * NS_FAULT=nolock, NS_FAULT=locked: locks say ENOLCK, or EACCES. NS_FAULT=clock: the clock of the day goes back by an hour every time
 * it is asked. NS_FAULT=ahead, NS_FAULT=behind: it is a day ahead, or behind. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { QUOTA = 8192, HOUR = 3600, DAY = 86400 };

static bool is(const char *fault)
{
    const char *const now = getenv("NS_FAULT");
    return now && strcmp(now, fault) == 0;
}

/* Did it happen at all? A test that was not there has not passed. */
static void tell(void)
{
    const char *const path = getenv("NS_FAULT_TOLD");
    const int fd = path ? open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666) : -1;
    if (fd >= 0)
        close(fd);
}

static int refuse(int why)
{
    tell();
    errno = why;
    return -1;
}

static bool is_beyond(int fd, off_t end)
{
    struct stat st;
    return is("quota") && end > QUOTA && fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t at)
{
    ssize_t (*real)(int, const void *, size_t, off_t);
    *(void **)&real = dlsym(RTLD_NEXT, "pwrite");
    return is_beyond(fd, at + (off_t)n) ? refuse(EDQUOT) : real(fd, data, n, at);
}

ssize_t pwrite64(int fd, const void *data, size_t n, off_t at)
{
    return pwrite(fd, data, n, at);
}

ssize_t write(int fd, const void *data, size_t n)
{
    ssize_t (*real)(int, const void *, size_t);
    *(void **)&real = dlsym(RTLD_NEXT, "write");
    const off_t at = is("quota") ? lseek(fd, 0, SEEK_CUR) : 0;
    return is_beyond(fd, at + (off_t)n) ? refuse(EDQUOT) : real(fd, data, n);
}

int flock(int fd, int how)
{
    int (*real)(int, int);
    *(void **)&real = dlsym(RTLD_NEXT, "flock");
    return is("nolock") ? refuse(ENOLCK) : is("locked") ? refuse(EACCES) : real(fd, how);
}

static int control(const char *name, int fd, int what, va_list args)
{
    int (*real)(int, int, ...);
    *(void **)&real = dlsym(RTLD_NEXT, name);
    const bool locks = what == F_SETLK || what == F_SETLKW || what == F_OFD_SETLK || what == F_OFD_SETLKW;
    void *const given = va_arg(args, void *);
    return locks && (is("nolock") || is("locked")) ? refuse(is("nolock") ? ENOLCK : EACCES) : real(fd, what, given);
}

int fcntl(int fd, int what, ...)
{
    va_list args;
    va_start(args, what);
    const int rc = control("fcntl", fd, what, args);
    va_end(args);
    return rc;
}

int fcntl64(int fd, int what, ...)
{
    va_list args;
    va_start(args, what);
    const int rc = control("fcntl64", fd, what, args);
    va_end(args);
    return rc;
}

int clock_gettime(clockid_t which, struct timespec *out)
{
    static _Atomic long hours;
    int (*real)(clockid_t, struct timespec *);
    *(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
    const int rc = real(which, out);
    if (rc == 0 && which == CLOCK_REALTIME && is("clock")) {
        out->tv_sec -= HOUR * ++hours;
        tell();
    }
    if (rc == 0 && which == CLOCK_REALTIME && (is("ahead") || is("behind"))) {
        out->tv_sec += is("ahead") ? DAY : -DAY;
        tell();
    }
    return rc;
}

time_t time(time_t *out)
{
    struct timespec now;
    const time_t seconds = clock_gettime(CLOCK_REALTIME, &now) == 0 ? now.tv_sec : (time_t)-1;
    if (out)
        *out = seconds;
    return seconds;
}
