/* scan_tmpl.h - one step of a linear recurrence on 32 columns of its state, or on the first 16 alone (`half`). Included after
 * elementary_tmpl.h.
 *
 * The state lies as [n][32]. The columns are independent; sums over n run in two chains, even and odd, added at the end. */

typedef struct columns { vf a, b; } columns;            /* 0..15 and 16..31; half: b is no number, and nothing reads it */

NS_INLINE columns columns_load(const float *p, bool half)
{
    return (columns){vf_load(p), half ? vf_set(0) : vf_load(p + 16)};
}

NS_INLINE void columns_store(float *p, columns x, bool half)
{
    vf_store(p, x.a);
    if (!half)
        vf_store(p + 16, x.b);
}

NS_INLINE columns columns_fma(vf factor, columns x, columns to, bool half)
{
    return (columns){vf_fma(factor, x.a, to.a), half ? to.b : vf_fma(factor, x.b, to.b)};
}

NS_INLINE columns columns_mul(vf factor, columns x, bool half)
{
    return (columns){vf_mul(factor, x.a), half ? x.b : vf_mul(factor, x.b)};
}

NS_INLINE columns columns_add(columns x, columns y, bool half)
{
    return (columns){vf_add(x.a, y.a), half ? x.b : vf_add(x.b, y.b)};
}

NS_INLINE columns columns_sub(columns x, columns y, bool half)
{
    return (columns){vf_sub(x.a, y.a), half ? x.b : vf_sub(x.b, y.b)};
}

/* factor * row i of the state */
NS_INLINE columns decayed(const float *S, int64_t i, const float *decay, bool each, bool half)
{
    return columns_mul(vf_set(decay[each ? i : 0]), columns_load(S + i * 32, half), half);
}

/* k^T diag(decay) S */
NS_INLINE columns predicted(const float *S, int64_t n, const float *k, const float *decay, bool each, bool half)
{
    columns even = {vf_set(0), vf_set(0)}, odd = even;
    int64_t i = 0;
    for (; i + 2 <= n; i += 2) {
        even = columns_fma(vf_set(k[i]), decayed(S, i, decay, each, half), even, half);
        odd = columns_fma(vf_set(k[i + 1]), decayed(S, i + 1, decay, each, half), odd, half);
    }
    if (i < n)
        even = columns_fma(vf_set(k[i]), decayed(S, i, decay, each, half), even, half);
    return columns_add(even, odd, half);
}

/* v, or what it adds to what the state predicts. */
NS_INLINE columns written(const float *S, int64_t n, const float *k, const float *v, const float *decay, bool each, bool delta, bool half)
{
    const columns x = columns_load(v, half);
    return delta ? columns_sub(x, predicted(S, n, k, decay, each, half), half) : x;
}

/* Row i of the state becomes that before it times decay + k u; what it adds to o. */
NS_INLINE columns step_row(float *S, const float *before, int64_t i, const float *q, const float *k, const float *decay, bool each,
                           bool half, columns u, columns o)
{
    const columns s = columns_fma(vf_set(k[i]), u, decayed(before, i, decay, each, half), half);
    columns_store(S + i * 32, s, half);
    return columns_fma(vf_set(q[i]), s, o, half);
}

NS_INLINE void step(float *S, const float *before, int64_t n, const float *q, const float *k, const float *v, const float *decay,
                    bool each, bool half, float write, bool delta, float *o)
{
    const columns u = columns_mul(vf_set(write), written(before, n, k, v, decay, each, delta, half), half);
    columns even = {vf_set(0), vf_set(0)}, odd = even;
    int64_t i = 0;
    for (; i + 2 <= n; i += 2) {
        even = step_row(S, before, i, q, k, decay, each, half, u, even);
        odd = step_row(S, before, i + 1, q, k, decay, each, half, u, odd);
    }
    if (i < n)
        even = step_row(S, before, i, q, k, decay, each, half, u, even);
    columns_store(o, columns_add(even, odd, half), half);
}

