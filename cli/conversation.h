/* conversation.h - what commands that run others (lab, paper) say while they work: their lines, and a bar for each stage. */
#ifndef NS_CLI_CONVERSATION_H
#define NS_CLI_CONVERSATION_H

#include <needlescope/laboratory.h>

#include "cli/cli.h"

typedef struct cli_conversation { const cli *app; cli_progress bar; const char *stage; } cli_conversation;
/* user: a cli_conversation */
void cli_conversation_say(void *user, ns_laboratory_line, const char *line);
void cli_conversation_show(void *user, const char *stage, double fraction);
/* This program's own file: what jobs are run with. */
int  cli_own_path(char *out, size_t size, ns_error *);

#endif
