/* gguf_tokenizer.c - the tokenizer that a GGUF file holds, as the tokenizer.json that says the same.
 *
 * "gpt2" is a byte-level BPE with merges; how it cuts a text is only a name, so there is a table of names. "llama" is a BPE of
 * SentencePiece: pieces with scores and no merges, so the model gets "scores" in their place (tokenizer/bpe_scores.c). Control and
 * user-defined tokens are added tokens, which llama.cpp looks for in the text as it is. The chat template is never run. */
#include "io/gguf.h"
#include "io/tokenizer/build.h"

#include <stdlib.h>
#include <string.h>

enum { NORMAL = 1, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE };
#define ELSEWHERE "give the model's own tokenizer.json with --tokenizer"

typedef struct reading {
    const ns_gguf       *g;
    const ns_gguf_value *tokens, *types, *scores;
    cJSON               *json;                             /* the tokenizer.json */
    bool                 sentences, add_bos, add_eos, add_space;
    int64_t              bos, eos, unknown, pad;                /* -1: none */
} reading;

static int oom(const reading *r)
{
    return ns_oom(r->g->err, r->g->path);
}

/* ---- how a text is cut: names of llama.cpp, whose patterns are those of the models' tokenizer.json ---- */

#define UPPER "[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
#define SLASHES "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define TEKKEN UPPER "*" LOWER "+|" UPPER "+" LOWER "*|\\p{N}" SLASHES
#define CASELESS "(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
#define O200K UPPER "*" LOWER "+" CASELESS "|" UPPER "+" LOWER "*" CASELESS "|\\p{N}{1,3}" SLASHES

/* regex: NULL is GPT-2's, which ByteLevel has itself. digits: each digit is cut off first. */
static const struct cut {
    const char *name, *regex;
    bool        digits, ignore_merges, nfc, bos;
} cuts[] = {
    {"gpt-2", NULL, .digits = false}, {"phi-2", NULL, .digits = false}, {"olmo", NULL, .digits = false},
    {"smollm", NULL, .digits = true}, {"starcoder", NULL, .digits = true}, {"refact", NULL, .digits = true},
    {"command-r", NULL, .digits = true}, {"codeshell", NULL, .digits = true}, {"exaone", NULL, .digits = true},
    {"llama-bpe", TOK_CL100K, .ignore_merges = true, .bos = true}, {"llama3", TOK_CL100K, .ignore_merges = true, .bos = true},
    {"llama-v3", TOK_CL100K, .ignore_merges = true, .bos = true}, {"dbrx", TOK_CL100K, .digits = false},
    {"smaug-bpe", TOK_CL100K, .digits = false},
    {"qwen2", TOK_QWEN2, .nfc = true}, {"deepseek-r1-qwen", TOK_QWEN2, .nfc = true}, {"stablelm2", TOK_QWEN2, .digits = false},
    {"tekken", TEKKEN, .ignore_merges = true, .bos = true}, {"gpt-4o", O200K, .digits = false},
};

static const struct cut *find_cut(const char *name)
{
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++)
        if (strcmp(cuts[i].name, name) == 0)
            return &cuts[i];
    return NULL;
}

/* ---- vocabulary ---- */

static int64_t type_of(const reading *r, int64_t id)
{
    if (r->types)
        return (int64_t)ns_gguf_element(r->g, r->types, (uint64_t)id);
    return id == r->unknown ? UNKNOWN : id == r->bos || id == r->eos || id == r->pad ? CONTROL : NORMAL;
}

static int add_token(const reading *r, cJSON *vocab, cJSON *added, int64_t id, const char *text)
{
    const int64_t type = type_of(r, id);
    if (!cJSON_AddNumberToObject(vocab, text, (double)id))
        return oom(r);
    if (type != UNKNOWN && type != CONTROL && type != USER_DEFINED)
        return NS_OK;
    if (!*text)
        return ns_fail(r->g->err, NS_E_FORMAT, "%s: token %lld is special and empty", r->g->path, (long long)id);
    return ns_tok_add_special(added, id, text, type != USER_DEFINED) ? NS_OK : oom(r);
}

