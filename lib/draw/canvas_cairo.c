/* canvas_cairo.c - PNG (cairo draws, libpng writes), PDF and EPS (fonts embedded, fixed dates: the same bytes each time). */
#include "draw/canvas.h"
#include "draw/shape.h"

#include <cairo-ft.h>
#include <cairo-pdf.h>
#include <cairo-ps.h>
#include FT_OUTLINE_H
#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct cairo_state {
    cairo_surface_t *surface;
    cairo_t         *cr;
    cairo_font_face_t **fonts;          /* [n_fonts] by the number of the face, NULL = not met: one each, so that a file embeds it once */
    int64_t          n_fonts, room_fonts;
} cairo_state;

static void fail_cairo(ns_canvas *c, cairo_status_t status)
{
    if (status != CAIRO_STATUS_SUCCESS)
        ns_canvas_fail(c, status == CAIRO_STATUS_NO_MEMORY ? NS_E_MEMORY : NS_E_INTERNAL, cairo_status_to_string(status));
}

static void drop(ns_canvas *c)
{
    cairo_state *s = c->state;
    if (!s)
        return;
    if (s->cr)
        cairo_destroy(s->cr);
    if (s->surface)
        cairo_surface_destroy(s->surface);
    for (int64_t i = 0; i < s->n_fonts; i++)
        cairo_font_face_destroy(s->fonts[i]);
    free(s->fonts);
    free(s);
    c->state = NULL;
}

static void set_color(cairo_t *cr, ns_rgb color, double alpha)
{
    cairo_set_source_rgba(cr, color.r / 255.0, color.g / 255.0, color.b / 255.0, alpha > 0 ? alpha : 1);
}

static int open_on(ns_canvas *c, cairo_surface_t *surface, double scale, ns_error *err)
{
    cairo_state *s = calloc(1, sizeof *s);
    if (!s) {
        cairo_surface_destroy(surface);
        return ns_oom(err, "figure");
    }
    c->state = s;
    s->surface = surface;
    s->cr = cairo_create(surface);
    fail_cairo(c, cairo_status(s->cr));
    cairo_scale(s->cr, scale, scale);
    if (!c->transparent) {
        set_color(s->cr, ns_theme_color(&c->theme, NS_PAPER), 1);
        cairo_paint(s->cr);
    }
    return c->code == NS_OK ? NS_OK : ns_fail(err, c->code, "figure: %s", c->error.message);
}

static int open_png(ns_canvas *c, ns_error *err)
{
    const int w = (int)ceil(c->width * c->pixels - 1e-6), h = (int)ceil(c->height * c->pixels - 1e-6);
    return open_on(c, cairo_image_surface_create(c->transparent ? CAIRO_FORMAT_ARGB32 : CAIRO_FORMAT_RGB24, w, h), c->pixels, err);
}

static cairo_status_t write_out(void *user, const unsigned char *data, unsigned int n)
{
    ns_buffer *out = user;
    ns_buffer_add(out, data, n);
    return out->failed ? CAIRO_STATUS_NO_MEMORY : CAIRO_STATUS_SUCCESS;
}

/* A semicolon is doubled, so that "; " ends a value. */
static void add_value(ns_buffer *text, const char *value)
{
    for (const char *stop; (stop = strchr(value, ';')); value = stop + 1) {
        ns_buffer_add(text, value, (size_t)(stop - value));
        ns_buffer_text(text, ";;");
    }
    ns_buffer_text(text, value);
}

/* "name: value; name: value": cairo has no place for names of our own before 1.18. */
static int set_keywords(const ns_canvas *c, cairo_surface_t *surface, ns_error *err)
{
    ns_buffer text = {0};
    for (int i = 0; i < c->about.n_facts; i++) {
        ns_buffer_text(&text, i ? "; " : "");
        ns_buffer_text(&text, c->about.facts[i].name);
        ns_buffer_text(&text, ": ");
        add_value(&text, c->about.facts[i].value);
    }
    ns_buffer_add(&text, "", 1);
    if (!text.failed)
        cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_KEYWORDS, (const char *)text.data);
    const bool failed = text.failed;
    ns_buffer_clear(&text);
    return failed ? ns_oom(err, "the provenance of a figure") : NS_OK;
}

