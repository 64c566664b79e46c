/* alloc.c - sizes that cannot overflow and memory that is asked for by count. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/core.h"

bool ns_mul_size(size_t a, size_t b, size_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

bool ns_mul_i64(int64_t a, int64_t b, int64_t *out)
{
    return !__builtin_mul_overflow(a, b, out);
}

bool ns_add_i64(int64_t a, int64_t b, int64_t *out)
{
    return !__builtin_add_overflow(a, b, out);
}

void *ns_alloc_array(size_t n, size_t size)
{
    size_t bytes;
    if (!ns_mul_size(n, size, &bytes))
        return NULL;
    return bytes ? calloc(n, size) : calloc(1, 1);
}

enum { LINE = 64, HUGE_PAGE = 2 << 20 };

void *ns_alloc_lines(size_t bytes)
{
    void *memory = NULL;
    return posix_memalign(&memory, LINE, bytes ? bytes : 1) == 0 ? memory : NULL;
}

/* Of the large ones the kernel makes huge pages, if it likes to: hundreds of small ones less to fill in and to look up. */
void *ns_alloc_aligned(size_t bytes)
{
    void *memory = NULL;
    if (bytes < 2 * (size_t)HUGE_PAGE)
        return ns_alloc_lines(bytes);
    if (posix_memalign(&memory, HUGE_PAGE, bytes) != 0)
        return NULL;
    (void)madvise(memory, bytes, MADV_HUGEPAGE);
    return memory;
}

bool ns_grow(void *list_pointer, int64_t *capacity, int64_t need, size_t size)
{
    if (need <= *capacity)
        return true;
    int64_t wanted;
    if (!ns_mul_i64(*capacity, 2, &wanted) || wanted < need)
        wanted = need < 8 ? 8 : need;
    size_t bytes;
    if (!ns_mul_size((size_t)wanted, size, &bytes))
        return false;
    void *list;
    memcpy(&list, list_pointer, sizeof list);   /* a T ** of any T: read and written as bytes */
    list = realloc(list, bytes);
    if (!list)
        return false;
    memcpy(list_pointer, &list, sizeof list);
    *capacity = wanted;
    return true;
}

int ns_sized_copy(void *to, size_t size, const void *from, const char *what, ns_error *err)
{
    memset(to, 0, size);
    if (!from)
        return ns_fail(err, NS_E_ARG, "%s is NULL", what);
    size_t theirs;
    memcpy(&theirs, from, sizeof theirs);
    if (theirs < sizeof theirs || theirs > 1 << 16)
        return ns_fail(err, NS_E_ARG, "%s: its size field is %zu (set it to sizeof the struct)", what, theirs);
    for (size_t i = size; i < theirs; i++)
        if (((const unsigned char *)from)[i])
            return ns_fail(err, NS_E_ARG, "%s: %zu bytes, of which this library knows %zu, and the rest is not 0 (made for a newer one)",
                           what, theirs, size);
    memcpy(to, from, theirs < size ? theirs : size);
    return NS_OK;
}
