/* test_safetensors.c - what the reader accepts, and every way a file can lie to it. */
#include "scratch.h"

#include <needlescope/checkpoint.h>

#define ENTRY(dtype, shape, offsets) "{\"dtype\":\"" dtype "\",\"shape\":[" shape "],\"data_offsets\":[" offsets "]}"
#define ONE(dtype, shape, offsets) "{\"a\":" ENTRY(dtype, shape, offsets) "}"

typedef struct lie {
    const char *json;
    size_t      n_data;
    int64_t     length;        /* what the first 8 bytes say; 0 = the truth */
    int         code;
    const char *says;
} lie;

static const lie lies[] = {
    /* lengths */
    {"{}", 0, 3, NS_E_FORMAT, "truncated"},
    {"{}", 0, INT64_MAX, NS_E_FORMAT, "header of 9223372036854775807 bytes"},
    {"{}", 0, 100000001, NS_E_FORMAT, "at most 100000000"},
    {"", 0, 0, NS_E_FORMAT, "does not begin with '{'"},
    {"[]", 0, 0, NS_E_FORMAT, "does not begin with '{'"},
    {" {}", 0, 0, NS_E_FORMAT, "does not begin with '{'"},
    {"{}", 0, 0, NS_E_FORMAT, "no tensor"},
    {"{}", 1, 0, NS_E_FORMAT, "1 bytes behind the last tensor"},
    {ONE("F32", "2", "0,8"), 7, 0, NS_E_FORMAT, "'a' ends at data byte 8, but the file has 7: truncated"},
    {ONE("F32", "2", "0,8"), 9, 0, NS_E_FORMAT, "1 bytes behind the last tensor"},
    {ONE("F32", "2", "0,8"), 8, 20, NS_E_FORMAT, "ends early"},
    /* layout */
    {"{\"a\":" ENTRY("F32", "1", "0,4") ",\"b\":" ENTRY("F32", "1", "8,12") "}", 12, 0, NS_E_FORMAT,
     "'b' begins at data byte 8, after a gap"},
    {"{\"a\":" ENTRY("F32", "2", "0,8") ",\"b\":" ENTRY("F32", "2", "4,12") "}", 12, 0, NS_E_FORMAT, "'b' begins at data byte 4, inside"},
    {"{\"a\":" ENTRY("F32", "1", "0,4") ",\"b\":" ENTRY("F32", "1", "0,4") "}", 4, 0, NS_E_FORMAT, "begins at data byte 0, inside"},
    {ONE("F32", "1", "4,8"), 8, 0, NS_E_FORMAT, "'a' begins at data byte 4, after a gap"},
    {ONE("F32", "1", "4,0"), 4, 0, NS_E_FORMAT, "run backwards"},
    {ONE("F32", "3", "0,8"), 8, 0, NS_E_FORMAT, "its F32 shape needs 12 bytes, data_offsets give 8"},
    {ONE("BF16", "3", "0,8"), 8, 0, NS_E_FORMAT, "its BF16 shape needs 6 bytes, data_offsets give 8"},
    {ONE("F32", "", "0,8"), 8, 0, NS_E_FORMAT, "needs 4 bytes"},
    {ONE("F32", "0", "0,8"), 8, 0, NS_E_FORMAT, "needs 0 bytes"},
    /* arithmetic */
    {ONE("F32", "4294967296,4294967296", "0,0"), 0, 0, NS_E_FORMAT, "its shape overflows"},
    {ONE("F32", "4611686018427387904", "0,0"), 0, 0, NS_E_FORMAT, "its shape overflows"},
    {ONE("F32", "0,4611686018427387904,4", "0,0"), 0, 0, NS_E_FORMAT, "its shape overflows"},
    {ONE("F32", "9223372036854775808", "0,0"), 0, 0, NS_E_FORMAT, "a dimension of 9223372036854775808"},
    {ONE("F32", "18446744073709551616", "0,0"), 0, 0, NS_E_FORMAT, "beyond 2^64"},
    {ONE("F32", "1", "0,18446744073709551615"), 4, 0, NS_E_FORMAT, "truncated"},
    {ONE("F32", "1", "18446744073709551612,18446744073709551615"), 4, 0, NS_E_FORMAT, "truncated"},
    {ONE("F32", "-1", "0,4"), 4, 0, NS_E_FORMAT, "expected a non-negative integer"},
    {ONE("F32", "1", "-4,0"), 4, 0, NS_E_FORMAT, "expected a non-negative integer"},
    {ONE("F32", "1.0", "0,4"), 4, 0, NS_E_FORMAT, "expected a non-negative integer"},
    {ONE("F32", "1e0", "0,4"), 4, 0, NS_E_FORMAT, "expected a non-negative integer"},
    {ONE("F32", "01", "0,4"), 4, 0, NS_E_FORMAT, "leading zero"},
    {ONE("F32", "\"1\"", "0,4"), 4, 0, NS_E_FORMAT, "expected a non-negative integer"},
    {ONE("F32", "1,1,1,1,1,1,1,1,1", "0,4"), 4, 0, NS_E_FORMAT, "more than 8 dimensions"},
    {ONE("F32", "[1]", "0,4"), 4, 0, NS_E_FORMAT, "expected a non-negative integer"},
    /* fields */
    {ONE("F32", "1", "0"), 4, 0, NS_E_FORMAT, "expected ','"},
    {ONE("F32", "1", "0,4,4"), 4, 0, NS_E_FORMAT, "expected ']'"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, 0, NS_E_FORMAT, "'data_offsets' is missing"},
    {"{\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", 4, 0, NS_E_FORMAT, "'shape' is missing"},
    {"{\"a\":{}}", 0, 0, NS_E_FORMAT, "'dtype' is missing"},
    {"{\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}", 4, 0, NS_E_FORMAT, "'dtype' is given twice"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"strides\":[2],\"data_offsets\":[0,4]}}", 4, 0, NS_E_UNSUPPORTED, "unknown field 'strides'"},
    {"{\"a\":{\"dtype\":4}}", 4, 0, NS_E_FORMAT, "expected a string"},
    {"{\"a\":[1]}", 4, 0, NS_E_FORMAT, "expected '{'"},
    {"{\"a\":null}", 4, 0, NS_E_FORMAT, "expected '{'"},
    {ONE("float32", "1", "0,4"), 4, 0, NS_E_FORMAT, "unknown dtype 'float32'"},
    {ONE("F8_E8M0", "4", "0,4"), 4, 0, NS_E_UNSUPPORTED, "stored as F8_E8M0"},
    {ONE("F8_E4M3", "4", "0,8"), 8, 0, NS_E_FORMAT, "its F8_E4M3 shape needs 4 bytes, data_offsets give 8"},
    {"{\"a\":" ENTRY("F8_E4M3", "4", "0,4") ",\"a_scale_inv\":" ENTRY("F32", "1", "4,8") "}", 8, 0, NS_E_UNSUPPORTED,
     "tensor 'a' is stored as F8_E4M3 with scales ('a_scale_inv')"},
    {"{\"a\":" ENTRY("F8_E5M2", "4", "0,4") ",\"a_scale\":" ENTRY("F32", "1", "4,8") "}", 8, 0, NS_E_UNSUPPORTED, "FineGrainedFP8Config"},
    {ONE("C64", "1", "0,8"), 8, 0, NS_E_UNSUPPORTED, "stored as C64"},
    /* names */
    {"{\"a\":" ENTRY("F32", "1", "0,4") ",\"a\":" ENTRY("F32", "1", "4,8") "}", 8, 0, NS_E_FORMAT, "tensor 'a' is given twice"},
    {"{\"a\":" ENTRY("F32", "1", "0,4") ",\"\\u0061\":" ENTRY("F32", "1", "4,8") "}", 8, 0, NS_E_FORMAT, "tensor 'a' is given twice"},
    {"{\"__metadata__\":{},\"__metadata__\":{}}", 0, 0, NS_E_FORMAT, "'__metadata__' is given twice"},
    {"{\"__metadata__\":{\"k\":\"1\",\"j\":\"\",\"k\":\"2\"}}", 0, 0, NS_E_FORMAT, "__metadata__ 'k' is given twice"},
    {"{\"__metadata__\":{\"k\":1}}", 0, 0, NS_E_FORMAT, "expected a string"},
    {"{\"__metadata__\":[]}", 0, 0, NS_E_FORMAT, "expected '{'"},
    {"{\"a\\u0000b\":" ENTRY("F32", "1", "0,4") "}", 4, 0, NS_E_FORMAT, "NUL"},
    {"{\"a\\nb\":" ENTRY("F32", "1", "0,4") "}", 4, 0, NS_E_FORMAT, "control character"},
    {"{\"a\tb\":" ENTRY("F32", "1", "0,4") "}", 4, 0, NS_E_FORMAT, "raw control character"},
    {"{\"\\ud800\":" ENTRY("F32", "1", "0,4") "}", 4, 0, NS_E_FORMAT, "lone surrogate"},
    {"{\"\\ud800\\u0041\":" ENTRY("F32", "1", "0,4") "}", 4, 0, NS_E_FORMAT, "lone surrogate"},
    {"{\"\\udc00\":" ENTRY("F32", "1", "0,4") "}", 4, 0, NS_E_FORMAT, "lone surrogate"},
    {"{\"\\u12g4\":" ENTRY("F32", "1", "0,4") "}", 4, 0, NS_E_FORMAT, "four hex digits"},
    {"{\"\\x41\":" ENTRY("F32", "1", "0,4") "}", 4, 0, NS_E_FORMAT, "unknown escape"},
    {"{\"\xff\":" ENTRY("F32", "1", "0,4") "}", 4, 0, NS_E_FORMAT, "byte 2 is not UTF-8"},
    {"{\"\xed\xa0\x80\":" ENTRY("F32", "1", "0,4") "}", 4, 0, NS_E_FORMAT, "is not UTF-8"},
    /* grammar */
    {"{\"a", 0, 0, NS_E_FORMAT, "a string does not end"},
    {"{\"a\\", 0, 0, NS_E_FORMAT, "unknown escape"},
    {"{\"a\\u00", 0, 0, NS_E_FORMAT, "four hex digits"},
    {"{\"a\"}", 0, 0, NS_E_FORMAT, "expected ':'"},
    {"{a:1}", 0, 0, NS_E_FORMAT, "expected a string"},
    {"{,}", 0, 0, NS_E_FORMAT, "expected a string"},
    {"{\"a\":" ENTRY("F32", "1", "0,4") ",}", 4, 0, NS_E_FORMAT, "expected a string"},
    {"{\"a\":" ENTRY("F32", "1", "0,4") "]", 4, 0, NS_E_FORMAT, "expected '}'"},
    {ONE("F32", "1,", "0,4"), 4, 0, NS_E_FORMAT, "expected a non-negative integer"},
    {ONE("F32", "1", "0,4") "x", 4, 0, NS_E_FORMAT, "more text after the JSON"},
    {ONE("F32", "1", "0,4") "{}", 4, 0, NS_E_FORMAT, "more text after the JSON"},
};

