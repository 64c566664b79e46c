/* score.c - the score run: probes chosen, cases sorted by id and checked, one set of hooks over one run of the model
 * (teacher-forced: prompt + answer[:-1]), then scores from the per-case outputs. Nothing depends on the order of the cases given:
 * they are sorted first, and every probe keeps its own state per case. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heads/heads.h"
#include "score.h"

typedef struct run {
    const ns_model *model;
    const ns_score_params *params;
    const ns_cases *given;
    ns_scores      *scores;
    const ns_case **cases;             /* sorted, then those that stay */
    int64_t        *index;
    int64_t         n_cases;
    char           *states[NS_MAX_PROBES];      /* [n_cases * state_size] */
    int64_t         begun[NS_MAX_PROBES];       /* cases whose begin has run */
    ns_error       *err;
} run;

typedef struct sink { run *r; int probe; } sink;

/* ---- null twins ---- */

static bool is_null_twin(const ns_case *c)
{
    cJSON *meta = NULL;
    if (!c->twin_of || !c->meta || ns_json_parse(&meta, c->meta, strlen(c->meta), 64, "meta", NULL) < 0)
        return false;
    const cJSON *const twin = cJSON_GetObjectItemCaseSensitive(meta, "twin");
    const bool null = cJSON_IsString(twin) && strcmp(twin->valuestring, "null") == 0;
    cJSON_Delete(meta);
    return null;
}

static const ns_case *null_twin_of(const run *r, const ns_case *c)
{
    for (int64_t i = 0; i < r->given->n; i++) {
        const ns_case *const twin = &r->given->list[i];
        if (twin->twin_of && strcmp(twin->twin_of, c->id) == 0 && is_null_twin(twin))
            return twin;
    }
    return NULL;
}

static ns_probe_context context_of(const run *r, const ns_probe *probe, const ns_case *c)
{
    ns_probe_context ctx = {.model = r->model, .reference = r->params->reference, .arch = ns_model_arch(r->model), .c = c, .probe = probe,
                            .n_layers = r->scores->L, .n_heads = r->scores->H, .special = r->params->special, .n_special = r->params->n_special,
                            .stop = r->params->stop, .n_stop = r->params->n_stop};
    if (probe->wants_null && c) {
        ctx.is_null = is_null_twin(c);
        ctx.null_twin = ctx.is_null ? NULL : null_twin_of(r, c);
    }
    return ctx;
}

/* ---- which probes ---- */

static int add_probe(const ns_probe *probe, const ns_probe **out, int *n, ns_error *err)
{
    if (*n == NS_MAX_PROBES)
        return ns_fail(err, NS_E_ARG, "more than %d probes in one run", NS_MAX_PROBES);
    for (int i = 0; i < *n; i++)
        if (strcmp(out[i]->name, probe->name) == 0)
            return ns_fail(err, NS_E_ARG, "two probes are called '%s'", probe->name);
    out[(*n)++] = probe;
    return NS_OK;
}

static const ns_probe *find_definition(const ns_score_params *params, const char *name)
{
    for (int i = 0; i < params->n_definitions; i++)
        if (strcmp(params->definitions[i]->name, name) == 0)
            return params->definitions[i];
    return NULL;
}

/* Ours in the order of the table, then the caller's definitions. */
static int choose_probes(const ns_score_params *params, const ns_probe **out, int *n, ns_error *err)
{
    int rc = NS_OK;
    *n = 0;
    for (int i = 0; i < params->n_probes; i++)
        if (!ns_probe_find(params->probes[i]) && !find_definition(params, params->probes[i]))
            return ns_fail(err, NS_E_ARG, "no probe or score is called '%.60s' (one of: retrieval_find, retrieval_continue, retrieval_copy, copy_any,"
                           " retrieval_mass, induction, previous_token, ...)", params->probes[i]);
    for (const ns_probe *const *p = ns_probes(); *p && rc == NS_OK; p++) {
        bool wanted = false;
        for (int i = 0; i < params->n_probes && !wanted; i++)
            wanted = ns_probe_find(params->probes[i]) == *p;
        if (wanted)
            rc = add_probe(*p, out, n, err);
    }
    for (int i = 0; i < params->n_definitions && rc == NS_OK; i++) {
        const ns_probe *const own = params->definitions[i];
        rc = ns_probe_find(own->name) ? ns_fail(err, NS_E_ARG, "a definition is called '%s', which is one of needlescope's own probes or scores", own->name)
                                      : add_probe(own, out, n, err);
    }
    return rc < 0 || *n > 0 ? rc : ns_fail(err, NS_E_ARG, "no probe is named");
}

