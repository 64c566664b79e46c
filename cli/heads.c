/* heads.c - heads named on the command line, the best of a score file, or all of one kind of layer. */
#include "cli/heads.h"

#include <stdlib.h>
#include <string.h>

#include <needlescope/compare.h>

#define FIELD(name) offsetof(cli_choice_of_heads, name)
const cli_option cli_heads_options[] = {
    {"heads", 'm', CLI_HEADS, FIELD(heads), "L.H,...", "these heads, or those that a file chooses (a list of heads: docs/head-lists.md)"},
    {"scores", 0, CLI_FILE, FIELD(scores), "FILE", "instead: the best heads of a score file, or of a list with numbers"},
    {"by", 0, CLI_TEXT, FIELD(by), "SCORE", "by this score of the file (default retrieval_find); or a list of heads, without --scores"},
    {"top", 'k', CLI_INT, FIELD(top), "K", "so many of the file (default 4)", NULL, 1, 4096},
    {"kind", 0, CLI_CHOICE, FIELD(kind), "KIND", "instead: all heads of the layers of this kind, as inspect names them (default any: none)",
     "any|full|swa|recurrent"},
    {0},
};
#undef FIELD

static void say_assumed(cli *app, const char *path, const char *score)
{
    cli_note(app, "%s is of an older version and does not say which end of %s is best: the largest are taken (make it again to be sure)",
             path, score);
}

int cli_ranks(cli *app, const ns_study *study, const char *score, ns_score_meaning *meaning)
{
    const int rc = ns_study_ranks(study, score, meaning, &app->err);
    if (rc == NS_OK && meaning->assumed)
        say_assumed(app, ns_study_path(study), score);
    return rc;
}

static int take_best(cli *app, const char *path, const char *by, int64_t top, const ns_rated *rated, cli_chosen *out)
{
    char note[120];
    const int64_t n = rated->L * rated->H, k = top < n ? top : n;
    int64_t *const best = ns_alloc_array((size_t)k + 1, sizeof *best);
    out->list = ns_alloc_array((size_t)k, sizeof *out->list);
    int rc = best && out->list ? NS_OK : ns_oom(&app->err, "heads");
    const ns_best_cut cut = rc == NS_OK ? ns_best(rated->values, n, k, &rated->meaning, best) : (ns_best_cut){0};
    for (out->n = 0; out->n < cut.n; out->n++)
        out->list[out->n] = (ns_head){best[out->n] / rated->H, best[out->n] % rated->H};
    ns_best_note(&cut, k, note, sizeof note);
    if (rc == NS_OK && !cut.n)
        rc = ns_fail(&app->err, NS_E_ARG, "%s: no head scores anything by %s (choose another --by)", path, by);
    else if (rc == NS_OK && note[0])
        cli_note(app, "--by %s: %s", by, note);
    free(best);
    return rc;
}

/* A list of heads may stand at --by alone. */
static bool by_is_list(const cli_choice_of_heads *s)
{
    return s->by && !s->scores && ns_path_exists(s->by);
}

static int best_heads(cli *app, const cli_choice_of_heads *s, const ns_arch *arch, cli_chosen *out)
{
    const char *const path = s->scores ? s->scores : s->by, *const by = s->scores ? s->by : NULL;
    ns_rated rated;
    int rc = ns_rated_read(&rated, path, by, arch->n_layers, ns_arch_max_heads(arch), &app->err);
    if (rc != NS_OK)
        return ns_fail_default(&app->err, rc, by != NULL, "--by");
    const char *const name = by ? by : rated.is_list ? "its own numbers" : "retrieval_find";
    if (rated.meaning.assumed)
        say_assumed(app, path, name);
    snprintf(out->scores_sha256, sizeof out->scores_sha256, "%s", rated.weights_sha256);
    snprintf(out->scores_arch, sizeof out->scores_arch, "%s", rated.arch_sha256);
    out->by_scores = true;
    rc = take_best(app, path, name, s->top ? s->top : 4, &rated, out);
    ns_rated_clear(&rated);
    return rc;
}

