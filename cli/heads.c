/* heads.c - heads named on the command line, or the best of a score file. */
#include "cli/heads.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/record.h>

#define FIELD(name) offsetof(cli_choice_of_heads, name)
const cli_option cli_heads_options[] = {
    {"heads", 'm', CLI_HEADS, FIELD(heads), "L.H,...", "these heads"},
    {"scores", 0, CLI_FILE, FIELD(scores), "FILE", "instead: the best heads of a score file"},
    {"by", 0, CLI_TEXT, FIELD(by), "SCORE", "by this score (default retrieval_find)"},
    {"top", 'k', CLI_INT, FIELD(top), "K", "so many of them (default 4)", NULL, 1, 4096},
    {0},
};
#undef FIELD

static int best_heads(cli *app, const cli_choice_of_heads *s, cli_heads *out)
{
    ns_file *f;
    float *values = NULL;
    char *axes = NULL;
    int rank;
    int64_t shape[NS_MAX_RANK];
    int rc = ns_file_open(&f, s->scores, &app->err);
    if (rc)
        return rc;
    rc = ns_file_read_f32(f, s->by, &values, &rank, shape, &axes, &app->err);
    if (rc == NS_OK && strcmp(axes, "layer head"))
        rc = ns_fail(&app->err, NS_E_ARG, "%s: '%s' is no score over layers and heads", s->scores, s->by);
    const int64_t n = rc == NS_OK ? shape[0] * shape[1] : 0, k = s->top < n ? s->top : n;
    int64_t *const best = ns_alloc_array((size_t)k + 1, sizeof *best);
    if (rc == NS_OK && (!best || !ns_grow(&out->list, &out->capacity, k, sizeof *out->list)))
        rc = ns_oom(&app->err, "heads");
    out->n = rc == NS_OK ? ns_best(values, n, k, false, best) : 0;
    for (int64_t i = 0; i < out->n; i++)
        out->list[i] = (ns_head){best[i] / shape[1], best[i] % shape[1]};
    free(best);
    free(values);
    free(axes);
    ns_file_close(f);
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
