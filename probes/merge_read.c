/* merge_read.c - one shard into the cells of the fields: which of its datasets become fields, what their values can be, and where they
 * stand. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "merge.h"

/* ---- which datasets of a shard become fields ---- */

static bool is_over(const ns_axes *axes, const char *words)
{
    ns_axes wanted;
    return ns_axes_find(&wanted, words) && ns_axes_equal(axes, &wanted);
}

bool ns_merge_field_axes(const char *name, const char *axes, ns_dtype dtype, ns_axes *out)
{
    if (strcmp(name, "window") == 0 || strcmp(name, "head_valid") == 0 || strcmp(name, axes) == 0 || dtype == NS_N_DTYPES ||
        !ns_axes_find(out, axes) || out->rank == 0 || out->at[0] < NS_AXIS_CASE)
        return false;
    const bool of_heads = is_over(out, "layer head") || is_over(out, "case layer head");
    return of_heads || dtype == NS_U8 || dtype == NS_F32 || strcmp(name, "content_right") == 0;
}

static int add_field(ns_merging *m, const char *name, const ns_axes *axes, ns_dtype dtype)
{
    const size_t cells = (size_t)(m->job.R * m->job.P);
    const bool shared = strcmp(name, "answered") == 0 || strcmp(name, "first_right") == 0;
    if (!ns_grow(&m->fields, &m->fields_capacity, m->n_fields + 1, sizeof *m->fields))
        return ns_oom(m->err, name);
    ns_merge_field *const f = &m->fields[m->n_fields++];
    *f = (ns_merge_field){.name = ns_strdup(name), .axes = *axes, .is_score = is_over(axes, "layer head"), .meaning = {.assumed = true},
                          .dtype = dtype == NS_U8 ? NS_U8 : NS_F32};
    int64_t shape[NS_MAX_RANK];
    if (!ns_axes_shape(axes, &m->job.extent, shape, &f->n))
        return ns_fail(m->err, NS_E_FORMAT, "'%s' of these shards is too large for a study", name);
    f->cell = ns_alloc_array((size_t)f->n + 1, ns_dtype_size(f->dtype));
    const bool share = is_over(axes, "case") && dtype == NS_U8 && shared;
    f->share = share ? ns_alloc_array(cells, sizeof *f->share) : NULL;
    return f->name && f->cell && (f->share || !share) ? NS_OK : ns_oom(m->err, "a study");
}

static void put(const ns_merge_field *f, int64_t at, float value)
{
    if (f->dtype == NS_U8)
        ((uint8_t *)f->cell)[at] = (uint8_t)value;
    else
        ((float *)f->cell)[at] = value;
}

/* What stands where there is no checkpoint, or no such head. */
void ns_merge_blank(ns_merge_field *f)
{
    const float nothing = ns_axes_nothing(&f->axes, f->dtype);
    for (int64_t i = 0; i < f->n; i++)
        put(f, i, nothing);
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
    ns_axes over;
    return ns_merge_field_axes(name, axes, dtype, &over) ? add_field(m, name, &over, dtype) : NS_OK;
}

int ns_merge_find_fields(ns_merging *m)
{
    ns_file *const f = m->job.shards[m->job.first].file;
    int rc = ns_file_wake(f, m->err);
    rc = rc != NS_OK ? rc : ns_merge_each(m, f, take_field, NULL);
    ns_file_rest(f);
    return rc;
}

/* ---- one shard into the arrays ---- */

