/* merge.c - shards -> one study: scores over (run, step, layer, head), counts and masses over (run, step, case, layer, head), coordinates
 * of runs and cases, the trainer's metrics. Real datasets, not links: the shards may be deleted. Shards are looked at one by one, and then
 * written into the study one by one: no more than one is ever in memory. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "merge.h"

static bool allocate(ns_merging *m)
{
    const ns_merge_job *const j = &m->job;
    const size_t grid = (size_t)(j->R * j->P), heads = (size_t)(j->R * j->L * j->H);
    m->tokens = ns_alloc_array(grid, sizeof *m->tokens);
    m->status = ns_alloc_array(grid, 1);
    m->labels = ns_alloc_array(grid, sizeof *m->labels);
    m->weights = ns_alloc_array(grid, sizeof *m->weights);
    m->errors = ns_alloc_array(grid, sizeof *m->errors);
    m->kinds = ns_alloc_array((size_t)(j->R * j->L), sizeof *m->kinds);
    m->windows = ns_alloc_array(heads, sizeof *m->windows);
    m->valid = ns_alloc_array(heads, sizeof *m->valid);
    for (size_t i = 0; m->tokens && i < grid; i++)
        m->tokens[i] = -1;
    return ns_merge_arch_new(m) && ns_merge_weights_new(m) && m->tokens && m->status && m->labels && m->weights && m->errors &&
           m->kinds && m->windows && m->valid;
}

/* ---- the whole ---- */

/* Cell by cell, run by run: that of a checkpoint, or of none. */
static int write_cells(ns_merging *m)
{
    int64_t next = 0;
    int rc = NS_OK;
    for (int64_t cell = 0; rc == NS_OK && cell < m->job.R * m->job.P; cell++) {
        const ns_shard *const s = next < m->job.n_shards ? &m->job.shards[next] : NULL;
        for (int64_t i = 0; i < m->n_fields; i++)
            ns_merge_blank(&m->fields[i]);
        if (s && s->run * m->job.P + s->place == cell) {
            rc = ns_merge_read(m, s);
            next++;
        }
        rc = rc != NS_OK ? rc : ns_merge_add_cells(m, cell);
    }
    return rc;
}

/* One hash over what the shards hold: the study's own inputs. */
static void hash_shards(const ns_merge_job *job, char hex[65])
{
    ns_sha256 sha;
    ns_sha256_begin(&sha);
    for (int64_t i = 0; i < job->n_shards; i++)
        if (ns_shard_is_done(&job->shards[i]))
            ns_sha256_add(&sha, job->shards[i].content, strlen(job->shards[i].content));
    ns_sha256_end(&sha, hex);
}

/* {"RUN/stepNNNNNN.h5": the first 16 digits of its content_sha256, ...}: which shard is another one is told by this. NULL: no memory. */
static char *list_shards(const ns_merge_job *job)
{
    cJSON *const list = cJSON_CreateObject();
    bool room = list;
    for (int64_t i = 0; i < job->n_shards && room; i++) {
        const ns_shard *const s = &job->shards[i];
        char hex[17], *const name = ns_shard_is_done(s) ? ns_path_join(s->run_name, ns_path_base(s->path)) : NULL;
        snprintf(hex, sizeof hex, "%.16s", name ? s->content : "");
        room = !ns_shard_is_done(s) || (name && cJSON_AddStringToObject(list, name, hex));
        free(name);
    }
    char *const text = room ? ns_json_print(list, false) : NULL;
    cJSON_Delete(list);
    return text;
}

static int begin(ns_merging *m, const char *scanned, const char *study, const ns_merge_params *p)
{
    char hex[65];
    hash_shards(&m->job, hex);
    const ns_shard *const s = &m->job.shards[m->job.first];
    char not_taken[24], passed_over[24], unsealed[24], unread[24], gone[24], superseded[24];
    snprintf(gone, sizeof gone, "%lld", (long long)m->job.gone);
    snprintf(superseded, sizeof superseded, "%lld", (long long)m->job.superseded);
    snprintf(not_taken, sizeof not_taken, "%lld", (long long)m->job.not_taken);
    snprintf(passed_over, sizeof passed_over, "%lld", (long long)m->job.passed_over);
    snprintf(unsealed, sizeof unsealed, "%lld", (long long)m->job.unsealed);
    snprintf(unread, sizeof unread, "%lld", (long long)m->job.unread);
    const ns_fact own[] = {{"kind", "study", false}, {"not_taken", m->job.not_taken ? not_taken : NULL, false},
                           {"gone", m->job.gone ? gone : NULL, false},
                           {"superseded", m->job.superseded ? superseded : NULL, false},
                           {"passed_over", m->job.passed_over ? passed_over : NULL, true},
                           {"unsealed", m->job.unsealed ? unsealed : NULL, true},
                           {"tokenizer_unread", m->job.unread ? unread : NULL, true},
                           {"arch_changes", m->job.arch_changes, false},
                           {"probes", s->probes, false}, {"cases_sha256", s->cases, false},
                           {"kernel_class", p->mixed_kernels ? "mixed" : s->kernels, false}, {"shards_sha256", hex, false}};
    ns_fact_list facts = {0};
    int rc = ns_fact_list_add_all(&facts, own, sizeof own / sizeof *own, m->err);
    rc = rc != NS_OK ? rc : ns_merge_say(m, &facts);
    rc = rc != NS_OK ? rc : ns_fact_list_name_input(&facts, "shards", hex, scanned, m->err);
    char *const each = list_shards(&m->job);
    rc = rc == NS_OK && !each ? ns_oom(m->err, study) : rc;
    rc = rc != NS_OK ? rc : ns_fact_list_add(&facts, "shards_json", each, true, m->err);
    free(each);
    rc = rc != NS_OK ? rc : ns_table_create_by(&m->w, study, &facts, p->by, m->err);
    ns_fact_list_clear(&facts);
    return rc;
}

