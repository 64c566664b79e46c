/* test_layouts.c - which patterns are written as which class of other programs, and what keeps others out; a run keeps the layout that it
 * began with, and its bits do not depend on it. (That those programs load them: peers/layouts.py.) */
#include "runs.h"
#include "train/internal.h"

#define GATED "\"mlp\": \"swiglu\", \"d_model\": 16, \"heads\": 4, \"kv_heads\": 2, \"d_ff\": 24, \"batch\": 2, \"length\": 20"
#define PLAIN "\"d_model\": 16, \"heads\": 4, \"d_ff\": 24, \"batch\": 2, \"length\": 20"

static void which_layout(void **state)
{
    (void)state;
    static const struct { const char *json, *type, *of, *why; } models[] = {
        {"{\"pattern\": \"SFS\", " GATED "}", "smollm3", "transformers", NULL},
        {"{\"pattern\": \"SFS\", " PLAIN "}", "needlescope", "needlescope", "not as smollm3 (transformers): layer 0: ffn.gate is none"},
        {"{\"pattern\": \"sS\", \"window\": 9, " GATED "}", "needlescope", "needlescope", "layer 1: attn.window is 9 here and 4 there"},
        {"{\"pattern\": \"DF\", " GATED "}", "gated_deltanet", "flash-linear-attention", NULL},
        {"{\"pattern\": \"DsS\", \"window\": 9, " GATED "}", "gated_deltanet", "flash-linear-attention", NULL},
        {"{\"pattern\": \"dF\", \"tied\": true, " GATED "}", "gated_deltanet", "flash-linear-attention", NULL},
        {"{\"pattern\": \"DdF\", " GATED "}", "needlescope", "needlescope", "layer 1: attn.conv_taps is 0 here and 4 there"},
        {"{\"pattern\": \"DF\", \"nope\": true, " GATED "}", "needlescope", "needlescope", "layer 1: attn.rope is none here and a set"},
        {"{\"pattern\": \"DF\", \"head_dim\": 6, " GATED "}", "needlescope", "needlescope", "layer 1: attn.head_dim is 6 here and 4"},
        {"{\"pattern\": \"DH\", \"window\": 9, " GATED "}", "needlescope", "needlescope", "layer 1: attn.window is 0 here and 9"},
        {"{\"pattern\": \"lFS\", \"window\": 9, " GATED "}", "gla", "flash-linear-attention", NULL},
        {"{\"pattern\": \"LF\", " GATED "}", "needlescope", "needlescope", "not as gla (flash-linear-attention): layer 0: attn.step is"},
        {"{\"pattern\": \"mF\", " GATED "}", "granitemoehybrid", "transformers", NULL},
        {"{\"pattern\": \"mF\", \"nope\": true, " GATED "}", "granitemoehybrid", "transformers", NULL},
        {"{\"pattern\": \"mFF\", \"nope_layers\": \"001\", " GATED "}", "needlescope", "needlescope", "layer 2: attn.rope is none here"},
        {"{\"pattern\": \"mFS\", \"window\": 9, " GATED "}", "needlescope", "needlescope", "layer 2: attn.window is 9 here and 0 there"},
        {"{\"pattern\": \"MF\", " GATED "}", "needlescope", "needlescope", "layer 0: attn.z_norm_groups is 0 here and 4 there"},
        {"{\"pattern\": \"mF\", \"head_dim\": 6, " GATED "}", "needlescope", "needlescope", "not as granitemoehybrid (transformers): "},
        {"{\"pattern\": \"mF\", \"head_dim\": 8, " GATED "}", "needlescope", "needlescope", "layer 1: attn.head_dim is 8 here and 4"},
        {"{\"pattern\": \"GF\", " GATED "}", "needlescope", "needlescope", "no class of transformers or flash-linear-attention"},
    };
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        const char *of, *why;
        ns_trainer *const t = trainer_of(models[i].json, NULL);
        assert_string_equal(ns_trainer_layout(t, &of, &why), models[i].type);
        assert_string_equal(of, models[i].of);
        if ((why != NULL) != (models[i].why != NULL) || (why && !strstr(why, models[i].why)))
            fail_msg("%s: '%s', not '%s'", models[i].json, why ? why : "", models[i].why ? models[i].why : "");
        ns_trainer_free(t);
    }
}

