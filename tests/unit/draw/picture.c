/* picture.c - reading figures back, for the tests. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "core/core.h"
#include "picture.h"

#include <ftw.h>
#include <png.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static picture finish(png_image *image)
{
    picture p = {.w = (int)image->width, .h = (int)image->height};
    image->format = PNG_FORMAT_RGB;
    p.rgb = malloc(PNG_IMAGE_SIZE(*image));
    assert_non_null(p.rgb);
    assert_true(png_image_finish_read(image, NULL, p.rgb, 0, NULL));
    return p;
}

picture picture_read(const char *path)
{
    png_image image = {.version = PNG_IMAGE_VERSION};
    assert_true(png_image_begin_read_from_file(&image, path));
    return finish(&image);
}

picture picture_decode(const uint8_t *png, size_t n)
{
    png_image image = {.version = PNG_IMAGE_VERSION};
    assert_true(png_image_begin_read_from_memory(&image, png, n));
    return finish(&image);
}

ns_rgb picture_at(const picture *p, double x, double y)
{
    assert_true(x >= 0 && y >= 0 && x < p->w && y < p->h);
    const uint8_t *at = p->rgb + ((size_t)y * (size_t)p->w + (size_t)x) * 3;
    return (ns_rgb){at[0], at[1], at[2]};
}

int packed(ns_rgb c)
{
    return c.r << 16 | c.g << 8 | c.b;
}

void picture_free(picture *p)
{
    free(p->rgb);
    *p = (picture){0};
}

char *slurp(const char *path, size_t *n)
{
    char *text;
    ns_error err;
    if (ns_file_read(path, 1 << 26, &text, n, &err) != NS_OK)
        fail_msg("%s", err.message);
    return text;
}

static char folder[] = "/tmp/needlescope-draw-XXXXXX";

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
    (void)st;
    (void)type;
    (void)walk;
    return remove(path);
}

static void remove_folder(void)
{
    nftw(folder, remove_one, 4, FTW_DEPTH | FTW_PHYS);
}

char *scratch(const char *name)
{
    static bool made;
    if (!made) {
        assert_non_null(mkdtemp(folder));
        assert_int_equal(atexit(remove_folder), 0);
    }
    made = true;
    return ns_path_join(folder, name);
}
