/* pack.c - matrices into panels of 32 columns, the form in which ns_gemm reads B. */
#include "math/math.h"

#include <string.h>

int64_t ns_packed_floats(int64_t N, int64_t K)
{
    return (N + NS_PANEL - 1) / NS_PANEL * NS_PANEL * K;
}

/* Eight rows at a time: the strided stores of a panel then share their cache lines. */
void ns_pack_rows(float *out, const float *W, int64_t N, int64_t K, int64_t ldw)
{
    for (int64_t n = 0; n < N; n += NS_PANEL, out += K * NS_PANEL) {
        const int64_t width = N - n < NS_PANEL ? N - n : NS_PANEL;
        if (width < NS_PANEL)
            memset(out, 0, (size_t)(K * NS_PANEL) * sizeof *out);
        for (int64_t j0 = 0; j0 < width; j0 += 8)
            for (int64_t k = 0; k < K; k++)
                for (int64_t j = j0; j < width && j < j0 + 8; j++)
                    out[k * NS_PANEL + j] = W[(n + j) * ldw + k];
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
