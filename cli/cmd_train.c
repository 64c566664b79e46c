/* cmd_train.c - train: a run's config -> checkpoints and metrics of one hybrid.
 * batch (by number) -> step -> every so many steps: metrics row, then checkpoint. Killed at any point, --resume goes on to the same bits. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/out.h"
#include "cli/train.h"

typedef struct train_settings {
    const char *out;
    bool        resume;
    int64_t     seed, steps;
} train_settings;
static const train_settings defaults = {.seed = -1, .steps = -1};

#define FIELD(name) offsetof(train_settings, name)
static const cli_option options[] = {
    {"output", 'o', CLI_FOLDER, FIELD(out), "RUN_DIR", "the run's folder"},
    {"resume", 0, CLI_FLAG, FIELD(resume), NULL, "go on from the newest checkpoint of RUN_DIR (from the start where it has none)"},
    {"seed", 's', CLI_INT, FIELD(seed), "N", "instead of the config's seed", NULL, 0, INT64_MAX},
    {"steps", 'n', CLI_INT, FIELD(steps), "N", "instead of the config's steps", NULL, 1, INT64_MAX},
    {0},
};
#undef FIELD

/* ---- the live line ---- */
typedef struct live {
    const cli  *app;
    const char *name;
    bool        tty;
    double      start, shown;
    int64_t     first, steps, tokens_per_step;     /* steps done at the start, steps to do */
} live;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double tokens_per_second(const live *l, int64_t step)
{
    const double elapsed = now() - l->start;
    return elapsed > 0 ? (double)((step - l->first) * l->tokens_per_step) / elapsed : 0;
}

static void show(live *l, int64_t step, double loss)
{
    static const double tty_every = 0.2, log_every = 30;
    const double t = now();
    if (l->app->globals.quiet || t - l->shown < (l->tty ? tty_every : log_every))
        return;
    const double speed = tokens_per_second(l, step);
    const long left = speed > 0 ? lround((double)((l->steps - step) * l->tokens_per_step) / speed) : 0;
    l->shown = t;
    fprintf(stderr, "%s%s: step %lld of %lld  loss %.3f  %.0f tokens/s  %ld:%02ld left%s", l->tty ? "\r" : "", l->name, (long long)step,
            (long long)l->steps, loss, speed, left / 60, left % 60, l->tty ? "\033[K" : "\n");
    fflush(stderr);
}

static void show_end(const live *l)
{
    if (l->tty && !l->app->globals.quiet)
        fputs("\r\033[K", stderr);
}

/* ---- the run ---- */
typedef struct work {
    cli_run      run;
    const char  *dir;
    ns_trainer  *trainer;
    ns_corpus   *corpus;
    cli_metrics *metrics;
    int32_t     *tokens;
    char        *newest;           /* the newest checkpoint's folder, or NULL */
    live         live;
} work;

/* Only the newest checkpoint is resumed from: the optimiser's state of the one before it goes. */
static void drop_state(const char *step_dir)
{
    static const char *const files[] = {"trainer.json", "trainer.safetensors"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char *const path = ns_path_join(step_dir, files[i]);
        if (path)
            unlink(path);
        free(path);
    }
}

/* The metrics first: a row beyond the newest checkpoint is dropped by a resume, a checkpoint without its row could not be mended. */
static int checkpoint(work *w, const ns_train_result *result, ns_error *err)
{
    char *path = NULL;
    int rc = cli_metrics_add(w->metrics, w->trainer, result, err);
    if (rc == NS_OK)
        rc = ns_trainer_save(w->trainer, w->dir, true, &path, err);
    if (rc < 0)
        return rc;
    if (w->newest)
        drop_state(w->newest);
    free(w->newest);
    w->newest = path;
    return NS_OK;
}

static int train_steps(work *w, ns_error *err)
{
    const ns_train_config *const c = &w->run.train;
    ns_train_result result;
    int rc = w->newest ? NS_OK : checkpoint(w, NULL, err);
    for (int64_t step = ns_trainer_steps_done(w->trainer); step < c->steps && rc == NS_OK; step++) {
        if (cli_cancelled(NULL))
            return ns_fail(err, NS_E_IO, "stopped at step %lld; --resume goes on from %s", (long long)step, w->newest);
        rc = ns_corpus_batch(w->corpus, step, c->batch, c->length, w->tokens, NULL, err);
        if (rc == NS_OK)
            rc = ns_trainer_step(w->trainer, w->tokens, &result, err);
        if (rc == NS_E_NUMERIC)
            return ns_fail(err, rc, "%s; the last good checkpoint is %s", err->message, w->newest);
        if (rc == NS_OK && (result.step % w->run.checkpoint_every == 0 || result.step == c->steps))
            rc = checkpoint(w, &result, err);
        if (rc == NS_OK)
            show(&w->live, result.step, result.loss);
    }
    return rc;
}

/* A config that differs from the checkpoint's is named by its key; run.json then catches what the model does not know of. */
static int open_trainer(work *w, bool resume, ns_error *err)
{
    int rc = cli_run_lock(&w->run, w->dir, err);
    if (rc == NS_OK && resume)
        rc = ns_trainer_find(&w->newest, w->dir, err);
    if (rc == NS_OK && w->newest)
        rc = ns_trainer_resume(&w->trainer, w->newest, &w->run.train, NULL, err);
    else if (rc == NS_OK)
        rc = ns_trainer_new(&w->trainer, &w->run.train, NULL, err);
    return rc == NS_OK ? cli_run_claim(&w->run, w->dir, resume, err) : rc;
}

