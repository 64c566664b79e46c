/* lab_births.c - when heads were born, arm by arm and seed by seed, and which of two arms was earlier. A censored birth is later than any other
 * and never averaged. */
#include "cli/lab_page.h"

enum { MAX_SEEDS = 1000 };

const cli_lab_result *cli_lab_result_of(const cli_lab *lab, const char *arm, int64_t window, int64_t seed)
{
    for (int64_t i = 0; i < lab->n_runs; i++) {
        const cli_lab_run *const r = &lab->runs[i];
        if (strcmp(r->arm, arm) == 0 && r->window == window && r->seed == seed && lab->results[i].measured)
            return &lab->results[i];
    }
    return NULL;
}

cli_lab_birth cli_birth_find(const cli_lab_result *r)
{
    return r->find;
}

cli_lab_birth cli_birth_previous(const cli_lab_result *r)
{
    return r->previous;
}

cli_lab_birth cli_birth_at_low_theta(const cli_lab_result *r)
{
    return r->sweep[0];
}

cli_lab_birth cli_birth_at_high_theta(const cli_lab_result *r)
{
    return r->sweep[NS_SWEEP - 1];
}

int cli_birth_compare(cli_lab_birth a, cli_lab_birth b)
{
    if (a.at < 0 || b.at < 0)
        return (a.at < 0) - (b.at < 0);
    return (a.at > b.at) - (a.at < b.at);
}

static int by_birth(const void *a, const void *b)
{
    return cli_birth_compare(*(const cli_lab_birth *)a, *(const cli_lab_birth *)b);
}

/* The births of an arm and window, sorted, censored last; the number of seeds that were measured. */
static int births_of(const cli_lab *lab, const char *arm, int64_t window, cli_birth_of *of, cli_lab_birth out[MAX_SEEDS])
{
    int n = 0;
    for (int64_t s = 0; s < lab->seeds && n < MAX_SEEDS; s++) {
        const cli_lab_result *const r = cli_lab_result_of(lab, arm, window, lab->first_seed + s);
        if (r)
            out[n++] = of(r);
    }
    qsort(out, (size_t)n, sizeof *out, by_birth);
    return n;
}

void cli_birth_format(cli_lab_birth b, char out[24])
{
    if (b.before == CLI_LAB_NO_HEAD)
        snprintf(out, 24, "-");
    else
        snprintf(out, 24, b.at < 0 ? ">%lld" : "%lld", (long long)(b.at < 0 ? b.before : b.at));
}

/* ---- orders ---- */

cli_order cli_order_of(const cli_lab *lab, cli_arm a, cli_arm b, cli_birth_of *of)
{
    cli_order o = {0};
    for (int64_t seed = lab->first_seed; seed < lab->first_seed + lab->seeds; seed++) {
        const cli_lab_result *const x = cli_lab_result_of(lab, a.arm, a.window, seed);
        const cli_lab_result *const y = cli_lab_result_of(lab, b.arm, b.window, seed);
        if (!x || !y)
            continue;
        const int c = cli_birth_compare(of(x), of(y));
        o.earlier += c < 0;
        o.later += c > 0;
        o.same += c == 0;
        o.n++;
    }
    return o;
}

int cli_lab_windows(const cli_lab *lab, int64_t out[32])
{
    int n = 0;
    for (int64_t i = 0; i < lab->n_runs && n < 32; i++) {
        if (strcmp(lab->runs[i].arm, "swa") != 0 || lab->runs[i].seed != lab->first_seed)
            continue;
        int at = n++;
        for (; at > 0 && out[at - 1] > lab->runs[i].window; at--)
            out[at] = out[at - 1];
        out[at] = lab->runs[i].window;
    }
    return n;
}

void cli_page_order(cli_page *p, cJSON *list, const char *what, const char *a, const char *b, cli_order o)
{
    cJSON *const item = cli_page_item(p, list);
    cli_page_put_text(p, item, "birth", what);
    cli_page_put_text(p, item, "earlier", a);
    cli_page_put_text(p, item, "later", b);
    cli_page_put(p, item, "seeds", o.n);
    cli_page_put(p, item, "in_order", o.earlier);
    cli_page_put(p, item, "reversed", o.later);
    cli_page_put(p, item, "undecided", o.same);
    if (o.n)
        cli_page_say(p, "    %-14s %s before %s: %d of %d seeds", what, a, b, o.earlier, o.n);
    if (o.later || o.same)
        cli_page_say(p, " (reversed %d, undecided %d)", o.later, o.same);
    if (o.n)
        cli_page_say(p, "\n");
}

/* ---- the table ---- */

/* The middle one of n sorted births, of two the lower. */
static cli_lab_birth middle(const cli_lab_birth *sorted, int n)
{
    return sorted[(n - 1) / 2];
}

