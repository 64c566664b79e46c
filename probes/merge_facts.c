/* merge_facts.c - what a study says of the models behind it: each thing that its shards say, once; and which weights stand at each place of
 * the grid. */
#include <stdlib.h>
#include <string.h>

#include "merge.h"

static const struct { const char *name; bool is_volatile;
} said[NS_MERGE_SAID] = {{"model_family", false},     {"layer_kinds", false}, {"model_config_sha256", false}, {"arch_sha256", false},
                         {"constrain", false},
                         {"tokenizer_sha256", false}, {"threads", true},      {"cpu_kernels", true}};

static bool has(const char *list, const char *value)
{
    const size_t n = strlen(value);
    for (const char *at = list; at; at = strstr(at, "; ") ? strstr(at, "; ") + 2 : NULL)
        if (strncmp(at, value, n) == 0 && (!at[n] || ns_starts(at + n, "; ")))
            return true;
    return false;
}

int ns_merge_hear(ns_merge_job *m, const ns_file *file, ns_shard *s, ns_error *err)
{
    const char *const weights = ns_file_fact(file, "weights_sha256");
    m->unread += ns_file_fact(file, "tokenizer_unread") != NULL;
    for (int i = 0; i < NS_MERGE_SAID; i++) {
        const char *const value = ns_file_fact(file, said[i].name);
        if (!value || (m->said[i] && has(m->said[i], value)))
            continue;
        char *const longer = ns_printf_alloc("%s%s%s", m->said[i] ? m->said[i] : "", m->said[i] ? "; " : "", value);
        if (!longer)
            return ns_oom(err, said[i].name);
        free(m->said[i]);
        m->said[i] = longer;
    }
    s->weights = weights ? ns_strdup(weights) : NULL;
    return weights && !s->weights ? ns_oom(err, "hashes of weights") : NS_OK;
}

/* One hash over all of them, in the order of the grid; nothing where a shard does not say it. */
static int add_weights(const ns_merging *m, ns_fact_list *facts)
{
    char hex[65];
    ns_sha256 sha;
    ns_sha256_begin(&sha);
    for (int64_t i = 0; i < m->job.n_shards; i++) {
        const ns_shard *const s = &m->job.shards[i];
        if (ns_shard_is_done(s) && !s->weights)
            return NS_OK;
        if (ns_shard_is_done(s))
            ns_sha256_add(&sha, s->weights, strlen(s->weights));
    }
    ns_sha256_end(&sha, hex);
    return ns_fact_list_add(facts, "weights_sha256", hex, false, m->err);
}

int ns_merge_say(const ns_merging *m, ns_fact_list *facts)
{
    int rc = add_weights(m, facts);
    for (int i = 0; i < NS_MERGE_SAID && rc == NS_OK; i++)
        rc = ns_fact_list_add(facts, said[i].name, m->job.said[i], said[i].is_volatile, m->err);
    return rc;
}
