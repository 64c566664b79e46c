/* test_llama2c.c - files in both of llama2.c's layouts, written here as export.py orders them: every tensor's name, shape and numbers; what
 * they say of their model and tokenizer; files that lie. */
#include "scratch.h"

#include <math.h>
#include <sys/stat.h>
#include <needlescope/checkpoint.h>
#include <needlescope/tokenizer.h>

enum { D = 8, F = 6, L = 2, H = 2, G = 1, V = 5, T = 4, HEAD = D / H, KV = D / H * G };

/* ---- a file: each tensor's numbers count from a thousand times its place in the list below ---- */

typedef struct entry { const char *name; int rows, cols, heads; } entry;
static const entry in_layer[] = {
    {"input_layernorm", D, 1, 0}, {"self_attn.q_proj", D, D, H}, {"self_attn.k_proj", KV, D, G}, {"self_attn.v_proj", KV, D, 0},
    {"self_attn.o_proj", D, D, 0}, {"post_attention_layernorm", D, 1, 0}, {"mlp.gate_proj", F, D, 0}, {"mlp.down_proj", D, F, 0},
    {"mlp.up_proj", F, D, 0},
};
enum { NORM1, WQ, WK, WV, WO, NORM2, W1, W2, W3, N_IN_LAYER, EMBED = 50, NORM, OUTPUT };

static FILE *out;

static void put_floats(int first, int n)
{
    for (int i = 0; i < n; i++) {
        const float x = (float)(first * 1000 + i);
        assert_int_equal(fwrite(&x, sizeof x, 1, out), 1);
    }
}

static void put_layers(int which)
{
    for (int l = 0; l < L; l++)
        put_floats(10 * l + which, in_layer[which].rows * in_layer[which].cols);
}

static void put_ints(const int32_t *list, size_t n)
{
    assert_int_equal(fwrite(list, sizeof *list, n, out), n);
}

static void write_file(const char *name, int version, bool shared)
{
    static const uint8_t zeros[256];
    static const int orders[2][N_IN_LAYER] = {{NORM1, WQ, WK, WV, WO, NORM2, W1, W2, W3}, {NORM1, NORM2, WQ, WK, WV, WO, W1, W2, W3}};
    const int32_t sizes[7] = {D, F, L, H, G, version == 0 && !shared ? -V : V, T};
    out = fopen(in_scratch(name), "wb");
    assert_non_null(out);
    if (version)
        put_ints((const int32_t[]){0x616b3432, version}, 2);
    put_ints(sizes, 7);
    if (version) {
        fputc(shared, out);
        fwrite(zeros, 1, (size_t)(256 - ftell(out)), out);
    } else {
        put_floats(EMBED, V * D);
    }
    for (int i = 0; i < N_IN_LAYER; i++) {
        put_layers(orders[version != 0][i]);
        if (version && i == 1) {
            put_floats(NORM, D);
            put_floats(EMBED, V * D);
        }
    }
    if (!version) {
        put_floats(NORM, D);
        put_floats(0, T * HEAD);
    }
    if (!shared)
        put_floats(OUTPUT, V * D);
    assert_int_equal(fclose(out), 0);
}

/* ---- what is read ---- */

/* Row r of the tensor lies in the file at the place of the pair that it rotates with. */
static void expect(const ns_checkpoint *ck, const char *name, int first, const entry *e)
{
    float x[64];
    const ns_tensor *const t = ns_checkpoint_find(ck, name);
    if (!t)
        fail_msg("no tensor '%s'", name);
    assert_int_equal(t->view.rank, e->cols > 1 ? 2 : 1);
    assert_int_equal(t->view.shape[0], e->rows);
    assert_int_equal(ns_tensor_read_f32(t, 0, e->rows * e->cols, x, NULL), NS_OK);
    const int d = e->heads ? e->rows / e->heads : 1;
    for (int r = 0; r < e->rows; r++)
        for (int c = 0; c < e->cols; c++) {
            const int in_head = r % d, place = e->heads ? r - in_head + in_head % (d / 2) * 2 + in_head / (d / 2) : r;
            assert_true(x[r * e->cols + c] == (float)(first * 1000 + place * e->cols + c));
        }
}

static ns_checkpoint *opened(const char *name)
{
    ns_checkpoint *ck = NULL;
    ns_error err = {""};
    if (ns_checkpoint_open(&ck, in_scratch(name), NULL, &err))
        fail_msg("%s", err.message);
    return ck;
}

