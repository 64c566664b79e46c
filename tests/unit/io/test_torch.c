/* test_torch.c CORPUS - what torch.save wrote from PyTorch 0.4 to 2.13, and every way such a file can lie. tests/fuzz/make_torch.py makes
 * the files. */
#include "compare.h"
#include "scratch.h"

#include <needlescope/checkpoint.h>

static const char *corpus;

static const char *path_of(const char *name)
{
    static char path[4096];
    snprintf(path, sizeof path, "%s/%s", corpus, name);
    return path;
}

static ns_checkpoint *opened(const char *name)
{
    ns_checkpoint *ck = NULL;
    ns_error err = {""};
    if (ns_checkpoint_open(&ck, path_of(name), NULL, &err))
        fail_msg("%s", err.message);
    return ck;
}

static void expect_numbers(const ns_checkpoint *ck, const char *name, int64_t n, const float *want)
{
    float got[8];
    ns_error err = {""};
    const ns_tensor *const t = ns_checkpoint_find(ck, name);
    assert_non_null(t);
    assert_int_equal(ns_view_count(&t->view), n);
    assert_int_equal(ns_tensor_read_f32(t, 0, n, got, &err), NS_OK);
    for (int64_t i = 0; i < n; i++)
        assert_true(got[i] == want[i]);
    for (int64_t from = 0; from < n; from++) {                                     /* from anywhere */
        assert_int_equal(ns_tensor_read_f32(t, from, n - from, got, &err), NS_OK);
        assert_true(got[0] == want[from] && got[n - from - 1] == want[n - 1]);
    }
}

/* w is 0 to 5, t its transpose in the same storage, h is stored as bf16. */
static void each_layout(void **state)
{
    (void)state;
    static const char *const names[] = {"legacy-0.4-python2", "legacy-1.1", "zip-1.6", "zip-2.0-parameter", "zip-2.1-trainer",
                                        "zip-2.13-protocol5", "zip-zip64", "zip-comment", "zip-from-type", "zip-knot", "run-beside"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        ns_checkpoint *const ck = opened(names[i]);
        assert_int_equal(ns_checkpoint_count(ck), 3);
        expect_numbers(ck, "w", 6, (const float[]){0, 1, 2, 3, 4, 5});
        expect_numbers(ck, "t", 6, (const float[]){0, 3, 1, 4, 2, 5});
        expect_numbers(ck, "h", 3, (const float[]){1, 2, 3});
        assert_int_equal(ns_checkpoint_find(ck, "t")->view.shape[0], 3);
        assert_int_equal(ns_checkpoint_find(ck, "h")->view.dtype, NS_BF16);
        assert_int_equal(ns_checkpoint_find(ck, "t")->at, ns_checkpoint_find(ck, "w")->at);       /* where they lie: no copy */
        ns_checkpoint_free(ck);
    }
}

static void storages(void **state)
{
    (void)state;
    ns_checkpoint *ck = opened("legacy-view");
    expect_numbers(ck, "w", 3, (const float[]){2, 3, 4});
    ns_checkpoint_free(ck);
    ck = opened("zip-typed");
    const ns_tensor *const u = ns_checkpoint_find(ck, "u");
    uint16_t got[3];
    ns_error err = {""};
    assert_int_equal(u->view.dtype, NS_U16);
    assert_int_equal(ns_tensor_read(u, 0, 6, got, &err), NS_OK);
    assert_true(got[0] == 1 && got[1] == 2 && got[2] == 65535);
    assert_int_equal(ns_tensor_read(u, 1, 6, got, &err), NS_E_ARG);
    ns_checkpoint_free(ck);
    ck = opened("zip-1.6");
    const ns_tensor *const t = ns_checkpoint_find(ck, "t");
    const float want[6] = {0, 3, 1, 4, 2, 5};
    for (int64_t from = 0; from < t->n_bytes; from++)                              /* bytes of a transposed tensor, not by elements */
        for (int64_t n = 0; n <= t->n_bytes - from; n++) {
            char bytes[24];
            assert_int_equal(ns_tensor_read(t, from, n, bytes, &err), NS_OK);
            assert_memory_equal(bytes, (const char *)want + from, (size_t)n);
        }
    ns_checkpoint_free(ck);
}

