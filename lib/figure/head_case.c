/* head_case.c - which case and head of a recording, and which rows and keys of it. */
#include "figure/head_case.h"

#include <stdlib.h>
#include <string.h>

#include "core/core.h"

static int no_such_case(const char *case_id, char **ids, int64_t n, ns_error *err)
{
    return ns_fail(err, NS_E_ARG, "case '%s': the recording has %lld case%s, the first is '%s'", case_id ? case_id : "0", (long long)n,
                   ns_plural(n), n ? ids[0] : "");
}

/* By its id, else by its number. */
static int64_t place_of_case(const char *wanted, char **ids, int64_t n)
{
    char *end = NULL;
    for (int64_t i = 0; i < n; i++)
        if (strcmp(ids[i], wanted) == 0)
            return i;
    const int64_t at = strtoll(wanted, &end, 10);
    return end == wanted || *end || at < 0 || at >= n ? -1 : at;
}

static int no_map(const ns_recorded *d, ns_error *err)
{
    return ns_fail(err, NS_E_ARG, "case '%s' holds no map: record it with --maps dense or --maps rows", d->id);
}

static int open_case(const char *case_id, const ns_file *f, ns_recorded *d, ns_error *err)
{
    char **ids, **groups;
    int64_t n;
    int rc = ns_recorded_cases(f, &ids, &groups, &n, err);
    const int64_t at = rc != NS_OK ? -1 : case_id ? place_of_case(case_id, ids, n) : n ? 0 : -1;
    if (rc == NS_OK && at < 0)
        rc = no_such_case(case_id, ids, n, err);
    rc = rc != NS_OK ? rc : ns_recorded_open(d, f, ids[at], groups[at], 1u << NS_RECORDED_ROWS | 1u << NS_RECORDED_DENSE, err);
    if (rc == NS_OK && d->maps == NS_RECORDED_NONE)
        rc = ns_fail_default(err, no_map(d, err), case_id, "--case");
    ns_free_strings(ids, n);
    ns_free_strings(groups, n);
    return rc;
}

static void list_numbers(const int64_t *v, int64_t n, char out[128])
{
    size_t used = 0;
    *out = '\0';
    for (int64_t i = 0; i < n && used < 110; i++)
        used += (size_t)snprintf(out + used, 128 - used, "%s%lld", i ? ", " : "", (long long)v[i]);
}

static int check_head(int64_t layer, int64_t head, const ns_recorded *d, ns_error *err)
{
    char list[128];
    if (ns_recorded_layer(d, layer) < 0) {
        list_numbers(d->layers, d->n_layers, list);
        return ns_fail(err, NS_E_ARG, "layer %lld of case '%s' was not recorded; these were: %s", (long long)layer, d->id,
                       d->n_layers ? list : "none");
    }
    return head < d->n_heads
               ? NS_OK
               : ns_fail(err, NS_E_ARG, "head %lld: the recording has heads 0 to %lld", (long long)head, (long long)d->n_heads - 1);
}

int ns_head_case_open(ns_recorded *d, const ns_file *f, const char *case_id, int64_t layer, int64_t head, ns_error *err)
{
    const int rc = open_case(case_id, f, d, err);
    return rc != NS_OK ? rc : check_head(layer, head, d, err);
}

/* ---- rows and keys ---- */

int64_t ns_head_case_position(const ns_recorded *d, int64_t row)
{
    return d->rows ? d->rows[row] : row;
}

static int no_span(const ns_recorded *d, const char *name, ns_error *err)
{
    char list[160] = "";
    for (int64_t i = 0; i < d->n_spans && strlen(list) < 110; i++) {
        const size_t used = strlen(list);
        snprintf(list + used, sizeof list - used, "%s%.40s", i ? ", " : "", d->span_names[i]);
    }
    return ns_fail(err, NS_E_ARG, "case '%s' has no span '%s'; it has %s", d->id, name, *list ? ns_utf8_whole(list) : "none");
}

