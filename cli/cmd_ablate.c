/* cmd_ablate.c - silence heads, count what the model still answers, beside controls. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/ablate.h>

#include "cli/commands.h"
#include "cli/heads.h"
#include "cli/open.h"
#include "cli/out.h"
#include "cli/probing.h"
#include "cli/value.h"

typedef struct ablate_settings {
    cli_words   cases, modes;
    cli_choice_of_heads which;
    const char *out;
    int64_t     draws, seed, loss_cases;
    int         scope;
    cli_model_settings model;
} ablate_settings;
static const ablate_settings defaults = {.loss_cases = -1};

#define FIELD(name) offsetof(ablate_settings, name)
static const cli_option options[] = {
    {"cases", 'c', CLI_FILES, FIELD(cases), "FILE,...", "the cases to answer, JSONL"},
    {"mode", 0, CLI_WORDS, FIELD(modes), "MODE,...", "zero_z, mean_z, uniform_attn, knockout (default zero_z,mean_z,knockout)"},
    {"scope", 0, CLI_CHOICE, FIELD(scope), "ROWS", "rows that are edited: the prompt's but for its last, the answer's, or all (default)",
     "all|prefill|decode"},
    {"draws", 0, CLI_INT, FIELD(draws), "N", "controls of each mode (default 20)", NULL, 1, 10000},
    {"loss-cases", 0, CLI_INT, FIELD(loss_cases), "N", "cases behind the short-context loss (default 16; 0: none)", NULL, 0, 100000},
    {"seed", 's', CLI_INT, FIELD(seed), "N", "seed of the controls (default 0)", NULL, 0, INT64_MAX},
    {"output", 'o', CLI_OUTPUT, FIELD(out), "FILE", "write everything to this HDF5 file", .makes = NS_KINDS(NS_KIND_ABLATION)},
    {0},
};
#undef FIELD

/* ---- what is asked ---- */

/* Out of the names, or the default: knockout only where the scope holds rows of it. */
static int read_modes(cli *app, const ablate_settings *s, unsigned *out)
{
    static const char *const known[] = {"zero_z", "mean_z", "uniform_attn", "knockout"};
    static const ns_edit_mode modes[] = {NS_EDIT_ZERO_Z, NS_EDIT_MEAN_Z, NS_EDIT_UNIFORM_ATTN, NS_EDIT_KNOCKOUT};
    const bool prefill = s->scope == NS_SCOPE_PREFILL;
    unsigned named;
    const int rc = cli_check_words("mode", &s->modes, known, 4, &named, &app->err);
    if (rc != NS_OK)
        return rc;
    *out = s->modes.n ? 0 : 1u << NS_EDIT_ZERO_Z | 1u << NS_EDIT_MEAN_Z | (prefill ? 0 : 1u << NS_EDIT_KNOCKOUT);
    for (int k = 0; k < 4; k++)
        *out |= named >> k & 1 ? 1u << modes[k] : 0;
    if (prefill && !s->modes.n)
        cli_note(app, "knockout is left out: it edits the rows that say the answer, and --scope prefill has none of them");
    return NS_OK;
}

static int check(cli *app, const ablate_settings *s, unsigned modes)
{
    const int rc = cli_check_choice(app, &s->which);
    if (rc != NS_OK)
        return rc;
    if (!cli_names_heads(&s->which))
        return ns_fail(&app->err, NS_E_ARG, "say which heads: --heads L.H,..., --kind KIND or --scores FILE (with --by and --top)");
    if (s->scope == NS_SCOPE_PREFILL && modes & 1u << NS_EDIT_KNOCKOUT)
        return ns_fail(&app->err, NS_E_ARG, "--mode knockout with --scope prefill: knockout edits the rows that say the answer, and none "
                                            "of the prompt's");
    if (s->loss_cases > 0 && modes == 1u << NS_EDIT_KNOCKOUT)
        return ns_fail(&app->err, NS_E_ARG, "--loss-cases with --mode knockout alone: it edits no row of the prompt, so it has no loss");
    return NS_OK;
}

/* ---- the answer ---- */

static const cli_column columns[] = {
    {"mode", "mode", CELL_TEXT}, {"set", "heads", CELL_TEXT}, {"first", "first token", CELL_NUMBER}, {"rest", "rest", CELL_NUMBER},
    {"answered", "answered", CELL_NUMBER}, {"margin_first", "margin (first)", CELL_NUMBER}, {"margin", "margin", CELL_NUMBER},
    {"loss", "loss", CELL_NUMBER},
};

