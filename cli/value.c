/* value.c - values as people type them. Every list is comma-separated; FROM:TO:COUNT is COUNT evenly spaced values, both ends included. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/head_list.h>

#include "cli/value.h"

bool cli_value_int(const char *text, int64_t *out)
{
    char *end;
    errno = 0;
    const long long value = strtoll(text, &end, 10);
    if (end == text || *end || errno || *text == ' ')
        return false;
    *out = value;
    return true;
}

bool cli_value_number(const char *text, double *out)
{
    char *end;
    errno = 0;
    *out = strtod(text, &end);
    return end != text && !*end && *text != ' ' && isfinite(*out);
}

bool cli_value_bytes(const char *text, int64_t *out)
{
    static const struct { const char *suffix; double factor; } units[] = {
        {"", 1}, {"B", 1}, {"K", 0x1p10}, {"KiB", 0x1p10}, {"kB", 1e3}, {"KB", 1e3}, {"M", 0x1p20}, {"MiB", 0x1p20}, {"MB", 1e6},
        {"G", 0x1p30}, {"GiB", 0x1p30}, {"GB", 1e9}, {"T", 0x1p40}, {"TiB", 0x1p40}, {"TB", 1e12},
    };
    char *end;
    const double value = strtod(text, &end);
    if (end == text || *text == ' ' || !(value >= 0))
        return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (strcasecmp(end, units[i].suffix) != 0)
            continue;
        const double bytes = value * units[i].factor;
        *out = bytes < 0x1p62 ? (int64_t)bytes : 0;
        return bytes < 0x1p62;
    }
    return false;
}

bool cli_value_length(const char *text, double *inches)
{
    static const struct { const char *name; double inches; } units[] = {
        {"", 1}, {"in", 1}, {"mm", 1 / 25.4}, {"cm", 1 / 2.54}, {"pt", 1 / 72.0}};
    char *end;
    const double value = strtod(text, &end);
    for (size_t i = 0; end != text && *text != ' ' && i < sizeof units / sizeof *units; i++)
        if (strcmp(end, units[i].name) == 0) {
            *inches = value * units[i].inches;
            return true;
        }
    return false;
}

/* The digits at *at, moved behind them. */
static bool next_int(const char **at, int64_t *out)
{
    char *end;
    errno = 0;
    const long long value = strtoll(*at, &end, 10);
    const bool good = end != *at && !errno && **at >= '0' && **at <= '9';
    *at = end;
    *out = value;
    return good;
}

bool cli_value_shard(const char *text, int64_t *shard, int64_t *n_shards)
{
    return next_int(&text, shard) && *text++ == '/' && next_int(&text, n_shards) && !*text && *shard < *n_shards;
}

bool cli_value_life(const char *text, int64_t *turns, int *n)
{
    *n = 0;
    if (strcmp(text, "never") == 0)
        return true;
    for (int64_t step;; text++) {
        if (!next_int(&text, &step) || step < 1 || (*text && *text != ':'))
            return false;
        turns[(*n)++] = step;
        if (!*text)
            return true;
    }
}

/* Calls item() with every comma-separated part. */
static int each_part(const char *text, int (*item)(char *part, void *out, ns_error *err), void *out, ns_error *err)
{
    char *const copy = ns_strdup(text);
    if (!copy)
        return ns_oom(err, "a list");
    int rc = NS_OK;
    char *rest = copy;
    for (char *part; rc == NS_OK && (part = strsep(&rest, ","));)
        rc = *part ? item(part, out, err) : ns_fail(err, NS_E_ARG, "'%s' has an empty item", text);
    free(copy);
    return rc;
}

static int add_word(char *part, void *out, ns_error *err)
{
    cli_words *const words = out;
    char *const copy = ns_strdup(part);
    if (!copy || !ns_grow(&words->list, &words->capacity, words->n + 1, sizeof *words->list)) {
        free(copy);
        return ns_oom(err, "a list");
    }
    words->list[words->n++] = copy;
    return NS_OK;
}

int cli_value_words(const char *text, cli_words *out, ns_error *err)
{
    return each_part(text, add_word, out, err);
}

int cli_value_files(const char *text, cli_words *out, ns_error *err)
{
    return strchr(text, ',') && ns_path_exists(text) ? add_word((char *)(uintptr_t)text, out, err) : cli_value_words(text, out, err);
}