static int open_pdf(ns_canvas *c, ns_error *err)
{
    cairo_surface_t *surface = cairo_pdf_surface_create_for_stream(write_out, &c->out, c->width * c->scale, c->height * c->scale);
    cairo_pdf_surface_restrict_to_version(surface, CAIRO_PDF_VERSION_1_4);      /* later ones hide what is said of the figure in packed
                                                                                 * streams */
    cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_CREATOR, "needlescope");
    /* Without a date of ours cairo takes the present: new bytes each time. */
    cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_CREATE_DATE, "2000-01-01T00:00:00Z");
    if (c->about.title && *c->about.title)
        cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_TITLE, c->about.title);
    if (c->about.comment && *c->about.comment)
        cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_SUBJECT, c->about.comment);
    const int rc = set_keywords(c, surface, err);
    return rc != NS_OK ? rc : open_on(c, surface, c->scale, err);
}

/* A comment of the document, in lines of at most 255 characters as its structuring conventions want them; what breaks a line is a space. */
static void add_comment(cairo_surface_t *surface, const char *name, const char *value)
{
    char line[240];
    for (size_t at = 0; at == 0 || value[at];) {
        const size_t head = (size_t)snprintf(line, sizeof line, "%s%.80s%s", at ? "%%+ " : "%%", at ? "" : name, at ? "" : ": ");
        const size_t n = ns_type_prefix(value + at, sizeof line - 1 - head);
        for (size_t i = 0; i < n; i++)
            line[head + i] = (unsigned char)value[at + i] < ' ' ? ' ' : value[at + i];
        line[head + n] = '\0';
        cairo_ps_surface_dsc_comment(surface, line);
        at += n;
        if (n == 0)
            break;
    }
}

static int open_eps(ns_canvas *c, ns_error *err)
{
    cairo_surface_t *const surface = cairo_ps_surface_create_for_stream(write_out, &c->out, c->width * c->scale, c->height * c->scale);
    cairo_ps_surface_set_eps(surface, 1);
    if (c->about.title && *c->about.title)
        add_comment(surface, "Title", c->about.title);
    if (c->about.comment && *c->about.comment)
        add_comment(surface, "needlescope comment", c->about.comment);
    for (int i = 0; i < c->about.n_facts; i++)
        add_comment(surface, c->about.facts[i].name, c->about.facts[i].value);
    return open_on(c, surface, c->scale, err);
}

static void path(ns_canvas *c, const double (*xy)[2], int n, bool closed, const ns_pen *stroke, const ns_rgb *fill)
{
    cairo_t *cr = ((cairo_state *)c->state)->cr;
    cairo_new_path(cr);
    for (int i = 0; i < n; i++)
        cairo_line_to(cr, xy[i][0], xy[i][1]);
    if (closed)
        cairo_close_path(cr);
    if (fill) {
        set_color(cr, *fill, 1);
        cairo_fill_preserve(cr);
    }
    if (stroke) {
        set_color(cr, stroke->color, stroke->alpha);
        cairo_set_line_width(cr, stroke->width);
        cairo_set_dash(cr, &stroke->dash, stroke->dash > 0, 0);
        cairo_stroke_preserve(cr);
    }
    cairo_new_path(cr);
    fail_cairo(c, cairo_status(cr));
}

/* ---- text ---- */

static int outline_move(const FT_Vector *to, void *cr)
{
    cairo_close_path(cr);
    cairo_move_to(cr, (double)to->x, (double)to->y);
    return 0;
}

static int outline_line(const FT_Vector *to, void *cr)
{
    cairo_line_to(cr, (double)to->x, (double)to->y);
    return 0;
}

