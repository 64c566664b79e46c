/* layout.c - the parts of a recording that are known before the pass. Every case has a group of its own that opens alone, with all
 * its axes in it; what compares cases and layers is in the root. */
#include "record/layout.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- root: cases, layers, heads ---- */

static int write_index(ns_recording *r, const char *group, const char *name, int64_t n, const char *summary, ns_error *err)
{
    int32_t *const values = ns_alloc_array((size_t)n, sizeof *values);
    if (!values)
        return ns_oom(err, name);
    for (int64_t i = 0; i < n; i++)
        values[i] = (int32_t)i;
    const int rc = ns_out_scale(r->out, group, name, NS_I32, n, values, summary, err);
    free(values);
    return rc;
}

static int write_cases(ns_recording *r, ns_error *err)
{
    const ns_plan *const p = &r->plan;
    const int64_t n = p->cases->n;
    int64_t *const lengths = ns_alloc_array((size_t)n * 2, sizeof *lengths);
    const char **const texts = ns_alloc_array((size_t)n * 2, sizeof *texts);
    int rc = lengths && texts ? write_index(r, "", "case", n, "index of the case", err) : ns_oom(err, "the cases of a recording");
    for (int64_t i = 0; rc == NS_OK && i < n; i++) {
        lengths[i] = p->cases->list[i].n_tokens;
        lengths[n + i] = p->cases->list[i].n_answer;
        texts[i] = p->cases->list[i].id;
        texts[n + i] = p->list[i].group;
    }
    const ns_out_spec tokens = {
        .name = "case_tokens", .group = "", .axes = "case", .summary = "tokens of the prompt", .dtype = NS_I64, .rank = 1, .shape = {n}};
    const ns_out_spec answer = {
        .name = "case_answer", .group = "", .axes = "case", .summary = "tokens of the answer", .dtype = NS_I64, .rank = 1, .shape = {n}};
    const ns_out_spec id = {.name = "case_id", .group = "", .axes = "case", .summary = "id of the case", .rank = 1, .shape = {n}};
    const ns_out_spec group = {
        .name = "case_group", .group = "", .axes = "case", .summary = "group that holds its maps and activations", .rank = 1, .shape = {n}};
    rc = rc == NS_OK ? ns_out_array(r->out, &tokens, lengths, err) : rc;
    rc = rc == NS_OK ? ns_out_array(r->out, &answer, lengths + n, err) : rc;
    rc = rc == NS_OK ? ns_out_strings(r->out, &id, texts, err) : rc;
    rc = rc == NS_OK ? ns_out_strings(r->out, &group, texts + n, err) : rc;
    free(lengths);
    free(texts);
    return rc;
}

static int write_layers(ns_recording *r, ns_error *err)
{
    const ns_plan *const p = &r->plan;
    const int64_t L = p->arch->n_layers, H = p->n_heads;
    int64_t *const window = ns_alloc_array((size_t)(L * H), sizeof *window);
    uint8_t *const valid = ns_alloc_array((size_t)(L * H), 1);
    const char **const kind = ns_alloc_array((size_t)L, sizeof *kind);
    int rc = window && valid && kind ? NS_OK : ns_oom(err, "the layers of a recording");
    for (int64_t l = 0; rc == NS_OK && l < L; l++) {
        const ns_attn *const attn = ns_arch_attn(p->arch, l);
        kind[l] = ns_layer_kind_name(ns_arch_layer_kind(p->arch, l));
        for (int64_t h = 0; attn && h < attn->n_heads; h++) {
            window[l * H + h] = ns_attn_window(attn, h);
            valid[l * H + h] = 1;
        }
    }
    const ns_out_spec kinds = {
        .name = "layer_kind", .group = "", .axes = "layer", .summary = "full, swa or recurrent", .rank = 1, .shape = {L}};
    const ns_out_spec windows = {.name = "window",
                                 .group = "",
                                 .axes = "layer head",
                                 .summary = "keys that a row can see, itself included; 0 = all",
                                 .dtype = NS_I64,
                                 .rank = 2,
                                 .shape = {L, H}};
    const ns_out_spec valids = {.name = "head_valid",
                                .group = "",
                                .axes = "layer head",
                                .summary = "1 where the layer has this head",
                                .dtype = NS_U8,
                                .rank = 2,
                                .shape = {L, H}};
    rc = rc == NS_OK ? write_index(r, "", "layer", L, "layer of the model", err) : rc;
    rc = rc == NS_OK ? write_index(r, "", "head", H, "query head", err) : rc;
    rc = rc == NS_OK ? ns_out_strings(r->out, &kinds, kind, err) : rc;
    rc = rc == NS_OK ? ns_out_array(r->out, &windows, window, err) : rc;
    rc = rc == NS_OK ? ns_out_array(r->out, &valids, valid, err) : rc;
    free(window);
    free(valid);
    free(kind);
    return rc;
}

