/* from_pieces.c - a SentencePiece model (tokenizer.model), as the converters of transformers (SpmConverter and its kin) turn it into a
 * tokenizer.json. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/tokenizer/proto.h"
#include "io/tokenizer/sources.h"

#define MODEL_LIMIT ((size_t)256 << 20)
enum { EXTRA_IDS = 100, MOST_EXTRA_IDS = 10000 };

typedef struct converting {
    const ns_tok_neighbours *n;
    const ns_tok_pieces_rule *rule;
    const ns_tok_proto *proto;
    const char *path;
    ns_error   *err;
    cJSON      *json, *vocab, *scores;
    bool        unigram;
    int64_t     count;                   /* pieces so far */
} converting;

/* ---- the pieces ---- */

/* A name in the place of one of the first three that is a piece further on, too: the later id counts, as in a dict. */
static bool is_later(const converting *c, const char *text)
{
    return c->count < 3 && ns_tok_vocab_find(&c->proto->ids, text, strlen(text)) >= 3;
}

static int put_piece(converting *c, const char *text, double score)
{
    cJSON *const pair = c->unigram ? ns_tok_append(c->vocab, cJSON_CreateArray()) : NULL;
    const bool good = c->unigram ? ns_tok_append(pair, cJSON_CreateString(text)) && ns_tok_append(pair, cJSON_CreateNumber(score))
                                 : (is_later(c, text) || cJSON_AddNumberToObject(c->vocab, text, (double)c->count)) &&
                                       ns_tok_append(c->scores, cJSON_CreateNumber(score));
    c->count++;
    return good ? NS_OK : ns_oom(c->err, c->path);
}

/* The name that added_tokens_decoder gives one of the first ids. */
static const char *named_by_decoder(const ns_tok_neighbours *n, int64_t id)
{
    char key[8];
    snprintf(key, sizeof key, "%d", (int)(id & 0xFFFF));
    const cJSON *const token = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(n->config, "added_tokens_decoder"), key);
    return cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(token, "content"));
}

/* What stands in the place of piece i, one of the first three. */
static const char *head_name(const converting *c, int64_t i)
{
    static const enum ns_tok_role roles[] = {PAD, EOS, BOS};
    const char *const name = c->rule->named_head ? c->n->special[roles[i]] : c->rule->own_head ? named_by_decoder(c->n, i) : NULL;
    return name ? name : c->proto->piece[i].text;
}

/* The first three pieces, or what stands in their place. */
static int put_head(converting *c)
{
    int rc = NS_OK;
    for (int i = 0; c->rule->head[i] && rc == NS_OK; i++)
        rc = put_piece(c, c->rule->head[i], 0);
    for (int64_t i = 0; !c->rule->head[0] && i < 3 && i < c->proto->n && rc == NS_OK; i++)
        rc = put_piece(c, head_name(c, i), c->rule->named_head || c->rule->own_head ? 0 : c->proto->piece[i].score);
    return rc;
}

static int extra_ids(const converting *c, int64_t *out)
{
    *out = 0;
    const int rc = c->rule->extra_ids ? ns_json_i64(c->n->config, "extra_ids", EXTRA_IDS, out, "tokenizer_config.json", c->err) : NS_OK;
    if (rc == NS_OK && (*out < 0 || *out > MOST_EXTRA_IDS))
        return ns_fail(c->err, NS_E_FORMAT, "%s: extra_ids is %lld (tokenizer_config.json)", c->path, (long long)*out);
    return rc;
}

static int put_pieces(converting *c)
{
    const ns_tok_proto *const p = c->proto;
    const bool tab = c->rule->named_head && ns_tok_vocab_find(&p->ids, "\t", 1) < 0;          /* old Gemma models lack it */
    int64_t extra = 0;
    int rc = extra_ids(c, &extra);
    rc = rc != NS_OK ? rc : put_head(c);
    for (int64_t i = 3; i < p->n && rc == NS_OK; i++) {
        const bool is_tab = tab && strcmp(p->piece[i].text, "<0x09>") == 0;
        rc = put_piece(c, is_tab ? "\t" : p->piece[i].text, is_tab ? 0 : p->piece[i].score);
    }
    for (int i = 0; c->rule->tail[i] && rc == NS_OK; i++)
        rc = put_piece(c, c->rule->tail[i], 0);
    while (extra-- > 0 && rc == NS_OK) {
        char name[32];
        snprintf(name, sizeof name, "<extra_id_%d>", (int)extra);
        rc = put_piece(c, name, 0);
    }
    return rc;
}

