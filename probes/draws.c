/* draws.c - heads that stand for others in a control: others of like norm -> one at random for each head of the set. */
#include "draws.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Where heads are looked for, one place after the other. */
static const struct pool { double caliper; int64_t away; } pools[] = {
    {1.25, 0}, {1.25, 1}, {1.25, NS_CONTROL_NEIGHBOURS}, {1.25, INT64_MAX},
    {1.5, 0},  {1.5, 1},  {1.5, NS_CONTROL_NEIGHBOURS},  {1.5, INT64_MAX},
};
enum { N_POOLS = sizeof pools / sizeof *pools };

/* fold: the larger norm / the smaller; away: in layers */
typedef struct candidate { ns_head head; double ratio, fold; int64_t away; } candidate;

typedef struct drawing {
    const ns_matching *m;
    ns_rng     rng;
    bool      *taken;                    /* [L, H] of the set, or in this draw */
    candidate *list;                     /* [L * H] */
    int       *order;                    /* [n] the set by norm, the largest first */
} drawing;

/* By division alone: log would ask libm, whose last bit differs between machines. */
static double ratio_of(double norm, double target)
{
    const double ratio = norm == target ? 1 : norm / target;
    return isnan(ratio) ? (double)INFINITY : ratio;
}

static double fold_of(double ratio)
{
    return ratio < 1 ? 1 / ratio : ratio;
}

int64_t ns_heads_sharing(const ns_arch *arch, ns_point p, int64_t layer)
{
    const ns_attn *const attn = ns_arch_attn(arch, layer);
    const int64_t own = ns_point_heads(arch, p, layer);
    return attn && own > 0 ? attn->n_heads / own : 1;
}

static void take(drawing *d, ns_head head)
{
    const int64_t size = ns_heads_sharing(d->m->arch, d->m->of, head.layer), first = head.head / size * size;
    memset(d->taken + head.layer * d->m->H + first, true, (size_t)size * sizeof *d->taken);
}

/* The head of a group that is most like the target; the first of equals. */
static candidate likest(const ns_matching *m, ns_head target, ns_head first, int64_t size)
{
    candidate best = {first, 0, (double)INFINITY, llabs(first.layer - target.layer)};
    for (int64_t i = 0; i < size; i++) {
        const int64_t h = first.head + i;
        const double ratio = ratio_of((double)m->norm[first.layer * m->H + h], (double)m->norm[target.layer * m->H + target.head]);
        if (i == 0 || fold_of(ratio) < best.fold)
            best = (candidate){{first.layer, h}, ratio, fold_of(ratio), best.away};
    }
    return best;
}

static int list_others(const drawing *d, ns_head target)
{
    const ns_matching *const m = d->m;
    int n = 0;
    for (int64_t l = 0; l < m->L; l++) {
        const ns_attn *const attn = ns_arch_attn(m->arch, l);
        const int64_t size = ns_heads_sharing(m->arch, m->of, l);
        for (int64_t h = 0; attn && h < attn->n_heads; h += size)
            if (!d->taken[l * m->H + h])
                d->list[n++] = likest(m, target, (ns_head){l, h}, size);
    }
    return n;
}

static bool is_in(const struct pool *p, const candidate *c)
{
    return c->fold <= p->caliper && c->away <= p->away;
}

static int size_of(const struct pool *p, const candidate *list, int n)
{
    int size = 0;
    for (int i = 0; i < n; i++)
        size += is_in(p, &list[i]);
    return size;
}

static const candidate *member(const struct pool *p, const candidate *list, int64_t number)
{
    while (!is_in(p, list) || number-- > 0)
        list++;
    return list;
}

/* By norm, then by layers between; the first of equals. */
static const candidate *nearest(const candidate *list, int n)
{
    const candidate *best = list;
    for (int i = 1; i < n; i++)
        if (list[i].fold < best->fold || (list[i].fold == best->fold && list[i].away < best->away))
            best = &list[i];
    return best;
}

static ns_stand_in stand_in(const candidate *c, int64_t candidates)
{
    const double caliper = c->fold <= pools[0].caliper ? pools[0].caliper : c->fold <= pools[N_POOLS - 1].caliper
        ? pools[N_POOLS - 1].caliper : (double)INFINITY;
    return (ns_stand_in){c->head, c->ratio, caliper, candidates, c->away == 0 ? NS_TIER_LAYER : c->away <= NS_CONTROL_NEIGHBOURS
                         ? NS_TIER_NEIGHBOURS : NS_TIER_MODEL};
}