static void notes(void **state)
{
    (void)state;
    static const struct { const char *file, *says[4]; } rows[] = {
        {"zip-1.6", {NULL}},
        {"zip-2.1-trainer", {"the weights are its 'model'; left out: 'optimizer', 'args', 'iter_num'",
                             "its pickle names 'argparse.Namespace': what they would make was left out, and none of it was executed",
                             "what wraps modules (_orig_mod, ...) is taken out of the names of 3 tensors", NULL}},
        {"run-beside", {"the weights are its 'model'; left out: 'x'", "its pickle names 'posix.system'", NULL}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ns_checkpoint *const ck = opened(rows[i].file);
        int n = 0;
        for (; rows[i].says[n]; n++) {
            assert_non_null(ns_checkpoint_note(ck, n));
            if (!strstr(ns_checkpoint_note(ck, n), rows[i].says[n]))
                fail_msg("%s: note %d is '%s'", rows[i].file, n, ns_checkpoint_note(ck, n));
        }
        assert_null(ns_checkpoint_note(ck, n));
        assert_null(ns_checkpoint_note(ck, -1));
        ns_checkpoint_free(ck);
    }
}

/* nanoGPT's model_args become a config; what is none says so. */
static void config_inside(void **state)
{
    (void)state;
    static const struct { const char *file, *type; } rows[] = {{"zip-nanogpt", "nanogpt"}, {"zip-nanogpt-plain", "nanogpt_plain"}};
    char *text, want[200];
    ns_error err = {""};
    for (int i = 0; i < 2; i++) {
        ns_checkpoint *const ck = opened(rows[i].file);
        snprintf(want, sizeof want, "{\"model_type\": \"%s\", \"n_layer\": 2, \"n_head\": 4, \"n_embd\": 64, \"block_size\": 32, "
                 "\"vocab_size\": 96}", rows[i].type);
        assert_int_equal(ns_checkpoint_config(ck, &text, NULL, &err), NS_OK);
        assert_string_equal(text, want);
        assert_non_null(strstr(ns_checkpoint_note(ck, 0), "its model_args say what model it is"));
        assert_non_null(strstr(ns_checkpoint_note(ck, 1), "left out: 'iter_num'"));
        free(text);
        ns_checkpoint_free(ck);
    }
    ns_checkpoint *const ck = opened("zip-nanogpt-no");
    assert_int_equal(ns_checkpoint_config(ck, &text, NULL, &err), NS_E_MISSING);
    assert_non_null(strstr(ns_checkpoint_note(ck, 0), "left out: 'model_args', 'iter_num'"));
    ns_checkpoint_free(ck);
}

static const struct lie { const char *file; int code; const char *says; } lies[] = {
    {"run-system", NS_E_UNSUPPORTED, "holds posix.system and no state dict; nothing that a pickle names is executed"},
    {"run-eval", NS_E_UNSUPPORTED, "holds builtins.eval and no state dict; nothing that a pickle names is executed"},
    {"run-module", NS_E_UNSUPPORTED, "holds argparse.Namespace and no state dict"},
    {"run-inst", NS_E_UNSUPPORTED, "the opcode 0x69"}, {"run-obj", NS_E_UNSUPPORTED, "the opcode 0x6f"},
    {"run-extension", NS_E_UNSUPPORTED, "the opcode 0x82"}, {"run-protocol0", NS_E_UNSUPPORTED, "the opcode 0x70"},
    {"stop-opcode", NS_E_UNSUPPORTED, "byte 2 of its pickle: the opcode 0xff"}, {"stop-early", NS_E_FORMAT, "of its pickle: it ends early"},
    {"stop-nothing", NS_E_FORMAT, "more from its stack than there is"},
    {"stop-below-mark", NS_E_FORMAT, "more from its stack than there is"},
    {"stop-no-mark", NS_E_FORMAT, "a mark from its stack where there is none"}, {"stop-memo", NS_E_FORMAT, "what it has not remembered"},
    {"stop-memo-far", NS_E_FORMAT, "more than 4194304 things"}, {"stop-text", NS_E_FORMAT, "it ends early"},
    {"stop-long-text", NS_E_FORMAT, "a text of more bytes"}, {"stop-odd", NS_E_FORMAT, "a key without a value"},
    {"stop-container", NS_E_FORMAT, "items without a container"}, {"stop-protocol", NS_E_FORMAT, "a protocol that is not known"},
    {"stop-global", NS_E_FORMAT, "it ends early"},
    {"lie-offset", NS_E_FORMAT, "tensor 'x': its shape, stride and offset (1) reach beyond the 24 bytes of its storage '0'"},
    {"lie-stride", NS_E_FORMAT, "reach beyond the 24 bytes"}, {"lie-shape", NS_E_FORMAT, "reach beyond the 24 bytes"},
    {"lie-stride-overflow", NS_E_FORMAT, "reach beyond the 24 bytes"},
    {"lie-stride-to-nothing", NS_E_FORMAT, "reach beyond the 24 bytes"}, {"lie-metadata", NS_E_FORMAT, "its metadata has 65 keys"},
    {"lie-negated", NS_E_UNSUPPORTED, "a view that negates"}, {"lie-overflow", NS_E_FORMAT, "its shape overflows"},
    {"lie-negative-stride", NS_E_FORMAT, "its stride has -1"}, {"lie-negative-offset", NS_E_FORMAT, "its offset is no number from 0 up"},
    {"lie-negative-shape", NS_E_FORMAT, "its shape has -2"}, {"lie-bool-size", NS_E_FORMAT, "its shape is no tuple of integers"},
    {"lie-elements", NS_E_FORMAT, "should have 2400 bytes, the file has 24"},
    {"lie-elements-overflow", NS_E_FORMAT, "of 4611686018427387904 elements is larger than any file"},
    {"lie-rank", NS_E_FORMAT, "more than 8 dimensions"},
    {"lie-ranks", NS_E_FORMAT, "a shape of 2 dimensions and 1 strides"}, {"lie-expanded", NS_E_FORMAT, "64 times the bytes of the file"},
    {"lie-shared", NS_E_FORMAT, "tensor 'n4': with it the tensors have more than 64 times the bytes of the file"},
    {"lie-complex", NS_E_UNSUPPORTED, "tensor 'x': is stored as torch.complex64"},
    {"lie-float8", NS_E_FORMAT, "its storage '0' of 4 elements is not in the file"},
    {"lie-sparse", NS_E_UNSUPPORTED, "'x' is made by torch._utils._rebuild_sparse_tensor"},
    {"lie-no-storage", NS_E_FORMAT, "its storage '0' of 6 elements is not in the file"},
    {"lie-control-name", NS_E_FORMAT, "is no plain text"},
    {"zip-cut", NS_E_FORMAT, "whose end is missing"}, {"zip-deflated", NS_E_UNSUPPORTED, "is compressed (method 8)"},
    {"zip-password", NS_E_UNSUPPORTED, "with a password"}, {"zip-twice", NS_E_FORMAT, "'archive/data/0' is twice"},
    {"zip-two-roots", NS_E_FORMAT, "two data.pkl in it"}, {"zip-no-pickle", NS_E_UNSUPPORTED, "without a data.pkl"},
    {"zip-arrays", NS_E_UNSUPPORTED, "NumPy arrays"}, {"zip-script", NS_E_UNSUPPORTED, "a TorchScript program"},
    {"zip-big-endian", NS_E_UNSUPPORTED, "in the byte order 'big'"}, {"zip-many", NS_E_FORMAT, "has 60000 entries in"},
    {"zip-directory-beyond", NS_E_FORMAT, "whose directory does not lie in the file"}, {"zip-disks", NS_E_FORMAT, "of several disks"},
    {"zip-no-zip64", NS_E_FORMAT, "without the zip64 record"}, {"zip-overlap", NS_E_FORMAT, "lies in the place of another entry"},
    {"zip-header-beyond", NS_E_FORMAT, "an entry that does not lie in the file"},
    {"zip-header-elsewhere", NS_E_FORMAT, "an entry that is not where the directory says"},
    {"zip-size-into-next", NS_E_FORMAT, "should have 25 bytes, which reach beyond its place"},
    {"zip-size-beyond", NS_E_FORMAT, "should have 1000000 bytes, which reach beyond its place"},
    {"legacy-big-endian", NS_E_UNSUPPORTED, "its numbers are big-endian"},
    {"legacy-protocol", NS_E_UNSUPPORTED, "another protocol than 1001"},
    {"legacy-cut", NS_E_FORMAT, "it says 3, and 2 bytes are left"},
    {"legacy-missing-key", NS_E_FORMAT, "its storage '1' of 3 elements is not in the file"},
    {"legacy-other-key", NS_E_FORMAT, "the storage '7' stands in its list and in no tensor"}, {"legacy-twice", NS_E_FORMAT, "or twice"},
    {"legacy-no-keys", NS_E_FORMAT, "no list of its storages"}, {"legacy-elements", NS_E_FORMAT, "it says 1152921504606846976"},
    {"legacy-two-types", NS_E_FORMAT, "two sizes or types"}, {"legacy-view-beyond", NS_E_FORMAT, "the storage '9' stands in its list"},
};

static void every_lie(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        ns_checkpoint *ck = NULL;
        ns_error err = {""};
        const int code = ns_checkpoint_open(&ck, path_of(lies[i].file), NULL, &err);
        if (code != lies[i].code || ck || !strstr(err.message, lies[i].says) || !strstr(err.message, lies[i].file))
            fail_msg("%s: wanted %d '%s', got %d '%s'", lies[i].file, lies[i].code, lies[i].says, code, err.message);
    }
}

