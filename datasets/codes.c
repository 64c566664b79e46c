/* codes.c - Kerdock codes: n^2 / 2 unit vectors of +-1 / sqrt(n) whose scalar products are 0 or +-1 / sqrt(n).
 *
 * With m = log2(n) even, K = GF(2^(m-1)), x in K and e in {0, 1} index the n places, and a, b in K, c in {0, 1} the words:
 *     sign exponent  Q_a(x, e) + Tr(b x) + c e,   Q_a(x, e) = sum_{i=1}^{(m-2)/2} Tr((a x)^(2^i + 1)) + e Tr(a x)
 * The quadratic forms Q_a differ pairwise by nonsingular ones, which bounds the products (MacWilliams and Sloane, ch. 15).
 * The unit test checks all pairs. */
#include <math.h>
#include <stdlib.h>

#include "planted.h"

/* K as polynomials over GF(2) below x^5 + x^2 + 1 or x^7 + x + 1. */
typedef struct field { int bits; unsigned modulus; } field;

static unsigned multiply(const field *f, unsigned a, unsigned b)
{
    unsigned product = 0;
    for (; b; b >>= 1) {
        product ^= b & 1 ? a : 0;
        a <<= 1;
        if (a >> f->bits)
            a ^= f->modulus;
    }
    return product;
}

static unsigned trace(const field *f, unsigned a)
{
    unsigned sum = 0;
    for (int i = 0; i < f->bits; i++, a = multiply(f, a, a))
        sum ^= a;
    return sum;                /* 0 or 1 */
}

static unsigned quadratic(const field *f, unsigned ax)
{
    unsigned sum = 0, power = ax;
    for (int i = 1; i <= (f->bits - 1) / 2; i++) {
        power = multiply(f, power, power);
        sum ^= trace(f, multiply(f, power, ax));
    }
    return sum;
}

static void write_word(float *out, const field *f, int64_t word, float unit)
{
    const unsigned size = 1u << f->bits, c = word & 1, b = (unsigned)(word >> 1) % size, a = (unsigned)(word >> (1 + f->bits));
    for (unsigned x = 0; x < size; x++) {
        const unsigned ax = multiply(f, a, x), base = quadratic(f, ax) ^ trace(f, multiply(f, b, x));
        out[x] = base ? -unit : unit;
        out[size + x] = base ^ trace(f, ax) ^ c ? -unit : unit;
    }
}

int ns_codes(float *out, int64_t stride, int64_t n, int64_t count, ns_rng *rng, ns_error *err)
{
    const field f = n == 64 ? (field){5, 0x25} : (field){7, 0x83};
    const int64_t words = n * n / 2;
    int64_t *const order = ns_alloc_array((size_t)words, sizeof *order);
    if (!order)
        return ns_oom(err, "token codes");
    for (int64_t i = 0; i < words; i++)
        order[i] = i;
    for (int64_t i = 0; i < count; i++) {
        const int64_t j = i + ns_rng_below(rng, words - i), word = order[j];
        order[j] = order[i];
        write_word(out + i * stride, &f, word, (float)(1 / sqrt((double)n)));
    }
    free(order);
    return NS_OK;
}
