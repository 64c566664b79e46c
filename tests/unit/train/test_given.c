/* test_given.c - a model that is no pattern of letters: its config, its first values, its checkpoints, any number of threads. */
#include "runs.h"

static const char CONFIG[] = "{\"batch\": 3, \"length\": 30, \"warmup\": 0, \"seed\": 4}";
static const char QWEN[] = "{\"model_type\": \"qwen3\", \"vocab_size\": 50, \"hidden_size\": 24, \"intermediate_size\": 40, "
                           "\"num_hidden_layers\": 2, \"num_attention_heads\": 6, \"num_key_value_heads\": 2, \"head_dim\": 6, "
                           "\"max_position_embeddings\": 64, \"rms_norm_eps\": 1e-6, \"rope_theta\": 10000, \"tie_word_embeddings\": true}";

static char folder[32], *qwen;
static const char *gguf;

static int set_up(void **state)
{
    (void)state;
    temporary(folder);
    qwen = ns_path_join(folder, "qwen.json");
    assert_non_null(qwen);
    ok(ns_file_write(qwen, QWEN, strlen(QWEN), &err));
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    remove_tree(folder);
    free(qwen);
    return 0;
}

typedef struct given { ns_train_model *model; ns_train_config config; ns_trainer *trainer; } given;

static given open_given(const char *path, int threads)
{
    given g = {.config = config_of(CONFIG)};
    ok(ns_train_model_open(&g.model, path, &err));
    ok(ns_train_config_give(&g.config, g.model, "test", &err));
    const ns_trainer_params how = {.size = sizeof how, .model = g.model, .threads = threads};
    ok(ns_trainer_new(&g.trainer, &g.config, &how, &err));
    return g;
}

static void close_given(given *g)
{
    ns_trainer_free(g->trainer);
    ns_train_model_free(g->model);
}

static void train(ns_trainer *t, int steps)
{
    const ns_train_config *const c = ns_trainer_config(t);
    ns_train_result r;
    for (int i = 0; i < steps; i++) {
        int32_t *const tokens = tokens_of(c->batch * c->length, c->vocab, (uint64_t)ns_trainer_steps_done(t));
        ok(ns_trainer_step(t, tokens, &r, &err));
        free(tokens);
    }
}

static void assert_same(ns_trainer *a, ns_trainer *b)
{
    assert_int_equal(ns_trainer_count(a), ns_trainer_count(b));
    for (int64_t i = 0; i < ns_trainer_count(a); i++) {
        ns_view x, y;
        assert_true(ns_trainer_tensor(a, ns_trainer_name(a, i), NS_TRAIN_PARAMETER, &x));
        assert_true(ns_trainer_tensor(b, ns_trainer_name(a, i), NS_TRAIN_PARAMETER, &y));
        assert_int_equal(ns_view_count(&x), ns_view_count(&y));
        assert_memory_equal(x.data, y.data, (size_t)ns_view_count(&x) * sizeof(float));
    }
}

static void threads_change_no_bit(void **state)
{
    (void)state;
    given one = open_given(qwen, 1), three = open_given(qwen, 3);
    train(one.trainer, 3);
    train(three.trainer, 3);
    assert_same(one.trainer, three.trainer);
    close_given(&one);
    close_given(&three);
}

/* A step's own description stands for the file, and a checkpoint for its weights. */
static void checkpoints(void **state)
{
    (void)state;
    char *path = NULL;
    ns_trainer *resumed;
    given g = open_given(qwen, 1);
    train(g.trainer, 2);
    ok(ns_trainer_save(g.trainer, folder, true, &path, &err));
    ok(ns_trainer_resume(&resumed, path, NULL, NULL, &err));
    train(g.trainer, 2);
    train(resumed, 2);
    assert_same(g.trainer, resumed);
    ns_trainer_free(resumed);
    given again = open_given(path, 1), fresh = open_given(path, 1);
    train(again.trainer, 1);
    assert_string_not_equal(again.config.model, g.config.model);       /* other first values: another run */
    assert_string_equal(again.config.model, fresh.config.model);
    ns_view begun, saved;
    ns_trainer *at_two;
    ok(ns_trainer_resume(&at_two, path, NULL, NULL, &err));
    assert_true(ns_trainer_tensor(fresh.trainer, "model.embed_tokens.weight", NS_TRAIN_PARAMETER, &begun));
    assert_true(ns_trainer_tensor(at_two, "model.embed_tokens.weight", NS_TRAIN_PARAMETER, &saved));
    assert_memory_equal(begun.data, saved.data, (size_t)ns_view_count(&begun) * sizeof(float));
    ns_trainer_free(at_two);
    close_given(&again);
    close_given(&fresh);
    close_given(&g);
    free(path);
}