static void scan(float *S, const float *before, int64_t n, const float *q, const float *k, const float *v, const float *decay, bool each,
                 bool half, float write, bool delta, float *o)
{
    if (each && half)
        step(S, before, n, q, k, v, decay, true, true, write, delta, o);
    else if (each)
        step(S, before, n, q, k, v, decay, true, false, write, delta, o);
    else if (half)
        step(S, before, n, q, k, v, decay, false, true, write, delta, o);
    else
        step(S, before, n, q, k, v, decay, false, false, write, delta, o);
}

/* ---- vectors that go back ---- */

/* A step of all columns: what the position behind it takes away still, the decay, the column that begins. */
typedef struct going {
    const float *k, *decay, *x, *taken_k;
    columns taken;
    vm begins_a, begins_b;
    float factor;
} going;

NS_INLINE void begin_column(going *g, int64_t lane)
{
    float chosen[32] = {0};
    if (lane >= 0)
        chosen[lane] = 1;
    g->begins_a = vf_lt(vf_set(0), vf_load(chosen));
    g->begins_b = vf_lt(vf_set(0), vf_load(chosen + 16));
}

NS_INLINE vf going_lanes(float *p, bool delta, vf taken_k, vf taken, vf decay, vm begins, vf x)
{
    const vf s = delta ? vf_fma(taken_k, taken, vf_load(p)) : vf_load(p), y = vf_select(begins, x, vf_mul(decay, s));
    vf_store(p, y);
    return y;
}

/* Row i of p; what it adds to o. */
NS_INLINE columns going_row(float *p, int64_t i, const going *g, bool each, bool delta, bool right, columns o)
{
    const vf taken_k = vf_set(delta ? g->taken_k[i] : 0), decay = vf_set(g->decay[each ? i : 0]), x = vf_set(g->factor * g->x[i]);
    const vf k = vf_set(g->k[i]), b = going_lanes(p + i * 32 + 16, delta, taken_k, g->taken.b, decay, g->begins_b, x);
    o.b = vf_fma(k, b, o.b);
    if (!right)
        o.a = vf_fma(k, going_lanes(p + i * 32, delta, taken_k, g->taken.a, decay, g->begins_a, x), o.a);
    return o;
}

/* right: none of the first 16 columns has begun. */
NS_INLINE columns going_rows(float *p, int64_t n, const going *g, bool each, bool delta, bool right)
{
    columns even = {vf_set(0), vf_set(0)}, odd = even;
    int64_t i = 0;
    for (; i + 2 <= n; i += 2) {
        even = going_row(p, i, g, each, delta, right, even);
        odd = going_row(p, i + 1, g, each, delta, right, odd);
    }
    if (i < n)
        even = going_row(p, i, g, each, delta, right, even);
    return columns_add(even, odd, false);
}

/* What a position takes away is taken where the next one decays what is left: p is read and written once a step. */
NS_INLINE void steps_back(const ns_unscan *u, bool each, bool delta, float *p, float *o)
{
    const int64_t n = u->n, last = u->steps - 1;
    going g = {.decay = u->decay + last * u->stride, .taken_k = u->k + last * u->stride, .taken = {vf_set(0), vf_set(0)}};
    memset(p, 0, (size_t)(n * 32) * sizeof *p);
    for (int64_t s = last; s >= 0; s--) {
        const float write = u->write[s * u->stride];
        g.k = u->k + s * u->stride;
        g.x = s < u->first ? g.k : u->x + (s - u->first) * u->ldx;
        g.factor = u->written ? -write : 1;
        begin_column(&g, s - u->first);
        const columns read = s - u->first >= 16 ? going_rows(p, n, &g, each, delta, true) : going_rows(p, n, &g, each, delta, false);
        columns_store(o + s * 32, read, false);
        g.taken = columns_mul(vf_set(-write), read, false);
        g.taken_k = g.k;
        g.decay = u->decay + s * u->stride;
    }
    for (int64_t i = 0; delta && i < n; i++)
        columns_store(p + i * 32, columns_fma(vf_set(g.taken_k[i]), g.taken, columns_load(p + i * 32, false), false), false);
}

