/* series.c - a run's checkpoints as a list: sorted, one for each weight and branch, checked for doubles. */
#include "io/series.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int ns_series_append(ns_series *s, const char *path, const char *revision, const char *label, const ns_series_item *parsed, ns_error *err)
{
    if (!ns_grow(&s->list, &s->capacity, s->n + 1, sizeof *s->list))
        return ns_oom(err, path);
    ns_series_item *const item = &s->list[s->n++];
    *item = *parsed;
    item->path = ns_strdup(path);
    item->revision = revision ? ns_strdup(revision) : NULL;
    item->label = ns_strdup(label);
    return item->path && item->label && (item->revision || !revision) ? NS_OK : ns_oom(err, path);
}

int ns_series_leave(ns_series *s, const char *name, bool no_checkpoint, ns_error *err, const char *fmt, ...)
{
    char why[1024];
    va_list args;
    va_start(args, fmt);
    ns_line_args(why, sizeof why, fmt, args);
    va_end(args);
    if (!ns_grow(&s->left_out, &s->left_capacity, s->n_left_out + 1, sizeof *s->left_out))
        return ns_oom(err, name);
    ns_series_left *const left = &s->left_out[s->n_left_out++];
    *left = (ns_series_left){.name = ns_strdup(name), .why = ns_strdup(why), .no_checkpoint = no_checkpoint};
    return left->name && left->why ? NS_OK : ns_oom(err, name);
}

void ns_series_item_free(ns_series_item *item)
{
    free(item->path);
    free(item->revision);
    free(item->label);
}

void ns_series_left_free(ns_series_left *left)
{
    free(left->name);
    free(left->why);
}

void ns_series_clear(ns_series *s)
{
    for (int64_t i = 0; i < s->n; i++)
        ns_series_item_free(&s->list[i]);
    for (int64_t i = 0; i < s->n_left_out; i++)
        ns_series_left_free(&s->left_out[i]);
    free(s->list);
    free(s->left_out);
    *s = (ns_series){0};
}

/* ---- order ---- */

/* Of a file, its place in the order in which a folder is searched for formats: safetensors first. */
static int reader_of(const ns_series_item *item)
{
    int i = 0;
    while (ns_reader_at(i) && !ns_reader_takes(ns_reader_at(i), ns_path_base(item->path)))
        i++;
    return i;
}

static int in_order(const void *a, const void *b)
{
    const ns_series_item *const x = a, *const y = b;
    if (x->final != y->final)
        return x->final - y->final;
    if (ns_series_stage(x) != ns_series_stage(y))
        return ns_series_stage(x) < ns_series_stage(y) ? -1 : 1;
    if (x->branch != y->branch)
        return x->branch < y->branch ? -1 : 1;
    if (x->step != y->step)
        return x->step < y->step ? -1 : 1;
    if (x->inside != y->inside)
        return x->inside - y->inside;
    return reader_of(x) != reader_of(y) ? reader_of(x) - reader_of(y) : strcmp(x->label, y->label);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const ns_series_left *)a)->name, ((const ns_series_left *)b)->name);
}

static int none(const ns_series *s, const char *folder, ns_error *err)
{
    const int rc = ns_foreign_form(folder, err);
    if (rc != NS_OK)
        return rc;
    for (int64_t i = 0; i < s->n_left_out; i++)
        if (!s->left_out[i].no_checkpoint)
            return ns_fail(err, NS_E_MISSING,
                           "%s: no checkpoint could be put in order: '%s': %s (%lld left out; name them in a --manifest)", folder,
                           s->left_out[i].name, s->left_out[i].why, (long long)s->n_left_out);
    return ns_fail(err, NS_E_MISSING, "%s: no checkpoints (folders named step1000, checkpoint-1000, ...) and no checkpoint itself", folder);
}

/* Of main and the like nothing says after how many steps it was taken: to count it as the next would move it whenever the run grows. One
 * that is all there is needs no step. */
static int leave_stepless(ns_series *s, ns_error *err)
{
    const bool several = s->n > 1;
    int rc = NS_OK;
    while (rc == NS_OK && s->n && s->list[s->n - 1].final && several) {
        ns_series_item *const item = &s->list[--s->n];
        rc = ns_series_leave(s, item->label, false, err, "nothing says its step, and it is none of the last steps once more: give it one "
                             "in a --manifest (JSONL lines {\"path\": ..., \"step\": N})");
        ns_series_item_free(item);
    }
    return rc;
}

/* A count of steps or tokens over the stages: where a stage counts from 0 again, it goes on behind the stage before. */
typedef struct count { int64_t base, last; bool begun; } count;

static int64_t count_on(count *c, int64_t own, int64_t behind)
{
    if (!c->begun)
        c->base = own <= c->last ? c->last + behind : 0;
    c->begun = true;
    return c->last = c->base + own;
}

/* Steps of two stages never meet; tokens may stay, as where a stage begins with the weights of the stage before. */
static int lay(ns_series *s, const char *folder, ns_error *err)
{
    count steps = {.last = -1, .begun = true}, tokens = {.last = -1, .begun = true};
    for (int64_t i = 0; i < s->n; i++) {
        ns_series_item *const item = &s->list[i];
        if (i && ns_series_stage(item) != ns_series_stage(item - 1))
            steps.begun = tokens.begun = false;
        if (i && steps.begun && item->step == (item - 1)->stage_step)
            return ns_fail(err, NS_E_FORMAT, "%s: '%s' and '%s' are both step %lld: name the run's checkpoints in a --manifest", folder,
                           s->list[i - 1].label, item->label, (long long)item->step);
        item->step = count_on(&steps, item->step, 1);
        item->other &= item->other_step != item->step;    /* a trainer may count over the stages */
        item->tokens = item->tokens >= 0 ? count_on(&tokens, item->tokens, 0) : -1;
    }
    return NS_OK;
}

int ns_series_settle(ns_series *s, const char *folder, ns_error *err)
{
    if (s->n)
        qsort(s->list, (size_t)s->n, sizeof *s->list, in_order);
    int rc = ns_series_drop_same(s, err);
    rc = rc != NS_OK ? rc : leave_stepless(s, err);
    if (rc == NS_OK && s->n_left_out)          /* refused memory leaves one without a name */
        qsort(s->left_out, (size_t)s->n_left_out, sizeof *s->left_out, by_name);
    if (rc != NS_OK || s->n == 0)
        return rc != NS_OK ? rc : none(s, folder, err);
    return lay(s, folder, err);
}
