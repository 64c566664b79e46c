/* tokenizer.c - the public functions: opens a tokenizer, encodes, decodes. */
#include <stdlib.h>
#include <string.h>

#include "io/reader.h"
#include "io/tokenizer/sources.h"

#define TEXT_LIMIT ((size_t)1 << 30)     /* bytes of a text: offsets inside are 32 bits */

/* ---- opening ---- */

/* The folder's first form; tokenizer.json where it has none, so that the error names it. */
static char *path_in(const char *folder)
{
    char *path = NULL;
    const int rc = ns_tokenizer_in(&path, folder, NULL);
    return rc != NS_OK || path ? path : ns_path_join(folder, "tokenizer.json");
}

int ns_tokenizer_open(ns_tokenizer **out, const char *path, ns_error *err)
{
    *out = NULL;
    ns_tokenizer *const tok = calloc(1, sizeof *tok);
    if (!tok)
        return ns_oom(err, path);
    tok->bos = -1;
    tok->path = ns_path_is_dir(path) ? path_in(path) : ns_strdup(path);
    static const ns_kinds fine = NS_KINDS(NS_KIND_JSON) | NS_KINDS(NS_KIND_TOKENIZER) | NS_KINDS(NS_KIND_TEXT) |
                                 NS_KINDS(NS_KIND_FOLDER) | NS_KINDS(NS_KIND_CHECKPOINT) | NS_KINDS(NS_KIND_GGUF);
    const ns_kinds form = tok->path && ns_tok_source_of(tok->path)->read ? NS_KINDS(NS_KIND_BINARY) : 0;
    const int rc = tok->path ? ns_tok_read_file(tok, err) : ns_oom(err, path);
    if (rc != NS_OK)
        ns_tokenizer_free(tok);
    else
        *out = tok;
    if (rc != NS_OK && ns_reader_with_tokenizer(path))       /* it says itself what is wrong with it */
        return rc;
    return ns_kind_fail(err, rc, path, fine | form,
                        "a tokenizer.json (or tokenizer.model, vocab.json, vocab.txt), its folder or a GGUF file");
}

void ns_tokenizer_free(ns_tokenizer *tok)
{
    if (!tok)
        return;
    ns_tok_steps_free(&tok->normalizer);
    ns_tok_steps_free(&tok->pretokenizer);
    ns_tok_steps_free(&tok->postprocessor);
    ns_tok_steps_free(&tok->decoder);
    ns_tok_added_free(&tok->added);
    ns_tok_model_free(&tok->model);
    free(tok->path);
    free(tok);
}

/* ---- encoding ---- */

/* w->text = the input with every character standing for itself. */
static int begin_text(ns_tok_work *w)
{
    const int rc = w->original_n ? ns_tok_text_reserve(w, &w->text, w->original_n) : NS_OK;
    if (rc != NS_OK || w->original_n == 0)
        return rc;
    memcpy(w->text.s, w->original, (size_t)w->original_n);
    for (int64_t at = 0; at < w->original_n; ) {
        uint32_t code;
        const int64_t end = at + ns_tok_next(w->original + at, &code);
        for (const ns_tok_span span = {(uint32_t)at, (uint32_t)end}; at < end; at++)
            w->text.from[at] = span;
    }
    w->text.n = w->original_n;
    return NS_OK;
}

/* Every piece that is not an added token yet is normalized by itself and searched again. */
static int normalize(ns_tok_work *w)
{
    int rc = NS_OK;
    w->next.n = 0;
    for (int64_t i = 0; i < w->pieces.n && rc == NS_OK; i++) {
        ns_tok_piece *const piece = &w->pieces.item[i];
        const int64_t begin = w->next.n;
        if (piece->id >= 0) {
            rc = ns_tok_text_copy(w, &w->next, &w->text, piece->begin, piece->end);
        } else {
            w->part.n = 0;
            rc = ns_tok_text_copy(w, &w->part, &w->text, piece->begin, piece->end);
            if (rc == NS_OK)
                rc = ns_tok_normalize_part(w);
            if (rc == NS_OK)
                rc = ns_tok_text_copy(w, &w->next, &w->part, 0, w->part.n);
        }
        *piece = (ns_tok_piece){(uint32_t)begin, (uint32_t)w->next.n, piece->id};
    }
    if (rc == NS_OK)
        ns_tok_swap_text(w);
    return rc;
}

