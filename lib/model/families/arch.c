/* arch.c - the description as plain data: freeing, small questions, the walk over all weights, and the check of its shape.
 *
 * ns_arch_each is the one list of weights: freeing, renaming, validation and the comparison with a file all walk it. */
#include "model/families/family.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- words of the JSON form ---- */
const ns_word ns_words_layout[] = {{"half", NS_ROPE_HALF}, {"interleaved", NS_ROPE_INTERLEAVED}, {NULL, 0}};
const ns_word ns_words_scaling[] = {
    {"default", NS_ROPE_DEFAULT}, {"linear", NS_ROPE_LINEAR}, {"dynamic", NS_ROPE_DYNAMIC},
    {"llama3", NS_ROPE_LLAMA3}, {"yarn", NS_ROPE_YARN}, {"longrope", NS_ROPE_LONGROPE}, {NULL, 0},
};

/* ---- the walk ---- */
typedef struct walk { ns_visit_fn fn; void *user; ns_error *err; int64_t layer, d_model, copies; } walk;

static int visit_matrix(const walk *w, ns_tref *t, const char *role, const char *sizes, int64_t n_out, int64_t n_in, bool required)
{
    const ns_visit v = {.tref = t, .role = role, .sizes = sizes, .layer = w->layer, .n_out = n_out, .n_in = n_in, .required = required,
                        .copies = w->copies};
    return w->fn(w->user, &v, w->err);
}

static int visit_table(const walk *w, ns_tref *t, const ns_slot *s, const ns_shape *shape)
{
    const ns_visit v = {.tref = t, .role = s->role, .sizes = shape->words, .layer = w->layer, .n_out = shape->n_out, .n_in = shape->n_in,
                        .required = s->required, .table = true, .shared = s->shared};
    return w->fn(w->user, &v, w->err);
}

static int visit_vector(const walk *w, ns_tref *t, const char *role, const char *suffix, const char *sizes, int64_t n)
{
    char name[64];
    snprintf(name, sizeof name, "%s%s", role, suffix);
    const ns_visit v = {.tref = t, .role = name, .sizes = sizes, .layer = w->layer, .n_out = n, .n_in = 1, .vector = true,
                        .copies = w->copies};
    return w->fn(w->user, &v, w->err);
}

static int visit_norm(const walk *w, ns_norm *n, const char *role, const char *sizes, int64_t size)
{
    const int rc = visit_vector(w, &n->weight, role, ".weight", sizes, size);
    return rc != NS_OK ? rc : visit_vector(w, &n->bias, role, ".bias", sizes, size);
}

static int visit_slot(walk *w, const ns_branch *b, const ns_slot *s)
{
    ns_shape shape;
    ns_slot_shape(b, s, w->d_model, &shape);
    w->copies = ns_slot_copies(b, s);
    if (s->kind == NS_SLOT_VECTOR)
        return visit_vector(w, ns_slot_tref(b, s), s->role, "", shape.words, shape.n_out);
    if (s->kind == NS_SLOT_NORM)
        return visit_norm(w, ns_slot_norm(b, s), s->role, shape.words, shape.n_out);
    const int rc = s->kind == NS_SLOT_TABLE
        ? visit_table(w, ns_slot_tref(b, s), s, &shape)
        : visit_matrix(w, ns_slot_tref(b, s), s->role, shape.words, shape.n_out, shape.n_in, s->required);
    return rc != NS_OK || !s->bias ? rc : visit_vector(w, ns_slot_bias(b, s), s->role, "_bias", shape.rows, shape.n_out);
}

static int visit_branch(walk *w, ns_branch *b)
{
    int rc = visit_norm(w, &b->in_norm, "in_norm", "hidden_size", w->d_model);
    for (const ns_slot *s = b->params ? b->class_->slots : NULL; s && s->role && rc == NS_OK; s++)
        rc = visit_slot(w, b, s);
    w->copies = 0;
    return rc != NS_OK ? rc : visit_norm(w, &b->out_norm, "out_norm", "hidden_size", w->d_model);
}

int ns_arch_each(ns_arch *a, ns_visit_fn fn, void *user, ns_error *err)
{
    const int64_t D = a->d_model;
    walk w = {.fn = fn, .user = user, .err = err, .layer = -1, .d_model = D};
    int rc;
    if ((rc = visit_matrix(&w, &a->embed, "embed", "vocab_size, hidden_size", a->vocab, D, true)) != NS_OK ||
        (rc = visit_matrix(&w, &a->positions, "positions", "max_position_embeddings, hidden_size", a->max_positions + a->position_offset, D,
                           false)) != NS_OK)
        return rc;
    for (w.layer = 0; a->layers && w.layer < a->n_layers; w.layer++) {
        ns_layer *const layer = &a->layers[w.layer];
        for (int s = 0; s < layer->n_stages; s++)
            for (int b = 0; b < layer->stages[s].n_branches; b++)
                if ((rc = visit_branch(&w, &layer->stages[s].branches[b])) != NS_OK)
                    return rc;
    }
    w.layer = -1;
    if ((rc = visit_norm(&w, &a->final_norm, "final_norm", "hidden_size", D)) != NS_OK ||
        (rc = visit_matrix(&w, &a->head, "head", "vocab_size, hidden_size", a->vocab, D, true)) != NS_OK)
        return rc;
    return visit_vector(&w, &a->head_bias, "head_bias", "", "vocab_size", a->vocab);
}

