/* man.c - manual pages in roff, from the same rows as --help. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "cli/help.h"

/* Text with roff's own characters escaped; a line must not begin with a request. */
static void roff(FILE *out, const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const char c = text[i];
        const bool starts_line = i == 0 || text[i - 1] == '\n';
        if (starts_line && (c == '.' || c == '\''))
            fputs("\\&", out);
        if (c == '\\')
            fputs("\\e", out);
        else if (c == '-')
            fputs("\\-", out);
        else
            fputc(c, out);
    }
}

static void roff_text(FILE *out, const char *text)
{
    roff(out, text, strlen(text));
}

/* Paragraphs are separated by empty lines. */
static void print_paragraphs(FILE *out, const char *text)
{
    while (text && *text) {
        const char *const gap = strstr(text, "\n\n");
        fputs(".PP\n", out);
        roff(out, text, gap ? (size_t)(gap - text) : strlen(text));
        fputc('\n', out);
        text = gap ? gap + 2 : NULL;
    }
}

static void print_option(FILE *out, const cli_option *option)
{
    char text[512];
    fputs(".TP\n", out);
    if (option->letter)
        fprintf(out, "\\fB\\-%c\\fR, ", option->letter);
    fputs("\\fB\\-\\-", out);
    roff_text(out, option->name);
    fputs("\\fR", out);
    if (option->value) {
        fputs(" \\fI", out);
        roff_text(out, option->value);
        fputs("\\fR", out);
    }
    fputc('\n', out);
    cli_option_help(option, text, sizeof text);
    roff_text(out, text);
    fputs(".\n", out);
}

static void print_tables(FILE *out, const cli_command *command)
{
    cli_group tables[CLI_MAX_TABLES];
    const int n = cli_command_tables(command, tables);
    for (int t = 0; t < n; t++) {
        fputs(".SH ", out);
        for (const char *c = tables[t].title; *c; c++)
            fputc(toupper((unsigned char)*c), out);
        fputc('\n', out);
        for (const cli_option *option = tables[t].options; option->name; option++)
            print_option(out, option);
    }
}

static void print_exit_status(FILE *out)
{
    fputs(".SH EXIT STATUS\n", out);
    for (const cli_status *status = cli_statuses; status->meaning; status++) {
        fprintf(out, ".TP\n%d\n", status->exit_code);
        roff_text(out, status->meaning);
        fputc('\n', out);
    }
    fputs(".TP\n129, 130, 143\nStopped by SIGHUP, SIGINT or SIGTERM; temporaries were removed.\n", out);
}

static void print_environment(FILE *out)
{
    fputs(".SH ENVIRONMENT\n.TP\nNEEDLESCOPE_CPU\nCaps the kernels at scalar, avx2 or avx512. Results do not change by a bit.\n"
          ".TP\nNO_COLOR\nWhen set, messages carry no colour.\n", out);
}

static void print_examples(FILE *out, const char *examples)
{
    if (!examples)
        return;
    fputs(".SH EXAMPLES\n.nf\n", out);
    roff_text(out, examples);
    fputs("\n.fi\n", out);
}

static void print_head(FILE *out, const cli_command *command, const char *summary)
{
    char page[64];
    cli_page_name(command, page, sizeof page);
    fputs(".TH ", out);
    for (const char *c = page; *c; c++)
        fputc(toupper((unsigned char)*c), out);
    fprintf(out, " 1 \"\" \"needlescope %s\" \"needlescope manual\"\n.SH NAME\n", ns_version());
    roff_text(out, page);
    fputs(" \\- ", out);
    roff_text(out, summary);
    fputs("\n.SH SYNOPSIS\n", out);
}

/* A line of a list of pages. */
static void print_listed(FILE *out, const cli_command *command)
{
    char page[64];
    cli_page_name(command, page, sizeof page);
    fputs(".TP\n\\fB", out);
    roff_text(out, page);
    fputs("\\fR(1)\n", out);
    roff_text(out, command->summary);
    fputs(".\n", out);
}

static void print_overview_page(FILE *out)
{
    print_head(out, NULL, "finds the attention heads that retrieve, in any checkpoint");
    fputs(".B needlescope\n\\fICOMMAND\\fR [\\fIarguments\\fR] [\\fIoptions\\fR]\n.SH DESCRIPTION\n"
          "needlescope loads transformer checkpoints, runs a hookable forward pass, records what attention heads do, scores the heads and "
          "draws the figures. "
          "The answer goes to standard output, everything else to standard error.\n.SH COMMANDS\n", out);
    for (const cli_command *const *row = cli_commands; *row; row++)
        print_listed(out, *row);
    print_tables(out, NULL);
    print_environment(out);
    print_exit_status(out);
}

/* "cases": the page of the commands that begin so. */
void cli_print_man_group(FILE *out, const char *prefix)
{
    char summary[64];
    const cli_command group = {.name = prefix};
    snprintf(summary, sizeof summary, "the commands of needlescope %s", prefix);
    print_head(out, &group, summary);
    fputs(".B needlescope ", out);
    roff_text(out, prefix);
    fputs(" \\fICOMMAND\\fR [arguments] [\\fIoptions\\fR]\n.SH COMMANDS\n", out);
    for (const cli_command *const *row = cli_commands; *row; row++)
        if (ns_starts((*row)->name, prefix) && (*row)->name[strlen(prefix)] == ' ')
            print_listed(out, *row);
    fputs(".SH SEE ALSO\n.BR needlescope (1)\n", out);
}

void cli_print_man(FILE *out, const cli_command *command)
{
    if (!command) {
        print_overview_page(out);
        return;
    }
    print_head(out, command, command->summary);
    fputs(".B needlescope ", out);
    roff_text(out, command->name);
    fputs("\n", out);
    if (*command->arguments) {
        fputs("\\fI", out);
        roff_text(out, command->arguments);
        fputs("\\fR ", out);
    }
    fputs("[\\fIoptions\\fR]\n", out);
    if (command->description) {
        fputs(".SH DESCRIPTION\n", out);
        print_paragraphs(out, command->description);
    }
    print_tables(out, command);
    print_examples(out, command->examples);
    print_environment(out);
    print_exit_status(out);
    fputs(".SH SEE ALSO\n.BR needlescope (1)\n", out);
}
