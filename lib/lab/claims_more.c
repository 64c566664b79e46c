/* claims_more.c - claims about single runs, put together over seeds: Competition, P3 (they converge), P4 (NoPE extrapolates), P5 (the
 * recurrent mixer). Their test is a sign test with the seed as unit: would as many seeds show it if showing it were a coin's toss? */
#include "page.h"

static const char sign_test[] = "sign test over seeds, exact";

static int count_planned(const laboratory *lab, const char *arm)
{
    int n = 0;
    for (int64_t i = 0; i < lab->n_runs; i++)
        n += strcmp(lab->runs[i].arm, arm) == 0;
    return n;
}

/* ---- the full layer behind a window ---- */

static int is_lazy(const laboratory *lab, int64_t i)
{
    const lab_result *const r = &lab->results[i];
    return ns_laboratory_has(lab, i, "competition_short_first") ? r->in_window > lab->claims.recall && isinf(r->find.at) : -1;
}

void ns_claim_competition(page *p)
{
    const laboratory *const lab = p->lab;
    const ns_evidence e = ns_laboratory_seeds_that(lab, is_lazy);
    char verdict[NS_VERDICT_TEXT];
    int n = 0, lazy = 0;
    for (int64_t i = 0; i < lab->n_runs; i++) {
        n += ns_laboratory_has(lab, i, "competition_short_first");
        lazy += is_lazy(lab, i) > 0;
    }
    if (count_planned(lab, "competition_short_first") == 0)
        return;
    char words[160];
    snprintf(words, sizeof words, "where a window below recalls already, the full layer behind it stays lazy (%s)",
             ns_laboratory_pattern(lab, "competition_short_first"));
    cJSON *const object = ns_page_claim(p, "Competition", words,
                                        n == 0      ? "not measured"
                                        : e.no == 0 ? ns_verdict(e, lab->claims.alpha, verdict)
                                        : lazy      ? "mixed"
                                                    : "does not hold");
    ns_page_put_evidence(p, object, sign_test, e);
    ns_page_say(p, "    recall inside the window solved and no head of the full layer retrieving at the horizon: %d of %d runs\n", lazy, n);
    for (int64_t i = 0; i < lab->n_runs; i++) {
        const lab_result *const r = &lab->results[i];
        char birth[LAB_TIME];
        if (!ns_starts(lab->runs[i].arm, "competition") || !r->measured)
            continue;
        ns_page_say(p, "    %-18s retrieval %s, recall in the window %.2f, loss beyond 31 tokens %.2f\n", lab->runs[i].name,
                    ns_birth_text(r->find, birth), r->in_window, r->loss_far);
    }
}

/* ---- P3: they converge ---- */

static int answers(const laboratory *lab, int64_t i)
{
    return ns_laboratory_has(lab, i, "swa") ? lab->results[i].accuracy[0] >= lab->claims.answers : -1;
}

void ns_claim_convergence(page *p)
{
    const laboratory *const lab = p->lab;
    const ns_evidence e = ns_laboratory_seeds_that(lab, answers);
    char verdict[NS_VERDICT_TEXT], words[96];
    int n = 0, converged = 0;
    double accuracy[2] = {INFINITY, -INFINITY}, filler[2] = {INFINITY, -INFINITY};
    for (int64_t i = 0; i < lab->n_runs; i++) {
        const lab_result *const r = &lab->results[i];
        if (!ns_laboratory_has(lab, i, "swa"))
            continue;
        n++;
        converged += answers(lab, i);
        accuracy[0] = fmin(accuracy[0], r->accuracy[0]);
        accuracy[1] = fmax(accuracy[1], r->accuracy[0]);
        filler[0] = fmin(filler[0], r->loss_filler);
        filler[1] = fmax(filler[1], r->loss_filler);
    }
    snprintf(words, sizeof words, "in the end every window answers (needle accuracy %g and more)", lab->claims.answers);
    cJSON *const object = ns_page_claim(p, "P3", words, e.no == 0 ? ns_verdict(e, lab->claims.alpha, verdict)
                                        : converged ? "not in every run up to this horizon" : "does not hold up to this horizon");
    ns_page_put_evidence(p, object, sign_test, e);
    ns_page_put(p, object, "runs", n);
    ns_page_put(p, object, "converged", converged);
    if (n)
        ns_page_say(p, "    %d of %d runs; needle accuracy %.2f to %.2f, loss on filler %.3f to %.3f\n", converged, n, accuracy[0],
                    accuracy[1], filler[0], filler[1]);
}

