/* torch_config.c - what a trainer's file says beside the weights: its step; and the model that a nanoGPT checkpoint says it is: its
 * model_args, as the text of a config.json.
 *
 * Its layers are GPT-2's, but its matrices are [out, in], its GELU is the exact one, and biases are all there or none. */
#include "io/torch.h"

static bool number_of(const ns_pickle *p, ns_ref dict, const char *key, int64_t *out)
{
    const ns_pickle_node *const node = ns_pickle_at(p, ns_pickle_get(p, dict, key));
    *out = node->integer;
    return node->kind == NS_PICKLE_INT && *out > 0;
}

int64_t ns_torch_step(const ns_torch *t)
{
    static const char *const keys[] = {"iter_num", "global_step", "iteration", "step"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const ns_pickle_node *const node = ns_pickle_at(&t->pickle, ns_pickle_get(&t->pickle, t->pickle.root, keys[i]));
        if (node->kind == NS_PICKLE_INT && node->integer >= 0)
            return node->integer;
    }
    return -1;
}

int ns_torch_config(ns_torch *t)
{
    static const char *const keys[] = {"n_layer", "n_head", "n_embd", "block_size", "vocab_size"};
    const ns_pickle *const p = &t->pickle;
    const ns_ref args = ns_pickle_get(p, p->root, "model_args");
    const ns_pickle_node *const bias = ns_pickle_at(p, ns_pickle_get(p, args, "bias"));
    int64_t v[5];
    for (int i = 0; i < 5; i++)
        if (!number_of(p, args, keys[i], &v[i]))
            return NS_OK;
    const bool plain = bias->kind == NS_PICKLE_BOOL && !bias->integer;            /* checkpoints before the switch have biases */
    t->ck->config = ns_strdup(t->file->path);
    t->ck->config_text = ns_printf_alloc("{\"model_type\": \"%s\", \"n_layer\": %lld, \"n_head\": %lld, \"n_embd\": %lld, "
                                         "\"block_size\": %lld, \"vocab_size\": %lld}", plain ? "nanogpt_plain" : "nanogpt",
                                         (long long)v[0], (long long)v[1], (long long)v[2], (long long)v[3], (long long)v[4]);
    if (!t->ck->config || !t->ck->config_text)
        return ns_oom(t->err, t->file->path);
    return ns_checkpoint_add_note(t->ck, t->err, "%s: its model_args say what model it is: nanoGPT's", t->file->path);
}
