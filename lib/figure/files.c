/* files.c - names of files in figures; what is said of a figure that was drawn. */
#include "figure/files.h"

#include <string.h>

char *ns_plot_label(const char *path, const char *what)
{
    const char *const base = ns_path_base(path), *const ending = strrchr(base, '.');
    return ns_printf_alloc("%.*s: %s", (int)(ending && ending > base ? (size_t)(ending - base) : strlen(base)), base, what);
}

void ns_plotted_say(ns_plotted *said, const char *shows, const char *note)
{
    if (!said)
        return;
    snprintf(said->shows, sizeof said->shows, "%s", shows);
    snprintf(said->note, sizeof said->note, "%s", note);
}
