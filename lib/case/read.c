/* read.c - cases from JSONL, a line at a time: line -> ids cut out of it (ids.c) -> JSON -> ids and token spans (from `tokens`, or from
 * `text` through the tokenizer) -> ns_cases_add. The file is untrusted. Every error begins "PATH: line N: "; the list keeps only what it
 * had before the call. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/case.h>
#include <needlescope/tokenizer.h>

#include "case/case_internal.h"

typedef struct line {
    const cJSON        *object;
    ns_case_ids        *ids;           /* [NS_CASE_N_IDS] the lists that stand empty in object */
    const ns_tokenizer *tokenizer;
    const char         *label;         /* "PATH: line N" */
    ns_error           *err;
} line;

static const cJSON *member(const line *l, const char *key)
{
    const cJSON *const item = cJSON_GetObjectItemCaseSensitive(l->object, key);
    return item && !cJSON_IsNull(item) ? item : NULL;
}

static int check_keys(const line *l)
{
    static const char *const known[] = {"id", "text", "tokens", "prefix", "suffix", "add_special", "spans", "distractors", "answer", "lead",
                                        "pairs", "twin_of", "meta", "answer_text"};
    return ns_json_keys(l->object, known, sizeof known / sizeof *known, NS_E_FORMAT, "put fields of your own under 'meta'", l->label,
                        l->err);
}

static bool whole_number(const cJSON *item, int64_t limit, int64_t *out)
{
    if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0 && item->valuedouble <= (double)limit))
        return false;
    *out = (int64_t)item->valuedouble;
    return (double)*out == item->valuedouble;
}

/* The list becomes the caller's. */
static int take_ids(const line *l, int which, const char *key, int32_t **out, int64_t *n)
{
    ns_case_ids *const ids = &l->ids[which];
    if (ids->bad)
        return ns_fail(l->err, NS_E_FORMAT, "%s: '%s': element %lld is not a token id (a whole number from 0)", l->label, key,
                       (long long)ids->n);
    int32_t *const fitting = ids->n ? realloc(ids->list, (size_t)ids->n * sizeof *fitting) : ns_alloc_array(0, sizeof *fitting);
    if (!fitting)
        return ns_oom(l->err, l->label);
    *out = fitting;
    *n = ids->n;
    if (ids->n)
        ids->list = NULL;
    return NS_OK;
}

static int read_range(const line *l, const cJSON *pair, const char *name, int64_t *begin, int64_t *end)
{
    if (!cJSON_IsArray(pair) || cJSON_GetArraySize(pair) != 2 || !whole_number(pair->child, (int64_t)1 << 40, begin)
        || !whole_number(pair->child->next, (int64_t)1 << 40, end) || *end <= *begin)
        return ns_fail(l->err, NS_E_FORMAT, "%s: span '%.60s' is not [begin, end) with 0 <= begin < end", l->label, name);
    return NS_OK;
}

/* Calls put(user, name, begin, end) for every member of `spans` and every entry of `distractors`. */
typedef int (*put_span)(void *user, const char *name, int64_t begin, int64_t end);
static int each_span(const line *l, put_span put, void *user)
{
    const cJSON *const spans = member(l, "spans"), *const distractors = member(l, "distractors");
    int64_t begin = 0, end = 0;
    int rc = NS_OK, k = 0;
    if (spans && !cJSON_IsObject(spans))
        return ns_fail(l->err, NS_E_FORMAT, "%s: 'spans' is not an object {name: [begin, end]}", l->label);
    if (distractors && !cJSON_IsArray(distractors))
        return ns_fail(l->err, NS_E_FORMAT, "%s: 'distractors' is not a list [[begin, end], ...]", l->label);
    if ((spans ? cJSON_GetArraySize(spans) : 0) + (distractors ? cJSON_GetArraySize(distractors) : 0) > NS_CASE_MAX_SPANS)
        return ns_fail(l->err, NS_E_FORMAT, "%s: more than %d spans", l->label, NS_CASE_MAX_SPANS);
    for (const cJSON *item = spans ? spans->child : NULL; item && rc == NS_OK; item = item->next) {
        rc = read_range(l, item, item->string, &begin, &end);
        if (rc == NS_OK)
            rc = put(user, item->string, begin, end);
    }
    for (const cJSON *item = distractors ? distractors->child : NULL; item && rc == NS_OK; item = item->next, k++) {
        char name[32];
        snprintf(name, sizeof name, "distractor.%d", k);
        rc = spans && cJSON_GetObjectItemCaseSensitive(spans, name)
                 ? ns_fail(l->err, NS_E_FORMAT, "%s: '%s' stands in 'spans' and in 'distractors' (keep one)", l->label, name)
                 : read_range(l, item, name, &begin, &end);
        if (rc == NS_OK)
            rc = put(user, name, begin, end);
    }
    return rc;
}

