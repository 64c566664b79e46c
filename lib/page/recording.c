/* recording.c - a recording: its cases with their spans, how much of each head's attention lies on the needle and on the first position
 * where the answer is said, and the maps themselves, the best heads first, until the limit is reached. */
#include "page/page.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/arch.h>

#include "figure/recorded.h"

enum { ALL_MAPS = 1u << NS_RECORDED_DENSE | 1u << NS_RECORDED_ROWS | 1u << NS_RECORDED_TOPK | 1u << NS_RECORDED_POOLED };

typedef struct recording {
    ns_web       *p;
    const ns_file *f;
    char         **ids, **groups;
    int64_t        C, L, H;
    int64_t       *prompt, *windows;         /* [C] tokens of the prompt; [L, H] */
    ns_recorded   *cases;                    /* [C] */
    cJSON        **maps;                     /* [C] of the tree: by head; NULL where no attention of the case is wanted */
} recording;

static void clear(recording *r)
{
    for (int64_t c = 0; r->cases && c < r->C; c++)
        ns_recorded_clear(&r->cases[c]);
    free(r->cases);
    free(r->maps);
    free(r->prompt);
    free(r->windows);
    ns_free_strings(r->ids, r->C);
    ns_free_strings(r->groups, r->C);
}

/* ---- the root ---- */

static int read_windows(recording *r, ns_error *err)
{
    int64_t *valid;
    ns_expected heads = {sizeof heads, "head_valid", NS_I64, 2, {r->L, NS_ANY}, ns_between(0, 1), "layer head"};
    int rc = ns_file_array(r->f, &heads, &valid, err);
    r->H = rc == NS_OK ? heads.shape[1] : 0;
    ns_expected windows = {sizeof windows, "window", NS_I64, 2, {r->L, r->H}, ns_between(0, 1 << 30), "layer head"};
    rc = rc != NS_OK ? rc : ns_file_array(r->f, &windows, &r->windows, err);
    for (int64_t i = 0; rc == NS_OK && i < r->L * r->H; i++)
        r->windows[i] = valid[i] ? r->windows[i] : -1;
    free(valid);
    return rc;
}

static int read_kinds(recording *r, cJSON *run, ns_error *err)
{
    ns_expected w = {.size = sizeof w, .name = "layer_kind", .rank = 1, .shape = {NS_ANY}, .axes = "layer"};
    char **kinds;
    const int rc = ns_file_texts(r->f, &w, &kinds, err);
    if (rc != NS_OK)
        return rc;
    cJSON *const list = ns_web_list(r->p, run, "kinds");
    r->L = w.shape[0];
    for (int64_t l = 0; l < r->L; l++)
        ns_web_text(r->p, list, NULL, kinds[l]);
    ns_free_strings(kinds, r->L);
    return NS_OK;
}

static int read_root(recording *r, cJSON *file, ns_error *err)
{
    const int64_t none = -1, scored = NS_STUDY_DONE;
    const char *const model = ns_file_fact(r->f, "model_name");
    cJSON *const run = ns_web_object(r->p, ns_web_list(r->p, file, "runs"), NULL);
    ns_web_text(r->p, run, "name", model ? model : "");
    ns_web_numbers(r->p, file, "steps", &none, 1);
    ns_web_numbers(r->p, file, "tokens", &none, 1);
    ns_web_numbers(r->p, file, "status", &scored, 1);
    int rc = read_kinds(r, run, err);
    rc = rc != NS_OK ? rc : read_windows(r, err);
    rc = rc != NS_OK ? rc : ns_web_wholes(r->p, run, "windows", r->windows, r->L * r->H, NS_WEB_NEEDED, err);
    ns_web_number(r->p, file, "layers", (double)r->L);
    ns_web_number(r->p, file, "heads", (double)r->H);
    return rc;
}

static int open_cases(recording *r, ns_error *err)
{
    int rc = ns_recorded_cases(r->f, &r->ids, &r->groups, &r->C, err);
    ns_expected w = {sizeof w, "case_tokens", NS_I64, 1, {r->C}, ns_between(1, 1 << 30)};
    rc = rc != NS_OK ? rc : ns_file_array(r->f, &w, &r->prompt, err);
    r->cases = rc == NS_OK ? ns_alloc_array((size_t)r->C, sizeof *r->cases) : NULL;
    if (rc == NS_OK && !r->cases)
        rc = ns_oom(err, "the cases");
    for (int64_t c = 0; c < r->C && rc == NS_OK; c++) {
        rc = ns_recorded_open(&r->cases[c], r->f, r->ids[c], r->groups[c], ALL_MAPS, err);
        rc = rc != NS_OK ? rc : ns_recorded_read_spans(&r->cases[c], err);
    }
    return rc;
}

