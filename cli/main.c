/* main.c - argv -> command -> exit code.
 *
 * needlescope [global options] COMMAND [SUBCOMMAND] [options] ARGUMENTS. stdout is the answer, stderr the conversation. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

#include "cli/cli.h"

/* The first words of commands too: who writes "exprot csv" is told of "export". */
static int unknown_command(cli *app, const char *name)
{
    enum { MOST = 128, LONG = 24 };
    const char *words[MOST];
    char first[MOST][LONG];
    int64_t n = 0;
    for (const cli_command *const *row = cli_commands; *row && n + 2 <= MOST; row++) {
        snprintf(first[n], LONG, "%.*s", (int)strcspn((*row)->name, " "), (*row)->name);
        words[n] = first[n];
        words[n + 1] = (*row)->name;
        n += 2;
    }
    const char *const near = ns_nearest_word(name, words, n);
    return !near || strcmp(near, name) == 0      /* "figure" is near, and begins commands without being one */
               ? ns_fail(&app->err, NS_E_ARG, "unknown command '%s' (needlescope --help lists them)", name)
               : ns_fail(&app->err, NS_E_ARG, "unknown command '%s' (did you mean '%s'?)", name, near);
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

static int print_version(void)
{
    printf("needlescope %s\n", ns_version());
    return NS_OK;
}

/* Documents made from the option tables, for the build, and not in the list of commands: help-man [COMMAND, or what several begin with],
 * help-completion SHELL, help-commands. */
static int print_document(cli *app, int argc, char **argv)
{
    const char *const what = argv[1], *const name = argc > 2 ? argv[2] : NULL;
    if (strcmp(what, "help-completion") == 0)
        return name && cli_print_completion(stdout, name) == NS_OK ? NS_OK
                                                                   : ns_fail(&app->err, NS_E_ARG, "help-completion bash, zsh or fish");
    if (strcmp(what, "help-commands") == 0) {
        for (const cli_command *const *row = cli_commands; *row; row++)
            printf("%s\n", (*row)->name);
        return NS_OK;
    }
    int words;
    const cli_command *const command = name ? find_command(argc, argv, 2, &words) : NULL;
    if (strcmp(what, "help-man") == 0 && argc == 3 && !command && cli_command_is_prefix(name)) {
        cli_print_man_group(stdout, name);
        return NS_OK;
    }
    if (strcmp(what, "help-man") != 0 || (name && !command))
        return unknown_command(app, name ? name : what);
    cli_print_man(stdout, command);
    return NS_OK;
}

/* The command line as it could be typed again: it goes into every file. */
static char *command_line(int argc, char **argv)
{
    char *const rest = argc > 1 ? ns_command_line(argc - 1, (const char *const *)argv + 1) : ns_strdup("");
    char *const text = rest ? ns_printf_alloc("%s%s%s", argc > 0 ? ns_path_base(argv[0]) : "needlescope", *rest ? " " : "", rest) : NULL;
    free(rest);
    return text;
}

/* Options before the command; *at = where the command's name stands. */
static int parse_globals(cli *app, int argc, char **argv, int *at)
{
    const cli_target targets[] = {{cli_global_options, &app->globals}, {cli_resource_options, &app->resources}};
    return cli_parse(targets, 2, argc, argv, true, at, NULL, NULL, &app->err);
}

static int check_arguments(cli *app, int n)
{
    const cli_command *const c = app->command;
    if (n < c->min_args)
        return ns_fail(&app->err, NS_E_ARG, "%s is missing (needlescope %s --help)", c->arguments, c->name);
    if (n > c->max_args)
        return ns_fail(&app->err, NS_E_ARG, "too many arguments (%s)",
                       c->max_args ? "quote names that hold spaces" : "this command takes options only");
    return NS_OK;
}

/* A layer, a pass and a checkpoint free what the next one takes again. By default glibc gives it back to the system meanwhile, which clears
 * each page anew: a tenth of the processor time of a scan of small checkpoints. */
static void keep_freed_memory(int64_t memory)
{
#ifdef __GLIBC__
    enum { MOST = 1 << 30, LARGEST = 32 << 20 };           /* LARGEST: glibc takes no more */
    mallopt(M_TRIM_THRESHOLD, memory / 4 < MOST ? (int)(memory / 4) : MOST);
    mallopt(M_MMAP_THRESHOLD, LARGEST);
#else
    (void)memory;
#endif
}

/* What this process may use is the default of --threads, and half of it that of --memory. The one place where Slurm's variables are
 * read. */
static void find_limits(cli *app)
{
    ns_machine_find(&app->machine, &(ns_machine_params){.size = sizeof(ns_machine_params),
                                                        .slurm_cpus_per_task = getenv("SLURM_CPUS_PER_TASK"),
                                                        .slurm_mem_per_node = getenv("SLURM_MEM_PER_NODE"),
                                                        .slurm_mem_per_cpu = getenv("SLURM_MEM_PER_CPU")});
    cli_resources *const r = &app->resources;
    const unsigned defaults = (r->threads ? 0 : CLI_THREADS) | (r->memory ? 0 : CLI_MEMORY);
    if (app->machine.ignored[0] && app->command->resources & defaults)
        cli_note(app, "%s: no limit was taken from it", app->machine.ignored);
    if (r->threads == 0)
        r->threads = app->command->resources & CLI_ONE_THREAD ? 1 : app->machine.cpus;
    if (r->memory == 0)
        r->memory = app->machine.memory / 2;
    keep_freed_memory(r->memory);
}

/* Both are read before and after the name of every command, so that who gives one in vain is told so. */
static int check_resources(cli *app)
{
    const unsigned has = app->command->resources;
    const char *const vain = app->resources.threads && !(has & CLI_THREADS) ? "threads"
                           : app->resources.memory && !(has & CLI_MEMORY)   ? "memory"
                                                                            : NULL;
    return vain ? ns_fail(&app->err, NS_E_ARG, "--%s has no effect on %s: leave it out", vain, app->command->name) : NS_OK;
}

/* Where a command takes any number of files, one under two names counts twice in what comes out. */
static int check_files_once(cli *app, char *const *args, int n)
{
    struct stat a, b;
    for (int i = 1; i < n && app->command->max_args > 2; i++)
        for (int k = 0; k < i && stat(args[i], &a) == 0; k++)
            if (stat(args[k], &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino)
                return strcmp(args[i], args[k]) ? ns_fail(&app->err, NS_E_ARG, "%s and %s are the same: leave one out", args[k], args[i])
                                                : ns_fail(&app->err, NS_E_ARG, "%s is given twice", args[i]);
    return NS_OK;
}

static int run_command(cli *app, int argc, char **argv)
{
    const cli_command *const c = app->command;
    cli_target targets[CLI_MAX_TABLES] = {{cli_global_options, &app->globals}, {cli_resource_options, &app->resources}};
    int n_targets = 2, n_args = 0;
    char **args = NULL;
    void *const settings = ns_alloc_array(1, c->settings_size);
    if (!settings)
        return ns_oom(&app->err, "settings");
    if (c->defaults)
        memcpy(settings, c->defaults, c->settings_size);
    for (int g = 0; g < CLI_MAX_GROUPS && c->groups[g].options; g++)
        targets[n_targets++] = (cli_target){c->groups[g].options, (char *)settings + c->groups[g].base};
    int rc = cli_parse(targets, n_targets, argc, argv, false, NULL, &args, &n_args, &app->err);
    if (rc == NS_OK && app->globals.help) {
        cli_print_help(stdout, c);
    } else if (rc == NS_OK && app->globals.version) {
        print_version();
    } else if (rc == NS_OK) {
        rc = check_resources(app);
        if (rc == NS_OK)
            rc = check_arguments(app, n_args);
        if (rc == NS_OK)
            rc = check_files_once(app, args, n_args);
        if (rc == NS_OK)
            find_limits(app);
        if (rc == NS_OK)
            rc = cli_check_paths(app, targets, n_targets, args, n_args);
        if (rc == NS_OK && strcmp(c->section, "Figures") == 0)
            rc = ns_provenance_of_export(&app->figure, &app->by, &app->err);
        if (rc == NS_OK)
            rc = c->run(app, settings, args, n_args);
        cli_tell_replaced(app);
        if (rc >= 0)                                         /* what cannot be read has its error */
            cli_tell_unsealed(app);
    }
    for (int t = 1; t < n_targets; t++)
        cli_settings_clear(targets[t].options, targets[t].settings);
    free(settings);
    return rc;
}

static int finish(const cli *app, int rc)
{
    char where[160];
    snprintf(where, sizeof where, "needlescope%s%s", app->command ? " " : "", app->command ? app->command->name : "");
    if (cli_signal_seen()) {
        char line[256];
        snprintf(line, sizeof line, "%.*s", (int)strcspn(cli_signals_words(), "\n"), cli_signals_words());
        cli_complain(where, rc < 0 ? app->err.message : app->command && app->command->goes_on ? line : "interrupted");
        return cli_signals_code();
    }
    if (rc < 0) {
        cli_complain(where, app->err.message);
        return cli_exit_code(rc);
    }
    if (fflush(stdout) || ferror(stdout)) {
        cli_complain(where, "standard output cannot be written");
        return cli_exit_code(NS_E_IO);
    }
    return cli_exit_code(rc);
}

/* needlescope help [COMMAND] */
static int explain(cli *app, int argc, char **argv, int at)
{
    int words;
    if (at >= argc) {
        cli_print_overview(stdout, NULL);
        return NS_OK;
    }
    const cli_command *const command = find_command(argc, argv, at, &words);
    if (command)
        cli_print_help(stdout, command);
    else if (cli_command_is_prefix(argv[at]))
        cli_print_overview(stdout, argv[at]);
    else
        return unknown_command(app, argv[at]);
    return NS_OK;
}

static int unknown_subcommand(cli *app, const char *first, const char *second)
{
    enum { MOST = 64 };
    const char *words[MOST];
    int64_t n = 0;
    for (const cli_command *const *row = cli_commands; *row && n < MOST; row++)
        if (ns_starts((*row)->name, first) && (*row)->name[strlen(first)] == ' ')
            words[n++] = (*row)->name + strlen(first) + 1;
    const char *const near = ns_nearest_word(second, words, n);
    return !near ? ns_fail(&app->err, NS_E_ARG, "%s: there is no '%s'", first, second)
                 : ns_fail(&app->err, NS_E_ARG, "%s: there is no '%s' (did you mean '%s %s'?)", first, second, first, near);
}

/* A word that only begins commands ("cases"), or none at all. */
static int not_a_command(cli *app, int argc, char **argv, int at)
{
    if (!cli_command_is_prefix(argv[at]))
        return unknown_command(app, argv[at]);
    const bool asked = app->globals.help || (at + 1 < argc && (strcmp(argv[at + 1], "--help") == 0 || strcmp(argv[at + 1], "-h") == 0));
    cli_print_overview(asked ? stdout : stderr, argv[at]);
    return asked                  ? NS_OK
         : at + 1 < argc          ? unknown_subcommand(app, argv[at], argv[at + 1])
                                  : ns_fail(&app->err, NS_E_ARG, "%s: of which kind?", argv[at]);
}

static int dispatch(cli *app, int argc, char **argv)
{
    int at = 1, words = 1;
    const int rc = parse_globals(app, argc, argv, &at);
    if (rc != NS_OK)
        return rc;
    if (app->globals.version)
        return print_version();
    if (at >= argc) {
        cli_print_overview(app->globals.help ? stdout : stderr, NULL);
        return app->globals.help ? NS_OK : ns_fail(&app->err, NS_E_ARG, "name a command");
    }
    if (strcmp(argv[at], "help") == 0)
        return explain(app, argc, argv, at + 1);
    app->command = find_command(argc, argv, at, &words);
    return app->command ? run_command(app, argc - at - words + 1, argv + at + words - 1) : not_a_command(app, argc, argv, at);
}

/* libc loses or doubles what it finds no memory to buffer. */
static void buffer_stdout(void)
{
    static char buffer[1 << 14];
    setvbuf(stdout, buffer, isatty(STDOUT_FILENO) ? _IOLBF : _IOFBF, sizeof buffer);
}

/* Before anything is parsed: a signal may come at any time. A value that is called like a command does no harm. */
static bool goes_on(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        int words;
        const cli_command *const command = find_command(argc, argv, i, &words);
        if (command)
            return command->goes_on;
    }
    return false;
}

int main(int argc, char **argv)
{
    buffer_stdout();
    cli app = {0};
    if (argc > 1 && ns_starts(argv[1], "help-"))
        return finish(&app, print_document(&app, argc, argv));
    cli_signals_catch(goes_on(argc, argv));
    app.argc = argc;
    app.argv = argv;
    app.command_line = command_line(argc, argv);
    app.by = (ns_provenance){.size = sizeof app.by, .caller = app.command_line, .job = getenv("SLURM_JOB_ID")};
    const int rc = app.command_line ? dispatch(&app, argc, argv) : ns_oom(&app.err, "the command line");
    const int status = finish(&app, rc);
    ns_fact_list_clear(&app.figure);
    free(app.command_line);
    return status;
}
