/* cases.h - what commands that make cases say of them: how many, how long, what was left out and why. */
#ifndef NS_CLI_CASES_H
#define NS_CLI_CASES_H

#include <needlescope/case.h>

#include "cli/out.h"

void cli_describe_cases(cli_out *, const ns_cases *, const char *path);
/* Writes them (path NULL: they are not), and answers. dropped may be NULL. */
int  cli_write_cases(cli *, const ns_cases *, const ns_case_drops *dropped, const char *path);

#endif
