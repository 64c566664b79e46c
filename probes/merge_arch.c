/* merge_arch.c - what a study says of the architecture at each step: bases and scaling of rotation and windows may change along a run (a
 * longer context, a stage without rotation), and where they do, in words. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "merge.h"

enum { STATE = 128, MOST_KINDS = 4, CHANGE = 1024 };

bool ns_merge_arch_new(ns_merging *m)
{
    const ns_merge_job *const j = &m->job;
    const size_t layers = (size_t)(j->R * j->P * j->L);
    m->thetas = ns_alloc_array(layers, sizeof *m->thetas);
    m->spans = ns_alloc_array(layers, sizeof *m->spans);
    m->scalings = ns_alloc_array(layers, sizeof *m->scalings);
    m->changes = ns_alloc_array((size_t)(j->R * j->P), sizeof *m->changes);
    for (size_t i = 0; m->thetas && m->spans && i < layers; i++) {
        m->thetas[i] = (double)NAN;
        m->spans[i] = -1;
    }
    return m->thetas && m->spans && m->scalings && m->changes;
}

void ns_merge_arch_clear(ns_merging *m)
{
    free(m->thetas);
    free(m->spans);
    free(m->scalings);
    free(m->changes);
}

/* ---- from a shard ---- */

/* The widest window of each layer, 0 where a head sees all keys; layers without heads stay -1. */
static int hear_windows(ns_merging *m, const ns_file *file, const ns_shard *s, int64_t *span)
{
    int64_t *windows = NULL, *valid = NULL;
    ns_expected w = {sizeof w, "window", NS_I64, 2, {s->L, s->H}, ns_between(0, 0x1p53)};
    int rc = ns_file_array(file, &w, &windows, m->err);
    w.name = "head_valid";
    w.range = ns_between(0, 1);
    rc = rc != NS_OK ? rc : ns_file_array(file, &w, &valid, m->err);
    for (int64_t i = 0; rc == NS_OK && i < s->L * s->H; i++) {
        int64_t *const widest = &span[i / s->H];
        if (valid[i])
            *widest = windows[i] == 0 || *widest == 0 ? 0 : windows[i] > *widest ? windows[i] : *widest;
    }
    free(windows);
    free(valid);
    return rc;
}

/* A shard of an older version does not say how its layers rotate. */
static int hear_rotation(ns_merging *m, const ns_file *file, const ns_shard *s, int64_t at)
{
    double *thetas = NULL;
    char **scalings = NULL;
    ns_expected w = {sizeof w, "rope_theta", NS_F64, 1, {s->L}, ns_or_nan(ns_between(0, 1e300))};
    if (!ns_file_has(file, "rope_theta") || !ns_file_has(file, "rope_scaling"))
        return NS_OK;
    int rc = ns_file_array(file, &w, &thetas, m->err);
    w.name = "rope_scaling";
    rc = rc != NS_OK ? rc : ns_file_texts(file, &w, &scalings, m->err);
    for (int64_t l = 0; rc == NS_OK && l < s->L; l++) {
        m->thetas[at + l] = thetas[l];
        if (scalings[l][0] && !(m->scalings[at + l] = ns_merge_keep(m, scalings[l])))
            rc = ns_oom(m->err, s->path);
    }
    ns_free_strings(scalings, s->L);
    free(thetas);
    return rc;
}

int ns_merge_hear_arch(ns_merging *m, const ns_file *file, const ns_shard *s)
{
    const int64_t at = (s->run * m->job.P + s->place) * m->job.L;
    const int rc = hear_windows(m, file, s, m->spans + at);
    return rc != NS_OK ? rc : hear_rotation(m, file, s, at);
}

/* ---- in words ---- */

static void rotation_text(const ns_merging *m, int64_t i, char out[STATE])
{
    const char *const scaling = m->scalings[i];
    if (m->thetas[i] > 0)
        snprintf(out, STATE, "RoPE base %g%s%.60s", m->thetas[i], scaling ? ", " : "", scaling ? scaling : "");
    else
        snprintf(out, STATE, "%s", isnan(m->thetas[i]) ? "" : "no RoPE");
    ns_utf8_whole(out);
}