int ns_layout_root(ns_recording *r, ns_error *err)
{
    const int rc = write_cases(r, err);
    return rc == NS_OK ? write_layers(r, err) : rc;
}

/* ---- a case's group ---- */

/* "answer" for the rows that predict the answer, else the first span that holds the row, else "other". */
static const char *role_of(const ns_case *c, int64_t position)
{
    if (position >= c->n_tokens - 1)
        return "answer";
    for (int i = 0; i < c->n_spans; i++)
        if (position >= c->spans[i].begin && position < c->spans[i].end)
            return c->spans[i].name;
    return "other";
}

static int write_rows(ns_recording *r, const ns_plan_case *c, ns_error *err)
{
    int32_t *const positions = ns_alloc_array((size_t)c->n_rows, sizeof *positions);
    const char **const roles = ns_alloc_array((size_t)c->n_rows, sizeof *roles);
    const ns_out_spec spec = {.group = c->group,
                              .name = "row_role",
                              .axes = "row",
                              .summary = "answer, the span that holds the row, or other",
                              .rank = 1,
                              .shape = {c->n_rows}};
    int rc = positions && roles ? NS_OK : ns_oom(err, "the rows of a recording");
    for (int64_t i = 0; rc == NS_OK && i < c->n_rows; i++) {
        positions[i] = (int32_t)c->rows[i];
        roles[i] = role_of(c->c, c->rows[i]);
    }
    rc = rc == NS_OK ? ns_out_scale(r->out, c->group, "row", NS_I32, c->n_rows, positions, "query position", err) : rc;
    rc = rc == NS_OK ? ns_out_strings(r->out, &spec, roles, err) : rc;
    free(positions);
    free(roles);
    return rc;
}

static int write_tokens(ns_recording *r, const ns_plan_case *c, ns_error *err)
{
    int32_t *const tokens = ns_alloc_array((size_t)c->n, sizeof *tokens);
    if (!tokens)
        return ns_oom(err, "the tokens of a recording");
    for (int64_t i = 0; i < c->n; i++)
        tokens[i] = i < c->c->n_tokens ? c->c->tokens[i] : c->c->answer[i - c->c->n_tokens];
    const ns_out_spec spec = {.group = c->group,
                              .name = "token",
                              .axes = "key",
                              .summary = "token id at the position",
                              .dtype = NS_I32,
                              .rank = 1,
                              .shape = {c->n}};
    int rc = write_index(r, c->group, "key", c->n, "key position", err);
    rc = rc == NS_OK ? ns_out_array(r->out, &spec, tokens, err) : rc;
    free(tokens);
    return rc;
}

static int write_spans(ns_recording *r, const ns_plan_case *c, ns_error *err)
{
    const int64_t n = c->c->n_spans;
    if (n == 0)
        return NS_OK;
    int64_t *const ends = ns_alloc_array((size_t)n * 2, sizeof *ends);
    const char **const names = ns_alloc_array((size_t)n, sizeof *names);
    const ns_out_spec name = {.group = c->group, .name = "span_name", .axes = "span", .rank = 1, .shape = {n}};
    const ns_out_spec begin = {
        .group = c->group, .name = "span_begin", .axes = "span", .summary = "first position", .dtype = NS_I64, .rank = 1, .shape = {n}};
    const ns_out_spec end = {.group = c->group,
                             .name = "span_end",
                             .axes = "span",
                             .summary = "position after the last",
                             .dtype = NS_I64,
                             .rank = 1,
                             .shape = {n}};
    int rc = ends && names ? write_index(r, c->group, "span", n, "index of the span", err) : ns_oom(err, "the spans of a recording");
    for (int64_t i = 0; rc == NS_OK && i < n; i++) {
        names[i] = c->c->spans[i].name;
        ends[i] = c->c->spans[i].begin;
        ends[n + i] = c->c->spans[i].end;
    }
    rc = rc == NS_OK ? ns_out_strings(r->out, &name, names, err) : rc;
    rc = rc == NS_OK ? ns_out_array(r->out, &begin, ends, err) : rc;
    rc = rc == NS_OK ? ns_out_array(r->out, &end, ends + n, err) : rc;
    free(ends);
    free(names);
    return rc;
}

