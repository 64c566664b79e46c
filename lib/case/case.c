/* case.c - the case as plain data: what it owns, what makes one valid, and the list that keeps valid ones.
 * Every case in a list has passed ns_cases_add, so readers of a list never check again. */
#include <stdlib.h>
#include <string.h>

#include <needlescope/case.h>

#include "case/case_internal.h"

void ns_case_clear(ns_case *c)
{
    if (!c)
        return;
    for (int i = 0; i < c->n_spans; i++)
        free(c->spans[i].name);
    free(c->spans);
    free(c->id);
    free(c->tokens);
    free(c->answer);
    free(c->text);
    free(c->answer_text);
    free(c->twin_of);
    free(c->meta);
    *c = (ns_case){0};
}

void ns_cases_clear(ns_cases *cases)
{
    if (!cases)
        return;
    for (int64_t i = 0; i < cases->n; i++)
        ns_case_clear(&cases->list[i]);
    free(cases->list);
    ns_free_strings(cases->files, cases->n_files);
    *cases = (ns_cases){0};
}

const ns_span *ns_case_span(const ns_case *c, const char *name)
{
    for (int i = 0; i < c->n_spans; i++)
        if (strcmp(c->spans[i].name, name) == 0)
            return &c->spans[i];
    return NULL;
}

const ns_span *ns_case_mention(const ns_case *c, const char *name, int *at)
{
    const size_t n = strlen(name);
    while (*at < c->n_spans) {
        const ns_span *const span = &c->spans[(*at)++];
        if (strncmp(span->name, name, n) == 0 && (!span->name[n] || span->name[n] == '.'))
            return span;
    }
    return NULL;
}

int64_t ns_case_mentioned(const ns_case *c, const char *name)
{
    int64_t tokens = 0;
    int at = 0;
    for (const ns_span *span; (span = ns_case_mention(c, name, &at));)
        tokens += span->end - span->begin;
    return tokens;
}

int64_t ns_case_source(const ns_case *c, int64_t j)
{
    const ns_span *const span = ns_case_span(c, "needle_answer");
    return span && j >= c->n_lead && j < c->n_answer ? span->begin + j - c->n_lead : -1;
}

int64_t ns_case_distance(const ns_case *c)
{
    int64_t last = -1;
    int at = 0;
    for (const ns_span *span; c->n_answer > c->n_lead && (span = ns_case_mention(c, "needle_answer", &at));)
        last = span->begin > last ? span->begin : last;
    return last < 0 ? -1 : c->n_tokens - 1 + c->n_lead - last;
}

bool ns_case_is_source(const ns_case *c, int64_t j, int64_t position)
{
    if (position < 0 || j < c->n_lead || j >= c->n_answer)
        return false;
    int at = 0;
    for (const ns_span *span; (span = ns_case_mention(c, "needle_answer", &at));)
        if (position == span->begin + j - c->n_lead && position < span->end)
            return true;
    return false;
}

double ns_case_meta_number(const ns_case *c, const char *key, double otherwise)
{
    cJSON *meta = NULL;
    if (!c->meta || ns_json_parse(&meta, c->meta, strlen(c->meta), NS_CASE_JSON_DEPTH, "meta", NULL) < 0)
        return otherwise;
    const cJSON *const item = cJSON_GetObjectItemCaseSensitive(meta, key);
    const double value = cJSON_IsNumber(item) ? item->valuedouble : otherwise;
    cJSON_Delete(meta);
    return value;
}

