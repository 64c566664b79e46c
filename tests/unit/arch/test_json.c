/* test_json.c - the description as JSON and back, for every family, field by field; edited files as strict as any untrusted input;
 * names maps. */
#include "arch_test.h"
#include <unistd.h>

/* ---- equality that does not trust the writer ---- */
typedef struct slots { ns_tref *list[4096]; int n; } slots;

static int collect(void *user, const ns_visit *slot, ns_error *err)
{
    slots *const s = user;
    (void)err;
    assert_true(s->n < 4096);
    s->list[s->n++] = slot->tref;
    return NS_OK;
}

static void same_norm(const ns_norm *a, const ns_norm *b)
{
    assert_int_equal(a->type, b->type);
    assert_true(a->type == NS_NORM_NONE || (a->eps == b->eps && a->offset == b->offset));
}

static void same_attn(const ns_attn *a, const ns_attn *b)
{
    assert_true(a->n_heads == b->n_heads && a->n_kv_heads == b->n_kv_heads && a->head_dim == b->head_dim && a->scale == b->scale &&
                a->qk_norm == b->qk_norm && a->clip_qkv == b->clip_qkv && a->softcap == b->softcap && a->rope == b->rope &&
                a->window == b->window);
    same_norm(&a->q_norm, &b->q_norm);
    same_norm(&a->k_norm, &b->k_norm);
    assert_int_equal(a->head_window != NULL, b->head_window != NULL);
    if (a->head_window)
        assert_memory_equal(a->head_window, b->head_window, (size_t)a->n_heads * sizeof(int64_t));
}

static void same_rope(const ns_rope *a, const ns_rope *b)
{
    assert_true(a->theta == b->theta && a->rotary_dim == b->rotary_dim && a->layout == b->layout && a->scaling == b->scaling &&
                a->factor == b->factor && a->low_freq_factor == b->low_freq_factor && a->high_freq_factor == b->high_freq_factor &&
                a->beta_fast == b->beta_fast && a->beta_slow == b->beta_slow && a->mscale == b->mscale &&
                a->mscale_all_dim == b->mscale_all_dim && a->attention_factor == b->attention_factor && a->truncate == b->truncate &&
                a->original_max_positions == b->original_max_positions);
    assert_int_equal(a->short_factor != NULL, b->short_factor != NULL);
    if (a->short_factor) {
        assert_memory_equal(a->short_factor, b->short_factor, (size_t)a->rotary_dim / 2 * sizeof(double));
        assert_memory_equal(a->long_factor, b->long_factor, (size_t)a->rotary_dim / 2 * sizeof(double));
    }
}

static void same_branch(const ns_branch *a, const ns_branch *b)
{
    assert_true(a->class_ == b->class_ && a->shares_norm == b->shares_norm && a->in_scale == b->in_scale && a->out_scale == b->out_scale);
    same_norm(&a->in_norm, &b->in_norm);
    same_norm(&a->out_norm, &b->out_norm);
    const ns_ffn *const x = a->params, *const y = b->params;
    if (a->class_->heads)
        same_attn(a->params, b->params);
    else if (a->class_->ffn)
        assert_true(x->d_ff == y->d_ff && x->act == y->act);
}

