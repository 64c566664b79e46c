/* cmd_score.c - cases + probes -> scores of every head; the top heads, answer accuracy and dropped cases go to stdout, everything to -o. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/probe.h>

#include "cli/commands.h"
#include "cli/out.h"
#include "cli/probing.h"

typedef struct score_settings {
    cli_words   cases, probes, definitions;
    const char *out, *head_score, *reference;
    int         compat;
    int64_t     top, resamples, seed;
    bool        list, no_sharing, one_at_a_time;
    cli_model_settings model;
} score_settings;
static const score_settings defaults = {.top = 5, .resamples = 1000};

#define FIELD(name) offsetof(score_settings, name)
static const cli_option options[] = {
    {"cases", 'c', CLI_FILES, FIELD(cases), "FILE,...", "the cases to score, JSONL"},
    {"probe", 'p', CLI_WORDS, FIELD(probes), "NAME,...", "probes or scores (see --list; default all that can score the cases)"},
    {"probe-def", 'd', CLI_FILES, FIELD(definitions), "FILE,...",
     "also probes of your own, each a JSON definition (the man page has the words)"},
    {"reference", 0, CLI_FOLDER, FIELD(reference), "MODEL", "the checkpoint that qk_distance compares with"},
    {"compat", 0, CLI_CHOICE, FIELD(compat), "CODE",
     "count retrieval_wu as this published code does, under a name of its own (retrieval_wu2024)", "none|wu2024"},
    {"output", 'o', CLI_OUTPUT, FIELD(out), "FILE", "write everything to this HDF5 file", .makes = NS_KINDS(NS_KIND_SCORES)},
    {"head-score", 0, CLI_STREAM, FIELD(head_score), "FILE",
     "also write Wu et al.'s score of every case as their JSON, {\"LAYER-HEAD\": [..]}", .makes = NS_KINDS(NS_KIND_JSON)},
    {"top", 'k', CLI_INT, FIELD(top), "K", "how many heads to print for each score (default 5)", NULL, 0, 100000},
    {"resamples", 0, CLI_INT, FIELD(resamples), "N", "resamples of the cases behind the intervals (default 1000; 0: no intervals)", NULL, 0,
     1000000},
    {"seed", 0, CLI_INT, FIELD(seed), "N", "seed of the resampling (default 0)", NULL, 0, INT64_MAX},
    {"list", 0, CLI_FLAG, FIELD(list), NULL, "list the probes, their scores and where they come from"},
    {"no-sharing", 0, CLI_FLAG, FIELD(no_sharing), NULL, "compute common prefixes of cases again and again (the same bits, slower)"},
    {"one-at-a-time", 0, CLI_FLAG, FIELD(one_at_a_time), NULL, "a pass for each case (the same bits, slower, least memory)"},
    {0},
};
#undef FIELD

static int list_probes(cli *app)
{
    static const cli_column columns[] = {{"probe", "probe", CELL_TEXT}, {"score", "score", CELL_TEXT}, {"summary", "summary", CELL_TEXT},
                                         {"paper", "from", CELL_TEXT}};
    cli_out o;
    cli_out_begin(&o, app, "needlescope.probes/1");
    cli_out_table(&o, "scores", NULL, columns, 4);
    for (const ns_probe *const *probe = ns_probes(); *probe; probe++)
        for (int i = 0; i < (*probe)->n_scores || (i == 0 && (*probe)->n_outputs); i++) {     /* one of layers has no score of heads */
            const ns_score of_none = {.name = "", .summary = (*probe)->summary, .paper = (*probe)->paper};
            const ns_score *const s = (*probe)->n_scores ? &(*probe)->scores[i] : &of_none;
            cli_cell_text(&o, (*probe)->name);
            cli_cell_text(&o, s->name);
            cli_cell_text(&o, s->summary);
            cli_cell_text(&o, s->paper);
        }
    cli_out_table_end(&o);
    return cli_out_end(&o, &app->err);
}

/* ---- what a run is made of ---- */

typedef struct plan {
    ns_opened *model, *reference;
    ns_cases   cases;
    cli_words  probes;                         /* borrowed names */
    cli_probing probing;
    int32_t    stop;                           /* "<0x0A>", or -1 */
} plan;

static void clear_plan(plan *p)
{
    cli_probing_clear(&p->probing);
    free(p->probes.list);
    ns_cases_clear(&p->cases);
    ns_close(p->reference);
    ns_close(p->model);
}