/* ---- which cases ---- */

static int compare_ids(const int32_t *a, int64_t n, const int32_t *b, int64_t m)
{
    for (int64_t i = 0; i < n && i < m; i++)
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    return n < m ? -1 : n > m;
}

static int by_id(const void *a, const void *b)
{
    const ns_case *const x = *(const ns_case *const *)a, *const y = *(const ns_case *const *)b;
    int order = strcmp(x->id, y->id);
    if (order == 0)
        order = compare_ids(x->tokens, x->n_tokens, y->tokens, y->n_tokens);
    return order ? order : compare_ids(x->answer, x->n_answer, y->answer, y->n_answer);
}

static bool beyond_vocabulary(const ns_case *c, int64_t vocab)
{
    for (int64_t i = 0; i < c->n_tokens + c->n_answer; i++)
        if (ns_case_token(c, i) >= vocab)
            return true;
    return false;
}

/* NULL, or why the case cannot be scored; buffer holds reasons with a number in them. */
static const char *reason_to_drop(const run *r, const ns_case *c, char buffer[NS_REASON])
{
    const ns_arch *const arch = ns_model_arch(r->model);
    if (arch->max_positions > 0 && ns_case_length(c) > arch->max_positions) {
        snprintf(buffer, NS_REASON, "longer than the model's %lld positions", (long long)arch->max_positions);
        return buffer;
    }
    if (beyond_vocabulary(c, arch->vocab)) {
        snprintf(buffer, NS_REASON, "a token id beyond the model's vocabulary of %lld", (long long)arch->vocab);
        return buffer;
    }
    for (int p = 0; p < r->scores->n_probes; p++) {
        const ns_probe *const probe = r->scores->probes[p];
        const ns_probe_context ctx = context_of(r, probe, c);
        const char *const reason = probe->rejects ? probe->rejects(&ctx, buffer) : NULL;
        if (reason)
            return reason;
    }
    return NULL;
}

static int fail_empty(const ns_scores *s, ns_error *err)
{
    char text[700] = "";
    size_t used = 0;
    for (int i = 0; i < s->n_dropped && used < sizeof text - 1; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%lld: %s (first: '%s')", i ? "; " : "", (long long)s->dropped[i].n,
                                 s->dropped[i].reason, s->dropped[i].first_id);
    return ns_fail(err, NS_E_ARG, "no case left to score%s%s", s->n_dropped ? "; dropped " : ": the list is empty", text);
}

static bool sees_cases(const ns_scores *s)
{
    for (int p = 0; p < s->n_probes; p++)
        if (s->probes[p]->at)
            return true;
    return false;
}

static int choose_cases(run *r, const ns_cases *cases)
{
    int rc = NS_OK;
    for (int64_t i = 0; i < cases->n; i++)
        r->cases[i] = &cases->list[i];
    qsort(r->cases, (size_t)cases->n, sizeof *r->cases, by_id);
    for (int64_t i = 0; i < cases->n && rc == NS_OK; i++) {
        char buffer[NS_REASON];
        const char *const reason = reason_to_drop(r, r->cases[i], buffer);
        if (reason) {
            rc = ns_scores_drop(r->scores, reason, r->cases[i]->id, r->err);
        } else {
            r->index[r->n_cases] = r->n_cases;
            r->cases[r->n_cases++] = r->cases[i];
        }
    }
    return rc == NS_OK && r->n_cases == 0 && sees_cases(r->scores) ? fail_empty(r->scores, r->err) : rc;
}

/* ---- the pass ---- */

static int read_pattern(void *user, const ns_site *site, const ns_view *view, ns_error *err)
{
    const sink *const to = user;
    const ns_probe *const probe = to->r->scores->probes[to->probe];
    const unsigned kind = site->kind == NS_ROW_UNROLLED ? NS_ACCEPTS_UNROLLED : NS_ACCEPTS_SOFTMAX;
    if (!(probe->accepts & kind) || site->case_index < 0)
        return NS_OK;
    return probe->see(to->r->states[to->probe] + (size_t)site->case_index * probe->state_size, site, view, err);
}

