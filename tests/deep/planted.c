/* planted.c - faults that a sanitizer or valgrind must find, so that the scripts that look for faults are seen to:
 * planted FAULT */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int shared;
static char *volatile kept;             /* volatile: the compiler does not see through it */

static void nothing(void) {}

static void overflow(void)
{
    kept = malloc(8);
    kept[8] = 1;
    free(kept);
}

static void leak(void)
{
    kept = malloc(8);
    kept[0] = 1;
    kept = NULL;
}

static void undefined(void)
{
    volatile int most = 0x7fffffff;
    most = most + 1;
}

static void uninitialised(void)
{
    kept = malloc(8);
    if (kept[0])
        puts("set");
    free(kept);
}

static void *add(void *times)
{
    for (int i = 0; i < *(int *)times; i++)
        shared++;
    return NULL;
}

static void race(void)
{
    int times = 1000;
    pthread_t other;
    if (pthread_create(&other, NULL, add, &times))
        exit(99);
    add(&times);
    pthread_join(other, NULL);
}

int main(int argc, char **argv)
{
    static const struct { const char *name; void (*plant)(void); } faults[] = {
        {"nothing", nothing}, {"overflow", overflow}, {"leak", leak}, {"undefined", undefined},
        {"uninitialised", uninitialised}, {"race", race}};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        if (argc == 2 && !strcmp(argv[1], faults[i].name)) {
            faults[i].plant();
            return 0;
        }
    fprintf(stderr, "planted FAULT: no such fault\n");
    return 99;
}
