/* patch_write.c - patching.h5: axes condition, case, layer, head; sets over conditions, the map over layers and heads, what every pair
 * gave. */
#include "patch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "draws.h"

static const char *const kinds[] = {"none", "everything", "target", "control", "head", "senders", "path"};

typedef struct column { const char *name, *summary; double (*value)(const ns_patch_condition *); } column;

static double value_of(const ns_patch_condition *c)   { return c->recovery.value; }
static double low_of(const ns_patch_condition *c)     { return c->recovery.low; }
static double high_of(const ns_patch_condition *c)    { return c->recovery.high; }
static double flipped_of(const ns_patch_condition *c) { return c->flipped; }
static double draw_of(const ns_patch_condition *c)    { return c->draw; }
static double in_layer_of(const ns_patch_condition *c) { return c->layer_matched; }
static double matched_of(const ns_patch_condition *c) { return c->kind == NS_PATCH_CONTROL ? c->matched : NAN; }

/* What a score of the map means: a recovery of 0 is that of a head that carries nothing over. */
static const ns_score_meaning recovery = {.lo = -INFINITY, .hi = INFINITY}, share = {.hi = 1, .chance = (double)NAN};

/* Of the map under these names, of the sets with set_ before them. */
static const column columns[] = {
    {"recovery", "(d patched - d destination) / (d source - d destination), sums over pairs", value_of},
    {"recovery_low", "95 % of recovery over resampled prompts: from", low_of},
    {"recovery_high", "to", high_of},
    {"flipped", "share of pairs whose most likely token is the source's answer", flipped_of},
};
static const column of_sets[] = {
    {"draw", "number of the control; -1 otherwise", draw_of},
    {"layer_matched", "1 where each control head lies in the layer of the head it stands for", in_layer_of},
    {"matched", "1 where each control head has a norm like that of the head it stands for, 0 where one has not; NaN: no control",
     matched_of},
};

static int put_set(ns_table_writer *w, const ns_patching *o, const char *before, const column *c, ns_error *err)
{
    const int64_t n = o->n - o->n_map;
    char name[48];
    float *const values = ns_alloc_array((size_t)n, sizeof *values);
    if (!values)
        return ns_oom(err, c->name);
    for (int64_t i = 0; i < n; i++)
        values[i] = (float)c->value(&o->list[i]);
    const ns_view view = ns_view_of(values, NS_F32, 1, &n);
    snprintf(name, sizeof name, "%s%s", before, c->name);
    const int rc = ns_table_array(w, name, "condition", &view, c->summary, err);
    free(values);
    return rc;
}

static int put_map(ns_table_writer *w, const ns_patching *o, const column *c, ns_error *err)
{
    const int64_t shape[2] = {o->L, o->H};
    float *const values = ns_alloc_array((size_t)(o->L * o->H), sizeof *values);
    if (!values)
        return ns_oom(err, c->name);
    for (int64_t i = 0; i < o->L * o->H; i++)
        values[i] = NAN;
    for (int k = o->n - o->n_map; k < o->n; k++)
        values[o->list[k].heads[0].layer * o->H + o->list[k].heads[0].head] = (float)c->value(&o->list[k]);
    const ns_view view = ns_view_of(values, NS_F32, 2, shape);
    int rc = ns_table_array(w, c->name, "layer head", &view, c->summary, err);
    if (rc == NS_OK && c->value != low_of && c->value != high_of)
        rc = ns_table_meaning(w, c->name, c->value == flipped_of ? &share : &recovery, err);
    free(values);
    return rc;
}

static int put_columns(ns_table_writer *w, const ns_patching *o, ns_error *err)
{
    int rc = NS_OK;
    for (size_t k = 0; k < sizeof columns / sizeof *columns && rc == NS_OK; k++)
        rc = put_set(w, o, "set_", &columns[k], err);
    for (size_t k = 0; k < sizeof of_sets / sizeof *of_sets && rc == NS_OK; k++)
        rc = put_set(w, o, "", &of_sets[k], err);
    for (size_t k = 0; k < sizeof columns / sizeof *columns && rc == NS_OK && o->n_map; k++)
        rc = put_map(w, o, &columns[k], err);
    return rc;
}

static ns_set set_at(const void *of, int i)
{
    const ns_patching *const o = of;
    return (ns_set){o->list[i].heads, o->list[i].n_heads};
}

/* The edges of each condition, where there are edges. */
static int put_paths(ns_table_writer *w, const ns_patching *o, int n, ns_error *err)
{
    char **const text = ns_alloc_array((size_t)n, sizeof *text), one[NS_PATH_TEXT];
    bool good = text != NULL;
    for (int k = 0; good && k < n; k++) {
        const ns_patch_condition *const c = &o->list[k];
        text[k] = ns_strdup("");
        for (int i = 0; i < c->n_paths && text[k]; i++) {
            char *const before = text[k];
            ns_path_format(&c->paths[i], one);
            text[k] = ns_printf_alloc("%s%s%s", before, i ? "," : "", one);
            free(before);
        }
        good = text[k] != NULL;
    }
    const int rc = good ? ns_table_strings(w, "paths", "condition", (const char *const *)text, n, err) : ns_oom(err, "paths");
    ns_free_strings(text, n);
    return rc;
}

