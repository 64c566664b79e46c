/* scan_index.c - what a scan found, for the merge: read, checked, merged with what is there, written when it changes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "scan_index.h"

enum { LARGEST = 64 << 20, DEPTH = 4 };

static char *index_path(const char *out, const char *run)
{
    return ns_printf_alloc("%s/index/%s.json", out, run);
}

void ns_scan_index_clear(ns_scan_index *x)
{
    for (int64_t i = 0; i < x->n; i++)
        free(x->list[i].label);
    free(x->list);
    free(x->folder);
    *x = (ns_scan_index){0};
}

/* Adds a checkpoint at its place, or takes one that is there. */
static int put(ns_scan_index *x, int64_t step, int64_t tokens, const char *label, bool taken, ns_error *err)
{
    int64_t at = 0;
    while (at < x->n && x->list[at].step < step)
        at++;
    if (at < x->n && x->list[at].step == step) {
        x->list[at].taken |= taken;
        return NS_OK;
    }
    char *const copy = ns_strdup(label);
    if (!copy || !ns_grow(&x->list, &x->capacity, x->n + 1, sizeof *x->list)) {
        free(copy);
        return ns_oom(err, label);
    }
    memmove(x->list + at + 1, x->list + at, (size_t)(x->n++ - at) * sizeof *x->list);
    x->list[at] = (ns_scan_entry){step, tokens, copy, taken};
    return NS_OK;
}

static int read_entry(ns_scan_index *x, const cJSON *item, const char *path, ns_error *err)
{
    int64_t step, tokens;
    const char *label;
    bool taken;
    int rc = ns_json_i64(item, "step", -1, &step, path, err);
    rc = rc != NS_OK ? rc : ns_json_i64(item, "tokens", -1, &tokens, path, err);
    rc = rc != NS_OK ? rc : ns_json_str(item, "label", &label, path, err);
    rc = rc != NS_OK ? rc : ns_json_bool(item, "taken", true, &taken, path, err);
    if (rc == NS_OK && (step < 0 || !label))
        rc = ns_fail(err, NS_E_FORMAT, "%s: a checkpoint needs step and label", path);
    return rc != NS_OK ? rc : put(x, step, tokens, label, taken, err);
}

static int read_index(ns_scan_index *x, const char *path, ns_error *err)
{
    cJSON *root = NULL;
    const char *folder;
    int rc = ns_json_read(&root, path, LARGEST, DEPTH, err);
    rc = rc != NS_OK ? rc : ns_json_str(root, "folder", &folder, path, err);
    if (rc == NS_OK && !(x->folder = ns_strdup(folder ? folder : "")))
        rc = ns_oom(err, path);
    const cJSON *const list = cJSON_GetObjectItemCaseSensitive(root, "checkpoints");
    for (const cJSON *item = rc == NS_OK && list ? list->child : NULL; item && rc == NS_OK; item = item->next)
        rc = read_entry(x, item, path, err);
    cJSON_Delete(root);
    return rc;
}

int ns_scan_index_read(ns_scan_index *x, const char *out, const char *run, ns_error *err)
{
    char *const path = index_path(out, run);
    *x = (ns_scan_index){0};
    const int rc = !path ? ns_oom(err, out) : ns_path_exists(path) ? read_index(x, path, err) : NS_OK;
    if (rc != NS_OK)
        ns_scan_index_clear(x);
    free(path);
    return rc;
}

bool ns_scan_takes(const ns_scan_params *p, int64_t step)
{
    return !p->steps || (step >= p->steps[0] && step <= p->steps[1]);
}

static bool same_folder(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

int ns_scan_index_check(const ns_scan_params *p, const ns_scan_run *run, ns_error *err)
{
    ns_scan_index x;
    int rc = ns_scan_index_read(&x, p->out, run->name, err);
    if (rc == NS_OK && x.folder && !p->force && ns_path_is_dir(x.folder) && !same_folder(x.folder, run->folder))
        rc = ns_fail(err, NS_E_ARG,
                     "%s holds shards of another run '%s', of %s: give the runs names in their run.json, or another -o FOLDER (--force "
                     "scores again)",
                     p->out, run->name, x.folder);
    ns_scan_index_clear(&x);
    return rc;
}

/* [{"name": ..., "why": ...}, ...]: of the scan that wrote it last. */
static bool add_left_out(cJSON *root, const ns_series *series)
{
    cJSON *const list = cJSON_AddArrayToObject(root, "left_out");
    bool good = list;
    for (int64_t i = 0; good && i < series->n_left_out; i++) {
        cJSON *const item = cJSON_CreateObject();
        good = item && cJSON_AddStringToObject(item, "name", series->left_out[i].name) &&
               cJSON_AddStringToObject(item, "why", series->left_out[i].why);
        if (!item || !cJSON_AddItemToArray(list, item))
            cJSON_Delete(item);
    }
    return good;
}

static char *print_index(const ns_scan_index *x, const ns_scan_run *run)
{
    cJSON *const root = cJSON_CreateObject(), *const list = cJSON_CreateArray();
    bool good = root && list && cJSON_AddNumberToObject(root, "schema", 1) && cJSON_AddStringToObject(root, "run", run->name)
                && cJSON_AddStringToObject(root, "folder", x->folder);
    for (int64_t i = 0; good && i < x->n; i++) {
        cJSON *const item = cJSON_CreateObject();
        good = item && cJSON_AddNumberToObject(item, "step", (double)x->list[i].step) &&
               cJSON_AddNumberToObject(item, "tokens", (double)x->list[i].tokens) &&
               cJSON_AddStringToObject(item, "label", x->list[i].label) && cJSON_AddBoolToObject(item, "taken", x->list[i].taken);
        if (!item || !cJSON_AddItemToArray(list, item))
            cJSON_Delete(item);
    }
    if (root && list && cJSON_AddItemToObject(root, "checkpoints", list)) {
        char *const text = good && add_left_out(root, &run->series) ? ns_json_print(root, true) : NULL;
        cJSON_Delete(root);
        return text;
    }
    cJSON_Delete(root);
    cJSON_Delete(list);
    return NULL;
}

/* Untouched when it says so already. */
static int write_text(const char *path, const char *text, ns_error *err)
{
    char *before = NULL;
    const bool same = ns_path_exists(path) && ns_file_read(path, LARGEST, &before, NULL, NULL) == NS_OK && strcmp(before, text) == 0;
    free(before);
    return same ? NS_OK : ns_file_write(path, text, strlen(text), err);
}

int ns_scan_index_write(const ns_scan_params *p, const ns_scan_run *run, ns_error *err)
{
    ns_scan_index x;
    char *const path = index_path(p->out, run->name), *text = NULL;
    int rc = ns_scan_index_read(&x, p->out, run->name, err);
    if (rc == NS_OK && !path)
        rc = ns_oom(err, p->out);
    if (rc == NS_OK) {
        free(x.folder);
        x.folder = realpath(run->folder, NULL);
        rc = x.folder ? NS_OK : ns_fail_errno(err, NS_E_MISSING, run->folder, "cannot be read");
    }
    for (int64_t i = 0; rc == NS_OK && i < run->series.n; i++) {
        const ns_series_item *const item = &run->series.list[i];
        rc = put(&x, item->step, item->tokens, item->label, ns_scan_takes(p, item->step), err);
    }
    if (rc == NS_OK && !(text = print_index(&x, run)))
        rc = ns_oom(err, path);
    rc = rc != NS_OK ? rc : write_text(path, text, err);
    free(text);
    ns_scan_index_clear(&x);
    free(path);
    return rc;
}
