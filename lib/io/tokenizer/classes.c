/* classes.c - what transformers (4.57.6) makes of a tokenizer.json that has a tokenizer_config.json or a special_tokens_map.json
 * beside it.
 *
 * The class decides: some write the template anew from add_bos_token and add_eos_token, others leave tokenizer.json's alone and ignore
 * both keys; all of them add the special tokens that the configuration names to the added tokens, and most set the prefix space of
 * ByteLevel. A class that is not in the table leaves tokenizer.json as it is, and says so. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/tokenizer/tok.h"

enum { CONFIG_DEPTH = 32 };
#define CONFIG_LIMIT ((size_t)256 << 20)

enum special { BOS, EOS, UNK, SEP, PAD, CLS, MASK, N_SPECIAL };
static const char *const special_keys[N_SPECIAL] = {"bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token",
                                                    "mask_token"};

typedef enum prefix_rule { PREFIX_SET, PREFIX_KEPT, PREFIX_EVERYWHERE } prefix_rule;   /* of a lone ByteLevel; in a Sequence too */

typedef struct tok_class {
    const char *name;                  /* without "Fast" */
    const char *special[N_SPECIAL];    /* where the configuration has no such key */
    const char *more[4];               /* further special tokens */
    bool        writes_template;       /* from add_bos_token and add_eos_token; else tokenizer.json's post_processor stays */
    bool        add_bos;               /* where add_bos_token is absent */
    bool        refuses_bos;
    bool        plain_special;         /* special tokens given as text take no flag from tokenizer.json */
    prefix_rule prefix;
} tok_class;

#define ENDOFTEXT {[BOS] = "<|endoftext|>", [EOS] = "<|endoftext|>", [UNK] = "<|endoftext|>"}
static const tok_class classes[] = {
    {.name = "PreTrainedTokenizer"},
    { .name = "LlamaTokenizer", .special = {[BOS] = "<s>", [EOS] = "</s>", [UNK] = "<unk>"},
      .writes_template = true, .add_bos = true, .prefix = PREFIX_KEPT },
    { .name = "CodeLlamaTokenizer", .special = {[BOS] = "<s>", [EOS] = "</s>", [UNK] = "<unk>"},
      .more = {"▁<PRE>", "▁<MID>", "▁<SUF>", "▁<EOT>"}, .writes_template = true, .add_bos = true },
    { .name = "GemmaTokenizer", .special = {[BOS] = "<bos>", [EOS] = "<eos>", [UNK] = "<unk>", [PAD] = "<pad>"},
      .writes_template = true, .add_bos = true },
    { .name = "CohereTokenizer", .special = {[BOS] = "<BOS_TOKEN>", [EOS] = "<|END_OF_TURN_TOKEN|>", [UNK] = "<UNK>"},
      .writes_template = true, .add_bos = true, .prefix = PREFIX_EVERYWHERE },
    {.name = "GPTNeoXTokenizer", .special = ENDOFTEXT, .writes_template = true},
    {.name = "GPT2Tokenizer", .special = ENDOFTEXT},
    {.name = "CodeGenTokenizer", .special = ENDOFTEXT, .refuses_bos = true},
    { .name = "Qwen2Tokenizer", .special = {[EOS] = "<|endoftext|>", [UNK] = "<|endoftext|>", [PAD] = "<|endoftext|>"},
      .plain_special = true },
    { .name = "BloomTokenizer", .special = {[BOS] = "<s>", [EOS] = "</s>", [UNK] = "<unk>", [PAD] = "<pad>"},
      .prefix = PREFIX_EVERYWHERE },
};

