/* bands.c - maps as they are: (layer, head, row, key) in chunks of 256 x 256 cells. Bands of rows are converted into the chunks of one row
 * of chunks, which is compressed in the pool and written by this thread once its last row is there. Chunks above the diagonal or outside
 * the window of every head are never made; chunks of fill alone are never written. */
#include "record/sink.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct digest {
    bool used;
    char hex[65];
} digest;

typedef struct bands {
    ns_sink sink;
    ns_out_spec spec;
    hid_t dataset;
    int64_t CR, CK, n_rc, n_kc; /* rows and keys of a chunk; chunks down and across */
    size_t size;                /* of a cell */
    uint32_t fill;              /* bits of a cell */
    uint8_t *chunks;            /* [heads][hi - lo][CR][CK] of the row of chunks in hand */
    size_t chunks_bytes;
    int64_t heads, lo, hi;
    digest *digests; /* [H][n_rc][n_kc] of this layer */
    ns_sha256 sha;
} bands;

static int open_bands(ns_sink *s, ns_error *err)
{
    bands *const b = (bands *)s;
    const ns_plan *const p = &s->rec->plan;
    const bool scores = s->track->point == NS_POINT_SCORES;
    char axes[160], rest[64];
    char *const formula = ns_track_formula(p, s->track);
    if (!formula)
        return ns_oom(err, "the words for a map");
    snprintf(rest, sizeof rest, "head %s key", ns_track_row_axis(s->track));
    ns_plan_chunk(s->track, s->c, &b->CR, &b->CK);
    b->n_rc = (s->n_rows + b->CR - 1) / b->CR;
    b->n_kc = (s->c->n + b->CK - 1) / b->CK;
    b->size = ns_dtype_size(p->params.dtype);
    b->fill = !scores ? 0 : p->params.dtype == NS_F16 ? 0xfc00u : 0xff800000u;
    b->spec = (ns_out_spec){
        .group = s->c->group,
        .name = s->track->name,
        .axes = ns_sink_axes(s, rest, axes, sizeof axes),
        .summary = formula,
        .dtype = p->params.dtype,
        .rank = 4,
        .shape = {s->track->n_layers, p->n_heads, s->n_rows, s->c->n},
        .chunk = {1, 1, b->CR, b->CK},
        .deflate = true,
        .tiled = true,
        .tile = {1, 1, b->CR, b->CK},
        .fill = scores ? -INFINITY : 0,
    };
    b->digests = ns_alloc_array((size_t)(p->n_heads * b->n_rc * b->n_kc), sizeof *b->digests);
    const int rc = b->digests ? ns_out_dataset(s->rec->out, &b->spec, &b->dataset, err) : ns_oom(err, "the digests of a map");
    ns_sha256_begin(&b->sha);
    b->spec.axes = b->spec.summary = NULL;
    free(formula);
    return rc;
}

/* ---- a row of chunks is begun, filled, flushed ---- */

static int begin_chunks(bands *b, int64_t rc_index, int64_t heads, ns_error *err)
{
    ns_recording *const r = b->sink.rec;
    const int64_t first = rc_index * b->CR, end = first + b->CR < b->sink.n_rows ? first + b->CR : b->sink.n_rows;
    ns_plan_key_chunks(&r->plan, b->sink.track, b->sink.c, b->sink.track->layers[b->sink.layer], first, end - 1, &b->lo, &b->hi);
    const size_t need = (size_t)(heads * (b->hi - b->lo) * b->CR * b->CK) * b->size;
    if (r->spare_bytes < need) {
        free(r->spare);
        r->spare_bytes = 0;
        r->spare = ns_alloc_aligned(need);
        if (!r->spare)
            return ns_fail(err, NS_E_MEMORY, "no memory for %lld MiB of attention maps in hand (record fewer heads or shorter cases)",
                           (long long)(need >> 20));
        r->spare_bytes = need;
    }
    b->chunks = r->spare;
    b->chunks_bytes = r->spare_bytes;
    r->spare = NULL;
    r->spare_bytes = 0;
    b->heads = heads;
    return NS_OK;
}

