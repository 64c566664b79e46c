/* stats.c - what every row does, averaged over bins of query positions: stat_NAME and stat_NAME_sq (case, layer, head, qbin), the means of
 * the value and of its square. With stat_count (case, qbin), the rows in each, bins can be added across cases and files. The datasets are
 * shared by all cases, so they are hashed by tiles (one per case and layer). */
#include "record/stats_row.h"
#include "record/sink.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LOCAL = 32, PART = 8 };   /* PART: rows of a task */

enum { SINK, LOCAL_MASS, NEEDLE, NEEDLE_MAX, ENTROPY, TOP1, ARGMAX_DISTANCE, PREVIOUS, SAME_TOKEN, INDUCTION };
static const struct {
    const char *name, *summary;
} stat_table[NS_N_STATS] = {
    [SINK] = {"sink", "mass on position 0"},
    [LOCAL_MASS] = {"local", "mass on the 32 nearest positions, the row's own included"},
    [NEEDLE] = {"needle", "mass on the needle, all mentions (NaN: the case has none)"},
    [NEEDLE_MAX] = {"needle_max", "largest cell in any mention of the needle (NaN: the case has none)"},
    [ENTROPY] = {"entropy", "entropy of the row in nats (NaN for signed rows)"},
    [TOP1] = {"top1_mass", "largest cell"},
    [ARGMAX_DISTANCE] = {"argmax_dist", "distance to the largest cell, the first of equals"},
    [PREVIOUS] = {"prev_token", "mass on the position before the row's own"},
    [SAME_TOKEN] = {"same_token", "mass on earlier positions with the row's token"},
    [INDUCTION] = {"induction", "mass on positions that follow an earlier copy of the row's token"},
};

typedef struct bin {
    double sum, square;
} bin;

struct ns_stats_file {
    ns_out_spec spec[NS_N_STATS][2];
    hid_t dataset[NS_N_STATS][2];
    char name[NS_N_STATS][2][32];
    char (*digest)[65]; /* [NS_N_STATS * 2][cases * layers]; "" where the layer was not recorded */
    int64_t tiles;      /* cases * layers */
};

typedef struct stats {
    ns_sink sink;
    int64_t heads;         /* of this layer */
    const ns_span **needle; /* [n_needle] its mentions */
    int n_needle;
    int64_t *earlier;      /* [T] the last earlier position with the same token, -1 */
    bin *bins;             /* [H][bins][NS_N_STATS] of this layer */
} stats;

/* ---- the datasets of all cases ---- */

static int open_dataset(ns_recording *r, int stat, int square, const char *rows, ns_error *err)
{
    ns_stats_file *const f = r->stats;
    const ns_plan *const p = &r->plan;
    ns_out_spec *const s = &f->spec[stat][square];
    char *const summary =
        ns_printf_alloc("%s%s; the row: %s", square ? "mean square of: " : "mean of: ", stat_table[stat].summary, rows);
    snprintf(f->name[stat][square], sizeof f->name[stat][square], "stat_%s%s", stat_table[stat].name, square ? "_sq" : "");
    *s = (ns_out_spec){
        .group = "",
        .name = f->name[stat][square],
        .axes = "case layer head qbin",
        .summary = summary,
        .dtype = NS_F32,
        .rank = 4,
        .shape = {p->cases->n, p->arch->n_layers, p->n_heads, NS_STAT_BINS},
        .tiled = true,
        .tile = {1, 1, p->n_heads, NS_STAT_BINS},
        .fill = NAN,
    };
    const int rc = summary ? ns_out_dataset(r->out, s, &f->dataset[stat][square], err) : ns_oom(err, "the words for stats");
    s->summary = NULL;
    free(summary);
    return rc;
}

