/* locate.c - from the path that a user gives to the files that hold the tensors.
 *
 * file | *.index.json | Hugging Face cache folder -> refs/REVISION -> snapshots/HASH | folder: of each format in turn the file that
 * transformers writes (model.safetensors) or its index of shards; else the only file of a format; otherwise what the folder looks like, in
 * words (forms.c). */
#include "io/reader.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_REF = 256, SOME_REVISIONS = 5, REF_DEPTH = 4 };

bool ns_plain_name(const char *name)
{
    return *name && !strpbrk(name, "/\\") && strcmp(name, ".") && strcmp(name, "..");
}

void ns_location_free(ns_location *at)
{
    ns_free_strings(at->files, at->n_files);
    cJSON_Delete(at->index);
    free(at->index_path);
    free(at->note);
    free(at->dir);
    *at = (ns_location){0};
}

static int one_file(ns_location *at, const char *name, ns_error *err)
{
    if (!ns_grow(&at->files, &at->capacity, at->n_files + 1, sizeof *at->files) || !(at->files[at->n_files] = ns_path_join(at->dir, name)))
        return ns_oom(err, at->dir);
    at->n_files++;
    return NS_OK;
}

/* A file that is one of several parts brings the others. */
static int with_parts(ns_location *at, const char *name, ns_error *err)
{
    const int64_t n = ns_parts_of(name);
    int rc = n ? NS_OK : one_file(at, name, err);
    for (int64_t i = 1; i <= n && rc == NS_OK; i++) {
        char *const part = ns_part_name(name, i);
        rc = part ? one_file(at, part, err) : ns_oom(err, at->dir);
        if (rc == NS_OK && !ns_path_exists(at->files[at->n_files - 1]))
            rc = ns_fail(err, NS_E_MISSING, "%s: no such file: it is part %lld of %lld (put the parts of a model into one folder)",
                         at->files[at->n_files - 1], (long long)i, (long long)n);
        free(part);
    }
    return rc;
}

static int with_index(ns_location *at, const char *name, ns_error *err)
{
    at->index_path = ns_path_join(at->dir, name);
    return at->index_path ? ns_index_files(at, err) : ns_oom(err, at->dir);
}

static bool has(char *const *names, int64_t n, const char *name)
{
    for (int64_t i = 0; i < n; i++) {
        if (!strcmp(names[i], name))
            return true;
    }
    return false;
}

/* The file that transformers gives the format, or its index of shards; nothing is chosen where the folder has neither. */
static int choose_named(ns_location *at, const ns_reader *reader, char *const *names, int64_t n, ns_error *err)
{
    if (reader->whole && has(names, n, reader->whole))
        return one_file(at, reader->whole, err);
    return reader->index && has(names, n, reader->index) ? with_index(at, reader->index, err) : NS_OK;
}

/* The only file of the format, or all parts of one; nothing is chosen where the folder has none. */
static int choose_single(ns_location *at, const ns_reader *reader, char *const *names, int64_t n, ns_error *err)
{
    const char *only = NULL;
    int found = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!ns_reader_takes(reader, names[i]) || !ns_is_weights(names[i]))
            continue;
        only = names[i];
        found++;
    }
    if (found && (found == 1 || found == ns_parts_of(only)) && (ns_parts_of(only) || !reader->index || !ns_glob("*-of-*", only)))
        return with_parts(at, only, err);
    if (found == 1)
        return ns_fail(err, NS_E_MISSING, "%s: '%s' is one of several shards, and there is no %s (download them all)", at->dir, only,
                       reader->index);
    if (found && !reader->index)
        return ns_fail(err, NS_E_MISSING, "%s: %d files of weights (name one of them)", at->dir, found);
    return found ? ns_fail(err, NS_E_MISSING, "%s: %d files of weights but no %s (restore it, or name one file)", at->dir, found,
                           reader->index) : NS_OK;
}

/* The same model in another format, as a rule. */
static int note_others(ns_location *at, const ns_reader *chosen, char *const *names, int64_t n, ns_error *err)
{
    const char *const taken = ns_path_base(at->index_path ? at->index_path : at->files[0]), *other = NULL;
    for (int64_t i = 0; i < n && !other; i++)
        if (ns_is_weights(names[i]) && !ns_reader_takes(chosen, names[i]))
            other = names[i];
    if (!other)
        return NS_OK;
    at->note = ns_printf_alloc("%s: %s is read, and %s beside it is not", at->dir, taken, other);
    return at->note ? NS_OK : ns_oom(err, at->dir);
}

