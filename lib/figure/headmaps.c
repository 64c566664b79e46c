/* headmaps.c - maps of heads: the numbers of one checkpoint, outliving the study. */
#include "figure/headmaps.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

int ns_head_map_read(ns_head_map *m, ns_study *study, const char *score, int64_t run, int64_t step, ns_error *err)
{
    const ns_study_shape n = ns_study_size(study);
    const char *const model = ns_file_fact(ns_study_file(study), "model_name");
    const float *values;
    ns_score_meaning meaning;
    *m = (ns_head_map){.figure = {.size = sizeof m->figure}};
    int rc = ns_study_meaning(study, score, &meaning, err);
    rc = rc != NS_OK ? rc : ns_study_score(study, score, &values, err);
    if (rc != NS_OK)
        return rc;
    m->score = ns_alloc_array((size_t)(n.L * n.H), sizeof *m->score);
    m->kind = ns_alloc_array((size_t)n.L, sizeof *m->kind);
    m->window = ns_alloc_array((size_t)n.L, sizeof *m->window);
    m->name = ns_strdup("");
    m->model = ns_strdup(model ? model : "");
    if (!m->score || !m->kind || !m->window || !m->name || !m->model)
        return ns_oom(err, "a map of heads");
    memcpy(m->score, values + (run * n.P + step) * n.L * n.H, (size_t)(n.L * n.H) * sizeof *values);
    ns_study_layers(study, run, m->kind, m->window);
    m->figure = (ns_heads_figure){.size = sizeof m->figure,
                                  .score = m->score,
                                  .n_layers = n.L,
                                  .n_heads = n.H,
                                  .kind = m->kind,
                                  .window = m->window,
                                  .score_name = m->name,
                                  .model_name = model ? m->model : NULL,
                                  .chance = meaning.chance};
    return NS_OK;
}

int ns_head_map_name(ns_head_map *m, char *name, ns_error *err)
{
    if (!name)
        return ns_oom(err, "a map of heads");
    free(m->name);
    m->figure.score_name = m->name = name;
    return NS_OK;
}

static void keep_marks(ns_head_map *m, int64_t *hidden)
{
    int n = 0;
    for (int i = 0; i < m->figure.n_marks; i++) {
        int64_t row = 0;
        while (row < m->figure.n_layers && m->layer[row] != m->marks[i].layer)
            row++;
        *hidden += row == m->figure.n_layers;
        if (row < m->figure.n_layers)
            m->marks[n++] = (ns_head){row, m->marks[i].head};
    }
    m->figure.n_marks = n;
}

int ns_head_map_keep(ns_head_map *m, const ns_figure_params *look, int64_t *hidden, ns_error *err)
{
    const int64_t H = m->figure.n_heads;
    int64_t n;
    const int rc = ns_plot_layers(look, m->figure.n_layers, &m->layer, &n, err);
    if (rc != NS_OK || n == m->figure.n_layers)
        return rc;
    for (int64_t i = 0; i < n; i++) {
        memmove(m->score + i * H, m->score + m->layer[i] * H, (size_t)H * sizeof *m->score);
        m->kind[i] = m->kind[m->layer[i]];
        m->window[i] = m->window[m->layer[i]];
    }
    m->figure.n_layers = n;
    m->figure.layer_at = m->layer;
    keep_marks(m, hidden);
    return NS_OK;
}

void ns_head_map_clear(ns_head_map *m)
{
    free(m->score);
    free(m->marks);
    free(m->kind);
    free(m->window);
    free(m->layer);
    free(m->name);
    free(m->model);
}

void ns_head_maps_share_range(ns_head_map *maps, int n)
{
    double least = 0, most = 0;
    for (int i = 0; i < n; i++)
        for (int64_t k = 0; k < maps[i].figure.n_layers * maps[i].figure.n_heads; k++) {
            const double v = (double)maps[i].score[k];
            least = isnan(v) ? least : fmin(least, v);
            most = isnan(v) ? most : fmax(most, v);
        }
    for (int i = 0; i < n; i++) {
        maps[i].figure.range[0] = least;
        maps[i].figure.range[1] = most;
    }
}
