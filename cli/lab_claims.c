/* lab_claims.c - results of the runs -> which claims hold, with numbers and the direction for each seed. A claim is said to hold only
 * where every seed agrees; else for which seeds it does not. */
#include "cli/lab_page.h"

static bool is_arm(const cli_lab *lab, int64_t i, const char *arm)
{
    return strcmp(lab->runs[i].arm, arm) == 0 && lab->results[i].measured;
}

/* "holds" for all of n, "mixed" for some. */
static const char *verdict(int yes, int n, const char *some, const char *none)
{
    return n == 0 ? "not run" : yes == n ? "holds" : yes > 0 ? some : none;
}

/* ---- P1: the heads that retrieve are the ones that answer ---- */

static double least_of(const double *values, int n)
{
    double least = n ? values[0] : (double)NAN;
    for (int i = 1; i < n; i++)
        least = fmin(least, values[i]);
    return least;
}

/* Without the edges to the needle less than half of the answers are left, without other edges nine tenths in every draw. */
static bool carries(const cli_lab_result *r)
{
    return r->knocked < .5 * r->intact && least_of(r->others, r->n_others) >= .9 * r->intact;
}

static void put_ablation(cli_page *p, cJSON *list, const cli_lab_run *run, const cli_lab_result *r)
{
    cJSON *const item = cli_page_item(p, list);
    cli_page_put_text(p, item, "run", run->name);
    cli_page_put(p, item, "heads", r->n_heads);
    cli_page_put_bool(p, item, "whole_layer", r->whole_layer);
    cli_page_put(p, item, "intact", r->intact);
    cli_page_put(p, item, "edges_cut", r->knocked);
    cli_page_put_list(p, item, "other_edges_cut", r->others, r->n_others);
    cli_page_put(p, item, "zeroed", r->silenced);
    cJSON *const draws = cli_page_list(p, item, "draws");
    for (int k = 0; k < r->n_draws; k++) {
        cJSON *const draw = cli_page_item(p, draws);
        cli_page_put(p, draw, "accuracy", r->draws[k]);
        cli_page_put_bool(p, draw, "previous_token_head", r->hits_previous[k]);
    }
}

static void say_ablation(cli_page *p, const cli_lab_run *run, const cli_lab_result *r)
{
    cli_page_say(p, "    %-18s %2d heads%s  intact %.2f  edges cut %.2f  other edges cut %.2f and more  zeroed %.2f\n      draws", run->name, r->n_heads,
                 r->whole_layer ? " (a whole layer)" : "", r->intact, r->knocked, least_of(r->others, r->n_others), r->silenced);
    for (int k = 0; k < r->n_draws; k++)
        cli_page_say(p, " %.2f%s", r->draws[k], r->hits_previous[k] ? "*" : "");
    cli_page_say(p, "\n");
}

void cli_claim_heads(cli_page *p)
{
    const cli_lab *const lab = p->lab;
    int runs = 0, hold = 0;
    for (int64_t i = 0; i < lab->n_runs; i++) {
        runs += lab->results[i].ablated;
        hold += lab->results[i].ablated && carries(&lab->results[i]);
    }
    cJSON *const object = cli_page_claim(p, "P1", "the answer goes through the retrieval heads", verdict(hold, runs, "mixed", "does not hold"));
    cJSON *const list = cli_page_list(p, object, "runs");
    if (runs)
        cli_page_say(p, "    with the edges from the answer to the needle cut in those heads less than half of the accuracy is left, and 9/10\n"
                        "    with other edges cut, of as much weight at most, in every draw: %d of %d runs. Draws: accuracy with as many other\n"
                        "    heads of like norm zeroed (by norm, not by layer, since the heads are most or all of theirs); * = with the previous-\n"
                        "    token head, the other half of the circuit.\n", hold, runs);
    for (int64_t i = 0; i < lab->n_runs; i++) {
        if (!lab->results[i].ablated)
            continue;
        put_ablation(p, list, &lab->runs[i], &lab->results[i]);
        say_ablation(p, &lab->runs[i], &lab->results[i]);
    }
}

