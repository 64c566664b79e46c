/* proto.c - reads the wire format of protobuf: a message is a list of (field number << 3 | wire type, value), and what is not known is
 * passed over by its wire type. */
#include "io/tokenizer/proto.h"

#include <stdlib.h>
#include <string.h>

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

typedef struct message { const uint8_t *at, *end; const char *path; ns_error *err; } message;
typedef struct field { uint64_t number, value; int wire; message inside; } field;      /* inside: of a value of bytes */

static int damaged(const message *m, const char *what)
{
    return ns_fail(m->err, NS_E_FORMAT, "%s: not a SentencePiece model: %s (is it a tiktoken vocabulary, or cut short?)", m->path, what);
}

static int read_varint(message *m, uint64_t *out)
{
    *out = 0;
    for (int shift = 0; shift < 64; shift += 7) {
        if (m->at == m->end)
            return damaged(m, "a number goes on beyond the end");
        const uint8_t byte = *m->at++;
        *out |= (uint64_t)(byte & 0x7F) << shift;
        if (!(byte & 0x80))
            return NS_OK;
    }
    return damaged(m, "a number of more than ten bytes");
}

static int read_fixed(message *m, size_t n, uint64_t *out)
{
    if ((size_t)(m->end - m->at) < n)
        return damaged(m, "a number goes on beyond the end");
    *out = 0;
    for (size_t i = 0; i < n; i++)
        *out |= (uint64_t)*m->at++ << 8 * i;
    return NS_OK;
}

static int read_field(message *m, field *f)
{
    uint64_t key = 0;
    int rc = read_varint(m, &key);
    *f = (field){.number = key >> 3, .wire = (int)(key & 7)};
    if (rc != NS_OK)
        return rc;
    if (f->wire == FIXED64 || f->wire == FIXED32)
        return read_fixed(m, f->wire == FIXED64 ? 8 : 4, &f->value);
    if (f->wire != VARINT && f->wire != BYTES)
        return damaged(m, "a wire type that it has not");
    rc = read_varint(m, &f->value);
    if (rc != NS_OK || f->wire == VARINT)
        return rc;
    if (f->value > (uint64_t)(m->end - m->at))
        return damaged(m, "a string goes on beyond the end");
    f->inside = (message){m->at, m->at + f->value, m->path, m->err};
    m->at += f->value;
    return NS_OK;
}

static bool is(const field *f, uint64_t number, int wire)
{
    return f->number == number && f->wire == wire;
}

static int read_text(char **out, const message *m)
{
    const size_t n = (size_t)(m->end - m->at);
    size_t bad;
    if (n > TOK_LONGEST || !ns_utf8_valid((const char *)m->at, n, &bad) || memchr(m->at, 0, n))
        return ns_fail(m->err, NS_E_FORMAT, "%s: a piece is no text in UTF-8 of up to %d bytes", m->path, TOK_LONGEST);
    free(*out);
    *out = ns_printf_alloc("%.*s", (int)n, (const char *)m->at);
    return *out ? NS_OK : ns_oom(m->err, m->path);
}

static int read_piece(ns_tok_proto *p, message m)
{
    if (p->n == TOK_MOST)
        return ns_fail(m.err, NS_E_UNSUPPORTED, "%s: more than %d pieces", m.path, TOK_MOST);
    if (!ns_grow(&p->piece, &p->capacity, p->n + 1, sizeof *p->piece))
        return ns_oom(m.err, m.path);
    ns_tok_proto_piece *const piece = &p->piece[p->n++];
    *piece = (ns_tok_proto_piece){.type = PIECE_NORMAL};
    int rc = NS_OK;
    while (m.at < m.end && rc == NS_OK) {
        field f;
        rc = read_field(&m, &f);
        if (rc == NS_OK && is(&f, 1, BYTES))
            rc = read_text(&piece->text, &f.inside);
        if (rc == NS_OK && is(&f, 2, FIXED32)) {
            const uint32_t bits = (uint32_t)f.value;
            memcpy(&piece->score, &bits, sizeof bits);
        }
        if (rc == NS_OK && is(&f, 3, VARINT))
            piece->type = f.value <= PIECE_BYTE ? (int)f.value : 0;
    }
    if (rc == NS_OK && (piece->type < PIECE_NORMAL || piece->score - piece->score != 0 || !piece->text))
        rc = ns_fail(m.err, NS_E_FORMAT, "%s: piece %lld has no text, no finite score or no type that is known", m.path,
                     (long long)p->n - 1);
    return rc;
}

static int read_trainer(ns_tok_proto *p, message m)
{
    int rc = NS_OK;
    while (m.at < m.end && rc == NS_OK) {
        field f;
        rc = read_field(&m, &f);
        if (rc == NS_OK && is(&f, 3, VARINT))
            p->model_type = f.value <= MODEL_CHAR ? (int64_t)f.value : 0;
        if (rc == NS_OK && is(&f, 35, VARINT))
            p->byte_fallback = f.value != 0;
        if (rc == NS_OK && is(&f, 40, VARINT))
            p->unk_id = f.value <= INT32_MAX ? (int64_t)f.value : -1;
        if (rc == NS_OK && is(&f, 45, BYTES))
            rc = read_text(&p->unk_piece, &f.inside);
    }
    return rc;
}

static int read_normalizer(ns_tok_proto *p, message m)
{
    int rc = NS_OK;
    while (m.at < m.end && rc == NS_OK) {
        field f;
        rc = read_field(&m, &f);
        if (rc != NS_OK || !is(&f, 2, BYTES))
            continue;
        p->charsmap = f.inside.at;
        p->charsmap_n = f.value;
    }
    return rc;
}

static int index_pieces(ns_tok_proto *p, const char *path, ns_error *err)
{
    int rc = ns_tok_vocab_init(&p->ids, p->n, p->n, path, err);
    for (int64_t i = 0; i < p->n && rc == NS_OK; i++) {
        const char *const text = p->piece[i].text;
        const int32_t twin = ns_tok_vocab_find(&p->ids, text, strlen(text));
        rc = twin < 0 ? ns_tok_vocab_add(&p->ids, text, strlen(text), (int32_t)i, path, err)
                      : ns_fail(err, NS_E_FORMAT, "%s: the piece '%.60s' is there twice, at %d and %lld", path, text, twin, (long long)i);
    }
    return rc;
}

int ns_tok_proto_read(ns_tok_proto *p, const uint8_t *bytes, size_t n, const char *path, ns_error *err)
{
    message m = {bytes, bytes + n, path, err};
    *p = (ns_tok_proto){.model_type = MODEL_UNIGRAM};
    int rc = NS_OK;
    while (m.at < m.end && rc == NS_OK) {
        field f;
        rc = read_field(&m, &f);
        if (rc == NS_OK && is(&f, 1, BYTES))
            rc = read_piece(p, f.inside);
        if (rc == NS_OK && is(&f, 2, BYTES))
            rc = read_trainer(p, f.inside);
        if (rc == NS_OK && is(&f, 3, BYTES))
            rc = read_normalizer(p, f.inside);
    }
    if (rc == NS_OK && p->n == 0)
        return damaged(&m, "it has no piece");
    return rc != NS_OK ? rc : index_pieces(p, path, err);
}

void ns_tok_proto_free(ns_tok_proto *p)
{
    for (int64_t i = 0; i < p->n; i++)
        free(p->piece[i].text);
    free(p->piece);
    free(p->unk_piece);
    ns_tok_vocab_free(&p->ids);
}
