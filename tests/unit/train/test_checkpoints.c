/* test_checkpoints.c - a checkpoint gives the inference engine the trainer's logits bit for bit; a resumed run gives the bits of one that
 * was never interrupted; every CPU gives the same bits; what cannot be resumed is refused. */
#include "runs.h"

/* ---- the trainer's forward pass is the engine's ---- */

typedef struct rows { float *logits; int64_t vocab; } rows;

static int take_rows(void *user, const ns_site *site, const ns_view *v, ns_error *e)
{
    (void)e;
    const rows *const r = user;
    for (int64_t i = 0; i < site->n_rows; i++)
        memcpy(r->logits + (site->row0 + i) * r->vocab, ns_at(v, i, 0, 0), (size_t)r->vocab * sizeof(float));
    return NS_OK;
}

static void engine_logits(const char *folder, const int32_t *tokens, int64_t T, float *logits, int64_t vocab)
{
    ns_checkpoint *c;
    ns_arch *arch;
    ns_engine *engine;
    ns_model *model;
    ns_session *session;
    ns_hooks *hooks;
    rows r = {logits, vocab};
    const ns_hook hook = {.size = sizeof hook, .at = "hook_logits", .read = take_rows, .user = &r};
    const ns_engine_params params = {.size = sizeof params, .threads = 1};
    ok(ns_checkpoint_open(&c, folder, NULL, &err));
    ok(ns_arch_from_checkpoint(&arch, c, NULL, &err));
    ok(ns_engine_new(&engine, &params, &err));
    ok(ns_model_load(&model, engine, c, arch, NULL, &err));
    ok(ns_session_new(&session, model, NULL, &err));
    ok(ns_session_append(session, tokens, T, &err));
    ok(ns_hooks_new(&hooks, arch, &hook, 1, &err));
    ok(ns_forward(model, &session, 1, hooks, NULL, &err));
    ns_hooks_free(hooks);
    ns_session_free(session);
    ns_model_free(model);
    ns_engine_free(engine);
    ns_arch_free(arch);
    ns_checkpoint_free(c);
}

static void check_engine(ns_trainer *t, const char *name, const char *folder, int64_t T)
{
    const int64_t V = ns_trainer_config(t)->vocab;
    int32_t *const tokens = tokens_of(T, V, 5);
    float *const ours = calloc((size_t)(T * V), sizeof *ours), *const theirs = calloc((size_t)(T * V), sizeof *theirs);
    ok(ns_trainer_logits(t, tokens, 1, T, ours, &err));
    engine_logits(folder, tokens, T, theirs, V);
    for (int64_t i = 0; i < T * V; i++)
        if (memcmp(&ours[i], &theirs[i], sizeof *ours))
            fail_msg("%s, %lld tokens: logit %lld of row %lld is %.9g here, %.9g in ns_forward", name, (long long)T, (long long)(i % V),
                     (long long)(i / V), (double)ours[i], (double)theirs[i]);
    free(tokens);
    free(ours);
    free(theirs);
}

static void forward_is_the_engines(void **state)
{
    (void)state;
    for (int k = 0; k < N_KINDS; k++) {
        char folder[32], *step;
        temporary(folder);
        ns_trainer *const t = trainer_of(kinds[k].json, NULL);
        const ns_train_config *const c = ns_trainer_config(t);
        int32_t *const tokens = tokens_of(c->batch * c->length, c->vocab, 3);
        ns_train_result r;
        for (int i = 0; i < 3; i++)
            ok(ns_trainer_step(t, tokens, &r, &err));
        ok(ns_trainer_save(t, folder, false, &step, &err));
        check_engine(t, kinds[k].name, step, 1);
        check_engine(t, kinds[k].name, step, 33);
        check_engine(t, kinds[k].name, step, 256);
        free(step);
        free(tokens);
        ns_trainer_free(t);
        remove_tree(folder);
    }
}

/* A page of keys is 256: beyond it the chains of products are cut where the engine cuts them. */
static void long_sequences(void **state)
{
    (void)state;
    char folder[32], *step;
    temporary(folder);
    ns_trainer *const t = trainer_of(
        "{\"pattern\": \"FS\", \"window\": 200, \"batch\": 1, \"length\": 300, \"max_positions\": 600, \"d_model\": 16, \"heads\": 2}",
        NULL);
    ok(ns_trainer_save(t, folder, false, &step, &err));
    check_engine(t, "long", step, 600);
    free(step);
    ns_trainer_free(t);
    remove_tree(folder);
}