static void same_arch(ns_arch *a, ns_arch *b)
{
    static slots x, y;
    assert_string_equal(a->family, b->family);
    assert_true(a->n_layers == b->n_layers && a->d_model == b->d_model && a->vocab == b->vocab && a->max_positions == b->max_positions &&
                a->position_offset == b->position_offset && a->embed_scale == b->embed_scale && a->n_ropes == b->n_ropes &&
                a->logit_scale == b->logit_scale && a->logit_softcap == b->logit_softcap && a->n_ignored == b->n_ignored);
    same_norm(&a->final_norm, &b->final_norm);
    for (int i = 0; i < a->n_ropes; i++)
        same_rope(&a->ropes[i], &b->ropes[i]);
    for (int i = 0; i < a->n_ignored; i++)
        assert_string_equal(a->ignored[i], b->ignored[i]);
    for (int64_t l = 0; l < a->n_layers; l++) {
        assert_int_equal(a->layers[l].n_stages, b->layers[l].n_stages);
        for (int s = 0; s < a->layers[l].n_stages; s++) {
            assert_int_equal(a->layers[l].stages[s].n_branches, b->layers[l].stages[s].n_branches);
            for (int i = 0; i < a->layers[l].stages[s].n_branches; i++)
                same_branch(&a->layers[l].stages[s].branches[i], &b->layers[l].stages[s].branches[i]);
        }
    }
    x.n = y.n = 0;
    assert_int_equal(ns_arch_each(a, collect, &x, NULL), NS_OK);
    assert_int_equal(ns_arch_each(b, collect, &y, NULL), NS_OK);
    assert_int_equal(x.n, y.n);
    for (int i = 0; i < x.n; i++) {
        const ns_tref *const p = x.list[i], *const q = y.list[i];
        assert_int_equal(p->name != NULL, q->name != NULL);
        if (p->name) {
            assert_string_equal(p->name, q->name);
            assert_true(p->start == q->start && p->group == q->group && p->stride == q->stride && p->transposed == q->transposed &&
                        p->n_out == q->n_out && p->n_in == q->n_in);
        }
    }
}

static ns_arch *read_back(const char *json)
{
    ns_arch *a = NULL;
    ns_error err = {""};
    if (ns_arch_from_json(&a, json, strlen(json), "a.json", NULL, &err))
        fail_msg("%s", err.message);
    return a;
}

/* Not inlined: gcc 12 would warn of a dangling pointer that is not there. */
static __attribute__((noinline)) char *written(const ns_arch *a)
{
    char *json = NULL;
    ns_error err = {""};
    if (ns_arch_to_json(a, &json, &err))
        fail_msg("%s", err.message);
    return json;
}

static void round_trips(void **state)
{
    (void)state;
    for (int i = 0; i < N_SMALL; i++) {
        ns_arch *const a = arch_of(small_configs[i].json);
        char *const first = written(a);
        ns_arch *const b = read_back(first);
        char *const second = written(b);
        same_arch(a, b);
        assert_string_equal(first, second);
        free(first);
        free(second);
        ns_arch_free(a);
        ns_arch_free(b);
    }
}

/* What no family uses, but a description may: windows per head, a head bias, learned positions with an offset, scales, an attention-only
 * layer. */
static void rare_fields(void **state)
{
    (void)state;
    ns_arch *const a = arch_of(small_configs[0].json);
    ns_branch *const b = &a->layers[0].stages[0].branches[0];
    b->out_scale = 0.3f;
    ns_attn *const attn = b->params;
    attn->head_window = calloc(6, sizeof(int64_t));
    for (int h = 0; h < 6; h++)
        attn->head_window[h] = h;
    a->head_bias = (ns_tref){.name = ns_strdup("bias"), .group = 32, .stride = 32, .n_out = 32, .n_in = 1};
    a->position_offset = 2;
    a->positions = (ns_tref){.name = ns_strdup("wpe"), .group = 2050, .stride = 2050, .n_out = 2050, .n_in = 16, .transposed = true};
    a->ropes[0].attention_factor = 1.1;
    a->ropes[0].theta = 12345.678901234567;
    a->ropes[0].truncate = false;
    a->logit_scale = 1.0f / 3;
    ns_branch *const gone = &a->layers[1].stages[1].branches[0];
    ns_ffn *const ffn = gone->params;
    ns_tref *const weights[] = {&gone->in_norm.weight, &ffn->gate, &ffn->up, &ffn->down, &ffn->gate_bias, &ffn->up_bias, &ffn->down_bias};
    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++)
        ns_tref_clear(weights[i]);
    free(ffn);
    a->layers[1].n_stages = 1;
    char *const json = written(a);
    ns_arch *const c = read_back(json);
    same_arch(a, c);
    assert_null(ns_arch_ffn(c, 1));
    free(json);
    ns_arch_free(a);
    ns_arch_free(c);
}

