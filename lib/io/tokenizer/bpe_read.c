/* bpe_read.c - "model" of tokenizer.json: the merges and the flags of a BPE. */
#include <stdlib.h>
#include <string.h>

#include "io/tokenizer/tok.h"

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

static int add_merge(ns_tok_model *model, joiner *join, const cJSON *item, int32_t rank, const char *path, ns_error *err)
{
    const char *part[2] = {NULL, NULL};
    size_t n[2] = {0, 0};
    const int rc = merge_parts(item, part, n, path, err);
    if (rc != NS_OK)
        return rc;
    const int32_t left = ns_tok_vocab_find(&model->vocab, part[0], n[0]), right = ns_tok_vocab_find(&model->vocab, part[1], n[1]);
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
    const int32_t id = ns_tok_vocab_find(&model->vocab, join->s, n[0] + rest);
    if (id < 0)
        return ns_fail(err, NS_E_FORMAT, "%s: merge %d makes '%.*s', which is not in the vocabulary",
                       path, rank, shown(n[0] + rest), join->s);
    ns_tok_merge_put(&model->merges, (ns_tok_merge){(uint32_t)left, (uint32_t)right, rank, id});
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

static int read_merges(ns_tok_model *model, const cJSON *json, const char *path, ns_error *err)
{
    if (!cJSON_IsArray(json))
        return ns_fail(err, NS_E_FORMAT, "%s: the BPE model has no list 'merges'", path);
    int64_t count = 0;
    for (const cJSON *item = json->child; item; item = item->next)
        count++;
    joiner join = {.prefix = model->prefix ? strlen(model->prefix) : 0};
    int32_t rank = 0;
    int rc = ns_tok_merges_init(&model->merges, count, path, err);
    for (const cJSON *item = json->child; item && rc == NS_OK; item = item->next)
        if (!cJSON_IsString(item) || !ns_starts(item->valuestring, "#version"))
            rc = add_merge(model, &join, item, rank++, path, err);
    free(join.s);
    return rc;
}

/* dropout is a matter of training: encoding is deterministic here. */
static int read_flags(ns_tok_model *model, const cJSON *json, const char *path, ns_error *err)
{
    int rc = ns_json_bool(json, "byte_fallback", false, &model->byte_fallback, path, err);
    if (rc == NS_OK)
        rc = ns_json_bool(json, "fuse_unk", false, &model->fuse_unk, path, err);
    if (rc == NS_OK)
        rc = ns_json_bool(json, "ignore_merges", false, &model->ignore_merges, path, err);
    if (rc == NS_OK)
        rc = ns_tok_read_affix(&model->prefix, json, "continuing_subword_prefix", path, err);
    if (rc == NS_OK)
        rc = ns_tok_read_affix(&model->suffix, json, "end_of_word_suffix", path, err);
    return rc;
}

static void index_characters(ns_tok_model *model)
{
    for (uint32_t code = 0; code < TOK_DIRECT; code++) {
        char text[4];
        model->direct[code] = ns_tok_vocab_find(&model->vocab, text, (size_t)ns_utf8_put(text, code));
    }
}

/* `tokenizers` counts the bytes of an affix that falls back as if they stood in the text, so its offsets point beyond the word, and none
 * of ours would be both those and right. */
static int check_fallback(const ns_tok_model *model, const char *affix, const char *key, const char *path, ns_error *err)
{
    if (!affix || !model->byte_fallback || !ns_tok_bytes_known(model, affix, strlen(affix)))
        return NS_OK;
    return ns_fail(err, NS_E_UNSUPPORTED, "%s: byte_fallback with the %s '%s', whose bytes are in the vocabulary, has no offsets that mean "
                   "places of the text (tokenize elsewhere and pass token ids)", path, key, affix);
}

int ns_tok_bpe_read(ns_tok_model *model, const cJSON *json, const char *path, ns_error *err)
{
    const cJSON *const scores = cJSON_GetObjectItemCaseSensitive(json, "scores");
    const bool longest_first = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(json, "longest_first"));
    int rc = read_flags(model, json, path, err);
    if (rc == NS_OK)
        rc = cJSON_IsArray(scores) ? ns_tok_scores_read(model, scores, longest_first, path, err)
                                   : read_merges(model, cJSON_GetObjectItemCaseSensitive(json, "merges"), path, err);
    if (rc == NS_OK)
        rc = ns_tok_read_unknown(model, json, path, err);
    if (rc == NS_OK) {
        index_characters(model);
        ns_tok_index_bytes(model);
        rc = check_fallback(model, model->prefix, "continuing_subword_prefix", path, err);
    }
    return rc != NS_OK ? rc : check_fallback(model, model->suffix, "end_of_word_suffix", path, err);
}
