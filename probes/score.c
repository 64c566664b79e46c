/* score.c - the score run: probes and cases chosen (choose.c), one set of hooks over one run of the model
 * (teacher-forced: prompt + answer[:-1]), the probes that decode over another (decode.c), then scores from the per-case outputs
 * (reduce.c). Nothing depends on the order of the cases given: they are sorted first, and every probe keeps its own state per case. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "heads/pattern.h"
#include "score.h"

typedef struct sink { ns_scoring *r; int probe; } sink;

/* ---- the pass ---- */

static int read_point(void *user, const ns_site *site, const ns_view *view, ns_error *err)
{
    const sink *const to = user;
    const ns_probe *const probe = to->r->scores->probes[to->probe];
    const unsigned kind = site->kind == NS_ROW_UNROLLED ? NS_ACCEPTS_UNROLLED : NS_ACCEPTS_SOFTMAX;
    if ((site->attn && !(probe->accepts & kind)) || site->case_index < 0)
        return NS_OK;
    return probe->see(to->r->states[to->probe] + (size_t)site->case_index * probe->state_size, site, view, err);
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
        const bool right = ns_argmax(ns_at(view, row, 0, 0), view->shape[1], view->stride[1]) == c->answer[j];
        result->content_right += right && j >= c->n_lead;
        result->first_right |= right && j == c->n_lead;
    }
    return NS_OK;
}

static int begin_probes(ns_scoring *r)
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
            ns_probe_context ctx;
            rc = ns_scoring_context(r, probe, r->cases[i], &ctx);
            if (rc != NS_OK)
                return rc;
            for (int64_t k = 0; k < r->n_cases && ctx.null_twin; k++)
                if (r->cases[k] == ctx.null_twin)
                    ctx.null_state = r->states[p] + (size_t)k * probe->state_size;
            float *out[NS_MAX_OUTPUTS];
            for (int o = 0; o < probe->n_outputs; o++) {
                const ns_axes axes = ns_output_layout(&probe->outputs[o]);
                out[o] = s->outputs[p][o] + (ns_axes_have(&axes, NS_AXIS_CASE) ? i * ns_output_size(s, &probe->outputs[o]) : 0);
            }
            r->begun[p]++;
            rc = probe->begin(r->states[p] + (size_t)i * probe->state_size, &ctx, out, r->err);
        }
    }
    return rc;
}

/* Ends every begun case, whatever went before; the first error stands. */
static int end_probes(ns_scoring *r, int rc)
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
static int probe_hooks(ns_scoring *r, bool decoding, ns_hook *list, sink *sinks)
{
    int n = 0;
    for (int p = 0; p < r->scores->n_probes; p++) {
        const ns_probe *const probe = r->scores->probes[p];
        if (!probe->at || (probe->token != NULL) != decoding)
            continue;
        for (int i = -1; i < probe->n_also; i++, n++) {
            const ns_sight own = {probe->at, probe->rows}, *const s = i < 0 ? &own : &probe->also[i];
            sinks[n] = (sink){r, p};
            list[n] = (ns_hook){.size = sizeof *list, .at = s->at, .rows = s->rows, .read = read_point, .user = &sinks[n]};
        }
    }
    return n;
}

/* The probes' hooks with the caller's in front: his edits are seen by every read. */
static int new_hooks(ns_scoring *r, const ns_hook *own, int n_own, ns_hooks **out)
{
    const int n = r->params->n_hooks;
    ns_hook *const list = ns_alloc_array((size_t)(n + n_own), sizeof *list);
    if (!list)
        return ns_oom(r->err, "hooks");
    if (n)
        memcpy(list, r->params->hooks, (size_t)n * sizeof *list);
    memcpy(list + n, own, (size_t)n_own * sizeof *list);
    const int rc = ns_hooks_new(out, ns_model_arch(r->model), list, n + n_own, r->err);
    free(list);
    return rc;
}

static int run_hooks(ns_scoring *r)
{
    ns_hook list[NS_MAX_HOOKS + 1];
    sink sinks[NS_MAX_HOOKS + 1];
    ns_hooks *hooks = NULL;
    bool answers = false;
    int n = probe_hooks(r, false, list, sinks);
    for (int64_t i = 0; i < r->n_cases && !answers; i++)
        answers = r->cases[i]->n_answer > 0;
    if (answers) {
        sinks[n] = (sink){r, -1};
        list[n] =
            (ns_hook){.size = sizeof *list, .at = "hook_logits", .rows = {.kind = NS_ROWS_ANSWER}, .read = read_logits, .user = &sinks[n]};
        n++;
    }
    if (n == 0)
        return NS_OK;
    int rc = new_hooks(r, list, n, &hooks);
    if (rc == NS_OK)
        rc = ns_run_list(r->model, r->cases, r->index, r->n_cases, hooks, r->params, r->err);
    ns_hooks_free(hooks);
    return rc;
}

/* A token of a case, to every probe that decodes; the case ends when none wants more. */
static int hear_token(void *user, int64_t case_index, int64_t position, int32_t token)
{
    ns_scoring *const r = user;
    int all = NS_STOP;
    for (int p = 0; p < r->scores->n_probes; p++) {
        const ns_probe *const probe = r->scores->probes[p];
        const int rc = probe->token ? probe->token(r->states[p] + (size_t)case_index * probe->state_size, position, token, r->err)
                                    : NS_STOP;
        if (rc < 0)
            return rc;
        all = rc == NS_STOP ? all : NS_OK;
    }
    return all;
}

