/* tiny.c - random weights for every tref of an arch whose trefs are whole tensors. */
#include "tiny.h"
#include "core/core.h"
#include "model/branch/branch.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

const char *const tiny_llama = "{\"model_type\":\"llama\",\"architectures\":[\"LlamaForCausalLM\"],\"hidden_size\":48,\"intermediate_"
                               "size\":80,\"num_hidden_layers\":3,"
                               "\"num_attention_heads\":6,\"num_key_value_heads\":2,\"head_dim\":16,\"vocab_size\":101,\"max_position_"
                               "embeddings\":1024,\"rms_norm_eps\":1e-5,"
                               "\"rope_theta\":10000.0,\"hidden_act\":\"silu\",\"tie_word_embeddings\":false}";
const char *const tiny_mistral =
    "{\"model_type\":\"mistral\",\"hidden_size\":40,\"intermediate_size\":72,\"num_hidden_layers\":3,\"num_attention_heads\":4,"
    "\"num_key_value_heads\":4,\"head_dim\":10,\"vocab_size\":97,\"max_position_embeddings\":1024,\"rms_norm_eps\":1e-5,\"rope_theta\":"
    "10000.0,"
    "\"sliding_window\":37,\"hidden_act\":\"silu\",\"tie_word_embeddings\":true}";
const char *const tiny_gemma2 =
    "{\"model_type\":\"gemma2\",\"hidden_size\":48,\"intermediate_size\":64,\"num_hidden_layers\":4,\"num_attention_heads\":4,"
    "\"num_key_value_heads\":2,\"head_dim\":12,\"vocab_size\":101,\"max_position_embeddings\":1024,\"rms_norm_eps\":1e-6,\"rope_theta\":"
    "10000.0,"
    "\"sliding_window\":300,\"query_pre_attn_scalar\":16,\"attn_logit_softcapping\":20.0,\"final_logit_softcapping\":15.0,"
    "\"hidden_activation\":\"gelu_pytorch_tanh\",\"tie_word_embeddings\":true}";
const char *const tiny_gpt_neox =
    "{\"model_type\":\"gpt_neox\",\"hidden_size\":48,\"intermediate_size\":96,\"num_hidden_layers\":3,\"num_attention_heads\":4,\"vocab_"
    "size\":101,"
    "\"max_position_embeddings\":1024,\"layer_norm_eps\":1e-5,\"rotary_pct\":0.5,\"rotary_emb_base\":10000,\"hidden_act\":\"gelu\","
    "\"use_parallel_residual\":true,\"tie_word_embeddings\":false}";
const char *const tiny_minimax =
    "{\"model_type\":\"minimax\",\"hidden_size\":48,\"intermediate_size\":64,\"num_hidden_layers\":4,\"num_attention_heads\":4,"
    "\"num_key_value_heads\":2,\"head_dim\":12,\"vocab_size\":101,\"max_position_embeddings\":1024,\"rms_norm_eps\":1e-5,\"rope_theta\":"
    "10000.0,"
    "\"num_local_experts\":1,\"layer_types\":[\"linear_attention\",\"full_attention\",\"linear_attention\",\"linear_attention\"],"
    "\"linear_attn_alpha_factor\":1.5,\"mlp_beta_factor\":0.5,\"hidden_act\":\"silu\",\"tie_word_embeddings\":false}";

/* Sinks, windows and full attention, experts of one tensor with biases. */
const char *const tiny_gpt_oss =
    "{\"model_type\":\"gpt_oss\",\"hidden_size\":32,\"intermediate_size\":24,\"num_hidden_layers\":2,\"num_attention_heads\":6,"
    "\"num_key_value_heads\":2,\"head_dim\":8,\"vocab_size\":97,\"max_position_embeddings\":1024,\"sliding_window\":37,"
    "\"num_local_experts\":6,\"num_experts_per_tok\":2,\"rope_scaling\":null}";
/* Runs of positions that are no multiple of a block, temperatures, weights on the input of experts. */
const char *const tiny_llama4 =
    "{\"model_type\":\"llama4_text\",\"hidden_size\":32,\"intermediate_size\":24,\"intermediate_size_mlp\":40,\"num_hidden_layers\":3,"
    "\"num_attention_heads\":4,\"num_key_value_heads\":2,\"head_dim\":8,\"vocab_size\":97,\"max_position_embeddings\":1024,"
    "\"num_local_experts\":3,\"attention_chunk_size\":77,\"floor_scale\":50,\"no_rope_layers\":[1,0,1],\"moe_layers\":[0,2]}";
