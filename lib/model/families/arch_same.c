/* arch_same.c - do two descriptions say the same but for the names of their tensors? The rows of the JSON form are walked side by side. */
#include "model/families/fields.h"

#include <stdio.h>
#include <string.h>

/* a, b: whose parameters are compared, or NULL. */
typedef struct compared {
    char        at[160], *where;
    size_t      n;
    const ns_arch   *here, *there;
    const ns_branch *a, *b;
} compared;

static bool differs(const compared *c, const char *key, const char *a, const char *b)
{
    if (strcmp(a, b) == 0)
        return false;
    snprintf(c->where, c->n, "%s%s is %s here and %s there", c->at, key, a, b);
    return true;
}

/* A size that is 0 may stand for another. */
static int64_t whole(const ns_field *f, const void *base, const ns_branch *of)
{
    for (const ns_size *s = of ? of->class_->sizes : NULL; s && s->letter; s++)
        if (s->at == f->offset)
            return ns_size_value(of, s);
    return *(const int64_t *)((const char *)base + f->offset);
}

static void value_text(const ns_field *f, const void *base, const ns_branch *of, char out[64])
{
    const void *const p = (const char *)base + f->offset;
    switch (f->kind) {
    case NS_FIELD_I64: snprintf(out, 64, "%lld", (long long)whole(f, base, of)); return;
    case NS_FIELD_INT: snprintf(out, 64, "%d", *(const int *)p); return;
    case NS_FIELD_F32: snprintf(out, 64, "%.9g", (double)*(const float *)p); return;
    case NS_FIELD_F64: snprintf(out, 64, "%.15g", *(const double *)p); return;         /* what cJSON writes */
    case NS_FIELD_BOOL: snprintf(out, 64, "%s", *(const bool *)p ? "true" : "false"); return;
    case NS_FIELD_WORD: snprintf(out, 64, "%s", ns_word_name(f->words, *(const int *)p)); return;
    case NS_FIELD_TREF: snprintf(out, 64, "%s", ((const ns_tref *)p)->name ? "a tensor" : "none"); return;
    case NS_FIELD_FIXED:
    case NS_FIELD_IMPLIES:                     /* the member has a row of its own */
    case NS_FIELD_NORM:
    case NS_FIELD_I64S:
    case NS_FIELD_F64S: out[0] = '\0'; return;
    }
}

static void item_text(const ns_field *f, const void *list, int64_t i, char out[64])
{
    if (f->kind == NS_FIELD_I64S)
        snprintf(out, 64, "%lld", (long long)((const int64_t *)list)[i]);
    else
        snprintf(out, 64, "%.15g", ((const double *)list)[i]);
}

/* The lengths were compared: a list's is a row above it. */
static bool lists_differ(const compared *c, const ns_field *f, const void *a, const void *b)
{
    const void *const x = *(const void *const *)((const char *)a + f->offset);
    const void *const y = *(const void *const *)((const char *)b + f->offset);
    const int64_t n = *(const int64_t *)((const char *)a + f->count) / f->over;
    char of_x[64], of_y[64];
    if (!x || !y)
        return differs(c, f->key, x ? "a list" : "none", y ? "a list" : "none");
    for (int64_t i = 0; i < n; i++) {
        item_text(f, x, i, of_x);
        item_text(f, y, i, of_y);
        if (differs(c, f->key, of_x, of_y))
            return true;
    }
    return false;
}

static bool fields_differ(const compared *c, const ns_field *f, const void *a, const void *b);

static bool norms_differ(const compared *c, const char *key, const ns_norm *a, const ns_norm *b)
{
    compared in = *c;
    in.a = in.b = NULL;
    snprintf(in.at, sizeof in.at, "%.100s%.40s.", c->at, key);
    return (a->type != NS_NORM_NONE || b->type != NS_NORM_NONE) && fields_differ(&in, ns_fields_norm, a, b);
}