/* ---- the cases ---- */

static void case_facts(recording *r, cJSON *list, int64_t c)
{
    static const char *const kinds[] = {"none", "dense", "rows", "topk", "pooled"};
    const ns_recorded *const d = &r->cases[c];
    cJSON *const out = ns_web_object(r->p, list, NULL), *const spans = ns_web_list(r->p, out, "spans");
    ns_web_text(r->p, out, "id", d->id);
    ns_web_number(r->p, out, "n", (double)d->n_keys);
    ns_web_number(r->p, out, "prompt", (double)r->prompt[c]);
    ns_web_text(r->p, out, "maps", kinds[d->maps]);
    ns_web_number(r->p, out, "k", (double)d->k);
    if (d->rows)
        ns_web_numbers(r->p, out, "rows", d->rows, d->n_rows);
    for (int64_t i = 0; i < d->n_spans; i++) {
        cJSON *const span = ns_web_object(r->p, spans, NULL);
        ns_web_text(r->p, span, "name", d->spans[i].name);
        ns_web_number(r->p, span, "begin", (double)d->spans[i].begin);
        ns_web_number(r->p, span, "end", (double)d->spans[i].end);
    }
}

/* ---- what the rows of the answer say ---- */

typedef struct mass { double needle, sink; int64_t rows, needle_rows; } mass;

static bool in_needle(const ns_recorded *d, int64_t key)
{
    for (int64_t i = 0; i < d->n_spans; i++)
        if ((strcmp(d->spans[i].name, "needle") == 0 || ns_starts(d->spans[i].name, "needle.")) && key >= d->spans[i].begin &&
            key < d->spans[i].end)
            return true;
    return false;
}

/* One row of n cells on these keys (NULL: 0, 1, 2 ...; below 0: none). */
static void add_row(mass *m, const bool *needle, bool has_needle, const float *cell, const int64_t *keys, int64_t n)
{
    double on_needle = 0;
    for (int64_t i = 0; i < n; i++) {
        const int64_t key = keys ? keys[i] : i;
        if (key < 0)
            continue;
        on_needle += needle[key] ? (double)cell[i] : 0;
        m->sink += key == 0 ? (double)cell[i] : 0;
    }
    m->needle += on_needle;
    m->needle_rows += has_needle;
    m->rows++;
}

/* The recorded rows from the prompt's last token on: [first, n_rows). */
static int64_t first_answer_row(const recording *r, int64_t c)
{
    const ns_recorded *const d = &r->cases[c];
    int64_t i = 0;
    while (i < d->n_rows && (d->rows ? d->rows[i] : i) < r->prompt[c] - 1)
        i++;
    return i;
}

static int add_head(mass *m, const recording *r, int64_t c, const bool *needle, bool has_needle, int64_t layer, int64_t head, ns_error *err)
{
    const ns_recorded *const d = &r->cases[c];
    const int64_t first = first_answer_row(r, c), n = d->n_rows - first;
    int64_t *keys = NULL;
    float *cells = NULL;
    int rc = NS_OK;
    if (d->maps == NS_RECORDED_TOPK) {
        rc = ns_recorded_topk(d, layer, head, &keys, &cells, err);
    } else {
        cells = ns_alloc_array((size_t)(n * d->k), sizeof *cells);
        rc = cells ? ns_recorded_part(d, layer, head, first, n, cells, err) : ns_oom(err, "the rows");
    }
    for (int64_t i = 0; i < n && rc == NS_OK; i++)
        add_row(m, needle, has_needle, cells + (keys ? first + i : i) * d->k, keys ? keys + (first + i) * d->k : NULL, d->k);
    free(keys);
    free(cells);
    return rc;
}

