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

/* Column `lane`, which begins. */
typedef struct beginning { vm a, b; const float *x; float factor; } beginning;

NS_INLINE beginning beginning_of(int64_t lane, const float *x, float factor)
{
    float chosen[32] = {0};
    chosen[lane < 0 ? 0 : lane] = 1;
    return (beginning){vf_lt(vf_set(0), vf_load(chosen)), vf_lt(vf_set(0), vf_load(chosen + 16)), x, factor};
}

/* Row i of p; what it adds to o. */
NS_INLINE columns unscan_row(float *p, int64_t i, const float *k, const float *decay, bool each, const beginning *b, columns o)
{
    columns s = decayed(p, i, decay, each, false);
    if (b) {
        const vf x = vf_set(b->factor * b->x[i]);
        s = (columns){vf_select(b->a, x, s.a), vf_select(b->b, x, s.b)};
    }
    columns_store(p + i * 32, s, false);
    return columns_fma(vf_set(k[i]), s, o, false);
}

NS_INLINE columns unscan_rows(float *p, int64_t n, const float *k, const float *decay, bool each, const beginning *b)
{
    columns even = {vf_set(0), vf_set(0)}, odd = even;
    int64_t i = 0;
    for (; i + 2 <= n; i += 2) {
        even = unscan_row(p, i, k, decay, each, b, even);
        odd = unscan_row(p, i + 1, k, decay, each, b, odd);
    }
    if (i < n)
        even = unscan_row(p, i, k, decay, each, b, even);
    return columns_add(even, odd, false);
}

static void unscan(float *p, int64_t n, const float *k, const float *decay, bool each, int64_t lane, const float *x, float factor,
                   float write, bool delta, float *o)
{
    const beginning b = beginning_of(lane, x, factor);
    const columns read = lane < 0 ? (each ? unscan_rows(p, n, k, decay, true, NULL) : unscan_rows(p, n, k, decay, false, NULL))
                                  : (each ? unscan_rows(p, n, k, decay, true, &b) : unscan_rows(p, n, k, decay, false, &b));
    const columns u = columns_mul(vf_set(-write), read, false);
    for (int64_t i = 0; delta && i < n; i++)
        columns_store(p + i * 32, columns_fma(vf_set(k[i]), u, columns_load(p + i * 32, false), false), false);
    columns_store(o, read, false);
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