static int write_layer_axis(ns_recording *r, const char *group, const char *name, const int64_t *layers, int64_t n, ns_error *err)
{
    int32_t *const values = ns_alloc_array((size_t)n, sizeof *values);
    if (!values)
        return ns_oom(err, "the layers of a recording");
    for (int64_t i = 0; i < n; i++)
        values[i] = (int32_t)layers[i];
    const int rc = ns_out_scale(r->out, group, name, NS_I32, n, values, "layer of the model", err);
    free(values);
    return rc;
}

/* Axes that hold indices, made when the first track of the case needs them. */
static int write_track_axes(ns_recording *r, const ns_plan_case *c, const ns_plan_track *t, unsigned *made, ns_error *err)
{
    static const char *const names[] = {"head", "kv_head", "d_head", "d_model", "d_ff", "d_vocab", "expert", "id_weight", "choice",
                                        "q_head", "k_head", "d_key", "one", "channel", "d_state", NULL};
    int rc = NS_OK;
    for (const char *a = ns_track_axes(&r->plan, t); *a && rc == NS_OK && (t->kind == NS_SINK_VALUES || t->kind == NS_SINK_BANDS);
         a += strspn(a, " ")) {
        const size_t n = strcspn(a, " ");
        for (int i = 0; names[i] && rc == NS_OK; i++)
            if (strlen(names[i]) == n && !strncmp(names[i], a, n) && !(*made & 1u << i)) {
                *made |= 1u << i;
                rc = write_index(r, c->group, names[i], ns_plan_axis(&r->plan, t, c, a, n), NULL, err);
            }
        a += n;
    }
    if (rc == NS_OK && (t->kind == NS_SINK_TOPK || t->kind == NS_SINK_POOLED) && !(*made & 1)) {
        *made |= 1;
        rc = write_index(r, c->group, "head", r->plan.n_heads, NULL, err);
    }
    if (rc == NS_OK && t->layer_axis[0] && strcmp(t->layer_axis, "layer") && t->kind != NS_SINK_STATS)
        rc = write_layer_axis(r, c->group, t->layer_axis, t->layers, t->n_layers, err);
    if (rc == NS_OK && t->kind == NS_SINK_TOPK)
        rc = write_index(r, c->group, "k", r->plan.params.top_k, "rank of the cell, largest first", err);
    if (rc == NS_OK && !strcmp(ns_track_row_axis(t), "query"))
        rc = write_index(r, c->group, "query", c->n, "query position", err);
    return rc;
}

static int write_blocks(ns_recording *r, const ns_plan_case *c, ns_error *err)
{
    const int64_t n = (c->n + c->block - 1) / c->block;
    int32_t *const first = ns_alloc_array((size_t)n, sizeof *first);
    if (!first)
        return ns_oom(err, "the blocks of a recording");
    for (int64_t i = 0; i < n; i++)
        first[i] = (int32_t)(i * c->block);
    int rc = ns_out_scale(r->out, c->group, "qb", NS_I32, n, first, "first query position of the block", err);
    rc = rc == NS_OK ? ns_out_scale(r->out, c->group, "kb", NS_I32, n, first, "first key position of the block", err) : rc;
    free(first);
    return rc;
}

