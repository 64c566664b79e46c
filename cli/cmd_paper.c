/* cmd_paper.c - paper: every experiment of arXiv 2606.15378 on a folder of runs (needlescope/paper.h). */
#include <needlescope/paper.h>

#include "cli/commands.h"
#include "cli/conversation.h"

typedef struct paper_settings { const char *out; bool quick, full, dry_run; int64_t seeds; } paper_settings;

#define FIELD(name) offsetof(paper_settings, name)
static const cli_option options[] = {
    {"output", 'o', CLI_FOLDER, FIELD(out), "DIR", "the folder to work in (default paper)"},
    {"quick", 0, CLI_FLAG, FIELD(quick), NULL, "without RUN: train one seed"},
    {"full", 0, CLI_FLAG, FIELD(full), NULL, "without RUN: train nine seeds"},
    {"seeds", 0, CLI_INT, FIELD(seeds), "N", "the first N seeds (default: all; without RUN: the size's)", NULL, 1, 1000},
    {"dry-run", 0, CLI_FLAG, FIELD(dry_run), NULL, "say what is there and what there is to do, and do nothing"},
    {0},
};
#undef FIELD

static int paper(cli *app, const void *settings, char **args, int n_args)
{
    const paper_settings *const s = settings;
    char program[4096];
    if (n_args && (s->quick || s->full))
        return ns_fail(&app->err, NS_E_ARG, "--quick and --full are of runs that are trained; runs are named");
    if (s->quick && s->full)
        return ns_fail(&app->err, NS_E_ARG, "--quick or --full, not both");
    cli_conversation talk = {.app = app};
    const ns_paper_params params = {.size = sizeof params, .folder = s->out ? s->out : "paper", .runs = (const char *const *)args,
                                    .n_runs = n_args, .scale = s->quick ? "quick" : s->full ? "full" : NULL, .seeds = s->seeds,
                                    .dry_run = s->dry_run, .program = program, .cores = (int)app->resources.threads, .by = &app->by,
                                    .say = cli_conversation_say, .progress = cli_conversation_show, .cancelled = cli_cancelled,
                                    .user = &talk};
    ns_paper_report report = {.size = sizeof report};
    cli_signals_say("stopped; the same command goes on from here");
    int rc = cli_own_path(program, sizeof program, &app->err);
    cli_signals_hold(true);
    rc = rc != NS_OK ? rc : ns_paper_run(&report, &params, &app->err);
    cli_progress_end(&talk.bar);
    if (rc >= 0 && app->globals.json && report.json)
        printf("%s\n", report.json);
    else if (rc >= 0)
        cli_print_clean(stdout, report.text);
    ns_paper_report_clear(&report);
    return rc;
}

const cli_command cli_cmd_paper = {
    .name = "paper",
    .section = "Laboratory",
    .summary = "The experiments of arXiv 2606.15378 on a folder of runs, and which of its claims they bear out",
    .arguments = "[RUN...]",
    .min_args = 0,
    .max_args = 100000,
    .goes_on = true,
    .groups = {{"Options", options, 0}},
    .resources = CLI_THREADS,
    .settings_size = sizeof(paper_settings),
    .description =
        "A RUN is a folder that needlescope train left, in the laboratory's language, or a folder of such (of lab mixers or lab laziness: "
        "DIR). Without one the seven architectures of the paper are trained: full attention, windows of 4, 16 and 32, Lightning attention, "
        "Mamba-2 and Gated DeltaNet, each in turn with full attention, and the smallest window with full layers that do not rotate.\n\n"
        "Every checkpoint is scanned, the last one scored, constrained, ablated, probed and differentiated; DIR/paper.md sets each claim "
        "of the paper beside our number, its interval, its control and a verdict by rules that were written before the runs (supported, "
        "refuted, undecided, not testable here), with figures; DIR/paper.json holds the same. A call that was killed or stopped goes on "
        "when it is called again: files that are whole, of the same command and of inputs with the same hashes are taken. DIR is known by "
        "its protocol.json: files of these names without it, and a paper.md that was written by hand, are not replaced.",
    .examples = "needlescope paper runs/* -o paper\n"
                "needlescope paper --quick -o paper\n"
                "needlescope paper mixers --seeds 3 --dry-run",
    .run = paper,
};