/* ---- edits ---- */

/* The text with its first `from` replaced by `to`. */
static char *edited(const char *text, const char *from, const char *to)
{
    const char *const at = strstr(text, from);
    assert_non_null(at);
    const size_t before = (size_t)(at - text), size = strlen(text) + strlen(to) + 1;
    char *const out = malloc(size);
    assert_non_null(out);
    memcpy(out, text, before);
    snprintf(out + before, size - before, "%s%s", to, text + before + strlen(from));
    return out;
}

/* Takes the older text. */
static void reads_as(char *old, const char *json)
{
    ns_arch *const a = read_back(old);
    char *const again = written(a);
    assert_string_equal(again, json);
    ns_arch_free(a);
    free(again);
    free(old);
}

typedef struct edit { const char *from, *to, *says; } edit;

static void refuse_each(const char *json, const edit *edits, size_t n)
{
    for (const edit *e = edits; e < edits + n; e++) {
        char *const bad = edited(json, e->from, e->to);
        ns_arch *b = NULL;
        ns_error err = {""};
        const int rc = ns_arch_from_json(&b, bad, strlen(bad), "a.json", NULL, &err);
        if (rc != NS_E_FORMAT || b || !strstr(err.message, e->says))
            fail_msg("%s -> %s: wanted '%s', got %d '%s'", e->from, e->to, e->says, rc, err.message);
        free(bad);
    }
}

static void strict(void **state)
{
    (void)state;
    ns_arch *const a = arch_of(small_configs[14].json);    /* phi3: slices and longrope */
    char *const json = written(a);
    ns_arch_free(a);
    static const edit edits[] = {
        {"\"needlescope_arch\":\t1", "\"needlescope_arch\":\t2", "needlescope_arch is 2"},
        {"\"family\":\t\"phi3\"", "\"family\":\t\"a name that is longer than thirty-one bytes\"", "'family'"},
        {"\"d_model\":\t16", "\"d_model\":\t0", "d_model is 0"},
        {"\"d_model\":\t16", "\"d_model\":\t1e300", "d_model"},
        {"\"d_model\":\t16,", "", "'d_model' is missing"},
        {"\"d_model\":\t16", "\"d_modle\":\t16", "'d_modle' is not a key that belongs here (did you mean 'd_model'?)"},
        {"\"embed_scale\":\t1", "\"embed_scale\":\t1e39", "'embed_scale' is out of range"},
        {"\"n_heads\":\t4", "\"n_heads\":\t3", "layer 0: "},
        {"\"n_heads\":\t4", "\"n_heads\":\t\"4\"", "layers[0].stages[0].branches[0].attn: 'n_heads' is a string"},
        {"\"n_kv_heads\":\t2", "\"n_kv_heads\":\t3", "n_heads is not a multiple of n_kv_heads"},
        {"\"head_dim\":\t4", "\"head_dim\":\t2", "rotary_dim is larger than head_dim"},
        {"\"rope\":\t0", "\"rope\":\t1", "rope is 1, outside -1 to 0"},
        {"\"rope\":\t0", "\"rope\":\t-2", "'rope' is out of range"},
        {"\"window\":\t0", "\"window\":\t-1", "'window' is out of range"},
        {"\"kind\":\t\"attn\"", "\"kind\":\t\"mamba\"", "'kind' has none of the known values (attn, ffn"},
        {"\"kind\":\t\"attn\"", "\"kind\":\t\"ffn\"", "'ffn' must be the branch's one part"},
        {"\"start\":\t16", "\"start\":\t-1", "'start' is out of range"},
        {"\"start\":\t16", "\"begin\":\t16", "'begin' is not a key of a weight"},
        {"\"start\":\t16", "\"start\":\t16,\"group\":\t5,\"stride\":\t3", "do not select rows"},
        {"\"start\":\t16", "\"start\":\t16,\"group\":\t50", "do not select rows"},
        {"\"start\":\t16", "\"start\":\t16,\"group\":\t8", "must have group and stride, or neither"},
        {"\"start\":\t16", "\"start\":\t16,\"stride\":\t8", "must have group and stride, or neither"},
        {"\"scaling\":\t\"longrope\"", "\"scaling\":\t\"default\"",
         "ropes[0]: factor is not read by scaling default: take it out, or name"},
        {"\"beta_fast\":\t0", "\"beta_fast\":\t32", "ropes[0]: beta_fast is not read by scaling longrope: take it out"},
        {"\"rotary_dim\":\t4", "\"rotary_dim\":\t3", "rope"},
        {"\"rotary_dim\":\t4", "\"rotary_dim\":\t2", "must be a list of half as many numbers as rotary_dim"},
        {"\"short_factor\":\t[1,", "\"short_factor\":\t[0,", "short_factor and long_factor must be above 0"},
        {"\"short_factor\":\t[1,", "\"short_factor\":\t[\"1\",", "'short_factor' holds something"},
        {"\"theta\":\t10000", "\"theta\":\t1", "theta is 1"},
        {"\"layout\":\t\"half\"", "\"layout\":\t\"quarter\"", "half, interleaved"},
        {"\"act\":\t\"silu\"", "\"act\":\tnull", "'act' is missing"},
        {"\"type\":\t\"rms\"", "\"type\":\t\"none\"", "a norm of type none has weights"},
        {"\"eps\":\t1e-05", "\"eps\":\t-1", "final_norm: eps is -1"},
        {"\"stages\"", "\"steps\"", "'steps' is not a key that belongs here"},
        {"\"layers\":\t[", "\"layers\":\t[3, ", "layers[0] must be an object"},
        {"\"head\":\t\"lm_head.weight\"", "\"head\":\t\"\"", "must be the name of a tensor"},
        {"\"ignored\":\t[", "\"ignored\":\t[1, ", "'ignored' must be a list of tensor-name globs"},
    };
    refuse_each(json, edits, sizeof edits / sizeof *edits);
    free(json);
}

