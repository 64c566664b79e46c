/* planted_describe.c - config.json for every reader of smollm3, and planted.json: what was planted and what it must score. */
#include <stdlib.h>
#include <string.h>

#include "planted.h"

static cJSON *numbers(int64_t n, int64_t (*value)(const ns_plan *, int64_t), const ns_plan *p)
{
    cJSON *const list = cJSON_CreateArray();
    for (int64_t i = 0; list && i < n; i++)
        cJSON_AddItemToArray(list, cJSON_CreateNumber((double)value(p, i)));
    return list;
}

/* The name is inverted in smollm3: 1 = the layer uses RoPE. */
static int64_t uses_rope(const ns_plan *p, int64_t layer)
{
    return p->zoo ? layer < 2 : !ns_plan_retrieves(p, layer, -1);
}

static cJSON *layer_types(const ns_plan *p)
{
    cJSON *const list = cJSON_CreateArray();
    for (int64_t layer = 0; list && layer < p->L; layer++)
        cJSON_AddItemToArray(list, cJSON_CreateString(p->window && layer < p->first_retrieval ? "sliding_attention" : "full_attention"));
    return list;
}

static cJSON *config(const ns_plan *p)
{
    const struct { const char *key; double value; } sizes[] = {
        {"vocab_size", (double)p->V}, {"hidden_size", (double)p->D}, {"intermediate_size", (double)p->mlp},
        {"num_hidden_layers", (double)p->L},
        {"num_attention_heads", (double)p->H}, {"num_key_value_heads", (double)p->G}, {"head_dim", (double)p->d},
        {"max_position_embeddings", (double)p->max_positions}, {"rope_theta", p->theta}, {"rms_norm_eps", 1e-6},
        {"initializer_range", 0.02},
        {"bos_token_id", NS_PLANT_BOS},
    };
    static const char *const off[] = {"attention_bias", "mlp_bias", "tie_word_embeddings"}, *const absent[] = {"eos_token_id",
                                                                                                               "pad_token_id",
                                                                                                               "rope_scaling"};
    cJSON *const c = cJSON_CreateObject();
    cJSON_AddItemToArray(cJSON_AddArrayToObject(c, "architectures"), cJSON_CreateString("SmolLM3ForCausalLM"));
    cJSON_AddStringToObject(c, "model_type", "smollm3");
    cJSON_AddStringToObject(c, "torch_dtype", "float32");
    cJSON_AddStringToObject(c, "hidden_act", "silu");
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        cJSON_AddNumberToObject(c, sizes[i].key, sizes[i].value);
    for (size_t i = 0; i < sizeof off / sizeof *off; i++)
        cJSON_AddBoolToObject(c, off[i], false);
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
        cJSON_AddNullToObject(c, absent[i]);
    cJSON_AddNumberToObject(c, "attention_dropout", 0);
    cJSON_AddItemToObject(c, "no_rope_layers", numbers(p->L, uses_rope, p));
    cJSON_AddItemToObject(c, "layer_types", layer_types(p));
    cJSON_AddBoolToObject(c, "use_sliding_window", p->window > 0);
    if (p->window)
        cJSON_AddNumberToObject(c, "sliding_window", (double)p->window);
    else
        cJSON_AddNullToObject(c, "sliding_window");
    return c;
}

/* expected: {score: [least, most]}, for a head that serves all tokens. */
static void add_head(cJSON *heads, ns_head at, const char *kind, double strength, const char *const *scores, int n_scores)
{
    cJSON *const head = cJSON_CreateObject();
    cJSON_AddNumberToObject(head, "layer", (double)at.layer);
    cJSON_AddNumberToObject(head, "head", (double)at.head);
    cJSON_AddStringToObject(head, "kind", kind);
    cJSON_AddNumberToObject(head, "strength", strength);
    cJSON *const expected = cJSON_AddObjectToObject(head, "expected");
    for (int i = 0; i < n_scores && strength >= 1; i++)
        cJSON_AddItemToObject(expected, scores[i], cJSON_CreateDoubleArray((const double[]){0.99, 1}, 2));
    cJSON_AddItemToArray(heads, head);
}

static cJSON *planted(const ns_plan *p)
{
    static const char *const previous[] = {"previous_token"};
    static const char *const retrieval[] = {"retrieval_find", "retrieval_continue", "retrieval_copy", "retrieval_mass", "induction"};
    cJSON *const root = cJSON_CreateObject();
    cJSON_AddNumberToObject(root, "schema", 1);
    cJSON_AddNumberToObject(root, "seed", (double)p->seed);
    cJSON *const cases = cJSON_AddObjectToObject(root, "cases");
    cJSON_AddNumberToObject(cases, "vocab", (double)p->V);
    cJSON_AddNumberToObject(cases, "first_id", 0);
    cJSON *const tokens = cJSON_AddObjectToObject(root, "tokens");
    cJSON_AddNumberToObject(tokens, "bos", NS_PLANT_BOS);
    cJSON_AddNumberToObject(tokens, "query", NS_PLANT_QUERY);
    cJSON_AddNumberToObject(tokens, "answer", NS_PLANT_ANSWER);
    cJSON *const heads = cJSON_AddArrayToObject(root, "heads");
    add_head(heads, p->previous, "previous_token", 1, previous, 1);
    for (int i = 0; i < p->n_retrieval; i++)
        add_head(heads, p->retrieval[i], "retrieval", p->strength[i], retrieval, sizeof retrieval / sizeof *retrieval);
    return root;
}

/* cJSON's builders pass NULL on when memory is out, so a missing piece shows as a short text: the print alone is checked. */
static int write_json(cJSON *tree, const char *folder, const char *name, ns_error *err)
{
    char *const text = tree ? ns_json_print(tree, true) : NULL, *const path = ns_path_join(folder, name);
    const int rc = text && path ? ns_file_write(path, text, strlen(text), err) : ns_oom(err, name);
    cJSON_Delete(tree);
    free(text);
    free(path);
    return rc;
}

int ns_plan_describe(const ns_plan *p, const char *folder, ns_error *err)
{
    const int rc = write_json(p->zoo ? ns_zoo_json(p) : planted(p), folder, "planted.json", err);
    return rc == NS_OK ? write_json(config(p), folder, "config.json", err) : rc;
}
