/* tok.h - the inside of a tokenizer: tables read once from tokenizer.json (struct ns_tokenizer), and the working set of one call
 * (ns_tok_work). The pipeline is that of the Rust library `tokenizers`, whose behaviour is the definition; where it looks odd here,
 * it is odd there, and the referee (tests/unit/tokenizer/referee_text.py) holds both together.
 *
 *   text -> added tokens -> normalizer -> added tokens -> pre-tokenizer -> model (BPE, Unigram, ...) -> post-processor */
#ifndef NS_IO_TOK_H
#define NS_IO_TOK_H

#include "core/core.h"
#include <needlescope/tokenizer.h>

struct ns_tok_work;
struct ns_tok_regex;

/* ns_grow, where there is room already as a rule: it is asked for every piece and every token. */
static inline bool ns_tok_grow(void *list_pointer, int64_t *capacity, int64_t need, size_t size)
{
    return need <= *capacity || ns_grow(list_pointer, capacity, need, size);
}

/* ---- strings on their way ---- */
typedef struct ns_tok_span { uint32_t begin, end; } ns_tok_span;       /* bytes of the original text */

/* from[i]: the original bytes that byte i of s stands for; all bytes of one character have the same. s is valid UTF-8. */
typedef struct ns_tok_text {
    char     *s;
    ns_tok_span *from;
    int64_t   n, s_capacity, from_capacity;
} ns_tok_text;

typedef struct ns_tok_piece { uint32_t begin, end; int32_t id; } ns_tok_piece;       /* [begin, end) of the text; id >= 0: an added token */
typedef struct ns_tok_pieces { ns_tok_piece *item; int64_t n, capacity; } ns_tok_pieces;
typedef struct ns_tok_match { uint32_t begin, end; bool is_match; } ns_tok_match;    /* matches and what is between them, gapless */
typedef struct ns_tok_matches { ns_tok_match *item; int64_t n, capacity; } ns_tok_matches;

/* lead, trail: white characters at the ends of an added token's text; -1: ask the vocabulary. */
typedef struct ns_tok_token { int32_t id, lead, trail; uint32_t begin, end; } ns_tok_token;

/* A list of strings in one buffer: string i is s[end[i-1], end[i]). Decoders map one list to another. */
typedef struct ns_tok_list { char *s; int64_t *end; int64_t n, s_capacity, count, end_capacity; } ns_tok_list;

/* ---- one component of the pipeline ---- */
/* regex, or a literal of n bytes */
typedef struct ns_tok_pattern { struct ns_tok_regex *regex; char *literal; size_t n; } ns_tok_pattern;

typedef struct ns_tok_step {
    const struct ns_tok_kind *kind;
    ns_tok_pattern pattern;
    char       *content;                 /* replacement, prefix, suffix */
    int64_t     start, stop;             /* Strip: how many characters at each end */
    int         behaviour;               /* enum ns_tok_behaviour, or enum ns_tok_prepend for Metaspace */
    bool        invert, prefix_space, split, left, right, individual;
    struct ns_tok_charsmap *charsmap;    /* Precompiled */
    bool        clean, chinese, accents, lowercase;      /* BertNormalizer */
    int32_t    *before, *after;          /* TemplateProcessing: ids around the sequence */
    int64_t     n_before, n_after;
} ns_tok_step;

typedef struct ns_tok_steps { ns_tok_step *item; int64_t n, capacity; } ns_tok_steps;

/* A row of a stage's table: what the JSON calls it, how its members are read (NULL: it has none), what it does. */
typedef struct ns_tok_kind {
    const char *type;
    int (*read)(ns_tok_step *, const cJSON *, const char *label, ns_error *);
    int (*run)(struct ns_tok_work *, const ns_tok_step *);
} ns_tok_kind;

typedef struct ns_tok_stage {
    const char *key, *list_key;          /* "pre_tokenizer", and where its Sequence keeps the list: "pretokenizers" */
    const ns_tok_kind *kinds;               /* ends with type == NULL */
} ns_tok_stage;