/* Mixtures of experts, and what only some attention has. */
static void experts(void **state)
{
    (void)state;
    ns_arch *a = arch_of(small_config("glm4_moe"));
    char *json = written(a);
    ns_arch_free(a);
    static const edit choices[] = {
        {"\"n_experts\":\t6", "\"n_experts\":\t7", "layer 1: n_experts is not a multiple of groups"},
        {"\"n_experts\":\t6", "\"n_experts\":\t0", "n_experts is 0, outside 1 to 65536"},
        {"\"top_k\":\t2", "\"top_k\":\t7", "top_k is 7, outside 1 to 6"},
        {"\"top_k\":\t2", "\"top_k\":\t5", "top_k is more than the experts of group_top_k groups"},
        {"\"group_top_k\":\t2", "\"group_top_k\":\t4", "group_top_k is 4, outside 1 to 3"},
        {"\"group_best\":\t2", "\"group_best\":\t3", "group_best is 3, outside 1 to 2"},
        {"\"routing\":\t\"sigmoid\"", "\"routing\":\t\"softmax_chosen\"", "choice_bias needs weights before the choice"},
        {"\"routing\":\t\"sigmoid\"", "\"routing\":\t\"hash\"",
         "'routing' has none of the known values (softmax, softmax_chosen, sigmoid)"},
        {"\"d_shared\":\t14", "\"d_shared\":\t0", "a shared expert is d_shared, shared_gate, shared_up and shared_down"},
        {"\"mixer\":\t\"experts\"", "\"mixer\":\t\"mlp\"", "is not a key that belongs here"},
        {"\"mixer\":\t\"experts\"", "\"mixer\":\t\"moe\"", "'mixer' has none of the known values (mlp, experts)"},
        {"\"scale\":\t2.5", "\"scale\":\t-1", "scale is -1"},
        {"\"normalise\":\ttrue", "\"normalise\":\t1", "'normalise'"},
    };
    refuse_each(json, choices, sizeof choices / sizeof *choices);
    free(json);
    a = arch_of(small_config("llama4_text"));
    json = written(a);
    ns_arch_free(a);
    static const edit attention[] = {
        {"\"chunk\":\t9", "\"chunk\":\t-1", "'chunk' is out of range"},
        {"\"chunk\":\t9", "\"chunk\":\t9,\"head_window\":[1,2,3,4]", "a head has a chunk or a window, not both"},
        {"\"q_temper\":\t\"steps\"", "\"q_temper\":\t\"none\"", "q_temper_... without q_temper"},
        {"\"q_temper\":\t\"steps\"", "\"q_temper\":\t\"warm\"", "'q_temper' has none of the known values (none, steps, log)"},
        {"\"q_temper_length\":\t5", "\"q_temper_length\":\t0", "q_temper_length is 0, outside 1"},
        {"\"q_temper_first\":\t1", "\"q_temper_first\":\t2", "q_temper_first is 2, outside 0 to 1"},
        {"\"qk_norm\":\t\"per_head\"", "\"qk_norm\":\t\"none\"", "q_norm and k_norm are given, but qk_norm is none"},
    };
    refuse_each(json, attention, sizeof attention / sizeof *attention);
    free(json);
    a = arch_of(small_config("apertus"));
    json = written(a);
    ns_arch_free(a);
    static const edit acts[] = {
        {"\"act\":\t\"xielu\"", "\"act\":\t\"silu\"", "the act xielu is alpha_p, alpha_n, beta and eps, and no gate"},
        {"\"act\":\t\"xielu\"", "\"act\":\t\"elu\"", "'act' has none of the known values"},
    };
    refuse_each(json, acts, sizeof acts / sizeof *acts);
    free(json);
}

