/* births.c - when heads were born, arm by arm and seed by seed, and which of two arms was earlier. A censored birth is later than any other
 * and never averaged. */
#include "page.h"

const lab_result *ns_laboratory_result_of(const laboratory *lab, const char *arm, int64_t window, int64_t seed)
{
    for (int64_t i = 0; i < lab->n_runs; i++) {
        const lab_run *const r = &lab->runs[i];
        if (strcmp(r->arm, arm) == 0 && r->window == window && r->seed == seed && lab->results[i].measured)
            return &lab->results[i];
    }
    return NULL;
}

ns_event ns_birth_find(const lab_result *r)
{
    return r->find;
}

ns_event ns_birth_previous(const lab_result *r)
{
    return r->previous;
}

const char *ns_birth_text(ns_event e, char out[LAB_TIME])
{
    if (isnan(e.at))
        snprintf(out, LAB_TIME, "-");
    else
        snprintf(out, LAB_TIME, isinf(e.at) ? ">%.10g" : "%.10g", isinf(e.at) ? e.after : e.at);
    return out;
}

int ns_laboratory_windows(const laboratory *lab, int64_t out[LAB_WINDOWS])
{
    int n = 0;
    for (int64_t i = 0; i < lab->n_runs && n < LAB_WINDOWS; i++) {
        if (strcmp(lab->runs[i].arm, "swa") != 0 || lab->runs[i].seed != lab->first_seed)
            continue;
        int at = n++;
        for (; at > 0 && out[at - 1] > lab->runs[i].window; at--)
            out[at] = out[at - 1];
        out[at] = lab->runs[i].window;
    }
    return n;
}

/* ---- orders ---- */

ns_birth_grid ns_page_grid(page *p, const lab_arm *arms, int n, birth_of *of)
{
    const laboratory *const lab = p->lab;
    ns_birth_grid g = {0};
    if (ns_birth_grid_new(&g, lab->seeds, n, NULL) != NS_OK) {
        p->failed = true;
        ns_birth_grid_clear(&g);
        return g;
    }
    for (int64_t s = 0; s < g.S; s++)
        for (int w = 0; w < n; w++) {
            const lab_result *const r = ns_laboratory_result_of(lab, arms[w].arm, arms[w].window, lab->first_seed + s);
            if (r)
                ns_birth_grid_set(&g, s, w, of(r));
        }
    return g;
}

ns_order ns_page_order_of(page *p, lab_arm a, lab_arm b, birth_of *of)
{
    ns_birth_grid g = ns_page_grid(p, (const lab_arm[]){a, b}, 2, of);
    ns_order order = {.p = (double)NAN};
    p->failed |= g.W && ns_order_in(&g, 0, 1, &order, NULL) < 0;
    ns_birth_grid_clear(&g);
    return order;
}

ns_birth_grid ns_page_window_grid(page *p, birth_of *of)
{
    int64_t windows[LAB_WINDOWS];
    lab_arm arms[LAB_WINDOWS];
    const int n = ns_laboratory_windows(p->lab, windows);
    for (int i = 0; i < n; i++)
        arms[i] = (lab_arm){"swa", windows[i]};
    return ns_page_grid(p, arms, n, of);
}

ns_grid_trend ns_page_window_trend(page *p, birth_of *of)
{
    ns_birth_grid g = ns_page_window_grid(p, of);
    ns_grid_trend trend;
    p->failed |= ns_trend_of(&g, &trend, NULL) < 0;
    ns_birth_grid_clear(&g);
    return trend;
}

void ns_page_order(page *p, cJSON *list, const char *what, const char *a, const char *b, ns_order o)
{
    cJSON *const item = ns_page_item(p, list);
    ns_page_put_text(p, item, "birth", what);
    ns_page_put_text(p, item, "earlier", a);
    ns_page_put_text(p, item, "later", b);
    ns_page_put(p, item, "seeds", o.n);
    ns_page_put(p, item, "in_order", o.earlier);
    ns_page_put(p, item, "reversed", o.later);
    ns_page_put(p, item, "undecided", o.same);
    ns_page_put(p, item, "p", o.p);
    if (o.n == 0)
        return;
    ns_page_say(p, "    %-14s %s before %s: %d of %d seeds", what, a, b, o.earlier, o.n);
    if (o.later || o.same)
        ns_page_say(p, " (reversed %d, undecided %d)", o.later, o.same);
    ns_page_say(p, ", p = %.2g\n", o.p);
}

/* ---- the table ---- */

/* The births of an arm and window by one rule: the median, how many were born. */
typedef struct column { double median, limit; int n, born; } column;

static column column_of(page *p, lab_arm a, birth_of *of)
{
    ns_birth_grid g = ns_page_grid(p, &a, 1, of);
    column c = {.median = (double)NAN, .limit = (double)INFINITY};
    for (int64_t s = 0; s < g.S; s++) {
        if (isnan(g.time[s]))
            continue;
        if (isinf(g.time[s]))
            c.limit = fmin(c.limit, g.limit[s]);
        c.born += isfinite(g.time[s]);
        g.time[c.n++] = g.time[s];
    }
    c.median = ns_median_censored(g.time, c.n);
    ns_birth_grid_clear(&g);
    return c;
}

