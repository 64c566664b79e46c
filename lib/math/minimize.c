/* minimize.c - a smooth function of a few variables in a box: BFGS on the variables that no bound holds, with a line search that doubles
 * and halves until the weak Wolfe conditions hold (Lewis and Overton 2013: it gets past kinks that are nearly corners, as those of a Huber
 * loss are). IEEE operations alone, so the same bits on every machine. */
#include "math/math.h"

#include <math.h>
#include <string.h>

enum { MOST = NS_MINIMIZE_MOST, STEPS = 1000, TRIES = 60, SMALL_STEPS = 4 };
static const double DECREASE = 1e-4, CURVATURE = .9, SMALL = 1e-15;

typedef struct descent {
    const ns_minimize *m;
    double x[MOST], g[MOST], f;
    double h[MOST][MOST];   /* of the inverse Hessian */
    bool held[MOST], fresh; /* at a bound that the descent presses against; h is the identity, scaled */
} descent;

static double dot(const double *a, const double *b, int n)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

/* Also true of a bound that is reached within what rounding leaves. */
static bool hold(descent *s)
{
    bool changed = false;
    for (int i = 0; i < s->m->n; i++) {
        const bool held = (s->x[i] <= s->m->low[i] && s->g[i] >= 0) || (s->x[i] >= s->m->high[i] && s->g[i] <= 0);
        changed |= held != s->held[i];
        s->held[i] = held;
    }
    return changed;
}

static void begin_anew(descent *s)
{
    double norm = 0;
    for (int i = 0; i < s->m->n; i++)
        norm += s->held[i] ? 0 : s->g[i] * s->g[i];
    memset(s->h, 0, sizeof s->h);
    for (int i = 0; i < s->m->n; i++)
        s->h[i][i] = norm > 0 ? 1 / sqrt(norm) : 1;
    s->fresh = true;
}

/* -h g over the variables that are free; its slope, which is not below 0 where there is nowhere to go. */
static double direction(const descent *s, double *d)
{
    for (int i = 0; i < s->m->n; i++) {
        d[i] = 0;
        for (int k = 0; k < s->m->n && !s->held[i]; k++)
            d[i] -= s->held[k] ? 0 : s->h[i][k] * s->g[k];
    }
    return dot(d, s->g, s->m->n);
}

/* How far along d the box goes. */
static double room(const descent *s, const double *d)
{
    double most = INFINITY;
    for (int i = 0; i < s->m->n; i++)
        if (d[i] != 0)
            most = fmin(most, ((d[i] > 0 ? s->m->high[i] : s->m->low[i]) - s->x[i]) / d[i]);
    return most;
}

static void put_in_box(const ns_minimize *m, double *x)
{
    for (int i = 0; i < m->n; i++)
        x[i] = fmin(fmax(x[i], m->low[i]), m->high[i]);
}

static double look(const descent *s, const double *d, double t, double *x, double *g)
{
    for (int i = 0; i < s->m->n; i++)
        x[i] = s->x[i] + t * d[i];
    put_in_box(s->m, x);
    return s->m->value(s->m->user, x, g);
}

/* Fills `to` where a step was found that goes down far enough. */
static bool search(const descent *s, const double *d, double slope, descent *to)
{
    const double most = room(s, d);
    double from = 0, until = INFINITY, t = fmin(1, most), x[MOST], g[MOST];
    for (int i = 0; i < TRIES && t > 0; i++) {
        const double f = look(s, d, t, x, g);
        if (!(f <= s->f + DECREASE * t * slope)) {
            until = t;
        } else {
            memcpy(to->x, x, sizeof x);
            memcpy(to->g, g, sizeof g);
            to->f = f;
            from = t;
            if (t >= most || dot(g, d, s->m->n) >= CURVATURE * slope)
                return true;
        }
        t = isinf(until) ? fmin(2 * from, most) : (from + until) / 2;
    }
    return from > 0;
}

/* The inverse Hessian learns from the step; not where the slope did not rise along it. */
static void learn(descent *s, const descent *before)
{
    const int n = s->m->n;
    double step[MOST], y[MOST], hy[MOST];
    for (int i = 0; i < n; i++) {
        step[i] = s->x[i] - before->x[i];
        y[i] = s->held[i] ? 0 : s->g[i] - before->g[i];
    }
    const double ys = dot(y, step, n), yy = dot(y, y, n);
    if (!(ys > 1e-10 * sqrt(yy * dot(step, step, n))))
        return;
    for (int i = 0; i < n && s->fresh; i++)
        s->h[i][i] = ys / yy;
    s->fresh = false;
    for (int i = 0; i < n; i++)
        hy[i] = dot(s->h[i], y, n);
    const double more = (1 + dot(y, hy, n) / ys) / ys;
    for (int i = 0; i < n; i++)
        for (int k = 0; k < n; k++)
            s->h[i][k] += more * step[i] * step[k] - (hy[i] * step[k] + step[i] * hy[k]) / ys;
}

/* One step; false where nothing goes down any more. */
static bool descend(descent *s)
{
    double d[MOST];
    const descent before = *s;
    const double slope = direction(s, d);
    if (slope < 0 && search(&before, d, slope, s)) {
        if (hold(s))
            begin_anew(s);
        else
            learn(s, &before);
        return true;
    }
    if (s->fresh)
        return false;
    begin_anew(s);
    return true;
}

double ns_minimize_from(const ns_minimize *m, double *x)
{
    descent s = {.m = m};
    put_in_box(m, x);
    memcpy(s.x, x, (size_t)m->n * sizeof *x);
    s.f = m->value(m->user, s.x, s.g);
    hold(&s);
    begin_anew(&s);
    for (int i = 0, small = 0; i < STEPS && small < SMALL_STEPS && isfinite(s.f); i++) {
        const double f = s.f;
        if (!descend(&s))
            break;
        small = f - s.f <= SMALL * fabs(f) ? small + 1 : 0;
    }
    memcpy(x, s.x, (size_t)m->n * sizeof *x);
    return s.f;
}
