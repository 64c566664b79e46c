/* test_crowded.c - every kind of figure at the widths of papers, with short and long labels and any number of panels: no two texts lie on
 * each other and none leaves the page; and the report that says so sees texts that do. */
#include "../../unit.h"

#include "draw/canvas.h"
#include <needlescope/figure.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS = 60, PANELS = 9, BANDS = 6, POINTS = 24, ROWS = 12, COLUMNS = 4, LAYERS = 30, HEADS = 9, SIDE = 4 + PANELS,
       RANKS = 10 + 6 * (PANELS - 1) };
static const char *const short_names[PANELS] = {"find", "copy", "all", "loss", "first", "last", "any", "seven", "eight"};
static const char *const long_names[PANELS] = {"retrieval_continue_of_the_second_needle",
                                               "previous_token of layers beside it",
                                               "margin of the answer (logits)",
                                               "prompt loss (nats), first 16 cases",
                                               "answers of all tokens right",
                                               "a name without end that nobody would give to anything",
                                               "retrieval_find_nosink",
                                               "retrieval_mass of the last token",
                                               "d \xe2\x89\xa5 512: retrieval_find"};
static float score[LAYERS * HEADS], values[PANELS * ROWS * POINTS];
static double tokens[POINTS], levels[PANELS * ROWS][2], draws[PANELS * COLUMNS * 20], at[PANELS * COLUMNS];
static double ranked[RANKS], low[RANKS], high[RANKS];

typedef struct drawing {
    const char *const       *names;
    int                      n;              /* panels */
    const ns_figure_params  *params;
} drawing;

static void fill(void)
{
    for (int i = 0; i < LAYERS * HEADS; i++)
        score[i] = (float)(i * 37 % 101) / 101;
    for (int i = 0; i < PANELS * ROWS * POINTS; i++)
        values[i] = (float)(i % POINTS) / POINTS;
    for (int i = 0; i < POINTS; i++)
        tokens[i] = 1000 * pow(1.6, i);
    for (int i = 0; i < PANELS * COLUMNS; i++)
        at[i] = (double)i / POINTS;
    for (int i = 0; i < PANELS * ROWS; i++) {
        levels[i][0] = tokens[4 + i % 8];
        levels[i][1] = i % 5 ? tokens[5 + i % 8] : (double)INFINITY;
    }
    for (int i = 0; i < PANELS * COLUMNS * 20; i++)
        draws[i] = (double)(i * 29 % 31) / 10;
    for (int i = 0; i < RANKS; i++) {
        ranked[i] = exp(-i / 6.0);
        low[i] = .8 * ranked[i];
        high[i] = fmin(1.1 * ranked[i], 1);
    }
}

static ns_heads_figure one_map(const char *name)
{
    static const ns_head marks[2] = {{3, 1}, {7, 8}};
    static int kind[LAYERS];
    static int64_t window[LAYERS];
    for (int i = 0; i < LAYERS; i++) {
        kind[i] = i % 3 ? 1 : 0;
        window[i] = i % 3 ? 512 : 0;
    }
    return (ns_heads_figure){.size = sizeof(ns_heads_figure), .score = score, .n_layers = LAYERS, .n_heads = HEADS, .kind = kind,
                             .window = window, .score_name = name, .model_name = "a model", .chance = .03, .marks = (ns_head *)marks,
                             .n_marks = 2, .marks_name = "top 2 (those that score)"};
}

static int draw_heads(const drawing *d, ns_error *err)
{
    ns_heads_figure maps[PANELS];
    for (int i = 0; i < d->n; i++)
        maps[i] = one_map(d->names[i]);
    return d->n == 1 ? ns_draw_heads("x.svg", maps, d->params, err)
                     : ns_draw_heads_row("x.svg", maps, d->n, "Scores of every head", "a model", d->params, err);
}

static int draw_map(const drawing *d, ns_error *err)
{
    static float map[64 * 64];
    const ns_figure_span spans[BANDS] = {{d->names[0], 2, 5},   {d->names[1], 4, 5},   {d->names[2], 20, 26},
                                         {d->names[3], 24, 26}, {d->names[4], 57, 63}, {d->names[5], 60, 64}};
    const ns_map_figure f = {.size = sizeof f,
                             .map = map,
                             .n_rows = 64,
                             .n_keys = 64,
                             .spans = spans,
                             .n_spans = d->n < BANDS ? d->n : BANDS,
                             .model_name = d->names[0],
                             .case_name = d->names[1],
                             .layer = 3,
                             .head = 1};
    return ns_draw_map("x.svg", &f, d->params, err);
}

