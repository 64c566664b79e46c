/* test_check.c - a description against a file: a checkpoint with exactly the tensors of each family's description passes; then one thing is
 * changed, and the message names both sides. */
#include "arch_test.h"
#include <math.h>
#include <unistd.h>

enum { MAX_TENSORS = 512 };
typedef struct tensors { ns_tensor_out list[MAX_TENSORS]; char *names[MAX_TENSORS]; int n; } tensors;

static char folder[] = "/tmp/ns-check-XXXXXX";
static float zeros[1 << 20];

static int set_up(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    char path[64];
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/config.json", folder);
    unlink(path);
    return rmdir(folder);
}

static ns_tensor_out *find(tensors *t, const char *name)
{
    for (int i = 0; i < t->n; i++)
        if (strcmp(t->names[i], name) == 0)
            return &t->list[i];
    return NULL;
}

static void set_shape(ns_tensor_out *t, int rank, const int64_t *shape)
{
    t->view = ns_view_of(zeros, NS_F32, rank, shape);
    assert_true(ns_view_count(&t->view) <= (int64_t)(sizeof zeros / sizeof *zeros));
}

static ns_tensor_out *add(tensors *t, const char *name, int rank, int64_t rows, int64_t columns)
{
    assert_true(t->n < MAX_TENSORS);
    t->names[t->n] = ns_strdup(name);
    t->list[t->n] = (ns_tensor_out){.name = t->names[t->n], .dtype = NS_F32};
    set_shape(&t->list[t->n], rank, (int64_t[]){rows, columns, 1});
    return &t->list[t->n++];
}

/* The tensor that holds the weight of an expert (-1: of none, or of all); its rows grow with every weight that needs more. */
static void plan_tensor(tensors *all, const ns_visit *slot, int64_t expert)
{
    const ns_tref *const w = slot->tref;
    const int first = slot->copies && expert < 0 ? 1 : 0, rank = first + (slot->vector ? 1 : 2);
    const int64_t rows = w->start + (w->n_out - 1) / w->group * w->stride + (w->n_out - 1) % w->group + 1;
    char name[NS_TENSOR_NAME];
    ns_tref_name(w, expert, name);
    ns_tensor_out *const found = find(all, name), *const t = found ? found : add(all, name, 1, 1, 1);
    const int axis = first + (w->transposed ? 1 : 0);
    int64_t shape[3] = {slot->copies, slot->copies, w->n_in};
    shape[first] = shape[first + 1 < 3 ? first + 1 : first] = w->n_in;
    shape[axis] = found && found->view.shape[axis] > rows ? found->view.shape[axis] : rows;
    set_shape(t, rank, shape);
}

static int plan(void *user, const ns_visit *slot, ns_error *err)
{
    const int64_t n = slot->copies && ns_tref_split(slot->tref) ? slot->copies : 0;
    (void)err;
    if (slot->tref->name && !n)
        plan_tensor(user, slot, -1);
    for (int64_t e = 0; e < n; e++)
        plan_tensor(user, slot, e);
    return NS_OK;
}

static void forget(tensors *t)
{
    for (int i = 0; i < t->n; i++)
        free(t->names[i]);
    t->n = 0;
}

/* A file of zeros with this header: our writer has weights alone, and codes are none. */
static void write_zeros(const char *path, const tensors *t)
{
    static char header[1 << 16];
    size_t n = 0, at = 0;
    for (int i = 0; i < t->n; i++) {
        const ns_view *const v = &t->list[i].view;
        const size_t bytes = (size_t)ns_view_count(v) * ns_dtype_size(v->dtype);
        n += (size_t)snprintf(header + n, sizeof header - n, "%s\"%s\":{\"dtype\":\"%s\",\"shape\":[", i ? "," : "{", t->list[i].name,
                              ns_dtype_name(v->dtype));
        for (int a = 0; a < v->rank; a++)
            n += (size_t)snprintf(header + n, sizeof header - n, "%s%lld", a ? "," : "", (long long)v->shape[a]);
        n += (size_t)snprintf(header + n, sizeof header - n, "],\"data_offsets\":[%zu,%zu]}", at, at + bytes);
        at += bytes;
    }
    n += (size_t)snprintf(header + n, sizeof header - n, "}");
    const uint64_t length = n;
    FILE *const f = fopen(path, "wb");
    assert_true(f && n < sizeof header - 1 && fwrite(&length, 8, 1, f) == 1 && fwrite(header, n, 1, f) == 1 &&
                fwrite(zeros, 1, at, f) == at);
    fclose(f);
}

