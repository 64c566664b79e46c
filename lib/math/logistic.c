/* logistic.c - multinomial logistic regression with an L2 penalty. Rows are first put into coordinates of their own span, which a pivoted
 * Cholesky factor of their Gram matrix gives: rarely as many as features, and what is fitted in them is the same (the penalty knows
 * lengths alone). Then L-BFGS, with the line search of minimize.c. IEEE operations, ns_exp and ns_log alone, in a fixed order: the same
 * bits on every machine. */
#include "math/math.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MEMORY = 16, STEPS = 2000, TRIES = 60 };
static const double RANK = 1e-13, DECREASE = 1e-4, CURVATURE = .9, FLAT = 1e-9, FLAT_ENOUGH = 1e-5;

static double dot(const double *a, const double *b, int64_t n)
{
    enum { LANES = 8 };
    double lane[LANES] = {0}, sum = 0;
    const int64_t whole = n / LANES * LANES;
    for (int64_t i = 0; i < whole; i += LANES)
        for (int k = 0; k < LANES; k++)
            lane[k] += a[i + k] * b[i + k];
    for (int64_t i = whole; i < n; i++)
        lane[i - whole] += a[i] * b[i];
    for (int k = 0; k < LANES; k++)
        sum += lane[k];
    return sum;
}

/* ---- the rows in coordinates of their span ---- */

void ns_row_basis_free(ns_row_basis *b)
{
    free(b->z);
    free(b->pivot);
    *b = (ns_row_basis){0};
}

static int64_t largest(const double *x, int64_t n)
{
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++)
        best = x[i] > x[best] ? i : best;
    return best;
}

/* Coordinate j: what row `at` has in it is the length that its coordinates so far leave of it, rest[at]. */
static void add_coordinate(ns_row_basis *b, int64_t j, int64_t at, double *rest)
{
    const int64_t most = b->most;
    const double *const pivot = b->z + at * most, length = sqrt(rest[at]);
    for (int64_t i = 0; i < b->n; i++) {
        double *const z = b->z + i * most;
        z[j] = i == at ? length : (dot(b->x + i * b->D, b->x + at * b->D, b->D) - dot(z, pivot, j)) / length;
        rest[i] -= z[j] * z[j];
    }
    rest[at] = 0;
    for (int64_t k = 0; k < j; k++)                      /* rows that are coordinates already have nothing of the later ones */
        b->z[b->pivot[k] * most + j] = 0;
    b->pivot[j] = at;
}

int ns_row_basis_make(ns_row_basis *out, const double *x, int64_t n, int64_t D, ns_error *err)
{
    const int64_t most = n < D ? n : D;
    double *const rest = ns_alloc_array((size_t)n, sizeof *rest);
    *out = (ns_row_basis){.n = n, .D = D, .most = most, .x = x, .z = ns_alloc_array((size_t)n, (size_t)most * sizeof *out->z),
                          .pivot = ns_alloc_array((size_t)most, sizeof *out->pivot)};
    int rc = rest && out->z && out->pivot ? NS_OK : ns_oom(err, "a logistic regression");
    for (int64_t i = 0; i < n && rc == NS_OK; i++)
        rest[i] = dot(x + i * D, x + i * D, D);
    const double first = rc == NS_OK ? rest[largest(rest, n)] : 0;
    while (rc == NS_OK && out->rank < most) {
        const int64_t at = largest(rest, n);
        if (!(rest[at] > RANK * first))
            break;
        add_coordinate(out, out->rank++, at, rest);
    }
    free(rest);
    return rc;
}

