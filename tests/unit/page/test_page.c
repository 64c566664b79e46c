/* test_page.c - the numbers of a page are those of its files, bit by bit; nothing that a file says can end a block or begin a tag; the
 * limit is kept and what it leaves out is counted; equal files give equal bytes; what is damaged gives no page. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <libdeflate.h>

#include <needlescope/page.h>
#include <needlescope/record.h>

#include "core/core.h"
#include "math/half.h"
#include "../../unit.h"

enum { L = 2, H = 3, C = 4 };
static const char scores[] = "test_page_scores.h5", page[] = "test_page.html";
static const char nasty[] = "</script><script>alert(1)</script>&amp;\xe2\x80\xa8<!--\"'";

static float find[L * H] = {0, .25f, 0, 0, 1, .5f};                             /* halves */
static float fine[L * H] = {.1f, 1e-20f, -3.25f, 1e20f, -0.f, 65504.f};         /* what only f32 holds */
static float hits[C * L * H];                                                   /* small whole numbers */

static void put(ns_table_writer *w, const char *name, const char *axes, const void *data, ns_dtype dtype, int rank, const int64_t *shape)
{
    const ns_view view = ns_view_of((void *)data, dtype, rank, shape);
    assert_int_equal(ns_table_array(w, name, axes, &view, NULL, NULL), NS_OK);
}

static void write_scores(void)
{
    static const int64_t heads[] = {L, H}, cases[] = {C, L, H}, window[L * H] = {0, 0, 0, 4, 4, 4};
    static const ns_fact facts[] = {{"model_name", nasty, false}, {"kind", "scores", false}};
    const ns_score_meaning rate = {.best = NS_BEST_LARGEST, .hi = 1, .chance = .125},
                           open = {.best = NS_BEST_NONE, .lo = -(double)INFINITY, .hi = (double)INFINITY, .chance = (double)NAN};
    uint8_t valid[L * H] = {1, 1, 1, 1, 1, 0}, counts[C * L * H], events[C * L * H];
    ns_table_writer *w;
    for (int i = 0; i < C * L * H; i++) {
        hits[i] = (float)(i % 3);
        counts[i] = (uint8_t)(i % 3);
        events[i] = 3;
    }
    unlink(scores);
    assert_int_equal(ns_table_create(&w, scores, facts, 2, NULL), NS_OK);
    assert_int_equal(ns_table_count(w, "case", C, NULL), NS_OK);
    assert_int_equal(ns_table_count(w, "layer", L, NULL), NS_OK);
    assert_int_equal(ns_table_count(w, "head", H, NULL), NS_OK);
    put(w, "retrieval_find", "layer head", find, NS_F32, 2, heads);
    put(w, "fine", "layer head", fine, NS_F32, 2, heads);
    put(w, "find_hits", "case layer head", counts, NS_U8, 3, cases);
    put(w, "find_events", "case layer head", events, NS_U8, 3, cases);
    assert_int_equal(ns_table_meaning(w, "retrieval_find", &rate, NULL), NS_OK);
    assert_int_equal(ns_table_meaning(w, "fine", &open, NULL), NS_OK);
    put(w, "window", "layer head", window, NS_I64, 2, heads);
    put(w, "head_valid", "layer head", valid, NS_U8, 2, heads);
    assert_int_equal(ns_table_strings(w, "layer_kind", "layer", (const char *const[]){"full", "swa"}, L, NULL), NS_OK);
    assert_int_equal(ns_table_strings(w, "case_id", "case", (const char *const[]){nasty, "b", "c", "d"}, C, NULL), NS_OK);
    assert_int_equal(ns_table_commit(w, NULL), NS_OK);
}

static int write_page(int64_t limit, ns_page_said *said, ns_error *err)
{
    static const char *const files[] = {scores};
    const ns_page_params p = {.size = sizeof p, .files = files, .n_files = 1, .limit = limit};
    *said = (ns_page_said){.size = sizeof *said};
    return ns_page_write(page, &p, said, err);
}

static char *read_text(size_t *n)
{
    char *text = NULL;
    assert_int_equal(ns_file_read(page, 64 << 20, &text, n, NULL), NS_OK);
    return text;
}

