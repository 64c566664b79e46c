/* regex.c - finds a pattern in a piece of text, all matches and what lies between them. Patterns come from untrusted files: a text has one
 * budget of steps over all its patterns, and what exceeds it is an error, soon.
 *
 * PCRE2 says when a start of a match took more steps than a limit, not how many it took. So the limit is small: what passes is linear in
 * the text. Where it does not, the rest of the piece is searched start by start, and a start that needs more gets twice as much, again and
 * again, and pays for it.
 *
 * What PCRE2 does not count is how far a start looks: (?=.*b) reads to the end of the text in one step. So only so many starts are tried in
 * one call that a call is soon over, and between calls there is the clock (ns_tok_is_late). */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>
#include <string.h>

#include "io/tokenizer/tok.h"

struct ns_tok_regex {
    pcre2_code *code;
    char       *pattern;
    double      weight;                  /* how often a start that takes few steps may read the text, about */
};

enum { FEW_STEPS = 256 };

struct ns_tok_matcher {
    pcre2_match_data    *data;
    const PCRE2_SIZE    *where;          /* of it: begin and end of the match */
    pcre2_match_context *context;
    pcre2_jit_stack     *stack;          /* made when the 32 KiB that JIT code has without it do not suffice */
    int64_t              starts;         /* in one call, of the piece and the pattern at work */
    int64_t              limit, last;    /* as the context has them */
};

static void pcre_message(int code, char *out, size_t n)
{
    if (pcre2_get_error_message(code, (PCRE2_UCHAR *)out, n) < 0)
        out[0] = '\0';
}

static int compile(struct ns_tok_regex *regex, const char *translated, const char *pattern, const char *label, ns_error *err)
{
    pcre2_compile_context *const context = pcre2_compile_context_create(NULL);
    if (!context)
        return ns_oom(err, label);
    pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    pcre2_set_parens_nest_limit(context, 100);
    int code;
    PCRE2_SIZE offset;
    regex->code = pcre2_compile((PCRE2_SPTR)translated, PCRE2_ZERO_TERMINATED,
                                PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C | PCRE2_USE_OFFSET_LIMIT, &code,
                                &offset, context);
    pcre2_compile_context_free(context);
    if (!regex->code && code == PCRE2_ERROR_HEAP_FAILED)
        return ns_oom(err, label);
    if (!regex->code) {
        char why[128];
        pcre_message(code, why, sizeof why);
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: the pattern '%.200s' does not compile: %s", label, pattern, why);
    }
    size_t size = 0;
    (void)pcre2_pattern_info(regex->code, PCRE2_INFO_SIZE, &size);
    regex->weight = 1 + (double)size / 64;
    (void)pcre2_jit_compile(regex->code, PCRE2_JIT_COMPLETE);   /* without JIT the interpreter gives the same matches */
    return NS_OK;
}

int ns_tok_regex_new(struct ns_tok_regex **out, const char *pattern, const char *label, ns_error *err)
{
    *out = NULL;
    char *translated;
    int rc = ns_tok_regex_translate(&translated, pattern, label, err);
    if (rc != NS_OK)
        return rc;
    struct ns_tok_regex *const regex = calloc(1, sizeof *regex);
    rc = regex && (regex->pattern = ns_strdup(pattern)) ? compile(regex, translated, pattern, label, err) : ns_oom(err, label);
    free(translated);
    if (rc != NS_OK)
        ns_tok_regex_free(regex);
    else
        *out = regex;
    return rc;
}

void ns_tok_regex_free(struct ns_tok_regex *regex)
{
    if (!regex)
        return;
    pcre2_code_free(regex->code);
    free(regex->pattern);
    free(regex);
}

void ns_tok_matcher_free(struct ns_tok_matcher *matcher)
{
    if (!matcher)
        return;
    pcre2_match_data_free(matcher->data);
    pcre2_match_context_free(matcher->context);
    pcre2_jit_stack_free(matcher->stack);
    free(matcher);
}

static int matcher_new(ns_tok_work *w)
{
    struct ns_tok_matcher *const matcher = calloc(1, sizeof *matcher);
    if (!matcher)
        return ns_oom(w->err, "the pattern matcher");
    w->matcher = matcher;
    matcher->data = pcre2_match_data_create(1, NULL);
    matcher->context = pcre2_match_context_create(NULL);
    if (!matcher->data || !matcher->context)
        return ns_oom(w->err, "the pattern matcher");
    pcre2_set_heap_limit(matcher->context, 256 * 1024);    /* KiB */
    matcher->where = pcre2_get_ovector_pointer(matcher->data);
    matcher->last = -1;
    return NS_OK;
}

