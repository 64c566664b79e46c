/* test_file.c - reading and replacing files; SHA-256 against known answers. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "check.h"

static char folder[64];

static char *in_folder(const char *name)
{
    char *path = ns_path_join(folder, name);
    assert_non_null(path);
    return path;
}

static int make_folder(void **state)
{
    (void)state;
    return check_make_folder(folder);
}

static int files_in_folder(void)
{
    int n = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *entry; (entry = readdir(dir));)
        n += entry->d_name[0] != '.';
    closedir(dir);
    return n;
}

static int remove_folder(void **state)
{
    (void)state;
    return check_remove_folder(folder);
}

static void write_then_read(void **state)
{
    (void)state;
    ns_error err;
    char *path = in_folder("a.bin"), *text = NULL;
    size_t n = 0;
    char big[200000];
    for (size_t i = 0; i < sizeof big; i++)
        big[i] = (char)(i * 31);
    assert_int_equal(ns_file_write(path, big, sizeof big, &err), NS_OK);
    assert_int_equal(files_in_folder(), 1);
    assert_int_equal(ns_file_read(path, sizeof big, &text, &n, &err), NS_OK);
    assert_int_equal(n, sizeof big);
    assert_memory_equal(text, big, n);
    assert_int_equal(text[n], 0);
    free(text);
    assert_int_equal(ns_file_read(path, sizeof big - 1, &text, &n, &err), NS_E_FORMAT);
    assert_null(text);
    ns_input in;
    static char back[sizeof big];
    assert_int_equal(ns_input_open(&in, path, &err), NS_OK);
    assert_int_equal(in.size, sizeof big);
    assert_true(in.mtime_ns > 0);
    assert_int_equal(ns_input_read(&in, 5, back, sizeof big - 5, path, &err), NS_OK);
    assert_memory_equal(back, big + 5, sizeof big - 5);
    ns_input_close(&in);
    ns_input_close(&in);
    free(path);
}

static void missing_inputs(void **state)
{
    (void)state;
    ns_error err;
    ns_input in;
    char *text;
    char *path = in_folder("none");
    assert_int_equal(ns_input_open(&in, path, &err), NS_E_MISSING);
    assert_non_null(strstr(err.message, path));
    assert_int_equal(ns_file_read(path, 10, &text, NULL, &err), NS_E_MISSING);
    assert_int_equal(ns_input_open(&in, folder, &err), NS_E_MISSING);
    assert_int_equal(ns_file_read(folder, 10, &text, NULL, &err), NS_E_MISSING);
    assert_false(ns_path_exists(path));
    assert_true(ns_path_is_dir(folder));
    free(path);
}

static void outputs_that_cannot_be(void **state)
{
    (void)state;
    ns_error err;
    ns_atomic_file file;
    char *path = in_folder("no/such/folder");
    assert_int_equal(ns_atomic_begin(&file, path, &err), NS_E_CREATE);
    assert_int_equal(ns_atomic_begin(&file, folder, &err), NS_E_CREATE);
    assert_int_equal(ns_atomic_begin(&file, "", &err), NS_E_CREATE);
    assert_int_equal(ns_atomic_begin(&file, "/dev/null", &err), NS_E_CREATE);   /* root would replace it by a file */
    struct stat st;
    assert_int_equal(stat("/dev/null", &st), 0);
    assert_true(S_ISCHR(st.st_mode));
    free(path);
}

