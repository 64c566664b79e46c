/* list_json.c - lists of heads that are JSON: an object of heads, of scores, of targets; a list of pairs or names. */
#include "heads/list.h"

#include <math.h>
#include <stdlib.h>

enum { DEPTH = 16 };
static const char matrix_key[] = "layer_head_scores";

static int wrong(const ns_list_maker *m, const char *where, const char *what)
{
    return ns_fail(m->err, NS_E_FORMAT, "%s: %.60s: %s", m->label, where, what);
}

static int key_head(const ns_list_maker *m, const char *key, ns_head *out)
{
    return ns_head_of_text(key, out) ? NS_OK : wrong(m, key, "no head: one is \"LAYER-HEAD\", as in \"13-18\"");
}

/* {"L-H": [numbers]}; a number alone is a list of one. */
static int read_trials(ns_list_maker *m, const cJSON *object)
{
    int rc = NS_OK;
    for (const cJSON *item = object->child; item && rc == NS_OK; item = item->next) {
        const cJSON *value = cJSON_IsArray(item) ? item->child : item;
        ns_head head;
        int64_t n = 0;
        rc = key_head(m, item->string, &head);
        for (; value && rc == NS_OK; value = cJSON_IsArray(item) ? value->next : NULL, n++)
            rc = cJSON_IsNumber(value) ? ns_list_add_trial(m, value->valuedouble)
                                       : wrong(m, item->string, "its list holds what is no number");
        rc = rc != NS_OK ? rc : ns_list_add_mean(m, head, n);
    }
    return rc;
}

/* ---- target_heads ---- */

static int member(const ns_list_maker *m, const cJSON *item, const char *key, double *out)
{
    const cJSON *const value = cJSON_GetObjectItemCaseSensitive(item, key);
    *out = cJSON_IsNumber(value) ? value->valuedouble : (double)NAN;
    return cJSON_IsNumber(value)
               ? NS_OK
               : ns_fail(m->err, NS_E_FORMAT, "%s: \"target_heads\": \"%s\" is missing, or no number", m->label, key);
}

static int read_targets(ns_list_maker *m, const cJSON *targets)
{
    int rc = cJSON_IsArray(targets) ? NS_OK : wrong(m, "\"target_heads\"", "it is a list of {\"layer\", \"head\", \"score\"}");
    for (const cJSON *item = rc == NS_OK ? targets->child : NULL; item && rc == NS_OK; item = item->next) {
        double layer, head, score;
        rc = member(m, item, "layer", &layer);
        rc = rc != NS_OK ? rc : member(m, item, "head", &head);
        rc = rc != NS_OK ? rc : member(m, item, "score", &score);
        rc = rc != NS_OK ? rc : ns_list_add(m, layer, head, score, true);
    }
    return rc;
}

/* A target's own number and that of the matrix are one, but for rounding. */
static int read_cell(ns_list_maker *m, ns_head at, double score, const ns_listed_head *targets, int64_t n, int64_t *met)
{
    const ns_listed_head *const target = n ? bsearch(&at, targets, (size_t)n, sizeof *targets, ns_compare_heads) : NULL;
    if (!target)
        return ns_list_add(m, (double)at.layer, (double)at.head, score, false);
    ++*met;
    if (fabs(target->score - score) <= .01 * fmax(fabs(target->score), fabs(score)))
        return NS_OK;
    return ns_fail(m->err, NS_E_FORMAT, "%s: head %lld.%lld has score %g in \"target_heads\" and %g in \"%s\": which of them holds?",
                   m->label, (long long)at.layer, (long long)at.head, target->score, score, matrix_key);
}

/* A row a layer. */
static int read_row(ns_list_maker *m, const cJSON *row, int64_t layer, const ns_listed_head *targets, int64_t n, int64_t *met)
{
    int64_t head = 0;
    int rc = cJSON_IsArray(row) ? NS_OK : wrong(m, matrix_key, "it is a list of a list for each layer");
    for (const cJSON *cell = rc == NS_OK ? row->child : NULL; cell && rc == NS_OK; cell = cell->next, head++)
        rc = !cJSON_IsNumber(cell) ? wrong(m, matrix_key, "it holds what is no number")
                                   : read_cell(m, (ns_head){layer, head}, cell->valuedouble, targets, n, met);
    return rc;
}

