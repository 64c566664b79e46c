/* names.c - a names map: {"glob over names in the description": "name in the file"}, so that a model with other tensor names loads.
 *
 * The first entry whose glob matches a name decides; the text of its k-th '*' (the shortest that matches) takes the place of the k-th '*'
 * of the new name. An entry that matches nothing is an error: it is a spelling mistake. */
#include "model/families/family.h"
#include <stdlib.h>
#include <string.h>

enum { MAX_STARS = 8 };
typedef struct star { const char *begin; size_t n; } star;
typedef struct rename_job { const cJSON *map; const char *path; int64_t *hits; } rename_job;

static size_t count_stars(const char *s)
{
    size_t n = 0;
    for (; *s; s++)
        n += *s == '*';
    return n;
}

/* Matches like ns_glob, keeping what each '*' took. Iterative: on a mismatch the last star takes one more byte. */
static bool match(const char *pattern, const char *text, star *stars, size_t *n_stars)
{
    const char *retry_pattern = NULL, *retry_text = NULL;
    size_t n = 0;
    for (;;) {
        if (*pattern == '*') {
            stars[n++] = (star){.begin = text, .n = 0};
            retry_pattern = ++pattern;
            retry_text = text;
        } else if (*pattern && *text && (*pattern == '?' || *pattern == *text)) {
            pattern++;
            text++;
        } else if (!*pattern && !*text) {
            *n_stars = n;
            return true;
        } else if (retry_pattern && *retry_text) {
            pattern = retry_pattern;
            text = ++retry_text;
            stars[n - 1].n = (size_t)(text - stars[n - 1].begin);
        } else {
            return false;
        }
    }
}

static char *substitute(const char *name, const star *stars)
{
    size_t size = strlen(name) + 1, k = 0;
    for (const char *s = name; *s; s++)
        if (*s == '*')
            size += stars[k++].n;
    char *const out = malloc(size), *end = out;
    if (!out)
        return NULL;
    k = 0;
    for (const char *s = name; *s; s++) {
        if (*s == '*') {
            memcpy(end, stars[k].begin, stars[k].n);
            end += stars[k++].n;
        } else {
            *end++ = *s;
        }
    }
    *end = 0;
    return out;
}

static int rename_slot(void *user, const ns_visit *slot, ns_error *err)
{
    rename_job *const job = user;
    int64_t i = 0;
    if (!slot->tref->name)
        return NS_OK;
    for (const cJSON *entry = job->map->child; entry; entry = entry->next, i++) {
        star stars[MAX_STARS];
        size_t n;
        if (!match(entry->string, slot->tref->name, stars, &n))
            continue;
        char *const name = substitute(entry->valuestring, stars);
        if (!name)
            return ns_oom(err, "a tensor name");
        if (!*name) {
            free(name);
            return ns_fail(err, NS_E_ARG, "%s: '%.80s' -> '%.80s' leaves '%.80s' without a name (its '*' matches nothing)", job->path,
                           entry->string, entry->valuestring, slot->tref->name);
        }
        free(slot->tref->name);
        slot->tref->name = name;
        job->hits[i]++;
        return NS_OK;
    }
    return NS_OK;
}

static int check_map(const cJSON *map, const char *path, ns_error *err)
{
    if (!cJSON_IsObject(map))
        return ns_fail(err, NS_E_FORMAT, "%s: a names map is an object {\"name or glob in the description\": \"name in the file\"}", path);
    for (const cJSON *entry = map->child; entry; entry = entry->next) {
        if (!cJSON_IsString(entry) || !entry->valuestring[0])
            return ns_fail(err, NS_E_FORMAT, "%s: '%.80s' must map to a tensor name", path, entry->string);
        const size_t left = count_stars(entry->string), right = count_stars(entry->valuestring);
        if (left > MAX_STARS || right > left)
            return ns_fail(err, NS_E_FORMAT, "%s: '%.80s' -> '%.80s': the new name has %zu '*', the glob %zu (at most %d)", path,
                           entry->string, entry->valuestring, right, left, MAX_STARS);
    }
    return NS_OK;
}

int ns_arch_apply_names(ns_arch *a, const char *path, ns_error *err)
{
    cJSON *map = NULL;
    rename_job job = {.path = path};
    int rc = ns_json_read(&map, path, NS_MAX_JSON, 4, err);
    if (rc != NS_OK || (rc = check_map(map, path, err)) != NS_OK)
        goto out;
    job.map = map;
    job.hits = ns_alloc_array((size_t)cJSON_GetArraySize(map), sizeof *job.hits);
    if (!job.hits) {
        rc = ns_oom(err, "the names map");
        goto out;
    }
    if ((rc = ns_arch_each(a, rename_slot, &job, err)) != NS_OK)
        goto out;
    int64_t i = 0;
    for (const cJSON *entry = map->child; entry && rc == NS_OK; entry = entry->next, i++)
        if (!job.hits[i])
            rc = ns_fail(err, NS_E_ARG, "%s: '%.200s' matches no tensor of the description (inspect MODEL --arch-out shows its names)",
                         path, entry->string);
out:
    free(job.hits);
    cJSON_Delete(map);
    return ns_json_fail(err, rc, path, NS_KIND_NAMES);
}