static void set_fill(const bands *b, uint8_t *cells, int64_t n)
{
    if (b->fill == 0)
        memset(cells, 0, (size_t)n * b->size);
    else if (b->size == 2)
        for (int64_t i = 0; i < n; i++)
            ((uint16_t *)cells)[i] = (uint16_t)b->fill;
    else
        for (int64_t i = 0; i < n; i++)
            ((uint32_t *)cells)[i] = b->fill;
}

typedef struct fill_job {
    bands *b;
    const ns_site *site;
    const ns_view *view;
    int64_t first, n; /* rows of the view */
    int64_t row;      /* in the chunk */
} fill_job;

/* One row of one head: keys [key0, key0 + n_keys) come from the view, the rest of its chunks is fill. */
static void fill_row(const fill_job *j, const float *x, uint8_t *chunks, int64_t row)
{
    const bands *const b = j->b;
    const int64_t from = j->site->key0, to = from + j->view->shape[2];
    for (int64_t kc = b->lo; kc < b->hi; kc++) {
        uint8_t *const cells = chunks + (size_t)(((kc - b->lo) * b->CR + row) * b->CK) * b->size;
        const int64_t k0 = kc * b->CK, k1 = k0 + b->CK;
        const int64_t a = from < k0 ? k0 : from > k1 ? k1 : from, z = to < a ? a : to > k1 ? k1 : to;
        set_fill(b, cells, a - k0);
        ns_sink_convert(b->sink.rec, cells + (size_t)(a - k0) * b->size, x + (a - from), z - a);
        set_fill(b, cells + (size_t)(z - k0) * b->size, k1 - z);
    }
}

static void fill_head(void *user, int64_t head, int worker)
{
    const fill_job *const j = user;
    const bands *const b = j->b;
    (void)worker;
    uint8_t *const chunks = b->chunks + (size_t)(head * (b->hi - b->lo) * b->CR * b->CK) * b->size;
    for (int64_t i = 0; i < j->n; i++)
        fill_row(j, ns_at(j->view, head, j->first + i, 0), chunks, j->row + i);
}

typedef struct packed {
    size_t bytes;
    uint32_t mask;
} packed;
typedef struct press_job {
    bands *b;
    int64_t rc_index;
    packed *packed;
} press_job;

static bool all_fill(const bands *b, const uint8_t *chunk, size_t bytes)
{
    return !memcmp(chunk, &b->fill, b->size) && !memcmp(chunk, chunk + b->size, bytes - b->size);
}

/* Cells beyond the edges of the dataset are no part of the tile. */
static void digest_tile(const bands *b, const uint8_t *chunk, int64_t rows, int64_t keys, char hex[65])
{
    ns_sha256 sha;
    ns_sha256_begin(&sha);
    if (keys == b->CK)
        ns_sha256_add(&sha, chunk, (size_t)(rows * keys) * b->size);
    for (int64_t r = 0; r < rows && keys < b->CK; r++)
        ns_sha256_add(&sha, chunk + (size_t)(r * b->CK) * b->size, (size_t)keys * b->size);
    ns_sha256_end(&sha, hex);
}

static void press_one(void *user, int64_t task, int worker)
{
    const press_job *const j = user;
    bands *const b = j->b;
    const size_t bytes = (size_t)(b->CR * b->CK) * b->size;
    const int64_t across = b->hi - b->lo, head = task / across, kc = b->lo + task % across;
    uint8_t *const chunk = b->chunks + (size_t)task * bytes;
    const int64_t first = j->rc_index * b->CR, key0 = kc * b->CK;
    const int64_t rows = first + b->CR < b->sink.n_rows ? b->CR : b->sink.n_rows - first;
    const int64_t keys = key0 + b->CK < b->sink.c->n ? b->CK : b->sink.c->n - key0;
    set_fill(b, chunk + (size_t)(rows * b->CK) * b->size, (b->CR - rows) * b->CK);
    j->packed[task].bytes = 0;
    if (all_fill(b, chunk, bytes))
        return;
    digest *const d = &b->digests[(head * b->n_rc + j->rc_index) * b->n_kc + kc];
    d->used = true;
    digest_tile(b, chunk, rows, keys, d->hex);
    j->packed[task].bytes = ns_press_chunk(b->sink.rec->press[worker], chunk, bytes, b->size, &j->packed[task].mask);
}

