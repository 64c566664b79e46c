/* fla.h - the models of flash-linear-attention: one block, x += mixer(norm x); x += mlp(norm x), whose mixer is a linear recurrence but
 * for the layers that `attn` names, which have (sliding) softmax attention. */
#ifndef NS_FLA_H
#define NS_FLA_H

#include "model/families/family.h"

extern const ns_names ns_fla_names;
extern const char *const ns_fla_harmless[];

/* What all configs have, with what is so where they do not say: heads, hidden_ratio, use_short_conv. */
int ns_fla_read(ns_facts *, ns_config *, int64_t heads, int64_t ratio, bool conv, ns_error *);
/* base x the number of the key, which must be whole. */
int ns_fla_expand(ns_config *, const char *key, double otherwise, int64_t base, int64_t *out, ns_error *);
/* Keys and values of a head by expand_k and expand_v. */
int ns_fla_widths(ns_facts *, ns_config *, double expand_k, double expand_v, ns_error *);
/* Softmax layers and ropes; keys `own` wide rotate (0: they do not). */
int ns_fla_finish(ns_facts *, ns_config *, int64_t own, ns_error *);

#define NS_FLA_RECURRENT(word, read_it, build_it) {.type = "recurrent", .mixer = word, .read = read_it, .build = build_it}
#define NS_FLA(name, mixer, n_layers)                                                                                                  \
    .type = name, .names = &ns_fla_names, .keys = {.eps = "norm_eps"},                                                                 \
    .defaults = {.vocab = 32000, .d_model = 2048, .layers = n_layers, .heads = 1, .positions = 2048, .eps = 1e-6, .act = "swish"},      \
    .norm = NS_NORM_RMS, .rope = NS_ROPES_NONE, .recurrent = mixer, .harmless = ns_fla_harmless

#endif
