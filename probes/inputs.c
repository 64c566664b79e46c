/* inputs.c - the inputs that a file of ours names: found again by their paths, hashed again by what they are. */
#include <needlescope/inputs.h>
#include <needlescope/provenance.h>
#include <needlescope/record.h>
#include <needlescope/tokenizer.h>

#include <stdlib.h>
#include <string.h>

#include "merge.h"
#include "training/telling.h"

enum { DEPTH = 4 };

typedef struct input { const char *what, *sha256, *path; ns_engine *engine; } input;

/* ---- hashes, each as the writer of the file made it ---- */

static int of_bytes(const input *in, char hex[65], ns_error *err)
{
    return ns_file_bytes_sha256(in->path, hex, err);
}

static int of_weights(const input *in, char hex[65], ns_error *err)
{
    ns_checkpoint *c;
    int rc = ns_checkpoint_open(&c, in->path, NULL, err);
    rc = rc != NS_OK ? rc : ns_checkpoint_weights_sha256(c, in->engine, hex, err);
    ns_checkpoint_free(c);
    return rc;
}

static int of_config(const input *in, char hex[65], ns_error *err)
{
    ns_checkpoint *c;
    char *text = NULL;
    size_t n = 0;
    ns_sha256 sha;
    int rc = ns_checkpoint_open(&c, in->path, NULL, err);
    rc = rc != NS_OK ? rc : ns_checkpoint_config(c, &text, &n, err);
    ns_sha256_begin(&sha);
    if (text)
        ns_sha256_add(&sha, text, strlen(text));
    ns_sha256_end(&sha, hex);
    free(text);
    ns_checkpoint_free(c);
    return rc;
}

static int of_tokenizer(const input *in, char hex[65], ns_error *err)
{
    char *path = NULL;
    int rc = ns_path_is_dir(in->path) ? ns_tokenizer_in(&path, in->path, err) : NS_OK;
    rc = rc != NS_OK ? rc : ns_tokenizer_file_sha256(path ? path : in->path, hex, err);
    free(path);
    return rc;
}

static int of_file(const input *in, char hex[65], ns_error *err)
{
    ns_file *f;
    int rc = ns_file_open(&f, in->path, err);
    rc = rc != NS_OK ? rc : ns_file_verify(f, err);
    const char *const content = rc == NS_OK ? ns_file_fact(f, "content_sha256") : NULL;
    snprintf(hex, 65, "%s", content ? content : "");
    ns_file_close(f);
    return rc;
}

/* What the hash of a folder's shards would be is not said: it is this one, or another. */
static int of_shards(const input *in, char hex[65], ns_error *err)
{
    const int rc = ns_shards_compare(in->path, in->sha256, err);
    snprintf(hex, 65, "%s", rc == NS_OK ? in->sha256 : "other");
    return rc == NS_E_FORMAT ? NS_OK : rc;
}

static const struct kind { const char *what; int (*hash)(const input *, char hex[65], ns_error *); } kinds[] = {
    {"weights", of_weights}, {"config", of_config}, {"tokenizer", of_tokenizer}, {"cases", of_bytes}, {"arch", of_bytes},
    {"names", of_bytes}, {"text", of_bytes}, {"shards", of_shards}, {"file", of_file},
};

static const struct kind *kind_of(const char *what)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(kinds[i].what, what) == 0)
            return &kinds[i];
    return NULL;
}

/* ---- one input ---- */

static const char *state_of(const input *in, char hex[65], ns_inputs_count *count, ns_error *why)
{
    const struct kind *const kind = kind_of(in->what);
    if (!ns_path_exists(in->path)) {
        count->gone++;
        return "gone";
    }
    const int rc = kind ? kind->hash(in, hex, why)
                        : ns_fail(why, NS_E_UNSUPPORTED, "this version does not know what '%.40s' is", in->what);
    if (rc != NS_OK) {
        count->unread++;
        return "unread";
    }
    const bool same = strcmp(hex, in->sha256) == 0;
    count->same += same;
    count->changed += !same;
    return same ? "same" : "changed";
}

static int tell(const input *in, const ns_answer *a, ns_inputs_count *count, ns_error *err)
{
    char hex[65] = "", words[200] = "";
    ns_error why = {""};
    const char *const state = state_of(in, hex, count, &why);
    if (strstr(why.message, "out of memory"))
        return ns_fail(err, NS_E_MEMORY, "%s", why.message);
    if (strcmp(state, "changed") == 0)
        snprintf(words, sizeof words, "was %.12s, is %.12s", in->sha256, hex);
    tell_text(a, in->what);
    tell_text(a, state);
    tell_text(a, in->path);
    tell_text(a, why.message[0] ? why.message : words);
    return NS_OK;
}

/* ---- a folder of shards that is another: which of them ---- */

static int tell_shard(const char *state, const char *path, const ns_answer *a)
{
    tell_text(a, "shard");
    tell_text(a, state);
    tell_text(a, path);
    tell_text(a, "");
    return NS_OK;
}

/* was: the first digits of its content's hash. */
static const char *shard_state(const char *path, const char *was, ns_error *why)
{
    ns_file *f;
    if (!ns_path_exists(path))
        return "gone";
    const int rc = ns_file_open_own(&f, path, why);
    const char *const is = rc == NS_OK ? ns_file_fact(f, "content_sha256") : NULL;
    const bool same = is && was && ns_starts(is, was);
    ns_file_close(f);
    return rc != NS_OK ? "unread" : same ? "same" : "changed";
}

