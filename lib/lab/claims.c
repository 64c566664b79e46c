/* claims.c - results of the runs -> which claims hold, with numbers and the direction for each seed: P1, P2 and what causes the delay (the
 * others: claims_more.c). A claim holds only where every seed shows it and a test that could have said no gives a p of the protocol's alpha
 * or less. */
#include <needlescope/train.h>

#include "page.h"

bool ns_laboratory_has(const laboratory *lab, int64_t i, const char *arm)
{
    return strcmp(lab->runs[i].arm, arm) == 0 && lab->results[i].measured;
}

/* Seed by seed the runs that count agree, or the seed speaks against the claim. */
ns_evidence ns_laboratory_seeds_that(const laboratory *lab, lab_shows *shows)
{
    int yes = 0, no = 0;
    for (int64_t seed = lab->first_seed; seed < lab->first_seed + lab->seeds; seed++) {
        int counted = 0, shown = 0;
        for (int64_t i = 0; i < lab->n_runs; i++) {
            const int answer = lab->runs[i].seed == seed && lab->results[i].measured ? shows(lab, i) : -1;
            counted += answer >= 0;
            shown += answer > 0;
        }
        yes += counted && shown == counted;
        no += shown < counted;
    }
    return ns_sign_evidence(yes, no, yes + no);
}

/* ---- P1: the heads that retrieve are the ones that answer ---- */

static double least_of(const double *values, int n)
{
    double least = n ? values[0] : (double)NAN;
    for (int i = 1; i < n; i++)
        least = fmin(least, values[i]);
    return least;
}

/* Without the edges to the needle few answers are left, without other edges nearly all in every draw. */
static int carries(const laboratory *lab, int64_t i)
{
    const lab_result *const r = &lab->results[i];
    if (!r->ablated)
        return -1;
    return r->knocked < lab->claims.edges_cut * r->intact && least_of(r->others, r->n_others) >= lab->claims.others_cut * r->intact;
}

/* Place of the cut edges among the draws of other edges, 1 = the worst; a tie counts against the claim. */
static int rank_of_cut(const lab_result *r)
{
    int rank = 1;
    for (int k = 0; k < r->n_others; k++)
        rank += r->others[k] <= r->knocked;
    return rank;
}

/* If the needle's edges were edges like others, a seed's rank would be uniform over 1 ... draws + 1. Of a seed the worst rank of its runs
 * counts. */
static ns_evidence evidence_of_cuts(const laboratory *lab)
{
    ns_evidence e = ns_laboratory_seeds_that(lab, carries);
    int64_t *const rank = ns_alloc_array((size_t)lab->seeds, sizeof *rank), *const of = ns_alloc_array((size_t)lab->seeds, sizeof *of),
                   n = 0;
    for (int64_t s = 0; rank && of && s < lab->seeds; s++) {
        for (int64_t i = 0; i < lab->n_runs; i++) {
            const lab_result *const r = &lab->results[i];
            if (lab->runs[i].seed != lab->first_seed + s || !r->ablated)
                continue;
            rank[n] = rank[n] > rank_of_cut(r) ? rank[n] : rank_of_cut(r);
            of[n] = of[n] && of[n] < r->n_others + 1 ? of[n] : r->n_others + 1;
        }
        n += rank[n] > 0;
    }
    e.p = rank && of ? ns_rank_sum_p(rank, of, n, &e.least) : (double)NAN;
    free(rank);
    free(of);
    return e;
}

static void put_ablation(page *p, cJSON *list, const lab_run *run, const lab_result *r)
{
    cJSON *const item = ns_page_item(p, list);
    ns_page_put_text(p, item, "run", run->name);
    ns_page_put(p, item, "heads", r->n_heads);
    ns_page_put_bool(p, item, "whole_layer", r->whole_layer);
    ns_page_put(p, item, "intact", r->intact);
    ns_page_put(p, item, "edges_cut", r->knocked);
    ns_page_put_list(p, item, "other_edges_cut", r->others, r->n_others);
    ns_page_put(p, item, "other_edges_weight", r->others_weight);
    ns_page_put(p, item, "zeroed", r->silenced);
    char text[NS_MATCH_TEXT];
    ns_match_text(&r->match, text);
    ns_page_put_text(p, item, "controls", text);
    ns_page_put_bool(p, item, "controls_matched", ns_match_holds(&r->match));
    cJSON *const draws = ns_page_list(p, item, "draws");
    for (int k = 0; k < r->n_draws; k++) {
        cJSON *const draw = ns_page_item(p, draws);
        ns_page_put(p, draw, "accuracy", r->draws[k]);
        ns_page_put_bool(p, draw, "previous_token_head", r->hits_previous[k]);
    }
}

