/* merge_cases.c - what a case is: the study says what its first shard says, and each other shard has to say the same. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "merge.h"

/* Values of all cases under one name. */
typedef struct values {
    ns_dtype type;                     /* NS_N_DTYPES: texts */
    void    *numbers;
    char   **texts;
} values;

static int read_values(const ns_merging *m, const ns_file *f, const char *name, ns_dtype dtype, values *out)
{
    *out = (values){.type = dtype == NS_N_DTYPES || dtype == NS_I64 ? dtype : NS_F32};
    ns_expected w = {sizeof w, name, out->type, 1, {m->job.C}, {0}};
    if (dtype == NS_N_DTYPES)
        return ns_file_texts(f, &w, &out->texts, m->err);
    w.range = ns_score_range(name, NULL);
    return ns_file_array(f, &w, &out->numbers, m->err);
}

static void values_clear(const ns_merging *m, values *v)
{
    free(v->numbers);
    ns_free_strings(v->texts, v->texts ? m->job.C : 0);
}

static bool is_of_cases(const char *name, const char *axes, ns_dtype dtype)
{
    ns_axes over;
    return strcmp(axes, "case") == 0 && strcmp(name, "case") != 0 && !ns_merge_field_axes(name, axes, dtype, &over);
}

/* ---- compared ---- */

/* "dataset /depth float32 12 HEX": its name ends at *content. NULL: another line, or a dataset that lies in a group. */
static const char *name_of(const char *line, const char **content)
{
    static const char begin[] = "dataset /";
    const char *const name = ns_starts(line, begin) ? line + strlen(begin) : NULL;
    *content = name ? strchr(name, ' ') : NULL;
    return *content && !memchr(name, '/', (size_t)(*content - name)) ? name : NULL;
}

static const ns_merge_said *said_of(const ns_merging *m, const char *name, size_t length)
{
    for (int64_t i = 0; i < m->n_first; i++)
        if (strncmp(m->first[i].name, name, length) == 0 && !m->first[i].name[length])
            return &m->first[i];
    return NULL;
}

/* Values of the first shard are held to what they can be; those of the others are the same. */
static int remember(ns_merging *m, const ns_file *f, const char *name, const char *content)
{
    char *axes = NULL;
    ns_dtype dtype;
    values v = {.numbers = NULL};
    int rc = ns_file_describe(f, name, &dtype, NULL, NULL, &axes, m->err);
    const bool of_cases = rc == NS_OK && is_of_cases(name, axes, dtype);
    free(axes);
    if (of_cases)
        rc = read_values(m, f, name, dtype, &v);
    values_clear(m, &v);
    if (rc != NS_OK)
        return rc;
    if (!ns_grow(&m->first, &m->first_capacity, m->n_first + 1, sizeof *m->first))
        return ns_oom(m->err, name);
    m->first[m->n_first++] = (ns_merge_said){name, ns_merge_keep(m, content), of_cases};
    return m->first[m->n_first - 1].content ? NS_OK : ns_oom(m->err, name);
}

static int differs(const ns_merging *m, const ns_shard *s, const char *name, const char *says)
{
    return ns_fail(m->err, NS_E_FORMAT, "%s: dataset '%s' says %s of the same cases than %s: scan again what is out of date", s->path, name,
                   says, m->job.shards[m->job.first].path);
}

/* What the first shard does not have is looked at: it may say more of the cases. */
static int check_more(const ns_merging *m, const ns_file *f, const ns_shard *s, const char *name)
{
    char *axes = NULL;
    ns_dtype dtype;
    const int rc = ns_file_describe(f, name, &dtype, NULL, NULL, &axes, m->err);
    const bool more = rc == NS_OK && is_of_cases(name, axes, dtype);
    free(axes);
    return more ? differs(m, s, name, "more") : rc;
}

static int compare_line(ns_merging *m, const ns_file *f, const ns_shard *s, const char *line, int64_t *seen)
{
    const char *content, *const begin = name_of(line, &content);
    if (!begin)
        return NS_OK;
    const ns_merge_said *const said = said_of(m, begin, (size_t)(content - begin));
    if (said) {
        *seen += said->of_cases;
        return said->of_cases && strcmp(said->content, content) != 0 ? differs(m, s, said->name, "something else") : NS_OK;
    }
    char *const copy = ns_printf_alloc("%.*s", (int)(content - begin), begin);
    const char *const name = copy ? ns_merge_keep(m, copy) : NULL;
    free(copy);
    if (!name)
        return ns_oom(m->err, s->path);
    return s == &m->job.shards[m->job.first] ? remember(m, f, name, content) : check_more(m, f, s, name);
}

int ns_merge_compare_cases(ns_merging *m, const ns_file *f, const ns_shard *s, char *const *lines, int64_t n)
{
    int64_t seen = 0, wanted = 0;
    int rc = NS_OK;
    for (int64_t i = 0; rc == NS_OK && i < n; i++)
        rc = compare_line(m, f, s, lines[i], &seen);
    for (int64_t i = 0; i < m->n_first; i++)
        wanted += m->first[i].of_cases;
    for (int64_t i = 0; rc == NS_OK && s != &m->job.shards[m->job.first] && seen != wanted && i < m->n_first; i++)
        if (m->first[i].of_cases && !ns_file_has(f, m->first[i].name))
            return ns_fail(m->err, NS_E_FORMAT, "%s: has no dataset '%s', which %s has: scan again what is out of date", s->path,
                           m->first[i].name, m->job.shards[m->job.first].path);
    return rc;
}

/* ---- written ---- */

static int write_value(ns_merging *m, void *user, const ns_file *f, const char *name, const char *axes, ns_dtype dtype)
{
    (void)user;
    values v;
    if (!is_of_cases(name, axes, dtype))
        return NS_OK;
    int rc = read_values(m, f, name, dtype, &v);
    if (rc == NS_OK && v.texts)
        rc = ns_table_strings(m->w, name, "case", (const char *const *)v.texts, m->job.C, m->err);
    else if (rc == NS_OK) {
        const ns_view view = ns_view_of(v.numbers, v.type, 1, &m->job.C);
        rc = ns_table_array(m->w, name, "case", &view, NULL, m->err);
    }
    values_clear(m, &v);
    return rc;
}

int ns_merge_write_cases(ns_merging *m)
{
    ns_file *const f = m->job.shards[m->job.first].file;
    int rc = ns_file_wake(f, m->err);
    rc = rc != NS_OK ? rc : ns_merge_each(m, f, write_value, NULL);
    ns_file_rest(f);
    return rc;
}
