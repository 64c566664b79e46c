/* test_unroll.c - vectors that go back, step by step and a block at once: every version has the bits of the plain loops here. */
#include "kernel.h"

#include <math.h>

enum { COLS = 32, N = 96, STRIDE = 3 * N, STEPS = 32, ROWS = 32, LD = 150 };

/* ---- step by step ---- */

static float u_decay(const ns_unscan *u, int64_t s, int64_t i)
{
    return u->decay[s * u->stride + (u->each ? i : 0)];
}

/* One column, by the definition of math.h: sums in two chains, even and odd. */
static void column_back(const ns_unscan *u, int64_t column, float *p, float *o)
{
    const int64_t begins = u->first + column;
    for (int64_t i = 0; i < u->n; i++)
        p[i] = 0;
    for (int64_t s = begins < u->steps ? begins : -1; s >= 0; s--) {
        const float write = u->write[s * u->stride], *const k = u->k + s * u->stride, *const x = u->x + (s - u->first) * u->ldx;
        float chain[2] = {0, 0};
        for (int64_t i = 0; i < u->n; i++) {
            p[i] = s == begins ? (u->written ? -write : 1) * x[i] : u_decay(u, s + 1, i) * p[i];
            chain[i % 2] = fmaf(k[i], p[i], chain[i % 2]);
        }
        o[s] = chain[0] + chain[1];
        for (int64_t i = 0; u->delta && i < u->n; i++)
            p[i] = fmaf(k[i], -write * o[s], p[i]);
    }
}

static void compare_columns(const ns_math *m, const ns_unscan *u)
{
    static float p[N * COLS], o[STEPS * COLS], want_p[N], want_o[STEPS];
    m->unscan(u, p, o);
    for (int64_t c = 0; c < COLS && u->first + c < u->steps; c++) {
        column_back(u, c, want_p, want_o);
        for (int64_t i = 0; i < u->n; i++)
            same_bits(&p[i * COLS + c], &want_p[i], 1, m->name, "p of unscan");
        for (int64_t s = 0; s <= u->first + c; s++)
            same_bits(&o[s * COLS + c], &want_o[s], 1, m->name, "o of unscan");
    }
}

static void steps_back(void **state)
{
    (void)state;
    const ns_math *list[NS_MATH_MAX];
    const int n_versions = versions(list);
    ns_rng rng = ns_rng_seed(4, 0);
    float *const k = floats(STEPS * STRIDE), *const x = floats(STEPS * N);
    fill(&rng, k, STEPS * STRIDE, TAME);
    fill(&rng, x, STEPS * N, TAME);
    static const int64_t sizes[] = {1, 2, 7, 64, 95};
    for (int way = 0; way < 8; way++)
        for (int64_t steps = 1; steps <= STEPS; steps += steps == 1 ? 14 : 1)
            for (int64_t first = 0; first < steps; first += 5) {
                const int64_t n = sizes[(steps + first) % 5];
                const ns_unscan u = {.n = n, .steps = steps, .first = first, .k = k, .decay = k + N, .write = k + 2 * N, .x = x,
                                     .stride = STRIDE, .ldx = N, .each = way & 1, .delta = way & 2, .written = way & 4};
                for (int v = 0; v < n_versions; v++)
                    compare_columns(list[v], &u);
            }
    free(k);
    free(x);
}

/* ---- a block at once ---- */

static float chain_of(int64_t n, const float *a, const float *b, int64_t stride)
{
    float sum = 0;
    for (int64_t i = 0; i < n; i++)
        sum = fmaf(a[i], b[i * stride], sum);
    return sum;
}

static void block_back(const ns_unroll_step *u, float *p, float *cells)
{
    for (int64_t r = 0; r < u->rows; r++, p += u->n, cells += LD) {
        float o[COLS];
        for (int64_t s = 0; s < COLS; s++) {
            o[s] = chain_of(u->n, p, u->K + s, COLS);
            cells[s] = u->write[s] * o[s];
        }
        for (int64_t i = 0; u->all && i < u->n; i++) {
            p[i] *= u->all[i];
            if (u->T)
                p[i] += chain_of(COLS, o, u->T + i / COLS * COLS * COLS + i % COLS, COLS);
        }
    }
}

static void blocks_back(void **state)
{
    (void)state;
    const ns_math *list[NS_MATH_MAX];
    const int n_versions = versions(list);
    static const int64_t sizes[] = {64, 32, 96, 40, 1};
    ns_rng rng = ns_rng_seed(5, 0);
    float *const K = floats(N * COLS), *const T = floats(N * COLS), *const all = floats(N), *const write = floats(COLS);
    float *const p0 = floats(ROWS * N), *const p = floats(ROWS * N), *const want = floats(ROWS * N);
    float *const cells = floats(ROWS * LD), *const want_cells = floats(ROWS * LD);
    fill(&rng, K, N * COLS, TAME);
    fill(&rng, T, N * COLS, TAME);
    fill(&rng, all, N, TAME);
    fill(&rng, write, COLS, TAME);
    fill(&rng, p0, ROWS * N, TAME);
    for (int way = 0; way < 3; way++)
        for (int64_t rows = 1; rows <= ROWS; rows++)
            for (int v = 0; v < n_versions; v++) {
                const ns_unroll_step u = {rows, sizes[rows % 5], K, way == 1 ? NULL : T, write, way == 2 ? NULL : all, 0};
                memcpy(p, p0, ROWS * N * sizeof *p);
                memcpy(want, p0, ROWS * N * sizeof *p);
                memset(cells, 0x55, ROWS * LD * sizeof *cells);
                memset(want_cells, 0x55, ROWS * LD * sizeof *cells);
                list[v]->unroll(&u, p, cells, LD);
                block_back(&u, want, want_cells);
                same_bits(p, want, ROWS * N, list[v]->name, "p of unroll");
                same_bits(cells, want_cells, ROWS * LD, list[v]->name, "cells of unroll");
            }
    free(K), free(T), free(all), free(write), free(p0), free(p), free(want), free(cells), free(want_cells);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(steps_back), cmocka_unit_test(blocks_back)};
    return ns_exit_code(cmocka_run_group_tests(tests, NULL, NULL));
}
