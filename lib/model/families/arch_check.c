/* arch_check.c - does the description agree with the file?
 *
 * Every weight is found with the shape and a type that can be read; the rows taken from each tensor add up to all of it; every tensor
 * left over matches an ignored glob. Messages name the tensor, its shape, and the config keys that want another. */
#include "model/families/family.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct taker {
    const ns_arch       *a;
    const ns_checkpoint *c;
    int64_t             *rows;        /* [tensors] rows taken */
} taker;

static void shape_text(const ns_view *v, char *out, size_t n)
{
    snprintf(out, n, "[");
    for (int i = 0; i < v->rank; i++)
        snprintf(out + strlen(out), n - strlen(out), "%s%lld", i ? ", " : "", (long long)v->shape[i]);
    snprintf(out + strlen(out), n - strlen(out), "]");
}

/* Rows of the source that the tref needs: one past the last. */
static int64_t rows_needed(const ns_tref *t)
{
    const int64_t last = t->n_out - 1;
    return t->start + last / t->group * t->stride + last % t->group + 1;
}

static int missing(const taker *k, const ns_visit *slot, ns_error *err)
{
    const char *const dir = ns_checkpoint_dir(k->c), *const name = slot->tref->name;
    if (strcmp(slot->role, "head") == 0)
        return ns_fail(err, NS_E_FORMAT,
                       "%s: no tensor '%s', but tie_word_embeddings is false (or absent, and %s is not tied by default): correct "
                       "config.json, or give the head",
                       dir, name, k->a->family);
    if (slot->layer >= 0)
        return ns_fail(err, NS_E_FORMAT,
                       "%s: no tensor '%s' (%s of layer %lld; num_hidden_layers says %lld layers): correct config.json, or map the names "
                       "with --names",
                       dir, name, slot->role, (long long)slot->layer, (long long)k->a->n_layers);
    return ns_fail(err, NS_E_FORMAT, "%s: no tensor '%s' (%s): correct config.json, or map the names with --names", dir, name, slot->role);
}

static int wrong_shape(const ns_visit *slot, const ns_tensor *tensor, ns_error *err)
{
    const ns_tref *const t = slot->tref;
    const int64_t rows = rows_needed(t);
    char have[128], want[64];
    shape_text(&tensor->view, have, sizeof have);
    if (slot->vector)
        snprintf(want, sizeof want, "[%lld]", (long long)rows);
    else
        snprintf(want, sizeof want, "[%lld, %lld]", (long long)(t->transposed ? t->n_in : rows),
                 (long long)(t->transposed ? rows : t->n_in));
    return ns_fail(err, NS_E_FORMAT, "%s: tensor '%s' is %s, but %s (%s) of config.json wants %s: one of the two is wrong", tensor->file,
                   tensor->name, have, slot->role, slot->sizes, want);
}

