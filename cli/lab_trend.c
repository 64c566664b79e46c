/* lab_trend.c - are births later the larger the window? The laboratory's births, given to the tests of needlescope/training.h, seeds as blocks. */
#include <needlescope/training.h>

#include "cli/lab_page.h"

enum { MOST_WINDOWS = 8, PERMUTATIONS = 9999 };      /* of the exact test; of the log-rank's null */

/* In the arrays of both tests: time[seeds, W], censored = INFINITY, NaN where the seed has no such run. */
typedef struct births { double *time, *last, *rank; bool *born; int64_t *block; int64_t n, seeds, W; } births;

static void clear(births *b)
{
    free(b->time);
    free(b->last);
    free(b->rank);
    free(b->born);
    free(b->block);
}

static void add(births *b, int64_t s, int64_t j, const cli_lab_result *r, cli_birth_of *of)
{
    const cli_lab_birth birth = r ? of(r) : (cli_lab_birth){CLI_LAB_NO_HEAD, -1};
    const bool known = birth.at >= 0 || birth.before != CLI_LAB_NO_HEAD;
    b->time[s * b->W + j] = !known ? (double)NAN : birth.at < 0 ? (double)INFINITY : (double)birth.at;
    if (!known)
        return;
    b->born[b->n] = birth.at >= 0;
    b->last[b->n] = (double)(birth.at >= 0 ? birth.at : birth.before);
    b->rank[b->n] = (double)j;
    b->block[b->n++] = s;
}

static bool collect(const cli_lab *lab, const int64_t *windows, cli_birth_of *of, births *b)
{
    const size_t n = (size_t)(b->seeds * b->W);
    b->time = ns_alloc_array(n, sizeof *b->time);
    b->last = ns_alloc_array(n, sizeof *b->last);
    b->rank = ns_alloc_array(n, sizeof *b->rank);
    b->born = ns_alloc_array(n, sizeof *b->born);
    b->block = ns_alloc_array(n, sizeof *b->block);
    const bool room = b->time && b->last && b->rank && b->born && b->block;
    for (int64_t s = 0; room && s < b->seeds; s++)
        for (int64_t j = 0; j < b->W; j++)
            add(b, s, j, cli_lab_result_of(lab, "swa", windows[j], lab->first_seed + s), of);
    return room;
}

cli_trend cli_lab_trend(const cli_lab *lab, const int64_t *windows, int n_windows, cli_birth_of *of)
{
    cli_trend out = {(double)NAN, (double)NAN, 0};
    births b = {.seeds = lab->seeds, .W = n_windows};
    ns_trend page;
    ns_logrank logrank;
    if (n_windows < 2 || n_windows > MOST_WINDOWS)
        return out;
    if (collect(lab, windows, of, &b)) {
        if (ns_page_trend(b.time, b.seeds, b.W, &page, NULL) == NS_OK) {
            out.page = page.p_exact;
            out.n_seeds = (int)page.B;
        }
        if (ns_logrank_trend(b.last, b.born, b.rank, b.block, b.n, PERMUTATIONS, 0, &logrank, NULL) == NS_OK && logrank.events)
            out.logrank = logrank.p_permuted;
    }
    clear(&b);
    return out;
}
