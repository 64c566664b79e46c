/* ov_copying.c - does what a head moves raise the same token's logit? From the weights alone: sum of Re(lambda) / sum of |lambda| over
 * the eigenvalues of the head's token-to-token circuit (Elhage et al. 2021; ns_model_ov_eigenvalues): 1 copies, -1 suppresses.
 * LAPACK's last bits depend on the machine, so the score is rounded to 2^-20: a score is the same everywhere but for rare halves. */
#include <math.h>

#include "heads.h"

static const ns_score scores[] = {
    {"ov_copying", NULL, NULL, "sum of real parts over sum of sizes of the eigenvalues of W_U W_O W_V W_E",
     "Elhage et al. 2021, transformer-circuits.pub/2021/framework", NS_DIFFERENCE},
};

typedef struct target { const ns_probe_context *ctx; float *values; } target;

static int see_eigenvalues(void *user, int64_t layer, int64_t head, int64_t d, const double *re, const double *im)
{
    const target *const to = user;
    double real = 0, size = 0;
    for (int64_t i = 0; i < d; i++) {
        real += re[i];
        size += hypot(re[i], im[i]);
    }
    if (size > 0)
        to->values[layer * to->ctx->n_heads + head] = (float)(rint(real / size * 0x1p20) * 0x1p-20);
    return NS_OK;
}

static int weigh(const ns_probe_context *ctx, float *const *values, ns_error *err)
{
    target to = {ctx, values[0]};
    return ns_model_ov_eigenvalues(ctx->model, see_eigenvalues, &to, err);
}

const ns_probe ns_probe_ov_copying = {
    .name = "ov_copying", .summary = "does the head's OV circuit copy tokens, from the weights alone",
    .paper = "transformer-circuits.pub/2021/framework",
    .scores = scores, .n_scores = 1, .weigh = weigh, .on_request = true,
};
