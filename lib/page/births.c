/* births.c - when the best head of each run was born, and the best previous-token head: what emergence finds by its own rule, for the
 * laziness figure, the curves and the table of births. */
#include "page/page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/training.h>

static void event(ns_web *p, cJSON *in, const char *key, const ns_event *e)
{
    char text[NS_EVENT_TEXT];
    cJSON *const out = ns_web_object(p, in, key);
    ns_web_number(p, out, "after", e->after);
    ns_web_number(p, out, "at", e->at);                /* null: not born up to `after` */
    ns_web_number(p, out, "step", (double)e->step);
    ns_web_number(p, out, "head", (double)e->head);
    ns_web_text(p, out, "text", ns_event_text(*e, text));
}

static int line(ns_web *p, cJSON *run, const char *key, const double *values, int64_t n, ns_error *err)
{
    float *const singles = ns_alloc_array((size_t)n, sizeof *singles);
    for (int64_t i = 0; singles && i < n; i++)
        singles[i] = (float)values[i];
    const int rc = singles ? ns_web_floats(p, run, key, singles, n, NS_WEB_NEEDED, err) : ns_oom(err, key);
    free(singles);
    return rc;
}

static int run(ns_web *p, cJSON *list, const ns_run_emergence *r, ns_error *err)
{
    cJSON *const out = ns_web_object(p, list, NULL);
    int rc = NS_OK;
    ns_web_number(p, out, "measured", (double)r->measured);
    if (!r->measured)
        return NS_OK;
    event(p, out, "best", &r->best);
    event(p, out, "second", &r->second);
    rc = line(p, out, "best_score", r->best_score, r->P, err);
    ns_web_numbers(p, out, "best_head", r->best_head, r->P);
    if (rc == NS_OK && r->previous_score) {
        event(p, out, "previous", &r->previous);
        rc = line(p, out, "previous_score", r->previous_score, r->P, err);
        ns_web_numbers(p, out, "previous_head", r->previous_head, r->P);
    }
    return rc;
}

/* Groups of one name are told apart by their runs. */
static bool has_twin(const ns_emergence *e, const ns_seed_group *g)
{
    char name[NS_GROUP_TEXT], other[NS_GROUP_TEXT];
    bool twin = false;
    ns_group_text(g, "", name);
    for (int64_t i = 0; i < e->n_groups && !twin; i++)
        twin = *name && &e->groups[i] != g && strcmp(ns_group_text(&e->groups[i], "", other), name) == 0;
    return twin;
}

static void group(ns_web *p, cJSON *list, const ns_study *s, const ns_emergence *e, const ns_seed_group *g)
{
    char name[NS_GROUP_TEXT], median[NS_EVENT_TEXT];
    cJSON *const out = ns_web_object(p, list, NULL);
    const char *const run = ns_study_run_name(s, g->runs[0]);
    ns_web_text(p, out, "name", has_twin(e, g) ? run : ns_group_text(g, run, name));
    ns_web_text(p, out, "arm", g->arm);
    ns_web_number(p, out, "window", g->window);
    ns_web_numbers(p, out, "runs", g->runs, g->n);
    ns_web_number(p, out, "born", (double)g->interval.born);
    ns_web_text(p, out, "median", ns_time_text(g->interval.median, e->horizon, median));
    ns_web_number(p, out, "low", g->interval.low);
    ns_web_number(p, out, "high", g->interval.high);
}

static int tell(ns_web *p, cJSON *file, const ns_study *s, const ns_emergence *e, ns_error *err)
{
    cJSON *const out = ns_web_object(p, file, "births"), *const runs = ns_web_list(p, out, "runs"),
                 *const groups = ns_web_list(p, out, "groups");
    int rc = NS_OK;
    ns_web_text(p, out, "score", e->score);
    ns_web_text(p, out, "previous", e->previous);
    ns_web_text(p, out, "axis", e->in_tokens ? "tokens" : "steps");
    ns_web_number(p, out, "theta", e->birth.theta);
    ns_web_number(p, out, "persist", e->birth.persist);
    ns_web_number(p, out, "horizon", e->horizon);
    for (int64_t r = 0; r < e->shape.R && rc == NS_OK; r++)
        rc = run(p, runs, &e->runs[r], err);
    for (int64_t i = 0; i < e->n_groups; i++)
        group(p, groups, s, e, &e->groups[i]);
    return rc;
}

/* A study without births (a score that has none, too few checkpoints) is shown without them, and says why. */
int ns_web_births(ns_web *p, cJSON *file, ns_study *s, ns_error *err)
{
    const ns_emergence_params params = {.size = sizeof params, .score = ns_study_usual_score(s), .apart = true};
    ns_emergence *e = NULL;
    ns_error why = {0};
    int rc = ns_emergence_run(&e, s, &params, &why);
    if (rc == NS_E_ARG) {
        ns_web_remark(p, "no births: %s", why.message);
        ns_web_text(p, file, "no_births", why.message);
        return NS_OK;
    }
    if (rc != NS_OK)
        return ns_fail(err, rc, "%s", why.message);
    rc = tell(p, file, s, e, err);
    ns_emergence_free(e);
    return rc;
}