/* stat_count: the rows of every case in every bin. */
static int write_counts(ns_recording *r, ns_error *err)
{
    const ns_plan *const p = &r->plan;
    const ns_out_spec spec = {.group = "",
                              .name = "stat_count",
                              .axes = "case qbin",
                              .summary = "rows in the bin",
                              .dtype = NS_I64,
                              .rank = 2,
                              .shape = {p->cases->n, NS_STAT_BINS}};
    int64_t *const counts = ns_alloc_array((size_t)(p->cases->n * NS_STAT_BINS), sizeof *counts);
    if (!counts)
        return ns_oom(err, "the bins of a recording");
    for (int64_t c = 0; c < p->cases->n; c++)
        for (int64_t q = 0; q < p->list[c].n; q++)
            counts[c * NS_STAT_BINS + q / p->bin]++;
    const int rc = ns_out_array(r->out, &spec, counts, err);
    free(counts);
    return rc;
}

/* What the rows are that the stats are of. */
static char *formula_of_rows(const ns_plan *p)
{
    int t = 0;
    while (p->tracks[t].kind != NS_SINK_STATS)
        t++;
    return ns_track_formula(p, &p->tracks[t]);
}

static int open_datasets(ns_recording *r, ns_error *err)
{
    char *const rows = formula_of_rows(&r->plan);
    int rc = rows ? NS_OK : ns_oom(err, "the words for stats");
    for (int i = 0; i < NS_N_STATS * 2 && rc == NS_OK; i++)
        rc = open_dataset(r, i / 2, i % 2, rows, err);
    free(rows);
    return rc;
}

int ns_stats_open(ns_recording *r, ns_error *err)
{
    ns_stats_file *const f = r->stats = ns_alloc_array(1, sizeof *f);
    int32_t positions[NS_STAT_BINS];
    if (!f)
        return ns_oom(err, "the stats of a recording");
    f->tiles = r->plan.cases->n * r->plan.arch->n_layers;
    f->digest = ns_alloc_array((size_t)f->tiles * NS_N_STATS * 2, sizeof *f->digest);
    if (!f->digest)
        return ns_oom(err, "the stats of a recording");
    for (int i = 0; i < NS_STAT_BINS; i++)
        positions[i] = (int32_t)(i * r->plan.bin);
    int rc = ns_out_scale(r->out, "", "qbin", NS_I32, NS_STAT_BINS, positions, "first query position of the bin", err);
    if (rc == NS_OK)
        rc = write_counts(r, err);
    return rc != NS_OK ? rc : open_datasets(r, err);
}

int ns_stats_close(ns_recording *r, ns_error *err)
{
    ns_stats_file *const f = r->stats;
    int rc = NS_OK;
    for (int i = 0; i < NS_N_STATS * 2 && rc == NS_OK; i++) {
        ns_sha256 sha;
        char hex[65];
        ns_sha256_begin(&sha);
        for (int64_t tile = 0; tile < f->tiles; tile++)
            if (f->digest[i * f->tiles + tile][0])
                ns_hash_tile(&sha, tile, f->digest[i * f->tiles + tile]);
        ns_sha256_end(&sha, hex);
        rc = ns_out_digest(r->out, &f->spec[i / 2][i % 2], hex, err);
    }
    return rc;
}

void ns_stats_free(ns_stats_file *f)
{
    if (f)
        free(f->digest);
    free(f);
}

/* ---- one row ---- */

static int32_t token_at(const ns_case *c, int64_t position)
{
    return position < c->n_tokens ? c->tokens[position] : c->answer[position - c->n_tokens];
}

typedef struct position {
    int32_t token;
    int64_t at;
} position;

static int by_token(const void *a, const void *b)
{
    const position *const x = a, *const y = b;
    if (x->token != y->token)
        return x->token < y->token ? -1 : 1;
    return x->at < y->at ? -1 : x->at > y->at;
}

static bool find_needle(stats *t, const ns_case *c)
{
    int at = 0;
    t->needle = ns_alloc_array((size_t)c->n_spans + 1, sizeof(const ns_span *));
    for (const ns_span *span; t->needle && (span = ns_case_mention(c, "needle", &at));)
        t->needle[t->n_needle++] = span;
    return t->needle;
}