/* A good file cut anywhere, and each of its bytes turned over: an error with a line, or tensors that can be read. */
static void cut_and_changed(void **state)
{
    (void)state;
    static char bytes[1 << 14];
    FILE *const f = fopen(path_of("zip-2.1-trainer"), "rb");
    assert_non_null(f);
    const size_t n = fread(bytes, 1, sizeof bytes, f);
    assert_true(n > 1000 && n < sizeof bytes);
    assert_int_equal(fclose(f), 0);
    for (size_t i = 0; i < 2 * n; i++) {
        ns_checkpoint *ck = NULL;
        ns_error err = {""};
        if (i >= n)
            bytes[i - n] ^= 0x20;
        unlink(in_scratch("changed.pt"));                      /* a new file is written in no time, an old one anew waits for the disk */
        put_file("changed.pt", bytes, i < n ? i : n);
        if (i >= n)
            bytes[i - n] ^= 0x20;
        const int code = ns_checkpoint_open(&ck, in_scratch("changed.pt"), NULL, &err);
        assert_true((code == NS_OK) == (ck != NULL) && (code == NS_OK || *err.message) && (i >= n || code != NS_OK));
        for (int64_t k = 0; ck && k < ns_checkpoint_count(ck); k++) {
            char out[64];
            const ns_tensor *const t = ns_checkpoint_tensor(ck, k);
            assert_true(t->n_bytes <= 64 && ns_tensor_read(t, 0, t->n_bytes, out, &err) == NS_OK);
        }
        ns_checkpoint_free(ck);
    }
}

