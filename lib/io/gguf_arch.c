/* gguf_arch.c - which model a GGUF file holds: its tensors by the names that transformers gives them, and how they lie.
 *
 * llama.cpp's conversion renames every tensor; of some architectures it also pairs the rows of q and k that rotate together (transformers
 * has the first of all pairs before the second), stores the gain 1 + w where the model adds the 1 itself, and turns GPT-2's matrices. */
#include "io/gguf_arch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRUNK {"token_embd", "model.embed_tokens", AS_IT_IS}, {"output_norm", "model.norm", AS_IT_IS}, {"output", "lm_head", AS_IT_IS}
#define NORMS {"attn_norm", "input_layernorm", AS_IT_IS}, {"ffn_norm", "post_attention_layernorm", AS_IT_IS}
#define QKVO                                                                                                                        \
    {"attn_q", "self_attn.q_proj", PAIRED_Q}, {"attn_k", "self_attn.k_proj", PAIRED_K}, {"attn_v", "self_attn.v_proj", AS_IT_IS},   \
    {"attn_output", "self_attn.o_proj", AS_IT_IS}, {"attn_q_norm", "self_attn.q_norm", AS_IT_IS},                                   \
    {"attn_k_norm", "self_attn.k_norm", AS_IT_IS}
#define FFN {"ffn_gate", "mlp.gate_proj", AS_IT_IS}, {"ffn_up", "mlp.up_proj", AS_IT_IS}, {"ffn_down", "mlp.down_proj", AS_IT_IS}

static const gguf_name llama_trunk[] = {TRUNK, {NULL, NULL, AS_IT_IS}};
static const gguf_name llama_layer[] = {
    NORMS, QKVO, FFN, {NULL, NULL, AS_IT_IS},
};
static const gguf_name gemma_layer[] = {
    {"attn_norm", "input_layernorm", AS_IT_IS}, {"post_attention_norm", "post_attention_layernorm", AS_IT_IS},
    {"ffn_norm", "pre_feedforward_layernorm", AS_IT_IS}, {"post_ffw_norm", "post_feedforward_layernorm", AS_IT_IS}, QKVO, FFN,
    {NULL, NULL, AS_IT_IS},
};
static const gguf_name phi3_layer[] = {
    NORMS,
    {"attn_qkv", "self_attn.qkv_proj", AS_IT_IS}, {"attn_output", "self_attn.o_proj", AS_IT_IS},
    {"ffn_up", "mlp.gate_up_proj", AS_IT_IS}, {"ffn_down", "mlp.down_proj", AS_IT_IS}, {NULL, NULL, AS_IT_IS},
};
static const gguf_name gpt2_trunk[] = {
    {"token_embd", "transformer.wte", AS_IT_IS}, {"position_embd", "transformer.wpe", AS_IT_IS},
    {"output_norm", "transformer.ln_f", AS_IT_IS}, {"output", "lm_head", AS_IT_IS}, {NULL, NULL, AS_IT_IS},
};
static const gguf_name gpt2_layer[] = {
    {"attn_norm", "ln_1", AS_IT_IS}, {"ffn_norm", "ln_2", AS_IT_IS}, {"attn_qkv", "attn.c_attn", TURNED},
    {"attn_output", "attn.c_proj", TURNED}, {"ffn_up", "mlp.c_fc", TURNED}, {"ffn_down", "mlp.c_proj", TURNED}, {NULL, NULL, AS_IT_IS},
};

