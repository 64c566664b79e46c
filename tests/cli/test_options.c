/* test_options.c - values as people type them, and option lines right and wrong. */
#include <math.h>

#include "check.h"
#include "cli/value.h"

typedef struct settings {
    bool        flag;
    const char *text;
    int64_t     number, bytes;
    double      x;
    int         choice;
    cli_words   words;
    cli_ints    ints;
    cli_numbers numbers;
    cli_heads   heads;
} settings;

#define FIELD(name) offsetof(settings, name)
static const cli_option options[] = {
    {"flag", 'f', CLI_FLAG, FIELD(flag), NULL, ""},
    {"text", 't', CLI_TEXT, FIELD(text), "T", ""},
    {"number", 'n', CLI_INT, FIELD(number), "N", "", NULL, 1, 10},
    {"bytes", 0, CLI_BYTES, FIELD(bytes), "B", ""},
    {"ratio", 0, CLI_NUMBER, FIELD(x), "X", ""},
    {"choice", 0, CLI_CHOICE, FIELD(choice), "C", "", "dense|rows|topk"},
    {"words", 'w', CLI_WORDS, FIELD(words), "W", ""},
    {"ints", 0, CLI_INTS, FIELD(ints), "I", ""},
    {"numbers", 0, CLI_NUMBERS, FIELD(numbers), "X", ""},
    {"heads", 0, CLI_HEADS, FIELD(heads), "H", ""},
    {0},
};
#undef FIELD

/* Splits the line at spaces. */
static int parse(settings *s, const char *line, int *n_args, ns_error *err)
{
    static char words[256];
    char *argv[32] = {"needlescope"}, **args;
    int argc = 1;
    snprintf(words, sizeof words, "%s", line);
    for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
        argv[argc++] = word;
    const cli_target target = {options, s};
    *s = (settings){.flag = false};
    return cli_parse(&target, 1, argc, argv, false, NULL, &args, n_args, err);
}

static void fills_the_settings(void **state)
{
    (void)state;
    settings s;
    ns_error err;
    int n;
    assert_int_equal(parse(&s, "a --flag b --text=x -n 3 --bytes 4G --ratio -.5 --choice topk -w a,b --words c --ints 1,2 --ints 10:30:3 "
                               "--numbers 0:1:5 --heads 3.1,4.0 c", &n, &err), NS_OK);
    assert_int_equal(n, 3);
    assert_true(s.flag);
    assert_string_equal(s.text, "x");
    assert_int_equal(s.number, 3);
    assert_true(s.bytes == INT64_C(4) << 30);
    assert_true(s.x == -.5);
    assert_int_equal(s.choice, 2);
    assert_int_equal(s.words.n, 3);
    assert_string_equal(s.words.list[2], "c");
    assert_int_equal(s.ints.n, 5);
    assert_int_equal(s.ints.list[3], 20);
    assert_int_equal(s.numbers.n, 5);
    assert_true(s.numbers.list[1] == .25 && s.numbers.list[4] == 1);
    assert_int_equal(s.heads.n, 2);
    assert_int_equal(s.heads.list[0].layer, 3);
    assert_int_equal(s.heads.list[0].head, 1);
    cli_settings_clear(options, &s);
    assert_null(s.words.list);
}

static void names_the_mistake(void **state)
{
    (void)state;
    static const char *const rows[][2] = {
        {"--nonsense", "unknown option --nonsense"}, {"--flg", "did you mean --flag?"}, {"-z", "unknown option -z"},
        {"-fz", "unknown option -z"},
        {"--flag -z", "unknown option -z"}, {"--flag=1", "--flag takes no value"}, {"--text", "--text needs a value"},
        {"-t", "--text needs a value"},
        {"--num 0", "could be more than one"}, {"--number 0", "from 1 to 10"}, {"--number 11", "from 1 to 10"},
        {"--number 1x", "whole number"}, {"--number 1.5", "whole number"},
        {"--bytes 4X", "4G"}, {"--bytes -1", "4G"}, {"--ratio nan", "expected a number"}, {"--ratio 1e999", "expected a number"},
        {"--choice sparse", "dense|rows|topk"},
        {"--words a,,b", "empty item"}, {"--ints 1,two", "'two' is not a number"}, {"--ints 1.5", "not a whole number"},
        {"--numbers 0:1", "FROM:TO:COUNT"},
        {"--numbers 0:1:0", "FROM:TO:COUNT"}, {"--heads 3", "LAYER.HEAD"}, {"--heads 3.x", "LAYER.HEAD"}, {"--heads -1.2", "LAYER.HEAD"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        settings s;
        ns_error err = {""};
        int n;
        const int rc = parse(&s, rows[i][0], &n, &err);
        if (rc != NS_E_ARG || !strstr(err.message, rows[i][1]))
            fail_msg("'%s' says %d '%s', not '%s'", rows[i][0], rc, err.message, rows[i][1]);
        cli_settings_clear(options, &s);
    }
}

static void sizes(void **state)
{
    (void)state;
    static const struct { const char *text; int64_t bytes; } good[] = {
        {"0", 0}, {"1000", 1000}, {"4k", 4096}, {"4K", 4096}, {"1.5M", 1572864}, {"2GiB", INT64_C(2) << 30}, {"2GB", 2000000000},
        {"1T", INT64_C(1) << 40},
    };
    int64_t bytes;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        if (!cli_value_bytes(good[i].text, &bytes) || bytes != good[i].bytes)
            fail_msg("%s is not %lld", good[i].text, (long long)good[i].bytes);
    static const char *const bad[] = {"", "G", "-4G", "4 G", "4GG", "nan", "1e30T", " 4"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (cli_value_bytes(bad[i], &bytes))
            fail_msg("'%s' was taken for a size", bad[i]);
}

static void ranges(void **state)
{
    (void)state;
    ns_error err;
    cli_numbers x = {0};
    assert_int_equal(cli_value_numbers("0.1:0.7:4,9", &x, &err), NS_OK);
    assert_int_equal(x.n, 5);
    assert_true(x.list[3] == 0.7 && x.list[4] == 9);   /* the last value of a range is the one that was typed */
    assert_int_equal(cli_value_numbers("5:9:1", &x, &err), NS_OK);
    assert_true(x.list[5] == 5);
    assert_int_equal(cli_value_numbers("0:1:999999999", &x, &err), NS_E_ARG);
    free(x.list);
    cli_ints n = {0};
    assert_int_equal(cli_value_ints("0:10:4", &n, &err), NS_OK);
    assert_int_equal(n.list[1], 3);
    assert_int_equal(n.list[3], 10);
    assert_int_equal(cli_value_ints("9e15", &n, &err), NS_OK);
    assert_int_equal(cli_value_ints("9e16", &n, &err), NS_E_ARG);
    free(n.list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fills_the_settings), cmocka_unit_test(names_the_mistake), cmocka_unit_test(sizes), cmocka_unit_test(ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
