/* test_changed.c - a file that is cut, replaced or written anew while it is read: between the look at its seal and its opening, or after
 * it. Every way to read says so, with the file's name (NS_E_IO, exit 74). HDF5 alone reads zeros where nothing is any more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "record/file.h"
#include "record/seal.h"

enum { N = 100000 };                                    /* values: more than HDF5 keeps of them */

static char folder[64], path[100], other[100];
static int whole_reads = -1;                            /* before the file is cut; below 0: it is not */

static int *first_reads;                                /* of children, in memory of them all: the first of all waits; NULL: none */

static ssize_t read_or_cut(int fd, void *to, size_t n, int64_t at)
{
    if (first_reads && (*first_reads)++ == 0)
        for (;;)
            pause();
    if (whole_reads >= 0 && whole_reads-- == 0 && truncate(path, 20000) != 0)
        abort();
    return syscall(SYS_pread64, fd, to, n, at);
}

/* By both names: the program's own come before libc's, for HDF5 too. */
ssize_t pread_of_others(int fd, void *to, size_t n, int64_t at) __asm__("pread");
ssize_t pread_of_others(int fd, void *to, size_t n, int64_t at) { return read_or_cut(fd, to, n, at); }
ssize_t pread_of_64_bits(int fd, void *to, size_t n, int64_t at) __asm__("pread64");
ssize_t pread_of_64_bits(int fd, void *to, size_t n, int64_t at) { return read_or_cut(fd, to, n, at); }

static int write_sound(const char *to)
{
    static float values[N];
    for (int i = 0; i < N; i++)
        values[i] = 1;
    const ns_view v = ns_view_of(values, NS_F32, 1, (int64_t[]){N});
    ns_table_writer *t;
    int rc = ns_table_create(&t, to, &(ns_fact){"kind", "test", false}, 1, NULL);
    if (rc != NS_OK)
        return rc;
    rc = ns_table_count(t, "row", N, NULL);
    rc = rc != NS_OK ? rc : ns_table_count(t, "word", 1, NULL);
    rc = rc != NS_OK ? rc : ns_table_array(t, "values", "row", &v, NULL, NULL);
    rc = rc != NS_OK ? rc : ns_table_strings(t, "names", "word", (const char *const[]){"a"}, 1, NULL);
    return ns_table_end(t, rc, NULL);
}

static int begin(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/ns-changed-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/file.h5", folder);
    snprintf(other, sizeof other, "%s/other.h5", folder);
    return 0;
}

static int end(void **state)
{
    (void)state;
    unlink(path);
    unlink(other);
    return rmdir(folder);
}

/* ---- what happens to it ---- */

static void cut(void)
{
    assert_int_equal(truncate(path, 20000), 0);
}

static void empty(void)
{
    assert_int_equal(truncate(path, 0), 0);
}

/* As long as before; the bytes are others. */
static void write_anew(void)
{
    static const char zeros[1000];
    const int fd = open(path, O_WRONLY);
    assert_int_equal(pwrite(fd, zeros, sizeof zeros, 100000), sizeof zeros);
    const struct timespec later[2] = {{.tv_sec = 2000000000}, {.tv_sec = 2000000000}};          /* whatever the clock's tick is */
    assert_int_equal(futimens(fd, later), 0);
    assert_int_equal(close(fd), 0);
}

static void replace(void)
{
    assert_int_equal(write_sound(other), NS_OK);
    assert_int_equal(rename(other, path), 0);
}

static void leave(void)
{
}

/* ---- ways to read it ---- */

static int read_array(const ns_file *f, ns_error *err)
{
    ns_expected w = {sizeof w, "values", NS_F32, 1, {NS_ANY}, ns_finite()};
    float *values = NULL;
    const int rc = ns_file_array(f, &w, &values, err);
    assert_true((rc == NS_OK) == (values != NULL));
    free(values);
    return rc;
}

static int read_part(const ns_file *f, ns_error *err)
{
    static float values[N / 2];
    const ns_expected w = {sizeof w, "values", NS_F32, 1, {NS_ANY}, ns_finite()};
    return ns_file_part(f, &w, &(int64_t){N / 2}, &(int64_t){N / 2}, values, err);
}

static int read_texts(const ns_file *f, ns_error *err)
{
    ns_expected w = {.size = sizeof w, .name = "names", .type = NS_N_DTYPES, .rank = 1, .shape = {1}};
    char **texts;
    const int rc = ns_file_texts(f, &w, &texts, err);
    assert_true((rc == NS_OK) == (texts != NULL));
    ns_free_strings(texts, 1);
    return rc;
}

static int read_shape(const ns_file *f, ns_error *err)
{
    ns_expected w = {.size = sizeof w, .name = "values", .type = NS_F32, .rank = 1, .shape = {NS_ANY}};
    return ns_file_expect(f, &w, err);
}

static int read_axes(const ns_file *f, ns_error *err)
{
    char *axes;
    const int rc = ns_file_describe(f, "values", NULL, NULL, NULL, &axes, err);
    assert_true((rc == NS_OK) == (axes != NULL));
    free(axes);
    return rc;
}

static int read_list(const ns_file *f, ns_error *err)
{
    char **list;
    int64_t n;
    const int rc = ns_file_list(f, &list, &n, err);
    ns_free_strings(rc == NS_OK ? list : NULL, n);
    return rc;
}

