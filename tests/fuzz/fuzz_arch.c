/* fuzz_arch.c - the input as an edited description (--arch a.json); what is accepted is sound and is written and read back the same. */
#include "fuzz.h"

#include <needlescope/arch.h>

static void use(const ns_arch *a)
{
    static float inv_freq[32768];
    float factor;
    ns_error err = {""};
    for (int i = 0; i < a->n_ropes; i++)
        fuzz_check(ns_rope_frequencies(&a->ropes[i], a->max_positions, 100, inv_freq, &factor, &err) == NS_OK,
                   "an accepted rope has frequencies");
    for (int64_t i = 0; i < a->n_layers; i++) {
        const ns_attn *const attn = ns_arch_attn(a, i);
        if (!attn)
            continue;
        fuzz_check(attn->n_heads % attn->n_kv_heads == 0 && attn->rope < a->n_ropes, "attention is sound");
        for (int64_t h = 0; h < attn->n_heads; h++)
            fuzz_check(ns_attn_window(attn, h) >= 0, "windows are sound");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    ns_arch *a = NULL, *back = NULL;
    char *first = NULL, *second = NULL;
    ns_error err = {""};
    const int rc = ns_arch_from_json(&a, (const char *)data, n, "a.json", NULL, &err);
    fuzz_check_outcome(rc, a, &err);
    if (a) {
        use(a);
        fuzz_check(ns_arch_to_json(a, &first, &err) == NS_OK, "an arch can be written");
        fuzz_check(ns_arch_from_json(&back, first, strlen(first), "b.json", NULL, &err) == NS_OK, "what was written is read");
        fuzz_check(ns_arch_to_json(back, &second, &err) == NS_OK && strcmp(first, second) == 0, "and is the same");
    }
    free(first);
    free(second);
    ns_arch_free(back);
    ns_arch_free(a);
    return 0;
}