static ns_checkpoint *stored(const tensors *t)
{
    char path[64];
    ns_checkpoint *c = NULL;
    ns_error err = {""};
    bool codes = false;
    snprintf(path, sizeof path, "%s/model.safetensors", folder);
    for (int i = 0; i < t->n; i++)
        codes |= t->list[i].view.dtype == NS_U8;
    if (codes)
        write_zeros(path, t);
    if ((!codes && ns_safetensors_write(path, t->list, t->n, &err)) || ns_checkpoint_open(&c, folder, NULL, &err))
        fail_msg("%s", err.message);
    return c;
}

static void expect(const ns_arch *a, const tensors *t, int code, const char *says)
{
    ns_checkpoint *const c = stored(t);
    ns_error err = {""};
    const int rc = ns_arch_check(a, c, &err);
    ns_checkpoint_free(c);
    if (rc != code || !strstr(err.message, says) || strchr(err.message, '\n'))
        fail_msg("%s: wanted %d '%s', got %d '%s'", a->family, code, says, rc, err.message);
}

static void exact_files_pass(void **state)
{
    (void)state;
    static tensors t;
    for (int i = 0; i < N_SMALL; i++) {
        ns_arch *const a = arch_of(small_configs[i].json);
        assert_int_equal(ns_arch_each(a, plan, &t, NULL), NS_OK);
        expect(a, &t, NS_OK, "");
        add(&t, "stranger", 1, 3, 1);
        expect(a, &t, NS_E_FORMAT, "tensor 'stranger' would not be used");
        forget(&t);
        ns_arch_free(a);
    }
}

/* A matrix with one input or one output is a matrix: [n, 1] and [1, n], in every family. */
static void sizes_of_one(void **state)
{
    (void)state;
    static const char *const families[] = {"llama",   "mistral", "qwen2", "qwen3", "gemma2", "gemma3_text", "cohere2",
                                           "smollm3", "olmo",    "olmo2", "olmo3", "phi3",   "exaone4"};
    static const char *const ones = "\"vocab_size\":1,\"intermediate_size\":1";
    static const char *const others[] =
        {"{\"model_type\":\"gpt_neox\",\"hidden_size\":32,\"num_attention_heads\":4,\"num_hidden_layers\":2,\"vocab_size\":1,"
         "\"intermediate_size\":1}",
         "{\"model_type\":\"gpt2\",\"n_embd\":4,\"n_head\":4,\"n_inner\":1,\"n_layer\":2,\"n_positions\":1,\"vocab_size\":1}"};
    const size_t n = sizeof families / sizeof *families;
    static tensors t;
    for (size_t i = 0; i < n + 2; i++) {
        const bool gpt2 = i == n + 1;
        ns_arch *const a = arch_of(i < n ? config_with(families[i], ones) : others[i - n]);
        assert_int_equal(ns_arch_each(a, plan, &t, NULL), NS_OK);
        expect(a, &t, NS_OK, "");
        ns_tensor_out *const down = find(&t, ns_arch_ffn(a, 1)->down.name);
        const int64_t D = a->d_model;
        assert_int_equal(down->view.rank, 2);
        assert_int_equal(down->view.shape[gpt2 ? 0 : 1], 1);
        down->view = ns_view_of(zeros, NS_F32, 1, (int64_t[]){D});
        expect(a, &t, NS_E_FORMAT, gpt2 ? "wants [1, 4]" : "wants [32, 1]");
        forget(&t);
        ns_arch_free(a);
    }
}

