/* recorder.c - hooks that write what they see: globs become one exact hook per (point, layer), what is delivered is cut into runs of
 * wanted rows, and each run goes to the sinks of its case. A recording is complete only if every row of every case came. */
#include "record/recorder.h"
#include "record/layout.h"
#include "hook/hook.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ns_recorder {
    ns_recording rec;
    ns_sink **sinks; /* [cases][tracks]; NULL where the case has no such row */
    int64_t n_sinks;
    ns_hooks *hooks;
    const ns_model *model; /* for the hash of the weights, which is known after the pass */
    const char *(*weights_sha256)(const ns_model *);
    bool broken; /* a callback failed */
};

static const ns_sink_class *const classes[NS_N_SINKS] = {
    [NS_SINK_VALUES] = &ns_sink_values, [NS_SINK_BANDS] = &ns_sink_bands, [NS_SINK_TOPK] = &ns_sink_topk,
    [NS_SINK_POOLED] = &ns_sink_pooled, [NS_SINK_STATS] = &ns_sink_stats,
};

/* ---- what is seen ---- */

/* Statistics are float32, and no softmax weight exceeds 1. */
static bool may_overflow(const ns_sink *s, const ns_site *site)
{
    const bool softmax = site->point == NS_POINT_PATTERN && site->kind == NS_ROW_SOFTMAX;
    return s->rec->plan.params.dtype == NS_F16 && s->track->kind != NS_SINK_STATS && !softmax;
}

/* Rows of the view that the track wants, as runs: site rows [i, i + n) are the track's rows from `row` on. */
static int give_rows(ns_sink *s, const ns_site *site, const ns_view *view, ns_error *err)
{
    const int64_t layer = ns_track_layer(s->track, site->layer), end = site->row0 + site->n_rows;
    for (int64_t row = ns_track_seek(s->track, s->c, site->row0); row < s->n_rows && ns_track_position(s->track, s->c, row) < end;) {
        const int64_t first = ns_track_position(s->track, s->c, row);
        int64_t n = 1;
        while (row + n < s->n_rows && first + n < end && ns_track_position(s->track, s->c, row + n) == first + n)
            n++;
        if (layer != s->layer || row != s->row)
            return ns_fail(err, NS_E_INTERNAL, "recording: case '%s': '%s' layer %lld row %lld came out of order", s->c->group,
                           s->track->name, (long long)site->layer, (long long)first);
        int rc = may_overflow(s, site) ? ns_sink_fits_half(s, site, view, first - site->row0, n, err) : NS_OK;
        rc = rc != NS_OK ? rc : s->class->rows(s, site, view, first - site->row0, n, err);
        row += n;
        s->row = row;
        if (rc == NS_OK && s->row == s->n_rows) {
            rc = s->class->layer_end ? s->class->layer_end(s, err) : NS_OK;
            s->layer++;
            s->row = 0;
        }
        if (rc != NS_OK)
            return rc;
    }
    return NS_OK;
}

static int see(ns_recorder *r, const ns_site *site, const ns_view *view, ns_error *err)
{
    const ns_plan *const p = &r->rec.plan;
    const bool map = site->point == NS_POINT_PATTERN || site->point == NS_POINT_SCORES;
    if (site->case_index < 0 || site->case_index >= p->cases->n)
        return ns_fail(err, NS_E_ARG, "recording: session %lld carries no case of this recording (ns_session_add_case)",
                       (long long)site->session);
    if (view->dtype != NS_F32 || (map && (view->rank != 3 || view->stride[2] != 1 || view->shape[0] > p->n_heads || site->key0 < 0)))
        return ns_fail(err, NS_E_INTERNAL, "recording: a view of another kind than the hooks' contract has");
    int rc = NS_OK;
    for (int t = 0; t < p->n_tracks && rc == NS_OK; t++) {
        ns_sink *const s = r->sinks[site->case_index * p->n_tracks + t];
        if (s && s->track->point == site->point && ns_track_layer(s->track, site->layer) >= 0)
            rc = give_rows(s, site, view, err);
    }
    return rc;
}