static bool same_draw(const lab_result *r, int a, int b)
{
    return r->draws[a] == r->draws[b] && r->hits_previous[a] == r->hits_previous[b];
}

static void say_ablation(page *p, const lab_run *run, const lab_result *r)
{
    char weight[48] = "";
    if (!isnan(r->others_weight))
        snprintf(weight, sizeof weight, " (%.2g of their weight)", r->others_weight);
    ns_page_say(p, "    %-18s %2d heads%s  intact %.2f  edges cut %.2f  other edges cut%s %.2f and more  zeroed %.2f\n", run->name,
                r->n_heads,
                r->whole_layer ? " (a whole layer)" : "", r->intact, r->knocked, weight, least_of(r->others, r->n_others), r->silenced);
    char text[NS_MATCH_TEXT];
    ns_match_text(&r->match, text);
    ns_page_say(p, "      draws: %s\n     ", text);
    for (int k = 0; k < r->n_draws; k++) {
        int first = 0, times = 0;                /* a set that is drawn again is said once, with its number */
        while (!same_draw(r, first, k))
            first++;
        for (int i = k; i < r->n_draws; i++)
            times += same_draw(r, i, k);
        if (first == k)
            ns_page_say(p, times > 1 ? " %.2f%s (%d draws)" : " %.2f%s", r->draws[k], r->hits_previous[k] ? "*" : "", times);
    }
    ns_page_say(p, "\n");
}

/* A control that hides next to nothing could hardly have come out otherwise: how heavy its edges were belongs to the verdict.
 * True: all have less than half of the needle's weight, so the verdict holds against lighter edges alone. */
static bool add_weight(const laboratory *lab, char *words, size_t size)
{
    double least = INFINITY, most = -INFINITY;
    for (int64_t i = 0; i < lab->n_runs; i++)
        if (lab->results[i].ablated && !isnan(lab->results[i].others_weight)) {
            least = fmin(least, lab->results[i].others_weight);
            most = fmax(most, lab->results[i].others_weight);
        }
    const size_t used = strlen(words);
    char share[40];
    snprintf(share, sizeof share, least < most ? "%.2g to %.2g" : "%.2g", least, most);
    if (least <= most && most < .5)
        snprintf(words + used, size - used, " against lighter edges (%s of the needle's weight); none as heavy could be drawn", share);
    else if (least <= most)
        snprintf(words + used, size - used, "; beside other edges of %s of the needle's weight", share);
    return least <= most && most < .5;
}

void ns_claim_heads(page *p)
{
    const laboratory *const lab = p->lab;
    const ns_evidence e = evidence_of_cuts(lab);
    char verdict[NS_VERDICT_TEXT];
    int runs = 0, hold = 0;
    for (int64_t i = 0; i < lab->n_runs; i++) {
        runs += lab->results[i].ablated;
        hold += carries(lab, i) > 0;
    }
    char words[NS_VERDICT_TEXT + 120];
    snprintf(words, sizeof words, "%s", e.no == 0 ? ns_verdict(e, lab->claims.alpha, verdict) : hold ? "mixed" : "does not hold");
    const bool lighter = add_weight(lab, words, sizeof words);
    cJSON *const object = ns_page_claim(p, "P1", "the answer goes through the retrieval heads", words);
    ns_page_put_evidence(p, object, lighter ? "rank among the draws of lighter edges, summed over seeds, exact"
                                            : "rank among the draws of other edges, summed over seeds, exact", e);
    cJSON *const list = ns_page_list(p, object, "runs");
    if (runs)
        ns_page_say(p,
            "    with the edges from the answer to the needle cut in those heads less than %g of the accuracy is left, and %g\n"
            "    with other edges cut, of as much weight at most, in every draw: %d of %d runs. Draws: accuracy with as many other\n"
            "    heads zeroed, drawn for like norm; how like they are is said of each run, and where no head is, they are no clean "
            "control.\n"
            "    * = with the previous-token head, the other half of the circuit.\n",
            lab->claims.edges_cut, lab->claims.others_cut, hold, runs);
    for (int64_t i = 0; i < lab->n_runs; i++) {
        if (!lab->results[i].ablated)
            continue;
        put_ablation(p, list, &lab->runs[i], &lab->results[i]);
        say_ablation(p, &lab->runs[i], &lab->results[i]);
    }
}

/* ---- P2: larger windows are born later ---- */

