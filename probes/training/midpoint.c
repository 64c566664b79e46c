/* midpoint.c - a logistic in log(1 + tokens) beside the births: low + (high - low) / (1 + exp(-(x - mid) / width)).
 * Levenberg-Marquardt over (low, high, mid, log width) from a start read off the curve. A birth is a crossing that stays; this is a shape
 * that need not be there, so the fit says why it must not be used. */
#include <math.h>
#include <stdlib.h>

#include "training.h"

enum { LOW, HIGH, MID, LOG_WIDTH, N };

typedef struct curve { const double *x, *y; int64_t n; } curve;

static double logistic(const double *q, double x, double *gradient)
{
    const double width = exp(q[LOG_WIDTH]), u = (x - q[MID]) / width, s = 1 / (1 + exp(-u)), d = (q[HIGH] - q[LOW]) * s * (1 - s);
    if (gradient) {
        gradient[LOW] = 1 - s;
        gradient[HIGH] = s;
        gradient[MID] = -d / width;
        gradient[LOG_WIDTH] = -d * u;
    }
    return q[LOW] + (q[HIGH] - q[LOW]) * s;
}

static double squares(const curve *c, const double *q)
{
    double sum = 0;
    for (int64_t i = 0; i < c->n; i++)
        sum += (logistic(q, c->x[i], NULL) - c->y[i]) * (logistic(q, c->x[i], NULL) - c->y[i]);
    return sum;
}

/* x of a x = b, in place, a symmetric and positive definite after damping: Gauss with pivots. */
static bool solve(double a[N][N], double *b)
{
    for (int i = 0; i < N; i++) {
        if (!(fabs(a[i][i]) > 1e-300))
            return false;
        for (int k = i + 1; k < N; k++) {
            const double f = a[k][i] / a[i][i];
            for (int j = i; j < N; j++)
                a[k][j] -= f * a[i][j];
            b[k] -= f * b[i];
        }
    }
    for (int i = N - 1; i >= 0; i--) {
        for (int j = i + 1; j < N; j++)
            b[i] -= a[i][j] * b[j];
        b[i] /= a[i][i];
    }
    return true;
}

/* One damped step from q; the new sum of squares, INFINITY when it cannot be taken. */
static double try_step(const curve *c, const double *q, double damping, double *next)
{
    double a[N][N] = {{0}}, b[N] = {0}, g[N];
    for (int64_t i = 0; i < c->n; i++) {
        const double r = c->y[i] - logistic(q, c->x[i], g);
        for (int j = 0; j < N; j++) {
            b[j] += g[j] * r;
            for (int k = 0; k < N; k++)
                a[j][k] += g[j] * g[k];
        }
    }
    for (int j = 0; j < N; j++)
        a[j][j] += damping * (a[j][j] + 1e-12);
    if (!solve(a, b))
        return (double)INFINITY;
    for (int j = 0; j < N; j++)
        next[j] = q[j] + b[j];
    return fabs(next[LOG_WIDTH]) > 20 ? (double)INFINITY : squares(c, next);
}

static double descend(const curve *c, double *q)
{
    double sum = squares(c, q), damping = 1e-2, next[N];
    for (int i = 0; i < 300 && damping < 1e12; i++) {
        const double got = try_step(c, q, damping, next);
        if (!(got < sum)) {
            damping *= 4;
            continue;
        }
        for (int j = 0; j < N; j++)
            q[j] = next[j];
        const bool done = sum - got < 1e-14 * (sum + 1e-14);
        sum = got;
        damping = fmax(damping / 4, 1e-9);
        if (done)
            break;
    }
    return sum;
}

/* Smallest, largest, and the first x beyond the middle between them. */
static void begin_at(const curve *c, double *q)
{
    q[LOW] = q[HIGH] = c->y[0];
    for (int64_t i = 0; i < c->n; i++) {
        q[LOW] = fmin(q[LOW], c->y[i]);
        q[HIGH] = fmax(q[HIGH], c->y[i]);
    }
    q[MID] = c->x[c->n - 1];
    for (int64_t i = c->n - 1; i >= 0; i--)
        if (c->y[i] >= .5 * (q[LOW] + q[HIGH]))
            q[MID] = c->x[i];
    q[LOG_WIDTH] = log(fmax((c->x[c->n - 1] - c->x[0]) / 20, 1e-6));
}

static const char *flaw_of(const curve *c, const double *q, double rmse)
{
    double most = -(double)INFINITY, last = 0;
    for (int64_t i = 0; i < c->n; i++)
        most = fmax(most, c->y[i]);
    for (int64_t i = c->n - 3; i < c->n; i++)
        last += c->y[i] / 3;
    if (most - last > .5 * most)
        return "falls again";
    if (q[HIGH] - q[LOW] < .2)
        return "flat";
    if (q[MID] < c->x[0] || q[MID] > c->x[c->n - 1])
        return "midpoint outside the checkpoints";
    if (q[HIGH] > 1.1 || q[LOW] < -.1)
        return "a level outside 0 ... 1: the rise is not seen to its end";
    return rmse > .15 ? "not a logistic (root mean square error above .15)" : NULL;
}

int ns_fit_midpoint(const int64_t *tokens, const double *score, int64_t P, ns_midpoint *out, ns_error *err)
{
    *out = (ns_midpoint){(double)NAN, (double)NAN, (double)NAN, (double)NAN, (double)NAN, "fewer than 6 checkpoints"};
    double *const x = ns_alloc_array((size_t)(2 * P), sizeof *x);
    if (!x)
        return ns_oom(err, "the fit of a midpoint");
    double *const y = x + P;
    curve c = {x, y, 0};
    for (int64_t p = 0; p < P; p++) {
        if (isnan(score[p]) || tokens[p] < 0)
            continue;
        x[c.n] = log1p((double)tokens[p]);
        y[c.n++] = score[p];
    }
    if (c.n >= 6) {
        double q[N];
        begin_at(&c, q);
        const double sum = descend(&c, q);
        *out = (ns_midpoint){expm1(q[MID]), exp(q[LOG_WIDTH]), q[LOW], q[HIGH], sqrt(sum / (double)c.n), NULL};
        out->flaw = flaw_of(&c, q, out->rmse);
    }
    free(x);
    return NS_OK;
}
