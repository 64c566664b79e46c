/* compare.c - files -> pairs of rankings -> rows and notes. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "compare.h"

int ns_compare_note(ns_comparison *c, const char *what, const char *a, const char *b, ns_error *err)
{
    char first[2 * 32 + 4];
    snprintf(first, sizeof first, "%.30s, %.30s", ns_path_base(a), ns_path_base(b));
    return ns_drops_add(&c->notes, what, first, err);
}

static int open_source(ns_compare_source *s, const char *path, ns_error *err)
{
    s->path = path;
    return ns_head_list_may_be(path) ? ns_head_list_read(&s->list, path, err) : ns_study_open(&s->study, path, err);
}

static int check(ns_comparison *c, const char *const *paths, int n, const ns_compare_params *given, ns_error *err)
{
    ns_compare_params *const p = &c->params;
    const int rc = ns_sized_copy(p, sizeof *p, given, "ns_compare_params", err);
    if (rc != NS_OK)
        return rc;
    p->k = p->k ? p->k : 10;
    p->permutations = p->permutations ? p->permutations : 1000;
    p->persistence = p->persistence != 0 ? p->persistence : .9;
    if (n < 2)
        return ns_fail(err, NS_E_ARG, "%s: a comparison takes two files at least", n ? paths[0] : "nothing");
    if (p->k < 1 || p->permutations < 1)
        return ns_fail(err, NS_E_ARG, "a comparison of the %lld best heads with %lld permutations: one at least of each", (long long)p->k,
                       (long long)p->permutations);
    if (!(p->persistence > 0 && p->persistence < 1))
        return ns_fail(err, NS_E_ARG, "persistence %g: it lies between 0 and 1", p->persistence);
    return NS_OK;
}

/* A list that names a head which the other file's model lacks is of another model: no error of three files, but a pair less. */
static int compare_pair(ns_comparison *c, int i, int j, ns_error *err)
{
    ns_error why = {""};
    const int rc = ns_compare_pair(c, i, j, &why);
    if (rc == NS_E_ARG)
        return ns_compare_note(c, why.message, c->sources[i].path, c->sources[j].path, err);
    return rc != NS_OK ? ns_fail(err, rc, "%s", why.message) : NS_OK;
}

/* Text of each note: "2 pairs of scores of other cases (first: a.h5, b.h5)". */
static int write_notes(ns_comparison *c, ns_error *err)
{
    c->note_texts = ns_alloc_array((size_t)c->notes.n + 1, sizeof *c->note_texts);
    bool good = c->note_texts != NULL;
    for (int i = 0; good && i < c->notes.n; i++) {
        const ns_dropped *const d = &c->notes.list[i];
        c->note_texts[i] = ns_printf_alloc("%lld pair%s %s (first: %s)", (long long)d->n, ns_plural(d->n), d->reason, d->first_id);
        good = c->note_texts[i] != NULL;
    }
    return good ? NS_OK : ns_oom(err, "the notes of a comparison");
}

static int fail_empty(const ns_comparison *c, ns_error *err)
{
    char *const why = ns_drops_text(&c->notes);
    const int rc = why ? ns_fail(err, NS_E_ARG, "nothing can be compared: %s", why) : ns_oom(err, "a comparison");
    free(why);
    return rc;
}

int ns_compare_run(ns_comparison **out, const char *const *paths, int n, const ns_compare_params *params, ns_error *err)
{
    *out = NULL;
    ns_comparison *const c = ns_alloc_array(1, sizeof *c);
    if (!c)
        return ns_oom(err, "a comparison");
    int rc = check(c, paths, n, params, err);
    c->sources = rc == NS_OK ? ns_alloc_array((size_t)n, sizeof *c->sources) : NULL;
    rc = rc == NS_OK && !c->sources ? ns_oom(err, "a comparison") : rc;
    for (; c->n_sources < n && rc == NS_OK; c->n_sources++)
        rc = open_source(&c->sources[c->n_sources], paths[c->n_sources], err);
    for (int i = 0; i < n && rc == NS_OK; i++)
        for (int j = i + 1; j < n && rc == NS_OK; j++)
            rc = compare_pair(c, i, j, err);
    rc = rc != NS_OK ? rc : c->n ? write_notes(c, err) : fail_empty(c, err);
    if (rc != NS_OK)
        ns_comparison_free(c);
    else
        *out = c;
    return rc;
}

void ns_comparison_free(ns_comparison *c)
{
    if (!c)
        return;
    for (int i = 0; i < c->n_sources; i++) {
        ns_study_close(c->sources[i].study);
        ns_head_list_clear(&c->sources[i].list);
    }
    ns_free_strings(c->note_texts, c->notes.n);
    ns_free_strings(c->names, c->n_names);
    ns_drops_clear(&c->notes);
    free(c->sources);
    free(c->list);
    free(c);
}

const ns_compared *ns_comparison_list(const ns_comparison *c, int64_t *n)
{
    *n = c->n;
    return c->list;
}

const char *ns_comparison_note(const ns_comparison *c, int64_t i)
{
    return i < c->notes.n ? c->note_texts[i] : NULL;
}
