/* cmd_cases_lab.c - cases lab: needle cases in the laboratory's language. */
#include <needlescope/lab.h>

#include "cli/commands.h"
#include "cli/out.h"

typedef struct lab_settings {
    int64_t     length, count, seed;
    bool        swap;
    const char *out;
} lab_settings;
static const lab_settings defaults = {.length = 64, .count = 256};

#define FIELD(name) offsetof(lab_settings, name)
static const cli_option options[] = {
    {"output", 'o', CLI_STREAM, FIELD(out), "FILE", "the JSONL file to write", .makes = NS_KINDS(NS_KIND_CASES)},
    {"length", 'l', CLI_INT, FIELD(length), "N", "length of the sequences that the prompts are cut from (default 64)", NULL, 32, 1 << 20},
    {"count", 'n', CLI_INT, FIELD(count), "N", "how many cases (default 256)", NULL, 1, 1000000},
    {"seed", 's', CLI_INT, FIELD(seed), "N", "seed of everything random (default 0)", NULL, 0, INT64_MAX},
    {"swap", 0, CLI_FLAG, FIELD(swap), NULL, "instead the cases' twins: the same prompts asked for another of their keys"},
    {0},
};
#undef FIELD

static int cases_lab(cli *app, const void *settings, char **args, int n_args)
{
    (void)args;
    (void)n_args;
    const lab_settings *const s = settings;
    const ns_lab_cases_params params = {.size = sizeof params, .length = s->length, .count = (int)s->count, .seed = (uint64_t)s->seed,
                                        .swap = s->swap};
    ns_cases cases = {0};
    if (!s->out)
        return ns_fail(&app->err, NS_E_ARG, "-o FILE is missing");
    int rc = ns_lab_cases(&cases, &params, &app->err);
    if (rc == NS_OK)
        rc = ns_cases_write(&cases, s->out, &app->err);
    if (rc == NS_OK) {
        char hash[65];
        cli_out o;
        ns_cases_hash(&cases, hash);
        cli_out_begin(&o, app, "needlescope.cases/1");
        cli_out_text(&o, "file", "file", s->out);
        cli_out_int(&o, "n_cases", "cases", cases.n);
        cli_out_text(&o, "cases_sha256", "hash", hash);
        rc = cli_out_end(&o, &app->err);
    }
    ns_cases_clear(&cases);
    return rc;
}

const cli_command cli_cmd_cases_lab = {
    .name = "cases lab", .section = "Cases", .summary = "Makes needle cases in the laboratory's language",
    .arguments = "", .min_args = 0, .max_args = 0, .groups = {{"Options", options, 0}}, .settings_size = sizeof(lab_settings),
    .defaults = &defaults,
    .description = "For models that needlescope train made on the laboratory's language (56 tokens: filler, keys, values). A prompt is a "
                   "sequence of that language cut off after a key whose value was said last half a length ago or more; the answer is that "
                   "value. In every second case the key was mentioned once, in the others at least twice and as often as another key. All "
                   "values in a prompt differ. The same seed gives the same cases.",
    .examples = "needlescope cases lab -o cases.jsonl\n"
                "needlescope cases lab --length 256 --swap -o swapped.jsonl",
    .run = cases_lab,
};
