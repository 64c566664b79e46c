/* index.c - model.safetensors.index.json, pytorch_model.bin.index.json: weight_map {tensor: file}.
 *
 * The index and the shards must say the same: every tensor of the index is in its shard, every tensor of a shard is in the index. */
#include "io/reader.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_INDEX = 100 * 1000 * 1000, MAX_SHARDS = 1 << 16, INDEX_DEPTH = 8 };

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The file names of weight_map, each once, in order: borrowed from the JSON. */
static int shard_names(const cJSON *map, const char *index_path, const char ***out, int64_t *n_out, ns_error *err)
{
    const char **names = NULL;
    int64_t n = 0, unique = 0, capacity = 0;
    int rc = NS_OK;
    const char *last = NULL;
    for (const cJSON *item = map->child; item && rc == NS_OK; item = item->next) {
        const char *const file = cJSON_GetStringValue(item);
        if (!file || !ns_plain_name(file))
            rc = ns_fail(err, NS_E_FORMAT, "%s: tensor '%s': '%.80s' is not a plain file name", index_path, item->string,
                         file ? file : "(no string)");
        else if (last && !strcmp(last, file))
            continue;
        else if (!ns_grow(&names, &capacity, n + 1, sizeof *names))
            rc = ns_oom(err, index_path);
        else
            last = names[n++] = file;
    }
    if (rc == NS_OK && n == 0)
        rc = ns_fail(err, NS_E_FORMAT, "%s: weight_map is empty", index_path);
    if (rc != NS_OK) {
        free(names);
        return rc;
    }
    qsort(names, (size_t)n, sizeof *names, by_text);
    for (int64_t i = 0; i < n; i++) {
        if (i == 0 || strcmp(names[i], names[unique - 1]))
            names[unique++] = names[i];
    }
    *out = names;
    *n_out = unique;
    return NS_OK;
}

static int add_shard(ns_location *at, const char *name, ns_error *err)
{
    char *const path = ns_path_join(at->dir, name);
    if (!path || !ns_grow(&at->files, &at->capacity, at->n_files + 1, sizeof *at->files)) {
        free(path);
        return ns_oom(err, at->index_path);
    }
    at->files[at->n_files++] = path;
    if (!ns_path_exists(path))
        return ns_fail(err, NS_E_MISSING, "%s: its shard '%s' is not in the folder (download it)", at->index_path, name);
    return NS_OK;
}

int ns_index_files(ns_location *at, ns_error *err)
{
    const char **names = NULL;
    int64_t n = 0;
    int rc = ns_json_read(&at->index, at->index_path, MAX_INDEX, INDEX_DEPTH, err);
    if (rc != NS_OK)
        return rc;
    const cJSON *const map = cJSON_GetObjectItemCaseSensitive(at->index, "weight_map");
    if (!cJSON_IsObject(map))
        return ns_fail(err, NS_E_FORMAT, "%s: no object 'weight_map' in it", at->index_path);
    rc = shard_names(map, at->index_path, &names, &n, err);
    if (rc == NS_OK && n > MAX_SHARDS)
        rc = ns_fail(err, NS_E_FORMAT, "%s: %lld shards (at most %d)", at->index_path, (long long)n, MAX_SHARDS);
    for (int64_t i = 0; i < n && rc == NS_OK; i++)
        rc = add_shard(at, names[i], err);
    free(names);
    return rc;
}

/* The tensor that no entry of the index names: there is one, since every entry has its own tensor and they are fewer. */
static int not_in_index(const ns_checkpoint *ck, const ns_location *at, const cJSON *map, ns_error *err)
{
    bool *const named = ns_alloc_array((size_t)ck->n_tensors, sizeof *named);
    if (!named)
        return ns_oom(err, at->index_path);
    for (const cJSON *item = map->child; item; item = item->next)
        named[ns_checkpoint_find(ck, item->string) - ck->tensors] = true;
    int64_t i = 0;
    while (i < ck->n_tensors - 1 && named[i])
        i++;
    free(named);
    return ns_fail(err, NS_E_FORMAT, "%s: tensor '%s' is not in %s (the shards and the index do not belong together)", ck->tensors[i].file,
                   ck->tensors[i].name, at->index_path);
}

int ns_index_check(const ns_checkpoint *ck, const ns_location *at, ns_error *err)
{
    const cJSON *const map = cJSON_GetObjectItemCaseSensitive(at->index, "weight_map");
    int64_t n = 0;
    for (const cJSON *item = map->child; item; item = item->next, n++) {
        const ns_tensor *const t = ns_checkpoint_find(ck, item->string);
        if (!t)
            return ns_fail(err, NS_E_FORMAT, "%s: tensor '%s' is in no shard; it should be in %s", at->index_path, item->string,
                           item->valuestring);
        if (strcmp(ns_path_base(t->file), item->valuestring))
            return ns_fail(err, NS_E_FORMAT, "%s: tensor '%s' should be in %s, but is in %s", at->index_path, item->string,
                           item->valuestring, ns_path_base(t->file));
    }
    return n == ck->n_tensors ? NS_OK : not_in_index(ck, at, map, err);
}
