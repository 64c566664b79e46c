/* tok.h - the inside of a tokenizer: tables read once from tokenizer.json (struct ns_tokenizer), and the working set of one call
 * (tok_work). The pipeline is that of the Rust library `tokenizers`, whose behaviour is the definition; where it looks odd here,
 * it is odd there, and the referee (tests/unit/tokenizer/referee.py) holds both together.
 *
 *   text -> added tokens -> normalizer -> added tokens -> pre-tokenizer -> BPE -> post-processor */
#ifndef NS_IO_TOK_H
#define NS_IO_TOK_H

#include "core/core.h"
#include <needlescope/tokenizer.h>

struct tok_work;
struct tok_regex;

/* ---- strings on their way ---- */
typedef struct tok_span { uint32_t begin, end; } tok_span;       /* bytes of the original text */

/* from[i]: the original bytes that byte i of s stands for; all bytes of one character have the same. s is valid UTF-8. */
typedef struct tok_text {
    char     *s;
    tok_span *from;
    int64_t   n, s_capacity, from_capacity;
} tok_text;

typedef struct tok_piece { uint32_t begin, end; int32_t id; } tok_piece;       /* [begin, end) of the text; id >= 0: an added token */
typedef struct tok_pieces { tok_piece *item; int64_t n, capacity; } tok_pieces;
typedef struct tok_match { uint32_t begin, end; bool is_match; } tok_match;    /* matches and what is between them, gapless */
typedef struct tok_matches { tok_match *item; int64_t n, capacity; } tok_matches;

/* lead, trail: white characters at the ends of an added token's text; -1: ask the vocabulary. */
typedef struct tok_token { int32_t id, lead, trail; uint32_t begin, end; } tok_token;

/* A list of strings in one buffer: string i is s[end[i-1], end[i]). Decoders map one list to another. */
typedef struct tok_list { char *s; int64_t *end; int64_t n, s_capacity, count, end_capacity; } tok_list;

/* ---- one component of the pipeline ---- */
typedef struct tok_pattern { struct tok_regex *regex; char *literal; size_t n; } tok_pattern;   /* regex, or a literal of n bytes */

typedef struct tok_step {
    const struct tok_kind *kind;
    tok_pattern pattern;
    char       *content;                 /* replacement, prefix, suffix */
    int64_t     start, stop;             /* Strip: how many characters at each end */
    int         behaviour;               /* enum tok_behaviour, or enum tok_prepend for Metaspace */
    bool        invert, prefix_space, split, left, right, individual;
    int32_t    *before, *after;          /* TemplateProcessing: ids around the sequence */
    int64_t     n_before, n_after;
} tok_step;

typedef struct tok_steps { tok_step *item; int64_t n, capacity; } tok_steps;

/* A row of a stage's table: what the JSON calls it, how its members are read (NULL: it has none), what it does. */
typedef struct tok_kind {
    const char *type;
    int (*read)(tok_step *, const cJSON *, const char *label, ns_error *);
    int (*run)(struct tok_work *, const tok_step *);
} tok_kind;

typedef struct tok_stage {
    const char *key, *list_key;          /* "pre_tokenizer", and where its Sequence keeps the list: "pretokenizers" */
    const tok_kind *kinds;               /* ends with type == NULL */
} tok_stage;

extern const tok_stage tok_normalizers, tok_pretokenizers, tok_postprocessors, tok_decoders;

enum tok_behaviour { TOK_REMOVED, TOK_ISOLATED, TOK_MERGED_WITH_PREVIOUS, TOK_MERGED_WITH_NEXT, TOK_CONTIGUOUS };
enum tok_prepend { TOK_PREPEND_ALWAYS, TOK_PREPEND_FIRST, TOK_PREPEND_NEVER };

