/* cmd_patch.c - carry what heads compute over into the pass over a twin; see how much of the answer comes along. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/patch.h>

#include "cli/commands.h"
#include "cli/heads.h"
#include "cli/open.h"
#include "cli/out.h"
#include "cli/probing.h"

typedef struct patch_settings {
    cli_words   cases;
    cli_choice_of_heads which;
    const char *out;
    int64_t     draws, seed, resamples, list;
    int         site, rows, direction;
    bool        no_map;
    cli_words   paths;
    cli_model_settings model;
} patch_settings;
static const patch_settings defaults = {.list = -1};

#define FIELD(name) offsetof(patch_settings, name)
static const cli_option options[] = {
    {"cases", 'c', CLI_FILES, FIELD(cases), "FILE,...", "cases and their twins, JSONL"},
    {"direction", 0, CLI_CHOICE, FIELD(direction), "WAY", "denoising carries from a case into its twin's pass (default), noising from the "
                                                          "twin into the case's", "denoising|noising"},
    {"site", 0, CLI_CHOICE, FIELD(site), "SITE", "what is carried over: z, what the head found (default); q, what it looks for; k or v of "
                                                 "its KV group", "z|q|k|v"},
    {"rows", 0, CLI_CHOICE, FIELD(rows), "ROWS", "rows that are patched: the answer's (default), or all (twins of equal length; slow)",
     "answer|all"},
    {"path", 0, CLI_WORDS, FIELD(paths), "L.H:L.H.q,...", "edges in place of heads: what the first head adds to the stream, as the later "
                                                           "one's q (k, v) or the logits (L.H:logits) read it, and nothing else"},
    {"no-map", 0, CLI_FLAG, FIELD(no_map), NULL, "leave out the map of all heads, each by itself"},
    {"draws", 0, CLI_INT, FIELD(draws), "N", "controls of a set (default 20)", NULL, 1, 10000},
    {"resamples", 0, CLI_INT, FIELD(resamples), "N", "resamples of prompts behind the intervals (default 1000)", NULL, 1, 1000000},
    {"list", 0, CLI_INT, FIELD(list), "N", "heads of the map that are printed (default 10)", NULL, 0, 100000},
    {"seed", 's', CLI_INT, FIELD(seed), "N", "seed of controls and resamples (default 0)", NULL, 0, INT64_MAX},
    {"output", 'o', CLI_OUTPUT, FIELD(out), "FILE", "write everything to this HDF5 file", .makes = NS_KINDS(NS_KIND_PATCHING)},
    {0},
};
#undef FIELD

static int check(cli *app, const patch_settings *s)
{
    const bool set = cli_names_heads(&s->which) || s->paths.n;
    const int rc = cli_check_choice(app, &s->which);
    if (rc != NS_OK)
        return rc;
    if (s->paths.n && (s->no_map || s->list >= 0 || s->site > 0 || cli_names_heads(&s->which)))
        return ns_fail(&app->err, NS_E_ARG, "--path names its heads and what they reach, and there is no map: leave %s out",
                       s->no_map ? "--no-map" : s->list >= 0 ? "--list" : s->site > 0 ? "--site" : "--heads, --kind and --scores");
    if (s->no_map && !set)
        return ns_fail(&app->err, NS_E_ARG, "nothing to patch: --no-map leaves out the map, and there is no set of heads (--heads L.H,..., "
                                            "--kind KIND or --scores FILE)");
    if (s->no_map && s->list >= 0)
        return ns_fail(&app->err, NS_E_ARG, "--list prints heads of the map, which --no-map leaves out");
    if (s->draws && !set)
        return ns_fail(&app->err, NS_E_ARG, "--draws is of the controls of a set: it goes with --heads, --scores, --kind or --path");
    return NS_OK;
}

/* ---- the answer ---- */

static const cli_column columns[] = {{"set", "patched", CELL_TEXT}, {"recovery", "recovery", CELL_NUMBER}, {"low", "95% from", CELL_NUMBER},
                                     {"high", "to", CELL_NUMBER}, {"flipped", "flipped", CELL_NUMBER}};

static void named_row(cli_out *o, const char *name, const ns_patch_condition *c)
{
    cli_cell_text(o, name);
    cli_cell_number(o, c->recovery.value);
    cli_cell_number(o, c->recovery.low);
    cli_cell_number(o, c->recovery.high);
    cli_cell_number(o, c->flipped);
}

