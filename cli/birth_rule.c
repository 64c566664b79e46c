/* birth_rule.c - the rule of births as options. */
#include "cli/birth_rule.h"

#define FIELD(name) offsetof(cli_birth_rule, name)
#define SCORE {"score", 0, CLI_TEXT, FIELD(score), "NAME", "the score whose births are wanted (default retrieval_find)"}
#define PREVIOUS {"previous", 0, CLI_TEXT, FIELD(previous), "NAME", \
                  "the score of previous-token heads (default previous_at_needle, else previous_token; '' for none)"}
#define THETA {"theta", 0, CLI_NUMBER, FIELD(theta), "X", "alive at this score and above (default 0.5)"}
#define PERSIST {"persist", 'm', CLI_INT, FIELD(persist), "M", \
                 "so many measured checkpoints in a row make a birth or a death (default 3)", NULL, 1, 1000}
#define HORIZON \
    {"horizon", 0, CLI_NUMBER, FIELD(horizon), "T", \
     "look no further, in tokens (steps where those are not known; default: as far as every run reached)"}, \
    {"leave-short", 0, CLI_FLAG, FIELD(leave_short), NULL, "leave runs out that end before --horizon, instead of refusing"}
const cli_option cli_birth_options[] = {SCORE, PREVIOUS, THETA, PERSIST, HORIZON, {0}};
const cli_option cli_best_options[] = {SCORE, THETA, PERSIST, HORIZON, {0}};
const cli_option cli_level_options[] = {SCORE, THETA, HORIZON, {0}};
const cli_option cli_horizon_options[] = {HORIZON, {0}};
#undef FIELD

int cli_birth_params(const cli_birth_rule *rule, ns_emergence_params *out, ns_error *err)
{
    *out = (ns_emergence_params){.size = sizeof *out, .score = rule->score, .previous = rule->previous, .horizon = rule->horizon,
                                 .leave_short = rule->leave_short, .birth = {sizeof(ns_birth_params), rule->theta, (int)rule->persist}};
    if (rule->leave_short && !(rule->horizon > 0))
        return ns_fail(err, NS_E_ARG, "--leave-short: of which --horizon? Without one no run is short of it");
    return rule->theta > 0 ? NS_OK : ns_fail(err, NS_E_ARG, "--theta %g: it lies in (0, 1]", rule->theta);
}
