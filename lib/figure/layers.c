/* layers.c - which layers a figure shows. */
#include "figure/files.h"

#include <stdlib.h>
#include <string.h>

/* "3" or "3-7" at *text, which goes on behind it. */
static bool read_range(const char **text, int64_t *first, int64_t *last)
{
    char *end;
    if (**text < '0' || **text > '9')
        return false;
    *first = *last = strtoll(*text, &end, 10);
    if (*end == '-' && end[1] >= '0' && end[1] <= '9')
        *last = strtoll(end + 1, &end, 10);
    *text = *end == ',' ? end + 1 : end;
    return *end == '\0' || (*end == ',' && end[1] != '\0');
}

static int mark(const char *layers, int64_t n, bool *drawn, ns_error *err)
{
    const char *at = layers;
    do {
        int64_t first, last;
        if (!read_range(&at, &first, &last) || first > last)
            return ns_fail(err, NS_E_ARG, "layers '%.60s': write A-B,C, as 0-3,7", layers);
        if (last >= n)
            return ns_fail(err, NS_E_ARG, "layers '%.60s': there is no layer %lld; it has %lld, 0 to %lld", layers, (long long)last,
                           (long long)n, (long long)n - 1);
        for (int64_t l = first; l <= last; l++) {
            if (drawn[l])
                return ns_fail(err, NS_E_ARG, "layers '%.60s': layer %lld is named twice", layers, (long long)l);
            drawn[l] = true;
        }
    } while (*at);
    return NS_OK;
}

int ns_plot_layers(const ns_figure_params *look, int64_t n, int64_t **out, int64_t *n_drawn, ns_error *err)
{
    bool *const drawn = ns_alloc_array((size_t)n + 1, sizeof *drawn);
    *out = ns_alloc_array((size_t)n + 1, sizeof **out);
    *n_drawn = 0;
    int rc = drawn && *out ? NS_OK : ns_oom(err, "layers");
    if (rc == NS_OK && look && look->layers)
        rc = mark(look->layers, n, drawn, err);
    for (int64_t l = 0; l < n && rc == NS_OK; l++)
        if (!look || !look->layers || drawn[l])
            (*out)[(*n_drawn)++] = l;
    free(drawn);
    return rc;
}
