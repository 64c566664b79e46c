/* shape.c - text -> letters (character, face, script, level) -> pieces of one face, script and level -> runs of glyphs, as they stand. */
#include "draw/shape.h"

#include "core/core.h"

#include <fribidi.h>
#include <math.h>
#include <stdlib.h>

typedef struct letter { uint32_t code; int at, face; hb_script_t script; FriBidiLevel level; } letter;
typedef struct piece { int first, end; } piece;             /* of letters */

typedef struct shaper {
    ns_shape   *out;
    ns_faces   *faces;
    const char *text;
    letter     *letters;            /* [n + 1]: the last is the end */
    int         n;
    piece      *pieces;
    int         n_pieces;
    hb_buffer_t *buffer;
    int64_t     n_glyphs, room_glyphs, n_clusters, room_clusters;
    double      left, right, top, bottom;       /* of the ink */
    bool        bold;
} shaper;

void ns_shape_clear(ns_shape *shape)
{
    free(shape->runs);
    free(shape->glyphs);
    free(shape->clusters);
    *shape = (ns_shape){0};
}

/* Marks and characters that only steer others are set in the face of what they stand on. */
static bool joins(uint32_t code)
{
    const hb_unicode_general_category_t kind = hb_unicode_general_category(hb_unicode_funcs_get_default(), code);
    return kind == HB_UNICODE_GENERAL_CATEGORY_NON_SPACING_MARK || kind == HB_UNICODE_GENERAL_CATEGORY_ENCLOSING_MARK ||
           kind == HB_UNICODE_GENERAL_CATEGORY_FORMAT;
}

static int face_of(shaper *s, uint32_t code, int before)
{
    if (before != NS_NO_FACE && (joins(code) || code == ' '))
        return before;
    const int face = ns_faces_find(s->faces, code, s->bold);
    return face != NS_NO_FACE ? face : before;
}

static void read_letters(shaper *s, size_t n)
{
    int face = NS_NO_FACE;
    for (size_t at = 0; at < n;) {
        letter *const l = &s->letters[s->n++];
        const int used = ns_utf8_next(s->text + at, n - at, &l->code);
        if (used <= 0)
            l->code = 0xFFFD;
        l->at = (int)at;
        l->script = hb_unicode_script(hb_unicode_funcs_get_default(), l->code);
        l->face = face = face_of(s, l->code, face);
        at += used > 0 ? (size_t)used : 1;
    }
    s->letters[s->n].at = (int)n;
    for (int i = s->n - 1; i >= 0 && face != NS_NO_FACE; i--)          /* what came before the first character that has a face */
        face = s->letters[i].face = s->letters[i].face == NS_NO_FACE ? face : s->letters[i].face;
}

static bool has_script(const letter *l)
{
    return l->script != HB_SCRIPT_COMMON && l->script != HB_SCRIPT_INHERITED && l->script != HB_SCRIPT_UNKNOWN;
}

/* Digits, spaces and signs are of the script around them: what stands before, else behind. */
static void settle_scripts(shaper *s)
{
    hb_script_t script = HB_SCRIPT_LATIN;
    for (int i = 0; i < s->n; i++)
        if (has_script(&s->letters[i])) {
            script = s->letters[i].script;
            break;
        }
    for (int i = 0; i < s->n; i++)
        script = s->letters[i].script = has_script(&s->letters[i]) ? s->letters[i].script : script;
}

static bool levels_by_fribidi(letter *letters, int n, FriBidiChar *codes, FriBidiCharType *types, FriBidiBracketType *brackets,
                              FriBidiLevel *levels)
{
    FriBidiParType base = FRIBIDI_PAR_ON;
    if (!codes || !types || !brackets || !levels)
        return false;
    for (int i = 0; i < n; i++)
        codes[i] = letters[i].code;
    fribidi_get_bidi_types(codes, n, types);
    fribidi_get_bracket_types(codes, n, types, brackets);
    if (!fribidi_get_par_embedding_levels_ex(types, brackets, n, &base, levels))
        return false;
    for (int i = 0; i < n; i++)
        letters[i].level = levels[i];
    return true;
}