static int open_stats(ns_sink *s, ns_error *err)
{
    stats *const t = (stats *)s;
    const int64_t n = s->c->n;
    position *const sorted = ns_alloc_array((size_t)n, sizeof *sorted);
    t->earlier = ns_alloc_array((size_t)n, sizeof *t->earlier);
    if (!find_needle(t, s->c->c) || !sorted || !t->earlier) {
        free(sorted);
        return ns_oom(err, "the stats of a recording");
    }
    for (int64_t i = 0; i < n; i++)
        sorted[i] = (position){token_at(s->c->c, i), i};
    qsort(sorted, (size_t)n, sizeof *sorted, by_token);
    for (int64_t i = 0; i < n; i++)
        t->earlier[sorted[i].at] = i > 0 && sorted[i - 1].token == sorted[i].token ? sorted[i - 1].at : -1;
    free(sorted);
    return NS_OK;
}

typedef struct stats_job {
    stats *t;
    const ns_site *site;
    const ns_view *view;
    int64_t first, n;
    double (*value)[NS_N_STATS]; /* [H][n] */
} stats_job;

/* Of all mentions of the needle. */
static void look_at_needle(const stats *t, const float *x, int64_t key0, int64_t n, double out[NS_N_STATS])
{
    out[NEEDLE] = out[NEEDLE_MAX] = t->n_needle ? 0 : (double)NAN;
    for (int i = 0; i < t->n_needle; i++) {
        const ns_span *const m = t->needle[i];
        out[NEEDLE] += ns_stat_mass(x, key0, n, m->begin, m->end);
        out[NEEDLE_MAX] = fmax(out[NEEDLE_MAX], ns_stat_largest(x, key0, n, m->begin, m->end));
    }
}

static void look_at_row(const stats_job *j, const float *x, int64_t q, double out[NS_N_STATS])
{
    const stats *const t = j->t;
    const int64_t key0 = j->site->key0, n = q + 1 - key0 < j->view->shape[2] ? q + 1 - key0 : j->view->shape[2];
    const ns_math *const math = t->sink.rec->math;
    const int64_t best = math->argmax(x, n);
    out[SINK] = ns_stat_mass(x, key0, n, 0, 1);
    out[LOCAL_MASS] = ns_stat_mass(x, key0, n, q - LOCAL + 1, q + 1);
    look_at_needle(t, x, key0, n, out);
    out[ENTROPY] = j->site->kind != NS_ROW_SOFTMAX                   ? NAN
                   : j->site->attn && j->site->attn->sinks.name ? ns_stat_entropy_of_keys(math, x, key0, n)
                                                                : ns_stat_entropy(math, x, key0, n);
    out[TOP1] = best >= 0 ? (double)x[best] : NAN;
    out[ARGMAX_DISTANCE] = best >= 0 ? (double)(q - key0 - best) : NAN;
    out[PREVIOUS] = ns_stat_mass(x, key0, n, q - 1, q);
    out[SAME_TOKEN] = out[INDUCTION] = 0;
    for (int64_t k = t->earlier[q]; k >= key0 - 1 && k >= 0; k = t->earlier[k]) {
        out[SAME_TOKEN] += ns_stat_mass(x, key0, n, k, k + 1);
        out[INDUCTION] += ns_stat_mass(x, key0, n, k + 1, k + 2);
    }
}

/* Heads seldom divide among threads: a task is some rows of one. */
static void look_at_part(void *user, int64_t task, int worker)
{
    const stats_job *const j = user;
    const int64_t parts = (j->n + PART - 1) / PART, head = task / parts, begin = task % parts * PART;
    (void)worker;
    for (int64_t i = begin; i < begin + PART && i < j->n; i++)
        look_at_row(j, ns_at(j->view, head, j->first + i, 0), j->site->row0 + j->first + i, j->value[head * j->n + i]);
}

/* In the order of the rows, whoever looked at them. */
static void add_rows(const stats_job *j, int64_t head)
{
    const int64_t width = j->t->sink.rec->plan.bin;
    for (int64_t i = 0; i < j->n; i++) {
        const double *const value = j->value[head * j->n + i];
        bin *const b = j->t->bins + (head * NS_STAT_BINS + (j->site->row0 + j->first + i) / width) * NS_N_STATS;
        for (int s = 0; s < NS_N_STATS; s++) {
            b[s].sum += value[s];
            b[s].square += value[s] * value[s];
        }
    }
}

