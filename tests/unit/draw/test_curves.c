/* test_curves.c - lines, steps and points, read back: each group's colour where its data are, breaks at NaN, log axes, keys, refusals. */
#include "../../unit.h"

#include "draw/curves.h"
#include "picture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N = 5 };
static const double x[N] = {1, 10, 100, 1000, 10000}, low[N] = {.2, .2, .2, NAN, .2}, high[N] = {.4, .4, .8, .8, .8};
static const char *const groups[2] = {"W = 4", "W = 32"};
static ns_curve curves[2];

static ns_curves_figure figure(ns_curve_kind kind)
{
    curves[0] = (ns_curve){.x = x, .y = low, .n = N, .group = 0};
    curves[1] = (ns_curve){.x = x, .y = high, .n = N, .group = 1, .open = true};
    return (ns_curves_figure){.size = sizeof(ns_curves_figure), .kind = kind, .curves = curves, .n_curves = 2, .groups = groups,
                              .n_groups = 2,
                              .x_name = "tokens", .y_name = "find", .title = "Emergence", .study_name = "a study", .log_x = true,
                              .y_max = 1, .guide = .5,
                              .open_name = "censored"};
}

typedef struct drawn { ns_curves_panel panel; picture picture; } drawn;

static void draw(drawn *d, const ns_curves_figure *f)
{
    const ns_figure_params params = {.size = sizeof params, .width = 5};
    char *const path = scratch("curves.png");
    assert_int_equal(ns_curves_begin(&d->panel, f, &params, NULL), NS_OK);
    assert_int_equal(ns_panel_write(&d->panel.base, path, NULL), NS_OK);
    d->picture = picture_read(path);
    free(path);
}

static void done(drawn *d)
{
    picture_free(&d->picture);
    ns_curves_end(&d->panel);
}

/* Is the group's colour within a pixel of these coordinates? Thin lines are blended, so the hue decides. */
static bool seen(const drawn *d, double vx, double vy, int group)
{
    const double scale = d->panel.base.params.dpi / 72.0, margin = d->panel.base.margin;
    const double px = (margin + ns_curves_x(&d->panel, 0, vx)) * scale, py = (margin + ns_curves_y(&d->panel, 0, vy)) * scale;
    const ns_rgb want = ns_group_colors[group];
    for (int dy = -1; dy <= 1; dy++) {
        const ns_rgb c = picture_at(&d->picture, px, py + dy);
        if (abs(c.r - want.r) + abs(c.g - want.g) + abs(c.b - want.b) < 120)
            return true;
    }
    return false;
}

static void test_lines(void **state)
{
    (void)state;
    const ns_curves_figure f = figure(NS_CURVE_LINE);
    drawn d;
    draw(&d, &f);
    assert_true(seen(&d, 30, .2, 0) && seen(&d, 3, .4, 1) && seen(&d, 3000, .8, 1));
    assert_true(seen(&d, sqrt(10 * 100), .6, 1));                    /* straight between (10, .4) and (100, .8) on the log axis */
    assert_false(seen(&d, 300, .2, 0) || seen(&d, 3000, .2, 0));     /* NaN at 1000 breaks it on both sides */
    assert_false(seen(&d, 30, .8, 1));
    assert_near(ns_curves_x(&d.panel, 0, 100), d.panel.box[0].x + d.panel.box[0].w / 2, 1e-9);
    assert_near(ns_curves_y(&d.panel, 0, 7), d.panel.box[0].y, 1e-9);       /* beyond the axis: at its edge */
    done(&d);
}

/* A curve of ones lies on the edge, and is seen there; between two layers there is none. */
static void test_edge(void **state)
{
    (void)state;
    static const double layer[N] = {0, 1, 2, 3, 4}, ones[N] = {1, 1, 1, 1, 1};
    ns_curves_figure f = figure(NS_CURVE_LINE);
    curves[0] = curves[1] = (ns_curve){.x = layer, .y = ones, .n = N};
    f.log_x = false;
    drawn d;
    draw(&d, &f);
    assert_true(seen(&d, .5, 1, 0) && seen(&d, 3.5, 1, 0));
    assert_int_equal(d.panel.x.ticks.n, N);
    done(&d);
}

/* How much of a level line of group 1 is ink: it is dashed, so that a line under it is seen. */
static double share_seen(const drawn *d, double from, double to, double level)
{
    int n = 0;
    for (int i = 0; i < 100; i++)
        n += seen(d, from + (to - from) * i / 100, level, 1);
    return n / 100.0;
}

static void test_steps(void **state)
{
    (void)state;
    const ns_curves_figure f = figure(NS_CURVE_STEP);
    drawn d;
    draw(&d, &f);
    assert_true(share_seen(&d, 20, 90, .4) > .3 && share_seen(&d, 110, 500, .8) > .3);         /* .4 holds until 100 */
    assert_true(share_seen(&d, 20, 90, .4) < .8);
    assert_false(share_seen(&d, 20, 90, .6) > 0 || seen(&d, 3000, .2, 0));
    done(&d);
}

