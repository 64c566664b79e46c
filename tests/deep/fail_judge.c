/* fail_judge.c - what a program may do that was refused memory once: say so and exit 75, with no file but such as an undisturbed run
 * writes; or give the very answer of an undisturbed run, in every byte. Anything else is a line in FOLDER/log, and its folder stays.
 *
 * FOLDER/want holds said, err, code and work of an undisturbed run. A library on the list FAIL_ALLOC_DIES may end the process where its own
 * request is refused; it may never lead to another answer. One on the list FAIL_ALLOC_DRAW may lead to a figure that is drawn otherwise:
 * it is there and whole, and its bytes are not asked for; such are counted. */
#include "fail_alloc.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { OUT_OF_MEMORY = 75, JOBS = 64, TEXT = 1 << 16 };

static char root[PATH_MAX / 2];
static const char *dies, *draw;              /* lists of libraries */
static int usual;                            /* exit code of an undisturbed run */
static struct { long n; pid_t pid; char asker[64]; bool ours; } expected[JOBS];
static long n_judged, n_ours, n_bad, n_same, n_told, n_died, n_otherwise;

char *judge_path(char path[], long n, const char *name)
{
    snprintf(path, PATH_MAX, "%s/%ld/%s", root, n, name);
    return path;
}

static char *want_path(char path[], const char *name)
{
    snprintf(path, PATH_MAX, "%s/want/%s", root, name);
    return path;
}

static long read_number(const char *path, long otherwise)
{
    long value = otherwise;
    FILE *const f = fopen(path, "r");
    if (f && fscanf(f, "%ld", &value) != 1)
        value = otherwise;
    if (f)
        fclose(f);
    return value;
}

void judge_begin(const char *folder)
{
    char path[PATH_MAX];
    snprintf(root, sizeof root, "%s", folder);
    dies = getenv("FAIL_ALLOC_DIES");
    draw = getenv("FAIL_ALLOC_DRAW");
    usual = (int)read_number(want_path(path, "code"), -1);
}

long judge_usual_live(void)
{
    char path[PATH_MAX];
    return read_number(want_path(path, "live"), 0);
}

static void remove_tree(const char *path)
{
    DIR *const d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) {
        char inner[PATH_MAX + 256];
        snprintf(inner, sizeof inner, "%s/%s", path, e->d_name);
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") && unlink(inner) != 0)
            remove_tree(inner);
    }
    if (d)
        closedir(d);
    rmdir(path);
}

void judge_expect(long n, pid_t pid, const char *asker, bool ours)
{
    for (int i = 0; i < JOBS; i++)
        if (!expected[i].n) {
            expected[i].n = n, expected[i].pid = pid, expected[i].ours = ours;
            snprintf(expected[i].asker, sizeof expected[i].asker, "%s", asker);
            return;
        }
    abort();
}

static bool same_file(const char *a, const char *b)
{
    static char x[TEXT], y[TEXT];
    FILE *const f = fopen(a, "r"), *const g = fopen(b, "r");
    bool same = f && g;
    for (size_t n = 1; same && n > 0;) {
        n = fread(x, 1, sizeof x, f);
        same = fread(y, 1, sizeof y, g) == n && memcmp(x, y, n) == 0;
    }
    if (f)
        fclose(f);
    if (g)
        fclose(g);
    return same;
}

