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

void ns_note_count(char *note, size_t size, int64_t n, const char *what)
{
    const size_t used = strlen(note);
    if (n > 0)
        snprintf(note + used, size - used, "%s%lld %s", used ? "; " : "", (long long)n, what);
}

int ns_look_with_width(ns_figure_params *out, const ns_figure_params *look, double width, ns_error *err)
{
    *out = (ns_figure_params){.size = sizeof *out};
    const int rc = look ? ns_sized_copy(out, sizeof *out, look, "ns_figure_params", err) : NS_OK;
    out->size = sizeof *out;
    out->width = out->width > 0 ? out->width : width;
    return rc;
}