/* A censored median is later than the last checkpoint at which each of the runs could still have been born. */
static const char *median_text(column c, char out[LAB_TIME])
{
    return ns_birth_text((ns_event){.after = c.limit, .at = c.median}, out);
}

/* "  240  2 of 3: 180 240 >800" */
static void say_births(page *p, lab_arm a, birth_of *of)
{
    const laboratory *const lab = p->lab;
    const column c = column_of(p, a, of);
    char text[LAB_TIME];
    ns_page_say(p, " %6s  %d of %d:", median_text(c, text), c.born, c.n);
    for (int64_t s = 0; s < lab->seeds; s++) {
        const lab_result *const r = ns_laboratory_result_of(lab, a.arm, a.window, lab->first_seed + s);
        ns_page_say(p, " %5s", r ? ns_birth_text(of(r), text) : "-");
    }
}

/* The 95 % interval of the median, where there are seeds enough. */
static void say_interval(page *p, const lab_result *r)
{
    if (isnan(r->low))
        return;
    ns_page_say(p, isinf(r->low) ? "   (>%.0f, " : "   (%.0f, ", isinf(r->low) ? (double)p->lab->steps : r->low);
    ns_page_say(p, isinf(r->high) ? ">%.0f]" : "%.0f]", isinf(r->high) ? (double)p->lab->steps : r->high);
}

static void name_arm(page *p, const lab_run *run)
{
    ns_page_say(p, "  %-16.*s", (int)(strrchr(run->name, '-') - run->name), run->name);     /* without the seed */
}

static ns_event at_sweep_0(const lab_result *r) { return r->sweep[0]; }
static ns_event at_sweep_1(const lab_result *r) { return r->sweep[1]; }
static ns_event at_sweep_2(const lab_result *r) { return r->sweep[2]; }
static birth_of *const at_sweep[NS_SWEEP] = {at_sweep_0, at_sweep_1, at_sweep_2};

/* How the medians depend on the threshold, and how sure they are. */
static void say_sweep(page *p, const lab_run *run, const lab_result *r)
{
    name_arm(p, run);
    for (int i = 0; i < NS_SWEEP; i++) {
        char text[LAB_TIME];
        ns_page_say(p, " %7s", median_text(column_of(p, (lab_arm){run->arm, run->window}, at_sweep[i]), text));
    }
    say_interval(p, r);
    ns_page_say(p, "\n");
}

/* A best head is a maximum over heads, and large by chance. */
static void say_null(page *p)
{
    double most = 0;
    int born = 0;
    for (int64_t i = 0; i < p->lab->n_runs; i++) {
        const lab_result *const r = &p->lab->results[i];
        if (!r->measured || isnan(r->null_p))
            continue;
        most = fmax(most, r->null_p);
        born++;
    }
    if (born)
        ns_page_say(
            p, "  In the %d run%s with a birth the best head's score there, against needle and %s exchanged at random: p = %.2g at most\n",
            born, ns_plural(born), p->lab->null_control ? p->lab->null_control : "control", most);
}

static void say_arm(page *p, const lab_run *run)
{
    const lab_arm a = {run->arm, run->window};
    name_arm(p, run);
    say_births(p, a, ns_birth_find);
    ns_page_say(p, "   |");
    say_births(p, a, ns_birth_previous);
    ns_page_say(p, "\n");
}

/* The runs of the first seed stand for their arms, in any seed that was measured. */
static const lab_result *any_result(const laboratory *lab, const lab_run *run)
{
    const lab_result *found = NULL;
    for (int64_t s = 0; s < lab->seeds && !found && run->seed == lab->first_seed; s++)
        found = ns_laboratory_result_of(lab, run->arm, run->window, lab->first_seed + s);
    return found;
}

void ns_page_births(page *p)
{
    const laboratory *const lab = p->lab;
    ns_page_say(p, "\nBirths in steps of %lld tokens, a checkpoint every %lld: median, how many were born, each seed "
                   "(\">\": not up to the horizon)\n",
                (long long)(lab->batch * lab->length), (long long)lab->every);
    ns_page_say(p, "Born: the first of %d checkpoint%s in a row with %s of %g and more; previous token: above chance\n", lab->birth.persist,
                ns_plural(lab->birth.persist), lab->score, lab->birth.theta);
    ns_page_say(p, "  %-16s  retrieval (best head of the full layers) | previous token (best head below)\n", "");
    for (int64_t i = 0; i < lab->n_runs; i++)
        if (any_result(lab, &lab->runs[i]))
            say_arm(p, &lab->runs[i]);
    ns_page_say(p, "\nMedian birth of retrieval with a threshold of %g, %g, %g", lab->sweep[0], lab->sweep[1], lab->sweep[2]);
    if (lab->seeds >= 5)
        ns_page_say(p, "; 95 %% of the median at %g: seeds resampled, cases nested in them", lab->birth.theta);
    ns_page_say(p, "\n");
    for (int64_t i = 0; i < lab->n_runs; i++)
        if (any_result(lab, &lab->runs[i]))
            say_sweep(p, &lab->runs[i], any_result(lab, &lab->runs[i]));
    say_null(p);
}