/* The id of a piece: what stands in place of the first three may be more. */
static int64_t id_at(const ns_tok_proto *p, const ns_tok_pieces_rule *rule, int64_t i)
{
    int64_t heads = 0;
    while (heads < 5 && rule->head[heads])
        heads++;
    for (int64_t k = 0; k < heads; k++)
        if (strcmp(rule->head[k], p->piece[i].text) == 0)
            return k;
    return heads && i >= 3 ? i - 3 + heads : i;
}

static int64_t id_of(const ns_tok_proto *p, const ns_tok_pieces_rule *rule, const char *text)
{
    const int32_t i = text ? ns_tok_vocab_find(&p->ids, text, strlen(text)) : -1;
    return i < 0 ? -1 : id_at(p, rule, i);
}

/* Its id; -1: the configuration calls what stands in its place otherwise, and transformers gives it a place behind all others. */
static int64_t added_id(const converting *c, int64_t i)
{
    const bool renamed = i < 3 && !c->rule->head[0] && strcmp(head_name(c, i), c->proto->piece[i].text) != 0;
    return renamed ? -1 : id_at(c->proto, c->rule, i);
}

/* Control symbols and what the trainer was told to keep whole, at the ids of their texts. */
static int put_added(converting *c)
{
    cJSON *const list = cJSON_AddArrayToObject(c->json, "added_tokens");
    bool good = list != NULL;
    for (int64_t i = 0; i < c->proto->n && good; i++) {
        const ns_tok_proto_piece *const piece = &c->proto->piece[i];
        if ((piece->type == PIECE_CONTROL || piece->type == PIECE_USER) && *piece->text)
            good = ns_tok_add_special(list, added_id(c, i), piece->text, piece->type == PIECE_CONTROL ||
                                                                (c->rule->named_head && (strcmp(piece->text, "<start_of_turn>") == 0 ||
                                                                                         strcmp(piece->text, "<end_of_turn>") == 0)));
    }
    return good ? NS_OK : ns_oom(c->err, c->path);
}

static int put_model(converting *c)
{
    const ns_tok_proto *const p = c->proto;
    cJSON *const model = ns_tok_add_typed(c->json, "model", c->unigram ? "Unigram" : "BPE");
    const int64_t unknown = c->rule->unknown >= 0 ? c->rule->unknown : p->unk_id;
    const char *const unk = p->unk_piece ? p->unk_piece : "<unk>";
    c->vocab = !model ? NULL : c->unigram ? cJSON_AddArrayToObject(model, "vocab") : cJSON_AddObjectToObject(model, "vocab");
    c->scores = model && !c->unigram ? cJSON_AddArrayToObject(model, "scores") : NULL;
    const bool good = c->vocab && (c->unigram || c->scores) && cJSON_AddBoolToObject(model, "byte_fallback", c->rule->byte_fallback) &&
                      (c->unigram ? cJSON_AddNumberToObject(model, "unk_id", (double)unknown) &&
                                        cJSON_AddTrueToObject(model, "exact_scores")
                                  : cJSON_AddStringToObject(model, "unk_token", unk) && cJSON_AddTrueToObject(model, "fuse_unk") &&
                                        cJSON_AddTrueToObject(model, "longest_first"));
    return good ? put_pieces(c) : ns_oom(c->err, c->path);
}

/* ---- the steps around them ---- */

/* null is legacy too. */
static bool is_legacy(const ns_tok_neighbours *n)
{
    const cJSON *const item = cJSON_GetObjectItemCaseSensitive(n->config, "legacy");
    return cJSON_IsNull(item) || ns_tok_truth(item, true);
}

/* Llama's: the space in front by the normalizer, or ("legacy": false) by Metaspace, and that at the beginning of the text only. */
static bool cut_llama(converting *c, bool prefix)
{
    if (!is_legacy(c->n))
        return ns_tok_add_metaspace(ns_tok_add_typed(c->json, "pre_tokenizer", "Metaspace"), prefix ? "first" : "never", false) &&
               ns_tok_add_piece_decoder(c->json, prefix);
    cJSON *const list = ns_tok_add_sequence(c->json, "normalizer", "normalizers");
    return list && (!prefix || ns_tok_add_prepend(list)) && ns_tok_add_replace(list, " ", TOK_MARK) &&
           ns_tok_add_piece_decoder(c->json, prefix);
}

