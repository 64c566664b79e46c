/* plan.c - globs, cases and the kind of maps become a list of tracks: one dataset (or a few that belong together) per case each. */
#include "record/plan.h"
#include "hook/hook.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *ns_maps_kind_name(ns_maps_kind kind)
{
    static const char *const names[] = {"stats+topk", "dense", "rows", "topk", "pooled", "stats"};
    return (unsigned)kind < sizeof names / sizeof *names ? names[kind] : NULL;
}

/* ---- rows of a track ---- */

int64_t ns_track_rows(const ns_plan_track *t, const ns_plan_case *c)
{
    return t->all_rows ? c->n : c->n_rows;
}

int64_t ns_track_position(const ns_plan_track *t, const ns_plan_case *c, int64_t row)
{
    return t->all_rows ? row : c->rows[row];
}

int64_t ns_track_seek(const ns_plan_track *t, const ns_plan_case *c, int64_t position)
{
    if (t->all_rows)
        return position < c->n ? position : c->n;
    int64_t lo = 0, hi = c->n_rows;
    while (lo < hi) {
        const int64_t mid = (lo + hi) / 2;
        if (c->rows[mid] >= position)
            hi = mid;
        else
            lo = mid + 1;
    }
    return lo;
}

int64_t ns_track_layer(const ns_plan_track *t, int64_t layer)
{
    for (int64_t i = 0; i < t->n_layers; i++)
        if (t->layers[i] == layer)
            return i;
    return -1;
}

const char *ns_track_row_axis(const ns_plan_track *t)
{
    return !strcmp(t->name, "attn") ? "query" : "row";
}

const char *ns_track_axes(const ns_plan *p, const ns_plan_track *t)
{
    const char *own = NULL;
    for (int64_t l = 0; l < t->n_layers; l++) {
        const int64_t layer = t->layers[l];
        const char *const axes = ns_point_axes_at(p->arch, t->point, layer);
        if (layer < 0 || ns_arch_attn(p->arch, layer) || (own && strcmp(own, axes) != 0))
            return ns_point_axes(t->point);
        own = axes;
    }
    return own ? own : ns_point_axes(t->point);
}

/* ---- what a track holds, in words ---- */

static const char *formula_of(const ns_plan *p, const ns_plan_track *t, int64_t i)
{
    return ns_point_formula_at(p->arch, t->point, t->layers[i]);
}

/* The first layer of the track, by its number there, that has the formula of number i. */
static int64_t first_alike(const ns_plan *p, const ns_plan_track *t, int64_t i)
{
    int64_t first = 0;
    while (strcmp(formula_of(p, t, first), formula_of(p, t, i)) != 0)
        first++;
    return first;
}

/* "layers 0-2,4: " of the layers that have the formula of number i; "layer 3: " of one. */
static void write_layers_alike(FILE *out, const ns_plan *p, const ns_plan_track *t, int64_t i)
{
    int64_t n = 0;
    for (int64_t l = i; l < t->n_layers; l++)
        n += first_alike(p, t, l) == i;
    fprintf(out, "layer%s ", ns_plural(n));
    for (int64_t l = i, last; l < t->n_layers; l = last + 1) {
        last = l;
        if (first_alike(p, t, l) != i)
            continue;
        while (last + 1 < t->n_layers && t->layers[last + 1] == t->layers[last] + 1 && first_alike(p, t, last + 1) == i)
            last++;
        fprintf(out, l > i ? ",%lld" : "%lld", (long long)t->layers[l]);
        if (last > l)
            fprintf(out, "-%lld", (long long)t->layers[last]);
    }
    fputs(": ", out);
}

char *ns_track_formula(const ns_plan *p, const ns_plan_track *t)
{
    char *text = NULL;
    size_t size;
    bool alike = true;
    for (int64_t i = 0; i < t->n_layers; i++)
        alike &= first_alike(p, t, i) == 0;
    if (alike)
        return ns_strdup(formula_of(p, t, 0));
    FILE *const out = open_memstream(&text, &size);
    for (int64_t i = 0; out && i < t->n_layers; i++)
        if (first_alike(p, t, i) == i) {
            fputs(i ? "; " : "", out);
            write_layers_alike(out, p, t, i);
            fputs(formula_of(p, t, i), out);
        }
    const bool bad = out && ferror(out);
    if (!out || fclose(out) != 0 || bad) {
        free(text);
        return NULL;
    }
    return text;
}

/* ---- lengths ---- */

