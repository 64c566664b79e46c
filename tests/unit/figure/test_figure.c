/* test_figure.c - figures of files, from C: which score is drawn when none is named, whose heads are outlined by which end, what is said of
 * it, bytes in memory, and what is refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <needlescope/plot.h>

#include "core/core.h"

enum { L = 2, H = 3, C = 4 };
static const char path[] = "test_figure_scores.h5";

static void put(ns_table_writer *w, const char *name, const char *axes, const void *data, ns_dtype dtype, int rank, const int64_t *shape)
{
    const ns_view view = ns_view_of((void *)data, dtype, rank, shape);
    ns_error err;
    if (ns_table_array(w, name, axes, &view, NULL, &err))
        fail_msg("%s", err.message);
}

static void axis(ns_table_writer *w, const char *name, int64_t n)
{
    assert_int_equal(ns_table_count(w, name, n, NULL), NS_OK);
}

/* retrieval_find: three heads score, 1.1 best; away: a distance, 0.2 is nearest. Two cases at depth .25, one at .75, and a twin at .6. */
static void write_scores(void)
{
    static const float find[L * H] = {0, .25f, 0, 0, 1, .5f}, away[L * H] = {3, 2, .125f, 4, 5, 6};
    static const int64_t heads[] = {L, H}, cases[] = {C}, window[L * H] = {0, 0, 0, 4, 4, 4}, length[C] = {64, 64, 64, 64};
    static const double depth[C] = {.25, .25, .75, .6};
    static const uint8_t valid[L * H] = {1, 1, 1, 1, 1, 1}, right[C] = {1, 0, 1, 1};
    static const ns_fact facts[] = {{"model_name", "tiny", false}, {"kind", "scores", false}};
    const ns_score_meaning rate = {.best = NS_BEST_LARGEST, .hi = 1, .chance = .125},
                           distance = {.best = NS_BEST_SMALLEST, .hi = (double)INFINITY, .chance = (double)NAN};
    ns_table_writer *w;
    assert_int_equal(ns_table_create(&w, path, facts, 2, NULL), NS_OK);
    axis(w, "case", C);
    axis(w, "layer", L);
    axis(w, "head", H);
    put(w, "retrieval_find", "layer head", find, NS_F32, 2, heads);
    put(w, "away", "layer head", away, NS_F32, 2, heads);
    assert_int_equal(ns_table_meaning(w, "retrieval_find", &rate, NULL), NS_OK);
    assert_int_equal(ns_table_meaning(w, "away", &distance, NULL), NS_OK);
    put(w, "window", "layer head", window, NS_I64, 2, heads);
    put(w, "head_valid", "layer head", valid, NS_U8, 2, heads);
    assert_int_equal(ns_table_strings(w, "layer_kind", "layer", (const char *const[]){"full", "swa"}, L, NULL), NS_OK);
    put(w, "length", "case", length, NS_I64, 1, cases);
    put(w, "depth", "case", depth, NS_F64, 1, cases);
    put(w, "first_right", "case", right, NS_U8, 1, cases);
    assert_int_equal(ns_table_strings(w, "twin_of", "case", (const char *const[]){"", "", "", "a"}, C, NULL), NS_OK);
    assert_int_equal(ns_table_commit(w, NULL), NS_OK);
}

/* The SVG of a call, malloc'd. */
typedef int plot_fn(const void *plot, const ns_figure_params *, ns_plotted *, ns_error *);
static int heads(const void *p, const ns_figure_params *look, ns_plotted *said, ns_error *err)
{
    return ns_plot_heads("x.svg", p, look, said, err);
}
static int ranks(const void *p, const ns_figure_params *look, ns_plotted *said, ns_error *err)
{
    return ns_plot_rank("x.svg", p, look, said, err);
}
static int grid(const void *p, const ns_figure_params *look, ns_plotted *said, ns_error *err)
{
    return ns_plot_grid("x.svg", p, look, said, err);
}

static char *svg_of(plot_fn *plot, const void *params, ns_plotted *said)
{
    uint8_t *bytes = NULL;
    size_t n = 0;
    const ns_figure_params look = {.size = sizeof look, .bytes = &bytes, .n_bytes = &n};
    ns_error err;
    *said = (ns_plotted){.size = sizeof *said};
    if (plot(params, &look, said, &err) != NS_OK)
        fail_msg("%s", err.message);
    char *const text = ns_printf_alloc("%.*s", (int)n, (const char *)bytes);
    free(bytes);
    assert_false(ns_path_exists("x.svg"));
    return text;
}

static int count(const char *text, const char *word)
{
    int n = 0;
    for (const char *at = text; (at = strstr(at, word)); at++)
        n++;
    return n;
}

static void draws_the_usual_score(void **state)
{
    (void)state;
    const char *const files[] = {path};
    ns_plotted said;
    char *const svg = svg_of(heads, &(ns_heads_plot){.size = sizeof(ns_heads_plot), .files = files, .n_files = 1, .top = 5}, &said);
    assert_string_equal(said.shows, "retrieval_find");
    assert_non_null(strstr(said.note, "3 heads of 5"));
    assert_int_equal(count(svg, "stroke=\"#e41a1c\""), 4);       /* three outlines and the key's */
    assert_int_equal(count(svg, ">top 5 (those that score)<"), 1);
    assert_int_equal(count(svg, ">chance<"), 1);
    free(svg);
}

