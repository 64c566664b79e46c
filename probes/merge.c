/* merge.c - shards -> one study: scores over (run, step, layer, head), counts and masses over (run, step, case, layer, head), coordinates
 * of runs and cases, the trainer's metrics. Real datasets, not links: the shards may be deleted. A shard is opened once. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "merge.h"

static int64_t inner(const ns_merging *m, ns_merge_axes axes)
{
    return axes == NS_OVER_HEADS ? m->job.L * m->job.H : axes == NS_OVER_CASES ? m->job.C : m->job.C * m->job.L * m->job.H;
}

/* ---- which datasets of a shard become fields ---- */

bool ns_merge_field_kind(const char *name, const char *axes, ns_dtype dtype, ns_merge_axes *out)
{
    if (strcmp(name, "window") == 0 || strcmp(name, "head_valid") == 0 || dtype == NS_N_DTYPES)
        return false;
    if (strcmp(axes, "layer head") == 0)
        *out = NS_OVER_HEADS;
    else if (strcmp(axes, "case layer head") == 0)
        *out = NS_OVER_CASE_HEADS;
    else if (strcmp(axes, "case") == 0 && (dtype == NS_U8 || dtype == NS_F32 || strcmp(name, "content_right") == 0))
        *out = NS_OVER_CASES;
    else
        return false;
    return true;
}

static int add_field(ns_merging *m, const char *name, ns_merge_axes axes, ns_dtype dtype)
{
    size_t n;
    if (!ns_grow(&m->fields, &m->fields_capacity, m->n_fields + 1, sizeof *m->fields))
        return ns_oom(m->err, name);
    ns_merge_field *const f = &m->fields[m->n_fields++];
    *f = (ns_merge_field){.name = ns_strdup(name), .axes = axes, .meaning = {.assumed = true}, .dtype = dtype == NS_U8 ? NS_U8 : NS_F32};
    if (!f->name || !ns_mul_size((size_t)(m->job.R * m->job.P), (size_t)inner(m, axes), &n) ||
        !(f->data = ns_alloc_array(n, ns_dtype_size(f->dtype))))
        return ns_oom(m->err, "a study (merge fewer runs, or scan with fewer probes)");
    for (size_t i = 0; f->dtype == NS_F32 && i < n; i++)
        ((float *)f->data)[i] = NAN;
    return NS_OK;
}

int ns_merge_each(ns_merging *m, const ns_file *f, ns_merge_visit visit, void *user)
{
    char **list;
    int64_t n;
    int rc = ns_file_list(f, &list, &n, m->err);
    if (rc != NS_OK)
        return rc;
    for (int64_t i = 0; i < n; i++) {
        char *axes = NULL;
        ns_dtype dtype;
        const char *const name = list[i] + (list[i][0] == '/');
        if (rc == NS_OK && !strchr(name, '/') && (rc = ns_file_describe(f, name, &dtype, NULL, NULL, &axes, m->err)) == NS_OK)
            rc = visit(m, user, f, name, axes, dtype);
        free(axes);
        free(list[i]);
    }
    free(list);
    return rc;
}

static int take_field(ns_merging *m, void *user, const ns_file *f, const char *name, const char *axes, ns_dtype dtype)
{
    (void)user;
    (void)f;
    ns_merge_axes kind;
    return ns_merge_field_kind(name, axes, dtype, &kind) ? add_field(m, name, kind, dtype) : NS_OK;
}

static int find_fields(ns_merging *m)
{
    ns_file *f;
    int rc = ns_file_open_own(&f, m->job.shards[m->job.first].path, m->err);
    if (rc != NS_OK)
        return rc;
    rc = ns_merge_each(m, f, take_field, NULL);
    ns_file_close(f);
    return rc;
}

/* ---- one shard into the arrays ---- */