/* A gate of z. */
const char *const tiny_gated =
    "{\"model_type\":\"qwen3_next\",\"hidden_size\":32,\"intermediate_size\":40,\"num_hidden_layers\":2,\"num_attention_heads\":4,"
    "\"num_key_value_heads\":2,\"head_dim\":8,\"vocab_size\":97,\"max_position_embeddings\":1024,\"partial_rotary_factor\":0.5,"
    "\"num_experts\":4,\"num_experts_per_tok\":2,\"moe_intermediate_size\":20,\"shared_expert_intermediate_size\":12,"
    "\"attention_bias\":true,\"layer_types\":[\"full_attention\",\"full_attention\"]}";
/* Layers with and without experts; more rows than an expert takes, and none for some. */
const char *const tiny_experts =
    "{\"model_type\":\"glm4_moe\",\"hidden_size\":48,\"intermediate_size\":64,\"num_hidden_layers\":3,\"num_attention_heads\":4,"
    "\"num_key_value_heads\":2,\"head_dim\":12,\"vocab_size\":101,\"max_position_embeddings\":1024,\"partial_rotary_factor\":0.5,"
    "\"n_routed_experts\":12,\"num_experts_per_tok\":3,\"moe_intermediate_size\":40,\"n_group\":3,\"topk_group\":2,"
    "\"first_k_dense_replace\":1,\"use_qk_norm\":true,\"routed_scaling_factor\":1.5}";

/* Gated DeltaNet: fewer heads of q and k than of v, keys wider than values, the delta rule, a convolution; and attention with a gate. */
const char *const tiny_delta =
    "{\"model_type\":\"qwen3_next\",\"hidden_size\":48,\"intermediate_size\":64,\"num_hidden_layers\":4,\"num_attention_heads\":4,"
    "\"num_key_value_heads\":2,\"head_dim\":12,\"vocab_size\":101,\"max_position_embeddings\":1024,\"partial_rotary_factor\":0.5,"
    "\"num_experts\":0,\"linear_num_value_heads\":4,\"linear_num_key_heads\":2,\"linear_key_head_dim\":12,\"linear_value_head_dim\":10,"
    "\"layer_types\":[\"linear_attention\",\"full_attention\",\"linear_attention\",\"linear_attention\"]}";
/* Gated short convolutions, and attention. */
const char *const tiny_lfm2 =
    "{\"model_type\":\"lfm2\",\"hidden_size\":48,\"intermediate_size\":64,\"num_hidden_layers\":4,\"num_attention_heads\":4,"
    "\"num_key_value_heads\":2,\"vocab_size\":101,\"max_position_embeddings\":1024,\"conv_L_cache\":4,\"conv_bias\":true,"
    "\"block_auto_adjust_ff_dim\":false,\"layer_types\":[\"conv\",\"full_attention\",\"conv\",\"conv\"]}";
/* Of one tap: there is no state. */
const char *const tiny_lfm2_tap =
    "{\"model_type\":\"lfm2\",\"hidden_size\":48,\"intermediate_size\":64,\"num_hidden_layers\":4,\"num_attention_heads\":4,"
    "\"num_key_value_heads\":2,\"vocab_size\":101,\"max_position_embeddings\":1024,\"conv_L_cache\":1,"
    "\"block_auto_adjust_ff_dim\":false,\"layer_types\":[\"conv\",\"full_attention\",\"conv\",\"conv\"]}";
/* Mamba-1 with norms of its steps, experts in every other layer, attention in one; more channels than a panel. */
const char *const tiny_jamba =
    "{\"model_type\":\"jamba\",\"hidden_size\":40,\"intermediate_size\":48,\"num_hidden_layers\":4,\"num_attention_heads\":4,"
    "\"num_key_value_heads\":2,\"vocab_size\":101,\"max_position_embeddings\":1024,\"attn_layer_period\":4,\"attn_layer_offset\":1,"
    "\"num_experts\":4,\"num_experts_per_tok\":2,\"mamba_d_state\":5,\"mamba_dt_rank\":3,\"mamba_proj_bias\":true}";
