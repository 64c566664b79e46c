/* facts.h - provenance: what belongs into every file that the program writes. */
#ifndef NS_CLI_FACTS_H
#define NS_CLI_FACTS_H

#include <needlescope/record.h>

#include "cli/open.h"

enum { CLI_MAX_FACTS = 24 };
typedef struct cli_facts {
    ns_fact list[CLI_MAX_FACTS];
    int     n;
    bool    failed;
    char   *owned[CLI_MAX_FACTS];
} cli_facts;

/* cases may be NULL. what: "score retrieval_find,induction": what was asked of the model, in one canonical line. */
int  cli_facts_gather(cli *, cli_facts *, const cli_model *, const ns_cases *cases, const char *what);
void cli_facts_clear(cli_facts *);

#endif
