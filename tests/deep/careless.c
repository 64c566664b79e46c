/* careless.c - what fail_alloc.sh must find: each word of the command line is one way to get refused memory wrong; but not sound, looks. */
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NO_MEMORY = 75 };

static int refuse(const char *why)
{
    fprintf(stderr, "%s\n", why);
    return NO_MEMORY;
}

static int sound(char *a, char *b)
{
    if (a && b)
        puts("3 heads");
    return a && b ? 0 : refuse("out of memory");
}

/* NULL is taken for "no data". */
static int answer(const char *a)
{
    printf("%d heads\n", a ? 3 : 0);
    return 0;
}

static int file(const char *b)
{
    FILE *const f = fopen("out.tmp", "w");
    if (f)
        fclose(f);
    if (!f || !b)
        return refuse("out of memory");
    return remove("out.tmp") ? 1 : 0;
}

static bool write_out(const char *path)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);       /* no stream: it would ask for memory */
    return fd >= 0 && write(fd, "3 heads", 7) == 7 && close(fd) == 0;
}

/* The figure is drawn, otherwise: whole, or cut where a is missing. */
static int figure(const char *a, const char *b)
{
    FILE *const f = fopen("out.svg", "w");
    if (f)
        fprintf(f, "<svg font='%s'>%s", b ? "sans" : "serif", a ? "</svg>\n" : "");
    return f && fclose(f) == 0 ? 0 : refuse("out of memory");
}

/* Writes out and looks at it before and after memory is asked for: it is the same file, but where a refusal writes it anew. */
static int look_twice(bool anew)
{
    struct stat before, after;
    int same = write_out("out") && stat("out", &before) == 0;
    void *const c = malloc(100);
    same = same && (c || !anew || (write_out("new") && rename("new", "out") == 0)) && stat("out", &after) == 0;
    same = same && before.st_dev == after.st_dev && before.st_ino == after.st_ino && before.st_mtim.tv_nsec == after.st_mtim.tv_nsec;
    if (!same)
        return refuse("out: was replaced") - 1;
    const int code = c ? 0 : refuse("out of memory");
    free(c);
    return code;
}

/* A call of what was freed, as libraries do: into data. */
static int jump(const char *b)
{
    static char data[64];
    int (*volatile go)(void) = NULL;
    char *const at = data;
    memcpy((void *)&go, &at, sizeof at);
    return b ? 0 : go();
}

/* Writes into a block that was given back: the allocator finds there who comes after it, and goes there when it is asked again. */
static int heap(const char *b)
{
    enum { LARGE = 2000, LARGER = 4000 };
    void **const kept = malloc(LARGE), *const behind = malloc(LARGE);
    void **volatile stale = kept;
    if (!kept || !behind || b)
        return kept && behind ? 0 : refuse("out of memory");
    free(kept);
    stale[1] = (void *)stale[0] == NULL ? NULL : (char *)NULL + 16;
    return malloc(LARGER) != NULL;
}

static int run(const char *how, char *a, char *b)
{
    if (strcmp(how, "answer") == 0)
        return answer(a);
    if (strcmp(how, "crash") == 0)
        return ((volatile char *)b)[0] = 0;
    if (strcmp(how, "jump") == 0)
        return jump(b);
    if (strcmp(how, "heap") == 0)
        return heap(b);
    if (strcmp(how, "code") == 0)
        return a && b ? 0 : refuse("out of memory") - 10;
    if (strcmp(how, "mute") == 0)
        return a && b ? 0 : refuse("it did not work");
    if (strcmp(how, "figure") == 0)
        return figure(a, b);
    if (strcmp(how, "looks") == 0 || strcmp(how, "replaces") == 0)
        return look_twice(strcmp(how, "replaces") == 0);
    return strcmp(how, "file") == 0 ? file(b) : sound(a, b);
}

int main(int argc, char **argv)
{
    static char buffer[4096];
    setvbuf(stdout, buffer, _IOFBF, sizeof buffer);
    const char *const how = argc > 1 ? argv[1] : "sound";
    char *const a = malloc(100), *const b = malloc(100);
    const int code = run(how, a, b);
    if (b || strcmp(how, "leak"))
        free(a);
    free(b);
    return code;
}
