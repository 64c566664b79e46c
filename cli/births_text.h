/* births_text.h - how emergence and laziness write births and groups of runs. */
#ifndef NS_CLI_BIRTHS_TEXT_H
#define NS_CLI_BIRTHS_TEXT_H

#include <needlescope/training.h>

#include "cli/cli.h"

enum { CLI_EVENT = 64, CLI_GROUP = 160 };
const char *cli_event_text(ns_event, char out[CLI_EVENT]);
const char *cli_time_text(double time, double horizon, char out[CLI_EVENT]);      /* INFINITY: ">horizon" */
/* "swa SSFS W=4"; run: what to call a group that has no coordinates. */
const char *cli_group_text(const ns_seed_group *, const char *run, char out[CLI_GROUP]);

#endif
