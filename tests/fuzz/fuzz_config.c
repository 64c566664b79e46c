/* fuzz_config.c - the input as a config.json; what is accepted must be sound: every number of it usable, and equal after a trip through
 * JSON. */
#include "fuzz.h"

#include <needlescope/hooks.h>

static void warn(void *user, const char *line)
{
    (void)user;
    fuzz_check(line[0] && !strchr(line, '\n'), "a warning is one line");
}

/* Every question the rest of the library asks of an arch. */
static void use(const ns_arch *a)
{
    static float inv_freq[32768];
    float factor;
    ns_error err = {""};
    fuzz_check(a->n_layers >= 1 && a->n_layers <= 4096, "layers in range");
    for (int i = 0; i < a->n_ropes; i++) {
        fuzz_check(a->ropes[i].rotary_dim <= 65536, "a rope's dimensions are bounded");
        for (int64_t n = 1; n < 1 << 20; n *= 1024)
            fuzz_check(ns_rope_frequencies(&a->ropes[i], a->max_positions, n, inv_freq, &factor, &err) == NS_OK,
                       "an accepted rope has frequencies");
    }
    for (int64_t i = 0; i < a->n_layers; i++) {
        const ns_attn *const attn = ns_arch_attn(a, i);
        fuzz_check((ns_arch_layer_kind(a, i) == NS_LAYER_MLP) == (ns_arch_mixers(a, i) == 0), "a layer without a mixer is an MLP");
        if (!attn)
            continue;
        fuzz_check(attn->n_heads % attn->n_kv_heads == 0 && attn->rope < a->n_ropes, "attention is sound");
        fuzz_check(ns_attn_window(attn, attn->n_heads - 1) >= 0, "windows are sound");
        fuzz_check((ns_arch_layer_kind(a, i) == NS_LAYER_RECURRENT) == (ns_arch_row_kind(a, i) == NS_ROW_UNROLLED), "kinds agree");
    }
    for (int p = 0; p < NS_N_POINTS; p++)
        for (int64_t i = -1; i < a->n_layers && i < 3; i++)
            fuzz_check(ns_point_exists(a, p, i) || *ns_point_absent(a, p, i), "a point is there, or there is a reason");
}

static void round_trip(const ns_arch *a)
{
    ns_error err = {""};
    char *first = NULL, *second = NULL;
    ns_arch *back = NULL;
    fuzz_check(ns_arch_to_json(a, &first, &err) == NS_OK, "an arch can be written");
    const int rc = ns_arch_from_json(&back, first, strlen(first), "a.json", NULL, &err);
    fuzz_check_outcome(rc, back, &err);
    fuzz_check(rc == NS_OK, "what was written is read");
    fuzz_check(ns_arch_to_json(back, &second, &err) == NS_OK && strcmp(first, second) == 0, "and is the same");
    free(first);
    free(second);
    ns_arch_free(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    const ns_arch_params params = {.size = sizeof params, .warn = warn};
    ns_arch *a = NULL;
    ns_error err = {""};
    const int rc = ns_arch_from_config(&a, (const char *)data, n, "config.json", &params, &err);
    fuzz_check_outcome(rc, a, &err);
    if (a && a->n_layers <= 6) {      /* more of the same layers would only cost time */
        use(a);
        round_trip(a);
    }
    ns_arch_free(a);
    return 0;
}