int ns_recorder_see(void *user, const ns_site *site, const ns_view *view, ns_error *err)
{
    ns_recorder *const r = user;
    const ns_h5_quiet quiet = ns_h5_enter();
    const int rc = ns_h5_end(quiet, see(r, site, view, err), ns_out_label(r->rec.out), err);
    r->broken = r->broken || rc != NS_OK;
    return rc;
}

/* ---- making one ---- */

/* One exact hook per (point, layer) of the tracks, so that globs that overlap do not deliver twice. */
static int make_hooks(ns_recorder *r, ns_error *err)
{
    const ns_plan *const p = &r->rec.plan;
    const size_t most = (size_t)p->n_tracks * (size_t)(p->arch->n_layers + 1);
    ns_hook *const list = ns_alloc_array(most, sizeof *list);
    char(*const names)[96] = ns_alloc_array(most, sizeof *names);
    int n = 0, rc = list && names ? NS_OK : ns_oom(err, "hooks");
    for (int t = 0; t < p->n_tracks && rc == NS_OK; t++) {
        const ns_plan_track *const track = &p->tracks[t];
        /* Tracks of one point stand side by side and see the same layers: one hook serves both, for all rows if one needs all. */
        const bool again = t > 0 && p->tracks[t - 1].point == track->point;
        const bool all = track->all_rows || (t + 1 < p->n_tracks && p->tracks[t + 1].point == track->point && p->tracks[t + 1].all_rows);
        for (int64_t i = 0; i < track->n_layers && !again; i++, n++) {
            ns_point_format(track->point, track->layers[i], names[n], sizeof names[n]);
            list[n] = (ns_hook){.size = sizeof *list, .at = names[n], .read = ns_recorder_see, .user = r};
            if (!all)
                list[n].rows = p->params.rows;
        }
    }
    if (rc == NS_OK)
        rc = ns_hooks_new(&r->hooks, p->arch, list, n, err);
    free(list);
    free(names);
    return rc;
}

/* The globs themselves are judged by ns_hooks_new: it names the nearest point of one that matches nothing. */
static int check_globs(const ns_arch *arch, const ns_recorder_params *params, ns_error *err)
{
    for (int i = 0; i < params->n_at; i++) {
        ns_hooks *hooks;
        const int rc =
            ns_hooks_new(&hooks, arch, &(ns_hook){.size = sizeof(ns_hook), .at = params->at[i], .read = ns_recorder_see}, 1, err);
        ns_hooks_free(hooks);
        if (rc != NS_OK)
            return rc;
    }
    return NS_OK;
}

static const char *bytes_text(int64_t bytes, char buf[32])
{
    snprintf(buf, 32, bytes >= (int64_t)1 << 30 ? "%.2f GiB" : "%.2f MiB", (double)bytes / (bytes >= (int64_t)1 << 30 ? 0x1p30 : 0x1p20));
    return buf;
}

static int check_size(const ns_plan *p, const char *path, ns_error *err)
{
    const int64_t bytes = ns_plan_bytes(p);
    char size[32], limit[32];
    if (bytes <= p->params.max_bytes)
        return NS_OK;
    return ns_fail(err, NS_E_ARG,
                   "%s: the recording would take %s (maps: %s, %lld cases), more than the limit of %s: record fewer points, rows or cases, "
                   "choose maps topk, pooled or stats, or allow it (--max-bytes %lld)",
                   path, bytes_text(bytes, size), ns_maps_kind_name(p->params.maps), (long long)p->cases->n,
                   bytes_text(p->params.max_bytes, limit), (long long)bytes);
}

static int make_workers(ns_recording *rec, ns_pool *pool, int threads, ns_error *err)
{
    size_t chunk = 1;
    for (int64_t i = 0; i < rec->plan.cases->n; i++)
        for (int t = 0; t < rec->plan.n_tracks; t++) {
            int64_t rows, keys;
            ns_plan_chunk(&rec->plan.tracks[t], &rec->plan.list[i], &rows, &keys);
            const size_t bytes = (size_t)(rows * keys) * ns_dtype_size(rec->plan.params.dtype);
            chunk = rec->plan.tracks[t].kind == NS_SINK_BANDS && bytes > chunk ? bytes : chunk;
        }
    const int rc = pool ? NS_OK : ns_pool_new(&rec->own_pool, threads, err);
    if (rc != NS_OK)
        return rc;
    rec->pool = pool ? pool : rec->own_pool;
    rec->n_press = ns_pool_size(rec->pool);
    rec->press = ns_alloc_array((size_t)rec->n_press, sizeof *rec->press);
    for (int i = 0; rec->press && i < rec->n_press; i++)
        if (!(rec->press[i] = ns_press_new(chunk)))
            return ns_oom(err, "compressors");
    rec->math = ns_math_select(NULL);
    return rec->press ? NS_OK : ns_oom(err, "compressors");
}