/* The text of each token, which is no C string in the file. */
static int add_vocabulary(const reading *r, cJSON *model)
{
    enum { LONGEST = 1 << 14 };
    char text[LONGEST + 1];
    cJSON *const vocab = cJSON_AddObjectToObject(model, "vocab"), *const added = cJSON_AddArrayToObject(r->json, "added_tokens");
    size_t at = r->tokens->at, n, bad;
    int rc = vocab && added ? NS_OK : oom(r);
    for (int64_t id = 0; id < (int64_t)r->tokens->n && rc == NS_OK; id++) {
        const char *const s = ns_gguf_string(r->g, &at, &n);
        if (n > LONGEST || !ns_utf8_valid(s, n, &bad) || memchr(s, 0, n))
            return ns_fail(r->g->err, NS_E_FORMAT, "%s: token %lld of tokenizer.ggml.tokens is no text in UTF-8 of up to %d bytes",
                           r->g->path, (long long)id, LONGEST);
        memcpy(text, s, n);
        text[n] = '\0';
        rc = add_token(r, vocab, added, id, text);
    }
    return rc;
}

static int add_merges(const reading *r, cJSON *model)
{
    const ns_gguf_value *merges;
    int rc = ns_gguf_array(r->g, "tokenizer.ggml.merges", GGUF_STRING, &merges);
    cJSON *const list = cJSON_AddArrayToObject(model, "merges");
    size_t at = rc == NS_OK && merges ? merges->at : 0, n, bad;
    if (rc == NS_OK && !merges)
        return ns_fail(r->g->err, NS_E_FORMAT, "%s: tokenizer.ggml.model is gpt2, and there is no tokenizer.ggml.merges", r->g->path);
    rc = rc != NS_OK || list ? rc : oom(r);
    for (uint64_t i = 0; rc == NS_OK && i < merges->n; i++) {
        const char *const s = ns_gguf_string(r->g, &at, &n);
        if (!ns_utf8_valid(s, n, &bad) || memchr(s, 0, n))
            return ns_fail(r->g->err, NS_E_FORMAT, "%s: merge %llu is no text in UTF-8", r->g->path, (unsigned long long)i);
        char *const text = ns_printf_alloc("%.*s", (int)n, s);
        rc = text && ns_tok_append(list, cJSON_CreateString(text)) ? NS_OK : oom(r);
        free(text);
    }
    return rc;
}

/* null: a piece that text is not joined to. */
static int add_scores(const reading *r, cJSON *model)
{
    cJSON *const list = cJSON_AddArrayToObject(model, "scores");
    int rc = list ? NS_OK : oom(r);
    if (!r->scores || r->scores->n != r->tokens->n)
        return ns_fail(r->g->err, NS_E_FORMAT, "%s: tokenizer.ggml.model is llama, and tokenizer.ggml.scores are not one for each token",
                       r->g->path);
    for (int64_t id = 0; id < (int64_t)r->tokens->n && rc == NS_OK; id++) {
        const int64_t type = type_of(r, id);
        const double score = ns_gguf_element(r->g, r->scores, (uint64_t)id);
        if (score != score || score - score != 0)
            return ns_fail(r->g->err, NS_E_FORMAT, "%s: the score of token %lld is not finite", r->g->path, (long long)id);
        rc = ns_tok_append(list, type == NORMAL || type == UNUSED ? cJSON_CreateNumber(score) : cJSON_CreateNull()) ? NS_OK : oom(r);
    }
    return rc;
}

/* ---- special tokens ---- */

static int special_id(const reading *r, const char *key, int64_t otherwise, int64_t *out)
{
    double id;
    const int rc = ns_gguf_number(r->g, key, (double)otherwise, &id);
    if (rc == NS_OK && !(id >= -1 && id < (double)r->tokens->n && id == (double)(int64_t)id) && ns_gguf_find(r->g, key))
        return ns_fail(r->g->err, NS_E_FORMAT, "%s: %s is %.0f, and there are %llu tokens", r->g->path, key, id,
                       (unsigned long long)r->tokens->n);
    *out = rc == NS_OK && id < (double)r->tokens->n ? (int64_t)id : -1;
    return rc;
}

static int special_ids(reading *r)
{
    int rc = special_id(r, "tokenizer.ggml.bos_token_id", r->sentences ? 1 : -1, &r->bos);
    rc = rc != NS_OK ? rc : special_id(r, "tokenizer.ggml.eos_token_id", r->sentences ? 2 : -1, &r->eos);
    rc = rc != NS_OK ? rc : special_id(r, "tokenizer.ggml.unknown_token_id", r->sentences ? 0 : -1, &r->unknown);
    return rc != NS_OK ? rc : special_id(r, "tokenizer.ggml.padding_token_id", -1, &r->pad);
}

