/* profile.c - a score file -> classes by selectivity, the sparsity of its scores, and its heads token by token. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/profile.h>

#include "core/core.h"
#include "training/telling.h"

enum { N_CLASSES = 5, OF_CLASS = 30, OF_CIRCUIT = 50, MOST_ANSWER = 255 };
static const char *const class_names[N_CLASSES] = {"first", "previous", "self", "duplicate", "induction"};

typedef struct profile {
    ns_study *study;
    int64_t   run, step, heads, H, C, k;
    const ns_answer *a;
    int       tables;
    ns_error *err;
} profile;

/* ---- sparsity ---- */

int ns_sparsity_of(const float *values, int64_t n, ns_sparsity *out, ns_error *err)
{
    double *const sorted = ns_alloc_array((size_t)n, sizeof *sorted), sum = 0, weighed = 0, top = 0;
    *out = (ns_sparsity){0, (double)NAN, (double)NAN};
    if (!sorted)
        return ns_oom(err, "the sparsity of a score");
    for (int64_t i = 0; i < n; i++)
        if (!isnan(values[i]))
            sorted[out->n++] = values[i] > 0 ? (double)values[i] : 0;
    if (out->n)
        qsort(sorted, (size_t)out->n, sizeof *sorted, ns_compare_double);
    const int64_t few = (out->n + 99) / 100;
    for (int64_t i = 0; i < out->n; i++) {
        sum += sorted[i];
        weighed += (double)(2 * (i + 1) - out->n - 1) * sorted[i];
        top += i >= out->n - few ? sorted[i] : 0;
    }
    if (sum > 0) {
        out->gini = weighed / ((double)out->n * sum);
        out->top_share = top / sum;
    }
    free(sorted);
    return NS_OK;
}

static int values_of(const profile *p, const char *name, const float **out)
{
    const int64_t P = ns_study_size(p->study).P;
    const int rc = ns_study_score(p->study, name, out, p->err);
    if (rc == NS_OK)
        *out += (p->run * P + p->step) * p->heads;
    return rc;
}

static int tell_sparsity(profile *p)
{
    static const ns_column columns[] = {{"score", "score", NS_CELL_TEXT}, {"heads", "heads", NS_CELL_INT}, {"gini", "Gini", NS_CELL_NUMBER},
                                        {"top1", "share of the top 1 %", NS_CELL_NUMBER}};
    int64_t n;
    const char *const *const names = ns_study_scores(p->study, &n);
    int rc = NS_OK;
    TELL_TABLE(p->a, "sparsity", "How few heads carry a score", columns);
    for (int64_t i = 0; i < n && rc == NS_OK; i++) {
        ns_score_meaning meaning;
        ns_sparsity s = {0};
        const float *values;
        rc = ns_study_meaning(p->study, names[i], &meaning, p->err);
        if (rc != NS_OK || meaning.best != NS_BEST_LARGEST)
            continue;
        rc = values_of(p, names[i], &values);
        rc = rc != NS_OK ? rc : ns_sparsity_of(values, p->heads, &s, p->err);
        if (rc != NS_OK || isnan(s.gini))
            continue;
        tell_text(p->a, names[i]);
        tell_integer(p->a, s.n);
        tell_number(p->a, s.gini);
        tell_number(p->a, s.top_share);
        p->tables++;
    }
    p->a->end(p->a->user);
    return rc;
}

/* ---- classes ---- */

typedef struct classes { char **template_name; float *target[N_CLASSES], *other[N_CLASSES]; } classes;

static int read_classes(const profile *p, classes *c)
{
    ns_expected names = {.size = sizeof names, .name = "template", .rank = 1, .shape = {p->C}};
    int rc = ns_file_texts(ns_study_file(p->study), &names, &c->template_name, p->err);
    for (int i = 0; i < 2 * N_CLASSES && rc == NS_OK; i++) {
        char name[48];
        float **const to = i % 2 ? &c->other[i / 2] : &c->target[i / 2];
        snprintf(name, sizeof name, "case_%s_%s", i % 2 ? "other" : "target", class_names[i / 2]);
        *to = ns_alloc_array((size_t)(p->C * p->heads), sizeof **to);
        rc = *to ? ns_study_counts(p->study, name, p->run, p->step, *to, p->err) : ns_oom(p->err, "classes of heads");
    }
    return rc;
}