static void row(cli_out *o, const ns_patch_condition *c)
{
    char name[NS_PATH_TEXT];
    ns_patch_condition_name(c, name);
    named_row(o, name, c);
}

static void put_controls(cli_out *o, const ns_patching *p)
{
    ns_patch_condition mean, least, most;
    char text[80];
    const int n = ns_patching_spread(p, &mean, &least, &most);
    if (!n)
        return;
    snprintf(text, sizeof text, "%s (%d draw%s): mean", ns_match_name(&p->controls.match), n, ns_plural(n));
    named_row(o, text, &mean);
    named_row(o, "  least", &least);
    named_row(o, "  most", &most);
}

static int print_map(cli *app, cli_out *o, const ns_patching *p, int64_t most)
{
    int *const order = ns_alloc_array((size_t)p->n_map + 1, sizeof *order);
    static const cli_column heads[] = {{"head", "head", CELL_TEXT}, {"recovery", "recovery", CELL_NUMBER}, {"low", "95% from", CELL_NUMBER},
                                       {"high", "to", CELL_NUMBER},
                                       {"flipped", "flipped", CELL_NUMBER}};
    if (!order)
        return ns_oom(&app->err, "heads");
    ns_patching_rank(p, order);
    cli_out_table(o, "heads", "Each head by itself, the best ones", heads, sizeof heads / sizeof *heads);
    for (int i = 0; i < p->n_map && i < most; i++)
        row(o, &p->list[order[i]]);
    cli_out_table_end(o);
    free(order);
    return NS_OK;
}

static int describe(cli *app, cli_out *o, const ns_opened *m, const ns_patching *p, const cli_chosen *heads, int64_t list)
{
    char *const text = ns_heads_text(heads->list, heads->n);
    cli_out_need(o, text);
    cli_out_text(o, "model", "model", m->name);
    cli_out_text(o, "direction", "direction", p->noising ? "noising" : "denoising");
    cli_out_text(o, "site", "site", ns_patch_site_name(p->site));
    cli_out_text(o, "rows", "rows", p->all_rows ? "all" : "answer");
    cli_out_int(o, "n_pairs", "pairs", p->C);
    cli_out_int(o, "n_prompts", "prompts (intervals from 5 on)", p->n_prompts);
    cli_out_number(o, "source_right", "sources that say their answer", ns_patching_source_share(p));
    if (heads->n)
        cli_out_text(o, "heads_patched", "heads", text);
    free(text);
    cli_say_dropped(o, p->dropped, p->n_reasons);
    cli_out_table(o, "sets", "Recovery", columns, sizeof columns / sizeof *columns);
    for (int k = 0; k < p->n - p->n_map; k++)
        if (p->list[k].kind != NS_PATCH_CONTROL)
            row(o, &p->list[k]);
    put_controls(o, p);
    cli_out_table_end(o);
    cli_say_controls(o, &p->controls.match);
    const int rc = p->n_map && list ? print_map(app, o, p, list) : NS_OK;
    if (isnan(p->list[0].recovery.value))
        cli_out_say(o, "\nThe sources prefer their answer no more than the destinations do: there is nothing to recover.\n");
    return rc;
}

static int run(cli *app, const patch_settings *s, const ns_opened *m, const ns_cases *cases, const cli_chosen *heads, ns_patching **out)
{
    ns_path *const paths = ns_alloc_array((size_t)s->paths.n + 1, sizeof *paths);
    int rc = paths ? NS_OK : ns_oom(&app->err, "paths");
    for (int64_t i = 0; i < s->paths.n && rc == NS_OK; i++)
        rc = ns_path_parse(s->paths.list[i], &paths[i], &app->err);
    cli_progress progress = cli_progress_begin(app, "patch");
    const ns_patch_params params = {.size = sizeof params, .heads = heads->list, .n_heads = (int)heads->n,
                                    .scores_sha256 = cli_scores_sha256(heads), .scores_arch_sha256 = heads->scores_arch,
                                    .no_map = s->no_map, .site = (ns_patch_site)s->site, .all_rows = s->rows == 1,
                                    .noising = s->direction == 1, .paths = paths, .n_paths = (int)s->paths.n,
                                    .draws = (int)s->draws, .resamples = (int)s->resamples,
                                    .seed = (uint64_t)s->seed, .progress = cli_progress_update, .cancelled = cli_cancelled,
                                    .user = &progress};
    rc = rc != NS_OK ? rc : ns_patch(out, m->model, cases, &params, &app->err);
    cli_progress_end(&progress);
    free(paths);
    return rc;
}

