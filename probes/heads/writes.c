/* writes.c - what does a head write where it looks? At the row that says token y of the answer
 *
 *     phi[j] = A[j] (u_y . write_h(v_j)) / size:   what the head adds to the logit of y by looking at j,
 *
 * u_y: y's row of the unembedding with the final norm's gain in it; write_h: W_O of the head, and whatever lies behind it (gate and norm of
 * a recurrence, the norm behind attention), with every norm dividing by the size that it had at that very row; so has the final norm. The
 * sum over all j, heads, biases, MLPs and the embedding is the logit. Sets of keys: the needle's answer (all mentions), the placebo, the
 * distractors' answers (the mean of them). LOCOS (arXiv 2607.01002) has phi without the norms; Contribution Weights: arXiv 2606.07604.
 *
 * hook_v -> v of the sets' positions; hook_pattern -> z of each set and row; hook_attn_out -> what they write, and its products;
 * hook_resid_post of the last layer -> the final norm's size, by which `end` divides. */
#include <stdlib.h>
#include <string.h>

#include "writes.h"

enum {
    RETRIEVAL, NEEDLE, DISTRACTOR, DLA, DLA_PLAIN, NORM, CONTRIBUTION, BY_ANSWER,        /* over (case, answer, layer, head) */
    C_RETRIEVAL = BY_ANSWER, C_NEEDLE, C_PLACEBO, C_SELECTIVITY, C_REST, C_DLA, C_DLA_PLAIN, C_NORM, C_NORM_PLACEBO, C_SHARE,
    C_CONTRIBUTION, C_CONTRIBUTINS_ON_PLACEBO, OF_LAYER, OF_EMBED, LOGIT, N_OUTPUTS
};
#define ANSWER_HEADS "case answer layer head"
static const ns_output outputs[N_OUTPUTS] = {
    [RETRIEVAL] = {"answer_retrieval_logit", NS_F32, "logit of the answer's token by looking at the needle, minus that by the placebo",
                   ANSWER_HEADS},
    [NEEDLE] = {"answer_needle_logit", NS_F32, "logit of the answer's token by looking at the needle's answer", ANSWER_HEADS},
    [DISTRACTOR] = {"answer_distractor_logit", NS_F32, "the same by looking at a distractor's answer, the mean of them", ANSWER_HEADS},
    [DLA] = {"answer_dla", NS_F32, "logit of the answer's token minus the mean of the distractors' tokens, by all that the head writes",
             ANSWER_HEADS},
    [DLA_PLAIN] = {"answer_dla_plain", NS_F32, "logit of the answer's token by all that the head writes", ANSWER_HEADS},
    [NORM] = {"answer_write_norm", NS_F32, "size of what the head writes by looking at the needle's answer", ANSWER_HEADS},
    [CONTRIBUTION] = {"answer_contribution", NS_F32, "share of the layer's attention output that this is: its projection onto it",
                      ANSWER_HEADS},
    [C_RETRIEVAL] = {"case_retrieval_logit", NS_F32, "mean of answer_retrieval_logit over the answer; NaN without a placebo"},
    [C_NEEDLE] = {"case_needle_logit", NS_F32, "mean of answer_needle_logit over the answer"},
    [C_PLACEBO] = {"case_placebo_logit", NS_F32, "the same by looking at the placebo"},
    [C_SELECTIVITY] = {"case_logit_selectivity", NS_F32, "case_needle_logit minus that of a distractor; NaN for a case without any"},
    [C_REST] = {"case_retrieval_logit_rest", NS_F32, "needle minus as many of the other keys as the needle has, the mean of them (LOCOS)"},
    [C_DLA] = {"case_dla", NS_F32, "mean of answer_dla over the answer; NaN for a case without distractors"},
    [C_DLA_PLAIN] = {"case_dla_plain", NS_F32, "mean of answer_dla_plain over the answer"},
    [C_NORM] = {"case_write_norm", NS_F32, "mean of answer_write_norm over the answer"},
    [C_NORM_PLACEBO] = {"case_write_norm_placebo", NS_F32, "the same by looking at the placebo"},
    [C_SHARE] = {"case_write_share", NS_F32, "mean of answer_write_norm over the size of all that the head writes"},
    [C_CONTRIBUTION] = {"case_contribution", NS_F32, "mean of answer_contribution over the answer"},
    [C_CONTRIBUTINS_ON_PLACEBO] = {"case_contribution_placebo", NS_F32, "the same by looking at the placebo"},
    [OF_LAYER] = {"answer_layer_logit", NS_F32, "logit of the answer's token by all that a layer adds: heads, biases, MLP",
                  "case answer layer"},
    [OF_EMBED] = {"answer_embed_logit", NS_F32, "the same by the embedding, and by the biases of the final norm and of the unembedding",
                  "case answer"},
    [LOGIT] = {"answer_logit", NS_F32, "the logit as the model says it, behind its soft-cap", "case answer"},
};

