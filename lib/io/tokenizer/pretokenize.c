/* pretokenize.c - the pre-tokenizers: each cuts the pieces that are not added tokens into smaller ones (w->pieces -> w->made), and
 * ByteLevel and Metaspace also rewrite the text (w->text -> w->next). */
#include <string.h>

#include "io/tokenizer/tok.h"

/* ---- cutting one piece at the matches found in it ---- */

/* Does the boundary between match i - 1 and match i disappear? */
static bool joined(const ns_tok_work *w, int64_t i, int behaviour)
{
    const ns_tok_match *const m = w->matches.item;
    switch (behaviour) {
    case TOK_CONTIGUOUS:
        return m[i].is_match == m[i - 1].is_match;
    case TOK_MERGED_WITH_PREVIOUS:   /* of matches in a row only the first joins what is before it */
        return m[i].is_match && !m[i - 1].is_match;
    case TOK_MERGED_WITH_NEXT:
        return m[i - 1].is_match && !m[i].is_match;
    default:
        return false;
    }
}

static int cut(ns_tok_work *w, ns_tok_piece piece, int behaviour, bool invert)
{
    int rc = NS_OK;
    for (int64_t i = 0; invert && i < w->matches.n; i++)
        w->matches.item[i].is_match = !w->matches.item[i].is_match;
    for (int64_t i = 0; i < w->matches.n && rc == NS_OK; ) {
        const ns_tok_match first = w->matches.item[i];
        uint32_t end = first.end;
        for (i++; i < w->matches.n && joined(w, i, behaviour); i++)
            end = w->matches.item[i].end;
        if (behaviour != TOK_REMOVED || !first.is_match)
            rc = ns_tok_piece_put(w, (int64_t)piece.begin + first.begin, (int64_t)piece.begin + end, -1);
    }
    return rc;
}

typedef int (*find_fn)(ns_tok_work *, const ns_tok_step *, const char *s, int64_t n);

static int cut_all(ns_tok_work *w, const ns_tok_step *step, find_fn find, int behaviour, bool invert)
{
    int rc = NS_OK;
    for (int64_t i = 0; i < w->pieces.n && rc == NS_OK; i++) {
        const ns_tok_piece piece = w->pieces.item[i];
        if (piece.id >= 0) {
            rc = ns_tok_piece_put(w, piece.begin, piece.end, piece.id);
            continue;
        }
        rc = find(w, step, w->text.s + piece.begin, (int64_t)piece.end - piece.begin);
        if (rc == NS_OK)
            rc = cut(w, piece, behaviour, invert);
    }
    if (rc == NS_OK)
        ns_tok_swap_pieces(w);
    return rc;
}

static int find_pattern(ns_tok_work *w, const ns_tok_step *step, const char *s, int64_t n)
{
    return ns_tok_find(w, &step->pattern, s, n);
}

static int find_space(ns_tok_work *w, const ns_tok_step *step, const char *s, int64_t n)
{
    (void)step;
    return ns_tok_find_chars(w, ns_tok_is_space, s, n);
}

static int find_numeric(ns_tok_work *w, const ns_tok_step *step, const char *s, int64_t n)
{
    (void)step;
    return ns_tok_find_chars(w, ns_tok_is_numeric, s, n);
}

static int find_punctuation(ns_tok_work *w, const ns_tok_step *step, const char *s, int64_t n)
{
    (void)step;
    return ns_tok_find_chars(w, ns_tok_is_punctuation, s, n);
}

/* Runs of word characters, runs of what is neither word nor white, white space between them. */
static int find_words(ns_tok_work *w, const ns_tok_step *step, const char *s, int64_t n)
{
    (void)step;
    w->matches.n = 0;
    int rc = NS_OK;
    int64_t begin = 0;
    int last = -1;   /* the kind of the run from begin */
    for (int64_t at = 0; at < n && rc == NS_OK; ) {
        uint32_t code;
        const int size = ns_tok_next(s + at, &code);
        const int kind = ns_tok_is_word(code) ? 2 : ns_tok_is_space(code) ? 0 : 1;
        if (kind != last && last >= 0) {
            rc = ns_tok_match_put(w, begin, at, last == 0);
            begin = at;
        }
        last = kind;
        at += size;
    }
    return rc == NS_OK && last >= 0 ? ns_tok_match_put(w, begin, n, last == 0) : rc;
}

static int read_behaviour(ns_tok_step *step, const cJSON *json, int otherwise, const char *label, ns_error *err)
{
    static const struct { const char *name; int behaviour; } names[] = {
        {"Removed", TOK_REMOVED}, {"Isolated", TOK_ISOLATED}, {"MergedWithPrevious", TOK_MERGED_WITH_PREVIOUS},
        {"MergedWithNext", TOK_MERGED_WITH_NEXT}, {"Contiguous", TOK_CONTIGUOUS},
    };
    const char *name;
    const int rc = ns_json_str(json, "behavior", &name, label, err);
    if (rc != NS_OK)
        return rc;
    step->behaviour = otherwise;
    if (!name && otherwise >= 0)
        return NS_OK;
    for (size_t i = 0; name && i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i].name) == 0) {
            step->behaviour = names[i].behaviour;
            return NS_OK;
        }
    return ns_fail(err, NS_E_FORMAT, "%s: %s: the behavior '%.100s' is not Removed, Isolated, MergedWith{Previous,Next} or Contiguous",
                   label, step->kind->type, name ? name : "");
}