/* Adjacent windows, pair by pair; the sum over pairs and seeds. */
static ns_order say_pairs(page *p, cJSON *list, const char *what, birth_of *of)
{
    int64_t windows[LAB_WINDOWS];
    const int n = ns_laboratory_windows(p->lab, windows);
    ns_order sum = {.p = (double)NAN};
    for (int i = 0; i + 1 < n; i++) {
        char a[32], b[32];
        const ns_order o = ns_page_order_of(p, (lab_arm){"swa", windows[i]}, (lab_arm){"swa", windows[i + 1]}, of);
        snprintf(a, sizeof a, "W=%lld", (long long)windows[i]);
        snprintf(b, sizeof b, "W=%lld", (long long)windows[i + 1]);
        if (list)
            ns_page_order(p, list, what, a, b, o);
        sum.earlier += o.earlier;
        sum.later += o.later;
        sum.same += o.same;
        sum.n += o.n;
    }
    return sum;
}

static void say_trend(page *p, cJSON *object, const char *what, const char *key, ns_grid_trend t)
{
    char name[64];
    snprintf(name, sizeof name, "page_p_%s", key);
    ns_page_put(p, object, name, t.page);
    snprintf(name, sizeof name, "logrank_p_%s", key);
    ns_page_put(p, object, name, t.logrank);
    if (isnan(t.page))
        return;
    ns_page_say(p, "    %-14s trend over all windows: p = %.2g (Page's L, exact, %d seed%s as blocks)", what, t.page, t.n_seeds,
                ns_plural(t.n_seeds));
    if (!isnan(t.logrank))
        ns_page_say(p, ", %.2g (log-rank, windows permuted within seeds)", t.logrank);
    ns_page_say(p, "\n");
}

/* A reversed pair somewhere, or none that decides: the counts speak; where no seed contradicts, the evidence does. pairs: n counts pairs
 * and seeds. */
static const char *words_of(const page *p, ns_order pairs, ns_evidence e, char out[NS_VERDICT_TEXT])
{
    if (pairs.later == 0)
        return ns_verdict(e, p->lab->claims.alpha, out);
    snprintf(out, NS_VERDICT_TEXT, pairs.earlier > pairs.later ? "mixed" : "does not hold");
    if (pairs.earlier > pairs.later && e.p <= p->lab->claims.alpha)
        snprintf(out, NS_VERDICT_TEXT, "mixed; not for every pair in every seed, but over all windows p = %.2g", e.p);
    return out;
}

/* in_order[S]: does every pair of adjacent windows stay in order in the seed, for this birth too? False: there are no two windows. */
static bool keep_ordered(page *p, birth_of *of, bool *in_order, int64_t *S)
{
    ns_birth_grid g = ns_page_window_grid(p, of);
    const bool several = g.W > 1;
    for (int64_t s = 0; s < g.S; s++)
        for (int64_t w = 0; w + 1 < g.W; w++)
            in_order[s] &= g.time[s * g.W + w] < g.time[s * g.W + w + 1];
    *S = g.S;
    ns_birth_grid_clear(&g);
    return several;
}

/* Two births are claimed to be delayed: the seeds in which both are in order everywhere, and the weaker of the two trends. */
static ns_evidence evidence_of_delay(page *p, ns_order pairs, ns_grid_trend find, ns_grid_trend previous)
{
    const ns_grid_trend weaker = previous.page > find.page ? previous : find;
    ns_evidence e = {.no = pairs.later, .n = find.n_seeds, .p = weaker.page, .least = weaker.least};
    bool *const in_order = ns_alloc_array((size_t)p->lab->seeds + 1, sizeof *in_order);
    int64_t S = 0;
    for (int64_t s = 0; in_order && s < p->lab->seeds; s++)
        in_order[s] = true;
    if (!in_order || !keep_ordered(p, ns_birth_find, in_order, &S) || !keep_ordered(p, ns_birth_previous, in_order, &S))
        S = 0;
    for (int64_t s = 0; s < S; s++)
        e.yes += in_order[s];
    if (!in_order)
        e.p = (double)NAN;
    free(in_order);
    return e;
}

