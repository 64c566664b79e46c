/* cmd_cases_recall.c - cases recall: several keys of several asked for, in random tokens. */
#include <needlescope/dataset.h>

#include "cli/cases.h"
#include "cli/commands.h"
#include "cli/open.h"

typedef struct recall_settings {
    const char *model, *out; cli_model_settings how; ns_recall_params p; int64_t count, seed, bos;
} recall_settings;
static const recall_settings defaults = {.p.length = 64, .bos = -1};

#define FIELD(name) offsetof(recall_settings, name)
static const cli_option options[] = {
    {"model", 'm', CLI_FOLDER, FIELD(model), "MODEL", "whose vocabulary the tokens come from"},
    {"pairs", 'k', CLI_INT, FIELD(p.pairs), "N", "keys with a value, each asked for once (default 4)", NULL, 1, 100000},
    {"length", 'l', CLI_INT, FIELD(p.length), "N", "tokens of a sequence (default 64)", NULL, 4, INT32_MAX},
    {"count", 'n', CLI_INT, FIELD(count), "N", "sequences, each of which gives a case for every pair (default 1)", NULL, 1, 1000000},
    {"seed", 's', CLI_INT, FIELD(seed), "N", "seed of everything random (default 0)", NULL, 0, INT64_MAX},
    {"output", 'o', CLI_STREAM, FIELD(out), "FILE", "the JSONL file to write", .makes = NS_KINDS(NS_KIND_CASES)},
    {"vocab", 0, CLI_INT, FIELD(p.vocab), "N", "vocabulary (default: the model's)", NULL, 1, INT32_MAX},
    {"first-id", 0, CLI_INT, FIELD(p.first_id), "N", "lowest token id to draw (default 0)", NULL, 0, INT32_MAX},
    {"bos", 0, CLI_INT, FIELD(bos), "ID", "token in front (default none)", NULL, -1, INT32_MAX},
    {0},
};
#undef FIELD

static int cases_recall(cli *app, const void *settings, char **args, int n_args)
{
    (void)args;
    (void)n_args;
    const recall_settings *const s = settings;
    ns_recall_params p = s->p;
    ns_opened *m = NULL;
    ns_cases cases = {0};
    int rc = s->out ? NS_OK : ns_fail(&app->err, NS_E_ARG, "-o FILE is missing");
    if (rc == NS_OK && !s->model && !p.vocab)
        rc = ns_fail(&app->err, NS_E_ARG, "give --model MODEL or --vocab N");
    rc = rc != NS_OK ? rc : cli_check_model_given(app, s->model, &s->how);
    rc = rc != NS_OK || !s->model ? rc : cli_open(app, &m, s->model, &s->how, NS_OPEN_ARCH, &app->err);
    p.size = sizeof p, p.vocab = rc == NS_OK && !p.vocab ? m->arch->vocab : p.vocab;
    p.count = (int)s->count, p.seed = (uint64_t)s->seed, p.bos = (int32_t)s->bos;
    rc = rc != NS_OK ? rc : ns_recall_cases(&cases, &p, &app->err);
    rc = rc != NS_OK ? rc : cli_write_cases(app, &cases, NULL, s->out);
    ns_cases_clear(&cases);
    ns_close(m);
    return rc;
}

const cli_command cli_cmd_cases_recall = {
    .name = "cases recall", .section = "Cases", .summary = "Makes multi-query recall: each of some keys is asked for", .run = cases_recall,
    .arguments = "", .min_args = 0, .max_args = 0, .settings_size = sizeof(recall_settings), .defaults = &defaults,
    .groups = {{"Options", options, 0}, {"Model options", cli_vocabulary_options, offsetof(recall_settings, how)}},
    .description = "Zoology's MQAR: keys (from the lower half of the vocabulary) with their values (from the upper half), then the keys "
                   "again in any order, near ones more often, each with its value behind it, and random tokens between them. Each query is "
                   "a case: the sequence up to it, with the earlier answers.",
    .examples = "needlescope cases recall --model MODEL --pairs 8 --length 256 --count 20 -o recall.jsonl",
};