extern const ns_tok_stage ns_tok_normalizers, ns_tok_pretokenizers, ns_tok_postprocessors, ns_tok_decoders;

enum ns_tok_behaviour { TOK_REMOVED, TOK_ISOLATED, TOK_MERGED_WITH_PREVIOUS, TOK_MERGED_WITH_NEXT, TOK_CONTIGUOUS };
enum ns_tok_prepend { TOK_PREPEND_ALWAYS, TOK_PREPEND_FIRST, TOK_PREPEND_NEVER };

int  ns_tok_steps_read(ns_tok_steps *, const ns_tok_stage *, const cJSON *json, const char *label, ns_error *);
void ns_tok_steps_free(ns_tok_steps *);
int  ns_tok_steps_run(struct ns_tok_work *, const ns_tok_steps *);
int  ns_tok_pattern_read(ns_tok_pattern *, const cJSON *step, const char *label, ns_error *);
int  ns_tok_read_metaspace(ns_tok_step *, const cJSON *, const char *label, ns_error *);
int  ns_tok_read_content(ns_tok_step *, const cJSON *step, const char *key, const char *label, ns_error *);

/* ---- tables ---- */
#define TOK_MOST (1 << 22)               /* entries, or lines: four times what any known file has */
#define TOK_LONGEST 16384                /* bytes of a token: one that many ids stand for must not make gigabytes of a few */
typedef struct ns_tok_vocab {
    char     *pool;                      /* NUL-terminated strings */
    uint32_t *offset, *length;           /* by id; offset 0: absent */
    int32_t  *slot;                      /* open addressing over the strings: id or -1 */
    int64_t   ids, count, slots, pool_n, pool_capacity;
} ns_tok_vocab;

int     ns_tok_vocab_init(ns_tok_vocab *, int64_t count, int64_t ids, const char *label, ns_error *);   /* ids: one more than the highest */
int     ns_tok_vocab_add(ns_tok_vocab *, const char *text, size_t n, int32_t id, const char *label, ns_error *);
int32_t ns_tok_vocab_find(const ns_tok_vocab *, const char *text, size_t n);
const char *ns_tok_vocab_text(const ns_tok_vocab *, int64_t id);
void    ns_tok_vocab_free(ns_tok_vocab *);

typedef struct ns_tok_merge { uint32_t left, right; int32_t rank, id; } ns_tok_merge;     /* rank -1: an empty slot */
typedef struct ns_tok_merges { ns_tok_merge *slot; int64_t slots; } ns_tok_merges;

#define TOK_DIRECT 0x400                 /* characters below have their id in a table; the byte-level alphabet is among them */
#define TOK_AFFIX 64                     /* the longest prefix or suffix, in bytes */

/* All beginnings of a vocabulary's entries. The children of node i are [first[i], first[i + 1]), child k by the byte label[k]; 0 is the
 * root. */
typedef struct ns_tok_lexicon { uint8_t *label; uint32_t *first; int32_t *id; int64_t n; } ns_tok_lexicon;   /* id: that ends here, or -1 */

struct ns_tok_model;
/* A row of the table of models: what the JSON calls it, how it is read once the table of its vocabulary is there, and how it cuts a word
 * (into w->cuts). */
typedef struct ns_tok_model_kind {
    const char *type;
    int (*read_vocab)(struct ns_tok_model *, const cJSON *model, const char *path, ns_error *);
    int (*read)(struct ns_tok_model *, const cJSON *model, const char *path, ns_error *);
    int (*encode)(struct ns_tok_work *, const char *s, int64_t n);
} ns_tok_model_kind;
extern const ns_tok_model_kind ns_tok_bpe, ns_tok_unigram, ns_tok_wordpiece, ns_tok_wordlevel;