static int outline_cubic(const FT_Vector *a, const FT_Vector *b, const FT_Vector *to, void *cr)
{
    cairo_curve_to(cr, (double)a->x, (double)a->y, (double)b->x, (double)b->y, (double)to->x, (double)to->y);
    return 0;
}

/* A quadratic is the cubic whose two points lie two thirds of the way to its one. */
static int outline_conic(const FT_Vector *at, const FT_Vector *to, void *cr)
{
    double x, y;
    const double u = (double)to->x, v = (double)to->y;
    cairo_get_current_point(cr, &x, &y);
    cairo_curve_to(cr, x + 2 * ((double)at->x - x) / 3, y + 2 * ((double)at->y - y) / 3, u + 2 * ((double)at->x - u) / 3,
                   v + 2 * ((double)at->y - v) / 3, u, v);
    return 0;
}

static const FT_Outline_Funcs to_path = {outline_move, outline_line, outline_conic, outline_cubic, 0, 0};

/* As a path out of the font's own numbers: no rasterizer of fonts with its version, hinting and whole pixels stands between. */
static bool fill_run(cairo_t *cr, const ns_run *run, const ns_face *face)
{
    for (int i = 0; i < run->n_glyphs; i++) {
        cairo_save(cr);
        cairo_translate(cr, run->glyphs[i].x, run->glyphs[i].y);
        cairo_scale(cr, 1 / face->em, -1 / face->em);
        const bool good = FT_Load_Glyph(face->outlines, run->glyphs[i].index, FT_LOAD_NO_SCALE | FT_LOAD_NO_BITMAP) == 0 &&
                          FT_Outline_Decompose(&face->outlines->glyph->outline, &to_path, cr) == 0;
        cairo_close_path(cr);
        cairo_restore(cr);
        if (!good)
            return false;
    }
    cairo_fill(cr);
    return true;
}

static void drop_faces(void *faces)
{
    ns_faces_free(faces);
}

/* cairo's own of a face; NULL: no memory. It outlives the figure, and the face with it. */
static cairo_font_face_t *font_of(ns_faces *faces, const ns_face *face)
{
    static const cairo_user_data_key_t key;
    cairo_font_face_t *const font = cairo_ft_font_face_create_for_ft_face(face->outlines, FT_LOAD_NO_HINTING | FT_LOAD_NO_BITMAP);
    if (cairo_font_face_status(font) == CAIRO_STATUS_SUCCESS) {
        if (cairo_font_face_set_user_data(font, &key, ns_faces_hold(faces), drop_faces) == CAIRO_STATUS_SUCCESS)
            return font;
        ns_faces_free(faces);
    }
    cairo_font_face_destroy(font);
    return NULL;
}

static bool select_face(cairo_state *s, ns_faces *faces, int i)
{
    if (!ns_grow(&s->fonts, &s->room_fonts, i + 1, sizeof *s->fonts))
        return false;
    while (s->n_fonts <= i)
        s->fonts[s->n_fonts++] = NULL;
    if (!s->fonts[i])
        s->fonts[i] = font_of(faces, ns_faces_at(faces, i));
    if (s->fonts[i])
        cairo_set_font_face(s->cr, s->fonts[i]);
    return s->fonts[i] != NULL;
}

/* As text of the face, which the file then embeds, with the words that its letters spell. */
static bool show_run(cairo_state *s, const ns_run *run, ns_faces *faces)
{
    cairo_glyph_t *const glyphs = ns_alloc_array((size_t)run->n_glyphs, sizeof *glyphs);
    cairo_text_cluster_t *const clusters = ns_alloc_array((size_t)run->n_clusters, sizeof *clusters);
    const bool good = glyphs && clusters && select_face(s, faces, run->face);
    for (int i = 0; good && i < run->n_glyphs; i++)
        glyphs[i] = (cairo_glyph_t){run->glyphs[i].index, run->glyphs[i].x, run->glyphs[i].y};
    for (int i = 0; good && i < run->n_clusters; i++)
        clusters[i] = (cairo_text_cluster_t){run->clusters[i].bytes, run->clusters[i].glyphs};
    if (good)
        cairo_show_text_glyphs(s->cr, run->text, run->bytes, glyphs, run->n_glyphs, clusters, run->n_clusters,
                               run->backward ? CAIRO_TEXT_CLUSTER_FLAG_BACKWARD : 0);
    free(glyphs);
    free(clusters);
    return good;
}