/* ---- the same bits ---- */

static void same_parameters(ns_trainer *a, ns_trainer *b, const char *what)
{
    for (int64_t i = 0; i < ns_trainer_count(a); i++) {
        ns_view x, y;
        assert_true(ns_trainer_tensor(a, ns_trainer_name(a, i), NS_TRAIN_PARAMETER, &x) &&
                    ns_trainer_tensor(b, ns_trainer_name(a, i), NS_TRAIN_PARAMETER, &y));
        if (memcmp(x.data, y.data, (size_t)ns_view_count(&x) * sizeof(float)))
            fail_msg("%s: %s differs", what, ns_trainer_name(a, i));
    }
}

static void run(ns_trainer *t, int64_t steps)
{
    const ns_train_config *const c = ns_trainer_config(t);
    ns_train_result r;
    for (int64_t i = 0; i < steps; i++) {
        int32_t *const tokens = tokens_of(c->batch * c->length, c->vocab, 100 + (uint64_t)ns_trainer_steps_done(t));
        ok(ns_trainer_step(t, tokens, &r, &err));
        assert_int_equal(r.step, ns_trainer_steps_done(t));
        free(tokens);
    }
}

static void resumed_bits(void **state)
{
    (void)state;
    for (int k = 0; k < N_KINDS; k++) {
        char folder[32], *step, *found;
        temporary(folder);
        ns_trainer *const whole = trainer_of(kinds[k].json, NULL), *first = trainer_of(kinds[k].json, NULL), *second;
        const ns_train_config c = *ns_trainer_config(whole);
        run(whole, 5);
        run(first, 2);
        ok(ns_trainer_save(first, folder, true, NULL, &err));
        ok(ns_trainer_save(first, folder, true, &step, &err));      /* over an older one */
        run(first, 1);
        ok(ns_trainer_save(first, folder, false, NULL, &err));      /* no state: not found */
        ok(ns_trainer_find(&found, folder, &err));
        assert_string_equal(found, step);
        ok(ns_trainer_resume(&second, found, &c, NULL, &err));
        assert_int_equal(ns_trainer_steps_done(second), 2);
        run(second, 3);
        same_parameters(whole, second, kinds[k].name);
        free(step);
        free(found);
        ns_trainer_free(whole);
        ns_trainer_free(first);
        ns_trainer_free(second);
        remove_tree(folder);
    }
}

static void every_cpu(void **state)
{
    (void)state;
    const ns_math *list[NS_MATH_MAX];
    const int n = ns_math_available(list);
    if (n < 2)
        SKIP("this CPU has no version beside the scalar definition");
    for (int k = 0; k < N_KINDS; k++) {
        ns_trainer *const scalar = trainer_of(kinds[k].json, "scalar");
        run(scalar, 2);
        for (int v = 1; v < n; v++) {
            ns_trainer *const other = trainer_of(kinds[k].json, list[v]->name);
            run(other, 2);
            same_parameters(scalar, other, list[v]->name);
            ns_trainer_free(other);
        }
        ns_trainer_free(scalar);
    }
}

/* ---- refusals ---- */

static void resume_needs_its_config(void **state)
{
    (void)state;
    char folder[32], *step;
    temporary(folder);
    ns_trainer *t = trainer_of(kinds[0].json, NULL), *other;
    run(t, 1);
    ok(ns_trainer_save(t, folder, true, &step, &err));
    ns_train_config c = *ns_trainer_config(t);
    c.steps = 10000;                       /* a constant rate: the run may be prolonged */
    ok(ns_trainer_resume(&other, step, &c, NULL, &err));
    ns_trainer_free(other);
    c.window = 8;
    assert_int_equal(ns_trainer_resume(&other, step, &c, NULL, &err), NS_E_ARG);
    assert_non_null(strstr(err.message, "window 4, the config now says 8"));
    assert_null(other);
    assert_int_equal(ns_trainer_resume(&other, folder, NULL, NULL, &err), NS_E_MISSING);
    assert_int_equal(ns_trainer_save(t, "/nonexistent/folder", true, NULL, &err), NS_E_CREATE);
    free(step);
    ns_trainer_free(t);
    remove_tree(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(forward_is_the_engines), cmocka_unit_test(long_sequences),
                                       cmocka_unit_test(resumed_bits), cmocka_unit_test(every_cpu),
                                       cmocka_unit_test(resume_needs_its_config)};
    return ns_exit_code(cmocka_run_group_tests(tests, NULL, NULL));
}
