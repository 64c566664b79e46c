/* normalize.c - the normalizers. Each reads w->part and writes w->part_next, character by character, and keeps for every byte the
 * original bytes it stands for. The bookkeeping is `tokenizers`': a new string is a list of (character, change), where change is
 *    0: it takes the place of the next old character    1: it is inserted after the last one    -n: as 0, and n more are dropped,
 * so that "e" + U+0301 composed to U+00E9 stands for the "e" alone. */
#include <string.h>
#include <utf8proc.h>

#include "io/tokenizer/tok.h"

/* Writes one character; *at is the byte of w->part that is replaced next. */
static int put_char(ns_tok_work *w, int64_t *at, int32_t code, int change)
{
    const ns_tok_text *const part = &w->part;
    const ns_tok_span from = change > 0 && *at > 0 ? part->from[*at - 1] : part->from[*at < part->n ? *at : part->n - 1];
    char text[4];
    const int rc = ns_tok_text_put(w, &w->part_next, text, ns_utf8_put(text, (uint32_t)code), from);
    for (int skip = 1 - change; skip > 0 && *at < part->n; skip--) {
        uint32_t old;
        *at += ns_tok_next(part->s + *at, &old);
    }
    return rc;
}

static void swap_part(ns_tok_work *w)
{
    const ns_tok_text part = w->part;
    w->part = w->part_next;
    w->part_next = part;
    w->part_next.n = 0;
}

static int push(ns_tok_work *w, ns_tok_char c)
{
    if (!ns_tok_grow(&w->chars, &w->chars_capacity, w->chars_n + 1, sizeof *w->chars))
        return ns_oom(w->err, "a normal form");
    w->chars[w->chars_n++] = c;
    return NS_OK;
}

int ns_tok_char_push(ns_tok_work *w, int32_t code, int32_t change)
{
    return push(w, (ns_tok_char){code, change, 0});
}

int ns_tok_chars_apply(ns_tok_work *w)
{
    int rc = NS_OK;
    int64_t at = 0;
    for (int64_t i = 0; i < w->chars_n && rc == NS_OK; i++)
        if (w->chars[i].code >= 0)
            rc = put_char(w, &at, w->chars[i].code, w->chars[i].change);
    if (rc == NS_OK)
        swap_part(w);
    return rc;
}

/* ---- Unicode normal forms ---- */

static bool all_below(const ns_tok_text *t, uint8_t lead)
{
    for (int64_t i = 0; i < t->n; i++)
        if ((uint8_t)t->s[i] >= lead)
            return false;
    return true;
}

/* A stable sort of the marks in [begin, end) by combining class: runs are short, but a hostile one must not be quadratic. */
static int order_marks(ns_tok_work *w, int64_t begin, int64_t end)
{
    const int64_t n = end - begin;
    for (int64_t i = begin + 1; i < end && n <= 32; i++) {
        const ns_tok_char c = w->chars[i];
        int64_t j = i;
        for (; j > begin && w->chars[j - 1].combining > c.combining; j--)
            w->chars[j] = w->chars[j - 1];
        w->chars[j] = c;
    }
    if (n <= 32)
        return NS_OK;
    if (!ns_tok_grow(&w->chars, &w->chars_capacity, w->chars_n + n, sizeof *w->chars))
        return ns_oom(w->err, "a normal form");
    ns_tok_char *const copy = w->chars + w->chars_n;   /* a counting sort through the room after the last character */
    memcpy(copy, w->chars + begin, (size_t)n * sizeof *copy);
    int64_t place[257] = {0};
    for (int64_t i = 0; i < n; i++)
        place[copy[i].combining + 1]++;
    for (int i = 1; i < 257; i++)
        place[i] += place[i - 1];
    for (int64_t i = 0; i < n; i++)
        w->chars[begin + place[copy[i].combining]++] = copy[i];
    return NS_OK;
}

