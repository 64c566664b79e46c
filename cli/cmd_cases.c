/* cmd_cases.c - cases needle, cases repeat, cases check: making and checking the JSONL files that score and record read. */
#include <stdlib.h>
#include <string.h>

#include <needlescope/dataset.h>

#include "cli/cases.h"
#include "cli/commands.h"
#include "cli/open.h"
#include "cli/out.h"
#include "cli/value.h"

/* ---- cases needle ---- */
typedef struct needle_settings {
    const char *model, *out;
    cli_model_settings how;
    cli_ints    lengths, distances;
    cli_numbers depths;
    int64_t     count, keys, values, seed, vocab, first_id, answer_tokens;
    cli_words   value_types, templates, twins;
    const char *prefix, *suffix;
    int         chat;
    bool        synthetic, no_special;
} needle_settings;

#define FIELD(name) offsetof(needle_settings, name)
static const cli_option needle_options[] = {
    {"model", 'm', CLI_FOLDER, FIELD(model), "MODEL", "whose tokenizer (or, without one, whose vocabulary) the cases are for"},
    {"lengths", 'l', CLI_INTS, FIELD(lengths), "N,N,...", "prompt lengths in tokens, or FROM:TO:COUNT (default 512)"},
    {"depths", 'd', CLI_NUMBERS, FIELD(depths), "X,X,...", "where the needle goes: 0 = start, 1 = end; or FROM:TO:COUNT (default 0:1:5)"},
    {"distances", 0, CLI_INTS, FIELD(distances), "N,N,...",
     "instead of --depths: tokens from the query back to the needle, exactly: from the row that says the answer's first content token to "
     "that token in the needle"},
    {"count", 'n', CLI_INT, FIELD(count), "N", "cases for every length and depth or distance (default 1)", NULL, 1, 1000000},
    {"keys", 'k', CLI_INT, FIELD(keys), "N", "keys in a prompt, one of them asked for (default 4)", NULL, 1, 1000},
    {"values", 0, CLI_INT, FIELD(values), "N",
     "so many values in all, the same in every case, one case behind the other having each: classes for `probe`", NULL, 1, 1000},
    {"seed", 's', CLI_INT, FIELD(seed), "N", "seed of everything random (default 0)", NULL, 0, INT64_MAX},
    {"output", 'o', CLI_STREAM, FIELD(out), "FILE", "the JSONL file to write", .makes = NS_KINDS(NS_KIND_CASES)},
    {"value-types", 0, CLI_WORDS, FIELD(value_types), "NAME,...", "what the values are: numbers, words, uuids (default all)"},
    {"templates", 0, CLI_WORDS, FIELD(templates), "NAME,...", "wording and haystack: noise (RULER's), essay (our own) (default both)"},
    {"twins", 0, CLI_WORDS, FIELD(twins), "NAME,...",
     "beside each case: swap (asks for another key), absent (for one that is nowhere), null (for none), without (its needle is left out)"},
    {"chat", 0, CLI_CHOICE, FIELD(chat), "FORMAT",
     "wrap the prompt as a chat; a note says where the folder's own template has other markers", "plain|chatml|llama3"},
    {"prefix", 0, CLI_TEXT, FIELD(prefix), "TEXT", "text before the prompt, for other chat formats"},
    {"suffix", 0, CLI_TEXT, FIELD(suffix), "TEXT", "text between the question and the beginning of the answer"},
    {"no-special", 0, CLI_FLAG, FIELD(no_special), NULL,
     "add no special tokens (BOS ...) to prompts of text (default: the tokenizer's, but no second BOS)"},
    {"synthetic", 0, CLI_FLAG, FIELD(synthetic), NULL, "use synthetic tokens even where the model has a tokenizer"},
    {"vocab", 0, CLI_INT, FIELD(vocab), "N", "vocabulary of synthetic tokens (default: the model's)", NULL, 1, INT32_MAX},
    {"first-id", 0, CLI_INT, FIELD(first_id), "N", "lowest synthetic token id (default 0)", NULL, 0, INT32_MAX},
    {"answer-tokens", 0, CLI_INT, FIELD(answer_tokens), "N", "synthetic tokens in a value (default 3)", NULL, 1, 1000},
    {0},
};
#undef FIELD

