/* test_read.c - the one reader: what is as expected is read; of another type, rank, length or range it is refused, and the message says
 * what was found and what was expected. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <needlescope/record.h>

#include "record/file.h"

static char path[64];
static ns_file *f;

static int begin(void **state)
{
    (void)state;
    static float values[6] = {0, .25f, .5f, .75f, 1, NAN};
    static int64_t counts[3] = {0, 7, -1};
    static const char *const names[3] = {"a", "", "\xc3\xa9"};
    const ns_fact facts[] = {{"kind", "test", false}, {"step", "12", false}, {"tokens", "12x", false}};
    const ns_view v = ns_view_of(values, NS_F32, 2, (int64_t[]){2, 3}), n = ns_view_of(counts, NS_I64, 1, (int64_t[]){3});
    ns_table_writer *t;
    strcpy(path, "/tmp/ns-read-XXXXXX");
    const int fd = mkstemp(path);
    if (fd < 0 || close(fd) || ns_table_create(&t, path, facts, 3, NULL) < 0)
        return -1;
    int rc = ns_table_count(t, "row", 2, NULL);
    rc = rc != NS_OK ? rc : ns_table_count(t, "col", 3, NULL);
    rc = rc != NS_OK ? rc : ns_table_array(t, "values", "row col", &v, NULL, NULL);
    rc = rc != NS_OK ? rc : ns_table_array(t, "counts", "col", &n, NULL, NULL);
    rc = rc != NS_OK ? rc : ns_table_strings(t, "names", "col", names, 3, NULL);
    return ns_table_end(t, rc, NULL) || ns_file_open(&f, path, NULL) ? -1 : 0;
}

static int end(void **state)
{
    (void)state;
    ns_file_close(f);
    return unlink(path);
}

/* Reads it as wanted, in any of the ways; the code, and a part of what it says. */
static void expect(ns_expected w, int code, const char *says)
{
    ns_error err = {""};
    void *values = &err;
    w.size = sizeof w;
    const int rc = w.type == NS_N_DTYPES ? ns_file_texts(f, &w, (char ***)&values, &err) : ns_file_array(f, &w, &values, &err);
    if (rc != code || !strstr(err.message, says))
        fail_msg("'%s': code %d in place of %d, says '%s', not '%s'", w.name, rc, code, err.message, says);
    if (rc != NS_OK) {
        assert_null(values);
        assert_non_null(strstr(err.message, path));
        assert_non_null(strstr(err.message, w.name));
    } else if (w.type == NS_N_DTYPES) {
        ns_free_strings((char **)values, w.shape[0]);
    } else {
        free(values);
    }
}

static void test_as_expected(void **state)
{
    (void)state;
    expect((ns_expected){0, "values", NS_F32, 2, {2, NS_ANY}, ns_or_nan(ns_between(0, 1))}, NS_OK, "");
    expect((ns_expected){0, "values", NS_F64, 2, {NS_ANY, NS_ANY}, ns_any_number()}, NS_OK, "");
    expect((ns_expected){0, "counts", NS_I64, 1, {3}, ns_between(-1, 7)}, NS_OK, "");
    expect((ns_expected){0, "counts", NS_F32, 1, {3}, ns_finite()}, NS_OK, "");
    expect((ns_expected){.name = "names", .type = NS_N_DTYPES, .rank = 1, .shape = {3}}, NS_OK, "");
    ns_expected w = {sizeof w, "values", NS_N_DTYPES, 2, {NS_ANY, NS_ANY}, ns_finite()};
    assert_int_equal(ns_file_expect(f, &w, NULL), NS_E_FORMAT);
    w.type = NS_F32;
    assert_int_equal(ns_file_expect(f, &w, NULL), NS_OK);
    assert_true(w.shape[0] == 2 && w.shape[1] == 3);
}

static void test_otherwise(void **state)
{
    (void)state;
    const ns_range any = ns_any_number();
    expect((ns_expected){0, "values", NS_I64, 2, {2, 3}, any}, NS_E_FORMAT, "is float32 of 2 x 3, where integers of 2 x 3 is expected");
    expect((ns_expected){0, "values", NS_F32, 1, {6}, any}, NS_E_FORMAT, "is float32 of 2 x 3, where numbers of 6 is expected");
    expect((ns_expected){0, "values", NS_F32, 2, {3, NS_ANY}, any}, NS_E_FORMAT, "numbers of 3 x any is expected");
    expect((ns_expected){0, "names", NS_F32, 1, {3}, any}, NS_E_FORMAT, "is text of 3, where numbers of 3 is expected");
    expect((ns_expected){.name = "counts", .type = NS_N_DTYPES, .rank = 1, .shape = {3}}, NS_E_FORMAT,
           "is int64 of 3, where text of 3 is expected");
    expect((ns_expected){0, "nothing", NS_F32, 1, {3}, any}, NS_E_MISSING, "has no dataset 'nothing'");
}

