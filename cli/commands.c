/* commands.c - the table of commands, and the options that all of them have. A new one is a cmd_NAME.c, a name in commands.h, and a line
 * here and in meson.build. */
#include "cli/commands.h"

#include <string.h>

const cli_command *const cli_commands[] = {
    &cli_cmd_inspect,
    &cli_cmd_tokenize,
    &cli_cmd_cases_needle,
    &cli_cmd_cases_repeat,
    &cli_cmd_cases_lab,
    &cli_cmd_cases_check,
    &cli_cmd_score,
    &cli_cmd_record,
    &cli_cmd_scan,
    &cli_cmd_merge,
    &cli_cmd_emergence,
    &cli_cmd_laziness,
    &cli_cmd_verify,
    &cli_cmd_ablate,
    &cli_cmd_patch,
    &cli_cmd_figure_heads,
    &cli_cmd_figure_map,
    &cli_cmd_figure_rank,
    &cli_cmd_figure_agreement,
    &cli_cmd_figure_grid,
    &cli_cmd_figure_ablation,
    &cli_cmd_figure_laziness,
    &cli_cmd_figure_births,
    &cli_cmd_figure_pairs,
    &cli_cmd_figure_curves,
    &cli_cmd_figure_loss,
    &cli_cmd_figure_strip,
    &cli_cmd_export_csv,
    &cli_cmd_export_latex,
    &cli_cmd_export_notebook,
    &cli_cmd_train,
    &cli_cmd_lab_plant,
    &cli_cmd_lab_laziness,
    &cli_cmd_doctor,
    NULL,
};

#define FIELD(name) offsetof(cli_globals, name)
const cli_option cli_global_options[] = {
    {"threads", 't', CLI_INT, FIELD(threads), "N",
     "threads (default: one per CPU that this process may use; doctor says what allows it); changes no bit of a result", NULL, 1, 4096},
    {"memory", 0, CLI_BYTES, FIELD(memory), "SIZE",
     "memory for weights and activations, such as 800M or 4G (default half of what this process may use: RAM, control group, Slurm)"},
    {"json", 'j', CLI_FLAG, FIELD(json), NULL, "print the answer as one JSON object"},
    {"quiet", 'q', CLI_FLAG, FIELD(quiet), NULL, "say nothing on stderr but errors"},
    {"verbose", 'v', CLI_FLAG, FIELD(verbose), NULL, "say more on stderr"},
    {"help", 'h', CLI_FLAG, FIELD(help), NULL, "print help"},
    {"version", 0, CLI_FLAG, FIELD(version), NULL, "print the version"},
    {0},
};
#undef FIELD

const cli_command *cli_command_find(const char *name)
{
    for (const cli_command *const *row = cli_commands; *row; row++)
        if (strcmp((*row)->name, name) == 0)
            return *row;
    return NULL;
}

bool cli_command_is_prefix(const char *name)
{
    const size_t n = strlen(name);
    for (const cli_command *const *row = cli_commands; *row; row++)
        if (ns_starts((*row)->name, name) && (*row)->name[n] == ' ')
            return true;
    return false;
}