typedef struct ns_tok_model {
    const ns_tok_model_kind *kind;
    ns_tok_vocab  vocab;
    int32_t    byte_id[256], unk;        /* -1: absent */
    bool       byte_fallback, unk_missing;
    char      *prefix, *suffix;          /* of word-inner and word-final characters (BPE) or rests (WordPiece), or NULL */
    /* BPE */
    ns_tok_merges merges;
    int32_t    direct[TOK_DIRECT];
    bool       fuse_unk, ignore_merges;
    /* Unigram and WordPiece */
    ns_tok_lexicon lexicon;
    double    *score, unknown_score;     /* Unigram: by id */
    int64_t    longest_word;             /* WordPiece: characters; a longer word is unknown */
    uint32_t   inner;                    /* WordPiece: the node behind the prefix; 0: no entry has it */
} ns_tok_model;

int  ns_tok_model_read(ns_tok_model *, const cJSON *model, const char *path, ns_error *);
void ns_tok_model_free(ns_tok_model *);
int  ns_tok_bpe_read(ns_tok_model *, const cJSON *model, const char *path, ns_error *);
int  ns_tok_read_vocab(ns_tok_model *, const cJSON *model, const char *path, ns_error *);      /* {"token": id, ...} */
int  ns_tok_read_unknown(ns_tok_model *, const cJSON *model, const char *path, ns_error *);    /* "unk_token" */
int  ns_tok_read_affix(char **out, const cJSON *model, const char *key, const char *path, ns_error *);
void ns_tok_index_bytes(ns_tok_model *);
bool ns_tok_bytes_known(const ns_tok_model *, const char *s, size_t n);                       /* has each byte its "<0xNN>"? */
int  ns_tok_no_unknown(struct ns_tok_work *, const char *s, int64_t n);                       /* the error */
int  ns_tok_lexicon_build(ns_tok_lexicon *, const ns_tok_vocab *, const char *path, ns_error *);
void ns_tok_lexicon_free(ns_tok_lexicon *);
/* The node below, or 0. */
static inline uint32_t ns_tok_lexicon_child(const ns_tok_lexicon *l, uint32_t node, uint8_t byte)
{
    for (uint32_t k = l->first[node]; k < l->first[node + 1]; k++)
        if (l->label[k] >= byte)
            return l->label[k] == byte ? k : 0;
    return 0;
}
void ns_tok_merge_put(ns_tok_merges *, ns_tok_merge);                 /* a later merge of the same pair replaces the earlier one */
int  ns_tok_merges_init(ns_tok_merges *, int64_t count, const char *path, ns_error *);
/* scores: one a piece, number or null */
int  ns_tok_scores_read(ns_tok_model *, const cJSON *scores, bool longest_first, const char *path, ns_error *);
int  ns_tok_words_run(struct ns_tok_work *);                 /* pieces -> tokens */
int  ns_tok_cut_put(struct ns_tok_work *, int32_t id, int64_t begin, int64_t end);

typedef struct ns_tok_added_token {
    char   *content;
    size_t  n, normalized_n;             /* bytes of content, and of its normalized form */
    int32_t id;
    int32_t version;                     /* its last */
    bool    special, single_word, lstrip, rstrip, normalized;
    bool    displaced;                   /* tokenizer.model has it where the configuration has another name */
} ns_tok_added_token;

/* The tokens backwards, as Aho and Corasick have it. fail: the longest other path that ends like this one; token: index of the longest
 * token that ends here (begins, in the text), or -1. */
typedef struct ns_tok_node { int32_t child, sibling, fail, token; uint8_t byte; } ns_tok_node;
typedef struct ns_tok_trie { ns_tok_node *node; int64_t n, capacity; int32_t first[256]; } ns_tok_trie;   /* first: root's children, or 0 */

/* A token as it was added, or added again with other flags. Those in use are the last one's; whether it is matched before or after the
 * normalizer (or, of two, both) those say that are in a list. */
