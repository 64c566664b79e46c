/* probes.c - the table of probes. A new probe is one file in heads/ and one line here. */
#include <string.h>

#include "heads/heads.h"

static const ns_probe *const table[] = {
    &ns_probe_retrieval,
    &ns_probe_mass,
    &ns_probe_induction,
    &ns_probe_previous_token,
    &ns_probe_previous_at_needle,
    &ns_probe_duplicate_token,
    &ns_probe_echo,
    &ns_probe_needle_mass,
    &ns_probe_sink_mass,
    &ns_probe_local_mass,
    &ns_probe_entropy,
    &ns_probe_entropy_norm,
    &ns_probe_wu,
    &ns_probe_wu2024,
    &ns_probe_qr,
    &ns_probe_qk_distance,
    &ns_probe_ov_copying,
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
