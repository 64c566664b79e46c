/* scores_write.c - the results of a score run, array by array, and scores.h5 made of them: axes case, layer, head; the raw counts per case,
 * the scores, coordinates, provenance.
 * Everything but the caller's volatile facts depends on model and cases alone. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/study.h>

#include "resample.h"

typedef struct visitor { ns_array_fn see; void *user; } visitor;

static int put_array(const visitor *w, const char *name, const char *axes, const ns_view *view, const char *summary, ns_error *err)
{
    return w->see(w->user, &(ns_array){.name = name, .axes = axes, .summary = summary, .view = *view}, err);
}

static int put_text(const visitor *w, const char *name, const char *axis, const char *const *text, int64_t n, ns_error *err)
{
    return w->see(w->user, &(ns_array){.name = name, .axes = axis, .view = {.rank = 1, .shape = {n}, .stride = {1}}, .text = text}, err);
}

static int put_axis(const visitor *w, const char *name, int64_t n, ns_error *err)
{
    int64_t *const values = ns_alloc_array((size_t)n, sizeof *values);
    if (!values)
        return ns_oom(err, name);
    for (int64_t i = 0; i < n; i++)
        values[i] = i;
    const ns_view view = ns_view_of(values, NS_I64, 1, &n);
    const int rc = put_array(w, name, name, &view, NULL, err);
    free(values);
    return rc;
}

typedef struct column { const char *name, *summary; ns_dtype dtype; double (*value)(const ns_case_result *); } column;

static double length_of(const ns_case_result *c)        { return (double)c->length; }
static double n_tokens_of(const ns_case_result *c)      { return (double)c->n_tokens; }
static double n_answer_of(const ns_case_result *c)      { return (double)c->n_answer; }
static double depth_of(const ns_case_result *c)         { return c->depth; }
static double distance_of(const ns_case_result *c)      { return c->distance; }
static double answered_of(const ns_case_result *c)      { return ns_case_answered(c); }
static double first_right_of(const ns_case_result *c)   { return c->first_right; }
static double content_right_of(const ns_case_result *c) { return (double)c->content_right; }
static double prompt_of(const ns_case_result *c)        { return (double)c->prompt; }
static double query_token_of(const ns_case_result *c)   { return c->query_token; }
static double n_mentions_of(const ns_case_result *c)    { return (double)c->n_mentions; }
static double n_distractors_of(const ns_case_result *c) { return (double)c->n_distractors; }

static const column columns[] = {
    {"length", "prompt length asked for, in tokens", NS_I64, length_of},
    {"n_tokens", "prompt length, in tokens", NS_I64, n_tokens_of},
    {"n_answer", "tokens of the gold answer", NS_I64, n_answer_of},
    {"depth", "place of the needle in the haystack: 0 start, 1 end", NS_F64, depth_of},
    {"distance", "tokens from the row that says the answer's first content token back to it in the needle", NS_F64, distance_of},
    {"answered", "1 where greedy decoding says the whole answer, once its lead (a space) is there", NS_U8, answered_of},
    {"first_right", "1 where the answer's first content token is the most likely one", NS_U8, first_right_of},
    {"content_right", "content tokens of the answer that are the most likely ones, given the true ones before", NS_I64, content_right_of},
    {"prompt", "which prompt: the number that a case shares with its twins", NS_I64, prompt_of},
    {"query_token", "id of the token at row T - 2, where retrieval_mass looks", NS_I64, query_token_of},
    {"n_mentions", "places of the needle's answer in the prompt", NS_I64, n_mentions_of},
    {"n_distractors", "places of distractors' answers in the prompt", NS_I64, n_distractors_of},
};

static int put_column(const visitor *w, const ns_scores *s, const column *col, ns_error *err)
{
    void *const data = ns_alloc_array((size_t)s->n_cases, sizeof(int64_t));
    if (!data)
        return ns_oom(err, col->name);
    for (int64_t i = 0; i < s->n_cases; i++) {
        const double value = col->value(&s->cases[i]);
        if (col->dtype == NS_I64)
            ((int64_t *)data)[i] = (int64_t)value;
        else if (col->dtype == NS_U8)
            ((uint8_t *)data)[i] = (uint8_t)value;
        else
            ((double *)data)[i] = value;
    }
    const ns_view view = ns_view_of(data, col->dtype, 1, &s->n_cases);
    const int rc = put_array(w, col->name, "case", &view, col->summary, err);
    free(data);
    return rc;
}

static const char *id_of(const ns_case_result *c)         { return c->id; }
static const char *value_type_of(const ns_case_result *c) { return c->value_type; }
static const char *template_of(const ns_case_result *c)   { return c->template_name; }
static const char *twin_of(const ns_case_result *c)       { return c->twin_of; }

static int put_strings(const visitor *w, const ns_scores *s, ns_error *err)
{
    static const struct { const char *name; const char *(*of)(const ns_case_result *); } texts[] = {
        /* twin_of: "" for a case that is none's twin */
        {"case_id", id_of}, {"value_type", value_type_of}, {"template", template_of}, {"twin_of", twin_of}};
    const char **const text = ns_alloc_array((size_t)s->n_cases, sizeof *text);
    int rc = text ? NS_OK : ns_oom(err, "names of cases");
    for (size_t t = 0; t < sizeof texts / sizeof *texts && rc == NS_OK; t++) {
        for (int64_t i = 0; i < s->n_cases; i++)
            text[i] = texts[t].of(&s->cases[i]);
        rc = put_text(w, texts[t].name, "case", text, s->n_cases, err);
    }
    free(text);
    return rc;
}

