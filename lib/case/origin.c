/* origin.c - which tokenizer the ids of cases are of. */
#include <stdlib.h>
#include <string.h>

#include <needlescope/case.h>
#include <needlescope/tokenizer.h>

#include "case/case_internal.h"

/* Meta's tokenizer_sha256 into hex; "" where a case does not say. */
static int told_tokenizer(const ns_case *c, char hex[65], ns_error *err)
{
    cJSON *meta = NULL;
    hex[0] = '\0';
    const int rc = c->meta ? ns_json_parse(&meta, c->meta, strlen(c->meta), NS_CASE_JSON_DEPTH, "meta", err) : NS_OK;
    if (rc == NS_E_MEMORY)
        return rc;                                       /* what is no JSON does not say */
    const cJSON *const item = cJSON_GetObjectItemCaseSensitive(meta, "tokenizer_sha256");
    if (cJSON_IsString(item) && strlen(item->valuestring) == 64)
        memcpy(hex, item->valuestring, 65);
    cJSON_Delete(meta);
    return NS_OK;
}

int ns_cases_know_text(const ns_cases *cases, bool *out, ns_error *err)
{
    char hex[65];
    int rc = NS_OK;
    *out = false;
    for (int64_t i = 0; i < cases->n && rc == NS_OK && !*out; i++) {
        rc = told_tokenizer(&cases->list[i], hex, err);
        *out = cases->list[i].text || hex[0];
    }
    return rc;
}

/* A prompt may have been cut before the special tokens at its end. */
static int makes_ids(const ns_case *c, const ns_tokenizer *t, bool special, bool *same, ns_error *err)
{
    ns_encoding e = {0};
    const int rc = ns_encode(t, c->text, strlen(c->text), special, &e, err);
    int64_t n = e.n;
    while (rc == NS_OK && n > c->n_tokens && e.begin[n - 1] == e.end[n - 1])
        n--;
    *same = rc == NS_OK && n == c->n_tokens && memcmp(e.ids, c->tokens, (size_t)n * sizeof *e.ids) == 0;
    ns_encoding_clear(&e);
    return rc;
}

static int check_case(const ns_case *c, const ns_tokenizer *t, ns_error *err)
{
    char hex[65];
    bool same = false;
    int rc = told_tokenizer(c, hex, err);
    if (rc != NS_OK || strcmp(hex, ns_tokenizer_sha256(t)) == 0 || (!hex[0] && !c->text))
        return rc;
    rc = c->text ? makes_ids(c, t, true, &same, err) : NS_OK;
    if (rc == NS_OK && c->text && !same)
        rc = makes_ids(c, t, false, &same, err);
    if (rc != NS_OK || same)
        return rc;
    return ns_fail(err, NS_E_FORMAT, "case '%.100s': its ids are of another tokenizer: they are not what this model's tokenizer makes of "
                   "its text (make the cases again with this model, or name the tokenizer that made them: --tokenizer)", c->id);
}

int ns_cases_check_tokenizer(const ns_cases *cases, const ns_tokenizer *t, ns_error *err)
{
    int rc = NS_OK;
    for (int64_t i = 0; i < cases->n && rc == NS_OK; i++)
        rc = check_case(&cases->list[i], t, err);
    return rc;
}

/* The first id that a vocabulary lacks; -1: it has them all. */
static int64_t beyond(const int32_t *ids, int64_t n, int64_t vocab)
{
    for (int64_t i = 0; i < n; i++)
        if (ids[i] >= vocab)
            return ids[i];
    return -1;
}

int ns_cases_check_vocabulary(const ns_cases *cases, int64_t vocab, ns_error *err)
{
    int64_t n = 0, first = -1, id = -1;
    for (int64_t i = 0; i < cases->n; i++) {
        const ns_case *const c = &cases->list[i];
        const int64_t prompt = beyond(c->tokens, c->n_tokens, vocab), wrong = prompt >= 0 ? prompt : beyond(c->answer, c->n_answer, vocab);
        if (wrong < 0)
            continue;
        if (n++ == 0) {
            first = i;
            id = wrong;
        }
    }
    return n == 0 ? NS_OK
                  : ns_fail(err, NS_E_FORMAT,
                            "case '%.100s': token %lld is beyond the model's vocabulary of %lld, as are ids of %lld of %lld cases (made "
                            "for another model?)",
                            cases->list[first].id, (long long)id, (long long)vocab, (long long)n, (long long)cases->n);
}
