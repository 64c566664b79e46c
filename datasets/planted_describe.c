/* planted_describe.c - config.json for every reader of smollm3, and planted.json: what was planted and what it must score. */
#include <stdlib.h>
#include <string.h>

#include "planted.h"

cJSON *ns_put(bool *good, cJSON *in, const char *key, cJSON *item)
{
    if (in && item && (key ? cJSON_AddItemToObject(in, key, item) : cJSON_AddItemToArray(in, item)))
        return item;
    *good = false;
    cJSON_Delete(item);
    return NULL;
}

int ns_write_tree(cJSON *tree, bool good, const char *folder, const char *name, char **text, ns_error *err)
{
    char *const printed = tree && good ? ns_json_print(tree, true) : NULL, *const path = ns_path_join(folder, name);
    const int rc = printed && path ? ns_file_write(path, printed, strlen(printed), err) : ns_oom(err, name);
    cJSON_Delete(tree);
    free(path);
    if (text && rc == NS_OK)
        *text = printed;
    else
        free(printed);
    return rc;
}

static cJSON *numbers(bool *good, int64_t n, int64_t (*value)(const ns_plan *, int64_t), const ns_plan *p)
{
    cJSON *const list = cJSON_CreateArray();
    for (int64_t i = 0; list && i < n; i++)
        ns_put(good, list, NULL, cJSON_CreateNumber((double)value(p, i)));
    return list;
}

/* The name is inverted in smollm3: 1 = the layer uses RoPE. */
static int64_t uses_rope(const ns_plan *p, int64_t layer)
{
    return p->zoo ? layer < 2 : !ns_plan_retrieves(p, layer, -1);
}

static cJSON *layer_types(bool *good, const ns_plan *p)
{
    cJSON *const list = cJSON_CreateArray();
    for (int64_t layer = 0; list && layer < p->L; layer++)
        ns_put(good, list, NULL, cJSON_CreateString(p->window && layer < p->first_retrieval ? "sliding_attention" : "full_attention"));
    return list;
}

static cJSON *config(bool *good, const ns_plan *p)
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
    ns_put(good, ns_put(good, c, "architectures", cJSON_CreateArray()), NULL, cJSON_CreateString("SmolLM3ForCausalLM"));
    ns_put(good, c, "model_type", cJSON_CreateString("smollm3"));
    ns_put(good, c, "torch_dtype", cJSON_CreateString("float32"));
    ns_put(good, c, "hidden_act", cJSON_CreateString("silu"));
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        ns_put(good, c, sizes[i].key, cJSON_CreateNumber(sizes[i].value));
    for (size_t i = 0; i < sizeof off / sizeof *off; i++)
        ns_put(good, c, off[i], cJSON_CreateBool(false));
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
        ns_put(good, c, absent[i], cJSON_CreateNull());
    ns_put(good, c, "attention_dropout", cJSON_CreateNumber(0));
    ns_put(good, c, "no_rope_layers", numbers(good, p->L, uses_rope, p));
    ns_put(good, c, "layer_types", layer_types(good, p));
    ns_put(good, c, "use_sliding_window", cJSON_CreateBool(p->window > 0));
    if (p->window)
        ns_put(good, c, "sliding_window", cJSON_CreateNumber((double)p->window));
    else
        ns_put(good, c, "sliding_window", cJSON_CreateNull());
    return c;
}

/* expected: {score: [least, most]}, for a head that serves all tokens. */
static void add_head(bool *good, cJSON *heads, ns_head at, const char *kind, double strength, const char *const *scores, int n_scores)
{
    cJSON *const head = cJSON_CreateObject();
    ns_put(good, head, "layer", cJSON_CreateNumber((double)at.layer));
    ns_put(good, head, "head", cJSON_CreateNumber((double)at.head));
    ns_put(good, head, "kind", cJSON_CreateString(kind));
    ns_put(good, head, "strength", cJSON_CreateNumber(strength));
    cJSON *const expected = ns_put(good, head, "expected", cJSON_CreateObject());
    for (int i = 0; i < n_scores && strength >= 1; i++)
        ns_put(good, expected, scores[i], cJSON_CreateDoubleArray((const double[]){0.99, 1}, 2));
    ns_put(good, heads, NULL, head);
}

static cJSON *planted(bool *good, const ns_plan *p)
{
    static const char *const previous[] = {"previous_token"};
    static const char *const retrieval[] = {"retrieval_find", "retrieval_continue", "retrieval_copy", "retrieval_mass", "induction"};
    cJSON *const root = cJSON_CreateObject();
    ns_put(good, root, "schema", cJSON_CreateNumber(1));
    ns_put(good, root, "seed", cJSON_CreateNumber((double)p->seed));
    cJSON *const cases = ns_put(good, root, "cases", cJSON_CreateObject());
    ns_put(good, cases, "vocab", cJSON_CreateNumber((double)p->V));
    ns_put(good, cases, "first_id", cJSON_CreateNumber(0));
    cJSON *const tokens = ns_put(good, root, "tokens", cJSON_CreateObject());
    ns_put(good, tokens, "bos", cJSON_CreateNumber(NS_PLANT_BOS));
    ns_put(good, tokens, "query", cJSON_CreateNumber(NS_PLANT_QUERY));
    ns_put(good, tokens, "answer", cJSON_CreateNumber(NS_PLANT_ANSWER));
    cJSON *const heads = ns_put(good, root, "heads", cJSON_CreateArray());
    add_head(good, heads, p->previous, "previous_token", 1, previous, 1);
    for (int i = 0; i < p->n_retrieval; i++)
        add_head(good, heads, p->retrieval[i], "retrieval", p->strength[i], retrieval, sizeof retrieval / sizeof *retrieval);
    return root;
}

int ns_plan_describe(const ns_plan *p, const char *folder, ns_error *err)
{
    bool good = true;
    cJSON *const truth = p->zoo ? ns_zoo_json(&good, p) : planted(&good, p), *const described = config(&good, p);
    int rc = ns_write_tree(truth, good, folder, "planted.json", NULL, err);
    if (rc == NS_OK)
        rc = ns_write_tree(described, good, folder, "config.json", NULL, err);
    else
        cJSON_Delete(described);
    return rc;
}
