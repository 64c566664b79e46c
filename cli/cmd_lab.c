/* cmd_lab.c - lab plant: a checkpoint whose heads are constructed, so known. */
#include <stdlib.h>
#include <string.h>

#include <needlescope/dataset.h>

#include "cli/commands.h"
#include "cli/out.h"
#include "cli/value.h"

typedef struct plant_settings {
    cli_heads   previous, retrieval;
    cli_numbers strength;
    cli_words   births;
    int64_t     series, every, rise;
    double      jitter, dips;
    bool        zoo;
    int64_t     layers, heads, kv_heads, vocab, positions, window, seed;
    const char *out;
} plant_settings;

#define FIELD(name) offsetof(plant_settings, name)
static const cli_option options[] = {
    {"output", 'o', CLI_FOLDER, FIELD(out), "FOLDER", "the checkpoint folder to write"},
    {"retrieval", 'r', CLI_HEADS, FIELD(retrieval), "L.H,...", "the heads that retrieve, as layer.head (default 3.1,4.6)"},
    {"strength", 0, CLI_NUMBERS, FIELD(strength), "X,...",
     "share of the tokens that a retrieval head serves, so its expected score: one for all, or one each (default 1)", .again = true},
    {"previous-token", 'p', CLI_HEADS, FIELD(previous), "L.H", "the previous-token head (default 0.0)"},
    {"layers", 0, CLI_INT, FIELD(layers), "N", "layers (default 6)", NULL, 2, 1000},
    {"heads", 0, CLI_INT, FIELD(heads), "N", "query heads (default 8)", NULL, 1, 1024},
    {"kv-heads", 0, CLI_INT, FIELD(kv_heads), "N", "key/value heads (default 4)", NULL, 1, 1024},
    {"vocab", 0, CLI_INT, FIELD(vocab), "N", "vocabulary (default 512)", NULL, 8, 32770},
    {"positions", 0, CLI_INT, FIELD(positions), "N", "longest input (default 4096)", NULL, 8, 1 << 20},
    {"window", 'w', CLI_INT, FIELD(window), "W", "sliding window of the layers below the retrieval heads (default none)", NULL, 1, 1 << 20},
    {"seed", 's', CLI_INT, FIELD(seed), "N", "seed of the token codes (default 0)", NULL, 0, INT64_MAX},
    {"zoo", 0, CLI_FLAG, FIELD(zoo), NULL, "a zoo instead: true heads and decoys, each with what every score must say"},
    {"series", 0, CLI_INT, FIELD(series), "N", "a run folder of N checkpoints, in which the retrieval heads are born at known steps", NULL,
     2, 100000},
    {"births", 0, CLI_WORDS, FIELD(births), "LIFE,...",
     "series: one a retrieval head: BIRTH, BIRTH:DEATH, BIRTH:DEATH:BIRTH ... in steps, or never", .again = true},
    {"every", 0, CLI_INT, FIELD(every), "N", "series: steps between checkpoints (default 10)", NULL, 1, 1000000000},
    {"rise", 0, CLI_INT, FIELD(rise), "N", "series: checkpoints that a birth takes (default 1)", NULL, 1, 1000},
    {"jitter", 0, CLI_NUMBER, FIELD(jitter), "X", "series: standard deviation of the strengths (default 0)"},
    {"dips", 0, CLI_NUMBER, FIELD(dips), "X", "series: chance of a checkpoint at which a living head is weak (default 0)"},
    {0},
};
#undef FIELD

static int say_planted(cli *app, const char *folder, const char *what)
{
    cli_out o;
    cli_out_begin(&o, app, "needlescope.plant/1");
    cli_out_text(&o, "folder", "planted", folder);
    cli_out_say(&o, "%s: %s/planted.json\n", what, folder);
    return cli_out_end(&o, &app->err);
}

static int fill_params(cli *app, const plant_settings *s, ns_plant_params *params)
{
    *params = (ns_plant_params){
        .size = sizeof *params, .n_layers = s->layers, .n_heads = s->heads, .n_kv_heads = s->kv_heads, .vocab = s->vocab,
        .max_positions = s->positions, .window = s->window, .seed = (uint64_t)s->seed,
        .retrieval = s->retrieval.list, .n_retrieval = (int)s->retrieval.n,
    };
    if (s->previous.n > 1)
        return ns_fail(&app->err, NS_E_ARG, "--previous-token: one head, %lld are given", (long long)s->previous.n);
    if (s->previous.n)
        params->previous_token = s->previous.list[0];
    return NS_OK;
}

