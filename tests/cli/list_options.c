/* list_options.c - every option of every command, a line each: "score --probe"; global ones are of the command "*". For effects.sh. */
#include "cli/commands.h"

static void list(const char *command, const cli_option *options)
{
    for (; options->name; options++)
        printf("%s --%s\n", command, options->name);
}

int main(void)
{
    for (const cli_command *const *c = cli_commands; *c; c++) {
        cli_group tables[CLI_MAX_TABLES];
        const int n = cli_command_tables(*c, tables);
        for (int t = 0; t < n && tables[t].options != cli_global_options; t++)
            list((*c)->name, tables[t].options);
    }
    list("*", cli_global_options);
    return 0;
}
