/* rows_tmpl.h - softmax pieces, norms, rope, activations and conversions of one row. Included after elementary_tmpl.h.
 *
 * Elementwise kernels do whole groups of 16, then a tail with the same lanes; lanes beyond the end are never stored. */

/* out[i] = f(x[i]) */
NS_INLINE void map(float *out, const float *x, int64_t n, vf (*f)(vf))
{
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
        vf_store(out + i, f(vf_load(x + i)));
    if (i < n)
        vf_store_n(out + i, f(vf_load_n(x + i, n - i)), n - i);
}

/* out[i] = f(x[i], a) */
NS_INLINE void map_with(float *out, const float *x, int64_t n, vf (*f)(vf, vf), vf a)
{
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
        vf_store(out + i, f(vf_load(x + i), a));
    if (i < n)
        vf_store_n(out + i, f(vf_load_n(x + i, n - i), a), n - i);
}

/* out[i] = f(a[i], b[i]) */
NS_INLINE void map2(float *out, const float *a, const float *b, int64_t n, vf (*f)(vf, vf))
{
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
        vf_store(out + i, f(vf_load(a + i), vf_load(b + i)));
    if (i < n)
        vf_store_n(out + i, f(vf_load_n(a + i, n - i), vf_load_n(b + i, n - i)), n - i);
}

/* The last n < 16 elements, with the other lanes set to `rest`. */
NS_INLINE vf tail(const float *x, int64_t n, float rest)
{
    float lanes[16];
    for (int i = 0; i < 16; i++)
        lanes[i] = i < n ? x[i] : rest;
    return vf_load(lanes);
}

/* ---- softmax ---- */

static double exp_sum(float *x, int64_t n, int64_t key0, float max)
{
    const vf top = vf_set(max);
    double total = 0;
    for (int64_t i = 0; i < n;) {
        const int64_t page = i + NS_PAGE - (key0 + i) % NS_PAGE, end = page < n ? page : n;
        vf sum = vf_set(0);
        for (; i < end; i += 16) {
            const vf y = exp16(vf_sub(vf_load(x + i), top));
            vf_store(x + i, y);
            sum = vf_add(sum, y);
        }
        total += vf_tree(sum);
    }
    return total;
}

/* Integers ordered like floats: the magnitude bits of negatives are flipped (-0 < +0, which IEEE calls equal). Its own inverse. */
NS_INLINE vi ordered(vi bits)
{
    return vi_xor(bits, vi_and(vi_sign(bits), vi_set(0x7fffffff)));
}

NS_INLINE vi magnitude(vf x)
{
    return vi_and(vf_bits(x), vi_set(0x7fffffff));
}

/* The largest of numbers that are ordered so. */
NS_INLINE float top_of(vi x)
{
    const int32_t best = vi_top(x);
    const uint32_t bits = (uint32_t)(best < 0 ? best ^ 0x7fffffff : best);
    float result;
    memcpy(&result, &bits, sizeof result);
    return result;
}

static float max(const float *x, int64_t n)
{
    vi top = vi_set(0x80000000), size = vi_set(0);      /* a NaN is the only magnitude above infinity's */
    for (int64_t i = 0; i < n; i += 16) {
        const vf v = n - i < 16 ? tail(x + i, n - i, x[0]) : vf_load(x + i);
        top = vi_max(top, ordered(vf_bits(v)));
        size = vi_max(size, magnitude(v));
    }
    if (vi_top(size) > 0x7f800000)
        return NAN;
    return top_of(top);
}

static bool all_finite(const float *x, int64_t n)
{
    vi size = vi_set(0);
    for (int64_t i = 0; i < n; i += 16)
        size = vi_max(size, magnitude(n - i < 16 ? vf_load_n(x + i, n - i) : vf_load(x + i)));
    return vi_top(size) < 0x7f800000;
}

/* Of numbers; a NaN is none: the second operand wins over a NaN in the first. */
NS_INLINE float largest(const float *x, int64_t n)
{
    vf lanes[4] = {vf_set(-INFINITY), vf_set(-INFINITY), vf_set(-INFINITY), vf_set(-INFINITY)};
    int64_t i = 0;
    for (; i + 64 <= n; i += 64)
        NS_UNROLL for (int j = 0; j < 4; j++)
            lanes[j] = vf_max(vf_load(x + i + 16 * j), lanes[j]);
    for (; i < n; i += 16)
        lanes[0] = vf_max(n - i < 16 ? tail(x + i, n - i, -INFINITY) : vf_load(x + i), lanes[0]);
    return top_of(ordered(vf_bits(vf_max(vf_max(lanes[0], lanes[1]), vf_max(lanes[2], lanes[3])))));
}

