/* merge_write.c - the study's datasets: the grid, the fields and the runs' coordinates. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/coords.h"
#include "merge.h"

int ns_merge_write_axis(ns_merging *m, const char *name, const int64_t *values, int64_t n)
{
    int64_t *const index = values ? NULL : ns_alloc_array((size_t)n, sizeof *index);
    for (int64_t i = 0; index && i < n; i++)
        index[i] = i;
    if (!values && !index)
        return ns_oom(m->err, name);
    const ns_view view = ns_view_of((void *)(values ? values : index), NS_I64, 1, &n);
    const int rc = ns_table_axis(m->w, name, &view, m->err);
    free(index);
    return rc;
}

int ns_merge_write_texts(ns_merging *m, const char *name, const char *axes, const char *const *list, int64_t n)
{
    const char **const full = ns_alloc_array((size_t)n, sizeof *full);
    if (!full)
        return ns_oom(m->err, name);
    for (int64_t i = 0; i < n; i++)
        full[i] = list[i] ? list[i] : "";
    const int rc = ns_table_strings(m->w, name, axes, full, n, m->err);
    free(full);
    return rc;
}

int ns_merge_write_axes(ns_merging *m)
{
    const ns_merge_job *const j = &m->job;
    int rc = ns_merge_write_axis(m, "run", NULL, j->R);
    rc = rc != NS_OK ? rc : ns_merge_write_axis(m, "step", j->steps, j->P);
    for (ns_axis a = NS_AXIS_CASE; a < NS_N_AXES && rc == NS_OK; a++)
        if (a == NS_AXIS_CASE || a == NS_AXIS_LAYER || a == NS_AXIS_HEAD || j->extent.n[a] > 0)
            rc = ns_merge_write_axis(m, ns_axis_name(a), NULL, j->extent.n[a]);
    return rc;
}

int ns_merge_write_grid(ns_merging *m)
{
    const ns_merge_job *const j = &m->job;
    const int64_t grid[2] = {j->R, j->P}, heads[3] = {j->R, j->L, j->H};
    const ns_view tokens = ns_view_of(m->tokens, NS_I64, 2, grid), status = ns_view_of(m->status, NS_U8, 2, grid);
    const ns_view windows = ns_view_of(m->windows, NS_I64, 3, heads);
    uint8_t *const bytes = ns_alloc_array((size_t)(j->R * j->L * j->H), 1);
    for (int64_t i = 0; bytes && i < j->R * j->L * j->H; i++)
        bytes[i] = (uint8_t)m->valid[i];
    const ns_view valid = ns_view_of(bytes, NS_U8, 3, heads);
    int rc = bytes ? NS_OK : ns_oom(m->err, "head_valid");
    rc = rc != NS_OK ? rc : ns_merge_write_texts(m, "run_name", "run", (const char *const *)j->runs, j->R);
    rc = rc != NS_OK ? rc : ns_merge_write_texts(m, "checkpoint", "run step", m->labels, j->R * j->P);
    rc = rc != NS_OK ? rc : ns_merge_write_texts(m, "weights_sha256", "run step", m->weights, j->R * j->P);
    rc = rc != NS_OK ? rc : ns_merge_write_texts(m, "error", "run step", (const char *const *)m->errors, j->R * j->P);
    rc = rc != NS_OK ? rc : ns_table_array(m->w, "tokens", "run step", &tokens, "tokens trained on; -1 = not known", m->err);
    if (rc == NS_OK)
        rc = ns_table_array(m->w, "status", "run step", &status,
                            "0 no such checkpoint, 1 done, 2 failed, 3 found by the scan but without a shard", m->err);
    rc = rc != NS_OK ? rc : ns_merge_write_texts(m, "layer_kind", "run layer", m->kinds, j->R * j->L);
    if (rc == NS_OK)
        rc = ns_table_array(m->w, "head_window", "run layer head", &windows, "keys that a row of the head sees; 0 = all", m->err);
    if (rc == NS_OK)
        rc = ns_table_array(m->w, "head_valid", "run layer head", &valid, "1 where the run's layer has such an attention head", m->err);
    free(bytes);
    return rc;
}

/* Summary of an output or score, out of the probes' table. */
static const char *summary_of(const char *name)
{
    for (const ns_probe *const *p = ns_probes(); *p; p++) {
        for (int i = 0; i < (*p)->n_outputs; i++)
            if (strcmp((*p)->outputs[i].name, name) == 0)
                return (*p)->outputs[i].summary;
        for (int i = 0; i < (*p)->n_scores; i++)
            if (strcmp((*p)->scores[i].name, name) == 0)
                return (*p)->scores[i].summary;
    }
    return NULL;
}

