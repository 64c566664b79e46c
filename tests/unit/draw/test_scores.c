/* test_scores.c - heads maps side by side, matrices, ranks and strips: the words that they must show, one size for all maps, the same bytes
 * twice, values where they belong, refusals. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <needlescope/figure.h>
#include "picture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const float score[6] = {.1f, .9f, .3f, NAN, .2f, .5f};
static const char *const rows[2] = {"512", "1024"}, *const cols[3] = {"0.1", "0.5", "a longer column name"};
static const double value[3] = {.8, .5, .2}, low[3] = {.7, .4, NAN}, high[3] = {.9, .6, NAN};
static const char *const labels[3] = {"18.6", "23.2", "23.0"};

static ns_matrix_figure matrix(void)
{
    return (ns_matrix_figure){.size = sizeof(ns_matrix_figure), .value = score, .n_rows = 2, .n_cols = 3, .rows = rows, .cols = cols,
                              .row_name = "length", .col_name = "depth",
                              .value_name = "Answered", .study_name = "a model", .missing_name = "no such case", .chance = NAN};
}

static ns_rank_figure rank(const ns_ranked *panel)
{
    return (ns_rank_figure){.size = sizeof(ns_rank_figure), .panels = panel, .n_panels = 1, .value_name = "score", .study_name = "a model"};
}

static const ns_ranked find = {.name = "retrieval_find", .n = 3, .value = value, .low = low, .high = high, .labels = labels, .chance = .05};

static const char *const panels[2] = {"first token", "loss"}, *const columns[2] = {"zero_z", "knockout"};
static const double untouched[2] = {.4, 2.5}, target[4] = {.1, .05, 2.6, NAN}, draws[8] = {.4, .38, .41, .39, 2.5, 2.4, NAN, NAN};

static ns_strips_figure strips(void)
{
    return (ns_strips_figure){.size = sizeof(ns_strips_figure), .panels = panels, .n_panels = 2, .columns = columns, .n_columns = 2,
                              .untouched = untouched, .target = target,
                              .draws = draws, .n_draws = 2, .title = "Silenced", .study_name = "a model"};
}

static ns_heads_figure heads(const char *name)
{
    return (ns_heads_figure){.size = sizeof(ns_heads_figure), .score = score, .n_layers = 2, .n_heads = 3, .score_name = name,
                             .chance = NAN};
}

static void shows(const char *path, const char *const *words, int n)
{
    size_t bytes;
    char *const svg = slurp(path, &bytes);
    for (int i = 0; i < n; i++)
        if (!strstr(svg, words[i]))
            fail_msg("%s does not show '%s'", path, words[i]);
    free(svg);
}

static void refused(int code, const ns_error *err, const char *why)
{
    assert_true(code < 0);
    if (!strstr(err->message, why))
        fail_msg("'%s' lacks '%s'", err->message, why);
}

/* Another font size is another scale: the same words, larger, on a page of the same width; a label is another word, and must be there. */
static void test_wording(void **state)
{
    (void)state;
    const ns_heads_figure two[2] = {heads("retrieval_find"), heads("induction")};
    const char *const words[2] = {"retrieval_find=finds the needle", "head=Kopf"}, *const lost = "no such text=x";
    ns_figure_params look = {.size = sizeof look, .width = 5, .font_size = 9, .labels = words, .n_labels = 2};
    ns_error err;
    size_t bytes;
    char *const path = scratch("wording.svg");
    assert_int_equal(ns_draw_heads_row(path, two, 2, "Side by side", "a model", &look, NULL), NS_OK);
    shows(path, (const char *const[]){">finds the needle<", ">Kopf<", ">layer<", "width=\"360pt\"", "viewBox=\"0 0 280 "}, 5);
    char *const svg = slurp(path, &bytes);
    assert_null(strstr(svg, ">retrieval_find<"));
    free(svg);
    look.labels = &lost;
    look.n_labels = 1;
    refused(ns_draw_heads_row(path, two, 2, NULL, NULL, &look, &err), &err, "no text of the figure reads so");
    look.n_labels = 0;
    look.font = "No Such Font At All";
    refused(ns_draw_heads_row(path, two, 2, NULL, NULL, &look, &err), &err, "no font 'No Such Font At All'");
    look.font = NULL;
    look.font_size = 3;
    refused(ns_draw_heads_row(path, two, 2, NULL, NULL, &look, &err), &err, "texts of 3 points");
    free(path);
}

/* EPS: a box of the page's size, the facts as comments, no date, the same bytes twice. */
static void test_eps(void **state)
{
    (void)state;
    const ns_heads_figure one = heads("retrieval_find");
    const ns_fact facts[1] = {{"model", "a model, \xc3\xa9", false}};
    const ns_figure_params look = {.size = sizeof look, .width = 3, .facts = facts, .n_facts = 1};
    size_t n[2];
    char *text[2], *const path = scratch("heads.eps");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ns_draw_heads(path, &one, &look, NULL), NS_OK);
        text[i] = slurp(path, &n[i]);
    }
    assert_true(n[0] == n[1] && memcmp(text[0], text[1], n[0]) == 0);
    assert_true(strncmp(text[0], "%!PS-Adobe-3.0 EPSF-3.0\n", 24) == 0);
    assert_non_null(strstr(text[0], "%%BoundingBox: "));
    assert_non_null(strstr(text[0], "%%model: a model"));
    assert_null(strstr(text[0], "CreationDate"));
    free(text[0]);
    free(text[1]);
    free(path);
}

