/* map.c - the attention map of one head on one case of a recording, with the case's spans. */
#include "figure/files.h"
#include "figure/head_case.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* What of the map is drawn: rows and keys of it, and their tokens. */
typedef struct part {
    int64_t row[2], key[2];
    float *map;   /* [rows, keys] */
    char **texts; /* of all positions; NULL = positions are shown */
    const char **row_texts;
    char note[400];
} part;

static int take_part(const ns_recorded *d, const float *map, part *p, ns_error *err)
{
    const int64_t R = p->row[1] - p->row[0], K = p->key[1] - p->key[0];
    double most = 0;
    size_t cells;
    p->map = ns_mul_size((size_t)R, (size_t)K, &cells) ? ns_alloc_array(cells, sizeof *p->map) : NULL;
    if (!p->map)
        return ns_oom(err, "the map");
    for (int64_t r = 0; r < R; r++) {
        const float *const from = map + (p->row[0] + r) * d->n_keys;
        double out = 0;
        memcpy(p->map + r * K, from + p->key[0], (size_t)K * sizeof *from);
        for (int64_t k = 0; k < d->n_keys; k++)
            out += k < p->key[0] || k >= p->key[1] ? fabs((double)from[k]) : 0;
        most = fmax(most, out);
    }
    if (K < d->n_keys)
        snprintf(p->note, sizeof p->note, "keys %lld:%lld alone: up to %.2g of a row's weight lies on others", (long long)p->key[0],
                 (long long)p->key[1], most);
    return NS_OK;
}

/* Texts of the tokens, or their ids where nothing says them. */
static int take_texts(const ns_map_plot *p, const ns_recorded *d, part *to, ns_error *err)
{
    char why[200];
    int64_t *ids = NULL, n = d->n_keys;
    int rc = ns_spoken_texts(&to->texts, d, p->tokenizer, why, sizeof why, err);
    if (rc == NS_OK && !to->texts) {
        const size_t used = strlen(to->note);
        snprintf(to->note + used, sizeof to->note - used, "%stokens are shown by their ids: %s (--tokenizer gives their texts)",
                 used ? "; " : "", why);
        to->texts = ns_alloc_array((size_t)n + 1, sizeof *to->texts);
        rc = to->texts ? ns_recorded_numbers(d, "token", &n, &ids, err) : ns_oom(err, "the texts");
        for (int64_t i = 0; i < n && rc == NS_OK; i++)
            rc = (to->texts[i] = ns_printf_alloc("%lld", (long long)ids[i])) ? NS_OK : ns_oom(err, "the texts");
        free(ids);
    }
    to->row_texts = rc == NS_OK ? ns_alloc_array((size_t)(to->row[1] - to->row[0]), sizeof *to->row_texts) : NULL;
    rc = rc == NS_OK && !to->row_texts ? ns_oom(err, "the texts") : rc;
    for (int64_t r = to->row[0]; r < to->row[1] && rc == NS_OK; r++)
        to->row_texts[r - to->row[0]] = to->texts[ns_head_case_position(d, r)];
    return rc;
}

static int draw(const char *path, const ns_map_plot *p, const ns_recorded *d, const float *map, const part *shown,
                const ns_figure_params *look, ns_plotted *said, ns_error *err)
{
    ns_map_figure figure = {
        .size = sizeof figure,
        .map = shown->map,
        .n_rows = shown->row[1] - shown->row[0],
        .n_keys = shown->key[1] - shown->key[0],
        .row0 = d->rows ? 0 : shown->row[0],
        .key0 = shown->key[0],
        .row_at = d->rows ? d->rows + shown->row[0] : NULL,
        .spans = d->spans,
        .n_spans = p->no_spans ? 0 : (int)d->n_spans,
        .model_name = ns_file_fact(d->f, "model_name"),
        .case_name = d->id,
        .layer = p->layer,
        .head = p->head,
        .log_scale = p->log_scale,
        .row_texts = shown->row_texts,
        .key_texts = shown->texts ? (const char *const *)shown->texts + shown->key[0] : NULL,
    };
    char what[256];
    ns_plot_look own = {0};
    int rc = ns_recorded_window(d->f, p->layer, p->head, &figure.window, err);
    rc = rc != NS_OK ? rc : ns_recorded_check_seen(d, map, figure.window, err);
    rc = rc != NS_OK ? rc : ns_plot_look_begin(&own, path, look, 0, &p->file, 1, err);
    rc = rc != NS_OK ? rc : ns_draw_map(path, &figure, &own.params, err);
    ns_plot_look_end(&own);
    snprintf(what, sizeof what, "attention of layer %lld, head %lld on case '%s'", (long long)p->layer, (long long)p->head, d->id);
    if (rc == NS_OK)
        ns_plotted_say(said, what, shown->note);
    return rc;
}

int ns_plot_map(const char *path, const ns_map_plot *plot, const ns_figure_params *look, ns_plotted *said, ns_error *err)
{
    ns_map_plot p;
    ns_recorded d = {0};
    ns_file *f = NULL;
    float *map = NULL;
    part shown = {.map = NULL};
    int rc = ns_sized_copy(&p, sizeof p, plot, "ns_map_plot", err);
    if (rc == NS_OK && (p.layer < 0 || p.head < 0))
        rc = ns_fail(err, NS_E_ARG, "layer %lld, head %lld: there is none below 0", (long long)p.layer, (long long)p.head);
    if (rc == NS_OK && p.tokenizer && !p.tokens)
        rc = ns_fail(err, NS_E_ARG, "a tokenizer is for the labels of tokens, which were not asked for");
    rc = rc != NS_OK ? rc : ns_plot_check(path, look, &p.file, 1, err);
    if (rc == NS_OK)
        rc = ns_file_open_as(&f, p.file, NS_KINDS(NS_KIND_RECORDING), "a recording (needlescope record makes one)", err);
    rc = rc != NS_OK ? rc : ns_head_case_open(&d, f, p.case_id, p.layer, p.head, err);
    rc = rc != NS_OK ? rc : ns_head_case_rows(&d, p.rows, shown.row, err);
    rc = rc != NS_OK ? rc : ns_head_case_range(&d, p.keys, "keys", d.n_keys, shown.key, err);
    rc = rc != NS_OK ? rc : ns_recorded_map(&d, p.layer, p.head, &map, err);
    rc = rc != NS_OK ? rc : take_part(&d, map, &shown, err);
    if (rc == NS_OK && p.tokens)
        rc = take_texts(&p, &d, &shown, err);
    if (rc == NS_OK && !p.no_spans && !d.spans)
        rc = ns_recorded_read_spans(&d, err);
    if (rc == NS_OK)
        rc = draw(path, &p, &d, map, &shown, look, said, err);
    free(map);
    free(shown.map);
    free(shown.row_texts);
    ns_free_strings(shown.texts, d.n_keys);
    ns_recorded_clear(&d);
    ns_file_close(f);
    return ns_fail_of(err, rc, p.file);
}