static int64_t argmax(const float *x, int64_t n)
{
    enum { PART = 1024 };                               /* which stay in L1 */
    float best = -INFINITY;
    int64_t i = 0;
    for (int64_t part = 0; part < n; part += PART) {
        const float top = largest(x + part, n - part < PART ? n - part : PART);
        i = top > best ? part : i;
        best = top > best ? top : best;
    }
    for (int found = 0; i + 64 <= n; i += 64) {         /* without a branch for each of them */
        for (int j = 0; j < 64; j++)
            found |= x[i + j] == best;
        if (found)
            break;
    }
    for (; i < n; i++)
        if (x[i] == best)
            return i;
    return -1;
}

/* p ln p, 0 at 0: Cephes' logf. Below the normal range (p < 1.2e-38) the logarithm is some number above -90: as good as 0. */
NS_INLINE vf p_ln_p16(vf p)
{
    const vi t = vi_add(vf_bits(p), vi_set(0x40000000 - 0x3f3504f3));      /* exponent + 128, for a mantissa in [sqrt 1/2, sqrt 2) */
    const vf m = vi_float(vi_add(vi_and(t, vi_set(0x7fffff)), vi_set(0x3f3504f3))), x = vf_sub(m, vf_set(1)), z = vf_mul(x, x);
    const vf e = vf_sub(vi_float(vi_or(vi_shr(t, 23), vi_set(0x4b000000))), vf_set(0x1p23f + 128));
    vf y = vf_set(7.0376836292E-2f);
    y = vf_sub(vf_mul(y, x), vf_set(1.1514610310E-1f));
    y = vf_add(vf_mul(y, x), vf_set(1.1676998740E-1f));
    y = vf_sub(vf_mul(y, x), vf_set(1.2420140846E-1f));
    y = vf_add(vf_mul(y, x), vf_set(1.4249322787E-1f));
    y = vf_sub(vf_mul(y, x), vf_set(1.6668057665E-1f));
    y = vf_add(vf_mul(y, x), vf_set(2.0000714765E-1f));
    y = vf_sub(vf_mul(y, x), vf_set(2.4999993993E-1f));
    y = vf_add(vf_mul(y, x), vf_set(3.3333331174E-1f));
    y = vf_sub(vf_add(vf_mul(vf_mul(y, x), z), vf_mul(e, vf_set(-2.12194440E-4f))), vf_mul(vf_set(0.5f), z));
    return vf_mul(p, vf_add(vf_add(x, y), vf_mul(e, vf_set(0.693359375f))));
}

static double p_ln_p(const float *x, int64_t n, int64_t key0)
{
    const int64_t ahead = key0 % 16, first = n < 16 - ahead ? n : 16 - ahead;
    float begin[16] = {0};
    memcpy(begin + ahead, x, (size_t)first * sizeof *x);
    vd sum = vd_widen(p_ln_p16(vf_load(begin)));
    int64_t i = first;
    for (; i + 16 <= n; i += 16)
        sum = vd_add(sum, vd_widen(p_ln_p16(vf_load(x + i))));
    if (i < n)
        sum = vd_add(sum, vd_widen(p_ln_p16(vf_load_n(x + i, n - i))));
    return vd_tree(sum);
}

/* ---- elementwise ---- */

static void exp_row(float *out, const float *x, int64_t n)
{
    map(out, x, n, exp16);
}

static void scale(float *x, int64_t n, float a)
{
    map_with(x, x, n, vf_mul, vf_set(a));
}

NS_INLINE vf softcap_lane(vf x, vf cap)
{
    return vf_mul(cap, tanh16(vf_div(x, cap)));
}

static void softcap(float *x, int64_t n, float cap)
{
    map_with(x, x, n, softcap_lane, vf_set(cap));
}

static void sigmoid(float *out, const float *x, int64_t n)
{
    map(out, x, n, sigmoid16);
}

static void mul(float *out, const float *a, const float *b, int64_t n)
{
    map2(out, a, b, n, vf_mul);
}

