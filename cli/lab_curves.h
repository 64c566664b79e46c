/* lab_curves.h - what the study says of one run, checkpoint by checkpoint, and the births in it. Between lab_curves.c and lab_results.c. */
#ifndef NS_CLI_LAB_CURVES_H
#define NS_CLI_LAB_CURVES_H

#include <needlescope/study.h>

#include "cli/lab.h"

typedef struct cli_curves {
    int64_t  P, L, H;                    /* checkpoints up to the horizon, layers, heads */
    int64_t *step;                       /* [P] */
    float   *find, *link;                /* [P, L, H] */
    float   *accuracy;                   /* [P] */
    bool    *full, *recurrent;           /* [L] */
} cli_curves;
/* P = 0 where the run, or its checkpoint at the horizon, is missing. */
int  cli_curves_read(const cli_lab *, ns_study *, const cli_lab_run *, cli_curves *, ns_error *);
void cli_curves_clear(cli_curves *);
float cli_curves_at(const cli_curves *, const float *score, int64_t p, int64_t layer, int64_t head);

typedef struct cli_rule { double theta; int64_t consecutive; } cli_rule;
/* The first of so many checkpoints in a row at theta or above. curve [P] */
cli_lab_birth cli_curves_birth(const cli_curves *, cli_rule, const float *curve);
/* The largest score, checkpoint by checkpoint, among the heads of the chosen layers; NaN where there is none. out [P] */
typedef bool cli_layer_choice(const cli_curves *, int64_t layer, int64_t below);
bool cli_layer_full(const cli_curves *, int64_t layer, int64_t unused);
bool cli_layer_below(const cli_curves *, int64_t layer, int64_t below);      /* not recurrent: its rows are signed and unnormalised */
void cli_curves_best(const cli_curves *, const float *score, cli_layer_choice *, int64_t below, float *out);

#endif