typedef struct ns_tok_version {
    int32_t item, previous;              /* of the same item; -1: none */
    bool    special, single_word, lstrip, rstrip, normalized;
    enum { TOK_UNLISTED, TOK_SPECIAL, TOK_ADDED } list;
} ns_tok_version;

typedef struct ns_tok_added {
    ns_tok_added_token *item;               /* in file order */
    ns_tok_version     *version;            /* as they were added */
    int64_t   n, n_versions;
    ns_tok_vocab names;                     /* content -> id, id -> content */
    int32_t  *place;                     /* by id of names: which item */
    ns_tok_trie  raw, normalized;           /* matched before and after normalization */
} ns_tok_added;

/* more: tokens without ids that join them ("replaces": with their flags where the text is there already), or NULL; *changed: they made a
 * difference. */
int  ns_tok_added_read(ns_tok_added *, const cJSON *list, const cJSON *more, const ns_tok_model *, bool *changed, const char *path,
                       ns_error *);
int  ns_tok_added_index(ns_tokenizer *, ns_error *);            /* builds the tries: needs the normalizer */
void ns_tok_added_free(ns_tok_added *);
int  ns_tok_added_split(struct ns_tok_work *, const ns_tok_trie *, ns_tok_piece);         /* appends to w->made */

/* ---- sources.c ---- */
bool ns_tok_is_source(const char *path);                        /* has it the name of one of the forms of a tokenizer? */

/* ---- neighbours.c, classes.c: tokenizer_config.json and special_tokens_map.json, as the classes of transformers read them ---- */
enum ns_tok_role { BOS, EOS, UNK, SEP, PAD, CLS, MASK, N_SPECIAL };
typedef struct ns_tok_notes { char text[4][256]; int n; } ns_tok_notes;
typedef struct ns_tok_neighbours {
    cJSON *config, *map;                    /* the two files, or NULL */
    const struct ns_tok_class *class_;         /* NULL: tokenizer.json as it is */
    const cJSON *decoder;                   /* config's added_tokens_decoder, or NULL */
    const char *special[N_SPECIAL];         /* what the files say, or the class in their place; NULL: neither */
    cJSON *more;                            /* added tokens that tokenizer.json may not have */
    cJSON *old_tokens;                      /* added_tokens.json as added_tokens_decoder would be; NULL: none, or that is there */
    bool   converted;                       /* from another form than tokenizer.json */
    bool   changed_template, changed_prefix, changed_tokens, changed_normalizer;
    ns_tok_notes notes;
} ns_tok_neighbours;
int  ns_tok_neighbours_read(ns_tok_neighbours *, const char *path, ns_error *);       /* path of tokenizer.json or its like */
int  ns_tok_has_neighbours(const char *path, bool *out, ns_error *);
int  ns_tok_neighbours_tokens(ns_tok_neighbours *, const cJSON *added_tokens, ns_error *);          /* of tokenizer.json; fills more */
int  ns_tok_neighbours_apply(ns_tokenizer *, ns_tok_neighbours *, const cJSON *tokenizer_json, ns_error *);   /* the last step of opening */
void ns_tok_neighbours_free(ns_tok_neighbours *);
void ns_tok_note(ns_tok_neighbours *, const char *fmt, ...) NS_PRINTF(2, 3);

struct ns_tokenizer {
    char      *path;
    char       sha256[65];
    int32_t    bos;                         /* -1: no neighbour names one */
    ns_tok_notes notes;
    ns_tok_steps  normalizer, pretokenizer, postprocessor, decoder;
    ns_tok_added  added;
    ns_tok_model  model;
};

/* ---- read.c ---- */
#define TOK_FILE_LIMIT ((size_t)1 << 30) /* bytes of a tokenizer.json */
int  ns_tok_read_file(ns_tokenizer *, ns_error *);              /* what its path holds */
void ns_tok_hash_text(const char *text, size_t n, char out[65]);

