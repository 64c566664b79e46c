/* notebook.c - JSON of a notebook: sources as lists of lines, tables as HTML and as text, figures as base64. */
#include "notebook.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "words.h"

/* With a key: a member; without: an element of a list. */
static cJSON *object(ns_notebook *b, cJSON *in, const char *key)
{
    cJSON *o = key ? cJSON_AddObjectToObject(in, key) : cJSON_CreateObject();
    if (!key && !cJSON_AddItemToArray(in, o)) {
        cJSON_Delete(o);
        o = NULL;
    }
    b->failed |= !o;
    return o;
}

static cJSON *array(ns_notebook *b, cJSON *in, const char *key)
{
    cJSON *const a = cJSON_AddArrayToObject(in, key);
    b->failed |= !a;
    return a;
}

static void string(ns_notebook *b, cJSON *in, const char *key, const char *value)
{
    char *const clean = ns_clean_utf8(value ? value : "");
    b->failed |= !clean || !cJSON_AddStringToObject(in, key, clean);
    free(clean);
}

static void number(ns_notebook *b, cJSON *in, const char *key, int64_t value)
{
    b->failed |= !cJSON_AddNumberToObject(in, key, (double)value);
}

/* Lines with their ends, as nbformat writes them. */
static void lines(ns_notebook *b, cJSON *in, const char *key, const char *text)
{
    cJSON *const list = array(b, in, key);
    while (*text) {
        const char *const stop = strchr(text, '\n');
        const size_t n = stop ? (size_t)(stop - text) + 1 : strlen(text);
        char *const copy = ns_printf_alloc("%.*s", (int)n, text), *const clean = copy ? ns_clean_utf8(copy) : NULL;
        cJSON *const line = clean ? cJSON_CreateString(clean) : NULL;
        if (!cJSON_AddItemToArray(list, line)) {
            cJSON_Delete(line);
            b->failed = true;
        }
        free(copy);
        free(clean);
        text += n;
    }
}

void ns_notebook_begin(ns_notebook *b)
{
    *b = (ns_notebook){0};
    b->root = cJSON_CreateObject();
    b->cells = array(b, b->root, "cells");
    cJSON *const metadata = object(b, b->root, "metadata");
    cJSON *const kernel = object(b, metadata, "kernelspec");
    string(b, kernel, "display_name", "Python 3");
    string(b, kernel, "language", "python");
    string(b, kernel, "name", "python3");
    string(b, object(b, metadata, "language_info"), "name", "python");
    number(b, b->root, "nbformat", 4);
    number(b, b->root, "nbformat_minor", 5);
}

void ns_notebook_facts(ns_notebook *b, const ns_fact_list *facts)
{
    cJSON *const of = object(b, cJSON_GetObjectItemCaseSensitive(b->root, "metadata"), "needlescope");
    for (int64_t i = 0; i < facts->n; i++)
        string(b, of, facts->list[i].name, facts->list[i].value);
}

void ns_notebook_drop(ns_notebook *b)
{
    cJSON_Delete(b->root);
    *b = (ns_notebook){0};
}

int ns_notebook_write(ns_notebook *b, const char *path, ns_error *err)
{
    char *const text = b->failed ? NULL : ns_json_print(b->root, true);
    int rc = text ? ns_kind_check_output(path, NS_KINDS(NS_KIND_NOTEBOOK), err) : ns_oom(err, path);
    rc = rc != NS_OK ? rc : ns_file_write(path, text, strlen(text), err);
    free(text);
    ns_notebook_drop(b);
    return rc;
}

/* ---- text ---- */

bool ns_text_begin(ns_text *t, ns_notebook *b)
{
    *t = (ns_text){.stream = ns_stream_open()};
    t->f = t->stream ? ns_stream_file(t->stream) : NULL;
    b->failed |= !t->f;
    return t->f;
}

/* malloc'd, never NULL when all is well. */
static char *text_end(ns_notebook *b, ns_text *t)
{
    char *text = NULL;
    b->failed |= !t->stream || ns_stream_end(t->stream, "", &text, NULL, NULL) < 0;
    *t = (ns_text){0};
    return text;
}

static cJSON *cell(ns_notebook *b, const char *kind, const char *id, ns_text *t)
{
    char *const text = text_end(b, t);
    cJSON *const c = b->failed ? NULL : object(b, b->cells, NULL);
    string(b, c, "cell_type", kind);
    string(b, c, "id", id);
    object(b, c, "metadata");
    lines(b, c, "source", text ? text : "");
    free(text);
    return c;
}

void ns_notebook_markdown(ns_notebook *b, const char *id, ns_text *t)
{
    cell(b, "markdown", id, t);
}

cJSON *ns_notebook_code(ns_notebook *b, const char *id, ns_text *t, const char *const *code)
{
    for (; *code && t->f; code++)
        fprintf(t->f, "%s%s", *code, code[1] ? "\n" : "");
    cJSON *const c = cell(b, "code", id, t);
    number(b, c, "execution_count", ++b->executed);
    array(b, c, "outputs");
    return c;
}