int  tok_steps_read(tok_steps *, const tok_stage *, const cJSON *json, const char *label, ns_error *);
void tok_steps_free(tok_steps *);
int  tok_steps_run(struct tok_work *, const tok_steps *);
int  tok_pattern_read(tok_pattern *, const cJSON *step, const char *label, ns_error *);
int  tok_read_metaspace(tok_step *, const cJSON *, const char *label, ns_error *);
int  tok_read_content(tok_step *, const cJSON *step, const char *key, const char *label, ns_error *);

/* ---- tables ---- */
typedef struct tok_vocab {
    char     *pool;                      /* NUL-terminated strings */
    uint32_t *offset, *length;           /* by id; offset 0: absent */
    int32_t  *slot;                      /* open addressing over the strings: id or -1 */
    int64_t   ids, count, slots, pool_n, pool_capacity;
} tok_vocab;

int     tok_vocab_init(tok_vocab *, int64_t count, int64_t ids, const char *label, ns_error *);   /* ids: one more than the highest */
int     tok_vocab_add(tok_vocab *, const char *text, size_t n, int32_t id, const char *label, ns_error *);
int32_t tok_vocab_find(const tok_vocab *, const char *text, size_t n);
const char *tok_vocab_text(const tok_vocab *, int64_t id);
void    tok_vocab_free(tok_vocab *);

typedef struct tok_merge { uint32_t left, right; int32_t rank, id; } tok_merge;     /* rank -1: an empty slot */
typedef struct tok_merges { tok_merge *slot; int64_t slots; } tok_merges;

#define TOK_DIRECT 0x400                 /* characters below have their id in a table; the byte-level alphabet is among them */
#define TOK_AFFIX 64                     /* the longest prefix or suffix, in bytes */

typedef struct tok_bpe {
    tok_vocab  vocab;
    tok_merges merges;
    int32_t    direct[TOK_DIRECT], byte_id[256], unk;       /* -1: absent */
    char      *prefix, *suffix;          /* of word-inner and word-final characters, or NULL */
    bool       byte_fallback, fuse_unk, ignore_merges, unk_missing;
} tok_bpe;

int  tok_bpe_read(tok_bpe *, const cJSON *model, const char *path, ns_error *);
void tok_bpe_free(tok_bpe *);
void tok_merge_put(tok_merges *, tok_merge);                 /* a later merge of the same pair replaces the earlier one */
int  tok_bpe_run(struct tok_work *);

typedef struct tok_added_token {
    char   *content;
    size_t  n;
    int32_t id;
    bool    special, single_word, lstrip, rstrip, normalized;
} tok_added_token;

typedef struct tok_node { int32_t child, sibling, token; uint8_t byte; } tok_node;  /* token: index of the one that ends here, or -1 */
typedef struct tok_trie { tok_node *node; int64_t n, capacity; bool first[256]; } tok_trie;

typedef struct tok_added {
    tok_added_token *item;               /* in file order */
    int64_t   n;
    tok_vocab names;                     /* content -> id, id -> content */
    bool     *special;                   /* by id of names */
    tok_trie  raw, normalized;           /* matched before and after normalization */
} tok_added;

int  tok_added_read(tok_added *, const cJSON *list, const tok_bpe *, const char *path, ns_error *);
int  tok_added_index(ns_tokenizer *, ns_error *);            /* builds the tries: needs the normalizer */
void tok_added_free(tok_added *);
int  tok_added_split(struct tok_work *, const tok_trie *, tok_piece);         /* appends to w->made */

struct ns_tokenizer {
    char      *path;
    char       sha256[65];
    tok_steps  normalizer, pretokenizer, postprocessor, decoder;
    tok_added  added;
    tok_bpe    bpe;
};

/* ---- one call ---- */
typedef struct tok_symbol { int32_t id, prev, next; uint32_t n; } tok_symbol;
typedef struct tok_pair { uint64_t key; int32_t id; } tok_pair;                /* key = rank << 32 | position: the heap's order */
typedef struct tok_char { int32_t code, change; uint8_t combining; } tok_char;

typedef struct tok_cached { uint64_t hash; uint32_t begin, n, first, count; } tok_cached;   /* a word of the text, its symbols */