/* What figures of bands have alike; rows, notes and chance are each one's own. */
static ns_bands_figure bands_of(const drawing *d, int n_bands)
{
    return (ns_bands_figure){.size = sizeof(ns_bands_figure), .tokens = tokens, .n_points = POINTS, .panels = d->names, .n_panels = d->n,
                             .bands = d->names, .n_bands = n_bands, .value = values, .birth = (const double(*)[2])levels,
                             .value_name = "Scores over training", .study_name = "study.h5"};
}

static int draw_bands(const drawing *d, ns_error *err)
{
    static const char *const notes[BANDS] = {"140", "200 (3 of 5)", "420", "none", "20", "500 (1 of 5)"};
    static const int band[ROWS] = {0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5};
    static const double chance[PANELS][2] = {{.02, .02}, {.03, .05}, {.02, .04}, {.5, .5}, {.1, .1},
                                             {.12, .12}, {.3, .3},   {.31, .33}, {.4, .4}};
    ns_bands_figure f = bands_of(d, BANDS);
    f.n_controls = 1;
    f.notes = notes;
    f.band = band;
    f.n_rows = ROWS;
    f.chance = chance;
    return ns_draw_bands("x.svg", &f, d->params, err);
}

/* One run: a colour bar beside a single thin row, with a level for each panel. */
static int draw_one_band(const drawing *d, ns_error *err)
{
    static const char *const notes[1] = {"140 (1 of 1)"};
    static const int band[1] = {0};
    static const double chance[PANELS][2] = {{.013, .013}, {.02, .02}, {.5, .5},  {0, 0}, {.98, .98},
                                             {.99, .99},   {.3, .33},  {.4, .4}, {1, 1}};
    ns_bands_figure f = bands_of(d, 1);
    f.notes = notes;
    f.band = band;
    f.n_rows = 1;
    f.chance = chance;
    return ns_draw_bands("x.svg", &f, d->params, err);
}

static int draw_curves_of(const drawing *d, ns_curve_kind kind, bool diagonal, ns_error *err)
{
    ns_curve curves[2 * PANELS];
    for (int i = 0; i < 2 * d->n; i++)
        curves[i] = (ns_curve){.x = tokens, .y = diagonal ? tokens : at, .n = POINTS, .group = i % 4, .panel = i / 2, .open = i % 3 == 0};
    const ns_curves_figure f = {.size = sizeof f, .kind = kind, .curves = curves, .n_curves = 2 * d->n, .groups = d->names, .n_groups = 4,
                                .x_name = "tokens", .y_name = d->names[3], .title = "Births of retrieval heads (Kaplan-Meier)",
                                .study_name = "study.h5", .log_x = true, .log_y = diagonal, .guide = (double)NAN, .diagonal = diagonal,
                                .open_name = "not born up to the horizon", .panels = d->names, .n_panels = d->n};
    return ns_draw_curves("x.svg", &f, d->params, err);
}

/* A panel a distance, with bands, chance and marked layers, as of a layer-wise probing. */
static int draw_probe(const drawing *d, ns_error *err)
{
    ns_curve curves[3 * PANELS];
    for (int i = 0; i < 3 * d->n; i++)
        curves[i] = (ns_curve){.x = tokens, .y = at, .n = POINTS, .group = i % 3, .panel = i / 3, .low = i % 3 ? NULL : at,
                               .high = i % 3 ? NULL : at};
    const ns_curves_figure f = {.size = sizeof f, .curves = curves, .n_curves = 3 * d->n, .groups = d->names, .n_groups = 3,
                                .x_name = "layer", .y_name = "accuracy", .title = "What can be read at a layer", .study_name = "a model",
                                .y_max = 1, .guide = .25, .guide_name = "chance", .ticks = tokens, .n_ticks = POINTS,
                                .ticks_name = "sliding layers (W = 512)", .panels = d->names, .n_panels = d->n};
    return ns_draw_curves("x.svg", &f, d->params, err);
}

