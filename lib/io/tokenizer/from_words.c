/* from_words.c - vocab.txt: a WordPiece vocabulary, an entry a line, as BertTokenizer of transformers reads it. */
#include <stdlib.h>
#include <string.h>

#include "io/tokenizer/sources.h"

#define WORDS_LIMIT ((size_t)256 << 20)

typedef struct lines { char **line; int64_t n, capacity; } lines;

/* A line ends as Python's text files have it: \n, \r\n or \r. */
static int cut_lines(lines *l, char *text, size_t n, const char *path, ns_error *err)
{
    for (char *line = text, *const end = text + n; line < end; ) {
        char *const stop = line + strcspn(line, "\r\n"), *const next = stop + (stop[0] == '\r' && stop[1] == '\n' ? 2 : 1);
        *stop = '\0';
        if (l->n == TOK_MOST)
            return ns_fail(err, NS_E_UNSUPPORTED, "%s: more than %d lines (is it a list of tokens?)", path, TOK_MOST);
        if (!ns_grow(&l->line, &l->capacity, l->n + 1, sizeof *l->line))
            return ns_oom(err, path);
        l->line[l->n++] = line;
        line = next;
    }
    return NS_OK;
}

/* Of equal lines the last counts: from the end, what is there already is passed over. */
static int add_words(cJSON *vocab, const lines *l, const char *path, ns_error *err)
{
    ns_tok_vocab seen = {0};
    int rc = ns_tok_vocab_init(&seen, l->n, l->n, path, err);
    for (int64_t id = l->n - 1; id >= 0 && rc == NS_OK; id--) {
        const size_t n = strlen(l->line[id]);
        if (ns_tok_vocab_find(&seen, l->line[id], n) >= 0)
            continue;
        rc = ns_tok_vocab_add(&seen, l->line[id], n, (int32_t)id, path, err);
        if (rc == NS_OK && !cJSON_AddNumberToObject(vocab, l->line[id], (double)id))
            rc = ns_oom(err, path);
    }
    ns_tok_vocab_free(&seen);
    return rc;
}

/* What do_lower_case and its like say, or BERT's defaults; strip_accents: null is what lowercase is. */
static bool add_normalizer(cJSON *json, const ns_tok_neighbours *n)
{
    const cJSON *const accents = cJSON_GetObjectItemCaseSensitive(n->config, "strip_accents");
    cJSON *const step = ns_tok_add_typed(json, "normalizer", "BertNormalizer");
    return step && cJSON_AddTrueToObject(step, "clean_text") &&
           cJSON_AddBoolToObject(step, "handle_chinese_chars", ns_tok_setting(n, "tokenize_chinese_chars", true)) &&
           cJSON_AddBoolToObject(step, "lowercase", ns_tok_setting(n, "do_lower_case", true)) &&
           (!cJSON_IsBool(accents) || cJSON_AddBoolToObject(step, "strip_accents", cJSON_IsTrue(accents)));
}

static int add_around(cJSON *json, const ns_tok_neighbours *n, const cJSON *vocab, const char *path, ns_error *err)
{
    const char *const cls = n->special[CLS], *const sep = n->special[SEP];
    const cJSON *const first = cls ? cJSON_GetObjectItemCaseSensitive(vocab, cls) : NULL;
    const cJSON *const last = sep ? cJSON_GetObjectItemCaseSensitive(vocab, sep) : NULL;
    if (!first || !last)
        return ns_fail(err, NS_E_FORMAT, "%s: the template's %s '%.60s' is no entry", path, first ? "sep_token" : "cls_token",
                       first ? (sep ? sep : "") : (cls ? cls : ""));
    return ns_tok_add_template(json, cls, (int64_t)first->valuedouble, sep, (int64_t)last->valuedouble) ? NS_OK : ns_oom(err, path);
}

static bool add_model(cJSON *json, const ns_tok_neighbours *n, cJSON **vocab)
{
    const char *const unk = n->special[UNK];
    cJSON *const model = ns_tok_add_typed(json, "model", "WordPiece"), *const decoder = ns_tok_add_typed(json, "decoder", "WordPiece");
    *vocab = model ? cJSON_AddObjectToObject(model, "vocab") : NULL;
    return *vocab && decoder && (!unk || cJSON_AddStringToObject(model, "unk_token", unk)) &&
           cJSON_AddStringToObject(model, "continuing_subword_prefix", "##") &&
           cJSON_AddNumberToObject(model, "max_input_chars_per_word", 100) && cJSON_AddStringToObject(decoder, "prefix", "##") &&
           ns_tok_add_typed(json, "pre_tokenizer", "BertPreTokenizer") &&
           add_normalizer(json, n);
}

int ns_tok_from_words(const ns_tok_neighbours *n, const char *path, cJSON **json, ns_error *err)
{
    char *text = NULL;
    size_t size = 0, bad;
    cJSON *vocab = NULL;
    lines l = {0};
    int rc = ns_file_read(path, WORDS_LIMIT, &text, &size, err);
    *json = rc == NS_OK ? cJSON_CreateObject() : NULL;
    if (rc == NS_OK && (!ns_utf8_valid(text, size, &bad) || memchr(text, 0, size)))
        rc = ns_fail(err, NS_E_FORMAT, "%s: not a text in UTF-8", path);
    if (rc == NS_OK && !(*json && add_model(*json, n, &vocab)))
        rc = ns_oom(err, path);
    rc = rc != NS_OK ? rc : cut_lines(&l, text, size, path, err);
    rc = rc != NS_OK ? rc : add_words(vocab, &l, path, err);
    rc = rc != NS_OK ? rc : add_around(*json, n, vocab, path, err);
    free(l.line);
    free(text);
    return rc;
}
