/* lacking.c - what cases lack of a definition's rows and keys: a case that lacks all cannot be judged, what some lack is counted and
 * said. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "pattern.h"

bool ns_pattern_needs_copies(const ns_pattern *p)
{
    return p->keys == NS_PK_SAME || p->keys == NS_PK_AFTER_SAME;
}

static const char *no_span(const ns_case *c, const char *name, char reason[NS_REASON])
{
    const char **const words = ns_alloc_array((size_t)c->n_spans, sizeof *words);
    for (int i = 0; words && i < c->n_spans; i++)
        words[i] = c->spans[i].name;
    const char *const near = words ? ns_nearest_word(name, words, c->n_spans) : NULL;
    snprintf(reason, NS_REASON, near ? "no %.40s span (did you mean %.40s?)" : "no %.40s span", name, near ? near : "");
    free(words);
    return ns_utf8_whole(reason);
}

static int64_t most_rows(const ns_pattern *p, const ns_case *c)
{
    switch (p->rows) {
    case NS_PR_ALL:    return c->n_tokens;
    case NS_PR_ANSWER: return c->n_answer - c->n_lead;
    case NS_PR_LAST:   return p->last < c->n_tokens ? p->last : c->n_tokens;
    case NS_PR_LIST:   return p->row_list.n;
    case NS_PR_SPAN:   return ns_case_mentioned(c, p->row_span);
    default:           return 1;
    }
}

/* Out of memory is not a reason to drop a case: begin meets it again and says so. */
static bool none_repeats(const ns_case *c)
{
    bool repeated;
    int32_t *const before = ns_copies_link(c, &repeated);
    const bool none = before && !repeated;
    free(before);
    return none;
}

/* How many listed positions lie in [0, n)? Those below 0 count from the prompt's end. */
static int inside(const ns_pattern_list *list, int64_t n, int64_t prompt)
{
    int found = 0;
    for (int i = 0; i < list->n; i++) {
        const int64_t at = list->at[i] < 0 ? list->at[i] + prompt : list->at[i];
        found += at >= 0 && at < n;
    }
    return found;
}

static int64_t last_of_span(const ns_case *c, const char *name)
{
    int at = 0;
    int64_t last = -1;
    for (const ns_span *span; (span = ns_case_mention(c, name, &at));)
        last = span->end - 1 > last ? span->end - 1 : last;
    return last;
}

static int64_t last_listed(const ns_pattern_list *list, int64_t prompt)
{
    int64_t last = -1;
    for (int i = 0; i < list->n; i++) {
        const int64_t at = list->at[i] < 0 ? list->at[i] + prompt : list->at[i];
        last = at > last && at < prompt ? at : last;
    }
    return last;
}

/* The last row that is judged: it sees the most keys. */
static int64_t last_row(const ns_pattern *p, const ns_case *c)
{
    switch (p->rows) {
    case NS_PR_ANSWER: return c->n_tokens + c->n_answer - 2;
    case NS_PR_FIRST:  return c->n_tokens + c->n_lead - 1;
    case NS_PR_BEFORE: return c->n_tokens - 2;
    case NS_PR_SPAN:   return last_of_span(c, p->row_span);
    case NS_PR_LIST:   return last_listed(&p->row_list, c->n_tokens);
    default:           return c->n_tokens - 1;
    }
}