/* The sets that both rotate by, wherever in their lists; -1: none. Sets that nobody rotates by are as good as none. */
static bool ropes_differ(const compared *c, const ns_field *f, const void *a, const void *b)
{
    const int x = *(const int *)((const char *)a + f->offset), y = *(const int *)((const char *)b + f->offset);
    compared in = *c;
    in.a = in.b = NULL;
    snprintf(in.at, sizeof in.at, "%.100srope.", c->at);
    return x < 0 || y < 0 ? (x < 0) != (y < 0) && differs(c, "rope", x < 0 ? "none" : "a set", y < 0 ? "none" : "a set")
                          : fields_differ(&in, ns_fields_rope, &c->here->ropes[x], &c->there->ropes[y]);
}

static bool field_differs(const compared *c, const ns_field *f, const void *a, const void *b)
{
    char x[64], y[64];
    if (c->a && strcmp(f->key, "rope") == 0)
        return ropes_differ(c, f, a, b);
    if (f->kind == NS_FIELD_NORM)
        return norms_differ(c, f->key, (const ns_norm *)((const char *)a + f->offset), (const ns_norm *)((const char *)b + f->offset));
    if (f->kind == NS_FIELD_I64S || f->kind == NS_FIELD_F64S)
        return lists_differ(c, f, a, b);
    value_text(f, a, c->a, x);
    value_text(f, b, c->b, y);
    return differs(c, f->key, x, y);
}

static bool fields_differ(const compared *c, const ns_field *f, const void *a, const void *b)
{
    for (; f->key; f++)
        if (field_differs(c, f, a, b))
            return true;
    return false;
}

static bool counts_differ(const compared *c, const char *key, int64_t a, int64_t b)
{
    char x[24], y[24];
    snprintf(x, sizeof x, "%lld", (long long)a);
    snprintf(y, sizeof y, "%lld", (long long)b);
    return differs(c, key, x, y);
}

static bool branches_differ(const compared *c, const ns_branch *a, const ns_branch *b)
{
    compared in = *c;
    if (differs(c, "its class", a->class_->name, b->class_->name))
        return true;
    snprintf(in.at, sizeof in.at, "%.100s%.40s.", c->at, a->class_->part);
    in.a = a;
    in.b = b;
    return fields_differ(c, ns_fields_branch, a, b) || fields_differ(&in, a->class_->fields, a->params, b->params);
}

static bool stages_differ(const compared *c, const ns_stage *a, const ns_stage *b)
{
    if (fields_differ(c, ns_fields_stage, a, b) || counts_differ(c, "the number of branches", a->n_branches, b->n_branches))
        return true;
    for (int i = 0; i < a->n_branches; i++)
        if (branches_differ(c, &a->branches[i], &b->branches[i]))
            return true;
    return false;
}

static bool layers_differ(const compared *c, const ns_layer *a, const ns_layer *b)
{
    if (counts_differ(c, "the number of stages", a->n_stages, b->n_stages))
        return true;
    for (int i = 0; i < a->n_stages; i++)
        if (stages_differ(c, &a->stages[i], &b->stages[i]))
            return true;
    return false;
}

static bool any_differs(compared *c, const ns_arch *a, const ns_arch *b)
{
    if (fields_differ(c, ns_fields_arch, a, b) || counts_differ(c, "the number of layers", a->n_layers, b->n_layers) ||
        differs(c, "the head", a->head.name && strcmp(a->head.name, a->embed.name) == 0 ? "the embedding" : "its own",
                b->head.name && strcmp(b->head.name, b->embed.name) == 0 ? "the embedding" : "its own"))
        return true;
    for (int64_t i = 0; i < a->n_layers; i++) {
        snprintf(c->at, sizeof c->at, "layer %lld: ", (long long)i);
        if (layers_differ(c, &a->layers[i], &b->layers[i]))
            return true;
    }
    return false;
}

bool ns_arch_same(const ns_arch *a, const ns_arch *b, char *where, size_t n)
{
    compared c = {.where = where, .n = n, .here = a, .there = b};
    return !any_differs(&c, a, b);
}
