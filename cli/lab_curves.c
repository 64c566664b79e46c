/* lab_curves.c - the shards of a run -> find and previous-token scores, accuracy, checkpoint by checkpoint -> births. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <needlescope/record.h>

#include "cli/lab_curves.h"

void cli_curves_clear(cli_curves *c)
{
    free(c->step);
    free(c->find);
    free(c->link);
    free(c->accuracy);
    free(c->full);
    *c = (cli_curves){0};
}

/* ---- shards ---- */

static int read_layers(cli_curves *c, const ns_file *file, ns_error *err)
{
    char **kinds;
    int64_t n;
    const int rc = ns_file_read_strings(file, "layer_kind", &kinds, &n, err);
    for (int64_t l = 0; rc == NS_OK && l < n; l++) {
        if (l < c->L)
            c->full[l] = strcmp(kinds[l], "full") == 0;
        free(kinds[l]);
    }
    if (rc == NS_OK)
        free(kinds);
    return rc;
}

/* Room for so many checkpoints of the shape of this score. */
static int make_room(cli_curves *c, int64_t P, int rank, const int64_t *shape, const char *label, ns_error *err)
{
    if (rank != 2 || shape[0] < 1 || shape[1] < 1 || shape[0] * shape[1] > 1 << 20)
        return ns_fail(err, NS_E_FORMAT, "%s: retrieval_find is no array of layers and heads", label);
    c->L = shape[0];
    c->H = shape[1];
    c->step = ns_alloc_array((size_t)P, sizeof *c->step);
    c->find = ns_alloc_array((size_t)(P * c->L * c->H), sizeof *c->find);
    c->link = ns_alloc_array((size_t)(P * c->L * c->H), sizeof *c->link);
    c->accuracy = ns_alloc_array((size_t)P, sizeof *c->accuracy);
    c->full = ns_alloc_array((size_t)c->L, sizeof *c->full);
    return c->step && c->find && c->link && c->accuracy && c->full ? NS_OK : ns_oom(err, label);
}

static int read_scores(cli_curves *c, const ns_file *file, int64_t most, const char *label, ns_error *err)
{
    float *find = NULL, *link = NULL, *answered = NULL;
    int64_t shape[NS_MAX_RANK], cases[NS_MAX_RANK];
    int rank, n, rc = ns_file_read_f32(file, "retrieval_find", &find, &rank, shape, NULL, err);
    if (rc == NS_OK && !c->find) {
        rc = make_room(c, most, rank, shape, label, err);
        if (rc == NS_OK)
            rc = read_layers(c, file, err);
    }
    if (rc == NS_OK && (rank != 2 || shape[0] != c->L || shape[1] != c->H))
        rc = ns_fail(err, NS_E_FORMAT, "%s: another shape than the run's other checkpoints", label);
    if (rc == NS_OK)
        rc = ns_file_read_f32(file, "previous_at_needle", &link, &rank, shape, NULL, err);
    if (rc == NS_OK)
        rc = ns_file_read_f32(file, "answered", &answered, &n, cases, NULL, err);
    double sum = 0;
    for (int64_t i = 0; rc == NS_OK && i < cases[0]; i++)
        sum += answered[i] > 0;
    if (rc == NS_OK) {
        memcpy(c->find + c->P * c->L * c->H, find, (size_t)(c->L * c->H) * sizeof *find);
        memcpy(c->link + c->P * c->L * c->H, link, (size_t)(c->L * c->H) * sizeof *link);
        c->accuracy[c->P] = (float)(sum / (double)cases[0]);
    }
    free(answered);
    free(link);
    free(find);
    return rc;
}

static int read_shard(const cli_lab *lab, const cli_lab_run *run, int64_t step, cli_curves *c, ns_error *err)
{
    char *const path = cli_lab_path(lab, "scan/%s/step%06lld.h5", run->name, (long long)step);
    ns_file *file = NULL;
    int rc = path ? NS_OK : ns_oom(err, "a shard");
    if (rc == NS_OK && ns_path_exists(path)) {
        rc = ns_file_open(&file, path, err);
        if (rc == NS_OK)
            rc = read_scores(c, file, cli_lab_points(lab), path, err);
        if (rc == NS_OK)
            c->step[c->P++] = step;
    }
    ns_file_close(file);
    free(path);
    return rc;
}

int cli_curves_read(const cli_lab *lab, const cli_lab_run *run, cli_curves *c, ns_error *err)
{
    int rc = NS_OK;
    *c = (cli_curves){0};
    for (int64_t p = 0; p < cli_lab_points(lab) && rc == NS_OK; p++)
        rc = read_shard(lab, run, cli_lab_step(lab, p), c, err);
    if (c->P && c->step[c->P - 1] != lab->steps)
        c->P = 0;
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
    (void)c;
    return layer < below;
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
