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
    qsort(out->list, (size_t)n, sizeof *out->list, by_begin);
    for (int64_t i = 0; i < n; i++) {
        if (out->n && out->list[i].begin <= out->list[out->n - 1].end)
            out->list[out->n - 1].end = out->list[i].end;
        else
            out->list[out->n++] = out->list[i];
    }
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
    case NS_ROWS_SPAN: {
        const ns_span *span = c && rows->span ? ns_case_span(c, rows->span) : NULL;
        return !span || one_run(out, span->begin, span->end, total);
    }
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
