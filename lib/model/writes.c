/* writes.c - what heads write: any vectors in the place of a row's z, taken through what the pass did to it, frozen as it was at that row.
 *
 *     write_h(z) = out_scale N_out( W_O^h (factor_h z_h) ),  factor = gate * gain / size of a recurrence's norm;  N_out: c -> gain c / size
 *
 * Norms divide by the size of what they were given there, which makes all of this linear: the writes of a row's own heads, and what no head
 * writes (biases), sum up to hook_attn_out. */
#include "model/internal.h"
#include "model/branch/heads.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

double ns_norm_size(const ns_norm *norm, const float *x, int64_t n)
{
    double mean = 0, sum = 0;
    for (int64_t i = 0; i < n && norm->type == NS_NORM_LAYER; i++)
        mean += (double)x[i] / (double)n;
    for (int64_t i = 0; i < n; i++)
        sum += ((double)x[i] - mean) * ((double)x[i] - mean);
    return norm->type == NS_NORM_NONE ? 1 : sqrt((norm->type == NS_NORM_L2 ? sum : sum / (double)n) + (double)norm->eps);
}

static void take_mean(float *x, int64_t n)
{
    double mean = 0;
    for (int64_t i = 0; i < n; i++)
        mean += (double)x[i] / (double)n;
    for (int64_t i = 0; i < n; i++)
        x[i] -= (float)mean;
}

static float gain_at(const ns_norm *norm, const float *gain, int64_t i)
{
    return gain ? norm->offset + gain[i] : 1;
}

/* ---- what the band keeps of a row, where somebody may ask ---- */

static bool is_asked(const ns_band *b)
{
    return b->rc == NS_OK && !b->tape && ns_hooks_any(b->p->hooks, NS_POINT_ATTN_OUT, b->layer) && ns_band_shows(b, NS_POINT_ATTN_OUT);
}

ns_cols ns_band_ones(ns_band *b, ns_cols z)
{
    const ns_cols ones = is_asked(b) && z.sheet ? ns_band_new(b, z.n) : (ns_cols){0};
    for (int64_t r = 0; ones.sheet && r < b->rows; r++) {
        float *const row = ns_cols_at(ones, r);
        for (int64_t i = 0; i < z.n; i++)
            row[i] = 1;
    }
    return ones;
}

typedef struct freeze_job { const ns_norm *norm; const ns_gains *gains; ns_cols x, factor; int64_t groups; } freeze_job;

static void freeze_row(const void *job, int64_t row)
{
    const freeze_job *const j = job;
    const int64_t n = j->x.n / j->groups, stride = j->norm->weight.n_out == j->x.n ? n : 0;
    const float *const x = ns_cols_at(j->x, row);
    float *const factor = ns_cols_at(j->factor, row);
    for (int64_t g = 0; g < j->groups; g++) {
        const float by = (float)(1 / ns_norm_size(j->norm, x + g * n, n));
        for (int64_t i = 0; i < n; i++)
            factor[g * n + i] *= by * gain_at(j->norm, j->gains->gain, g * stride + i);
    }
}

ns_cols ns_band_norm_frozen(ns_band *b, ns_cols factor, ns_cols x, int64_t groups, int slot)
{
    const ns_norm *const norm = ns_slot_norm(b->branch, &b->branch->class_->slots[slot]);
    const freeze_job j = {norm, &b->weights->gains[slot], x, factor, groups};
    if (norm->type == NS_NORM_NONE || !factor.sheet || b->rc != NS_OK)
        return factor;
    b->bent = norm->type == NS_NORM_LAYER;               /* takes a mean away: more than a factor a channel */
    ns_each_row(b, b->rows, freeze_row, &j);
    return factor;
}

void ns_band_written(ns_band *b, ns_cols factor, ns_cols z)
{
    b->factor = factor;
    b->written = is_asked(b) ? z : (ns_cols){0};
}

ns_cols ns_band_copy(ns_band *b, ns_cols x)
{
    const ns_cols out = x.sheet ? ns_band_new(b, x.n) : x;
    for (int64_t r = 0; out.sheet && r < b->rows; r++)
        memcpy(ns_cols_at(out, r), ns_cols_at(x, r), (size_t)x.n * sizeof(float));
    return out;
}

void ns_band_before_norm(ns_band *b, ns_cols out)
{
    b->before = b->branch->out_norm.type != NS_NORM_NONE && b->written.sheet ? ns_band_copy(b, out) : (ns_cols){0};
}

/* ---- what is asked ---- */

/* The band's row of a position; -1: it has none of the site's session. */
static int64_t row_of(const ns_band *b, const ns_site *site, int64_t position)
{
    for (int i = 0; i < b->n_members; i++) {
        const ns_member *const m = &b->members[i];
        if (m->session == site->session && position >= m->begin && position < m->end)
            return m->row + position - m->begin;
    }
    return -1;
}