static void copy_to(const char *from, const char *to)
{
    char bytes[1 << 14];
    FILE *const f = fopen(path_of(from), "rb");
    assert_non_null(f);
    const size_t n = fread(bytes, 1, sizeof bytes, f);
    assert_int_equal(fclose(f), 0);
    put_file(to, bytes, n);
}

/* pytorch_model.bin, its index, one file; safetensors come first, as in transformers, and a note says so. */
static void folders(void **state)
{
    (void)state;
    static const char json[] = "{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}";
    ns_checkpoint *ck = NULL;
    ns_error err = {""};
    put_folder("hf");
    copy_to("zip-1.6", "hf/pytorch_model.bin");
    put_text("hf/optimizer.pt", "x");
    put_text("hf/training_args.bin", "x");
    assert_int_equal(ns_checkpoint_open(&ck, in_scratch("hf"), NULL, &err), NS_OK);
    assert_int_equal(ns_checkpoint_count(ck), 3);
    assert_null(ns_checkpoint_note(ck, 0));
    ns_checkpoint_free(ck);
    put_safetensors("hf/model.safetensors", json, sizeof json - 1, -1, 4);
    assert_int_equal(ns_checkpoint_open(&ck, in_scratch("hf"), NULL, &err), NS_OK);
    assert_int_equal(ns_checkpoint_count(ck), 1);
    assert_non_null(strstr(ns_checkpoint_note(ck, 0), "model.safetensors is read, and pytorch_model.bin beside it is not"));
    ns_checkpoint_free(ck);
    put_folder("sharded");
    copy_to("zip-1.6", "sharded/pytorch_model-00001-of-00002.bin");
    copy_to("zip-typed", "sharded/pytorch_model-00002-of-00002.bin");
    put_text("sharded/pytorch_model.bin.index.json",
             "{\"weight_map\":{\"w\":\"pytorch_model-00001-of-00002.bin\",\"t\":\"pytorch_model-00001-of-00002.bin\","
             "\"h\":\"pytorch_model-00001-of-00002.bin\",\"u\":\"pytorch_model-00002-of-00002.bin\"}}");
    assert_int_equal(ns_checkpoint_open(&ck, in_scratch("sharded"), NULL, &err), NS_OK);
    assert_int_equal(ns_checkpoint_count(ck), 4);
    ns_checkpoint_free(ck);
    put_text("sharded/pytorch_model.bin.index.json", "{\"weight_map\":{\"w\":\"pytorch_model-00001-of-00002.bin\"}}");
    assert_int_equal(ns_checkpoint_open(&ck, in_scratch("sharded"), NULL, &err), NS_E_FORMAT);
    assert_non_null(strstr(err.message, "is not in"));
    put_folder("out");
    copy_to("zip-2.1-trainer", "out/ckpt.pt");
    assert_int_equal(ns_checkpoint_open(&ck, in_scratch("out"), NULL, &err), NS_OK);
    ns_checkpoint_free(ck);
    copy_to("zip-1.6", "out/last.pt");
    assert_int_equal(ns_checkpoint_open(&ck, in_scratch("out"), NULL, &err), NS_E_MISSING);
    assert_non_null(strstr(err.message, "2 files of weights but no pytorch_model.bin.index.json"));
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_layout), cmocka_unit_test(storages), cmocka_unit_test(notes), cmocka_unit_test(config_inside),
        cmocka_unit_test(every_lie),
        cmocka_unit_test(cut_and_changed), cmocka_unit_test(folders),
    };
    corpus = argc > 1 ? argv[1] : ".";
    return cmocka_run_group_tests_name("torch", tests, scratch_make, scratch_remove);
}