/* ---- freeing ---- */
void ns_tref_clear(ns_tref *t)
{
    free(t->name);
    *t = (ns_tref){0};
}

void ns_rope_clear(ns_rope *r)
{
    free(r->short_factor);
    free(r->long_factor);
    *r = (ns_rope){0};
}

static int clear_tref(void *user, const ns_visit *v, ns_error *err)
{
    (void)user;
    (void)err;
    ns_tref_clear(v->tref);
    return NS_OK;
}

static void clear_layer(ns_layer *l)
{
    for (int s = 0; s < l->n_stages; s++)
        for (int b = 0; b < l->stages[s].n_branches; b++) {
            ns_branch *const branch = &l->stages[s].branches[b];
            if (branch->params)
                ns_fields_clear(branch->class_->fields, branch->params);
            free(branch->params);
        }
}

void ns_arch_free(ns_arch *a)
{
    if (!a)
        return;
    (void)ns_arch_each(a, clear_tref, NULL, NULL);
    for (int64_t i = 0; a->layers && i < a->n_layers; i++)
        clear_layer(&a->layers[i]);
    for (int i = 0; i < a->n_ropes; i++)
        ns_rope_clear(&a->ropes[i]);
    for (int i = 0; i < a->n_ignored; i++)
        free(a->ignored[i]);
    free(a->ignored);
    free(a->described);
    free(a->ropes);
    free(a->layers);
    free(a);
}

/* ---- small questions ---- */
static const ns_branch *mixer_of(const ns_arch *a, int64_t layer)
{
    return layer >= 0 && layer < a->n_layers ? ns_layer_mixer(&a->layers[layer]) : NULL;
}

const ns_attn *ns_arch_attn(const ns_arch *a, int64_t layer)
{
    const ns_branch *const b = mixer_of(a, layer);
    return b ? b->params : NULL;
}

ns_row_kind ns_arch_row_kind(const ns_arch *a, int64_t layer)
{
    const ns_branch *const b = mixer_of(a, layer);
    return b ? b->class_->rows : NS_ROW_UNROLLED;
}

const ns_ffn *ns_arch_ffn(const ns_arch *a, int64_t layer)
{
    if (layer < 0 || layer >= a->n_layers)
        return NULL;
    const ns_layer *const l = &a->layers[layer];
    for (int s = 0; s < l->n_stages; s++)
        for (int b = 0; b < l->stages[s].n_branches; b++)
            if (l->stages[s].branches[b].class_->ffn)
                return l->stages[s].branches[b].params;
    return NULL;
}

int64_t ns_attn_window(const ns_attn *a, int64_t head)
{
    return a->chunk ? a->chunk : a->head_window ? a->head_window[head] : a->window;
}

/* By the model's own mask. */
static int64_t first_of_model(const ns_attn *a, int64_t head, int64_t row)
{
    const int64_t window = ns_attn_window(a, head);
    if (a->chunk)
        return row / a->chunk * a->chunk;
    return window && row >= window ? row - window + 1 : 0;
}

ns_seen_keys ns_attn_seen_keys(const ns_attn *a, int64_t head, int64_t row)
{
    const int64_t first = first_of_model(a, head, row), near = a->cut && row >= a->cut ? row - a->cut + 1 : 0;
    if (near <= first || near <= a->kept)
        return (ns_seen_keys){first, first, first};
    return first < a->kept ? (ns_seen_keys){first, a->kept, near} : (ns_seen_keys){near, near, near};
}

int64_t ns_attn_first_key(const ns_attn *a, int64_t head, int64_t row)
{
    return ns_attn_seen_keys(a, head, row).first;
}

/* A layer slides when every head of it does: one full head can reach any key. */
ns_layer_kind ns_arch_layer_kind(const ns_arch *a, int64_t layer)
{
    const ns_attn *const attn = ns_arch_attn(a, layer);
    if (ns_arch_mixers(a, layer) == 0)
        return NS_LAYER_MLP;
    if (!attn || ns_arch_row_kind(a, layer) == NS_ROW_UNROLLED)
        return NS_LAYER_RECURRENT;
    for (int64_t h = 0; h < attn->n_heads; h++)
        if (ns_attn_window(attn, h) == 0)
            return NS_LAYER_FULL;
    return NS_LAYER_SWA;
}