#define ANY_SIZE .lo = -INFINITY, .hi = INFINITY
static const ns_score scores[] = {
    {"retrieval_logit", "case_retrieval_logit", NULL, "logit of the answer by looking at the needle, minus that by the placebo",
     "needlescope; after LOCOS, arXiv 2607.01002", ANY_SIZE},
    {"needle_logit", "case_needle_logit", NULL, "logit of the answer by looking at the needle's answer", "needlescope",
     "case_placebo_logit", ANY_SIZE, .chance = (double)NAN, .minor = true},
    {"logit_selectivity", "case_logit_selectivity", NULL, "needle_logit minus that by looking at a distractor's answer", "needlescope",
     ANY_SIZE, .minor = true},
    {"retrieval_logit_rest", "case_retrieval_logit_rest", NULL, "needle minus as many of the other keys", "LOCOS, arXiv 2607.01002",
     ANY_SIZE, .minor = true},
    {"dla", "case_dla", NULL, "logit of the answer minus the distractors' by all that the head writes", "needlescope", ANY_SIZE},
    {"dla_plain", "case_dla_plain", NULL, "logit of the answer by all that the head writes", "needlescope", ANY_SIZE, .minor = true},
    {"write_norm", "case_write_norm", NULL, "size of what the head writes by looking at the needle's answer", "needlescope",
     "case_write_norm_placebo", .hi = INFINITY, .chance = (double)NAN},
    {"write_share", "case_write_share", NULL, "the same over the size of all that the head writes", "needlescope", .hi = INFINITY,
     .chance = (double)NAN, .minor = true},
    {"contribution", "case_contribution", NULL, "share of the layer's attention output that the head's part from the needle is",
     "after Contribution Weights, arXiv 2606.07604", "case_contribution_placebo", ANY_SIZE, .chance = (double)NAN},
};

typedef struct state {
    const ns_model *model;
    const ns_arch *arch;
    const ns_case *c;
    bool     placebo;                           /* does it say what chance is? */
    int64_t  n_heads, rows;                     /* H of the outputs; content tokens */
    ns_write_keys of;
    float   *v;                                 /* [n_keys, most G d] of the layer in hand */
    float   *z;                                 /* [rows, NS_WRITE_SETS, most H d] of the layer in hand */
    double  *sum;                               /* [NS_WRITE_SETS, most d] */
    float   *u;                                 /* [rows, 2, D] the directions of y, and of y minus the distractors' tokens */
    double  *constant, *size, *at;              /* [rows] of y; of the final norm; u_y . x at the layer's begin */
    double  *mean;                              /* [3, L, H] sums of NORM_PLACEBO, SHARE, CONTRIBUTINS_ON_PLACEBO */
    float   *out[N_OUTPUTS];
} state;

/* ---- begin ---- */