/* llama: [0], biases, untied, H 6, G 2, d 4, D 16 */
static void contradictions(void **state)
{
    (void)state;
    static tensors t;
    ns_arch *const a = arch_of(small_configs[0].json);
    assert_int_equal(ns_arch_each(a, plan, &t, NULL), NS_OK);
    ns_tensor_out *const k = find(&t, "model.layers.0.self_attn.k_proj.weight"), good = *k;
    k->view = ns_view_of(zeros, NS_F32, 2, (int64_t[]){24, 16});
    expect(a, &t, NS_E_FORMAT,
           "tensor 'model.layers.0.self_attn.k_proj.weight' has 24 rows, but the sizes of config.json (num_key_value_heads x head_dim, "
           "hidden_size) take 8 of them");
    k->view = ns_view_of(zeros, NS_F32, 2, (int64_t[]){8, 20});
    expect(a, &t, NS_E_FORMAT,
           "k_proj.weight' is [8, 20], but attn.k (num_key_value_heads x head_dim, hidden_size) of config.json wants [8, 16]");
    k->view = ns_view_of(zeros, NS_F32, 1, (int64_t[]){128});
    expect(a, &t, NS_E_FORMAT, "is [128], but attn.k");
    *k = good;
    add(&t, "model.layers.2.mlp.down_proj.weight", 2, 16, 24);
    expect(a, &t, NS_E_FORMAT,
           "tensor 'model.layers.2.mlp.down_proj.weight' would not be used: config.json's num_hidden_layers may be too small");
    ns_arch *described;
    char *text;
    ns_error err;
    assert_int_equal(ns_arch_to_json(a, &text, &err), NS_OK);
    assert_int_equal(ns_arch_from_json(&described, text, strlen(text), "e.json", NULL, &err), NS_OK);
    expect(described, &t, NS_E_FORMAT, "layers.2.mlp.down_proj.weight' would not be used: e.json does not name it (nor list it");
    k->view = ns_view_of(zeros, NS_F32, 2, (int64_t[]){8, 20});
    expect(described, &t, NS_E_FORMAT, "is [8, 20], but attn.k (num_key_value_heads x head_dim, hidden_size) of e.json wants [8, 16]");
    k->view = ns_view_of(zeros, NS_F32, 2, (int64_t[]){24, 16});
    k->name = "model.layers.0.self_attn.other.weight";
    expect(described, &t, NS_E_FORMAT, "(attn.k of layer 0; it has 2 layers): correct e.json, or map the names");
    *k = good;
    ns_arch_free(described);
    free(text);
    free(t.names[--t.n]);
    add(&t, "model.layers.0.self_attn.rotary_emb.inv_freq", 1, 2, 1);
    expect(a, &t, NS_OK, "");
    ns_tensor_out *const head = find(&t, "lm_head.weight");
    char *const head_name = (char *)head->name;
    head->name = "model.layers.1.rotary_emb.inv_freq";
    expect(a, &t, NS_E_FORMAT,
           "no tensor 'lm_head.weight', but tie_word_embeddings is false (or absent, and llama is not tied by default)");
    head->name = head_name;
    ns_tensor_out *const o = find(&t, "model.layers.1.self_attn.o_proj.bias");
    o->name = "model.layers.0.rotary_emb.inv_freq";
    expect(a, &t, NS_E_FORMAT,
           "no tensor 'model.layers.1.self_attn.o_proj.bias' (attn.o_bias of layer 1; num_hidden_layers says 2 layers)");
    forget(&t);
    ns_arch_free(a);
}