static const gguf_name mixtral_layer[] = {
    NORMS, QKVO, {"ffn_gate_inp", "block_sparse_moe.gate", AS_IT_IS}, {"ffn_gate_exps", "block_sparse_moe.experts.{}.w1", EACH_EXPERT},
    {"ffn_up_exps", "block_sparse_moe.experts.{}.w3", EACH_EXPERT}, {"ffn_down_exps", "block_sparse_moe.experts.{}.w2", EACH_EXPERT},
    {NULL, NULL, AS_IT_IS},
};
static const gguf_name qwen_moe_layer[] = {
    NORMS, QKVO, {"ffn_gate_inp", "mlp.gate", AS_IT_IS}, {"ffn_gate_exps", "mlp.experts.{}.gate_proj", EACH_EXPERT},
    {"ffn_up_exps", "mlp.experts.{}.up_proj", EACH_EXPERT}, {"ffn_down_exps", "mlp.experts.{}.down_proj", EACH_EXPERT},
    {"ffn_gate_inp_shexp", "mlp.shared_expert_gate", ONE_ROW}, {"ffn_gate_shexp", "mlp.shared_expert.gate_proj", AS_IT_IS},
    {"ffn_up_shexp", "mlp.shared_expert.up_proj", AS_IT_IS}, {"ffn_down_shexp", "mlp.shared_expert.down_proj", AS_IT_IS},
    {NULL, NULL, AS_IT_IS},
};
static const gguf_name granite_moe_layer[] = {
    NORMS, QKVO, {"ffn_gate_inp", "block_sparse_moe.router.layer", AS_IT_IS},
    {"ffn_gate_exps", "block_sparse_moe.gate_linear", AS_IT_IS}, {"ffn_up_exps", "block_sparse_moe.up_linear", AS_IT_IS},
    {"ffn_down_exps", "block_sparse_moe.output_linear", AS_IT_IS}, {NULL, NULL, AS_IT_IS},
};
static const gguf_name gpt_oss_layer[] = {
    {"attn_norm", "input_layernorm", AS_IT_IS}, {"post_attention_norm", "post_attention_layernorm", AS_IT_IS}, QKVO,
    {"attn_sinks", "self_attn.sinks", BARE}, {"ffn_gate_inp", "mlp.router", AS_IT_IS}, {"ffn_gate_exps", "mlp.experts.gate_proj", BARE},
    {"ffn_up_exps", "mlp.experts.up_proj", BARE}, {"ffn_down_exps", "mlp.experts.down_proj", BARE}, {NULL, NULL, AS_IT_IS},
};

/* Of two with one name the second has experts. */
static const gguf_arch archs[] = {
    {"llama", "llama", "model.layers.", llama_trunk, llama_layer, .paired = true, .biases = true},
    {"llama", "mixtral", "model.layers.", llama_trunk, mixtral_layer, .paired = true, .more = ns_gguf_mixtral},
    {"smollm3", "smollm3", "model.layers.", llama_trunk, llama_layer, .paired = true, .biases = true},
    {"granite", "granite", "model.layers.", llama_trunk, llama_layer, .paired = true, .biases = true, .more = ns_gguf_granite},
    {"qwen2", "qwen2", "model.layers.", llama_trunk, llama_layer, .paired = false},
    {"qwen3", "qwen3", "model.layers.", llama_trunk, llama_layer, .paired = false},
    {"qwen2moe", "qwen2_moe", "model.layers.", llama_trunk, qwen_moe_layer, .more = ns_gguf_qwen2_moe},
    {"qwen3moe", "qwen3_moe", "model.layers.", llama_trunk, qwen_moe_layer, .more = ns_gguf_qwen3_moe},
    {"olmoe", "olmoe", "model.layers.", llama_trunk, qwen_moe_layer, .more = ns_gguf_olmoe},
    {"granitemoe", "granitemoe", "model.layers.", llama_trunk, granite_moe_layer, .paired = true, .more = ns_gguf_granite_moe},
    {"gpt-oss", "gpt_oss", "model.layers.", llama_trunk, gpt_oss_layer, .untruncated = true, .more = ns_gguf_gpt_oss},
    {"gemma2", "gemma2", "model.layers.", llama_trunk, gemma_layer, .one_more = true, .more = ns_gguf_gemma2},
    {"gemma3", "gemma3_text", "model.layers.", llama_trunk, gemma_layer, .one_more = true, .more = ns_gguf_gemma3},
    {"phi3", "phi3", "model.layers.", llama_trunk, phi3_layer, .more = ns_gguf_phi3},
    {"gpt2", "gpt2", "transformer.h.", gpt2_trunk, gpt2_layer, .gpt2 = true},
};

