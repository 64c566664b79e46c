/* patch.c - a patching from its parameters: pairs of twins -> conditions, controls drawn by the norms -> recovery and its interval. */
#include "patch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "draws.h"
#include "score.h"

static const struct { const char *name, *at; ns_point point; } sites[NS_PATCH_SITES] = {
    [NS_PATCH_Z] = {"z", "blocks.*.attn.hook_z", NS_POINT_Z}, [NS_PATCH_Q] = {"q", "blocks.*.attn.hook_q", NS_POINT_Q},
    [NS_PATCH_K] = {"k", "blocks.*.attn.hook_k", NS_POINT_K}, [NS_PATCH_V] = {"v", "blocks.*.attn.hook_v", NS_POINT_V},
};

const char *ns_patch_site_name(ns_patch_site site)
{
    return sites[site].name;
}

const char *ns_patch_at(ns_patch_site site)
{
    return sites[site].at;
}

ns_point ns_patch_point(ns_patch_site site)
{
    return sites[site].point;
}

int64_t ns_patch_width(const ns_arch *arch)
{
    int64_t most = 1;
    for (int64_t l = 0; l < arch->n_layers; l++)
        for (int site = 0; site < NS_PATCH_SITES; site++) {
            const int64_t width = ns_point_width(arch, sites[site].point, l);
            most = width > most ? width : most;
        }
    return most;
}

/* ---- conditions ---- */

/* What heads share is carried over of all of them. */
static int check_groups(const ns_patch_run *r, int i)
{
    const ns_head a = r->p->heads[i];
    const int64_t size = ns_heads_sharing(r->arch, ns_patch_point(r->p->site), a.layer);
    const char *const group = ns_arch_row_kind(r->arch, a.layer) == NS_ROW_SOFTMAX
        ? "KV group, so they have the same keys and values" : "group, which has what this site carries over";
    for (int k = 0; k < i; k++) {
        const ns_head b = r->p->heads[k];
        if (a.layer == b.layer && a.head / size == b.head / size)
            return ns_fail(r->err, NS_E_ARG, "heads %lld.%lld and %lld.%lld are of one %s: name one of them", (long long)b.layer,
                           (long long)b.head, (long long)a.layer, (long long)a.head, group);
    }
    return NS_OK;
}

int ns_patch_check_head(const ns_patch_run *r, ns_head at)
{
    const long long l = at.layer, h = at.head;
    const ns_attn *const attn = l >= 0 && l < r->out->L ? ns_arch_attn(r->arch, l) : NULL;
    if (l < 0 || l >= r->out->L)
        return ns_fail(r->err, NS_E_ARG, "head %lld.%lld: the model has layers 0 to %lld", l, h, (long long)r->out->L - 1);
    if (!attn)
        return ns_fail(r->err, NS_E_ARG, "head %lld.%lld: layer %lld has no heads", l, h, l);
    if (h < 0 || h >= attn->n_heads)
        return ns_fail(r->err, NS_E_ARG, "head %lld.%lld: layer %lld has heads 0 to %lld", l, h, l, (long long)attn->n_heads - 1);
    return NS_OK;
}

static int check_heads(const ns_patch_run *r)
{
    int rc = ns_patch_check_paths(r);
    for (int i = 0; i < r->p->n_heads && rc == NS_OK; i++) {
        rc = ns_patch_check_head(r, r->p->heads[i]);
        for (int k = 0; k < i && rc == NS_OK; k++)
            if (ns_head_is(r->p->heads[k], r->p->heads[i]))
                rc = ns_fail(r->err, NS_E_ARG, "head %lld.%lld is named twice", (long long)r->p->heads[i].layer,
                             (long long)r->p->heads[i].head);
        rc = rc != NS_OK ? rc : check_groups(r, i);
    }
    const bool set = r->p->n_heads > 0 || r->p->n_paths > 0;
    if (rc == NS_OK && !set && r->p->draws > 0)
        return ns_fail(r->err, NS_E_ARG, "draws are of the controls of a set of heads, and there is no set");
    if (rc == NS_OK && !set && r->p->no_map)
        return ns_fail(r->err, NS_E_ARG, "nothing to patch: neither a set of heads nor the map");
    return rc;
}

