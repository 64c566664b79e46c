/* test_table.c - tables: what is written is read back, with axes and facts; wrong use, abort and a full disk leave no file behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <needlescope/record.h>

static char folder[64];

static const char *in_folder(const char *name)
{
    static char path[400];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int files_in_folder(void)
{
    int n = 0;
    DIR *const d = opendir(folder);
    for (const struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.';
    closedir(d);
    return n;
}

static int make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/ns-table-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    DIR *const d = opendir(folder);
    for (const struct dirent *e; (e = readdir(d));)
        if (e->d_name[0] != '.')
            unlink(in_folder(e->d_name));
    closedir(d);
    return rmdir(folder);
}

static void axis(ns_table_writer *t, const char *name, int32_t n)
{
    int32_t values[64];
    ns_error err = {""};
    for (int32_t i = 0; i < n; i++)
        values[i] = 10 * i;
    const ns_view v = ns_view_of(values, NS_I32, 1, (int64_t[]){n});
    if (ns_table_axis(t, name, &v, &err) != NS_OK)
        fail_msg("%s", err.message);
}

static const ns_fact facts[] = {{"model", "tiny \xe2\x80\x94 one", false}, {"host", "here", true}, {"seed", "7", false}};

static void write_table(const char *path, const float *score)
{
    ns_table_writer *t;
    ns_error err = {""};
    if (ns_table_create(&t, path, facts, 3, &err) != NS_OK)
        fail_msg("%s", err.message);
    axis(t, "case", 2);
    axis(t, "layer", 3);
    axis(t, "head", 4);
    const ns_view v = ns_view_of((void *)score, NS_F32, 2, (int64_t[]){3, 4});
    if (ns_table_array(t, "score", "layer head", &v, "a score", &err) != NS_OK)
        fail_msg("%s", err.message);
    uint8_t hits[24];
    for (int i = 0; i < 24; i++)
        hits[i] = (uint8_t)i;
    const ns_view h = {.data = hits, .dtype = NS_U8, .rank = 3, .shape = {2, 4, 3}, .stride = {12, 1, 4}};
    axis(t, "head2", 4);
    axis(t, "layer2", 3);
    assert_int_equal(ns_table_array(t, "hits", "case head layer", &h, NULL, &err), NS_OK);
    assert_int_equal(ns_table_strings(t, "case_id", "case", (const char *const[]){"a", "\xce\xb2"}, 2, &err), NS_OK);
    if (ns_table_commit(t, &err) != NS_OK)
        fail_msg("%s", err.message);
}

static void test_round_trip(void **state)
{
    (void)state;
    float score[12];
    for (int i = 0; i < 12; i++)
        score[i] = i == 5 ? NAN : (float)i / 3;
    const char *const path = in_folder("t.h5");
    write_table(path, score);
    assert_int_equal(files_in_folder(), 1);
    ns_file *f;
    ns_error err = {""};
    if (ns_file_open(&f, path, &err) != NS_OK)
        fail_msg("%s", err.message);
    assert_string_equal(ns_file_fact(f, "model"), facts[0].value);
    assert_string_equal(ns_file_fact(f, "host"), "here");
    assert_string_equal(ns_file_fact(f, "schema"), "1");
    assert_string_equal(ns_file_fact(f, "complete"), "1");
    assert_null(ns_file_fact(f, "nothing"));
    char hex[65];
    assert_int_equal(ns_facts_sha256((const ns_fact[]){facts[2], facts[0]}, 2, hex, &err), NS_OK);
    assert_string_equal(ns_file_fact(f, "config_sha256"), hex);
    float *got;
    char *axes;
    ns_expected w = {sizeof w, "score", NS_F32, 2, {NS_ANY, 4}, ns_any_number()};
    assert_int_equal(ns_file_array(f, &w, &got, &err), NS_OK);
    assert_int_equal(w.shape[0], 3);
    assert_int_equal(ns_file_describe(f, "score", NULL, NULL, NULL, &axes, &err), NS_OK);
    assert_string_equal(axes, "layer head");
    assert_memory_equal(got, score, sizeof score);
    free(got);
    free(axes);
    int64_t *hits;
    ns_expected counts = {sizeof counts, "/hits", NS_I64, 3, {NS_ANY, NS_ANY, NS_ANY}, ns_between(0, 255)};
    assert_int_equal(ns_file_array(f, &counts, &hits, &err), NS_OK);
    for (int c = 0; c < 2; c++)
        for (int h = 0; h < 4; h++)
            for (int l = 0; l < 3; l++)
                assert_int_equal(hits[(c * 4 + h) * 3 + l], c * 12 + h + 4 * l);
    free(hits);
    char **ids;
    ns_expected texts = {.size = sizeof texts, .name = "case_id", .rank = 1, .shape = {NS_ANY}};
    assert_int_equal(ns_file_texts(f, &texts, &ids, &err), NS_OK);
    assert_int_equal(texts.shape[0], 2);
    assert_string_equal(ids[1], "\xce\xb2");
    free(ids[0]), free(ids[1]), free(ids);
    float slab[2];
    assert_int_equal(ns_file_part(f, &w, (int64_t[]){1, 2}, (int64_t[]){2, 1}, slab, &err), NS_OK);
    assert_true(slab[0] == score[6] && slab[1] == score[10]);
    assert_int_equal(ns_file_part(f, &w, (int64_t[]){1, 2}, (int64_t[]){3, 1}, slab, &err), NS_E_ARG);
    w.name = "absent/x";
    assert_int_equal(ns_file_array(f, &w, &got, &err), NS_E_MISSING);
    assert_non_null(strstr(err.message, "absent/x"));
    assert_true(ns_file_has(f, "score") && !ns_file_has(f, "provenance") && !ns_file_has(f, "x"));
    if (ns_file_verify(f, &err) != NS_OK)
        fail_msg("%s", err.message);
    ns_file_close(f);
}

static char *content_of(const char *path)
{
    ns_file *f;
    assert_int_equal(ns_file_open(&f, path, NULL), NS_OK);
    char *const text = strdup(ns_file_fact(f, "content_sha256"));
    ns_file_close(f);
    return text;
}

/* Equal content has one hash and one file; a changed bit, fact or name has another hash. */
static void test_content_hash(void **state)
{
    (void)state;
    float score[12] = {1, 2, 3};
    write_table(in_folder("a.h5"), score);
    char *const a = content_of(in_folder("a.h5"));
    write_table(in_folder("b.h5"), score);
    char *const b = content_of(in_folder("b.h5"));
    score[11] = -0.0f;
    write_table(in_folder("c.h5"), score);
    char *const c = content_of(in_folder("c.h5"));
    assert_string_equal(a, b);
    assert_string_not_equal(a, c);
    free(a), free(b), free(c);
    char command[300];
    snprintf(command, sizeof command, "cmp -s %s/a.h5 %s/b.h5", folder, folder);
    assert_int_equal(system(command), 0);
}

