/* press.c - shuffle, then a zlib stream. After the shuffle byte 0 of all cells comes first, then byte 1, ...: the low bytes of a
 * softmax row are noise. Planes that a histogram shows to be noise become stored blocks, and only the rest goes through
 * libdeflate; that halves the time and costs nothing, since matches never cross planes of such different content. */
#include "record/press.h"

#include <libdeflate.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { LEVEL = 1, DEFLATE_IS_FILTER_1 = 1 << 1, STORED_MAX = 65535 };

struct ns_press {
    struct libdeflate_compressor *deflate;
    size_t room;
    uint8_t *shuffled;
};

ns_press *ns_press_new(size_t chunk_bytes)
{
    ns_press *const p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->room = chunk_bytes;
    p->deflate = libdeflate_alloc_compressor(LEVEL);
    p->shuffled = malloc(chunk_bytes ? chunk_bytes : 1);
    if (p->deflate && p->shuffled)
        return p;
    ns_press_free(p);
    return NULL;
}

void ns_press_free(ns_press *p)
{
    if (!p)
        return;
    if (p->deflate)
        libdeflate_free_compressor(p->deflate);
    free(p->shuffled);
    free(p);
}

size_t ns_press_room(const ns_press *p)
{
    return p->room;
}

static void shuffle(uint8_t *restrict out, const uint8_t *restrict in, size_t n, size_t size)
{
    if (size == 2) {
        const uint16_t *const x = (const uint16_t *)in;
        for (size_t i = 0; i < n; i++) {
            out[i] = (uint8_t)x[i];
            out[n + i] = (uint8_t)(x[i] >> 8);
        }
        return;
    }
    for (size_t b = 0; b < size; b++)
        for (size_t i = 0; i < n; i++)
            out[b * n + i] = in[i * size + b];
}

/* The probability that two bytes are equal is within 6 % of 1/256: under 0.1 bit a byte could be saved. */
static bool is_noise(const uint8_t *x, size_t n)
{
    uint32_t count[4][256] = {0};
    size_t i = 0;
    for (; i + 4 <= n; i += 4) {
        count[0][x[i]]++;
        count[1][x[i + 1]]++;
        count[2][x[i + 2]]++;
        count[3][x[i + 3]]++;
    }
    for (; i < n; i++)
        count[0][x[i]]++;
    uint64_t pairs = 0;
    for (int v = 0; v < 256; v++) {
        const uint64_t c = (uint64_t)count[0][v] + count[1][v] + count[2][v] + count[3][v];
        pairs += c * c;
    }
    return n >= 4096 && pairs <= (uint64_t)n * n / 256 + (uint64_t)n * n / 4096 + n;
}

/* Stored blocks (RFC 1951 3.2.4), none of them the last: they begin and end on bytes. Returns the bytes written. */
static size_t store(uint8_t *out, const uint8_t *in, size_t n)
{
    uint8_t *to = out;
    while (n > 0) {
        const uint16_t length = n < STORED_MAX ? (uint16_t)n : STORED_MAX;
        const uint8_t header[5] = {0, (uint8_t)length, (uint8_t)(length >> 8), (uint8_t)~length, (uint8_t)(~length >> 8)};
        memcpy(to, header, sizeof header);
        memcpy(to + sizeof header, in, length);
        to += sizeof header + length;
        in += length;
        n -= length;
    }
    return (size_t)(to - out);
}

size_t ns_press_chunk(ns_press *p, uint8_t *chunk, size_t bytes, size_t size, uint32_t *filter_mask)
{
    const size_t plane = bytes / size;
    size_t noise = 0;
    shuffle(p->shuffled, chunk, plane, size);
    while (noise + 1 < size && is_noise(p->shuffled + noise * plane, plane))
        noise++;
    const size_t stored = noise * plane, overhead = 2 + 4 + 5 * (stored / STORED_MAX + 1);
    size_t at = 0, packed = 0;
    if (stored + overhead < bytes) {
        chunk[at++] = 0x78; /* zlib header: deflate, 32 KiB window, fastest */
        chunk[at++] = 0x01;
        at += store(chunk + at, p->shuffled, stored);
        packed = libdeflate_deflate_compress(p->deflate, p->shuffled + stored, bytes - stored, chunk + at, bytes - at - 4);
    }
    if (!packed) {
        memcpy(chunk, p->shuffled, bytes);
        *filter_mask = DEFLATE_IS_FILTER_1;
        return bytes;
    }
    at += packed;
    const uint32_t sum = libdeflate_adler32(1, p->shuffled, bytes);
    for (int shift = 24; shift >= 0; shift -= 8)
        chunk[at++] = (uint8_t)(sum >> shift);
    *filter_mask = 0;
    return at;
}
