/* generated.c - free generation, and RULER's string match. */
#include <needlescope/generated.h>

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/core.h"
#include "training/telling.h"

enum { USUAL = 50, MOST = 1 << 16, DEPTH = 64 };

/* ---- what is said, in place of an answer ---- */

static int accepted(void *user, int64_t position, int32_t token)
{
    (void)position;
    return user && ns_token_is_special(user, token) ? NS_STOP : NS_OK;
}

/* said[tokens]: greedy, up to the first special token of the tokenizer (NULL: of none). */
static int say(const ns_case *c, const ns_model *model, const ns_tokenizer *t, int64_t tokens, int32_t *said, int64_t *n, ns_error *err)
{
    const ns_session_params how = {.size = sizeof how, .decode = true};
    const ns_generate_params greedy = {.size = sizeof greedy, .accepted = accepted, .user = (void *)(uintptr_t)t};
    ns_session *s = NULL;
    int rc = ns_session_new(&s, model, &how, err);
    rc = rc != NS_OK ? rc : ns_session_append(s, c->tokens, c->n_tokens, err);
    rc = rc != NS_OK ? rc : ns_generate(model, s, tokens, &greedy, said, n, err);
    ns_session_free(s);
    return rc == NS_STOP ? NS_OK : rc;
}

static int answer_freely(ns_case *c, const ns_model *model, const ns_tokenizer *t, int64_t tokens, ns_error *err)
{
    int64_t n = 0;
    int32_t *const said = ns_alloc_array((size_t)tokens, sizeof *said);
    const int rc = said ? say(c, model, t, tokens, said, &n, err) : ns_oom(err, c->id);
    if (rc != NS_OK) {
        free(said);
        return ns_fail(err, rc, "case '%.100s': %s", c->id, err ? err->message : "");
    }
    free(c->answer);
    free(c->answer_text);
    c->answer = said;
    c->n_answer = n;
    c->n_lead = 0;
    c->answer_text = NULL;
    return NS_OK;
}

int ns_generated_answers(ns_cases *cases, const ns_model *model, const ns_generated_params *params, int64_t *silent, ns_error *err)
{
    ns_generated_params p;
    int rc = ns_sized_copy(&p, sizeof p, params, "ns_generated_params", err);
    if (rc == NS_OK && (p.tokens < 1 || p.tokens > MOST))
        rc = ns_fail(err, NS_E_ARG, "%lld tokens to be said; it must be 1 to %d", (long long)p.tokens, MOST);
    *silent = 0;
    for (int64_t i = 0; i < cases->n && rc == NS_OK; i++) {
        if (p.cancelled && p.cancelled(p.user))
            return NS_STOP;
        rc = answer_freely(&cases->list[i], model, p.tokenizer, p.tokens, err);
        *silent += rc == NS_OK && cases->list[i].n_answer == 0;
        if (p.progress)
            p.progress(p.user, (double)(i + 1) / (double)cases->n);
    }
    return rc;
}

/* ---- what should be said ---- */

static int add_output(ns_generated_case *g, const char *text, size_t n, ns_error *err)
{
    char *const copy = n ? ns_printf_alloc("%.*s", (int)n, text) : NULL;
    if (!n)
        return ns_fail(err, NS_E_FORMAT, "case '%.100s': meta.outputs holds what is no text, or an empty one", g->c->id);
    if (!copy)
        return ns_oom(err, g->c->id);
    g->outputs[g->n_outputs++] = copy;
    return NS_OK;
}

static int read_outputs(ns_generated_case *g, const cJSON *outputs, ns_error *err)
{
    const cJSON *item;
    int rc = NS_OK;
    g->outputs = ns_alloc_array((size_t)cJSON_GetArraySize(outputs) + 1, sizeof *g->outputs);
    if (!g->outputs)
        return ns_oom(err, g->c->id);
    cJSON_ArrayForEach(item, outputs) rc = rc != NS_OK ? rc
                                                       : add_output(g, cJSON_IsString(item) ? item->valuestring : "",
                                                                    cJSON_IsString(item) ? strlen(item->valuestring) : 0, err);
    if (rc == NS_OK && !g->n_outputs && g->c->answer_text) {
        const char *text = g->c->answer_text + strspn(g->c->answer_text, " \n\t");
        size_t n = strlen(text);
        while (n && strchr(" \n\t", text[n - 1]))
            n--;
        rc = n ? add_output(g, text, n, err) : NS_OK;
    }
    if (rc == NS_OK && !g->n_outputs)
        rc = ns_fail(err, NS_E_ARG, "case '%.100s' has neither meta.outputs nor the text of an answer: nothing to look for in what is said",
                     g->c->id);
    return rc;
}