/* w[D, K] of the features out of u[rank, K] of the coordinates: the sum of the pivots' rows a^T x with z^T a = u. */
static int in_features(const ns_row_basis *b, int64_t K, const double *u, double *w, ns_error *err)
{
    double *const a = ns_alloc_array((size_t)(b->rank * K), sizeof *a);
    if (!a)
        return ns_oom(err, "a logistic regression");
    memset(w, 0, (size_t)(b->D * K) * sizeof *w);
    for (int64_t j = b->rank - 1; j >= 0; j--) {
        const double *const x = b->x + b->pivot[j] * b->D;
        for (int64_t k = 0; k < K; k++) {
            double left = u[j * K + k];
            for (int64_t i = j + 1; i < b->rank; i++)
                left -= b->z[b->pivot[i] * b->most + j] * a[i * K + k];
            a[j * K + k] = left / b->z[b->pivot[j] * b->most + j];
        }
        for (int64_t d = 0; d < b->D; d++)
            for (int64_t k = 0; k < K; k++)
                w[d * K + k] += x[d] * a[j * K + k];
    }
    free(a);
    return NS_OK;
}

/* ---- the loss ---- */

typedef struct fit {
    const ns_row_basis *b;
    const int64_t *y;
    int64_t  K, N;             /* N = (rank + 1) K variables: u, and the intercepts behind it */
    double   c, *s;            /* [K] of a row */
} fit;

/* c . sum over rows of -log p(y) + |u|^2 / 2, and its gradient. */
static double loss(const fit *f, const double *v, double *g)
{
    const int64_t K = f->K, rank = f->b->rank;
    double sum = 0;
    memset(g, 0, (size_t)f->N * sizeof *g);
    for (int64_t i = 0; i < f->b->n; i++) {
        const double *const z = f->b->z + i * f->b->most;
        memcpy(f->s, v + rank * K, (size_t)K * sizeof *f->s);
        for (int64_t j = 0; j < rank; j++)
            for (int64_t k = 0; k < K; k++)
                f->s[k] += z[j] * v[j * K + k];
        const double top = f->s[largest(f->s, K)], said = f->s[f->y[i]];
        double all = 0;
        for (int64_t k = 0; k < K; k++)
            all += f->s[k] = ns_exp(f->s[k] - top);
        sum += f->c * (ns_log(all) + top - said);
        for (int64_t k = 0; k < K; k++)
            g[rank * K + k] += f->s[k] = f->c * (f->s[k] / all - (k == f->y[i]));
        for (int64_t j = 0; j < rank; j++)
            for (int64_t k = 0; k < K; k++)
                g[j * K + k] += z[j] * f->s[k];
    }
    for (int64_t i = 0; i < rank * K; i++)
        g[i] += v[i];
    return sum + dot(v, v, rank * K) / 2;
}

/* ---- downhill ---- */

typedef struct descent {
    const fit *f;
    double *v, *g, value;      /* [N] where it stands */
    double *v2, *g2, *d;       /* [N] where it looks; along d */
    double *step[MEMORY], *turn[MEMORY], scale[MEMORY];      /* of the last steps, and of the gradient along them */
    int     n, last;
} descent;

static double *memory_of(const descent *s, int back, bool turn)
{
    const int at = (s->last - back + MEMORY) % MEMORY;
    return turn ? s->turn[at] : s->step[at];
}

static void axpy(double *y, double a, const double *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        y[i] += a * x[i];
}

/* d = -H g by the two loops; its slope. */
static double direction(descent *s)
{
    const int64_t N = s->f->N;
    double along[MEMORY];
    for (int64_t i = 0; i < N; i++)
        s->d[i] = -s->g[i];
    for (int k = 0; k < s->n; k++) {
        along[k] = dot(memory_of(s, k, false), s->d, N) * s->scale[(s->last - k + MEMORY) % MEMORY];
        axpy(s->d, -along[k], memory_of(s, k, true), N);
    }
    const double *const y = s->n ? memory_of(s, 0, true) : NULL;
    const double norm = sqrt(dot(s->g, s->g, N));
    const double size = y ? 1 / (s->scale[s->last] * dot(y, y, N)) : norm > 1 ? 1 / norm : 1;
    for (int64_t i = 0; i < N; i++)
        s->d[i] *= size;
    for (int k = s->n - 1; k >= 0; k--) {
        const double back = dot(memory_of(s, k, true), s->d, N) * s->scale[(s->last - k + MEMORY) % MEMORY];
        axpy(s->d, along[k] - back, memory_of(s, k, false), N);
    }
    return dot(s->d, s->g, N);
}

