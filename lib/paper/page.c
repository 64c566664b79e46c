/* page.c - runs, claims and verdicts -> paper.md and paper.json. The page says of each claim what was asked for, what came out, by
 * architecture, and what speaks against it. */
#include "lab/page.h"

#include "paper.h"

const char ns_paper_title[] = "# What arXiv 2606.15378 claims, on these runs";

/* ---- numbers in words ---- */

enum { NUMBER = 32, MOST_CLAIMS = 64 };
static const char *number(double value, char out[NUMBER])
{
    if (isnan(value))
        snprintf(out, NUMBER, "–");
    else if (isinf(value))
        snprintf(out, NUMBER, value > 0 ? "∞" : "−∞");
    else
        snprintf(out, NUMBER, fabs(value) >= 100 ? "%.0f" : fabs(value) >= 1 ? "%.2f" : "%.3f", value);
    return out;
}

static void say_number(page *g, double value)
{
    char text[NUMBER];
    ns_page_say(g, "%s", number(value, text));
}

/* A birth that was not seen. */
static void say_value(page *g, const paper *p, double value)
{
    if (isinf(value))
        ns_page_say(g, "> %lld", (long long)p->step);
    else
        say_number(g, value);
}

static void say_interval(page *g, const paper_verdict *v)
{
    char low[NUMBER], high[NUMBER];
    if (isnan(v->level))
        ns_page_say(g, "–");
    else
        ns_page_say(g, "%s to %s (%.1f %%)", number(v->low, low), number(v->high, high), 100 * v->level);
}

static void say_p(page *g, const ns_evidence *e)
{
    if (e->n)
        ns_page_say(g, "%.3g", e->p);
    else
        ns_page_say(g, "–");
}

/* ---- one claim ---- */

typedef struct judged { const paper_claim *claim; paper_verdict verdict; double *effect, *control; bool untested; } judged;

static bool is_tested(const judged *j)
{
    return !j->untested && j->verdict.word != PAPER_NOT_TESTABLE;
}

static double largest_p(const paper_verdict *v)
{
    return v->control.n ? fmax(v->evidence.p, v->control.p) : v->evidence.p;
}

static const char *word_of(const judged *j)
{
    return ns_paper_word(j->untested ? PAPER_NOT_TESTABLE : j->verdict.word);
}

static void say_row(page *g, const judged *j)
{
    const paper_verdict *const v = &j->verdict;
    ns_page_say(g, "| [%s](#%s) | %s | ", j->claim->id, j->claim->id, j->claim->says);
    say_number(g, v->median);
    ns_page_say(g, " | ");
    say_interval(g, v);
    ns_page_say(g, " | ");
    say_number(g, v->control_median);
    ns_page_say(g, " | %d of %d | ", v->evidence.yes, v->evidence.n);
    if (j->untested)
        ns_page_say(g, "–");
    else
        say_p(g, v->control.n && v->control.p > v->evidence.p ? &v->control : &v->evidence);
    ns_page_say(g, " | **%s** |\n", word_of(j));
}

/* By which test. */
static const char *why(const paper_verdict *v, double alpha)
{
    if (v->word == PAPER_SUPPORTED)
        return v->control.n ? "the effect is above 0, and above its control" : "the effect is above 0";
    if (v->word == PAPER_REFUTED)
        return v->against <= alpha ? "the effect is below 0"
                                   : "the effect is below its control (whether it is above 0 is another question)";
    return "no test has a small p in either direction";
}

static void say_reason(page *g, const judged *j)
{
    const paper_verdict *const v = &j->verdict;
    if (j->untested || v->word == PAPER_NOT_TESTABLE)
        ns_page_say(g, "**%s**: %s.\n", word_of(j), j->claim->needs);
    else if (v->few)
        ns_page_say(g, "**%s**: no p of %d seed%s is below %.3g.\n", word_of(j), v->evidence.n, ns_plural(v->evidence.n),
            v->evidence.least);
    else
        ns_page_say(g, "**%s**: %s.\n", word_of(j), why(v, g->lab->claims.alpha));
}