/* ---- P2: larger windows are born later ---- */

/* Adjacent windows, pair by pair; the sum over pairs and seeds. */
static cli_order say_pairs(cli_page *p, cJSON *list, const char *what, cli_birth_of *of)
{
    int64_t windows[32];
    const int n = cli_lab_windows(p->lab, windows);
    cli_order sum = {0};
    for (int i = 0; i + 1 < n; i++) {
        char a[32], b[32];
        const cli_order o = cli_order_of(p->lab, (cli_arm){"swa", windows[i]}, (cli_arm){"swa", windows[i + 1]}, of);
        snprintf(a, sizeof a, "W=%lld", (long long)windows[i]);
        snprintf(b, sizeof b, "W=%lld", (long long)windows[i + 1]);
        if (list)
            cli_page_order(p, list, what, a, b, o);
        sum.earlier += o.earlier;
        sum.later += o.later;
        sum.same += o.same;
        sum.n += o.n;
    }
    return sum;
}

static void say_trend(cli_page *p, cJSON *object, const char *what, const char *key, cli_birth_of *of)
{
    int64_t windows[32];
    const cli_trend t = cli_lab_trend(p->lab, windows, cli_lab_windows(p->lab, windows), of);
    char name[64];
    snprintf(name, sizeof name, "page_p_%s", key);
    cli_page_put(p, object, name, t.page);
    snprintf(name, sizeof name, "logrank_p_%s", key);
    cli_page_put(p, object, name, t.logrank);
    if (!isnan(t.page))
        cli_page_say(p, "    %-14s trend over all windows: p = %.2g (Page's L, exact, %d seeds as blocks)", what, t.page, t.n_seeds);
    if (!isnan(t.page) && !isnan(t.logrank))
        cli_page_say(p, ", %.2g (log-rank, windows permuted within seeds)", t.logrank);
    if (!isnan(t.page))
        cli_page_say(p, "\n");
}

void cli_claim_delay(cli_page *p)
{
    const cli_order find = say_pairs(p, NULL, NULL, cli_birth_find), previous = say_pairs(p, NULL, NULL, cli_birth_previous);
    const bool retrieval_alone = find.n && find.earlier == find.n && previous.earlier < previous.n;
    const char *const words = retrieval_alone ? "holds for retrieval; for the previous-token head not in every seed" : cli_order_verdict(find);
    cJSON *const object = cli_page_claim(p, "P2", "larger windows delay the previous-token head, and with it retrieval", words);
    cJSON *const list = cli_page_list(p, object, "pairs");
    say_pairs(p, list, "retrieval", cli_birth_find);
    say_pairs(p, list, "previous token", cli_birth_previous);
    say_trend(p, object, "retrieval", "retrieval", cli_birth_find);
    say_trend(p, object, "previous token", "previous_token", cli_birth_previous);
}

/* The controls that could refute the cause: all layers full (as late as a large window), a first layer of window 4 (early whatever the
 * others are). */
static bool was_run(const cli_lab *lab, const char *arm)
{
    for (int64_t i = 0; i < lab->n_runs; i++)
        if (is_arm(lab, i, arm))
            return true;
    return false;
}

