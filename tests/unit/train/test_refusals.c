/* test_refusals.c - configs that make no sense, tokens beyond the vocabulary, and a run that diverges: a clear line, and nothing lost. */
#include "runs.h"

static const struct { const char *json, *says; } bad[] = {
    {"{\"window\": 0}", "window is 0, outside 1"},
    {"{\"window\": 2.5}", "'window' is 2.5, expected a whole number"},
    {"{\"heads\": 5}", "d_model 64 does not divide into 5 heads"},
    {"{\"heads\": 4, \"kv_heads\": 3}", "4 heads do not divide over 3 kv_heads"},
    {"{\"heads\": 64}", "head_dim 1 is odd"},
    {"{\"pattern\": \"SXF\"}", "pattern 'SXF' must be letters"},
    {"{\"pattern\": \"FMn\"}", "pattern 'FMn' must be letters S (window), s (window 4), F (full), H (half of the heads full), "
                              "G (Lightning), M (Mamba-2), m (its heads share q and k), D (Gated DeltaNet), d (without its convolution), "
                              "L (GLA) and l (its decay through 16 numbers)"},
    {"{\"pattern\": \"MDdL\", \"rope_theta\": 100}", "rope_theta changes nothing: no layer rotates"},
    {"{\"pattern\": \"\"}", "pattern '' must be letters"},
    {"{\"nope_layers\": \"01\"}", "nope_layers '01' must be 4 digits"},
    {"{\"colour\": 1}", "unknown key 'colour'"},
    {"{\"mlp\": \"gelu\"}", "mlp 'gelu' is not known (relu, swiglu)"},
    {"{\"schedule\": \"step\"}", "schedule 'step' is not known (constant, cosine, linear)"},
    {"{\"length\": 300}", "length 300 is longer than max_positions 256"},
    {"{\"length\": 1}", "length is 1, outside 2"},
    {"{\"schedule\": \"linear\", \"decay_steps\": 601}", "decay_steps 601 are more than the 600 steps"},
    {"{\"beta2\": 1}", "beta2 is 1, outside 0"},
    {"{\"lr\": -1}", "lr is -1, outside 0"},
    {"{\"pattern\": \"FFFF\", \"window\": 8}", "window changes nothing: no layer of the pattern is S"},
    {"{\"pattern\": \"sF\", \"window\": 8}", "window changes nothing"},
    {"{\"pattern\": \"SS\", \"nope\": true}", "nope changes nothing: no layer of the pattern is F"},
    {"{\"nope\": true, \"nope_layers\": \"0010\"}", "nope changes nothing"},
    {"{\"pattern\": \"GG\", \"nope_layers\": \"01\"}", "nope_layers changes nothing: no layer of the pattern is attention (S, s, F, H)"},
    {"{\"pattern\": \"GG\", \"kv_heads\": 2}", "kv_heads changes nothing"},
    {"{\"pattern\": \"GF\", \"nope\": true, \"rope_theta\": 100}", "rope_theta changes nothing: no layer rotates"},
    {"{\"tied\": true, \"init_head\": 1}", "init_head changes nothing: the head is the embedding"},
    {"{\"decay_steps\": 5}", "decay_steps changes nothing: the schedule is constant"},
    {"{\"lr_end\": 0.1}", "lr_end changes nothing: the schedule is constant"},
    {"{\"optimizer\": \"adamw\", \"muon_lr\": 0.1}", "muon_lr changes nothing: the optimizer is adamw"},
    {"{\"optimizer\": \"adamw\", \"muon_momentum\": 0.5}", "muon_momentum changes nothing"},
    {"{\"optimizer\": \"adam\"}", "optimizer 'adam' is not known (muon, adamw): did you mean 'adamw'?"},
    {"[]", "is an object"},
};

static void bad_configs(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ns_train_config c;
        if (ns_train_config_from_json(&c, bad[i].json, strlen(bad[i].json), "run.json", &err) == NS_OK)
            fail_msg("%s was taken", bad[i].json);
        if (!strstr(err.message, bad[i].says) || !ns_starts(err.message, "run.json: "))
            fail_msg("%s: the message is '%s'", bad[i].json, err.message);
    }
}

/* A checkpoint's config.json names its layers in words. */
static void unknown_kind(void **state)
{
    (void)state;
    static const char config[] = "{\"model_type\": \"needlescope\", \"num_hidden_layers\": 1, \"layer_kinds\": [\"gated_deltanets\"], "
                                 "\"windows\": [0], \"nope\": [false]}";
    ns_arch *arch;
    assert_int_equal(ns_arch_from_config(&arch, config, sizeof config - 1, "config.json", NULL, &err), NS_E_UNSUPPORTED);
    assert_string_equal(err.message, "config.json: layer_kinds[0] 'gated_deltanets' is not known (full, swa, half, lightning, mamba2, "
                                     "mamba2_shared, gated_deltanet, gated_deltanet_plain, gla, gla_thin): did you mean 'gated_deltanet'?");
}

