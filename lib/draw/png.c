/* png.c - the only door to libpng: RGB rows to a PNG in memory.
 *
 * libpng reports by callback and longjmp; both end here, so nothing is printed and every fault becomes an ns_error. */
#include "draw/buffer.h"

#include <errno.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>

typedef struct png_out {
    ns_buffer *buffer;
    char       message[256];
} png_out;

static void on_error(png_structp png, png_const_charp message)
{
    png_out *out = png_get_error_ptr(png);
    strncpy(out->message, message, sizeof out->message - 1);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp message)
{
    (void)png;
    (void)message;
}

static void on_write(png_structp png, png_bytep data, size_t n)
{
    png_out *out = png_get_io_ptr(png);
    ns_buffer_add(out->buffer, data, n);
    if (out->buffer->failed)
        png_error(png, "out of memory");
}

static void on_flush(png_structp png)
{
    (void)png;
}

static void put_texts(png_structp png, png_infop info, const ns_png_text *texts)
{
    for (const ns_png_text *t = texts; t && t->keyword; t++) {
        if (!t->value || !*t->value)
            continue;
        png_text chunk = {.compression = PNG_ITXT_COMPRESSION_NONE, .key = (char *)t->keyword, .text = (char *)t->value, .lang = (char *)"",
                          .lang_key = (char *)""};
        chunk.itxt_length = strlen(t->value);
        png_set_text(png, info, &chunk, 1);
    }
}

/* Everything between setjmp and the last libpng call; no local is changed after setjmp. libpng has other words too where it finds no memory
 * ("too many text chunks"). */
static int encode(png_structp png, png_infop info, png_out *out, const uint8_t *rgb, int channels, int64_t width, int64_t height,
                  double dpi, const ns_png_text *texts)
{
    if (setjmp(png_jmpbuf(png)))
        return errno == ENOMEM || strstr(out->message, "memory") ? NS_E_MEMORY : NS_E_INTERNAL;
    errno = 0;
    png_set_write_fn(png, out, on_write, on_flush);
    png_set_user_limits(png, 0x7fffffff, 0x7fffffff);
    png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)height, 8, channels == 4 ? PNG_COLOR_TYPE_RGBA : PNG_COLOR_TYPE_RGB,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_set_sRGB_gAMA_and_cHRM(png, info, PNG_sRGB_INTENT_PERCEPTUAL);
    const png_uint_32 per_metre = (png_uint_32)(dpi / 0.0254 + 0.5);
    png_set_pHYs(png, info, per_metre, per_metre, PNG_RESOLUTION_METER);
    put_texts(png, info, texts);
    png_write_info(png, info);
    for (int64_t y = 0; y < height; y++)
        png_write_row(png, rgb + (size_t)y * (size_t)width * (size_t)channels);
    png_write_end(png, info);
    return NS_OK;
}

int ns_png_write(ns_buffer *buffer, const uint8_t *rgb, int channels, int64_t width, int64_t height, double dpi, const ns_png_text *texts,
                 ns_error *err)
{
    png_out out = {.buffer = buffer};
    if (width < 1 || height < 1 || width > 1 << 20 || height > 1 << 20)
        return ns_fail(err, NS_E_ARG, "PNG: %lld x %lld pixels; each side must be 1 to %d (choose a smaller width or dpi)",
                       (long long)width,
                       (long long)height, 1 << 20);
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, &out, on_error, on_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    if (!info) {
        png_destroy_write_struct(&png, NULL);
        return ns_oom(err, "PNG encoder");
    }
    int code = encode(png, info, &out, rgb, channels, width, height, dpi, texts);
    png_destroy_write_struct(&png, &info);
    if (buffer->failed || code == NS_E_MEMORY)
        return ns_oom(err, "PNG image");
    return code == NS_OK ? NS_OK : ns_fail(err, code, "PNG: libpng says '%s'", out.message);
}
