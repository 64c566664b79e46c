/* case.h - a case: tokens, labelled spans and provenance. Datasets make cases, probes read them.
 *
 * Positions count tokens of the prompt from 0. The answer follows the prompt: the row (query position) that predicts
 * answer token j is n_tokens - 1 + j. A file of cases is JSONL, one object a line:
 *   id           text, unique in all the files of one call; optional ("case-LINE")
 *   tokens       the prompt as ids; else `text`: the prompt is prefix + text + suffix, tokenised as one string
 *   add_special  with text: let the tokenizer add its BOS etc. (default true)
 *   spans        {name: [a, b)}: token positions with `tokens`, else characters (Unicode code points) of `text`
 *   distractors  [[a, b], ...]: short for spans distractor.0, distractor.1, ...
 *   answer       ids or text; with text, exactly what follows the prompt (a leading space included)
 *   lead         with answer ids: how many of them precede the first content token (default 0)
 *   pairs        with tokens: [[query, [keys]], ...]; kept in meta
 *   twin_of, meta {}, answer_text (beside answer ids) */
#ifndef NEEDLESCOPE_CASE_H
#define NEEDLESCOPE_CASE_H

#include <needlescope/error.h>

NS_BEGIN

typedef struct ns_span {
    char   *name;              /* "needle", "needle_answer", "distractor.0", "distractor_answer.0", "question", "query" ... */
    int64_t begin, end;        /* [begin, end) */
} ns_span;

typedef struct ns_case {
    char    *id;
    int32_t *tokens;           /* [n_tokens] the prompt */
    int64_t  n_tokens;
    int32_t *answer;           /* [n_answer] the gold answer's tokens */
    int64_t  n_answer;
    int64_t  n_lead;           /* answer tokens before the first content token (a leading space that is a token of its own) */
    ns_span *spans;
    int      n_spans;
    char    *text;             /* the prompt as text, or NULL */
    char    *answer_text;      /* or NULL */
    char    *twin_of;          /* id of the case this one is a twin of, or NULL */
    char    *meta;             /* a JSON object as text: length, depth, distance, value_type, template, seed ...; or NULL */
} ns_case;

/* The aligned source of answer token j: the span needle_answer holds the answer's content tokens, so it is at
 * needle_answer.begin + j - n_lead. -1 for lead tokens, beyond the answer, and for a case without the span. */
NS_API int64_t ns_case_source(const ns_case *, int64_t j);
/* Is this position the source of answer token j, or its place in another mention of the needle (spans needle_answer.0, needle_answer.1,
 * ..., each holding the very tokens of the answer)? */
NS_API bool ns_case_is_source(const ns_case *, int64_t j, int64_t position);
/* How far the query looks back: from the row that says the answer's first content token to that token in the needle, in tokens; of several
 * mentions to the last. It is the same for every content token of the answer, and a head of window W can see it when it is below W. -1 for
 * a case without an answer or without the span needle_answer. */
NS_API int64_t ns_case_distance(const ns_case *);
NS_API const ns_span *ns_case_span(const ns_case *, const char *name);      /* NULL if absent */
/* Where something is mentioned: the spans NAME, NAME.0, NAME.1 ... in the order of the case. *at: 0 at first; NULL when there is no further
 * one. Every score counts all mentions of what it is about:
 *     int at = 0;
 *     for (const ns_span *s; (s = ns_case_mention(c, "needle_answer", &at));) ... */
NS_API const ns_span *ns_case_mention(const ns_case *, const char *name, int *at);
/* Tokens of all of them. */
NS_API int64_t ns_case_mentioned(const ns_case *, const char *name);
/* Number from the meta object; `otherwise` where it is absent or not a number. */
NS_API double ns_case_meta_number(const ns_case *, const char *key, double otherwise);