/* A flipped byte of a dataset is found before the file is opened; in a file without its seal (h5repack drops it) by the content hash. */
static void test_verify_finds_damage(void **state)
{
    (void)state;
    float score[12] = {1.25f, 2.5f, 3.75f, 1e-7f};
    const char *const path = in_folder("d.h5");
    write_table(path, score);
    FILE *const f = fopen(path, "r+b");
    static char bytes[1 << 20];
    const size_t n = fread(bytes, 1, sizeof bytes, f);
    char *const at = memmem(bytes, n, score, sizeof score);
    assert_non_null(at);
    fseek(f, at - bytes + 2, SEEK_SET);
    fputc(at[2] ^ 1, f);
    fclose(f);
    ns_file *h;
    ns_error err = {""};
    assert_int_equal(ns_file_open(&h, path, &err), NS_E_FORMAT);
    assert_non_null(strstr(err.message, "damaged"));
    assert_int_equal(truncate(path, (off_t)((char *)memmem(bytes, n, "\nneedlescope crc32 ", 19) - bytes)), 0);
    assert_int_equal(ns_file_open(&h, path, &err), NS_OK);
    assert_int_equal(ns_file_verify(h, &err), NS_E_FORMAT);
    assert_non_null(strstr(err.message, "content_sha256"));
    ns_file_close(h);
}

