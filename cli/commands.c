/* commands.c - the table of commands: those of the build file's list; and the options that all or many of them have. */
#include "cli/commands.h"

#include <string.h>

const cli_command *const cli_commands[] = {
#define ENTRY(name) &cli_cmd_##name,
#include "cli/command_list.h"
#undef ENTRY
    NULL,
};

#define FIELD(name) offsetof(cli_resources, name)
#define THREADS_BY(otherwise) \
    {"threads", 't', CLI_INT, FIELD(threads), "N", "threads (default: " otherwise "); changes no bit of a result", NULL, 1, 4096}
#define THREADS THREADS_BY("one per CPU that this process may use; doctor says what allows it")
#define MEMORY \
    {"memory", 0, CLI_BYTES, FIELD(memory), "SIZE", \
     "memory for weights and activations, such as 800M or 4G (default half of what this process may use: RAM, control group, Slurm)"}
const cli_option cli_resource_options[] = {THREADS, MEMORY, {0}};
static const cli_option only_threads[] = {THREADS, {0}}, only_memory[] = {MEMORY, {0}},
    one_thread[] = {THREADS_BY("1; more pay from some millions of parameters on"), {0}};
#undef FIELD

#define FIELD(name) offsetof(cli_globals, name)
const cli_option cli_global_options[] = {
    {"json", 'j', CLI_FLAG, FIELD(json), NULL, "print the answer as one JSON object"},
    {"quiet", 'q', CLI_FLAG, FIELD(quiet), NULL, "say nothing on stderr but errors"},
    {"verbose", 'v', CLI_FLAG, FIELD(verbose), NULL, "say more on stderr"},
    {"help", 'h', CLI_FLAG, FIELD(help), NULL, "print help"},
    {"version", 0, CLI_FLAG, FIELD(version), NULL, "print the version"},
    {0},
};
#undef FIELD

int cli_command_tables(const cli_command *command, cli_group out[CLI_MAX_TABLES])
{
    static const cli_option *const resources[] = {
        [CLI_THREADS] = only_threads, [CLI_MEMORY] = only_memory, [CLI_THREADS | CLI_MEMORY] = cli_resource_options,
        [CLI_THREADS | CLI_ONE_THREAD] = one_thread,
    };
    const cli_option *const own = resources[command ? command->resources : CLI_THREADS | CLI_MEMORY];
    int n = 0;
    for (; command && n < CLI_MAX_GROUPS && command->groups[n].options; n++)
        out[n] = command->groups[n];
    if (own)
        out[n++] = (cli_group){command ? "Threads and memory" : "Options of commands that run models", own, 0};
    out[n++] = (cli_group){"Options of every command", cli_global_options, 0};
    return n;
}

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