enum { N_ARCHS = sizeof archs / sizeof *archs };

static const gguf_arch *find_arch(const char *name, bool experts)
{
    for (int i = 0; i < N_ARCHS; i++)
        if (strcmp(archs[i].name, name) == 0)
            return experts && i + 1 < N_ARCHS && strcmp(archs[i + 1].name, name) == 0 ? &archs[i + 1] : &archs[i];
    return NULL;
}

static int choose_arch(gguf_describer *d, const char *name)
{
    char key[160];
    double experts;
    snprintf(key, sizeof key, "%.100s.expert_count", name);
    const int rc = ns_gguf_number(d->g, key, 0, &experts);
    d->arch = rc == NS_OK ? find_arch(name, experts > 0) : NULL;
    return rc;
}

static char *unknown_arch(const char *path, const char *name)
{
    char known[256] = "";
    for (int i = 0; i < N_ARCHS; i++)
        if (i == 0 || strcmp(archs[i].name, archs[i - 1].name) != 0)
            snprintf(known + strlen(known), sizeof known - strlen(known), "%s%s", i ? ", " : "", archs[i].name);
    return ns_printf_alloc("%s: general.architecture '%.60s' is not read from GGUF (%s are): take the model's safetensors, or load the "
                           "file in transformers with gguf_file= and save_pretrained it", path, name, known);
}

/* ---- names ---- */

static const gguf_name *find_name(const gguf_name *list, const char *name, size_t n)
{
    for (; list->from; list++)
        if (strlen(list->from) == n && memcmp(list->from, name, n) == 0)
            return list;
    return NULL;
}

/* "blk.12.attn_q.weight" -> the row of attn_q, "12", ".weight"; number_n = 0 outside layers. row NULL: the architecture has no such. */
typedef struct split_name { const gguf_name *row; const char *number, *suffix; size_t number_n; } split_name;

static split_name split(const gguf_arch *a, const char *name)
{
    split_name s = {.number = name, .suffix = strrchr(name, '.')};
    if (!s.suffix)
        return s;
    if (!ns_starts(name, "blk.")) {
        s.row = find_name(a->trunk, name, (size_t)(s.suffix - name));
        return s;
    }
    s.number = name + strlen("blk.");
    s.number_n = strspn(s.number, "0123456789");
    const char *const rest = s.number + s.number_n + 1;
    if (s.number_n && rest[-1] == '.' && rest < s.suffix)
        s.row = find_name(a->layer, rest, (size_t)(s.suffix - rest));
    return s;
}

/* The name that transformers has, an expert's where it has one for each; its length. */
static size_t put_name(const gguf_arch *a, const split_name *s, int64_t expert, char *at)
{
    char *const first = at;
    const char *const brace = s->row->how == EACH_EXPERT ? strstr(s->row->to, "{}") : NULL;
    if (s->number_n)
        at += sprintf(at, "%s%.*s.", a->layers, (int)s->number_n, s->number);
    if (brace)
        at += sprintf(at, "%.*s%lld%s", (int)(brace - s->row->to), s->row->to, (long long)expert, brace + 2);
    else
        at += sprintf(at, "%s", s->row->to);
    const bool bare = s->row->how == BARE;
    at += sprintf(at, "%s", bare && strcmp(s->suffix, ".weight") == 0 ? "" : bare && strcmp(s->suffix, ".bias") == 0 ? "_bias" : s->suffix);
    return (size_t)(at - first);
}

static int fail_shape(const ns_tensor *t, const char *what, ns_error *err)
{
    return ns_fail(err, NS_E_FORMAT, "%s: tensor '%s' %s", t->file, t->name, what);
}

