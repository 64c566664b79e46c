/* test_hostile.c - files as damage, haste or malice leave them: flipped, cut, without a seal, with storage that lies elsewhere, or no files
 * at all. Each is refused with its name, quickly, and this process lives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <hdf5.h>
#include <hdf5_hl.h>

#include "record/seal.h"

enum { C = 4, H = 3, SEAL = 28 };                     /* bytes of the seal, counted from its line here: "\nneedlescope crc32 " + 8 + "\n" */

static char folder[64], path[100];
static uint8_t *whole;
static size_t size;

static void must(int rc, const ns_error *err)
{
    if (rc != NS_OK)
        fail_msg("%s", err->message);
}

static void write_sound(const char *to)
{
    static const char *const names[C] = {"one", "two", "three", "four"};
    ns_table_writer *t;
    ns_error err = {""};
    float values[C * H];
    for (int i = 0; i < C * H; i++)
        values[i] = (float)i;
    const ns_view v = ns_view_of(values, NS_F32, 2, (int64_t[]){C, H});
    must(ns_table_create(&t, to, &(ns_fact){"kind", "test", false}, 1, &err), &err);
    int rc = ns_table_count(t, "case", C, &err);
    rc = rc != NS_OK ? rc : ns_table_count(t, "head", H, &err);
    rc = rc != NS_OK ? rc : ns_table_array(t, "hits", "case head", &v, "values that say where they are", &err);
    rc = rc != NS_OK ? rc : ns_table_strings(t, "case_id", "case", names, C, &err);
    must(ns_table_end(t, rc, &err), &err);
}

