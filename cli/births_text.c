/* births_text.c - births as words: "(4096, 8192]", ">65536". */
#include "cli/births_text.h"

#include <math.h>

const char *cli_event_text(ns_event e, char out[CLI_EVENT])
{
    if (isnan(e.at))
        snprintf(out, CLI_EVENT, "-");
    else if (isinf(e.at))
        snprintf(out, CLI_EVENT, ">%.0f", e.after);
    else
        snprintf(out, CLI_EVENT, "(%.0f, %.0f]", e.after, e.at);
    return out;
}

const char *cli_time_text(double time, double horizon, char out[CLI_EVENT])
{
    if (isnan(time))
        snprintf(out, CLI_EVENT, "-");
    else if (isinf(time))
        snprintf(out, CLI_EVENT, ">%.0f", horizon);
    else
        snprintf(out, CLI_EVENT, "%.0f", time);
    return out;
}

const char *cli_group_text(const ns_seed_group *g, const char *run, char out[CLI_GROUP])
{
    char window[32] = "", nope[16] = "";
    if (!g->arm && !g->pattern && isnan(g->window)) {
        snprintf(out, CLI_GROUP, "%s", run);
        return out;
    }
    if (!isnan(g->window))
        snprintf(window, sizeof window, "W=%.0f", g->window);
    if (g->nope > 0)
        snprintf(nope, sizeof nope, "NoPE");
    snprintf(out, CLI_GROUP, "%s%s%s%s%s%s%s", g->arm ? g->arm : "", g->arm ? " " : "", g->pattern ? g->pattern : "", g->pattern ? " " : "", window, *nope ? " " : "",
             nope);
    return out;
}
