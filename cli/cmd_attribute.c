/* cmd_attribute.c - what every head's patch would bring along, to first order, out of one pass back; edges between heads. */
#include <math.h>

#include <needlescope/attribute.h>

#include "cli/commands.h"
#include "cli/open.h"
#include "cli/out.h"
#include "cli/probing.h"

typedef struct attribute_settings {
    cli_words cases;
    const char *out, *against;
    int64_t edges, seed, resamples, list, steps;
    int site, rows, direction;
    bool recompute, gates;
    cli_model_settings model;
} attribute_settings;
static const attribute_settings defaults = {.list = 10};

#define FIELD(name) offsetof(attribute_settings, name)
static const cli_option options[] = {
    {"cases", 'c', CLI_FILES, FIELD(cases), "FILE,...", "cases and their twins, JSONL"},
    {"direction", 0, CLI_CHOICE, FIELD(direction), "WAY", "as patch has it", "denoising|noising"},
    {"site", 0, CLI_CHOICE, FIELD(site), "SITE", "what is carried over (default z); k and v are of a KV group", "z|q|k|v"},
    {"rows", 0, CLI_CHOICE, FIELD(rows), "ROWS", "the answer's (default), or all that differ (twins of equal length)", "answer|all"},
    {"recompute", 0, CLI_FLAG, FIELD(recompute), NULL, "of q and k: the pattern computed anew (AtP*), for softmaxes without a slope"},
    {"steps", 0, CLI_INT, FIELD(steps), "N", "integrated gradients: the mean over N passes between both prompts' embeddings (twins of "
                                             "equal length)", NULL, 1, 10000},
    {"gates", 0, CLI_FLAG, FIELD(gates), NULL, "also what silencing each head would do, to first order"},
    {"edges", 0, CLI_INT, FIELD(edges), "N", "also edges from heads to q, k, v of later ones: list the N strongest", NULL, 1, 100000},
    {"against", 0, CLI_FILE, FIELD(against), "FILE", "a patching of the same pairs: Spearman, and the heads that differ most"},
    {"resamples", 0, CLI_INT, FIELD(resamples), "N", "resamples of prompts behind the intervals (default 1000)", NULL, 1, 1000000},
    {"list", 0, CLI_INT, FIELD(list), "N", "heads that are printed (default 10)", NULL, 0, 100000},
    {"seed", 's', CLI_INT, FIELD(seed), "N", "seed of the resamples (default 0)", NULL, 0, INT64_MAX},
    {"output", 'o', CLI_OUTPUT, FIELD(out), "FILE", "write everything to this HDF5 file", .makes = NS_KINDS(NS_KIND_ATTRIBUTION)},
    {0},
};
#undef FIELD

static int answer(cli *app, const attribute_settings *s, const ns_opened *m, const ns_attribution *a)
{
    cli_out o;
    cli_out_begin(&o, app, "needlescope.attribute/1");
    cli_out_text(&o, "model", "model", m->name);
    const ns_answer to = cli_out_answer(&o);
    ns_attribution_tell(a, s->list, &to);
    cli_say_dropped(&o, a->estimate->dropped, a->estimate->n_reasons);
    const int rc = s->out ? cli_out_written(app, &o, s->out) : NS_OK;
    return rc == NS_OK ? cli_out_end(&o, &app->err) : rc;
}

static int attribute(cli *app, const void *settings, char **args, int n_args)
{
    (void)n_args;
    const attribute_settings *const s = settings;
    ns_opened *m = NULL;
    ns_cases cases = {0};
    ns_attribution *a = NULL;
    cli_progress progress = cli_progress_begin(app, "attribute");
    const ns_attribute_params params = {.size = sizeof params, .site = (ns_patch_site)s->site, .all_rows = s->rows == 1,
        .noising = s->direction == 1, .recompute = s->recompute, .edges = (int)s->edges, .against = s->against,
        .resamples = (int)s->resamples, .seed = (uint64_t)s->seed, .steps = (int)s->steps,
        .gates = s->gates,
        .progress = cli_progress_update, .cancelled = cli_cancelled, .user = &progress};
    int rc = cli_open(app, &m, args[0], &s->model, NS_OPEN_ARCH, &app->err);
    rc = rc != NS_OK ? rc : cli_open_cases(app, m, &s->cases, &cases);
    rc = rc != NS_OK ? rc : cli_open_weights(app, m);
    cli_signals_hold(rc == NS_OK);
    rc = rc != NS_OK ? rc : ns_attribute(&a, m->model, &cases, &params, &app->err);
    cli_progress_end(&progress);
    rc = rc != NS_OK || !s->out ? rc : ns_attribution_write(a, s->out, &app->by, &app->err);
    rc = rc != NS_OK ? rc : answer(app, s, m, a);
    const bool nothing = a && isnan(a->estimate->list[0].recovery.value);
    ns_attribution_free(a);
    ns_cases_clear(&cases);
    ns_close(m);
    return rc == NS_OK && nothing ? NS_STOP : rc;
}

const cli_command cli_cmd_attribute = {
    .name = "attribute", .section = "Prove", .summary = "Estimates what every head's patch would bring along, out of one pass back",
    .arguments = "MODEL", .min_args = 1, .max_args = 1, .run = attribute,
    .defaults = &defaults, .settings_size = sizeof(attribute_settings),
    .groups = {{"Options", options, 0}, {"Model options", cli_model_options, offsetof(attribute_settings, model)}},
    .resources = CLI_THREADS | CLI_MEMORY,
    .description = "Attribution patching: (x of the source - x of the destination) times the derivative, in the destination's pass, of the "
                   "logit of the source's answer minus that of the destination's; of every head, as a recovery, with `patch`'s pairs and "
                   "intervals. It misses what is not straight between the two: --recompute goes through the softmax, --steps takes "
                   "the gradients on the whole way between the two, --against says how far off it is. "
                   "Edges say through which input of which later head a head works; `patch --path` confirms them.",
    .examples = "needlescope attribute MODEL --cases plain.jsonl,swap.jsonl --edges 20 --against patching.h5 -o attribution.h5",
};