static int span_range(ns_recorded *d, const char *name, int64_t range[2], ns_error *err)
{
    int rc = d->spans ? NS_OK : ns_recorded_read_spans(d, err);
    for (int64_t i = 0; i < d->n_spans && rc == NS_OK; i++)
        if (strcmp(d->span_names[i], name) == 0) {
            range[0] = d->spans[i].begin;
            range[1] = d->spans[i].end;
            return NS_OK;
        }
    return rc != NS_OK ? rc : no_span(d, name, err);
}

int ns_head_case_range(ns_recorded *d, const char *words, const char *what, int64_t n, int64_t range[2], ns_error *err)
{
    char *end = NULL;
    range[0] = 0;
    range[1] = n;
    if (!words)
        return NS_OK;
    if (ns_starts(words, "span:"))
        return span_range(d, words + 5, range, err);
    range[0] = strtoll(words, &end, 10);
    if (end == words || *end != ':' || end[1] < '0' || end[1] > '9')
        return ns_fail(err, NS_E_ARG, "%s '%.60s': write A:B, from position A to before B, or span:NAME", what, words);
    range[1] = strtoll(end + 1, &end, 10);
    if (*end || range[0] < 0 || range[0] >= range[1] || range[1] > n)
        return ns_fail(err, NS_E_ARG, "%s '%.60s': case '%s' has the positions 0:%lld", what, words, d->id, (long long)n);
    return NS_OK;
}

/* The prompt's last token and the answer's behind it predict its tokens. */
static int answer_range(const ns_recorded *d, int64_t range[2], ns_error *err)
{
    char **ids = NULL, **groups = NULL;
    int64_t *prompt = NULL, *answer = NULL, n = 0;
    int rc = ns_recorded_cases(d->f, &ids, &groups, &n, err);
    ns_expected w = {sizeof w, "case_tokens", NS_I64, 1, {n}, ns_between(1, 1 << 30)};
    rc = rc != NS_OK ? rc : ns_file_array(d->f, &w, &prompt, err);
    w = (ns_expected){sizeof w, "case_answer", NS_I64, 1, {n}, ns_between(0, 1 << 30)};
    rc = rc != NS_OK ? rc : ns_file_array(d->f, &w, &answer, err);
    range[0] = range[1] = 0;
    for (int64_t i = 0; i < n && rc == NS_OK; i++)
        if (strcmp(groups[i], d->group) == 0) {
            range[0] = prompt[i] - 1;
            range[1] = prompt[i] - 1 + answer[i];
        }
    if (rc == NS_OK && range[0] == range[1])
        rc = ns_fail(err, NS_E_ARG, "case '%s' has no answer", d->id);
    ns_free_strings(ids, n);
    ns_free_strings(groups, n);
    free(prompt);
    free(answer);
    return rc;
}

int ns_head_case_rows(ns_recorded *d, const char *words, int64_t range[2], ns_error *err)
{
    int64_t at[2] = {0, d->n_keys};
    char *end = NULL;
    int rc = NS_OK;
    if (words && strcmp(words, "answer") == 0)
        rc = answer_range(d, at, err);
    else if (words && ns_starts(words, "last:")) {
        at[0] = d->n_keys - strtoll(words + 5, &end, 10);
        if (end == words + 5 || *end || at[0] < 0 || at[0] >= d->n_keys)
            return ns_fail(err, NS_E_ARG, "rows '%.60s': the case has %lld", words, (long long)d->n_keys);
    } else
        rc = ns_head_case_range(d, words, "rows", d->n_keys, at, err);
    range[0] = range[1] = 0;
    for (int64_t r = 0; r < d->n_rows && rc == NS_OK; r++) {
        const int64_t position = ns_head_case_position(d, r);
        range[0] += position < at[0];
        range[1] += position < at[1];
    }
    return rc != NS_OK || range[0] < range[1]
               ? rc
               : ns_fail(err, NS_E_ARG, "rows '%.60s' of case '%s' were not recorded", words ? words : "all", d->id);
}