static int open_sinks(ns_recorder *r, ns_error *err)
{
    const ns_plan *const p = &r->rec.plan;
    r->n_sinks = p->cases->n * p->n_tracks;
    r->sinks = ns_alloc_array((size_t)r->n_sinks, sizeof *r->sinks);
    int rc = r->sinks ? NS_OK : ns_oom(err, "a recording");
    for (int64_t i = 0; i < r->n_sinks && rc == NS_OK; i++) {
        const ns_plan_case *const c = &p->list[i / p->n_tracks];
        const ns_plan_track *const track = &p->tracks[i % p->n_tracks];
        if (i % p->n_tracks == 0)
            rc = ns_layout_case(&r->rec, c, err);
        if (rc != NS_OK || ns_track_rows(track, c) == 0)
            continue;
        ns_sink *const s = r->sinks[i] = ns_alloc_array(1, classes[track->kind]->size);
        if (!s)
            return ns_oom(err, "a recording");
        *s = (ns_sink){.class = classes[track->kind], .rec = &r->rec, .track = track, .c = c, .n_rows = ns_track_rows(track, c)};
        rc = s->class->open(s, err);
    }
    return rc;
}

static int open_file(ns_recorder *r, const char *path, const ns_fact *facts, int n_facts, ns_error *err)
{
    ns_recording *const rec = &r->rec;
    ns_fact *list = NULL;
    char **text = NULL;
    int n = 0, rc = ns_layout_facts(&rec->plan, facts, n_facts, &list, &n, &text, err);
    if (rc == NS_OK)
        rc = ns_out_create(&rec->out, path, list, n, err);
    for (int i = 0; text && text[i]; i++)
        free(text[i]);
    free(text);
    free(list);
    if (rc == NS_OK)
        rc = ns_out_volatile(rec->out, "needlescope_version", NS_VERSION, err);
    if (rc == NS_OK)
        rc = ns_layout_root(rec, err);
    for (int t = 0; t < rec->plan.n_tracks && rc == NS_OK; t++)
        if (rec->plan.tracks[t].kind == NS_SINK_STATS)
            rc = ns_stats_open(rec, err);
    return rc == NS_OK ? open_sinks(r, err) : rc;
}

static int build(ns_recorder *r, const ns_arch *arch, ns_pool *pool, int threads, const ns_cases *cases, const char *path,
                 const ns_recorder_params *params, const ns_fact *facts, int n_facts, ns_error *err)
{
    int rc = cases->n > 0 ? check_globs(arch, params, err) : ns_fail(err, NS_E_ARG, "%s: no cases to record", path);
    if (rc == NS_OK)
        rc = ns_plan_make(&r->rec.plan, arch, cases, params, err);
    if (rc == NS_OK)
        rc = check_size(&r->rec.plan, path, err);
    if (rc == NS_OK)
        rc = make_hooks(r, err);
    if (rc == NS_OK)
        rc = make_workers(&r->rec, pool, threads, err);
    return rc == NS_OK ? open_file(r, path, facts, n_facts, err) : rc;
}

static int new_recorder(ns_recorder **out, const ns_arch *arch, ns_pool *pool, int threads, const ns_cases *cases, const char *path,
                        const ns_recorder_params *params, const ns_fact *facts, int n_facts, ns_error *err)
{
    *out = NULL;
    ns_recorder *const r = ns_alloc_array(1, sizeof *r);
    if (!r)
        return ns_oom(err, path);
    const ns_h5_quiet quiet = ns_h5_enter();
    const int rc = ns_h5_end(quiet, build(r, arch, pool, threads, cases, path, params, facts, n_facts, err), path, err);
    if (rc != NS_OK)
        ns_recorder_abort(r);
    else
        *out = r;
    return rc;
}

