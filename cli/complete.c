/* complete.c - completion scripts for bash, zsh and fish, from the same rows as --help. Commands of two words ("cases needle") are
 * completed word by word; option values by file name or by their choices. */
#include <stdio.h>
#include <string.h>

#include <needlescope/hooks.h>
#include <needlescope/probe.h>

#include "cli/help.h"

typedef void (*option_visitor)(FILE *, const cli_command *, const cli_option *);

static void each_option(FILE *out, const cli_command *command, option_visitor visit)
{
    cli_group tables[CLI_MAX_TABLES];
    const int n = cli_command_tables(command, tables);
    for (int t = 0; t < n; t++)
        for (const cli_option *option = tables[t].options; option->name; option++)
            visit(out, command, option);
}

static bool wants_path(const cli_option *option)
{
    return option->kind == CLI_FILE || option->kind == CLI_FOLDER || option->kind == CLI_OUTPUT || option->kind == CLI_STREAM ||
           option->kind == CLI_FILES;
}

/* ---- words that a value may be, beside others: of a list of scores, probes or hook points ---- */

static void point_words(FILE *out)
{
    for (int p = 0; p < NS_N_POINTS; p++) {
        for (const char *c = ns_point_name((ns_point)p); *c; c++)
            fputc(*c == '%' ? '*' : *c, out);
        fputc(' ', out);
    }
}

static void score_words(FILE *out)
{
    for (const ns_probe *const *p = ns_probes(); *p; p++)
        for (int i = 0; i < (*p)->n_scores; i++)
            fprintf(out, "%s ", (*p)->scores[i].name);
}

static void probe_words(FILE *out)
{
    for (const ns_probe *const *p = ns_probes(); *p; p++)
        fprintf(out, "%s ", (*p)->name);
    score_words(out);
}

typedef struct known_words { const char *option; void (*print)(FILE *); } known_words;
static const known_words known[] = {{"score", score_words}, {"by", score_words}, {"previous", score_words}, {"probe", probe_words},
                                    {"at", point_words}};
enum { N_KNOWN = sizeof known / sizeof *known };

static const known_words *known_values(const cli_option *option)
{
    const bool words = !option->choices && (option->kind == CLI_TEXT || option->kind == CLI_WORDS);
    for (int i = 0; i < N_KNOWN && words; i++)
        if (strcmp(option->name, known[i].option) == 0)
            return &known[i];
    return NULL;
}

/* Prints the distinct words that may follow `prefix` (NULL: the first words). */
static void next_words(FILE *out, const char *prefix)
{
    const char *last = "";
    size_t last_n = 0;
    for (const cli_command *const *row = cli_commands; *row; row++) {
        const char *name = (*row)->name;
        if (prefix) {
            if (!ns_starts(name, prefix) || name[strlen(prefix)] != ' ')
                continue;
            name += strlen(prefix) + 1;
        }
        const size_t n = strcspn(name, " ");
        if (n != last_n || strncmp(name, last, n) != 0)
            fprintf(out, "%.*s ", (int)n, name);
        last = name;
        last_n = n;
    }
}

/* Visits "cases", "figure", "lab": first words that are no command by themselves. */
static void each_prefix(FILE *out, void (*visit)(FILE *, const char *prefix))
{
    char last[32] = "";
    for (const cli_command *const *row = cli_commands; *row; row++) {
        char prefix[32];
        const size_t n = strcspn((*row)->name, " ");
        snprintf(prefix, sizeof prefix, "%.*s", (int)n, (*row)->name);
        if ((*row)->name[n] && strcmp(prefix, last) != 0)
            visit(out, prefix);
        snprintf(last, sizeof last, "%s", prefix);
    }
}

/* ---- bash ---- */
static void bash_prefix(FILE *out, const char *prefix)
{
    fprintf(out, "        '%s') words='", prefix);
    next_words(out, prefix);
    fputs("' ;;\n", out);
}

static void bash_pattern(FILE *out, const char *prefix)
{
    fprintf(out, "'%s'|", prefix);
}

