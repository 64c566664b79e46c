/* cmd_figure_heads.c - a score of every head: layer x head. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/figure.h>

#include "cli/commands.h"
#include "cli/figure.h"
#include "cli/heads.h"

typedef struct heads_settings { cli_words score; cli_heads mark; int64_t top; cli_look look; } heads_settings;
static const heads_settings defaults = {.look = CLI_LOOK_DEFAULTS};

#define FIELD(name) offsetof(heads_settings, name)
static const cli_option heads_options[] = {
    {"score", 's', CLI_WORDS, FIELD(score), "NAME,...", "the score to draw; several stand side by side (default retrieval_find, else the first retrieval score)"},
    {"mark", 'm', CLI_HEADS, FIELD(mark), "L.H,...", "outline these heads"},
    {"top", 'k', CLI_INT, FIELD(top), "K", "outline the K best heads", NULL, 1, 100000},
    {0},
};
#undef FIELD

static char *cli_label(const char *path, const char *what)
{
    const char *const base = ns_path_base(path), *const ending = strrchr(base, '.');
    return ns_printf_alloc("%.*s: %s", (int)(ending && ending > base ? (size_t)(ending - base) : strlen(base)), base, what);
}

/* ---- maps ---- */

typedef struct map { float *score; ns_head *marks; int64_t shape[2]; int *kind; int64_t *window; char *name, *model; ns_heads_figure figure; } map;
typedef struct maps { map list[NS_FIGURE_HEADS]; int n; char marks_name[32]; } maps;

static void clear_maps(maps *m)
{
    for (int i = 0; i < m->n; i++) {
        free(m->list[i].score);
        free(m->list[i].marks);
        free(m->list[i].kind);
        free(m->list[i].window);
        free(m->list[i].name);
        free(m->list[i].model);
    }
}

/* The k best behind the marks that are there. */
static int add_best(cli *app, const ns_study *study, const char *score, int64_t k, map *m)
{
    char note[120];
    ns_score_meaning meaning;
    const int rc = k ? cli_ranks(app, study, score, &meaning) : NS_OK;
    if (rc || !k)
        return rc;
    int64_t *const best = ns_alloc_array((size_t)k + 1, sizeof *best);
    if (!best)
        return ns_oom(&app->err, "marks");
    const ns_best_cut cut = ns_best(m->score, m->shape[0] * m->shape[1], k, &meaning, best);
    for (int64_t i = 0; i < cut.n; i++)
        m->marks[m->figure.n_marks++] = (ns_head){best[i] / m->shape[1], best[i] % m->shape[1]};
    ns_best_note(&cut, k, note, sizeof note);
    if (note[0])
        cli_note(app, "--top: %s: %s", score, note);
    free(best);
    return NS_OK;
}

static int mark_heads(cli *app, const heads_settings *s, const ns_study *study, const char *score, map *m)
{
    m->marks = ns_alloc_array((size_t)(s->top + s->mark.n) + 1, sizeof *m->marks);
    if (!m->marks)
        return ns_oom(&app->err, "marks");
    for (int64_t i = 0; i < s->mark.n; i++) {
        if (s->mark.list[i].layer >= m->shape[0] || s->mark.list[i].head >= m->shape[1])
            return ns_fail(&app->err, NS_E_ARG, "--mark %lld.%lld: the file has %lld layers of %lld heads", (long long)s->mark.list[i].layer,
                           (long long)s->mark.list[i].head, (long long)m->shape[0], (long long)m->shape[1]);
        m->marks[m->figure.n_marks++] = s->mark.list[i];
    }
    m->figure.marks = m->marks;
    return add_best(app, study, score, s->top, m);
}

static int read_map(ns_study *study, const char *score, map *m, ns_error *err)
{
    const ns_study_shape n = ns_study_size(study);
    const float *values;
    const int rc = ns_study_score(study, score, &values, err);
    if (rc)
        return rc;
    m->shape[0] = n.L;
    m->shape[1] = n.H;
    m->score = ns_alloc_array((size_t)(n.L * n.H), sizeof *m->score);
    m->kind = ns_alloc_array((size_t)n.L, sizeof *m->kind);
    m->window = ns_alloc_array((size_t)n.L, sizeof *m->window);
    if (!m->score || !m->kind || !m->window)
        return ns_oom(err, "a map of heads");
    memcpy(m->score, values, (size_t)(n.L * n.H) * sizeof *values);
    ns_study_layers(study, 0, m->kind, m->window);
    return NS_OK;
}