static int open_work(work *w, bool resume, ns_error *err)
{
    size_t cells = 0;
    int rc = cli_run_open_corpus(&w->run, false, &w->corpus, err);
    w->tokens = ns_mul_size((size_t)w->run.train.batch, (size_t)w->run.train.length, &cells) ? ns_alloc_array(cells, sizeof *w->tokens) : NULL;
    if (rc == NS_OK && !w->tokens)
        rc = ns_oom(err, "a batch");
    if (rc == NS_OK)      /* a corpus too short for a batch is known before a folder is made */
        rc = ns_corpus_batch(w->corpus, 0, w->run.train.batch, w->run.train.length, w->tokens, NULL, err);
    if (rc == NS_OK)
        rc = cli_metrics_open(&w->metrics, &w->run, w->dir, err);
    if (rc == NS_OK)
        rc = open_trainer(w, resume, err);
    return rc == NS_OK && w->newest ? cli_metrics_resume(w->metrics, ns_trainer_steps_done(w->trainer), err) : rc;
}

static void close_work(work *w)
{
    ns_trainer_free(w->trainer);
    ns_corpus_close(w->corpus);
    cli_metrics_close(w->metrics);
    free(w->tokens);
    free(w->newest);
    cli_run_clear(&w->run);
}

static int answer(cli *app, const work *w, double speed)
{
    const ns_train_config *const c = &w->run.train;
    const int64_t done = ns_trainer_steps_done(w->trainer);
    cli_out o;
    cli_out_begin(&o, app, "needlescope.train/1");
    cli_out_text(&o, "run", "run", w->run.name);
    cli_out_text(&o, "newest", "newest checkpoint", w->newest);
    cli_out_int(&o, "steps", "steps", done);
    cli_out_int(&o, "tokens", "tokens", done * c->batch * c->length);
    cli_out_number(&o, "loss", "validation loss", cli_metrics_loss(w->metrics));
    cli_out_number(&o, "tokens_per_second", done > w->live.first ? "tokens a second" : NULL, speed);
    cli_out_text(&o, "config_sha256", NULL, w->run.sha256);
    return cli_out_end(&o, &app->err);
}

static int train(cli *app, const void *settings, char **args, int n_args)
{
    (void)n_args;
    const train_settings *const s = settings;
    work w = {.dir = s->out, .run.lock = -1};
    if (!s->out)
        return ns_fail(&app->err, NS_E_ARG, "-o RUN_DIR is missing");
    int rc = cli_run_read(&w.run, args[0], ns_path_base(s->out), s->seed, s->steps, &app->err);
    if (rc == NS_OK) {
        cli_signals_hold(true);
        rc = open_work(&w, s->resume, &app->err);
    }
    double speed = 0;
    if (rc == NS_OK) {
        const int64_t first = ns_trainer_steps_done(w.trainer);
        w.live = (live){.app = app, .name = w.run.name, .tty = isatty(STDERR_FILENO), .start = now(), .shown = now(), .first = first,
                        .steps = w.run.train.steps, .tokens_per_step = w.run.train.batch * w.run.train.length};
        rc = train_steps(&w, &app->err);
        speed = tokens_per_second(&w.live, ns_trainer_steps_done(w.trainer));
        show_end(&w.live);
    }
    if (rc == NS_OK)
        rc = answer(app, &w, speed);
    close_work(&w);
    return rc;
}

const cli_command cli_cmd_train = {
    .name = "train", .section = "Laboratory", .summary = "Trains a small hybrid and keeps its checkpoints",
    .arguments = "CONFIG.json", .min_args = 1, .max_args = 1, .groups = {{"Options", options, 0}}, .settings_size = sizeof(train_settings),
    .defaults = &defaults,
    .description =
        "The config is a JSON object: name; coords, numbers and texts that a study shows of the run (pattern, window, nope and seed are "
        "added); checkpoint_every (steps, default 20); corpus {file, width}, a file of 2- or 4-byte token ids beside the config (without it, "
        "the laboratory's language is made on the fly); validation_sequences and validation_seed; and train, the model and its optimiser: pattern "
        "(S window, s window 4, F full attention, G Lightning attention), window, nope, d_model, heads, kv_heads, head_dim, d_ff, mlp, tied, "
        "rope_theta, vocab, max_positions, batch, length, steps, warmup, schedule, decay_steps, clip, optimizer, lr, weight_decay, muon_lr, "
        "muon_momentum, seed. Whatever is left out has the laboratory's value.\n\n"
        "RUN_DIR gets run.json, a folder stepNNNNNN for each checkpoint (step 0 is the initialisation) with config.json and "
        "model.safetensors, and metrics.h5: losses on the validation batch by what a target takes (filler; recalled values by distance), recall "
        "inside and beyond the window, rate and gradient norms. The newest checkpoint also holds the optimiser's state. A run that was killed "
        "goes on with --resume and ends with the bits of one that was not; another config is refused. A loss that is not finite stops the run, "
        "names step and layer, and leaves the last good checkpoint.",
    .examples = "needlescope train config.json -o runs/w4-s0 --seed 0\n"
                "needlescope train config.json -o runs/w4-s0 --seed 0 --steps 1200 --resume",
    .run = train,
};