/* With a tokenizer there is no synthetic token that these could be of. */
static int check_synthetic(cli *app, const needle_settings *s)
{
    const char *const name = s->vocab ? "vocab" : s->first_id ? "first-id" : s->answer_tokens ? "answer-tokens" : NULL;
    return !name
               ? NS_OK
               : ns_fail(&app->err, NS_E_ARG, "--%s is of synthetic tokens, and there is a tokenizer (--synthetic does without it)", name);
}

static int check_text(cli *app, const needle_settings *s)
{
    return !s->no_special ? NS_OK
                          : ns_fail(&app->err, NS_E_ARG, "--no-special is of prompts of text, and these are made of synthetic tokens");
}

/* Opens the model's tokenizer, or learns its vocabulary where it has none. */
static int learn_model(cli *app, const needle_settings *s, ns_opened **m, int64_t *vocab)
{
    *vocab = s->vocab;
    if (cli_check_model_given(app, s->model, &s->how) < 0)
        return NS_E_ARG;
    if (s->synthetic && s->how.tokenizer)
        return ns_fail(&app->err, NS_E_ARG, "--tokenizer has no effect on --synthetic tokens (give one of the two)");
    if (!s->model && (!s->how.tokenizer || s->synthetic))
        return s->vocab ? check_text(app, s) : ns_fail(&app->err, NS_E_ARG, "give --model MODEL, or --vocab N for synthetic tokens");
    const int rc = cli_open(app, m, s->model, &s->how, (s->model ? NS_OPEN_ARCH : 0) | (s->synthetic ? 0 : NS_OPEN_TOKENIZER), &app->err);
    if (rc == NS_OK && !(*m)->tokenizer) {
        if (!*vocab && (*m)->arch)
            *vocab = (*m)->arch->vocab;
        if (!s->synthetic)
            cli_note(app, "%s has no tokenizer: the cases are made of synthetic tokens", s->model);
    }
    if (rc == NS_OK && !(*m)->tokenizer)
        return check_text(app, s);
    return rc == NS_OK && (*m)->tokenizer ? check_synthetic(app, s) : rc;
}

/* Cases that the model, which is named, cannot run. */
static void note_unfit(cli *app, const ns_opened *m, const ns_cases *cases)
{
    int64_t longer = 0;
    ns_error why = {""};
    if (!m || !m->arch)
        return;
    for (int64_t i = 0; i < cases->n; i++) {
        const ns_case *const c = &cases->list[i];       /* teacher-forced: without the answer's last token */
        longer += m->arch->max_positions > 0 && c->n_tokens + (c->n_answer > 1 ? c->n_answer - 1 : 0) > m->arch->max_positions;
    }
    if (longer)
        cli_note(app, "%lld of %lld cases %s longer, with the answer, than the model's %lld positions", (long long)longer,
                 (long long)cases->n, longer == 1 ? "is" : "are", (long long)m->arch->max_positions);
    if (ns_cases_check_vocabulary(cases, m->arch->vocab, &why) < 0)
        cli_note(app, "%s", why.message);
}

static int check_names(cli *app, const needle_settings *s, unsigned *twins)
{
    static const char *const kinds[] = {"swap", "absent", "null", "without"};       /* NS_TWIN_SWAP ... by their bits */
    const char *types[8], *templates[8];
    int n_types = 0, n_templates = 0;
    unsigned unused;
    for (; n_types < 8 && (types[n_types] = ns_needle_value_type(n_types)); n_types++)
        ;
    for (; n_templates < 8 && (templates[n_templates] = ns_needle_template(n_templates)); n_templates++)
        ;
    int rc = cli_check_words("value-types", &s->value_types, types, n_types, &unused, &app->err);
    if (rc == NS_OK)
        rc = cli_check_words("templates", &s->templates, templates, n_templates, &unused, &app->err);
    return rc == NS_OK ? cli_check_words("twins", &s->twins, kinds, 4, twins, &app->err) : rc;
}