static bool ends_with(const char *text, const char *end)
{
    const size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static bool read_ends(const char *path, char ends[16])
{
    FILE *const f = fopen(path, "r");
    const bool good = f && fread(ends, 1, 8, f) == 8 && fseek(f, -8, SEEK_END) == 0 && fread(ends + 8, 1, 8, f) == 8;
    if (f)
        fclose(f);
    return good;
}

/* Line by line, but for the figures. */
static bool same_notebook(const char *a, const char *b)
{
    FILE *const f = fopen(a, "r"), *const g = fopen(b, "r");
    char *x = NULL, *y = NULL;
    size_t x_size = 0, y_size = 0;
    bool same = f && g, more = true;
    while (same && more) {
        more = getline(&x, &x_size, f) > 0;
        same = more == (getline(&y, &y_size, g) > 0) && (!more || strcmp(x, y) == 0 || (strstr(x, "image/png") && strstr(y, "image/png")));
    }
    free(x);
    free(y);
    if (f)
        fclose(f);
    if (g)
        fclose(g);
    return same;
}

/* Figures of one kind, both whole: they begin and end as their kind does. */
static bool figures(const char *a, const char *b)
{
    char x[16], y[16];
    if (ends_with(a, ".ipynb"))
        return same_notebook(a, b);
    const bool drawn = ends_with(a, ".png") || ends_with(a, ".svg") || ends_with(a, ".pdf");
    return drawn && read_ends(a, x) && read_ends(b, y) && memcmp(x, y, sizeof x) == 0;
}

/* A scan's memory of a shard names the shard's inode and time: each run has others. */
static bool remembers(const char *name)
{
    const size_t n = strlen(name);
    return n > 5 && strcmp(name + n - 5, ".seen") == 0;
}

/* Every file below got is below want, the same in every byte, or two figures where their bytes are not asked for; NULL, or the name of one
 * that is not. */
static const char *stranger(const char *got, const char *want, bool any_look)
{
    static char name[PATH_MAX + 256];
    const char *found = NULL;
    DIR *const d = opendir(got);
    for (struct dirent *e; d && !found && (e = readdir(d));) {
        char a[PATH_MAX + 256], b[PATH_MAX + 256];
        struct stat st;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        snprintf(a, sizeof a, "%s/%s", got, e->d_name);
        snprintf(b, sizeof b, "%s/%s", want, e->d_name);
        if (lstat(a, &st) == 0 && S_ISDIR(st.st_mode))
            found = stranger(a, b, any_look);
        else if (!remembers(a) && !same_file(a, b) && !(any_look && figures(a, b)))
            found = strcpy(name, e->d_name);
    }
    if (d)
        closedir(d);
    return found;
}

static bool holds(const char *path, const char *const *words)
{
    static char text[TEXT];
    FILE *const f = fopen(path, "r");
    const size_t n = f ? fread(text, 1, sizeof text - 1, f) : 0;
    if (f)
        fclose(f);
    text[n] = '\0';
    for (; *words; words++)
        if (strcasestr(text, *words))
            return true;
    return false;
}

static bool is_listed(const char *asker, const char *libraries)
{
    char list[1024], *state = NULL;
    snprintf(list, sizeof list, "%s", libraries ? libraries : "");
    for (char *name = strtok_r(list, ":", &state); name; name = strtok_r(NULL, ":", &state))
        if (strncmp(asker, name, strlen(name)) == 0)
            return true;
    return false;
}

/* Refused itself, and died in its own code, or broke the heap (glibc says so, or dies of it): HDF5 frees twice. */
static bool may_die(long n, const char *asker)
{
    static const char *const heap[] = {"double free", "corrupted", "malloc_consolidate", "free(): ", "malloc(): ", NULL};
    char path[PATH_MAX], killer[64] = "";
    if (is_listed(asker, dies) && holds(judge_path(path, n, "err"), heap))
        return true;
    FILE *const f = is_listed(asker, dies) ? fopen(judge_path(path, n, "killer"), "r") : NULL;
    const bool known = f && fscanf(f, "%63s", killer) == 1 && (strcmp(killer, "allocator") == 0 || is_listed(killer, dies));
    if (f)
        fclose(f);
    return known;
}

/* "" when all is well. */
static void judge(long n, int status, const char *asker, char why[256])
{
    static const char *const words[] = {"memory", "address space", NULL};
    char a[PATH_MAX], b[PATH_MAX];
    const bool any_look = is_listed(asker, draw);
    const char *odd = NULL;
    why[0] = '\0';
    if ((WIFSIGNALED(status) || WEXITSTATUS(status) == 255) && may_die(n, asker))
        n_died++;
    else if (WIFSIGNALED(status))
        snprintf(why, 256, "%s", WTERMSIG(status) == SIGALRM ? "hangs" : strsignal(WTERMSIG(status)));
    else if (!is_listed(asker, dies) && access(judge_path(a, n, "leak"), F_OK) == 0)
        snprintf(why, 256, "exit %d, and holds memory at its end", WEXITSTATUS(status));
    else if ((odd = stranger(judge_path(a, n, "work"), want_path(b, "work"), any_look)))
        snprintf(why, 256, "exit %d, and leaves %.100s", WEXITSTATUS(status), odd);
    else if (WEXITSTATUS(status) == OUT_OF_MEMORY && holds(judge_path(a, n, "err"), words))
        n_told++;
    else if (WEXITSTATUS(status) == OUT_OF_MEMORY)
        snprintf(why, 256, "exit 75, but the message does not speak of memory");
    else if (WEXITSTATUS(status) != usual)
        snprintf(why, 256, "exit %d", WEXITSTATUS(status));
    else if (!same_file(judge_path(a, n, "said"), want_path(b, "said")) ||
             stranger(want_path(b, "work"), judge_path(a, n, "work"), any_look))
        snprintf(why, 256, "exit %d with ANOTHER ANSWER", usual);
    else if (!is_listed(asker, dies) && !same_file(judge_path(a, n, "err"), want_path(b, "err")))
        snprintf(why, 256, "exit %d, and says something else on stderr", usual);
    else if (any_look && stranger(judge_path(a, n, "work"), want_path(b, "work"), false))
        n_otherwise++;
    else
        n_same++;
}

__attribute__((format(printf, 1, 2))) static void note(const char *format, ...)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s/log", root);
    FILE *const f = fopen(path, "a");
    va_list args;
    va_start(args, format);
    if (f) {
        vfprintf(f, format, args);
        fclose(f);
    }
    va_end(args);
}

void judge_next(void)
{
    char why[256], path[PATH_MAX];
    int status = 0, i = -1;
    for (int k = 0; k < JOBS; k++)           /* the oldest; the program may have children of its own */
        if (expected[k].n && (i < 0 || expected[k].n < expected[i].n))
            i = k;
    if (i < 0 || waitpid(expected[i].pid, &status, 0) < 0)
        abort();
    const long n = expected[i].n;
    expected[i].n = 0;
    judge(n, status, expected[i].asker, why);
    n_judged++;
    n_ours += expected[i].ours;
    n_bad += why[0] != '\0';
    if (why[0])
        note("allocation %ld, by %s: %s\n", n, expected[i].asker, why);
    else
        remove_tree(judge_path(path, n, ""));
}

void judge_end(long asked)
{
    note("asked %ld refused %ld ours %ld told %ld same %ld drawn otherwise %ld died %ld bad %ld\n", asked, n_judged, n_ours, n_told,
         n_same, n_otherwise, n_died, n_bad);
}
