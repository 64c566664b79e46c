/* attribute_write.c - what an attribution says, and attribution.h5. */
#include "attribute.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "training/telling.h"

/* ---- in words ---- */

static void row(const ns_answer *a, const ns_patch_condition *c)
{
    char name[NS_PATH_TEXT];
    ns_patch_condition_name(c, name);
    tell_text(a, name);
    tell_number(a, c->recovery.value);
    tell_number(a, c->recovery.low);
    tell_number(a, c->recovery.high);
}

static const ns_patch_condition *anew_of(const ns_attribution *o, int map)
{
    return o->recomputed ? &o->estimate->list[map - o->estimate->n_map] : NULL;
}

/* The gate of the head that the condition of the map is of. */
static int gate_at(const ns_attribution *o, int map)
{
    return map - o->estimate->n_map * (o->recomputed ? 2 : 1);
}

static double patched_of(const ns_attribution *o, const ns_patch_condition *c)
{
    return o->patched ? (double)o->patched[c->heads[0].layer * o->estimate->H + c->heads[0].head] : (double)NAN;
}

static void tell_heads(const ns_attribution *o, const char *key, const char *title, const int *order, int64_t n, const ns_answer *a)
{
    const ns_column columns[] = {{"head", "head", NS_CELL_TEXT}, {"attribution", "attribution", NS_CELL_NUMBER},
                                 {"low", "95% from", NS_CELL_NUMBER}, {"high", "to", NS_CELL_NUMBER},
                                 {"recomputed", "pattern anew", NS_CELL_NUMBER}, {"patched", "patched", NS_CELL_NUMBER},
                                 {"gate", "silenced", NS_CELL_NUMBER}};
    a->table(a->user, key, title, columns, (int)(sizeof columns / sizeof *columns) - !o->gated);
    for (int64_t i = 0; i < n; i++) {
        const ns_patch_condition *const c = &o->estimate->list[order[i]], *const anew = anew_of(o, order[i]);
        row(a, c);
        tell_number(a, anew ? anew->recovery.value : (double)NAN);
        tell_number(a, patched_of(o, c));
        if (o->gated)
            tell_number(a, o->estimate->list[gate_at(o, order[i])].recovery.value);
    }
    a->end(a->user);
}

static double off(const ns_attribution *o, int k)
{
    const double d = fabs(o->estimate->list[k].recovery.value - patched_of(o, &o->estimate->list[k]));
    return isnan(d) ? -1 : d;
}

/* The heads that differ most from their patch; by layer and head where they tie. */
static void order_worst(const ns_attribution *o, int *order)
{
    const int n = o->estimate->n_map, first = o->estimate->n - n;
    for (int i = 0; i < n; i++) {
        int at = i;
        for (; at > 0 && off(o, first + i) > off(o, order[at - 1]); at--)
            order[at] = order[at - 1];
        order[at] = first + i;
    }
}

static void tell_edges(const ns_attribution *o, const ns_answer *a)
{
    const ns_column columns[] = {{"edge", "edge", NS_CELL_TEXT}, {"attribution", "attribution", NS_CELL_NUMBER},
                                 {"low", "95% from", NS_CELL_NUMBER}, {"high", "to", NS_CELL_NUMBER}};
    a->table(a->user, "edges", o->n_edges ? "The strongest edges" : NULL, columns, 4);
    for (int k = 0; k < o->n_edges; k++)
        row(a, &o->estimate->list[1 + k]);
    a->end(a->user);
}