/* w->chars = the canonically ordered decomposition of w->part. */
static int decompose(ns_tok_work *w, bool compatible)
{
    const utf8proc_option_t options = UTF8PROC_DECOMPOSE | (compatible ? UTF8PROC_COMPAT : 0);
    w->chars_n = 0;
    int64_t marks = 0;   /* where the current run of marks begins */
    int rc = NS_OK;
    for (int64_t at = 0; at < w->part.n && rc == NS_OK; ) {
        uint32_t code;
        at += ns_tok_next(w->part.s + at, &code);
        utf8proc_int32_t made[32];   /* the longest decomposition has 18 */
        int bounds = 0;
        const utf8proc_ssize_t n = utf8proc_decompose_char((utf8proc_int32_t)code, made, 32, options, &bounds);
        if (n < 0 || n > 32)
            return ns_fail(w->err, NS_E_INTERNAL, "the decomposition of U+%04X: %s", code, n < 0 ? utf8proc_errmsg(n) : "too long");
        for (int i = 0; i < n && rc == NS_OK; i++) {
            const uint8_t combining = (uint8_t)utf8proc_get_property(made[i])->combining_class;
            if (combining == 0) {
                rc = order_marks(w, marks, w->chars_n);
                marks = w->chars_n + 1;
            }
            if (rc == NS_OK)
                rc = push(w, (ns_tok_char){made[i], i > 0, combining});
        }
    }
    return rc == NS_OK ? order_marks(w, marks, w->chars_n) : rc;
}

/* The primary composite of two characters, or -1. */
static int32_t composed(int32_t first, int32_t second)
{
    if (second < 0x300)   /* nothing below is the second of a pair */
        return -1;
    utf8proc_int32_t pair[2] = {first, second};
    return utf8proc_normalize_utf32(pair, 2, UTF8PROC_COMPOSE | UTF8PROC_STABLE) == 1 ? pair[0] : -1;
}

/* Canonical composition of one run [begin, end): a starter and what follows it up to the next starter that does not join it.
 * Joined characters are marked by code -1, and the starter's change counts them. Returns where the next run begins. */
static int64_t compose_run(ns_tok_char *chars, int64_t begin, int64_t end)
{
    ns_tok_char *const starter = &chars[begin];
    int last = -1;   /* the class of the last mark left standing */
    for (int64_t i = begin + 1; i < end; i++) {
        ns_tok_char *const c = &chars[i];
        const bool blocked = last >= c->combining;
        const int32_t joined = blocked ? -1 : composed(starter->code, c->code);
        if (joined >= 0) {
            starter->code = joined;
            starter->change += c->change - 1;
            c->code = -1;
        } else if (c->combining == 0) {
            return i;
        } else {
            last = c->combining;
        }
    }
    return end;
}

static int normal_form(ns_tok_work *w, bool compatible, bool compose)
{
    /* Lead bytes below 0xCC begin characters below U+0300, all of which are in NFC. ASCII is in every form. */
    if (all_below(&w->part, compose && !compatible ? 0xCC : 0x80))
        return NS_OK;
    int rc = decompose(w, compatible);
    for (int64_t i = 0; compose && rc == NS_OK && i < w->chars_n; )
        i = w->chars[i].combining ? i + 1 : compose_run(w->chars, i, w->chars_n);
    return rc != NS_OK ? rc : ns_tok_chars_apply(w);
}

static int run_nfc(ns_tok_work *w, const ns_tok_step *step)  { (void)step; return normal_form(w, false, true); }
int ns_tok_run_nfd(ns_tok_work *w, const ns_tok_step *step)  { (void)step; return normal_form(w, false, false); }
static int run_nfkc(ns_tok_work *w, const ns_tok_step *step) { (void)step; return normal_form(w, true, true); }
static int run_nfkd(ns_tok_work *w, const ns_tok_step *step) { (void)step; return normal_form(w, true, false); }

/* ---- the others ---- */

int ns_tok_run_lowercase(ns_tok_work *w, const ns_tok_step *step)
{
    (void)step;
    int rc = NS_OK;
    for (int64_t at = 0; at < w->part.n && rc == NS_OK; ) {
        uint32_t code;
        ns_tok_next(w->part.s + at, &code);
        const int32_t lower = code == 0x130 ? 'i' : utf8proc_tolower((utf8proc_int32_t)code);
        rc = put_char(w, &at, lower, 0);
        if (rc == NS_OK && code == 0x130)   /* the only character whose lower case is two */
            rc = put_char(w, &at, 0x307, 1);
    }
    if (rc == NS_OK)
        swap_part(w);
    return rc;
}

int ns_tok_keep_chars(ns_tok_work *w, bool (*keep)(uint32_t code))
{
    int rc = NS_OK;
    for (int64_t at = 0; at < w->part.n && rc == NS_OK; ) {
        uint32_t code;
        const int n = ns_tok_next(w->part.s + at, &code);
        if (keep(code))
            rc = ns_tok_text_copy(w, &w->part_next, &w->part, at, at + n);
        at += n;
    }
    if (rc == NS_OK)
        swap_part(w);
    return rc;
}

static bool is_no_mark(uint32_t code)
{
    return !ns_tok_is_mark(code);
}