static int add_map(cli *app, const heads_settings *s, ns_study *study, const char *score, bool several, maps *all)
{
    map *const m = &all->list[all->n++];
    const char *const model = ns_file_fact(ns_study_file(study), "model_name"), *const path = ns_study_path(study);
    int rc = read_map(study, score, m, &app->err);
    m->name = rc ? NULL : several ? cli_label(path, score) : ns_strdup(score);
    m->model = rc ? NULL : ns_strdup(model ? model : "");
    if (rc == NS_OK && (!m->name || !m->model))
        rc = ns_oom(&app->err, "names");
    m->figure = (ns_heads_figure){.size = sizeof m->figure, .score = m->score, .n_layers = m->shape[0], .n_heads = m->shape[1], .kind = m->kind,
                                  .window = m->window, .score_name = m->name, .model_name = model ? m->model : NULL, .chance = NAN,
                                  .marks_name = all->marks_name};
    return rc == NS_OK ? mark_heads(app, s, study, score, m) : rc;
}

/* Without a name: the score that is usual. */
static int add_file(cli *app, const heads_settings *s, const char *path, bool several, maps *all)
{
    ns_study *study;
    int rc = ns_study_open(&study, path, &app->err);
    if (rc)
        return rc;
    const char *const usual = ns_study_usual_score(study);
    if (!ns_study_is_one(study))
        rc = ns_fail(&app->err, NS_E_ARG, "%s: a study of many checkpoints; a map is drawn of one (needlescope score -o, or a shard of scan)", path);
    else if (!usual)
        rc = ns_fail(&app->err, NS_E_ARG, "%s: no score over heads in it", path);
    for (int64_t i = 0; rc == NS_OK && i < (s->score.n ? s->score.n : 1); i++)
        rc = add_map(app, s, study, s->score.n ? s->score.list[i] : usual, several, all);
    ns_study_close(study);
    return rc;
}

/* NULL where the files are of several models. */
static const char *one_model(const maps *m)
{
    for (int i = 1; i < m->n; i++)
        if (strcmp(m->list[i].model, m->list[0].model) != 0)
            return NULL;
    return m->list[0].figure.model_name;
}

static int draw_maps(cli *app, const heads_settings *s, const maps *m)
{
    const ns_figure_params params = cli_look_params(app, &s->look);
    ns_heads_figure figures[NS_FIGURE_HEADS];
    for (int i = 0; i < m->n; i++)
        figures[i] = m->list[i].figure;
    if (m->n == 1)
        return ns_draw_heads(s->look.out, &figures[0], &params, &app->err);
    ns_figure_params wide = params;
    wide.width = params.width > 0 ? params.width : 7;
    return ns_draw_heads_row(s->look.out, figures, m->n, "Scores of every head", one_model(m), &wide, &app->err);
}

static int figure_heads(cli *app, const void *settings, char **args, int n_args)
{
    const heads_settings *const s = settings;
    const int64_t n = n_args * (s->score.n ? s->score.n : 1);
    maps m = {.marks_name = "marked"};
    int rc = cli_look_check(app, &s->look);
    if (s->top)
        snprintf(m.marks_name, sizeof m.marks_name, "top %lld", (long long)s->top);
    if (rc == NS_OK && n > NS_FIGURE_HEADS)
        rc = ns_fail(&app->err, NS_E_ARG, "%lld maps (files x scores); %d can stand side by side", (long long)n, NS_FIGURE_HEADS);
    for (int i = 0; rc == NS_OK && i < n_args; i++)
        rc = add_file(app, s, args[i], n_args > 1, &m);
    if (rc == NS_OK)
        rc = draw_maps(app, s, &m);
    if (rc == NS_OK)
        rc = cli_say_shows(app, s->look.out, m.list[0].name);
    clear_maps(&m);
    return rc;
}

const cli_command cli_cmd_figure_heads = {
    .name = "figure heads", .section = "Figures", .summary = "Draws a score of every head: layer x head",
    .arguments = "SCORES...", .min_args = 1, .max_args = NS_FIGURE_HEADS,
    .groups = {{"Options", heads_options, 0}, CLI_LOOK_GROUPS(heads_settings)},
    .settings_size = sizeof(heads_settings), .defaults = &defaults,
    .description = "Several scores, or the same of several files, stand side by side; one scale for all is --vmin and --vmax. The strip at the left says which layers have full attention, a sliding window, or none. The file's ending chooses "
                   "PNG, PDF or SVG; the command line goes into its metadata.",
    .examples = "needlescope figure heads scores.h5 --score retrieval_mass -o heads.pdf\n"
                "needlescope figure heads scores.h5 --score retrieval_find,retrieval_continue,induction --top 5 -o heads.png\n"
                "needlescope figure heads z.h5 q.h5 --score recovery --vmin -0.8 --vmax 0.8 -o recovery.pdf",
    .run = figure_heads,
};
