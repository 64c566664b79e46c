/* type.c - measuring and shaping text with pango.
 *
 * Hinting and rounding of advances are off, so widths are proportional to the size: one layout serves every resolution,
 * and a figure has the same geometry as PNG, PDF and SVG. */
#include "draw/type.h"
#include "core/core.h"

#include <pango/pangocairo.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { MOST_TEXT = 1 << 13 };       /* bytes that are shaped */

struct ns_type {
    PangoFontMap *fonts;
    PangoContext *context;
    ns_wording    wording;
    bool         *used;              /* [n_labels] */
    char         *families;
};

const char *ns_type_families(const ns_type *type)
{
    return type->families;
}

const char *ns_type_text(const ns_type *type, const char *text)
{
    const size_t n = strlen(text);
    for (int i = 0; i < type->wording.n_labels; i++) {
        const char *const label = type->wording.labels[i];
        if (strncmp(text, label, n) == 0 && label[n] == '=') {
            type->used[i] = true;
            return label + n + 1;
        }
    }
    return text;
}

int ns_type_check_labels(const ns_type *type, ns_error *err)
{
    for (int i = 0; i < type->wording.n_labels; i++)
        if (!type->used[i])
            return ns_fail(err, NS_E_ARG, "label '%s': no text of the figure reads so (a label is a whole text: a title, a name, a key)",
                           type->wording.labels[i]);
    return NS_OK;
}

void ns_type_free(ns_type *type)
{
    if (!type)
        return;
    if (type->context)
        g_object_unref(type->context);
    if (type->fonts)
        g_object_unref(type->fonts);
    free(type->families);
    free(type->used);
    free(type);
}

/* The list of families names "Sans" even where there is no font: only loading one tells. */
static bool has_font(const ns_type *type)
{
    PangoFontDescription *any = pango_font_description_from_string("Sans 8");
    PangoFont *font = pango_font_map_load_font(type->fonts, type->context, any);
    pango_font_description_free(any);
    if (font)
        g_object_unref(font);
    return font != NULL;
}

static bool is_installed(const ns_type *type, const char *family)
{
    PangoFontFamily **list = NULL;
    int n = 0;
    bool found = false;
    pango_font_map_list_families(type->fonts, &list, &n);
    for (int i = 0; i < n; i++)
        found |= strcasecmp(pango_font_family_get_name(list[i]), family) == 0;
    g_free(list);
    return found;
}

static bool take_wording(ns_type *type, const ns_wording *wording)
{
    static const char usual[] = "Liberation Sans, Arial, Helvetica, DejaVu Sans, sans-serif";
    type->wording = wording ? *wording : (ns_wording){0};
    const char *const family = type->wording.family;
    type->families = family ? ns_printf_alloc("%s, %s", family, usual) : ns_strdup(usual);
    type->used = ns_alloc_array((size_t)type->wording.n_labels + 1, sizeof *type->used);
    return type->families && type->used;
}

int ns_type_new(ns_type **out, const ns_wording *wording, ns_error *err)
{
    *out = NULL;
    ns_type *type = calloc(1, sizeof *type);
    if (!type || !take_wording(type, wording)) {
        ns_type_free(type);
        return ns_oom(err, "fonts");
    }
    type->fonts = pango_cairo_font_map_new();
    pango_cairo_font_map_set_resolution(PANGO_CAIRO_FONT_MAP(type->fonts), 72);
    type->context = pango_font_map_create_context(type->fonts);
    if (!has_font(type)) {
        ns_type_free(type);
        return ns_fail(err, NS_E_UNSUPPORTED, "figures: no font is installed (on Debian and Ubuntu: apt-get install fonts-dejavu-core)");
    }
    if (type->wording.family && !is_installed(type, type->wording.family)) {
        const int rc = ns_fail(err, NS_E_UNSUPPORTED, "figures: no font '%s' is installed (fc-list : family names those that are)",
                               type->wording.family);
        ns_type_free(type);
        return rc;
    }
    cairo_font_options_t *options = cairo_font_options_create();
    const bool good = cairo_font_options_status(options) == CAIRO_STATUS_SUCCESS;
    cairo_font_options_set_antialias(options, CAIRO_ANTIALIAS_GRAY);
    cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_NONE);
    cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_OFF);
    pango_cairo_context_set_font_options(type->context, options);
    cairo_font_options_destroy(options);
    pango_context_set_round_glyph_positions(type->context, FALSE);
    if (!good) {
        ns_type_free(type);
        return ns_oom(err, "fonts");
    }
    *out = type;
    return NS_OK;
}

/* Texts come from files, and a page has room for some hundred of their bytes. */
size_t ns_type_prefix(const char *text, size_t most)
{
    size_t n = strnlen(text, most);
    while (n > 0 && text[n] && ((uint8_t)text[n] & 0xc0) == 0x80)
        n--;
    return n;
}