void ns_attribution_tell(const ns_attribution *o, int64_t list, const ns_answer *a)
{
    const ns_patching *const p = o->estimate;
    int *const order = ns_alloc_array((size_t)p->n_map + 1, sizeof *order);
    const int64_t n = list < p->n_map ? list : p->n_map;
    tell_fact(a, "site", "site", ns_patch_site_name(p->site));
    tell_fact(a, "rows", "rows", p->all_rows ? "all" : "answer");
    tell_fact(a, "direction", "direction", p->noising ? "noising" : "denoising");
    tell_fact_integer(a, "n_pairs", "pairs", p->C);
    tell_fact_integer(a, "n_prompts", "prompts (intervals from 5 on)", p->n_prompts);
    if (o->steps) {
        tell_fact_integer(a, "steps", "steps of the integral", o->steps);
        tell_fact_number(a, "completeness", "what it finds of the difference", ns_attribution_completeness(o));
    }
    if (o->patched) {
        tell_fact_integer(a, "n_heads", "heads beside the patching", o->check.n);
        tell_fact_number(a, "spearman", "Spearman with the patching", o->check.spearman);
        if (o->recomputed)
            tell_fact_number(a, "spearman_recomputed", "with the pattern anew", o->check.recomputed_spearman);
        tell_fact_number(a, "largest_difference", "largest difference", o->check.most);
    }
    if (order) {
        ns_patching_rank(p, order);
        tell_heads(o, "heads", "Heads, the best ones", order, n, a);
        tell_edges(o, a);
        if (o->patched) {
            order_worst(o, order);
            tell_heads(o, "worst", "Where it is farthest from the patching", order, n, a);
        }
    }
    free(order);
}

/* ---- the file ---- */

static const ns_score_meaning recovery = {.lo = -INFINITY, .hi = INFINITY};

static double value_of(const ns_recovery *r) { return r->value; }
static double low_of(const ns_recovery *r)   { return r->low; }
static double high_of(const ns_recovery *r)  { return r->high; }

/* Over layer and head, from condition `first` on; or over the edges that are listed. */
static int put(ns_table_writer *w, const ns_attribution *o, const char *name, int first, double (*of)(const ns_recovery *), bool edges,
               const char *summary, ns_error *err)
{
    const ns_patching *const p = o->estimate;
    const int64_t shape[2] = {edges ? o->n_edges : p->L, p->H}, n = edges ? o->n_edges : p->L * p->H;
    float *const x = ns_alloc_array((size_t)n + 1, sizeof *x);
    if (!x)
        return ns_oom(err, name);
    for (int64_t i = 0; i < n; i++)
        x[i] = NAN;
    for (int k = 0; k < (edges ? o->n_edges : p->n_map); k++) {
        const ns_patch_condition *const c = &p->list[first + k];
        x[edges ? k : c->heads[0].layer * p->H + c->heads[0].head] = (float)of(&c->recovery);
    }
    const ns_view view = ns_view_of(x, NS_F32, edges ? 1 : 2, shape);
    int rc = ns_table_array(w, name, edges ? "edge" : "layer head", &view, summary, err);
    if (rc == NS_OK && !edges && of == value_of)
        rc = ns_table_meaning(w, name, &recovery, err);
    free(x);
    return rc;
}

static int put_heads(ns_table_writer *w, const ns_attribution *o, ns_error *err)
{
    const ns_patching *const p = o->estimate;
    const int map = p->n - p->n_map, anew = map - p->n_map;
    const int64_t heads[2] = {p->L, p->H};
    const ns_view window = ns_view_of(p->window, NS_I64, 2, heads), patched = ns_view_of(o->patched, NS_F32, 2, heads);
    int rc = ns_table_strings(w, "layer_kind", "layer", p->layer_kind, p->L, err);
    rc = rc != NS_OK ? rc : ns_table_array(w, "window", "layer head", &window, "keys that a row of the head sees; 0 = all", err);
    rc = rc != NS_OK ? rc : put(w, o, "attribution", map, value_of, false, "sum of (x source - x destination) . dd/dx, as a recovery", err);
    rc = rc != NS_OK ? rc : put(w, o, "attribution_low", map, low_of, false, "95 % over resampled prompts: from", err);
    rc = rc != NS_OK ? rc : put(w, o, "attribution_high", map, high_of, false, "to", err);
    if (rc == NS_OK && o->recomputed) {
        rc = put(w, o, "recomputed", anew, value_of, false, "the same with the pattern computed anew (AtP*)", err);
        rc = rc != NS_OK ? rc : put(w, o, "recomputed_low", anew, low_of, false, "95 %: from", err);
        rc = rc != NS_OK ? rc : put(w, o, "recomputed_high", anew, high_of, false, "to", err);
    }
    if (rc == NS_OK && o->gated) {
        const int gate = gate_at(o, map);
        rc = put(w, o, "gate", gate, value_of, false, "silencing the head, to first order: -z destination . dd/dz, as a recovery", err);
        rc = rc != NS_OK ? rc : put(w, o, "gate_low", gate, low_of, false, "95 %: from", err);
        rc = rc != NS_OK ? rc : put(w, o, "gate_high", gate, high_of, false, "to", err);
    }
    if (rc == NS_OK && o->patched)
        rc = ns_table_array(w, "patched", "layer head", &patched, "recovery in the patching that it was held against", err);
    return rc;
}

