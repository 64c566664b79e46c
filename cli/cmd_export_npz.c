/* cmd_export_npz.c - influence by distance as the archive that the paper's code writes. */
#include <needlescope/export.h>

#include "cli/commands.h"
#include "cli/out.h"

typedef struct export_settings { const char *out; bool shuffled; } export_settings;

#define FIELD(name) offsetof(export_settings, name)
static const cli_option options[] = {
    {"shuffled", 0, CLI_FLAG, FIELD(shuffled), NULL, "the norms of the shuffled texts"},
    {"output", 'o', CLI_STREAM, FIELD(out), "FILE", "the file to write", .makes = NS_KINDS(NS_KIND_NPZ)},
    {0},
};
#undef FIELD

static int export_npz(cli *app, const void *settings, char **args, int n_args)
{
    (void)n_args;
    const export_settings *const s = settings;
    int rc = s->out ? NS_OK : ns_fail(&app->err, NS_E_ARG, "-o FILE is missing");
    rc = rc != NS_OK ? rc : ns_export_npz(args[0], s->out, s->shuffled, &app->by, &app->err);
    if (rc != NS_OK)
        return rc;
    cli_out o;
    cli_out_begin(&o, app, "needlescope.export/1");
    cli_out_text(&o, "file", "wrote", s->out);
    return cli_out_end(&o, &app->err);
}

const cli_command cli_cmd_export_npz = {
    .name = "export npz", .section = "Export", .summary = "Writes influence by distance as NumPy's archive of arrays",
    .arguments = "GRADIENT", .min_args = 1, .max_args = 1, .groups = {{"Options", options, 0}}, .settings_size = sizeof(export_settings),
    .description = "GRADIENT is a file of `gradient -o`. The archive has what the code of arXiv 2606.15378 writes: distance, "
                   "mean_grad_norm, sum_grad_norm, sample_count, and the scalars model_name, context_len, target and "
                   "target_last_n_tokens. np.load reads it; the same file gives the same bytes.",
    .examples = "needlescope gradient MODEL --text texts.jsonl -o gradient.h5 && needlescope export npz gradient.h5 -o influence.npz",
    .run = export_npz,
};
