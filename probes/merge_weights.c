/* merge_weights.c - how far each checkpoint of a run lies from the one before it, and its two neighbours from each other, by the sample of
 * weights that shards carry: what lies far from both, where they lie near each other, is another run's, or its name lies. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "merge.h"

void ns_merge_weights_clear(ns_merging *m)
{
    for (int64_t i = 0; m->samples && i < m->job.R * m->job.P; i++)
        free(m->samples[i]);
    free(m->samples);
    free(m->sampled);
}

bool ns_merge_weights_new(ns_merging *m)
{
    const size_t cells = (size_t)(m->job.R * m->job.P);
    m->samples = ns_alloc_array(cells, sizeof *m->samples);
    m->sampled = ns_alloc_array(cells, sizeof *m->sampled);
    return m->samples && m->sampled;
}

/* A shard of an older version has none, nor one whose model came from no files. */
int ns_merge_hear_weights(ns_merging *m, const ns_file *file, int64_t cell)
{
    const char *const of = ns_file_fact(file, "weights_sample_of");
    ns_expected w = {sizeof w, "weights_sample", NS_F32, 1, {NS_SAMPLE}, ns_finite()};
    if (!of || !ns_file_has(file, "weights_sample"))
        return NS_OK;
    if (!(m->sampled[cell] = ns_merge_keep(m, of)))
        return ns_oom(m->err, "samples of weights");
    return ns_file_array(file, &w, &m->samples[cell], m->err);
}

/* |a - b| / |a|; NaN where they are not samples of the same tensors. */
static float distance(const ns_merging *m, int64_t a, int64_t b)
{
    const float *const x = m->samples[a], *const y = m->samples[b];
    double sum = 0, size = 0;
    if (!x || !y || strcmp(m->sampled[a], m->sampled[b]))
        return NAN;
    for (int64_t i = 0; i < NS_SAMPLE; i++) {
        sum += (double)(x[i] - y[i]) * (double)(x[i] - y[i]);
        size += (double)x[i] * (double)x[i];
    }
    return size > 0 ? (float)sqrt(sum / size) : NAN;
}

int ns_merge_write_weights(ns_merging *m)
{
    const ns_merge_job *const j = &m->job;
    const int64_t grid[2] = {j->R, j->P}, n = j->R * j->P;
    float *const moved = ns_alloc_array(2 * (size_t)n, sizeof *moved), *const across = moved ? moved + n : NULL;
    if (!moved)
        return ns_oom(m->err, "distances of weights");
    for (int64_t i = 0; i < 2 * n; i++)
        moved[i] = NAN;
    for (int64_t r = 0; r < j->R; r++) {
        int64_t last = -1, before = -1;
        for (int64_t now = r * j->P; now < (r + 1) * j->P; now++) {
            if (m->status[now] != NS_STUDY_DONE)
                continue;
            moved[now] = last >= 0 ? distance(m, last, now) : NAN;
            if (before >= 0)
                across[last] = distance(m, before, now);
            before = last;
            last = now;
        }
    }
    const ns_view moves = ns_view_of(moved, NS_F32, 2, grid), skips = ns_view_of(across, NS_F32, 2, grid);
    int rc = ns_table_array(m->w, "weight_distance", "run step", &moves,
                            "|w - w before| / |w before| over a sample of weights; before: the run's scored checkpoint before", m->err);
    if (rc == NS_OK)
        rc = ns_table_array(m->w, "weight_across", "run step", &skips, "the same from the checkpoint before to the one behind", m->err);
    free(moved);
    return rc;
}
