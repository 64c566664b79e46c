/* cmd_trace.c - a study -> entropy and distance of its best heads over training: fig. 5b of arXiv 2606.15378. */
#include "cli/birth_rule.h"
#include "cli/commands.h"
#include "cli/out.h"

typedef struct trace_settings { cli_birth_rule rule; const char *score, *out; int64_t top; } trace_settings;
static const trace_settings defaults = {.rule = CLI_BIRTH_DEFAULTS, .top = 4};

#define FIELD(name) offsetof(trace_settings, name)
static const cli_option options[] = {
    {"score", 's', CLI_TEXT, FIELD(score), "NAME", "whose best heads (default retrieval_find)"},
    {"top", 'k', CLI_INT, FIELD(top), "K", "so many of them (default 4)", NULL, 1, 100000},
    {"output", 'o', CLI_OUTPUT, FIELD(out), "FILE", "write everything to this HDF5 file", .makes = NS_KINDS(NS_KIND_TRACE)},
    {0},
};
#undef FIELD

static int print(cli *app, const ns_emergence *e, const trace_settings *s)
{
    cli_out o;
    cli_out_begin(&o, app, "needlescope.trace/1");
    const ns_answer answer = cli_out_answer(&o);
    ns_trace_tell(e, &answer);
    const int rc = cli_out_written(app, &o, s->out);
    if (rc != NS_OK)
        cli_out_drop(&o);
    return rc != NS_OK ? rc : cli_out_end(&o, &app->err);
}

static int trace(cli *app, const void *settings, char **args, int n_args)
{
    (void)n_args;
    const trace_settings *const s = settings;
    ns_emergence_params params;
    ns_study *study = NULL;
    ns_emergence *e = NULL;
    int rc = s->out ? cli_birth_params(&s->rule, &params, &app->err) : ns_fail(&app->err, NS_E_ARG, "-o FILE is missing");
    params.score = s->score;
    params.previous = "";
    params.resamples = 1;                                /* of seeds, whose births a trace says nothing of */
    params.top = s->top;
    rc = rc != NS_OK ? rc : ns_study_open(&study, args[0], &app->err);
    rc = rc != NS_OK ? rc : ns_emergence_run(&e, study, &params, &app->err);
    rc = rc != NS_OK ? rc : ns_trace_write(e, s->top, s->out, &app->by, &app->err);
    rc = rc != NS_OK ? rc : print(app, e, s);
    ns_emergence_free(e);
    ns_study_close(study);
    return rc;
}

const cli_command cli_cmd_trace = {
    .name = "trace", .section = "Follow training",
    .summary = "Entropy and distance of the best heads over training: of the last ones, and step by step",
    .arguments = "STUDY", .min_args = 1, .max_args = 1,
    .groups = {{"Options", options, 0}, {"Horizon", cli_horizon_options, offsetof(trace_settings, rule)}},
    .settings_size = sizeof(trace_settings), .defaults = &defaults,
    .description = "The paper follows the heads that are the best at the end: looking back, it sees survivors. Beside them stand the best "
                   "heads of each step, and all others. Entropy is that of the last four prompt rows over ln(q + 1); distance is how far "
                   "query and key weights lie from the run's last checkpoint. The study must hold both: scan with --probe "
                   "retrieval_find,entropy_norm,distance. `figure trace` draws the file.",
    .examples = "needlescope trace study.h5 -o trace.h5 && needlescope figure trace trace.h5 -o trace.pdf",
    .run = trace,
};
