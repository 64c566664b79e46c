/* list_options.c - every option of every command, a line each: "score --probe"; global ones are of the command "*". For effects.sh. */
#include "cli/commands.h"

static void list(const char *command, const cli_option *options)
{
    for (; options->name; options++)
        printf("%s --%s\n", command, options->name);
}

int main(void)
{
    for (const cli_command *const *c = cli_commands; *c; c++)
        for (int g = 0; g < CLI_MAX_GROUPS && (*c)->groups[g].options; g++)
            list((*c)->name, (*c)->groups[g].options);
    list("*", cli_global_options);
    return 0;
}
