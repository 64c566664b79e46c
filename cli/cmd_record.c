/* cmd_record.c - cases + hook points -> a recording: maps, rows, activations in HDF5. Its size is said before anything is computed. */
#include <stdlib.h>
#include <string.h>

#include <needlescope/generated.h>
#include <needlescope/probe.h>

#include "cli/commands.h"
#include "cli/open.h"
#include "cli/out.h"
#include "cli/probing.h"
#include "cli/value.h"

typedef struct record_settings {
    cli_words   cases, at;
    const char *out, *rows;
    int         maps, dtype;
    int64_t     top_k, pool_block, max_bytes, generate;
    bool        estimate;
    cli_model_settings model;
} record_settings;

static const record_settings defaults = {.maps = -1, .dtype = -1};

#define FIELD(name) offsetof(record_settings, name)
static const cli_option options[] = {
    {"cases", 'c', CLI_FILES, FIELD(cases), "FILE,...", "the cases to run, JSONL"},
    {"at", 'a', CLI_WORDS, FIELD(at), "GLOB,...", "hook points (inspect --points lists them; default blocks.*.attn.hook_pattern)"},
    {"rows", 'r', CLI_TEXT, FIELD(rows), "ROWS", "query positions to keep: all, answer, probe, last:N, span:NAME, or 0,5,-1"},
    {"maps", 0, CLI_CHOICE, FIELD(maps), "KIND", "how attention is kept (default stats+topk)", "stats+topk|dense|rows|topk|pooled|stats"},
    {"dtype", 0, CLI_CHOICE, FIELD(dtype), "TYPE", "numbers on disk (default f16)", "f16|f32"},
    {"top-k", 'k', CLI_INT, FIELD(top_k), "K", "keys of a row in topk (default 32)", NULL, 1, 1 << 20},
    {"pool-block", 0, CLI_INT, FIELD(pool_block), "N", "positions in a block of pooled maps (default: at most 128 blocks along each axis)",
     NULL, 1, 1 << 20},
    {"generate", 0, CLI_INT, FIELD(generate), "N", "record what the model says, at most N tokens, in place of the answers", NULL, 1, 65536},
    {"max-bytes", 0, CLI_BYTES, FIELD(max_bytes), "SIZE", "refuse a recording larger than this (default 4G)"},
    {"estimate", 0, CLI_FLAG, FIELD(estimate), NULL, "print the size and stop"},
    {"output", 'o', CLI_OUTPUT, FIELD(out), "FILE", "the HDF5 file to write", .makes = NS_KINDS(NS_KIND_RECORDING)},
    {0},
};
#undef FIELD

/* ---- options that go together ---- */

typedef struct asked { bool maps, others; } asked;      /* attention patterns; other points */

static void ask(const ns_arch *arch, const ns_recorder_params *p, asked *out)
{
    char name[64];
    for (int point = 0; point < NS_N_POINTS; point++)
        for (int64_t l = -1; l < arch->n_layers; l++)
            for (int i = 0; i < p->n_at && ns_point_exists(arch, (ns_point)point, l); i++) {
                ns_point_format((ns_point)point, l, name, sizeof name);
                const bool named = ns_glob(p->at[i], name);
                out->maps |= named && point == NS_POINT_PATTERN;
                out->others |= named && point != NS_POINT_PATTERN;
            }
}

static unsigned bit(ns_maps_kind kind) { return 1u << kind; }