/* A word is a call: what does not change is not set again. */
static void set_limits(struct ns_tok_matcher *m, int64_t limit, int64_t last)
{
    if (limit != m->limit)
        pcre2_set_match_limit(m->context, limit < UINT32_MAX ? (uint32_t)limit : UINT32_MAX);
    if (last != m->last)
        pcre2_set_offset_limit(m->context, (PCRE2_SIZE)last);
    m->limit = limit;
    m->last = last;
}

/* One call of PCRE2: its code. last: the last place where a match may begin. */
static int match(ns_tok_work *w, const struct ns_tok_regex *regex, const char *s, int64_t n, int64_t start, int64_t last, int64_t limit)
{
    struct ns_tok_matcher *const m = w->matcher;
    set_limits(m, limit, last);
    int rc = pcre2_match(regex->code, (PCRE2_SPTR)s, (PCRE2_SIZE)n, (PCRE2_SIZE)start, PCRE2_NO_UTF_CHECK, m->data, m->context);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT && !m->stack) {
        m->stack = pcre2_jit_stack_create(32 * 1024, 64 * 1024 * 1024, NULL);
        if (!m->stack)
            return PCRE2_ERROR_NOMEMORY;
        pcre2_jit_stack_assign(m->context, NULL, m->stack);
        rc = pcre2_match(regex->code, (PCRE2_SPTR)s, (PCRE2_SIZE)n, (PCRE2_SIZE)start, PCRE2_NO_UTF_CHECK, m->data, m->context);
    }
    return rc;
}

static int give_up(ns_tok_work *w, const struct ns_tok_regex *regex, int64_t n, const char *why)
{
    return ns_fail(w->err, NS_E_UNSUPPORTED,
                   "%s: the pattern '%.100s' gave up on %lld bytes of text: %s (tokenize this text elsewhere and give ids)", w->tok->path,
                   regex->pattern, (long long)n, why);
}

static int pay(ns_tok_work *w, const struct ns_tok_regex *regex, int64_t n, int64_t steps)
{
    w->steps -= steps;
    return w->steps >= 0 ? NS_OK : give_up(w, regex, n, "the steps that a text has were used up");
}

/* So many tries, each of which reads the text from start on so many times at worst. */
static int watch(ns_tok_work *w, const struct ns_tok_regex *regex, int64_t n, int64_t start, double tries, double reads)
{
    const bool late = ns_tok_is_late(w, tries * reads * (double)(n - start + 1));
    return late ? give_up(w, regex, n, "the processor time that a text has was used up") : NS_OK;
}

/* A match that begins at start, as far as the budget goes. *code as PCRE2 has it. */
static int match_here(ns_tok_work *w, const struct ns_tok_regex *regex, const char *s, int64_t n, int64_t start, int *code)
{
    int rc = NS_OK;
    *code = match(w, regex, s, n, start, start, FEW_STEPS);
    for (int64_t limit = 2 * FEW_STEPS; rc == NS_OK && *code == PCRE2_ERROR_MATCHLIMIT; limit *= 2) {
        rc = pay(w, regex, n, limit);
        rc = rc != NS_OK ? rc : watch(w, regex, n, start, 1, (double)limit);
        *code = rc != NS_OK ? *code : match(w, regex, s, n, start, start, limit);
    }
    return rc;
}

/* The first match at or after start, one start at a time. */
static int match_careful(ns_tok_work *w, const struct ns_tok_regex *regex, const char *s, int64_t n, int64_t start, int *code)
{
    uint32_t unused;
    int rc = NS_OK;
    *code = PCRE2_ERROR_NOMATCH;
    for (int64_t at = start; at <= n && rc == NS_OK && *code == PCRE2_ERROR_NOMATCH; at += at < n ? ns_tok_next(s + at, &unused) : 1)
        rc = (rc = watch(w, regex, n, at, 1, regex->weight)) != NS_OK ? rc : match_here(w, regex, s, n, at, code);
    return rc;
}

/* The last of so many starts from at on; not within a character. */
static int64_t end_of_block(const char *s, int64_t n, int64_t at, int64_t starts)
{
    int64_t last = at + starts < n ? at + starts : n;
    while (last + 1 < n && ((uint8_t)s[last + 1] & 0xC0) == 0x80)
        last++;
    return last;
}

/* The same, many starts in one call, as long as none needs more than a few steps. A block of starts serves the words in it: its end is told
 * to PCRE2 once. */
static int match_quick(ns_tok_work *w, const struct ns_tok_regex *regex, const char *s, int64_t n, int64_t start, int *code)
{
    int rc = NS_OK;
    *code = PCRE2_ERROR_NOMATCH;
    for (int64_t at = start, last; at <= n && rc == NS_OK && *code == PCRE2_ERROR_NOMATCH; at = last + 1) {
        last = w->matcher->last >= at ? w->matcher->last : end_of_block(s, n, at, w->matcher->starts);
        *code = match(w, regex, s, n, at, last, FEW_STEPS);
        const int64_t tried = *code < 0 ? last - at + 1 : 1 + (int64_t)w->matcher->where[0] - at;
        rc = watch(w, regex, n, at, (double)tried, regex->weight);
    }
    return rc;
}

