/* export_heads.c - one checkpoint's scores -> a list of heads in the form of another program: run and step -> numbers of the heads, and of
 * their cases -> the best chosen -> KV heads where the form has those -> text. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/arch.h>
#include <needlescope/head_list.h>

#include "source.h"

enum { DUO_SINK = 128, DUO_RECENT = 256 };         /* DuoAttention's own, which the list does not know better */

typedef struct lister {
    const ns_source *x;
    const ns_export_params *params;
    int64_t      run, step;
    ns_score_meaning meaning;
    const float *values;                           /* [L, H] */
    float       *of, *over;                        /* [C, L, H]; NULL = not known */
    ns_head_list list;
    ns_error    *err;
} lister;

/* ---- which checkpoint ---- */

static int choose(lister *w)
{
    const ns_source *const x = w->x;
    if (x->run < 0 && x->R > 1)
        return ns_fail(w->err, NS_E_ARG, "%s: a list of heads is of one run, and there are %lld (--run, as in %s)", x->path,
                       (long long)x->R, ns_study_run_name(x->study, 0));
    w->run = x->run < 0 ? 0 : x->run;
    w->step = x->is_study ? ns_study_last(x->study, w->run) : 0;
    if (w->step < 0)
        return ns_fail(w->err, NS_E_ARG, "%s: no checkpoint of run %s was scored", x->path, ns_study_run_name(x->study, w->run));
    return NS_OK;
}

static int read_values(lister *w)
{
    const char *const score = w->params->scores[0].name;
    const float *all;
    int rc = ns_study_ranks(w->x->study, score, &w->meaning, w->err);
    if (rc == NS_OK && w->meaning.best == NS_BEST_SMALLEST)
        rc = ns_fail(w->err, NS_E_ARG, "%s: the smallest %s are the best, and who reads such a list takes the largest (export csv has "
                     "them)", w->x->path, score);
    rc = rc != NS_OK ? rc : ns_study_score(w->x->study, score, &all, w->err);
    if (rc == NS_OK)
        w->values = all + (w->run * w->x->P + w->step) * w->x->L * w->x->H;
    return rc;
}

/* ---- numbers of cases ---- */

static int read_counts(lister *w, const char *name, float **out)
{
    const int64_t n = w->x->C * w->x->L * w->x->H;
    *out = NULL;
    if (!name || !w->x->C || !ns_study_has(w->x->study, name))
        return NS_OK;
    *out = ns_alloc_array((size_t)n, sizeof **out);
    return *out ? ns_study_counts(w->x->study, name, w->run, w->step, *out, w->err) : ns_oom(w->err, w->x->path);
}

static void add_trials(lister *w, ns_listed_head *h, int64_t place)
{
    const int64_t heads = w->x->L * w->x->H;
    h->first = w->list.n_trials;
    for (int64_t c = 0; w->of && c < w->x->C; c++) {
        const double over = w->over ? (double)w->over[c * heads + place] : 1, value = (double)w->of[c * heads + place] / over;
        if (isfinite(value))
            w->list.trials[w->list.n_trials++] = value;
    }
    h->n_trials = w->list.n_trials - h->first;
}

/* ---- the list ---- */

static int add_heads(lister *w)
{
    const int64_t H = w->x->H, n = w->x->L * H;
    w->list.list = ns_alloc_array((size_t)n, sizeof *w->list.list);
    w->list.trials = ns_alloc_array((size_t)(w->of ? n * w->x->C : 0), sizeof *w->list.trials);
    if (!w->list.list || !w->list.trials)
        return ns_oom(w->err, w->x->path);
    for (int64_t i = 0; i < n; i++) {
        if (isnan(w->values[i]) || !ns_study_head_valid(w->x->study, w->run, i / H, i % H))
            continue;
        ns_listed_head *const h = &w->list.list[w->list.n++];
        *h = (ns_listed_head){.head = {i / H, i % H}, .score = (double)w->values[i]};
        add_trials(w, h, i);
    }
    return NS_OK;
}

static ns_listed_head *listed(const lister *w, ns_head head)
{
    for (int64_t i = 0; i < w->list.n; i++)
        if (ns_head_is(w->list.list[i].head, head))
            return &w->list.list[i];
    return NULL;
}

static int choose_best(lister *w)
{
    const int64_t n = w->x->L * w->x->H, k = w->params->top < n ? w->params->top : n;
    int64_t *const best = ns_alloc_array((size_t)k + 1, sizeof *best);
    if (!best)
        return ns_oom(w->err, w->x->path);
    const ns_best_cut cut = ns_best(w->values, n, k, &w->meaning, best);
    for (int64_t i = 0; i < cut.n; i++) {
        ns_listed_head *const h = listed(w, (ns_head){best[i] / w->x->H, best[i] % w->x->H});
        w->list.n_chosen += h != NULL;
        if (h)
            h->chosen = true;
    }
    free(best);
    return w->list.n_chosen ? NS_OK
                            : ns_fail(w->err, NS_E_ARG, "%s: no head scores anything by %s", w->x->path, w->params->scores[0].name);
}

