/* files.c - names of files in figures; what is said of a figure that was drawn. */
#include "figure/files.h"

#include <stdlib.h>
#include <string.h>

char *ns_plot_label(const char *path, const char *what)
{
    char *const base = ns_clean_utf8(ns_path_base(path)), *const ending = base ? strrchr(base, '.') : NULL;
    const size_t n = ending && ending > base ? (size_t)(ending - base) : base ? strlen(base) : 0;
    char *const label = base ? ns_printf_alloc("%.*s: %s", (int)n, base, what) : NULL;
    free(base);
    return label;
}

int ns_plot_one_model(char **model, const ns_file *f, bool first, ns_error *err)
{
    const char *const name = ns_file_fact(f, "model_name");
    if (first && name && !(*model = ns_strdup(name)))
        return ns_oom(err, "a figure");
    if (*model && (!name || strcmp(name, *model) != 0)) {
        free(*model);
        *model = NULL;
    }
    return NS_OK;
}

void ns_plotted_say(ns_plotted *said, const char *shows, const char *note)
{
    if (!said)
        return;
    snprintf(said->shows, sizeof said->shows, "%s", shows);
    snprintf(said->note, sizeof said->note, "%s", note);
}

void ns_note_count(char *note, size_t size, int64_t n, const char *one, const char *many)
{
    const size_t used = strlen(note);
    if (n > 0)
        snprintf(note + used, size - used, "%s%lld %s", used ? "; " : "", (long long)n, n == 1 ? one : many);
}

int ns_plot_check(const char *path, const ns_figure_params *look, const char *const *files, int n_files, ns_error *err)
{
    ns_figure_params params = {.size = sizeof params};
    int rc = look ? ns_sized_copy(&params, sizeof params, look, "ns_figure_params", err) : NS_OK;
    if (rc != NS_OK || params.bytes)
        return rc;
    if (!path || !*path)
        return ns_fail(err, NS_E_ARG, "figure: no path to write to");
    rc = ns_check_not_input(path, files, n_files, err);
    return rc != NS_OK ? rc : ns_output_check(path, NS_KINDS_PICTURE, true, err);
}

int ns_plot_look_begin(ns_plot_look *l, const char *path, const ns_figure_params *look, double width, const char *const *files, int n_files,
                       ns_error *err)
{
    *l = (ns_plot_look){.params = {.size = sizeof l->params}};
    int rc = look ? ns_sized_copy(&l->params, sizeof l->params, look, "ns_figure_params", err) : NS_OK;
    l->params.size = sizeof l->params;
    if (rc == NS_OK && l->params.dpi && !l->params.bytes && !ns_ends(path, ".png"))
        rc = ns_fail(err, NS_E_ARG, "dpi %d is of a PNG; %s has no pixels to set", l->params.dpi, path);
    l->params.width = l->params.width > 0 ? l->params.width : width;
    rc = rc != NS_OK ? rc : ns_fact_list_add_all(&l->facts, l->params.facts, l->params.n_facts, err);
    /* A figure in memory is part of a thing that says who made it: the same file gives the same one. */
    const ns_provenance by = {.size = sizeof by, .caller = l->params.comment};
    l->comment = rc == NS_OK && by.caller ? ns_clean_utf8(by.caller) : NULL;
    if (rc == NS_OK && by.caller && !l->comment)
        rc = ns_oom(err, path);
    rc = rc != NS_OK ? rc : ns_provenance_of_export(&l->facts, l->params.bytes ? NULL : &by, err);
    for (int i = 0; i < n_files && rc == NS_OK; i++)
        rc = ns_provenance_of_file(&l->facts, files[i], i + 1, err);
    rc = rc != NS_OK || l->params.bytes ? rc : ns_provenance_check_output(&l->facts, path, err);
    l->params.comment = l->comment;
    l->params.facts = l->facts.list;
    l->params.n_facts = (int)l->facts.n;
    return rc;
}

void ns_plot_look_end(ns_plot_look *l)
{
    ns_fact_list_clear(&l->facts);
    free(l->comment);
}
