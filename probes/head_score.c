/* head_score.c - scores -> per-case values of Wu's score -> {"L-H": [..]}, which retrieval_head's scripts load and sort by mean. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "score.h"

typedef struct seeking { const char *name; cJSON *root; } seeking;

static int add_head(cJSON *root, const ns_view *v, int64_t layer, int64_t head, ns_error *err)
{
    char key[48];
    snprintf(key, sizeof key, "%lld-%lld", (long long)layer, (long long)head);
    cJSON *const list = cJSON_AddArrayToObject(root, key);
    for (int64_t c = 0; c < v->shape[0]; c++) {
        const float value = *ns_at(v, c, layer, head);
        if (!isnan(value) && !cJSON_AddItemToArray(list, cJSON_CreateNumber((double)value)))
            return ns_oom(err, "a list of head scores");
    }
    return list ? NS_OK : ns_oom(err, "a list of head scores");
}

static int take(void *user, const ns_array *a, ns_error *err)
{
    const seeking *const s = user;
    int rc = NS_OK;
    if (strcmp(a->name, s->name) != 0)
        return NS_OK;
    for (int64_t l = 0; l < a->view.shape[1]; l++)
        for (int64_t h = 0; h < a->view.shape[2] && rc == NS_OK; h++)
            rc = add_head(s->root, &a->view, l, h, err);
    return rc;
}

/* Heads that no case gave a value (recurrent layers, or none at all) are no heads of the list. */
static void drop_empty(cJSON *root)
{
    for (cJSON *item = root->child, *next; item; item = next) {
        next = item->next;
        if (cJSON_GetArraySize(item) == 0)
            cJSON_Delete(cJSON_DetachItemViaPointer(root, item));
    }
}

static int put(const ns_scores *scores, const char *path, const char *text, const ns_provenance *by, ns_error *err)
{
    ns_fact_list facts = {0};
    int rc = ns_scores_facts(scores, &facts, err);
    rc = rc != NS_OK ? rc : ns_provenance_of_run(&facts, by, err);
    rc = rc != NS_OK ? rc : ns_provenance_check_table(&facts, path, err);
    rc = rc != NS_OK ? rc : ns_kind_check_output(path, NS_KINDS(NS_KIND_JSON), err);
    rc = rc != NS_OK ? rc : ns_file_write(path, text, strlen(text), err);
    rc = rc != NS_OK ? rc : ns_provenance_beside(path, &facts, err);
    ns_fact_list_clear(&facts);
    return rc;
}

int ns_scores_write_heads(const ns_scores *scores, const char *path, const ns_provenance *by, ns_error *err)
{
    static const char *const names[] = {"case_wu2024", "case_wu"};
    cJSON *const root = cJSON_CreateObject();
    int rc = root ? NS_OK : ns_oom(err, "a list of head scores");
    for (int i = 0; i < 2 && rc == NS_OK && !root->child; i++)
        rc = ns_scores_each(scores, take, &(seeking){names[i], root}, err);
    if (rc == NS_OK)
        drop_empty(root);
    if (rc == NS_OK && !root->child)
        rc = ns_fail(err, NS_E_ARG,
                     "%s: the run has no retrieval_wu, or the model said more than half of the answer in none of the cases, so no head "
                     "has a score", path);
    char *const text = rc == NS_OK ? cJSON_PrintUnformatted(root) : NULL;
    if (rc == NS_OK)
        rc = text ? put(scores, path, text, by, err) : ns_oom(err, path);
    cJSON_free(text);
    cJSON_Delete(root);
    return rc;
}
