/* lab_ablate.c - does the answer go through the retrieval heads? One run's last checkpoint on the needle cases, again and again:
 *     intact | the edges from the answer's row to every mention of the needle cut in the heads | as many other edges cut, those with the largest
 *     scores | the heads' output zeroed | as many heads of like norm |z W_O| zeroed, draw after draw (shared by no draw: the retrieval heads). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/lab.h"
#include "cli/open.h"

#include <needlescope/probe.h>

typedef struct trial {
    int64_t L, H;
    bool    zero[CLI_LAB_LAYERS][CLI_LAB_HEADS], cut[CLI_LAB_LAYERS][CLI_LAB_HEADS], others;     /* others: cut edges to other keys */
    double  norm[CLI_LAB_LAYERS][CLI_LAB_HEADS];         /* sums over the cases, of |z W_O| at the answer's row */
    int64_t hits;
} trial;

/* ---- what the hooks do ---- */

static int zero_heads(void *user, const ns_site *site, ns_view *z, ns_error *err)
{
    (void)err;
    const trial *const t = user;
    for (int64_t row = 0; row < site->n_rows; row++)
        for (int64_t h = 0; h < site->n_heads; h++)
            for (int64_t d = 0; d < z->shape[2] && t->zero[site->layer][h]; d++)
                *ns_at(z, row, h, d) = 0;
    return NS_OK;
}

static bool in_needle(const ns_case *c, int64_t key)
{
    for (int i = 0; i < c->n_spans; i++) {
        const ns_span *const s = &c->spans[i];
        if ((strcmp(s->name, "needle") == 0 || ns_starts(s->name, "needle.")) && key >= s->begin && key < s->end)
            return true;
    }
    return false;
}

/* Minus infinity before the softmax: the weight goes to the keys that are left. */
static void cut_row(const trial *t, const ns_site *site, float *scores)
{
    int64_t n = 0;
    for (int64_t k = 0; k < site->n_keys; k++)
        if (in_needle(site->c, site->key0 + k)) {
            n++;
            if (!t->others)
                scores[k] = -INFINITY;
        }
    for (; t->others && n > 0; n--) {
        int64_t best = -1;
        for (int64_t k = 0; k < site->n_keys; k++)
            if (!in_needle(site->c, site->key0 + k) && isfinite(scores[k]) && (best < 0 || scores[k] > scores[best]))
                best = k;
        if (best >= 0)
            scores[best] = -INFINITY;
    }
}

static int cut_edges(void *user, const ns_site *site, ns_view *scores, ns_error *err)
{
    (void)err;
    const trial *const t = user;
    for (int64_t h = 0; h < site->n_heads; h++)
        for (int64_t row = 0; row < site->n_rows && t->cut[site->layer][h]; row++)
            cut_row(t, site, ns_at(scores, h, row, 0));
    return NS_OK;
}

static int read_answer(void *user, const ns_site *site, const ns_view *logits, ns_error *err)
{
    (void)err;
    trial *const t = user;
    for (int64_t row = 0; row < site->n_rows; row++) {
        int64_t best = 0;
        for (int64_t v = 1; v < logits->shape[1]; v++)
            best = *ns_at(logits, row, v, 0) > *ns_at(logits, row, best, 0) ? v : best;
        t->hits += best == site->c->answer[0];
    }
    return NS_OK;
}

static int read_norms(void *user, const ns_site *site, const ns_view *result, ns_error *err)
{
    (void)err;
    trial *const t = user;
    for (int64_t row = 0; row < site->n_rows; row++) {
        for (int64_t h = 0; h < site->n_heads; h++) {
            double sum = 0;
            for (int64_t d = 0; d < result->shape[2]; d++)
                sum += (double)*ns_at(result, row, h, d) * *ns_at(result, row, h, d);
            t->norm[site->layer][h] += sqrt(sum);
        }
    }
    return NS_OK;
}

/* ---- a trial ---- */

static int run_trial(const cli_model *m, const ns_cases *cases, trial *t, bool norms, double *accuracy, ns_error *err)
{
    const ns_rows answer = {.kind = NS_ROWS_ANSWER};
    const ns_hook list[] = {
        {.size = sizeof(ns_hook), .at = "hook_logits", .rows = answer, .read = read_answer, .user = t},
        {.size = sizeof(ns_hook), .at = "blocks.*.attn.hook_z", .edit = zero_heads, .user = t},
        {.size = sizeof(ns_hook), .at = "blocks.*.attn.hook_attn_scores", .rows = answer, .edit = cut_edges, .user = t},
        {.size = sizeof(ns_hook), .at = "blocks.*.attn.hook_result", .rows = answer, .read = read_norms, .user = t},
    };
    const ns_score_params params = {.size = sizeof params, .cancelled = cli_cancelled};
    ns_hooks *hooks = NULL;
    int rc = ns_hooks_new(&hooks, m->arch, list, norms ? 4 : 3, err);
    t->hits = 0;
    if (rc == NS_OK)
        rc = ns_run_cases(m->model, cases, hooks, &params, err);
    ns_hooks_free(hooks);
    *accuracy = (double)t->hits / (double)cases->n;
    return rc == NS_STOP ? ns_fail(err, NS_E_IO, "stopped; the same command goes on from here") : rc;
}