void cli_claim_cause(cli_page *p)
{
    int64_t windows[32];
    const int n = cli_lab_windows(p->lab, windows);
    if (n == 0)
        return;
    char small[32], large[32];
    const cli_arm smallest = {"swa", windows[0]}, largest = {"swa", windows[n - 1]};
    const cli_arm full = {"full", p->lab->length}, rescued = {"short_first", largest.window};
    const cli_order late = cli_order_of(p->lab, smallest, full, cli_birth_find), early = cli_order_of(p->lab, rescued, largest, cli_birth_find);
    const cli_order both = {late.earlier + early.earlier, late.later + early.later, late.same + early.same, late.n + early.n};
    snprintf(small, sizeof small, "SSFS W=%lld", (long long)smallest.window);
    snprintf(large, sizeof large, "SSFS W=%lld", (long long)largest.window);
    const bool alone = late.n == 0 || early.n == 0;
    char verdict_text[80];
    snprintf(verdict_text, sizeof verdict_text, "%s%s", cli_order_verdict(both), alone && both.n ? " for the one control that was run" : "");
    cJSON *const object = cli_page_claim(p, "Cause", "what delays is the missing short window below, not a window that already solves the recall",
                                         verdict_text);
    cJSON *const list = cli_page_list(p, object, "controls");
    cli_page_order(p, list, "retrieval", small, "FFFF (no window at all)", late);
    cli_page_order(p, list, "retrieval", "sSFS (first window 4)", large, early);
    cli_page_say(p, "    That the full-attention layer is lazy because a window solves the recall %s\n",
                 was_run(p->lab, "competition_short_first") ? "is another claim: see Competition." : "is not claimed here: that takes SSF and sSF (--full).");
}

void cli_claim_competition(cli_page *p)
{
    const cli_lab *const lab = p->lab;
    int n = 0, lazy = 0;
    for (int64_t i = 0; i < lab->n_runs; i++) {
        const cli_lab_result *const r = &lab->results[i];
        n += is_arm(lab, i, "competition_short_first");
        lazy += is_arm(lab, i, "competition_short_first") && r->in_window > .9 && r->find.at < 0;
    }
    if (n == 0)
        return;
    cli_page_claim(p, "Competition", "where a window below recalls already, the full layer behind it stays lazy (sSF)",
                   verdict(lazy, n, "mixed", "does not hold"));
    cli_page_say(p, "    recall inside the window solved and no head of the full layer retrieving at the horizon: %d of %d runs\n", lazy, n);
    for (int64_t i = 0; i < lab->n_runs; i++) {
        const cli_lab_result *const r = &lab->results[i];
        char birth[24];
        if (!ns_starts(lab->runs[i].arm, "competition") || !r->measured)
            continue;
        cli_birth_format(r->find, birth);
        cli_page_say(p, "    %-18s retrieval %s, recall in the window %.2f, loss beyond 31 tokens %.2f\n", lab->runs[i].name, birth,
                     r->in_window, r->loss_far);
    }
}

/* ---- P3: they converge ---- */

void cli_claim_convergence(cli_page *p)
{
    const cli_lab *const lab = p->lab;
    static const double enough = .9;
    int n = 0, converged = 0;
    double accuracy[2] = {INFINITY, -INFINITY}, filler[2] = {INFINITY, -INFINITY};
    for (int64_t i = 0; i < lab->n_runs; i++) {
        const cli_lab_result *const r = &lab->results[i];
        if (!is_arm(lab, i, "swa"))
            continue;
        n++;
        converged += r->accuracy[0] >= enough;
        accuracy[0] = fmin(accuracy[0], r->accuracy[0]);
        accuracy[1] = fmax(accuracy[1], r->accuracy[0]);
        filler[0] = fmin(filler[0], r->loss_filler);
        filler[1] = fmax(filler[1], r->loss_filler);
    }
    cJSON *const object = cli_page_claim(p, "P3", "in the end every window answers (needle accuracy .9 and more)",
                                         verdict(converged, n, "not in every run up to this horizon", "does not hold up to this horizon"));
    cli_page_put(p, object, "runs", n);
    cli_page_put(p, object, "converged", converged);
    if (n)
        cli_page_say(p, "    %d of %d runs; needle accuracy %.2f to %.2f, loss on filler %.3f to %.3f\n", converged, n, accuracy[0], accuracy[1],
                     filler[0], filler[1]);
}

/* ---- P4: NoPE extrapolates ---- */

