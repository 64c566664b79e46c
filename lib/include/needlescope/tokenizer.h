/* tokenizer.h - byte-level BPE, SentencePiece BPE, Unigram and WordPiece, from a Hugging Face tokenizer.json or the files that transformers
 * makes one of, with character offsets. */
#ifndef NEEDLESCOPE_TOKENIZER_H
#define NEEDLESCOPE_TOKENIZER_H

#include <needlescope/error.h>

NS_BEGIN

typedef struct ns_tokenizer ns_tokenizer;

typedef struct ns_encoding {      /* owned by the caller; free with ns_encoding_clear */
    int32_t *ids;                 /* [n] */
    int64_t *begin, *end;         /* [n] each: byte offsets of the token in the original UTF-8 text; begin == end for special tokens added
                                   * by the template */
    int64_t  n;
} ns_encoding;

/* path: a tokenizer.json, or a folder that holds one; a tokenizer_config.json and a special_tokens_map.json beside it decide about BOS,
 * EOS, special tokens and the prefix space as AutoTokenizer of transformers 4.57 lets them. Or, and from a folder without a tokenizer.json:
 * tokenizer.model (SentencePiece's or tiktoken's; spiece.model, sentencepiece.bpe.model), vocab.json with merges.txt, vocab.txt, read as
 * AutoTokenizer reads them, which takes the class that tokenizer_config.json or config.json beside them names. What is not supported is
 * NS_E_UNSUPPORTED and names the component. */
NS_API NS_MUST_CHECK int ns_tokenizer_open(ns_tokenizer **out, const char *path, ns_error *);
/* The file of a folder that ns_tokenizer_open would read: malloc'd; *out is NULL where there is none. */
NS_API NS_MUST_CHECK int ns_tokenizer_in(char **out, const char *folder, ns_error *);
/* Whether a tokenizer's path is a file of its own, and not one of weights that has it inside (GGUF). */
NS_API bool ns_tokenizer_is_file(const char *path);
/* Such a file, and what stands beside it of other forms, settings and templates, copied into folder, which exists. */
NS_API NS_MUST_CHECK int ns_tokenizer_copy(const char *path, const char *folder, ns_error *);
NS_API void ns_tokenizer_free(ns_tokenizer *);
/* text is UTF-8 of n bytes; invalid UTF-8 is NS_E_FORMAT with the offset. add_special: apply the post-processor (BOS ...). */
NS_API NS_MUST_CHECK int ns_encode(const ns_tokenizer *, const char *text, size_t n, bool add_special, ns_encoding *out, ns_error *);
NS_API void ns_encoding_clear(ns_encoding *);
/* *out is malloc'd, NUL-terminated UTF-8; invalid byte sequences become U+FFFD as in `tokenizers`, and so does a NUL; ids that are not
 * in the vocabulary are passed over. */
NS_API NS_MUST_CHECK int ns_decode(const ns_tokenizer *, const int32_t *ids, int64_t n, bool skip_special, char **out, ns_error *);
NS_API int32_t ns_token_id(const ns_tokenizer *, const char *token);                /* exact vocabulary entry; -1 if absent */
NS_API const char *ns_token_text(const ns_tokenizer *, int32_t id);                 /* vocabulary entry as stored; NULL if absent; borrowed
                                                                                     * */
NS_API bool ns_token_is_special(const ns_tokenizer *, int32_t id);
NS_API int64_t ns_tokenizer_size(const ns_tokenizer *);                             /* highest id + 1 */
/* Of the bytes of tokenizer.json (in place of another form: of the tokenizer.json that says the same), and of what the files beside it
 * change (nothing: of the bytes alone); borrowed. */
NS_API const char *ns_tokenizer_sha256(const ns_tokenizer *);
/* The same without keeping the tokenizer; of one that is not supported, of the bytes of tokenizer.json. */
NS_API NS_MUST_CHECK int ns_tokenizer_file_sha256(const char *path, char out[65], ns_error *);
/* The i-th remark on the files beside it: a class that is not known, a key that has no effect; NULL: no more. Borrowed. */
NS_API const char *ns_tokenizer_note(const ns_tokenizer *, int i);
/* The chat template in a file that is a tokenizer and more (GGUF): malloc'd, read as text and never run; *out is NULL where there is none,
 * and of other files, which have it beside them. */
NS_API NS_MUST_CHECK int ns_tokenizer_chat_template(char **out, const char *path, ns_error *);
/* The token that begins a text: the configuration's bos_token, else the template's first; -1: none. */
NS_API int32_t ns_tokenizer_bos(const ns_tokenizer *);

NS_END
#endif