/* What an option is of: kinds of maps, activations too. Given where neither is recorded it would change nothing. */
static int check(cli *app, const record_settings *s, const ns_arch *arch, const ns_recorder_params *p)
{
    const unsigned topk = bit(NS_MAPS_TOPK) | bit(NS_MAPS_STATS_TOPK), cells = ~bit(NS_MAPS_STATS);
    const struct { const char *name; bool given, of_others; unsigned kinds; const char *what; } of[] = {
        {"--rows", s->rows != NULL, true, topk | bit(NS_MAPS_ROWS), "the rows of activations and of --maps rows, topk and stats+topk"},
        {"--top-k", s->top_k > 0, false, topk, "--maps topk and stats+topk"},
        {"--pool-block", s->pool_block > 0, false, bit(NS_MAPS_POOLED), "--maps pooled"},
        {"--maps", s->maps >= 0, false, ~0u, "attention patterns"},
        {"--dtype", s->dtype >= 0, true, cells, "activations and cells of maps; stats are float32"},
    };
    asked at = {0};
    ask(arch, p, &at);
    for (size_t i = 0; i < sizeof of / sizeof *of && (at.maps || at.others); i++)      /* a glob that matches nothing is another error */
        if (of[i].given && !(at.others && of[i].of_others) && !(at.maps && of[i].kinds & bit(p->maps)))
            return ns_fail(&app->err, NS_E_ARG, "%s is of %s, and none is recorded here (--at, --maps %s)", of[i].name, of[i].what,
                           ns_maps_kind_name(p->maps));
    return NS_OK;
}

static int run_record(cli *app, const record_settings *s, const ns_opened *m, const ns_cases *cases, const ns_recorder_params *params,
                      ns_row_count *rows)
{
    ns_recorder *recorder = NULL;
    cli_signals_hold(true);
    int rc = ns_recorder_new(&recorder, m->model, cases, s->out, params, &app->by, &app->err);
    if (rc == NS_OK) {
        cli_progress progress = cli_progress_begin(app, "record");
        const bool whole = params->maps == NS_MAPS_DENSE || (params->maps == NS_MAPS_ROWS && params->rows.kind == NS_ROWS_ALL);
        /* A shared row of a whole map would be kept once for each case: no sharing. */
        const ns_score_params how = {.size = sizeof how, .no_sharing = whole, .progress = cli_progress_update, .cancelled = cli_cancelled,
                                     .user = &progress, .rows = rows};
        rc = ns_run_cases(m->model, cases, ns_recorder_hooks(recorder), &how, &app->err);
        cli_progress_end(&progress);
    }
    if (rc == NS_OK)
        rc = ns_recorder_commit(recorder, &app->err);
    else
        ns_recorder_abort(recorder);
    return rc;
}

/* The answers become what the model says, and the size is known anew. */
static int generate(cli *app, const record_settings *s, ns_opened *m, ns_cases *cases, const ns_recorder_params *params, int64_t *bytes)
{
    if (!s->generate)
        return NS_OK;
    int64_t silent = 0;
    cli_progress progress = cli_progress_begin(app, "generate");
    const ns_generated_params p = {.size = sizeof p, .tokenizer = m->tokenizer, .tokens = s->generate, .progress = cli_progress_update,
                                   .cancelled = cli_cancelled, .user = &progress};
    int rc = ns_generated_answers(cases, m->model, &p, &silent, &app->err);
    cli_progress_end(&progress);
    if (silent)
        cli_note(app, "in %lld of %lld cases the model says nothing but the end: their prompts alone are recorded", (long long)silent,
                 (long long)cases->n);
    return rc != NS_OK ? rc : ns_recorder_estimate(m->arch, cases, params, bytes, &app->err);
}

static int answer(cli *app, const record_settings *s, const ns_opened *m, const ns_cases *cases, int64_t bytes, const ns_row_count *rows)
{
    cli_out o;
    cli_out_begin(&o, app, "needlescope.record/1");
    cli_out_text(&o, "model", "model", m->name);
    cli_out_int(&o, "n_cases", "cases", cases->n);
    cli_out_int(&o, "estimated_bytes", "bytes at most", bytes);
    cli_say_rows(&o, rows);
    const int rc = s->estimate ? NS_OK : cli_out_written(app, &o, s->out);
    if (rc == NS_OK)
        return cli_out_end(&o, &app->err);
    cli_out_drop(&o);
    return rc;
}