/* A tokenizer's files, in the form that it has, go into each step. */
static void tokenizers_come_along(void **state)
{
    (void)state;
    static const char *const kept[] = {"tiktoken.model", "tokenizer_config.json"};
    char *path = NULL, *step = NULL, *bytes;
    given g = open_given(qwen, 1);
    ok(ns_trainer_save(g.trainer, folder, false, &path, &err));
    close_given(&g);
    for (int i = 0; i < 2; i++) {
        char *const file = ns_path_join(path, kept[i]);
        ok(ns_file_write(file, kept[i], strlen(kept[i]), &err));
        free(file);
    }
    g = open_given(path, 1);
    train(g.trainer, 1);
    ok(ns_trainer_save(g.trainer, folder, false, &step, &err));
    for (int i = 0; i < 2; i++) {
        char *const file = ns_path_join(step, kept[i]);
        ok(ns_file_read(file, 100, &bytes, NULL, &err));
        assert_string_equal(bytes, kept[i]);
        free(bytes);
        free(file);
    }
    close_given(&g);
    free(step);
    free(path);
}

static void expect_refusal(int rc, const char *words)
{
    assert_true(rc != NS_OK);
    if (!strstr(err.message, words))
        fail_msg("'%s' does not say '%s'", err.message, words);
}

static void refusals(void **state)
{
    (void)state;
    static const struct { const char *train, *words; } configs[] = {
        {"{\"pattern\": \"FF\"}", "pattern changes nothing"}, {"{\"d_model\": 32}", "d_model changes nothing"},
        {"{\"vocab\": 90}", "vocab changes nothing"}, {"{\"length\": 65, \"max_positions\": 256}", "longer than max_positions 64"},
    };
    ns_train_model *model, *none;
    ns_train_config c;
    ok(ns_train_model_open(&model, qwen, &err));
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        c = config_of(configs[i].train);
        expect_refusal(ns_train_config_give(&c, model, "test", &err), configs[i].words);
    }
    expect_refusal(ns_train_config_from_json(&c, "{\"model\": \"aa\"}", 15, "test", &err), "model is not a key");
    expect_refusal(ns_train_model_open(&none, "/nowhere/model.json", &err), "/nowhere/model.json");
    expect_refusal(ns_train_model_open(&none, gguf, &err), "its tokenizer is inside it, and the steps of a run would be without");
    c = config_of(CONFIG);
    ns_trainer *t;
    const ns_trainer_params how = {.size = sizeof how, .model = model};
    expect_refusal(ns_trainer_new(&t, &c, &how, &err), "ns_train_config_give");
    ok(ns_train_config_give(&c, model, "test", &err));
    expect_refusal(ns_trainer_new(&t, &c, NULL, &err), "its model is missing");
    ns_train_model_free(model);
}