void ns_arch_layer_label(const ns_arch *arch, int64_t layer, char *out, size_t n)
{
    const ns_attn *const attn = ns_arch_attn(arch, layer);
    const ns_layer_kind kind = ns_arch_layer_kind(arch, layer);
    if (kind == NS_LAYER_SWA && attn->chunk)
        snprintf(out, n, "chunk %lld", (long long)attn->chunk);
    else if (kind == NS_LAYER_SWA && !attn->head_window)
        snprintf(out, n, "swa %lld", (long long)attn->window);
    else
        snprintf(out, n, "%s", ns_layer_kind_name(kind));
}

static const ns_rope *rope_of(const ns_arch *arch, int64_t layer)
{
    const ns_attn *const attn = ns_arch_attn(arch, layer);
    return attn && attn->rope >= 0 ? &arch->ropes[attn->rope] : NULL;
}

double ns_arch_rope_theta(const ns_arch *arch, int64_t layer)
{
    const ns_rope *const rope = rope_of(arch, layer);
    return rope ? rope->theta : ns_arch_attn(arch, layer) ? 0 : (double)NAN;
}

void ns_arch_scaling_label(const ns_arch *arch, int64_t layer, char *out, size_t n)
{
    const ns_rope *const rope = rope_of(arch, layer);
    const ns_rope_scaling scaling = rope ? rope->scaling : NS_ROPE_DEFAULT;
    const char *word = "";
    for (const ns_word *w = ns_words_scaling; w->name && scaling != NS_ROPE_DEFAULT; w++)
        word = w->value == (int)scaling ? w->name : word;
    if (*word && scaling != NS_ROPE_LONGROPE)
        snprintf(out, n, "%s %g", word, rope->factor);
    else
        snprintf(out, n, "%s", word);
}

int64_t ns_arch_heads_of(const ns_arch *arch, ns_layer_kind kind, ns_head *out)
{
    int64_t n = 0;
    for (int64_t l = 0; l < arch->n_layers; l++) {
        const ns_attn *const attn = ns_arch_layer_kind(arch, l) == kind ? ns_arch_attn(arch, l) : NULL;
        for (int64_t h = 0; attn && h < attn->n_heads; h++, n++)
            if (out)
                out[n] = (ns_head){l, h};
    }
    return n;
}

const char *ns_layer_kind_name(ns_layer_kind kind)
{
    static const char *const names[] = {"full", "swa", "recurrent", "mlp"};
    return (unsigned)kind < sizeof names / sizeof *names ? names[kind] : "?";
}

int64_t ns_arch_axis(const ns_arch *a, int64_t layer, const char *axis)
{
    int64_t n = 0;
    if (strcmp(axis, "d_model") == 0)
        return a->d_model;
    if (strcmp(axis, "one") == 0)
        return 1;
    if (strcmp(axis, "id_weight") == 0)
        return ns_arch_axis(a, layer, "choice") ? 2 : 0;
    if (strcmp(axis, "d_state") == 0)
        return ns_arch_axis(a, layer, "d_key") * ns_arch_axis(a, layer, "d_head");
    if (layer < 0 || layer >= a->n_layers)
        return layer < 0 && strcmp(axis, "d_vocab") == 0 ? a->vocab : 0;
    const ns_layer *const l = &a->layers[layer];
    for (int s = 0; s < l->n_stages; s++)
        for (int b = 0; b < l->stages[s].n_branches; b++) {
            const int64_t own = ns_branch_axis(&l->stages[s].branches[b], axis);
            n = own > n ? own : n;
        }
    return n;
}

int ns_arch_mixers(const ns_arch *a, int64_t layer)
{
    int n = 0;
    for (int s = 0; layer >= 0 && layer < a->n_layers && s < a->layers[layer].n_stages; s++)
        for (int b = 0; b < a->layers[layer].stages[s].n_branches; b++)
            n += ns_class_is_mixer(a->layers[layer].stages[s].branches[b].class_);
    return n;
}

int64_t ns_arch_max_heads(const ns_arch *a)
{
    int64_t most = 0;
    for (int64_t i = 0; i < a->n_layers; i++) {
        const ns_attn *const attn = ns_arch_attn(a, i);
        if (attn && attn->n_heads > most)
            most = attn->n_heads;
    }
    return most;
}

int64_t ns_arch_max_head_dim(const ns_arch *a)
{
    int64_t most = 0;
    for (int64_t i = 0; i < a->n_layers; i++) {
        const ns_attn *const attn = ns_arch_attn(a, i);
        if (attn && attn->head_dim > most)
            most = attn->head_dim;
    }
    return most;
}