/* RG-LRUs with block-diagonal gates, and attention in a window. */
const char *const tiny_griffin =
    "{\"model_type\":\"recurrent_gemma\",\"hidden_size\":48,\"intermediate_size\":60,\"num_hidden_layers\":4,\"num_attention_heads\":4,"
    "\"num_key_value_heads\":1,\"vocab_size\":101,\"lru_width\":44,\"attention_window_size\":37,\"conv1d_width\":3,"
    "\"block_types\":[\"recurrent\",\"attention\",\"recurrent\"]}";
/* Attention and Mamba-2 side by side, and multipliers of everything. */
#define FALCON \
    "{\"model_type\":\"falcon_h1\",\"hidden_size\":48,\"intermediate_size\":56,\"num_hidden_layers\":3,\"num_attention_heads\":4," \
    "\"num_key_value_heads\":2,\"vocab_size\":101,\"max_position_embeddings\":1024,\"mamba_d_ssm\":60,\"mamba_n_heads\":6," \
    "\"mamba_d_head\":10,\"mamba_n_groups\":2,\"mamba_d_state\":9,\"mamba_rms_norm\":true,\"embedding_multiplier\":1.5," \
    "\"lm_head_multiplier\":0.8,\"mlp_multipliers\":[0.8,1.3],\"key_multiplier\":0.7,\"attention_in_multiplier\":1.2," \
    "\"attention_out_multiplier\":0.9,\"ssm_in_multiplier\":0.6,\"ssm_multipliers\":[0.9,1.1,0.8,1.2,0.7],\"ssm_out_multiplier\":1.4}"
const char *const tiny_falcon = FALCON;
/* The same, of which the recurrence has the heads. */
const char *const tiny_falcon_rows = " " FALCON;
/* A branch a layer: Mamba-2 with a norm for each group, experts without gates, attention without rope, an MLP. */
const char *const tiny_nemotron =
    "{\"model_type\":\"nemotron_h\",\"hidden_size\":48,\"intermediate_size\":56,\"num_attention_heads\":4,\"num_key_value_heads\":2,"
    "\"head_dim\":10,\"vocab_size\":101,\"max_position_embeddings\":1024,\"mamba_num_heads\":6,\"mamba_head_dim\":10,\"n_groups\":2,"
    "\"ssm_state_size\":9,\"hybrid_override_pattern\":\"-M*E\",\"n_routed_experts\":4,\"num_experts_per_tok\":2,\"mlp_bias\":true,"
    "\"moe_intermediate_size\":20,\"moe_shared_expert_intermediate_size\":28,\"use_bias\":true}";
/* HGRN2: fewer gates a head (11) than values (12), and attention. */
const char *const tiny_hgrn2 =
    "{\"model_type\":\"hgrn2\",\"hidden_size\":48,\"intermediate_size\":56,\"expand_ratio\":11,\"num_hidden_layers\":3,"
    "\"use_lower_bound\":false,\"vocab_size\":101,\"attn\":{\"layers\":[1],\"num_heads\":4}}";
/* HGRN2 with lower bounds, one tensor that layers 1 and 2 share. */
const char *const tiny_bounds =
    "{\"model_type\":\"hgrn2\",\"hidden_size\":48,\"intermediate_size\":56,\"expand_ratio\":12,\"num_hidden_layers\":3,"
    "\"vocab_size\":101}";
/* Mamba-2: values wider than a panel, a gate before the norm, a skip, no MLP, no attention. */
const char *const tiny_mamba2 =
    "{\"model_type\":\"mamba2\",\"hidden_size\":40,\"expand\":4,\"num_hidden_layers\":3,\"num_heads\":4,\"head_dim\":40,\"state_size\":9,"
    "\"n_groups\":2,\"vocab_size\":101,\"use_bias\":true}";

/* Steps that are mostly at their limits, whose numbers of 32 bits are not those of the config. */
const char *const tiny_limits =
    "{\"model_type\":\"mamba2\",\"hidden_size\":40,\"expand\":1,\"num_hidden_layers\":2,\"num_heads\":4,\"head_dim\":10,\"state_size\":9,"
    "\"n_groups\":2,\"vocab_size\":101,\"time_step_limit\":[0.7,0.9]}";

/* A layer each of GLA, KDA, RetNet and DeltaNet by a description: decays of key channels and of heads, constant and none, both rules. */
#define REST(n) \
    "\"v\":\"" n ".v\",\"o\":\"" n ".o\",\"z_norm\":{\"type\":\"rms\",\"eps\":1e-5,\"weight\":\"" n ".n\"}}}]}]}"
