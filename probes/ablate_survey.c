/* ablate_survey.c - the untouched pass before an ablation: mean |z W_O| at the answer rows, by which controls are drawn, and mean z over
 * the rows in scope. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "ablate.h"
#include "draws.h"

/* Sums of z over the rows in scope. */
typedef struct z_sum { ns_edit_scope scope; int64_t L, H, d; double *sum; int64_t *rows; } z_sum;       /* [L, H, d]; rows [L] */
typedef struct norm_sum { int64_t H; double *sum; int64_t *rows; } norm_sum;                            /* [L, H]; rows [L] */

static int see_result(void *user, const ns_site *site, const ns_view *v, ns_error *err)
{
    (void)err;
    const norm_sum *const s = user;
    s->rows[site->layer] += site->n_rows;
    ns_add_norms(s->sum, s->H, site, v);
    return NS_OK;
}

static int see_z(void *user, const ns_site *site, const ns_view *v, ns_error *err)
{
    (void)err;
    const z_sum *const s = user;
    for (int64_t r = 0; r < site->n_rows; r++) {
        const bool decode = site->c && site->row0 + r >= site->c->n_tokens - 1;
        if (!site->c || (s->scope != NS_SCOPE_ALL && (s->scope == NS_SCOPE_DECODE) != decode))
            continue;
        s->rows[site->layer]++;
        for (int64_t h = 0; h < site->n_heads; h++)
            for (int64_t i = 0; i < v->shape[2]; i++)
                s->sum[(site->layer * s->H + h) * s->d + i] += (double)*ns_at(v, r, h, i);
    }
    return NS_OK;
}

static bool z_sum_new(z_sum *s, const ns_arch *arch, ns_edit_scope scope)
{
    *s = (z_sum){scope, arch->n_layers, ns_arch_max_heads(arch), ns_arch_max_head_dim(arch), NULL, NULL};
    s->sum = ns_alloc_array((size_t)(s->L * s->H * s->d), sizeof *s->sum);
    s->rows = ns_alloc_array((size_t)s->L, sizeof *s->rows);
    return s->sum && s->rows;
}

static ns_hook z_sum_hook(z_sum *s)
{
    return (ns_hook){.size = sizeof(ns_hook), .at = "blocks.*.attn.hook_z", .read = see_z, .user = s,
                     .rows.kind = s->scope == NS_SCOPE_DECODE ? NS_ROWS_ANSWER : NS_ROWS_ALL};
}

static void z_sum_mean(const z_sum *s, float *mean)
{
    for (int64_t i = 0; i < s->L * s->H * s->d; i++) {
        const int64_t rows = s->rows[i / (s->H * s->d)];
        mean[i] = rows ? (float)(s->sum[i] / (double)rows) : 0;
    }
}

static void z_sum_clear(z_sum *s)
{
    free(s->sum);
    free(s->rows);
}

int ns_mean_z(const ns_model *model, const ns_cases *cases, ns_edit_scope scope, float *mean, ns_error *err)
{
    z_sum z;
    ns_hooks *hooks = NULL;
    int rc = z_sum_new(&z, ns_model_arch(model), scope) ? NS_OK : ns_oom(err, "means of heads");
    const ns_hook hook = z_sum_hook(&z);
    if (rc == NS_OK)
        rc = ns_hooks_new(&hooks, ns_model_arch(model), &hook, 1, err);
    if (rc == NS_OK)
        rc = ns_run_cases(model, cases, hooks, NULL, err);
    if (rc == NS_OK)
        z_sum_mean(&z, mean);
    ns_hooks_free(hooks);
    z_sum_clear(&z);
    return rc;
}

static int run_list(ns_ablating *a, const ns_hooks *hooks)
{
    int64_t *const index = ns_alloc_array((size_t)a->out->n_cases, sizeof *index);
    const ns_score_params params = {.size = sizeof params, .cancelled = a->p->cancelled, .user = a->p->user};
    if (!index)
        return ns_oom(a->err, "cases");
    for (int64_t i = 0; i < a->out->n_cases; i++)
        index[i] = i;
    const int rc = ns_run_list(a->model, a->cases, index, a->out->n_cases, hooks, &params, a->err);
    free(index);
    return rc;
}

int ns_ablate_survey(ns_ablating *a)
{
    const int64_t L = a->out->L, H = a->out->H;
    norm_sum norm = {H, ns_alloc_array((size_t)(L * H), sizeof(double)), ns_alloc_array((size_t)L, sizeof(int64_t))};
    z_sum z;
    ns_hooks *hooks = NULL;
    a->out->norm = ns_alloc_array((size_t)(L * H), sizeof(float));
    a->mean = ns_alloc_array((size_t)(L * H * a->d), sizeof(float));
    int rc = z_sum_new(&z, a->arch, a->p->scope) && norm.sum && norm.rows && a->out->norm && a->mean ? NS_OK
        : ns_oom(a->err, "means of heads");
    const ns_hook list[] = {
        {.size = sizeof(ns_hook), .at = "blocks.*.attn.hook_result", .rows.kind = NS_ROWS_ANSWER, .read = see_result, .user = &norm},
        z_sum_hook(&z),
    };
    if (rc == NS_OK)
        rc = ns_hooks_new(&hooks, a->arch, list, a->p->modes & 1u << NS_EDIT_MEAN_Z ? 2 : 1, a->err);
    if (rc == NS_OK)
        rc = run_list(a, hooks);
    for (int64_t i = 0; rc == NS_OK && i < L * H; i++)
        a->out->norm[i] = norm.rows[i / H] ? (float)(norm.sum[i] / (double)norm.rows[i / H]) : NAN;
    if (rc == NS_OK)
        z_sum_mean(&z, a->mean);
    ns_hooks_free(hooks);
    z_sum_clear(&z);
    free(norm.sum);
    free(norm.rows);
    return rc;
}