/* NULL when the probe can score one of the cases, else why it cannot score the first. */
static const char *why_not(const ns_probe *probe, const ns_opened *m, const ns_cases *cases, char buffer[NS_REASON])
{
    const char *first = NULL;
    for (int64_t i = 0; i < cases->n && probe->rejects; i++) {
        const ns_probe_context context = {.model = m->model, .arch = m->arch, .c = &cases->list[i], .probe = probe,
                                          .n_layers = m->arch->n_layers,
                                          .n_heads = ns_arch_max_heads(m->arch)};
        const char *const reason = probe->rejects(&context, buffer);
        if (!reason)
            return NULL;
        first = first ? first : reason;
    }
    return first;
}

/* The names asked for. Without any: all probes but those that can score none of these cases (a case that one probe rejects is
 * dropped for all). The strings are borrowed. */
static int choose_probes(cli *app, const cli_words *asked, const ns_opened *m, const ns_cases *cases, bool given, cli_words *out)
{
    int64_t n = asked->n + 2;
    for (const ns_probe *const *probe = ns_probes(); *probe; probe++)
        n++;
    if (!ns_grow(&out->list, &out->capacity, n, sizeof *out->list))
        return ns_oom(&app->err, "the probes");
    for (int64_t i = 0; i < asked->n; i++)
        out->list[out->n++] = asked->list[i];
    for (const ns_probe *const *probe = ns_probes(); *probe && !asked->n; probe++) {
        if ((*probe)->on_request)
            continue;
        char buffer[NS_REASON];
        const char *const reason = why_not(*probe, m, cases, buffer);
        if (reason)
            cli_note(app, "%s is left out: %s in any case", (*probe)->name, reason);
        else
            out->list[out->n++] = (*probe)->name;
    }
    return out->n || given ? NS_OK : ns_fail(&app->err, NS_E_ARG, "no probe can score any of these cases (needlescope score --list)");
}

/* In text, twins and controls are shown when they are asked for by their own name. */
static bool shown(const cli_out *o, const ns_score *score, const cli_words *asked)
{
    bool named = !score->minor || o->json;
    for (int64_t i = 0; i < asked->n && !named; i++)
        named = strcmp(asked->list[i], score->name) == 0;
    return named;
}

static void describe_head(cli_out *o, const ns_opened *m, const ns_scores *scores, int score, int rank, int64_t layer, int64_t head)
{
    ns_head_stats stats;
    char kind[48];
    ns_arch_layer_label(m->arch, layer, kind, sizeof kind);
    if (!ns_scores_head(scores, score, layer, head, &stats))
        stats = (ns_head_stats){ns_scores_values(scores, score)[layer * ns_scores_heads(scores) + head], NAN, NAN, NAN, NAN, NAN, NAN, NAN};
    cli_cell_text(o, ns_scores_def(scores, score)->name);
    cli_cell_int(o, rank + 1);
    cli_cell_int(o, layer);
    cli_cell_int(o, head);
    cli_cell_text(o, kind);
    const float cells[] = {stats.value, stats.low, stats.high, stats.p_top4, stats.p_top10, stats.chance, stats.answered, stats.missed};
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++)
        cli_cell_number(o, (double)cells[i]);
}

static void describe_note(cli_out *o, const char *score, const char *note)
{
    if (!note[0])
        return;
    cli_cell_text(o, score);
    cli_cell_text(o, note);
}

/* Lists that are short, or cut through a tie, or rank heads of two scales; scores that have no list. */
static void describe_cuts(cli_out *o, const ns_scores *scores, const score_settings *s, int k, ns_head *best)
{
    static const cli_column columns[] = {{"score", "score", CELL_TEXT}, {"note", "note", CELL_TEXT}};
    static const char scales[] = "weights of recurrent layers are signed, without a sum: of another scale than the others'";
    cli_out_table(o, "lists", "About these lists", columns, 2);
    for (int i = 0; best && k && i < ns_scores_count(scores); i++) {
        char note[120] = "describes: no end of it is the best";
        if (!shown(o, ns_scores_def(scores, i), &s->probes))
            continue;
        const ns_best_cut cut = ns_scores_top(scores, i, k, best);
        if (ns_scores_def(scores, i)->best != NS_BEST_NONE)
            ns_best_note(&cut, k, note, sizeof note);
        describe_note(o, ns_scores_def(scores, i)->name, note);
        describe_note(o, ns_scores_def(scores, i)->name, ns_scores_two_scales(scores, i) ? scales : "");
    }
    cli_out_table_end(o);
}