static void test_points(void **state)
{
    (void)state;
    ns_curves_figure f = figure(NS_CURVE_POINTS);
    f.guide = NAN;
    drawn d;
    draw(&d, &f);
    assert_true(seen(&d, 100, .2, 0));
    assert_false(seen(&d, 30, .2, 0));
    const double scale = d.panel.base.params.dpi / 72.0, margin = d.panel.base.margin;
    const ns_rgb middle =
        picture_at(&d.picture, (margin + ns_curves_x(&d.panel, 0, 100)) * scale, (margin + ns_curves_y(&d.panel, 0, .8)) * scale);
    assert_color(middle, ((ns_rgb){255, 255, 255}));                  /* hollow */
    done(&d);
}

static void test_words(void **state)
{
    (void)state;
    ns_curves_figure f = figure(NS_CURVE_LINE);
    f.diagonal = true;
    char *const path = scratch("curves.svg");
    assert_int_equal(ns_draw_curves(path, &f, NULL, NULL), NS_OK);
    size_t n;
    char *const svg = slurp(path, &n);
    static const char *const words[] = {"Emergence", "a study", "tokens", "find", "W = 4", "W = 32", "censored"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        assert_non_null(strstr(svg, words[i]));
    free(svg);
    free(path);
}

/* A pale band behind the line, with a hole where an end is NaN; the level line has its key. */
static void test_band(void **state)
{
    (void)state;
    static const double from[N] = {.6, .6, .6, NAN, .6}, to[N] = {.9, .9, .9, .9, .9};
    ns_curves_figure f = figure(NS_CURVE_LINE);
    f.n_curves = 1;
    f.guide_name = "chance";
    curves[0].low = from;
    curves[0].high = to;
    drawn d;
    draw(&d, &f);
    const double scale = d.panel.base.params.dpi / 72.0, margin = d.panel.base.margin;
    const struct { double x, y; bool band; } at[] = {{30, .75, true}, {3, .62, true}, {3, .88, true}, {30, .95, false}, {30, .55, false},
                                                     {300, .75, false}, {3000, .75, false}};
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        const ns_rgb c = picture_at(&d.picture, (margin + ns_curves_x(&d.panel, 0, at[i].x)) * scale,
                                    (margin + ns_curves_y(&d.panel, 0, at[i].y)) * scale);
        const ns_rgb white = {255, 255, 255}, pale = {204, 226, 239};
        assert_color(c, at[i].band ? pale : white);
    }
    assert_string_equal(d.panel.legend[0].keys[d.panel.legend[0].n - 1].text, "chance");
    done(&d);
}

/* Two panels share the axes; each has its own key where they show different groups. */
static void test_panels(void **state)
{
    (void)state;
    static const char *const panels[2] = {"windows", "controls"};
    ns_curves_figure f = figure(NS_CURVE_LINE);
    f.panels = panels;
    f.n_panels = 2;
    curves[1].panel = 1;
    drawn d;
    draw(&d, &f);
    assert_true(seen(&d, 30, .2, 0));
    assert_false(seen(&d, 3, .4, 1));                                 /* in the other panel */
    assert_int_equal(d.panel.n_legends, 2);
    assert_true(d.panel.box[1].x > d.panel.box[0].x + d.panel.box[0].w);
    assert_near(d.panel.box[0].w, d.panel.box[1].w, 0);
    assert_near(d.panel.legend[1].x, d.panel.box[1].x, 0);
    done(&d);
}

/* Panels of another y axis have a range of their own, and room for its ticks. */
static void test_own_axes(void **state)
{
    (void)state;
    static const char *const panels[3] = {"small", "large", "small too"};
    static const int axes[3] = {0, 1, 0};
    double large[N];
    for (int i = 0; i < N; i++)
        large[i] = 100 * curves[1].y[i] + 1;
    ns_curves_figure f = figure(NS_CURVE_LINE);
    f.panels = panels;
    f.n_panels = 3;
    f.y_axes = axes;
    f.y_min = f.y_max = 0;
    curves[1].panel = 1;
    curves[1].y = large;
    drawn d;
    draw(&d, &f);
    assert_true(d.panel.y[1].scale.max > 50 && d.panel.y[0].scale.max <= 1.1);
    assert_near(d.panel.y[0].scale.max, d.panel.y[2].scale.max, 0);
    assert_near(d.panel.y[0].scale.min, d.panel.y[2].scale.min, 0);
    if (d.panel.tiles.columns > 1)
        assert_true(d.panel.box[1].x > d.panel.box[0].x + d.panel.box[0].w + 20);
    done(&d);
}