static int record(cli *app, const void *settings, char **args, int n_args)
{
    (void)n_args;
    const record_settings *const s = settings;
    static const char *const every_map[] = {"blocks.*.attn.hook_pattern"};
    static const ns_dtype dtypes[] = {NS_F16, NS_F32};   /* in the order of --dtype's choices */
    ns_recorder_params params = {
        .size = sizeof params, .at = s->at.n ? s->at.list : every_map, .n_at = s->at.n ? (int)s->at.n : 1,
        .maps = s->maps < 0 ? NS_MAPS_STATS_TOPK : (ns_maps_kind)s->maps,
        .dtype = dtypes[s->dtype < 0 ? 0 : s->dtype], .top_k = (int)s->top_k, .pool_block = s->pool_block, .max_bytes = s->max_bytes,
        .generated = s->generate,
    };
    cli_ints positions = {0};
    ns_opened *m = NULL;
    ns_cases cases = {0};
    int64_t bytes = 0;
    ns_row_count rows = {0};
    if (!s->out == !s->estimate)
        return ns_fail(&app->err, NS_E_ARG, s->out ? "--estimate prints the size and writes nothing: leave -o out" : "-o FILE is missing");
    if (s->estimate && s->generate)
        return ns_fail(&app->err, NS_E_ARG, "--generate runs the model, and --estimate does not: leave one out");
    if (s->estimate && s->max_bytes)
        return ns_fail(&app->err, NS_E_ARG, "--max-bytes is of what is written, and --estimate writes nothing");
    int rc = s->rows ? cli_value_rows(s->rows, &params.rows, &positions, &app->err) : NS_OK;
    rc = rc != NS_OK ? rc : cli_open(app, &m, args[0], &s->model, NS_OPEN_ARCH | (s->generate ? NS_OPEN_TOKENIZER : 0), &app->err);
    rc = rc != NS_OK ? rc : check(app, s, m->arch, &params);
    rc = rc != NS_OK ? rc : cli_open_cases(app, m, &s->cases, &cases);
    rc = rc != NS_OK ? rc : ns_recorder_estimate(m->arch, &cases, &params, &bytes, &app->err);
    if (rc == NS_OK && !s->estimate) {
        int64_t lacking = 0;
        rc = s->generate ? cli_open_weights(app, m) : NS_OK;
        rc = rc != NS_OK ? rc : generate(app, s, m, &cases, &params, &bytes);
        rc = rc != NS_OK ? rc : ns_rows_check(&params.rows, &cases, &lacking, &app->err);
        if (lacking)
            cli_note(app, "%lld of %lld cases lack a row of --rows %s: what they have is recorded", (long long)lacking, (long long)cases.n,
                     s->rows);
        cli_note(app, "recording at most %.1f MiB", (double)bytes / 0x1p20);
        rc = rc != NS_OK || s->generate ? rc : cli_open_weights(app, m);
        if (rc == NS_OK)
            rc = run_record(app, s, m, &cases, &params, &rows);
    }
    if (rc == NS_OK)
        rc = answer(app, s, m, &cases, bytes, &rows);
    free(positions.list);
    ns_cases_clear(&cases);
    ns_close(m);
    return rc;
}

const cli_command cli_cmd_record = {
    .name = "record", .section = "Measure", .summary = "Records attention maps and activations of the cases to HDF5",
    .arguments = "MODEL", .min_args = 1, .max_args = 1,
    .groups = {{"Options", options, 0}, {"Model options", cli_model_options, offsetof(record_settings, model)}},
    .resources = CLI_THREADS | CLI_MEMORY, .settings_size = sizeof(record_settings), .defaults = &defaults,
    .description = "Attention patterns are kept in one of six forms: whole maps (dense), chosen rows (rows), the largest keys of chosen "
                   "rows (topk), maps pooled to bins (pooled), numbers about each row (stats), or stats and topk together, which is "
                   "small and the default. Everything else is stored as activations. The size is estimated first, and a recording above "
                   "--max-bytes is refused.\n\n"
                   "--generate N lets the model go on behind each prompt, greedily, and records that in place of the answer of the case: "
                   "the rows `answer` are then those that say the generated tokens.\n\n"
                   "The file appears when it is complete; an interrupted run leaves nothing.",
    .examples = "needlescope record MODEL --cases cases.jsonl --at 'blocks.*.attn.hook_pattern' --at 'blocks.*.hook_resid_post' --at "
                "hook_logits --maps dense --dtype f32 -o rec.h5",
    .run = record,
};