static int add_case(mass *all, const recording *r, int64_t c, ns_error *err)
{
    const ns_recorded *const d = &r->cases[c];
    if (d->maps == NS_RECORDED_NONE || d->maps == NS_RECORDED_POOLED || first_answer_row(r, c) == d->n_rows)
        return NS_OK;
    bool *const needle = ns_alloc_array((size_t)d->n_keys, sizeof *needle), has_needle = false;
    int rc = needle ? NS_OK : ns_oom(err, "the needle");
    for (int64_t key = 0; key < d->n_keys && rc == NS_OK; key++)
        has_needle |= needle[key] = in_needle(d, key);
    for (int64_t i = 0; i < d->n_layers && rc == NS_OK; i++)
        for (int64_t h = 0; h < d->n_heads && h < r->H && d->layers[i] < r->L && rc == NS_OK; h++)
            if (r->windows[d->layers[i] * r->H + h] >= 0)
                rc = add_head(&all[d->layers[i] * r->H + h], r, c, needle, has_needle, d->layers[i], h, err);
    free(needle);
    return rc;
}

static int own_score(ns_web *p, cJSON *list, const char *name, ns_best_end best, const float *values, int64_t n, ns_error *err)
{
    bool any = false;
    for (int64_t i = 0; i < n; i++)
        any |= !isnan(values[i]);
    if (!any)
        return NS_OK;
    cJSON *const out = ns_web_object(p, list, NULL);
    ns_web_text(p, out, "name", name);
    ns_web_text(p, out, "best", ns_best_end_name(best));
    return ns_web_floats(p, out, "values", values, n, NS_WEB_NEEDED, err);
}

/* Heads that no score ranks are ranked by what they have on the needle. */
static int rank_by(ns_web *p, const float *values, int64_t L, int64_t H, ns_error *err)
{
    const ns_score_meaning m = {.best = NS_BEST_LARGEST, .lo = -(double)INFINITY, .hi = (double)INFINITY, .chance = (double)NAN};
    if (p->n_rank > 0)
        return NS_OK;
    free(p->rank);
    p->rank = ns_alloc_array((size_t)(L * H), sizeof *p->rank);
    if (!p->rank)
        return ns_oom(err, "the page");
    p->n_rank = ns_best(values, L * H, L * H, &m, p->rank).n;
    p->rank_heads = H;
    return NS_OK;
}

static int masses(recording *r, cJSON *scores, ns_error *err)
{
    const int64_t n = r->L * r->H;
    mass *const all = ns_alloc_array((size_t)n, sizeof *all);
    float *const needle = ns_alloc_array((size_t)n, sizeof *needle), *const sink = ns_alloc_array((size_t)n, sizeof *sink);
    int rc = all && needle && sink ? NS_OK : ns_oom(err, "the page");
    for (int64_t c = 0; c < r->C && rc == NS_OK; c++)
        rc = add_case(all, r, c, err);
    for (int64_t i = 0; i < n && rc == NS_OK; i++) {
        needle[i] = all[i].needle_rows ? (float)(all[i].needle / (double)all[i].needle_rows) : NAN;
        sink[i] = all[i].rows ? (float)(all[i].sink / (double)all[i].rows) : NAN;
    }
    rc = rc != NS_OK ? rc : own_score(r->p, scores, "attention on the needle", NS_BEST_LARGEST, needle, n, err);
    rc = rc != NS_OK ? rc : own_score(r->p, scores, "attention on the first token", NS_BEST_LARGEST, sink, n, err);
    rc = rc != NS_OK ? rc : rank_by(r->p, needle, r->L, r->H, err);
    free(all);
    free(needle);
    free(sink);
    return rc;
}

/* ---- statistics over all rows ---- */

/* Means over the rows of all cases; bins weigh by how many rows they have. */
static void mean_of_bins(const float *stat, const int64_t *count, const recording *r, int64_t B, float *out)
{
    const int64_t n = r->L * r->H;
    for (int64_t i = 0; i < n; i++) {
        double sum = 0, rows = 0;
        for (int64_t c = 0; c < r->C; c++)
            for (int64_t b = 0; b < B; b++) {
                const double value = (double)stat[(c * n + i) * B + b], weight = (double)count[c * B + b];
                sum += isnan(value) ? 0 : value * weight;
                rows += isnan(value) ? 0 : weight;
            }
        out[i] = rows > 0 ? (float)(sum / rows) : NAN;
    }
}