static bool has_output_over(const ns_scores *s, ns_axis axis)
{
    bool has = false;
    for (int p = 0; p < s->n_probes; p++)
        for (int o = 0; o < s->probes[p]->n_outputs; o++) {
            const ns_axes axes = ns_output_layout(&s->probes[p]->outputs[o]);
            has |= ns_axes_have(&axes, axis);
        }
    return has;
}

/* Case, layer and head always, and what else there is an output over (answers: where any case has one). */
static int put_axes(const visitor *w, const ns_scores *s, ns_error *err)
{
    int rc = NS_OK;
    for (ns_axis a = NS_AXIS_CASE; a < NS_N_AXES && rc == NS_OK; a++)
        if (a == NS_AXIS_CASE || a == NS_AXIS_LAYER || a == NS_AXIS_HEAD || (a == NS_AXIS_ANSWER && s->extent.n[a] > 0) ||
            has_output_over(s, a))
            rc = put_axis(w, ns_axis_name(a), s->extent.n[a], err);
    return rc;
}

static int put_coordinates(const visitor *w, const ns_scores *s, ns_error *err)
{
    const int64_t heads[2] = {s->L, s->H};
    const ns_view window = ns_view_of(s->windows, NS_I64, 2, heads), valid = ns_view_of(s->valid, NS_U8, 2, heads);
    const ns_view theta = ns_view_of(s->thetas, NS_F64, 1, &s->L);
    int rc = put_axes(w, s, err);
    if (rc == NS_OK)
        rc = put_strings(w, s, err);
    for (size_t i = 0; i < sizeof columns / sizeof *columns && rc == NS_OK; i++)
        rc = put_column(w, s, &columns[i], err);
    if (rc == NS_OK)
        rc = put_text(w, "layer_kind", "layer", s->kinds, s->L, err);
    rc = rc != NS_OK ? rc : put_array(w, "rope_theta", "layer", &theta, "base of the rotation; 0 = the layer does not rotate", err);
    rc = rc != NS_OK ? rc : put_text(w, "rope_scaling", "layer", (const char **)s->scalings, s->L, err);
    if (rc == NS_OK)
        rc = put_array(w, "window", "layer head", &window, "keys that a row of the head sees; 0 = all", err);
    return rc == NS_OK ? put_array(w, "head_valid", "layer head", &valid, "1 where the layer has such an attention head", err) : rc;
}