/* values [C?, l, h] of a shard into its cell [C?, L, H] of the field. */
static void place(const ns_merging *m, const ns_merge_field *f, const ns_shard *s, const float *values)
{
    const int64_t n = inner(m, f->axes), cell = (s->run * m->job.P + s->place) * n;
    const int64_t outer = f->axes == NS_OVER_CASE_HEADS ? m->job.C : 1;
    if (f->axes == NS_OVER_CASES) {
        for (int64_t c = 0; c < n; c++)
            if (f->dtype == NS_U8)
                ((uint8_t *)f->data)[cell + c] = (uint8_t)values[c];
            else
                ((float *)f->data)[cell + c] = values[c];
        return;
    }
    for (int64_t i = 0; i < outer * s->L * s->H; i++) {
        const int64_t c = i / (s->L * s->H), l = i / s->H % s->L, h = i % s->H, at = cell + (c * m->job.L + l) * m->job.H + h;
        if (f->dtype == NS_U8)
            ((uint8_t *)f->data)[at] = (uint8_t)values[i];
        else
            ((float *)f->data)[at] = values[i];
    }
}

static void add_meaning(ns_merge_field *f, const ns_score_meaning *meaning)
{
    if (!isnan(meaning->chance)) {
        f->chance_sum += meaning->chance;
        f->chance_n++;
    }
    if (f->meaning.assumed)
        f->meaning = *meaning;
}

/* Of a shard: scores of layers of its kinds, which read_layers has read; tokens that are right of those there are. */
static int check_field(const ns_merging *m, const ns_file *file, const ns_merge_field *f, const ns_shard *s, const float *values,
                       const ns_score_meaning *meaning)
{
    const ns_head_values heads = {s->path, f->name, f->name, m->kinds + s->run * m->job.L, values, s->L, s->H, 0};
    const char *const of = f->axes == NS_OVER_CASES ? ns_hits_of(f->name) : NULL;
    float *all = NULL;
    if (f->axes == NS_OVER_HEADS)
        return ns_check_heads(&heads, meaning, m->err);
    if (!of || !ns_file_has(file, of))
        return NS_OK;
    ns_expected w = {sizeof w, of, NS_F32, 1, {m->job.C}, ns_score_range(of, NULL)};
    int rc = ns_file_array(file, &w, &all, m->err);
    rc = rc != NS_OK ? rc : ns_check_hits(s->path, f->name, values, all, m->job.C, m->err);
    free(all);
    return rc;
}

static int read_field(ns_merging *m, const ns_file *file, ns_merge_field *f, const ns_shard *s)
{
    float *values = NULL;
    ns_score_meaning meaning = {.chance = (double)NAN};
    const int64_t shape[3] = {m->job.C, s->L, s->H};
    const int skip = f->axes == NS_OVER_HEADS, rank = f->axes == NS_OVER_CASES ? 1 : 3 - skip;
    ns_expected w = {.size = sizeof w, .name = f->name, .type = NS_F32, .rank = rank};
    memcpy(w.shape, shape + skip, (size_t)rank * sizeof *shape);
    int rc = f->axes == NS_OVER_HEADS ? ns_file_meaning(file, f->name, &meaning, m->err) : NS_OK;
    w.range = ns_score_range(f->name, NULL);
    if (f->dtype == NS_U8)                               /* bytes hold counts */
        w.range = ns_between(0, fmin(w.range.most, UINT8_MAX));
    rc = rc != NS_OK ? rc : ns_file_array(file, &w, &values, m->err);
    rc = rc != NS_OK ? rc : check_field(m, file, f, s, values, &meaning);
    if (rc == NS_OK)
        place(m, f, s, values);
    if (rc == NS_OK && f->axes == NS_OVER_HEADS)
        add_meaning(f, &meaning);
    free(values);
    return rc;
}

static const ns_merge_field *field_of(const ns_merging *m, const char *name)
{
    for (int64_t i = 0; name && i < m->n_fields; i++)
        if (strcmp(m->fields[i].name, name) == 0)
            return &m->fields[i];
    return NULL;
}

