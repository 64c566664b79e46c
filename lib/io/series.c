/* series.c - a run's checkpoints as a list: sorted, one for each weight and branch, checked for doubles; and the manifest, which
 * overrides names and order. */
#include "io/series.h"

#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_MANIFEST = 16 << 20 };

int ns_series_append(ns_series *s, const char *path, const char *revision, const char *label, const ns_series_item *parsed, ns_error *err)
{
    if (!ns_grow(&s->list, &s->capacity, s->n + 1, sizeof *s->list))
        return ns_oom(err, path);
    ns_series_item *const item = &s->list[s->n++];
    *item = *parsed;
    item->path = ns_strdup(path);
    item->revision = revision ? ns_strdup(revision) : NULL;
    item->label = ns_strdup(label);
    return item->path && item->label && (item->revision || !revision) ? NS_OK : ns_oom(err, path);
}

int ns_series_leave(ns_series *s, const char *name, bool no_checkpoint, ns_error *err, const char *fmt, ...)
{
    char why[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(why, sizeof why, fmt, args);
    va_end(args);
    if (!ns_grow(&s->left_out, &s->left_capacity, s->n_left_out + 1, sizeof *s->left_out))
        return ns_oom(err, name);
    ns_series_left *const left = &s->left_out[s->n_left_out++];
    *left = (ns_series_left){.name = ns_strdup(name), .why = ns_strdup(why), .no_checkpoint = no_checkpoint};
    return left->name && left->why ? NS_OK : ns_oom(err, name);
}

static void item_free(ns_series_item *item)
{
    free(item->path);
    free(item->revision);
    free(item->label);
}

void ns_series_clear(ns_series *s)
{
    for (int64_t i = 0; i < s->n; i++)
        item_free(&s->list[i]);
    for (int64_t i = 0; i < s->n_left_out; i++) {
        free(s->left_out[i].name);
        free(s->left_out[i].why);
    }
    free(s->list);
    free(s->left_out);
    *s = (ns_series){0};
}

/* ---- one for each weight and branch ---- */

static int in_order(const void *a, const void *b)
{
    const ns_series_item *const x = a, *const y = b;
    if (x->final != y->final)
        return x->final - y->final;
    if (x->stage != y->stage)
        return x->stage < y->stage ? -1 : 1;
    if (x->branch != y->branch)
        return x->branch < y->branch ? -1 : 1;
    return x->step != y->step ? (x->step < y->step ? -1 : 1) : strcmp(x->label, y->label);
}

/* The real paths of its weight files, one a line: links and revisions share them. NULL where there are none; the scan will say why. */
static int files_of(const ns_series_item *item, char **out, ns_error *err)
{
    ns_location at;
    const int found = ns_locate(&at, item->path, item->revision, NULL);
    *out = NULL;
    if (found)
        return found == NS_E_MEMORY ? ns_oom(err, item->path) : NS_OK;
    char *all = ns_strdup("");
    for (int64_t i = 0; i < at.n_files && all; i++) {
        char real[PATH_MAX], *const longer = ns_printf_alloc("%s%s\n", all, realpath(at.files[i], real) ? real : at.files[i]);
        free(all);
        all = longer;
    }
    ns_location_free(&at);
    *out = all;
    return all ? NS_OK : ns_oom(err, item->path);
}

static int64_t twin_of(char *const *files, int64_t i)
{
    for (int64_t k = 0; k < i && files[i]; k++)
        if (files[k] && strcmp(files[k], files[i]) == 0)
            return k;
    return -1;
}

/* A branch that is not its stage's first. */
static const ns_series_item *branch_before(const ns_series *s, int64_t i)
{
    const ns_series_item *const item = &s->list[i];
    for (int64_t k = 0; k < i && item->branch; k++)
        if (s->list[k].branch && s->list[k].stage == item->stage && s->list[k].branch != item->branch)
            return &s->list[k];
    return NULL;
}

/* Why the i-th is not a checkpoint of its own: left out, and gone from the list. */
static int judge(ns_series *s, char *const *files, int64_t i, bool *gone, ns_error *err)
{
    const int64_t twin = twin_of(files, i);
    const ns_series_item *const first = branch_before(s, i);
    *gone = twin >= 0 || first;
    if (twin >= 0)
        return ns_series_leave(s, s->list[i].label, false, err, "the same weights as %s", s->list[twin].label);
    if (first)
        return ns_series_leave(s, s->list[i].label, false, err,
                               "trained beside %s, not after it: a run of its own, to be named with --manifest", first->label);
    return NS_OK;
}

static int drop_twins(ns_series *s, ns_error *err)
{
    char **const files = ns_alloc_array((size_t)s->n + 1, sizeof *files);
    bool *const gone = ns_alloc_array((size_t)s->n + 1, sizeof *gone);
    int rc = files && gone ? NS_OK : ns_oom(err, "the series");
    for (int64_t i = 0; i < s->n && rc == NS_OK; i++)
        rc = files_of(&s->list[i], &files[i], err);
    for (int64_t i = 0; i < s->n && rc == NS_OK; i++)
        rc = judge(s, files, i, &gone[i], err);
    int64_t kept = 0;
    for (int64_t i = 0; i < s->n && rc == NS_OK; i++) {
        if (gone[i])
            item_free(&s->list[i]);
        else
            s->list[kept++] = s->list[i];
    }
    for (int64_t i = 0; files && i < s->n; i++)
        free(files[i]);
    s->n = rc == NS_OK ? kept : s->n;
    free(files);
    free(gone);
    return rc;
}

/* ---- order ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const ns_series_left *)a)->name, ((const ns_series_left *)b)->name);
}

static int none(const ns_series *s, const char *folder, ns_error *err)
{
    for (int64_t i = 0; i < s->n_left_out; i++)
        if (!s->left_out[i].no_checkpoint)
            return ns_fail(err, NS_E_MISSING,
                           "%s: no checkpoint could be put in order: '%s': %s (%lld left out; name them in a --manifest)", folder,
                           s->left_out[i].name, s->left_out[i].why, (long long)s->n_left_out);
    return ns_fail(err, NS_E_MISSING, "%s: no checkpoints (folders named step1000, checkpoint-1000, ...) and no checkpoint itself", folder);
}

/* Where a later stage counts from 0 again, it goes on from the last count of the stage before. */
static int64_t base_of(int64_t first, int64_t last, int64_t next)
{
    return last >= 0 && first >= 0 && first <= last ? next : 0;
}

/* Steps and tokens of a later stage that start again are laid behind the stage before, so that they ascend; a final one is the next. */
int ns_series_settle(ns_series *s, const char *folder, ns_error *err)
{
    if (s->n)
        qsort(s->list, (size_t)s->n, sizeof *s->list, in_order);
    const int rc = drop_twins(s, err);
    if (s->n_left_out)
        qsort(s->left_out, (size_t)s->n_left_out, sizeof *s->left_out, by_name);
    if (rc != NS_OK || s->n == 0)
        return rc != NS_OK ? rc : none(s, folder, err);
    int64_t base = 0, seen = 0, stage = s->list[0].stage, last = -1, tokens = -1;
    for (int64_t i = 0; i < s->n; i++) {
        ns_series_item *const item = &s->list[i];
        if (!item->final && item->stage != stage) {
            base = base_of(item->step, last, last + 1);
            seen = base_of(item->tokens, tokens, tokens);
            stage = item->stage;
        }
        item->tokens += item->tokens >= 0 ? seen : 0;
        tokens = item->tokens >= 0 ? item->tokens : tokens;
        item->step = item->final ? last + 1 : item->step + base;
        if (i && item->step == last)
            return ns_fail(err, NS_E_FORMAT, "%s: '%s' and '%s' are both step %lld: name the run's checkpoints in a --manifest", folder,
                           s->list[i - 1].label,
                           item->label, (long long)last);
        last = item->step;
    }
    return NS_OK;
}

/* ---- the manifest ---- */

static int manifest_line(ns_series *s, const cJSON *line, const char *folder, const char *where, ns_error *err)
{
    const char *path, *label;
    ns_series_item item = {.tokens = -1};
    int rc;
    if ((rc = ns_json_str(line, "path", &path, where, err)) != NS_OK || (rc = ns_json_str(line, "label", &label, where, err)) != NS_OK ||
        (rc = ns_json_i64(line, "step", -1, &item.step, where, err)) != NS_OK ||
        (rc = ns_json_i64(line, "tokens", -1, &item.tokens, where, err)) != NS_OK)
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
    rc = full ? ns_series_append(s, full, NULL, label ? label : ns_path_base(path), &item, err) : ns_oom(err, where);
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
        snprintf(where, sizeof where, "%.400s:%lld", path, (long long)number);
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