static int read_split(ns_tok_step *step, const cJSON *json, const char *label, ns_error *err)
{
    int rc = ns_tok_pattern_read(&step->pattern, json, label, err);
    if (rc == NS_OK)
        rc = read_behaviour(step, json, -1, label, err);
    return rc != NS_OK ? rc : ns_json_bool(json, "invert", false, &step->invert, label, err);
}

static int run_split(ns_tok_work *w, const ns_tok_step *step)
{
    return cut_all(w, step, find_pattern, step->behaviour, step->invert);
}

static int read_delimiter(ns_tok_step *step, const cJSON *json, const char *label, ns_error *err)
{
    const int rc = ns_tok_read_content(step, json, "delimiter", label, err);
    if (rc == NS_OK && !*step->content)
        return ns_fail(err, NS_E_FORMAT, "%s: CharDelimiterSplit: the delimiter is empty", label);
    step->behaviour = TOK_REMOVED;
    step->pattern.literal = rc == NS_OK ? ns_strdup(step->content) : NULL;
    step->pattern.n = rc == NS_OK ? strlen(step->content) : 0;
    return rc != NS_OK || step->pattern.literal ? rc : ns_oom(err, label);
}

static int read_digits(ns_tok_step *step, const cJSON *json, const char *label, ns_error *err)
{
    return ns_json_bool(json, "individual_digits", false, &step->individual, label, err);
}

static int run_digits(ns_tok_work *w, const ns_tok_step *step)
{
    return cut_all(w, step, find_numeric, step->individual ? TOK_ISOLATED : TOK_CONTIGUOUS, false);
}

static int read_punctuation(ns_tok_step *step, const cJSON *json, const char *label, ns_error *err)
{
    return read_behaviour(step, json, TOK_ISOLATED, label, err);
}

static int run_punctuation(ns_tok_work *w, const ns_tok_step *step)
{
    return cut_all(w, step, find_punctuation, step->behaviour, false);
}

static int run_whitespace(ns_tok_work *w, const ns_tok_step *step)
{
    return cut_all(w, step, find_words, TOK_REMOVED, false);
}

static int run_whitespace_split(ns_tok_work *w, const ns_tok_step *step)
{
    return cut_all(w, step, find_space, TOK_REMOVED, false);
}

static int run_bert(ns_tok_work *w, const ns_tok_step *step)
{
    const int rc = cut_all(w, step, find_space, TOK_REMOVED, false);
    return rc != NS_OK ? rc : cut_all(w, step, find_punctuation, TOK_ISOLATED, false);
}

/* ---- rewriting the text ---- */

typedef int (*rewrite_fn)(ns_tok_work *, const ns_tok_step *, ns_tok_piece);   /* appends the piece to w->next, rewritten */

static int rewrite_all(ns_tok_work *w, const ns_tok_step *step, rewrite_fn rewrite)
{
    w->next.n = 0;
    int rc = NS_OK;
    for (int64_t i = 0; i < w->pieces.n && rc == NS_OK; i++) {
        const ns_tok_piece piece = w->pieces.item[i];
        const int64_t begin = w->next.n;
        rc = piece.id >= 0 ? ns_tok_text_copy(w, &w->next, &w->text, piece.begin, piece.end) : rewrite(w, step, piece);
        if (rc == NS_OK)
            rc = ns_tok_piece_put(w, begin, w->next.n, piece.id);
    }
    if (rc == NS_OK) {
        ns_tok_swap_text(w);
        ns_tok_swap_pieces(w);
    }
    return rc;
}

static int prepend_space(ns_tok_work *w, const ns_tok_step *step, ns_tok_piece piece)
{
    (void)step;
    int rc = NS_OK;
    if (w->text.s[piece.begin] != ' ')
        rc = ns_tok_text_put(w, &w->next, " ", 1, w->text.from[piece.begin]);
    return rc != NS_OK ? rc : ns_tok_text_copy(w, &w->next, &w->text, piece.begin, piece.end);
}

static int to_bytes(ns_tok_work *w, const ns_tok_step *step, ns_tok_piece piece)
{
    (void)step;
    ns_tok_text *const out = &w->next;
    const int rc = ns_tok_text_reserve(w, out, 2 * ((int64_t)piece.end - piece.begin));
    for (uint32_t at = piece.begin; at < piece.end && rc == NS_OK; at++) {
        const int n = ns_tok_byte_utf8((uint8_t)w->text.s[at], out->s + out->n);   /* writes two bytes */
        out->from[out->n] = out->from[out->n + n - 1] = w->text.from[at];
        out->n += n;
    }
    return rc;
}

