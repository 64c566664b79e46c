/* test_table.c - walks the table of commands: every long option is in its command's --help, man page and completions; names and letters are
 * unique; what meson.build installs pages for (argv) is what the table has. */
#include <ctype.h>

#include "check.h"

static char **expected_names;
static int n_expected;

static char *print_to_text(void (*print)(FILE *, const cli_command *), const cli_command *command)
{
    char *text = NULL;
    size_t n;
    FILE *out = open_memstream(&text, &n);
    print(out, command);
    fclose(out);
    return text;
}

static char *completion(const char *shell)
{
    char *text = NULL;
    size_t n;
    FILE *out = open_memstream(&text, &n);
    assert_int_equal(cli_print_completion(out, shell), NS_OK);
    fclose(out);
    return text;
}

typedef void (*visitor)(const cli_command *, const cli_option *, void *);

static void each_option(const cli_command *command, visitor visit, void *user)
{
    cli_group tables[CLI_MAX_TABLES];
    const int n = cli_command_tables(command, tables);
    for (int t = 0; t < n; t++)
        for (const cli_option *o = tables[t].options; o->name; o++)
            visit(command, o, user);
}

/* --name as a whole word; dash is "-" or roff's "\-". */
static bool mentions(const char *text, const char *name, const char *dash)
{
    char word[200] = "";
    snprintf(word, sizeof word, "%s%s", dash, dash);
    for (const char *c = name; *c; c++)
        snprintf(word + strlen(word), sizeof word - strlen(word), "%s%.*s", *c == '-' ? dash : "", *c != '-', c);
    for (const char *at = text; (at = strstr(at, word)); at++)
        if (!isalnum((unsigned char)at[strlen(word)]) && at[strlen(word)] != '-')
            return true;
    return false;
}

typedef struct pages { const char *man, *help; } pages;

static void in_pages(const cli_command *command, const cli_option *option, void *user)
{
    const pages *p = user;
    if (!mentions(p->man, option->name, "\\-"))
        fail_msg("%s: --%s is not in its man page", command->name, option->name);
    if (!mentions(p->help, option->name, "-"))
        fail_msg("%s: --%s is not in its --help", command->name, option->name);
}

static void options_are_documented(void **state)
{
    (void)state;
    for (const cli_command *const *row = cli_commands; *row; row++) {
        char *man = print_to_text(cli_print_man, *row), *help = print_to_text(cli_print_help, *row);
        each_option(*row, in_pages, &(pages){man, help});
        free(man);
        free(help);
    }
    assert_false(mentions("\\-\\-other", "oth", "\\-"));   /* the check itself can fail */
}

/* The part of a completion script that is about one command. */
static char *part_about(const char *text, const char *shell, const cli_command *command)
{
    char first[200], *part = NULL;
    size_t n;
    FILE *out = open_memstream(&part, &n);
    if (strcmp(shell, "fish") == 0) {   /* every line that names the command's last word in its condition */
        const char *const space = strchr(command->name, ' ');
        snprintf(first, sizeof first, "__fish_seen_subcommand_from %s'", space ? space + 1 : command->name);
        for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
            const char *const found = strstr(line, first);
            if (found && found < line + strcspn(line, "\n"))
                fprintf(out, "%.*s\n", (int)strcspn(line, "\n"), line);
        }
    } else {                            /* the last 'NAME') branch of the script */
        snprintf(first, sizeof first, "'%s')", command->name);
        const char *at = text, *last = NULL;
        while ((at = strstr(at, first)))
            last = at++;
        assert_non_null(last);
        const char *const end = strstr(last, ";;");
        assert_non_null(end);
        fprintf(out, "%.*s", (int)(end - last), last);
    }
    fclose(out);
    return part;
}

typedef struct script { const char *shell, *text; } script;

static void in_script(const cli_command *command, const cli_option *option, void *user)
{
    const script *s = user;
    char fish[128];
    snprintf(fish, sizeof fish, " -l %s ", option->name);
    if (strcmp(s->shell, "fish") == 0 ? !strstr(s->text, fish) : !mentions(s->text, option->name, "-"))
        fail_msg("%s: --%s is not completed in %s", command->name, option->name, s->shell);
}

