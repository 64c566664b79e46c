/* chat.c - chat formats by name, and how they differ from the template in a tokenizer's folder. That template is a program: it is read
 * as text (chat_text.c), and never evaluated. */
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
static int read_beside(char **out, const char *tokenizer, ns_error *err)
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

/* What the tokenizer's file says itself (GGUF) comes before what lies beside it. */
static int read_template(char **out, const char *tokenizer, ns_error *err)
{
    const int rc = ns_tokenizer_chat_template(out, tokenizer, err);
    return rc != NS_OK || *out ? rc : read_beside(out, tokenizer, err);
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

/* "WHAT1; WHAT2" in *list; what: malloc'd, and freed. */
static int add_difference(char **list, char *what, ns_error *err)
{
    char *const longer = what ? ns_printf_alloc("%s%s%s", *list ? *list : "", *list ? "; " : "", what) : NULL;
    free(what);
    if (!longer)
        return ns_oom(err, "a chat template");
    free(*list);
    *list = longer;
    return NS_OK;
}

/* Bytes of a line to be shown: up to what is no text of it, and not too many. */
static int shown(const char *text)
{
    enum { MOST = 60 };
    int n = 0;
    while (n < MOST && (unsigned char)text[n] >= ' ' && text[n] != 127 && !ns_starts(text + n, "<|"))
        n++;
    while (n == MOST && n > 0 && ((unsigned char)text[n] & 0xC0) == 0x80)       /* whole characters */
        n--;
    return n;
}

/* The text of a system turn that the template itself writes; NULL: a value follows wherever it opens one, or it opens none. */
static const char *own_system_turn(const char *text, const char *header)
{
    while ((text = strstr(text, header))) {
        text += strlen(header);
        const char *const said = text + strspn(text, "\n\002");
        if (shown(said) > 0)
            return said;
    }
    return NULL;
}

/* {% set default_system_message = 'TEXT' %}: what it opens a system turn with, where a value follows. */
static const char *system_variable(const char *template_, int *n)
{
    for (const char *at = template_; (at = strstr(at, "system")); at++) {
        const char *value = at + strcspn(at, " ='\"[].|%}");
        value += strspn(value, " ");
        if (*value != '=')
            continue;
        value += 1 + strspn(value + 1, " ");
        const char quote[] = {*value, '\0'};
        const int length = *value == '\'' || *value == '"' ? (int)strcspn(value + 1, quote) : 0;
        *n = length ? shown(value + 1) : 0;
        *n = length < *n ? length : *n;
        if (*n > 0)
            return value + 1;
    }
    return NULL;
}

static const char *last_place(const char *text, const char *word)
{
    const char *last = NULL;
    while ((text = strstr(text, word)))
        last = text++;
    return last;
}

static int compare_system_turn(char **list, const ns_chat *chat, const char *template_, const char *text, ns_error *err)
{
    const char *const user = strstr(chat->before, "user");
    char *const header = ns_printf_alloc("%.*ssystem%s", (int)(user - chat->before), chat->before, user + strlen("user"));
    const char *said = header ? own_system_turn(text, header) : NULL;
    int n = said ? shown(said) : 0;
    said = said ? said : system_variable(template_, &n);
    free(header);
    if (!header)
        return ns_oom(err, "a chat template");
    char *const what = said ? ns_printf_alloc("has a system turn of its own ('%.*s'), that of %s has none", n, said, chat->name) : NULL;
    return said ? add_difference(list, what, err) : NS_OK;
}

/* The turn of the assistant, which the answer continues. */
static int compare_generation(char **list, const ns_chat *chat, const char *text, ns_error *err)
{
    const char *const prompt = strstr(chat->between, chat->marker), *const at = last_place(text, prompt);
    const int line = (int)strcspn(prompt, "\n");
    if (!at)
        return add_difference(list, ns_printf_alloc("does not have the generation prompt of %s ('%.*s' and line feeds: %zu)", chat->name,
                                                    line, prompt, strlen(prompt) - (size_t)line), err);
    const char *const more = at + strlen(prompt);
    const int n = shown(more);
    return n ? add_difference(list, ns_printf_alloc("goes on behind the generation prompt with '%.*s'", n, more), err) : NS_OK;
}

static int compare_end(char **list, const ns_chat *chat, const char *text, ns_error *err)
{
    const int n = 1 + (int)strcspn(chat->between + 1, "<\n");
    char *const end = ns_printf_alloc("%.*s", n, chat->between);
    const bool there = end && strstr(text, end);
    free(end);
    if (!end)
        return ns_oom(err, "a chat template");
    return there ? NS_OK : add_difference(list, ns_printf_alloc("does not end turns with %.*s", n, chat->between), err);
}

/* Of a template with the very marker of the format: where the two differ nevertheless. *list: malloc'd; NULL: nowhere. */
static int compare_text(char **list, const ns_chat *chat, const char *template_, ns_error *err)
{
    char *const text = ns_chat_text(template_);
    int rc = text ? compare_system_turn(list, chat, template_, text, err) : ns_oom(err, "a chat template");
    rc = rc != NS_OK ? rc : compare_end(list, chat, text, err);
    rc = rc != NS_OK ? rc : compare_generation(list, chat, text, err);
    free(text);
    return rc;
}

/* The note, of a template whose known markers are `found`. */
static int tell_difference(char **note, const ns_chat *chat, const char *template_, const char *found, const char *tokenizer, ns_error *err)
{
    char *list = NULL;
    int rc = NS_OK;
    if (!*template_) {
        *note = ns_printf_alloc("%s: no chat template beside it (chat_template.jinja, or tokenizer_config.json's): nothing says that the "
                                "model knows %s", tokenizer, chat->name);
        return *note ? NS_OK : ns_oom(err, tokenizer);
    }
    if (strcmp(found, chat->marker) != 0)
        rc = add_difference(&list, ns_printf_alloc("has %s, that of %s has %s", *found ? found : "none of the markers known here",
                                                   chat->name, chat->marker), err);
    else
        rc = compare_text(&list, chat, template_, err);
    if (rc == NS_OK && list && !(*note = ns_printf_alloc("%s: its own chat template %s (read as text, not evaluated)", tokenizer, list)))
        rc = ns_oom(err, tokenizer);
    free(list);
    return rc;
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
    if (rc == NS_OK)
        rc = tell_difference(note, chosen, template_, found, tokenizer, err);
    free(found);
    free(template_);
    return rc;
}
