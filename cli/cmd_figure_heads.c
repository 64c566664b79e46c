/* cmd_figure_heads.c - a score of every head: layer x head. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/figure.h>
#include <needlescope/record.h>

#include "cli/commands.h"
#include "cli/figure.h"

static int layer_kind_of(const char *name)
{
    for (int kind = NS_LAYER_FULL; kind <= NS_LAYER_RECURRENT; kind++)
        if (strcmp(name, ns_layer_kind_name((ns_layer_kind)kind)) == 0)
            return kind;
    return NS_LAYER_FULL;
}

/* kind[L] and the widest window of each layer [L]; both malloc'd. */
static int read_layers(const ns_file *f, int64_t n_layers, int **kind, int64_t **window, ns_error *err)
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
    for (int64_t i = 0; i < n && names; i++)
        free(names[i]);
    free(names);
    free(windows);
    return rc;
}

typedef struct heads_settings { const char *score; cli_heads mark; int64_t top; cli_look look; } heads_settings;

#define FIELD(name) offsetof(heads_settings, name)
static const cli_option heads_options[] = {
    {"score", 's', CLI_TEXT, FIELD(score), "NAME", "the score to draw"},
    {"mark", 'm', CLI_HEADS, FIELD(mark), "L.H,...", "outline these heads"},
    {"top", 'k', CLI_INT, FIELD(top), "K", "outline the K best heads", NULL, 1, 100000},
    {0},
};
#undef FIELD

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

/* The k best cells, best first; ties by place. */
static int64_t best_heads(const float *score, int64_t L, int64_t H, int64_t k, int64_t (*out)[2])
{
    int64_t n = 0;
    for (; n < k; n++) {
        int64_t best = -1;
        for (int64_t i = 0; i < L * H; i++) {
            bool taken = isnan(score[i]);
            for (int64_t m = 0; m < n && !taken; m++)
                taken = out[m][0] * H + out[m][1] == i;
            if (!taken && (best < 0 || score[i] > score[best]))
                best = i;
        }
        if (best < 0)
            break;
        out[n][0] = best / H;
        out[n][1] = best % H;
    }
    return n;
}

static int draw_heads(cli *app, const heads_settings *s, const ns_file *f, const float *score, const int64_t shape[2])
{
    int *kind = NULL;
    int64_t *window = NULL, (*marks)[2] = NULL;
    char marks_name[32] = "marked";
    ns_heads_figure figure = {.size = sizeof figure, .score = score, .n_layers = shape[0], .n_heads = shape[1], .score_name = s->score,
                              .model_name = ns_file_fact(f, "model_name"), .chance = NAN, .marks_name = marks_name};
    int rc = read_layers(f, shape[0], &kind, &window, &app->err);
    if (rc == NS_OK && (s->top || s->mark.n)) {
        marks = ns_alloc_array((size_t)(s->top + s->mark.n), sizeof *marks);
        rc = marks ? NS_OK : ns_oom(&app->err, "marks");
    }
    for (int64_t i = 0; i < s->mark.n && rc == NS_OK; i++) {
        if (s->mark.list[i][0] >= shape[0] || s->mark.list[i][1] >= shape[1])
            rc = ns_fail(&app->err, NS_E_ARG, "--mark %lld.%lld: the file has %lld layers of %lld heads", (long long)s->mark.list[i][0],
                         (long long)s->mark.list[i][1], (long long)shape[0], (long long)shape[1]);
        memcpy(marks[figure.n_marks++], s->mark.list[i], sizeof *marks);
    }
    if (rc == NS_OK && s->top) {
        snprintf(marks_name, sizeof marks_name, "top %lld", (long long)s->top);
        figure.n_marks += (int)best_heads(score, shape[0], shape[1], s->top, marks + figure.n_marks);
    }
    figure.kind = kind;
    figure.window = window;
    figure.marks = marks;
    const ns_figure_params params = cli_look_params(app, &s->look);
    if (rc == NS_OK)
        rc = ns_draw_heads(s->look.out, &figure, &params, &app->err);
    free(kind);
    free(window);
    free(marks);
    return rc == NS_OK ? cli_say_drawn(app, s->look.out, s->score) : rc;
}

static int figure_heads(cli *app, const void *settings, char **args, int n_args)
{
    (void)n_args;
    const heads_settings *const s = settings;
    ns_file *f = NULL;
    float *score = NULL;
    int64_t shape[2];
    int rc = cli_look_check(app, &s->look);
    if (rc == NS_OK)
        rc = ns_file_open(&f, args[0], &app->err);
    if (rc == NS_OK && (!s->score || !is_heads_score(f, s->score, &score, shape)))
        rc = no_such_score(f, args[0], s->score, &app->err);
    if (rc == NS_OK)
        rc = draw_heads(app, s, f, score, shape);
    free(score);
    ns_file_close(f);
    return rc;
}

const cli_command cli_cmd_figure_heads = {
    .name = "figure heads", .section = "Figures", .summary = "Draws a score of every head: layer x head",
    .arguments = "SCORES", .min_args = 1, .max_args = 1,
    .groups = {{"Options", heads_options, 0}, {"Look", cli_look_options, offsetof(heads_settings, look)}},
    .settings_size = sizeof(heads_settings),
    .description = "The strip at the left says which layers have full attention, a sliding window, or none. The file's ending chooses "
                   "PNG, PDF or SVG; the command line goes into its metadata.",
    .examples = "needlescope figure heads scores.h5 --score retrieval_mass -o heads.pdf\n"
                "needlescope figure heads scores.h5 --score retrieval_find --top 5 -o heads.png",
    .run = figure_heads,
};