static int64_t index_of(const ns_checkpoint *c, const ns_tensor *tensor)
{
    int64_t low = 0, high = ns_checkpoint_count(c) - 1;      /* sorted by name */
    while (low < high) {
        const int64_t mid = low + (high - low) / 2;
        if (strcmp(ns_checkpoint_tensor(c, mid)->name, tensor->name) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static int take(void *user, const ns_visit *slot, ns_error *err)
{
    taker *const k = user;
    const ns_tref *const t = slot->tref;
    if (!t->name)
        return NS_OK;
    const bool tied = strcmp(slot->role, "head") == 0 && strcmp(t->name, k->a->embed.name) == 0;
    const ns_tensor *const tensor = ns_checkpoint_find(k->c, t->name);
    if (!tensor)
        return missing(k, slot, err);
    const ns_view *const v = &tensor->view;
    if (v->dtype != NS_F32 && v->dtype != NS_F16 && v->dtype != NS_BF16)
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: tensor '%s' is %s: weights must be F32, F16 or BF16", tensor->file, tensor->name,
                       ns_dtype_name(v->dtype));
    const int rows_axis = t->transposed ? 1 : 0;
    const bool shaped = slot->vector ? v->rank == 1 : v->rank == 2 && v->shape[1 - rows_axis] == t->n_in;
    if (!shaped || v->shape[rows_axis] < rows_needed(t))      /* rows too many: check_rows */
        return wrong_shape(slot, tensor, err);
    if (!tied && !ns_add_i64(k->rows[index_of(k->c, tensor)], t->n_out, &k->rows[index_of(k->c, tensor)]))
        return ns_fail(err, NS_E_FORMAT, "%s: tensor '%s' is named too often", tensor->file, tensor->name);
    return NS_OK;
}

/* ---- what is left over ---- */
bool ns_arch_ignores(const ns_arch *a, const char *name)
{
    for (int i = 0; i < a->n_ignored; i++)
        if (ns_glob(a->ignored[i], name))
            return true;
    return false;
}

/* What the config would have to say for the tensor to be used. */
static const char *hint(const char *name)
{
    static const struct { const char *glob, *text; } hints[] = {
        {"*_proj.bias", "config.json's attention_bias or mlp_bias is false or absent"},
        {"*attention.*.bias", "config.json's attention_bias is false"},
        {"*q_norm.*", "this model_type has no QK-norm"},
        {"*k_norm.*", "this model_type has no QK-norm"},
        {"*.qweight", "quantised weights are not supported"},
        {"*scale*", "quantised weights are not supported"},
        {"*expert*", "mixtures of experts are not supported"},
        {"*lora_*", "merge the adapter into the weights first"},
        {"*layers.*", "config.json's num_hidden_layers may be too small"},
        {"*h.*", "config.json's n_layer may be too small"},
    };
    for (size_t i = 0; i < sizeof hints / sizeof *hints; i++)
        if (ns_glob(hints[i].glob, name))
            return hints[i].text;
    return "the description does not know it";
}

static int check_leftovers(const taker *k, ns_error *err)
{
    const int64_t n = ns_checkpoint_count(k->c);
    const ns_tensor *first = NULL;
    int64_t more = -1;
    for (int64_t i = 0; i < n; i++) {
        const ns_tensor *const t = ns_checkpoint_tensor(k->c, i);
        if (k->rows[i] || ns_arch_ignores(k->a, t->name))
            continue;
        first = first ? first : t;
        more++;
    }
    if (!first)
        return NS_OK;
    char others[48] = "";
    if (more > 0)
        snprintf(others, sizeof others, " and %lld more", (long long)more);
    return ns_fail(err, NS_E_FORMAT,
                   "%s: tensor '%s'%s would not be used: %s (or list it under \"ignored\" in a description given with --arch)", first->file,
                   first->name, others, hint(first->name));
}

/* Rows of a tensor that nobody takes, or that two weights take. */
static int check_rows(void *user, const ns_visit *slot, ns_error *err)
{
    const taker *const k = user;
    const ns_tref *const t = slot->tref;
    if (!t->name)
        return NS_OK;
    const ns_tensor *const tensor = ns_checkpoint_find(k->c, t->name);
    const int64_t rows = tensor->view.shape[t->transposed ? 1 : 0], taken = k->rows[index_of(k->c, tensor)];
    if (taken == rows)
        return NS_OK;
    return ns_fail(err, NS_E_FORMAT,
                   "%s: tensor '%s' has %lld rows, but the sizes of config.json (%s) take %lld of them: one of the two is wrong",
                   tensor->file, tensor->name, (long long)rows, slot->sizes, (long long)taken);
}

static bool is_head(const char *name)
{
    return ns_ends(name, "lm_head.weight") || ns_ends(name, "embed_out.weight");
}

static int same_bytes(const ns_tensor *a, const ns_tensor *b, bool *same, ns_error *err)
{
    enum { CHUNK = 1 << 15 };
    uint8_t x[CHUNK], y[CHUNK];
    int rc = NS_OK;
    *same = true;
    for (int64_t at = 0, n; at < a->n_bytes && *same && rc == NS_OK; at += n) {
        n = a->n_bytes - at < CHUNK ? a->n_bytes - at : CHUNK;
        rc = ns_tensor_read(a, at, n, x, err);
        rc = rc != NS_OK ? rc : ns_tensor_read(b, at, n, y, err);
        *same = rc == NS_OK && memcmp(x, y, (size_t)n) == 0;
    }
    return rc;
}

/* transformers 4 ignores the stored head of a tied model, 5 uses it when it differs: refuse to choose. */
static int check_tied_head(const ns_arch *a, const ns_checkpoint *c, ns_error *err)
{
    const ns_tensor *const embed = ns_checkpoint_find(c, a->embed.name);
    if (strcmp(a->head.name, a->embed.name) != 0)
        return NS_OK;
    for (int64_t i = 0; i < ns_checkpoint_count(c); i++) {
        const ns_tensor *const head = ns_checkpoint_tensor(c, i);
        if (!is_head(head->name) || head == embed || head->view.dtype != embed->view.dtype || head->n_bytes != embed->n_bytes)
            continue;
        bool same;
        const int rc = same_bytes(head, embed, &same, err);
        if (rc != NS_OK)
            return rc;
        if (!same)
            return ns_fail(err, NS_E_FORMAT,
                           "%s: tensor '%s' differs from '%s', but config.json says that they are tied: set tie_word_embeddings to false, "
                           "or delete the tensor",
                           head->file, head->name, embed->name);
    }
    return NS_OK;
}

int ns_arch_check(const ns_arch *a, const ns_checkpoint *c, ns_error *err)
{
    taker k = {.a = a, .c = c};
    k.rows = ns_alloc_array((size_t)ns_checkpoint_count(c), sizeof *k.rows);
    if (!k.rows)
        return ns_oom(err, "the list of tensors");
    ns_arch *const walked = (ns_arch *)a;      /* the walk hands out pointers; nothing is written */
    int rc = ns_arch_each(walked, take, &k, err);
    if (rc == NS_OK)
        rc = check_leftovers(&k, err);
    if (rc == NS_OK)
        rc = ns_arch_each(walked, check_rows, &k, err);
    if (rc == NS_OK)
        rc = check_tied_head(a, c, err);
    free(k.rows);
    return rc;
}
