/* run.h - one training run from its config file: checkpoints and metrics in a folder, killed at any point and resumed to the same bits.
 *     CONFIG.json  ->  FOLDER/run.json  FOLDER/stepNNNNNN/{config.json, model.safetensors}  FOLDER/metrics.h5
 * train.h has the trainer alone. From Python by ctypes: fill ns_run_params (zeros are the defaults, size = sizeof), call ns_run_train. */
#ifndef NEEDLESCOPE_RUN_H
#define NEEDLESCOPE_RUN_H

#include <needlescope/provenance.h>

NS_BEGIN

typedef struct ns_run_progress {
    const char *name;                    /* of the run */
    int64_t first, step, steps;          /* done when the call began, done now, to do */
    int64_t tokens_per_step;
    double  loss;                        /* of the step, nats */
} ns_run_progress;

typedef struct ns_run_params {
    size_t      size;
    const char *config, *folder;         /* CONFIG.json; where the run lives, made where it is missing */
    bool resume; /* go on from the newest checkpoint (from the start where there is none); else a folder with a run is refused */
    bool        own_seed;                /* `seed` in place of the config's */
    int64_t     seed;
    int64_t     steps;                   /* in place of the config's; 0 = the config's */
    int         threads;                 /* 0 = 1; the bits are the same */
    const ns_provenance *by;             /* who trains, for metrics.h5; NULL = not said */
    void      (*progress)(void *user, const ns_run_progress *);   /* after every step; or NULL */
    bool      (*cancelled)(void *user);  /* asked before every step: true ends the run behind its newest checkpoint with NS_E_IO; or NULL */
    void       *user;
} ns_run_params;

typedef struct ns_run_result {
    size_t  size;                        /* set by the caller */
    char    name[256], newest[4096];     /* of the run; folder of its newest checkpoint */
    char    config_sha256[65];
    int64_t first, steps, tokens;        /* steps done when the call began, and now; tokens now */
    double  loss;                        /* on the validation batch, nats */
    char    layout[96];                  /* of its checkpoints: "gated_deltanet (flash-linear-attention)" */
    char    own_layout_because[256];     /* why it is needlescope's own; "": it is not */
} ns_run_result;

/* NS_E_ARG, NS_E_FORMAT: a config that is not one (the key is named); a folder of another run. NS_E_CREATE: the folder holds a run and
 * resume was not asked for, or another process trains there. NS_E_NUMERIC: a loss that is not finite; step, layer and last good checkpoint
 * are named. */
NS_API NS_MUST_CHECK int ns_run_train(ns_run_result *out, const ns_run_params *, ns_error *);

NS_END
#endif
