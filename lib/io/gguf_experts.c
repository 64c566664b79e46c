/* gguf_experts.c - mixtures of experts in the metadata of a GGUF file: how many, and how wide. Whether a row's weights
 * sum to 1 llama.cpp knows by the architecture, unless the file says it. */
#include "io/gguf_arch.h"

#include <math.h>
#include <stdio.h>

/* How many there are and are used, under the family's name; they sum to 1 or not, where a key says so. */
static int counts(gguf_describer *d, const char *n)
{
    const int rc = ns_gguf_put(d, "expert_count", n, NAN);
    return rc != NS_OK ? rc : ns_gguf_put(d, "expert_used_count", "num_experts_per_tok", NAN);
}

static int normalised(gguf_describer *d, bool otherwise)
{
    char key[160];
    bool normalise;
    ns_gguf_use(d, "expert_weights_norm");
    snprintf(key, sizeof key, "%s.expert_weights_norm", d->arch->name);
    const int rc = ns_gguf_bool(d->g, key, otherwise, &normalise);
    return rc != NS_OK ? rc : ns_gguf_flag(d, "norm_topk_prob", normalise);
}

static int qwen(gguf_describer *d, bool normalise)
{
    int rc = counts(d, "num_experts");
    rc = rc != NS_OK ? rc : ns_gguf_put(d, "expert_feed_forward_length", "moe_intermediate_size", NAN);
    return rc != NS_OK ? rc : normalised(d, normalise);
}

int ns_gguf_mixtral(gguf_describer *d)
{
    return counts(d, "num_local_experts");
}

int ns_gguf_qwen2_moe(gguf_describer *d)
{
    const int rc = ns_gguf_put(d, "expert_shared_feed_forward_length", "shared_expert_intermediate_size", NAN);
    return rc != NS_OK ? rc : qwen(d, false);
}

int ns_gguf_qwen3_moe(gguf_describer *d)
{
    return qwen(d, true);
}

int ns_gguf_olmoe(gguf_describer *d)
{
    const int rc = counts(d, "num_experts");
    return rc != NS_OK ? rc : normalised(d, false);
}

int ns_gguf_granite_moe(gguf_describer *d)
{
    const int rc = counts(d, "num_local_experts");
    return rc != NS_OK ? rc : ns_gguf_granite(d);
}

/* The model's own YaRN is the default of its config, so one that the file does not say cannot be told from none. */
int ns_gguf_gpt_oss(gguf_describer *d)
{
    double ff, width;
    int rc = counts(d, "num_local_experts");
    rc = rc != NS_OK ? rc : ns_gguf_put(d, "attention.sliding_window", "sliding_window", NAN);
    rc = rc != NS_OK ? rc : ns_gguf_number(d->g, "gpt-oss.feed_forward_length", 0, &ff);
    rc = rc != NS_OK ? rc : ns_gguf_number(d->g, "gpt-oss.expert_feed_forward_length", ff, &width);
    ns_gguf_use(d, "expert_feed_forward_length");
    if (rc == NS_OK && width != ff)
        return ns_gguf_unsupported(d, "expert_feed_forward_length is not feed_forward_length");
    return rc == NS_OK && !ns_gguf_use(d, "rope.scaling.type") ? ns_gguf_unsupported(d, "there is no rope.scaling.type") : rc;
}
