/* build.h - pieces of a tokenizer.json, for files that say the same in another form. Each returns NULL or false where memory is out, and
 * takes a NULL that another returned. */
#ifndef NS_IO_TOK_BUILD_H
#define NS_IO_TOK_BUILD_H

#include "core/core.h"

#define TOK_MARK "\xe2\x96\x81"                                          /* U+2581, SentencePiece's space */

/* How the texts of many models are cut before they are joined: cl100k's pattern, which is Llama 3's, and Qwen2's, with single digits. */
#define TOK_LETTERS "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+"
#define TOK_REST "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define TOK_CL100K TOK_LETTERS "|\\p{N}{1,3}" TOK_REST
#define TOK_QWEN2 TOK_LETTERS "|\\p{N}" TOK_REST

cJSON *ns_tok_typed(const char *type);                                  /* {"type": type}; the caller's */
cJSON *ns_tok_append(cJSON *list, cJSON *object);                       /* the object, which is freed where it cannot be appended */
cJSON *ns_tok_add_typed(cJSON *root, const char *key, const char *type);          /* root[key] = {"type": type} */
cJSON *ns_tok_add_sequence(cJSON *root, const char *key, const char *list_key);   /* root[key] = {"type": "Sequence", list_key: []}: the
                                                                                   * list */
bool ns_tok_add_pattern(cJSON *object, const char *kind, const char *text);
bool ns_tok_add_replace(cJSON *list, const char *from, const char *to);
bool ns_tok_add_byte_level(cJSON *list, bool prefix, bool regex);
bool ns_tok_add_prepend(cJSON *list);                                   /* of TOK_MARK */
bool ns_tok_add_metaspace(cJSON *step, const char *scheme, bool split);           /* the members of a Metaspace */
bool ns_tok_add_piece_decoder(cJSON *root, bool strip);                 /* of pieces with byte fallback; strip: the space in front */
/* id: -1 of one whose place has another name. */
bool ns_tok_add_special(cJSON *added_tokens, int64_t id, const char *text, bool special);
/* post_processor: before and after the text, each NULL or a token; nothing where both are NULL. */
bool ns_tok_add_template(cJSON *root, const char *before, int64_t before_id, const char *after, int64_t after_id);

#endif