/* The class of a tokenizer_config.json that names none: by config.json's model_type. */
static const struct { const char *type, *name; } by_model[] = {
    {"llama", "LlamaTokenizer"}, {"mistral", "LlamaTokenizer"}, {"phi3", "LlamaTokenizer"}, {"mistral3", "LlamaTokenizer"},
    {"llava", "LlamaTokenizer"}, {"idefics3", "LlamaTokenizer"}, {"qwen2", "Qwen2Tokenizer"}, {"qwen3", "Qwen2Tokenizer"},
    {"qwen2_vl", "Qwen2Tokenizer"}, {"qwen2_5_vl", "Qwen2Tokenizer"}, {"qwen3_vl", "Qwen2Tokenizer"}, {"internvl", "Qwen2Tokenizer"},
    {"gpt_neox", "GPTNeoXTokenizer"}, {"olmo", "GPTNeoXTokenizer"}, {"olmo2", "GPTNeoXTokenizer"}, {"gemma2", "GemmaTokenizer"},
    {"gemma3_text", "GemmaTokenizer"}, {"gemma3", "GemmaTokenizer"}, {"cohere2", "CohereTokenizer"}, {"smollm3", "PreTrainedTokenizer"},
    {"olmo3", "GPT2Tokenizer"}, {"exaone4", "GPT2Tokenizer"}, {"gpt2", "GPT2Tokenizer"}, {"minimax", "GPT2Tokenizer"},
};

void ns_tok_note(ns_tok_neighbours *n, const char *fmt, ...)
{
    if (n->notes.n == (int)(sizeof n->notes.text / sizeof *n->notes.text))
        return;
    va_list args;
    va_start(args, fmt);
    vsnprintf(n->notes.text[n->notes.n++], sizeof *n->notes.text, fmt, args);
    va_end(args);
}

/* ---- the files beside ---- */
static char *path_beside(const char *path, const char *name)
{
    return ns_printf_alloc("%.*s%s", (int)(ns_path_base(path) - path), path, name);
}

int ns_tok_has_neighbours(const char *path, bool *out, ns_error *err)
{
    char *const config = path_beside(path, "tokenizer_config.json"), *const map = path_beside(path, "special_tokens_map.json");
    const int rc = config && map ? NS_OK : ns_oom(err, path);
    *out = rc == NS_OK && (ns_path_exists(config) || ns_path_exists(map));
    free(config);
    free(map);
    return rc;
}

static int read_beside(cJSON **out, const char *path, const char *name, ns_error *err)
{
    *out = NULL;
    char *const beside = path_beside(path, name);
    if (!beside)
        return ns_oom(err, path);
    int rc = ns_path_exists(beside) ? ns_json_read_python(out, beside, CONFIG_LIMIT, CONFIG_DEPTH, err) : NS_OK;
    if (rc == NS_OK && *out && !cJSON_IsObject(*out))
        rc = ns_fail(err, NS_E_FORMAT, "%s: not a JSON object", beside);
    free(beside);
    return rc;
}

static const tok_class *class_named(const char *name)
{
    const size_t n = strlen(name), bare = ns_ends(name, "Fast") ? n - strlen("Fast") : n;
    for (size_t i = 0; i < sizeof classes / sizeof *classes; i++)
        if (strlen(classes[i].name) == bare && strncmp(classes[i].name, name, bare) == 0)
            return &classes[i];
    return NULL;
}

static const char *text_at(const cJSON *object, const char *key)
{
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(object, key));
}

/* tokenizer_config.json's class, else config.json's, else that of its model_type. */
static int find_class(ns_tok_neighbours *n, const char *path, ns_error *err)
{
    const char *name = text_at(n->config, "tokenizer_class");
    cJSON *model = NULL;
    const int rc = name ? NS_OK : read_beside(&model, path, "config.json", err);
    name = name ? name : text_at(model, "tokenizer_class");
    const char *const type = text_at(model, "model_type");
    for (size_t i = 0; !name && type && i < sizeof by_model / sizeof *by_model; i++)
        name = strcmp(by_model[i].type, type) == 0 ? by_model[i].name : NULL;
    n->class_ = name ? class_named(name) : NULL;
    if (rc == NS_OK && !n->class_ && name)
        ns_tok_note(n, "tokenizer_class '%.80s' is not known: tokenizer.json is taken as it is", name);
    cJSON_Delete(model);
    return rc;
}