/* A wrapper's text model says of what bits it is, too; a text that speaks of it does not. */
static void nested_dtypes(void **state)
{
    (void)state;
    static const char config[] =
        "{\"model_type\": \"gemma3\", \"vision_config\": {}, \"torch_dtype\" : \"bfloat16\", "
        "\"_name_or_path\": \"a \\\"dtype\\\": \\\"b\\\"\","
        " \"text_config\": {\"model_type\": \"gemma3_text\", \"dtype\":\"bfloat16\", \"hidden_size\": 16, \"num_attention_heads\": 2, "
        "\"num_key_value_heads\": 1, \"head_dim\": 8, \"num_hidden_layers\": 1, \"intermediate_size\": 24, \"vocab_size\": 56, "
        "\"max_position_embeddings\": 64, \"query_pre_attn_scalar\": 1.0}}";
    char *step = NULL, *text = NULL, *const path = ns_path_join(folder, "wrapped.json");
    size_t n;
    ok(ns_file_write(path, config, strlen(config), &err));
    given g = open_given(path, 1);
    ok(ns_trainer_save(g.trainer, folder, true, &step, &err));
    char *const file = ns_path_join(step, "config.json");
    ok(ns_file_read(file, 1 << 20, &text, &n, &err));
    assert_non_null(strstr(text, "\"torch_dtype\" : \"float32\""));
    assert_non_null(strstr(text, "\"dtype\":\"float32\""));
    assert_non_null(strstr(text, "a \\\"dtype\\\": \\\"b\\\""));
    assert_non_null(strstr(text, "\"query_pre_attn_scalar\": 1.0"));          /* every other byte as it was */
    assert_null(strstr(text, "bfloat16"));
    close_given(&g);
    free(path);
    free(step);
    free(file);
    free(text);
}

/* A step is of 32-bit weights whatever was begun from; what its model says already is no setting of the run, but may stand there. */
static void a_step_of_its_own(void **state)
{
    (void)state;
    char *const before = ns_printf_alloc("{\"dtype\": \"bfloat16\", \"torch_dtype\": \"float16\", %s", QWEN + 1);
    char *step = NULL, *text = NULL;
    char *const path = ns_path_join(folder, "half.json");
    size_t n;
    ok(ns_file_write(path, before, strlen(before), &err));
    given g = open_given(path, 1);
    train(g.trainer, 1);
    ok(ns_trainer_save(g.trainer, folder, true, &step, &err));
    char *const file = ns_path_join(step, "config.json");
    ok(ns_file_read(file, 1 << 20, &text, &n, &err));
    assert_non_null(strstr(text, "\"dtype\": \"float32\""));
    assert_non_null(strstr(text, "\"torch_dtype\": \"float32\""));
    assert_null(strstr(text, "float16"));
    ns_train_model *own;
    ns_train_config c = config_of("{\"init_embed\": 0.7}");
    ok(ns_train_model_open(&own, step, &err));
    expect_refusal(ns_train_config_give(&c, own, "test", &err), "init_embed changes nothing");
    c = config_of("{\"init_out\": 0.5}");
    expect_refusal(ns_train_config_give(&c, own, "test", &err), "init_out changes nothing");
    ok(ns_train_config_give(&c, g.model, "test", &err));               /* without weights they are the first values */
    c = config_of("{\"max_positions\": 64}");
    ok(ns_train_config_give(&c, own, "test", &err));
    c = config_of("{\"max_positions\": 65}");
    expect_refusal(ns_train_config_give(&c, own, "test", &err), "max_positions changes nothing");
    ns_train_model_free(own);
    close_given(&g);
    free(before);
    free(path);
    free(step);
    free(file);
    free(text);
}

/* ---- parts of fused tensors ---- */

static const char PHI[] = "{\"model_type\": \"phi3\", \"vocab_size\": 50, \"hidden_size\": 24, \"intermediate_size\": 40, "
                          "\"num_hidden_layers\": 1, \"num_attention_heads\": 6, \"num_key_value_heads\": 2, "
                          "\"max_position_embeddings\": 64, \"original_max_position_embeddings\": 64, \"rms_norm_eps\": 1e-6}";

/* The description of PHI with `from` made `to`, as a file; malloc'd. */
static char *description(const char *from, const char *to)
{
    ns_arch *arch;
    char *text, *const path = ns_path_join(folder, "phi.json");
    ok(ns_arch_from_config(&arch, PHI, sizeof PHI - 1, "phi", NULL, &err));
    ok(ns_arch_to_json(arch, &text, &err));
    const char *const at = strstr(text, from);
    assert_true(path && at);
    char *const other = ns_printf_alloc("%.*s%s%s", (int)(at - text), text, to, at + strlen(from));
    ok(ns_file_write(path, other, strlen(other), &err));
    ns_arch_free(arch);
    free(other);
    free(text);
    return path;
}

