/* arch_load.c - from config.json to a checked arch: family, facts, layers, names. */
#include "model/families/family.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The rope scaling of the config class, where the file says nothing of it. */
static bool add_default_scaling(cJSON *config, const ns_family *row)
{
    const char *const json = row->defaults.rope_scaling;
    if (!json || cJSON_GetObjectItemCaseSensitive(config, "rope_scaling") || cJSON_GetObjectItemCaseSensitive(config, "rope_parameters"))
        return true;
    cJSON *const scaling = cJSON_Parse(json);
    return scaling && cJSON_AddItemToObject(config, "rope_scaling", scaling);
}

/* config.json of the own trainer for a model that was a description: {"model_type": "needlescope", "arch": {...}}. NULL: another. */
static const cJSON *whole_arch(const cJSON *root)
{
    const cJSON *const type = cJSON_GetObjectItemCaseSensitive(root, "model_type");
    const cJSON *const arch = cJSON_GetObjectItemCaseSensitive(root, "arch");
    return cJSON_IsObject(arch) && cJSON_IsString(type) && strcmp(type->valuestring, "needlescope") == 0 ? arch : NULL;
}

static int from_description(ns_arch **out, const cJSON *arch, const char *label, const ns_arch_params *params, ns_error *err)
{
    char *const text = ns_json_print(arch, false);
    const int rc = text ? ns_arch_from_json(out, text, strlen(text), label, params, err) : ns_oom(err, label);
    free(text);
    return rc;
}

/* The text model was trained with them; the classes around it end in its trunk and a bare head. */
static void warn_scaled_head(const ns_config *config, const ns_text_config *text, const ns_arch *arch)
{
    if (text->wrapper && (arch->logit_scale != 1 || arch->logit_softcap > 0))
        ns_config_warn(config, "logits are scaled by %g%s, as the text model was trained; transformers' class of %.60s leaves that out",
                       (double)arch->logit_scale, arch->logit_softcap > 0 ? " and capped" : "", text->wrapper);
}

static int from_config(ns_arch **out, const char *json, size_t n, const char *label, const ns_checkpoint *checkpoint,
                       const ns_arch_params *params, ns_error *err)
{
    cJSON *root = NULL;
    ns_text_config text;
    ns_prefixes prefixes = {.wrapped = false};
    ns_config config = {0};
    ns_facts facts = {0};
    *out = NULL;
    int rc = ns_json_parse_python(&root, json, n, NS_MAX_JSON_DEPTH, label, err);
    if (rc != NS_OK)
        return rc;
    if (whole_arch(root)) {
        rc = from_description(out, whole_arch(root), label, params, err);
        cJSON_Delete(root);
        return rc;
    }
    if (!cJSON_IsObject(root))
        rc = ns_fail(err, NS_E_FORMAT, "%s: not a JSON object", label);
    if (rc != NS_OK || (rc = ns_text_config_find(&text, root, label, err)) != NS_OK)
        goto out;
    ns_find_prefixes(&prefixes, text.row, checkpoint);
    ns_settle_tie(&text, root, &prefixes);
    if (!add_default_scaling(text.object, text.row) || !ns_config_open(&config, text.object, text.label, params)) {
        rc = ns_oom(err, "the config reader");
        goto out;
    }
    if ((rc = ns_facts_read(&facts, &config, text.row, err)) != NS_OK ||
        (rc = ns_arch_build(out, text.row, &facts, &prefixes, err)) != NS_OK ||
        ((text.wrapper || prefixes.wrapped) && (rc = ns_leave_towers(*out, err)) != NS_OK))
        goto out;
    warn_scaled_head(&config, &text, *out);
    if ((rc = ns_arch_validate(*out, label, err)) == NS_OK && params && params->names_path)
        rc = ns_arch_apply_names(*out, params->names_path, err);
out:
    if (rc != NS_OK) {
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
    char *text = NULL;
    size_t n = 0;
    *out = NULL;
    int rc = ns_checkpoint_config(checkpoint, &text, &n, err);
    if (rc == NS_OK)
        rc = from_config(out, text, n, ns_checkpoint_config_path(checkpoint), checkpoint, params, err);
    free(text);
    return rc;
}