static trial trial_of(const ns_arch *arch)
{
    return (trial){.L = arch->n_layers, .H = ns_arch_max_heads(arch)};
}

/* ---- draws ---- */

typedef struct candidate { int64_t layer, head; double distance; } candidate;

static int by_distance(const void *a, const void *b)
{
    const double x = ((const candidate *)a)->distance, y = ((const candidate *)b)->distance;
    return (x > y) - (x < y);
}

/* For each retrieval head one other head that is free, out of the four whose norm is nearest. */
static void draw_heads(const trial *measured, const cli_lab_result *r, ns_rng *rng, trial *out)
{
    enum { NEAREST = 4 };
    bool taken[CLI_LAB_LAYERS][CLI_LAB_HEADS] = {{false}};
    for (int i = 0; i < r->n_heads; i++)
        taken[r->heads[i][0]][r->heads[i][1]] = true;
    for (int i = 0; i < r->n_heads; i++) {
        const double norm = measured->norm[r->heads[i][0]][r->heads[i][1]];
        candidate list[CLI_LAB_LAYERS * CLI_LAB_HEADS];
        int n = 0;
        for (int64_t l = 0; l < measured->L; l++)
            for (int64_t h = 0; h < measured->H; h++)
                if (!taken[l][h])
                    list[n++] = (candidate){l, h, fabs(measured->norm[l][h] - norm)};
        if (n == 0)
            return;
        qsort(list, (size_t)n, sizeof *list, by_distance);
        const candidate *const chosen = &list[ns_rng_below(rng, n < NEAREST ? n : NEAREST)];
        taken[chosen->layer][chosen->head] = out->zero[chosen->layer][chosen->head] = true;
    }
}

/* ---- a run ---- */

static void choose(const cli_lab_result *r, bool (*set)[CLI_LAB_HEADS])
{
    for (int i = 0; i < r->n_heads; i++)
        set[r->heads[i][0]][r->heads[i][1]] = true;
}

static int try_all(const cli_lab *lab, const cli_model *m, const ns_cases *cases, int64_t seed, cli_lab_result *r, ns_error *err)
{
    trial intact = trial_of(m->arch), cut = intact, others = intact, zero = intact;
    ns_rng rng = ns_rng_seed((uint64_t)seed, 1);
    choose(r, cut.cut);
    choose(r, others.cut);
    others.others = true;
    choose(r, zero.zero);
    int rc = run_trial(m, cases, &intact, true, &r->intact, err);
    if (rc == NS_OK)
        rc = run_trial(m, cases, &cut, false, &r->knocked, err);
    if (rc == NS_OK)
        rc = run_trial(m, cases, &others, false, &r->other_keys, err);
    if (rc == NS_OK)
        rc = run_trial(m, cases, &zero, false, &r->silenced, err);
    for (r->n_draws = 0; r->n_draws < lab->draws && r->n_draws < CLI_LAB_DRAWS && rc == NS_OK; r->n_draws++) {
        trial drawn = trial_of(m->arch);
        draw_heads(&intact, r, &rng, &drawn);
        r->hits_previous[r->n_draws] = r->previous_head[0] >= 0 && drawn.zero[r->previous_head[0]][r->previous_head[1]];
        rc = run_trial(m, cases, &drawn, false, &r->draws[r->n_draws], err);
    }
    r->ablated = rc == NS_OK;
    return rc;
}

int cli_lab_ablate(cli_lab *lab, const cli_lab_run *run, cli_lab_result *r)
{
    ns_error *const err = &lab->app->err;
    char *const path = cli_lab_path(lab, "runs/%s/step%06lld", run->name, (long long)lab->steps);
    char *const file = cli_lab_path(lab, "cases/%lld.jsonl", (long long)lab->lengths[0]);
    const cli_model_settings how = {.no_hash = true};
    const int64_t threads = lab->app->globals.threads;
    cli_model m = {0};
    ns_cases cases = {0};
    lab->app->globals.threads = 1;       /* of a model this small a second thread makes no pass faster */
    int rc = path && file ? cli_open_arch(lab->app, &m, path, &how) : ns_oom(err, run->name);
    if (rc == NS_OK && (m.arch->n_layers > CLI_LAB_LAYERS || ns_arch_max_heads(m.arch) > CLI_LAB_HEADS))
        rc = ns_fail(err, NS_E_UNSUPPORTED, "%s: the laboratory takes at most %d layers and %d heads", path, CLI_LAB_LAYERS, CLI_LAB_HEADS);
    if (rc == NS_OK)
        rc = cli_load_weights(lab->app, &m, &how);
    if (rc == NS_OK)
        rc = ns_cases_read(&cases, file, NULL, err);
    if (rc == NS_OK)
        rc = try_all(lab, &m, &cases, run->seed, r, err);
    ns_cases_clear(&cases);
    cli_close(&m);
    lab->app->globals.threads = threads;
    free(file);
    free(path);
    return rc;
}
