/* commands.c - the table of commands. Adding one: a cmd_NAME.c, a name in commands.h, a line here. */
#include "cli/commands.h"

#include <string.h>

const cli_command *const cli_commands[] = {
    &cli_cmd_inspect, &cli_cmd_tokenize,
    &cli_cmd_cases_needle, &cli_cmd_cases_repeat, &cli_cmd_cases_check,
    &cli_cmd_score, &cli_cmd_record,
    &cli_cmd_figure_heads, &cli_cmd_figure_map,
    &cli_cmd_lab_plant, &cli_cmd_doctor,
    NULL,
};

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