static void write_bytes(const uint8_t *bytes, size_t n)
{
    FILE *const f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

static int begin(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/ns-hostile-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/file.h5", folder);
    write_sound(path);
    FILE *const f = fopen(path, "rb");
    fseek(f, 0, SEEK_END);
    size = (size_t)ftell(f);
    rewind(f);
    whole = malloc(size);
    return fread(whole, 1, size, f) == size && fclose(f) == 0 ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    free(whole);
    unlink(path);
    return rmdir(folder);
}

/* Opens it and reads all there is. NS_OK: and the values are those that were written. */
static int read_all(ns_error *err)
{
    ns_file *f;
    float *values = NULL;
    char **names = NULL;
    ns_expected w = {sizeof w, "hits", NS_F32, 2, {NS_ANY, NS_ANY}, ns_finite()};
    int rc = ns_file_open(&f, path, err);
    if (rc != NS_OK)
        return rc;
    rc = ns_file_array(f, &w, &values, err);
    for (int i = 0; rc == NS_OK && i < w.shape[0] * w.shape[1]; i++)
        assert_true(values[i] == (float)i);
    ns_expected texts = {.size = sizeof texts, .name = "case_id", .rank = 1, .shape = {NS_ANY}};
    if (rc == NS_OK)
        rc = ns_file_texts(f, &texts, &names, err);
    ns_free_strings(names, rc == NS_OK ? texts.shape[0] : 0);
    free(values);
    ns_file_close(f);
    return rc;
}

static void expect_refused(const char *why, int code)
{
    ns_error err = {""};
    const int rc = read_all(&err);
    if (rc != code || !strstr(err.message, why) || !strstr(err.message, folder))
        fail_msg("code %d, not %d, says '%s' where '%s' and the file's name are expected", rc, code, err.message, why);
}

static void test_sound(void **state)
{
    (void)state;
    ns_error err = {""};
    write_bytes(whole, size);
    must(read_all(&err), &err);
}

/* Every bit of one place in 7, and all of the first bytes: what HDF5 would have made of them is never asked. */
static void test_flips(void **state)
{
    (void)state;
    uint8_t *const copy = malloc(size);
    memcpy(copy, whole, size);
    for (size_t i = 0; i < size - SEAL; i += i < 256 ? 1 : 7) {
        copy[i] ^= (uint8_t)(1 << i % 8);
        write_bytes(copy, size);
        expect_refused("damaged", NS_E_FORMAT);
        copy[i] = whole[i];
    }
    free(copy);
}

static void test_cuts(void **state)
{
    (void)state;
    for (size_t n = 0; n < size - SEAL; n += 97) {
        ns_error err = {""};
        write_bytes(whole, n);
        assert_int_equal(read_all(&err), NS_E_FORMAT);
        assert_non_null(strstr(err.message, folder));
    }
}

/* Without its seal (h5repack, an older version) a file is vetted in a process of its own. Flips may give other values there, but never a
 * crash here. */
static void test_without_seal(void **state)
{
    (void)state;
    ns_error err = {""};
    uint8_t *const copy = malloc(size);
    write_bytes(whole, size - SEAL);
    must(read_all(&err), &err);
    int refused = 0;
    uint32_t random = 12345;
    for (int round = 0; round < 150; round++) {
        ns_file *f = NULL;
        memcpy(copy, whole, size);
        for (int k = 0; k < 4; k++) {
            random = random * 1664525u + 1013904223u;
            copy[random % (size - SEAL)] ^= (uint8_t)(1u << (random >> 24) % 8);
        }
        write_bytes(copy, size - SEAL);
        refused += ns_file_open(&f, path, &err) != NS_OK;
        ns_file_close(f);
    }
    free(copy);
    assert_in_range(refused, 20, 150);                /* most bytes are metadata or slack */
}

/* ---- storage elsewhere ---- */

/* The sound file without its seal, to be changed by HDF5 itself. */
static hid_t change(void)
{
    write_bytes(whole, size - SEAL);
    const hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    assert_true(file >= 0);
    return file;
}

static void make_dataset(hid_t file, hid_t dcpl, hid_t space)
{
    H5Ldelete(file, "hits", H5P_DEFAULT);
    const hid_t d = H5Dcreate2(file, "hits", H5T_IEEE_F32LE, space, H5P_DEFAULT, dcpl, H5P_DEFAULT);
    assert_true(d >= 0);
    H5Dclose(d);
    H5Pclose(dcpl);
    H5Sclose(space);
    H5Fclose(file);
}

static hid_t plane(hsize_t rows)
{
    return H5Screate_simple(2, (const hsize_t[]){rows, H}, NULL);
}

static void test_external(void **state)
{
    (void)state;
    const hid_t file = change(), dcpl = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_external(dcpl, "/etc/passwd", 0, C * H * sizeof(float));
    make_dataset(file, dcpl, plane(C));
    expect_refused("keeps its values in another file", NS_E_FORMAT);
}

static void test_virtual(void **state)
{
    (void)state;
    const hid_t file = change(), dcpl = H5Pcreate(H5P_DATASET_CREATE), space = plane(C);
    H5Pset_virtual(dcpl, space, "other.h5", "/hits", space);
    make_dataset(file, dcpl, space);
    expect_refused("is virtual", NS_E_FORMAT);
}

static void test_filter(void **state)
{
    (void)state;
    const hid_t file = change(), dcpl = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(dcpl, 2, (const hsize_t[]){C, H});
    H5Pset_scaleoffset(dcpl, H5Z_SO_FLOAT_DSCALE, 2);
    make_dataset(file, dcpl, plane(C));
    expect_refused("a filter that needlescope does not use", NS_E_FORMAT);
}

/* 2^27 rows in a file of some kilobytes, chunked and not. */
static void test_claims(void **state)
{
    (void)state;
    for (int chunked = 0; chunked < 2; chunked++) {
        const hid_t file = change(), dcpl = H5Pcreate(H5P_DATASET_CREATE);
        if (chunked)
            H5Pset_chunk(dcpl, 2, (const hsize_t[]){1024, H});
        else
            H5Pset_alloc_time(dcpl, H5D_ALLOC_TIME_LATE);
        make_dataset(file, dcpl, plane((hsize_t)1 << 27));
        expect_refused("the file does not hold them", NS_E_FORMAT);
    }
}

/* So many numbers that their bytes are 2^64, which would be none. */
static void test_claims_that_wrap(void **state)
{
    (void)state;
    const hid_t file = change(), dcpl = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(dcpl, 2, (const hsize_t[]){1024, 1});
    make_dataset(file, dcpl, H5Screate_simple(2, (const hsize_t[]){(hsize_t)1 << 62, 1}, NULL));
    expect_refused("claims 4611686018427387904 values, but the file does not hold them", NS_E_FORMAT);
}

/* 2^42 numbers that were never written: hashing them would take hours. */
static void test_claims_to_hash(void **state)
{
    (void)state;
    for (int tiled = 0; tiled < 2; tiled++) {
        ns_error err = {""};
        ns_file *f;
        const hid_t dcpl = H5Pcreate(H5P_DATASET_CREATE), file = change();
        H5Pset_chunk(dcpl, 2, (const hsize_t[]){1024, H});
        make_dataset(file, dcpl, plane((hsize_t)1 << 42));
        if (tiled) {
            const hid_t again = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
            assert_true(H5LTset_attribute_long_long(again, "hits", "hash_tile", (const long long[]){1024, H}, 2) >= 0);
            H5Fclose(again);
        }
        must(ns_file_open(&f, path, &err), &err);
        assert_int_equal(ns_file_verify(f, &err), NS_E_FORMAT);
        assert_non_null(strstr(err.message, tiled ? "the content gives" : "the file does not hold them"));
        ns_file_close(f);
    }
}

static void test_links(void **state)
{
    (void)state;
    for (int external = 0; external < 2; external++) {
        const hid_t file = change();
        H5Ldelete(file, "hits", H5P_DEFAULT);
        if (external)
            H5Lcreate_external("other.h5", "/hits", file, "hits", H5P_DEFAULT, H5P_DEFAULT);
        else
            H5Lcreate_soft("/case_id", file, "hits", H5P_DEFAULT, H5P_DEFAULT);
        H5Fclose(file);
        expect_refused("a link that leads elsewhere", NS_E_FORMAT);
    }
}

/* ---- parts that HDF5 does not find ---- */

/* Two chunks; the index says that the second begins within the first, or behind the end. HDF5 1.10 reads zeros for it. */
static void test_chunks(void **state)
{
    (void)state;
    const hid_t dcpl = H5Pcreate(H5P_DATASET_CREATE), file = change();
    static const float ones[C * H] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    static const uint64_t key[] = {C / 2, 0, 0};                                     /* where it begins: row, column, byte of the element */
    H5Pset_chunk(dcpl, 2, (const hsize_t[]){C / 2, H});
    make_dataset(file, dcpl, plane(C));
    const hid_t again = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT), d = H5Dopen2(again, "hits", H5P_DEFAULT);
    assert_true(H5Dwrite(d, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, ones) >= 0);
    H5Dclose(d);
    H5Fclose(again);
    FILE *const f = fopen(path, "r+b");
    uint8_t *const bytes = malloc(4 * size);
    const size_t n = fread(bytes, 1, 4 * size, f);
    fclose(f);
    const uint8_t *const found = memmem(bytes, n, key, sizeof key);
    assert_non_null(found);
    static const uint8_t rows[] = {0, 1, C, C + 1, 200};
    for (size_t i = 0; i < sizeof rows; i++) {
        bytes[found - bytes] = rows[i];
        write_bytes(bytes, n);
        ns_error err = {""};
        if (read_all(&err) != NS_E_FORMAT)
            fail_msg("chunk at row %d: '%s'", rows[i], err.message);
    }
    free(bytes);
}