/* Doubles and halves until the weak Wolfe conditions hold: v2, g2 and *value are there. */
static bool search(descent *s, double slope, double *value)
{
    const int64_t N = s->f->N;
    double from = 0, until = INFINITY, t = 1;
    for (int i = 0; i < TRIES; i++) {
        memcpy(s->v2, s->v, (size_t)N * sizeof *s->v);
        axpy(s->v2, t, s->d, N);
        *value = loss(s->f, s->v2, s->g2);
        if (!(*value <= s->value + DECREASE * t * slope))
            until = t;
        else if (dot(s->g2, s->d, N) < CURVATURE * slope)
            from = t;
        else
            return true;
        t = isinf(until) ? 2 * from : (from + until) / 2;
    }
    return false;
}

static void swap(double **a, double **b)
{
    double *const c = *a;
    *a = *b;
    *b = c;
}

/* Takes the step that search found, and learns from it. */
static void move(descent *s, double value)
{
    const int64_t N = s->f->N;
    const int at = (s->last + 1) % MEMORY;
    for (int64_t i = 0; i < N; i++) {
        s->step[at][i] = s->v2[i] - s->v[i];
        s->turn[at][i] = s->g2[i] - s->g[i];
    }
    const double bend = dot(s->step[at], s->turn[at], N);
    if (bend > 0) {
        s->scale[at] = 1 / bend;
        s->last = at;
        s->n = s->n < MEMORY ? s->n + 1 : MEMORY;
    }
    s->value = value;
    swap(&s->v, &s->v2);
    swap(&s->g, &s->g2);
}

static double steepest(const descent *s)
{
    double most = 0;
    for (int64_t i = 0; i < s->f->N; i++)
        most = s->g[i] == s->g[i] ? fmax(most, fabs(s->g[i])) : INFINITY;
    return most;
}

static int descend(descent *s, ns_error *err)
{
    s->value = loss(s->f, s->v, s->g);
    for (int i = 0; i < STEPS && steepest(s) > FLAT; i++) {
        double value;
        const double slope = direction(s);
        if (slope < 0 && search(s, slope, &value))
            move(s, value);
        else if (s->n)
            s->n = 0;
        else
            break;
    }
    return steepest(s) <= FLAT_ENOUGH ? NS_OK
         : ns_fail(err, NS_E_ARG, "a logistic regression did not come to its end (its gradient is still %.2g: features that are not "
                   "finite, or a penalty that is too weak for them)", steepest(s));
}

int ns_logistic_fit(const ns_row_basis *b, const int64_t *y, int64_t K, double c, double *w, double *intercept, ns_error *err)
{
    const int64_t N = (b->rank + 1) * K;
    double *const room = ns_alloc_array((size_t)N, (5 + 2 * MEMORY) * sizeof *room), *const s = ns_alloc_array((size_t)K, sizeof *s);
    const fit f = {.b = b, .y = y, .K = K, .N = N, .c = c, .s = s};
    descent d = {.f = &f, .v = room, .g = room + N, .v2 = room + 2 * N, .g2 = room + 3 * N, .d = room + 4 * N};
    for (int k = 0; k < MEMORY && room; k++) {
        d.step[k] = room + (5 + k) * N;
        d.turn[k] = room + (5 + MEMORY + k) * N;
    }
    int rc = room && s ? descend(&d, err) : ns_oom(err, "a logistic regression");
    rc = rc != NS_OK ? rc : in_features(b, K, d.v, w, err);
    if (rc == NS_OK)
        memcpy(intercept, d.v + b->rank * K, (size_t)K * sizeof *intercept);
    free(room);
    free(s);
    return rc;
}