static void refuses_every_lie(void **state)
{
    (void)state;
    int wrong = 0;
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        const lie *const l = &lies[i];
        ns_checkpoint *ck = (ns_checkpoint *)1;
        ns_error err = {""};
        put_safetensors("lie.safetensors", l->json, strlen(l->json), l->length ? l->length : -1, l->n_data);
        const int code = ns_checkpoint_open(&ck, in_scratch("lie.safetensors"), NULL, &err);
        if (code != l->code || ck || !strstr(err.message, l->says) || !strstr(err.message, "lie.safetensors") ||
            strchr(err.message, '\n')) {
            print_error("lie %zu: %s\n  wanted %d '%s'\n  got %d '%s'\n", i, l->json, l->code, l->says, code, err.message);
            wrong++;
        }
        assert_int_equal(ns_checkpoint_open(&ck, in_scratch("lie.safetensors"), NULL, NULL), l->code);   /* err may be NULL */
    }
    assert_int_equal(wrong, 0);
}

static void refuses_a_name_of_5000_bytes(void **state)
{
    (void)state;
    char json[6000];
    ns_error err;
    ns_checkpoint *ck = NULL;
    char name[5001];
    memset(name, 'n', 5000);
    name[5000] = 0;
    snprintf(json, sizeof json, "{\"%s\":" ENTRY("F32", "1", "0,4") "}", name);
    put_safetensors("long.safetensors", json, strlen(json), -1, 4);
    assert_int_equal(ns_checkpoint_open(&ck, in_scratch("long.safetensors"), NULL, &err), NS_E_FORMAT);
    assert_non_null(strstr(err.message, "a name of 5000 bytes (at most 4096)"));
}