static void say_evidence(page *g, const judged *j)
{
    const paper_verdict *const v = &j->verdict;
    char median[NUMBER], control[NUMBER];
    ns_page_say(g, "Effect: %s in the median of %d seed%s", number(v->median, median), v->evidence.n, ns_plural(v->evidence.n));
    if (!isnan(v->level))
        ns_page_say(g, ", ");
    if (!isnan(v->level))
        say_interval(g, v);
    ns_page_say(g, "; above 0 in %d, below in %d: p = %.3g, of the contrary %.3g; %.3g is the least that so many seeds can give.\n",
                v->evidence.yes, v->evidence.no, v->evidence.p, v->against, v->evidence.least);
    if (v->control.n)
        ns_page_say(g, "Control: %s in the median; the effect is larger in %d of %d: p = %.3g, of the contrary %.3g.\n",
                    number(v->control_median, control), v->control.yes, v->control.n, v->control.p, v->control_against);
    if (!j->untested)
        ns_page_say(g, "Otherwise: were the sign of each seed a coin's, the claim would be called supported in %s%.1f %% of such pages; "
                       "of 999 redraws of these seeds %.1f %% earn the same verdict.\n", v->control.n ? "at most " : "",
                    100 * ns_paper_by_chance(v->evidence.n, g->lab->claims.alpha), 100 * v->same);
}

static void say_seeds(page *g, const paper *p, const judged *j)
{
    ns_page_say(g, "\n| by seed |");
    for (int64_t s = 0; s < p->n_seeds; s++)
        ns_page_say(g, " %lld |", (long long)p->seeds[s]);
    ns_page_say(g, "\n|---|");
    for (int64_t s = 0; s < p->n_seeds; s++)
        ns_page_say(g, "---|");
    for (int row = 0; row < (j->claim->control ? 2 : 1); row++) {
        ns_page_say(g, "\n| %s |", row ? "control" : "effect");
        for (int64_t s = 0; s < p->n_seeds; s++) {
            ns_page_say(g, " ");
            say_value(g, p, row ? j->control[s] : j->effect[s]);
            ns_page_say(g, " |");
        }
    }
    ns_page_say(g, "\n");
}

static double median_of_arm(const paper *p, int64_t arm, paper_measure m, double *work)
{
    int64_t n = 0;
    for (int64_t s = 0; s < p->n_seeds; s++) {
        const double value = ns_paper_value(p, arm, p->seeds[s], m);
        if (!isnan(value))
            work[n++] = value;
    }
    qsort(work, (size_t)n, sizeof *work, ns_compare_double);
    return n ? ns_median_sorted(work, n) : (double)NAN;
}

/* "0.31 (0.20, 0.31, 0.44)": the median, and each seed. */
static void say_cell(page *g, const paper *p, int64_t arm, paper_measure m, double *work)
{
    say_value(g, p, median_of_arm(p, arm, m, work));
    if (p->n_seeds < 2)
        return;
    ns_page_say(g, " (");
    for (int64_t s = 0; s < p->n_seeds; s++) {
        ns_page_say(g, s ? ", " : "");
        say_value(g, p, ns_paper_value(p, arm, p->seeds[s], m));
    }
    ns_page_say(g, ")");
}

static void say_arms(page *g, const paper *p, const paper_claim *c)
{
    double *const work = ns_alloc_array((size_t)p->n_seeds, sizeof *work);
    g->failed |= !work;
    ns_page_say(g, "\n| median (each seed) |");
    for (int i = 0; i < c->n_shown; i++)
        ns_page_say(g, " %s |", ns_paper_measures[c->shown[i]].name);
    ns_page_say(g, "\n|---|");
    for (int i = 0; i < c->n_shown; i++)
        ns_page_say(g, "---|");
    for (int64_t a = 0; work && a < p->n_arms; a++) {
        ns_page_say(g, "\n| %s |", p->arms[a].text);
        for (int i = 0; i < c->n_shown; i++) {
            ns_page_say(g, " ");
            say_cell(g, p, a, c->shown[i], work);
            ns_page_say(g, " |");
        }
    }
    ns_page_say(g, "\n");
    free(work);
}

static void say_claim(page *g, const paper *p, const judged *j)
{
    const paper_claim *const c = j->claim;
    ns_page_say(g, "\n### %s\n%s (%s).\n\n", c->id, c->says, c->source);
    say_reason(g, j);
    if (c->rule)
        ns_page_say(g, "Asked: %s.\n", c->rule);
    if (c->compared)
        ns_page_say(g, "Compared: %s.\n", c->compared);
    if (j->verdict.evidence.n)
        say_evidence(g, j);
    if (c->mind)
        ns_page_say(g, "%s\n", c->mind);
    if (!j->verdict.evidence.n)
        return;
    say_seeds(g, p, j);
    say_arms(g, p, c);
}

/* ---- JSON ---- */