static void row(cli_out *o, const char *mode, const char *set, const ns_condition *c)
{
    cli_cell_text(o, mode);
    cli_cell_text(o, set);
    const double values[] = {c->first, c->rest, c->answered, c->margin_first, c->margin, c->loss};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++)
        cli_cell_number(o, values[i]);
}

static void put_target(cli_out *o, const ns_ablation *a, int k)
{
    const char *const mode = ns_edit_mode_name(a->list[k].mode);
    ns_condition mean, least, most;
    char text[80];
    const int n = ns_ablation_spread(a, k, &mean, &least, &most);
    snprintf(text, sizeof text, "%s (%d draw%s): mean", mean.mode == NS_EDIT_KNOCKOUT ? "other keys, same heads"
             : ns_match_name(&a->controls.match), n, ns_plural(n));
    row(o, mode, "these", &a->list[k]);
    row(o, mode, text, &mean);
    row(o, "", "  least", &least);
    row(o, "", "  most", &most);
}

/* The control of a knockout hides as much as there is: how much that was. */
static void say_keys(cli_out *o, const ns_ablation *a)
{
    ns_condition mean, least, most;
    int k = a->n - 1;
    while (k > 0 && a->list[k].kind != NS_CONDITION_TARGET)
        k--;
    if (a->list[k].mode != NS_EDIT_KNOCKOUT || !ns_ablation_spread(a, k, &mean, &least, &most) || isnan(mean.hidden))
        return;
    cli_out_say(o, "\nOther keys: %.2g of the needle's weight is hidden with them (draws: %.2g to %.2g).\n", mean.hidden, least.hidden,
                most.hidden);
    cli_out_number(o, "other_keys_weight", NULL, mean.hidden);
    cli_out_number(o, "other_keys_weight_min", NULL, least.hidden);
    cli_out_number(o, "other_keys_weight_max", NULL, most.hidden);
}

static void describe(cli_out *o, const ns_opened *m, const ns_ablation *a, const cli_chosen *heads)
{
    char *const text = ns_heads_text(heads->list, heads->n);
    cli_out_need(o, text);
    cli_out_text(o, "model", "model", m->name);
    cli_out_text(o, "heads", "heads", text);
    free(text);
    cli_out_int(o, "n_cases", "cases", a->n_cases);
    cli_out_int(o, "n_loss_cases", NULL, a->n_loss);
    if (a->n_loss)
        cli_out_say(o, "%-18s %lld of the cases, of %lld of their %lld kinds\n", "loss over", (long long)a->n_loss,
                    (long long)(a->n_loss < a->n_loss_kinds ? a->n_loss : a->n_loss_kinds), (long long)a->n_loss_kinds);
    cli_say_dropped(o, a->dropped, a->n_reasons);
    cli_out_table(o, "conditions", "Accuracy and gold margin", columns, 8);
    row(o, "none", "", &a->list[0]);
    for (int k = 1; k < a->n; k++)
        if (a->list[k].kind == NS_CONDITION_TARGET)
            put_target(o, a, k);
    cli_out_table_end(o);
    cli_say_controls(o, &a->controls.match);
    say_keys(o, a);
    if (a->list[0].answered == 0)
        cli_out_say(o, "\nThe model answers none of these cases: there is nothing that silencing a head could take away.\n");
}

static int run(cli *app, const ablate_settings *s, const ns_opened *m, const ns_cases *cases, const cli_chosen *heads, unsigned modes,
               ns_ablation **out)
{
    cli_progress progress = cli_progress_begin(app, "ablate");
    const ns_ablate_params params = {.size = sizeof params, .heads = heads->list, .n_heads = (int)heads->n,
                                     .scores_sha256 = cli_scores_sha256(heads), .scores_arch_sha256 = heads->scores_arch, .modes = modes,
                                     .scope = (ns_edit_scope)s->scope, .draws = (int)s->draws, .seed = (uint64_t)s->seed,
                                     .loss_cases = s->loss_cases < 0 ? 0 : s->loss_cases ? (int)s->loss_cases : -1,
                                     .progress = cli_progress_update, .cancelled = cli_cancelled,
                                     .user = &progress};
    const int rc = ns_ablate(out, m->model, cases, &params, &app->err);
    cli_progress_end(&progress);
    return rc;
}