/* Length of the axis that stands for `name` among the axes of a track's point at a layer; 0: none does. */
static int64_t own_length(const ns_plan *p, const ns_plan_track *t, int64_t layer, const char *name)
{
    const char *a = ns_track_axes(p, t), *own = ns_point_axes_at(p->arch, t->point, layer);
    for (size_t n; *a; a += n + strspn(a + n, " "), own += strcspn(own, " "), own += strspn(own, " ")) {
        n = strcspn(a, " ");
        if (n != strlen(name) || strncmp(a, name, n) != 0)
            continue;
        char as[32];
        snprintf(as, sizeof as, "%.*s", (int)strcspn(own, " "), own);
        return ns_point_axis(p->arch, t->point, layer, as);
    }
    return 0;
}

int64_t ns_plan_axis(const ns_plan *p, const ns_plan_track *t, const ns_plan_case *c, const char *axis, size_t n)
{
    char name[32];
    int64_t most = 0;
    snprintf(name, sizeof name, "%.*s", (int)n, axis);
    if (strcmp(name, "row") == 0)
        return ns_track_rows(t, c);
    if (strcmp(name, "key") == 0)
        return c->n;
    for (int64_t layer = -1; layer < p->arch->n_layers; layer++) {       /* the largest over layers */
        const int64_t length = ns_arch_axis(p->arch, layer, name);
        most = length > most ? length : most;
    }
    for (int i = 0; i < p->n_tracks; i++)                                 /* and over what stands for it somewhere */
        for (int64_t l = 0; l < p->tracks[i].n_layers; l++) {
            const int64_t length = own_length(p, &p->tracks[i], p->tracks[i].layers[l], name);
            most = length > most ? length : most;
        }
    return most;
}

int ns_plan_dims(const ns_plan *p, const ns_plan_track *t, const ns_plan_case *c, int64_t dims[NS_MAX_RANK])
{
    int rank = 0;
    for (const char *a = ns_track_axes(p, t); *a; a += strspn(a, " ")) {
        const size_t n = strcspn(a, " ");
        if (n != 3 || strncmp(a, "row", 3))
            dims[rank++] = ns_plan_axis(p, t, c, a, n);
        a += n;
    }
    return rank;
}

void ns_plan_chunk(const ns_plan_track *t, const ns_plan_case *c, int64_t *rows, int64_t *keys)
{
    const int64_t R = ns_track_rows(t, c), S = c->n;
    *rows = R < NS_CHUNK_ROWS ? R : NS_CHUNK_ROWS;
    const int64_t wide = NS_CHUNK_CELLS / (*rows ? *rows : 1) / NS_CHUNK_ROWS * NS_CHUNK_ROWS;
    *keys = S < wide ? S : wide;
}

void ns_plan_key_chunks(const ns_plan *p, const ns_plan_track *t, const ns_plan_case *c, int64_t layer, int64_t first, int64_t last,
                        int64_t *lo, int64_t *hi)
{
    const ns_attn *const attn = ns_arch_attn(p->arch, layer);
    int64_t window = attn ? 1 : 0, rows, keys;
    for (int64_t h = 0; attn && h < attn->n_heads; h++) {
        const int64_t w = ns_attn_window(attn, h);
        window = w == 0 || window == 0 ? 0 : w > window ? w : window;
    }
    ns_plan_chunk(t, c, &rows, &keys);
    const int64_t begin = window ? ns_track_position(t, c, first) - window + 1 : 0;
    *lo = begin > 0 ? begin / keys : 0;
    *hi = ns_track_position(t, c, last) / keys + 1;
}

/* ---- tracks ---- */

static bool wanted(const ns_recorder_params *r, ns_point point, int64_t layer)
{
    char name[96];
    ns_point_format(point, layer, name, sizeof name);
    for (int i = 0; i < r->n_at; i++)
        if (ns_glob(r->at[i], name))
            return true;
    return false;
}

static int add_track(ns_plan *p, ns_point point, ns_sink_kind kind, bool all_rows, const char *name, ns_error *err)
{
    ns_plan_track *const t = &p->tracks[p->n_tracks];
    *t = (ns_plan_track){.point = point, .kind = kind, .all_rows = all_rows};
    t->layers = ns_alloc_array((size_t)p->arch->n_layers + 1, sizeof *t->layers);
    if (!t->layers)
        return ns_oom(err, "the plan of a recording");
    for (int64_t layer = -1; layer < p->arch->n_layers; layer++)
        if (ns_point_exists(p->arch, point, layer) && wanted(&p->params, point, layer))
            t->layers[t->n_layers++] = layer;
    snprintf(t->name, sizeof t->name, "%s", name);
    if (t->n_layers)
        p->n_tracks++;
    else
        free(t->layers);
    return NS_OK;
}

