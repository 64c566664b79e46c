/* figure.h - what all commands that draw share: the options of a figure's look, and the line that says what was drawn. */
#ifndef NS_CLI_FIGURE_H
#define NS_CLI_FIGURE_H

#include <needlescope/figure.h>

#include "cli/cli.h"

typedef struct cli_look { const char *out, *title; int colormap; double vmin, vmax, width; int64_t dpi; } cli_look;
extern const cli_option cli_look_options[];
/* NS_E_ARG without -o. */
int cli_look_check(cli *, const cli_look *);
ns_figure_params cli_look_params(const cli *, const cli_look *);
/* Files of `ablate`, or of `patch` with a set, beside each other; width 0 is chosen. */
int cli_draw_ablations(const char *out, const char *const *files, int n, const ns_figure_params *, ns_error *);
/* "FILE: WHAT", the file without folder and ending: what one of several files is called in a figure. malloc'd; NULL when memory is out. */
char *cli_label(const char *path, const char *what);
int cli_say_drawn(cli *, const char *path, const char *what);

#endif
