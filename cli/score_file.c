/* score_file.c - scores over layers and heads, read with an error that says what there is instead. */
#include "cli/score_file.h"

#include <stdlib.h>
#include <string.h>

#include <needlescope/arch.h>

int64_t cli_find_ranked(char *const *names, int64_t n, const char *name)
{
    for (int64_t i = 0; i < n; i++)
        if (strcmp(names[i], name) == 0)
            return i;
    return -1;
}

static int layer_kind_of(const char *name)
{
    for (int kind = NS_LAYER_FULL; kind <= NS_LAYER_RECURRENT; kind++)
        if (strcmp(name, ns_layer_kind_name((ns_layer_kind)kind)) == 0)
            return kind;
    return NS_LAYER_FULL;
}

int cli_read_layers(const ns_file *f, int64_t n_layers, int **kind, int64_t **window, ns_error *err)
{
    char **names = NULL;
    int64_t n = 0, shape[NS_MAX_RANK], *windows = NULL;
    int rank, rc = ns_file_read_strings(f, "layer_kind", &names, &n, err);
    if (rc == NS_OK)
        rc = ns_file_read_i64(f, "window", &windows, &rank, shape, err);
    *kind = ns_alloc_array((size_t)n_layers, sizeof **kind);
    *window = ns_alloc_array((size_t)n_layers, sizeof **window);
    if (rc == NS_OK && (!*kind || !*window))
        rc = ns_oom(err, "layers");
    if (rc == NS_OK && (n != n_layers || rank != 2 || shape[0] != n_layers))
        rc = ns_fail(err, NS_E_FORMAT, "layer_kind has %lld layers, the scores %lld", (long long)n, (long long)n_layers);
    for (int64_t l = 0; l < n_layers && rc == NS_OK; l++) {
        (*kind)[l] = layer_kind_of(names[l]);
        for (int64_t h = 0; h < shape[1]; h++)
            if (windows[l * shape[1] + h] > (*window)[l])
                (*window)[l] = windows[l * shape[1] + h];
    }
    ns_free_strings(names, n);
    free(windows);
    return rc;
}

static bool is_heads_score(const ns_file *f, const char *name, float **values, int64_t shape[2])
{
    int rank;
    int64_t full[NS_MAX_RANK];
    char *axes = NULL;
    if (!ns_file_has(f, name) || ns_file_read_f32(f, name, values, &rank, full, &axes, NULL) < 0)
        return false;
    const bool heads = rank == 2 && axes && strcmp(axes, "layer head") == 0;
    free(axes);
    if (!heads) {
        free(*values);
        *values = NULL;
        return false;
    }
    shape[0] = full[0];
    shape[1] = full[1];
    return true;
}

/* The scores that the file has, for the error. */
static int no_such_score(const ns_file *f, const char *path, const char *name, ns_error *err)
{
    char **list = NULL, found[512] = "";
    int64_t n = 0;
    if (ns_file_list(f, &list, &n, NULL) < 0)
        n = 0;
    for (int64_t i = 0; i < n; i++) {
        float *values = NULL;
        int64_t shape[2];
        const char *const base = list[i] + (list[i][0] == '/');
        if (strcmp(base, "window") && strcmp(base, "head_valid") && !strchr(base, '/') && is_heads_score(f, base, &values, shape)) {
            const size_t used = strlen(found);
            snprintf(found + used, sizeof found - used, "%s%s", used ? ", " : "", base);
        }
        free(values);
        free(list[i]);
    }
    free(list);
    return name ? ns_fail(err, NS_E_ARG, "%s: no score '%s' over layers and heads; it has %s", path, name, found[0] ? found : "none")
                : ns_fail(err, NS_E_ARG, "--score NAME is missing; %s has %s", path, found[0] ? found : "none");
}

int cli_read_score(const ns_file *f, const char *path, const char *name, float **values, int64_t shape[2], ns_error *err)
{
    *values = NULL;
    return name && is_heads_score(f, name, values, shape) ? NS_OK : no_such_score(f, path, name, err);
}
