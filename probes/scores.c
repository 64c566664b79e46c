/* scores.c - the results of a score run: what is known of cases and layers, room for per-case outputs and scores, and what callers ask. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "score.h"

static int describe_layers(ns_scores *s, const ns_arch *arch, ns_error *err)
{
    s->kinds = ns_alloc_array((size_t)s->L, sizeof *s->kinds);
    s->windows = ns_alloc_array((size_t)ns_scores_size(s), sizeof *s->windows);
    s->valid = ns_alloc_array((size_t)ns_scores_size(s), 1);
    s->group = ns_alloc_array((size_t)s->L, sizeof *s->group);
    s->thetas = ns_alloc_array((size_t)s->L, sizeof *s->thetas);
    s->scalings = ns_alloc_array((size_t)s->L, sizeof *s->scalings);
    s->scratch = ns_alloc_array(2 * (size_t)ns_scores_size(s), sizeof *s->scratch);
    if (!s->scratch || !s->group || !s->kinds || !s->windows || !s->valid || !s->thetas || !s->scalings)
        return ns_oom(err, "scores");
    for (int64_t l = 0; l < s->L; l++) {
        const ns_attn *const attn = ns_arch_attn(arch, l);
        char scaling[64];
        ns_arch_scaling_label(arch, l, scaling, sizeof scaling);
        s->thetas[l] = ns_arch_rope_theta(arch, l);
        if (!(s->scalings[l] = ns_strdup(scaling)))
            return ns_oom(err, "scores");
        s->group[l] = attn ? attn->n_heads / attn->n_kv_heads : 0;
        if (attn && attn->n_kv_heads > s->extent.n[NS_AXIS_KV_HEAD])
            s->extent.n[NS_AXIS_KV_HEAD] = attn->n_kv_heads;
        s->kinds[l] = ns_layer_kind_name(ns_arch_layer_kind(arch, l));
        for (int64_t h = 0; attn && h < attn->n_heads; h++) {
            s->valid[l * s->H + h] = 1;
            s->windows[l * s->H + h] = ns_attn_window(attn, h);
        }
    }
    return NS_OK;
}

/* ---- outputs ---- */

const char *ns_output_axes(const ns_output *o)
{
    return o->axes ? o->axes : "case layer head";
}

ns_axes ns_output_layout(const ns_output *o)
{
    ns_axes axes;
    (void)ns_axes_find(&axes, ns_output_axes(o));
    return axes;
}

int64_t ns_output_size(const ns_scores *s, const ns_output *o)
{
    const ns_axes all = ns_output_layout(o), own = ns_axes_behind(&all, ns_axes_have(&all, NS_AXIS_CASE));
    int64_t shape[NS_MAX_RANK], n;
    (void)ns_axes_shape(&own, &s->extent, shape, &n);
    return n;
}

int ns_scores_new(ns_scores **out, const ns_model *model, const ns_probe *const *probes, int n_probes, ns_error *err)
{
    const ns_arch *const arch = ns_model_arch(model);
    ns_scores *const s = *out = ns_alloc_array(1, sizeof *s);
    if (!s)
        return ns_oom(err, "scores");
    s->L = arch->n_layers;
    s->H = ns_arch_max_heads(arch);
    s->extent.n[NS_AXIS_LAYER] = s->L;
    s->extent.n[NS_AXIS_HEAD] = s->H;
    int sights = 0;
    for (int p = 0; p < n_probes; p++) {
        s->probes[s->n_probes++] = probes[p];
        sights += 1 + probes[p]->n_also;
        if (probes[p]->n_outputs > NS_MAX_OUTPUTS || sights > NS_MAX_HOOKS || s->n_scores + probes[p]->n_scores > NS_MAX_SCORES)
            return ns_fail(err, NS_E_ARG, "probe '%s': more than %d outputs, or %d scores or %d points in one run", probes[p]->name,
                           NS_MAX_OUTPUTS, NS_MAX_SCORES, NS_MAX_HOOKS);
        for (int o = 0; o < probes[p]->n_outputs; o++) {
            ns_axes axes;
            if (ns_axes_parse(&axes, ns_output_axes(&probes[p]->outputs[o]), probes[p]->outputs[o].name, err) < 0)
                return NS_E_ARG;
        }
        for (int i = 0; i < probes[p]->n_scores; i++) {
            float *const values = s->values[s->n_scores] = ns_alloc_array((size_t)ns_scores_size(s), sizeof *values);
            s->chance_level[s->n_scores] = (double)NAN;
            s->defs[s->n_scores++] = &probes[p]->scores[i];
            for (int64_t at = 0; values && at < ns_scores_size(s); at++)
                values[at] = NAN;
            if (!values)
                return ns_oom(err, "scores");
        }
    }
    const int rc = describe_layers(s, arch, err);
    return rc != NS_OK ? rc : ns_sample_weights(arch, ns_model_checkpoint(model), s->sample, s->sample_of, err);
}

