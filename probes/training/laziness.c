/* laziness.c - births of runs that differ in window and seed -> a grid of seeds and windows, and the other groups as controls. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "training.h"

enum { ARMS_TEXT = 200 };

static bool is_compared(const ns_seed_group *g, const char *arm)
{
    return !isnan(g->window) && (arm ? g->arm && strcmp(g->arm, arm) == 0 : !g->arm || strcmp(g->arm, "swa") == 0);
}

static const char *name_of(const ns_laziness *l, const ns_seed_group *g, char out[NS_GROUP_TEXT])
{
    return ns_group_text(g, ns_study_run_name(l->births->study, g->runs[0]), out);
}

static int add_window(ns_laziness *l, const ns_seed_group *g, ns_error *err)
{
    int64_t at = 0;
    while (at < l->W && l->group[at]->window < g->window)
        at++;
    if (at < l->W && l->group[at]->window == g->window) {
        char a[NS_GROUP_TEXT], b[NS_GROUP_TEXT];
        return ns_fail(
            err, NS_E_ARG,
            "two groups of runs have window %.0f ('%s' and '%s'): give them `arm`s of their own in their run.json, and choose one arm",
            g->window, name_of(l, l->group[at], a), name_of(l, g, b));
    }
    memmove(l->group + at + 1, l->group + at, (size_t)(l->W++ - at) * sizeof *l->group);
    l->group[at] = g;
    return NS_OK;
}

static double seed_of(const ns_laziness *l, int64_t run)
{
    return ns_study_run_number(l->births->study, run, "seed", (double)NAN);
}

static int64_t place_of(const ns_laziness *l, double seed)
{
    int64_t at = 0;
    while (at < l->S && l->seed[at] < seed)
        at++;
    return at;
}

static int add_seed(ns_laziness *l, int64_t run, ns_error *err)
{
    const double seed = seed_of(l, run);
    if (isnan(seed))
        return ns_fail(err, NS_E_ARG, "run '%s' has no `seed`: seeds are the unit here", ns_study_run_name(l->births->study, run));
    const int64_t at = place_of(l, seed);
    if (at < l->S && l->seed[at] == seed)
        return NS_OK;
    memmove(l->seed + at + 1, l->seed + at, (size_t)(l->S++ - at) * sizeof *l->seed);
    l->seed[at] = seed;
    return NS_OK;
}

/* The arms of the runs, each once -> list[n_groups], borrowed, and as a text "full, nope". Gives their number. */
static int64_t list_arms(const ns_emergence *e, const char **list, char text[ARMS_TEXT])
{
    int64_t n = 0;
    text[0] = '\0';
    for (int64_t i = 0; i < e->n_groups; i++) {
        const char *const name = e->groups[i].arm;
        int64_t at = 0;
        while (name && at < n && strcmp(list[at], name))
            at++;
        if (!name || at < n)
            continue;
        list[n++] = name;
        snprintf(text + strlen(text), ARMS_TEXT - strlen(text), "%s%s", n > 1 ? ", " : "", name);
    }
    ns_utf8_whole(text);
    return n;
}

/* An arm that no run has is a slip of the pen, not a study without windows. */
static int no_such_arm(const char *arm, const char *const *arms, int64_t n, const char *text, ns_error *err)
{
    const char *const near = ns_nearest_word(arm, arms, n);
    return ns_fail(err, NS_E_ARG, "no run has arm '%.80s'%s%.80s%s; there are: %s", arm, near ? " (did you mean " : "", near ? near : "",
                   near ? "?)" : "", n ? text : "none");
}

/* others: the runs have arms that were not looked at. */
static int too_few_windows(const ns_laziness *l, const char *arm, bool others, const char *arms, ns_error *err)
{
    const char *const of = arm ? arm : others ? "swa or none" : NULL;
    char what[140];
    snprintf(what, sizeof what, "%lld window%s to compare%s%.80s", (long long)l->W, ns_plural(l->W), of ? " in arm " : "", of ? of : "");
    ns_utf8_whole(what);
    return others ? ns_fail(err, NS_E_ARG, "%s: choose another with --arm; the runs have the arms %s", what, arms)
                  : ns_fail(err, NS_E_ARG, "%s: the runs need a `window` each (and a `seed`) in their run.json, "
                                           "\"coords\": {\"window\": 4, \"seed\": 0}", what);
}

