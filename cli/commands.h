/* commands.h - one row per command; commands.c lists them. */
#ifndef NS_CLI_COMMANDS_H
#define NS_CLI_COMMANDS_H

#include "cli/cli.h"

extern const cli_command cli_cmd_inspect, cli_cmd_tokenize, cli_cmd_cases_needle, cli_cmd_cases_repeat, cli_cmd_cases_check,
    cli_cmd_record, cli_cmd_score, cli_cmd_figure_heads, cli_cmd_figure_map, cli_cmd_lab_plant, cli_cmd_doctor;

#endif
