/* elementary_tmpl.h - exp and what is made of it, on 16 lanes. Included after a lanes header.
 *
 * Every step is an IEEE operation written out, so all instruction sets give the same bits. Bounds are measured in
 * tests/kernel/test_bounds.c; the polynomials are weighted minimax fits with coefficients rounded to f32 one after the other
 * (tests/kernel/fit.py makes them). */

/* exp(x) = 2^n (1 + result), |x - n ln 2| <= 0.3466, for |x| <= 88.8; *exponent_bits = n << 23.
 * Adding 1.5 * 2^23 rounds to an integer, which then stands in the low bits of the sum. result has relative error < 1.1e-7. */
NS_INLINE vf exp_parts(vf x, vi *exponent_bits)
{
    const vf magic = vf_set(0x1.8p23f);
    const vf t = vf_fma(x, vf_set(0x1.715476p0f), magic), n = vf_sub(t, magic);
    vf r = vf_fnma(n, vf_set(0x1.62e400p-1f), x);       /* ln 2 in two pieces; n times the first is exact */
    r = vf_fnma(n, vf_set(0x1.7f7d1cp-20f), r);
    vf q = vf_set(0x1.6a513ap-10f);                     /* (exp(r) - 1 - r) / r^2 */
    q = vf_fma(q, r, vf_set(0x1.12397cp-7f));
    q = vf_fma(q, r, vf_set(0x1.5558acp-5f));
    q = vf_fma(q, r, vf_set(0x1.555492p-3f));
    q = vf_fma(q, r, vf_set(0x1.fffffcp-2f));
    *exponent_bits = vi_shl(vf_bits(t), 23);
    return vf_fma(vf_mul(r, r), q, r);
}

/* 0 below -87.3 (so never denormal), inf from 88.7228394 on, NaN for NaN. */
NS_INLINE vf exp16(vf x)
{
    vi n;
    const vf fraction = exp_parts(x, &n);
    vf y = vi_float(vi_add(vf_bits(vf_add(vf_set(1), fraction)), n));
    y = vf_select(vf_lt(x, vf_set(-87.3f)), vf_set(0), y);
    y = vf_select(vf_lt(vf_set(0x1.62e42ep6f), x), vf_set(INFINITY), y);
    return vf_select(vf_nan(x), vf_add(x, x), y);
}

/* e / (e + 2) with e = exp(2 |x|) - 1 taken before the 1 is added, so small arguments keep their digits. */
NS_INLINE vf tanh16(vf x)
{
    const vi sign = vi_and(vf_bits(x), vi_set(0x80000000));
    const vf a = vi_float(vi_xor(vf_bits(x), sign));
    vi n;
    const vf fraction = exp_parts(vf_min(vf_set(20), vf_add(a, a)), &n);
    const vf scale = vi_float(vi_add(n, vi_set(0x3f800000)));
    const vf e = vf_fma(scale, fraction, vf_sub(scale, vf_set(1)));
    return vi_float(vi_or(vf_bits(vf_div(e, vf_add(e, vf_set(2)))), sign));
}

/* x times the logistic function of z */
NS_INLINE vf x_logistic(vf x, vf z)
{
    return vf_div(x, vf_add(vf_set(1), exp16(vf_sub(vf_set(0), z))));
}

NS_INLINE vf sigmoid16(vf x)
{
    return x_logistic(vf_set(1), x);
}

NS_INLINE vf quick_gelu16(vf x)
{
    return vf_mul(x, sigmoid16(vf_mul(x, vf_set(1.702f))));
}

NS_INLINE vf silu16(vf x)
{
    return x_logistic(x, x);
}

/* 0.5 x (1 + tanh(z)) = x logistic(2 z), z = sqrt(2 / pi) (x + 0.044715 x^3) */
NS_INLINE vf gelu_tanh16(vf x)
{
    const vf slope = vf_fma(vf_mul(x, x), vf_set(0x1.2444f2p-4f), vf_set(0x1.988454p0f));
    return x_logistic(x, vf_mul(x, slope));
}

/* x Phi(x), Phi(-u) = exp(-u P(u)) / 2 for u >= 0: one smooth exponent, no branch. P's error moves the result by < 5e-8. */
NS_INLINE vf gelu16(vf x)
{
    const vf a = vi_float(vi_and(vf_bits(x), vi_set(0x7fffffff)));
    const vf u = vf_min(vf_set(13.5f), a);              /* exp(-u P(u)) is 0 from 13.2 on */
    vf p = vf_set(0x1.1d3ec0p-30f);
    p = vf_fma(p, u, vf_set(-0x1.da5ddap-25f));
    p = vf_fma(p, u, vf_set(0x1.371072p-20f));
    p = vf_fma(p, u, vf_set(-0x1.827c0ep-17f));
    p = vf_fma(p, u, vf_set(0x1.3f42ecp-15f));
    p = vf_fma(p, u, vf_set(0x1.6dd034p-12f));
    p = vf_fma(p, u, vf_set(-0x1.59b3a4p-8f));
    p = vf_fma(p, u, vf_set(0x1.2c8d1ep-5f));
    p = vf_fma(p, u, vf_set(0x1.45d1dcp-2f));
    p = vf_fma(p, u, vf_set(0x1.988688p-1f));
    const vf tail = vf_mul(vf_set(0.5f), exp16(vf_mul(vf_sub(vf_set(0), u), p)));
    return vf_mul(x, vf_select(vf_lt(x, vf_set(0)), tail, vf_sub(vf_set(1), tail)));
}

NS_INLINE vf relu16(vf x)
{
    return vf_max(vf_set(0), x);                        /* NaN stays */
}

NS_INLINE vf relu_squared16(vf x)
{
    return vf_mul(relu16(x), relu16(x));
}
