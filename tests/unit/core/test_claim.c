/* test_claim.c - work that processes share: one has it, a dead one's is taken over, another machine's only when it is not renewed, and
 * nobody removes what is not its own. */
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "check.h"

static char folder[64], path[96], holder[NS_CLAIM_HOLDER];

static int make_folder(void **state)
{
    (void)state;
    alarm(60);
    if (check_make_folder(folder) != 0)
        return -1;
    snprintf(path, sizeof path, "%s/step000010.claim", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return check_remove_folder(folder);
}

static ns_claim *take(void)
{
    ns_claim *claim;
    ns_error err = {""};
    if (ns_claim_take(&claim, path, holder, &err) != NS_OK)
        fail_msg("%s", err.message);
    return claim;
}

static void put(const char *text, long age)
{
    const struct timespec times[2] = {{.tv_sec = time(NULL) - age}, {.tv_sec = time(NULL) - age}};
    FILE *const f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

static char *text_of(void)
{
    char *text = NULL;
    assert_int_equal(ns_file_read(path, 4096, &text, NULL, NULL), NS_OK);
    return text;
}

static void taken_once(void **state)
{
    (void)state;
    char want[400];
    struct utsname name;
    assert_int_equal(uname(&name), 0);
    ns_claim *const claim = take();
    assert_non_null(claim);
    char *const text = text_of();
    snprintf(want, sizeof want, "host %s boot ", name.nodename);
    assert_true(ns_starts(text, want));
    free(text);
    assert_null(take());
    snprintf(want, sizeof want, "process %ld on %.200s", (long)getpid(), name.nodename);
    assert_string_equal(holder, want);
    holder[0] = '\0';
    assert_true(ns_claim_held(path, holder));
    assert_string_equal(holder, want);
    ns_claim_release(claim);
    assert_false(ns_path_exists(path));
    assert_false(ns_claim_held(path, holder));
    ns_claim_release(NULL);
}

static void of_a_dead_process(void **state)
{
    (void)state;
    int status;
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        take();
        raise(SIGKILL);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && ns_path_exists(path));
    assert_false(ns_claim_held(path, holder));
    ns_claim *const claim = take();
    assert_non_null(claim);
    assert_null(take());
    ns_claim_release(claim);
    assert_false(ns_path_exists(path));
}

#define ELSEWHERE "host elsewhere boot 11111111-2222-3333-4444-555555555555 pid 1 token 0123456789abcdef\n"

static void expect_held(const char *text, long age, bool held)
{
    put(text, age);
    if (ns_claim_held(path, holder) != held)
        fail_msg("'%.40s' of %ld s ago is %s", text, age, held ? "not held" : "held");
    ns_claim *const claim = take();
    if ((claim == NULL) != held)
        fail_msg("'%.40s' of %ld s ago is %s", text, age, held ? "taken over" : "not taken over");
    ns_claim_release(claim);
}

/* It is another machine's as long as it is renewed, by the clock of the file system; one of a time to come was left by a clock that was put
 * back. What says nothing yet is being written. */
static void of_another_machine(void **state)
{
    (void)state;
    expect_held(ELSEWHERE, 0, true);
    assert_string_equal(holder, "process 1 on elsewhere");
    expect_held(ELSEWHERE, 240, true);
    expect_held(ELSEWHERE, -120, true);
    expect_held(ELSEWHERE, 330, false);
    expect_held(ELSEWHERE, -7 * 86400, false);
    expect_held("", 0, true);
    assert_string_equal(holder, "a process that has not said yet which it is");
    expect_held("", 5, true);
    expect_held("", 20, false);                          /* its process was killed before it could */
    expect_held("", 330, false);
    expect_held("host elsewhere boot", 0, true);
    expect_held("host elsewhere boot", 20, false);
    expect_held("host elsewhere boot", 330, false);
}

/* Whose claim was taken over does not remove the other's. */
static void of_others_now(void **state)
{
    (void)state;
    ns_claim *const claim = take();
    assert_non_null(claim);
    assert_int_equal(unlink(path), 0);
    put(ELSEWHERE, 0);
    ns_claim_release(claim);
    char *const text = text_of();
    assert_string_equal(text, ELSEWHERE);
    free(text);
}

static void where_none_can_be(void **state)
{
    (void)state;
    ns_claim *claim;
    ns_error err = {""};
    assert_int_equal(symlink("elsewhere", path), 0);               /* never through a link */
    assert_int_equal(ns_claim_take(&claim, path, holder, &err), NS_E_CREATE);
    assert_true(strstr(err.message, path) && !claim);
    assert_int_equal(unlink(path), 0);
    char nowhere[120];
    snprintf(nowhere, sizeof nowhere, "%s/nowhere/x.claim", folder);
    assert_int_equal(ns_claim_take(&claim, nowhere, holder, &err), NS_E_CREATE);
    assert_true(strstr(err.message, nowhere) && !claim);
}

/* ---- many at once ---- */

enum { WORKERS = 6, PIECES = 40 };

/* As a scan does: done? else claimed, done since? else done. */
static void work_on(int piece)
{
    char done[120];
    snprintf(path, sizeof path, "%s/%d.claim", folder, piece);
    snprintf(done, sizeof done, "%s/%d.done", folder, piece);
    ns_claim *const claim = ns_path_exists(done) ? NULL : take();
    const int fd = claim && !ns_path_exists(done) ? open(done, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666) : -1;
    if (fd >= 0) {
        if (write(fd, "x", 1) != 1)
            _exit(2);
        close(fd);
    }
    ns_claim_release(claim);
}

static void shared(void **state)
{
    (void)state;
    for (int piece = 0; piece < PIECES; piece += 2) {              /* half were begun by a process of this boot that is gone */
        char *boot = NULL, text[300];
        assert_int_equal(ns_file_read("/proc/sys/kernel/random/boot_id", 4096, &boot, NULL, NULL), NS_OK);
        snprintf(path, sizeof path, "%s/%d.claim", folder, piece);
        snprintf(text, sizeof text, "host here boot %.36s pid 999999999 token 0123456789abcdef\n", boot);
        put(text, 0);
        free(boot);
    }
    pid_t pids[WORKERS];
    for (int w = 0; w < WORKERS; w++) {
        pids[w] = fork();
        assert_true(pids[w] >= 0);
        if (pids[w] == 0) {
            for (int round = 0; round < 3; round++)
                for (int piece = 0; piece < PIECES; piece++)
                    work_on((piece + w * 7) % PIECES);
            _exit(0);
        }
    }
    for (int w = 0; w < WORKERS; w++) {
        int status;
        assert_int_equal(waitpid(pids[w], &status, 0), pids[w]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    for (int piece = 0; piece < PIECES; piece++) {
        struct stat st;
        char done[120];
        snprintf(done, sizeof done, "%s/%d.done", folder, piece);
        assert_int_equal(stat(done, &st), 0);
        if (st.st_size != 1)
            fail_msg("piece %d was done %d times", piece, (int)st.st_size);
        snprintf(path, sizeof path, "%s/%d.claim", folder, piece);
        assert_false(ns_path_exists(path));
    }
}

#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(taken_once),    IN_A_FOLDER(of_a_dead_process), IN_A_FOLDER(of_another_machine),
        IN_A_FOLDER(of_others_now), IN_A_FOLDER(where_none_can_be), IN_A_FOLDER(shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