static void test_ranges(void **state)
{
    (void)state;
    expect((ns_expected){0, "values", NS_F32, 2, {2, 3}, ns_finite()}, NS_E_FORMAT, "holds nan (value 5)");
    expect((ns_expected){0, "values", NS_F32, 2, {2, 3}, ns_or_nan(ns_between(0, .9))}, NS_E_FORMAT,
           "holds 1 (value 4), where 0 to 0.9 can be");
    expect((ns_expected){0, "counts", NS_I64, 1, {3}, ns_between(0, 10)}, NS_E_FORMAT, "holds -1 (value 2)");
    expect((ns_expected){.name = "counts", .type = NS_I64, .rank = 1, .shape = {3}}, NS_E_FORMAT, "holds 7 (value 1), where 0 to 0 can be");
    const ns_expected w = {sizeof w, "values", NS_F32, 2, {2, 3}, ns_finite()};
    float part[2];
    ns_error err = {""};
    assert_int_equal(ns_file_part(f, &w, (int64_t[]){1, 0}, (int64_t[]){1, 2}, part, &err), NS_OK);
    assert_true(part[0] == .75f && part[1] == 1);
    assert_int_equal(ns_file_part(f, &w, (int64_t[]){1, 1}, (int64_t[]){1, 2}, part, &err), NS_E_FORMAT);      /* the NaN */
    assert_int_equal(ns_file_part(f, &w, (int64_t[]){1, 2}, (int64_t[]){1, 2}, part, &err), NS_E_ARG);
    assert_int_equal(ns_file_part(f, &w, (int64_t[]){-1, 0}, (int64_t[]){1, 2}, part, &err), NS_E_ARG);
}

static void test_facts(void **state)
{
    (void)state;
    ns_error err = {""};
    int64_t n;
    assert_int_equal(ns_file_whole(f, "step", 0, 100, -1, &n, &err), NS_OK);
    assert_int_equal(n, 12);
    assert_int_equal(ns_file_whole(f, "nothing", 0, 100, -1, &n, &err), NS_OK);
    assert_int_equal(n, -1);
    assert_int_equal(ns_file_whole(f, "step", 0, 11, -1, &n, &err), NS_E_FORMAT);
    assert_non_null(strstr(err.message, "attribute 'step' says '12', where a number from 0 to 11 is expected"));
    assert_int_equal(ns_file_whole(f, "tokens", 0, 100, -1, &n, &err), NS_E_FORMAT);
}

/* Out of descriptors no file is called damaged: it is read, or there is the remedy. */
static void test_descriptors(void **state)
{
    (void)state;
    struct rlimit before;
    int said = 0, was_read = 0;
    const int next = dup(STDOUT_FILENO);
    close(next);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    for (int left = 0; left < 10; left++) {
        const struct rlimit few = {(rlim_t)(next + left), before.rlim_max};
        ns_file *vetted = NULL, *own = NULL, *bare = NULL;
        ns_error err[3] = {{""}, {""}, {""}};
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
        int rc[3] = {ns_file_open(&vetted, path, &err[0])};
        ns_file_close(vetted);
        rc[1] = ns_file_open_own(&own, path, &err[1]);
        ns_file_close(own);
        rc[2] = ns_file_open_bare(&bare, path, NULL, &err[2]);
        ns_file_close(bare);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        for (int i = 0; i < 3; i++) {
            const bool remedy = rc[i] == NS_E_MEMORY && strstr(err[i].message, "Too many open files (raise ulimit -n)");
            if (rc[i] != NS_OK && !remedy)
                fail_msg("%d left: code %d, '%s'", left, rc[i], err[i].message);
            said += remedy;
            was_read += rc[i] == NS_OK;
        }
    }
    assert_true(said >= 3 && was_read >= 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_as_expected), cmocka_unit_test(test_otherwise), cmocka_unit_test(test_ranges),
                                       cmocka_unit_test(test_facts), cmocka_unit_test(test_descriptors)};
    return cmocka_run_group_tests(tests, begin, end);
}