/* The dataset of a point is called as the point is, without "blocks.N.". */
static int add_point(ns_plan *p, ns_point point, ns_error *err)
{
    const ns_maps_kind maps = p->params.maps;
    if (point != NS_POINT_PATTERN) {
        const char *const name = ns_point_name(point);
        const bool blocks = ns_starts(name, "blocks.%.");
        return add_track(p, point, point == NS_POINT_SCORES ? NS_SINK_BANDS : NS_SINK_VALUES, p->params.rows.kind == NS_ROWS_ALL,
                         name + (blocks ? strlen("blocks.%.") : 0), err);
    }
    const bool all = p->params.rows.kind == NS_ROWS_ALL;
    int rc = NS_OK;
    if (maps == NS_MAPS_DENSE)
        return add_track(p, point, NS_SINK_BANDS, true, "attn", err);
    if (maps == NS_MAPS_ROWS)
        return add_track(p, point, NS_SINK_BANDS, all, "rows_attn", err);
    if (maps == NS_MAPS_POOLED)
        return add_track(p, point, NS_SINK_POOLED, true, "pool", err);
    if (maps == NS_MAPS_STATS || maps == NS_MAPS_STATS_TOPK)
        rc = add_track(p, point, NS_SINK_STATS, true, "stat", err);
    if (rc == NS_OK && (maps == NS_MAPS_TOPK || maps == NS_MAPS_STATS_TOPK))
        rc = add_track(p, point, NS_SINK_TOPK, all, "topk", err);
    return rc;
}

/* The axis "layer" holds the union; a track that lacks some of it has an axis of its own, "layer_NAME". */
static int add_layers(ns_plan *p, ns_error *err)
{
    p->layers = ns_alloc_array((size_t)p->arch->n_layers + 1, sizeof *p->layers);
    if (!p->layers)
        return ns_oom(err, "the plan of a recording");
    for (int64_t layer = 0; layer < p->arch->n_layers; layer++) {
        bool any = false;
        for (int i = 0; i < p->n_tracks && !any; i++)
            any = ns_track_layer(&p->tracks[i], layer) >= 0;
        if (any)
            p->layers[p->n_layers++] = layer;
    }
    for (int i = 0; i < p->n_tracks; i++) {
        ns_plan_track *const t = &p->tracks[i];
        if (t->layers[0] < 0)
            continue;
        const bool all = t->n_layers == p->n_layers;
        snprintf(t->layer_axis, sizeof t->layer_axis, all ? "layer" : "layer_%s", t->name);
        for (char *s = t->layer_axis; *s; s++)
            *s = *s == '.' ? '_' : *s;
    }
    return NS_OK;
}

/* ---- cases ---- */

static int add_rows(ns_plan *p, ns_plan_case *c, ns_error *err)
{
    ns_runs runs;
    if (!ns_rows_resolve(&p->params.rows, c->c, c->n, &runs))
        return ns_oom(err, "the rows of a recording");
    for (int64_t i = 0; i < runs.n; i++)
        c->n_rows += runs.list[i].end - runs.list[i].begin;
    c->rows = ns_alloc_array((size_t)c->n_rows, sizeof *c->rows);
    int64_t n = 0;
    for (int64_t i = 0; c->rows && i < runs.n; i++)
        for (int64_t q = runs.list[i].begin; q < runs.list[i].end; q++)
            c->rows[n++] = q;
    free(runs.list);
    return c->rows ? NS_OK : ns_oom(err, "the rows of a recording");
}

static int add_cases(ns_plan *p, ns_error *err)
{
    int64_t longest = 1;
    p->list = ns_alloc_array((size_t)p->cases->n, sizeof *p->list);
    if (!p->list)
        return ns_oom(err, "the plan of a recording");
    for (int64_t i = 0; i < p->cases->n; i++) {
        ns_plan_case *const c = &p->list[i];
        *c = (ns_plan_case){.c = &p->cases->list[i], .index = i};
        c->n = c->c->n_tokens + (c->c->n_answer > 0 ? c->c->n_answer - 1 : 0);
        snprintf(c->group, sizeof c->group, "case%04lld", (long long)i);
        if (c->n < 1 || c->n > INT32_MAX)
            return ns_fail(err, NS_E_ARG, "case '%s' has %lld tokens: nothing can be recorded of it", c->c->id ? c->c->id : c->group,
                           (long long)c->n);
        c->block = p->params.pool_block > 0 ? p->params.pool_block : (c->n + NS_POOL_BINS - 1) / NS_POOL_BINS;
        longest = c->n > longest ? c->n : longest;
        const int rc = add_rows(p, c, err);
        if (rc != NS_OK)
            return rc;
    }
    p->bin = (longest + NS_STAT_BINS - 1) / NS_STAT_BINS;
    return NS_OK;
}