static int append_number(cli_numbers *numbers, double value, ns_error *err)
{
    if (!ns_grow(&numbers->list, &numbers->capacity, numbers->n + 1, sizeof *numbers->list))
        return ns_oom(err, "a list");
    numbers->list[numbers->n++] = value;
    return NS_OK;
}

enum { MOST_VALUES = 100000 };

static int add_number(char *part, void *out, ns_error *err)
{
    char *rest = part;
    const char *const from = strsep(&rest, ":"), *const to = strsep(&rest, ":"), *const count = rest;
    double a, b;
    int64_t n;
    if (!to)
        return cli_value_number(from, &a) ? append_number(out, a, err) : ns_fail(err, NS_E_ARG, "'%s' is not a number", from);
    if (!count || !cli_value_number(from, &a) || !cli_value_number(to, &b) || !cli_value_int(count, &n) || n < 1 || n > MOST_VALUES)
        return ns_fail(err, NS_E_ARG, "a range is FROM:TO:COUNT with a COUNT from 1 to %d", MOST_VALUES);
    if (!isfinite((b - a) * (double)(n - 1)))
        return ns_fail(err, NS_E_ARG, "a range from %g to %g is beyond what a number can hold", a, b);
    int rc = NS_OK;
    for (int64_t i = 0; i < n && rc == NS_OK; i++)   /* the last one is exactly b */
        rc = append_number(out, n == 1 ? a : i == n - 1 ? b : a + (b - a) * (double)i / (double)(n - 1), err);
    return rc;
}

int cli_value_numbers(const char *text, cli_numbers *out, ns_error *err)
{
    return each_part(text, add_number, out, err);
}

int cli_value_ints(const char *text, cli_ints *out, ns_error *err)
{
    cli_numbers numbers = {0};
    int rc = cli_value_numbers(text, &numbers, err);
    if (rc == NS_OK && !ns_grow(&out->list, &out->capacity, out->n + numbers.n, sizeof *out->list))
        rc = ns_oom(err, "a list");
    const bool in_range = strchr(text, ':') != NULL;   /* evenly spaced values are rounded, typed ones must be whole */
    for (int64_t i = 0; rc == NS_OK && i < numbers.n; i++) {
        const double value = numbers.list[i];
        if (fabs(value) > 0x1p53 || (!in_range && value != floor(value)))
            rc = ns_fail(err, NS_E_ARG, "'%s': %g is not a whole number", text, value);
        else
            out->list[out->n++] = llround(value);
    }
    free(numbers.list);
    return rc;
}

static int add_head(char *part, void *out, ns_error *err)
{
    cli_heads *const heads = out;
    char *const dot = strpbrk(part, ".:-");
    const char sign = dot ? *dot : '\0';
    int64_t layer, head;
    if (dot)
        *dot = '\0';
    const bool good = dot && cli_value_int(part, &layer) && cli_value_int(dot + 1, &head) && layer >= 0 && head >= 0;
    if (dot)
        *dot = sign;
    if (!good)
        return ns_fail(err, NS_E_ARG, "'%.40s': a head is LAYER.HEAD, both counted from 0 (as in 3.1)", part);
    if (!ns_grow(&heads->list, &heads->capacity, heads->n + 1, sizeof *heads->list))
        return ns_oom(err, "a list");
    heads->list[heads->n++] = (ns_head){layer, head};
    return NS_OK;
}

int cli_value_heads(const char *text, cli_heads *out, ns_error *err)
{
    return each_part(text, add_head, out, err);
}

int cli_value_heads_or_file(const char *text, cli_heads *out, ns_error *err)
{
    ns_head_list list;
    if (!ns_path_exists(text))
        return cli_value_heads(text, out, err);
    int rc = ns_head_list_read(&list, text, err);
    if (rc == NS_OK && !ns_grow(&out->list, &out->capacity, out->n + list.n_chosen, sizeof *out->list))
        rc = ns_oom(err, text);
    rc = rc != NS_OK ? rc : ns_head_list_chosen(&list, text, out->list + out->n, err);
    out->n += rc == NS_OK ? list.n_chosen : 0;
    ns_head_list_clear(&list);
    return rc;
}

/* ---- each item once ---- */

