/* cmd_train.c - train: a run's config -> checkpoints and metrics of one hybrid (needlescope/run.h), with a live line. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <needlescope/run.h>

#include "cli/commands.h"
#include "cli/out.h"

typedef struct train_settings {
    const char *out;
    bool        resume;
    int64_t     seed, steps;
} train_settings;
static const train_settings defaults = {.seed = -1};

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
typedef struct live { const cli *app; bool tty; double start, shown, speed; } live;

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void show(void *user, const ns_run_progress *p)
{
    static const double tty_every = 0.2, log_every = 30;
    live *const l = user;
    const double t = now(), elapsed = t - l->start;
    l->speed = elapsed > 0 ? (double)((p->step - p->first) * p->tokens_per_step) / elapsed : 0;
    if (l->app->globals.quiet || t - l->shown < (l->tty ? tty_every : log_every))
        return;
    const long left = l->speed > 0 ? lround((double)((p->steps - p->step) * p->tokens_per_step) / l->speed) : 0;
    l->shown = t;
    char name[256];
    snprintf(name, sizeof name, "%s", p->name);
    fprintf(stderr, "%s%s: step %lld of %lld  loss %.3f  %.0f tokens/s  %ld:%02ld left%s", l->tty ? "\r" : "", ns_one_line(name),
            (long long)p->step, (long long)p->steps, p->loss, l->speed, left / 60, left % 60, l->tty ? "\033[K" : "\n");
    fflush(stderr);
}

static void show_end(const live *l)
{
    if (l->tty && !l->app->globals.quiet)
        fputs("\r\033[K", stderr);
}

static int answer(cli *app, const ns_run_result *r, double speed)
{
    cli_out o;
    cli_out_begin(&o, app, "needlescope.train/1");
    cli_out_text(&o, "run", "run", r->name);
    cli_out_text(&o, "newest", "newest checkpoint", r->newest);
    cli_out_text(&o, "layout", "checkpoints as", r->layout);
    if (r->own_layout_because[0])
        cli_out_text(&o, "own_layout_because", "  because", r->own_layout_because);
    cli_out_int(&o, "steps", "steps", r->steps);
    cli_out_int(&o, "tokens", "tokens", r->tokens);
    cli_out_number(&o, "loss", "validation loss", r->loss);
    cli_out_number(&o, "tokens_per_second", r->steps > r->first ? "tokens a second" : NULL, speed);
    cli_out_text(&o, "config_sha256", NULL, r->config_sha256);
    return cli_out_end(&o, &app->err);
}

static int train(cli *app, const void *settings, char **args, int n_args)
{
    (void)n_args;
    const train_settings *const s = settings;
    if (!s->out)
        return ns_fail(&app->err, NS_E_ARG, "-o RUN_DIR is missing");
    live line = {.app = app, .tty = isatty(STDERR_FILENO), .start = now(), .shown = now()};
    const ns_run_params params = {.size = sizeof params, .by = &app->by, .config = args[0], .folder = s->out, .resume = s->resume,
                                  .own_seed = s->seed >= 0, .seed = s->seed,
                                  .steps = s->steps, .threads = (int)app->resources.threads, .progress = show, .cancelled = cli_cancelled,
                                  .user = &line};
    ns_run_result result = {.size = sizeof result};
    char *const metrics = s->resume ? ns_path_join(s->out, "metrics.h5") : NULL;
    if (metrics)
        cli_watch_seal(app, metrics);
    cli_detail(app, "%lld thread%s", (long long)app->resources.threads, app->resources.threads == 1 ? "" : "s");
    cli_signals_hold(true);
    int rc = ns_run_train(&result, &params, &app->err);
    show_end(&line);
    free(metrics);
    return rc == NS_OK ? answer(app, &result, line.speed) : rc;
}

const cli_command cli_cmd_train = {
    .name = "train", .section = "Laboratory", .summary = "Trains a hybrid, or goes on from a checkpoint, and keeps the steps",
    .arguments = "CONFIG.json", .min_args = 1, .max_args = 1, .groups = {{"Options", options, 0}}, .settings_size = sizeof(train_settings),
    .resources = CLI_THREADS | CLI_ONE_THREAD, .defaults = &defaults,
    .description =
        "The config is a JSON object: name; coords, numbers and texts that a study shows of the run (pattern, window, nope and seed are "
        "added); checkpoint_every (steps, default 20); corpus {file, width}, a file of 2- or 4-byte token ids beside the config (without "
        "it, the laboratory's language is made on the fly); validation_sequences and validation_seed; model, a file beside the config: a "
        "description (inspect --arch-out writes one) or a config.json, whose weights begin anew, or a checkpoint to go on from; and train, "
        "the optimiser and, where there is no model, its shape: pattern (S window, s window 4, F full attention, H half of the "
        "heads with each; recurrent: G Lightning attention, M Mamba-2, m the same with one q and k for all heads, D Gated DeltaNet, d the "
        "same without its convolution, L GLA, l the same with its decay through 16 numbers), "
        "window, nope, d_model, heads, kv_heads, head_dim, d_ff, mlp, tied, rope_theta, vocab, max_positions, batch, length, steps, "
        "warmup, schedule, decay_steps, clip, "
        "optimizer, lr, weight_decay, muon_lr, muon_momentum, seed. Whatever is left out has the laboratory's value.\n\n"
        "RUN_DIR gets run.json, a folder stepNNNNNN for each checkpoint (step 0 is the initialisation) with config.json and "
        "model.safetensors, and metrics.h5: losses on the validation batch by what a target takes (filler; recalled values by distance), "
        "recall inside and beyond the window, rate and gradient norms. Checkpoints are written as a class of transformers or of "
        "flash-linear-attention has them where one computes the same; else as needlescope's own, and the answer says what kept them. The "
        "newest checkpoint also holds the optimiser's state. A run that was killed goes on with --resume and ends with the bits of one "
        "that was not; another config is refused. A loss that is not finite stops the run, names step and layer, and leaves the last good "
        "checkpoint.",
    .examples = "needlescope train config.json -o runs/w4-s0 --seed 0\n"
                "needlescope train config.json -o runs/w4-s0 --seed 0 --steps 1200 --resume",
    .run = train,
};
