/* test_folders.c - from a path to its files: folders, shards and their index, the Hugging Face cache, and what is refused by sight. */
#include "scratch.h"

#include <fcntl.h>
#include <needlescope/checkpoint.h>

#include "core/core.h"

static void put_one(const char *path, const char *tensor)
{
    char json[200];
    const int n = snprintf(json, sizeof json, "{\"%s\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", tensor);
    put_safetensors(path, json, (size_t)n, -1, 4);
}

static void expect(const char *path, const char *revision, int code, const char *says)
{
    ns_checkpoint *ck = NULL;
    ns_error err = {""};
    const int got = ns_checkpoint_open(&ck, path, &(ns_checkpoint_params){.size = sizeof(ns_checkpoint_params), .revision = revision},
                                       &err);
    ns_checkpoint_free(ck);
    if (got != code || !strstr(err.message, says))
        fail_msg("%s: wanted %d '%s', got %d '%s'", path, code, says, got, err.message);
}

static ns_checkpoint *opened(const char *path, const char *revision)
{
    ns_checkpoint *ck = NULL;
    ns_error err = {""};
    if (ns_checkpoint_open(&ck, path, &(ns_checkpoint_params){.size = sizeof(ns_checkpoint_params), .revision = revision}, &err))
        fail_msg("%s", err.message);
    return ck;
}

static void folder_with_companions(void **state)
{
    (void)state;
    put_folder("run");
    put_folder("run/step10");
    put_one("run/step10/model.safetensors", "w");
    put_one("run/step10/other.safetensors", "x");
    put_text("run/step10/config.json", "{}");
    put_text("run/tokenizer.json", "{}");
    ns_checkpoint *const ck = opened(in_scratch("run/step10"), NULL);
    assert_non_null(ns_checkpoint_find(ck, "w"));
    assert_string_equal(ns_checkpoint_dir(ck), in_scratch("run/step10"));
    assert_string_equal(ns_checkpoint_config_path(ck), in_scratch("run/step10/config.json"));
    assert_string_equal(ns_checkpoint_tokenizer_path(ck), in_scratch("run/step10/../tokenizer.json"));
    ns_checkpoint *const file = opened(in_scratch("run/step10/model.safetensors"), NULL);
    assert_string_equal(ns_checkpoint_dir(file), in_scratch("run/step10"));
    assert_string_equal(ns_checkpoint_identity(file), ns_checkpoint_identity(ck));
    assert_int_equal(strlen(ns_checkpoint_identity(ck)), 64);
    ns_checkpoint_free(ck);
    ns_checkpoint_free(file);
    expect(in_scratch("run/step10"), "main", NS_E_ARG, "not a Hugging Face cache");
    expect(in_scratch("run/step10/model.safetensors"), "main", NS_E_ARG, "this is a file");
    expect(in_scratch("run"), NULL, NS_E_UNSUPPORTED, "a folder of training checkpoints ('step10')");
}

static void expect_tokenizer(const char *cache, const char *revision, const char *want)
{
    ns_checkpoint *const ck = opened(in_scratch(cache), revision);
    const char *const path = ns_checkpoint_tokenizer_path(ck), *const note = ns_checkpoint_note(ck, 0);
    assert_true(want ? path && strstr(path, want) : !path);
    assert_true(want ? note && strstr(note, "has no tokenizer: ") : !note);
    ns_checkpoint_free(ck);
}

