/* heads.c - heads named on the command line, or the best of a score file. */
#include "cli/heads.h"

#include <stdlib.h>
#include <string.h>


#define FIELD(name) offsetof(cli_choice_of_heads, name)
const cli_option cli_heads_options[] = {
    {"heads", 'm', CLI_HEADS, FIELD(heads), "L.H,...", "these heads"},
    {"scores", 0, CLI_FILE, FIELD(scores), "FILE", "instead: the best heads of a score file"},
    {"by", 0, CLI_TEXT, FIELD(by), "SCORE", "by this score (default retrieval_find)"},
    {"top", 'k', CLI_INT, FIELD(top), "K", "so many of them (default 4)", NULL, 1, 4096},
    {0},
};
#undef FIELD

int cli_ranks(cli *app, const ns_study *study, const char *score, ns_score_meaning *meaning)
{
    const int rc = ns_study_ranks(study, score, meaning, &app->err);
    if (rc == NS_OK && meaning->assumed)
        cli_note(app, "%s is of an older version and does not say which end of %s is best: the largest are taken (make it again to be sure)", ns_study_path(study), score);
    return rc;
}

static int take_best(cli *app, const cli_choice_of_heads *s, const ns_study *study, const float *values, const ns_score_meaning *meaning, cli_heads *out)
{
    char note[120];
    const ns_study_shape size = ns_study_size(study);
    const int64_t n = size.L * size.H, k = s->top < n ? s->top : n;
    int64_t *const best = ns_alloc_array((size_t)k + 1, sizeof *best);
    int rc = best && ns_grow(&out->list, &out->capacity, k, sizeof *out->list) ? NS_OK : ns_oom(&app->err, "heads");
    const ns_best_cut cut = rc == NS_OK ? ns_best(values, n, k, meaning, best) : (ns_best_cut){0};
    for (out->n = 0; out->n < cut.n; out->n++)
        out->list[out->n] = (ns_head){best[out->n] / size.H, best[out->n] % size.H};
    ns_best_note(&cut, k, note, sizeof note);
    if (rc == NS_OK && !cut.n)
        rc = ns_fail(&app->err, NS_E_ARG, "%s: no head scores anything by %s (choose another --by)", s->scores, s->by);
    else if (rc == NS_OK && note[0])
        cli_note(app, "--by %s: %s", s->by, note);
    free(best);
    return rc;
}

static int best_heads(cli *app, const cli_choice_of_heads *s, cli_heads *out)
{
    ns_study *study;
    ns_score_meaning meaning;
    const float *values;
    int rc = ns_study_open(&study, s->scores, &app->err);
    if (rc)
        return rc;
    rc = ns_study_is_one(study) ? NS_OK : ns_fail(&app->err, NS_E_ARG, "%s: a study of many checkpoints; --scores takes the file of one (needlescope score -o)", s->scores);
    rc = rc ? rc : cli_ranks(app, study, s->by, &meaning);
    rc = rc ? rc : ns_study_score(study, s->by, &values, &app->err);
    rc = rc ? rc : take_best(app, s, study, values, &meaning, out);
    ns_study_close(study);
    return rc;
}

int cli_choose_heads(cli *app, const cli_choice_of_heads *s, cli_heads *out)
{
    *out = (cli_heads){0};
    if (s->heads.n && s->scores)
        return ns_fail(&app->err, NS_E_ARG, "--heads or --scores, not both");
    if (s->scores)
        return best_heads(app, s, out);
    if (s->heads.n && !ns_grow(&out->list, &out->capacity, s->heads.n, sizeof *out->list))
        return ns_oom(&app->err, "heads");
    if (s->heads.n)
        memcpy(out->list, s->heads.list, (size_t)s->heads.n * sizeof *out->list);
    out->n = s->heads.n;
    return NS_OK;
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