int ns_tok_neighbours_read(ns_tok_neighbours *n, const char *path, ns_error *err)
{
    *n = (ns_tok_neighbours){0};
    if (strcmp(ns_path_base(path), "tokenizer.json") != 0)
        return NS_OK;                  /* another name: what lies beside it belongs to another tokenizer */
    int rc = read_beside(&n->config, path, "tokenizer_config.json", err);
    if (rc == NS_OK)
        rc = read_beside(&n->map, path, "special_tokens_map.json", err);
    if (rc == NS_OK && (n->config || n->map))
        rc = find_class(n, path, err);
    return rc;
}

void ns_tok_neighbours_free(ns_tok_neighbours *n)
{
    cJSON_Delete(n->config);
    cJSON_Delete(n->map);
    cJSON_Delete(n->more);
    *n = (ns_tok_neighbours){0};
}

/* ---- special tokens ---- */
static const char *content_of(const cJSON *token)
{
    const char *const text = cJSON_IsObject(token) ? text_at(token, "content") : cJSON_GetStringValue(token);
    return text && *text ? text : NULL;
}

static const cJSON *decoder_of(const ns_tok_neighbours *n)
{
    const cJSON *const list = cJSON_GetObjectItemCaseSensitive(n->config, "added_tokens_decoder");
    return cJSON_IsObject(list) ? list : NULL;
}

/* special_tokens_map.json counts only where tokenizer_config.json does not list the added tokens. */
static const cJSON *given(const ns_tok_neighbours *n, const char *key)
{
    const cJSON *const old = decoder_of(n) ? NULL : cJSON_GetObjectItemCaseSensitive(n->map, key);
    return old ? old : cJSON_GetObjectItemCaseSensitive(n->config, key);
}

static const char *special_of(const ns_tok_neighbours *n, enum special which)
{
    const cJSON *const item = given(n, special_keys[which]);
    return item ? content_of(item) : n->class_->special[which];
}

static bool in_decoder(const ns_tok_neighbours *n, const char *text)
{
    const cJSON *const list = decoder_of(n);
    for (const cJSON *item = list ? list->child : NULL; item; item = item->next) {
        const char *const content = content_of(item);
        if (content && strcmp(content, text) == 0)
            return true;
    }
    return false;
}

/* A copy of `flags` (or a special token without any) joins the tokens to add; "replaces": also where tokenizer.json has it already. */
static bool put(cJSON *more, const char *text, const cJSON *flags, bool special, bool replaces)
{
    cJSON *const token = flags ? cJSON_Duplicate(flags, true) : cJSON_CreateObject();
    if (!token || !cJSON_AddItemToArray(more, token))
        return false;
    cJSON_DeleteItemFromObjectCaseSensitive(token, "id");
    cJSON_DeleteItemFromObjectCaseSensitive(token, "__type");
    if (!flags && !cJSON_AddStringToObject(token, "content", text))
        return false;
    if (special) {
        const cJSON *const normalized = cJSON_GetObjectItemCaseSensitive(token, "normalized");
        cJSON_DeleteItemFromObjectCaseSensitive(token, "special");
        if (!cJSON_AddBoolToObject(token, "special", true) || (!normalized && !cJSON_AddBoolToObject(token, "normalized", false)))
            return false;
    }
    return cJSON_AddBoolToObject(token, "replaces", replaces);
}

/* One that the configuration names, as text or with its flags. */
static bool put_named(const ns_tok_neighbours *n, cJSON *more, const cJSON *item, const char *text, bool plain)
{
    if (!text || in_decoder(n, text))
        return true;                                /* its flags are in added_tokens_decoder */
    const bool flagged = cJSON_IsObject(item);
    return put(more, text, flagged ? item : NULL, true, decoder_of(n) && (flagged || plain));
}

static int by_index(const void *a, const void *b)
{
    const long long x = strtoll((*(const cJSON *const *)a)->string, NULL, 10), y = strtoll((*(const cJSON *const *)b)->string, NULL, 10);
    return (x > y) - (x < y);
}

