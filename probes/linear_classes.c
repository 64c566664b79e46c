/* linear_classes.c - what the readers of a layer-wise probing are to tell: the class of each case, and whether there are cases enough. */
#include "linear.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* NULL where there is none; what is no JSON has no keys. */
static cJSON *meta_of(const ns_case *c)
{
    cJSON *meta = NULL;
    return c->meta && ns_json_parse(&meta, c->meta, strlen(c->meta), 64, "meta", NULL) == NS_OK ? meta : NULL;
}

/* Said by the twin's line. */
static void twin_kind(const ns_case *c, char out[16])
{
    cJSON *const meta = meta_of(c);
    const cJSON *const twin = cJSON_GetObjectItemCaseSensitive(meta, "twin");
    snprintf(out, 16, "%s", cJSON_IsString(twin) ? twin->valuestring : "");
    cJSON_Delete(meta);
}

static bool is_bare(const ns_case *c)
{
    return c->twin_of && !ns_case_span(c, "needle_answer");
}

/* The name of the case's class: a text or number of its meta, its answer's text, or the ids of its content tokens; malloc'd, NULL where
 * there is none (or no memory). */
static char *name_of(const ns_linear_params *p, const ns_case *c)
{
    if (p->classes) {
        cJSON *const meta = meta_of(c);
        const cJSON *const item = cJSON_GetObjectItemCaseSensitive(meta, p->classes);
        char *const name = cJSON_IsString(item) ? ns_strdup(item->valuestring) : cJSON_IsNumber(item) ? cJSON_PrintUnformatted(item) : NULL;
        cJSON_Delete(meta);
        return name;
    }
    char *const name = c->n_answer > c->n_lead ? ns_alloc_array((size_t)(c->n_answer - c->n_lead), 12) : NULL;
    for (int64_t i = c->n_lead, n = 0; name && i < c->n_answer; i++)
        n += snprintf(name + n, 12, "%s%010d", i > c->n_lead ? " " : "", (int)c->answer[i]);
    return name;
}

const char *ns_linear_rejects(const ns_linear_params *p, const ns_case *c, char reason[NS_REASON])
{
    char twin[16];
    twin_kind(c, twin);
    if (is_bare(c) && (strcmp(twin, "absent") == 0 || strcmp(twin, "null") == 0))
        return "a twin that asks for something else (twins without needle are the control)";
    if (!p->classes)
        return c->n_answer <= c->n_lead                       ? "no answer"
             : !c->twin_of && !ns_case_span(c, "needle_answer") ? "no needle_answer span"
                                                               : NULL;
    char *const name = name_of(p, c);
    if (!name)
        snprintf(reason, NS_REASON, "no text or number %.40s in meta", p->classes);
    free(name);
    return name ? NULL : ns_utf8_whole(reason);
}

void ns_linear_classes_free(ns_linear_classes *k)
{
    free(k->of);
    free(k->bare);
    free(k->distance);
    free(k->prompt);
    *k = (ns_linear_classes){0};
}

static int by_name(const void *a, const void *b)
{
    return strverscmp(*(char *const *)a, *(char *const *)b);
}

/* Numbers the classes in the order of their names. */
static int number_classes(ns_linear_classes *k, const ns_case *const *cases, const ns_linear_params *p, ns_error *err)
{
    char **const name = ns_alloc_array((size_t)k->n, sizeof *name), **const sorted = ns_alloc_array((size_t)k->n, sizeof *sorted);
    int rc = name && sorted ? NS_OK : ns_oom(err, "classes");
    for (int64_t i = 0; i < k->n && rc == NS_OK; i++)
        rc = (sorted[i] = name[i] = name_of(p, cases[i])) ? NS_OK : ns_oom(err, "classes");
    if (rc == NS_OK) {
        qsort(sorted, (size_t)k->n, sizeof *sorted, by_name);
        for (int64_t i = 0; i < k->n; i++)
            if (i == 0 || strcmp(sorted[i], sorted[i - 1]) != 0)
                sorted[k->K++] = sorted[i];
        for (int64_t i = 0; i < k->n; i++)
            while (strcmp(sorted[k->of[i]], name[i]) != 0)
                k->of[i]++;
    }
    ns_free_strings(name, name ? k->n : 0);
    free(sorted);
    return rc;
}

static int number_prompts(ns_linear_classes *k, const ns_case *const *cases, ns_error *err)
{
    ns_case_result *const results = ns_alloc_array((size_t)k->n, sizeof *results);
    if (!results)
        return ns_oom(err, "classes");
    ns_number_prompts(results, cases, k->n);
    for (int64_t i = 0; i < k->n; i++)
        k->prompt[i] = results[i].prompt;
    free(results);
    return NS_OK;
}

