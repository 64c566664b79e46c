/* fail_place.c - where a process goes on that is refused memory: in FOLDER/N, with copies of its parent's working folder, of what the
 * parent has said, and of its open files. A copy answers for the file it was made of, whoever asks: the program may have looked at it. */
#include "fail_alloc.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DESCRIPTORS = 256, COPIES = 4096 };   /* the program's own are below */

/* ---- whom a copy answers for ---- */

static struct { struct stat copy, original; } copies[COPIES];
static int n_copies;

/* Held open until the end: no new file gets an inode that stands in the table. */
static bool hold_open(int fd, struct stat *st)
{
    const int held = fcntl(fd, F_DUPFD_CLOEXEC, DESCRIPTORS);
    return held >= 0 && fstat(held, st) == 0;
}

/* The copy has the original's time of change until it is written. */
static void answer_for(int copy, int original)
{
    struct stat now, was;
    if (n_copies == COPIES || !hold_open(original, &was) || futimens(copy, (struct timespec[]){was.st_atim, was.st_mtim}) != 0 ||
        !hold_open(copy, &now))
        _exit(119);
    copies[n_copies].copy = now, copies[n_copies++].original = was;
}

static int answer(int failed, struct stat *st)
{
    for (int i = 0; !failed && i < n_copies; i++)
        if (copies[i].copy.st_dev == st->st_dev && copies[i].copy.st_ino == st->st_ino) {
            st->st_dev = copies[i].original.st_dev, st->st_ino = copies[i].original.st_ino;
            break;
        }
    return failed;
}

int stat(const char *restrict path, struct stat *restrict st) { return answer(fstatat(AT_FDCWD, path, st, 0), st); }
int lstat(const char *restrict path, struct stat *restrict st) { return answer(fstatat(AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW), st); }
int fstat(int fd, struct stat *st) { return answer(fstatat(fd, "", st, AT_EMPTY_PATH), st); }

/* The names above are those of files with 64 bits; libraries that do not ask for them have the others. */
#ifdef __USE_FILE_OFFSET64
int plain_stat(const char *path, struct stat *st) __asm__("stat");
int plain_lstat(const char *path, struct stat *st) __asm__("lstat");
int plain_fstat(int fd, struct stat *st) __asm__("fstat");
int plain_stat(const char *path, struct stat *st) { return stat(path, st); }
int plain_lstat(const char *path, struct stat *st) { return lstat(path, st); }
int plain_fstat(int fd, struct stat *st) { return fstat(fd, st); }
#endif

/* ---- the copies ---- */

static void copy_file(const char *from, const char *to)
{
    static char buffer[1 << 16];
    const int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    ssize_t n;
    while ((n = read(in, buffer, sizeof buffer)) > 0)
        if (write(out, buffer, (size_t)n) != n)
            _exit(119);
    if (in < 0 || out < 0 || n < 0)
        _exit(119);
    answer_for(out, in);
    close(in);
    close(out);
}

static void copy_folder(const char *from, const char *to)
{
    DIR *const d = opendir(from);
    if (!d || mkdir(to, 0777) != 0)
        _exit(119);
    for (struct dirent *e; (e = readdir(d));) {
        char a[PATH_MAX + 256], b[PATH_MAX + 256];
        struct stat st;
        snprintf(a, sizeof a, "%s/%s", from, e->d_name);
        snprintf(b, sizeof b, "%s/%s", to, e->d_name);
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 || lstat(a, &st) != 0)
            continue;
        if (S_ISDIR(st.st_mode))
            copy_folder(a, b);
        else
            copy_file(a, b);
    }
    const int copy = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    answer_for(copy, dirfd(d));
    close(copy);
    closedir(d);
}

static void make_place(long n)
{
    static const char *const files[] = {"said", "err"};
    char from[PATH_MAX], to[PATH_MAX];
    mkdir(judge_path(to, n, ""), 0777);
    copy_folder(judge_path(from, 0, "work"), judge_path(to, n, "work"));
    for (int i = 0; i < 2; i++)
        copy_file(judge_path(from, 0, files[i]), judge_path(to, n, files[i]));
}

/* ---- open files ---- */

/* The same file, or its copy in this process's folder, under the same number and at the same place: the parent reads and writes on. */
static void reopen(int fd, const char *old_work)
{
    char link[64], path[PATH_MAX];
    struct stat st;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t n = readlink(link, path, sizeof path - 1);
    if (n < 0 || fstat(fd, &st) != 0 || !(S_ISREG(st.st_mode) || S_ISDIR(st.st_mode)))
        return;
    path[n] = '\0';
    const size_t prefix = strlen(old_work);
    const char *const here = strncmp(path, old_work, prefix) == 0 && path[prefix] == '/' ? path + prefix + 1 : path;
    const int flags = fcntl(fd, F_GETFL), cloexec = fcntl(fd, F_GETFD) & FD_CLOEXEC ? O_CLOEXEC : 0;
    const off_t at = lseek(fd, 0, SEEK_CUR);
    const int copy = open(here, (flags & ~(O_CREAT | O_EXCL | O_TRUNC)) | cloexec);
    if (copy < 0 && st.st_nlink == 0)        /* removed while open: it stays shared */
        return;
    if (copy < 0 || lseek(copy, at, SEEK_SET) < 0 || dup3(copy, fd, cloexec) < 0)
        _exit(119);
    close(copy);
}

/* A pipe of which this process has both ends is its own from now on: the parent's end would keep a reader waiting. */
static void own_pipe(int fd)
{
    struct stat st, other;
    int ends[2];
    if (fstat(fd, &st) != 0 || !S_ISFIFO(st.st_mode) || (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY)
        return;
    for (int to = 3; to < DESCRIPTORS; to++)
        if (to != fd && fstat(to, &other) == 0 && S_ISFIFO(other.st_mode) && other.st_ino == st.st_ino) {
            if (pipe(ends) != 0 || dup3(ends[0], fd, O_CLOEXEC) < 0 || dup3(ends[1], to, O_CLOEXEC) < 0)
                _exit(119);
            close(ends[0]);
            close(ends[1]);
        }
}

void place_move(long n)
{
    char old[PATH_MAX], path[PATH_MAX];
    if (!getcwd(old, sizeof old))
        _exit(119);
    make_place(n);
    if (chdir(judge_path(path, n, "work")) != 0)
        _exit(119);
    for (int fd = 3; fd < DESCRIPTORS; fd++)
        if (fcntl(fd, F_GETFD) >= 0)
            reopen(fd, old), own_pipe(fd);
    for (int fd = 1; fd <= 2; fd++) {
        const int to = open(judge_path(path, n, fd == 1 ? "said" : "err"), O_WRONLY | O_APPEND);
        if (to < 0 || dup2(to, fd) < 0)
            _exit(119);
        close(to);
    }
}
