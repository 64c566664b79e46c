/* scan_run.c - a run: its folder, its run.json, its checkpoints in order. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/scan.h>

#include "core/coords.h"
#include "scan_index.h"

enum { MAX_RUN_JSON = 1 << 20 };

/* A coordinate that stands beside "coords" groups nothing. */
static int find_unread(ns_scan_run *r, const cJSON *root, ns_error *err)
{
    static const char *const known[] = {"schema", "name", "tokens_per_step", "coords", "config_sha256"};
    cJSON *const unread = cJSON_CreateObject();
    bool room = unread;
    for (const cJSON *item = root->child; item && room; item = item->next) {
        bool is_known = false;
        for (size_t i = 0; i < sizeof known / sizeof *known; i++)
            is_known |= strcmp(item->string, known[i]) == 0;
        cJSON *const copy = is_known ? NULL : cJSON_Duplicate(item, true);
        room = is_known || (copy && cJSON_AddItemToObject(unread, item->string, copy));
    }
    r->unread = room && unread->child ? ns_json_print(unread, false) : NULL;
    room = room && (r->unread || !unread->child);
    cJSON_Delete(unread);
    return room ? NS_OK : ns_oom(err, r->folder);
}

/* A study groups runs by their window, a number of keys. */
static int check_coords(const cJSON *coords, const char *path, ns_error *err)
{
    const cJSON *const window = cJSON_GetObjectItemCaseSensitive(coords, "window");
    const int rc = ns_coords_check(coords, path, err);
    if (rc != NS_OK)
        return rc;
    for (const cJSON *one = coords ? coords->child : NULL; one; one = one->next)
        if (ns_coordinate_name_is_taken(one->string))
            return ns_fail(err, NS_E_FORMAT, "%s: coords: '%s' is the name of something else in a study (choose another)", path,
                           one->string);
    if (cJSON_IsNumber(window) && !(window->valuedouble >= 0))
        return ns_fail(err, NS_E_FORMAT, "%s: coords: window is %g: a number of keys from 0 on (0 = all)", path, window->valuedouble);
    return NS_OK;
}

/* Of "." and "..", and what ends in them, the folder that they are. */
static char *name_of(const char *folder)
{
    const char *const base = ns_path_base(folder);
    char *const whole = base[0] == '.' ? realpath(folder, NULL) : NULL, *const name = ns_strdup(ns_path_base(whole ? whole : folder));
    free(whole);
    return name;
}

static int read_run_json(ns_scan_run *r, const char *path, ns_error *err)
{
    cJSON *root = NULL;
    const char *name;
    int rc = ns_json_read(&root, path, MAX_RUN_JSON, 8, err);
    if (rc == NS_OK)
        rc = ns_json_str(root, "name", &name, path, err);
    if (rc == NS_OK)
        rc = ns_json_i64(root, "tokens_per_step", 0, &r->tokens_per_step, path, err);
    const cJSON *const coords = cJSON_GetObjectItemCaseSensitive(root, "coords");
    rc = rc != NS_OK ? rc : check_coords(coords, path, err);
    if (rc == NS_OK) {
        r->name = name && name[0] ? ns_strdup(name) : name_of(r->folder);
        r->coords = cJSON_IsObject(coords) ? ns_json_print(coords, false) : ns_strdup("{}");
        rc = r->name && r->coords ? find_unread(r, root, err) : ns_oom(err, path);
    }
    cJSON_Delete(root);
    return rc;
}

/* What the checkpoint's config.json says of the run that trained it; "" when it does not say. */
static int trained_by(const ns_series_item *item, char out[65], ns_error *err)
{
    char *const path = ns_path_join(item->path, "config.json");
    cJSON *root = NULL;
    const char *hex = NULL;
    out[0] = '\0';
    int rc = !path ? ns_oom(err, item->path) : ns_path_exists(path) ? ns_json_read(&root, path, MAX_RUN_JSON, 16, err) : NS_OK;
    if (rc == NS_OK && root)
        rc = ns_json_str(root, "train_config_sha256", &hex, path, err);
    if (rc == NS_OK && hex)
        snprintf(out, 65, "%s", hex);
    cJSON_Delete(root);
    free(path);
    return rc;
}

/* Ours say which run they are of: a folder that holds two is refused, since births over a mixture mean nothing. A checkpoint whose config
 * cannot be read is the scan's to report, as one that failed. */
