/* hash.c - content_sha256 and config_sha256. schema.md defines both so that an outsider can recompute them:
 * one line per root attribute and per dataset, sorted as bytes, joined with newlines, SHA-256. */
#include "record/h5.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

bool ns_name_ok(const char *name)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-+";
    const size_t n = name ? strspn(name, allowed) : 0;
    return n > 0 && n < 128 && !name[n] && name[0] != '.' && name[0] != '-' && name[0] != '+';
}

static bool add_line(ns_hash_lines *lines, char *line)
{
    if (!line || !ns_grow(&lines->list, &lines->capacity, lines->n + 1, sizeof *lines->list)) {
        free(line);
        return false;
    }
    lines->list[lines->n++] = line;
    return true;
}

bool ns_is_content(const char *attribute)
{
    static const char *const others[] = {"content_sha256", "config_sha256", "checkpoint_identity", "complete"};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strcmp(attribute, others[i]) == 0)
            return false;
    return true;
}

bool ns_hash_attribute(ns_hash_lines *lines, const char *name, const char *value)
{
    char hex[65];
    ns_sha256_of(value, strlen(value), hex);
    return add_line(lines, ns_printf_alloc("attribute %s %s", name, hex));
}

bool ns_hash_dataset(ns_hash_lines *lines, const char *group, const char *name, const char *type, int rank, const int64_t *shape,
                     const char hex[65])
{
    char dims[NS_MAX_RANK * 21 + 1] = "";
    for (int i = 0, at = 0; i < rank; i++)
        at += snprintf(dims + at, sizeof dims - (size_t)at, "%s%" PRId64, i ? "," : "", shape[i]);
    return add_line(lines, ns_printf_alloc("dataset %s%s/%s %s %s %s", group[0] ? "/" : "", group, name, type, dims, hex));
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

void ns_hash_lines_sort(ns_hash_lines *lines)
{
    if (lines->n)
        qsort(lines->list, (size_t)lines->n, sizeof *lines->list, by_bytes);
}

void ns_hash_lines_sum(ns_hash_lines *lines, char hex[65])
{
    ns_sha256 sha;
    ns_hash_lines_sort(lines);
    ns_sha256_begin(&sha);
    for (int64_t i = 0; i < lines->n; i++) {
        ns_sha256_add(&sha, lines->list[i], strlen(lines->list[i]));
        ns_sha256_add(&sha, "\n", 1);
    }
    ns_sha256_end(&sha, hex);
}

void ns_hash_lines_end(ns_hash_lines *lines, char hex[65])
{
    ns_hash_lines_sum(lines, hex);
    ns_free_strings(lines->list, lines->n);
    *lines = (ns_hash_lines){0};
}

void ns_hash_tile(ns_sha256 *sha, int64_t tile, const char hex[65])
{
    ns_sha256_add(sha, &tile, sizeof tile);
    ns_sha256_add(sha, hex, 64);
}

int ns_facts_sha256(const ns_fact *facts, int n, char hex[65], ns_error *err)
{
    ns_hash_lines lines = {0};
    bool fits = true;
    for (int i = 0; i < n && fits; i++)
        fits = facts[i].is_volatile || ns_hash_attribute(&lines, facts[i].name, facts[i].value);
    ns_hash_lines_end(&lines, hex);
    return fits ? NS_OK : ns_oom(err, "the hash of the facts");
}
