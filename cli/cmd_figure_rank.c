/* cmd_figure_rank.c - the best heads of scores by rank, with their intervals over cases. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/figure.h"
#include "cli/score_file.h"

enum { MOST = 6 };

typedef struct rank_settings { cli_words score; int64_t top; cli_look look; } rank_settings;
static const rank_settings defaults = {.top = 20};

#define FIELD(name) offsetof(rank_settings, name)
static const cli_option options[] = {
    {"score", 's', CLI_WORDS, FIELD(score), "NAME,...", "the scores to draw, a panel each"},
    {"top", 'k', CLI_INT, FIELD(top), "K", "so many heads (default 20)", NULL, 1, 256},
    {0},
};
#undef FIELD

typedef struct series {
    float   *score;
    double  *value, *low, *high;         /* [top] */
    char   **labels;
    int64_t  n;
    double   chance;
} series;

/* What a score file says of all its scores; NULL where it was not ranked. */
typedef struct ranked { char **names; int64_t n; float *low, *high, *chance; } ranked;

static void clear_series(series *s)
{
    free(s->score);
    free(s->value);
    free(s->low);
    free(s->high);
    ns_free_strings(s->labels, s->n);
}

static void clear_ranked(ranked *r)
{
    ns_free_strings(r->names, r->n);
    free(r->low);
    free(r->high);
    free(r->chance);
}

/* [S, L, H] of an array of the ranking. */
static int read_ranked(const ns_file *f, const char *name, int64_t n_scores, float **out, ns_error *err)
{
    int rank;
    int64_t shape[NS_MAX_RANK];
    const int rc = ns_file_read_f32(f, name, out, &rank, shape, NULL, err);
    return rc == NS_OK && (rank != 3 || shape[0] != n_scores) ? ns_fail(err, NS_E_FORMAT, "%s is no array over %lld scores, layers and heads", name, (long long)n_scores) : rc;
}

static int read_ranking(const ns_file *f, ranked *r, ns_error *err)
{
    if (!ns_file_has(f, "score_name") || !ns_file_has(f, "score_low"))
        return NS_OK;
    int rc = ns_file_read_strings(f, "score_name", &r->names, &r->n, err);
    rc = rc ? rc : read_ranked(f, "score_low", r->n, &r->low, err);
    rc = rc ? rc : read_ranked(f, "score_high", r->n, &r->high, err);
    return rc ? rc : read_ranked(f, "score_chance", r->n, &r->chance, err);
}

static int fill(series *s, const int64_t shape[2], const ranked *r, const char *name, int64_t top, ns_error *err)
{
    const int64_t LH = shape[0] * shape[1], at = cli_find_ranked(r->names, r->n, name);
    int64_t *const best = ns_alloc_array((size_t)top, sizeof *best);
    s->value = ns_alloc_array((size_t)top, sizeof *s->value);
    s->low = ns_alloc_array((size_t)top, sizeof *s->low);
    s->high = ns_alloc_array((size_t)top, sizeof *s->high);
    s->labels = ns_alloc_array((size_t)top, sizeof *s->labels);
    bool good = best && s->value && s->low && s->high && s->labels;
    double chance = 0;
    const int64_t found = good ? ns_best(s->score, LH, top, false, best) : 0;
    for (; good && s->n < found; s->n++) {
        const int64_t i = best[s->n];
        s->value[s->n] = (double)s->score[i];
        s->low[s->n] = at < 0 ? NAN : (double)r->low[at * LH + i];
        s->high[s->n] = at < 0 ? NAN : (double)r->high[at * LH + i];
        chance += at < 0 ? NAN : (double)r->chance[at * LH + i];
        good = (s->labels[s->n] = ns_printf_alloc("%lld.%lld", (long long)(i / shape[1]), (long long)(i % shape[1]))) != NULL;
    }
    s->chance = s->n ? chance / (double)s->n : NAN;
    free(best);
    return good ? NS_OK : ns_oom(err, "the ranks");
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
    const rank_settings *const s = settings;
    ns_file *f = NULL;
    ranked r = {0};
    series all[MOST] = {0};
    int rc = cli_look_check(app, &s->look);
    if (rc == NS_OK && s->score.n > MOST)
        rc = ns_fail(&app->err, NS_E_ARG, "--score: %lld scores; %d panels can be drawn", (long long)s->score.n, MOST);
    if (rc == NS_OK)
        rc = ns_file_open(&f, args[0], &app->err);
    if (rc == NS_OK)
        rc = read_ranking(f, &r, &app->err);
    for (int64_t i = 0; rc == NS_OK && i < (s->score.n ? s->score.n : 1); i++) {
        int64_t shape[2];
        rc = cli_read_score(f, args[0], s->score.n ? s->score.list[i] : NULL, &all[i].score, shape, &app->err);
        if (rc == NS_OK)
            rc = fill(&all[i], shape, &r, s->score.list[i], s->top, &app->err);
    }
    if (rc == NS_OK)
        rc = draw(app, s, f, all);
    if (rc == NS_OK)
        rc = cli_say_shows(app, s->look.out, s->score.list[0]);
    for (int i = 0; i < MOST; i++)
        clear_series(&all[i]);
    clear_ranked(&r);
    ns_file_close(f);
    return rc;
}

const cli_command cli_cmd_figure_rank = {
    .name = "figure rank", .section = "Figures", .summary = "Draws the best heads of scores by rank, with intervals over cases",
    .arguments = "SCORES", .min_args = 1, .max_args = 1, .groups = {{"Options", options, 0}, {"Look", cli_look_options, offsetof(rank_settings, look)}},
    .settings_size = sizeof(rank_settings), .defaults = &defaults,
    .description = "Each head has its name (layer.head) while there is room. Intervals are those that `score` found by resampling cases; the dashed line is the mean of the same "
                   "heads at the placebo, where the score has one. A shard of a scan has no intervals.",
    .examples = "needlescope figure rank scores.h5 --score retrieval_find,retrieval_continue --top 15 -o rank.pdf",
    .run = figure_rank,
};
