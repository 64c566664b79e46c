/* deliver.c - rows of a view go to the hooks that want them: edits first, then reads, each case served in turn. */
#include "model/internal.h"

#include <stdlib.h>
#include <string.h>

/* Kernels may read a panel past the end. */
float *ns_buffer_need(ns_buffer *b, int64_t n, ns_error *err)
{
    if ((size_t)n > b->n) {
        if (b->n && (size_t)n < 2 * b->n)      /* what grows with the position does not do so at every band */
            n = (int64_t)(2 * b->n);
        free(b->data);
        b->n = 0;
        b->data = ns_alloc_aligned((size_t)(n + NS_PANEL) * sizeof(float));
        if (!b->data) {
            ns_fail(err, NS_E_MEMORY, "no memory for a buffer of %lld bytes; lower --memory or use shorter cases", (long long)n * 4);
            return NULL;
        }
        b->n = (size_t)n;
    }
    return b->data;
}

int64_t ns_pass_shown_floats(const ns_pass *p)
{
    enum { OF_A_WORKER = 1 << 20, MOST = 16 << 20 };
    return p->scratch->n_workers < MOST / OF_A_WORKER ? (int64_t)p->scratch->n_workers * OF_A_WORKER : MOST;
}

static int64_t n_served(const ns_session *s)
{
    return s->n_served > 0 ? s->n_served : 1;
}

/* ---- resolving rows: a case's timeline is as long as the longest session that serves it ---- */

typedef struct case_length { int64_t case_index, length; } case_length;

static int by_case(const void *a, const void *b)
{
    const case_length *x = a, *y = b;
    if (x->case_index != y->case_index)
        return x->case_index < y->case_index ? -1 : 1;
    return x->length > y->length ? -1 : x->length < y->length;      /* the longest first */
}

static int set_totals(ns_pass *p)
{
    int64_t n = 0;
    for (int64_t i = 0; i < p->n_sessions; i++)
        n += p->sessions[i]->n_served;
    case_length *list = ns_alloc_array((size_t)n, sizeof *list);
    if (!list)
        return ns_oom(p->err, "row selections");
    n = 0;
    for (int64_t i = 0; i < p->n_sessions; i++)
        for (int64_t c = 0; c < p->sessions[i]->n_served; c++)
            list[n++] = (case_length) { p->sessions[i]->served[c].case_index, p->sessions[i]->n_tokens + p->sessions[i]->ahead };
    qsort(list, (size_t)n, sizeof *list, by_case);
    for (int64_t i = 0; i < p->n_sessions; i++)
        for (int64_t c = 0; c < p->sessions[i]->n_served; c++) {
            ns_served *v = &p->sessions[i]->served[c];
            int64_t lo = 0, hi = n;
            while (lo < hi) {
                int64_t mid = (lo + hi) / 2;
                if (list[mid].case_index < v->case_index)
                    lo = mid + 1;
                else
                    hi = mid;
            }
            v->total = list[lo].length;
        }
    free(list);
    return NS_OK;
}

/* Of the rows from `first` on, those that would be wanted if each were the last. */
static bool last_rows(const ns_rows *rows, const ns_case *c, int64_t first, int64_t total, ns_runs *out)
{
    *out = (ns_runs){.list = ns_alloc_array((size_t)(total - first), sizeof *out->list)};
    bool ok = out->list;
    for (int64_t row = first; row < total && ok; row++) {
        ns_runs own;
        ok = ns_rows_resolve(rows, c, row + 1, &own);
        const int64_t at = ok ? ns_runs_seek(&own, row) : 0;
        if (ok && at < own.n && own.list[at].begin <= row)
            out->list[out->n++] = (ns_run){row, row + 1};
        free(own.list);
    }
    return ok;
}

static bool resolve(const ns_session *s, const ns_rows *rows, int64_t served, ns_runs *out)
{
    const ns_case *const of = s->n_served ? s->served[served].c : NULL;
    const int64_t total = s->n_served ? s->served[served].total : s->n_tokens + s->ahead;
    return s->one_by_one ? last_rows(rows, of, s->computed, total, out) : ns_rows_resolve(rows, of, total, out);
}

int ns_pass_rows(ns_pass *p)
{
    int n_hooks = p->hooks ? p->hooks->n : 0;
    if (!n_hooks)
        return NS_OK;
    int rc = set_totals(p);
    for (int64_t i = 0; i < p->n_sessions && rc == NS_OK; i++) {
        ns_session *s = p->sessions[i];
        s->rows = ns_alloc_array((size_t)(n_hooks * n_served(s)), sizeof *s->rows);
        if (!s->rows)
            return ns_oom(p->err, "row selections");
        for (int64_t c = 0; c < n_served(s); c++)
            for (int h = 0; h < n_hooks; h++)
                if (!resolve(s, &p->hooks->list[h].rows, c, &s->rows[c * n_hooks + h]))
                    return ns_oom(p->err, "row selections");
    }
    return rc;
}

