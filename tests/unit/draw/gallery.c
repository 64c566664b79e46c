/* gallery.c - every kind and size of figure from synthetic data, as PNG, PDF and SVG: to be looked at.
 *
 *     gallery FOLDER */
#include "core/core.h"
#include <needlescope/figure.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const endings[] = {"png", "pdf", "svg"};
static const char comment[] = "needlescope figure heads scores.h5 --score retrieval_mass -o heads.pdf";

static void must(int code, const ns_error *err)
{
    if (code != NS_OK) {
        fprintf(stderr, "%s\n", err->message);
        exit(1);
    }
}

static void heads(const char *folder, const char *name, const ns_heads_figure *f, const ns_figure_params *p)
{
    for (int i = 0; i < 3; i++) {
        ns_error err;
        char *path = ns_printf_alloc("%s/%s.%s", folder, name, endings[i]);
        must(ns_draw_heads(path, f, p, &err), &err);
        free(path);
    }
}

static void map(const char *folder, const char *name, const ns_map_figure *f, const ns_figure_params *p)
{
    for (int i = 0; i < 3; i++) {
        ns_error err;
        char *path = ns_printf_alloc("%s/%s.%s", folder, name, endings[i]);
        must(ns_draw_map(path, f, p, &err), &err);
        free(path);
    }
}

/* Most heads near nothing, a few near one. */
static float *scores(int64_t n, uint64_t seed)
{
    float *score = ns_alloc_array((size_t)n, sizeof *score);
    ns_rng rng = ns_rng_seed(seed, 0);
    for (int64_t i = 0; i < n; i++) {
        const double u = ns_rng_uniform(&rng);
        score[i] = (float)(u > 0.95 ? 0.5 + 0.5 * ns_rng_uniform(&rng) : u * u * u * u * 0.3);
    }
    return score;
}

static void heads_of_size(const char *folder, int64_t layers, int64_t n_heads, bool hybrid)
{
    char name[64];
    ns_head marks[64];
    float *score = scores(layers * n_heads, (uint64_t)(layers * 100 + n_heads));
    int *kind = ns_alloc_array((size_t)layers, sizeof *kind);
    int64_t *window = ns_alloc_array((size_t)layers, sizeof *window);
    int n_marks = 0;
    for (int64_t i = 0; i < layers * n_heads && n_marks < 64; i++)
        if (score[i] > 0.75f) {
            marks[n_marks++] = (ns_head){i / n_heads, i % n_heads};
        }
    for (int64_t i = 0; hybrid && i < layers; i++) {
        kind[i] = i % 6 == 5 ? 0 : i % 6 == 2 ? 2 : 1;
        window[i] = kind[i] == 1 ? 512 : 0;
        for (int64_t h = 0; kind[i] == 2 && h < n_heads; h++)
            score[i * n_heads + h] = NAN;
    }
    for (int i = 0; hybrid && i < n_marks; i++)
        if (kind[marks[i].layer] == 2)
            marks[i--] = marks[--n_marks];
    const ns_heads_figure f = {.size = sizeof f, .score = score, .n_layers = layers, .n_heads = n_heads, .kind = kind, .window = window,
                               .score_name = "retrieval_mass", .model_name = "SmolLM2-135M-Instruct", .chance = 0.0137,
                               .marks = marks, .n_marks = n_marks,
                               .marks_name = "score > .75"};
    const ns_figure_params p = {.size = sizeof p, .comment = comment};
    snprintf(name, sizeof name, "heads-%lldx%lld%s", (long long)layers, (long long)n_heads, hybrid ? "-hybrid" : "");
    heads(folder, name, &f, &p);
    free(score);
    free(kind);
    free(window);
}

static void heads_variants(const char *folder)
{
    float *score = scores(24 * 16, 5);
    ns_heads_figure f = {.size = sizeof f, .score = score, .n_layers = 24, .n_heads = 16, .score_name = "head entropy (nats)",
                         .model_name = "pythia-410m",
                         .chance = NAN};
    int64_t window[24];
    int kind[24];
    for (int i = 0; i < 24; i++) {
        kind[i] = i % 4 == 3 ? 0 : 1;
        window[i] = (int64_t)32 << i % 4;
    }
    ns_figure_params p = {.size = sizeof p, .colormap = "magma", .width = 5.5};
    for (int i = 0; i < 24 * 16; i++)
        score[i] = score[i] * 6 + 0.4f;
    score[3] = score[70] = NAN;
    f.kind = kind;
    f.window = window;
    heads(folder, "heads-wide-magma", &f, &p);
    for (int i = 0; i < 24 * 16; i++)
        score[i] = (score[i] - 1.2f) * 0.1f;
    f.kind = NULL;
    f.score_name = "change of retrieval_find, step 1000 to 4000";
    f.model_name = "a model whose name is very long indeed, checkpoint at step 143000, revision main";
    p = (ns_figure_params){.size = sizeof p};
    heads(folder, "heads-signed", &f, &p);
    f.n_layers = 2;
    f.n_heads = 4;
    f.model_name = "two layers";
    f.score_name = "induction";
    heads(folder, "heads-2x4", &f, &p);
    free(score);
}

