/* ablate_measure.c - the passes of an ablation.
 *
 *   conditions  those that leave the prompt alone fork from one pass over it; every other one runs the whole case
 *   losses      some cases, edited at all rows: cross-entropy at prompt rows that are no part of needle, answer or question
 *
 * A session carries case_index = condition * C + case, so one set of hooks serves all conditions of a pass. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ablate.h"

enum { LOSS_ROWS = 16 };

/* ---- edits of the conditions ---- */

static int condition_of(void *user, const ns_site *site)
{
    const ns_ablating *const a = user;
    return site->case_index < 0 ? -1 : (int)(site->case_index / a->out->n_cases);
}

static void take_hidden(void *user, const ns_site *site, double hidden, double needle)
{
    const ns_ablating *const a = user;
    a->hidden[site->case_index] += hidden;          /* a case's rows come in one order, however cases are batched: the same bits */
    a->needle[site->case_index] += needle;
}

/* One edit a condition; scope as asked, or all rows for the losses. */
static int make_edits(ns_ablating *a, ns_edit_scope scope, ns_edits **out)
{
    const int n = a->out->n;
    ns_edit *const list = ns_alloc_array((size_t)n, sizeof *list);
    float *const means = ns_alloc_array((size_t)n * (size_t)(a->p->n_heads + 1) * (size_t)a->d, sizeof *means);
    int rc = list && means ? NS_OK : ns_oom(a->err, "edits");
    for (int i = 0; i < n && rc == NS_OK; i++) {
        const ns_condition *const c = &a->out->list[i];
        float *const mean = means + (int64_t)i * (a->p->n_heads + 1) * a->d;
        for (int k = 0; k < c->n_heads; k++)
            memcpy(mean + k * a->d, a->mean + (c->heads[k].layer * a->out->H + c->heads[k].head) * a->d, (size_t)a->d * sizeof *mean);
        list[i] = (ns_edit){.size = sizeof *list, .mode = c->mode, .scope = scope, .heads = c->heads, .n_heads = c->n_heads,
                            .mean = mean, .seed = a->p->seed + (uint64_t)(c->draw + 1), .hid = take_hidden};
    }
    if (rc == NS_OK)
        rc = ns_edits_new(out, a->arch, list, n, condition_of, a, a->err);
    free(list);
    free(means);
    return rc;
}

static int hooks_with(ns_ablating *a, const ns_edits *edits, const ns_hook *reader, ns_hooks **out)
{
    int n;
    const ns_hook *const own = ns_edits_hooks(edits, &n);
    ns_hook *const list = ns_alloc_array((size_t)n + 1, sizeof *list);
    if (!list)
        return ns_oom(a->err, "hooks");
    if (n)
        memcpy(list, own, (size_t)n * sizeof *list);
    list[n] = *reader;
    const int rc = ns_hooks_new(out, a->arch, list, n + 1, a->err);
    free(list);
    return rc;
}

/* ---- conditions over cases ---- */

static int see_logits(void *user, const ns_site *site, const ns_view *v, ns_error *err)
{
    (void)err;
    ns_ablating *const a = user;
    if (site->case_index < 0)
        return NS_OK;
    ns_ablation *const o = a->out;
    const int64_t at = site->case_index;            /* condition * C + case */
    for (int64_t r = 0; r < site->n_rows; r++) {
        const ns_case *const c = site->c;
        const int64_t j = site->row0 + r - (c->n_tokens - 1);
        if (j < c->n_lead || j >= c->n_answer)
            continue;
        const float *const x = ns_at(v, r, 0, 0);
        int64_t best = -1;                          /* of the others */
        for (int64_t i = 0; i < v->shape[1]; i++)
            if (i != c->answer[j] && (best < 0 || x[i] > x[best]))
                best = i;
        const float gold = x[c->answer[j]], margin = best < 0 ? 0 : gold - x[best];
        const bool right = best < 0 || gold > x[best] || (gold == x[best] && c->answer[j] < best);
        o->content_right[at] += right;
        o->margin[at] += margin;
        if (j == c->n_lead) {
            o->first_right[at] = right;
            o->margin_first[at] = margin;
        }
    }
    return NS_OK;
}

/* Untouched before the answer's rows: such conditions share the prompt. */
static bool shares_prompt(const ns_ablating *a, const ns_condition *c)
{
    return a->p->scope == NS_SCOPE_DECODE || c->mode == NS_EDIT_NOOP || c->mode == NS_EDIT_KNOCKOUT || c->mode == NS_EDIT_KNOCKOUT_OTHERS;
}