/* The first letters that run from right to left are the Hebrew ones. */
static bool find_levels(shaper *s)
{
    enum { HEBREW = 0x590 };
    bool plain = true;
    for (int i = 0; i < s->n; i++)
        plain &= s->letters[i].code < HEBREW;
    if (plain)
        return true;
    const size_t n = (size_t)s->n;
    FriBidiChar *const codes = ns_alloc_array(n, sizeof *codes);
    FriBidiCharType *const types = ns_alloc_array(n, sizeof *types);
    FriBidiBracketType *const brackets = ns_alloc_array(n, sizeof *brackets);
    FriBidiLevel *const levels = ns_alloc_array(n, sizeof *levels);
    const bool good = levels_by_fribidi(s->letters, s->n, codes, types, brackets, levels);
    free(codes);
    free(types);
    free(brackets);
    free(levels);
    return good;
}

static void cut_pieces(shaper *s)
{
    for (int i = 0; i < s->n; i++) {
        const letter *const l = &s->letters[i];
        if (i == 0 || l->face != l[-1].face || l->script != l[-1].script || l->level != l[-1].level)
            s->pieces[s->n_pieces++].first = i;
        s->pieces[s->n_pieces - 1].end = i + 1;
    }
}

/* Rule L2 of Unicode's bidirectional algorithm: from the highest level down to the lowest odd one, what is on it or above is reversed. */
static void order_pieces(shaper *s)
{
    int highest = 0;
    for (int i = 0; i < s->n; i++)
        highest = s->letters[i].level > highest ? s->letters[i].level : highest;
    for (int level = highest; level > 0; level--)
        for (int i = 0; i < s->n_pieces;) {
            int end = i;
            while (end < s->n_pieces && s->letters[s->pieces[end].first].level >= level)
                end++;
            for (int a = i, b = end - 1; a < b; a++, b--) {
                const piece kept = s->pieces[a];
                s->pieces[a] = s->pieces[b];
                s->pieces[b] = kept;
            }
            i = end + (end == i);
        }
}

/* Without ligatures of taste (fi): what is searched for in a PDF is found. */
static bool shape_piece(shaper *s, const piece *p, const ns_face *face)
{
    static const hb_feature_t plain = {HB_TAG('l', 'i', 'g', 'a'), 0, HB_FEATURE_GLOBAL_START, HB_FEATURE_GLOBAL_END};
    const int begin = s->letters[p->first].at, end = s->letters[p->end].at;
    hb_buffer_clear_contents(s->buffer);
    hb_buffer_add_utf8(s->buffer, s->text, s->letters[s->n].at, (unsigned)begin, end - begin);
    hb_buffer_set_direction(s->buffer, s->letters[p->first].level % 2 ? HB_DIRECTION_RTL : HB_DIRECTION_LTR);
    hb_buffer_set_script(s->buffer, s->letters[p->first].script);
    hb_buffer_set_language(s->buffer, hb_language_from_string("en", -1));       /* not the process's: the same figure everywhere */
    hb_shape(face->shapes, s->buffer, &plain, 1);
    return hb_buffer_allocation_successful(s->buffer);
}

static void take_ink(shaper *s, const ns_face *face, const ns_glyph *g)
{
    hb_glyph_extents_t ink;
    if (!hb_font_get_glyph_extents(face->shapes, g->index, &ink) || !ink.width || !ink.height)
        return;
    s->left = fmin(s->left, g->x + ink.x_bearing / face->em);
    s->right = fmax(s->right, g->x + (ink.x_bearing + ink.width) / face->em);
    s->top = fmin(s->top, g->y - ink.y_bearing / face->em);
    s->bottom = fmax(s->bottom, g->y - (ink.y_bearing + ink.height) / face->em);
}

static uint32_t code_at(const shaper *s, unsigned byte)
{
    int i = 0;
    while (i + 1 < s->n && (unsigned)s->letters[i + 1].at <= byte)
        i++;
    return s->letters[i].code;
}

/* Advances are summed in the face's units, which are whole numbers. */
static void place_glyphs(shaper *s, const ns_face *face, const hb_glyph_info_t *info, const hb_glyph_position_t *at, int n)
{
    int64_t x = 0, y = 0;
    for (int i = 0; i < n; i++) {
        ns_glyph *const g = &s->out->glyphs[s->n_glyphs + i];
        *g = (ns_glyph){info[i].codepoint, s->out->width + (double)(x + at[i].x_offset) / face->em,
                        -(double)(y + at[i].y_offset) / face->em};
        take_ink(s, face, g);
        x += at[i].x_advance;
        y += at[i].y_advance;
        if (g->index == 0 && !s->out->unknown)
            s->out->unknown = code_at(s, info[i].cluster);
    }
    s->out->width += (double)x / face->em;
}

