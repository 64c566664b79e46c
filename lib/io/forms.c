/* forms.c - folders that hold a model in a form that is not read: known by a name in them or one folder down, and how each is converted. */
#include "io/reader.h"

#include <stdlib.h>
#include <string.h>

#define STATE_DICT "load its state dict with torch.load and save it with safetensors.torch.save_file as model.safetensors"
#define DCP "convert it: python -m torch.distributed.checkpoint.format_utils dcp_to_torch FOLDER model.pt, then " STATE_DICT
#define ZERO "convert it: python zero_to_fp32.py . OUT --safe_serialization (the script is DeepSpeed's)"
#define NEOX "convert it: GPT-NeoX's tools/ckpts/convert_neox_to_hf.py --input_dir FOLDER --config_file YML --output_dir OUT"
#define MEGATRON "convert it to a Hugging Face folder: Megatron-LM's tools/checkpoint/convert.py"
#define ORBAX "restore it with orbax.checkpoint, rename its arrays and save them with safetensors.flax.save_file"
#define TENSORFLOW "load it in transformers 4 with from_tf=True and save_pretrained it"
#define MERGE "merge it: peft's merge_and_unload(), and save_pretrained the merged model"

/* Tried in order. "folder/name" is looked for one folder down. */
static const struct form {
    const char *glob, *what, *remedy;
    bool around;                               /* no form of weights: a folder with checkpoints in it */
} forms[] = {
    { "pytorch_model_fsdp_*/*.distcp", "an FSDP checkpoint of accelerate",
      "convert it: accelerate merge-weights pytorch_model_fsdp_0 OUT" },
    { "model_and_optim/*.distcp", "an OLMo-core checkpoint",
      "convert it: OLMo-core's src/examples/huggingface/convert_checkpoint_to_hf.py -i FOLDER -o OUT" },
    {"*.distcp", "a PyTorch distributed checkpoint (DCP)", DCP},
    {"layer_*-model_*-model_states.pt", "a GPT-NeoX checkpoint", NEOX},
    {"global_step*/layer_*-model_*-model_states.pt", "a folder of GPT-NeoX checkpoints", NEOX},
    { "model_world_size_*_rank_*.pt", "an FSDP checkpoint of ranks (verl)",
      "convert it: python -m verl.model_merger merge --backend fsdp --local_dir FOLDER --target_dir OUT" },
    {"zero_to_fp32.py", "a DeepSpeed ZeRO checkpoint", ZERO},
    {"*_optim_states.pt", "a DeepSpeed ZeRO checkpoint", ZERO},
    {"mp_rank_*_model_states.pt", "a DeepSpeed checkpoint", ZERO},
    {"mp_rank_*", "a Megatron checkpoint of model-parallel ranks", MEGATRON},
    {"mp_rank_*/*", "a Megatron checkpoint of model-parallel ranks", MEGATRON},
    {"latest_checkpointed_iteration.txt", "a folder of Megatron checkpoints", MEGATRON},
    {"adapter_config.json", "an adapter without its base model", MERGE},
    {"adapter_model.*", "an adapter without its base model", MERGE},
    { "consolidated.safetensors", "a checkpoint in Mistral's own layout",
      "take the repository's Hugging Face files, or convert it: transformers' convert_mistral_weights_to_hf.py" },
    { "consolidated.*.pth", "a checkpoint in Meta's own layout",
      "convert it: python -m transformers.models.llama.convert_llama_weights_to_hf --input_dir FOLDER --output_dir OUT" },
    {"flax_model*.msgpack", "a Flax checkpoint", "load it in transformers 4 with from_flax=True and save_pretrained it"},
    {"*.msgpack", "a Flax checkpoint", "load it in transformers 4 with from_flax=True and save_pretrained it"},
    {"tf_model*.h5", "a TensorFlow checkpoint", TENSORFLOW},
    {"saved_model.pb", "a TensorFlow model", TENSORFLOW},
    {"*.ckpt*.index", "a TensorFlow checkpoint", TENSORFLOW},
    {"*.weights.h5", "Keras weights", "save them with keras_hub's save_to_preset, and convert that to a Hugging Face folder"},
    {"*.keras", "a Keras model", "save it with keras_hub's save_to_preset, and convert that to a Hugging Face folder"},
    {"*.pdparams", "a PaddlePaddle checkpoint", "load it with paddle.load and save its arrays with safetensors.numpy.save_file"},
    {"manifest.ocdbt", "an Orbax checkpoint", ORBAX},
    {"*/manifest.ocdbt", "an Orbax checkpoint", ORBAX},
    {"_CHECKPOINT_METADATA", "an Orbax checkpoint", ORBAX},
    {"streaming_params*", "an EasyLM checkpoint", "convert it: EasyLM's convert_easylm_to_hf.py"},
    { "*.npz", "NumPy arrays (MLX, EasyLM)",
      "save them again: safetensors.numpy.save_file(dict(numpy.load('weights.npz')), 'model.safetensors')" },
    {"*.nemo", "a NeMo archive", "convert it to a Hugging Face folder: NeMo's scripts/checkpoint_converters"},
    {"*.onnx", "an ONNX export", "take the checkpoint that it was exported from"},
    {"*.tflite", "a TensorFlow Lite export", "take the checkpoint that it was exported from"},
    {"*/*.distcp", "a PyTorch distributed checkpoint (DCP)", DCP},
    {"global_step*/*", "a folder of DeepSpeed checkpoints", ZERO},
    {"models--*", "a Hugging Face cache of several models", "name one models--ORG--NAME folder inside it"},
    {"checkpoint-*", "a folder of training checkpoints", "name one of them; scan takes the folder", .around = true},
    {"step*", "a folder of training checkpoints", "name one of them; scan takes the folder", .around = true},
    {"*/model.safetensors", "a folder around a checkpoint", "name the folder inside it", .around = true},
    {"*/model.safetensors.index.json", "a folder around a checkpoint", "name the folder inside it", .around = true},
};

