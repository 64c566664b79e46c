/* ruler.c - RULER's synthetic tasks (Hsieh et al. 2024): the table, the largest haystack that fits, the case. The wording is RULER's
 * (Apache-2.0): `input` and `answer_prefix` are one prompt, without which a model that was not tuned to follow instructions does not know
 * what to say. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ruler.h"

enum {
    MOST_UNITS = 1 << 20,
    EXAMPLE_TOKENS = 500,
    EXAMPLE_STEP = 5,
    VT_LEAST = 6,
    MOST_WORDS = 4000,
    MOST_NAMES = 1024
}; /* that there are */

/* k keys of v values, q of them asked for */
static const ns_ruler_task tasks[] = {
    {"niah_single_1", true, 128, 1, MOST_UNITS, ns_ruler_niah, NS_RULER_NOISE, "words", "numbers", 1, 1, 1},
    {"niah_single_2", true, 128, 1, MOST_UNITS, ns_ruler_niah, NS_RULER_ESSAY, "words", "numbers", 1, 1, 1},
    {"niah_single_3", true, 128, 1, MOST_UNITS, ns_ruler_niah, NS_RULER_ESSAY, "words", "uuids", 1, 1, 1},
    {"niah_multikey_1", true, 128, 4, MOST_UNITS, ns_ruler_niah, NS_RULER_ESSAY, "words", "numbers", 4, 1, 1},
    {"niah_multikey_2", true, 128, 1, MOST_UNITS, ns_ruler_niah, NS_RULER_NEEDLES, "words", "numbers", 1, 1, 1},
    {"niah_multikey_3", true, 128, 1, MOST_UNITS, ns_ruler_niah, NS_RULER_NEEDLES, "uuids", "uuids", 1, 1, 1},
    {"niah_multivalue", true, 128, 4, MOST_UNITS, ns_ruler_niah, NS_RULER_ESSAY, "words", "numbers", 1, 4, 1},
    {"niah_multiquery", true, 128, 4, MOST_UNITS, ns_ruler_niah, NS_RULER_ESSAY, "words", "numbers", 4, 1, 4},
    {"vt", true, 30, VT_LEAST, MOST_UNITS, ns_ruler_vt, 0, NULL, NULL, 0, 0, 0},
    {"cwe", true, 120, 11, MOST_WORDS, ns_ruler_cwe, 0, NULL, NULL, 0, 0, 0},
    {"fwe", true, 50, 60, MOST_UNITS, ns_ruler_fwe, 0, NULL, NULL, 0, 0, 0},
    {"qa_1", false, 32, 1, MOST_UNITS, ns_ruler_qa, 0, NULL, NULL, 0, 0, 0},
    {"qa_2", false, 32, 1, MOST_UNITS, ns_ruler_qa, 0, NULL, NULL, 0, 0, 0},
    {"phonebook", false, 16, 4, MOST_NAMES, ns_phonebook, 0, NULL, NULL, 0, 0, 0},
    {"copy", false, 32, 2, MOST_UNITS, ns_copy, 0, NULL, NULL, 0, 0, 0},
    {"copy_shuffled", false, 32, 2, MOST_UNITS, ns_copy_shuffled, 0, NULL, NULL, 0, 0, 0},
};
enum { N_TASKS = sizeof tasks / sizeof *tasks };

const char *ns_ruler_task_name(int i)
{
    return i >= 0 && i < N_TASKS ? tasks[i].name : NULL;
}

/* RULER's that need no file come first. */
static int n_rulers(void)
{
    int n = 0;
    while (tasks[n].rulers)
        n++;
    return n;
}

static int find_task(const char *name, const ns_ruler_task **out, ns_error *err)
{
    const char *names[N_TASKS];
    for (int i = 0; i < N_TASKS; i++)
        if (strcmp(names[i] = tasks[i].name, name) == 0) {
            *out = &tasks[i];
            return NS_OK;
        }
    if (ns_starts(name, "babilong"))
        return ns_fail(err, NS_E_UNSUPPORTED, "ruler: BABILong is no task of RULER, and its multi-hop stories are not made here");
    const char *const near = ns_nearest_word(name, names, N_TASKS);
    return ns_fail(err, NS_E_ARG, "ruler: there is no task '%.40s'%s%s%s", name, near ? " (did you mean " : "", near ? near : "",
                   near ? "?)" : "");
}

/* ---- the largest haystack ---- */