static void describe_top(cli_out *o, const ns_opened *m, const ns_scores *scores, const score_settings *s)
{
    static const cli_column columns[] = {
        {"score", "score", CELL_TEXT}, {"rank", "rank", CELL_INT}, {"layer", "layer", CELL_INT}, {"head", "head", CELL_INT},
        {"kind", "kind", CELL_TEXT},
        {"value", "value", CELL_NUMBER}, {"low", "low", CELL_NUMBER}, {"high", "high", CELL_NUMBER}, {"p_top4", "P(top 4)", CELL_NUMBER},
        {"p_top10", "P(top 10)", CELL_NUMBER}, {"chance", "chance", CELL_NUMBER}, {"answered", "answered", CELL_NUMBER},
        {"missed", "missed", CELL_NUMBER},
    };
    const int64_t n_heads = ns_scores_heads(scores), all = ns_scores_layers(scores) * n_heads;
    const int k = (int)(s->top < all ? s->top : all);
    ns_head *const best = ns_alloc_array((size_t)k, sizeof *best);
    o->failed |= !best;
    cli_out_table(o, "top", k ? "Top heads (95 % intervals over resampled prompts)" : NULL, columns,
                  (int)(sizeof columns / sizeof *columns));
    for (int i = 0; best && i < ns_scores_count(scores); i++) {
        const ns_best_cut cut = shown(o, ns_scores_def(scores, i), &s->probes) ? ns_scores_top(scores, i, k, best) : (ns_best_cut){0};
        for (int rank = 0; rank < cut.n; rank++)
            describe_head(o, m, scores, i, rank, best[rank].layer, best[rank].head);
    }
    cli_out_table_end(o);
    describe_cuts(o, scores, s, k, best);
    free(best);
}

/* What the intervals and the printed chance rest on. */
static void describe_resampling(cli_out *o, const ns_scores *scores, const score_settings *s)
{
    ns_resampling r;
    int64_t without = 0;
    if (!ns_scores_resampling(scores, &r))
        return;
    for (int i = 0; i < ns_scores_count(scores); i++) {
        const int64_t n = shown(o, ns_scores_def(scores, i), &s->probes) ? ns_scores_without_chance(scores, i) : -1;
        without = n > without ? n : without;
    }
    cli_out_int(o, "n_prompts", NULL, r.prompts);
    cli_out_int(o, "kinds_pooled", NULL, r.pooled);
    cli_out_int(o, "n_without_placebo", NULL, without);
    if (r.pooled)
        cli_out_say(o, "%-18s %lld of %lld kinds of cases are resampled as one: there are kinds of fewer than 10 prompts\n", "intervals",
                    (long long)r.pooled, (long long)r.kinds);
    if (r.prompts < NS_INTERVAL_FEWEST + r.strata - 1)
        cli_out_say(o, "%-18s of rates only: %lld prompt%s too few for those of means\n", "intervals", (long long)r.prompts,
                    r.prompts == 1 ? " is" : "s are");
    if (without)
        cli_out_say(o, "%-18s %lld of %lld cases have no placebo for each mention, as long as the answer, and say nothing of it\n",
                    "chance", (long long)without, (long long)ns_scores_cases(scores));
}

static void describe_stability(cli_out *o, const ns_scores *scores, const score_settings *s)
{
    static const cli_column columns[] = {{"score", "score", CELL_TEXT},
                                         {"jaccard4", "4 best", CELL_NUMBER},
                                         {"jaccard10", "10 best", CELL_NUMBER}};
    cli_out_table(o, "split_half", "Heads in common between two halves of the prompts (Jaccard)", columns, 3);
    for (int i = 0; i < ns_scores_count(scores); i++) {
        if (!shown(o, ns_scores_def(scores, i), &s->probes) || isnan(ns_scores_split_half(scores, i, 4)))
            continue;
        cli_cell_text(o, ns_scores_def(scores, i)->name);
        cli_cell_number(o, ns_scores_split_half(scores, i, 4));
        cli_cell_number(o, ns_scores_split_half(scores, i, 10));
    }
    cli_out_table_end(o);
}