/* The text of a token; malloc'd. */
static char *text_of(const reading *r, int64_t id)
{
    size_t at = r->tokens->at, n = 0;
    const char *s = "";
    for (int64_t i = 0; i <= id; i++)
        s = ns_gguf_string(r->g, &at, &n);
    return ns_printf_alloc("%.*s", (int)n, s);
}

static int add_template(const reading *r)
{
    const bool with_bos = r->add_bos && r->bos >= 0, with_eos = r->add_eos && r->eos >= 0;
    char *const bos = with_bos ? text_of(r, r->bos) : NULL, *const eos = with_eos ? text_of(r, r->eos) : NULL;
    const bool good = (bos || !with_bos) && (eos || !with_eos) && ns_tok_add_template(r->json, bos, r->bos, eos, r->eos);
    free(bos);
    free(eos);
    return good ? NS_OK : oom(r);
}

/* ---- the two models ---- */

static bool add_cuts(const reading *r, const struct cut *cut)
{
    cJSON *const list = ns_tok_add_sequence(r->json, "pre_tokenizer", "pretokenizers");
    cJSON *const decoders = ns_tok_add_sequence(r->json, "decoder", "decoders");
    cJSON *const digits = cut->digits ? ns_tok_append(list, ns_tok_typed("Digits")) : NULL;
    cJSON *const split = cut->regex ? ns_tok_append(list, ns_tok_typed("Split")) : NULL;
    if (!list || !decoders || (cut->digits && !digits) || (cut->regex && !split))
        return false;
    return (!digits || cJSON_AddTrueToObject(digits, "individual_digits")) &&
           (!split || (ns_tok_add_pattern(split, "Regex", cut->regex) && cJSON_AddStringToObject(split, "behavior", "Isolated") &&
                       cJSON_AddFalseToObject(split, "invert"))) &&
           ns_tok_add_byte_level(list, r->add_space, !cut->regex) && ns_tok_add_byte_level(decoders, false, false) &&
           (!cut->nfc || ns_tok_append(ns_tok_add_sequence(r->json, "normalizer", "normalizers"), ns_tok_typed("NFC")));
}

static int read_bytes(reading *r, cJSON *model)
{
    char *name = NULL;
    int rc = ns_gguf_text(r->g, "tokenizer.ggml.pre", &name);
    const struct cut *const cut = rc == NS_OK && name ? find_cut(name) : NULL;
    if (rc == NS_OK && !cut)
        rc = ns_fail(r->g->err, NS_E_UNSUPPORTED, "%s: tokenizer.ggml.pre is '%.60s', and how that cuts a text is not known (" ELSEWHERE
                     ")", r->g->path, name ? name : "(none)");
    free(name);
    rc = rc != NS_OK ? rc : ns_gguf_bool(r->g, "tokenizer.ggml.add_bos_token", cut->bos, &r->add_bos);
    rc = rc != NS_OK ? rc : ns_gguf_bool(r->g, "tokenizer.ggml.add_space_prefix", false, &r->add_space);
    if (rc == NS_OK && (!cJSON_AddBoolToObject(model, "ignore_merges", cut->ignore_merges) || !add_cuts(r, cut)))
        rc = oom(r);
    rc = rc != NS_OK ? rc : add_vocabulary(r, model);
    return rc != NS_OK ? rc : add_merges(r, model);
}

static bool add_spaces(const reading *r)
{
    cJSON *const list = ns_tok_add_sequence(r->json, "normalizer", "normalizers");
    return list && (!r->add_space || ns_tok_add_prepend(list)) && ns_tok_add_replace(list, " ", TOK_MARK) &&
           ns_tok_add_piece_decoder(r->json, r->add_space);
}

static int read_sentences(reading *r, cJSON *model)
{
    int rc = ns_gguf_bool(r->g, "tokenizer.ggml.add_bos_token", true, &r->add_bos);
    rc = rc != NS_OK ? rc : ns_gguf_bool(r->g, "tokenizer.ggml.add_space_prefix", true, &r->add_space);
    rc = rc != NS_OK ? rc : ns_gguf_array(r->g, "tokenizer.ggml.scores", GGUF_F32, &r->scores);
    if (rc != NS_OK)
        return rc;
    char *const unknown = r->unknown >= 0 ? text_of(r, r->unknown) : NULL;
    const bool good = (r->unknown < 0 || (unknown && cJSON_AddStringToObject(model, "unk_token", unknown))) &&
                      cJSON_AddTrueToObject(model, "byte_fallback") && cJSON_AddTrueToObject(model, "fuse_unk") && add_spaces(r);
    free(unknown);
    rc = good ? add_vocabulary(r, model) : oom(r);
    return rc != NS_OK ? rc : add_scores(r, model);
}

