/* rows.c - row selections become sorted, disjoint runs of positions. */
#include "hook/hook.h"
#include "core/core.h"

#include <stdlib.h>
#include <string.h>

static bool one_run(ns_runs *out, int64_t begin, int64_t end, int64_t total)
{
    begin = begin < 0 ? 0 : begin;
    end = end > total ? total : end;
    if (begin >= end)
        return true;
    out->list = ns_alloc_array(1, sizeof *out->list);
    if (!out->list)
        return false;
    out->list[0] = (ns_run) { begin, end };
    out->n = 1;
    return true;
}

static int by_begin(const void *a, const void *b)
{
    int64_t x = ((const ns_run *)a)->begin, y = ((const ns_run *)b)->begin;
    return x < y ? -1 : x > y;
}

/* Sorted; those that touch become one. */
static void join_runs(ns_runs *out, int64_t n)
{
    qsort(out->list, (size_t)n, sizeof *out->list, by_begin);
    for (int64_t i = 0; i < n; i++) {
        ns_run *const last = out->n ? &out->list[out->n - 1] : NULL;
        if (last && out->list[i].begin <= last->end)
            last->end = out->list[i].end > last->end ? out->list[i].end : last->end;
        else
            out->list[out->n++] = out->list[i];
    }
}

/* All mentions: the spans NAME, NAME.0, NAME.1 ... */
static bool span_runs(ns_runs *out, const ns_case *c, const char *name, int64_t total)
{
    int64_t n = 0;
    int at = 0;
    out->list = ns_alloc_array((size_t)c->n_spans, sizeof *out->list);
    for (const ns_span *span; out->list && (span = ns_case_mention(c, name, &at));)
        if (span->begin < total)
            out->list[n++] = (ns_run) { span->begin, span->end < total ? span->end : total };
    if (out->list)
        join_runs(out, n);
    return out->list;
}

static bool list_runs(ns_runs *out, const ns_rows *rows, int64_t total)
{
    out->list = ns_alloc_array((size_t)rows->n, sizeof *out->list);
    if (!out->list)
        return false;
    int64_t n = 0;
    for (int64_t i = 0; i < rows->n; i++) {
        int64_t p = rows->positions[i] < 0 ? total + rows->positions[i] : rows->positions[i];
        if (p >= 0 && p < total)
            out->list[n++] = (ns_run) { p, p + 1 };
    }
    join_runs(out, n);
    return true;
}

bool ns_rows_resolve(const ns_rows *rows, const ns_case *c, int64_t total, ns_runs *out)
{
    *out = (ns_runs) { 0 };
    switch (rows->kind) {
    case NS_ROWS_ALL:
        return one_run(out, 0, total, total);
    case NS_ROWS_LAST:
        return one_run(out, total - rows->n, total, total);
    case NS_ROWS_LIST:
        return list_runs(out, rows, total);
    case NS_ROWS_SPAN:
        return !c || !rows->span || span_runs(out, c, rows->span, total);
    case NS_ROWS_ANSWER:
    case NS_ROWS_PROBE: {
        int64_t first = (c ? c->n_tokens : total) - 1;
        int64_t n = c && c->n_answer > 0 ? c->n_answer : 1;
        const int64_t before = rows->kind == NS_ROWS_ANSWER ? 0 : rows->n > 0 ? rows->n : 1;
        return one_run(out, first - before, first + n, total);
    }
    }
    return true;
}

/* Positions that a session of the case goes through: its prompt, and the answer but for its last token. */
static int64_t positions_of(const ns_case *c)
{
    return c->n_tokens + (c->n_answer > 0 ? c->n_answer - 1 : 0);
}

static int no_rows(const ns_rows *rows, const ns_cases *cases, ns_error *err)
{
    const char *near = NULL;
    int64_t longest = 0;
    for (int64_t i = 0; i < cases->n; i++) {
        const ns_case *const c = &cases->list[i];
        longest = positions_of(c) > longest ? positions_of(c) : longest;
        for (int k = 0; k < c->n_spans && rows->span && !near; k++) {
            const char *const name = c->spans[k].name;
            near = ns_nearest_word(rows->span, &name, 1);
        }
    }
    if (rows->kind == NS_ROWS_SPAN)
        return ns_fail(err, NS_E_ARG, "rows: no case has a span '%.60s'%s%s%s", rows->span ? rows->span : "",
                       near ? " (did you mean '" : "", near ? near : "", near ? "'?)" : "");
    return ns_fail(err, NS_E_ARG, "rows: no case has any of the positions asked for: the longest has %lld", (long long)longest);
}

static bool has_position(const ns_case *c, int64_t position)
{
    const int64_t total = positions_of(c);
    return position < 0 ? position >= -total : position < total;
}

/* Of the rows that are asked for: does the case have one, and all? */
static void look(const ns_rows *rows, const ns_case *c, bool *some, bool *all)
{
    int64_t there = 1, asked = 1;
    int at = 0;
    if (rows->kind == NS_ROWS_LIST) {
        asked = rows->n;
        there = 0;
        for (int64_t k = 0; k < rows->n; k++)
            there += has_position(c, rows->positions[k]);
    } else if (rows->kind == NS_ROWS_LAST) {
        asked = rows->n;
        there = positions_of(c) < rows->n ? positions_of(c) : rows->n;
    } else if (rows->kind == NS_ROWS_SPAN) {
        there = rows->span && ns_case_mention(c, rows->span, &at);
    }
    *some = there > 0;
    *all = there >= asked;
}

int ns_rows_check(const ns_rows *rows, const ns_cases *cases, int64_t *lacking, ns_error *err)
{
    int64_t lack = 0, have = 0;
    for (int64_t i = 0; i < cases->n; i++) {
        bool some, all;
        look(rows, &cases->list[i], &some, &all);
        have += some;
        lack += !all;
    }
    if (lacking)
        *lacking = lack;
    return have || !cases->n ? NS_OK : no_rows(rows, cases, err);
}

int ns_hooks_check_rows(const ns_hook *list, int n, const ns_cases *cases, int64_t *lacking, ns_error *err)
{
    ns_error why = {""};
    int64_t lack = 0;
    for (int h = 0; h < n; h++)
        if (ns_rows_check(&list[h].rows, cases, NULL, &why) != NS_OK)
            return ns_fail(err, NS_E_ARG, "hook '%.100s': %s", list[h].at, why.message);
    for (int64_t i = 0; i < cases->n; i++) {
        bool some, all = true;
        for (int h = 0; h < n && all; h++)
            look(&list[h].rows, &cases->list[i], &some, &all);
        lack += !all;
    }
    if (lacking)
        *lacking = lack;
    return NS_OK;
}

int64_t ns_runs_seek(const ns_runs *runs, int64_t position)
{
    int64_t lo = 0, hi = runs->n;
    while (lo < hi) {
        int64_t mid = (lo + hi) / 2;
        if (runs->list[mid].end > position)
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}
