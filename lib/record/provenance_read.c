/* provenance_read.c - what a file says of itself, whichever kind it is: HDF5 attributes, PNG iTXt, PDF keywords, SVG metadata, a notebook's
 * metadata, the tree of a page, the comments of a LaTeX table, the metadata beside a CSV. The bytes are untrusted: nothing is read beyond
 * them, and what is no fact is passed over. */
#include <needlescope/provenance.h>

#include <needlescope/kind.h>
#include <needlescope/record.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "core/core.h"
#include "record/provenance_read.h"

enum { LARGEST = 256 << 20, DEPTH = 64, MOST_FACT = 1 << 20 };

typedef struct reading { const char *data; size_t n; ns_fact_list *out; ns_error *err; } reading;

/* Of texts without their ends. A text with a NUL in it is cut there; a name that has one, or is no UTF-8, is none. */
static int add(const reading *r, const char *name, size_t n_name, const char *value, size_t n_value)
{
    size_t bad;
    if (n_name == 0 || n_name > NS_MAX_FACT_NAME || n_value > MOST_FACT)
        return NS_OK;
    if (memchr(name, '\0', n_name) || !ns_utf8_valid(name, n_name, &bad))
        return NS_OK;
    char *const key = ns_printf_alloc("%.*s", (int)n_name, name), *const text = ns_printf_alloc("%.*s", (int)n_value, value);
    const int rc = key && text ? ns_fact_list_add(r->out, key, text, true, r->err) : ns_oom(r->err, "the provenance");
    free(key);
    free(text);
    return rc;
}

/* How long the name of a fact is that begins here and ends with ": "; 0: none does. */
static size_t name_length(const char *text, size_t n)
{
    size_t k = 0;
    while (k < n && (islower((unsigned char)text[k]) || isdigit((unsigned char)text[k]) || text[k] == '_' || text[k] == '.'))
        k++;
    return k && k + 1 < n && text[k] == ':' && text[k + 1] == ' ' ? k : 0;
}

/* ---- PNG: chunks of length, type, data and CRC; iTXt is "keyword\0" flag method "language\0" "translation\0" text ---- */

static size_t big_endian(const char *at)
{
    const unsigned char *const b = (const unsigned char *)at;
    return (size_t)b[0] << 24 | (size_t)b[1] << 16 | (size_t)b[2] << 8 | b[3];
}

static int read_text_chunk(const reading *r, const char *data, size_t n)
{
    const char *const end = data + n, *const flag = memchr(data, '\0', n);
    if (!flag || end - flag < 3 || flag[1] != 0)          /* compressed: not ours */
        return NS_OK;
    const char *const language = memchr(flag + 3, '\0', (size_t)(end - flag - 3));
    const char *const translated = language ? memchr(language + 1, '\0', (size_t)(end - language - 1)) : NULL;
    return translated ? add(r, data, (size_t)(flag - data), translated + 1, (size_t)(end - translated - 1)) : NS_OK;
}

static int read_png(const reading *r)
{
    int rc = NS_OK;
    for (size_t at = 8, n; at + 12 <= r->n && rc == NS_OK; at += n + 12) {
        n = big_endian(r->data + at);
        if (n > r->n - at - 12)
            break;
        if (memcmp(r->data + at + 4, "iTXt", 4) == 0)
            rc = read_text_chunk(r, r->data + at + 8, n);
    }
    return rc;
}

/* ---- PDF: /Keywords, a string in parentheses, or hexadecimal UTF-16 where it is not ASCII ---- */

/* "name: value; name: value"; a semicolon of a value is doubled. Text [n] is written over. */
static int split_keywords(const reading *r, char *text, size_t n)
{
    int rc = NS_OK;
    for (size_t at = 0, k; rc == NS_OK && at < n && (k = name_length(text + at, n - at)) > 0;) {
        const size_t value = at + k + 2;
        size_t to = value, from = value;
        while (from < n && (text[from] != ';' || (from + 1 < n && text[from + 1] == ';'))) {
            from += text[from] == ';';
            text[to++] = text[from++];
        }
        rc = add(r, text + at, k, text + value, to - value);
        at = from + 2;
    }
    return rc;
}

