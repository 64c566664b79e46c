/* series_find.c - what lies in a run's folder or a Hugging Face cache: each is a checkpoint of the series, or is left out with a reason. */
#include "io/reader.h"
#include "io/series.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_STATE = 64 << 20, STATE_DEPTH = 16, MAX_COMMIT = 256, REF_DEPTH = 4 };

/* What cannot be listed holds none; NS_E_MEMORY alone is an error. */
static int holds_weights(const char *folder, bool *found, ns_error *err)
{
    char **names;
    int64_t n;
    *found = false;
    const int rc = ns_folder_list(&names, &n, folder, err);
    if (rc != NS_OK)
        return rc == NS_E_MEMORY ? rc : NS_OK;
    for (int64_t i = 0; i < n; i++)
        *found |= ns_is_weights(names[i]) || strcmp(names[i], "config.json") == 0;
    ns_free_strings(names, n);
    return NS_OK;
}

/* The step by the trainer's own account. What cannot be read gives none; NS_E_MEMORY alone is an error. */
static int step_inside(const char *folder, ns_series_item *item, bool *found, ns_error *err)
{
    char *const path = ns_path_join(folder, "trainer_state.json");
    cJSON *state = NULL;
    int64_t step = -1;
    int rc = !path ? ns_oom(err, folder) : ns_path_exists(path) ? ns_json_read(&state, path, MAX_STATE, STATE_DEPTH, err) : NS_OK;
    if (rc == NS_OK && state && ns_json_i64(state, "global_step", -1, &step, path, NULL) < 0)
        step = -1;
    *found = step >= 0;
    if (*found)
        *item = (ns_series_item){.step = step, .tokens = -1};
    cJSON_Delete(state);
    free(path);
    return rc == NS_E_MEMORY ? rc : NS_OK;
}

static const char not_understood[] = "no step in its name: give it one in a --manifest (JSONL lines {\"path\": ..., \"step\": N})";

/* ---- folders ---- */

/* A folder that holds neither weights that are read nor a config.json, but another form of weights, or a step in its name. */
static int leave_folder(ns_series *s, const char *path, const char *name, bool known, ns_error *err)
{
    ns_location at;
    ns_error why = {""};
    const int rc = ns_locate(&at, path, NULL, &why);
    if (rc == NS_E_MEMORY)
        return ns_oom(err, path);
    if (rc == NS_OK)
        ns_location_free(&at);
    const size_t prefix = strlen(path) + 2;
    const char *const reason = ns_starts(why.message, path) && strlen(why.message) > prefix ? why.message + prefix : why.message;
    const bool other_form = rc == NS_E_UNSUPPORTED;
    return ns_series_leave(s, name, !known && !other_form, err, "%s", other_form || known ? reason : "no weights in it");
}

static int add_folder(ns_series *s, const char *folder, const char *name, ns_error *err)
{
    ns_series_item item = {0};
    char *const path = ns_path_join(folder, name);
    int rc = path ? NS_OK : ns_oom(err, folder);
    if (rc == NS_OK && name[0] != '.' && ns_path_is_dir(path)) {
        const bool known = ns_series_parse(name, &item);
        bool weights, step = known;
        rc = holds_weights(path, &weights, err);
        if (rc == NS_OK && weights && !known)
            rc = step_inside(path, &item, &step, err);
        if (rc == NS_OK && !weights)
            rc = leave_folder(s, path, name, known, err);
        else if (rc == NS_OK && step)
            rc = ns_series_append(s, path, NULL, name, &item, err);
        else if (rc == NS_OK)
            rc = ns_series_leave(s, name, false, err, "%s", not_understood);
    }
    free(path);
    return rc;
}

static int add_folders(ns_series *s, const char *folder, ns_error *err)
{
    char **names;
    int64_t n;
    int rc = ns_folder_list(&names, &n, folder, err);
    for (int64_t i = 0; rc == NS_OK && i < n; i++)
        rc = add_folder(s, folder, names[i], err);
    ns_free_strings(names, n);
    return rc;
}

/* ---- revisions ---- */

typedef struct cache {
    ns_series  *series;
    const char *path;
    char      **commits;       /* of the revisions, each as refs/ says it */
    int64_t     n, capacity;
} cache;

/* refs/NAME holds a commit; its snapshot is the folder of that name. */
static int read_commit(cache *c, const char *revision, const char **out, ns_error *err)
{
    char *const ref = ns_printf_alloc("%s/refs/%s", c->path, revision), *text = NULL;
    int rc = ref ? ns_file_read(ref, MAX_COMMIT, &text, NULL, err) : ns_oom(err, c->path);
    if (rc == NS_OK && !ns_grow(&c->commits, &c->capacity, c->n + 1, sizeof *c->commits))
        rc = ns_oom(err, c->path);
    free(ref);
    if (rc != NS_OK) {
        free(text);
        return rc;
    }
    text[strcspn(text, " \t\r\n")] = 0;
    *out = c->commits[c->n++] = text;
    return NS_OK;
}

