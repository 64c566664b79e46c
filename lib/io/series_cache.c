/* series_cache.c - the revisions of a Hugging Face cache: each is a checkpoint of the series, or is left out with a reason. */
#include "io/series.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_COMMIT = 256 };

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

/* huggingface_hub keeps it as refs/refs/pr/1; its number is no step. */
static bool is_pull_request(const char *revision)
{
    return ns_starts(revision, "refs/pr/") || ns_starts(revision, "pr/");
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
    if (rc == NS_OK && (!step || item.final) && ns_path_is_dir(snapshot))
        rc = ns_series_step_inside(snapshot, &item, &step, err);
    else if (step)
        rc = ns_series_compare_step(snapshot, &item, err);
    if (rc == NS_OK && is_pull_request(revision))
        rc = ns_series_leave(c->series, revision, false, err, "a pull request, not a step of the run: name it in a --manifest");
    else if (rc == NS_OK && (!ns_plain_name(commit) || !ns_path_is_dir(snapshot)))
        rc = ns_series_leave(c->series, revision, false, err, "its snapshot %.80s is not in the cache (download it again)", commit);
    else if (rc == NS_OK && step)
        rc = ns_series_append(c->series, c->path, revision, revision, &item, err);
    else if (rc == NS_OK)
        rc = ns_series_leave(c->series, revision, false, err, "%s", NS_SERIES_NO_STEP);
    free(snapshot);
    return rc;
}

static int add_revisions(cache *c, ns_error *err)
{
    char **names;
    int64_t n;
    int rc = ns_cache_revisions(&names, &n, c->path, err);
    for (int64_t i = 0; rc == NS_OK && i < n; i++)
        rc = add_revision(c, names[i], err);
    ns_free_strings(names, n);
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

int ns_series_add_cache(ns_series *s, const char *path, bool refs, ns_error *err)
{
    cache c = {.series = s, .path = path};
    int rc = refs ? add_revisions(&c, err) : NS_OK;
    if (rc == NS_OK)
        rc = leave_nameless(&c, err);
    ns_free_strings(c.commits, c.n);
    return rc;
}
