/* patch.c - a patching from its parameters: pairs of twins -> conditions, controls drawn by the norms -> recovery and its interval. */
#include "patch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "draws.h"
#include "score.h"

static const struct { const char *name, *at; } sites[NS_PATCH_SITES] = {
    [NS_PATCH_Z] = {"z", "blocks.*.attn.hook_z"}, [NS_PATCH_Q] = {"q", "blocks.*.attn.hook_q"},
        [NS_PATCH_K] = {"k", "blocks.*.attn.hook_k"},
    [NS_PATCH_V] = {"v", "blocks.*.attn.hook_v"},
};

const char *ns_patch_site_name(ns_patch_site site)
{
    return sites[site].name;
}

const char *ns_patch_at(ns_patch_site site)
{
    return sites[site].at;
}

/* ---- pairs ---- */

/* Noising, the twins of one case have one destination: then by the source. */
static int by_destination(const void *a, const void *b)
{
    const ns_patch_pair *const x = a, *const y = b;
    const int order = ns_by_case(&x->to, &y->to);
    return order ? order : ns_by_case(&x->source, &y->source);
}

static const char *reason_to_drop(const ns_patch_run *r, const ns_case *a, const ns_case *b, char buffer[NS_REASON])
{
    if (!a)
        return "the case that it is a twin of is not there";
    if (a->n_answer <= a->n_lead || b->n_answer <= b->n_lead)
        return "no answer";
    if (a->n_lead != b->n_lead)
        return "an answer that begins another way than its twin's";
    if (a->answer[a->n_lead] == b->answer[b->n_lead])
        return "the first answer token of its twin: nothing tells the two apart";
    if (r->p->all_rows && a->n_tokens != b->n_tokens)
        return "another length than its twin: only the answer's rows correspond";
    const char *const unfit = ns_unfit(r->arch, a, buffer);
    return unfit ? unfit : ns_unfit(r->arch, b, buffer);
}

