/* cmd_profile.c - what a score file says of its heads as a whole. */
#include <needlescope/profile.h>

#include "cli/commands.h"
#include "cli/out.h"

typedef struct profile_settings { const char *run; int64_t k; } profile_settings;

#define FIELD(name) offsetof(profile_settings, name)
static const cli_option options[] = {
    {"run", 'r', CLI_TEXT, FIELD(run), "NAME", "the run of a study, at its last step (default the first)"},
    {"top", 'k', CLI_INT, FIELD(k), "K", "Jaccard of the K best heads (default 10)", NULL, 1, 100000},
    {0},
};
#undef FIELD

static int profile(cli *app, const void *settings, char **args, int n_args)
{
    (void)n_args;
    const profile_settings *const s = settings;
    const ns_profile_params params = {.size = sizeof params, .run = s->run, .k = s->k};
    ns_study *study;
    cli_out o;
    int rc = ns_study_open(&study, args[0], &app->err);
    if (rc != NS_OK)
        return rc;
    cli_out_begin(&o, app, "needlescope.profile/1");
    const ns_answer answer = cli_out_answer(&o);
    rc = ns_profile_tell(study, &params, &answer, &app->err);
    ns_study_close(study);
    if (rc != NS_OK)
        cli_out_drop(&o);
    return rc != NS_OK ? rc : cli_out_end(&o, &app->err);
}

const cli_command cli_cmd_profile = {
    .name = "profile",
    .section = "Measure",
    .summary = "Says of the heads of a score file as a whole: classes, how few carry a score, token by token",
    .arguments = "SCORES",
    .min_args = 1,
    .max_args = 1,
    .groups = {{"Options", options, 0}},
    .settings_size = sizeof(profile_settings),
    .description = "Classes by selectivity (arXiv 2606.02378), of files with the probe `selectivity`: heads whose attention to the first "
                   "token, the one before, themselves, a copy of their token or what follows it is 30 times that to 50 random other "
                   "positions (50 times: its circuit), by the template of the cases: `cases repeat --kind pair` makes the paper's.\n\n"
                   "Sparsity of each score: Gini's coefficient over heads, and what the top 1 % of them have. Dynamics: whether the heads "
                   "that find the first token of the answer are those of the next (answer_hits).",
    .examples = "needlescope profile scores.h5 --json",
    .run = profile,
};
