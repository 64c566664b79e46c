/* fuzz_values.c - the input as the values of options: numbers, sizes, lists, ranges, heads. What is accepted holds what it must. */
#include "fuzz.h"
#include "cli/value.h"

#include <math.h>

static void scalars(const char *text)
{
    int64_t whole, bytes;
    double number;
    const bool is_whole = cli_value_int(text, &whole), is_number = cli_value_number(text, &number);
    fuzz_check(!is_number || isfinite(number), "a number is finite");
    fuzz_check(!is_whole || is_number, "a whole number is a number");
    fuzz_check(!cli_value_bytes(text, &bytes) || bytes >= 0, "a size is not negative");
    fuzz_check(cli_value_choice(text, "dense|rows|topk") < 3, "a choice is one of three");
}

static void shards_and_lives(const char *text)
{
    int64_t shard, n_shards, *const turns = ns_alloc_array(strlen(text), sizeof *turns);
    int n;
    fuzz_check(turns != NULL, "memory");
    fuzz_check(!cli_value_shard(text, &shard, &n_shards) || (shard >= 0 && shard < n_shards), "a shard is one of them");
    const bool life = cli_value_life(text, turns, &n);
    fuzz_check(n >= 0 && n <= (int)strlen(text) && (!life || n > 0 || strcmp(text, "never") == 0), "turns are counted");
    for (int i = 0; life && i < n; i++)
        fuzz_check(turns[i] >= 1, "a turn is a step from 1");
    free(turns);
}

static void rows_of(const char *text, ns_error *err)
{
    ns_rows rows;
    cli_ints positions = {0};
    const int rc = cli_value_rows(text, &rows, &positions, err);
    fuzz_check_outcome(rc, rc == NS_OK ? &rows : NULL, err);
    fuzz_check(rc != NS_OK || rows.kind != NS_ROWS_LIST || (rows.n >= 1 && rows.positions == positions.list), "a list of rows has some");
    fuzz_check(rc != NS_OK || rows.kind != NS_ROWS_LAST || rows.n >= 1, "the last rows are some");
    fuzz_check(rc != NS_OK || rows.kind != NS_ROWS_SPAN || *rows.span, "a span has a name");
    free(positions.list);
}

static void heads(const char *text, ns_error *err)
{
    cli_heads list = {0}, back = {0};
    const int rc = cli_value_heads(text, &list, err);
    fuzz_check_outcome(rc, rc == NS_OK ? &list : NULL, err);
    if (rc == NS_OK) {
        char *const written = ns_heads_text(list.list, list.n);
        fuzz_check(cli_value_heads(written, &back, err) == NS_OK && back.n == list.n, "heads that are written are read");
        for (int64_t i = 0; i < list.n; i++)
            fuzz_check(list.list[i].layer >= 0 && list.list[i].layer == back.list[i].layer && list.list[i].head == back.list[i].head,
                       "and are the same");
        free(written);
    }
    free(list.list);
    free(back.list);
}

static void numbers(const char *text, ns_error *err)
{
    cli_numbers list = {0};
    cli_ints ints = {0};
    const int rc = cli_value_numbers(text, &list, err), rc_ints = cli_value_ints(text, &ints, err);
    fuzz_check_outcome(rc, rc == NS_OK ? &list : NULL, err);
    fuzz_check(rc_ints != NS_OK || (rc == NS_OK && ints.n == list.n), "whole numbers are numbers");
    for (int64_t i = 0; rc == NS_OK && i < list.n; i++)
        fuzz_check(isfinite(list.list[i]), "every number of a list is finite");
    free(list.list);
    free(ints.list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    char *const text = fuzz_part_text(&data, &n);
    ns_error err = {""};
    cli_words words = {0};
    scalars(text);
    shards_and_lives(text);
    rows_of(text, &err);
    heads(text, &err);
    numbers(text, &err);
    const int rc = cli_value_words(text, &words, &err);
    fuzz_check_outcome(rc, rc == NS_OK ? &words : NULL, &err);
    for (int64_t i = 0; i < words.n; i++) {
        fuzz_check(rc != NS_OK || *words.list[i], "no word is empty");
        free((char *)(uintptr_t)words.list[i]);
    }
    free(words.list);
    free(text);
    return 0;
}
