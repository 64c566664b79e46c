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

/* The best heads first; ties by (layer, head). */
static int take_best(float *values, const int64_t shape[2], int64_t k, cli_heads *out, ns_error *err)
{
    while (out->n < k) {
        int64_t best = -1;
        for (int64_t i = 0; i < shape[0] * shape[1]; i++)
            if (!isnan(values[i]) && (best < 0 || values[i] > values[best]))
                best = i;
        if (best < 0)
            return NS_OK;
        if (!ns_grow(&out->list, &out->capacity, out->n + 1, sizeof *out->list))
            return ns_oom(err, "heads");
        out->list[out->n][0] = best / shape[1];
        out->list[out->n++][1] = best % shape[1];
        values[best] = NAN;
    }
    return NS_OK;
}

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
    if (rc == NS_OK)
        rc = take_best(values, shape, s->top, out, &app->err);
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

const char *cli_heads_text(const cli_heads *heads, char out[CLI_HEADS_TEXT])
{
    out[0] = 0;
    for (int64_t i = 0; i < heads->n && strlen(out) < CLI_HEADS_TEXT - 40; i++)
        snprintf(out + strlen(out), CLI_HEADS_TEXT - strlen(out), "%s%lld.%lld", i ? "," : "", (long long)heads->list[i][0], (long long)heads->list[i][1]);
    return out;
}