static float count_at(const ns_merge_field *f, int64_t at)
{
    return f->dtype == NS_U8 ? (float)((const uint8_t *)f->data)[at] : ((const float *)f->data)[at];
}

/* Of the shard that was just placed: a score without a number is one of which nothing was counted. */
static int check_defined(const ns_merging *m, const ns_merge_field *f, const ns_shard *s)
{
    char name[NS_CHANCE_NAME];
    const ns_merge_field *of = f->axes == NS_OVER_HEADS ? field_of(m, ns_score_counted_of(f->name, name)) : NULL;
    if (!of && f->axes == NS_OVER_HEADS) {               /* of a probe of the user's */
        snprintf(name, sizeof name, "%s_events", f->name);
        of = field_of(m, name);
    }
    if (!of || of->axes != NS_OVER_CASE_HEADS)
        return NS_OK;
    const int64_t heads = m->job.L * m->job.H, n = m->job.C * heads, cell = s->run * m->job.P + s->place;
    const ns_head_values v = {s->path, f->name, f->name, m->kinds + s->run * m->job.L, (const float *)f->data + cell * heads, m->job.L,
                              m->job.H, 0};
    float *const counts = ns_alloc_array((size_t)n, sizeof *counts);
    for (int64_t i = 0; counts && i < n; i++)
        counts[i] = count_at(of, cell * n + i);
    const int rc = counts ? ns_check_defined(&v, name, counts, m->job.C, m->err) : ns_oom(m->err, f->name);
    free(counts);
    return rc;
}

/* Of the shard that was just placed. */
static int check_hits(const ns_merging *m, const ns_merge_field *f, const ns_shard *s)
{
    const ns_merge_field *const of = field_of(m, ns_hits_of(f->name));
    if (!of || f->axes != of->axes || f->dtype != NS_U8 || of->dtype != NS_U8)
        return NS_OK;
    const int64_t n = inner(m, f->axes), cell = (s->run * m->job.P + s->place) * n;
    float *const hits = ns_alloc_array((size_t)n, 2 * sizeof *hits);
    if (!hits)
        return ns_oom(m->err, f->name);
    float *const all = hits + n;
    for (int64_t i = 0; i < n; i++) {
        hits[i] = count_at(f, cell + i);
        all[i] = count_at(of, cell + i);
    }
    const int rc = ns_check_hits(s->path, f->name, hits, all, n, m->err);
    free(hits);
    return rc;
}

/* Text that stays for the life of the merge. */
const char *ns_merge_keep(ns_merging *m, const char *text)
{
    char *const copy = ns_strdup(text);
    if (!copy || !ns_grow(&m->texts, &m->texts_capacity, m->n_texts + 1, sizeof *m->texts)) {
        free(copy);
        return NULL;
    }
    return m->texts[m->n_texts++] = copy;
}

static int read_heads(const ns_merging *m, const ns_file *file, const ns_shard *s, const char *name, ns_range range, int64_t **out)
{
    ns_expected w = {sizeof w, name, NS_I64, 2, {s->L, s->H}, range};
    return ns_file_array(file, &w, out, m->err);
}

/* Kinds, windows and valid heads of a run: of its first shard. What of them may change along it, merge_arch.c says step by step. */
static int read_layers(ns_merging *m, const ns_file *file, const ns_shard *s)
{
    char **kinds = NULL;
    int64_t *windows = NULL, *valid = NULL;
    ns_expected w = {.size = sizeof w, .name = "layer_kind", .rank = 1, .shape = {s->L}};
    int rc = ns_file_texts(file, &w, &kinds, m->err);
    rc = rc != NS_OK ? rc : read_heads(m, file, s, "window", ns_between(0, 0x1p53), &windows);
    rc = rc != NS_OK ? rc : read_heads(m, file, s, "head_valid", ns_between(0, 1), &valid);
    for (int64_t l = 0; rc == NS_OK && l < s->L; l++) {
        if (!(m->kinds[s->run * m->job.L + l] = ns_merge_keep(m, kinds[l])))
            rc = ns_oom(m->err, s->path);
        for (int64_t h = 0; h < s->H; h++) {
            m->windows[(s->run * m->job.L + l) * m->job.H + h] = windows[l * s->H + h];
            m->valid[(s->run * m->job.L + l) * m->job.H + h] = valid[l * s->H + h];
        }
    }
    ns_free_strings(kinds, s->L);
    free(windows);
    free(valid);
    return rc;
}