/* What has to be done to the numbers; coded: the tensor's own. */
static int lay_out(const gguf_describer *d, ns_tensor *t, ns_coded *coded, const gguf_name *row, ns_error *err)
{
    ns_view *const v = &t->view;
    const bool paired = d->arch->paired && (row->how == PAIRED_Q || row->how == PAIRED_K);
    const int64_t heads = row->how == PAIRED_Q ? d->heads : d->kv_heads;
    const bool matrix = v->rank == 2;
    if (paired && (heads < 1 || v->shape[0] % (2 * heads)))
        return fail_shape(t, "has rows that are no pairs for each head of attention.head_count or head_count_kv", err);
    if (paired)
        coded->heads = heads;
    if (row->how == TURNED && matrix) {
        const int64_t turned[2] = {v->shape[1], v->shape[0]};
        coded->transposed = true;
        *v = ns_view_of(NULL, v->dtype, 2, turned);
    }
    if (row->how == ONE_ROW && v->rank == 1)
        *v = ns_view_of(NULL, v->dtype, 2, (int64_t[]){1, v->shape[0]});
    if (d->arch->one_more && ns_ends(row->from, "norm")) {
        coded->add = -1;
        v->dtype = NS_F32;
    }
    if (coded->heads || coded->transposed || coded->add != 0)
        t->coded = coded;
    return NS_OK;
}

/* Of how many experts it is that transformers has one by one; 0: of none. */
static int64_t experts_of(const split_name *s, const ns_tensor *t)
{
    return s->row && s->row->how == EACH_EXPERT && t->view.rank == 3 ? t->view.shape[0] : 0;
}

/* Tensor i of the checkpoint, which is that of all experts, becomes the first's; the others' stand behind all tensors. */
static char *part_experts(gguf_describer *d, int64_t i, const split_name *s, int64_t n, char *at)
{
    ns_tensor one = d->ck->tensors[i];
    one.n_bytes /= n;
    one.view = ns_view_of(NULL, one.view.dtype, 2, one.view.shape + 1);
    for (int64_t e = 0; e < n; e++) {
        one.name = at;
        d->ck->tensors[e == 0 ? i : d->ck->n_tensors++] = one;
        at += put_name(d->arch, s, e, at) + 1;
        one.at += one.n_bytes;
    }
    return at;
}

/* Tensor i, the file's coded; `at`: where its new name goes. Returns where the next one goes. */
static char *rename_one(gguf_describer *d, int64_t i, ns_coded *coded, char *at, int *rc, ns_error *err)
{
    ns_tensor *const t = &d->ck->tensors[i];
    const split_name s = split(d->arch, t->name);
    const int64_t n = experts_of(&s, t);
    if (n > 0)
        return part_experts(d, i, &s, n, at);
    const size_t length = s.row && s.row->how != EACH_EXPERT ? put_name(d->arch, &s, 0, at) : (size_t)sprintf(at, "%s", t->name);
    if (*rc == NS_OK && s.row)
        *rc = lay_out(d, t, coded, s.row, err);
    t->name = at;
    return at + length + 1;
}

/* Bytes of all names, and how many tensors there are more than before. */
static int measure_names(const gguf_describer *d, size_t *room, int64_t *more, ns_error *err)
{
    enum { LONGER = 64, MOST = 1 << 20 };              /* more than any name grows by; tensors of a checkpoint */
    *room = 1;
    *more = 0;
    for (int64_t i = d->first; i < d->first + d->n; i++) {
        const ns_tensor *const t = &d->ck->tensors[i];
        const split_name s = split(d->arch, t->name);
        const int64_t experts = experts_of(&s, t);
        if (experts > MOST || d->ck->n_tensors + *more + experts > MOST)
            return fail_shape(t, "is of more experts than 1048576 tensors of a checkpoint can be", err);
        *room += (size_t)(experts > 0 ? experts : 1) * (strlen(t->name) + LONGER);
        *more += experts > 0 ? experts - 1 : 0;
    }
    return NS_OK;
}