/* Of rates: signed scores and entropies have no such thresholds. */
static void describe_spread(cli_out *o, const ns_scores *scores, const score_settings *s)
{
    static const cli_column columns[] = {{"score", "score", CELL_TEXT},       {"tenth", "heads with .1 and more", CELL_INT},
                                         {"zero", "share at 0", CELL_NUMBER}, {"weak", "below .1", CELL_NUMBER},
                                         {"middle", "below .5", CELL_NUMBER}, {"strong", ".5 and more", CELL_NUMBER}};
    cli_out_table(o, "spread", "How each score is spread over heads", columns, sizeof columns / sizeof *columns);
    for (int i = 0; i < ns_scores_count(scores); i++) {
        const ns_score *const def = ns_scores_def(scores, i);
        if (!shown(o, def, &s->probes) || !def->over)
            continue;
        const ns_score_shares spread = ns_score_spread(ns_scores_values(scores, i), ns_scores_layers(scores) * ns_scores_heads(scores));
        cli_cell_text(o, def->name);
        cli_cell_int(o, spread.tenth);
        cli_cell_number(o, spread.zero);
        cli_cell_number(o, spread.weak);
        cli_cell_number(o, spread.middle);
        cli_cell_number(o, spread.strong);
    }
    cli_out_table_end(o);
}

/* Of rates, in models with several kinds of layers: whose the retrieval heads are. */
static void describe_kinds(cli_out *o, const ns_opened *m, const ns_scores *scores, const score_settings *s)
{
    static const cli_column columns[] = {{"score", "score", CELL_TEXT},      {"kind", "kind", CELL_TEXT},
                                         {"strong", "heads with .1 and more", CELL_INT}, {"all_strong", "of", CELL_INT},
                                         {"low", "share from", CELL_NUMBER}, {"high", "to", CELL_NUMBER},
                                         {"heads", "heads", CELL_INT},       {"all_heads", "of", CELL_INT},
                                         {"p_heads", "odds (heads)", CELL_NUMBER}, {"p_layers", "odds (layers)", CELL_NUMBER}};
    int64_t n[NS_LAYER_MLP], kinds = 0;
    for (int k = 0; k < NS_LAYER_MLP; k++)
        kinds += (n[k] = ns_arch_heads_of(m->arch, (ns_layer_kind)k, NULL)) > 0;
    cli_out_table(o, "kinds", kinds > 1 ? "In which kind of layers they are (odds of as many or more by chance)" : NULL, columns,
                  sizeof columns / sizeof *columns);
    for (int i = 0; kinds > 1 && i < ns_scores_count(scores); i++)
        for (int k = 0; k < NS_LAYER_MLP; k++) {
            ns_kind_share share;
            if (!n[k] || !shown(o, ns_scores_def(scores, i), &s->probes) || !ns_scores_def(scores, i)->over)
                continue;
            o->failed |= ns_scores_kind_share(scores, i, (ns_layer_kind)k, &share, NULL) < 0;
            cli_cell_text(o, ns_scores_def(scores, i)->name);
            cli_cell_text(o, ns_layer_kind_name((ns_layer_kind)k));
            cli_cell_int(o, share.strong);
            cli_cell_int(o, share.all_strong);
            cli_cell_number(o, share.low);
            cli_cell_number(o, share.high);
            cli_cell_int(o, share.heads);
            cli_cell_int(o, share.all_heads);
            cli_cell_number(o, share.p_heads);
            cli_cell_number(o, share.p_layers);
        }
    cli_out_table_end(o);
}

static void describe_scores(cli_out *o, const plan *p, const ns_scores *scores, const score_settings *s)
{
    const ns_opened *const m = p->model;
    const int64_t n = ns_scores_cases(scores);
    const ns_dropped *dropped;
    const int n_reasons = ns_scores_dropped(scores, &dropped);
    cli_out_text(o, "model", "model", m->name);
    cli_out_int(o, "n_cases", NULL, n);
    cli_out_int(o, "n_given", NULL, p->cases.n);
    cli_out_int(o, "n_answered", NULL, ns_scores_answered(scores));
    cli_out_number(o, "token_accuracy", NULL, ns_scores_token_accuracy(scores, false));
    cli_out_number(o, "first_token_accuracy", NULL, ns_scores_token_accuracy(scores, true));
    cli_out_say(o, "%-18s %lld of %lld scored\n", "cases", (long long)n, (long long)p->cases.n);
    cli_say_rows(o, &p->probing.rows);
    if (!isnan(ns_scores_token_accuracy(scores, true)))
        cli_out_say(o, "%-18s %lld of %lld; answer tokens %.3f, first token %.3f\n", "answered", (long long)ns_scores_answered(scores),
                    (long long)n, ns_scores_token_accuracy(scores, false), ns_scores_token_accuracy(scores, true));
    cli_say_dropped(o, dropped, n_reasons);
    describe_resampling(o, scores, s);
    describe_top(o, m, scores, s);
    describe_spread(o, scores, s);
    describe_kinds(o, m, scores, s);
    if (s->resamples)
        describe_stability(o, scores, s);
}

