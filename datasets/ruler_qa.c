/* ruler_qa.c - questions on documents, out of the user's file: SQuAD's JSON (qa_1) or HotpotQA's (qa_2), read and mixed as RULER's qa.py
 * does: the documents of the question among others of its article, then of all. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ruler.h"

enum { DEPTH = 16, LARGEST = 1 << 30 };
static const char TASK[] = "Answer the question based on the given documents. Only give me the answer and do not output any other words.";

typedef struct question {
    const char *query;
    const char **outputs;
    int64_t n_outputs, first, gold, last, number;
} question;
/* docs [first, last) are near the question, of which `gold` (SQuAD) or all (gold -1, HotpotQA) hold its answer */
struct ns_qa {
    cJSON *root;
    char **docs;
    question *list;
    int64_t n_docs, n, docs_capacity, capacity;
};

void ns_qa_free(ns_qa *qa)
{
    if (!qa)
        return;
    for (int64_t i = 0; i < qa->n; i++)
        free(qa->list[i].outputs);
    free(qa->list);
    ns_free_strings(qa->docs, qa->n_docs);
    cJSON_Delete(qa->root);
    free(qa);
}

static const char *text_of(const cJSON *object, const char *key)
{
    const cJSON *const item = cJSON_GetObjectItemCaseSensitive(object, key);
    return cJSON_IsString(item) && *item->valuestring ? item->valuestring : NULL;
}

static int add_doc(ns_qa *qa, char *text, ns_error *err)
{
    if (!text || !ns_grow(&qa->docs, &qa->docs_capacity, qa->n_docs + 1, sizeof *qa->docs)) {
        free(text);
        return ns_oom(err, "documents");
    }
    qa->docs[qa->n_docs++] = text;
    return NS_OK;
}

static int add_question(ns_qa *qa, question q, int64_t room, ns_error *err)
{
    q.outputs = ns_alloc_array((size_t)room, sizeof *q.outputs);
    if (!q.outputs || !ns_grow(&qa->list, &qa->capacity, qa->n + 1, sizeof *qa->list)) {
        free(q.outputs);
        return ns_oom(err, "questions");
    }
    qa->list[qa->n++] = q;
    return NS_OK;
}

/* ---- SQuAD: data[].paragraphs[].context, .qas[].question, .answers[].text; without an answer a question is passed over ---- */

static int add_squad_question(ns_qa *qa, const cJSON *item, int64_t gold, ns_error *err)
{
    const cJSON *const answers = cJSON_GetObjectItemCaseSensitive(item, "answers"), *answer;
    const char *const query = text_of(item, "question");
    if (!query || cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(item, "is_impossible")) || !cJSON_GetArraySize(answers))
        return NS_OK;
    const int rc = add_question(qa, (question){.query = query, .gold = gold, .first = -1}, cJSON_GetArraySize(answers), err);
    if (rc != NS_OK)
        return rc;
    question *const q = &qa->list[qa->n - 1];
    cJSON_ArrayForEach(answer, answers) if (text_of(answer, "text")) q->outputs[q->n_outputs++] = text_of(answer, "text");
    if (!q->n_outputs)
        free(qa->list[--qa->n].outputs);
    return NS_OK;
}

static int read_squad(ns_qa *qa, const cJSON *data, ns_error *err)
{
    const cJSON *article, *paragraph, *item;
    int rc = NS_OK;
    cJSON_ArrayForEach(article, data)
    {
        const int64_t first = qa->n_docs, from = qa->n;
        cJSON_ArrayForEach(paragraph, cJSON_GetObjectItemCaseSensitive(article, "paragraphs"))
        {
            const char *const context = text_of(paragraph, "context");
            if (rc != NS_OK || !context)
                continue;
            rc = add_doc(qa, ns_strdup(context), err);
            cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(paragraph, "qas")) rc =
                rc != NS_OK ? rc : add_squad_question(qa, item, qa->n_docs - 1, err);
        }
        for (int64_t i = from; i < qa->n; i++) {
            qa->list[i].first = first;
            qa->list[i].last = qa->n_docs;
        }
    }
    return rc;
}

/* ---- HotpotQA: [] of question, answer, context [[title, [sentences]]] ---- */

static char *hotpot_doc(const cJSON *pair)
{
    const cJSON *const title = cJSON_GetArrayItem(pair, 0), *sentence;
    ns_draft all = {0};
    ns_draft_put(&all, cJSON_IsString(title) ? title->valuestring : "");
    ns_draft_put(&all, "\n");
    cJSON_ArrayForEach(sentence, cJSON_GetArrayItem(pair, 1)) ns_draft_put(&all, cJSON_IsString(sentence) ? sentence->valuestring : "");
    if (all.failed)
        free(all.text);
    return all.failed ? NULL : all.text;
}

static int read_hotpot(ns_qa *qa, const cJSON *list, ns_error *err)
{
    const cJSON *item, *pair;
    int rc = NS_OK;
    cJSON_ArrayForEach(item, list)
    {
        const char *const query = text_of(item, "question"), *const answer = text_of(item, "answer");
        const int64_t first = qa->n_docs;
        if (rc != NS_OK || !query || !answer)
            continue;
        cJSON_ArrayForEach(pair, cJSON_GetObjectItemCaseSensitive(item, "context")) rc =
            rc != NS_OK ? rc : add_doc(qa, hotpot_doc(pair), err);
        if (rc == NS_OK && qa->n_docs > first)
            rc = add_question(qa, (question){.query = query, .first = first, .last = qa->n_docs, .gold = -1}, 1, err);
        if (rc == NS_OK && qa->n_docs > first)
            qa->list[qa->n - 1].outputs[qa->list[qa->n - 1].n_outputs++] = answer;
    }
    return rc;
}

