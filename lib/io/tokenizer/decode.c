/* decode.c - token texts back to a text. Every decoder maps a list of strings to another (w->list -> w->list_next); in the end the
 * list is joined. */
#include <string.h>

#include "io/tokenizer/tok.h"

#define REPLACEMENT "\xEF\xBF\xBD"

static const char *string_at(const ns_tok_list *list, int64_t i, int64_t *n)
{
    const int64_t begin = i ? list->end[i - 1] : 0;
    *n = list->end[i] - begin;
    return list->s ? list->s + begin : "";
}

static void swap_lists(ns_tok_work *w)
{
    const ns_tok_list list = w->list;
    w->list = w->list_next;
    w->list_next = list;
    w->list_next.n = w->list_next.count = 0;
}

typedef int (*map_fn)(ns_tok_work *, const ns_tok_step *, int64_t i, const char *s, int64_t n);   /* appends what becomes of string i */

static int map_all(ns_tok_work *w, const ns_tok_step *step, map_fn map)
{
    int rc = NS_OK;
    for (int64_t i = 0; i < w->list.count && rc == NS_OK; i++) {
        int64_t n;
        const char *const s = string_at(&w->list, i, &n);
        rc = map(w, step, i, s, n);
        if (rc == NS_OK)
            rc = ns_tok_list_end(w, &w->list_next);
    }
    if (rc == NS_OK)
        swap_lists(w);
    return rc;
}

/* ---- bytes to UTF-8 ---- */

/* The bytes of a character that begins at s: valid, or not (then as many as a decoder would replace by one U+FFFD). */
static int64_t character(const uint8_t *s, int64_t n, bool *valid)
{
    static const struct { uint8_t low, high, second_low, second_high; int size; } rows[] = {
        {0x00, 0x7F, 0, 0, 1},          {0xC2, 0xDF, 0x80, 0xBF, 2}, {0xE0, 0xE0, 0xA0, 0xBF, 3}, {0xE1, 0xEC, 0x80, 0xBF, 3},
        {0xED, 0xED, 0x80, 0x9F, 3},    {0xEE, 0xEF, 0x80, 0xBF, 3}, {0xF0, 0xF0, 0x90, 0xBF, 4}, {0xF1, 0xF3, 0x80, 0xBF, 4},
        {0xF4, 0xF4, 0x80, 0x8F, 4},
    };
    *valid = false;
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++) {
        if (s[0] < rows[r].low || s[0] > rows[r].high)
            continue;
        int64_t have = 1;
        while (have < rows[r].size && have < n && s[have] >= (have == 1 ? rows[r].second_low : 0x80)
               && s[have] <= (have == 1 ? rows[r].second_high : 0xBF))
            have++;
        *valid = have == rows[r].size;
        return have;
    }
    return 1;
}

static int put_lossy(ns_tok_work *w, const char *s, int64_t n)
{
    int rc = NS_OK;
    for (int64_t at = 0; at < n && rc == NS_OK; ) {
        bool valid;
        const int64_t size = character((const uint8_t *)s + at, n - at, &valid);
        rc = valid ? ns_tok_list_put(w, &w->list_next, s + at, size) : ns_tok_list_put(w, &w->list_next, REPLACEMENT, 3);
        at += size;
    }
    return rc;
}

/* A token all of whose characters are of the byte-level alphabet gives their bytes; any other gives itself. */
static int put_bytes(ns_tok_work *w, ns_tok_list *out, const char *s, int64_t n)
{
    const int64_t before = out->n;
    int rc = NS_OK;
    for (int64_t at = 0; at < n && rc == NS_OK; ) {
        uint32_t code;
        at += ns_tok_next(s + at, &code);
        const int byte = ns_tok_char_byte(code);
        if (byte < 0) {
            out->n = before;
            return ns_tok_list_put(w, out, s, n);
        }
        const char text = (char)byte;
        rc = ns_tok_list_put(w, out, &text, 1);
    }
    return rc;
}

static int run_byte_level(ns_tok_work *w, const ns_tok_step *step)
{
    (void)step;
    ns_tok_list bytes = {0};
    int rc = NS_OK;
    for (int64_t i = 0; i < w->list.count && rc == NS_OK; i++) {
        int64_t n;
        const char *const s = string_at(&w->list, i, &n);
        rc = put_bytes(w, &bytes, s, n);
    }
    if (rc == NS_OK)
        rc = put_lossy(w, bytes.s, bytes.n);
    ns_tok_list_free(&bytes);
    if (rc == NS_OK)
        rc = ns_tok_list_end(w, &w->list_next);
    if (rc == NS_OK)
        swap_lists(w);
    return rc;
}