static int run_score(cli *app, const score_settings *s, plan *p, ns_scores **scores)
{
    cli_progress progress = cli_progress_begin(app, "score");
    const ns_score_params params = {.size = sizeof params, .probes = p->probes.list, .n_probes = (int)p->probes.n,
                                    .reference = p->reference ? p->reference->model : NULL,
                                    .definitions = (const ns_probe *const *)p->probing.definitions,
                                    .n_definitions = p->probing.n_definitions,
                                    .special = p->probing.special, .n_special = p->probing.n_special, .stop = &p->stop,
                                    .n_stop = p->stop >= 0,
                                    .no_sharing = s->no_sharing, .one_at_a_time = s->one_at_a_time, .rows = &p->probing.rows,
                                    .progress = cli_progress_update, .cancelled = cli_cancelled, .note = cli_progress_note,
                                    .user = &progress};
    const int rc = ns_score_run(scores, p->model->model, &p->cases, &params, &app->err);
    cli_progress_end(&progress);
    const ns_ranking_params ranking = {.size = sizeof ranking, .resamples = (int)s->resamples, .seed = (uint64_t)s->seed};
    return rc == NS_OK && s->resamples && ns_scores_cases(*scores) ? ns_scores_rank(*scores, &ranking, &app->err) : rc;
}

static int open_reference(cli *app, const score_settings *s, ns_opened **m)
{
    int rc = s->reference ? cli_open(app, m, s->reference, &s->model, NS_OPEN_ARCH, &app->err) : NS_OK;
    return rc == NS_OK && s->reference ? cli_open_weights(app, *m) : rc;
}

/* In place of retrieval_wu, else besides. */
static void use_published_wu(cli_words *probes)
{
    bool found = false;
    for (int64_t i = 0; i < probes->n; i++)
        if (strcmp(probes->list[i], "wu") == 0 || strcmp(probes->list[i], "retrieval_wu") == 0) {
            probes->list[i] = "wu2024";
            found = true;
        }
    if (!found)
        probes->list[probes->n++] = "wu2024";
}

static int check_head_score(cli *app, const score_settings *s)
{
    bool found = s->compat || !s->head_score;
    for (int64_t i = 0; i < s->probes.n && !found; i++) {
        const ns_probe *const probe = ns_probe_find(s->probes.list[i]);
        found = probe && (strcmp(probe->name, "wu") == 0 || strcmp(probe->name, "wu2024") == 0);
    }
    if (!found)
        return ns_fail(&app->err, NS_E_ARG, "--head-score is Wu et al.'s score: ask for it with --probe retrieval_wu or --compat wu2024");
    return NS_OK;
}

/* Everything is checked before the weights are read. */
static int make_plan(cli *app, const score_settings *s, const char *path, plan *p)
{
    int rc = cli_check_probes(app, &s->probes);
    rc = rc != NS_OK ? rc : check_head_score(app, s);
    rc = rc != NS_OK ? rc : cli_read_definitions(app, &p->probing, &s->definitions);
    rc = rc != NS_OK ? rc : cli_open(app, &p->model, path, &s->model, NS_OPEN_ARCH, &app->err);
    rc = rc != NS_OK ? rc : cli_open_cases(app, p->model, &s->cases, &p->cases);
    rc = rc != NS_OK ? rc : cli_find_special(app, &p->probing, p->model);
    p->stop = p->model && p->model->tokenizer ? ns_token_id(p->model->tokenizer, "<0x0A>") : -1;
    rc = rc != NS_OK ? rc : cli_open_weights(app, p->model);
    rc = rc != NS_OK ? rc : open_reference(app, s, &p->reference);
    if (rc == NS_OK)
        rc = choose_probes(app, &s->probes, p->model, &p->cases, p->probing.n_definitions > 0 || s->reference || s->compat, &p->probes);
    if (rc == NS_OK && s->reference)
        p->probes.list[p->probes.n++] = "qk_distance";
    if (rc == NS_OK && s->compat)
        use_published_wu(&p->probes);
    return rc;
}