/* A row that looks at the sink, at its neighbours, and when it is an answer, at the needle. */
static void fill_row(float *row, int64_t q, int64_t n_keys, int64_t window, int64_t needle, bool answer, ns_rng *rng)
{
    const int64_t lo = window > 0 && q - window + 1 > 0 ? q - window + 1 : 0;
    double sum = 0;
    for (int64_t k = lo; k <= q && k < n_keys; k++) {
        double v = 0.02 * ns_rng_uniform(rng) + exp(-(double)(q - k) / 4) + (k == 0 ? 3 : 0);
        v += answer && k >= needle && k < needle + 4 ? 12 : 0;
        row[k] = (float)v;
        sum += v;
    }
    for (int64_t k = lo; k <= q && k < n_keys; k++)
        row[k] = (float)(row[k] / sum);
}

static void map_of_size(const char *folder, const char *name, int64_t T, int64_t first_row, int64_t window, bool log_scale)
{
    const int64_t n_rows = T - first_row, needle = T * 3 / 10, question = T * 9 / 10;
    float *values = ns_alloc_array((size_t)(n_rows * T), sizeof *values);
    ns_rng rng = ns_rng_seed(7, 0);
    for (int64_t r = 0; r < n_rows; r++)
        fill_row(values + r * T, first_row + r, T, window, needle, first_row + r >= T - 6, &rng);
    const ns_figure_span spans[] = {
        {"needle", needle - 10, needle + 6}, {"needle_answer", needle, needle + 4}, {"distractor.0", T / 10, T / 10 + 12},
        {"distractor.1", T / 2, T / 2 + 12}, {"distractor.2", T / 2 + 20, T / 2 + 32}, {"question", question, T - 6}, {"answer", T - 6, T}};
    const ns_map_figure f = {.size = sizeof f, .map = values, .n_rows = n_rows, .n_keys = T, .row0 = first_row, .spans = spans,
                             .n_spans = 7, .model_name = "SmolLM2-135M", .case_name = "needle-512-0.3-1", .layer = 14, .head = 3,
                             .window = window, .log_scale = log_scale};
    const ns_figure_params p = {.size = sizeof p, .comment = comment};
    map(folder, name, &f, &p);
    free(values);
}

static void map_variants(const char *folder)
{
    enum { T = 24 };
    float values[T * T] = {0};
    ns_rng rng = ns_rng_seed(3, 0);
    for (int64_t q = 0; q < T; q++)
        fill_row(values + q * T, q, T, 8, 5, q > 20, &rng);
    values[10 * T + 8] = values[10 * T + 9] = NAN;
    const ns_figure_span spans[] = {{"needle", 5, 9}, {"question", 15, 21}};
    ns_map_figure f = {.size = sizeof f, .map = values, .n_rows = T, .n_keys = T, .spans = spans, .n_spans = 2, .model_name = "planted",
                       .layer = 1,
                       .window = 8};
    ns_figure_params p = {.size = sizeof p, .colormap = "viridis"};
    map(folder, "map-24-window8", &f, &p);
    f.spans = NULL;
    f.n_spans = 0;
    p.title = "";
    p.colormap = "grey";
    map(folder, "map-24-bare-grey", &f, &p);
    const int64_t row_at[4] = {9, 14, 22, 23};
    float rows[4 * T];
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < T; k++)
            rows[i * T + k] = isnan(values[row_at[i] * T + k]) ? 0 : (i % 2 ? -1 : 1) * values[row_at[i] * T + k];
    p = (ns_figure_params){.size = sizeof p};
    f = (ns_map_figure){.size = sizeof f, .map = rows, .n_rows = 4, .n_keys = T, .spans = spans, .n_spans = 2, .row_at = row_at,
                        .model_name = "hybrid",
                        .case_name = "recurrent layer, unrolled", .layer = 2, .head = 0, .value_name = "unrolled weight"};
    map(folder, "map-signed-rows", &f, &p);
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: gallery FOLDER\n");
        return 2;
    }
    const char *folder = argv[1];
    heads_of_size(folder, 6, 8, true);
    heads_of_size(folder, 30, 9, false);
    heads_of_size(folder, 32, 32, false);
    heads_of_size(folder, 26, 8, true);
    heads_of_size(folder, 80, 64, true);
    heads_variants(folder);
    map_of_size(folder, "map-300", 300, 0, 0, false);
    map_of_size(folder, "map-1500-log", 1500, 0, 0, true);
    map_of_size(folder, "map-700-window256-log", 700, 0, 256, true);
    map_of_size(folder, "map-rows-6x1024-log", 1024, 1018, 0, true);
    map_variants(folder);
    return 0;
}
