/* cmd_lab_laziness.c - lab laziness, lab mixers: the whole story of a study in one command (needlescope/laboratory.h); here its lines, its
 * bar and its answer. */
#include <stdlib.h>
#include <string.h>

#include <needlescope/laboratory.h>

#include "cli/commands.h"
#include "cli/conversation.h"

typedef struct laziness_settings {
    const char *out, *protocol;
    bool        quick, full, print_protocol;
    int64_t     seeds;
    cli_ints    windows;
} laziness_settings;

#define FIELD(name) offsetof(laziness_settings, name)
static const cli_option options[] = {
    {"output", 'o', CLI_FOLDER, FIELD(out), "DIR", "the folder to work in (default laziness, or mixers)"},
    {"quick", 0, CLI_FLAG, FIELD(quick), NULL, "one seed, and the fewest arms"},
    {"full", 0, CLI_FLAG, FIELD(full), NULL, "five seeds, and every arm of the protocol"},
    {"seeds", 0, CLI_INT, FIELD(seeds), "N", "how many seeds, instead of the size's", NULL, 1, 1000},
    {"windows", 'w', CLI_INTS, FIELD(windows), "W,W,...", "windows to compare, instead of the protocol's"},
    {"protocol", 0, CLI_FILE, FIELD(protocol), "FILE", "another protocol than the committed one"},
    {"print-protocol", 0, CLI_FLAG, FIELD(print_protocol), NULL, "print the committed protocol and stop"},
    {0},
};
#undef FIELD

/* ---- the command ---- */

static int print_protocol(cli *app, const char *study)
{
    char *const text = ns_laboratory_protocol(study);
    if (!text)
        return ns_oom(&app->err, "the protocol");
    fputs(text, stdout);
    free(text);
    return NS_OK;
}

static int run_study(cli *app, const laziness_settings *s, const char *study)
{
    char program[4096];
    static const laziness_settings only_print = {.print_protocol = true};
    if (s->print_protocol && memcmp(s, &only_print, sizeof *s))
        return ns_fail(&app->err, NS_E_ARG,
                       "--print-protocol prints the committed protocol and stops: it stands alone, without other options");
    if (s->print_protocol)
        return print_protocol(app, study);
    if (s->quick && s->full)
        return ns_fail(&app->err, NS_E_ARG, "--quick or --full, not both");
    cli_conversation talk = {.app = app};
    const ns_laboratory_params params = {.size = sizeof params, .by = &app->by, .study = study,
                                         .folder = s->out,
                                         .protocol = s->protocol,
                                         .scale = s->quick  ? "quick"
                                                  : s->full ? "full"
                                                            : "default",
                                         .seeds = s->seeds,
                                         .windows = s->windows.list,
                                         .n_windows = s->windows.n,
                                         .program = program,
                                         .cores = (int)app->resources.threads,
                                         .say = cli_conversation_say,
                                         .progress = cli_conversation_show,
                                         .cancelled = cli_cancelled,
                                         .user = &talk};
    ns_laboratory_report report = {.size = sizeof report};
    int rc = cli_own_path(program, sizeof program, &app->err);
    cli_signals_hold(true);
    rc = rc != NS_OK ? rc : ns_laboratory_run(&report, &params, &app->err);
    cli_progress_end(&talk.bar);
    if (rc >= 0)
        app->globals.json ? (void)printf("%s\n", report.json) : cli_print_clean(stdout, report.text);
    ns_laboratory_report_clear(&report);
    return rc;
}

static int laziness(cli *app, const void *settings, char **args, int n_args)
{
    (void)args;
    (void)n_args;
    return run_study(app, settings, "laziness");
}

static int mixers(cli *app, const void *settings, char **args, int n_args)
{
    (void)args;
    (void)n_args;
    return run_study(app, settings, "mixers");
}

const cli_command cli_cmd_lab_laziness = {
    .name = "lab laziness",
    .section = "Laboratory",
    .summary = "Trains hybrids, finds when retrieval heads are born, and says which claims hold",
    .arguments = "",
    .min_args = 0,
    .max_args = 0,
    .groups = {{"Options", options, 0}},
    .resources = CLI_THREADS,
    .settings_size = sizeof(laziness_settings),
    .description =
        "Trains small hybrids with windows of several sizes and the controls that could refute the claim, a process on each core; "
        "scans their checkpoints; finds when retrieval heads are born; and says which claims hold, with numbers. Seeds, horizon, "
        "thresholds and recipe are fixed beforehand in a protocol (--print-protocol). A call that was stopped or killed goes on when "
        "it is called again: what is done is not done twice.",
    .examples = "needlescope lab laziness --quick -o quick\n"
                "needlescope lab laziness --full -o full",
    .run = laziness,
};

const cli_command cli_cmd_lab_mixers = {
    .name = "lab mixers",
    .section = "Laboratory",
    .summary = "Trains hybrids of every mixer, and says whether it decides when retrieval is born, or whether",
    .arguments = "",
    .min_args = 0,
    .max_args = 0,
    .groups = {{"Options", options, 0}},
    .resources = CLI_THREADS,
    .settings_size = sizeof(laziness_settings),
    .description =
        "As lab laziness, with a protocol of its own: windows of 4, 16 and 32, Lightning attention, Mamba-2 and Gated DeltaNet (with and "
        "without its convolution, which is itself a head that sees the tokens before), each layer by layer in turn with full attention, "
        "beside a model of full attention alone. Does the efficient mixer decide when retrieval heads are born, and not whether? A smaller "
        "size is a part of a larger one: --quick and then the default in one folder train no run twice.",
    .examples = "needlescope lab mixers --quick -o mixers\n"
                "needlescope lab mixers -o mixers",
    .run = mixers,
};