static int read_content(const ns_file *f, ns_error *err)
{
    char **lines;
    int64_t n;
    const int rc = ns_file_content(f, &lines, &n, err);
    if (rc == NS_OK)
        ns_free_strings(lines, n);
    return rc;
}

static int read_meaning(const ns_file *f, ns_error *err)
{
    ns_score_meaning meaning;
    return ns_file_meaning(f, "values", &meaning, err);
}

typedef int (*reader)(const ns_file *, ns_error *);
static const reader readers[] = {read_array, read_part, read_texts, read_shape, read_axes, read_list, read_content, ns_file_verify,
                                 read_meaning};

/* ---- the moments ---- */

static void expect_said(int rc, const ns_error *err, int i)
{
    if (rc != NS_E_IO || !strstr(err->message, path) || !strstr(err->message, "while it was read"))
        fail_msg("way %d: code %d, '%s'", i, rc, err->message);
}

static void test_after_opening(void **state)
{
    (void)state;
    static void (*const changes[])(void) = {cut, empty, write_anew};
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++)
        for (size_t k = 0; k < sizeof changes / sizeof *changes; k++) {
            ns_error err = {""};
            ns_file *f;
            assert_int_equal(write_sound(path), NS_OK);
            assert_int_equal(ns_file_open(&f, path, &err), NS_OK);
            changes[k]();
            expect_said(readers[i](f, &err), &err, (int)i);
            ns_file_close(f);
        }
}

/* Who replaces a file leaves the open one to its readers. */
static void test_replaced_after_opening(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++) {
        ns_error err = {""};
        ns_file *f;
        assert_int_equal(write_sound(path), NS_OK);
        assert_int_equal(ns_file_open(&f, path, &err), NS_OK);
        replace();
        assert_int_equal(readers[i](f, &err), NS_OK);
        ns_file_close(f);
    }
}

static void test_before_opening(void **state)
{
    (void)state;
    static void (*const changes[])(void) = {write_anew, replace, leave};
    for (size_t k = 0; k < sizeof changes / sizeof *changes; k++) {
        ns_error err = {""};
        ns_identity as;
        bool sealed;
        ns_file *f;
        assert_int_equal(write_sound(path), NS_OK);
        assert_int_equal(ns_seal_check(path, &sealed, &as, &err), NS_OK);
        assert_true(sealed);
        changes[k]();
        const int vetted = ns_vet(path, &as, &err);
        const int opened = ns_file_open_bare(&f, path, &as, &err);
        if (changes[k] == leave) {
            assert_true(vetted == NS_OK && opened == NS_OK);
            ns_file_close(f);
            continue;
        }
        assert_int_equal(vetted, NS_E_IO);
        expect_said(opened, &err, (int)k);
        assert_null(f);
    }
}

/* A child may wait for a lock that another thread held when it was forked: then another one looks at the file, which is sound. */
static void test_child_waits(void **state)
{
    (void)state;
    ns_error err = {""};
    ns_identity as;
    bool sealed;
    assert_int_equal(write_sound(path), NS_OK);
    assert_int_equal(ns_seal_check(path, &sealed, &as, &err), NS_OK);
    first_reads = mmap(NULL, sizeof *first_reads, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(first_reads != MAP_FAILED);
    const time_t begun = time(NULL);
    const int rc = ns_vet(path, &as, &err);
    if (rc != NS_OK || *first_reads < 2 || time(NULL) - begun > 30)
        fail_msg("code %d, '%s', %d reads", rc, err.message, *first_reads);
    munmap(first_reads, sizeof *first_reads);
    first_reads = NULL;
}

/* True where it was cut: at read k, counted from before its opening or from after it. */
static bool read_while_cut(int k, bool opened)
{
    ns_error err = {""};
    ns_file *f = NULL;
    struct stat st;
    assert_int_equal(write_sound(path), NS_OK);
    assert_int_equal(stat(path, &st), 0);
    const off_t before = st.st_size;
    whole_reads = opened ? -1 : k;
    int rc = ns_file_open(&f, path, &err);
    whole_reads = opened ? k : whole_reads;
    rc = rc != NS_OK ? rc : read_array(f, &err);
    whole_reads = -1;
    assert_int_equal(stat(path, &st), 0);
    const bool was_cut = st.st_size < before;
    if (rc != (was_cut ? NS_E_IO : NS_OK) || (was_cut && !strstr(err.message, path)))
        fail_msg("cut at read %d: code %d, '%s'", k, rc, err.message);
    ns_file_close(f);
    return was_cut;
}

/* Cut at the first read, at the second ..., be it one of the seal, of the child that vets, or of HDF5 here: never an answer. */
static void test_at_every_read(void **state)
{
    (void)state;
    int opening = 0, opened = 0;
    while (read_while_cut(opening, false))
        opening++;
    while (read_while_cut(opened, true))
        opened++;
    assert_true(opening > 20 && opened >= 2);           /* else no read of HDF5 came by here */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_after_opening), cmocka_unit_test(test_at_every_read),
                                       cmocka_unit_test(test_replaced_after_opening), cmocka_unit_test(test_before_opening),
                                       cmocka_unit_test(test_child_waits)};
    return cmocka_run_group_tests(tests, begin, end);
}