/* Steps without a tokenizer: that of main, that of the repository whose checkpoints they are, that of the run around `checkpoints`. */
static void tokenizers_elsewhere(void **state)
{
    (void)state;
    static const char *const folders[] = {"models--o--M-3B-checkpoints", "models--o--M-3B-checkpoints/refs",
        "models--o--M-3B-checkpoints/snapshots", "models--o--M-3B-checkpoints/snapshots/s1", "models--o--M-3B-checkpoints/snapshots/m1",
        "models--o--M-3B", "models--o--M-3B/refs", "models--o--M-3B/snapshots", "models--o--M-3B/snapshots/m2",
        "models--o--M", "models--o--M/refs", "models--o--M/snapshots", "models--o--M/snapshots/m3",
        "around", "around/checkpoints", "around/checkpoints/step1"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        put_folder(folders[i]);
    put_one("models--o--M-3B-checkpoints/snapshots/s1/model.safetensors", "w");
    put_text("models--o--M-3B-checkpoints/refs/step1", "s1");
    expect_tokenizer("models--o--M-3B-checkpoints", "step1", NULL);
    put_text("models--o--M/refs/main", "m3");
    put_text("models--o--M/snapshots/m3/tokenizer.json", "{}");
    expect_tokenizer("models--o--M-3B-checkpoints", "step1", "models--o--M/snapshots/m3/tokenizer.json");
    put_text("models--o--M-3B/refs/main", "../m2");
    put_text("models--o--M-3B/snapshots/m2/tokenizer.json", "{}");
    expect_tokenizer("models--o--M-3B-checkpoints", "step1", "models--o--M/snapshots/m3/tokenizer.json");
    put_text("models--o--M-3B/refs/main", "m2\n");
    expect_tokenizer("models--o--M-3B-checkpoints", "step1", "models--o--M-3B/snapshots/m2/tokenizer.json");
    put_text("models--o--M-3B-checkpoints/refs/main", "m1");
    put_text("models--o--M-3B-checkpoints/snapshots/m1/tokenizer.json", "{}");
    expect_tokenizer("models--o--M-3B-checkpoints", "step1", "models--o--M-3B-checkpoints/snapshots/m1/tokenizer.json");
    put_text("around/tokenizer.json", "{}");
    put_text("around/config.json", "{}");
    put_one("around/checkpoints/step1/model.safetensors", "w");
    put_one("around/checkpoints/step2.safetensors", "w");
    ns_checkpoint *const folder = opened(in_scratch("around/checkpoints/step1"), NULL);
    assert_true(ns_ends(ns_checkpoint_tokenizer_path(folder), "/around/checkpoints/step1/../../tokenizer.json"));
    ns_checkpoint_free(folder);
    ns_checkpoint *const file = opened(in_scratch("around/checkpoints/step2.safetensors"), NULL);
    assert_true(ns_ends(ns_checkpoint_tokenizer_path(file), "/around/checkpoints/../tokenizer.json"));
    assert_true(ns_ends(ns_checkpoint_config_path(file), "/around/checkpoints/../config.json"));
    ns_checkpoint_free(file);
}

/* The identity follows header, size and mtime; it does not know the path. */
static void identity_follows_the_file(void **state)
{
    (void)state;
    static const struct timespec then[2] = {{1000, 5}, {1000, 5}}, later[2] = {{1000, 6}, {1000, 6}};
    put_one("id1.safetensors", "w");
    put_one("id2.safetensors", "w");
    put_one("id3.safetensors", "v");
    put_one("id4.safetensors", "w");
    assert_int_equal(utimensat(AT_FDCWD, in_scratch("id1.safetensors"), then, 0), 0);
    assert_int_equal(utimensat(AT_FDCWD, in_scratch("id2.safetensors"), then, 0), 0);
    assert_int_equal(utimensat(AT_FDCWD, in_scratch("id3.safetensors"), then, 0), 0);
    assert_int_equal(utimensat(AT_FDCWD, in_scratch("id4.safetensors"), later, 0), 0);
    ns_checkpoint *ck[4];
    for (int i = 0; i < 4; i++)
        ck[i] = opened(in_scratch((const char *[]){"id1.safetensors", "id2.safetensors", "id3.safetensors", "id4.safetensors"}[i]), NULL);
    assert_string_equal(ns_checkpoint_identity(ck[0]), ns_checkpoint_identity(ck[1]));
    assert_string_not_equal(ns_checkpoint_identity(ck[0]), ns_checkpoint_identity(ck[2]));
    assert_string_not_equal(ns_checkpoint_identity(ck[0]), ns_checkpoint_identity(ck[3]));
    for (int i = 0; i < 4; i++)
        ns_checkpoint_free(ck[i]);
}

static void put_index(const char *text)
{
    put_text("shards/model.safetensors.index.json", text);
}

static void sharded(void **state)
{
    (void)state;
    put_folder("shards");
    put_one("shards/s1.safetensors", "b");
    put_one("shards/s2.safetensors", "a");
    expect(in_scratch("shards"), NULL, NS_E_MISSING, "2 files of weights but no model.safetensors.index.json");
    put_index("{\"metadata\":{\"total_size\":8},\"weight_map\":{\"a\":\"s2.safetensors\",\"b\":\"s1.safetensors\"}}");
    ns_checkpoint *const ck = opened(in_scratch("shards"), NULL);
    assert_int_equal(ns_checkpoint_count(ck), 2);
    assert_string_equal(ns_checkpoint_tensor(ck, 0)->name, "a");
    assert_string_equal(ns_checkpoint_find(ck, "a")->file, in_scratch("shards/s2.safetensors"));
    ns_checkpoint_free(ck);
    ns_checkpoint_free(opened(in_scratch("shards/model.safetensors.index.json"), NULL));

    static const struct { const char *index; int code; const char *says;
    } rows[] = {
        {"{\"weight_map\":{\"a\":\"s2.safetensors\"}}", NS_OK, ""},
        {"{\"weight_map\":{\"a\":\"s2.safetensors\",\"b\":\"s2.safetensors\"}}", NS_E_FORMAT,
         "'b' is in no shard; it should be in s2.safetensors"},
        {"{\"weight_map\":{\"a\":\"s1.safetensors\",\"b\":\"s2.safetensors\"}}", NS_E_FORMAT,
         "'a' should be in s1.safetensors, but is in s2.safetensors"},
        {"{\"weight_map\":{\"a\":\"s2.safetensors\",\"c\":\"s1.safetensors\"}}", NS_E_FORMAT, "'c' is in no shard"},
        {"{\"weight_map\":{\"a\":\"s2.safetensors\",\"b\":\"s3.safetensors\"}}", NS_E_MISSING,
         "its shard 's3.safetensors' is not in the folder"},
        {"{\"weight_map\":{\"a\":\"../shards/s2.safetensors\"}}", NS_E_FORMAT, "is not a plain file name"},
        {"{\"weight_map\":{\"a\":\"/etc/passwd\"}}", NS_E_FORMAT, "is not a plain file name"},
        {"{\"weight_map\":{\"a\":\"..\"}}", NS_E_FORMAT, "is not a plain file name"},
        {"{\"weight_map\":{\"a\":\"\"}}", NS_E_FORMAT, "is not a plain file name"},
        {"{\"weight_map\":{\"a\":3}}", NS_E_FORMAT, "is not a plain file name"},
        {"{\"weight_map\":{}}", NS_E_FORMAT, "weight_map is empty"},
        {"{\"weight_map\":[]}", NS_E_FORMAT, "no object 'weight_map'"},
        {"{\"weight_map\":{\"a\":\"s2.safetensors\",\"a\":\"s2.safetensors\"}}", NS_E_FORMAT, "appears twice"},
        {"[]", NS_E_FORMAT, "no object 'weight_map'"},
        {"{", NS_E_FORMAT, "index.json"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        put_index(rows[i].index);
        expect(in_scratch("shards"), NULL, rows[i].code, rows[i].says);
    }
    put_one("shards/s3.safetensors", "a");
    put_index("{\"weight_map\":{\"a\":\"s2.safetensors\",\"b\":\"s1.safetensors\",\"c\":\"s3.safetensors\"}}");
    expect(in_scratch("shards"), NULL, NS_E_FORMAT, "tensor 'a' is also in s");
    static const char both[] =
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},\"d\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}}";
    put_safetensors("shards/s2.safetensors", both, sizeof both - 1, -1, 8);
    put_index("{\"weight_map\":{\"a\":\"s2.safetensors\",\"b\":\"s1.safetensors\"}}");
    expect(in_scratch("shards"), NULL, NS_E_FORMAT, "tensor 'd' is not in");
}

static void hugging_face_cache(void **state)
{
    (void)state;
    static const char *const folders[] = {"hub", "hub/models--o--n", "hub/models--o--n/refs", "hub/models--o--n/refs/pr",
                                          "hub/models--o--n/blobs", "hub/models--o--n/snapshots",
                                           "hub/models--o--n/snapshots/aaa", "hub/models--o--n/snapshots/bbb" };
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++)
        put_folder(folders[i]);
    put_one("hub/models--o--n/blobs/1", "main_tensor");
    put_one("hub/models--o--n/snapshots/bbb/model.safetensors", "step_tensor");
    assert_int_equal(symlink("../../blobs/1", in_scratch("hub/models--o--n/snapshots/aaa/model.safetensors")), 0);
    put_text("hub/models--o--n/refs/main", "aaa\n");
    put_text("hub/models--o--n/refs/step10", "bbb");
    put_text("hub/models--o--n/refs/pr/1", "bbb");
    put_text("hub/models--o--n/refs/gone", "ccc");
    put_text("hub/models--o--n/refs/evil", "../../secret");
    static const struct { const char *revision, *tensor;
    } good[] = {
        {NULL, "main_tensor"}, {"main", "main_tensor"}, {"step10", "step_tensor"}, {"pr/1", "step_tensor"}, {"bbb", "step_tensor"},
    };
    const char *const cache = in_scratch("hub/models--o--n");
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        ns_checkpoint *const ck = opened(cache, good[i].revision);
        assert_non_null(ns_checkpoint_find(ck, good[i].tensor));
        ns_checkpoint_free(ck);
    }
    expect(cache, "step11", NS_E_MISSING, "no refs/step11 and no snapshots/step11 in it (did you mean step10?)");
    expect(cache, "something-else", NS_E_MISSING, "(name one of its 5 revisions with --revision: evil, gone, main, pr/1, step10)");
    expect(cache, "gone", NS_E_MISSING, "names the snapshot ccc, which is not in it");
    expect(cache, "evil", NS_E_FORMAT, "'../../secret' is not a commit hash");
    expect(cache, "../x", NS_E_ARG, "is not a revision");
    expect(cache, "", NS_E_ARG, "is not a revision");
    expect(in_scratch("hub"), NULL, NS_E_UNSUPPORTED, "name one models--ORG--NAME folder");
}