static int run_decoding(ns_scoring *r)
{
    ns_hook list[NS_MAX_HOOKS];
    sink sinks[NS_MAX_HOOKS];
    ns_hooks *hooks = NULL;
    const int n = probe_hooks(r, true, list, sinks);
    if (n == 0)
        return NS_OK;
    int rc = new_hooks(r, list, n, &hooks);
    if (rc == NS_OK)
        rc = ns_decode_list(r->model, r->cases, r->n_cases, &(ns_decoding){hooks, hear_token, r}, r->params, r->err);
    ns_hooks_free(hooks);
    return rc;
}

static int note_special(ns_scoring *r)
{
    char *const text = r->scores->special = ns_alloc_array((size_t)r->params->n_special + 1, 12);
    size_t used = 0;
    for (int64_t i = 0; i < r->params->n_special && text; i++)
        used += (size_t)snprintf(text + used, 12, "%s%d", i ? "," : "", (int)r->params->special[i]);
    return text ? NS_OK : ns_oom(r->err, "special tokens");
}

/* Probes of weights; their values stand in the scores already when those of the cases are reduced. */
static int weigh(ns_scoring *r)
{
    const ns_scores *const s = r->scores;
    int rc = NS_OK, first = 0;
    for (int p = 0; p < s->n_probes && rc == NS_OK; first += s->probes[p++]->n_scores) {
        ns_probe_context ctx;
        rc = ns_scoring_context(r, s->probes[p], NULL, &ctx);
        if (rc == NS_OK && !s->probes[p]->at)
            rc = s->probes[p]->weigh(&ctx, s->values + first, r->err);
    }
    return rc;
}

static int say_models(const ns_scoring *r)
{
    ns_fact_list *const said = &r->scores->made_with;
    const ns_model *const reference = r->params->reference;
    int rc = ns_provenance_of_model(said, r->model, r->err);
    rc = rc != NS_OK ? rc : ns_provenance_of_cases(said, r->given, r->err);
    rc = rc != NS_OK || !reference ? rc : ns_fact_list_name_input(said, "weights", ns_model_weights_sha256(reference),
                                                                  ns_checkpoint_dir(ns_model_checkpoint(reference)), r->err);
    return rc != NS_OK || !reference
               ? rc
               : ns_fact_list_add(said, "reference_weights_sha256", ns_model_weights_sha256(reference), false, r->err);
}

/* What of the caller's definitions matches no case, or some alone. */
static int check_definitions(const ns_scoring *r)
{
    int rc = NS_OK;
    for (int i = 0; i < r->params->n_definitions && rc == NS_OK; i++)
        if (r->params->definitions[i]->definition)
            rc = ns_pattern_check(r->params->definitions[i], r->cases, r->n_cases, r->params, r->err);
    return rc;
}

static void check_values(const ns_scoring *r)
{
    const ns_scores *const s = r->scores;
    int first = 0;
    for (int p = 0; p < s->n_probes; first += s->probes[p++]->n_scores)
        for (int i = 0; i < r->params->n_definitions; i++)
            if (s->probes[p] == r->params->definitions[i] && s->probes[p]->definition)
                ns_pattern_check_values(s->probes[p], s->values[first], s->L * s->H, r->params);
}

int ns_score_run(ns_scores **out, const ns_model *model, const ns_cases *cases, const ns_score_params *params, ns_error *err)
{
    const ns_probe *probes[NS_MAX_PROBES];
    int n_probes = 0;
    ns_scoring r = {.model = model, .params = params, .given = cases, .err = err};
    *out = NULL;
    int rc = params->size == sizeof *params ? ns_choose_probes(params, probes, &n_probes, err)
           : ns_fail(err, NS_E_ARG, "score: params.size is %zu, expected %zu (set it to sizeof)", params->size, sizeof *params);
    if (rc != NS_OK)
        return rc;
    r.cases = ns_alloc_array((size_t)cases->n, sizeof *r.cases);
    r.index = ns_alloc_array((size_t)cases->n, sizeof *r.index);
    rc = r.cases && r.index ? ns_scores_new(&r.scores, model, probes, n_probes, err) : ns_oom(err, "a list of cases");
    for (int i = 0; rc == NS_OK && i < params->n_hooks; i++)
        r.scores->edited |= params->hooks[i].edit != NULL;
    if (rc == NS_OK)
        rc = note_special(&r);
    if (rc == NS_OK)
        rc = ns_choose_cases(&r, cases);
    rc = rc != NS_OK ? rc : ns_check_hook_rows(params->hooks, params->n_hooks, r.cases, r.n_cases, params, err);
    rc = rc != NS_OK ? rc : check_definitions(&r);
    rc = rc != NS_OK ? rc : ns_scores_take_cases(&r);
    r.measured = rc == NS_OK;
    if (rc == NS_OK) {
        rc = begin_probes(&r);
        if (rc == NS_OK)
            rc = run_hooks(&r);
        if (rc == NS_OK)
            rc = run_decoding(&r);
        if (rc == NS_OK)
            rc = ns_fit_probes(&r);
        rc = end_probes(&r, rc);
    }
    if (rc == NS_OK)
        rc = weigh(&r);
    if (rc == NS_OK)
        rc = ns_scoring_chance(&r);
    if (rc == NS_OK)
        rc = ns_scores_reduce(r.scores, err);
    if (rc == NS_OK)
        rc = say_models(&r);
    if (rc == NS_OK)
        check_values(&r);
    if (rc != NS_OK)
        ns_scores_free(r.scores);
    else
        *out = r.scores;
    free(r.cases);
    free(r.index);
    return rc;
}
