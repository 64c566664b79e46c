/* best.c - the best heads by a score: zeros never count, ties share the last place. */
#include <needlescope/best.h>

#include <math.h>
#include <string.h>

#include "core/core.h"

static const char *const names[] = {[NS_BEST_LARGEST] = "largest", [NS_BEST_SMALLEST] = "smallest", [NS_BEST_NONE] = "none"};

const char *ns_best_end_name(ns_best_end end)
{
    return names[end];
}

bool ns_best_end_find(const char *name, ns_best_end *out)
{
    for (int i = NS_BEST_LARGEST; i <= NS_BEST_NONE; i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (ns_best_end)i;
            return true;
        }
    return false;
}

double ns_score_nothing(const ns_score_meaning *m)
{
    if (m->best == NS_BEST_SMALLEST)
        return m->lo < m->hi ? m->hi : (double)INFINITY;
    return m->lo > 0 ? m->lo : 0;
}

bool ns_score_counts(const ns_score_meaning *m, float value)
{
    if (!isfinite(value) || m->best == NS_BEST_NONE)
        return false;
    const double nothing = ns_score_nothing(m);
    return m->best == NS_BEST_LARGEST ? (double)value > nothing : (double)value < nothing;
}

/* By insertion: k is small. */
static int64_t find_best(const float *values, int64_t n, int64_t k, const ns_score_meaning *m, int64_t *out)
{
    const float sign = m->best == NS_BEST_SMALLEST ? -1 : 1;
    int64_t found = 0;
    for (int64_t i = 0; i < n; i++) {
        if (!ns_score_counts(m, values[i]))
            continue;
        int64_t at = found;                          /* behind all that are at least as good: ties by place */
        while (at > 0 && sign * values[out[at - 1]] < sign * values[i])
            at--;
        if (at >= k)
            continue;
        found += found < k;
        memmove(out + at + 1, out + at, (size_t)(found - 1 - at) * sizeof *out);
        out[at] = i;
    }
    return found;
}

ns_best_cut ns_best(const float *values, int64_t n, int64_t k, const ns_score_meaning *m, int64_t *out)
{
    ns_best_cut cut = {.n = find_best(values, n, k, m, out)};
    int64_t equal = 0, inside = 0;
    for (int64_t i = 0; i < n; i++) {
        cut.left += !isnan(values[i]) && !ns_score_counts(m, values[i]);
        equal += cut.n > 0 && values[i] == values[out[cut.n - 1]];
    }
    for (int64_t i = 0; i < cut.n; i++)
        inside += values[out[i]] == values[out[cut.n - 1]];
    cut.sharing = equal > inside ? equal : 0;
    return cut;
}

static const char *ordinal(int64_t n)
{
    const int64_t tens = n / 10 % 10, ones = n % 10;
    return tens == 1 ? "th" : ones == 1 ? "st" : ones == 2 ? "nd" : ones == 3 ? "rd" : "th";
}

void ns_best_note(const ns_best_cut *cut, int64_t k, char *buf, size_t size)
{
    buf[0] = 0;
    if (cut->sharing)
        snprintf(buf, size, "the %lld%s place is shared by %lld heads", (long long)k, ordinal(k), (long long)cut->sharing);
    else if (cut->n < k && cut->left)
        snprintf(buf, size, "%lld head%s of %lld: the others score nothing", (long long)cut->n, ns_plural(cut->n), (long long)k);
}

/* Hoare's selection, largest first; k from 1. Reorders the list. */
static float kth_largest(float *v, int64_t n, int64_t k)
{
    for (int64_t lo = 0, hi = n - 1; lo < hi;) {
        const float pivot = v[(lo + hi) / 2];
        int64_t i = lo, j = hi;
        while (i <= j) {
            while (v[i] > pivot)
                i++;
            while (v[j] < pivot)
                j--;
            if (i <= j) {
                const float swap = v[i];
                v[i++] = v[j];
                v[j--] = swap;
            }
        }
        if (k - 1 > j && k - 1 < i)
            break;
        lo = k - 1 >= i ? i : lo;
        hi = k - 1 <= j ? j : hi;
    }
    return v[k - 1];
}

void ns_best_shares(const float *values, int64_t n, int64_t k, const ns_score_meaning *m, float *share)
{
    const float sign = m->best == NS_BEST_SMALLEST ? -1 : 1;
    int64_t counting = 0, better = 0, equal = 0;
    for (int64_t i = 0; i < n; i++)
        if (ns_score_counts(m, values[i]))
            share[counting++] = sign * values[i];
    const float last = counting > k && k > 0 ? kth_largest(share, counting, k) : -INFINITY;
    for (int64_t i = 0; i < n; i++) {
        share[i] = ns_score_counts(m, values[i]) && k > 0;
        better += share[i] > 0 && sign * values[i] > last;
        equal += share[i] > 0 && sign * values[i] == last;
    }
    for (int64_t i = 0; i < n; i++)
        if (share[i] > 0)
            share[i] = sign * values[i] > last ? 1 : sign * values[i] == last ? (float)(k - better) / (float)equal : 0;
}

double ns_shares_jaccard(const float *a, const float *b, int64_t n)
{
    double least = 0, most = 0;
    for (int64_t i = 0; i < n; i++) {
        least += (double)fminf(a[i], b[i]);
        most += (double)fmaxf(a[i], b[i]);
    }
    return most > 0 ? least / most : (double)NAN;
}
