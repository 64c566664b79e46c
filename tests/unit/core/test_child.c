/* test_child.c - work in a child process: its code and message come back; what kills it is an error that names what it was busy with, and
 * this process lives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/core.h"

static const ns_child_limits limits = {.cpu_seconds = 1, .patience = 20};

static int succeed(void *user, ns_error *err)
{
    (void)err;
    *(int *)user = 2;                                    /* of the child alone */
    return NS_OK;
}

static int refuse(void *user, ns_error *err)
{
    return ns_fail(err, NS_E_UNSUPPORTED, "%s: refused", (const char *)user);
}

static int crash(void *user, ns_error *err)
{
    (void)err;
    ns_child_busy(user);
    signal(SIGSEGV, SIG_DFL);                            /* a sanitizer would report it */
    raise(SIGSEGV);
    return NS_OK;
}

static int loop(void *user, ns_error *err)
{
    (void)err;
    ns_child_busy(user);
    for (volatile unsigned i = 0;; i++)                  /* signed it would overflow before the time is over */
        ;
    return NS_OK;
}

static int leave(void *user, ns_error *err)
{
    (void)user, (void)err;
    _exit(0);                                            /* without an answer */
}

/* Longer than one limit allows, in three parts. */
static int go_on(void *user, ns_error *err)
{
    (void)user, (void)err;
    for (int part = 0; part < 3; part++) {
        ns_child_busy("a part");
        for (const clock_t start = clock(); clock() - start < CLOCKS_PER_SEC / 2;)
            ;
    }
    return NS_OK;
}

/* Waits as for a lock that nobody gives back; `made` says in memory of both how many children there were. */
static int wait_at_first(void *made, ns_error *err)
{
    (void)err;
    while (++*(volatile int *)made == 1)
        pause();
    return NS_OK;
}

static int wait_for_ever(void *made, ns_error *err)
{
    (void)err;
    for (++*(volatile int *)made;;)
        pause();
    return NS_OK;
}

/* As on a machine with much else to do: a little work now and then, three times as long as patience is. */
static int work_slowly(void *user, ns_error *err)
{
    (void)user, (void)err;
    for (const time_t begun = time(NULL); time(NULL) - begun < 4; usleep(50000))
        for (const clock_t start = clock(); clock() - start < CLOCKS_PER_SEC / 500;)
            ;
    return NS_OK;
}

static void expect(ns_child_work work, void *user, int code, const char *says)
{
    ns_error err = {""};
    const int rc = ns_in_child(work, user, "file.h5", &limits, &err);
    if (rc != code || !strstr(err.message, says))
        fail_msg("code %d in place of %d, says '%s', not '%s'", rc, code, err.message, says);
}

static void test_answers(void **state)
{
    (void)state;
    int value = 1;
    expect(succeed, &value, NS_OK, "");
    assert_int_equal(value, 1);
    expect(refuse, "x.h5", NS_E_UNSUPPORTED, "x.h5: refused");
    expect(go_on, NULL, NS_OK, "");
}

static void test_ends(void **state)
{
    (void)state;
    expect(crash, "shard.h5", NS_E_FORMAT, "shard.h5: damaged, or made to do harm: reading it crashes");
    expect(loop, "shard.h5", NS_E_FORMAT,
           "shard.h5: reading it does not come to an end in 1 s of work: it holds more than needlescope reads, or");
    expect(leave, NULL, NS_E_FORMAT, "file.h5: damaged");
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);    /* no child is left */
}

/* A host that ignores SIGCHLD reaps the child itself: the answer comes all the same, and no answer is no success. */
static void test_ignored(void **state)
{
    (void)state;
    int value = 1;
    signal(SIGCHLD, SIG_IGN);
    expect(succeed, &value, NS_OK, "");
    expect(refuse, "x.h5", NS_E_UNSUPPORTED, "x.h5: refused");
    expect(crash, "shard.h5", NS_E_FORMAT, "shard.h5: damaged, or made to do harm: reading it crashes");
    signal(SIGCHLD, SIG_DFL);
}

