/* rules.c - what verdict a claim earns: exact sign tests over seeds, of the effect and of the effect beyond its control, an interval that
 * is the same test turned round, and how often redrawn seeds would have earned the same. No number of a run was known when this was
 * written. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "paper.h"

enum { REDRAWS = 999 };
static const double wanted_level = .95;

const char *ns_paper_word(paper_word w)
{
    static const char *const words[PAPER_WORDS] = {
        [PAPER_NOT_TESTABLE] = "not testable here", [PAPER_SUPPORTED] = "supported", [PAPER_REFUTED] = "refuted",
        [PAPER_UNDECIDED] = "undecided",
    };
    return words[w];
}

/* Signs of value[n], in order; those of NaN (no number, or one censored birth against another) are left out. */
typedef struct signs { int yes, no, n; } signs;
static signs signs_of(const double *effect, const double *control, int64_t n)
{
    signs s = {0};
    for (int64_t i = 0; i < n; i++) {
        const double x = effect[i] - (control ? control[i] : 0);
        s.n += !isnan(x);
        s.yes += x > 0;
        s.no += x < 0;
    }
    return s;
}

static paper_word word_of(const double *effect, const double *control, int64_t n, double alpha, paper_verdict *out)
{
    const signs e = signs_of(effect, NULL, n), c = control ? signs_of(effect, control, n) : (signs){0};
    out->evidence = ns_sign_evidence(e.yes, e.no, e.n);
    out->against = ns_sign_evidence(e.no, e.yes, e.n).p;
    out->control = ns_sign_evidence(c.yes, c.no, c.n);
    out->control_against = ns_sign_evidence(c.no, c.yes, c.n).p;
    if (e.n == 0)
        return PAPER_NOT_TESTABLE;
    if (out->against <= alpha || out->control_against <= alpha)
        return PAPER_REFUTED;
    return out->evidence.p <= alpha && (!control || out->control.p <= alpha) ? PAPER_SUPPORTED : PAPER_UNDECIDED;
}

/* Ascending, without NaN; how many. */
static int64_t sorted(const double *values, int64_t n, double *out)
{
    int64_t m = 0;
    for (int64_t i = 0; i < n; i++)
        if (!isnan(values[i]))
            out[m++] = values[i];
    qsort(out, (size_t)m, sizeof *out, ns_compare_double);
    return m;
}

/* P(Binomial(n, 1/2) <= k) */
static double binomial_below(int64_t n, int64_t k)
{
    double sum = 0, ways = 1;
    for (int64_t i = 0; i <= k; i++) {
        sum += ways;
        ways = ways * (double)(n - i) / (double)(i + 1);
    }
    return ldexp(sum, -(int)n);
}

double ns_paper_by_chance(int64_t n, double alpha)
{
    int64_t k = n;
    while (k >= 0 && !(binomial_below(n, k) <= alpha))
        k--;
    return k >= 0 ? binomial_below(n, k) : 0;
}

/* The k-th smallest and the k-th largest cover the median unless at least n - k + 1 seeds lie on one side: the narrowest such pair of .95,
 * or the whole range with what it covers. */
static void interval(const double *x, int64_t m, paper_verdict *out)
{
    out->low = out->high = out->level = (double)NAN;
    if (m < 2)
        return;
    int64_t k = 1;
    while (k + 1 <= m / 2 && 1 - 2 * binomial_below(m, k) >= wanted_level)
        k++;
    out->low = x[k - 1];
    out->high = x[m - k];
    out->level = 1 - 2 * binomial_below(m, k - 1);
}

/* Seeds drawn with replacement, effect and control of a seed together. */
static double stability(const double *effect, const double *control, int64_t n, double alpha, paper_word word, double *work)
{
    ns_rng rng = ns_rng_seed(0, 2606);
    paper_verdict redrawn;
    int same = 0;
    for (int r = 0; r < REDRAWS; r++) {
        for (int64_t i = 0; i < n; i++) {
            const int64_t from = ns_rng_below(&rng, n);
            work[i] = effect[from];
            work[n + i] = control ? control[from] : 0;
        }
        same += word_of(work, control ? work + n : NULL, n, alpha, &redrawn) == word;
    }
    return (double)same / REDRAWS;
}

paper_verdict ns_paper_judge(const double *effect, const double *control, int64_t n, double alpha)
{
    paper_verdict v = {.low = (double)NAN, .high = (double)NAN, .level = (double)NAN, .median = (double)NAN, .control_median = (double)NAN,
                       .same = (double)NAN};
    double *const work = ns_alloc_array((size_t)n + 1, 2 * sizeof *work);
    v.word = word_of(effect, control, n, alpha, &v);
    if (v.word == PAPER_NOT_TESTABLE || !work) {
        free(work);
        return v;
    }
    int64_t m = sorted(effect, n, work);
    v.median = ns_median_sorted(work, m);
    interval(work, m, &v);
    m = control ? sorted(control, n, work) : 0;
    v.control_median = m ? ns_median_sorted(work, m) : (double)NAN;
    v.few = v.word == PAPER_UNDECIDED && (!(v.evidence.least <= alpha) || (control && !(v.control.least <= alpha)));
    v.same = stability(effect, control, n, alpha, v.word, work);
    free(work);
    return v;
}
