/* run_train.c - a run's config -> checkpoints and metrics of one hybrid.
 * batch (by number) -> step -> every so many steps: metrics row, then checkpoint. Killed at any point, a resumed run goes on to the same
 * bits. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run.h"

typedef struct work {
    const ns_run_params *params;
    ns_run      run;
    const char *dir;
    ns_trainer *trainer;
    ns_corpus  *corpus;
    ns_metrics *metrics;
    int32_t    *tokens;
    char       *newest;            /* the newest checkpoint's folder, or NULL */
    int64_t     first;             /* steps done at the start */
} work;

/* Only the newest checkpoint is resumed from: the optimiser's state of the one before it goes. */
static void drop_state(const char *step_dir)
{
    static const char *const files[] = {"trainer.json", "trainer.safetensors"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[PATH_MAX];                                     /* not asked for: refused, the state would stay without a word */
        if ((size_t)snprintf(path, sizeof path, "%s/%s", step_dir, files[i]) < sizeof path)
            unlink(path);
    }
}

/* Of a run that was killed between a checkpoint and the end of the state before it. */
static int drop_older_states(const work *w, ns_error *err)
{
    char **names = NULL;
    int64_t n = 0;
    int rc = ns_folder_list(&names, &n, w->dir, err);
    for (int64_t i = 0; rc == NS_OK && i < n; i++) {
        char *const path = ns_starts(names[i], "step") && strcmp(names[i], ns_path_base(w->newest)) < 0 ? ns_path_join(w->dir, names[i])
                                                                                                         : NULL;
        if (path)
            drop_state(path);
        free(path);
    }
    ns_free_strings(names, n);
    return rc;
}

/* The metrics first: a row beyond the newest checkpoint is dropped by a resume, a checkpoint without its row could not be mended. */
static int checkpoint(work *w, const ns_train_result *result, ns_error *err)
{
    char *path = NULL;
    int rc = ns_metrics_add(w->metrics, w->trainer, result, err);
    if (rc == NS_OK)
        rc = ns_trainer_save(w->trainer, w->dir, true, &path, err);
    if (rc != NS_OK)
        return rc;
    if (w->newest)
        drop_state(w->newest);
    free(w->newest);
    w->newest = path;
    return NS_OK;
}

static void tell(const work *w, const ns_train_result *result)
{
    const ns_train_config *const c = &w->run.train;
    const ns_run_progress p = {w->run.name, w->first, result->step, c->steps, c->batch * c->length, result->loss};
    if (w->params->progress)
        w->params->progress(w->params->user, &p);
}

static int train_steps(work *w, ns_error *err)
{
    const ns_train_config *const c = &w->run.train;
    ns_train_result result;
    int rc = w->newest ? NS_OK : checkpoint(w, NULL, err);
    for (int64_t step = w->first; step < c->steps && rc == NS_OK; step++) {
        if (w->params->cancelled && w->params->cancelled(w->params->user))
            return ns_fail(err, NS_E_IO, "stopped at step %lld; --resume goes on from %s", (long long)step, w->newest);
        rc = ns_corpus_batch(w->corpus, step, c->batch, c->length, w->tokens, NULL, err);
        if (rc == NS_OK)
            rc = ns_trainer_step(w->trainer, w->tokens, &result, err);
        if (rc == NS_E_NUMERIC)
            return ns_fail(err, rc, "%s; the last good checkpoint is %s", err ? err->message : "", w->newest);
        if (rc == NS_OK && (result.step % w->run.checkpoint_every == 0 || result.step == c->steps))
            rc = checkpoint(w, &result, err);
        if (rc == NS_OK)
            tell(w, &result);
    }
    return rc;
}

static int new_trainer(work *w, ns_error *err)
{
    const ns_trainer_params how = {.size = sizeof how, .threads = w->params->threads, .model = w->run.model};
    return ns_trainer_new(&w->trainer, &w->run.train, &how, err);
}

/* A config that differs from the checkpoint's is named by its key; run.json then catches what the model does not know of. */
static int open_trainer(work *w, ns_error *err)
{
    const bool resume = w->params->resume;
    const ns_trainer_params how = {.size = sizeof how, .threads = w->params->threads, .model = w->run.model};
    int rc = ns_run_lock(&w->run, w->dir, err);
    if (rc == NS_OK && resume)
        rc = ns_trainer_find(&w->newest, w->dir, err);
    if (rc == NS_OK && w->newest)
        rc = ns_trainer_resume(&w->trainer, w->newest, &w->run.train, &how, err);
    else if (rc == NS_OK && !w->trainer)
        rc = new_trainer(w, err);
    rc = rc != NS_OK ? rc : ns_run_claim(&w->run, w->dir, resume, err);
    return rc == NS_OK && w->newest ? drop_older_states(w, err) : rc;
}