/* tokens: how many may be said. */
static int read_case(ns_generated_case *g, const ns_case *c, int64_t *tokens, ns_error *err)
{
    cJSON *meta = NULL;
    int rc = c->meta ? ns_json_parse(&meta, c->meta, strlen(c->meta), DEPTH, c->id, err) : NS_OK;
    const char *task = NULL;
    int64_t most = USUAL;
    g->c = c;
    rc = rc != NS_OK || !meta ? rc : ns_json_str(meta, "task", &task, c->id, err);
    rc = rc != NS_OK || !meta ? rc : ns_json_i64(meta, "max_new_tokens", USUAL, &most, c->id, err);
    if (rc == NS_OK && (most < 1 || most > MOST))
        rc = ns_fail(err, NS_E_FORMAT, "case '%.100s': meta.max_new_tokens is %lld, not 1 to %d", c->id, (long long)most, MOST);
    rc = rc != NS_OK ? rc : read_outputs(g, meta ? cJSON_GetObjectItemCaseSensitive(meta, "outputs") : NULL, err);
    g->task = rc == NS_OK ? ns_strdup(task ? task : "") : NULL;
    if (rc == NS_OK && !g->task)
        rc = ns_oom(err, c->id);
    *tokens = *tokens ? *tokens : most;
    cJSON_Delete(meta);
    return rc;
}

/* ---- what is said ---- */

static int generate(ns_generated_case *g, const ns_model *model, const ns_tokenizer *t, int64_t tokens, ns_error *err)
{
    int32_t *const said = ns_alloc_array((size_t)tokens, sizeof *said);
    int rc = said ? say(g->c, model, t, tokens, said, &g->n_tokens, err) : ns_oom(err, g->c->id);
    rc = rc != NS_OK ? rc : ns_decode(t, said, g->n_tokens, true, &g->said, err);
    free(said);
    return rc == NS_OK ? rc : ns_fail(err, rc, "case '%.100s': %s", g->c->id, err ? err->message : "");
}

static bool contains(const char *text, const char *what)
{
    const size_t n = strlen(what);
    for (; *text; text++) {
        size_t i = 0;
        while (i < n && tolower((unsigned char)text[i]) == tolower((unsigned char)what[i]))
            i++;
        if (i == n)
            return true;
    }
    return false;
}

static int run_all(ns_generated *r, const ns_model *model, const ns_cases *cases, const ns_generated_params *p, int64_t *tokens,
                   ns_error *err)
{
    int rc = NS_OK;
    for (; r->n < cases->n && rc == NS_OK; r->n++) {
        tokens[r->n] = p->tokens;
        rc = read_case(&r->list[r->n], &cases->list[r->n], &tokens[r->n], err);
    }
    for (int64_t i = 0; i < r->n && rc == NS_OK; i++) {
        ns_generated_case *const g = &r->list[i];
        if (p->cancelled && p->cancelled(p->user))
            return NS_STOP;
        rc = generate(g, model, p->tokenizer, tokens[i], err);
        for (int64_t k = 0; k < g->n_outputs && rc == NS_OK; k++)
            g->n_found += contains(g->said, g->outputs[k]);
        if (p->progress)
            p->progress(p->user, (double)(i + 1) / (double)r->n);
    }
    return rc;
}