/* The first half of the heads has the window. */
static void half_of_the_heads(void **state)
{
    (void)state;
    static const char config[] = "{\"model_type\": \"needlescope\", \"num_hidden_layers\": 2, \"num_attention_heads\": 4, \"layer_kinds\": "
                                 "[\"half\", \"swa\"], \"windows\": [6, 5], \"nope\": [false, false]}";
    ns_arch *arch;
    ok(ns_arch_from_config(&arch, config, sizeof config - 1, "config.json", NULL, &err));
    for (int64_t h = 0; h < 4; h++) {
        assert_int_equal(ns_attn_window(ns_arch_attn(arch, 0), h), h < 2 ? 6 : 0);
        assert_int_equal(ns_attn_window(ns_arch_attn(arch, 1), h), 5);
    }
    assert_int_equal(ns_arch_layer_kind(arch, 0), NS_LAYER_FULL);
    ns_arch_free(arch);
}

static void configs_survive_json(void **state)
{
    (void)state;
    for (int k = 0; k < N_KINDS; k++) {
        const ns_train_config a = config_of(kinds[k].json);
        char *text, x[65], y[65];
        ok(ns_train_config_to_json(&a, &text, &err));
        const ns_train_config b = config_of(text);
        ok(ns_train_config_sha256(&a, x, &err));
        ok(ns_train_config_sha256(&b, y, &err));
        assert_string_equal(x, y);
        free(text);
    }
}

/* Where they say something, or what is so anyway, the same keys are taken. */
static void keys_that_apply(void **state)
{
    (void)state;
    static const char *const good[] = {
        "{\"pattern\": \"FFFF\", \"window\": 4}", "{\"pattern\": \"FFFF\", \"window\": 64}",
        "{\"pattern\": \"SF\", \"nope\": true, \"window\": 8}",
        "{\"pattern\": \"GF\", \"nope_layers\": \"01\", \"kv_heads\": 2}", "{\"pattern\": \"sF\", \"nope\": true, \"rope_theta\": 100}",
        "{\"init_head\": 1}", "{\"schedule\": \"cosine\", \"decay_steps\": 5, \"lr_end\": 0.1}",
        "{\"muon_lr\": 0.1, \"muon_momentum\": 0.5}",
        "{\"optimizer\": \"adamw\", \"muon_lr\": 0.02}",
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        config_of(good[i]);
}

static void tokens_beyond_the_vocabulary(void **state)
{
    (void)state;
    ns_trainer *const t = trainer_of(kinds[0].json, NULL);
    const ns_train_config *const c = ns_trainer_config(t);
    int32_t *const tokens = tokens_of(c->batch * c->length, c->vocab, 1);
    float loss[300];
    ns_train_result r;
    tokens[7] = 56;
    assert_int_equal(ns_trainer_step(t, tokens, &r, &err), NS_E_ARG);
    assert_non_null(strstr(err.message, "token 56 at position 7 of the batch: the vocabulary has 56"));
    assert_int_equal(ns_trainer_steps_done(t), 0);
    assert_int_equal(ns_trainer_losses(t, tokens, 1, 257, loss, NULL, &err), NS_E_ARG);
    free(tokens);
    ns_trainer_free(t);
}

/* A weight that is NaN is found where it first reaches the stream; the step is not done, and the other weights are as they were. */
static void not_a_number(void **state)
{
    (void)state;
    ns_trainer *const t = trainer_of(kinds[0].json, NULL);
    const ns_train_config *const c = ns_trainer_config(t);
    int32_t *const tokens = tokens_of(c->batch * c->length, c->vocab, 1);
    ns_train_result r;
    ns_view w, head;
    ok(ns_trainer_step(t, tokens, &r, &err));
    assert_true(ns_trainer_tensor(t, "lm_head.weight", NS_TRAIN_PARAMETER, &head));
    const float before = *(float *)head.data;
    assert_true(ns_trainer_tensor(t, "model.layers.2.self_attn.v_proj.weight", NS_TRAIN_PARAMETER, &w));
    ((float *)w.data)[3] = NAN;
    assert_int_equal(ns_trainer_step(t, tokens, &r, &err), NS_E_NUMERIC);
    assert_non_null(
        strstr(err.message, "step 2: the loss is not a finite number; the first value that is not comes out of layer 2, attention"));
    assert_int_equal(ns_trainer_steps_done(t), 1);
    assert_true(*(float *)head.data == before);
    free(tokens);
    ns_trainer_free(t);
}

/* Rates that make a run explode are noticed at the step where it happens, not later. */
static void divergence(void **state)
{
    (void)state;
    ns_trainer *const t = trainer_of("{\"batch\": 2, \"length\": 20, \"lr\": 1e9, \"muon_lr\": 1e9, \"warmup\": 0, \"clip\": 0}", NULL);
    int32_t *const tokens = tokens_of(40, 56, 1);
    ns_train_result r;
    int rc = NS_OK;
    for (int i = 0; i < 20 && rc == NS_OK; i++)
        rc = ns_trainer_step(t, tokens, &r, &err);
    assert_int_equal(rc, NS_E_NUMERIC);
    assert_non_null(strstr(err.message, "step "));
    free(tokens);
    ns_trainer_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(bad_configs), cmocka_unit_test(keys_that_apply),
                                       cmocka_unit_test(configs_survive_json), cmocka_unit_test(unknown_kind),
        cmocka_unit_test(half_of_the_heads),
                                       cmocka_unit_test(tokens_beyond_the_vocabulary), cmocka_unit_test(not_a_number),
                                       cmocka_unit_test(divergence)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