/* The text between the opening tag that has this id and the next </script>; malloc'd. */
static char *block_text(const char *html, const char *id)
{
    char mark[40];
    snprintf(mark, sizeof mark, "id=\"%s\">", id);
    const char *const begin = strstr(html, mark);
    assert_non_null(begin);
    const char *const at = begin + strlen(mark), *const end = strstr(at, "</script>");
    assert_non_null(end);
    return ns_printf_alloc("%.*s", (int)(end - at), at);
}

static cJSON *tree_of(const char *html)
{
    cJSON *tree = NULL;
    char *const text = block_text(html, "tree");
    assert_int_equal(ns_json_parse(&tree, text, strlen(text), 32, "tree", NULL), NS_OK);
    free(text);
    return tree;
}

/* The numbers that {"b": block, "t": type, "n": n} names: as the script of the page unpacks them. */
static float *unpacked(const char *html, const cJSON *reference, const char *type, int64_t n)
{
    char id[24];
    size_t bytes, got;
    const size_t size = strcmp(type, "u8") == 0 ? 1 : strcmp(type, "f16") == 0 ? 2 : 4;
    assert_string_equal(cJSON_GetObjectItem(reference, "t")->valuestring, type);
    assert_int_equal(cJSON_GetObjectItem(reference, "n")->valueint, n);
    snprintf(id, sizeof id, "b%d", cJSON_GetObjectItem(reference, "b")->valueint);
    char *const text = block_text(html, id);
    uint8_t *const packed = ns_base64_decode(text, &bytes), *const raw = calloc((size_t)n, size);
    float *const out = calloc((size_t)n, sizeof *out);
    struct libdeflate_decompressor *const d = libdeflate_alloc_decompressor();
    assert_int_equal(libdeflate_zlib_decompress(d, packed, bytes, raw, (size_t)n * size, &got), LIBDEFLATE_SUCCESS);
    assert_int_equal(got, (size_t)n * size);
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits = 0;
        for (size_t b = 0; b < size; b++)
            bits |= (uint32_t)raw[(int64_t)b * n + i] << 8 * b;
        out[i] = size == 1 ? bits == 255 ? NAN : (float)bits : size == 2 ? ns_f16_widen((uint16_t)bits) : ns_float_of(bits);
    }
    libdeflate_free_decompressor(d);
    free(text);
    free(packed);
    free(raw);
    return out;
}

static void same(const char *html, const cJSON *reference, const char *type, const float *wanted, int64_t n)
{
    float *const got = unpacked(html, reference, type, n);
    for (int64_t i = 0; i < n; i++)
        assert_int_equal(ns_bits_of(got[i]), ns_bits_of(wanted[i]));
    free(got);
}

static const cJSON *score_named(const cJSON *file, const char *name)
{
    const cJSON *one;
    cJSON_ArrayForEach(one, cJSON_GetObjectItem(file, "scores")) if (strcmp(cJSON_GetObjectItem(one, "name")->valuestring, name) == 0)
        return one;
    fail_msg("no score '%s'", name);
    return NULL;
}

static void test_numbers_are_the_file_s(void **state)
{
    (void)state;
    ns_page_said said;
    size_t n;
    write_scores();
    assert_int_equal(write_page(0, &said, NULL), NS_OK);
    char *const html = read_text(&n);
    assert_int_equal(said.bytes, (int64_t)n);
    cJSON *const tree = tree_of(html);
    const cJSON *const file = cJSON_GetArrayItem(cJSON_GetObjectItem(tree, "files"), 0);
    same(html, cJSON_GetObjectItem(score_named(file, "retrieval_find"), "values"), "f16", find, L * H);
    same(html, cJSON_GetObjectItem(score_named(file, "fine"), "values"), "f32", fine, L * H);
    const cJSON *const counts = cJSON_GetObjectItem(cJSON_GetObjectItem(file, "counts"), "find_hits");
    same(html, cJSON_GetArrayItem(counts, 0), "u8", hits, C * L * H);
    assert_string_equal(cJSON_GetObjectItem(score_named(file, "retrieval_find"), "counted")->valuestring, "find_hits");
    cJSON_Delete(tree);
    free(html);
}