static int put_words(ns_table_writer *w, const ns_patching *o, ns_error *err)
{
    const int n = o->n - o->n_map;
    const char **const text = ns_alloc_array((size_t)n, sizeof *text);
    int rc = text ? NS_OK : ns_oom(err, "conditions");
    for (int i = 0; rc == NS_OK && i < n; i++)
        text[i] = kinds[o->list[i].kind];
    if (rc == NS_OK)
        rc = ns_table_strings(w, "kind", "condition", text, n, err);
    free(text);
    rc = rc != NS_OK ? rc : ns_sets_write(w, set_at, o, n, err);
    return rc != NS_OK || !o->of_paths ? rc : put_paths(w, o, n, err);
}

/* [C, L, H] out of the map's conditions. */
static int put_map_cases(ns_table_writer *w, const ns_patching *o, ns_error *err)
{
    const int64_t shape[3] = {o->C, o->L, o->H}, LH = o->L * o->H;
    float *const d = ns_alloc_array((size_t)(o->C * LH), sizeof *d);
    if (!d)
        return ns_oom(err, "the map");
    for (int64_t i = 0; i < o->C * LH; i++)
        d[i] = NAN;
    for (int k = o->n - o->n_map; k < o->n; k++)
        for (int64_t i = 0; i < o->C; i++)
            d[i * LH + o->list[k].heads[0].layer * o->H + o->list[k].heads[0].head] = o->difference[k * o->C + i];
    const ns_view view = ns_view_of(d, NS_F32, 3, shape);
    const int rc = ns_table_array(w, "map_difference", "case layer head", &view, "d with that head patched", err);
    free(d);
    return rc;
}

static int put_cells(ns_table_writer *w, const ns_patching *o, ns_error *err)
{
    const int64_t cells[2] = {o->n - o->n_map, o->C}, heads[2] = {o->L, o->H};
    const ns_view difference = ns_view_of(o->difference, NS_F32, 2, cells), says = ns_view_of(o->says_source, NS_U8, 2, cells),
                  source = ns_view_of(o->source_difference, NS_F32, 1, &o->C), right = ns_view_of(o->source_right, NS_U8, 1, &o->C),
                  norm = ns_view_of(o->norm, NS_F32, 2, heads), window = ns_view_of(o->window, NS_I64, 2, heads);
    int rc = ns_table_strings(w, "case_id", "case", (const char *const *)o->case_id, o->C, err);
    rc = rc != NS_OK ? rc : ns_table_strings(w, "source_id", "case", (const char *const *)o->source_id, o->C, err);
    rc = rc != NS_OK ? rc : ns_table_strings(w, "layer_kind", "layer", o->layer_kind, o->L, err);
    rc = rc != NS_OK ? rc : ns_table_array(w, "window", "layer head", &window, "keys that a row of the head sees; 0 = all", err);
    rc = rc != NS_OK ? rc : ns_table_array(w, "z_norm", "layer head", &norm, "mean |z W_O| over the answer rows of the sources", err);
    if (rc == NS_OK)
        rc = ns_table_array(w, "difference", "condition case", &difference,
                            "d: logit of the source's answer - of the destination's, first content tokens", err);
    if (rc == NS_OK)
        rc = ns_table_array(w, "says_source", "condition case", &says, "1 where the most likely token is the source's answer", err);
    rc = rc != NS_OK ? rc : ns_table_array(w, "source_difference", "case", &source, "d of the source's own run", err);
    rc = rc != NS_OK ? rc : ns_table_array(w, "source_right", "case", &right, "1 where the source's own run says its answer", err);
    rc = rc != NS_OK ? rc : ns_controls_write(&o->controls, w, err);
    return rc != NS_OK || !o->n_map ? rc : put_map_cases(w, o, err);
}

int ns_patching_write(const ns_patching *o, const char *path, const ns_provenance *by, ns_error *err)
{
    char seed[32], *const dropped = ns_drops_text(&(ns_drops){o->dropped, o->n_reasons});
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)o->seed);
    const ns_fact own[] = {{"kind", "patching", false}, {"site", ns_patch_site_name(o->site), false},
                           {"rows", o->all_rows ? "all" : "answer", false}, {"direction", o->noising ? "noising" : "denoising", false},
                           {"seed", seed, false}, {"cases_sha256", o->cases_sha256, false}, {"dropped", dropped ? dropped : "", false},
                           {"scores_are_of", o->scores_are_of ? o->scores_are_of : "", false},
                           {"scores_weights_sha256", o->scores_sha256, false}};
    const int n_own = (int)(sizeof own / sizeof *own) - (o->scores_are_of ? 0 : 2);         /* the last two are of heads chosen by scores */
    ns_fact_list facts = {0};
    ns_table_writer *w = NULL;
    int rc = dropped ? NS_OK : ns_oom(err, "facts");
    rc = rc != NS_OK ? rc : ns_fact_list_add_all(&facts, own, n_own, err);
    rc = rc != NS_OK ? rc : ns_fact_list_join(&facts, &o->made_with, err);
    rc = rc != NS_OK ? rc : ns_table_create_by(&w, path, &facts, by, err);
    ns_fact_list_clear(&facts);
    rc = rc != NS_OK ? rc : ns_table_count(w, "condition", o->n - o->n_map, err);
    rc = rc != NS_OK ? rc : ns_table_count(w, "case", o->C, err);
    rc = rc != NS_OK ? rc : ns_table_count(w, "layer", o->L, err);
    rc = rc != NS_OK ? rc : ns_table_count(w, "head", o->H, err);
    rc = rc != NS_OK ? rc : put_words(w, o, err);
    rc = rc != NS_OK ? rc : put_columns(w, o, err);
    rc = rc != NS_OK ? rc : put_cells(w, o, err);
    free(dropped);
    return ns_table_end(w, rc, err);
}
