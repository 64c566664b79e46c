/* cmd_scaling.c - tables of losses by size and tokens -> a scaling law each, what it is sure of, and whether the curves cross or converge.
 */
#include <stdlib.h>

#include <needlescope/scaling.h>

#include "cli/commands.h"
#include "cli/out.h"

enum { MOST = 16 };
typedef struct scaling_settings {
    bool longppl, validate;
    int64_t resamples, seed;
} scaling_settings;

#define FIELD(name) offsetof(scaling_settings, name)
static const cli_option options[] = {
    {"longppl", 0, CLI_FLAG, FIELD(longppl), NULL, "the losses are LongPPL: fit their logarithm"},
    {"validate", 0, CLI_FLAG, FIELD(validate), NULL, "hold the largest size out, and foretell it"},
    {"resamples", 0, CLI_INT, FIELD(resamples), "N", "resamples of the points for the difference of two tables (default 1000)", NULL, 1,
     1000000},
    {"seed", 's', CLI_INT, FIELD(seed), "N", "seed of the resampling (default 0)", NULL, 0, INT64_MAX},
    {0},
};
#undef FIELD

static int scaling(cli *app, const void *settings, char **args, int n_args)
{
    const scaling_settings *const s = settings;
    const ns_scaling_params params = {.size = sizeof params,
                                      .longppl = s->longppl,
                                      .hold_largest = s->validate,
                                      .resamples = (int)s->resamples,
                                      .seed = (uint64_t)s->seed};
    ns_scaling_report *report = NULL;
    const int rc = ns_scaling_of_files(&report, (const char *const *)args, n_args, &params, &app->err);
    if (rc != NS_OK)
        return rc;
    cli_out o;
    cli_out_begin(&o, app, "needlescope.scaling/1");
    const ns_answer answer = cli_out_answer(&o);
    ns_scaling_tell(report, &answer);
    ns_scaling_report_free(report);
    return cli_out_end(&o, &app->err);
}

const cli_command cli_cmd_scaling = {
    .name = "scaling",
    .section = "Follow training",
    .summary = "Fits a scaling law to losses by size and tokens, and compares two",
    .arguments = "TABLE...",
    .min_args = 1,
    .max_args = MOST,
    .groups = {{"Options", options, 0}},
    .settings_size = sizeof(scaling_settings),
    .description =
        "A table is a TSV with the columns model_size, token_multiplier (tokens per parameter, \"200.1n\"), n (parameters) and "
        "loss. y = b / N^alpha + c / D^beta is fitted to y, the loss or (--longppl) ln LongPPL: the least sum of Huber(1e-3) of "
        "ln y(fit) - ln y, with alpha in [.2, .3] and beta >= 0, over descents from a grid of starts. R2, RMSE and MAE are of y. "
        "A bracket ([ or ]) at an end of an interval is a bound that the table does not keep the exponent from.\n\n"
        "Each size is left out in turn, and foretold. Of two tables the gap between the curves is given at the smallest and at "
        "the largest N and D that both reach, with 95 % intervals over resampled points: the curves \"cross\" where the gaps have "
        "different signs for sure, \"converge\" or \"part\" where the gap is surely smaller or larger at the end.",
    .examples = "needlescope scaling swa128_longppl.tsv --longppl --validate --json\n"
                "needlescope scaling full.tsv swa2048.tsv --longppl\n  do the curves cross or converge?",
    .run = scaling,
};