/* values over shape[] of a shard into the field's cell, whose axes are as long or longer. */
static void place(const ns_merging *m, const ns_merge_field *f, const int64_t *shape, int64_t n, const float *values)
{
    int64_t whole[NS_MAX_RANK], index[NS_MAX_RANK] = {0};
    (void)ns_axes_shape(&f->axes, &m->job.extent, whole, NULL);
    for (int64_t i = 0; i < n; i++) {
        int64_t at = 0;
        for (int d = 0; d < f->axes.rank; d++)
            at = at * whole[d] + index[d];
        put(f, at, values[i]);
        for (int d = f->axes.rank - 1; d >= 0 && ++index[d] == shape[d]; d--)
            index[d] = 0;
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
    const char *const of = is_over(&f->axes, "case") ? ns_hits_of(f->name) : NULL;
    float *all = NULL;
    if (f->is_score)
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
    ns_expected w = {.size = sizeof w, .name = f->name, .type = NS_F32, .rank = f->axes.rank};
    int64_t n;
    (void)ns_axes_shape(&f->axes, &s->extent, w.shape, &n);
    int rc = f->is_score ? ns_file_meaning(file, f->name, &meaning, m->err) : NS_OK;
    w.range = ns_score_range(f->name, NULL);
    if (f->dtype == NS_U8)                               /* bytes hold counts */
        w.range = ns_between(0, fmin(w.range.most, UINT8_MAX));
    rc = rc != NS_OK ? rc : ns_file_array(file, &w, &values, m->err);
    rc = rc != NS_OK ? rc : check_field(m, file, f, s, values, &meaning);
    if (rc == NS_OK)
        place(m, f, w.shape, n, values);
    if (rc == NS_OK && f->is_score)
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
    return f->dtype == NS_U8 ? (float)((const uint8_t *)f->cell)[at] : ((const float *)f->cell)[at];
}

static bool lacks(const float *values, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (isnan(values[i]))
            return true;
    return false;
}

/* Of the shard that was just placed: a score without a number is one of which nothing was counted. */
static int check_defined(const ns_merging *m, const ns_merge_field *f, const ns_shard *s)
{
    char name[NS_CHANCE_NAME];
    const ns_merge_field *of = f->is_score ? field_of(m, ns_score_counted_of(f->name, name)) : NULL;
    if (!of && f->is_score) {               /* of a probe of the user's */
        snprintf(name, sizeof name, "%s_events", f->name);
        of = field_of(m, name);
    }
    if (!of || !is_over(&of->axes, "case layer head"))
        return NS_OK;
    const int64_t heads = m->job.L * m->job.H, n = m->job.C * heads;
    if (!lacks(f->cell, heads))
        return NS_OK;
    const ns_head_values v = {s->path, f->name, f->name, m->kinds + s->run * m->job.L, f->cell, m->job.L, m->job.H, 0};
    float *const counts = ns_alloc_array((size_t)n, sizeof *counts);
    for (int64_t i = 0; counts && i < n; i++)
        counts[i] = count_at(of, i);
    const int rc = counts ? ns_check_defined(&v, name, counts, m->job.C, m->err) : ns_oom(m->err, f->name);
    free(counts);
    return rc;
}

/* Of the shard that was just placed. */
static int check_hits(const ns_merging *m, const ns_merge_field *f, const ns_shard *s)
{
    const ns_merge_field *const of = field_of(m, ns_hits_of(f->name));
    if (!of || !ns_axes_equal(&f->axes, &of->axes) || f->dtype != NS_U8 || of->dtype != NS_U8)
        return NS_OK;
    const int64_t n = f->n;
    float *const hits = ns_alloc_array((size_t)n, 2 * sizeof *hits);
    if (!hits)
        return ns_oom(m->err, f->name);
    float *const all = hits + n;
    for (int64_t i = 0; i < n; i++) {
        hits[i] = count_at(f, i);
        all[i] = count_at(of, i);
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

/* A seal can be renewed by hand, the hash says what was measured; what it is made of says whether the cases are those of the others. */
static int verify(ns_merging *m, ns_file *file, const ns_shard *s)
{
    char **lines = NULL;
    int64_t n = 0;
    ns_file_keep(file, m->last);
    if (m->last)
        ns_file_rest(m->last);
    m->last = file;
    int rc = ns_file_verified(file, &lines, &n, m->err);
    rc = rc != NS_OK ? rc : ns_merge_compare_cases(m, file, s, lines, n);
    ns_free_strings(lines, n);
    return rc;
}

int ns_merge_read(ns_merging *m, const ns_shard *s)
{
    ns_file *const file = s->file;
    const int64_t cell = s->run * m->job.P + s->place;
    char *text = NULL;
    enum { LARGEST = 1 << 16, LARGE = 1 << 16 };
    if (s->missing) {
        m->status[cell] = NS_STUDY_NOT_THERE;
        m->tokens[cell] = s->tokens;
        m->labels[cell] = s->label;
        return NS_OK;
    }
    if (s->failed) {
        m->status[cell] = 2;
        const int rc = ns_file_read(s->path, LARGEST, &text, NULL, m->err);
        char *const of = rc == NS_OK ? strstr(text, "\nasked ") : NULL;       /* for the scan: of what it holds */
        if (of)
            *of = '\0';
        m->errors[cell] = text;
        return rc;
    }
    int rc = ns_file_wake(file, m->err);
    if (rc != NS_OK)
        return rc;
    m->status[cell] = 1;
    m->tokens[cell] = s->tokens;
    m->labels[cell] = s->label;
    m->weights[cell] = s->weights;
    rc = verify(m, file, s);
    rc = rc != NS_OK ? rc : ns_merge_hear_arch(m, file, s);
    rc = rc != NS_OK ? rc : ns_merge_hear_weights(m, file, cell);
    if (rc == NS_OK && !m->kinds[s->run * m->job.L])
        rc = read_layers(m, file, s);
    for (int64_t i = 0; rc == NS_OK && i < m->n_fields; i++) {
        if (m->fields[i].n > LARGE)
            ns_child_busy(s->path);                      /* it may take its time */
        rc = read_field(m, file, &m->fields[i], s);
    }
    for (int64_t i = 0; rc == NS_OK && i < m->n_fields; i++)
        rc = check_hits(m, &m->fields[i], s);
    for (int64_t i = 0; rc == NS_OK && i < m->n_fields; i++)
        rc = check_defined(m, &m->fields[i], s);
    return rc;
}
