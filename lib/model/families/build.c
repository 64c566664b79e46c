/* build.c - facts and a family's row -> arch: names every weight and lays the branches of every layer. */
#include "model/families/family.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef ns_builder builder;

/* ---- branches ---- */

/* Part 0 q, 1 k, 2 v of a fused projection's matrix or bias; GATED: 0 q, 1 the gate. */
static void narrow(const builder *b, ns_tref *t, int part)
{
    const ns_facts *const f = b->f;
    const int64_t q = f->heads * f->head_dim, kv = f->kv_heads * f->head_dim;
    if (b->row->fuse == NS_FUSE_GATED) {
        t->start = part * f->head_dim;
        t->group = f->head_dim;
        t->stride = 2 * f->head_dim;
    } else if (b->row->fuse == NS_FUSE_PER_HEAD) {
        t->start = part * f->head_dim;
        t->group = f->head_dim;
        t->stride = 3 * f->head_dim;
    } else {
        t->start = part == 0 ? 0 : part == 1 ? q : q + kv;
    }
}

static void build_qkv(builder *b, ns_branch *branch)
{
    static const char *const roles[] = {"attn.q", "attn.k", "attn.v"};
    const ns_names *const n = b->row->names;
    const char *const apart[] = {n->q, n->k, n->v};
    for (int i = b->row->fuse == NS_FUSE_GATED; i < 3; i++) {
        const char *const name = n->qkv ? n->qkv : apart[i];
        ns_tref *const matrix = ns_build_matrix(b, branch, roles[i], name);
        ns_tref *const bias = b->f->attn_bias ? ns_build_bias_of(b, branch, roles[i], name) : NULL;
        if (n->qkv)
            narrow(b, matrix, i);
        if (n->qkv && bias)
            narrow(b, bias, i);
    }
}

/* The gate of the output lies with q. */
static void build_gated(builder *b, ns_branch *branch)
{
    static const char *const roles[] = {"attn.q", "attn.z_gate"};
    for (int i = 0; i < 2; i++) {
        narrow(b, ns_build_matrix(b, branch, roles[i], b->row->names->q), i);
        if (b->f->attn_bias)
            narrow(b, ns_build_bias_of(b, branch, roles[i], b->row->names->q), i);
    }
}

/* Only on layers that rotate, and after it; elsewhere before. */
static void build_qk_norm(builder *b, ns_branch *branch)
{
    const ns_names *const n = b->row->names;
    ns_attn *const a = branch->params;
    if (b->row->qk_norm_rotated) {
        a->qk_norm = a->rope < 0 ? NS_QK_NONE : a->qk_norm;
        a->norm_after_rope = a->qk_norm != NS_QK_NONE;
        if (a->norm_after_rope)
            a->q_norm = a->k_norm = (ns_norm){.type = NS_NORM_RMS, .eps = (float)b->f->eps};
        return;
    }
    ns_build_norm(b, branch, "attn.q_norm", n->q_norm);
    ns_build_norm(b, branch, "attn.k_norm", n->k_norm);
}

/* The first half of the heads has the layer's window, the others see all. */
static void build_half(builder *b, ns_attn *a)
{
    a->head_window = ns_alloc_array((size_t)a->n_heads, sizeof *a->head_window);
    b->oom |= !a->head_window;
    for (int64_t h = 0; a->head_window && h < a->n_heads / 2; h++)
        a->head_window[h] = a->window;
    a->window = 0;
}

static void build_attn(builder *b, ns_branch *branch)
{
    const ns_facts *const f = b->f;
    const ns_names *const n = b->row->names;
    ns_attn *const a = branch->params;
    *a = (ns_attn){.clip_after_norm = b->row->clip_after_norm && f->clip > 0,
                   .n_heads = f->heads,
                   .n_kv_heads = f->kv_heads,
                   .head_dim = f->head_dim,
                   .qk_norm = f->qk_norm,
                   .clip_qkv = (float)f->clip,
                   .softcap = (float)f->attn_softcap,
                   .rope = f->rope[b->layer],
                   .window = b->row->window == NS_WINDOW_CHUNKS ? 0 : f->window[b->layer],
                   .chunk = b->row->window == NS_WINDOW_CHUNKS ? f->window[b->layer] : 0};
    if (a->rope < 0 || f->temper.kind == NS_TEMPER_LOG)
        a->temper = f->temper;
    if (f->half[b->layer])
        build_half(b, a);
    a->scale = (float)(f->scale_by_layer ? f->scale / (double)(b->layer + 1) : f->scale);
    build_qkv(b, branch);
    if (b->row->fuse == NS_FUSE_GATED)
        build_gated(b, branch);
    if (f->attn_gate)
        ns_build_matrix(b, branch, "attn.z_gate", n->z_gate);
    if (n->sinks)
        ns_build_tensor(b, branch, "attn.sinks", n->sinks);
    ns_build_matrix(b, branch, "attn.o", n->o);
    if (f->o_bias)
        ns_build_bias_of(b, branch, "attn.o", n->o);
    if (f->factors.given) {
        a->k_scale = (float)f->factors.key;
        branch->in_scale = (float)f->factors.attn_in;
        branch->out_scale = (float)f->factors.attn_out;
    }
    if (a->qk_norm != NS_QK_NONE)
        build_qk_norm(b, branch);
}

