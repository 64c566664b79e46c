/* cmd_compare.c - do score files, studies and lists of heads rank the heads alike? */
#include <needlescope/compare.h>

#include "cli/commands.h"
#include "cli/out.h"

typedef struct compare_settings { cli_words scores; int64_t k, permutations, seed; double persistence; bool all_steps; } compare_settings;

#define FIELD(name) offsetof(compare_settings, name)
static const cli_option options[] = {
    {"score", 's', CLI_WORDS, FIELD(scores), "NAME,...", "the scores (default: all that both files have; beside a list retrieval_find)"},
    {"top", 'k', CLI_INT, FIELD(k), "K", "Jaccard of the K best heads (default 10)", NULL, 1, 100000},
    {"persistence", 0, CLI_NUMBER, FIELD(persistence), "P",
     "of rank-biased overlap, between 0 and 1: the larger, the further down the lists it looks (default 0.9)"},
    {"permutations", 0, CLI_INT, FIELD(permutations), "N", "draws of what chance gives (default 1000)", NULL, 1, 10000000},
    {"seed", 0, CLI_INT, FIELD(seed), "N", "seed of the draws (default 0)", NULL, 0, INT64_MAX},
    {"all-steps", 0, CLI_FLAG, FIELD(all_steps), NULL, "of studies every step that both have (default: the last)"},
    {0},
};
#undef FIELD

static int compare(cli *app, const void *settings, char **args, int n_args)
{
    const compare_settings *const s = settings;
    const ns_compare_params params = {.size = sizeof params, .scores = s->scores.list, .n_scores = (int)s->scores.n, .k = s->k,
                                      .persistence = s->persistence, .permutations = s->permutations, .seed = (uint64_t)s->seed,
                                      .all_steps = s->all_steps};
    ns_comparison *c;
    cli_out o;
    const int rc = ns_compare_run(&c, (const char *const *)args, n_args, &params, &app->err);
    if (rc != NS_OK)
        return rc;
    for (int64_t i = 0; ns_comparison_note(c, i); i++)
        cli_note(app, "%s", ns_comparison_note(c, i));
    cli_out_begin(&o, app, "needlescope.compare/1");
    const ns_answer answer = cli_out_answer(&o);
    ns_comparison_tell(c, &answer);
    ns_comparison_free(c);
    return cli_out_end(&o, &app->err);
}

const cli_command cli_cmd_compare = {
    .name = "compare",
    .section = "Follow training",
    .summary = "Do score files, studies and lists of heads rank the heads alike?",
    .arguments = "FILE FILE...",
    .min_args = 2,
    .max_args = 1000,
    .groups = {{"Options", options, 0}},
    .settings_size = sizeof(compare_settings),
    .description = "Every pair of the files: Jaccard of the K best heads, Spearman over all, rank-biased overlap (Webber et al. 2010, "
                   "extrapolated) and the largest difference. Beside each stands the middle 95 % of what chance gives, when heads are "
                   "exchanged at random, and p; `in layer` exchanges heads within their layers only: to like the same layers is no "
                   "agreement then.\n\n"
                   "FILE is a score file, a study (runs of one name and steps that both have are compared), or a list of heads of "
                   "Retrieval_Head, QRHead, LOCOS, DuoAttention or the paper (docs/head-lists.md). What could not be compared is counted "
                   "in notes; where nothing could, that is an error.",
    .examples = "needlescope compare a.h5 b.json --json\n"
                "needlescope compare seed0.h5 seed1.h5 seed2.h5 --score retrieval_find --top 20",
    .run = compare,
};