static int check_one_run(const ns_series *series, const char *folder, ns_error *err)
{
    char first[65] = "", this[65];
    const char *label = NULL;
    for (int64_t i = 0; i < series->n; i++) {
        const int rc = trained_by(&series->list[i], this, NULL);
        if (rc == NS_E_MEMORY)
            return ns_oom(err, folder);
        if (rc != NS_OK || !this[0])
            continue;
        if (label && strcmp(first, this) != 0)
            return ns_fail(err, NS_E_FORMAT,
                           "%s: checkpoint '%s' is of another run than '%s' (train_config_sha256 in their config.json): give each run a "
                           "folder of its own",
                           folder, series->list[i].label, label);
        label = series->list[i].label;
        memcpy(first, this, sizeof first);
    }
    return NS_OK;
}

static void count_tokens(ns_scan_run *r)
{
    for (int64_t i = 0; i < r->series.n && r->tokens_per_step > 0; i++)
        if (r->series.list[i].tokens < 0 && !ns_mul_i64(r->series.list[i].step, r->tokens_per_step, &r->series.list[i].tokens))
            r->series.list[i].tokens = -1;
}

/* As the names say; by the index of the scan that knows them (NULL = none), where that holds. */
static int find_series(ns_scan_run *r, const char *scan, ns_error *err)
{
    int rc = scan ? ns_scan_index_series(&r->series, r->stamp, scan, r->name, r->folder, err) : NS_OK;
    if (rc != NS_OK || r->stamp[0])
        return rc;
    rc = ns_series_find(&r->series, r->folder, err);
    rc = rc != NS_OK ? rc : check_one_run(&r->series, r->folder, err);
    return rc != NS_OK ? rc : ns_series_stamp(&r->series, r->folder, r->stamp, err);
}

static int read_manifest(ns_scan_run *r, const char *manifest, ns_error *err)
{
    const int rc = ns_series_manifest(&r->series, manifest, err);
    return rc != NS_OK ? rc : check_one_run(&r->series, r->folder, err);
}

static int open_run(ns_scan_run *r, const char *folder, const char *manifest, const char *scan, ns_error *err)
{
    *r = (ns_scan_run){0};
    size_t n = strlen(folder);
    while (n > 1 && folder[n - 1] == '/')
        n--;
    r->folder = ns_printf_alloc("%.*s", (int)n, folder);
    char *const json = r->folder ? ns_path_join(r->folder, "run.json") : NULL;
    int rc = json ? NS_OK : ns_oom(err, folder);
    if (rc == NS_OK && ns_path_exists(json)) {
        rc = read_run_json(r, json, err);
    } else if (rc == NS_OK) {
        r->name = name_of(r->folder);
        r->coords = ns_strdup("{}");
        rc = r->name && r->coords ? NS_OK : ns_oom(err, folder);
    }
    if (rc == NS_OK && (strchr(r->name, '/') || r->name[0] == '.'))
        rc = ns_fail(err, NS_E_FORMAT, "%s: the run's name '%.80s' cannot name a folder (give it another as \"name\" in %s)",
                     r->folder, r->name, json);
    if (rc == NS_OK)
        rc = manifest ? read_manifest(r, manifest, err) : find_series(r, scan, err);
    count_tokens(r);
    free(json);
    if (rc != NS_OK)
        ns_scan_run_close(r);
    return rc;
}

int ns_scan_run_open(ns_scan_run *r, const char *folder, const char *manifest, ns_error *err)
{
    return open_run(r, folder, manifest, NULL, err);
}

int ns_scan_run_open_known(ns_scan_run *r, const char *folder, const char *scan, ns_error *err)
{
    return open_run(r, folder, NULL, scan, err);
}

void ns_scan_run_close(ns_scan_run *r)
{
    free(r->folder);
    free(r->name);
    free(r->coords);
    free(r->unread);
    ns_series_clear(&r->series);
    *r = (ns_scan_run){0};
}

int ns_scan_open_first(ns_opened **out, const ns_scan_run *runs, int64_t n_runs, const ns_open_params *how, ns_error *err)
{
    ns_error why = {""};
    int rc = NS_E_ARG;
    *out = NULL;
    for (int64_t r = 0; r < n_runs; r++)
        for (int64_t i = 0; i < runs[r].series.n; i++) {
            ns_open_params one = *how;
            one.path = runs[r].series.list[i].path;
            one.revision = runs[r].series.list[i].revision;
            ns_error now = {""};
            const int opened = ns_open(out, &one, &now);
            if (opened == NS_OK || opened == NS_E_MEMORY)
                return opened == NS_OK ? NS_OK : ns_fail(err, opened, "%s", now.message);
            why = why.message[0] ? why : now;
            rc = rc == NS_E_ARG ? opened : rc;
        }
    return ns_fail(err, rc, "%s", why.message[0] ? why.message : "the runs have no checkpoint");
}
