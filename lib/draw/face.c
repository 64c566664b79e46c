/* face.c - opens typefaces and finds the one that has a character. */
#include "draw/face.h"

#include "core/core.h"

#include <stdatomic.h>
#include <stdlib.h>

/* The files themselves (lib/draw/fonts), so that text is drawn where no font is installed, and the same everywhere. */
#define EMBED(name, file)                                                                                                          \
    __asm__(".pushsection .rodata\n.balign 16\n.local ns_font_" name "\n.local ns_font_end_" name "\nns_font_" name ":\n"          \
            ".incbin \"" NS_FONT_FOLDER "/" file "\"\nns_font_end_" name ":\n.byte 0\n.popsection\n")
EMBED("regular", "DejaVuSans.ttf");
EMBED("bold", "DejaVuSans-Bold.ttf");
extern const unsigned char regular[] __asm__("ns_font_regular"), regular_end[] __asm__("ns_font_end_regular");
extern const unsigned char bold[] __asm__("ns_font_bold"), bold_end[] __asm__("ns_font_end_bold");

struct ns_faces {
    atomic_int holders;             /* cairo keeps fonts for later figures, perhaps of another thread */
    FT_Library freetype;
    ns_face   *list;
    int64_t    n, capacity;
    char      *family;
};

ns_faces *ns_faces_hold(ns_faces *faces)
{
    atomic_fetch_add(&faces->holders, 1);
    return faces;
}

void ns_faces_free(ns_faces *faces)
{
    if (!faces || atomic_fetch_sub(&faces->holders, 1) > 1)
        return;
    for (int64_t i = 0; i < faces->n; i++)
        hb_font_destroy(faces->list[i].shapes);
    if (faces->freetype)
        FT_Done_FreeType(faces->freetype);          /* and its faces */
    free(faces->list);
    free(faces->family);
    free(faces);
}

const char *ns_faces_family(const ns_faces *faces)
{
    return faces->family;
}

const ns_face *ns_faces_at(const ns_faces *faces, int i)
{
    return &faces->list[i];
}

/* A font of the blob, which it keeps; index: as FreeType's, with the instance of a variable font above its low 16 bits. */
static hb_font_t *font_of(hb_blob_t *blob, int index, unsigned em)
{
    hb_face_t *const face = hb_face_create(blob, (unsigned)index & 0xffff);
    hb_font_t *const font = hb_font_create(face);
    hb_face_destroy(face);
    if (font == hb_font_get_empty() || face == hb_face_get_empty())
        return NULL;
    hb_font_set_scale(font, (int)em, (int)em);
    if (index >> 16)
        hb_font_set_var_named_instance(font, ((unsigned)index >> 16) - 1);
    return font;
}

/* Takes outlines and blob over, whatever comes of it. */
static int add_face(ns_faces *faces, FT_Face outlines, hb_blob_t *blob, int index, bool is_bold, ns_error *err)
{
    hb_font_t *const shapes = blob == hb_blob_get_empty() ? NULL : font_of(blob, index, outlines->units_per_EM);
    hb_blob_destroy(blob);
    if (!shapes || !ns_grow(&faces->list, &faces->capacity, faces->n + 1, sizeof *faces->list)) {
        hb_font_destroy(shapes);
        FT_Done_Face(outlines);
        return ns_oom(err, "fonts");
    }
    faces->list[faces->n++] = (ns_face){.outlines = outlines, .shapes = shapes, .em = outlines->units_per_EM, .bold = is_bold};
    return NS_OK;
}

static int add_embedded(ns_faces *faces, const unsigned char *begin, const unsigned char *end, bool is_bold, ns_error *err)
{
    FT_Face face;
    const size_t n = (size_t)(end - begin);
    if (FT_New_Memory_Face(faces->freetype, begin, (FT_Long)n, 0, &face))
        return ns_oom(err, "fonts");
    return add_face(faces, face, hb_blob_create((const char *)begin, (unsigned)n, HB_MEMORY_MODE_READONLY, NULL, NULL), 0, is_bold, err);
}