void *ns_type_layout(const ns_type *type, const char *text, double size, bool bold, double *baseline)
{
    PangoLayout *layout = pango_layout_new(type->context);
    text = ns_type_text(type, text);
    PangoFontDescription *font = pango_font_description_new();
    pango_font_description_set_family_static(font, type->families);
    pango_font_description_set_size(font, (int)(size * PANGO_SCALE + 0.5));
    pango_font_description_set_weight(font, bold ? PANGO_WEIGHT_BOLD : PANGO_WEIGHT_NORMAL);
    pango_layout_set_font_description(layout, font);
    pango_font_description_free(font);
    pango_layout_set_single_paragraph_mode(layout, TRUE);
    pango_layout_set_text(layout, text, (int)ns_type_prefix(text, MOST_TEXT));
    if (baseline)
        *baseline = (double)pango_layout_get_baseline(layout) / PANGO_SCALE;
    return layout;
}

bool ns_type_has_fonts(void *layout)
{
    PangoLayoutIter *const at = pango_layout_get_iter(layout);
    bool all = true;
    do {
        const PangoLayoutRun *const run = pango_layout_iter_get_run_readonly(at);
        cairo_scaled_font_t *const font = run ? pango_cairo_font_get_scaled_font(PANGO_CAIRO_FONT(run->item->analysis.font)) : NULL;
        all &= !run || (font && cairo_scaled_font_status(font) == CAIRO_STATUS_SUCCESS);
    } while (pango_layout_iter_next_run(at));
    pango_layout_iter_free(at);
    return all;
}

bool ns_type_ink(const ns_type *type, const char *text, double size, bool bold, double part, ns_ink *out)
{
    double baseline;
    PangoLayout *const layout = ns_type_layout(type, text, size, bold, &baseline);
    PangoRectangle ink, all;
    pango_layout_get_extents(layout, &ink, &all);
    *out = (ns_ink){(ink.x - part * all.width) / PANGO_SCALE, (double)ink.y / PANGO_SCALE - baseline, (double)ink.width / PANGO_SCALE,
                    (double)ink.height / PANGO_SCALE};
    const bool was = ns_type_has_fonts(layout);         /* pango keeps a font that failed */
    g_object_unref(layout);
    return was;
}

double ns_type_width(const ns_type *type, const char *text, double size, bool bold)
{
    PangoLayout *layout = ns_type_layout(type, text, size, bold, NULL);
    int width = 0;
    pango_layout_get_size(layout, &width, NULL);
    g_object_unref(layout);
    return (double)width / PANGO_SCALE;
}

static int count_unknown(const ns_type *type, const char *text)
{
    PangoLayout *const layout = ns_type_layout(type, text, 8, false, NULL);
    const int unknown = pango_layout_get_unknown_glyphs_count(layout);
    g_object_unref(layout);
    return unknown;
}

/* The first character that no font has: glyphs are counted over ever longer prefixes. */
static uint32_t first_unknown(const ns_type *type, const char *text)
{
    const size_t n = strlen(text);
    uint32_t code = 0;
    for (size_t i = 0; i < n;) {
        char one[8] = "";
        const int used = ns_utf8_next(text + i, n - i, &code);
        if (used <= 0)
            break;
        memcpy(one, text + i, (size_t)used);
        if (count_unknown(type, one))
            break;
        i += (size_t)used;
    }
    return code;
}

/* Whatever came of the shaping: fontconfig's list of characters says it. */
static bool some_font_has(const ns_type *type, uint32_t code)
{
    PangoFontDescription *const wanted = pango_font_description_from_string(type->families);
    PangoFontset *const set = pango_font_map_load_fontset(type->fonts, type->context, wanted, pango_language_get_default());
    PangoFont *const font = set ? pango_fontset_get_font(set, code) : NULL;
    const bool has = font && pango_font_has_char(font, code);
    if (font)
        g_object_unref(font);
    if (set)
        g_object_unref(set);
    pango_font_description_free(wanted);
    return has;
}

int ns_type_check(const ns_type *type, const char *text, const char *what, ns_error *err)
{
    if (count_unknown(type, text) == 0)
        return NS_OK;
    const uint32_t unknown = first_unknown(type, text);
    if (some_font_has(type, unknown))       /* harfbuzz that finds no memory says nothing */
        return ns_oom(err, "fonts");
    return ns_fail(err, NS_E_UNSUPPORTED,
                   "figures: %s '%s': no installed font has the character U+%04X "
                   "(install one, e.g. fonts-noto-core or fonts-noto-cjk, or give another text)",
                   what, text, (unsigned)unknown);
}

void ns_type_fit(const ns_type *type, const char *text, double size, bool bold, double width, char fit[NS_LABEL_BYTES])
{
    text = ns_type_text(type, text);
    size_t n = ns_type_prefix(text, NS_LABEL_BYTES - 4);
    memcpy(fit, text, n);
    memcpy(fit + n, text[n] ? "\xe2\x80\xa6" : "\0\0\0", 4);
    while (n > 0 && ns_type_width(type, fit, size, bold) > width) {
        do {
            n--;
        } while (n > 0 && ((uint8_t)text[n] & 0xc0) == 0x80);
        size_t end = n;
        while (end > 0 && text[end - 1] == ' ')
            end--;
        memcpy(fit, text, end);
        memcpy(fit + end, "\xe2\x80\xa6", 4);
    }
}