static void refused(const ns_curves_figure *f, const char *why)
{
    ns_error err;
    char *const path = scratch("refused.svg");
    assert_true(ns_draw_curves(path, f, NULL, &err) < 0);
    if (!strstr(err.message, why))
        fail_msg("'%s' lacks '%s'", err.message, why);
    free(path);
}

static void test_refusals(void **state)
{
    (void)state;
    static const double none[N] = {NAN, NAN, NAN, NAN, NAN}, negative[N] = {-1, -2, -3, -4, -5};
    ns_curves_figure f = figure(NS_CURVE_LINE);
    f.n_groups = 65;
    refused(&f, "65 groups");
    f = figure(NS_CURVE_LINE);
    curves[1].panel = 1;
    refused(&f, "panel 1 of 1");
    static const char *const many[9] = {"a", "b", "c", "d", "e", "f", "g", "h", "i"};
    f = figure(NS_CURVE_LINE);
    f.groups = many;
    f.n_groups = 9;
    curves[1].group = 8;                                              /* the ninth has the first one's colour */
    refused(&f, "groups 0 and 8 have one colour");
    f = figure(NS_CURVE_LINE);
    f.n_curves = 0;
    refused(&f, "0 curves");
    f = figure(NS_CURVE_LINE);
    curves[1].group = 2;
    refused(&f, "curve 1 is of group 2");
    f = figure(NS_CURVE_LINE);
    f.y_max = 0;
    curves[0].y = curves[1].y = none;
    refused(&f, "y axis");
    f = figure(NS_CURVE_LINE);
    curves[0].x = curves[1].x = negative;
    refused(&f, "log axis");
}

/* Three groups in three panels; c, a, b is a turn whose inverse is another one. */
typedef struct turned { ns_curve curves[3]; ns_fit_series series[3]; const char *names[3]; int y_axes[3]; } turned;

static turned three(const int place[3])
{
    static const char *const names[3] = {"a", "b", "c"};
    static const double y[3][N] = {{.1, .2, .3, .4, .5}, {.5, .1, .5, .1, .5}, {.9, .8, .2, .1, .3}};
    turned t;
    for (int i = 0; i < 3; i++) {
        t.names[place[i]] = names[i];
        t.y_axes[place[i]] = i == 2;
        t.curves[i] = (ns_curve){.x = x, .y = y[i], .n = N, .group = place[i], .panel = place[i]};
        t.series[i] = (ns_fit_series){.x = x, .y = y[i], .rest = y[(i + 1) % 3], .n = N, .group = place[i], .panel = place[i]};
    }
    return t;
}

static char *text_of(char *path)
{
    size_t n;
    char *const text = slurp(path, &n);
    free(path);
    return text;
}

static char *drawn_curves(const turned *t, const ns_figure_params *params)
{
    const ns_curves_figure f = {.size = sizeof f, .curves = t->curves, .n_curves = 3, .groups = t->names, .n_groups = 3, .panels = t->names,
                                .n_panels = 3, .y_axes = t->y_axes, .x_name = "x", .y_name = "y", .title = "t", .guide = NAN};
    char *const path = scratch("turned.svg");
    assert_int_equal(ns_draw_curves(path, &f, params, NULL), NS_OK);
    return text_of(path);
}

static char *drawn_fit(const turned *t, const ns_figure_params *params)
{
    const ns_fit_figure f = {.size = sizeof f, .series = t->series, .n_series = 3, .groups = t->names, .n_groups = 3, .panels = t->names,
                             .n_panels = 3, .x_name = "x", .y_name = "y", .rest_name = "rest", .title = "t", .log_x = true};
    char *const path = scratch("turned.svg");
    assert_int_equal(ns_draw_fit(path, &f, params, NULL), NS_OK);
    return text_of(path);
}

/* A figure in another order is the figure that was given in that order, to the byte: marks go with their names. */
static void test_order(void **state)
{
    (void)state;
    static char *(*const draws[])(const turned *, const ns_figure_params *) = {drawn_curves, drawn_fit};
    const char *const wanted[] = {"c", "a"};
    const ns_figure_params plain = {.size = sizeof plain, .width = 7},
                           in_order = {.size = sizeof in_order, .width = 7, .order = wanted, .n_order = 2};
    const turned given = three((const int[]){0, 1, 2}), meant = three((const int[]){1, 2, 0});
    for (int i = 0; i < 2; i++) {
        char *const want = draws[i](&meant, &plain), *const got = draws[i](&given, &in_order), *const before = draws[i](&given, &plain);
        assert_string_equal(got, want);
        assert_string_not_equal(got, before);
        free(want);
        free(got);
        free(before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines), cmocka_unit_test(test_steps), cmocka_unit_test(test_edge), cmocka_unit_test(test_points),
        cmocka_unit_test(test_words), cmocka_unit_test(test_band), cmocka_unit_test(test_panels), cmocka_unit_test(test_own_axes),
        cmocka_unit_test(test_order), cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
