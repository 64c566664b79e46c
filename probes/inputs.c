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

/* ---- all of a file ---- */

static int tell_item(const cJSON *item, const char *path, ns_engine *engine, const ns_answer *a, ns_inputs_count *count,
                     ns_error *err)
{
    input in = {.engine = engine};
    int rc = ns_json_str(item, "what", &in.what, path, err);
    rc = rc != NS_OK ? rc : ns_json_str(item, "sha256", &in.sha256, path, err);
    rc = rc != NS_OK ? rc : ns_json_str(item, "path", &in.path, path, err);
    if (rc == NS_OK && (!in.what || !in.sha256 || !in.path))
        rc = ns_fail(err, NS_E_FORMAT, "%s: inputs_json: an input lacks \"what\", \"sha256\" or \"path\"", path);
    return rc != NS_OK ? rc : tell(&in, a, count, err);
}

static int read_list(cJSON **out, const char *path, ns_error *err)
{
    ns_fact_list facts = {0};
    *out = NULL;
    int rc = ns_provenance_read(&facts, path, err);
    const char *const text = rc == NS_OK ? ns_fact_list_find(&facts, "inputs_json") : NULL;
    if (rc == NS_OK && !text)
        rc = ns_fail(err, NS_E_ARG, "%s: names no inputs (score, record, scan, merge, ablate, patch and trace write files that do)", path);
    rc = rc != NS_OK ? rc : ns_json_parse(out, text, strlen(text), DEPTH, path, err);
    ns_fact_list_clear(&facts);
    return rc;
}

int ns_inputs_verify(const char *path, ns_engine *engine, const ns_answer *a, ns_inputs_count *count, ns_error *err)
{
    static const ns_column columns[] = {{"what", "input", NS_CELL_TEXT}, {"state", "state", NS_CELL_TEXT}, {"path", "path", NS_CELL_TEXT},
                                        {"why", "", NS_CELL_TEXT}};
    cJSON *list;
    *count = (ns_inputs_count){0};
    int rc = read_list(&list, path, err);
    if (rc != NS_OK)
        return rc;
    TELL_TABLE(a, "inputs", NULL, columns);
    for (const cJSON *item = list->child; item && rc == NS_OK; item = item->next)
        rc = tell_item(item, path, engine, a, count, err);
    a->end(a->user);
    cJSON_Delete(list);
    return rc;
}
