/* fact.h - a name and what is said under it: the provenance of files and figures. */
#ifndef NEEDLESCOPE_FACT_H
#define NEEDLESCOPE_FACT_H

#include <needlescope/api.h>

NS_BEGIN

/* Stable facts say what was computed, and enter content_sha256; volatile ones (time, host, command line, threads) only inform. Strings are
 * borrowed. */
typedef struct ns_fact { const char *name, *value; bool is_volatile; } ns_fact;

NS_END
#endif