static void test_wrong_use(void **state)
{
    (void)state;
    const int before = files_in_folder();
    ns_table_writer *t;
    ns_error err = {""};
    float x[4] = {0};
    const ns_view v = ns_view_of(x, NS_F32, 1, (int64_t[]){4}), b = ns_view_of(x, NS_BF16, 1, (int64_t[]){4});
    assert_int_equal(ns_table_create(&t, in_folder("w.h5"), facts, 3, &err), NS_OK);
    axis(t, "layer", 4);
    assert_int_equal(ns_table_array(t, "s", "depth", &v, NULL, &err), NS_E_ARG);
    assert_non_null(strstr(err.message, "'depth'"));
    ns_table_abort(t);
    assert_int_equal(ns_table_create(&t, in_folder("w.h5"), facts, 3, &err), NS_OK);
    axis(t, "layer", 3);
    assert_int_equal(ns_table_array(t, "s", "layer", &v, NULL, &err), NS_E_ARG);
    assert_int_equal(ns_table_array(t, "a/b", "layer", &v, NULL, &err), NS_E_ARG);
    assert_int_equal(ns_table_array(t, "provenance", "layer", &v, NULL, &err), NS_E_ARG);
    assert_int_equal(ns_table_array(t, "b", "layer", &b, NULL, &err), NS_E_UNSUPPORTED);
    assert_int_equal(ns_table_strings(t, "c", "layer", (const char *const[]){"x"}, 1, &err), NS_E_ARG);
    assert_int_equal(ns_table_axis(t, "layer", &v, &err), NS_E_ARG);
    assert_non_null(strstr(err.message, "twice"));
    ns_table_abort(t);
    assert_int_equal(ns_table_create(&t, in_folder("w.h5"), (const ns_fact[]){{"a", "1", false}, {"a", "2", true}}, 2, &err), NS_E_ARG);
    assert_null(t);
    assert_int_equal(ns_table_create(&t, in_folder("w.h5"), (const ns_fact[]){{"schema", "1", false}}, 1, &err), NS_E_ARG);
    assert_int_equal(ns_table_create(&t, in_folder("none/w.h5"), NULL, 0, &err), NS_E_CREATE);
    assert_non_null(strstr(err.message, "none"));
    assert_int_equal(files_in_folder(), before);
}

/* Files that are not ours, not whole, or not there. */
static void test_bad_files(void **state)
{
    (void)state;
    ns_file *f;
    ns_error err = {""};
    assert_int_equal(ns_file_open(&f, in_folder("absent.h5"), &err), NS_E_MISSING);
    assert_null(f);
    FILE *const text = fopen(in_folder("text.h5"), "w");
    fputs("not HDF5 at all", text);
    fclose(text);
    assert_int_equal(ns_file_open(&f, in_folder("text.h5"), &err), NS_E_FORMAT);
    float score[12] = {0};
    write_table(in_folder("cut.h5"), score);
    struct stat st;
    stat(in_folder("cut.h5"), &st);
    assert_int_equal(truncate(in_folder("cut.h5"), st.st_size / 2), 0);
    assert_int_equal(ns_file_open(&f, in_folder("cut.h5"), &err), NS_E_FORMAT);
    assert_non_null(strstr(err.message, "cut.h5"));
    assert_null(strchr(err.message, '\n'));
}

/* In a child, whose file size is limited at every possible place: an error, no file, nothing printed (not even at exit). */
static int write_limited(rlim_t limit)
{
    const struct rlimit r = {limit, limit};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &r);
    ns_table_writer *t;
    ns_error err = {""};
    static uint32_t x[64 << 10];
    for (uint32_t i = 1; i < (64 << 10); i++)
        x[i] = x[i - 1] * 1664525u + 1013904223u; /* does not compress */
    const ns_view v = ns_view_of(x, NS_U32, 2, (int64_t[]){64, 1024});
    int32_t a[1024] = {0};
    const ns_view a64 = ns_view_of(a, NS_I32, 1, (int64_t[]){64}), a1024 = ns_view_of(a, NS_I32, 1, (int64_t[]){1024});
    int rc = ns_table_create(&t, in_folder("full.h5"), facts, 3, &err);
    if (rc != NS_OK)
        return rc;
    rc = ns_table_axis(t, "a", &a64, &err);
    rc = rc != NS_OK ? rc : ns_table_axis(t, "b", &a1024, &err);
    rc = rc != NS_OK ? rc : ns_table_array(t, "x", "a b", &v, NULL, &err);
    if (rc != NS_OK) {
        ns_table_abort(t);
        return rc;
    }
    return ns_table_commit(t, &err);
}

static void test_full_disk(void **state)
{
    (void)state;
    const int before = files_in_folder();
    static const rlim_t limits[] = {0, 512, 3000, 10000, 60000, 100000, 200000};
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        fflush(NULL);
        const pid_t child = fork();
        if (child == 0) {
            dup2(ends[1], 2);
            close(ends[0]), close(ends[1]);
            exit(write_limited(limits[i]) == NS_E_IO ? 0 : 1);
        }
        close(ends[1]);
        char printed[4096];
        const ssize_t n = read(ends[0], printed, sizeof printed);
        close(ends[0]);
        int status;
        waitpid(child, &status, 0);
        if (n != 0)
            fail_msg("limit %ld: printed %.*s", (long)limits[i], (int)n, printed);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) != 0)
            fail_msg("limit %ld: no NS_E_IO", (long)limits[i]);
        assert_int_equal(files_in_folder(), before);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_content_hash), cmocka_unit_test(test_verify_finds_damage),
        cmocka_unit_test(test_wrong_use),  cmocka_unit_test(test_bad_files),    cmocka_unit_test(test_full_disk),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
