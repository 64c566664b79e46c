/* test_bands.c - bands of runs over training, read back: the colour of every checkpoint of every row, births as wide as their interval,
 * what is censored, names, and every refusal. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "draw/bands.h"
#include "picture.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { P = 6, R = 4, N = 2 };
static const double tokens[P] = {0, 1000, 2000, 4000, 8000, 16000};
static const char *const panel_names[N] = {"find", "accuracy"}, *const band_names[2] = {"W = 4", "FFFF"},
                         *const notes[2] = {"240 (180-300), 2/3", ">800"};
static const int band[R] = {0, 0, 0, 1};
static float value[N * R * P];
static const double chance[N][2] = {{.02, .02}, {.3, .56}};
static double birth[N * R][2], death[N * R];

static ns_bands_figure bands(void)
{
    for (int i = 0; i < N * R * P; i++)
        value[i] = (float)(i % 6) / 5;
    for (int i = 0; i < N * R; i++) {
        birth[i][0] = birth[i][1] = death[i] = NAN;
        value[i * P + 4] = i == 1 ? NAN : value[i * P + 4];
    }
    birth[0][0] = 2000;
    birth[0][1] = 4000;
    birth[2][1] = INFINITY;
    return (ns_bands_figure){.size = sizeof(ns_bands_figure), .tokens = tokens, .n_points = P, .panels = panel_names, .n_panels = N,
                             .bands = band_names,
                             .n_bands = 2, .n_controls = 1, .notes = notes, .band = band, .n_rows = R, .value = value,
                             .birth = (const double (*)[2])birth, .death = death, .chance = chance, .value_name = "Laziness",
                             .study_name = "3 seeds"};
}

typedef struct drawn { ns_bands_panel panel; picture picture; } drawn;

static void draw(drawn *d, const ns_bands_figure *f)
{
    const ns_figure_params params = {.size = sizeof params, .width = 7};
    char *const path = scratch("bands.png");
    assert_int_equal(ns_bands_begin(&d->panel, f, &params, NULL), NS_OK);
    assert_int_equal(ns_panel_write(&d->panel.base, path, NULL), NS_OK);
    d->picture = picture_read(path);
    free(path);
}

static void done(drawn *d)
{
    picture_free(&d->picture);
    ns_bands_end(&d->panel);
}

/* The pixel at so many tokens, in the middle of a row. */
static ns_rgb pixel(const drawn *d, int panel, int64_t row, double at)
{
    const ns_box b = ns_bands_row(&d->panel, panel, row);
    const double scale = d->panel.base.params.dpi / 72.0, margin = d->panel.base.margin;
    return picture_at(&d->picture, (margin + ns_bands_x(&d->panel, panel, at)) * scale, (margin + b.y + b.h / 2) * scale);
}

static void test_every_checkpoint(void **state)
{
    (void)state;
    const ns_bands_figure f = bands();
    drawn d;
    draw(&d, &f);
    static const double inside[P] = {600, 1000, 2100, 5000, 8000, 13000};      /* clear of edges and of the birth's bar */
    for (int panel = 0; panel < N; panel++)
        for (int64_t row = 0; row < R; row++)
            for (int i = 0; i < P; i++) {
                const double v = (double)value[(panel * R + row) * P + i];
                if (isnan(v) || (panel == 0 && row == 0 && i == 2))
                    continue;
                assert_color(pixel(&d, panel, row, inside[i]), ns_colormap_at(&ns_colormaps[0], v));
            }
    const ns_rgb hatched = pixel(&d, 0, 1, 8000);
    assert_true(hatched.r > 160 && abs(hatched.r - hatched.b) < 30);
    done(&d);
}

/* White between the two checkpoints, coloured before and behind. */
static void test_birth(void **state)
{
    (void)state;
    const ns_bands_figure f = bands();
    drawn d;
    draw(&d, &f);
    static const ns_rgb white = {255, 255, 255};
    assert_color(pixel(&d, 0, 0, 2400), white);
    assert_color(pixel(&d, 0, 0, 3500), white);
    assert_color(pixel(&d, 0, 0, 1700), ns_colormap_at(&ns_colormaps[0], .4));
    assert_color(pixel(&d, 0, 0, 4600), ns_colormap_at(&ns_colormaps[0], .6));
    assert_int_not_equal(packed(pixel(&d, 1, 0, 3000)), packed(white));
    /* Censored: a triangle behind the row's end, none behind the others. */
    const double scale = d.panel.base.params.dpi / 72.0, margin = d.panel.base.margin;
    for (int64_t row = 0; row < R; row++) {
        const ns_box b = ns_bands_row(&d.panel, 0, row);
        const ns_rgb behind = picture_at(&d.picture, (margin + b.x + b.w + 2.5) * scale, (margin + b.y + b.h / 2) * scale);
        assert_int_equal(behind.r < 128, row == 2);
    }
    done(&d);
}