typedef struct put_tokens { ns_case *c; const line *l; } put_tokens;
static int put_token_span(void *user, const char *name, int64_t begin, int64_t end)
{
    const put_tokens *const p = user;
    ns_error inner = {0};
    const int rc = ns_case_set_span(p->c, name, begin, end, &inner);
    return rc != NS_OK ? ns_fail(p->l->err, rc == NS_E_ARG ? NS_E_FORMAT : rc, "%s: %s", p->l->label, inner.message) : NS_OK;
}

/* Code points of text -> bytes of the prompt. `starts` holds the byte offset of every code point of text and its end. */
typedef struct put_text { const line *l; const size_t *starts; int64_t n_points; size_t offset; ns_text_span *spans; int n; } put_text;
static int put_text_span(void *user, const char *name, int64_t begin, int64_t end)
{
    put_text *const p = user;
    if (end > p->n_points)
        return ns_fail(p->l->err, NS_E_FORMAT, "%s: span '%.60s' ends at character %lld, but 'text' has %lld", p->l->label, name,
                       (long long)end, (long long)p->n_points);
    p->spans[p->n++] = (ns_text_span){name, p->offset + p->starts[begin], p->offset + p->starts[end]};
    return NS_OK;
}

static int64_t code_points(const char *text, size_t *starts)
{
    int64_t n = 0;
    size_t at = 0;
    const size_t size = strlen(text);
    for (uint32_t code; at < size; n++) {
        const int used = ns_utf8_next(text + at, size - at, &code);
        starts[n] = at;
        at += used > 0 ? (size_t)used : 1;
    }
    starts[n] = size;
    return n;
}

static int strings_of(const line *l, const char *const *keys, const char **out, int n)
{
    for (int i = 0; i < n; i++) {
        const int rc = ns_json_str(l->object, keys[i], &out[i], l->label, l->err);
        if (rc != NS_OK)
            return rc;
    }
    return NS_OK;
}

static int read_text(const line *l, ns_case *c, const char *id)
{
    static const char *const keys[] = {"text", "prefix", "suffix"};
    const char *part[3], *answer = NULL;
    bool add_special;
    int rc = strings_of(l, keys, part, 3);
    if (rc == NS_OK)
        rc = ns_json_bool(l->object, "add_special", true, &add_special, l->label, l->err);
    if (rc != NS_OK)
        return rc;
    if (!l->tokenizer)
        return ns_fail(l->err, NS_E_ARG, "%s: 'text' needs a tokenizer (give a model with tokenizer.json, or 'tokens')", l->label);
    if (member(l, "pairs") || member(l, "lead") || cJSON_IsArray(member(l, "answer")))
        return ns_fail(l->err, NS_E_FORMAT, "%s: with 'text' the answer is text, and 'lead' and 'pairs' need 'tokens'", l->label);
    if ((rc = ns_json_str(l->object, "answer", &answer, l->label, l->err)) != NS_OK)
        return rc;

    const char *const prefix = part[1] ? part[1] : "", *const suffix = part[2] ? part[2] : "";
    char *const prompt = ns_printf_alloc("%s%s%s", prefix, part[0], suffix);
    size_t *const starts = ns_alloc_array(strlen(part[0]) + 1, sizeof *starts);
    ns_text_span *const spans = ns_alloc_array(NS_CASE_MAX_SPANS, sizeof *spans);
    if (!prompt || !starts || !spans) {
        rc = ns_oom(l->err, l->label);
        goto out;
    }
    put_text put = {l, starts, code_points(part[0], starts), strlen(prefix), spans, 0};
    rc = each_span(l, put_text_span, &put);
    if (rc == NS_OK) {
        ns_error inner = {0};
        rc = ns_case_from_text(c, l->tokenizer, id, prompt, answer, spans, put.n, add_special, &inner);
        if (rc != NS_OK)
            ns_fail(l->err, rc, "%s: %s", l->label, inner.message);
    }
out:
    free(spans);
    free(starts);
    free(prompt);
    return rc;
}