/* Says how the chosen format differs from the template of the tokenizer's folder. */
static int compare_chat(cli *app, const needle_settings *s, const ns_opened *m, const char *chat)
{
    const char *const path = s->how.tokenizer     ? s->how.tokenizer
                             : m && m->checkpoint ? ns_checkpoint_tokenizer_path(m->checkpoint)
                                                  : s->model;
    char *note = NULL;
    if (!chat || !m || !m->tokenizer || !path)
        return NS_OK;
    const int rc = ns_chat_compare(&note, chat, path, &app->err);
    if (note)
        cli_note(app, "%s", note);
    free(note);
    return rc;
}

static int cases_needle(cli *app, const void *settings, char **args, int n_args)
{
    (void)args;
    (void)n_args;
    const needle_settings *const s = settings;
    static int64_t length = 512;
    static double depths[] = {0, .25, .5, .75, 1};
    static const char *const chats[] = {NULL, "chatml", "llama3"};   /* in the order of --chat's choices */
    ns_opened *m = NULL;
    ns_cases cases = {0};
    ns_case_drops dropped = {0};
    int64_t vocab;
    unsigned twins = 0;
    int rc = s->out ? check_names(app, s, &twins) : ns_fail(&app->err, NS_E_ARG, "-o FILE is missing");
    if (rc == NS_OK && s->depths.n && s->distances.n)
        rc = ns_fail(&app->err, NS_E_ARG, "--depths or --distances, not both: each says where the needle goes");
    if (rc == NS_OK)
        rc = learn_model(app, s, &m, &vocab);
    if (rc == NS_OK)
        rc = compare_chat(app, s, m, chats[s->chat]);
    if (rc == NS_OK) {
        const ns_needle_params params = {
            .size = sizeof params, .tokenizer = m ? m->tokenizer : NULL, .chat = chats[s->chat], .add_special = !s->no_special,
            .lengths = s->lengths.n ? s->lengths.list : &length, .n_lengths = s->lengths.n ? (int)s->lengths.n : 1,
            .depths = s->depths.n ? s->depths.list : depths,
            .n_depths = s->distances.n ? 0 : s->depths.n ? (int)s->depths.n : 5,
            .distances = s->distances.list, .n_distances = (int)s->distances.n,
            .count = (int)s->count, .keys = (int)s->keys, .n_values = (int)s->values, .seed = (uint64_t)s->seed,
            .vocab = vocab, .first_id = s->first_id, .answer_tokens = (int)s->answer_tokens,
            .prefix = s->prefix, .suffix = s->suffix, .twins = twins, .dropped = &dropped,
            .value_types = s->value_types.list, .n_value_types = (int)s->value_types.n,
            .templates = s->templates.list, .n_templates = (int)s->templates.n,
        };
        rc = ns_needle_cases(&cases, &params, &app->err);
    }
    if (rc == NS_OK)
        note_unfit(app, m, &cases);
    if (rc == NS_OK)
        rc = cli_write_cases(app, &cases, &dropped, s->out);
    ns_case_drops_clear(&dropped);
    ns_cases_clear(&cases);
    ns_close(m);
    return rc;
}

