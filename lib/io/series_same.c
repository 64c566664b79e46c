/* series_same.c - names of a series that are one checkpoint: the same files behind them (links, revisions), the same name in another
 * format, a step that a trainer's file says itself, or, where two claim a step or one has none, the same tensors. */
#include "io/series.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { SAMPLE = 32, NEAREST = 8, CHUNK = 1 << 12 };
static const int64_t WHOLE = 1 << 30;          /* bytes of a checkpoint that is compared number by number; of a larger one, samples */
typedef enum likeness { OTHER, SAMPLES, ALL } likeness;

/* ---- by their files ---- */

/* The real paths of its weight files, one a line: links and revisions share them. NULL where there are none; the scan will say why. */
static int files_of(const ns_series_item *item, char **out, ns_error *err)
{
    ns_location at;
    const int found = ns_locate(&at, item->path, item->revision, NULL);
    *out = NULL;
    if (found)
        return found == NS_E_MEMORY ? ns_oom(err, item->path) : NS_OK;
    char *all = ns_strdup("");
    for (int64_t i = 0; i < at.n_files && all; i++) {
        char real[PATH_MAX], *const longer = ns_printf_alloc("%s%s\n", all, realpath(at.files[i], real) ? real : at.files[i]);
        free(all);
        all = longer;
    }
    ns_location_free(&at);
    *out = all;
    return all ? NS_OK : ns_oom(err, item->path);
}

static int64_t twin_of(char *const *files, int64_t i)
{
    for (int64_t k = 0; k < i && files[i]; k++)
        if (files[k] && strcmp(files[k], files[i]) == 0)
            return k;
    return -1;
}

/* ---- by their tensors ---- */

/* Not in every format of one model: buffers that a model computes again, and the head that is the embedding. */
static bool is_optional(const char *name)
{
    static const char *const globs[] = {"*.attention.bias", "*.attn.bias", "*.masked_bias", "*.rotary_emb.inv_freq", "lm_head.weight"};
    for (size_t i = 0; i < sizeof globs / sizeof *globs; i++)
        if (ns_glob(globs[i], name))
            return true;
    return false;
}

static bool same_shape(const ns_view *a, const ns_view *b)
{
    return a->rank == b->rank && memcmp(a->shape, b->shape, (size_t)a->rank * sizeof *a->shape) == 0;
}

static bool same_numbers(const ns_tensor *a, const ns_tensor *b, int64_t first, int64_t n)
{
    float x[CHUNK], y[CHUNK];
    bool same = true;
    for (int64_t at = first, end = first + n, count; at < end && same; at += count) {
        count = end - at < CHUNK ? end - at : CHUNK;
        same = ns_tensor_read_f32(a, at, count, x, NULL) == NS_OK && ns_tensor_read_f32(b, at, count, y, NULL) == NS_OK &&
               memcmp(x, y, (size_t)count * sizeof *x) == 0;
    }
    return same;
}

/* SAMPLES: the numbers at its begin, middle and end. */
static bool same_tensor(const ns_tensor *a, const ns_tensor *b, likeness how)
{
    const int64_t all = ns_view_count(&a->view), n = all < SAMPLE ? all : SAMPLE;
    if (!same_shape(&a->view, &b->view))
        return false;
    return how == ALL ? same_numbers(a, b, 0, all)
                      : same_numbers(a, b, 0, n) && same_numbers(a, b, (all - n) / 2, n) && same_numbers(a, b, all - n, n);
}

/* Every tensor of the one is in the other, and the same there. */
static bool within(const ns_checkpoint *a, const ns_checkpoint *b, likeness how)
{
    bool same = true;
    for (int64_t i = 0; i < ns_checkpoint_count(a) && same; i++) {
        const ns_tensor *const t = ns_checkpoint_tensor(a, i), *const other = ns_checkpoint_find(b, t->name);
        same = other ? same_tensor(t, other, how) : is_optional(t->name);
    }
    return same;
}

static bool is_small(const ns_checkpoint *c)
{
    int64_t bytes = 0;
    for (int64_t i = 0; i < ns_checkpoint_count(c) && bytes <= WHOLE; i++)
        bytes += ns_checkpoint_tensor(c, i)->n_bytes;
    return bytes <= WHOLE;
}

/* Samples tell most others apart without reading them. */
static likeness compare(const ns_checkpoint *a, const ns_checkpoint *b)
{
    if (!within(a, b, SAMPLES) || !within(b, a, SAMPLES))
        return OTHER;
    return !is_small(a) || !is_small(b) ? SAMPLES : within(a, b, ALL) ? ALL : OTHER;
}

static int open_item(ns_checkpoint **out, const ns_series_item *item)
{
    return ns_checkpoint_open(out, item->path, &(ns_checkpoint_params){.size = sizeof(ns_checkpoint_params), .revision = item->revision},
                              NULL);
}