static int read_lists(reading *r)
{
    int rc = ns_gguf_array(r->g, "tokenizer.ggml.tokens", GGUF_STRING, &r->tokens);
    rc = rc != NS_OK ? rc : ns_gguf_array(r->g, "tokenizer.ggml.token_type", GGUF_N_TYPES, &r->types);
    if (rc != NS_OK)
        return rc;
    if (!r->tokens || !r->tokens->n)
        return ns_fail(r->g->err, NS_E_FORMAT, "%s: no tokenizer.ggml.tokens", r->g->path);
    if (r->types && r->types->n != r->tokens->n)
        return ns_fail(r->g->err, NS_E_FORMAT, "%s: tokenizer.ggml.token_type has %llu numbers for %llu tokens", r->g->path,
                       (unsigned long long)r->types->n, (unsigned long long)r->tokens->n);
    return ns_gguf_bool(r->g, "tokenizer.ggml.add_eos_token", false, &r->add_eos);
}

static int read_tokenizer(reading *r)
{
    char *kind = NULL;
    int rc = ns_gguf_text(r->g, "tokenizer.ggml.model", &kind);
    const bool bytes = kind && strcmp(kind, "gpt2") == 0;
    r->sentences = kind && strcmp(kind, "llama") == 0;
    if (rc == NS_OK && !bytes && !r->sentences)
        rc = ns_fail(r->g->err, kind ? NS_E_UNSUPPORTED : NS_E_MISSING, "%s: tokenizer.ggml.model is '%.60s': gpt2 (byte-level BPE) "
                     "and llama (SentencePiece BPE) are read (" ELSEWHERE ")", r->g->path, kind ? kind : "(none)");
    free(kind);
    rc = rc != NS_OK ? rc : read_lists(r);
    rc = rc != NS_OK ? rc : special_ids(r);
    if (rc != NS_OK)
        return rc;
    r->json = cJSON_CreateObject();
    cJSON *const model = ns_tok_add_typed(r->json, "model", "BPE");
    if (!model)
        return oom(r);
    rc = bytes ? read_bytes(r, model) : read_sentences(r, model);
    return rc != NS_OK ? rc : add_template(r);
}

/* Of what the file says of its tokenizer, whatever its weights and its template. */
static void hash(const ns_gguf *g, char out[65])
{
    static const char of[] = "tokenizer.ggml.";
    ns_sha256 sha;
    ns_sha256_begin(&sha);
    for (int64_t i = 0; i < g->n_values; i++) {
        const ns_gguf_value *const v = &g->values[i];
        if (v->key_n < sizeof of - 1 || memcmp(g->bytes + v->key, of, sizeof of - 1) != 0)
            continue;
        ns_sha256_add(&sha, g->bytes + v->key, v->key_n);
        ns_sha256_add(&sha, &v->type, sizeof v->type);
        ns_sha256_add(&sha, &v->n, sizeof v->n);
        ns_sha256_add(&sha, g->bytes + v->at, v->end - v->at);
    }
    ns_sha256_end(&sha, out);
}

int ns_gguf_tokenize(const char *path, cJSON **json, char sha256[65], ns_error *err)
{
    ns_input in = {0};
    ns_gguf g = {0};
    int rc = ns_input_open(&in, path, err);
    rc = rc != NS_OK ? rc : ns_gguf_read(&g, &in, path, err);
    reading r = {.g = &g};
    if (rc == NS_OK)
        hash(&g, sha256);
    if (rc == NS_OK && json)
        rc = read_tokenizer(&r);
    if (json && rc == NS_OK)
        *json = r.json;
    else
        cJSON_Delete(r.json);
    ns_gguf_close(&g);
    ns_input_close(&in);
    return rc;
}

/* The default one; others have names, tokenizer.chat_template.NAME. */
int ns_gguf_chat_template(const char *path, char **out, ns_error *err)
{
    ns_input in = {0};
    ns_gguf g = {0};
    *out = NULL;
    int rc = ns_input_open(&in, path, err);
    rc = rc != NS_OK ? rc : ns_gguf_read(&g, &in, path, err);
    rc = rc != NS_OK ? rc : ns_gguf_text(&g, "tokenizer.chat_template", out);
    ns_gguf_close(&g);
    ns_input_close(&in);
    return rc;
}