static void set_text(ns_canvas *c, const ns_shape *shape)
{
    cairo_state *const s = c->state;
    ns_faces *const faces = ns_type_faces(c->type);
    bool good = true;
    cairo_set_font_size(s->cr, 1);
    for (int64_t i = 0; good && i < shape->n_runs; i++) {
        const ns_run *const run = &shape->runs[i];
        good = c->kind->raster ? fill_run(s->cr, run, ns_faces_at(faces, run->face)) : show_run(s, run, faces);
    }
    if (!good)
        fail_cairo(c, CAIRO_STATUS_NO_MEMORY);
}

static void text(ns_canvas *c, double x, double y, const char *string, const ns_style *style)
{
    cairo_t *cr = ((cairo_state *)c->state)->cr;
    ns_shape shape;
    if (!ns_type_shape(c->type, string, style->bold, &shape))
        fail_cairo(c, CAIRO_STATUS_NO_MEMORY);
    cairo_save(cr);
    cairo_translate(cr, x, y);
    cairo_rotate(cr, -style->angle * 3.14159265358979323846 / 180);
    cairo_scale(cr, style->size, style->size);
    cairo_translate(cr, -shape.width * style->anchor / 2, 0);
    set_color(cr, style->color, 1);
    set_text(c, &shape);
    cairo_restore(cr);
    ns_shape_clear(&shape);
    fail_cairo(c, cairo_status(cr));
}

static void image(ns_canvas *c, ns_box b, const uint8_t *rgb, int64_t w, int64_t h)
{
    cairo_t *cr = ((cairo_state *)c->state)->cr;
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)w, (int)h);
    fail_cairo(c, cairo_surface_status(surface));
    if (c->code == NS_OK) {
        uint8_t *pixels = cairo_image_surface_get_data(surface);
        const int stride = cairo_image_surface_get_stride(surface);
        for (int64_t y = 0; y < h; y++)
            for (int64_t x = 0; x < w; x++, rgb += 3)
                ((uint32_t *)(pixels + y * stride))[x] = (uint32_t)rgb[0] << 16 | (uint32_t)rgb[1] << 8 | rgb[2];
        cairo_surface_mark_dirty(surface);
        cairo_save(cr);
        cairo_translate(cr, b.x, b.y);
        cairo_scale(cr, b.w / (double)w, b.h / (double)h);
        cairo_set_source_surface(cr, surface, 0, 0);
        cairo_pattern_set_filter(cairo_get_source(cr), CAIRO_FILTER_NEAREST);
        cairo_rectangle(cr, 0, 0, (double)w, (double)h);
        cairo_fill(cr);
        cairo_restore(cr);
        fail_cairo(c, cairo_status(cr));
    }
    cairo_surface_destroy(surface);
}

static void clip(ns_canvas *c, const ns_box *b)
{
    cairo_t *cr = ((cairo_state *)c->state)->cr;
    if (b) {
        cairo_save(cr);
        cairo_rectangle(cr, b->x, b->y, b->w, b->h);
        cairo_clip(cr);
    } else {
        cairo_restore(cr);
    }
}