static void test_words(void **state)
{
    (void)state;
    const ns_matrix_figure m = matrix();
    const ns_rank_figure r = rank(&find);
    const ns_strips_figure s = strips();
    const ns_heads_figure two[2] = {heads("retrieval_find"), heads("induction")};
    const ns_figure_params wide = {.size = sizeof wide, .width = 7};
    char *const path = scratch("studies.svg");
    assert_int_equal(ns_draw_matrix(path, &m, NULL, NULL), NS_OK);
    shows(path,
          (const char *const[]){"Answered", "a model", "512", "1024", "a longer column name", "length", "depth", ".90", "no such case"}, 9);
    assert_int_equal(ns_draw_rank(path, &r, NULL, NULL), NS_OK);
    shows(path, (const char *const[]){"retrieval_find", "18.6", "23.0", "rank", "95 % interval", "chance"}, 6);
    assert_int_equal(ns_draw_strips(path, &s, &wide, NULL), NS_OK);
    shows(path, (const char *const[]){"Silenced", "first token", "loss", "zero_z", "knockout", "each draw", "untouched"}, 7);
    assert_int_equal(ns_draw_heads_row(path, two, 2, "Side by side", "a model", &wide, NULL), NS_OK);
    shows(path, (const char *const[]){"Side by side", "retrieval_find", "induction", "layer", ".90", "no such head"}, 6);
    free(path);
}

static void twice(const char *path, int code)
{
    static char *first;
    static size_t n;
    assert_int_equal(code, NS_OK);
    size_t bytes;
    char *const now = slurp(path, &bytes);
    if (first) {
        assert_int_equal(bytes, n);
        assert_memory_equal(now, first, n);
        free(first);
        free(now);
        first = NULL;
    } else {
        first = now;
        n = bytes;
    }
}

static void test_same_bytes(void **state)
{
    (void)state;
    const ns_matrix_figure m = matrix();
    const ns_rank_figure r = rank(&find);
    const ns_strips_figure s = strips();
    char *const path = scratch("studies.png");
    for (int i = 0; i < 2; i++)
        twice(path, ns_draw_matrix(path, &m, NULL, NULL));
    for (int i = 0; i < 2; i++)
        twice(path, ns_draw_rank(path, &r, NULL, NULL));
    for (int i = 0; i < 2; i++)
        twice(path, ns_draw_strips(path, &s, NULL, NULL));
    free(path);
}

/* Half of one is nothing to a number that large: the axis still has two ends. */
static void test_lone_large_value(void **state)
{
    (void)state;
    static const double same[8] = {0x1p53, 0x1p53, 0x1p53, 0x1p53, 0x1p53, 0x1p53, 0x1p53, 0x1p53};
    ns_strips_figure s = strips();
    s.untouched = s.target = s.draws = same;
    char *const path = scratch("large.svg");
    size_t bytes;
    assert_int_equal(ns_draw_strips(path, &s, NULL, NULL), NS_OK);
    char *const svg = slurp(path, &bytes);
    assert_null(strstr(svg, "nan"));
    assert_null(strstr(svg, "inf"));
    assert_non_null(strstr(svg, "9.007e15"));
    free(svg);
    free(path);
}

static void test_refusals(void **state)
{
    (void)state;
    static const float none[6] = {NAN, NAN, NAN, NAN, NAN, NAN};
    static const double no_number[3] = {.8, NAN, .2};
    ns_error err;
    char *const path = scratch("no.svg");
    ns_matrix_figure m = matrix();
    m.value = none;
    refused(ns_draw_matrix(path, &m, NULL, &err), &err, "none of 2 x 3 cells");
    m = matrix();
    m.n_cols = 65;
    refused(ns_draw_matrix(path, &m, NULL, &err), &err, "2 x 65 cells");
    ns_ranked broken = find;
    broken.value = no_number;
    ns_rank_figure r = rank(&broken);
    refused(ns_draw_rank(path, &r, NULL, &err), &err, "value 1 of panel 0");
    r.n_panels = NS_FIGURE_PANELS + 1;
    refused(ns_draw_rank(path, &r, NULL, &err), &err, "25 panels");
    ns_strips_figure s = strips();
    s.n_columns = 17;
    refused(ns_draw_strips(path, &s, NULL, &err), &err, "17 columns");
    const ns_heads_figure one = heads("x");
    refused(ns_draw_heads_row(path, &one, NS_FIGURE_HEADS + 1, NULL, NULL, NULL, &err), &err, "25 maps");
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_words), cmocka_unit_test(test_wording), cmocka_unit_test(test_eps),
                                       cmocka_unit_test(test_same_bytes),
                                       cmocka_unit_test(test_lone_large_value), cmocka_unit_test(test_refusals)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
