/* fail_alloc.c - preloaded: the N-th allocation that needlescope's own code asks for (FAIL_ALLOC=N, from 1) is refused, once. Without N
 * nothing is refused and the number of allocations is written to the file FAIL_ALLOC_COUNT at exit. What other libraries ask for does not
 * count: they answer for themselves (glib, under pango, ends the process when memory is out). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <link.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern void *__libc_malloc(size_t);
extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);
extern void *__libc_memalign(size_t, size_t);

static atomic_long asked;
static long wanted;
static uintptr_t low, high;                 /* the code of the program, or of libneedlescope where a test loads it */

static int find_code(struct dl_phdr_info *info, size_t size, void *user)
{
    (void)size;
    const bool program = !info->dlpi_name[0] && !*(bool *)user, ours = strstr(info->dlpi_name, "libneedlescope") != NULL;
    for (int i = 0; (program || ours) && i < info->dlpi_phnum; i++)
        if (info->dlpi_phdr[i].p_type == PT_LOAD && info->dlpi_phdr[i].p_flags & PF_X) {
            low = info->dlpi_addr + info->dlpi_phdr[i].p_vaddr;
            high = low + info->dlpi_phdr[i].p_memsz;
            *(bool *)user |= ours;
        }
    return 0;
}

__attribute__((constructor)) static void begin(void)
{
    bool found = false;
    const char *const n = getenv("FAIL_ALLOC");
    wanted = n ? atol(n) : 0;
    dl_iterate_phdr(find_code, &found);
}

__attribute__((destructor)) static void end(void)
{
    const char *const path = getenv("FAIL_ALLOC_COUNT");
    FILE *const f = path && !wanted ? fopen(path, "w") : NULL;
    if (f) {
        fprintf(f, "%ld\n", atomic_load(&asked));
        fclose(f);
    }
}

static bool refused(const void *caller)
{
    if ((uintptr_t)caller < low || (uintptr_t)caller >= high || atomic_fetch_add(&asked, 1) + 1 != wanted)
        return false;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t n) { return refused(__builtin_return_address(0)) ? NULL : __libc_malloc(n); }
void *calloc(size_t n, size_t size) { return refused(__builtin_return_address(0)) ? NULL : __libc_calloc(n, size); }
void *realloc(void *p, size_t n) { return refused(__builtin_return_address(0)) ? NULL : __libc_realloc(p, n); }
void *memalign(size_t to, size_t n) { return refused(__builtin_return_address(0)) ? NULL : __libc_memalign(to, n); }
void *aligned_alloc(size_t to, size_t n) { return refused(__builtin_return_address(0)) ? NULL : __libc_memalign(to, n); }

int posix_memalign(void **out, size_t to, size_t n)
{
    void *const p = refused(__builtin_return_address(0)) ? NULL : __libc_memalign(to, n);
    if (!p)
        return ENOMEM;
    *out = p;
    return 0;
}