/* ---- P4: NoPE extrapolates ---- */

static const lab_result *twin_of(const laboratory *lab, int64_t i)
{
    return ns_laboratory_has(lab, i, "nope") ? ns_laboratory_result_of(lab, "swa", lab->runs[i].window, lab->runs[i].seed) : NULL;
}

/* -1: longer prompts were not scored, or there is no twin. */
static int answers_more(const laboratory *lab, int64_t i)
{
    const lab_result *const twin = twin_of(lab, i);
    const int far = lab->n_lengths - 1;
    const double own = lab->results[i].accuracy[far];
    return !twin || isnan(own) || isnan(twin->accuracy[far]) ? -1 : own > twin->accuracy[far];
}

static int keeps(const laboratory *lab, int64_t i)
{
    const lab_result *const r = &lab->results[i];
    return r->accuracy[lab->n_lengths - 1] >= lab->claims.kept * r->accuracy[0];
}

static int extrapolates(const laboratory *lab, int64_t i)
{
    const int more = answers_more(lab, i);
    return more < 0 ? -1 : more && keeps(lab, i);
}

static void say_lengths(page *p, cJSON *list, const lab_run *run, const lab_result *r)
{
    cJSON *const item = ns_page_item(p, list);
    ns_page_put_text(p, item, "run", run->name);
    ns_page_put_list(p, item, "accuracy", r->accuracy, p->lab->n_lengths);
    ns_page_put(p, item, "loss_filler", r->loss_filler);
    ns_page_say(p, "    %-18s", run->name);
    for (int k = 0; k < p->lab->n_lengths; k++)
        ns_page_say(p, "  %lld: %.2f", (long long)p->lab->lengths[k], r->accuracy[k]);
    ns_page_say(p, "   loss on filler %.3f, on all %.3f\n", r->loss_filler, r->loss);
}

void ns_claim_nope(page *p)
{
    const laboratory *const lab = p->lab;
    const ns_evidence e = ns_laboratory_seeds_that(lab, extrapolates);
    char verdict[NS_VERDICT_TEXT];
    int n = 0, better = 0, kept = 0;
    for (int64_t i = 0; i < lab->n_runs; i++) {
        if (answers_more(lab, i) < 0)
            continue;
        n++;
        better += answers_more(lab, i);
        kept += keeps(lab, i);
    }
    const char *const some = better == n ? "more than with RoPE in every seed, but not kept in every seed" : "mixed";
    cJSON *const object = ns_page_claim(p, "P4", "without rotation in the full layer, retrieval extrapolates to longer prompts",
                                        e.no == 0 ? ns_verdict(e, lab->claims.alpha, verdict) : some);
    ns_page_put_evidence(p, object, sign_test, e);
    cJSON *const list = ns_page_list(p, object, "runs");
    if (n)
        ns_page_say(
            p,
            "    trained at %lld tokens; at %lld NoPE answers more than its RoPE twin in %d of %d runs, and keeps %g of its accuracy\n"
            "    in %d. Needle accuracy by prompt length:\n",
            (long long)lab->length, (long long)lab->lengths[lab->n_lengths - 1], better, n, lab->claims.kept, kept);
    for (int64_t i = 0; n && i < lab->n_runs; i++) {
        const lab_run *const run = &lab->runs[i];
        const bool twin = ns_laboratory_has(lab, i, "swa") && ns_laboratory_result_of(lab, "nope", run->window, run->seed);
        if (twin || ns_laboratory_has(lab, i, "nope"))
            say_lengths(p, list, run, &lab->results[i]);
    }
}