/* There are two windows or more to compare, of an arm that is there. */
static int check_windows(const ns_laziness *l, const char *arm, ns_error *err)
{
    const ns_emergence *const e = l->births;
    const char **const arms = ns_alloc_array((size_t)e->n_groups, sizeof *arms), *const looked_at = arm ? arm : "swa";
    char text[ARMS_TEXT];
    bool found = false;
    if (!arms)
        return ns_oom(err, "arms");
    const int64_t n = list_arms(e, arms, text);
    for (int64_t i = 0; i < n; i++)
        found |= strcmp(arms[i], looked_at) == 0;
    const int rc = arm && !found ? no_such_arm(arm, arms, n, text, err) : l->W < 2 ? too_few_windows(l, arm, n > found, text, err) : NS_OK;
    free(arms);
    return rc;
}

static int find_windows(ns_laziness *l, const char *arm, ns_error *err)
{
    const ns_emergence *const e = l->births;
    int rc = NS_OK;
    for (int64_t i = 0; i < e->n_groups && rc == NS_OK; i++) {
        const ns_seed_group *const g = &e->groups[i];
        l->control[i] = !is_compared(g, arm);
        if (l->control[i])
            continue;
        rc = add_window(l, g, err);
        for (int64_t k = 0; k < g->n && rc == NS_OK; k++)
            rc = add_seed(l, g->runs[k], err);
    }
    return rc != NS_OK ? rc : check_windows(l, arm, err);
}

/* A group has each seed once: ns_emergence_run has seen to that. */
static int fill_grids(ns_laziness *l, ns_error *err)
{
    int rc = ns_birth_grid_new(&l->best, l->S, l->W, err);
    rc = rc != NS_OK ? rc : ns_birth_grid_new(&l->previous, l->S, l->W, err);
    for (int64_t j = 0; j < l->W && rc == NS_OK; j++)
        for (int64_t k = 0; k < l->group[j]->n; k++) {
            const int64_t run = l->group[j]->runs[k], s = place_of(l, seed_of(l, run));
            ns_birth_grid_set(&l->best, s, j, l->births->runs[run].best);
            ns_birth_grid_set(&l->previous, s, j, l->births->runs[run].previous);
        }
    return rc;
}

static int find_orders(const ns_birth_grid *g, ns_grid_trend *trend, ns_order **orders, ns_error *err)
{
    int rc = ns_trend_of(g, trend, err);
    *orders = ns_alloc_array((size_t)g->W, sizeof **orders);
    if (rc == NS_OK && !*orders)
        rc = ns_oom(err, "laziness");
    for (int64_t w = 0; rc == NS_OK && w + 1 < g->W; w++)
        rc = ns_order_in(g, w, w + 1, &(*orders)[w], err);
    return rc;
}

int ns_laziness_of(ns_laziness **out, const ns_emergence *births, const char *arm, ns_error *err)
{
    ns_laziness *const l = ns_alloc_array(1, sizeof *l);
    *out = NULL;
    if (!l)
        return ns_oom(err, "laziness");
    *l = (ns_laziness){.births = births,
                       .group = ns_alloc_array((size_t)births->n_groups, sizeof *l->group),
                       .seed = ns_alloc_array((size_t)births->shape.R, sizeof *l->seed),
                       .control = ns_alloc_array((size_t)births->n_groups, sizeof *l->control)};
    int rc = l->group && l->seed && l->control ? find_windows(l, arm, err) : ns_oom(err, "laziness");
    rc = rc != NS_OK ? rc : fill_grids(l, err);
    rc = rc != NS_OK ? rc : find_orders(&l->best, &l->trend, &l->order, err);
    rc = rc != NS_OK ? rc : find_orders(&l->previous, &l->previous_trend, &l->previous_order, err);
    if (rc != NS_OK)
        ns_laziness_free(l);
    else
        *out = l;
    return ns_fail_of(err, rc, ns_study_path(births->study));
}

void ns_laziness_free(ns_laziness *l)
{
    if (!l)
        return;
    free(l->group);
    free(l->seed);
    free(l->control);
    free(l->order);
    free(l->previous_order);
    ns_birth_grid_clear(&l->best);
    ns_birth_grid_clear(&l->previous);
    free(l);
}