/* A growing list that owns its cases, and knows the files that they were read from: no writer replaces one of those. */
typedef struct ns_cases {
    ns_case *list;
    int64_t  n, capacity;
    char   **files;            /* [n_files] */
    int64_t  n_files;
} ns_cases;

NS_API void ns_case_clear(ns_case *);                                        /* frees what it owns, zeroes it */
NS_API void ns_cases_clear(ns_cases *);
/* Moves the case into the list (zeroing *c) after checking it: spans inside the prompt, names unique, no token in two mentions of one thing
 * or in the needle and a distractor or placebo, every mention of the answer equal to it and as long as the first, meta an object. On
 * failure the case stays the caller's. */
NS_API NS_MUST_CHECK int ns_cases_add(ns_cases *, ns_case *c, ns_error *);
/* Sets a span (replacing one of the same name). */
NS_API NS_MUST_CHECK int ns_case_set_span(ns_case *, const char *name, int64_t begin, int64_t end, ns_error *);

/* Cases that could not be made: each reason once, with the first case it kept out and how many there were. What stands in parentheses is of
 * one case: reasons that differ in it alone are one, with the first case's. */
typedef struct ns_case_drop { char *id, *reason; int64_t n; } ns_case_drop;
typedef struct ns_case_drops {
    ns_case_drop *list;
    int64_t       n, capacity;     /* reasons */
} ns_case_drops;
NS_API NS_MUST_CHECK int ns_case_drops_add(ns_case_drops *, const char *id, const char *reason, ns_error *);
NS_API void ns_case_drops_clear(ns_case_drops *);

struct ns_tokenizer;
/* A case from text. Spans count bytes of `prompt` and become the tokens that they overlap. The answer (NULL: none) is tokenised
 * as the prompt's continuation; a tokenizer that merges it into the prompt's last token is an error. meta is left to the caller. */
typedef struct ns_text_span { const char *name; size_t begin, end; } ns_text_span;
NS_API NS_MUST_CHECK int ns_case_from_text(ns_case *out, const struct ns_tokenizer *, const char *id, const char *prompt,
                                           const char *answer, const ns_text_span *spans, int n_spans, bool add_special, ns_error *);
/* Appends the cases of a JSONL file. Lines with text need a tokenizer (NULL: an error says so).
 * Errors name file, line and key; `list` keeps what it had. */
NS_API NS_MUST_CHECK int ns_cases_read(ns_cases *list, const char *path, const struct ns_tokenizer *, ns_error *);
/* Is each id there once? first [n]: the index of the first case of paths[i]. NS_E_FORMAT names the id and its file, or both files. */
NS_API NS_MUST_CHECK int ns_cases_check_unique(const ns_cases *, const char *const *paths, const int64_t *first, int64_t n, ns_error *);
/* Were the ids made by this tokenizer? Cases of its hash (meta's tokenizer_sha256), and cases whose text it turns into their ids, with or
 * without special tokens. NS_E_FORMAT names the first of another tokenizer; cases without hash and text cannot say. */
NS_API NS_MUST_CHECK int ns_cases_check_tokenizer(const ns_cases *, const struct ns_tokenizer *, ns_error *);
/* NS_E_FORMAT where an id of a prompt or an answer is not below `vocab`; the first is named, and how many cases have such ids. */
NS_API NS_MUST_CHECK int ns_cases_check_vocabulary(const ns_cases *, int64_t vocab, ns_error *);
/* Does a case know its tokenizer or its text? */
NS_API NS_MUST_CHECK int ns_cases_know_text(const ns_cases *, bool *out, ns_error *);           /* NS_E_MEMORY */
/* Writes JSONL with tokens and token spans (text too where known); atomic. */
NS_API NS_MUST_CHECK int ns_cases_write(const ns_cases *, const char *path, ns_error *);
/* SHA-256 (64 hex digits + NUL) over the ids of prompts and answers, in order. */
NS_API void ns_cases_hash(const ns_cases *, char hex[65]);

NS_END
#endif