static int heads_of_kind(cli *app, int choice, const ns_arch *arch, cli_chosen *out)
{
    /* in the order of --kind's choices */
    static const ns_layer_kind kinds[] = {[1] = NS_LAYER_FULL, NS_LAYER_SWA, NS_LAYER_RECURRENT};
    out->list = ns_alloc_array((size_t)(arch->n_layers * ns_arch_max_heads(arch)), sizeof *out->list);
    if (!out->list)
        return ns_oom(&app->err, "heads");
    out->n = ns_arch_heads_of(arch, kinds[choice], out->list);
    return out->n ? NS_OK
                  : ns_fail(&app->err, NS_E_ARG, "--kind %s: the model has no such layer (needlescope inspect lists them)",
                            ns_layer_kind_name(kinds[choice]));
}

int cli_check_choice(cli *app, const cli_choice_of_heads *s)
{
    const bool of_file = s->scores || by_is_list(s);
    if ((s->heads.n != 0) + of_file + (s->kind != 0) > 1)
        return ns_fail(&app->err, NS_E_ARG, "--heads, --scores or --kind: one of them says which heads");
    if (!of_file && (s->by || s->top))
        return ns_fail(&app->err, NS_E_ARG, "%s chooses heads of a score file: it goes with --scores FILE%s", s->by ? "--by" : "--top",
                       s->heads.n ? ", not with --heads" : "");
    return NS_OK;
}

int cli_choose_heads(cli *app, const cli_choice_of_heads *s, const ns_arch *arch, cli_chosen *out)
{
    *out = (cli_chosen){0};
    if (s->scores || by_is_list(s))
        return best_heads(app, s, arch, out);
    if (s->kind)
        return heads_of_kind(app, s->kind, arch, out);
    out->list = ns_alloc_array((size_t)s->heads.n, sizeof *out->list);
    if (!out->list)
        return ns_oom(&app->err, "heads");
    if (s->heads.n)
        memcpy(out->list, s->heads.list, (size_t)s->heads.n * sizeof *out->list);
    out->n = s->heads.n;
    return NS_OK;
}

void cli_say_scores(cli *app, cli_out *o, const cli_choice_of_heads *s, const char *scores_sha256, const char *are_of,
                    const char *weights_sha256)
{
    const char *const scores = s->scores ? s->scores : s->by;
    if (!are_of)
        return;
    cli_out_text(o, "scores_are_of", "scores are of", are_of);
    cli_out_text(o, "scores_weights_sha256", NULL, scores_sha256[0] ? scores_sha256 : NULL);
    cli_out_text(o, "weights_sha256", NULL, weights_sha256);
    if (strcmp(are_of, "other weights") == 0)
        cli_note(app, "--scores %s: scores of other weights (%.12s...) than this model's (%.12s...): its heads are those of another "
                      "checkpoint", scores, scores_sha256, weights_sha256);
    else if (strstr(are_of, "another architecture"))
        cli_note(app, "--scores %s: scores of %s (--arch, --names, --olmo3-rope or config.json differ): its heads are those of another "
                 "model", scores, are_of);
    else if (strcmp(are_of, "unknown weights") == 0)
        cli_note(app, "--scores %s: it is not known whether the scores are of this model's weights (%s)", scores, weights_sha256
                 ? "the file has no weights_sha256" : "--no-hash");
}

void cli_say_controls(cli_out *o, const ns_match *m)
{
    char text[NS_MATCH_TEXT];
    if (m->n == 0)
        return;
    ns_match_text(m, text);
    cli_out_say(o, "\nControls: %s.\n", text);
    cli_out_text(o, "controls", NULL, text);
    cli_out_bool(o, "controls_matched", NULL, ns_match_holds(m));
    cli_out_number(o, "control_ratio_min", NULL, m->ratio_min);
    cli_out_number(o, "control_ratio_median", NULL, m->ratio_median);
    cli_out_number(o, "control_ratio_max", NULL, m->ratio_max);
    cli_out_ints(o, "controls_from", m->from, NS_TIERS);
    cli_out_ints(o, "control_candidates", (const int64_t[]){m->candidates_min, m->candidates_max}, 2);
}
