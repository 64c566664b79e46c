/* scan_tmpl.h - one step of a linear recurrence on 32 columns of its state. Included after elementary_tmpl.h.
 *
 * The state lies as [n][32]. The columns are independent; sums over n run in two chains, even and odd, added at the end. */

typedef struct columns { vf a, b; } columns;            /* 0..15 and 16..31 */

NS_INLINE columns columns_load(const float *p)
{
    return (columns){vf_load(p), vf_load(p + 16)};
}

NS_INLINE columns columns_fma(vf factor, columns x, columns to)
{
    return (columns){vf_fma(factor, x.a, to.a), vf_fma(factor, x.b, to.b)};
}

/* factor * row i of the state */
NS_INLINE columns decayed(const float *S, int64_t i, const float *decay, bool each)
{
    const vf factor = vf_set(decay[each ? i : 0]);
    const columns s = columns_load(S + i * 32);
    return (columns){vf_mul(factor, s.a), vf_mul(factor, s.b)};
}

/* k^T diag(decay) S */
NS_INLINE columns predicted(const float *S, int64_t n, const float *k, const float *decay, bool each)
{
    columns even = {vf_set(0), vf_set(0)}, odd = even;
    int64_t i = 0;
    for (; i + 2 <= n; i += 2) {
        even = columns_fma(vf_set(k[i]), decayed(S, i, decay, each), even);
        odd = columns_fma(vf_set(k[i + 1]), decayed(S, i + 1, decay, each), odd);
    }
    if (i < n)
        even = columns_fma(vf_set(k[i]), decayed(S, i, decay, each), even);
    return (columns){vf_add(even.a, odd.a), vf_add(even.b, odd.b)};
}

/* Row i of the state becomes decay S + k u; what it adds to o. */
NS_INLINE columns step_row(float *S, int64_t i, const float *q, const float *k, const float *decay, bool each, columns u, columns o)
{
    const columns s = columns_fma(vf_set(k[i]), u, decayed(S, i, decay, each));
    vf_store(S + i * 32, s.a);
    vf_store(S + i * 32 + 16, s.b);
    return columns_fma(vf_set(q[i]), s, o);
}

NS_INLINE void step_rows(float *S, int64_t n, const float *q, const float *k, const float *decay, bool each, columns u, float *o)
{
    columns even = {vf_set(0), vf_set(0)}, odd = even;
    int64_t i = 0;
    for (; i + 2 <= n; i += 2) {
        even = step_row(S, i, q, k, decay, each, u, even);
        odd = step_row(S, i + 1, q, k, decay, each, u, odd);
    }
    if (i < n)
        even = step_row(S, i, q, k, decay, each, u, even);
    vf_store(o, vf_add(even.a, odd.a));
    vf_store(o + 16, vf_add(even.b, odd.b));
}

static void scan(float *S, int64_t n, const float *q, const float *k, const float *v, const float *decay, bool each, float write,
                 bool delta, float *o)
{
    columns u = columns_load(v);
    if (delta) {
        const columns p = each ? predicted(S, n, k, decay, true) : predicted(S, n, k, decay, false);
        u = (columns){vf_sub(u.a, p.a), vf_sub(u.b, p.b)};
    }
    u = (columns){vf_mul(vf_set(write), u.a), vf_mul(vf_set(write), u.b)};
    if (each)
        step_rows(S, n, q, k, decay, true, u, o);
    else
        step_rows(S, n, q, k, decay, false, u, o);
}

/* ---- the step back ---- */

NS_INLINE float columns_dot(columns x, columns y)
{
    return vf_tree(vf_fma(x.b, y.b, vf_mul(x.a, y.a)));
}

NS_INLINE void columns_store(float *p, columns x)
{
    vf_store(p, x.a);
    vf_store(p + 16, x.b);
}

/* dS += q dz^T,  dq += (S after the step) dz;  gives du = dS^T k */
NS_INLINE columns read_back(float *dS, const float *S, int64_t n, const float *q, const float *k, const float *decay, bool each, columns u,
                            columns dz, float *dq)
{
    columns du = {vf_set(0), vf_set(0)};
    for (int64_t i = 0; i < n; i++) {
        const columns after = columns_fma(vf_set(k[i]), u, decayed(S, i, decay, each));
        const columns ds = columns_fma(vf_set(q[i]), dz, columns_load(dS + i * 32));
        columns_store(dS + i * 32, ds);
        dq[i] += columns_dot(after, dz);
        du = columns_fma(vf_set(k[i]), ds, du);
    }
    return du;
}

/* dk += dS u;  what was written by the delta rule also comes back by what it was compared with;  dS <- diag(decay) dS */
NS_INLINE void write_back(float *dS, const float *S, int64_t n, const float *k, const float *decay, bool each, bool delta, columns u,
                          columns de, float *dk, float *ddecay)
{
    columns sum = {vf_set(0), vf_set(0)};
    for (int64_t i = 0; i < n; i++) {
        const columns before = columns_load(S + i * 32);
        const vf factor = vf_set(decay[each ? i : 0]);
        columns ds = columns_load(dS + i * 32);
        dk[i] += columns_dot(ds, u);
        if (delta) {
            dk[i] -= columns_dot(decayed(S, i, decay, each), de);
            ds = (columns){vf_fnma(vf_set(k[i]), de.a, ds.a), vf_fnma(vf_set(k[i]), de.b, ds.b)};
        }
        if (each)
            ddecay[i] += columns_dot(ds, before);
        sum = (columns){vf_fma(ds.a, before.a, sum.a), vf_fma(ds.b, before.b, sum.b)};
        columns_store(dS + i * 32, (columns){vf_mul(factor, ds.a), vf_mul(factor, ds.b)});
    }
    if (!each)
        ddecay[0] += vf_tree(vf_add(sum.a, sum.b));
}

static void scan_back(float *dS, const float *S, int64_t n, const float *q, const float *k, const float *v, const float *decay, bool each,
                      float write, bool delta, const float *dz, float *dq, float *dk, float *dv, float *ddecay, float *dwrite)
{
    columns e = columns_load(v);
    if (delta) {
        const columns p = predicted(S, n, k, decay, each);
        e = (columns){vf_sub(e.a, p.a), vf_sub(e.b, p.b)};
    }
    const columns u = {vf_mul(vf_set(write), e.a), vf_mul(vf_set(write), e.b)};
    const columns du = read_back(dS, S, n, q, k, decay, each, u, columns_load(dz), dq);
    const columns de = {vf_mul(vf_set(write), du.a), vf_mul(vf_set(write), du.b)};
    *dwrite += columns_dot(du, e);
    columns_store(dv, de);
    write_back(dS, S, n, k, decay, each, delta, u, de, dk, ddecay);
}
