/* ablate_write.c - ablation.h5: axes condition, case, layer, head; conditions in words, what every case gave under each. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ablate.h"
#include "draws.h"

static const char *const kinds[] = {"none", "noop", "target", "control"};
static const char *const scopes[] = {"all", "prefill", "decode"};

static ns_set set_at(const void *of, int i)
{
    const ns_ablation *const o = of;
    return (ns_set){o->list[i].heads, o->list[i].n_heads};
}

static int put_words(ns_table_writer *w, const ns_ablation *o, ns_error *err)
{
    const char **const text = ns_alloc_array((size_t)o->n, sizeof *text);
    int rc = text ? NS_OK : ns_oom(err, "conditions");
    for (int i = 0; rc == NS_OK && i < o->n; i++)
        text[i] = kinds[o->list[i].kind];
    if (rc == NS_OK)
        rc = ns_table_strings(w, "kind", "condition", text, o->n, err);
    for (int i = 0; rc == NS_OK && i < o->n; i++)
        text[i] = o->list[i].kind == NS_CONDITION_NONE ? "none" : ns_edit_mode_name(o->list[i].mode);
    if (rc == NS_OK)
        rc = ns_table_strings(w, "mode", "condition", text, o->n, err);
    free(text);
    return rc != NS_OK ? rc : ns_sets_write(w, set_at, o, o->n, err);
}

typedef struct column { const char *name, *summary; double (*value)(const ns_condition *); } column;

static double first_of(const ns_condition *c)    { return c->first; }
static double rest_of(const ns_condition *c)     { return c->rest; }
static double answered_of(const ns_condition *c) { return c->answered; }
static double margin_of(const ns_condition *c)   { return c->margin; }
static double margin_first_of(const ns_condition *c) { return c->margin_first; }
static double loss_of(const ns_condition *c)     { return c->loss; }
static double hidden_of(const ns_condition *c)   { return c->hidden; }
static double draw_of(const ns_condition *c)     { return c->draw; }
static double in_layer_of(const ns_condition *c) { return c->layer_matched; }
static double matched_of(const ns_condition *c)  { return c->kind == NS_CONDITION_CONTROL && c->mode != NS_EDIT_KNOCKOUT_OTHERS
                                                  ? c->matched : NAN; }

static const column columns[] = {
    {"first_accuracy", "share of cases whose first content token is the most likely one", first_of},
    {"rest_accuracy", "share of the other content tokens that are the most likely ones, given the true ones before", rest_of},
    {"answered_share", "share of cases with all content tokens right", answered_of},
    {"margin_mean", "gold logit minus the best other logit, mean over content tokens and cases", margin_of},
    {"margin_first_mean", "the same, of the first content token", margin_first_of},
    {"loss", "next-token loss in nats on prompt rows outside needle, answer and question, edited at all rows", loss_of},
    {"hidden_share", "knockout_others: weight of the keys that it hid / the needle's weight, at most 1; NaN: another mode", hidden_of},
    {"draw", "number of the control; -1 otherwise", draw_of},
    {"layer_matched", "1 where each control head lies in the layer of the head it stands for", in_layer_of},
    {"matched", "1 where each control head has a norm like that of the head it stands for, 0 where one has not; NaN: no such control",
     matched_of},
};

static int put_columns(ns_table_writer *w, const ns_ablation *o, ns_error *err)
{
    const int64_t n = o->n;
    float *const values = ns_alloc_array((size_t)n, sizeof *values);
    int rc = values ? NS_OK : ns_oom(err, "conditions");
    for (size_t k = 0; k < sizeof columns / sizeof *columns && rc == NS_OK; k++) {
        for (int64_t i = 0; i < n; i++)
            values[i] = (float)columns[k].value(&o->list[i]);
        const ns_view view = ns_view_of(values, NS_F32, 1, &n);
        rc = ns_table_array(w, columns[k].name, "condition", &view, columns[k].summary, err);
    }
    free(values);
    return rc;
}

static int put_cells(ns_table_writer *w, const ns_ablation *o, ns_error *err)
{
    const int64_t cells[2] = {o->n, o->n_cases}, heads[2] = {o->L, o->H};
    const ns_view first = ns_view_of(o->first_right, NS_U8, 2, cells), right = ns_view_of(o->content_right, NS_I64, 2, cells),
                  margin = ns_view_of(o->margin, NS_F32, 2, cells), margin_first = ns_view_of(o->margin_first, NS_F32, 2, cells),
                  content = ns_view_of(o->content, NS_I64, 1, &o->n_cases), norm = ns_view_of(o->norm, NS_F32, 2, heads),
                  in_loss = ns_view_of(o->in_loss, NS_U8, 1, &o->n_cases);
    int rc = ns_table_strings(w, "case_id", "case", (const char *const *)o->case_id, o->n_cases, err);
    rc = rc != NS_OK ? rc : ns_table_array(w, "n_content", "case", &content, "content tokens of the answer", err);
    rc = rc != NS_OK ? rc : ns_table_array(w, "in_loss", "case", &in_loss, "1 where the case is behind the losses", err);
    if (rc == NS_OK)
        rc = ns_table_array(w, "first_right", "condition case", &first, "1 where the first content token is the most likely one", err);
    if (rc == NS_OK)
        rc = ns_table_array(w, "content_right", "condition case", &right, "content tokens that are the most likely ones", err);
    if (rc == NS_OK)
        rc = ns_table_array(w, "margin", "condition case", &margin, "gold logit minus the best other, mean over content tokens", err);
    rc = rc != NS_OK ? rc : ns_table_array(w, "margin_first", "condition case", &margin_first, "the same, of the first content token", err);
    rc = rc != NS_OK ? rc : ns_table_array(w, "z_norm", "layer head", &norm, "mean |z W_O| over the answer rows, untouched", err);
    return rc != NS_OK ? rc : ns_controls_write(&o->controls, w, err);
}

int ns_ablation_write(const ns_ablation *o, const char *path, const ns_provenance *by, ns_error *err)
{
    char seed[32], *const dropped = ns_drops_text(&(ns_drops){o->dropped, o->n_reasons});
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)o->seed);
    const ns_fact own[] = {{"kind", "ablation", false}, {"scope", scopes[o->scope], false}, {"seed", seed, false},
                           {"cases_sha256", o->cases_sha256, false},
                           {"dropped", dropped ? dropped : "", false},
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
    rc = rc != NS_OK ? rc : ns_table_count(w, "condition", o->n, err);
    rc = rc != NS_OK ? rc : ns_table_count(w, "case", o->n_cases, err);
    rc = rc != NS_OK ? rc : ns_table_count(w, "layer", o->L, err);
    rc = rc != NS_OK ? rc : ns_table_count(w, "head", o->H, err);
    rc = rc != NS_OK ? rc : put_words(w, o, err);
    rc = rc != NS_OK ? rc : put_columns(w, o, err);
    rc = rc != NS_OK ? rc : put_cells(w, o, err);
    free(dropped);
    return ns_table_end(w, rc, err);
}