bool ns_wanted(const ns_pass *p, const ns_session *s, ns_point point, int64_t layer, int64_t begin, int64_t end)
{
    int n;
    const int *at = ns_hooks_at(p->hooks, point, layer, &n);
    for (int i = 0; i < n; i++)
        for (int64_t c = 0; c < n_served(s); c++) {
            const ns_runs *runs = &s->rows[c * p->hooks->n + at[i]];
            int64_t r = ns_runs_seek(runs, begin);
            if (r < runs->n && runs->list[r].begin < end)
                return true;
        }
    return false;
}

bool ns_wanted_rows(const ns_pass *p, const ns_session *s, int64_t layer, ns_point a, ns_point b, int64_t *begin, int64_t *end)
{
    if (!ns_wanted(p, s, a, layer, *begin, *end) && !ns_wanted(p, s, b, layer, *begin, *end))
        return false;
    while (!ns_wanted(p, s, a, layer, *begin, *begin + 1) && !ns_wanted(p, s, b, layer, *begin, *begin + 1))
        ++*begin;
    while (!ns_wanted(p, s, a, layer, *end - 1, *end) && !ns_wanted(p, s, b, layer, *end - 1, *end))
        --*end;
    return true;
}

/* ---- delivery ---- */

typedef struct delivery {
    ns_pass       *pass;
    const ns_hook *hook;
    const ns_view *view;
    ns_site        site;
    int            row_axis;
} delivery;

/* The rows [begin, end) of the view; attention views end at the last row's own key. */
static ns_view rows_of(const delivery *d, int64_t row0, int64_t begin, int64_t end)
{
    ns_view v = *d->view;
    v.data = (float *)v.data + (begin - row0) * v.stride[d->row_axis];
    v.shape[d->row_axis] = end - begin;
    if (d->row_axis == 1 && end - d->site.key0 < v.shape[2])
        v.shape[2] = end - d->site.key0;
    return v;
}

static int call(const delivery *d, int64_t row0, int64_t begin, int64_t end)
{
    ns_view v = rows_of(d, row0, begin, end);
    ns_site site = d->site;
    site.row0 = begin;
    site.n_rows = end - begin;
    site.n_keys = d->row_axis == 1 ? v.shape[2] : 0;
    ns_error *err = d->pass->err;
    int rc = d->hook->edit ? d->hook->edit(d->hook->user, &site, &v, err) : d->hook->read(d->hook->user, &site, &v, err);
    if (rc < 0 && err && !err->message[0])
        return ns_fail(err, rc, "hook '%s' failed without a reason", d->hook->at);
    return rc;
}

int ns_deliver(ns_pass *p, int64_t session, ns_point point, int64_t layer, int64_t row0, const ns_view *view, const ns_branch *heads,
               int64_t key0)
{
    int n;
    const int *at = ns_hooks_at(p->hooks, point, layer, &n);
    if (!n)
        return NS_OK;
    const ns_session *s = p->sessions[session];
    const ns_attn *const attn = heads && heads->class_->heads ? heads->params : NULL;
    delivery d = {.pass = p, .view = view, .row_axis = point == NS_POINT_SCORES || point == NS_POINT_PATTERN};
    int64_t row1 = row0 + view->shape[d.row_axis];
    d.site = (ns_site) { .size = sizeof d.site, .point = point, .layer = layer, .session = session, .case_index = -1, .key0 = key0,
                         .kind = heads ? heads->class_->rows : NS_ROW_SOFTMAX, .attn = attn,
                         .band = p->band, .n_heads = attn ? attn->n_heads : 0, .n_kv_heads = attn ? attn->n_kv_heads : 0 };
    for (int i = 0; i < n; i++) {
        d.hook = &p->hooks->list[at[i]];
        const int64_t first = d.hook->read && s->shown > row0 ? s->shown : row0;
        for (int64_t c = 0; c < n_served(s); c++) {
            const ns_runs *runs = &s->rows[c * p->hooks->n + at[i]];
            if (s->n_served) {
                d.site.c = s->served[c].c;
                d.site.case_index = s->served[c].case_index;
            }
            for (int64_t r = ns_runs_seek(runs, first); r < runs->n && first < row1 && runs->list[r].begin < row1; r++) {
                int64_t begin = runs->list[r].begin > first ? runs->list[r].begin : first;
                int64_t end = runs->list[r].end < row1 ? runs->list[r].end : row1;
                int rc = call(&d, row0, begin, end);
                if (rc != NS_OK)
                    return rc;
            }
        }
    }
    return NS_OK;
}
