/* cmd_figure_rank.c - the best heads of scores by rank, with their intervals over cases. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/figure.h"
#include "cli/heads.h"

enum { MOST = 6 };

typedef struct rank_settings { cli_words score; int64_t top; cli_look look; } rank_settings;
static const rank_settings defaults = {.top = 20, .look = CLI_LOOK_DEFAULTS};

#define FIELD(name) offsetof(rank_settings, name)
static const cli_option options[] = {
    {"score", 's', CLI_WORDS, FIELD(score), "NAME,...", "the scores to draw, a panel each (default retrieval_find, else the first retrieval score)"},
    {"top", 'k', CLI_INT, FIELD(top), "K", "so many heads (default 20)", NULL, 1, 256},
    {0},
};
#undef FIELD

typedef struct series {
    double  *value, *low, *high;         /* [top] */
    char   **labels;
    int64_t  n;
    double   chance;
} series;

static void clear_series(series *s)
{
    free(s->value);
    free(s->low);
    free(s->high);
    ns_free_strings(s->labels, s->n);
}

static int allocate(series *s, int64_t top, ns_error *err)
{
    s->value = ns_alloc_array((size_t)top, sizeof *s->value);
    s->low = ns_alloc_array((size_t)top, sizeof *s->low);
    s->high = ns_alloc_array((size_t)top, sizeof *s->high);
    s->labels = ns_alloc_array((size_t)top, sizeof *s->labels);
    return s->value && s->low && s->high && s->labels ? NS_OK : ns_oom(err, "the ranks");
}

/* What a score file says of the head; NaN where it was not ranked. */
static double said(const float *values, int64_t i)
{
    return values ? (double)values[i] : (double)NAN;
}

static int fill(series *s, ns_study *study, const char *name, const int64_t *best, int64_t n, ns_error *err)
{
    const int64_t H = ns_study_size(study).H;
    const float *score, *low, *high, *chance;
    double sum = 0;
    int rc = ns_study_score(study, name, &score, err);
    rc = rc ? rc : ns_study_ranked(study, "score_low", name, &low, err);
    rc = rc ? rc : ns_study_ranked(study, "score_high", name, &high, err);
    rc = rc ? rc : ns_study_ranked(study, "score_chance", name, &chance, err);
    for (; rc == NS_OK && s->n < n; s->n++) {
        const int64_t i = best[s->n];
        s->value[s->n] = (double)score[i];
        s->low[s->n] = said(low, i);
        s->high[s->n] = said(high, i);
        sum += said(chance, i);
        s->labels[s->n] = ns_printf_alloc("%lld.%lld", (long long)(i / H), (long long)(i % H));
        rc = s->labels[s->n] ? NS_OK : ns_oom(err, "the ranks");
    }
    s->chance = s->n ? sum / (double)s->n : (double)NAN;
    return rc;
}

static int add_series(cli *app, series *s, ns_study *study, const char *name, int64_t top)
{
    const ns_study_shape size = ns_study_size(study);
    char note[120];
    const float *score;
    ns_score_meaning meaning;
    int64_t *const best = ns_alloc_array((size_t)top, sizeof *best);
    int rc = best ? allocate(s, top, &app->err) : ns_oom(&app->err, "the ranks");
    rc = rc ? rc : cli_ranks(app, study, name, &meaning);
    rc = rc ? rc : ns_study_score(study, name, &score, &app->err);
    const ns_best_cut cut = rc == NS_OK ? ns_best(score, size.L * size.H, top, &meaning, best) : (ns_best_cut){0};
    if (rc == NS_OK && !cut.n)
        rc = ns_fail(&app->err, NS_E_ARG, "%s: no head scores anything by '%s'", ns_study_path(study), name);
    rc = rc ? rc : fill(s, study, name, best, cut.n, &app->err);
    ns_best_note(&cut, top, note, sizeof note);
    if (rc == NS_OK && note[0])
        cli_note(app, "%s: %s", name, note);
    free(best);
    return rc;
}

static int draw(cli *app, const rank_settings *s, const ns_file *f, series *all)
{
    ns_ranked panels[MOST];
    for (int64_t i = 0; i < s->score.n; i++)
        panels[i] = (ns_ranked){s->score.list[i], all[i].n, all[i].value, all[i].low, all[i].high, (const char *const *)all[i].labels, all[i].chance};
    const ns_rank_figure figure = {.size = sizeof figure, .panels = panels, .n_panels = (int)s->score.n, .value_name = "score", .study_name = ns_file_fact(f, "model_name"),
                                   .chance_name = "the same heads at the placebo, mean"};
    ns_figure_params params = cli_look_params(app, &s->look);
    params.width = params.width > 0 ? params.width : s->score.n > 1 ? 7 : 3.5;
    return ns_draw_rank(s->look.out, &figure, &params, &app->err);
}

static int figure_rank(cli *app, const void *settings, char **args, int n_args)
{
    (void)n_args;
    rank_settings s = *(const rank_settings *)settings;
    char *usual = NULL;
    ns_study *study = NULL;
    series all[MOST] = {0};
    int rc = cli_look_check(app, &s.look);
    if (rc == NS_OK && s.score.n > MOST)
        rc = ns_fail(&app->err, NS_E_ARG, "--score: %lld scores; %d panels can be drawn", (long long)s.score.n, MOST);
    rc = rc ? rc : ns_study_open(&study, args[0], &app->err);
    if (rc == NS_OK && !ns_study_is_one(study))
        rc = ns_fail(&app->err, NS_E_ARG, "%s: a study of many checkpoints; ranks are drawn of one (needlescope score -o, or a shard of scan)", args[0]);
    usual = rc == NS_OK ? (char *)ns_study_usual_score(study) : NULL;
    if (rc == NS_OK && !s.score.n && usual)
        s.score = (cli_words){.list = (void *)&usual, .n = 1};
    for (int64_t i = 0; rc == NS_OK && i < s.score.n; i++)
        rc = add_series(app, &all[i], study, s.score.list[i], s.top);
    if (rc == NS_OK)
        rc = draw(app, &s, ns_study_file(study), all);
    if (rc == NS_OK)
        rc = cli_say_shows(app, s.look.out, s.score.list[0]);
    for (int i = 0; i < MOST; i++)
        clear_series(&all[i]);
    ns_study_close(study);
    return rc;
}

const cli_command cli_cmd_figure_rank = {
    .name = "figure rank", .section = "Figures", .summary = "Draws the best heads of scores by rank, with intervals over cases",
    .arguments = "SCORES", .min_args = 1, .max_args = 1, .groups = {{"Options", options, 0}, CLI_LOOK_GROUP(rank_settings)},
    .settings_size = sizeof(rank_settings), .defaults = &defaults,
    .description = "Each head has its name (layer.head) while there is room. Intervals are those that `score` found by resampling cases; the dashed line is the mean of the same "
                   "heads at the placebo, where the score has one. A shard of a scan has no intervals.",
    .examples = "needlescope figure rank scores.h5 --score retrieval_find,retrieval_continue --top 15 -o rank.pdf",
    .run = figure_rank,
};