/* The names that transformers knows come first, as there, then single files. */
static int choose(ns_location *at, char *const *names, int64_t n, ns_error *err)
{
    static int (*const ways[])(ns_location *, const ns_reader *, char *const *, int64_t, ns_error *) = {choose_named, choose_single};
    const ns_reader *reader = NULL;
    int rc = NS_OK;
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w++)
        for (int i = 0; rc == NS_OK && at->n_files == 0 && ns_reader_at(i); i++)
            rc = ways[w](at, reader = ns_reader_at(i), names, n, err);
    if (rc != NS_OK)
        return rc;
    return at->n_files ? note_others(at, reader, names, n, err) : ns_other_form(at->dir, names, n, err);
}

typedef struct revisions { const char *refs; char **names; int64_t n, capacity; } revisions;

/* refs/step1000, refs/main, refs/hf_ckpt/20B ... A revision's name may hold '/'. */
static int add_revisions(revisions *r, const char *under, int depth, ns_error *err)
{
    char **names = NULL, *const folder = *under ? ns_path_join(r->refs, under) : ns_strdup(r->refs);
    int64_t n = 0;
    int rc = folder ? ns_folder_list(&names, &n, folder, err) : ns_oom(err, r->refs);
    for (int64_t i = 0; rc == NS_OK && i < n; i++) {
        char *name = *under ? ns_path_join(under, names[i]) : ns_strdup(names[i]), *const path = ns_path_join(folder, names[i]);
        if (!name || !path || !ns_grow(&r->names, &r->capacity, r->n + 1, sizeof *r->names)) {
            rc = ns_oom(err, r->refs);
        } else if (ns_path_is_dir(path)) {
            rc = depth < REF_DEPTH ? add_revisions(r, name, depth + 1, err) : NS_OK;
        } else {
            r->names[r->n++] = name;
            name = NULL;
        }
        free(name);
        free(path);
    }
    ns_free_strings(names, n);
    free(folder);
    return rc;
}

int ns_cache_revisions(char ***out, int64_t *n, const char *cache, ns_error *err)
{
    char *const refs = ns_path_join(cache, "refs");
    revisions r = {.refs = refs};
    int rc = refs ? NS_OK : ns_oom(err, cache);
    if (rc == NS_OK && ns_path_is_dir(refs))
        rc = add_revisions(&r, "", 0, err);
    if (rc != NS_OK) {
        ns_free_strings(r.names, r.n);
        r = (revisions){0};
    }
    *out = r.names;
    *n = r.n;
    free(refs);
    return rc;
}

/* What the cache has instead: the nearest name, or some of them. */
static void revision_hint(char *const *names, int64_t n, const char *wanted, char *out, size_t size)
{
    const char *const near = n ? ns_nearest_word(wanted, (const char *const *)names, n) : NULL;
    if (near)
        snprintf(out, size, "did you mean %s?", near);
    else if (n == 0)
        snprintf(out, size, "name the revision that was downloaded");
    if (near || n == 0)
        return;
    snprintf(out, size, "name one of its %lld revisions with --revision:", (long long)n);
    for (int64_t i = 0; i < n && i < SOME_REVISIONS; i++)
        snprintf(out + strlen(out), size - strlen(out), "%s %.24s", i ? "," : "", names[i]);
    snprintf(out + strlen(out), size - strlen(out), "%s", n > SOME_REVISIONS ? ", ..." : "");
}

static int no_revision(const char *cache, const char *revision, ns_error *err)
{
    char **names, hint[320];
    int64_t n;
    const int rc = ns_cache_revisions(&names, &n, cache, err);
    if (rc != NS_OK)
        return rc;
    revision_hint(names, n, revision, hint, sizeof hint);
    ns_free_strings(names, n);
    return ns_fail(err, NS_E_MISSING, "%s: no refs/%s and no snapshots/%s in it (%s)", cache, revision, revision, hint);
}

