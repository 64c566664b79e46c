/* companions.c - what lies beside weights and says how they are read: config.json, and a tokenizer, which training steps often share with
 * the folder above them, with the main revision of their cache, or with the repository whose checkpoints they are. */
#include "io/series.h"
#include <needlescope/tokenizer.h>

#include <stdlib.h>
#include <string.h>

enum { MAX_COMMIT = 256 };

/* *out = DIR/name if it is there; an *out that is set stays. */
static int beside(char **out, const char *dir, const char *name, ns_error *err)
{
    char *const path = *out ? NULL : ns_path_join(dir, name);
    if (*out)
        return NS_OK;
    if (!path)
        return ns_oom(err, dir);
    if (ns_path_exists(path))
        *out = path;
    else
        free(path);
    return NS_OK;
}

/* The same for the tokenizer of the folder DIR or (up: not NULL) DIR/UP, in whatever form. */
static int tokenizer_in(char **out, const char *dir, const char *up, ns_error *err)
{
    char *const folder = *out ? NULL : up ? ns_path_join(dir, up) : ns_strdup(dir);
    if (!*out && !folder)
        return ns_oom(err, dir);
    const int rc = *out ? NS_OK : ns_tokenizer_in(out, folder, err);
    free(folder);
    return rc;
}

/* *found = the tokenizer in CACHE/snapshots/COMMIT, COMMIT being what refs/main says. */
static int in_main(char **found, const char *cache, ns_error *err)
{
    char *const ref = ns_path_join(cache, "refs/main"), *commit = NULL, *snapshot = NULL;
    int rc = ref ? NS_OK : ns_oom(err, cache);
    if (rc == NS_OK && ns_path_exists(ref) && ns_file_read(ref, MAX_COMMIT, &commit, NULL, NULL) == NS_E_MEMORY)
        rc = ns_oom(err, ref);
    if (commit)
        commit[strcspn(commit, " \t\r\n")] = '\0';
    if (commit && ns_plain_name(commit)) {
        snapshot = ns_printf_alloc("%s/snapshots/%s", cache, commit);
        rc = snapshot ? tokenizer_in(found, snapshot, NULL, err) : ns_oom(err, cache);
    }
    free(snapshot);
    free(commit);
    free(ref);
    return rc;
}

/* models--ORG--NAME-checkpoints -> models--ORG--NAME, beside it: the longest of the names that this one begins with. */
static int in_parent(char **found, const char *cache, ns_error *err)
{
    static const char kind[] = "models--";
    char *const name = ns_strdup(cache);
    int rc = name ? NS_OK : ns_oom(err, cache);
    char *const base = name ? (char *)(uintptr_t)ns_path_base(name) : NULL;
    char *const model = base && ns_starts(base, kind) ? strstr(base + strlen(kind), "--") : NULL;
    for (size_t n = model ? strlen(model) : 0; n > 3 && rc == NS_OK && !*found; n--)
        if (model[n - 1] == '-' || model[n - 1] == '_') {
            model[n - 1] = '\0';
            rc = in_main(found, name, err);
        }
    free(name);
    return rc;
}

/* CACHE/snapshots/COMMIT -> CACHE, in place; false: it is no such folder. */
static bool to_cache(char *whole)
{
    char *const commit = strrchr(whole, '/');
    if (commit)
        *commit = '\0';
    if (!commit || !ns_ends(whole, "/snapshots"))
        return false;
    whole[strlen(whole) - strlen("/snapshots")] = '\0';
    return true;
}

static int of_another(ns_checkpoint *ck, const char *cache, ns_error *err)
{
    int rc = in_main(&ck->tokenizer, cache, err);
    if (rc == NS_OK && !ck->tokenizer)
        rc = in_parent(&ck->tokenizer, cache, err);
    if (rc == NS_OK && ck->tokenizer)
        rc = ns_checkpoint_add_note(ck, err, "%s: has no tokenizer: %s is taken", ck->dir, ck->tokenizer);
    return rc;
}

/* RUN/config.json of RUN/checkpoints/step1000.pt, RUN's tokenizer of RUN/checkpoints/step1000; else that of a cache. whole: the real path
 * of the folder, which is written on. */
static int look_around(ns_checkpoint *ck, char *whole, ns_error *err)
{
    int rc = ns_series_is_nest(ns_path_base(whole)) ? beside(&ck->config, ck->dir, "../config.json", err) : NS_OK;
    if (rc != NS_OK || ck->tokenizer)
        return rc;
    if (to_cache(whole))
        return of_another(ck, whole, err);
    return ns_series_is_nest(ns_path_base(whole)) ? tokenizer_in(&ck->tokenizer, ck->dir, "../..", err) : NS_OK;
}

int ns_checkpoint_companions(ns_checkpoint *ck, ns_error *err)
{
    char *whole = NULL;
    int rc = beside(&ck->config, ck->dir, "config.json", err);
    rc = rc != NS_OK ? rc : tokenizer_in(&ck->tokenizer, ck->dir, NULL, err);
    rc = rc != NS_OK ? rc : tokenizer_in(&ck->tokenizer, ck->dir, "..", err);
    if (rc == NS_OK && !(ck->config && ck->tokenizer))
        rc = (whole = ns_path_whole(ck->dir)) ? NS_OK : ns_oom(err, ck->dir);
    rc = rc != NS_OK || !whole ? rc : look_around(ck, whole, err);
    free(whole);
    return rc;
}