static int draw_lines(const drawing *d, ns_error *err)
{
    return draw_curves_of(d, NS_CURVE_LINE, false, err);
}

/* Ten decades: with the height there are more ticks, and wider ones. */
static int draw_decades(const drawing *d, ns_error *err)
{
    static const double x[] = {1, 4, 12, 40, 120}, y[] = {40, .8, 7e-8, 6e-10, 3};
    const ns_curve curve = {.x = x, .y = y, .n = 5, .group = 0};
    const char *const groups[] = {"texts"};
    const ns_curves_figure f = {.size = sizeof f, .curves = &curve, .n_curves = 1, .groups = groups, .n_groups = 1,
                                .title = "Influence by distance", .x_name = "tokens back (1: the last)",
                                .y_name = "gradient norm / mean beyond the window", .log_x = true, .log_y = true};
    return ns_draw_curves("x.svg", &f, d->params, err);
}

static int draw_points(const drawing *d, ns_error *err)
{
    return draw_curves_of(d, NS_CURVE_POINTS, true, err);
}

static int draw_matrix(const drawing *d, ns_error *err)
{
    const char *names[SIDE];
    float cells[SIDE * SIDE];
    const int n = 4 + d->n;
    for (int i = 0; i < n; i++)
        names[i] = d->names[i % PANELS];
    for (int i = 0; i < n * n; i++)
        cells[i] = (float)(i * 7 % 11) / 11;
    const ns_matrix_figure f = {.size = sizeof f, .value = cells, .n_rows = n, .n_cols = n, .rows = names, .cols = names,
                                .row_name = "length (tokens)", .col_name = "depth of the needle", .value_name = d->names[3],
                                .study_name = "a model", .chance = .05};
    return ns_draw_matrix("x.svg", &f, d->params, err);
}

static int draw_rank(const drawing *d, ns_error *err)
{
    static const char *labels[RANKS];
    ns_ranked panels[PANELS];
    for (int i = 0; i < RANKS; i++)
        labels[i] = i % 2 ? "23.12" : "3.1";
    for (int i = 0; i < d->n; i++)
        panels[i] = (ns_ranked){.name = d->names[i], .n = 10 + 6 * i, .value = ranked, .low = low, .high = high, .labels = labels,
                                .chance = .04};
    const ns_rank_figure f = {.size = sizeof f, .panels = panels, .n_panels = d->n, .value_name = "score", .study_name = "a model",
                              .chance_name = "the same heads at the placebo, mean"};
    return ns_draw_rank("x.svg", &f, d->params, err);
}

/* One head, and an interval from top to bottom: of one case. */
static int draw_rank_of_one(const drawing *d, ns_error *err)
{
    static const double one = 1, least = .05;
    static const char *const label = "1.0";
    ns_ranked panels[PANELS];
    for (int i = 0; i < d->n; i++)
        panels[i] = (ns_ranked){.name = d->names[i], .n = 1, .value = &one, .low = &least, .high = &one, .labels = &label, .chance = .04};
    const ns_rank_figure f = {.size = sizeof f, .panels = panels, .n_panels = d->n, .value_name = "score", .study_name = "a model"};
    return ns_draw_rank("x.svg", &f, d->params, err);
}

static int draw_strips(const drawing *d, ns_error *err)
{
    static const double untouched[PANELS] = {1, 1, 2.5, .5, 1, 1, (double)NAN, 1, 1};
    static const char *const columns[COLUMNS] = {"zero_z", "mean_z", "uniform_attn", "knockout"};
    const ns_strips_figure f = {.size = sizeof f,
                                .panels = d->names,
                                .n_panels = d->n,
                                .columns = columns,
                                .n_columns = COLUMNS,
                                .untouched = untouched,
                                .untouched_of = at,
                                .target = draws,
                                .draws = draws,
                                .n_draws = 20,
                                .title = "Heads silenced, beside other heads (norms 0 to 2 of theirs) and other keys",
                                .study_name = "a model"};
    return ns_draw_strips("x.svg", &f, d->params, err);
}

