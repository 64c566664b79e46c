/* back_tmpl.h - rows of the trainer: softmax with its mask, and the derivatives of softmax, RMSNorm and the activations. Included after
 * rows_tmpl.h. */

/* One row: cells [lo, hi) of s[0, n) become a softmax, the others 0. s[0] is absolute key key0; lanes and pages as in exp_sum, so the bits
 * are those of max, exp_sum and scale over any range that holds [lo, hi). */
NS_INLINE void softmax_row(float *s, int64_t n, int64_t lo, int64_t hi, int64_t key0)
{
    static const float lanes[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    const int64_t a0 = lo / 16 * 16, a1 = (hi + 15) / 16 * 16;
    const vf hidden = vf_set(-INFINITY), zero = vf_set(0);
    for (int64_t i = 0; i < n; i += 16) {               /* whole vectors: single stores would stall the loads that follow */
        const vf key = vf_add(vf_load(lanes), vf_set((float)i));
        const vf seen = vf_select(vf_lt(key, vf_set((float)lo)), hidden, vf_select(vf_lt(key, vf_set((float)hi)), vf_load(s + i), hidden));
        vf_store(s + i, i < a0 || i >= a1 ? zero : seen);
    }
    const float top = max(s + a0, a1 - a0);
    const double sum = exp_sum(s + a0, a1 - a0, key0 + a0, top);
    scale(s + a0, a1 - a0, (float)(1.0 / sum));
}

static void softmax(float *s, int64_t ld, int64_t rows, int64_t position, int64_t key0, int64_t n, int64_t window)
{
    for (int64_t r = position; r < position + rows; r++, s += ld) {
        const int64_t first = window && r - window + 1 > key0 ? r - window + 1 - key0 : 0;
        softmax_row(s, n, first, r + 1 - key0, key0);
    }
}

/* ds = p (dp - sum p dp), in place of dp */
static void softmax_back(float *dp, const float *p, int64_t rows, int64_t n)
{
    for (; rows > 0; rows--, dp += n, p += n) {
        vf sum = vf_set(0);
        for (int64_t i = 0; i < n; i += 16)
            sum = vf_fma(vf_load(p + i), vf_load(dp + i), sum);
        const vf mean = vf_set(vf_tree(sum));
        for (int64_t i = 0; i < n; i += 16)
            vf_store(dp + i, vf_mul(vf_load(p + i), vf_sub(vf_load(dp + i), mean)));
    }
}

/* y = x_hat gain, x_hat = x r, r = (mean x^2 + eps)^-1/2:  dgain += dy x_hat,  dx += r (dy gain - x_hat mean(dy gain x_hat)) */
static void rms_norm_back(float *dx, float *dgain, const float *x, const float *dy, int64_t n, float eps, const float *gain)
{
    vd square = vd_set(0), inner = vd_set(0);
    for (int64_t i = 0; i < n; i += 16) {
        const int64_t m = n - i < 16 ? n - i : 16;
        const vd v = vd_widen(vf_load_n(x + i, m));
        square = vd_fma(v, v, square);
        inner = vd_fma(v, vd_widen(vf_mul(vf_load_n(dy + i, m), vf_load_n(gain + i, m))), inner);
    }
    const double inverse = 1 / sqrt(vd_tree(square) / (double)n + (double)eps);
    const vf r = vf_set((float)inverse), mean = vf_set((float)(vd_tree(inner) * inverse / (double)n));
    for (int64_t i = 0; i < n; i += 16) {
        const int64_t m = n - i < 16 ? n - i : 16;
        const vf hat = vf_mul(vf_load_n(x + i, m), r), d = vf_load_n(dy + i, m);
        vf_store_n(dgain + i, vf_fma(d, hat, vf_load_n(dgain + i, m)), m);
        const vf inside = vf_fnma(hat, mean, vf_mul(d, vf_load_n(gain + i, m)));
        vf_store_n(dx + i, vf_fma(r, inside, vf_load_n(dx + i, m)), m);
    }
}

NS_INLINE vf relu_back16(vf dy, vf y)
{
    return vf_select(vf_lt(vf_set(0), y), dy, vf_set(0));
}

static void relu_back(float *dy, const float *y, int64_t n)
{
    map2(dy, dy, y, n, relu_back16);
}

/* silu' = s (1 + x (1 - s)), s = sigmoid(x) */
NS_INLINE vf silu_back16(vf dy, vf x)
{
    const vf s = sigmoid16(x);
    return vf_mul(dy, vf_mul(s, vf_fma(x, vf_sub(vf_set(1), s), vf_set(1))));
}

static void silu_back(float *dy, const float *x, int64_t n)
{
    map2(dy, dy, x, n, silu_back16);
}