static int64_t argmax(const float *logits, int64_t n, int64_t stride)
{
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++)
        if (logits[i * stride] > logits[best * stride])
            best = i;
    return best;
}

/* Rows that predict answer tokens: would greedy decoding say the token, given the ones before? */
static int read_logits(void *user, const ns_site *site, const ns_view *view, ns_error *err)
{
    (void)err;
    const sink *const to = user;
    for (int64_t row = 0; row < site->n_rows && site->case_index >= 0; row++) {
        const ns_case *const c = site->c;
        ns_case_result *const result = &to->r->scores->cases[site->case_index];
        const int64_t j = site->row0 + row - (c->n_tokens - 1);
        if (j < 0 || j >= c->n_answer)
            continue;
        const bool right = argmax(ns_at(view, row, 0, 0), view->shape[1], view->stride[1]) == c->answer[j];
        result->content_right += right && j >= c->n_lead;
        result->first_right |= right && j == c->n_lead;
    }
    return NS_OK;
}

static int begin_probes(run *r)
{
    const ns_scores *const s = r->scores;
    int rc = NS_OK;
    for (int p = 0; p < s->n_probes && rc == NS_OK; p++) {
        const ns_probe *const probe = s->probes[p];
        if (!probe->at)
            continue;
        r->states[p] = ns_alloc_array((size_t)r->n_cases, probe->state_size);
        if (!r->states[p])
            return ns_oom(r->err, "probe states");
        for (int64_t i = 0; i < r->n_cases && rc == NS_OK; i++) {
            ns_probe_context ctx = context_of(r, probe, r->cases[i]);
            for (int64_t k = 0; k < r->n_cases && ctx.null_twin; k++)
                if (r->cases[k] == ctx.null_twin)
                    ctx.null_state = r->states[p] + (size_t)k * probe->state_size;
            float *out[NS_MAX_OUTPUTS];
            for (int o = 0; o < probe->n_outputs; o++)
                out[o] = s->outputs[p][o] + i * ns_output_size(s, &probe->outputs[o]);
            r->begun[p]++;
            rc = probe->begin(r->states[p] + (size_t)i * probe->state_size, &ctx, out, r->err);
        }
    }
    return rc;
}

/* Ends every begun case, whatever went before; the first error stands. */
static int end_probes(run *r, int rc)
{
    for (int p = 0; p < r->scores->n_probes; p++) {
        const ns_probe *const probe = r->scores->probes[p];
        for (int64_t i = 0; i < r->begun[p] && probe->end; i++) {
            const int ended = probe->end(r->states[p] + (size_t)i * probe->state_size, rc == NS_OK ? r->err : NULL);
            rc = rc == NS_OK ? ended : rc;
        }
        free(r->states[p]);
    }
    return rc;
}

/* Hooks of the probes that decode, or of those that do not. */
static int probe_hooks(run *r, bool decoding, ns_hook *list, sink *sinks)
{
    int n = 0;
    for (int p = 0; p < r->scores->n_probes; p++) {
        const ns_probe *const probe = r->scores->probes[p];
        if (!probe->at || (probe->token != NULL) != decoding)
            continue;
        sinks[n] = (sink){r, p};
        list[n] = (ns_hook){.size = sizeof *list, .at = probe->at, .rows = probe->rows, .read = read_pattern, .user = &sinks[n]};
        n++;
    }
    return n;
}

static int run_hooks(run *r)
{
    ns_hook list[NS_MAX_PROBES + 1];
    sink sinks[NS_MAX_PROBES + 1];
    ns_hooks *hooks = NULL;
    bool answers = false;
    int n = probe_hooks(r, false, list, sinks);
    for (int64_t i = 0; i < r->n_cases && !answers; i++)
        answers = r->cases[i]->n_answer > 0;
    if (answers) {
        sinks[n] = (sink){r, -1};
        list[n] = (ns_hook){.size = sizeof *list, .at = "hook_logits", .rows = {.kind = NS_ROWS_ANSWER}, .read = read_logits, .user = &sinks[n]};
        n++;
    }
    if (n == 0)
        return NS_OK;
    int rc = ns_hooks_new(&hooks, ns_model_arch(r->model), list, n, r->err);
    if (rc == NS_OK)
        rc = ns_run_list(r->model, r->cases, r->index, r->n_cases, hooks, r->params, r->err);
    ns_hooks_free(hooks);
    return rc;
}