/* ---- one call ---- */
/* A token of a word: the bytes of the word it stands for. */
typedef struct ns_tok_cut { int32_t id; uint32_t begin, end; } ns_tok_cut;
typedef struct ns_tok_symbol { int32_t id, prev, next; uint32_t n; } ns_tok_symbol;
typedef struct ns_tok_pair { uint64_t key; int32_t id; } ns_tok_pair;                /* key = rank << 32 | position: the heap's order */
typedef struct ns_tok_char { int32_t code, change; uint8_t combining; } ns_tok_char;

typedef struct ns_tok_cached { uint64_t hash; uint32_t begin, n, first, count; } ns_tok_cached;   /* a word of the text, its cuts */

typedef struct ns_tok_work {
    const ns_tokenizer *tok;
    ns_error   *err;
    const char *original;
    int64_t     original_n, limit;       /* limit: of the bytes a normalizer may make of the text */
    int64_t     steps;                   /* left of what all patterns together may take */
    double      unseen;                  /* bytes that patterns may have read since the last look at the clock */
    double      allowed, began, worked;  /* processor seconds; when the text began, by the clock and by this thread's work */
    ns_tok_text    text, next;              /* the text as it stands; what the step at work makes of it */
    ns_tok_pieces  pieces, made;
    int32_t    *longest;                    /* by byte of a piece: the added token that begins there, or -1 */
    int64_t     longest_capacity;
    ns_tok_text    part, part_next;         /* one piece under normalization */
    ns_tok_matches matches;
    ns_tok_char   *chars;
    int64_t     chars_n, chars_capacity;
    ns_tok_token  *tokens;
    int64_t     n, tokens_capacity;
    ns_tok_symbol *symbols;
    int64_t     symbols_n, symbols_capacity;
    ns_tok_cut    *cuts;                    /* of the word at work */
    int64_t     cuts_n, cuts_capacity;
    struct ns_tok_best *best;               /* Unigram: [bytes of the word + 1] */
    int64_t     best_capacity;
    ns_tok_pair   *heap;
    int64_t     heap_n, heap_capacity;
    ns_tok_cached *cache;                   /* [cache_n] direct-mapped; a power of two */
    int64_t     cache_n;
    ns_tok_cut    *cached;
    int64_t     cached_n, cached_capacity;
    ns_tok_list    list, list_next;
    struct ns_tok_matcher *matcher;
} ns_tok_work;

#define TOK_UNSEEN 4e9                   /* bytes read between two looks at the clock: a second or two at worst */
bool ns_tok_is_over(ns_tok_work *);                        /* looks at the clock: is the text's processor time used up? */
/* The same, where so many bytes more may have been read: it looks when they are many. */
static inline bool ns_tok_is_late(ns_tok_work *w, double bytes)
{
    w->unseen += bytes;
    return w->unseen >= TOK_UNSEEN && ns_tok_is_over(w);
}
void ns_tok_work_begin(ns_tok_work *, const ns_tokenizer *, const char *text, size_t n, ns_error *);
void ns_tok_work_free(ns_tok_work *);
int  ns_tok_decode(ns_tok_work *, const int32_t *ids, int64_t n, bool skip_special);               /* leaves the text in w->list */

/* ---- text.c ---- */
int  ns_tok_text_reserve(ns_tok_work *, ns_tok_text *, int64_t more);
int  ns_tok_text_put(ns_tok_work *, ns_tok_text *, const char *s, int64_t n, ns_tok_span from);          /* every byte stands for from */
int  ns_tok_text_copy(ns_tok_work *, ns_tok_text *, const ns_tok_text *source, int64_t begin, int64_t end);
void ns_tok_text_free(ns_tok_text *);
void ns_tok_swap_text(ns_tok_work *);
void ns_tok_swap_pieces(ns_tok_work *);
/* into w->made; an empty piece is dropped */
int  ns_tok_piece_put(ns_tok_work *, int64_t begin, int64_t end, int32_t id);
int  ns_tok_match_put(ns_tok_work *, int64_t begin, int64_t end, bool is_match);
int  ns_tok_list_put(ns_tok_work *, ns_tok_list *, const char *s, int64_t n);                         /* into the string being built */
int  ns_tok_list_end(ns_tok_work *, ns_tok_list *);                                                   /* ends that string */
void ns_tok_list_free(ns_tok_list *);

