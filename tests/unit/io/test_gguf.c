/* test_gguf.c - GGUF: blocks to the bit, parts of tensors, parts of files, what is undone, config and tokenizer, and what is refused.
 *
 * argv: gguf/ (make_gguf_golden.py) and the seeds of the fuzz target (tests/fuzz/make_gguf.py). */
#include "scratch.h"

#include <needlescope/checkpoint.h>
#include <needlescope/tokenizer.h>

static const char *golden, *seeds;

static const char *in(const char *folder, const char *name)
{
    static char paths[4][4096];
    static int next;
    char *const path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static ns_checkpoint *opened(const char *path)
{
    ns_checkpoint *ck = NULL;
    ns_error err = {""};
    if (ns_checkpoint_open(&ck, path, NULL, &err) != NS_OK)
        fail_msg("%s", err.message);
    return ck;
}

static void refused(const char *path, int code, const char *says)
{
    ns_checkpoint *ck = NULL;
    ns_error err = {""};
    const int rc = ns_checkpoint_open(&ck, path, NULL, &err);
    if (rc != code || ck || !strstr(err.message, says))
        fail_msg("%s: %d '%s', and %d '%s' is wanted", path, rc, err.message, code, says);
}

static void *bytes_of(const char *path, size_t *n)
{
    FILE *const f = fopen(path, "rb");
    assert_non_null(f);
    fseek(f, 0, SEEK_END);
    *n = (size_t)ftell(f);
    rewind(f);
    void *const bytes = malloc(*n);
    assert_true(bytes && fread(bytes, 1, *n, f) == *n);
    fclose(f);
    return bytes;
}

static void copy_to_scratch(const char *name)
{
    size_t n;
    void *const bytes = bytes_of(in(golden, name), &n);
    put_file(name, bytes, n);
    free(bytes);
}

/* Blocks as gguf.dequantize has them, whole and in every part of a length that no block has. */
static void blocks_to_the_bit(void **state)
{
    (void)state;
    size_t n_bytes, at = 0;
    float *const want = bytes_of(in(golden, "blocks.f32"), &n_bytes), got[512];
    ns_checkpoint *const ck = opened(in(golden, "blocks.gguf"));
    ns_error err;
    assert_int_equal(ns_checkpoint_count(ck), 23);
    for (int64_t i = 0; i < ns_checkpoint_count(ck); i++) {
        const ns_tensor *const t = ns_checkpoint_tensor(ck, i);
        const int64_t n = ns_view_count(&t->view);
        assert_string_equal(ns_tensor_stored(t), t->name);
        assert_true(at + (size_t)n <= n_bytes / sizeof *want);
        assert_int_equal(ns_tensor_read_f32(t, 0, n, got, &err), NS_OK);
        assert_memory_equal(got, want + at, (size_t)n * sizeof *got);
        for (int64_t first = 0; first < n; first += 7) {
            const int64_t length = n - first < 45 ? n - first : 45;
            assert_int_equal(ns_tensor_read_f32(t, first, length, got, &err), NS_OK);
            assert_memory_equal(got, want + at + first, (size_t)length * sizeof *got);
        }
        at += (size_t)n;
    }
    assert_int_equal(at * sizeof *want, n_bytes);
    ns_checkpoint_free(ck);
    free(want);
}

static void parts_are_the_whole(void **state)
{
    (void)state;
    put_folder("parts");
    copy_to_scratch("m-00001-of-00002.gguf");
    copy_to_scratch("m-00002-of-00002.gguf");
    ns_checkpoint *const whole = opened(in(golden, "whole.gguf"));
    const char *const paths[] = {in_scratch("m-00001-of-00002.gguf"), in_scratch("m-00002-of-00002.gguf"), scratch};
    ns_error err;
    for (int p = 0; p < 3; p++) {
        ns_checkpoint *const ck = opened(paths[p]);
        assert_int_equal(ns_checkpoint_count(ck), ns_checkpoint_count(whole));
        for (int64_t i = 0; i < ns_checkpoint_count(whole); i++) {
            const ns_tensor *const a = ns_checkpoint_tensor(whole, i), *const b = ns_checkpoint_find(ck, a->name);
            float x[1024], y[1024];
            assert_non_null(b);
            assert_int_equal(ns_tensor_read_f32(a, 0, ns_view_count(&a->view), x, &err), NS_OK);
            assert_int_equal(ns_tensor_read_f32(b, 0, ns_view_count(&a->view), y, &err), NS_OK);
            assert_memory_equal(x, y, (size_t)ns_view_count(&a->view) * sizeof *x);
        }
        ns_checkpoint_free(ck);
    }
    ns_checkpoint_free(whole);
    assert_int_equal(rename(in_scratch("m-00002-of-00002.gguf"), in_scratch("m-00002-of-00002.away")), 0);
    refused(in_scratch("m-00001-of-00002.gguf"), NS_E_MISSING, "m-00002-of-00002.gguf: no such file: it is part 2 of 2");
    assert_int_equal(rename(in_scratch("m-00001-of-00002.gguf"), in_scratch("m-00002-of-00002.gguf")), 0);
    assert_int_equal(rename(in_scratch("m-00002-of-00002.away"), in_scratch("m-00001-of-00002.gguf")), 0);
    refused(in_scratch("m-00001-of-00002.gguf"), NS_E_MISSING, "is part 1 of 2, where part 2 of 2 was looked for");
    refused(in(seeds, "part"), NS_E_MISSING, "is part 1 of 2, where part 1 of 1 was looked for");
}

/* The stored numbers and those that the model gets. */
static void both(const ns_checkpoint *ck, const char *name, float *raw, float *got, int64_t n)
{
    ns_error err;
    const ns_tensor *const t = ns_checkpoint_find(ck, name);
    assert_non_null(t);
    assert_int_equal(ns_view_count(&t->view), n);
    assert_int_equal(ns_tensor_read(t, 0, n * (int64_t)sizeof *raw, raw, &err), NS_OK);
    assert_int_equal(ns_tensor_read_f32(t, 0, n, got, &err), NS_OK);
}

static void conversions_are_undone(void **state)
{
    (void)state;
    enum { W = 32, HEADS = 2, D = 16 };
    ns_checkpoint *ck = opened(in(golden, "whole.gguf"));
    ns_error err;
    float got[W * W], row[W], raw[W * W];
    const ns_tensor *const q = ns_checkpoint_find(ck, "model.layers.0.self_attn.q_proj.weight");
    const ns_tensor *const v = ns_checkpoint_find(ck, "model.layers.0.self_attn.v_proj.weight");
    assert_true(q && v);
    /* q's and v's bytes are equal in the seed; v lies as it is */
    assert_int_equal(ns_tensor_read_f32(v, 0, W * W, raw, &err), NS_OK);
    assert_int_equal(ns_tensor_read_f32(q, 0, W * W, got, &err), NS_OK);
    for (int h = 0; h < HEADS; h++)
        for (int half = 0; half < 2; half++)
            for (int i = 0; i < D / 2; i++)
                assert_memory_equal(got + (h * D + half * D / 2 + i) * W, raw + (h * D + 2 * i + half) * W, W * sizeof *got);
    assert_int_equal(ns_tensor_read_f32(q, 3 * W + 5, W, row, &err), NS_OK);
    assert_memory_equal(row, got + 3 * W + 5, sizeof row);
    ns_checkpoint_free(ck);

    ck = opened(in(seeds, "gpt2"));
    both(ck, "transformer.h.0.attn.c_attn.weight", raw, got, 4 * 12);
    const ns_view *const view = &ns_checkpoint_find(ck, "transformer.h.0.attn.c_attn.weight")->view;
    assert_true(view->shape[0] == 4 && view->shape[1] == 12);
    for (int i = 0; i < 4; i++)
        for (int o = 0; o < 12; o++)
            assert_memory_equal(&got[i * 12 + o], &raw[o * 4 + i], sizeof *got);
    ns_checkpoint_free(ck);

    ck = opened(in(seeds, "gemma3"));
    both(ck, "model.norm.weight", raw, got, 4);
    for (int i = 0; i < 4; i++)
        assert_true(got[i] == raw[i] - 1);
    ns_checkpoint_free(ck);
}

/* One tensor of three experts is three: the same numbers, whichever way they are stored. */
static void experts_are_parts(void **state)
{
    (void)state;
    enum { N = 3, MOST = 3 * 32 * 32 };
    static const char *const from[] = {"experts_llama", "experts_type8"};
    static const char *const stored[] = {"F16", "Q8_0"};
    for (int f = 0; f < 2; f++) {
        ns_checkpoint *const ck = opened(in(seeds, from[f]));
        ns_error err;
        static float all[MOST], one[MOST];
        const ns_tensor *const first = ns_checkpoint_find(ck, "model.layers.0.block_sparse_moe.experts.0.w2.weight");
        assert_non_null(first);
        ns_tensor whole = *first;
        const int64_t shape[3] = {N, first->view.shape[0], first->view.shape[1]}, n = ns_view_count(&first->view);
        assert_true(first->view.rank == 2 && shape[1] < shape[2] + (f == 1));             /* [width, d_ff] */
        assert_string_equal(ns_tensor_stored(first), stored[f]);
        whole.view = ns_view_of(NULL, first->view.dtype, 3, shape);
        whole.n_bytes *= N;
        assert_int_equal(ns_tensor_read_f32(&whole, 0, N * n, all, &err), NS_OK);
        for (int e = 0; e < N; e++) {
            char name[96];
            snprintf(name, sizeof name, "model.layers.0.block_sparse_moe.experts.%d.w2.weight", e);
            const ns_tensor *const t = ns_checkpoint_find(ck, name);
            assert_true(t && ns_view_count(&t->view) == n);
            assert_int_equal(ns_tensor_read_f32(t, 0, n, one, &err), NS_OK);
            assert_memory_equal(one, all + e * n, (size_t)n * sizeof *one);
        }
        assert_null(ns_checkpoint_find(ck, "model.layers.0.block_sparse_moe.experts.3.w2.weight"));
        ns_checkpoint_free(ck);
    }
}

static void config_of(const char *path, const char *const *says, int n)
{
    ns_checkpoint *const ck = opened(path);
    ns_error err = {""};
    char *text = NULL;
    size_t length = 0;
    assert_int_equal(ns_checkpoint_config(ck, &text, &length, &err), NS_OK);
    assert_int_equal(strlen(text), length);
    assert_string_equal(ns_checkpoint_config_path(ck), path);
    for (int i = 0; i < n; i++)
        if (!strstr(text, says[i]))
            fail_msg("%s: no %s in %s", path, says[i], text);
    free(text);
    ns_checkpoint_free(ck);
}

static void config_from_the_metadata(void **state)
{
    (void)state;
    static const char *const llama[] = {"\"model_type\":\t\"llama\"", "\"num_key_value_heads\":\t2", "\"head_dim\":\t2",
                                        "\"tie_word_embeddings\":\ttrue", "\"rope_theta\":\t10000"};
    static const char *const half[] = {"\"tie_word_embeddings\":\tfalse", "\"rope_theta\":\t500", "\"rope_type\":\t\"longrope\"",
                                       "\"attention_factor\":\t1"};
    static const char *const gemma3[] = {"\"model_type\":\t\"gemma3_text\"", "\"sliding_window\":\t4", "\"query_pre_attn_scalar\":\t2",
                                         "\"rope_local_base_freq\":\t10000"};
    config_of(in(seeds, "llama"), llama, 5);
    config_of(in(seeds, "llama_half"), half, 4);
    config_of(in(seeds, "gemma3"), gemma3, 4);
    ns_checkpoint *const ck = opened(in(seeds, "type12"));
    ns_error err = {""};
    char *text = NULL;
    assert_int_equal(ns_checkpoint_config(ck, &text, NULL, &err), NS_E_UNSUPPORTED);
    assert_true(!text && strstr(err.message, "general.architecture 'none' is not read from GGUF (llama, smollm3, granite, qwen2, "));
    ns_checkpoint_free(ck);
}

static void ids_of(const char *path, const char *line, const int32_t *want, int64_t n)
{
    ns_tokenizer *tok = NULL;
    ns_encoding e = {0};
    ns_error err = {""};
    if (ns_tokenizer_open(&tok, path, &err) != NS_OK || ns_encode(tok, line, strlen(line), true, &e, &err) != NS_OK)
        fail_msg("%s", err.message);
    assert_int_equal(e.n, n);
    for (int64_t i = 0; i < n; i++)
        assert_int_equal(e.ids[i], want[i]);
    ns_encoding_clear(&e);
    ns_tokenizer_free(tok);
}

static void tokenizer_from_the_metadata(void **state)
{
    (void)state;
    char hash[65], again[65];
    ns_error err;
    ids_of(in(seeds, "bytes"), "ab a[N]<s>", (const int32_t[]){6, 2, 5, 7, 6}, 5);
    ids_of(in(seeds, "sentences"), "ab bb", (const int32_t[]){1, 9, 4, 10, 2}, 5);          /* the best score first: _a, bb, _ab */
    ids_of(in(seeds, "sentences"), "babb", (const int32_t[]){1, 4, 6, 8, 6, 2}, 6);          /* ab and bb are equal: the leftmost */
    ids_of(in(seeds, "sentences"), "A[N]b", (const int32_t[]){1, 4, 3, 11, 4, 6, 2}, 7);      /* a byte; a user's token */
    assert_int_equal(ns_tokenizer_file_sha256(in(seeds, "bytes"), hash, &err), NS_OK);
    assert_int_equal(ns_tokenizer_file_sha256(in(golden, "whole.gguf"), again, &err), NS_OK);
    assert_string_equal(hash, again);                                                     /* of the tokenizer, not of the file */
    assert_int_equal(ns_tokenizer_file_sha256(in(seeds, "sentences"), again, &err), NS_OK);
    assert_string_not_equal(hash, again);
}

/* The template is text that nobody runs; of a file without one, and of other files, there is none. */
static void chat_template_is_text(void **state)
{
    (void)state;
    char *text = NULL;
    ns_error err = {""};
    assert_int_equal(ns_tokenizer_chat_template(&text, in(seeds, "template"), &err), NS_OK);
    assert_string_equal(text, "{{ ''.__class__.__mro__[1].__subclasses__() }}");
    free(text);
    assert_int_equal(ns_tokenizer_chat_template(&text, in(seeds, "sentences"), &err), NS_OK);
    assert_null(text);
    assert_int_equal(ns_tokenizer_chat_template(&text, in(golden, "blocks.f32"), &err), NS_OK);
    assert_null(text);
    assert_int_equal(ns_tokenizer_chat_template(&text, in(seeds, "template_u32"), &err), NS_E_FORMAT);
    assert_true(!text && strstr(err.message, "'tokenizer.chat_template' is not a text in UTF-8"));
}

static void tokenizer_refused(const char *name, int code, const char *says)
{
    ns_tokenizer *tok = NULL;
    ns_error err = {""};
    assert_int_equal(ns_tokenizer_open(&tok, in(seeds, name), &err), code);
    if (tok || !strstr(err.message, says))
        fail_msg("%s: '%s', and '%s' is wanted", name, err.message, says);
}

static void what_is_wrong_is_refused(void **state)
{
    (void)state;
    static const struct { const char *seed; int code; const char *says; } rows[] = {
        {"version1", NS_E_UNSUPPORTED, "GGUF version 1"},
        {"big_endian", NS_E_UNSUPPORTED, "of a big-endian machine (convert it: gguf-convert-endian"},
        {"q8_k", NS_E_UNSUPPORTED, "tensor 'w' is Q8_K, which is not read (take a file of the same model in F16"},
        {"alignment0", NS_E_FORMAT, "general.alignment is 0, not a power of two"},
        {"alignment_odd", NS_E_FORMAT, "general.alignment is 48"},
        {"counts", NS_E_FORMAT, "1152921504606846976 tensors"},
        {"string", NS_E_FORMAT, "a key of 18446744073709551608 bytes"},
        {"array", NS_E_FORMAT, "'k' is an array of 2305843009213693952"},
        {"nested", NS_E_FORMAT, "'k' is an array of type 9"},
        {"zero", NS_E_FORMAT, "tensor 'w' has a dimension below 1"},
        {"overflow", NS_E_FORMAT, "tensor 'w' has a shape that overflows"},
        {"rank", NS_E_FORMAT, "tensor 'w' has not 1 to 4 dimensions"},
        {"twice", NS_E_FORMAT, "'general.architecture' is given twice"},
        {"two_names", NS_E_FORMAT, "tensor 'w'"},
        {"odd_pairs", NS_E_FORMAT, "'blk.0.attn_q.weight' has rows that are no pairs for each head"},
        {"short", NS_E_FORMAT, "ends behind the end of the file"},
        {"alignment_huge", NS_E_FORMAT, "not a power of two up to 1048576"},
        {"sum", NS_E_FORMAT, "tensor 'v' ends behind the end of the file"},
        {"longer_token", NS_E_FORMAT, "a string of an array of 18446744073709551615 bytes"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        refused(in(seeds, rows[i].seed), rows[i].code, rows[i].says);
    tokenizer_refused("scores_u8", NS_E_FORMAT, "'tokenizer.ggml.scores' is not a list of 32-bit floats");
    tokenizer_refused("longer_token", NS_E_FORMAT, "18446744073709551615 bytes");
    ids_of(in(seeds, "byte_signed"), "A", (const int32_t[]){1, 4, 0, 2}, 4);       /* <0x-1> is no byte */
    ids_of(in(seeds, "template"), "A", (const int32_t[]){1, 4, 3, 2}, 4);          /* its template is text, and nobody runs it */
    tokenizer_refused("tokenizer_bert", NS_E_UNSUPPORTED, "tokenizer.ggml.model is 'bert': gpt2 (byte-level BPE) and llama "
                      "(SentencePiece BPE) are read (give the model's own tokenizer.json with --tokenizer)");
    tokenizer_refused("tokenizer_t5", NS_E_UNSUPPORTED, "tokenizer.ggml.model is 't5'");
    tokenizer_refused("tokenizer_rwkv", NS_E_UNSUPPORTED, "tokenizer.ggml.model is 'rwkv'");
    tokenizer_refused("bos_beyond", NS_E_FORMAT, "tokenizer.ggml.bos_token_id is 8, and there are 8 tokens");
}

/* Counts and lengths that the file would hold, which is 1 GB of holes, and that nobody needs: no memory is taken for them. */
static void limits_hold_in_large_files(void **state)
{
    (void)state;
    enum { AT = 24 };                    /* behind magic, version and the two counts */
    static const struct { uint64_t tensors, values; const char *then; size_t n; const char *says; } rows[] = {
        {1 << 20, 65537, "", 0, "1048576 tensors and 65537 values (at most 1048576 and 65536)"},
        {(1 << 20) + 1, 0, "", 0, "1048577 tensors and 0 values"},
        {0, 1, "\1\1\0\0\0\0\0\0", 8, "a key of 257 bytes"},
        {0, 1, "\1\0\0\0\0\0\0\0k\10\0\0\0\1\0\0\4\0\0\0\0", 21, "a string of 67108865 bytes"},
        {0, 1, "\1\0\0\0\0\0\0\0k\11\0\0\0\0\0\0\0\1\0\0\4\0\0\0\0", 25, "'k' is an array of 67108865 (at most 67108864)"},
        {0, 1, "\1\0\0\0\0\0\0\0k\11\0\0\0\12\0\0\0\0\0\0\4\0\0\0\0", 25, "a header of more than 268435456 bytes"},
        {1, 0, "\1\0\0\0\0\0\0\0w\1\0\0\0\1\0\0\0\0\0\0\0\0\0\0\0\40\0\0\0\0\0\0\0", 33,
         "tensor 'w' begins at data byte 32, the ones before it end at 0"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint8_t bytes[AT + 64] = "GGUF\3";
        memcpy(bytes + 8, &rows[i].tensors, 8);
        memcpy(bytes + 16, &rows[i].values, 8);
        memcpy(bytes + AT, rows[i].then, rows[i].n);
        put_file("holes.gguf", bytes, AT + rows[i].n);
        assert_int_equal(truncate(in_scratch("holes.gguf"), 1 << 30), 0);
        refused(in_scratch("holes.gguf"), i == 5 ? NS_E_UNSUPPORTED : NS_E_FORMAT, rows[i].says);
    }
}

/* However the file is cut, it is refused. */
static void every_cut_is_refused(void **state)
{
    (void)state;
    size_t n;
    uint8_t *const bytes = bytes_of(in(seeds, "llama"), &n);
    ns_checkpoint *ck = NULL;
    ns_error err;
    put_file("cut.gguf", bytes, n);
    for (size_t cut = n - 32; cut > 0; cut -= cut > 16 ? 3 : 1) {         /* the last tensor's padding may be absent */
        assert_int_equal(truncate(in_scratch("cut.gguf"), (off_t)cut), 0);
        assert_int_equal(ns_checkpoint_open(&ck, in_scratch("cut.gguf"), NULL, &err), NS_E_FORMAT);
        assert_null(ck);
    }
    free(bytes);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_to_the_bit), cmocka_unit_test(parts_are_the_whole), cmocka_unit_test(conversions_are_undone),
        cmocka_unit_test(experts_are_parts),
        cmocka_unit_test(config_from_the_metadata), cmocka_unit_test(tokenizer_from_the_metadata),
        cmocka_unit_test(chat_template_is_text), cmocka_unit_test(what_is_wrong_is_refused), cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(limits_hold_in_large_files),
    };
    if (argc != 3)
        return 2;
    golden = argv[1];
    seeds = argv[2];
    return cmocka_run_group_tests_name("gguf", tests, scratch_make, scratch_remove);
}
