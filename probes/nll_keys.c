/* nll_keys.c - key tokens of LongPPL: intervals of characters from a file or to one, a line a text: "[a, b];[c, d]", ascending. */
#include "nll.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_LINE = 1 << 26 };
static const double MORE = 2, BELOW = 2; /* loss_short - loss > 2, loss < 2 */

typedef struct interval {
    int64_t begin, end;
} interval;
typedef struct intervals {
    interval *list;
    int64_t n, capacity;
} intervals;

/* ---- reading ---- */

static bool read_whole(char **at, int64_t *out)
{
    char *end;
    if (**at < '0' || **at > '9')
        return false;
    *out = strtoll(*at, &end, 10);
    *at = end;
    return *out < (int64_t)1 << 40;
}

static bool read_mark(char **at, const char *mark)
{
    const size_t n = strlen(mark);
    if (strncmp(*at, mark, n) != 0)
        return false;
    *at += n;
    *at += strspn(*at, " ");
    return true;
}

/* "[a, b];[c, d]" or nothing. */
static bool parse(char *line, intervals *out, bool *memory)
{
    char *at = line + strspn(line, " ");
    out->n = 0;
    while (*at && *at != '\r') {
        interval i;
        if (!(read_mark(&at, "[") && read_whole(&at, &i.begin) && read_mark(&at, ",") && read_whole(&at, &i.end) && read_mark(&at, "]")))
            return false;
        if (*at && *at != '\r' && !read_mark(&at, ";"))
            return false;
        if (!(*memory = ns_grow(&out->list, &out->capacity, out->n + 1, sizeof *out->list)))
            return false;
        out->list[out->n++] = i;
    }
    return true;
}

static int64_t characters(const char *text)
{
    int64_t n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static int check(const intervals *all, const ns_nll_text *t, const char *where, ns_error *err)
{
    const int64_t n = characters(t->c->text);
    for (int64_t i = 0; i < all->n; i++) {
        const interval k = all->list[i];
        if (k.end < k.begin || (i && k.begin < all->list[i - 1].begin))
            return ns_fail(err, NS_E_FORMAT, "%s: interval [%lld, %lld] ends before it begins, or begins before the one before it", where,
                           (long long)k.begin, (long long)k.end);
        if (k.end > n)
            return ns_fail(err, NS_E_FORMAT,
                           "%s: interval [%lld, %lld] lies beyond text '%.100s', which has %lld characters (are the lines "
                           "those of these texts, in their order?)",
                           where, (long long)k.begin, (long long)k.end, t->c->id, (long long)n);
    }
    return NS_OK;
}

/* Tokens and intervals ascend: of the intervals that begin at or before a token the farthest end decides. */
static int mark(ns_nll_text *t, const intervals *all, ns_error *err)
{
    int64_t k = 0, end = -1;
    t->key = ns_alloc_array((size_t)t->n, sizeof *t->key);
    if (!t->key)
        return ns_oom(err, "key tokens");
    for (int64_t i = 0; i < t->n; i++) {
        for (; k < all->n && all->list[k].begin <= t->begin[i]; k++)
            end = all->list[k].end > end ? all->list[k].end : end;
        t->key[i] = t->end[i] <= end;
    }
    return NS_OK;
}

static int read_line(ns_nll_text *t, char *line, intervals *all, const char *path, int64_t number, ns_error *err)
{
    bool memory = true;
    char *const where = ns_printf_alloc("%s: line %lld", path, (long long)number);
    int rc = where ? NS_OK : ns_oom(err, path);
    if (rc == NS_OK && !parse(line, all, &memory))
        rc = memory ? ns_fail(err, NS_E_FORMAT, "%s: is not \"[a, b];[c, d]\": intervals of characters", where) : ns_oom(err, path);
    rc = rc != NS_OK ? rc : check(all, t, where, err);
    free(where);
    return rc != NS_OK ? rc : mark(t, all, err);
}

/* A last line without anything is that of a text without keys, or the end of the file. */
static int read_all(ns_nll *r, ns_lines *lines, intervals *all, const char *path, ns_error *err)
{
    char *line;
    size_t n;
    int64_t done = 0;
    int rc;
    while ((rc = ns_lines_next(lines, LONGEST_LINE, &line, &n, err)) == 1) {
        if (strlen(line) != n)
            return ns_fail(err, NS_E_FORMAT, "%s: line %lld: is no text", path, (long long)lines->number);
        if (done == r->n && n == 0)
            continue;
        if (done == r->n)
            return ns_fail(err, NS_E_FORMAT, "%s: line %lld: there are %lld texts, and a line is of one", path, (long long)lines->number,
                           (long long)r->n);
        rc = read_line(&r->list[done++], line, all, path, lines->number, err);
        if (rc != NS_OK)
            return rc;
    }
    if (rc == NS_OK && done < r->n)
        rc = ns_fail(err, NS_E_FORMAT, "%s: has %lld line%s for %lld texts (a text without key tokens has an empty one)", path,
                     (long long)done, ns_plural(done), (long long)r->n);
    return rc;
}

int ns_nll_read_keys(ns_nll *r, const char *path, ns_error *err)
{
    ns_lines lines;
    intervals all = {0};
    int rc = ns_lines_open(&lines, path, err);
    rc = rc != NS_OK ? rc : read_all(r, &lines, &all, path, err);
    ns_lines_close(&lines);
    free(all.list);
    if (rc == NS_OK && ns_path_stream(path) < 0)
        rc = ns_file_bytes_sha256(path, r->keys_sha256, err);
    return ns_kind_fail(err, rc, path, NS_NLL_KEYS | NS_KINDS(NS_KIND_STREAM), "a file of key intervals");
}

/* ---- finding and writing ---- */

int ns_nll_find_keys(ns_nll *r, ns_error *err)
{
    for (int64_t k = 0; k < r->n; k++) {
        ns_nll_text *const t = &r->list[k];
        t->key = ns_alloc_array((size_t)t->n, sizeof *t->key);
        if (!t->key)
            return ns_oom(err, "key tokens");
        for (int64_t i = r->short_context; i < t->n; i++)
            t->key[i] = (double)t->log_p[i] - (double)t->log_p_short[i] > MORE && -(double)t->log_p[i] < BELOW;
    }
    return NS_OK;
}

static void put_line(FILE *f, const ns_nll_text *t)
{
    bool first = true;
    for (int64_t i = 0; i < t->n; i++) {
        if (!t->key[i])
            continue;
        const int64_t begin = t->begin[i];
        while (i + 1 < t->n && t->key[i + 1] && t->begin[i + 1] == t->end[i])
            i++;
        fprintf(f, "%s[%lld, %lld]", first ? "" : ";", (long long)begin, (long long)t->end[i]);
        first = false;
    }
    fputc('\n', f);
}

int ns_nll_write_keys(const ns_nll *r, const char *path, ns_error *err)
{
    ns_atomic_file file;
    if (!r->keys_found)
        return ns_fail(err, NS_E_ARG, "%s: no key tokens were found to write", path);
    int rc = ns_output_check(path, NS_NLL_KEYS, true, err);
    rc = rc != NS_OK ? rc : ns_atomic_begin_text(&file, path, err);
    if (rc != NS_OK)
        return rc;
    FILE *const f = ns_atomic_stream(&file, &rc, err);
    for (int64_t i = 0; f && i < r->n; i++)
        put_line(f, &r->list[i]);
    return ns_atomic_end(&file, f, rc, err);
}
