/* scaling_table.c - a TSV of losses by size and token budget, column by name. */
#include "scaling.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_LINE = 1 << 16, MOST_POINTS = 10000 };
enum { SIZE, MULTIPLIER, N, LOSS, COLUMNS };
static const char *const names[COLUMNS] = {"model_size", "token_multiplier", "n", "loss"};

typedef struct reading {
    ns_scaling_table *t;
    ns_lines lines;
    int column[COLUMNS];
    int64_t points, sizes;
} reading; /* capacities */

static int fail(const reading *r, ns_error *err, const char *what, const char *value)
{
    return ns_fail(err, NS_E_FORMAT, "%s: line %lld: %s%s%s%s", r->t->path, (long long)r->lines.number, what, value ? " '" : "",
                   value ? value : "", value ? "'" : "");
}

/* The cells of a line, in place; their number. */
static int64_t split(char *line, char **cells, int64_t most)
{
    int64_t n = 0;
    char *at = line;
    while (at && n < most) {
        cells[n++] = at;
        at = strchr(at, '\t');
        if (at)
            *at++ = '\0';
    }
    return n;
}

static char *trim(char *text)
{
    text += strspn(text, " ");
    for (size_t n = strlen(text); n && strchr(" \r", text[n - 1]); n--)
        text[n - 1] = '\0';
    return text;
}

enum { MOST_CELLS = 64 };

static int read_header(reading *r, char *line, ns_error *err)
{
    char *cells[MOST_CELLS];
    const int64_t n = split(line, cells, MOST_CELLS);
    for (int k = 0; k < COLUMNS; k++) {
        r->column[k] = -1;
        for (int64_t i = 0; i < n; i++)
            if (strcmp(trim(cells[i]), names[k]) == 0)
                r->column[k] = (int)i;
        if (r->column[k] < 0)
            return ns_fail(err, NS_E_FORMAT,
                           "%s: has no column '%s': its first line names model_size, token_multiplier, n and loss, with tabs "
                           "between them",
                           r->t->path, names[k]);
    }
    return NS_OK;
}

/* A finite number above 0 with nothing behind it but `unit`. */
static bool read_positive(const char *text, const char *unit, double *out)
{
    char *end;
    *out = strtod(text, &end);
    return end != text && (*end == '\0' || strcmp(end, unit) == 0) && isfinite(*out) && *out > 0;
}

/* The table's own copy of a size's name; one name has one n. NULL: err says why. */
static const char *size_of(reading *r, const char *name, double n, int *rc, ns_error *err)
{
    ns_scaling_table *const t = r->t;
    for (int64_t i = 0; i < t->n; i++) {
        if (strcmp(t->points[i].size, name) != 0)
            continue;
        if (t->points[i].n == n)
            return t->points[i].size;
        *rc = fail(r, err, "n is not that of an earlier line of size", name);
        return NULL;
    }
    char *const copy = ns_strdup(name);
    if (!copy || !ns_grow(&t->sizes, &r->sizes, t->n_sizes + 1, sizeof *t->sizes)) {
        free(copy);
        *rc = ns_oom(err, t->path);
        return NULL;
    }
    return t->sizes[t->n_sizes++] = copy;
}

static int read_cells(reading *r, char *line, char *cell[COLUMNS], double value[COLUMNS], ns_error *err)
{
    static const char *const wrong[COLUMNS] = {
        "", "token_multiplier is no number above 0 like 200.1n:", "n is no number above 0:", "loss is no number above 0:"};
    char *cells[MOST_CELLS];
    const int64_t n = split(line, cells, MOST_CELLS);
    for (int k = 0; k < COLUMNS; k++) {
        cell[k] = r->column[k] < n ? trim(cells[r->column[k]]) : "";
        if (!*cell[k])
            return fail(r, err, "has no", names[k]);
        if (k != SIZE && !read_positive(cell[k], k == MULTIPLIER ? "n" : "", &value[k]))
            return fail(r, err, wrong[k], cell[k]);
    }
    return NS_OK;
}

static int read_point(reading *r, char *line, ns_error *err)
{
    ns_scaling_table *const t = r->t;
    char *cell[COLUMNS];
    double value[COLUMNS] = {0};
    int rc = read_cells(r, line, cell, value, err);
    if (rc != NS_OK)
        return rc;
    const double y = t->longppl ? ns_log(value[LOSS]) : value[LOSS], tokens = value[MULTIPLIER] * value[N];
    if (!(y > 0))
        return fail(r, err, "a LongPPL of 1 and less has no place on the curve:", cell[LOSS]);
    if (!isfinite(tokens))
        return fail(r, err, "token_multiplier times n is no number:", cell[MULTIPLIER]);
    if (t->n == MOST_POINTS)
        return fail(r, err, "more than 10000 points", NULL);
    const char *const size = size_of(r, cell[SIZE], value[N], &rc, err);
    if (rc != NS_OK)
        return rc;
    if (!ns_grow(&t->points, &r->points, t->n + 1, sizeof *t->points))
        return ns_oom(err, t->path);
    t->points[t->n++] = (ns_scaling_point){size, value[N], tokens, y};
    return NS_OK;
}

/* Sizes by n, which their first point has. */
static double n_of(const ns_scaling_table *t, const char *size)
{
    int64_t i = 0;
    while (t->points[i].size != size)
        i++;
    return t->points[i].n;
}

static void sort_sizes(ns_scaling_table *t)
{
    for (int64_t i = 1; i < t->n_sizes; i++)
        for (int64_t k = i; k > 0 && n_of(t, t->sizes[k]) < n_of(t, t->sizes[k - 1]); k--) {
            char *const later = t->sizes[k];
            t->sizes[k] = t->sizes[k - 1];
            t->sizes[k - 1] = later;
        }
}

static int read_lines(reading *r, ns_error *err)
{
    char *line;
    size_t n;
    int rc = ns_lines_open(&r->lines, r->t->path, err);
    while (rc == NS_OK && (rc = ns_lines_next(&r->lines, LONGEST_LINE, &line, &n, err)) == 1) {
        rc = NS_OK;
        if (strlen(line) != n || !ns_utf8_valid(line, n, NULL))
            rc = fail(r, err, "is no text", NULL);
        else if (r->lines.number == 1)
            rc = read_header(r, line, err);
        else if (*trim(line))
            rc = read_point(r, line, err);
    }
    if (rc == NS_OK && r->lines.number == 0)
        rc = ns_fail(err, NS_E_FORMAT, "%s: is empty", r->t->path);
    ns_lines_close(&r->lines);
    return ns_kind_fail(err, rc, r->t->path, NS_KINDS(NS_KIND_TEXT) | NS_KINDS(NS_KIND_STREAM), "a table of losses");
}

int ns_scaling_read(ns_scaling_table *t, const char *path, bool longppl, ns_error *err)
{
    *t = (ns_scaling_table){.path = ns_strdup(path), .longppl = longppl};
    reading r = {.t = t};
    const int rc = t->path ? read_lines(&r, err) : ns_oom(err, path);
    if (rc == NS_OK)
        sort_sizes(t);
    return rc;
}

void ns_scaling_clear(ns_scaling_table *t)
{
    ns_free_strings(t->sizes, t->n_sizes);
    free(t->points);
    free(t->path);
    *t = (ns_scaling_table){0};
}