typedef struct tok_work {
    const ns_tokenizer *tok;
    ns_error   *err;
    const char *original;
    int64_t     original_n, limit;       /* limit: of the bytes a normalizer may make of the text */
    tok_text    text, next;              /* the text as it stands; what the step at work makes of it */
    tok_pieces  pieces, made;
    tok_text    part, part_next;         /* one piece under normalization */
    tok_matches matches;
    tok_char   *chars;
    int64_t     chars_n, chars_capacity;
    tok_token  *tokens;
    int64_t     n, tokens_capacity;
    tok_symbol *symbols;
    int64_t     symbols_n, symbols_capacity;
    tok_pair   *heap;
    int64_t     heap_n, heap_capacity;
    tok_cached *cache;                   /* [TOK_CACHE] direct-mapped */
    tok_symbol *cached;
    int64_t     cached_n, cached_capacity;
    tok_list    list, list_next;
    struct tok_matcher *matcher;
} tok_work;

void tok_work_begin(tok_work *, const ns_tokenizer *, const char *text, size_t n, ns_error *);
void tok_work_free(tok_work *);
int  tok_decode(tok_work *, const int32_t *ids, int64_t n, bool skip_special);               /* leaves the text in w->list */

/* ---- text.c ---- */
int  tok_text_reserve(tok_work *, tok_text *, int64_t more);
int  tok_text_put(tok_work *, tok_text *, const char *s, int64_t n, tok_span from);          /* every byte stands for from */
int  tok_text_copy(tok_work *, tok_text *, const tok_text *source, int64_t begin, int64_t end);
void tok_text_free(tok_text *);
void tok_swap_text(tok_work *);
void tok_swap_pieces(tok_work *);
int  tok_piece_put(tok_work *, int64_t begin, int64_t end, int32_t id);                      /* into w->made; an empty piece is dropped */
int  tok_match_put(tok_work *, int64_t begin, int64_t end, bool is_match);
int  tok_list_put(tok_work *, tok_list *, const char *s, int64_t n);                         /* into the string being built */
int  tok_list_end(tok_work *, tok_list *);                                                   /* ends that string */
void tok_list_free(tok_list *);

/* ---- normalize.c ---- */
int  tok_normalize_part(tok_work *);                         /* w->part through the normalizers */

/* ---- postprocess.c ---- */
void tok_count_white(const char *s, int64_t n, int32_t *lead, int32_t *trail);               /* white characters at the ends, U+0120 too */

/* ---- regex.c: Oniguruma's patterns run by PCRE2 ---- */
int  tok_regex_new(struct tok_regex **out, const char *pattern, const char *label, ns_error *);
void tok_regex_free(struct tok_regex *);
void tok_matcher_free(struct tok_matcher *);
int  tok_find(tok_work *, const tok_pattern *, const char *s, int64_t n);                    /* fills w->matches */
int  tok_find_regex(tok_work *, const struct tok_regex *, const char *s, int64_t n);
int  tok_find_chars(tok_work *, bool (*is)(uint32_t code), const char *s, int64_t n);
int  tok_regex_translate(char **out, const char *pattern, const char *label, ns_error *);      /* *out is malloc'd; NULL on failure */

/* ---- unicode.c ---- */
int  tok_next(const char *s, uint32_t *code);                /* s is valid UTF-8 and not at its end: bytes used */
int  tok_char_before(const char *s, int64_t end, uint32_t *code);              /* the same, backwards: end > 0 */
int  tok_utf8(uint32_t code, char out[4]);
bool tok_is_space(uint32_t code);
bool tok_is_numeric(uint32_t code);
bool tok_is_mark(uint32_t code);
bool tok_is_punctuation(uint32_t code);
bool tok_is_word(uint32_t code);

/* ---- bytes.c: the byte-level alphabet of GPT-2 ---- */
int  tok_byte_utf8(uint8_t byte, char out[2]);               /* the character that stands for a byte: its length */
int  tok_char_byte(uint32_t code);                           /* the byte, or -1 */

#endif