/* Cut anywhere, a good file is never accepted and never read beyond its end (valgrind and the sanitizers watch). */
static void refuses_every_truncation(void **state)
{
    (void)state;
    static const char json[] = "{\"a\":" ENTRY("F32", "2", "0,8") ",\"b\":" ENTRY("F16", "1", "8,10") "}";
    uint8_t all[8 + sizeof json - 1 + 10] = {sizeof json - 1};
    memcpy(all + 8, json, sizeof json - 1);
    for (size_t n = 0; n <= sizeof all; n++) {
        ns_checkpoint *ck = NULL;
        put_file("cut.safetensors", all, n);
        const int code = ns_checkpoint_open(&ck, in_scratch("cut.safetensors"), NULL, NULL);
        assert_int_equal(code, n == sizeof all ? NS_OK : NS_E_FORMAT);
        ns_checkpoint_free(ck);
    }
}

static int first_byte(const ns_tensor *t)
{
    uint8_t byte = 0;
    assert_int_equal(ns_tensor_read(t, 0, 1, &byte, NULL), NS_OK);
    return byte;
}

static void accepts_what_the_format_allows(void **state)
{
    (void)state;
    static const char json[] = "{ \"z.weight\" : {\"shape\":[2, 3],\n\t\"data_offsets\":[2,26],\"dtype\":\"F32\"},"
                               "\"__metadata__\":{\"format\":\"pt\",\"\":\"x\\\"\"},"
                               "\"caf\\u00e9 \\ud83d\\ude00/\\\"\":" ENTRY("U8", "", "0,1") ","
                               "\"empty\":" ENTRY("BF16", "3,0,9", "2,2") ","
                               "\"b\":" ENTRY("BOOL", "1", "1,2") ",\"ids\":" ENTRY("I64", "2", "26,42") "}   \n  ";
    ns_checkpoint *ck = NULL;
    ns_error err = {""};
    put_safetensors("good.safetensors", json, sizeof json - 1, -1, 42);
    assert_int_equal(ns_checkpoint_open(&ck, in_scratch("good.safetensors"), NULL, &err), NS_OK);
    assert_int_equal(ns_checkpoint_count(ck), 5);
    for (int i = 1; i < 5; i++)
        assert_true(strcmp(ns_checkpoint_tensor(ck, i - 1)->name, ns_checkpoint_tensor(ck, i)->name) < 0);
    assert_null(ns_checkpoint_tensor(ck, 5));
    assert_null(ns_checkpoint_tensor(ck, -1));
    assert_null(ns_checkpoint_find(ck, "z.weigh"));
    const ns_tensor *const z = ns_checkpoint_find(ck, "z.weight");
    assert_non_null(z);
    assert_int_equal(z->view.rank, 2);
    assert_int_equal(z->view.shape[1], 3);
    assert_int_equal(z->view.stride[0], 3);
    assert_int_equal(z->n_bytes, 24);
    assert_int_equal(first_byte(z), 2);
    assert_string_equal(z->file, in_scratch("good.safetensors"));
    const ns_tensor *const scalar = ns_checkpoint_find(ck, "caf\xc3\xa9 \xf0\x9f\x98\x80/\"");
    assert_non_null(scalar);
    assert_int_equal(scalar->view.rank, 0);
    const ns_tensor *const empty = ns_checkpoint_find(ck, "empty");
    assert_int_equal(ns_view_count(&empty->view), 0);
    assert_int_equal(ns_tensor_read_f32(empty, 0, 0, NULL, &err), NS_OK);
    float one;
    assert_int_equal(ns_tensor_read_f32(ns_checkpoint_find(ck, "ids"), 0, 1, &one, &err), NS_E_UNSUPPORTED);
    assert_non_null(strstr(err.message, "'ids' is stored as I64"));
    assert_int_equal(ns_tensor_read(z, 24, 1, &one, &err), NS_E_ARG);
    ns_checkpoint_free(ck);
}