static int hex(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* "<0x41>" is the byte 0x41; -1 for any other token. */
static int byte_token(const char *s, int64_t n)
{
    if (n != 6 || memcmp(s, "<0x", 3) != 0 || s[5] != '>' || hex(s[3]) < 0 || hex(s[4]) < 0)
        return -1;
    return hex(s[3]) << 4 | hex(s[4]);
}

/* A run of byte tokens is one string if it is UTF-8, else one U+FFFD for each. */
static int end_bytes(ns_tok_work *w, ns_tok_list *bytes)
{
    if (bytes->n == 0)
        return NS_OK;
    size_t bad;
    int rc = NS_OK;
    if (ns_utf8_valid(bytes->s, (size_t)bytes->n, &bad)) {
        rc = ns_tok_list_put(w, &w->list_next, bytes->s, bytes->n);
        if (rc == NS_OK)
            rc = ns_tok_list_end(w, &w->list_next);
    } else {
        for (int64_t i = 0; i < bytes->n && rc == NS_OK; i++) {
            rc = ns_tok_list_put(w, &w->list_next, REPLACEMENT, 3);
            if (rc == NS_OK)
                rc = ns_tok_list_end(w, &w->list_next);
        }
    }
    bytes->n = 0;
    return rc;
}

static int run_byte_fallback(ns_tok_work *w, const ns_tok_step *step)
{
    (void)step;
    ns_tok_list bytes = {0};
    int rc = NS_OK;
    for (int64_t i = 0; i < w->list.count && rc == NS_OK; i++) {
        int64_t n;
        const char *const s = string_at(&w->list, i, &n);
        const int byte = byte_token(s, n);
        if (byte >= 0) {
            const char text = (char)byte;
            rc = ns_tok_list_put(w, &bytes, &text, 1);
            continue;
        }
        rc = end_bytes(w, &bytes);
        if (rc == NS_OK)
            rc = ns_tok_list_put(w, &w->list_next, s, n);
        if (rc == NS_OK)
            rc = ns_tok_list_end(w, &w->list_next);
    }
    if (rc == NS_OK)
        rc = end_bytes(w, &bytes);
    ns_tok_list_free(&bytes);
    if (rc == NS_OK)
        swap_lists(w);
    return rc;
}

/* ---- the others ---- */

static int read_replace(ns_tok_step *step, const cJSON *json, const char *label, ns_error *err)
{
    const int rc = ns_tok_pattern_read(&step->pattern, json, label, err);
    return rc != NS_OK ? rc : ns_tok_read_content(step, json, "content", label, err);
}

static int replace(ns_tok_work *w, const ns_tok_step *step, int64_t i, const char *s, int64_t n)
{
    (void)i;
    if (n == 0)
        return NS_OK;
    int rc = ns_tok_find(w, &step->pattern, s, n);
    for (int64_t m = 0; m < w->matches.n && rc == NS_OK; m++) {
        const ns_tok_match match = w->matches.item[m];
        if (match.is_match)
            rc = ns_tok_list_put(w, &w->list_next, step->content, (int64_t)strlen(step->content));
        else
            rc = ns_tok_list_put(w, &w->list_next, s + match.begin, (int64_t)match.end - match.begin);
    }
    return rc;
}

static int run_replace(ns_tok_work *w, const ns_tok_step *step)
{
    return map_all(w, step, replace);
}

static int run_fuse(ns_tok_work *w, const ns_tok_step *step)
{
    (void)step;
    w->list.count = 0;
    return ns_tok_list_end(w, &w->list);
}

static int read_strip(ns_tok_step *step, const cJSON *json, const char *label, ns_error *err)
{
    int rc = ns_tok_read_content(step, json, "content", label, err);
    if (rc == NS_OK)
        rc = ns_json_i64(json, "start", 0, &step->start, label, err);
    return rc != NS_OK ? rc : ns_json_i64(json, "stop", 0, &step->stop, label, err);
}

/* Takes up to start and stop copies of one character off the ends. */
static int strip(ns_tok_work *w, const ns_tok_step *step, int64_t i, const char *s, int64_t n)
{
    (void)i;
    const int64_t size = (int64_t)strlen(step->content);
    int64_t begin = 0, end = n;
    for (int64_t k = 0; k < step->start && end - begin >= size && memcmp(s + begin, step->content, (size_t)size) == 0; k++)
        begin += size;
    for (int64_t k = 0; k < step->stop && end - begin >= size && memcmp(s + end - size, step->content, (size_t)size) == 0; k++)
        end -= size;
    return ns_tok_list_put(w, &w->list_next, s + begin, end - begin);
}

static int run_strip(ns_tok_work *w, const ns_tok_step *step)
{
    return *step->content ? map_all(w, step, strip) : NS_OK;
}

/* The mark becomes a space, but in the first token nothing: there it was prepended. */
static int unmark(ns_tok_work *w, const ns_tok_step *step, int64_t i, const char *s, int64_t n)
{
    const bool drop = i == 0 && step->behaviour != TOK_PREPEND_NEVER;
    int rc = NS_OK;
    for (int64_t at = 0; at < n && rc == NS_OK; ) {
        uint32_t code;
        const int size = ns_tok_next(s + at, &code);
        const bool mark = (size_t)size == step->pattern.n && memcmp(s + at, step->content, (size_t)size) == 0;
        if (!mark)
            rc = ns_tok_list_put(w, &w->list_next, s + at, size);
        else if (!drop)
            rc = ns_tok_list_put(w, &w->list_next, " ", 1);
        at += size;
    }
    return rc;
}

static int run_metaspace(ns_tok_work *w, const ns_tok_step *step)
{
    return map_all(w, step, unmark);
}

static int read_bpe(ns_tok_step *step, const cJSON *json, const char *label, ns_error *err)
{
    const int rc = ns_tok_read_content(step, json, "suffix", label, err);
    if (rc == NS_OK && !*step->content)
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: BPEDecoder with an empty suffix", label);
    return rc;
}

/* The suffix that ends a word becomes a space, at the very end nothing. */
static int unsuffix(ns_tok_work *w, const ns_tok_step *step, int64_t i, const char *s, int64_t n)
{
    const int64_t size = (int64_t)strlen(step->content);
    int rc = NS_OK;
    while (n > 0 && rc == NS_OK) {
        const char *const at = memmem(s, (size_t)n, step->content, (size_t)size);
        const int64_t before = at ? at - s : n;
        rc = ns_tok_list_put(w, &w->list_next, s, before);
        if (rc == NS_OK && at && i + 1 < w->list.count)
            rc = ns_tok_list_put(w, &w->list_next, " ", 1);
        const int64_t used = at ? before + size : n;
        s += used;
        n -= used;
    }
    return rc;
}

static int run_bpe(ns_tok_work *w, const ns_tok_step *step)
{
    return map_all(w, step, unsuffix);
}

static int read_wordpiece(ns_tok_step *step, const cJSON *json, const char *label, ns_error *err)
{
    const int rc = ns_tok_read_content(step, json, "prefix", label, err);
    return rc != NS_OK ? rc : ns_json_bool(json, "cleanup", true, &step->clean, label, err);
}

/* What has the prefix joins the token before it, all else stands apart. */
static int join(ns_tok_work *w, const ns_tok_step *step, int64_t i, const char *s, int64_t n)
{
    const int64_t size = (int64_t)strlen(step->content);
    const bool joined = n >= size && memcmp(s, step->content, (size_t)size) == 0;
    const int rc = i && !joined ? ns_tok_list_put(w, &w->list_next, " ", 1) : NS_OK;
    const int64_t skip = i && joined ? size : 0;
    return rc != NS_OK ? rc : ns_tok_list_put(w, &w->list_next, s + skip, n - skip);
}

/* The English of BERT's own clean-up, one after the other in every token. */
static int clean_up(ns_tok_work *w)
{
    static const char *const words[][2] = {
        {" .", "."}, {" ?", "?"}, {" !", "!"}, {" ,", ","}, {" ' ", "'"}, {" n't", "n't"}, {" 'm", "'m"}, {" do not", " don't"},
        {" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"},
    };
    int rc = NS_OK;
    for (size_t i = 0; i < sizeof words / sizeof *words && rc == NS_OK; i++) {
        ns_tok_step step = {.pattern = {.literal = (char *)(uintptr_t)words[i][0], .n = strlen(words[i][0])},
                            .content = (char *)(uintptr_t)words[i][1]};
        rc = run_replace(w, &step);
    }
    return rc;
}

static int run_wordpiece(ns_tok_work *w, const ns_tok_step *step)
{
    const int rc = map_all(w, step, join);
    return rc == NS_OK && step->clean ? clean_up(w) : rc;
}

static const ns_tok_kind kinds[] = {
    {"ByteLevel", NULL, run_byte_level},
    {"ByteFallback", NULL, run_byte_fallback},
    {"Replace", read_replace, run_replace},
    {"Fuse", NULL, run_fuse},
    {"Strip", read_strip, run_strip},
    {"Metaspace", ns_tok_read_metaspace, run_metaspace},
    {"BPEDecoder", read_bpe, run_bpe},
    {"WordPiece", read_wordpiece, run_wordpiece},
    {0},
};
const ns_tok_stage ns_tok_decoders = {"decoder", "decoders", kinds};

/* Leaves the text in w->list. Ids that are nowhere are passed over, as in `tokenizers`. */
int ns_tok_decode(ns_tok_work *w, const int32_t *ids, int64_t n, bool skip_special)
{
    const ns_tokenizer *const tok = w->tok;
    int rc = NS_OK;
    for (int64_t i = 0; i < n && rc == NS_OK; i++) {
        const char *const text = ns_token_text(tok, ids[i]);
        if (!text || (skip_special && ns_token_is_special(tok, ids[i])))
            continue;
        if (tok->decoder.n == 0 && w->list.count > 0)
            rc = ns_tok_list_put(w, &w->list, " ", 1);
        if (rc == NS_OK)
            rc = ns_tok_list_put(w, &w->list, text, (int64_t)strlen(text));
        if (rc == NS_OK)
            rc = ns_tok_list_end(w, &w->list);
    }
    return rc != NS_OK ? rc : ns_tok_steps_run(w, &tok->decoder);
}