int ns_layout_case(ns_recording *r, const ns_plan_case *c, ns_error *err)
{
    const ns_plan *const p = &r->plan;
    unsigned made = 0;
    bool rows = false, pooled = false;
    int rc = ns_out_group(r->out, c->group, err);
    if (rc == NS_OK && p->n_layers)
        rc = write_layer_axis(r, c->group, "layer", p->layers, p->n_layers, err);
    for (int i = 0; i < p->n_tracks && rc == NS_OK; i++) {
        const ns_plan_track *const t = &p->tracks[i];
        const bool by_row = t->kind == NS_SINK_VALUES || t->kind == NS_SINK_BANDS || t->kind == NS_SINK_TOPK;
        rows = rows || (by_row && strcmp(ns_track_row_axis(t), "query"));
        pooled = pooled || t->kind == NS_SINK_POOLED;
        rc = write_track_axes(r, c, t, &made, err);
    }
    rc = rc == NS_OK ? write_tokens(r, c, err) : rc;
    rc = rc == NS_OK && rows && c->n_rows ? write_rows(r, c, err) : rc;
    rc = rc == NS_OK && pooled ? write_blocks(r, c, err) : rc;
    return rc == NS_OK ? write_spans(r, c, err) : rc;
}

/* ---- facts ---- */

static char *rows_text(const ns_rows *rows)
{
    switch (rows->kind) {
    case NS_ROWS_ALL:
        return ns_strdup("all");
    case NS_ROWS_LAST:
        return ns_printf_alloc("last:%" PRId64, rows->n);
    case NS_ROWS_SPAN:
        return ns_printf_alloc("span:%s", rows->span ? rows->span : "");
    case NS_ROWS_ANSWER:
        return ns_strdup("answer");
    case NS_ROWS_PROBE:
        return ns_strdup("probe");
    case NS_ROWS_LIST:
        break;
    }
    char *text = ns_strdup("");
    for (int64_t i = 0; text && i < rows->n; i++) {
        char *const longer = ns_printf_alloc("%s%s%" PRId64, text, i ? "," : "", rows->positions[i]);
        free(text);
        text = longer;
    }
    return text;
}

static char *globs_text(const ns_recorder_params *r)
{
    char *text = ns_strdup("");
    for (int i = 0; text && i < r->n_at; i++) {
        char *const longer = ns_printf_alloc("%s%s%s", text, i ? " " : "", r->at[i]);
        free(text);
        text = longer;
    }
    return text;
}

static bool given(const ns_fact *facts, int n, const char *name)
{
    for (int i = 0; i < n; i++)
        if (facts[i].name && !strcmp(facts[i].name, name))
            return true;
    return false;
}

int ns_layout_facts(const ns_plan *p, const ns_fact *facts, int n_facts, ns_fact **out, int *n, char ***text, ns_error *err)
{
    enum { OURS = 10 };
    char cases[65];
    ns_cases_hash(p->cases, cases);
    const ns_recorder_params *const r = &p->params;
    char *arch_json = NULL;
    const struct {
        const char *name;
        char *value;
    } ours[OURS] = {
        {"kind", ns_strdup("recording")},
        {"at", globs_text(r)},
        {"rows", rows_text(&r->rows)},
        {"maps", ns_strdup(ns_maps_kind_name(r->maps))},
        {"storage_dtype", ns_strdup(ns_h5_type_name(r->dtype))},
        {"top_k", ns_printf_alloc("%d", r->top_k)},
        {"pool_block", ns_printf_alloc("%" PRId64, r->pool_block)},
        {"cases_sha256", ns_strdup(cases)},
        {"arch_json", ns_arch_to_json(p->arch, &arch_json, err) == NS_OK ? arch_json : NULL},
        {"generated", ns_printf_alloc("%" PRId64, r->generated)},
    };
    *out = ns_alloc_array((size_t)n_facts + OURS, sizeof **out);
    *text = ns_alloc_array(OURS + 1, sizeof **text);
    *n = 0;
    bool fits = *out && *text;
    for (int i = 0; fits && i < n_facts; i++)
        (*out)[(*n)++] = facts[i];
    int kept = 0;
    for (int i = 0; i < OURS; i++) {
        fits = fits && ours[i].value;
        const bool said = strcmp(ours[i].name, "generated") || r->generated > 0;
        if (fits && said && !given(facts, n_facts, ours[i].name)) {
            (*out)[(*n)++] = (ns_fact){ours[i].name, ours[i].value, false};
            (*text)[kept++] = ours[i].value;
        } else {
            free(ours[i].value);
        }
    }
    return fits ? NS_OK : ns_oom(err, "the facts of a recording");
}
