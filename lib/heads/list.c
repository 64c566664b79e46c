/* list.c - a file of heads: its bytes say which form it has, the form's reader makes the list, and the whole is checked. */
#include "heads/list.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LIMIT = 64 << 20 };

static const char *const formats[] = {"retrieval_head", "target_heads", "qrhead", "names", "duo", "locos", NULL};

const char *const *ns_head_list_formats(void)
{
    return formats;
}

void ns_head_list_clear(ns_head_list *l)
{
    free(l->list);
    free(l->trials);
    *l = (ns_head_list){0};
}

/* ---- making one ---- */

bool ns_head_of_text(const char *text, ns_head *out)
{
    long long number[2];
    const char *at = text;
    for (int i = 0; i < 2; i++) {
        char *end;
        if (*at < '0' || *at > '9')
            return false;
        number[i] = strtoll(at, &end, 10);
        if (number[i] >= NS_HEAD_MOST || (i == 0 ? *end != '-' && *end != '.' : *end != '\0'))
            return false;
        at = end + 1;
    }
    *out = (ns_head){number[0], number[1]};
    return true;
}

int ns_list_add(ns_list_maker *m, double layer, double head, double score, bool chosen)
{
    ns_head_list *const l = m->list;
    if (!(layer >= 0 && layer < NS_HEAD_MOST && head >= 0 && head < NS_HEAD_MOST) || layer != floor(layer) || head != floor(head))
        return ns_fail(m->err, NS_E_FORMAT, "%s: layer %g, head %g: no head (both are counted from 0, below %d)", m->label, layer, head,
                       NS_HEAD_MOST);
    if (!ns_grow(&l->list, &m->capacity, l->n + 1, sizeof *l->list))
        return ns_oom(m->err, m->label);
    l->list[l->n++] = (ns_listed_head){{(int64_t)layer, (int64_t)head}, score, chosen, l->n_trials, 0};
    l->n_chosen += chosen;
    return NS_OK;
}

int ns_list_add_trial(ns_list_maker *m, double value)
{
    ns_head_list *const l = m->list;
    if (!ns_grow(&l->trials, &m->trials_capacity, l->n_trials + 1, sizeof *l->trials))
        return ns_oom(m->err, m->label);
    l->trials[l->n_trials++] = value;
    return NS_OK;
}

int ns_list_add_mean(ns_list_maker *m, ns_head head, int64_t n)
{
    ns_head_list *const l = m->list;
    double sum = 0;
    if (n == 0) {
        l->empty++;
        return NS_OK;
    }
    for (int64_t i = l->n_trials - n; i < l->n_trials; i++)
        sum += l->trials[i];
    const int rc = ns_list_add(m, (double)head.layer, (double)head.head, sum / (double)n, false);
    if (rc == NS_OK) {
        l->list[l->n - 1].first = l->n_trials - n;
        l->list[l->n - 1].n_trials = n;
    }
    return rc;
}

/* ---- the whole ---- */

int ns_compare_heads(const void *a, const void *b)
{
    const ns_head *const x = a, *const y = b;
    const int64_t apart = x->layer != y->layer ? x->layer - y->layer : x->head - y->head;
    return apart < 0 ? -1 : apart > 0;
}

static int check_once(const ns_list_maker *m)
{
    const ns_head_list *const l = m->list;
    ns_head *const sorted = ns_alloc_array((size_t)l->n, sizeof *sorted);
    int rc = sorted ? NS_OK : ns_oom(m->err, m->label);
    for (int64_t i = 0; rc == NS_OK && i < l->n; i++)
        sorted[i] = l->list[i].head;
    if (rc == NS_OK)
        qsort(sorted, (size_t)l->n, sizeof *sorted, ns_compare_heads);
    for (int64_t i = 1; rc == NS_OK && i < l->n; i++)
        if (ns_head_is(sorted[i - 1], sorted[i]))
            rc = ns_fail(m->err, NS_E_FORMAT, "%s: head %lld-%lld is listed twice", m->label, (long long)sorted[i].layer,
                         (long long)sorted[i].head);
    free(sorted);
    return rc;
}

static int check_whole(const ns_list_maker *m)
{
    if (m->list->n)
        return check_once(m);
    return ns_fail(m->err, NS_E_FORMAT, m->list->empty ? "%s: its heads have no numbers (the run that wrote it scored none)"
                                                       : "%s: a list of no heads", m->label);
}

/* Columns stand between tabs; one column alone says by its name what it is. */
static bool is_table(const char *text, const char *label)
{
    return strchr(text, '\t') || ns_ends(label, ".tsv");
}

int ns_head_list_parse(ns_head_list *out, const char *text, size_t n, const char *label, ns_error *err)
{
    ns_list_maker m = {.list = out, .label = label, .err = err};
    *out = (ns_head_list){0};
    char *const copy = ns_alloc_array(n + 1, 1);
    if (!copy)
        return ns_oom(err, label);
    memcpy(copy, text, n);
    const char first = copy[strspn(copy, " \t\r\n")];
    int rc = strlen(copy) != n ? ns_fail(err, NS_E_FORMAT, "%s: holds a byte of 0: it is no list of heads", label)
             : first == '{' || first == '[' ? ns_list_parse_json(&m, copy, n)
             : is_table(copy, label)        ? ns_list_parse_table(&m, copy)
                                            : ns_list_parse_names(&m, copy);
    free(copy);
    rc = rc != NS_OK ? rc : check_whole(&m);
    if (rc != NS_OK)
        ns_head_list_clear(out);
    return rc;
}

