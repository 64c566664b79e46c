/* figure.c - the look of figures. */
#include "cli/figure.h"

#include "cli/out.h"

#define FIELD(name) offsetof(cli_look, name)
const cli_option cli_look_options[] = {
    {"output", 'o', CLI_OUTPUT, FIELD(out), "FILE", "the figure to write: .png, .pdf, .eps or .svg",
     .makes = NS_KINDS_PICTURE | NS_KINDS(NS_KIND_TEXT)},        /* the library says which: .tex of tokens is a text */
    {"title", 0, CLI_TEXT, FIELD(title), "TEXT", "title ('' for none)"},
    {"width", 0, CLI_LENGTH, FIELD(width), "LENGTH",
     "width: 3.3, 85mm, 8.5cm, 240pt (default a paper's column, 3.3 inches, or a page's, 7)"},
    {"font-size", 0, CLI_NUMBER, FIELD(font_size), "POINTS", "size of the smallest texts, by which all grows (default 7)"},
    {"font", 0, CLI_TEXT, FIELD(font), "FONT", "installed font, or a font's file (.ttf, .otf); default DejaVu Sans, built in"},
    {"label", 0, CLI_WORDS, FIELD(label), "OLD=NEW,...", "write a text of the figure another way"},
    {"height", 0, CLI_LENGTH, FIELD(height), "LENGTH", "height, to which the figure is stretched or pressed (default as it comes)"},
    {"legend", 0, CLI_CHOICE, FIELD(legend), "PLACE", "where the legend stands, or none (default bottom)", "bottom|top|off"},
    {"theme", 0, CLI_FILE, FIELD(theme), "FILE.json", "colours, width of lines and font of a file"},
    {"dark", 0, CLI_FLAG, FIELD(dark), NULL, "light on a dark page"},
    {"transparent", 0, CLI_FLAG, FIELD(transparent), NULL, "leave the page unpainted"},
    {"dpi", 0, CLI_INT, FIELD(dpi), "N", "resolution of a PNG (default 200)", NULL, 50, 1200},
    {0},
};
const cli_option cli_colour_options[] = {
    {"colormap", 0, CLI_CHOICE, FIELD(colormap), "NAME", "colours (default auto: cividis, or bluered for signed values)",
     "auto|cividis|viridis|magma|inferno|grey|bluered"},
    {"vmin", 0, CLI_NUMBER, FIELD(vmin), "X", "value of the first colour (default by the data)"},
    {"vmax", 0, CLI_NUMBER, FIELD(vmax), "X", "value of the last colour (default by the data)"},
    {0},
};
#define ORDER                                                                                                                              \
    {                                                                                                                                      \
        "order", 0, CLI_WORDS, FIELD(order), "NAME,...", "panels, groups, rows or columns that stand first, by their names"                \
    }
const cli_option cli_order_options[] = {ORDER, {0}};
#define X_AXIS                                                                                                                             \
    {                                                                                                                                      \
        "x", 0, CLI_CHOICE, FIELD(x), "WHAT", "count training in steps or tokens (default auto: as the figure does)", "auto|steps|tokens"  \
    }
const cli_option cli_time_options[] = {X_AXIS, {0}};
const cli_option cli_course_options[] = {
    ORDER,
    X_AXIS,
    {0},
};
const cli_option cli_cell_options[] = {
    {"values", 0, CLI_CHOICE, FIELD(values), "WHICH", "print the numbers: where they fit (default auto), all, none, or but zeros",
     "auto|on|off|nonzero"},
    {0},
};
#undef FIELD

int cli_look_check(cli *app, const cli_look *s)
{
    if (!s->out)
        return ns_fail(&app->err, NS_E_ARG, "-o FILE is missing (.png, .pdf, .eps or .svg)");
    if (!(s->vmin < s->vmax))
        return ns_fail(&app->err, NS_E_ARG, "--vmin %g --vmax %g: the first colour's value must be less than the last's", s->vmin, s->vmax);
    if (s->font_size == 0)
        return ns_fail(&app->err, NS_E_ARG, "--font-size 0: expected 4 to 24 points");
    const ns_figure_params params = cli_look_params(app, s);       /* before any file is read: what is wrong is an option */
    return ns_figure_check(&params, &app->err);
}

ns_figure_params cli_look_params(cli *app, const cli_look *s)
{
    static const char *const maps[] = {NULL,      "cividis", "viridis", "magma",
                                       "inferno", "grey",    "bluered"}; /* in the order of --colormap's choices */
    return (ns_figure_params){.size = sizeof(ns_figure_params),
                              .title = s->title,
                              .colormap = maps[s->colormap],
                              .vmin = s->vmin,
                              .vmax = s->vmax,
                              .width = s->width,
                              .dpi = (int)s->dpi,
                              .comment = app->command_line,
                              .facts = app->figure.list,
                              .n_facts = (int)app->figure.n,
                              .crowded = app->crowded,
                              .crowded_size = sizeof app->crowded,
                              .font_size = isnan(s->font_size) ? 0 : s->font_size,
                              .font = s->font,
                              .labels = s->label.list,
                              .n_labels = (int)s->label.n,
                              .height = s->height,
                              .theme = s->theme,
                              .dark = s->dark,
                              .transparent = s->transparent,
                              .values = s->values,
                              .legend = s->legend,
                              .x_axis = s->x,
                              .order = s->order.list,
                              .n_order = (int)s->order.n,
                              .layers = s->layers};
}

int cli_say_drawn(cli *app, const char *path, const ns_plotted *said)
{
    cli_out o;
    cli_out_begin(&o, app, "needlescope.figure/1");
    cli_out_text(&o, "file", "drawn", path);
    cli_out_text(&o, "shows", "shows", said->shows);
    cli_out_text(&o, "note", "note", *said->note ? said->note : NULL);
    cli_out_text(&o, "crowded", "crowded", *app->crowded ? app->crowded : NULL);
    return cli_out_end(&o, &app->err);
}