const cli_command cli_cmd_cases_needle = {
    .name = "cases needle",
    .section = "Cases",
    .summary = "Makes needle-in-a-haystack cases: value types x templates x lengths x depths (or distances) x count",
    .arguments = "",
    .min_args = 0,
    .max_args = 0,
    .groups = {{"Options", needle_options, 0}, {"Model options", cli_needle_model_options, offsetof(needle_settings, how)}},
    .settings_size = sizeof(needle_settings),
    .description = "With a tokenizer the prompts are English: three types of values (numbers of seven digits, words, uuids) in two "
                   "templates (noise: RULER's wording and noise lines; essay: other wording, in prose), every one of them by default, "
                   "since which heads a list names depends on both. Without a tokenizer, cases are made of token ids alone.\n\n"
                   "Every prompt holds several keys with distinct values, and one of them is asked for. A twin has the same haystack: swap "
                   "asks for another of its keys, so that a head which goes by the key must move; absent asks for a key that is nowhere; "
                   "null has N/A in the key's place and no answer, and is what the qr probe calibrates with (score --probe qr). "
                   "Spans: needle, needle_answer, distractor.0 ..., question, query, and placebo, an equally long stretch beside the "
                   "needle that is none, for the chance level.\n\n"
                   "A distance is what windows know: a head of window W sees the token it needs when the distance is below W, and it is "
                   "the same for every content token of the answer. Whole sentences stand behind the needle, the last one cut where the "
                   "distance is reached; the haystack in front of it fills the length. A distance has no depth: meta.distance takes its "
                   "place, in twins too, where it is the distance of their own needle (absent, null: of the original's).\n\n"
                   "Lengths are never exceeded. A case whose needles do not fit, whose haystack has no place of its own for its depth (of "
                   "depths that would be one place, the nearest stays), or whose answer the tokenizer splits otherwise than in the needle, "
                   "is dropped; each reason is said once, with its number of cases and the first. The same seed gives the same cases, and "
                   "adding a length, a type or twins changes no other case. Every line says what made it (seed, template, SHA-256 of its "
                   "ids and of the tokenizer), so that files can be cut and joined. Chat formats are plain text around the prompt. Where "
                   "that text begins with the BOS, the tokenizer adds no other. The folder's own template (a GGUF's, else "
                   "chat_template.jinja, else tokenizer_config.json's) is read as text, and a note says where it differs from the "
                   "format (other markers that turns begin with, a system turn of its own, another generation prompt) or there is "
                   "none; no template is ever evaluated.",
    .examples = "needlescope cases needle --model MODEL --lengths 512,1024 --depths 0:1:5 --count 3 --seed 0 -o cases.jsonl\n"
                "needlescope cases needle --model MODEL --value-types words --templates essay --twins swap,absent -o twins.jsonl\n"
                "needlescope cases needle --model MODEL --lengths 4400 --distances 128,512,4096 --count 3 -o far.jsonl\n"
                "needlescope cases needle --vocab 512 --lengths 256 -o synthetic.jsonl",
    .run = cases_needle,
};

/* ---- cases repeat ---- */
typedef struct repeat_settings {
    const char *model, *out;
    cli_model_settings how;
    cli_ints    lengths;
    cli_words   kinds;
    int64_t     count, seed, vocab, first_id, bos;
} repeat_settings;
static const repeat_settings repeat_defaults = {.bos = -1};

#define FIELD(name) offsetof(repeat_settings, name)
static const cli_option repeat_options[] = {
    {"model", 'm', CLI_FOLDER, FIELD(model), "MODEL", "whose vocabulary the tokens come from"},
    {"kind", 'k', CLI_WORDS, FIELD(kinds), "NAME,...", "repeat, shuffled, previous, duplicate, pair (default repeat)"},
    {"length", 'l', CLI_INTS, FIELD(lengths), "N,N,...", "prompt lengths in tokens, or FROM:TO:COUNT (default 128)"},
    {"count", 'n', CLI_INT, FIELD(count), "N", "cases for every kind and length (default 1)", NULL, 1, 1000000},
    {"seed", 's', CLI_INT, FIELD(seed), "N", "seed of everything random (default 0)", NULL, 0, INT64_MAX},
    {"output", 'o', CLI_STREAM, FIELD(out), "FILE", "the JSONL file to write", .makes = NS_KINDS(NS_KIND_CASES)},
    {"vocab", 0, CLI_INT, FIELD(vocab), "N", "vocabulary (default: the model's)", NULL, 1, INT32_MAX},
    {"first-id", 0, CLI_INT, FIELD(first_id), "N", "lowest token id to draw (default 0)", NULL, 0, INT32_MAX},
    {"bos", 0, CLI_INT, FIELD(bos), "ID", "token in front of the prompt (default none)", NULL, -1, INT32_MAX},
    {0},
};
#undef FIELD