/* As growth and compare draw it: one bar for all but the last, whose colours are of a difference. */
static int draw_compared(const drawing *d, ns_error *err)
{
    ns_heads_figure maps[PANELS + 1];
    static float difference[LAYERS * HEADS];
    for (int i = 0; i < LAYERS * HEADS; i++)
        difference[i] = score[i] - .5f;
    for (int i = 0; i <= d->n; i++) {
        maps[i] = one_map(i < d->n ? d->names[i] : "second \xe2\x88\x92 first");
        maps[i].no_bar = i < d->n - 1;
        maps[i].range[1] = .5;
    }
    maps[d->n].score = difference;
    maps[d->n].difference = true;
    return ns_draw_heads_row("x.svg", maps, d->n + 1, "A score of every head, compared", "one model against another", d->params, err);
}

static int draw_tokens(const drawing *d, ns_error *err)
{
    const char *texts[WORDS];
    float weights[WORDS];
    for (int i = 0; i < WORDS; i++) {
        texts[i] = i % 4 ? d->names[i % PANELS] : i % 8 ? " and\n" : " \xe4\xb8\xad";
        weights[i] = i < 50 ? score[i] : NAN;
    }
    const ns_tokens_figure f = {.size = sizeof f,
                                .texts = texts,
                                .weights = weights,
                                .n = 10 * d->n < WORDS ? 10 * d->n : WORDS,
                                .query = 5,
                                .title = "layer 3, head 1, query at 5",
                                .about = d->names[0]};
    return ns_draw_tokens("x.svg", &f, d->params, err);
}

static int draw_token_map(const drawing *d, ns_error *err)
{
    enum { N = 12 };
    static float map[N * N];
    const char *texts[N];
    for (int i = 0; i < N; i++)
        texts[i] = i % 3 ? d->names[i % d->n] : " ";
    const ns_figure_span spans[2] = {{"needle", 2, 5}, {"question", 8, 11}};
    const ns_map_figure f = {.size = sizeof f,
                             .map = map,
                             .n_rows = N,
                             .n_keys = N,
                             .spans = spans,
                             .n_spans = 2,
                             .model_name = "a model",
                             .case_name = "a case",
                             .layer = 3,
                             .head = 1,
                             .row_texts = texts,
                             .key_texts = texts};
    return ns_draw_map("x.svg", &f, d->params, err);
}

static int draw_fit(const drawing *d, ns_error *err)
{
    ns_fit_series series[PANELS];
    for (int i = 0; i < d->n; i++)
        series[i] = (ns_fit_series){.x = tokens,
                                    .y = at,
                                    .rest = at,
                                    .n = POINTS,
                                    .line_x = tokens,
                                    .line_y = at,
                                    .n_line = POINTS,
                                    .group = i % 4,
                                    .panel = i,
                                    .open = i % 3 == 0};
    const ns_fit_figure f = {.size = sizeof f,
                             .series = series,
                             .n_series = d->n,
                             .groups = d->names,
                             .n_groups = 4,
                             .panels = d->names,
                             .n_panels = d->n,
                             .x_name = "training tokens",
                             .y_name = d->names[3],
                             .rest_name = "fit \xe2\x88\x92 data",
                             .title = "Scaling laws",
                             .study_name = "a study",
                             .open_name = "not fitted",
                             .log_x = true};
    return ns_draw_fit("x.svg", &f, d->params, err);
}

static const struct {
    const char *name;
    int (*draw)(const drawing *, ns_error *);
} kinds[] = {{"heads", draw_heads},   {"map", draw_map},           {"bands", draw_bands},   {"lines", draw_lines},
             {"probe", draw_probe},   {"one band", draw_one_band},
             {"points", draw_points}, {"matrix", draw_matrix},     {"rank", draw_rank},     {"strips", draw_strips},
             {"one rank", draw_rank_of_one},                       {"decades", draw_decades},
             {"fit", draw_fit},       {"compared", draw_compared}, {"tokens", draw_tokens}, {"map of tokens", draw_token_map}};

static const char *only;        /* the kind that the command line names; NULL: all */

typedef struct shape { double width, font_size; int legend; } shape;

