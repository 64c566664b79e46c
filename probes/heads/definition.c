/* definition.c - a probe from JSON: text -> checked words and numbers -> ns_pattern.
 *     {"name": "needle_mass", "rows": "answer", "keys": "needle", "stat": "mass", "exclude": [0], "summary": "...", "from": "..."} */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/study.h>

#include "pattern.h"

enum { MAX_TEXT = 1 << 16, MAX_WORD = 40, MAX_POSITION = 1 << 30 };

typedef struct reader { const cJSON *object; const char *label; ns_error *err; } reader;

/* ---- words ---- */

static int unknown_word(const reader *r, const char *key, const char *word, const char *const *words, int n)
{
    const char *const near = ns_nearest_word(word, words, n);
    char list[400] = "";
    for (int i = 0; i < n; i++)
        snprintf(list + strlen(list), sizeof list - strlen(list), "%s%s", i ? ", " : "", words[i]);
    if (near)
        return ns_fail(r->err, NS_E_FORMAT, "%s: \"%s\" cannot be '%.60s' (did you mean %s?)", r->label, key, word, near);
    return ns_fail(r->err, NS_E_FORMAT, "%s: \"%s\" cannot be '%.60s' (one of: %s)", r->label, key, word, list);
}

#define COUNT(list) ((int)(sizeof(list) / sizeof *(list)))

/* ---- lists of positions ---- */

static int read_list(const reader *r, const char *key, const cJSON *array, int64_t least, ns_pattern_list *out, bool *special)
{
    const cJSON *item;
    cJSON_ArrayForEach(item, array) {
        if (special && cJSON_IsString(item) && strcmp(item->valuestring, "special") == 0) {
            *special = true;
            continue;
        }
        const double v = item->valuedouble;
        if (!cJSON_IsNumber(item) || !(v >= (double)least && v <= MAX_POSITION) || v != (double)(int64_t)v)
            return ns_fail(r->err, NS_E_FORMAT, "%s: \"%s\" holds something that is not a position%s", r->label, key,
                           special ? " (or \"special\")" : "");
        if (out->n == NS_PATTERN_LIST)
            return ns_fail(r->err, NS_E_FORMAT, "%s: \"%s\" holds more than %d positions", r->label, key, NS_PATTERN_LIST);
        for (int i = 0; i < out->n; i++)
            if (out->at[i] == (int64_t)v)
                return ns_fail(r->err, NS_E_FORMAT, "%s: \"%s\" names position %lld twice", r->label, key, (long long)v);
        out->at[out->n++] = (int64_t)v;
    }
    return NS_OK;
}

/* ---- rows ---- */

/* "WORD:REST": REST, else NULL. */
static const char *after(const char *text, const char *word)
{
    const size_t n = strlen(word);
    return strncmp(text, word, n) == 0 && text[n] == ':' ? text + n + 1 : NULL;
}

static int read_number(const reader *r, const char *key, const char *text, int64_t least, int64_t most, int64_t *out)
{
    char *stop;
    const long long v = strtoll(text, &stop, 10);
    if (stop == text || *stop || isspace((unsigned char)*text) || v < least || v > most)
        return ns_fail(r->err, NS_E_FORMAT, "%s: \"%s\": '%.40s' is not a number from %lld to %lld", r->label, key, text, (long long)least,
                       (long long)most);
    *out = v;
    return NS_OK;
}

static int read_span(const reader *r, const char *key, const char *text, char out[NS_PATTERN_NAME])
{
    if (!*text || strlen(text) >= NS_PATTERN_NAME)
        return ns_fail(r->err, NS_E_FORMAT, "%s: \"%s\": a span's name has 1 to %d bytes", r->label, key, NS_PATTERN_NAME - 1);
    snprintf(out, NS_PATTERN_NAME, "%s", text);
    return NS_OK;
}

