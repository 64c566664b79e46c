/* classes.c - the table of classes: those of the build file's list; finding one, its sizes and its slots. */
#include "model/branch/branch.h"
#include "core/core.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENTRY(name) extern const ns_branch_class ns_branch_##name;
#include "model/branch/branch_list.h"
#undef ENTRY

const ns_branch_class *const ns_branch_classes[NS_N_BRANCH_CLASSES + 1] = {
#define ENTRY(name) &ns_branch_##name,
#include "model/branch/branch_list.h"
#undef ENTRY
    NULL,
};

static bool answers_to(const ns_branch_class *c, const char *mixer)
{
    int value;
    return c->mixers ? ns_word_find(c->mixers, mixer, &value) : c->mixer && strcmp(c->mixer, mixer) == 0;
}

const ns_branch_class *ns_branch_class_find(const char *part, const char *mixer)
{
    for (int i = 0; ns_branch_classes[i]; i++) {
        const ns_branch_class *const c = ns_branch_classes[i];
        if (strcmp(c->part, part) == 0 && (!mixer || answers_to(c, mixer)))
            return c;
    }
    return NULL;
}

bool ns_branch_begin(ns_branch *b, const ns_branch_class *class_)
{
    b->class_ = class_;
    b->params = ns_alloc_array(1, class_->params_size);
    return b->params;
}

const ns_branch *ns_layer_mixer(const ns_layer *l)
{
    for (int s = 0; s < l->n_stages; s++)
        for (int b = 0; b < l->stages[s].n_branches; b++)
            if (ns_stage_asked(&l->stages[s], b)->class_->heads)
                return ns_stage_asked(&l->stages[s], b);
    return NULL;
}

const char *ns_branch_absent(const ns_branch *b, ns_point p)
{
    const ns_branch_class *const c = b->class_;
    if (p == c->out_point)
        return NULL;
    if (p == c->in_point)
        return b->shares_norm ? "it has the input of the branch before it" : b->in_norm.type == NS_NORM_NONE ? "it has no norm" : NULL;
    const char *const why = c->absent ? c->absent(b->params, p) : NULL;
    return why || c->points >> p & 1 ? why : c->no_step;
}

const ns_branch *ns_layer_shows(const ns_layer *l, ns_point p)
{
    const bool of_keys = p == NS_POINT_SCORES;
    for (int s = 0; s < l->n_stages; s++)
        for (int b = 0; b < l->stages[s].n_branches; b++)
            if (!ns_branch_absent(ns_stage_asked(&l->stages[s], b), p))
                return of_keys && ns_stage_asked(&l->stages[s], b) != ns_layer_mixer(l) ? NULL : ns_stage_asked(&l->stages[s], b);
    return NULL;
}

ns_keeps ns_branch_keeps(const ns_branch *b)
{
    ns_keeps k = {.kind = NS_STATE_NONE};
    if (b->class_->keeps)
        b->class_->keeps(b->params, &k);
    return k;
}

/* ---- slots ---- */

int ns_branch_n_slots(const ns_branch_class *c)
{
    int n = 0;
    while (c->slots[n].role)
        n++;
    return n;
}

int ns_branch_n_weights(const ns_branch_class *c)
{
    int n = 0;
    for (const ns_slot *s = c->slots; s->role; s++)
        n = s->kind == NS_SLOT_MATRIX && s->weight >= n ? s->weight + 1 : n;
    return n;
}

int ns_slot_find(const ns_branch_class *c, const char *role)
{
    for (int i = 0; c->slots[i].role; i++)
        if (strcmp(c->slots[i].role, role) == 0)
            return i;
    return -1;
}

static const ns_size *size_by(const ns_branch *b, char letter)
{
    const ns_size *s = b->class_->sizes;
    while (s->letter && s->letter != letter)
        s++;
    return s;
}

int64_t ns_size_value(const ns_branch *b, const ns_size *s)
{
    const int64_t value = *(const int64_t *)((const char *)b->params + s->at);
    return value || !s->otherwise ? value : ns_size_value(b, size_by(b, s->otherwise));
}

/* The letter's value and key; D is the model's. */
static int64_t size_of(const ns_branch *b, char letter, int64_t d_model, const char **key)
{
    const ns_size *const s = letter == 'D' ? NULL : size_by(b, letter);
    *key = s ? s->key : "hidden_size";
    return s ? ns_size_value(b, s) : d_model;
}

int64_t ns_branch_axis(const ns_branch *b, const char *axis)
{
    for (const ns_size *s = b->class_->sizes; s->letter; s++)
        if (s->axis && strcmp(s->axis, axis) == 0)
            return ns_size_value(b, s);
    return 0;
}

int64_t ns_slot_copies(const ns_branch *b, const ns_slot *s)
{
    return s->each ? ns_size_value(b, size_by(b, s->each)) : 0;
}

int64_t ns_slot_used(const ns_branch *b, const ns_slot *s)
{
    return s->used ? ns_size_value(b, size_by(b, s->used)) : 1;
}

/* The product of the letters up to a comma or the end; *words gets "key x key". Sizes are those of a file that nobody has checked yet. */
static int64_t product(const ns_branch *b, const char *letters, int64_t d_model, char *words, size_t room)
{
    int64_t n = 1;
    words[0] = 0;
    for (; *letters && *letters != ','; letters++) {
        const char *key;
        const int64_t size = size_of(b, *letters, d_model, &key);
        n = ns_mul_i64(n, size, &n) ? n : INT64_MAX;
        snprintf(words + strlen(words), room - strlen(words), "%s%s", words[0] ? " x " : "", key);
    }
    if (!words[0])
        snprintf(words, room, "1");
    return n;
}

void ns_slot_shape(const ns_branch *b, const ns_slot *s, int64_t d_model, ns_shape *out)
{
    const bool other = s->other && *(const int *)((const char *)b->params + s->when) == s->is;
    const char *const shape = other ? s->other : s->shape, *const comma = strchr(shape, ',');
    char inputs[64] = "";
    out->n_out = product(b, shape, d_model, out->rows, sizeof out->rows);
    out->n_in = comma ? product(b, comma + 1, d_model, inputs, sizeof inputs) : 1;
    snprintf(out->words, sizeof out->words, "%s%s%s", out->rows, comma ? ", " : "", inputs);
}