static int read_shard(ns_merging *m, const ns_shard *s)
{
    ns_file *file;
    const int64_t cell = s->run * m->job.P + s->place;
    char *text = NULL;
    enum { LARGEST = 1 << 16 };
    if (s->missing) {
        m->status[cell] = NS_STUDY_NOT_THERE;
        m->tokens[cell] = s->tokens;
        m->labels[cell] = s->label;
        return NS_OK;
    }
    if (s->failed) {
        m->status[cell] = 2;
        const int rc = ns_file_read(s->path, LARGEST, &text, NULL, m->err);
        m->errors[cell] = text;
        return rc;
    }
    int rc = ns_file_open_own(&file, s->path, m->err);
    if (rc != NS_OK)
        return rc;
    m->status[cell] = 1;
    m->tokens[cell] = s->tokens;
    m->labels[cell] = s->label;
    rc = ns_file_verify(file, m->err);                   /* a seal can be renewed by hand, the hash says what was measured */
    rc = rc != NS_OK ? rc : ns_merge_hear(m, file, cell);
    rc = rc != NS_OK ? rc : ns_merge_hear_arch(m, file, s);
    rc = rc != NS_OK ? rc : ns_merge_compare_cases(m, file, s);
    rc = rc != NS_OK ? rc : ns_merge_hear_weights(m, file, cell);
    if (rc == NS_OK && !m->kinds[s->run * m->job.L])
        rc = read_layers(m, file, s);
    for (int64_t i = 0; rc == NS_OK && i < m->n_fields; i++) {
        ns_child_busy(s->path);                          /* a large one may take its time */
        rc = read_field(m, file, &m->fields[i], s);
    }
    for (int64_t i = 0; rc == NS_OK && i < m->n_fields; i++)
        rc = check_hits(m, &m->fields[i], s);
    for (int64_t i = 0; rc == NS_OK && i < m->n_fields; i++)
        rc = check_defined(m, &m->fields[i], s);
    ns_file_close(file);
    return rc;
}

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

/* One hash over what the shards hold: the study's own inputs. */
static void hash_shards(const ns_merging *m, char hex[65])
{
    ns_sha256 sha;
    ns_sha256_begin(&sha);
    for (int64_t i = 0; i < m->job.n_shards; i++)
        if (ns_shard_is_done(&m->job.shards[i]))
            ns_sha256_add(&sha, m->job.shards[i].content, strlen(m->job.shards[i].content));
    ns_sha256_end(&sha, hex);
}

