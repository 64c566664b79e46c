/* scaling.c - the fit of y = b / N^alpha + c / D^beta: descents from a grid of starts, and how well the best one does, on the points it saw
 * and on those of a size it did not. */
#include "scaling.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(list) ((int)(sizeof(list) / sizeof *(list)))
enum { LEAST_POINTS = 5, LEAST_SIZES = 2 };
static const double DELTA = 1e-3, ALPHA_LOW = .2, ALPHA_HIGH = .3, BETA_HIGH = 8, SAME = 1e-6;
/* where the descents begin; an alpha beyond its bounds begins at the bound */
static const double ALPHAS[] = {.1, .2, .5, 1, 1.5, 2}, BETAS[] = {.1, .2, .5, .8, 1, 1.2}, LN_B[] = {0, 1, 2, 4, 6, 8, 10, 12},
                    LN_C[] = {0, 1, 2, 8, 10, 12};

double ns_scaling_at(const ns_scaling_law *law, double n, double tokens)
{
    return ns_exp(law->ln_b - law->alpha * ns_log(n)) + ns_exp(law->ln_c - law->beta * ns_log(tokens));
}

ns_scaling_law ns_scaling_law_of(const ns_scaling_data *d, const double x[SCALING_VARIABLES])
{
    return (ns_scaling_law){x[SCALING_B] + x[SCALING_ALPHA] * d->middle_n, x[SCALING_C] + x[SCALING_BETA] * d->middle_d, x[SCALING_ALPHA],
                            x[SCALING_BETA]};
}

/* ---- the points of a fit ---- */

static double center(double *list, int64_t n)
{
    double sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum += list[i];
    const double middle = n ? sum / (double)n : 0;
    for (int64_t i = 0; i < n; i++)
        list[i] -= middle;
    return middle;
}

int ns_scaling_data_make(ns_scaling_data *d, const ns_scaling_table *t, const char *without, ns_error *err)
{
    *d = (ns_scaling_data){.low = {-INFINITY, -INFINITY, ALPHA_LOW, 0}, .high = {INFINITY, INFINITY, ALPHA_HIGH, BETA_HIGH}};
    d->ln_n = ns_alloc_array((size_t)(4 * t->n), sizeof *d->ln_n);
    if (!d->ln_n)
        return ns_oom(err, "a scaling law");
    d->ln_d = d->ln_n + t->n;
    d->ln_y = d->ln_d + t->n;
    d->weight = d->ln_y + t->n;
    for (int64_t i = 0; i < t->n; i++) {
        if (t->points[i].size == without)
            continue;
        d->ln_n[d->n] = ns_log(t->points[i].n);
        d->ln_d[d->n] = ns_log(t->points[i].tokens);
        d->ln_y[d->n] = ns_log(t->points[i].y);
        d->weight[d->n++] = 1;
    }
    d->middle_n = center(d->ln_n, d->n);
    d->middle_d = center(d->ln_d, d->n);
    return NS_OK;
}

void ns_scaling_data_clear(ns_scaling_data *d)
{
    free(d->ln_n);
    *d = (ns_scaling_data){0};
}

/* ---- the descent ---- */

static double objective(void *user, const double *x, double *g)
{
    const ns_scaling_data *const d = user;
    double sum = 0;
    memset(g, 0, SCALING_VARIABLES * sizeof *g);
    for (int64_t i = 0; i < d->n; i++) {
        const double of_n = x[SCALING_B] - x[SCALING_ALPHA] * d->ln_n[i], of_d = x[SCALING_C] - x[SCALING_BETA] * d->ln_d[i];
        const double more = fmax(of_n, of_d), tail = ns_exp(fmin(of_n, of_d) - more);
        const double r = more + ns_log(1 + tail) - d->ln_y[i], size = fabs(r);
        const double slope = d->weight[i] * (size <= DELTA ? r : copysign(DELTA, r)), least = slope * (tail / (1 + tail)),
                     most = slope - least;
        const double by_n = of_n >= of_d ? most : least, by_d = of_n >= of_d ? least : most;
        sum += d->weight[i] * (size <= DELTA ? .5 * r * r : DELTA * (size - .5 * DELTA));
        g[SCALING_B] += by_n;
        g[SCALING_C] += by_d;
        g[SCALING_ALPHA] -= by_n * d->ln_n[i];
        g[SCALING_BETA] -= by_d * d->ln_d[i];
    }
    return sum;
}