static void bash_word(FILE *out, const cli_command *command, const cli_option *option)
{
    (void)command;
    fprintf(out, "--%s ", option->name);
}

static void bash_value(FILE *out, const cli_command *command, const cli_option *option)
{
    if (option->choices) {
        fprintf(out, "        '%s --%s') words='", command->name, option->name);
        for (const char *c = option->choices; *c; c++)
            fputc(*c == '|' ? ' ' : *c, out);
        fputs("' ;;\n", out);
    } else if (known_values(option)) {
        fprintf(out, "        '%s --%s') words=$known_%s ;;\n", command->name, option->name, option->name);
    } else if (option->value && !wants_path(option)) {
        fprintf(out, "        '%s --%s') return ;;\n", command->name, option->name);
    } else if (option->value) {
        fprintf(out, "        '%s --%s') compopt -o filenames; COMPREPLY=($(compgen -%c -- \"$current\")); return ;;\n", command->name,
                option->name, option->kind == CLI_FOLDER ? 'd' : 'f');
    }
}

static void print_bash(FILE *out)
{
    fputs("# bash completion for needlescope, generated from its option tables\n_needlescope() {\n", out);
    for (int i = 0; i < N_KNOWN; i++) {
        fprintf(out, "    local known_%s='", known[i].option);
        known[i].print(out);
        fputs("'\n", out);
    }
    fputs(          "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} command='' words='' i\n"
          "    COMPREPLY=()\n"
          "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
          "        case \"${command:+$command }${COMP_WORDS[i]}\" in\n", out);
    fputs("            ", out);
    each_prefix(out, bash_pattern);
    for (const cli_command *const *row = cli_commands; *row; row++)
        fprintf(out, "'%s'%s", (*row)->name, row[1] ? "|" : "");
    fputs(") command=\"${command:+$command }${COMP_WORDS[i]}\" ;;\n        esac\n    done\n    case \"$command $previous\" in\n", out);
    for (const cli_command *const *row = cli_commands; *row; row++)
        each_option(out, *row, bash_value);
    fputs("    esac\n    [ -n \"$words\" ] || case $command in\n        '') words='", out);
    next_words(out, NULL);
    fputs("--help --version' ;;\n", out);
    each_prefix(out, bash_prefix);
    for (const cli_command *const *row = cli_commands; *row; row++) {
        fprintf(out, "        '%s') words='", (*row)->name);
        each_option(out, *row, bash_word);
        fputs("' ;;\n", out);
    }
    fputs("    esac\n"
          "    if [ -n \"$command\" ] && [ \"${current#-}\" = \"$current\" ] && [ \"${words#--}\" != \"$words\" ]; then\n"
          "        compopt -o filenames\n        COMPREPLY=($(compgen -f -- \"$current\"))\n        return\n    fi\n"
          "    local before=''\n"
          "    case $current in *,*) before=${current%,*}, ;; esac\n"
          "    set -f\n"
          "    COMPREPLY=($(compgen -P \"$before\" -W \"$words\" -- \"${current##*,}\"))\n"
          "    set +f\n"
          "}\ncomplete -F _needlescope needlescope\n", out);
}

/* ---- zsh ---- */
/* Text inside '...[...]' of _arguments. */
static void zsh_text(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", out);
        else if (strchr("[]:\\", *text))
            fprintf(out, "\\%c", *text);
        else
            fputc(*text, out);
    }
}

static void zsh_option(FILE *out, const cli_command *command, const cli_option *option)
{
    (void)command;
    const bool repeats = option->kind == CLI_WORDS || option->kind == CLI_FILES || option->kind == CLI_INTS ||
                         option->kind == CLI_NUMBERS || option->kind == CLI_HEADS;
    fprintf(out, " \\\n                '%s--%s%s[", repeats ? "*" : "", option->name, option->value ? "=" : "");
    zsh_text(out, option->help);
    fputs("]", out);
    if (option->value) {
        fputs(":", out);
        zsh_text(out, option->value);
        fputs(":", out);
        if (option->choices) {
            fputs("(", out);
            for (const char *c = option->choices; *c; c++)
                fputc(*c == '|' ? ' ' : *c, out);
            fputs(")", out);
        } else if (known_values(option)) {
            fputs("_values -s , word ", out);
            known_values(option)->print(out);
        } else if (wants_path(option)) {
            fputs(option->kind == CLI_FOLDER ? "_files -/" : "_files", out);
        }
    }
    fputs("'", out);
}

