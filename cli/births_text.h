/* births_text.h - what the commands on births share: the options of the rule of births, how births and groups of runs are written. */
#ifndef NS_CLI_BIRTHS_TEXT_H
#define NS_CLI_BIRTHS_TEXT_H

#include <needlescope/training.h>

#include "cli/cli.h"

typedef struct cli_birth_rule {
    const char *score, *previous;
    double      theta, horizon;
    int64_t     persist;
    bool        leave_short;
} cli_birth_rule;
extern const cli_option cli_birth_options[];
#define CLI_BIRTH_DEFAULTS {.theta = .5, .persist = 3}
/* The rest of the parameters is zero. NS_E_ARG: a theta outside (0, 1]. */
int cli_birth_params(const cli_birth_rule *, ns_emergence_params *out, ns_error *);

enum { CLI_EVENT = 64, CLI_GROUP = 160 };
const char *cli_event_text(ns_event, char out[CLI_EVENT]);
const char *cli_time_text(double time, double horizon, char out[CLI_EVENT]);      /* INFINITY: ">horizon" */
/* "swa SSFS W=4"; run: what to call a group that has no coordinates. */
const char *cli_group_text(const ns_seed_group *, const char *run, char out[CLI_GROUP]);

#endif