void ns_scores_free(ns_scores *s)
{
    if (!s)
        return;
    for (int i = 0; i < s->n_scores; i++) {
        free(s->values[i]);
        free(s->known_chance[i]);
    }
    for (int p = 0; p < s->n_probes; p++)
        for (int o = 0; o < s->probes[p]->n_outputs; o++)
            free(s->outputs[p][o]);
    for (int64_t i = 0; s->cases && i < s->n_cases; i++) {
        free(s->cases[i].id);
        free(s->cases[i].value_type);
        free(s->cases[i].template_name);
        free(s->cases[i].twin_of);
    }
    free(s->cases);
    ns_drops_clear(&s->drops);
    ns_ranking_free(s->ranking);
    ns_fact_list_clear(&s->made_with);
    free(s->special);
    free(s->group);
    free(s->scratch);
    free(s->kinds);
    free(s->thetas);
    ns_free_strings(s->scalings, s->L);
    free(s->windows);
    free(s->valid);
    free(s);
}

/* A text field of meta, "" where there is none. */
static char *meta_text(const cJSON *meta, const char *key)
{
    const cJSON *const item = cJSON_GetObjectItemCaseSensitive(meta, key);
    return ns_strdup(cJSON_IsString(item) ? item->valuestring : "");
}

/* Spans NAME and NAME.0, NAME.1 ... */
static int64_t count_spans(const ns_case *c, const char *name)
{
    const size_t n = strlen(name);
    int64_t count = 0;
    for (int i = 0; i < c->n_spans; i++)
        count += strncmp(c->spans[i].name, name, n) == 0 && (c->spans[i].name[n] == '\0' || c->spans[i].name[n] == '.');
    return count;
}

static double meta_number(const cJSON *meta, const char *key)
{
    const cJSON *const item = cJSON_GetObjectItemCaseSensitive(meta, key);
    return cJSON_IsNumber(item) ? item->valuedouble : (double)NAN;
}

/* Measured; of a twin that has no needle or no answer what its line says of its original's needle. */
static double distance_of(const ns_case *c, const cJSON *meta)
{
    const double measured = (double)ns_case_distance(c), said = meta_number(meta, "distance");
    return measured >= 0 ? measured : said >= 0 && said < 0x1p53 ? said : (double)NAN;
}

static int take_case(ns_case_result *to, const ns_case *c, ns_error *err)
{
    cJSON *meta = NULL;
    const int rc = c->meta ? ns_json_parse(&meta, c->meta, strlen(c->meta), 64, "meta", err) : NS_OK;
    if (rc != NS_OK)
        return rc;
    const double length = meta_number(meta, "length");
    *to = (ns_case_result){.id = ns_strdup(c->id), .value_type = meta_text(meta, "value_type"),
                            .template_name = meta_text(meta, "template"), .twin_of = ns_strdup(c->twin_of ? c->twin_of : ""),
                           .length = fabs(length) < 0x1p53 ? (int64_t)length : c->n_tokens, .n_tokens = c->n_tokens,
                           .n_answer = c->n_answer,
                           .n_lead = c->n_lead, .n_mentions = count_spans(c, "needle_answer"),
                           .n_distractors = count_spans(c, "distractor_answer"),
                           .depth = meta_number(meta, "depth"),
                           .distance = distance_of(c, meta),
                           .query_token = c->n_tokens > 1 ? c->tokens[c->n_tokens - 2] : -1};
    cJSON_Delete(meta);
    return to->id && to->value_type && to->template_name && to->twin_of ? NS_OK : ns_oom(err, "results of a case");
}

static int take_outputs(ns_scores *s, ns_error *err)
{
    for (int p = 0; p < s->n_probes; p++) {
        for (int o = 0; o < s->probes[p]->n_outputs; o++) {
            const ns_output *const output = &s->probes[p]->outputs[o];
            const ns_axes axes = ns_output_layout(output);
            const float nothing = ns_axes_nothing(&axes, output->dtype);
            int64_t shape[NS_MAX_RANK], n;
            float *const out = ns_axes_shape(&axes, &s->extent, shape, &n) ? ns_alloc_array((size_t)n, sizeof *out) : NULL;
            if (!out)
                return ns_oom(err, "per-case scores (use fewer cases)");
            for (int64_t i = 0; i < n && nothing != 0; i++)
                out[i] = nothing;
            s->outputs[p][o] = out;
        }
    }
    return NS_OK;
}

/* Axes that the probes measure out themselves: the longest that any asks for. */
static int ask_extents(const ns_scoring *r)
{
    ns_scores *const s = r->scores;
    int rc = NS_OK;
    for (int p = 0; p < s->n_probes && rc == NS_OK; p++) {
        ns_extent own = {{0}};
        ns_probe_context run;
        rc = ns_scoring_context(r, s->probes[p], NULL, &run);
        rc = rc != NS_OK || !s->probes[p]->extent ? rc : s->probes[p]->extent(&run, r->cases, r->n_cases, &own, r->err);
        for (ns_axis a = NS_AXIS_POSITION; a <= NS_AXIS_CLASS; a++)
            s->extent.n[a] = own.n[a] > s->extent.n[a] ? own.n[a] : s->extent.n[a];
    }
    return rc;
}

