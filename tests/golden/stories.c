/* stories.c - a real trained model: stories260K against a float64 forward written by others (expected.json beside the model).
 * Greedy ids equal; logits and attention rows of the first 16 positions <= 1e-4.   stories FOLDER [FILE]; exits 77 when it is absent.
 * FILE: the same model in another format. */
#include "../compare.h"

#include <needlescope/model.h>
#include "core/core.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 16 };

static ns_error err;
static ns_worst worst_logits, worst_rows;

static void need(int rc)
{
    if (rc != NS_OK) {
        fprintf(stderr, "stories: %s\n", err.message);
        exit(1);
    }
}

static double item(const cJSON *list, int64_t i)
{
    return cJSON_GetArrayItem(list, (int)i)->valuedouble;
}

static int see_logits(void *user, const ns_site *site, const ns_view *v, ns_error *error)
{
    (void)error;
    for (int64_t r = 0; r < site->n_rows; r++)
        for (int64_t i = 0; i < v->shape[1]; i++)
            ns_worst_add(&worst_logits, *ns_at(v, r, i, 0) - item(cJSON_GetArrayItem(user, (int)(site->row0 + r)), i));
    return NS_OK;
}

static int see_pattern(void *user, const ns_site *site, const ns_view *v, ns_error *error)
{
    (void)error;
    for (int64_t h = 0; h < v->shape[0]; h++)
        for (int64_t r = 0; r < site->n_rows; r++) {
            const cJSON *row = cJSON_GetArrayItem(cJSON_GetArrayItem(cJSON_GetArrayItem(user, (int)site->layer), (int)h),
                                                  (int)(site->row0 + r));
            for (int64_t k = 0; k <= site->row0 + r; k++)
                ns_worst_add(&worst_rows, *ns_at(v, h, r, k) - item(row, k));
        }
    return NS_OK;
}

static void check_rows(const ns_model *m, const cJSON *root, const int32_t *ids)
{
    ns_hook list[] = {{.size = sizeof *list, .at = "hook_logits", .read = see_logits, .user = cJSON_GetObjectItem(root, "logits_first16")},
                      {.size = sizeof *list,
                       .at = "blocks.*.attn.hook_pattern",
                       .read = see_pattern,
                       .user = cJSON_GetObjectItem(root, "attn_first16")}};
    ns_hooks *hooks;
    ns_session *s;
    need(ns_hooks_new(&hooks, ns_model_arch(m), list, 2, &err));
    need(ns_session_new(&s, m, NULL, &err));
    need(ns_session_append(s, ids, ROWS, &err));
    need(ns_forward(m, &s, 1, hooks, NULL, &err));
    ns_session_free(s);
    ns_hooks_free(hooks);
}

static int64_t check_greedy(const ns_model *m, const int32_t *ids, int64_t n)
{
    int32_t *out = calloc((size_t)n, sizeof *out);
    int64_t n_out, equal = 0;
    ns_session *s;
    ns_session_params p = {.size = sizeof p, .decode = true};
    need(ns_session_new(&s, m, &p, &err));
    need(ns_session_append(s, ids, 1, &err));
    need(ns_generate(m, s, n - 1, NULL, out, &n_out, &err));
    while (equal < n_out && out[equal] == ids[equal + 1])
        equal++;
    ns_session_free(s);
    free(out);
    return equal + 1;
}

int main(int argc, char **argv)
{
    ns_checkpoint *c;
    ns_arch *arch;
    ns_engine *engine;
    ns_model *m;
    cJSON *root;
    char path[4096];
    snprintf(path, sizeof path, "%s/expected.json", argc > 1 ? argv[1] : "");
    if (!ns_path_exists(path)) {
        printf("SKIP: %s is not there; this test needs the shared data folder beside the checkout\n", path);
        return 77;
    }
    need(ns_json_read(&root, path, 64 << 20, 16, &err));
    need(ns_checkpoint_open(&c, argv[argc > 2 ? 2 : 1], NULL, &err));
    need(ns_arch_from_checkpoint(&arch, c, NULL, &err));
    need(ns_engine_new(&engine, &(ns_engine_params) { .size = sizeof(ns_engine_params), .threads = 2 }, &err));
    need(ns_model_load(&m, engine, c, arch, NULL, &err));
    const cJSON *greedy = cJSON_GetObjectItem(root, "greedy_ids");
    int64_t n = cJSON_GetArraySize(greedy);
    int32_t *ids = calloc((size_t)n, sizeof *ids);
    for (int64_t i = 0; i < n; i++)
        ids[i] = (int32_t)item(greedy, i);
    check_rows(m, root, ids);
    int64_t equal = check_greedy(m, ids, n);
    printf("greedy ids equal: %lld of %lld; logits %.2e, attention rows %.2e\n", (long long)equal, (long long)n, worst_logits.most,
           worst_rows.most);
    free(ids);
    cJSON_Delete(root);
    ns_model_free(m);
    ns_engine_free(engine);
    ns_arch_free(arch);
    ns_checkpoint_free(c);
    return equal != n || !ns_worst_within(&worst_logits, 1e-4, ROWS * 512) ||
           !ns_worst_within(&worst_rows, 1e-4, 5 * 8 * ROWS * (ROWS + 1) / 2);
}