/* Answer text beside prompt ids is tokenised by itself. */
static int encode_answer(const line *l, ns_case *c, const char *text)
{
    ns_encoding e = {0};
    if (!l->tokenizer)
        return ns_fail(l->err, NS_E_ARG, "%s: an answer in text needs a tokenizer (give ids instead)", l->label);
    ns_error inner = {0};
    const int rc = ns_encode(l->tokenizer, text, strlen(text), false, &e, &inner);
    if (rc != NS_OK)
        return ns_fail(l->err, rc, "%s: answer: %s", l->label, inner.message);
    c->answer = e.ids;
    c->n_answer = e.n;
    e.ids = NULL;
    ns_encoding_clear(&e);
    c->answer_text = ns_strdup(text);
    return c->answer_text ? NS_OK : ns_oom(l->err, l->label);
}

static int read_tokens(const line *l, ns_case *c, const char *id)
{
    static const char *const keys[] = {"text", "answer_text"};
    const char *strings[2];
    int rc = strings_of(l, keys, strings, 2);
    if (rc != NS_OK)
        return rc;
    if (member(l, "prefix") || member(l, "suffix") || member(l, "add_special"))
        return ns_fail(l->err, NS_E_FORMAT, "%s: 'prefix', 'suffix' and 'add_special' go with 'text'; 'tokens' is the whole prompt",
                       l->label);
    *c = (ns_case){.id = ns_strdup(id), .text = strings[0] ? ns_strdup(strings[0]) : NULL,
                   .answer_text = strings[1] ? ns_strdup(strings[1]) : NULL};
    if (!c->id || (strings[0] && !c->text) || (strings[1] && !c->answer_text))
        return ns_oom(l->err, l->label);
    rc = take_ids(l, NS_CASE_TOKENS, "tokens", &c->tokens, &c->n_tokens);
    if (rc != NS_OK)
        return rc;
    const cJSON *const answer = member(l, "answer");
    if (cJSON_IsArray(answer))
        rc = take_ids(l, NS_CASE_ANSWER, "answer", &c->answer, &c->n_answer);
    else if (cJSON_IsString(answer) && !strings[1])
        rc = encode_answer(l, c, answer->valuestring);
    else if (answer)
        rc = ns_fail(l->err, NS_E_FORMAT, "%s: 'answer' is not a list of token ids%s", l->label,
                     cJSON_IsString(answer) ? ", as 'answer_text' asks for" : " or text");
    if (rc == NS_OK)
        rc = ns_json_i64(l->object, "lead", 0, &c->n_lead, l->label, l->err);
    put_tokens put = {c, l};
    return rc == NS_OK ? each_span(l, put_token_span, &put) : rc;
}

static int check_pairs(const line *l, const cJSON *pairs, int64_t n_tokens)
{
    int64_t at;
    if (!cJSON_IsArray(pairs))
        return ns_fail(l->err, NS_E_FORMAT, "%s: 'pairs' is not a list [[query, [keys]], ...]", l->label);
    for (const cJSON *pair = pairs->child; pair; pair = pair->next) {
        bool good = cJSON_IsArray(pair) && cJSON_GetArraySize(pair) == 2 && whole_number(pair->child, n_tokens - 1, &at)
                    && cJSON_IsArray(pair->child->next);
        for (const cJSON *key = good ? pair->child->next->child : NULL; key && good; key = key->next)
            good = whole_number(key, n_tokens - 1, &at);
        if (!good)
            return ns_fail(l->err, NS_E_FORMAT, "%s: 'pairs': an entry is not [query, [keys]] with positions inside the prompt", l->label);
    }
    return NS_OK;
}