/* The first of that id; cases are in order. */
static const ns_case *case_called(const ns_case *const *cases, int64_t n, const char *id)
{
    int64_t low = 0, high = n;
    while (low < high) {
        const int64_t mid = (low + high) / 2;
        if (strcmp(cases[mid]->id, id) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low < n && strcmp(cases[low]->id, id) == 0 ? cases[low] : NULL;
}

static int choose_pair(ns_patch_run *r, const ns_case *original, const ns_case *twin, int64_t prompt)
{
    char buffer[NS_REASON];
    const char *const reason = reason_to_drop(r, original, twin, buffer);
    if (reason)
        return ns_drops_add(&r->drops, reason, twin->id, r->err);
    r->pairs[r->out->C++] = r->p->noising ? (ns_patch_pair){twin, original, prompt} : (ns_patch_pair){original, twin, prompt};
    return NS_OK;
}

/* Cases in the order of their ids, so that the order in which they were given is forgotten. */
static int choose_among(ns_patch_run *r, const ns_case **cases, int64_t n)
{
    int64_t twins = 0;
    ns_case_result *const of = ns_alloc_array((size_t)n, sizeof *of);
    int rc = of ? NS_OK : ns_oom(r->err, "pairs");
    qsort(cases, (size_t)n, sizeof *cases, ns_by_case);
    if (rc == NS_OK)
        ns_number_prompts(of, cases, n);
    for (int64_t i = 0; i < n && rc == NS_OK; i++)
        if (cases[i]->twin_of) {
            twins++;
            rc = choose_pair(r, case_called(cases, n, cases[i]->twin_of), cases[i], of[i].prompt);
        }
    free(of);
    if (rc == NS_OK && twins == 0)
        rc = ns_fail(r->err, NS_E_ARG, "no case is a twin of another (twin_of): patching needs pairs, as `cases needle --twins swap` makes "
                                       "them");
    return rc == NS_OK && r->out->C == 0 ? ns_drops_fail(&r->drops, "pair", r->err) : rc;
}

static int choose_pairs(ns_patch_run *r, const ns_cases *cases)
{
    const ns_case **const sorted = ns_alloc_array((size_t)cases->n, sizeof *sorted);
    r->pairs = ns_alloc_array((size_t)cases->n + 1, sizeof *r->pairs);
    int rc = sorted && r->pairs ? NS_OK : ns_oom(r->err, "pairs");
    for (int64_t i = 0; i < cases->n && rc == NS_OK; i++)
        sorted[i] = &cases->list[i];
    if (rc == NS_OK)
        rc = choose_among(r, sorted, cases->n);
    if (rc == NS_OK)
        qsort(r->pairs, (size_t)r->out->C, sizeof *r->pairs, by_destination);
    free(sorted);
    return rc;
}

/* Over the sources, then the destinations. */
static int hash_pairs(ns_patch_run *r)
{
    const int64_t C = r->out->C;
    ns_cases all = {.n = 2 * C, .list = ns_alloc_array((size_t)(2 * C), sizeof *all.list)};
    if (!all.list)
        return ns_oom(r->err, "pairs");
    for (int64_t i = 0; i < C; i++) {
        all.list[i] = *r->pairs[i].source;
        all.list[C + i] = *r->pairs[i].to;
    }
    ns_cases_hash(&all, r->out->cases_sha256);
    free(all.list);
    return NS_OK;
}

/* ---- conditions ---- */

/* Keys and values are of a KV group: what is carried over of one of its heads is carried over of all. */
static bool of_group(ns_patch_site site)
{
    return site == NS_PATCH_K || site == NS_PATCH_V;
}

static int check_groups(const ns_patch_run *r, int i)
{
    const ns_head a = r->p->heads[i];
    const ns_attn *const attn = ns_arch_attn(r->arch, a.layer);
    const int64_t size = attn->n_kv_heads > 0 ? attn->n_heads / attn->n_kv_heads : 1;
    for (int k = 0; k < i && of_group(r->p->site); k++) {
        const ns_head b = r->p->heads[k];
        if (a.layer == b.layer && a.head / size == b.head / size)
            return ns_fail(r->err, NS_E_ARG,
                           "heads %lld.%lld and %lld.%lld are of one KV group, so they have the same keys and values: "
                           "name one of them",
                           (long long)b.layer, (long long)b.head, (long long)a.layer, (long long)a.head);
    }
    return NS_OK;
}

static int check_heads(const ns_patch_run *r)
{
    for (int i = 0; i < r->p->n_heads; i++) {
        const int64_t l = r->p->heads[i].layer, h = r->p->heads[i].head;
        const ns_attn *const attn = l >= 0 && l < r->out->L ? ns_arch_attn(r->arch, l) : NULL;
        if (l < 0 || l >= r->out->L)
            return ns_fail(r->err, NS_E_ARG, "head %lld.%lld: the model has layers 0 to %lld", (long long)l, (long long)h,
                           (long long)r->out->L - 1);
        if (!attn)
            return ns_fail(r->err, NS_E_ARG, "head %lld.%lld: layer %lld has no heads", (long long)l, (long long)h, (long long)l);
        if (h < 0 || h >= attn->n_heads)
            return ns_fail(r->err, NS_E_ARG, "head %lld.%lld: layer %lld has heads 0 to %lld", (long long)l, (long long)h, (long long)l,
                           (long long)attn->n_heads - 1);
        for (int k = 0; k < i; k++)
            if (ns_head_is(r->p->heads[k], (ns_head){l, h}))
                return ns_fail(r->err, NS_E_ARG, "head %lld.%lld is named twice", (long long)l, (long long)h);
        const int rc = check_groups(r, i);
        if (rc != NS_OK)
            return rc;
    }
    if (r->p->n_heads == 0 && r->p->draws > 0)
        return ns_fail(r->err, NS_E_ARG, "draws are of the controls of a set of heads, and there is no set");
    if (r->p->n_heads == 0 && r->p->no_map)
        return ns_fail(r->err, NS_E_ARG, "nothing to patch: neither a set of heads nor the map");
    return NS_OK;
}

static ns_patch_condition *add(ns_patching *o, ns_patch_kind kind, int n_heads, int draw)
{
    ns_patch_condition *const c = &o->list[o->n];
    *c = (ns_patch_condition){.kind = kind, .draw = draw, .n_heads = n_heads,
                              .heads = ns_alloc_array((size_t)n_heads + 1, sizeof *c->heads)};
    if (!c->heads)
        return NULL;
    o->n++;
    return c;
}

static int add_set(ns_patch_run *r, int draws)
{
    const ns_patch_params *const p = r->p;
    ns_controls *const controls = &r->out->controls;
    const ns_matching matching = {r->arch, r->out->norm, r->out->L, r->out->H, p->heads, p->n_heads,
                                  .by_group = of_group(p->site)};
    ns_patch_condition *c = add(r->out, NS_PATCH_TARGET, p->n_heads, -1);
    int rc = c ? ns_controls_draw(controls, &matching, draws, p->seed, r->err) : ns_oom(r->err, "conditions");
    if (rc == NS_OK)
        memcpy(c->heads, p->heads, (size_t)p->n_heads * sizeof *c->heads);
    for (int i = 0; i < draws && rc == NS_OK; i++) {
        c = add(r->out, NS_PATCH_CONTROL, p->n_heads, i);
        if (!c)
            return ns_oom(r->err, "conditions");
        ns_controls_heads(controls, i, c->heads);
        c->layer_matched = ns_controls_in_layer(controls, i);
        c->matched = ns_controls_matched(controls, i);
    }
    return rc;
}

static int plan(ns_patch_run *r)
{
    ns_patching *const o = r->out;
    const int draws = r->p->draws > 0 ? r->p->draws : 20;
    const int64_t LH = o->L * o->H;
    o->list = ns_alloc_array((size_t)(3 + draws + LH), sizeof *o->list);
    ns_patch_condition *const none = o->list ? add(o, NS_PATCH_NONE, 0, -1) : NULL, *const every = none
        ? add(o, NS_PATCH_EVERYTHING, (int)LH, -1) : NULL;
    int rc = every ? NS_OK : ns_oom(r->err, "conditions");
    if (rc == NS_OK && r->p->n_heads)
        rc = add_set(r, draws);
    if (rc == NS_OK)
        every->n_heads = 0;
    for (int64_t l = 0; l < o->L && rc == NS_OK; l++) {
        const ns_attn *const attn = ns_arch_attn(r->arch, l);
        for (int64_t h = 0; attn && h < attn->n_heads && rc == NS_OK; h++) {
            ns_patch_condition *const one = r->p->no_map ? NULL : add(o, NS_PATCH_HEAD, 1, -1);
            every->heads[every->n_heads++] = (ns_head){l, h};
            if (one)
                one->heads[0] = (ns_head){l, h};
            else if (!r->p->no_map)
                rc = ns_oom(r->err, "conditions");
            o->n_map += one != NULL;
        }
    }
    return rc;
}

/* ---- recovery ---- */

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* count[C]: how often a pair is in the resample, NULL = once each. */
static double ratio(const ns_patching *o, int k, const uint16_t *count)
{
    double gained = 0, there = 0;
    for (int64_t i = 0; i < o->C; i++) {
        const double n = count ? count[i] : 1, base = (double)o->difference[i];
        gained += n * ((double)o->difference[k * o->C + i] - base);
        there += n * ((double)o->source_difference[i] - base);
    }
    return there > 0 ? gained / there : (double)NAN;
}

/* Pairs of one prompt are one draw, as a prompt's twins share nearly all of their tokens. Into prompt[C]: numbers in the order of the
 * pairs; how many. */
static int64_t number_pairs(const ns_patch_pair *pairs, int64_t C, int64_t *prompt)
{
    int64_t n = 0;
    for (int64_t i = 0; i < C; i++) {
        int64_t first = 0;
        while (pairs[first].prompt != pairs[i].prompt)
            first++;
        prompt[i] = first < i ? prompt[first] : n++;
    }
    return n;
}

/* count[B, C]: how often each pair is in each of B resamples of the prompts. */
static int resample(const ns_patch_run *r, int64_t B, uint16_t *count)
{
    const int64_t C = r->out->C;
    int64_t *const prompt = ns_alloc_array((size_t)C, sizeof *prompt);
    uint16_t *const times = ns_alloc_array((size_t)C, sizeof *times);
    ns_rng rng = ns_rng_seed(r->p->seed, 23);
    const int64_t n = prompt && times ? number_pairs(r->pairs, C, prompt) : 0;
    for (int64_t b = 0; n && b < B; b++) {
        memset(times, 0, (size_t)n * sizeof *times);
        for (int64_t i = 0; i < n; i++)
            times[ns_rng_below(&rng, n)]++;
        for (int64_t i = 0; i < C; i++)
            count[b * C + i] = times[prompt[i]];
    }
    free(prompt);
    free(times);
    return n ? NS_OK : ns_oom(r->err, "intervals");
}

/* The same resamples for every condition. A resample whose runs do not differ says nothing. */
static int find_intervals(ns_patch_run *r)
{
    ns_patching *const o = r->out;
    const int64_t B = r->p->resamples > 0 ? r->p->resamples : 1000;
    uint16_t *const count = ns_alloc_array((size_t)(B * o->C), sizeof *count);
    double *const values = ns_alloc_array((size_t)B, sizeof *values);
    int rc = count && values ? resample(r, B, count) : ns_oom(r->err, "intervals");
    for (int k = 0; rc == NS_OK && k < o->n; k++) {
        int64_t n = 0;
        for (int64_t b = 0; b < B; b++) {
            values[n] = ratio(o, k, count + b * o->C);
            n += !isnan(values[n]);
        }
        qsort(values, (size_t)n, sizeof *values, by_size);
        const double nan_ = (double)NAN;
        o->list[k].recovery = (ns_recovery){ratio(o, k, NULL), n ? values[(int64_t)(.025 * (double)(n - 1))] : nan_, n
                                            ? values[n - 1 - (int64_t)(.025 * (double)(n - 1))] : nan_};
    }
    free(count);
    free(values);
    return rc;
}

static int reduce(ns_patch_run *r)
{
    ns_patching *const o = r->out;
    for (int k = 0; k < o->n; k++) {
        int64_t flipped = 0;
        for (int64_t i = 0; i < o->C; i++)
            flipped += o->says_source[k * o->C + i];
        o->list[k].flipped = (double)flipped / (double)o->C;
    }
    return find_intervals(r);
}

/* ---- the whole ---- */

static int describe_model(ns_patch_run *r)
{
    ns_patching *const o = r->out;
    o->layer_kind = ns_alloc_array((size_t)o->L, sizeof *o->layer_kind);
    o->window = ns_alloc_array((size_t)(o->L * o->H), sizeof *o->window);
    if (!o->layer_kind || !o->window)
        return ns_oom(r->err, "layers");
    for (int64_t l = 0; l < o->L; l++) {
        const ns_attn *const attn = ns_arch_attn(r->arch, l);
        o->layer_kind[l] = ns_layer_kind_name(ns_arch_layer_kind(r->arch, l));
        for (int64_t h = 0; attn && h < attn->n_heads; h++)
            o->window[l * o->H + h] = ns_attn_window(attn, h);
    }
    return NS_OK;
}

static int allocate_sources(ns_patch_run *r)
{
    ns_patching *const o = r->out;
    o->case_id = ns_alloc_array((size_t)o->C, sizeof *o->case_id);
    o->source_id = ns_alloc_array((size_t)o->C, sizeof *o->source_id);
    o->source_difference = ns_alloc_array((size_t)o->C, sizeof *o->source_difference);
    o->source_right = ns_alloc_array((size_t)o->C, 1);
    o->norm = ns_alloc_array((size_t)(o->L * o->H), sizeof *o->norm);
    bool good = o->case_id && o->source_id && o->source_difference && o->source_right && o->norm;
    for (int64_t i = 0; good && i < o->C; i++)
        good = (o->case_id[i] = ns_strdup(r->pairs[i].to->id)) && (o->source_id[i] = ns_strdup(r->pairs[i].source->id));
    return good ? NS_OK : ns_oom(r->err, "a patching");
}

static int allocate_conditions(ns_patch_run *r)
{
    ns_patching *const o = r->out;
    o->difference = ns_alloc_array((size_t)(o->n * o->C), sizeof *o->difference);
    o->says_source = ns_alloc_array((size_t)(o->n * o->C), 1);
    return o->difference && o->says_source ? NS_OK : ns_oom(r->err, "a patching");
}

int ns_patch(ns_patching **out, const ns_model *model, const ns_cases *cases, const ns_patch_params *params, ns_error *err)
{
    *out = NULL;
    ns_patching *const o = ns_alloc_array(1, sizeof *o);
    if (!o)
        return ns_oom(err, "a patching");
    ns_patch_run r = {.model = model, .arch = ns_model_arch(model), .p = params, .out = o, .err = err,
                      .work = {params->progress, params->cancelled, params->user, 0, 0}, .d = ns_arch_max_head_dim(ns_model_arch(model))};
    o->L = r.arch->n_layers;
    o->H = ns_arch_max_heads(r.arch);
    o->site = params->site;
    o->all_rows = params->all_rows;
    o->noising = params->noising;
    o->seed = params->seed;
    snprintf(o->scores_sha256, sizeof o->scores_sha256, "%s", params->scores_sha256 ? params->scores_sha256 : "");
    int rc = check_heads(&r);
    rc = rc != NS_OK ? rc : choose_pairs(&r, cases);
    rc = rc != NS_OK ? rc : hash_pairs(&r);
    rc = rc != NS_OK ? rc : describe_model(&r);
    rc = rc != NS_OK ? rc : allocate_sources(&r);
    rc = rc != NS_OK ? rc : ns_patch_sources(&r);
    rc = rc != NS_OK ? rc : plan(&r);
    rc = rc != NS_OK ? rc : allocate_conditions(&r);
    rc = rc != NS_OK ? rc : ns_patch_conditions(&r);
    rc = rc != NS_OK ? rc : reduce(&r);
    rc = rc != NS_OK ? rc : ns_provenance_of_model(&o->made_with, model, err);
    o->scores_are_of = ns_scores_are_of(params->scores_sha256, params->scores_arch_sha256, &o->made_with);
    rc = rc != NS_OK ? rc : ns_provenance_of_cases(&o->made_with, cases, err);
    free(r.pairs);
    free(r.kept);
    o->dropped = r.drops.list;
    o->n_reasons = r.drops.n;
    if (rc != NS_OK)
        ns_patching_free(o);
    else
        *out = o;
    return rc;
}

void ns_patching_free(ns_patching *o)
{
    if (!o)
        return;
    for (int i = 0; i < o->n; i++)
        free(o->list[i].heads);
    for (int64_t i = 0; o->case_id && i < o->C; i++)
        free(o->case_id[i]);
    for (int64_t i = 0; o->source_id && i < o->C; i++)
        free(o->source_id[i]);
    void *const lists[] = {o->list, o->case_id, o->source_id, o->difference, o->says_source, o->source_difference, o->source_right, o->norm,
                           (void *)o->layer_kind, o->window};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        free(lists[i]);
    ns_controls_clear(&o->controls);
    ns_drops_clear(&(ns_drops){o->dropped, o->n_reasons});
    ns_fact_list_clear(&o->made_with);
    free(o);
}
