/* opt.c - option tables -> getopt_long -> settings. One message per mistake, with the nearest name where there is one. */
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cli/value.h"

enum { MAX_OPTIONS = 96, FIRST_VALUE = 256 };

static int bad_value(const cli_option *option, const char *text, const char *expected, ns_error *err)
{
    return ns_fail(err, NS_E_ARG, "--%s %s: %s", option->name, text, expected);
}

static int set_int(const cli_option *option, int64_t *field, const char *text, ns_error *err)
{
    int64_t value;
    if (!cli_value_int(text, &value))
        return bad_value(option, text, "expected a whole number", err);
    if ((option->min || option->max) && (value < option->min || value > option->max))
        return ns_fail(err, NS_E_ARG, "--%s %s: expected a whole number from %lld to %lld", option->name, text, (long long)option->min,
                       (long long)option->max);
    *field = value;
    return NS_OK;
}

/* "dense|rows|topk" -> the choice that was likely meant. */
static int no_choice(const cli_option *option, const char *text, ns_error *err)
{
    enum { MOST = 32 };
    const char *words[MOST];
    int64_t n = 0;
    char *const copy = ns_strdup(option->choices), *rest = copy;
    for (char *word; n < MOST && rest && (word = strsep(&rest, "|"));)
        words[n++] = word;
    const char *const near = ns_nearest_word(text, words, n);
    const int rc = !near ? ns_fail(err, NS_E_ARG, "--%s %s: expected one of %s", option->name, text, option->choices)
                         : ns_fail(err, NS_E_ARG, "--%s %s: expected one of %s (did you mean %s?)", option->name, text, option->choices,
                                   near);
    free(copy);
    return rc;
}

/* Nobody means ten bytes: a bare number below a megabyte lacks its unit. */
static int set_bytes(const cli_option *option, int64_t *field, const char *text, ns_error *err)
{
    int64_t bytes, count;
    if (!cli_value_bytes(text, &bytes) || bytes <= 0)
        return bad_value(option, text, "expected a size such as 800M or 4G", err);
    if (cli_value_int(text, &count) && count > 0 && count < 1 << 20)
        return ns_fail(err, NS_E_ARG, "--%s %s: %s bytes? say %sG or %sM (%sB for bytes)", option->name, text, text, text, text, text);
    *field = bytes;
    return NS_OK;
}

static int set_choice(const cli_option *option, int *field, const char *text, ns_error *err)
{
    const int index = cli_value_choice(text, option->choices);
    if (index < 0)
        return no_choice(option, text, err);
    *field = index;
    return NS_OK;
}

int cli_option_set(const cli_option *option, void *settings, const char *text, ns_error *err)
{
    void *const field = (char *)settings + option->offset;
    int rc = NS_OK;
    switch (option->kind) {
    case CLI_FLAG:
        *(bool *)field = true;
        return NS_OK;
    case CLI_TEXT:
    case CLI_FILE:
    case CLI_FOLDER:
    case CLI_OUTPUT:
        *(const char **)field = text;
        return *text || option->kind == CLI_TEXT ? NS_OK : bad_value(option, "''", "the name is empty", err);
    case CLI_STREAM:
        *(const char **)field = strcmp(text, "-") ? text : "/dev/stdout";
        return *text ? NS_OK : bad_value(option, "''", "the name is empty", err);
    case CLI_INT:
        return set_int(option, field, text, err);
    case CLI_BYTES:
        return set_bytes(option, field, text, err);
    case CLI_NUMBER:
        return cli_value_number(text, field) ? NS_OK : bad_value(option, text, "expected a number", err);
    case CLI_LENGTH:
        return cli_value_length(text, field) && *(double *)field > 0
                   ? NS_OK
                   : bad_value(option, text, "expected a length above 0, such as 3.3, 85mm or 240pt", err);
    case CLI_CHOICE:
        return set_choice(option, field, text, err);
    case CLI_WORDS:
        rc = cli_value_words(text, field, err);
        break;
    case CLI_FILES:
        rc = cli_value_files(text, field, err);
        break;
    case CLI_INTS:
        rc = cli_value_ints(text, field, err);
        break;
    case CLI_NUMBERS:
        rc = cli_value_numbers(text, field, err);
        break;
    case CLI_HEADS:
        rc = cli_value_heads_or_file(text, field, err);
        break;
    }
    if (rc == NS_OK && !option->again)
        rc = cli_value_once(option->kind, field, err);
    return rc != NS_OK ? ns_fail(err, rc, "--%s: %s", option->name, err ? err->message : "") : NS_OK;
}