static void zsh_prefix(FILE *out, const char *prefix)
{
    fprintf(out, "        %s) if (( CURRENT == 3 )); then compadd ", prefix);
    next_words(out, prefix);
    fputs("; return; fi; command=\"$words[2] $words[3]\" ;;\n", out);
}

static void print_zsh(FILE *out)
{
    fputs("#compdef needlescope\n# zsh completion for needlescope, generated from its option tables\n"
          "_needlescope() {\n    local command=$words[2]\n    if (( CURRENT == 2 )); then compadd -- ", out);
    next_words(out, NULL);
    fputs("--help --version; return; fi\n    case $words[2] in\n", out);
    each_prefix(out, zsh_prefix);
    fputs("    esac\n    case $command in\n", out);
    for (const cli_command *const *row = cli_commands; *row; row++) {
        fprintf(out, "        '%s')\n            _arguments", (*row)->name);
        each_option(out, *row, zsh_option);
        fputs(" \\\n                '*:file:_files' ;;\n", out);
    }
    fputs("    esac\n}\n_needlescope \"$@\"\n", out);
}

/* ---- fish ---- */
static void fish_text(FILE *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '\'' || *text == '\\')
            fputc('\\', out);
        fputc(*text, out);
    }
}

/* Words already typed, each of them. */
static void fish_condition(FILE *out, const cli_command *command)
{
    const size_t n = strcspn(command->name, " ");
    fprintf(out, "complete -c needlescope -n '__fish_seen_subcommand_from %.*s", (int)n, command->name);
    if (command->name[n])
        fprintf(out, "; and __fish_seen_subcommand_from %s", command->name + n + 1);
    fputs("'", out);
}

static void fish_option(FILE *out, const cli_command *command, const cli_option *option)
{
    fish_condition(out, command);
    fprintf(out, " -l %s", option->name);
    if (option->letter)
        fprintf(out, " -s %c", option->letter);
    if (option->choices) {
        fputs(" -x -a '", out);
        for (const char *c = option->choices; *c; c++)
            fputc(*c == '|' ? ' ' : *c, out);
        fputs("'", out);
    } else if (known_values(option)) {
        fputs(" -x -a '", out);
        known_values(option)->print(out);
        fputs("'", out);
    } else if (option->value) {
        fputs(wants_path(option) ? " -r -F" : " -x", out);
    }
    fputs(" -d '", out);
    fish_text(out, option->help);
    fputs("'\n", out);
}

static void fish_prefix(FILE *out, const char *prefix)
{
    fprintf(out, "complete -c needlescope -n '__fish_seen_subcommand_from %s; and not __fish_seen_subcommand_from ", prefix);
    next_words(out, prefix);
    fputs("' -f -a '", out);
    next_words(out, prefix);
    fputs("'\n", out);
}

static void print_fish(FILE *out)
{
    fputs("# fish completion for needlescope, generated from its option tables\n"
          "complete -c needlescope -n __fish_use_subcommand -f -a '", out);
    next_words(out, NULL);
    fputs("'\n", out);
    each_prefix(out, fish_prefix);
    for (const cli_command *const *row = cli_commands; *row; row++)
        each_option(out, *row, fish_option);
}

int cli_print_completion(FILE *out, const char *shell)
{
    static const struct { const char *name; void (*print)(FILE *); } shells[] = {
        {"bash", print_bash}, {"zsh", print_zsh}, {"fish", print_fish},
    };
    for (size_t i = 0; i < sizeof shells / sizeof *shells; i++)
        if (strcmp(shell, shells[i].name) == 0) {
            shells[i].print(out);
            return NS_OK;
        }
    return NS_E_ARG;
}