int ns_qa_read(ns_qa **out, const char *path, ns_error *err)
{
    ns_qa *const qa = ns_alloc_array(1, sizeof *qa);
    int rc = qa ? ns_json_read(&qa->root, path, LARGEST, DEPTH, err) : ns_oom(err, path);
    *out = NULL;
    const cJSON *const data = rc == NS_OK ? cJSON_GetObjectItemCaseSensitive(qa->root, "data") : NULL;
    if (rc == NS_OK)
        rc = data ? read_squad(qa, data, err) : read_hotpot(qa, qa->root, err);
    if (rc == NS_OK && !qa->n)
        rc = ns_fail(err, NS_E_FORMAT,
                     "%s: no question with an answer in it: neither SQuAD's JSON (data, paragraphs, qas) nor HotpotQA's (question, "
                     "answer, context)",
                     path);
    if (rc == NS_OK)
        *out = qa;
    else
        ns_qa_free(qa);
    return rc;
}

/* ---- prompts ---- */

int64_t ns_qa_documents(const ns_qa *qa)
{
    return qa->n_docs;
}

static void shuffle(ns_rng *rng, int64_t *list, int64_t n)
{
    for (int64_t i = n - 1; i > 0; i--) {
        const int64_t other = ns_rng_below(rng, i + 1), kept = list[i];
        list[i] = list[other];
        list[other] = kept;
    }
}

/* The question's own documents, then near ones, then others, n in all, each once; in any order. */
static void choose(const ns_qa *qa, const question *q, ns_rng *rng, int64_t *order, int64_t n)
{
    const int64_t near = q->last - q->first;
    int64_t own = q->gold < 0 ? near : 1, k = 0;
    for (int64_t i = q->first; i < q->last; i++)
        order[k++] = i;
    for (int64_t i = 0; i < qa->n_docs; i++)
        if (i < q->first || i >= q->last)
            order[k++] = i;
    if (q->gold >= 0) {
        order[q->gold - q->first] = order[0];
        order[0] = q->gold;
    }
    shuffle(rng, order + own, near - own);
    shuffle(rng, order + near, qa->n_docs - near);
    shuffle(rng, order, n);
}

/* Of a question that has no room its first characters, whole ones. */
static void note_query(ns_ruler_prompt *p, const char *query)
{
    size_t n = strlen(query) < sizeof p->query ? strlen(query) : sizeof p->query - 1;
    while (n && ((unsigned char)query[n] & 0xc0) == 0x80)
        n--;
    memcpy(p->query, query, n);
    p->query[n] = '\0';
}

int ns_ruler_qa(ns_ruler_prompt *p, const ns_ruler_cell *cell, int64_t n, ns_error *err)
{
    const ns_qa *const qa = cell->qa;
    if (!qa)
        return ns_fail(err, NS_E_ARG, "ruler: %s asks about documents of a file of yours: give SQuAD's or HotpotQA's JSON with --qa FILE",
                       cell->task->name);
    if (cell->index >= qa->n)
        return ns_fail(err, NS_E_ARG, "ruler: the file of questions has %lld", (long long)qa->n);
    const question *const q = &qa->list[cell->index];
    const int64_t least = q->gold < 0 ? q->last - q->first : 1, docs = n < least ? least : n < qa->n_docs ? n : qa->n_docs;
    int64_t *const order = ns_alloc_array((size_t)qa->n_docs, sizeof *order);
    ns_rng rng = ns_rng_seed(cell->seed, cell->stream);
    char head[48];
    if (!order)
        return ns_oom(err, "documents");
    choose(qa, q, &rng, order, docs);
    ns_draft *const to = &p->draft;
    ns_draft_put(to, TASK);
    ns_draft_put(to, "\n\nThe following are given documents.\n\n");
    for (int64_t i = 0; i < docs; i++) {
        snprintf(head, sizeof head, "%sDocument %lld:\n", i ? "\n\n" : "", (long long)(i + 1));
        ns_draft_put(to, head);
        const int64_t begin = to->n;
        ns_draft_put(to, qa->docs[order[i]]);
        if (order[i] == q->gold)
            ns_draft_mark(to, "needle", begin);
    }
    free(order);
    ns_draft_put(to, "\n\n");
    ns_draft_put(to, TASK);
    ns_draft_put(to, "\n\nQuestion: ");
    const int64_t begin = to->n;
    ns_draft_put(to, q->query);
    ns_draft_mark(to, "question", begin);
    p->prefix = to->n;
    ns_draft_put(to, " Answer:");
    note_query(p, q->query);
    for (p->n_outputs = 0; p->n_outputs < q->n_outputs && p->n_outputs < NS_RULER_MOST_OUTPUTS; p->n_outputs++) {
        if (strlen(q->outputs[p->n_outputs]) >= NS_RULER_OUTPUT)
            return ns_fail(err, NS_E_ARG, "ruler: an answer of %d characters and more", NS_RULER_OUTPUT);
        snprintf(p->outputs[p->n_outputs], sizeof p->outputs[0], "%s", q->outputs[p->n_outputs]);
    }
    p->single = true;
    return NS_OK;
}