const char *ns_pattern_rejects(const ns_probe_context *ctx, char reason[NS_REASON])
{
    ns_pattern p;
    const ns_case *const c = ctx->c;
    if (ns_pattern_parse(&p, ctx->probe->definition, strlen(ctx->probe->definition), "definition", NULL) < 0)
        return NULL;                           /* begin says why */
    const bool answer = p.rows == NS_PR_ANSWER || p.rows == NS_PR_FIRST;
    if (answer && c->n_answer <= c->n_lead)
        return "no answer";
    if (*p.row_span && !ns_case_mentioned(c, p.row_span))
        return no_span(c, p.row_span, reason);
    if (*p.key_span && !ns_case_mentioned(c, p.key_span))
        return no_span(c, p.key_span, reason);
    if (p.rows == NS_PR_LIST && !inside(&p.row_list, c->n_tokens, c->n_tokens))
        return "none of the listed rows in the prompt";
    if (p.keys == NS_PK_LIST && !inside(&p.key_list, c->n_tokens + c->n_answer, c->n_tokens))
        return "none of the listed keys in the case";
    if (c->n_tokens < 2 && (p.rows == NS_PR_BEFORE || p.keys == NS_PK_OFFSET || p.stat == NS_PS_ENTROPY_NORM))
        return "a prompt of one token";
    if (p.stat == NS_PS_ARGMAX_HIT && most_rows(&p, c) > 255)
        return "more than 255 rows to count hits in";
    return ns_pattern_needs_copies(&p) && none_repeats(c) ? "no token occurs twice" : NULL;
}

/* ---- what matches in part ---- */

typedef struct remarks { const ns_probe *probe; void (*note)(void *user, const char *line); void *user; } remarks;

static void count(const remarks *r, int64_t lacking, int64_t n, const char *what)
{
    char line[200];
    snprintf(line, sizeof line, "%s: %lld of %lld cases lack %s", r->probe->name, (long long)lacking, (long long)n, what);
    ns_utf8_whole(line);
    if (lacking && r->note)
        r->note(r->user, line);
}

/* No row has the keys, where a row's own position alone says so. */
static bool lacks_keys(const ns_pattern *p, const ns_case *c)
{
    return (p->keys == NS_PK_OFFSET && last_row(p, c) + p->number < 0)
           || (p->keys == NS_PK_LIST && !inside(&p->key_list, last_row(p, c) + 1, c->n_tokens));
}

static void count_lists(const remarks *r, const ns_pattern *p, const ns_case *const *cases, int64_t n)
{
    int64_t rows = 0, keys = 0, excluded = 0;
    for (int64_t i = 0; i < n; i++) {
        const int64_t prompt = cases[i]->n_tokens, all = prompt + cases[i]->n_answer;
        rows += inside(&p->row_list, prompt, prompt) < p->row_list.n || p->last > prompt;
        keys += inside(&p->key_list, all, prompt) < p->key_list.n;
        excluded += inside(&p->exclude, all, prompt) < p->exclude.n;
    }
    count(r, rows, n, "a row of \"rows\": those that are there are judged");
    count(r, keys, n, "a key of \"keys\": those that are there count");
    count(r, excluded, n, "a position of \"exclude\"");
}

int ns_pattern_check(const ns_probe *probe, const ns_case *const *cases, int64_t n, const ns_score_params *params, ns_error *err)
{
    ns_pattern p;
    int64_t lacking = 0;
    const remarks r = {probe, params->note, params->user};
    const int rc = ns_pattern_parse(&p, probe->definition, strlen(probe->definition), probe->name, err);
    if (rc != NS_OK)
        return rc;
    for (int64_t i = 0; i < n; i++)
        lacking += lacks_keys(&p, cases[i]);
    if (n && lacking == n)
        return ns_fail(err, NS_E_ARG, "%s: no row of any case sees such \"keys\" (they lie before the prompt, or after the rows)",
                       probe->name);
    count(&r, lacking, n, "a row that sees such \"keys\"");
    count_lists(&r, &p, cases, n);
    if (p.exclude_special && !params->n_special)
        count(&r, n, n, "special tokens to \"exclude\": none are known without a tokenizer");
    return NS_OK;
}

void ns_pattern_check_values(const ns_probe *probe, const float *values, int64_t n, const ns_score_params *params)
{
    char line[200];
    for (int64_t i = 0; i < n; i++)
        if (!isnan(values[i]))
            return;
    snprintf(line, sizeof line, "%s: no row of any case has such keys, so no head has a score", probe->name);
    if (params->note)
        params->note(params->user, line);
}