/* ---- references into heaps ---- */

/* Where the last object with these bytes begins in the sound file's heap: its number (u16, 0 = the rest is free), 6 bytes, its size (u64),
 * its bytes. HDF5 leaves objects there that nothing leads to any more. */
static size_t object_with(const void *bytes, uint64_t n)
{
    size_t at = 0, found = 0;
    while (memcmp(whole + at, "GCOL", 4) != 0)
        assert_true(++at < size - 4);
    for (at += 16; whole[at] || whole[at + 1];) {
        uint64_t length;
        memcpy(&length, whole + at + 8, sizeof length);
        if (length == n && !memcmp(whole + at + 16, bytes, n))
            found = at;
        at += 16 + (length + 7) / 8 * 8;
    }
    assert_true(found > 0);
    return found;
}

/* Not taken for another, for none, for a part of it, nor written beyond its end. Where the heap is whole, what leads there is named. */
static void refuse_without(const void *bytes, uint64_t n, const char *named)
{
    const size_t at = object_with(bytes, n);
    const struct { size_t at; uint64_t other; } changes[] = {{at, 4000}, {at + 8, n - 1}, {at, 1}, {at + 8, n - n % 8 + 8},
                                                             {at + 8, 4096}};
    char why[100];
    snprintf(why, sizeof why, "damaged: '%s' leads to a text or axis that is not there", named);
    for (size_t i = 0; i < sizeof changes / sizeof *changes; i++) {
        uint8_t *const copy = malloc(size);
        memcpy(copy, whole, size);
        memcpy(copy + changes[i].at, &changes[i].other, changes[i].at == at ? 2 : 8);
        write_bytes(copy, size - SEAL);
        free(copy);
        ns_error err = {""};
        if (read_all(&err) != NS_E_FORMAT || (i < 2 && !strstr(err.message, why)))
            fail_msg("change %zu of '%s': '%s'", i, named, err.message);
    }
}

