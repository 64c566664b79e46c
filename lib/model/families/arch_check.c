/* arch_check.c - does the description agree with the file?
 *
 * Every weight is found with the shape and a type that can be read; the rows taken from each tensor add up to all of it; every tensor
 * left over matches an ignored glob. Messages name the tensor, its shape, and the config keys that want another. */
#include "model/branch/linear_recurrence.h"
#include "model/families/family.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* How many rows of a tensor are taken, and the sum of their numbers, which tells rows that are taken twice. */
typedef struct taken { int64_t rows; uint64_t numbers; } taken;

typedef struct taker {
    const ns_arch       *a;
    const ns_checkpoint *c;
    taken               *of;          /* [tensors] */
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

static uint64_t sum_below(int64_t n)
{
    return (uint64_t)n * (uint64_t)(n - 1) / 2;
}

/* The sum of the numbers of the rows that the tref takes. */
static uint64_t row_numbers(const ns_tref *t)
{
    const int64_t groups = t->n_out / t->group, rest = t->n_out % t->group;
    const uint64_t steps = (uint64_t)t->group * sum_below(groups) + (uint64_t)(rest * groups);
    return (uint64_t)t->n_out * (uint64_t)t->start + (uint64_t)t->stride * steps + (uint64_t)groups * sum_below(t->group) + sum_below(rest);
}

/* What was read, and what would have to be corrected. */
static const char *said_by(const ns_arch *a)
{
    return a->described ? a->described : "config.json";
}

static int missing(const taker *k, const ns_visit *slot, int64_t expert, ns_error *err)
{
    char name[NS_TENSOR_NAME];
    const char *const dir = ns_checkpoint_dir(k->c), *const said = said_by(k->a);
    ns_tref_name(slot->tref, expert, name);
    if (strcmp(slot->role, "head") == 0 && !k->a->described)
        return ns_fail(err, NS_E_FORMAT,
                       "%s: no tensor '%s', but tie_word_embeddings is false (or absent, and %s is not tied by default): correct "
                       "config.json, or give the head",
                       dir, name, k->a->family);
    char kind[96] = "";
    if (slot->layer >= 0 && !k->a->described)
        ns_layer_said(k->c, slot->layer, kind, sizeof kind);
    if (expert >= 0)
        return ns_fail(err, NS_E_FORMAT,
                       "%s: no tensor '%s' (%s of layer %lld, which has %lld experts%s%s): correct %s, or map the names with --names",
                       dir, name, slot->role, (long long)slot->layer, (long long)slot->copies, kind[0] ? "; " : "", kind, said);
    if (slot->layer >= 0)
        return ns_fail(err, NS_E_FORMAT,
                       "%s: no tensor '%s' (%s of layer %lld; %s%s%s %lld layers): correct %s, or map the names with --names",
                       dir, name, slot->role, (long long)slot->layer, kind, kind[0] ? ", " : "",
                       k->a->described ? "it has" : "num_hidden_layers says", (long long)k->a->n_layers, said);
    return ns_fail(err, NS_E_FORMAT, "%s: no tensor '%s' (%s): correct %s, or map the names with --names", dir, name, slot->role, said);
}

/* One tensor of all experts, whose first axis they are. */
static bool stacked(const ns_visit *slot)
{
    return slot->copies && !ns_tref_split(slot->tref);
}

static int wrong_shape(const taker *k, const ns_visit *slot, const ns_tensor *tensor, const ns_view *view, ns_error *err)
{
    const ns_tref *const t = slot->tref;
    const int64_t rows = rows_needed(t);
    char have[128], want[96];
    shape_text(view, have, sizeof have);
    int n = snprintf(want, sizeof want, "[");
    if (stacked(slot))
        n += snprintf(want + n, sizeof want - (size_t)n, "%lld experts, ", (long long)slot->copies);
    if (slot->vector)
        snprintf(want + n, sizeof want - (size_t)n, "%lld]", (long long)rows);
    else
        snprintf(want + n, sizeof want - (size_t)n, "%lld, %lld]", (long long)(t->transposed ? t->n_in : rows),
                 (long long)(t->transposed ? rows : t->n_in));
    return ns_fail(err, NS_E_FORMAT, "%s: tensor '%s' is %s, but %s (%s) of %s wants %s: one of the two is wrong", tensor->file,
                   tensor->name, have, slot->role, slot->sizes, said_by(k->a), want);
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

/* The axis of a tensor that rows of the weight lie along. */
static int rows_axis(const ns_visit *slot)
{
    return (slot->tref->transposed ? 1 : 0) + (stacked(slot) ? 1 : 0);
}

/* A vector of one number may be a number without an axis. */
static int64_t rows_there(const ns_visit *slot, const ns_view *v)
{
    return v->rank == 0 ? 1 : v->shape[rows_axis(slot)];
}

static bool right_rank(const ns_visit *slot, const ns_view *v)
{
    if (v->rank == 0 && slot->vector && slot->n_out == 1 && !slot->copies)
        return true;
    const int first = stacked(slot) ? 1 : 0;
    if (slot->table && v->rank == 3 && v->shape[1] == 1)
        return v->shape[2] == slot->tref->n_in;
    if (v->rank != first + (slot->vector ? 1 : 2) || (first && v->shape[0] != slot->copies))
        return false;
    return slot->vector || v->shape[first + (slot->tref->transposed ? 0 : 1)] == slot->tref->n_in;
}

static int take_tensor(taker *k, const ns_visit *slot, int64_t expert, ns_error *err)
{
    const ns_tref *const t = slot->tref;
    const bool tied = strcmp(slot->role, "head") == 0 && strcmp(t->name, k->a->embed.name) == 0;
    ns_source from;
    const int rc = ns_tref_source(t, k->c, expert, &from, err);
    if (rc != NS_OK)
        return from.scales || (from.tensor && ns_joined_count(t->name) > 1) ? rc : missing(k, slot, expert, err);
    const ns_tensor *const tensor = from.tensor;
    const ns_view view = ns_source_view(&from), *const v = &view;
    if (from.n_more && ns_visit_joins_ill(slot))             /* a names map may have put it there */
        return ns_fail(err, NS_E_FORMAT, "%s: %s: '%.200s' " NS_JOINS_ILL, tensor->file, slot->role, t->name);
    if (v->dtype != NS_F32 && v->dtype != NS_F16 && v->dtype != NS_BF16 && v->dtype != NS_F64)
        return ns_fail(err, NS_E_UNSUPPORTED, "%s: tensor '%s' is %s: weights must be F32, F16, BF16 or F64 (convert the checkpoint, or "
                       "use the one that it was made from)", tensor->file, tensor->name, ns_dtype_name(v->dtype));
    if (!right_rank(slot, v) || rows_there(slot, v) < rows_needed(t))      /* rows too many: check_rows */
        return wrong_shape(k, slot, tensor, v, err);
    taken *const of = &k->of[index_of(k->c, tensor)];
    const bool again = tied || (slot->shared && of->rows == t->n_out);
    if (!again && !ns_add_i64(of->rows, t->n_out, &of->rows))
        return ns_fail(err, NS_E_FORMAT, "%s: tensor '%s' is named too often", tensor->file, tensor->name);
    of->numbers += again ? 0 : row_numbers(t);
    if (from.scales)
        k->of[index_of(k->c, from.scales)].rows = 1;      /* used */
    for (int i = 0; i < from.n_more; i++)
        k->of[index_of(k->c, from.more[i])].rows = 1;     /* the first counts for all */
    return NS_OK;
}

/* Calls fn for each tensor that a weight is in: one, or one an expert. */
static int each_tensor(taker *k, const ns_visit *slot, int (*fn)(taker *, const ns_visit *, int64_t, ns_error *), ns_error *err)
{
    const int64_t n = slot->tref->name && slot->copies && !stacked(slot) ? slot->copies : 0;
    int rc = slot->tref->name && !n ? fn(k, slot, -1, err) : NS_OK;
    for (int64_t e = 0; e < n && rc == NS_OK; e++)
        rc = fn(k, slot, e, err);
    return rc;
}

static int take(void *user, const ns_visit *slot, ns_error *err)
{
    return each_tensor(user, slot, take_tensor, err);
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
        {"*shared_expert*.bias", "biases of shared experts are not supported"},
        {"*conv1d.bias", "config.json's switch of that bias (mamba_conv_bias, use_conv_bias) is false, or this model_type has none"},
        {"*.conv.conv.bias", "config.json's conv_bias is false or absent"},
        {"*mamba.*_proj.bias", "config.json's mamba_proj_bias is false or absent, or this model_type has none"},
        {"*mixer.in_proj.bias", "config.json's use_bias is false or absent, or this model_type has none"},
        {"*mixer.out_proj.bias", "config.json's use_bias is false or absent, or this model_type has none"},
        {"*_proj.bias", "config.json's attention_bias or mlp_bias is false or absent, or this model_type has none"},
        {"*attention.*.bias", "config.json's attention_bias is false"},
        {"*q_norm.*", "this model_type has no QK-norm"},
        {"*k_norm.*", "this model_type has no QK-norm"},
        {"*.qweight", "quantised weights are not supported"},
        {"*scale*", "quantised weights are not supported"},
        {"*expert*", "config.json's number of experts may be too small, or this model_type has none"},
        {"*lora_*", "merge the adapter into the weights first"},
        {"*layers.*", "config.json's num_hidden_layers may be too small"},
        {"*h.*", "config.json's n_layer may be too small"},
    };
    for (size_t i = 0; i < sizeof hints / sizeof *hints; i++)
        if (ns_glob(hints[i].glob, name))
            return hints[i].text;
    return "this model_type does not know it";
}

static int check_leftovers(const taker *k, ns_error *err)
{
    const int64_t n = ns_checkpoint_count(k->c);
    const ns_tensor *first = NULL;
    int64_t more = -1;
    for (int64_t i = 0; i < n; i++) {
        const ns_tensor *const t = ns_checkpoint_tensor(k->c, i);
        if (k->of[i].rows || ns_arch_ignores(k->a, t->name))
            continue;
        first = first ? first : t;
        more++;
    }
    if (!first)
        return NS_OK;
    char others[48] = "";
    if (more > 0)
        snprintf(others, sizeof others, " and %lld more", (long long)more);
    if (k->a->described)
        return ns_fail(err, NS_E_FORMAT, "%s: tensor '%s'%s would not be used: %s does not name it (nor list it under \"ignored\")",
                       first->file, first->name, others, k->a->described);
    return ns_fail(err, NS_E_FORMAT,
                   "%s: tensor '%s'%s would not be used: %s (or list it under \"ignored\" in a description given with --arch)", first->file,
                   first->name, others, hint(first->name));
}

/* Rows of a tensor that nobody takes, or that two weights take. */
static int check_tensor_rows(taker *k, const ns_visit *slot, int64_t expert, ns_error *err)
{
    ns_source from;
    const int rc = ns_tref_source(slot->tref, k->c, expert, &from, err);
    if (rc != NS_OK)
        return rc;
    const ns_tensor *const tensor = from.tensor;
    const ns_view view = ns_source_view(&from);
    const int64_t rows = rows_there(slot, &view);
    const taken of = k->of[index_of(k->c, tensor)];
    if (of.rows == rows && of.numbers == sum_below(rows))
        return NS_OK;
    if (of.rows == rows)
        return ns_fail(err, NS_E_FORMAT, "%s: tensor '%s': some of its %lld rows are taken twice, and others by nobody: correct start, "
                       "group and stride of the weights that are in it (%s is one) in %s", tensor->file, tensor->name, (long long)rows,
                       slot->role, said_by(k->a));
    return ns_fail(err, NS_E_FORMAT,
                   "%s: tensor '%s' has %lld rows, but the sizes of %s (%s) take %lld of them: one of the two is wrong",
                   tensor->file, tensor->name, (long long)rows, said_by(k->a), slot->sizes, (long long)of.rows);
}

static int check_rows(void *user, const ns_visit *slot, ns_error *err)
{
    return each_tensor(user, slot, check_tensor_rows, err);
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
                           "%s: tensor '%s' differs from '%s', but %s says that they are tied: %s, or delete the tensor",
                           head->file, head->name, embed->name, said_by(a),
                           a->described ? "name the head's own there" : "set tie_word_embeddings to false");
    }
    return NS_OK;
}