static void unscan(const ns_unscan *u, float *p, float *o)
{
    if (u->each && u->delta)
        steps_back(u, true, true, p, o);
    else if (u->each)
        steps_back(u, true, false, p, o);
    else if (u->delta)
        steps_back(u, false, true, p, o);
    else
        steps_back(u, false, false, p, o);
}

/* ---- the step back ---- */

NS_INLINE float columns_dot(columns x, columns y, bool half)
{
    const vf a = vf_mul(x.a, y.a);
    return vf_tree(half ? a : vf_fma(x.b, y.b, a));
}

/* dS += q dz^T,  dq += (S after the step) dz;  gives du = dS^T k */
NS_INLINE columns read_back(float *dS, const float *S, int64_t n, const float *q, const float *k, const float *decay, bool each, bool half,
                            columns u, columns dz, float *dq)
{
    columns du = {vf_set(0), vf_set(0)};
    for (int64_t i = 0; i < n; i++) {
        const columns after = columns_fma(vf_set(k[i]), u, decayed(S, i, decay, each, half), half);
        const columns ds = columns_fma(vf_set(q[i]), dz, columns_load(dS + i * 32, half), half);
        columns_store(dS + i * 32, ds, half);
        dq[i] += columns_dot(after, dz, half);
        du = columns_fma(vf_set(k[i]), ds, du, half);
    }
    return du;
}

/* dk += dS u;  what was written by the delta rule also comes back by what it was compared with;  dS <- diag(decay) dS */
NS_INLINE void write_back(float *dS, const float *S, int64_t n, const float *k, const float *decay, bool each, bool half, bool delta,
                          columns u, columns de, float *dk, float *ddecay)
{
    columns sum = {vf_set(0), vf_set(0)};
    for (int64_t i = 0; i < n; i++) {
        const columns before = columns_load(S + i * 32, half);
        columns ds = columns_load(dS + i * 32, half);
        dk[i] += columns_dot(ds, u, half);
        if (delta) {
            dk[i] -= columns_dot(decayed(S, i, decay, each, half), de, half);
            ds.a = vf_fnma(vf_set(k[i]), de.a, ds.a);
            ds.b = half ? ds.b : vf_fnma(vf_set(k[i]), de.b, ds.b);
        }
        if (each)
            ddecay[i] += columns_dot(ds, before, half);
        sum.a = vf_fma(ds.a, before.a, sum.a);
        sum.b = half ? sum.b : vf_fma(ds.b, before.b, sum.b);
        columns_store(dS + i * 32, columns_mul(vf_set(decay[each ? i : 0]), ds, half), half);
    }
    if (!each)
        ddecay[0] += vf_tree(half ? sum.a : vf_add(sum.a, sum.b));
}

NS_INLINE void step_back(float *dS, const float *S, int64_t n, const float *q, const float *k, const float *v, const float *decay,
                         bool each, bool half, float write, bool delta, const float *dz, float *dq, float *dk, float *dv, float *ddecay,
                         float *dwrite)
{
    const columns e = written(S, n, k, v, decay, each, delta, half), u = columns_mul(vf_set(write), e, half);
    const columns du = read_back(dS, S, n, q, k, decay, each, half, u, columns_load(dz, half), dq);
    const columns de = columns_mul(vf_set(write), du, half);
    *dwrite += columns_dot(du, e, half);
    columns_store(dv, de, half);
    write_back(dS, S, n, k, decay, each, half, delta, u, de, dk, ddecay);
}

static void scan_back(float *dS, const float *S, int64_t n, const float *q, const float *k, const float *v, const float *decay, bool each,
                      bool half, float write, bool delta, const float *dz, float *dq, float *dk, float *dv, float *ddecay, float *dwrite)
{
    if (half)
        step_back(dS, S, n, q, k, v, decay, each, true, write, delta, dz, dq, dk, dv, ddecay, dwrite);
    else
        step_back(dS, S, n, q, k, v, decay, each, false, write, delta, dz, dq, dk, dv, ddecay, dwrite);
}