static bool cut_gemma(converting *c)
{
    cJSON *const list = ns_tok_add_sequence(c->json, "normalizer", "normalizers"), *const split = ns_tok_add_typed(c->json, "pre_tokenizer",
                                                                                                               "Split");
    return list && ns_tok_add_replace(list, " ", TOK_MARK) && ns_tok_add_pattern(split, "String", " ") &&
           cJSON_AddStringToObject(split, "behavior", "MergedWithPrevious") && cJSON_AddFalseToObject(split, "invert") &&
           ns_tok_add_piece_decoder(c->json, false);
}

static bool add_charsmap(cJSON *list, const ns_tok_proto *p)
{
    cJSON *const step = ns_tok_append(list, ns_tok_typed("Precompiled"));
    char *const text = ns_base64(p->charsmap, p->charsmap_n);
    const bool good = step && text && cJSON_AddStringToObject(step, "precompiled_charsmap", text);
    free(text);
    return good;
}

static bool cut_plain(converting *c, bool prefix)
{
    const char *const scheme = !prefix ? "never" : is_legacy(c->n) ? "always" : "first";
    cJSON *const list = ns_tok_add_sequence(c->json, "normalizer", "normalizers");
    const bool mapped = list && (!c->proto->charsmap_n || add_charsmap(list, c->proto));
    cJSON *const strip = mapped ? ns_tok_append(list, ns_tok_typed("Strip")) : NULL;
    cJSON *const spaces = strip ? ns_tok_append(list, ns_tok_typed("Replace")) : NULL;
    return strip && cJSON_AddFalseToObject(strip, "strip_left") && cJSON_AddTrueToObject(strip, "strip_right") &&
           ns_tok_add_pattern(spaces, "Regex", " {2,}") && cJSON_AddStringToObject(spaces, "content", TOK_MARK) &&
           ns_tok_add_metaspace(ns_tok_add_typed(c->json, "pre_tokenizer", "Metaspace"), scheme, true) &&
           ns_tok_add_metaspace(ns_tok_add_typed(c->json, "decoder", "Metaspace"), scheme, true);
}

static int put_steps(converting *c)
{
    const ns_tok_pieces_rule *const r = c->rule;
    const bool prefix = ns_tok_setting(c->n, "add_prefix_space", true);
    const int64_t before = id_of(c->proto, r, r->before), after = id_of(c->proto, r, r->after);
    if ((r->before && before < 0) || (r->after && after < 0))
        return ns_fail(c->err, NS_E_FORMAT, "%s: %s puts '%s' around a text, which is no piece", c->path, c->n->class_->name,
                       r->before && before < 0 ? r->before : r->after);
    const bool cut = r->cut == CUT_LLAMA ? cut_llama(c, prefix) : r->cut == CUT_GEMMA ? cut_gemma(c) : cut_plain(c, prefix);
    return cut && ns_tok_add_template(c->json, r->before, before, r->after, after) ? NS_OK : ns_oom(c->err, c->path);
}

static int convert(converting *c)
{
    const int64_t type = c->proto->model_type;
    c->unigram = type == MODEL_UNIGRAM;
    if (type != MODEL_UNIGRAM && type != MODEL_BPE)
        return ns_fail(c->err, NS_E_UNSUPPORTED, "%s: a SentencePiece model of %s, which transformers does not convert either (it does "
                       "unigram and BPE)", c->path, type == MODEL_WORD ? "words" : type == MODEL_CHAR ? "characters" : "an unknown type");
    int rc = put_model(c);
    rc = rc != NS_OK ? rc : put_added(c);
    return rc != NS_OK ? rc : put_steps(c);
}

int ns_tok_from_pieces(const ns_tok_neighbours *n, const char *path, cJSON **json, ns_error *err)
{
    char *bytes = NULL;
    size_t size = 0;
    ns_tok_proto proto = {0};
    int rc = ns_file_read(path, MODEL_LIMIT, &bytes, &size, err);
    rc = rc != NS_OK ? rc : ns_tok_proto_read(&proto, (const uint8_t *)bytes, size, path, err);
    *json = rc == NS_OK ? cJSON_CreateObject() : NULL;
    converting c = {.n = n, .rule = n->class_->pieces, .proto = &proto, .path = path, .err = err, .json = *json};
    if (rc == NS_OK)
        rc = *json ? convert(&c) : ns_oom(err, path);
    ns_tok_proto_free(&proto);
    free(bytes);
    return rc;
}