static int by_word(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int by_int(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int by_number(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int by_head(const void *a, const void *b)
{
    const ns_head *const x = a, *const y = b;
    return x->layer != y->layer ? by_int(&x->layer, &y->layer) : by_int(&x->head, &y->head);
}

static int given_twice(cli_kind kind, const void *item, ns_error *err)
{
    const ns_head *const head = item;
    return kind == CLI_INTS      ? ns_fail(err, NS_E_ARG, "%lld is given twice", (long long)*(const int64_t *)item)
           : kind == CLI_NUMBERS ? ns_fail(err, NS_E_ARG, "%g is given twice", *(const double *)item)
           : kind == CLI_HEADS   ? ns_fail(err, NS_E_ARG, "%lld.%lld is given twice", (long long)head->layer, (long long)head->head)
                                 : ns_fail(err, NS_E_ARG, "%.200s is given twice", *(const char *const *)item);
}

int cli_value_once(cli_kind kind, const void *list, ns_error *err)
{
    static const struct { size_t size; int (*order)(const void *, const void *); } items[] = {
        [CLI_WORDS] = {sizeof(char *), by_word}, [CLI_FILES] = {sizeof(char *), by_word}, [CLI_INTS] = {sizeof(int64_t), by_int},
        [CLI_NUMBERS] = {sizeof(double), by_number}, [CLI_HEADS] = {sizeof(ns_head), by_head},
    };
    const size_t size = kind < sizeof items / sizeof *items ? items[kind].size : 0;
    if (!size)
        return NS_OK;
    /* all lists are of this shape */
    const size_t n = (size_t)((const cli_words *)list)->n;
    char *const sorted = ns_alloc_array(n, size);
    if (!sorted)
        return ns_oom(err, "a list");
    memcpy(sorted, ((const cli_words *)list)->list, n * size);
    qsort(sorted, n, size, items[kind].order);
    int rc = NS_OK;
    for (size_t i = 1; i < n && rc == NS_OK; i++)
        if (items[kind].order(sorted + (i - 1) * size, sorted + i * size) == 0)
            rc = given_twice(kind, sorted + i * size, err);
    free(sorted);
    return rc;
}

int cli_value_rows(const char *text, ns_rows *rows, cli_ints *positions, ns_error *err)
{
    static const struct { const char *name; ns_rows_kind kind; } words[] = {
        {"all", NS_ROWS_ALL}, {"answer", NS_ROWS_ANSWER}, {"probe", NS_ROWS_PROBE},
    };
    *rows = (ns_rows){0};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(text, words[i].name) == 0) {
            rows->kind = words[i].kind;
            return NS_OK;
        }
    if (ns_starts(text, "last:")) {
        rows->kind = NS_ROWS_LAST;
        const bool good = cli_value_int(text + 5, &rows->n) && rows->n > 0;
        return good ? NS_OK : ns_fail(err, NS_E_ARG, "--rows %s: expected last:N with N > 0", text);
    }
    if (ns_starts(text, "span:") && text[5]) {
        *rows = (ns_rows){.kind = NS_ROWS_SPAN, .span = text + 5};
        return NS_OK;
    }
    if (cli_value_ints(text, positions, err) < 0)
        return ns_fail(err, NS_E_ARG, "--rows %s: expected all, answer, probe, last:N, span:NAME, or positions such as 0,5,-1", text);
    *rows = (ns_rows){.kind = NS_ROWS_LIST, .n = positions->n, .positions = positions->list};
    ns_error why = {""};
    const int rc = cli_value_once(CLI_INTS, positions, &why);
    return rc != NS_OK ? ns_fail(err, rc, "--rows %s: %s", text, why.message) : NS_OK;
}

int cli_value_choice(const char *text, const char *choices)
{
    const size_t n = strlen(text);
    int index = 0;
    for (const char *at = choices;; index++) {
        const size_t length = strcspn(at, "|");
        if (length == n && strncmp(at, text, n) == 0)
            return index;
        if (!at[length])
            return -1;
        at += length + 1;
    }
}

int cli_check_words(const char *option, const cli_words *words, const char *const *names, int n, unsigned *mask, ns_error *err)
{
    *mask = 0;
    for (int64_t w = 0; w < words->n; w++) {
        int i = 0;
        while (i < n && strcmp(words->list[w], names[i]) != 0)
            i++;
        if (i < n) {
            *mask |= 1u << i;
            continue;
        }
        char list[160] = "";
        for (int k = 0; k < n; k++)
            snprintf(list + strlen(list), sizeof list - strlen(list), k ? ", %s" : "%s", names[k]);
        const char *const near = ns_nearest_word(words->list[w], names, n);
        return ns_fail(err, NS_E_ARG, "--%s: there is no '%.60s' (%s%s%s%s)", option, words->list[w], near ? "did you mean " : "",
                       near ? near : list, near ? "? All: " : "", near ? list : "");
    }
    return NS_OK;
}