static int statistic(recording *r, cJSON *scores, const char *name, const char *said, const int64_t *count, int64_t B, ns_error *err)
{
    ns_expected w = {sizeof w, name, NS_F32, 4, {r->C, r->L, r->H, B}, ns_recording_range(name, true), "case layer head qbin"};
    float *stat, *const out = ns_alloc_array((size_t)(r->L * r->H), sizeof *out);
    int rc = out ? ns_file_array(r->f, &w, &stat, err) : ns_oom(err, name);
    if (rc == NS_OK) {
        mean_of_bins(stat, count, r, B, out);
        rc = own_score(r->p, scores, said, NS_BEST_NONE, out, r->L * r->H, err);
        free(stat);
    }
    free(out);
    return rc;
}

static int statistics(recording *r, cJSON *scores, ns_error *err)
{
    static const char *const names[][2] = {
        {"stat_needle", "all rows: mass on the needle"}, {"stat_sink", "all rows: mass on the first token"},
        {"stat_local", "all rows: mass on the 32 nearest"}, {"stat_prev_token", "all rows: mass on the token before"},
        {"stat_induction", "all rows: induction"}, {"stat_same_token", "all rows: mass on the same token"},
        {"stat_entropy", "all rows: entropy (nats)"}, {"stat_argmax_dist", "all rows: distance of the largest cell"}};
    ns_expected w = {sizeof w, "stat_count", NS_I64, 2, {r->C, NS_ANY}, ns_between(0, 0x1p40), "case qbin"};
    int64_t *count = NULL;
    int rc = ns_file_has(r->f, w.name) ? ns_file_array(r->f, &w, &count, err) : NS_OK;
    for (size_t i = 0; i < sizeof names / sizeof *names && rc == NS_OK && count; i++)
        if (ns_file_has(r->f, names[i][0]))
            rc = statistic(r, scores, names[i][0], names[i][1], count, w.shape[1], err);
    free(count);
    return rc;
}

/* ---- needed ---- */

static int begin(recording *r, ns_web *p, const ns_file *f, ns_error *err)
{
    *r = (recording){.p = p, .f = f};
    return open_cases(r, err);
}

int ns_web_recording(ns_web *p, cJSON *file, const ns_file *f, ns_error *err)
{
    recording r;
    int rc = begin(&r, p, f, err);
    rc = rc != NS_OK ? rc : read_root(&r, file, err);
    cJSON *const scores = ns_web_list(p, file, "scores"), *const cases = ns_web_list(p, file, "recorded");
    rc = rc != NS_OK ? rc : masses(&r, scores, err);
    rc = rc != NS_OK ? rc : statistics(&r, scores, err);
    for (int64_t c = 0; c < r.C && rc == NS_OK; c++)
        case_facts(&r, cases, c);
    clear(&r);
    return rc;
}

/* ---- texts and maps, until the limit ---- */

static int add_texts(recording *r, cJSON *out, const ns_web_speaker *speaker, int64_t c, ns_error *err)
{
    int64_t n = r->cases[c].n_keys, *ids = NULL;
    char *texts = NULL;
    int rc = ns_recorded_numbers(&r->cases[c], "token", &n, &ids, err);
    rc = rc != NS_OK ? rc : ns_web_wholes(r->p, out, "ids", ids, n, NS_WEB_TEXTS, err);
    rc = rc != NS_OK ? rc : ns_web_speak(r->p, speaker, ids, n, &texts, err);
    if (rc == NS_OK && texts)
        rc = ns_web_bytes(r->p, out, "texts", texts, (int64_t)strlen(texts), NS_WEB_TEXTS, err);
    free(ids);
    free(texts);
    return rc;
}

static int check_head(const recording *r, const ns_recorded *d, int64_t layer, int64_t head, const float *map, ns_error *err)
{
    const int64_t window = r->windows[layer * r->H + head];
    return d->maps == NS_RECORDED_POOLED ? NS_OK : ns_recorded_check_seen(d, map, window, err);
}