static void abort_keeps_the_old_file(void **state)
{
    (void)state;
    ns_error err;
    ns_atomic_file file;
    char *path = in_folder("kept"), *text;
    assert_int_equal(ns_file_write(path, "old", 3, &err), NS_OK);
    const int before = files_in_folder();
    assert_int_equal(ns_atomic_begin(&file, path, &err), NS_OK);
    assert_int_equal(files_in_folder(), before);
    int rc;
    FILE *const out = ns_atomic_stream(&file, &rc, &err);
    assert_int_equal(rc, NS_OK);
    assert_int_equal(files_in_folder(), before + 1);
    fputs("half", out);
    fclose(out);
    ns_atomic_abort(&file);
    ns_atomic_abort(&file);
    assert_int_equal(files_in_folder(), before);
    assert_int_equal(ns_file_read(path, 10, &text, NULL, &err), NS_OK);
    assert_string_equal(text, "old");
    free(text);
    /* A commit of nothing, or without its temporary, fails and leaves the old file. */
    assert_int_equal(ns_atomic_begin(&file, path, &err), NS_OK);
    assert_int_equal(ns_atomic_commit(&file, &err), NS_E_INTERNAL);
    assert_int_equal(ns_atomic_begin(&file, path, &err), NS_OK);
    const int fd = ns_atomic_open(&file, &err);
    assert_true(fd >= 0);
    close(fd);
    unlink(file.tmp);
    assert_int_equal(ns_atomic_commit(&file, &err), NS_E_CREATE);
    assert_true(ns_path_exists(path));
    free(path);
}

static void links_survive(void **state)
{
    (void)state;
    ns_error err;
    char *target = in_folder("target"), *link = in_folder("link"), *text;
    assert_int_equal(ns_file_write(target, "old", 3, &err), NS_OK);
    assert_int_equal(symlink(target, link), 0);
    assert_int_equal(ns_file_write(link, "new", 3, &err), NS_OK);
    struct stat st;
    assert_int_equal(lstat(link, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(ns_file_read(target, 10, &text, NULL, &err), NS_OK);
    assert_string_equal(text, "new");
    free(text);
    unlink(target);
    assert_int_equal(ns_file_write(link, "new", 3, &err), NS_E_CREATE);
    free(target);
    free(link);
}

/* Writing stops half way: a file size limit stands in for the full disk. */
static void full_disk(void **state)
{
    (void)state;
    ns_error err;
    char *path = in_folder("full"), *text;
    static char big[20000];
    assert_int_equal(ns_file_write(path, "old", 3, &err), NS_OK);
    const int before = files_in_folder();
    struct rlimit limit;
    getrlimit(RLIMIT_FSIZE, &limit);
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){8192, limit.rlim_max});
    const int rc = ns_file_write(path, big, sizeof big, &err);
    setrlimit(RLIMIT_FSIZE, &limit);
    assert_int_equal(rc, NS_E_IO);
    assert_non_null(strstr(err.message, path));
    assert_int_equal(files_in_folder(), before);
    assert_int_equal(ns_file_read(path, 10, &text, NULL, &err), NS_OK);
    assert_string_equal(text, "old");
    free(text);
    free(path);
}

/* A file that is cut while it is read: what is still there is given, the rest is an error that names the file. Mapped, this was SIGBUS. */
static void file_that_shrinks(void **state)
{
    (void)state;
    static char big[100000];
    ns_error err = {""};
    ns_input in;
    char *path = in_folder("shrinks"), byte;
    assert_int_equal(ns_file_write(path, big, sizeof big, &err), NS_OK);
    assert_int_equal(ns_input_open(&in, path, &err), NS_OK);
    assert_int_equal(truncate(path, 5000), 0);
    assert_int_equal(ns_input_read(&in, 4999, &byte, 1, path, &err), NS_OK);
    assert_int_equal(ns_input_read(&in, 0, big, sizeof big, path, &err), NS_E_IO);
    assert_non_null(strstr(err.message, path));
    assert_non_null(strstr(err.message, "has 5000 bytes, where it had 100000"));
    unlink(path);                        /* the file goes on until it is closed */
    assert_int_equal(ns_input_read(&in, 0, &byte, 1, path, &err), NS_OK);
    ns_input_close(&in);
    free(path);
}