ns_patch_condition *ns_patch_add(ns_patching *o, ns_patch_kind kind, int n_heads, int draw)
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
                                  .of = ns_patch_point(p->site)};
    ns_patch_condition *c = ns_patch_add(r->out, NS_PATCH_TARGET, p->n_heads, -1);
    int rc = c ? ns_controls_draw(controls, &matching, draws, p->seed, r->err) : ns_oom(r->err, "conditions");
    if (rc == NS_OK)
        memcpy(c->heads, p->heads, (size_t)p->n_heads * sizeof *c->heads);
    for (int i = 0; i < draws && rc == NS_OK; i++) {
        c = ns_patch_add(r->out, NS_PATCH_CONTROL, p->n_heads, i);
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
    const bool map = !r->p->no_map && !r->p->n_paths;
    o->list = ns_alloc_array((size_t)(4 + draws + r->p->n_paths + LH), sizeof *o->list);
    ns_patch_condition *const none = o->list ? ns_patch_add(o, NS_PATCH_NONE, 0, -1) : NULL, *const every = none
        ? ns_patch_add(o, NS_PATCH_EVERYTHING, (int)LH, -1) : NULL;
    int rc = every ? NS_OK : ns_oom(r->err, "conditions");
    if (rc == NS_OK && r->p->n_heads)
        rc = add_set(r, draws);
    if (rc == NS_OK && r->p->n_paths)
        rc = ns_patch_add_paths(r, draws);
    if (rc == NS_OK)
        every->n_heads = 0;
    for (int64_t l = 0; l < o->L && rc == NS_OK; l++) {
        const ns_attn *const attn = ns_arch_attn(r->arch, l);
        for (int64_t h = 0; attn && h < attn->n_heads && rc == NS_OK; h++) {
            ns_patch_condition *const one = map ? ns_patch_add(o, NS_PATCH_HEAD, 1, -1) : NULL;
            every->heads[every->n_heads++] = (ns_head){l, h};
            if (one)
                one->heads[0] = (ns_head){l, h};
            else if (map)
                rc = ns_oom(r->err, "conditions");
            o->n_map += one != NULL;
        }
    }
    return rc;
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

int ns_patch_prepare(ns_patch_run *r, const ns_cases *cases)
{
    ns_patching *const o = r->out;
    o->L = r->arch->n_layers;
    o->H = ns_arch_max_heads(r->arch);
    o->site = r->p->site;
    o->all_rows = r->p->all_rows;
    o->noising = r->p->noising;
    o->of_paths = r->p->n_paths > 0;
    o->seed = r->p->seed;
    int rc = check_heads(r);
    rc = rc != NS_OK ? rc : ns_patch_pairs(r, cases);
    rc = rc != NS_OK ? rc : describe_model(r);
    return rc != NS_OK ? rc : allocate_sources(r);
}

int ns_patch(ns_patching **out, const ns_model *model, const ns_cases *cases, const ns_patch_params *params, ns_error *err)
{
    *out = NULL;
    ns_patching *const o = ns_alloc_array(1, sizeof *o);
    if (!o)
        return ns_oom(err, "a patching");
    ns_patch_run r = {.model = model, .arch = ns_model_arch(model), .p = params, .out = o, .err = err,
                      .work = {params->progress, params->cancelled, params->user, 0, 0}, .d = ns_patch_width(ns_model_arch(model))};
    snprintf(o->scores_sha256, sizeof o->scores_sha256, "%s", params->scores_sha256 ? params->scores_sha256 : "");
    int rc = ns_patch_prepare(&r, cases);
    rc = rc != NS_OK ? rc : ns_patch_sources(&r);
    rc = rc != NS_OK ? rc : plan(&r);
    rc = rc != NS_OK ? rc : allocate_conditions(&r);
    rc = rc != NS_OK ? rc : ns_patch_conditions(&r);
    rc = rc != NS_OK ? rc : ns_patch_reduce(&r);
    rc = rc != NS_OK ? rc : ns_provenance_of_model(&o->made_with, model, err);
    o->scores_are_of = ns_scores_are_of(params->scores_sha256, params->scores_arch_sha256, &o->made_with);
    rc = rc != NS_OK ? rc : ns_provenance_of_cases(&o->made_with, cases, err);
    ns_patch_end_paths(&r);
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
    for (int i = 0; i < o->n; i++) {
        free(o->list[i].heads);
        free(o->list[i].paths);
    }
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