int ns_merge_begin_fields(ns_merging *m)
{
    int rc = NS_OK;
    for (int64_t i = 0; rc == NS_OK && i < m->n_fields; i++) {
        ns_merge_field *const f = &m->fields[i];
        ns_axes axes = {.rank = 2 + f->axes.rank, .at = {NS_AXIS_RUN, NS_AXIS_STEP}};
        int64_t lengths[NS_MAX_RANK], all;
        char words[NS_AXES_TEXT];
        memcpy(axes.at + 2, f->axes.at, (size_t)f->axes.rank * sizeof *axes.at);
        if (!ns_axes_shape(&axes, &m->job.extent, lengths, &all))
            return ns_fail(m->err, NS_E_FORMAT, "'%s' of all these shards is too large for a study", f->name);
        const ns_view shape = ns_view_of(NULL, f->dtype, axes.rank, lengths);
        rc = ns_table_begin(m->w, &f->part, ns_axes_text(&axes, words), &shape, 2, f->name, summary_of(f->name), m->err);
    }
    return rc;
}

/* Of the cases that have the value of the cell in hand; NaN where there is no checkpoint. */
static float share_of(const ns_merging *m, const ns_merge_field *f, int64_t cell)
{
    int64_t n = 0;
    for (int64_t c = 0; c < m->job.C; c++)
        n += ((const uint8_t *)f->cell)[c];
    return m->status[cell] == NS_STUDY_DONE && m->job.C ? (float)((double)n / (double)m->job.C) : NAN;
}

int ns_merge_add_cells(ns_merging *m, int64_t cell)
{
    int rc = NS_OK;
    for (int64_t i = 0; rc == NS_OK && i < m->n_fields; i++) {
        const ns_merge_field *const f = &m->fields[i];
        if (f->share)
            f->share[cell] = share_of(m, f, cell);
        rc = ns_table_add(f->part, f->cell, m->err);
    }
    return rc;
}

/* Share of cases with a value, over (run, step). */
static int write_share(ns_merging *m, const char *of, const char *name, const char *summary)
{
    const int64_t grid[2] = {m->job.R, m->job.P};
    int rc = NS_OK;
    for (int64_t i = 0; rc == NS_OK && i < m->n_fields; i++)
        if (m->fields[i].share && strcmp(m->fields[i].name, of) == 0) {
            const ns_view view = ns_view_of(m->fields[i].share, NS_F32, 2, grid);
            rc = ns_table_array(m->w, name, "run step", &view, summary, m->err);
        }
    return rc;
}

static int end_field(ns_merging *m, ns_merge_field *f)
{
    ns_table_part *const part = f->part;
    f->part = NULL;                                      /* finishing frees it */
    const int rc = ns_table_finish(part, m->err);
    f->meaning.chance = f->chance_n ? f->chance_sum / (double)f->chance_n : (double)NAN;
    return rc == NS_OK && f->is_score && !f->meaning.assumed ? ns_table_meaning(m->w, f->name, &f->meaning, m->err) : rc;
}

