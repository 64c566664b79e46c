/* described.c - a model by its path, before anyone reads its weights: a description, a config.json, or a checkpoint with its own. */
#include "model/described.h"

#include <stdlib.h>
#include <string.h>

#include "model/internal.h"

enum { LARGEST_MODEL = 64 << 20, DEPTH = 64 };

/* A description becomes a config.json that holds it; a config.json is one. */
static int read_text(ns_described *m, char *text, size_t n, ns_error *err)
{
    cJSON *object = NULL;
    int rc = ns_json_parse_python(&object, text, n, DEPTH, m->path, err);
    const bool config = rc == NS_OK && cJSON_HasObjectItem(object, "model_type");
    if (rc == NS_OK)
        rc = config ? ns_arch_from_config(&m->arch, text, n, m->path, NULL, err) : ns_arch_from_json(&m->arch, text, n, m->path, NULL, err);
    if (rc == NS_OK && !config) {
        cJSON *const whole = cJSON_CreateObject();
        const bool ok = whole && cJSON_AddStringToObject(whole, "model_type", "needlescope") &&
                        cJSON_AddItemToObject(whole, "arch", object);
        object = ok ? NULL : object;
        m->config = ok ? ns_json_print(whole, true) : NULL;
        cJSON_Delete(whole);
    } else if (rc == NS_OK) {
        m->config = ns_strdup(text);                     /* as it is: transformers 5 wants 0.0 where 0.0 was */
    }
    cJSON_Delete(object);
    return rc != NS_OK ? rc : m->config ? NS_OK : ns_oom(err, m->path);
}

/* checkpoint: what its config is read from, or NULL: path is read. */
static int read_description(ns_described *m, const ns_checkpoint *checkpoint, const char *path, ns_error *err)
{
    char *text = NULL;
    size_t n = 0;
    int rc = checkpoint ? ns_checkpoint_config(checkpoint, &text, &n, err) : ns_file_read(path, LARGEST_MODEL, &text, &n, err);
    if (rc == NS_OK)
        rc = read_text(m, text, n, err);
    free(text);
    return rc;
}

static int open_checkpoint(ns_described *m, ns_error *err)
{
    int rc = ns_checkpoint_open(&m->checkpoint, m->path, NULL, err);
    if (rc == NS_OK && !ns_checkpoint_config_path(m->checkpoint))
        rc = ns_fail(err, NS_E_MISSING, "%s: no config.json: a checkpoint that training goes on from needs one", m->path);
    if (rc == NS_OK)
        rc = read_description(m, m->checkpoint, NULL, err);
    ns_arch_free(m->arch);                     /* names may depend on what the file holds */
    m->arch = NULL;
    if (rc == NS_OK)
        rc = ns_arch_from_checkpoint(&m->arch, m->checkpoint, NULL, err);
    return rc != NS_OK ? rc : ns_arch_check(m->arch, m->checkpoint, err);
}

/* Over whatever the model adds to the bits of a run. */
static int hash(ns_described *m, ns_error *err)
{
    char *arch = NULL, weights[65] = "none";
    ns_engine *engine = NULL;
    int rc = ns_arch_to_json(m->arch, &arch, err);
    if (rc == NS_OK && m->checkpoint)
        rc = ns_engine_new(&engine, &(ns_engine_params){.size = sizeof(ns_engine_params)}, err);
    if (rc == NS_OK && m->checkpoint)
        rc = ns_weights_hash(&(ns_model){.engine = engine, .checkpoint = m->checkpoint}, weights, err);
    if (rc == NS_OK) {
        ns_sha256 sha;
        ns_sha256_begin(&sha);
        ns_sha256_add(&sha, arch, strlen(arch));
        ns_sha256_add(&sha, weights, strlen(weights));
        ns_sha256_end(&sha, m->sha256);
    }
    ns_engine_free(engine);
    free(arch);
    return rc;
}

int ns_described_open(ns_described *m, const char *path, ns_error *err)
{
    *m = (ns_described){.path = ns_strdup(path)};
    int rc = m->path ? NS_OK : ns_oom(err, path);
    if (rc == NS_OK)
        rc = ns_path_is_dir(path) || !ns_ends(path, ".json") ? open_checkpoint(m, err) : read_description(m, NULL, path, err);
    rc = rc != NS_OK ? rc : hash(m, err);
    if (rc != NS_OK)
        ns_described_clear(m);
    return rc;
}

void ns_described_clear(ns_described *m)
{
    ns_arch_free(m->arch);
    ns_checkpoint_free(m->checkpoint);
    free(m->config);
    free(m->path);
    *m = (ns_described){0};
}