static int add_revision(cache *c, const char *revision, ns_error *err)
{
    ns_series_item item = {0};
    const char *commit = "";
    int rc = read_commit(c, revision, &commit, err);
    char *const snapshot = ns_printf_alloc("%s/snapshots/%s", c->path, commit);
    if (rc == NS_OK && !snapshot)
        rc = ns_oom(err, c->path);
    bool step = rc == NS_OK && ns_series_parse(ns_path_base(revision), &item);
    if (rc == NS_OK && !step && ns_path_is_dir(snapshot))
        rc = step_inside(snapshot, &item, &step, err);
    if (rc == NS_OK && ns_starts(revision, "pr/"))
        rc = ns_series_leave(c->series, revision, false, err, "a pull request: name it with --revision");
    else if (rc == NS_OK && (!ns_plain_name(commit) || !ns_path_is_dir(snapshot)))
        rc = ns_series_leave(c->series, revision, false, err, "its snapshot %.80s is not in the cache (download it again)", commit);
    else if (rc == NS_OK && step)
        rc = ns_series_append(c->series, c->path, revision, revision, &item, err);
    else if (rc == NS_OK)
        rc = ns_series_leave(c->series, revision, false, err, "%s", not_understood);
    free(snapshot);
    return rc;
}

/* refs/step1000, refs/main, refs/hf_ckpt/20B ... A revision's name may hold '/'. */
static int add_revisions(cache *c, const char *under, int depth, ns_error *err)
{
    char **names = NULL, *const refs = ns_printf_alloc("%s/refs%s%s", c->path, *under ? "/" : "", under);
    int64_t n = 0;
    int rc = refs ? ns_folder_list(&names, &n, refs, err) : ns_oom(err, c->path);
    for (int64_t i = 0; rc == NS_OK && i < n; i++) {
        char *const revision = ns_printf_alloc("%s%s%s", under, *under ? "/" : "", names[i]), *const path = ns_path_join(refs, names[i]);
        if (!revision || !path)
            rc = ns_oom(err, c->path);
        else if (ns_path_is_dir(path))
            rc = depth < REF_DEPTH ? add_revisions(c, revision, depth + 1, err) : NS_OK;
        else
            rc = add_revision(c, revision, err);
        free(revision);
        free(path);
    }
    ns_free_strings(names, n);
    free(refs);
    return rc;
}

static bool named(const cache *c, const char *commit)
{
    for (int64_t i = 0; i < c->n; i++)
        if (strcmp(c->commits[i], commit) == 0)
            return true;
    return false;
}

/* Snapshots that were downloaded by their commit have no name. */
static int leave_nameless(const cache *c, ns_error *err)
{
    char **names = NULL, *const folder = ns_path_join(c->path, "snapshots");
    int64_t n = 0;
    int rc = folder ? NS_OK : ns_oom(err, c->path);
    if (rc == NS_OK && ns_path_is_dir(folder))
        rc = ns_folder_list(&names, &n, folder, err);
    for (int64_t i = 0; rc == NS_OK && i < n; i++)
        if (!named(c, names[i]) && names[i][0] != '.')
            rc = ns_series_leave(c->series, names[i], false, err, "a snapshot that no revision names: name its folder in a --manifest");
    ns_free_strings(names, n);
    free(folder);
    return rc;
}

static int add_cache(ns_series *s, const char *path, bool refs, ns_error *err)
{
    cache c = {.series = s, .path = path};
    int rc = refs ? add_revisions(&c, "", 0, err) : NS_OK;
    if (rc == NS_OK)
        rc = leave_nameless(&c, err);
    ns_free_strings(c.commits, c.n);
    return rc;
}

int ns_series_find(ns_series *out, const char *folder, ns_error *err)
{
    static const ns_kinds fine = NS_KINDS(NS_KIND_RUN) | NS_KINDS(NS_KIND_CHECKPOINT) | NS_KINDS(NS_KIND_CACHE) | NS_KINDS(NS_KIND_FOLDER);
    *out = (ns_series){0};
    if (!ns_path_is_dir(folder))
        return ns_kind_fail(err, ns_fail(err, NS_E_MISSING, "%s: no such folder", folder), folder, fine,
                            "a folder of checkpoints (step1000, checkpoint-1000, ...)");
    char *const refs = ns_path_join(folder, "refs"), *const snapshots = ns_path_join(folder, "snapshots");
    int rc = refs && snapshots ? NS_OK : ns_oom(err, folder);
    const bool has_refs = rc == NS_OK && ns_path_is_dir(refs);
    if (rc == NS_OK)
        rc = has_refs || ns_path_is_dir(snapshots) ? add_cache(out, folder, has_refs, err) : add_folders(out, folder, err);
    bool weights = false;
    if (rc == NS_OK && out->n == 0)
        rc = holds_weights(folder, &weights, err);
    if (rc == NS_OK && weights) {
        ns_series_item item = {.tokens = -1};
        (void)ns_series_parse(ns_path_base(folder), &item);
        item.final = false;
        rc = ns_series_append(out, folder, NULL, ns_path_base(folder), &item, err);
    }
    if (rc == NS_OK)
        rc = ns_series_settle(out, folder, err);
    if (rc != NS_OK)
        ns_series_clear(out);
    free(refs);
    free(snapshots);
    return ns_kind_fail(err, rc, folder, fine, "a folder of checkpoints (step1000, checkpoint-1000, ...)");
}