/* Of each pair and head, from condition `first` on. */
static int put_each(ns_table_writer *w, const ns_patching *p, const char *name, int first, ns_error *err)
{
    const int64_t shape[3] = {p->C, p->L, p->H}, LH = p->L * p->H;
    float *const x = ns_alloc_array((size_t)(p->C * LH), sizeof *x);
    if (!x)
        return ns_oom(err, "the attributions of pairs");
    for (int64_t i = 0; i < p->C * LH; i++)
        x[i] = NAN;
    for (int k = first; k < first + p->n_map; k++)
        for (int64_t i = 0; i < p->C; i++)
            x[i * LH + p->list[k].heads[0].layer * p->H + p->list[k].heads[0].head] = p->difference[k * p->C + i] - p->difference[i];
    const ns_view each = ns_view_of(x, NS_F32, 3, shape);
    const int rc = ns_table_array(w, name, "case layer head", &each, "of d", err);
    free(x);
    return rc;
}

static int put_cases(ns_table_writer *w, const ns_attribution *o, ns_error *err)
{
    const ns_patching *const p = o->estimate;
    const int64_t shape[1] = {p->C};
    const int map = p->n - p->n_map;
    const ns_view source = ns_view_of(p->source_difference, NS_F32, 1, shape), own = ns_view_of(p->difference, NS_F32, 1, shape),
                  right = ns_view_of(p->source_right, NS_U8, 1, shape), along = ns_view_of(o->integral, NS_F32, 1, shape);
    int rc = put_each(w, p, "case_attribution", map, err);
    rc = rc != NS_OK || !o->gated ? rc : put_each(w, p, "case_gate", gate_at(o, map), err);
    if (rc == NS_OK && o->integral)
        rc = ns_table_array(w, "integral", "case", &along, "(source - destination) . mean gradient of the embeddings: source_difference - "
                                                           "difference, were the steps enough", err);
    rc = rc != NS_OK ? rc : ns_table_array(w, "difference", "case", &own, "d: logit of the source's answer - of the destination's", err);
    rc = rc != NS_OK ? rc : ns_table_array(w, "source_difference", "case", &source, "d of the source's own run", err);
    rc = rc != NS_OK ? rc : ns_table_array(w, "source_right", "case", &right, "1 where the source's own run says its answer", err);
    rc = rc != NS_OK ? rc : ns_table_strings(w, "case_id", "case", (const char *const *)p->case_id, p->C, err);
    rc = rc != NS_OK ? rc : ns_table_strings(w, "source_id", "case", (const char *const *)p->source_id, p->C, err);
    return rc;
}

static int put_names(ns_table_writer *w, const ns_attribution *o, ns_error *err)
{
    char **const names = ns_alloc_array((size_t)o->n_edges + 1, sizeof *names);
    bool good = names != NULL;
    for (int k = 0; k < o->n_edges && good; k++) {
        char one[NS_PATH_TEXT];
        ns_path_format(o->estimate->list[1 + k].paths, one);
        good = (names[k] = ns_strdup(one)) != NULL;
    }
    const int rc = good ? ns_table_strings(w, "edge_name", "edge", (const char *const *)names, o->n_edges, err) : ns_oom(err, "edges");
    ns_free_strings(names, o->n_edges);
    return rc;
}