int ns_merge_end_fields(ns_merging *m)
{
    int rc = NS_OK;
    for (int64_t i = 0; rc == NS_OK && i < m->n_fields; i++)
        rc = end_field(m, &m->fields[i]);
    rc = rc != NS_OK ? rc : write_share(m, "answered", "accuracy", "share of cases whose whole answer is what the model itself would say");
    return rc != NS_OK ? rc : write_share(m, "first_right", "first_token_accuracy",
                                          "share of cases whose first content token is the most likely one");
}

/* ---- the runs' coordinates: facts run.KEY of their first shards ---- */

static const ns_shard *shard_of_run(const ns_merging *m, int64_t run)
{
    for (int64_t i = 0; i < m->job.n_shards; i++)
        if (m->job.shards[i].run == run && ns_shard_is_done(&m->job.shards[i]))
            return &m->job.shards[i];
    return NULL;
}

/* Shards of before may have it, and a probe of one's own may be called as a coordinate is. */
static int check_coord(const ns_merging *m, const char *key)
{
    bool taken = ns_coordinate_name_is_taken(key);
    for (int64_t i = 0; i < m->n_fields && !taken; i++)
        taken = strcmp(m->fields[i].name, key) == 0;
    return !taken ? NS_OK : ns_fail(m->err, NS_E_FORMAT, "a coordinate of the runs is called '%s', as something else in the study (call "
                                    "it otherwise in \"coords\" of their run.json and scan again)", key);
}

static int write_coord(ns_merging *m, const char *key, const char *const *values)
{
    bool numbers = true;
    const int64_t R = m->job.R;
    double *const list = ns_alloc_array((size_t)R, sizeof *list);
    if (!list)
        return ns_oom(m->err, key);
    for (int64_t r = 0; r < R; r++) {
        char *end = NULL;
        list[r] = values[r] ? strtod(values[r], &end) : NAN;
        numbers = numbers && (!values[r] || (end && end != values[r] && !*end));
    }
    const ns_view view = ns_view_of(list, NS_F64, 1, &R);
    const int rc = numbers ? ns_table_array(m->w, key, "run", &view, "coordinate of the run", m->err)
                           : ns_merge_write_texts(m, key, "run", values, R);
    free(list);
    return rc;
}

/* More than a study has, over all of its runs. */
static int too_many(const ns_merging *m, const char *key)
{
    return ns_fail(m->err, NS_E_UNSUPPORTED, "the runs have more than %d coordinates together ('%.80s' is one too many): a study has no "
                   "more (\"coords\" in their run.json; merge fewer runs)", NS_MOST_COORDS, key);
}

/* Keys of any run, in order of appearance. */
int ns_merge_write_coords(ns_merging *m)
{
    const char *keys[NS_MOST_COORDS];
    int n_keys = 0, rc = NS_OK;
    const char **const values = ns_alloc_array((size_t)(NS_MOST_COORDS * m->job.R), sizeof *values);
    if (!values)
        return ns_oom(m->err, "coordinates of runs");
    for (int64_t r = 0; rc == NS_OK && r < m->job.R; r++) {
        const ns_shard *const s = shard_of_run(m, r);
        const ns_file *const f = s ? s->file : NULL;
        for (int64_t i = 0; rc == NS_OK && f && i < ns_file_fact_count(f); i++) {
            const char *const name = ns_file_fact_name(f, i);
            if (!ns_starts(name, "run."))
                continue;
            int k = 0;
            while (k < n_keys && strcmp(keys[k], name + 4))
                k++;
            if (k == NS_MOST_COORDS)
                rc = too_many(m, name + 4);
            else if ((k == n_keys && !(keys[n_keys++] = ns_merge_keep(m, name + 4))) ||
                     !(values[k * m->job.R + r] = ns_merge_keep(m, ns_file_fact(f, name))))
                rc = ns_oom(m->err, name);
        }
    }
    for (int k = 0; rc == NS_OK && k < n_keys; k++) {
        rc = check_coord(m, keys[k]);
        rc = rc != NS_OK ? rc : write_coord(m, keys[k], values + k * m->job.R);
    }
    free(values);
    return rc;
}

