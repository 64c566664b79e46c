/* bpe_read.c - "model" of tokenizer.json: the vocabulary, the merges and the flags of a BPE. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "io/tokenizer/tok.h"

static int token_number(const cJSON *item, int64_t *out, const char *path, ns_error *err)
{
    const double value = item->valuedouble;
    if (!cJSON_IsNumber(item) || value != floor(value) || value < 0 || value > INT32_MAX - 1)
        return ns_fail(err, NS_E_FORMAT, "%s: the id of '%.100s' in the vocabulary is not a whole number from 0 to 2^31 - 2",
                       path, item->string);
    *out = (int64_t)value;
    return NS_OK;
}

static int read_vocab(ns_tok_vocab *vocab, const cJSON *json, const char *path, ns_error *err)
{
    if (!cJSON_IsObject(json))
        return ns_fail(err, NS_E_FORMAT, "%s: the BPE model has no object 'vocab'", path);
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

/* "a b" or ["a", "b"]; a line "#version ..." of an old merges.txt is skipped. */
static int merge_parts(const cJSON *item, const char *part[2], size_t n[2], const char *path, ns_error *err)
{
    if (cJSON_IsString(item)) {
        const char *const space = strchr(item->valuestring, ' ');
        if (!space || strchr(space + 1, ' '))
            return ns_fail(err, NS_E_FORMAT, "%s: the merge '%.100s' is not two tokens with a space between", path, item->valuestring);
        part[0] = item->valuestring;
        part[1] = space + 1;
        n[0] = (size_t)(space - item->valuestring);
        n[1] = strlen(part[1]);
        return NS_OK;
    }
    const cJSON *const left = cJSON_IsArray(item) ? item->child : NULL, *const right = left ? left->next : NULL;
    if (!cJSON_IsString(left) || !cJSON_IsString(right) || right->next)
        return ns_fail(err, NS_E_FORMAT, "%s: a merge is neither \"a b\" nor [\"a\", \"b\"]", path);
    part[0] = left->valuestring;
    part[1] = right->valuestring;
    n[0] = strlen(part[0]);
    n[1] = strlen(part[1]);
    return NS_OK;
}

/* How much of a string goes into a message. */
static int shown(size_t n)
{
    return n < 100 ? (int)n : 100;
}

typedef struct joiner { char *s; int64_t capacity; size_t prefix; } joiner;

static int add_merge(ns_tok_bpe *bpe, joiner *join, const cJSON *item, int32_t rank, const char *path, ns_error *err)
{
    const char *part[2] = {NULL, NULL};
    size_t n[2] = {0, 0};
    const int rc = merge_parts(item, part, n, path, err);
    if (rc != NS_OK)
        return rc;
    const int32_t left = ns_tok_vocab_find(&bpe->vocab, part[0], n[0]), right = ns_tok_vocab_find(&bpe->vocab, part[1], n[1]);
    const int missing = left < 0 ? 0 : 1;
    if (left < 0 || right < 0)
        return ns_fail(err, NS_E_FORMAT, "%s: merge %d: '%.*s' is not in the vocabulary", path, rank, shown(n[missing]), part[missing]);
    if (n[1] < join->prefix)
        return ns_fail(err, NS_E_FORMAT, "%s: merge %d: '%.100s' is shorter than continuing_subword_prefix", path, rank, part[1]);
    const size_t rest = n[1] - join->prefix;
    if (!ns_grow(&join->s, &join->capacity, (int64_t)(n[0] + rest + 1), 1))
        return ns_oom(err, path);
    memcpy(join->s, part[0], n[0]);
    memcpy(join->s + n[0], part[1] + join->prefix, rest);
    const int32_t id = ns_tok_vocab_find(&bpe->vocab, join->s, n[0] + rest);
    if (id < 0)
        return ns_fail(err, NS_E_FORMAT, "%s: merge %d makes '%.*s', which is not in the vocabulary",
                       path, rank, shown(n[0] + rest), join->s);
    ns_tok_merge_put(&bpe->merges, (ns_tok_merge){(uint32_t)left, (uint32_t)right, rank, id});
    return NS_OK;
}

int ns_tok_merges_init(ns_tok_merges *merges, int64_t count, const char *path, ns_error *err)
{
    for (merges->slots = 8; merges->slots < 2 * count; merges->slots *= 2)
        ;
    merges->slot = ns_alloc_array((size_t)merges->slots, sizeof *merges->slot);
    if (!merges->slot)
        return ns_oom(err, path);
    for (int64_t i = 0; i < merges->slots; i++)
        merges->slot[i].rank = -1;
    return NS_OK;
}

