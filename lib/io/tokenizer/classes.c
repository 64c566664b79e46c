/* classes.c - what transformers (4.57.6) makes of a tokenizer.json that has a tokenizer_config.json or a special_tokens_map.json
 * beside it.
 *
 * The class decides: some write the template anew from add_bos_token and add_eos_token, others leave tokenizer.json's alone and ignore
 * both keys; all of them add the special tokens that the configuration names to the added tokens, and most set the prefix space of
 * ByteLevel. A class that is not in the table leaves tokenizer.json as it is, and says so. */
#include <stdlib.h>
#include <string.h>

#include "io/tokenizer/classes.h"

/* ---- the template and the prefix space ---- */
bool ns_tok_truth(const cJSON *item, bool otherwise)
{
    return item ? cJSON_IsTrue(item) || (cJSON_IsNumber(item) && item->valuedouble != 0) : otherwise;
}

bool ns_tok_setting(const ns_tok_neighbours *n, const char *key, bool otherwise)
{
    return ns_tok_truth(cJSON_GetObjectItemCaseSensitive(n->config, key), otherwise);
}

static int template_id(ns_tokenizer *tok, const ns_tok_neighbours *n, bool wanted, enum ns_tok_role which, const char *switch_key,
                       int32_t *id, ns_error *err)
{
    *id = -1;
    if (!wanted)
        return NS_OK;
    const char *const text = n->special[which];
    if (!text)
        return ns_fail(err, NS_E_FORMAT, "%s: %s of %s is true, but there is no %s (name one in tokenizer_config.json, or say there that "
                       "%s is false)", tok->path, switch_key, n->class_->name, ns_tok_special_keys[which], switch_key);
    *id = ns_token_id(tok, text);
    return *id >= 0 ? NS_OK
                    : ns_fail(err, NS_E_FORMAT, "%s: %s '%.100s' of tokenizer_config.json is not in the vocabulary (correct it)",
                              tok->path, ns_tok_special_keys[which], text);
}

/* A class that reads these keys writes the template; for the others a key that asks for what is not done is noted. */
static int set_template(ns_tokenizer *tok, ns_tok_neighbours *n, ns_error *err)
{
    const bool bos = ns_tok_truth(cJSON_GetObjectItemCaseSensitive(n->config, "add_bos_token"), n->class_->add_bos);
    const bool eos = ns_tok_truth(cJSON_GetObjectItemCaseSensitive(n->config, "add_eos_token"), false);
    int32_t before, after;
    if (bos && n->class_->refuses_bos)
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: add_bos_token is true in tokenizer_config.json, which %sFast of transformers refuses",
                       tok->path, n->class_->name);
    const bool gpt2 = n->converted && n->class_->pair == PAIR_GPT2;       /* its converter reads add_bos_token */
    if (!n->class_->writes_template && !(gpt2 && bos)) {
        if (bos || eos)
            ns_tok_note(n, "%s is true, but %sFast in transformers does not read it: tokenizer.json's post_processor decides",
                        bos ? "add_bos_token" : "add_eos_token",
                        n->class_->name);
        return NS_OK;
    }
    int rc = template_id(tok, n, bos, BOS, "add_bos_token", &before, err);
    if (rc == NS_OK)
        rc = template_id(tok, n, eos && !gpt2, EOS, "add_eos_token", &after, err);
    return rc != NS_OK ? rc : ns_tok_set_template(&tok->postprocessor, before, after, &n->changed_template, err);
}

static void set_prefix(ns_tokenizer *tok, ns_tok_neighbours *n, const cJSON *pre_tokenizer)
{
    const cJSON *const key = cJSON_GetObjectItemCaseSensitive(n->config, "add_prefix_space");
    const char *const type = ns_tok_text_at(pre_tokenizer, "type");
    const bool lone = type && strcmp(type, "ByteLevel") == 0, wanted = ns_tok_truth(key, false);
    if (n->class_->rebuilds && key && !cJSON_IsNull(key) && !n->converted)
        ns_tok_note(n, "add_prefix_space makes transformers build %sFast from tokenizer.model, which is not there: tokenizer.json is read",
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

/* BertTokenizer's own keys overrule the normalizer of tokenizer.json. */
static void set_bert(ns_tokenizer *tok, ns_tok_neighbours *n)
{
    const cJSON *const accents = cJSON_GetObjectItemCaseSensitive(n->config, "strip_accents");
    const bool lowercase = ns_tok_setting(n, "do_lower_case", true), chinese = ns_tok_setting(n, "tokenize_chinese_chars", true);
    for (int64_t i = 0; i < tok->normalizer.n; i++) {
        ns_tok_step *const step = &tok->normalizer.item[i];
        if (tok->normalizer.n > 1 || strcmp(step->kind->type, "BertNormalizer") != 0)
            continue;
        const bool strips = cJSON_IsBool(accents) ? cJSON_IsTrue(accents) : lowercase;
        n->changed_normalizer = step->lowercase != lowercase || step->accents != strips || step->chinese != chinese;
        step->lowercase = lowercase;
        step->accents = strips;
        step->chinese = chinese;
    }
}

/* As in transformers; but a model whose text has it was trained with the id that tokenizer.model gives. */
static void note_displaced(const ns_tokenizer *tok, ns_tok_neighbours *n)
{
    for (int64_t i = 0; i < tok->added.n; i++)
        if (tok->added.item[i].displaced)
            ns_tok_note(n, "'%.100s' of %s is called otherwise by tokenizer_config.json: the text itself gets the id %d, as in "
                        "transformers", tok->added.item[i].content, ns_path_base(tok->path), tok->added.item[i].id);
}

/* Tokens that are matched elsewhere than where their flags say, or in two places. */
static void hash_lists(ns_sha256 *sha, const ns_tok_added *added)
{
    for (int64_t i = 0; i < added->n_versions; i++) {
        const ns_tok_version *const v = &added->version[i];
        const bool says[] = {v->list == TOK_SPECIAL, v->normalized};
        if (v->list == TOK_UNLISTED || v->normalized == added->item[v->item].normalized)
            continue;
        ns_sha256_add(sha, &added->item[v->item].id, sizeof(int32_t));
        ns_sha256_add(sha, says, sizeof says);
    }
}

/* What was changed joins the hash: equal hashes, equal ids. A configuration that changes nothing keeps the hash of tokenizer.json. */
static void hash_changes(ns_tokenizer *tok, const ns_tok_neighbours *n)
{
    if (!n->changed_template && !n->changed_prefix && !n->changed_tokens && !n->changed_normalizer)
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
    for (int64_t i = 0; i < tok->normalizer.n && n->changed_normalizer; i++) {
        const ns_tok_step *const step = &tok->normalizer.item[i];
        const bool flags[] = {step->lowercase, step->accents, step->chinese};
        ns_sha256_add(&sha, flags, sizeof flags);
    }
    for (int64_t i = 0; i < tok->added.n; i++) {
        const ns_tok_added_token *const t = &tok->added.item[i];
        const bool flags[] = {t->special, t->single_word, t->lstrip, t->rstrip, t->normalized};
        ns_sha256_add(&sha, t->content, t->n + 1);
        ns_sha256_add(&sha, &t->id, sizeof t->id);
        ns_sha256_add(&sha, flags, sizeof flags);
    }
    hash_lists(&sha, &tok->added);
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
    if (n->class_->sets_bert)
        set_bert(tok, n);
    hash_changes(tok, n);
    note_displaced(tok, n);
    tok->bos = n->special[BOS] ? ns_token_id(tok, n->special[BOS]) : -1;
    return NS_OK;
}
