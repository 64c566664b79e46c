/* texts.c - the text of each token of a recording, which holds ids alone: by the tokenizer that is given, else by the one that the
 * recording names, where it is still there and still the same. */
#include "page/page.h"

#include <stdlib.h>
#include <string.h>

enum { DEPTH = 8 };

struct ns_web_speaker { ns_tokenizer *t; };

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
        const cJSON *const what = cJSON_GetObjectItemCaseSensitive(one, "what");
        const cJSON *const path = cJSON_GetObjectItemCaseSensitive(one, "path");
        if (cJSON_IsString(what) && cJSON_IsString(path) && strcmp(what->valuestring, "tokenizer") == 0)
            return path->valuestring;
    }
    return NULL;
}

static int open_given(ns_tokenizer **t, const char *path, const char *wanted, ns_error *err)
{
    const int rc = ns_tokenizer_open(t, path, err);
    if (rc != NS_OK || !wanted || strcmp(ns_tokenizer_sha256(*t), wanted) == 0)
        return rc;
    return ns_fail(err, NS_E_ARG, "%s: is not the tokenizer of this recording (%.12s..., where %.12s... is meant)", path,
                   ns_tokenizer_sha256(*t), wanted);
}

int ns_web_speaker_open(ns_web_speaker **out, ns_web *p, const ns_file *f, ns_error *err)
{
    const char *const wanted = ns_file_fact(f, "tokenizer_sha256");
    cJSON *tree = NULL;
    ns_web_speaker *const s = ns_alloc_array(1, sizeof *s);
    ns_error why = {0};
    *out = s;
    if (!s)
        return ns_oom(err, "the tokenizer");
    if (p->params.tokenizer)
        return open_given(&s->t, p->params.tokenizer, wanted, err);
    const char *const path = wanted ? named(f, &tree) : NULL;
    int rc = path ? open_given(&s->t, path, wanted, &why) : NS_OK;
    if (rc == NS_E_MEMORY)
        rc = ns_oom(err, "the tokenizer");
    else if (rc != NS_OK || !path) {
        ns_web_remark(p, "tokens are shown by their ids: %s (--tokenizer gives their texts)",
                       path ? why.message : "the recording names no tokenizer");
        ns_tokenizer_free(s->t);
        s->t = NULL;
        rc = NS_OK;
    }
    cJSON_Delete(tree);
    return rc;
}

void ns_web_speaker_close(ns_web_speaker *s)
{
    if (s)
        ns_tokenizer_free(s->t);
    free(s);
}

/* What a token adds behind the one before it: alone it would lose its space. Part of a character alone is shown as the vocabulary has
 * it. */
static int text_of(const ns_tokenizer *t, const int32_t *before, const int32_t *id, char **out, ns_error *err)
{
    char *first = NULL, *both = NULL;
    const bool special = ns_token_is_special(t, *id);
    int rc = special || !before ? NS_OK : ns_decode(t, before, 1, false, &first, err);
    rc = rc != NS_OK || special ? rc : before ? ns_decode(t, before, 2, false, &both, err) : ns_decode(t, id, 1, false, &both, err);
    const size_t n = first && both && ns_starts(both, first) ? strlen(first) : 0;
    const char *const stored = ns_token_text(t, *id), *const rest = both ? both + n : "";
    if (rc == NS_OK) {
        const bool whole = *rest && !strstr(rest, "\xef\xbf\xbd");
        *out = ns_strdup(whole || !stored ? rest : stored);
        rc = *out ? NS_OK : ns_oom(err, "the texts");
    }
    free(first);
    free(both);
    return rc;
}

static int add_texts(ns_web *p, cJSON *list, const ns_tokenizer *t, const int32_t *ids, int64_t n, ns_error *err)
{
    int rc = NS_OK;
    for (int64_t i = 0; i < n && rc == NS_OK; i++) {
        char *text = NULL;
        rc = text_of(t, i ? ids + i - 1 : NULL, ids + i, &text, err);
        if (rc == NS_OK)
            ns_web_text(p, list, NULL, text);
        free(text);
    }
    return rc;
}

int ns_web_speak(ns_web *p, const ns_web_speaker *s, const int64_t *ids, int64_t n, char **out, ns_error *err)
{
    int32_t *const own = s->t ? ns_alloc_array((size_t)n, sizeof *own) : NULL;
    cJSON *const list = s->t ? cJSON_CreateArray() : NULL;
    *out = NULL;
    if (!s->t)
        return NS_OK;
    for (int64_t i = 0; own && i < n; i++)
        own[i] = (int32_t)ids[i];
    int rc = own && list ? add_texts(p, list, s->t, own, n, err) : ns_oom(err, "the texts");
    if (rc == NS_OK && !(*out = ns_json_print(list, false)))
        rc = ns_oom(err, "the texts");
    cJSON_Delete(list);
    free(own);
    return rc;
}