static int read_matrix(ns_list_maker *m, const cJSON *rows)
{
    const int64_t n = m->list->n;
    ns_listed_head *const targets = ns_alloc_array((size_t)n, sizeof *targets);
    int rc = !targets                ? ns_oom(m->err, m->label)
             : cJSON_IsArray(rows) ? NS_OK
                                     : wrong(m, matrix_key, "it is a list of a list for each layer");
    int64_t layer = 0, met = 0, named = 0;
    for (int64_t i = 0; targets && i < n; i++)
        targets[i] = m->list->list[i];
    if (targets && n)
        qsort(targets, (size_t)n, sizeof *targets, ns_compare_heads);
    for (int64_t i = 0; targets && i < n; i++)
        named += i == 0 || ns_compare_heads(&targets[i - 1], &targets[i]);
    for (const cJSON *row = rc == NS_OK ? rows->child : NULL; row && rc == NS_OK; row = row->next)
        rc = read_row(m, row, layer++, targets, n, &met);
    if (rc == NS_OK && met < named)
        rc = wrong(m, matrix_key, "it has no number for a head of \"target_heads\"");
    free(targets);
    return rc;
}

static int read_object(ns_list_maker *m, const cJSON *root)
{
    const cJSON *const targets = cJSON_GetObjectItemCaseSensitive(root, "target_heads"),
                *const matrix = cJSON_GetObjectItemCaseSensitive(root, matrix_key),
                *const scores = cJSON_GetObjectItemCaseSensitive(root, "scores");
    m->list->format = targets ? "target_heads" : scores ? "locos" : "retrieval_head";
    if (scores && !cJSON_IsObject(scores))
        return wrong(m, "\"scores\"", "it is an object of {\"LAYER-HEAD\": [numbers]}");
    if (!targets)
        return read_trials(m, scores ? scores : root);
    const int rc = read_targets(m, targets);
    return rc != NS_OK || !matrix ? rc : read_matrix(m, matrix);
}

/* ---- lists ---- */

/* ["L-H", score], [layer, head] or "L-H". */
static int read_item(ns_list_maker *m, const cJSON *item, int64_t left)
{
    const cJSON *const one = cJSON_IsArray(item) ? item->child : item, *const two = cJSON_IsArray(item) && one ? one->next : NULL;
    const bool pair = cJSON_IsArray(item) && two && !two->next && cJSON_IsNumber(two);
    ns_head head;
    if (pair && cJSON_IsNumber(one))
        return ns_list_add(m, one->valuedouble, two->valuedouble, (double)left, true);
    if (!cJSON_IsString(one) || (cJSON_IsArray(item) && !pair))
        return ns_fail(m->err, NS_E_FORMAT, "%s: an item of a list of heads is [\"LAYER-HEAD\", score], [LAYER, HEAD] or \"LAYER-HEAD\"",
                       m->label);
    const int rc = key_head(m, one->valuestring, &head);
    return rc != NS_OK ? rc
                       : ns_list_add(m, (double)head.layer, (double)head.head, pair ? two->valuedouble : (double)left, !pair);
}

static int read_list(ns_list_maker *m, const cJSON *root)
{
    int64_t left = cJSON_GetArraySize(root);
    int rc = NS_OK;
    for (const cJSON *item = root->child; item && rc == NS_OK; item = item->next)
        rc = read_item(m, item, left--);
    const bool names = m->list->n_chosen > 0;
    m->list->format = names ? "names" : "qrhead";
    m->list->ordered = names;
    const bool mixed = names && m->list->n_chosen < m->list->n;
    return rc == NS_OK && mixed ? wrong(m, "the list", "some heads have a score, and some have none") : rc;
}

int ns_list_parse_json(ns_list_maker *m, const char *text, size_t n)
{
    cJSON *root = NULL;
    int rc = ns_json_parse(&root, text, n, DEPTH, m->label, m->err);
    rc = rc != NS_OK ? rc : cJSON_IsArray(root) ? read_list(m, root) : read_object(m, root);
    cJSON_Delete(root);
    return rc;
}
