/* spoken.c - the text of each token of a recorded case. */
#include "figure/spoken.h"

#include <stdlib.h>
#include <string.h>

#include "core/core.h"

enum { DEPTH = 8 };

/* The path of the tokenizer that the recording was made with; borrowed from *tree. */
static const char *named(const ns_file *f, cJSON **tree)
{
    const char *const text = ns_file_fact(f, "inputs_json");
    const cJSON *one;
    *tree = NULL;
    if (!text || ns_json_parse(tree, text, strlen(text), DEPTH, "inputs_json", NULL) != NS_OK)
        return NULL;
    cJSON_ArrayForEach(one, *tree)
    {
        const char *const what = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(one, "what"));
        const char *const path = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(one, "path"));
        if (what && path && strcmp(what, "tokenizer") == 0)
            return path;
    }
    return NULL;
}

static int open_same(ns_tokenizer **t, const char *path, const char *wanted, ns_error *err)
{
    const int rc = ns_tokenizer_open(t, path, err);
    if (rc != NS_OK || !wanted || strcmp(ns_tokenizer_sha256(*t), wanted) == 0)
        return rc;
    return ns_fail(err, NS_E_ARG, "%s: is not the tokenizer of this recording (%.12s..., where %.12s... is meant)", path,
                   ns_tokenizer_sha256(*t), wanted);
}

int ns_spoken_tokenizer(ns_tokenizer **t, const ns_file *f, const char *given, char *why, size_t size, ns_error *err)
{
    const char *const wanted = ns_file_fact(f, "tokenizer_sha256");
    cJSON *tree = NULL;
    ns_error failed = {""};
    *t = NULL;
    if (given)
        return open_same(t, given, wanted, err);
    const char *const path = wanted ? named(f, &tree) : NULL;
    const int rc = path ? open_same(t, path, wanted, &failed) : NS_OK;
    if (rc != NS_OK || !path) {
        snprintf(why, size, "%s", path ? failed.message : "the recording names no tokenizer");
        ns_tokenizer_free(*t);
        *t = NULL;
    }
    cJSON_Delete(tree);
    return rc == NS_E_MEMORY ? ns_oom(err, "the tokenizer") : NS_OK;
}

int ns_spoken_text(const ns_tokenizer *t, const int32_t *before, const int32_t *id, char **out, ns_error *err)
{
    char *first = NULL, *both = NULL;
    const bool alone = !before || ns_token_is_special(t, *id);
    int rc = alone ? NS_OK : ns_decode(t, before, 1, false, &first, err);
    rc = rc != NS_OK ? rc : alone ? ns_decode(t, id, 1, false, &both, err) : ns_decode(t, before, 2, false, &both, err);
    if (rc == NS_OK) {
        const char *const stored = ns_token_text(t, *id), *const rest = both + (first && ns_starts(both, first) ? strlen(first) : 0);
        *out = ns_strdup((*rest && !strstr(rest, "\xef\xbf\xbd")) || !stored ? rest : stored);
        rc = *out ? NS_OK : ns_oom(err, "the texts");
    }
    free(first);
    free(both);
    return rc;
}

int ns_spoken_texts(char ***out, const ns_recorded *d, const char *tokenizer, char *why, size_t size, ns_error *err)
{
    ns_tokenizer *t = NULL;
    int64_t *ids = NULL, n = d->n_keys;
    *out = NULL;
    *why = '\0';
    int rc = ns_spoken_tokenizer(&t, d->f, tokenizer, why, size, err);
    rc = rc != NS_OK || !t ? rc : ns_recorded_numbers(d, "token", &n, &ids, err);
    char **const texts = rc == NS_OK && t ? ns_alloc_array((size_t)n + 1, sizeof *texts) : NULL;
    rc = rc == NS_OK && t && !texts ? ns_oom(err, "the texts") : rc;
    for (int64_t i = 0; texts && i < n && rc == NS_OK; i++) {
        const int32_t pair[2] = {i ? (int32_t)ids[i - 1] : 0, (int32_t)ids[i]};
        rc = ns_spoken_text(t, i ? pair : NULL, pair + 1, &texts[i], err);
    }
    if (rc == NS_OK)
        *out = texts;
    else
        ns_free_strings(texts, n);
    ns_tokenizer_free(t);
    free(ids);
    return rc;
}