static int run_strip_accents(ns_tok_work *w, const ns_tok_step *step)
{
    (void)step;
    return ns_tok_keep_chars(w, is_no_mark);
}

static int read_strip(ns_tok_step *step, const cJSON *json, const char *label, ns_error *err)
{
    const int rc = ns_json_bool(json, "strip_left", true, &step->left, label, err);
    return rc != NS_OK ? rc : ns_json_bool(json, "strip_right", true, &step->right, label, err);
}

static int run_strip(ns_tok_work *w, const ns_tok_step *step)
{
    int64_t begin = 0, end = w->part.n;
    uint32_t code;
    while (step->left && begin < end) {
        const int n = ns_tok_next(w->part.s + begin, &code);
        if (!ns_tok_is_space(code))
            break;
        begin += n;
    }
    while (step->right && end > begin) {
        const int n = ns_tok_char_before(w->part.s, end, &code);
        if (!ns_tok_is_space(code))
            break;
        end -= n;
    }
    const int rc = ns_tok_text_copy(w, &w->part_next, &w->part, begin, end);
    if (rc == NS_OK)
        swap_part(w);
    return rc;
}

static int read_prepend(ns_tok_step *step, const cJSON *json, const char *label, ns_error *err)
{
    return ns_tok_read_content(step, json, "prepend", label, err);
}

static int run_prepend(ns_tok_work *w, const ns_tok_step *step)
{
    if (w->part.n == 0)
        return NS_OK;
    int rc = ns_tok_text_put(w, &w->part_next, step->content, (int64_t)strlen(step->content), w->part.from[0]);
    if (rc == NS_OK)
        rc = ns_tok_text_copy(w, &w->part_next, &w->part, 0, w->part.n);
    if (rc == NS_OK)
        swap_part(w);
    return rc;
}

static int read_replace(ns_tok_step *step, const cJSON *json, const char *label, ns_error *err)
{
    const int rc = ns_tok_pattern_read(&step->pattern, json, label, err);
    return rc != NS_OK ? rc : ns_tok_read_content(step, json, "content", label, err);
}

/* A replacement stands for the last character it replaces. */
static int run_replace(ns_tok_work *w, const ns_tok_step *step)
{
    if (w->part.n == 0)
        return NS_OK;
    const int64_t n = (int64_t)strlen(step->content);
    int rc = ns_tok_find(w, &step->pattern, w->part.s, w->part.n);
    for (int64_t i = 0; i < w->matches.n && rc == NS_OK; i++) {
        const ns_tok_match m = w->matches.item[i];
        const ns_tok_span here = w->part.from[0];
        if (!m.is_match)
            rc = ns_tok_text_copy(w, &w->part_next, &w->part, m.begin, m.end);
        else
            rc = ns_tok_text_put(w, &w->part_next, step->content, n,
                                 m.end ? w->part.from[m.end - 1] : (ns_tok_span){here.begin, here.begin});
    }
    if (rc == NS_OK)
        swap_part(w);
    return rc;
}

static int run_byte_level(ns_tok_work *w, const ns_tok_step *step)
{
    (void)step;
    int rc = NS_OK;
    for (int64_t at = 0; at < w->part.n && rc == NS_OK; at++) {
        char text[2];
        const int n = ns_tok_byte_utf8((uint8_t)w->part.s[at], text);
        rc = ns_tok_text_put(w, &w->part_next, text, n, w->part.from[at]);
    }
    if (rc == NS_OK)
        swap_part(w);
    return rc;
}

int ns_tok_normalize_part(ns_tok_work *w)
{
    w->part_next.n = 0;
    return ns_tok_steps_run(w, &w->tok->normalizer);
}

static const ns_tok_kind kinds[] = {
    {"NFC", NULL, run_nfc},
    {"NFD", NULL, ns_tok_run_nfd},
    {"NFKC", NULL, run_nfkc},
    {"NFKD", NULL, run_nfkd},
    {"Lowercase", NULL, ns_tok_run_lowercase},
    {"StripAccents", NULL, run_strip_accents},
    {"Strip", read_strip, run_strip},
    {"Prepend", read_prepend, run_prepend},
    {"Replace", read_replace, run_replace},
    {"ByteLevel", NULL, run_byte_level},
    {"BertNormalizer", ns_tok_read_bert, ns_tok_run_bert},
    {"Nmt", NULL, ns_tok_run_nmt},
    {"Precompiled", ns_tok_read_precompiled, ns_tok_run_precompiled},
    {0},
};
const ns_tok_stage ns_tok_normalizers = {"normalizer", "normalizers", kinds};
