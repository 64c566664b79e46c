/* type.c - measuring text, cutting it to a width, writing labels another way.
 *
 * Nothing is hinted or rounded, so widths are proportional to the size: a figure has the same geometry as PNG, PDF and SVG. */
#include "draw/shape.h"

#include "core/core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TEXT = 1 << 13 };       /* bytes that are shaped */
#define ELLIPSIS "\xe2\x80\xa6"

struct ns_type {
    ns_faces  *faces;
    ns_wording wording;
    bool      *used;                 /* [n_labels] */
    char      *families;
};

const char *ns_type_families(const ns_type *type)
{
    return type->families;
}

ns_faces *ns_type_faces(const ns_type *type)
{
    return type->faces;
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
    ns_faces_free(type->faces);
    free(type->families);
    free(type->used);
    free(type);
}

/* Verdana has DejaVu's widths; the others are narrower. */
static bool take_wording(ns_type *type, const ns_wording *wording)
{
    static const char usual[] = "DejaVu Sans, Verdana, Liberation Sans, Arial, Helvetica, sans-serif";
    const char *const family = ns_faces_family(type->faces);
    type->wording = wording ? *wording : (ns_wording){0};
    type->families = family ? ns_printf_alloc("%s, %s", family, usual) : ns_strdup(usual);
    type->used = ns_alloc_array((size_t)type->wording.n_labels + 1, sizeof *type->used);
    return type->families && type->used;
}

int ns_type_new(ns_type **out, const ns_wording *wording, ns_error *err)
{
    *out = NULL;
    ns_type *const type = calloc(1, sizeof *type);
    int rc = type ? ns_faces_new(&type->faces, wording ? wording->family : NULL, err) : ns_oom(err, "fonts");
    if (rc == NS_OK && !take_wording(type, wording))
        rc = ns_oom(err, "fonts");
    if (rc != NS_OK)
        ns_type_free(type);
    else
        *out = type;
    return rc;
}

/* Texts come from files, and a page has room for some hundred of their bytes. */
size_t ns_type_prefix(const char *text, size_t most)
{
    size_t n = strnlen(text, most);
    while (n > 0 && text[n] && ((uint8_t)text[n] & 0xc0) == 0x80)
        n--;
    return n;
}

bool ns_type_shape(const ns_type *type, const char *text, bool bold, ns_shape *shape)
{
    text = ns_type_text(type, text);
    return ns_shape_text(shape, type->faces, text, ns_type_prefix(text, MOST_TEXT), bold);
}

bool ns_type_ink(const ns_type *type, const char *text, double size, bool bold, double part, ns_ink *out)
{
    ns_shape shape;
    const bool good = ns_type_shape(type, text, bold, &shape);
    *out = (ns_ink){(shape.ink.x - part * shape.width) * size, shape.ink.y * size, shape.ink.w * size, shape.ink.h * size};
    ns_shape_clear(&shape);
    return good;
}

double ns_type_width(const ns_type *type, const char *text, double size, bool bold)
{
    ns_shape shape;
    ns_type_shape(type, text, bold, &shape);
    const double width = shape.width * size;
    ns_shape_clear(&shape);
    return width;
}

int ns_type_check(const ns_type *type, const char *text, const char *what, ns_error *err)
{
    ns_shape shape;
    const bool good = ns_type_shape(type, text, false, &shape);
    const uint32_t unknown = shape.unknown;
    ns_shape_clear(&shape);
    /* harfbuzz that finds no memory for a table takes it for empty */
    if (!good || (unknown && ns_faces_have(type->faces, unknown)))
        return ns_oom(err, "fonts");
    return !unknown ? NS_OK : ns_fail(err, NS_E_UNSUPPORTED,
        ns_system_has_fonts() ? "figures: %s '%s': no installed font has the character U+%04X "
                                "(install one, e.g. fonts-noto-core or fonts-noto-cjk, or give another text)"
                              : "figures: %s '%s': DejaVu Sans has no character U+%04X, and this build does not look for installed fonts "
                                "(give a font's file that has it, or another text)", what, text, (unsigned)unknown);
}

void ns_type_fit(const ns_type *type, const char *text, double size, bool bold, double width, char fit[NS_LABEL_BYTES])
{
    text = ns_type_text(type, text);
    size_t n = ns_type_prefix(text, NS_LABEL_BYTES - 4);
    memcpy(fit, text, n);
    memcpy(fit + n, text[n] ? ELLIPSIS : "\0\0\0", 4);
    while (n > 0 && ns_type_width(type, fit, size, bold) > width) {
        do {
            n--;
        } while (n > 0 && ((uint8_t)text[n] & 0xc0) == 0x80);
        size_t end = n;
        while (end > 0 && text[end - 1] == ' ')
            end--;
        memcpy(fit, text, end);
        memcpy(fit + end, ELLIPSIS, 4);
    }
}

/* Would another name, cut at the same place, be the same? */
static bool is_alike(const ns_type *type, const char *const *names, int64_t n, const char *text, const char *fit)
{
    const size_t kept = strcmp(fit, text) != 0 ? strlen(fit) - strlen(ELLIPSIS) : 0;
    for (int64_t i = 0; i < n && kept; i++) {
        const char *const other = ns_type_text(type, names[i]);
        if (strcmp(other, text) != 0 && strncmp(other, fit, kept) == 0)
            return true;
    }
    return false;
}

/* Its beginning and its end, as much of either; false: there is no room for both. */
static bool cut_inside(const ns_type *type, const char *text, double size, double width, char fit[NS_LABEL_BYTES])
{
    const size_t length = strlen(text);
    char cut[NS_LABEL_BYTES];
    for (size_t kept = length < NS_LABEL_BYTES - 4 ? length - 1 : NS_LABEL_BYTES - 5; kept > 1; kept--) {
        const size_t head = ns_type_prefix(text, kept / 2);
        size_t tail = length - (kept - kept / 2);
        while (((uint8_t)text[tail] & 0xc0) == 0x80)
            tail++;
        snprintf(cut, sizeof cut, "%.*s" ELLIPSIS "%s", (int)head, text, text + tail);
        if (ns_type_width(type, cut, size, false) <= width) {
            memcpy(fit, cut, strlen(cut) + 1);
            return true;
        }
    }
    return false;
}

void ns_type_fit_among(const ns_type *type, const char *const *names, int64_t n, int64_t which, double size, double width,
                       char fit[NS_LABEL_BYTES])
{
    const char *const text = ns_type_text(type, names[which]);
    ns_type_fit(type, names[which], size, false, width, fit);
    if (is_alike(type, names, n, text, fit))
        (void)cut_inside(type, text, size, width, fit);
}