/* A distance that fewer cases with needle than two a class have is none of its own: those of needles placed by depth, and of twins that ask
 * for another needle. */
static void find_places(ns_linear_classes *k, const ns_case *const *cases)
{
    enum { OF_EACH_CLASS = 2, ELSEWHERE = -1, FEW = -2 };
    for (int64_t i = 0; i < k->n; i++) {
        const double said = ns_case_meta_number(cases[i], "distance", -1);
        const int64_t measured = ns_case_distance(cases[i]);
        k->bare[i] = is_bare(cases[i]);
        k->distance[i] = measured >= 0 ? measured : said >= 0 && said < 0x1p53 ? (int64_t)said : ELSEWHERE;
    }
    for (int64_t i = 0; i < k->n; i++) {
        int64_t there = 0;
        for (int64_t j = 0; j < k->n && k->distance[i] >= 0; j++)
            there += !k->bare[j] && k->distance[j] == k->distance[i];
        if (there >= OF_EACH_CLASS * k->K || k->distance[i] < 0)
            continue;
        for (int64_t j = k->n - 1; j >= i; j--)
            k->distance[j] = k->distance[j] == k->distance[i] ? FEW : k->distance[j];
    }
    for (int64_t i = 0; i < k->n; i++)
        k->distance[i] = k->distance[i] == FEW ? ELSEWHERE : k->distance[i];
}

/* Prompts that have a case of the class, with its needle or without; *first: the first such case, or -1. */
static int64_t prompts_of(const ns_linear_classes *k, int64_t class_, bool bare, int64_t *first)
{
    int64_t n = 0;
    *first = -1;
    for (int64_t i = 0; i < k->n; i++) {
        bool again = false;
        if (k->of[i] != class_ || k->bare[i] != bare)
            continue;
        for (int64_t j = *first < 0 ? i : *first; j < i && !again; j++)
            again = k->of[j] == class_ && k->bare[j] == bare && k->prompt[j] == k->prompt[i];
        *first = *first < 0 ? i : *first;
        n += !again;
    }
    return n;
}

static int check_counts(const ns_linear_classes *k, const ns_case *const *cases, const ns_linear_params *p, bool bare, ns_error *err)
{
    const char *const what = bare ? " without needle" : "";
    int64_t first, any = 0;
    for (int64_t c = 0; c < k->K; c++)
        any += prompts_of(k, c, bare, &first) > 0;
    if (bare && !any)
        return NS_OK;
    if (any < 2)
        return ns_fail(err, NS_E_ARG, "probe: the cases%s are of %lld class%s, and a reader tells two or more apart (cases needle "
                       "--values N makes N)", what, (long long)any, any == 1 ? "" : "es");
    for (int64_t c = 0; c < k->K; c++) {
        const int64_t n = prompts_of(k, c, bare, &first);
        if (n >= p->folds)
            continue;
        if (n == 0)
            return ns_fail(err, NS_E_ARG, "probe: one of the %lld classes has no case%s", (long long)k->K, what);
        return ns_fail(err, NS_E_ARG, "probe: a class that has too few cases: that of '%.60s' has %lld prompt%s%s, fewer than the %d folds "
                       "(%lld classes in %lld cases; more cases, fewer folds, or values that repeat: cases needle --values N)",
                       cases[first]->id, (long long)n, ns_plural(n), what, p->folds, (long long)k->K, (long long)k->n);
    }
    return NS_OK;
}

int ns_linear_classes_find(ns_linear_classes *k, const ns_case *const *cases, int64_t n, const ns_linear_params *p, ns_error *err)
{
    *k = (ns_linear_classes){.n = n, .of = ns_alloc_array((size_t)n, sizeof *k->of), .bare = ns_alloc_array((size_t)n, sizeof *k->bare),
                             .distance = ns_alloc_array((size_t)n, sizeof *k->distance),
                             .prompt = ns_alloc_array((size_t)n, sizeof *k->prompt)};
    int rc = k->of && k->bare && k->distance && k->prompt ? NS_OK : ns_oom(err, "classes");
    for (int64_t i = 0; i < n && rc == NS_OK; i++) {     /* taken before, and refused now: memory ran out one of the two times */
        char reason[NS_REASON];
        rc = ns_linear_rejects(p, cases[i], reason) ? ns_oom(err, "classes") : NS_OK;
    }
    rc = rc != NS_OK ? rc : number_classes(k, cases, p, err);
    rc = rc != NS_OK ? rc : number_prompts(k, cases, err);
    if (rc == NS_OK)
        find_places(k, cases);
    rc = rc != NS_OK ? rc : check_counts(k, cases, p, false, err);
    rc = rc != NS_OK ? rc : check_counts(k, cases, p, true, err);
    if (rc != NS_OK)
        ns_linear_classes_free(k);
    return rc;
}