static int split_added(ns_tok_work *w, const ns_tok_trie *trie)
{
    int rc = NS_OK;
    for (int64_t i = 0; i < w->pieces.n && rc == NS_OK; i++) {
        const ns_tok_piece piece = w->pieces.item[i];
        rc = piece.id >= 0 ? ns_tok_piece_put(w, piece.begin, piece.end, piece.id) : ns_tok_added_split(w, trie, piece);
    }
    if (rc == NS_OK)
        ns_tok_swap_pieces(w);
    return rc;
}

static int encode(ns_tok_work *w)
{
    const ns_tokenizer *const tok = w->tok;
    int rc = begin_text(w);
    if (rc == NS_OK)
        rc = ns_tok_piece_put(w, 0, w->text.n, -1);
    ns_tok_swap_pieces(w);
    if (rc == NS_OK)
        rc = split_added(w, &tok->added.raw);
    if (rc == NS_OK && tok->normalizer.n)
        rc = normalize(w);
    if (rc == NS_OK)
        rc = split_added(w, &tok->added.normalized);
    if (rc == NS_OK)
        rc = ns_tok_steps_run(w, &tok->pretokenizer);
    if (rc == NS_OK)
        rc = ns_tok_words_run(w);
    return rc != NS_OK ? rc : ns_tok_steps_run(w, &tok->postprocessor);
}

static int take_tokens(const ns_tok_work *w, bool add_special, ns_encoding *out)
{
    const ns_tok_step none = {0}, *around = &none;
    for (int64_t i = 0; add_special && i < w->tok->postprocessor.n; i++)
        if (w->tok->postprocessor.item[i].n_before + w->tok->postprocessor.item[i].n_after > 0)
            around = &w->tok->postprocessor.item[i];
    const int64_t n = around->n_before + w->n + around->n_after;
    out->ids = ns_alloc_array((size_t)n, sizeof *out->ids);
    out->begin = ns_alloc_array((size_t)n, sizeof *out->begin);
    out->end = ns_alloc_array((size_t)n, sizeof *out->end);
    if (!out->ids || !out->begin || !out->end) {
        ns_encoding_clear(out);
        return ns_oom(w->err, "an encoding");
    }
    for (int64_t i = 0; i < around->n_before; i++)
        out->ids[out->n++] = around->before[i];
    for (int64_t i = 0; i < w->n; i++, out->n++) {
        out->ids[out->n] = w->tokens[i].id;
        out->begin[out->n] = w->tokens[i].begin;
        out->end[out->n] = w->tokens[i].end;
    }
    for (int64_t i = 0; i < around->n_after; i++)
        out->ids[out->n++] = around->after[i];
    return NS_OK;
}

int ns_encode(const ns_tokenizer *tok, const char *text, size_t n, bool add_special, ns_encoding *out, ns_error *err)
{
    *out = (ns_encoding){0};
    size_t bad;
    if (n > TEXT_LIMIT)
        return ns_fail(err, NS_E_UNSUPPORTED, "a text of %zu bytes: at most %zu can be tokenized at once (split it)", n, TEXT_LIMIT);
    if (!ns_utf8_valid(text, n, &bad))
        return ns_fail(err, NS_E_FORMAT, "the text has invalid UTF-8 at byte %zu (convert it to UTF-8)", bad);
    ns_tok_work w;
    ns_tok_work_begin(&w, tok, text, n, err);
    int rc = encode(&w);
    if (rc == NS_OK)
        rc = take_tokens(&w, add_special, out);
    ns_tok_work_free(&w);
    return rc;
}

void ns_encoding_clear(ns_encoding *encoding)
{
    free(encoding->ids);
    free(encoding->begin);
    free(encoding->end);
    *encoding = (ns_encoding){0};
}

/* ---- decoding ---- */