static void put_evidence(page *g, cJSON *object, const ns_evidence *e, double against)
{
    ns_page_put(g, object, "p", e->p);
    ns_page_put(g, object, "p_of_contrary", against);
    ns_page_put(g, object, "least_p", e->least);
    ns_page_put(g, object, "seeds", e->n);
    ns_page_put(g, object, "seeds_for", e->yes);
    ns_page_put(g, object, "seeds_against", e->no);
}

static void put_claim(page *g, const paper *p, cJSON *list, const judged *j)
{
    const paper_verdict *const v = &j->verdict;
    cJSON *const item = ns_page_item(g, list);
    ns_page_put_text(g, item, "claim", j->claim->id);
    ns_page_put_text(g, item, "says", j->claim->says);
    ns_page_put_text(g, item, "source", j->claim->source);
    if (j->claim->rule)
        ns_page_put_text(g, item, "asked", j->claim->rule);
    if (j->claim->compared)
        ns_page_put_text(g, item, "compared", j->claim->compared);
    ns_page_put_text(g, item, "verdict", word_of(j));
    if (j->untested || v->word == PAPER_NOT_TESTABLE)
        ns_page_put_text(g, item, "why", j->claim->needs);
    ns_page_put_bool(g, item, "too_few_seeds", v->few);
    ns_page_put(g, item, "median", v->median);
    ns_page_put(g, item, "low", v->low);
    ns_page_put(g, item, "high", v->high);
    ns_page_put(g, item, "level", v->level);
    put_evidence(g, item, &v->evidence, v->against);
    ns_page_put(g, item, "same_verdict_in_redraws", v->same);
    if (!j->untested)
        ns_page_put(g, item, "supported_by_chance", ns_paper_by_chance(v->evidence.n, g->lab->claims.alpha));
    ns_page_put_list(g, item, "effect", j->effect, (int)p->n_seeds);
    if (!j->claim->control)
        return;
    cJSON *const control = item ? cJSON_AddObjectToObject(item, "control") : NULL;
    ns_page_put(g, control, "median", v->control_median);
    put_evidence(g, control, &v->control, v->control_against);
    ns_page_put_list(g, control, "effect", j->control, (int)p->n_seeds);
}

/* Not born is null, and its name stands in not_born. */
static void put_run(page *g, const paper *p, cJSON *list, const paper_run *run)
{
    cJSON *const item = ns_page_item(g, list), *const values = item ? cJSON_AddObjectToObject(item, "values") : NULL;
    ns_page_put_text(g, item, "run", run->name);
    ns_page_put_text(g, item, "architecture", p->arms[run->arm].text);
    ns_page_put_text(g, item, "pattern", run->pattern);
    ns_page_put(g, item, "window", (double)run->window);
    ns_page_put(g, item, "seed", (double)run->seed);
    ns_page_put_bool(g, item, "nope", run->nope);
    cJSON *const unborn = ns_page_list(g, item, "not_born");
    for (int m = 0; m < PAPER_MEASURES; m++) {
        ns_page_put(g, values, ns_paper_measures[m].name, run->value[m]);
        cJSON *const name = isinf(run->value[m]) ? cJSON_CreateString(ns_paper_measures[m].name) : NULL;
        g->failed |= isinf(run->value[m]) && (!name || !cJSON_AddItemToArray(unborn, name));
    }
}

static void put_head(page *g, const paper *p)
{
    ns_page_put_text(g, g->root, "schema", PAPER_SCHEMA);
    ns_page_put_bool(g, g->root, "trained_here", p->trained);
    ns_page_put(g, g->root, "final_step", (double)p->step);
    ns_page_put(g, g->root, "alpha", p->lab.claims.alpha);
    ns_page_put(g, g->root, "failures", (double)p->lab.failures);
    ns_page_put(g, g->root, "runs_not_named", (double)p->strangers);
    cJSON *const seeds = ns_page_list(g, g->root, "seeds");
    for (int64_t s = 0; s < p->n_seeds && seeds; s++)
        g->failed |= !cJSON_AddItemToArray(seeds, cJSON_CreateNumber((double)p->seeds[s]));
    cJSON *const runs = ns_page_list(g, g->root, "runs");
    for (int64_t i = 0; i < p->n_runs; i++)
        put_run(g, p, runs, &p->runs[i]);
    cJSON *const measures = ns_page_list(g, g->root, "measures");
    for (int m = 0; m < PAPER_MEASURES; m++) {
        cJSON *const item = ns_page_item(g, measures);
        ns_page_put_text(g, item, "name", ns_paper_measures[m].name);
        ns_page_put_text(g, item, "file", ns_paper_measures[m].file);
        ns_page_put_text(g, item, "what", ns_paper_measures[m].what);
    }
}