static void test_names(void **state)
{
    (void)state;
    ns_bands_figure f = bands();
    char *const path = scratch("bands.svg");
    death[3] = 8000;
    assert_int_equal(ns_draw_bands(path, &f, NULL, NULL), NS_OK);
    size_t n;
    char *const svg = slurp(path, &n);
    static const char *const words[] = {"Laziness",
                                        "3 seeds",
                                        "find",
                                        "accuracy",
                                        "W = 4",
                                        "FFFF",
                                        "240 (180-300), 2/3",
                                        "tokens",
                                        "chance",
                                        "birth, as wide as its checkpoint interval",
                                        "not born up to the horizon",
                                        "death",
                                        "not measured"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        assert_non_null(strstr(svg, words[i]));
    free(svg);
    f.notes = NULL;
    f.birth = NULL;
    f.death = NULL;
    f.chance = NULL;
    assert_int_equal(ns_draw_bands(path, &f, NULL, NULL), NS_OK);
    char *const bare = slurp(path, &n);
    assert_null(strstr(bare, "birth"));
    free(bare);
    free(path);
}

static void refused(const ns_bands_figure *f, const char *why)
{
    ns_error err;
    char *const path = scratch("refused.svg");
    assert_true(ns_draw_bands(path, f, NULL, &err) < 0);
    if (!strstr(err.message, why))
        fail_msg("'%s' lacks '%s'", err.message, why);
    free(path);
}

static void test_refusals(void **state)
{
    (void)state;
    static const double backwards[P] = {0, 2, 1, 3, 4, 5};
    static const int jumps[R] = {0, 1, 0, 1}, beyond[R] = {0, 0, 0, 2};
    ns_bands_figure f = bands();
    f.tokens = backwards;
    refused(&f, "ascend");
    f = bands();
    f.band = jumps;
    refused(&f, "row 2 is of band 0");
    f.band = beyond;
    refused(&f, "row 3 is of band 2");
    f = bands();
    f.n_panels = NS_FIGURE_PANELS + 1;
    refused(&f, "25 panels");
    f = bands();
    f.n_points = 1;
    refused(&f, "two at least");
    f = bands();
    f.n_controls = 3;
    refused(&f, "3 of 2 bands");
    f = bands();
    for (int i = 0; i < N * R * P; i++)
        value[i] = NAN;
    refused(&f, "no value");
    value[3] = INFINITY;
    refused(&f, "inf");
}

/* The colour bar of a single thin row: three numbers and the levels have room beside it, and it reaches neither the keys nor the edge. */
static void test_one_run(void **state)
{
    (void)state;
    ns_bands_figure f = bands();
    f.n_bands = 1;
    f.n_rows = 1;
    f.n_controls = 0;
    for (int n = 1; n <= N; n++) {
        f.n_panels = n;
        drawn d;
        draw(&d, &f);
        const ns_ticks *const t = &d.panel.bar.axis.ticks;
        const ns_box b = d.panel.bar_box;
        assert_true(t->n >= 3 && d.panel.bar.n_levels == n);
        assert_true(b.h >= (t->n + n) * NS_SIZE_TICK);
        for (int i = 1; i < t->n; i++)
            assert_true((t->at[i] - t->at[i - 1]) * b.h >= 2 * NS_SIZE_TICK);
        assert_true(d.panel.row_height < NS_SIZE_TICK && d.panel.box[0].h < b.h);
        assert_true(b.y + b.h + NS_SIZE_TICK / 2 <= fmin(d.panel.key_y, d.panel.base.height));
        done(&d);
    }
}

/* Keys that are longer than the page is wide from the panels on begin further left. */
static void test_large_texts(void **state)
{
    (void)state;
    char crowded[256] = "not said", *const path = scratch("large.svg");
    const ns_figure_params params = {
        .size = sizeof params, .width = 3.3, .font_size = 10, .crowded = crowded, .crowded_size = sizeof crowded};
    ns_bands_figure f = bands();
    f.notes = NULL;
    assert_int_equal(ns_draw_bands(path, &f, &params, NULL), NS_OK);
    assert_string_equal(crowded, "");
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_checkpoint),
        cmocka_unit_test(test_birth),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_one_run),
        cmocka_unit_test(test_large_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