/* Clusters in the text's order: glyphs that came of the same bytes. Returns how many. */
static int count_clusters(shaper *s, const hb_glyph_info_t *info, int n, bool backward, int end)
{
    int found = 0;
    const int step = backward ? -1 : 1;
    for (int i = backward ? n - 1 : 0, left = n; left > 0; found++) {
        ns_cluster *const c = &s->out->clusters[s->n_clusters + found];
        const unsigned byte = info[i].cluster;
        for (c->glyphs = 0; left > 0 && info[i].cluster == byte; left--, i += step)
            c->glyphs++;
        c->bytes = (left > 0 ? (int)info[i].cluster : end) - (int)byte;
    }
    return found;
}

static bool add_run(shaper *s, const piece *p)
{
    const letter *const first = &s->letters[p->first];
    const int id = first->face == NS_NO_FACE ? 0 : first->face, end = s->letters[p->end].at;
    const ns_face *const face = ns_faces_at(s->faces, id);
    unsigned n;
    if (!shape_piece(s, p, face))
        return false;
    const hb_glyph_info_t *const info = hb_buffer_get_glyph_infos(s->buffer, &n);
    const hb_glyph_position_t *const at = hb_buffer_get_glyph_positions(s->buffer, &n);
    if (!ns_grow(&s->out->glyphs, &s->room_glyphs, s->n_glyphs + n, sizeof *s->out->glyphs) ||
        !ns_grow(&s->out->clusters, &s->room_clusters, s->n_clusters + n, sizeof *s->out->clusters))
        return false;
    ns_run *const run = &s->out->runs[s->out->n_runs++];
    *run = (ns_run){.face = id, .bytes = end - first->at, .n_glyphs = (int)n, .text = s->text + first->at, .backward = first->level % 2};
    place_glyphs(s, face, info, at, (int)n);
    run->n_clusters = count_clusters(s, info, (int)n, run->backward, end);
    s->n_glyphs += n;
    s->n_clusters += run->n_clusters;
    return true;
}

/* The lists do not move any more. */
static void point_runs(ns_shape *out)
{
    const ns_glyph *g = out->glyphs;
    const ns_cluster *c = out->clusters;
    for (int64_t i = 0; i < out->n_runs; i++) {
        out->runs[i].glyphs = g;
        out->runs[i].clusters = c;
        g += out->runs[i].n_glyphs;
        c += out->runs[i].n_clusters;
    }
}

static bool shape_all(shaper *s, size_t n)
{
    if (!s->letters || !s->pieces || !hb_buffer_allocation_successful(s->buffer))
        return false;
    read_letters(s, n);
    settle_scripts(s);
    if (!find_levels(s))
        return false;
    cut_pieces(s);
    order_pieces(s);
    s->out->runs = ns_alloc_array((size_t)s->n_pieces, sizeof *s->out->runs);
    bool good = s->out->runs != NULL;
    for (int i = 0; good && i < s->n_pieces; i++)
        good = add_run(s, &s->pieces[i]);
    point_runs(s->out);
    if (s->right > s->left)
        s->out->ink = (ns_ink){s->left, s->top, s->right - s->left, s->bottom - s->top};
    return good;
}

bool ns_shape_text(ns_shape *out, ns_faces *faces, const char *text, size_t n, bool bold)
{
    *out = (ns_shape){0};
    shaper s = {.out = out, .faces = faces, .text = text, .bold = bold, .left = INFINITY, .right = -INFINITY, .top = INFINITY,
                .bottom = -INFINITY, .letters = ns_alloc_array(n + 1, sizeof *s.letters), .pieces = ns_alloc_array(n, sizeof *s.pieces),
                .buffer = hb_buffer_create()};
    const bool good = shape_all(&s, n);
    free(s.letters);
    free(s.pieces);
    hb_buffer_destroy(s.buffer);
    return good;
}