/* A child that only waits says nothing of the file: a second one is made where that is wanted, and what waits again is an error soon. */
static void test_waits(void **state)
{
    (void)state;
    static const ns_child_limits twice = {.cpu_seconds = 1, .patience = 2, .first_patience = 1};
    static const ns_child_limits once = {.cpu_seconds = 1, .patience = 1};
    int *const made = mmap(NULL, sizeof *made, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    ns_error err = {""};
    assert_true(made != MAP_FAILED);
    assert_int_equal(ns_in_child(wait_at_first, made, "file.h5", &twice, &err), NS_OK);
    assert_string_equal(err.message, "");                /* of the first, which waited */
    assert_int_equal(*made, 2);
    const time_t begun = time(NULL);
    assert_int_equal(ns_in_child(wait_for_ever, made, "file.h5", &twice, &err), NS_E_IO);
    assert_non_null(strstr(err.message, "file.h5: reading it waited for 2 seconds"));
    assert_int_equal(*made, 4);
    assert_int_equal(ns_in_child(wait_for_ever, made, "file.h5", &once, &err), NS_E_IO);
    assert_int_equal(*made, 5);
    assert_true(time(NULL) - begun < 20);
    munmap(made, sizeof *made);
}

static pid_t maker;

/* As a lock that another thread was about to have, so that the child cannot give it back. */
static void hold_for_ever(void (*act)(void *), void *arg)
{
    act(arg);
    while (getpid() != maker)
        pause();
}

static void test_held(void **state)
{
    (void)state;
    static const ns_child_limits held = {.cpu_seconds = 1, .patience = 1, .hold = hold_for_ever};
    ns_error err = {""};
    maker = getpid();
    alarm(20);                                           /* it would wait for ever */
    assert_int_equal(ns_in_child(succeed, &(int){0}, "file.h5", &held, &err), NS_E_IO);
    alarm(0);
    assert_non_null(strstr(err.message, "file.h5: reading it waited for 1 seconds"));
}

static int sent_signal, lives;                           /* to the children; how many of them get it */

/* As from somebody else. */
static int be_killed(void *made, ns_error *err)
{
    (void)err;
    signal(sent_signal, SIG_DFL);                        /* a shell's job in the background ignores SIGINT */
    if (++*(volatile int *)made <= lives)
        raise(sent_signal);
    return NS_OK;
}

/* A signal that somebody sends (out of memory, the end of a session, Ctrl-C) says nothing of the file: once more, then an error to try
 * again. */
static void test_killed(void **state)
{
    (void)state;
    static const int sent[] = {SIGKILL, SIGTERM, SIGINT, SIGHUP, SIGQUIT, SIGUSR1};
    int *const made = mmap(NULL, sizeof *made, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(made != MAP_FAILED);
    for (size_t i = 0; i < sizeof sent / sizeof *sent; i++) {
        char says[96];
        sent_signal = sent[i];
        *made = 0;
        lives = 1;
        expect(be_killed, made, NS_OK, "");
        assert_int_equal(*made, 2);
        lives = 4;
        snprintf(says, sizeof says, "file.h5: the process that read it was killed by signal %d (", sent[i]);
        expect(be_killed, made, NS_E_IO, says);
        assert_int_equal(*made, 4);
    }
    sent_signal = SIGXCPU;                               /* a limit of work, as its own */
    *made = 0;
    expect(be_killed, made, NS_E_FORMAT, "reading it does not come to an end");
    assert_int_equal(*made, 1);
    munmap(made, sizeof *made);
}

static void test_works_slowly(void **state)
{
    (void)state;
    static const ns_child_limits short_of_patience = {.cpu_seconds = 2, .patience = 1, .first_patience = 1};
    ns_error err = {""};
    if (ns_in_child(work_slowly, NULL, "file.h5", &short_of_patience, &err) != NS_OK)
        fail_msg("%s", err.message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_answers), cmocka_unit_test(test_ends), cmocka_unit_test(test_ignored),
                                       cmocka_unit_test(test_waits), cmocka_unit_test(test_held), cmocka_unit_test(test_killed),
                                       cmocka_unit_test(test_works_slowly)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
