/* from_pair.c - vocab.json and merges.txt: a byte-level BPE, as the tokenizers of GPT-2 and of Qwen2 in transformers read them. */
#include <stdlib.h>
#include <string.h>

#include "io/tokenizer/sources.h"

#define FILE_LIMIT ((size_t)256 << 20)
enum { DEPTH = 4 };

/* GPT-2's reader drops the first line whatever it is, and what follows the last \n; Qwen2's only a first line of "#version" and empty
 * lines. */
static bool counts(const ns_tok_class *c, int64_t i, const char *line, const char *newline)
{
    if (c->pair == PAIR_GPT2)
        return i > 0 && newline;
    return *line && (i > 0 || !ns_starts(line, "#version:"));
}

/* "a b" by any white space, as str.split() has it; [begin, end) of two words, or false. */
static bool two_words(char *line, char *word[2])
{
    static const char white[] = " \t\r\v\f";
    word[0] = line + strspn(line, white);
    char *const end = word[0] + strcspn(word[0], white);
    word[1] = end + strspn(end, white);
    char *const stop = word[1] + strcspn(word[1], white);
    const bool two = *word[0] && *word[1] && !stop[strspn(stop, white)];
    *end = *stop = '\0';
    return two;
}

static int64_t count_lines(const char *text, size_t n)
{
    int64_t count = 1;
    for (size_t i = 0; i < n; i++)
        count += text[i] == '\n';
    return count;
}

/* Of equal merges the first counts. */
static int add_merge(cJSON *list, ns_tok_vocab *seen, char *line, int64_t i, const char *path, ns_error *err)
{
    char *word[2];
    if (!two_words(line, word))
        return ns_fail(err, NS_E_FORMAT, "%s: line %lld is not two tokens with a space between", path, (long long)i + 1);
    char *const merge = ns_printf_alloc("%s %s", word[0], word[1]);
    int rc = merge ? NS_OK : ns_oom(err, path);
    if (rc == NS_OK && ns_tok_vocab_find(seen, merge, strlen(merge)) < 0) {
        rc = ns_tok_vocab_add(seen, merge, strlen(merge), (int32_t)i, path, err);
        if (rc == NS_OK && !ns_tok_append(list, cJSON_CreateString(merge)))
            rc = ns_oom(err, path);
    }
    free(merge);
    return rc;
}

static int add_merges(cJSON *model, const ns_tok_class *c, const char *path, ns_error *err)
{
    char *text = NULL;
    size_t n = 0, bad;
    ns_tok_vocab seen = {0};
    cJSON *const list = cJSON_AddArrayToObject(model, "merges");
    int rc = ns_file_read(path, FILE_LIMIT, &text, &n, err);
    if (rc == NS_OK && (!ns_utf8_valid(text, n, &bad) || memchr(text, 0, n)))
        rc = ns_fail(err, NS_E_FORMAT, "%s: not a text in UTF-8", path);
    const int64_t lines = rc == NS_OK ? count_lines(text, n) : 0;
    if (lines > TOK_MOST)
        rc = ns_fail(err, NS_E_UNSUPPORTED, "%s: more than %d lines (is it a list of merges?)", path, TOK_MOST);
    rc = rc != NS_OK ? rc : ns_tok_vocab_init(&seen, lines, lines, path, err);
    char *next = text;
    for (int64_t i = 0; i < lines && rc == NS_OK; i++) {
        char *const line = next, *const newline = strchr(line, '\n');
        if (newline)
            *newline = '\0';
        next = newline ? newline + 1 : line + strlen(line);
        if (counts(c, i, line, newline))
            rc = add_merge(list, &seen, line, i, path, err);
    }
    ns_tok_vocab_free(&seen);
    free(text);
    return rc;
}

static bool add_steps(cJSON *json, const ns_tok_neighbours *n)
{
    const bool qwen2 = n->class_->pair == PAIR_QWEN2;
    cJSON *const list = ns_tok_add_sequence(json, "pre_tokenizer", "pretokenizers");
    cJSON *const split = qwen2 ? ns_tok_append(list, ns_tok_typed("Split")) : NULL;
    const bool cut = !qwen2 || (ns_tok_add_pattern(split, "Regex", TOK_QWEN2) && cJSON_AddStringToObject(split, "behavior", "Isolated") &&
                                cJSON_AddFalseToObject(split, "invert") && ns_tok_add_typed(json, "normalizer", "NFC"));
    return list && cut && ns_tok_add_byte_level(list, ns_tok_setting(n, "add_prefix_space", false), !qwen2) &&
           ns_tok_add_typed(json, "decoder", "ByteLevel");
}

int ns_tok_from_pair(const ns_tok_neighbours *n, const char *path, cJSON **json, ns_error *err)
{
    cJSON *vocab = NULL;
    char *const merges = ns_printf_alloc("%.*smerges.txt", (int)(ns_path_base(path) - path), path);
    int rc = merges ? ns_json_read(&vocab, path, FILE_LIMIT, DEPTH, err) : ns_oom(err, path);
    *json = rc == NS_OK ? cJSON_CreateObject() : NULL;
    cJSON *const model = ns_tok_add_typed(*json, "model", "BPE");
    const bool good = model && add_steps(*json, n) && cJSON_AddItemToObject(model, "vocab", vocab);
    if (!good)
        cJSON_Delete(vocab);
    rc = rc != NS_OK || good ? rc : ns_oom(err, path);
    rc = rc != NS_OK ? rc : add_merges(model, n->class_, merges, err);
    free(merges);
    return rc;
}
