/* trainable_tensors.c - parameters are parts of tensors: gathered for a file, and taken from one. */
#include "model/trainable.h"

#include <stdlib.h>
#include <string.h>

/* Which row of its tensor, or of its expert's share of it, output row o is. */
static int64_t row_of(const ns_param *p, int64_t o)
{
    return p->ref->start + o / p->ref->group * p->ref->stride + o % p->ref->group;
}

/* Where number k of output row o of a parameter lies in its tensor, or from its expert's share of it on, which has n rows. */
static int64_t place_of(const ns_param *p, int64_t o, int64_t k, int64_t n)
{
    const ns_tref *const r = p->ref;
    const int64_t row = row_of(p, o), own = r->transposed ? k * n + row : row * r->n_in + k;
    return p->expert > 0 ? p->expert * n * r->n_in + own : own;
}

static void copy(const ns_param *p, float *param, float *tensor, int64_t rows, bool out)
{
    for (int64_t o = 0; o < p->rows; o++)
        for (int64_t k = 0; k < p->cols; k++) {
            float *const at = tensor + place_of(p, o, k, rows);
            *(out ? at : param + o * p->cols + k) = *(out ? param + o * p->cols + k : at);
        }
}

/* Rows that a tensor, or each expert's share of it, has for the parameters from `first` on that name it; how many share it (1: nobody). */
static int64_t rows_of(const ns_trainable *t, int64_t first, int64_t *experts)
{
    int64_t rows = 0;
    *experts = 1;
    for (int64_t i = first; i < t->n_params; i++) {
        const int64_t end = row_of(&t->params[i], t->params[i].rows - 1) + 1;
        if (strcmp(t->params[i].name, t->params[first].name) != 0)
            continue;
        rows = end > rows ? end : rows;
        *experts = t->params[i].expert >= *experts ? t->params[i].expert + 1 : *experts;
    }
    return rows;
}

/* As files have it: experts first; a convolution's taps behind an axis of one. */
static ns_view view_of(const ns_param *p, float *data, int64_t rows, int64_t experts)
{
    const bool turned = p->ref->transposed, shared = p->expert >= 0;
    const int64_t n = turned ? p->cols : rows, k = turned ? rows : p->cols;
    if (p->kind == NS_PARAM_TABLE && p->init == NS_INIT_TAPS)
        return ns_view_of(data, NS_F32, 3, (int64_t[]){n, 1, k});
    if (p->kind == NS_PARAM_VECTOR)
        return shared ? ns_view_of(data, NS_F32, 2, (int64_t[]){experts, n}) : ns_view_of(data, NS_F32, 1, (int64_t[]){n});
    return shared ? ns_view_of(data, NS_F32, 3, (int64_t[]){experts, n, k}) : ns_view_of(data, NS_F32, 2, (int64_t[]){n, k});
}

int ns_trainable_tensor(const ns_trainable *t, float *arena, int64_t first, ns_view *out, ns_error *err)
{
    const ns_param *const p = &t->params[first];
    int64_t experts;
    const int64_t rows = rows_of(t, first, &experts);
    float *const data = ns_alloc_array((size_t)(experts * rows * p->cols), sizeof *data);
    if (!data)
        return ns_oom(err, p->name);
    for (int64_t i = first; i < t->n_params; i++)
        if (strcmp(t->params[i].name, p->name) == 0)
            copy(&t->params[i], arena + t->params[i].at, data, rows, true);
    *out = view_of(p, data, rows, experts);
    return NS_OK;
}

bool ns_trainable_begins(const ns_trainable *t, int64_t i)
{
    for (int64_t j = 0; j < i; j++)
        if (strcmp(t->params[j].name, t->params[i].name) == 0)
            return false;
    return true;
}

/* ---- the parts of a tensor ---- */

static int refuse_tensor(const ns_param *p, const char *why, ns_error *err)
{
    return ns_fail(err, NS_E_FORMAT, "tensor '%s' %s (name, start, group and stride of its parts must tile it)", p->name, why);
}

static bool same_sort(const ns_param *a, const ns_param *b)
{
    return a->kind == b->kind && a->cols == b->cols && a->ref->transposed == b->ref->transposed && (a->expert >= 0) == (b->expert >= 0);
}

/* Rows that all parts have, or -1 where some are of another sort. */
static int64_t sum_rows(const ns_trainable *t, int64_t first)
{
    int64_t n = 0;
    for (int64_t i = first; i < t->n_params; i++)
        if (strcmp(t->params[i].name, t->params[first].name) == 0) {
            if (!same_sort(&t->params[i], &t->params[first]))
                return -1;
            n += t->params[i].rows;
        }
    return n;
}