static int put_output(const visitor *w, const ns_scores *s, const ns_output *output, float *data, ns_error *err)
{
    const ns_axes axes = ns_output_layout(output);
    int64_t shape[NS_MAX_RANK], n;
    (void)ns_axes_shape(&axes, &s->extent, shape, &n);
    ns_view view = ns_view_of(data, NS_F32, axes.rank, shape);
    uint8_t *counts = NULL;
    if (output->dtype == NS_U8) {
        counts = ns_alloc_array((size_t)n, 1);
        if (!counts)
            return ns_oom(err, output->name);
        for (int64_t i = 0; i < n; i++)
            counts[i] = (uint8_t)data[i];
        view = ns_view_of(counts, NS_U8, axes.rank, shape);
    }
    const int rc = put_array(w, output->name, ns_output_axes(output), &view, output->summary, err);
    free(counts);
    return rc;
}

/* NAME_chance: what even attention gives each head, where that is known. */
static int put_chance(const visitor *w, const ns_scores *s, int k, ns_error *err)
{
    const int64_t heads[2] = {s->L, s->H};
    char name[NS_CHANCE_NAME];
    if (!s->known_chance[k] || isnan(s->chance_level[k]))
        return NS_OK;
    float *const chance = ns_alloc_array((size_t)ns_scores_size(s), sizeof *chance);
    if (!chance)
        return ns_oom(err, s->defs[k]->name);
    for (int64_t i = 0; i < ns_scores_size(s); i++)
        chance[i] = (float)s->known_chance[k][i];
    const ns_view view = ns_view_of(chance, NS_F32, 2, heads);
    const int rc = put_array(w, ns_chance_name(s->defs[k]->name, name), "layer head", &view,
                             "the score of a head that spreads its attention evenly over the keys it sees", err);
    free(chance);
    return rc;
}

static int put_arrays(const visitor *w, const ns_scores *s, ns_error *err)
{
    const int64_t heads[2] = {s->L, s->H};
    int rc = NS_OK;
    for (int p = 0; p < s->n_probes; p++)
        for (int o = 0; o < s->probes[p]->n_outputs && rc == NS_OK; o++)
            rc = put_output(w, s, &s->probes[p]->outputs[o], s->outputs[p][o], err);
    for (int i = 0; i < s->n_scores && rc == NS_OK; i++) {
        const ns_view view = ns_view_of(s->values[i], NS_F32, 2, heads);
        const ns_score_meaning meaning = ns_scores_meaning(s, i);
        rc = w->see(w->user, &(ns_array){.name = s->defs[i]->name, .axes = "layer head", .summary = s->defs[i]->summary, .view = view,
                                         .meaning = &meaning}, err);
        rc = rc != NS_OK ? rc : put_chance(w, s, i, err);
    }
    return rc;
}

/* ---- the ranking: over an axis of scores ---- */

static int put_names(const visitor *w, const ns_scores *s, ns_error *err)
{
    const ns_ranking *const r = s->ranking;
    const char **const names = ns_alloc_array((size_t)s->n_scores, sizeof *names);
    char **const groups = ns_alloc_array((size_t)r->n_groups, sizeof *groups);
    int rc = names && groups ? NS_OK : ns_oom(err, "names of scores");
    for (int k = 0; k < s->n_scores && rc == NS_OK; k++)
        names[k] = s->defs[k]->name;
    if (rc == NS_OK)
        rc = put_text(w, "score_name", "score", names, s->n_scores, err);
    for (int64_t g = 0; g < r->n_groups && rc == NS_OK; g++) {
        const ns_case_result *const c = &s->cases[r->groups[g].first];
        groups[g] = ns_printf_alloc("%s/%s", c->value_type, c->template_name);
        rc = groups[g] ? NS_OK : ns_oom(err, "names of groups");
    }
    if (rc == NS_OK)
        rc = put_text(w, "group_name", "group", (const char *const *)groups, r->n_groups, err);
    for (int64_t g = 0; groups && g < r->n_groups; g++)
        free(groups[g]);
    free(names);
    free(groups);
    return rc;
}

