/* steps.c - reads one stage of the pipeline (normalizer, pre_tokenizer, post_processor, decoder) into a flat list of steps:
 * Sequences are opened up, their nesting is bounded by the depth of the JSON. */
#include <stdlib.h>
#include <string.h>

#include "io/tokenizer/tok.h"

enum { MOST_STEPS = 256 };      /* each is a pass over the text */

static void step_free(ns_tok_step *step)
{
    ns_tok_regex_free(step->pattern.regex);
    free(step->pattern.literal);
    free(step->content);
    ns_tok_charsmap_free(step->charsmap);
    free(step->before);
    free(step->after);
}

void ns_tok_steps_free(ns_tok_steps *steps)
{
    for (int64_t i = 0; i < steps->n; i++)
        step_free(&steps->item[i]);
    free(steps->item);
}

static int read_one(ns_tok_steps *steps, const ns_tok_stage *stage, const char *type, const cJSON *json, const char *label, ns_error *err)
{
    const ns_tok_kind *kind = stage->kinds;
    while (kind->type && strcmp(kind->type, type) != 0)
        kind++;
    if (!kind->type)
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: %s '%.100s' is not supported (tokenize elsewhere and pass token ids)", label, stage->key,
                       type);
    if (steps->n == MOST_STEPS)
        return ns_fail(err, NS_E_FORMAT, "%s: %s has more than %d components (tokenizers have a handful)", label, stage->key, MOST_STEPS);
    if (!ns_grow(&steps->item, &steps->capacity, steps->n + 1, sizeof *steps->item))
        return ns_oom(err, label);
    ns_tok_step *const step = &steps->item[steps->n++];
    *step = (ns_tok_step){.kind = kind};
    return kind->read ? kind->read(step, json, label, err) : NS_OK;
}

int ns_tok_steps_read(ns_tok_steps *steps, const ns_tok_stage *stage, const cJSON *json, const char *label, ns_error *err)
{
    if (!json || cJSON_IsNull(json))
        return NS_OK;
    const char *type;
    int rc = cJSON_IsObject(json) ? ns_json_str(json, "type", &type, label, err) : NS_E_FORMAT;
    if (rc != NS_OK || !type)
        return ns_fail(err, NS_E_FORMAT, "%s: %s must be an object with a string 'type'", label, stage->key);
    if (strcmp(type, "Sequence") != 0)
        return read_one(steps, stage, type, json, label, err);
    const cJSON *const list = cJSON_GetObjectItemCaseSensitive(json, stage->list_key);
    if (!cJSON_IsArray(list))
        return ns_fail(err, NS_E_FORMAT, "%s: the Sequence in %s has no list '%s'", label, stage->key, stage->list_key);
    for (const cJSON *item = list->child; item && rc == NS_OK; item = item->next)
        rc = ns_tok_steps_read(steps, stage, item, label, err);
    return rc;
}

int ns_tok_steps_run(ns_tok_work *w, const ns_tok_steps *steps)
{
    int rc = NS_OK;
    for (int64_t i = 0; i < steps->n && rc == NS_OK; i++)
        rc = steps->item[i].kind->run(w, &steps->item[i]);
    return rc;
}

/* "pattern": {"String": text} or {"Regex": pattern} */
int ns_tok_pattern_read(ns_tok_pattern *pattern, const cJSON *step, const char *label, ns_error *err)
{
    const cJSON *const json = cJSON_GetObjectItemCaseSensitive(step, "pattern");
    const cJSON *const literal = cJSON_IsString(json) ? json : cJSON_GetObjectItemCaseSensitive(json, "String");
    const cJSON *const regex = cJSON_GetObjectItemCaseSensitive(json, "Regex");
    if (cJSON_IsString(regex))
        return ns_tok_regex_new(&pattern->regex, regex->valuestring, label, err);
    if (!cJSON_IsString(literal))
        return ns_fail(err, NS_E_FORMAT, "%s: 'pattern' must be {\"String\": ...} or {\"Regex\": ...}", label);
    pattern->n = strlen(literal->valuestring);
    if (pattern->n == 0)
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: a component looks for the empty string", label);
    pattern->literal = ns_strdup(literal->valuestring);
    return pattern->literal ? NS_OK : ns_oom(err, label);
}

int ns_tok_read_content(ns_tok_step *step, const cJSON *json, const char *key, const char *label, ns_error *err)
{
    const char *text;
    const int rc = ns_json_str(json, key, &text, label, err);
    if (rc != NS_OK)
        return rc;
    if (!text)
        return ns_fail(err, NS_E_FORMAT, "%s: %s has no string '%s'", label, step->kind->type, key);
    step->content = ns_strdup(text);
    return step->content ? NS_OK : ns_oom(err, label);
}