static int read_rows(const reader *r, ns_pattern *p)
{
    static const char *const words[] = {"all", "answer", "answer-1", "first", "last:N", "span:NAME"};
    static const ns_pattern_rows plain[] = {NS_PR_ALL, NS_PR_ANSWER, NS_PR_BEFORE, NS_PR_FIRST};
    const cJSON *const item = cJSON_GetObjectItemCaseSensitive(r->object, "rows");
    if (cJSON_IsArray(item) && cJSON_GetArraySize(item) > 0) {
        p->rows = NS_PR_LIST;
        return read_list(r, "rows", item, -MAX_POSITION, &p->row_list, NULL);
    }
    if (!cJSON_IsString(item))
        return ns_fail(r->err, NS_E_FORMAT,
                       "%s: \"rows\" is missing (all, answer, answer-1, first, last:N, span:NAME or a list of positions)", r->label);
    const char *const text = item->valuestring, *rest;
    for (int i = 0; i < COUNT(plain); i++)
        if (strcmp(text, words[i]) == 0) {
            p->rows = plain[i];
            return NS_OK;
        }
    if ((rest = after(text, "last"))) {
        p->rows = NS_PR_LAST;
        return read_number(r, "rows", rest, 1, MAX_POSITION, &p->last);
    }
    if ((rest = after(text, "span"))) {
        p->rows = NS_PR_SPAN;
        return read_span(r, "rows", rest, p->row_span);
    }
    return unknown_word(r, "rows", text, words, COUNT(words));
}

/* ---- keys ---- */

static int read_keys(const reader *r, ns_pattern *p)
{
    const cJSON *const item = cJSON_GetObjectItemCaseSensitive(r->object, "keys");
    if (!item)
        return NS_OK;
    if (cJSON_IsArray(item) && cJSON_GetArraySize(item) > 0) {
        p->keys = NS_PK_LIST;
        return read_list(r, "keys", item, 0, &p->key_list, NULL);
    }
    if (!cJSON_IsString(item))
        return ns_fail(
            r->err, NS_E_FORMAT,
            "%s: \"keys\" is a span's name, aligned:SPAN, offset:N, local:N, same_token, after_same_token or a list of positions",
            r->label);
    const char *const text = item->valuestring, *rest;
    if ((rest = after(text, "aligned"))) {
        p->keys = NS_PK_ALIGNED;
        return read_span(r, "keys", rest, p->key_span);
    }
    if ((rest = after(text, "offset"))) {
        p->keys = NS_PK_OFFSET;
        return read_number(r, "keys", rest, -MAX_POSITION, 0, &p->number);
    }
    if ((rest = after(text, "local"))) {
        p->keys = NS_PK_LOCAL;
        return read_number(r, "keys", rest, 1, MAX_POSITION, &p->number);
    }
    static const char *const words[] = {"aligned:SPAN", "offset:N", "local:N", "span:NAME", "same_token", "after_same_token"};
    const char *const colon = strchr(text, ':');
    rest = after(text, "span");
    if (colon && !rest)
        return unknown_word(r, "keys", text, words, COUNT(words));
    p->keys = strcmp(text, "same_token") == 0 ? NS_PK_SAME : strcmp(text, "after_same_token") == 0 ? NS_PK_AFTER_SAME : NS_PK_SPAN;
    return p->keys == NS_PK_SPAN ? read_span(r, "keys", rest ? rest : text, p->key_span) : NS_OK;
}

/* ---- the whole ---- */

static int read_stat(const reader *r, ns_pattern *p)
{
    static const char *const words[] = {"argmax_hit", "mass", "mean", "rank", "entropy", "entropy_norm"};
    const char *text;
    int rc = ns_json_str(r->object, "stat", &text, r->label, r->err), found = -1;
    if (rc != NS_OK)
        return rc;
    if (!text)
        return ns_fail(r->err, NS_E_FORMAT, "%s: \"stat\" is missing (argmax_hit, mass, mean, rank, entropy, entropy_norm)", r->label);
    for (int i = 0; i < COUNT(words); i++)
        found = strcmp(text, words[i]) == 0 ? i : found;
    if (found < 0)
        return unknown_word(r, "stat", text, words, COUNT(words));
    p->stat = (ns_pattern_stat)found;
    return NS_OK;
}

static int read_best(const reader *r, ns_pattern *p)
{
    static const char *const words[] = {"largest", "smallest", "none"};
    const bool describes = p->stat == NS_PS_ENTROPY || p->stat == NS_PS_ENTROPY_NORM;
    const char *text;
    const int rc = ns_json_str(r->object, "best", &text, r->label, r->err);
    p->best = describes ? NS_BEST_NONE : p->stat == NS_PS_RANK ? NS_BEST_SMALLEST : NS_BEST_LARGEST;
    return rc != NS_OK || !text || ns_best_end_find(text, &p->best) ? rc : unknown_word(r, "best", text, words, COUNT(words));
}

