/* files.h - what the figures of files share: names of files and facts to say. */
#ifndef NS_FIGURE_FILES_H
#define NS_FIGURE_FILES_H

#include <needlescope/plot.h>
#include <needlescope/provenance.h>
#include <needlescope/record.h>

#include "core/core.h"

/* "FILE: WHAT", the file without folder and ending: what one of several files is called in a figure. malloc'd; NULL when memory is out. */
char *ns_plot_label(const char *path, const char *what);
/* The name of the model that all files are of, one after the other: malloc'd; NULL where they are of several, or do not say. */
int  ns_plot_one_model(char **model, const ns_file *, bool first, ns_error *);
/* said may be NULL; note may be "". */
void ns_plotted_say(ns_plotted *said, const char *shows, const char *note);

/* What the figure would be refused for when it is written, asked before the work: NS_E_ARG where it would replace one of the files,
 * NS_E_CREATE where it would replace what is no picture or cannot be written. Nothing is written of a figure in memory. */
int  ns_plot_check(const char *path, const ns_figure_params *look, const char *const *files, int n_files, ns_error *);

/* The layers that look->layers names of n, ascending, all where it names none: malloc'd, the caller's after an error, too. A kind that has
 * taken them sets look->layers to NULL: what draws would refuse them. */
int  ns_plot_layers(const ns_figure_params *look, int64_t n, int64_t **layers, int64_t *n_drawn, ns_error *);

/* Adds "1 ONE" or "3 MANY" to a note, behind "; " where it has something; nothing where n is 0. */
void ns_note_count(char *note, size_t size, int64_t n, const char *one, const char *many);
/* How a figure is drawn: what the caller wants (NULL: nothing), the width chosen where it was not given, and what is known of the files
 * behind what the caller says of itself. NS_E_ARG where the figure would replace one of them. Ends with ns_plot_look_end, after an error
 * too. */
typedef struct ns_plot_look { ns_figure_params params; ns_fact_list facts; char *comment; } ns_plot_look;
int  ns_plot_look_begin(ns_plot_look *, const char *path, const ns_figure_params *look, double width, const char *const *files, int n_files,
                        ns_error *);
void ns_plot_look_end(ns_plot_look *);

#endif