/* Experts that the config does not have, or that the file has not; tensors of all experts that hold another number. */
static void experts(void **state)
{
    (void)state;
    static tensors t;
    ns_arch *a = arch_of(small_config("mixtral"));
    assert_int_equal(ns_arch_each(a, plan, &t, NULL), NS_OK);
    add(&t, "model.layers.1.block_sparse_moe.experts.3.w1.weight", 2, 24, 16);
    expect(a, &t, NS_E_FORMAT,
           "experts.3.w1.weight' would not be used: config.json's number of experts may be too small, or this model_type has none");
    free(t.names[--t.n]);
    ns_tensor_out *const w2 = find(&t, "model.layers.1.block_sparse_moe.experts.2.w2.weight"), good = *w2;
    w2->name = "model.layers.0.rotary_emb.inv_freq";
    expect(a, &t, NS_E_FORMAT,
           "no tensor 'model.layers.1.block_sparse_moe.experts.2.w2.weight' (ffn.down of layer 1, which has 3 experts)");
    *w2 = good;
    set_shape(w2, 2, (int64_t[]){16, 20});
    expect(a, &t, NS_E_FORMAT, "experts.2.w2.weight' is [16, 20], but ffn.down (hidden_size, width of an expert)");
    *w2 = good;
    set_shape(find(&t, "model.layers.0.block_sparse_moe.gate.weight"), 2, (int64_t[]){4, 16});
    expect(a, &t, NS_E_FORMAT, "has 4 rows, but the sizes of config.json (number of experts, hidden_size) take 3 of them");
    forget(&t);
    ns_arch_free(a);
    a = arch_of(small_config("gpt_oss"));
    assert_int_equal(ns_arch_each(a, plan, &t, NULL), NS_OK);
    ns_tensor_out *const both = find(&t, "model.layers.0.mlp.experts.gate_up_proj");
    assert_true(both->view.rank == 3 && both->view.shape[0] == 5 && both->view.shape[1] == 16 && both->view.shape[2] == 14);
    set_shape(both, 3, (int64_t[]){4, 16, 14});
    expect(a, &t, NS_E_FORMAT, "is [4, 16, 14], but ffn.gate (width of an expert, hidden_size) of config.json wants [5 experts, 16, 13]");
    set_shape(both, 2, (int64_t[]){80, 14});
    expect(a, &t, NS_E_FORMAT, "is [80, 14], but ffn.gate");
    set_shape(both, 3, (int64_t[]){5, 16, 16});
    expect(a, &t, NS_E_FORMAT, "has 16 rows, but the sizes of config.json (width of an expert, hidden_size) take 14 of them");
    set_shape(both, 3, (int64_t[]){5, 16, 14});
    set_shape(find(&t, "model.layers.1.self_attn.sinks"), 1, (int64_t[]){3, 1});
    expect(a, &t, NS_E_FORMAT, "sinks' is [3], but attn.sinks (num_attention_heads) of config.json wants [4]");
    forget(&t);
    ns_arch_free(a);
}

/* One weight's tensor becomes its codes: NAME_blocks and NAME_scales. */
static void stored_as_codes(void **state)
{
    (void)state;
    static tensors t;
    ns_arch *const a = arch_of("{\"model_type\":\"gpt_oss\",\"hidden_size\":64,\"num_attention_heads\":4,\"num_key_value_heads\":2,"
                               "\"head_dim\":6,\"num_hidden_layers\":1,\"intermediate_size\":32,\"vocab_size\":32,\"num_local_experts\":3,"
                               "\"num_experts_per_tok\":2,\"quantization_config\":{\"quant_method\":\"mxfp4\"}}");
    assert_int_equal(ns_arch_each(a, plan, &t, NULL), NS_OK);
    expect(a, &t, NS_OK, "");                                               /* numbers are as good, if their rows are the outputs */
    ns_tensor_out *const up = find(&t, "model.layers.0.mlp.experts.gate_up_proj");
    up->name = "model.layers.0.mlp.experts.gate_up_proj_blocks";
    up->view = ns_view_of(zeros, NS_U8, 4, (int64_t[]){3, 64, 2, 16});
    up->dtype = NS_U8;
    ns_tensor_out *const scales = add(&t, "model.layers.0.mlp.experts.gate_up_proj_scales", 3, 3, 64);
    scales->view = ns_view_of(zeros, NS_U8, 3, (int64_t[]){3, 64, 2});
    scales->dtype = NS_U8;
    expect(a, &t, NS_OK, "");
    scales->view = ns_view_of(zeros, NS_U8, 3, (int64_t[]){3, 64, 1});
    expect(a, &t, NS_E_FORMAT, "gate_up_proj_scales' are not MXFP4: U8 [..., 16] and U8 [...] are needed");
    scales->view = ns_view_of(zeros, NS_U8, 3, (int64_t[]){3, 64, 2});
    up->view = ns_view_of(zeros, NS_U8, 4, (int64_t[]){3, 64, 2, 8});
    expect(a, &t, NS_E_FORMAT, "are not MXFP4");
    up->view = ns_view_of(zeros, NS_U8, 4, (int64_t[]){3, 48, 2, 16});
    scales->view = ns_view_of(zeros, NS_U8, 3, (int64_t[]){3, 48, 2});
    expect(a, &t, NS_E_FORMAT, "is [3, 48, 64], but ffn.gate (width of an expert, hidden_size) of config.json wants [3 experts, 63, 64]");
    free(t.names[--t.n]);
    expect(a, &t, NS_E_FORMAT, "no tensor 'model.layers.0.mlp.experts.gate_up_proj'");
    forget(&t);
    ns_arch_free(a);
}

