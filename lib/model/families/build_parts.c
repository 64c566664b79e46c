/* build_parts.c - what a build function makes a branch of: parameters by the keys of the class's fields, tensors by the roles of its slots.
 *
 * A name in a layer may be several, "now|before": the first of them that the checkpoint holds, without one the first of all. */
#include "model/families/family.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- names ---- */

static ns_tref tref_of(ns_builder *b, char *name, int64_t n_out, int64_t n_in)
{
    b->oom |= !name;
    return (ns_tref){.name = name, .group = n_out, .stride = n_out, .n_out = n_out, .n_in = n_in};
}

ns_tref ns_build_trunk(ns_builder *b, const char *name, int64_t n_out, int64_t n_in)
{
    return tref_of(b, ns_printf_alloc("%s%s", b->prefix, name), n_out, n_in);
}

/* n bytes of a name in the current layer, and what follows them; "{}", the number of an expert, becomes `expert` if there is one. */
static char *in_layer(const ns_builder *b, const char *name, size_t n, const char *suffix, const char *expert)
{
    const char *const brace = expert ? memchr(name, '{', n) : NULL;
    const int head = (int)(brace ? (size_t)(brace - name) : n), tail = brace ? (int)n - head - 2 : 0;
    return ns_printf_alloc("%s%s%lld.%s%.*s%s%.*s%s", b->prefix, b->row->names->layers, (long long)b->layer, b->module ? b->module : "",
                           head, name, brace ? expert : "", tail, brace ? brace + 2 : "", suffix);
}

static const ns_tensor *find(ns_builder *b, const char *name, size_t n, const char *suffix)
{
    char *const full = in_layer(b, name, n, suffix, "0");
    const ns_tensor *const found = full && b->checkpoint ? ns_checkpoint_find(b->checkpoint, full) : NULL;
    b->oom |= !full;
    free(full);
    return found;
}

bool ns_build_holds(ns_builder *b, const char *name)
{
    return find(b, name, strlen(name), "");
}

int64_t ns_build_rows(ns_builder *b, const char *name)
{
    const ns_tensor *const t = find(b, name, strlen(name), "");
    return t && t->view.rank > 0 ? t->view.shape[0] : -1;
}

static char *name_in_layer(ns_builder *b, const char *names, const char *suffix)
{
    for (const char *name = names; strchr(names, '|') && name; name = strchr(name, '|') ? strchr(name, '|') + 1 : NULL)
        if (find(b, name, strcspn(name, "|"), suffix))
            return in_layer(b, name, strcspn(name, "|"), suffix, NULL);
    return in_layer(b, names, strcspn(names, "|"), suffix, NULL);
}

static ns_tref layer_tensor(ns_builder *b, const char *names, const char *suffix, int64_t n_out, int64_t n_in)
{
    return tref_of(b, name_in_layer(b, names, suffix), n_out, n_in);
}

ns_norm ns_build_norm_of(ns_builder *b, const char *name, int64_t n)
{
    const ns_family *const row = b->row;
    ns_norm norm = {.type = name ? row->norm : NS_NORM_NONE, .eps = (float)b->f->eps, .offset = row->norm_offset};
    if (!name)
        return (ns_norm){0};
    if (row->norm_plain)
        return norm;
    if (b->layer >= 0) {
        norm.weight = layer_tensor(b, name, ".weight", n, 1);
        if (row->norm_bias)
            norm.bias = layer_tensor(b, name, ".bias", n, 1);
        return norm;
    }
    char text[128];
    snprintf(text, sizeof text, "%s.weight", name);
    norm.weight = ns_build_trunk(b, text, n, 1);
    snprintf(text, sizeof text, "%s.bias", name);
    if (row->norm_bias)
        norm.bias = ns_build_trunk(b, text, n, 1);
    return norm;
}

/* ---- parameters ---- */