static int tell_changed(const char *shards, const cJSON *was, const ns_answer *a, ns_error *err)
{
    int rc = NS_OK;
    for (const cJSON *item = was->child; item && rc == NS_OK; item = item->next) {
        char *const path = ns_path_join(shards, item->string);
        ns_error why = {""};
        const char *const state = path ? shard_state(path, cJSON_GetStringValue(item), &why) : "";
        if (!path || strstr(why.message, "out of memory"))
            rc = ns_oom(err, shards);
        else if (strcmp(state, "same") != 0)
            rc = tell_shard(state, path, a);
        free(path);
    }
    return rc;
}

static int tell_new_of(const char *shards, const char *run, const cJSON *was, const ns_answer *a, ns_error *err)
{
    char *const folder = ns_path_join(shards, run), **names = NULL;
    int64_t n = 0;
    int rc = folder ? NS_OK : ns_oom(err, shards);
    rc = rc == NS_OK && ns_path_is_dir(folder) ? ns_folder_list(&names, &n, folder, err) : rc;
    for (int64_t i = 0; i < n && rc == NS_OK; i++) {
        ns_scan_key key;
        char *const name = ns_path_join(run, names[i]), *const path = ns_path_join(folder, names[i]);
        const bool shard = strcmp(ns_scan_key_read(names[i], &key), ".h5") == 0;
        rc = !name || !path ? ns_oom(err, folder)
             : shard && !cJSON_GetObjectItemCaseSensitive(was, name) ? tell_shard("new", path, a) : NS_OK;
        free(name);
        free(path);
    }
    ns_free_strings(names, n);
    free(folder);
    return rc;
}

static int tell_shards(const char *out, const cJSON *was, const ns_answer *a, ns_error *err)
{
    char *const shards = ns_path_join(out, "shards"), **runs = NULL;
    int64_t n = 0;
    int rc = shards ? tell_changed(shards, was, a, err) : ns_oom(err, out);
    rc = rc == NS_OK && ns_path_is_dir(shards) ? ns_folder_list(&runs, &n, shards, err) : rc;
    for (int64_t i = 0; i < n && rc == NS_OK; i++)
        rc = tell_new_of(shards, runs[i], was, a, err);
    ns_free_strings(runs, n);
    free(shards);
    return rc;
}

/* ---- all of a file ---- */

static int tell_item(const cJSON *item, const cJSON *shards, const char *path, ns_engine *engine, const ns_answer *a,
                     ns_inputs_count *count, ns_error *err)
{
    const int64_t changed = count->changed;
    input in = {.engine = engine};
    int rc = ns_json_str(item, "what", &in.what, path, err);
    rc = rc != NS_OK ? rc : ns_json_str(item, "sha256", &in.sha256, path, err);
    rc = rc != NS_OK ? rc : ns_json_str(item, "path", &in.path, path, err);
    if (rc == NS_OK && (!in.what || !in.sha256 || !in.path))
        rc = ns_fail(err, NS_E_FORMAT, "%s: inputs_json: an input lacks \"what\", \"sha256\" or \"path\"", path);
    rc = rc != NS_OK ? rc : tell(&in, a, count, err);
    const bool others = rc == NS_OK && count->changed > changed && strcmp(in.what, "shards") == 0;
    return others && shards ? tell_shards(in.path, shards, a, err) : rc;
}

/* shards: what each of them was, NULL where the file says none. */
static int read_list(cJSON **out, cJSON **shards, const char *path, ns_error *err)
{
    ns_fact_list facts = {0};
    *out = *shards = NULL;
    int rc = ns_provenance_read(&facts, path, err);
    const char *const text = rc == NS_OK ? ns_fact_list_find(&facts, "inputs_json") : NULL;
    if (rc == NS_OK && !text)
        rc = ns_fail(err, NS_E_ARG, "%s: names no inputs (score, record, scan, merge, ablate, patch and trace write files that do)", path);
    rc = rc != NS_OK ? rc : ns_json_parse(out, text, strlen(text), DEPTH, path, err);
    const char *const each = rc == NS_OK ? ns_fact_list_find(&facts, "shards_json") : NULL;
    rc = rc == NS_OK && each ? ns_json_parse(shards, each, strlen(each), DEPTH, path, err) : rc;
    ns_fact_list_clear(&facts);
    return rc;
}

int ns_inputs_verify(const char *path, ns_engine *engine, const ns_answer *a, ns_inputs_count *count, ns_error *err)
{
    static const ns_column columns[] = {{"what", "input", NS_CELL_TEXT}, {"state", "state", NS_CELL_TEXT}, {"path", "path", NS_CELL_TEXT},
                                        {"why", "", NS_CELL_TEXT}};
    cJSON *list, *shards;
    *count = (ns_inputs_count){0};
    int rc = read_list(&list, &shards, path, err);
    if (rc != NS_OK) {
        cJSON_Delete(list);
        return rc;
    }
    TELL_TABLE(a, "inputs", NULL, columns);
    for (const cJSON *item = list->child; item && rc == NS_OK; item = item->next)
        rc = tell_item(item, shards, path, engine, a, count, err);
    a->end(a->user);
    cJSON_Delete(list);
    cJSON_Delete(shards);
    return rc;
}