static bool is_special(const ns_tok_neighbours *n, const char *text)
{
    for (int i = 0; i < N_SPECIAL; i++) {
        const char *const name = special_of(n, (enum special)i);
        if (name && strcmp(name, text) == 0)
            return true;
    }
    return false;
}

static bool put_decoder(const ns_tok_neighbours *n, cJSON *more)
{
    const cJSON *const list = decoder_of(n);
    const int count = cJSON_GetArraySize(list);
    const cJSON **const item = ns_alloc_array((size_t)count + 1, sizeof *item);
    bool good = item != NULL;
    int k = 0;
    for (const cJSON *token = list && good ? list->child : NULL; token; token = token->next)
        item[k++] = token;
    if (k)
        qsort(item, (size_t)k, sizeof *item, by_index);
    for (int i = 0; i < k && good; i++) {
        const char *const text = content_of(item[i]);
        good = !text || put(more, text, item[i], is_special(n, text), true);
    }
    free(item);
    return good;
}

static bool put_list(const ns_tok_neighbours *n, cJSON *more, const cJSON *list)
{
    bool good = true;
    for (const cJSON *item = list ? list->child : NULL; item && good; item = item->next)
        if (cJSON_IsObject(item))
            good = !content_of(item) || put(more, NULL, item, true, true);
        else
            good = put_named(n, more, item, content_of(item), false);
    return good;
}

/* The added tokens of tokenizer_config.json by index, then the special tokens that are not among them. */
static bool collect(ns_tok_neighbours *n)
{
    const tok_class *const c = n->class_;
    n->more = cJSON_CreateArray();
    bool good = n->more && put_decoder(n, n->more);
    for (int i = 0; i < N_SPECIAL && good; i++) {
        const bool plain = c->plain_special && (i == BOS || i == EOS || i == UNK || i == PAD);
        good = put_named(n, n->more, given(n, special_keys[i]), special_of(n, (enum special)i), plain);
    }
    good = good && put_list(n, n->more, given(n, "additional_special_tokens"));
    for (int i = 0; i < 4 && c->more[i] && good; i++)
        good = put_named(n, n->more, NULL, c->more[i], false);
    return good && put_list(n, n->more, cJSON_GetObjectItemCaseSensitive(n->config, "extra_special_tokens"));
}

int ns_tok_neighbours_tokens(ns_tok_neighbours *n, ns_error *err)
{
    return !n->class_ || collect(n) ? NS_OK : ns_oom(err, "the added tokens");
}

/* ---- the template and the prefix space ---- */
static bool truth(const cJSON *item, bool otherwise)
{
    return item ? cJSON_IsTrue(item) || (cJSON_IsNumber(item) && item->valuedouble != 0) : otherwise;
}

static int template_id(ns_tokenizer *tok, const ns_tok_neighbours *n, bool wanted, enum special which, const char *switch_key, int32_t *id,
                       ns_error *err)
{
    *id = -1;
    if (!wanted)
        return NS_OK;
    const char *const text = special_of(n, which);
    if (!text)
        return ns_fail(err, NS_E_FORMAT, "%s: %s of %s is true, but there is no %s (tokenizer_config.json)", tok->path, switch_key,
                       n->class_->name,
                       special_keys[which]);
    *id = ns_token_id(tok, text);
    return *id >= 0 ? NS_OK : ns_fail(err, NS_E_FORMAT, "%s: %s '%.100s' is not in the vocabulary", tok->path, special_keys[which], text);
}

/* A class that reads these keys writes the template; for the others a key that asks for what is not done is noted. */
static int set_template(ns_tokenizer *tok, ns_tok_neighbours *n, ns_error *err)
{
    const bool bos = truth(cJSON_GetObjectItemCaseSensitive(n->config, "add_bos_token"), n->class_->add_bos);
    const bool eos = truth(cJSON_GetObjectItemCaseSensitive(n->config, "add_eos_token"), false);
    int32_t before, after;
    if (bos && n->class_->refuses_bos)
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: add_bos_token is true in tokenizer_config.json, which %sFast of transformers refuses",
                       tok->path, n->class_->name);
    if (!n->class_->writes_template) {
        if (bos || eos)
            ns_tok_note(n, "%s is true, but %sFast in transformers does not read it: tokenizer.json's post_processor decides",
                        bos ? "add_bos_token" : "add_eos_token",
                        n->class_->name);
        return NS_OK;
    }
    int rc = template_id(tok, n, bos, BOS, "add_bos_token", &before, err);
    if (rc == NS_OK)
        rc = template_id(tok, n, eos, EOS, "add_eos_token", &after, err);
    return rc != NS_OK ? rc : ns_tok_set_template(&tok->postprocessor, before, after, &n->changed_template, err);
}