static int read_name(const reader *r, ns_pattern *p)
{
    const char *text;
    const int rc = ns_json_str(r->object, "name", &text, r->label, r->err);
    if (rc != NS_OK)
        return rc;
    bool good = text && *text && strlen(text) <= MAX_WORD;
    for (const char *c = text; good && *c; c++)
        good = (*c >= 'a' && *c <= 'z') || (*c == '_' && c > text) || (*c >= '0' && *c <= '9' && c > text);
    if (!good)
        return ns_fail(r->err, NS_E_FORMAT, "%s: \"name\" is missing or not made of up to %d of a-z, 0-9 and _", r->label, MAX_WORD);
    if (ns_score_name_is_taken(text) || ns_output_name_is_taken(text))
        return ns_fail(r->err, NS_E_FORMAT, "%s: \"name\" is '%s', which score files give to something else (choose another)", r->label,
                       text);
    snprintf(p->name, sizeof p->name, "%s", text);
    return NS_OK;
}

static bool excludes_all_keys(const ns_pattern *p)
{
    int left_out = 0;
    for (int i = 0; i < p->key_list.n; i++)
        for (int k = 0; k < p->exclude.n; k++)
            left_out += p->key_list.at[i] == p->exclude.at[k];
    return p->key_list.n && left_out == p->key_list.n;
}

static int check_whole(const reader *r, const ns_pattern *p)
{
    const bool entropy = p->stat == NS_PS_ENTROPY || p->stat == NS_PS_ENTROPY_NORM;
    if (entropy && p->keys != NS_PK_ALL)
        return ns_fail(r->err, NS_E_FORMAT, "%s: \"keys\": an entropy is that of the whole row; leave them out, or use \"exclude\"",
                       r->label);
    if (!entropy && p->keys == NS_PK_ALL)
        return ns_fail(r->err, NS_E_FORMAT, "%s: \"keys\" are missing: this stat is about some of a row's keys", r->label);
    if (p->keys == NS_PK_ALIGNED && p->rows != NS_PR_ANSWER && p->rows != NS_PR_FIRST)
        return ns_fail(r->err, NS_E_FORMAT, "%s: \"keys\" aligned with the answer need \"rows\" of the answer: answer or first", r->label);
    if (excludes_all_keys(p))
        return ns_fail(r->err, NS_E_FORMAT, "%s: \"exclude\" leaves none of the \"keys\"", r->label);
    return NS_OK;
}

static int read_pattern(const reader *r, ns_pattern *p)
{
    static const char *const keys[] = {"name", "rows", "keys", "stat", "exclude", "best", "summary", "from"};
    const cJSON *item;
    cJSON_ArrayForEach(item, r->object) {
        bool known = false;
        for (int i = 0; i < COUNT(keys); i++)
            known |= strcmp(item->string, keys[i]) == 0;
        const char *const near = known ? NULL : ns_nearest_word(item->string, keys, COUNT(keys));
        if (!known)
            return ns_fail(r->err, NS_E_FORMAT, "%s: unknown key \"%.60s\" (%s%s%s)", r->label, item->string,
                           near ? "did you mean " : "all: ", near ? near : "name, rows, keys, stat, exclude, best, summary, from",
                           near ? "?" : "");
    }
    int rc = read_name(r, p);
    if (rc == NS_OK)
        rc = read_rows(r, p);
    if (rc == NS_OK)
        rc = read_keys(r, p);
    if (rc == NS_OK)
        rc = read_stat(r, p);
    if (rc == NS_OK)
        rc = read_best(r, p);
    const cJSON *const exclude = cJSON_GetObjectItemCaseSensitive(r->object, "exclude");
    if (rc == NS_OK && exclude && !cJSON_IsArray(exclude))
        rc = ns_fail(r->err, NS_E_FORMAT, "%s: \"exclude\" is a list of positions (and \"special\")", r->label);
    if (rc == NS_OK && exclude)
        rc = read_list(r, "exclude", exclude, 0, &p->exclude, &p->exclude_special);
    return rc == NS_OK ? check_whole(r, p) : rc;
}

int ns_pattern_parse(ns_pattern *out, const char *json, size_t n, const char *label, ns_error *err)
{
    cJSON *object = NULL;
    memset(out, 0, sizeof *out);
    if (n > MAX_TEXT)
        return ns_fail(err, NS_E_FORMAT, "%s: a definition of %zu bytes (at most %d)", label, n, MAX_TEXT);
    int rc = ns_json_parse(&object, json, n, NS_PATTERN_DEPTH, label, err);
    if (rc == NS_OK && !cJSON_IsObject(object))
        rc = ns_fail(err, NS_E_FORMAT, "%s: a probe's definition is an object {\"name\": ..., \"rows\": ..., \"keys\": ..., \"stat\": ...}",
                     label);
    if (rc == NS_OK)
        rc = read_pattern(&(reader){object, label, err}, out);
    cJSON_Delete(object);
    return rc;
}
