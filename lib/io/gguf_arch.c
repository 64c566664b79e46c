/* gguf_arch.c - which model a GGUF file holds: its tensors by the names that transformers gives them, and how they lie.
 *
 * llama.cpp's conversion renames every tensor; of some architectures it also pairs the rows of q and k that rotate together (transformers
 * has the first of all pairs before the second), stores the gain 1 + w where the model adds the 1 itself, and turns GPT-2's matrices. */
#include "io/gguf_arch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRUNK {"token_embd", "model.embed_tokens", AS_IT_IS}, {"output_norm", "model.norm", AS_IT_IS}, {"output", "lm_head", AS_IT_IS}
#define QKVO                                                                                                                        \
    {"attn_q", "self_attn.q_proj", PAIRED_Q}, {"attn_k", "self_attn.k_proj", PAIRED_K}, {"attn_v", "self_attn.v_proj", AS_IT_IS},   \
    {"attn_output", "self_attn.o_proj", AS_IT_IS}, {"attn_q_norm", "self_attn.q_norm", AS_IT_IS},                                   \
    {"attn_k_norm", "self_attn.k_norm", AS_IT_IS}
#define FFN {"ffn_gate", "mlp.gate_proj", AS_IT_IS}, {"ffn_up", "mlp.up_proj", AS_IT_IS}, {"ffn_down", "mlp.down_proj", AS_IT_IS}

static const gguf_name llama_trunk[] = {TRUNK, {NULL, NULL, AS_IT_IS}};
static const gguf_name llama_layer[] = {
    {"attn_norm", "input_layernorm", AS_IT_IS}, {"ffn_norm", "post_attention_layernorm", AS_IT_IS}, QKVO, FFN, {NULL, NULL, AS_IT_IS},
};
static const gguf_name gemma_layer[] = {
    {"attn_norm", "input_layernorm", AS_IT_IS}, {"post_attention_norm", "post_attention_layernorm", AS_IT_IS},
    {"ffn_norm", "pre_feedforward_layernorm", AS_IT_IS}, {"post_ffw_norm", "post_feedforward_layernorm", AS_IT_IS}, QKVO, FFN,
    {NULL, NULL, AS_IT_IS},
};
static const gguf_name phi3_layer[] = {
    {"attn_norm", "input_layernorm", AS_IT_IS}, {"ffn_norm", "post_attention_layernorm", AS_IT_IS},
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

static const gguf_arch archs[] = {
    {"llama", "llama", "model.layers.", llama_trunk, llama_layer, .paired = true, .biases = true},
    {"smollm3", "smollm3", "model.layers.", llama_trunk, llama_layer, .paired = true, .biases = true},
    {"granite", "granite", "model.layers.", llama_trunk, llama_layer, .paired = true, .biases = true, .more = ns_gguf_granite},
    {"qwen2", "qwen2", "model.layers.", llama_trunk, llama_layer, .paired = false},
    {"qwen3", "qwen3", "model.layers.", llama_trunk, llama_layer, .paired = false},
    {"gemma2", "gemma2", "model.layers.", llama_trunk, gemma_layer, .one_more = true, .more = ns_gguf_gemma2},
    {"gemma3", "gemma3_text", "model.layers.", llama_trunk, gemma_layer, .one_more = true, .more = ns_gguf_gemma3},
    {"phi3", "phi3", "model.layers.", llama_trunk, phi3_layer, .more = ns_gguf_phi3},
    {"gpt2", "gpt2", "transformer.h.", gpt2_trunk, gpt2_layer, .gpt2 = true},
};

static const gguf_arch *find_arch(const char *name)
{
    for (size_t i = 0; i < sizeof archs / sizeof *archs; i++)
        if (strcmp(archs[i].name, name) == 0)
            return &archs[i];
    return NULL;
}

static char *unknown_arch(const char *path, const char *name)
{
    char known[256] = "";
    for (size_t i = 0; i < sizeof archs / sizeof *archs; i++)
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

/* "blk.12.attn_q.weight" -> the row of attn_q, "12"; *number_n = 0 outside layers. NULL: a name that the architecture has not. */
static const gguf_name *split_name(const gguf_arch *a, const char *name, const char **number, size_t *number_n, const char **suffix)
{
    *suffix = strrchr(name, '.');
    *number = name;
    *number_n = 0;
    if (!*suffix)
        return NULL;
    if (!ns_starts(name, "blk."))
        return find_name(a->trunk, name, (size_t)(*suffix - name));
    *number = name + strlen("blk.");
    *number_n = strspn(*number, "0123456789");
    const char *const rest = *number + *number_n + 1;
    return *number_n && rest[-1] == '.' && rest < *suffix ? find_name(a->layer, rest, (size_t)(*suffix - rest)) : NULL;
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
    if (d->arch->one_more && ns_ends(row->from, "norm")) {
        coded->add = -1;
        v->dtype = NS_F32;
    }
    if (coded->heads || coded->transposed || coded->add != 0)
        t->coded = coded;
    return NS_OK;
}

/* The names of a file's tensors anew: "" for those that the config took. */
static int rename_file(gguf_describer *d, ns_weight_file *file, ns_error *err)
{
    enum { LONGER = 64 };              /* more than any name grows by */
    const int64_t first = d->first, n = d->n;
    size_t room = 1;
    for (int64_t i = 0; i < n; i++)
        room += strlen(d->ck->tensors[first + i].name) + LONGER;
    char *const names = malloc(room), *at = names;
    if (!names)
        return ns_oom(err, file->path);
    int rc = NS_OK;
    for (int64_t i = 0; i < n; i++) {
        ns_tensor *const t = &d->ck->tensors[first + i];
        const char *number, *suffix;
        size_t number_n;
        const gguf_name *const row = split_name(d->arch, t->name, &number, &number_n, &suffix);
        const int length = !row        ? sprintf(at, "%s", t->name)
                           : !number_n ? sprintf(at, "%s%s", row->to, suffix)
                                       : sprintf(at, "%s%.*s.%s%s", d->arch->layers, (int)number_n, number, row->to, suffix);
        rc = rc == NS_OK && row ? lay_out(d, t, &file->coded[i], row, err) : rc;      /* all get their names: the old ones go */
        t->name = at;
        at += length + 1;
    }
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
    d.arch = rc == NS_OK ? find_arch(name) : NULL;
    if (rc == NS_OK && !d.arch)
        rc = (ck->no_config = unknown_arch(g->path, name)) ? NS_OK : ns_oom(err, g->path);
    else if (rc == NS_OK)
        rc = describe(&d, err);
    cJSON_Delete(d.config);
    free(d.used);
    free(name);
    return rc;
}