/* The names of a file's tensors anew, all of them whatever is wrong with one, since the old ones go. */
static int rename_file(gguf_describer *d, ns_weight_file *file, ns_error *err)
{
    const int64_t first = d->first;
    size_t room;
    int64_t more;
    int rc = measure_names(d, &room, &more, err);
    rc = rc != NS_OK ? rc : ns_checkpoint_reserve(d->ck, more, err);
    if (rc != NS_OK)
        return rc;
    char *const names = malloc(room), *at = names;
    if (!names)
        return ns_oom(err, file->path);
    for (int64_t i = 0; i < d->n; i++)
        at = rename_one(d, first + i, &file->coded[i], at, &rc, err);
    free(file->names);
    file->names = names;
    return rc;
}

static int rename_all(gguf_describer *d, ns_error *err)
{
    int rc = NS_OK;
    d->first = 0;
    for (int64_t f = 0; f < d->ck->n_files && rc == NS_OK; f++, d->first += d->n) {
        for (d->n = 0; d->first + d->n < d->ck->n_tensors && d->ck->tensors[d->first + d->n].from == &d->ck->files[f]; d->n++)
            ;
        rc = rename_file(d, &d->ck->files[f], err);
    }
    return rc;
}

/* Factors of the rotary frequencies are said in the config. */
static void drop_taken(gguf_describer *d)
{
    ns_checkpoint *const ck = d->ck;
    int64_t kept = 0;
    for (int64_t i = 0; i < ck->n_tensors; i++)
        if (!ns_starts(ck->tensors[i].name, "rope_f"))
            ck->tensors[kept++] = ck->tensors[i];
    ck->n_tensors = kept;
}

/* ---- all of it ---- */

/* What is not supported leaves a checkpoint without a config, which a description (--arch) can still open. */
static int describe(gguf_describer *d, ns_error *err)
{
    ns_error why = {""};
    ns_gguf own = *d->g;
    own.err = &why;
    d->g = &own;
    const int rc = ns_gguf_config(d);
    if (rc != NS_OK && rc != NS_E_UNSUPPORTED)
        return ns_fail(err, rc, "%s", why.message);
    d->no_config = rc != NS_OK;
    if (d->no_config && !(d->ck->no_config = ns_strdup(why.message)))
        return ns_oom(err, d->g->path);
    const int renamed = rename_all(d, err);
    if (renamed != NS_OK || d->no_config)
        return renamed;
    drop_taken(d);
    d->ck->config_text = ns_json_print(d->config, true);
    return d->ck->config_text ? NS_OK : ns_oom(err, "a config");
}

int ns_gguf_describe(ns_checkpoint *ck, const ns_gguf *g, ns_error *err)
{
    gguf_describer d = {.ck = ck, .g = g};
    char *name = NULL;
    int rc = ns_gguf_text(g, "general.architecture", &name);
    if (rc == NS_OK && !name)
        rc = ns_fail(err, NS_E_FORMAT, "%s: no general.architecture in it", g->path);
    if (rc == NS_OK && (!ns_copy_text(&ck->config, g->path) || (ns_gguf_find(g, "tokenizer.ggml.model") && !ns_copy_text(&ck->tokenizer,
                                                                                                                        g->path))))
        rc = ns_oom(err, g->path);
    rc = rc != NS_OK ? rc : choose_arch(&d, name);
    if (rc == NS_OK && !d.arch)
        rc = (ck->no_config = unknown_arch(g->path, name)) ? NS_OK : ns_oom(err, g->path);
    else if (rc == NS_OK)
        rc = describe(&d, err);
    cJSON_Delete(d.config);
    free(d.used);
    free(name);
    return rc;
}
