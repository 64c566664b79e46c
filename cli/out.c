/* out.c - the printer behind --json and its absence. Text goes to a memory stream, JSON to a cJSON tree; tables wait for their widths. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <needlescope/record.h>

#include "cli/out.h"

enum { LABEL_WIDTH = 18 };

void cli_out_begin(cli_out *o, const cli *app, const char *schema)
{
    *o = (cli_out){.json = app->globals.json, .to = !app->answer_aside ? stdout : app->globals.quiet ? NULL : stderr};
    if (o->json) {
        o->root = cJSON_CreateObject();
        o->failed = !o->root || !cJSON_AddStringToObject(o->root, "schema", schema);
    } else {
        o->stream = ns_stream_open();
        o->text = o->stream ? ns_stream_file(o->stream) : NULL;
        o->failed = !o->text;
    }
}

/* The shortest decimal that is this float again, where it is one: 0.95, not 0.94999998807907104. */
static double tidy(double value)
{
    if ((double)(float)value != value || !isfinite(value))
        return value;
    char digits[40];
    for (int precision = 6; precision <= 9; precision++) {
        snprintf(digits, sizeof digits, "%.*g", precision, value);
        if (strtof(digits, NULL) == (float)value)
            break;
    }
    return strtod(digits, NULL);
}

/* Adopts item; a missing item is a failed allocation. */
static void add(cli_out *o, cJSON *parent, const char *key, cJSON *item)
{
    if (item && parent && (key ? cJSON_AddItemToObject(parent, key, item) : cJSON_AddItemToArray(parent, item)))
        return;
    cJSON_Delete(item);
    o->failed = true;
}

static void label_line(cli_out *o, const char *label, const char *value)
{
    if (label && o->text) {
        char *const clean_label = ns_visible(label, ""), *const clean = ns_visible(value, "");
        o->failed |= !clean_label || !clean;
        if (clean_label && clean)
            fprintf(o->text, "%-*s %s\n", LABEL_WIDTH, clean_label, clean);
        free(clean_label);
        free(clean);
    }
}

void cli_out_text(cli_out *o, const char *key, const char *label, const char *value)
{
    if (o->json)
        add(o, o->root, key, value ? cJSON_CreateString(value) : cJSON_CreateNull());
    else if (value)
        label_line(o, label, value);
}

void cli_out_need(cli_out *o, const void *made)
{
    o->failed |= !made;
}

void cli_out_int(cli_out *o, const char *key, const char *label, int64_t value)
{
    char digits[32];
    snprintf(digits, sizeof digits, "%lld", (long long)value);
    if (o->json)
        add(o, o->root, key, cJSON_CreateRaw(digits));
    else
        label_line(o, label, digits);
}

void cli_out_number(cli_out *o, const char *key, const char *label, double value)
{
    char digits[40];
    snprintf(digits, sizeof digits, "%.4g", value);
    if (o->json)
        add(o, o->root, key, cJSON_CreateNumber(tidy(value)));
    else
        label_line(o, label, digits);
}

void cli_out_bool(cli_out *o, const char *key, const char *label, bool value)
{
    if (o->json)
        add(o, o->root, key, cJSON_CreateBool(value));
    else
        label_line(o, label, value ? "yes" : "no");
}

void cli_out_ints(cli_out *o, const char *key, const int64_t *list, int64_t n)
{
    if (!o->json)
        return;
    cJSON *const array = cJSON_CreateArray();
    for (int64_t i = 0; i < n && array; i++)
        add(o, array, NULL, cJSON_CreateNumber((double)list[i]));
    add(o, o->root, key, array);
}

void cli_out_say(cli_out *o, const char *fmt, ...)
{
    if (!o->text)
        return;
    va_list args;
    va_start(args, fmt);
    char *line = NULL;
    const bool made = vasprintf(&line, fmt, args) >= 0;
    va_end(args);
    char *const clean = made ? ns_visible(line, "\n") : NULL;
    o->failed |= !clean;
    fputs(clean ? clean : "", o->text);
    free(clean);
    if (made)
        free(line);
}

void cli_out_verbatim(cli_out *o, const char *text)
{
    if (o->text && !(o->to && isatty(fileno(o->to))))
        fprintf(o->text, "%s\n", text);
    else
        cli_out_say(o, "%s\n", text);
}

void cli_out_table(cli_out *o, const char *key, const char *title, const cli_column *columns, int n_columns)
{
    o->title = title;
    o->columns = columns;
    o->n_columns = n_columns;
    o->n_cells = 0;
    if (o->json) {
        o->rows = cJSON_CreateArray();
        add(o, o->root, key, o->rows);
        if (o->failed)
            o->rows = NULL;
    }
}

static void put_cell(cli_out *o, const char *text, cJSON *item)
{
    const int column = (int)(o->n_cells % o->n_columns);
    if (o->json) {
        if (column == 0) {
            o->row = cJSON_CreateObject();
            add(o, o->rows, NULL, o->row);
            if (o->failed)
                o->row = NULL;
        }
        add(o, o->row, o->columns[column].key, item);
        o->n_cells++;
        return;
    }
    char *const copy = ns_visible(text, "");
    if (!copy || !ns_grow(&o->cells, &o->cells_capacity, o->n_cells + 1, sizeof *o->cells)) {
        free(copy);
        o->failed = true;
        return;
    }
    o->cells[o->n_cells++] = copy;
}