/* malloc'd, ends with a NULL keyword. */
static ns_png_text *png_texts(const ns_metadata *about)
{
    ns_png_text *const texts = ns_alloc_array((size_t)about->n_facts + 4, sizeof *texts);
    if (!texts)
        return NULL;
    texts[0] = (ns_png_text){"Title", about->title};
    texts[1] = (ns_png_text){"Comment", about->comment};
    texts[2] = (ns_png_text){"Software", "needlescope"};
    for (int i = 0; i < about->n_facts; i++)
        texts[3 + i] = (ns_png_text){about->facts[i].name, about->facts[i].value};
    return texts;
}

/* cairo's colours are multiplied with their alpha, those of a PNG are not. */
static void put_pixel(uint32_t argb, int channels, uint8_t *to)
{
    const uint32_t alpha = channels == 4 ? argb >> 24 : 255;
    for (int k = 0; k < 3; k++) {
        const uint32_t v = argb >> (16 - 8 * k) & 255;
        to[k] = (uint8_t)(alpha == 255 ? v : alpha ? (v * 255 + alpha / 2) / alpha : 0);
    }
    if (channels == 4)
        to[3] = (uint8_t)alpha;
}

static int close_png(ns_canvas *c, ns_error *err)
{
    cairo_state *s = c->state;
    cairo_surface_flush(s->surface);
    const int w = cairo_image_surface_get_width(s->surface), h = cairo_image_surface_get_height(s->surface);
    const int stride = cairo_image_surface_get_stride(s->surface);
    const uint8_t *pixels = cairo_image_surface_get_data(s->surface);
    const int channels = c->transparent ? 4 : 3;
    uint8_t *rgb = ns_alloc_array((size_t)w * (size_t)h, (size_t)channels), *to = rgb;
    ns_png_text *const texts = png_texts(&c->about);
    if (!rgb || !texts) {
        free(rgb);
        free(texts);
        return ns_oom(err, "figure");
    }
    for (int y = 0; y < h; y++) {
        const uint32_t *row = (const uint32_t *)(pixels + (size_t)y * (size_t)stride);
        for (int x = 0; x < w; x++, to += channels)
            put_pixel(row[x], channels, to);
    }
    const int code = ns_png_write(&c->out, rgb, channels, w, h, c->pixels / c->scale * 72, texts, err);
    free(texts);
    free(rgb);
    return code;
}

static int close_vector(ns_canvas *c, ns_error *err)
{
    cairo_state *s = c->state;
    cairo_show_page(s->cr);
    fail_cairo(c, cairo_status(s->cr));
    cairo_surface_finish(s->surface);
    fail_cairo(c, cairo_surface_status(s->surface));
    if (c->out.failed)
        return ns_oom(err, "figure");
    return c->code == NS_OK ? NS_OK : ns_fail(err, c->code, "figure: %s", c->error.message);
}

/* cairo writes when it was made, in a line of comment; without it the same figure has the same bytes. */
static int close_eps(ns_canvas *c, ns_error *err)
{
    static const char date[] = "\n%%CreationDate:";
    const int code = close_vector(c, err);
    char *const at = code == NS_OK ? memmem(c->out.data, (size_t)c->out.n, date, sizeof date - 1) : NULL;
    char *const end = at ? memchr(at + 1, '\n', (size_t)c->out.n - (size_t)(at + 1 - (char *)c->out.data)) : NULL;
    if (end) {
        memmove(at, end, (size_t)c->out.n - (size_t)(end - (char *)c->out.data));
        c->out.n -= end - at;
    }
    return code;
}

const ns_canvas_kind ns_canvas_png = {
    .ending = ".png", .raster = true, .open = open_png, .path = path, .text = text, .image = image, .clip = clip,
    .close = close_png, .drop = drop};
const ns_canvas_kind ns_canvas_pdf = {
    .ending = ".pdf", .raster = false, .open = open_pdf, .path = path, .text = text, .image = image, .clip = clip,
    .close = close_vector, .drop = drop};
const ns_canvas_kind ns_canvas_eps = {
    .ending = ".eps", .raster = false, .open = open_eps, .path = path, .text = text, .image = image, .clip = clip,
    .close = close_eps, .drop = drop};
