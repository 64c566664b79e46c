/* facts.h - provenance: what belongs into every file that the program writes. */
#ifndef NS_CLI_FACTS_H
#define NS_CLI_FACTS_H

#include <needlescope/record.h>

#include "cli/open.h"
#include "cli/out.h"

enum { CLI_MAX_FACTS = 24 };
typedef struct cli_facts {
    ns_fact list[CLI_MAX_FACTS];
    int     n;
    bool    failed;
    char   *owned[CLI_MAX_FACTS];
} cli_facts;

/* After the weights were loaded. */
int  cli_facts_gather(cli *, cli_facts *, const ns_opened *);
void cli_facts_clear(cli_facts *);
/* Adds the file and its content_sha256, read back from it, to the answer. */
int  cli_out_written(cli *, cli_out *, const char *path);

#endif