#define RECURRENCE(n, settings) \
    "{\"stages\":[{\"branches\":[{\"kind\":\"attn\",\"in_norm\":{\"type\":\"rms\",\"eps\":1e-5,\"weight\":\"" n ".in\"},\"attn\":{" \
    "\"mixer\":\"recurrence\",\"n_heads\":4,\"head_dim\":10,\"scale\":0.3,\"q\":\"" n ".q\",\"k\":\"" n ".k\"," settings "," REST(n)
#define GATE(n) "\"z_gate\":\"" n ".g\","
#define THIN(n) "\"gate_rank\":5,\"gate_in\":\"" n ".ga\",\"gate_out\":\"" n ".gb\",\"gate_out_bias\":\"" n ".gbb\","
#define L2 "\"qk_norm\":\"per_head\",\"q_norm\":{\"type\":\"l2\",\"eps\":1e-6},\"k_norm\":{\"type\":\"l2\",\"eps\":1e-6}"
const char *const tiny_recurrences =
    "{\"model_type\":\"needlescope\",\"arch\":{\"needlescope_arch\":1,\"family\":\"of my own\",\"d_model\":48,\"vocab\":101,"
    "\"embed\":\"embed\",\"head\":\"head\",\"final_norm\":{\"type\":\"rms\",\"eps\":1e-5,\"weight\":\"norm\"},"
    "\"ropes\":[{\"theta\":10000,\"rotary_dim\":8,\"layout\":\"half\"}],\"layers\":["
    RECURRENCE("0", "\"n_kv_heads\":4,\"key_dim\":13,\"rope\":-1,\"qkv_act\":\"none\",\"decay\":\"logsigmoid\","
                    "\"decay_of\":\"key_channel\",\"divisor\":16,\"step_rank\":3,\"step_in\":\"0.gk0\",\"step_out\":\"0.gk1\","
                    "\"step_out_bias\":\"0.gkb\"," GATE("0")
                    "\"z_norm_of\":\"head\",\"gate_act\":\"silu\"") ","
    RECURRENCE("1", "\"n_kv_heads\":2,\"k_heads\":4,\"key_dim\":12,\"rope\":-1,\"conv_taps\":3,\"q_conv\":\"1.qc\",\"k_conv\":\"1.kc\","
                    "\"v_conv\":\"1.vc\",\"decay\":\"softplus\",\"decay_of\":\"key_channel\",\"step_rank\":4,\"step_in\":\"1.fa\","
                    "\"step_out\":\"1.f\",\"step_bias\":\"1.fb\"," THIN("1")
                    "\"rate\":\"1.a\",\"rule\":\"delta\",\"beta\":\"sigmoid\",\"write\":\"1.b\",\"z_norm_of\":\"head\"," L2) ","
    RECURRENCE("2", "\"n_kv_heads\":4,\"rope\":0,\"qkv_act\":\"none\",\"decay\":\"slope\",\"slope\":[0.5,0.25,0.125,0.0625]," GATE("2")
                    "\"z_norm_groups\":4,\"gate_act\":\"silu\",\"gate_order\":\"gate_norm\"") ","
    RECURRENCE("3", "\"n_kv_heads\":4,\"q_heads\":2,\"rope\":-1,\"rule\":\"delta\",\"beta\":\"twice_sigmoid\",\"write\":\"3.b\","
                    GATE("3") L2)
    "]}}";

typedef struct tensors { ns_tensor_out *list; int64_t n, capacity; ns_rng rng; const char *poisoned; float poison; ns_dtype even,
                        odd; } tensors;

/* To 1/64 and below 4: eight bits, so that f32, bf16 and f16 store the same number. */
static float short_number(double x)
{
    x = x > 3.9 ? 3.9 : x < -3.9 ? -3.9 : x;
    return (float)((int)(x * 64)) / 64;
}

/* Parts that follow in the same tensor (q | k | v of phi3). */
static void extend(tensors *t, ns_tensor_out *out, const ns_tref *r, float mean, float sd)
{
    const int64_t have = out->view.shape[0], rows = r->start + r->n_out;
    if (out->view.rank > 2 || r->stride > r->group || rows <= have)
        return;
    float *const data = realloc(out->view.data, (size_t)(rows * r->n_in) * sizeof *data);
    assert_non_null(data);
    for (int64_t i = have * r->n_in; i < rows * r->n_in; i++)
        data[i] = short_number((double)mean + (double)sd * ns_rng_normal(&t->rng));
    out->view = ns_view_of(data, NS_F32, out->view.rank, (int64_t[]) { rows, r->n_in });
}