static int put_group_of(const visitor *w, const ns_scores *s, ns_error *err)
{
    const ns_view of = ns_view_of(s->ranking->group_of, NS_I64, 1, &s->n_cases),
                  in = ns_view_of(s->ranking->stratum_of, NS_I64, 1, &s->n_cases);
    const int rc = put_array(w, "case_group", "case", &of, "the case's group: value type and template", err);
    return rc != NS_OK ? rc
              : put_array(w, "case_stratum", "case", &in,
                          "within which its prompt was resampled: its group, or the pool of groups of fewer than ten prompts", err);
}

static int put_ranking(const visitor *w, const ns_scores *s, ns_error *err)
{
    const ns_ranking *const r = s->ranking;
    const struct { const char *name, *axes, *summary; float *data;
    } arrays[] = {
        {"score_low", "score layer head", "95 % interval over resampled prompts: from", r->low},
        {"score_high", "score layer head", "to", r->high},
        {"score_top4", "score layer head",
         "mean share of the four best over the resamples: heads that tie for the last place share it; NaN where the score is nothing",
         r->top4},
        {"score_top10", "score layer head", "the same of the ten best", r->top10},
        {"score_chance", "score layer head", "the score where there is nothing to find: at the placebo", r->chance},
        {"score_answered", "score layer head", "over the cases that the model answers", r->answered},
        {"score_missed", "score layer head", "over the cases that it does not answer", r->missed},
        {"score_by_group", "group score layer head", "over the cases of one value type and template", r->by_group},
        {"split_half_jaccard4", "score", "mean Jaccard index of the four best heads of two random halves of the prompts", r->jaccard4},
        {"split_half_jaccard10", "score", "the same of the ten best", r->jaccard10},
        {"agreement_spearman", "score score_other", "Spearman correlation of two scores over the heads", r->spearman},
        {"agreement_jaccard10", "score score_other", "Jaccard index of the ten best heads of two scores", r->overlap},
    };
    const int64_t S = s->n_scores, L = s->L, H = s->H;
    int rc = put_axis(w, "score", S, err);
    if (rc == NS_OK)
        rc = put_axis(w, "score_other", S, err);
    if (rc == NS_OK)
        rc = put_axis(w, "group", r->n_groups, err);
    if (rc == NS_OK)
        rc = put_names(w, s, err);
    if (rc == NS_OK && s->n_cases > 0)
        rc = put_group_of(w, s, err);
    for (size_t i = 0; i < sizeof arrays / sizeof *arrays && rc == NS_OK; i++) {
        const bool grouped = arrays[i].data == r->by_group, square = arrays[i].data == r->spearman || arrays[i].data == r->overlap;
        const int64_t deep[4] = {r->n_groups, S, L, H}, heads[3] = {S, L, H}, pair[2] = {S, S};
        const int rank = grouped ? 4 : square ? 2 : arrays[i].data == r->jaccard4 || arrays[i].data == r->jaccard10 ? 1 : 3;
        const ns_view view = ns_view_of(arrays[i].data, NS_F32, rank, grouped ? deep : square ? pair : heads);
        if (!grouped || r->n_groups > 0)
            rc = put_array(w, arrays[i].name, arrays[i].axes, &view, arrays[i].summary, err);
    }
    return rc;
}

int ns_scores_each(const ns_scores *s, ns_array_fn see, void *user, ns_error *err)
{
    const visitor w = {see, user};
    int rc = put_coordinates(&w, s, err);
    if (rc == NS_OK)
        rc = put_arrays(&w, s, err);
    return rc == NS_OK && s->ranking ? put_ranking(&w, s, err) : rc;
}

static int write_array(void *user, const ns_array *a, ns_error *err)
{
    ns_table_writer *const w = user;
    if (a->text)
        return ns_table_strings(w, a->name, a->axes, a->text, a->view.shape[0], err);
    if (strcmp(a->name, a->axes) == 0)
        return ns_table_axis(w, a->name, &a->view, err);
    const int rc = ns_table_array(w, a->name, a->axes, &a->view, a->summary, err);
    return rc == NS_OK && a->meaning ? ns_table_meaning(w, a->name, a->meaning, err) : rc;
}

/* ---- facts ---- */

