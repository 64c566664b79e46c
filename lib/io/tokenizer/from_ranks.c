/* from_ranks.c - a tiktoken vocabulary: a line each of a token's bytes in base64 and its rank, which is its id. How a text is cut is said
 * by a class; transformers (TikTokenConverter) takes that of cl100k where the class is none of its own.
 *
 * Merges are what the ranks mean: each token in every way in which it falls into two others, tokens by rank, the ways of one by the ranks
 * of the left part and of the right. */
#include <stdlib.h>
#include <string.h>

#include "io/tokenizer/sources.h"

#define FILE_LIMIT ((size_t)256 << 20)
#define STEPS ((int64_t)1 << 30)          /* bytes squared, as of a BPE by scores */

/* The value of a digit of base64; -1: it is none. */
static int digit_of(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *const at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/* n characters of base64, padded, as bytes; how many, or -1. */
static int64_t bytes_of(const char *code, size_t n, uint8_t *out)
{
    int64_t count = 0;
    const size_t pad = n >= 4 && code[n - 1] == '=' ? 1 + (code[n - 2] == '=') : 0;
    uint32_t bits = 0;
    if (n == 0 || n % 4)
        return -1;
    for (size_t i = 0; i < n; i++) {
        const int digit = i < n - pad ? digit_of(code[i]) : 0;
        if (digit < 0)
            return -1;
        bits = bits << 6 | (uint32_t)digit;
        if (i % 4 == 3)
            for (int k = 2; k >= 0; k--)
                out[count++] = (uint8_t)(bits >> 8 * k);
    }
    return count - (int64_t)pad;
}

/* "BASE64 RANK" -> the token in the alphabet of bytes, and its rank. */
typedef struct line { char *text; size_t n; int64_t rank; } line;

static bool read_line(line *l, const char *at, size_t n, uint8_t *bytes)
{
    enum { MOST_DIGITS = 9 };
    const char *const space = memchr(at, ' ', n), *const end = at + n;
    const int64_t count = space && space - at <= TOK_LONGEST ? bytes_of(at, (size_t)(space - at), bytes) : -1;
    const bool good = count > 0 && space + 1 < end && end - space - 1 <= MOST_DIGITS;
    l->rank = 0;
    for (const char *c = good ? space + 1 : end; c < end && l->rank >= 0; c++)
        l->rank = *c >= '0' && *c <= '9' ? 10 * l->rank + (*c - '0') : -1;
    l->n = 0;
    for (int64_t i = 0; i < count; i++)
        l->n += (size_t)ns_tok_byte_utf8(bytes[i], l->text + l->n);
    return good && l->rank >= 0 && l->rank < TOK_MOST;
}

/* Calls fn for every line that is not empty. */
typedef int (*line_fn)(void *user, const line *, int64_t number, const char *path, ns_error *);

static int each_line(const char *text, size_t n, line_fn fn, void *user, const char *path, ns_error *err)
{
    char letters[2 * TOK_LONGEST];
    uint8_t bytes[TOK_LONGEST];
    line l = {.text = letters};
    int rc = NS_OK;
    int64_t number = 1;
    for (const char *at = text, *const end = text + n; at < end && rc == NS_OK; number++) {
        const char *const newline = memchr(at, '\n', (size_t)(end - at)), *const stop = newline ? newline : end;
        const size_t length = (size_t)(stop - at) - (stop > at && stop[-1] == '\r');
        if (length && !read_line(&l, at, length, bytes))
            rc = ns_fail(err, NS_E_FORMAT, "%s: line %lld is not a token in base64, a space and its rank below %d", path,
                         (long long)number, TOK_MOST);
        else if (length)
            rc = fn(user, &l, number, path, err);
        at = newline ? newline + 1 : end;
    }
    return rc;
}

typedef struct extent { int64_t lines, ranks; } extent;        /* how many tokens, and the highest rank + 1 */

static int measure(void *user, const line *l, int64_t number, const char *path, ns_error *err)
{
    extent *const e = user;
    e->ranks = l->rank >= e->ranks ? l->rank + 1 : e->ranks;
    return ++e->lines <= TOK_MOST ? NS_OK : ns_fail(err, NS_E_UNSUPPORTED, "%s: line %lld: more than %d tokens (is it a vocabulary?)", path,
                                                    (long long)number, TOK_MOST);
}

static int add_token(void *vocab, const line *l, int64_t number, const char *path, ns_error *err)
{
    return ns_tok_vocab_find(vocab, l->text, l->n) < 0
               ? ns_tok_vocab_add(vocab, l->text, l->n, (int32_t)l->rank, path, err)
               : ns_fail(err, NS_E_FORMAT, "%s: the token of line %lld is there twice", path, (long long)number);
}

static int read_lines(ns_tok_vocab *v, const char *text, size_t n, const char *path, ns_error *err)
{
    extent e = {0};
    int rc = each_line(text, n, measure, &e, path, err);
    if (rc == NS_OK && e.lines == 0)
        return ns_fail(err, NS_E_FORMAT, "%s: no token", path);
    rc = rc != NS_OK ? rc : ns_tok_vocab_init(v, e.lines, e.ranks, path, err);
    return rc != NS_OK ? rc : each_line(text, n, add_token, v, path, err);
}

/* ---- merges ---- */

typedef struct way { int32_t left, right; int64_t at; } way;

static int by_parts(const void *a, const void *b)
{
    const way *const x = a, *const y = b;
    return x->left != y->left ? (x->left > y->left) - (x->left < y->left) : (x->right > y->right) - (x->right < y->right);
}

/* The ways in which a token falls into two, in their order; room: for one at each byte. */
static int64_t ways_of(const ns_tok_vocab *v, int64_t id, way *room)
{
    const char *const text = ns_tok_vocab_text(v, id);
    const int64_t n = v->length[id];
    int64_t count = 0;
    for (int64_t at = 1; at < n; at++) {
        if (((uint8_t)text[at] & 0xC0) == 0x80)             /* within a letter */
            continue;
        const int32_t left = ns_tok_vocab_find(v, text, (size_t)at);
        const int32_t right = left < 0 ? -1 : ns_tok_vocab_find(v, text + at, (size_t)(n - at));
        if (right >= 0)
            room[count++] = (way){left, right, at};
    }
    qsort(room, (size_t)count, sizeof *room, by_parts);
    return count;
}

static bool add_merge(cJSON *merges, const char *text, const way *w)
{
    char *const merge = ns_printf_alloc("%.*s %s", (int)w->at, text, text + w->at);
    const bool good = merge && ns_tok_append(merges, cJSON_CreateString(merge));
    free(merge);
    return good;
}

static int add_merges(cJSON *model, const ns_tok_vocab *v, const char *path, ns_error *err)
{
    cJSON *const merges = cJSON_AddArrayToObject(model, "merges");
    way *const room = ns_alloc_array(2 * TOK_LONGEST, sizeof *room);
    int64_t steps = STEPS, total = 0;
    int rc = merges && room ? NS_OK : ns_oom(err, path);
    for (int64_t id = 0; id < v->ids && rc == NS_OK; id++) {
        const char *const text = ns_tok_vocab_text(v, id);
        const int64_t n = text ? v->length[id] : 0;
        steps -= n * n;
        const int64_t count = steps >= 0 && n > 1 ? ways_of(v, id, room) : 0;
        total += count;
        if (steps < 0 || total > TOK_MOST)
            rc = ns_fail(err, NS_E_UNSUPPORTED, "%s: its tokens fall into others in more than %d ways, or in more than %lld steps (is the "
                         "file damaged?)", path, TOK_MOST, (long long)STEPS);
        for (int64_t i = 0; i < count && rc == NS_OK; i++)
            rc = add_merge(merges, text, &room[i]) ? NS_OK : ns_oom(err, path);
    }
    free(room);
    return rc;
}

/* ---- all of it ---- */

static bool add_steps(cJSON *json)
{
    cJSON *const list = ns_tok_add_sequence(json, "pre_tokenizer", "pretokenizers");
    cJSON *const split = list ? ns_tok_append(list, ns_tok_typed("Split")) : NULL;
    cJSON *const after = ns_tok_add_typed(json, "post_processor", "ByteLevel");
    return split && after && ns_tok_add_pattern(split, "Regex", TOK_CL100K) && cJSON_AddStringToObject(split, "behavior", "Isolated") &&
           cJSON_AddFalseToObject(split, "invert") && ns_tok_add_byte_level(list, false, false) &&
           cJSON_AddFalseToObject(after, "trim_offsets") && ns_tok_add_typed(json, "decoder", "ByteLevel");
}

static int add_vocabulary(cJSON *model, const ns_tok_vocab *v, const char *path, ns_error *err)
{
    cJSON *const vocab = cJSON_AddObjectToObject(model, "vocab");
    bool good = vocab && cJSON_AddTrueToObject(model, "ignore_merges");
    for (int64_t id = 0; id < v->ids && good; id++)
        good = !ns_tok_vocab_text(v, id) || cJSON_AddNumberToObject(vocab, ns_tok_vocab_text(v, id), (double)id);
    return good ? NS_OK : ns_oom(err, path);
}

int ns_tok_from_ranks(const ns_tok_neighbours *n, const char *path, cJSON **json, ns_error *err)
{
    (void)n;
    char *text = NULL;
    size_t size = 0;
    ns_tok_vocab v = {0};
    int rc = ns_file_read(path, FILE_LIMIT, &text, &size, err);
    *json = rc == NS_OK ? cJSON_CreateObject() : NULL;
    cJSON *const model = ns_tok_add_typed(*json, "model", "BPE");
    rc = rc != NS_OK ? rc : read_lines(&v, text, size, path, err);
    if (rc == NS_OK && !(model && add_steps(*json)))
        rc = ns_oom(err, path);
    rc = rc != NS_OK ? rc : add_vocabulary(model, &v, path, err);
    rc = rc != NS_OK ? rc : add_merges(model, &v, path, err);
    ns_tok_vocab_free(&v);
    free(text);
    return rc;
}

bool ns_tok_is_ranks(const char *path)
{
    enum { LEAD = 512 };
    char lead[LEAD];
    uint8_t bytes[LEAD];
    char letters[2 * LEAD];
    line l = {.text = letters};
    ns_input in = {0};
    bool good = ns_input_open(&in, path, NULL) == NS_OK;
    const size_t n = good && (size_t)in.size < LEAD ? (size_t)in.size : LEAD;
    good = good && ns_input_read(&in, 0, lead, n, path, NULL) == NS_OK;
    ns_input_close(&in);
    const char *const newline = good ? memchr(lead, '\n', n) : NULL;
    return newline && read_line(&l, lead, (size_t)(newline - lead) - (newline > lead && newline[-1] == '\r'), bytes);
}
