/* cmd_cases_ruler.c - cases ruler: RULER's synthetic tasks for a tokenizer. */
#include <needlescope/dataset.h>

#include "cli/cases.h"
#include "cli/commands.h"
#include "cli/open.h"

typedef struct ruler_settings {
    const char *model, *out, *qa;
    cli_model_settings how;
    cli_words   tasks;
    cli_ints    lengths;
    int64_t     count, seed;
    bool        no_special;
} ruler_settings;

#define FIELD(name) offsetof(ruler_settings, name)
static const cli_option options[] = {
    {"model", 'm', CLI_FOLDER, FIELD(model), "MODEL", "whose tokenizer the cases are for"},
    {"task", 'k', CLI_WORDS, FIELD(tasks), "NAME,...",
     "niah_single_1 to _3, niah_multikey_1 to _3, niah_multivalue, niah_multiquery, vt, cwe, fwe (default all of these); qa_1, "
     "qa_2 (with --qa), phonebook, copy, copy_shuffled"},
    {"qa", 0, CLI_FILE, FIELD(qa), "FILE", "questions and documents of qa_1 and qa_2: SQuAD's or HotpotQA's JSON"},
    {"lengths", 'l', CLI_INTS, FIELD(lengths), "N,N,...", "RULER's max_seq_length: prompt and what may be said (default 4096)"},
    {"count", 'n', CLI_INT, FIELD(count), "N", "cases of every task and length (default 1)", NULL, 1, 1000000},
    {"seed", 's', CLI_INT, FIELD(seed), "N", "seed of everything random (default 0)", NULL, 0, INT64_MAX},
    {"no-special", 0, CLI_FLAG, FIELD(no_special), NULL, "add no special tokens (BOS ...)"},
    {"output", 'o', CLI_STREAM, FIELD(out), "FILE", "the JSONL file to write", .makes = NS_KINDS(NS_KIND_CASES)},
    {0},
};
#undef FIELD

static int cases_ruler(cli *app, const void *settings, char **args, int n_args)
{
    (void)args;
    (void)n_args;
    const ruler_settings *const s = settings;
    static const int64_t usual = 4096;
    ns_opened *m = NULL;
    ns_cases cases = {0};
    ns_case_drops dropped = {0};
    int rc = s->out ? NS_OK : ns_fail(&app->err, NS_E_ARG, "-o FILE is missing");
    if (rc == NS_OK && !s->model && !s->how.tokenizer)
        rc = ns_fail(&app->err, NS_E_ARG, "give --model MODEL or --tokenizer FILE: the prompts are text");
    rc = rc != NS_OK ? rc : cli_open(app, &m, s->model, &s->how, NS_OPEN_TOKENIZER, &app->err);
    const ns_ruler_params params = {.size = sizeof params, .tokenizer = m ? m->tokenizer : NULL, .tasks = s->tasks.list,
                                    .n_tasks = (int)s->tasks.n, .lengths = s->lengths.n ? s->lengths.list : &usual,
                                    .n_lengths = s->lengths.n ? (int)s->lengths.n : 1, .count = (int)s->count, .seed = (uint64_t)s->seed,
                                    .add_special = !s->no_special, .dropped = &dropped, .qa = s->qa};
    rc = rc != NS_OK ? rc : ns_ruler_cases(&cases, &params, &app->err);
    rc = rc != NS_OK ? rc : cli_write_cases(app, &cases, &dropped, s->out);
    ns_case_drops_clear(&dropped);
    ns_cases_clear(&cases);
    ns_close(m);
    return rc;
}

const cli_command cli_cmd_cases_ruler = {
    .name = "cases ruler", .section = "Cases", .summary = "Makes cases of RULER's synthetic tasks", .run = cases_ruler,
    .arguments = "", .min_args = 0, .max_args = 0, .settings_size = sizeof(ruler_settings),
    .groups = {{"Options", options, 0}, {"Model options", cli_text_options, offsetof(ruler_settings, how)}},
    .description = "The wording, the sizes and the rules are RULER's; its input and its answer_prefix are one prompt. The essay and the "
                   "words are our own. meta of a case has outputs, all of which a right answer names, and max_new_tokens: `generate` "
                   "scores with them. qa_1 and qa_2 ask what a file of yours asks. BABILong's stories are not made.",
    .examples = "needlescope cases ruler --model MODEL --task niah_multikey_2 --lengths 1024 --count 20 -o ruler.jsonl",
};