static int draw_one(drawing *d, ns_head target, ns_stand_in *out, ns_error *err)
{
    const int n = list_others(d, target);
    if (n == 0)
        return ns_fail(err, NS_E_ARG, "no heads are left to compare with beside the %d that are named", d->m->n);
    int at = 0;
    while (at + 1 < N_POOLS && size_of(&pools[at], d->list, n) < NS_CONTROL_ENOUGH)
        at++;
    const int size = size_of(&pools[at], d->list, n);
    *out = stand_in(size ? member(&pools[at], d->list, ns_rng_below(&d->rng, size)) : nearest(d->list, n), size);
    take(d, out->head);
    return NS_OK;
}

static int draw_set(drawing *d, ns_stand_in *out, ns_error *err)
{
    const ns_matching *const m = d->m;
    int rc = NS_OK;
    memset(d->taken, 0, (size_t)(m->L * m->H));
    for (int i = 0; i < m->n; i++)
        take(d, m->target[i]);
    for (int i = 0; i < m->n && rc == NS_OK; i++)
        rc = draw_one(d, m->target[d->order[i]], &out[d->order[i]], err);
    return rc;
}

/* Largest norm first: those have the fewest likes. Equal ones by layer and head, so that the order in which a set is named does not
 * matter. */
static bool comes_before(const ns_matching *m, ns_head a, ns_head b)
{
    const float x = m->norm[a.layer * m->H + a.head], y = m->norm[b.layer * m->H + b.head];
    return x != y ? x > y : a.layer != b.layer ? a.layer < b.layer : a.head < b.head;
}

static void order_set(const drawing *d)
{
    for (int i = 0; i < d->m->n; i++) {
        int at = i;
        for (; at > 0 && comes_before(d->m, d->m->target[i], d->m->target[d->order[at - 1]]); at--)
            d->order[at] = d->order[at - 1];
        d->order[at] = i;
    }
}

int ns_controls_draw(ns_controls *out, const ns_matching *m, int draws, uint64_t seed, ns_error *err)
{
    const size_t LH = (size_t)(m->L * m->H);
    drawing d = {m, ns_rng_seed(seed, 17), ns_alloc_array(LH, sizeof *d.taken), ns_alloc_array(LH, sizeof *d.list),
                 ns_alloc_array((size_t)m->n, sizeof *d.order)};
    *out = (ns_controls){ns_alloc_array((size_t)draws * (size_t)m->n, sizeof *out->list), draws, m->n, {0}};
    int rc = d.taken && d.list && d.order && out->list ? NS_OK : ns_oom(err, "controls");
    if (rc == NS_OK)
        order_set(&d);
    for (int i = 0; i < draws && rc == NS_OK; i++)
        rc = draw_set(&d, out->list + (int64_t)i * m->n, err);
    if (rc == NS_OK)
        rc = ns_match_of(&out->match, out->list, draws, m->n, err);
    free(d.taken);
    free(d.list);
    free(d.order);
    return rc;
}

void ns_controls_clear(ns_controls *c)
{
    free(c->list);
    *c = (ns_controls){0};
}

bool ns_controls_matched(const ns_controls *c, int i)
{
    bool all = true;
    for (int k = 0; k < c->n_heads; k++)
        all &= isfinite(c->list[i * c->n_heads + k].caliper);
    return all;
}

bool ns_controls_in_layer(const ns_controls *c, int i)
{
    bool all = true;
    for (int k = 0; k < c->n_heads; k++)
        all &= c->list[i * c->n_heads + k].tier == NS_TIER_LAYER;
    return all;
}

void ns_controls_heads(const ns_controls *c, int i, ns_head *out)
{
    for (int k = 0; k < c->n_heads; k++)
        out[k] = c->list[i * c->n_heads + k].head;
}

void ns_add_norms(double *sum, int64_t H, const ns_site *site, const ns_view *v)
{
    for (int64_t r = 0; r < site->n_rows; r++)
        for (int64_t h = 0; h < site->n_heads; h++) {
            const float *const x = ns_at(v, r, h, 0);
            double squares = 0;
            for (int64_t i = 0; i < v->shape[2]; i++)
                squares += (double)x[i] * (double)x[i];
            sum[site->layer * H + h] += sqrt(squares);
        }
}
