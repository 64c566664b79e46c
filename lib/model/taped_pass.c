/* taped_pass.c - a pass over whole sequences that can be walked back: layers, final norm and logits. */
#include "model/tape.h"

int ns_tape_layer(ns_band *b, int64_t layer, const ns_layer_weights *weights)
{
    return b->rc != NS_OK ? b->rc : ns_layer_band(b->p, b, layer, weights);
}

ns_cols ns_tape_logits(ns_band *b, const ns_weight *head)
{
    const ns_arch *const arch = b->p->arch;
    ns_cols x = ns_band_x(b);
    if (arch->final_norm.type != NS_NORM_NONE)
        x = ns_tape_hat(b, x, &arch->final_norm, &b->p->model->final, NS_POINT_LN_FINAL);
    if (!head)
        return x;
    x = ns_band_scale(b, ns_band_product(b, x, head, 0, head->n), arch->logit_scale);
    x = ns_band_softcap(b, x, arch->logit_softcap);
    ns_tape_show(b, NS_POINT_LOGITS, x, 0);
    return x;
}
