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

static void hash_values(const ns_merging *m, const values *v, char hex[65])
{
    ns_sha256 sha;
    ns_sha256_begin(&sha);
    if (v->numbers)
        ns_sha256_add(&sha, v->numbers, (size_t)m->job.C * ns_dtype_size(v->type));
    for (int64_t i = 0; v->texts && i < m->job.C; i++)
        ns_sha256_add(&sha, v->texts[i], strlen(v->texts[i]) + 1);
    ns_sha256_end(&sha, hex);
}

static bool is_of_cases(const char *name, const char *axes, ns_dtype dtype)
{
    ns_merge_axes kind;
    return strcmp(axes, "case") == 0 && strcmp(name, "case") != 0 && !ns_merge_field_kind(name, axes, dtype, &kind);
}

/* ---- compared ---- */

typedef struct comparing {
    const ns_shard *s;
    int64_t         seen;
} comparing;

static ns_merge_said *said_of(const ns_merging *m, const char *name)
{
    for (int64_t i = 0; i < m->n_of_cases; i++)
        if (strcmp(m->of_cases[i].name, name) == 0)
            return &m->of_cases[i];
    return NULL;
}

static int remember(ns_merging *m, const char *name, const char hex[65])
{
    if (!ns_grow(&m->of_cases, &m->of_cases_capacity, m->n_of_cases + 1, sizeof *m->of_cases))
        return ns_oom(m->err, name);
    ns_merge_said *const said = &m->of_cases[m->n_of_cases++];
    *said = (ns_merge_said){.name = ns_merge_keep(m, name)};
    memcpy(said->sha256, hex, sizeof said->sha256);
    return said->name ? NS_OK : ns_oom(m->err, name);
}

static int compare_value(ns_merging *m, void *user, const ns_file *f, const char *name, const char *axes, ns_dtype dtype)
{
    comparing *const c = user;
    const ns_shard *const first = &m->job.shards[m->job.first];
    char hex[65];
    values v;
    if (!is_of_cases(name, axes, dtype))
        return NS_OK;
    const int rc = read_values(m, f, name, dtype, &v);
    hash_values(m, &v, hex);
    values_clear(m, &v);
    const ns_merge_said *const said = rc == NS_OK ? said_of(m, name) : NULL;
    c->seen++;
    if (rc != NS_OK || c->s == first)
        return rc != NS_OK ? rc : remember(m, name, hex);
    if (said && strcmp(said->sha256, hex) == 0)
        return NS_OK;
    return ns_fail(m->err, NS_E_FORMAT, "%s: dataset '%s' says %s of the same cases than %s: scan again what is out of date", c->s->path,
                   name, said ? "something else" : "more", first->path);
}

int ns_merge_compare_cases(ns_merging *m, const ns_file *f, const ns_shard *s)
{
    comparing c = {s, 0};
    const int rc = ns_merge_each(m, f, compare_value, &c);
    for (int64_t i = 0; rc == NS_OK && c.seen != m->n_of_cases && i < m->n_of_cases; i++)
        if (!ns_file_has(f, m->of_cases[i].name))
            return ns_fail(m->err, NS_E_FORMAT, "%s: has no dataset '%s', which %s has: scan again what is out of date", s->path,
                           m->of_cases[i].name, m->job.shards[m->job.first].path);
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
    ns_file *f;
    int rc = ns_file_open(&f, m->job.shards[m->job.first].path, m->err);
    if (rc != NS_OK)
        return rc;
    rc = ns_merge_each(m, f, write_value, NULL);
    ns_file_close(f);
    return rc;
}