/* ---- outputs ---- */

static cJSON *output(ns_notebook *b, cJSON *cell, const char *kind)
{
    cJSON *const o = object(b, cJSON_GetObjectItem(cell, "outputs"), NULL);
    string(b, o, "output_type", kind);
    return o;
}

void ns_notebook_says(ns_notebook *b, cJSON *cell, ns_text *t)
{
    char *const text = text_end(b, t);
    cJSON *const o = output(b, cell, "stream");
    string(b, o, "name", "stdout");
    lines(b, o, "text", text ? text : "");
    free(text);
}

void ns_notebook_png(ns_notebook *b, cJSON *cell, ns_export_png png, const char *alt)
{
    if (!png.n)
        return;
    char *const text = ns_base64(png.data, png.n);
    cJSON *const o = output(b, cell, "display_data"), *const data = object(b, o, "data");
    b->failed |= !text;
    string(b, data, "image/png", text);
    lines(b, data, "text/plain", alt);
    object(b, o, "metadata");
    free(text);
}

/* The value of the cell's last line. */
static cJSON *result(ns_notebook *b, cJSON *cell)
{
    cJSON *const o = output(b, cell, "execute_result"), *const data = object(b, o, "data");
    number(b, o, "execution_count", b->executed);
    object(b, o, "metadata");
    return data;
}

void ns_notebook_html(ns_notebook *b, cJSON *cell, ns_text *t, const char *plain)
{
    char *const text = text_end(b, t);
    cJSON *const data = result(b, cell);
    lines(b, data, "text/html", text ? text : "");
    lines(b, data, "text/plain", plain);
    free(text);
}

/* ---- tables ---- */

/* A tab or the end of a line is shown as pandas shows it: \t. malloc'd. */
static char *visible(const char *text)
{
    static const char seen[] = "\n\r\t", shown_as[] = "nrt";
    char *const out = ns_alloc_array(2 * strlen(text) + 1, 1), *to = out;
    for (; out && *text; text++) {
        const char *const at = strchr(seen, *text);
        if (at)
            *to++ = '\\';
        *to++ = at ? shown_as[at - seen] : *text;
    }
    return ns_one_line(out);
}

void ns_grid_add(ns_notebook *b, ns_grid *g, const char *format, ...)
{
    va_list args;
    char *text = NULL;
    va_start(args, format);
    const bool good = vasprintf(&text, format, args) >= 0;
    va_end(args);
    char *const cell = good ? visible(text) : NULL;
    if (good)
        free(text);
    if (!cell || !ns_grow(&g->cell, &g->capacity, g->n + 1, sizeof *g->cell)) {
        b->failed = true;
        free(cell);
        return;
    }
    g->cell[g->n++] = cell;
}

static void html(FILE *f, const ns_grid *g)
{
    fputs("<table>\n", f);
    for (int64_t i = 0; i < g->n; i++) {
        const char *const tag = i < g->columns ? "th" : "td";
        fprintf(f, "%s<%s>", i % g->columns ? "" : "<tr>", tag);
        ns_words_html(f, g->cell[i]);
        fprintf(f, "</%s>%s", tag, (i + 1) % g->columns ? "" : "</tr>\n");
    }
    fputs("</table>", f);
}

/* Characters as UTF-8 counts them: what a terminal shows of most scripts. */
static int64_t width(const char *text)
{
    int64_t n = 0;
    for (; *text; text++)
        n += (*text & 0xc0) != 0x80;
    return n;
}

static void plain(FILE *f, const ns_grid *g)
{
    for (int64_t i = 0; i < g->n; i++) {
        int64_t widest = 0;
        for (int64_t k = i % g->columns; k < g->n; k += g->columns)
            widest = width(g->cell[k]) > widest ? width(g->cell[k]) : widest;
        fprintf(f, "%*s%s", (int)(widest - width(g->cell[i])), "", g->cell[i]);
        fputs((i + 1) % g->columns ? "  " : i + 1 < g->n ? "\n" : "", f);
    }
}

static void shown(ns_notebook *b, cJSON *data, const char *type, const ns_grid *g, void (*write)(FILE *, const ns_grid *))
{
    ns_text t;
    if (!ns_text_begin(&t, b))
        return;
    write(t.f, g);
    char *const text = text_end(b, &t);
    lines(b, data, type, text ? text : "");
    free(text);
}

void ns_notebook_grid(ns_notebook *b, cJSON *cell, ns_grid *g)
{
    cJSON *const data = result(b, cell);
    shown(b, data, "text/html", g, html);
    shown(b, data, "text/plain", g, plain);
    for (int64_t i = 0; i < g->n; i++)
        free(g->cell[i]);
    free(g->cell);
    *g = (ns_grid){0};
}
