/* pack.c - matrices into panels of 32 columns, the form in which ns_gemm reads B. */
#include "math/math.h"

#include <string.h>

int64_t ns_packed_floats(int64_t N, int64_t K)
{
    return (N + NS_PANEL - 1) / NS_PANEL * NS_PANEL * K;
}

typedef float four __attribute__((vector_size(16)));
typedef int lanes_of_four __attribute__((vector_size(16)));

static inline four four_at(const float *x)
{
    four v;
    memcpy(&v, x, sizeof v);
    return v;
}

#ifdef __clang__
#define PICK(a, b, i, j, k, l) __builtin_shufflevector(a, b, i, j, k, l)
#else
#define PICK(a, b, i, j, k, l) __builtin_shuffle(a, b, (lanes_of_four){i, j, k, l})
#endif

/* out[i][r] = x[r][i] of four rows and columns. */
static inline void turn_four(float *out, int64_t ldo, const float *x, int64_t ldx)
{
    const four a = four_at(x), b = four_at(x + ldx), c = four_at(x + 2 * ldx), d = four_at(x + 3 * ldx);
    const four ab = PICK(a, b, 0, 4, 1, 5), cd = PICK(c, d, 0, 4, 1, 5), AB = PICK(a, b, 2, 6, 3, 7), CD = PICK(c, d, 2, 6, 3, 7);
    const four turned[4] = {PICK(ab, cd, 0, 1, 4, 5), PICK(ab, cd, 2, 3, 6, 7), PICK(AB, CD, 0, 1, 4, 5), PICK(AB, CD, 2, 3, 6, 7)};
    for (int i = 0; i < 4; i++)
        memcpy(out + i * ldo, &turned[i], sizeof turned[i]);
}

void ns_turn(float *out, int64_t ldo, const float *x, int64_t ldx, int64_t rows, int64_t cols)
{
    const int64_t whole_rows = rows / 4 * 4, whole_cols = cols / 4 * 4;
    for (int64_t i0 = 0; i0 < whole_cols; i0 += 16)         /* lines of both stay in L1 */
        for (int64_t r = 0; r < whole_rows; r += 4)
            for (int64_t i = i0; i < i0 + 16 && i < whole_cols; i += 4)
                turn_four(out + i * ldo + r, ldo, x + r * ldx + i, ldx);
    for (int64_t r = 0; r < rows; r++)
        for (int64_t i = r < whole_rows ? whole_cols : 0; i < cols; i++)
            out[i * ldo + r] = x[r * ldx + i];
}

void ns_pack_rows(float *out, const float *W, int64_t N, int64_t K, int64_t ldw)
{
    for (int64_t n = 0; n < N; n += NS_PANEL, out += K * NS_PANEL) {
        const int64_t width = N - n < NS_PANEL ? N - n : NS_PANEL;
        if (width < NS_PANEL)
            memset(out, 0, (size_t)(K * NS_PANEL) * sizeof *out);
        ns_turn(out, NS_PANEL, W + n * ldw, ldw, width, K);
    }
}

void ns_pack_cols(float *out, const float *B, int64_t K, int64_t N, int64_t ldb)
{
    for (int64_t n = 0; n < N; n += NS_PANEL) {
        const int64_t width = N - n < NS_PANEL ? N - n : NS_PANEL;
        for (int64_t k = 0; k < K; k++, out += NS_PANEL) {
            memset(out, 0, NS_PANEL * sizeof *out);
            memcpy(out, B + k * ldb + n, (size_t)width * sizeof *out);
        }
    }
}