static void build_act(builder *b, ns_branch *branch)
{
    static const char *const roles[] = {"ffn.alpha_p", "ffn.alpha_n", "ffn.beta", "ffn.eps"};
    for (int i = 0; i < 4; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s.%s", b->row->names->act, roles[i] + strlen("ffn."));
        ns_build_tensor(b, branch, roles[i], name);
    }
}

static void build_ffn(builder *b, ns_branch *branch)
{
    const ns_names *const n = b->row->names;
    ns_ffn *const ffn = branch->params;
    *ffn = (ns_ffn){.d_ff = b->f->d_ff, .act = b->f->act};
    if (b->f->factors.given) {
        ffn->gate_factor = (float)b->f->factors.gate;
        branch->out_scale = (float)b->f->factors.down;
    }
    if (n->gate_up) {
        ns_build_matrix(b, branch, "ffn.gate", n->gate_up);
        ns_build_matrix(b, branch, "ffn.up", n->gate_up)->start = ffn->d_ff;
    } else {
        if (n->gate && !b->f->ungated)
            ns_build_matrix(b, branch, "ffn.gate", n->gate);
        ns_build_matrix(b, branch, "ffn.up", n->up);
    }
    ns_build_matrix(b, branch, "ffn.down", n->down);
    if (ffn->act == NS_ACT_XIELU && n->act)
        build_act(b, branch);
    if (!b->f->ffn_bias)
        return;
    if (n->gate)
        ns_build_bias_of(b, branch, "ffn.gate", n->gate);
    ns_build_bias_of(b, branch, "ffn.up", n->up);
    ns_build_bias_of(b, branch, "ffn.down", n->down);
}

static void begin(builder *b, ns_branch *branch, const char *part, const char *mixer)
{
    branch->in_scale = 1;
    branch->out_scale = (float)b->f->branch_scale;
    b->oom |= !ns_branch_begin(branch, ns_branch_class_find(part, mixer));
}

/* Whose norms the layer has. */
static const ns_names *block_names(const builder *b)
{
    const int kind = b->f->recurrent[b->layer];
    const ns_names *const own = kind ? b->row->recurrent[kind - 1].names : NULL;
    return own ? own : b->row->names;
}

static void build_mixer(builder *b, ns_branch *branch)
{
    const int kind = b->f->recurrent[b->layer];
    const ns_recurrent *const other = kind ? &b->row->recurrent[kind - 1] : NULL;
    begin(b, branch, "attn", other ? other->mixer : NULL);
    if (b->oom)
        return;
    branch->in_norm = ns_build_norm_of(b, block_names(b)->attn_in_norm, b->f->d_model);
    branch->out_norm = ns_build_norm_of(b, block_names(b)->attn_out_norm, b->f->d_model);
    if (other)
        other->build(b, branch);
    else
        build_attn(b, branch);
}

/* A recurrence next to attention, whose norm it shares. */
static void build_beside(builder *b, ns_branch *branch)
{
    const ns_recurrent *const other = b->row->recurrent;
    begin(b, branch, "attn", other->mixer);
    branch->shares_norm = true;
    if (!b->oom)
        other->build(b, branch);
}

static void build_mlp(builder *b, ns_branch *branch)
{
    begin(b, branch, "ffn", b->f->sparse[b->layer] ? "experts" : NULL);
    if (b->oom)
        return;
    branch->shares_norm = b->f->shares_norm;
    branch->in_norm = ns_build_norm_of(b, branch->shares_norm ? NULL : block_names(b)->ffn_in_norm, b->f->d_model);
    branch->out_norm = ns_build_norm_of(b, block_names(b)->ffn_out_norm, b->f->d_model);
    if (b->f->sparse[b->layer])
        ns_build_experts(b, branch);
    else
        build_ffn(b, branch);
}

