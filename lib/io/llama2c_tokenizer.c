/* llama2c_tokenizer.c - llama2.c's tokenizer.bin: how long the longest piece is, then of each a score and its bytes. The pieces are those
 * of a SentencePiece BPE with ' ' for its mark, and newlines around <s> and </s>; what is read is the tokenizer.json that says the same. */
#include "io/llama2c.h"
#include "io/tokenizer/tok.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LARGEST = 256 << 20, DEPTH = 8, BEGIN = 4, ENTRY = 8, SPECIAL = 3, BYTES = 256 };

/* All but the pieces and their scores. */
static const char skeleton[] =
    "{\"added_tokens\": [{\"id\": 0, \"content\": \"<unk>\", \"normalized\": false, \"special\": true},"
    " {\"id\": 1, \"content\": \"<s>\", \"normalized\": false, \"special\": true},"
    " {\"id\": 2, \"content\": \"</s>\", \"normalized\": false, \"special\": true}],"
    "\"normalizer\": {\"type\": \"Sequence\", \"normalizers\": [{\"type\": \"Prepend\", \"prepend\": \"\xe2\x96\x81\"},"
    " {\"type\": \"Replace\", \"pattern\": {\"String\": \" \"}, \"content\": \"\xe2\x96\x81\"}]},"
    "\"decoder\": {\"type\": \"Sequence\", \"decoders\": [{\"type\": \"Replace\", \"pattern\": {\"String\": \"\xe2\x96\x81\"},"
    " \"content\": \" \"}, {\"type\": \"ByteFallback\"}, {\"type\": \"Fuse\"},"
    " {\"type\": \"Strip\", \"content\": \" \", \"start\": 1, \"stop\": 0}]},"
    "\"post_processor\": {\"type\": \"TemplateProcessing\", \"single\": [{\"SpecialToken\": {\"id\": \"<s>\", \"type_id\": 0}},"
    " {\"Sequence\": {\"id\": \"A\", \"type_id\": 0}}], \"special_tokens\": {\"<s>\": {\"id\": \"<s>\", \"ids\": [1],"
    " \"tokens\": [\"<s>\"]}}},"
    "\"model\": {\"type\": \"BPE\", \"unk_token\": \"<unk>\", \"byte_fallback\": true, \"fuse_unk\": true, \"vocab\": {}, \"scores\": []}}";

/* The length of the longest, a score, and "<unk>". */
bool ns_llama2c_is_tokenizer(const ns_lead *lead)
{
    static const char unknown[] = "<unk>";
    uint32_t n;
    if (lead->n < BEGIN + ENTRY + sizeof unknown - 1)
        return false;
    memcpy(&n, lead->bytes + BEGIN + 4, sizeof n);
    return n == sizeof unknown - 1 && memcmp(lead->bytes + BEGIN + ENTRY, unknown, n) == 0;
}

typedef struct pieces { const char *path, *bytes; size_t n; cJSON *vocab, *scores; ns_error *err; } pieces;

/* With SentencePiece's mark for spaces, and without the newlines around <s>. */
static bool spell(const char *from, size_t n, bool special, char out[3 * TOK_LONGEST + 1])
{
    size_t bad, to = 0;
    while (special && n && *from == '\n') {
        from++;
        n--;
    }
    while (special && n && from[n - 1] == '\n')
        n--;
    if (!ns_utf8_valid(from, n, &bad) || memchr(from, 0, n))
        return false;
    for (size_t i = 0; i < n; i++) {
        const bool space = from[i] == ' ';
        memcpy(out + to, space ? "\xe2\x96\x81" : from + i, space ? 3 : 1);
        to += space ? 3 : 1;
    }
    out[to] = '\0';
    return true;
}

/* null: text is not joined to it. */
static bool put(const pieces *p, int64_t id, const char *text, float score)
{
    cJSON *const item = id < SPECIAL + BYTES ? cJSON_CreateNull() : cJSON_CreateNumber((double)score);
    if (item && cJSON_AddItemToArray(p->scores, item))
        return cJSON_AddNumberToObject(p->vocab, text, (double)id) != NULL;
    cJSON_Delete(item);
    return false;
}

/* The piece at *at, which moves behind it. */
static int read_piece(const pieces *p, int64_t id, size_t *at)
{
    static const char *const specials[SPECIAL] = {"<unk>", "<s>", "</s>"};
    char text[3 * TOK_LONGEST + 1];
    float score = 0;
    int32_t n = -1;
    if (p->n - *at >= ENTRY) {
        memcpy(&score, p->bytes + *at, sizeof score);
        memcpy(&n, p->bytes + *at + 4, sizeof n);
    }
    if (n < 0 || n > TOK_LONGEST || (size_t)n > p->n - *at - ENTRY)
        return ns_fail(p->err, NS_E_FORMAT, "%s: ends within token %lld, or gives it a length of %d (copy it again)", p->path,
                       (long long)id, n);
    if (!isfinite(score) || !spell(p->bytes + *at + ENTRY, (size_t)n, id < SPECIAL, text))
        return ns_fail(p->err, NS_E_FORMAT, "%s: token %lld is no text in UTF-8 with a finite score", p->path, (long long)id);
    if (id < SPECIAL && strcmp(text, specials[id]))
        return ns_fail(p->err, NS_E_FORMAT, "%s: token %lld is '%.40s', where llama2.c has '%s'", p->path, (long long)id, text,
                       specials[id]);
    *at += ENTRY + (size_t)n;
    return put(p, id, text, score) ? NS_OK : ns_oom(p->err, p->path);
}

static int read_pieces(const pieces *p)
{
    size_t at = BEGIN;
    int rc = NS_OK;
    int64_t id = 0;
    for (; at < p->n && rc == NS_OK; id++)
        rc = id < TOK_MOST ? read_piece(p, id, &at)
                           : ns_fail(p->err, NS_E_UNSUPPORTED, "%s: more than %d tokens (is the file damaged?)", p->path, TOK_MOST);
    return rc != NS_OK || id > SPECIAL + BYTES ? rc : ns_fail(p->err, NS_E_FORMAT, "%s: has %lld tokens, and those of bytes alone are %d",
                                                              p->path, (long long)id, SPECIAL + BYTES);
}

int ns_llama2c_tokenize(const char *path, cJSON **json, char sha256[65], ns_error *err)
{
    char *bytes = NULL;
    size_t n = 0;
    cJSON *root = NULL;
    ns_sha256 sha;
    int rc = ns_file_read(path, LARGEST, &bytes, &n, err);
    if (rc != NS_OK)
        return rc;
    ns_sha256_begin(&sha);
    ns_sha256_add(&sha, bytes, n);
    ns_sha256_end(&sha, sha256);
    if (json)
        rc = ns_json_parse(&root, skeleton, sizeof skeleton - 1, DEPTH, path, err);
    if (json && rc == NS_OK) {
        cJSON *const model = cJSON_GetObjectItemCaseSensitive(root, "model");
        const pieces p = {path, bytes, n, cJSON_GetObjectItemCaseSensitive(model, "vocab"),
                          cJSON_GetObjectItemCaseSensitive(model, "scores"), err};
        rc = read_pieces(&p);
    }
    if (json && rc == NS_OK)
        *json = root;
    else
        cJSON_Delete(root);
    free(bytes);
    return rc;
}
