/* texts.c - the text of each token of a recording, which holds ids alone: by the tokenizer that is given, else by the one that the
 * recording names, where it is still there and still the same. */
#include "figure/spoken.h"
#include "page/page.h"

#include <stdlib.h>

struct ns_web_speaker { ns_tokenizer *t; };

int ns_web_speaker_open(ns_web_speaker **out, ns_web *p, const ns_file *f, ns_error *err)
{
    ns_web_speaker *const s = ns_alloc_array(1, sizeof *s);
    char why[200] = "";
    *out = s;
    if (!s)
        return ns_oom(err, "the tokenizer");
    const int rc = ns_spoken_tokenizer(&s->t, f, p->params.tokenizer, why, sizeof why, err);
    if (rc == NS_OK && !s->t)
        ns_web_remark(p, "tokens are shown by their ids: %s (--tokenizer gives their texts)", why);
    return rc;
}

void ns_web_speaker_close(ns_web_speaker *s)
{
    if (s)
        ns_tokenizer_free(s->t);
    free(s);
}

static int add_texts(ns_web *p, cJSON *list, const ns_tokenizer *t, const int32_t *ids, int64_t n, ns_error *err)
{
    int rc = NS_OK;
    for (int64_t i = 0; i < n && rc == NS_OK; i++) {
        char *text = NULL;
        rc = ns_spoken_text(t, i ? ids + i - 1 : NULL, ids + i, &text, err);
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