void ns_build_number(ns_builder *b, ns_branch *branch, const char *key, double value)
{
    const ns_field *const f = ns_field_find(branch->class_->fields, key);
    void *const p = (char *)branch->params + f->offset;
    (void)b;
    if (f->kind == NS_FIELD_I64)
        *(int64_t *)p = (int64_t)value;
    else if (f->kind == NS_FIELD_INT || f->kind == NS_FIELD_WORD)
        *(int *)p = (int)value;
    else if (f->kind == NS_FIELD_F32)
        *(float *)p = (float)value;
    else if (f->kind == NS_FIELD_BOOL)
        *(bool *)p = value != 0;
    else
        *(double *)p = value;
}

void ns_build_word(ns_builder *b, ns_branch *branch, const char *key, const char *word)
{
    int value = 0;
    if (ns_word_find(ns_field_find(branch->class_->fields, key)->words, word, &value))
        ns_build_number(b, branch, key, value);
}

double *ns_build_list(ns_builder *b, ns_branch *branch, const char *key)
{
    const ns_field *const f = ns_field_find(branch->class_->fields, key);
    const int64_t n = *(const int64_t *)((const char *)branch->params + f->count) / f->over;
    double **const list = (double **)((char *)branch->params + f->offset);
    *list = ns_alloc_array((size_t)n, sizeof **list);
    b->oom |= !*list;
    return *list;
}

/* ---- tensors ---- */

static const ns_slot *slot_of(const ns_builder *b, const ns_branch *branch, const char *role, ns_shape *shape)
{
    const ns_slot *const slot = &branch->class_->slots[ns_slot_find(branch->class_, role)];
    ns_slot_shape(branch, slot, b->f->d_model, shape);
    return slot;
}

/* A slot's tensor, or its bias [n_out]. */
static ns_tref *build_part(ns_builder *b, ns_branch *branch, const char *role, const char *name, const char *suffix, bool bias)
{
    ns_shape shape;
    const ns_slot *const slot = slot_of(b, branch, role, &shape);
    ns_tref *const t = bias ? ns_slot_bias(branch, slot) : ns_slot_tref(branch, slot);
    *t = layer_tensor(b, name, suffix, shape.n_out, bias ? 1 : shape.n_in);
    return t;
}

ns_tref *ns_build_matrix(ns_builder *b, ns_branch *branch, const char *role, const char *name)
{
    ns_tref *const t = build_part(b, branch, role, name, ".weight", false);
    t->transposed = b->row->names->transposed;
    return t;
}

ns_tref *ns_build_tensor(ns_builder *b, ns_branch *branch, const char *role, const char *name)
{
    return build_part(b, branch, role, name, "", false);
}

ns_tref *ns_build_bias(ns_builder *b, ns_branch *branch, const char *role, const char *name)
{
    return build_part(b, branch, role, name, "", true);
}

ns_tref *ns_build_bias_of(ns_builder *b, ns_branch *branch, const char *role, const char *name)
{
    return build_part(b, branch, role, name, ".bias", true);
}

ns_norm *ns_build_norm(ns_builder *b, ns_branch *branch, const char *role, const char *name)
{
    ns_shape shape;
    ns_norm *const n = ns_slot_norm(branch, slot_of(b, branch, role, &shape));
    *n = ns_build_norm_of(b, name, shape.n_out);
    return n;
}

/* ---- linear recurrences ---- */

void ns_build_recurrence(ns_builder *b, ns_branch *branch, double scale)
{
    const ns_mixer_facts *const m = &b->f->mixer;
    ns_build_number(b, branch, "n_heads", (double)m->heads);
    ns_build_number(b, branch, "n_kv_heads", (double)m->heads);
    ns_build_number(b, branch, "head_dim", (double)m->value_dim);
    ns_build_number(b, branch, "scale", scale);
    ns_build_number(b, branch, "rope", -1);
    ns_build_word(b, branch, "gate_act", "silu");
}

void ns_build_keys(ns_builder *b, ns_branch *branch, int64_t taps)
{
    const ns_mixer_facts *const m = &b->f->mixer;
    ns_build_number(b, branch, "q_heads", (double)m->groups);
    ns_build_number(b, branch, "k_heads", (double)m->groups);
    ns_build_number(b, branch, "key_dim", (double)m->key_dim);
    ns_build_number(b, branch, "conv_taps", (double)taps);
    ns_build_number(b, branch, "qkv_act", b->f->act);
    ns_build_word(b, branch, "decay", "softplus");
}