static int begin(ns_merging *m, const char *scanned, const char *study, const ns_merge_params *p)
{
    char hex[65];
    hash_shards(m, hex);
    const ns_shard *const s = &m->job.shards[m->job.first];
    char not_taken[24], passed_over[24], unsealed[24];
    snprintf(not_taken, sizeof not_taken, "%lld", (long long)m->job.not_taken);
    snprintf(passed_over, sizeof passed_over, "%lld", (long long)m->job.passed_over);
    snprintf(unsealed, sizeof unsealed, "%lld", (long long)m->job.unsealed);
    const ns_fact own[] = {{"kind", "study", false}, {"not_taken", m->job.not_taken ? not_taken : NULL, false},
                           {"passed_over", m->job.passed_over ? passed_over : NULL, true},
                           {"unsealed", m->job.unsealed ? unsealed : NULL, true},
                           {"arch_changes", m->job.arch_changes, false},
                           {"probes", s->probes, false}, {"cases_sha256", s->cases, false},
                           {"kernel_class", p->mixed_kernels ? "mixed" : s->kernels, false}, {"shards_sha256", hex, false}};
    ns_fact_list facts = {0};
    int rc = ns_fact_list_add_all(&facts, own, sizeof own / sizeof *own, m->err);
    rc = rc != NS_OK ? rc : ns_merge_say(m, &facts);
    rc = rc != NS_OK ? rc : ns_fact_list_add_input(&facts, scanned, m->err);
    rc = rc != NS_OK ? rc : ns_table_create_by(&m->w, study, &facts, p->by, m->err);
    ns_fact_list_clear(&facts);
    return rc;
}

static void merge_clear(ns_merging *m)
{
    for (int64_t i = 0; i < m->n_fields; i++) {
        free(m->fields[i].name);
        free(m->fields[i].data);
    }
    for (int64_t i = 0; m->errors && i < m->job.R * m->job.P; i++)
        free(m->errors[i]);
    for (int64_t i = 0; i < m->n_texts; i++)
        free(m->texts[i]);
    for (int i = 0; i < NS_MERGE_SAID; i++)
        free(m->said[i]);
    for (int64_t i = 0; i < m->job.n_shards; i++)
        ns_shard_clear(&m->job.shards[i]);
    free(m->job.arch_changes);
    ns_merge_arch_clear(m);
    ns_merge_weights_clear(m);
    void *const lists[] = {m->fields,  m->of_cases, m->tokens, m->windows, m->valid,      m->status,   m->kinds,    m->labels,
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
    ns_merging m = {.err = err, .job.mixed_kernels = p->mixed_kernels};
    int rc = ns_check_not_input(study, &call->out, 1, err);
    if (rc == NS_OK && ns_path_is_dir(out))          /* what there is to merge is looked for first: the study lies in it as a rule */
        rc = ns_output_check(study, NS_KINDS(NS_KIND_STUDY), false, err);
    rc = rc != NS_OK ? rc : ns_merge_find(&m.job, out, err);
    if (rc == NS_OK && !allocate(&m))
        rc = ns_oom(err, "a study");
    if (rc == NS_OK)
        rc = find_fields(&m);
    for (int64_t i = 0; rc == NS_OK && i < m.job.n_shards; i++)
        rc = read_shard(&m, &m.job.shards[i]);
    rc = rc != NS_OK ? rc : begin(&m, out, study, p);
    rc = rc != NS_OK ? rc : ns_merge_write_grid(&m);
    rc = rc != NS_OK ? rc : ns_merge_write_arch(&m);
    rc = rc != NS_OK ? rc : ns_merge_write_weights(&m);
    rc = rc != NS_OK ? rc : ns_merge_write_coords(&m);
    rc = rc != NS_OK ? rc : ns_merge_write_cases(&m);
    rc = rc != NS_OK ? rc : ns_merge_write_fields(&m);
    rc = rc != NS_OK ? rc : ns_merge_write_metrics(&m, out);
    rc = ns_table_end(m.w, rc, err);
    merge_clear(&m);
    return rc;
}

/* Shards are many, and sealed by whoever made them: HDF5 opens them once, in a child process, so that one that was made to do harm is an
 * error with its name. */
int ns_merge(const char *out, const char *study, const ns_merge_params *params, ns_error *err)
{
    static const ns_merge_params defaults = {.size = sizeof defaults};
    static const ns_child_limits limits = {.cpu_seconds = 6, .patience = 60, .hold = ns_file_hold};
    merge_call call = {out, study, params ? params : &defaults};
    return ns_in_child(merge_all, &call, out, &limits, err);
}