/* The tensor of a weight: of an expert (-1: of none), or of all `copies` of them. halves: more rows follow in the same tensor. */
static void add_tensor(tensors *t, const ns_tref *r, int64_t expert, int64_t copies, int64_t halves, float mean, float sd)
{
    char name[NS_TENSOR_NAME];
    ns_tref_name(r, expert, name);
    /* fused tensors are whole multiples */
    const int64_t all = copies && expert < 0 ? copies : 1, first_row = copies || r->stride > r->group ? 0 : r->start,
                  rows = (r->n_out - 1) / r->group * r->stride + (r->stride > r->group ? r->stride : r->n_out * halves + first_row);
    for (int64_t i = 0; i < t->n; i++)
        if (strcmp(t->list[i].name, name) == 0) {
            extend(t, &t->list[i], r, mean, sd);
            return;
        }
    assert_true(ns_grow(&t->list, &t->capacity, t->n + 1, sizeof *t->list));
    const int64_t n = all * rows * r->n_in, first = r->transposed ? r->n_in : rows, second = r->transposed ? rows : r->n_in;
    float *data = ns_alloc_array((size_t)n, sizeof *data);
    assert_non_null(data);
    for (int64_t i = 0; i < n; i++)
        data[i] = short_number((double)mean + (double)sd * ns_rng_normal(&t->rng));
    if (t->poisoned && strcmp(t->poisoned, name) == 0)
        data[n / 2] = t->poison;
    const int rank = r->n_in == 1 && !ns_ends(name, "conv.weight") ? 1 : 2;               /* one tap is a column */
    t->list[t->n++] = (ns_tensor_out){ns_strdup(name), all > 1 ? ns_view_of(data, NS_F32, rank + 1, (int64_t[]){all, first, second})
                                                               : ns_view_of(data, NS_F32, rank, (int64_t[]){first, second}),
                                      t->n % 2 ? t->odd : t->even};
}

static void add(tensors *t, const ns_tref *r, float mean, float sd)
{
    if (r->name)
        add_tensor(t, r, -1, 0, 1, mean, sd);
}

/* How many weights of the branch are parts of the tensor. */
static int64_t parts_of(const ns_branch *b, const ns_tref *r)
{
    int64_t n = 0;
    for (const ns_slot *s = b->class_->slots; s->role; s++) {
        const ns_tref *const both[] = {s->kind == NS_SLOT_NORM ? NULL : ns_slot_tref(b, s), s->bias ? ns_slot_bias(b, s) : NULL};
        for (int i = 0; i < 2; i++)
            n += both[i] && both[i]->name && strcmp(both[i]->name, r->name) == 0;
    }
    return n;
}

static void add_copies(tensors *t, const ns_branch *b, const ns_tref *r, int64_t copies, float mean, float sd)
{
    const int64_t n = r->name && copies && ns_tref_split(r) ? copies : 0;
    if (r->name && !n)
        add_tensor(t, r, -1, copies, copies ? parts_of(b, r) : 1, mean, sd);
    for (int64_t e = 0; e < n; e++)
        add_tensor(t, r, e, copies, 1, mean, sd);
}

static void add_norm(tensors *t, const ns_norm *n)
{
    add(t, &n->weight, 1.0f - n->offset, 0.2f);
    add(t, &n->bias, 0, 0.1f);
}

static void add_branch(tensors *t, const ns_branch *b)
{
    add_norm(t, &b->in_norm);
    add_norm(t, &b->out_norm);
    for (const ns_slot *s = b->class_->slots; s->role; s++)
        if (s->kind == NS_SLOT_NORM) {
            add_norm(t, ns_slot_norm(b, s));
        } else {
            add_copies(t, b, ns_slot_tref(b, s), ns_slot_copies(b, s), 0, 0.25f);
            if (s->bias)
                add_copies(t, b, ns_slot_bias(b, s), ns_slot_copies(b, s), 0, 0.1f);
        }
}

