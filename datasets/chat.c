/* chat.c - chat formats by name, and how they differ from the template in a tokenizer's folder. That template is a program: it is read
 * for the markers that formats are known by, and never evaluated. */
#include <stdlib.h>
#include <string.h>

#include "needle_internal.h"

enum { LARGEST = 16 << 20, DEPTH = 64 };

static const ns_chat chats[] = {
    {"chatml", "<|im_start|>user\n", "<|im_end|>\n<|im_start|>assistant\n", "<|im_start|>"},
    {"llama3", "<|start_header_id|>user<|end_header_id|>\n\n",
     "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n", "<|start_header_id|>"},
};

/* What turns begin with in the formats of models that are about. */
static const char *const markers[] = {
    "<|im_start|>", "<|start_header_id|>", "<|header_start|>", "[INST]", "<start_of_turn>", "<|START_OF_TURN_TOKEN|>", "<|start_of_role|>",
    "<|user|>", "<|im_user|>", "<｜User｜>", "<|start|>", "[|user|]", "### Instruction:", "USER:",
};

const ns_chat *ns_chat_find(const char *name)
{
    for (size_t i = 0; i < sizeof chats / sizeof *chats; i++)
        if (strcmp(name, chats[i].name) == 0)
            return &chats[i];
    return NULL;
}

static char *copy_text(const cJSON *item)
{
    return ns_strdup(cJSON_IsString(item) ? item->valuestring : "");
}

/* "chat_template" is one template, or a list of {name, template}, whose "default" is what an undecided user gets. */
static char *template_in(const cJSON *config)
{
    const cJSON *const value = cJSON_GetObjectItemCaseSensitive(config, "chat_template");
    const cJSON *const list = cJSON_IsArray(value) ? value : NULL, *entry;
    cJSON_ArrayForEach(entry, list) {
        const cJSON *const name = cJSON_GetObjectItemCaseSensitive(entry, "name");
        if (cJSON_IsString(name) && strcmp(name->valuestring, "default") == 0)
            return copy_text(cJSON_GetObjectItemCaseSensitive(entry, "template"));
    }
    return copy_text(value);
}

static char *path_of(const char *tokenizer, const char *name)
{
    return ns_path_is_dir(tokenizer) ? ns_path_join(tokenizer, name)
                                     : ns_printf_alloc("%.*s%s", (int)(ns_path_base(tokenizer) - tokenizer), tokenizer, name);
}

/* The folder's template, malloc'd; "" where there is none. A chat_template.jinja comes before tokenizer_config.json's, as in
 * transformers. */
static int read_template(char **out, const char *tokenizer, ns_error *err)
{
    char *const jinja = path_of(tokenizer, "chat_template.jinja");
    char *const config = path_of(tokenizer, "tokenizer_config.json");
    cJSON *root = NULL;
    size_t n;
    int rc = jinja && config ? NS_OK : ns_oom(err, tokenizer);
    *out = NULL;
    if (rc == NS_OK && ns_path_exists(jinja))
        rc = ns_file_read(jinja, LARGEST, out, &n, err);
    else if (rc == NS_OK && ns_path_exists(config))
        rc = ns_json_read(&root, config, LARGEST, DEPTH, err);
    if (rc == NS_OK && !*out && !(*out = template_in(root)))
        rc = ns_oom(err, tokenizer);
    cJSON_Delete(root);
    free(config);
    free(jinja);
    return rc;
}

/* The known markers in a template, "A, B"; malloc'd. */
static char *list_markers(const char *template_)
{
    char *list = ns_strdup("");
    for (size_t i = 0; list && i < sizeof markers / sizeof *markers; i++) {
        if (!strstr(template_, markers[i]))
            continue;
        char *const longer = ns_printf_alloc("%s%s%s", list, *list ? ", " : "", markers[i]);
        free(list);
        list = longer;
    }
    return list;
}

int ns_chat_compare(char **note, const char *chat, const char *tokenizer, ns_error *err)
{
    const ns_chat *const chosen = ns_chat_find(chat);
    char *template_ = NULL, *found = NULL;
    *note = NULL;
    if (!chosen)
        return ns_fail(err, NS_E_ARG, "unknown chat template '%.40s' (chatml, llama3)", chat);
    int rc = read_template(&template_, tokenizer, err);
    if (rc == NS_OK && !(found = list_markers(template_)))
        rc = ns_oom(err, tokenizer);
    if (rc == NS_OK && strcmp(found, chosen->marker) != 0) {
        if (*template_)
            *note = ns_printf_alloc("%s: its own chat template has %s, that of %s has %s (read for its markers, not evaluated)", tokenizer,
                                    *found ? found : "none of the markers known here", chat, chosen->marker);
        else
            *note = ns_printf_alloc("%s: no chat template beside it (chat_template.jinja, or tokenizer_config.json's): nothing says that"
                                    " the model knows %s", tokenizer, chat);
        rc = *note ? NS_OK : ns_oom(err, tokenizer);
    }
    free(found);
    free(template_);
    return rc;
}
