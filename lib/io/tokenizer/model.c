/* model.c - "model" of tokenizer.json: the table of models, and what they have in common. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/tokenizer/tok.h"

static const ns_tok_model_kind *const kinds[] = {&ns_tok_bpe, &ns_tok_unigram, &ns_tok_wordpiece, &ns_tok_wordlevel};

static int token_number(const cJSON *item, int64_t *out, const char *path, ns_error *err)
{
    const double value = item->valuedouble;
    if (!cJSON_IsNumber(item) || value != floor(value) || value < 0 || value > INT32_MAX - 1)
        return ns_fail(err, NS_E_FORMAT, "%s: the id of '%.100s' in the vocabulary is not a whole number from 0 to 2^31 - 2",
                       path, item->string);
    *out = (int64_t)value;
    return NS_OK;
}

int ns_tok_read_vocab(ns_tok_model *model, const cJSON *object, const char *path, ns_error *err)
{
    const cJSON *const json = cJSON_GetObjectItemCaseSensitive(object, "vocab");
    ns_tok_vocab *const vocab = &model->vocab;
    if (!cJSON_IsObject(json))
        return ns_fail(err, NS_E_FORMAT, "%s: the %s model has no object 'vocab'", path, model->kind->type);
    int64_t count = 0, highest = -1, id = 0;
    int rc = NS_OK;
    for (const cJSON *item = json->child; item && rc == NS_OK; item = item->next, count++) {
        rc = token_number(item, &id, path, err);
        highest = id > highest ? id : highest;
    }
    /* Real vocabularies have few holes: a file of a few bytes cannot ask for a table of gigabytes. */
    if (rc == NS_OK && highest >= count * 8 + (1 << 20))
        rc = ns_fail(err, NS_E_UNSUPPORTED, "%s: id %lld in a vocabulary of %lld entries: too many holes",
                     path, (long long)highest, (long long)count);
    if (rc == NS_OK)
        rc = ns_tok_vocab_init(vocab, count, highest + 1, path, err);
    for (const cJSON *item = json->child; item && rc == NS_OK; item = item->next)
        rc = ns_tok_vocab_add(vocab, item->string, strlen(item->string), (int32_t)item->valuedouble, path, err);
    return rc;
}

int ns_tok_read_affix(char **out, const cJSON *json, const char *key, const char *path, ns_error *err)
{
    const char *text;
    const int rc = ns_json_str(json, key, &text, path, err);
    if (rc != NS_OK || !text || !*text)
        return rc;
    if (strlen(text) > TOK_AFFIX)
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: %s of more than %d bytes", path, key, TOK_AFFIX);
    *out = ns_strdup(text);
    return *out ? NS_OK : ns_oom(err, path);
}

/* `tokenizers` minds a missing unk_token only when it needs one, which byte-level vocabularies never do. */
int ns_tok_read_unknown(ns_tok_model *model, const cJSON *json, const char *path, ns_error *err)
{
    const char *text;
    const int rc = ns_json_str(json, "unk_token", &text, path, err);
    model->unk = rc == NS_OK && text ? ns_tok_vocab_find(&model->vocab, text, strlen(text)) : -1;
    model->unk_missing = rc == NS_OK && text && model->unk < 0;
    return rc;
}

void ns_tok_index_bytes(ns_tok_model *model)
{
    for (int byte = 0; byte < 256; byte++) {
        static const char hex[] = "0123456789ABCDEF";
        const char name[] = {'<', '0', 'x', hex[byte >> 4], hex[byte & 15], '>'};
        model->byte_id[byte] = ns_tok_vocab_find(&model->vocab, name, sizeof name);
    }
}

bool ns_tok_bytes_known(const ns_tok_model *model, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (model->byte_id[(uint8_t)s[i]] < 0)
            return false;
    return true;
}

int ns_tok_no_unknown(ns_tok_work *w, const char *s, int64_t n)
{
    return ns_fail(w->err, NS_E_FORMAT, "%s: the text has '%.*s', which only the unknown token could encode, and the vocabulary has none",
                   w->tok->path, n < 100 ? (int)n : 100, s);
}

/* Files from before "type" are BPE where they have merges. */
static const ns_tok_model_kind *kind_of(const cJSON *json, const char *type)
{
    for (size_t i = 0; type && i < sizeof kinds / sizeof *kinds; i++)
        if (strcmp(type, kinds[i]->type) == 0)
            return kinds[i];
    return !type && cJSON_GetObjectItemCaseSensitive(json, "merges") ? &ns_tok_bpe : NULL;
}

int ns_tok_model_read(ns_tok_model *model, const cJSON *json, const char *path, ns_error *err)
{
    const char *type;
    int rc = cJSON_IsObject(json) ? ns_json_str(json, "type", &type, path, err) : ns_fail(err, NS_E_FORMAT, "%s: no object 'model'", path);
    if (rc != NS_OK)
        return rc;
    model->kind = kind_of(json, type);
    if (!model->kind)
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: the model '%.100s' is not BPE, Unigram, WordPiece or WordLevel (tokenize elsewhere and "
                       "pass token ids)", path, type ? type : "(none)");
    rc = model->kind->read_vocab(model, json, path, err);
    return rc != NS_OK ? rc : model->kind->read(model, json, path, err);
}

void ns_tok_model_free(ns_tok_model *model)
{
    ns_tok_vocab_free(&model->vocab);
    ns_tok_lexicon_free(&model->lexicon);
    free(model->merges.slot);
    free(model->prefix);
    free(model->suffix);
    free(model->score);
}