void cli_cell_text(cli_out *o, const char *value)
{
    put_cell(o, value ? value : "-", !o->json ? NULL : value ? cJSON_CreateString(value) : cJSON_CreateNull());
}

void cli_cell_int(cli_out *o, int64_t value)
{
    char digits[32];
    snprintf(digits, sizeof digits, "%lld", (long long)value);
    put_cell(o, digits, o->json ? cJSON_CreateRaw(digits) : NULL);
}

void cli_cell_number(cli_out *o, double value)
{
    char digits[40];
    snprintf(digits, sizeof digits, isnan(value) ? "-" : "%.4g", value);
    put_cell(o, digits, o->json ? cJSON_CreateNumber(tidy(value)) : NULL);
}

/* Columns on a terminal, code points as an estimate. */
static int width_of(const char *text)
{
    int width = 0;
    for (; *text; text++)
        width += ((unsigned char)*text & 0xC0) != 0x80;
    return width;
}

static void print_cell(cli_out *o, const char *text, int column, int width)
{
    const int pad = width - width_of(text);
    const bool left = o->columns[column].kind == CELL_TEXT, last = column == o->n_columns - 1;
    fprintf(o->text, "%s%*s%s%*s%s", column ? "  " : "", left ? 0 : pad, "", text, left && !last ? pad : 0, "", last ? "\n" : "");
}

void cli_out_table_end(cli_out *o)
{
    if (o->text && o->n_cells && !o->failed) {
        if (o->title)
            fprintf(o->text, "\n%s\n", o->title);
        int *const widths = ns_alloc_array((size_t)o->n_columns, sizeof *widths);
        for (int c = 0; c < o->n_columns && widths; c++) {
            widths[c] = width_of(o->columns[c].title);
            for (int64_t i = c; i < o->n_cells; i += o->n_columns)
                if (width_of(o->cells[i]) > widths[c])
                    widths[c] = width_of(o->cells[i]);
        }
        for (int c = 0; c < o->n_columns && widths; c++)
            print_cell(o, o->columns[c].title, c, widths[c]);
        for (int64_t i = 0; i < o->n_cells && widths; i++)
            print_cell(o, o->cells[i], (int)(i % o->n_columns), widths[i % o->n_columns]);
        o->failed |= !widths;
        free(widths);
    }
    for (int64_t i = 0; i < o->n_cells && !o->json; i++)
        free(o->cells[i]);
    o->n_cells = 0;
}

void cli_out_drop(cli_out *o)
{
    ns_stream_drop(o->stream);
    for (int64_t i = 0; i < o->n_cells && !o->json; i++)
        free(o->cells[i]);
    free(o->cells);
    cJSON_Delete(o->root);
    *o = (cli_out){0};
}

int cli_out_end(cli_out *o, ns_error *err)
{
    char *text = o->json && !o->failed ? ns_json_print(o->root, true) : NULL;
    if (o->stream)
        o->failed |= ns_stream_end(o->stream, "", &text, NULL, NULL) < 0;
    o->stream = NULL;
    int rc = o->failed || !text ? ns_oom(err, "the answer") : NS_OK;
    if (rc == NS_OK && o->to) {
        const bool written = fputs(text, o->to) >= 0 && (!o->json || fputc('\n', o->to) >= 0);
        if (!written || fflush(o->to) != 0)             /* errno is of the first that failed: a later one may succeed with what is left */
            rc = ns_fail_errno(err, NS_E_IO, "standard output", "writing failed");
    }
    free(text);
    cli_out_drop(o);
    return rc;
}

/* ---- what the library tells ---- */

static void answer_fact(void *o, const char *key, const char *label, ns_cell c)
{
    if (c.kind == NS_CELL_TEXT)
        cli_out_text(o, key, label, c.text);
    else if (c.kind == NS_CELL_INT)
        cli_out_int(o, key, label, c.integer);
    else
        cli_out_number(o, key, label, c.number);
}

static void answer_table(void *o, const char *key, const char *title, const ns_column *columns, int n_columns)
{
    cli_out_table(o, key, title, columns, n_columns);
}

static void answer_cell(void *o, ns_cell c)
{
    if (c.kind == NS_CELL_TEXT)
        cli_cell_text(o, c.text);
    else if (c.kind == NS_CELL_INT)
        cli_cell_int(o, c.integer);
    else
        cli_cell_number(o, c.number);
}

static void answer_end(void *o)
{
    cli_out_table_end(o);
}

ns_answer cli_out_answer(cli_out *o)
{
    return (ns_answer){o, !o->json, answer_fact, answer_table, answer_cell, answer_end};
}

int cli_out_written(cli *app, cli_out *o, const char *path)
{
    ns_file *file;
    const int rc = ns_file_open(&file, path, &app->err);
    if (rc != NS_OK) {
        cli_out_drop(o);
        return rc;
    }
    cli_out_text(o, "file", "wrote", path);
    cli_out_text(o, "content_sha256", "content", ns_file_fact(file, "content_sha256"));
    ns_file_close(file);
    return NS_OK;
}
