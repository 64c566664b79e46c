/* map.c - the attention map of one head on one case of a recording, with the case's spans. */
#include "figure/files.h"
#include "figure/recorded.h"

#include <stdlib.h>
#include <string.h>

static int no_such_case(const ns_map_plot *p, char **ids, int64_t n, ns_error *err)
{
    return ns_fail(err, NS_E_ARG, "case '%s': the recording has %lld case%s, the first is '%s'", p->case_id ? p->case_id : "0",
                   (long long)n, ns_plural(n), n ? ids[0] : "");
}

/* By its id, else by its number. */
static int64_t place_of_case(const char *wanted, char **ids, int64_t n)
{
    char *end = NULL;
    for (int64_t i = 0; i < n; i++)
        if (strcmp(ids[i], wanted) == 0)
            return i;
    const int64_t at = strtoll(wanted, &end, 10);
    return end == wanted || *end || at < 0 || at >= n ? -1 : at;
}

static int no_map(const ns_recorded *d, ns_error *err)
{
    return ns_fail(err, NS_E_ARG, "case '%s' holds no map: record it with --maps dense or --maps rows", d->id);
}

static int open_case(const ns_map_plot *p, const ns_file *f, ns_recorded *d, ns_error *err)
{
    char **ids, **groups;
    int64_t n;
    int rc = ns_recorded_cases(f, &ids, &groups, &n, err);
    const int64_t at = rc != NS_OK ? -1 : p->case_id ? place_of_case(p->case_id, ids, n) : n ? 0 : -1;
    if (rc == NS_OK && at < 0)
        rc = no_such_case(p, ids, n, err);
    rc = rc != NS_OK ? rc : ns_recorded_open(d, f, ids[at], groups[at], 1u << NS_RECORDED_ROWS | 1u << NS_RECORDED_DENSE, err);
    if (rc == NS_OK && d->maps == NS_RECORDED_NONE)
        rc = ns_fail_default(err, no_map(d, err), p->case_id, "--case");
    ns_free_strings(ids, n);
    ns_free_strings(groups, n);
    return rc;
}

static void list_numbers(const int64_t *v, int64_t n, char out[128])
{
    size_t used = 0;
    *out = '\0';
    for (int64_t i = 0; i < n && used < 110; i++)
        used += (size_t)snprintf(out + used, 128 - used, "%s%lld", i ? ", " : "", (long long)v[i]);
}

static int check_head(const ns_map_plot *p, const ns_recorded *d, ns_error *err)
{
    char list[128];
    if (ns_recorded_layer(d, p->layer) < 0) {
        list_numbers(d->layers, d->n_layers, list);
        return ns_fail(err, NS_E_ARG, "layer %lld of case '%s' was not recorded; these were: %s", (long long)p->layer, d->id,
                       d->n_layers ? list : "none");
    }
    return p->head < d->n_heads ? NS_OK
                                : ns_fail(err, NS_E_ARG, "head %lld: the recording has heads 0 to %lld", (long long)p->head,
                                          (long long)d->n_heads - 1);
}

static int draw(const char *path, const ns_map_plot *p, const ns_recorded *d, const float *map, const ns_figure_params *look,
                ns_plotted *said, ns_error *err)
{
    ns_map_figure figure = {
        .size = sizeof figure, .map = map, .n_rows = d->n_rows, .n_keys = d->n_keys, .row_at = d->rows,
        .spans = d->spans, .n_spans = (int)d->n_spans,
        .model_name = ns_file_fact(d->f, "model_name"), .case_name = d->id, .layer = p->layer, .head = p->head,
        .log_scale = p->log_scale,
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
        ns_plotted_say(said, what, "");
    return rc;
}

int ns_plot_map(const char *path, const ns_map_plot *plot, const ns_figure_params *look, ns_plotted *said, ns_error *err)
{
    ns_map_plot p;
    ns_recorded d = {0};
    ns_file *f = NULL;
    float *map = NULL;
    int rc = ns_sized_copy(&p, sizeof p, plot, "ns_map_plot", err);
    if (rc == NS_OK && (p.layer < 0 || p.head < 0))
        rc = ns_fail(err, NS_E_ARG, "layer %lld, head %lld: there is none below 0", (long long)p.layer, (long long)p.head);
    rc = rc != NS_OK ? rc : ns_plot_check(path, look, &p.file, 1, err);
    if (rc == NS_OK)
        rc = ns_file_open_as(&f, p.file, NS_KINDS(NS_KIND_RECORDING), "a recording (needlescope record makes one)", err);
    rc = rc != NS_OK ? rc : open_case(&p, f, &d, err);
    rc = rc != NS_OK ? rc : check_head(&p, &d, err);
    rc = rc != NS_OK ? rc : ns_recorded_map(&d, p.layer, p.head, &map, err);
    if (rc == NS_OK && !p.no_spans)
        rc = ns_recorded_read_spans(&d, err);
    if (rc == NS_OK)
        rc = draw(path, &p, &d, map, look, said, err);
    free(map);
    ns_recorded_clear(&d);
    ns_file_close(f);
    return ns_fail_of(err, rc, p.file);
}