/* 100,000 tensors: the header is 8 MB; anything quadratic would take minutes. */
static void reads_a_large_header_at_once(void **state)
{
    (void)state;
    enum { N = 100000 };
    char *const json = malloc(N * 100);
    assert_non_null(json);
    size_t n = 0;
    for (int i = 0; i < N; i++) {
        const int at = (int)((int64_t)i * 77773 % N);      /* a scattered order; 77773 is prime */
        n += (size_t)snprintf(json + n, 100, "%c\"layers.%d.w\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[%d,%d]}", i ? ',' : '{',
                              at, at, at + 1);
    }
    json[n++] = '}';
    put_safetensors("large.safetensors", json, n, -1, N);
    free(json);
    ns_checkpoint *ck = NULL;
    assert_int_equal(ns_checkpoint_open(&ck, in_scratch("large.safetensors"), NULL, NULL), NS_OK);
    assert_int_equal(ns_checkpoint_count(ck), N);
    for (int i = 0; i < N; i += 997) {
        char name[32];
        snprintf(name, sizeof name, "layers.%d.w", i);
        const ns_tensor *const t = ns_checkpoint_find(ck, name);
        assert_non_null(t);
        assert_int_equal(first_byte(t), i & 255);
    }
    ns_checkpoint_free(ck);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(refuses_every_lie),
        cmocka_unit_test(refuses_a_name_of_5000_bytes),
        cmocka_unit_test(refuses_every_truncation),
        cmocka_unit_test(accepts_what_the_format_allows),
        cmocka_unit_test(reads_a_large_header_at_once),
    };
    return cmocka_run_group_tests_name("safetensors", tests, scratch_make, scratch_remove);
}