static void a_bias_too_many(void **state)
{
    (void)state;
    static tensors t;
    ns_arch *const a = arch_of(small_configs[1].json);
    assert_int_equal(ns_arch_each(a, plan, &t, NULL), NS_OK);
    add(&t, "model.layers.0.self_attn.q_proj.bias", 1, 16, 1);
    expect(a, &t, NS_E_FORMAT,
           "tensor 'model.layers.0.self_attn.q_proj.bias' would not be used: config.json's attention_bias or mlp_bias is false or absent");
    free(t.names[--t.n]);
    add(&t, "model.layers.0.mamba.conv1d.bias", 1, 16, 1);
    expect(a, &t, NS_E_FORMAT, "would not be used: config.json's switch of that bias (mamba_conv_bias, use_conv_bias) is false");
    free(t.names[--t.n]);
    add(&t, "model.layers.0.mixer.shared_experts.up_proj.bias", 1, 16, 1);
    expect(a, &t, NS_E_FORMAT, "would not be used: biases of shared experts are not supported");
    forget(&t);
    ns_arch_free(a);
}

/* A description of gpt_neox, whose q, k and v lie by turns, that lost the group and stride of one of them. */
static void rows_taken_twice(void **state)
{
    (void)state;
    static tensors t;
    ns_arch *const a = arch_of(small_config("gpt_neox"));
    assert_int_equal(ns_arch_each(a, plan, &t, NULL), NS_OK);
    ns_attn *const attn = a->layers[0].stages[0].branches[0].params;
    assert_true(attn->q.group < attn->q.n_out && attn->k.group < attn->k.n_out);
    ns_tref *const weights[] = {&attn->q, &attn->k, &attn->v};
    for (int i = 0; i < 3; i++) {
        const ns_tref own = *weights[i];
        weights[i]->group = weights[i]->stride = own.n_out;
        weights[i]->start = i == 2 ? 0 : own.start;               /* v's rows would not be there */
        expect(a, &t, NS_E_FORMAT, "some of its 96 rows are taken twice, and others by nobody: correct start, group and stride");
        *weights[i] = own;
    }
    forget(&t);
    ns_arch_free(a);
}

/* One table of q | k | v, cut anywhere into tensors that its name lists. */
static void cut_tables(void **state)
{
    (void)state;
    static tensors t;
    ns_arch *const a = arch_of(small_config("olmo_hybrid"));
    assert_int_equal(ns_arch_each(a, plan, &t, NULL), NS_OK);
    ns_tensor_out *const q = find(&t, "model.layers.0.linear_attn.conv1d.weight");
    const int64_t rows = q->view.shape[0], taps = q->view.shape[1];
    assert_int_equal(rows, 60);                                 /* 10 of q, 10 of k, 40 of v */
    ns_branch *const b = &a->layers[0].stages[0].branches[0];
    static const char *const roles[] = {"attn.q_conv", "attn.k_conv", "attn.v_conv"};
    ns_tref *trefs[3];
    for (int i = 0; i < 3; i++) {
        trefs[i] = ns_slot_tref(b, &b->class_->slots[ns_slot_find(b->class_, roles[i])]);
        free(trefs[i]->name);
        trefs[i]->name = ns_strdup("model.layers.0.linear_attn.{q,k,v}_conv1d.weight");
    }
    q->name = "model.layers.0.linear_attn.q_conv1d.weight";
    set_shape(q, 2, (int64_t[]){20, taps});
    ns_tensor_out *const k = add(&t, "model.layers.0.linear_attn.k_conv1d.weight", 2, 20, taps);
    expect(a, &t, NS_E_FORMAT, "no tensor 'model.layers.0.linear_attn.v_conv1d.weight', one of '");
    ns_tensor_out *const v = add(&t, "model.layers.0.linear_attn.v_conv1d.weight", 2, 20, taps);
    expect(a, &t, NS_OK, "");
    set_shape(k, 2, (int64_t[]){3, taps});
    expect(a, &t, NS_E_FORMAT, "is [43, 4], but attn.v_conv (");
    set_shape(v, 2, (int64_t[]){37, taps});
    expect(a, &t, NS_OK, "");
    set_shape(v, 2, (int64_t[]){38, taps});
    expect(a, &t, NS_E_FORMAT, "q_conv1d.weight' has 61 rows, but the sizes of config.json");
    set_shape(v, 2, (int64_t[]){37, taps + 1});
    expect(a, &t, NS_E_FORMAT, "v_conv1d.weight' have not one type and rows of one width: they cannot be joined");
    set_shape(v, 2, (int64_t[]){37, taps});
    trefs[1]->transposed = true;
    expect(a, &t, NS_E_FORMAT, "attn.k_conv: 'model.layers.0.linear_attn.{q,k,v}_conv1d.weight' joins tensors: up to four may be");
    trefs[1]->transposed = false;
    forget(&t);
    ns_arch_free(a);
}

