/* runs.h - small runs of every layer kind, with sizes that fill no register. For the tests of the trainer. */
#ifndef RUNS_H
#define RUNS_H

#include "../../unit.h"

#include <needlescope/arch.h>
#include <needlescope/model.h>
#include <needlescope/train.h>
#include "core/core.h"
#include "math/math.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct { const char *name, *json;
} kinds[] = {
    {"the recipe", "{\"batch\": 3, \"length\": 40}"},
    {"windows and full, no rope",
     "{\"pattern\": \"sSF\", \"window\": 9, \"nope_layers\": \"011\", \"batch\": 2, \"length\": 37, \"d_model\": 32, \"d_ff\": 40}"},
    {"grouped heads, gated, tied",
     "{\"pattern\": \"SF\", \"window\": 5, \"heads\": 6, \"kv_heads\": 2, \"head_dim\": 10, \"d_model\": 36, \"d_ff\": 50, \"mlp\": "
     "\"swiglu\", \"tied\": true, \"nope\": true, \"batch\": 2, \"length\": 33, \"optimizer\": \"adamw\"}"},
    {"Lightning",
     "{\"pattern\": \"GFG\", \"heads\": 3, \"head_dim\": 8, \"d_model\": 24, \"d_ff\": 30, \"kv_heads\": 1, \"batch\": 2, \"length\": 35}"},
    {"Mamba-2",
     "{\"pattern\": \"MFM\", \"heads\": 3, \"head_dim\": 8, \"d_model\": 24, \"d_ff\": 30, \"batch\": 2, \"length\": 35}"},
    {"Gated DeltaNet, with and without its convolution",
     "{\"pattern\": \"DFd\", \"heads\": 3, \"head_dim\": 8, \"d_model\": 24, \"d_ff\": 30, \"kv_heads\": 1, \"batch\": 2, \"length\": 35}"},
    {"gated linear attention, gated MLP",
     "{\"pattern\": \"LSL\", \"window\": 5, \"heads\": 3, \"head_dim\": 8, \"d_model\": 24, \"d_ff\": 30, \"mlp\": "
     "\"swiglu\", \"batch\": 2, \"length\": 35}"},
    {"Gated DeltaNet as flash-linear-attention has it",
     "{\"pattern\": \"DSD\", \"window\": 5, \"heads\": 3, \"d_model\": 24, \"d_ff\": 30, \"mlp\": \"swiglu\", \"batch\": 2, "
     "\"length\": 35, \"tied\": true}"},
    {"Mamba-2 with one q and k, as Granite has it",
     "{\"pattern\": \"mFm\", \"heads\": 3, \"d_model\": 24, \"d_ff\": 30, \"mlp\": \"swiglu\", \"batch\": 2, \"length\": 35}"},
    {"GLA with a thin decay, as flash-linear-attention has it",
     "{\"pattern\": \"lFl\", \"heads\": 3, \"d_model\": 24, \"d_ff\": 30, \"mlp\": \"swiglu\", \"batch\": 2, \"length\": 35}"},
    {"many sequences, several chunks",
     "{\"pattern\": \"SFS\", \"d_model\": 16, \"heads\": 2, \"d_ff\": 24, \"batch\": 21, \"length\": 50}"},
};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

static ns_error err;

static void ok(int rc)
{
    if (rc != NS_OK)
        fail_msg("%d: %s", rc, err.message);
}

static ns_train_config config_of(const char *json)
{
    ns_train_config c;
    ok(ns_train_config_from_json(&c, json, strlen(json), "test", &err));
    return c;
}

static inline ns_trainer *trainer_of(const char *json, const char *cpu)
{
    const ns_train_config c = config_of(json);
    const ns_trainer_params params = {.size = sizeof params, .cpu = cpu};
    ns_trainer *t;
    ok(ns_trainer_new(&t, &c, &params, &err));
    return t;
}

/* A batch in which half of the tokens repeat one 5 places before, so that there is something to learn. */
static int32_t *tokens_of(int64_t n, int64_t vocab, uint64_t seed)
{
    ns_rng rng = ns_rng_seed(seed, 1);
    int32_t *const tokens = malloc((size_t)n * sizeof *tokens);
    for (int64_t i = 0; i < n; i++)
        tokens[i] = i > 5 && ns_rng_below(&rng, 2) ? tokens[i - 5] : (int32_t)ns_rng_below(&rng, vocab);
    return tokens;
}

static inline void temporary(char folder[32])
{
    strcpy(folder, "/tmp/ns-train-XXXXXX");
    assert_non_null(mkdtemp(folder));
}

static inline void remove_tree(const char *folder)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", folder);
    assert_int_equal(system(command), 0);
}

#endif