/* What cannot be opened is the same as nothing: its scan says why. NS_E_MEMORY alone is an error. */
static int same_tensors(const ns_series_item *x, const ns_series_item *y, likeness *out, ns_error *err)
{
    ns_checkpoint *a = NULL, *b = NULL;
    int rc = open_item(&a, x);
    rc = rc != NS_OK ? rc : open_item(&b, y);
    *out = rc == NS_OK ? compare(a, b) : OTHER;
    ns_checkpoint_free(a);
    ns_checkpoint_free(b);
    return rc == NS_E_MEMORY ? ns_oom(err, x->path) : NS_OK;
}

/* ---- why one is not a checkpoint of its own ---- */

static bool same_step(const ns_series_item *a, const ns_series_item *b)
{
    return !a->final && !b->final && ns_series_stage(a) == ns_series_stage(b) && a->branch == b->branch &&
           a->step == b->step;
}

static bool same_stem(const ns_series_item *a, const ns_series_item *b)
{
    const char *const x = strrchr(a->path, '.'), *const y = strrchr(b->path, '.');
    return x && y && !strchr(x, '/') && !strchr(y, '/') && x - a->path == y - b->path &&
           strncmp(a->path, b->path, (size_t)(x - a->path)) == 0;
}

/* A branch that is not its stage's first. */
static const ns_series_item *branch_before(const ns_series *s, int64_t i)
{
    const ns_series_item *const item = &s->list[i];
    for (int64_t k = 0; k < i && item->branch; k++)
        if (s->list[k].branch && s->list[k].stage == item->stage && s->list[k].branch != item->branch)
            return &s->list[k];
    return NULL;
}

/* main and the like are, as a rule, the last of the numbered ones once more. */
static int final_twin(const ns_series *s, int64_t i, const ns_series_item **twin, likeness *how, ns_error *err)
{
    int rc = NS_OK;
    *twin = NULL;
    for (int64_t k = i - 1; s->list[i].final && k >= 0 && k >= i - NEAREST && rc == NS_OK && !*twin; k--) {
        rc = same_tensors(&s->list[i], &s->list[k], how, err);
        *twin = rc == NS_OK && *how ? &s->list[k] : NULL;
    }
    return rc;
}

static int leave_as(ns_series *s, int64_t i, bool *gone, ns_error *err, const char *why, const char *of)
{
    *gone = true;
    return ns_series_leave(s, s->list[i].label, false, err, why, of);
}

static const char same_weights[] = "the same weights as %s", by_samples[] = "the same weights as %s, by samples of each tensor (more than "
                                                                            "a GiB: not compared whole)";

/* Two of one step. */
static int judge_step(ns_series *s, int64_t i, bool *gone, ns_error *err)
{
    const ns_series_item *const item = &s->list[i], *const before = item - 1;
    likeness how;
    if (same_stem(item, before))
        return leave_as(s, i, gone, err, "the same name in another format than %s", before->label);
    const int rc = same_tensors(item, before, &how, err);
    if (rc == NS_OK && how)
        return leave_as(s, i, gone, err, how == ALL ? same_weights : by_samples, before->label);
    return rc == NS_OK && item->inside ? leave_as(s, i, gone, err, "by its own account it is of the step of %s", before->label) : rc;
}

static int judge(ns_series *s, char *const *files, int64_t i, bool *gone, ns_error *err)
{
    const int64_t twin = twin_of(files, i);
    const ns_series_item *const item = &s->list[i], *const first = branch_before(s, i), *last;
    likeness how = OTHER;
    if (twin >= 0)
        return leave_as(s, i, gone, err, same_weights, s->list[twin].label);
    if (first)
        return leave_as(s, i, gone, err, "trained beside %s, not after it: a run of its own, to be named with --manifest", first->label);
    if (i && same_step(item, item - 1))
        return judge_step(s, i, gone, err);
    const int rc = final_twin(s, i, &last, &how, err);
    return rc == NS_OK && last ? leave_as(s, i, gone, err, how == ALL ? same_weights : by_samples, last->label) : rc;
}

int ns_series_drop_same(ns_series *s, ns_error *err)
{
    char **const files = ns_alloc_array((size_t)s->n + 1, sizeof *files);
    bool *const gone = ns_alloc_array((size_t)s->n + 1, sizeof *gone);
    int rc = files && gone ? NS_OK : ns_oom(err, "the series");
    for (int64_t i = 0; i < s->n && rc == NS_OK; i++)
        rc = files_of(&s->list[i], &files[i], err);
    for (int64_t i = 0; i < s->n && rc == NS_OK; i++)
        rc = judge(s, files, i, &gone[i], err);
    int64_t kept = 0;
    for (int64_t i = 0; i < s->n && rc == NS_OK; i++) {
        if (gone[i])
            ns_series_item_free(&s->list[i]);
        else
            s->list[kept++] = s->list[i];
    }
    for (int64_t i = 0; files && i < s->n; i++)
        free(files[i]);
    s->n = rc == NS_OK ? kept : s->n;
    free(files);
    free(gone);
    return rc;
}