/* A mixer of channels. */
static void channels(void **state)
{
    (void)state;
    ns_arch *const a = arch_of(small_config("lfm2"));         /* layer 1 attention, the others convolutions */
    char *const json = written(a);
    ns_arch_free(a);
    static const edit edits[] = {
        {"\"channels\":\t16", "\"channels\":\t0", "layer 0: channels is 0, outside 1"},
        {"\"conv_taps\":\t3", "\"conv_taps\":\t0", "layer 0: conv_taps is 0, outside 1 to 1024"},
        {"\"conv\":\t\"", "\"cnov\":\t\"", "'cnov' is not a key that belongs here (did you mean 'conv'?)"},
        {"\"out_gate\":", "\"n_heads\":4,\"out_gate\":", "'n_heads' is not a key that belongs here"},
    };
    refuse_each(json, edits, sizeof edits / sizeof *edits);
    free(json);
}

/* What a layer may be made of: branches are exchanged, doubled, taken out. */
static void order_of_branches(void **state)
{
    (void)state;
    ns_error err = {""};
    ns_arch *const a = arch_of(small_config("lfm2"));
    ns_layer *const l = &a->layers[1], conv = a->layers[0];
    const ns_layer whole = *l;
    l->stages[0] = whole.stages[1];
    l->stages[1] = whole.stages[0];
    assert_int_equal(ns_arch_validate(a, "a", &err), NS_E_FORMAT);
    assert_non_null(strstr(err.message, "layer 1: a layer is an attn branch, or two side by side, then at most one ffn branch"));
    l->stages[0] = (ns_stage){.branches = {whole.stages[0].branches[0], whole.stages[0].branches[0]}, .n_branches = 2};
    l->stages[1] = whole.stages[1];
    assert_int_equal(ns_arch_validate(a, "a", &err), NS_E_FORMAT);
    assert_non_null(strstr(err.message, "one keeps keys and values, the other a state"));
    l->stages[0].branches[1] = conv.stages[0].branches[0];
    assert_int_equal(ns_arch_validate(a, "a", &err), NS_OK);
    *l = (ns_layer){.stages = {whole.stages[1]}, .n_stages = 1};
    assert_int_equal(ns_arch_validate(a, "a", &err), NS_OK);
    l->stages[0] = whole.stages[0];
    assert_int_equal(ns_arch_validate(a, "a", &err), NS_OK);
    *l = whole;
    ns_arch_free(a);
}