static int patch(cli *app, const void *settings, char **args, int n_args)
{
    (void)n_args;
    const patch_settings *const s = settings;
    ns_opened *m = NULL;
    ns_cases cases = {0};
    cli_chosen heads = {0};
    ns_patching *p = NULL;
    cli_out o = {0};
    bool nothing = false;
    int rc = check(app, s);
    rc = rc != NS_OK ? rc : cli_open(app, &m, args[0], &s->model, NS_OPEN_ARCH, &app->err);
    rc = rc != NS_OK ? rc : cli_choose_heads(app, &s->which, m->arch, &heads);
    rc = rc != NS_OK ? rc : cli_open_cases(app, m, &s->cases, &cases);
    rc = rc != NS_OK ? rc : cli_open_weights(app, m);
    if (rc == NS_OK) {
        cli_signals_hold(true);
        rc = run(app, s, m, &cases, &heads, &p);
    }
    if (rc == NS_OK && s->out)
        rc = ns_patching_write(p, s->out, &app->by, &app->err);
    if (rc == NS_OK) {
        cli_out_begin(&o, app, "needlescope.patch/1");
        rc = describe(app, &o, m, p, &heads, s->list < 0 ? 10 : s->list);
        cli_say_scores(app, &o, &s->which, p->scores_sha256, p->scores_are_of, ns_model_weights_sha256(m->model));
        nothing = isnan(p->list[0].recovery.value);
    }
    if (rc == NS_OK)
        rc = s->out ? cli_out_written(app, &o, s->out) : NS_OK;
    if (rc == NS_OK)
        rc = cli_out_end(&o, &app->err);
    cli_out_drop(&o);
    ns_patching_free(p);
    free(heads.list);
    ns_cases_clear(&cases);
    ns_close(m);
    return rc == NS_OK && nothing ? NS_STOP : rc;
}

const cli_command cli_cmd_patch = {
    .name = "patch", .section = "Prove", .summary = "Carries what heads compute from one prompt into its twin's pass: how much of the "
                                                    "answer comes along",
    .arguments = "MODEL", .min_args = 1, .max_args = 1,
    .groups = {{"Heads", cli_heads_options, offsetof(patch_settings, which)}, {"Options", options, 0},
               {"Model options", cli_model_options, offsetof(patch_settings, model)}},
    .resources = CLI_THREADS | CLI_MEMORY, .settings_size = sizeof(patch_settings), .defaults = &defaults,
    .description = "A pair is a case and its twin (twin_of), which asks the same prompt for another key. The destination's pass runs with "
                   "z of a head taken from the source's (--site q, k, v: its queries, or its group's keys or values), in the rows that "
                   "say the answer. With d = the logit of the source's answer minus that of the destination's, first content token of "
                   "each, recovery is how much of the way from the destination's d to the source's is made: sums over pairs, divided; 0 "
                   "is nothing, 1 everything. Flipped is the share of pairs whose most likely token becomes the source's answer.\n\n"
                   "The map patches every head by itself. A set (--heads, or --scores with --by and --top) is patched as one, beside as "
                   "many other heads of like norm of z W_O, drawn as `ablate` draws them; the answer says how like they are, and calls "
                   "them matched only where that is true. All heads at once is the most that these rows can carry.\n\n"
                   "Paths (--path 19.1:23.2.q) carry over what a head adds to the residual stream as one input of a later head reads it: "
                   "heads and MLPs between the two, and the head's effect on everything else, stay as they are. All of them go together, "
                   "each by itself, the senders whole, and other senders of like norm into the same inputs.\n\n"
                   "Denoising asks what is sufficient, noising what is necessary. Pairs whose answers begin with the same token are left "
                   "out and counted. When there is nothing to recover, the exit code is 1.",
    .examples = "needlescope patch MODEL --cases cases.jsonl -o patching.h5\n"
                "needlescope patch MODEL --cases cases.jsonl --scores scores.h5 --by retrieval_find --top 4 --no-map\n"
                "needlescope patch MODEL --cases cases.jsonl --path 19.1:23.2.q -o path.h5\n"
                "needlescope figure heads patching.h5 --score recovery -o recovery.pdf",
    .run = patch,
};