static int put_senders(ns_table_writer *w, const ns_attribution *o, ns_error *err)
{
    const int64_t S = o->n_senders;
    int64_t *const at = ns_alloc_array((size_t)(2 * S), sizeof *at);
    if (!at)
        return ns_oom(err, "senders");
    for (int64_t s = 0; s < S; s++) {
        at[s] = o->senders[s].layer;
        at[S + s] = o->senders[s].head;
    }
    const ns_view layer = ns_view_of(at, NS_I64, 1, &S), head = ns_view_of(at + S, NS_I64, 1, &S);
    int rc = ns_table_array(w, "sender_layer", "sender", &layer, "the layer of a sender", err);
    rc = rc != NS_OK ? rc : ns_table_array(w, "sender_head", "sender", &head, "the head of a sender", err);
    free(at);
    return rc;
}

static int put_edges(ns_table_writer *w, const ns_attribution *o, ns_error *err)
{
    static const char *const names[] = {"edge_q", "edge_k", "edge_v"}, *const axes[] = {"sender layer head", "sender layer kv_head",
                                                                                        "sender layer kv_head"};
    int rc = ns_table_count(w, "sender", o->n_senders, err);
    rc = rc != NS_OK ? rc : ns_table_count(w, "kv_head", o->n_kv, err);
    rc = rc != NS_OK || !o->n_edges ? rc : ns_table_count(w, "edge", o->n_edges, err);
    rc = rc != NS_OK ? rc : put_senders(w, o, err);
    for (int of = 0; of < 3 && rc == NS_OK; of++) {
        const int64_t shape[3] = {o->n_senders, o->estimate->L, of ? o->n_kv : o->estimate->H};
        const ns_view view = ns_view_of(o->edge[of], NS_F32, 3, shape);
        rc = ns_table_array(w, names[of], axes[of], &view, "what a sender's part does to d through this input, mean over pairs", err);
    }
    if (rc != NS_OK || !o->n_edges)
        return rc;
    rc = put_names(w, o, err);
    rc = rc != NS_OK ? rc : put(w, o, "edge_attribution", 1, value_of, true, "of the strongest edges", err);
    rc = rc != NS_OK ? rc : put(w, o, "edge_low", 1, low_of, true, "95 %: from", err);
    return rc != NS_OK ? rc : put(w, o, "edge_high", 1, high_of, true, "to", err);
}

int ns_attribution_write(const ns_attribution *o, const char *path, const ns_provenance *by, ns_error *err)
{
    const ns_patching *const p = o->estimate;
    char seed[32], steps[16], *const dropped = ns_drops_text(&(ns_drops){p->dropped, p->n_reasons});
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)p->seed);
    snprintf(steps, sizeof steps, "%d", o->steps);
    const ns_fact own[] = {{"kind", "attribution", false}, {"site", ns_patch_site_name(p->site), false},
                           {"rows", p->all_rows ? "all" : "answer", false}, {"direction", p->noising ? "noising" : "denoising", false},
                           {"seed", seed, false}, {"cases_sha256", p->cases_sha256, false}, {"dropped", dropped ? dropped : "", false},
                           {"steps", steps, false}};
    ns_fact_list facts = {0};
    ns_table_writer *w = NULL;
    int rc = dropped ? NS_OK : ns_oom(err, "facts");
    rc = rc != NS_OK ? rc : ns_fact_list_add_all(&facts, own, (int)(sizeof own / sizeof *own) - !o->steps, err);
    rc = rc != NS_OK ? rc : ns_fact_list_join(&facts, &p->made_with, err);
    rc = rc != NS_OK ? rc : ns_table_create_by(&w, path, &facts, by, err);
    ns_fact_list_clear(&facts);
    rc = rc != NS_OK ? rc : ns_table_count(w, "case", p->C, err);
    rc = rc != NS_OK ? rc : ns_table_count(w, "layer", p->L, err);
    rc = rc != NS_OK ? rc : ns_table_count(w, "head", p->H, err);
    rc = rc != NS_OK ? rc : put_heads(w, o, err);
    rc = rc != NS_OK ? rc : put_cases(w, o, err);
    rc = rc != NS_OK || !o->edge[0] ? rc : put_edges(w, o, err);
    free(dropped);
    return ns_table_end(w, rc, err);
}
