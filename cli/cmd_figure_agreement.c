/* cmd_figure_agreement.c - do scores mean the same heads? Rank correlation or overlap of the top ten, score against score. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/commands.h"
#include "cli/figure.h"

typedef struct agreement_settings { cli_words score; int by; cli_look look; } agreement_settings;

#define FIELD(name) offsetof(agreement_settings, name)
static const cli_option options[] = {
    {"score", 's', CLI_WORDS, FIELD(score), "NAME,...", "these scores (default all but the _nosink twins)"},
    {"by", 0, CLI_CHOICE, FIELD(by), "WHAT", "overlap of the ten best heads (default), or rank correlation over all", "jaccard10|spearman"},
    {0},
};
#undef FIELD

typedef struct table { char **names; int64_t n; float *values; int64_t *chosen; int64_t n_chosen; } table;

static void clear_table(table *t)
{
    ns_free_strings(t->names, t->n);
    free(t->values);
    free(t->chosen);
}

static int read_table(const ns_file *f, const char *path, const char *dataset, table *t, ns_error *err)
{
    int rank;
    int64_t shape[NS_MAX_RANK];
    if (!ns_file_has(f, dataset) || !ns_file_has(f, "score_name"))
        return ns_fail(err, NS_E_ARG, "%s has no agreement of scores: it is written by `score` with cases, not by a scan", path);
    int rc = ns_file_read_strings(f, "score_name", &t->names, &t->n, err);
    rc = rc ? rc : ns_file_read_f32(f, dataset, &t->values, &rank, shape, NULL, err);
    if (rc == NS_OK && (rank != 2 || shape[0] != t->n || shape[1] != t->n))
        rc = ns_fail(err, NS_E_FORMAT, "%s: %s is not over its %lld scores", path, dataset, (long long)t->n);
    t->chosen = ns_alloc_array((size_t)t->n + 1, sizeof *t->chosen);
    return rc == NS_OK && !t->chosen ? ns_oom(err, "scores") : rc;
}

static int64_t place_of(const table *t, const char *name)
{
    int64_t i = t->n - 1;
    while (i >= 0 && strcmp(t->names[i], name))
        i--;
    return i;
}

static int choose(const agreement_settings *s, const char *path, table *t, ns_error *err)
{
    for (int64_t i = 0; !s->score.n && i < t->n; i++)
        if (!strstr(t->names[i], "_nosink") && !isnan(t->values[i * t->n + i]))
            t->chosen[t->n_chosen++] = i;
    for (int64_t i = 0; i < s->score.n && i < t->n; i++) {
        const int64_t at = place_of(t, s->score.list[i]);
        if (at < 0)
            return ns_fail(err, NS_E_ARG, "%s: no score '%s'; the first is '%s'", path, s->score.list[i], t->n ? t->names[0] : "none");
        t->chosen[t->n_chosen++] = at;
    }
    return t->n_chosen >= 2 && t->n_chosen <= 64 ? NS_OK : ns_fail(err, NS_E_ARG, "%s: %lld scores; agreement is drawn of 2 to 64", path, (long long)t->n_chosen);
}

static int draw(cli *app, const agreement_settings *s, const ns_file *f, const table *t)
{
    const int64_t n = t->n_chosen;
    float *const values = ns_alloc_array((size_t)(n * n), sizeof *values);
    const char *names[64];
    if (!values)
        return ns_oom(&app->err, "a figure");
    for (int64_t i = 0; i < n; i++) {
        names[i] = t->names[t->chosen[i]];
        for (int64_t k = 0; k < n; k++)
            values[i * n + k] = t->values[t->chosen[i] * t->n + t->chosen[k]];
    }
    const ns_matrix_figure figure = {.size = sizeof figure, .value = values, .n_rows = n, .n_cols = n, .rows = names, .cols = names, .study_name = ns_file_fact(f, "model_name"),
                                     .value_name = s->by ? "Rank correlation of scores" : "Overlap of the ten best heads (Jaccard)", .missing_name = "not comparable",
                                     .chance = NAN};
    ns_figure_params params = cli_look_params(app, &s->look);
    params.width = params.width > 0 ? params.width : n > 5 ? 7 : 3.5;
    const int rc = ns_draw_matrix(s->look.out, &figure, &params, &app->err);
    free(values);
    return rc == NS_OK ? cli_say_shows(app, s->look.out, figure.value_name) : rc;
}

static int figure_agreement(cli *app, const void *settings, char **args, int n_args)
{
    (void)n_args;
    const agreement_settings *const s = settings;
    ns_file *f = NULL;
    table t = {0};
    int rc = cli_look_check(app, &s->look);
    rc = rc ? rc : ns_file_open(&f, args[0], &app->err);
    rc = rc ? rc : read_table(f, args[0], s->by ? "agreement_spearman" : "agreement_jaccard10", &t, &app->err);
    rc = rc ? rc : choose(s, args[0], &t, &app->err);
    rc = rc ? rc : draw(app, s, f, &t);
    clear_table(&t);
    ns_file_close(f);
    return rc;
}

const cli_command cli_cmd_figure_agreement = {
    .name = "figure agreement", .section = "Figures", .summary = "Draws how far scores mean the same heads, score against score",
    .arguments = "SCORES", .min_args = 1, .max_args = 1, .groups = {{"Options", options, 0}, {"Look", cli_look_options, offsetof(agreement_settings, look)}},
    .settings_size = sizeof(agreement_settings),
    .description = "The overlap of the ten best heads of two scores (Jaccard), or Spearman's rank correlation over all heads, as `score` wrote them.",
    .examples = "needlescope figure agreement scores.h5 --score retrieval_find,retrieval_continue,retrieval_mass,induction -o agreement.pdf\n"
                "needlescope figure agreement scores.h5 --by spearman -o agreement.png",
    .run = figure_agreement,
};