/* Settings of the scan that need or exclude each other. */
static void scans(void **state)
{
    (void)state;
    ns_arch *a = arch_of(small_config("kda"));
    char *json = written(a);
    ns_arch_free(a);
    static const edit thin[] = {
        {"\"step_rank\":\t9", "\"step_rank\":\t0", "step_rank, step_in and step_out need each other"},
        {"\"step_rank\":\t9", "\"step_rank\":\t-9", "'step_rank' is out of range"},
        {"\"gate_rank\":\t9", "\"gate_rank\":\t0", "gate_rank, gate_in and gate_out need each other"},
        {"\"gate_rank\":\t9", "\"z_gate\":\"g\",\"gate_rank\":\t9", "are one product or two thin ones, not both"},
        {"\"step_rank\":\t9", "\"step\":\"f\",\"step_rank\":\t9", "are one product or two thin ones, not both"},
        {"\"decay\":\t\"softplus\"", "\"decay\":\t\"none\"", "decays softplus and logsigmoid need step"},
        {"\"decay\":\t\"softplus\"", "\"decay\":\t\"logsigmoid\"", "rate is of softplus"},
        {"\"decay\":\t\"softplus\"", "\"decay\":\t\"slope\"", "decay slope and slope, one number a head, need each other"},
        {"\"beta\":\t\"sigmoid\"", "\"beta\":\t\"one\"", "beta sigmoid and twice_sigmoid need write"},
        {"\"beta\":\t\"sigmoid\"", "\"beta\":\t\"step\"", "step needs a decay that has one for each head"},
        {"\"conv_taps\":\t4", "\"conv_taps\":\t0", "conv_taps and the tables q_conv, k_conv, v_conv need each other"},
        {"\"q_heads\":\t2", "\"q_heads\":\t3", "n_heads is not a multiple of q_heads and of k_heads"},
        {"\"window\":\t0", "\"window\":\t4", "a recurrence has no window"},
    };
    refuse_each(json, thin, sizeof thin / sizeof *thin);
    free(json);
    a = arch_of(small_config("retnet"));
    json = written(a);
    ns_arch_free(a);
    static const edit slopes[] = {
        {"\"slope\":\t[0.", "\"slope\":\t[-0.", "'slope' holds something that is not a number in range"},
        {"\"slope\":\t[0.", "\"slope\":\t[0e", "a slope must be above 0"},
        {"\"decay\":\t\"slope\"", "\"decay_of\":\"key_channel\",\"decay\":\t\"slope\"", "decay_of key_channel needs a decay softplus"},
        {"\"decay\":\t\"slope\"", "\"decay\":\t\"fast\"", "'decay' has none of the known values (none, slope, softplus, logsigmoid)"},
    };
    refuse_each(json, slopes, sizeof slopes / sizeof *slopes);
    free(json);
    const char *const config = "{\"model_type\":\"hgrn2\",\"hidden_size\":16,\"expand_ratio\":8,\"num_hidden_layers\":3,\"vocab_size\":32}";
    a = arch_of(config);
    json = written(a);
    ns_arch_free(a);
    static const edit bounds[] = {
        {"\"depth\":\t2", "\"depth\":\t3", "layer 2: depth is 3, outside 0 to 2"},
        {"\"depths\":\t3,", "", "layer 1: depths is 0, outside 1"},
        {"\"depths\":\t3,", "\"depths\":-3,", "'depths' is out of range"},
    };
    refuse_each(json, bounds, sizeof bounds / sizeof *bounds);
    free(json);
}