static int add_map(recording *r, cJSON *maps, int64_t c, int64_t layer, int64_t head, ns_error *err)
{
    const ns_recorded *const d = &r->cases[c];
    char name[48];
    int64_t *keys = NULL;
    float *cells = NULL;
    int rc = d->maps == NS_RECORDED_TOPK ? ns_recorded_topk(d, layer, head, &keys, &cells, err)
                                         : ns_recorded_map(d, layer, head, &cells, err);
    rc = rc != NS_OK || keys ? rc : check_head(r, d, layer, head, cells, err);
    snprintf(name, sizeof name, "%lld.%lld", (long long)layer, (long long)head);
    if (rc == NS_OK) {
        cJSON *const out = ns_web_object(r->p, maps, name);
        rc = ns_web_floats(r->p, out, "v", cells, d->n_rows * d->k, NS_WEB_MAPS, err);
        if (rc == NS_OK && keys && !ns_web_is_full(r->p, NS_WEB_MAPS))
            rc = ns_web_wholes(r->p, out, "keys", keys, d->n_rows * d->k, NS_WEB_MAPS, err);
        r->p->n_maps += !ns_web_is_full(r->p, NS_WEB_MAPS);
    }
    free(keys);
    free(cells);
    return rc;
}

/* The head on every case that was asked for. */
static int add_maps(recording *r, int64_t layer, int64_t head, ns_error *err)
{
    int rc = NS_OK;
    for (int64_t c = 0; c < r->C && rc == NS_OK; c++) {
        const ns_recorded *const d = &r->cases[c];
        if (!r->maps[c] || d->maps == NS_RECORDED_NONE || ns_recorded_layer(d, layer) < 0 || head >= d->n_heads)
            continue;
        if (ns_web_is_full(r->p, NS_WEB_MAPS))
            r->p->left[NS_WEB_MAPS]++;
        else
            rc = add_map(r, r->maps[c], c, layer, head, err);
    }
    return rc;
}

/* Every head once: those that are ranked first, as far as the ranking is of heads like these. */
static int64_t *order(const recording *r)
{
    const ns_web *const p = r->p;
    const int64_t n = r->L * r->H;
    int64_t *const out = ns_alloc_array((size_t)(2 * n), sizeof *out), *const done = out + n, k = 0;
    for (int64_t i = 0; out && i < p->n_rank && p->rank_heads == r->H; i++)
        if (p->rank[i] < n) {
            out[k++] = p->rank[i];
            done[p->rank[i]] = 1;
        }
    for (int64_t i = 0; out && i < n; i++)
        if (!done[i])
            out[k++] = i;
    return out;
}

static int every_map(recording *r, ns_error *err)
{
    int64_t *const heads = order(r);
    int rc = heads ? NS_OK : ns_oom(err, "the heads");
    for (int64_t i = 0; i < r->L * r->H && rc == NS_OK; i++)
        if (r->windows[heads[i]] >= 0 && ns_web_wants_head(r->p, heads[i] / r->H, heads[i] % r->H))
            rc = add_maps(r, heads[i] / r->H, heads[i] % r->H, err);
    free(heads);
    return rc;
}

/* Of a case that was not asked for neither texts nor attention. */
static int every_text(recording *r, cJSON *out, ns_error *err)
{
    ns_web_speaker *speaker = NULL;
    int rc = ns_web_speaker_open(&speaker, r->p, r->f, err);
    for (int64_t c = 0; c < r->C && rc == NS_OK; c++, out = out ? out->next : NULL) {
        if (!ns_web_wants_case(r->p, r->ids[c]))
            continue;
        r->maps[c] = ns_web_object(r->p, out, "attention");
        rc = add_texts(r, out, speaker, c, err);
    }
    ns_web_speaker_close(speaker);
    return rc;
}

int ns_web_recording_maps(ns_web *p, cJSON *file, const ns_file *f, ns_error *err)
{
    recording r;
    const cJSON *const cases = cJSON_GetObjectItemCaseSensitive(file, "recorded");
    p->any_recording = true;
    int rc = begin(&r, p, f, err);
    r.L = (int64_t)cJSON_GetNumberValue(cJSON_GetObjectItemCaseSensitive(file, "layers"));
    rc = rc != NS_OK ? rc : read_windows(&r, err);
    r.maps = rc == NS_OK ? ns_alloc_array((size_t)r.C, sizeof *r.maps) : NULL;
    if (rc == NS_OK && !r.maps)
        rc = ns_oom(err, "the maps");
    rc = rc != NS_OK ? rc : every_text(&r, cases ? cases->child : NULL, err);
    rc = rc != NS_OK ? rc : every_map(&r, err);
    clear(&r);
    return rc;
}