static int read_byte_level(ns_tok_step *step, const cJSON *json, const char *label, ns_error *err)
{
    int rc = ns_json_bool(json, "add_prefix_space", true, &step->prefix_space, label, err);
    if (rc == NS_OK)
        rc = ns_json_bool(json, "use_regex", true, &step->split, label, err);
    if (rc == NS_OK && step->split)
        rc = ns_tok_regex_new(&step->pattern.regex, "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+",
                           label, err);
    return rc;
}

static int run_byte_level(ns_tok_work *w, const ns_tok_step *step)
{
    int rc = step->prefix_space ? rewrite_all(w, step, prepend_space) : NS_OK;
    if (rc == NS_OK && step->split)
        rc = cut_all(w, step, find_pattern, TOK_ISOLATED, false);
    return rc != NS_OK ? rc : rewrite_all(w, step, to_bytes);
}

static int read_prepend_scheme(ns_tok_step *step, const cJSON *json, const char *label, ns_error *err)
{
    const char *scheme;
    bool prefix_space;
    int rc = ns_json_str(json, "prepend_scheme", &scheme, label, err);
    if (rc == NS_OK)
        rc = ns_json_bool(json, "add_prefix_space", true, &prefix_space, label, err);   /* what files had before prepend_scheme */
    if (rc != NS_OK)
        return rc;
    if (!scheme)
        step->behaviour = prefix_space ? TOK_PREPEND_ALWAYS : TOK_PREPEND_NEVER;
    else if (strcmp(scheme, "always") == 0)
        step->behaviour = TOK_PREPEND_ALWAYS;
    else if (strcmp(scheme, "first") == 0)
        step->behaviour = TOK_PREPEND_FIRST;
    else if (strcmp(scheme, "never") == 0)
        step->behaviour = TOK_PREPEND_NEVER;
    else
        return ns_fail(err, NS_E_FORMAT, "%s: Metaspace: prepend_scheme '%.100s' is not one of always, first, never", label, scheme);
    return NS_OK;
}

int ns_tok_read_metaspace(ns_tok_step *step, const cJSON *json, const char *label, ns_error *err)
{
    int rc = ns_tok_read_content(step, json, "replacement", label, err);
    uint32_t code;
    if (rc == NS_OK && (step->content[0] == '\0' || step->content[ns_tok_next(step->content, &code)] != '\0'))
        rc = ns_fail(err, NS_E_FORMAT, "%s: Metaspace: the replacement '%.100s' is not one character", label, step->content);
    if (rc == NS_OK)
        rc = read_prepend_scheme(step, json, label, err);
    if (rc == NS_OK)
        rc = ns_json_bool(json, "split", true, &step->split, label, err);
    if (rc != NS_OK)
        return rc;
    step->pattern.n = strlen(step->content);
    step->pattern.literal = ns_strdup(step->content);
    return step->pattern.literal ? NS_OK : ns_oom(err, label);
}

/* "First" is the piece at the beginning of the original text: not what follows an added token. */
static int replace_spaces(ns_tok_work *w, const ns_tok_step *step, ns_tok_piece piece)
{
    const char *const mark = step->content;
    const int64_t n = (int64_t)step->pattern.n;
    const char *const s = w->text.s + piece.begin;
    const bool marked = s[0] == ' ' || (piece.end - piece.begin >= n && memcmp(s, mark, (size_t)n) == 0);
    int rc = NS_OK;
    const bool first = w->text.from[piece.begin].begin == 0;
    if (!marked && (step->behaviour == TOK_PREPEND_ALWAYS || (step->behaviour == TOK_PREPEND_FIRST && first)))
        rc = ns_tok_text_put(w, &w->next, mark, n, w->text.from[piece.begin]);
    int64_t at = piece.begin;
    while (at < piece.end && rc == NS_OK) {
        const char *const space = memchr(w->text.s + at, ' ', (size_t)(piece.end - at));
        const int64_t end = space ? space - w->text.s : piece.end;
        rc = ns_tok_text_copy(w, &w->next, &w->text, at, end);
        if (rc == NS_OK && space)
            rc = ns_tok_text_put(w, &w->next, mark, n, w->text.from[end]);
        at = end + (space != NULL);
    }
    return rc;
}

static int run_metaspace(ns_tok_work *w, const ns_tok_step *step)
{
    const int rc = rewrite_all(w, step, replace_spaces);
    return rc != NS_OK || !step->split ? rc : cut_all(w, step, find_pattern, TOK_MERGED_WITH_NEXT, false);
}

static const ns_tok_kind kinds[] = {
    {"ByteLevel", read_byte_level, run_byte_level},
    {"Split", read_split, run_split},
    {"CharDelimiterSplit", read_delimiter, run_split},
    {"Digits", read_digits, run_digits},
    {"Metaspace", ns_tok_read_metaspace, run_metaspace},
    {"Punctuation", read_punctuation, run_punctuation},
    {"Whitespace", NULL, run_whitespace},
    {"WhitespaceSplit", NULL, run_whitespace_split},
    {"BertPreTokenizer", NULL, run_bert},
    {0},
};
const ns_tok_stage ns_tok_pretokenizers = {"pre_tokenizer", "pretokenizers", kinds};