static const char *rejects(const ns_probe_context *ctx, char reason[NS_REASON])
{
    (void)reason;
    return ctx->c->n_answer <= ctx->c->n_lead            ? "no answer"
           : !ns_case_span(ctx->c, "needle_answer") ? "no needle_answer span"
                                                     : NULL;
}

static int begin(void *user, const ns_probe_context *ctx, float *const *out, ns_error *err)
{
    state *const s = user;
    const int64_t D = ctx->arch->d_model, H = ctx->n_heads, d = ns_arch_max_head_dim(ctx->arch), L = ctx->n_layers;
    *s = (state){.model = ctx->model, .arch = ctx->arch, .c = ctx->c, .placebo = ns_placebo_stands(ctx->c), .n_heads = H,
                 .rows = ctx->c->n_answer - ctx->c->n_lead};
    memcpy(s->out, out, sizeof s->out);
    const int rc = ns_write_keys_find(&s->of, s->c, s->placebo, err);
    if (rc != NS_OK)
        return rc;
    const size_t rows = (size_t)s->rows;
    s->v = ns_alloc_array((size_t)(s->of.n * H * d), sizeof *s->v);
    s->z = ns_alloc_array(rows * (size_t)(NS_WRITE_SETS * H * d), sizeof *s->z);
    s->sum = ns_alloc_array((size_t)(NS_WRITE_SETS * d), sizeof *s->sum);
    s->u = ns_alloc_array(rows * (size_t)(2 * D), sizeof *s->u);
    s->constant = ns_alloc_array(rows, sizeof *s->constant);
    s->size = ns_alloc_array(rows, sizeof *s->size);
    s->at = ns_alloc_array(rows, sizeof *s->at);
    s->mean = ns_alloc_array((size_t)(3 * L * H), sizeof *s->mean);
    const bool all = s->v && s->z && s->sum && s->u && s->constant && s->size && s->at && s->mean;
    return all ? ns_write_directions(s->model, s->c, s->u, s->constant, err) : ns_oom(err, "what heads write");
}

/* ---- the pass ---- */

/* The content token that a row says; -1: none. */
static int64_t content_of(const state *s, int64_t position)
{
    const int64_t i = position - (s->c->n_tokens - 1) - s->c->n_lead;
    return i >= 0 && i < s->rows ? i : -1;
}

enum { LANES = 8 };                    /* sums side by side: the same on every machine, and no wait for the one before */

static double dot(const float *a, const float *b, int64_t n)
{
    double lane[LANES] = {0}, sum = 0;
    const int64_t whole = n / LANES * LANES;
    for (int64_t i = 0; i < whole; i += LANES)
        for (int k = 0; k < LANES; k++)
            lane[k] += (double)a[i + k] * (double)b[i + k];
    for (int64_t i = whole; i < n; i++)
        lane[i - whole] += (double)a[i] * (double)b[i];
    for (int k = 0; k < LANES; k++)
        sum += lane[k];
    return sum;
}

static void see_v(state *s, const ns_site *site, const ns_view *v)
{
    const int64_t G = v->shape[1], d = v->shape[2];
    for (int64_t k = 0; k < s->of.n; k++) {
        const int64_t row = s->of.list[k].position - site->row0;
        for (int64_t g = 0; g < G && row >= 0 && row < site->n_rows; g++)
            memcpy(s->v + (k * G + g) * d, ns_at(v, row, g, 0), (size_t)d * sizeof *s->v);
    }
}

