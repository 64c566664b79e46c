/* fuzz_options.c - the input as a command and its options, a newline between the words; a command that is not known is taken by its first
 * letter. */
#include "fuzz.h"
#include "cli/cli.h"

enum { MOST_WORDS = 32 };

static int split(char *text, char **words)
{
    int n = 0;
    words[n++] = (char *)(uintptr_t) "needlescope";
    for (char *word; n < MOST_WORDS && text && (word = strsep(&text, "\n"));)
        words[n++] = word;
    words[n] = NULL;
    return n;
}

static void parse(const cli_command *c, int argc, char **argv)
{
    cli_globals globals = {0};
    cli_resources resources = {0};
    cli_target targets[CLI_MAX_TABLES] = {{cli_global_options, &globals}, {cli_resource_options, &resources}};
    int n_targets = 2, n_args = 0;
    char **args = NULL;
    ns_error err = {""};
    void *const settings = ns_alloc_array(1, c->settings_size);
    fuzz_check(settings != NULL, "memory");
    if (c->defaults)
        memcpy(settings, c->defaults, c->settings_size);
    for (int g = 0; g < CLI_MAX_GROUPS && c->groups[g].options; g++)
        targets[n_targets++] = (cli_target){c->groups[g].options, (char *)settings + c->groups[g].base};
    const int rc = cli_parse(targets, n_targets, argc, argv, false, NULL, &args, &n_args, &err);
    fuzz_check_outcome(rc, rc == NS_OK ? settings : NULL, &err);
    fuzz_check(n_args >= 0 && n_args < argc, "arguments are words of the command line");
    for (int t = 1; t < n_targets; t++)
        cli_settings_clear(targets[t].options, targets[t].settings);
    free(settings);
}

static const cli_command *command_of(const char *name)
{
    const cli_command *const named = cli_command_find(name);
    int n = 0;
    while (cli_commands[n])
        n++;
    return named ? named : cli_commands[(unsigned char)*name % n];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *words[MOST_WORDS + 1], *const text = fuzz_part_text(&data, &n), *rest = text, *const name = strsep(&rest, "\n");
    parse(command_of(name), split(rest, words), words);
    free(text);
    return 0;
}
