/* check_recording.c - a whole recording, layer by layer: weights of attention, their sums, means and places are held to what they can be,
 * activations to what a number is. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/arch.h>

#include "record/file.h"
#include "record/open_study.h"

typedef struct recording {
    const ns_file *f;
    char         **kinds;              /* [L] of all layers */
    int64_t        L;
    ns_error      *err;
} recording;

/* One dataset, and which of its axes is the layers. */
typedef struct part {
    const char *name;
    ns_expected w;
    int         layer_axis;            /* -1: none */
    int64_t    *layers;                /* which they are; NULL: 0, 1, ... */
} part;

/* Places of keys are whole numbers below the case's T. */
static int check_whole(const recording *r, const part *p, ns_range range)
{
    int64_t *values = NULL;
    ns_expected w = p->w;
    w.type = NS_I64;
    w.range = range;
    const int rc = ns_file_array(r->f, &w, &values, r->err);
    free(values);
    return rc;
}

static bool is_signed(const recording *r, const part *p, int64_t i)
{
    const int64_t layer = p->layers ? p->layers[i] : i;
    return layer < 0 || layer >= r->L || strcmp(r->kinds[layer], ns_layer_kind_name(NS_LAYER_RECURRENT)) == 0;
}

/* start: of the outer axes; what is behind them is read at once. */
static int check_part(const recording *r, part *p, const int64_t *start, int outer, float *room)
{
    int64_t at[NS_MAX_RANK] = {0}, count[NS_MAX_RANK];
    for (int i = 0; i < p->w.rank; i++) {
        at[i] = i < outer ? start[i] : 0;
        count[i] = i < outer ? 1 : p->w.shape[i];
    }
    p->w.range = ns_recording_range(p->name, p->layer_axis >= 0 && is_signed(r, p, start[p->layer_axis]));
    return ns_file_part(r->f, &p->w, at, count, room, r->err);
}

static int check_numbers(const recording *r, part *p)
{
    const int outer = p->layer_axis + 1;
    int64_t n = 1, parts = 1, start[NS_MAX_RANK] = {0};
    for (int i = 0; i < p->w.rank; i++)
        *(i < outer ? &parts : &n) *= p->w.shape[i];             /* the reader has looked at their product */
    float *const room = ns_alloc_array((size_t)n, sizeof *room);
    int rc = room ? NS_OK : ns_oom(r->err, p->w.name);
    for (int64_t i = 0; i < parts && rc == NS_OK; i++) {
        int64_t left = i;
        for (int axis = outer - 1; axis >= 0; axis--) {
            start[axis] = left % p->w.shape[axis];
            left /= p->w.shape[axis];
        }
        rc = check_part(r, p, start, outer, room);
    }
    free(room);
    return rc;
}

/* The layers of a group's dataset: its axis says which. */
static int find_layers(const recording *r, part *p, const char *axes)
{
    const size_t group = (size_t)(p->name - p->w.name), first = strcspn(axes, " ");
    const char *const behind = axes[first] ? axes + first + 1 : "";
    p->layer_axis = ns_starts(axes, "layer") ? 0 : ns_starts(behind, "layer") ? 1 : -1;
    if (p->layer_axis != 0 || group < 2)
        return NS_OK;
    char *const path = ns_printf_alloc("%.*s%.*s", (int)group, p->w.name, (int)first, axes);
    ns_expected w = {.size = sizeof w, .name = path, .type = NS_I64, .rank = 1, .shape = {p->w.shape[0]}, .range = ns_between(0, 0x1p31)};
    const int rc = path ? ns_file_array(r->f, &w, &p->layers, r->err) : ns_oom(r->err, p->w.name);
    free(path);
    return rc;
}

static int check_dataset(const recording *r, const char *whole)
{
    char *axes = NULL;
    ns_dtype dtype;
    part p = {.name = ns_path_base(whole), .w = {.size = sizeof p.w, .name = whole, .type = NS_F32}};
    int rc = ns_file_describe(r->f, whole, &dtype, &p.w.rank, p.w.shape, &axes, r->err);
    const bool floats = dtype == NS_F16 || dtype == NS_F32;
    if (rc == NS_OK && strcmp(p.name, "topk_index") == 0)
        rc = check_whole(r, &p, ns_between(-1, 0x1p31));
    else if (rc == NS_OK && strcmp(p.name, "stat_count") == 0)
        rc = check_whole(r, &p, ns_between(0, 0x1p53));
    else if (rc == NS_OK && floats) {
        rc = find_layers(r, &p, axes);
        rc = rc != NS_OK ? rc : check_numbers(r, &p);
    }
    free(p.layers);
    free(axes);
    return rc;
}

int ns_recording_check(const ns_file *f, ns_error *err)
{
    recording r = {.f = f, .err = err};
    char **list = NULL;
    int64_t n = 0;
    ns_expected w = {.size = sizeof w, .name = "layer_kind", .rank = 1, .shape = {NS_ANY}};
    if (!ns_file_has(f, w.name))                                    /* of a version that does not say which rows are signed */
        return NS_OK;
    int rc = ns_file_texts(f, &w, &r.kinds, err);
    r.L = rc == NS_OK ? w.shape[0] : 0;
    rc = rc != NS_OK ? rc : ns_file_list(f, &list, &n, err);
    for (int64_t i = 0; i < n && rc == NS_OK; i++)
        rc = check_dataset(&r, list[i]);
    ns_free_strings(list, n);
    ns_free_strings(r.kinds, r.L);
    return rc;
}
