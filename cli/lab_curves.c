/* lab_curves.c - a run of the study -> find and previous-token scores, accuracy, checkpoint by checkpoint -> births. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/lab_curves.h"

void cli_curves_clear(cli_curves *c)
{
    free(c->step);
    free(c->find);
    free(c->link);
    free(c->accuracy);
    free(c->full);
    free(c->recurrent);
    *c = (cli_curves){0};
}

/* ---- out of the study ---- */

static int64_t run_index(const ns_study *study, const char *name)
{
    const int64_t R = ns_study_size(study).R;
    for (int64_t i = 0; i < R; i++)
        if (strcmp(ns_study_run_name(study, i), name) == 0)
            return i;
    return -1;
}

static int make_room(cli_curves *c, ns_study_shape n, ns_error *err)
{
    c->L = n.L;
    c->H = n.H;
    c->step = ns_alloc_array((size_t)n.P, sizeof *c->step);
    c->find = ns_alloc_array((size_t)(n.P * n.L * n.H), sizeof *c->find);
    c->link = ns_alloc_array((size_t)(n.P * n.L * n.H), sizeof *c->link);
    c->accuracy = ns_alloc_array((size_t)n.P, sizeof *c->accuracy);
    c->full = ns_alloc_array((size_t)n.L, sizeof *c->full);
    c->recurrent = ns_alloc_array((size_t)n.L, sizeof *c->recurrent);
    return c->step && c->find && c->link && c->accuracy && c->full && c->recurrent ? NS_OK : ns_oom(err, "a run's curves");
}

/* The scored checkpoints of run i up to the horizon. */
static void copy_run(const cli_lab *lab, const ns_study *study, int64_t i, const float *find, const float *link, const float *accuracy, cli_curves *c)
{
    const ns_study_shape n = ns_study_size(study);
    const int64_t cells = n.L * n.H, *const steps = ns_study_steps(study);
    for (int64_t p = 0; p < n.P && steps[p] <= lab->steps; p++) {
        if (ns_study_status(study)[i * n.P + p] != NS_STUDY_DONE)
            continue;
        memcpy(c->find + c->P * cells, find + (i * n.P + p) * cells, (size_t)cells * sizeof *find);
        memcpy(c->link + c->P * cells, link + (i * n.P + p) * cells, (size_t)cells * sizeof *link);
        c->accuracy[c->P] = accuracy[i * n.P + p];
        c->step[c->P++] = steps[p];
    }
    for (int64_t l = 0; l < n.L; l++) {
        c->full[l] = strcmp(ns_study_layer_kind(study, i, l), "full") == 0;
        c->recurrent[l] = strcmp(ns_study_layer_kind(study, i, l), "recurrent") == 0;
    }
    if (c->P && c->step[c->P - 1] != lab->steps)
        c->P = 0;
}

int cli_curves_read(const cli_lab *lab, ns_study *study, const cli_lab_run *run, cli_curves *c, ns_error *err)
{
    const float *find, *link, *accuracy;
    const int64_t i = run_index(study, run->name);
    *c = (cli_curves){0};
    if (i < 0)
        return NS_OK;
    int rc = make_room(c, ns_study_size(study), err);
    if (rc == NS_OK)
        rc = ns_study_score(study, "retrieval_find", &find, err);
    if (rc == NS_OK)
        rc = ns_study_score(study, "previous_at_needle", &link, err);
    if (rc == NS_OK)
        rc = ns_study_series(study, "accuracy", &accuracy, err);
    if (rc == NS_OK)
        copy_run(lab, study, i, find, link, accuracy, c);
    return rc;
}

/* ---- births of the best of several heads: the largest score among them, checkpoint by checkpoint ---- */

float cli_curves_at(const cli_curves *c, const float *score, int64_t p, int64_t layer, int64_t head)
{
    return score[(p * c->L + layer) * c->H + head];
}

bool cli_layer_full(const cli_curves *c, int64_t layer, int64_t below)
{
    (void)below;
    return c->full[layer];
}

bool cli_layer_below(const cli_curves *c, int64_t layer, int64_t below)
{
    return layer < below && !c->recurrent[layer];
}

static float best_at(const cli_curves *c, const float *score, int64_t p, cli_layer_choice *chosen, int64_t below)
{
    float best = NAN;
    for (int64_t l = 0; l < c->L; l++)
        for (int64_t h = 0; h < c->H && chosen(c, l, below); h++)
            best = fmaxf(best, cli_curves_at(c, score, p, l, h));     /* NaN: no such head */
    return best;
}

void cli_curves_best(const cli_curves *c, const float *score, cli_layer_choice *chosen, int64_t below, float *out)
{
    for (int64_t p = 0; p < c->P; p++)
        out[p] = best_at(c, score, p, chosen, below);
}

/* The first of so many checkpoints in a row at theta or above. */
cli_lab_birth cli_curves_birth(const cli_curves *c, cli_rule r, const float *curve)
{
    int64_t in_row = 0;
    for (int64_t p = 0; p < c->P; p++) {
        in_row = curve[p] >= r.theta ? in_row + 1 : 0;
        if (in_row == r.consecutive) {
            const int64_t first = p - in_row + 1;
            return (cli_lab_birth){first ? c->step[first - 1] : -1, c->step[first]};
        }
    }
    return (cli_lab_birth){c->P ? c->step[c->P - 1] : -1, -1};
}
