/* series_cache.c - the revisions of a Hugging Face cache: each is a checkpoint of the series, or is left out with a reason. */
#include "io/series.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_COMMIT = 256, REF_DEPTH = 4 };

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
    if (rc == NS_OK && (!step || item.final) && ns_path_is_dir(snapshot))
        rc = ns_series_step_inside(snapshot, &item, &step, err);
    if (rc == NS_OK && ns_starts(revision, "pr/"))
        rc = ns_series_leave(c->series, revision, false, err, "a pull request: name it with --revision");
    else if (rc == NS_OK && (!ns_plain_name(commit) || !ns_path_is_dir(snapshot)))
        rc = ns_series_leave(c->series, revision, false, err, "its snapshot %.80s is not in the cache (download it again)", commit);
    else if (rc == NS_OK && step)
        rc = ns_series_append(c->series, c->path, revision, revision, &item, err);
    else if (rc == NS_OK)
        rc = ns_series_leave(c->series, revision, false, err, "%s", NS_SERIES_NO_STEP);
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

int ns_series_add_cache(ns_series *s, const char *path, bool refs, ns_error *err)
{
    cache c = {.series = s, .path = path};
    int rc = refs ? add_revisions(&c, "", 0, err) : NS_OK;
    if (rc == NS_OK)
        rc = leave_nameless(&c, err);
    ns_free_strings(c.commits, c.n);
    return rc;
}
