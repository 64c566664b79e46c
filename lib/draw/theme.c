/* theme.c - the dark theme, and themes from a file: {"colors": {"ink": "#262626", "series": ["#0072b2", ...]}, "line_width": 1.5,
 * "font": "DejaVu Sans", "font_size": 8}. */
#include "draw/theme.h"
#include "core/core.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 1 << 16, DEPTH = 4 };

static const struct { const char *name; int role, n; } colors[] = {
    {"ink", NS_ROLE_INK, 1}, {"faint", NS_ROLE_FAINT, 1}, {"paper", NS_ROLE_PAPER, 1}, {"guide", NS_ROLE_GUIDE, 1},
    {"hatch", NS_ROLE_HATCH, 1}, {"hatch_line", NS_ROLE_HATCH_LINE, 1}, {"mark", NS_ROLE_MARK, 1}, {"full", NS_ROLE_FULL, 1},
    {"recurrent", NS_ROLE_RECURRENT, 1}, {"mlp", NS_ROLE_MLP, 1}, {"value", NS_ROLE_VALUE, 1}, {"chance", NS_ROLE_CHANCE, 1},
    {"set", NS_ROLE_SET, 1}, {"control", NS_ROLE_CONTROL, 1}, {"swa", NS_ROLE_WINDOW, NS_THEME_WINDOWS},
    {"series", NS_ROLE_SERIES, NS_THEME_SERIES},
};
enum { N_COLORS = sizeof colors / sizeof *colors };

static void set(ns_theme *t, int role, uint8_t r, uint8_t g, uint8_t b)
{
    t->color[role] = (ns_rgb){r, g, b, NS_ROLE_NONE};
    t->set[role] = true;
}

/* Okabe and Ito's colours, the dark ones of them lighter: every one has a contrast of 3 and more against the paper. */
static void make_dark(ns_theme *t)
{
    static const uint8_t series[NS_THEME_SERIES][3] = {{86, 160, 222}, {240, 180, 50}, {240, 120, 50}, {50, 195, 150},
                                                       {220, 150, 190}, {130, 205, 245}, {205, 205, 205}, {190, 165, 80}};
    static const uint8_t windows[NS_THEME_WINDOWS][3] = {{86, 180, 233}, {40, 130, 200}, {158, 214, 240}};
    set(t, NS_ROLE_INK, 232, 232, 232);
    set(t, NS_ROLE_FAINT, 165, 165, 165);
    set(t, NS_ROLE_PAPER, 20, 20, 24);
    set(t, NS_ROLE_GUIDE, 105, 105, 110);
    set(t, NS_ROLE_HATCH, 44, 44, 50);
    set(t, NS_ROLE_HATCH_LINE, 100, 100, 108);
    set(t, NS_ROLE_FULL, 205, 205, 205);
    set(t, NS_ROLE_MLP, 105, 105, 110);
    set(t, NS_ROLE_VALUE, 86, 160, 222);
    set(t, NS_ROLE_CHANCE, 240, 120, 50);
    set(t, NS_ROLE_SET, 240, 120, 50);
    set(t, NS_ROLE_CONTROL, 140, 170, 200);
    for (int i = 0; i < NS_THEME_SERIES; i++)
        set(t, NS_ROLE_SERIES + i, series[i][0], series[i][1], series[i][2]);
    for (int i = 0; i < NS_THEME_WINDOWS; i++)
        set(t, NS_ROLE_WINDOW + i, windows[i][0], windows[i][1], windows[i][2]);
}

/* "#0072b2" */
static int read_color(ns_theme *t, int role, const cJSON *item, const char *name, const char *path, ns_error *err)
{
    const char *const text = cJSON_GetStringValue(item);
    if (!text || strlen(text) != 7 || *text != '#' || strspn(text + 1, "0123456789abcdefABCDEF") != 6)
        return ns_fail(err, NS_E_FORMAT, "%s: the colour '%s' is not a text like \"#0072b2\"", path, name);
    const unsigned long rgb = strtoul(text + 1, NULL, 16);
    set(t, role, (uint8_t)(rgb >> 16), (uint8_t)(rgb >> 8), (uint8_t)rgb);
    return NS_OK;
}