int ns_recorder_new_for(ns_recorder **out, const ns_arch *arch, int threads, const ns_cases *cases, const char *path,
                        const ns_recorder_params *params, const ns_fact *facts, int n_facts, ns_error *err)
{
    return new_recorder(out, arch, NULL, threads, cases, path, params, facts, n_facts, err);
}

int ns_recorder_new_in(ns_recorder **out, const ns_arch *arch, ns_pool *pool, const ns_cases *cases, const char *path,
                       const ns_recorder_params *params, const ns_fact *facts, int n_facts, ns_error *err)
{
    return new_recorder(out, arch, pool, 0, cases, path, params, facts, n_facts, err);
}

const ns_hooks *ns_recorder_hooks(const ns_recorder *r)
{
    return r->hooks;
}

int ns_recorder_fact(ns_recorder *r, const char *name, const char *value, ns_error *err)
{
    const ns_h5_quiet quiet = ns_h5_enter();
    return ns_h5_end(quiet, ns_out_fact(r->rec.out, name, value, err), ns_out_label(r->rec.out), err);
}

void ns_recorder_set_model(ns_recorder *r, const ns_model *model, const char *(*weights_sha256)(const ns_model *))
{
    r->model = model;
    r->weights_sha256 = weights_sha256;
}

/* ---- the end ---- */

static int check_complete(const ns_recorder *r, ns_error *err)
{
    if (r->broken)
        return ns_fail(err, NS_E_IO, "%s: the pass failed while recording", ns_out_label(r->rec.out));
    for (int64_t i = 0; i < r->n_sinks; i++) {
        const ns_sink *const s = r->sinks[i];
        if (s && s->layer < s->track->n_layers)
            return ns_fail(
                err, NS_E_ARG,
                "%s: case '%s': %lld of %lld rows of '%s' came at layer %lld: run the pass over all cases with the recorder's hooks",
                ns_out_label(r->rec.out), s->c->c->id ? s->c->c->id : s->c->group, (long long)s->row, (long long)s->n_rows, s->track->name,
                (long long)s->track->layers[s->layer]);
    }
    return NS_OK;
}

static void release(ns_recorder *r)
{
    for (int64_t i = 0; r->sinks && i < r->n_sinks; i++) {
        if (r->sinks[i] && r->sinks[i]->class->free)
            r->sinks[i]->class->free(r->sinks[i]);
        free(r->sinks[i]);
    }
    for (int i = 0; r->rec.press && i < r->rec.n_press; i++)
        ns_press_free(r->rec.press[i]);
    ns_stats_free(r->rec.stats);
    ns_pool_free(r->rec.own_pool);
    ns_hooks_free(r->hooks);
    ns_plan_clear(&r->rec.plan);
    free(r->rec.press);
    free(r->rec.spare);
    free(r->sinks);
    free(r);
}

int ns_recorder_commit(ns_recorder *r, ns_error *err)
{
    const ns_h5_quiet quiet = ns_h5_enter();
    int rc = check_complete(r, err);
    const char *const weights = rc == NS_OK && r->weights_sha256 ? r->weights_sha256(r->model) : NULL;
    if (weights)
        rc = ns_out_fact(r->rec.out, "weights_sha256", weights, err);
    for (int64_t i = 0; i < r->n_sinks && rc == NS_OK; i++)
        if (r->sinks[i])
            rc = r->sinks[i]->class->close(r->sinks[i], err);
    if (rc == NS_OK && r->rec.stats)
        rc = ns_stats_close(&r->rec, err);
    if (rc == NS_OK)
        rc = ns_out_commit(r->rec.out, err);
    else
        ns_out_abort(r->rec.out);
    rc = ns_h5_end(quiet, rc, "a recording", err);
    release(r);
    return rc;
}

void ns_recorder_abort(ns_recorder *r)
{
    if (!r)
        return;
    const ns_h5_quiet quiet = ns_h5_enter();
    ns_out_abort(r->rec.out);
    ns_h5_leave(quiet);
    release(r);
}