static void check_file(int version, bool shared)
{
    char name[100];
    write_file("model.bin", version, shared);
    ns_checkpoint *const ck = opened("model.bin");
    assert_int_equal(ns_checkpoint_count(ck), L * N_IN_LAYER + 2 + !shared);
    for (int l = 0; l < L; l++)
        for (int i = 0; i < N_IN_LAYER; i++) {
            snprintf(name, sizeof name, "model.layers.%d.%s.weight", l, in_layer[i].name);
            expect(ck, name, 10 * l + i, &in_layer[i]);
        }
    expect(ck, "model.embed_tokens.weight", EMBED, &(entry){NULL, V, D, 0});
    expect(ck, "model.norm.weight", NORM, &(entry){NULL, D, 1, 0});
    if (!shared)
        expect(ck, "lm_head.weight", OUTPUT, &(entry){NULL, V, D, 0});
    char *config = NULL;
    assert_int_equal(ns_checkpoint_config(ck, &config, NULL, NULL), NS_OK);
    assert_non_null(strstr(config, shared ? "\"tie_word_embeddings\": true" : "\"tie_word_embeddings\": false"));
    assert_non_null(strstr(config, "\"num_key_value_heads\": 1"));
    assert_null(ns_checkpoint_tokenizer_path(ck));
    free(config);
    ns_checkpoint_free(ck);
}

static void layouts(void **state)
{
    (void)state;
    for (int version = 0; version < 2; version++)
        for (int shared = 0; shared < 2; shared++)
            check_file(version, shared);
}

/* ---- the tokenizer beside it ---- */

static void put_piece(float score, const char *text, int32_t n)
{
    assert_int_equal(fwrite(&score, sizeof score, 1, out), 1);
    put_ints(&n, 1);
    assert_int_equal(fwrite(text, 1, strlen(text), out), strlen(text));
}

static void write_tokenizer(const char *name, const char *unknown, float score, int32_t longer)
{
    char byte[8];
    static const char *const pieces[] = {" ", "a", "b", " a", "ab", " ab", "\xc3\xa9"};
    out = fopen(in_scratch(name), "wb");
    assert_non_null(out);
    put_ints((const int32_t[]){6}, 1);
    put_piece(0, unknown, (int32_t)strlen(unknown));
    put_piece(0, "\n<s>\n", 5);
    put_piece(0, "\n</s>\n", 6);
    for (int i = 0; i < 256; i++) {
        snprintf(byte, sizeof byte, "<0x%02X>", i);
        put_piece(0, byte, 6);
    }
    for (int i = 0; i < 7; i++)
        put_piece(i == 3 ? score : (float)-i, pieces[i], (int32_t)strlen(pieces[i]) + (i == 6 ? longer : 0));
    assert_int_equal(fclose(out), 0);
}

static void expect_ids(const ns_tokenizer *tok, const char *text, const int32_t *want)
{
    ns_encoding e = {0};
    assert_int_equal(ns_encode(tok, text, strlen(text), true, &e, NULL), NS_OK);
    int64_t n = 0;
    for (; want[n] >= 0; n++)
        assert_true(n < e.n && e.ids[n] == want[n]);
    assert_int_equal(e.n, n);
    ns_encoding_clear(&e);
}

/* By hand, as llama2.c's encode joins: " ab" is " a" and "b" before "ab" is made, since " a" has the better score. */
static void tokenizers(void **state)
{
    (void)state;
    ns_tokenizer *tok = NULL;
    ns_error err = {""};
    write_file("model.bin", 0, true);
    write_tokenizer("tokenizer.bin", "<unk>", -3, 0);
    write_tokenizer("tok5.bin", "<unk>", -9, 0);
    ns_checkpoint *const ck = opened("model.bin");
    assert_string_equal(ns_checkpoint_tokenizer_path(ck), in_scratch("tok5.bin"));     /* of a vocabulary of five */
    ns_checkpoint_free(ck);
    if (ns_tokenizer_open(&tok, in_scratch("tokenizer.bin"), &err))
        fail_msg("%s", err.message);
    assert_int_equal(ns_tokenizer_size(tok), 266);
    expect_ids(tok, "ab", (const int32_t[]){1, 264, -1});
    expect_ids(tok, "aab\n", (const int32_t[]){1, 262, 263, 3 + '\n', -1});
    expect_ids(tok, "\xc3\xa9\xe2\x82\xac", (const int32_t[]){1, 259, 265, 3 + 0xe2, 3 + 0x82, 3 + 0xac, -1});
    ns_tokenizer_free(tok);
    assert_int_equal(remove(in_scratch("tok5.bin")), 0);
    ns_checkpoint *const again = opened("model.bin");
    assert_string_equal(ns_checkpoint_tokenizer_path(again), in_scratch("tokenizer.bin"));
    ns_checkpoint_free(again);
    put_text("tokenizer.json", "{}");
    ns_checkpoint *const other = opened("model.bin");
    assert_string_equal(ns_checkpoint_tokenizer_path(other), in_scratch("tokenizer.json"));
    ns_checkpoint_free(other);
    assert_int_equal(remove(in_scratch("tokenizer.json")), 0);
}

