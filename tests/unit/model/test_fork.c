/* test_fork.c - a child of fork() computes what its parent does: whatever the threads, before or after the first pass, with the weights
 * kept or streamed, while another thread is in a pass, and in a hook. A child that hangs is ended by its alarm, which fails the test. */
#include "../../unit.h"
#include "tiny.h"
#include "core/core.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { TOKENS = 40, VOCAB = 101, PATIENCE = 20 };

static ns_error err;

/* The last row's logits [VOCAB]; false after an error. */
static bool logits(ns_model *m, const ns_hooks *hooks, float *out)
{
    int32_t tokens[TOKENS];
    ns_session *s = NULL;
    ns_error own;
    tiny_tokens(tokens, TOKENS, VOCAB, 7);
    int rc = ns_session_new(&s, m, NULL, &own);
    if (rc == NS_OK)
        rc = ns_session_append(s, tokens, TOKENS, &own);
    if (rc == NS_OK)
        rc = ns_forward(m, &s, 1, hooks, NULL, &own);
    if (rc == NS_OK)
        memcpy(out, ns_session_logits(s), VOCAB * sizeof *out);
    ns_session_free(s);
    return rc == NS_OK;
}

static bool same(ns_model *m, const ns_hooks *hooks, const float *want)
{
    float got[VOCAB];
    return logits(m, hooks, got) && memcmp(got, want, sizeof got) == 0;
}

/* How the child ended; -1 where it could not be waited for. */
static int end_of(pid_t child)
{
    int status;
    return waitpid(child, &status, 0) == child ? status : -1;
}

static void assert_succeeded(int status)
{
    assert_int_not_equal(status, -1);
    if (WIFSIGNALED(status))
        fail_msg("the child was ended by signal %d%s", WTERMSIG(status), WTERMSIG(status) == SIGALRM ? ": it hung" : "");
    assert_int_equal(WEXITSTATUS(status), 0);
}

/* Two passes, a child of the child's own, and the end of everything. */
static void in_child(tiny *t, const float *want)
{
    alarm(PATIENCE);
    bool good = same(t->model, NULL, want) && same(t->model, NULL, want);
    const pid_t grandchild = fork();
    if (grandchild == 0)
        _exit(same(t->model, NULL, want) ? 0 : 1);
    int status;
    good = good && waitpid(grandchild, &status, 0) == grandchild && status == 0;
    ns_model_free(t->model);
    ns_engine_free(t->engine);
    _exit(good ? 0 : 1);
}

static void fork_once(int threads, int64_t memory, bool warm)
{
    tiny t;
    float want[VOCAB];
    tiny_open(&t, tiny_llama, 1, NULL, 0);
    assert_true(logits(t.model, NULL, want));
    tiny_reopen(&t, threads, NULL, memory);
    if (warm)
        assert_true(same(t.model, NULL, want));
    const pid_t child = fork();
    if (child == 0)
        in_child(&t, want);
    assert_succeeded(end_of(child));
    assert_true(same(t.model, NULL, want));
    tiny_close(&t);
}

static void children_compute_the_same(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 3; threads++)
        for (int streamed = 0; streamed < 2; streamed++)
            for (int warm = 0; warm < 2; warm++)
                fork_once(threads, streamed, warm);
}

typedef struct busy { ns_model *model; const float *want; atomic_bool stop; atomic_int passes; bool failed; } busy;

static void *pass_after_pass(void *user)
{
    busy *const b = user;
    while (!atomic_load(&b->stop) && !b->failed) {
        b->failed = !same(b->model, NULL, b->want);
        atomic_fetch_add(&b->passes, 1);
    }
    return NULL;
}

static void fork_beside_passes(int64_t memory)
{
    enum { FORKS = 12 };
    tiny t;
    float want[VOCAB];
    pthread_t thread;
    int ends[FORKS];
    tiny_open(&t, tiny_llama, 2, NULL, memory);
    assert_true(logits(t.model, NULL, want));
    busy b = {.model = t.model, .want = want};
    assert_int_equal(pthread_create(&thread, NULL, pass_after_pass, &b), 0);
    while (atomic_load(&b.passes) == 0)
        usleep(100);
    for (int i = 0; i < FORKS; i++) {
        usleep(300 * (unsigned)i);
        const pid_t child = fork();
        if (child == 0)
            in_child(&t, want);
        ends[i] = end_of(child);
    }
    atomic_store(&b.stop, true);                 /* before the first assertion: the thread looks at this frame */
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_false(b.failed);
    for (int i = 0; i < FORKS; i++)
        assert_succeeded(ends[i]);
    tiny_close(&t);
}

static void beside_passes_of_another_thread(void **state)
{
    (void)state;
#ifdef NS_SANITIZED
    SKIP("the sanitizer's allocator is locked for ever in a child that is forked beside another thread's call");
#endif
    fork_beside_passes(0);
    fork_beside_passes(1);
}

typedef struct forking { pid_t parent, child; } forking;

static int fork_here(void *user, const ns_site *site, const ns_view *view, ns_error *e)
{
    (void)site;
    (void)view;
    (void)e;
    forking *const f = user;
    if (!f->child && (f->child = fork()) == 0) {
        f->child = getpid();
        alarm(PATIENCE);
    }
    return NS_OK;
}

/* Parent and child both come back into the pass and end it. */
static void in_a_hook(void **state)
{
    (void)state;
    for (int64_t memory = 0; memory < 2; memory++) {
        tiny t;
        float want[VOCAB];
        ns_hooks *hooks;
        forking f = {.parent = getpid()};
        tiny_open(&t, tiny_llama, 2, NULL, memory);
        assert_true(logits(t.model, NULL, want));
        const ns_hook hook = {.size = sizeof hook, .at = "blocks.1.hook_resid_post", .read = fork_here, .user = &f};
        assert_int_equal(ns_hooks_new(&hooks, t.arch, &hook, 1, &err), NS_OK);
        const bool good = same(t.model, hooks, want);
        if (getpid() != f.parent)
            _exit(good && same(t.model, NULL, want) ? 0 : 1);
        assert_true(good);
        assert_succeeded(end_of(f.child));
        ns_hooks_free(hooks);
        tiny_close(&t);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(children_compute_the_same), cmocka_unit_test(beside_passes_of_another_thread), cmocka_unit_test(in_a_hook),
    };
    return ns_exit_code(cmocka_run_group_tests(tests, NULL, NULL));
}