/* meta as text, with `pairs` inside it, where probes look for them. */
static int read_meta(const line *l, ns_case *c)
{
    const cJSON *const meta = member(l, "meta"), *const pairs = member(l, "pairs");
    int rc = NS_OK;
    if (meta && !cJSON_IsObject(meta))
        return ns_fail(l->err, NS_E_FORMAT, "%s: 'meta' is not an object", l->label);
    if (pairs)
        rc = check_pairs(l, pairs, c->n_tokens);
    if (rc != NS_OK || (!meta && !pairs))
        return rc;
    if (pairs && meta && cJSON_GetObjectItemCaseSensitive(meta, "pairs"))
        return ns_fail(l->err, NS_E_FORMAT, "%s: 'pairs' stands in the line and in 'meta' (keep one)", l->label);
    cJSON *const copy = meta ? cJSON_Duplicate(meta, true) : cJSON_CreateObject();
    cJSON *const list = pairs ? cJSON_Duplicate(pairs, true) : NULL;
    if (copy && (!pairs || (list && cJSON_AddItemToObject(copy, "pairs", list))))
        c->meta = ns_json_print(copy, false);
    cJSON_Delete(copy);
    return c->meta ? NS_OK : ns_oom(l->err, l->label);
}

static int read_case(const line *l, ns_case *c, int64_t number)
{
    char fallback[32];
    const char *id, *twin;
    snprintf(fallback, sizeof fallback, "case-%lld", (long long)number);
    int rc = cJSON_IsObject(l->object) ? check_keys(l) : ns_fail(l->err, NS_E_FORMAT, "%s: not a JSON object", l->label);
    if (rc == NS_OK)
        rc = ns_json_str(l->object, "id", &id, l->label, l->err);
    if (rc == NS_OK)
        rc = ns_json_str(l->object, "twin_of", &twin, l->label, l->err);
    if (rc != NS_OK)
        return rc;
    if (cJSON_IsArray(member(l, "tokens")))
        rc = read_tokens(l, c, id ? id : fallback);
    else if (cJSON_IsString(member(l, "text")) && !member(l, "tokens"))
        rc = read_text(l, c, id ? id : fallback);
    else
        rc = ns_fail(l->err, NS_E_FORMAT, "%s: needs 'tokens' (a list of ids) or 'text' (a string)", l->label);
    if (rc == NS_OK)
        rc = read_meta(l, c);
    if (rc == NS_OK && twin && !(c->twin_of = ns_strdup(twin)))
        rc = ns_oom(l->err, l->label);
    return rc;
}

/* What made a case wrote down the hash of its ids: another hash is another case under the same name. */
static int check_ids_hash(const line *l, const ns_case *c)
{
    const cJSON *const meta = member(l, "meta"), *const wanted = meta ? cJSON_GetObjectItemCaseSensitive(meta, "ids_sha256") : NULL;
    char seen[65];
    if (!cJSON_IsString(wanted))
        return NS_OK;
    ns_cases_hash(&(ns_cases){(ns_case *)(uintptr_t)c, 1, 1}, seen);
    return strcmp(seen, wanted->valuestring) == 0
               ? NS_OK
               : ns_fail(l->err, NS_E_FORMAT,
                         "%s: the ids of prompt and answer are not those of meta's ids_sha256 (edited? take that field out)", l->label);
}

/* The grammar is checked while the line is whole, so that its faults have their places. */
static int parse_line(cJSON **object, ns_case_ids *ids, char *text, size_t n, const char *label, ns_error *err)
{
    int rc = ns_json_check(text, n, NS_CASE_JSON_DEPTH, label, err);
    rc = rc != NS_OK ? rc : ns_case_cut_ids(text, &n, ids, label, err);
    if (rc == NS_OK && n > NS_CASE_MAX_REST)
        return ns_fail(err, NS_E_FORMAT, "%s: %zu bytes beside its ids (at most %d; is this a case?)", label, n, NS_CASE_MAX_REST);
    return rc != NS_OK ? rc : ns_json_parse(object, text, n, NS_CASE_JSON_DEPTH, label, err);
}

static int read_line(ns_cases *list, const char *path, int64_t number, char *text, size_t n, const ns_tokenizer *tokenizer, ns_error *err)
{
    char *const label = ns_printf_alloc("%s: line %lld", path, (long long)number);
    cJSON *object = NULL;
    ns_case c = {0};
    ns_case_ids ids[NS_CASE_N_IDS] = {{0}};
    ns_error inner = {0};
    int rc = label ? parse_line(&object, ids, text, n, label, err) : ns_oom(err, path);
    if (rc == NS_OK) {
        const line l = {object, ids, tokenizer, label, err};
        rc = read_case(&l, &c, number);
        if (rc == NS_OK)
            rc = check_ids_hash(&l, &c);
    }
    if (rc == NS_OK) {
        rc = ns_cases_add(list, &c, &inner);
        if (rc != NS_OK)
            rc = ns_fail(err, rc == NS_E_ARG ? NS_E_FORMAT : rc, "%s: %s", label, inner.message);
    }
    ns_case_clear(&c);
    ns_case_ids_clear(ids);
    cJSON_Delete(object);
    free(label);
    return rc;
}