void ns_claim_delay(page *p)
{
    const ns_order find = say_pairs(p, NULL, NULL, ns_birth_find), previous = say_pairs(p, NULL, NULL, ns_birth_previous);
    const ns_order both = {find.earlier + previous.earlier, find.later + previous.later, find.same + previous.same, find.n + previous.n,
                           (double)NAN};
    const ns_grid_trend of_find = ns_page_window_trend(p, ns_birth_find), of_previous = ns_page_window_trend(p, ns_birth_previous);
    const ns_evidence e = evidence_of_delay(p, both, of_find, of_previous);
    char verdict[NS_VERDICT_TEXT];
    cJSON *const object = ns_page_claim(p, "P2", "larger windows delay the previous-token head, and with it retrieval",
                                        words_of(p, both, e, verdict));
    ns_page_put_evidence(p, object, "Page's L over all windows, seeds as blocks, exact, the weaker of the two births", e);
    cJSON *const list = ns_page_list(p, object, "pairs");
    say_pairs(p, list, "retrieval", ns_birth_find);
    say_pairs(p, list, "previous token", ns_birth_previous);
    say_trend(p, object, "retrieval", "retrieval", of_find);
    say_trend(p, object, "previous token", "previous_token", of_previous);
}

/* ---- what causes it: the controls that could refute it, all layers full (as late as a large window), a first layer of window 4 (early
 * whatever the others are) ---- */

static bool was_run(const laboratory *lab, const char *arm)
{
    for (int64_t i = 0; i < lab->n_runs; i++)
        if (ns_laboratory_has(lab, i, arm))
            return true;
    return false;
}

/* Both orders are claimed: the seeds that show both, the weaker p. One that was not run says nothing. */
static ns_evidence both_orders(ns_order a, ns_order b)
{
    if (a.n == 0 || b.n == 0)
        a = a.n == 0 ? b : a;
    else
        a = (ns_order){a.earlier < b.earlier ? a.earlier : b.earlier, a.later + b.later, 0, a.n < b.n ? a.n : b.n, fmax(a.p, b.p)};
    return (ns_evidence){a.earlier, a.later, a.n, a.p, a.n ? ldexp(1, -a.n) : (double)NAN};
}

static void say_laziness(page *p)
{
    const char *const plain = ns_laboratory_pattern(p->lab, "competition"),
               *const rescued = ns_laboratory_pattern(p->lab, "competition_short_first");
    ns_page_say(p, "    That the full-attention layer is lazy because a window solves the recall ");
    if (was_run(p->lab, "competition_short_first"))
        ns_page_say(p, "is another claim: see Competition.\n");
    else if (plain && rescued)
        ns_page_say(p, "is not claimed here: that takes %s and %s (--full).\n", plain, rescued);
    else
        ns_page_say(p, "is not claimed here: this protocol has no arms competition and competition_short_first.\n");
}

const char *ns_laboratory_arm_text(const laboratory *lab, lab_arm a, char out[ARM_TEXT])
{
    const char *const pattern = ns_laboratory_pattern(lab, a.arm);
    snprintf(out, ARM_TEXT, ns_train_windowed(pattern ? pattern : "") ? "%s W=%lld" : "%s", pattern ? pattern : a.arm, (long long)a.window);
    return out;
}

void ns_claim_cause(page *p)
{
    int64_t windows[LAB_WINDOWS];
    const int n = ns_laboratory_windows(p->lab, windows);
    if (n == 0)
        return;
    char small[ARM_TEXT], large[ARM_TEXT], name[ARM_TEXT], control[ARM_TEXT + 32], verdict[NS_VERDICT_TEXT], words[NS_VERDICT_TEXT + 48];
    const lab_arm smallest = {"swa", windows[0]}, largest = {"swa", windows[n - 1]}, full = {"full", p->lab->length},
                  rescued = {"short_first", largest.window};
    const ns_order late = ns_page_order_of(p, smallest, full, ns_birth_find), early = ns_page_order_of(p, rescued, largest, ns_birth_find);
    const ns_order sum = {late.earlier + early.earlier, late.later + early.later, late.same + early.same, late.n + early.n, (double)NAN};
    const ns_evidence e = both_orders(late, early);
    ns_laboratory_arm_text(p->lab, smallest, small);
    ns_laboratory_arm_text(p->lab, largest, large);
    const bool alone = late.n == 0 || early.n == 0;
    snprintf(words, sizeof words, "%s%s", words_of(p, sum, e, verdict), alone && sum.n ? " (the one control that was run)" : "");
    cJSON *const object =
        ns_page_claim(p, "Cause", "what delays is the missing short window below, not a window that already solves the recall", words);
    ns_page_put_evidence(p, object, "sign test over seeds, exact, the weaker of the controls", e);
    cJSON *const list = ns_page_list(p, object, "controls");
    snprintf(control, sizeof control, "%s (no window at all)", ns_laboratory_arm_text(p->lab, full, name));
    ns_page_order(p, list, "retrieval", small, control, late);
    snprintf(control, sizeof control, "%s (a short first window)", ns_laboratory_arm_text(p->lab, rescued, name));
    ns_page_order(p, list, "retrieval", control, large, early);
    say_laziness(p);
}
