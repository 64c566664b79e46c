/* test_temporary.c - temporaries are made anew, never through a link, and swept when their process is gone: and only then. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

static char folder[64], target[96];

static int make_folder(void **state)
{
    (void)state;
    alarm(60);
    if (check_make_folder(folder) != 0)
        return -1;
    snprintf(target, sizeof target, "%s/out.h5", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return check_remove_folder(folder);
}

static int temporaries(void)
{
    char **names;
    int64_t n;
    int found = 0;
    assert_int_equal(ns_folder_list(&names, &n, folder, NULL), NS_OK);
    for (int64_t i = 0; i < n; i++)
        found += strstr(names[i], ".tmp.") != NULL;
    ns_free_strings(names, n);
    return found;
}

static void write_target(void)
{
    ns_error err = {""};
    if (ns_file_write(target, "new", 3, &err) != NS_OK)
        fail_msg("%s", err.message);
}

/* What somebody plants at the very name is neither followed nor written over; a name cannot be known beforehand. */
static void planted_links(void **state)
{
    (void)state;
    ns_error err = {""};
    ns_atomic_file file;
    static const char *const standing[] = {"a link to a file", "a link to nothing", "a file"};
    char victim[96], *text, *const a = ns_temporary_name(target), *const b = ns_temporary_name(target);
    assert_string_not_equal(a, b);
    snprintf(victim, sizeof victim, "%s/victim", folder);
    assert_int_equal(ns_file_write(victim, "precious", 8, &err), NS_OK);
    for (int kind = 0; kind < 3; kind++) {
        assert_int_equal(ns_atomic_begin(&file, target, &err), NS_OK);
        assert_int_equal(kind == 2 ? link(victim, file.tmp) : symlink(kind == 0 ? victim : "elsewhere", file.tmp), 0);
        if (ns_atomic_open(&file, &err) != NS_E_CREATE)
            fail_msg("what stands at the temporary's name is written over: %s", standing[kind]);
        assert_non_null(strstr(err.message, target));
        assert_int_equal(unlink(file.tmp), 0);
        ns_atomic_abort(&file);
    }
    assert_int_equal(symlink(folder, a), 0);
    assert_int_equal(ns_temporary_folder(a), -1);
    unlink(a);
    assert_int_equal(ns_file_read(victim, 100, &text, NULL, &err), NS_OK);
    assert_string_equal(text, "precious");
    free(text);
    free(a);
    free(b);
}

/* A process that writes the target until it is killed, or until this one ends: a test that fails waits for none of them. temporary: its
 * name. */
static pid_t writer(const char *path, char temporary[512])
{
    int pipes[2];
    assert_int_equal(pipe(pipes), 0);
    const pid_t parent = getpid(), pid = fork();
    if (pid == 0) {
        ns_atomic_file file;
        if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != parent)
            _exit(1);
        if (ns_atomic_begin(&file, path, NULL) || ns_atomic_open(&file, NULL) < 0 || write(pipes[1], file.tmp, strlen(file.tmp) + 1) < 0)
            _exit(1);
        for (;;)
            pause();
    }
    close(pipes[1]);
    assert_true(pid > 0 && read(pipes[0], temporary, 512) > 0);
    close(pipes[0]);
    return pid;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void killed_writers(void **state)
{
    (void)state;
    char mine[512], others[512], other[96];
    snprintf(other, sizeof other, "%s/out", folder);        /* a target whose name begins like the first one's */
    const pid_t first = writer(target, mine), second = writer(other, others);
    write_target();
    assert_int_equal(temporaries(), 2);                     /* both live */
    end(first);
    end(second);
    assert_int_equal(temporaries(), 2);
    write_target();
    assert_false(ns_path_exists(mine));
    assert_true(ns_path_exists(others));                    /* of another target: not ours to sweep */
    ns_temporaries_sweep(folder, NULL);
    assert_int_equal(temporaries(), 0);
}

/* The longest names that a filesystem takes have temporaries as well, which are known by them; characters stay whole. */
static void long_names(void **state)
{
    (void)state;
    enum { WIDEST = 3 };
    static const char *const characters[] = {"x", "\xc3\xa4", "\xe2\x82\xac"};
    for (int i = 0; i < WIDEST; i++)
        for (size_t n = 200; n <= NAME_MAX; n++) {
            const size_t width = strlen(characters[i]), before = strlen(folder) + 1;
            char path[400], made[512];
            sprintf(path, "%s/%.*s", folder, (int)(n % width), "yy");
            while (strlen(path) < before + n)
                strcat(path, characters[i]);
            char *const name = ns_temporary_name(path);
            size_t bad;
            assert_true(strlen(name) - before <= NAME_MAX && ns_utf8_valid(name, strlen(name), &bad));
            free(name);
            if (n < NAME_MAX - width)
                continue;
            end(writer(path, made));
            assert_true(ns_path_exists(made));
            assert_int_equal(ns_file_write(path, "new", 3, NULL), NS_OK);
            assert_false(ns_path_exists(made));
            assert_true(ns_path_exists(path));
            unlink(path);
        }
    assert_int_equal(temporaries(), 0);
}

