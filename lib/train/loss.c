/* loss.c - cross-entropy of one row in nats, and its derivative: softmax - one hot, over the number of targets. */
#include "train/internal.h"

#include <math.h>

float ns_cross_entropy(const ns_trainer *t, float *logits, int64_t ld, int32_t target, int64_t targets)
{
    const float top = t->math->max(logits, t->V), at_target = logits[target];
    for (int64_t i = t->V; i < ld; i++)
        logits[i] = -INFINITY;
    const double sum = t->math->exp_sum(logits, ld, 0, top);
    if (targets > 0) {
        t->math->scale(logits, ld, (float)(1 / (sum * (double)targets)));
        logits[target] -= (float)(1 / (double)targets);
    }
    return (float)(ns_log(sum) + ((double)top - (double)at_target));
}
