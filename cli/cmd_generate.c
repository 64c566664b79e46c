/* cmd_generate.c - what a model says of its own accord, and how much of what it should name is in it. */
#include <needlescope/generated.h>

#include "cli/commands.h"
#include "cli/open.h"
#include "cli/out.h"

typedef struct generate_settings { cli_words cases; bool list; ns_generated_params p; cli_model_settings model; } generate_settings;

#define FIELD(name) offsetof(generate_settings, name)
static const cli_option options[] = {
    {"cases", 'c', CLI_FILES, FIELD(cases), "FILE,...", "cases, JSONL"},
    {"tokens", 0, CLI_INT, FIELD(p.tokens), "N", "tokens that are said at most (default meta.max_new_tokens, else 50)", NULL, 1, 65536},
    {"list", 0, CLI_FLAG, FIELD(list), NULL, "print what is said behind each prompt (in JSON always)"},
    {0},
};
#undef FIELD

static int answer(cli *app, const generate_settings *s, const ns_generated *r)
{
    cli_out o;
    cli_out_begin(&o, app, "needlescope.generate/1");
    const ns_answer tell = cli_out_answer(&o);
    ns_generated_tell(r, s->list, &tell);
    return cli_out_end(&o, &app->err);
}

static int generate(cli *app, const void *settings, char **args, int n_args)
{
    (void)n_args;
    const generate_settings *const s = settings;
    ns_generated_params p = s->p;
    ns_opened *m = NULL;
    ns_cases cases = {0};
    ns_generated *r = NULL;
    cli_progress progress = cli_progress_begin(app, "generate");
    int rc = s->cases.n ? NS_OK : ns_fail(&app->err, NS_E_ARG, "--cases FILE is missing");
    rc = rc != NS_OK ? rc : cli_open(app, &m, *args, &s->model, NS_OPEN_ARCH | NS_OPEN_TOKENIZER, &app->err);
    rc = rc != NS_OK ? rc : cli_open_cases(app, m, &s->cases, &cases);
    rc = rc != NS_OK ? rc : cli_open_weights(app, m);
    p.size = sizeof p, p.tokenizer = m ? m->tokenizer : NULL;
    p.progress = cli_progress_update, p.cancelled = cli_cancelled, p.user = &progress;
    rc = rc != NS_OK ? rc : ns_generated_run(&r, m->model, &cases, &p, &app->err);
    cli_progress_end(&progress);
    rc = rc != NS_OK ? rc : answer(app, s, r);
    ns_generated_free(r);
    ns_cases_clear(&cases);
    ns_close(m);
    return rc;
}

const cli_command cli_cmd_generate = {
    .name = "generate", .section = "Measure", .summary = "Lets a model go on, and looks for what it should name", .run = generate,
    .arguments = "MODEL", .min_args = 1, .max_args = 1, .resources = CLI_THREADS | CLI_MEMORY, .settings_size = sizeof(generate_settings),
    .groups = {{"Options", options, 0}, {"Model options", cli_model_options, offsetof(generate_settings, model)}},
    .description = "Greedy decoding behind each prompt, up to the first special token. A case's meta.outputs (of `cases ruler`), else the "
                   "text of its answer, is looked for in what was said, upper and lower case alike: RULER's string_match_all is 100 times "
                   "the mean share that is there.",
    .examples = "needlescope generate MODEL --cases ruler.jsonl --json",
};