static int write_tensors(const char *dir, const ns_arch *arch, tensors t, ns_error *err)
{
    t.rng = ns_rng_seed(7, 1);
    add(&t, &arch->embed, 0, 0.5f);
    for (int64_t l = 0; l < arch->n_layers; l++)
        for (int s = 0; s < arch->layers[l].n_stages; s++)
            for (int b = 0; b < arch->layers[l].stages[s].n_branches; b++)
                add_branch(&t, &arch->layers[l].stages[s].branches[b]);
    add_norm(&t, &arch->final_norm);
    add(&t, &arch->head, 0, 0.3f);
    char *path = ns_path_join(dir, "model.safetensors");
    int rc = ns_safetensors_write(path, t.list, t.n, err);
    free(path);
    for (int64_t i = 0; i < t.n; i++) {
        free(t.list[i].view.data);
        free((char *)t.list[i].name);
    }
    free(t.list);
    return rc;
}

int tiny_write(const char *dir, const ns_arch *arch, const char *poisoned, float poison, ns_error *err)
{
    return write_tensors(dir, arch, (tensors) { .poisoned = poisoned, .poison = poison, .even = NS_F32, .odd = NS_F32 }, err);
}

static void ok(int rc, const ns_error *err)
{
    if (rc != NS_OK)
        fail_msg("%d: %s", rc, err->message);
}

void tiny_reopen(tiny *t, int threads, const char *cpu, int64_t memory)
{
    ns_error err = {""};
    ns_model_free(t->model);
    ns_engine_free(t->engine);
    ns_engine_params e = {.size = sizeof e, .threads = threads ? threads : 2, .cpu = cpu};
    ns_model_params m = {.size = sizeof m, .memory = memory, .hash = true};
    t->model = NULL;
    ok(ns_engine_new(&t->engine, &e, &err), &err);
    ok(ns_model_load(&t->model, t->engine, t->checkpoint, t->arch, &m, &err), &err);
}

void tiny_store(tiny *t, ns_dtype even, ns_dtype odd)
{
    ns_error err = {""};
    ns_model_free(t->model);
    ns_checkpoint_free(t->checkpoint);
    t->model = NULL;
    ok(write_tensors(t->dir, t->arch, (tensors) { .even = even, .odd = odd }, &err), &err);
    ok(ns_checkpoint_open(&t->checkpoint, t->dir, NULL, &err), &err);
}

void tiny_open(tiny *t, const char *config, int threads, const char *cpu, int64_t memory)
{
    ns_error err = {""};
    memset(t, 0, sizeof *t);
    snprintf(t->dir, sizeof t->dir, "/tmp/needlescope-tiny-XXXXXX");
    assert_non_null(mkdtemp(t->dir));
    char *path = ns_path_join(t->dir, "config.json");
    ok(ns_file_write(path, config, strlen(config), &err), &err);
    free(path);
    ns_arch_params params = {.size = sizeof params};
    ok(ns_arch_from_config(&t->arch, config, strlen(config), "tiny", &params, &err), &err);
    if (config == tiny_falcon_rows)
        ok(ns_arch_show_heads(t->arch, "recurrence", &err), &err);
    ok(tiny_write(t->dir, t->arch, NULL, 0, &err), &err);
    ok(ns_checkpoint_open(&t->checkpoint, t->dir, NULL, &err), &err);
    tiny_reopen(t, threads, cpu, memory);
}

void tiny_close(tiny *t)
{
    ns_model_free(t->model);
    ns_engine_free(t->engine);
    ns_arch_free(t->arch);
    ns_checkpoint_free(t->checkpoint);
    const char *files[] = {"config.json", "model.safetensors"};
    for (int i = 0; i < 2; i++) {
        char *path = ns_path_join(t->dir, files[i]);
        unlink(path);
        free(path);
    }
    rmdir(t->dir);
}

void tiny_tokens(int32_t *out, int64_t n, int64_t vocab, uint64_t seed)
{
    ns_rng rng = ns_rng_seed(seed, 3);
    for (int64_t i = 0; i < n; i++)
        out[i] = (int32_t)ns_rng_below(&rng, vocab);
}

void tiny_same(const float *a, const float *b, size_t n)
{
#ifdef NS_GEMM_OPENBLAS
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)a[i] - (double)b[i]) <= 1e-5 * (1 + fabs((double)b[i]))))
            fail_msg("number %zu is %g, not %g", i, (double)a[i], (double)b[i]);
#else
    assert_memory_equal(a, b, n * sizeof *a);
#endif
}
