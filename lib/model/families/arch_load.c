/* arch_load.c - from config.json to a checked arch: family, facts, layers, names. */
#include "model/families/family.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int find_family(const ns_family **out, const cJSON *root, const char *label, ns_error *err)
{
    const char *type;
    char known[256] = "";
    const int rc = ns_json_str(root, "model_type", &type, label, err);
    if (rc)
        return rc;
    *out = type ? ns_family_find(type) : NULL;
    if (*out)
        return NS_OK;
    for (int i = 0; ns_families[i]; i++)
        snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i ? ", " : "", ns_families[i]->type);
    if (!type)
        return ns_fail(err, NS_E_FORMAT, "%s: no model_type (known: %s); or describe the model with --arch", label, known);
    return ns_fail(err, NS_E_UNSUPPORTED, "%s: model_type '%.60s' is not supported (known: %s); describe the model with --arch", label,
                   type, known);
}

/* The first prefix under which the checkpoint has the embedding: wrappers and bare trunks differ only in it. */
static const char *find_prefix(const ns_family *row, const ns_checkpoint *checkpoint)
{
    const char *const *const prefixes = row->names->prefixes;
    for (int i = 0; checkpoint && prefixes[i]; i++) {
        char name[256];
        snprintf(name, sizeof name, "%s%s", prefixes[i], row->names->embed);
        if (ns_checkpoint_find(checkpoint, name))
            return prefixes[i];
    }
    return prefixes[0];
}

/* The text model's object of a wrapper, or the root itself. */
static int text_object(cJSON **out, cJSON *root, const ns_family *row, const char *label, ns_error *err)
{
    *out = root;
    if (!row->nested)
        return NS_OK;
    cJSON *const inner = cJSON_GetObjectItemCaseSensitive(root, row->nested);
    if (!cJSON_IsObject(inner))
        return ns_fail(err, NS_E_FORMAT, "%s: model_type %s needs an object '%s'", label, row->type, row->nested);
    const cJSON *const quantised = cJSON_GetObjectItemCaseSensitive(root, "quantization_config");
    if (quantised && !cJSON_IsNull(quantised))
        return ns_fail(err, NS_E_UNSUPPORTED,
                       "%s: quantization_config is set, and quantised weights are not supported: store the model as f32, f16 or bf16",
                       label);
    *out = inner;
    return NS_OK;
}

static int from_config(ns_arch **out, const char *json, size_t n, const char *label, const ns_checkpoint *checkpoint,
                       const ns_arch_params *params, ns_error *err)
{
    cJSON *root = NULL, *object;
    const ns_family *row;
    ns_config config = {0};
    ns_facts facts = {0};
    *out = NULL;
    int rc = ns_json_parse(&root, json, n, NS_MAX_JSON_DEPTH, label, err);
    if (rc)
        return rc;
    if (!cJSON_IsObject(root))
        rc = ns_fail(err, NS_E_FORMAT, "%s: not a JSON object", label);
    if (rc || (rc = find_family(&row, root, label, err)) || (rc = text_object(&object, root, row, label, err)))
        goto out;
    if (!ns_config_open(&config, object, label, params)) {
        rc = ns_oom(err, "the config reader");
        goto out;
    }
    if ((rc = ns_facts_read(&facts, &config, row, err)) || (rc = ns_arch_build(out, row, &facts, find_prefix(row, checkpoint), err)))
        goto out;
    if (!(rc = ns_arch_validate(*out, label, err)) && params && params->names_path)
        rc = ns_arch_apply_names(*out, params->names_path, err);
out:
    if (rc) {
        ns_arch_free(*out);
        *out = NULL;
    }
    ns_facts_clear(&facts);
    ns_config_close(&config);
    cJSON_Delete(root);
    return rc;
}

int ns_arch_from_config(ns_arch **out, const char *json, size_t n, const char *label, const ns_arch_params *params, ns_error *err)
{
    return from_config(out, json, n, label, NULL, params, err);
}

int ns_arch_from_checkpoint(ns_arch **out, const ns_checkpoint *checkpoint, const ns_arch_params *params, ns_error *err)
{
    const char *const path = ns_checkpoint_config_path(checkpoint);
    char *text = NULL;
    size_t n = 0;
    *out = NULL;
    if (!path)
        return ns_fail(err, NS_E_MISSING, "%s: no config.json: put it beside the weights, or describe the model with --arch",
                       ns_checkpoint_dir(checkpoint));
    int rc = ns_file_read(path, NS_MAX_JSON, &text, &n, err);
    if (rc == NS_OK)
        rc = from_config(out, text, n, path, checkpoint, params, err);
    free(text);
    return rc;
}