/* Two in one process, and names that only look like ours. */
static void what_is_never_swept(void **state)
{
    (void)state;
    static const char *const names[] = {"out.h5.tmp.1", "out.h5.tmp.0000000g.1.0000000000000000", "out.h5.tmp.00000000.-1.0000000000000000",
                                        "out.h5.tmp.00000000.0.0000000000000000", "out.h5.tmp.00000000.99.000000000000000", "out.h5.tmp."};
    ns_atomic_file file;
    assert_int_equal(ns_atomic_begin(&file, target, NULL), NS_OK);
    close(ns_atomic_open(&file, NULL));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *const path = ns_path_join(folder, names[i]);
        close(open(path, O_WRONLY | O_CREAT, 0600));
        assert_int_equal(utimensat(AT_FDCWD, path, (struct timespec[2]){{1, 0}, {1, 0}}, 0), 0);
        free(path);
    }
    write_target();
    ns_temporaries_sweep(folder, NULL);
    assert_int_equal(temporaries(), (int)(sizeof names / sizeof *names) + 1);
    ns_atomic_abort(&file);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *const path = ns_path_join(folder, names[i]);
        unlink(path);
        free(path);
    }
}

/* A link with the name of a dead process's temporary is nobody's temporary: what it leads to is not looked at, and it stays. */
static void links_stay(void **state)
{
    (void)state;
    char made[512], victim[96];
    end(writer(target, made));
    snprintf(victim, sizeof victim, "%s/victim", folder);
    assert_int_equal(rename(made, victim), 0);
    assert_int_equal(symlink(victim, made), 0);
    write_target();
    ns_temporaries_sweep(folder, NULL);
    assert_int_equal(temporaries(), 1);
    assert_int_equal(unlink(made), 0);
}

/* Another host's process cannot be asked: its lock, and a day without a byte, must say. */
static void other_hosts(void **state)
{
    (void)state;
    char *const mine = ns_temporary_name(target), path[256];
    const char other = mine[strlen(target) + 5] == '0' ? '1' : '0';
    snprintf(path, sizeof path, "%s", mine);
    path[strlen(target) + 5] = other;
    free(mine);
    const int fd = open(path, O_RDWR | O_CREAT, 0600);
    assert_true(fd >= 0);
    write_target();
    assert_true(ns_path_exists(path));                      /* fresh */
    assert_int_equal(utimensat(AT_FDCWD, path, (struct timespec[2]){{1, 0}, {1, 0}}, 0), 0);
    assert_int_equal(flock(fd, LOCK_EX), 0);
    write_target();
    assert_true(ns_path_exists(path));                      /* old, and somebody has it */
    close(fd);
    write_target();
    assert_false(ns_path_exists(path));
}

/* A checkpoint half written is a folder. */
static void folders(void **state)
{
    (void)state;
    const pid_t pid = fork();
    if (pid == 0) {
        char *const name = ns_temporary_name(target), *const inner = name ? ns_path_join(name, ".file") : NULL;
        if (!inner || ns_temporary_folder(name) < 0 || open(inner, O_WRONLY | O_CREAT, 0600) < 0)
            _exit(1);
        kill(getpid(), SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(temporaries(), 1);
    ns_temporaries_sweep(folder, NULL);
    assert_int_equal(temporaries(), 0);
}

/* A child of a killed process, which dies of it a moment later, has its lock still. */
static void children_that_die(void **state)
{
    (void)state;
    static const struct timespec moment = {.tv_nsec = 200000000};
    const pid_t pid = fork();
    if (pid == 0) {
        char *const name = ns_temporary_name(target);
        if (!name || ns_temporary_file(name) < 0)
            _exit(1);
        if (fork() == 0) {
            nanosleep(&moment, NULL);
            _exit(0);
        }
        kill(getpid(), SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    ns_temporaries_sweep(folder, NULL);
    assert_int_equal(temporaries(), 0);
}

#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)      /* of its own: one fails, the others say */

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(planted_links), IN_A_FOLDER(killed_writers), IN_A_FOLDER(what_is_never_swept),
        IN_A_FOLDER(long_names),    IN_A_FOLDER(other_hosts),    IN_A_FOLDER(folders), IN_A_FOLDER(children_that_die),
        IN_A_FOLDER(links_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