static int flush_chunks(bands *b, int64_t rc_index, ns_error *err)
{
    ns_recording *const r = b->sink.rec;
    const int64_t across = b->hi - b->lo, n = b->heads * across;
    const size_t bytes = (size_t)(b->CR * b->CK) * b->size;
    packed *const list = ns_alloc_array((size_t)n, sizeof *list);
    if (!list)
        return ns_oom(err, "attention maps");
    ns_pool_run(r->pool, n, press_one, &(press_job){b, rc_index, list});
    int rc = NS_OK;
    for (int64_t i = 0; i < n && rc == NS_OK; i++) {
        const hsize_t at[4] = {(hsize_t)b->sink.layer, (hsize_t)(i / across), (hsize_t)(rc_index * b->CR),
                               (hsize_t)((b->lo + i % across) * b->CK)};
        if (list[i].bytes)
            rc = ns_out_check(r->out,
                              H5Dwrite_chunk(b->dataset, H5P_DEFAULT, list[i].mask, at, list[i].bytes, b->chunks + (size_t)i * bytes),
                              b->spec.name, err);
    }
    free(list);
    free(r->spare);
    r->spare = b->chunks;
    r->spare_bytes = b->chunks_bytes;
    b->chunks = NULL;
    return rc;
}

static int rows_to_bands(ns_sink *s, const ns_site *site, const ns_view *view, int64_t first, int64_t n, ns_error *err)
{
    bands *const b = (bands *)s;
    for (int64_t done = 0; done < n;) {
        const int64_t row = s->row + done, in_chunk = row % b->CR;
        const int64_t part = b->CR - in_chunk < n - done ? b->CR - in_chunk : n - done;
        int rc = in_chunk == 0 ? begin_chunks(b, row / b->CR, view->shape[0], err) : NS_OK;
        if (rc != NS_OK)
            return rc;
        ns_pool_run(s->rec->pool, b->heads, fill_head, &(fill_job){b, site, view, first + done, part, in_chunk});
        if (in_chunk + part == b->CR || row + part == s->n_rows)
            rc = flush_chunks(b, row / b->CR, err);
        if (rc != NS_OK)
            return rc;
        done += part;
    }
    return NS_OK;
}

/* Layers come in order, so the digest over tiles in row-major order can go on layer by layer. */
static int end_layer(ns_sink *s, ns_error *err)
{
    bands *const b = (bands *)s;
    (void)err;
    const int64_t per_layer = s->rec->plan.n_heads * b->n_rc * b->n_kc;
    for (int64_t i = 0; i < per_layer; i++) {
        if (b->digests[i].used)
            ns_hash_tile(&b->sha, s->layer * per_layer + i, b->digests[i].hex);
        b->digests[i].used = false;
    }
    return NS_OK;
}

static int close_bands(ns_sink *s, ns_error *err)
{
    bands *const b = (bands *)s;
    char hex[65];
    ns_sha256_end(&b->sha, hex);
    return ns_out_digest(s->rec->out, &b->spec, hex, err);
}

static void free_bands(ns_sink *s)
{
    bands *const b = (bands *)s;
    free(b->chunks);
    free(b->digests);
}

const ns_sink_class ns_sink_bands = {
    .size = sizeof(bands),
    .open = open_bands,
    .rows = rows_to_bands,
    .layer_end = end_layer,
    .close = close_bands,
    .free = free_bands,
};
