/* loss.c - cross-entropy of one row in nats, and its derivative: softmax - one hot, over the number of targets. */
#include "train/internal.h"

#include <math.h>
#include <string.h>

float ns_cross_entropy(ns_trainer *t, const float *logits, int32_t target, int64_t targets)
{
    const int64_t V = t->arch->vocab, whole = (V + 15) / 16 * 16;
    const ns_math *const math = t->model.pass.math;
    const float top = math->max(logits, V), at_target = logits[target];
    memcpy(t->row, logits, (size_t)V * sizeof *logits);
    for (int64_t i = V; i < whole; i++)
        t->row[i] = -INFINITY;
    const double sum = math->exp_sum(t->row, whole, 0, top);
    if (targets > 0) {
        math->scale(t->row, whole, (float)(1 / (sum * (double)targets)));
        t->row[target] -= (float)(1 / (double)targets);
    }
    return (float)(ns_log(sum) + ((double)top - (double)at_target));
}
