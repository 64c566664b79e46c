/* help.h - shared by the three printers of the option tables. */
#ifndef NS_CLI_HELP_H
#define NS_CLI_HELP_H

#include "cli/cli.h"

/* The option's sentence, with its choices where the value's name does not list them. */
void cli_option_help(const cli_option *, char *out, size_t n);
/* "needlescope-cases-needle"; "needlescope" for NULL. */
void cli_page_name(const cli_command *, char *out, size_t n);

#endif