/* Kinds x lengths x count. A length given twice would repeat an id, which ns_cases_add refuses by name. */
static int make_repeats(cli *app, const repeat_settings *s, int64_t vocab, unsigned kinds, ns_cases *cases)
{
    static const int64_t length = 128;
    const int64_t *const lengths = s->lengths.n ? s->lengths.list : &length, n_lengths = s->lengths.n ? s->lengths.n : 1;
    int rc = NS_OK;
    for (int k = 0; k < NS_REPEAT_KINDS; k++)
        for (int64_t l = 0; l < n_lengths && rc == NS_OK && kinds & 1u << k; l++) {
            const ns_repeat_params params = {.size = sizeof params, .length = lengths[l], .count = (int)s->count, .seed = (uint64_t)s->seed,
                                             .vocab = vocab, .first_id = s->first_id, .bos = (int32_t)s->bos, .kind = (ns_repeat_kind)k};
            rc = ns_repeat_cases(cases, &params, &app->err);
        }
    return rc;
}

static int check_kinds(cli *app, const repeat_settings *s, unsigned *kinds)
{
    const char *names[NS_REPEAT_KINDS];
    for (int k = 0; k < NS_REPEAT_KINDS; k++)
        names[k] = ns_repeat_kind_name(k);
    const int rc = cli_check_words("kind", &s->kinds, names, NS_REPEAT_KINDS, kinds, &app->err);
    *kinds = *kinds ? *kinds : 1u << NS_REPEAT;
    return rc;
}

static int cases_repeat(cli *app, const void *settings, char **args, int n_args)
{
    (void)args;
    (void)n_args;
    const repeat_settings *const s = settings;
    ns_opened *m = NULL;
    ns_cases cases = {0};
    unsigned kinds;
    if (!s->out)
        return ns_fail(&app->err, NS_E_ARG, "-o FILE is missing");
    if (!s->model && !s->vocab)
        return ns_fail(&app->err, NS_E_ARG, "give --model MODEL or --vocab N");
    int rc = cli_check_model_given(app, s->model, &s->how);
    rc = rc != NS_OK ? rc : check_kinds(app, s, &kinds);
    if (rc == NS_OK && s->model)
        rc = cli_open(app, &m, s->model, &s->how, NS_OPEN_ARCH, &app->err);
    if (rc == NS_OK)
        rc = make_repeats(app, s, s->vocab ? s->vocab : m->arch->vocab, kinds, &cases);
    if (rc == NS_OK)
        rc = cli_write_cases(app, &cases, NULL, s->out);
    ns_cases_clear(&cases);
    ns_close(m);
    return rc;
}

const cli_command cli_cmd_cases_repeat = {
    .name = "cases repeat",
    .section = "Cases",
    .summary = "Makes random tokens, repeated and not: for induction, previous-token and duplicate-token scores",
    .arguments = "",
    .min_args = 0,
    .max_args = 0,
    .groups = {{"Options", repeat_options, 0}, {"Model options", cli_vocabulary_options, offsetof(repeat_settings, how)}},
    .settings_size = sizeof(repeat_settings),
    .defaults = &repeat_defaults,
    .description = "repeat is a run of random tokens said twice (spans first and second). shuffled says the same run, and then its tokens "
                   "in another order, in which none keeps its place or its successor: the control for repeat. A head that looks a fixed "
                   "distance back scores as an induction head on repeat and as nothing here; and no head can foretell the second run. In "
                   "previous all tokens are distinct, so that nothing but the place can be matched. In duplicate each token stands twice, "
                   "in random places three or more apart: its copy, what follows the copy and the token before are three places.\n\n"
                   "There is no answer. A case depends on its kind, seed, length and index alone; its line says what made it, with the "
                   "SHA-256 of its ids.",
    .examples = "needlescope cases repeat --model MODEL --length 256 --count 20 -o repeats.jsonl\n"
                "needlescope cases repeat --model MODEL --kind repeat,shuffled --length 64,256 --count 20 -o controls.jsonl",
    .run = cases_repeat,
};