/* phi3's fused projection: rows that nobody takes. */
static void rows_left_over(void **state)
{
    (void)state;
    static tensors t;
    ns_arch *const a = arch_of(small_configs[14].json);
    assert_int_equal(ns_arch_each(a, plan, &t, NULL), NS_OK);
    find(&t, "model.layers.1.self_attn.qkv_proj.weight")->view = ns_view_of(zeros, NS_F32, 2, (int64_t[]){48, 16});
    expect(a, &t, NS_E_FORMAT,
           "tensor 'model.layers.1.self_attn.qkv_proj.weight' has 48 rows, but the sizes of config.json (num_attention_heads x head_dim, "
           "hidden_size) take 32 of them");
    find(&t, "model.layers.1.self_attn.qkv_proj.weight")->view = ns_view_of(zeros, NS_F32, 2, (int64_t[]){31, 16});
    expect(a, &t, NS_E_FORMAT, "is [31, 16], but attn.v (num_key_value_heads x head_dim, hidden_size) of config.json wants [32, 16]");
    forget(&t);
    ns_arch_free(a);
}

/* A tied model whose file holds a head all the same: fine while it is equal. */
static void tied_head(void **state)
{
    (void)state;
    static tensors t;
    static float other[32 * 16];
    ns_arch *const a = arch_of(small_configs[3].json);
    assert_int_equal(ns_arch_each(a, plan, &t, NULL), NS_OK);
    add(&t, "lm_head.weight", 2, 32, 16);
    expect(a, &t, NS_OK, "");
    other[5] = 1;
    find(&t, "lm_head.weight")->view.data = other;
    expect(a, &t, NS_E_FORMAT, "tensor 'lm_head.weight' differs from 'model.embed_tokens.weight', but config.json says that they are tied");
    forget(&t);
    ns_arch_free(a);
}

/* A list of layers that is not that of the tensors. */
static void layer_lists(void **state)
{
    (void)state;
    static tensors t;
    ns_arch *a = arch_of(config_with("lfm2", "\"vocab_size\":32,\"full_attn_idxs\":[1]"));
    assert_int_equal(ns_arch_each(a, plan, &t, NULL), NS_OK);
    expect(a, &t, NS_OK, "");
    ns_arch_free(a);
    a = arch_of(config_with("lfm2", "\"vocab_size\":32,\"full_attn_idxs\":[0]"));
    expect(a, &t, NS_E_FORMAT, "no tensor 'model.layers.0.self_attn.q_proj.weight' (attn.q of layer 0");
    ns_arch_free(a);
    a = arch_of(config_with("lfm2", "\"vocab_size\":32,\"full_attn_idxs\":[1],\"conv_bias\":true"));
    expect(a, &t, NS_E_FORMAT, "no tensor 'model.layers.0.conv.in_proj.bias'");
    forget(&t);
    ns_arch_free(a);
}

