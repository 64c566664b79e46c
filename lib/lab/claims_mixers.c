/* claims_mixers.c - does the efficient mixer beside full attention decide whether retrieval heads are born, or when? Arm by arm; then the
 * seeds as blocks. */
#include "page.h"

enum { LAB_ARMS = 64, PERMUTATIONS = 9999 };

/* Those of the first seed stand for all. */
static int arms_of(const laboratory *lab, lab_arm out[LAB_ARMS])
{
    int n = 0;
    for (int64_t i = 0; i < lab->n_runs && n < LAB_ARMS; i++)
        if (lab->runs[i].seed == lab->first_seed)
            out[n++] = (lab_arm){lab->runs[i].arm, lab->runs[i].window};
    return n;
}

static bool is_of(const laboratory *lab, int64_t i, lab_arm a)
{
    return ns_laboratory_has(lab, i, a.arm) && lab->runs[i].window == a.window;
}

/* ---- whether ---- */

static int retrieves(const laboratory *lab, int64_t i)
{
    const lab_result *const r = &lab->results[i];
    return isfinite(r->find.at) && r->accuracy[0] >= lab->claims.answers;
}

static void put_arm(page *p, cJSON *list, lab_arm a)
{
    const laboratory *const lab = p->lab;
    char name[ARM_TEXT];
    int n = 0, born = 0, answer = 0;
    double low = INFINITY, high = -INFINITY;
    for (int64_t i = 0; i < lab->n_runs; i++) {
        if (!is_of(lab, i, a))
            continue;
        const double accuracy = lab->results[i].accuracy[0];
        n++;
        born += isfinite(lab->results[i].find.at);
        answer += accuracy >= lab->claims.answers;
        low = fmin(low, accuracy);
        high = fmax(high, accuracy);
    }
    cJSON *const item = ns_page_item(p, list);
    ns_page_put_text(p, item, "arm", a.arm);
    ns_page_put_text(p, item, "pattern", ns_laboratory_arm_text(lab, a, name));
    ns_page_put(p, item, "runs", n);
    ns_page_put(p, item, "born", born);
    ns_page_put(p, item, "answer", answer);
    if (n)
        ns_page_say(p, "    %-12s %-22s born in %d of %d runs, answers in %d; needle accuracy %.2f to %.2f\n", name, a.arm, born, n,
                    answer, low, high);
}

void ns_claim_whether(page *p)
{
    const laboratory *const lab = p->lab;
    const ns_evidence e = ns_laboratory_seeds_that(lab, retrieves);
    lab_arm arms[LAB_ARMS];
    const int n = arms_of(lab, arms);
    char verdict[NS_VERDICT_TEXT], words[128];
    snprintf(words, sizeof words, "whatever the mixer, retrieval heads are born and the needle is answered (accuracy %g and more)",
             lab->claims.answers);
    cJSON *const object = ns_page_claim(p, "Whether", words, ns_verdict(e, lab->claims.alpha, verdict));
    ns_page_put_evidence(p, object, "sign test over seeds, exact", e);
    cJSON *const list = ns_page_list(p, object, "arms");
    for (int i = 0; i < n; i++)
        put_arm(p, list, arms[i]);
}

/* ---- when ---- */

/* A seed shows nothing alone: the test is whether seeds agree. */
static const char *words_of_when(ns_difference d, double alpha, char out[NS_VERDICT_TEXT])
{
    if (isnan(d.p))
        snprintf(out, NS_VERDICT_TEXT, d.B ? "one seed has all arms: nothing to hold it against" : "not run: no seed has all arms");
    else if (d.p <= alpha)
        snprintf(out, NS_VERDICT_TEXT, "holds");
    else
        snprintf(out, NS_VERDICT_TEXT, "not shown: %lld seeds differ as much", (long long)d.B);
    return out;
}

/* Both ways, since no order was claimed. */
static void say_orders(page *p, cJSON *list, const lab_arm *arms, int n, lab_arm than)
{
    char name[ARM_TEXT], other[ARM_TEXT];
    ns_laboratory_arm_text(p->lab, than, other);
    for (int i = 0; i < n; i++) {
        const ns_order o = ns_page_order_of(p, arms[i], than, ns_birth_find);
        if (strcmp(arms[i].arm, than.arm) == 0)
            continue;
        if (o.later > o.earlier)
            ns_page_order(p, list, "retrieval", other, ns_laboratory_arm_text(p->lab, arms[i], name),
                          ns_page_order_of(p, than, arms[i], ns_birth_find));
        else
            ns_page_order(p, list, "retrieval", ns_laboratory_arm_text(p->lab, arms[i], name), other, o);
    }
}

void ns_claim_when(page *p)
{
    lab_arm arms[LAB_ARMS];
    const int n = arms_of(p->lab, arms);
    ns_birth_grid g = ns_page_grid(p, arms, n, ns_birth_find);
    ns_difference d = {.p = (double)NAN, .least = (double)NAN};
    char verdict[NS_VERDICT_TEXT];
    p->failed |= g.W && ns_friedman(g.time, g.S, g.W, PERMUTATIONS, &d, NULL) < 0;
    cJSON *const object = ns_page_claim(p, "When", "the mixer decides when: births of retrieval differ between arms more than between "
                                        "seeds", words_of_when(d, p->lab->claims.alpha, verdict));
    ns_page_put_evidence(p, object, "Friedman's test, arms permuted within seeds",
                         (ns_evidence){(int)d.B, 0, (int)d.B, d.p, d.least});
    say_orders(p, ns_page_list(p, object, "orders"), arms, n, (lab_arm){"full", p->lab->length});
    ns_birth_grid_clear(&g);
}