/* HDF5 1.10 goes round in a heap whose free space has no size: that takes seconds, once. */
static void test_hang(void **state)
{
    (void)state;
    struct rusage before, after;
    const size_t at = object_with("three", 5);
    uint8_t *const copy = malloc(size);
    memcpy(copy, whole, size);
    memset(copy + at, 0, 16);
    write_bytes(copy, size - SEAL);
    free(copy);
    getrusage(RUSAGE_CHILDREN, &before);
    expect_refused("does not come to an end", NS_E_FORMAT);
    getrusage(RUSAGE_CHILDREN, &after);
    assert_in_range(after.ru_utime.tv_sec - before.ru_utime.tv_sec, 2, 4);
}

static uint64_t address_of(const char *dataset)
{
    H5O_info_t info;
    const hid_t file = change();
    assert_true(H5Oget_info_by_name2(file, dataset, &info, H5O_INFO_BASIC, H5P_DEFAULT) >= 0);
    H5Fclose(file);
    return info.addr;
}

static void test_heaps(void **state)
{
    (void)state;
    const uint64_t axis = address_of("case");
    refuse_without("three", 5, "/case_id");
    refuse_without("test", 4, "kind");
    refuse_without("values that say where they are", 30, "long_name");
    refuse_without(&axis, sizeof axis, "DIMENSION_LIST");
}

static void write_text_attribute(const char *text)
{
    const hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT), type = ns_h5_string(), space = H5Screate(H5S_SCALAR);
    const hid_t attribute = H5Acreate2(file, "schema", type, space, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Awrite(attribute, type, &text) >= 0);
    H5Aclose(attribute);
    H5Sclose(space);
    H5Tclose(type);
    H5Fclose(file);
}

/* A sound file with more attributes than HDF5 reads in the time is told what it has. */
static void test_many_attributes(void **state)
{
    (void)state;
    for (int on_dataset = 0; on_dataset < 2; on_dataset++) {
        const hid_t file = change();
        char name[16];
        for (int i = 0; i < 1100; i++) {
            snprintf(name, sizeof name, "note%d", i);
            assert_true(H5LTset_attribute_int(file, on_dataset ? "hits" : "/", name, &i, 1) >= 0);
        }
        H5Fclose(file);
        expect_refused(on_dataset ? "'/hits' has 11" : "'/' has 11", NS_E_FORMAT);
        expect_refused("attributes, and needlescope reads at most 1024", NS_E_FORMAT);
    }
}