/* What belongs to another mixer, or is missing from this one. */
static void recurrences(void **state)
{
    (void)state;
    ns_arch *const a = arch_of(small_config("minimax"));      /* layer 0 a recurrence, layer 1 attention */
    char *const json = written(a);
    ns_arch_free(a);
    static const edit edits[] = {
        {"\"mixer\":\t\"recurrence\"", "\"mixer\":\t\"thunder\"",
         "attn: 'mixer' has none of the known values (softmax, recurrence, lightning, "},
        {"\"mixer\":\t\"recurrence\"", "\"mixer\":\t\"softmax\"", "'slope' is not a key that belongs here"},
        {"\"mixer\":\t\"softmax\"", "\"mixer\":\t\"lightning\"", "layer 1: decay slope and slope, one number a head, need each other"},
        {"\"mixer\":\t\"softmax\"", "\"mixer\":\t3", "mixer"},
        {"\"slope\":\t[", "\"slope\":\t[1, ", "must be a list with one number a head"},
        {"\"slope\":\t[", "\"slopes\":\t[", "'slopes' is not a key that belongs here (did you mean 'slope'?)"},
        {"\"window\":\t0", "\"window\":\t3", "layer 0: a recurrence has no window, softcap or clip_qkv"},
        {"\"act\":\t\"silu\"", "\"act\":\t\"silu\",\n\"mixer\":\t\"moe\"", "'mixer' has none of the known values (mlp, experts)"},
    };
    refuse_each(json, edits, sizeof edits / sizeof *edits);
    reads_as(edited(json, "\"mixer\":\t\"softmax\",", ""), json);         /* from before there were mixers */
    free(json);
}

/* A file that lost its rule would read as another model: beta of a write is of both. */
static void lost_rule(void **state)
{
    (void)state;
    ns_arch *const a = arch_of(small_config("gated_deltanet"));
    char *const json = written(a);
    static const edit edits[] = {
        {"\"rule\":\t\"delta\",", "", "layer 0: beta sigmoid and twice_sigmoid are of either rule: rule must be add or delta"},
        {"\"rule\":\t\"delta\"", "\"rule\":\tnull", "rule must be add or delta"},
    };
    refuse_each(json, edits, sizeof edits / sizeof *edits);
    char *const other = edited(json, "\"rule\":\t\"delta\"", "\"rule\":\t\"add\"");
    reads_as(ns_strdup(other), other);
    ns_attn *const heads = a->layers[0].stages[0].branches[0].params;
    ns_error err = {""};
    assert_int_equal(heads->q_norm.type, NS_NORM_L2);
    heads->q_norm.offset = 1;
    assert_int_equal(ns_arch_validate(a, "a.json", &err), NS_E_FORMAT);
    assert_string_equal(err.message, "a.json: layer 0: a norm without a weight has an offset, which is added to that");
    free(other);
    free(json);
    ns_arch_free(a);
}

/* A DeltaNet without beta that lost its rule: nothing else tells it from a sum that forgets nothing. */
static void lost_rule_of_ones(void **state)
{
    (void)state;
    char *const config = edited(small_config("delta_net"), "{", "{\"use_beta\":false,");
    ns_arch *const a = arch_of(config);
    char *const json = written(a);
    static const edit edits[] = {{"\"rule\":\t\"delta\",", "", "layer 1: a state without decay is of either rule: rule must be"}};
    refuse_each(json, edits, 1);
    char *const other = edited(json, "\"rule\":\t\"delta\"", "\"rule\":\t\"add\"");
    reads_as(ns_strdup(other), other);
    free(other);
    free(json);
    free(config);
    ns_arch_free(a);
}

/* Files from before a decay by slope was a setting of the recurrence call it a mixer, and say nothing of a decay. */
static void lightning(void **state)
{
    (void)state;
    ns_arch *const a = arch_of(small_config("minimax"));
    char *const json = written(a);
    ns_arch_free(a);
    char *const both = edited(json, "\"mixer\":\t\"recurrence\"", "\"mixer\":\t\"lightning\"");
    char *const old = edited(both, "\"decay\":\t\"slope\",", "");
    static const edit edits[] = {
        {"\"window\":\t0", "\"window\":\t3", "layer 0: a recurrence has no window, softcap or clip_qkv"},
        {"\"qkv_act\"", "\"decay\":\t\"softplus\",\"qkv_act\"", "attn: 'decay' contradicts the word of a key above it"},
    };
    refuse_each(old, edits, sizeof edits / sizeof *edits);
    reads_as(old, json);
    reads_as(both, json);
    free(json);
}