int ns_generated_run(ns_generated **out, const ns_model *model, const ns_cases *cases, const ns_generated_params *params, ns_error *err)
{
    ns_generated_params p;
    *out = NULL;
    int rc = ns_sized_copy(&p, sizeof p, params, "ns_generated_params", err);
    if (rc == NS_OK && !p.tokenizer)
        rc = ns_fail(err, NS_E_ARG, "what is said is read as text: a tokenizer is needed");
    ns_generated *const r = rc == NS_OK ? ns_alloc_array(1, sizeof *r) : NULL;
    int64_t *const tokens = r ? ns_alloc_array((size_t)cases->n, sizeof *tokens) : NULL;
    if (r)
        r->list = ns_alloc_array((size_t)cases->n, sizeof *r->list);
    if (rc == NS_OK && (!r || !tokens || !r->list))
        rc = ns_oom(err, "what is said");
    if (rc == NS_OK)
        ns_cases_hash(cases, r->cases_sha256);
    rc = rc != NS_OK ? rc : ns_provenance_of_model(&r->made_with, model, err);
    rc = rc != NS_OK ? rc : run_all(r, model, cases, &p, tokens, err);
    free(tokens);
    if (rc == NS_OK)
        *out = r;
    else
        ns_generated_free(r);
    return rc;
}

void ns_generated_free(ns_generated *r)
{
    if (!r)
        return;
    for (int64_t i = 0; i < r->n; i++) {
        free(r->list[i].task);
        free(r->list[i].said);
        ns_free_strings(r->list[i].outputs, r->list[i].n_outputs);
    }
    free(r->list);
    ns_fact_list_clear(&r->made_with);
    free(r);
}

/* ---- as an answer ---- */

static double share(const ns_generated_case *g)
{
    return (double)g->n_found / (double)g->n_outputs;
}

/* Over the cases of a task (NULL: of all). */
static void tell_score(const ns_generated *r, const char *task, const ns_answer *a)
{
    double all = 0, part = 0;
    int64_t n = 0;
    for (int64_t i = 0; i < r->n; i++) {
        const ns_generated_case *const g = &r->list[i];
        if (task && strcmp(g->task, task) != 0)
            continue;
        all += share(g);
        part += g->n_found > 0;
        n++;
    }
    tell_integer(a, n);
    tell_number(a, 100 * all / (double)n);
    tell_number(a, 100 * part / (double)n);
}

static bool is_first(const ns_generated *r, int64_t i)
{
    for (int64_t k = 0; k < i; k++)
        if (strcmp(r->list[k].task, r->list[i].task) == 0)
            return false;
    return true;
}

static void tell_cases(const ns_generated *r, const ns_answer *a)
{
    static const ns_column columns[] = {{"id", "case", NS_CELL_TEXT},        {"n_found", "found", NS_CELL_INT},
                                        {"n_outputs", "of", NS_CELL_INT},    {"score", "score", NS_CELL_NUMBER},
                                        {"n_tokens", "tokens", NS_CELL_INT}, {"said", "said", NS_CELL_TEXT}};
    TELL_TABLE(a, "cases", "Cases", columns);
    for (int64_t i = 0; i < r->n; i++) {
        const ns_generated_case *const g = &r->list[i];
        tell_text(a, g->c->id);
        tell_integer(a, g->n_found);
        tell_integer(a, g->n_outputs);
        tell_number(a, 100 * share(g));
        tell_integer(a, g->n_tokens);
        tell_text(a, g->said);
    }
    a->end(a->user);
}

void ns_generated_tell(const ns_generated *r, bool each, const ns_answer *a)
{
    static const ns_column columns[] = {{"task", "task", NS_CELL_TEXT},
                                        {"n", "cases", NS_CELL_INT},
                                        {"string_match_all", "string match", NS_CELL_NUMBER},
                                        {"string_match_part", "any of them", NS_CELL_NUMBER}};
    tell_fact(a, "model", "model", ns_fact_list_find(&r->made_with, "model_name"));
    tell_fact(a, "weights_sha256", NULL, ns_fact_list_find(&r->made_with, "weights_sha256"));
    tell_fact(a, "cases_sha256", NULL, r->cases_sha256);
    TELL_TABLE(a, "tasks", "What is said, of what should be (100: all of it)", columns);
    for (int64_t i = 0; i < r->n; i++) {
        if (!is_first(r, i))
            continue;
        tell_text(a, *r->list[i].task ? r->list[i].task : "cases");
        tell_score(r, r->list[i].task, a);
    }
    a->end(a->user);
    if (each || !a->brief)
        tell_cases(r, a);
}