/* Into z[NS_WRITE_SETS, H, d]: of one head the weights of a row times the values of each set. */
static void weigh_values(const state *s, const ns_site *site, const float *row, int64_t h, float *z)
{
    const int64_t d = site->attn->head_dim, H = site->n_heads, G = site->n_kv_heads, g = h / (H / G);
    memset(s->sum, 0, (size_t)(NS_WRITE_SETS * d) * sizeof *s->sum);
    for (int64_t k = 0; k < s->of.n; k++) {
        const int64_t at = s->of.list[k].position - site->key0;
        const float *const v = s->v + (k * G + g) * d;
        for (int set = 0; set < NS_WRITE_SETS && at >= 0 && at < site->n_keys; set++) {
            const double weight = (double)row[at] * (double)s->of.list[k].in[set];
            for (int64_t i = 0; i < d && weight != 0; i++)
                s->sum[set * d + i] += weight * (double)v[i];
        }
    }
    for (int set = 0; set < NS_WRITE_SETS; set++)
        for (int64_t i = 0; i < d; i++)
            z[(set * H + h) * d + i] = (float)s->sum[set * d + i];
}

static void see_pattern(state *s, const ns_site *site, const ns_view *pattern)
{
    const int64_t Hd = site->n_heads * site->attn->head_dim;
    for (int64_t r = 0; r < site->n_rows; r++) {
        const int64_t i = content_of(s, site->row0 + r);
        for (int64_t h = 0; h < site->n_heads && i >= 0; h++)
            weigh_values(s, site, ns_at(pattern, h, r, 0), h, s->z + i * NS_WRITE_SETS * Hd);
    }
}

/* Of one head: own[D] all that it writes, set[sets] its part from each set, D floats `next` apart; a[D]: what attention adds. */
static void judge(const state *s, int64_t i, int64_t place, const float *own, const float *set, int64_t next, const float *a, double aa)
{
    const int64_t D = s->arch->d_model, heads = s->arch->n_layers * s->n_heads, at = i * heads + place;
    const float *const u = s->u + i * 2 * D, *const needle = set + NS_ON_NEEDLE * next, *const placebo = set + NS_ON_PLACEBO * next;
    const double norm = sqrt(dot(needle, needle, D)), all = sqrt(dot(own, own, D)), on_needle = dot(u, needle, D);
    s->out[NEEDLE][at] = (float)on_needle;
    s->out[RETRIEVAL][at] = s->placebo ? (float)(on_needle - dot(u, placebo, D)) : NAN;
    s->out[DISTRACTOR][at] = s->of.distractors ? (float)dot(u, set + NS_ON_DISTRACTOR * next, D) : NAN;
    s->out[DLA][at] = (float)dot(u + D, own, D);
    s->out[DLA_PLAIN][at] = (float)dot(u, own, D);
    s->out[NORM][at] = (float)norm;
    s->out[CONTRIBUTION][at] = aa > 0 ? (float)(dot(needle, a, D) / aa) : 0;
    s->mean[place] += sqrt(dot(placebo, placebo, D));
    s->mean[heads + place] += all > 0 ? norm / all : 0;
    s->mean[2 * heads + place] += aa > 0 ? dot(placebo, a, D) / aa : 0;
}

enum { AT_ONCE = 8 };                  /* rows: W_O is read once for them */

/* n rows of the view from r on, the first of them says content token i; wrote: room for what they write. */
static int judge_rows(const state *s, const ns_site *site, const ns_view *v, int64_t r, int64_t n, float *wrote, ns_error *err)
{
    const int64_t D = s->arch->d_model, H = ns_arch_attn(s->arch, site->layer)->n_heads, i = content_of(s, site->row0 + r), next = H * D;
    const int64_t Hd = H * ns_arch_attn(s->arch, site->layer)->head_dim;
    float *const own = wrote + n * NS_WRITE_SETS * next;
    int64_t rows[AT_ONCE], sets[AT_ONCE * NS_WRITE_SETS];
    for (int64_t k = 0; k < n * NS_WRITE_SETS; k++)
        sets[k] = rows[k / NS_WRITE_SETS] = site->row0 + r + k / NS_WRITE_SETS;
    int rc = ns_site_write(site, sets, n * NS_WRITE_SETS, s->z + i * NS_WRITE_SETS * Hd, wrote, err);
    rc = rc != NS_OK ? rc : ns_site_write(site, rows, n, NULL, own, err);
    for (int64_t k = 0; k < n && rc == NS_OK; k++) {
        const float *const a = ns_at(v, r + k, 0, 0);
        const double aa = dot(a, a, D);
        for (int64_t h = 0; h < H; h++)
            judge(s, i + k, site->layer * s->n_heads + h, own + k * next + h * D, wrote + k * NS_WRITE_SETS * next + h * D, next, a, aa);
    }
    return rc;
}

