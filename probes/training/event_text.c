/* event_text.c - births as words, "(4096, 8192]", ">65536"; every head's lives as CSV. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "training.h"

const char *ns_event_text(ns_event e, char out[NS_EVENT_TEXT])
{
    if (isnan(e.at))
        snprintf(out, NS_EVENT_TEXT, "-");
    else if (isinf(e.at))
        snprintf(out, NS_EVENT_TEXT, ">%.0f", e.after);
    else
        snprintf(out, NS_EVENT_TEXT, "(%.0f, %.0f]", e.after, e.at);
    return out;
}

const char *ns_time_text(double time, double horizon, char out[NS_EVENT_TEXT])
{
    if (isnan(time))
        snprintf(out, NS_EVENT_TEXT, "-");
    else if (isinf(time))
        snprintf(out, NS_EVENT_TEXT, ">%.0f", horizon);
    else
        snprintf(out, NS_EVENT_TEXT, "%.0f", time);
    return out;
}

const char *ns_group_text(const ns_seed_group *g, const char *run, char out[NS_GROUP_TEXT])
{
    char window[32] = "", nope[16] = "";
    if (!g->arm && !g->pattern && isnan(g->window)) {
        snprintf(out, NS_GROUP_TEXT, "%s", run);
        return ns_utf8_whole(out);
    }
    if (!isnan(g->window))
        snprintf(window, sizeof window, "W=%.0f", g->window);
    if (g->nope > 0)
        snprintf(nope, sizeof nope, "NoPE");
    snprintf(out, NS_GROUP_TEXT, "%s%s%s%s%s%s%s", g->arm ? g->arm : "", g->arm ? " " : "", g->pattern ? g->pattern : "",
             g->pattern ? " " : "", window, *nope ? " " : "", nope);
    return ns_utf8_whole(out);
}

/* ---- lives ---- */

static void csv_number(FILE *f, double x)
{
    if (isnan(x) || isinf(x))
        fputc(',', f);
    else
        fprintf(f, "%.0f,", x);
}

static void csv_life(FILE *f, const ns_emergence *e, const ns_head_life *l)
{
    const bool never = isinf(l->born.at);
    ns_csv_field(f, ns_study_run_name(e->study, l->run));
    fprintf(f, ",%lld,%lld,%s,%lld,", (long long)l->layer, (long long)l->head, ns_study_layer_kind(e->study, l->run, l->layer),
            (long long)l->life);
    csv_number(f, never ? (double)NAN : l->born.after);
    csv_number(f, l->born.at);
    csv_number(f, never ? (double)NAN : (double)l->born.step);
    fprintf(f, "%lld,", (long long)l->born.gap);
    csv_number(f, l->died_after);
    csv_number(f, l->died);
    csv_number(f, l->died_step < 0 ? (double)NAN : (double)l->died_step);
    csv_number(f, never ? l->born.after : (double)NAN);
    const double chance = e->chance[(l->run * e->shape.L + l->layer) * e->shape.H + l->head];
    fprintf(f, "%s,%g,%s\n", e->score, ns_theta_above_chance(e->birth.theta, chance), e->in_tokens ? "tokens" : "steps");
}

/* The table, and what made it beside it. */
static int put(const ns_emergence *e, const char *path, const char *table, size_t size, const ns_provenance *by, ns_error *err)
{
    ns_fact_list facts = {0};
    int rc = ns_provenance_of_export(&facts, by, err);
    rc = rc != NS_OK ? rc : ns_provenance_of_file(&facts, ns_study_path(e->study), 1, err);
    rc = rc != NS_OK ? rc : ns_provenance_check_table(&facts, path, err);
    rc = rc != NS_OK ? rc : ns_kind_check_output(path, NS_KINDS(NS_KIND_TEXT), err);
    rc = rc != NS_OK ? rc : ns_file_write(path, table, size, err);
    rc = rc != NS_OK ? rc : ns_provenance_beside(path, &facts, err);
    ns_fact_list_clear(&facts);
    return rc;
}

int ns_emergence_write_csv(const ns_emergence *e, const char *path, const ns_provenance *by, ns_error *err)
{
    char *buffer = NULL;
    size_t size = 0;
    ns_stream *const s = ns_stream_open();
    if (!s)
        return ns_oom(err, path);
    FILE *const f = ns_stream_file(s);
    fputs("run,layer,head,layer_kind,life,born_after,born,born_step,gap,died_after,died,died_step,censored_at,score,theta,axis\n", f);
    for (int64_t i = 0; i < e->n_lives; i++)
        csv_life(f, e, &e->lives[i]);
    int rc = ns_stream_end(s, path, &buffer, &size, err);
    rc = rc != NS_OK ? rc : put(e, path, buffer, size, by, err);
    free(buffer);
    return rc;
}