/* A folder that holds one empty file of this name, itself or one folder down, and what is said of it. */
static void folders_known_by_sight(void **state)
{
    (void)state;
    static const struct { const char *file; int code; const char *says; } rows[] = {
        {"__0_0.distcp", NS_E_UNSUPPORTED, "dcp_to_torch"},
        {"pytorch_model_fsdp_0/__0_0.distcp", NS_E_UNSUPPORTED, "accelerate merge-weights"},
        {"model_and_optim/__0_0.distcp", NS_E_UNSUPPORTED, "an OLMo-core checkpoint"},
        {"model/__0_0.distcp", NS_E_UNSUPPORTED, "distributed checkpoint (DCP) ('model/__0_0.distcp')"},
        {"zero_to_fp32.py", NS_E_UNSUPPORTED, "zero_to_fp32.py . OUT"},
        {"zero_pp_rank_0_mp_rank_00_optim_states.pt", NS_E_UNSUPPORTED, "DeepSpeed"},
        {"mp_rank_00_model_states.pt", NS_E_UNSUPPORTED, "DeepSpeed"},
        {"global_step1000/mp_rank_00_model_states.pt", NS_E_UNSUPPORTED, "a folder of DeepSpeed checkpoints"},
        {"layer_00-model_00-model_states.pt", NS_E_UNSUPPORTED, "convert_neox_to_hf.py"},
        {"global_step1000/layer_00-model_00-model_states.pt", NS_E_UNSUPPORTED, "convert_neox_to_hf.py"},
        {"model_world_size_2_rank_0.pt", NS_E_UNSUPPORTED, "verl.model_merger merge"},
        {"actor/model_world_size_2_rank_0.pt", NS_E_UNSUPPORTED, "verl.model_merger merge"},
        {"mp_rank_00/model_optim_rng.pt", NS_E_UNSUPPORTED, "a Megatron checkpoint"},
        {"latest_checkpointed_iteration.txt", NS_E_UNSUPPORTED, "a folder of Megatron checkpoints"},
        {"adapter_config.json", NS_E_UNSUPPORTED, "an adapter without its base model"},
        {"adapter_model.safetensors", NS_E_UNSUPPORTED, "an adapter without its base model"},
        {"adapter_model.bin", NS_E_UNSUPPORTED, "merge_and_unload"},
        {"consolidated.safetensors", NS_E_UNSUPPORTED, "Mistral's own layout"},
        {"consolidated.00.pth", NS_E_UNSUPPORTED, "Meta's own layout"},
        {"pytorch_model-00001-of-00002.bin", NS_E_MISSING, "is one of several shards, and there is no pytorch_model.bin.index.json"},
        {"model-00001-of-00002.safetensors", NS_E_MISSING, "is one of several shards, and there is no model.safetensors.index.json"},
        {"m-q4.gguf", NS_E_FORMAT, "truncated or damaged"},
        {"flax_model.msgpack", NS_E_UNSUPPORTED, "from_flax=True"},
        {"tf_model.h5", NS_E_UNSUPPORTED, "from_tf=True"},
        {"manifest.ocdbt", NS_E_UNSUPPORTED, "Orbax"},
        {"default/manifest.ocdbt", NS_E_UNSUPPORTED, "Orbax"},
        {"_CHECKPOINT_METADATA", NS_E_UNSUPPORTED, "Orbax"},
        {"streaming_params_100", NS_E_UNSUPPORTED, "EasyLM"},
        {"weights.npz", NS_E_UNSUPPORTED, "safetensors.numpy.save_file"},
        {"m.nemo", NS_E_UNSUPPORTED, "NeMo"},
        {"model.onnx", NS_E_UNSUPPORTED, "ONNX"},
        {"pytorch_model.bin", NS_E_FORMAT, "sight/pytorch_model.bin: not a file of torch.save"},
        {"ckpt.pt", NS_E_FORMAT, "sight/ckpt.pt: not a file of torch.save"},
        {"model.pth", NS_E_FORMAT, "sight/model.pth: not a file of torch.save"},
        {"model.bin", NS_E_FORMAT, "sight/model.bin: not a file of torch.save"},
        {"last.ckpt", NS_E_FORMAT, "sight/last.ckpt: not a file of torch.save"},
        {"hf/model.safetensors", NS_E_UNSUPPORTED, "a folder around a checkpoint ('hf/model.safetensors')"},
        {"step10/config.json", NS_E_UNSUPPORTED, "('step10'), which is no checkpoint itself (name one of them; scan takes the folder)"},
        {"optimizer.pt", NS_E_MISSING, "a training checkpoint without its weights: 1 files"},
        {"scheduler.pt", NS_E_MISSING, "without its weights"},
        {"training_args.bin", NS_E_MISSING, "without its weights"},
        {"rng_state_0.pth", NS_E_MISSING, "without its weights"},
        {"scaler.pt", NS_E_MISSING, "without its weights"},
        {"epoch-3.msgpack", NS_E_UNSUPPORTED, "from_flax=True"},
        {"saved_model.pb", NS_E_UNSUPPORTED, "from_tf=True"},
        {"model.ckpt-1000.index", NS_E_UNSUPPORTED, "a TensorFlow checkpoint"},
        {"model.weights.h5", NS_E_UNSUPPORTED, "Keras"},
        {"model_state.pdparams", NS_E_UNSUPPORTED, "paddle.load"},
        {"lora/adapter_config.json", NS_E_UNSUPPORTED, "an adapter without its base model ('lora/adapter_config.json')"},
        {"flax/flax_model.msgpack", NS_E_UNSUPPORTED, "a Flax checkpoint ('flax/flax_model.msgpack')"},
        {"onnx/model.onnx", NS_E_UNSUPPORTED, "an ONNX export ('onnx/model.onnx')"},
        {"mlx/weights.npz", NS_E_UNSUPPORTED, "NumPy arrays"},
        {"original/consolidated.00.pth", NS_E_UNSUPPORTED, "Meta's own layout"},
        {"ckpt/zero_to_fp32.py", NS_E_UNSUPPORTED, "zero_to_fp32.py . OUT"},
        {"state/_CHECKPOINT_METADATA", NS_E_UNSUPPORTED, "Orbax"},
        {"docs/README.md", NS_E_MISSING, "no model.safetensors"},
        {"README.md", NS_E_MISSING, "no model.safetensors"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const char *const slash = strchr(rows[i].file, '/');
        char name[100], below[100] = "";
        put_folder("sight");
        if (slash) {
            snprintf(below, sizeof below, "sight/%.*s", (int)(slash - rows[i].file), rows[i].file);
            put_folder(below);
        }
        snprintf(name, sizeof name, "sight/%s", rows[i].file);
        put_text(name, "");
        put_text("sight/config.json", "{}");
        expect(in_scratch("sight"), NULL, rows[i].code, rows[i].says);
        assert_int_equal(unlink(in_scratch("sight/config.json")), 0);
        assert_int_equal(unlink(in_scratch(name)), 0);
        assert_true(!slash || rmdir(in_scratch(below)) == 0);
        assert_int_equal(rmdir(in_scratch("sight")), 0);
    }
}

static void files_known_by_their_bytes(void **state)
{
    (void)state;
    char tar[512] = {'x'};
    memcpy(tar + 257, "ustar", 5);
    int32_t llama[7 + 64] = {8, 16, 2, 2, 1, -8, 32};
    static const struct { const char *bytes; size_t n; int code; const char *says; } rows[] = {
        {"GGUF\3\0\0\0", 8, NS_E_FORMAT, "the number of tensors wants 8 bytes at byte 8, but the file has 8"},
        {"PK\3\4................", 20, NS_E_FORMAT, "a zip archive whose end is missing"},
        {"\x80\2\x8a\nl\xfc\x9c", 7, NS_E_UNSUPPORTED, "a pickle that torch.save did not write"},
        {"\x89HDF\r\n\x1a\n....", 12, NS_E_UNSUPPORTED, "an HDF5 file"},
        {"version https://git-lfs.github.com/spec/v1\n", 43, NS_E_FORMAT, "git lfs pull"},
        {"hello", 5, NS_E_FORMAT, "not a checkpoint that needlescope knows"},
        {"", 0, NS_E_FORMAT, "not a checkpoint that needlescope knows"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        put_file("bytes", rows[i].bytes, rows[i].n);
        expect(in_scratch("bytes"), NULL, rows[i].code, rows[i].says);
    }
    put_text("text.bin", "hello");
    expect(in_scratch("text.bin"), NULL, NS_E_FORMAT, "neither a zip archive nor a legacy pickle");
    put_file("bytes.bin", tar, sizeof tar);
    expect(in_scratch("bytes.bin"), NULL, NS_E_UNSUPPORTED, "a tar archive");
    put_file("bytes.bin", llama, sizeof llama);
    expect(in_scratch("bytes.bin"), NULL, NS_E_FORMAT, "where a llama2.c file of 2 layers, 8 dimensions and 8 tokens");
    put_text("weights.npz", "PK\3\4................");
    expect(in_scratch("weights.npz"), NULL, NS_E_UNSUPPORTED, "NumPy arrays");
    put_text("flax_model.msgpack", "....");
    expect(in_scratch("flax_model.msgpack"), NULL, NS_E_UNSUPPORTED, "a Flax checkpoint");
    put_text("m.onnx", "....");
    expect(in_scratch("m.onnx"), NULL, NS_E_UNSUPPORTED, "an ONNX export");
    put_text("pointer.safetensors", "version https://git-lfs.github.com/spec/v1\n");
    expect(in_scratch("pointer.safetensors"), NULL, NS_E_FORMAT, "git lfs pull");
    put_one("anything", "w");
    ns_checkpoint_free(opened(in_scratch("anything"), NULL));       /* by its bytes, whatever its name */
    expect(in_scratch("absent"), NULL, NS_E_MISSING, "no such file or folder");
    expect("", NULL, NS_E_ARG, "no path");
}

static void packed_weights_are_refused(void **state)
{
    (void)state;
    static const char *const names[][2] = {{"model.layers.0.mlp.up_proj.qweight", "GPTQ"},
                                           {"l.0.q_proj.weight_packed", "compressed-tensors"},
                                           {"l.0.q_proj.SCB", "8-bit codes (load it in transformers, call its dequantize()"},
                                           {"l.0.q.biases", "MLX's quantised codes (convert it back: python -m mlx_lm"},
                                           {"l.0.q.q_weight", "EXL2"},
                                           {"l.0.q.weight.absmax", "4-bit"}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        put_one("packed.safetensors", names[i][0]);
        expect(in_scratch("packed.safetensors"), NULL, NS_E_UNSUPPORTED, names[i][1]);
    }
}

static void parameters_are_checked(void **state)
{
    (void)state;
    ns_checkpoint *ck = NULL;
    ns_error err;
    put_one("p.safetensors", "w");
    assert_int_equal(ns_checkpoint_open(&ck, in_scratch("p.safetensors"),
                                        &(ns_checkpoint_params){.reader = "npz", .size = sizeof(ns_checkpoint_params)}, &err),
                     NS_E_ARG);
    assert_non_null(strstr(err.message, "no checkpoint reader is called 'npz' (there are: safetensors, gguf, torch, llama2c)"));
    assert_int_equal(ns_checkpoint_open(&ck, in_scratch("p.safetensors"), &(ns_checkpoint_params){.revision = "main"}, &err), NS_E_ARG);
    assert_non_null(strstr(err.message, "size is not set"));
    assert_int_equal(ns_checkpoint_open(&ck, in_scratch("p.safetensors"),
                                        &(ns_checkpoint_params){.reader = "safetensors", .size = sizeof(ns_checkpoint_params)}, &err),
                     NS_OK);
    ns_checkpoint_free(ck);
    ns_checkpoint_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folder_with_companions), cmocka_unit_test(tokenizers_elsewhere),
        cmocka_unit_test(identity_follows_the_file), cmocka_unit_test(sharded), cmocka_unit_test(hugging_face_cache),
        cmocka_unit_test(folders_known_by_sight), cmocka_unit_test(files_known_by_their_bytes),
        cmocka_unit_test(packed_weights_are_refused), cmocka_unit_test(parameters_are_checked),
    };
    return cmocka_run_group_tests_name("folders", tests, scratch_make, scratch_remove);
}
