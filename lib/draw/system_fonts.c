/* system_fonts.c - the fonts of this system, by fontconfig where the build has it. It is not even started for a text that DejaVu Sans
 * has. */
#include "draw/face.h"

#include "core/core.h"

#ifdef NS_FONTCONFIG

#include <fontconfig/fontconfig.h>
#include <strings.h>

bool ns_system_has_fonts(void)
{
    return true;
}

/* The families that fontconfig gives a typeface of its own choice for. */
static bool is_generic(const char *family)
{
    static const char *const names[] = {"sans", "sans-serif", "serif", "mono", "monospace"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcasecmp(family, names[i]) == 0)
            return true;
    return false;
}

static bool is_of_family(FcPattern *font, const char *family)
{
    FcChar8 *name;
    for (int i = 0; FcPatternGetString(font, FC_FAMILY, i, &name) == FcResultMatch; i++)
        if (strcasecmp((const char *)name, family) == 0)
            return true;
    return is_generic(family);
}

static bool has_character(FcPattern *font, uint32_t code)
{
    FcCharSet *all;
    return FcPatternGetCharSet(font, FC_CHARSET, 0, &all) == FcResultMatch && FcCharSetHasChar(all, code);
}

static bool take(FcPattern *font, ns_font_file *out)
{
    FcChar8 *path;
    FcBool outline = FcFalse;
    if (FcPatternGetString(font, FC_FILE, 0, &path) != FcResultMatch ||
        FcPatternGetInteger(font, FC_INDEX, 0, &out->index) != FcResultMatch ||
        FcPatternGetBool(font, FC_OUTLINE, 0, &outline) != FcResultMatch || !outline)
        return false;
    out->path = ns_strdup((const char *)path);
    return out->path != NULL;
}

static FcPattern *pattern_of(const char *family, bool bold, uint32_t code)
{
    FcPattern *const wanted = FcPatternCreate();
    FcCharSet *const characters = code ? FcCharSetCreate() : NULL;
    bool good = wanted && (!code || (characters && FcCharSetAddChar(characters, code))) &&
                FcPatternAddString(wanted, FC_FAMILY, (const FcChar8 *)(family ? family : "sans-serif")) &&
                FcPatternAddInteger(wanted, FC_WEIGHT, bold ? FC_WEIGHT_BOLD : FC_WEIGHT_REGULAR) &&
                FcPatternAddBool(wanted, FC_OUTLINE, FcTrue) && FcPatternAddBool(wanted, FC_COLOR, FcFalse) &&
                (!code || FcPatternAddCharSet(wanted, FC_CHARSET, characters)) && FcConfigSubstitute(NULL, wanted, FcMatchPattern);
    if (characters)
        FcCharSetDestroy(characters);
    if (good) {
        FcDefaultSubstitute(wanted);
        return wanted;
    }
    if (wanted)
        FcPatternDestroy(wanted);
    return NULL;
}

bool ns_system_font(const char *family, bool bold, uint32_t code, ns_font_file *out)
{
    FcResult result;
    *out = (ns_font_file){0};
    FcPattern *const wanted = FcInit() ? pattern_of(family, bold, code) : NULL;
    FcPattern *const font = wanted ? FcFontMatch(NULL, wanted, &result) : NULL;
    const bool found = font && (!family || is_of_family(font, family)) && (!code || has_character(font, code)) && take(font, out);
    if (font)
        FcPatternDestroy(font);
    if (wanted)
        FcPatternDestroy(wanted);
    return found;
}

#else

bool ns_system_has_fonts(void)
{
    return false;
}

bool ns_system_font(const char *family, bool bold, uint32_t code, ns_font_file *out)
{
    (void)family, (void)bold, (void)code;
    *out = (ns_font_file){0};
    return false;
}

#endif