/* run.json is never replaced, and checkpoints are folders of their own. */
static int check_outputs(const work *w, ns_error *err)
{
    const char *const inputs[] = {w->params->config, w->run.corpus_file};
    char *const metrics = ns_path_join(w->dir, "metrics.h5");
    const int rc = metrics ? ns_check_not_input(metrics, inputs, w->run.corpus_file ? 2 : 1, err) : ns_oom(err, w->dir);
    free(metrics);
    return rc;
}

static int open_work(work *w, ns_error *err)
{
    size_t cells = 0;
    int rc = check_outputs(w, err);
    rc = rc != NS_OK ? rc : ns_run_open_corpus(&w->run, false, &w->corpus, err);
    w->tokens =
        ns_mul_size((size_t)w->run.train.batch, (size_t)w->run.train.length, &cells) ? ns_alloc_array(cells, sizeof *w->tokens) : NULL;
    if (rc == NS_OK && !w->tokens)
        rc = ns_oom(err, "a batch");
    if (rc == NS_OK)      /* a corpus too short for a batch is known before a folder is made, and so is a model that cannot be trained */
        rc = ns_corpus_batch(w->corpus, 0, w->run.train.batch, w->run.train.length, w->tokens, NULL, err);
    if (rc == NS_OK && !w->params->resume)
        rc = new_trainer(w, err);
    if (rc == NS_OK)
        rc = ns_metrics_open(&w->metrics, &w->run, w->dir, w->params->by, err);
    if (rc == NS_OK)
        rc = open_trainer(w, err);
    w->first = rc == NS_OK ? ns_trainer_steps_done(w->trainer) : 0;
    if (w->first > w->run.train.steps)
        return ns_fail(err, NS_E_ARG, "%s: the run stands at step %lld, beyond the %lld that are asked for", w->dir, (long long)w->first,
                       (long long)w->run.train.steps);
    return rc == NS_OK && w->newest ? ns_metrics_resume(w->metrics, w->first, err) : rc;
}

static void close_work(work *w)
{
    ns_trainer_free(w->trainer);
    ns_corpus_close(w->corpus);
    ns_metrics_close(w->metrics);
    free(w->tokens);
    free(w->newest);
    ns_run_clear(&w->run);
}

static void report_layout(const work *w, ns_run_result *out)
{
    const char *of, *why, *const type = ns_trainer_layout(w->trainer, &of, &why);
    const bool named = of && strcmp(of, type) != 0;
    snprintf(out->layout, sizeof out->layout, named ? "%s (%s)" : "%s", type, of);
    snprintf(out->own_layout_because, sizeof out->own_layout_because, "%s", why ? why : "");
}

static void report(const work *w, ns_run_result *out)
{
    report_layout(w, out);
    const ns_train_config *const c = &w->run.train;
    const int64_t done = ns_trainer_steps_done(w->trainer);
    out->first = w->first;
    out->steps = done;
    out->tokens = done * c->batch * c->length;
    out->loss = ns_metrics_loss(w->metrics);
    snprintf(out->name, sizeof out->name, "%s", w->run.name);
    snprintf(out->newest, sizeof out->newest, "%s", w->newest);
    memcpy(out->config_sha256, w->run.sha256, sizeof out->config_sha256);
}

int ns_run_train(ns_run_result *out, const ns_run_params *p, ns_error *err)
{
    ns_run_params params;
    int rc = ns_sized_copy(&params, sizeof params, p, "ns_run_params", err);
    if (rc == NS_OK && out->size != sizeof *out)
        rc = ns_fail(err, NS_E_ARG, "ns_run_result: its size field is %zu, not %zu", out->size, sizeof *out);
    if (rc != NS_OK)
        return rc;
    p = &params;
    if (!p->config || !p->folder)
        return ns_fail(err, NS_E_ARG, "a training run needs a config and a folder");
    work w = {.params = p, .dir = p->folder, .run.lock = -1};
    rc = ns_run_read(&w.run, p, err);
    if (rc == NS_OK)
        rc = open_work(&w, err);
    if (rc == NS_OK)
        rc = train_steps(&w, err);
    if (rc == NS_OK)
        report(&w, out);
    close_work(&w);
    return rc;
}