static void refuse(const char *path, const char *kind)
{
    ns_error err = {""};
    ns_input in;
    ns_lines lines;
    char *text;
    assert_int_equal(ns_input_open(&in, path, &err), NS_E_MISSING);
    assert_non_null(strstr(err.message, kind));
    assert_int_equal(ns_file_read(path, 100, &text, NULL, &err), NS_E_MISSING);
    assert_non_null(strstr(err.message, kind));
    assert_int_equal(ns_lines_open(&lines, path, &err), NS_E_MISSING);
    assert_non_null(strstr(err.message, kind));
    ns_lines_close(&lines);
}

/* None of them is waited for; but a stream that is open already is read. */
static void what_is_no_file(void **state)
{
    (void)state;
    char *fifo = in_folder("fifo"), *name = in_folder("socket"), *text, line[32];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    alarm(20);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    refuse(fifo, ": a FIFO, not a file");
    refuse(folder, ": a folder, not a file");
    refuse("/dev/null", ": a device, not a file");
    const int s = socket(AF_UNIX, SOCK_STREAM, 0);
    strcpy(address.sun_path, name);
    assert_int_equal(bind(s, (struct sockaddr *)&address, sizeof address), 0);
    refuse(name, ": a socket, not a file");
    close(s);
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    assert_int_equal(write(pipes[1], "two\nlines", 9), 9);
    close(pipes[1]);
    snprintf(line, sizeof line, "/dev/fd/%d", pipes[0]);
    assert_int_equal(ns_file_read(line, 100, &text, NULL, NULL), NS_OK);
    assert_string_equal(text, "two\nlines");
    free(text);
    close(pipes[0]);
    unlink(fifo);
    unlink(name);
    alarm(0);
    free(fifo);
    free(name);
}

static void refuse_place(const char *path, const char *kind)
{
    ns_error err = {""};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ns_place_open(path, (int[]){O_WRONLY | O_TRUNC, O_RDWR}[i], &err), NS_E_CREATE);
        assert_non_null(strstr(err.message, path));
        assert_non_null(strstr(err.message, kind));
    }
}

/* What is written in its place goes into no FIFO (read or not), device or folder, and through no link; a file that is there is kept. */
static void written_in_place(void **state)
{
    (void)state;
    char *fifo = in_folder("no_log"), *link = in_folder("linked"), *victim = in_folder("victim"), *text;
    alarm(20);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    refuse_place(fifo, "is a FIFO, not a file");
    const int reader = open(fifo, O_RDONLY | O_NONBLOCK);
    refuse_place(fifo, "is a FIFO, not a file");
    close(reader);
    refuse_place(folder, "is a folder, not a file");
    refuse_place("/dev/null", "is a device, not a file");
    assert_int_equal(ns_file_write(victim, "precious", 8, NULL), NS_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(symlink((const char *[]){victim, "nowhere"}[i], link), 0);
        refuse_place(link, "is a symbolic link, not a file");
        unlink(link);
    }
    close(ns_place_open(victim, O_RDWR, NULL));
    assert_int_equal(ns_file_read(victim, 100, &text, NULL, NULL), NS_OK);
    assert_string_equal(text, "precious");
    const int fd = ns_place_open(link, O_WRONLY, NULL);             /* a file, now */
    assert_true(fd >= 0 && fcntl(fd, F_GETFD) == FD_CLOEXEC && write(fd, "a", 1) == 1);
    close(fd);
    unlink(fifo), unlink(link), unlink(victim);
    alarm(0);
    free(fifo), free(link), free(victim), free(text);
}

