/* locate.c - from the path that a user gives to the files that hold the tensors.
 *
 * file | *.index.json | Hugging Face cache folder -> refs/REVISION -> snapshots/HASH | folder: model.safetensors,
 * model.safetensors.index.json, the only *.safetensors; otherwise what the folder looks like, in words. */
#include "io/reader.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_REF = 256 };

/* Folders that are known by a name inside them but not read. Tried in order, after the safetensors forms. */
static const struct form {
    const char *glob, *what, *remedy;
} forms[] = {
    { "*.distcp", "a PyTorch distributed checkpoint (DCP)", "convert it with torch.distributed.checkpoint.format_utils and save it as safetensors" },
    { "zero_to_fp32.py", "a DeepSpeed ZeRO checkpoint", "run its zero_to_fp32.py with --safe_serialization" },
    { "*_optim_states.pt", "a DeepSpeed ZeRO checkpoint", "run zero_to_fp32.py with --safe_serialization" },
    { "mp_rank_*", "a Megatron or DeepSpeed checkpoint of model-parallel ranks", "convert it to a Hugging Face folder" },
    { "adapter_config.json", "an adapter without its base model", "merge it (peft: merge_and_unload) and save the merged model" },
    { "pytorch_model*.bin*", "a PyTorch checkpoint", "save it again in transformers with safe_serialization=True" },
    { "*.gguf", "a folder of GGUF files", "load one in transformers with gguf_file= and save it as safetensors" },
    { "flax_model*.msgpack", "a Flax checkpoint", "load it in transformers with from_flax=True and save it as safetensors" },
    { "tf_model*.h5", "a TensorFlow checkpoint", "load it in transformers with from_tf=True and save it as safetensors" },
    { "*.nemo", "a NeMo archive", "convert it to a Hugging Face folder" },
    { "*.pt", "a PyTorch checkpoint", "save its state dict with safetensors.torch.save_file as model.safetensors" },
    { "*.pth", "a PyTorch checkpoint", "save its state dict with safetensors.torch.save_file as model.safetensors" },
    { "*.ckpt", "a PyTorch checkpoint", "save its state dict with safetensors.torch.save_file as model.safetensors" },
    { "models--*", "a Hugging Face cache of several models", "name one models--ORG--NAME folder inside it" },
    { "checkpoint-*", "a folder of training checkpoints", "name one of them" },
    { "step*", "a folder of training checkpoints", "name one of them" },
};

bool ns_plain_name(const char *name)
{
    return *name && !strpbrk(name, "/\\") && strcmp(name, ".") && strcmp(name, "..");
}

void ns_location_free(ns_location *at)
{
    ns_free_strings(at->files, at->n_files);
    cJSON_Delete(at->index);
    free(at->index_path);
    free(at->dir);
    *at = (ns_location){ 0 };
}

static int one_file(ns_location *at, const char *name, ns_error *err)
{
    if (!ns_grow(&at->files, &at->capacity, at->n_files + 1, sizeof *at->files) || !(at->files[at->n_files] = ns_path_join(at->dir, name)))
        return ns_oom(err, at->dir);
    at->n_files++;
    return NS_OK;
}

static int with_index(ns_location *at, const char *name, ns_error *err)
{
    at->index_path = ns_path_join(at->dir, name);
    return at->index_path ? ns_index_files(at, err) : ns_oom(err, at->dir);
}

static int unknown_form(const ns_location *at, char *const *names, int64_t n, ns_error *err)
{
    for (size_t f = 0; f < sizeof forms / sizeof *forms; f++) {
        for (int64_t i = 0; i < n; i++) {
            if (ns_glob(forms[f].glob, names[i]))
                return ns_fail(err, NS_E_UNSUPPORTED, "%s: %s ('%s'): needlescope reads safetensors (%s)", at->dir, forms[f].what, names[i], forms[f].remedy);
        }
    }
    return ns_fail(err, NS_E_MISSING, "%s: no model.safetensors, model.safetensors.index.json or single *.safetensors in it", at->dir);
}

static bool has(char *const *names, int64_t n, const char *name)
{
    for (int64_t i = 0; i < n; i++) {
        if (!strcmp(names[i], name))
            return true;
    }
    return false;
}