/* ---- P5: the recurrent mixer ---- */

/* In how many seeds are both born at the same step? Where neither is up to the horizon nothing is seen of it. */
static int born_together(page *p, lab_arm a, lab_arm b)
{
    ns_birth_grid g = ns_page_grid(p, (const lab_arm[]){a, b}, 2, ns_birth_find);
    int together = 0;
    for (int64_t s = 0; s < g.S; s++)
        together += isfinite(g.time[2 * s]) && g.time[2 * s] == g.time[2 * s + 1];
    ns_birth_grid_clear(&g);
    return together;
}

/* Two births at one step speak neither for nor against: a test of what comes first leaves them out, and of ties alone holds nothing. */
static const char *words_of_early(const page *p, ns_evidence e, int together, char out[NS_VERDICT_TEXT])
{
    if (e.n == 0)
        return "not measured";
    if (e.n == together)
        return "undecided: all births at the same step";
    return e.no == 0 ? ns_verdict(e, p->lab->claims.alpha, out) : e.yes ? "mixed" : "does not hold";
}

bool ns_laboratory_recurs(const char *pattern)
{
    return pattern[strspn(pattern, "SsFH")] != '\0';
}

static void say_early(page *p, const lab_run *run, const lab_result *r)
{
    char find[LAB_TIME], solved[LAB_TIME];
    ns_page_say(p, "    %-18s retrieval %s; needle accuracy %g at %s (a recurrent layer may move the value on before it is read)\n",
                run->name, ns_birth_text(r->find, find), p->lab->birth.theta, ns_birth_text(r->solved, solved));
}

/* arm "recurrent" is the one of laziness; of several each has a claim of its own. */
static void claim_early(page *p, const lab_run *arm)
{
    const laboratory *const lab = p->lab;
    int64_t windows[LAB_WINDOWS];
    const lab_arm smallest = {"swa", ns_laboratory_windows(lab, windows) ? windows[0] : 0}, mixer = {arm->arm, arm->window};
    const bool alone = strcmp(arm->arm, "recurrent") == 0;
    const ns_order order = ns_page_order_of(p, mixer, smallest, ns_birth_find);
    const ns_evidence e = ns_sign_evidence(order.earlier, order.later, order.n);
    const int together = born_together(p, mixer, smallest);
    char verdict[NS_VERDICT_TEXT], key[ARM_TEXT], words[ARM_TEXT + 96];
    snprintf(key, sizeof key, alone ? "P5" : "P5 %s", arm->arm);
    snprintf(words, sizeof words, alone ? "with recurrent layers instead of windows, retrieval comes earlier than with the smallest window"
                                        : "with %s instead of windows (%s), retrieval comes earlier than with the smallest window",
             arm->arm, arm->pattern);
    cJSON *const object = ns_page_claim(p, key, words, words_of_early(p, e, together, verdict));
    ns_page_put_evidence(p, object, "sign test over seeds whose births differ, exact", e);
    ns_page_put(p, object, "seeds_together", together);
    if (e.n)
        ns_page_say(p, "    retrieval earlier than with W=%lld in %d of %d seeds, at the same step in %d, later in %d\n",
                    (long long)smallest.window, e.yes, e.n, together, e.no);
    for (int64_t i = 0; i < lab->n_runs; i++)
        if (ns_laboratory_has(lab, i, arm->arm))
            say_early(p, &lab->runs[i], &lab->results[i]);
}

void ns_claim_recurrent(page *p)
{
    const laboratory *const lab = p->lab;
    for (int64_t i = 0; i < lab->n_runs; i++)
        if (lab->runs[i].seed == lab->first_seed && ns_laboratory_recurs(lab->runs[i].pattern))
            claim_early(p, &lab->runs[i]);
}
