/* probes.c - the table of probes: those of the build file's list. */
#include <string.h>

#include "heads/heads.h"

static const ns_probe *const table[] = {
#define ENTRY(name) &ns_probe_##name,
#include "probe_list.h"
#undef ENTRY
    NULL,
};

const ns_probe *const *ns_probes(void)
{
    return table;
}

const ns_probe *ns_probe_find(const char *name)
{
    for (const ns_probe *const *p = table; *p; p++) {
        if (strcmp((*p)->name, name) == 0)
            return *p;
        for (int i = 0; i < (*p)->n_scores; i++)
            if (strcmp((*p)->scores[i].name, name) == 0)
                return *p;
    }
    return NULL;
}