/* One colour, or a list of at most n. */
static int read_colors(ns_theme *t, const cJSON *item, int role, int n, const char *path, ns_error *err)
{
    int rc = NS_OK;
    if (n == 1)
        return read_color(t, role, item, item->string, path, err);
    const int given = cJSON_IsArray(item) ? cJSON_GetArraySize(item) : 0;
    if (given < 1 || given > n)
        return ns_fail(err, NS_E_FORMAT, "%s: '%s' must be a list of 1 to %d colours", path, item->string, n);
    for (int i = 0; i < given && rc == NS_OK; i++)
        rc = read_color(t, role + i, cJSON_GetArrayItem(item, i), item->string, path, err);
    return rc;
}

static int read_all_colors(ns_theme *t, const cJSON *object, const char *path, ns_error *err)
{
    const char *names[N_COLORS];
    if (!object)
        return NS_OK;
    if (!cJSON_IsObject(object))
        return ns_fail(err, NS_E_FORMAT, "%s: 'colors' must be an object of names and colours", path);
    for (int i = 0; i < N_COLORS; i++)
        names[i] = colors[i].name;
    int rc = ns_json_keys(object, names, N_COLORS, NS_E_FORMAT, "a theme has no such colour", path, err);
    for (int i = 0; i < N_COLORS && rc == NS_OK; i++) {
        const cJSON *const item = cJSON_GetObjectItemCaseSensitive(object, colors[i].name);
        rc = item ? read_colors(t, item, colors[i].role, colors[i].n, path, err) : NS_OK;
    }
    return rc;
}

static int read_theme(ns_theme *t, const cJSON *root, const char *path, ns_error *err)
{
    static const char *const known[] = {"colors", "line_width", "font", "font_size"};
    const char *font = NULL;
    if (!cJSON_IsObject(root))
        return ns_fail(err, NS_E_FORMAT, "%s: a theme is a JSON object", path);
    int rc = ns_json_keys(root, known, 4, NS_E_FORMAT, "a theme has colors, line_width, font and font_size", path, err);
    rc = rc != NS_OK ? rc : ns_json_no_null(root, path, err);
    rc = rc != NS_OK ? rc : ns_json_f64(root, "line_width", 1, &t->line_width, path, err);
    rc = rc != NS_OK ? rc : ns_json_f64(root, "font_size", 0, &t->font_size, path, err);
    rc = rc != NS_OK ? rc : ns_json_str(root, "font", &font, path, err);
    if (rc == NS_OK && !(t->line_width >= .25 && t->line_width <= 8))
        rc = ns_fail(err, NS_E_FORMAT, "%s: line_width %g: lines may be .25 to 8 times as wide as they are", path, t->line_width);
    if (rc == NS_OK && cJSON_HasObjectItem(root, "font_size") && !(t->font_size >= 4 && t->font_size <= 24))
        rc = ns_fail(err, NS_E_FORMAT, "%s: font_size %g: texts may have 4 to 24 points", path, t->font_size);
    if (rc == NS_OK && font && !(t->font = ns_strdup(font)))
        rc = ns_oom(err, path);
    return rc != NS_OK ? rc : read_all_colors(t, cJSON_GetObjectItemCaseSensitive(root, "colors"), path, err);
}

int ns_theme_make(ns_theme *t, bool dark, const char *path, ns_error *err)
{
    cJSON *root = NULL;
    *t = (ns_theme){.line_width = 1};
    if (dark)
        make_dark(t);
    if (!path)
        return NS_OK;
    int rc = ns_json_read(&root, path, MOST_BYTES, DEPTH, err);
    rc = rc != NS_OK ? rc : read_theme(t, root, path, err);
    cJSON_Delete(root);
    return rc;
}

void ns_theme_clear(ns_theme *t)
{
    free(t->font);
    *t = (ns_theme){0};
}

ns_rgb ns_theme_color(const ns_theme *t, ns_rgb color)
{
    return t->set[color.role] ? t->color[color.role] : color;
}