static int see_out(const state *s, const ns_site *site, const ns_view *v, ns_error *err)
{
    const ns_attn *const a = ns_arch_attn(s->arch, site->layer);
    const int64_t row = a ? (NS_WRITE_SETS + 1) * a->n_heads * s->arch->d_model : 0;
    float *const wrote = a ? ns_alloc_aligned(AT_ONCE * (size_t)row * sizeof *wrote) : NULL;
    int rc = a && !wrote ? ns_oom(err, "what heads write") : NS_OK;
    int64_t r = 0;
    while (r < site->n_rows && content_of(s, site->row0 + r) < 0)        /* the lead of the answer */
        r++;
    for (; a && r < site->n_rows && rc == NS_OK; r += AT_ONCE)
        rc = judge_rows(s, site, v, r, site->n_rows - r < AT_ONCE ? site->n_rows - r : AT_ONCE, wrote, err);
    free(wrote);
    return rc;
}

static void see_stream(state *s, const ns_site *site, const ns_view *v)
{
    const int64_t D = s->arch->d_model, L = s->arch->n_layers;
    for (int64_t r = 0; r < site->n_rows; r++) {
        const int64_t i = content_of(s, site->row0 + r);
        const float *const x = ns_at(v, r, 0, 0);
        if (i < 0)
            continue;
        const double at = dot(s->u + i * 2 * D, x, D);
        if (site->point == NS_POINT_RESID_PRE)
            s->out[OF_EMBED][i] = (float)at;
        else
            s->out[OF_LAYER][i * L + site->layer] = (float)(at - s->at[i]);
        s->at[i] = at;
        s->size[i] = ns_model_final_size(s->model, x);       /* the last one stays */
    }
}

static void see_logits(const state *s, const ns_site *site, const ns_view *v)
{
    for (int64_t r = 0; r < site->n_rows; r++) {
        const int64_t i = content_of(s, site->row0 + r);
        if (i >= 0)
            s->out[LOGIT][i] = *ns_at(v, r, s->c->answer[s->c->n_lead + i], 0);
    }
}

static int see(void *user, const ns_site *site, const ns_view *v, ns_error *err)
{
    state *const s = user;
    switch (site->point) {
    case NS_POINT_V:        see_v(s, site, v); return NS_OK;
    case NS_POINT_PATTERN:  see_pattern(s, site, v); return NS_OK;
    case NS_POINT_ATTN_OUT: return see_out(s, site, v, err);
    case NS_POINT_LOGITS:   see_logits(s, site, v); return NS_OK;
    default:                see_stream(s, site, v); return NS_OK;
    }
}

/* ---- end ---- */

/* Keys that the row of content token i sees through a head, for each of the needle's. */
static double rest_of(const state *s, const ns_attn *a, int64_t head, int64_t i)
{
    const int64_t row = s->c->n_tokens - 1 + s->c->n_lead + i;
    const ns_seen_keys keys = ns_attn_seen_keys(a, head, row);
    int64_t needle = 0;
    for (int64_t k = 0; k < s->of.n; k++) {
        const int64_t at = s->of.list[k].position;
        needle += s->of.list[k].in[NS_ON_NEEDLE] > 0 && ((at >= keys.first && at < keys.gap) || (at >= keys.after && at <= row));
    }
    const int64_t rest = row - keys.after + 1 + keys.gap - keys.first - needle;
    return rest > 0 ? (double)needle / (double)rest : 0;
}

