/* figure.h - what all commands that draw share: the options of a figure's look, and the line that says what was drawn. */
#ifndef NS_CLI_FIGURE_H
#define NS_CLI_FIGURE_H

#include <math.h>

#include <needlescope/plot.h>

#include "cli/cli.h"

typedef struct cli_look { const char *out, *title; int colormap; double vmin, vmax, width, height, font_size; int64_t dpi; const char *font;
                         cli_words label, order; const char *theme, *layers; bool dark, transparent; int values, legend, x; } cli_look;
#define CLI_LOOK_DEFAULTS {.vmin = -(double)INFINITY, .vmax = (double)INFINITY, .font_size = (double)NAN}
extern const cli_option cli_look_options[], cli_colour_options[], cli_order_options[], cli_course_options[], cli_time_options[],
    cli_cell_options[];
/* Of figures in lines and points; of those in which colours are values. */
#define CLI_LOOK_GROUP(settings) {"Look", cli_look_options, offsetof(settings, look)}
#define CLI_LOOK_GROUPS(settings) CLI_LOOK_GROUP(settings), {"Colours", cli_colour_options, offsetof(settings, look)}
/* Of figures with panels, groups, rows or columns; of those over training, too; of those in whose cells numbers may stand. */
#define CLI_ORDER_GROUP(settings) {"Arrangement", cli_order_options, offsetof(settings, look)}
#define CLI_COURSE_GROUP(settings) {"Arrangement", cli_course_options, offsetof(settings, look)}
#define CLI_CELL_GROUP(settings) {"Cells", cli_cell_options, offsetof(settings, look)}
/* Of figures of chosen steps. */
#define CLI_TIME_GROUP(settings) {"Arrangement", cli_time_options, offsetof(settings, look)}
/* A row of a command's own table. */
#define CLI_LAYERS_OPTION(settings) \
    {"layers", 0, CLI_TEXT, offsetof(settings, look.layers), "A-B,C", "draw these layers alone, as 0-3,7"}
/* NS_E_ARG: no -o; a --dpi of what has no pixels; a colour range upside down. */
int cli_look_check(cli *, const cli_look *);
ns_figure_params cli_look_params(cli *, const cli_look *);
/* The answer of a figure command; what was left out is a note. */
int cli_say_drawn(cli *, const char *path, const ns_plotted *);

#endif