static int plant_one(cli *app, const plant_settings *s, const char *folder, ns_plant_params *params)
{
    const int64_t heads = s->retrieval.n ? s->retrieval.n : 2;
    double *strength = NULL;
    if (s->births.n || s->every || s->rise || s->jitter != 0 || s->dips != 0)
        return ns_fail(&app->err, NS_E_ARG, "--births, --every, --rise, --jitter and --dips need --series N");
    if (s->strength.n > 1 && s->strength.n != heads)
        return ns_fail(&app->err, NS_E_ARG, "--strength: %lld numbers for %lld retrieval heads (one for all, or one each)",
                       (long long)s->strength.n, (long long)heads);
    if (s->strength.n && !(strength = ns_alloc_array((size_t)heads, sizeof *strength)))
        return ns_oom(&app->err, "strengths");
    for (int64_t i = 0; strength && i < heads; i++)
        strength[i] = s->strength.list[s->strength.n > 1 ? i : 0];
    params->strength = strength;
    const int rc = ns_plant(folder, params, &app->err);
    free(strength);
    return rc != NS_OK ? rc : say_planted(app, folder, "The heads and their expected scores");
}

/* "30:90" -> {30, 90}; "never" -> {}. The turns are one list that lives share. */
static int parse_life(cli *app, const char *text, int64_t *turns, ns_plant_life *life)
{
    int n = 0;
    const bool good = cli_value_life(text, turns, &n);
    *life = (ns_plant_life){turns, n};
    return good ? NS_OK : ns_fail(&app->err, NS_E_ARG, "--births: '%.60s' is not BIRTH, BIRTH:DEATH ... (steps from 1) or never", text);
}

static int plant_series(cli *app, const plant_settings *s, const char *folder, const ns_plant_params *plant)
{
    size_t n_turns = 0;
    for (int64_t i = 0; i < s->births.n; i++)
        n_turns += strlen(s->births.list[i]);
    int64_t *const turns = ns_alloc_array(n_turns, sizeof *turns), *next = turns;
    ns_plant_life *const lives = ns_alloc_array((size_t)s->births.n, sizeof *lives);
    int rc = turns && lives ? NS_OK : ns_oom(&app->err, "lives");
    if (rc == NS_OK && s->strength.n)
        rc = ns_fail(&app->err, NS_E_ARG, "--strength is of one checkpoint; a series takes --births");
    for (int64_t i = 0; i < s->births.n && rc == NS_OK; i++) {
        rc = parse_life(app, s->births.list[i], next, &lives[i]);
        next += lives[i].n_turns;
    }
    if (rc == NS_OK) {
        const ns_plant_series_params params = {
            .size = sizeof params, .plant = *plant, .n_checkpoints = s->series, .every = s->every, .rise = s->rise, .jitter = s->jitter,
            .dips = s->dips, .lives = s->births.n ? lives : NULL, .n_lives = (int)s->births.n,
        };
        rc = ns_plant_series(folder, &params, &app->err);
    }
    free(lives);
    free(turns);
    return rc != NS_OK ? rc : say_planted(app, folder, "Births, deaths and strengths of the heads");
}

static int plant(cli *app, const void *settings, char **args, int n_args)
{
    const plant_settings *const s = settings;
    const char *const folder = s->out ? s->out : n_args ? args[0] : NULL;
    ns_plant_params params;
    if (!folder)
        return ns_fail(&app->err, NS_E_ARG, "-o FOLDER is missing");
    if (s->out && n_args)
        return ns_fail(&app->err, NS_E_ARG, "two folders: %s and -o %s (give one)", args[0], s->out);
    int rc = fill_params(app, s, &params);
    if (rc != NS_OK)
        return rc;
    if (s->zoo &&
        (s->series || s->strength.n || s->retrieval.n || s->previous.n || s->layers || s->heads || s->kv_heads || s->vocab || s->window))
        return ns_fail(&app->err, NS_E_ARG, "--zoo is one fixed checkpoint: of the other options it takes --seed alone");
    if (s->zoo)
        return (rc = ns_plant_zoo(folder, params.seed, &app->err)) != NS_OK ? rc
                                                                       : say_planted(app, folder, "The heads and their expected scores");
    return s->series ? plant_series(app, s, folder, &params) : plant_one(app, s, folder, &params);
}

const cli_command cli_cmd_lab_plant = {
    .name = "lab plant", .section = "Laboratory", .summary = "Writes a checkpoint whose retrieval heads are constructed, so known",
    .arguments = "[FOLDER]", .min_args = 0, .max_args = 1, .groups = {{"Options", options, 0}}, .settings_size = sizeof(plant_settings),
    .description = "The weights are constructed, not trained: one head attends to the previous token and writes what it finds there, "
                   "and each retrieval head attends to the token after an earlier copy of the current one and says it. transformers "
                   "loads the folder as SmolLM3. Probes must find exactly the heads named here.\n\n"
                   "A head of strength X serves a share X of the tokens, so that its scores over cases have the expectation X. With "
                   "--series a run folder is written, stepNNNNNN/ and run.json, whose heads are born, die, dip or never come, at steps "
                   "that its planted.json knows: ground truth for emergence.\n\n"
                   "Its cases are synthetic needles: needlescope cases needle --model FOLDER.",
    .examples = "needlescope lab plant -o planted --retrieval 3.1,4.6\n"
                "needlescope lab plant -o hybrid --window 64\n"
                "needlescope lab plant -o zoo --zoo\n"
                "needlescope lab plant -o half --strength .5\n"
                "needlescope lab plant -o run --series 20 --rise 3 --jitter .05 --seed 1",
    .run = plant,
};