/* The file's own words come back from the tree as they were, and stand nowhere as they are. */
static void test_texts_cannot_leave_their_block(void **state)
{
    (void)state;
    ns_page_said said;
    size_t n;
    assert_int_equal(write_page(0, &said, NULL), NS_OK);
    char *const html = read_text(&n), *const tree = block_text(html, "tree");
    assert_null(strstr(html, "alert(1)</script>"));
    assert_null(strchr(tree, '<'));
    assert_null(strchr(tree, '>'));
    assert_null(strchr(tree, '&'));
    assert_null(strstr(tree, "\xe2\x80\xa8"));
    cJSON *const read = tree_of(html);
    const cJSON *const file = cJSON_GetArrayItem(cJSON_GetObjectItem(read, "files"), 0);
    const cJSON *const run = cJSON_GetArrayItem(cJSON_GetObjectItem(file, "runs"), 0);
    assert_string_equal(cJSON_GetObjectItem(run, "name")->valuestring, nasty);
    assert_string_equal(cJSON_GetArrayItem(cJSON_GetObjectItem(cJSON_GetObjectItem(file, "cases"), "case_id"), 0)->valuestring, nasty);
    cJSON_Delete(read);
    free(tree);
    free(html);
}

static void test_equal_files_equal_pages(void **state)
{
    (void)state;
    ns_page_said said;
    size_t n, m;
    assert_int_equal(write_page(0, &said, NULL), NS_OK);
    char *const first = read_text(&n);
    assert_int_equal(write_page(0, &said, NULL), NS_OK);
    char *const second = read_text(&m);
    assert_int_equal(n, m);
    assert_memory_equal(first, second, n);
    free(first);
    free(second);
}

/* What is needed has to fit; what may be left out is counted and said, and the page is no larger than was asked. */
static void test_limit(void **state)
{
    (void)state;
    ns_page_said whole, less;
    ns_error err = {0};
    assert_int_equal(write_page(0, &whole, NULL), NS_OK);
    assert_int_equal(whole.hits_left, 0);
    assert_string_equal(whole.note, "");
    unlink(page);
    assert_int_equal(write_page(1000, &less, &err), NS_E_ARG);
    assert_non_null(strstr(err.message, "1000 bytes of --limit"));
    assert_int_equal(access(page, F_OK), -1);
    int64_t limit = whole.bytes + 4096;                  /* sizes are bounds from above: the limit is reached a little early */
    do
        limit -= 16;
    while (write_page(limit, &less, &err) == NS_OK && less.hits_left < 2);
    assert_int_equal(less.hits_left, 2);                 /* hits and events */
    assert_true(less.bytes <= limit);
    assert_non_null(strstr(less.note, "2 arrays of single cases left out"));
}

/* Every byte of the file turned round, one at a time and seven apart: a page only where the file opens as it was written. */
static void test_damage_gives_no_page(void **state)
{
    (void)state;
    size_t n;
    char *bytes = NULL;
    ns_page_said said;
    assert_int_equal(ns_file_read(scores, 64 << 20, &bytes, &n, NULL), NS_OK);
    for (size_t at = 3; at < n; at += n / 40 + 7) {
        ns_error err = {0};
        bytes[at] ^= 0x55;
        assert_int_equal(unlink(scores) | ns_file_write(scores, bytes, n, NULL), NS_OK);
        bytes[at] ^= 0x55;
        unlink(page);
        assert_int_not_equal(write_page(0, &said, &err), NS_OK);
        assert_non_null(strstr(err.message, scores));
        assert_null(strchr(err.message, '\n'));
        assert_int_equal(access(page, F_OK), -1);
    }
    free(bytes);
    write_scores();
}

static void test_refusals(void **state)
{
    (void)state;
    static const char *const files[] = {scores}, *const cases[] = {"a"};
    const ns_page_params none = {.size = sizeof none}, of_no_recording = {.size = sizeof none, .files = files, .n_files = 1, .cases = cases,
                                                                         .n_cases = 1};
    ns_error err = {0};
    assert_int_equal(ns_page_write(page, &none, NULL, &err), NS_E_ARG);
    assert_int_equal(ns_page_write(page, &of_no_recording, NULL, &err), NS_E_ARG);
    assert_non_null(strstr(err.message, "none is among the files"));
    const ns_page_params itself = {.size = sizeof itself, .files = files, .n_files = 1};
    assert_int_equal(ns_page_write(scores, &itself, NULL, &err), NS_E_ARG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_are_the_file_s), cmocka_unit_test(test_texts_cannot_leave_their_block),
        cmocka_unit_test(test_equal_files_equal_pages), cmocka_unit_test(test_limit),
        cmocka_unit_test(test_damage_gives_no_page), cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