/* Lines across the blocks that are read, with and without an end, one that is too long. */
static void line_by_line(void **state)
{
    (void)state;
    static char text[300000];
    ns_error err = {""};
    ns_lines lines;
    char *path = in_folder("lines"), *line;
    size_t n, used = 0;
    for (size_t i = 0; i < 600; i++) {
        memset(text + used, 'a' + (int)(i % 26), i);
        used += i;
        text[used++] = '\n';
    }
    memcpy(text + used, "\nthe last", 9);
    assert_int_equal(ns_file_write(path, text, used + 9, &err), NS_OK);
    assert_int_equal(ns_lines_open(&lines, path, &err), NS_OK);
    for (size_t i = 0; i < 600; i++) {
        assert_int_equal(ns_lines_next(&lines, 1 << 20, &line, &n, &err), 1);
        assert_int_equal(n, i);
        assert_int_equal(strspn(line, (char[]){(char)('a' + i % 26), 0}), i);
        assert_int_equal(line[n], 0);
    }
    assert_int_equal(ns_lines_next(&lines, 1 << 20, &line, &n, &err), 1);
    assert_int_equal(n, 0);
    assert_int_equal(ns_lines_next(&lines, 1 << 20, &line, &n, &err), 1);
    assert_string_equal(line, "the last");
    assert_int_equal(lines.number, 602);
    assert_int_equal(ns_lines_next(&lines, 1 << 20, &line, &n, &err), 0);
    ns_lines_close(&lines);
    memset(text, 'x', sizeof text);
    assert_int_equal(ns_file_write(path, text, sizeof text, &err), NS_OK);
    assert_int_equal(ns_lines_open(&lines, path, &err), NS_OK);
    assert_int_equal(ns_lines_next(&lines, 100000, &line, &n, &err), NS_E_FORMAT);
    assert_non_null(strstr(err.message, "line 1: longer than 100000 bytes"));
    ns_lines_close(&lines);
    unlink(path);
    free(path);
}

/* FIPS 180-2 vectors, in one piece and byte by byte. */
static void sha256_known_answers(void **state)
{
    (void)state;
    static const char *vectors[][2] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    };
    for (size_t i = 0; i < 3; i++) {
        char whole[65], bytes[65];
        ns_sha256 hash;
        ns_sha256_begin(&hash);
        ns_sha256_add(&hash, vectors[i][0], strlen(vectors[i][0]));
        ns_sha256 copy = hash;   /* a context may be copied half way */
        ns_sha256_end(&hash, whole);
        assert_string_equal(whole, vectors[i][1]);
        ns_sha256_end(&copy, whole);
        assert_string_equal(whole, vectors[i][1]);
        ns_sha256_begin(&hash);
        for (const char *c = vectors[i][0]; *c; c++)
            ns_sha256_add(&hash, c, 1);
        ns_sha256_end(&hash, bytes);
        assert_string_equal(bytes, vectors[i][1]);
    }
}

/* What the system has no more of is said the same way of files, folders and outputs, with what to do; it is no missing file. */
static void test_no_descriptors(void **state)
{
    (void)state;
    struct rlimit before, none;
    char *const path = in_folder("there"), *text = NULL, **names = NULL;
    ns_error read_err = {""}, list_err = {""}, write_err = {""};
    size_t size;
    int64_t n;
    assert_int_equal(ns_file_write(path, "text", 4, NULL), NS_OK);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){3, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    const int read = ns_file_read(path, 100, &text, &size, &read_err), list = ns_folder_list(&names, &n, folder, &list_err);
    const int write = ns_file_write(path, "other", 5, &write_err);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(read, NS_E_MEMORY);
    assert_int_equal(list, NS_E_MEMORY);
    assert_int_equal(write, NS_E_MEMORY);
    assert_non_null(strstr(read_err.message, "/there: cannot be read: Too many open files (raise ulimit -n)"));
    assert_non_null(strstr(list_err.message, ": cannot be opened: Too many open files (raise ulimit -n)"));
    assert_non_null(strstr(write_err.message, "/there: cannot be created: Too many open files (raise ulimit -n)"));
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(write_then_read),          cmocka_unit_test(missing_inputs),  cmocka_unit_test(outputs_that_cannot_be),
        cmocka_unit_test(abort_keeps_the_old_file), cmocka_unit_test(links_survive),   cmocka_unit_test(full_disk),
        cmocka_unit_test(file_that_shrinks),        cmocka_unit_test(what_is_no_file), cmocka_unit_test(written_in_place),
        cmocka_unit_test(line_by_line),             cmocka_unit_test(sha256_known_answers), cmocka_unit_test(test_no_descriptors),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