int ns_scores_take_cases(const ns_scoring *r)
{
    ns_scores *const s = r->scores;
    const ns_case *const *const cases = r->cases;
    const int64_t n = r->n_cases;
    ns_error *const err = r->err;
    ns_cases sorted = {.n = n, .list = ns_alloc_array((size_t)n, sizeof *sorted.list)};
    s->cases = ns_alloc_array((size_t)n, sizeof *s->cases);
    int rc = sorted.list && s->cases ? NS_OK : ns_oom(err, "scores");
    s->n_cases = rc == NS_OK ? n : 0;
    for (int64_t i = 0; i < n && rc == NS_OK; i++) {
        sorted.list[i] = *cases[i];
        rc = take_case(&s->cases[i], cases[i], err);
        const int64_t content = cases[i]->n_answer - cases[i]->n_lead, most = s->extent.n[NS_AXIS_ANSWER];
        s->extent.n[NS_AXIS_ANSWER] = content > most ? content : most;
    }
    s->extent.n[NS_AXIS_CASE] = s->n_cases;
    rc = rc != NS_OK ? rc : ask_extents(r);
    if (rc == NS_OK)
        ns_number_prompts(s->cases, cases, n);
    if (rc == NS_OK)
        ns_cases_hash(&sorted, s->cases_sha256);       /* of the sorted list: the order given does not matter */
    free(sorted.list);
    return rc == NS_OK ? take_outputs(s, err) : rc;
}

/* ---- what callers ask ---- */

int ns_scores_count(const ns_scores *s)
{
    return s->n_scores;
}

const ns_score *ns_scores_def(const ns_scores *s, int i)
{
    return i >= 0 && i < s->n_scores ? s->defs[i] : NULL;
}

const float *ns_scores_values(const ns_scores *s, int i)
{
    return i >= 0 && i < s->n_scores ? s->values[i] : NULL;
}

int64_t ns_scores_layers(const ns_scores *s)
{
    return s->L;
}

int64_t ns_scores_heads(const ns_scores *s)
{
    return s->H;
}

int64_t ns_scores_cases(const ns_scores *s)
{
    return s->n_cases;
}

int64_t ns_scores_answered(const ns_scores *s)
{
    int64_t n = 0;
    for (int64_t i = 0; i < s->n_cases; i++)
        n += ns_case_answered(&s->cases[i]);
    return n;
}

double ns_scores_token_accuracy(const ns_scores *s, bool first_only)
{
    int64_t right = 0, n = 0;
    for (int64_t i = 0; i < s->n_cases; i++) {
        const ns_case_result *const c = &s->cases[i];
        right += first_only ? c->first_right : c->content_right;
        n += first_only ? c->n_answer > 0 : c->n_answer - c->n_lead;
    }
    return n > 0 ? (double)right / (double)n : (double)NAN;
}

int ns_scores_dropped(const ns_scores *s, const ns_dropped **list)
{
    *list = s->drops.list;
    return s->drops.n;
}

ns_score_meaning ns_scores_meaning(const ns_scores *s, int i)
{
    const ns_score *const def = ns_scores_def(s, i);
    if (!def)
        return (ns_score_meaning){.best = NS_BEST_NONE, .chance = (double)NAN};
    return (ns_score_meaning){.best = def->best, .lo = def->lo, .hi = def->hi,
                              .chance = s->chance_level[i]};
}

/* Has score i a number of a head in a recurrent layer, or in one that is not? */
static bool has_kind(const ns_scores *s, int i, bool recurrent)
{
    const char *const name = ns_layer_kind_name(NS_LAYER_RECURRENT);
    for (int64_t at = 0; at < s->L * s->H; at++)
        if (!isnan(s->values[i][at]) && (strcmp(s->kinds[at / s->H], name) == 0) == recurrent)
            return true;
    return false;
}

bool ns_scores_two_scales(const ns_scores *s, int i)
{
    const ns_score *const def = ns_scores_def(s, i);
    const bool of_weights = def && !def->over && def->lo == 0 && def->best == NS_BEST_LARGEST && ns_scores_by_case(s, i);
    return of_weights && has_kind(s, i, true) && has_kind(s, i, false);
}

ns_best_cut ns_scores_top(const ns_scores *s, int i, int k, ns_head *out)
{
    if (i < 0 || i >= s->n_scores || k < 1)
        return (ns_best_cut){0};
    const ns_score_meaning meaning = ns_scores_meaning(s, i);
    int64_t *const place = &out[0].layer;               /* k places first, pairs from the last one on */
    const ns_best_cut cut = ns_best(s->values[i], ns_scores_size(s), k, &meaning, place);
    for (int64_t at = cut.n - 1; at >= 0; at--)
        out[at] = (ns_head){place[at] / s->H, place[at] % s->H};
    return cut;
}