/* taken: of as many rows as the tensor has. */
static bool overlaps(const ns_trainable *t, int64_t first, int64_t rows, uint8_t *taken)
{
    bool twice = false;
    for (int64_t i = first; i < t->n_params; i++) {
        const ns_param *const p = &t->params[i];
        for (int64_t o = 0; strcmp(p->name, t->params[first].name) == 0 && o < p->rows; o++) {
            uint8_t *const row = &taken[(p->expert > 0 ? p->expert * rows : 0) + row_of(p, o)];
            twice |= *row;
            *row = 1;
        }
    }
    return twice;
}

/* As many rows as it has, and none twice: all of it. */
static int check_tensor(const ns_trainable *t, int64_t first, ns_error *err)
{
    const ns_param *const p = &t->params[first];
    int64_t experts, all;
    const int64_t rows = rows_of(t, first, &experts), sum = sum_rows(t, first);
    if (sum < 0)
        return refuse_tensor(p, "is two parts of the model that are not of one width and kind", err);
    if (!ns_mul_i64(rows, experts, &all) || sum < all)
        return refuse_tensor(p, "has rows that no part of the model takes", err);
    uint8_t *const taken = ns_alloc_array((size_t)all, 1);
    const bool twice = taken && overlaps(t, first, rows, taken);
    free(taken);
    return !taken ? ns_oom(err, p->name) : twice ? refuse_tensor(p, "is two parts of the model in one place", err) : NS_OK;
}

int ns_trainable_check(const ns_trainable *t, ns_error *err)
{
    int rc = NS_OK;
    for (int64_t i = 0; i < t->n_params && rc == NS_OK; i++)
        rc = ns_trainable_begins(t, i) ? check_tensor(t, i, err) : NS_OK;
    return rc;
}

/* Codes of four bits and their scales may stand for the tensor. */
static int missing(const ns_checkpoint *c, const char *name, ns_error *err)
{
    char *const blocks = ns_printf_alloc("%s_blocks", name);
    const bool coded = blocks && ns_checkpoint_find(c, blocks);
    free(blocks);
    return coded ? ns_fail(err, NS_E_UNSUPPORTED,
                           "%s: '%s' is stored as MXFP4 codes: training goes on from weights of 16 or 32 bits (save the model dequantised)",
                           ns_checkpoint_dir(c), name)
                 : ns_fail(err, NS_E_FORMAT, "%s: there is no tensor '%s'", ns_checkpoint_dir(c), name);
}

static int read_tensor(const ns_trainable *t, const ns_checkpoint *c, int64_t first, float *data, int64_t n, ns_error *err)
{
    const char *const name = t->params[first].name;
    ns_source from;
    int rc = ns_tref_source(&(ns_tref){.name = t->params[first].name}, c, -1, &from, err);
    if (!from.tensor || from.scales)
        return missing(c, name, err);
    if (rc == NS_OK && from.n != n)
        return ns_fail(err, NS_E_FORMAT, "%s: tensor '%s' has %lld numbers of type %s, the config wants %lld", ns_checkpoint_dir(c), name,
                       (long long)from.n, ns_dtype_name(from.tensor->view.dtype), (long long)n);
    rc = rc != NS_OK ? rc : ns_source_read(&from, 0, n, data, err);
    return rc != NS_OK || t->pass.math->all_finite(data, n)
               ? rc : ns_fail(err, NS_E_NUMERIC, "%s: tensor '%s' holds a number that is not finite", from.tensor->file, name);
}

/* All parts of one tensor. */
static int load_tensor(ns_trainable *t, const ns_checkpoint *c, int64_t first, ns_error *err)
{
    int64_t experts;
    const int64_t rows = rows_of(t, first, &experts), n = experts * rows * t->params[first].cols;
    float *const data = ns_alloc_array((size_t)(n + NS_TRAINABLE_SLACK), sizeof *data);
    const int rc = data ? read_tensor(t, c, first, data, n, err) : ns_oom(err, t->params[first].name);
    for (int64_t i = first; i < t->n_params && rc == NS_OK; i++)
        if (strcmp(t->params[i].name, t->params[first].name) == 0)
            copy(&t->params[i], t->w + t->params[i].at, data, rows, false);
    free(data);
    return rc;
}

int ns_trainable_load(ns_trainable *t, const ns_checkpoint *c, ns_error *err)
{
    int rc = NS_OK;
    for (int64_t i = 0; i < t->n_params && rc == NS_OK; i++)
        if (ns_trainable_begins(t, i))
            rc = load_tensor(t, c, i, err);
    t->stale = true;
    return rc;
}
