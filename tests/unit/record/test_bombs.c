/* test_bombs.c - small files that would keep a reader of all datasets busy for hours: one dataset under many names, datasets that are
 * compressed twice, a chunk in a plane that is empty else. The first two are refused with a clear line; of the last the chunk is hashed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <hdf5.h>
#include <hdf5_hl.h>

#include "record/file.h"

static char folder[64], path[100];

/* A file of ours, open for HDF5 to write on: what is added is not ours. */
static hid_t begin_file(void)
{
    ns_table_writer *t;
    ns_error err = {""};
    strcpy(folder, "/tmp/ns-bombs-XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/file.h5", folder);
    assert_int_equal(ns_table_create(&t, path, &(ns_fact){"kind", "test", false}, 1, &err), NS_OK);
    assert_int_equal(ns_table_end(t, ns_table_count(t, "case", 3, &err), &err), NS_OK);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(truncate(path, st.st_size - 28), 0);                /* without its seal */
    const hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    assert_true(file >= 0);
    return file;
}

/* n bytes of zeros in chunks, of which `written` are there, from the first one. */
static void add_zeros(hid_t file, const char *name, hsize_t n, hsize_t chunk, hsize_t written, int deflates)
{
    const hid_t dcpl = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(1, &n, NULL);
    uint8_t *const zeros = calloc(1, chunk);
    zeros[0] = 1;
    H5Pset_chunk(dcpl, 1, &chunk);
    for (int i = 0; i < deflates; i++)
        H5Pset_deflate(dcpl, 9);
    const hid_t d = H5Dcreate2(file, name, H5T_STD_U8LE, space, H5P_DEFAULT, dcpl, H5P_DEFAULT), memory = H5Screate_simple(1, &chunk, NULL);
    for (hsize_t i = 0; i < written; i++) {
        H5Sselect_hyperslab(space, H5S_SELECT_SET, (const hsize_t[]){i * chunk}, NULL, &chunk, NULL);
        assert_true(H5Dwrite(d, H5T_NATIVE_UINT8, memory, space, H5P_DEFAULT, zeros) >= 0);
    }
    free(zeros);
    H5Sclose(memory);
    H5Sclose(space);
    H5Dclose(d);
    H5Pclose(dcpl);
}

static void expect_refused(int (*act)(const ns_file *, ns_error *), const char *says)
{
    ns_file *f = NULL;
    ns_error err = {""};
    const clock_t begun = clock();
    int rc = ns_file_open(&f, path, &err);
    rc = rc != NS_OK ? rc : act(f, &err);
    if (rc != NS_E_FORMAT || !strstr(err.message, says) || !strstr(err.message, path))
        fail_msg("code %d, says '%s' where '%s' is expected", rc, err.message, says);
    assert_true(clock() - begun < 10 * CLOCKS_PER_SEC);
    ns_file_close(f);
    unlink(path);
    rmdir(folder);
}

static int content(const ns_file *f, ns_error *err)
{
    char **lines = NULL;
    int64_t n = 0;
    const int rc = ns_file_content(f, &lines, &n, err);
    ns_free_strings(lines, n);
    return rc;
}

/* 2^24 bytes a name. */
static void test_many_names(void **state)
{
    (void)state;
    for (int below = 0; below < 2; below++) {
        const hid_t file = begin_file();
        add_zeros(file, "zeros", 1 << 24, 1 << 20, 16, 1);
        if (below)
            H5Gclose(H5Gcreate2(file, "group", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
        for (int i = 0; i < 1000; i++) {
            char name[32];
            snprintf(name, sizeof name, "%szeros%d", below ? "group/" : "", i);
            assert_true(H5Lcreate_hard(file, "zeros", file, name, H5P_DEFAULT, H5P_DEFAULT) >= 0);
        }
        H5Fclose(file);
        expect_refused(ns_file_verify, "has 1001 names in it");
    }
}

/* Compressed twice, each of them is some hundred bytes: more than deflate makes of the whole file. */
static void test_compressed_twice(void **state)
{
    (void)state;
    const hid_t file = begin_file();
    for (int i = 0; i < 4; i++)
        add_zeros(file, (const char *[]){"a", "b", "c", "d"}[i], 1 << 25, 1 << 25, 1, 2);
    H5Fclose(file);
    expect_refused(content, "made to do harm: its datasets are more than 1032 bytes for each");
}

/* 2^40 bytes, one chunk of them there: its hash is that of the chunk. */
static void test_one_chunk(void **state)
{
    (void)state;
    ns_file *f;
    ns_error err = {""};
    const hid_t file = begin_file();
    add_zeros(file, "zeros", (hsize_t)1 << 40, 1 << 10, 1, 0);
    assert_true(H5LTset_attribute_long_long(file, "zeros", "hash_tile", (const long long[]){1 << 10}, 1) >= 0);
    H5Fclose(file);
    assert_int_equal(ns_file_open(&f, path, &err), NS_OK);
    ns_file_close(f);
    expect_refused(ns_file_verify, "but the content gives");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_many_names), cmocka_unit_test(test_compressed_twice),
                                       cmocka_unit_test(test_one_chunk)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