/* NULL: it is trained, and what it writes is a checkpoint of it. */
static void expect_parts(const char *from, const char *to, const char *says)
{
    char *const path = description(from, to), *step = NULL;
    ns_train_model *model, *again;
    ns_train_config c = config_of(CONFIG);
    ns_trainer *t = NULL;
    ok(ns_train_model_open(&model, path, &err));
    ok(ns_train_config_give(&c, model, "test", &err));
    const ns_trainer_params how = {.size = sizeof how, .model = model};
    const int rc = ns_trainer_new(&t, &c, &how, &err);
    if (says) {
        assert_int_equal(rc, NS_E_FORMAT);
        expect_refusal(rc, says);
        expect_refusal(rc, path);
    } else {
        ok(rc);
        ok(ns_trainer_save(t, folder, false, &step, &err));
        ok(ns_train_model_open(&again, step, &err));
        ns_train_model_free(again);
    }
    ns_trainer_free(t);
    ns_train_model_free(model);
    free(step);
    free(path);
}

static void parts_of_a_tensor(void **state)
{
    (void)state;
    expect_parts("\"start\":\t24", "\"start\":\t24", NULL);
    expect_parts("\"start\":\t24", "\"start\":\t25", "self_attn.qkv_proj.weight' is two parts of the model in one place");
    expect_parts("\"start\":\t24", "\"start\":\t32", "in one place");
    expect_parts("\"start\":\t32", "\"start\":\t33", "has rows that no part of the model takes");
    expect_parts("\"start\":\t40", "\"start\":\t16777216", "has rows that no part of the model takes");
    expect_parts("\"start\":\t40", "\"start\":\t1, \"group\": 1, \"stride\": 2", "in one place");
    expect_parts("mlp.down_proj", "self_attn.o_proj", "self_attn.o_proj.weight' is two parts of the model that are not of one width");
}

/* ---- tensors cut elsewhere ---- */

static const char OLMO[] = "{\"model_type\": \"olmo_hybrid\", \"vocab_size\": 50, \"hidden_size\": 16, \"intermediate_size\": 24, "
                           "\"num_hidden_layers\": 2, \"num_attention_heads\": 4, \"num_key_value_heads\": 2, "
                           "\"linear_num_key_heads\": 2, \"linear_key_head_dim\": 5, \"linear_value_head_dim\": 7, "
                           "\"linear_conv_kernel_dim\": 3, \"max_position_embeddings\": 64}";
enum { OLMO_ROWS = 2 * 10 + 4 * 7, OLMO_TAPS = 3 };

/* A step's folder with the table of its convolutions cut as `rows` say: q_conv1d, k_conv1d and v_conv1d, whose own rows are 10, 10, 28. */
static void cut_convolution(const char *step, const int64_t rows[3])
{
    static const char *const names[] = {"model.layers.0.linear_attn.q_conv1d.weight", "model.layers.0.linear_attn.k_conv1d.weight",
                                        "model.layers.0.linear_attn.v_conv1d.weight"};
    enum { MOST = 64 };
    ns_tensor_out list[MOST];
    float *kept[MOST];
    ns_checkpoint *c;
    int64_t n = 0, at = 0;
    ok(ns_checkpoint_open(&c, step, NULL, &err));
    for (int64_t i = 0; i < ns_checkpoint_count(c); i++) {
        const ns_tensor *const t = ns_checkpoint_tensor(c, i);
        float *const data = kept[i] = malloc((size_t)t->n_bytes);
        ok(ns_tensor_read_f32(t, 0, ns_view_count(&t->view), data, &err));
        if (!strstr(t->name, "linear_attn.conv1d.weight")) {
            list[n++] = (ns_tensor_out){t->name, ns_view_of(data, NS_F32, t->view.rank, t->view.shape), NS_F32};
            continue;
        }
        assert_int_equal(ns_view_count(&t->view), OLMO_ROWS * OLMO_TAPS);
        for (int p = 0; p < 3; at += rows[p++])
            list[n++] = (ns_tensor_out){names[p], ns_view_of(data + at * OLMO_TAPS, NS_F32, 3, (int64_t[]){rows[p], 1, OLMO_TAPS}), NS_F32};
    }
    assert_int_equal(at, OLMO_ROWS);
    char *const file = ns_path_join(step, "model.safetensors");
    ok(ns_safetensors_write(file, list, n, &err));
    for (int64_t i = 0; i < ns_checkpoint_count(c); i++)
        free(kept[i]);
    ns_checkpoint_free(c);
    free(file);
}