static int rows_to_stats(ns_sink *s, const ns_site *site, const ns_view *view, int64_t first, int64_t n, ns_error *err)
{
    stats *const t = (stats *)s;
    if (s->row == 0)
        t->bins = ns_alloc_array((size_t)(s->rec->plan.n_heads * NS_STAT_BINS * NS_N_STATS), sizeof *t->bins);
    t->heads = view->shape[0];
    const stats_job j = {t, site, view, first, n, ns_alloc_array((size_t)(t->heads * n), sizeof *j.value)};
    if (!t->bins || !j.value) {
        free(j.value);
        return ns_oom(err, "the stats of a recording");
    }
    ns_pool_run(s->rec->pool, t->heads * ((n + PART - 1) / PART), look_at_part, (void *)&j);
    for (int64_t h = 0; h < t->heads; h++)
        add_rows(&j, h);
    free(j.value);
    return NS_OK;
}

/* NaN of one bit pattern, whatever made it: the fill value's. */
static float mean_of(double sum, int64_t n)
{
    const double mean = n ? sum / (double)n : NAN;
    return isnan(mean) ? NAN : (float)mean;
}

static int write_layer(stats *t, int stat, int square, float *cells, ns_error *err)
{
    const ns_plan *const p = &t->sink.rec->plan;
    ns_stats_file *const f = t->sink.rec->stats;
    const int64_t layer = t->sink.track->layers[t->sink.layer];
    bool any = false;
    for (int64_t h = 0; h < p->n_heads; h++)
        for (int64_t b = 0; b < NS_STAT_BINS; b++) {
            const int64_t left = t->sink.c->n - b * p->bin, n = left < 0 ? 0 : left < p->bin ? left : p->bin;
            const bin *const from = &t->bins[(h * NS_STAT_BINS + b) * NS_N_STATS + stat];
            const float value = mean_of(square ? from->square : from->sum, h < t->heads ? n : 0);
            cells[h * NS_STAT_BINS + b] = value;
            any = any || !isnan(value);
        }
    if (any) {
        ns_sha256 sha;
        ns_sha256_begin(&sha);
        ns_sha256_add(&sha, cells, (size_t)(p->n_heads * NS_STAT_BINS) * sizeof *cells);
        ns_sha256_end(&sha, f->digest[(stat * 2 + square) * f->tiles + t->sink.c->index * p->arch->n_layers + layer]);
    }
    const int64_t start[4] = {t->sink.c->index, layer, 0, 0}, count[4] = {1, 1, p->n_heads, NS_STAT_BINS};
    return ns_sink_write(t->sink.rec, f->dataset[stat][square], NS_F32, 4, start, count, cells, f->name[stat][square], err);
}

static int end_layer(ns_sink *s, ns_error *err)
{
    stats *const t = (stats *)s;
    float *const cells = ns_alloc_array((size_t)(s->rec->plan.n_heads * NS_STAT_BINS), sizeof *cells);
    int rc = cells ? NS_OK : ns_oom(err, "the stats of a recording");
    for (int i = 0; i < NS_N_STATS * 2 && rc == NS_OK; i++)
        rc = write_layer(t, i / 2, i % 2, cells, err);
    free(cells);
    free(t->bins);
    t->bins = NULL;
    return rc;
}

static int close_stats(ns_sink *s, ns_error *err)
{
    (void)s, (void)err;
    return NS_OK; /* ns_stats_close digests for all cases */
}

static void free_stats(ns_sink *s)
{
    stats *const t = (stats *)s;
    free(t->earlier);
    free(t->needle);
    free(t->bins);
}

const ns_sink_class ns_sink_stats = {
    .size = sizeof(stats),
    .open = open_stats,
    .rows = rows_to_stats,
    .layer_end = end_layer,
    .close = close_stats,
    .free = free_stats,
};