/* ---- files that lie ---- */

static void refused(const char *name, int code, const char *says)
{
    ns_checkpoint *ck = NULL;
    ns_error err = {""};
    assert_int_equal(ns_checkpoint_open(&ck, in_scratch(name), NULL, &err), code);
    assert_null(ck);
    if (!strstr(err.message, says))
        fail_msg("'%s' without '%s'", err.message, says);
}

static void refused_tokenizer(const char *says)
{
    ns_tokenizer *tok = NULL;
    ns_error err = {""};
    assert_int_equal(ns_tokenizer_open(&tok, in_scratch("bad.bin"), &err), NS_E_FORMAT);
    assert_null(tok);
    if (!strstr(err.message, says))
        fail_msg("'%s' without '%s'", err.message, says);
}

static void change(const char *name, long at, int32_t value)
{
    FILE *const f = fopen(in_scratch(name), "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, at, SEEK_SET), 0);
    assert_int_equal(fwrite(&value, sizeof value, 1, f), 1);
    assert_int_equal(fclose(f), 0);
}

static void lies(void **state)
{
    (void)state;
    static const int32_t wrong[] = {0, -1, INT32_MAX, INT32_MIN, 1 << 20};
    put_folder("lies");
    for (int version = 0; version < 2; version++)
        for (int field = 0; field < 7; field++)
            for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
                write_file("lies/model.bin", version, false);
                change("lies/model.bin", (version ? 8 : 0) + 4 * field, wrong[i]);
                ns_checkpoint *ck = NULL;
                ns_error err = {""};
                const int rc = ns_checkpoint_open(&ck, in_scratch("lies/model.bin"), NULL, &err);
                if (version && field == 6 && wrong[i] > 0 && wrong[i] != INT32_MAX) {      /* of no tensor's size */
                    assert_int_equal(rc, NS_OK);
                    ns_checkpoint_free(ck);
                    continue;
                }
                assert_true(rc == NS_E_FORMAT && !ck && err.message[0]);
            }
    write_file("lies/model.bin", 1, true);
    change("lies/model.bin", 4, 2);
    refused("lies/model.bin", NS_E_UNSUPPORTED, "of version 2, whose weights are int8 (export it with --version 0 or 1)");
    struct stat old;
    write_file("lies/model.bin", 0, true);
    assert_int_equal(stat(in_scratch("lies/model.bin"), &old), 0);
    write_file("lies/model.bin", 1, true);
    change("lies/model.bin", 4, 0);
    assert_int_equal(truncate(in_scratch("lies/model.bin"), old.st_size), 0);      /* all that version 0 would hold it to */
    refused("lies/model.bin", NS_E_FORMAT, "its first bytes are no header of a llama2.c file");
    write_file("lies/model.bin", 0, true);
    assert_int_equal(truncate(in_scratch("lies/model.bin"), 900), 0);
    refused("lies/model.bin", NS_E_FORMAT, "has 900 bytes, where a llama2.c file of 2 layers, 8 dimensions and 5 tokens");
    write_tokenizer("bad.bin", "<unk>", (float)NAN, 0);
    refused_tokenizer("token 262 is no text in UTF-8 with a finite score");
    write_tokenizer("bad.bin", "<unk>", -3, 1);
    refused_tokenizer("ends within token 265");
    write_tokenizer("bad.bin", "<unk>", -3, INT32_MAX - 8);
    refused_tokenizer("ends within token 265");
    write_tokenizer("bad.bin", "<unk>", -3, -5);
    refused_tokenizer("gives it a length of -3");
    assert_int_equal(truncate(in_scratch("bad.bin"), 200), 0);
    refused_tokenizer("ends within token");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(layouts), cmocka_unit_test(tokenizers), cmocka_unit_test(lies)};
    return cmocka_run_group_tests(tests, scratch_make, scratch_remove);
}