static void keep_chosen(ns_head_list *l)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < l->n; i++)
        if (l->list[i].chosen)
            l->list[kept++] = l->list[i];
    l->n = kept;
}

/* ---- KV heads ---- */

static int read_arch(const lister *w, ns_arch **out)
{
    const char *const text = ns_file_fact(w->x->file, "arch_json");
    *out = NULL;
    return text ? ns_arch_from_json(out, text, strlen(text), w->x->path, NULL, w->err)
                : ns_fail(w->err, NS_E_ARG, "%s: does not say which query heads share a KV head (choose another form)", w->x->path);
}

/* The largest of the query heads that share one; heads stand in order, so a group's stand together. */
static int take_kv(lister *w)
{
    ns_arch *arch;
    ns_head_list *const l = &w->list;
    int64_t kept = 0;
    const int rc = read_arch(w, &arch);
    for (int64_t i = 0; rc == NS_OK && i < l->n; i++) {
        const ns_attn *const a = ns_arch_attn(arch, l->list[i].head.layer);
        const int64_t group = a && a->n_kv_heads ? a->n_heads / a->n_kv_heads : 1;
        const ns_head kv = {l->list[i].head.layer, l->list[i].head.head / group};
        ns_listed_head *const last = kept ? &l->list[kept - 1] : NULL;
        if (last && ns_head_is(last->head, kv)) {
            last->score = l->list[i].score > last->score ? l->list[i].score : last->score;
        } else {
            l->list[kept] = l->list[i];
            l->list[kept++].head = kv;
        }
    }
    l->n = kept;
    l->of_kv = true;
    l->sink_size = DUO_SINK;
    l->recent_size = DUO_RECENT;
    ns_arch_free(arch);
    return rc;
}

/* ---- files ---- */

/* config.json in the folder of the table. */
static int write_config(const ns_head_list *l, const char *path, ns_error *err)
{
    char *text = NULL, *const beside = ns_printf_alloc("%.*sconfig.json", (int)(ns_path_base(path) - path), path);
    int rc = beside ? ns_head_list_duo_config(l, &text, err) : ns_oom(err, path);
    rc = rc != NS_OK ? rc : ns_kind_check_output(beside, NS_KINDS(NS_KIND_JSON), err);
    rc = rc != NS_OK ? rc : ns_file_write(beside, text, strlen(text), err);
    free(text);
    free(beside);
    return rc;
}

static int write_list(const lister *w, const char *path)
{
    ns_fact_list facts = {0};
    char *text = NULL;
    int rc = ns_head_list_text(&w->list, &text, w->err);
    rc = rc != NS_OK ? rc : ns_source_facts(w->x, w->params->by, &facts, w->err);
    rc = rc != NS_OK ? rc : ns_fact_list_add(&facts, "score", w->params->scores[0].name, true, w->err);
    rc = rc != NS_OK ? rc : ns_provenance_check_table(&facts, path, w->err);
    rc = rc != NS_OK || !w->list.of_kv ? rc : write_config(&w->list, path, w->err);
    rc = rc != NS_OK ? rc : ns_file_write(path, text, strlen(text), w->err);
    rc = rc != NS_OK ? rc : ns_provenance_beside(path, &facts, w->err);
    ns_fact_list_clear(&facts);
    free(text);
    return rc;
}

static int check_format(const char *format, ns_error *err)
{
    const char *const *const known = ns_head_list_formats();
    int n = 0;
    for (; known[n]; n++)
        if (strcmp(known[n], format) == 0)
            return NS_OK;
    const char *const near = ns_nearest_word(format, known, n);
    return ns_fail(err, NS_E_ARG, "'%.40s' is no form of a list of heads%s%s%s", format, near ? " (did you mean " : "", near ? near : "",
                   near ? "?)" : "");
}

int ns_export_heads(ns_study *study, const char *path, const char *format, const ns_export_params *given, int64_t *n, ns_error *err)
{
    ns_export_params params;
    ns_source x;
    lister w = {.x = &x, .params = &params, .err = err};
    const bool json = format && strcmp(format, "names") != 0 && strcmp(format, "duo") != 0;
    int rc = check_format(format ? format : "", err);
    rc = rc != NS_OK ? rc : ns_source_begin(&x, study, path, json ? NS_KIND_JSON : NS_KIND_TEXT, given, &params, err);
    rc = rc != NS_OK ? rc : choose(&w);
    rc = rc != NS_OK ? rc : read_values(&w);
    rc = rc != NS_OK ? rc : read_counts(&w, params.scores[0].of, &w.of);
    rc = rc != NS_OK ? rc : read_counts(&w, params.scores[0].over, &w.over);
    rc = rc != NS_OK ? rc : add_heads(&w);
    rc = rc != NS_OK ? rc : choose_best(&w);
    w.list.format = format;
    if (rc == NS_OK && strcmp(format, "names") == 0)
        keep_chosen(&w.list);
    if (rc == NS_OK && strcmp(format, "duo") == 0)
        rc = take_kv(&w);
    rc = rc != NS_OK ? rc : write_list(&w, path);
    *n = w.list.n;
    ns_head_list_clear(&w.list);
    free(w.of);
    free(w.over);
    return rc;
}
