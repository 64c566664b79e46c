/* fuzz_names.c - the input as a names map (--names), over the description of a small model. */
#include "fuzz.h"

#include <needlescope/arch.h>

static const char config[] =
    "{\"model_type\":\"llama\",\"vocab_size\":8,\"hidden_size\":8,\"intermediate_size\":8,\"num_hidden_layers\":2,\"num_attention_heads\":"
    "2,"
    "\"num_key_value_heads\":1,\"rms_norm_eps\":1e-5,\"hidden_act\":\"silu\",\"max_position_embeddings\":16,\"rope_theta\":10000.0}";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const ns_arch_params params = {.size = sizeof params, .names_path = FUZZ_FILE};
    ns_arch *a = NULL, *back = NULL;
    char *text = NULL;
    ns_error err = {""};
    fuzz_put(FUZZ_FILE, data, n);
    const int rc = ns_arch_from_config(&a, config, sizeof config - 1, "config.json", &params, &err);
    fuzz_check_outcome(rc, a, &err);
    if (a) {
        fuzz_check(ns_arch_to_json(a, &text, &err) == NS_OK, "a renamed arch can be written");
        fuzz_check(ns_arch_from_json(&back, text, strlen(text), "a.json", NULL, &err) == NS_OK, "what was written is read");
    }
    free(text);
    ns_arch_free(back);
    ns_arch_free(a);
    return 0;
}