static void say_lengths(cli_page *p, cJSON *list, const cli_lab_run *run, const cli_lab_result *r)
{
    cJSON *const item = cli_page_item(p, list);
    cli_page_put_text(p, item, "run", run->name);
    cli_page_put_list(p, item, "accuracy", r->accuracy, p->lab->n_lengths);
    cli_page_put(p, item, "loss_filler", r->loss_filler);
    cli_page_say(p, "    %-18s", run->name);
    for (int k = 0; k < p->lab->n_lengths; k++)
        cli_page_say(p, "  %lld: %.2f", (long long)p->lab->lengths[k], r->accuracy[k]);
    cli_page_say(p, "   loss on filler %.3f, on all %.3f\n", r->loss_filler, r->loss);
}

void cli_claim_nope(cli_page *p)
{
    const cli_lab *const lab = p->lab;
    const int far = lab->n_lengths - 1;
    int n = 0, better = 0, kept = 0;
    for (int64_t i = 0; i < lab->n_runs; i++) {
        const cli_lab_result *const r = &lab->results[i], *const twin = cli_lab_result_of(lab, "swa", lab->runs[i].window, lab->runs[i].seed);
        if (!is_arm(lab, i, "nope") || !twin)
            continue;
        n++;
        better += r->accuracy[far] > twin->accuracy[far];
        kept += r->accuracy[far] >= .9 * r->accuracy[0];
    }
    const char *const some = better == n ? "more than with RoPE in every seed, but not kept in every seed" : "mixed";
    cJSON *const object = cli_page_claim(p, "P4", "without rotation in the full layer, retrieval extrapolates to longer prompts",
                                         better == n ? verdict(kept, n, some, some) : some);
    cJSON *const list = cli_page_list(p, object, "runs");
    if (n)
        cli_page_say(p, "    trained at %lld tokens; at %lld NoPE answers more than its RoPE twin in %d of %d seeds, and keeps 9/10 of its accuracy\n"
                        "    in %d. Needle accuracy by prompt length:\n", (long long)lab->length, (long long)lab->lengths[far], better, n, kept);
    for (int64_t i = 0; n && i < lab->n_runs; i++) {
        const cli_lab_run *const run = &lab->runs[i];
        const bool twin = is_arm(lab, i, "swa") && cli_lab_result_of(lab, "nope", run->window, run->seed);
        if (twin || is_arm(lab, i, "nope"))
            say_lengths(p, list, run, &lab->results[i]);
    }
}

/* ---- P5: the recurrent mixer ---- */

void cli_claim_recurrent(cli_page *p)
{
    const cli_lab *const lab = p->lab;
    int n = 0, planned = 0;
    for (int64_t i = 0; i < lab->n_runs; i++) {
        planned += strcmp(lab->runs[i].arm, "recurrent") == 0;
        n += is_arm(lab, i, "recurrent");
    }
    if (planned == 0)
        return;
    int64_t windows[32];
    const cli_arm smallest = {"swa", cli_lab_windows(lab, windows) ? windows[0] : 0};
    const cli_order order = cli_order_of(lab, (cli_arm){"recurrent", lab->length}, smallest, cli_birth_find);
    cli_page_claim(p, "P5", "with recurrent layers instead of windows, retrieval comes as early as with the smallest window",
                   n ? verdict(order.earlier + order.same, order.n, "mixed", "does not hold") : "not measured (its checkpoints were not scanned)");
    if (order.n)
        cli_page_say(p, "    retrieval as early as with W=%lld or earlier: %d of %d seeds\n", (long long)smallest.window, order.earlier + order.same, order.n);
    for (int64_t i = 0; i < lab->n_runs; i++) {
        char find[24], solved[24];
        if (!is_arm(lab, i, "recurrent"))
            continue;
        cli_birth_format(lab->results[i].find, find);
        cli_birth_format(lab->results[i].solved, solved);
        cli_page_say(p, "    %-18s retrieval %s; needle accuracy .5 at %s (a recurrent layer may move the value on before it is read)\n",
                     lab->runs[i].name, find, solved);
    }
}