/* A text of two gigabytes in a file of some kilobytes is no matter of memory, where there is enough. This kind of header, which ours do not
 * have, holds no checksum. */
static void test_absurd_length(void **state)
{
    (void)state;
    static const uint8_t length[] = {7, 0, 0, 0}, number[] = {1, 0, 0, 0}, absurd[] = {255, 255, 255, 127};
    uint8_t bytes[8192];
    write_text_attribute("a text.");
    FILE *const f = fopen(path, "rb");
    const size_t n = fread(bytes, 1, sizeof bytes, f);
    fclose(f);
    size_t at = 0;
    while (memcmp(bytes + at, length, 4) || memcmp(bytes + at + 12, number, 4))      /* length, address of the heap, number */
        assert_true(++at < n - 16);
    memcpy(bytes + at, absurd, 4);
    write_bytes(bytes, n);
    expect_refused("damaged, or made to do harm: ", NS_E_FORMAT);
}

/* ---- another version's ---- */

static void test_newer(void **state)
{
    (void)state;
    const hid_t file = change(), attribute = H5Aopen(file, "schema", H5P_DEFAULT);
    const int newer = NS_SCHEMA + 1;
    assert_true(attribute >= 0 && H5Awrite(attribute, H5T_NATIVE_INT, &newer) >= 0);
    H5Aclose(attribute);
    H5Fclose(file);
    expect_refused("use a newer needlescope", NS_E_UNSUPPORTED);
}

/* ---- beside other threads ---- */

/* Is inside HDF5, and has its lock, most of the time. */
static void *busy(void *stop)
{
    while (!atomic_load((atomic_bool *)stop))
        H5Tclose(H5Tcopy(H5T_NATIVE_INT));
    return NULL;
}

static void test_threads(void **state)
{
    (void)state;
    pthread_t other;
    atomic_bool stop = false;
    ns_error err = {""};
    write_bytes(whole, size);
    assert_int_equal(pthread_create(&other, NULL, busy, &stop), 0);
    int rc = NS_OK;
    for (int i = 0; i < 100 && rc == NS_OK; i++)
        rc = read_all(&err);
    atomic_store(&stop, true);
    pthread_join(other, NULL);
    must(rc, &err);
}

/* ---- no files ---- */

static void test_kinds(void **state)
{
    (void)state;
    unlink(path);
    expect_refused("No such file", NS_E_MISSING);
    assert_int_equal(mkfifo(path, 0600), 0);
    expect_refused(": a FIFO, not a file", NS_E_MISSING);
    unlink(path);
    assert_int_equal(mkdir(path, 0700), 0);
    expect_refused("is an empty folder, not", NS_E_MISSING);
    rmdir(path);
    write_bytes((const uint8_t *)"", 0);
    expect_refused("is an empty file, not", NS_E_FORMAT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sound), cmocka_unit_test(test_flips), cmocka_unit_test(test_cuts), cmocka_unit_test(test_without_seal),
        cmocka_unit_test(test_external), cmocka_unit_test(test_virtual), cmocka_unit_test(test_filter), cmocka_unit_test(test_claims),
        cmocka_unit_test(test_claims_that_wrap),
        cmocka_unit_test(test_links), cmocka_unit_test(test_newer), cmocka_unit_test(test_threads),
        cmocka_unit_test(test_kinds), cmocka_unit_test(test_claims_to_hash), cmocka_unit_test(test_heaps),
        cmocka_unit_test(test_many_attributes),
        cmocka_unit_test(test_absurd_length), cmocka_unit_test(test_hang), cmocka_unit_test(test_chunks),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
