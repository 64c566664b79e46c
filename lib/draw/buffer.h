/* buffer.h - a growing byte string. An allocation failure is remembered in `failed`; adding to a failed buffer does nothing. */
#ifndef NS_DRAW_BUFFER_H
#define NS_DRAW_BUFFER_H

#include "core/core.h"

typedef struct ns_buffer {
    uint8_t *data;
    int64_t  n, capacity;
    bool     failed;
} ns_buffer;

void ns_buffer_add(ns_buffer *, const void *data, size_t n);
void ns_buffer_text(ns_buffer *, const char *text);
void ns_buffer_number(ns_buffer *, double value, int decimals);   /* "-1.25"; trailing zeros cut; never the locale's comma */
void ns_buffer_base64(ns_buffer *, const uint8_t *data, int64_t n);
void ns_buffer_clear(ns_buffer *);

/* PNG of rows of 8-bit RGB (3 channels) or RGBA (4), sRGB, with density and iTXt chunks (keyword, value; ends with a NULL keyword). */
typedef struct ns_png_text { const char *keyword, *value; } ns_png_text;
int ns_png_write(ns_buffer *out, const uint8_t *rows, int channels, int64_t width, int64_t height, double dpi, const ns_png_text *texts,
                 ns_error *);

/* Decimal text of |value| < 1e15 with exactly that many decimals (0..9), whatever the locale; "-0.0" is "0.0". */
void ns_format_fixed(char out[32], double value, int decimals);

#endif