int ns_case_set_span(ns_case *c, const char *name, int64_t begin, int64_t end, ns_error *err)
{
    if (!name || !name[0])
        return ns_fail(err, NS_E_ARG, "a span needs a name");
    if (begin < 0 || end <= begin || end > c->n_tokens)
        return ns_fail(err, NS_E_ARG, "case '%.100s': span '%.100s' is [%lld, %lld), outside the %lld tokens of the prompt or empty",
                       c->id ? c->id : "", name, (long long)begin, (long long)end, (long long)c->n_tokens);
    for (int i = 0; i < c->n_spans; i++) {
        if (strcmp(c->spans[i].name, name) == 0) {
            c->spans[i].begin = begin;
            c->spans[i].end = end;
            return NS_OK;
        }
    }
    if (c->n_spans >= NS_CASE_MAX_SPANS)
        return ns_fail(err, NS_E_ARG, "case '%.100s': more than %d spans", c->id ? c->id : "", NS_CASE_MAX_SPANS);
    ns_span *const spans = realloc(c->spans, ((size_t)c->n_spans + 1) * sizeof *spans);
    char *const copy = ns_strdup(name);
    if (spans)
        c->spans = spans;
    if (!spans || !copy) {
        free(copy);
        return ns_oom(err, "spans of a case");
    }
    spans[c->n_spans++] = (ns_span){copy, begin, end};
    return NS_OK;
}

static int check_ids(const ns_case *c, const int32_t *ids, int64_t n, const char *what, ns_error *err)
{
    if (n < 0 || (n > 0 && !ids))
        return ns_fail(err, NS_E_ARG, "case '%.100s': %s: %lld tokens without a list", c->id, what, (long long)n);
    for (int64_t i = 0; i < n; i++)
        if (ids[i] < 0)
            return ns_fail(err, NS_E_ARG, "case '%.100s': %s: token %lld is %d (ids are not negative)", c->id, what, (long long)i,
                           (int)ids[i]);
    return NS_OK;
}

static int check_spans(const ns_case *c, ns_error *err)
{
    if (c->n_spans < 0 || c->n_spans > NS_CASE_MAX_SPANS)
        return ns_fail(err, NS_E_ARG, "case '%.100s': %d spans (at most %d)", c->id, c->n_spans, NS_CASE_MAX_SPANS);
    for (int i = 0; i < c->n_spans; i++) {
        const ns_span *const s = &c->spans[i];
        if (!s->name || !s->name[0])
            return ns_fail(err, NS_E_ARG, "case '%.100s': span %d has no name", c->id, i);
        if (s->begin < 0 || s->end <= s->begin || s->end > c->n_tokens)
            return ns_fail(err, NS_E_ARG, "case '%.100s': span '%.100s' is [%lld, %lld), outside the %lld tokens of the prompt or empty",
                           c->id, s->name, (long long)s->begin, (long long)s->end, (long long)c->n_tokens);
        if (ns_case_span(c, s->name) != s)
            return ns_fail(err, NS_E_ARG, "case '%.100s': two spans are called '%.100s' (rename one)", c->id, s->name);
    }
    return NS_OK;
}

/* The copy scores compare keys with ns_case_is_source: every mention must hold the very tokens of the answer. */
static int check_mention(const ns_case *c, const ns_span *span, ns_error *err)
{
    const int64_t content = c->n_answer - c->n_lead;
    if (span->end - span->begin < content)
        return ns_fail(err, NS_E_ARG, "case '%.100s': span '%.100s' must hold the whole answer (its tokens: %lld, the answer's: %lld)",
                       c->id, span->name, (long long)(span->end - span->begin), (long long)content);
    for (int64_t j = c->n_lead; j < c->n_answer; j++) {
        const int64_t at = span->begin + j - c->n_lead;
        if (c->tokens[at] != c->answer[j])
            return ns_fail(err, NS_E_ARG,
                           "case '%.100s': the answer must be tokenised as it stands in the needle (answer token %lld is %d, but its "
                           "source at position %lld in span '%.100s' is %d)",
                           c->id, (long long)j, (int)c->answer[j], (long long)at, span->name, (int)c->tokens[at]);
    }
    return NS_OK;
}

static int check_sources(const ns_case *c, ns_error *err)
{
    int at = 0, rc = NS_OK;
    for (const ns_span *span; rc == NS_OK && c->n_answer && (span = ns_case_mention(c, "needle_answer", &at));)
        rc = check_mention(c, span, err);
    return rc;
}

