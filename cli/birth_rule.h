/* birth_rule.h - the rule of births as options, for the commands on births. */
#ifndef NS_CLI_BIRTH_RULE_H
#define NS_CLI_BIRTH_RULE_H

#include <needlescope/training.h>

#include "cli/cli.h"

typedef struct cli_birth_rule {
    const char *score, *previous;
    double      theta, horizon;
    int64_t     persist;
    bool        leave_short;
} cli_birth_rule;
/* The whole rule; of the best head alone; of its scores, where births are not asked for; where to stop. A command offers what its answer
 * hangs on. */
extern const cli_option cli_birth_options[], cli_best_options[], cli_level_options[], cli_horizon_options[];
#define CLI_BIRTH_DEFAULTS {.theta = .5, .persist = 3}
/* The rest of the parameters is zero. NS_E_ARG: a theta outside (0, 1]. */
int cli_birth_params(const cli_birth_rule *, ns_emergence_params *out, ns_error *err);

#endif