static int choose(ns_location *at, char *const *names, int64_t n, ns_error *err)
{
    static const char index[] = "model.safetensors.index.json";
    const char *only = NULL;
    int found = 0;
    for (int64_t i = 0; i < n; i++) {
        if (ns_ends(names[i], ".safetensors") && !ns_starts(names[i], "adapter_model")) {
            only = names[i];
            found++;
        }
    }
    if (has(names, n, "model.safetensors"))
        return one_file(at, "model.safetensors", err);
    if (has(names, n, index))
        return with_index(at, index, err);
    if (found > 1)
        return ns_fail(err, NS_E_MISSING, "%s: %d *.safetensors files but no %s (restore it, or name one file)", at->dir, found, index);
    return found ? one_file(at, only, err) : unknown_form(at, names, n, err);
}

/* refs/REVISION names the snapshot; a revision may also be the snapshot's own hash, and one may contain '/' ("refs/pr/1"). */
static int snapshot_name(char **out, const char *cache, const char *revision, ns_error *err)
{
    char *const ref = ns_printf_alloc("%s/refs/%s", cache, revision);
    char *const direct = ns_printf_alloc("%s/snapshots/%s", cache, revision);
    char *text = NULL;
    size_t n = 0;
    int rc = ref && direct ? NS_OK : ns_oom(err, cache);
    if (!rc && ns_plain_name(revision) && ns_path_is_dir(direct)) {
        *out = ns_strdup(revision);
        rc = *out ? NS_OK : ns_oom(err, cache);
    } else if (!rc && !ns_path_exists(ref)) {
        rc = ns_fail(err, NS_E_MISSING, "%s: no refs/%s and no snapshots/%s in it (name the revision that was downloaded)", cache, revision, revision);
    } else if (!rc) {
        rc = ns_file_read(ref, MAX_REF, &text, &n, err);
        if (!rc) {
            text[strcspn(text, " \t\r\n")] = 0;
            if (!ns_plain_name(text))
                rc = ns_fail(err, NS_E_FORMAT, "%s: '%.80s' is not a commit hash", ref, text);
        }
        if (!rc) {
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
    if (rc)
        return rc;
    char *const snapshot = ns_printf_alloc("%s/snapshots/%s", at->dir, hash);
    if (!snapshot)
        rc = ns_oom(err, at->dir);
    else if (!ns_path_is_dir(snapshot))
        rc = ns_fail(err, NS_E_MISSING, "%s: refs/%s names the snapshot %s, which is not in it (download it again)", at->dir, wanted, hash);
    free(hash);
    if (rc) {
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
    const bool cache = !rc && has(names, n, "snapshots") && (has(names, n, "refs") || has(names, n, "blobs"));
    if (cache) {
        ns_free_strings(names, n);
        names = NULL;
        n = 0;
        rc = enter_snapshot(at, revision, err);
        if (!rc)
            rc = ns_folder_list(&names, &n, at->dir, err);
    } else if (!rc && revision) {
        rc = ns_fail(err, NS_E_ARG, "%s: a revision was given ('%.80s'), but this is not a Hugging Face cache folder (models--ORG--NAME)", at->dir, revision);
    }
    if (!rc)
        rc = choose(at, names, n, err);
    ns_free_strings(names, n);
    return rc;
}

static int locate_file(ns_location *at, const char *path, const char *revision, ns_error *err)
{
    const char *const base = ns_path_base(path);
    if (revision)
        return ns_fail(err, NS_E_ARG, "%s: a revision was given ('%.80s'), but this is a file", path, revision);
    return ns_ends(base, ".index.json") ? with_index(at, base, err) : one_file(at, base, err);
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
    *out = (ns_location){ 0 };
    if (!path || !*path || strlen(path) > 1 << 16)
        return ns_fail(err, NS_E_ARG, "no path of a checkpoint is given");
    if (!ns_path_exists(path))
        return ns_fail(err, NS_E_MISSING, "%s: no such file or folder (needlescope reads local checkpoints; download it first)", path);
    const bool folder = ns_path_is_dir(path);
    out->dir = folder ? ns_strdup(path) : folder_of(path);
    int rc = out->dir ? NS_OK : ns_oom(err, path);
    if (!rc)
        rc = folder ? locate_folder(out, revision, err) : locate_file(out, path, revision, err);
    if (rc)
        ns_location_free(out);
    return rc;
}