/* "  240  (2 of 3 born: 180 240 >800)" */
static void say_births(cli_page *p, cli_arm a, cli_birth_of *of)
{
    const cli_lab *const lab = p->lab;
    cli_lab_birth sorted[MAX_SEEDS];
    char text[24];
    const int n = births_of(lab, a.arm, a.window, of, sorted);
    int born = 0;
    for (int i = 0; i < n; i++)
        born += sorted[i].at >= 0;
    cli_birth_format(middle(sorted, n), text);
    cli_page_say(p, " %6s  %d of %d:", text, born, n);
    for (int64_t s = 0; s < lab->seeds; s++) {
        const cli_lab_result *const r = cli_lab_result_of(lab, a.arm, a.window, lab->first_seed + s);
        if (r)
            cli_birth_format(of(r), text);
        cli_page_say(p, " %5s", r ? text : "-");
    }
}

static void say_median(cli_page *p, cli_arm a, cli_birth_of *of)
{
    cli_lab_birth sorted[MAX_SEEDS];
    char text[24];
    cli_birth_format(middle(sorted, births_of(p->lab, a.arm, a.window, of, sorted)), text);
    cli_page_say(p, " %7s", text);
}

/* The 95 % interval of the median, where there are seeds enough. */
static void say_interval(cli_page *p, const cli_lab_result *r)
{
    if (isnan(r->low))
        return;
    cli_page_say(p, isinf(r->low) ? "   (>%.0f, " : "   (%.0f, ", isinf(r->low) ? (double)p->lab->steps : r->low);
    cli_page_say(p, isinf(r->high) ? ">%.0f]" : "%.0f]", isinf(r->high) ? (double)p->lab->steps : r->high);
}

static bool measured_any(const cli_lab *lab, const cli_lab_run *run)
{
    cli_lab_birth any[MAX_SEEDS];
    return births_of(lab, run->arm, run->window, cli_birth_find, any) > 0;
}

static void name_arm(cli_page *p, const cli_lab_run *run)
{
    cli_page_say(p, "  %-16.*s", (int)(strrchr(run->name, '-') - run->name), run->name);     /* without the seed */
}

/* How the medians depend on the threshold, and how sure they are. */
static void say_sweep(cli_page *p, const cli_lab_run *run, const cli_lab_result *r)
{
    const cli_arm a = {run->arm, run->window};
    name_arm(p, run);
    say_median(p, a, cli_birth_at_low_theta);
    say_median(p, a, cli_birth_find);
    say_median(p, a, cli_birth_at_high_theta);
    say_interval(p, r);
    cli_page_say(p, "\n");
}

/* A best head is a maximum over heads, and large by chance. */
static void say_null(cli_page *p)
{
    double most = 0;
    int born = 0;
    for (int64_t i = 0; i < p->lab->n_runs; i++) {
        const cli_lab_result *const r = &p->lab->results[i];
        if (!r->measured || isnan(r->null_p))
            continue;
        most = fmax(most, r->null_p);
        born++;
    }
    if (born)
        cli_page_say(p, "  In the %d runs with a birth the best head's score there, against needle and placebo exchanged at random: p = %.2g at most\n",
                     born, most);
}

static void say_arm(cli_page *p, const cli_lab_run *run)
{
    const cli_arm a = {run->arm, run->window};
    name_arm(p, run);
    say_births(p, a, cli_birth_find);
    cli_page_say(p, "   |");
    say_births(p, a, cli_birth_previous);
    cli_page_say(p, "\n");
}

void cli_page_births(cli_page *p)
{
    const cli_lab *const lab = p->lab;
    cli_page_say(p, "\nBirths in steps of %lld tokens, a checkpoint every %lld: median, how many were born, each seed "
                    "(\">\": not up to the horizon)\n",
                 (long long)(lab->batch * lab->length), (long long)lab->every);
    cli_page_say(p, "  %-16s  retrieval (best head of the full layers) | previous token (best head below)\n", "");
    for (int64_t i = 0; i < lab->n_runs; i++)
        if (lab->runs[i].seed == lab->first_seed && measured_any(lab, &lab->runs[i]))
            say_arm(p, &lab->runs[i]);
    cli_page_say(p, "\nMedian birth of retrieval with a threshold of .3, .5, .7%s\n", lab->seeds < 5 ? "" : "; 95 % of the median at .5: seeds resampled, "
                                                                                                         "cases nested in them");
    for (int64_t i = 0; i < lab->n_runs; i++)
        if (lab->runs[i].seed == lab->first_seed && measured_any(lab, &lab->runs[i]))
            say_sweep(p, &lab->runs[i], &lab->results[i]);
    say_null(p);
}