/* Over the cases of one template; NaN where none of them has such a target, or the head was not seen. */
static double selectivity(const profile *p, const classes *c, int class, const char *template_name, int64_t head)
{
    double target = 0, other = 0;
    for (int64_t i = 0; i < p->C; i++)
        if (strcmp(c->template_name[i], template_name) == 0) {
            target += (double)c->target[class][i * p->heads + head];
            other += (double)c->other[class][i * p->heads + head];
        }
    return other > 0 ? target / other : (double)NAN;
}

static void tell_class(const profile *p, const classes *c, int class, const char *template_name, int64_t n_cases)
{
    int64_t seen = 0, of_class = 0, of_circuit = 0, best = -1;
    double most = 0;
    for (int64_t h = 0; h < p->heads; h++) {
        const double x = selectivity(p, c, class, template_name, h);
        seen += !isnan(x);
        of_class += x >= OF_CLASS;
        of_circuit += x >= OF_CIRCUIT;
        best = x > most ? h : best;
        most = x > most ? x : most;
    }
    if (!seen)
        return;
    char head[48];
    snprintf(head, sizeof head, "%lld.%lld", (long long)(best / p->H), (long long)(best % p->H));
    tell_text(p->a, template_name);
    tell_integer(p->a, n_cases);
    tell_text(p->a, class_names[class]);
    tell_integer(p->a, of_class);
    tell_number(p->a, (double)of_class / (double)seen);
    tell_integer(p->a, of_circuit);
    tell_text(p->a, best >= 0 ? head : NULL);
    tell_number(p->a, best >= 0 ? most : (double)NAN);
}

static bool said_before(const classes *c, int64_t i)
{
    bool before = false;
    for (int64_t k = 0; k < i && !before; k++)
        before = strcmp(c->template_name[k], c->template_name[i]) == 0;
    return before;
}

static void tell_templates(const profile *p, const classes *c)
{
    static const ns_column columns[] = {
        {"template", "cases of", NS_CELL_TEXT}, {"cases", "cases", NS_CELL_INT}, {"class", "class", NS_CELL_TEXT},
        {"heads_30", "heads from 30 on", NS_CELL_INT}, {"share_30", "share", NS_CELL_NUMBER}, {"heads_50", "from 50 on", NS_CELL_INT},
        {"best", "best", NS_CELL_TEXT}, {"selectivity", "selectivity", NS_CELL_NUMBER},
    };
    TELL_TABLE(p->a, "classes", "Classes by selectivity", columns);
    for (int64_t i = 0; i < p->C; i++) {
        int64_t n = 0;
        if (said_before(c, i))
            continue;
        for (int64_t k = 0; k < p->C; k++)
            n += strcmp(c->template_name[k], c->template_name[i]) == 0;
        for (int class = 0; class < N_CLASSES; class++)
            tell_class(p, c, class, c->template_name[i], n);
    }
    p->a->end(p->a->user);
}

static int tell_classes(profile *p)
{
    classes c = {0};
    if (!ns_study_has(p->study, "case_target_first"))
        return NS_OK;
    const int rc = read_classes(p, &c);
    if (rc == NS_OK)
        tell_templates(p, &c);
    p->tables++;
    ns_free_strings(c.template_name, p->C);
    for (int i = 0; i < N_CLASSES; i++) {
        free(c.target[i]);
        free(c.other[i]);
    }
    return rc;
}

/* ---- token by token ---- */

static int64_t answer_tokens(const profile *p)
{
    int64_t shape[NS_MAX_RANK] = {0};
    int rank = 0;
    const bool there = ns_study_has(p->study, "answer")
                       && ns_file_describe(ns_study_file(p->study), "answer", NULL, &rank, shape, NULL, NULL) == NS_OK && rank == 1;
    return !there ? 0 : shape[0] < MOST_ANSWER ? shape[0] : MOST_ANSWER;
}