static void build_layer(builder *b, ns_layer *layer)
{
    ns_branch attn = {0}, ffn = {0};
    const bool alone = b->row->alone || !b->row->names->down;
    if (!b->f->mlp[b->layer])
        build_mixer(b, &attn);
    if (!alone || b->f->mlp[b->layer])
        build_mlp(b, &ffn);
    if (alone) {
        layer->n_stages = 1;
        layer->stages[0] = (ns_stage){.branches = {b->f->mlp[b->layer] ? ffn : attn}, .n_branches = 1};
        return;
    }
    if (b->f->parallel) {
        layer->n_stages = 1;
        layer->stages[0] = (ns_stage){.branches = {attn, ffn}, .n_branches = 2};
    } else {
        layer->n_stages = 2;
        layer->stages[0] = (ns_stage){.branches = {attn}, .n_branches = 1};
        layer->stages[1] = (ns_stage){.branches = {ffn}, .n_branches = 1};
    }
    if (b->row->recurrent && b->row->recurrent->beside)
        build_beside(b, &layer->stages[0].branches[layer->stages[0].n_branches++]);
    for (int s = 0; s < 2 && b->row->normed_residual; s++) {
        const int which = s == 1 ? 2 : b->f->recurrent[b->layer] != 0;
        layer->stages[s].normed_scale = (float)b->f->alpha[which];
        layer->stages[s].branches[0].out_scale = (float)b->f->beta[which];
    }
}

static bool copy_ropes(ns_arch *a, const ns_facts *f)
{
    a->ropes = ns_alloc_array((size_t)f->n_ropes, sizeof *a->ropes);
    if (!a->ropes)
        return false;
    for (int i = 0; i < f->n_ropes; i++) {
        const ns_rope *const from = &f->ropes[i];
        ns_rope *const to = &a->ropes[a->n_ropes++];
        *to = *from;
        to->short_factor = to->long_factor = NULL;
        if (!from->short_factor)
            continue;
        const size_t half = (size_t)from->rotary_dim / 2;
        to->short_factor = ns_alloc_array(half, sizeof(double));
        to->long_factor = ns_alloc_array(half, sizeof(double));
        if (!to->short_factor || !to->long_factor)
            return false;
        memcpy(to->short_factor, from->short_factor, half * sizeof(double));
        memcpy(to->long_factor, from->long_factor, half * sizeof(double));
    }
    return true;
}

/* The family's buffers, and the head of a tied model should the file hold it all the same. */
static bool copy_ignored(ns_arch *a, const ns_family *row, bool tied)
{
    int n = 0;
    while (row->ignored && row->ignored[n])
        n++;
    a->ignored = ns_alloc_array((size_t)n + 1, sizeof *a->ignored);
    if (!a->ignored)
        return false;
    for (int i = 0; i < n; i++, a->n_ignored++)
        if (!(a->ignored[i] = ns_strdup(row->ignored[i])))
            return false;
    if (tied && !(a->ignored[a->n_ignored++] = ns_printf_alloc("*%s", row->names->head)))
        return false;
    return true;
}

int ns_arch_build(ns_arch **out, const ns_family *row, const ns_facts *f, const ns_prefixes *prefixes, ns_error *err)
{
    builder b = {.row = row, .f = f, .checkpoint = prefixes->checkpoint, .prefix = prefixes->trunk, .layer = -1};
    const ns_names *const n = row->names;
    *out = NULL;
    ns_arch *const a = ns_alloc_array(1, sizeof *a);
    if (!a)
        return ns_oom(err, "the description of the model");
    snprintf(a->family, sizeof a->family, "%s", row->type);
    a->d_model = f->d_model;
    a->vocab = f->vocab;
    a->max_positions = f->positions;
    a->embed_scale = (float)f->embed_scale;
    a->logit_scale = (float)f->logit_scale;
    a->logit_softcap = (float)f->logit_softcap;
    a->embed = ns_build_trunk(&b, n->embed, f->vocab, f->d_model);
    if (n->positions)
        a->positions = ns_build_trunk(&b, n->positions, f->positions, f->d_model);
    a->final_norm = ns_build_norm_of(&b, n->final_norm, f->d_model);
    b.prefix = f->tied ? prefixes->trunk : prefixes->head;
    a->head = ns_build_trunk(&b, f->tied ? n->embed : n->head, f->vocab, f->d_model);
    b.prefix = prefixes->trunk;
    a->layers = ns_alloc_array((size_t)f->layers, sizeof *a->layers);
    if (!copy_ropes(a, f) || !copy_ignored(a, row, f->tied) || !a->layers)
        goto oom;
    for (a->n_layers = 0; a->n_layers < f->layers && !b.oom; a->n_layers++) {
        b.layer = a->n_layers;
        build_layer(&b, &a->layers[a->n_layers]);
    }
    if (b.oom)
        goto oom;
    *out = a;
    return NS_OK;
oom:
    ns_arch_free(a);
    return ns_oom(err, "the description of the model");
}