static int check_meta(const ns_case *c, ns_error *err)
{
    cJSON *meta = NULL;
    if (!c->meta)
        return NS_OK;
    const int rc = ns_json_parse(&meta, c->meta, strlen(c->meta), NS_CASE_JSON_DEPTH, "meta", err);
    const bool object = rc == NS_OK && cJSON_IsObject(meta);
    cJSON_Delete(meta);
    if (rc != NS_OK)
        return rc;
    return object ? NS_OK : ns_fail(err, NS_E_ARG, "case '%.100s': meta is not a JSON object", c->id);
}

static int check(const ns_case *c, ns_error *err)
{
    if (!c->id || !c->id[0])
        return ns_fail(err, NS_E_ARG, "a case needs an id");
    if (c->n_tokens < 1)
        return ns_fail(err, NS_E_ARG, "case '%.100s': the prompt has no tokens", c->id);
    int rc = check_ids(c, c->tokens, c->n_tokens, "prompt", err);
    if (rc == NS_OK)
        rc = check_ids(c, c->answer, c->n_answer, "answer", err);
    if (rc == NS_OK && (c->n_lead < 0 || (c->n_lead > 0 && c->n_lead >= c->n_answer)))
        rc = ns_fail(err, NS_E_ARG, "case '%.100s': lead is %lld, but the answer has %lld tokens", c->id, (long long)c->n_lead,
                     (long long)c->n_answer);
    if (rc == NS_OK)
        rc = check_spans(c, err);
    if (rc == NS_OK)
        rc = ns_case_check_roles(c, err);
    if (rc == NS_OK)
        rc = check_sources(c, err);
    return rc == NS_OK ? check_meta(c, err) : rc;
}

int ns_cases_add(ns_cases *cases, ns_case *c, ns_error *err)
{
    const int rc = check(c, err);
    if (rc != NS_OK)
        return rc;
    if (!ns_grow(&cases->list, &cases->capacity, cases->n + 1, sizeof *cases->list))
        return ns_oom(err, "cases");
    cases->list[cases->n++] = *c;
    *c = (ns_case){0};
    return NS_OK;
}

static bool same_reason(const char *a, const char *b)
{
    const char *const end_a = strstr(a, " ("), *const end_b = strstr(b, " (");
    const size_t n = end_a ? (size_t)(end_a - a) : strlen(a);
    return n == (end_b ? (size_t)(end_b - b) : strlen(b)) && memcmp(a, b, n) == 0;
}

int ns_case_drops_add(ns_case_drops *drops, const char *id, const char *reason, ns_error *err)
{
    for (int64_t i = 0; i < drops->n; i++)
        if (same_reason(drops->list[i].reason, reason)) {
            drops->list[i].n++;
            return NS_OK;
        }
    const ns_case_drop drop = {ns_strdup(id), ns_strdup(reason), 1};
    if (!drop.id || !drop.reason || !ns_grow(&drops->list, &drops->capacity, drops->n + 1, sizeof drop)) {
        free(drop.id);
        free(drop.reason);
        return ns_oom(err, "dropped cases");
    }
    drops->list[drops->n++] = drop;
    return NS_OK;
}

void ns_case_drops_clear(ns_case_drops *drops)
{
    for (int64_t i = 0; i < drops->n; i++) {
        free(drops->list[i].id);
        free(drops->list[i].reason);
    }
    free(drops->list);
    *drops = (ns_case_drops){0};
}

static void hash_ids(ns_sha256 *hash, const int32_t *ids, int64_t n)
{
    for (int64_t i = -1; i < n; i++) {      /* the count, then the ids; little-endian on every machine */
        const uint64_t value = i < 0 ? (uint64_t)n : (uint64_t)(uint32_t)ids[i];
        uint8_t bytes[8];
        for (int b = 0; b < 8; b++)
            bytes[b] = (uint8_t)(value >> (8 * b));
        ns_sha256_add(hash, bytes, sizeof bytes);
    }
}

void ns_cases_hash(const ns_cases *cases, char hex[65])
{
    ns_sha256 hash;
    ns_sha256_begin(&hash);
    for (int64_t i = 0; i < cases->n; i++) {
        hash_ids(&hash, cases->list[i].tokens, cases->list[i].n_tokens);
        hash_ids(&hash, cases->list[i].answer, cases->list[i].n_answer);
    }
    ns_sha256_end(&hash, hex);
}