/* 1 and the first match at or after start; 0: none; < 0: an error. *careful: one start at a time from here on. */
static int search(ns_tok_work *w, const struct ns_tok_regex *regex, const char *s, int64_t n, int64_t start, bool *careful,
                  int64_t *begin, int64_t *end)
{
    int code = PCRE2_ERROR_MATCHLIMIT, rc = *careful ? NS_OK : match_quick(w, regex, s, n, start, &code);
    *careful = code == PCRE2_ERROR_MATCHLIMIT;
    if (*careful && rc == NS_OK)
        rc = match_careful(w, regex, s, n, start, &code);
    const PCRE2_SIZE *const where = w->matcher->where;
    if (rc == NS_OK)
        rc = pay(w, regex, n, 1 + (code >= 0 ? (int64_t)where[1] : n) - start);
    if (rc != NS_OK || code == PCRE2_ERROR_NOMATCH)
        return rc;
    if (code == PCRE2_ERROR_NOMEMORY)
        return ns_oom(w->err, "the stack of a pattern");
    if (code < 0 || where[0] < (PCRE2_SIZE)start || where[1] < where[0]) {
        char why[128] = "a match that ends before it begins";
        if (code < 0)
            pcre_message(code, why, sizeof why);
        return give_up(w, regex, n, why);
    }
    *begin = (int64_t)where[0];
    *end = (int64_t)where[1];
    return 1;
}

static int put_match(ns_tok_work *w, int64_t *last, int64_t begin, int64_t end)
{
    const int rc = *last < begin ? ns_tok_match_put(w, *last, begin, false) : NS_OK;
    *last = end;
    return rc != NS_OK ? rc : ns_tok_match_put(w, begin, end, true);
}

static void begin_piece(struct ns_tok_matcher *m, const struct ns_tok_regex *regex, int64_t n)
{
    const double most = TOK_UNSEEN / (regex->weight * (double)(n + 1));
    m->starts = most < 16 ? 16 : most < 4096 ? (int64_t)most : 4096;
    m->last = -1;
}

/* The iterator of the Rust crate onig: an empty match counts, but not right after another match. */
int ns_tok_find_regex(ns_tok_work *w, const struct ns_tok_regex *regex, const char *s, int64_t n)
{
    w->matches.n = 0;
    int rc = w->matcher ? NS_OK : matcher_new(w);
    if (rc == NS_OK)
        begin_piece(w->matcher, regex, n);
    int64_t last = 0, from = 0, last_match = -1;
    bool careful = false;
    while (rc == NS_OK && from <= n) {
        int64_t begin = 0, end = 0;
        const int found = search(w, regex, s, n, from, &careful, &begin, &end);
        if (found <= 0) {
            rc = found;
            break;
        }
        if (begin == end && end == last_match) {
            uint32_t code;
            from += from < n ? ns_tok_next(s + from, &code) : 1;
            continue;
        }
        from = last_match = end;
        rc = put_match(w, &last, begin, end);
    }
    return rc == NS_OK && last < n ? ns_tok_match_put(w, last, n, false) : rc;
}

static int find_literal(ns_tok_work *w, const ns_tok_pattern *pattern, const char *s, int64_t n)
{
    w->matches.n = 0;
    int rc = NS_OK;
    int64_t last = 0;
    while (rc == NS_OK) {
        const char *const at = memmem(s + last, (size_t)(n - last), pattern->literal, pattern->n);
        if (!at)
            break;
        rc = put_match(w, &last, at - s, at - s + (int64_t)pattern->n);
    }
    return rc == NS_OK && last < n ? ns_tok_match_put(w, last, n, false) : rc;
}

int ns_tok_find(ns_tok_work *w, const ns_tok_pattern *pattern, const char *s, int64_t n)
{
    return pattern->regex ? ns_tok_find_regex(w, pattern->regex, s, n) : find_literal(w, pattern, s, n);
}

/* Every character that is(...) is a match of its own. */
int ns_tok_find_chars(ns_tok_work *w, bool (*is)(uint32_t code), const char *s, int64_t n)
{
    w->matches.n = 0;
    int rc = NS_OK;
    int64_t last = 0;
    for (int64_t at = 0; at < n && rc == NS_OK; ) {
        uint32_t code;
        const int size = ns_tok_next(s + at, &code);
        if (is(code))
            rc = put_match(w, &last, at, at + size);
        at += size;
    }
    return rc == NS_OK && last < n ? ns_tok_match_put(w, last, n, false) : rc;
}
