/* test_kept.c - files of one writer, verified and read one behind the other: what the file before says of a dataset is taken for this one
 * where its header is the same, whether that lies in one piece or in several; where type, shape, place or chance differ it is not; and the
 * numbers and texts are each file's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "record/file.h"

enum { ROWS = 5 };
static char folder[] = "/tmp/ns-kept-XXXXXX", path[100];

typedef struct content {
    const char *name, *text;
    float first;                       /* of the numbers, which ascend from there */
    int64_t rows;
    ns_dtype hits;
    double chance;
} content;

static int write_arrays(ns_table_writer *t, const content *c)
{
    float scores[2 * ROWS];
    uint8_t bytes[2 * ROWS];
    const char *texts[2 * ROWS];
    for (int i = 0; i < 2 * ROWS; i++) {
        scores[i] = c->first + (float)i;
        bytes[i] = (uint8_t)scores[i];
        texts[i] = c->text;
    }
    const ns_view numbers = ns_view_of(scores, NS_F32, 1, &c->rows);
    const ns_view hits = ns_view_of(c->hits == NS_F32 ? (void *)scores : bytes, c->hits, 1, &c->rows);
    const ns_score_meaning meaning = {.best = NS_BEST_LARGEST, .lo = 0, .hi = 100, .chance = c->chance};
    int rc = ns_table_count(t, "row", c->rows, NULL);
    rc = rc != NS_OK ? rc : ns_table_array(t, "score", "row", &numbers, "summary", NULL);
    rc = rc != NS_OK ? rc : ns_table_array(t, "hits", "row", &hits, NULL, NULL);
    rc = rc != NS_OK ? rc : ns_table_strings(t, "texts", "row", texts, c->rows, NULL);
    return rc != NS_OK ? rc : ns_table_meaning(t, "score", &meaning, NULL);
}

static ns_file *make(const content *c)
{
    ns_table_writer *t;
    ns_file *f;
    const ns_fact fact = {"kind", "test", false};
    snprintf(path, sizeof path, "%s/%s", folder, c->name);
    assert_int_equal(ns_table_create(&t, path, &fact, 1, NULL), NS_OK);
    assert_int_equal(ns_table_end(t, write_arrays(t, c), NULL), NS_OK);
    assert_int_equal(ns_file_open_own(&f, path, NULL), NS_OK);
    return f;
}

/* Everything that the file says is its own. */
static void expect_own(const ns_file *f, const content *c)
{
    float *scores;
    int64_t *hits;
    char **texts;
    ns_score_meaning meaning;
    ns_expected w = {sizeof w, "score", NS_F32, 1, {NS_ANY}, ns_finite()};
    assert_int_equal(ns_file_array(f, &w, &scores, NULL), NS_OK);
    assert_int_equal(w.shape[0], c->rows);
    for (int64_t i = 0; i < c->rows; i++)
        assert_true(scores[i] == c->first + (float)i);
    w = (ns_expected){sizeof w, "hits", c->hits == NS_U8 ? NS_I64 : NS_F32, 1, {c->rows}, ns_finite()};
    assert_int_equal(ns_file_array(f, &w, &hits, NULL), NS_OK);
    for (int64_t i = 0; i < c->rows; i++)
        assert_true((c->hits == NS_U8 ? (float)hits[i] : ((float *)hits)[i]) == c->first + (float)i);
    w = (ns_expected){sizeof w, "texts", NS_N_DTYPES, 1, {c->rows}, {0}};
    assert_int_equal(ns_file_texts(f, &w, &texts, NULL), NS_OK);
    assert_string_equal(texts[0], c->text);
    assert_int_equal(ns_file_meaning(f, "score", &meaning, NULL), NS_OK);
    assert_true(meaning.chance == c->chance);
    free(scores);
    free(hits);
    ns_free_strings(texts, c->rows);
}

static bool is_recalled(const ns_file *f, const char *name)
{
    const ns_kept *const k = ns_kept_find(f, name);
    return k && k->bytes && k->d.id < 0;
}

/* Which of three datasets of the second file are taken from the first. */
static void follow(const content *a, const content *b, bool axis, bool score, bool hits)
{
    char **lines;
    int64_t n;
    ns_file *const first = make(a), *const second = make(b);
    ns_file_keep(first, NULL);
    assert_int_equal(ns_file_verified(first, &lines, &n, NULL), NS_OK);
    ns_free_strings(lines, n);
    ns_score_meaning meaning;
    assert_int_equal(ns_file_meaning(first, "score", &meaning, NULL), NS_OK);
    assert_false(is_recalled(first, "score"));
    ns_file_keep(second, first);
    ns_file_rest(first);
    assert_int_equal(ns_file_verified(second, &lines, &n, NULL), NS_OK);
    ns_free_strings(lines, n);
    assert_int_equal(is_recalled(second, "row"), axis);
    assert_int_equal(is_recalled(second, "score"), score);
    assert_int_equal(is_recalled(second, "hits"), hits);
    expect_own(second, b);
    assert_int_equal(ns_file_wake(first, NULL), NS_OK);
    expect_own(first, a);
    ns_file_close(first);
    ns_file_close(second);
}

static const content base = {"a", "one", 1, ROWS, NS_U8, .5};

static void test_same_headers(void **state)
{
    (void)state;
    content other = base;
    other.name = "b";
    other.text = "two";
    other.first = 30;
    follow(&base, &other, true, true, true);             /* the axis has a header of several chunks */
}

static void test_other_headers(void **state)
{
    (void)state;
    content other = base;
    other.name = "c";
    other.chance = .25;
    follow(&base, &other, true, false, true);
    other = base;
    other.name = "d";
    other.hits = NS_F32;
    follow(&base, &other, true, true, false);
    other = base;
    other.name = "e";
    other.rows = 2 * ROWS;
    follow(&base, &other, false, false, false);
}

static void test_another_file(void **state)
{
    (void)state;
    ns_error err = {""};
    content other = base;
    other.name = "f";
    ns_file *const f = make(&other);
    ns_file_rest(f);
    other.first = 9;
    ns_file_close(make(&other));                         /* under the same name */
    assert_int_equal(ns_file_wake(f, &err), NS_E_IO);
    ns_file_close(f);
}

static int begin(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -r %s", folder);
    return system(command);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_headers), cmocka_unit_test(test_other_headers),
                                       cmocka_unit_test(test_another_file)};
    return cmocka_run_group_tests(tests, begin, end);
}
