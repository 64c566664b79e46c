/* cmd_nll.c - what a model loses on texts, token by token; LongPPL, and its key tokens. */
#include <needlescope/nll.h>

#include "cli/commands.h"
#include "cli/open.h"
#include "cli/out.h"

typedef struct settings { cli_words texts; const char *out; bool per_token; ns_nll_params p; cli_model_settings model; } nll_settings;

#define FIELD(name) offsetof(nll_settings, name)
static const cli_option options[] = {
    {"text", 'c', CLI_FILES, FIELD(texts), "FILE,...", "texts, JSONL: what `score` takes as cases (text, or tokens)"},
    {"keys", 'k', CLI_FILE, FIELD(p.keys), "FILE", "key tokens of LongPPL: a line a text, intervals of its characters: [a, b];[c, d]"},
    {"make-keys", 0, CLI_STREAM, FIELD(p.make_keys), "FILE", "find them with this model, write them", .makes = NS_NLL_KEYS},
    {"context", 0, CLI_INT, FIELD(p.context), "N", "windows in which a token sees N at least (default: all)", NULL, 1, INT32_MAX},
    {"short", 0, CLI_INT, FIELD(p.short_context), "N", "a second pass in so short a context (--make-keys: 4096)", NULL, 1, INT32_MAX},
    {"stride", 0, CLI_INT, FIELD(p.stride), "N", "tokens from window to window (default 1024)", NULL, 1, INT32_MAX},
    {"per-token", 0, CLI_FLAG, FIELD(per_token), NULL, "every token in the answer, too"},
    {"output", 'o', CLI_OUTPUT, FIELD(out), "FILE", "write everything to this HDF5 file", .makes = NS_KINDS(NS_KIND_TABLE)},
    {0},
};
#undef FIELD

static int answer(cli *app, const nll_settings *s, const ns_nll *r)
{
    cli_out o;
    cli_out_begin(&o, app, "needlescope.nll/1");
    const ns_answer tell = cli_out_answer(&o);
    ns_nll_tell(r, s->per_token, &tell);
    int rc = s->out ? ns_nll_write(r, s->out, &app->by, &app->err) : NS_OK;
    rc = rc == NS_OK && s->out ? cli_out_written(app, &o, s->out) : rc;
    if (rc != NS_OK)
        cli_out_drop(&o);
    return rc == NS_OK ? cli_out_end(&o, &app->err) : rc;
}

static int nll(cli *app, const void *settings, char **args, int n_args)
{
    (void)n_args;
    const nll_settings *const s = settings;
    ns_nll_params p = s->p;
    ns_opened *m = NULL;
    ns_cases texts = {0};
    ns_nll *r = NULL;
    cli_progress progress = cli_progress_begin(app, "nll");
    int rc = s->texts.n ? NS_OK : ns_fail(&app->err, NS_E_ARG, "--text FILE is missing");
    rc = rc != NS_OK ? rc : cli_open(app, &m, *args, &s->model, NS_OPEN_ARCH | (ns_nll_characters(&p) ? NS_OPEN_TOKENIZER : 0), &app->err);
    rc = rc != NS_OK ? rc : cli_open_cases(app, m, &s->texts, &texts);
    rc = rc != NS_OK ? rc : cli_open_weights(app, m);
    p.size = sizeof p, p.tokenizer = m ? m->tokenizer : NULL;
    p.progress = cli_progress_update, p.cancelled = cli_cancelled, p.user = &progress;
    rc = rc != NS_OK ? rc : ns_nll_run(&r, m->model, &texts, &p, &app->err);
    cli_progress_end(&progress);
    rc = rc != NS_OK ? rc : answer(app, s, r);
    ns_nll_free(r);
    ns_cases_clear(&texts);
    ns_close(m);
    return rc;
}

const cli_command cli_cmd_nll = {
    .name = "nll", .section = "Measure", .summary = "Gives the loss of every token of texts; LongPPL, and its key tokens", .run = nll,
    .arguments = "MODEL", .min_args = 1, .max_args = 1, .resources = CLI_THREADS | CLI_MEMORY, .settings_size = sizeof(nll_settings),
    .groups = {{"Options", options, 0}, {"Model options", cli_model_options, offsetof(nll_settings, model)}},
    .description = "Losses over all texts, by text, by position, by how far back a token was last said behind the same one, and by span. "
                   "LongPPL is the perplexity of the tokens that lie wholly inside the intervals of --keys; texts are tokenised without "
                   "special tokens then. --make-keys makes such a file: tokens behind the first N whose loss is below 2 and more than 2 "
                   "above that in a context of N (--short) tokens.",
    .examples = "needlescope nll MODEL --text texts.jsonl --keys keys.txt --json",
};