/* \n, \\, \(, \) and octal; parentheses in pairs need no backslash. Returns the length of the text, written over its own beginning. */
static size_t unescape_pdf(char *text, size_t n)
{
    size_t k = 0, depth = 1;
    for (size_t i = 0; i < n; i++) {
        char c = text[i];
        depth += c == '(';
        depth -= c == ')';
        if (depth == 0)
            return k;
        if (c == '\\' && i + 1 < n) {
            c = text[++i];
            if (c >= '0' && c <= '7') {
                int code = c - '0';
                for (int digits = 1; digits < 3 && i + 1 < n && text[i + 1] >= '0' && text[i + 1] <= '7'; digits++)
                    code = 8 * code + text[++i] - '0';
                c = (char)code;
            }
        }
        text[k++] = c;
    }
    return k;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* FEFF and UTF-16 in hexadecimal -> UTF-8 over its own beginning (four digits give three bytes at most); returns its length. */
static size_t utf8_of_hex(char *text, size_t n)
{
    size_t k = 0;
    uint32_t high = 0;
    for (size_t i = 0; i + 4 <= n && hex_digit(text[i]) >= 0; i += 4) {
        uint32_t unit = 0;
        for (size_t d = 0; d < 4; d++)
            unit = unit << 4 | (uint32_t)(hex_digit(text[i + d]) & 15);
        if (unit == 0xfeff || (unit >= 0xd800 && unit < 0xdc00)) {
            high = unit == 0xfeff ? 0 : unit;
            continue;
        }
        const uint32_t code = high && unit >= 0xdc00 && unit < 0xe000 ? 0x10000 + ((high - 0xd800) << 10 | (unit - 0xdc00)) : unit;
        high = 0;
        k += (size_t)ns_utf8_put(text + k, code);
    }
    return k;
}

static int read_pdf(const reading *r)
{
    static const char key[] = "/Keywords ";
    const char *const found = memmem(r->data, r->n, key, sizeof key - 1), *const begin = found ? found + sizeof key - 1 : NULL;
    const size_t n = begin ? (size_t)(r->data + r->n - begin) : 0;
    if (n < 2)
        return NS_OK;
    char *const text = malloc(n);
    if (!text)
        return ns_oom(r->err, "the provenance");
    memcpy(text, begin, n);
    const size_t length = text[0] == '(' ? unescape_pdf(text + 1, n - 1) : text[0] == '<' ? utf8_of_hex(text + 1, n - 1) : 0;
    const int rc = split_keywords(r, text + 1, length);
    free(text);
    return rc;
}

/* ---- SVG: <fact name="NAME">VALUE</fact> ---- */

static size_t unescape_xml(char *text, size_t n)
{
    static const struct { const char *name; char c; } entities[] = {
        {"&lt;", '<'}, {"&gt;", '>'}, {"&amp;", '&'}, {"&quot;", '"'}, {"&apos;", '\''}};
    size_t k = 0;
    for (size_t i = 0; i < n; k++) {
        char c = text[i];
        size_t step = 1;
        for (size_t e = 0; e < sizeof entities / sizeof *entities; e++) {
            const size_t length = strlen(entities[e].name);
            if (length <= n - i && memcmp(text + i, entities[e].name, length) == 0) {
                c = entities[e].c;
                step = length;
            }
        }
        text[k] = c;
        i += step;
    }
    return k;
}

static int read_svg(const reading *r)
{
    static const char mark[] = "<fact name=\"";
    const char *at = r->data, *const end = r->data + r->n;
    int rc = NS_OK;
    while (rc == NS_OK && (at = memmem(at, (size_t)(end - at), mark, sizeof mark - 1))) {
        const char *const name = at + sizeof mark - 1, *const close = memmem(name, (size_t)(end - name), "\">", 2);
        const char *const value = close ? close + 2 : NULL, *const stop = value ? memmem(value, (size_t)(end - value), "</fact>", 7) : NULL;
        char *const text = stop ? malloc((size_t)(stop - value) + 1) : NULL;
        if (!stop)
            break;
        if (text)
            memcpy(text, value, (size_t)(stop - value));
        rc = text ? add(r, name, (size_t)(close - name), text, unescape_xml(text, (size_t)(stop - value)))
                  : ns_oom(r->err, "the provenance");
        free(text);
        at = stop;
    }
    return rc;
}

/* ---- JSON: a notebook's metadata.needlescope, the facts of a page, or the notes of CSV on the Web ---- */

static int read_json(const reading *r)
{
    cJSON *root = NULL;
    int rc = ns_json_parse(&root, r->data, r->n, DEPTH, "provenance", r->err);
    const cJSON *const metadata = cJSON_GetObjectItemCaseSensitive(root, "metadata");
    const cJSON *const notes = cJSON_GetObjectItemCaseSensitive(root, "notes");
    const cJSON *const own = cJSON_GetObjectItemCaseSensitive(root, "facts");
    const cJSON *const facts = metadata ? cJSON_GetObjectItemCaseSensitive(metadata, "needlescope")
                               : own    ? own
                                        : cJSON_GetArrayItem(notes, 0);
    for (const cJSON *item = cJSON_IsObject(facts) ? facts->child : NULL; item && rc == NS_OK; item = item->next)
        if (cJSON_IsString(item))
            rc = add(r, item->string, strlen(item->string), item->valuestring, strlen(item->valuestring));
    cJSON_Delete(root);
    return rc;
}

/* ---- a page: the block of JSON that its script reads ---- */

static int read_page(const reading *r)
{
    static const char mark[] = "<script type=\"application/json\" id=\"tree\">", end[] = "</script>";
    const char *const found = memmem(r->data, r->n, mark, sizeof mark - 1), *const begin = found ? found + sizeof mark - 1 : NULL;
    const char *const stop = begin ? memmem(begin, (size_t)(r->data + r->n - begin), end, sizeof end - 1) : NULL;
    return stop ? read_json(&(reading){begin, (size_t)(stop - begin), r->out, r->err}) : NS_OK;
}

/* ---- LaTeX: lines "% name: value" ---- */

static int read_comments(const reading *r)
{
    int rc = NS_OK;
    for (size_t at = 0, n; at < r->n && rc == NS_OK; at += n + 1) {
        const char *const stop = memchr(r->data + at, '\n', r->n - at), *const line = r->data + at;
        n = stop ? (size_t)(stop - line) : r->n - at;
        const size_t k = n > 2 && line[0] == '%' && line[1] == ' ' ? name_length(line + 2, n - 2) : 0;
        if (k)
            rc = add(r, line + 2, k, line + k + 4, n - k - 4);
    }
    return rc;
}

int ns_provenance_parse(ns_fact_list *out, ns_kind kind, const char *data, size_t n, ns_error *err)
{
    const reading r = {data, n, out, err};
    switch (kind) {
    case NS_KIND_PNG: return read_png(&r);
    case NS_KIND_PDF: return read_pdf(&r);
    case NS_KIND_SVG: return read_svg(&r);
    case NS_KIND_PAGE: return read_page(&r);
    case NS_KIND_TEXT: return read_comments(&r);
    default: return NS_KINDS(kind) & NS_KINDS_JSON ? read_json(&r) : NS_OK;
    }
}

static int read_hdf5(ns_fact_list *out, const char *path, ns_error *err)
{
    ns_file *f = NULL;
    int rc = ns_file_open(&f, path, err);
    for (int i = 0; rc == NS_OK && i < ns_file_fact_count(f); i++)
        rc = ns_fact_list_add(out, ns_file_fact_name(f, i), ns_file_fact(f, ns_file_fact_name(f, i)), true, err);
    ns_file_close(f);
    return rc;
}

static int read_bytes(ns_fact_list *out, const char *path, ns_kind kind, ns_error *err)
{
    char *text = NULL;
    size_t n = 0;
    int rc = ns_file_read(path, LARGEST, &text, &n, err);
    rc = rc != NS_OK ? rc : ns_provenance_parse(out, kind, text, n, err);
    free(text);
    return rc;
}

int ns_provenance_read(ns_fact_list *out, const char *path, ns_error *err)
{
    static const ns_kinds other = NS_KINDS(NS_KIND_PNG) | NS_KINDS(NS_KIND_PDF) | NS_KINDS(NS_KIND_SVG) | NS_KINDS(NS_KIND_PAGE) |
                                  NS_KINDS_JSON | NS_KINDS(NS_KIND_TEXT) | NS_KINDS(NS_KIND_NPZ);
    const ns_kind kind = ns_kind_of(path);
    char *const beside = ns_provenance_path_beside(path);
    int rc = beside ? NS_OK : ns_oom(err, path);
    if (rc == NS_OK && !(NS_KINDS(kind) & other)) {
        rc = read_hdf5(out, path, err);
    } else if (rc == NS_OK) {
        rc = read_bytes(out, path, kind, err);
        if (rc == NS_OK && out->n == 0 && ns_path_exists(beside))
            rc = read_bytes(out, beside, NS_KIND_JSON, err);
        if (rc == NS_OK && out->n == 0)
            rc = ns_fail(err, NS_E_ARG, "%s: is %s that does not say what made it, nor does a %s", path, ns_kind_name(kind),
                         ns_path_base(beside));
    }
    free(beside);
    return rc;
}