static void merge_clear(ns_merging *m)
{
    for (int64_t i = 0; i < m->n_fields; i++) {
        free(m->fields[i].name);
        free(m->fields[i].cell);
        free(m->fields[i].share);
    }
    for (int64_t i = 0; m->errors && i < m->job.R * m->job.P; i++)
        free(m->errors[i]);
    for (int64_t i = 0; i < m->n_texts; i++)
        free(m->texts[i]);
    for (int i = 0; i < NS_MERGE_SAID; i++)
        free(m->job.said[i]);
    for (int64_t i = 0; i < m->job.n_shards; i++)
        ns_shard_clear(&m->job.shards[i]);
    ns_merge_left_clear(&m->job);
    free(m->job.arch_changes);
    ns_merge_arch_clear(m);
    ns_merge_weights_clear(m);
    void *const lists[] = {m->fields,  m->first,  m->tokens, m->windows, m->valid,      m->status,   m->kinds,    m->labels,
                           m->weights, m->errors, m->texts,   m->job.shards, m->job.runs, m->job.steps};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        free(lists[i]);
}

typedef struct merge_call { const char *out, *study; const ns_merge_params *params; } merge_call;

static int merge_all(void *user, ns_error *err)
{
    const merge_call *const call = user;
    const char *const out = call->out, *const study = call->study;
    const ns_merge_params *const p = call->params;
    ns_merging m = {.err = err, .job.mixed_kernels = p->mixed_kernels, .job.gone_too = p->gone_too};
    int rc = ns_check_not_input(study, &call->out, 1, err);
    if (rc == NS_OK && ns_path_is_dir(out))          /* what there is to merge is looked for first: the study lies in it as a rule */
        rc = ns_output_check(study, NS_KINDS(NS_KIND_STUDY), false, err);
    rc = rc != NS_OK ? rc : ns_merge_find(&m.job, out, err);
    if (rc == NS_OK && !allocate(&m))
        rc = ns_oom(err, "a study");
    if (rc == NS_OK)
        rc = ns_merge_find_fields(&m);
    rc = rc != NS_OK ? rc : begin(&m, out, study, p);
    rc = rc != NS_OK ? rc : ns_merge_write_axes(&m);
    rc = rc != NS_OK ? rc : ns_merge_begin_fields(&m);
    rc = rc != NS_OK ? rc : write_cells(&m);
    rc = rc != NS_OK ? rc : ns_merge_end_fields(&m);
    rc = rc != NS_OK ? rc : ns_merge_write_grid(&m);
    rc = rc != NS_OK ? rc : ns_merge_write_arch(&m);
    rc = rc != NS_OK ? rc : ns_merge_write_weights(&m);
    rc = rc != NS_OK ? rc : ns_merge_write_left(&m);
    rc = rc != NS_OK ? rc : ns_merge_write_coords(&m);
    rc = rc != NS_OK ? rc : ns_merge_write_cases(&m);
    rc = rc != NS_OK ? rc : ns_merge_write_metrics(&m, out);
    for (int64_t i = 0; i < m.n_fields; i++)
        ns_table_part_drop(m.fields[i].part);
    rc = ns_table_end(m.w, rc, err);
    merge_clear(&m);
    return rc;
}

/* Shards are many, and sealed by whoever made them: HDF5 opens them once, in a child process, so that one that was made to do harm is an
 * error with its name. */
static const ns_child_limits limits = {.cpu_seconds = 6, .patience = 60, .hold = ns_file_hold};

int ns_merge(const char *out, const char *study, const ns_merge_params *params, ns_error *err)
{
    static const ns_merge_params defaults = {.size = sizeof defaults};
    merge_call call = {out, study, params ? params : &defaults};
    return ns_in_child(merge_all, &call, out, &limits, err);
}

/* ---- are the shards of a study still those? ---- */

typedef struct shards_call { const char *out, *sha256; bool gone_too; } shards_call;

static int compare_shards(void *user, ns_error *err)
{
    const shards_call *const call = user;
    char hex[65] = "";
    ns_merging m = {.err = err, .job.mixed_kernels = true, .job.gone_too = call->gone_too};
    int rc = ns_merge_find(&m.job, call->out, err);
    if (rc == NS_OK)
        hash_shards(&m.job, hex);
    if (rc == NS_OK && strcmp(hex, call->sha256) != 0)
        rc = ns_fail(err, NS_E_FORMAT, "%s: holds other shards than those that were merged", call->out);
    merge_clear(&m);
    return rc;
}

/* merge may have been asked for those of checkpoints that are gone. */
int ns_shards_compare(const char *out, const char *sha256, ns_error *err)
{
    int rc = NS_E_FORMAT;
    for (int gone_too = 0; gone_too < 2 && rc == NS_E_FORMAT; gone_too++)
        rc = ns_in_child(compare_shards, &(shards_call){out, sha256, gone_too}, out, &limits, err);
    return rc;
}
