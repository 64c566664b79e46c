/* help.c - what --help prints: usage, options in two columns, examples; and the list of commands. */
#include <stdio.h>
#include <string.h>

#include "cli/help.h"

enum { WIDTH = 96, COLUMN = 28 };

/* Words of text from `column` on, later lines indented to `indent`; ends the line. */
void cli_print_wrapped(FILE *out, const char *text, int indent, int column, int width)
{
    bool first = true;
    while (*text) {
        text += strspn(text, " \n");
        const int n = (int)strcspn(text, " \n");
        if (n == 0)
            break;
        if (!first && column + 1 + n > width) {
            fprintf(out, "\n%*s", indent, "");
            column = indent;
        } else if (!first) {
            fputc(' ', out);
            column++;
        }
        fwrite(text, 1, (size_t)n, out);
        column += n;
        text += n;
        first = false;
    }
    fputc('\n', out);
}

void cli_option_help(const cli_option *option, char *out, size_t n)
{
    const char *const help = option->help;
    if (option->choices && !strchr(option->value, '|')) {
        const int used = snprintf(out, n, "%s: ", help);
        for (const char *at = option->choices; *at && used > 0;) {
            const size_t length = strcspn(at, "|");
            const size_t end = strlen(out);
            snprintf(out + end, n - end, "%.*s%s", (int)length, at, at[length] ? ", " : "");
            at += length + (at[length] == '|');
        }
        return;
    }
    snprintf(out, n, "%s", help);
}

static void print_option(FILE *out, const cli_option *option)
{
    char text[512];
    const int column = fprintf(out, "  %c%c%s --%s%s%s", option->letter ? '-' : ' ', option->letter ? option->letter : ' ',
                               option->letter ? "," : " ",
                               option->name, option->value ? " " : "", option->value ? option->value : "");
    if (column + 2 > COLUMN)
        fprintf(out, "\n%*s", COLUMN, "");
    else
        fprintf(out, "%*s", COLUMN - column, "");
    cli_option_help(option, text, sizeof text);
    cli_print_wrapped(out, text, COLUMN, COLUMN, WIDTH);
}

static void print_tables(FILE *out, const cli_command *command)
{
    cli_group tables[CLI_MAX_TABLES];
    const int n = cli_command_tables(command, tables);
    for (int t = 0; t < n; t++) {
        fprintf(out, "\n%s:\n", tables[t].title);
        for (const cli_option *option = tables[t].options; option->name; option++)
            print_option(out, option);
    }
}

void cli_print_help(FILE *out, const cli_command *command)
{
    fprintf(out, "usage: needlescope %s %s%s[options]\n\n", command->name, command->arguments, *command->arguments ? " " : "");
    char summary[512];
    snprintf(summary, sizeof summary, "%s.", command->summary);
    cli_print_wrapped(out, summary, 0, 0, WIDTH);
    print_tables(out, command);
    if (command->examples)
        fprintf(out, "\nExamples:\n");
    for (const char *line = command->examples; line && *line;) {
        const int n = (int)strcspn(line, "\n");
        fprintf(out, "  %.*s\n", n, line);
        line += n + (line[n] == '\n');
    }
    char page[64];
    cli_page_name(command, page, sizeof page);
    fprintf(out, "\nMore: man %s\n", page);
}

void cli_page_name(const cli_command *command, char *out, size_t n)
{
    snprintf(out, n, "needlescope%s%s", command ? "-" : "", command ? command->name : "");
    for (char *c = out; *c; c++)
        if (*c == ' ')
            *c = '-';
}

static bool under(const cli_command *command, const char *prefix)
{
    return !prefix || (ns_starts(command->name, prefix) && command->name[strlen(prefix)] == ' ');
}

void cli_print_overview(FILE *out, const char *prefix)
{
    if (!prefix)
        fputs("needlescope finds the attention heads that retrieve, in any checkpoint.\n\nusage: needlescope COMMAND [arguments] "
              "[options]\n", out);
    else
        fprintf(out, "usage: needlescope %s WHAT [arguments] [options]\n", prefix);
    const char *section = NULL;
    for (const cli_command *const *row = cli_commands; *row; row++) {
        if (!under(*row, prefix))
            continue;
        if (!section || strcmp(section, (*row)->section) != 0)
            fprintf(out, "\n%s:\n", (*row)->section);
        section = (*row)->section;
        fprintf(out, "  %-16s  ", (*row)->name);
        cli_print_wrapped(out, (*row)->summary, 20, 20, WIDTH);
    }
    if (!prefix)
        print_tables(out, NULL);
    fputs("\n`needlescope COMMAND --help` explains one command.\n", out);
}