static int ablate(cli *app, const void *settings, char **args, int n_args)
{
    (void)n_args;
    const ablate_settings *const s = settings;
    ns_opened *m = NULL;
    ns_cases cases = {0};
    cli_chosen heads = {0};
    ns_ablation *a = NULL;
    cli_out o = {0};
    unsigned modes = 0;
    bool nothing = false;
    int rc = read_modes(app, s, &modes);
    rc = rc != NS_OK ? rc : check(app, s, modes);
    rc = rc != NS_OK ? rc : cli_open(app, &m, args[0], &s->model, NS_OPEN_ARCH, &app->err);
    rc = rc != NS_OK ? rc : cli_choose_heads(app, &s->which, m->arch, &heads);
    rc = rc != NS_OK ? rc : cli_open_cases(app, m, &s->cases, &cases);
    rc = rc != NS_OK ? rc : cli_open_weights(app, m);
    if (rc == NS_OK) {
        cli_signals_hold(true);
        rc = run(app, s, m, &cases, &heads, modes, &a);
    }
    if (rc == NS_OK && s->out)
        rc = ns_ablation_write(a, s->out, &app->by, &app->err);
    if (rc == NS_OK) {
        cli_out_begin(&o, app, "needlescope.ablate/1");
        describe(&o, m, a, &heads);
        cli_say_scores(app, &o, &s->which, a->scores_sha256, a->scores_are_of, ns_model_weights_sha256(m->model));
        nothing = a->list[0].answered == 0;
        if (s->scope == NS_SCOPE_PREFILL)
            cli_note(app, "--scope prefill: controls are alike by their norms in the rows that say the answer, and other rows are edited");
        rc = s->out ? cli_out_written(app, &o, s->out) : NS_OK;
    }
    if (rc == NS_OK)
        rc = cli_out_end(&o, &app->err);
    cli_out_drop(&o);
    ns_ablation_free(a);
    free(heads.list);
    ns_cases_clear(&cases);
    ns_close(m);
    return rc == NS_OK && nothing ? NS_STOP : rc;
}

const cli_command cli_cmd_ablate = {
    .name = "ablate", .section = "Prove", .summary = "Silences heads and counts what the model still answers, beside controls",
    .arguments = "MODEL", .min_args = 1, .max_args = 1,
    .groups = {{"Heads", cli_heads_options, offsetof(ablate_settings, which)}, {"Options", options, 0},
               {"Model options", cli_model_options, offsetof(ablate_settings, model)}},
    .resources = CLI_THREADS | CLI_MEMORY, .settings_size = sizeof(ablate_settings), .defaults = &defaults,
    .description = "zero_z sets the head's output to 0, mean_z to its mean over the cases (over the rows that are edited), uniform_attn "
                   "gives every visible key the same weight (what masking in Wu et al.'s code comes to), knockout hides the needle from "
                   "the heads' answer rows, before the softmax.\n\n"
                   "Controls of the first three are as many other heads of like norm (the mean of |z W_O| at the answer rows): within a "
                   "factor 1.25 or, where too few are, 1.5; of the same layer before its neighbours before the model; drawn at random. "
                   "The answer says how like they are, from how far and out of how many, and calls them matched only where all of them "
                   "lie within that factor. The control of knockout is the same heads in the same rows, with other keys hidden, of as "
                   "much weight at most. The file holds every draw.\n\n"
                   "Heads chosen by --scores may be those of other weights: that is said, here and in the file. A knockout edits the rows "
                   "that say the answer, so --scope prefill, which has none of them, goes with the other modes.\n\n"
                   "Accuracy is given for the first content token and for the rest: a seven-digit value is found once and then continued. "
                   "The loss is that of ordinary prompt text under the same edit at all rows: a head whose loss breaks everything is no "
                   "retrieval head. With a --scope of decode only the rows that say the answer are edited, and the prompt is computed "
                   "once for all conditions.\n\n"
                   "When the untouched model answers no case at all, the exit code is 1.",
    .examples = "needlescope ablate MODEL --cases cases.jsonl --scores scores.h5 --by retrieval_find --top 4 -o ablation.h5\n"
                "needlescope ablate MODEL --cases cases.jsonl --heads 18.6,23.0 --mode knockout --scope decode\n"
                "needlescope ablate HYBRID --cases cases.jsonl --kind full --mode knockout --scope decode",
    .run = ablate,
};