/* Cases of one id stand in the order of their files. */
static int by_id(const void *a, const void *b)
{
    const ns_case *const x = *(const ns_case *const *)a, *const y = *(const ns_case *const *)b;
    const int order = strcmp(x->id, y->id);
    return order ? order : (x > y) - (x < y);
}

static const char *file_of(const ns_cases *cases, const ns_case *c, const char *const *paths, const int64_t *first, int64_t n)
{
    int64_t i = n - 1;
    while (i > 0 && first[i] > c - cases->list)
        i--;
    return paths[i];
}

static int same_id(const char *id, const char *path, const char *other, ns_error *err)
{
    if (strcmp(path, other) == 0)
        return ns_fail(err, NS_E_FORMAT, "%s: the id '%.100s' appears twice (ids are unique)", path, id);
    return ns_fail(err, NS_E_FORMAT,
                   "%s: the id '%.100s' is in %s too (ids are unique over all files of a call: rename one, or leave one file out)", other,
                   id, path);
}

int ns_cases_check_unique(const ns_cases *cases, const char *const *paths, const int64_t *first, int64_t n, ns_error *err)
{
    const ns_case **const order = ns_alloc_array((size_t)cases->n, sizeof *order);
    int rc = NS_OK;
    if (!order)
        return ns_oom(err, paths[0]);
    for (int64_t i = 0; i < cases->n; i++)
        order[i] = &cases->list[i];
    qsort(order, (size_t)cases->n, sizeof *order, by_id);
    for (int64_t i = 1; i < cases->n && rc == NS_OK; i++)
        if (strcmp(order[i - 1]->id, order[i]->id) == 0)
            rc = same_id(order[i]->id, file_of(cases, order[i - 1], paths, first, n), file_of(cases, order[i], paths, first, n), err);
    free(order);
    return rc;
}

static bool is_blank(const char *text, size_t n)
{
    while (n > 0 && strchr(" \t\r", text[n - 1]) && text[n - 1])
        n--;
    return n == 0;
}

static int cases_fail(ns_error *err, int rc, const char *path)
{
    static const ns_kinds fine = NS_KINDS(NS_KIND_CASES) | NS_KINDS(NS_KIND_JSON) | NS_KINDS(NS_KIND_TEXT) | NS_KINDS(NS_KIND_EMPTY);
    return ns_kind_fail(err, rc, path, fine, "a list of cases (JSONL; needlescope cases makes one)");
}

/* As it is called from everywhere: a program may change its folder before it writes. */
static int remember_file(ns_cases *list, const char *path, ns_error *err)
{
    char **const files = realloc(list->files, (size_t)(list->n_files + 1) * sizeof *files);
    char *const file = files ? ns_path_whole(path) : NULL;
    list->files = files ? files : list->files;
    if (!file)
        return ns_oom(err, path);
    list->files[list->n_files++] = file;
    return NS_OK;
}

int ns_cases_read(ns_cases *list, const char *path, const ns_tokenizer *tokenizer, ns_error *err)
{
    ns_lines lines;
    const int64_t before = list->n;
    char *text;
    size_t n;
    int rc = ns_lines_open(&lines, path, err), more = rc == NS_OK;
    while (rc == NS_OK && (more = ns_lines_next(&lines, NS_CASE_MAX_LINE, &text, &n, err)) > 0)
        if (!is_blank(text, n))
            rc = read_line(list, path, lines.number, text, n, tokenizer, err);
    rc = more < 0 ? more : rc;
    ns_lines_close(&lines);
    if (rc == NS_OK && list->n == before)
        rc = ns_fail(err, NS_E_FORMAT, "%s: holds no case (one JSON object a line)", path);
    if (rc == NS_OK)
        rc = ns_cases_check_unique(&(ns_cases){.list = list->list + before, .n = list->n - before}, &path, &(int64_t){0}, 1, err);
    if (rc == NS_OK && !ns_path_is_stream(path))
        rc = remember_file(list, path, err);
    while (rc != NS_OK && list->n > before)
        ns_case_clear(&list->list[--list->n]);
    return cases_fail(err, ns_fail_of(err, rc, path), path);
}