/* Below it a condition is the untouched run; noop goes through all layers, which is what it is for. */
static int64_t first_layer(const ns_condition *c)
{
    return c->mode == NS_EDIT_NOOP ? 0 : ns_first_layer(c->heads, c->n_heads);
}

/* The prompt but for its last token once, unless the whole conditions brought it along; those conditions from there. */
static int fork_conditions(ns_ablating *a, ns_pass *p, int64_t i)
{
    const ns_case *const c = a->cases[i];
    const int64_t from = c->n_tokens - 1;
    ns_session *trunk = ns_pass_untouched(p, NULL, c, 0, ns_case_length(c));
    int rc = from > 0 && !trunk ? ns_pass_add(p, NULL, c, 0, from, -1, &trunk, a->err) : NS_OK;
    for (int k = 0; k < a->out->n && rc == NS_OK; k++)
        if (shares_prompt(a, &a->out->list[k]))
            rc = ns_pass_add_from(p, trunk, c, from, ns_case_length(c), k * a->out->n_cases + i, first_layer(&a->out->list[k]), a->err);
    return rc;
}

static int whole_conditions(ns_ablating *a, ns_pass *p, const ns_hooks *hooks, int64_t i)
{
    int rc = NS_OK;
    for (int k = 0; k < a->out->n && rc == NS_OK; k++) {
        if (shares_prompt(a, &a->out->list[k]))
            continue;
        rc = ns_pass_add_from(p, NULL, a->cases[i], 0, ns_case_length(a->cases[i]), k * a->out->n_cases + i, first_layer(&a->out->list[k]),
                              a->err);
        if (rc == NS_OK)
            rc = ns_pass_run_full(p, hooks, a->err);
    }
    return rc;
}

static int64_t rows_of(const ns_ablating *a, int64_t i)
{
    const ns_case *const c = a->cases[i];
    int64_t rows = c->n_tokens - 1;
    for (int k = 0; k < a->out->n; k++)
        rows += shares_prompt(a, &a->out->list[k]) ? c->n_answer : ns_case_length(c);
    return rows;
}

static void reduce(ns_ablating *a)
{
    ns_ablation *const o = a->out;
    for (int k = 0; k < o->n; k++) {
        ns_condition *const c = &o->list[k];
        int64_t first = 0, rest = 0, n_rest = 0, whole = 0;
        double margin = 0, margin_first = 0, hidden = 0, needle = 0;
        for (int64_t i = 0; i < o->n_cases; i++) {
            const int64_t at = k * o->n_cases + i;
            first += o->first_right[at];
            rest += o->content_right[at] - o->first_right[at];
            n_rest += o->content[i] - 1;
            whole += o->content_right[at] == o->content[i];
            o->margin[at] /= (float)o->content[i];
            margin += (double)o->margin[at];
            hidden += a->hidden[at];
            needle += a->needle[at];
            margin_first += (double)o->margin_first[at];
        }
        const double n = (double)o->n_cases;
        c->first = (double)first / n;
        c->rest = n_rest ? (double)rest / (double)n_rest : NAN;
        c->answered = (double)whole / n;
        c->margin = margin / n;
        c->hidden = needle > 0 ? hidden / needle : NAN;
        c->margin_first = margin_first / n;
    }
}

int ns_ablate_conditions(ns_ablating *a)
{
    ns_edits *edits = NULL;
    ns_hooks *hooks = NULL;
    ns_pass p = {.model = a->model, .work = &a->work};
    const ns_hook reader = {.size = sizeof reader, .at = "hook_logits", .rows.kind = NS_ROWS_ANSWER, .read = see_logits, .user = a};
    int rc = make_edits(a, a->p->scope, &edits);
    if (rc == NS_OK)
        rc = hooks_with(a, edits, &reader, &hooks);
    for (int64_t i = 0; i < a->out->n_cases; i++)
        a->work.total += rows_of(a, i);
    for (int64_t i = 0; i < a->out->n_cases && rc == NS_OK; i++) {
        rc = whole_conditions(a, &p, hooks, i);
        if (rc == NS_OK)
            rc = fork_conditions(a, &p, i);
        if (rc == NS_OK)
            rc = ns_pass_run_full(&p, hooks, a->err);
    }
    if (rc == NS_OK)
        rc = ns_pass_run(&p, hooks, a->err);
    ns_pass_clear(&p);
    ns_hooks_free(hooks);
    ns_edits_free(edits);
    if (rc == NS_OK)
        reduce(a);
    return rc;
}