/* ---- cases check ---- */
typedef struct check_settings {
    const char *model, *out;
    cli_model_settings how;
    bool        list;
} check_settings;

#define FIELD(name) offsetof(check_settings, name)
static const cli_option check_options[] = {
    {"model", 'm', CLI_FOLDER, FIELD(model), "MODEL", "whose tokenizer turns lines of text into tokens"},
    {"list", 0, CLI_FLAG, FIELD(list), NULL, "list the cases"},
    {"output", 'o', CLI_STREAM, FIELD(out), "FILE", "write them again with tokens and token spans", .makes = NS_KINDS(NS_KIND_CASES)},
    {0},
};
#undef FIELD

static void list_cases(cli_out *o, const ns_cases *cases)
{
    static const cli_column columns[] = {
        {"id", "id", CELL_TEXT}, {"n_tokens", "tokens", CELL_INT}, {"n_answer", "answer", CELL_INT}, {"source", "needle at", CELL_INT},
        {"spans", "spans", CELL_TEXT},
    };
    cli_out_table(o, "cases", "Cases", columns, 5);
    for (int64_t i = 0; i < cases->n; i++) {
        const ns_case *const c = &cases->list[i];
        char spans[200] = "";
        for (int k = 0; k < c->n_spans; k++) {
            const size_t used = strlen(spans);
            snprintf(spans + used, sizeof spans - used, "%s%s", used ? " " : "", c->spans[k].name);
        }
        cli_cell_text(o, c->id);
        cli_cell_int(o, c->n_tokens);
        cli_cell_int(o, c->n_answer);
        cli_cell_int(o, ns_case_source(c, c->n_lead));
        cli_cell_text(o, spans);
    }
    cli_out_table_end(o);
}

static int cases_check(cli *app, const void *settings, char **args, int n_args)
{
    const check_settings *const s = settings;
    const cli_words paths = {.list = (const char **)args, .n = n_args};
    ns_opened *m = NULL;
    ns_cases cases = {0};
    int rc = cli_check_model_given(app, s->model, &s->how);
    if (rc == NS_OK && (s->model || s->how.tokenizer))
        rc = cli_open(app, &m, s->model, &s->how, s->model ? NS_OPEN_ARCH : NS_OPEN_TOKENIZER, &app->err);
    if (rc == NS_OK)
        rc = cli_open_cases(app, m, &paths, &cases);
    if (rc == NS_OK && s->model)
        rc = ns_cases_check_vocabulary(&cases, m->arch->vocab, &app->err);
    if (rc == NS_OK && s->out)
        rc = ns_cases_write(&cases, s->out, &app->err);
    if (rc == NS_OK) {
        cli_out o;
        cli_out_begin(&o, app, "needlescope.cases/1");
        cli_describe_cases(&o, &cases, s->out);
        if (s->list)
            list_cases(&o, &cases);
        rc = cli_out_end(&o, &app->err);
    }
    ns_cases_clear(&cases);
    ns_close(m);
    return rc;
}

const cli_command cli_cmd_cases_check = {
    .name = "cases check", .section = "Cases", .summary = "Checks case files of your own and says what they hold",
    .arguments = "FILE...", .min_args = 1, .max_args = 1000,
    .groups = {{"Options", check_options, 0}, {"Model options", cli_text_options, offsetof(check_settings, how)}},
    .settings_size = sizeof(check_settings),
    .description = "A case file is JSONL, one object a line: id, text or tokens, prefix, suffix, spans {name: [begin, end)}, answer, "
                   "distractors, pairs, twin_of, meta. Spans count tokens where tokens are given, else characters of the text. The "
                   "first line that is wrong is named.",
    .examples = "needlescope cases check mine.jsonl --model MODEL --list\n"
                "needlescope cases check mine.jsonl --model MODEL -o tokens.jsonl",
    .run = cases_check,
};
