/* header.c - the bytes of an object's header, of version 2 (the HDF5 File Format Specification, IV.A.1.b): "OHDR", version, flags, what the
 * flags announce, the length of the first chunk, its messages, a checksum; a message of type 16 says where the next chunk lies ("OCHK",
 * messages, a checksum) and how long it is. Only copied: what the messages say is HDF5's business. */
#include "record/file.h"

#include <string.h>

enum { MAGIC = 4, SUM = 4, CONTINUATION = 0x10, MOST_CHUNKS = 8 };
enum { LENGTH_WIDTH = 3, TRACKS_ORDER = 4, KEEPS_PHASE = 0x10, KEEPS_TIMES = 0x20 };     /* flags */

typedef struct chunks { struct { uint64_t at, n; } list[MOST_CHUNKS]; int n; } chunks;

/* Bytes of the first chunk, of which the head is read, and where its messages begin; 0: none of version 2. */
static int64_t first_chunk(const uint8_t *head, int64_t *messages, int *flags)
{
    *messages = MAGIC;
    if (memcmp(head, "OHDR", MAGIC) != 0 || head[4] != 2)
        return 0;
    *flags = head[5];
    int64_t at = 6 + (*flags & KEEPS_TIMES ? 16 : 0) + (*flags & KEEPS_PHASE ? 4 : 0);
    uint64_t n = 0;
    const int width = 1 << (*flags & LENGTH_WIDTH);
    memcpy(&n, head + at, (size_t)width);
    *messages = at + width;
    return n < INT32_MAX ? *messages + (int64_t)n + SUM : 0;
}

/* Where the chunks lie that these messages lead to; false: too many. */
static bool find_chunks(const uint8_t *messages, int64_t n, int flags, chunks *all)
{
    const int64_t head = flags & TRACKS_ORDER ? 6 : 4;
    for (int64_t i = 0; i + head <= n;) {
        uint16_t size;
        memcpy(&size, messages + i + 1, sizeof size);
        if (messages[i] == CONTINUATION && size == 16 && i + head + 16 <= n) {
            if (all->n == MOST_CHUNKS)
                return false;
            memcpy(&all->list[all->n++], messages + i + head, 16);
        }
        i += head + size;
    }
    return true;
}

int64_t ns_header_bytes(const ns_file *f, uint64_t at, uint8_t *out, int64_t room)
{
    enum { HEAD = 34 };                                  /* the longest */
    int64_t messages, used = 0;
    int flags = 0;
    if (room < HEAD || !ns_file_bytes(f, out, HEAD, at))
        return 0;
    chunks all = {.list = {{at, (uint64_t)first_chunk(out, &messages, &flags)}}, .n = 1};
    for (int i = 0; i < all.n; i++, messages = MAGIC) {
        const uint64_t n = all.list[i].n;
        if (n < (uint64_t)(messages + SUM) || n > (uint64_t)(room - used) || !ns_file_bytes(f, out + used, (size_t)n, all.list[i].at))
            return 0;
        if (!find_chunks(out + used + messages, (int64_t)n - messages - SUM, flags, &all))
            return 0;
        used += (int64_t)n;
    }
    return used;
}