/* Logits over the final norm's size; and the means over the answer, of a head that was seen. */
static void finish_head(const state *s, int64_t layer, int64_t head)
{
    const ns_attn *const a = ns_arch_attn(s->arch, layer);
    const int64_t heads = s->arch->n_layers * s->n_heads, place = layer * s->n_heads + head;
    double sum[BY_ANSWER] = {0}, rest = 0;
    for (int64_t i = 0; i < s->rows; i++) {
        for (int o = RETRIEVAL; o < BY_ANSWER; o++) {
            float *const value = &s->out[o][i * heads + place];
            *value = o < NORM ? (float)((double)*value / s->size[i]) : *value;
            sum[o] += (double)*value;
        }
        const double needle = (double)s->out[NEEDLE][i * heads + place];
        rest += needle - rest_of(s, a, head, i) * ((double)s->out[DLA_PLAIN][i * heads + place] - needle);
    }
    const double n = (double)s->rows, values[] = {sum[RETRIEVAL], sum[NEEDLE], sum[NEEDLE] - sum[RETRIEVAL], sum[NEEDLE] - sum[DISTRACTOR],
        rest, sum[DLA], sum[DLA_PLAIN], sum[NORM], s->placebo ? s->mean[place] : (double)NAN, s->mean[heads + place], sum[CONTRIBUTION],
        s->placebo ? s->mean[2 * heads + place] : (double)NAN};
    for (int o = C_RETRIEVAL; o <= C_CONTRIBUTINS_ON_PLACEBO; o++)
        s->out[o][place] = (float)(values[o - C_RETRIEVAL] / n);
}

static void finish(const state *s)
{
    const int64_t L = s->arch->n_layers;
    for (int64_t i = 0; i < s->rows; i++) {
        for (int64_t l = 0; l < L; l++)
            s->out[OF_LAYER][i * L + l] = (float)((double)s->out[OF_LAYER][i * L + l] / s->size[i]);
        s->out[OF_EMBED][i] = (float)((double)s->out[OF_EMBED][i] / s->size[i] + s->constant[i]);
    }
    for (int64_t l = 0; l < L; l++)
        for (int64_t h = 0; h < s->n_heads && !isnan(s->out[NEEDLE][l * s->n_heads + h]); h++)
            finish_head(s, l, h);
}

static int end(void *user, ns_error *err)
{
    (void)err;
    state *const s = user;
    if (s->size && s->rows > 0 && s->size[s->rows - 1] > 0)      /* a pass that failed did not come so far */
        finish(s);
    void *const all[] = {s->of.list, s->v, s->z, s->sum, s->u, s->constant, s->size, s->at, s->mean};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    *s = (state){0};
    return NS_OK;
}

#define ANSWER_ROWS {.kind = NS_ROWS_ANSWER}
static const ns_sight also[] = {
    {"blocks.*.attn.hook_v", {.kind = NS_ROWS_ALL}}, {"blocks.*.hook_attn_out", ANSWER_ROWS}, {"blocks.0.hook_resid_pre", ANSWER_ROWS},
    {"blocks.*.hook_resid_post", ANSWER_ROWS}, {"hook_logits", ANSWER_ROWS},
};

const ns_probe ns_probe_writes = {
    .name = "writes", .summary = "what does a head write where it looks: to the answer's logit, to its layer's output",
    .paper = "needlescope; arXiv 2607.01002, 2606.07604",
    .at = "blocks.*.attn.hook_pattern", .rows = ANSWER_ROWS, .also = also, .n_also = sizeof also / sizeof *also,
    .accepts = NS_ACCEPTS_SOFTMAX | NS_ACCEPTS_UNROLLED, .state_size = sizeof(state), .outputs = outputs, .n_outputs = N_OUTPUTS,
    .scores = scores, .n_scores = sizeof scores / sizeof *scores, .rejects = rejects, .begin = begin, .see = see, .end = end,
    .on_request = true,
};