/* ---- files ---- */

static int read_sizes(ns_head_list *l, const char *folder, ns_error *err)
{
    cJSON *config = NULL;
    char *const path = ns_path_join(folder, "config.json");
    int rc = path ? ns_json_read(&config, path, LIMIT, 8, err) : ns_oom(err, folder);
    rc = rc != NS_OK ? rc : ns_json_i64(config, "sink_size", 0, &l->sink_size, path, err);
    rc = rc != NS_OK ? rc : ns_json_i64(config, "recent_size", 0, &l->recent_size, path, err);
    if (rc == NS_OK && (l->sink_size < 0 || l->recent_size < 1))
        rc = ns_fail(err, NS_E_FORMAT, "%s: \"sink_size\" and \"recent_size\" of DuoAttention are not both there, and not negative", path);
    cJSON_Delete(config);
    free(path);
    return rc;
}

static const char wanted[] = "a score file or a list of heads";

/* What is no list at all is called what it is; of what begins as one its error is said. */
static int read_file(ns_head_list *out, const char *path, ns_error *err)
{
    char *text;
    size_t n;
    int rc = ns_file_read(path, LIMIT, &text, &n, err);
    const bool digit = rc == NS_OK && text[0] >= '0' && text[0] <= '9';
    rc = rc != NS_OK ? rc : ns_head_list_parse(out, text, n, path, err);
    free(text);
    return ns_kind_fail(err, rc, path, NS_KINDS(NS_KIND_JSON) | (digit ? NS_KINDS(NS_KIND_TEXT) : 0), wanted);
}

static int read_folder(ns_head_list *out, const char *folder, ns_error *err)
{
    char *const table = ns_path_join(folder, "full_attention_heads.tsv");
    int rc = table ? NS_OK : ns_oom(err, folder);
    if (rc == NS_OK && !ns_path_exists(table))
        rc = ns_kind_fail(err, ns_fail(err, NS_E_FORMAT, "%s: no full_attention_heads.tsv (of DuoAttention) in it", folder), folder, 0,
                          wanted);
    rc = rc != NS_OK ? rc : read_file(out, table, err);
    rc = rc != NS_OK ? rc : read_sizes(out, folder, err);
    free(table);
    if (rc != NS_OK)
        ns_head_list_clear(out);
    return rc;
}

int ns_head_list_read(ns_head_list *out, const char *path, ns_error *err)
{
    *out = (ns_head_list){0};
    return ns_path_is_dir(path) ? read_folder(out, path, err) : read_file(out, path, err);
}

bool ns_head_list_may_be(const char *path)
{
    static const char hdf5[] = "\x89HDF\r\n\x1a\n";
    char start[sizeof hdf5 - 1];
    ns_input in;
    if (ns_path_is_dir(path))
        return true;
    if (ns_input_open(&in, path, NULL) != NS_OK)
        return false;
    const bool is_hdf5 = in.size >= (int64_t)sizeof start && ns_input_read(&in, 0, start, sizeof start, path, NULL) == NS_OK
                         && memcmp(start, hdf5, sizeof start) == 0;
    ns_input_close(&in);
    return !is_hdf5;
}

/* ---- as numbers over a model's heads ---- */

void ns_head_list_size(const ns_head_list *l, int64_t *layers, int64_t *heads)
{
    *layers = *heads = 0;
    for (int64_t i = 0; i < l->n; i++) {
        const ns_head h = l->list[i].head;
        *layers = h.layer >= *layers ? h.layer + 1 : *layers;
        *heads = h.head >= *heads ? h.head + 1 : *heads;
    }
}

int ns_head_list_values(const ns_head_list *l, const char *label, int64_t L, int64_t H, float *values, ns_error *err)
{
    int64_t layers, heads;
    ns_head_list_size(l, &layers, &heads);
    const int64_t group = l->of_kv && heads ? H / heads : 1;
    if (layers > L || heads * group > H || (l->of_kv && (group < 1 || group * heads != H)))
        return ns_fail(err, NS_E_ARG, "%s: a list of heads of another model: it names layer %lld and %shead %lld, and there are %lld "
                       "layers of %lld heads", label, (long long)layers - 1, l->of_kv ? "KV " : "", (long long)heads - 1, (long long)L,
                       (long long)H);
    for (int64_t i = 0; i < L * H; i++)
        values[i] = NAN;
    for (int64_t i = 0; i < l->n; i++)
        for (int64_t g = 0; g < group; g++)
            values[l->list[i].head.layer * H + l->list[i].head.head * group + g] = (float)l->list[i].score;
    return NS_OK;
}

int ns_head_list_chosen(const ns_head_list *l, const char *label, ns_head *heads, ns_error *err)
{
    int64_t n = 0;
    if (!l->n_chosen)
        return ns_fail(err, NS_E_ARG, "%s: scores %lld head%s and chooses none (take the best: --scores %s --top K)", label,
                       (long long)l->n, ns_plural(l->n), label);
    for (int64_t i = 0; i < l->n; i++)
        if (l->list[i].chosen)
            heads[n++] = l->list[i].head;
    return NS_OK;
}