double ns_scaling_descend(ns_scaling_data *d, const double *starts, int64_t n, double x[SCALING_VARIABLES])
{
    const ns_minimize m = {SCALING_VARIABLES, objective, d, d->low, d->high};
    double best = INFINITY, at[SCALING_VARIABLES];
    memcpy(x, starts, sizeof at);
    for (int64_t i = 0; i < n; i++) {
        memcpy(at, starts + i * SCALING_VARIABLES, sizeof at);
        const double sum = ns_minimize_from(&m, at);
        if (sum < best) {
            best = sum;
            memcpy(x, at, sizeof at);
        }
    }
    return best;
}

/* The minima that descents ended in, best first; those of nearly one objective are one. */
typedef struct minima {
    double sum[SCALING_STARTS], x[SCALING_STARTS][SCALING_VARIABLES];
    int64_t n;
} minima;

static void put(minima *all, int64_t at, double sum, const double *x)
{
    all->sum[at] = sum;
    memcpy(all->x[at], x, sizeof all->x[at]);
}

static void keep(minima *all, double sum, const double *x)
{
    int64_t at = 0;
    while (at < all->n && all->sum[at] * (1 + SAME) < sum)
        at++;
    if (at == SCALING_STARTS || !isfinite(sum))
        return;
    if (at < all->n && all->sum[at] <= sum * (1 + SAME)) {
        if (sum < all->sum[at])
            put(all, at, sum, x);
        return;
    }
    all->n += all->n < SCALING_STARTS;
    for (int64_t i = all->n - 1; i > at; i--)
        put(all, i, all->sum[i - 1], all->x[i - 1]);
    put(all, at, sum, x);
}

static void search(ns_scaling_data *d, minima *all)
{
    for (int a = 0; a < COUNT(ALPHAS); a++) {
        const double alpha = fmin(fmax(ALPHAS[a], ALPHA_LOW), ALPHA_HIGH);
        if (a > 0 && alpha == fmin(fmax(ALPHAS[a - 1], ALPHA_LOW), ALPHA_HIGH))
            continue;
        for (int i = 0; i < COUNT(BETAS) * COUNT(LN_B) * COUNT(LN_C); i++) {
            const double beta = BETAS[i % COUNT(BETAS)];
            const double x0[] = {LN_B[i / COUNT(BETAS) % COUNT(LN_B)] - alpha * d->middle_n,
                                 LN_C[i / COUNT(BETAS) / COUNT(LN_B)] - beta * d->middle_d, alpha, beta};
            double x[SCALING_VARIABLES];
            const double sum = ns_scaling_descend(d, x0, 1, x);
            keep(all, sum, x);
        }
    }
}

/* ---- what a fit is worth ---- */

/* Over the points of one size, or (fitted) of all others. */
static ns_scaling_error error_of(const ns_scaling_law *law, const ns_scaling_table *t, const char *held_out, bool fitted)
{
    ns_scaling_error e = {0};
    double mean = 0, squares = 0, spread = 0, sizes = 0;
    for (int pass = 0; pass < 2; pass++)
        for (int64_t i = 0; i < t->n; i++) {
            const ns_scaling_point *const p = &t->points[i];
            if ((p->size == held_out) == fitted)
                continue;
            const double r = ns_scaling_at(law, p->n, p->tokens) - p->y, away = pass ? p->y - mean / (double)e.n : 0;
            e.n += !pass;
            mean += pass ? 0 : p->y;
            squares += pass ? r * r : 0;
            sizes += pass ? fabs(r) : 0;
            spread += away * away;
        }
    const double n = e.n ? (double)e.n : (double)NAN;
    e.r2 = spread > 0 ? 1 - squares / spread : (double)NAN;
    e.rmse = sqrt(squares / n);
    e.mae = sizes / n;
    return e;
}

static void judge(ns_scaling_fit *fit, const ns_scaling_data *d, const ns_scaling_table *t, const char *held_out, const minima *best)
{
    *fit = (ns_scaling_fit){held_out, ns_scaling_law_of(d, best->x[0]), best->sum[0], {0}, {0}};
    fit->fitted = error_of(&fit->law, t, held_out, true);
    fit->held = error_of(&fit->law, t, held_out, false);
}

/* ---- the whole ---- */

