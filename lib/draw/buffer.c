/* buffer.c - a growing byte string, and numbers as text without the locale's say. */
#include "draw/buffer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void ns_buffer_add(ns_buffer *b, const void *data, size_t n)
{
    if (b->failed || n == 0)
        return;
    if (n > INT64_MAX / 4 || !ns_grow(&b->data, &b->capacity, b->n + (int64_t)n, 1)) {
        b->failed = true;
        return;
    }
    memcpy(b->data + b->n, data, n);
    b->n += (int64_t)n;
}

void ns_buffer_text(ns_buffer *b, const char *text)
{
    ns_buffer_add(b, text, strlen(text));
}

void ns_format_fixed(char out[32], double value, int decimals)
{
    static const int64_t power[10] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000, 1000000000};
    const double magnitude = fmin(fabs(value), 1e15);
    decimals = decimals < 0 ? 0 : decimals > 9 ? 9 : decimals;
    while (magnitude * (double)power[decimals] > 9e17)
        decimals--;
    const int64_t scaled = llround(magnitude * (double)power[decimals]), whole = scaled / power[decimals];
    int n = snprintf(out, 32, "%s%lld", value < 0 && scaled ? "-" : "", (long long)whole);
    if (decimals == 0)
        return;
    out[n++] = '.';
    for (int i = decimals - 1; i >= 0; i--)
        out[n++] = (char)('0' + scaled / power[i] % 10);
    out[n] = '\0';
}

void ns_buffer_number(ns_buffer *b, double value, int decimals)
{
    char text[32];
    ns_format_fixed(text, value, decimals);
    if (strchr(text, '.')) {
        size_t n = strlen(text);
        while (text[n - 1] == '0')
            n--;
        text[text[n - 1] == '.' ? n - 1 : n] = '\0';
    }
    ns_buffer_text(b, text);
}

void ns_buffer_base64(ns_buffer *b, const uint8_t *data, int64_t n)
{
    char *const text = ns_base64(data, (size_t)n);
    if (text)
        ns_buffer_text(b, text);
    b->failed |= !text;
    free(text);
}

void ns_buffer_clear(ns_buffer *b)
{
    free(b->data);
    *b = (ns_buffer){0};
}