/* Wrappers and bare trunks: the prefix is found by the embedding, the head's by the head. */
static void prefixes(void **state)
{
    (void)state;
    static tensors t;
    static const char *const names[][3] = {
        {"language_model.model.embed_tokens.weight", "language_model.model.layers.0.mlp.up_proj.weight", "language_model.lm_head.weight"},
        {"model.language_model.embed_tokens.weight", "model.language_model.layers.0.mlp.up_proj.weight", "lm_head.weight"},
        {"model.text_model.embed_tokens.weight", "model.text_model.layers.0.mlp.up_proj.weight", "lm_head.weight"},
        {"llm.model.embed_tokens.weight", "llm.model.layers.0.mlp.up_proj.weight", "llm.lm_head.weight"},
        {"model.embed_tokens.weight", "model.layers.0.mlp.up_proj.weight", "lm_head.weight"},
        {"embed_tokens.weight", "layers.0.mlp.up_proj.weight", "lm_head.weight"}};
    static const char json[] =
        "{\"model_type\":\"mistral3\",\"text_config\":{\"model_type\":\"mistral\",\"hidden_size\":16,\"num_attention_heads\":4,"
        "\"num_key_value_heads\":2,\"num_hidden_layers\":2,\"intermediate_size\":24,\"vocab_size\":32}}";
    char path[64];
    snprintf(path, sizeof path, "%s/config.json", folder);
    ns_error err = {""};
    assert_int_equal(ns_file_write(path, json, strlen(json), &err), NS_OK);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        add(&t, names[i][0], 2, 32, 16);
        add(&t, names[i][2], 2, 32, 16);
        ns_checkpoint *const c = stored(&t);
        ns_arch *a = NULL;
        if (ns_arch_from_checkpoint(&a, c, NULL, &err))
            fail_msg("%s", err.message);
        assert_string_equal(a->embed.name, names[i][0]);
        assert_string_equal(ns_arch_ffn(a, 0)->up.name, names[i][1]);
        assert_string_equal(a->head.name, names[i][2]);
        ns_arch_free(a);
        ns_checkpoint_free(c);
        forget(&t);
    }
    unlink(path);
    add(&t, "w", 1, 1, 1);
    ns_checkpoint *const c = stored(&t);
    ns_arch *a = NULL;
    assert_int_equal(ns_arch_from_checkpoint(&a, c, NULL, &err), NS_E_MISSING);
    assert_non_null(strstr(err.message, "no config.json"));
    ns_checkpoint_free(c);
    forget(&t);
}

/* Decays that minimax keeps beside its weights are those that its layers have. */
static void stored_decays(void **state)
{
    (void)state;
    static tensors t;
    ns_arch *const a = arch_of(small_config("minimax"));
    assert_int_equal(ns_arch_each(a, plan, &t, NULL), NS_OK);
    ns_tensor_out *const s = add(&t, "model.layers.0.self_attn.slope_rate", 3, 4, 1);
    float slopes[4] = {0.25f, 0.0625f, 0.015625f, 0.00390625f};        /* 2^(-8 (h + 1) / 4), of layer 0 times 1.00001 */
    s->view = ns_view_of(slopes, NS_F32, 3, (int64_t[]){4, 1, 1});
    expect(a, &t, NS_OK, "");
    slopes[3] *= 1.01f;
    expect(a, &t, NS_E_FORMAT, "self_attn.slope_rate' has 0.00394531 for head 3, whose decay is e^-0.00390629");
    slopes[3] = NAN;
    expect(a, &t, NS_E_FORMAT, "has nan for head 3");
    s->view = ns_view_of(slopes, NS_F32, 3, (int64_t[]){3, 1, 1});
    expect(a, &t, NS_E_FORMAT, "is not of 4 heads");
    forget(&t);
    ns_arch_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(exact_files_pass), cmocka_unit_test(sizes_of_one), cmocka_unit_test(contradictions),
                                       cmocka_unit_test(experts), cmocka_unit_test(stored_as_codes),
                                       cmocka_unit_test(a_bias_too_many),  cmocka_unit_test(rows_left_over),
                                       cmocka_unit_test(rows_taken_twice), cmocka_unit_test(cut_tables),
                                       cmocka_unit_test(tied_head),        cmocka_unit_test(layer_lists),
                                       cmocka_unit_test(prefixes),         cmocka_unit_test(stored_decays)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