int64_t ns_ruler_tokens(const ns_ruler_cell *cell, const char *text, int64_t n, ns_error *err)
{
    ns_encoding e = {0};
    const int rc = ns_encode(cell->tokenizer, text, (size_t)n, cell->special, &e, err);
    const int64_t tokens = e.n;
    ns_encoding_clear(&e);
    return rc == NS_OK ? tokens : rc;
}

static int write_prompt(ns_ruler_prompt *p, const ns_ruler_cell *cell, int64_t n, int64_t *tokens, ns_error *err)
{
    p->draft.n = p->draft.n_spans = 0;
    const int rc = cell->task->write(p, cell, n, err);
    if (rc != NS_OK || p->draft.failed)
        return rc != NS_OK ? rc : ns_oom(err, "a prompt");
    *tokens = ns_ruler_tokens(cell, p->draft.text, p->draft.n, err);
    return *tokens < 0 ? (int)*tokens : NS_OK;
}

/* Doubling, then halving: prompts grow with their haystack, but for a token here and there that places of needles make. */
static int fit(ns_ruler_prompt *p, const ns_ruler_cell *cell, int64_t *out, ns_error *err)
{
    const int64_t limit = cell->length - cell->task->say;
    const int64_t most = cell->qa && cell->task->write == ns_ruler_qa ? ns_qa_documents(cell->qa) : cell->task->most;
    int64_t fits = cell->task->least, tokens, beyond = 0;
    int rc = write_prompt(p, cell, fits, &tokens, err);
    if (rc == NS_OK && tokens > limit)
        return ns_fail(err, NS_E_ARG,
                       "ruler: length %lld is too short for %s (with this tokenizer its shortest prompt and what it may say take "
                       "%lld tokens)",
                       (long long)cell->length, cell->task->name, (long long)(tokens + cell->task->say));
    while (rc == NS_OK && !beyond && fits < most) {
        const int64_t more = 2 * fits < most ? 2 * fits : most;
        rc = write_prompt(p, cell, more, &tokens, err);
        *(tokens > limit ? &beyond : &fits) = more;
    }
    while (rc == NS_OK && beyond - fits > 1) {
        const int64_t middle = (fits + beyond) / 2;
        rc = write_prompt(p, cell, middle, &tokens, err);
        *(tokens > limit ? &beyond : &fits) = middle;
    }
    *out = fits;
    return rc != NS_OK ? rc : write_prompt(p, cell, fits, &tokens, err);
}

/* vt's example: noise in steps of five lines, so many that the example keeps within 500 tokens. */
static int fit_example(ns_ruler_prompt *p, ns_ruler_cell *cell, ns_error *err)
{
    int64_t tokens = 0;
    int rc = NS_OK;
    cell->example = 0;
    if (cell->task->write != ns_ruler_vt)
        return NS_OK;
    for (int64_t n = 2 * EXAMPLE_STEP; rc == NS_OK && tokens + cell->task->say <= EXAMPLE_TOKENS; n += EXAMPLE_STEP)
        rc = write_prompt(p, cell, n, &tokens, err), cell->example = tokens + cell->task->say <= EXAMPLE_TOKENS ? n : cell->example;
    cell->example = cell->example ? cell->example : VT_LEAST;
    return rc;
}

/* ---- the case ---- */

static int set_meta(ns_case *c, const ns_ruler_prompt *p, const ns_ruler_cell *cell, int64_t units, ns_error *err)
{
    cJSON *const meta = cJSON_CreateObject(), *const outputs = meta ? cJSON_AddArrayToObject(meta, "outputs") : NULL;
    bool good = outputs && cJSON_AddStringToObject(meta, "task", cell->task->name) &&
                cJSON_AddNumberToObject(meta, "length", (double)cell->length) && cJSON_AddNumberToObject(meta, "index", cell->index) &&
                cJSON_AddNumberToObject(meta, "seed", (double)cell->seed) && cJSON_AddNumberToObject(meta, "units", (double)units) &&
                cJSON_AddStringToObject(meta, "query", p->query) &&
                cJSON_AddStringToObject(meta, "answer_prefix", p->draft.text + p->prefix) &&
                cJSON_AddNumberToObject(meta, "max_new_tokens", cell->task->say) &&
                cJSON_AddStringToObject(meta, "tokenizer_sha256", ns_tokenizer_sha256(cell->tokenizer));
    for (int i = 0; i < p->n_outputs && good; i++) {
        cJSON *const text = cJSON_CreateString(p->outputs[i]);
        good = text && cJSON_AddItemToArray(outputs, text);
    }
    c->meta = good ? ns_json_print(meta, false) : NULL;
    cJSON_Delete(meta);
    return c->meta ? NS_OK : ns_oom(err, "a case");
}