/* ---- the page ---- */

static int compare_p(const void *a, const void *b)
{
    return ns_compare_double(a, b);
}

/* Holm's step-down over the claims that were tested: how many stay supported. A claim's p is the largest of its tests'. */
static int kept_by_holm(const judged *list, int n, int tested, double alpha)
{
    double p[MOST_CLAIMS];
    int m = 0, kept = 0;
    for (int i = 0; i < n && m < MOST_CLAIMS; i++)
        if (is_tested(&list[i]))
            p[m++] = largest_p(&list[i].verdict);
    qsort(p, (size_t)m, sizeof *p, compare_p);
    while (kept < m && p[kept] <= alpha / (tested - kept))
        kept++;
    return kept;
}

/* No p is corrected: what that means for all of them together. */
static void say_multiplicity(page *g, const paper *p, const judged *list, int n, int tested)
{
    const double alpha = p->lab.claims.alpha;
    double chance = 0;
    int seeds = 1;
    for (int i = 0; i < n; i++)
        chance += is_tested(&list[i]) ? ns_paper_by_chance(list[i].verdict.evidence.n, alpha) : 0;
    while (tested && ldexp(1, -seeds) > alpha / tested)
        seeds++;
    ns_page_say(g, "\nMany tests: no p is corrected. Of %d claims, %d were tested; were none of them so, at most %.2f would be called "
                   "supported by chance, and up to twice as many refuted, since a claim with a control has two ways to be. The claims "
                   "share their runs, so such errors come together. Corrected for all that were tested (Holm), %d would stay supported",
                n, tested, chance, kept_by_holm(list, n, tested, alpha));
    if (tested)
        ns_page_say(g, "; fewer than %d seeds cannot support the first of them so", seeds);
    ns_page_say(g, ".\n");
}

static bool has_losses(const paper_run *run)
{
    return !isnan(run->value[PAPER_SHORT_LATE]);
}

/* What is missing, or shown and not meant. */
static void say_lacks(page *g, const paper *p)
{
    const char *before = "";
    int64_t n = 0;
    if (p->lab.failures)
        ns_page_say(g, "\n%lld job%s failed: numbers that they would have given are missing.\n", (long long)p->lab.failures,
                    ns_plural(p->lab.failures));
    if (p->strangers)
        ns_page_say(g, "\nstudy.h5 holds %lld run%s of earlier calls that this one did not name: figures of births, losses and traces show "
                       "%s, no number is of %s.\n", (long long)p->strangers, ns_plural(p->strangers), p->strangers > 1 ? "them" : "it",
                    p->strangers > 1 ? "them" : "it");
    for (int64_t i = 0; i < p->n_runs; i++)
        n += !has_losses(&p->runs[i]);
    if (n)
        ns_page_say(g, "\n%lld run%s without losses over training (metrics.h5), which four claims ask for: ", (long long)n, ns_plural(n));
    for (int64_t i = 0; i < p->n_runs; i++)
        if (!has_losses(&p->runs[i])) {
            ns_page_say(g, "%s%s", before, p->runs[i].name);
            before = ", ";
        }
    ns_page_say(g, n ? ".\n" : "");
}

static void say_head(page *g, const paper *p, const judged *list, int n)
{
    int tested = 0, words[PAPER_WORDS] = {0};
    for (int i = 0; i < n; i++) {
        words[list[i].untested ? PAPER_NOT_TESTABLE : list[i].verdict.word]++;
        tested += is_tested(&list[i]);
    }
    ns_page_say(g, "%s\n\n%lld run%s of %lld architecture%s, ", ns_paper_title, (long long)p->n_runs, ns_plural(p->n_runs),
                (long long)p->n_arms, ns_plural(p->n_arms));
    if (p->n_seeds > 1)
        ns_page_say(g, "%lld seeds (%lld to %lld)", (long long)p->n_seeds, (long long)p->seeds[0], (long long)p->seeds[p->n_seeds - 1]);
    else
        ns_page_say(g, "1 seed (%lld)", (long long)p->seeds[0]);
    ns_page_say(g, ", read at step %lld and over the steps before: %d claim%s supported, %d refuted, %d undecided, %d not testable "
                   "here.\n\n",
                (long long)p->step, words[PAPER_SUPPORTED], ns_plural(words[PAPER_SUPPORTED]), words[PAPER_REFUTED],
                words[PAPER_UNDECIDED], words[PAPER_NOT_TESTABLE]);
    ns_page_say(g, "An effect is a number of a seed, above 0 where the claim holds in it. A claim is supported where exact sign tests over "
                   "the seeds, of the effect above 0 and (where there is one) above its control, give p ≤ %g each; refuted where one does "
                   "the other way; else undecided. Intervals are of the median over seeds, by order statistics, with what they cover.\n",
                p->lab.claims.alpha);
    say_multiplicity(g, p, list, n, tested);
    say_lacks(g, p);
    ns_page_say(g, "\n| | the paper says | effect | interval | control | seeds for | largest p | verdict |\n"
                   "|---|---|---|---|---|---|---|---|\n");
    for (int i = 0; i < n; i++)
        say_row(g, &list[i]);
}