/* A token of a case, to every probe that decodes; the case ends when none wants more. */
static int hear_token(void *user, int64_t case_index, int64_t position, int32_t token)
{
    run *const r = user;
    int all = NS_STOP;
    for (int p = 0; p < r->scores->n_probes; p++) {
        const ns_probe *const probe = r->scores->probes[p];
        const int rc = probe->token ? probe->token(r->states[p] + (size_t)case_index * probe->state_size, position, token, r->err) : NS_STOP;
        if (rc < 0)
            return rc;
        all = rc == NS_STOP ? all : NS_OK;
    }
    return all;
}

static int run_decoding(run *r)
{
    ns_hook list[NS_MAX_PROBES];
    sink sinks[NS_MAX_PROBES];
    ns_hooks *hooks = NULL;
    const int n = probe_hooks(r, true, list, sinks);
    if (n == 0)
        return NS_OK;
    int rc = ns_hooks_new(&hooks, ns_model_arch(r->model), list, n, r->err);
    if (rc == NS_OK)
        rc = ns_decode_list(r->model, r->cases, r->n_cases, &(ns_decoding){hooks, hear_token, r}, r->params, r->err);
    ns_hooks_free(hooks);
    return rc;
}

static int note_special(run *r)
{
    char *const text = r->scores->special = ns_alloc_array((size_t)r->params->n_special + 1, 12);
    size_t used = 0;
    for (int64_t i = 0; i < r->params->n_special && text; i++)
        used += (size_t)snprintf(text + used, 12, "%s%d", i ? "," : "", (int)r->params->special[i]);
    return text ? NS_OK : ns_oom(r->err, "special tokens");
}

/* Probes of weights; their values stand in the scores already when those of the cases are reduced. */
static int weigh(run *r)
{
    const ns_scores *const s = r->scores;
    int rc = NS_OK, first = 0;
    for (int p = 0; p < s->n_probes && rc == NS_OK; first += s->probes[p++]->n_scores) {
        const ns_probe_context ctx = context_of(r, s->probes[p], NULL);
        if (!s->probes[p]->at)
            rc = s->probes[p]->weigh(&ctx, s->values + first, r->err);
    }
    return rc;
}

int ns_score_run(ns_scores **out, const ns_model *model, const ns_cases *cases, const ns_score_params *params, ns_error *err)
{
    const ns_probe *probes[NS_MAX_PROBES];
    int n_probes = 0;
    run r = {.model = model, .params = params, .given = cases, .err = err};
    *out = NULL;
    int rc = params->size == sizeof *params ? choose_probes(params, probes, &n_probes, err)
           : ns_fail(err, NS_E_ARG, "score: params.size is %zu, expected %zu (set it to sizeof)", params->size, sizeof *params);
    if (rc < 0)
        return rc;
    r.cases = ns_alloc_array((size_t)cases->n, sizeof *r.cases);
    r.index = ns_alloc_array((size_t)cases->n, sizeof *r.index);
    rc = r.cases && r.index ? ns_scores_new(&r.scores, model, probes, n_probes, err) : ns_oom(err, "a list of cases");
    if (rc == NS_OK)
        rc = note_special(&r);
    if (rc == NS_OK)
        rc = choose_cases(&r, cases);
    if (rc == NS_OK)
        rc = ns_scores_take_cases(r.scores, r.cases, r.n_cases, err);
    if (rc == NS_OK) {
        rc = begin_probes(&r);
        if (rc == NS_OK)
            rc = run_hooks(&r);
        if (rc == NS_OK)
            rc = run_decoding(&r);
        rc = end_probes(&r, rc);
    }
    if (rc == NS_OK)
        rc = weigh(&r);
    if (rc == NS_OK)
        rc = ns_scores_reduce(r.scores, model, err);
    if (rc != NS_OK)
        ns_scores_free(r.scores);
    else
        *out = r.scores;
    free(r.cases);
    free(r.index);
    return rc;
}