static int try_one(int kind, const char *const *names, int n, shape page)
{
    char crowded[256] = "not said";
    uint8_t *bytes = NULL;
    size_t n_bytes;
    ns_error err;
    const ns_figure_params params = {.size = sizeof params,
                                     .width = page.width,
                                     .font_size = page.font_size,
                                     .bytes = &bytes,
                                     .n_bytes = &n_bytes,
                                     .crowded = crowded,
                                     .crowded_size = sizeof crowded,
                                     .legend = page.legend};
    const drawing d = {names, n, &params};
    const int code = kinds[kind].draw(&d, &err);
    const bool good = code == NS_OK && !*crowded;
    if (!good)
        print_error("%s, %d panels, %.1f inches, %g points, legend %d, %s names: %s\n", kinds[kind].name, n, page.width, page.font_size,
                    page.legend, names == long_names ? "long" : "short", code == NS_OK ? crowded : err.message);
    free(bytes);
    return !good;
}

static int try_names(int kind, int n, shape page)
{
    return try_one(kind, short_names, n, page) + try_one(kind, long_names, n, page);
}

#ifdef NS_SANITIZED                     /* the layout is held by the plain build; here the usual type shows what is done with memory */
enum { TYPES = 1, TYPES_OF_WIDE = 1 };
#else
enum { TYPES = 3, TYPES_OF_WIDE = 2 };
#endif

static void test_every_figure(void **state)
{
    static const double widths[] = {3.3, 5, 7}, font_sizes[] = {0, 12, 9};
    static const int counts[] = {1, 3, 6, PANELS};
    int bad = 0;
    (void)state;
    fill();
    for (int kind = 0; kind < (int)(sizeof kinds / sizeof *kinds); kind++)
        for (int w = 0; w < 3 && (!only || strcmp(only, kinds[kind].name) == 0); w++)
            for (int size = 0; size < (w == 0 ? TYPES : TYPES_OF_WIDE); size++)
                for (int k = 0; k < 4; k++)
                    for (int legend = 0; legend < (w == 0 ? NS_LEGEND_OFF : 1); legend++)
                        bad += try_names(kind, counts[k], (shape){widths[w], font_sizes[size], legend});
    assert_int_equal(bad, 0);
}

/* ---- the report itself ---- */

static void say(const double (*place)[3], const char *const *texts, int n, char said[256])
{
    ns_texts all = {0};
    ns_type *type;
    assert_int_equal(ns_type_new(&type, NULL, NULL), NS_OK);
    for (int i = 0; i < n; i++) {
        ns_ink ink;
        assert_true(ns_type_ink(type, texts[i], 8, false, 0, &ink));
        assert_true(ns_texts_add(&all, place[i][0], place[i][1], ink, place[i][2], texts[i]));
    }
    ns_texts_say(&all, 100, 50, said, 256);
    ns_texts_clear(&all);
    ns_type_free(type);
}

static void test_report(void **state)
{
    static const char *const two[2] = {"needle", "query"};
    char said[256];
    (void)state;
    say((const double[2][3]){{10, 20, 0}, {60, 20, 0}}, two, 2, said);
    assert_string_equal(said, "");
    say((const double[2][3]){{10, 20, 0}, {20, 21, 0}}, two, 2, said);
    assert_string_equal(said, "1 pair of texts lies on each other, as 'needle' and 'query'");
    /* side by side at a slant: the upright rectangles round them meet, the texts do not; one in the other's way does */
    say((const double[2][3]){{10, 40, 45}, {22, 40, 45}}, two, 2, said);
    assert_string_equal(said, "");
    say((const double[2][3]){{10, 40, 45}, {18, 32, 45}}, two, 2, said);
    assert_string_equal(said, "1 pair of texts lies on each other, as 'needle' and 'query'");
    say((const double[2][3]){{10, 20, 0}, {90, 20, 0}}, two, 2, said);
    assert_string_equal(said, "1 text leaves the page, as 'query'");
    say((const double[2][3]){{10, 2, 0}, {12, 3, 0}}, two, 2, said);
    assert_string_equal(said, "1 pair of texts lies on each other, as 'needle' and 'query'; 2 texts leave the page, as 'needle'");
}

int main(int argc, char **argv)
{
    only = argc > 1 ? argv[1] : NULL;
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_report), cmocka_unit_test(test_every_figure)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