static int check_site(const ns_site *site, const int64_t *positions, int64_t n, ns_error *err)
{
    const ns_band *const b = site->band;
    if (site->point != NS_POINT_ATTN_OUT || !b || !b->written.sheet)
        return ns_fail(err, NS_E_ARG, "what heads write is asked at hook_attn_out of a layer with heads");
    if (b->bent)
        return ns_fail(err, NS_E_UNSUPPORTED, "layer %lld: what its heads write is not known: a LayerNorm lies between them and W_O",
                       (long long)site->layer);
    for (int64_t i = 0; i < n; i++)
        if (row_of(b, site, positions[i]) < 0)
            return ns_fail(err, NS_E_ARG, "position %lld is no row of this call", (long long)positions[i]);
    return NS_OK;
}

/* The norm behind attention as it was at the row, and the branch's scale. */
static void through_norm(const ns_band *b, int64_t row, float *c, int64_t D)
{
    const ns_norm *const norm = &b->branch->out_norm;
    double by = (double)b->branch->out_scale;
    if (norm->type != NS_NORM_NONE)
        by /= ns_norm_size(norm, ns_cols_at(b->before, row), D);
    if (norm->type == NS_NORM_LAYER)
        take_mean(c, D);
    for (int64_t i = 0; i < D && (by != 1 || norm->type != NS_NORM_NONE); i++)
        c[i] *= (float)(by * (double)gain_at(norm, b->weights->out_norm.gain, i));
}

/* in[n, H d] <- the vectors times the row's factors, or what W_O was given there. */
static void load(const ns_band *b, const ns_site *site, const int64_t *positions, int64_t n, const float *z, float *in)
{
    const int64_t Hd = b->written.n;
    for (int64_t i = 0; i < n; i++) {
        const int64_t row = row_of(b, site, positions[i]);
        const float *const factor = z && b->factor.sheet ? ns_cols_at(b->factor, row) : NULL;
        memcpy(in + i * Hd, z ? z + i * Hd : ns_cols_at(b->written, row), (size_t)Hd * sizeof *in);
        for (int64_t k = 0; k < Hd && factor; k++)
            in[i * Hd + k] *= factor[k];
    }
}

int ns_site_write(const ns_site *site, const int64_t *positions, int64_t n, const float *z, float *out, ns_error *err)
{
    const ns_band *const b = site->band;
    int rc = check_site(site, positions, n, err);
    if (rc != NS_OK)
        return rc;
    const ns_attn *const a = b->branch->params;
    const int64_t H = a->n_heads, d = a->head_dim, D = b->p->arch->d_model;
    const ns_weight *const w = &b->weights->packed[NS_HEADS_OUT];
    float *const in = ns_buffer_need(&b->p->scratch->writes, n * H * d, err);
    if (!in)
        return NS_E_MEMORY;
    load(b, site, positions, n, z, in);
    for (int64_t h = 0; h < H; h++)
        ns_linear_slice(b->p->engine, n, in + h * d, H * d, w, h * d, (h + 1) * d, out + h * D, H * D);
    for (int64_t i = 0; i < n * H; i++)
        through_norm(b, row_of(b, site, positions[i / H]), out + i * D, D);
    return NS_OK;
}

int ns_site_write_rest(const ns_site *site, int64_t position, float *out, ns_error *err)
{
    const ns_band *const b = site->band;
    const int rc = check_site(site, &position, 1, err);
    if (rc != NS_OK)
        return rc;
    const int64_t D = b->p->arch->d_model;
    const float *const bias = b->weights->packed[NS_HEADS_OUT].bias, *const norm_bias = b->weights->out_norm.bias;
    memset(out, 0, (size_t)D * sizeof *out);
    if (bias)
        memcpy(out, bias, (size_t)D * sizeof *out);
    through_norm(b, row_of(b, site, position), out, D);
    for (int64_t i = 0; norm_bias && b->branch->out_norm.type != NS_NORM_NONE && i < D; i++)
        out[i] += b->branch->out_scale * norm_bias[i];
    return NS_OK;
}

/* ---- the unembedding ---- */

int ns_model_logit_directions(const ns_model *m, const int32_t *tokens, int64_t n, float *out, double *constant, ns_error *err)
{
    const ns_arch *const arch = m->arch;
    const int64_t D = arch->d_model;
    int rc = NS_OK;
    for (int64_t i = 0; i < n && rc == NS_OK; i++) {
        float *const u = out + i * D, bias = 0;
        rc = tokens[i] < 0 || tokens[i] >= arch->vocab
                 ? ns_fail(err, NS_E_ARG, "token %d lies beyond a vocabulary of %lld", (int)tokens[i], (long long)arch->vocab)
                 : ns_weights_rows(m, &arch->head, tokens[i], 1, u, err);
        if (rc == NS_OK && arch->head_bias.name)
            rc = ns_weights_rows(m, &arch->head_bias, tokens[i], 1, &bias, err);
        double sum = (double)bias;
        for (int64_t k = 0; k < D && rc == NS_OK; k++) {
            sum += m->final.bias && arch->final_norm.type != NS_NORM_NONE ? (double)u[k] * (double)m->final.bias[k] : 0;
            u[k] *= gain_at(&arch->final_norm, m->final.gain, k) * arch->logit_scale;
        }
        if (rc == NS_OK && arch->final_norm.type == NS_NORM_LAYER)
            take_mean(u, D);
        constant[i] = sum * (double)arch->logit_scale;
    }
    return rc;
}

double ns_model_final_size(const ns_model *m, const float *x)
{
    return ns_norm_size(&m->arch->final_norm, x, m->arch->d_model);
}