static void step(ns_trainer *t)
{
    const ns_train_config *const c = ns_trainer_config(t);
    int32_t *const tokens = tokens_of(c->batch * c->length, c->vocab, 7 + (uint64_t)ns_trainer_steps_done(t));
    ns_train_result r;
    ok(ns_trainer_step(t, tokens, &r, &err));
    free(tokens);
}

static void says_type(const char *folder, const char *type)
{
    char path[64], wanted[64], *text;
    size_t n;
    snprintf(path, sizeof path, "%.32s/config.json", folder);
    snprintf(wanted, sizeof wanted, "\"%s\"", type);
    ok(ns_file_read(path, 1 << 20, &text, &n, &err));
    if (!strstr(text, wanted))
        fail_msg("%s: no %s in %s", path, wanted, text);
    free(text);
}

/* As runs were written before there were layouts: it goes on so, to the same numbers. */
static void a_run_keeps_its_layout(void **state)
{
    (void)state;
    static const char *const runs[] = {"{\"pattern\": \"DF\", " GATED "}", "{\"pattern\": \"lF\", " GATED "}",
                                       "{\"pattern\": \"mF\", " GATED "}"};
    for (size_t i = 0; i < sizeof runs / sizeof *runs; i++) {
        char folder[32], *saved, *again;
        temporary(folder);
        ns_trainer *const now = trainer_of(runs[i], NULL), *before, *resumed;
        const ns_train_config c = config_of(runs[i]);
        ok(ns_trainer_make(&before, &c, NULL, NS_TRAIN_OWN_TYPE, &err));
        step(before);
        ok(ns_trainer_save(before, folder, true, &saved, &err));
        says_type(saved, "needlescope");
        ok(ns_trainer_resume(&resumed, saved, &c, NULL, &err));
        step(resumed);
        step(now);
        step(now);
        assert_int_equal(now->model.n_floats, resumed->model.n_floats);
        assert_memory_equal(now->model.w, resumed->model.w, (size_t)now->model.n_floats * sizeof(float));
        ok(ns_trainer_save(resumed, folder, true, &again, &err));
        says_type(again, "needlescope");
        ns_trainer_free(now);
        ns_trainer_free(before);
        ns_trainer_free(resumed);
        free(saved);
        free(again);
        remove_tree(folder);
    }
}

/* A config.json beside the state that is not of the run. */
static void another_layout(void **state)
{
    (void)state;
    static const struct { const char *type, *says; } others[] = {
        {"gla", "config.json says model_type 'gla', which the run is not written as: not as gla ("},
        {"llama", "config.json says model_type 'llama', which the run is not written as: no class"}};
    ns_trainer *const t = trainer_of("{\"pattern\": \"DF\", " GATED "}", NULL), *resumed;
    char folder[32], path[64], text[64], *saved;
    temporary(folder);
    ok(ns_trainer_save(t, folder, true, &saved, &err));
    snprintf(path, sizeof path, "%.32s/config.json", saved);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        snprintf(text, sizeof text, "{\"model_type\": \"%s\"}", others[i].type);
        ok(ns_file_write(path, text, strlen(text), &err));
        assert_int_equal(ns_trainer_resume(&resumed, saved, NULL, NULL, &err), NS_E_FORMAT);
        if (!strstr(err.message, others[i].says))
            fail_msg("'%s', not '%s'", err.message, others[i].says);
    }
    free(saved);
    ns_trainer_free(t);
    remove_tree(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(which_layout), cmocka_unit_test(a_run_keeps_its_layout),
                                       cmocka_unit_test(another_layout)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
