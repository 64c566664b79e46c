/* commands.h - one row per command; meson.build lists them. */
#ifndef NS_CLI_COMMANDS_H
#define NS_CLI_COMMANDS_H

#include "cli/cli.h"

#define ENTRY(name) extern const cli_command cli_cmd_##name;
#include "cli/command_list.h"
#undef ENTRY

#endif
