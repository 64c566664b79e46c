/* files.h - what the figures of files share: names of files and facts to say. */
#ifndef NS_FIGURE_FILES_H
#define NS_FIGURE_FILES_H

#include <needlescope/plot.h>
#include <needlescope/record.h>

#include "core/core.h"

/* "FILE: WHAT", the file without folder and ending: what one of several files is called in a figure. malloc'd; NULL when memory is out. */
char *ns_plot_label(const char *path, const char *what);
/* said may be NULL; note may be "". */
void ns_plotted_say(ns_plotted *said, const char *shows, const char *note);

#endif