static char *probe_names(const ns_scores *s)
{
    char *text = ns_strdup("");
    for (int p = 0; p < s->n_probes && text; p++) {
        char *const longer = ns_printf_alloc("%s%s%s", text, p ? "," : "", s->probes[p]->name);
        free(text);
        text = longer;
    }
    return text;
}

/* "72 prompts in 2 strata; 4 kinds are one of them, some of fewer than 10 prompts" */
static void describe_strata(const ns_ranking *r, char *buf, size_t size)
{
    const int n = snprintf(buf, size, "%lld prompts in %lld strata", (long long)r->n_prompts, (long long)r->n_strata);
    if (r->n_pooled)
        snprintf(buf + n, size - (size_t)n, "; %lld kinds are one of them, some of fewer than %d prompts", (long long)r->n_pooled,
                 NS_STRATUM);
}

static const char *said(const char *text)
{
    return text && *text ? text : NULL;
}

/* What is not known is not said. */
int ns_scores_facts(const ns_scores *s, ns_fact_list *facts, ns_error *err)
{
    char *const probes = probe_names(s), *const dropped = ns_drops_text(&s->drops);
    char resamples[24] = "", seed[24] = "", strata[100] = "";
    if (s->ranking) {
        snprintf(resamples, sizeof resamples, "%lld", (long long)s->ranking->resamples);
        describe_strata(s->ranking, strata, sizeof strata);
        snprintf(seed, sizeof seed, "%llu", (unsigned long long)s->ranking->seed);
    }
    const ns_fact own[] = {{"needlescope_version", ns_version(), false}, {"probes", probes, false},
                           {"cases_sha256", s->cases_sha256, false},     {"dropped", said(dropped), false},
                           {"special_tokens", said(s->special), false},  {"ranking_resamples", said(resamples), false},
                           {"ranking_seed", said(seed), false},          {"ranking_strata", said(strata), false},
                           {"weights_sample_of", said(s->sample_of), false}};
    int rc = probes && dropped ? NS_OK : ns_oom(err, "facts");
    rc = rc != NS_OK ? rc : ns_fact_list_add_all(facts, own, sizeof own / sizeof *own, err);
    rc = rc != NS_OK ? rc : ns_fact_list_join(facts, &s->made_with, err);
    free(probes);
    free(dropped);
    return rc;
}

/* For whoever puts checkpoints side by side: no result of a score run. */
static int write_sample(ns_table_writer *w, const ns_scores *s, ns_error *err)
{
    int64_t index[NS_SAMPLE];
    const int64_t n = NS_SAMPLE;
    for (int64_t i = 0; i < n; i++)
        index[i] = i;
    const ns_view axis = ns_view_of(index, NS_I64, 1, &n), sample = ns_view_of((void *)(uintptr_t)s->sample, NS_F32, 1, &n);
    const int rc = ns_table_axis(w, "sample", &axis, err);
    return rc != NS_OK ? rc : ns_table_array(w, "weights_sample", "sample", &sample,
                                             "weights of the checkpoint, the same ones of every checkpoint with its tensors", err);
}

int ns_scores_write_as(const ns_scores *s, const char *path, const ns_fact_list *more, const ns_provenance *by, ns_error *err)
{
    ns_fact_list facts = {0};
    ns_table_writer *w = NULL;
    int rc = NS_OK;
    if (s->edited)
        rc = ns_fail(err, NS_E_ARG, "%s: a score file is of the untouched model, and these scores were made under edits", path);
    rc = rc == NS_OK && more ? ns_fact_list_join(&facts, more, err) : rc;
    rc = rc != NS_OK ? rc : ns_scores_facts(s, &facts, err);
    rc = rc != NS_OK ? rc : ns_table_create_by(&w, path, &facts, by, err);
    rc = rc != NS_OK ? rc : ns_scores_each(s, write_array, w, err);
    rc = rc != NS_OK ? rc : write_sample(w, s, err);
    ns_fact_list_clear(&facts);
    return ns_table_end(w, rc, err);
}

int ns_scores_write(const ns_scores *s, const char *path, const ns_provenance *by, ns_error *err)
{
    return ns_scores_write_as(s, path, NULL, by, err);
}