static void options_are_completed(void **state)
{
    (void)state;
    static const char *const shells[] = {"bash", "zsh", "fish"};
    for (size_t i = 0; i < 3; i++) {
        char *whole = completion(shells[i]);
        for (const cli_command *const *row = cli_commands; *row; row++) {
            char *part = part_about(whole, shells[i], *row);
            each_option(*row, in_script, &(script){shells[i], part});
            free(part);
        }
        free(whole);
    }
    FILE *nowhere = fopen("/dev/null", "w");
    assert_int_equal(cli_print_completion(nowhere, "tcsh"), NS_E_ARG);
    fclose(nowhere);
}

typedef struct seen { const char *names[128]; char letters[128]; int n; } seen;

static void is_new(const cli_command *command, const cli_option *option, void *user)
{
    seen *s = user;
    for (int i = 0; i < s->n; i++) {
        if (strcmp(s->names[i], option->name) == 0)
            fail_msg("%s: --%s is there twice", command->name, option->name);
        if (option->letter && s->letters[i] == option->letter)
            fail_msg("%s: -%c is both --%s and --%s", command->name, option->letter, s->names[i], option->name);
    }
    s->names[s->n] = option->name;
    s->letters[s->n++] = option->letter;
    const size_t end = strlen(option->help);
    if (end == 0 || option->help[end - 1] == '.')
        fail_msg("%s: --%s: help is a sentence without a full stop", command->name, option->name);
    if ((option->kind == CLI_FLAG) != (option->value == NULL))
        fail_msg("%s: --%s: flags have no value, all others name theirs", command->name, option->name);
    if ((option->kind == CLI_CHOICE) != (option->choices != NULL))
        fail_msg("%s: --%s: choices are for CLI_CHOICE", command->name, option->name);
}

/* A command that has them not still reads them, to say so. */
static void each_unused_resource(const cli_command *command, visitor visit, void *user)
{
    static const unsigned bits[] = {CLI_THREADS, CLI_MEMORY};
    for (int i = 0; cli_resource_options[i].name; i++)
        if (!(command->resources & bits[i]))
            visit(command, &cli_resource_options[i], user);
}

static void rows_are_sound(void **state)
{
    (void)state;
    for (const cli_command *const *row = cli_commands; *row; row++) {
        seen s = {.n = 0};
        each_option(*row, is_new, &s);
        each_unused_resource(*row, is_new, &s);
        assert_true((*row)->run && (*row)->summary && (*row)->section && (*row)->arguments && (*row)->description);
        assert_true((*row)->min_args <= (*row)->max_args);
        assert_ptr_equal(cli_command_find((*row)->name), *row);
        for (int g = 0; g < CLI_MAX_GROUPS && (*row)->groups[g].options; g++)
            for (const cli_option *o = (*row)->groups[g].options; o->name; o++)
                assert_true((*row)->groups[g].base + o->offset < (*row)->settings_size);
    }
}

static void pages_are_installed(void **state)
{
    (void)state;
    int n = 0;
    for (const cli_command *const *row = cli_commands; *row; row++, n++)
        if (n >= n_expected || strcmp(expected_names[n], (*row)->name) != 0)
            fail_msg("cli/meson.build lists '%s' where the table has '%s'", n < n_expected ? expected_names[n] : "nothing", (*row)->name);
    assert_int_equal(n, n_expected);
}

/* Every exit code of the table is in the pages, and every code of the library has one. */
static void exit_codes(void **state)
{
    (void)state;
    char *man = print_to_text(cli_print_man, NULL);
    for (int code = NS_OK; code >= NS_E_INTERNAL; code--) {
        char line[32];
        snprintf(line, sizeof line, "\n%d\n", cli_exit_code(code));
        assert_non_null(strstr(man, line));
    }
    free(man);
    static const int wanted[][2] = {{NS_OK, 0}, {NS_E_ARG, 2}, {NS_E_FORMAT, 65}, {NS_E_MISSING, 66}, {NS_E_CREATE, 73}, {NS_E_IO, 74},
                                    {NS_E_MEMORY, 75},
                                    {NS_E_UNSUPPORTED, 65}, {NS_E_NUMERIC, 65}, {NS_E_INTERNAL, 70}, {-1000, 70}};
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++)
        assert_int_equal(cli_exit_code(wanted[i][0]), wanted[i][1]);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_documented), cmocka_unit_test(options_are_completed), cmocka_unit_test(rows_are_sound),
        cmocka_unit_test(pages_are_installed), cmocka_unit_test(exit_codes),
    };
    expected_names = argv + 1;
    n_expected = argc - 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