/* What minimax keeps beside its weights: the tensor of a layer's constant decays; NULL: there is none. */
static const ns_tensor *stored_slopes(const ns_checkpoint *c, const ns_tref *o)
{
    char name[NS_TENSOR_NAME];
    const char *const end = o->name ? strstr(o->name, "out_proj.weight") : NULL;
    if (!end || snprintf(name, sizeof name, "%.*sslope_rate", (int)(end - o->name), o->name) >= (int)sizeof name)
        return NULL;
    return ns_checkpoint_find(c, name);
}

/* Decays are computed here and read there: they must be the same, but for what 16 bits round. */
static int check_slopes(const ns_arch *a, const ns_checkpoint *c, int64_t layer, ns_error *err)
{
    const ns_branch *const b = ns_layer_mixer(&a->layers[layer]);
    const ns_recurrence *const r = b && strcmp(b->class_->name, "linear_recurrence") == 0 ? b->params : NULL;
    const ns_tensor *const t = r && r->slope ? stored_slopes(c, &r->heads.o) : NULL;
    if (!t)
        return NS_OK;
    if (ns_view_count(&t->view) != r->heads.n_heads)
        return ns_fail(err, NS_E_FORMAT, "%s: tensor '%s' is not of %lld heads", t->file, t->name, (long long)r->heads.n_heads);
    const double least = t->view.dtype == NS_F16 ? 0x1p-25 : 0;        /* half of what its smallest numbers are apart */
    int rc = NS_OK;
    for (int64_t h = 0; h < r->heads.n_heads && rc == NS_OK; h++) {
        float stored;
        rc = ns_tensor_read_f32(t, h, 1, &stored, err);
        if (rc == NS_OK && !(fabs((double)stored - r->slope[h]) <= r->slope[h] / 128 + least))
            rc = ns_fail(err, NS_E_FORMAT, "%s: tensor '%s' has %g for head %lld, whose decay is e^-%g: it is damaged, or of another layer",
                         t->file, t->name, (double)stored, (long long)h, r->slope[h]);
    }
    return rc;
}

int ns_arch_check(const ns_arch *a, const ns_checkpoint *c, ns_error *err)
{
    taker k = {.a = a, .c = c};
    k.of = ns_alloc_array((size_t)ns_checkpoint_count(c), sizeof *k.of);
    if (!k.of)
        return ns_oom(err, "the list of tensors");
    ns_arch *const walked = (ns_arch *)a;      /* the walk hands out pointers; nothing is written */
    int rc = ns_arch_each(walked, take, &k, err);
    if (rc == NS_OK)
        rc = check_leftovers(&k, err);
    if (rc == NS_OK)
        rc = ns_arch_each(walked, check_rows, &k, err);
    if (rc == NS_OK)
        rc = check_tied_head(a, c, err);
    for (int64_t i = 0; i < a->n_layers && rc == NS_OK; i++)
        rc = check_slopes(a, c, i, err);
    free(k.of);
    return rc;
}