static int add_file(ns_faces *faces, const char *path, int index, bool is_bold, ns_error *err)
{
    FT_Face face;
    const FT_Error failed = FT_New_Face(faces->freetype, path, index, &face);
    if (failed == FT_Err_Out_Of_Memory)
        return ns_oom(err, "fonts");
    if (failed == FT_Err_Cannot_Open_Resource)
        return ns_fail(err, NS_E_MISSING, "%s: no such font file, or it cannot be read", path);
    if (failed || !FT_IS_SCALABLE(face) || !FT_IS_SFNT(face)) {
        if (!failed)
            FT_Done_Face(face);
        return ns_fail(err, NS_E_FORMAT, "%s: no TrueType or OpenType font with outlines", path);
    }
    return add_face(faces, face, hb_blob_create_from_file(path), index, is_bold, err);
}

static bool is_file(const char *wanted)
{
    return strchr(wanted, '/') || ns_ends(wanted, ".ttf") || ns_ends(wanted, ".otf") || ns_ends(wanted, ".ttc");
}

static int no_family(const char *family, ns_error *err)
{
    return ns_fail(err, NS_E_UNSUPPORTED, ns_system_has_fonts()
        ? "figures: no font '%s' is installed (fc-list : family names those that are; a font's file is taken too)"
        : "figures: font '%s': this build does not look for installed fonts; give the font's file (NAME.ttf or NAME.otf)", family);
}

static int add_wanted(ns_faces *faces, const char *wanted, bool is_bold, ns_error *err)
{
    ns_font_file file;
    if (is_file(wanted))
        return add_file(faces, wanted, 0, is_bold, err);
    if (!ns_system_font(wanted, is_bold, 0, &file))
        return no_family(wanted, err);
    const int rc = add_file(faces, file.path, file.index, is_bold, err);
    free(file.path);
    return rc;
}

int ns_faces_new(ns_faces **out, const char *wanted, ns_error *err)
{
    *out = NULL;
    ns_faces *const faces = calloc(1, sizeof *faces);
    if (!faces)
        return ns_oom(err, "fonts");
    atomic_init(&faces->holders, 1);
    int rc = FT_Init_FreeType(&faces->freetype) ? ns_oom(err, "fonts") : NS_OK;
    for (int b = 0; wanted && b < 2; b++)
        rc = rc != NS_OK ? rc : add_wanted(faces, wanted, b, err);
    if (rc == NS_OK && wanted && !ns_copy_text(&faces->family, is_file(wanted) ? faces->list[0].outlines->family_name : wanted))
        rc = ns_oom(err, "fonts");
    rc = rc != NS_OK ? rc : add_embedded(faces, regular, regular_end, false, err);
    rc = rc != NS_OK ? rc : add_embedded(faces, bold, bold_end, true, err);
    if (rc != NS_OK)
        ns_faces_free(faces);
    else
        *out = faces;
    return rc;
}

static int find_open(const ns_faces *faces, uint32_t code, bool is_bold)
{
    for (int64_t i = 0; i < faces->n; i++)
        if (faces->list[i].bold == is_bold && FT_Get_Char_Index(faces->list[i].outlines, code))
            return (int)i;
    return NS_NO_FACE;
}

static int find_installed(ns_faces *faces, uint32_t code, bool is_bold)
{
    ns_font_file file;
    if (!ns_system_font(NULL, is_bold, code, &file))
        return NS_NO_FACE;
    const int rc = add_file(faces, file.path, file.index, is_bold, NULL);
    free(file.path);
    return rc == NS_OK ? find_open(faces, code, is_bold) : NS_NO_FACE;
}

int ns_faces_find(ns_faces *faces, uint32_t code, bool is_bold)
{
    int i = find_open(faces, code, is_bold);
    if (i == NS_NO_FACE && is_bold)
        i = find_open(faces, code, false);
    return i == NS_NO_FACE ? find_installed(faces, code, is_bold) : i;
}

bool ns_faces_have(const ns_faces *faces, uint32_t code)
{
    return find_open(faces, code, false) != NS_NO_FACE || find_open(faces, code, true) != NS_NO_FACE;
}