/* ---- normalize.c ---- */
int  ns_tok_normalize_part(ns_tok_work *);                         /* w->part through the normalizers */
/* A new string as a list of (character, change) in w->chars, put in the place of w->part (see the file's head). */
int  ns_tok_char_push(ns_tok_work *, int32_t code, int32_t change);
int  ns_tok_chars_apply(ns_tok_work *);
int  ns_tok_keep_chars(ns_tok_work *, bool (*keep)(uint32_t code));
int  ns_tok_run_nfd(ns_tok_work *, const ns_tok_step *);
int  ns_tok_run_lowercase(ns_tok_work *, const ns_tok_step *);
/* ---- normalize_clean.c, charsmap.c ---- */
int  ns_tok_read_bert(ns_tok_step *, const cJSON *, const char *label, ns_error *);
int  ns_tok_run_bert(ns_tok_work *, const ns_tok_step *);
int  ns_tok_run_nmt(ns_tok_work *, const ns_tok_step *);
int  ns_tok_read_precompiled(ns_tok_step *, const cJSON *, const char *label, ns_error *);
int  ns_tok_run_precompiled(ns_tok_work *, const ns_tok_step *);
void ns_tok_charsmap_free(struct ns_tok_charsmap *);

/* ---- postprocess.c ---- */
int  ns_tok_set_template(ns_tok_steps *, int32_t before, int32_t after, bool *changed, ns_error *);   /* in place of all steps; -1: none */
/* white characters at the ends, U+0120 too */
void ns_tok_count_white(const char *s, int64_t n, int32_t *lead, int32_t *trail);

/* ---- regex.c: Oniguruma's patterns run by PCRE2 ---- */
int  ns_tok_regex_new(struct ns_tok_regex **out, const char *pattern, const char *label, ns_error *);
void ns_tok_regex_free(struct ns_tok_regex *);
void ns_tok_matcher_free(struct ns_tok_matcher *);
int  ns_tok_find(ns_tok_work *, const ns_tok_pattern *, const char *s, int64_t n);                    /* fills w->matches */
int  ns_tok_find_regex(ns_tok_work *, const struct ns_tok_regex *, const char *s, int64_t n);
int  ns_tok_find_chars(ns_tok_work *, bool (*is)(uint32_t code), const char *s, int64_t n);
int  ns_tok_regex_translate(char **out, const char *pattern, const char *label, ns_error *);      /* *out is malloc'd; NULL on failure */

/* ---- unicode.c ---- */
int  ns_tok_next(const char *s, uint32_t *code);                /* s is valid UTF-8 and not at its end: bytes used */
int  ns_tok_char_before(const char *s, int64_t end, uint32_t *code);              /* the same, backwards: end > 0 */
bool ns_tok_is_space(uint32_t code);
bool ns_tok_is_numeric(uint32_t code);
bool ns_tok_is_mark(uint32_t code);
bool ns_tok_is_accent(uint32_t code);                           /* Mn */
bool ns_tok_is_control(uint32_t code);                          /* Cc, Cf, Co */
bool ns_tok_is_punctuation(uint32_t code);
bool ns_tok_is_word(uint32_t code);

/* ---- bytes.c: the byte-level alphabet of GPT-2 ---- */
int  ns_tok_byte_utf8(uint8_t byte, char out[2]);               /* the character that stands for a byte: its length */
int  ns_tok_char_byte(uint32_t code);                           /* the byte, or -1 */

#endif