/* refs/REVISION names the snapshot; a revision may also be the snapshot's own hash, and one may contain '/' ("refs/pr/1"). */
static int snapshot_name(char **out, const char *cache, const char *revision, ns_error *err)
{
    char *const ref = ns_printf_alloc("%s/refs/%s", cache, revision);
    char *const direct = ns_printf_alloc("%s/snapshots/%s", cache, revision);
    char *text = NULL;
    size_t n = 0;
    int rc = ref && direct ? NS_OK : ns_oom(err, cache);
    if (rc == NS_OK && ns_plain_name(revision) && ns_path_is_dir(direct)) {
        *out = ns_strdup(revision);
        rc = *out ? NS_OK : ns_oom(err, cache);
    } else if (rc == NS_OK && !ns_path_exists(ref)) {
        rc = no_revision(cache, revision, err);
    } else if (rc == NS_OK) {
        rc = ns_file_read(ref, MAX_REF, &text, &n, err);
        if (rc == NS_OK) {
            text[strcspn(text, " \t\r\n")] = 0;
            if (!ns_plain_name(text))
                rc = ns_fail(err, NS_E_FORMAT, "%s: '%.80s' is not a commit hash", ref, text);
        }
        if (rc == NS_OK) {
            *out = text;
            text = NULL;
        }
    }
    free(text);
    free(ref);
    free(direct);
    return rc;
}

/* ".." anywhere would leave the cache. */
static bool safe_revision(const char *revision)
{
    return *revision && *revision != '/' && !strstr(revision, "..") && strlen(revision) < MAX_REF;
}

static int enter_snapshot(ns_location *at, const char *revision, ns_error *err)
{
    char *hash = NULL;
    const char *const wanted = revision ? revision : "main";
    if (!safe_revision(wanted))
        return ns_fail(err, NS_E_ARG, "%s: '%.80s' is not a revision", at->dir, wanted);
    int rc = snapshot_name(&hash, at->dir, wanted, err);
    if (rc != NS_OK)
        return rc;
    char *const snapshot = ns_printf_alloc("%s/snapshots/%s", at->dir, hash);
    if (!snapshot)
        rc = ns_oom(err, at->dir);
    else if (!ns_path_is_dir(snapshot))
        rc = ns_fail(err, NS_E_MISSING, "%s: refs/%s names the snapshot %s, which is not in it (download it again)", at->dir, wanted, hash);
    free(hash);
    if (rc != NS_OK) {
        free(snapshot);
        return rc;
    }
    free(at->dir);
    at->dir = snapshot;
    return NS_OK;
}

static int locate_folder(ns_location *at, const char *revision, ns_error *err)
{
    char **names = NULL;
    int64_t n = 0;
    int rc = ns_folder_list(&names, &n, at->dir, err);
    const bool cache = rc == NS_OK && has(names, n, "snapshots") && (has(names, n, "refs") || has(names, n, "blobs"));
    if (cache) {
        ns_free_strings(names, n);
        names = NULL;
        n = 0;
        rc = enter_snapshot(at, revision, err);
        if (rc == NS_OK)
            rc = ns_folder_list(&names, &n, at->dir, err);
    } else if (rc == NS_OK && revision) {
        rc = ns_fail(err, NS_E_ARG, "%s: a revision was given ('%.80s'), but this is not a Hugging Face cache folder (models--ORG--NAME)",
                     at->dir, revision);
    }
    if (rc == NS_OK)
        rc = choose(at, names, n, err);
    ns_free_strings(names, n);
    return rc;
}

static int locate_file(ns_location *at, const char *path, const char *revision, ns_error *err)
{
    const char *const base = ns_path_base(path);
    if (revision)
        return ns_fail(err, NS_E_ARG, "%s: a revision was given ('%.80s'), but this is a file", path, revision);
    return ns_ends(base, ".index.json") ? with_index(at, base, err) : with_parts(at, base, err);
}

/* The folder part of a path, "." if it has none. */
static char *folder_of(const char *path)
{
    const size_t n = (size_t)(ns_path_base(path) - path);
    if (n == 0)
        return ns_strdup(".");
    return ns_printf_alloc("%.*s", (int)(n > 1 ? n - 1 : n), path);
}

int ns_locate(ns_location *out, const char *path, const char *revision, ns_error *err)
{
    *out = (ns_location){0};
    if (!path || !*path || strlen(path) > 1 << 16)
        return ns_fail(err, NS_E_ARG, "no path of a checkpoint is given");
    if (!ns_path_exists(path))
        return ns_fail(err, NS_E_MISSING, "%s: no such file or folder (needlescope reads local checkpoints; download it first)", path);
    const bool folder = ns_path_is_dir(path);
    out->dir = folder ? ns_strdup(path) : folder_of(path);
    int rc = out->dir ? NS_OK : ns_oom(err, path);
    if (rc == NS_OK)
        rc = folder ? locate_folder(out, revision, err) : locate_file(out, path, revision, err);
    if (rc != NS_OK)
        ns_location_free(out);
    return rc;
}
