/* cmd_lab.c - lab plant: a checkpoint whose heads are constructed, so known. */
#include <needlescope/dataset.h>

#include "cli/commands.h"
#include "cli/out.h"

typedef struct plant_settings {
    cli_heads   previous, retrieval;
    int64_t     layers, heads, kv_heads, vocab, positions, window, seed;
    const char *out;
} plant_settings;

#define FIELD(name) offsetof(plant_settings, name)
static const cli_option options[] = {
    {"output", 'o', CLI_FOLDER, FIELD(out), "FOLDER", "the checkpoint folder to write"},
    {"retrieval", 'r', CLI_HEADS, FIELD(retrieval), "L.H,...", "the heads that retrieve, as layer.head (default 3.1,4.6)"},
    {"previous-token", 'p', CLI_HEADS, FIELD(previous), "L.H", "the previous-token head (default 0.0)"},
    {"layers", 0, CLI_INT, FIELD(layers), "N", "layers (default 6)", NULL, 2, 1000},
    {"heads", 0, CLI_INT, FIELD(heads), "N", "query heads (default 8)", NULL, 1, 1024},
    {"kv-heads", 0, CLI_INT, FIELD(kv_heads), "N", "key/value heads (default 4)", NULL, 1, 1024},
    {"vocab", 0, CLI_INT, FIELD(vocab), "N", "vocabulary (default 512)", NULL, 8, 32770},
    {"positions", 0, CLI_INT, FIELD(positions), "N", "longest input (default 4096)", NULL, 8, 1 << 20},
    {"window", 'w', CLI_INT, FIELD(window), "W", "sliding window of the layers below the retrieval heads (default none)", NULL, 1, 1 << 20},
    {"seed", 's', CLI_INT, FIELD(seed), "N", "seed of the token codes (default 0)", NULL, 0, INT64_MAX},
    {0},
};
#undef FIELD

static int plant(cli *app, const void *settings, char **args, int n_args)
{
    const plant_settings *const s = settings;
    const char *const folder = s->out ? s->out : n_args ? args[0] : NULL;
    ns_plant_params params = {
        .size = sizeof params, .n_layers = s->layers, .n_heads = s->heads, .n_kv_heads = s->kv_heads, .vocab = s->vocab,
        .max_positions = s->positions, .window = s->window, .seed = (uint64_t)s->seed,
        .retrieval = (const int64_t (*)[2])s->retrieval.list, .n_retrieval = (int)s->retrieval.n,
    };
    if (!folder)
        return ns_fail(&app->err, NS_E_ARG, "-o FOLDER is missing");
    if (s->previous.n > 1)
        return ns_fail(&app->err, NS_E_ARG, "--previous-token: one head, %lld are given", (long long)s->previous.n);
    for (int i = 0; i < 2 && s->previous.n; i++)
        params.previous_token[i] = s->previous.list[0][i];
    int rc = ns_plant(folder, &params, &app->err);
    if (rc < 0)
        return rc;
    cli_out o;
    cli_out_begin(&o, app, "needlescope.plant/1");
    cli_out_text(&o, "folder", "planted", folder);
    cli_out_say(&o, "The heads and their expected scores: %s/planted.json\n", folder);
    return cli_out_end(&o, &app->err);
}

const cli_command cli_cmd_lab_plant = {
    .name = "lab plant", .section = "Laboratory", .summary = "Writes a checkpoint whose retrieval heads are constructed, so known",
    .arguments = "[FOLDER]", .min_args = 0, .max_args = 1, .groups = {{"Options", options, 0}}, .settings_size = sizeof(plant_settings),
    .description = "The weights are constructed, not trained: one head attends to the previous token and writes what it finds there, "
                   "and each retrieval head attends to the token after an earlier copy of the current one and says it. transformers "
                   "loads the folder as SmolLM3. Probes must find exactly the heads named here.\n\n"
                   "Its cases are synthetic needles: needlescope cases needle --model FOLDER.",
    .examples = "needlescope lab plant -o planted --retrieval 3.1,4.6\n"
                "needlescope lab plant -o hybrid --window 64",
    .run = plant,
};
