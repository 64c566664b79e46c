/* series_manifest.c - the manifest: JSONL that overrides names and order; and the one that says what was found. */
#include "io/series.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_MANIFEST = 16 << 20 };

/* What it is found by again: without a stage that is its step. */
static int read_stage(const ns_series *s, const cJSON *line, ns_series_item *item, const char *where, ns_error *err)
{
    int rc = ns_json_i64(line, "stage", 0, &item->stage, where, err);
    rc = rc != NS_OK ? rc : ns_json_i64(line, "stage_step", item->stage ? -1 : item->step, &item->stage_step, where, err);
    if (rc == NS_OK && (item->stage ? item->stage < 1 || item->stage_step < 0 : item->stage_step != item->step))
        return ns_fail(err, NS_E_FORMAT, "%s: stage and stage_step stand together, stage from 1 on", where);
    for (int64_t i = 0; rc == NS_OK && i < s->n; i++)
        if (ns_series_stage(&s->list[i]) == ns_series_stage(item) && s->list[i].stage_step == item->stage_step)
            return ns_fail(err, NS_E_FORMAT, "%s: '%s' is step %lld of stage %lld already", where, s->list[i].label,
                           (long long)item->stage_step, (long long)ns_series_stage(item));
    return rc;
}

static int manifest_line(ns_series *s, const cJSON *line, const char *folder, const char *where, ns_error *err)
{
    const char *path, *label, *revision;
    ns_series_item item = {.tokens = -1};
    int rc;
    if ((rc = ns_json_str(line, "path", &path, where, err)) != NS_OK || (rc = ns_json_str(line, "label", &label, where, err)) != NS_OK ||
        (rc = ns_json_str(line, "revision", &revision, where, err)) != NS_OK ||
        (rc = ns_json_i64(line, "step", -1, &item.step, where, err)) != NS_OK ||
        (rc = ns_json_i64(line, "tokens", -1, &item.tokens, where, err)) != NS_OK || (rc = read_stage(s, line, &item, where, err)) != NS_OK)
        return rc;
    if (!path || item.step < 0)
        return ns_fail(err, NS_E_FORMAT, "%s: a line needs path and step", where);
    if (s->n && item.step <= s->list[s->n - 1].step)
        return ns_fail(err, NS_E_FORMAT, "%s: step %lld does not come after step %lld", where, (long long)item.step,
                       (long long)s->list[s->n - 1].step);
    for (int64_t i = s->n - 1; i >= 0 && item.tokens >= 0; i--)
        if (item.tokens < s->list[i].tokens)
            return ns_fail(err, NS_E_FORMAT, "%s: step %lld with %lld tokens behind step %lld with %lld: they never become fewer", where,
                           (long long)item.step, (long long)item.tokens, (long long)s->list[i].step, (long long)s->list[i].tokens);
    char *const full = path[0] == '/' ? ns_strdup(path) : ns_path_join(folder, path);
    label = label ? label : revision ? revision : ns_path_base(path);
    rc = full ? ns_series_append(s, full, revision, label, &item, err) : ns_oom(err, where);
    free(full);
    return rc;
}

int ns_series_manifest(ns_series *out, const char *path, ns_error *err)
{
    char *text = NULL, where[512];
    *out = (ns_series){0};
    int rc = ns_file_read(path, MAX_MANIFEST, &text, NULL, err);
    char *const folder = ns_printf_alloc("%.*s", (int)(ns_path_base(path) - path), path);
    if (rc == NS_OK && !folder)
        rc = ns_oom(err, path);
    int64_t number = 1;
    for (char *line = text, *end; rc == NS_OK && line && *line; line = end, number++) {
        const size_t n = strcspn(line, "\n");
        end = line + n + (line[n] == '\n');
        cJSON *object = NULL;
        ns_line(where, sizeof where, "%s:%lld", path, (long long)number);
        if (strspn(line, " \t\r") >= n)
            continue;
        rc = ns_json_parse(&object, line, n, 4, where, err);
        if (rc == NS_OK)
            rc = manifest_line(out, object, folder[0] ? folder : ".", where, err);
        cJSON_Delete(object);
    }
    if (rc == NS_OK && out->n == 0)
        rc = ns_fail(err, NS_E_FORMAT, "%s: no checkpoint in it", path);
    if (rc != NS_OK)
        ns_series_clear(out);
    free(folder);
    free(text);
    return ns_json_fail(err, rc, path, NS_KIND_MANIFEST);
}

/* ---- written ---- */

/* Relative to the manifest's folder where it lies below it, else from the root on; malloc'd. */
static char *written_path(const char *path, const char *folder)
{
    char *const whole = ns_path_whole(path);
    const size_t n = strlen(folder);
    const bool below = whole && n > 1 && ns_starts(whole, folder) && whole[n] == '/';
    char *const out = whole ? ns_strdup(below ? whole + n + 1 : strcmp(whole, folder) == 0 ? "." : whole) : NULL;
    free(whole);
    return out;
}

/* A line of text, malloc'd; NULL: no memory. */
static char *line_of(const ns_series_item *item, const char *folder)
{
    cJSON *const line = cJSON_CreateObject();
    char *const path = written_path(item->path, folder);
    const bool good = line && path && cJSON_AddStringToObject(line, "path", path) &&
                      (!item->revision || cJSON_AddStringToObject(line, "revision", item->revision)) &&
                      cJSON_AddNumberToObject(line, "step", (double)item->step) &&
                      (item->stage == 0 || (cJSON_AddNumberToObject(line, "stage", (double)item->stage) &&
                                            cJSON_AddNumberToObject(line, "stage_step", (double)item->stage_step))) &&
                      (item->tokens < 0 || cJSON_AddNumberToObject(line, "tokens", (double)item->tokens)) &&
                      cJSON_AddStringToObject(line, "label", item->label);
    char *const text = good ? ns_json_print(line, false) : NULL;
    cJSON_Delete(line);
    free(path);
    return text;
}

int ns_series_write_manifest(const ns_series *s, const char *path, ns_error *err)
{
    ns_atomic_file file;
    int rc = ns_atomic_begin_text(&file, path, err);
    if (rc != NS_OK)
        return rc;
    char *const dir = ns_printf_alloc("%.*s", (int)(ns_path_base(path) - path), path);
    char *const folder = realpath(dir && *dir ? dir : ".", NULL);
    FILE *const out = ns_atomic_stream(&file, &rc, err);
    for (int64_t i = 0; out && rc == NS_OK && i < s->n; i++) {
        char *const line = dir && folder ? line_of(&s->list[i], folder) : NULL;
        rc = line ? NS_OK : ns_oom(err, path);
        if (rc == NS_OK && fprintf(out, "%s\n", line) < 0)
            rc = ns_fail_errno(err, NS_E_CREATE, path, "cannot be written");
        free(line);
    }
    free(folder);
    free(dir);
    return ns_atomic_end(&file, out, rc, err);
}
