/* test_child.c - work in a child process: its code and message come back; what kills it is an error that names what it was busy with, and
 * this process lives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
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
    expect(loop, "shard.h5", NS_E_FORMAT, "shard.h5: damaged, or made to do harm: reading it does not come to an end");
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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_answers), cmocka_unit_test(test_ends), cmocka_unit_test(test_ignored)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