/* Scores of a model that never says the answer are no scores of retrieval: said in the result, and by the exit code. */
static bool nothing_answered(const ns_scores *scores)
{
    return ns_scores_answered(scores) == 0 && !isnan(ns_scores_token_accuracy(scores, true));
}

static int report(cli *app, const score_settings *s, const plan *p, const ns_scores *scores)
{
    cli_out o = {0};
    int rc = s->out ? ns_scores_write(scores, s->out, &app->by, &app->err) : NS_OK;
    if (rc == NS_OK && s->head_score)
        rc = ns_scores_write_heads(scores, s->head_score, &app->by, &app->err);
    if (rc != NS_OK)
        return rc;
    cli_out_begin(&o, app, "needlescope.score/1");
    describe_scores(&o, p, scores, s);
    cli_out_bool(&o, "nothing_answered", NULL, nothing_answered(scores));
    if (nothing_answered(scores))
        cli_out_say(&o, "\nThe model answered none of the cases: these scores say where heads look, not what retrieves.\n");
    if (s->out)
        cli_out_say(&o, "\n");
    rc = s->out ? cli_out_written(app, &o, s->out) : NS_OK;
    if (rc == NS_OK)
        rc = cli_out_end(&o, &app->err);
    cli_out_drop(&o);
    return rc == NS_OK && nothing_answered(scores) ? NS_STOP : rc;
}

static int score(cli *app, const void *settings, char **args, int n_args)
{
    const score_settings *const s = settings;
    plan p = {0};
    ns_scores *scores = NULL;
    static const score_settings only_list = {.top = 5, .resamples = 1000, .list = true};
    if (s->list && (n_args || memcmp(s, &only_list, sizeof *s)))
        return ns_fail(&app->err, NS_E_ARG,
                       "--list prints the probes and scores nothing: it stands alone, without MODEL and other options");
    if (s->list)
        return list_probes(app);
    if (s->seed && !s->resamples)
        return ns_fail(&app->err, NS_E_ARG, "--seed is of the resampling, and --resamples 0 does without");
    if (n_args != 1)
        return ns_fail(&app->err, NS_E_ARG, "MODEL is missing");
    int rc = make_plan(app, s, args[0], &p);
    if (rc == NS_OK) {
        cli_signals_hold(true);
        rc = run_score(app, s, &p, &scores);
    }
    if (rc == NS_OK)
        rc = report(app, s, &p, scores);
    ns_scores_free(scores);
    clear_plan(&p);
    return rc;
}

const cli_command cli_cmd_score = {
    .name = "score", .section = "Measure", .summary = "Scores every head on the cases and prints the best",
    .arguments = "MODEL", .min_args = 0, .max_args = 1,
    .groups = {{"Options", options, 0}, {"Model options", cli_model_options, offsetof(score_settings, model)}},
    .resources = CLI_THREADS | CLI_MEMORY, .settings_size = sizeof(score_settings), .defaults = &defaults,
    .description = "Each case is run once, however many probes look at it; cases that begin alike share their beginning. The answer is "
                   "teacher-forced, and the answer accuracy says how often it is what the model itself would say. Cases that a probe "
                   "cannot score are dropped and counted with their reason; when none is left the command fails. When the model answers "
                   "none of the cases the result says so and the exit code is 1.\n\n"
                   "A definition of your own (--probe-def) is an object {\"name\", \"rows\", \"keys\", \"stat\", \"exclude\", \"summary\", "
                   "\"from\"}. rows: all, answer, answer-1, first, last:N, span:NAME, or a list of prompt positions (negative from its "
                   "end). keys: a span's name, aligned:SPAN, offset:N, local:N, same_token, after_same_token, or positions. stat: "
                   "argmax_hit, mass, mean, rank, entropy or entropy_norm. exclude: positions and \"special\", which are left out before "
                   "anything is taken. induction, previous_token, needle_mass, entropy and others are such definitions themselves.\n\n"
                   "Threads, memory, the order of the cases and the CPU's vector width change no bit of a score.",
    .examples = "needlescope score MODEL --cases cases.jsonl --probe retrieval_mass,retrieval_copy,induction --threads 2 -o scores.h5\n"
                "echo '{\"name\": \"first_word\", \"rows\": \"answer\", \"keys\": [1], \"stat\": \"mass\"}' > own.json; "
                "needlescope score MODEL --cases cases.jsonl --probe-def own.json\n"
                "needlescope score MODEL --cases cases.jsonl --compat wu2024 --head-score MODEL.json\n"
                "needlescope score --list",
    .run = score,
};
