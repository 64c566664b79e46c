/* main.c - argv -> command -> exit code.
 *
 * needlescope [global options] COMMAND [SUBCOMMAND] [options] ARGUMENTS. stdout is the answer, stderr the conversation. */
#include <stdlib.h>
#include <string.h>

#include <needlescope/api.h>
#include <needlescope/hooks.h>

#include "cli/cli.h"

#define FIELD(name) offsetof(cli_globals, name)
const cli_option cli_global_options[] = {
    {"threads", 't', CLI_INT, FIELD(threads), "N", "threads (default: one per core); changes no bit of a result", NULL, 1, 4096},
    {"memory", 0, CLI_BYTES, FIELD(memory), "SIZE", "bytes for weights and activations, such as 800M or 4G (default half of RAM); less streams the weights", NULL, 0, 0},
    {"json", 'j', CLI_FLAG, FIELD(json), NULL, "print the answer as one JSON object", NULL, 0, 0},
    {"quiet", 'q', CLI_FLAG, FIELD(quiet), NULL, "say nothing on stderr but errors", NULL, 0, 0},
    {"verbose", 'v', CLI_FLAG, FIELD(verbose), NULL, "say more on stderr", NULL, 0, 0},
    {"help", 'h', CLI_FLAG, FIELD(help), NULL, "print help", NULL, 0, 0},
    {"version", 0, CLI_FLAG, FIELD(version), NULL, "print the version", NULL, 0, 0},
    {NULL, 0, CLI_FLAG, 0, NULL, NULL, NULL, 0, 0},
};
#undef FIELD

static int usage(const char *line)
{
    cli_complain("needlescope", line);
    return cli_exit_code(NS_E_ARG);
}

static int unknown_command(const char *name)
{
    const char *words[64], *word = NULL;
    int64_t n = 0;
    for (const cli_command *const *row = cli_commands; *row && n < 64; row++)
        words[n++] = (*row)->name;
    const int64_t near = cli_nearest(name, words, n);
    word = near < 0 ? NULL : words[near];
    ns_error err;
    ns_fail(&err, NS_E_ARG, word ? "unknown command '%s' (did you mean '%s'?)" : "unknown command '%s' (needlescope --help lists them)%s", name, word ? word : "");
    return usage(err.message);
}

/* Documents made from the option tables, for the build: not in the list of commands. */
static int print_document(int argc, char **argv)
{
    const char *const what = argv[1], *const name = argc > 2 ? argv[2] : NULL;
    if (strcmp(what, "help-completion") == 0)
        return !name || cli_print_completion(stdout, name) < 0 ? usage("help-completion: bash, zsh or fish") : 0;
    if (strcmp(what, "help-commands") == 0) {
        for (const cli_command *const *row = cli_commands; *row; row++)
            printf("%s\n", (*row)->name);
        return 0;
    }
    const cli_command *const command = name ? cli_command_find(name) : NULL;
    if (name && !command)
        return unknown_command(name);
    cli_print_man(stdout, command);
    return 0;
}

static char *joined(int argc, char **argv)
{
    char *text = ns_strdup(argv[0] ? ns_path_base(argv[0]) : "needlescope");
    for (int i = 1; i < argc && text; i++) {
        char *const longer = ns_printf_alloc("%s %s", text, argv[i]);
        free(text);
        text = longer;
    }
    return text;
}

/* Global options before the command; *at = where the command's name stands. */
static int parse_globals(cli *app, int argc, char **argv, int *at)
{
    const cli_target target = {cli_global_options, &app->globals};
    return cli_parse(&target, 1, argc, argv, true, at, NULL, NULL, &app->err);
}

/* "cases needle" takes two words. */
static const cli_command *find_command(int argc, char **argv, int at, int *words)
{
    *words = 1;
    if (at + 1 < argc && cli_command_is_prefix(argv[at])) {
        char name[128];
        snprintf(name, sizeof name, "%s %s", argv[at], argv[at + 1]);
        *words = 2;
        const cli_command *const command = cli_command_find(name);
        if (command)
            return command;
        *words = 1;
    }
    return cli_command_find(argv[at]);
}