/* ---- names maps ---- */
typedef struct tensors_named { char name[16][NS_TENSOR_NAME]; int n; } tensors_named;

static int name_of(void *user, const ns_visit *slot, ns_error *err)
{
    tensors_named *const t = user;
    (void)err;
    if (slot->copies && slot->tref->name)
        ns_tref_name(slot->tref, 2, t->name[t->n++]);
    return NS_OK;
}

static ns_arch *renamed_in(const char *config, const char *map, int code, const char *says)
{
    char path[] = "/tmp/ns-names-XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, map, strlen(map)) == (ssize_t)strlen(map));
    close(fd);
    const ns_arch_params params = {.size = sizeof params, .names_path = path};
    ns_arch *a = NULL;
    ns_error err = {""};
    const int rc = ns_arch_from_config(&a, config, strlen(config), "config.json", &params, &err);
    unlink(path);
    if (rc != code || !strstr(err.message, says))
        fail_msg("%s: wanted %d '%s', got %d '%s'", map, code, says, rc, err.message);
    return a;
}

static ns_arch *renamed(const char *map, int code, const char *says)
{
    return renamed_in(small_configs[3].json, map, code, says);
}

/* {} stands for the number of an expert, on both sides. */
static void names_of_experts(void **state)
{
    (void)state;
    static tensors_named all;
    ns_arch *const a = renamed_in(small_config("mixtral"),
                                  "{\"*layers.*.block_sparse_moe.experts.{}.w*.weight\":\"*b*.e{}.*\"}", NS_OK, "");
    all = (tensors_named){.n = 0};
    assert_int_equal(ns_arch_each(a, name_of, &all, NULL), NS_OK);
    assert_int_equal(all.n, 6);
    assert_string_equal(all.name[0], "model.b0.e2.1");                      /* gate, up, down of two layers; expert 2 of each */
    assert_string_equal(all.name[5], "model.b1.e2.2");
    ns_arch_free(a);
}

static void names_maps(void **state)
{
    (void)state;
    ns_arch *const a =
        renamed("{\"model.layers.*.self_attn.?_proj.weight\":\"all the same\",\"model.layers.*.mlp.*_proj.weight\":\"blocks.*.ffn.w_*\","
                "\"model.embed_tokens.*\":\"wte\",\"*.input_layernorm.*\":\"*/norm\"}",
                NS_OK, "");
    assert_string_equal(a->embed.name, "wte");
    assert_string_equal(a->head.name, "wte");                       /* tied */
    assert_string_equal(ns_arch_attn(a, 1)->k.name, "all the same");
    assert_string_equal(ns_arch_ffn(a, 1)->gate.name, "blocks.1.ffn.w_gate");
    assert_string_equal(ns_arch_ffn(a, 0)->down.name, "blocks.0.ffn.w_down");
    assert_string_equal(a->layers[1].stages[0].branches[0].in_norm.weight.name, "model.layers.1/norm");
    assert_string_equal(a->final_norm.weight.name, "model.norm.weight");
    ns_arch_free(a);
    renamed("{\"model.layer.*\":\"x*\"}", NS_E_ARG, "'model.layer.*' matches no tensor of the description");
    renamed("{\"model.norm.weight\":\"x*\"}", NS_E_FORMAT, "the new name has 1 '*', the glob 0");
    renamed("{\"model.norm.weight\":7}", NS_E_FORMAT, "must map to a tensor name");
    renamed("[]", NS_E_FORMAT, "a names map is an object");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(round_trips), cmocka_unit_test(rare_fields), cmocka_unit_test(strict),
                                       cmocka_unit_test(experts),
                                       cmocka_unit_test(scans), cmocka_unit_test(recurrences), cmocka_unit_test(channels),
                                       cmocka_unit_test(lightning), cmocka_unit_test(lost_rule), cmocka_unit_test(lost_rule_of_ones),
                                       cmocka_unit_test(order_of_branches), cmocka_unit_test(names_maps),
                                       cmocka_unit_test(names_of_experts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
