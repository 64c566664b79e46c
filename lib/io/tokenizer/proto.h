/* proto.h - a SentencePiece model (tokenizer.model): the protobuf message ModelProto, as far as it is needed. */
#ifndef NS_IO_TOK_PROTO_H
#define NS_IO_TOK_PROTO_H

#include "io/tokenizer/tok.h"

enum ns_tok_piece_type { PIECE_NORMAL = 1, PIECE_UNKNOWN, PIECE_CONTROL, PIECE_USER, PIECE_UNUSED, PIECE_BYTE };
enum ns_tok_model_type { MODEL_UNIGRAM = 1, MODEL_BPE, MODEL_WORD, MODEL_CHAR };

typedef struct ns_tok_proto_piece { char *text; float score; int type; } ns_tok_proto_piece;
typedef struct ns_tok_proto {
    ns_tok_proto_piece *piece;
    int64_t  n, capacity;
    int64_t  model_type, unk_id;
    ns_tok_vocab ids;                    /* of the texts */
    char    *unk_piece;                  /* NULL: "<unk>" */
    const uint8_t *charsmap;             /* within the file's bytes */
    size_t   charsmap_n;
    bool     byte_fallback;
} ns_tok_proto;

/* Texts of pieces are UTF-8 without NUL, each there once, scores finite. The file's bytes must outlive it. */
int  ns_tok_proto_read(ns_tok_proto *, const uint8_t *bytes, size_t n, const char *path, ns_error *);
void ns_tok_proto_free(ns_tok_proto *);

#endif