static void clear_words(cli_words *words)
{
    for (int64_t i = 0; i < words->n; i++)
        free((char *)(uintptr_t)words->list[i]);
    free(words->list);
    *words = (cli_words){0};
}

void cli_settings_clear(const cli_option *options, void *settings)
{
    for (; options->name; options++) {
        void *const field = (char *)settings + options->offset;
        if (options->kind == CLI_WORDS || options->kind == CLI_FILES) {
            clear_words(field);
        } else if (options->kind == CLI_INTS) {
            free(((cli_ints *)field)->list);
            *(cli_ints *)field = (cli_ints){0};
        } else if (options->kind == CLI_NUMBERS) {
            free(((cli_numbers *)field)->list);
            *(cli_numbers *)field = (cli_numbers){0};
        } else if (options->kind == CLI_HEADS) {
            free(((cli_heads *)field)->list);
            *(cli_heads *)field = (cli_heads){0};
        }
    }
}

/* What getopt_long needs, and back from its answer to the row. */
typedef struct parser {
    struct option     longs[MAX_OPTIONS + 1];
    const cli_option *rows[MAX_OPTIONS];
    void             *settings[MAX_OPTIONS];
    const char       *names[MAX_OPTIONS];
    char              shorts[2 * MAX_OPTIONS + 3];
    int               n;
} parser;

static int build(parser *p, const cli_target *targets, int n_targets, bool stop_early, ns_error *err)
{
    *p = (parser){0};
    char *letters = p->shorts;
    if (stop_early)
        *letters++ = '+';
    *letters++ = ':';
    for (int t = 0; t < n_targets; t++)
        for (const cli_option *row = targets[t].options; row->name; row++) {
            if (p->n == MAX_OPTIONS)
                return ns_fail(err, NS_E_INTERNAL, "more than %d options in one command", MAX_OPTIONS);
            const bool valued = row->kind != CLI_FLAG;
            p->longs[p->n] = (struct option){row->name, valued ? required_argument : no_argument, NULL, FIRST_VALUE + p->n};
            p->rows[p->n] = row;
            p->names[p->n] = row->name;
            p->settings[p->n++] = targets[t].settings;
            if (row->letter) {
                *letters++ = row->letter;
                if (valued)
                    *letters++ = ':';
            }
        }
    return NS_OK;
}

static int row_of(const parser *p, int answer)
{
    if (answer >= FIRST_VALUE)
        return answer - FIRST_VALUE;
    for (int i = 0; i < p->n; i++)
        if (p->rows[i]->letter && p->rows[i]->letter == answer)
            return i;
    return -1;
}

static int unknown_option(const parser *p, const char *word, ns_error *err)
{
    if (optopt > 0 && optopt < FIRST_VALUE)
        return ns_fail(err, NS_E_ARG, "unknown option -%c", optopt);
    char name[64];
    snprintf(name, sizeof name, "%.*s", (int)strcspn(word + 2, "="), word + 2);
    int matches = 0;
    for (int i = 0; i < p->n; i++) {
        if (strcmp(p->names[i], name) == 0)   /* known, so it was given a value it does not take */
            return ns_fail(err, NS_E_ARG, "--%s takes no value", name);
        matches += ns_starts(p->names[i], name);
    }
    if (matches > 1)
        return ns_fail(err, NS_E_ARG, "--%s could be more than one option: write it in full", name);
    const char *const near = ns_nearest_word(name, p->names, p->n);
    return !near ? ns_fail(err, NS_E_ARG, "unknown option --%s", name)
                    : ns_fail(err, NS_E_ARG, "unknown option --%s (did you mean --%s?)", name, near);
}

int cli_parse(const cli_target *targets, int n_targets, int argc, char **argv, bool stop_early, int *used, char ***args, int *n_args,
              ns_error *err)
{
    parser p;
    int rc = build(&p, targets, n_targets, stop_early, err);
    if (rc != NS_OK)
        return rc;
    opterr = 0;
    optind = 0;   /* glibc: start afresh */
    for (int answer; (answer = getopt_long(argc, argv, p.shorts, p.longs, NULL)) != -1;) {
        if (answer == '?')
            return unknown_option(&p, argv[optind - 1], err);
        if (answer == ':')
            return ns_fail(err, NS_E_ARG, "--%s needs a value", p.names[row_of(&p, optopt)]);
        const int row = row_of(&p, answer);
        rc = cli_option_set(p.rows[row], p.settings[row], optarg, err);
        if (rc != NS_OK)
            return rc;
    }
    if (used)
        *used = optind;
    if (args) {
        *args = argv + optind;
        *n_args = argc - optind;
    }
    return NS_OK;
}