static void tell_token(const profile *p, int64_t token, const float *values, const float *now, const float *first, const float *before)
{
    static const ns_score_meaning large = {.best = NS_BEST_LARGEST, .hi = 1};
    int64_t best;
    const bool any = ns_best(values, p->heads, 1, &large, &best).n > 0;
    char head[48];
    snprintf(head, sizeof head, "%lld.%lld", any ? (long long)(best / p->H) : -1, any ? (long long)(best % p->H) : -1);
    tell_integer(p->a, token);
    tell_text(p->a, any ? head : NULL);
    tell_number(p->a, any ? (double)values[best] : (double)NAN);
    tell_number(p->a, ns_shares_jaccard(now, first, p->heads));
    tell_number(p->a, token ? ns_shares_jaccard(now, before, p->heads) : (double)NAN);
}

static int tell_tokens(const profile *p, int64_t n, float *sets)
{
    static const ns_score_meaning large = {.best = NS_BEST_LARGEST, .hi = 1};
    float *const first = sets, *now = sets + p->heads, *before = now + p->heads;
    int rc = NS_OK;
    for (int64_t t = 0; t < n && rc == NS_OK; t++) {
        char name[48];
        const float *values;
        snprintf(name, sizeof name, "answer_hits@answer=%lld", (long long)t);
        rc = values_of(p, name, &values);
        if (rc != NS_OK)
            break;
        ns_best_shares(values, p->heads, p->k, &large, now);
        if (t == 0)
            memcpy(first, now, (size_t)p->heads * sizeof *now);
        tell_token(p, t, values, now, first, before);
        float *const swap = before;
        before = now;
        now = swap;
    }
    return rc;
}

static int tell_dynamics(profile *p)
{
    static const ns_column columns[] = {{"answer", "token", NS_CELL_INT}, {"best", "best", NS_CELL_TEXT}, {"hits", "hits", NS_CELL_NUMBER},
                                        {"with_first", "Jaccard with the first", NS_CELL_NUMBER},
                                        {"with_before", "with the one before", NS_CELL_NUMBER}};
    const int64_t n = ns_study_has(p->study, "answer_hits") ? answer_tokens(p) : 0;
    if (n == 0)
        return NS_OK;
    float *const sets = ns_alloc_array((size_t)p->heads, 3 * sizeof *sets);
    if (!sets)
        return ns_oom(p->err, "the best heads of tokens");
    TELL_TABLE(p->a, "dynamics", "Heads token by token of the answer", columns);
    const int rc = tell_tokens(p, n, sets);
    p->a->end(p->a->user);
    p->tables++;
    free(sets);
    return rc;
}

int ns_profile_tell(ns_study *study, const ns_profile_params *given, const ns_answer *a, ns_error *err)
{
    ns_profile_params params;
    const ns_study_shape n = ns_study_size(study);
    profile p = {.study = study, .heads = n.L * n.H, .H = n.H, .C = n.C, .a = a, .err = err};
    int rc = ns_sized_copy(&params, sizeof params, given, "ns_profile_params", err);
    rc = rc != NS_OK || !params.run ? rc : ns_study_find_run(study, params.run, &p.run, err);
    p.k = rc == NS_OK && params.k ? params.k : 10;
    p.step = ns_study_is_one(study) ? 0 : ns_study_last(study, p.run);
    if (rc == NS_OK && p.step < 0)
        return ns_fail(err, NS_E_ARG, "%s: no checkpoint of run %s was scored", ns_study_path(study), ns_study_run_name(study, p.run));
    if (rc == NS_OK)
        tell_fact(a, "run", "run", ns_study_run_name(study, p.run));
    if (rc == NS_OK)
        tell_fact_integer(a, "step", "step", ns_study_steps(study)[p.step]);
    rc = rc != NS_OK ? rc : tell_classes(&p);
    rc = rc != NS_OK ? rc : tell_sparsity(&p);
    rc = rc != NS_OK ? rc : tell_dynamics(&p);
    return rc != NS_OK || p.tables ? rc
                                   : ns_fail(err, NS_E_ARG, "%s: no score in it whose largest are the best heads", ns_study_path(study));
}