static void say_figures(page *g, const paper *p)
{
    for (int i = 0; i < p->n_figures; i++) {
        const paper_figure *const f = &p->figures[i];
        ns_page_say(g, "\n![%s](figures/%s.png)\n*%s.*\n", f->words, f->file, f->words);
    }
}

static void say_measures(page *g)
{
    ns_page_say(g, "\n## The numbers\n| | read in | what it is |\n|---|---|---|\n");
    for (int m = 0; m < PAPER_MEASURES; m++)
        ns_page_say(g, "| %s | %s | %s |\n", ns_paper_measures[m].name, ns_paper_measures[m].file, ns_paper_measures[m].what);
}

static void write_page(page *g, const paper *p, const judged *list, int n)
{
    put_head(g, p);
    cJSON *const claims = ns_page_list(g, g->root, "claims");
    for (int i = 0; i < n; i++)
        put_claim(g, p, claims, &list[i]);
    say_head(g, p, list, n);
    ns_page_say(g, "\n## Claim by claim\n");
    for (int i = 0; i < n; i++)
        say_claim(g, p, &list[i]);
    ns_page_say(g, "\n## Figures\n");
    say_figures(g, p);
    say_measures(g);
}

/* ---- all ---- */

static int judge_all(const paper *p, judged **out, int *n, double **work, ns_error *err)
{
    *n = 0;
    for (int t = 0; t < 2; t++)
        for (const paper_claim *c = t ? ns_paper_untested : ns_paper_claims; c->id; c++)
            (*n)++;
    *out = ns_alloc_array((size_t)*n, sizeof **out);
    *work = ns_alloc_array((size_t)*n * 2, (size_t)p->n_seeds * sizeof **work);
    if (!*out || !*work)
        return ns_oom(err, "the claims");
    int i = 0;
    for (int t = 0; t < 2; t++)
        for (const paper_claim *c = t ? ns_paper_untested : ns_paper_claims; c->id; c++, i++) {
            judged *const j = &(*out)[i];
            *j = (judged){.claim = c, .effect = *work + 2 * i * p->n_seeds, .control = *work + (2 * i + 1) * p->n_seeds,
                .untested = t == 1};
            j->verdict = ns_paper_judge_claim(p, c, j->effect, j->control);
        }
    return NS_OK;
}

static int write_file(const paper *p, const char *name, const char *text, ns_error *err)
{
    char *const path = ns_laboratory_path(&p->lab, "%s", name);
    const int rc = path ? ns_file_write(path, text, strlen(text), err) : ns_oom(err, name);
    free(path);
    return rc;
}

int ns_paper_write(paper *p, ns_paper_report *out, ns_error *err)
{
    judged *list;
    double *work;
    int n;
    page g = {.lab = &p->lab, .root = cJSON_CreateObject(), .stream = ns_stream_open()};
    int rc = judge_all(p, &list, &n, &work, err);
    g.text = g.stream ? ns_stream_file(g.stream) : NULL;
    g.failed = !g.root || !g.text || rc != NS_OK;
    if (!g.failed)
        write_page(&g, p, list, n);
    if (g.stream)
        g.failed |= ns_stream_end(g.stream, "the page", &out->text, NULL, NULL) < 0;
    out->json = g.failed ? NULL : ns_json_print(g.root, true);
    cJSON_Delete(g.root);
    free(work);
    free(list);
    if (rc == NS_OK && (g.failed || !out->json))
        rc = ns_oom(err, "the page");
    rc = rc != NS_OK ? rc : write_file(p, "paper.md", out->text, err);
    return rc != NS_OK ? rc : write_file(p, "paper.json", out->json, err);
}