static int read_merges(ns_tok_bpe *bpe, const cJSON *json, const char *path, ns_error *err)
{
    if (!cJSON_IsArray(json))
        return ns_fail(err, NS_E_FORMAT, "%s: the BPE model has no list 'merges'", path);
    int64_t count = 0;
    for (const cJSON *item = json->child; item; item = item->next)
        count++;
    joiner join = {.prefix = bpe->prefix ? strlen(bpe->prefix) : 0};
    int32_t rank = 0;
    int rc = ns_tok_merges_init(&bpe->merges, count, path, err);
    for (const cJSON *item = json->child; item && rc == NS_OK; item = item->next)
        if (!cJSON_IsString(item) || !ns_starts(item->valuestring, "#version"))
            rc = add_merge(bpe, &join, item, rank++, path, err);
    free(join.s);
    return rc;
}

static int read_affix(char **out, const cJSON *model, const char *key, const char *path, ns_error *err)
{
    const char *text;
    const int rc = ns_json_str(model, key, &text, path, err);
    if (rc != NS_OK || !text || !*text)
        return rc;
    if (strlen(text) > TOK_AFFIX)
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: %s of more than %d bytes", path, key, TOK_AFFIX);
    *out = ns_strdup(text);
    return *out ? NS_OK : ns_oom(err, path);
}

/* dropout is a matter of training: encoding is deterministic here. */
static int read_flags(ns_tok_bpe *bpe, const cJSON *model, const char *path, ns_error *err)
{
    int rc = ns_json_bool(model, "byte_fallback", false, &bpe->byte_fallback, path, err);
    if (rc == NS_OK)
        rc = ns_json_bool(model, "fuse_unk", false, &bpe->fuse_unk, path, err);
    if (rc == NS_OK)
        rc = ns_json_bool(model, "ignore_merges", false, &bpe->ignore_merges, path, err);
    if (rc == NS_OK)
        rc = read_affix(&bpe->prefix, model, "continuing_subword_prefix", path, err);
    if (rc == NS_OK)
        rc = read_affix(&bpe->suffix, model, "end_of_word_suffix", path, err);
    return rc;
}

/* `tokenizers` minds a missing unk_token only when it needs one, which byte-level vocabularies never do. */
static int read_unknown(ns_tok_bpe *bpe, const cJSON *model, const char *path, ns_error *err)
{
    const char *text;
    const int rc = ns_json_str(model, "unk_token", &text, path, err);
    bpe->unk = rc == NS_OK && text ? ns_tok_vocab_find(&bpe->vocab, text, strlen(text)) : -1;
    bpe->unk_missing = rc == NS_OK && text && bpe->unk < 0;
    return rc;
}

static void index_characters(ns_tok_bpe *bpe)
{
    for (uint32_t code = 0; code < TOK_DIRECT; code++) {
        char text[4];
        bpe->direct[code] = ns_tok_vocab_find(&bpe->vocab, text, (size_t)ns_utf8_put(text, code));
    }
    for (int byte = 0; byte < 256; byte++) {
        static const char hex[] = "0123456789ABCDEF";
        const char name[] = {'<', '0', 'x', hex[byte >> 4], hex[byte & 15], '>'};
        bpe->byte_id[byte] = ns_tok_vocab_find(&bpe->vocab, name, sizeof name);
    }
}

int ns_tok_bpe_read(ns_tok_bpe *bpe, const cJSON *model, const char *path, ns_error *err)
{
    const char *type;
    int rc = cJSON_IsObject(model) ? ns_json_str(model, "type", &type, path, err) : ns_fail(err, NS_E_FORMAT, "%s: no object 'model'",
                                                                                            path);
    if (rc != NS_OK)
        return rc;
    const cJSON *const scores = cJSON_GetObjectItemCaseSensitive(model, "scores");
    if (type ? strcmp(type, "BPE") != 0 : !cJSON_GetObjectItemCaseSensitive(model, "merges"))
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: the model '%.100s' is not supported, only BPE (tokenize elsewhere and pass token ids)",
                       path, type ? type : "(none)");
    rc = read_flags(bpe, model, path, err);
    if (rc == NS_OK)
        rc = read_vocab(&bpe->vocab, cJSON_GetObjectItemCaseSensitive(model, "vocab"), path, err);
    if (rc == NS_OK)
        rc = cJSON_IsArray(scores) ? ns_tok_scores_read(bpe, scores, path, err)
                                   : read_merges(bpe, cJSON_GetObjectItemCaseSensitive(model, "merges"), path, err);
    if (rc == NS_OK)
        rc = read_unknown(bpe, model, path, err);
    if (rc == NS_OK)
        index_characters(bpe);
    return rc;
}

void ns_tok_bpe_free(ns_tok_bpe *bpe)
{
    ns_tok_vocab_free(&bpe->vocab);
    free(bpe->merges.slot);
    free(bpe->prefix);
    free(bpe->suffix);
}