static void mul_rows(float *out, int64_t ldo, const float *x, int64_t ldx, int64_t rows, int64_t n, const float *y, const float *f)
{
    for (int64_t r = 0; r < rows; r++, out += ldo, x += ldx) {
        const vf factor = vf_set(f ? f[r] : 1);
        int64_t i = 0;
        for (; i + 16 <= n; i += 16)
            vf_store(out + i, vf_mul(vf_mul(vf_load(y + i), factor), vf_load(x + i)));
        if (i < n)
            vf_store_n(out + i, vf_mul(vf_mul(vf_load_n(y + i, n - i), factor), vf_load_n(x + i, n - i)), n - i);
    }
}

static void add(float *out, const float *a, const float *b, int64_t n)
{
    map2(out, a, b, n, vf_add);
}

static void axpy(float *out, const float *x, int64_t n, float a)
{
    const vf factor = vf_set(a);
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
        vf_store(out + i, vf_fma(factor, vf_load(x + i), vf_load(out + i)));
    if (i < n)
        vf_store_n(out + i, vf_fma(factor, vf_load_n(x + i, n - i), vf_load_n(out + i, n - i)), n - i);
}

static void act(float *out, const float *x, int64_t n, int kind)
{
    switch ((ns_act)kind) {
    case NS_ACT_SILU:
        map(out, x, n, silu16);
        break;
    case NS_ACT_GELU:
        map(out, x, n, gelu16);
        break;
    case NS_ACT_GELU_TANH:
        map(out, x, n, gelu_tanh16);
        break;
    case NS_ACT_RELU:
        map(out, x, n, relu16);
        break;
    case NS_ACT_RELU2:
        map(out, x, n, relu_squared16);
        break;
    case NS_ACT_QUICK_GELU:
        map(out, x, n, quick_gelu16);
        break;
    case NS_ACT_XIELU:         /* has parameters: ns_band_xielu */
        break;
    }
}

/* ---- norms ---- */

NS_INLINE void affine_lanes(float *out, vf x, const float *gain, vf offset, const float *bias, int64_t n)
{
    const vf g = vf_add(offset, vf_load_n(gain, n));
    vf_store_n(out, bias ? vf_fma(x, g, vf_load_n(bias, n)) : vf_mul(x, g), n);
}

static void affine(float *out, const float *x, int64_t n, const float *gain, float offset, const float *bias)
{
    const vf o = vf_set(offset);
    for (int64_t i = 0; i < n; i += 16) {
        const int64_t m = n - i < 16 ? n - i : 16;
        affine_lanes(out + i, vf_load_n(x + i, m), gain + i, o, bias ? bias + i : NULL, m);
    }
}

static void rms_norm(float *out, const float *x, int64_t n, float eps, const float *gain, float offset)
{
    vd sum = vd_set(0);
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) {
        const vd v = vd_widen(vf_load(x + i));
        sum = vd_fma(v, v, sum);
    }
    if (i < n) {
        const vd v = vd_widen(vf_load_n(x + i, n - i));
        sum = vd_fma(v, v, sum);
    }
    const double inverse = 1 / sqrt(vd_tree(sum) / (double)n + (double)eps);
    map_with(out, x, n, vf_mul, vf_set((float)inverse));
    if (gain)
        affine(out, out, n, gain, offset, NULL);
}

static double mean_of(const float *x, int64_t n)
{
    vd sum = vd_set(0);
    for (int64_t i = 0; i < n; i += 16)
        sum = vd_add(sum, vd_widen(n - i < 16 ? vf_load_n(x + i, n - i) : vf_load(x + i)));
    return vd_tree(sum) / (double)n;
}

static void layer_norm(float *out, const float *x, int64_t n, float eps, const float *gain, float offset, const float *bias)
{
    const vd mean = vd_set(mean_of(x, n));
    vd sum = vd_set(0);
    for (int64_t i = 0; i < n; i += 16) {
        const int64_t m = n - i < 16 ? n - i : 16;
        const vd d = vd_first(vd_sub(vd_widen(vf_load_n(x + i, m)), mean), m);
        sum = vd_fma(d, d, sum);
    }
    const vd inverse = vd_set(1 / sqrt(vd_tree(sum) / (double)n + (double)eps));
    for (int64_t i = 0; i < n; i += 16) {
        const int64_t m = n - i < 16 ? n - i : 16;
        vf_store_n(out + i, vd_narrow(vd_mul(vd_sub(vd_widen(vf_load_n(x + i, m)), mean), inverse)), m);
    }
    if (gain)
        affine(out, out, n, gain, offset, bias);
}