static int make(ns_cases *cases, ns_ruler_prompt *p, ns_ruler_cell *cell, ns_error *err)
{
    char id[96], answer[NS_RULER_OUTPUT + 1];
    ns_case c = {0};
    int64_t units = 0;
    snprintf(id, sizeof id, "ruler-%s-s%llu-%lld-%d", cell->task->name, (unsigned long long)cell->seed, (long long)cell->length,
             cell->index);
    cell->stream = ns_stream_of(id);
    int rc = fit_example(p, cell, err);
    rc = rc != NS_OK ? rc : fit(p, cell, &units, err);
    snprintf(answer, sizeof answer, " %s", p->outputs[0]);
    rc = rc != NS_OK ? rc
                     : ns_case_from_text(&c, cell->tokenizer, id, p->draft.text, p->single ? answer : NULL, p->draft.spans,
                                         p->draft.n_spans, cell->special, err);
    rc = rc != NS_OK ? rc : set_meta(&c, p, cell, units, err);
    rc = rc != NS_OK ? rc : ns_cases_add(cases, &c, err);
    ns_case_clear(&c);
    return rc;
}

static int make_or_drop(ns_cases *cases, ns_ruler_prompt *p, ns_ruler_cell *cell, const ns_ruler_params *params, ns_error *err)
{
    ns_error own = {{0}};
    const int rc = make(cases, p, cell, params->dropped ? &own : err);
    if (rc == NS_OK || !params->dropped)
        return rc;
    if (rc == NS_E_MEMORY || rc == NS_E_IO)
        return ns_fail(err, rc, "%s", own.message);
    char id[96];
    snprintf(id, sizeof id, "%s-%lld-%d", cell->task->name, (long long)cell->length, cell->index);
    return ns_case_drops_add(params->dropped, id, own.message, err);
}

static int check(const ns_ruler_params *p, ns_error *err)
{
    const ns_ruler_task *task;
    int rc = p->tokenizer ? NS_OK : ns_fail(err, NS_E_ARG, "ruler: its prompts are text, and need a tokenizer");
    if (rc == NS_OK && (p->n_lengths < 1 || p->count < 0))
        rc = ns_fail(err, NS_E_ARG, "ruler: no length, or fewer cases than none");
    for (int i = 0; i < p->n_tasks && rc == NS_OK; i++)
        rc = find_task(p->tasks[i], &task, err);
    return rc;
}

int ns_ruler_cases(ns_cases *cases, const ns_ruler_params *params, ns_error *err)
{
    ns_ruler_params p;
    ns_text_span marks[NS_RULER_MARKS];
    ns_qa *qa = NULL;
    int rc = ns_sized_copy(&p, sizeof p, params, "ns_ruler_params", err);
    rc = rc != NS_OK ? rc : check(&p, err);
    rc = rc == NS_OK && p.qa ? ns_qa_read(&qa, p.qa, err) : rc;
    const int64_t before = cases->n;
    for (int t = 0; t < (p.n_tasks ? p.n_tasks : n_rulers()) && rc == NS_OK; t++)
        for (int l = 0; l < p.n_lengths && rc == NS_OK; l++)
            for (int i = 0; i < (p.count ? p.count : 1) && rc == NS_OK; i++) {
                ns_ruler_cell cell = {.task = &tasks[t],
                                      .tokenizer = p.tokenizer,
                                      .length = p.lengths[l],
                                      .index = i,
                                      .seed = p.seed,
                                      .qa = qa,
                                      .special = p.add_special};
                ns_ruler_prompt prompt = {.draft.spans = marks};
                rc = p.n_tasks ? find_task(p.tasks[t], &cell.task, err) : NS_OK;
                rc = rc != NS_OK ? rc : make_or_drop(cases, &prompt, &cell, &p, err);
                free(prompt.draft.text);
            }
    ns_qa_free(qa);
    if (rc == NS_OK && cases->n == before)
        rc = ns_fail(err, NS_E_ARG, "%s", p.dropped && p.dropped->n ? p.dropped->list[0].reason : "ruler: no case was made");
    while (rc != NS_OK && cases->n > before)
        ns_case_clear(&cases->list[--cases->n]);
    return rc;
}