/* ---- losses ---- */

typedef struct losses { ns_ablating *a; double *sum; int64_t *n; } losses;      /* [conditions] */

static bool outside_spans(const ns_case *c, int64_t position)
{
    for (int i = 0; i < c->n_spans; i++) {
        const ns_span *const s = &c->spans[i];
        if (strcmp(s->name, "placebo") && !ns_starts(s->name, "placebo.") && position >= s->begin && position < s->end)
            return false;
    }
    return true;
}

static int see_losses(void *user, const ns_site *site, const ns_view *v, ns_error *err)
{
    (void)err;
    const losses *const l = user;
    for (int64_t r = 0; r < site->n_rows && site->case_index >= 0; r++) {
        const int64_t q = site->row0 + r, k = site->case_index / l->a->out->n_cases;
        if (q + 1 >= site->c->n_tokens || !outside_spans(site->c, q) || !outside_spans(site->c, q + 1))
            continue;
        const float *const x = ns_at(v, r, 0, 0);
        double most = -INFINITY, sum = 0;
        for (int64_t i = 0; i < v->shape[1]; i++)
            most = fmax(most, (double)x[i]);
        for (int64_t i = 0; i < v->shape[1]; i++)
            sum += exp((double)x[i] - most);
        l->sum[k] += most + log(sum) - (double)x[site->c->tokens[q + 1]];
        l->n[k]++;
    }
    return NS_OK;
}

/* Rows spread evenly over the shortest of the cases. */
static int64_t spread(const ns_ablating *a, int64_t rows[LOSS_ROWS])
{
    int64_t shortest = INT64_MAX, n = 0;
    for (int64_t i = 0; i < a->out->n_cases; i++)
        if (a->out->in_loss[i] && a->cases[i]->n_tokens < shortest)
            shortest = a->cases[i]->n_tokens;
    for (int64_t i = 0; i < LOSS_ROWS; i++) {
        const int64_t row = (2 * i + 1) * shortest / (2 * LOSS_ROWS);
        if (n == 0 || rows[n - 1] != row)
            rows[n++] = row;
    }
    return n;
}

static bool has_loss(const ns_condition *c)
{
    return c->mode != NS_EDIT_KNOCKOUT && c->mode != NS_EDIT_KNOCKOUT_OTHERS;       /* their edges start in answer rows alone */
}

/* Case i under every condition that has a loss. */
static int add_losses(ns_ablating *a, ns_pass *p, const ns_hooks *hooks, int64_t i)
{
    int rc = NS_OK;
    for (int k = 0; k < a->out->n && rc == NS_OK; k++) {
        if (!has_loss(&a->out->list[k]))
            continue;
        rc = ns_pass_add_from(p, NULL, a->cases[i], 0, a->cases[i]->n_tokens, k * a->out->n_cases + i, first_layer(&a->out->list[k]),
                              a->err);
        if (rc == NS_OK)
            rc = ns_pass_run_full(p, hooks, a->err);
    }
    return rc;
}

int ns_ablate_losses(ns_ablating *a)
{
    losses l = {a, ns_alloc_array((size_t)a->out->n, sizeof(double)), ns_alloc_array((size_t)a->out->n, sizeof(int64_t))};
    int64_t rows[LOSS_ROWS];
    const ns_hook reader = {.size = sizeof reader, .at = "hook_logits", .read = see_losses, .user = &l,
                            .rows = {.kind = NS_ROWS_LIST, .n = spread(a, rows), .positions = rows}};
    ns_edits *edits = NULL;
    ns_hooks *hooks = NULL;
    ns_pass p = {.model = a->model, .work = &a->work};
    int rc = l.sum && l.n ? make_edits(a, NS_SCOPE_ALL, &edits) : ns_oom(a->err, "losses");
    if (rc == NS_OK)
        rc = hooks_with(a, edits, &reader, &hooks);
    for (int64_t i = 0; i < a->out->n_cases && rc == NS_OK; i++)
        if (a->out->in_loss[i])
            rc = add_losses(a, &p, hooks, i);
    if (rc == NS_OK)
        rc = ns_pass_run(&p, hooks, a->err);
    for (int k = 0; k < a->out->n && rc == NS_OK; k++)
        a->out->list[k].loss = l.n[k] ? l.sum[k] / (double)l.n[k] : NAN;
    ns_pass_clear(&p);
    ns_hooks_free(hooks);
    ns_edits_free(edits);
    free(l.sum);
    free(l.n);
    return rc;
}