/* ---- rope: (a, b) <- (a cos - b sin, b cos + a sin) ---- */

static void rope_pairs(float *x, int64_t r, const float *cosine, const float *sine)
{
    for (int64_t k = 0; k < r / 2; k++) {
        const float a = x[2 * k], b = x[2 * k + 1];
        x[2 * k] = fmaf(-b, sine[k], a * cosine[k]);
        x[2 * k + 1] = fmaf(a, sine[k], b * cosine[k]);
    }
}

/* Heads of 16, whole halves at once: a masked load that overlaps the store before it would wait for it. */
static void rope_16(float *x, const float *cosine, const float *sine)
{
    float a[8], b[8], out[16];
    memcpy(a, x, sizeof a);
    memcpy(b, x + 8, sizeof b);
    for (int k = 0; k < 8; k++)
        out[k] = fmaf(-b[k], sine[k], a[k] * cosine[k]);
    for (int k = 0; k < 8; k++)
        out[8 + k] = fmaf(a[k], sine[k], b[k] * cosine[k]);
    memcpy(x, out, sizeof out);
}

static void rope(float *x, int64_t r, const float *cosine, const float *sine, bool interleaved)
{
    if (r == 16 && !interleaved) {
        rope_16(x, cosine, sine);
        return;
    }
    if (interleaved) {
        rope_pairs(x, r, cosine, sine);
        return;
    }
    float *const y = x + r / 2;
    for (int64_t k = 0; k < r / 2; k += 16) {
        const int64_t m = r / 2 - k < 16 ? r / 2 - k : 16;
        const vf a = vf_load_n(x + k, m), b = vf_load_n(y + k, m), c = vf_load_n(cosine + k, m), s = vf_load_n(sine + k, m);
        vf_store_n(x + k, vf_fnma(b, s, vf_mul(a, c)), m);
        vf_store_n(y + k, vf_fma(a, s, vf_mul(b, c)), m);
    }
}

/* ---- 16-bit floats ---- */

NS_INLINE void widen(float *out, const uint16_t *x, int64_t n, vf (*load)(const uint8_t *))
{
    const uint8_t *const bytes = (const uint8_t *)x;    /* may be odd: a tensor lies in its file where it lies */
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
        vf_store(out + i, load(bytes + 2 * i));
    if (i < n) {
        uint8_t last[32] = {0};
        memcpy(last, bytes + 2 * i, (size_t)(2 * (n - i)));
        vf_store_n(out + i, load(last), n - i);
    }
}

NS_INLINE void narrow(uint16_t *out, const float *x, int64_t n, void (*store)(uint16_t *, vf))
{
    int64_t i = 0;
    for (; i + 16 <= n; i += 16)
        store(out + i, vf_load(x + i));
    if (i < n) {
        uint16_t last[16];
        store(last, vf_load_n(x + i, n - i));
        memcpy(out + i, last, (size_t)(2 * (n - i)));
    }
}

NS_INLINE vf load_bf16(const uint8_t *p)
{
    return vi_float(vi_shl(vi_load_u16(p), 16));
}

NS_INLINE void store_bf16(uint16_t *p, vf x)
{
    const vi bits = vf_bits(x), high = vi_shr(bits, 16);
    const vi even = vi_add(vi_set(0x7fff), vi_and(high, vi_set(1)));
    const vi quiet = vi_or(high, vi_set(0x40));
    vi_store_u16(p, vi_select(vf_nan(x), quiet, vi_shr(vi_add(bits, even), 16)));
}

static void f16_to_f32(float *out, const uint16_t *x, int64_t n)
{
    widen(out, x, n, vf_load_f16);
}

static void bf16_to_f32(float *out, const uint16_t *x, int64_t n)
{
    widen(out, x, n, load_bf16);
}

static void f32_to_f16(uint16_t *out, const float *x, int64_t n)
{
    narrow(out, x, n, vf_store_f16);
}

static void f32_to_bf16(uint16_t *out, const float *x, int64_t n)
{
    narrow(out, x, n, store_bf16);
}