static int check_arguments(cli *app, int n)
{
    const cli_command *const c = app->command;
    if (n < c->min_args)
        return ns_fail(&app->err, NS_E_ARG, "%s is missing (needlescope %s --help)", c->arguments, c->name);
    if (n > c->max_args)
        return ns_fail(&app->err, NS_E_ARG, "too many arguments: %s", c->max_args ? "quote names with spaces" : "this command takes options only");
    return NS_OK;
}

static int run_command(cli *app, int argc, char **argv)
{
    const cli_command *const c = app->command;
    cli_target targets[CLI_MAX_GROUPS + 1] = {{cli_global_options, &app->globals}};
    int n_targets = 1, n_args = 0;
    char **args = NULL;
    void *const settings = ns_alloc_array(1, c->settings_size ? c->settings_size : 1);
    if (!settings)
        return ns_oom(&app->err, "settings");
    if (c->defaults)
        memcpy(settings, c->defaults, c->settings_size);
    for (int g = 0; g < CLI_MAX_GROUPS && c->groups[g].options; g++)
        targets[n_targets++] = (cli_target){c->groups[g].options, (char *)settings + c->groups[g].base};
    int rc = cli_parse(targets, n_targets, argc, argv, false, NULL, &args, &n_args, &app->err);
    if (rc == NS_OK && app->globals.help) {
        cli_print_help(stdout, c);
    } else if (rc == NS_OK) {
        rc = check_arguments(app, n_args);
        if (rc == NS_OK)
            rc = c->run(app, settings, args, n_args);
    }
    for (int t = 1; t < n_targets; t++)
        cli_settings_clear(targets[t].options, targets[t].settings);
    free(settings);
    return rc;
}

static int finish(const cli *app, int rc)
{
    if (cli_signal_seen())
        return 128 + cli_signal_seen();
    if (rc < 0) {
        char where[160];
        snprintf(where, sizeof where, "needlescope %s", app->command ? app->command->name : "");
        cli_complain(where, app->err.message);
        return cli_exit_code(rc);
    }
    if (fflush(stdout) || ferror(stdout)) {
        cli_complain("needlescope", "stdout cannot be written");
        return cli_exit_code(NS_E_IO);
    }
    return rc == NS_STOP ? 1 : 0;
}

int main(int argc, char **argv)
{
    cli app = {0};
    int at = 1, words = 1;
    if (argc > 1 && ns_starts(argv[1], "help-"))
        return print_document(argc, argv);
    cli_signals_catch();
    app.command_line = joined(argc, argv);
    int rc = parse_globals(&app, argc, argv, &at);
    if (rc == NS_OK && app.globals.version) {
        printf("needlescope %s\n", ns_version());
    } else if (rc == NS_OK && at >= argc) {
        cli_print_overview(app.globals.help ? stdout : stderr, NULL);
        rc = app.globals.help ? NS_OK : ns_fail(&app.err, NS_E_ARG, "name a command");
    } else if (rc == NS_OK) {
        app.command = find_command(argc, argv, at, &words);
        if (!app.command && cli_command_is_prefix(argv[at])) {
            const bool asked = at + 1 < argc && (strcmp(argv[at + 1], "--help") == 0 || strcmp(argv[at + 1], "-h") == 0);
            cli_print_overview(asked ? stdout : stderr, argv[at]);
            rc = asked ? NS_OK : ns_fail(&app.err, NS_E_ARG, "%s: name what to make", argv[at]);
        } else if (!app.command) {
            free(app.command_line);
            return unknown_command(argv[at]);
        } else {
            rc = run_command(&app, argc - at - words + 1, argv + at + words - 1);
        }
    }
    const int status = finish(&app, rc);
    free(app.command_line);
    return status;
}