/* A C string cannot hold a NUL: it becomes U+FFFD rather than cut the text short. */
static char *as_string(const ns_tok_list *list)
{
    int64_t nuls = 0, at = 0;
    for (int64_t i = 0; i < list->n; i++)
        nuls += list->s[i] == '\0';
    char *const text = malloc((size_t)(list->n + 2 * nuls + 1));
    if (!text)
        return NULL;
    for (int64_t i = 0; i < list->n; i++) {
        if (list->s[i]) {
            text[at++] = list->s[i];
        } else {
            memcpy(text + at, "\xEF\xBF\xBD", 3);
            at += 3;
        }
    }
    text[at] = '\0';
    return text;
}

int ns_decode(const ns_tokenizer *tok, const int32_t *ids, int64_t n, bool skip_special, char **out, ns_error *err)
{
    *out = NULL;
    ns_tok_work w;
    ns_tok_work_begin(&w, tok, NULL, 0, err);
    w.limit = n < (INT32_MAX - (1 << 20)) / TOK_LONGEST ? n * TOK_LONGEST + (1 << 20) : INT32_MAX;
    w.allowed += 5e-6 * (double)n;
    int rc = ns_tok_decode(&w, ids, n, skip_special);
    if (rc == NS_OK) {
        *out = as_string(&w.list);
        rc = *out ? NS_OK : ns_oom(err, "the decoded text");
    }
    ns_tok_work_free(&w);
    return rc;
}

/* ---- the vocabulary: added tokens come before the model's ---- */

int32_t ns_token_id(const ns_tokenizer *tok, const char *token)
{
    const size_t n = strlen(token);
    const int32_t id = ns_tok_vocab_find(&tok->added.names, token, n);
    return id >= 0 ? id : ns_tok_vocab_find(&tok->model.vocab, token, n);
}

const char *ns_token_text(const ns_tokenizer *tok, int32_t id)
{
    const char *const text = ns_tok_vocab_text(&tok->added.names, id);
    return text ? text : ns_tok_vocab_text(&tok->model.vocab, id);
}

/* By its text, as in `tokenizers`: a model may have one text twice. */
bool ns_token_is_special(const ns_tokenizer *tok, int32_t id)
{
    const char *const text = ns_token_text(tok, id);
    const int32_t added = text ? ns_tok_vocab_find(&tok->added.names, text, strlen(text)) : -1;
    return added >= 0 && tok->added.item[tok->added.place[added]].special;
}

int64_t ns_tokenizer_size(const ns_tokenizer *tok)
{
    for (int64_t id = tok->added.names.ids - 1; id >= tok->model.vocab.ids; id--)
        if (tok->added.names.offset[id])
            return id + 1;
    return tok->model.vocab.ids;
}

const char *ns_tokenizer_sha256(const ns_tokenizer *tok)
{
    return tok->sha256;
}

static int bytes_sha256(const char *path, char out[65], ns_error *err)
{
    char *text;
    size_t n;
    const int rc = ns_file_read(path, TOK_FILE_LIMIT, &text, &n, err);
    if (rc != NS_OK)
        return rc;
    ns_tok_hash_text(text, n, out);
    free(text);
    return NS_OK;
}

int ns_tokenizer_file_sha256(const char *path, char out[65], ns_error *err)
{
    const ns_reader *const reader = ns_reader_with_tokenizer(path);
    bool beside;
    ns_tokenizer *tok;
    if (reader)
        return reader->tokenize(path, NULL, out, err);
    int rc = ns_tok_has_neighbours(path, &beside, err);
    beside |= ns_tok_source_of(path)->read != NULL;
    if (rc != NS_OK || !beside)
        return rc != NS_OK ? rc : bytes_sha256(path, out, err);
    rc = ns_tokenizer_open(&tok, path, err);
    if (rc == NS_E_UNSUPPORTED)
        return bytes_sha256(path, out, err);
    if (rc == NS_OK)
        memcpy(out, tok->sha256, sizeof tok->sha256);
    ns_tokenizer_free(tok);
    return rc;
}

const char *ns_tokenizer_note(const ns_tokenizer *tok, int i)
{
    return i >= 0 && i < tok->notes.n ? tok->notes.text[i] : NULL;
}

int32_t ns_tokenizer_bos(const ns_tokenizer *tok)
{
    for (int64_t i = 0; tok->bos < 0 && i < tok->postprocessor.n; i++)
        if (tok->postprocessor.item[i].n_before)
            return tok->postprocessor.item[i].before[0];
    return tok->bos;
}