static int distinct_tokens(const ns_scaling_table *t, const char *without)
{
    double first = 0;
    for (int64_t i = 0; i < t->n; i++) {
        if (t->points[i].size == without)
            continue;
        if (first != 0 && t->points[i].tokens != first)
            return 2;
        first = t->points[i].tokens;
    }
    return 1;
}

/* Are there enough points without that size? */
static int check(const ns_scaling_table *t, const char *without, ns_error *err)
{
    int64_t n = 0;
    const int64_t sizes = t->n_sizes - (without != NULL);
    for (int64_t i = 0; i < t->n; i++)
        n += t->points[i].size != without;
    if (n >= LEAST_POINTS && sizes >= LEAST_SIZES && distinct_tokens(t, without) > 1)
        return NS_OK;
    return ns_fail(err, NS_E_ARG,
                   "%s: %lld point%s of %lld size%s%s%s to fit: a scaling law takes %d points, %d sizes and 2 token counts%s", t->path,
                   (long long)n, ns_plural(n), (long long)sizes, ns_plural(sizes), without ? " without " : "", without ? without : "",
                   LEAST_POINTS, LEAST_SIZES, without ? " (leave out --validate)" : "");
}

static int fit_one(ns_scaling *s, ns_scaling_fit *fit, const char *held_out, minima *best, ns_scaling_data *d, ns_error *err)
{
    *best = (minima){.n = 0};
    const int rc = ns_scaling_data_make(d, s->table, held_out, err);
    if (rc != NS_OK)
        return rc;
    search(d, best);
    if (!best->n)
        return ns_fail(err, NS_E_NUMERIC, "%s: no scaling law fits: every descent left the numbers", s->table->path);
    judge(fit, d, s->table, held_out, best);
    return NS_OK;
}

static int fit_all(ns_scaling *s, const char *held_out, ns_error *err)
{
    ns_scaling_data d;
    minima best;
    int rc = fit_one(s, &s->fit, held_out, &best, &d, err);
    s->starts = rc == NS_OK ? ns_alloc_array((size_t)best.n, sizeof best.x[0]) : NULL;
    if (rc == NS_OK && !s->starts)
        rc = ns_oom(err, "a scaling law");
    if (rc == NS_OK) {
        s->n_starts = best.n;
        memcpy(s->starts, best.x, (size_t)best.n * sizeof best.x[0]);
        s->alpha = ns_scaling_profile(&d, SCALING_ALPHA, s->starts, s->n_starts, best.x[0], best.sum[0]);
        s->beta = ns_scaling_profile(&d, SCALING_BETA, s->starts, s->n_starts, best.x[0], best.sum[0]);
    }
    ns_scaling_data_clear(&d);
    return rc;
}

/* Each size in turn; nothing where what is left would not do for any of them. */
static int fit_without(ns_scaling *s, ns_error *err)
{
    s->without = ns_alloc_array((size_t)s->table->n_sizes, sizeof *s->without);
    int rc = s->without ? NS_OK : ns_oom(err, "a scaling law");
    for (int64_t i = 0; i < s->table->n_sizes && rc == NS_OK; i++) {
        ns_scaling_data d = {0};
        minima best;
        if (check(s->table, s->table->sizes[i], NULL) != NS_OK)
            continue;
        rc = fit_one(s, &s->without[s->n_without++], s->table->sizes[i], &best, &d, err);
        ns_scaling_data_clear(&d);
    }
    return rc;
}

int ns_scaling_new(ns_scaling **out, const ns_scaling_table *t, bool hold_largest, ns_error *err)
{
    const char *const held_out = hold_largest && t->n_sizes ? t->sizes[t->n_sizes - 1] : NULL;
    *out = NULL;
    int rc = check(t, held_out, err);
    if (rc != NS_OK)
        return rc;
    ns_scaling *const s = ns_alloc_array(1, sizeof *s);
    if (!s)
        return ns_oom(err, "a scaling law");
    s->table = t;
    rc = fit_all(s, held_out, err);
    rc = rc != NS_OK ? rc : fit_without(s, err);
    if (rc == NS_OK)
        *out = s;
    else
        ns_scaling_free(s);
    return rc;
}

void ns_scaling_free(ns_scaling *s)
{
    if (!s)
        return;
    free(s->without);
    free(s->starts);
    free(s);
}