static void assert_same_numbers(ns_trainer *a, ns_trainer *b)
{
    assert_int_equal(ns_trainer_count(a), ns_trainer_count(b));
    for (int64_t i = 0; i < ns_trainer_count(a); i++) {
        ns_view x, y;
        if (strstr(ns_trainer_name(a, i), "conv1d"))
            continue;                                    /* its parts have one name */
        assert_true(ns_trainer_tensor(a, ns_trainer_name(a, i), NS_TRAIN_PARAMETER, &x));
        assert_true(ns_trainer_tensor(b, ns_trainer_name(b, i), NS_TRAIN_PARAMETER, &y));
        assert_int_equal(ns_view_count(&x), ns_view_count(&y));
        assert_memory_equal(x.data, y.data, (size_t)ns_view_count(&x) * sizeof(float));
    }
}

static void expect_rows(const char *step, const int64_t rows[3])
{
    ns_checkpoint *c;
    ok(ns_checkpoint_open(&c, step, NULL, &err));
    for (int i = 0; i < 3; i++) {
        char name[64];
        snprintf(name, sizeof name, "model.layers.0.linear_attn.%c_conv1d.weight", "qkv"[i]);
        const ns_tensor *const t = ns_checkpoint_find(c, name);
        assert_true(t && t->view.rank == 3);
        assert_int_equal(t->view.shape[0], rows[i]);
    }
    ns_checkpoint_free(c);
}

/* q, k and v of one table in three tensors whose rows are not theirs: the same model as with the one, and steps that are cut so, too. */
static void cut_elsewhere(void **state)
{
    (void)state;
    static const struct { int64_t before[3], behind[3]; } cuts[] = {
        {{16, 16, 16}, {16, 16, 16}}, {{10, 10, 28}, {10, 10, 28}}, {{12, 5, 31}, {16, 16, 16}}, {{16, 31, 1}, {16, 16, 16}},
    };
    char *const path = ns_path_join(folder, "olmo.json"), *one = NULL, *step = NULL;
    ok(ns_file_write(path, OLMO, strlen(OLMO), &err));
    given plain = open_given(path, 1);
    ok(ns_trainer_save(plain.trainer, folder, false, &one, &err));
    close_given(&plain);
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        char below[64], command[256];
        snprintf(below, sizeof below, "%s/cut%zu", folder, i);
        snprintf(command, sizeof command, "rm -rf '%s' && cp -r '%s' '%s'", below, one, below);
        assert_int_equal(system(command), 0);
        cut_convolution(below, cuts[i].before);
        given whole = open_given(one, 1), cut = open_given(below, 1);
        assert_same_numbers(whole.trainer, cut.trainer);
        train(whole.trainer, 3);
        train(cut.trainer, 3);
        assert_same_numbers(whole.trainer, cut.trainer);
        ok(ns_trainer_save(cut.trainer, below, true, &step, &err));
        expect_rows(step, cuts[i].behind);
        given again = open_given(step, 1);
        ns_trainer *resumed;
        ok(ns_trainer_resume(&resumed, step, NULL, NULL, &err));
        assert_same_numbers(whole.trainer, again.trainer);
        assert_same_numbers(whole.trainer, resumed);
        train(resumed, 1);
        train(whole.trainer, 1);
        assert_same_numbers(whole.trainer, resumed);
        ns_trainer_free(resumed);
        close_given(&again);
        close_given(&whole);
        close_given(&cut);
        free(step);
    }
    free(path);
    free(one);
}

int main(int argc, char **argv)
{
    gguf = argc == 2 ? argv[1] : "";
    const struct CMUnitTest tests[] = {cmocka_unit_test(threads_change_no_bit), cmocka_unit_test(checkpoints), cmocka_unit_test(refusals),
                                       cmocka_unit_test(parts_of_a_tensor), cmocka_unit_test(a_step_of_its_own),
                                       cmocka_unit_test(nested_dtypes), cmocka_unit_test(tokenizers_come_along),
                                       cmocka_unit_test(cut_elsewhere)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