static void set_prefix(ns_tokenizer *tok, ns_tok_neighbours *n, const cJSON *pre_tokenizer)
{
    const cJSON *const key = cJSON_GetObjectItemCaseSensitive(n->config, "add_prefix_space");
    const char *const type = text_at(pre_tokenizer, "type");
    const bool lone = type && strcmp(type, "ByteLevel") == 0, wanted = truth(key, false);
    if (n->class_->prefix == PREFIX_KEPT && key && !cJSON_IsNull(key))
        ns_tok_note(n, "add_prefix_space makes transformers build %sFast from tokenizer.model; tokenizer.json is read here",
                    n->class_->name);
    if (n->class_->prefix == PREFIX_KEPT || cJSON_IsNull(key))
        return;
    for (int64_t i = 0; i < tok->pretokenizer.n; i++) {
        ns_tok_step *const step = &tok->pretokenizer.item[i];
        const bool reached = lone || (n->class_->prefix == PREFIX_EVERYWHERE && wanted);
        if (strcmp(step->kind->type, "ByteLevel") != 0 || !reached || step->prefix_space == wanted)
            continue;
        step->prefix_space = wanted;
        n->changed_prefix = true;
    }
}

/* What was changed joins the hash: equal hashes, equal ids. A configuration that changes nothing keeps the hash of tokenizer.json. */
static void hash_changes(ns_tokenizer *tok, const ns_tok_neighbours *n)
{
    if (!n->changed_template && !n->changed_prefix && !n->changed_tokens)
        return;
    ns_sha256 sha;
    ns_sha256_begin(&sha);
    ns_sha256_add(&sha, tok->sha256, 64);
    for (int64_t i = 0; i < tok->postprocessor.n; i++) {
        const ns_tok_step *const step = &tok->postprocessor.item[i];
        ns_sha256_add(&sha, step->kind->type, strlen(step->kind->type) + 1);
        ns_sha256_add(&sha, &step->n_before, sizeof step->n_before);
        ns_sha256_add(&sha, step->before, (size_t)step->n_before * sizeof *step->before);
        ns_sha256_add(&sha, step->after, (size_t)step->n_after * sizeof *step->after);
    }
    for (int64_t i = 0; i < tok->pretokenizer.n; i++)
        ns_sha256_add(&sha, &tok->pretokenizer.item[i].prefix_space, sizeof(bool));
    for (int64_t i = 0; i < tok->added.n; i++) {
        const ns_tok_added_token *const t = &tok->added.item[i];
        const bool flags[] = {t->special, t->single_word, t->lstrip, t->rstrip, t->normalized};
        ns_sha256_add(&sha, t->content, t->n + 1);
        ns_sha256_add(&sha, &t->id, sizeof t->id);
        ns_sha256_add(&sha, flags, sizeof flags);
    }
    ns_sha256_end(&sha, tok->sha256);
}

int ns_tok_neighbours_apply(ns_tokenizer *tok, ns_tok_neighbours *n, const cJSON *tokenizer_json, ns_error *err)
{
    if (!n->class_)
        return NS_OK;
    const int rc = set_template(tok, n, err);
    if (rc != NS_OK)
        return rc;
    set_prefix(tok, n, cJSON_GetObjectItemCaseSensitive(tokenizer_json, "pre_tokenizer"));
    hash_changes(tok, n);
    const char *const bos = special_of(n, BOS);
    tok->bos = bos ? ns_token_id(tok, bos) : -1;
    return NS_OK;
}