static void window_text(const ns_merging *m, int64_t i, char out[STATE])
{
    if (m->spans[i] > 0)
        snprintf(out, STATE, "window %lld", (long long)m->spans[i]);
    else
        snprintf(out, STATE, "%s", m->spans[i] < 0 ? "" : "full attention");
}

/* A kind of change, and in how many layers. */
typedef struct change { char from[STATE], to[STATE]; int64_t layers; } change;
typedef struct changes { change list[MOST_KINDS]; int n; int64_t others; } changes;

static void count(changes *all, const char *from, const char *to)
{
    int i = 0;
    if (!*from || !*to || strcmp(from, to) == 0)
        return;
    while (i < all->n && (strcmp(all->list[i].from, from) || strcmp(all->list[i].to, to)))
        i++;
    if (i == MOST_KINDS) {
        all->others++;
        return;
    }
    if (i == all->n) {
        snprintf(all->list[i].from, STATE, "%s", from);
        snprintf(all->list[i].to, STATE, "%s", to);
        all->n++;
    }
    all->list[i].layers++;
}

/* "RoPE base 10000 -> RoPE base 500000, yarn 8 (12 layers); ..." from one checkpoint of a run to the next that was scored; "": no
 * change. */
static void describe(const ns_merging *m, int64_t before, int64_t now, char out[CHANGE])
{
    changes all = {.n = 0};
    char a[STATE], b[STATE];
    for (int64_t l = 0; l < m->job.L; l++) {
        rotation_text(m, before * m->job.L + l, a);
        rotation_text(m, now * m->job.L + l, b);
        count(&all, a, b);
        window_text(m, before * m->job.L + l, a);
        window_text(m, now * m->job.L + l, b);
        count(&all, a, b);
    }
    size_t n = 0;
    out[0] = '\0';
    for (int i = 0; i < all.n; i++)
        n += (size_t)snprintf(out + n, CHANGE - n, "%s%.60s -> %.60s (%lld layer%s)", i ? "; " : "", all.list[i].from, all.list[i].to,
                              (long long)all.list[i].layers, ns_plural(all.list[i].layers));
    if (all.others)
        snprintf(out + n, CHANGE - n, "; and %lld more", (long long)all.others);
    ns_utf8_whole(out);
}

static int find_changes(ns_merging *m)
{
    for (int64_t r = 0; r < m->job.R; r++) {
        int64_t before = -1;
        for (int64_t p = 0; p < m->job.P; p++) {
            const int64_t now = r * m->job.P + p;
            char text[CHANGE] = "";
            if (m->status[now] != NS_STUDY_DONE)
                continue;
            if (before >= 0)
                describe(m, before, now, text);
            if (*text && !(m->changes[now] = ns_merge_keep(m, text)))
                return ns_oom(m->err, "changes of the architecture");
            before = now;
        }
    }
    return NS_OK;
}

int ns_merge_write_arch(ns_merging *m)
{
    const ns_merge_job *const j = &m->job;
    const int64_t layers[3] = {j->R, j->P, j->L};
    const ns_view thetas = ns_view_of(m->thetas, NS_F64, 3, layers), spans = ns_view_of(m->spans, NS_I64, 3, layers);
    int rc = find_changes(m);
    rc = rc != NS_OK ? rc : ns_table_array(m->w, "rope_theta", "run step layer", &thetas,
                                           "base of the rotation; 0 = the layer does not rotate, NaN = not known, or no heads", m->err);
    rc = rc != NS_OK ? rc : ns_merge_write_texts(m, "rope_scaling", "run step layer", m->scalings, j->R * j->P * j->L);
    rc = rc != NS_OK ? rc : ns_table_array(m->w, "layer_window", "run step layer", &spans,
                                           "keys that a row of the layer's widest head sees; 0 = all, -1 = no heads, or no checkpoint",
                                           m->err);
    return rc != NS_OK ? rc : ns_merge_write_texts(m, "arch_change", "run step", m->changes, j->R * j->P);
}
