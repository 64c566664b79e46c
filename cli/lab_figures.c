/* lab_figures.c - the laziness figure: bands of windows and controls, one row a seed sorted by birth, four panels; as PNG, PDF and SVG. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/figure.h>

#include "cli/lab.h"

enum { MAX_BANDS = 64 };
static const char *const panels[CLI_LAB_SERIES] = {"retrieval (find)", "previous token", "recall in window", "needle accuracy"};

typedef struct picture {
    const cli_lab *lab;
    int64_t  P, R;
    double  *tokens;                     /* [P] */
    float   *value;                      /* [panels, R, P] */
    double (*birth)[2];                  /* [panels, R] */
    int     *band;                       /* [R] */
    int64_t *run;                        /* [R] */
    char    *name[MAX_BANDS], *note[MAX_BANDS];
    int      n_bands, n_controls;
} picture;

static void clear_picture(picture *p)
{
    free(p->tokens);
    free(p->value);
    free(p->birth);
    free(p->band);
    free(p->run);
    for (int b = 0; b < p->n_bands; b++) {
        free(p->name[b]);
        free(p->note[b]);
    }
}

/* ---- bands ---- */

static bool same_band(const cli_lab_run *a, const cli_lab_run *b)
{
    return strcmp(a->arm, b->arm) == 0 && a->window == b->window;
}

static double order_of(const cli_lab *lab, int64_t run)
{
    const cli_lab_birth b = lab->results[run].find;
    return b.at < 0 ? INFINITY : (double)b.at;
}

/* Measured runs of the band that `first` begins, by birth. */
static void add_rows(picture *p, int64_t first)
{
    const cli_lab *const lab = p->lab;
    const int64_t from = p->R;
    for (int64_t i = first; i < lab->n_runs; i++) {
        if (!lab->results[i].measured || !same_band(&lab->runs[first], &lab->runs[i]))
            continue;
        int64_t at = p->R++;
        for (; at > from && order_of(lab, p->run[at - 1]) > order_of(lab, i); at--)
            p->run[at] = p->run[at - 1];
        p->run[at] = i;
        p->band[p->R - 1] = p->n_bands;
    }
}

/* "240 (180-300), 3/3": median, range and how many were born. */
static char *note_of(const picture *p, int64_t from)
{
    const cli_lab *const lab = p->lab;
    const int64_t n = p->R - from;
    char text[3][24];
    int64_t born = 0;
    const int64_t at[3] = {from + (n - 1) / 2, from, p->R - 1};
    for (int64_t i = from; i < p->R; i++)
        born += lab->results[p->run[i]].find.at >= 0;
    for (int k = 0; k < 3; k++) {
        const cli_lab_birth b = lab->results[p->run[at[k]]].find;
        snprintf(text[k], sizeof text[k], b.at < 0 ? ">%lld" : "%lld", (long long)(b.at < 0 ? b.before : b.at));
    }
    return n == 1 ? ns_printf_alloc("%s", text[0])
                  : ns_printf_alloc("%s (%s\xe2\x80\x93%s), %lld/%lld", text[0], text[1], text[2], (long long)born, (long long)n);
}

static bool add_band(picture *p, int64_t first)
{
    const cli_lab_run *const run = &p->lab->runs[first];
    const int64_t from = p->R;
    for (int64_t i = 0; i < first; i++)
        if (same_band(&p->lab->runs[i], run))
            return true;                 /* it began before */
    add_rows(p, first);
    if (p->R == from || p->n_bands == MAX_BANDS) {
        p->R = from;
        return true;
    }
    const bool windowed = strchr(run->pattern, 'S') != NULL;
    char window[32] = "";
    if (windowed)
        snprintf(window, sizeof window, " W=%lld", (long long)run->window);
    p->name[p->n_bands] = ns_printf_alloc("%s%s%s", run->pattern, window, run->nope ? " NoPE" : "");
    p->note[p->n_bands] = note_of(p, from);
    p->n_controls += strcmp(run->arm, "swa") != 0;
    return p->name[p->n_bands] && p->note[p->n_bands++];
}