/* What a trainer writes beside the weights. */
static const char *const states[] = {
    "optimizer.pt", "optimizer*.bin", "optimizer*.pth", "optim*.pt", "scheduler.pt", "scheduler*.bin", "training_args.bin",
    "rng_state*.pth", "scaler.pt", "random_states_*.pkl", "trainer_state.json", "sampler*.bin", NULL,
};

/* Files of forms above that are no model by themselves, and tokenizers. */
static const char *const pieces[] = {
    "adapter_model*", "*_world_size_*_rank_*", "consolidated.*", "mp_rank_*", "*_optim_states.pt", "*_model_states.pt", "layer_*-model_*",
    "tokenizer*.bin", "tok*.bin", NULL,
};

static bool fits_any(const char *const *globs, const char *name)
{
    for (int i = 0; globs[i]; i++)
        if (ns_glob(globs[i], name))
            return true;
    return false;
}

static bool is_state(const char *name)
{
    return fits_any(states, name);
}

bool ns_is_weights(const char *name)
{
    return ns_reader_of_name(name) && !is_state(name) && !fits_any(pieces, name);
}

/* The names, and those one folder down as "folder/name". */
typedef struct listing { char **names; int64_t n, capacity; } listing;

static bool put(listing *l, char *name)
{
    if (!name || !ns_grow(&l->names, &l->capacity, l->n + 1, sizeof *l->names)) {
        free(name);
        return false;
    }
    l->names[l->n++] = name;
    return true;
}

static bool add_below(listing *l, const char *folder, const char *name)
{
    char *const path = ns_path_join(folder, name), **below = NULL;
    int64_t n = 0;
    bool good = path != NULL;
    if (good && ns_path_is_dir(path) && ns_folder_list(&below, &n, path, NULL) == NS_OK)
        for (int64_t i = 0; i < n && good; i++)
            good = put(l, ns_path_join(name, below[i]));
    ns_free_strings(below, n);
    free(path);
    return good;
}

static bool list_two_levels(listing *l, const char *folder, char *const *names, int64_t n)
{
    bool good = true;
    for (int64_t i = 0; i < n && good; i++)
        good = is_state(names[i]) || put(l, ns_strdup(names[i]));
    for (int64_t i = 0; i < n && good; i++)
        good = add_below(l, folder, names[i]);
    return good;
}

/* '*' stops at '/', unlike ns_glob's. */
static bool fits(const char *glob, const char *name)
{
    return !strchr(glob, '/') == !strchr(name, '/') && ns_glob(glob, name);
}

/* A form that is known at the top is known one folder down, too, where nothing at the top says what the folder is. */
static bool fits_below(const char *glob, const char *name)
{
    const char *const slash = strchr(name, '/');
    return slash && !strchr(glob, '/') && ns_glob(glob, slash + 1);
}

/* NS_E_UNSUPPORTED with the form's name and remedy; NS_OK: none of them. */
static int say_form(const char *folder, const listing *l, bool around, ns_error *err)
{
    const size_t n_forms = sizeof forms / sizeof *forms;
    for (size_t f = 0; f < 2 * n_forms; f++) {
        const struct form *const form = &forms[f % n_forms];
        for (int64_t i = 0; i < l->n && (around || !form->around); i++)
            if ((f < n_forms ? fits : fits_below)(form->glob, l->names[i]))
                return ns_fail(err, NS_E_UNSUPPORTED, "%s: %s ('%s'), which %s (%s)", folder, form->what, l->names[i],
                               form->around ? "is no checkpoint itself" : "needlescope does not read", form->remedy);
    }
    return NS_OK;
}

static int say_none(const char *folder, int64_t n_states, ns_error *err)
{
    if (n_states)
        return ns_fail(err, NS_E_MISSING, "%s: a training checkpoint without its weights: %lld files of the optimizer's and the trainer's "
                       "state, and none of weights (copy them here, "
                       "or save them with the checkpoint)", folder, (long long)n_states);
    return ns_fail(err, NS_E_MISSING, "%s: no model.safetensors or pytorch_model.bin, no index of shards, no single file of weights in it",
                   folder);
}

int ns_other_form(const char *folder, char *const *names, int64_t n, ns_error *err)
{
    listing l = {0};
    int64_t n_states = 0;
    for (int64_t i = 0; i < n; i++)
        n_states += is_state(names[i]);
    int rc = list_two_levels(&l, folder, names, n) ? say_form(folder, &l, true, err) : ns_oom(err, folder);
    rc = rc != NS_OK ? rc : say_none(folder, n_states, err);
    ns_free_strings(l.names, l.n);
    return rc;
}

int ns_foreign_form(const char *folder, ns_error *err)
{
    listing l = {0};
    char **names;
    int64_t n;
    int rc = ns_folder_list(&names, &n, folder, err);
    if (rc != NS_OK)
        return rc;
    rc = list_two_levels(&l, folder, names, n) ? say_form(folder, &l, false, err) : ns_oom(err, folder);
    ns_free_strings(l.names, l.n);
    ns_free_strings(names, n);
    return rc;
}