/* Where the smallest is the best, it is outlined; a score without a known chance has no tick, the one beside it has its own. */
static void obeys_the_direction(void **state)
{
    (void)state;
    const char *const files[] = {path}, *const scores[] = {"away", "retrieval_find"};
    ns_plotted said;
    char *svg = svg_of(
        heads, &(ns_heads_plot){.size = sizeof(ns_heads_plot), .files = files, .n_files = 1, .scores = scores, .n_scores = 2}, &said);
    assert_int_equal(count(svg, ">chance<"), 1);
    assert_string_equal(said.shows, "away, retrieval_find");
    free(svg);
    svg = svg_of(ranks, &(ns_rank_plot){.size = sizeof(ns_rank_plot), .file = path, .scores = scores, .n_scores = 1, .top = 2}, &said);
    assert_true(strstr(svg, ">0.2<") && strstr(svg, ">0.1<") && !strstr(svg, ">1.2<"));
    free(svg);
}

static void grids_what_was_asked(void **state)
{
    (void)state;
    ns_plotted said;
    char *const svg = svg_of(grid, &(ns_grid_plot){.size = sizeof(ns_grid_plot), .file = path}, &said);
    assert_true(strstr(svg, ">0.25<") && strstr(svg, ">0.75<") && strstr(svg, ">0.50 (2)<") && strstr(svg, ">1.00 (1)<"));
    assert_null(strstr(svg, ">0.6<"));
    assert_non_null(strstr(said.note, "1 twin left out"));
    free(svg);
}

/* The library says what it is made of, and the caller's word stands first; without a caller the same file gives the same bytes. */
static void says_what_it_is_made_of(void **state)
{
    (void)state;
    const ns_grid_plot plot = {.size = sizeof plot, .file = path};
    const ns_fact mine[] = {{"hostname", "here & now", true}, {"model_name", "mine", false}};
    ns_figure_params look = {.size = sizeof look, .facts = mine, .n_facts = 2};
    ns_plotted said;
    char *const once = svg_of(grid, &plot, &said), *const again = svg_of(grid, &plot, &said), *told;
    assert_string_equal(once, again);
    assert_true(strstr(once, "<fact name=\"needlescope_version\">") && strstr(once, "<fact name=\"model_name\">tiny<") &&
                strstr(once, path));
    assert_int_equal(ns_plot_grid("told.svg", &plot, &look, NULL, NULL), NS_OK);
    assert_int_equal(ns_file_read("told.svg", 1 << 20, &told, NULL, NULL), NS_OK);
    assert_true(strstr(told, "<fact name=\"hostname\">here &amp; now<") && strstr(told, "<fact name=\"model_name\">mine<"));
    unlink("told.svg");
    free(once);
    free(again);
    free(told);
}

static void refuses(void **state)
{
    (void)state;
    const char *const files[] = {path}, *const length[] = {"length"}, *const two[] = {"away", "retrieval_find"};
    const ns_head nowhere = {2, 0};
    ns_error err;
    assert_int_equal(
        ns_plot_heads("x.png",
                      &(ns_heads_plot){.size = sizeof(ns_heads_plot), .files = files, .n_files = 1, .scores = length, .n_scores = 1}, NULL,
                      NULL, &err),
        NS_E_ARG);
    assert_non_null(strstr(err.message, "length"));
    assert_int_equal(
        ns_plot_heads("x.png",
                      &(ns_heads_plot){.size = sizeof(ns_heads_plot), .files = files, .n_files = 1, .marks = &nowhere, .n_marks = 1}, NULL,
                      NULL, &err),
        NS_E_ARG);
    assert_non_null(strstr(err.message, "2.0"));
    assert_int_equal(ns_plot_heads("x.png", &(ns_heads_plot){.files = files, .n_files = 1}, NULL, NULL, &err), NS_E_ARG);
    assert_non_null(strstr(err.message, "size"));
    assert_int_equal(ns_plot_heads("x.png", &(ns_heads_plot){.size = sizeof(ns_heads_plot)}, NULL, NULL, &err), NS_E_ARG);
    assert_int_equal(ns_plot_agreement("x.png",
                                       &(ns_agreement_plot){.size = sizeof(ns_agreement_plot), .file = path, .scores = two, .n_scores = 2},
                                       NULL, NULL, &err),
                     NS_E_ARG);
    assert_non_null(strstr(err.message, "no agreement"));
    assert_int_equal(ns_plot_map("x.png", &(ns_map_plot){.size = sizeof(ns_map_plot), .file = path}, NULL, NULL, &err), NS_E_ARG);
    assert_non_null(strstr(err.message, "not a recording"));
    assert_int_equal(
        ns_plot_study("x.png", &(ns_study_plot){.size = sizeof(ns_study_plot), .file = path, .figure = "birth"}, NULL, NULL, &err),
        NS_E_ARG);
    assert_non_null(strstr(err.message, "'birth'"));
    assert_int_equal(ns_plot_study("x.png", &(ns_study_plot){.size = sizeof(ns_study_plot), .file = path, .figure = "births", .run = "r"},
                                   NULL, NULL, &err),
                     NS_E_ARG);
    assert_non_null(strstr(err.message, "of all runs"));
    assert_int_equal(ns_plot_grid("x.png", &(ns_grid_plot){.size = sizeof(ns_grid_plot), .file = "nowhere.h5"}, NULL, NULL, &err),
                     NS_E_MISSING);
    assert_false(ns_path_exists("x.png"));
}

static int begin(void **state)
{
    (void)state;
    write_scores();
    return 0;
}

static int end(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draws_the_usual_score),
        cmocka_unit_test(obeys_the_direction),
        cmocka_unit_test(grids_what_was_asked), cmocka_unit_test(says_what_it_is_made_of),
        cmocka_unit_test(refuses),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