static bool collect(picture *p)
{
    bool good = true;
    for (int64_t i = 0; i < p->lab->n_runs && good; i++)
        if (strcmp(p->lab->runs[i].arm, "swa") == 0)
            good = add_band(p, i);
    for (int64_t i = 0; i < p->lab->n_runs && good; i++)
        if (strcmp(p->lab->runs[i].arm, "swa") != 0)
            good = add_band(p, i);
    return good;
}

/* ---- values ---- */

static void set_birth(const picture *p, cli_lab_birth b, double out[2])
{
    const double per_step = (double)(p->lab->batch * p->lab->length);
    out[0] = b.before < 0 ? 0 : per_step * (double)b.before;
    out[1] = b.before == CLI_LAB_NO_HEAD ? NAN : b.at < 0 ? INFINITY : per_step * (double)b.at;
}

static void fill(picture *p)
{
    for (int64_t i = 0; i < p->P; i++)
        p->tokens[i] = (double)(cli_lab_step(p->lab, i) * p->lab->batch * p->lab->length);
    for (int64_t r = 0; r < p->R; r++) {
        const cli_lab_result *const result = &p->lab->results[p->run[r]];
        for (int k = 0; k < CLI_LAB_SERIES; k++)
            memcpy(p->value + (k * p->R + r) * p->P, result->series[k], (size_t)p->P * sizeof *p->value);
        set_birth(p, result->find, p->birth[CLI_LAB_FIND * p->R + r]);
        set_birth(p, result->previous, p->birth[CLI_LAB_PREVIOUS * p->R + r]);
        p->birth[CLI_LAB_IN_WINDOW * p->R + r][0] = p->birth[CLI_LAB_IN_WINDOW * p->R + r][1] = NAN;
        set_birth(p, result->solved, p->birth[CLI_LAB_ACCURACY * p->R + r]);
    }
}

static int write_figures(const picture *p, ns_error *err)
{
    static const char *const endings[] = {"png", "pdf", "svg"};
    const double mean_prompt = .875 * (double)p->lab->length;
    char *const name = ns_printf_alloc("one row a seed; right: birth of retrieval in steps of %lld tokens, median (range), born",
                                       (long long)(p->lab->batch * p->lab->length));
    const ns_bands_figure figure = {
        .size = sizeof figure, .tokens = p->tokens, .n_points = p->P, .panels = panels, .n_panels = CLI_LAB_SERIES,
        .bands = (const char *const *)p->name, .n_bands = p->n_bands, .n_controls = p->n_controls, .notes = (const char *const *)p->note,
        .band = p->band, .n_rows = p->R, .value = p->value, .birth = (const double (*)[2])p->birth, .chance = 1 / mean_prompt,
        .value_name = "Large-Window Laziness", .study_name = name,
    };
    const ns_figure_params params = {.size = sizeof params, .width = 7, .comment = "needlescope lab laziness"};
    int rc = name ? NS_OK : ns_oom(err, "a figure");
    for (size_t i = 0; i < sizeof endings / sizeof *endings && rc == NS_OK; i++) {
        char *const path = cli_lab_path(p->lab, "figures/laziness.%s", endings[i]);
        rc = path ? ns_draw_bands(path, &figure, &params, err) : ns_oom(err, "a figure");
        free(path);
    }
    free(name);
    return rc;
}

/* A build without cairo goes on without figures, and says so. */
int cli_lab_draw(cli_lab *lab)
{
    ns_error *const err = &lab->app->err;
    picture p = {.lab = lab, .P = cli_lab_points(lab)};
    const size_t cells = (size_t)(CLI_LAB_SERIES * lab->n_runs);
    p.tokens = ns_alloc_array((size_t)p.P, sizeof *p.tokens);
    p.value = ns_alloc_array(cells * (size_t)p.P, sizeof *p.value);
    p.birth = ns_alloc_array(cells, sizeof *p.birth);
    p.band = ns_alloc_array((size_t)lab->n_runs, sizeof *p.band);
    p.run = ns_alloc_array((size_t)lab->n_runs, sizeof *p.run);
    int rc = p.tokens && p.value && p.birth && p.band && p.run && collect(&p) ? NS_OK : ns_oom(err, "a figure");
    if (rc == NS_OK && p.R) {
        fill(&p);
        rc = write_figures(&p, err);
    }
    if (rc == NS_E_UNSUPPORTED) {
        cli_warn(lab->app, err->message);
        rc = NS_OK;
    }
    clear_picture(&p);
    return rc;
}