/* ---- the plan ---- */

static int copy_params(ns_plan *p, const ns_recorder_params *given, ns_error *err)
{
    ns_recorder_params *const r = &p->params;
    int rc = ns_sized_copy(r, sizeof *r, given, "ns_recorder_params", err);
    if (rc != NS_OK)
        return rc;
    const bool dtype_ok = r->dtype == NS_F32 || r->dtype == NS_F16;
    const ns_rows rows = r->rows;
    r->rows.positions = NULL;
    r->rows.span = NULL;
    if (!dtype_ok || !ns_maps_kind_name(r->maps) || r->top_k < 0 || r->pool_block < 0 || r->max_bytes < 0 ||
        r->n_at < 1)
        return ns_fail(err, NS_E_ARG,
                       "recording: wrong parameters (at least one glob, dtype F32 or F16, maps, top_k, pool_block, max_bytes)");
    if (rows.kind == NS_ROWS_LIST && rows.n > 0) {
        int64_t *const copy = ns_alloc_array((size_t)rows.n, sizeof *copy);
        if (!copy)
            return ns_oom(err, "the rows of a recording");
        memcpy(copy, rows.positions, (size_t)rows.n * sizeof *copy);
        r->rows.positions = copy;
    }
    if (rows.span && !(r->rows.span = ns_strdup(rows.span)))
        return ns_oom(err, "the rows of a recording");
    if (r->maps == NS_MAPS_STATS_TOPK && rows.kind == NS_ROWS_ALL)
        r->rows.kind = NS_ROWS_ANSWER;
    r->top_k = r->top_k ? r->top_k : 32;
    r->max_bytes = r->max_bytes ? r->max_bytes : (int64_t)4 << 30;
    return NS_OK;
}

/* Rows, cells of a row or blocks are asked for where nothing is recorded that has them: it would change nothing. */
static int check_used(const ns_plan *p, const ns_recorder_params *given, ns_error *err)
{
    bool rows = p->n_tracks == 0, cells = rows, blocks = rows;      /* globs that name nothing are another error */
    for (int t = 0; t < p->n_tracks; t++) {
        rows |= !p->tracks[t].all_rows;
        cells |= p->tracks[t].kind == NS_SINK_TOPK;
        blocks |= p->tracks[t].kind == NS_SINK_POOLED;
    }
    const char *const idle = given->rows.kind != NS_ROWS_ALL && !rows ? "rows are of activations and of maps rows, topk and stats+topk"
        : given->top_k && !cells ? "top_k is of maps topk and stats+topk"
        : given->pool_block && !blocks ? "pool_block is of pooled maps" : NULL;
    if (!idle)
        return NS_OK;
    return ns_fail(err, NS_E_ARG, "%s, and none is recorded here (maps: %s)", idle, ns_maps_kind_name(given->maps));
}

static int make(ns_plan *p, const ns_recorder_params *params, ns_error *err)
{
    int rc = copy_params(p, params, err);
    if (rc != NS_OK)
        return rc;
    for (int64_t l = 0; l < p->arch->n_layers; l++) {
        const int64_t heads = ns_arch_axis(p->arch, l, "head");      /* of all mixers of the layer */
        p->n_heads = heads > p->n_heads ? heads : p->n_heads;
    }
    p->tracks = ns_alloc_array(NS_N_POINTS + 1, sizeof *p->tracks); /* the pattern may have two */
    if (!p->tracks)
        return ns_oom(err, "the plan of a recording");
    for (int point = 0; point < NS_N_POINTS && rc == NS_OK; point++)
        rc = add_point(p, point, err);
    if (rc == NS_OK)
        rc = add_layers(p, err);
    if (rc == NS_OK)
        rc = check_used(p, params, err);
    if (rc == NS_OK)
        rc = ns_rows_check(&p->params.rows, p->cases, NULL, err);
    return rc == NS_OK ? add_cases(p, err) : rc;
}

int ns_plan_make(ns_plan *p, const ns_arch *arch, const ns_cases *cases, const ns_recorder_params *params, ns_error *err)
{
    *p = (ns_plan){.arch = arch, .cases = cases};
    const int rc = make(p, params, err);
    if (rc != NS_OK)
        ns_plan_clear(p);
    return rc;
}

void ns_plan_clear(ns_plan *p)
{
    for (int i = 0; i < p->n_tracks; i++)
        free(p->tracks[i].layers);
    for (int64_t i = 0; p->list && i < p->cases->n; i++)
        free(p->list[i].rows);
    free(p->tracks);
    free(p->list);
    free(p->layers);
    free((int64_t *)p->params.rows.positions);
    free((char *)p->params.rows.span);
    *p = (ns_plan){0};
}
